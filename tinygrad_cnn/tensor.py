"""Tensor: an array with a gradient and a name, whose operations are recorded. Its methods stand on the primitives."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any
from weakref import ref

import numpy as np

from tinygrad_cnn import backend, dlpack, walk
from tinygrad_cnn.engine import Leaf, Node, Unkept, Variable, name_operation
from tinygrad_cnn.modes import observed
from tinygrad_cnn.numpy_protocol import NumpyProtocol
from tinygrad_cnn.primitives import (
    activations,
    elementwise,
    indexing,
    joining,
    linear_algebra,
    matmul,
    piecewise,
    products,
    reduction,
    searching,
    shape,
)

_new = object.__new__
_DIFFERENTIABLE = "fO"  # kinds of dtype: floating-point numbers, and objects for exact ones
_NO_OPTIONS: dict[str, Any] = {}


@observed
def tensor(
    data: Any, dtype: Any = None, device: str | None = None, requires_grad: bool = False, name: str | None = None
) -> Tensor:
    """A tensor with a copy of the data.

    Args:
        data: a number, a nested list, a NumPy or CuPy array, another tensor, a `Fraction`, a sympy expression.
        dtype: None keeps an array's own; Python floats become the default dtype (float32), ints int64.
        device: "cpu", "gpu" or "gpu:1"; None is a tensor's or a CuPy array's own, and else the default device.
        requires_grad: record what is computed from it, and let `backward()` fill its `.grad`.
        name: shown by `repr` and in pictures.

    Raises:
        TypeError: data that is not numbers.
        ValueError: a ragged list, an unknown device, or `requires_grad` for integers.
        RuntimeError: a GPU was asked for and CuPy or the GPU is missing.

    >>> import tinygrad_cnn as tg
    >>> a = tg.tensor([[1.0, 2.0]], requires_grad=True, name="a")
    >>> loss = (a * a).sum()
    >>> loss.backward()
    >>> a.grad
    Tensor([[2., 4.]], shape=(1, 2), dtype=float32)
    """
    if isinstance(data, Variable):
        data, device = data._array, device or backend.device_of(data._array)
    elif _holds_tensors(data):
        raise TypeError("tensor: a list of tensors would lose their graph; join them with tg.stack or tg.concatenate")
    result = Tensor._wrap(backend.as_array(data, dtype, device), None)
    result._name = name
    if requires_grad:
        result.requires_grad = True
    return result


def from_dlpack(x: Any) -> Tensor:
    """A tensor with a copy of the values of another library's array, through DLPack: PyTorch, CuPy, JAX, NumPy, ...

    Args:
        x: an object with `__dlpack__` and `__dlpack_device__`, on the CPU or a GPU, where the tensor will be too.

    Raises:
        TypeError: an object without these methods.
        ValueError: on another kind of device.
        BufferError: the object refuses, as PyTorch's tensors with a gradient do, or has a dtype that NumPy lacks.

    >>> import numpy as np
    >>> import tinygrad_cnn as tg
    >>> tg.from_dlpack(np.array([1.0, 2.0]))
    Tensor([1., 2.], shape=(2,), dtype=float64)
    """
    array = dlpack.imported(x)
    return tensor(array, device=backend.device_of(array))


def _leaf(array: Any, requires_grad: bool, name: str | None, gradient: Tensor | None) -> Tensor:
    """A leaf from the parts that `Tensor.__reduce__` took out of another."""
    result = Tensor._wrap(array, None)
    result._name = name
    result.requires_grad = requires_grad
    result._grad = gradient
    return result


def _holds_tensors(data: Any) -> bool:
    return isinstance(data, list | tuple) and any(isinstance(x, Variable) or _holds_tensors(x) for x in data)


def _reflected(operation: Callable[..., Any]) -> Callable[[Tensor, Any], Tensor]:
    """The operator method for a tensor on the right."""

    def method(self: Tensor, other: Any) -> Tensor:
        return operation(other, self)  # type: ignore[no-any-return]

    return method


def _in_place(operation: Callable[..., Any], symbol: str) -> Callable[..., Tensor]:
    """`x += y` as `x = x + y`, but for a leaf, which would silently become another tensor."""

    def method(self: Tensor, other: Any) -> Tensor:
        if self.requires_grad and self.is_leaf:
            name = self.name or "w"
            raise TypeError(
                f"{name} {symbol}= ...: a leaf that requires a gradient is updated by assignment, so that no graph "
                f"changes behind its back: {name}.data = {name}.data {symbol} ..."
            )
        return operation(self, other)  # type: ignore[no-any-return]

    return method


def _comparison(compare: Callable[[Any, Any], Any], symbol: str) -> Callable[[Tensor, Any], Tensor]:
    """A comparison, element by element: a tensor of bools, which has no gradient."""

    def method(self: Tensor, other: Any) -> Tensor:
        other = other._array if isinstance(other, Variable) else other
        try:
            return Tensor._wrap(compare(self._array, other), None)
        except (TypeError, ValueError) as error:
            name_operation(symbol, [self._array, other], error)
            raise

    return observed(method)


class Tensor(NumpyProtocol, dlpack.MemoryProtocols):
    """An array whose operations are recorded, so that `backward()` can give its gradient. Made by `tg.tensor`.

    Attributes:
        data: the array, read-only; a leaf's is replaced by assignment (same shape; cast to the same dtype).
        grad: a tensor of the same shape, or None where nothing was computed. It accumulates.
        requires_grad: whether operations on it are recorded.
        name: a label for `repr` and pictures, or None.
        node: the node of the graph that recorded it, or None.

    Operators, indexing and methods follow NumPy. Nothing changes in place: an array that a graph needs stays as it is.

    >>> import tinygrad_cnn as tg
    >>> a, b = tg.tensor(-4.0, requires_grad=True), tg.tensor(2.0, requires_grad=True)
    >>> c = (a * b + b**3).tanh() + (a + b).relu()
    >>> c.backward()
    >>> c.item(), a.grad.item(), b.grad.item()
    (0.0, 2.0, 8.0)
    """

    __slots__ = ()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        raise TypeError("Tensor is made by tg.tensor(data, dtype=None, device=None, requires_grad=False, name=None)")

    @staticmethod
    def _wrap(array: Any, node: Node | None) -> Tensor:
        self: Tensor = _new(Tensor)
        self._array = array
        self.node = node
        self._grad = None
        self._name = None
        return self

    # What it is

    @property
    def data(self) -> Any:
        """The array, read-only; a leaf's is replaced by assignment (same shape; cast to the same dtype)."""
        return backend.read_only(self._array)

    @data.setter
    @observed
    def data(self, value: Any) -> None:
        if not self.is_leaf:
            raise ValueError(f"data: only a leaf's data can be assigned, and {self!r} was computed; detach() it first")
        array = backend.as_array(value._array if isinstance(value, Variable) else value, like=self._array)
        if backend.shape_of(array) != self.shape:
            raise ValueError(f"data: expected shape {self.shape} but got {backend.shape_of(array)}")
        self._replace(array)

    def _replace(self, array: Any) -> None:
        """Take over an array of the same shape, dtype and device that nobody else can change."""
        self._array = array
        node = self.node
        if node is not None:
            if not node.requires_grad:
                self.node = None  # the node of a constant shows the value that was used
            elif type(node.value) is not Unkept:
                node.value = array
            elif node.value.dtype != array.dtype:  # a module was cast, and its gradients come in the node's dtype
                node.value = Unkept(array.shape, array.dtype)

    @property
    def grad(self) -> Tensor | None:
        """The gradient, of the same shape, or None where nothing was computed. It accumulates."""
        return self._grad  # type: ignore[no-any-return]

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"grad: expected a tensor or None but got {type(value).__name__}")
            if value.shape != self.shape:
                raise ValueError(f"grad: expected the tensor's shape {self.shape} but got {value.shape}")
        self._grad = value

    @property
    def requires_grad(self) -> bool:
        """Whether operations on it are recorded."""
        return self.node is not None and self.node.requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not self.is_leaf:
            raise ValueError(f"requires_grad: {self!r} was computed; only a leaf's can be set, or detach() it first")
        if value and self.dtype.kind not in _DIFFERENTIABLE:
            raise ValueError(f"requires_grad: gradients need a floating-point or exact dtype but this is {self.dtype}")
        if value != self.requires_grad:
            self.node = Leaf(self._array, self._name, ref(self)) if value else None

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user, not computed by a recorded operation."""
        return self.node is None or self.node.primitive is None

    @property
    def name(self) -> str | None:
        """A label for `repr` and pictures."""
        return self._name

    @name.setter
    def name(self, value: str | None) -> None:
        self._name = value
        if self.node is not None:
            self.node.name = value

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each axis."""
        try:
            return self._array.shape  # type: ignore[no-any-return]
        except AttributeError:  # a single object
            return ()

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return getattr(self._array, "size", 1) if self.shape else 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return backend.dtype_of(self._array)

    @property
    def device(self) -> str:
        """Where the elements lie: "cpu" or "gpu:<index>"."""
        return backend.device_of(self._array)

    # The graph

    def backward(
        self, gradient: Any = None, retain_graph: bool = False, create_graph: bool = False
    ) -> None:
        """Compute the gradient of this tensor for every leaf behind it and add it to their `.grad`.

        Args:
            gradient: the upstream gradient, of this tensor's shape; None means 1 and needs a single element.
            retain_graph: keep what the rules need, so that backward can be called again.
            create_graph: record the walk, so that the gradients can be differentiated; implies `retain_graph`.

        Raises:
            ValueError: nothing was recorded, or `gradient` is missing or has another shape.
            RuntimeError: the graph was freed by an earlier call.

        >>> import tinygrad_cnn as tg
        >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).backward([1.0, 10.0])
        >>> x.grad.numpy()
        array([ 2., 40.], dtype=float32)
        """
        walk.backward(self, gradient, retain_graph, create_graph)

    def retain_grad(self) -> Tensor:
        """Let `backward()` fill `.grad` although this tensor was computed; returns the tensor."""
        if self.node is None or not self.node.requires_grad:
            raise ValueError(f"retain_grad: {self!r} does not require a gradient")
        self.node.target = ref(self)
        return self

    def detach(self) -> Tensor:
        """The same values without the graph; the memory is shared."""
        return Tensor._wrap(self._array, None)

    # Other forms

    def draw(self, **options: Any) -> Any:
        """The picture of the graph behind this tensor: `tg.viz.draw`, whose options it takes."""
        from tinygrad_cnn.viz import draw

        return draw(self, **options)

    def numpy(self) -> Any:
        """The values as a read-only NumPy array (from a GPU: a copy)."""
        return backend.read_only(np.asarray(backend.to_numpy(self._array)))

    def item(self) -> Any:
        """The single element as a Python number, or as the `Fraction` or symbol that it is.

        Raises:
            ValueError: more or fewer than one element.
        """
        if self.size != 1:
            raise ValueError(f"item: expected a single element but the shape is {self.shape}")
        return self._array.item() if hasattr(self._array, "item") else self._array

    def tolist(self) -> Any:
        """The values as nested Python lists."""
        return self._array.tolist() if hasattr(self._array, "tolist") else self._array

    def to(self, device: str) -> Tensor:
        """The tensor on the device, recorded, so that its gradient comes back to this one; itself if it is there."""
        device = backend.parse_device(device)
        return self if device == self.device else shape.transfer(self, device=device, source=self.device)

    def astype(self, dtype: Any) -> Tensor:
        """The tensor cast to a dtype, recorded; the gradient is cast back. Integers and bools have no gradient."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self
        source = self if dtype.kind in _DIFFERENTIABLE else self.detach()
        return shape.cast(source, dtype=dtype)  # type: ignore[no-any-return]

    def __reduce__(self) -> Any:
        """For `copy` and `pickle`: a leaf becomes a leaf of its own, apart from every graph."""
        if not self.is_leaf:
            raise TypeError(f"copy: {self!r} was computed, and its graph can't be copied; detach() it first")
        gradient = None if self._grad is None else self._grad.detach()
        return _leaf, (self._array, self.requires_grad, self._name, gradient)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(f"bool: a tensor of shape {self.shape} is neither true nor false; use .any() or .all()")
        return bool(self.item())

    def __format__(self, specification: str) -> str:
        return format(self.item(), specification) if specification else repr(self)

    def __repr__(self) -> str:
        values = np.array2string(self.numpy(), separator=", ", threshold=100, edgeitems=2, prefix="Tensor(")
        parts = [values if self.dtype != object or self.shape else str(self._array)]
        parts.append(f"shape={self.shape}, dtype={self.dtype}")
        if self.device != "cpu":
            parts.append(f"device={self.device!r}")
        if self.name is not None:
            parts.append(f"name={self.name!r}")
        if not self.is_leaf:
            parts.append(f"op={self.node.primitive.name}")  # type: ignore[union-attr]
        elif self.requires_grad:
            parts.append("requires_grad=True")
        return f"Tensor({', '.join(parts)})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from tinygrad_cnn.viz.notebook import tensor_bundle

        return tensor_bundle(self, include, exclude)

    # Sequence

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len: a tensor without axes has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise TypeError("iter: a tensor without axes has no elements to go through")
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> Tensor:
        return shape.getitem(self, index)  # type: ignore[no-any-return]

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "Tensor: elements can't be assigned, since a graph may need the old ones; build the array first, use "
            "tg.where or tg.concatenate, or assign a leaf's whole .data"
        )

    # Operators

    __add__, __radd__ = elementwise.add, _reflected(elementwise.add)
    __sub__, __rsub__ = elementwise.subtract, _reflected(elementwise.subtract)
    __mul__, __rmul__ = elementwise.multiply, _reflected(elementwise.multiply)
    __truediv__, __rtruediv__ = elementwise.divide, _reflected(elementwise.divide)
    __pow__, __rpow__ = elementwise.power, _reflected(elementwise.power)
    __mod__, __rmod__ = piecewise.remainder, _reflected(piecewise.remainder)
    __floordiv__, __rfloordiv__ = piecewise.floor_divide, _reflected(piecewise.floor_divide)

    __iadd__ = _in_place(elementwise.add, "+")
    __isub__ = _in_place(elementwise.subtract, "-")
    __imul__ = _in_place(elementwise.multiply, "*")
    __itruediv__ = _in_place(elementwise.divide, "/")
    __ipow__ = _in_place(elementwise.power, "**")
    __imatmul__ = _in_place(matmul.matmul, "@")

    def __matmul__(self, other: Any) -> Tensor:
        return matmul.matmul(self, other)  # type: ignore[no-any-return]

    def __rmatmul__(self, other: Any) -> Tensor:
        return matmul.matmul(other, self)  # type: ignore[no-any-return]

    def __neg__(self) -> Tensor:
        return elementwise.negative(self)  # type: ignore[no-any-return]

    def __pos__(self) -> Tensor:
        return self

    def __invert__(self) -> Tensor:
        return Tensor._wrap(~self._array, None)

    def __abs__(self) -> Tensor:
        return elementwise.abs(self)  # type: ignore[no-any-return]

    __eq__ = _comparison(operator.eq, "==")  # type: ignore[assignment]
    __ne__ = _comparison(operator.ne, "!=")  # type: ignore[assignment]
    __lt__ = _comparison(operator.lt, "<")
    __le__ = _comparison(operator.le, "<=")
    __gt__ = _comparison(operator.gt, ">")
    __ge__ = _comparison(operator.ge, ">=")
    __and__ = __rand__ = _comparison(operator.and_, "&")
    __or__ = __ror__ = _comparison(operator.or_, "|")
    __xor__ = __rxor__ = _comparison(operator.xor, "^")
    __hash__ = object.__hash__  # by identity, since == compares element by element

    # Methods: the functions of the same names. NumPy's elementwise ones are in NumpyProtocol.

    sigmoid, relu, erf = elementwise.sigmoid, elementwise.relu, activations.erf
    sum, mean, var, std = reduction.sum, reduction.mean, reduction.var, reduction.std
    max, min, prod = reduction.max, reduction.min, products.prod
    cumsum, cumprod = products.cumsum, products.cumprod
    argmax, argmin, any, all = searching.argmax, searching.argmin, searching.any, searching.all
    dot, trace, diagonal = linear_algebra.dot, linear_algebra.trace, indexing.diagonal
    take, repeat = indexing.take, joining.repeat

    def reshape(self, *shape_: Any) -> Tensor:
        """`tg.reshape`; the shape as a tuple or as arguments."""
        return shape.reshape(self, shape_[0] if len(shape_) == 1 else shape_)  # type: ignore[no-any-return]

    def transpose(self, *axes: Any) -> Tensor:
        """`tg.transpose`; the axes as a tuple or as arguments, none for all reversed."""
        return shape.transpose(self, axes[0] if len(axes) == 1 else axes or None)  # type: ignore[no-any-return]

    def permute(self, *axes: Any) -> Tensor:
        """`tg.permute`; the axes as a tuple or as arguments."""
        return shape.permute(self, axes[0] if len(axes) == 1 else axes)  # type: ignore[no-any-return]

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """`tg.swapaxes`."""
        return shape.swapaxes(self, axis1, axis2)  # type: ignore[no-any-return]

    def squeeze(self, axis: Any = None) -> Tensor:
        """`tg.squeeze`."""
        return shape.squeeze(self, axis)  # type: ignore[no-any-return]

    def ravel(self) -> Tensor:
        """`tg.ravel`."""
        return shape.ravel(self)  # type: ignore[no-any-return]

    def flatten(self, start_axis: int = 0, end_axis: int = -1) -> Tensor:
        """`tg.flatten`."""
        return shape.flatten(self, start_axis, end_axis)  # type: ignore[no-any-return]

    @property
    def T(self) -> Tensor:
        """The tensor with its axes reversed."""
        return shape.transpose(self, None)  # type: ignore[no-any-return]


def get_array_module(*operands: Any) -> ModuleType:
    """NumPy, or CuPy when one of the tensors or arrays lies on a GPU: code written with it runs on both.

    >>> import tinygrad_cnn as tg
    >>> tg.get_array_module(tg.tensor([1.0])).__name__
    'numpy'
    """
    return backend.get_array_module(*(x._array if isinstance(x, Variable) else x for x in operands))

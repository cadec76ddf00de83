"""Module: a part of a network. Its parameters, buffers and submodules are found in its attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from reprlib import recursive_repr
from typing import Any, NamedTuple, Self

import numpy as np

from tinygrad_cnn import backend
from tinygrad_cnn.engine import begin_call, end_call
from tinygrad_cnn.tensor import Tensor, tensor


def Parameter(data: Any, dtype: Any = None, device: str | None = None, name: str | None = None) -> Tensor:
    """A tensor to be trained: `tg.tensor(data, requires_grad=True)`, a leaf whose `.grad` backward fills.

    There is no class of parameters: what a `Module` holds and requires a gradient is one of its parameters.

    Raises:
        ValueError: integers, which have no gradient.
        TypeError: data that is not numbers.

    >>> from tinygrad_cnn import nn
    >>> nn.Parameter([0.5, 1.5]).requires_grad
    True
    """
    return tensor(data, dtype, device, requires_grad=True, name=name)


class IncompatibleNames(NamedTuple):
    """The names that `load_state_dict` with `strict=False` passed over."""

    missing: list[str]
    unexpected: list[str]


class Module:
    """A part of a network: assign tensors and modules to attributes in `__init__`, write what it computes in `forward`.

    A leaf tensor with `requires_grad` is a parameter, also when it is frozen later; another module is a submodule.
    Lists, tuples and dicts of them count too, also what is appended later. The dotted path of attributes is the name,
    as "layers.0.weight"; a parameter without a name of its own gets it, so that pictures are labelled. What is computed
    from a parameter is none itself: write `Parameter(0.1 * values)`, not `0.1 * Parameter(values)`.

    Attributes:
        training: True after `train()`, as at first, and False after `eval()`.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> class Affine(nn.Module):
    ...     def __init__(self, scale):
    ...         self.scale = nn.Parameter(scale)
    ...         self.shift = nn.Parameter(0.0)
    ...
    ...     def forward(self, x):
    ...         return self.scale * x + self.shift
    >>> affine = Affine(3.0)
    >>> affine(tg.tensor(2.0)).item()
    6.0
    >>> [name for name, _ in affine.named_parameters()]
    ['scale', 'shift']
    """

    training: bool
    # Names, as in `_entries`: a parameter stays one when it is frozen, a buffer when it is assigned anew.
    _parameter_names: set[str]
    _buffer_names: set[str]

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Set up before `__init__`, so that a subclass may leave out `super().__init__()`."""
        self = super().__new__(cls)
        self.__dict__.update(training=True, _parameter_names=set(), _buffer_names=set())
        return self

    # Computing

    def _forward_is_missing(self, *inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: define forward(self, ...), which computes the output")

    # An attribute and not a method, so that a subclass's forward may have any parameters.
    forward: Callable[..., Any] = _forward_is_missing

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """What `forward` computes. Pictures put what it recorded into one frame."""
        first = begin_call()
        output = self.forward(*inputs, **options)
        end_call(self, first, (*inputs, *options.values()) if options else inputs, output)
        return output

    # Registration

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._buffer_names:
            _check_buffer(type(self).__name__, name, value)
        else:
            self._forget(name)
        super().__setattr__(name, value)
        for path, item in _entries(name, value):
            if isinstance(item, Module):
                for rest, parameter in item.named_parameters():
                    _label(parameter, f"{path}.{rest}")
            elif item.is_leaf and item.requires_grad:
                self._parameter_names.add(path)
                _label(item, path)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._buffer_names.discard(name)
        self._forget(name)

    def _forget(self, name: str) -> None:
        names = self._parameter_names
        names.difference_update([n for n in names if n == name or n.startswith(f"{name}.")])

    def register_buffer(self, name: str, value: Tensor) -> None:
        """Hold a tensor that is no parameter but belongs to the state: `self.<name>`, saved, loaded and moved with it.

        Assign `self.<name>` to change it.

        Raises:
            ValueError: no name for an attribute, one that is taken, or a tensor that requires a gradient.
            TypeError: not a tensor.
        """
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"register_buffer: expected the name of an attribute but got {name!r}")
        if hasattr(self, name):
            raise ValueError(f"register_buffer: {type(self).__name__} already has an attribute {name!r}")
        _check_buffer(type(self).__name__, name, value)
        self._buffer_names.add(name)
        setattr(self, name, value)

    # Looking through

    def _items(self) -> Iterator[tuple[str, Tensor | Module]]:
        for name, value in vars(self).items():
            yield from _entries(name, value)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct submodules with their names, each once."""
        seen: set[Module] = set()
        for name, item in self._items():
            if isinstance(item, Module) and item not in seen:
                seen.add(item)
                yield name, item

    def children(self) -> Iterator[Module]:
        """The direct submodules, each once."""
        return (module for _, module in self.named_children())

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """The module itself, named "", and every module inside it with its dotted name, each once.

        >>> from tinygrad_cnn import nn
        >>> model = nn.Sequential(nn.Sequential(nn.ReLU()), nn.Flatten())
        >>> [name for name, _ in model.named_modules()]
        ['', '0', '0.0', '1']
        """
        return self._modules("", set())

    def _modules(self, path: str, seen: set[Module]) -> Iterator[tuple[str, Module]]:
        seen.add(self)
        yield path, self
        for name, child in self.named_children():
            if child not in seen:
                yield from child._modules(_join(path, name), seen)

    def modules(self) -> Iterator[Module]:
        """The module itself and every module inside it, each once."""
        return (module for _, module in self.named_modules())

    def _named_tensors(self) -> Iterator[tuple[str, Tensor, bool]]:
        """Every parameter and buffer once, by its first dotted name, and whether it is a parameter."""
        seen = set()
        for path, module in self.named_modules():
            for name, item in module._items():
                if isinstance(item, Module) or id(item) in seen:
                    continue
                if item.is_leaf and item.requires_grad:
                    module._parameter_names.add(name)  # one that was appended to a list
                is_parameter = name in module._parameter_names
                if is_parameter or name in module._buffer_names:
                    seen.add(id(item))
                    yield _join(path, name), item, is_parameter

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """The parameters of the module and of all inside it, each once, with their dotted names.

        >>> from tinygrad_cnn import nn
        >>> [(name, p.shape) for name, p in nn.Sequential(nn.Linear(3, 2), nn.ReLU()).named_parameters()]
        [('0.weight', (2, 3)), ('0.bias', (2,))]
        """
        for name, item, is_parameter in self._named_tensors():
            if is_parameter:
                _label(item, name)
                yield name, item

    def parameters(self) -> Iterator[Tensor]:
        """The parameters of the module and of all inside it, each once: what an optimiser takes."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """The buffers of the module and of all inside it, each once, with their dotted names."""
        return ((name, item) for name, item, is_parameter in self._named_tensors() if not is_parameter)

    def buffers(self) -> Iterator[Tensor]:
        """The buffers of the module and of all inside it, each once."""
        return (item for _, item in self.named_buffers())

    # State

    def state_dict(self) -> dict[str, Tensor]:
        """Parameters and buffers by dotted name, without their graph. A snapshot: training on does not change it."""
        return {name: item.detach() for name, item, _ in self._named_tensors()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> IncompatibleNames:
        """Take over the values of a `state_dict()`: all of them, or none where one is wrong.

        Values are tensors, arrays or nested lists; they are copied to the dtype and device of what they replace.

        Args:
            state_dict: values by dotted name.
            strict: refuse missing and unexpected names; otherwise pass over them.

        Returns:
            The names that were passed over, `missing` and `unexpected`.

        Raises:
            ValueError: missing and unexpected names, shapes that differ: all of them are listed.
            TypeError: not a mapping, or values that are not numbers.

        >>> from tinygrad_cnn import nn
        >>> layer = nn.Linear(2, 1)
        >>> layer.load_state_dict({"weight": [[1.0, 2.0]], "bias": [3.0]})
        IncompatibleNames(missing=[], unexpected=[])
        >>> layer.load_state_dict({"weight": [[1.0, 2.0, 3.0]], "biases": [3.0]})
        Traceback (most recent call last):
        ValueError: load_state_dict: Linear stays as it was
            missing: 'bias'
            unexpected: 'biases'
            'weight': expected shape (1, 2) but got (1, 3)
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict: expected values by name but got {type(state_dict).__name__}")
        own = {name: item for name, item, _ in self._named_tensors()}
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        problems = []
        if strict and missing:
            problems.append(f"missing: {', '.join(map(repr, missing))}")
        if strict and unexpected:
            problems.append(f"unexpected: {', '.join(map(repr, unexpected))}")
        arrays = {}
        for name, item in own.items():
            if name in state_dict:
                value = _array_like(item, name, state_dict[name])
                if backend.shape_of(value) == item.shape:
                    arrays[name] = value
                else:
                    problems.append(f"{name!r}: expected shape {item.shape} but got {backend.shape_of(value)}")
        if problems:
            raise ValueError("\n    ".join([f"load_state_dict: {type(self).__name__} stays as it was", *problems]))
        for name, array in arrays.items():
            own[name]._replace(array)
        return IncompatibleNames(missing, unexpected)

    # Switching

    def train(self, mode: bool = True) -> Self:
        """Set `training` here and in every module inside; returns the module."""
        _check_bool("train", mode)
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set `training` to False here and in every module inside, for evaluation; returns the module."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget every parameter's gradient: `.grad` becomes None."""
        for parameter in self.parameters():
            parameter.grad = None

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze every parameter (False) or train it again (True); returns the module.

        A frozen parameter also loses its gradient, so that no optimiser moves it.
        """
        _check_bool("requires_grad_", requires_grad)
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
            if not requires_grad:
                parameter.grad = None
        return self

    def to(self, device: str) -> Self:
        """Move parameters, gradients and buffers to a device: "cpu", "gpu" or "gpu:1"; returns the module.

        The tensors stay the same objects, so an optimiser that holds them goes on.

        Raises:
            ValueError: not the name of a device.
            RuntimeError: CuPy or the GPU is missing.
        """
        device = backend.parse_device(device)
        return self._convert(lambda array: backend.as_array(array, device=device))

    def astype(self, dtype: Any) -> Self:
        """Cast parameters, gradients and floating-point buffers to a floating-point dtype; returns the module.

        Raises:
            ValueError: not a floating-point dtype.
            TypeError: not a dtype.
        """
        dtype = np.dtype(dtype)
        if dtype.kind != "f":
            raise ValueError(f"astype: expected a floating-point dtype but got {dtype}")
        return self._convert(
            lambda array: backend.as_array(array, dtype) if backend.dtype_of(array).kind == "f" else array
        )

    def _convert(self, function: Callable[[Any], Any]) -> Self:
        converted = []
        for _, item, _ in self._named_tensors():  # all are computed before any is replaced
            gradient = None if item.grad is None else Tensor._wrap(function(item.grad._array), None)
            converted.append((item, function(item._array), gradient))
        for item, array, gradient in converted:
            item._replace(array)
            item.grad = gradient
        return self

    # Showing

    def draw(self, inputs: Any, **options: Any) -> Any:
        """The picture of what it computes for an input, given itself or by its shape, (1, 3, 32, 32): `tg.viz.draw`."""
        from tinygrad_cnn.viz import draw

        return draw(self, inputs, **options)

    def extra_repr(self) -> str:
        """What `repr` shows between the parentheses: the arguments of the layer."""
        return ""

    @recursive_repr("...")
    def __repr__(self) -> str:
        count = sum(parameter.size for parameter in self.parameters())
        note = f"  # {count:,} parameter{'s' if count != 1 else ''}" if count else ""
        children = [(name, item) for name, item in self._items() if isinstance(item, Module)]
        if not children:
            return f"{type(self).__name__}({self.extra_repr()}){note}"
        lines = [f"{type(self).__name__}({self.extra_repr()}{note}"]
        for name, child in children:
            lines.append("  " + f"({name}): {child!r}".replace("\n", "\n  "))
        return "\n".join([*lines, ")"])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from tinygrad_cnn.viz.notebook import module_bundle

        return module_bundle(self, include, exclude)


@contextmanager
def in_mode(model: Any, training: bool) -> Iterator[None]:
    """Every module in one mode inside, and in its own again afterwards; a function stays as it is."""
    before = [(module, module.training) for module in model.modules()] if isinstance(model, Module) else []
    try:
        for module, _ in before:
            module.training = training
        yield
    finally:
        for module, mode in before:
            module.training = mode


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _entries(name: str, value: Any) -> Iterator[tuple[str, Tensor | Module]]:
    """The tensors and modules that an attribute holds, also in lists, tuples and dicts, with their dotted names."""
    if isinstance(value, Tensor | Module):
        yield name, value
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _entries(f"{name}.{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _entries(f"{name}.{key}", item)


def _label(parameter: Tensor, name: str) -> None:
    """Give the parameter its dotted name, where it has none or the end of this one, from before it was put in here."""
    if parameter.name is None or name.endswith(f".{parameter.name}"):
        parameter.name = name


def _check_bool(operation: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{operation}: expected True or False but got {value!r}")


def _check_buffer(module: str, name: str, value: Any) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{module}: the buffer {name!r} must be a tensor but is {type(value).__name__}")
    if value.requires_grad:
        raise ValueError(f"{module}: the buffer {name!r} must not require a gradient; detach() it or use no_grad()")


def _array_like(item: Tensor, name: str, value: Any) -> Any:
    """A copy of the value in the tensor's dtype and on its device."""
    try:
        given = value._array if isinstance(value, Tensor) else value
        dtype = backend.dtype_of(given if hasattr(given, "dtype") else backend.as_array(given))
        if dtype.kind not in "fiub" + item.dtype.kind:
            raise TypeError(f"expected {item.dtype} but got {dtype}")
        return backend.as_array(given, like=item._array)
    except (TypeError, ValueError) as error:
        raise type(error)(f"load_state_dict: {name!r}: {error}") from error

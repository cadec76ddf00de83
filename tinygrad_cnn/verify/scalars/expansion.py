"""A recorded graph run once more, by its own definitions, on object arrays of scalar tensors.

Operations that work element by element are recorded as themselves, one node for each element; every other one runs its
definition, so that a convolution becomes products and sums.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_cnn.backend import to_numpy
from tinygrad_cnn.engine import Node, Primitive, Unkept, primitive
from tinygrad_cnn.kernels import reference
from tinygrad_cnn.kernels.dispatch import using
from tinygrad_cnn.kernels.normalization import reciprocal_root
from tinygrad_cnn.primitives import activations, elementwise, piecewise, trigonometric
from tinygrad_cnn.primitives.pixels import taken
from tinygrad_cnn.tensor import Tensor, tensor
from tinygrad_cnn.verify.scalars.names import Names

_BY_ELEMENT = frozenset(module.__name__ for module in (activations, elementwise, piecewise, trigonometric))


@primitive(x=lambda dz: dz)
def identity(x: Any) -> Any:
    """z = x: gives a number that has a name already another one."""
    return x


@primitive(x=lambda dz, z: dz / (2 * z))
def exact_sqrt(x: Any) -> Any:
    """The root of a fraction where it is one, as normalisations take it."""
    return 1 / reciprocal_root(x, 0)


class Scalar(Tensor):
    """A scalar tensor while its graph is expanded: what a definition does with 0 and 1 leaves no node behind.

    A window over a border of zeros would otherwise have products with 0, and each sum that starts from 0 a first
    summand more. The user's own zeros and ones are tensors, and stay.
    """

    __slots__ = ()

    @staticmethod
    def _wrap(array: Any, node: Node | None) -> Scalar:
        self = Tensor._wrap(array, node)
        self.__class__ = Scalar
        return self  # type: ignore[return-value]

    def detach(self) -> Scalar:
        """The number without its graph."""
        return Scalar._wrap(self._array, None)

    def sqrt(self) -> Any:
        """The root, exact for a fraction."""
        return exact_sqrt(self) if isinstance(self._array, Fraction) else elementwise.sqrt(self)

    def _number(self, x: Any) -> Any:
        """A plain number in this scalar's arithmetic: one of NumPy would be a dtype's, a fraction none of floats."""
        if isinstance(x, np.generic):
            return x.item()
        return float(x) if isinstance(x, Fraction) and isinstance(self._array, np.floating) else x

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, Tensor):
            other = self._number(other)
            if _is(other, 0):
                return self
        return elementwise.add(self, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if not isinstance(other, Tensor):
            other = self._number(other)
            if _is(other, 0):
                return self
        return elementwise.subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        other = self._number(other)
        return elementwise.negative(self) if _is(other, 0) else elementwise.subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, Tensor):
            other = self._number(other)
            if _is(other, 0):
                return 0
            if _is(other, 1):
                return self
        return elementwise.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        other = self._number(other)
        return 0 if _is(other, 0) else self if _is(other, 1) else elementwise.multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        if not isinstance(other, Tensor):
            other = self._number(other)
            if _is(other, 1):
                return self
        return elementwise.divide(self, other)


def _is(x: Any, number: int) -> bool:
    return isinstance(x, int | float | Fraction) and x == number


def objects(values: Any, shape: tuple[int, ...]) -> Any:
    """An object array of the shape with these values in it, as they are."""
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):  # at once, NumPy would ask a tensor for its elements
        array[i] = value
    return array.reshape(shape)


def _array(z: Any) -> Any:
    """What a definition makes; a single number as an array without axes."""
    return z if isinstance(z, np.ndarray) else objects([z], ())


def expand(nodes: list[Node], names: dict[Node, Names]) -> dict[Node, Any]:
    """The entries of each node, an object array of scalar tensors.

    Where a definition made plain numbers, such as a border of zeros, they stand among the entries. A constant that
    the user wrote as a plain number is one here.

    Args:
        nodes: of one graph, in the order of creation.
        names: those of the entries, for the nodes that have some.

    Raises:
        ValueError: a value that the engine has not kept.
        TypeError: a primitive whose forward takes the numbers out of the graph.
    """
    entries: dict[Node, Any] = {}
    for node in nodes:
        own = names.get(node)
        if node.primitive is not None:
            found = _result(node, node.primitive, entries)
        else:
            found = _value(node)
            if own is not None or hasattr(found, "dtype"):
                found = _scalars(found, node.requires_grad)
        entries[node] = found if own is None else _named(found, node, own)
    return entries


def _value(node: Node) -> Any:
    """What a leaf or a constant holds, in the host's memory."""
    value = node.value
    if isinstance(value, Unkept):
        target: Any = None if node.target is None else node.target()
        if target is None:
            what = f"{'leaf' if node.requires_grad else 'constant'} {node.name or ''}".strip()
            raise ValueError(
                f"scalar_graph: the value of the {what} of shape {node.shape} was not kept, since it is large; record "
                "the graph inside tg.debug(), which keeps every value"
            )
        value = target.data
    return to_numpy(value)


def _scalars(value: Any, requires_grad: bool) -> Any:
    """An array's elements as scalar tensors."""
    array = np.asarray(value)
    scalars = []
    for x in array.flat:
        if requires_grad and isinstance(x, int):  # among objects; tensors of integers have no gradient
            x = Fraction(x)
        scalar = tensor(x, requires_grad=requires_grad)
        scalar.__class__ = Scalar
        scalars.append(scalar)
    return objects(scalars, array.shape)


def _named(entries: Any, node: Node, names: Names) -> Any:
    """The entries with their names. What is not this node's own becomes so where the user named it."""
    given = []
    for x, name in zip(entries.flat, names.entries.flat, strict=True):
        is_own = isinstance(x, Tensor) and x.name is None and x.is_leaf == (node.primitive is None)
        if not is_own and not names.is_made_up:
            x = identity(x) if isinstance(x, Tensor) else Scalar._wrap(_in_dtype(x, node), None)
            is_own = True
        if is_own:
            x.name = name
        given.append(x)
    return objects(given, entries.shape)


def _in_dtype(x: Any, node: Node) -> Any:
    return x if node.dtype == object else node.dtype.type(x)


def _result(node: Node, primitive: Primitive, entries: dict[Node, Any]) -> Any:
    """The entries of an operation's result."""
    count = len(node.parents)
    names = primitive.operand_names * count if primitive.is_variadic else primitive.operand_names[:count]
    # An operand without a rule is no number of the graph but a mask, an index or a label.
    operands = [
        entries[parent] if name in primitive.rules else _plain(entries[parent], parent)
        for parent, name in zip(node.parents, names, strict=True)
    ]
    options = {name: _on_host(value) for name, value in node.options.items()}
    with using("reference"):
        z = _way(primitive)(primitive, operands, options, node)
    is_cut_off = isinstance(z, np.ndarray | np.generic) and z.dtype.kind != "O" and z.size
    z = _array(z)
    if is_cut_off or z.shape != node.shape:
        raise TypeError(
            f"scalar_graph: {primitive.name} can't be expanded: of arrays of scalar tensors its forward makes an array "
            f"of {z.dtype} of shape {z.shape}, where scalar tensors of shape {node.shape} are expected"
        )
    return z


def _plain(entries: Any, node: Node) -> Any:
    """The numbers of entries."""
    if not isinstance(entries, np.ndarray):
        return entries
    numbers = objects([x.data if isinstance(x, Tensor) else x for x in entries.flat], entries.shape)
    return numbers if node.dtype == object else numbers.astype(node.dtype)


def _on_host(option: Any) -> Any:
    """An option whose arrays lie in the host's memory."""
    if type(option) is tuple:
        return tuple(map(_on_host, option))
    # A list is for what a forward hands out beside its result, such as the statistics of a batch.
    return list(option) if isinstance(option, list) else to_numpy(option)


# The ways from an operation's operands to its result


Way = Callable[[Primitive, list[Any], dict[str, Any], Node], Any]


def _way(primitive: Primitive) -> Way:
    if primitive.name == "transfer":  # all of the scalar graph lies in the host's memory
        return lambda _, operands, *rest: operands[0]
    if "shares" in primitive.auxiliary:
        return _by_shares
    if primitive.name in ("std", "norm_over"):
        return _by_root
    is_by_element = primitive.forward.__module__ in _BY_ELEMENT and primitive.name != "where"
    return _by_element if is_by_element or primitive.name == "cast" else _by_definition


def _by_definition(primitive: Primitive, operands: list[Any], options: dict[str, Any], node: Node) -> Any:
    z = primitive.forward(*operands, **options)
    return z[0] if primitive.auxiliary else z


def _by_root(primitive: Primitive, operands: list[Any], options: dict[str, Any], node: Node) -> Any:
    """The definition of a norm; where it is 0, at the tip of a cone, a plain 0: no gradient goes there."""
    (x,) = operands
    if options.get("p", 2) < 1:  # its slope is infinite at every 0, and 0 by convention
        x = _without_zeros(x)
    with np.errstate(divide="ignore"):
        return _without_zeros(_array(_by_definition(primitive, [x], options, node)))


def _without_zeros(x: Any) -> Any:
    return objects([0 if value == 0 else value for value in x.flat], x.shape)


def _by_element(primitive: Primitive, operands: list[Any], options: dict[str, Any], node: Node) -> Any:
    """The primitive itself, recorded for each element."""

    def record(*elements: Any) -> Any:
        z = primitive.apply(elements, options)
        return z if isinstance(z, Tensor) else _in_dtype(z, node)

    return np.frompyfunc(record, len(operands), 1)(*operands)


def _by_shares(primitive: Primitive, operands: list[Any], options: dict[str, Any], node: Node) -> Any:
    """A maximum or minimum as the sum of the winners, each times its share: with ties this says who won."""
    (x,) = operands
    _, shares = primitive.forward(x, **options)
    windows, axes = _WINDOWS[primitive.name](x, options)
    return (windows * shares).sum(axis=axes, keepdims=options.get("keepdims", False))


def _pool_windows(x: Any, options: dict[str, Any]) -> tuple[Any, tuple[int, ...]]:
    windows = reference.unfold(x, options["kernel"], options["stride"], options["padding"], options["dilation"])
    return windows, tuple(range(x.ndim, windows.ndim))


def _regions(x: Any, options: dict[str, Any]) -> tuple[Any, tuple[int, ...]]:
    table = options["table"]
    return taken(x, np.where(table >= 0, table, 0)), (-1,)


_WINDOWS = {
    "max": lambda x, options: (x, options["axis"]),
    "min": lambda x, options: (x, options["axis"]),
    "max_of_windows_split": _pool_windows,
    "max_of_regions_split": _regions,
}

"""What an operation costs: multiply-adds of its forward, and the arrays that it keeps for the backward walk.

A multiply-add is one product and its addition to a sum, the step that convolutions and matrix products are made of; a
bias is the sum's start and costs nothing more. Counted are

    convolution                every output times the entries of a kernel: N F H' W' kH kW C / groups, on padding too
    transposed convolution     every input times the entries of a kernel: N C H W kH kW F / groups
    linear, matmul, einsum     every product of the sum: for (n, k) times (k, m), n k m

Element-wise operations, normalisations, poolings, sums and interpolations count as none: they are done in the time that
it takes to read their operands, and the papers whose tables one compares with leave them out as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import Any

from tinygrad_cnn.engine import Node

Shapes = Sequence[tuple[int, ...]]


def _convolution(operands: Shapes, result: tuple[int, ...], _: Mapping[str, Any]) -> int:
    return prod(result) * prod(operands[1][1:])


def _transposed_convolution(operands: Shapes, _: tuple[int, ...], __: Mapping[str, Any]) -> int:
    return prod(operands[0]) * prod(operands[1][1:])


def _kernel_gradient(operands: Shapes, result: tuple[int, ...], _: Mapping[str, Any]) -> int:
    return prod(operands[1]) * prod(result[1:])  # x correlated with dz: a product for each pair that the forward has


def _product_over_last_axis(operands: Shapes, result: tuple[int, ...], _: Mapping[str, Any]) -> int:
    return prod(result) * operands[0][-1]


def _einsum(operands: Shapes, _: tuple[int, ...], options: Mapping[str, Any]) -> int:
    letters = options["equation"].partition("->")[0].split(",")
    sizes: dict[str, int] = {}
    for names, shape in zip(letters, operands, strict=True):
        sizes |= zip(names, shape, strict=True)
    return prod(sizes.values())


_COUNTS: dict[str, Callable[[Shapes, tuple[int, ...], Mapping[str, Any]], int]] = {
    "correlation": _convolution,
    "transposed_convolution": _transposed_convolution,
    "full_correlation": _transposed_convolution,  # the gradients, in a model that computes some
    "kernel_correlation": _kernel_gradient,
    "linear": _product_over_last_axis,
    "matmul": _product_over_last_axis,
    "einsum": _einsum,
}


def multiply_adds(node: Node) -> int | None:
    """The multiply-adds of a recorded operation; None for a primitive of the user's own, of which nothing is known.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[[[0.0] * 28] * 28]], requires_grad=True)
    >>> multiply_adds(tg.conv2d(x, tg.tensor([[[[0.0] * 5] * 5]] * 6)).node)  # 6 * 24 * 24 outputs, 25 products each
    86400
    """
    primitive = node.primitive
    if primitive is None:
        return 0
    if not primitive.forward.__module__.startswith("tinygrad_cnn."):
        return None
    count = _COUNTS.get(primitive.name)
    return count([parent.shape for parent in node.parents], node.shape, node.options) if count else 0


def kept_arrays(node: Node) -> dict[int, int]:
    """The bytes of the arrays that a node's rules need, by the identity of the memory that they lie in.

    Two nodes that keep one array, or views of it, name the same memory.
    """
    memories = map(memory_of, _arrays(node.saved or ()))
    return {id(memory): memory.nbytes for memory in memories}


def memory_of(array: Any) -> Any:
    """The array whose memory this one is a view of, or itself."""
    while hasattr(getattr(array, "base", None), "nbytes") and hasattr(array.base, "base"):
        array = array.base
    return array


def _arrays(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if hasattr(value, "nbytes") and hasattr(value, "strides"):
            yield value
        elif isinstance(value, tuple | list):
            yield from _arrays(value)
        else:  # several statistics in one object
            names = getattr(type(value), "__slots__", ())
            yield from _arrays([getattr(value, name) for name in names if not name.startswith("_")])

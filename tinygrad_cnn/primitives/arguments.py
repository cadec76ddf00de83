"""Reading arguments: axes, shapes, and what windows need on each spatial axis; a wrong one is refused by name."""

from __future__ import annotations

import marshal
from collections.abc import Callable, Sequence
from functools import wraps
from operator import index
from typing import Any, TypeVar

Pairs = tuple[tuple[int, int], ...]
_Check = TypeVar("_Check", bound=Callable[..., Any])

MOST_REMEMBERED = 4096


def remembered(check: _Check) -> _Check:
    """The check of arguments, done once: what it made of the same shapes and options is not computed again.

    Only for what depends on its arguments alone. A refusal is not remembered.
    """
    known: dict[bytes, Any] = {}

    @wraps(check)
    def call(*arguments: Any) -> Any:
        try:
            # As bytes, since 1, 1.0 and True would be the same key; in version 2 equal arguments give equal bytes.
            key = marshal.dumps(arguments, 2)
        except ValueError:  # an integer of somebody's own class
            return check(*arguments)
        found = known.get(key)
        if found is None:
            found = check(*arguments)
            if len(known) >= MOST_REMEMBERED:
                known.clear()
            known[key] = found
        return found

    return call  # type: ignore[return-value]


def axes_of(operation: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """An axis, several or None (all) as a tuple of distinct axes >= 0.

    >>> axes_of("sum", -1, 3), axes_of("sum", None, 2)
    ((2,), (0, 1))
    """
    if axis is None:
        return tuple(range(ndim))
    axes = []
    for given in axis if isinstance(axis, tuple | list) else (axis,):
        number = integer(operation, "axis", given)
        if not -ndim <= number < ndim:
            raise ValueError(f"{operation}: expected an axis of {-ndim} to {ndim - 1} for {ndim} axes but got {number}")
        axes.append(number % ndim)
    if len(set(axes)) < len(axes):
        raise ValueError(f"{operation}: each axis may come once but got {axis}")
    return tuple(axes)


def axis_of(operation: str, axis: Any, ndim: int) -> int:
    """One axis, >= 0."""
    axes = axes_of(operation, axis, ndim)
    if axis is None or len(axes) != 1:
        raise ValueError(f"{operation}: expected a single axis but got {axis!r}")
    return axes[0]


def integer(operation: str, name: str, value: Any) -> int:
    """An integer of any kind, but no truth value."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return index(value)
    except TypeError:
        raise TypeError(f"{operation}: {name} must be an integer but is {value!r}") from None


def integers(operation: str, name: str, value: Any) -> tuple[int, ...]:
    """An integer or a sequence of integers as a tuple.

    >>> integers("roll", "shift", 6), integers("roll", "shift", [2, 3])
    ((6,), (2, 3))
    """
    is_sequence = (isinstance(value, Sequence) and not isinstance(value, str)) or getattr(value, "ndim", 0) > 0
    return tuple(integer(operation, name, n) for n in (value if is_sequence else (value,)))


def shape_from(operation: str, shape: Any) -> tuple[int, ...]:
    """A shape given as an integer or a sequence of integers.

    >>> shape_from("reshape", 6), shape_from("reshape", [2, 3])
    ((6,), (2, 3))
    """
    return integers(operation, "shape", shape)


def per_axis(operation: str, name: str, value: Any, n: int, minimum: int = 1) -> tuple[int, ...]:
    """An integer, or one for each of the n spatial axes, none below the minimum.

    >>> per_axis("conv2d", "stride", 2, 2)
    (2, 2)
    >>> per_axis("conv2d", "stride", (1, 0), 2)
    Traceback (most recent call last):
    ValueError: conv2d: stride must be at least 1 but is (1, 0)
    """
    values = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,) * n
    if len(values) != n:
        raise ValueError(f"{operation}: {name} expects an integer or {n} of them but got {value!r}")
    numbers = tuple(integer(operation, name, number) for number in values)
    if min(numbers) < minimum:
        raise ValueError(f"{operation}: {name} must be at least {minimum} but is {value!r}")
    return numbers


def padding_pairs(
    operation: str,
    padding: Any,
    size: tuple[int, ...],
    reach: tuple[int, ...],
    stride: tuple[int, ...],
    names: tuple[str, ...] = ("valid", "same", "full"),
) -> Pairs:
    """What is added before and after each spatial axis.

    Args:
        padding: an integer for all axes, one for each axis, a pair (before, after) for each axis, or
            "valid" (nothing), "same" (an output of ceil(size / stride)), "full" (reach - 1 on both sides).
        size: the input's size on each axis.
        reach: how far a window extends, dilation (kernel - 1) + 1.
        stride: the step between windows; "same" needs it. An odd number to add goes after (bottom and right).

    >>> padding_pairs("conv2d", ((1, 0), (2, 2)), (5, 5), (3, 3), (1, 1))
    ((1, 0), (2, 2))
    >>> padding_pairs("conv2d", "same", (5, 6), (3, 3), (1, 2))
    ((1, 1), (0, 1))
    """
    n = len(size)
    if isinstance(padding, str):
        if padding not in names:
            raise ValueError(
                f"{operation}: padding must be an integer, {n} integers, {n} pairs, or one of "
                f"{', '.join(map(repr, names))} but is {padding!r}"
            )
        if padding == "valid":
            return ((0, 0),) * n
        if padding == "full":
            return tuple((r - 1, r - 1) for r in reach)
        added = [max((-(-m // s) - 1) * s + r - m, 0) for m, r, s in zip(size, reach, stride, strict=True)]
        return tuple((a // 2, a - a // 2) for a in added)
    if isinstance(padding, Sequence) and any(isinstance(pair, Sequence) for pair in padding):
        if len(padding) != n:
            raise ValueError(f"{operation}: padding expects {n} pairs (before, after) but got {padding!r}")
        return tuple(per_axis(operation, "padding", pair, 2, minimum=0) for pair in padding)  # type: ignore[misc]
    return tuple((p, p) for p in per_axis(operation, "padding", padding, n, minimum=0))


def reach_of(kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    """How far a window extends on each axis: dilation (kernel - 1) + 1."""
    return tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))


def window_counts(
    operation: str, size: tuple[int, ...], reach: tuple[int, ...], padding: Pairs, stride: tuple[int, ...]
) -> tuple[int, ...]:
    """How many windows fit on each axis: floor((size + before + after - reach) / stride) + 1."""
    if 0 in size:
        raise ValueError(f"{operation}: x must have at least one pixel but its size is {size}")
    padded = tuple(m + before + after for m, (before, after) in zip(size, padding, strict=True))
    if any(r > m for r, m in zip(reach, padded, strict=True)):
        raise ValueError(
            f"{operation}: the window reaches over {reach}, which is more than the padded input of {padded} "
            f"(input {size}, padding {padding})"
        )
    return tuple((m - r) // s + 1 for m, r, s in zip(padded, reach, stride, strict=True))


def spatial_shape(operation: str, name: str, shape: tuple[int, ...], n: int) -> tuple[int, ...]:
    """The n spatial sizes of a (N, C, ...) shape."""
    if len(shape) != n + 2:
        layout = ", ".join(("N", "C", *"DHW"[3 - n :]))
        hint = "; a single image gets its batch axis by x[None]" if len(shape) == n + 1 else ""
        raise ValueError(f"{operation}: {name} must have {n + 2} axes ({layout}) but has shape {shape}{hint}")
    return shape[2:]


def check_ties(operation: str, ties: str) -> None:
    """Refuse a rule for ties that is not there."""
    if ties not in ("first", "split"):
        raise ValueError(f"{operation}: ties must be 'first' or 'split' but is {ties!r}")

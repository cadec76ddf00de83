"""Padding: a border of a number, or of the array's own elements. The backward adds a border back where it came from."""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.backend import dtype_of, shape_of
from tinygrad_cnn.engine import Variable, primitive
from tinygrad_cnn.kernels import borders, reference
from tinygrad_cnn.primitives.arguments import Pairs, axes_of, per_axis

MODES = ("zeros", *borders.SOURCES)
NAMES_ELSEWHERE = {"constant": "zeros", "edge": "replicate", "wrap": "circular"}
"""What NumPy and PyTorch call the modes that have another name here."""


@primitive(x=lambda dz, widths, mode: _unpad(dz, widths=widths, mode=mode))
def _pad(x: Any, *, widths: Pairs, mode: str, value: Any) -> Any:
    return reference.pad(x, widths, value) if mode == "zeros" else borders.extend(x, widths, mode)


@primitive(dz=lambda g, widths, mode: _pad(g, widths=widths, mode=mode, value=0))
def _unpad(dz: Any, *, widths: Pairs, mode: str) -> Any:
    """The adjoint of `_pad`: every element of the border is added to the one it was taken from, if to any."""
    return borders.take_off(dz, widths) if mode == "zeros" else borders.fold_back(dz, widths, mode)


def pad(x: Any, pad_width: Any, mode: str = "zeros", value: Any = 0) -> Any:
    """x inside a border, on any of its axes.

    | mode | 1234, two places before and four after | the border holds |
    | --- | --- | --- |
    | "zeros" | 00 1234 0000 | zeros, or another `value` |
    | "reflect" | 32 1234 3212 | the mirror image at the middle of the last element |
    | "replicate" | 11 1234 4444 | the last element again and again |
    | "circular" | 34 1234 1234 | the opposite side: x repeated |
    | "symmetric" | 21 1234 4321 | the mirror image at the edge of the last element, the lectures' mirror padding |

    Every mode but the first continues x without end, so that a border may be of any width: circular with the period n,
    symmetric 2 n, reflect 2 n - 2. Several axes are padded one after another; their order makes no difference.

    Args:
        x: any shape.
        pad_width: as `numpy.pad` takes it: an integer for all sides, (before, after) for all axes, a pair an axis, or
            a dictionary {axis: integer or pair}.
        mode: one of the above. NumPy says constant, edge and wrap for zeros, replicate and circular.
        value: what the border of the mode "zeros" holds.

    Backward: each element gets its own gradient and those of the places of the border that took it; in the mode
    "zeros" the gradient of the border is dropped.

    Raises:
        ValueError: an unknown mode, a negative width, pairs for another number of axes, an axis that is not there, a
            `value` that x's dtype can't hold or beside another mode than "zeros", an axis without elements to repeat.
        TypeError: a width that is no integer, a value that is no single number.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1, 2, 3, 4])
    >>> for mode in ("zeros", "reflect", "replicate", "circular", "symmetric"):
    ...     print(tg.pad(x, (2, 4), mode).tolist())
    [0, 0, 1, 2, 3, 4, 0, 0, 0, 0]
    [3, 2, 1, 2, 3, 4, 3, 2, 1, 2]
    [1, 1, 1, 2, 3, 4, 4, 4, 4, 4]
    [3, 4, 1, 2, 3, 4, 1, 2, 3, 4]
    [2, 1, 1, 2, 3, 4, 4, 3, 2, 1]
    >>> x = tg.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    >>> tg.pad(x, (2, 4), "replicate").sum().backward()
    >>> x.grad.tolist()
    [3.0, 1.0, 1.0, 5.0]
    """
    shape = shape_of(x)
    check_mode("pad", "mode", mode)
    widths = _widths(pad_width, len(shape))
    _check_value(value, mode, dtype_of(x))
    if mode != "zeros" and any(n == 0 and any(pair) for n, pair in zip(shape, widths, strict=True)):
        raise ValueError(f"pad: mode {mode!r} has no elements to repeat on an empty axis (shape {shape}, {widths})")
    return _pad(x, widths=widths, mode=mode, value=value)


def check_mode(operation: str, name: str, mode: Any) -> None:
    """Refuse what is not a padding mode, and say what the mode is called here."""
    if mode not in MODES:
        here = NAMES_ELSEWHERE.get(mode) if isinstance(mode, str) else None
        hint = f", which is {here!r} here" if here else ""
        raise ValueError(f"{operation}: {name} must be one of {', '.join(map(repr, MODES))} but is {mode!r}{hint}")


def _widths(pad_width: Any, ndim: int) -> Pairs:
    """(before, after) for each axis."""
    if isinstance(pad_width, dict):
        axes = axes_of("pad", tuple(pad_width), ndim)
        pairs = dict(zip(axes, pad_width.values(), strict=True))
        given = tuple(pairs.get(axis, 0) for axis in range(ndim))
    else:
        given = tuple(pad_width) if isinstance(pad_width, tuple | list) else (pad_width, pad_width)
        if not any(isinstance(pair, tuple | list) for pair in given):
            given = (given * 2 if len(given) == 1 else given,) * ndim
        elif len(given) == 1:
            given = given * ndim
        if len(given) != ndim:
            raise ValueError(f"pad: expected a pair for each of {ndim} axes but got {pad_width!r}")
    return tuple(per_axis("pad", "pad_width", pair, 2, minimum=0) for pair in given)  # type: ignore[misc]


def _check_value(value: Any, mode: str, dtype: Any) -> None:
    if isinstance(value, Variable | str) or value is None or shape_of(value):
        raise TypeError(f"pad: value must be a single number, not a tensor, but is {value!r}")
    if mode != "zeros" and value != 0:
        raise ValueError(f"pad: value is for the mode 'zeros' but is {value!r} beside {mode!r}")
    if dtype.kind in "biu" and not _holds(dtype, value):
        raise ValueError(f"pad: value {value!r} can't be held by the dtype {dtype} of x")


def _holds(dtype: Any, value: Any) -> bool:
    try:
        return bool(dtype.type(value) == value)
    except (OverflowError, TypeError, ValueError):
        return False

"""Padding. The backward takes the border off again."""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.backend import shape_of
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import reference
from tinygrad_cnn.primitives.arguments import per_axis
from tinygrad_cnn.primitives.shape import _getitem


@primitive(x=lambda dz, x_shape, widths: _getitem(dz, index=_inside(x_shape, widths)))
def _pad(x: Any, *, widths: tuple[tuple[int, int], ...], value: Any) -> Any:
    return reference.pad(x, widths, value)


def _inside(shape: tuple[int, ...], widths: tuple[tuple[int, int], ...]) -> tuple[slice, ...]:
    return tuple(slice(before, before + n) for n, (before, _) in zip(shape, widths, strict=True))


def pad(x: Any, pad_width: Any, mode: str = "zeros", value: Any = 0) -> Any:
    """x with a border of `value`; the gradient of the border is dropped.

    Args:
        x: any shape.
        pad_width: as `numpy.pad` takes it: an integer for all sides, (before, after) for all axes, or a pair an axis.
        mode: "zeros", a border of `value`.
        value: what the border holds.

    Raises:
        ValueError: an unknown mode, a negative width, or pairs for another number of axes.

    >>> import tinygrad_cnn as tg
    >>> tg.pad(tg.tensor([1.0, 2.0]), (1, 2)).tolist()
    [0.0, 1.0, 2.0, 0.0, 0.0]
    """
    if mode != "zeros":
        raise ValueError(f"pad: mode must be 'zeros' but is {mode!r}")
    shape = shape_of(x)
    given = tuple(pad_width) if isinstance(pad_width, tuple | list) else (pad_width, pad_width)
    if not any(isinstance(pair, tuple | list) for pair in given):
        given = (given * 2 if len(given) == 1 else given,) * len(shape)
    elif len(given) == 1:
        given = given * len(shape)
    if len(given) != len(shape):
        raise ValueError(f"pad: expected a pair for each of {len(shape)} axes but got {pad_width!r}")
    widths = tuple(per_axis("pad", "pad_width", pair, 2, minimum=0) for pair in given)
    return _pad(x, widths=widths, value=value)

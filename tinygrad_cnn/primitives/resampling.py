"""Resampling: images at another size. Interpolation is a linear map along each axis, its backward the transpose.

Output pixel p lies at the input coordinate c(p). With n pixels in and m out there are two conventions for it:

    align_corners=False     c(p) = (p + 1/2) n / m - 1/2        pixels are squares, the outer edges of the images agree
    align_corners=True      c(p) = p (n - 1) / (m - 1)          pixels are points, the first and the last of them agree

The row [0, 4] with m = 4 lies at c = -1/4, 1/4, 3/4, 5/4 and becomes [0, 1, 3, 4] (outside of the pixels' centres the
border pixel stands); or at c = 0, 1/3, 2/3, 1 and becomes [0, 4/3, 8/3, 4]. The first keeps the scale of what is seen
at any size; the second keeps the corners.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from numbers import Real
from typing import Any

from tinygrad_cnn.backend import shape_of
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import axis_map
from tinygrad_cnn.kernels.axis_map import AxisMap
from tinygrad_cnn.primitives.adaptive_pool import mean_of_regions, regions
from tinygrad_cnn.primitives.arguments import per_axis

HALF = Fraction(1, 2)

AXES: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("nearest", "nearest-exact", "area"), (1, 2, 3)),
    "linear": (1,),
    "bilinear": (2,),
    "bicubic": (2,),
    "trilinear": (3,),
}
"""The numbers of spatial axes that a mode is for."""


@primitive(x=lambda dz, maps: resample(dz, maps=axis_map.transposed(maps)))
def resample(x: Any, *, maps: tuple[AxisMap, ...]) -> Any:
    """A linear map along each of the last axes."""
    return axis_map.apply(maps, x)


# The terms of each mode on one axis of n pixels in and m out; `step` is the distance of two output pixels in the input.


@lru_cache(maxsize=512)
def _nearest(n: int, m: int, step: Fraction, offset: Fraction) -> AxisMap:
    return AxisMap(n, tuple(((min(math.floor((p + offset) * step), n - 1), 1),) for p in range(m)))


@lru_cache(maxsize=512)
def _linear(n: int, m: int, step: Fraction, align_corners: bool) -> AxisMap:
    rows = []
    for c in _coordinates(n, m, step, align_corners):
        i, t = divmod(min(max(c, Fraction(0)), Fraction(n - 1)), 1)
        rows.append(((i, 1 - t), (i + 1, t)) if t else ((i, 1 - t),))
    return AxisMap(n, tuple(rows))


@lru_cache(maxsize=512)
def _cubic(n: int, m: int, step: Fraction, align_corners: bool) -> AxisMap:
    rows = []
    for c in _coordinates(n, m, step, align_corners):
        i, t = divmod(c, 1)
        rows.append(_terms(n, i - 1, [_cubic_kernel(k - t, Fraction(-3, 4)) for k in range(-1, 3)]))
    return AxisMap(n, tuple(rows))


def _coordinates(n: int, m: int, step: Fraction, align_corners: bool) -> list[Fraction]:
    """Where each output pixel lies in the input: c(p) as above."""
    if align_corners:
        return [p * Fraction(n - 1, max(m - 1, 1)) for p in range(m)]
    return [(p + HALF) * step - HALF for p in range(m)]


def _terms(n: int, first: int, weights: list[Fraction]) -> axis_map.Terms:
    """The weights of the pixels from `first` on; beyond the border the border pixel stands, with all their weights."""
    terms: dict[int, Fraction] = {}
    for i, weight in enumerate(weights, first):
        if weight:
            i = min(max(i, 0), n - 1)
            terms[i] = terms.get(i, Fraction(0)) + weight
    return tuple(terms.items())


def _cubic_kernel(t: Fraction, a: Fraction) -> Fraction:
    """Cubic convolution: Keys, "Cubic convolution interpolation for digital image processing" (1981), eq. 8."""
    t = abs(t)
    if t < 1:
        return ((a + 2) * t - (a + 3)) * t * t + 1
    return ((t - 5) * t + 8) * t * a - 4 * a if t < 2 else Fraction(0)


def _triangle_kernel(t: Fraction) -> Fraction:
    return max(1 - abs(t), Fraction(0))


def _smooth(n: int, m: int, step: Fraction, kernel: Callable[[Fraction], Fraction], reach: int) -> AxisMap:
    """The kernel stretched by the step where the image shrinks, its weights normalised inside the image."""
    stretch = max(step, Fraction(1))
    rows = []
    for p in range(m):
        centre = (p + HALF) * step
        first = max(math.floor(centre - reach * stretch + HALF), 0)
        end = min(math.floor(centre + reach * stretch + HALF), n)
        weights = [kernel((i + HALF - centre) / stretch) for i in range(first, end)]
        total = sum(weights)
        rows.append(_terms(n, first, [weight / total for weight in weights]))
    return AxisMap(n, tuple(rows))


@lru_cache(maxsize=512)
def _smooth_linear(n: int, m: int, step: Fraction) -> AxisMap:
    return _smooth(n, m, step, _triangle_kernel, 1)


@lru_cache(maxsize=512)
def _smooth_cubic(n: int, m: int, step: Fraction) -> AxisMap:
    return _smooth(n, m, step, lambda t: _cubic_kernel(t, -HALF), 2)


def interpolate(
    x: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """Images at another size.

    Args:
        x: (N, C, W), (N, C, H, W) or (N, C, D, H, W).
        size: the output's pixels on each spatial axis, an integer or one for each.
        scale_factor: instead of the size: the output has floor(n * scale_factor) pixels. A number or one for each
            axis. A float stands for the fraction that it rounds, if one with a denominator up to a million does (0.1
            is a tenth); a `Fraction` is exact.
        mode: "nearest" takes pixel floor(p n / m) for output p, "nearest-exact" the one whose square holds p's centre,
            floor((p + 1/2) n / m); "linear" (1 axis), "bilinear" (2) and "trilinear" (3) weight the two neighbours on
            each axis by their distance; "bicubic" (2) weights four, by Keys' kernel with a = -3/4; "area" is the mean
            of a region, `adaptive_avg_pool2d`.
        align_corners: for linear and cubic modes, which of the module's two conventions the coordinates follow; None
            means False.
        recompute_scale_factor: with a scale factor, place the pixels by n / m of the sizes; by default they are
            placed by 1 / scale_factor, which is not the same where n * scale_factor is no integer.
        antialias: for "bilinear" and "bicubic": when the image shrinks, let the weights reach over as many more pixels
            (the cubic kernel with a = -1/2), as Pillow's `resize` does.

    Returns:
        (N, C, *size). Integers stay integers in the nearest modes and become float64 in the others.

    Backward: the transposed map, with the same weights: each input pixel gets the gradients of the outputs it took
    part in.

    Differences from PyTorch: coordinates are exact and not rounded; and the gradient of the nearest modes with a
    scale factor is the transpose of their forward, also where the output has n or 2 n pixels.

    Raises:
        ValueError: not three to five axes, no or two sizes, a size or a factor that leaves no pixel, a mode that is
            unknown or for another number of axes, an option that the mode does not take.
        TypeError: a size that is no integer or a scale factor that is no number.

    >>> import tinygrad_cnn as tg
    >>> row = tg.tensor([[[0.0, 4.0]]])
    >>> tg.interpolate(row, size=4, mode="linear").tolist()
    [[[0.0, 1.0, 3.0, 4.0]]]
    >>> tg.interpolate(row, size=3, mode="linear", align_corners=True).tolist()
    [[[0.0, 2.0, 4.0]]]
    """
    return _interpolate(
        "interpolate", x, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias
    )


def upsample(
    x: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Any:
    """`interpolate` under its older name, with the arguments of `nn.Upsample`."""
    return _interpolate("upsample", x, size, scale_factor, mode, align_corners)


def upsample_nearest(x: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """`interpolate` in the mode "nearest": each pixel repeated."""
    return _interpolate("upsample_nearest", x, size, scale_factor, "nearest")


def upsample_bilinear(x: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """`interpolate` in the mode "bilinear" with `align_corners=True`, as in PyTorch."""
    return _interpolate("upsample_bilinear", x, size, scale_factor, "bilinear", True)


def _interpolate(
    operation: str,
    x: Any,
    size: Any,
    scale_factor: Any,
    mode: str,
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    shape = shape_of(x)
    n = len(shape) - 2
    _check_mode(operation, shape, mode, align_corners, antialias)
    if 0 in shape[2:]:
        raise ValueError(f"{operation}: x must have at least one pixel but its size is {shape[2:]}")
    if (size is None) == (scale_factor is None):
        raise ValueError(f"{operation}: expected either size or scale_factor but got {size!r} and {scale_factor!r}")
    if size is not None:
        if recompute_scale_factor:
            raise ValueError(f"{operation}: recompute_scale_factor needs a scale_factor but got size {size!r}")
        sizes = per_axis(operation, "size", size, n)
    else:
        factors = factors_of(operation, scale_factor, n)
        sizes = tuple(math.floor(m * factor) for m, factor in zip(shape[2:], factors, strict=True))
        if 0 in sizes:
            raise ValueError(f"{operation}: scale_factor {scale_factor!r} leaves no pixel of {shape[2:]}")
    if mode == "area":
        return mean_of_regions(x, maps=tuple(map(regions, shape[2:], sizes)))
    if size is not None or recompute_scale_factor:
        steps = [Fraction(m, k) for m, k in zip(shape[2:], sizes, strict=True)]
    else:
        steps = [1 / _fraction(factor) for factor in factors]
    make = _maker(mode, bool(align_corners), antialias)
    return resample(x, maps=tuple(map(make, shape[2:], sizes, steps)))


def _maker(mode: str, align_corners: bool, antialias: bool) -> Callable[[int, int, Fraction], AxisMap]:
    """What makes a mode's map for an axis of n pixels in and m out with a step."""
    if mode == "nearest":
        return lambda n, m, step: _nearest(n, m, step, Fraction(0))
    if mode == "nearest-exact":
        return lambda n, m, step: _nearest(n, m, step, HALF)
    if antialias:
        return _smooth_linear if mode == "bilinear" else _smooth_cubic
    if mode == "bicubic":
        return lambda n, m, step: _cubic(n, m, step, align_corners)
    # As PyTorch, an image is left as it is where its size stays, whatever the scale factor.
    return lambda n, m, step: _linear(n, m, Fraction(1) if n == m else step, align_corners)


def _check_mode(
    operation: str, shape: tuple[int, ...], mode: str, align_corners: bool | None, antialias: bool
) -> None:
    if mode not in AXES:
        raise ValueError(f"{operation}: mode must be one of {', '.join(map(repr, AXES))} but is {mode!r}")
    n = len(shape) - 2
    if n not in AXES[mode]:
        layouts = " or ".join(f"({', '.join(('N', 'C', *'DHW'[3 - k :]))})" for k in AXES[mode])
        raise ValueError(f"{operation}: mode {mode!r} is for x of {layouts} but its shape is {shape}")
    if align_corners is not None and "linear" not in mode and mode != "bicubic":
        raise ValueError(f"{operation}: mode {mode!r} takes no align_corners but got {align_corners!r}")
    if antialias and (mode not in ("bilinear", "bicubic") or align_corners):
        raise ValueError(
            f"{operation}: antialias is for the modes 'bilinear' and 'bicubic' without align_corners but mode is "
            f"{mode!r} and align_corners {align_corners!r}"
        )


def factors_of(operation: str, scale_factor: Any, n: int) -> list[Any]:
    """One positive number for each axis: an int, a Fraction or a float."""
    is_sequence = isinstance(scale_factor, Sequence) and not isinstance(scale_factor, str)
    given: list[Any] = list(scale_factor) if is_sequence else [scale_factor] * n
    if len(given) != n:
        raise ValueError(f"{operation}: scale_factor expects a number or {n} of them but got {scale_factor!r}")
    for factor in given:
        if not isinstance(factor, Real) or isinstance(factor, bool):
            raise TypeError(f"{operation}: scale_factor must be a number but is {factor!r}")
        if not 0 < float(factor) < math.inf:
            raise ValueError(f"{operation}: scale_factor must be positive and finite but is {scale_factor!r}")
    return [factor if isinstance(factor, int | Fraction) else float(factor) for factor in given]


def _fraction(factor: Any) -> Fraction:
    """The fraction that a float rounds, if one with a denominator up to a million does; else its own value."""
    exact = Fraction(factor)
    simple = exact.limit_denominator(1_000_000)
    return simple if isinstance(factor, float) and float(simple) == factor else exact


# Pixel shuffle: blocks of r x r pixels from r**2 channels, and back


@primitive(x=lambda dz, r: _pixel_unshuffle(dz, r=r))
def _pixel_shuffle(x: Any, *, r: int) -> Any:
    *lead, channels, height, width = x.shape
    n = len(lead)
    blocks = x.reshape(*lead, channels // r**2, r, r, height, width)
    blocks = blocks.transpose(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return blocks.copy().reshape(*lead, channels // r**2, height * r, width * r)


@primitive(x=lambda dz, r: _pixel_shuffle(dz, r=r))
def _pixel_unshuffle(x: Any, *, r: int) -> Any:
    *lead, channels, height, width = x.shape
    n = len(lead)
    blocks = x.reshape(*lead, channels, height // r, r, width // r, r)
    blocks = blocks.transpose(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return blocks.copy().reshape(*lead, channels * r**2, height // r, width // r)


def pixel_shuffle(x: Any, upscale_factor: int) -> Any:
    """r**2 channels as blocks of r x r pixels: Z[c, r i + a, r j + b] = X[r**2 c + r a + b, i, j].

    The sub-pixel convolution of Shi et al., "Real-time single image and video super-resolution using an efficient
    sub-pixel convolutional neural network" (2016), eq. 4, is a convolution followed by this.

    Args:
        x: (..., C r**2, H, W).
        upscale_factor: r.

    Returns:
        (..., C, r H, r W).

    Backward: `pixel_unshuffle`.

    Raises:
        ValueError: fewer than three axes, channels that r**2 does not divide, r below 1.
        TypeError: an r that is no integer.

    >>> import tinygrad_cnn as tg
    >>> tg.pixel_shuffle(tg.tensor([[[1.0]], [[2.0]], [[3.0]], [[4.0]]]), 2).tolist()
    [[[1.0, 2.0], [3.0, 4.0]]]
    """
    shape = _image_shape("pixel_shuffle", x)
    (r,) = per_axis("pixel_shuffle", "upscale_factor", upscale_factor, 1)
    if shape[-3] % r**2:
        raise ValueError(f"pixel_shuffle: upscale_factor {r} needs a multiple of {r**2} channels but shape is {shape}")
    return _pixel_shuffle(x, r=r)


def pixel_unshuffle(x: Any, downscale_factor: int) -> Any:
    """Blocks of r x r pixels as r**2 channels, the inverse of `pixel_shuffle`.

    Takes (..., C, r H, r W) and gives (..., C r**2, H, W), r being the `downscale_factor`.

    Raises:
        ValueError: fewer than three axes, a height or width that r does not divide, r below 1.
        TypeError: an r that is no integer.

    >>> import tinygrad_cnn as tg
    >>> tg.pixel_unshuffle(tg.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2).tolist()
    [[[1.0]], [[2.0]], [[3.0]], [[4.0]]]
    """
    shape = _image_shape("pixel_unshuffle", x)
    (r,) = per_axis("pixel_unshuffle", "downscale_factor", downscale_factor, 1)
    if shape[-2] % r or shape[-1] % r:
        raise ValueError(f"pixel_unshuffle: downscale_factor {r} must divide height and width but shape is {shape}")
    return _pixel_unshuffle(x, r=r)


def _image_shape(operation: str, x: Any) -> tuple[int, ...]:
    shape = shape_of(x)
    if len(shape) < 3:
        raise ValueError(f"{operation}: x must have at least 3 axes (..., C, H, W) but has shape {shape}")
    return shape

"""Transposed convolution: every pixel of x stamps a copy of the kernel, scaled, on the output.

    Y[n, f, s i + d k - p] += sum_c X[n, c, i] K[c, f, k]     (Dumoulin and Visin 2016, chapter 4; lecture deck 001)

It is the transpose of the linear map conv2d, so its backward is a convolution: with the upstream gradient dY,

    dX = dY (*) K            the plain correlation, at the same stride, padding and dilation
    dK = dY correlated with X
    dB = sum of dY
"""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.backend import shape_of
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import dispatch
from tinygrad_cnn.primitives.arguments import padding_pairs, per_axis, reach_of, remembered, spatial_shape
from tinygrad_cnn.primitives.conv2d import check_bias, check_kernel, correlation_of_shape, dB, kernel_correlation


def dX(dY: Any, x_shape: Any, weight: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """dY correlated with the kernel, as it is: what the kernel stamped, it collects."""
    return correlation_of_shape(
        x_shape, dY, weight, stride=stride, padding=padding, dilation=dilation, groups=groups
    )


def dK(dY: Any, x: Any, weight_shape: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """dY correlated with X."""
    return kernel_correlation(
        dY, x, kernel=weight_shape[2:], stride=stride, padding=padding, dilation=dilation, groups=groups
    )


@primitive(x=dX, weight=dK, bias=dB)
def transposed_convolution(
    x: Any, weight: Any, bias: Any = None, *, size: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Any:
    """Y[n, f, s i + d k - before] += sum_c X[n,c,i] K[c,f,k], + B[f], cut to `size`; any number of spatial axes."""
    return dispatch.conv_transpose(x, weight, bias, size, stride, padding, dilation, groups)


def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    output_size: Any = None,
) -> Any:
    """Transposed convolution: every pixel of x adds a scaled copy of the kernel to the output, `stride` apart.

    Args:
        x: images (N, C, H, W).
        weight: kernels (C, F / groups, kH, kW).
        bias: (F,) or None.
        stride: the distance between the copies, in the output.
        padding: rows and columns taken *off* the output: an integer, a pair, a pair of pairs, "valid" (nothing),
            "same" (an output of H stride; an odd one goes off the bottom and right) or "full" (the kernel's reach - 1).
        output_padding: rows and columns added at the bottom and right, fewer than the stride or dilation: a strided
            convolution maps several sizes to the same one, and this tells which to return to.
        groups: as in `conv2d`.
        dilation: distance between the entries of the kernel.
        output_size: (H', W') instead of `output_padding`.

    There is no `padding_mode`: padding takes pixels off the output, so that no border is to be filled.

    Returns:
        (N, F, H', W') with H' = (H - 1) stride - top - bottom + dilation (kH - 1) + 1 + output_padding.

    Backward: dX = conv2d(dY, K); dK = dY correlated with X; dB = sum of dY.

    Raises:
        ValueError: wrong numbers of axes or channels, groups that do not divide, an output of no pixels, an
            `output_padding` too large or beside another word on the size, an illegal `output_size` (the legal ones
            are listed).
        TypeError: an argument that is no integer.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    >>> tg.conv_transpose2d(x, x, stride=2).tolist()
    [[[[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 2.0, 3.0], [0.0, 2.0, 0.0, 3.0], [4.0, 6.0, 6.0, 9.0]]]]
    """
    return _conv_transpose(
        "conv_transpose2d", 2, x, weight, bias, stride, padding, output_padding, groups, dilation, output_size
    )


def conv_transpose1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    output_size: Any = None,
) -> Any:
    """Transposed convolution over one axis: x (N, C, W), weight (C, F / groups, kW). Else as `conv_transpose2d`.

    >>> import tinygrad_cnn as tg
    >>> tg.conv_transpose1d(tg.tensor([[[1.0, 2.0]]]), tg.tensor([[[1.0, 1.0, 1.0]]]), stride=2).tolist()
    [[[1.0, 1.0, 3.0, 2.0, 2.0]]]
    """
    return _conv_transpose(
        "conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding, groups, dilation, output_size
    )


def conv_transpose3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    output_size: Any = None,
) -> Any:
    """Transposed convolution over three axes: x (N, C, D, H, W), weight (C, F / groups, kD, kH, kW).

    Else as `conv_transpose2d`.

    >>> import tinygrad_cnn as tg
    >>> tg.conv_transpose3d(tg.tensor([[[[[1.0, 2.0]]]]]), tg.tensor([[[[[1.0]], [[10.0]]]]])).tolist()
    [[[[[1.0, 2.0]], [[10.0, 20.0]]]]]
    """
    return _conv_transpose(
        "conv_transpose3d", 3, x, weight, bias, stride, padding, output_padding, groups, dilation, output_size
    )


def _conv_transpose(
    operation: str,
    n: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
    output_size: Any,
) -> Any:
    bias_shape = None if bias is None else shape_of(bias)
    options = _checked_windows(
        operation, n, shape_of(x), shape_of(weight), bias_shape, stride, padding, output_padding, groups, dilation,
        output_size,
    )  # fmt: skip
    operands = (x, weight) if bias is None else (x, weight, bias)
    return transposed_convolution(*operands, **options)


@remembered
def _checked_windows(
    operation: str,
    n: int,
    x: tuple[int, ...],
    weight: tuple[int, ...],
    bias: tuple[int, ...] | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
    output_size: Any,
) -> dict[str, Any]:
    """The options of `transposed_convolution` for operands of these shapes; wrong ones are refused."""
    small = spatial_shape(operation, "x", x, n)
    kernel = spatial_shape(operation, "weight", weight, n)
    stride = per_axis(operation, "stride", stride, n)
    dilation = per_axis(operation, "dilation", dilation, n)
    (groups,) = per_axis(operation, "groups", groups, 1)
    check_kernel(operation, kernel)
    channels, per_group = x[1], weight[1]
    if channels % groups:
        raise ValueError(
            f"{operation}: groups must divide the {channels} channels of x (shape {x}) but is {groups}"
        )
    if weight[0] != channels:
        raise ValueError(
            f"{operation}: weight (C, F / groups, ...) expects {weight[0]} input channels "
            f"(weight shape {weight}) but x has {channels} (shape {x})"
        )
    check_bias(operation, bias, per_group * groups)
    if 0 in small:
        raise ValueError(f"{operation}: x must have at least one pixel but has shape {x}")
    reach = reach_of(kernel, dilation)
    unpadded = tuple((m - 1) * s + r for m, s, r in zip(small, stride, reach, strict=True))
    added = per_axis(operation, "output_padding", output_padding, n, minimum=0)
    is_same = isinstance(padding, str) and padding == "same"
    if any(added) and (is_same or output_size is not None):
        raise ValueError(
            f"{operation}: output_padding must be 0 where padding 'same' or output_size gives the size but is {added} "
            f"(padding {padding!r}, output_size {output_size})"
        )
    if is_same:
        wanted = tuple(m * s for m, s in zip(small, stride, strict=True))
        if output_size is None:
            output_size = wanted
        cut = [max(u - m, 0) for u, m in zip(unpadded, wanted, strict=True)]
        padding = tuple((c // 2, c - c // 2) for c in cut)
    else:
        padding = padding_pairs(operation, padding, small, reach, stride)
    least = tuple(u - before - after for u, (before, after) in zip(unpadded, padding, strict=True))
    # A convolution with this stride or dilation can't have come from an output that is larger than this.
    most = tuple(m + max(s, d) - 1 for m, s, d in zip(least, stride, dilation, strict=True))
    if output_size is None:
        size = tuple(m + a for m, a in zip(least, added, strict=True))
        if any(m > limit for m, limit in zip(size, most, strict=True)):
            raise ValueError(
                f"{operation}: output_padding must be smaller than stride {stride} or dilation {dilation} "
                f"but is {added}"
            )
    else:
        size = per_axis(operation, "output_size", output_size, n)
    if any(m < 1 for m in (size if output_size is None else most)):
        raise ValueError(
            f"{operation}: padding {padding} takes everything off the output: "
            f"{unpadded} without padding, {least} with it"
        )
    if any(not low <= m <= high for low, m, high in zip(least, size, most, strict=True)):
        sizes = ((max(low, 1), high) for low, high in zip(least, most, strict=True))
        legal = " x ".join(f"{low}..{high}" if low < high else f"{low}" for low, high in sizes)
        raise ValueError(f"{operation}: output_size {size} is not among the legal sizes {legal}")
    return {"size": size, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}

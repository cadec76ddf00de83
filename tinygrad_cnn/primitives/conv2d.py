"""Convolution, as CNNs mean it: the cross-correlation of images with kernels, over one, two or three spatial axes.

With Z = X (*) K + B and the upstream gradient dZ = dL/dZ, the three backward formulas (lecture 14; Goodfellow,
Bengio, Courville, Deep Learning, section 9.5) are

    dX = (dZ, dilated by the stride and zero-padded) (*) K rotated by 180 degrees      a full correlation
    dK = X (*) dZ                                                                      a valid correlation
    dB = sum of dZ

They stand below as `dX`, `dK` and `dB`. Each of the two correlations is a primitive of its own, whose backward is made
of the same three, so that a gradient can be differentiated again.
"""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.backend import shape_of
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import dispatch
from tinygrad_cnn.primitives.arguments import (
    padding_pairs,
    per_axis,
    reach_of,
    remembered,
    spatial_shape,
    window_counts,
)
from tinygrad_cnn.primitives.padding import check_mode, pad
from tinygrad_cnn.primitives.reduction import sum
from tinygrad_cnn.primitives.shape import getitem, rot180

# Z = X (*) K + B


def dX(dZ: Any, weight: Any, x_shape: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """dZ, dilated by the stride and zero-padded, correlated with the kernel rotated by 180 degrees (formula 3)."""
    return full_correlation(
        dZ, rot180(weight), size=x_shape[2:], stride=stride, padding=padding, dilation=dilation, groups=groups
    )


def dK(dZ: Any, x: Any, weight_shape: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """X correlated with dZ (formula 1)."""
    return kernel_correlation(
        x, dZ, kernel=weight_shape[2:], stride=stride, padding=padding, dilation=dilation, groups=groups
    )


def dB(dZ: Any) -> Any:
    """The sum of dZ over images and pixels, one for each filter (formula 2)."""
    return sum(dZ, axis=(0, *range(2, len(shape_of(dZ)))))


@primitive(x=dX, weight=dK, bias=dB)
def correlation(x: Any, weight: Any, bias: Any = None, *, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """Z[n,f,p] = sum_{c,k} X[n, c, s p + d k] K[f, c, k] + B[f], for any number of spatial axes."""
    return dispatch.correlate(x, weight, bias, stride, padding, dilation, groups)


# The two correlations of the backward pass, and theirs. G is the upstream gradient of dX or of dK.


def correlation_of_shape(shape: Any, x: Any, weight: Any, **options: Any) -> Any:
    """The correlation with the windows at the bottom and right dropped that `shape` has no room for.

    A transposed convolution may be given more rows than its windows reach (`output_padding` up to the dilation).
    """
    z = correlation(x, weight, **options)
    return z if shape_of(z) == shape else getitem(z, tuple(map(slice, shape)))


@primitive(
    dz=lambda G, dz_shape, rotated, stride, padding, dilation, groups: correlation_of_shape(
        dz_shape, G, rot180(rotated), stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    rotated=lambda G, dz, rotated_shape, stride, padding, dilation, groups: rot180(
        kernel_correlation(
            G, dz, kernel=rotated_shape[2:], stride=stride, padding=padding, dilation=dilation, groups=groups
        )
    ),
)
def full_correlation(
    dz: Any, rotated: Any, *, size: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Any:
    """dX: dZ, dilated by the stride and zero-padded, correlated with a rotated kernel; `size` is X's."""
    return dispatch.full_correlate(dz, rotated, size, stride, padding, dilation, groups)


@primitive(
    x=lambda G, dz, x_shape, stride, padding, dilation, groups: full_correlation(
        dz, rot180(G), size=x_shape[2:], stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    dz=lambda G, dz_shape, x, stride, padding, dilation, groups: correlation_of_shape(
        dz_shape, x, G, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
)
def kernel_correlation(
    x: Any, dz: Any, *, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Any:
    """dK: X correlated with dZ, dK[f,c,k] = sum_{n,p} X[n, c, s p + d k] dZ[n,f,p]."""
    return dispatch.correlate_kernel(x, dz, kernel, stride, padding, dilation, groups)


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> Any:
    """Cross-correlation of images with kernels, which CNNs call convolution:

        Z[n, f, i, j] = sum over c, u, v of X[n, c, s i + d u, s j + d v] K[f, c, u, v] + B[f]

    (Deep Learning, eq. 9.6, with stride s and dilation d, X zero-padded). The textbook convolution (eq. 9.5) flips the
    kernel on both axes: that is `convolve2d`.

    Args:
        x: images (N, C, H, W).
        weight: kernels (F, C / groups, kH, kW).
        bias: (F,) or None.
        stride: step between windows, an integer or a pair.
        padding: the border around x: an integer, a pair (height, width), a pair of pairs ((top, bottom), (left,
            right)), "valid" (none), "same" (an output of ceil(n / stride), an odd pixel going to the bottom and right)
            or "full" (every window that touches the image).
        dilation: distance between the entries of a window, an integer or a pair.
        groups: x's channels and the filters are cut into that many groups, each seeing its own channels only; with as
            many groups as channels the convolution is depthwise.
        padding_mode: what the border holds: "zeros", "reflect", "replicate", "circular" or "symmetric", see `pad`.

    Returns:
        (N, F, H', W') with H' = floor((H + top + bottom - dilation (kH - 1) - 1) / stride) + 1. A window that does not
        lie entirely inside the padded image is dropped.

    Backward: dX = dZ, dilated by the stride and zero-padded, correlated with K rotated by 180 degrees; dK = X
    correlated with dZ; dB = sum of dZ (lecture 14). In the other padding modes X is the image with its border, and the
    border's gradient is added back to the pixels that it repeats.

    Raises:
        ValueError: wrong numbers of axes or channels, an image without pixels, groups that do not divide, a kernel
            larger than the padded image, stride or dilation below 1, a negative or unknown padding, an unknown mode.
        TypeError: a stride, padding, dilation or groups that is no integer.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]])
    >>> edges = tg.tensor([[[[1.0, -1.0]]]], requires_grad=True)
    >>> z = tg.conv2d(x, edges)
    >>> z.tolist()
    [[[[-1.0, -1.0], [-1.0, -1.0], [-1.0, -1.0]]]]
    >>> z.sum().backward()
    >>> edges.grad.tolist()
    [[[[27.0, 33.0]]]]

    One kernel for all channels of a filter, as the lectures share parameters, is a kernel that is broadcast; its
    gradient is the sum over the channels:

    >>> shared = tg.tensor([[[[1.0, 1.0]]]], requires_grad=True)
    >>> rgb = tg.concatenate([x, 10 * x, 100 * x], axis=1)
    >>> tg.conv2d(rgb, tg.broadcast_to(shared, (1, 3, 1, 2))).tolist()
    [[[[333.0, 555.0], [999.0, 1221.0], [1665.0, 1887.0]]]]
    """
    return convolution("conv2d", 2, x, weight, bias, stride, padding, dilation, groups, padding_mode)


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> Any:
    """Cross-correlation over one axis: x (N, C, W), weight (F, C / groups, kW). Everything else as `conv2d`.

    >>> import tinygrad_cnn as tg
    >>> x, difference = tg.tensor([[[1.0, 2.0, 4.0]]]), tg.tensor([[[-1.0, 1.0]]])
    >>> tg.conv1d(x, difference).tolist()
    [[[1.0, 2.0]]]
    >>> tg.conv1d(x, difference, padding="same", padding_mode="circular").tolist()
    [[[1.0, 2.0, -3.0]]]
    """
    return convolution("conv1d", 1, x, weight, bias, stride, padding, dilation, groups, padding_mode)


def conv3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> Any:
    """Cross-correlation over three axes: x (N, C, D, H, W), weight (F, C / groups, kD, kH, kW). Else as `conv2d`.

    >>> import tinygrad_cnn as tg
    >>> frames = tg.tensor([[[[[1.0, 2.0]], [[5.0, 9.0]]]]])
    >>> tg.conv3d(frames, tg.tensor([[[[[-1.0]], [[1.0]]]]])).tolist()
    [[[[[4.0, 7.0]]]]]
    """
    return convolution("conv3d", 3, x, weight, bias, stride, padding, dilation, groups, padding_mode)


def convolve2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> Any:
    """The textbook convolution, S(i, j) = sum over m, n of I(i - m, j - n) K(m, n) (Deep Learning, eq. 9.5).

    It is `conv2d` with the kernel flipped on both axes, and unlike it associative. Arguments, result and errors as
    `conv2d`; the windows are the same, so that without padding S begins where the whole kernel lies in the image.

    >>> import tinygrad_cnn as tg
    >>> tg.convolve2d(tg.tensor([[[[0.0, 1.0, 0.0]]]]), tg.tensor([[[[1.0, 2.0, 3.0]]]]), padding="full").tolist()
    [[[[0.0, 1.0, 2.0, 3.0, 0.0]]]]
    """
    return convolution("convolve2d", 2, x, weight, bias, stride, padding, dilation, groups, padding_mode, flip=True)


def convolve1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> Any:
    """The textbook convolution over one axis: x (N, C, W), weight (F, C / groups, kW); `conv1d` with a flipped kernel.

    With padding "full" it multiplies polynomials, as `numpy.convolve`; (1 + 2 t) (3 + 4 t) = 3 + 10 t + 8 t**2:

    >>> import tinygrad_cnn as tg
    >>> tg.convolve1d(tg.tensor([[[1.0, 2.0]]]), tg.tensor([[[3.0, 4.0]]]), padding="full").tolist()
    [[[3.0, 10.0, 8.0]]]
    """
    return convolution("convolve1d", 1, x, weight, bias, stride, padding, dilation, groups, padding_mode, flip=True)


def convolve3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> Any:
    """The textbook convolution over three axes: x (N, C, D, H, W), weight (F, C / groups, kD, kH, kW).

    It is `conv3d` with the kernel flipped on all three. Everything else as `convolve2d`.

    >>> import tinygrad_cnn as tg
    >>> tg.convolve3d(tg.tensor([[[[[1.0, 2.0]]]]]), tg.tensor([[[[[3.0, 4.0]]]]]), padding="full").tolist()
    [[[[[3.0, 10.0, 8.0]]]]]
    """
    return convolution("convolve3d", 3, x, weight, bias, stride, padding, dilation, groups, padding_mode, flip=True)


def convolution(
    operation: str,
    n: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: Any,
    flip: bool = False,
) -> Any:
    """`correlation` over n spatial axes, with the kernel or its flip, after every argument was checked.

    Zeros are the kernels' own business; a border of another mode is put around x before. Errors name the operation,
    and nothing is recorded before them.
    """
    bias_shape = None if bias is None else shape_of(bias)
    options = checked_windows(
        operation, n, shape_of(x), shape_of(weight), bias_shape, stride, padding, dilation, groups, padding_mode
    )
    if flip:
        weight = rot180(weight)
    if padding_mode != "zeros" and any(map(any, options["padding"])):
        x = pad(x, ((0, 0), (0, 0), *options["padding"]), padding_mode)
        options = {**options, "padding": ((0, 0),) * n}
    operands = (x, weight) if bias is None else (x, weight, bias)
    return correlation(*operands, **options)


@remembered
def checked_windows(
    operation: str,
    n: int,
    x: tuple[int, ...],
    weight: tuple[int, ...],
    bias: tuple[int, ...] | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: Any,
) -> dict[str, Any]:
    """The options of `correlation` for operands of these shapes; wrong ones are refused."""
    size = spatial_shape(operation, "x", x, n)
    kernel = spatial_shape(operation, "weight", weight, n)
    stride = per_axis(operation, "stride", stride, n)
    dilation = per_axis(operation, "dilation", dilation, n)
    (groups,) = per_axis(operation, "groups", groups, 1)
    check_mode(operation, "padding_mode", padding_mode)
    check_kernel(operation, kernel)
    channels, (filters, per_group) = x[1], weight[:2]
    if filters % groups:
        raise ValueError(
            f"{operation}: groups must divide the {filters} filters (weight shape {weight}) but is {groups}"
        )
    if per_group * groups != channels:
        raise ValueError(
            f"{operation}: weight expects {per_group * groups} input channels (weight shape {weight}, "
            f"groups {groups}) but x has {channels} (shape {x})"
        )
    check_bias(operation, bias, filters)
    reach = reach_of(kernel, dilation)
    padding = padding_pairs(operation, padding, size, reach, stride)
    window_counts(operation, size, reach, padding, stride)
    return {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def check_kernel(operation: str, kernel: tuple[int, ...]) -> None:
    """Refuse a kernel without entries."""
    if 0 in kernel:
        raise ValueError(f"{operation}: the kernel must have at least one entry on each axis but is {kernel}")


def check_bias(operation: str, bias: tuple[int, ...] | None, filters: int) -> None:
    """Refuse a bias whose shape says that it is not one number for each filter."""
    if bias is not None and bias != (filters,):
        raise ValueError(f"{operation}: bias must have shape ({filters},) for {filters} filters but has {bias}")

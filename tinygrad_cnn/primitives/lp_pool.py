"""Lp pooling: the p-norm of each window; p = 1 is the sum of the absolute values, p = inf the largest of them."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_cnn.backend import shape_of
from tinygrad_cnn.primitives.arguments import spatial_shape
from tinygrad_cnn.primitives.elementwise import abs
from tinygrad_cnn.primitives.maxpool import max_of_windows, pool_windows, unfold_windows
from tinygrad_cnn.primitives.norm import check_root, exponent, norm_over
from tinygrad_cnn.primitives.reduction import sum


def lp_pool2d(x: Any, norm_type: Any, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """The p-norm of each window of each channel: Z = (sum over the window of |X|**p)**(1/p).

    Sermanet, Chintala, LeCun, "Convolutional neural networks applied to house numbers digit classification" (2012),
    section 3.1.

    Args:
        x: images (N, C, H, W).
        norm_type: p, a positive number: 1 for the sum of |X|, 2 for the Euclidean norm, `math.inf` for the largest |X|.
        kernel_size, stride, ceil_mode: as `max_pool2d`; what `ceil_mode` adds counts as zeros.

    Returns:
        (N, C, H', W'), the size as in `max_pool2d`.

    Backward: dX = dZ sign(X) (|X| / Z)**(p-1). At a zero X or a window of zeros, where the norm has a kink, it is 0:
    the subgradient of least norm for p >= 1, and by convention for p < 1.

    PyTorch leaves out the absolute value, so that for odd p negative elements cancel others, and with `ceil_mode` it
    scales the norm of a window that hangs over the border; on windows inside of an x >= 0 both agree.

    Raises:
        ValueError: wrong numbers of axes, a window larger than x, a p that is not positive.
        TypeError: a p that is no number, a size that is no integer; exact numbers with p other than 1 and inf, since a
            root is no fraction.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[[[3.0, -4.0, 0.0, 0.0]]]], requires_grad=True)
    >>> z = tg.lp_pool2d(x, 2, (1, 2))
    >>> z.tolist()
    [[[[5.0, 0.0]]]]
    >>> z.sum().backward()
    >>> x.grad.numpy().round(4).tolist()
    [[[[0.6000000238418579, -0.800000011920929, 0.0, 0.0]]]]
    """
    return _lp_pool("lp_pool2d", 2, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool1d(x: Any, norm_type: Any, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """Lp pooling over one axis: x (N, C, W). Everything else as `lp_pool2d`."""
    return _lp_pool("lp_pool1d", 1, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(x: Any, norm_type: Any, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """Lp pooling over three axes: x (N, C, D, H, W). Everything else as `lp_pool2d`."""
    return _lp_pool("lp_pool3d", 3, x, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(
    operation: str, n: int, x: Any, norm_type: Any, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Any:
    size = spatial_shape(operation, "x", shape_of(x), n)
    p = exponent(operation, "norm_type", norm_type)
    kernel, stride, padding, dilation = pool_windows(operation, n, size, kernel_size, stride, 0, 1, ceil_mode)
    windows: dict[str, Any] = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    if p == math.inf:
        return max_of_windows(abs(x), **windows)
    over_window = tuple(range(2 + n, 2 + 2 * n))
    if p == 1:
        return sum(unfold_windows(abs(x), **windows), axis=over_window)
    check_root(operation, p, x)
    return norm_over(unfold_windows(x, **windows), axis=over_window, keepdims=False, p=p)

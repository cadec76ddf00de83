"""Max unpooling: the values of a max-pool put back where they came from, zeros elsewhere.

Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014), section 2.1; Badrinarayanan, Kendall,
Cipolla, "SegNet" (2017), section 3.
"""

from __future__ import annotations

from math import prod
from typing import Any

from tinygrad_cnn.backend import as_array, device_of, dtype_of, get_array_module, shape_of, to_device
from tinygrad_cnn.engine import Variable
from tinygrad_cnn.primitives.arguments import padding_pairs, per_axis, spatial_shape
from tinygrad_cnn.primitives.elementwise import where
from tinygrad_cnn.primitives.pixels import put_pixels


def max_unpool2d(
    x: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """The inverse of `max_pool2d` as far as there is one: every value at its index, zeros elsewhere.

    Args:
        x: (N, C, H, W), as `max_pool2d` gives.
        indices: integers of x's shape, flat indices into the output's planes, as `return_indices=True` gives.
        kernel_size, stride, padding: those of the pooling; they only say the output's size. A `stride` of None is the
            window's size; `padding` takes no "same", which does not say how much it was; for a dilated pooling,
            `kernel_size` is how far its window extends, dilation (kH - 1) + 1.
        output_size: (H', W'), (N, C, H', W') or None: H' = (H - 1) stride - top - bottom + kH. A pooling whose stride
            left a remainder had an input less than a stride away from that.

    Returns:
        (N, C, H', W'). Where several values have the same index the last in row-major order stands (on a GPU: one of
        them), and it alone gets a gradient; PyTorch gives the gradient to all of them, though they had no effect.

    Backward: dX = dZ at the indices.

    Raises:
        ValueError: wrong numbers of axes, indices of another shape or outside of the output, an impossible size; its
            message lists the possible ones.
        TypeError: indices that are no integers.

    >>> import tinygrad_cnn as tg
    >>> z, indices = tg.max_pool2d(tg.tensor([[[[1.0, 3.0, 2.0, 1.0]]]]), (1, 2), return_indices=True)
    >>> tg.max_unpool2d(z, indices, (1, 2)).tolist()
    [[[[0.0, 3.0, 2.0, 0.0]]]]
    """
    return _max_unpool("max_unpool2d", 2, x, indices, kernel_size, stride, padding, output_size)


def max_unpool1d(
    x: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """The inverse of `max_pool1d`: x (N, C, W). Everything else as `max_unpool2d`."""
    return _max_unpool("max_unpool1d", 1, x, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    x: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """The inverse of `max_pool3d`: x (N, C, D, H, W). Everything else as `max_unpool2d`."""
    return _max_unpool("max_unpool3d", 3, x, indices, kernel_size, stride, padding, output_size)


def _max_unpool(
    operation: str, n: int, x: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Any:
    shape = shape_of(x)
    small = spatial_shape(operation, "x", shape, n)
    kernel = per_axis(operation, "kernel_size", kernel_size, n)
    stride = kernel if stride is None else per_axis(operation, "stride", stride, n)
    padding = padding_pairs(operation, padding, small, kernel, stride, names=("valid", "full"))
    size = _size(operation, shape, kernel, stride, padding, output_size)
    indices = _indices(operation, x, shape, indices, size)
    standing = _standing(indices, prod(size))
    if not standing.all():
        x = where(standing, x, 0)
    return put_pixels(x, indices=indices, size=size)


def _size(
    operation: str, shape: tuple[int, ...], kernel: Any, stride: Any, padding: Any, output_size: Any
) -> tuple[int, ...]:
    """The output's size, worked out or checked."""
    plain = tuple(
        (m - 1) * s - before - after + k
        for m, k, s, (before, after) in zip(shape[2:], kernel, stride, padding, strict=True)
    )
    if output_size is None:
        size = plain
    else:
        given = tuple(output_size) if isinstance(output_size, tuple | list) else output_size
        if isinstance(given, tuple) and len(given) == len(shape) and given[:2] == shape[:2]:
            given = given[2:]
        size = per_axis(operation, "output_size", given, len(plain))
    if any(abs(m - p) >= s or m < 1 for m, p, s in zip(size, plain, stride, strict=True)):
        ranges = ", ".join(f"{max(p - s + 1, 1)} to {p + s - 1}" for p, s in zip(plain, stride, strict=True))
        raise ValueError(
            f"{operation}: output_size must be in {ranges} (x {shape}, kernel_size {kernel}, stride {stride}, padding "
            f"{padding}) but is {size}"
        )
    return size


def _indices(operation: str, x: Any, shape: tuple[int, ...], indices: Any, size: tuple[int, ...]) -> Any:
    """The indices as an array of its own on x's device, checked."""
    given = indices._array if isinstance(indices, Variable) else indices
    if shape_of(given) != shape:
        raise ValueError(f"{operation}: indices must have x's shape {shape} but have {shape_of(given)}")
    array = as_array(given)
    if dtype_of(array).kind not in "iu":
        raise TypeError(f"{operation}: indices must be integers but are {dtype_of(array)}")
    array = to_device(array, device_of(x._array if isinstance(x, Variable) else x))
    if array.size and (int(array.min()) < 0 or int(array.max()) >= prod(size)):
        raise ValueError(
            f"{operation}: indices must lie in 0 to {prod(size) - 1} for an output of {size} but range over "
            f"{int(array.min())} to {int(array.max())}"
        )
    return array


def _standing(indices: Any, pixels: int) -> Any:
    """Which values are not overwritten by another with the same index in the same plane."""
    xp = get_array_module(indices)
    batch, channels = indices.shape[:2]
    planes = xp.arange(batch * channels).reshape(batch, channels, *(1,) * (indices.ndim - 2)) * pixels
    at = (planes + indices).reshape(-1)
    last = xp.zeros(batch * channels * pixels, dtype=at.dtype)
    last[at] = xp.arange(at.size)
    return (last[at] == xp.arange(at.size)).reshape(indices.shape)

"""Normalisation: x brought to mean 0 and variance 1 over some axes, then scaled by a weight and shifted by a bias.

With z = (x - mean) / sigma, sigma = sqrt(variance + eps), the gradient (Ioffe and Szegedy 2015, "Batch normalization",
section 3, with the intermediate gradients put in) is

    dx = (dz - mean(dz) - z mean(dz z)) / sigma        all means over the same axes

Batch, layer, group and instance normalisation differ in these axes only. 1 / sigma is a primitive of its own, whose
derivative is made of z again, so that the gradient can be differentiated to any order.
"""

from __future__ import annotations

from math import prod
from typing import Any

from tinygrad_cnn.backend import as_array, dtype_of, is_object, shape_of
from tinygrad_cnn.engine import Variable, primitive
from tinygrad_cnn.kernels import dispatch
from tinygrad_cnn.kernels import normalization as kernels
from tinygrad_cnn.modes import observed
from tinygrad_cnn.primitives.arguments import per_axis
from tinygrad_cnn.primitives.elementwise import add, multiply
from tinygrad_cnn.primitives.normalization_arguments import (
    array_of,
    channels_first,
    check_bool,
    check_eps,
    check_momentum,
    check_per_channel,
    check_running,
    check_sizes,
    in_single_precision,
    narrowed,
)
from tinygrad_cnn.primitives.reduction import sum
from tinygrad_cnn.primitives.shape import reshape

# z = (x - mean) / sigma, and z weight + bias


def dX(dz: Any, x: Any, statistics: Any, axis: Any, eps: Any) -> Any:
    """dx = (dz - mean(dz) - z mean(dz z)) / sigma."""
    if _is_plain(dz):
        return dispatch.normalize_gradient(dz, x, None, statistics, axis)
    z = _normalization(x, axis=axis, eps=eps)
    return (dz - _mean(dz, axis) - z * _mean(dz * z, axis)) * _inverse_deviation(x, axis=axis, eps=eps)


def scaled_dX(dz: Any, x: Any, weight: Any, statistics: Any, axis: Any, eps: Any) -> Any:
    """The same of dz weight, which is the upstream gradient of z."""
    if _is_plain(dz):
        return dispatch.normalize_gradient(dz, x, weight, statistics, axis)
    return dX(dz * weight, x, statistics, axis, eps)


def dW(dz: Any, x: Any, weight_shape: Any, statistics: Any, axis: Any, eps: Any) -> Any:
    """The sum of dz z over all that share a weight; the sum itself is left to the engine where it is recorded."""
    if _is_plain(dz):
        return kernels.weight_gradient(dz, x, weight_shape, statistics, axis)
    return dz * _normalization(x, axis=axis, eps=eps)


def dB(dz: Any, x: Any, bias_shape: Any, statistics: Any, axis: Any) -> Any:
    """The sum of dz over all that share a bias, left to the engine as above."""
    if _is_plain(dz):
        return kernels.bias_gradient(dz, x, bias_shape, statistics, axis)
    return dz


def _is_plain(dz: Any) -> bool:
    """Whether the rule runs on arrays of floats, for which there are kernels, and not to be recorded or to be exact."""
    return not (isinstance(dz, Variable) or is_object(dz))


def _mean(x: Any, axis: Any) -> Any:
    return sum(x, axis, keepdims=True) / kernels.count_of(shape_of(x), axis)


@primitive(auxiliary=["statistics"], x=dX)
def _normalization(x: Any, *, axis: Any, eps: Any, found: Any = None) -> Any:
    """(x - mean) / sigma. A list `found` gets the statistics, which running statistics are made of."""
    return _normalized(x, None, None, axis, eps, found)


@primitive(auxiliary=["statistics"], x=scaled_dX, weight=dW, bias=dB)
def _scaled_normalization(x: Any, weight: Any, bias: Any = None, *, axis: Any, eps: Any, found: Any = None) -> Any:
    """(x - mean) / sigma weight + bias, in few passes over memory; `weight` and `bias` broadcast."""
    return _normalized(x, weight, bias, axis, eps, found)


def _normalized(x: Any, weight: Any, bias: Any, axis: Any, eps: Any, found: Any) -> Any:
    z, statistics = dispatch.normalize(x, weight, bias, axis, eps)
    if found is not None:
        found.append(statistics)
    return z, statistics


@primitive(
    x=lambda dr, x, z, axis, eps: (
        -dr * z * z * _normalization(x, axis=axis, eps=eps) / kernels.count_of(shape_of(x), axis)
    )
)
def _inverse_deviation(x: Any, *, axis: Any, eps: Any) -> Any:
    """r = 1 / sigma, the axes kept with size 1; dr/dx = -r**2 (x - mean) / (sigma n)."""
    return kernels.statistics(x, axis, eps)[1].inverse


def d_scale(dz: Any, x: Any, mean: Any, scale_shape: Any) -> Any:
    """The sum of dz (x - mean) over all that share a scale, left to the engine as above."""
    return kernels.sum_of_products(dz, x - mean, scale_shape) if _is_plain(dz) else dz * (x - mean)


@primitive(x=lambda dz, scale: dz * scale, scale=d_scale, shift=lambda dz: dz)
def _affine(x: Any, mean: Any, scale: Any, shift: Any = None) -> Any:
    """(x - mean) scale + shift with a constant mean: what a normalisation is in evaluation."""
    return dispatch.affine(x, mean, scale, shift)


def batch_norm(
    x: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Each channel brought to mean 0 and variance 1: z = (x - mean) / sqrt(variance + eps) weight + bias.

    In training, mean and variance are the batch's, over images and pixels, and

        running_mean <- (1 - momentum) running_mean + momentum mean

    and the same for `running_var`, with the unbiased variance (the sum of squares divided by n - 1). In evaluation they
    are the running ones. (Ioffe and Szegedy 2015, "Batch normalization", algorithms 1 and 2.)

    Args:
        x: (N, C, ...), any number of spatial axes or none.
        running_mean, running_var: (C,); in training tensors, whose data is replaced, or both None, in evaluation also
            arrays. They are constants: no gradient goes to them.
        weight, bias: (C,) or None.
        training: take the batch's own statistics.
        momentum: the share of the batch in the running statistics, 0 to 1.
        eps: added to the variance, not negative.

    Returns:
        x's shape. float16 is computed in float32.

    Backward, in training, with g = dz weight and n the number of values in a channel:
    dx = (g - mean(g) - z mean(g z)) / sqrt(variance + eps); dweight = sum(dz z); dbias = sum(dz).

    Raises:
        ValueError: x without channels, statistics, weight or bias of another length, statistics that are missing or
            require a gradient, one value per channel in training, an eps or momentum out of range. Nothing is updated.
        TypeError: in training, running statistics that are no tensors; an eps or momentum that is no number; fractions
            whose variance + eps has no rational root.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[1.0], [3.0]])
    >>> mean, var = tg.tensor([0.0]), tg.tensor([1.0])
    >>> tg.batch_norm(x, mean, var, training=True, eps=0.0).tolist()
    [[-1.0], [1.0]]
    >>> round(mean.item(), 3), round(var.item(), 3)  # 0.1 times the mean 2; 0.9 and 0.1 times the variance 2
    (0.2, 1.1)
    """
    operation, shape = "batch_norm", channels_first("batch_norm", x)
    eps, momentum = check_eps(operation, eps), check_momentum(operation, momentum)
    check_bool(operation, "training", training)
    check_per_channel(operation, x, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    check_running(operation, x, running_mean, running_var, replaced=training)
    if not training:
        return _with_constants(x, running_mean, running_var, weight, bias, eps)
    axis = (0, *range(2, len(shape)))
    count = prod(shape[i] for i in axis)
    if count == 1:
        raise ValueError(f"{operation}: expected more than one value per channel in training but x has shape {shape}")
    found: list[kernels.Statistics] = []
    z = _normalize(x, _per_channel(weight, x), _per_channel(bias, x), axis, eps, found)
    if running_mean is not None and count:
        _update(running_mean, running_var, found, count, momentum)
    return z


def instance_norm(
    x: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Each channel of each image brought to mean 0 and variance 1 over its pixels, scaled and shifted as `batch_norm`.

    (Ulyanov, Vedaldi, Lempitsky 2016, "Instance normalization".) Running statistics, where given, take the means
    over the images of their means and unbiased variances; without `use_input_stats` they serve in place of x's own.

    Args:
        x: (N, C, ...) with at least one spatial axis.
        running_mean, running_var, weight, bias, momentum, eps: as `batch_norm`.
        use_input_stats: take x's own statistics.

    Raises:
        ValueError: as `batch_norm`, and images of a single pixel, whose normalised value is always 0.
        TypeError: as `batch_norm`.

    >>> import tinygrad_cnn as tg
    >>> tg.instance_norm(tg.tensor([[[1.0, 3.0]]]), eps=0.0).tolist()
    [[[-1.0, 1.0]]]
    """
    operation, shape = "instance_norm", channels_first("instance_norm", x, spatial=1)
    eps, momentum = check_eps(operation, eps), check_momentum(operation, momentum)
    check_bool(operation, "use_input_stats", use_input_stats)
    check_per_channel(operation, x, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    check_running(operation, x, running_mean, running_var, replaced=use_input_stats)
    if not use_input_stats:
        return _with_constants(x, running_mean, running_var, weight, bias, eps)
    axis = tuple(range(2, len(shape)))
    count = prod(shape[2:])
    if count == 1:
        raise ValueError(f"{operation}: expected more than one pixel in each image but x has shape {shape}")
    found: list[kernels.Statistics] = []
    z = _normalize(x, _per_channel(weight, x), _per_channel(bias, x), axis, eps, found)
    if running_mean is not None and count and shape[0]:
        _update(running_mean, running_var, found, count, momentum, shape[0])
    return z


def layer_norm(x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """The last axes of each sample brought to mean 0 and variance 1, then scaled and shifted, as `batch_norm`.

    (Ba, Kiros, Hinton 2016, "Layer normalization", section 3.)

    Args:
        x: (..., *normalized_shape).
        normalized_shape: the last axes, an integer for a single one.
        weight, bias: of `normalized_shape`, or None.
        eps: added to the variance, not negative.

    Returns:
        x's shape. float16 is computed in float32.

    Backward, with g = dz weight: dx = (g - mean(g) - z mean(g z)) / sqrt(variance + eps).

    Raises:
        ValueError: an x that does not end in `normalized_shape`, weight or bias of another shape, a negative eps.
        TypeError: sizes that are no integers, an eps that is no number; fractions whose variance + eps has no rational
            root.

    >>> import tinygrad_cnn as tg
    >>> tg.layer_norm(tg.tensor([[1.0, 3.0], [5.0, 5.0]]), 2, eps=0.25).tolist()[1]
    [0.0, 0.0]
    """
    operation, shape = "layer_norm", shape_of(x)
    sizes = check_sizes(operation, normalized_shape)
    eps = check_eps(operation, eps)
    if shape[-len(sizes) :] != sizes:
        raise ValueError(f"{operation}: x must end in the axes {sizes} (normalized_shape) but has shape {shape}")
    for name, array in (("weight", weight), ("bias", bias)):
        if array is not None and shape_of(array) != sizes:
            raise ValueError(f"{operation}: {name} must have the normalized_shape {sizes} but has {shape_of(array)}")
    return _normalize(x, weight, bias, tuple(range(len(shape) - len(sizes), len(shape))), eps)


def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Each group of channels of each image brought to mean 0 and variance 1, each channel then scaled and shifted.

    (Wu and He 2018, "Group normalization", section 3.) One group is a layer normalisation over (C, ...), C groups are
    an instance normalisation.

    Args:
        x: (N, C, ...).
        num_groups: a divisor of C.
        weight, bias: (C,) or None.
        eps: added to the variance, not negative.

    Returns:
        x's shape. A group of a single value becomes the bias. float16 is computed in float32.

    Backward as `layer_norm`, over the groups.

    Raises:
        ValueError: x without channels, groups that do not divide them, weight or bias of another length, a negative
            eps.
        TypeError: groups that are no integer, an eps that is no number; fractions whose variance + eps has no rational
            root.

    >>> import tinygrad_cnn as tg
    >>> tg.group_norm(tg.tensor([[1.0, 3.0, 10.0, 30.0]]), 2, eps=0.0).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    operation, shape = "group_norm", channels_first("group_norm", x)
    (groups,) = per_axis(operation, "num_groups", num_groups, 1)
    eps = check_eps(operation, eps)
    if shape[1] % groups:
        raise ValueError(f"{operation}: num_groups must divide the {shape[1]} channels of x {shape} but is {groups}")
    check_per_channel(operation, x, weight=weight, bias=bias)
    split = (shape[0], groups, shape[1] // groups, *shape[2:])
    weight, bias = (
        None if array is None else reshape(array, (*split[1:3], *(1,) * (len(shape) - 2))) for array in (weight, bias)
    )
    return reshape(_normalize(reshape(x, split), weight, bias, tuple(range(2, len(split))), eps), shape)


def _normalize(x: Any, weight: Any, bias: Any, axis: tuple[int, ...], eps: Any, found: Any = None) -> Any:
    """x normalised over the axes, times `weight` plus `bias`, which broadcast and may be None."""
    options = {"axis": axis, "eps": kernels.in_arithmetic_of(array_of(x), eps)}
    if found is not None:
        options["found"] = found
    wide = in_single_precision(x)
    if weight is not None:
        z = _scaled_normalization(wide, weight, *(() if bias is None else (bias,)), **options)
    else:
        z = _normalization(wide, **options)
        z = z if bias is None else add(z, bias)
    return narrowed(z, x, weight, bias)


def _with_constants(x: Any, center: Any, variance: Any, weight: Any, bias: Any, eps: Any) -> Any:
    """x less its constant mean, over the root of its constant variance, times weight plus bias."""
    wide = in_single_precision(x)
    center, scale = _center_and_scale(center, variance, eps, len(shape_of(x)), dtype_of(wide))
    weight, bias = _per_channel(weight, x), _per_channel(bias, x)
    if weight is not None:
        scale = multiply(weight, scale)
    return narrowed(_affine(wide, center, scale, *(() if bias is None else (bias,))), x, weight, bias)


@observed
def _center_and_scale(center: Any, variance: Any, eps: Any, ndim: int, dtype: Any) -> tuple[Any, Any]:
    """The mean and 1 / sigma of each channel, which broadcast against (N, C, ...), as plain arrays."""
    shape = (-1, *(1,) * (ndim - 2))
    center, variance = (reshape(in_single_precision(array_of(array)), shape) for array in (center, variance))
    scale = kernels.reciprocal_root(variance, kernels.in_arithmetic_of(variance, eps))
    if dtype.kind == "f":  # the statistics' dtype is no concern of the result's
        center, scale = center.astype(dtype), scale.astype(dtype)
    return center, scale


@observed
def _update(
    running_mean: Any, running_var: Any, found: list[kernels.Statistics], count: int, momentum: Any, images: int = 0
) -> None:
    """Move the running statistics towards those of a batch with `count` values; both, or none where one fails.

    With `images` there are statistics for so many images, whose means are taken.
    """
    center, variance = found[0].mean + found[0].rest, found[0].variance
    if images:
        center, variance = (array.sum(axis=0) / images for array in (center, variance))
    batch = center, variance * count / (count - 1)
    new = []
    for running, value in zip((running_mean, running_var), batch, strict=True):
        old = running._array
        share = kernels.in_arithmetic_of(old, momentum)
        new.append(as_array((1 - share) * old + share * value.reshape(old.shape), like=old))
    running_mean.data, running_var.data = new


def _per_channel(array: Any, x: Any) -> Any:
    """(C,), or None, in a shape that broadcasts against x (N, C, ...)."""
    return None if array is None else reshape(array, (shape_of(x)[1], *(1,) * (len(shape_of(x)) - 2)))



"""Softmax and its cross entropy: for L = -log softmax(x)[y], dL/dx = softmax(x) - onehot(y)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn.backend import dtype_of, get_array_module, is_object, ones, shape_of
from tinygrad_cnn.engine import Variable, primitive
from tinygrad_cnn.kernels import dispatch, memory
from tinygrad_cnn.kernels import softmax as softmax_kernels
from tinygrad_cnn.modes import observed
from tinygrad_cnn.primitives.arguments import axes_of, axis_of
from tinygrad_cnn.primitives.elementwise import exp, where
from tinygrad_cnn.primitives.reduction import sum
from tinygrad_cnn.primitives.shape import reshape, transpose


@primitive(x=lambda dz, z, axis: z * (dz - sum(dz * z, axis, keepdims=True)))
def _softmax(x: Any, *, axis: int | tuple[int, ...]) -> Any:
    return softmax_kernels.softmax(x, axis)


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / sum(exp(x)) along an axis, shifted by the maximum so that nothing overflows.

    dx = z (dz - sum(dz z)): every output depends on every input of its row.

    Raises:
        ValueError: an axis that is not there.

    >>> import tinygrad_cnn as tg
    >>> tg.softmax(tg.tensor([1000.0, 1000.0])).tolist()
    [0.5, 0.5]
    """
    return _softmax(x, axis=axis_of("softmax", axis, len(shape_of(x))))


@primitive(x=lambda dz, z, axis: dz - exp(z) * sum(dz, axis, keepdims=True))
def _log_softmax(x: Any, *, axis: int) -> Any:
    return softmax_kernels.log_softmax(x, axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """x - log(sum(exp(x))) along an axis, exact also where softmax underflows; dx = dz - softmax(x) sum(dz).

    Raises:
        ValueError: an axis that is not there.

    >>> import tinygrad_cnn as tg
    >>> tg.log_softmax(tg.tensor([0.0, 1000.0])).tolist()
    [-1000.0, 0.0]
    """
    return _log_softmax(x, axis=axis_of("log_softmax", axis, len(shape_of(x))))


def _d_logsumexp(dz: Any, x: Any, z: Any, axis: tuple[int, ...]) -> Any:
    # exp(x - z) would be off by as much as z was rounded: in float32 near 10,000, by a thousandth. The softmax is not.
    is_empty = z == -math.inf
    return where(is_empty, 0, dz * _softmax(where(is_empty, 0, x), axis=axis))


@primitive(x=_d_logsumexp)
def _logsumexp(x: Any, *, axis: tuple[int, ...]) -> Any:
    return softmax_kernels.logsumexp(x, axis)


def logsumexp(x: Any, axis: Any = -1, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over an axis, several, or all, shifted so that nothing overflows; dx = dz softmax(x).

    Where all elements are -inf, so is the result, and the gradient is 0.

    Args:
        x: any shape.
        axis: an integer, a tuple of integers, or None for all axes.
        keepdims: leave the reduced axes in place with size 1.

    Raises:
        ValueError: an axis that is not there, comes twice or is empty.

    >>> import tinygrad_cnn as tg
    >>> round(tg.logsumexp(tg.tensor([1000.0, 1000.0])).item(), 3)
    1000.693
    """
    shape = shape_of(x)
    axes = axes_of("logsumexp", axis, len(shape))
    if not axes:
        return x
    if any(shape[i] == 0 for i in axes):
        raise ValueError(f"logsumexp: axis {axis} of shape {shape} is empty")
    z = _logsumexp(x, axis=axes)
    return z if keepdims else reshape(z, tuple(n for i, n in enumerate(shape) if i not in axes))


# Cross entropy. `target` is either labels (N,) or, for each class, the weight (N, classes) of its -log softmax(x).


def _dx(dz: Any, x: Any, difference: Any, target: Any) -> Any:
    """dx = dz (softmax(x) - target), from what the forward found, or as a function of x where that is recorded."""
    if isinstance(x, Variable):
        shape = shape_of(x)
        weights = target if target.shape == shape else _onehot(target, classes=shape[1])
        difference = _softmax(x, axis=1) * weights.sum(axis=1, keepdims=True) - weights
    return dz[:, None] * difference


def _dx_of_total(dz: Any, x: Any, difference: Any, target: Any, norm: Any) -> Any:
    share = dz / norm
    if isinstance(x, Variable):
        return _dx(share.reshape((1,)), x, difference, target)
    return dispatch.multiply(difference, share)


def _dx_of_mean(dz: Any, x: Any, difference: Any, target: Any) -> Any:
    if isinstance(x, Variable):
        return _dx_of_total(dz, x, difference, target, max(len(difference), 1))
    return difference if isinstance(dz, np.floating) and dz == 1 else dispatch.multiply(difference, dz)


@primitive()
def _onehot(labels: Any, *, classes: int) -> Any:
    return 1 * (labels[..., None] == get_array_module(labels).arange(classes))


@primitive(auxiliary=["difference"], x=_dx)
def _cross_entropy(x: Any, target: Any) -> Any:
    if target.ndim == 1:
        return dispatch.cross_entropy_of_labels(x, target)
    return _of_weights(x, target)


def _of_weights(x: Any, weights: Any) -> tuple[Any, Any]:
    """The losses and their derivatives, which lie in memory as x does: what follows takes them as they lie."""
    losses, difference = softmax_kernels.cross_entropy_of_weights(x, weights)
    if type(difference) is np.ndarray and difference.nbytes >= memory.SMALL_BYTES:
        difference = dispatch.copy(difference, memory.empty_like(x, difference.dtype))
    return losses, difference


@primitive(auxiliary=["difference"], x=_dx_of_total)
def _total_cross_entropy(x: Any, target: Any, *, norm: Any) -> Any:
    """The losses summed and divided by `norm`."""
    losses, difference = _of_weights(x, target)
    return losses.sum() / norm, difference


class _NotPlainLabelsError(Exception):
    """The target is not (N,) labels that are all in range: there is more to look at."""


@primitive(auxiliary=["difference"], x=_dx_of_mean)
def _mean_cross_entropy(x: Any, target: Any) -> Any:
    """The mean loss of labels (N,): one node, and checks on arrays alone, for what every training step computes."""
    samples = shape_of(target)
    if len(samples) != 1 or shape_of(x)[:-1] != samples or target.dtype.kind != "i":
        raise _NotPlainLabelsError
    if not are_within(target, x.shape[1]):
        raise _NotPlainLabelsError
    count = max(len(target), 1)
    losses, difference = dispatch.cross_entropy_of_labels(x, target, count)
    if count == len(losses) == 1:
        return losses[0], difference
    return losses.dot(ones(len(losses), losses)) / count, difference


def cross_entropy(
    x: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """The cross entropy of softmax(x) with the target, from logits: -log softmax(x)[target]; dx = softmax(x) - target.

    Args:
        x: logits (N, classes), (classes,) for one sample, or (N, classes, ...) with a target for every pixel.
        target: class indices of x's shape without the classes' axis, or probabilities of x's shape.
        weight: (classes,), what a sample of each class counts; None means 1.
        ignore_index: a label whose samples count nothing.
        reduction: "mean", "sum", or "none". The mean of labels divides by the sum of their weights, without the
            ignored (0 where all are ignored); the mean of probabilities by the number of samples.
        label_smoothing: the share of the target that is spread over all classes evenly (Szegedy et al. 2016).

    Returns:
        A single number, or with "none" the losses in the labels' shape.

    Raises:
        ValueError: shapes that do not fit, a label out of range, NaN or negative probabilities, ones that do not add up
            to 1, negative weights, a smoothing outside 0 to 1, an unknown reduction, a target with a gradient.
        TypeError: labels that are no integers.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[0.0, 0.0]], requires_grad=True)
    >>> loss = tg.cross_entropy(x, [1])
    >>> loss.backward()
    >>> round(loss.item(), 4), x.grad.tolist()
    (0.6931, [[0.5, -0.5]])
    """
    if not isinstance(target, Variable):  # a plain target goes to where the logits are
        target = get_array_module(x._array if isinstance(x, Variable) else x).asarray(target)
    if weight is None and not label_smoothing and reduction == "mean" and ignore_index < 0:
        try:
            return _mean_cross_entropy(x, target)
        except _NotPlainLabelsError:
            pass
    check_reduction("cross_entropy", reduction)
    shape = shape_of(x)
    if not shape or not shape[1 if len(shape) > 1 else 0]:
        raise ValueError(f"cross_entropy: x must be (N, classes, ...) or (classes,) but has shape {shape}")
    labels = read_target("cross_entropy", x, target)
    rows, weights, norm = class_weights("cross_entropy", x, labels, weight, ignore_index, label_smoothing)
    if reduction == "none":
        return reshape(_cross_entropy(rows, weights), shape[:1] + shape[2:] if len(shape) > 1 else ())
    return _total_cross_entropy(rows, weights, norm=1 if reduction == "sum" else norm)


def check_reduction(operation: str, reduction: str, names: tuple[str, ...] = ("mean", "sum", "none")) -> None:
    """Refuse an unknown reduction."""
    if reduction not in names:
        raise ValueError(f"{operation}: reduction must be one of {', '.join(map(repr, names))} but is {reduction!r}")


def read_target(operation: str, x: Any, target: Any) -> Any:
    """The target's array: labels of x's shape without axis 1, or probabilities of x's shape.

    A tensor has to be on x's device; a list or a NumPy array is taken there.

    Raises:
        ValueError: another shape, or a target that requires a gradient.
        TypeError: labels that are no integers.
    """
    if isinstance(target, Variable):
        if target.node is not None and target.node.requires_grad:
            raise ValueError(f"{operation}: the target must not require a gradient; detach() it")
        target = target._array
    else:
        target = get_array_module(x._array if isinstance(x, Variable) else x).asarray(target)
    shape = shape_of(x)
    if target.shape == shape:
        return target
    expected = shape[:1] + shape[2:] if len(shape) > 1 else ()
    if target.shape != expected:
        raise ValueError(
            f"{operation}: expected labels of shape {expected} or probabilities of shape {shape} "
            f"for x of shape {shape} but the target has shape {target.shape}"
        )
    if target.dtype.kind not in "iu":
        raise TypeError(f"{operation}: labels must be integers but are {target.dtype}")
    return target if target.dtype.kind == "i" else target.astype(np.int64)


def class_weights(
    operation: str, x: Any, target: Any, weight: Any, ignore_index: int | None, label_smoothing: float = 0.0
) -> tuple[Any, Any, Any]:
    """Every sample (pixel) as a row: x (M, classes), the weights of -log p (M, classes), and the norm of the mean.

    Raises:
        ValueError: a label out of range, bad probabilities, weights or smoothing.
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{operation}: label_smoothing must be 0 to 1 but is {label_smoothing}")
    shape = shape_of(x)
    if len(shape) == 1:
        x = reshape(x, (1, *shape))
    full = shape_of(x)
    if len(full) > 2:
        x = reshape(transpose(x, (0, *range(2, len(full)), 1)), (-1, full[1]))
    dtype = dtype_of(x)
    weights, norm = _rows_of_weights(operation, target, weight, full, len(shape), dtype, ignore_index, label_smoothing)
    return x, weights, max(len(weights), 1) if norm is None else norm


@observed
def _rows_of_weights(
    operation: str,
    target: Any,
    weight: Any,
    shape: tuple[int, ...],
    given: int,
    dtype: Any,
    ignore_index: int | None,
    label_smoothing: float,
) -> tuple[Any, Any]:
    """The weights of -log p for x of the shape, of which `given` axes were given; the norm, None for probabilities."""
    xp, classes, ndim = get_array_module(target), shape[1], len(shape)
    if given == 1:
        target = target.reshape(1, *target.shape)
    places, is_labels = target.shape, target.ndim < ndim
    if ndim > 2:
        last = (0, *range(2, ndim), 1)
        target = target.reshape(-1) if is_labels else target.transpose(last).reshape(-1, classes)
    each = _class_weight(operation, xp, weight, classes, dtype)
    if is_labels:
        counted = xp.ones(len(target), dtype=bool) if ignore_index is None else target != ignore_index
        _check_labels(operation, target, counted, classes, places)
        probabilities = (xp.arange(classes)[:, None] == target).T.astype(each.dtype)  # each class as a row in memory
        norm = ((probabilities * each).sum(axis=1) * counted).sum()
        norm = norm if norm > 0 else norm * 0 + 1
    else:
        _check_probabilities(operation, target)
        probabilities, counted, norm = target, xp.ones(len(target), dtype=bool), None
    if label_smoothing:
        probabilities = probabilities * (1 - label_smoothing) + label_smoothing / classes
    weights = probabilities * each * counted[:, None]
    return weights if is_object(weights) else weights.astype(each.dtype), norm


def _class_weight(operation: str, xp: Any, weight: Any, classes: int, dtype: Any) -> Any:
    """The weight of each class, in x's dtype."""
    if weight is None:
        return xp.ones(classes, dtype=dtype)
    weight = xp.asarray(weight._array if isinstance(weight, Variable) else weight)
    if weight.shape != (classes,):
        raise ValueError(
            f"{operation}: weight must have shape ({classes},) for {classes} classes but has {weight.shape}"
        )
    if not (weight >= 0).all():
        raise ValueError(f"{operation}: the weights of the classes must be numbers >= 0")
    return weight.astype(dtype)


def _check_labels(operation: str, labels: Any, counted: Any, classes: int, shape: tuple[int, ...]) -> None:
    wrong = counted & ((labels < 0) | (labels >= classes))
    if wrong.any():
        first = int(wrong.argmax())
        place = ", ".join(str(i) for i in np.unravel_index(first, shape))
        raise ValueError(f"{operation}: labels must be 0 to {classes - 1} but target[{place}] is {int(labels[first])}")


def _check_probabilities(operation: str, target: Any) -> None:
    if not (target >= 0).all():  # false for NaN too
        raise ValueError(f"{operation}: target probabilities must be numbers >= 0 but some are negative or NaN")
    if (abs(target.sum(axis=1) - 1) > 1e-3).any():
        raise ValueError(f"{operation}: the target probabilities of a sample must add up to 1")


def are_within(labels: Any, classes: int) -> bool:
    """Whether all labels are 0 to classes - 1."""
    if not labels.size:
        return True
    if isinstance(labels, np.ndarray):  # to ask for the places takes a quarter of the time
        return labels.item(labels.argmin()) >= 0 and labels.item(labels.argmax()) < classes  # type: ignore[no-any-return]
    return bool(labels.min() >= 0 and labels.max() < classes)

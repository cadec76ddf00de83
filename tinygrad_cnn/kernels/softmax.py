"""Softmax and cross entropy in any arithmetic, shifted by the maximum so that nothing overflows."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.backend import get_array_module, is_object, ones
from tinygrad_cnn.kernels.elementary import exp, log

Axis = int | tuple[int, ...]


SHORT = 32
"""NumPy finds the maxima of so short rows the faster the other way round, as the maximum of a few long columns."""


def shifted(x: Any, axis: Axis) -> Any:
    """x minus its maximum along the axis, so that exp does not overflow; symbols, which have no order, as they are."""
    if not is_object(x):
        return x - _largest(x, axis)
    try:
        return x - _constants(x.max(axis=axis, keepdims=True))
    except TypeError:
        return x


def _largest(x: Any, axis: Axis) -> Any:
    if type(x) is np.ndarray and x.ndim == 2 and axis == 1 and x.shape[1] <= SHORT:
        return np.maximum.reduce(np.ascontiguousarray(x.T))[:, None]
    return x.max(axis=axis, keepdims=True)


# Whatever is taken off, the softmax is the same: for scalar tensors the maximum is a number outside of their graph.
_constants = np.frompyfunc(lambda value: value.detach() if hasattr(value, "detach") else value, 1, 1)


def softmax(x: Any, axis: Axis) -> Any:
    """exp(x) / sum(exp(x)) along the axis."""
    e = exp(shifted(x, axis))
    return e / e.sum(axis=axis, keepdims=True)


def log_softmax(x: Any, axis: int) -> Any:
    """x - log(sum(exp(x))) along the axis."""
    x = shifted(x, axis)
    return x - log(exp(x).sum(axis=axis, keepdims=True))


def cross_entropy_of_labels(x: Any, labels: Any, count: int = 1) -> tuple[Any, Any]:
    """For logits (N, classes): the losses -log softmax(x)[label], (N,), and (softmax(x) - onehot(label)) / count."""
    samples, classes = x.shape
    if samples == count == 1 and isinstance(x, np.ndarray) and not is_object(x):
        return _cross_entropy_of_one(x[0], labels.item())
    x = shifted(x, 1)
    e = exp(x)
    total = e.dot(ones(classes, x))
    # Where each sample's label is in the flattened array
    at = get_array_module(x).arange(0, samples * classes, classes) + labels
    losses = log(total) - x.take(at)
    # Contiguous, so that the flattened array is the same memory
    difference = get_array_module(x).ascontiguousarray(e / total[:, None])
    flat = difference.reshape(-1)
    flat[at] = flat.take(at) - 1
    return losses, difference if count == 1 else difference / count


def _cross_entropy_of_one(x: Any, label: int) -> tuple[Any, Any]:
    """The same of a single sample, whose numbers need no broadcasting: a third of the time."""
    x = x - x[x.argmax()]
    e = np.exp(x)
    total = e.dot(ones(len(x), x))
    difference = e / total
    difference[label] -= 1
    return (np.log(total) - x[label]).reshape(1), difference[None]


def cross_entropy_of_weights(x: Any, weights: Any) -> tuple[Any, Any]:
    """For logits (N, classes): the losses -sum(weights log softmax(x)), (N,), and their derivatives by x.

    For probabilities as weights, which add up to 1, the derivative is softmax(x) - weights.
    """
    # Each class as a row: NumPy is slow at many short rows, such as the classes of pixels
    xp = get_array_module(x)
    x, weights = xp.ascontiguousarray(x.T), xp.ascontiguousarray(weights.T)
    log_p = log_softmax(x, 0)
    # 0 log 0 is 0: a class without weight costs nothing, however impossible it is.
    losses = -(xp.where(weights != 0, log_p, 0) * weights).sum(axis=0)
    return losses, (exp(log_p) * weights.sum(axis=0, keepdims=True) - weights).T


def logsumexp(x: Any, axis: Axis) -> Any:
    """log(sum(exp(x))) over the axes, which stay with size 1."""
    if is_object(x):
        return log(exp(x).sum(axis=axis, keepdims=True))
    xp = get_array_module(x)
    largest = x.max(axis=axis, keepdims=True)
    largest = xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))  # else infinity minus infinity
    with np.errstate(divide="ignore"):  # of -inf alone the sum is 0, and its logarithm -inf as it should be
        return log(exp(x - largest).sum(axis=axis, keepdims=True)) + largest

"""Softmax and the losses. For L = cross entropy of softmax(x), dL/dx = softmax(x) - target."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.backend import get_array_module, ones, shape_of
from tinygrad_cnn.engine import Variable, primitive
from tinygrad_cnn.kernels import softmax as softmax_kernels
from tinygrad_cnn.primitives.arguments import axis_of
from tinygrad_cnn.primitives.elementwise import exp
from tinygrad_cnn.primitives.reduction import sum
from tinygrad_cnn.primitives.shape import reshape


@primitive(x=lambda dz, z, axis: z * (dz - sum(dz * z, axis, keepdims=True)))
def _softmax(x: Any, *, axis: int) -> Any:
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
    """x - log(sum(exp(x))) along an axis, exact to rounding also where softmax underflows; dx = dz - softmax(x) sum(dz).

    Raises:
        ValueError: an axis that is not there.

    >>> import tinygrad_cnn as tg
    >>> tg.log_softmax(tg.tensor([0.0, 1000.0])).tolist()
    [-1000.0, 0.0]
    """
    return _log_softmax(x, axis=axis_of("log_softmax", axis, len(shape_of(x))))


def _dx(dz: Any, x: Any, difference: Any, target: Any) -> Any:
    """dx = dz (softmax(x) - target), from what the forward found, or as a function of x where that is recorded."""
    if isinstance(x, Variable):
        onehot = target if target.shape == x.shape else _onehot(target, classes=x.shape[1])
        difference = _softmax(x, axis=1) - onehot
    return dz[:, None] * difference


def _dx_of_total(dz: Any, x: Any, difference: Any, target: Any, share: Any) -> Any:
    if isinstance(x, Variable):
        return _dx((dz * share).reshape((1,)), x, difference, target)
    return difference * (dz * share)


@primitive()
def _onehot(labels: Any, *, classes: int) -> Any:
    return labels[..., None] == get_array_module(labels).arange(classes)


@primitive(auxiliary=["difference"], x=_dx)
def _cross_entropy(x: Any, target: Any) -> Any:
    _check_target(x, target)
    if target.ndim == 1:
        return softmax_kernels.cross_entropy_of_labels(x, target)
    return softmax_kernels.cross_entropy_of_probabilities(x, target)


@primitive(auxiliary=["difference"], x=_dx_of_total)
def _total_cross_entropy(x: Any, target: Any, *, share: Any) -> Any:
    """The losses summed and multiplied by `share`: one node instead of three where the loss of every step is made."""
    losses, difference = _cross_entropy.primitive.forward(x, target)  # type: ignore[attr-defined]
    return losses.dot(ones(len(losses), losses)) * share, difference


def cross_entropy(x: Any, target: Any, reduction: str = "mean") -> Any:
    """The cross entropy of softmax(x) with the target, from logits: -log softmax(x)[target]; dx = softmax(x) - target.

    Args:
        x: logits (N, classes), or (classes,) for one sample.
        target: class indices (N,), or probabilities of x's shape.
        reduction: "mean" over the samples, "sum", or "none".

    Returns:
        A single number, or (N,) with reduction "none".

    Raises:
        ValueError: shapes that do not fit, a label out of range, NaN or negative probabilities, rows that do not add up
            to 1, an unknown reduction.
        TypeError: labels that are no integers.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[0.0, 0.0]], requires_grad=True)
    >>> loss = tg.cross_entropy(x, [1])
    >>> loss.backward()
    >>> round(loss.item(), 4), x.grad.tolist()
    (0.6931, [[0.5, -0.5]])
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"cross_entropy: reduction must be 'mean', 'sum' or 'none' but is {reduction!r}")
    shape = shape_of(x)
    if len(shape) == 1:
        is_array = shape_of(target) and not isinstance(target, list | tuple)
        target = reshape(target, (1, *shape_of(target))) if is_array else [target]
        return cross_entropy(reshape(x, (1, *shape)), target, "sum")
    if isinstance(target, list | tuple) and shape_of(target) != shape:
        # Labels: as an operand beside floating-point logits, a list would become floating-point too.
        target = get_array_module(x._array if isinstance(x, Variable) else x).asarray(target)
    if isinstance(target, Variable) and target.node is not None and target.node.requires_grad:
        raise ValueError("cross_entropy: the target must not require a gradient; detach() it")
    if reduction == "none":
        return _cross_entropy(x, target)
    return _total_cross_entropy(x, target, share=1 if reduction == "sum" or not shape else 1 / max(shape[0], 1))


def _check_target(x: Any, target: Any) -> None:
    if x.ndim != 2 or not x.shape[1]:
        raise ValueError(f"cross_entropy: x must be (N, classes) or (classes,) but has shape {x.shape}")
    if target.shape == x.shape:
        if not (target >= 0).all():  # false for NaN too
            raise ValueError("cross_entropy: target probabilities must be numbers >= 0 but some are negative or NaN")
        if (abs(target.sum(axis=1) - 1) > 1e-3).any():
            raise ValueError("cross_entropy: the target probabilities of a sample must add up to 1")
        return
    if target.shape != x.shape[:1]:
        raise ValueError(
            f"cross_entropy: expected {x.shape[:1]} labels or {x.shape} probabilities for x of shape {x.shape} "
            f"but the target has shape {target.shape}"
        )
    if target.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: labels must be integers but are {target.dtype}")
    if not _are_within(target, x.shape[1]):
        wrong = int(((target < 0) | (target >= x.shape[1])).argmax())
        raise ValueError(f"cross_entropy: labels must be 0 to {x.shape[1] - 1} but target[{wrong}] is {int(target[wrong])}")


def _are_within(labels: Any, classes: int) -> bool:
    """Whether all labels are 0 to classes - 1."""
    if labels.size <= 8 and isinstance(labels, np.ndarray):  # so few are compared sooner than a reduction begins
        return all(0 <= label < classes for label in labels.tolist())
    return bool(0 <= labels.min() and labels.max() < classes)

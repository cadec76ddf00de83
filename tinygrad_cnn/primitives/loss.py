"""Softmax and the losses. For L = cross entropy of softmax(x), dL/dx = softmax(x) - target."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.backend import dtype_of, get_array_module, shape_of
from tinygrad_cnn.engine import Variable, primitive
from tinygrad_cnn.kernels import elementary
from tinygrad_cnn.primitives.arguments import axis_of
from tinygrad_cnn.primitives.reduction import sum


@primitive(x=lambda dz, z, axis: z * (dz - sum(dz * z, axis, keepdims=True)))
def _softmax(x: Any, *, axis: int) -> Any:
    return elementary.softmax(x, axis)


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


@primitive(x=lambda dz, z, axis: dz - exp_of(z) * sum(dz, axis, keepdims=True))
def _log_softmax(x: Any, *, axis: int) -> Any:
    return elementary.log_softmax(x, axis)


@primitive(x=lambda dz, z: dz * z)
def exp_of(x: Any) -> Any:
    """exp."""
    return elementary.exp(x)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """x - log(sum(exp(x))) along an axis, exact to rounding also where softmax underflows; dx = dz - softmax(x) sum(dz).

    Raises:
        ValueError: an axis that is not there.

    >>> import tinygrad_cnn as tg
    >>> tg.log_softmax(tg.tensor([0.0, 1000.0])).tolist()
    [-1000.0, 0.0]
    """
    return _log_softmax(x, axis=axis_of("log_softmax", axis, len(shape_of(x))))


@primitive(x=lambda dz, x, target: dz[..., None] * (_softmax(x, axis=len(shape_of(x)) - 1) - target))
def _cross_entropy(x: Any, target: Any) -> Any:
    """-sum(target log softmax(x)) over the last axis, for targets that add up to 1."""
    log_p = elementary.log_softmax(x, x.ndim - 1)
    # 0 log 0 is 0: a class without probability costs nothing, however impossible it is.
    return -(get_array_module(x).where(target != 0, log_p, 0) * target).sum(axis=-1)


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
    if len(shape) not in (1, 2) or shape[-1] == 0:
        raise ValueError(f"cross_entropy: x must be (N, classes) or (classes,) but has shape {shape}")
    array = x._array if isinstance(x, Variable) else x
    xp = get_array_module(array)
    given = target._array if isinstance(target, Variable) else xp.asarray(target)
    if shape_of(given) == shape:
        if isinstance(target, Variable) and target.node is not None and target.node.requires_grad:
            raise ValueError("cross_entropy: the target must not require a gradient; detach() it")
        _check_probabilities(xp, given)
        probabilities = given if dtype_of(array) == object else given.astype(dtype_of(array), copy=False)
    else:
        _check_labels(given, shape)
        labels = xp.asarray(given)
        probabilities = (labels[..., None] == xp.arange(shape[-1])).astype(
            dtype_of(array) if dtype_of(array) != object else int
        )
    losses = _cross_entropy(x, probabilities)
    if reduction == "none" or len(shape) == 1:
        return losses
    total = sum(losses)
    return total if reduction == "sum" else total / max(shape[0], 1)


def _check_labels(labels: Any, shape: tuple[int, ...]) -> None:
    if shape_of(labels) != shape[:-1]:
        raise ValueError(
            f"cross_entropy: expected {shape[:-1]} labels or {shape} probabilities for x of shape {shape} "
            f"but the target has shape {shape_of(labels)}"
        )
    if dtype_of(labels).kind not in "iu":
        raise TypeError(f"cross_entropy: labels must be integers but are {dtype_of(labels)}")
    wrong = (labels < 0) | (labels >= shape[-1])
    if wrong.any():
        first = int(np.asarray(wrong).argmax()) if isinstance(wrong, np.ndarray | np.bool_) else int(wrong.argmax())
        label = int(labels.reshape(-1)[first]) if shape_of(labels) else int(labels)
        raise ValueError(f"cross_entropy: labels must be 0 to {shape[-1] - 1} but target[{first}] is {label}")


def _check_probabilities(xp: Any, target: Any) -> None:
    if not (target >= 0).all():  # false for NaN too
        raise ValueError("cross_entropy: target probabilities must be numbers >= 0 but some are negative or NaN")
    if (xp.abs(target.sum(axis=-1) - 1) > 1e-3).any():
        raise ValueError("cross_entropy: the target probabilities of a sample must add up to 1")

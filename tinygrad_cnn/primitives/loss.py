"""Losses besides the cross entropy of a softmax, under PyTorch's names. Each is a formula in the primitives.

`reduction` is "mean" over all elements (or samples, where a loss is one number a sample), "sum", or "none".
"""

from __future__ import annotations

from math import prod
from typing import Any

from tinygrad_cnn.backend import get_array_module, is_object, shape_of
from tinygrad_cnn.engine import Variable
from tinygrad_cnn.primitives.activations import softplus
from tinygrad_cnn.primitives.arguments import axes_of
from tinygrad_cnn.primitives.elementwise import abs, exp, log, relu, where
from tinygrad_cnn.primitives.reduction import sum
from tinygrad_cnn.primitives.shape import reshape
from tinygrad_cnn.primitives.softmax import check_reduction, class_weights, read_target


def _reduced(losses: Any, reduction: str, count: Any = None) -> Any:
    if reduction == "none":
        return losses
    total = sum(losses)
    return total if reduction == "sum" else total / (max(prod(shape_of(losses)), 1) if count is None else count)


def _same_shape(operation: str, x: Any, target: Any, reduction: str) -> None:
    check_reduction(operation, reduction)
    if not isinstance(target, Variable) and not hasattr(target, "shape") and not isinstance(target, int | float | list):
        raise TypeError(f"{operation}: the target must be a tensor, an array or a list but is {type(target).__name__}")
    shape = shape_of(target) if not isinstance(target, list) else shape_of(get_array_module().asarray(target))
    if shape != shape_of(x):
        raise ValueError(f"{operation}: x of shape {shape_of(x)} and target of shape {shape} must have the same shape")


def mse_loss(x: Any, target: Any, reduction: str = "mean") -> Any:
    """The squared error (x - target)**2; dx = 2 (x - target).

    Raises:
        ValueError: shapes that differ, an unknown reduction.

    >>> import tinygrad_cnn as tg
    >>> tg.mse_loss(tg.tensor([1.0, 4.0]), tg.tensor([0.0, 2.0])).item()
    2.5
    """
    _same_shape("mse_loss", x, target, reduction)
    difference = x - target
    return _reduced(difference * difference, reduction)


def l1_loss(x: Any, target: Any, reduction: str = "mean") -> Any:
    """The absolute error |x - target|; dx is the sign of x - target, 0 where they are equal.

    Raises:
        ValueError: shapes that differ, an unknown reduction.
    """
    _same_shape("l1_loss", x, target, reduction)
    return _reduced(abs(x - target), reduction)


def huber_loss(x: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Any:
    """e**2 / 2 where |e| <= delta, else delta (|e| - delta / 2), with e = x - target (Huber 1964).

    Raises:
        ValueError: shapes that differ, an unknown reduction, a delta that is not positive.

    >>> import tinygrad_cnn as tg
    >>> tg.huber_loss(tg.tensor([0.5, 3.0]), tg.tensor([0.0, 0.0]), reduction="none").tolist()
    [0.125, 2.5]
    """
    _same_shape("huber_loss", x, target, reduction)
    if not delta > 0:
        raise ValueError(f"huber_loss: delta must be positive but is {delta}")
    error = x - target
    size = abs(error)
    return _reduced(where(size <= delta, error * error / 2, delta * (size - delta / 2)), reduction)


def smooth_l1_loss(x: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    """huber_loss(x, target, delta=beta) / beta; the absolute error at beta = 0 (Girshick 2015).

    Raises:
        ValueError: shapes that differ, an unknown reduction, a negative beta.
    """
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta must be at least 0 but is {beta}")
    if beta == 0:
        return l1_loss(x, target, reduction)
    return huber_loss(x, target, reduction, beta) / beta


def nll_loss(x: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """-x[target], the negative log likelihood of labels from log probabilities: with `log_softmax`, the cross entropy.

    Args:
        x: log probabilities (N, classes), (classes,) or (N, classes, ...).
        target, weight, ignore_index, reduction: as `cross_entropy`; labels only.

    Raises:
        ValueError, TypeError: as `cross_entropy`.

    >>> import tinygrad_cnn as tg
    >>> tg.nll_loss(tg.tensor([[-0.5, -1.5], [-2.0, -0.25]]), [0, 1]).item()
    0.375
    """
    check_reduction("nll_loss", reduction)
    shape = shape_of(x)
    labels = read_target("nll_loss", x, target)
    if labels.shape == shape:
        raise ValueError(f"nll_loss: expected labels of shape {shape[:1] + shape[2:]} but the target has shape {shape}")
    rows, weights, norm = class_weights("nll_loss", x, labels, weight, ignore_index)
    # 0 times an infinite log probability is 0: only the labels' own classes cost anything.
    losses = -sum(where(weights != 0, rows, 0) * weights, axis=1)
    if reduction == "none":
        return reshape(losses, shape[:1] + shape[2:] if len(shape) > 1 else ())
    return _reduced(losses, reduction, norm)


def binary_cross_entropy(x: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Any:
    """-(target log x + (1 - target) log(1 - x)) for probabilities x; the logarithms are cut off at -100, as in PyTorch.

    From logits, `binary_cross_entropy_with_logits` loses no precision.

    Raises:
        ValueError: shapes that differ, probabilities or targets outside 0 to 1, an unknown reduction.

    >>> import tinygrad_cnn as tg
    >>> round(tg.binary_cross_entropy(tg.tensor([0.5]), tg.tensor([1.0])).item(), 4)
    0.6931
    """
    _same_shape("binary_cross_entropy", x, target, reduction)
    _check_unit("binary_cross_entropy", "x", x)
    _check_unit("binary_cross_entropy", "target", target)
    target = _as_operand(x, target)
    return _reduced(_weighted(-(target * _log(x) + (1 - target) * _log(1 - x)), weight), reduction)


def _log(p: Any) -> Any:
    """log p, but not below -100."""
    tiny = 3.720075976020836e-44  # e**-100
    return where(p > tiny, log(where(p > tiny, p, 1)), -100)


def binary_cross_entropy_with_logits(
    x: Any, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Any:
    """The binary cross entropy of sigmoid(x): (1 - t) x + (1 + (pos_weight - 1) t) softplus(-x); finite at any x.

    Args:
        x: logits, any shape.
        target: 0 to 1, x's shape.
        weight: what each element counts, broadcast to x's shape.
        pos_weight: what a positive example counts, broadcast to x's shape.

    Raises:
        ValueError: shapes that differ, targets outside 0 to 1, an unknown reduction.

    >>> import tinygrad_cnn as tg
    >>> tg.binary_cross_entropy_with_logits(tg.tensor([1e4, -1e4]), tg.tensor([1.0, 0.0])).item()
    0.0
    """
    _same_shape("binary_cross_entropy_with_logits", x, target, reduction)
    _check_unit("binary_cross_entropy_with_logits", "target", target)
    target = _as_operand(x, target)
    positive = 1 if pos_weight is None else 1 + (pos_weight - 1) * target
    return _reduced(_weighted((1 - target) * x + positive * softplus(-x), weight), reduction)


def _weighted(losses: Any, weight: Any) -> Any:
    return losses if weight is None else losses * weight


def _check_unit(operation: str, name: str, values: Any) -> None:
    array = values._array if isinstance(values, Variable) else get_array_module(values).asarray(values)
    if is_object(array):
        return
    if not ((array >= 0) & (array <= 1)).all():  # false for NaN too
        raise ValueError(f"{operation}: {name} must be numbers from 0 to 1")


def _as_operand(x: Any, target: Any) -> Any:
    """The target as something that can be reckoned with, in x's dtype where it is a list or holds truth values."""
    if isinstance(target, Variable):
        return target.astype(x.dtype) if target.dtype.kind == "b" else target  # type: ignore[attr-defined]
    array = get_array_module(target).asarray(target)
    return array.astype(x.dtype) if array.dtype.kind == "b" or isinstance(target, list) else array


def kl_div(x: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    """The divergence target (log target - x) of log probabilities x from probabilities; 0 where the target is 0.

    Args:
        x: log probabilities.
        target: probabilities, or with `log_target` their logarithms, of x's shape.
        reduction: also "batchmean", the sum divided by the first axis' size, which is the mathematical definition.

    Raises:
        ValueError: shapes that differ, negative probabilities, an unknown reduction.
    """
    check_reduction("kl_div", reduction, ("mean", "batchmean", "sum", "none"))
    _same_shape("kl_div", x, target, "none")
    if log_target:
        losses = exp(target) * (target - x)
    else:
        target = _as_operand(x, target)
        values = target._array if isinstance(target, Variable) else target
        if not (values >= 0).all():
            raise ValueError("kl_div: target probabilities must be numbers >= 0")
        losses = where(values > 0, target * (log(where(values > 0, target, 1)) - x), 0)
    if reduction == "batchmean":
        return sum(losses) / max(shape_of(x)[0] if shape_of(x) else 1, 1)
    return _reduced(losses, reduction)


def hinge_loss(x: Any, target: Any, reduction: str = "mean", margin: float = 1.0) -> Any:
    """max(0, margin - target x) for scores x and targets of -1 or 1; the derivative at the kink is 0.

    Raises:
        ValueError: shapes that differ, targets other than -1 and 1, an unknown reduction.

    >>> import tinygrad_cnn as tg
    >>> tg.hinge_loss(tg.tensor([0.5, -2.0]), tg.tensor([1.0, -1.0]), reduction="none").tolist()
    [0.5, 0.0]
    """
    _same_shape("hinge_loss", x, target, reduction)
    values = target._array if isinstance(target, Variable) else get_array_module(target).asarray(target)
    if not ((values == 1) | (values == -1)).all():
        raise ValueError("hinge_loss: targets must be -1 or 1")
    return _reduced(relu(margin - _as_operand(x, target) * x), reduction)


def multi_margin_loss(x: Any, target: Any, margin: float = 1.0, reduction: str = "mean") -> Any:
    """The mean over the other classes of max(0, margin - x[target] + x[c]): the multi-class hinge loss.

    Args:
        x: scores (N, classes) or (classes,).
        target: labels (N,) or a single one.

    Raises:
        ValueError, TypeError: as `cross_entropy`.
    """
    check_reduction("multi_margin_loss", reduction)
    shape = shape_of(x)
    if len(shape) not in (1, 2):
        raise ValueError(f"multi_margin_loss: x must be (N, classes) or (classes,) but has shape {shape}")
    labels = read_target("multi_margin_loss", x, target)
    if labels.shape == shape:
        raise ValueError(f"multi_margin_loss: expected labels of shape {shape[:-1]} but the target has shape {shape}")
    rows, onehot, _ = class_weights("multi_margin_loss", x, labels, None, -1)
    right = sum(rows * onehot, axis=1, keepdims=True)
    losses = sum(relu(margin - right + rows) * (1 - onehot), axis=1) / shape[-1]
    return _reduced(reshape(losses, shape[:-1]), reduction)


def dice_loss(x: Any, target: Any, smooth: float = 1.0, axis: Any = None, reduction: str = "mean") -> Any:
    """1 - (2 sum(x t) + smooth) / (sum(x) + sum(t) + smooth), for probabilities x (Milletari et al. 2016).

    Args:
        x: probabilities of the foreground, (N, ...) or (N, classes, ...).
        target: 0 to 1, x's shape.
        smooth: keeps an empty target with an empty prediction at loss 0.
        axis: the axes of one region; None means all but the first: one loss for each sample.

    Raises:
        ValueError: shapes that differ, targets outside 0 to 1, an unknown reduction.

    >>> import tinygrad_cnn as tg
    >>> tg.dice_loss(tg.tensor([[1.0, 0.0]]), tg.tensor([[1.0, 0.0]])).item()
    0.0
    """
    _same_shape("dice_loss", x, target, reduction)
    _check_unit("dice_loss", "target", target)
    target = _as_operand(x, target)
    ndim = len(shape_of(x))
    axes = tuple(range(min(1, ndim), ndim)) if axis is None else axes_of("dice_loss", axis, ndim)
    overlap = sum(x * target, axis=axes)
    return _reduced(1 - (2 * overlap + smooth) / (sum(x, axis=axes) + sum(target, axis=axes) + smooth), reduction)

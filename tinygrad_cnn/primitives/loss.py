"""Losses besides the cross entropy of a softmax, under PyTorch's names. Each is a formula in the primitives.

`reduction` is "mean" over all elements (or samples, where a loss is one number a sample), "sum", or "none".
"""

from __future__ import annotations

from math import inf
from typing import Any

from tinygrad_cnn.backend import dtype_of, get_array_module, is_object, mixed_devices, shape_of
from tinygrad_cnn.engine import Variable, primitive
from tinygrad_cnn.modes import observed
from tinygrad_cnn.primitives.activations import softplus
from tinygrad_cnn.primitives.arguments import axes_of
from tinygrad_cnn.primitives.elementwise import abs, divide, exp, log, log1p, relu, sigmoid, where
from tinygrad_cnn.primitives.piecewise import clip
from tinygrad_cnn.primitives.reduction import mean, sum
from tinygrad_cnn.primitives.searching import all
from tinygrad_cnn.primitives.shape import cast, reshape
from tinygrad_cnn.primitives.softmax import check_reduction, class_weights, read_target

REDUCTIONS = ("mean", "sum", "none")


def _reduced(losses: Any, reduction: str) -> Any:
    """The mean of no losses is 0, as their sum."""
    if reduction == "none":
        return losses
    return mean(losses) if reduction == "mean" and 0 not in shape_of(losses) else sum(losses)


def _values(x: Any) -> Any:
    return x._array if isinstance(x, Variable) else x


def _operands(
    operation: str, x: Any, target: Any, reduction: str, reductions: tuple[str, ...] = REDUCTIONS
) -> tuple[Any, Any]:
    """x and the target, checked and fit to be reckoned with."""
    check_reduction(operation, reduction, reductions)
    if not isinstance(x, Variable) and not hasattr(x, "dtype"):
        x = get_array_module().asarray(x)
    target = _beside(operation, "target", x, target)
    if shape_of(target) != shape_of(x):
        raise ValueError(
            f"{operation}: x of shape {shape_of(x)} and target of shape {shape_of(target)} must have the same shape"
        )
    return x, target


def _beside(operation: str, name: str, x: Any, other: Any) -> Any:
    """An operand that goes with x: plain numbers are taken to its device and dtype, integers and bools to its dtype."""
    array = _values(x)
    dtype = dtype_of(array)
    if not isinstance(other, Variable):
        if isinstance(other, str | dict | set) or other is None:
            raise TypeError(f"{operation}: the {name} must be numbers but is {other!r}")
        other = get_array_module(array).asarray(other)
        return other.astype(dtype) if dtype.kind in "fO" else other
    if devices := mixed_devices([array, other._array]):
        raise ValueError(f"{operation}: x and {name} lie on different devices ({', '.join(devices)}); use .to(device)")
    return cast(other, dtype=dtype) if dtype.kind == "f" and dtype_of(other._array).kind in "biu" else other


@observed
def _check_unit(operation: str, name: str, values: Any) -> None:
    array = _values(values)
    if not is_object(array) and not ((array >= 0) & (array <= 1)).all():  # false for NaN too
        raise ValueError(f"{operation}: {name} must be numbers from 0 to 1")


def mse_loss(x: Any, target: Any, reduction: str = "mean") -> Any:
    """The squared error (x - target)**2; dx = 2 (x - target).

    Raises:
        ValueError: shapes that differ, an unknown reduction.

    >>> import tinygrad_cnn as tg
    >>> tg.mse_loss(tg.tensor([1.0, 4.0]), tg.tensor([0.0, 2.0])).item()
    2.5
    """
    x, target = _operands("mse_loss", x, target, reduction)
    error = x - target
    return _reduced(error * error, reduction)


def l1_loss(x: Any, target: Any, reduction: str = "mean") -> Any:
    """The absolute error |x - target|; dx is the sign of x - target, 0 where they are equal.

    Raises:
        ValueError: shapes that differ, an unknown reduction.
    """
    return _l1("l1_loss", x, target, reduction)


def _l1(operation: str, x: Any, target: Any, reduction: str) -> Any:
    x, target = _operands(operation, x, target, reduction)
    return _reduced(abs(x - target), reduction)


def huber_loss(x: Any, target: Any, reduction: str = "mean", delta: float = 1) -> Any:
    """e**2 / 2 where |e| <= delta, else delta (|e| - delta / 2), with e = x - target; dx is e, cut off at -+delta.

    Huber, "Robust estimation of a location parameter" (1964).

    Raises:
        ValueError: shapes that differ, an unknown reduction, a delta that is not positive.

    >>> import tinygrad_cnn as tg
    >>> tg.huber_loss(tg.tensor([0.5, 3.0]), tg.tensor([0.0, 0.0]), reduction="none").tolist()
    [0.125, 2.5]
    """
    if not delta > 0:
        raise ValueError(f"huber_loss: delta must be positive but is {delta}")
    return _reduced(_huber("huber_loss", x, target, reduction, delta), reduction)


def _huber(operation: str, x: Any, target: Any, reduction: str, delta: float) -> Any:
    x, target = _operands(operation, x, target, reduction)
    error = x - target
    near = clip(error, -delta, delta)
    return near * (error - divide(near, 2))


def smooth_l1_loss(x: Any, target: Any, reduction: str = "mean", beta: float = 1) -> Any:
    """huber_loss(x, target, delta=beta) / beta; the absolute error at beta = 0.

    Girshick, "Fast R-CNN" (2015), eq. 3.

    Raises:
        ValueError: shapes that differ, an unknown reduction, a beta that is not a number >= 0.
    """
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: beta must be at least 0 but is {beta}")
    if beta == 0:
        return _l1("smooth_l1_loss", x, target, reduction)
    return _reduced(divide(_huber("smooth_l1_loss", x, target, reduction, beta), beta), reduction)


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
    labels = _labels("nll_loss", x, target)
    rows, weights, norm = class_weights("nll_loss", x, labels, weight, ignore_index)
    # 0 times an infinite log probability is 0: only the labels' own classes cost anything.
    losses = -sum(where(weights != 0, rows, 0) * weights, axis=1)
    if reduction == "none":
        return reshape(losses, labels.shape)
    return sum(losses) if reduction == "sum" else divide(sum(losses), norm)


def _labels(operation: str, x: Any, target: Any) -> Any:
    """Labels of x's shape without the classes' axis."""
    shape = shape_of(x)
    labels = read_target(operation, x, target)
    if labels.shape == shape:
        raise ValueError(
            f"{operation}: expected labels of shape {shape[:1] + shape[2:] if len(shape) > 1 else ()} for x of shape "
            f"{shape} but the target has shape {labels.shape}"
        )
    return labels


def binary_cross_entropy(x: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Any:
    """-(target log x + (1 - target) log(1 - x)) for probabilities x; the logarithms are cut off at -100, as in PyTorch.

    Where a logarithm is cut off its derivative is 0. From logits, `binary_cross_entropy_with_logits` cuts nothing off
    and loses no digits.

    Args:
        x: probabilities, any shape.
        target: 0 to 1, x's shape.
        weight: what each element counts, broadcast to x's shape.

    Raises:
        ValueError: shapes that differ, probabilities or targets outside 0 to 1, an unknown reduction.

    >>> import tinygrad_cnn as tg
    >>> round(tg.binary_cross_entropy(tg.tensor([0.5]), tg.tensor([1.0])).item(), 4)
    0.6931
    """
    x, target = _operands("binary_cross_entropy", x, target, reduction)
    _check_unit("binary_cross_entropy", "x", x)
    _check_unit("binary_cross_entropy", "target", target)
    weight = _weight("binary_cross_entropy", "weight", x, weight)
    certain, impossible = _values(x) == 1, _values(x) <= 3.720075976020836e-44  # e**-100
    log_p = where(impossible, -100, log(where(impossible, 1, x)))
    log_rest = where(certain, -100, log1p(-where(certain, 0, x)))
    return _reduced(_times(weight, -(target * log_p + (1 - target) * log_rest)), reduction)


def binary_cross_entropy_with_logits(
    x: Any, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Any:
    """The binary cross entropy of sigmoid(x): pos_weight t softplus(-x) + (1 - t) softplus(x); exact at any x.

    Args:
        x: logits, any shape.
        target: t, 0 to 1, x's shape.
        weight: what each element counts, broadcast to x's shape.
        pos_weight: what a positive example counts, broadcast to x's shape.

    Raises:
        ValueError: shapes that differ, targets outside 0 to 1, an unknown reduction.

    >>> import tinygrad_cnn as tg
    >>> tg.binary_cross_entropy_with_logits(tg.tensor([1e4, -1e4]), tg.tensor([1.0, 0.0])).item()
    0.0
    """
    name = "binary_cross_entropy_with_logits"
    x, target = _operands(name, x, target, reduction)
    _check_unit(name, "target", target)
    weight, pos_weight = _weight(name, "weight", x, weight), _weight(name, "pos_weight", x, pos_weight)
    return _reduced(_times(weight, _bce_with_logits(x, target, 1 if pos_weight is None else pos_weight)), reduction)


def _part(share: Any, cost: Any) -> Any:
    """share cost, and 0 for nothing of an infinite cost."""
    return share * where((_values(share) == 0) & (_values(cost) == inf), 0, cost)


@primitive(
    x=lambda dz, x, target, pos_weight: dz * ((1 - target) * sigmoid(x) - pos_weight * target * sigmoid(-x)),
    target=lambda dz, x, pos_weight: dz * (pos_weight * softplus(-x) - softplus(x)),
    pos_weight=lambda dz, x, target: dz * _part(target, softplus(-x)),
)
def _bce_with_logits(x: Any, target: Any, pos_weight: Any) -> Any:
    return pos_weight * _part(target, softplus(-x)) + _part(1 - target, softplus(x))


def _times(weight: Any, losses: Any) -> Any:
    return losses if weight is None else weight * losses


def _weight(operation: str, name: str, x: Any, weight: Any) -> Any:
    """What each element counts, checked."""
    if weight is None:
        return None
    weight, shape = _beside(operation, name, x, weight), shape_of(x)
    given = shape_of(weight)
    if len(given) > len(shape) or any(n not in (1, m) for n, m in zip(given[::-1], shape[::-1], strict=False)):
        raise ValueError(f"{operation}: {name} of shape {given} does not broadcast to x's shape {shape}")
    return weight


def kl_div(x: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    """The divergence target (log target - x) of log probabilities x from probabilities; 0 where the target is 0.

    Args:
        x: log probabilities.
        target: probabilities, or with `log_target` their logarithms, of x's shape.
        reduction: also "batchmean", the sum divided by the first axis' size, which is the mathematical definition.

    Raises:
        ValueError: shapes that differ, negative probabilities, an unknown reduction.

    >>> import tinygrad_cnn as tg
    >>> x, target = tg.tensor([[0.5, 0.5]]), tg.tensor([[1.0, 0.0]])
    >>> round(tg.kl_div(tg.log(x), target, reduction="batchmean").item(), 4)
    0.6931
    """
    x, target = _operands("kl_div", x, target, reduction, ("mean", "batchmean", "sum", "none"))
    p = exp(target) if log_target else target
    if not is_object(_values(p)) and not (_values(p) >= 0).all():
        raise ValueError("kl_div: target probabilities must be numbers >= 0")
    is_nothing = _values(p) == 0
    log_p = where(is_nothing, 0, target) if log_target else log(where(is_nothing, 1, p))
    losses = p * (log_p - where(is_nothing, 0, x))
    if reduction == "batchmean":
        return sum(losses) / max(shape_of(x)[0] if shape_of(x) else 1, 1)
    return _reduced(losses, reduction)


def hinge_loss(x: Any, target: Any, reduction: str = "mean", margin: float = 1) -> Any:
    """max(0, margin - target x) for scores x and targets of -1 or 1; the derivative at the kink is 0.

    Raises:
        ValueError: shapes that differ, targets other than -1 and 1, an unknown reduction.

    >>> import tinygrad_cnn as tg
    >>> tg.hinge_loss(tg.tensor([0.5, -2.0]), tg.tensor([1.0, -1.0]), reduction="none").tolist()
    [0.5, 0.0]
    """
    x, target = _operands("hinge_loss", x, target, reduction)
    values = _values(target)
    if not all((values == 1) | (values == -1)):
        raise ValueError("hinge_loss: targets must be -1 or 1")
    return _reduced(relu(margin - target * x), reduction)


def multi_margin_loss(x: Any, target: Any, margin: float = 1, reduction: str = "mean") -> Any:
    """The sum over the other classes of max(0, margin - x[target] + x[c]), divided by the classes: several hinges.

    Args:
        x: scores (N, classes) or (classes,).
        target: labels (N,) or a single one.

    Raises:
        ValueError, TypeError: as `cross_entropy`.

    >>> import tinygrad_cnn as tg
    >>> tg.multi_margin_loss(tg.tensor([[0.0, 2.0, 1.5, -1.0]]), [1]).item()
    0.125
    """
    check_reduction("multi_margin_loss", reduction)
    shape = shape_of(x)
    if len(shape) not in (1, 2) or not shape[-1]:
        raise ValueError(f"multi_margin_loss: x must be (N, classes) or (classes,) but has shape {shape}")
    labels = _labels("multi_margin_loss", x, target)
    rows, onehot, _ = class_weights("multi_margin_loss", x, labels, None, None)
    right = sum(rows * onehot, axis=1, keepdims=True)
    losses = sum(relu(margin - right + rows) * (1 - onehot), axis=1)
    return _reduced(reshape(divide(losses, shape[-1]), shape[:-1]), reduction)


def dice_loss(x: Any, target: Any, smooth: float = 1, axis: Any = None, reduction: str = "mean") -> Any:
    """1 - (2 sum(x t) + smooth) / (sum(x) + sum(t) + smooth), for probabilities x (Milletari et al. 2016).

    Args:
        x: probabilities of the foreground, (N, ...) or (N, classes, ...).
        target: t, 0 to 1, x's shape.
        smooth: keeps an empty target with an empty prediction at loss 0.
        axis: the axes of one region; None means all but the first: one loss for each sample.

    Raises:
        ValueError: shapes that differ, targets outside 0 to 1, an unknown reduction.

    >>> import tinygrad_cnn as tg
    >>> tg.dice_loss(tg.tensor([[1.0, 0.0]]), tg.tensor([[1.0, 0.0]])).item()
    0.0
    """
    x, target = _operands("dice_loss", x, target, reduction)
    _check_unit("dice_loss", "target", target)
    ndim = len(shape_of(x))
    axes = tuple(range(min(1, ndim), ndim)) if axis is None else axes_of("dice_loss", axis, ndim)
    overlap, total = 2 * sum(x * target, axis=axes), sum(x, axis=axes) + sum(target, axis=axes)
    return _reduced(1 - divide(overlap + smooth, total + smooth), reduction)

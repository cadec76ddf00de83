"""Losses as modules: the functions of `primitives/loss.py` and `tg.cross_entropy` with their options held."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

from tinygrad_cnn.nn.arguments import one_of, shown
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.primitives import loss, softmax
from tinygrad_cnn.tensor import Tensor, tensor


class Loss(Module):
    """A loss function with its options. Weights are buffers, so that they move and are saved with the model.

    Raises:
        ValueError: an unknown `reduction`.
    """

    reductions: tuple[str, ...] = ("mean", "sum", "none")

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        one_of(type(self).__name__, "reduction", options["reduction"], self.reductions)
        self.function = function
        self.options = {name: value for name, value in options.items() if not name.endswith("weight")}
        for name in options.keys() - self.options.keys():
            value = options[name]
            if value is None:
                setattr(self, name, None)
            else:
                self.register_buffer(name, value.detach() if isinstance(value, Tensor) else tensor(value))

    def forward(self, x: Any, target: Any) -> Any:
        """The loss of the prediction x for the target."""
        return self.function(x, target, **self.options, **{name: getattr(self, name) for name in self._buffer_names})

    def extra_repr(self) -> str:
        """The options that differ from their defaults."""
        defaults = signature(self.function).parameters
        return shown(**{name: (value, defaults[name].default) for name, value in self.options.items()})


class CrossEntropyLoss(Loss):
    """`tg.cross_entropy`: of logits (N, classes, ...) with labels or probabilities.

    Raises:
        ValueError: an unknown `reduction`, a `label_smoothing` outside 0 to 1.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> round(nn.CrossEntropyLoss()(tg.tensor([[0.0, 0.0]]), [1]).item(), 4)
    0.6931
    """

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
    ) -> None:
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"CrossEntropyLoss: label_smoothing must be 0 to 1 but is {label_smoothing}")
        super().__init__(
            softmax.cross_entropy,
            weight=weight,
            ignore_index=ignore_index,
            reduction=reduction,
            label_smoothing=label_smoothing,
        )


class NLLLoss(Loss):
    """`tg.nll_loss`: of log probabilities (N, classes, ...) with labels."""

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(loss.nll_loss, weight=weight, ignore_index=ignore_index, reduction=reduction)


class MSELoss(Loss):
    """`tg.mse_loss`, the squared error.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> nn.MSELoss(reduction="sum")(tg.tensor([1.0, 4.0]), tg.tensor([0.0, 2.0])).item()
    5.0
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(loss.mse_loss, reduction=reduction)


class L1Loss(Loss):
    """`tg.l1_loss`, the absolute error."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(loss.l1_loss, reduction=reduction)


class HuberLoss(Loss):
    """`tg.huber_loss`, squared near 0 and linear beyond delta.

    Raises:
        ValueError: an unknown `reduction`, a `delta` that is not positive.
    """

    def __init__(self, reduction: str = "mean", delta: float = 1) -> None:
        if not delta > 0:
            raise ValueError(f"HuberLoss: delta must be positive but is {delta}")
        super().__init__(loss.huber_loss, reduction=reduction, delta=delta)


class SmoothL1Loss(Loss):
    """`tg.smooth_l1_loss`, the Huber loss divided by its threshold.

    Raises:
        ValueError: an unknown `reduction`, a `beta` that is not a number >= 0.
    """

    def __init__(self, reduction: str = "mean", beta: float = 1) -> None:
        if not beta >= 0:
            raise ValueError(f"SmoothL1Loss: beta must be at least 0 but is {beta}")
        super().__init__(loss.smooth_l1_loss, reduction=reduction, beta=beta)


class BCELoss(Loss):
    """`tg.binary_cross_entropy`, of probabilities."""

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(loss.binary_cross_entropy, weight=weight, reduction=reduction)


class BCEWithLogitsLoss(Loss):
    """`tg.binary_cross_entropy_with_logits`."""

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(
            loss.binary_cross_entropy_with_logits, weight=weight, reduction=reduction, pos_weight=pos_weight
        )


class KLDivLoss(Loss):
    """`tg.kl_div`, of log probabilities from probabilities; `reduction` may be "batchmean"."""

    reductions = ("mean", "batchmean", "sum", "none")

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(loss.kl_div, reduction=reduction, log_target=log_target)


class HingeLoss(Loss):
    """`tg.hinge_loss`, for targets of -1 and 1."""

    def __init__(self, reduction: str = "mean", margin: float = 1) -> None:
        super().__init__(loss.hinge_loss, reduction=reduction, margin=margin)


class MultiMarginLoss(Loss):
    """`tg.multi_margin_loss`, the hinge loss of several classes."""

    def __init__(self, margin: float = 1, reduction: str = "mean") -> None:
        super().__init__(loss.multi_margin_loss, margin=margin, reduction=reduction)


class DiceLoss(Loss):
    """`tg.dice_loss`, the overlap of a segmentation with its target."""

    def __init__(self, smooth: float = 1, axis: Any = None, reduction: str = "mean") -> None:
        super().__init__(loss.dice_loss, smooth=smooth, axis=axis, reduction=reduction)

"""The cross entropy of a softmax, from its logits or from its probabilities.

For L = -log softmax(X)[label], dX = softmax(X) - one-hot; of N samples divided by N where L is their mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from tinygrad_cnn.primitives import reduction as reductions
from tinygrad_cnn.primitives import softmax as softmaxes
from tinygrad_cnn.primitives.elementwise import log
from tinygrad_cnn.verify.catalogue.averaging import divisions, divisor
from tinygrad_cnn.verify.catalogue.chain_rule import ones_like, upstream_missing
from tinygrad_cnn.verify.catalogue.operation import Case, Layout, Mistake, Operation, Shape
from tinygrad_cnn.verify.catalogue.softmax import LOGIT_NAMES, softmax

Inputs = Mapping[str, Any]

# No bare y: in (y, t) it is the prediction, in (x, y) the target, and the order of the parameters says which.
TARGET_NAMES = ("labels", "label", "targets", "t", "T", "y_true", "ytrue", "Y_true", "onehot", "one_hot", "truth")
PREDICTION_NAMES = (
    "pred", "prediction", "predictions", "y_pred", "Y_pred", "yhat", "y_hat", "Yhat", "Y_hat", "probs", "probabilities",
    "X", "q", "Q",
)  # fmt: skip


# Labels and one-hot rows


def one_hot(target: Any, x: Any) -> Any:
    """Labels (N,) as rows (N, C) beside x; rows stay."""
    target = np.asarray(target)
    if target.shape == x.shape:
        return target
    return 1 * (target[..., None] == np.arange(x.shape[-1]))


def draw_labels(shape: Shape, rng: np.random.Generator) -> Any:
    """Of three classes, so every case has three or more."""
    return rng.integers(0, 3, shape)


def draw_one_hot(shape: Shape, rng: np.random.Generator) -> Any:
    """A random class in each row."""
    return np.eye(shape[-1], dtype=int)[rng.integers(0, shape[-1], shape[:-1])]


CLASS_SHAPES = ((1, 3), (2, 3), (3, 3), (2, 4))


def _class_cases(labels: bool) -> tuple[Case, ...]:
    return tuple(Case({"x": shape, "target": shape[:1] if labels else shape}) for shape in CLASS_SHAPES)


def _class_layouts(labels: bool) -> tuple[Layout, ...]:
    arrays = {"x", "target"} - ({"target"} if labels else set())
    return (
        Layout("a sample in each row"),
        Layout("a sample in each column", {}, frozenset(arrays)),
        Layout("one sample", {"x": 1, "target": 1}),
    )


# From logits


def logits_gradient(
    right: str,
    dz: Any,
    inputs: Inputs,
    *,
    probabilities: str = "softmax",
    target: str = "subtracted",
    divided: str = "",
    again: bool = False,
    upstream: bool = True,
) -> Any:
    """dX of the cross entropy of softmax(X).

    Args:
        right: the right divisor.
        probabilities: "softmax"; "scores" X; "exponentials" e^X; "of everything", divided by the sum of all; "none".
        target: "subtracted"; "left out"; "from all" subtracts 1 from each class; "in its own place" leaves the other
            classes 0.
        divided: the divisor, if it is another one.
        again: whether the result goes through the softmax's own rule once more.
        upstream: dZ; else ones.
    """
    x = inputs["x"]
    hot, exponentials = one_hot(inputs["target"], x), np.exp(x)
    p = {
        "softmax": softmax(x),
        "scores": x,
        "exponentials": exponentials,
        "of everything": exponentials / exponentials.sum(),
        "none": 0 * x,
    }[probabilities]
    difference = {
        "subtracted": p - hot,
        "left out": p,
        "from all": p - 1,
        "in its own place": hot * (p - 1),
    }[target]
    if again:
        s = softmax(x)
        difference = s * (difference - (difference * s).sum(axis=-1, keepdims=True))
    dz = dz if upstream else ones_like(dz)
    return dz * difference / divisor(x, divided or right)


OF_LOGITS = (
    Mistake(
        "one-hot-not-subtracted",
        "The one-hot target was not subtracted: dX = softmax(X) - one-hot.",
        ("x",),
        ({"target": "left out"},),
    ),
    Mistake(
        "one-subtracted-from-all-classes",
        "One was subtracted from every class: only the sample's own class has a 1 in its one-hot row.",
        ("x",),
        ({"target": "from all"},),
    ),
    Mistake(
        "cross-terms-missing",
        "Only the sample's own class got a gradient: the other scores are in the softmax's denominator, and get their "
        "probabilities.",
        ("x",),
        ({"target": "in its own place"},),
    ),
    Mistake(
        "scores-instead-of-probabilities",
        "The softmax is missing: the one-hot target is subtracted from the probabilities, not from the scores.",
        ("x",),
        ({"probabilities": "scores"},),
    ),
    Mistake(
        "probabilities-not-normalised",
        "The exponentials were not divided by their sum in the row: dX = softmax(X) - one-hot.",
        ("x",),
        ({"probabilities": "exponentials"}, {"probabilities": "of everything"}),
    ),
    Mistake(
        "probabilities-missing",
        "The probabilities are missing: dX = softmax(X) - one-hot, and -one-hot alone is only its second part.",
        ("x",),
        ({"probabilities": "none"},),
    ),
    Mistake(
        "softmax-derived-twice",
        "softmax(X) - one-hot went through the softmax's Jacobian matrix once more: that is in it already.",
        ("x",),
        ({"again": True},),
    ),
    upstream_missing({"upstream": False}, operands=("x",)),
)

REDUCTIONS = {"mean": "samples", "sum": "one"}
SAID = {"mean": ", divided by the number of samples", "sum": ""}


def _cross_entropy(reduction: str, labels: bool) -> Operation:
    right = REDUCTIONS[reduction]
    return Operation(
        name=f"cross_entropy ({reduction}, {'labels' if labels else 'one-hot'})",
        function=softmaxes.cross_entropy
        if reduction == "mean"
        else partial(softmaxes.cross_entropy, reduction=reduction),
        operands={"x": LOGIT_NAMES, "target": TARGET_NAMES},
        options={},
        defaults={},
        cases=_class_cases(labels),
        layouts=_class_layouts(labels),
        rules={"x": partial(logits_gradient, right)},
        formulas={"x": f"dX = dZ (softmax(X) - one-hot){SAID[reduction]}"},
        mistakes=(*OF_LOGITS, *divisions(right, "one", "samples", "classes", "entries")),
        draws={"target": draw_labels if labels else draw_one_hot},
        constants=("target",),
    )


# From probabilities


def log_loss(x: Any, target: Any, reduction: str = "mean") -> Any:
    """-log of the probability of the sample's class, summed, or their mean."""
    total = -reductions.sum(log(x) * one_hot(target, np.empty(x.shape)))
    return total / divisor(np.empty(x.shape), REDUCTIONS[reduction])


def draw_probabilities(shape: Shape, rng: np.random.Generator) -> Any:
    """Eighths between 0 and 1."""
    return rng.integers(1, 8, shape) / 8


def probabilities_gradient(
    right: str,
    dz: Any,
    inputs: Inputs,
    *,
    derivative: str = "-one-hot / P",
    divided: str = "",
    upstream: bool = True,
) -> Any:
    """dP of -sum(one-hot log P).

    Args:
        right: the right divisor.
        derivative: "-one-hot / P"; "P - one-hot", that of the logits; "-one-hot"; "-1 / P"; "-one-hot * P";
            "-one-hot log P".
        divided: the divisor, if it is another one.
        upstream: dZ; else ones.
    """
    p = inputs["x"]
    hot = one_hot(inputs["target"], p)
    each = {
        "-one-hot / P": lambda: -hot / p,
        "P - one-hot": lambda: p - hot,
        "-one-hot": lambda: -hot + 0 * p,
        "-1 / P": lambda: -1 / p,
        "-one-hot * P": lambda: -hot * p,
        "-one-hot log P": lambda: -hot * np.log(p),
    }[derivative]()
    return (dz if upstream else ones_like(dz)) * each / divisor(p, divided or right)


OF_PROBABILITIES = (
    Mistake(
        "gradient-of-logits",
        "This is the gradient for the scores before the softmax: for the probabilities themselves, dP = -one-hot / P.",
        ("x",),
        ({"derivative": "P - one-hot"},),
    ),
    Mistake(
        "derivative-of-log-missing",
        "The derivative of the logarithm is missing: log P has the derivative 1 / P.",
        ("x",),
        ({"derivative": "-one-hot"},),
    ),
    Mistake(
        "target-missing",
        "The target is missing: only the probability of the sample's own class is in the loss.",
        ("x",),
        ({"derivative": "-1 / P"},),
    ),
    Mistake(
        "multiplied-instead-of-divided",
        "It was multiplied with P: log P has the derivative 1 / P.",
        ("x",),
        ({"derivative": "-one-hot * P"},),
    ),
    Mistake(
        "value-instead-of-derivative",
        "The logarithm itself was taken instead of its derivative 1 / P.",
        ("x",),
        ({"derivative": "-one-hot log P"},),
    ),
    upstream_missing({"upstream": False}, operands=("x",)),
)


def _log_loss(reduction: str, labels: bool) -> Operation:
    right = REDUCTIONS[reduction]
    return Operation(
        name=f"cross_entropy of probabilities ({reduction}, {'labels' if labels else 'one-hot'})",
        function=partial(log_loss, reduction=reduction),
        operands={"x": PREDICTION_NAMES, "target": TARGET_NAMES},
        options={},
        defaults={},
        cases=_class_cases(labels),
        layouts=_class_layouts(labels),
        rules={"x": partial(probabilities_gradient, right)},
        formulas={"x": f"dP = -dZ one-hot / P{SAID[reduction]}"},
        mistakes=(*OF_PROBABILITIES, *divisions(right, "one", "samples", "classes", "entries")),
        draws={"x": draw_probabilities, "target": draw_labels if labels else draw_one_hot},
        constants=("target",),
    )


OPERATIONS = (
    *(_cross_entropy(reduction, labels) for labels in (True, False) for reduction in REDUCTIONS),
    *(_log_loss(reduction, labels) for labels in (True, False) for reduction in REDUCTIONS),
)

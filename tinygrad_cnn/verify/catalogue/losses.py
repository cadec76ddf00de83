"""Losses that are a sum over entries: the binary cross entropy, the squared error and the absolute error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from tinygrad_cnn.primitives import loss as losses
from tinygrad_cnn.primitives import reduction as reductions
from tinygrad_cnn.verify.catalogue.averaging import divisions, divisor
from tinygrad_cnn.verify.catalogue.chain_rule import ones_like, upstream_missing
from tinygrad_cnn.verify.catalogue.cross_entropy import PREDICTION_NAMES, TARGET_NAMES, draw_probabilities
from tinygrad_cnn.verify.catalogue.entrywise import SHAPES, two_sided
from tinygrad_cnn.verify.catalogue.operation import Case, Layout, Mistake, Operation, Shape
from tinygrad_cnn.verify.catalogue.softmax import LOGIT_NAMES

Inputs = Mapping[str, Any]
Derivative = Callable[[Any, Any, str], Any]
"""Of one entry of the loss by x: a function of x, the target, and which slope counts at a kink."""


def gradient(
    derivatives: Mapping[str, Derivative],
    right: str,
    dz: Any,
    inputs: Inputs,
    *,
    derivative: str = "right",
    divided: str = "",
    upstream: bool = True,
    kink: str = "middle",
) -> Any:
    """dX of a loss that is the sum of one term for each entry, over a divisor.

    Args:
        derivatives: of an entry.
        right: the right divisor.
        derivative: which of the derivatives.
        divided: the divisor, if it is another one.
        upstream: dZ; else ones.
        kink: "left", "middle", "right": which slope counts where x is the target.
    """
    x = inputs["x"]
    with np.errstate(all="ignore"):
        each = derivatives[derivative](x, inputs["target"], kink)
    return np.asarray((dz if upstream else ones_like(dz)) * each / divisor(x, divided or right))


def target_gradient(derivatives: Mapping[str, Derivative], right: str, dz: Any, inputs: Inputs, **changes: Any) -> Any:
    """That of the target, for a loss of x - target."""
    return np.asarray(-gradient(derivatives, right, dz, inputs, **changes))


def _total(each: Callable[..., Any], right: str, half: bool, x: Any, target: Any) -> Any:
    """The sum of the entries' losses over the divisor, or half of it."""
    total = reductions.sum(each(x, target, reduction="none"))
    return total / (divisor(np.empty(x.shape), right) * (2 if half else 1))


def _slips(operands: tuple[str, ...], explanations: Mapping[str, str]) -> tuple[Mistake, ...]:
    """Mistakes whose derivative has their name, with what to say of each."""
    return tuple(Mistake(name, said, operands, ({"derivative": name},)) for name, said in explanations.items())


BOTH = frozenset({"x", "target"})
LAYOUTS = (
    Layout("a sample in each row"),
    Layout("one number a sample", {"x": 1, "target": 1}, BOTH),
    Layout("a sample in each column", {}, BOTH),
    Layout("a single number", {"x": 2, "target": 2}),
)
EACH_LAYOUTS = (
    Layout("matrices"),
    Layout("vectors", {"x": 1, "target": 1, "z": 1}),
    Layout("single numbers", {"x": 2, "target": 2, "z": 2}),
)

SAID = {
    "entries": ", divided by the number of entries",
    "samples": ", divided by the number of samples",
    "one": "",
    "none": "",
}


def _loss(
    name: str,
    each: Callable[..., Any],
    formula: str,
    derivatives: Mapping[str, Derivative],
    right: str,
    *mistakes: Mistake,
    half: bool = False,
    names: tuple[str, ...] = PREDICTION_NAMES,
    draws: Mapping[str, Callable[[Shape, np.random.Generator], Any]] | None = None,
    kinks: tuple[str, ...] = (),
    of_difference: bool = False,
) -> Operation:
    """A loss over `right`, or "none" for a loss of each entry; one of X - T has a gradient for the target too."""
    reduced, draws = right != "none", draws or {}
    over = right if reduced else "one"
    rules: dict[str, Callable[..., Any]] = {"x": partial(gradient, derivatives, over)}
    formulas = {"x": f"dX = dZ {formula}{SAID[right]}"}
    if of_difference:
        rules["target"] = partial(target_gradient, derivatives, over)
        formulas["target"] = f"dT = -dX, dX = dZ {formula}{SAID[right]}"
    function: Callable[..., Any]
    if right == "entries" and not half:
        function = each
    elif reduced:
        function = partial(_total, each, right, half)
    else:
        function = partial(each, reduction="none")
    cases = [Case({"x": shape, "target": shape}) for shape in (*SHAPES, (3, 1))]
    if kinks:
        cases += [Case({"x": shape, "target": shape}, data="ties") for shape in ((1, 8), (8, 1), (4, 3))]
    return Operation(
        name=f"{name} ({f'half, {right}' if half else right})",
        function=function,
        operands={"x": names, "target": TARGET_NAMES},
        options={},
        defaults={},
        cases=tuple(cases),
        layouts=LAYOUTS if reduced else EACH_LAYOUTS,
        rules=rules,
        formulas=formulas,
        mistakes=(
            *mistakes,
            *(divisions(over, "one", "samples", "entries", operands=tuple(rules)) if reduced else ()),
            upstream_missing({"upstream": False}),
        ),
        conventions=tuple({"kink": side} for side in kinks),
        draws=draws,
        constants=() if of_difference else ("target",),
    )


# The binary cross entropy: L = -(t log p + (1 - t) log(1 - p))


def draw_binary(shape: Shape, rng: np.random.Generator) -> Any:
    """0 or 1."""
    return rng.integers(0, 2, shape)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


OF_PROBABILITIES: Mapping[str, Derivative] = {
    "right": lambda p, t, kink: (p - t) / (p * (1 - p)),
    "gradient-of-logits": lambda p, t, kink: p - t,
    "second-term-missing": lambda p, t, kink: -t / p,
    "first-term-missing": lambda p, t, kink: (1 - t) / (1 - p),
    "inner-derivative-missing": lambda p, t, kink: -t / p - (1 - t) / (1 - p),
    "derivative-of-log-missing": lambda p, t, kink: 1 - 2 * t + 0 * p,
}

PROBABILITY_MISTAKES = _slips(
    ("x",),
    {
        "gradient-of-logits": (
            "This is the gradient for the scores before the sigmoid: for the probabilities themselves, "
            "dP = (P - T) / (P (1 - P))."
        ),
        "second-term-missing": "The term of the samples with T = 0 is missing: dP = -T / P + (1 - T) / (1 - P).",
        "first-term-missing": "The term of the samples with T = 1 is missing: dP = -T / P + (1 - T) / (1 - P).",
        "inner-derivative-missing": (
            "The inner derivative of log(1 - P) is missing, which is -1: dP = -T / P + (1 - T) / (1 - P)."
        ),
        "derivative-of-log-missing": "The derivative of the logarithm is missing: log P has the derivative 1 / P.",
    },
)

OF_LOGITS: Mapping[str, Derivative] = {
    "right": lambda x, t, kink: _sigmoid(x) - t,
    "target-not-subtracted": lambda x, t, kink: _sigmoid(x),
    "scores-instead-of-probabilities": lambda x, t, kink: x - t,
    "sigmoid-derived-twice": lambda x, t, kink: (_sigmoid(x) - t) * _sigmoid(x) * (1 - _sigmoid(x)),
    "probabilities-missing": lambda x, t, kink: -t + 0 * x,
}

LOGIT_MISTAKES = _slips(
    ("x",),
    {
        "target-not-subtracted": "The target was not subtracted: dX = sigmoid(X) - T.",
        "scores-instead-of-probabilities": (
            "The sigmoid is missing: the target is subtracted from the probabilities, not from the scores."
        ),
        "sigmoid-derived-twice": "The derivative of the sigmoid is in sigmoid(X) - T already.",
        "probabilities-missing": "The probabilities are missing: dX = sigmoid(X) - T.",
    },
)


# The squared and the absolute error


def _squares(factor: int) -> Mapping[str, Derivative]:
    return {
        "right": lambda x, t, kink: factor * (x - t),
        "value-instead-of-derivative": lambda x, t, kink: (x - t) ** 2,
        "target-not-subtracted": lambda x, t, kink: factor * x,
        "derivative-missing": lambda x, t, kink: 1 + 0 * x,
    }


SQUARE_MISTAKES = _slips(
    ("x", "target"),
    {
        "value-instead-of-derivative": "The squared error was taken instead of its derivative 2 (X - T).",
        "target-not-subtracted": "The target was not subtracted: the derivative of (X - T)^2 is 2 (X - T).",
        "derivative-missing": "The error is missing: the derivative of (X - T)^2 is 2 (X - T).",
    },
)


def draw_between(shape: Shape, rng: np.random.Generator) -> Any:
    """Many zeros, and halves: an X of integers meets them where it has zeros, which only those with ties have."""
    return rng.choice([0, 0, 0.5, -0.5, 2.5], shape)


DISTANCES: Mapping[str, Derivative] = {
    "right": lambda x, t, kink: two_sided(x - t, -1, 1, kink),
    "value-instead-of-derivative": lambda x, t, kink: abs(x - t),
    "error-instead-of-sign": lambda x, t, kink: x - t,
    "target-not-subtracted": lambda x, t, kink: two_sided(x, -1, 1, kink),
    "derivative-missing": lambda x, t, kink: 1 + 0 * x,
}

DISTANCE_MISTAKES = _slips(
    ("x", "target"),
    {
        "value-instead-of-derivative": "The distance was taken instead of its derivative, the sign of X - T.",
        "error-instead-of-sign": "The error itself was taken: the derivative of |X - T| is only its sign.",
        "target-not-subtracted": "The sign of X was taken: the derivative of |X - T| is the sign of X - T.",
        "derivative-missing": "The sign is missing: the derivative of |X - T| is the sign of X - T.",
    },
)

OPERATIONS = (
    *(
        _loss(
            "binary_cross_entropy", losses.binary_cross_entropy, "(P - T) / (P (1 - P))", OF_PROBABILITIES, right,
            *PROBABILITY_MISTAKES, draws={"x": draw_probabilities, "target": draw_binary},
        )
        for right in ("entries", "one", "samples", "none")
    ),
    *(
        _loss(
            "binary_cross_entropy_with_logits", losses.binary_cross_entropy_with_logits, "(sigmoid(X) - T)", OF_LOGITS,
            right, *LOGIT_MISTAKES, names=LOGIT_NAMES, draws={"target": draw_binary},
        )
        for right in ("entries", "one", "samples", "none")
    ),
    *(
        _loss(
            "mse_loss", losses.mse_loss, "(X - T)" if half else "2 (X - T)", _squares(1 if half else 2), right,
            *SQUARE_MISTAKES, half=half, of_difference=True,
        )
        for half in (False, True)
        for right in (("entries", "one", "samples") if half else ("entries", "one", "samples", "none"))
    ),
    *(
        _loss(
            "l1_loss", losses.l1_loss, "sign(X - T)", DISTANCES, right, *DISTANCE_MISTAKES, kinks=("left", "right"),
            draws={"target": draw_between}, of_difference=True,
        )
        for right in ("entries", "one", "samples", "none")
    ),
)  # fmt: skip

"""Functions of each entry, Z = f(X): the right rule is dX = dZ f'(X), and a mistake is another slope than f'.

At a kink every slope between those on both sides is right; the rules have the two and their mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tinygrad_cnn.verify.catalogue.chain_rule import derivative_missing, upstream_missing
from tinygrad_cnn.verify.catalogue.operation import Case, Layout, Mistake, Operation, Shape

INPUT_NAMES = ("X", "input", "inputs", "inp", "u", "U", "t", "T", "v", "V", "logits", "scores")


@dataclass(frozen=True)
class At:
    """Where a slope is taken: the input, the output, dZ, the options, and which slope counts at a kink."""

    x: Any
    z: Any
    dz: Any
    options: Mapping[str, Any]
    kink: str


Slope = Callable[[At], Any]


@dataclass(frozen=True)
class Wrong:
    """Slopes that are taken by mistake, each leading to the same advice."""

    name: str
    explanation: str
    slopes: tuple[Slope, ...]


def two_sided(position: Any, left: Any, right: Any, kink: str) -> Any:
    """The slope on the left of 0, on its right, and there the one that `kink` names: "left", "middle" or "right"."""
    left, right = left + 0 * position, right + 0 * position
    there = {"left": left, "middle": (left + right) / 2, "right": right}[kink]
    return np.where(position > 0, right, np.where(position < 0, left, there))


def gradient(
    slopes: Mapping[str, Slope],
    dz: Any,
    inputs: Mapping[str, Any],
    *,
    slope: str = "right",
    upstream: bool = True,
    kink: str = "left",
) -> Any:
    """dX = dZ f'(X).

    Args:
        slope: which of the slopes.
        upstream: whether dZ is multiplied with it.
        kink: "left", "middle", "right": which slope counts at a kink.
    """
    with np.errstate(all="ignore"):  # the logarithm of a logarithm need not exist
        found = slopes[slope](At(inputs["x"], inputs["z"], dz, inputs, kink))
        return np.asarray(dz * found if upstream else found + 0 * dz)


VALUE = Wrong(
    "value-instead-of-derivative",
    "dZ was multiplied with the function's value instead of its derivative.",
    (lambda at: at.z,),
)


def at_output(explanation: str, slope: Slope) -> Wrong:
    """f'(Z) for f'(X)."""
    return Wrong(
        "derivative-at-the-output",
        f"The derivative was taken at Z, but it is a function of X: {explanation}.",
        (slope,),
    )


def of_input(explanation: str, *slopes: Slope) -> Wrong:
    """A formula in Z, made with X."""
    return Wrong(
        "derivative-of-output-forgotten",
        f"The derivative is written with the output Z, and X was put into it: {explanation}.",
        slopes,
    )


# Several single numbers, of both signs, lest one function is taken for another that agrees with it in one number.
SHAPES = ((1, 1), (1, 1), (1, 1), (1, 1), (1, 3), (2, 2), (2, 3), (3, 2))

SMOOTH = tuple(Case({"x": shape}) for shape in SHAPES)
KINKED = (*SMOOTH, Case({"x": (1, 6)}, data="ties"), Case({"x": (4, 3)}, data="ties"))

LAYOUTS = (
    Layout("a matrix"),
    Layout("a vector", {"x": 1, "z": 1}),
    Layout("a single number", {"x": 2, "z": 2}),
)


def function_of_entries(
    name: str,
    function: Callable[..., Any],
    formula: str,
    right: Slope,
    *wrong: Wrong,
    own: tuple[Mistake, ...] | None = None,
    options: Mapping[str, tuple[str, ...]] | None = None,
    defaults: Mapping[str, Any] | None = None,
    cases: tuple[Case, ...] = SMOOTH,
    kink: str = "left",
    conventions: tuple[str, ...] = (),
    draw: Callable[[Shape, np.random.Generator], Any] | None = None,
) -> Operation:
    """An operation with mistakes in its slope; `own` replaces the mistake of having no derivative at all."""
    slopes: dict[str, Slope] = {"right": right, "1": lambda at: 1 + 0 * at.x}
    mistakes = []
    for mistake in wrong:
        changes = []
        for i, slope in enumerate(mistake.slopes):
            key = mistake.name if i == 0 else f"{mistake.name}, {i + 1}"
            slopes[key] = slope
            changes.append({"slope": key})
        mistakes.append(Mistake(mistake.name, mistake.explanation, ("x",), tuple(changes)))
    passed_on = (derivative_missing({"slope": "1"}, operands=("x",)),) if own is None else own
    return Operation(
        name=name,
        function=function,
        operands={"x": INPUT_NAMES},
        options=options or {},
        defaults=defaults or {},
        cases=cases,
        layouts=LAYOUTS,
        rules={"x": partial(gradient, slopes, kink=kink)},
        formulas={"x": formula},
        mistakes=(*mistakes, *passed_on, upstream_missing({"upstream": False}, operands=("x",))),
        conventions=tuple({"kink": side} for side in conventions),
        draws={"x": draw} if draw else {},
    )

"""Sums, differences, products and quotients of two arrays that broadcast, and the sum and the mean of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from tinygrad_cnn.backend import shape_of
from tinygrad_cnn.primitives import elementwise, reduction
from tinygrad_cnn.verify.catalogue.chain_rule import derivative_missing, ones_like, upstream_missing
from tinygrad_cnn.verify.catalogue.entrywise import INPUT_NAMES, SHAPES, SMOOTH
from tinygrad_cnn.verify.catalogue.operation import Case, Layout, Mistake, Operation

Inputs = Mapping[str, Any]
Factor = Callable[[Any, Any], Any]
"""dz/dx or dz/dy as a function of x and y."""


def gradient(
    operand: str,
    factors: Mapping[str, Factor],
    dz: Any,
    inputs: Inputs,
    *,
    factor: str = "right",
    upstream: bool = True,
    summed: str = "where repeated",
) -> Any:
    """dZ times the derivative by this operand, summed over the axes along which the operand was repeated.

    Args:
        factor: which of the factors.
        upstream: dZ; else ones.
        summed: "where repeated"; "nowhere"; "everywhere".
    """
    with np.errstate(all="ignore"):
        g = (dz if upstream else ones_like(dz)) * factors[factor](inputs["x"], inputs["y"])
    g = np.asarray(g + 0 * dz)  # a factor without dZ may be smaller
    if summed == "nowhere":
        return g
    if summed == "everywhere":
        return np.asarray(g.sum())
    return collected(g, np.shape(inputs[operand]))


def collected(g: Any, shape: tuple[int, ...]) -> Any:
    """Summed to the shape that was broadcast."""
    g = np.asarray(g)
    g = np.asarray(g.sum(axis=tuple(range(g.ndim - len(shape)))))
    return np.asarray(g.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True))


def _of_one_shape(function: Callable[..., Any], x: Any, y: Any) -> Any:
    if shape_of(x) != shape_of(y):
        raise ValueError(f"{function}: expected operands of one shape but they have {shape_of(x)} and {shape_of(y)}")
    return function(x, y)


# A student who multiplies matrices entry by entry need not think of rows that repeat: those are an operation of their
# own, which other cases than the ones of a family are needed for.

PAIRS = tuple(Case({"x": shape, "y": shape}) for shape in SHAPES)

PAIR_LAYOUTS = (
    Layout("two matrices"),
    Layout("two vectors", {"x": 1, "y": 1, "z": 1}),
    Layout("two numbers", {"x": 2, "y": 2, "z": 2}),
)

WITH_ROWS = tuple(
    Case({"x": (1, m) if x_repeats else (n, m), "y": (n, m) if x_repeats else (1, m)})
    for n, m in ((2, 2), (2, 3), (3, 2))
    for x_repeats in (False, True)
)


def _pair(
    name: str,
    function: Callable[..., Any],
    formulas: Mapping[str, str],
    of_x: Mapping[str, Factor],
    of_y: Mapping[str, Factor],
    *mistakes: Mistake,
) -> tuple[Operation, Operation]:
    """The operation of two arrays of one shape, and that of one that is repeated."""
    mistakes = (*mistakes, upstream_missing({"upstream": False}))
    of_one_shape = Operation(
        name=name,
        function=partial(_of_one_shape, function),
        operands={"x": (), "y": ()},
        options={},
        defaults={},
        cases=PAIRS,
        layouts=PAIR_LAYOUTS,
        rules={"x": partial(gradient, "x", of_x), "y": partial(gradient, "y", of_y)},
        formulas=formulas,
        mistakes=(*mistakes, SUMMED_TOO_MUCH),
    )
    return of_one_shape, replace(
        of_one_shape,
        name=f"{name} of a repeated row",
        function=function,
        cases=WITH_ROWS,
        layouts=(Layout("a matrix and a row"),),
        formulas={operand: f"{formula}, summed along the axis of repetition" for operand, formula in formulas.items()},
        mistakes=(*mistakes, NOT_SUMMED, SUMMED_TOO_MUCH),
    )


NOT_SUMMED = Mistake(
    "bias-not-summed",
    "An operand that was repeated along an axis sums its shares along that axis.",
    (),
    ({"summed": "nowhere"},),
)

SUMMED_TOO_MUCH = Mistake(
    "bias-summed-over-too-many-axes",
    "Too much was summed: the gradient has a number for each entry of the operand.",
    (),
    ({"summed": "everywhere"},),
)


def _one(x: Any, y: Any) -> Any:
    return ones_like(x)


def _slip(name: str, explanation: str, *operands: str) -> Mistake:
    """A mistake whose factor has its name."""
    return Mistake(name, explanation, operands, ({"factor": name},))


ADD = _pair("add", elementwise.add, {"x": "dA = dZ", "y": "dB = dZ"}, {"right": _one}, {"right": _one})

SUBTRACT = _pair(
    "subtract",
    elementwise.subtract,
    {"x": "dA = dZ", "y": "dB = -dZ"},
    {"right": _one},
    {"right": lambda x, y: -ones_like(x)},
)

OF_PRODUCT = "the derivative of A B by A is B, and by B it is A."

MULTIPLY = _pair(
    "multiply",
    elementwise.multiply,
    {"x": "dA = dZ B", "y": "dB = dZ A"},
    {"right": lambda x, y: y, "operands-exchanged": lambda x, y: x, "operand-missing": _one},
    {"right": lambda x, y: x, "operands-exchanged": lambda x, y: y, "operand-missing": _one},
    _slip("operands-exchanged", f"The wrong operand was taken: {OF_PRODUCT}", "x", "y"),
    _slip("operand-missing", f"The other operand is missing: {OF_PRODUCT}", "x", "y"),
)

DIVIDE = _pair(
    "divide",
    elementwise.divide,
    {"x": "dA = dZ / B", "y": "dB = -dZ A / B^2"},
    {"right": lambda x, y: 1 / y, "multiplied-instead-of-divided": lambda x, y: y, "operand-missing": _one},
    {
        "right": lambda x, y: -x / y**2,
        "square-missing": lambda x, y: -x / y,
        "operand-missing": lambda x, y: -1 / y**2,
        "derivative-of-another-function": lambda x, y: 1 / y,
    },
    _slip("multiplied-instead-of-divided", "dZ was multiplied with B: the derivative of A / B by A is 1 / B.", "x"),
    _slip("square-missing", "The square is missing: the derivative of A / B by B is -A / B^2.", "y"),
    _slip(
        "operand-missing",
        "An operand is missing: the derivatives of A / B are 1 / B by A, and -A / B^2 by B.",
        "x",
        "y",
    ),
    _slip("derivative-of-another-function", "1 / B is the derivative by A: that by B is -A / B^2.", "y"),
)


# Sum and mean of all entries


def reduction_gradient(
    is_mean: bool, dz: Any, inputs: Inputs, *, divided: bool | None = None, upstream: bool = True, spread: bool = True
) -> Any:
    """dZ for every entry, of a mean divided by their number.

    Args:
        divided: whether it is divided; None for what is right.
        upstream: dZ; else ones.
        spread: whether every entry gets it; else it stays a single number.
    """
    x = inputs["x"]
    dz = dz if upstream else ones_like(dz)
    share = dz / x.size if (is_mean if divided is None else divided) else dz
    return share + 0 * x if spread else np.asarray(share)


NOT_SPREAD = Mistake(
    "not-spread",
    "dZ kept its own shape: every entry has a gradient of its own, so dX has the shape of X.",
    ("x",),
    ({"spread": False},),
)

SUM = Operation(
    name="sum",
    function=reduction.sum,
    operands={"x": INPUT_NAMES},
    options={},
    defaults={},
    cases=SMOOTH,
    layouts=(Layout("a matrix"), Layout("a vector", {"x": 1})),
    rules={"x": partial(reduction_gradient, False)},
    formulas={"x": "dX = dZ for every entry"},
    mistakes=(
        NOT_SPREAD,
        Mistake(
            "divided-by-entries",
            "It was divided by the number of entries: a sum has no division in it.",
            ("x",),
            ({"divided": True},),
        ),
        upstream_missing({"upstream": False}, operands=("x",)),
    ),
)

MEAN = Operation(
    name="mean",
    function=reduction.mean,
    operands={"x": INPUT_NAMES},
    options={},
    defaults={},
    cases=SMOOTH,
    layouts=(Layout("a matrix"), Layout("a vector", {"x": 1})),
    rules={"x": partial(reduction_gradient, True)},
    formulas={"x": "dX = dZ divided by the number of entries, for every entry"},
    mistakes=(
        NOT_SPREAD,
        Mistake(
            "not-divided",
            "It was not divided by the number of entries: a mean has that division in it.",
            ("x",),
            ({"divided": False},),
        ),
        derivative_missing({"divided": False, "spread": False}, operands=("x",)),
        upstream_missing({"upstream": False}, operands=("x",)),
    ),
)

OPERATIONS = (*ADD, *SUBTRACT, *MULTIPLY, *DIVIDE, SUM, MEAN)

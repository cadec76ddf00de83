"""Activations and elementary functions, each with its slope and the slopes that are taken for it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_cnn.backend import is_object
from tinygrad_cnn.primitives import activations, elementwise
from tinygrad_cnn.verify.catalogue.entrywise import (
    KINKED,
    VALUE,
    At,
    Wrong,
    at_output,
    function_of_entries,
    of_input,
    two_sided,
)
from tinygrad_cnn.verify.catalogue.operation import Case, Mistake, Operation, Shape

SLOPE_NAMES = ("slope", "alpha", "leak", "negative_slope", "leakage", "c", "k")


def positive(shape: Shape, rng: np.random.Generator) -> Any:
    """Multiples of 1/4 that are positive and not 1, where a logarithm is 0 and a root its own square."""
    return rng.choice([m / 4 for m in range(1, 17) if m != 4], shape)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _masks(name: str, negative: Callable[[At], Any]) -> tuple[Wrong, ...]:
    """What goes wrong in the mask of a function that is x on the right of 0; `negative` is its slope on the left."""

    def of_x(at: At) -> Any:
        return two_sided(at.x, negative(at), 1, at.kink)

    def of_dz(at: At) -> Any:
        return two_sided(at.dz, negative(at), 1, at.kink)

    return (
        Wrong(
            "relu-mask-from-dz",
            f"The mask was made from dZ: {name} lets dZ through where its own input X is positive, whatever dZ's sign.",
            (of_dz,),
        ),
        Wrong(
            "relu-mask-from-dz-too",
            f"The mask was made from X and from dZ: {name} lets dZ through where its input X is positive, whatever "
            "dZ's sign.",
            (lambda at: of_dz(at) * of_x(at),),
        ),
        Wrong(
            "relu-mask-inverted",
            "The mask is inverted: dZ passes where X is positive, not where it is negative.",
            (lambda at: two_sided(at.x, 1, negative(at), {"left": "right", "right": "left"}.get(at.kink, at.kink)),),
        ),
    )


def _no_mask(explanation: str) -> tuple[Mistake, ...]:
    return (Mistake("relu-mask-missing", explanation, ("x",), ({"slope": "1"},)),)


RELU = function_of_entries(
    "relu",
    elementwise.relu,
    "dX = dZ where X > 0, else 0",
    lambda at: two_sided(at.x, 0, 1, at.kink),
    *_masks("relu", lambda at: 0),
    VALUE,
    own=_no_mask("The mask is missing: where X is negative, relu's output is constant, and nothing passes back."),
    cases=KINKED,
    conventions=("middle", "right"),
)


def _exact(number: Any, x: Any) -> Any:
    """A slope such as 0.01 as the decimal fraction that it shows, among fractions."""
    return Fraction(repr(number)) if isinstance(number, float) and is_object(x) else number


def _leaky_relu(x: Any, negative_slope: Any) -> Any:
    return activations.leaky_relu(x, _exact(negative_slope, x))


def _leak(at: At) -> Any:
    return _exact(at.options["negative_slope"], at.x)


def _leaky(slope: Fraction, name: str) -> Operation:
    """With the slope that a forward without the argument has inside."""
    return function_of_entries(
        name,
        _leaky_relu,
        "dX = dZ where X > 0, else the slope times dZ",
        lambda at: two_sided(at.x, _leak(at), 1, at.kink),
        *_masks("leaky relu", _leak),
        Wrong(
            "slope-forgotten",
            "Where X is negative nothing passed: there a leaky relu has its own slope, and lets that share of dZ "
            "through.",
            (lambda at: two_sided(at.x, 0, 1, at.kink),),
        ),
        VALUE,
        own=_no_mask("The mask is missing: where X is negative, dZ passes only times the slope."),
        options={"negative_slope": SLOPE_NAMES},
        defaults={"negative_slope": slope},
        cases=(
            *(Case(case.shapes, {"negative_slope": slope}, case.data) for case in KINKED),
            Case({"x": (1, 4)}, {"negative_slope": 0.25}),
            Case({"x": (3, 3)}, {"negative_slope": 0.25}, "ties"),
            Case({"x": (2, 3)}, {"negative_slope": 0.5}),
        ),
        conventions=("middle", "right"),
    )


LEAKY_RELU = _leaky(Fraction(1, 100), "leaky_relu")
LEAKIER = tuple(_leaky(Fraction(n, 10), f"leaky_relu, slope 0.{n}") for n in (1, 2, 3))

ELU = function_of_entries(
    "elu",
    activations.elu,
    "dX = dZ where X > 0, else dZ alpha e^X = dZ (Z + alpha)",
    lambda at: two_sided(at.x, at.options["alpha"] * np.exp(at.x), 1, at.kink),
    *_masks("elu", lambda at: at.options["alpha"] * np.exp(at.x)),
    Wrong(
        "slope-forgotten",
        "Where X is negative nothing passed: there the slope is alpha e^X.",
        (lambda at: two_sided(at.x, 0, 1, at.kink),),
    ),
    Wrong(
        "constant-forgotten",
        "Where X is negative the slope is alpha e^X = Z + alpha, and Z alone was taken.",
        (lambda at: two_sided(at.x, at.z, 1, at.kink),),
    ),
    Wrong(
        "alpha-forgotten",
        "Where X is negative the slope is alpha e^X, and alpha was left out.",
        (lambda at: two_sided(at.x, np.exp(at.x), 1, at.kink),),
    ),
    own=_no_mask("The mask is missing: where X is negative, dZ passes only times alpha e^X."),
    options={"alpha": ("a", "c", "k")},
    defaults={"alpha": 1.0},
    cases=(
        *KINKED,
        Case({"x": (1, 4)}, {"alpha": 0.5}),
        Case({"x": (3, 3)}, {"alpha": 0.5}, "ties"),
        Case({"x": (2, 3)}, {"alpha": 2.0}),
    ),
    conventions=("middle", "right"),
)

ABS = function_of_entries(
    "abs",
    elementwise.abs,
    "dX = dZ times the sign of X",
    lambda at: two_sided(at.x, -1, 1, at.kink),
    Wrong(
        "sign-from-dz",
        "The sign was taken of dZ: the derivative of |X| is the sign of X.",
        (lambda at: np.sign(at.dz),),
    ),
    Wrong(
        "relu-mask-instead-of-sign",
        "dZ was cut off where X is negative: there |X| falls, and its slope is -1, not 0.",
        (lambda at: two_sided(at.x, 0, 1, at.kink),),
    ),
    VALUE,
    cases=KINKED,
    kink="middle",
    conventions=("left", "right"),
)

SQUARE = function_of_entries(
    "square",
    elementwise.square,
    "dX = 2 X dZ",
    lambda at: 2 * at.x,
    at_output("2 X, not 2 Z", lambda at: 2 * at.z),
    VALUE,
    Wrong(
        "operand-missing",
        "X is missing: the derivative of X^2 is 2 X.",
        (lambda at: 2 + 0 * at.x,),
    ),
)

SIGMOID = function_of_entries(
    "sigmoid",
    elementwise.sigmoid,
    "dX = dZ Z (1 - Z)",
    lambda at: at.z * (1 - at.z),
    of_input("sigmoid' = Z (1 - Z), where Z = sigmoid(X)", lambda at: at.x * (1 - at.x)),
    at_output(
        "Z (1 - Z) has the sigmoid in it already, and it was applied to Z once more",
        lambda at: _sigmoid(at.z) * (1 - _sigmoid(at.z)),
    ),
    Wrong(
        "operand-missing",
        "A factor is missing: sigmoid' = Z (1 - Z), and Z was left out.",
        (lambda at: 1 - at.z,),
    ),
    Wrong(
        "derivative-of-another-function",
        "This is the derivative of tanh: that of sigmoid is Z (1 - Z).",
        (lambda at: 1 - at.z**2,),
    ),
    VALUE,
)

TANH = function_of_entries(
    "tanh",
    elementwise.tanh,
    "dX = dZ (1 - Z^2)",
    lambda at: 1 - at.z**2,
    of_input("tanh' = 1 - Z^2, where Z = tanh(X)", lambda at: 1 - at.x**2),
    at_output(
        "1 - Z^2 has the tanh in it already, and it was applied to Z once more", lambda at: 1 - np.tanh(at.z) ** 2
    ),
    Wrong(
        "square-missing",
        "The square is missing: tanh' = 1 - Z^2.",
        (lambda at: 1 - at.z,),
    ),
    Wrong(
        "derivative-of-another-function",
        "This is the derivative of the sigmoid: that of tanh is 1 - Z^2.",
        (lambda at: at.z * (1 - at.z),),
    ),
    VALUE,
)

SOFTPLUS = function_of_entries(
    "softplus",
    activations.softplus,
    "dX = dZ sigmoid(X)",
    lambda at: _sigmoid(at.x),
    at_output("sigmoid(X), not sigmoid(Z)", lambda at: _sigmoid(at.z)),
    Wrong(
        "exponent-negated",
        "The exponent has the wrong sign: softplus' = 1 / (1 + e^-X) = e^X / (1 + e^X).",
        (lambda at: _sigmoid(-at.x),),
    ),
    Wrong(
        "inner-derivative-missing",
        "The inner derivative is missing: log(1 + e^X) has 1 / (1 + e^X) times e^X.",
        (lambda at: np.exp(at.x),),
    ),
    VALUE,
)

SILU = function_of_entries(
    "silu",
    activations.silu,
    "dX = dZ (s + X s (1 - s)) with s = sigmoid(X)",
    lambda at: _sigmoid(at.x) * (1 + at.x * (1 - _sigmoid(at.x))),
    Wrong(
        "product-rule-term-missing",
        "A term of the product rule is missing: (X s)' = s + X s', with s = sigmoid(X).",
        (lambda at: _sigmoid(at.x), lambda at: at.x * _sigmoid(at.x) * (1 - _sigmoid(at.x))),
    ),
    VALUE,
)

EXP = function_of_entries(
    "exp",
    elementwise.exp,
    "dX = dZ Z, since the exponential is its own derivative",
    lambda at: at.z,
    of_input("exp' = Z = e^X", lambda at: at.x),
    at_output("e^X = Z, not e^Z", lambda at: np.exp(at.z)),
    Wrong(
        "power-rule-on-exponential",
        "The power rule was used: it is for X^n. The derivative of e^X is e^X.",
        (lambda at: at.x * np.exp(at.x - 1), lambda at: at.x * at.z),
    ),
)

LOG = function_of_entries(
    "log",
    elementwise.log,
    "dX = dZ / X",
    lambda at: 1 / at.x,
    at_output("1 / X, not 1 / Z", lambda at: 1 / at.z),
    Wrong(
        "multiplied-instead-of-divided",
        "dZ was multiplied with X: the derivative of log X is 1 / X.",
        (lambda at: at.x,),
    ),
    Wrong(
        "derivative-of-another-function",
        "dZ was divided by X^2: the derivative of log X is 1 / X; -1 / X^2 belongs to 1 / X.",
        (lambda at: 1 / at.x**2,),
    ),
    VALUE,
    draw=positive,
)

SQRT = function_of_entries(
    "sqrt",
    elementwise.sqrt,
    "dX = dZ / (2 Z)",
    lambda at: 1 / (2 * at.z),
    of_input("sqrt' = 1 / (2 Z), where Z = sqrt(X)", lambda at: 1 / (2 * at.x)),
    at_output("Z is sqrt(X) already, and the root of Z was taken once more", lambda at: 1 / (2 * np.sqrt(at.z))),
    Wrong(
        "multiplied-instead-of-divided",
        "dZ was multiplied with the root: the derivative of sqrt(X) is 1 / (2 sqrt(X)).",
        (lambda at: 2 * at.z, lambda at: at.z / 2),
    ),
    VALUE,
    draw=positive,
)

OPERATIONS = (RELU, LEAKY_RELU, *LEAKIER, ELU, ABS, SQUARE, SIGMOID, TANH, SOFTPLUS, SILU, EXP, LOG, SQRT)

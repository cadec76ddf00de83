"""The activations as a table: value and derivative in closed form by Python's `math`, kinks and limits."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import tinygrad_cnn as tg

INF = math.inf


class Case(NamedTuple):
    name: str
    options: dict[str, Any]
    value: Callable[[float], float]
    slope: Callable[[float], float]
    """Its derivative; at a kink PyTorch's, which is the convention here."""
    limits: tuple[float, float]
    """Values at minus infinity and infinity."""
    end_slopes: tuple[float, float]
    kinks: tuple[float, ...] = ()
    is_rational: bool = False
    """Whether fractions give fractions."""
    torch_options: dict[str, Any] | None = None
    """PyTorch's options where they differ."""

    def __call__(self, x):
        return getattr(tg, self.name)(x, **self.options)

    @property
    def label(self):
        return "-".join([self.name, *(f"{key}={value}" for key, value in self.options.items())])


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def softplus(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def sech2(x):
    """The derivative of tanh."""
    return 0.0 if abs(x) > 300 else 1 / math.cosh(x) ** 2


def normal(x):
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def below(x):
    """The probability that a standard normal number is below x."""
    return math.erfc(-x / math.sqrt(2)) / 2


C = math.sqrt(2 / math.pi)


def _u(x):
    return C * (x + 0.044715 * x**3)


def _elu(x, alpha=1.0, width=1.0):
    return x if x > 0 else alpha * math.expm1(x / width)


def _elu_slope(x, alpha=1.0, width=1.0):
    return 1.0 if x > 0 else alpha / width * math.exp(x / width)


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946

CASES = [
    Case(
        "leaky_relu", {}, lambda x: x if x > 0 else 0.01 * x, lambda x: 1.0 if x > 0 else 0.01,
        (-INF, INF), (0.01, 1), (0.0,),
    ),
    Case(
        "leaky_relu", {"negative_slope": 0.25}, lambda x: x if x > 0 else x / 4, lambda x: 1.0 if x > 0 else 0.25,
        (-INF, INF), (0.25, 1), (0.0,),
    ),
    Case("elu", {}, _elu, _elu_slope, (-1, INF), (0, 1), (0.0,)),
    Case(
        "elu", {"alpha": 0.5}, lambda x: _elu(x, 0.5), lambda x: _elu_slope(x, 0.5), (-0.5, INF), (0, 1), (0.0,)
    ),
    Case(
        "selu", {}, lambda x: SELU_SCALE * _elu(x, SELU_ALPHA), lambda x: SELU_SCALE * _elu_slope(x, SELU_ALPHA),
        (-SELU_SCALE * SELU_ALPHA, INF), (0, SELU_SCALE), (0.0,),
    ),
    Case("celu", {}, _elu, _elu_slope, (-1, INF), (0, 1), (0.0,)),
    Case(
        "celu", {"alpha": 0.75}, lambda x: _elu(x, 0.75, 0.75), lambda x: _elu_slope(x, 0.75, 0.75),
        (-0.75, INF), (0, 1), (0.0,),
    ),
    Case("erf", {}, math.erf, lambda x: 2 / math.sqrt(math.pi) * math.exp(-x * x), (-1, 1), (0, 0)),
    Case("gelu", {}, lambda x: x * below(x), lambda x: below(x) + x * normal(x), (0, INF), (0, 1)),
    Case(
        "gelu", {"approximate": "tanh"}, lambda x: x * sigmoid(2 * _u(x)),
        lambda x: sigmoid(2 * _u(x)) + x / 2 * sech2(_u(x)) * C * (1 + 3 * 0.044715 * x * x), (0, INF), (0, 1),
    ),
    Case("silu", {}, lambda x: x * sigmoid(x), lambda x: sigmoid(x) + x / 4 * sech2(x / 2), (0, INF), (0, 1)),
    Case("softplus", {}, softplus, sigmoid, (0, INF), (0, 1)),
    Case("softplus", {"beta": 2.0}, lambda x: softplus(2 * x) / 2, lambda x: sigmoid(2 * x), (0, INF), (0, 1)),
    Case(
        "mish", {}, lambda x: x * math.tanh(softplus(x)),
        lambda x: math.tanh(softplus(x)) + x * sech2(softplus(x)) * sigmoid(x), (0, INF), (0, 1),
    ),
    Case("logsigmoid", {}, lambda x: -softplus(-x), lambda x: sigmoid(-x), (-INF, 0), (1, 0)),
    Case(
        "softsign", {}, lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2, (-1, 1), (0, 0),
        is_rational=True,
    ),
    Case("tanhshrink", {}, lambda x: x - math.tanh(x), lambda x: math.tanh(x) ** 2, (-INF, INF), (1, 1)),
    Case(
        "hardtanh", {}, lambda x: min(max(x, -1.0), 1.0), lambda x: float(-1 < x < 1), (-1, 1), (0, 0),
        (-1.0, 1.0), True,
    ),
    Case(
        "hardtanh", {"min_val": -0.5, "max_val": 2.0}, lambda x: min(max(x, -0.5), 2.0), lambda x: float(-0.5 < x < 2),
        (-0.5, 2), (0, 0), (-0.5, 2.0),
    ),
    Case("relu6", {}, lambda x: min(max(x, 0.0), 6.0), lambda x: float(0 < x < 6), (0, 6), (0, 0), (0.0, 6.0), True),
    Case(
        "hardsigmoid", {}, lambda x: min(max(x + 3, 0.0), 6.0) / 6, lambda x: 1 / 6 if -3 < x < 3 else 0.0,
        (0, 1), (0, 0), (-3.0, 3.0), True,
    ),
    Case(
        "hardswish", {}, lambda x: x * min(max(x + 3, 0.0), 6.0) / 6,
        lambda x: 0.0 if x <= -3 else 1.0 if x >= 3 else (2 * x + 3) / 6, (0, INF), (0, 1), (-3.0, 3.0), True,
    ),
]  # fmt: skip

POINTS = [-9.0, -6.0, -3.0, -2.0, -1.0, -0.5, -0.25, -1e-3, 0.0, 1e-3, 0.25, 0.75, 1.0, 2.0, 3.0, 5.5, 6.0, 9.0]

by_case = pytest.mark.parametrize("case", CASES, ids=[case.label for case in CASES])

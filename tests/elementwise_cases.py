"""The differentiable NumPy set as a table: each function's value and derivatives in closed form, by Python's `math`."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import tinygrad_cnn as tg


class Case(NamedTuple):
    name: str
    """The function's name here and in NumPy."""
    value: Callable[..., float]
    slopes: tuple[Callable[..., float], ...]
    """The derivative by each operand."""
    points: tuple[Any, ...]
    """Numbers, or pairs of them, inside the domain and away from kinks."""
    torch: str | None = None
    """PyTorch's name where it is another; "" where PyTorch lacks the function."""

    def __call__(self, *operands):
        return getattr(tg, self.name)(*operands)

    @property
    def of_torch(self):
        return self.name if self.torch is None else self.torch


WIDE = (-7.5, -2.0, -0.75, -1e-3, 0.0, 1e-3, 0.5, 1.0, 3.25, 9.0)
INSIDE = (-0.96875, -0.5, -1e-3, 0.0, 0.25, 0.75, 0.96875)
POSITIVE = (1e-3, 0.25, 0.75, 1.0, 3.25, 900.0)
PAIRS = ((3.0, 4.0), (-3.0, 0.5), (0.25, -2.0), (-1.5, -1.5), (0.0, 2.0), (1.0, 0.0), (0.0, -2.5))

UNARY = [
    Case("sin", math.sin, (math.cos,), WIDE),
    Case("cos", math.cos, (lambda x: -math.sin(x),), WIDE),
    Case("tan", math.tan, (lambda x: 1 / math.cos(x) ** 2,), (-7.5, -2.0, -0.75, 0.0, 0.5, 1.25, 9.0)),
    Case("arcsin", math.asin, (lambda x: 1 / math.sqrt(1 - x * x),), INSIDE),
    Case("arccos", math.acos, (lambda x: -1 / math.sqrt(1 - x * x),), INSIDE),
    Case("arctan", math.atan, (lambda x: 1 / (1 + x * x),), (*WIDE, -200.0, 200.0)),
    Case("sinh", math.sinh, (math.cosh,), WIDE),
    Case("cosh", math.cosh, (math.sinh,), WIDE),
    Case("tanh", math.tanh, (lambda x: 1 / math.cosh(x) ** 2,), (-2.0, -0.75, -1e-3, 0.0, 0.5, 1.0)),
    Case("arcsinh", math.asinh, (lambda x: 1 / math.sqrt(1 + x * x),), (*WIDE, -200.0, 200.0)),
    Case("arccosh", math.acosh, (lambda x: 1 / math.sqrt(x * x - 1),), (1.0625, 1.5, 3.25, 200.0)),
    Case("arctanh", math.atanh, (lambda x: 1 / (1 - x * x),), INSIDE),
    Case("exp", math.exp, (math.exp,), WIDE),
    Case("exp2", math.exp2, (lambda x: math.exp2(x) * math.log(2),), WIDE),
    Case("expm1", math.expm1, (math.exp,), WIDE),
    Case("log", math.log, (lambda x: 1 / x,), POSITIVE),
    Case("log2", math.log2, (lambda x: 1 / x / math.log(2),), POSITIVE),
    Case("log10", math.log10, (lambda x: 1 / x / math.log(10),), POSITIVE),
    Case("log1p", math.log1p, (lambda x: 1 / (1 + x),), (-0.75, -1e-3, 0.0, 1e-3, 2.0, 900.0)),
    Case("sqrt", math.sqrt, (lambda x: 0.5 / math.sqrt(x),), POSITIVE),
    Case("cbrt", math.cbrt, (lambda x: 1 / (3 * math.cbrt(x) ** 2),), (*POSITIVE, -0.25, -8.0), ""),
    Case("square", lambda x: x * x, (lambda x: 2 * x,), WIDE),
    Case("reciprocal", lambda x: 1 / x, (lambda x: -1 / (x * x),), (-8.0, -0.5, 0.25, 1.0, 3.0)),
    Case("absolute", abs, (lambda x: math.copysign(1, x),), (-7.5, -1e-3, 1e-3, 3.25)),
]


def _log_of_sum(x, y):
    return max(x, y) + math.log1p(math.exp(-abs(x - y)))


BINARY = [
    Case(
        "arctan2",
        math.atan2,
        (lambda y, x: x / (x * x + y * y), lambda y, x: -y / (x * x + y * y)),
        (*PAIRS[:4], (2.5, 0.0), (0.0, 1.0), (-1.0, 0.0)),
    ),
    Case(
        "hypot",
        math.hypot,
        (lambda x, y: x / math.hypot(x, y), lambda x, y: y / math.hypot(x, y)),
        PAIRS,
    ),
    Case(
        "logaddexp",
        _log_of_sum,
        (lambda x, y: 1 / (1 + math.exp(y - x)), lambda x, y: 1 / (1 + math.exp(x - y))),
        (*PAIRS, (9.0, -8.0)),
    ),
    Case("maximum", max, (lambda x, y: float(x > y), lambda x, y: float(x < y)), ((3.0, 4.0), (0.5, -2.0))),
    Case("minimum", min, (lambda x, y: float(x < y), lambda x, y: float(x > y)), ((3.0, 4.0), (0.5, -2.0))),
    Case(
        "remainder",
        lambda x, y: x % y,
        (lambda x, y: 1.0, lambda x, y: -float(x // y)),
        ((7.5, 2.0), (-7.5, 2.0), (7.5, -2.0), (-7.5, -2.0), (0.25, 3.0)),
    ),
    Case(
        "fmod",
        math.fmod,
        (lambda x, y: 1.0, lambda x, y: -float(math.trunc(x / y))),
        ((7.5, 2.0), (-7.5, 2.0), (7.5, -2.0), (-7.5, -2.0), (0.25, 3.0)),
    ),
]


def by_name(cases):
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])

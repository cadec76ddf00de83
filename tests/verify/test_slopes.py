"""The slope along a line by differences: what it settles at, on numbers whose derivatives are known."""

import math

import numpy as np
import pytest

from tinygrad_cnn.verify.slopes import by_differences

EPS = 2.0**-52


def slope_of(function, at, scale=None, eps=EPS):
    value, scale = function(at), scale or abs(at) or 1.0
    derivative = (function(at + 1e-3 * scale) - function(at - 1e-3 * scale)) / 2e-3
    rounding = abs(value) + abs(derivative)
    return by_differences(
        lambda t: np.array([function(at + t * scale) - value]), rounding, eps, abs(derivative), scale
    )


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (math.sin, math.cos),
        (math.exp, math.exp),
        (lambda x: x**3, lambda x: 3 * x * x),
        (lambda x: max(x, 0.0) ** 3, lambda x: 3 * max(x, 0.0) ** 2),
        (lambda x: abs(x) ** 1.5, lambda x: 1.5 * math.copysign(abs(x) ** 0.5, x) if x else 0),
        (lambda x: 3.0, lambda x: 0.0),
        (abs, lambda x: math.copysign(1, x)),
        (lambda x: 1 / (x - 0.5), lambda x: -1 / (x - 0.5) ** 2),
    ],
)
@pytest.mark.parametrize("at", [1.0, -2.0, 0.3, 1e-4, -1e-9])
def test_smooth(function, derivative, at):
    slope = slope_of(function, at)
    assert slope.kind == "smooth"
    assert slope.below == slope.above == slope.middle
    expected = derivative(at) * abs(at)
    assert abs(slope.middle - expected) <= slope.uncertainty + 1e-6 * abs(expected)
    assert slope.uncertainty <= 1e-4 * max(abs(expected), abs(at) * abs(function(at)), 1e-12)


@pytest.mark.parametrize("function", [lambda x: x**3, lambda x: max(x, 0.0) ** 2, lambda x: abs(x) ** 1.5, math.cos])
def test_smooth_where_the_slope_is_0(function):
    slope = slope_of(function, 0.0)
    assert slope.kind == "smooth"
    assert abs(slope.middle) <= slope.uncertainty <= 1e-4


@pytest.mark.parametrize(
    ("function", "below", "above"),
    [
        (abs, -1, 1),
        (lambda x: max(x, 0.0), 0, 1),
        (lambda x: min(3 * x, -2 * x), 3, -2),
        (lambda x: abs(x) + math.sin(x) + x * x, 0, 2),
        (lambda x: 1000 + max(x, 0.0), 0, 1),
    ],
)
def test_kink(function, below, above):
    slope = slope_of(function, 0.0)
    assert slope.kind == "kink"
    assert slope.below == pytest.approx(below, abs=1e-4)
    assert slope.above == pytest.approx(above, abs=1e-4)
    assert (slope.low, slope.high) == (min(slope.below, slope.above), max(slope.below, slope.above))
    assert slope.middle == pytest.approx((below + above) / 2, abs=1e-4)


def test_outputs_of_opposite_kinks():
    """|t| - 2 |t| + 3 max(t, 0): the sum goes from slope 1 to 2, its subgradients from -3 to 6."""
    slope = by_differences(lambda t: np.array([abs(t), -2 * abs(t), 3 * max(t, 0)]), 0.0, EPS, 1.0, 1.0)
    assert (slope.kind, slope.below, slope.above) == ("kink", pytest.approx(1), pytest.approx(2))
    assert (slope.low, slope.high) == (pytest.approx(-3), pytest.approx(6))


def test_outputs_whose_kinks_cancel():
    slope = by_differences(lambda t: np.array([max(t, 0), -max(-t, 0)]), 0.0, EPS, 1.0, 1.0)
    assert (slope.kind, slope.below, slope.above) == ("kink", pytest.approx(1), pytest.approx(1))
    assert (slope.low, slope.high) == (pytest.approx(0), pytest.approx(2))


@pytest.mark.parametrize("distance", [1e-3, 1e-6, 1e-7, 1e-8, -1e-6, -1e-8])
def test_kink_nearby_is_none(distance):
    slope = slope_of(lambda x: abs(x - 1 - distance), 1.0)
    assert slope.kind == "smooth"
    assert slope.middle == pytest.approx(-math.copysign(1, distance), rel=1e-4)


@pytest.mark.parametrize("distance", [1e-9, -1e-9, 3e-10, 1e-11, -1e-12, 1e-15, -1e-16])
def test_kink_too_near_to_tell_is_one(distance):
    slope = slope_of(lambda x: abs(x - 1 - distance), 1.0)
    assert slope.kind == "kink"
    assert slope.below == pytest.approx(-1, abs=1e-2)
    assert slope.above == pytest.approx(1, abs=1e-2)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: 1.0 if x > 0 else 0.0,
        lambda x: math.copysign(abs(x) ** 0.5, x),
        lambda x: abs(x) ** 0.5,
        lambda x: math.nan if x < 0 else x,
        lambda x: math.inf if x else 0.0,
    ],
)
def test_no_slope(function):
    value = function(0.0)
    slope = by_differences(lambda t: np.array([function(t) - value]), abs(value), EPS, 1.0, 1.0)
    assert slope.kind == "unsettled"


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e-6, 1.0, 1e6, 1e30])
def test_scales(scale):
    for function in (lambda t: (1 + t) ** 3 - 1, lambda t: max(1 + t, 0) - 1):
        slope = by_differences(lambda t, function=function: np.array([function(t)]), 1.0, EPS, 1.0, scale)
        assert slope.kind == "smooth"
        assert slope.middle == pytest.approx(function(1e-7) / 1e-7, rel=1e-6)


@pytest.mark.parametrize("offset", [1.0, 1e4, 1e8])
def test_step_grows_where_rounding_drowns_the_slope(offset):
    slope = slope_of(lambda x: offset + math.sin(x), 1e-5)
    assert slope.kind == "smooth"
    assert abs(slope.middle / 1e-5 - 1) <= slope.uncertainty / 1e-5 + 1e-6
    assert slope.uncertainty / 1e-5 < 0.1


def test_single_precision():
    def sine(x):
        return round(math.sin(x) * 2**24) / 2**24

    slope = by_differences(lambda t: np.array([sine(1 + t) - sine(1)]), 1, 2**-23, 1, 1)
    assert slope.kind == "smooth"
    assert abs(slope.middle - math.cos(1)) <= slope.uncertainty + 5e-3 < 2e-2

"""At a kink every gradient between the one-sided ones is right, whatever the forward's own convention is."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.verify.rules import right_layers, right_pooling, student_forwards, wrong_elementwise, wrong_max_pool2d

TIED = [
    {"X": np.array([[1, 1], [1, 1]]), "size": 2, "stride": 1},
    {"X": np.array([[0, 2, 2], [2, 2, 1], [2, 0, 0]]), "size": 2, "stride": 1},
    {"X": np.array([[-1, -1, -3, -2], [-4, -1, -2, -2]]), "size": 2, "stride": 2},
]
AT_ZERO = [{"X": np.array([[0, 1], [-1, 0]])}, {"X": np.zeros((2, 3))}]

POOLINGS = [
    right_pooling.max_pool,
    student_forwards.pool_if,
    student_forwards.pool_from_infinity,
    student_forwards.pool_argmax,
    student_forwards.pool_sorted,
]
WINNERS = [
    right_pooling.first_by_argmax,
    right_pooling.last_by_comparing,
    right_pooling.split_among_ties,
    right_pooling.sorted_winner,
]
RELUS = [
    right_layers.relu,
    student_forwards.relu_if,
    student_forwards.relu_early_return,
    student_forwards.relu_where,
    student_forwards.relu_masked,
    student_forwards.relu_product,
    student_forwards.relu_clipped,
    student_forwards.relu_absolute,
]
SLOPES = [right_layers.mask, right_layers.mask_with_zero, right_layers.half_at_zero]


def slope_of_two_at_zero(dZ, X):
    return np.where(X == 0, 2 * dZ, dZ * (X > 0))


def negative_slope_at_zero(dZ, X):
    return np.where(X == 0, -dZ, dZ * (X > 0))


@pytest.mark.parametrize("forward", POOLINGS)
@pytest.mark.parametrize("rule", WINNERS)
def test_any_winner_may_have_the_gradient(forward, rule):
    report = tg.verify.check_rule(forward, {"X": rule}, cases=TIED)
    assert report.passed, str(report)


@pytest.mark.parametrize("forward", POOLINGS)
@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (wrong_max_pool2d.to_every_tie, "gradient-to-every-tie"),
        (wrong_max_pool2d.to_the_smallest, "gradient-to-wrong-winner"),
        (wrong_max_pool2d.as_an_average, "spread-like-an-average"),
    ],
)
def test_what_no_winner_may_have(forward, rule, name):
    report = tg.verify.check_rule(forward, {"X": rule}, cases=TIED[1:])
    assert not report["X"].passed
    assert report["X"].diagnosis.name == name


@pytest.mark.parametrize("forward", RELUS)
@pytest.mark.parametrize("rule", SLOPES)
def test_any_slope_from_0_to_1_is_right_at_0(forward, rule):
    report = tg.verify.check_rule(forward, {"X": rule}, cases=AT_ZERO)
    assert report.passed, str(report)


@pytest.mark.parametrize("forward", RELUS)
@pytest.mark.parametrize("rule", [slope_of_two_at_zero, negative_slope_at_zero, wrong_elementwise.inverted_mask])
def test_another_slope_is_wrong_at_0(forward, rule):
    assert not tg.verify.check_rule(forward, {"X": rule}, cases=AT_ZERO)

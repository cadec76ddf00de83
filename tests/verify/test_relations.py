"""What two arrays tell by themselves, and that nothing is told that any array would fit."""

from fractions import Fraction

import numpy as np
import pytest

from tests.operands import fractions
from tinygrad_cnn.verify.relations import agrees, is_cut_off, relations

E = np.array([[Fraction(n) for n in row] for row in [[1, 2, 3], [4, 5, 6], [7, 8, 10]]], dtype=object)
SYMMETRIC = np.array([[1, 2, 3], [2, 4, 5], [3, 5, 6]], dtype=object)


def exactly(array):
    return np.asarray(np.frompyfunc(Fraction, 1, 1)(np.asarray(array, dtype=object)), dtype=object)


def names(expected, actual, allowed=0):
    return [relation.name for relation in relations(exactly(expected), exactly(actual), allowed)]


def words(expected, actual, allowed=0):
    return [relation.explanation for relation in relations(exactly(expected), exactly(actual), allowed)]


@pytest.mark.parametrize(
    ("actual", "explanation"),
    [
        (-E, "every entry has the wrong sign"),
        (2 * E, "every entry is the expected one times 2"),
        (E / 4, "every entry is the expected one times 1/4"),
        (E * Fraction(-2, 3), "every entry is the expected one times -2/3"),
        (0 * E, "every entry is 0"),
        (E + 3, "every entry is too large by 3"),
        (E - Fraction(1, 2), "every entry is too small by 1/2"),
        (E.T, "it is the expected one transposed"),
        (E[::-1, ::-1], "it is the expected one rotated by 180 degrees"),
        (E[::-1], "it is the expected one flipped upside down"),
        (E[:, ::-1], "it is the expected one flipped from left to right"),
        (np.rot90(E), "it is the expected one rotated by 90 degrees"),
        (np.rot90(E, -1), "it is the expected one rotated by 90 degrees clockwise"),
        (np.rot90(E.T, 2), "it is the expected one mirrored at the other diagonal"),
        (-E.T, "it is the expected one transposed, with the wrong sign"),
        (3 * E[::-1, ::-1], "it is the expected one rotated by 180 degrees, times 3"),
        (np.roll(E, 1, 0), "it is off by one: the expected entries stand one row down"),
        (np.roll(E, -1, 0), "it is off by one: the expected entries stand one row up"),
        (np.roll(E, 1, 1), "it is off by one: the expected entries stand one column to the right"),
        (np.roll(E, -1, 1), "it is off by one: the expected entries stand one column to the left"),
        (
            np.roll(E, (1, 1), (0, 1)),
            "it is off by one: the expected entries stand one row down and one column to the right",
        ),
        (
            np.roll(E, (1, -1), (0, 1)),
            "it is off by one: the expected entries stand one row down and one column to the left",
        ),
        (E * np.where(E > 5, -1, 1), "right but for the sign of 4 of 9 entries"),
        (np.array([[7, 8, 10], [1, 2, 3], [6, 5, 4]]), "these are the expected numbers in another order"),
        (E + [[0], [5], [0]] * (E > 4), "the wrong entries are all in row 1, counted from 0"),
        (E + [1, 0, 0] * (E > 2), "the wrong entries are all in column 0, counted from 0"),
    ],
)
def test_arrays_of_one_shape(actual, explanation):
    assert words(E, actual) == [explanation]


@pytest.mark.parametrize(
    ("expected", "actual", "explanation"),
    [
        (E, E[None, :, :, None], "the numbers are right, but for axes of length 1"),
        (E[None], E.T, "it is the expected one transposed"),
        (E, E.ravel(), "these are the right numbers in the right order, in another shape"),
        (E[:2], E[:2].reshape(3, 2), "these are the right numbers in the right order, in another shape"),
        (E[:2], E[:2].T, "it is the expected one transposed"),
        (E[:2], np.rot90(E[:2]), "it is the expected one rotated by 90 degrees"),
        (E, np.pad(E, 1), "the expected one is its part [1:4, 1:4]"),
        (E, np.pad(E, ((0, 1), (0, 0))), "the expected one is its part [0:3, 0:3]"),
        (E, E[:2], "it is the part [0:2, 0:3] of the expected one"),
        (E, E[1:, 1:], "it is the part [1:3, 1:3] of the expected one"),
        (E[::2, ::2], E, "every second row and column of it is the expected one: a stride left out"),
        ([1, 2, 3], [2, 3], "it is the part [1:3] of the expected one"),
        ([1, 3], [1, 2, 3], "every second row and column of it is the expected one: a stride left out"),
    ],
)
def test_arrays_of_different_shapes(expected, actual, explanation):
    assert words(expected, actual) == [explanation]


def test_batches_are_transposed_matrix_by_matrix():
    x = fractions((2, 3, 4, 4), 0)
    assert words(x, x.swapaxes(-1, -2)) == ["it is the expected one transposed"]
    assert words(x, x[..., ::-1, ::-1]) == ["it is the expected one rotated by 180 degrees"]
    wrong = x.copy()
    wrong[1] += fractions((3, 4, 4), 1)
    assert words(x, wrong) == ["the wrong entries are all at index 1 of axis 0, counted from 0"]


def test_border():
    x = fractions((5, 5), 0)
    wrong = np.where(np.pad(np.zeros((3, 3)), 1, constant_values=1) == 1, 0, x)
    assert words(x, wrong) == ["right in the interior, wrong on the border"]
    wrong = x.copy()
    wrong[2, 2] += 1
    wrong[0, 0] += 1
    assert words(x, wrong) == []


def test_the_several_names_of_one_relation():
    """A matrix that is symmetric to both diagonals: rotating is flipping."""
    x = [[1, 2, 1], [3, 4, 3], [7, 8, 7]]
    assert words(x, np.array(x)[::-1]) == ["it is the expected one rotated by 180 degrees or flipped upside down"]


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (SYMMETRIC, SYMMETRIC + np.diag([0, 7, 0]) + np.eye(3, k=2, dtype=int)),
        ([[5]], [[7]]),
        (5, 7),
        (5, 10),
        ([5], [10]),
        ([0, 5, 0], [0, 10, 0]),
        ([1, 2], [5, 3]),
        ([[1, 1], [1, 1]], [[1, 1], [1, 2]]),
        ([[2, 2], [2, 2]], [[2, 2]]),
        ([], []),
        (np.zeros((0, 3)), np.zeros((3, 0))),
        (E, fractions((3, 3), 5)),
        (E, fractions((2, 3, 2), 5)),
        (E, []),
    ],
)
def test_nothing_where_nothing_can_be_said(expected, actual):
    assert names(expected, actual) == []


def test_single_numbers():
    assert words(5, -5) == ["it has the wrong sign"]
    assert words([[5]], [[-5]]) == ["it has the wrong sign"]
    assert words(5, 0) == ["it is 0"]
    assert words(Fraction(17, 3), 6) == ["right but rounded to integers"]


def test_vectors():
    assert words([1, 2, 3], [3, 2, 1]) == ["it is the expected one in reverse order"]
    assert words([1, 2, 3], [3, 1, 2]) == ["these are the expected numbers in another order"]


# Rounding


@pytest.mark.parametrize(
    ("actual", "explanation"),
    [
        ([0, 1, -2], "right but rounded to integers"),
        ([Fraction(3, 10), Fraction(7, 10), Fraction(-17, 10)], "right but rounded to 1 digit after the point"),
        (
            [Fraction(333, 1000), Fraction(667, 1000), Fraction(-1667, 1000)],
            "right but rounded to 3 digits after the point",
        ),
        ([0, 0, -1], "right but cut off to integers, where rounding would give others"),
        (
            [Fraction(33, 100), Fraction(66, 100), Fraction(-166, 100)],
            "right but cut off to 2 digits after the point, where rounding would give others",
        ),
    ],
)
def test_rounding(actual, explanation):
    assert words([Fraction(1, 3), Fraction(2, 3), Fraction(-5, 3)], actual) == [explanation]


def test_cut_off():
    e = exactly([Fraction(2, 3), Fraction(-2, 3), 1])
    tenth = Fraction(1, 10)
    assert is_cut_off(e, exactly([Fraction(6, 10), Fraction(-6, 10), 1]), tenth)
    assert not is_cut_off(e, exactly([Fraction(7, 10), Fraction(-6, 10), 1]), tenth)
    assert not is_cut_off(e, exactly([Fraction(5, 10), Fraction(-6, 10), 1]), tenth)
    assert not is_cut_off(e, exactly([Fraction(-6, 10), Fraction(-6, 10), 1]), tenth)


@pytest.mark.parametrize(
    "route", [lambda e: e.T, lambda e: 2 * e[::-1, ::-1], lambda e: -e, lambda e: e / 3, lambda e: e + 2]
)
def test_relations_hold_but_for_rounding(route):
    """A relation between decimals is recognised when every digit shown fits it."""
    unit = Fraction(1, 100)
    e = E / 7
    shown = np.frompyfunc(lambda value: round(value / unit) * unit, 1, 1)(route(e))
    (found,) = names(e, shown, unit / 2)
    (exact,) = names(e, route(e))
    assert found == exact
    shown[1, 1] += 3 * unit
    assert exact not in names(e, shown, unit / 2)


def test_nothing_is_said_of_very_large_arrays():
    x = fractions((101, 100), 0)
    assert names(x, -x) == []
    assert names(x[:100], -x[:100]) == ["sign"]


@pytest.mark.parametrize("seed", range(60))
def test_any_two_arrays(seed):
    """Whatever comes: no error, no relation of arrays that are equal, and what is named holds both ways of asking."""
    rng = np.random.default_rng(seed)
    shapes = [(), (1,), (3,), (2, 2), (3, 2), (1, 4), (2, 3, 3), (1, 1, 2, 2), (0, 2), (4, 4)]
    e, a = (exactly(rng.integers(-1, 2, shapes[rng.integers(len(shapes))])) for _ in range(2))
    allowed = Fraction(int(rng.integers(0, 2)), 4)
    for relation in relations(e, a, allowed):
        assert relation.name
        assert relation.explanation
    if e.size > 1:
        assert "transposed" not in names(e, e + rng.integers(5, 9))


def test_agreement():
    assert agrees(E, E.copy(), 0)
    assert not agrees(E, E[None], 0)
    assert agrees(E, E + 1, 1)
    assert not agrees(E, E + 1, np.where(E == 5, 0, 1))

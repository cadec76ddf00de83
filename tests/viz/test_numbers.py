"""Numbers in pictures: exact where short, and never a rounded one that looks exact."""

from fractions import Fraction

import numpy as np
import pytest

from tinygrad_cnn.viz.graph.numbers import GRID, LONGEST, grid, number, statistics


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0, "0"),
        (-7, "-7"),
        (True, "True"),
        (np.False_, "False"),
        (np.int8(-128), "-128"),
        (2**63 - 1, "9223372036854775807"),
        (10**20, "≈1e20"),
        (Fraction(-7, 3), "-7/3"),
        (Fraction(4, 2), "2"),
        (Fraction(1, 3**50), "≈1.393e-24"),
        (0.0, "0"),
        (-0.0, "0"),
        (2.0, "2"),
        (-2.5, "-2.5"),
        (2 / 3, "0.6667"),
        (1.00001, "1.000"),
        (0.99999, "1.000"),
        (999.96, "1000.0"),
        (1234.56, "1234.6"),
        (999999.0, "999999"),
        (1234567.0, "1.235e6"),
        (1e-7, "1e-7"),
        (1.5e-300, "1.5e-300"),
        (5e-324, "5e-324"),
        (np.float32(0.1), "0.1"),
        (np.float16(0.1), "0.1"),
        (np.float16(65504), "65504"),
        (0.1 + 0.2, "0.3000"),
        (float("inf"), "inf"),
        (float("-inf"), "-inf"),
        (np.float32("nan"), "nan"),
        (1 + 2j, "1+2j"),
    ],
)
def test_numbers(x, text):
    assert number(x) == text


def test_an_integer_larger_than_every_float_and_text():
    assert number(-(10**5000)) == "≈-1e5000"
    assert number(Fraction(10**5000, 3)) == "≈3.333e4999"


def test_fewer_digits():
    texts = [number(x, 3) for x in (117.98, 2949.5, 0.123456, 0.25, 9.996)]
    assert texts == ["118.0", "2949.5", "0.123", "0.25", "10.0"]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_float_reads_back_as_what_its_text_says(dtype):
    for x in np.random.default_rng(0).normal(size=200).astype(dtype):
        text = number(x)
        assert float(text) == pytest.approx(float(x), rel=5.1e-4)
        is_exact = len(text.lstrip("-0.").replace(".", "")) < 4
        assert not is_exact or dtype(text) == x


def test_other_objects_are_cut():
    class Long:
        def __str__(self):
            return "x" * 100

    assert number(Long()) == "x" * (LONGEST - 1) + "…"


def test_a_kernel_is_written_row_by_row():
    assert grid(np.array([[1.0, 2.0], [3.0, 4.5]]).reshape(1, 1, 2, 2)) == [["1", "2"], ["3", "4.5"]]
    assert grid(np.array([1, 2, 3])) == [["1", "2", "3"]]
    assert grid(np.float64(2)) == grid(2) == [["2"]]
    assert grid(np.array([Fraction(1, 2)], dtype=object)) == [["1/2"]]


@pytest.mark.parametrize("shape", [(GRID + 1,), (1, GRID + 1), (GRID + 1, 1), (2, 2, 2), (2, 1, 3), (0,), (1, 1, 0, 3)])
def test_what_is_not_written_out(shape):
    assert grid(np.ones(shape)) is None


def test_the_largest_that_is_written_out():
    assert grid(np.ones((1, GRID, GRID))) == [["1"] * GRID] * GRID


def test_statistics_of_what_is_finite():
    found = statistics(np.array([[1.0, np.nan], [np.inf, 4.0]], np.float32))
    assert (found.minimum, found.mean, found.maximum, found.not_finite, found.size) == (1, 2.5, 4, 2, 4)
    nothing = statistics(np.array([np.nan, np.inf]))
    assert (nothing.minimum, nothing.not_finite, nothing.size) == (None, 2, 2)
    assert statistics(np.ones((0, 3))).size == 0


def test_statistics_are_exact_for_fractions():
    found = statistics(np.array([Fraction(1, 3), Fraction(2), Fraction(-1)], dtype=object))
    assert (found.minimum, found.mean, found.maximum) == (-1, Fraction(4, 9), 2)


def test_statistics_do_not_overflow():
    assert statistics(np.full(9, 6e4, np.float16)).mean == np.float16(6e4)
    assert statistics(np.array([127, 127], np.int8)).mean == 127
    assert statistics(np.array([True, False, False, False])).mean == 0.25


def test_what_has_no_order_has_no_statistics():
    sympy = pytest.importorskip("sympy")
    assert statistics(np.array(sympy.symbols("a b c"), dtype=object)) is None
    assert statistics(np.array([1j, 2])) is None

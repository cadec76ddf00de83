"""Sums by products with ones against exact sums, over every set of axes, in every memory order."""

from itertools import chain, combinations

import numpy as np
import pytest

from tests.operands import integers, layouts, normals, specials
from tinygrad_cnn.kernels import blocks, sums

SHAPES = [(4, 3, 5, 6), (2, 16, 4, 4), (1, 3, 7, 1), (3, 1, 2, 2), (2, 0, 3, 3), (40,), (6, 7)]
layout = pytest.mark.parametrize("layout", ["plain", *layouts(np.zeros((1, 1)))])


def subsets(ndim):
    return chain.from_iterable(combinations(range(ndim), n) for n in range(ndim + 1))


def arranged(array, layout):
    return array if layout == "plain" or array.ndim < 2 else layouts(array)[layout]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(blocks, "LARGE", 1)


@layout
@pytest.mark.parametrize("most", [2, 8, 4096])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
@pytest.mark.parametrize("shape", SHAPES)
def test_sums_are_exact_on_integers(shape, dtype, most, layout, monkeypatch):
    monkeypatch.setattr(sums, "MOST", most)
    x = arranged(integers(shape, 1, dtype), layout)
    for axis in subsets(len(shape)):
        for keepdims in (False, True):
            z, expected = sums.sum(x, axis, keepdims), x.sum(axis=axis, keepdims=keepdims)
            assert z.dtype == expected.dtype
            assert z.shape == expected.shape
            np.testing.assert_array_equal(z, expected)


PARTS = {
    "channels": (Ellipsis, slice(8, 40)),
    "one channel": (Ellipsis, slice(3, 4)),
    "every second channel": (Ellipsis, slice(None, None, 2)),
    "rows": (slice(None), slice(1, 4)),
    "pixels": (slice(None), slice(None), slice(1, 3)),
    "backward": (slice(None), slice(None, None, -1)),
    "channels backward": (Ellipsis, slice(None, None, -1)),
}


@pytest.mark.parametrize("part", PARTS)
def test_sums_of_a_part_of_an_array(part):
    whole = integers((3, 5, 4, 48), 1, np.float32)
    repeated = [np.broadcast_to(whole[:1], whole.shape), np.broadcast_to(whole[..., :1], whole.shape)]
    for x in (whole[PARTS[part]], whole[PARTS[part]].transpose(0, 3, 1, 2), *repeated):
        for axis in subsets(4):
            np.testing.assert_array_equal(sums.sum(x, axis), x.sum(axis=axis))


@layout
def test_nan_and_infinity_stay_in_their_sums(layout):
    x = arranged(specials((8, 3, 5, 6), 1), layout)
    for axis in subsets(4):
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(sums.sum(x, axis), x.sum(axis=axis))


@layout
def test_sums_of_many_are_precise(layout):
    x = arranged(normals((8, 16, 32, 32), 1, np.float32) + np.float32(100), layout)
    for axis in subsets(4):
        exact = x.astype(np.float64).sum(axis=axis)
        np.testing.assert_allclose(sums.sum(x, axis), exact, rtol=5e-6)


def test_a_long_sum_of_equal_numbers_does_not_drift():
    """Added one after the other in single precision, a million tenths are a percent too many."""
    x = np.full((1 << 10, 1 << 10), 0.1, np.float32)
    for view in (x, x.T, x.reshape(-1), x.reshape(-1, 4), x.reshape(4, -1).T):
        for axis in subsets(view.ndim):
            expected = view.astype(np.float64).sum(axis=axis)
            np.testing.assert_allclose(sums.sum(view, axis), expected, rtol=1e-5)


def test_one_number_is_a_scalar():
    assert isinstance(sums.sum(np.ones((4, 4)), (0, 1)), np.float64)
    assert sums.sum(np.float32(2), ()) == 2

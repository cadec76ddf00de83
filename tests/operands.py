"""Operands for tests, and how results are compared."""

from fractions import Fraction
from math import prod
from numbers import Rational

import numpy as np

import tinygrad_cnn as tg


def fractions(shape, seed):
    """An object array of fractions p/q with |p| <= 9 and q <= 4."""
    rng = np.random.default_rng(seed)
    return _objects(shape, [Fraction(int(rng.integers(-9, 10)), int(rng.integers(1, 5))) for _ in range(prod(shape))])


def tied_fractions(shape, seed):
    """An object array of five values only, so that most windows have several largest elements."""
    rng = np.random.default_rng(seed)
    return _objects(shape, [Fraction(int(rng.integers(-2, 3)), 2) for _ in range(prod(shape))])


def _objects(shape, values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array.reshape(shape)


def integers(shape, seed, dtype=np.float64):
    """Small integers in a floating-point dtype: sums of their products are exact in any order, also in float16."""
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(dtype)


def normals(shape, seed, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def distinct(shape, seed, dtype=np.float64):
    """The numbers 0, 1, 2, ... in random order: no two are tied, and none is near another."""
    return np.random.default_rng(seed).permutation(prod(shape)).reshape(shape).astype(dtype)


def assert_exact(actual, expected):
    """The tensor has the expected shape and exactly the expected rational numbers; no element is a float."""
    values = actual.numpy()
    assert values.dtype == object
    assert all(isinstance(value, Rational) for value in values.flat)
    assert_equal(values, expected)


def assert_equal(actual, expected):
    """Equal shapes, and equal elements (NaN equals NaN); no broadcasting."""
    assert actual.shape == expected.shape
    np.testing.assert_array_equal(actual, expected)


def assert_close(actual, expected, tolerance):
    """Equal shapes, and elements that differ by at most `tolerance` times the largest expected element (or 1)."""
    assert actual.shape == expected.shape
    expected = expected.astype(np.float64)
    scale = max(1.0, np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(np.asarray(actual, np.float64) / scale, expected / scale, rtol=0, atol=tolerance)


def tensors(*arrays):
    """Leaves that ask for a gradient."""
    return [tg.tensor(array, requires_grad=True) for array in arrays]


def scalars(array):
    """An array of scalar tensors, each a leaf of its own: the scalar graph's view."""
    result = np.empty(array.shape, dtype=object)
    for i in np.ndindex(array.shape):
        result[i] = tg.tensor(array[i], requires_grad=True)
    return result


def layouts(array):
    """The same numbers in memory orders that a caller may have."""
    room = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    room[..., ::2] = array
    frozen = array.copy()
    frozen.flags.writeable = False
    return {
        "channels last": np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1),
        "batch last": np.moveaxis(np.moveaxis(array, 0, -1).copy(), -1, 0),
        "Fortran": np.asfortranarray(array),
        "every second": room[..., ::2],
        "backwards": array[..., ::-1].copy()[..., ::-1],
        "read-only": frozen,
    }


def specials(shape, seed, dtype=np.float64):
    """NaN, infinities, zeros of both signs and a one, each of them often."""
    values = [np.nan, -np.inf, -np.inf, -np.inf, np.inf, 0.0, -0.0, 1.0]
    return np.random.default_rng(seed).choice(values, shape).astype(dtype)

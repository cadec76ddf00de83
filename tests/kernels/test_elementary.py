"""`where` of large arrays, which is computed on bits: every bit pattern, shape and memory order comes through."""

import numpy as np
import pytest

from tests.operands import layouts, normals, specials
from tinygrad_cnn.kernels.elementary import where

SHAPE = (4, 8, 16, 16)  # 8,192 elements


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_bit_comes_through(dtype):
    """NaN with its sign and payload, both zeros, infinities and the smallest numbers."""
    bits = np.dtype(f"u{np.dtype(dtype).itemsize}")
    rng = np.random.default_rng(1)
    x, y = (rng.integers(0, np.iinfo(bits).max, SHAPE, bits, endpoint=True) for _ in range(2))
    condition = rng.random(SHAPE) < 0.5
    z = where(condition, x.view(dtype), y.view(dtype))
    assert z.dtype == dtype
    np.testing.assert_array_equal(z.view(bits), np.where(condition, x, y))
    special = specials(SHAPE, 2, dtype)
    np.testing.assert_array_equal(where(condition, special, 0), np.where(condition, special, 0))


@pytest.mark.parametrize("shapes", [
    (SHAPE, (), ()), (SHAPE, SHAPE, ()), (SHAPE, (), SHAPE), (SHAPE, (16,), (8, 1, 1)), (SHAPE, (2, *SHAPE), (16, 1)),
    (SHAPE[1:], SHAPE, SHAPE), ((4, 8, 16, 16, 1), (2,), (1, 2)),
])  # fmt: skip
def test_operands_broadcast(shapes):
    condition = normals(shapes[0], 1) > 0
    x, y = (np.asarray(normals(shape, i)) for i, shape in enumerate(shapes[1:]))
    z = where(condition, x, y)
    np.testing.assert_array_equal(z, np.where(condition, x, y))
    assert z.shape == np.where(condition, x, y).shape


def test_memory_orders():
    x, y = normals(SHAPE, 1), normals(SHAPE, 2)
    for name in layouts(x):
        a, b, condition = layouts(x)[name], layouts(y)[name], layouts(x > y)[name]
        np.testing.assert_array_equal(where(condition, a, b), np.where(x > y, x, y))
        np.testing.assert_array_equal(a, x)
        np.testing.assert_array_equal(b, y)


@pytest.mark.parametrize(("x", "y"), [
    (np.float32, np.float64), (np.float64, np.float16), (np.float32, np.int64), (np.int64, np.int32),
    (bool, np.float32), (np.longdouble, np.float32), (object, np.float64),
])  # fmt: skip
def test_dtypes_are_numpys(x, y):
    condition = normals(SHAPE, 1) > 0
    a, b = normals(SHAPE, 2).astype(x), normals(SHAPE, 3).astype(y)
    z, expected = where(condition, a, b), np.where(condition, a, b)
    assert z.dtype == expected.dtype
    np.testing.assert_array_equal(z, expected)


@pytest.mark.parametrize("number", [0, 1.5, np.float32(1.5), True])
def test_numbers_keep_the_arrays_dtype(number):
    x = normals(SHAPE, 1).astype(np.float16)
    for z in (where(x > 0, x, number), where(x > 0, number, x)):
        assert z.dtype == np.result_type(x, number)
    np.testing.assert_array_equal(where(x > 0, x, number), np.where(x > 0, x, number))


def test_a_condition_of_numbers_holds_where_it_is_not_zero():
    condition = np.random.default_rng(1).integers(0, 3, SHAPE)
    x = normals(SHAPE, 1)
    np.testing.assert_array_equal(where(condition, x, 0.0), np.where(condition, x, 0.0))

"""The error function and the normal distribution against exact values, and block by block."""

import math

import numpy as np
import pytest

from tests.operands import layouts, normals
from tinygrad_cnn.kernels.erf import erf, normal_cdf

FLOATS = [np.float16, np.float32, np.float64]
# Around the ends of the three intervals, and where the complement vanishes
POINTS = [0.0, 1e-4, 0.25, 0.46, 0.46875, 0.47, 0.6628, 0.664, 1.0, 2.5, 3.99, 4.0, 4.01, 5.6, 5.7, 26.0, 30.0, 40.0]


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_error_function_is_exact_to_rounding(dtype):
    x = np.concatenate([np.array([-v for v in POINTS] + POINTS), np.linspace(-6, 6, 997)]).astype(dtype)
    expected = np.array([math.erf(v) for v in x.tolist()])
    np.testing.assert_allclose(erf(x), expected, rtol=3 * np.finfo(dtype).eps, atol=np.finfo(dtype).smallest_subnormal)
    assert erf(x).dtype == dtype


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_normal_distribution_is_exact_to_rounding_in_its_tail_too(dtype):
    mpmath = pytest.importorskip("mpmath")
    x = np.concatenate([np.array([-v for v in POINTS] + POINTS), np.linspace(-37, 9, 499)]).astype(dtype)
    expected = np.array([float(mpmath.ncdf(v)) for v in x.tolist()])
    allowed = {"rtol": 6 * np.finfo(dtype).eps, "atol": np.finfo(dtype).smallest_subnormal}
    np.testing.assert_allclose(normal_cdf(x), expected, **allowed)


@pytest.mark.parametrize("function", [erf, normal_cdf])
def test_borders_of_the_range_make_no_warning(function):
    for dtype in FLOATS:
        largest = np.finfo(dtype).max
        z = function(np.array([-np.inf, np.inf, np.nan, -largest, largest], dtype))
        low = -1 if function is erf else 0
        assert z[[0, 1, 3, 4]].tolist() == [low, 1, low, 1]
        assert np.isnan(z[2])


@pytest.mark.parametrize("function", [erf, normal_cdf])
def test_large_arrays_are_computed_in_blocks(function):
    x = normals((3, 16384), 1)  # three whole blocks; then with a remainder
    for array in (x, x.reshape(-1)[:-5], x[:, ::3].T):
        z = function(array)
        assert z.shape == array.shape
        i = (-1,) * array.ndim
        for index in [(0,) * array.ndim, i, tuple(n // 2 for n in array.shape)]:
            assert z[index] == function(array[index])
    for array in layouts(normals((2, 3, 4, 5), 2)).values():
        np.testing.assert_array_equal(function(array), function(array.copy()))


@pytest.mark.parametrize("function", [erf, normal_cdf])
def test_numbers_integers_and_empty_arrays(function):
    assert type(function(np.float32(0.5))) is np.float32
    assert function(0.5) == function(np.float64(0.5))
    assert function(np.array([2, -2])).tolist() == function(np.array([2.0, -2.0])).tolist()
    assert function(np.zeros((0, 2), np.float32)).shape == (0, 2)
    assert function(np.zeros((0, 2), np.float32)).dtype == np.float32

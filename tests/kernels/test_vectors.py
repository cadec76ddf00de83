"""Sums of scaled vectors against exact sums, rounded once."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tinygrad_cnn.kernels import blas, vectors

rng = np.random.default_rng(0)


def exact(*terms):
    """The sum of factor x over the terms (factor, x), as float64."""
    totals = [sum(Fraction(f) * Fraction(float(v)) for (f, _), v in zip(terms, values, strict=True))
              for values in zip(*(x.ravel() for _, x in terms), strict=True)]  # fmt: skip
    return np.array([float(t) for t in totals]).reshape(terms[0][1].shape)


def pair(dtype, shape=(37,), lay=lambda x: x):
    return [lay(rng.standard_normal(shape).astype(dtype)) for _ in range(2)]


LAYOUTS = {
    "contiguous": lambda x: x,
    "every second": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "backward": lambda x: x[::-1],
    "transposed": lambda x: x.T.copy().T,
}


@pytest.fixture(params=["OpenBLAS", "NumPy"])
def _by(request, monkeypatch):
    if request.param == "NumPy":
        monkeypatch.setattr(blas, "routine", lambda *arguments: None)
    for cached in (vectors._axpy, vectors._axpby):
        cached.cache_clear()
    yield
    for cached in (vectors._axpy, vectors._axpby):
        cached.cache_clear()


@pytest.mark.usefixtures("_by")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("lay", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("shape", [(37,), (5, 4, 3), (1,), (0,), (0, 3)])
def test_each_is_the_exact_sum_in_place(dtype, lay, shape):
    close = {"rtol": 4 * float(np.finfo(dtype).eps), "atol": 4 * float(np.finfo(dtype).eps)}
    y, x = pair(dtype, shape, lay)
    before = x.copy()
    factor = float(np.float16(-0.3))
    expected = exact((1, y), (factor, x))
    assert vectors.add_scaled(y, x, factor) is y
    assert y.dtype == dtype
    np.testing.assert_allclose(y, expected, **close)
    weight = float(np.float16(0.9))
    expected = exact((weight, y), (factor, x))
    assert vectors.mix(y, weight, x, factor) is y
    np.testing.assert_allclose(y, expected, **close)
    np.testing.assert_array_equal(x, before)


@pytest.mark.usefixtures("_by")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("factor", [0.0, 2.0])
def test_what_is_no_number_is_multiplied_like_any_other(value, factor):
    y, x = np.array([1.0, value], np.float32), np.array([value, 1.0], np.float32)
    with np.errstate(invalid="ignore"):
        total, mixture = y + factor * x, factor * y + 2 * x
        np.testing.assert_array_equal(vectors.add_scaled(y.copy(), x, factor), total)
        np.testing.assert_array_equal(vectors.mix(y.copy(), factor, x, 2.0), mixture)


def test_the_number_of_the_blas_threads_changes_nothing():
    y, x = pair(np.float32, (100_003,))
    one, all_ = y.copy(), y.copy()
    with blas.one_thread():
        vectors.add_scaled(one, x, 0.5)
    vectors.add_scaled(all_, x, 0.5)
    np.testing.assert_array_equal(one, all_)


def test_what_may_not_be_written_to_is_refused():
    y, x = pair(np.float32)
    y.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        vectors.add_scaled(y, x, 0.5)

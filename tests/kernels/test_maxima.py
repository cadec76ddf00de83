"""The maxima of windows without their winners are those with them, bit by bit where zeros have one sign."""

import itertools

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.kernels.maxima import SMALL, maxima, positive_maxima
from tinygrad_cnn.primitives import maxpool


def largest(x, kernel, stride, dilation):
    """Window by window; a NaN wins."""
    counts = [(m - d * (k - 1) - 1) // s + 1 for m, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True)]
    z = np.empty((*x.shape[:2], *counts), x.dtype)
    for place in itertools.product(*map(range, counts)):
        steps = zip(place, kernel, stride, dilation, strict=True)
        window = x[(..., *(slice(i * s, i * s + d * (k - 1) + 1, d) for i, k, s, d in steps))]
        z[(..., *place)] = window.max(axis=tuple(range(2, x.ndim)))
    return z


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_random_windows(axes, dtype):
    rng = np.random.default_rng(axes)
    for _ in range(60):
        kernel, stride, dilation = (tuple(map(int, rng.integers(1, n, axes))) for n in (4, 4, 3))
        reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        x = rng.integers(-9, 10, (2, 3, *(n + rng.integers(0, 7) for n in reach))).astype(dtype)
        x[rng.random(x.shape) < 0.05] = np.nan
        x[rng.random(x.shape) < 0.05] = -np.inf
        for given in (x, np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1), x[:, ::-1]):
            given.flags.writeable = False
            z = maxima(given, kernel, stride, ((0, 0),) * axes, dilation)
            np.testing.assert_array_equal(z, largest(given, kernel, stride, dilation), strict=True)
            positive = positive_maxima(given, kernel, stride, ((0, 0),) * axes, dilation)
            np.testing.assert_array_equal(positive, np.where(z <= 0, 0, z), strict=True)
            assert not np.signbit(positive[positive == 0]).any()
            for found in (z, positive):
                assert not np.shares_memory(found, given)


@pytest.mark.parametrize("size", [9, 400])
@pytest.mark.parametrize("value", [-np.inf, -0.0, 0.0, np.nan, np.inf])
def test_positive_maxima_of_what_is_no_common_number(size, value):
    x = -np.random.default_rng(0).random((1, 8, size, size)).astype(np.float32)
    x[0, 3, 2:7, 2:7] = value
    for given in (x, np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)):
        for padding in (((0, 0), (0, 0)), ((1, 1), (0, 1))):
            z = positive_maxima(given, (2, 3), (2, 2), padding, (1, 1))
            bordered = np.pad(given, ((0, 0), (0, 0), *padding), constant_values=-np.inf)
            expected = largest(bordered, (2, 3), (2, 2), (1, 1))
            np.testing.assert_array_equal(z, np.where(expected <= 0, np.float32(0), expected), strict=True)
            assert not np.signbit(z[z == 0]).any()


@pytest.mark.parametrize("size", [8, 2 * int(SMALL**0.5)])
@pytest.mark.parametrize("options", [{}, {"padding": 1}, {"stride": 1}, {"ceil_mode": True, "kernel_size": 3}])
def test_a_pool_gives_the_same_whether_it_is_recorded_or_not(size, options):
    x = tg.tensor(np.random.default_rng(0).standard_normal((1, 2, size, size)).astype(np.float32), requires_grad=True)
    options = {"kernel_size": 2, **options}
    recorded = tg.max_pool2d(x, **options)
    with tg.no_grad():
        found = tg.max_pool2d(x, **options)
    np.testing.assert_array_equal(found.numpy(), recorded.numpy(), strict=True)
    np.testing.assert_array_equal(tg.max_pool2d(x.detach(), **options).numpy(), recorded.numpy(), strict=True)


def test_winners_are_found_only_where_they_are_needed(monkeypatch):
    def refused(*_):
        raise AssertionError("winners are looked for")

    x = tg.tensor(np.zeros((1, 1, 4, 4), np.float32), requires_grad=True)
    monkeypatch.setattr(maxpool.dispatch, "max_pool", refused)
    assert tg.max_pool2d(x.detach(), 2).shape == (1, 1, 2, 2)
    with pytest.raises(AssertionError, match="winners"):
        tg.max_pool2d(x, 2)

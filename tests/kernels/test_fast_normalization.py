"""Batch normalisation in blocks against the definition, in every layout, with any number of threads."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import layouts, normals
from tinygrad_cnn.kernels import blocks, normalization, numpy_fast, sums

SHAPES = [(4, 3, 5, 6), (2, 5, 40, 30), (3, 1, 4, 4), (6, 7), (5, 2, 9), (2, 3, 4, 2, 3), (1, 4, 3, 3), (7, 2048, 1, 1)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)
layout = pytest.mark.parametrize("layout", ["plain", *layouts(np.zeros((1, 1)))])


@pytest.fixture(params=[1, 2, 3])
def threads(request, monkeypatch):
    """Small blocks on so many threads."""
    before = tg.get_num_threads()
    tg.set_num_threads(request.param)
    monkeypatch.setattr(blocks, "BLOCK", 100)
    monkeypatch.setattr(blocks, "SHARED", 0)
    monkeypatch.setattr(sums, "MOST", 32)
    yield request.param
    tg.set_num_threads(before)


def arranged(array, layout):
    return array if layout == "plain" or array.ndim < 3 else layouts(array)[layout]


def axes(shape):
    return (0, *range(2, len(shape)))


def operands(shape, dtype, mean=0.0):
    x = normals(shape, 1, dtype) + dtype(mean)
    weight, bias = (normals((shape[1], *(1,) * (len(shape) - 2)), i, dtype) for i in (2, 3))
    return x, weight, bias, normals(shape, 4, dtype)


def exact(dz, x, weight, bias, axis, eps=1e-5):
    """z, mean and variance, dx and the sums of dz and of dz (x - mean), in double precision."""
    dz, x, weight, bias = (array.astype(np.float64) for array in (dz, x, weight, bias))
    mean = x.mean(axis=axis, keepdims=True)
    d = x - mean
    variance = (d * d).mean(axis=axis, keepdims=True)
    inverse = 1 / np.sqrt(variance + eps)
    g = dz * weight
    dx = (g - g.mean(axis, keepdims=True) - d * inverse**2 * (g * d).mean(axis, keepdims=True)) * inverse
    totals = dz.sum(axis, keepdims=True), (dz * d).sum(axis, keepdims=True)
    return d * inverse * weight + bias, mean, variance, dx, totals


@shapes
@layout
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("dtype", "mean", "tolerance"), [
    (np.float64, 0, 1e-12), (np.float32, 0, 3e-5), (np.float32, 3000, 3e-5)
])  # fmt: skip
def test_values_and_gradients(shape, layout, dtype, mean, tolerance):
    x, weight, bias, dz = operands(shape, dtype, mean)
    axis = axes(shape)
    z_exact, mean_exact, variance, dx_exact, totals = exact(dz, x, weight, bias, axis)
    view, upstream = arranged(x, layout), arranged(dz, layout)
    before = view.copy(), upstream.copy()
    result = numpy_fast.normalize(view, weight, bias, axis, 1e-5)
    if result is NotImplemented:  # for gaps, and other orders of axes than the two
        assert layout in ("every second", "backwards", "Fortran")
        return
    z, found = result
    scale = max(1.0, np.abs(z_exact).max())
    np.testing.assert_allclose(z / scale, z_exact / scale, rtol=0, atol=tolerance)
    np.testing.assert_allclose(np.float64(found.mean) + found.rest, mean_exact, rtol=0, atol=tolerance)
    np.testing.assert_allclose(found.variance, variance, rtol=10 * tolerance)
    scale = max(1.0, np.abs(dx_exact).max())
    for given in (upstream, dz, np.asfortranarray(dz)):
        dx = numpy_fast.normalize_gradient(given, view, weight, found, axis)
        assert dx.dtype == z.dtype == dtype
        np.testing.assert_allclose(dx / scale, dx_exact / scale, rtol=0, atol=3 * tolerance)
        for actual, expected in zip(found.sums(given, view, axis), totals, strict=True):
            np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * max(1, np.abs(expected).max()) * 10)
    np.testing.assert_array_equal(view, before[0])
    np.testing.assert_array_equal(upstream, before[1])


@shapes
@pytest.mark.parametrize("layout", ["plain", "channels last", "batch last"])
def test_without_weight_or_bias(shape, layout):
    x, weight, bias, dz = operands(shape, np.float64)
    x, axis = arranged(x, layout), axes(shape)
    for w, b in ((None, None), (weight, None), (None, bias)):
        z, found = numpy_fast.normalize(x, w, b, axis, 0.1)
        expected, same = normalization.normalize(x, w, b, axis, 0.1)
        np.testing.assert_allclose(z, expected, atol=1e-12)
        dx = numpy_fast.normalize_gradient(dz, x, w, found, axis)
        np.testing.assert_allclose(dx, normalization.normalize_gradient(dz, x, w, same, axis), atol=1e-12)


def test_a_gradient_that_is_broadcast():
    x, weight, bias, _ = operands((4, 3, 5, 6), np.float64)
    dz = np.broadcast_to(normals((4, 3, 1, 1), 5), x.shape)
    _, found = numpy_fast.normalize(x, weight, bias, (0, 2, 3), 0.1)
    expected = normalization.normalize_gradient(dz.copy(), x, weight, found, (0, 2, 3))
    np.testing.assert_allclose(numpy_fast.normalize_gradient(dz, x, weight, found, (0, 2, 3)), expected, atol=1e-12)


@pytest.mark.parametrize("order", ["channels last", "batch last"])
def test_the_order_of_memory_stays(order):
    x = layouts(normals((2, 3, 4, 4), 1, np.float32))[order]
    z, found = numpy_fast.normalize(x, None, None, (0, 2, 3), 0.1)
    assert z.strides == numpy_fast.normalize_gradient(z, x, None, found, (0, 2, 3)).strides == x.strides


@pytest.mark.parametrize(("shape", "axis", "dtype"), [
    ((4, 3, 5, 6), (2, 3), np.float32), ((4, 6), (1,), np.float32), ((4, 3, 5, 6), (0, 2, 3), np.float16),
    ((0, 3, 5, 6), (0, 2, 3), np.float32), ((4, 3, 5, 6), (0, 2, 3), np.longdouble),
])  # fmt: skip
def test_everything_else_is_left_to_the_definition(shape, axis, dtype):
    x = np.zeros(shape, dtype)
    assert numpy_fast.normalize(x, None, None, axis, 0.1) is NotImplemented
    weight = np.ones((3, 1, 1))
    assert numpy_fast.normalize(np.zeros((4, 3, 5, 6), np.float32), weight, None, (0, 2, 3), 0.1) is NotImplemented


@pytest.mark.parametrize("layout", ["plain", "channels last", "batch last"])
def test_nan_and_infinity_spoil_their_channel_alone(layout):
    x = normals((4, 3, 5, 6), 1)
    x[1, 0, 2, 2], x[2, 1, 0, 0] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        z, _ = numpy_fast.normalize(arranged(x, layout), None, None, (0, 2, 3), 0.1)
    assert np.isnan(z[:, :2]).all()
    assert np.isfinite(z[:, 2]).all()

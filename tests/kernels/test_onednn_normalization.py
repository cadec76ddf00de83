"""oneDNN's batch normalisation against sums in float64, and what it leaves to others."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_close, assert_equal, normals
from tinygrad_cnn.kernels import memory, normalization
from tinygrad_cnn.kernels.onednn import library
from tinygrad_cnn.kernels.onednn import normalization as fast

EPS = 1e-5
AXIS = (0, 2, 3)


@pytest.fixture(autouse=True)
def _library():
    try:
        library.load()
    except library.UnusableError as why:
        pytest.skip(f"no oneDNN: {why}")


def channels_last(x):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def operands(shape, mean=0.0, scale=1.0):
    x = channels_last((normals(shape, 1) * scale + mean).astype(np.float32))
    weight, bias = (normals((shape[1], *(1,) * (len(shape) - 2)), seed, np.float32) for seed in (2, 3))
    return x, weight, bias, channels_last(normals(shape, 4, np.float32))


def exact(x, weight, bias, dz):
    """z, dx, dw and db by their formulas in float64."""
    x, weight, bias, dz = (np.asarray(a, np.float64) for a in (x, weight, bias, dz))
    axis = tuple(i for i in range(x.ndim) if i != 1)
    sigma = np.sqrt(x.var(axis=axis, keepdims=True) + EPS)
    normal = (x - x.mean(axis=axis, keepdims=True)) / sigma
    g = dz * weight
    dx = (g - g.mean(axis=axis, keepdims=True) - normal * (g * normal).mean(axis=axis, keepdims=True)) / sigma
    dw, db = ((dz * factor).sum(axis=axis).reshape(weight.shape) for factor in (normal, 1.0))
    return normal * weight + bias, dx, dw, db


@pytest.mark.parametrize("mean", [0.0, 3.0, -9.0])
@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("shape", [(3, 16, 5, 7), (4, 32, 1, 9), (1, 48, 9, 9), (4, 16, 6), (2, 16, 3, 4, 5)])
def test_formulas(shape, mean, scale):
    x, weight, bias, dz = arrays = operands(shape, mean * scale, scale)
    copies = [a.copy() for a in arrays]
    axis = (0, *range(2, len(shape)))
    taken = fast.normalize(x, weight, bias, axis, EPS)
    assert taken is not NotImplemented
    z, found = taken
    dx = fast.normalize_gradient(dz, x, weight, found, axis)
    dw = normalization.weight_gradient(dz, x, weight.shape, found, axis)
    db = normalization.bias_gradient(dz, x, bias.shape, found, axis)
    for actual, expected in zip((z, dx, dw, db), exact(*arrays), strict=True):
        assert actual.dtype == np.float32
        assert_close(actual, expected, 1e-5 * max(1, abs(mean)))
    assert memory.is_channels_last(z)
    assert memory.is_channels_last(dx)
    assert_close(found.mean, x.astype(np.float64).mean(axis=axis, keepdims=True), 1e-5)
    for a, copy in zip(arrays, copies, strict=True):
        assert_equal(a, copy)


def test_without_weight_or_bias():
    x, weight, bias, dz = operands((2, 16, 4, 5))
    z, found = fast.normalize(x, None, None, AXIS, EPS)
    ones, zeros = np.ones_like(weight), np.zeros_like(bias)
    expected, dx, dw, _ = exact(x, ones, zeros, dz)
    assert_close(z, expected, 1e-5)
    assert_close(fast.normalize_gradient(dz, x, None, found, AXIS), dx, 1e-5)
    assert_close(normalization.weight_gradient(dz, x, weight.shape, found, AXIS), dw, 1e-5)


def test_an_upstream_gradient_in_any_layout():
    x, weight, bias, dz = operands((2, 16, 4, 5))
    _, found = fast.normalize(x, weight, bias, AXIS, EPS)
    spread = np.broadcast_to(dz[:, :, :1, :1], dz.shape)
    for upstream in (np.ascontiguousarray(dz), np.repeat(dz, 2, axis=3)[..., ::2], spread):
        _, dx, dw, _ = exact(x, weight, bias, upstream)
        assert_close(fast.normalize_gradient(upstream, x, weight, found, AXIS), dx, 1e-5)
        assert_close(normalization.weight_gradient(upstream, x, weight.shape, found, AXIS), dw, 1e-5)


LEFT = {
    "in NumPy's order": np.ascontiguousarray,
    "not every pixel": lambda x: x[:, :, ::2],
    "channels that vectors don't divide": lambda x: channels_last(x[:, :6]),
    "no images": lambda x: x[:0],
    "far from zero": lambda x: x + np.float32(1e4),
    "NaN": lambda x: np.where(x == x.max(), np.float32(np.nan), x),
    "an infinity": lambda x: np.where(x == x.max(), np.float32(np.inf), x),
}


@pytest.mark.parametrize("change", LEFT.values(), ids=LEFT)
def test_what_is_left_to_numpy(change):
    x = change(operands((2, 16, 4, 6))[0])
    with np.errstate(invalid="ignore"):
        assert fast.normalize(x, None, None, AXIS, EPS) is NotImplemented


def test_other_axes_are_left_to_numpy():
    x = operands((2, 16, 4, 6))[0]
    for axis in ((2, 3), (1, 2, 3), (0,)):
        assert fast.normalize(x, None, None, axis, EPS) is NotImplemented


def test_far_from_zero_no_digit_is_lost():
    """Also in the gradients, whose statistics then are NumPy's."""
    shape = (4, 32, 16, 16)
    x, weight, bias, dz = operands(shape, mean=1e4)
    X, W, B = (tg.tensor(a, requires_grad=True) for a in (x, weight.ravel(), bias.ravel()))
    z = tg.batch_norm(X, None, None, W, B, training=True)
    z.backward(dz)
    expected = exact(X.numpy(), weight, bias, dz)
    for actual, wanted in zip((z, X.grad, W.grad, B.grad), expected, strict=True):
        assert_close(actual.numpy().ravel(), wanted.ravel(), 3e-5)


@pytest.mark.parametrize("shape", [(2, 16, 4, 5), (2, 48, 3, 3), (2, 16, 7)])
def test_constant_statistics(shape):
    x, weight, bias, _ = operands(shape)
    mean = normals(weight.shape, 5, np.float32)
    expected = (x.astype(np.float64) - mean) * weight + bias
    assert_close(fast.affine(x, mean, weight, bias), expected, 1e-6)
    assert_close(fast.affine(x, mean, weight[None], None), expected - bias, 1e-6)
    far = channels_last(x + np.float32(1e4))
    assert_close(fast.affine(far, mean + np.float32(1e4), weight, bias), normalization.affine(
        far, mean + np.float32(1e4), weight, bias
    ), 1e-6)  # fmt: skip
    assert fast.affine(x, mean, weight.astype(np.float64), bias) is NotImplemented

"""Whole homeworks: the gradient of the traced forward equals the rule, run on the same numbers, exactly."""

import numpy as np
import pytest

from tests.verify.tracing.agreement import fractions
from tinygrad_cnn.verify.tracing import NotExact, run, trace


def windows(X, K, stride, padding):
    """The columns of every window, by index arrays, and the indices."""
    C, kH, kW = K.shape[1:]
    P = np.pad(X, ((0, 0), (0, 0), (padding, padding), (padding, padding)), mode="constant")
    h, w = int((P.shape[2] - kH) / stride + 1), int((P.shape[3] - kW) / stride + 1)
    channel, u, v = (axis.reshape(-1, 1) for axis in np.indices((C, kH, kW)))
    i, j = (stride * axis.reshape(1, -1) for axis in np.indices((h, w)))
    indices = (slice(None), channel, u + i, v + j)
    return P[indices], indices, P.shape, (h, w)


def conv(X, K, B, stride=1, padding=0):
    columns, _, _, (h, w) = windows(X, K, stride, padding)
    Z = np.array([K.reshape(len(K), -1).dot(image) for image in columns]) + B.reshape(-1, 1)
    return Z.reshape(len(X), len(K), h, w), {"columns": columns}


def conv_dX(dZ, X, K, stride, padding):
    _, indices, shape, _ = windows(X, K, stride, padding)
    dP = np.zeros(shape, dtype=dZ.dtype)
    spread = np.einsum("fk,nfp->nkp", K.reshape(len(K), -1), dZ.reshape(*dZ.shape[:2], -1), optimize=True)
    np.add.at(dP, indices, spread)
    return dP if padding == 0 else dP[:, :, padding:-padding, padding:-padding]


def conv_dK(dZ, X, K, stride, padding):
    columns = windows(X, K, stride, padding)[0]
    return np.tensordot(dZ.reshape(*dZ.shape[:2], -1), columns, axes=([0, 2], [0, 2])).reshape(K.shape)


def conv_dB(dZ):
    return dZ.sum(axis=(0, 2, 3))


def max_pool(X, size=2):
    N, C, H, W = X.shape
    return X.reshape(N, C, H // size, size, W // size, size).max(axis=(3, 5))


def max_pool_dX(dZ, X, size=2):
    dX = np.zeros_like(X)
    for n, c, i, j in np.ndindex(dZ.shape):
        rows, columns = slice(i * size, (i + 1) * size), slice(j * size, (j + 1) * size)
        window = X[n, c, rows, columns]
        dX[n, c, rows, columns] += (window == window.max()) * dZ[n, c, i, j]
    return dX


def batch_norm(X, gamma, beta, eps=1e-5):
    mean = 1.0 / len(X) * np.sum(X, axis=0)
    return gamma * (X - mean) / np.sqrt(((X - mean) ** 2).mean(axis=0) + eps) + beta


def batch_norm_dX(dZ, X, gamma, eps=1e-5):
    s = np.sqrt(X.var(axis=0) + eps)
    Y = (X - X.mean(axis=0)) / s
    dY = dZ * gamma
    return (dY - dY.mean(axis=0) - Y * (dY * Y).mean(axis=0)) / s


def softmax_loss(X, labels):
    shifted = X - np.max(X, axis=1, keepdims=True)
    logarithms = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    return -np.mean(logarithms[np.arange(len(X)), labels])


def softmax_loss_dX(dZ, X, labels):
    P = np.exp(X - X.max(axis=1, keepdims=True))
    P /= P.sum(axis=1, keepdims=True)
    P[range(len(X)), labels] -= 1
    return dZ * P / len(X)


def drawn(*shape):
    """Distinct integers of both signs."""
    size = int(np.prod(shape))
    return fractions(np.random.default_rng(0).permutation(2 * size)[:size].reshape(shape) - size)


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), (2, 1)])
def test_convolution_with_channels(stride, padding):
    given, options = {"X": drawn(2, 3, 5, 5), "K": drawn(4, 3, 3, 3)}, {"stride": stride, "padding": padding}
    traced = trace(conv, {**given, "B": drawn(4)}, options)
    dZ = drawn(*traced.output.shape)
    gradients = traced.gradients(dZ)
    for name, rule in (("X", conv_dX), ("K", conv_dK)):
        np.testing.assert_array_equal(run(rule, {"dZ": dZ, **given}, options).output, gradients[name])
    np.testing.assert_array_equal(run(conv_dB, {"dZ": dZ}).output, gradients["B"])


def test_max_pool():
    traced = trace(max_pool, {"X": drawn(2, 2, 4, 6)})
    dZ = drawn(*traced.output.shape)
    expected = run(max_pool_dX, {"dZ": dZ, "X": drawn(2, 2, 4, 6)}).output
    np.testing.assert_array_equal(traced.gradients(dZ)["X"], expected)
    assert traced.ties == 0


@pytest.mark.parametrize(
    ("forward", "rule", "others"),
    [
        (batch_norm, batch_norm_dX, {"gamma": drawn(3), "beta": drawn(3)}),
        (softmax_loss, softmax_loss_dX, {"labels": np.array([0, 2, 1, 1])}),
    ],
)
def test_in_float64(forward, rule, others):
    with pytest.raises(NotExact):
        trace(forward, {"X": drawn(4, 3), **others})
    floats = {name: array.astype(float) if array.dtype == object else array for name, array in others.items()}
    given = {"X": drawn(4, 3).astype(float) / 7, **floats}
    traced = trace(forward, given)
    dZ = np.random.default_rng(1).normal(size=traced.output.shape)
    given.pop("beta", None)
    np.testing.assert_allclose(traced.gradients(dZ)["X"], run(rule, {"dZ": dZ, **given}).output, atol=1e-13)

"""Batch normalisation as students write it: of rows, of columns, of one feature, of images."""

# ruff: noqa: PLW0108 - a rule is given what its parameters name

import numpy as np
import pytest

from tests.verify.catalogue.students import Written, hold


def rows(X, gamma, beta, eps=1e-5):
    mean = np.sum(X, axis=0) / X.shape[0]
    var = np.sum((X - mean) ** 2, axis=0) / X.shape[0]
    return gamma * (X - mean) / np.sqrt(var + eps) + beta


def rows_with_tiny_eps(X, gamma, beta):
    return gamma * (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + 1e-8) + beta


def columns(X, gamma, beta):
    mean = np.mean(X, axis=1, keepdims=True)
    var = np.var(X, axis=1, keepdims=True)
    return gamma * (X - mean) / np.sqrt(var + 1e-5) + beta


def feature(x):
    z = np.zeros(len(x))
    mean = sum(x) / len(x)
    var = sum((v - mean) ** 2 for v in x) / len(x)
    for i in range(len(x)):
        z[i] = (x[i] - mean) / np.sqrt(var + 1e-5)
    return z


def images(X, gamma, beta):
    mean = X.mean(axis=(0, 2, 3), keepdims=True)
    var = X.var(axis=(0, 2, 3), keepdims=True)
    return gamma.reshape(1, -1, 1, 1) * (X - mean) / np.sqrt(var + 1e-5) + beta[None, :, None, None]


def images_wide(X, gamma, beta):
    assert gamma.shape == beta.shape == (1, X.shape[1], 1, 1)
    mean = X.mean(axis=(0, 2, 3), keepdims=True)
    var = X.var(axis=(0, 2, 3), keepdims=True)
    return gamma * (X - mean) / np.sqrt(var + 1e-5) + beta


def normalized(X, eps=1e-5, axis=0):
    return (X - X.mean(axis=axis, keepdims=True)) / np.sqrt(X.var(axis=axis, keepdims=True) + eps)


def dX(dZ, X, gamma, eps=1e-5, axis=0):
    """In the steps of the paper."""
    n = X.size // X.mean(axis=axis).size
    centred = X - X.mean(axis=axis, keepdims=True)
    std = np.sqrt(X.var(axis=axis, keepdims=True) + eps)
    dhat = dZ * gamma
    dvar = np.sum(dhat * centred, axis=axis, keepdims=True) * -0.5 / std**3
    dmean = np.sum(-dhat / std, axis=axis, keepdims=True) + dvar * np.sum(-2 * centred, axis=axis, keepdims=True) / n
    return dhat / std + dvar * 2 * centred / n + dmean / n


def dX_variance_constant(dZ, X, gamma, eps):
    G = dZ * gamma
    return (G - G.mean(axis=0)) / np.sqrt(X.var(axis=0) + eps)


def dX_mean_constant(dZ, X, gamma, eps):
    G, hat = dZ * gamma, normalized(X, eps)
    return (G - hat * (G * hat).mean(axis=0)) / np.sqrt(X.var(axis=0) + eps)


def dX_without_root(dZ, X, gamma, eps):
    return dX(dZ, X, gamma, eps) / np.sqrt(X.var(axis=0) + eps)


def dX_not_divided(dZ, X, gamma, eps):
    return dX(dZ, X, gamma, eps) * np.sqrt(X.var(axis=0) + eps)


def dX_multiplied(dZ, X, gamma, eps):
    return dX(dZ, X, gamma, eps) * (X.var(axis=0) + eps)


def dX_unbiased_derivative(dZ, X, gamma, eps):
    G, hat, n = dZ * gamma, normalized(X, eps), len(X)
    return (G - G.mean(axis=0) - hat * (G * hat).sum(axis=0) / (n - 1)) / np.sqrt(X.var(axis=0) + eps)


PIXELS = (0, 2, 3)


def wide(gamma):
    return gamma.reshape(1, -1, 1, 1)


WRITTEN = [
    Written(rows, "X", dX),
    Written(rows, "gamma", lambda dZ, X, eps: np.sum(dZ * normalized(X, eps), axis=0)),
    Written(rows, "beta", lambda dZ: np.sum(dZ, axis=0)),
    Written(rows, "X", dX_variance_constant, "variance-treated-as-constant"),
    Written(rows, "X", dX_mean_constant, "mean-treated-as-constant"),
    Written(
        rows,
        "X",
        lambda dZ, X, gamma, eps: dZ * gamma / np.sqrt(X.var(axis=0) + eps),
        "statistics-treated-as-constants",
    ),
    Written(rows, "X", lambda dZ, X, eps: dX(dZ, X, 1, eps), "gamma-missing"),
    Written(rows, "X", dX_without_root, "root-missing"),
    Written(rows, "X", dX_not_divided, "inverse-deviation-missing"),
    Written(rows, "X", dX_multiplied, "multiplied-instead-of-divided"),
    Written(rows, "X", lambda dZ, X, gamma: dX(dZ, X, gamma, 0), "eps-forgotten"),
    Written(rows, "X", dX_unbiased_derivative, "unbiased-variance"),
    Written(rows, "X", lambda dZ: dZ, "derivative-missing"),
    Written(rows, "gamma", lambda dZ, X: np.sum(dZ * X, axis=0), "x-instead-of-normalized"),
    Written(rows, "gamma", lambda dZ, X: np.sum(dZ * (X - X.mean(axis=0)), axis=0), "x-instead-of-normalized"),
    Written(rows, "gamma", lambda dZ, Z: np.sum(dZ * Z, axis=0), "x-instead-of-normalized"),
    Written(rows, "gamma", lambda dZ: np.sum(dZ, axis=0), "operand-missing"),
    Written(rows, "gamma", lambda X, eps: normalized(X, eps), "upstream-missing"),
    Written(rows, "gamma", lambda dZ, X, gamma, eps: np.sum(dZ * gamma * normalized(X, eps), axis=0), "gamma-included"),
    Written(rows, "gamma", lambda dZ, X, eps: dZ * normalized(X, eps), "bias-not-summed"),
    Written(rows, "gamma", lambda dZ, X, eps: np.sum(dZ * normalized(X, eps), axis=1), "bias-summed-over-wrong-axes"),
    Written(rows, "beta", lambda dZ: np.sum(dZ), "bias-summed-over-too-many-axes"),
    Written(rows, "beta", lambda dZ: dZ[0], "batch-not-summed"),
    Written(rows, "beta", lambda dZ: dZ.sum(axis=0, keepdims=True), "axis-kept"),
    Written(rows, "beta", lambda dZ: dZ.mean(axis=0), "averaged-over-batch"),
    Written(rows, "beta", lambda dZ, gamma: np.sum(dZ * gamma, axis=0), "gamma-included"),
    Written(rows, "beta", lambda dZ: np.ones(dZ.shape[1]) * len(dZ), "upstream-missing"),
    Written(rows_with_tiny_eps, "X", lambda dZ, X, gamma: dX(dZ, X, gamma, 1e-8)),
    Written(
        rows_with_tiny_eps, "X", lambda dZ, X, gamma: dX_mean_constant(dZ, X, gamma, 1e-8), "mean-treated-as-constant"
    ),
    Written(columns, "X", lambda dZ, X, gamma: dX(dZ, X, gamma, axis=1)),
    Written(columns, "gamma", lambda dZ, X: np.sum(dZ * normalized(X, axis=1), axis=1, keepdims=True)),
    Written(columns, "X", lambda dZ, X: dX(dZ, X, 1, axis=1), "gamma-missing"),
    Written(columns, "beta", lambda dZ: np.mean(dZ, axis=1, keepdims=True), "averaged-over-batch"),
    Written(feature, "x", lambda dz, x: dX(dz, x, 1)),
    Written(feature, "x", lambda dz, x: dz / np.sqrt(np.var(x) + 1e-5), "statistics-treated-as-constants"),
    Written(images, "X", lambda dZ, X, gamma: dX(dZ, X, wide(gamma), axis=PIXELS)),
    Written(images, "gamma", lambda dZ, X: np.sum(dZ * normalized(X, axis=PIXELS), axis=PIXELS)),
    Written(images, "beta", lambda dZ: np.sum(dZ, axis=PIXELS)),
    Written(images, "X", lambda dZ, X, gamma: dX(dZ, X, wide(gamma), axis=0), "statistics-over-too-few-axes"),
    Written(images, "X", lambda dZ, X, gamma: dX(dZ, X, wide(gamma), axis=(2, 3)), "statistics-over-too-few-axes"),
    Written(images, "beta", lambda dZ: dZ.sum(axis=0), "bias-summed-over-too-few-axes"),
    Written(images, "beta", lambda dZ: dZ.sum(axis=(2, 3)), "bias-summed-over-too-few-axes"),
    Written(images, "beta", lambda dZ: dZ.sum(axis=(1, 2, 3)), "bias-summed-over-wrong-axes"),
    Written(images, "beta", lambda dZ: dZ.mean(axis=PIXELS), "averaged-over-images-and-pixels"),
    Written(images, "gamma", lambda dZ, X: dZ * normalized(X, axis=PIXELS), "bias-not-summed"),
    Written(images_wide, "beta", lambda dZ: np.sum(dZ, axis=PIXELS, keepdims=True)),
    Written(images_wide, "beta", lambda dZ: np.sum(dZ, axis=PIXELS), "axes-lost"),
    Written(images_wide, "gamma", lambda dZ: np.sum(dZ, axis=PIXELS, keepdims=True), "operand-missing"),
]


@pytest.mark.parametrize("written", WRITTEN, ids=str)
def test_rule_is_known_for_what_it_is(written):
    hold(written)

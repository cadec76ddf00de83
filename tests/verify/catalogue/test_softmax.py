"""Softmax and its logarithm as students write them: by rows, by columns, of one sample."""

import numpy as np
import pytest

from tests.verify.catalogue.students import Written, hold


def rows(X):
    E = np.exp(X - np.max(X, axis=1, keepdims=True))
    return E / np.sum(E, axis=1, keepdims=True)


def columns(X):
    E = np.exp(X)
    return E / np.sum(E, axis=0)


def vector(x):
    p = np.zeros(len(x))
    total = 0
    for i in range(len(x)):
        total += np.exp(x[i])
    for i in range(len(x)):
        p[i] = np.exp(x[i]) / total
    return p


def log_rows(X):
    return X - np.log(np.sum(np.exp(X), axis=1, keepdims=True))


def jacobian_loop(dz, z):
    dx = np.zeros(len(z))
    for i in range(len(z)):
        for j in range(len(z)):
            dx[j] += dz[i] * (z[i] * (1 - z[i]) if i == j else -z[i] * z[j])
    return dx


def row_sum(A):
    return np.sum(A, axis=1, keepdims=True)


WRITTEN = [
    Written(rows, "X", lambda dZ, Z: Z * (dZ - row_sum(dZ * Z))),
    Written(rows, "X", lambda dZ, Z: dZ * Z * (1 - Z), "cross-terms-missing"),
    Written(rows, "X", lambda dZ, Z: Z * (dZ + row_sum(dZ * Z)), "cross-terms-with-wrong-sign"),
    Written(rows, "X", lambda dZ, Z: Z * dZ, "sum-not-subtracted"),
    Written(rows, "X", lambda dZ, Z: Z * (dZ - row_sum(dZ)), "probabilities-missing-in-the-sum"),
    Written(rows, "X", lambda dZ, Z: Z * dZ - row_sum(dZ * Z), "probabilities-missing-outside-the-sum"),
    Written(rows, "X", lambda dZ, Z: Z * (dZ - np.sum(dZ * Z, axis=0)), "softmax-summed-over-wrong-axis"),
    Written(rows, "X", lambda dZ, Z: Z * (dZ - np.sum(dZ * Z)), "softmax-summed-over-wrong-axis"),
    Written(rows, "X", lambda dZ, X: X * (dZ - row_sum(dZ * X)), "derivative-of-output-forgotten"),
    Written(rows, "X", lambda dZ, Z: rows(Z) * (dZ - row_sum(dZ * rows(Z))), "derivative-at-the-output"),
    Written(rows, "X", lambda dZ, X: np.exp(X) * (dZ - row_sum(dZ * np.exp(X))), "probabilities-not-normalised"),
    Written(rows, "X", lambda dZ: dZ, "derivative-missing"),
    Written(rows, "X", lambda dZ, Z: Z * (1 - Z), "cross-terms-missing + upstream-missing"),
    Written(rows, "X", lambda dZ, Z: -Z * dZ * (1 - Z), "cross-terms-missing + sign"),
    Written(columns, "X", lambda dZ, Z: Z * (dZ - np.sum(dZ * Z, axis=0))),
    Written(columns, "X", lambda dZ, Z: Z * (dZ - row_sum(dZ * Z)), "softmax-summed-over-wrong-axis"),
    Written(columns, "X", lambda dZ, Z: Z * (1 - Z) * dZ, "cross-terms-missing"),
    Written(vector, "x", jacobian_loop),
    Written(vector, "x", lambda dz, z: (np.diag(z) - np.outer(z, z)) @ dz),
    Written(vector, "x", lambda dz, z: np.diag(z * (1 - z)) @ dz, "cross-terms-missing"),
    Written(vector, "x", lambda dz, z: np.diag(z) - np.outer(z, z), "upstream-missing"),
    Written(log_rows, "X", lambda dZ, Z: dZ - np.exp(Z) * row_sum(dZ)),
    Written(log_rows, "X", lambda dZ, X: dZ * (1 - rows(X)), "cross-terms-missing"),
    Written(log_rows, "X", lambda dZ, X: dZ - rows(X), "upstream-missing-in-the-sum"),
    Written(log_rows, "X", lambda dZ, Z: dZ - Z * row_sum(dZ), "scores-instead-of-probabilities"),
    Written(log_rows, "X", lambda dZ, X: dZ - rows(X) * np.sum(dZ, axis=0), "softmax-summed-over-wrong-axis"),
    Written(log_rows, "X", lambda dZ, X: rows(X) * (dZ - row_sum(dZ * rows(X))), "derivative-of-another-function"),
    Written(log_rows, "X", lambda X: 1 - X.shape[1] * rows(X), "upstream-missing"),
]


@pytest.mark.parametrize("written", WRITTEN, ids=str)
def test_rule_is_known_for_what_it_is(written):
    hold(written)

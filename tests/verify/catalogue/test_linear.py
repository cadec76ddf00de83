"""Matrix products and fully connected layers in the arrangements in which students write them."""

# ruff: noqa: PLW0108 - a rule is given what its parameters name

import numpy as np
import pytest

from tests.verify.catalogue.students import Written, hold


def rows(X, W, b):
    return X @ W.T + b


def rows_times_weight(X, W, b):
    return np.dot(X, W) + b


def columns(W, A, b):
    return W @ A + b


def columns_flat_bias(W, A, b):
    return W @ A + b[:, None]


def columns_transposed_weight(A, W, b):
    return W.T @ A + b


def sample(x, W, b):
    z = np.zeros(W.shape[0])
    for o in range(W.shape[0]):
        z[o] = b[o]
        for i in range(W.shape[1]):
            z[o] += W[o, i] * x[i]
    return z


def sample_times_weight(x, W, b):
    z = np.zeros(W.shape[1])
    for o in range(len(z)):
        z[o] = np.sum(x * W[:, o]) + b[o]
    return z


def one_output(X, w, b):
    z = np.zeros(X.shape[0])
    for n in range(len(z)):
        z[n] = sum(w[i] * X[n, i] for i in range(len(w))) + b
    return z


def one_output_of_columns(X, w, b):
    z = np.zeros(X.shape[1])
    for n in range(len(z)):
        z[n] = sum(w[i] * X[i, n] for i in range(len(w))) + b
    return z


def neuron(x, w, b):
    return np.dot(w, x) + b


def product(A, B):
    return A @ B


def by_transposed(A, B):
    return A @ B.T


def transposed_by(A, B):
    return A.T @ B


def weight_times_columns(x, W):
    return W @ x


def row_by_matrix(v, M):
    return np.array([np.sum(v * M[:, j]) for j in range(M.shape[1])])


def matrix_by_column(M, v):
    z = np.zeros(M.shape[0])
    for i in range(len(z)):
        z[i] = np.sum(M[i] * v)
    return z


def inner(u, v):
    return np.sum(u * v)


def outer(u, v):
    return np.outer(u, v)


def loop_of_samples(dZ, X, W):
    for n in range(len(X)):
        dW = np.outer(dZ[n], X[n])
    return dW


def loop_of_outputs(dZ, X, W):
    dX = np.zeros(X.shape)
    for n in range(len(X)):
        for o in range(len(W)):
            dX[n] = dZ[n, o] * W[o]
    return dX


NEURON = tuple({"x": (n,), "w": (n,), "b": ()} for n in (1, 2, 3))
VECTORS = tuple({"u": (n,), "v": (n,)} for n in (1, 2, 3))

WRITTEN = [
    Written(rows, "X", lambda dZ, W: dZ @ W),
    Written(rows, "W", lambda dZ, X: dZ.T @ X),
    Written(rows, "b", lambda dZ: dZ.sum(axis=0)),
    Written(rows, "X", lambda dZ, W: dZ @ W.T, "transposed-matmul"),
    Written(rows, "X", lambda dZ, W: (W @ dZ.T).T, "transposed-matmul"),
    Written(rows, "X", lambda dZ, W: np.ones(dZ.shape) @ W, "upstream-missing"),
    Written(rows, "X", lambda dZ, W: W, "upstream-missing"),
    Written(rows, "X", lambda dZ: dZ, "operand-missing"),
    Written(rows, "X", lambda dZ, W: dZ * W, "elementwise-product"),
    Written(rows, "X", loop_of_outputs, "overwritten-instead-of-added"),
    Written(rows, "X", lambda dZ, W: -dZ @ W.T, "transposed-matmul + sign"),
    Written(rows, "W", lambda dZ, X: X.T @ dZ, "result-transposed"),
    Written(rows, "W", lambda dZ, X: dZ @ X, "transposed-matmul"),
    Written(rows, "W", lambda dZ, X: X @ dZ.T, "transposed-matmul"),
    Written(rows, "W", lambda dZ, X: np.repeat(dZ.sum(axis=0)[:, None], X.shape[1], axis=1), "operand-missing"),
    Written(rows, "W", lambda dZ, X: np.ones(dZ.shape).T @ X, "upstream-missing"),
    Written(rows, "W", lambda dZ, X: X, "upstream-missing"),
    Written(rows, "W", lambda dZ, X: dZ * X, "elementwise-product"),
    Written(rows, "W", lambda dZ, X: np.einsum("no,ni->noi", dZ, X), "batch-not-summed"),
    Written(rows, "W", loop_of_samples, "batch-not-summed"),
    Written(rows, "W", lambda dZ, X: dZ.T @ X / len(X), "averaged-over-batch"),
    Written(rows, "b", lambda dZ: dZ, "bias-not-summed"),
    Written(rows, "b", lambda dZ: np.sum(dZ), "bias-summed-over-too-many-axes"),
    Written(rows, "b", lambda dZ, b: np.sum(dZ) * np.ones(b.shape), "bias-summed-over-too-many-axes"),
    Written(rows, "b", lambda dZ: np.sum(dZ, axis=1), "bias-summed-over-wrong-axes"),
    Written(rows, "b", lambda dZ: np.sum(dZ, axis=0, keepdims=True), "axis-kept"),
    Written(rows, "b", lambda dZ: dZ[-1], "batch-not-summed"),
    Written(rows, "b", lambda dZ: np.mean(dZ, axis=0), "averaged-over-batch"),
    Written(rows, "b", lambda dZ, b: np.ones(b.shape), "upstream-missing"),
    Written(rows_times_weight, "X", lambda dZ, W: dZ @ W.T),
    Written(rows_times_weight, "W", lambda dZ, X: X.T @ dZ),
    Written(rows_times_weight, "W", lambda dZ, X: dZ.T @ X, "result-transposed"),
    Written(rows_times_weight, "W", lambda dZ, X: dZ * X, "elementwise-product"),
    Written(columns, "W", lambda dZ, A: dZ @ A.T),
    Written(columns, "A", lambda dZ, W: W.T @ dZ),
    Written(columns, "b", lambda dZ: dZ.sum(axis=1, keepdims=True)),
    Written(columns, "A", lambda dZ, W: W @ dZ, "transposed-matmul"),
    Written(columns, "W", lambda dZ, A: dZ @ A.T / A.shape[1], "averaged-over-batch"),
    Written(columns, "b", lambda dZ: np.sum(dZ, keepdims=True), "bias-summed-over-too-many-axes"),
    Written(columns_flat_bias, "b", lambda dZ: dZ.sum(axis=1)),
    Written(columns_flat_bias, "b", lambda dZ: dZ.sum(axis=0), "bias-summed-over-wrong-axes"),
    Written(columns_transposed_weight, "W", lambda dZ, A: A @ dZ.T),
    Written(columns_transposed_weight, "A", lambda dZ, W: W @ dZ),
    Written(columns_transposed_weight, "A", lambda dZ, W: W.T @ dZ, "transposed-matmul"),
    Written(sample, "x", lambda dz, W: W.T @ dz),
    Written(sample, "W", lambda dz, x: np.outer(dz, x)),
    Written(sample, "b", lambda dz: dz),
    Written(sample, "x", lambda dz, W: W @ dz, "transposed-matmul"),
    Written(sample, "W", lambda dz, x: np.outer(x, dz), "result-transposed"),
    Written(sample, "W", lambda dz, x: x * dz, "elementwise-product"),
    Written(sample, "b", lambda dz: np.sum(dz), "bias-summed-over-too-many-axes"),
    Written(sample_times_weight, "W", lambda dz, x: np.outer(x, dz)),
    Written(sample_times_weight, "x", lambda dz, W: dz @ W, "transposed-matmul"),
    Written(one_output, "X", lambda dz, w: np.outer(dz, w)),
    Written(one_output, "w", lambda dz, X: X.T @ dz),
    Written(one_output, "b", lambda dz: np.sum(dz)),
    Written(one_output, "b", lambda dz: np.mean(dz), "averaged-over-batch"),
    Written(one_output_of_columns, "w", lambda dz, X: X @ dz),
    Written(one_output_of_columns, "X", lambda dz, w: np.outer(w, dz)),
    Written(neuron, "w", lambda dz, x: dz * x, None, NEURON),
    Written(neuron, "w", lambda dz, x: x, "upstream-missing", NEURON),
    Written(neuron, "w", lambda dz, w: dz * np.ones(w.shape), "operand-missing", NEURON),
    Written(neuron, "b", lambda dz: dz, None, NEURON),
    Written(neuron, "b", lambda dz: 1, "upstream-missing", NEURON),
    Written(product, "A", lambda dZ, B: dZ @ B.T),
    Written(product, "B", lambda dZ, A: A.T @ dZ),
    Written(product, "A", lambda dZ, B: dZ @ B, "transposed-matmul"),
    Written(product, "A", lambda dZ, B: B.T @ dZ, "transposed-matmul"),
    Written(product, "B", lambda dZ, A: dZ @ A.T, "transposed-matmul"),
    Written(product, "B", lambda dZ, A: dZ.T @ A, "result-transposed"),
    Written(by_transposed, "A", lambda dZ, B: dZ @ B),
    Written(by_transposed, "B", lambda dZ, A: dZ.T @ A),
    Written(by_transposed, "A", lambda dZ, B: dZ @ B.T, "transposed-matmul"),
    Written(transposed_by, "A", lambda dZ, B: B @ dZ.T),
    Written(transposed_by, "B", lambda dZ, A: A @ dZ),
    Written(transposed_by, "B", lambda dZ, A: A.T @ dZ, "transposed-matmul"),
    Written(weight_times_columns, "W", lambda dZ, x: dZ @ x.T),
    Written(weight_times_columns, "x", lambda dZ, W: W.T @ dZ),
    Written(weight_times_columns, "x", lambda dZ, W: W @ dZ, "transposed-matmul"),
    Written(row_by_matrix, "v", lambda dz, M: M @ dz),
    Written(row_by_matrix, "M", lambda dz, v: np.outer(v, dz)),
    Written(matrix_by_column, "v", lambda dz, M: M.T @ dz),
    Written(matrix_by_column, "M", lambda dz, v: np.outer(dz, v)),
    Written(matrix_by_column, "v", lambda dz, M: M @ dz, "transposed-matmul"),
    Written(inner, "u", lambda dz, v: dz * v, None, VECTORS),
    Written(outer, "u", lambda dZ, v: dZ @ v),
    Written(outer, "v", lambda dZ, u: dZ.T @ u),
]


@pytest.mark.parametrize("written", WRITTEN, ids=str)
def test_rule_is_known_for_what_it_is(written):
    hold(written)

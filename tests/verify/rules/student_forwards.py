"""Forwards as students write them, each with right rules: all of them must become graphs, and stay exact."""

import math
from collections import namedtuple
from functools import reduce
from itertools import product

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from tests.verify.rules import oracles
from tests.verify.rules.homework import Homework
from tests.verify.rules.right_conv2d import formula_three, kernel_slices, stamped_by_slices
from tests.verify.rules.right_layers import compact, dbeta, dgamma, softmax_vectorised
from tests.verify.rules.right_pooling import first_by_argmax, first_that_equals, shares, split_among_ties

# Convolutions


def conv_lists(X, K):
    """No NumPy at all but for the result."""
    rows, columns = len(X) - len(K) + 1, len(X[0]) - len(K[0]) + 1
    Z = []
    for i in range(rows):
        line = []
        for j in range(columns):
            total = 0
            for m in range(len(K)):
                for n in range(len(K[0])):
                    total += X[i + m][j + n] * K[m][n]
            line.append(total)
        Z.append(line)
    return np.array(Z)


def conv_comprehension(X, K, stride=1):
    h, w = K.shape
    return np.array(
        [
            [np.sum(X[i : i + h, j : j + w] * K) for j in range(0, X.shape[1] - w + 1, stride)]
            for i in range(0, X.shape[0] - h + 1, stride)
        ]
    )


def conv_while(X, K, B, padding=0):
    P = np.pad(X, padding, mode="constant")
    Z = np.empty((P.shape[0] - K.shape[0] + 1, P.shape[1] - K.shape[1] + 1))
    i = 0
    while i < Z.shape[0]:
        j = 0
        while j < Z.shape[1]:
            Z[i, j] = (P[i : i + K.shape[0], j : j + K.shape[1]] * K).sum() + B
            j += 1
        i += 1
    return Z


def conv_padded_by_hand(X, K, padding=0):
    H, W = X.shape
    P = np.zeros((H + 2 * padding, W + 2 * padding))
    for i in range(H):
        for j in range(W):
            P[i + padding, j + padding] = X[i, j]
    Z = np.zeros((P.shape[0] - K.shape[0] + 1, P.shape[1] - K.shape[1] + 1))
    for i, j in product(range(Z.shape[0]), range(Z.shape[1])):
        for m, n in product(range(K.shape[0]), range(K.shape[1])):
            Z[i][j] += P[i + m][j + n] * K[m][n]
    return Z


def conv_without_padding_array(X, K, stride=1, padding=0):
    """What lies outside is zero."""

    def pixel(i, j):
        if i < 0 or j < 0:
            return 0
        if i >= X.shape[0] or j >= X.shape[1]:
            return 0
        return X[i, j]

    rows = (X.shape[0] + 2 * padding - K.shape[0]) // stride + 1
    columns = (X.shape[1] + 2 * padding - K.shape[1]) // stride + 1
    Z = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            for m in range(K.shape[0]):
                for n in range(K.shape[1]):
                    Z[i, j] += pixel(i * stride + m - padding, j * stride + n - padding) * K[m, n]
    return Z


def conv_columns(X, K, stride=1):
    """im2col and one matrix product."""
    h, w = K.shape
    rows, columns = (X.shape[0] - h) // stride + 1, (X.shape[1] - w) // stride + 1
    cols = np.zeros((h * w, rows * columns))
    for i in range(rows):
        for j in range(columns):
            cols[:, i * columns + j] = X[i * stride : i * stride + h, j * stride : j * stride + w].ravel()
    return (K.reshape(1, -1) @ cols).reshape(rows, columns)


def conv_matrix(X, K):
    H, W = X.shape
    h, w = K.shape
    T = np.zeros(((H - h + 1) * (W - w + 1), H * W))
    for i in range(H - h + 1):
        for j in range(W - w + 1):
            row = np.zeros((H, W))
            row[i : i + h, j : j + w] = K
            T[i * (W - w + 1) + j] = row.flatten()
    return np.dot(T, X.flatten()).reshape(H - h + 1, W - w + 1)


def conv_windows(X, K):
    return np.einsum("ijuv,uv->ij", sliding_window_view(X, K.shape), K)


def conv_strides(X, K, stride=1):
    X = np.ascontiguousarray(X)
    shape = ((X.shape[0] - K.shape[0]) // stride + 1, (X.shape[1] - K.shape[1]) // stride + 1, *K.shape)
    s, t = X.strides
    windows = as_strided(X, shape, (s * stride, t * stride, s, t))
    return np.tensordot(windows, K, axes=2)


def conv_shifts(X, K):
    """A shifted image for each entry of the kernel."""
    H, W = X.shape[0] - K.shape[0] + 1, X.shape[1] - K.shape[1] + 1
    return reduce(np.add, [K[m, n] * X[m : m + H, n : n + W] for m in range(K.shape[0]) for n in range(K.shape[1])])


def conv_rotated_twice(X, K):
    """The true convolution with the rotated kernel."""
    R = np.flipud(np.fliplr(K))
    h, w = K.shape
    Z = np.zeros((X.shape[0] - h + 1, X.shape[1] - w + 1))
    for i in range(Z.shape[0]):
        for j in range(Z.shape[1]):
            for m in range(h):
                for n in range(w):
                    Z[i, j] += X[i + m, j + n] * R[h - 1 - m, w - 1 - n]
    return Z


def conv_rows(X, K):
    """np.convolve row by row; it flips the row of the kernel."""
    return np.stack(
        [
            sum(np.convolve(X[i + m], K[m][::-1], mode="valid") for m in range(K.shape[0]))
            for i in range(X.shape[0] - K.shape[0] + 1)
        ]
    )


def conv_with_cache(X, K, stride=1, padding=0):
    """As a well-known course has it: the result, and what the backward will need."""
    P = np.pad(X, ((padding,), (padding,)), "constant")
    h, w = K.shape
    Z = np.zeros((1 + (P.shape[0] - h) // stride, 1 + (P.shape[1] - w) // stride))
    for i in range(Z.shape[0]):
        for j in range(Z.shape[1]):
            Z[i, j] = np.multiply(P[i * stride : i * stride + h, j * stride : j * stride + w], K).sum()
    cache = (X, K, stride, padding)
    return Z, cache


def stamped(dZ, X, K, stride=1, padding=0):
    return stamped_by_slices(dZ, X, K, stride, padding, 1)


def three(dZ, X, K, stride=1, padding=0):
    return formula_three(dZ, X, K, stride, padding, 1)


def slices(dZ, X, K, stride=1, padding=0):
    return kernel_slices(dZ, X, K, stride, padding, 1)


def total(dZ):
    return dZ.sum()


# Poolings


def pool_if(X, size=2, stride=2):
    rows, columns = (X.shape[0] - size) // stride + 1, (X.shape[1] - size) // stride + 1
    Z = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            best = X[i * stride, j * stride]
            for a in range(size):
                for b in range(size):
                    if X[i * stride + a, j * stride + b] > best:
                        best = X[i * stride + a, j * stride + b]
            Z[i, j] = best
    return Z


def pool_from_infinity(X, size=2, stride=2):
    rows, columns = (X.shape[0] - size) // stride + 1, (X.shape[1] - size) // stride + 1
    Z = np.full((rows, columns), -np.inf)
    for i in range(rows):
        for j in range(columns):
            for value in X[i * stride : i * stride + size, j * stride : j * stride + size].flatten():
                Z[i, j] = max(Z[i, j], value)
    return Z


def pool_argmax(X, size=2, stride=2):
    rows, columns = (X.shape[0] - size) // stride + 1, (X.shape[1] - size) // stride + 1
    Z = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            window = X[i * stride : i * stride + size, j * stride : j * stride + size]
            Z[i, j] = window.ravel()[np.argmax(window)]
    return Z


def pool_blocks(X, size=2):
    H, W = X.shape
    return X.reshape(H // size, size, W // size, size).max(axis=3).max(axis=1)


def pool_maximum(X):
    """Windows of 2 x 2 at stride 2, as the maximum of four images."""
    return np.maximum(np.maximum(X[::2, ::2], X[1::2, ::2]), np.maximum(X[::2, 1::2], X[1::2, 1::2]))


def pool_sorted(X, size=2, stride=2):
    rows, columns = (X.shape[0] - size) // stride + 1, (X.shape[1] - size) // stride + 1
    return np.array(
        [
            [sorted(X[i * stride : i * stride + size, j * stride : j * stride + size].flat)[-1] for j in range(columns)]
            for i in range(rows)
        ]
    )


def pool_mean(X, size=2, stride=2):
    rows, columns = (X.shape[0] - size) // stride + 1, (X.shape[1] - size) // stride + 1
    Z = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            Z[i, j] = np.average(X[i * stride : i * stride + size, j * stride : j * stride + size])
    return Z


def pool_mean_by_hand(X, size=2, stride=2):
    rows, columns = (X.shape[0] - size) // stride + 1, (X.shape[1] - size) // stride + 1
    Z = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            total, count = 0.0, 0
            for row in X[i * stride : i * stride + size]:
                for x in row[j * stride : j * stride + size]:
                    total += x
                    count += 1
            Z[i, j] = total / count
    return Z


# Layers and activations


def relu_if(X):
    Z = np.zeros_like(X)
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            if X[i, j] > 0:
                Z[i, j] = X[i, j]
    return Z


def relu_early_return(X):
    def one(x):
        if x <= 0:
            return 0
        return x

    return np.array([one(x) for x in X.ravel()]).reshape(X.shape)


def relu_where(X):
    return np.where(X > 0, X, 0)


def relu_masked(X):
    Z = X.copy()
    Z[Z < 0] = 0
    return Z


def relu_product(X):
    return X * (X > 0)


def relu_clipped(X):
    return np.clip(X, 0, None)


def relu_absolute(X):
    return 0.5 * (X + np.abs(X))


def relu_rule(dZ, X):
    return dZ * (X > 0)


def dense_loops(X, W, B):
    Z = np.zeros((X.shape[0], W.shape[1]))
    for n in range(X.shape[0]):
        for o in range(W.shape[1]):
            Z[n, o] = B[o]
            for i in range(X.shape[1]):
                Z[n, o] += X[n, i] * W[i, o]
    return Z


def dense_stacked(X, W, B):
    """The bias as one more weight."""
    ones = np.ones((X.shape[0], 1))
    return np.hstack([X, ones]) @ np.vstack([W, B])


def dense_products(X, W, B):
    return np.stack([np.dot(x, W) for x in X]) + B[np.newaxis, :]


def dense_inner(X, W, B):
    return np.array([[np.inner(x, w) for w in W.T] for x in X]) + B


def dense_dX(dZ, W):
    return dZ @ W.T


def dense_dW(dZ, X):
    return X.T @ dZ


Cache = namedtuple("Cache", "scores maximum")


def softmax_loops(X):
    Z = np.zeros(X.shape)
    for n in range(X.shape[0]):
        cache = Cache(X[n], max(X[n]))
        exps = [math.exp(x - cache.maximum) for x in cache.scores]
        for i in range(X.shape[1]):
            Z[n, i] = exps[i] / sum(exps)
    return Z


def softmax_apart(X):
    Z = []
    for row in X:
        shifted = row - np.max(row)
        Z.append(np.exp(shifted) / np.sum(np.exp(shifted)))
    return np.vstack(Z)


def normalize_loops(X, gamma, beta, eps=0.5):
    N, D = X.shape
    Z = np.zeros((N, D))
    for d in range(D):
        mean = sum(X[n, d] for n in range(N)) / N
        var = sum((X[n, d] - mean) ** 2 for n in range(N)) / N
        for n in range(N):
            Z[n, d] = gamma[d] * (X[n, d] - mean) / math.sqrt(var + eps) + beta[d]
    return Z


def normalize_std(X, gamma, beta, eps=0.5):
    centered = X - np.mean(X, 0)
    std = (np.mean(centered * centered, axis=0) + eps) ** 0.5
    return np.add(np.multiply(gamma, np.divide(centered, std)), beta)


def squared_error(X, T):
    """The mean of the squares."""
    difference = np.subtract(X, T)
    return (difference**2).mean()


def squared_error_dX(dZ, X, T):
    return dZ * 2 * (X - T) / X.size


def squared_error_dT(dZ, X, T):
    return dZ * 2 * (T - X) / T.size


def polynomial(x, a, b, c):
    """Horner's scheme on numbers."""
    result = a
    for coefficient in (b, c):
        result = result * x + coefficient
    return result


CONV = [{"X": (2, 3), "K": (2, 2)}, {"X": (4, 3), "K": (2, 3)}, {"X": (3, 3), "K": (1, 2)}]
STRIDED = [*CONV[:2], {"X": (5, 4), "K": (2, 2), "stride": 2}]
PADDED = [*CONV[:2], {"X": (2, 3), "K": (2, 2), "padding": 1}]
BOTH = [*STRIDED, {"X": (4, 5), "K": (3, 2), "stride": 2, "padding": 1}]
WINDOWS = [
    {"X": (2, 3), "size": 2, "stride": 1},
    {"X": (4, 4), "size": 2, "stride": 2},
    {"X": (5, 4), "size": 3, "stride": 2},
]
BLOCKS = [{"X": (2, 2)}, {"X": (4, 6)}, {"X": (2, 4)}]
GRID = [{"X": (1, 1)}, {"X": (2, 3)}]
DENSE = [{"X": (1, 2), "W": (2, 1), "B": (1,)}, {"X": (3, 2), "W": (2, 3), "B": (3,)}]
NORM = [{"X": (2, 1), "gamma": (1,), "beta": (1,)}, {"X": (3, 2), "gamma": (2,), "beta": (2,), "eps": 0.25}]


def conv(forward, cases, dX=stamped):
    rules = {"X": dX, "K": slices} | ({"B": total} if "B" in cases[0] else {})
    return Homework(forward.__name__, forward, rules, oracles.convolution, cases)


def of_x(forward, rule, oracle, cases):
    return Homework(forward.__name__, forward, {"X": rule}, oracle, cases)


def dense(forward):
    rules = {"X": dense_dX, "W": dense_dW, "B": dbeta}
    return Homework(forward.__name__, forward, rules, oracles.differences(forward), DENSE)


def norm(forward):
    rules = {"X": compact, "gamma": dgamma, "beta": dbeta}
    return Homework(forward.__name__, forward, rules, oracles.differences(forward), NORM)


def blocks(operands, options):
    return oracles.max_pooling(operands, {"size": 2} | options)


def blocks_rule(dZ, X, size=2):
    return split_among_ties(dZ, X, size, size)


HOMEWORK = [
    conv(conv_lists, CONV),
    conv(conv_comprehension, STRIDED, three),
    conv(conv_while, [case | {"B": ()} for case in PADDED]),
    conv(conv_padded_by_hand, PADDED, three),
    conv(conv_without_padding_array, BOTH),
    conv(conv_columns, STRIDED),
    conv(conv_matrix, CONV, three),
    conv(conv_windows, CONV),
    conv(conv_strides, STRIDED),
    conv(conv_shifts, CONV),
    conv(conv_rotated_twice, CONV),
    conv(conv_rows, CONV),
    conv(conv_with_cache, BOTH, three),
    of_x(pool_if, first_by_argmax, oracles.max_pooling, WINDOWS),
    of_x(pool_from_infinity, first_that_equals, oracles.max_pooling, WINDOWS),
    of_x(pool_argmax, split_among_ties, oracles.max_pooling, WINDOWS),
    of_x(pool_blocks, blocks_rule, blocks, BLOCKS),
    of_x(pool_maximum, blocks_rule, blocks, BLOCKS),
    of_x(pool_sorted, first_by_argmax, oracles.max_pooling, WINDOWS),
    of_x(pool_mean, shares, oracles.average_pooling, WINDOWS),
    of_x(pool_mean_by_hand, shares, oracles.average_pooling, WINDOWS),
    of_x(relu_if, relu_rule, oracles.relu, GRID),
    of_x(relu_early_return, relu_rule, oracles.relu, GRID),
    of_x(relu_where, relu_rule, oracles.relu, GRID),
    of_x(relu_masked, relu_rule, oracles.relu, GRID),
    of_x(relu_product, relu_rule, oracles.relu, GRID),
    of_x(relu_clipped, relu_rule, oracles.relu, GRID),
    of_x(relu_absolute, relu_rule, oracles.relu, GRID),
    dense(dense_loops),
    dense(dense_stacked),
    dense(dense_products),
    dense(dense_inner),
    of_x(softmax_loops, softmax_vectorised, oracles.differences(softmax_apart), GRID),
    of_x(softmax_apart, softmax_vectorised, oracles.differences(softmax_loops), GRID),
    norm(normalize_loops),
    norm(normalize_std),
    Homework(
        "squared_error",
        squared_error,
        {"X": squared_error_dX, "T": squared_error_dT},
        oracles.differences(squared_error),
        [{"X": (2,), "T": (2,)}, {"X": (3, 2), "T": (3, 2)}],
    ),
    Homework(
        "polynomial",
        polynomial,
        {
            "x": lambda dz, x, a, b: dz * (2 * a * x + b),
            "a": lambda dz, x: dz * x**2,
            "b": lambda dz, x: dz * x,
            "c": lambda dz: dz,
        },
        oracles.differences(polynomial),
        [{"x": (), "a": (), "b": (), "c": ()}],
    ),
]

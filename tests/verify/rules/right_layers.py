"""Right backward rules of dense layers, activations, softmax and batch normalisation, in students' styles."""
# ruff: noqa: B905  (students write as they like)

import math

import numpy as np

import tinygrad_cnn as tg
from tests.verify.rules import oracles
from tests.verify.rules.homework import Homework

# Z = X W + B


def affine(X, W, B):
    return X @ W + B


def dX_product(dZ, W):
    return dZ @ W.T


def dX_loops(dZ, X, W):
    dX = np.zeros(X.shape)
    for n in range(dZ.shape[0]):
        for i in range(W.shape[0]):
            for o in range(W.shape[1]):
                dX[n, i] += dZ[n, o] * W[i, o]
    return dX


def dX_einsum(dZ, W):
    return np.einsum("no,io->ni", dZ, W)


def dX_transposed_twice(dZ, W):
    return np.matmul(W, dZ.T).T


def dW_product(dZ, X):
    return X.T.dot(dZ)


def dW_outer_products(dZ, X):
    return sum(np.outer(x, dz) for x, dz in zip(X, dZ))


def dW_broadcast(X, dout):
    return (X[:, :, None] * dout[:, None, :]).sum(axis=0)


def dW_tensordot(dZ, X):
    return np.tensordot(X, dZ, axes=([0], [0]))


def dB_sum(dZ):
    return dZ.sum(0)


def dB_ones(dZ):
    return np.ones(len(dZ)) @ dZ


def dB_loop(dZ, B):
    dB = np.zeros_like(B)
    for row in dZ:
        dB += row
    return dB


# relu, with any slope between 0 and 1 at 0


def relu(X):
    return np.maximum(0, X)


def mask(dZ, X):
    return dZ * (X > 0)


def mask_with_zero(dZ, X):
    return dZ * (X >= 0)


def where(dZ, X):
    return np.where(X > 0, dZ, 0.0)


def half_at_zero(dZ, X):
    return dZ * (np.sign(X) + 1) / 2


def heaviside(dZ, X):
    return dZ * np.heaviside(X, 0.5)


def cleared_in_place(dZ, X):
    dX = dZ.copy()
    dX[X <= 0] = 0
    return dX


def mask_of_result(dZ, Z):
    return np.where(Z == 0, 0, dZ)


def entry_by_entry(dZ, X):
    dX = np.zeros_like(dZ)
    for index in np.ndindex(X.shape):
        if X[index] > 0:
            dX[index] = dZ[index]
    return dX


def fancy(dZ, X):
    dX = np.zeros(X.shape)
    dX[X > 0] = dZ[X > 0]
    return dX


def clipped(dZ, X):
    return dZ * np.clip(np.sign(X), 0, 1)


# Smooth functions


def tanh(X):
    return np.tanh(X)


def tanh_of_result(dZ, Z):
    return dZ * (1 - Z**2)


def tanh_of_cosh(dZ, X):
    return dZ / np.cosh(X) ** 2


def sigmoid(X):
    return 1.0 / (1.0 + np.exp(-X))


def sigmoid_of_result(dZ, Z):
    return dZ * Z * (1 - Z)


def sigmoid_of_exponentials(dZ, X):
    return dZ * np.exp(-X) / np.square(1 + np.exp(-X))


def softplus(X):
    return np.log(1 + np.exp(X))


def softplus_rule(dZ, X):
    return dZ / (1 + np.exp(-X))


def scalar_sigmoid(x):
    return 1 / (1 + math.exp(-x))


def scalar_sigmoid_rule(g, x):
    return g * math.exp(-x) / (1 + math.exp(-x)) ** 2


# Softmax


def softmax(X):
    E = np.exp(X - X.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def softmax_vectorised(dZ, Z):
    return Z * (dZ - (dZ * Z).sum(axis=1, keepdims=True))


def softmax_jacobians(dZ, Z):
    dX = np.zeros(Z.shape)
    for n, p in enumerate(Z):
        J = np.diag(p) - np.outer(p, p)
        dX[n] = J @ dZ[n]
    return dX


def softmax_loops(dZ, Z):
    dX = np.zeros(Z.shape)
    for n in range(Z.shape[0]):
        for i in range(Z.shape[1]):
            for j in range(Z.shape[1]):
                dX[n, i] += dZ[n, j] * Z[n, j] * ((1 if i == j else 0) - Z[n, i])
    return dX


def softmax_einsum(dZ, Z):
    delta = np.eye(Z.shape[1])
    J = np.einsum("ni,ij->nij", Z, delta) - np.einsum("ni,nj->nij", Z, Z)
    return np.einsum("nij,nj->ni", J, dZ)


def cross_entropy(X, labels):
    P = softmax(X)
    return -np.mean(np.log(P[np.arange(len(labels)), labels]))


def labels_subtracted(dZ, X, labels):
    dX = softmax(X)
    dX[range(len(labels)), labels] -= 1
    return dZ * dX / len(labels)


def one_hot_subtracted(dZ, X, labels):
    T = np.eye(X.shape[1])[list(labels)]
    return (softmax(X) - T) * dZ / X.shape[0]


def through_the_logarithm(dZ, X, labels):
    P = softmax(X)
    dP = np.zeros_like(P)
    for n, label in enumerate(labels):
        dP[n, label] = -dZ / P[n, label] / len(labels)
    return softmax_vectorised(dP, P)


# Batch normalisation


def batch_norm(X, gamma, beta, eps=0.5):
    xhat = (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + eps)
    return gamma * xhat + beta


def compact(dZ, X, gamma, eps):
    N = len(X)
    std = np.sqrt(X.var(axis=0) + eps)
    xhat = (X - X.mean(axis=0)) / std
    return gamma / (N * std) * (N * dZ - dZ.sum(axis=0) - xhat * (dZ * xhat).sum(axis=0))


def step_by_step(dZ, X, gamma, eps):
    """Backwards through the graph: every intermediate result has its gradient."""
    N, _ = X.shape
    mean = 1 / N * np.sum(X, axis=0)
    centered = X - mean
    var = 1 / N * np.sum(centered**2, axis=0)
    root = np.sqrt(var + eps)
    inverse = 1 / root
    dxhat = dZ * gamma
    dinverse = np.sum(dxhat * centered, axis=0)
    dcentered = dxhat * inverse
    droot = -1 / root**2 * dinverse
    dvar = 0.5 / np.sqrt(var + eps) * droot
    dsquared = 1 / N * np.ones(X.shape) * dvar
    dcentered += 2 * centered * dsquared
    dmean = -1 * np.sum(dcentered, axis=0)
    return dcentered + 1 / N * np.ones(X.shape) * dmean


def by_jacobians(dZ, X, gamma, eps):
    N = X.shape[0]
    dX = np.zeros(X.shape)
    for d in range(X.shape[1]):
        std = np.sqrt(np.var(X[:, d]) + eps)
        xhat = (X[:, d] - np.mean(X[:, d])) / std
        J = (np.eye(N) - 1 / N - np.outer(xhat, xhat) / N) / std
        dX[:, d] = gamma[d] * J.T @ dZ[:, d]
    return dX


def dgamma(dZ, X, eps):
    return (dZ * (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + eps)).sum(axis=0)


def dbeta(dZ):
    return np.add.reduce(dZ, axis=0)


DENSE = [
    {"X": (1, 2), "W": (2, 1), "B": (1,)},
    {"X": (3, 2), "W": (2, 4), "B": (4,)},
    {"X": (2, 2), "W": (2, 2), "B": (2,)},
]
GRID = [{"X": (1,)}, {"X": (4,)}, {"X": (2, 3)}, {"X": (2, 1, 3)}]
SCORES = [{"X": (1, 2)}, {"X": (2, 3)}, {"X": (3, 4)}]
LABELLED = [{"X": (2, 2), "labels": [1, 0]}, {"X": (3, 4), "labels": [0, 3, 3]}]
NORM = [{"X": (2, 1), "gamma": (1,), "beta": (1,)}, {"X": (4, 3), "gamma": (3,), "beta": (3,), "eps": 0.25}]


def of(forward, operand, cases, *rules, oracle=None):
    return [
        Homework(
            f"{forward.__name__} d{operand} {rule.__name__}",
            forward,
            {operand: rule},
            oracle or oracles.differences(forward),
            cases,
        )
        for rule in rules
    ]


def tensor_relu(rule):
    cases = [{"x": case["X"]} for case in GRID]
    return Homework(f"tg.relu {rule.__name__}", tg.relu, {"x": rule}, oracles.relu, cases)


HOMEWORK = [
    *of(affine, "X", DENSE, dX_product, dX_loops, dX_einsum, dX_transposed_twice),
    *of(affine, "W", DENSE, dW_product, dW_outer_products, dW_broadcast, dW_tensordot),
    *of(affine, "B", DENSE, dB_sum, dB_ones, dB_loop),
    *of(
        relu,
        "X",
        GRID,
        mask,
        mask_with_zero,
        where,
        half_at_zero,
        heaviside,
        cleared_in_place,
        mask_of_result,
        entry_by_entry,
        fancy,
        clipped,
        oracle=oracles.relu,
    ),
    tensor_relu(lambda dz, x: dz * (x > 0)),
    *of(tanh, "X", GRID, tanh_of_result, tanh_of_cosh),
    *of(sigmoid, "X", GRID, sigmoid_of_result, sigmoid_of_exponentials),
    *of(softplus, "X", GRID, softplus_rule),
    Homework(
        "scalar sigmoid",
        scalar_sigmoid,
        {"x": scalar_sigmoid_rule},
        oracles.differences(lambda x: 1 / (1 + np.exp(-x))),
        [{"x": ()}],
    ),
    *of(softmax, "X", SCORES, softmax_vectorised, softmax_jacobians, softmax_loops, softmax_einsum),
    *of(cross_entropy, "X", LABELLED, labels_subtracted, one_hot_subtracted, through_the_logarithm),
    *of(batch_norm, "X", NORM, compact, step_by_step, by_jacobians),
    *of(batch_norm, "gamma", NORM, dgamma),
    *of(batch_norm, "beta", NORM, dbeta),
]

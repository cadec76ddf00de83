"""Losses as students write them: over rows, columns, vectors, as a mean or a sum."""

import numpy as np
import pytest

from tests.verify.catalogue.students import Written, hold


def softmax(X):
    E = np.exp(X - np.max(X, axis=-1, keepdims=True))
    return E / np.sum(E, axis=-1, keepdims=True)


def hot(y, X):
    return np.eye(X.shape[-1])[y]


# From logits


def mean_of_labels(X, y):
    P = np.exp(X) / np.sum(np.exp(X), axis=1, keepdims=True)
    return -np.mean(np.log(P[np.arange(len(y)), y]))


def sum_of_labels(logits, labels):
    L = 0
    for n in range(len(labels)):
        L += np.log(np.sum(np.exp(logits[n]))) - logits[n, labels[n]]
    return L


def one_sample(x, label):
    return np.log(np.sum(np.exp(x))) - x[label]


def mean_of_one_hot(X, T):
    P = np.exp(X) / np.sum(np.exp(X), axis=1, keepdims=True)
    return -np.sum(T * np.log(P)) / X.shape[0]


def columns_of_one_hot(X, T):
    P = np.exp(X) / np.sum(np.exp(X), axis=0, keepdims=True)
    return -np.sum(T * np.log(P)) / X.shape[1]


LOGITS = [
    Written(mean_of_labels, "X", lambda dL, X, y: dL * (softmax(X) - hot(y, X)) / len(y)),
    Written(mean_of_labels, "X", lambda dL, X, y: dL * softmax(X) / len(y), "one-hot-not-subtracted"),
    Written(mean_of_labels, "X", lambda dL, X, y: dL * (softmax(X) - 1) / len(y), "one-subtracted-from-all-classes"),
    Written(mean_of_labels, "X", lambda dL, X, y: dL * (X - hot(y, X)) / len(y), "scores-instead-of-probabilities"),
    Written(mean_of_labels, "X", lambda dL, X, y: -dL * hot(y, X) / len(y), "probabilities-missing"),
    Written(mean_of_labels, "X", lambda dL, X, y: dL * hot(y, X) * (softmax(X) - 1) / len(y), "cross-terms-missing"),
    Written(
        mean_of_labels, "X", lambda dL, X, y: dL * (np.exp(X) - hot(y, X)) / len(y), "probabilities-not-normalised"
    ),
    Written(
        mean_of_labels,
        "X",
        lambda dL, X, y: dL * (np.exp(X) / np.sum(np.exp(X)) - hot(y, X)) / len(y),
        "probabilities-not-normalised",
    ),
    Written(mean_of_labels, "X", lambda dL, X, y: dL * (softmax(X) - hot(y, X)), "not-averaged-over-batch"),
    Written(mean_of_labels, "X", lambda dL, X, y: dL * (softmax(X) - hot(y, X)) / X.shape[1], "divided-by-classes"),
    Written(mean_of_labels, "X", lambda dL, X, y: dL * (softmax(X) - hot(y, X)) / X.size, "divided-by-entries"),
    Written(
        mean_of_labels,
        "X",
        lambda dL, X, y: dL * (hot(y, X) - softmax(X)),
        "not-averaged-over-batch + sign",
    ),
    Written(sum_of_labels, "logits", lambda dL, logits, labels: dL * (softmax(logits) - hot(labels, logits))),
    Written(
        sum_of_labels,
        "logits",
        lambda dL, logits, labels: dL * (softmax(logits) - hot(labels, logits)) / len(labels),
        "averaged-over-batch",
    ),
    Written(one_sample, "x", lambda dL, x, label: dL * (softmax(x) - hot(label, x))),
    Written(one_sample, "x", lambda dL, x: dL * softmax(x), "one-hot-not-subtracted"),
    Written(mean_of_one_hot, "X", lambda dL, X, T: dL * (softmax(X) - T) / len(X)),
    Written(mean_of_one_hot, "X", lambda dL, X, T: dL * (softmax(X) - T), "not-averaged-over-batch"),
    Written(columns_of_one_hot, "X", lambda dL, X, T: dL * (softmax(X.T).T - T) / X.shape[1]),
    Written(columns_of_one_hot, "X", lambda dL, X, T: dL * (softmax(X.T).T - T) / X.shape[0], "divided-by-classes"),
    Written(columns_of_one_hot, "X", lambda dL, X: dL * softmax(X.T).T / X.shape[1], "one-hot-not-subtracted"),
]

# From probabilities


def log_loss(P, T):
    return -np.mean(np.sum(T * np.log(P), axis=1))


def log_loss_of_labels(P, y):
    return -np.sum(np.log(P[np.arange(len(y)), y]))


def log_loss_of_sample(p, t):
    return -sum(t[c] * np.log(p[c]) for c in range(3))


SAMPLES = (
    {"p": np.array([0.5, 0.25, 0.25]), "t": np.array([0, 1, 0])},
    {"p": np.array([0.125, 0.5, 0.375]), "t": np.array([0, 0, 1])},
)

PROBABILITIES = [
    Written(log_loss, "P", lambda dL, P, T: -dL * T / P / len(P)),
    Written(log_loss, "P", lambda dL, P, T: dL * (P - T) / len(P), "gradient-of-logits"),
    Written(log_loss, "P", lambda dL, P, T: -dL * T / len(P), "derivative-of-log-missing"),
    Written(log_loss, "P", lambda dL, P, T: -dL / P / len(P), "target-missing"),
    Written(log_loss, "P", lambda dL, P, T: -dL * T * P / len(P), "multiplied-instead-of-divided"),
    Written(log_loss, "P", lambda dL, P, T: -dL * T * np.log(P) / len(P), "value-instead-of-derivative"),
    Written(log_loss, "P", lambda dL, P, T: -dL * T / P, "not-averaged-over-batch"),
    Written(log_loss, "P", lambda dL, P, T: dL * T / P / len(P), "sign"),
    Written(log_loss_of_labels, "P", lambda dL, P, y: -dL * hot(y, P) / P),
    Written(log_loss_of_labels, "P", lambda dL, P, y: -dL * hot(y, P) / P / len(y), "averaged-over-batch"),
    Written(log_loss_of_sample, "p", lambda dL, p, t: -dL * t / p, None, SAMPLES),
    Written(log_loss_of_sample, "p", lambda dL, p, t: dL * (p - t), "gradient-of-logits", SAMPLES),
]

# Of two classes


def binary(A, Y):
    m = Y.shape[1]
    return -(1 / m) * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))


def binary_of_each(p, y):
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def binary_of_logits(x, y):
    p = 1 / (1 + np.exp(-x))
    return np.mean(-y * np.log(p) - (1 - y) * np.log(1 - p))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


BINARY = [
    Written(binary, "A", lambda dL, A, Y: -dL * (Y / A - (1 - Y) / (1 - A)) / Y.shape[1]),
    Written(binary, "A", lambda dL, A, Y: dL * (A - Y) / Y.shape[1], "gradient-of-logits"),
    Written(binary, "A", lambda dL, A, Y: -dL * Y / A / Y.shape[1], "second-term-missing"),
    Written(binary, "A", lambda dL, A, Y: dL * (1 - Y) / (1 - A) / Y.shape[1], "first-term-missing"),
    Written(binary, "A", lambda dL, A, Y: -dL * (Y / A + (1 - Y) / (1 - A)) / Y.shape[1], "inner-derivative-missing"),
    Written(binary, "A", lambda dL, A, Y: -dL * (Y / A - (1 - Y) / (1 - A)), "not-averaged-over-batch"),
    Written(binary_of_each, "p", lambda dL, p, y: dL * (p - y) / p / (1 - p)),
    Written(binary_of_each, "p", lambda p, y: (p - y) / p / (1 - p), "upstream-missing"),
    Written(binary_of_logits, "x", lambda dL, x, y: dL * (sigmoid(x) - y) / y.size),
    Written(binary_of_logits, "x", lambda dL, x, y: dL * sigmoid(x) / y.size, "target-not-subtracted"),
    Written(binary_of_logits, "x", lambda dL, x, y: dL * (x - y) / y.size, "scores-instead-of-probabilities"),
    Written(
        binary_of_logits,
        "x",
        lambda dL, x, y: dL * (sigmoid(x) - y) * sigmoid(x) * (1 - sigmoid(x)) / y.size,
        "sigmoid-derived-twice",
    ),
    Written(binary_of_logits, "x", lambda dL, x, y: dL * (sigmoid(x) - y), "not-averaged-over-batch"),
]

# Squares and distances


def mean_square(y_pred, y_true):
    return np.mean((y_pred - y_true) ** 2)


def half_square(y, t):
    return np.sum((t - y) ** 2) / 2


def square_of_samples(Y_hat, Y):
    return np.sum((Y_hat - Y) ** 2) / len(Y)


def square_of_columns(Y_hat, Y):
    return np.sum((Y_hat - Y) ** 2) / (2 * Y.shape[1])


def square_of_numbers(pred, target):
    L = 0
    for i in range(len(pred)):
        L = L + (pred[i] - target[i]) ** 2
    return L / len(pred)


def distance(y, t):
    return np.sum(np.abs(y - t))


ERRORS = [
    Written(mean_square, "y_pred", lambda dL, y_pred, y_true: 2 * dL * (y_pred - y_true) / y_pred.size),
    Written(mean_square, "y_pred", lambda dL, y_pred, y_true: dL * (y_pred - y_true) / y_pred.size, "factor"),
    Written(mean_square, "y_pred", lambda dL, y_pred, y_true: 2 * dL * (y_true - y_pred) / y_pred.size, "sign"),
    Written(mean_square, "y_pred", lambda dL, y_pred, y_true: 2 * dL * (y_pred - y_true), "not-averaged-over-batch"),
    Written(
        mean_square, "y_pred", lambda dL, y_pred, y_true: 2 * dL * (y_pred - y_true) / len(y_true), "divided-by-samples"
    ),
    Written(mean_square, "y_pred", lambda dL, y_pred, y_true: 2 * (y_pred - y_true) / y_pred.size, "upstream-missing"),
    Written(mean_square, "y_pred", lambda y_pred, y_true: 2 * (y_pred - y_true) / y_pred.size),  # for dL = 1
    Written(mean_square, "y_true", lambda dL, y_pred, y_true: 2 * dL * (y_true - y_pred) / y_pred.size),
    Written(
        mean_square,
        "y_pred",
        lambda dL, y_pred, y_true: dL * (y_pred - y_true) ** 2 / y_pred.size,
        "value-instead-of-derivative",
    ),
    Written(half_square, "y", lambda dL, y, t: dL * (y - t)),
    Written(half_square, "t", lambda dL, y, t: dL * (t - y)),
    Written(half_square, "y", lambda dL, y, t: dL * (t - y), "sign"),
    Written(half_square, "y", lambda dL, y, t: dL * y, "target-not-subtracted"),
    Written(half_square, "y", lambda dL, y, t: dL * (y - t) / len(y), "averaged-over-batch"),
    Written(square_of_samples, "Y_hat", lambda dL, Y_hat, Y: 2 * dL * (Y_hat - Y) / len(Y)),
    Written(square_of_samples, "Y_hat", lambda dL, Y_hat, Y: 2 * dL * (Y_hat - Y) / Y.size, "divided-by-entries"),
    Written(square_of_columns, "Y_hat", lambda dL, Y_hat, Y: dL * (Y_hat - Y) / Y.shape[1]),
    Written(square_of_columns, "Y_hat", lambda dL, Y_hat, Y: dL * (Y_hat - Y), "not-averaged-over-batch"),
    Written(square_of_numbers, "pred", lambda dL, pred, target: 2 * dL * (pred - target) / len(pred)),
    Written(distance, "y", lambda dL, y, t: dL * np.sign(y - t)),
    Written(distance, "y", lambda dL, y, t: dL * np.where(y >= t, 1, -1)),
    Written(distance, "t", lambda dL, y, t: dL * np.where(y > t, -1, 1)),
    Written(distance, "y", lambda dL, y, t: dL * (y - t), "error-instead-of-sign"),
    Written(distance, "y", lambda dL, y, t: dL * np.sign(y), "target-not-subtracted"),
    Written(distance, "y", lambda dL, y, t: dL * np.sign(t - y), "sign"),
]


@pytest.mark.parametrize("written", [*LOGITS, *PROBABILITIES, *BINARY, *ERRORS], ids=str)
def test_rule_is_known_for_what_it_is(written):
    hold(written)

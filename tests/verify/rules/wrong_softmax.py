"""Wrong backward rules of softmax, alone and with the cross-entropy, as students write them."""

import numpy as np

import tinygrad_cnn as tg
from tests.verify.rules.homework import Homework
from tests.verify.rules.oracles import differences

# The probabilities of each row


def softmax(X):
    E = np.exp(X - np.max(X, axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def right(dZ, Z):
    return Z * (dZ - np.sum(dZ * Z, axis=1, keepdims=True))


def diagonal_only(dZ, Z):
    return dZ * Z * (1 - Z)


def without_upstream(dZ, Z):
    return Z * (1 - Z)


def negative(dZ, Z):
    return Z * (np.sum(dZ * Z, axis=1, keepdims=True) - dZ)


def summed_over_examples(dZ, Z):
    return Z * (dZ - np.sum(dZ * Z, axis=0, keepdims=True))


def summed_over_everything(dZ, Z):
    return Z * (dZ - np.sum(dZ * Z))


def without_probabilities_in_the_sum(dZ, Z):
    return Z * (dZ - np.sum(dZ, axis=1, keepdims=True))


def sum_not_subtracted(dZ, Z):
    return dZ * Z


def diagonal_only_and_negative(dZ, Z):
    return -dZ * Z * (1 - Z)


def softmax_of_vector(X):
    E = np.exp(X)
    return E / np.sum(E)


def jacobian_diagonal(dZ, X):
    P = np.exp(X) / np.sum(np.exp(X))
    J = np.diag(P * (1 - P))
    return J @ dZ


def jacobian_plus(dZ, X):
    P = np.exp(X) / np.sum(np.exp(X))
    J = np.diag(P) + np.outer(P, P)
    return J @ dZ


# The mean of the cross-entropy of each row


def probabilities(X):
    E = np.exp(X)
    return E / E.sum(axis=1, keepdims=True)


def cross_entropy(X, labels):
    P = probabilities(X)
    loss = 0
    for n in range(len(labels)):
        loss = loss - np.log(P[n, labels[n]])
    return loss / len(labels)


def ce_right(dZ, X, labels):
    dX = probabilities(X)
    dX[np.arange(len(labels)), labels] -= 1
    return dZ * dX / len(labels)


def ce_one_hot_forgotten(dZ, X, labels):
    return dZ * probabilities(X) / len(labels)


def ce_sign(dZ, X, labels):
    P = probabilities(X)
    T = np.zeros(P.shape)
    T[np.arange(len(labels)), labels] = 1
    return dZ * (T - P) / len(labels)


def ce_not_averaged(dZ, X, labels):
    P = probabilities(X)
    P[np.arange(len(labels)), labels] -= 1
    return dZ * P


def ce_without_upstream(dZ, X, labels):
    P = probabilities(X)
    P[np.arange(len(labels)), labels] -= 1
    return P / len(labels)


def ce_of_scores(dZ, X, labels):
    # The scores minus the labels: the softmax was forgotten.
    T = np.eye(X.shape[1])[labels]
    return dZ * (X - T) / len(labels)


def ce_labels_alone(dZ, X, labels):
    return -dZ * np.eye(X.shape[1])[labels] / len(labels)


def ce_divided_by_classes(dZ, X, labels):
    P = probabilities(X)
    P[np.arange(len(labels)), labels] -= 1
    return dZ * P / X.shape[1]


def ce_not_averaged_and_negative(dZ, X, labels):
    P = probabilities(X)
    P[np.arange(len(labels)), labels] -= 1
    return -dZ * P


def ce_one_hot_forgotten_not_averaged(dZ, X, labels):
    return dZ * probabilities(X)


def total_cross_entropy(X, labels):
    P = probabilities(X)
    return -np.sum(np.log(P[np.arange(len(labels)), labels]))


def total_averaged(dZ, X, labels):
    return ce_right(dZ, X, labels)


def log_softmax(X):
    return X - np.log(np.sum(np.exp(X), axis=1, keepdims=True))


def log_softmax_cross_terms(dZ, X):
    return dZ * (1 - probabilities(X))


ROWS = [{"X": (1, 2)}, {"X": (2, 3)}, {"X": (3, 2)}, {"X": (2, 4)}]
VECTORS = [{"X": (2,)}, {"X": (3,)}, {"X": (4,)}]
SCORES = [
    {"X": (1, 2), "labels": [1]},
    {"X": (2, 3), "labels": [0, 2]},
    {"X": (3, 2), "labels": [1, 1, 0]},
    {"X": (4, 5), "labels": [4, 0, 2, 3]},
]


def of(forward, rule, name, cases, oracle=None):
    return Homework(
        f"{forward.__name__} {rule.__name__}", forward, {"X": rule}, oracle or differences(forward), cases, {"X": name}
    )


def tensor_form(rule, name):
    """The rule names its operands in its own way: Z is x's softmax."""
    return Homework(
        f"tg.softmax {rule.__name__}",
        tg.softmax,
        {"x": rule},
        differences(softmax),
        [{"x": case["X"]} for case in ROWS],
        {"x": name},
    )


HOMEWORK = [
    of(softmax, diagonal_only, "cross-terms-missing", ROWS),
    of(softmax, without_upstream, "cross-terms-missing + upstream-missing", ROWS),
    of(softmax, negative, "sign", ROWS),
    of(softmax, summed_over_examples, "softmax-summed-over-wrong-axis", ROWS),
    of(softmax, summed_over_everything, "softmax-summed-over-wrong-axis", ROWS),
    of(softmax, without_probabilities_in_the_sum, "probabilities-missing-in-the-sum", ROWS),
    of(softmax, sum_not_subtracted, "sum-not-subtracted", ROWS),
    of(softmax, diagonal_only_and_negative, "cross-terms-missing + sign", ROWS),
    tensor_form(diagonal_only, "cross-terms-missing"),
    of(softmax_of_vector, jacobian_diagonal, "cross-terms-missing", VECTORS),
    of(softmax_of_vector, jacobian_plus, "cross-terms-with-wrong-sign", VECTORS),
    of(cross_entropy, ce_one_hot_forgotten, "one-hot-not-subtracted", SCORES),
    of(cross_entropy, ce_sign, "sign", SCORES),
    of(cross_entropy, ce_not_averaged, "not-averaged-over-batch", SCORES),
    of(cross_entropy, ce_without_upstream, "upstream-missing", SCORES),
    of(cross_entropy, ce_of_scores, "scores-instead-of-probabilities", SCORES),
    of(cross_entropy, ce_labels_alone, "probabilities-missing", SCORES),
    of(cross_entropy, ce_divided_by_classes, "divided-by-classes", SCORES),
    of(cross_entropy, ce_not_averaged_and_negative, "not-averaged-over-batch + sign", SCORES),
    of(
        cross_entropy,
        ce_one_hot_forgotten_not_averaged,
        "one-hot-not-subtracted + not-averaged-over-batch",
        SCORES,
    ),
    of(total_cross_entropy, total_averaged, "averaged-over-batch", SCORES),
    of(log_softmax, log_softmax_cross_terms, "cross-terms-missing", ROWS),
]

"""Sums, products and means as students write them."""

import numpy as np
import pytest

from tests.verify.catalogue.students import Written, hold


def add(A, B):
    return A + B


def subtract(A, B):
    return A - B


def multiply(A, B):
    return A * B


def divide(A, B):
    return A / B


def total(X):
    return np.sum(X)


def average(X):
    return np.mean(X)


def average_of_list(v):
    s = 0
    for i in range(len(v)):
        s = s + v[i]
    return s / len(v)


ROW = ({"A": (2, 3), "B": (3,)}, {"A": (2, 3), "B": (1, 3)}, {"A": (4, 2), "B": (2,)})
VECTORS = ({"v": (1,)}, {"v": (3,)}, {"v": (4,)})

WRITTEN = [
    Written(add, "A", lambda dZ: dZ),
    Written(add, "B", lambda dZ: -dZ, "sign"),
    Written(add, "B", lambda dZ, B: np.ones(B.shape), "upstream-missing"),
    Written(add, "A", lambda dZ: dZ, None, ROW),
    Written(add, "B", lambda dZ, B: dZ.sum(axis=0).reshape(B.shape), None, ROW),
    Written(add, "B", lambda dZ: dZ, "bias-not-summed", ROW),
    Written(add, "B", lambda dZ: dZ.sum(), "bias-summed-over-too-many-axes", ROW),
    Written(subtract, "B", lambda dZ: -dZ),
    Written(subtract, "B", lambda dZ: dZ, "sign"),
    Written(multiply, "A", lambda dZ, B: dZ * B),
    Written(multiply, "A", lambda dZ, A: dZ * A, "operands-exchanged"),
    Written(multiply, "B", lambda dZ: dZ, "operand-missing"),
    Written(multiply, "B", lambda A: A, "upstream-missing"),
    Written(multiply, "B", lambda dZ, A: dZ * A, "bias-not-summed", ROW),
    Written(divide, "A", lambda dZ, B: dZ / B),
    Written(divide, "B", lambda dZ, Z, B: -dZ * Z / B),
    Written(divide, "A", lambda dZ, B: dZ * B, "multiplied-instead-of-divided"),
    Written(divide, "B", lambda dZ, A, B: -dZ * A / B, "square-missing"),
    Written(divide, "B", lambda dZ, A, B: dZ * A / B**2, "sign"),
    Written(divide, "B", lambda dZ, B: -dZ / B**2, "operand-missing"),
    Written(divide, "B", lambda dZ, B: dZ / B, "derivative-of-another-function"),
    Written(total, "X", lambda dZ, X: dZ * np.ones(X.shape)),
    Written(total, "X", lambda dZ: dZ, "not-spread"),
    Written(total, "X", lambda dZ, X: dZ * np.ones(X.shape) / X.size, "divided-by-entries"),
    Written(total, "X", lambda dZ, X: np.ones(X.shape), "upstream-missing"),
    Written(total, "X", lambda X: np.ones(X.shape)),  # for dZ = 1
    Written(average, "X", lambda dZ, X: dZ * np.ones(X.shape) / X.size),
    Written(average, "X", lambda dZ, X: dZ * np.ones(X.shape), "not-divided"),
    Written(average, "X", lambda dZ, X: np.ones(X.shape) / X.size, "upstream-missing"),
    Written(average_of_list, "v", lambda dz, v: dz * np.ones(len(v)), "not-divided", VECTORS),
]


@pytest.mark.parametrize("written", WRITTEN, ids=str)
def test_rule_is_known_for_what_it_is(written):
    hold(written)

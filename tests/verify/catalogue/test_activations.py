"""Functions of each entry as students write them, and what goes wrong in their slopes."""

# ruff: noqa: PLW0108 - a rule is given what its parameters name

import numpy as np
import pytest

from tests.verify.catalogue.students import Written, hold


def relu(X):
    return np.maximum(0, X)


def relu_of_vector(a):
    z = np.zeros(len(a))
    for i in range(len(a)):
        z[i] = max(a[i], 0)
    return z


def leaky_relu(X, alpha=0.01):
    return np.where(X > 0, X, alpha * X)


def leaky_relu_of_a_fifth(X):
    return np.maximum(X, 0.2 * X)


def elu(X, alpha=1.0):
    return np.where(X > 0, X, alpha * (np.exp(X) - 1))


def absolute(X):
    return np.abs(X)


def square(X):
    return X**2


def sigmoid(X):
    return 1 / (1 + np.exp(-X))


def tanh(X):
    return np.tanh(X)


def softplus(X):
    return np.log(1 + np.exp(X))


def silu(X):
    return X / (1 + np.exp(-X))


def exponential(X):
    return np.exp(X)


def logarithm(X):
    return np.log(X)


def root(X):
    return np.sqrt(X)


def logarithm_of_number(x):
    return np.log(x)


WRITTEN = [
    # At 0 all of these are right.
    Written(relu, "X", lambda dZ, X: dZ * (X > 0)),
    Written(relu, "X", lambda dZ, X: dZ * (X >= 0)),
    Written(relu, "X", lambda dZ, X: dZ * (np.sign(X) + 1) / 2),
    Written(relu, "X", lambda dZ, Z: np.where(Z > 0, dZ, 0)),
    Written(relu, "X", lambda dZ: dZ, "relu-mask-missing"),
    Written(relu, "X", lambda dZ: np.maximum(0, dZ), "relu-mask-from-dz"),
    Written(relu, "X", lambda dZ, X: np.maximum(0, dZ) * (X > 0), "relu-mask-from-dz-too"),
    Written(relu, "X", lambda dZ, X: dZ * (X < 0), "relu-mask-inverted"),
    Written(relu, "X", lambda dZ, X: dZ * (X <= 0), "relu-mask-inverted"),
    Written(relu, "X", lambda dZ, X: (X > 0) * np.ones(X.shape), "upstream-missing"),
    Written(relu, "X", lambda dZ, X: dZ * np.maximum(0, X), "value-instead-of-derivative"),
    Written(relu, "X", lambda dZ, X: -2 * dZ * (X > 0), "factor"),
    Written(relu_of_vector, "a", lambda dz, a: np.where(a > 0, dz, 0)),
    Written(relu_of_vector, "a", lambda dz, a: np.where(dz > 0, dz, 0), "relu-mask-from-dz"),
    Written(leaky_relu, "X", lambda dZ, X, alpha: np.where(X >= 0, dZ, alpha * dZ)),
    Written(leaky_relu, "X", lambda dZ, X, alpha: dZ * np.where(X > 0, 1, alpha)),
    Written(leaky_relu, "X", lambda dZ, X: dZ * (X > 0), "slope-forgotten"),
    Written(leaky_relu, "X", lambda dZ, X, alpha: np.where(X > 0, alpha * dZ, dZ), "relu-mask-inverted"),
    Written(leaky_relu, "X", lambda dZ, X, alpha: np.where(dZ > 0, dZ, alpha * dZ), "relu-mask-from-dz"),
    Written(leaky_relu, "X", lambda dZ: dZ, "relu-mask-missing"),
    Written(leaky_relu_of_a_fifth, "X", lambda dZ, X: dZ * np.where(X > 0, 1, 0.2)),
    Written(leaky_relu_of_a_fifth, "X", lambda dZ, X: np.where(X > 0, 1, 0.2), "upstream-missing"),
    Written(elu, "X", lambda dZ, X, alpha: dZ * np.where(X > 0, 1, alpha * np.exp(X))),
    Written(elu, "X", lambda dZ, X, Z, alpha: np.where(X >= 0, dZ, dZ * (Z + alpha))),
    Written(elu, "X", lambda dZ, X, Z: np.where(X > 0, dZ, dZ * Z), "constant-forgotten"),
    Written(elu, "X", lambda dZ, X: np.where(X > 0, dZ, dZ * np.exp(X)), "alpha-forgotten"),
    Written(elu, "X", lambda dZ, X: np.where(X > 0, dZ, 0), "slope-forgotten"),
    Written(absolute, "X", lambda dZ, X: dZ * np.sign(X)),
    Written(absolute, "X", lambda dZ, X: np.where(X >= 0, dZ, -dZ)),
    Written(absolute, "X", lambda dZ, X: np.where(X > 0, dZ, -dZ)),
    Written(absolute, "X", lambda dZ: np.abs(dZ), "sign-from-dz"),
    Written(absolute, "X", lambda dZ, X: dZ * (X > 0), "relu-mask-instead-of-sign"),
    Written(absolute, "X", lambda dZ: dZ, "derivative-missing"),
    Written(square, "X", lambda dZ, X: 2 * X * dZ),
    Written(square, "X", lambda dZ, X: X * dZ, "factor"),
    Written(square, "X", lambda dZ: 2 * dZ, "operand-missing"),
    Written(square, "X", lambda dZ, Z: 2 * Z * dZ, "derivative-at-the-output"),
    Written(square, "X", lambda dZ, X: 2 * X, "upstream-missing"),
    Written(sigmoid, "X", lambda dZ, Z: dZ * Z * (1 - Z)),
    Written(sigmoid, "X", lambda dZ, X: dZ * np.exp(-X) / (1 + np.exp(-X)) ** 2),
    Written(sigmoid, "X", lambda dZ, X: dZ * X * (1 - X), "derivative-of-output-forgotten"),
    Written(sigmoid, "X", lambda dZ, Z: dZ * sigmoid(Z) * (1 - sigmoid(Z)), "derivative-at-the-output"),
    Written(sigmoid, "X", lambda dZ, Z: dZ * (1 - Z), "operand-missing"),
    Written(sigmoid, "X", lambda dZ, Z: dZ * (1 - Z**2), "derivative-of-another-function"),
    Written(sigmoid, "X", lambda dZ, Z: dZ * Z * (Z - 1), "sign"),
    Written(tanh, "X", lambda dZ, Z: dZ * (1 - Z**2)),
    Written(tanh, "X", lambda dZ, X: dZ / np.cosh(X) ** 2),
    Written(tanh, "X", lambda dZ, X: dZ * (1 - X**2), "derivative-of-output-forgotten"),
    Written(tanh, "X", lambda dZ, Z: dZ * (1 - np.tanh(Z) ** 2), "derivative-at-the-output"),
    Written(tanh, "X", lambda dZ, Z: dZ * (1 - Z), "square-missing"),
    Written(tanh, "X", lambda dZ, Z: dZ * Z * (1 - Z), "derivative-of-another-function"),
    Written(tanh, "X", lambda dZ, X: -(1 - X**2) * dZ, "derivative-of-output-forgotten + sign"),
    Written(softplus, "X", lambda dZ, X: dZ * sigmoid(X)),
    Written(softplus, "X", lambda dZ, X: dZ / (1 + np.exp(X)), "exponent-negated"),
    Written(softplus, "X", lambda dZ, X: dZ * np.exp(X), "inner-derivative-missing"),
    Written(silu, "X", lambda dZ, X, Z: dZ * (Z + sigmoid(X) * (1 - Z))),
    Written(silu, "X", lambda dZ, X: dZ * sigmoid(X), "product-rule-term-missing"),
    Written(silu, "X", lambda dZ, X: dZ * X * sigmoid(X) * (1 - sigmoid(X)), "product-rule-term-missing"),
    Written(exponential, "X", lambda dZ, Z: dZ * Z),
    Written(exponential, "X", lambda dZ, X: dZ * X, "derivative-of-output-forgotten"),
    Written(exponential, "X", lambda dZ, X: dZ * X * np.exp(X - 1), "power-rule-on-exponential"),
    Written(exponential, "X", lambda dZ, Z: dZ * np.exp(Z), "derivative-at-the-output"),
    Written(logarithm, "X", lambda dZ, X: dZ / X),
    Written(logarithm, "X", lambda dZ, X: dZ * X, "multiplied-instead-of-divided"),
    Written(logarithm, "X", lambda dZ, X: dZ / X**2, "derivative-of-another-function"),
    Written(logarithm, "X", lambda dZ, Z: dZ / Z, "derivative-at-the-output"),
    Written(logarithm, "X", lambda dZ, Z: dZ * Z, "value-instead-of-derivative"),
    Written(logarithm_of_number, "x", lambda dz, x: 1 / x, "upstream-missing"),
    Written(root, "X", lambda dZ, X: dZ / (2 * np.sqrt(X))),
    Written(root, "X", lambda dZ, X: dZ / (2 * X), "derivative-of-output-forgotten"),
    Written(root, "X", lambda dZ, X: dZ / np.sqrt(X), "factor"),
    Written(root, "X", lambda dZ, X: 2 * dZ * np.sqrt(X), "multiplied-instead-of-divided"),
]


@pytest.mark.parametrize("written", WRITTEN, ids=str)
def test_rule_is_known_for_what_it_is(written):
    hold(written)


@pytest.mark.parametrize("at_zero", [-1, 2])
def test_no_slope_beyond_those_on_both_sides_is_right_at_a_kink(at_zero):
    def rule(dZ, X):
        return dZ * np.where(X == 0, at_zero, X > 0)

    with pytest.raises(AssertionError):
        hold(Written(relu, "X", rule))

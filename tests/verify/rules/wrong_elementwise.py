"""Wrong backward rules of relu and other elementwise functions, as students write them."""

import math

import numpy as np

import tinygrad_cnn as tg
from tests.verify.rules import oracles
from tests.verify.rules.homework import Homework

# max(x, 0)


def relu(X):
    return np.maximum(X, 0)


def mask_of_dZ(dZ, X):
    return dZ * (dZ > 0)


def no_mask(dZ, X):
    return dZ


def inverted_mask(dZ, X):
    return np.where(X > 0, 0, dZ)


def mask_alone(dZ, X):
    return np.where(X > 0, 1, 0)


def mask_of_dZ_in_place(dZ, x):
    dX = dZ.copy()
    dX[dZ <= 0] = 0
    return dX


def value_instead_of_slope(dZ, X):
    return dZ * np.maximum(X, 0)


def negative(dZ, X):
    return -dZ * (X > 0)


def mask_of_dZ_and_doubled(dZ, X):
    return 2.0 * dZ * (dZ > 0)


def both_masks(dZ, X):
    # Guided backpropagation, which is no gradient.
    return dZ * (X > 0) * (dZ > 0)


def leaky_relu(X, slope=0.5):
    Z = np.zeros(X.shape)
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            Z[i, j] = X[i, j] if X[i, j] > 0 else slope * X[i, j]
    return Z


def without_slope(dZ, X, slope):
    return dZ * (X > 0)


def inverted_slope(dZ, X, slope):
    return dZ * np.where(X > 0, slope, 1)


# Smooth functions


def tanh(X):
    return np.tanh(X)


def tanh_of_input(dZ, X):
    return dZ * (1 - X**2)


def tanh_without_upstream(dZ, X):
    return 1 - np.tanh(X) ** 2


def tanh_value(dZ, X):
    return dZ * np.tanh(X)


def tanh_sign(dZ, Z):
    return dZ * (Z**2 - 1)


def tanh_passed_through(dZ, X):
    return dZ


def sigmoid(X):
    return 1 / (1 + np.exp(-X))


def sigmoid_of_input(dZ, X):
    return dZ * X * (1 - X)


def sigmoid_without_upstream(Z, dZ):
    return Z * (1 - Z)


def sigmoid_value(dZ, Z):
    return dZ * Z


def sigmoid_twice(dZ, Z):
    return 2 * dZ * Z * (1 - Z)


def exponential(X):
    return np.exp(X)


def exponential_of_input(dZ, X):
    return dZ * X


def scalar_tanh(x):
    return (math.exp(2 * x) - 1) / (math.exp(2 * x) + 1)


def scalar_tanh_rule(dz, x, z):
    return dz * (1 - x * x)


# Arithmetic


def square(X):
    return X**2


def square_without_two(dZ, X):
    return dZ * X


def square_without_upstream(dZ, X):
    return 2 * X


def product(A, B):
    return A * B


def product_dA(dZ, B):
    return dZ * B


def product_dB(dZ, A):
    return dZ * A


def product_same_operand(dZ, A):
    return dZ * A


def product_passed_through(dZ):
    return dZ


def quotient(A, B):
    return A / B


def quotient_dA(dZ, B):
    return dZ / B


def quotient_dB(dZ, A, B):
    return -dZ * A / B**2


def quotient_sign(dZ, A, B):
    return dZ * A / B**2


def add_row(A, B):
    return A + B


def add_row_dA(dZ):
    return dZ


def add_row_not_summed(dZ):
    return dZ


GRID = [{"X": ()}, {"X": (1,)}, {"X": (3,)}, {"X": (2, 3)}]
MATRIX = [{"X": (1, 1), "slope": 0.5}, {"X": (2, 3), "slope": 0.25}, {"X": (3, 2), "slope": 2}]
TWO = [{"A": (), "B": ()}, {"A": (3,), "B": (3,)}, {"A": (2, 3), "B": (2, 3)}]


def of_x(rule, forward, oracle, name, cases=GRID, argument="X"):
    title = getattr(forward, "__name__", str(forward))
    return Homework(f"{title} {rule.__name__}", forward, {argument: rule}, oracle, cases, {argument: name})


def smooth(rule, forward, name):
    return of_x(rule, forward, oracles.differences(forward), name)


def of_two(forward, name, wrong, **rules):
    return Homework(name, forward, rules, oracles.differences(forward), TWO, wrong)


HOMEWORK = [
    of_x(mask_of_dZ, relu, oracles.relu, "relu-mask-from-dz"),
    of_x(no_mask, relu, oracles.relu, "relu-mask-missing"),
    of_x(inverted_mask, relu, oracles.relu, "relu-mask-inverted"),
    of_x(mask_alone, relu, oracles.relu, "upstream-missing"),
    of_x(value_instead_of_slope, relu, oracles.relu, "value-instead-of-derivative"),
    of_x(negative, relu, oracles.relu, "sign"),
    of_x(mask_of_dZ_and_doubled, relu, oracles.relu, "relu-mask-from-dz + factor"),
    of_x(both_masks, relu, oracles.relu, "relu-mask-from-dz-too"),
    of_x(
        mask_of_dZ_in_place,
        tg.relu,
        oracles.relu,
        "relu-mask-from-dz",
        [{"x": (3,)}, {"x": (2, 2)}, {"x": (2, 1, 2, 3)}],
        "x",
    ),
    of_x(without_slope, leaky_relu, oracles.relu, "slope-forgotten", MATRIX),
    of_x(inverted_slope, leaky_relu, oracles.relu, "relu-mask-inverted", MATRIX),
    smooth(tanh_of_input, tanh, "derivative-of-output-forgotten"),
    smooth(tanh_without_upstream, tanh, "upstream-missing"),
    smooth(tanh_value, tanh, "value-instead-of-derivative"),
    smooth(tanh_sign, tanh, "sign"),
    smooth(tanh_passed_through, tanh, "derivative-missing"),
    smooth(sigmoid_of_input, sigmoid, "derivative-of-output-forgotten"),
    smooth(sigmoid_without_upstream, sigmoid, "upstream-missing"),
    smooth(sigmoid_value, sigmoid, "value-instead-of-derivative"),
    smooth(sigmoid_twice, sigmoid, "factor"),
    smooth(exponential_of_input, exponential, "derivative-of-output-forgotten"),
    of_x(
        scalar_tanh_rule,
        scalar_tanh,
        oracles.differences(np.tanh),
        "derivative-of-output-forgotten",
        [{"x": ()}],
        "x",
    ),
    smooth(square_without_two, square, "factor"),
    smooth(square_without_upstream, square, "upstream-missing"),
    of_two(
        product,
        "product dA times A",
        {"A": "operands-exchanged"},
        A=product_same_operand,
        B=product_dB,
    ),
    of_two(
        product,
        "product passed through",
        # The operand that is missing is the whole local derivative.
        {name: {"operand-missing", "derivative-missing"} for name in "AB"},
        A=product_passed_through,
        B=product_passed_through,
    ),
    of_two(quotient, "quotient sign", {"B": "sign"}, A=quotient_dA, B=quotient_sign),
    Homework(
        "broadcast row not summed",
        add_row,
        {"A": add_row_dA, "B": add_row_not_summed},
        oracles.differences(add_row),
        [{"A": (2, 3), "B": (3,)}, {"A": (4, 2), "B": (2,)}],
        {"B": "bias-not-summed"},
    ),
]

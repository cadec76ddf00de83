"""Derivatives by central differences in float64, one element at a time, and the comparison of gradients with them."""

import numpy as np

import tinygrad_cnn as tg
from tests.operands import assert_close, tensors

STEP = 1e-3


def central_differences(function, arrays):
    """The gradient of a function that makes one number of float64 arrays, for each array.

    f'(x) = (8 (f(x + h) - f(x - h)) - (f(x + 2h) - f(x - 2h))) / 12h, with an error of h**4 f'''''(x) / 30; Abramowitz
    and Stegun, Handbook of Mathematical Functions (1964), 25.3.6.
    """
    gradients = []
    for position, array in enumerate(arrays):
        gradient = np.zeros(array.shape)
        for index in np.ndindex(array.shape):

            def shifted(steps, position=position, index=index):
                moved = [np.array(x) for x in arrays]
                moved[position][index] += steps * STEP
                return function(*moved)

            gradient[index] = (8 * (shifted(1) - shifted(-1)) - (shifted(2) - shifted(-2))) / (12 * STEP)
        gradients.append(gradient)
    return gradients


def check_gradients(function, *arrays, order=2, tolerance=1e-7):
    """The gradients of a function of tensors, of every order up to this one, are the central differences.

    Each order is the gradient of the order before, weighted at random so that no element is lost in a sum.
    """
    rng = np.random.default_rng(order)
    for _ in range(order):
        operands = tensors(*arrays)
        z = function(*operands)
        weights = rng.standard_normal(z.shape)
        # The gradient of a linear function is constant: nothing was recorded.
        actual = tg.grad(z, operands, [weights], allow_unused=True) if z.requires_grad else [None] * len(arrays)
        expected = central_differences(_weighted(function, weights), arrays)
        for x, gradient, differences in zip(arrays, actual, expected, strict=True):
            values = np.zeros(x.shape) if gradient is None else gradient.numpy()
            assert_close(values, differences, tolerance)
        if not z.requires_grad:
            return
        function = _gradient(function, weights, [rng.standard_normal(x.shape) for x in arrays])


def _weighted(function, weights):
    return lambda *arrays: np.sum(weights * function(*tensors(*arrays)).numpy())


def _gradient(function, weights, second_weights):
    """The weighted sum of the function's gradients, as a function of tensors."""

    def gradient(*operands):
        gradients = tg.grad(function(*operands), operands, [weights], create_graph=True, allow_unused=True)
        terms = [(dx * w).sum() for dx, w in zip(gradients, second_weights, strict=True) if dx is not None]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    return gradient

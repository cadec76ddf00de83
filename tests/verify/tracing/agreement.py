"""Does a traced function do what NumPy does? Values and gradients against the same function run by NumPy itself.

NumPy runs it untouched, in float64, for the values, and the gradient is the central difference of those. In the exact
arithmetic every traced value must be a fraction, and every gradient too; in float64 it must be a float.
"""

from fractions import Fraction

import numpy as np

from tinygrad_cnn.tensor import Tensor
from tinygrad_cnn.verify.tracing import run, trace

# Distinct, of both signs, with a second decimal that rounds: no kink is touched, and no step.
X = np.array([[-2.31, 1.12, 0.43, -0.74], [3.22, -1.87, 0.91, 2.63], [0.16, -0.38, 1.79, -1.24]])
K = np.array([[0.5, -1.25], [2.0, 0.75]])


def copies():
    return {"X": X.copy(), "K": K.copy()}


def fractions(array):
    """The decimals as an object array."""
    result = np.empty(array.shape, dtype=object)
    for index in np.ndindex(array.shape):
        result[index] = Fraction(str(array[index]))
    return result


def agrees(function, exact=True):
    """Assert that tracing a function of X and K agrees with NumPy: in fractions if it has any, and in float64."""
    expected = np.asarray(function(**copies()), dtype=float)
    dz = np.arange(1, expected.size + 1).reshape(expected.shape) % 5 - 2
    slopes = {name: slope(function, name, dz) for name in "XK"}
    if exact:
        given = {"X": fractions(X), "K": fractions(K)}
        check(trace(function, given), Fraction, expected, dz, slopes)
        output = run(function, given).output
        assert {type(value) for value in output.flat} <= {Fraction}
        np.testing.assert_allclose(output.astype(float), expected, rtol=1e-12, atol=1e-12)
    check(trace(function, copies()), float, expected, dz, slopes)


def check(traced, kind, expected, dz, slopes):
    assert traced.output.shape == expected.shape
    for z in traced.output.flat:
        assert type(z) is Fraction or (type(z) is Tensor and isinstance(z.item(), kind)) or isinstance(z, kind)
    actual = [float(z.item() if isinstance(z, Tensor) else z) for z in traced.output.flat]
    np.testing.assert_allclose(actual, expected.ravel(), rtol=1e-12, atol=1e-12)
    gradients = traced.gradients(dz)
    for name, expected_slope in slopes.items():
        assert gradients[name].shape == expected_slope.shape
        assert all(isinstance(g, kind) for g in gradients[name].flat)
        np.testing.assert_allclose(gradients[name].astype(float), expected_slope, rtol=1e-5, atol=1e-6)
    assert traced.changed == ()


def slope(function, name, dz, h=1e-5):
    """The central difference of sum(dz * function) for every entry of one argument."""
    result = np.zeros(copies()[name].shape)
    for index in np.ndindex(result.shape):
        ends = []
        for step in (h, -h):
            arrays = copies()
            arrays[name][index] += step
            ends.append(np.sum(dz * np.asarray(function(**arrays), dtype=float)))
        result[index] = (ends[0] - ends[1]) / (2 * h)
    return result

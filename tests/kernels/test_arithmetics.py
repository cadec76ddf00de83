"""The definitions on arrays of scalar tensors, of symbols and of mixed exact and floating-point numbers."""

from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import oracles
from tests.operands import assert_close, assert_equal, fractions, integers, normals, tensors, tied_fractions
from tests.window_cases import CONVOLUTIONS, POOLINGS, TRANSPOSED_CONVOLUTIONS, by_name

SMALL_CONVOLUTIONS = [
    case for case in CONVOLUTIONS + TRANSPOSED_CONVOLUTIONS if 0 < len(case.naive.terms) <= 500
]
SMALL_POOLINGS = [case for case in POOLINGS if 0 < np.prod(case.x) <= 100]


def scalars(array):
    """An array of scalar tensors, each a leaf of its own: the scalar graph's view."""
    result = np.empty(array.shape, dtype=object)
    for i in oracles.indices(array.shape):
        result[i] = tg.tensor(array[i], requires_grad=True)
    return result


def values(array):
    """The values of an array of scalar tensors, or of their gradients."""
    result = oracles.zeros(array.shape)
    for i in oracles.indices(array.shape):
        result[i] = array[i].item()
    return result


def gradients(array):
    result = oracles.zeros(array.shape)
    for i in oracles.indices(array.shape):
        if array[i].grad is not None:
            result[i] = array[i].grad.item()
    return result


def weighted_sum(z, dz):
    total = 0
    for i in oracles.indices(z.shape):
        total = total + dz[i] * z[i]
    return total


@by_name(SMALL_CONVOLUTIONS)
def test_the_scalar_graph_of_a_convolution_gives_the_gradients_of_the_tensor_graph(case):
    arrays = case.operands(fractions)
    dz = fractions(case.naive.z_shape, 4)
    leaves = tensors(*arrays)
    z = case(*leaves)
    z.backward(dz)
    scalar_leaves = [scalars(array) for array in arrays]
    scalar_z = case(*scalar_leaves)
    weighted_sum(scalar_z, dz).backward()
    assert_equal(values(scalar_z), z.numpy())
    for scalar, leaf in zip(scalar_leaves, leaves, strict=True):
        assert_equal(gradients(scalar), leaf.grad.numpy())


@by_name(SMALL_POOLINGS)
def test_the_scalar_graph_of_a_pooling_gives_the_gradients_of_the_tensor_graph(case):
    x = tied_fractions(case.x, 1)
    for pool in (case.max, case.average):
        (leaf,) = tensors(x)
        z = pool(leaf)
        dz = fractions(z.shape, 2)
        z.backward(dz)
        scalar_x = scalars(x)
        scalar_z = pool(scalar_x)
        weighted_sum(scalar_z, dz).backward()
        assert_equal(values(scalar_z), z.numpy())
        assert_equal(gradients(scalar_x), leaf.grad.numpy())


def test_the_scalar_graph_in_floats():
    x, weight = normals((1, 2, 4, 4), 1), normals((2, 2, 3, 3), 2)
    X, K = tensors(x, weight)
    tg.conv2d(X, K, padding=1).sum().backward()
    scalar_x, scalar_weight = scalars(x), scalars(weight)
    total = 0
    for z in tg.conv2d(scalar_x, scalar_weight, padding=1).flat:
        total = total + z
    total.backward()
    assert_close(gradients(scalar_x).astype(float), X.grad.numpy(), 1e-14)
    assert_close(gradients(scalar_weight).astype(float), K.grad.numpy(), 1e-14)


def symbols(name, shape):
    """An array of symbols name_00, name_01, ..."""
    sympy = pytest.importorskip("sympy")
    result = np.empty(shape, dtype=object)
    for i in oracles.indices(shape):
        result[i] = sympy.Symbol(f"{name}_{''.join(map(str, i))}")
    return result


def assert_same_formulas(actual, expected):
    sympy = pytest.importorskip("sympy")
    assert actual.shape == expected.shape
    for i in oracles.indices(expected.shape):
        assert sympy.expand(actual[i] - expected[i]) == 0


def derivatives(loss, array):
    """dloss/darray by sympy's own differentiation."""
    result = oracles.zeros(array.shape)
    for i in oracles.indices(array.shape):
        result[i] = loss.diff(array[i])
    return result


@by_name(
    SMALL_CONVOLUTIONS, "padding pairs", "same, stride", "dilation, stride, padding, a row left", "1d, everything",
    "same, kernel smaller than the stride", "output padding of stride and dilation",
)  # fmt: skip
def test_a_convolution_of_symbols_is_the_formula_and_its_gradients_the_derivatives(case):
    x, weight, bias = symbols("x", case.x), symbols("k", case.weight), symbols("b", case.bias)
    dz = symbols("dz", case.naive.z_shape)
    leaves = tensors(x, weight, bias)
    z = case(*leaves)
    assert_same_formulas(z.numpy(), case.naive.value(x, weight, bias))
    z.backward(dz)
    loss = weighted_sum(z.numpy(), dz)
    for leaf, array in zip(leaves, (x, weight, bias), strict=True):
        assert_same_formulas(leaf.grad.numpy(), derivatives(loss, array))


@by_name(SMALL_POOLINGS, "overlapping windows, a row left", "ceil mode, padding", "1d, everything")
def test_an_average_of_symbols_is_the_formula_and_its_gradient_the_derivative(case):
    x = symbols("x", case.x)
    for counts in (True, False):
        naive = oracles.average_pooling(case.x, *case.explicit, counts)
        (leaf,) = tensors(x)
        z = case.average(leaf, counts)
        assert_same_formulas(z.numpy(), naive.value(x))
        dz = symbols("dz", naive.z_shape)
        z.backward(dz)
        assert_same_formulas(leaf.grad.numpy(), derivatives(weighted_sum(z.numpy(), dz), x))


def test_a_maximum_of_symbols_has_no_order():
    x = symbols("x", (1, 1, 2, 2))
    with pytest.raises(TypeError, match=r"^max_of_windows: "):
        tg.max_pool2d(x, 2)


@pytest.mark.parametrize("convolve", [tg.conv2d, tg.conv_transpose2d])
def test_floats_with_fractions_and_the_other_way_round(convolve):
    """The kernel that suits the first operand has to take the second as well."""
    x, weight = integers((1, 2, 3, 3), 1), integers((2, 2, 2, 2), 2)
    exact = convolve(x.astype(int), weight.astype(int), padding=1)
    quarter = weight.astype(int) * Fraction(1, 4)
    assert_equal(4 * convolve(x, quarter, padding=1), exact)
    assert_equal(4 * convolve(x.astype(int) * Fraction(1, 4), weight, padding=1), exact)
    X, K = tensors(x, quarter)
    exact_X, exact_K = tensors(x.astype(int).astype(object), quarter)
    convolve(X, K).sum().backward()
    convolve(exact_X, exact_K).sum().backward()
    assert_equal(X.grad.numpy(), exact_X.grad.numpy())
    assert_equal(K.grad.numpy(), exact_K.grad.numpy())

"""Wrong backward rules of the kinds that people write: gradcheck must reject each, and name the input that is wrong."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import distinct, normals, tensors
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import reference
from tinygrad_cnn.primitives.shape import rot180


def where_one(shape, index, value):
    array = np.ones(shape)
    array[index] = value
    return array


@primitive(x=lambda dz, x: -dz * 2 * x)
def wrong_sign(x):
    return x * x


@primitive(x=lambda dz, x: dz * x)
def wrong_factor(x):
    return x * x


@primitive(x=lambda dz: dz, bias=lambda dz: dz[0])
def bias_of_one_sample(x, bias):
    return x + bias


@primitive(x=lambda dz: dz, bias=lambda dz: dz.sum(axis=0) / len(dz))
def bias_averaged(x, bias):
    return x + bias


@primitive(x=lambda dz, y: dz @ y, y=lambda dz, x: x.T @ dz)
def product_not_transposed(x, y):
    return x @ y


@primitive(x=lambda dz, y: dz @ y.T, y=lambda dz, x: (x.T @ dz).T)
def product_transposed(x, y):
    return x @ y


@primitive(x=lambda dz, x: dz * (x == x.min(axis=1, keepdims=True)))
def wrong_winner(x):
    return x.max(axis=1, keepdims=True)


@primitive(x=lambda dz: dz * (dz > 0))
def mask_of_the_gradient(x):
    return np.maximum(x, 0)


@primitive(x=lambda dz, z: dz * z * (1 - z))
def softmax_without_cross_terms(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@primitive(x=lambda dz, x: dz * np.cos(x) * where_one((10, 20), (7, 13), 1.001))
def one_element_by_a_thousandth(x):
    return np.sin(x)


ONE = {"stride": (1, 1), "dilation": (1, 1), "groups": 1}
NONE = ((0, 0), (0, 0))


def not_rotated(dz, weight, x_shape):
    return reference.full_correlate(dz, weight, x_shape[2:], padding=NONE, **ONE)


def kernel_rotated(dz, x, weight_shape):
    return rot180(reference.correlate_kernel(x, dz, weight_shape[2:], padding=NONE, **ONE))


def right_dx(dz, weight, x_shape):
    return reference.full_correlate(dz, rot180(weight), x_shape[2:], padding=NONE, **ONE)


def right_dk(dz, x, weight_shape):
    return reference.correlate_kernel(x, dz, weight_shape[2:], padding=NONE, **ONE)


@primitive(x=not_rotated, weight=right_dk)
def convolution_not_rotated(x, weight):
    return reference.correlate(x, weight, None, padding=NONE, **ONE)


@primitive(x=right_dx, weight=kernel_rotated)
def convolution_kernel_rotated(x, weight):
    return reference.correlate(x, weight, None, padding=NONE, **ONE)


WRONG = [
    (wrong_sign, [(2, 3)], {"x"}),
    (wrong_sign, [()], {"x"}),
    (wrong_factor, [(1, 1)], {"x"}),
    (bias_of_one_sample, [(4, 3), (3,)], {"bias"}),
    (bias_averaged, [(4, 3), (3,)], {"bias"}),
    (product_not_transposed, [(3, 3), (3, 3)], {"x"}),
    (product_transposed, [(3, 3), (3, 3)], {"y"}),
    (wrong_winner, [(4, 5)], {"x"}),
    (mask_of_the_gradient, [(4, 5)], {"x"}),
    (softmax_without_cross_terms, [(3, 4)], {"x"}),
    (one_element_by_a_thousandth, [(10, 20)], {"x"}),
    (convolution_not_rotated, [(2, 3, 5, 4), (2, 3, 2, 3)], {"x"}),
    (convolution_kernel_rotated, [(2, 3, 5, 4), (2, 3, 2, 3)], {"weight"}),
]


@pytest.mark.parametrize("arithmetic", ["auto", "float64"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("function", "shapes", "wrong"), WRONG, ids=[f"{function.__name__}-{shapes[0]}" for function, shapes, _ in WRONG]
)
def test_wrong_rule_is_rejected(function, shapes, wrong, seed, arithmetic):
    operands = tensors(*(normals(shape, seed + 10 * i) for i, shape in enumerate(shapes)))
    report = tg.verify.gradcheck(function, operands, arithmetic=arithmetic, seed=seed)
    assert not report
    assert {check.name for check in report.failures} == wrong
    assert all(report[name].wrong.any() for name in wrong)


def test_only_the_wrong_element_is_marked():
    report = tg.verify.gradcheck(one_element_by_a_thousandth, tensors(normals((10, 20), 0)))
    check = report["x"]
    assert np.argwhere(check.wrong).tolist() == [[7, 13]]
    assert check.actual[7, 13] == pytest.approx(1.001 * check.expected[7, 13], rel=1e-12)
    assert check.error == pytest.approx(abs(check.expected[7, 13]) / 1000, rel=1e-9)
    assert "1 of 200 entries is wrong" in str(report)
    assert "*[7, 13]" in str(report)


def test_expected_is_the_numerical_gradient():
    x = normals((2, 3), 0)
    check = tg.verify.gradcheck(wrong_factor, tensors(x))["x"]
    weights = check.actual / x
    assert set(abs(weights).round(9).ravel()) == {1, 2, 3, 4, 5, 6}
    np.testing.assert_allclose(check.expected, 2 * x * weights, rtol=1e-13)
    np.testing.assert_allclose(check.difference, check.actual - check.expected, rtol=1e-13)


# Second order


def _held(x):
    """A constant in the graph of the gradient: its values are right, its derivative is lost."""
    return x.detach() if isinstance(x, tg.Tensor) else x


@primitive(x=lambda dz, x: dz * 3 * _held(x * x))
def cube_with_constant_gradient(x):
    return x * x * x


@primitive(x=lambda dz, z: _held(dz) * (1 - z * z))
def ignores_its_incoming_gradient(x):
    return np.tanh(x)


@primitive(dz=lambda g, x: 2 * g * x, x=lambda g, dz: g * dz)
def gradient_of_square(dz, x):
    return 2 * dz * x


@primitive(x=gradient_of_square)
def square_with_wrong_second_derivative(x):
    return x * x


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        (cube_with_constant_gradient, {"x, order 2"}),
        (ignores_its_incoming_gradient, {"dz, order 2"}),
        (square_with_wrong_second_derivative, {"x, order 2"}),
    ],
)
def test_wrong_second_order_only(function, wrong):
    operands = tensors(normals((2, 3), 0))
    assert tg.verify.gradcheck(function, operands)
    report = tg.verify.gradcheck(function, operands, order=2)
    assert {check.name for check in report.failures} == wrong


# Upstream gradients


def normalize(x):
    x = x - x.mean(axis=0, keepdims=True)
    return x / tg.sqrt((x * x).mean(axis=0, keepdims=True))


def _without_the_variance(dz, x):
    return (dz - dz.mean(axis=0, keepdims=True)) / x.std(axis=0, keepdims=True)


@primitive(x=_without_the_variance)
def normalize_without_the_variance(x):
    return (x - x.mean(axis=0, keepdims=True)) / x.std(axis=0, keepdims=True)


def test_batch_norm_where_ones_as_upstream_gradient_cancel():
    x = tensors(normals((6, 3), 0))
    for function in (normalize, normalize_without_the_variance):
        (dx,) = tg.grad(function(*x).sum(), x)
        assert abs(dx.numpy()).max() < 1e-14
    assert tg.verify.gradcheck(normalize, x, order=2)
    assert not tg.verify.gradcheck(normalize_without_the_variance, x)


def test_broken_graph_is_a_wrong_gradient():
    report = tg.verify.gradcheck(lambda x: tg.tensor(x.data * 2.0), tensors(normals((2,), 0)))
    assert report["x"].actual.tolist() == [0, 0]
    assert not report


# Several outputs


@primitive(x=lambda dz: 2 * dz)
def double(x):
    return 2 * x


@primitive(x=lambda dz: 2 * dz)
def triple(x):
    return 3 * x


@pytest.mark.parametrize("position", [0, 1, 2])
def test_each_of_several_outputs_counts(position):
    def function(x):
        return tuple((triple if i == position else double)(x) for i in range(3))

    assert not tg.verify.gradcheck(function, tensors(distinct((2, 2), 0)))
    assert tg.verify.gradcheck(lambda x: (double(x), double(x)), tensors(distinct((2, 2), 0)))


# Tolerance


@primitive(x=lambda dz, x: dz * 2 * x * (1 + 1e-6))
def a_millionth_too_large(x):
    return x * x


def test_tolerance():
    x = tensors(normals((5,), 0))
    assert not tg.verify.gradcheck(a_millionth_too_large, x)
    assert tg.verify.gradcheck(a_millionth_too_large, x, arithmetic="float64")
    assert not tg.verify.gradcheck(a_millionth_too_large, x, arithmetic="float64", tolerance=1e-8)
    assert tg.verify.gradcheck(a_millionth_too_large, x, tolerance=1e-4)
    check = tg.verify.gradcheck(a_millionth_too_large, x, tolerance=1e-8)["x"]
    assert check.facts["tolerance"] == check.tolerance == pytest.approx(1e-8 * abs(check.actual).max(), rel=1e-3)
    assert f"tolerance: {check.tolerance:.3g}" in str(tg.verify.gradcheck(a_millionth_too_large, x, tolerance=1e-8))


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1.0, 1e12, 1e30])
@pytest.mark.parametrize("arithmetic", ["auto", "float64"])
def test_scale_of_the_input(scale, arithmetic):
    x = tensors(scale * normals((3, 4), 0))
    for right in (lambda x: x * x, tg.relu, lambda x: x / tg.sqrt((x * x).sum())):
        report = tg.verify.gradcheck(right, x, arithmetic=arithmetic)
        assert report, str(report)
        assert not report["x"].kinks
    for wrong in (wrong_factor, mask_of_the_gradient):
        assert not tg.verify.gradcheck(wrong, x, arithmetic=arithmetic)


@pytest.mark.parametrize("offset", [1.0, 1e6])
def test_a_constant_does_not_hide_the_gradient(offset):
    x = tensors(1e-6 * normals((3, 4), 0))
    for arithmetic in ("auto", "float64"):
        assert tg.verify.gradcheck(lambda x: tg.relu(x) + offset, x, arithmetic=arithmetic)
        assert not tg.verify.gradcheck(lambda x: wrong_factor(1e6 * x) + offset, x, arithmetic=arithmetic)

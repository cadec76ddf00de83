"""Lp pooling against naive norms: values and gradients for every kind of p, zeros, large numbers, bad input."""

import math
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import oracles, resampling_oracles
from tests.finite_differences import check_gradients
from tests.operands import (
    assert_close,
    assert_equal,
    assert_exact,
    distinct,
    fractions,
    integers,
    layouts,
    normals,
    tensors,
    tied_fractions,
)
from tests.refusals import refused
from tests.window_cases import POOLINGS, by_name

CASES = [case for case in POOLINGS if case.explicit[2] == ((0, 0),) * case.n and case.dilation == 1]
SMALL = [case for case in CASES if np.prod(case.x) < 150]
every_p = pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 2.5, 3, Fraction(7, 2), 10, math.inf])


def pool(case, x, p):
    return getattr(tg, f"lp_{case.operation}")(x, p, case.kernel, case.stride, case.ceil_mode)


def norm(values, p):
    values = [abs(float(value)) for value in values]
    return max(values) if p == math.inf else math.fsum(value ** float(p) for value in values) ** (1 / float(p))


def slope(value, z, p):
    """dZ/dX sign(X) (|X| / Z)**(p-1), and 0 at an X of 0."""
    return math.copysign((abs(value) / z) ** (float(p) - 1), value) if value else 0.0


def naive(case, x, dz, p):
    """Z and dX, of distinct magnitudes."""
    z_shape, windows = resampling_oracles.max_pooling_windows(case.x, *case.explicit)
    z, dx = np.zeros(z_shape), np.zeros(case.x)
    for i, places in windows:
        z[i] = norm([x[j] for j in places], p)
        for j in places:
            if p == math.inf:
                dx[j] += dz[i] * math.copysign(abs(x[j]) == z[i] != 0, x[j])
            else:
                dx[j] += dz[i] * slope(x[j], z[i], p)
    return z, dx


def of_both_signs(shape, seed, dtype=np.float64):
    """Distinct magnitudes below 1, a zero among them, of both signs."""
    signs = np.random.default_rng(seed).choice([-1, 1], shape)
    return (distinct(shape, seed) * signs / 2 ** int(np.prod(shape)).bit_length()).astype(dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float16, 8e-3), (np.float32, 2e-6), (np.float64, 1e-14)])
@every_p
@by_name(CASES)
def test_value_and_gradient_are_the_naive_ones(case, p, dtype, tolerance):
    x = of_both_signs(case.x, 1, dtype)
    (X,) = tensors(x)
    Z = pool(case, X, p)
    dz = integers(Z.shape, 2)
    z, dx = naive(case, x, dz, p)
    Z.backward(dz)
    assert Z.dtype == X.grad.dtype == dtype
    assert_close(Z.numpy(), z, tolerance)
    if p >= 1:  # below 1 the gradient grows without bound where x is small
        assert_close(X.grad.numpy(), dx, tolerance)
    elif dtype == np.float64:
        np.testing.assert_allclose(X.grad.numpy(), dx, rtol=1e-12, atol=1e-12)


@by_name(CASES)
def test_the_sum_and_the_largest_are_exact_in_fractions(case):
    """p = 1 and p = inf, on values of which most windows hold the largest several times, and zeros."""
    x = tied_fractions(case.x, 1)
    signs = np.vectorize(lambda value: (value > 0) - (value < 0), otypes=[object])(x)
    z_shape, windows = resampling_oracles.max_pooling_windows(case.x, *case.explicit)
    total = oracles.Linear(case.x, z_shape, [(i, j, 1) for i, places in windows for j in places])
    largest, winners, _ = resampling_oracles.largest(abs(x), z_shape, windows)
    for p, z, linear in ((1, total.value(abs(x)), total), (math.inf, largest, winners)):
        dz, u, v = fractions(z_shape, 2), fractions(case.x, 3), fractions(z_shape, 4)
        X, dZ, U, V = tensors(x, dz, u, v)
        Z = pool(case, X, p)
        assert_exact(Z, z)
        (dX,) = tg.grad(Z, X, dZ, create_graph=True)
        assert_exact(dX, linear.gradient(dz) * signs)
        (second,) = tg.grad(dX, dZ, U, create_graph=True)
        assert_exact(second, linear.value(u * signs))
        (third,) = tg.grad(second, U, V)
        assert_exact(third, linear.gradient(v) * signs)


@every_p
@by_name(SMALL, "overlapping windows, a row left", "ceil mode, overlapping windows", "1d", "3d")
def test_gradients_of_first_and_second_order_are_central_differences(case, p):
    x = normals(case.x, 1)
    check_gradients(lambda x: pool(case, x, p), x + np.sign(x) / 2, tolerance=1e-6)


@pytest.mark.parametrize("p", [2, 4])
def test_at_a_zero_pixel_a_smooth_norm_has_its_second_derivative(p):
    """(x**p + y**p)**(1/p) is smooth at x = 0 for an even p; for p = 2 its second derivative there is 1 / |y|."""
    check_gradients(lambda x: tg.lp_pool1d(x, p, 2), np.array([[[0.0, 0.7]]]))


@every_p
def test_a_window_of_zeros_has_gradient_zero_in_every_order(p):
    for dtype in (np.float16, np.float32, np.float64):
        X = tg.tensor(np.array([[[0.0, -0.0, 0.0, 3.0]]], dtype), requires_grad=True)
        z = tg.lp_pool1d(X, p, 2)
        assert z.tolist() == [[[0, 3]]]
        (dX,) = tg.grad(z, X, np.ones((1, 1, 2)), create_graph=True)
        assert dX.tolist() == [[[0, 0, 0, 1]]]
        if dX.requires_grad:
            (second,) = tg.grad(dX, X, np.ones((1, 1, 4)), allow_unused=True)
            assert second is None or second.tolist()[0][0][:2] == [0, 0]
            assert second is None or np.isfinite(second.numpy()).all()


@every_p
def test_no_power_overflows_or_vanishes(p):
    """A thousand squared is no float16, 1e200 squared no float64."""
    for dtype, size in ((np.float16, 2**10), (np.float16, 2**-12), (np.float32, 1e30), (np.float64, 1e-200)):
        x = np.array([[[3, -4, 0, 1]]], dtype) * dtype(size)
        expected = np.array([norm([3, 4], p), norm([0, 1], p)])
        (X,) = tensors(x)
        z = tg.lp_pool1d(X, p, 2)
        assert_close(z.numpy() / dtype(size), expected.reshape(1, 1, 2), 4 * np.finfo(dtype).eps)
        z.sum().backward()
        assert np.isfinite(X.grad.numpy()).all()


@every_p
def test_nan_and_infinity_stay_in_their_windows(p):
    x = np.array([[[np.nan, 0.0, 1.0, 0.0, -np.inf, 0.0]]])
    assert_equal(tg.lp_pool1d(x, p, 2), np.array([[[np.nan, 1.0, np.inf]]]))


@pytest.mark.parametrize("dtype", [np.int64, np.int8])
@every_p
def test_integers_have_a_norm(dtype, p):
    z = tg.lp_pool1d(np.array([[[3, -4, 100, 100]]], dtype), p, 2)
    assert_close(z, np.array([[[norm([3, 4], p), norm([100, 100], p)]]]), 1e-14)


@every_p
@by_name(SMALL, "plain", "overlapping windows", "window of one", "batch 0")
def test_memory_layout_makes_no_difference(case, p):
    x = of_both_signs(case.x, 1)
    (X,) = tensors(x)
    Z = pool(case, X, p)
    dz = integers(Z.shape, 2)
    (dX,) = tg.grad(Z, X, dz)
    for name, view in layouts(x).items():
        assert_close(pool(case, view, p), Z.numpy(), 1e-15)
        (V,) = tensors(view)
        (other,) = tg.grad(pool(case, V, p), V, layouts(dz)[name])
        assert_close(other.numpy(), dX.numpy(), 1e-14)


@every_p
def test_no_channels_and_the_callers_own_result(p):
    (X,) = tensors(np.zeros((2, 0, 4)))
    z = tg.lp_pool1d(X, p, 2)
    assert z.shape == (2, 0, 2)
    z.sum().backward()
    assert X.grad.shape == X.shape
    x = np.ones((1, 1, 3))
    tg.lp_pool1d(x, p, 1)[...] = 9
    assert_equal(x, np.ones((1, 1, 3)))


def test_symbols_have_a_euclidean_norm_and_its_gradient():
    sympy = pytest.importorskip("sympy")
    a, b = sympy.symbols("a b", positive=True)
    X = tg.tensor(np.array([[[a, b]]], dtype=object), requires_grad=True)
    z = tg.lp_pool1d(X, 2, 2)
    assert z.tolist() == [[[sympy.sqrt(a**2 + b**2)]]]
    z.sum().backward()
    assert sympy.simplify(X.grad.tolist()[0][0][0] - a / sympy.sqrt(a**2 + b**2)) == 0
    cubic = tg.lp_pool1d(np.array([[[a, b]]], dtype=object), 3, 2)
    assert cubic.tolist() == [[[(a**3 + b**3) ** sympy.Rational(1, 3)]]]


BAD = {
    "one image": ({"x": (4, 5, 6)}, ValueError, "4 axes (N, C, H, W)", "(4, 5, 6)"),
    "no pixels": ({"x": (1, 1, 0, 6)}, ValueError, "at least one pixel", "(0, 6)"),
    "a large window": ({"kernel_size": 6}, ValueError, "(6, 6)", "padded input of (5, 6)"),
    "window 0": ({"kernel_size": 0}, ValueError, "kernel_size must be at least 1 but is 0"),
    "stride 0": ({"stride": 0}, ValueError, "stride must be at least 1 but is 0"),
    "p = 0": ({"norm_type": 0}, ValueError, "norm_type must be positive but is 0"),
    "a negative p": ({"norm_type": -1.5}, ValueError, "norm_type must be positive but is -1.5"),
    "p no number": ({"norm_type": math.nan}, ValueError, "norm_type must be positive but is nan"),
    "a word": ({"norm_type": "inf"}, TypeError, "norm_type must be a number but is 'inf'"),
    "no p": ({"norm_type": None}, TypeError, "norm_type must be a number but is None"),
    "a truth": ({"norm_type": True}, TypeError, "norm_type must be a number but is True"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_input_is_refused_by_name(bad):
    change, error, *texts = bad
    arguments = {"x": (2, 3, 5, 6), "norm_type": 2, "kernel_size": 2} | change
    leaf = tg.tensor(integers(arguments.pop("x"), 1), requires_grad=True)
    (leaf * leaf).sum().backward()
    with refused("lp_pool2d", error, *texts, tensors=[leaf]):
        tg.lp_pool2d(leaf, **arguments)


def test_a_root_of_exact_numbers_is_refused():
    leaf = tg.tensor(fractions((1, 1, 4), 1), requires_grad=True)
    with refused("lp_pool1d", TypeError, "the 2-norm has no exact value for Fraction", tensors=[leaf]):
        tg.lp_pool1d(leaf, 2, 2)


@pytest.mark.parametrize(("operation", "layout"), [("lp_pool1d", "(N, C, W)"), ("lp_pool3d", "(N, C, D, H, W)")])
def test_each_number_of_axes_has_its_own_name_and_layout(operation, layout):
    with refused(operation, ValueError, f"{layout} but has shape (1, 1, 4, 4)"):
        getattr(tg, operation)(np.ones((1, 1, 4, 4)), 2, 2)

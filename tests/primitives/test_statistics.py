"""var, std and norm over every choice of axes: exactly, to rounding far from zero, at their kinks; refusals."""

import math
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.dual_numbers import exact_gradients
from tests.finite_differences import check_gradients
from tests.operands import (
    assert_close,
    assert_equal,
    assert_exact,
    fractions,
    integers,
    layouts,
    normals,
    scalars,
    tensors,
)
from tests.reductions import CASES, filled, members

FLOATS = [np.float16, np.float32, np.float64]


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


def epsilon(dtype):
    return float(np.finfo(dtype).eps)


def variance(values, ddof):
    """The definition, in any arithmetic."""
    mean = sum(values, Fraction(0)) / len(values)
    return sum(((value - mean) ** 2 for value in values), Fraction(0)) / (len(values) - ddof)


# var and std


@pytest.mark.parametrize(("shape", "axes"), CASES)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("ddof", [0, 1, Fraction(1, 2)])
def test_variances_are_those_of_a_loop(shape, axes, keepdims, ddof):
    x = fractions(shape, 1)
    small, lists = members(shape, axes, keepdims)
    if min(map(len, lists.values())) <= ddof:
        with pytest.raises(ValueError, match=r"^var: ddof must be below the number of elements, 1, but is "):
            tg.var(leaf(x), axes, ddof, keepdims)
        return

    def of_loop(x):
        return filled(small, {k: variance([x[i] for i in v], ddof) for k, v in lists.items()})

    (a,) = tensors(x)
    z = tg.var(a, axes, ddof, keepdims)
    assert_exact(z, of_loop(x))
    weights = fractions(small, 2)
    for create_graph in (False, True):
        (dx,) = tg.grad(z, a, [weights], create_graph=create_graph)
        assert_exact(dx, exact_gradients(of_loop, [x], weights)[0])


def test_axes_may_be_negative_an_integer_none_or_in_any_order():
    x = normals((2, 3, 4), 1)
    for function in (tg.var, tg.std, tg.norm):
        for axis, same in [(None, (0, 1, 2)), (-1, 2), (np.int64(1), (1,)), ((-1, 0), (0, 2)), ([2, 1], (1, 2))]:
            for keepdims in (False, True):
                z = function(leaf(x), axis=axis, keepdims=keepdims)
                assert_equal(z.numpy(), function(leaf(x), axis=same, keepdims=keepdims).numpy())


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("mean", "scale"), [(0, 1), (1e4, 1), (-1e4, 0.01), (1e4, 100), (0, 1e-3)])
@pytest.mark.parametrize("axis", [0, 1, None])
def test_far_from_zero_nothing_cancels(dtype, mean, scale, axis):
    """Against the variance of the numbers that the dtype holds, by fractions: every digit of them counts."""
    x = (mean + scale * normals((40, 3), 1)).astype(dtype)
    if dtype is np.float16 and scale < 1:
        x = (np.float16(1000) + integers((40, 3), 1, dtype)).astype(
            dtype
        )  # float16 has no digit behind the point there
    exact = np.vectorize(lambda value: Fraction(float(value)), otypes=[object])(x)
    rows = {0: exact.T, 1: exact, None: [exact.reshape(-1)]}[axis]
    expected = np.array([float(variance(list(row), 1)) for row in rows]).reshape(() if axis is None else -1)
    tolerance = 4 * epsilon(dtype)
    a = leaf(x)
    var, std = tg.var(a, axis, ddof=1), tg.std(a, axis, ddof=1)
    assert var.dtype == std.dtype == dtype
    np.testing.assert_allclose(var.numpy(), expected, rtol=tolerance)
    np.testing.assert_allclose(std.numpy(), np.sqrt(expected), rtol=tolerance)
    deviations = np.array([[float(value - sum(row) / len(row)) for value in row] for row in rows], dtype=np.float64)
    slopes = 2 * deviations / (deviations.shape[1] - 1)
    slopes = {0: slopes.T, 1: slopes, None: slopes.reshape(x.shape)}[axis]
    for create_graph in (False, True):
        (dx,) = tg.grad(var, a, [np.ones(var.shape)], create_graph=create_graph)
        assert dx.dtype == dtype
        assert_close(dx.numpy(), slopes, tolerance)


def test_a_mean_does_not_overflow_in_float16():
    """66 numbers of 1,000 add up to more than float16 holds."""
    x = leaf(np.full((10, 10), 1000, np.float16))
    for z in (tg.mean(x), tg.mean(x, 0)[0]):
        assert (z.dtype, z.item()) == (np.float16, 1000)
    assert tg.var(leaf(np.array([1000, -1000], np.float16) / 4)).item() == np.float16(62500)
    x = leaf(np.array([1000, -1000], np.float16))
    std = tg.std(x)
    assert std.item() == 1000
    assert tg.grad(std, x)[0].tolist() == [0.5, -0.5]


def test_std_of_equal_elements_has_gradient_zero_in_every_order():
    for dtype in FLOATS:
        x = leaf(np.array([[3, 3, 3], [0.1, 0.1, 0.1], [0, 1, 2]], dtype))
        z = tg.std(x, axis=1)
        assert z.tolist()[:2] == [0, 0]
        (dx,) = tg.grad(z, x, [np.ones(3)], create_graph=True)
        assert dx.tolist()[:2] == [[0] * 3] * 2
        np.testing.assert_allclose(
            dx.numpy()[2], np.array([-1, 0, 1]) / (3 * math.sqrt(2 / 3)), rtol=4 * epsilon(dtype)
        )
        (ddx,) = tg.grad(dx, x, [np.arange(9.0).reshape(3, 3)])
        assert ddx.tolist()[:2] == [[0] * 3] * 2
        assert np.isfinite(ddx.numpy()).all()
    x = leaf(2.0)
    assert (tg.var(x).item(), tg.std(x).item(), tg.grad(tg.std(x), x)[0].item()) == (0, 0, 0)


@pytest.mark.parametrize("axis", [0, 1, (0, 2), None])
@pytest.mark.parametrize("ddof", [0, 1])
def test_gradients_to_third_order(axis, ddof):
    x = normals((2, 3, 2), 1)
    check_gradients(lambda x: tg.var(x, axis, ddof) ** 2, x, order=3)
    check_gradients(lambda x: tg.std(x, axis, ddof), x, order=2, tolerance=1e-5)


def test_integers_and_truth_values():
    assert tg.var(tg.tensor([1, 2, 4])).item() == pytest.approx(14 / 9)
    assert tg.std(tg.tensor([True, False])).item() == 0.5
    assert tg.norm(tg.tensor([3, -4])).item() == 5


def test_an_empty_axis_beside():
    x = leaf(np.zeros((0, 3)))
    for z in (tg.var(x, 1), tg.std(x, 1), tg.norm(x, axis=1), tg.norm(x, math.inf, axis=1)):
        assert z.shape == (0,)
        assert tg.grad(z.sum(), x)[0].shape == (0, 3)
    for p in (0.5, 1, 2):
        z = tg.norm(x, p, axis=0)
        assert z.tolist() == [0, 0, 0]
        assert tg.grad(z.sum(), x)[0].shape == (0, 3)


# norm

POWERS = [0.5, 1, 1.5, 2, 2.5, 3, 4, Fraction(7, 2), math.inf]
every_p = pytest.mark.parametrize("p", POWERS)


def naive_norm(values, p):
    sizes = [abs(float(value)) for value in values]
    return max(sizes) if p == math.inf else math.fsum(size ** float(p) for size in sizes) ** (1 / float(p))


def naive_slope(value, z, p, is_winner):
    """sign(x) (|x| / z)**(p-1), 0 at an x of 0; for the largest, that of the winner."""
    if value == 0 or (p == math.inf and not is_winner):
        return 0.0
    return math.copysign(1 if p == math.inf else (abs(value) / z) ** (float(p) - 1), value)


@every_p
@pytest.mark.parametrize(("shape", "axes"), CASES)
@pytest.mark.parametrize("keepdims", [False, True])
def test_norms_are_those_of_a_loop(p, shape, axes, keepdims):
    x = integers(shape, 1)  # ties and zeros among them
    small, lists = members(shape, axes, keepdims)
    weights = integers(small, 2)
    z, dx = np.zeros(small), np.zeros(shape)
    for k, v in lists.items():
        z[k] = naive_norm([x[i] for i in v], p)
        winner = max(v, key=lambda i: abs(x[i]))
        for i in v:
            dx[i] = weights[k] * naive_slope(x[i], z[k], p, i == winner)
    (a,) = tensors(x)
    found = tg.norm(a, p, axes, keepdims)
    assert_close(found.numpy(), z, 1e-14)
    assert_close(tg.grad(found, a, [weights])[0].numpy(), dx, 1e-13)


@every_p
@pytest.mark.parametrize("dtype", FLOATS)
def test_no_power_overflows_or_vanishes(p, dtype):
    largest = {np.float16: 2.0**10, np.float32: 2.0**120, np.float64: 2.0**1000}[dtype]
    for size in (largest, 1 / largest):
        x = leaf(np.array([[3, -4, 0], [1, 2, -2]], dtype) * dtype(size))
        z = tg.norm(x, p, axis=1)
        assert z.dtype == dtype
        expected = np.array([naive_norm([3, 4], p), naive_norm([1, 2, 2], p)])
        assert_close(z.numpy() / dtype(size), expected, 4 * epsilon(dtype))
        (dx,) = tg.grad(z, x, [np.ones(2)])
        assert np.isfinite(dx.numpy()).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_euclidean_norm_rounds_once(dtype):
    """Scaled by a power of two, pythagorean triples stay whole."""
    for m in range(2, 6 if dtype is np.float16 else 40):
        for n in range(1, m):
            assert tg.norm(leaf(np.array([m * m - n * n, 2 * m * n], dtype))).item() == m * m + n * n
    largest = np.finfo(dtype).max
    assert tg.norm(leaf(np.array([0, largest], dtype))).item() == largest
    x = normals((50,), 1).astype(dtype)
    exact = math.sqrt(sum(Fraction(float(value)) ** 2 for value in x))
    assert tg.norm(leaf(x)).item() == pytest.approx(exact, rel=3 * epsilon(dtype))


@every_p
def test_norms_of_zeros_have_gradient_zero_in_every_order(p):
    for dtype in FLOATS:
        x = leaf(np.array([[0, -0.0], [0, 3]], dtype))
        z = tg.norm(x, p, axis=1)
        assert z.tolist() == [0, 3]
        (dx,) = tg.grad(z, x, [np.ones(2)], create_graph=True)
        assert dx.tolist() == [[0, 0], [0, 1]]
        if dx.requires_grad:
            (ddx,) = tg.grad(dx, x, [np.ones((2, 2))], allow_unused=True)
            assert ddx is None or ddx.tolist()[0] == [0, 0]
            assert ddx is None or np.isfinite(ddx.numpy()).all()


@every_p
def test_nan_and_infinity(p):
    x = np.array([[np.nan, 1.0, -np.inf], [0.0, 2.0, 0.0], [0.0, -np.inf, 1.0]])
    assert_equal(tg.norm(x, p, axis=1), np.array([np.nan, 2.0, np.inf]))


@every_p
def test_gradients_of_norms_to_second_order(p):
    x = normals((2, 3), 1)
    check_gradients(lambda x: tg.norm(x, p, axis=1) ** 2, x + np.sign(x) / 2, tolerance=1e-6)


@pytest.mark.parametrize("p", [2, 4])
def test_at_a_zero_element_a_smooth_norm_has_its_second_derivative(p):
    check_gradients(lambda x: tg.norm(x, p), np.array([0.0, 0.7, 0.0]))


def test_the_sum_and_the_largest_are_exact_in_fractions():
    x = fractions((3, 4), 1)
    (a,) = tensors(x)
    for p, of_python in [(1, sum), (math.inf, max)]:
        z = tg.norm(a, p, axis=0)
        assert_exact(z, np.array([of_python(abs(value) for value in column) for column in x.T], dtype=object))
        assert all(isinstance(value, int | Fraction) for value in tg.grad(z, a, [fractions((4,), 2)])[0].numpy().flat)


def test_memory_layout_makes_no_difference():
    x = normals((2, 3, 4, 5), 1)
    for axis in [(1,), (0, 2), (2, 3), None]:
        for function in (tg.var, tg.std, tg.norm):
            a = leaf(x)
            expected = function(a, axis=axis)
            (dx,) = tg.grad(expected.sum(), a)
            for view in layouts(x).values():
                b = leaf(view)
                z = function(b, axis=axis)
                assert_close(z.numpy(), expected.numpy(), 1e-15)
                assert_close(tg.grad(z.sum(), b)[0].numpy(), dx.numpy(), 1e-15)


# Other arithmetics


def test_symbols():
    sympy = pytest.importorskip("sympy")
    a, b = sympy.symbols("a b", positive=True)
    x = leaf(np.array([a, b], dtype=object))
    for function, formula in [
        (tg.mean, (a + b) / 2),
        (tg.var, (a - b) ** 2 / 4),
        (lambda x: tg.var(x, ddof=1), (a - b) ** 2 / 2),
        (tg.std, sympy.sqrt((a - b) ** 2) / 2),
        (tg.norm, sympy.sqrt(a**2 + b**2)),
        (lambda x: tg.norm(x, 1), a + b),
        (lambda x: tg.norm(x, 3), sympy.cbrt(a**3 + b**3)),
    ]:
        z = function(x)
        (dx,) = tg.grad(z, x)
        expected = [formula, sympy.diff(formula, a), sympy.diff(formula, b)]
        for actual, wanted in zip([z.item(), *dx.tolist()], expected, strict=True):
            assert sympy.simplify((actual - wanted).subs({a: 2, b: 5})) == 0


def test_scalar_tensors():
    """The scalar graph: each element is a node of its own."""
    values = [0.5, -1.0, 2.0]
    for function in (tg.mean, tg.var, tg.std, tg.norm, lambda x: tg.norm(x, 3), lambda x: tg.norm(x, 1)):
        x = scalars(np.array(values))
        z = function(x)
        z.backward()
        whole = leaf(np.array(values))
        expected = function(whole)
        assert z.item() == pytest.approx(expected.item(), rel=1e-14)
        np.testing.assert_allclose([each.grad.item() for each in x], tg.grad(expected, whole)[0].numpy(), rtol=1e-13)


# Refusals


@pytest.mark.parametrize("function", [tg.var, tg.std])
def test_too_few_elements_are_refused(function):
    name = function.__name__
    for shape, axis, ddof, n in [((1,), None, 1, 1), ((3, 2), 1, 2, 2), ((0, 3), 0, 0, 0), ((), None, 1.5, 1)]:
        with pytest.raises(ValueError, match=f"^{name}: ddof must be below the number of elements, {n}, but is {ddof}"):
            function(leaf(np.zeros(shape)[()]), axis, ddof)


@pytest.mark.parametrize("function", [tg.var, tg.std, tg.norm])
def test_wrong_axes_are_refused(function):
    x = leaf(np.zeros((2, 3)))
    name = function.__name__
    with pytest.raises(ValueError, match=f"^{name}: expected an axis of -2 to 1 for 2 axes but got 2"):
        function(x, axis=2)
    with pytest.raises(ValueError, match=f"^{name}: each axis may come once"):
        function(x, axis=(1, -1))
    with pytest.raises(TypeError, match=f"^{name}: axis must be an integer but is 0.5"):
        function(x, axis=0.5)


def test_what_is_no_power_is_refused():
    x = leaf([1.0, 2.0])
    for p in (0, -1, -math.inf, math.nan):
        with pytest.raises(ValueError, match=r"^norm: ord must be positive but is "):
            tg.norm(x, p)
    for p in ("fro", None, True, [2]):
        with pytest.raises(TypeError, match=r"^norm: ord must be a number but is "):
            tg.norm(x, p)
    with pytest.raises(ValueError, match=r"^max: an empty axis has no largest"):
        tg.norm(leaf(np.zeros((0, 3))), math.inf, axis=0)


def test_a_root_of_exact_numbers_is_refused():
    x = leaf(fractions((3,), 1))
    with pytest.raises(TypeError, match=r"^norm: the 2-norm has no exact value for Fraction"):
        tg.norm(x)
    with pytest.raises(TypeError, match=r"^sqrt: has no exact value for Fraction"):
        tg.std(x)

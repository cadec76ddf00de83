"""Activations: closed forms, exact fractions, differences, conventions at kinks, and the ends of the range."""

import math
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.activation_cases import CASES, POINTS, by_case
from tests.dual_numbers import exact_gradients
from tests.finite_differences import check_gradients
from tests.operands import assert_exact, fractions, layouts, normals, tensors, tied_fractions
from tests.refusals import refused

FLOATS = [np.float16, np.float32, np.float64]
INF = math.inf


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


def slopes(function, x):
    """The value and the derivative at each element, as float64 arrays."""
    x = leaf(x)
    z = function(x)
    (dx,) = tg.grad(z, x, [np.ones(x.shape, x.dtype)])
    assert z.dtype == dx.dtype == x.dtype
    assert z.shape == dx.shape == x.shape
    return z.numpy().astype(float), dx.numpy().astype(float)


def epsilon(dtype):
    return float(np.finfo(dtype).eps)


# Closed forms


@pytest.mark.parametrize("dtype", FLOATS)
@by_case
def test_values_and_derivatives_in_closed_form(case, dtype):
    """On both sides of every kink and on it, of arrays and of single numbers."""
    x = np.array(POINTS, dtype)
    z, dx = slopes(case, x)
    expected = [case.value(v) for v in x.tolist()], [case.slope(v) for v in x.tolist()]
    np.testing.assert_allclose(z, expected[0], rtol=6 * epsilon(dtype), atol=4 * epsilon(dtype))
    np.testing.assert_allclose(dx, expected[1], rtol=12 * epsilon(dtype), atol=4 * epsilon(dtype))
    for i, v in enumerate(x):
        a = leaf(v)
        value = case(a)
        value.backward()
        assert type(value.data) is type(a.grad.data) is dtype
        assert value.item() == pytest.approx(z[i], rel=4 * epsilon(dtype), abs=epsilon(dtype))
        assert a.grad.item() == pytest.approx(dx[i], rel=4 * epsilon(dtype), abs=epsilon(dtype))


@by_case
def test_first_and_second_derivatives_are_central_differences(case):
    x = np.linspace(-4.03, 4.07, 19)
    assert all(np.abs(x - kink).min() > 0.005 for kink in case.kinks)
    check_gradients(case, x, tolerance=1e-6)


@by_case
def test_shapes_and_memory_orders(case):
    assert case(tg.tensor(np.zeros((0, 3), np.float32))).shape == (0, 3)
    x = normals((2, 3, 2, 3), 1)
    expected = np.array([case.value(v) for v in x.flat]).reshape(x.shape)
    for array in layouts(x).values():
        np.testing.assert_allclose(case(leaf(array)).numpy(), expected, rtol=1e-13, atol=1e-15)
        z = case(array)
        assert type(z) is np.ndarray
        np.testing.assert_allclose(z, expected, rtol=1e-13, atol=1e-15)
    assert case(0.75) == pytest.approx(case.value(0.75), rel=1e-14)
    assert case(tg.tensor([1, -2])).tolist() == pytest.approx([case.value(1), case.value(-2)], rel=1e-14)


# Exact


@pytest.mark.parametrize("case", [case for case in CASES if case.is_rational], ids=lambda case: case.label)
def test_piecewise_rational_ones_are_exact(case):
    """On fractions of which many lie on kinks, against dual numbers where no kink is."""
    x = np.concatenate([fractions((20,), 1), 6 * tied_fractions((12,), 2), [Fraction(v) for v in case.kinks]])
    a = leaf(x)
    z = case(a)
    values = {"softsign": lambda v: v / (1 + abs(v))}.get(case.name, _exact(case.name))
    assert_exact(z, np.array([values(v) for v in x]))
    weights = fractions(x.shape, 3)
    (dx,) = tg.grad(z, a, [weights])
    smooth = [i for i, v in enumerate(x) if v not in case.kinks]
    (expected,) = exact_gradients(np.frompyfunc(values, 1, 1), [x[smooth]], weights[smooth])
    assert_exact(dx[smooth], expected)
    for i in set(range(len(x))) - set(smooth):
        assert dx.numpy()[i] == weights[i] * Fraction(case.slope(float(x[i])))


def _exact(name):
    def relu6(v):
        return Fraction(0) * v if v < 0 else 0 * v + 6 if v > 6 else v

    return {
        "hardtanh": lambda v: 0 * v - 1 if v < -1 else 0 * v + 1 if v > 1 else v,
        "relu6": relu6,
        "hardsigmoid": lambda v: relu6(v + 3) / 6,
        "hardswish": lambda v: v * relu6(v + 3) / 6,
    }.get(name)


def test_leaky_relu_and_prelu_with_exact_slopes():
    x, slope = np.array([Fraction(-3, 2), Fraction(0), Fraction(2, 5)]), Fraction(1, 3)
    a, w = leaf(x), leaf(np.array([slope]))
    assert_exact(tg.leaky_relu(a, slope), np.array([Fraction(-1, 2), 0, Fraction(2, 5)]))
    assert tg.grad(tg.leaky_relu(a, slope).sum(), a)[0].tolist() == [slope, slope, 1]
    assert_exact(tg.prelu(a, w), np.array([Fraction(-1, 2), 0, Fraction(2, 5)]))
    da, dw = tg.grad(tg.prelu(a, w).sum(), [a, w])
    assert (da.tolist(), dw.tolist()) == ([slope, slope, 1], [Fraction(-3, 2)])


# Kinks


KINKS = [(case, kink) for case in CASES for kink in case.kinks]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("case", "kink"), KINKS, ids=[f"{case.label} at {kink}" for case, kink in KINKS])
def test_at_a_kink(case, kink, dtype):
    """The convention at the kink, and both one-sided derivatives right beside it."""
    x = np.array([kink, np.nextafter(dtype(kink), dtype(-INF)), np.nextafter(dtype(kink), dtype(INF))], dtype)
    if kink == 0:
        x = np.append(x, dtype(-0.0))
    _, dx = slopes(case, x)
    # x + 3 rounds to 3 right below 0, where hardsigmoid has no kink, and to the kink right beside it.
    expected = [case.slope(v) for v in (kink, *x.tolist()[1:])]
    if case.name not in ("hardsigmoid", "hardswish"):
        np.testing.assert_allclose(dx, expected, rtol=2 * epsilon(dtype))
    else:
        assert dx[0] == pytest.approx(case.slope(kink), rel=2 * epsilon(dtype))


# The ends of the range. No warning is allowed here, since each is an error in these tests.


@pytest.mark.parametrize("dtype", FLOATS)
@by_case
def test_large_arguments_are_exact_to_rounding(case, dtype):
    x = np.array([-1e4, 1e4, -300, 300, -50, 50, -20, 20], dtype)
    if dtype is np.float32:
        x = np.append(x, np.array([-1e30, 1e30], dtype))
    z, dx = slopes(case, x)
    np.testing.assert_allclose(z, [_stable(case, v) for v in x.tolist()], rtol=4 * epsilon(dtype), atol=1e-7)
    ends = [case.end_slopes[v > 0] if abs(v) > 250 and case.name != "softsign" else case.slope(v) for v in x.tolist()]
    np.testing.assert_allclose(dx, ends, rtol=4 * epsilon(dtype), atol=1e-7)


def _stable(case, v):
    """The closed form, or the limit where it overflows."""
    if abs(v) < 250 or case.name in ("softsign", "leaky_relu", "softplus", "logsigmoid", "hardtanh", "tanhshrink"):
        return case.value(v)
    limit = case.limits[v > 0]
    return limit if math.isfinite(limit) else v * case.end_slopes[v > 0]


@pytest.mark.parametrize("dtype", FLOATS)
@by_case
def test_small_values_in_the_tails_keep_their_digits(case, dtype):
    """x Phi(x) at -5 is -1.4e-6: 1 + erf would leave of it what rounding leaves."""
    if case.limits[0] != 0:
        return
    x = np.array([-2.5, -4.0, -5.0] + [-9.0, -12.0] * (dtype is not np.float16), dtype)
    z, dx = slopes(case, x)
    # The oracle rounds x / sqrt(2) before it is squared in an exponent, and float16 rounds the exponent itself.
    near = {"rtol": 100 * epsilon(dtype), "atol": 4 * float(np.finfo(dtype).smallest_subnormal)}
    np.testing.assert_allclose(z, [case.value(v) for v in x.tolist()], **near)
    near["rtol"] *= 4
    np.testing.assert_allclose(dx, [case.slope(v) for v in x.tolist()], **near)


@pytest.mark.parametrize("dtype", FLOATS)
@by_case
def test_infinities_have_the_limits_and_nan_stays_nan(case, dtype):
    for x in (np.array([-INF, INF], dtype), np.array([-1e4, 1e4], dtype)):
        a = leaf(x)
        z = case(a)
        (dx,) = tg.grad(z, a, [np.ones(2, dtype)], create_graph=True)
        if math.isinf(x[0]):
            np.testing.assert_allclose(z.numpy(), case.limits, rtol=2 * epsilon(dtype))
            np.testing.assert_allclose(dx.numpy(), case.end_slopes, rtol=2 * epsilon(dtype))
        if dx.requires_grad:
            np.testing.assert_allclose(tg.grad(dx, a, [np.ones(2, dtype)])[0].numpy(), 0, atol=1e-4)
    for value, limit in zip((-INF, INF), case.limits, strict=True):
        assert case(leaf(dtype(value))).item() == pytest.approx(limit, rel=2 * epsilon(dtype))
    assert np.isnan(case(leaf(np.array([np.nan, 1.0], dtype))).numpy()).tolist() == [True, False]
    assert math.isnan(case(leaf(dtype(np.nan))).item())


@pytest.mark.parametrize("dtype", FLOATS)
def test_softplus_needs_no_threshold(dtype):
    """PyTorch leaves the exponential out above 20; here it is exact to rounding everywhere."""
    x = np.array([15.0, 20.5, 25.0, 30.0], dtype)
    expected = [math.log1p(math.exp(v)) for v in x.tolist()]
    np.testing.assert_allclose(tg.softplus(leaf(x)).numpy(), expected, rtol=epsilon(dtype))
    assert tg.softplus(leaf(np.float64(21.0))).item() > 21


# Formulas in numbers of 60 digits, of which the derivative is taken by differences
EXACT = {
    "elu": lambda m, x: x if x > 0 else m.expm1(x),
    "gelu": lambda m, x: x * m.ncdf(x),
    "silu": lambda m, x: x / (1 + m.exp(-x)),
    "softplus": lambda m, x: m.log(1 + m.exp(x)),
    "logsigmoid": lambda m, x: -m.log(1 + m.exp(-x)),
    "mish": lambda m, x: x * m.tanh(m.log(1 + m.exp(x))),
    "softsign": lambda m, x: x / (1 + abs(x)),
    "erf": lambda m, x: m.erf(x),
}


@pytest.mark.parametrize("name", EXACT)
def test_value_and_derivative_are_exact_to_rounding_at_any_number(name):
    """Relatively to themselves also where they are tiny; near the zeros of a derivative, relatively to 1."""
    hypothesis = pytest.importorskip("hypothesis")
    st = pytest.importorskip("hypothesis.strategies")
    mpmath = pytest.importorskip("mpmath")

    @hypothesis.settings(max_examples=50, deadline=None, database=None)
    @hypothesis.given(st.floats(-30, 30, allow_subnormal=False) | st.floats(-700, 700) | st.floats(-1e15, 1e15))
    def check(x):
        with mpmath.workdps(80 if abs(x) < 4 else 760):
            value = float(EXACT[name](mpmath, mpmath.mpf(x)))
            slope = float(mpmath.diff(lambda v: EXACT[name](mpmath, v), x, h=mpmath.mpf(10) ** -30))
        z, dx = slopes(getattr(tg, name), np.array([x]))
        digits = 1e-13 if abs(x) < 10 else 1e-12  # an exponent's rounding grows with it
        assert z[0] == pytest.approx(value, rel=digits, abs=1e-320)
        assert dx[0] == pytest.approx(slope, rel=digits, abs=1e-14 if abs(x) < 10 else 1e-320)

    check()


# PReLU's weight


def test_prelu_has_one_slope_for_all_channels_or_one_for_each():
    x = normals((2, 3, 4), 1)
    for weight in ([0.25], [0.5, 0.0, -1.0], 0.25):
        a, w = tensors(x, np.array(weight))
        z = tg.prelu(a, w)
        each = np.broadcast_to(np.reshape(weight, (-1, 1)), (3, 1))
        np.testing.assert_allclose(z.numpy(), np.where(x > 0, x, x * each), rtol=1e-15)
        dz = normals((2, 3, 4), 2)
        da, dw = tg.grad(z, [a, w], [dz])
        np.testing.assert_allclose(da.numpy(), np.where(x > 0, dz, dz * each), rtol=1e-15)
        whole = np.where(x > 0, 0, dz * x)
        expected = whole.sum(axis=(0, 2)) if np.size(weight) == 3 else whole.sum()
        np.testing.assert_allclose(dw.numpy(), np.reshape(expected, np.shape(weight)), rtol=1e-13)
    check_gradients(tg.prelu, x[:1], np.array([0.5, 0.1, -1.0]))
    check_gradients(tg.prelu, np.array([-1.5, 2.0]), np.array([0.5]))
    assert tg.prelu(leaf(-2.0), leaf([0.5])).item() == -1
    a, w = leaf([0.0]), leaf([0.5])
    assert [d.tolist() for d in tg.grad(tg.prelu(a, w), [a, w], [[1.0]])] == [[0.5], [0]]


# Other arithmetics


@pytest.mark.parametrize("name", ["erf", "gelu", "silu", "softplus", "mish", "logsigmoid", "tanhshrink"])
def test_symbols(name):
    sympy = pytest.importorskip("sympy")
    x = sympy.Symbol("x")
    case = next(case for case in CASES if case.name == name)
    a = leaf(x)
    z = case(a)
    (dx,) = tg.grad(z, a)
    for point in (-1.25, 0.5):
        assert float(z.item().subs(x, point)) == pytest.approx(case.value(point), rel=1e-12)
        assert float(dx.item().subs(x, point)) == pytest.approx(case.slope(point), rel=1e-12)


@by_case
def test_scalar_tensors_in_an_object_array(case):
    x = np.empty(4, dtype=object)
    for i, v in enumerate([-3.5, -0.25, 0.5, 7.0]):
        x[i] = leaf(np.float64(v))
    for v, z in zip(x, case(x), strict=True):
        if isinstance(z, tg.Tensor):  # a bound that cuts it off is a plain number
            z.backward()
            z = z.item()
        assert z == pytest.approx(case.value(v.item()), rel=1e-13)
        assert (v.grad.item() if v.grad is not None else 0) == pytest.approx(case.slope(v.item()), rel=1e-12)


@pytest.mark.parametrize("name", ["elu", "selu", "celu", "erf", "gelu", "silu", "softplus", "mish", "tanhshrink"])
def test_transcendental_ones_of_fractions_are_refused_with_advice(name):
    with pytest.raises(TypeError, match=r"^\w+: has no exact value for Fraction -1/2.*use float64"):
        getattr(tg, name)(leaf(Fraction(-1, 2)))


# Mistakes


def test_mistakes_are_named():
    x = leaf(np.ones((2, 3)))
    with refused("prelu", ValueError, "(1,) or (3,)", "(2, 3)", "(2,)", tensors=[x]):
        tg.prelu(x, np.ones(2))
    with refused("prelu", ValueError, "(3, 1)", tensors=[x]):
        tg.prelu(x, np.ones((3, 1)))
    with refused("gelu", ValueError, "'none' or 'tanh'", "'fast'", tensors=[x]):
        tg.gelu(x, "fast")
    with refused("celu", ValueError, "alpha", tensors=[x]):
        tg.celu(x, 0)
    with refused("softplus", ValueError, "beta", tensors=[x]):
        tg.softplus(x, 0)
    with refused("hardtanh", ValueError, "min_val", "2 and 1", tensors=[x]):
        tg.hardtanh(x, 2, 1)

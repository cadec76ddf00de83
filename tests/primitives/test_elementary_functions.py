"""The differentiable NumPy set: closed forms of values and derivatives, every arithmetic, where naive rules fail."""

import math
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.elementwise_cases import BINARY, INSIDE, UNARY, by_name
from tests.finite_differences import check_gradients
from tests.operands import assert_equal, tensors

FLOATS = [np.float16, np.float32, np.float64]
INF = math.inf


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


def gradients(function, *operands):
    """The gradient of the sum for each operand, as lists."""
    leaves = [leaf(x) for x in operands]
    z = function(*leaves)
    return [dx.tolist() for dx in tg.grad(z, leaves, [np.ones(z.shape, z.dtype)])]


def columns(case, dtype):
    """The case's points as one array for each operand."""
    points = [point if isinstance(point, tuple) else (point,) for point in case.points]
    return [np.array(column, dtype) for column in zip(*points, strict=True)]


def epsilon(dtype):
    return float(np.finfo(dtype).eps)


# Closed forms


@pytest.mark.parametrize("dtype", FLOATS)
@by_name(UNARY + BINARY)
def test_values_and_derivatives_in_closed_form(case, dtype):
    """Of arrays and of single numbers, which take another path."""
    operands = columns(case, dtype)
    rows = list(zip(*(x.tolist() for x in operands), strict=True))  # as they are after rounding to the dtype
    leaves = tensors(*operands)
    z = case(*leaves)
    assert (z.dtype, z.shape) == (dtype, operands[0].shape)
    tolerance = {"rtol": 4 * epsilon(dtype), "atol": 2 * epsilon(dtype)}
    np.testing.assert_allclose(z.numpy(), [case.value(*row) for row in rows], **tolerance)
    weights = (1 + np.arange(len(rows)) / 16).astype(dtype)
    expected = [np.array([slope(*row) for row in rows]) for slope in case.slopes]
    tolerance = {"rtol": 12 * epsilon(dtype), "atol": 4 * epsilon(dtype)}
    for dx, slopes in zip(tg.grad(z, leaves, [weights]), expected, strict=True):
        assert dx.dtype == dtype
        np.testing.assert_allclose(dx.numpy() / weights, slopes, **tolerance)
    for i, row in enumerate(rows):
        singles = [leaf(dtype(x)) for x in row]
        z = case(*singles)
        assert type(z.data) is dtype
        np.testing.assert_allclose(z.item(), case.value(*row), rtol=4 * epsilon(dtype), atol=2 * epsilon(dtype))
        z.backward()
        np.testing.assert_allclose([x.grad.item() for x in singles], [slopes[i] for slopes in expected], **tolerance)
        assert all(type(x.grad.data) is dtype for x in singles)


@by_name(UNARY + BINARY)
def test_first_and_second_derivatives_are_central_differences(case):
    operands = columns(case, np.float64)
    if len(operands) == 1:  # the differences need room on both sides
        room = INSIDE[-2] if case.points is INSIDE else 10.0
        operands = [x[(np.abs(x) > 0.01) & (np.abs(x) <= room)] for x in operands]
    check_gradients(case, *operands, tolerance=1e-6)


@by_name(BINARY)
@pytest.mark.parametrize("shapes", [((2, 1), (3,)), ((), (2,)), ((1, 2), ()), ((0, 1), (3,)), ((2,), (1,))])
def test_broadcasting(case, shapes):
    """Each element is the function of its pair, and each operand's gradient the sum over its pairs."""
    rng = np.random.default_rng(1)
    x, y = (np.asarray(rng.choice([-2.75, -1.25, 0.25, 1.75], shape) + 0.1 * i) for i, shape in enumerate(shapes))
    a, b = tensors(x, y)
    z = case(a, b)
    pairs = np.broadcast(x, y)
    assert z.shape == pairs.shape
    expected = np.array([case.value(*pair) for pair in pairs]).reshape(pairs.shape)
    np.testing.assert_allclose(z.numpy(), expected, rtol=1e-14, atol=1e-15)
    dz = rng.standard_normal(z.shape)
    for dx, slope, array in zip(tg.grad(z, [a, b], [dz]), case.slopes, (x, y), strict=True):
        full = dz * np.array([slope(*pair) for pair in np.broadcast(x, y)]).reshape(z.shape)
        added = tuple(range(full.ndim - array.ndim))
        kept = tuple(i for i in range(-array.ndim, 0) if array.shape[i] == 1)
        summed = full.sum(axis=added).sum(axis=kept, keepdims=True)
        np.testing.assert_allclose(dx.numpy(), summed.reshape(array.shape), rtol=1e-13, atol=1e-14)


@by_name(UNARY + BINARY)
def test_plain_operands_are_numpys(case):
    """Arrays give arrays and numbers numbers, without a graph; integers go along, empty arrays stay empty."""
    operands = columns(case, np.float64)
    of_numpy = getattr(np, case.name)
    z = case(*operands)
    assert type(z) is np.ndarray
    np.testing.assert_allclose(z, of_numpy(*operands), rtol=1e-15)
    numbers = [float(x[-1]) for x in operands]
    np.testing.assert_allclose(case(*numbers), of_numpy(*numbers), rtol=1e-15)
    if case.points is not INSIDE:
        of_integers = case(*[2] * len(operands))
        np.testing.assert_allclose(float(of_integers), float(of_numpy(*[2.0] * len(operands))), rtol=1e-15)
    empty = case(*(leaf(np.zeros((0, 2))) for _ in operands))
    assert (empty.shape, empty.dtype) == ((0, 2), np.float64)


@by_name(BINARY)
def test_one_operand_may_be_a_number(case):
    x, y = case.points[0]
    for left, right in [(leaf(x), y), (x, leaf(y)), (leaf([x]), y), (x, leaf([y]))]:
        z = case(left, right)
        assert z.dtype == np.float32
        assert z.numpy().reshape(()) == pytest.approx(case.value(x, y), rel=1e-6)
        operand = left if isinstance(left, tg.Tensor) else right
        (slope,) = tg.grad(z, operand, [np.ones(z.shape)])
        expected = case.slopes[0 if operand is left else 1](x, y)
        assert slope.numpy().reshape(()) == pytest.approx(expected, rel=1e-6)


@by_name(UNARY + BINARY)
def test_the_same_tensor_twice_and_among_others_without_gradient(case):
    first, *others = columns(case, np.float64)
    x = leaf(first)
    constants = [tg.tensor(y) for y in others]
    z = case(x, *constants) + case(x, *constants)
    (dx,) = tg.grad(z, x, [np.ones(z.shape)])
    rows = zip(first.tolist(), *(y.tolist() for y in others), strict=True)
    np.testing.assert_allclose(dx.numpy(), [2 * case.slopes[0](*row) for row in rows], rtol=1e-13, atol=1e-14)
    assert all(c.grad is None for c in constants)


# Large arguments, infinities and NaN. No warning is allowed here, since each is an error in these tests.

LARGE = ["sin", "cos", "arctan", "arcsinh", "tanh", "cbrt", "reciprocal", "absolute"]
LARGE_POSITIVE = ["arccosh", "log", "log2", "log10", "log1p", "sqrt"]

INFINITE = [
    # name, x, value, slope
    ("arctan", INF, math.pi / 2, 0),
    ("arctan", -INF, -math.pi / 2, 0),
    ("arcsinh", -INF, -INF, 0),
    ("arccosh", INF, INF, 0),
    ("tanh", -INF, -1, 0),
    ("exp", -INF, 0, 0),
    ("exp", -1e4, 0, 0),
    ("exp2", -INF, 0, 0),
    ("exp2", -1e4, 0, 0),
    ("expm1", -INF, -1, 0),
    ("expm1", -1e4, -1, 0),
    ("log", INF, INF, 0),
    ("sqrt", INF, INF, 0),
    ("cbrt", -INF, -INF, 0),
    ("reciprocal", -INF, 0, 0),
    ("absolute", -INF, INF, -1),
]


def check_at(name, x, value, slope, dtype):
    """Of an array and of a single number."""
    near = {"rel": 4 * epsilon(dtype), "abs": 2 * float(np.finfo(dtype).smallest_subnormal)}
    for operand in (np.array([x], dtype), dtype(x)):
        a = leaf(operand)
        z = getattr(tg, name)(a)
        assert z.numpy().reshape(()) == pytest.approx(value, **near)
        (dx,) = tg.grad(z, a, [np.ones(z.shape)])
        assert dx.numpy().reshape(()) == pytest.approx(slope, **near)


@pytest.mark.parametrize("dtype", FLOATS)
@by_name([case for case in UNARY if case.name in LARGE + LARGE_POSITIVE])
def test_large_arguments(case, dtype):
    for x in [1e4, -1e4] if case.name in LARGE else [1e4]:
        x = float(dtype(x))
        slope = 0 if case.name == "tanh" else case.slopes[0](x)  # whose closed form overflows
        check_at(case.name, x, case.value(x), slope, dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("name", "x", "value", "slope"), INFINITE)
def test_infinities_have_the_limits(name, x, value, slope, dtype):
    check_at(name, x, value, slope, dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@by_name(UNARY + BINARY)
def test_nan_stays_nan(case, dtype):
    count = len(case.slopes)
    for position in range(count):
        operands = [np.full(2, 0.5, dtype) for _ in range(count)]
        operands[position][:] = np.nan
        assert np.isnan(case(*map(leaf, operands)).numpy()).all()
        assert np.isnan(case(*(leaf(x[0]) for x in operands)).item())


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_hypotenuse_neither_overflows_nor_vanishes(dtype):
    large, small = float(np.finfo(dtype).max) / 4, 8 * float(np.finfo(dtype).tiny)
    for unit in (large / 4, small):
        x, y = dtype(3 * unit / 4), dtype(unit)
        assert tg.hypot(leaf(x), leaf(y)).item() == pytest.approx(1.25 * unit, rel=4 * epsilon(dtype))
        assert np.ravel(gradients(tg.hypot, x, y)) == pytest.approx([0.6, 0.8], rel=8 * epsilon(dtype))


@pytest.mark.parametrize("dtype", FLOATS)
def test_an_angle_far_out_has_a_small_derivative(dtype):
    """x / (x**2 + y**2), whose squares would overflow in float16."""
    (dy,), (dx,) = gradients(tg.arctan2, np.array([1e3], dtype), np.array([2e3], dtype))
    assert dy == pytest.approx(4e-4, rel=8 * epsilon(dtype), abs=1e-7)
    assert dx == pytest.approx(-2e-4, rel=8 * epsilon(dtype), abs=1e-7)


def test_angles_in_all_quadrants_and_on_the_axes():
    for y, x in [(0.0, -1.0), (-0.0, -1.0), (0.0, 1.0), (1.0, 0.0), (-1.0, 0.0), (INF, INF), (-INF, 2.0), (3.0, -INF)]:
        assert tg.arctan2(leaf([y]), leaf([x])).tolist() == [pytest.approx(math.atan2(y, x), rel=1e-6)]


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_sum_of_exponentials_does_not_overflow(dtype):
    for x, y in [(1e4, 0.0), (-1e4, 0.0), (1e4, -1e4), (-1e4, -1e4), (INF, 3.0), (-INF, 3.0), (INF, -INF)]:
        larger = max(x, y)
        expected = larger + (math.log(2) if x == y else 0)
        for make in (lambda v: leaf(dtype(v)), lambda v: leaf(np.array([v], dtype))):
            a, b = make(x), make(y)
            z = tg.logaddexp(a, b)
            assert z.numpy().reshape(()) == pytest.approx(float(dtype(expected)), rel=2 * epsilon(dtype))
            slopes = [d.numpy().reshape(()) for d in tg.grad(z, [a, b], [np.ones(z.shape)])]
            assert slopes == ([0.5, 0.5] if x == y else [x > y, x < y])


# Where naive rules give NaN


@pytest.mark.parametrize("dtype", FLOATS)
def test_conventions_at_zero(dtype):
    """In every order, and with the sign of zero."""
    for zero in (dtype(0), dtype(-0.0), np.zeros(2, dtype)):
        for function in (tg.hypot, tg.arctan2):
            a, b = leaf(zero), leaf(abs(zero))
            first = tg.grad(function(a, b), [a, b], [np.ones(np.shape(zero))], create_graph=True)
            assert all(not dx.numpy().any() for dx in first)
            second = tg.grad(first, [a, b], [np.ones(np.shape(zero))] * 2, allow_unused=True)
            assert all(dx is None or not dx.numpy().any() for dx in second)


@pytest.mark.parametrize("x", [INF, -INF])
def test_equal_infinities_share_the_gradient_of_their_sum(x):
    assert gradients(tg.logaddexp, [x], [x]) == [[0.5], [0.5]]


def test_the_second_derivative_of_logaddexp_where_both_are_equal():
    """s (1 - s) = 1/4: what keeps infinities apart must not cut the ties."""
    x, y = leaf([1.5]), leaf([1.5])
    dx, dy = tg.grad(tg.logaddexp(x, y), [x, y], [[1.0]], create_graph=True)
    assert [d.tolist() for d in tg.grad(dx, [x, y], [[1.0]], create_graph=True)] == [[0.25], [-0.25]]
    assert [d.tolist() for d in tg.grad(dy, [x, y], [[1.0]])] == [[-0.25], [0.25]]


def test_infinite_derivatives_are_infinite():
    with np.errstate(divide="ignore"):
        for name, x, slope in [
            ("arcsin", 1.0, INF), ("arcsin", -1.0, INF), ("arccos", 1.0, -INF), ("arccosh", 1.0, INF),
            ("arctanh", 1.0, INF), ("cbrt", 0.0, INF), ("log1p", -1.0, INF), ("reciprocal", 0.0, -INF),
        ]:  # fmt: skip
            assert gradients(getattr(tg, name), np.array([x])) == [[slope]]


def test_outside_of_the_domain_is_nan():
    with np.errstate(invalid="ignore"):
        for name, x in [("arcsin", 1.5), ("arccos", -2.0), ("arccosh", 0.5), ("arctanh", 2.0), ("log1p", -2.0)]:
            assert np.isnan(getattr(tg, name)(leaf([x])).tolist()[0])


def test_slopes_near_the_ends_are_exact_to_rounding():
    """1 - x**2 would lose every digit that x has beyond 1."""
    x = 1 - 2.0**-50
    exact = 1 / math.sqrt(2.0**-50 * (2 - 2.0**-50))
    assert gradients(tg.arcsin, np.array([x]))[0][0] == pytest.approx(exact, rel=1e-15)
    assert gradients(tg.arccosh, np.array([1 + 2.0**-50]))[0][0] == pytest.approx(
        1 / math.sqrt(2.0**-50 * (2 + 2.0**-50)), rel=1e-15
    )
    assert gradients(tg.arctanh, np.array([x]))[0][0] == pytest.approx(2.0**50 / (2 - 2.0**-50), rel=1e-15)


def test_small_values_are_exact_to_rounding():
    for name in ("expm1", "log1p", "sinh", "arcsinh", "arctanh"):
        assert getattr(tg, name)(leaf(np.array([1e-12]))).tolist() == [pytest.approx(1e-12, rel=1e-11)]
    assert gradients(tg.expm1, np.array([-40.0]))[0][0] == pytest.approx(math.exp(-40), rel=1e-15)


# Other arithmetics


@by_name([case for case in UNARY + BINARY if case.name not in ("maximum", "minimum", "remainder", "fmod")])
def test_symbols(case):
    """The value is sympy's expression, and the gradient is its derivative, compared at a point."""
    sympy = pytest.importorskip("sympy")
    symbols = [sympy.Symbol(name, positive=True) for name in "xy"[: len(case.slopes)]]
    point = dict(zip(symbols, np.ravel(case.points[-1]).tolist(), strict=True))
    point = {symbol: abs(value) + 0.125 if case.name != "arctanh" else 0.5 for symbol, value in point.items()}
    if case.name in ("arcsin", "arccos"):
        point = {symbols[0]: 0.5}
    leaves = [leaf(symbol) for symbol in symbols]
    z = case(*leaves)
    assert isinstance(z.item(), sympy.Expr)
    assert float(z.item().subs(point)) == pytest.approx(case.value(*point.values()), rel=1e-12)
    for dx, symbol in zip(tg.grad(z, leaves), symbols, strict=True):
        derivative = dx.item().subs(point) if isinstance(dx.item(), sympy.Basic) else dx.item()
        assert float(derivative) == pytest.approx(float(z.item().diff(symbol).subs(point)), rel=1e-12)


@by_name(UNARY + BINARY)
def test_scalar_tensors_in_an_object_array(case):
    """The scalar graph: the function goes to each tensor, and backward reaches each, also from NumPy's own function."""
    points = [point if isinstance(point, tuple) else (point,) for point in case.points[:3]]
    for function in (case, getattr(np, case.name)):
        operands = [np.empty(len(points), dtype=object) for _ in case.slopes]
        for i, point in enumerate(points):
            for operand, x in zip(operands, point, strict=True):
                operand[i] = leaf(np.float64(x))
        if case.name == "logaddexp" and function is not case:
            continue  # NumPy's takes no objects
        z = function(*operands)
        assert z.dtype == object
        for i, point in enumerate(points):
            assert z[i].item() == pytest.approx(case.value(*point), rel=1e-14)
            z[i].backward()
            slopes = [0 if x[i].grad is None else x[i].grad.item() for x in operands]
            assert slopes == pytest.approx([slope(*point) for slope in case.slopes], rel=1e-13)


@pytest.mark.parametrize("other", [Fraction(3, 2), 1.5])
@by_name([case for case in BINARY if case.name in ("hypot", "arctan2")])
def test_a_scalar_tensor_as_the_second_object(case, other):
    x, y = np.empty(1, dtype=object), np.empty(1, dtype=object)
    x[0], y[0] = other, leaf(np.float64(2))
    z = case(x, y)[0]
    assert z.item() == pytest.approx(case.value(1.5, 2.0), rel=1e-15)
    z.backward()
    assert y[0].grad.item() == pytest.approx(case.slopes[1](1.5, 2.0), rel=1e-14)


@by_name([case for case in UNARY + BINARY if case.name not in (
    "square", "reciprocal", "absolute", "maximum", "minimum", "remainder", "fmod",
)])  # fmt: skip
def test_fractions_are_refused_with_advice(case):
    for x in (Fraction(1, 2), np.array([Fraction(1, 2)])):
        with pytest.raises(TypeError, match=rf"^{case.name}: has no exact value for Fraction 1/2.*use float64"):
            case(*[leaf(x)] * len(case.slopes))


def test_squares_and_reciprocals_of_fractions_are_exact():
    x = np.array([Fraction(2, 3), Fraction(-5, 2)])
    assert_equal(tg.square(leaf(x)).numpy(), x * x)
    assert gradients(tg.square, x) == [[Fraction(4, 3), -5]]
    assert tg.reciprocal(leaf(x)).tolist() == [Fraction(3, 2), Fraction(-2, 5)]
    assert gradients(tg.reciprocal, x) == [[Fraction(-9, 4), Fraction(-4, 25)]]
    assert tg.reciprocal(leaf(np.array([2, 4], dtype=object))).tolist() == [Fraction(1, 2), Fraction(1, 4)]
    assert gradients(tg.absolute, x) == [[1, -1]]


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"^hypot: .*\(2,\).*\(3,\)"):
        tg.hypot(leaf(np.ones(2)), np.ones(3))
    with pytest.raises(TypeError, match=r"^sin: "):
        tg.sin("0.5")


# Anywhere in the range of float64, by numbers of 60 digits

ANYWHERE = {
    "arctan": (1, lambda m, x: 1 / (1 + x * x)),
    "arcsinh": (1, lambda m, x: 1 / m.sqrt(1 + x * x)),
    "cbrt": (1, lambda m, x: 1 / (3 * m.cbrt(abs(x)) ** 2) if x else m.inf),
    "expm1": (1, lambda m, x: m.exp(x)),
    "exp2": (1, lambda m, x: 2**x * m.log(2)),
    "hypot": (2, lambda m, x, y: x / m.sqrt(x * x + y * y) if x or y else 0),
    "arctan2": (2, lambda m, y, x: x / (x * x + y * y) if x or y else 0),
    "logaddexp": (2, lambda m, x, y: 1 / (1 + m.exp(y - x))),
}


@pytest.mark.parametrize("name", ANYWHERE)
def test_the_derivative_by_the_first_operand_at_any_number(name):
    hypothesis = pytest.importorskip("hypothesis")
    st = pytest.importorskip("hypothesis.strategies")
    mpmath = pytest.importorskip("mpmath")
    count, slope = ANYWHERE[name]
    whole = st.floats(-1e300, 1e300, allow_subnormal=False)
    near = st.floats(-50, 50, allow_subnormal=False)

    @hypothesis.settings(max_examples=100, deadline=None, database=None)
    @hypothesis.given(st.tuples(*[whole | near] * count))
    def check(point):
        with mpmath.workdps(60):
            expected = float(slope(mpmath, *map(mpmath.mpf, point)))
        with np.errstate(over="ignore", divide="ignore"):  # where the derivative itself overflows, or is infinite
            (actual,), *_ = gradients(getattr(tg, name), *(np.array([x]) for x in point))
        assert actual == pytest.approx(expected, rel=1e-13, abs=1e-320)

    check()

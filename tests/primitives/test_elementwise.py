"""Elementwise operations: values, closed-form and exact derivatives, kinks, borders of the number range, dtypes."""

import math
import operator
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.dual_numbers import exact_gradients
from tests.finite_differences import check_gradients
from tests.operands import assert_close, assert_equal, assert_exact, fractions, normals, tensors, tied_fractions

FLOATS = [np.float16, np.float32, np.float64]


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


def gradient(function, x):
    """The gradients of the sum, element by element, as a list."""
    x = leaf(x)
    return tg.grad(function(x), x, [np.ones(x.shape)])[0].tolist()


def epsilon(dtype):
    return float(np.finfo(dtype).eps)


# Values

UNARY = {
    "negative": (tg.negative, operator.neg, [-1.5, 0.0, 2.0]),
    "abs": (tg.abs, abs, [-1.5, 0.0, 2.0]),
    "exp": (tg.exp, math.exp, [-2.0, 0.0, 1.5]),
    "log": (tg.log, math.log, [0.25, 1.0, 3.0]),
    "sqrt": (tg.sqrt, math.sqrt, [0.0, 1.0, 2.0]),
    "tanh": (tg.tanh, math.tanh, [-2.0, 0.0, 0.5]),
    "sigmoid": (tg.sigmoid, lambda x: 1 / (1 + math.exp(-x)), [-2.0, 0.0, 0.5]),
    "relu": (tg.relu, lambda x: max(x, 0.0), [-2.0, 0.0, 0.5]),
}

BINARY = {
    "add": (tg.add, operator.add),
    "subtract": (tg.subtract, operator.sub),
    "multiply": (tg.multiply, operator.mul),
    "divide": (tg.divide, operator.truediv),
    "power": (tg.power, operator.pow),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", UNARY)
def test_values_of_one_operand(name, dtype):
    function, of_math, points = UNARY[name]
    expected = np.array([of_math(x) for x in points])
    for x, shape in [(points, (3,)), ([points], (1, 3)), (points[2], ())]:
        z = function(tg.tensor(x, dtype=dtype))
        assert (z.dtype, z.shape) == (dtype, shape)
        np.testing.assert_allclose(z.numpy().reshape(-1), expected[-z.size :], rtol=2 * epsilon(dtype))
    assert function(tg.tensor(np.zeros((0, 2), dtype))).shape == (0, 2)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", BINARY)
def test_values_of_two_operands(name, dtype):
    function, of_python = BINARY[name]
    x, y = [0.5, 2.0, 3.0], [-1.0, 0.5, 2.0]
    z = function(tg.tensor(x, dtype=dtype), tg.tensor([[b] for b in y], dtype=dtype))
    assert (z.dtype, z.shape) == (dtype, (3, 3))
    for i, j in np.ndindex(3, 3):
        assert z.numpy()[i, j] == pytest.approx(of_python(x[j], y[i]), rel=2 * epsilon(dtype))


def test_the_dtype_of_a_result_is_numpys():
    for left in (*FLOATS, np.int64, np.bool_):
        for right in (*FLOATS, np.int64):
            z = tg.tensor(np.ones(2, left)) * tg.tensor(np.ones(2, right))
            assert z.dtype == np.result_type(left, right)
    assert (tg.tensor([1, 2]) / 2).dtype == np.float64
    assert (tg.tensor([1.0]) * 2.5 + 1).dtype == np.float32
    assert (tg.tensor(1.0) * 2.5 + 1).dtype == np.float32


# Derivatives in closed form


@pytest.mark.parametrize(
    ("function", "derivative", "points"),
    [
        (tg.negative, lambda x: -1, [-1.5, 0.0, 2.0]),
        (tg.abs, lambda x: math.copysign(1, x), [-1.5, 2.0]),
        (tg.exp, math.exp, [-2.0, 0.0, 1.5]),
        (tg.log, lambda x: 1 / x, [0.25, 1.0, 3.0]),
        (tg.sqrt, lambda x: 0.5 / math.sqrt(x), [0.25, 1.0, 3.0]),
        (tg.tanh, lambda x: 1 / math.cosh(x) ** 2, [-2.0, 0.0, 0.5]),
        (tg.sigmoid, lambda x: 0.25 / math.cosh(x / 2) ** 2, [-2.0, 0.0, 0.5]),
        (tg.relu, lambda x: float(x > 0), [-2.0, 0.5]),
        (lambda x: x**2.5, lambda x: 2.5 * x**1.5, [0.25, 1.0, 3.0]),
        (lambda x: 2.5**x, lambda x: 2.5**x * math.log(2.5), [-1.0, 0.0, 3.0]),
        (lambda x: x**x, lambda x: x**x * (math.log(x) + 1), [0.25, 1.0, 3.0]),
        (lambda x: 3 / x, lambda x: -3 / x**2, [-2.0, 0.5]),
        (lambda x: x / 4, lambda x: 0.25, [-2.0, 0.5]),
        (lambda x: x / x, lambda x: 0.0, [-2.0, 0.5]),
    ],
)
@pytest.mark.parametrize("dtype", FLOATS)
def test_derivatives_in_closed_form(function, derivative, points, dtype):
    tolerance = 20 * epsilon(dtype)
    expected = [derivative(x) for x in points]
    np.testing.assert_allclose(gradient(function, np.array(points, dtype)), expected, rtol=tolerance, atol=tolerance)
    for x, slope in zip(points, expected, strict=True):  # single numbers take another path
        x = leaf(dtype(x))
        function(x).backward()
        assert type(x.grad.data) is dtype
        assert x.grad.item() == pytest.approx(slope, rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("name", [name for name in UNARY if name not in ("abs", "relu")])
def test_gradients_of_first_to_third_order_are_central_differences(name):
    check_gradients(UNARY[name][0], np.abs(normals((2, 3), 1)) + 0.3, order=3, tolerance=1e-6)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2,)), ((1, 2), ())])
def test_gradients_with_broadcasting_are_central_differences(name, shapes):
    x, y = (np.abs(normals(shape, i)) + 0.5 for i, shape in enumerate(shapes))
    check_gradients(BINARY[name][0], x, y, order=2)


# Exact arithmetic

RATIONAL = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "with numbers": lambda x, y: (2 - x) * 3 / (y * 4) - (1 / y + Fraction(1, 7)),
    "integer powers": lambda x, y: x**3 - y**-2 + x**0 + y**1,
    "power by a Fraction": lambda x, y: x ** Fraction(3) * y ** Fraction(-1),
    "power by an array": lambda x, y: x ** np.array([0, 1, 2]) + y ** np.array([Fraction(n) for n in (2, -1, 0)]),
    "negative": lambda x, y: -x * -y,
    "a quotient of polynomials": lambda x, y: (x * x - y) / (x * y + 100),
}


@pytest.mark.parametrize("name", RATIONAL)
@pytest.mark.parametrize("shapes", [((3,), (3,)), ((2, 1), (1, 3)), ((3,), (2, 3))])
def test_rational_operations_are_exact(name, shapes):
    function = RATIONAL[name]
    if "array" in name and shapes[0][-1] == 1:
        shapes = shapes[::-1]
    x, y = fractions(shapes[0], 1), fractions(shapes[1], 2)
    x[x == 0], y[y == 0] = Fraction(1, 3), Fraction(5, 2)
    a, b = tensors(x, y)
    z = function(a, b)
    assert_exact(z, function(x, y))
    weights = fractions(z.shape, 3)
    actual = tg.grad(z, [a, b], [weights])
    for dx, expected in zip(actual, exact_gradients(function, [x, y], weights), strict=True):
        assert_exact(dx, expected)


@pytest.mark.parametrize("name", [name for name in RATIONAL if "array" not in name])
@pytest.mark.parametrize("create_graph", [False, True])
def test_rational_operations_on_single_fractions_are_exact(name, create_graph):
    function = RATIONAL[name]
    a, b = leaf(Fraction(2, 3)), leaf(Fraction(-5, 7))
    z = function(a, b)
    assert type(z.item()) is Fraction
    assert z.item() == function(Fraction(2, 3), Fraction(-5, 7))
    arrays = [np.array(x.item(), dtype=object) for x in (a, b)]
    expected = exact_gradients(function, arrays, [Fraction(1)])
    actual = tg.grad(z, [a, b], create_graph=create_graph)
    for dx, slope in zip(actual, expected, strict=True):
        assert isinstance(dx.item(), int | Fraction)
        assert dx.item() == slope[()]


def test_integers_among_exact_numbers_stay_exact_when_they_are_divided():
    x = leaf(np.array([Fraction(1, 2), 3, 0], dtype=object))
    assert_exact(x / 2, np.array([Fraction(1, 4), Fraction(3, 2), Fraction(0)]))
    assert_exact(x.mean().reshape(1), np.array([Fraction(7, 6)]))
    (dx,) = tg.grad(((x / 3)[1:] / 2).sum(), x)  # a scattered 0 is divided by 3
    assert_exact(dx, np.array([Fraction(0), Fraction(1, 6), Fraction(1, 6)]))
    (dx,) = tg.grad(tg.where([True, False, True], x / 3, 5).sum() / x[1], x)
    assert_exact(dx, np.array([Fraction(1, 9), Fraction(-31, 54), Fraction(1, 9)]))


def test_comparing_operations_are_exact_on_both_sides_of_their_kinks():
    x = tied_fractions((4, 5), 1)
    weights = fractions((4, 5), 2)
    for function, slope in [
        (tg.relu, [0, 0, 1]),
        (tg.abs, [-1, 0, 1]),
        (lambda x: tg.where(x > 0, x * x, 3 * x), None),
    ]:
        (a,) = tensors(x)
        (dx,) = tg.grad(function(a), a, [weights])
        if slope is None:
            expected = np.where(x > 0, 2 * x, 3) * weights
        else:
            expected = np.array([[slope[(v > 0) - (v < 0) + 1] for v in row] for row in x], dtype=object) * weights
        assert_exact(dx, expected)


def test_scalar_tensors_in_an_object_array():
    """The scalar graph: an array of one-element tensors goes through the definitions, and backward reaches each."""
    x = np.empty((1, 2), dtype=object)
    x[0, 0], x[0, 1] = leaf(Fraction(1, 2)), leaf(Fraction(-3))
    z = tg.sum(tg.relu(tg.add(tg.multiply(x, x), x)) / 2 - x)
    assert z.item() == (Fraction(3, 4) + 6) / 2 - (Fraction(1, 2) - 3)
    z.backward()
    assert [v.grad.item() for v in x.flat] == [Fraction(2, 2) - 1, Fraction(-5, 2) - 1]
    y = np.empty(2, dtype=object)
    y[0], y[1] = leaf(0.5), leaf(-1.5)
    total = tg.sum(tg.tanh(y) * tg.exp(y) + tg.sigmoid(y))
    total.backward()
    for v in y:
        t, e, s = math.tanh(v.item()), math.exp(v.item()), 1 / (1 + math.exp(-v.item()))
        assert v.grad.item() == pytest.approx((1 - t * t) * e + t * e + s * (1 - s), rel=1e-5)


def test_a_transcendental_function_of_a_fraction_is_refused_with_advice():
    for function in (tg.exp, tg.log, tg.sqrt, tg.tanh, tg.sigmoid):
        for x in (leaf(Fraction(1, 2)), leaf(np.array([Fraction(1, 2)]))):
            with pytest.raises(TypeError, match=r"^\w+: has no exact value for Fraction .*1/2.*float64"):
                function(x)


# Powers at zero


@pytest.mark.parametrize("kind", [np.float32, np.float64, Fraction])
@pytest.mark.parametrize(("exponent", "slope", "curvature"), [(0, 0, 0), (1, 1, 0), (2, 0, 2), (3, 0, 0)])
def test_integer_powers_of_zero(kind, exponent, slope, curvature):
    exponents = [exponent, np.array(exponent), np.array([exponent])]
    if kind is not Fraction:
        exponents += [float(exponent), np.float32(exponent), tg.tensor(float(exponent))]
    for y in exponents:
        x = leaf(kind(0))
        z = x**y
        assert z.tolist() in (0**exponent, [0**exponent])
        (dx,) = tg.grad(z.sum(), x, create_graph=True)
        assert dx.item() == slope
        assert (tg.grad(dx, x, allow_unused=True)[0] if dx.requires_grad else 0) in (curvature, None)


def test_powers_of_zero_whose_exponent_wants_a_gradient():
    base, exponent = leaf(np.zeros(3)), leaf(np.array([1.0, 2.0, 0.5]))
    z = base**exponent
    assert z.tolist() == [0, 0, 0]
    (dy,) = tg.grad(z, exponent, [np.ones(3)])
    assert dy.tolist() == [0, 0, 0]
    with np.errstate(divide="ignore"):
        (dx,) = tg.grad(z, base, [np.ones(3)])
    assert dx.tolist() == [1, 0, np.inf]


def test_half_and_negative_powers_of_zero_are_infinite_as_in_numpy():
    with np.errstate(divide="ignore", invalid="ignore"):
        assert gradient(lambda x: x**0.5, np.zeros(1)) == [np.inf]
        assert (leaf(np.zeros(1)) ** -1).tolist() == [np.inf]
        assert gradient(lambda x: x**-1, np.zeros(1)) == [-np.inf]
        assert gradient(tg.sqrt, np.zeros(1)) == [np.inf]
        assert gradient(lambda x: 1 / x, np.zeros(1)) == [-np.inf]
    with pytest.raises(ZeroDivisionError):
        leaf(Fraction(0)) ** -1


def test_negative_bases():
    assert gradient(lambda x: x**3, [-2.0]) == [12]
    assert gradient(lambda x: x**-2, [-2.0]) == [0.25]
    assert gradient(lambda x: x ** np.array([2.0, 3.0]), [-2.0, -1.0]) == [-4, 3]
    with np.errstate(invalid="ignore"):
        assert np.isnan((leaf([-2.0]) ** 0.5).tolist()[0])


# Kinks


@pytest.mark.parametrize("dtype", FLOATS)
def test_conventions_at_zero(dtype):
    x = np.array([0.0, -0.0], dtype)
    assert gradient(tg.relu, x) == [0, 0]
    assert gradient(tg.abs, x) == [0, 0]
    assert gradient(tg.relu, dtype(0)) == 0
    assert gradient(tg.abs, dtype(0)) == 0
    smallest = np.finfo(dtype).smallest_subnormal
    assert gradient(tg.relu, np.array([smallest, -smallest])) == [1, 0]
    assert gradient(tg.abs, np.array([smallest, -smallest])) == [1, -1]


def test_nan_passes():
    x = np.array([np.nan, 1.0])
    for function in (tg.relu, tg.abs, tg.exp, tg.tanh, tg.sigmoid, tg.negative):
        assert np.isnan(function(leaf(x)).tolist()[0])
        assert np.isnan(function(leaf(np.nan)).item())


def test_where_lets_no_nan_of_the_other_side_into_a_gradient():
    x = leaf([0.0, 4.0])
    y = x * 2
    with np.errstate(divide="ignore", invalid="ignore"):
        z = tg.where(x > 0, tg.log(y), -1.0)
        assert z.tolist() == [-1, pytest.approx(math.log(8))]
    w = leaf([np.nan, 4.0])
    (dw,) = tg.grad(tg.where([False, True], w * w, 0.0).sum(), w)
    assert np.isnan(dw.tolist()[0])  # 0 times NaN: the safe way is to choose before
    (dw,) = tg.grad((tg.where([False, True], w, 0.0) ** 2).sum(), w)
    assert dw.tolist() == [0, 8]


# Where


@pytest.mark.parametrize("kind", [np.array, list, tg.tensor])
def test_where_gives_the_gradient_to_the_side_that_was_chosen(kind):
    condition = [[True, False, True]]
    x, y = fractions((2, 3), 1), fractions((2, 1), 2)
    a, b = tensors(x, y)
    z = tg.where(kind(condition), a, b)
    chosen = np.array([condition[0]] * 2)
    assert_exact(z, np.where(chosen, x, y))
    weights = fractions((2, 3), 3)
    da, db = tg.grad(z, [a, b], [weights])
    assert_exact(da, np.where(chosen, weights, Fraction(0)))
    assert_exact(db, np.where(chosen, Fraction(0), weights).sum(axis=1, keepdims=True))


def test_where_with_numbers_and_of_single_elements():
    x = leaf(2.0)
    for condition, slope in [(True, 1), (False, 0), (x > 1, 1), (np.bool_(False), 0)]:
        z = tg.where(condition, x, 5.0)
        assert (z.dtype, z.shape, z.item()) == (np.float32, (), 2 if slope else 5)
        assert tg.grad(z, x)[0].item() == slope
    assert isinstance(tg.where(True, x, 0).data, np.float32)
    assert tg.where(True, leaf(Fraction(1, 2)), 0).item() == Fraction(1, 2)


def test_where_takes_its_operands_by_name():
    x = leaf([1.0, 2.0])
    z = tg.where(condition=[True, False], x=x, y=0.0)
    assert z.tolist() == [1, 0]
    assert tg.grad(z, x, [[1.0, 1.0]])[0].tolist() == [1, 0]
    assert tg.add(x=x, y=1).tolist() == [2, 3]
    assert tg.exp(x=x * 0).tolist() == [1, 1]


def test_where_to_second_order():
    def function(x, y):
        return tg.where([True, False, True], x * x * y, tg.exp(y) * x)

    check_gradients(function, normals((3,), 1), normals((3,), 2))


# The borders of the number range: no warning is allowed here, since each is an error in these tests


@pytest.mark.parametrize("dtype", FLOATS)
def test_sigmoid_and_tanh_saturate_without_overflow(dtype):
    x = np.array([1e4, -1e4, np.inf, -np.inf, np.finfo(dtype).max, np.finfo(dtype).min], dtype)
    assert tg.sigmoid(leaf(x)).tolist() == [1, 0, 1, 0, 1, 0]
    assert tg.tanh(leaf(x)).tolist() == [1, -1, 1, -1, 1, -1]
    assert gradient(tg.sigmoid, x[:2]) == gradient(tg.tanh, x[:2]) == [0, 0]
    for value in x:
        assert tg.sigmoid(leaf(value)).item() == (value > 0)
        assert gradient(tg.sigmoid, value) == 0


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 80), (np.float64, 700)])
def test_sigmoid_is_exact_to_rounding_on_both_sides(dtype, bound):
    x = np.linspace(-bound, bound, 201).astype(dtype)
    expected = np.array([1 / (1 + math.exp(-v)) if v > -700 else math.exp(v) for v in x.tolist()])
    np.testing.assert_allclose(tg.sigmoid(leaf(x)).numpy(), expected, rtol=4 * epsilon(dtype))
    slopes = np.array([math.exp(-abs(v)) / (1 + math.exp(-abs(v))) ** 2 for v in x.tolist()])
    np.testing.assert_allclose(gradient(tg.sigmoid, x), slopes, atol=epsilon(dtype))


# Plain operands


def test_integers_and_bools_take_part_without_a_gradient():
    x = leaf([1.5, 2.5])
    n, mask = tg.tensor([2, 3]), tg.tensor([True, False])
    z = (x * n * mask).sum()
    z.backward()
    assert x.grad.tolist() == [2, 0]
    assert x.grad.dtype == np.float32
    assert n.grad is mask.grad is None
    assert (tg.tensor([2, 3]) ** 2).tolist() == [4, 9]
    assert abs(tg.tensor([-2, 3])).tolist() == [2, 3]
    assert tg.relu(tg.tensor([-2, 3])).tolist() == [0, 3]


def test_plain_arrays_give_plain_arrays():
    x = np.array([0.5, -0.5])
    for name, (function, of_math, _) in UNARY.items():
        if name in ("log", "sqrt"):
            continue
        z = function(x)
        assert type(z) is np.ndarray
        assert_close(z, np.array([of_math(v) for v in x]), 1e-15)
    assert_equal(tg.where(x > 0, x, 0), np.array([0.5, 0]))


@pytest.mark.parametrize("size", [1, 5, 300_000])
@pytest.mark.parametrize("create_graph", [False, True])
def test_relu_keeps_an_infinite_upstream_gradient_to_what_passed(size, create_graph):
    """sqrt has an infinite derivative at 0, and 0 times infinity would be NaN."""
    x = tg.tensor(np.tile(np.float32([-1.0, 0.0, 4.0]), size), requires_grad=True)
    with np.errstate(divide="ignore"):
        (dx,) = tg.grad(tg.sqrt(tg.relu(x)).sum(), x, create_graph=create_graph)
    assert (dx.numpy() == np.tile(np.float32([0.0, 0.0, 0.25]), size)).all()

"""The larger and smaller of two, cutting off, rounding, remainders, questions: exact, on ties, at steps, with NaN."""

import math
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.dual_numbers import Dual, exact_gradients
from tests.finite_differences import check_gradients
from tests.operands import assert_equal, assert_exact, fractions, normals, tensors, tied_fractions
from tests.refusals import refused

FLOATS = [np.float16, np.float32, np.float64]
NAN, INF = math.nan, math.inf


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


def slopes(function, *operands):
    """The value and the gradient of the sum for each operand, as lists."""
    leaves = [leaf(x) for x in operands]
    z = function(*leaves)
    gradients = tg.grad(z, leaves, [np.ones(z.shape, z.dtype)], allow_unused=True)
    return z.tolist(), *(None if dx is None else dx.tolist() for dx in gradients)


def by_elements(function):
    """The function of two numbers as one of two object arrays, which broadcast."""
    return np.frompyfunc(function, 2, 1)


# The larger and the smaller


@pytest.mark.parametrize("shapes", [((3, 4), (3, 4)), ((3, 1), (4,)), ((), (2, 2)), ((2,), (1,)), ((0, 2), (2,))])
@pytest.mark.parametrize(("name", "naive"), [
    ("maximum", lambda x, y: x if x >= y else y),
    ("minimum", lambda x, y: x if x <= y else y),
])  # fmt: skip
def test_among_equals_the_first_operand_wins(name, naive, shapes):
    """Of few different fractions many are equal; the oracle is a comparison of two dual numbers."""
    x, y = (np.array(tied_fractions(shape, i), dtype=object) for i, shape in enumerate(shapes))
    a, b = tensors(x, y)
    z = getattr(tg, name)(a, b)
    expected = np.asarray(by_elements(naive)(x, y), dtype=object)
    assert_equal(z.numpy(), expected)
    weights = np.array(fractions(z.shape, 5), dtype=object)
    gradients = tg.grad(z, [a, b], [weights])
    for actual, exact in zip(gradients, exact_gradients(by_elements(naive), [x, y], weights), strict=True):
        assert_exact(actual, exact)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, Fraction])
def test_ties(kind):
    x, y = [np.array([kind(v) for v in values]) for values in ([1, 2, 3], [2, 2, 2])]
    half = kind(1) / 2
    assert slopes(tg.maximum, x, y) == ([2, 2, 3], [0, 1, 1], [1, 0, 0])
    assert slopes(tg.minimum, x, y) == ([1, 2, 2], [1, 1, 0], [0, 0, 1])
    assert slopes(lambda a, b: tg.maximum(a, b, "split"), x, y) == ([2, 2, 3], [0, half, 1], [1, half, 0])
    assert slopes(lambda a, b: tg.minimum(a, b, ties="split"), x, y) == ([1, 2, 2], [1, half, 0], [0, half, 1])
    for i in range(3):  # single numbers
        assert slopes(tg.maximum, x[i], y[i]) == ([2, 2, 3][i], [0, 1, 1][i], [1, 0, 0][i])
        split = slopes(lambda a, b: tg.maximum(a, b, "split"), x[i], y[i])
        assert split == ([2, 2, 3][i], [0, half, 1][i], [1, half, 0][i])
    same = leaf(x)
    for ties in ("first", "split"):
        assert tg.grad(tg.maximum(same, same, ties), same, [np.ones(3, x.dtype)])[0].tolist() == [1, 1, 1]


def test_signed_zeros_and_infinities_tie():
    assert slopes(tg.maximum, [0.0, -0.0, INF, -INF], [-0.0, 0.0, INF, -INF])[1:] == ([1] * 4, [0] * 4)
    assert slopes(tg.minimum, [0.0, -0.0, INF, -INF], [-0.0, 0.0, INF, -INF])[1:] == ([1] * 4, [0] * 4)


@pytest.mark.parametrize("function", [tg.maximum, tg.minimum])
def test_a_nan_wins(function):
    """It is the result, so the gradient is its; of two the first has it."""
    for ties in ("first", "split"):
        z, dx, dy = slopes(lambda a, b, t=ties: function(a, b, t), [NAN, 1.0, NAN], [1.0, NAN, NAN])
        assert np.isnan(z).all()
        assert (dx, dy) == ([1, 0, 1], [0, 1, 0])


@pytest.mark.parametrize("function", [tg.maximum, tg.minimum])
def test_a_number_or_an_array_on_one_side(function):
    for other in (0, 0.0, np.float32(0), np.zeros(3), [0.0, 0.0, 0.0]):
        for z, expected in [
            (function(leaf([-1.0, 0.0, 2.0]), other), function(np.array([-1.0, 0.0, 2.0]), 0.0)),
            (function(other, leaf([-1.0, 0.0, 2.0])), function(0.0, np.array([-1.0, 0.0, 2.0]))),
        ]:
            assert z.tolist() == expected.tolist()
            assert z.requires_grad
    x = leaf([-1.0, 0.0, 2.0])
    assert tg.grad(tg.maximum(0, x), x, [[1.0] * 3])[0].tolist() == [0, 0, 1]
    assert tg.grad(tg.maximum(x, 0), x, [[1.0] * 3])[0].tolist() == [0, 1, 1]


@pytest.mark.parametrize("ties", ["first", "split"])
@pytest.mark.parametrize("function", [tg.maximum, tg.minimum])
def test_second_order(function, ties):
    def twice(x, y):
        return function(x * x * y, tg.exp(y) - x, ties)

    check_gradients(twice, normals((2, 3), 1), normals((3,), 2), tolerance=1e-6)


# Cutting off


BOUNDS = [(-1, 1), (0, None), (None, Fraction(1, 2)), (Fraction(1, 2), Fraction(-1, 2)), (0, 0)]


@pytest.mark.parametrize(("low", "high"), BOUNDS)
def test_clip_passes_the_gradient_between_and_on_its_bounds(low, high):
    x = np.concatenate([tied_fractions((12,), 1), fractions((6,), 2)])

    def naive(v):
        if high is not None and v > high:
            return high
        if low is not None and v < low:
            return low if high is None else min(low, high)
        return v

    (a,) = tensors(x)
    z = tg.clip(a, low, high)
    assert_exact(z, np.array([naive(v) for v in x], dtype=object))
    weights = fractions((18,), 3)
    (dx,) = tg.grad(z, a, [weights])
    passes = [(low is None or v >= low) and (high is None or v <= high) for v in x]
    if low is not None and high is not None and low > high:
        passes = [False] * 18
    assert_exact(dx, np.array([w if p else Fraction(0) for w, p in zip(weights, passes, strict=True)]))


@pytest.mark.parametrize("dtype", FLOATS)
def test_clip_of_floats(dtype):
    x = np.array([-INF, -1e4, -1, -0.5, 0.5, 2, 1e4, INF, NAN], dtype)
    z, dx = slopes(lambda v: tg.clip(v, -1, 2.0), x)
    assert z[:-1] == [-1, -1, -1, -0.5, 0.5, 2, 2, 2]
    assert np.isnan(z[-1])
    assert dx == [0, 0, 1, 1, 1, 1, 0, 0, 1]
    assert tg.clip(leaf(x), -1, 2.0).dtype == dtype
    for value, expected in zip(x[:-1], z[:-1], strict=True):
        clipped = tg.clip(leaf(value), -1, 2.0)
        assert (type(clipped.data), clipped.item()) == (dtype, expected)


def test_bounds_that_are_tensors_get_the_gradient_of_what_lies_beyond():
    x, low, high = [-2.0, 0.0, 1.0, 3.0, 5.0], [[-1.0], [1.0]], 3.0
    a, b, c = leaf(x), leaf(low), leaf(high)
    z = tg.clip(a, b, c)
    assert z.tolist() == [[-1, 0, 1, 3, 3], [1, 1, 1, 3, 3]]
    da, db, dc = tg.grad(z, [a, b, c], [np.ones((2, 5))])
    assert (da.tolist(), db.tolist(), dc.tolist()) == ([0, 1, 2, 2, 0], [[1], [2]], 2)
    check_gradients(lambda v, lo: tg.clip(v * v, lo, 2.0), normals((4,), 1), normals((2, 1), 2) - 1.0)


def test_without_bounds_clip_is_its_operand():
    x = leaf([1.0])
    assert tg.clip(x) is x
    assert tg.clip(x, None, None) is x
    assert x.clip(max=0.5).tolist() == [0.5]
    assert x.clip(2).tolist() == [2]


# Rounding


NUMBERS = [-2.5, -2.0, -1.5, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 1.5, 2.5, 3.75]
ROUNDINGS = {"floor": math.floor, "ceil": math.ceil, "trunc": math.trunc, "round": round}


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, Fraction])
@pytest.mark.parametrize("name", ROUNDINGS)
def test_rounding_is_pythons_and_has_no_gradient(name, kind):
    expected = [ROUNDINGS[name](v) for v in NUMBERS]
    x = leaf(np.array([kind(v) for v in NUMBERS]))
    z = getattr(tg, name)(x)
    assert z.tolist() == expected
    assert not z.requires_grad
    if kind is Fraction:
        assert_exact(z, np.array([Fraction(v) for v in expected]))
    else:
        assert z.dtype == kind
    for v, rounded in zip(NUMBERS, expected, strict=True):
        single = getattr(tg, name)(leaf(kind(v)))
        assert (single.item(), single.requires_grad) == (rounded, False)
    assert getattr(tg, name)(tg.tensor(np.zeros((0, 3)))).shape == (0, 3)


def test_rounding_to_decimals():
    assert tg.round(leaf(np.array([1.25, -0.375])), 1).tolist() == [1.2, -0.4]
    assert tg.round(leaf(np.array([1250.0])), -2).tolist() == [1200]
    assert tg.round(leaf(np.array([Fraction(5, 4), Fraction(1, 3)])), 1).tolist() == [Fraction(6, 5), Fraction(3, 10)]
    assert tg.tensor([0.5, 1.5]).round().tolist() == [0, 2]


def test_rounding_passes_no_gradient_to_what_it_is_multiplied_with():
    x = leaf([1.75, -1.75])
    assert tg.grad(tg.floor(x) * x, x, [[1.0, 1.0]])[0].tolist() == [1, -2]


# Remainders


@pytest.mark.parametrize(("name", "naive"), [
    ("remainder", lambda x, y: Dual(x.value % y.value, x.slope - y.slope * (x.value // y.value))),
    ("fmod", lambda x, y: x - y * math.trunc(x.value / y.value)),
    ("floor_divide", lambda x, y: Dual(Fraction(x.value // y.value))),
])  # fmt: skip
@pytest.mark.parametrize("shapes", [((4, 3), (4, 3)), ((4, 1), (3,)), ((), (3,))])
def test_remainders_of_fractions_are_exact(name, naive, shapes):
    x, y = np.array(fractions(shapes[0], 1), dtype=object), np.array(fractions(shapes[1], 2), dtype=object)
    y[y == 0] = Fraction(1, 2)

    def dual(v):
        return v if isinstance(v, Dual) else Dual(v)

    def function(left, right):
        return by_elements(lambda a, b: naive(dual(a), dual(b)))(left, right)

    a, b = tensors(x, y)
    z = getattr(tg, name)(a, b)
    assert_exact(z, np.asarray(np.frompyfunc(lambda v: v.value, 1, 1)(function(x, y)), dtype=object))
    weights = np.array(fractions(z.shape, 3), dtype=object)
    if name == "floor_divide":
        assert not z.requires_grad
        return
    gradients = tg.grad(z, [a, b], [weights])
    for actual, exact in zip(gradients, exact_gradients(function, [x, y], weights), strict=True):
        assert_exact(actual, exact)


def test_remainders_of_floats_are_pythons():
    hypothesis = pytest.importorskip("hypothesis")
    st = pytest.importorskip("hypothesis.strategies")

    @hypothesis.settings(deadline=None, database=None)
    @hypothesis.given(st.floats(-1e6, 1e6), st.floats(-1e3, 1e3).filter(lambda y: abs(y) > 1e-3))
    def check(x, y):
        a, b = leaf(np.float64(x)), leaf(np.float64(y))
        assert (a % b).item() == x % y
        assert (a // b).item() == x // y
        assert tg.fmod(a, b).item() == math.fmod(x, y)
        assert (x % b).item() == x % y
        assert (a % y).item() == x % y
        assert (x // b).item() == x // y

    check()


def test_at_a_step_the_derivative_is_that_of_the_right_side():
    assert slopes(tg.remainder, [6.0, 0.0, -6.0], [2.0, 2.0, 2.0]) == ([0, 0, 0], [1, 1, 1], [-3, 0, 3])
    assert slopes(tg.fmod, [6.0, 0.0, -6.0], [2.0, 2.0, 2.0]) == ([0, 0, 0], [1, 1, 1], [-3, 0, 3])


def test_integers_without_gradient():
    assert (tg.tensor([7, -7]) % 3).tolist() == [1, 2]
    assert (tg.tensor([7, -7]) // 3).tolist() == [2, -3]
    assert tg.maximum(tg.tensor([1, 5]), 3).tolist() == [3, 5]
    assert tg.clip(tg.tensor([1, 5]), 2, 4).dtype == np.int64


# Questions


@pytest.mark.parametrize("dtype", FLOATS)
def test_questions(dtype):
    x = np.array([0.0, -1.0, INF, -INF, NAN], dtype)
    for of_tensors, of_math in [(tg.isnan, math.isnan), (tg.isinf, math.isinf), (tg.isfinite, math.isfinite)]:
        expected = [of_math(v) for v in x.tolist()]
        z = of_tensors(leaf(x))
        assert (z.dtype, z.tolist(), z.requires_grad) == (bool, expected, False)
        assert [bool(of_tensors(leaf(v))) for v in x] == expected
        assert of_tensors(leaf(x.astype(object))).tolist() == expected
        assert of_tensors(x).tolist() == expected


def test_fractions_are_finite():
    x = leaf(np.array([Fraction(1, 3), Fraction(0)]))
    assert tg.isfinite(x).tolist() == [True, True]
    assert tg.isinf(x).tolist() == tg.isnan(x).tolist() == [False, False]


def test_logic():
    x, y = leaf([0.0, 0.0, 2.0, -1.0]), np.array([0, 3, 0, 3])
    assert tg.logical_and(x, y).tolist() == [False, False, False, True]
    assert tg.logical_or(x, y).tolist() == [False, True, True, True]
    assert tg.logical_xor(x, y).tolist() == [False, True, True, False]
    assert tg.logical_not(x).tolist() == [True, True, False, False]
    assert ((x > -1) & (x < 1)).tolist() == [True, True, False, False]
    assert ((x > 1) | (x < 0)).tolist() == [False, False, True, True]
    assert ((x > -0.5) ^ (x < 1)).tolist() == [False, False, True, True]
    assert (~(x > 1)).tolist() == [True, True, False, True]
    assert (np.array([True] * 4) & (x > 1)).tolist() == [False, False, True, False]
    assert not (x.detach() > 1).requires_grad


# Mistakes


def test_mistakes_are_named():
    x = leaf([1.0, 2.0])
    for name in ("maximum", "minimum"):
        with refused(name, ValueError, "'first' or 'split'", "'last'", tensors=[x]):
            getattr(tg, name)(x, x, ties="last")
        with refused(name, ValueError, "(2,)", "(3,)", tensors=[x]):
            getattr(tg, name)(x, np.ones(3))
    with refused("remainder", ValueError, "(2,)", "(3,)", tensors=[x]):
        x % np.ones(3)
    with pytest.raises(TypeError, match=r"^&: "):
        x & x


def test_a_maximum_of_symbols_has_no_order():
    sympy = pytest.importorskip("sympy")
    with pytest.raises(TypeError, match=r"^maximum: "):
        tg.maximum(leaf(sympy.Symbol("x")), 0)


def test_rounding_of_symbols_is_sympys():
    sympy = pytest.importorskip("sympy")
    x = sympy.Symbol("x")
    assert tg.floor(leaf(x)).item() == sympy.floor(x)
    assert tg.ceil(leaf(x)).item() == sympy.ceiling(x)
    for value in (Fraction(-7, 2), Fraction(7, 2), Fraction(3)):
        point = sympy.Rational(value.numerator, value.denominator)
        assert tg.trunc(leaf(x)).item().subs(x, point) == math.trunc(value)
        assert float(tg.fmod(leaf(x), leaf(sympy.Rational(2))).item().subs(x, point)) == math.fmod(value, 2)

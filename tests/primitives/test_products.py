"""prod, cumsum and cumprod against loops, exactly, with zeros among the factors, to the third order; refusals."""

import math
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.dual_numbers import exact_gradients
from tests.finite_differences import check_gradients
from tests.operands import assert_close, assert_equal, assert_exact, fractions, normals, scalars, tensors
from tests.reductions import CASES, filled, members

FLOATS = [np.float16, np.float32, np.float64]


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


def with_zeros(shape, seed, count):
    """Fractions, of which `count` are 0 and the others not."""
    x = fractions(shape, seed)
    x[x == 0] = Fraction(1, 3)
    x.reshape(-1)[np.random.default_rng(seed).permutation(x.size)[:count]] = Fraction(0)
    return x


# prod


@pytest.mark.parametrize(("shape", "axes"), CASES)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("zeros", [0, 1, 2, 12])
def test_products_are_those_of_a_loop(shape, axes, keepdims, zeros):
    x = with_zeros(shape, 1, zeros)
    small, lists = members(shape, axes, keepdims)

    def of_loop(x):
        return filled(small, {k: math.prod((x[i] for i in v), start=Fraction(1)) for k, v in lists.items()})

    (a,) = tensors(x)
    z = tg.prod(a, axes, keepdims)
    assert_exact(z, of_loop(x))
    weights = fractions(small, 2)
    for create_graph in (False, True):
        (dx,) = tg.grad(z, a, [weights], create_graph=create_graph)
        assert_exact(dx, exact_gradients(of_loop, [x], weights)[0])


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 11])
@pytest.mark.parametrize("zeros", [0, 1, 2, 3, 4])
def test_second_and_third_derivatives_leave_out_two_and_three_factors(n, zeros):
    x = with_zeros((n,), 3, min(zeros, n))
    (a,) = tensors(x)
    (first,) = tg.grad(tg.prod(a), a, create_graph=True)
    if n == 1:
        assert first.tolist() == [1]
        return

    def rest(*left_out):
        if len(set(left_out)) < len(left_out):
            return Fraction(0)
        return math.prod((value for i, value in enumerate(x) if i not in left_out), start=Fraction(1))

    for i in range(n):
        (second,) = tg.grad(first, a, [np.eye(n, dtype=int)[i].astype(object)], create_graph=True)
        assert second.tolist() == [rest(i, j) for j in range(n)]
        if n > 2:
            weights = fractions((n,), 4)
            (third,) = tg.grad(second, a, [weights])
            assert third.tolist() == [sum(weights[j] * rest(i, j, k) for j in range(n)) for k in range(n)]


@pytest.mark.parametrize("dtype", FLOATS)
def test_products_of_floats(dtype):
    x = leaf(np.array([[2, 0, 0.5], [0, 0, 4], [-1, 2, -3]], dtype))
    z = tg.prod(x, axis=1)
    assert (z.dtype, z.tolist()) == (dtype, [0, 0, 6])
    (dx,) = tg.grad(z, x, [np.ones(3)])
    assert (dx.dtype, dx.tolist()) == (dtype, [[0, 1, 0], [0, 0, 0], [-6, 3, -2]])
    assert tg.prod(leaf(dtype(3))).data == dtype(3)
    assert tg.grad(tg.prod(leaf(np.full(1, 3, dtype))), [], [None]) == ()


def test_a_factor_that_vanishes_or_is_tiny_costs_no_digit_of_the_others():
    """z / x would be 0 / 0 and 1e-300 / 1e-300; the others' product is what it is."""
    x = leaf([1e-300, 1e-300, 3.0], dtype="float64")
    z = tg.prod(x)
    assert z.item() == 0
    assert tg.grad(z, x)[0].tolist() == [3e-300, 3e-300, 0]


def test_products_over_empty_axes_are_one():
    x = leaf(np.zeros((0, 3)))
    assert tg.prod(x, 0).tolist() == [1, 1, 1]
    assert tg.prod(x).item() == 1
    assert tg.prod(x, 1).shape == (0,)
    for axis in (None, 0, 1):
        z = tg.prod(x, axis)
        assert tg.grad(z.sum(), x)[0].shape == (0, 3)


# cumsum and cumprod


def running(shape, axis, step):
    """A loop along the axis of the (flattened, for None) array, in any arithmetic."""

    def of_loop(x):
        x = np.reshape(x, -1) if axis is None else x
        z = np.moveaxis(x.copy(), axis or 0, 0)
        for k in range(1, len(z)):
            for index in np.ndindex(z.shape[1:]):
                z[(k, *index)] = step(z[(k - 1, *index)], z[(k, *index)])
        return np.moveaxis(z, 0, axis or 0)

    return of_loop


ALONG = [
    ((5,), 0),
    ((5,), None),
    ((1,), 0),
    ((2, 3), None),
    ((2, 3), 0),
    ((2, 3), 1),
    ((2, 3), -1),
    ((3, 1), 1),
    ((2, 3, 2), 1),
    ((), None),
    ((7,), 0),
    ((9, 2), 0),
]


@pytest.mark.parametrize(("shape", "axis"), ALONG)
@pytest.mark.parametrize("zeros", [0, 1, 2, 4])
@pytest.mark.parametrize(
    ("function", "step"), [(tg.cumsum, lambda x, y: x + y), (tg.cumprod, lambda x, y: x * y)], ids=["cumsum", "cumprod"]
)
def test_running_sums_and_products_are_those_of_a_loop(function, step, shape, axis, zeros):
    x = with_zeros(shape, 1, zeros)
    of_loop = running(shape, axis, step)
    (a,) = tensors(x)
    z = function(a, axis)
    assert_exact(z, of_loop(x))
    weights = fractions(z.shape, 2)
    for create_graph in (False, True):
        (dx,) = tg.grad(z, a, [weights], create_graph=create_graph)
        assert_exact(dx, exact_gradients(of_loop, [x], weights)[0])


@pytest.mark.parametrize("n", range(1, 35))
def test_running_products_of_every_length(n):
    """Steps are joined in pairs, so that a length just before, at and behind a power of 2 has each its own way."""
    x = with_zeros((n,), n, n // 8)
    (a,) = tensors(x)
    z = tg.cumprod(a)
    weights = fractions((n,), 5)
    (dx,) = tg.grad(z, a, [weights])
    expected = []
    for j in range(n):
        others, total = math.prod(x[:j], start=Fraction(1)), Fraction(0)
        for k in range(j, n):
            others *= x[k] if k > j else 1
            total += weights[k] * others
        expected.append(total)
    assert dx.tolist() == expected


@pytest.mark.parametrize("function", [tg.cumsum, tg.cumprod, tg.prod])
def test_gradients_to_third_order(function):
    x = np.array([[0.5, 0.0, -1.5], [0.0, 0.0, 2.0], [1.0, -0.5, 0.7]])
    check_gradients(lambda x: function(x, 1), x, order=3, tolerance=1e-6)
    check_gradients(lambda x: function(x, 0) ** 2, x, order=2, tolerance=1e-6)
    check_gradients(function, x[:2], order=2, tolerance=1e-6)


@pytest.mark.parametrize("dtype", FLOATS)
def test_dtypes(dtype):
    x = leaf(np.array([[1, 2], [3, 4]], dtype))
    for function in (tg.cumsum, tg.cumprod, tg.prod):
        z = function(x, 0)
        assert z.dtype == dtype
        assert tg.grad(z, x, [np.ones(z.shape)])[0].dtype == dtype
    n = tg.tensor([1, 2, 3])
    assert (n.prod().item(), n.cumsum().tolist(), n.cumprod().tolist()) == (6, [1, 3, 6], [1, 2, 6])


def test_empty_axes():
    for shape, axis in [((0,), 0), ((0, 3), 0), ((3, 0), 0), ((0,), None)]:
        for function in (tg.cumsum, tg.cumprod):
            x = leaf(np.zeros(shape))
            z = function(x, axis)
            assert z.shape == shape
            assert tg.grad(z.sum(), x)[0].shape == shape


def test_a_running_sum_is_the_flipped_transpose_of_itself():
    x, dz = normals((4, 5), 1), normals((4, 5), 2)
    (a,) = tensors(x)
    (dx,) = tg.grad(tg.cumsum(a, 1), a, [dz])
    assert_close(dx.numpy(), dz @ np.tril(np.ones((5, 5))), 1e-14)


def test_symbols_and_scalar_tensors():
    sympy = pytest.importorskip("sympy")
    a, b, c = symbols = sympy.symbols("a b c")
    x = leaf(np.array(symbols, dtype=object))
    for function, formulas in [
        (tg.prod, [a * b * c]),
        (tg.cumprod, [a, a * b, a * b * c]),
        (tg.cumsum, [a, a + b, a + b + c]),
    ]:
        z = function(x)
        assert list(np.ravel(z.numpy())) == formulas
        weights = sympy.symbols("u v w")[: len(formulas)]
        (dx,) = tg.grad(z, x, [np.array(weights, dtype=object).reshape(z.shape)])
        total = sum(w * f for w, f in zip(weights, formulas, strict=True))
        for symbol, slope in zip(symbols, dx.tolist(), strict=True):
            assert sympy.expand(slope - sympy.diff(total, symbol)) == 0
        leaves = scalars(np.array([2.0, 0.0, 3.0]))
        z = function(leaves)
        (z if isinstance(z, tg.Tensor) else z[-1]).backward()
        expected = [int(formulas[-1].diff(symbol).subs({a: 2, b: 0, c: 3})) for symbol in symbols]
        assert [each.grad.item() for each in leaves] == expected


def test_methods_and_plain_arrays():
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    for name, of_numpy in [("prod", np.prod), ("cumsum", np.cumsum), ("cumprod", np.cumprod)]:
        for axis in (None, 0, -1):
            assert_equal(getattr(tg.tensor(x), name)(axis).numpy(), np.asarray(of_numpy(x, axis)))
            plain = getattr(tg, name)(x, axis)
            assert not isinstance(plain, tg.Tensor)
            assert_equal(np.asarray(plain), np.asarray(of_numpy(x, axis)))
    assert tg.prod([[2.0, 3.0]], axis=1).tolist() == [6]


@pytest.mark.parametrize("function", [tg.prod, tg.cumsum, tg.cumprod])
def test_wrong_axes_are_refused(function):
    x = leaf(np.zeros((2, 3)))
    name = function.__name__
    with pytest.raises(ValueError, match=f"^{name}: expected an axis of -2 to 1 for 2 axes but got 2"):
        function(x, 2)
    with pytest.raises(TypeError, match=f"^{name}: axis must be an integer but is 0.5"):
        function(x, 0.5)
    if function is not tg.prod:
        with pytest.raises(ValueError, match=f"^{name}: expected a single axis"):
            function(x, (0, 1))

"""sum, mean, max and min over every choice of axes against loops, exactly; ties, NaN, empty axes, and refusals."""

import math
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.dual_numbers import exact_gradients
from tests.finite_differences import check_gradients
from tests.operands import assert_exact, fractions, normals, tensors, tied_fractions
from tests.reductions import CASES, filled, members


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


# sum and mean


@pytest.mark.parametrize(("shape", "axes"), CASES)
@pytest.mark.parametrize("keepdims", [False, True])
def test_sums_and_means_are_those_of_a_loop(shape, axes, keepdims):
    x = fractions(shape, 1)
    small, lists = members(shape, axes, keepdims)
    weights = fractions(small, 2)
    for function, scale in [(tg.sum, lambda n: 1), (tg.mean, lambda n: Fraction(1, n))]:
        (a,) = tensors(x)
        z = function(a, axis=axes, keepdims=keepdims)
        expected = filled(small, {k: sum(x[i] for i in v) * scale(len(v)) for k, v in lists.items()})
        assert_exact(z, expected)
        (dx,) = tg.grad(z, a, [weights])
        slopes = filled(shape, {i: weights[k] * scale(len(v)) for k, v in lists.items() for i in v})
        assert_exact(dx, slopes)


def test_axes_may_be_negative_an_integer_none_or_in_any_order():
    x = fractions((2, 3, 4), 1)
    for function in (tg.sum, tg.mean, tg.max, tg.min):
        for axis, same in [(None, (0, 1, 2)), (-1, 2), (np.int64(1), (1,)), ((-1, 0), (0, 2)), ([2, 1], (1, 2))]:
            for keepdims in (False, True):
                z = function(leaf(x), axis, keepdims)
                assert_exact(z, function(leaf(x), same, keepdims).numpy())


@pytest.mark.parametrize("function", [tg.sum, tg.mean, tg.max, tg.min])
def test_wrong_axes_are_refused(function):
    x = leaf(np.zeros((2, 3)))
    name = function.__name__
    for axis in (2, -3, (0, 5)):
        with pytest.raises(ValueError, match=rf"^{name}: expected an axis of -2 to 1 for 2 axes but got (2|-3|5)"):
            function(x, axis)
    for axis in ((0, 0), (1, -1)):
        with pytest.raises(ValueError, match=rf"^{name}: each axis may come once but got "):
            function(x, axis)
    for axis in (1.0, "0", (0, 1.5), True):
        with pytest.raises(TypeError, match=rf"^{name}: axis must be an integer but is "):
            function(x, axis)
    with pytest.raises(ValueError, match=rf"^{name}: "):
        function(leaf(1.0), 0)


def test_dtypes():
    for dtype in (np.float16, np.float32, np.float64):
        x = leaf(np.ones((2, 3), dtype))
        for function in (tg.sum, tg.mean, tg.max, tg.min):
            for axis in (None, 0):
                z = function(x, axis)
                assert z.dtype == dtype
                (dx,) = tg.grad(z.sum(), x)
                assert (dx.dtype, dx.shape) == (dtype, (2, 3))
            assert isinstance(function(x).data, dtype)
    n = tg.tensor([[1, 2], [3, 5]])
    assert (n.sum().item(), n.mean().item(), n.max().item(), n.min(axis=0).tolist()) == (11, 2.75, 5, [1, 2])
    assert tg.sum(tg.tensor([True, True])).item() == 2


def test_sums_over_empty_axes():
    x = leaf(np.zeros((0, 3)))
    for axis, expected in [(0, [0, 0, 0]), (1, []), (None, 0)]:
        z = tg.sum(x, axis)
        assert z.tolist() == expected
        (dx,) = tg.grad(z.sum(), x)
        assert dx.shape == (0, 3)
    assert tg.mean(x, axis=1).shape == (0,)
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(tg.mean(x, axis=0).numpy()).all()


def test_gradients_of_sum_and_mean_to_third_order():
    check_gradients(lambda x: tg.sum(x * x * x, axis=0) * tg.mean(x, axis=0), normals((2, 3), 1), order=3)
    check_gradients(lambda x: tg.mean(tg.exp(x), axis=(0, 2), keepdims=True) * x, normals((2, 2, 2), 1), order=2)


# max and min

EXTREMES = {"max": (tg.max, max), "min": (tg.min, min)}


@pytest.mark.parametrize(("shape", "axes"), CASES)
@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("ties", ["first", "split"])
@pytest.mark.parametrize("keepdims", [False, True])
def test_extremes_and_their_ties_are_those_of_a_loop(shape, axes, name, ties, keepdims):
    function, of_python = EXTREMES[name]
    x = tied_fractions(shape, 3)
    small, lists = members(shape, axes, keepdims)
    weights = fractions(small, 2)
    (a,) = tensors(x)
    z = function(a, axis=axes, keepdims=keepdims, ties=ties)
    best = {k: of_python(x[i] for i in v) for k, v in lists.items()}
    assert_exact(z, filled(small, best))
    slopes = {i: Fraction(0) for i in np.ndindex(shape)}
    for k, v in lists.items():
        winners = [i for i in v if x[i] == best[k]]
        for i in winners if ties == "split" else winners[:1]:
            slopes[i] = weights[k] / (len(winners) if ties == "split" else 1)
    (dx,) = tg.grad(z, a, [weights])
    assert_exact(dx, filled(shape, slopes))
    (again,) = tg.grad(z, a, [weights], create_graph=True)
    assert_exact(again, filled(shape, slopes))


@pytest.mark.parametrize("axis", [(0, 1), (1, 0), None, (-1, -2)])
def test_the_first_in_memory_order_wins_whatever_the_order_of_the_axes(axis):
    x = leaf([[0.0, 7.0], [7.0, 0.0]])
    assert tg.grad(tg.max(x, axis), x)[0].tolist() == [[0, 1], [0, 0]]
    assert tg.grad(tg.min(x, axis), x)[0].tolist() == [[1, 0], [0, 0]]
    y = leaf(np.ones((2, 3, 2)))
    (dy,) = tg.grad(tg.max(y, (2, 0)), y, [np.ones(3)])
    assert dy.tolist() == [[[1, 0]] * 3, [[0, 0]] * 3]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_ties_of_floats(dtype):
    x = leaf(np.array([[2, 1, 2], [0.0, -0.0, 0.0], [-np.inf, -np.inf, -np.inf]], dtype))
    z = tg.max(x, axis=1)
    assert z.tolist() == [2, 0, -np.inf]
    assert tg.grad(z, x, [[1.0, 1.0, 1.0]])[0].tolist() == [[1, 0, 0], [1, 0, 0], [1, 0, 0]]
    (dx,) = tg.grad(tg.max(x, axis=1, ties="split"), x, [[1.0, 1.0, 3.0]])
    assert dx.dtype == dtype
    np.testing.assert_allclose(dx.numpy(), [[0.5, 0, 0.5], [1 / 3] * 3, [1, 1, 1]], rtol=np.finfo(dtype).eps)
    assert dx.numpy()[1].sum() == pytest.approx(1, rel=1e-3)


def test_nan_is_the_result_and_the_winner_where_there_is_one():
    x = leaf([[1.0, np.nan, 3.0, np.nan], [1.0, 2.0, 3.0, 0.0]])
    for function, winner in [(tg.max, 2), (tg.min, 3)]:
        z = function(x, axis=1)
        assert np.isnan(z.tolist()[0])
        assert z.tolist()[1] == (3 if winner == 2 else 0)
        (dx,) = tg.grad(z, x, [[1.0, 1.0]])
        assert dx.tolist() == [[0, 1, 0, 0], [float(i == winner) for i in range(4)]]
        (dx,) = tg.grad(function(x, axis=1, ties="split"), x, [[1.0, 1.0]])
        assert dx.tolist()[0] == [0, 0.5, 0, 0.5]


def test_an_extreme_over_no_axis_is_the_element():
    x = leaf([[1.0, 2.0]])
    z = tg.max(x, axis=())
    assert z.tolist() == [[1, 2]]
    assert tg.grad(z.sum(), x)[0].tolist() == [[1, 1]]
    y = leaf(3.0)
    assert tg.grad(tg.max(y), y)[0].item() == tg.grad(tg.min(y, ties="split"), y)[0].item() == 1
    assert tg.max(leaf(Fraction(1, 3))).item() == Fraction(1, 3)


@pytest.mark.parametrize("function", [tg.max, tg.min])
@pytest.mark.parametrize("ties", ["first", "split"])
def test_extremes_of_empty_axes_are_refused_and_those_beside_are_empty(function, ties):
    x = leaf(np.zeros((0, 3)))
    for axis in (None, 0, (0, 1)):
        with pytest.raises(ValueError, match=rf"^{function.__name__}: an empty axis .* \(shape \(0, 3\)"):
            function(x, axis, ties=ties)
    z = function(x, axis=1, ties=ties)
    assert z.shape == (0,)
    (dx,) = tg.grad(z.sum(), x)
    assert dx.shape == (0, 3)


@pytest.mark.parametrize("function", [tg.max, tg.min])
def test_another_way_with_ties_is_refused(function):
    with pytest.raises(ValueError, match=rf"^{function.__name__}: ties must be 'first' or 'split' but is 'last'"):
        function(leaf([1.0]), ties="last")


def test_extremes_to_third_order():
    for function in (tg.max, tg.min):
        check_gradients(lambda x, f=function: f(x, axis=0) ** 3 * x[0], np.array([[1.0, -2.0], [0.5, 3.0]]), order=3)
    x = leaf(np.array([Fraction(2), Fraction(2), Fraction(1)]))
    (dx,) = tg.grad(tg.max(x * x, ties="split") ** 2, x, create_graph=True)  # z = x**2, 2 z z' / 2 each
    assert_exact(dx, np.array([Fraction(16), Fraction(16), Fraction(0)]))
    (ddx,) = tg.grad(dx, x, [np.array([1, 0, 0])])
    # dx_0 = z x_0 2 with z the mean over the two winners: 2 z + 2 x_0 dz/dx_0, where dz/dx_j = x_j for a winner
    assert_exact(ddx, np.array([8 + 4 * Fraction(2), 4 * Fraction(2), Fraction(0)]))


def test_a_rational_function_of_reductions_is_exact():
    def function(x):
        return tg.sum(x * x, axis=0) / (tg.max(x, axis=0) + 20) - tg.mean(x, axis=1, keepdims=True)[:2] * tg.min(x)

    x = fractions((3, 2), 4)
    (a,) = tensors(x)
    z = function(a)
    weights = fractions(z.shape, 5)
    (dx,) = tg.grad(z, a, [weights])
    assert_exact(dx, exact_gradients(function_of_arrays, [x], weights)[0])


def function_of_arrays(x):
    """The same in NumPy and Python."""
    best = [max(column) for column in x.T]
    squares = [sum(v * v for v in column) for column in x.T]
    least = min(x.flat)
    z = np.empty((2, 2), dtype=object)
    for i, j in np.ndindex(2, 2):
        z[i, j] = squares[j] / (best[j] + 20) - sum(x[i]) / 2 * least
    return z


def test_plain_arrays_give_plain_results():
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert tg.sum(x) == 10
    assert type(tg.max(x, axis=0)) is np.ndarray
    assert tg.mean([[1.0, 2.0], [3.0, 6.0]], axis=0).tolist() == [2, 4]
    assert tg.max([1, 5, 2]) == 5
    assert math.isclose(tg.min(np.float64(2)), 2)

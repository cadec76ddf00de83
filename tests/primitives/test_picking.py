"""take, take_along_axis, gather, scatter_add, diagonals, triangles: loops and NumPy, exactly; high orders; refusals."""

from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.finite_differences import check_gradients
from tests.operands import assert_equal, assert_exact, fractions, normals, tensors
from tests.rearrangements import check_rearrangement

# take

TAKES = [
    ((4,), 2, None),
    ((4,), [0, 3, 0], None),
    ((4,), [-1, -4], 0),
    ((2, 3), 4, None),
    ((2, 3), [[5, 0], [0, -6]], None),
    ((2, 3), 1, 0),
    ((2, 3), -1, 1),
    ((2, 3), [0, 0, 2], 1),
    ((2, 3, 2), [[1, 0], [1, 1]], -2),
    ((2, 3), [], 1),
    ((2, 3), np.array([1, 1], np.uint8), 0),
    ((2, 0), [1], 0),
    ((), 0, None),
    ((1,), (0, -1), None),
]


@pytest.mark.parametrize(("shape", "indices", "axis"), TAKES)
def test_take(shape, indices, axis):
    of_numpy = np.array(indices, np.intp)
    check_rearrangement(lambda x: tg.take(x, indices, axis), fractions(shape, 1), lambda x: np.take(x, of_numpy, axis))


def test_take_by_a_tensor():
    indices = tg.tensor([[1, 1], [0, 2]])
    check_rearrangement(lambda x: tg.take(x, indices, 1), fractions((2, 3), 1), lambda x: x[:, indices.numpy()])
    check_rearrangement(lambda x: tg.take(x, tg.tensor(2), 1), fractions((2, 3), 1), lambda x: x[:, 2])


# take_along_axis

ALONG = [
    ((4,), [1, 1, 0], 0),
    ((4,), [1, -1, 0, 3, 3], None),
    ((2, 3), [[1, 2], [0, 0]], 1),
    ((2, 3), [[1, 0, -1]], 0),
    ((2, 3), [[1], [0]], -1),
    ((2, 3), [[2]], 1),
    ((1, 3), [[2], [0]], 1),
    ((2, 3), [5, 0, 5], None),
    ((2, 1, 3), np.arange(12).reshape(2, 3, 2) % 3, 2),
    ((2, 3), np.zeros((2, 0), int), 1),
    ((0, 3), np.zeros((0, 2), int), 1),
]


@pytest.mark.parametrize(("shape", "indices", "axis"), ALONG)
def test_take_along_axis(shape, indices, axis):
    check_rearrangement(
        lambda x: tg.take_along_axis(x, indices, axis),
        fractions(shape, 1),
        lambda x: np.take_along_axis(x, np.asarray(indices), axis),
    )


def test_take_along_axis_takes_what_argmax_and_argsort_found():
    x = normals((3, 4), 1)
    (a,) = tensors(x)
    assert_equal(tg.take_along_axis(a, tg.argmax(a, 1, keepdims=True), 1).numpy(), x.max(1, keepdims=True))
    z = tg.take_along_axis(a, np.argsort(x, axis=0), 0)
    assert_equal(z.numpy(), np.sort(x, axis=0))
    assert tg.grad((z * [[1.0], [2.0], [3.0]]).sum(), a)[0].tolist() == (1.0 + np.argsort(np.argsort(x, 0), 0)).tolist()


# gather and scatter_add

GATHERS = [
    ((4,), [3, 0, 3, -1, 0], 0),
    ((2, 3), [[0, 2], [1, 1]], 1),
    ((2, 3), [[0, 2, 2, 0, 0]], 1),
    ((2, 3), [[0, 1], [1, 1], [0, 0]], 0),
    ((3, 2, 2), [[[1], [1]], [[0], [1]]], 1),
    ((3, 2, 2), np.arange(6).reshape(1, 2, 3) % 2, -1),
    ((2, 3), np.zeros((0, 3), int), 1),
    ((2, 0), np.zeros((1, 0), int), 0),
]


def gathered(x, index, axis):
    """z[i, j] = x[i, index[i, j]] for axis 1, and so on."""
    z = np.empty(index.shape, dtype=object)
    for place in np.ndindex(index.shape):
        source = list(place)
        source[axis] = index[place]
        z[place] = x[tuple(source)]
    return z


@pytest.mark.parametrize(("shape", "index", "axis"), GATHERS)
def test_gather(shape, index, axis):
    check_rearrangement(
        lambda x: tg.gather(x, axis, index), fractions(shape, 1), lambda x: gathered(x, np.array(index), axis)
    )


@pytest.mark.parametrize(("shape", "index", "axis"), GATHERS)
@pytest.mark.parametrize("longer", [0, 1])
def test_scatter_add(shape, index, axis, longer):
    index = np.array(index)
    x, source = fractions(shape, 1), fractions(tuple(n + longer for n in index.shape), 2)
    a, b = tensors(x, source)
    z = tg.scatter_add(a, axis, index, b)
    expected = x.copy()
    for place in np.ndindex(index.shape):
        target = list(place)
        target[axis] = index[place]
        expected[tuple(target)] += source[place]
    assert_exact(z, expected)
    weights = fractions(shape, 3)
    for create_graph in (False, True):
        da, db = tg.grad(z, [a, b], [weights], create_graph=create_graph)
        assert_exact(da, weights)
        slopes = np.full(source.shape, Fraction(0))
        slopes[tuple(map(slice, index.shape))] = gathered(weights, index, axis)
        assert_equal(np.array(db.numpy(), dtype=object), slopes)


def test_scatter_add_is_the_transpose_of_gather():
    """<gather(x), s> = <x, scatter_add(0, s)>."""
    for shape, index, axis in GATHERS:
        x, source = fractions(shape, 1), fractions(np.shape(index), 2)
        scattered = tg.scatter_add(np.full(shape, Fraction(0)), axis, index, source)
        assert (tg.gather(x, axis, index) * source).sum() == (x * scattered).sum()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_keep_their_dtype(dtype):
    x, source = tensors(np.arange(6, dtype=dtype).reshape(2, 3), np.ones((2, 2), dtype))
    for z in (
        tg.take(x, [0, 0, 1], 1),
        tg.gather(x, 1, [[0, 0], [1, 2]]),
        tg.scatter_add(x, 1, [[0, 0], [1, 2]], source),
        tg.diagonal(x),
        tg.tril(x),
        tg.triu(x, 1),
    ):
        assert z.dtype == dtype
        assert tg.grad(z, x, [np.ones(z.shape)])[0].dtype == dtype


# Diagonals and triangles

DIAGONALS = [
    ((3, 3), 0, 0, 1),
    ((3, 3), 1, 0, 1),
    ((3, 3), -2, 0, 1),
    ((3, 3), 3, 0, 1),
    ((3, 3), -5, 0, 1),
    ((2, 4), 0, 0, 1),
    ((2, 4), 2, 0, 1),
    ((4, 2), -1, 0, 1),
    ((4, 2), -3, 1, 0),
    ((2, 3, 4), 0, 0, 1),
    ((2, 3, 4), 1, -1, 0),
    ((2, 3, 4), -1, 1, 2),
    ((1, 1), 0, 0, 1),
    ((0, 3), 0, 0, 1),
]


@pytest.mark.parametrize(("shape", "offset", "first", "second"), DIAGONALS)
def test_diagonal(shape, offset, first, second):
    check_rearrangement(
        lambda x: tg.diagonal(x, offset, first, second),
        fractions(shape, 1),
        lambda x: np.diagonal(x, offset, first, second),
    )


@pytest.mark.parametrize(("shape", "offset", "first", "second"), DIAGONALS)
def test_trace(shape, offset, first, second):
    x = fractions(shape, 1)
    (a,) = tensors(x)
    z = tg.trace(a, offset, first, second)
    weights = fractions(z.shape, 2)
    (dx,) = tg.grad(z, a, [weights])
    rows, columns = np.moveaxis(x, (first, second), (0, 1)).shape[:2]
    expected, slopes = np.full(z.shape, Fraction(0)), np.full(shape, Fraction(0))
    moved = np.moveaxis(slopes, (first, second), (0, 1))
    for i in range(rows):
        if 0 <= i + offset < columns:
            expected = expected + np.moveaxis(x, (first, second), (0, 1))[i, i + offset]
            moved[i, i + offset] = weights
    assert_equal(np.array(z.numpy(), dtype=object), np.array(expected, dtype=object))
    assert_equal(np.array(dx.numpy(), dtype=object), slopes)


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2), (1, 1), (2, 3, 2), (0, 2), (2, 0)])
@pytest.mark.parametrize("k", [0, 1, -1, 3, -4])
def test_triangles(shape, k):
    x, weights = fractions(shape, 1), fractions(shape, 2)
    (a,) = tensors(x)
    for function, of_numpy in [(tg.tril, np.tril), (tg.triu, np.triu)]:
        z = function(a, k)
        assert_exact(z, of_numpy(x, k))
        assert_exact(tg.grad(z, a, [weights])[0], of_numpy(weights, k))


def test_what_is_off_the_triangle_is_zero_whatever_it_was():
    x = np.array([[1.0, np.nan], [np.inf, 2.0]])
    assert_equal(tg.tril(x), np.array([[1.0, 0.0], [np.inf, 2.0]]))
    assert_equal(tg.triu(x), np.array([[1.0, np.nan], [0.0, 2.0]]))


# Together


def test_gradients_to_third_order():
    def function(x, source):
        z = tg.scatter_add(x * x, 1, [[0, 0], [2, 1]], source**3)
        return tg.gather(z, 0, [[0, 1, 1]]) * tg.take(x, [1, 1, 0], 1) + tg.diagonal(tg.tril(z) @ tg.triu(z).T).sum()

    check_gradients(function, normals((2, 3), 1), normals((2, 2), 2), order=3, tolerance=1e-6)


def test_index_arrays_may_change_afterwards():
    index = np.array([[0, 1], [2, 2]])
    (x,) = tensors(np.arange(6.0).reshape(2, 3))
    z = tg.gather(x, 1, index), tg.take(x, index[0], 1), tg.take_along_axis(x, index, 1), tg.scatter_add(x, 1, index, x)
    before = [tg.grad(each.sum(), x)[0].tolist() for each in z]
    index[:] = 0
    assert [tg.grad(each.sum(), x)[0].tolist() for each in z] == before


def test_methods():
    (x,) = tensors(np.arange(6.0).reshape(2, 3))
    assert x.take([0, 2], 1).tolist() == [[0, 2], [3, 5]]
    assert x.diagonal(1).tolist() == [1, 5]
    assert x.trace().item() == 4


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: tg.take(x, 3, 1), IndexError, "take: index 3 is out of bounds for an axis of size 3"),
        (lambda x: tg.take(x, [0, -4], 1), IndexError, "take: index -4 is out of bounds for an axis of size 3"),
        (lambda x: tg.take(x, tg.tensor([[6]])), IndexError, "take: index 6 is out of bounds for an axis of size 6"),
        (lambda x: tg.take(x, [0.0], 1), TypeError, "take: indices must be integers but are float64"),
        (lambda x: tg.take(x, [True], 1), TypeError, "take: indices must be integers but are bool"),
        (lambda x: tg.take(x, 0, 2), ValueError, "take: expected an axis of -2 to 1"),
        (
            lambda x: tg.take_along_axis(x, [0, 1], 1),
            ValueError,
            r"take_along_axis: indices of shape \(2,\) must have as",
        ),
        (
            lambda x: tg.take_along_axis(x, [[0], [0], [0]], 1),
            ValueError,
            r"take_along_axis: indices of shape \(3, 1\) do not broadcast against x of shape \(2, 3\) on the axes",
        ),
        (lambda x: tg.take_along_axis(x, [[0], [3]], 1), IndexError, "take_along_axis: index 3 is out of bounds"),
        (lambda x: tg.gather(x, 1, [0]), ValueError, r"gather: index of shape \(1,\) must have as many axes as x"),
        (
            lambda x: tg.gather(x, 1, np.zeros((3, 1), int)),
            ValueError,
            r"gather: index of shape \(3, 1\) must not be longer than x of shape \(2, 3\) on an axis other than 1",
        ),
        (lambda x: tg.gather(x, 0, [[2]]), IndexError, "gather: index 2 is out of bounds for an axis of size 2"),
        (lambda x: tg.gather(x, None, [[2]]), ValueError, "gather: expected a single axis"),
        (lambda x: tg.scatter_add(x, 1, [[3]], x), IndexError, "scatter_add: index 3 is out of bounds"),
        (
            lambda x: tg.scatter_add(x, 0, [[0, 0, 0]] * 3, x),
            ValueError,
            r"scatter_add: source of shape \(2, 3\) is too short for an index of shape \(3, 3\)",
        ),
        (lambda x: tg.scatter_add(x, 0, [[0]], x[0]), ValueError, r"scatter_add: source of shape \(3,\) is too short"),
        (lambda x: tg.diagonal(x[0]), ValueError, "diagonal: expected an axis of -1 to 0 for 1 axes but got 1"),
        (lambda x: tg.diagonal(x, 0, 1, -1), ValueError, "diagonal: axis1 and axis2 must be two different axes"),
        (lambda x: tg.diagonal(x, 0.5), TypeError, "diagonal: offset must be an integer"),
        (lambda x: tg.trace(x, 0, 1, 1), ValueError, "trace: axis1 and axis2 must be two different axes"),
        (lambda x: tg.tril(x[0]), ValueError, r"tril: expected a matrix or several but the shape is \(3,\)"),
        (lambda x: tg.triu(x, "1"), TypeError, "triu: k must be an integer"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=f"^{message}"):
        call(tensors(np.zeros((2, 3)))[0])

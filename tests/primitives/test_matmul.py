"""Matrix products and linear layers against triple loops, exactly: vectors, batches, layouts, refusals."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.dual_numbers import exact_gradients
from tests.finite_differences import check_gradients
from tests.operands import assert_close, assert_equal, assert_exact, fractions, integers, normals, tensors


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


def loop(x, y):
    """The product by its definition, z_ij = sum_k x_ik y_kj, for each pair of matrices that the leading axes make."""
    rows = x[None] if x.ndim == 1 else x
    columns = y[:, None] if y.ndim == 1 else y
    batch = np.broadcast_shapes(rows.shape[:-2], columns.shape[:-2])
    n, k, m = rows.shape[-2], rows.shape[-1], columns.shape[-1]
    rows = np.broadcast_to(rows, (*batch, n, k))
    columns = np.broadcast_to(columns, (*batch, k, m))
    z = np.empty((*batch, n, m), dtype=object)
    for index in np.ndindex(*batch):
        for i, j in product(range(n), range(m)):
            z[(*index, i, j)] = sum((rows[(*index, i, l)] * columns[(*index, l, j)] for l in range(k)), Fraction(0))
    if x.ndim == 1:
        z = z[..., 0, :]
    return z[..., 0] if y.ndim == 1 else z


SHAPES = [
    ((2, 3), (3, 4)),
    ((1, 1), (1, 1)),
    ((1, 3), (3, 1)),
    ((3, 1), (1, 3)),
    ((3,), (3,)),
    ((1,), (1,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((2, 2, 3), (2, 3, 2)),
    ((2, 2, 3), (3, 2)),
    ((2, 3), (4, 3, 1)),
    ((1, 2, 3), (4, 3, 2)),
    ((2, 1, 1, 3), (1, 3, 3, 2)),
    ((3, 1, 2, 2), (2, 2, 1)),
    ((2, 2, 3), (3,)),
    ((3,), (2, 3, 2)),
    ((3,), (2, 1, 3, 1)),
    ((0, 3), (3, 2)),
    ((2, 3), (3, 0)),
    ((2, 0), (0, 3)),
    ((0,), (0,)),
    ((0, 2, 3), (3, 2)),
    ((2, 0, 2, 3), (1, 3, 1)),
]


@pytest.mark.parametrize(("left", "right"), SHAPES)
@pytest.mark.parametrize("create_graph", [False, True])
def test_products_and_their_gradients_are_those_of_the_loop(left, right, create_graph):
    x, y = fractions(left, 1), fractions(right, 2)
    a, b = tensors(x, y)
    z = a @ b
    expected = loop(x, y)
    assert_exact_or_empty(z, np.asarray(expected, dtype=object))
    weights = fractions(z.shape, 3)
    gradients = tg.grad(z, [a, b], [weights], create_graph=create_graph)
    for dx, slopes in zip(gradients, exact_gradients(loop, [x, y], weights), strict=True):
        assert_exact_or_empty(dx, slopes)


def assert_exact_or_empty(tensor, expected):
    """A sum over nothing is 0 in any arithmetic."""
    values = np.empty(tensor.shape, dtype=object)
    values[...] = tensor.numpy()
    assert all(isinstance(value, int | Fraction) for value in values.flat)
    assert_equal(values, np.asarray(expected, dtype=object))


@pytest.mark.parametrize(("left", "right"), SHAPES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_products_of_floats(left, right, dtype):
    x, y = integers(left, 1, dtype), integers(right, 2, dtype)
    a, b = tensors(x, y)
    z = tg.matmul(a, b)
    expected = np.asarray(loop(x.astype(object), y.astype(object)))
    assert (z.dtype, z.shape) == (dtype, expected.shape)
    assert_equal(z.numpy(), expected.astype(dtype))
    weights = integers(z.shape, 3, dtype)
    exact = exact_gradients(loop, [rationals(x), rationals(y)], rationals(weights))
    for v, dv, slopes in zip((x, y), tg.grad(z, [a, b], [weights]), exact, strict=True):
        assert (dv.dtype, dv.shape) == (dtype, v.shape)
        assert_equal(dv.numpy(), slopes.astype(dtype))


def rationals(array):
    result = np.empty(array.shape, dtype=object)
    for index in np.ndindex(array.shape):
        result[index] = Fraction(float(array[index]))
    return result


SMALL = [
    ((2, 3), (3, 2)),
    ((3,), (3,)),
    ((2, 2), (2,)),
    ((2,), (2, 3)),
    ((2, 1, 2), (2, 2)),
    ((2, 2), (2, 2, 1)),
    ((1, 2, 2), (2, 2, 1)),
]


@pytest.mark.parametrize("shapes", SMALL)
def test_gradients_to_third_order(shapes):
    arrays = [normals(shape, i) for i, shape in enumerate(shapes)]
    check_gradients(lambda x, y: (x @ y) ** 2 * 0.5 + (x @ y), *arrays, order=3, tolerance=1e-6)


def test_a_product_with_itself():
    x = fractions((3, 3), 1)
    (a,) = tensors(x)
    z = a @ a @ a.T
    weights = fractions((3, 3), 2)
    (dx,) = tg.grad(z, a, [weights])
    assert_exact(dx, exact_gradients(lambda x: loop(loop(x, x), x.T), [x], weights)[0])


@pytest.mark.parametrize("dtypes", [(np.float32, np.float64), (np.float64, np.float16), (np.float32, np.int64)])
def test_mixed_dtypes(dtypes):
    x = leaf(np.ones((2, 3), dtypes[0]))
    y = tg.tensor(np.ones((3, 2), dtypes[1]), requires_grad=dtypes[1] is not np.int64)
    z = x @ y
    assert z.dtype == np.result_type(*dtypes)
    z.sum().backward()
    assert x.grad.dtype == dtypes[0]
    assert y.grad is None or y.grad.dtype == dtypes[1]


def layouts(array):
    wide = np.zeros((array.shape[0], 2 * array.shape[1]), array.dtype)
    wide[:, ::2] = array
    return [array, np.asfortranarray(array), wide[:, ::2], array[::-1].copy()[::-1], np.ascontiguousarray(array.T).T]


def test_memory_layout_makes_no_difference():
    x, y = integers((3, 4), 1), integers((4, 2), 2)
    expected = None
    for left in layouts(x):
        for right in layouts(y):
            a, b = leaf(left), leaf(right)
            z = a.T.T @ b.T.T
            values = [z, *tg.grad(z, [a, b], [np.asfortranarray(integers((3, 2), 3))])]
            expected = expected or [v.tolist() for v in values]
            assert [v.tolist() for v in values] == expected


def test_shapes_that_do_not_fit_are_refused():
    for left, right, message in [
        ((2, 3), (2, 3), r"the inner sizes differ: \(2, 3\) @ \(2, 3\)"),
        ((3,), (2,), "the inner sizes differ"),
        ((3,), (2, 3), "the inner sizes differ"),
        ((2, 3), (2,), "the inner sizes differ"),
        ((), (2,), r"expected at least one axis on both sides but the shapes are \(\) and \(2,\)"),
        ((2,), (), "expected at least one axis"),
        ((2, 2, 3), (3, 3, 2), "broadcast|mismatch"),
    ]:
        x, y = leaf(np.zeros(left)), leaf(np.zeros(right))
        with pytest.raises(ValueError, match=rf"^matmul: .*({message})"):
            x @ y
        with pytest.raises(ValueError, match=r"^matmul: "):
            np.zeros(left) @ y
    with pytest.raises(ValueError, match=r"^matmul: "):
        leaf([1.0]) @ 2.0


# linear


@pytest.mark.parametrize("shape", [(4, 3), (1, 3), (3,), (2, 4, 3), (2, 1, 2, 3), (0, 3), (2, 0, 3)])
@pytest.mark.parametrize("outputs", [1, 2, 0])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("create_graph", [False, True])
def test_linear_and_its_gradients_are_those_of_the_loop(shape, outputs, with_bias, create_graph):
    arrays = [fractions(shape, 1), fractions((outputs, 3), 2)] + [fractions((outputs,), 3)] * with_bias

    def naive(x, weight, bias=None):
        z = loop(x, weight.T)
        return z if bias is None else z + bias

    operands = tensors(*arrays)
    z = tg.linear(*operands)
    assert_exact_or_empty(z, naive(*arrays))
    weights = fractions(z.shape, 4)
    gradients = tg.grad(z, operands, [weights], create_graph=create_graph)
    for dx, slopes in zip(gradients, exact_gradients(naive, arrays, weights), strict=True):
        assert_exact_or_empty(dx, slopes)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(4, 3), (3,), (2, 2, 3)])
def test_linear_keeps_the_dtype(dtype, shape):
    operands = [leaf(integers(s, i, dtype)) for i, s in enumerate([shape, (2, 3), (2,)])]
    z = tg.linear(*operands)
    assert z.dtype == dtype
    x, weight, bias = (v.numpy().astype(object) for v in operands)
    assert_equal(z.numpy(), (loop(x, weight.T) + bias).astype(dtype))
    for v, dv in zip(operands, tg.grad(z.sum(), operands), strict=True):
        assert (dv.dtype, dv.shape) == (dtype, v.shape)


@pytest.mark.parametrize("shape", [(2, 3), (3,), (2, 2, 3), (1, 3)])
def test_linear_to_second_order(shape):
    arrays = [normals(shape, 1), normals((2, 3), 2), normals((2,), 3)]
    check_gradients(lambda x, w, b: tg.linear(x, w, b) ** 2 + tg.linear(x, w), *arrays, order=2)


def test_linear_takes_its_operands_by_name():
    x, weight, bias = leaf([[1.0, 2.0]]), leaf([[3.0, 4.0]]), leaf([0.5])
    for named in ({"bias": bias}, {"bias": bias, "weight": weight}, {"x": x, "bias": bias, "weight": weight}):
        z = tg.linear(*[x, weight][: 3 - len(named)], **named)
        assert z.tolist() == [[11.5]]
        assert [dv.tolist() for dv in tg.grad(z, [x, weight, bias])] == [[[3, 4]], [[1, 2]], [1]]
    z = tg.linear(x, weight, bias=None)
    assert tg.grad(z, weight)[0].tolist() == [[1, 2]]
    z = tg.linear(x, weight, None)
    assert tg.grad(z, x)[0].tolist() == [[3, 4]]


def test_linear_takes_lists_and_plain_arrays():
    x = leaf([[1.0, 2.0]])
    assert tg.linear(x, [[3.0, 4.0]], [0.5]).tolist() == [[11.5]]
    assert tg.linear(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])).tolist() == [[11]]
    assert tg.linear([1.0, 2.0], [[3.0, 4.0]]).tolist() == [11]


def test_linear_refuses_sizes_that_do_not_fit():
    x, weight = leaf(np.zeros((4, 3))), leaf(np.zeros((2, 3)))
    for wrong in (np.zeros((3, 2)), np.zeros(3), np.zeros((2, 3, 1))):
        with pytest.raises(ValueError, match=r"^linear: weight \(outputs, features\) has shape \(.*\), which does"):
            tg.linear(x, leaf(wrong))
    with pytest.raises(ValueError, match=r"^linear: weight .* does not fit x \(\.\.\., features\) of shape \(\)"):
        tg.linear(leaf(1.0), weight)
    for wrong in (np.zeros(3), np.zeros((2, 1)), np.zeros((1, 2)), 1.0):
        with pytest.raises(ValueError, match=r"^linear: bias must have shape \(2,\) for 2 outputs but has \("):
            tg.linear(x, weight, leaf(wrong))
    assert x.grad is weight.grad is None


def test_large_products_agree_with_the_loop():
    x, y = normals((40, 50), 1), normals((50, 30), 2)
    a, b = tensors(x, y)
    z = a @ b
    assert_close(z.numpy(), loop(x.astype(object), y.astype(object)), 1e-14)
    da, db = tg.grad(z, [a, b], [np.ones((40, 30))])
    assert_close(da.numpy(), np.tile(y.sum(axis=1), (40, 1)), 1e-14)
    assert_close(db.numpy(), np.tile(x.sum(axis=0)[:, None], (1, 30)), 1e-14)

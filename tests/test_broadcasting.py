"""Broadcasting: an operand gets the sum over its uses, in its own shape and dtype."""

from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.finite_differences import check_gradients
from tests.operands import assert_equal, fractions, normals


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


SHAPES = [
    ((), ()),
    ((), (3,)),
    ((3,), ()),
    ((1,), (3,)),
    ((3,), (1,)),
    ((1,), (1, 1)),
    ((1,), ()),
    ((3, 1), (1, 4)),
    ((1, 4), (3, 1)),
    ((4,), (3, 4)),
    ((3, 1), (3, 4)),
    ((1, 1), (3, 4)),
    ((2, 1, 4), (3, 1)),
    ((2, 3, 4), (1, 3, 1)),
    ((2, 1, 1, 3), (4, 1)),
    ((1, 1, 1), (1,)),
    ((0,), ()),
    ((0,), (1,)),
    ((3, 0), (1, 1)),
    ((3, 1), (1, 0)),
    ((1, 0), (3, 0)),
    ((2, 0, 1), (1, 5)),
]


def summed_uses(shape, weights):
    """The weight of every output element, added to the operand's element it was made from: sum over uses, in a loop."""
    total = np.full(shape, Fraction(0), dtype=object)
    skipped = weights.ndim - len(shape)
    for index in np.ndindex(weights.shape):
        total[tuple(0 if n == 1 else i for i, n in zip(index[skipped:], shape, strict=True))] += weights[index]
    return total


def as_objects(tensor):
    array = np.empty(tensor.shape, dtype=object)
    array[...] = tensor.numpy()
    return array


@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_a_broadcast_operand_gets_the_sum_over_its_uses(left, right):
    x, y = fractions(left, 1), fractions(right, 2)
    weights = fractions(np.broadcast_shapes(left, right), 3)
    a, b = leaf(x), leaf(y)
    for z, da, db in [
        (a + b, weights, weights),
        (a - b, weights, -weights),
        (a * b, weights * y, weights * x),
        (tg.where(True, a, b) + tg.where(False, a, b) * 2, weights, weights * 2),
    ]:
        da, db = (np.asarray(d, dtype=object) for d in (da, db))
        gradients = tg.grad(z, [a, b], [weights])
        assert_equal(as_objects(gradients[0]), summed_uses(left, da))
        assert_equal(as_objects(gradients[1]), summed_uses(right, db))


@pytest.mark.parametrize(("left", "right"), SHAPES)
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_gradient_has_its_operands_shape_and_dtype(left, right, create_graph):
    for dtypes in [(np.float32, np.float64), (np.float64, np.float32), (np.float16, np.float32)]:
        a, b = (leaf(np.ones(shape, dtype)) for shape, dtype in zip((left, right), dtypes, strict=True))
        z = a * b + a / b - b
        assert z.dtype == np.result_type(*dtypes)
        for x, dx in zip((a, b), tg.grad(z.sum(), [a, b], create_graph=create_graph), strict=True):
            assert (dx.shape, dx.dtype) == (x.shape, x.dtype)


def test_a_number_or_array_beside_a_tensor_does_not_change_the_gradients_dtype():
    for other in (2, 2.0, True, np.float64(2), np.float32(2), np.int64(2), np.array([2, 3]), np.array([[2.0]])):
        for operation in (tg.add, tg.multiply, tg.divide, tg.power, tg.subtract):
            x = leaf([1.0, 2.0])
            operation(x, other).sum().backward()
            assert (x.grad.dtype, x.grad.shape) == (np.float32, (2,))


def test_broadcast_gradients_of_second_order():
    for left, right in [((3, 1), (1, 2)), ((), (2,)), ((2, 1), (2, 1, 1))]:
        check_gradients(lambda x, y: x * x * y / (1 + y * y), normals(left, 1), normals(right, 2), order=2)


def test_random_shapes_broadcast():
    hypothesis = pytest.importorskip("hypothesis")
    from hypothesis.extra.numpy import mutually_broadcastable_shapes

    @hypothesis.settings(max_examples=60, deadline=None, database=None)
    @hypothesis.given(mutually_broadcastable_shapes(num_shapes=3, max_dims=4, max_side=3, min_side=0))
    def check(shapes):
        arrays = [fractions(shape, i) for i, shape in enumerate(shapes.input_shapes)]
        weights = fractions(shapes.result_shape, 7)
        x, y, w = (leaf(array) for array in arrays)
        gradients = tg.grad(x * y - w, [x, y, w], [weights])
        expected = [weights * arrays[1], weights * arrays[0], -weights]
        for array, actual, uses in zip(arrays, gradients, expected, strict=True):
            uses = np.asarray(np.broadcast_to(np.asarray(uses, dtype=object), shapes.result_shape))
            assert_equal(as_objects(actual), summed_uses(array.shape, uses))

    check()

"""Rearrangements: where every element goes and its gradient comes back to; indices of every kind; refusals."""

import math
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.finite_differences import check_gradients
from tests.operands import assert_equal, assert_exact, fractions, normals, tensors


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


def check_rearrangement(function, x, of_numpy=None):
    """The function picks elements as NumPy does, and the gradient is added up where each was picked from.

    NumPy's function is applied to the elements' numbers, which tells where each element of the result comes from.
    """
    of_numpy = of_numpy or function
    origin = np.asarray(of_numpy(np.arange(x.size).reshape(x.shape)))
    (a,) = tensors(x)
    z = function(a)
    expected = np.empty(origin.shape, dtype=object)
    weights = fractions(origin.shape, 7)
    slopes = np.full(x.size, Fraction(0), dtype=object)
    for index in np.ndindex(origin.shape):
        expected[index] = x.reshape(-1)[origin[index]]
        slopes[origin[index]] += weights[index]
    assert z.shape == origin.shape
    for create_graph in (False, True):
        (dx,) = tg.grad(z, a, [weights], create_graph=create_graph)
        assert dx.shape == x.shape
        assert_equal(as_objects(dx), slopes.reshape(x.shape))
    assert_equal(as_objects(z), expected)
    assert a.grad is None


def as_objects(tensor):
    array = np.empty(tensor.shape, dtype=object)
    array[...] = tensor.numpy()
    return array


# reshape


@pytest.mark.parametrize(
    ("shape", "new"),
    [
        ((2, 3), (3, 2)),
        ((2, 3), (6,)),
        ((2, 3), (-1,)),
        ((2, 3), 6),
        ((2, 3), -1),
        ((2, 3), (1, -1, 2)),
        ((2, 3), (2, 3)),
        ((6,), [2, 3]),
        ((1,), ()),
        ((), (1, 1)),
        ((), (-1,)),
        ((1, 1), ()),
        ((0, 3), (3, 0)),
        ((0, 3), (-1, 3)),
        ((2, 0), (0,)),
        ((2, 0), (-1,)),
        ((2, 3), (np.int64(3), np.int32(-1))),
    ],
)
def test_reshape(shape, new):
    check_rearrangement(lambda x: tg.reshape(x, new), fractions(shape, 1), lambda x: np.reshape(x, new))


def test_reshape_of_a_single_number_is_a_scalar_inside():
    for x in (leaf([3.0]), leaf([[[3.0]]])):
        assert isinstance(tg.reshape(x, ()).data, np.float32)
    x = leaf(3.0)
    (dx,) = tg.grad((x.reshape(1, 1) * 2).sum(), x)
    assert isinstance(dx.data, np.float32)


@pytest.mark.parametrize("new", [(4,), (5, -1), (-1, -1), (2, 2), (), (0,), (0, -1), (-2, -3), (7, -1)])
def test_reshape_refuses_another_number_of_elements(new):
    with pytest.raises(ValueError, match=r"^reshape: shape \(2, 3\) has 6 elements, which do not fill \("):
        tg.reshape(leaf(np.zeros((2, 3))), new)


@pytest.mark.parametrize("new", [(2.0, 3), "6", (None, 2), ((2, 3),), 6.0])
def test_reshape_refuses_what_is_no_integer(new):
    with pytest.raises(TypeError, match=r"^reshape: shape must be an integer but is"):
        tg.reshape(leaf(np.zeros((2, 3))), new)


# transpose, flip, rot180


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((2, 3), None),
        ((2, 3), (1, 0)),
        ((2, 3), (0, 1)),
        ((2, 3, 4), (2, 0, 1)),
        ((2, 3, 4), (1, 2, 0)),
        ((2, 3, 4), [-1, 0, -2]),
        ((2, 1, 3, 2), (3, 1, 0, 2)),
        ((3,), None),
        ((), None),
        ((0, 2), None),
    ],
)
def test_transpose(shape, axes):
    check_rearrangement(
        lambda x: tg.transpose(x, axes), fractions(shape, 1), lambda x: x.transpose(tuple(axes) if axes else None)
    )


def test_transpose_refuses_what_is_no_order_of_the_axes():
    x = leaf(np.zeros((2, 3)))
    for axes, message in [
        ((0,), r"expected an order of all 2 axes but got \(0,\)"),
        ((0, 0), "each axis may come once"),
        ((0, 1, 2), "expected an axis of -2 to 1"),
        ((), r"expected an order of all 2 axes but got \(\)"),
    ]:
        with pytest.raises(ValueError, match=f"^transpose: {message}"):
            tg.transpose(x, axes)
    with pytest.raises(TypeError, match=r"^transpose: axis must be an integer"):
        tg.transpose(x, (0, 1.0))


FLIPS = [((3,), None), ((2, 3), None), ((2, 3), 0), ((2, 3), -1), ((2, 3, 2), (0, 2)), ((0, 2), 0), ((), None)]


@pytest.mark.parametrize(("shape", "axis"), FLIPS)
def test_flip(shape, axis):
    check_rearrangement(lambda x: tg.flip(x, axis), fractions(shape, 1), lambda x: np.flip(x, axis))


@pytest.mark.parametrize("shape", [(2, 3, 2, 3), (1, 1, 3, 3), (2, 1, 4), (1, 1, 1, 1), (1, 2, 2, 3, 2)])
def test_rot180(shape):
    spatial = tuple(range(2, len(shape)))
    check_rearrangement(tg.rot180, fractions(shape, 1), lambda x: np.flip(x, spatial))


def test_rot180_refuses_what_is_no_kernel():
    for shape in [(), (3,), (3, 3)]:
        with pytest.raises(ValueError, match=r"^rot180: expected a kernel \(F, C, spatial axes\) but the shape is "):
            tg.rot180(leaf(np.zeros(shape)))


# broadcast_to


@pytest.mark.parametrize(
    ("shape", "new"),
    [
        ((), (2, 3)),
        ((), ()),
        ((3,), (2, 3)),
        ((1,), (2, 3)),
        ((2, 1), (2, 3)),
        ((2, 1), (4, 2, 3)),
        ((1, 1), (1, 1)),
        ((1,), (0,)),
        ((1, 3), (0, 3)),
        ((0,), (2, 0)),
        ((3,), 3),
        ((1,), [2, 1]),
    ],
)
def test_broadcast_to(shape, new):
    check_rearrangement(lambda x: tg.broadcast_to(x, new), fractions(shape, 1), lambda x: np.broadcast_to(x, new))


@pytest.mark.parametrize(("shape", "new"), [((2,), (3,)), ((2, 3), (3,)), ((2,), (2, 3)), ((3,), ()), ((2, 0), (2, 1))])
def test_broadcast_to_refuses_a_shape_that_does_not_fit(shape, new):
    with pytest.raises(ValueError, match=r"^broadcast_to: shape \(.*\) does not broadcast to \("):
        tg.broadcast_to(leaf(np.zeros(shape)), new)


# Indexing

MASK = np.array([[True, False, True], [False, False, True]])
INDICES = {
    "integer": 1,
    "negative": -1,
    "numpy integer": np.int64(1),
    "two integers": (1, 2),
    "all integers": (0, 1, 3),
    "slice": slice(1, None),
    "empty slice": slice(1, 1),
    "step": (slice(None), slice(None, None, 2)),
    "negative step": (slice(None), slice(None, None, -1)),
    "negative step and bounds": (slice(None), slice(2, 0, -1), slice(None, None, -2)),
    "beyond the end": (slice(None), slice(-10, 10)),
    "ellipsis": (Ellipsis, 0),
    "ellipsis in the middle": (0, Ellipsis, slice(1, 3)),
    "only an ellipsis": Ellipsis,
    "empty tuple": (),
    "new axis": None,
    "new axes": (None, 0, None, Ellipsis, None),
    "list": [1, 0],
    "list with duplicates": [0, 1, 1, 0, 0],
    "negative duplicates": (slice(None), [-1, 2, -1]),
    "empty list": [],
    "nested list": [[0, 1], [1, 1]],
    "array": np.array([1, 1, 0]),
    "array of another integer": np.array([1, 0], np.uint8),
    "two arrays": ([0, 1, 1], [2, 0, 0]),
    "arrays that broadcast": (np.array([[0], [1]]), np.array([2, 0, 2])),
    "array and integer": ([0, 0, 1], 1),
    "array, slice, array": ([0, 1], slice(None), [3, 3]),
    "slice, array, slice": (slice(None), [2, 2, 0], slice(1, None)),
    "array and new axis": ([1, 1], None, slice(None, None, -1)),
    "array and ellipsis": (Ellipsis, [0, 3, 0]),
    "mask": MASK,
    "mask of one axis": np.array([False, True]),
    "mask as a list": [True, False],
    "mask behind a slice": (slice(None), np.array([True, False, True])),
    "mask and integers": (np.array([True, True]), [0, 2]),
    "empty mask": np.zeros((2, 3), bool),
    "whole mask": np.ones((2, 3, 4), bool),
    "True": True,
    "False": False,
    "a bool and a slice": (True, slice(1, None)),
    "array without axes": np.array(1),
    "tuple in a tuple": ((0, 1, 0), 2),
}


@pytest.mark.parametrize("name", INDICES)
def test_indexing(name):
    check_rearrangement(lambda x: x[INDICES[name]], fractions((2, 3, 4), 1))


@pytest.mark.parametrize("name", INDICES)
def test_indexing_floats(name):
    """Floats have their own scatter-add; repeated elements add up in float too."""
    x = leaf(np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    z = x[INDICES[name]]
    origin = np.arange(24).reshape(2, 3, 4)[INDICES[name]]
    assert_equal(z.numpy(), np.asarray(origin, np.float32))
    assert z.dtype == np.float32
    weights = np.arange(1, origin.size + 1, dtype=np.float32).reshape(origin.shape)
    (dx,) = tg.grad(z, x, [weights])
    expected = np.zeros(24)
    for source, weight in zip(origin.flat, weights.flat, strict=True):
        expected[source] += weight
    assert (dx.dtype, dx.tolist()) == (np.float32, expected.reshape(2, 3, 4).tolist())


@pytest.mark.parametrize("index", [tg.tensor([1, 0, 1]), tg.tensor(1), tg.tensor([True, False])])
def test_a_tensor_as_an_index(index):
    plain = index.numpy()[()]
    check_rearrangement(lambda x: x[index], fractions((2, 3), 1), lambda x: x[plain])
    check_rearrangement(lambda x: x[index, 1:], fractions((2, 3), 1), lambda x: x[plain, 1:])


def test_a_comparison_as_an_index():
    x = leaf([[1.0, -2.0], [-3.0, 4.0]])
    z = x[x > 0]
    assert z.tolist() == [1, 4]
    assert tg.grad(z.sum(), x)[0].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("data", [2.0, Fraction(2)])
def test_indexing_a_tensor_without_axes(data):
    x = leaf(data)
    for index, shape in [(None, (1,)), (Ellipsis, ()), ((), ()), ((None, Ellipsis, None), (1, 1))]:
        z = x[index]
        assert z.shape == shape
        (dx,) = tg.grad(z.sum() * 3, x)
        assert (dx.shape, dx.item()) == ((), 3)
    for index in (0, -1, slice(None), [0], np.array([True])):
        with pytest.raises(IndexError, match=r"^index: a tensor without axes can't be indexed by"):
            x[index]


@pytest.mark.parametrize(
    "index", [2, -3, (0, 3), [0, 2], (0, 0, 0), 1.0, "a", (slice(None), 1.5), np.array([True, False, True]), [[0, 5]]]
)
def test_wrong_indices_are_refused(index):
    x = leaf(np.zeros((2, 3)))
    with pytest.raises(IndexError):
        x[index]
    assert x.tolist() == np.zeros((2, 3)).tolist()


def test_indexing_to_third_order():
    check_gradients(lambda x: (x[[0, 1, 0], ::-1] ** 3 * x[1]).sum(axis=0), normals((2, 3), 1), order=3)
    check_gradients(lambda x: x[0] * x[1, ::2, None] * x[..., 1:2], normals((2, 3, 2)[:2], 1), order=2)


def test_random_indices():
    hypothesis = pytest.importorskip("hypothesis")
    from hypothesis.extra.numpy import array_shapes, basic_indices, integer_array_indices
    from hypothesis.strategies import data, one_of

    @hypothesis.settings(max_examples=80, deadline=None, database=None)
    @hypothesis.given(data())
    def check(drawn):
        shape = drawn.draw(array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=3))
        kinds = one_of(basic_indices(shape, allow_newaxis=True, allow_ellipsis=True), integer_array_indices(shape))
        index = drawn.draw(kinds)
        check_rearrangement(lambda x: x[index], fractions(shape, 1))

    check()


# concatenate and stack


@pytest.mark.parametrize(
    ("shapes", "axis"),
    [
        ([(2, 3)], 0),
        ([(2, 3), (1, 3)], 0),
        ([(2, 3), (2, 1), (2, 2)], 1),
        ([(2, 3), (2, 0), (2, 3)], -1),
        ([(2, 1, 2), (2, 4, 2)], -2),
        ([(3,), (0,), (1,)], 0),
        ([(0, 2), (0, 2)], 0),
    ],
)
def test_concatenate(shapes, axis):
    arrays = [fractions(shape, i) for i, shape in enumerate(shapes)]
    operands = tensors(*arrays)
    z = tg.concatenate(operands, axis)
    expected = np.concatenate(arrays, axis)
    assert_equal(as_objects(z), expected)
    weights = fractions(expected.shape, 9)
    cuts = np.cumsum([shape[axis] for shape in shapes])[:-1]
    for create_graph in (False, True):
        gradients = tg.grad(z, operands, [weights], create_graph=create_graph)
        for dx, part in zip(gradients, np.split(weights, cuts, axis), strict=True):
            assert_equal(as_objects(dx), part)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_stack(axis):
    arrays = [fractions((2, 3), i) for i in range(3)]
    operands = tensors(*arrays)
    z = tg.stack(operands, axis)
    assert_exact(z, np.stack(arrays, axis))
    weights = fractions(z.shape, 9)
    for i, dx in enumerate(tg.grad(z, operands, [weights])):
        assert_exact(dx, np.take(weights, i, axis))


def test_stack_of_single_numbers():
    a, b = leaf(2.0), leaf(3.0)
    z = tg.stack([a, b, a])
    assert (z.tolist(), z.dtype) == ([2, 3, 2], np.float32)
    assert [dx.item() for dx in tg.grad(z, [a, b], [[1.0, 10.0, 100.0]])] == [101, 10]
    assert_exact(tg.stack([leaf(Fraction(1, 2)), leaf(Fraction(1, 3))]), np.array([Fraction(1, 2), Fraction(1, 3)]))


def test_tensors_with_and_without_gradient_and_plain_arrays_are_joined():
    a, k = leaf([[1.0, 2.0]]), tg.tensor([[3.0, 4.0]])
    plain = np.array([[5.0, 6.0]], np.float32)
    for operands in ([k, a, plain], [plain, k, a], [a, k, a], ([[7.0, 8.0]], a)):
        z = tg.concatenate(operands)
        assert z.dtype == np.float32
        weights = np.arange(1, z.size + 1.0).reshape(z.shape)
        (da,) = tg.grad(z, a, [weights])
        assert da.tolist() == [sum(weights[i] for i, x in enumerate(operands) if x is a).tolist()]
        z = tg.stack(operands)
        assert z.shape == (len(operands), 1, 2)
        assert tg.grad(z.sum(), a)[0].tolist() == [[sum(x is a for x in operands)] * 2]
    assert not tg.concatenate([k, plain]).requires_grad
    assert type(tg.concatenate([plain, plain])) is np.ndarray


def test_joined_operands_keep_their_own_dtype_for_gradients():
    a, b = leaf(np.ones(2, np.float32)), leaf(np.ones(2))
    z = tg.concatenate([a, b])
    assert z.dtype == np.float64
    assert [dx.dtype for dx in tg.grad(z.sum(), [a, b])] == [np.float32, np.float64]


def test_an_array_that_is_joined_may_change_afterwards():
    a, plain = leaf([1.0]), np.array([2.0], np.float32)
    z = tg.concatenate([a, plain]) ** 2
    plain[:] = 100
    assert z.tolist() == [1, 4]
    assert tg.grad(z.sum(), a)[0].tolist() == [2]


def test_concatenate_refuses_what_does_not_fit():
    x = leaf(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"^concatenate: expected at least one tensor"):
        tg.concatenate([])
    for other in (np.zeros((2, 4)), np.zeros(3), np.zeros((2, 3, 1))):
        with pytest.raises(ValueError, match=r"^concatenate: shapes may differ on axis 0 only but are \(2, 3\), \("):
            tg.concatenate([x, other])
    with pytest.raises(ValueError, match=r"^concatenate: expected an axis of -2 to 1 for 2 axes but got 2"):
        tg.concatenate([x, x], axis=2)
    for axis in (None, (0, 1)):
        with pytest.raises(ValueError, match=r"^concatenate: expected a single axis but got "):
            tg.concatenate([x, x], axis=axis)
    with pytest.raises(ValueError, match=r"^concatenate: "):
        tg.concatenate([leaf(1.0), leaf(2.0)])


def test_stack_refuses_what_does_not_fit():
    x = leaf(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"^stack: expected tensors of one shape but got none"):
        tg.stack([])
    with pytest.raises(ValueError, match=r"^stack: expected tensors of one shape but got \[\(2,\), \(2, 3\)\]"):
        tg.stack([x, np.zeros(2)])
    with pytest.raises(ValueError, match=r"^stack: expected an axis of -3 to 2 for 3 axes but got 3"):
        tg.stack([x, x], axis=3)


# Casts


def test_a_cast_is_recorded_and_its_gradient_cast_back():
    x = leaf(np.array([1.0, 2.0], np.float32))
    y = x.astype(np.float64)
    assert (y.dtype, y.node.primitive.name) == (np.float64, "cast")
    for create_graph in (False, True):
        (dx,) = tg.grad(y * y, x, [np.array([1.0, 10.0])], create_graph=create_graph)
        assert (dx.dtype, dx.tolist()) == (np.float32, [2, 40])
    assert x.astype(np.float32) is x
    assert x.astype("float16").dtype == np.float16
    z = leaf(Fraction(1, 4))
    (dz,) = tg.grad(z.astype(np.float64) ** 2, z)
    assert (dz.item(), dz.dtype) == (0.5, object)


# Whole


def test_rearrangements_to_second_order():
    def function(x, y):
        z = tg.concatenate([x.T, y[:, ::-1]], axis=1).reshape(2, -1)
        return tg.stack([z * z, tg.flip(z, 1) ** 3], axis=1)[:, :, 1:].transpose(2, 0, 1)

    check_gradients(function, normals((2, 3), 1), normals((3, 2), 2), order=2)


def test_sizes_are_counted_in_plain_integers():
    z = tg.reshape(leaf(np.zeros((2, 3))), -1)
    assert (z.size, math.prod(z.shape), type(z.size)) == (6, 6, int)

"""Rearrangements: where every element goes and its gradient comes back to; casts; refusals."""

import math
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.finite_differences import check_gradients
from tests.operands import assert_equal, assert_exact, fractions, normals, tensors
from tests.rearrangements import as_objects, check_rearrangement


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_large_images_are_joined_in_their_order_of_memory(axis, last, dtype):
    arrays = [normals((4, 16, 20, 20), seed, dtype) for seed in (1, 2)]
    if last:
        arrays = [np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1) for x in arrays]
    operands = tensors(*arrays, arrays[0][..., :7])[: 3 if axis == -1 else 2]
    z = tg.concatenate(operands, axis)
    expected = np.concatenate([x.numpy() for x in operands], axis)
    assert_equal(z.numpy(), expected)
    assert z.data.transpose(0, 2, 3, 1).flags.c_contiguous == last
    z.backward(expected)
    for x in operands:
        assert_equal(x.grad.numpy(), x.numpy())
        if x.size > 1 << 14:
            assert x.grad.data.transpose((0, 2, 3, 1) if last else (0, 1, 2, 3)).flags.c_contiguous


@pytest.mark.parametrize("last", [False, True])
def test_large_images_are_flattened_from_any_order_of_memory(last):
    x = normals((4, 16, 20, 20), 1, np.float32)
    (leaf_,) = tensors(np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1) if last else x)
    z = tg.flatten(leaf_, 1)
    assert_equal(z.numpy(), x.reshape(4, -1))
    z.backward(x.reshape(4, -1))
    assert_equal(leaf_.grad.numpy(), x)


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

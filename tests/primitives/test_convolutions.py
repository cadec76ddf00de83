"""Convolution and transposed convolution over one, two and three axes against the naive sums: what holds for all.

In `Fraction` arithmetic everything is compared exactly, values and gradients of the first three orders; the third
reaches every rule of the correlations that the backward passes are made of. On small integers floats are exact as well.
"""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.finite_differences import check_gradients
from tests.operands import (
    assert_close,
    assert_equal,
    assert_exact,
    fractions,
    integers,
    layouts,
    normals,
    tensors,
)
from tests.window_cases import (
    CONVOLUTIONS,
    CONVOLUTIONS_WITH_BORDERS,
    OTHER_MODES,
    TRANSPOSED_CONVOLUTIONS,
    by_name,
)

CASES = CONVOLUTIONS + CONVOLUTIONS_WITH_BORDERS + TRANSPOSED_CONVOLUTIONS


@by_name(CASES)
def test_value_is_the_naive_sum(case):
    x, weight, bias = case.operands(fractions)
    assert_exact(case(*tensors(x, weight)), case.naive.value(x, weight))
    assert_exact(case(*tensors(x, weight, bias)), case.naive.value(x, weight, bias))


@by_name(CASES)
def test_gradients_are_the_naive_sums(case):
    arrays = case.operands(fractions)
    leaves = tensors(*arrays)
    z = case(*leaves)
    dz = fractions(z.shape, 4)
    z.backward(dz)
    for leaf, expected in zip(leaves, case.naive.gradients(*arrays[:2], dz), strict=True):
        assert_exact(leaf.grad, expected)


@by_name(CASES)
def test_gradients_of_second_and_third_order_are_the_naive_sums(case):
    shapes = case.x, case.weight, case.bias, case.naive.z_shape
    x, weight, _, dz, ux, uk, ub, _, vx, vk, _, vz = arrays = [
        fractions(shape, seed) for seed, shape in enumerate(3 * shapes)
    ]
    X, K, B, dZ, UX, UK, UB, _, VX, VK, _, VZ = tensors(*arrays)
    first = tg.grad(case(X, K, B), (X, K, B), dZ, create_graph=True)
    second = tg.grad(first, (X, K, dZ), (UX, UK, UB), create_graph=True)
    third = tg.grad(second, (X, K, dZ, UX, UK), (VX, VK, VZ))
    expected = (
        *case.naive.gradients(x, weight, dz),
        *case.naive.second_gradients(x, weight, dz, ux, uk, ub),
        *case.naive.third_gradients(x, weight, dz, ux, uk, vx, vk, vz),
    )
    for actual, value in zip((*first, *second, *third), expected, strict=True):
        assert_exact(actual, value)


BORDERS = [f"{mode}, {name}" for mode in OTHER_MODES for name in ("everything", "padding wider than the image")]


@by_name(
    CASES, "stride that leaves a row", "padding pairs", "dilation, stride, padding, a row left", "groups", "1d",
    "output padding", *BORDERS,
)  # fmt: skip
def test_gradients_of_first_and_second_order_are_central_differences(case):
    check_gradients(case, *case.operands(normals), order=2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@by_name(CASES)
def test_floats_are_exact_on_small_integers_and_keep_their_dtype(case, dtype):
    leaves = tensors(*case.operands(integers, dtype=dtype))
    z = case(*leaves)
    assert z.dtype == dtype
    x, weight, bias = case.operands(integers, dtype=int)
    assert_equal(z.numpy(), case.naive.value(x, weight, bias).astype(dtype))
    dz = integers(z.shape, 4, dtype=int)
    z.backward(dz)
    for leaf, expected in zip(leaves, case.naive.gradients(x, weight, dz), strict=True):
        assert leaf.grad.dtype == dtype
        assert_equal(leaf.grad.numpy(), expected.astype(dtype))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float16, 3e-3), (np.float32, 1e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("convolve", [tg.conv2d, tg.conv_transpose2d])
def test_rounding_stays_near_the_precision_of_the_dtype(convolve, dtype, tolerance):
    shapes = (2, 4, 8, 8), (4, 4, 3, 3), (4,), (2, 4, 8, 8)
    arrays = [normals(shape, seed, dtype) for seed, shape in enumerate(shapes)]

    def value_and_gradients(*arrays, dz):
        leaves = tensors(*arrays)
        z = convolve(*leaves, padding=1)
        return z, *tg.grad(z, leaves, dz)

    *rounded, dz = arrays
    *exact, exact_dz = [array.astype(np.longdouble) for array in arrays]
    for actual, expected in zip(
        value_and_gradients(*rounded, dz=dz), value_and_gradients(*exact, dz=exact_dz), strict=True
    ):
        assert actual.dtype == dtype
        assert_close(actual.numpy(), expected.numpy(), tolerance)


@pytest.mark.parametrize("dtype", [np.float64, object])
@by_name(CASES, "plain", "everything", "kernel 1x1", "depthwise", "3d, everything", "batch 0", *BORDERS)
def test_memory_layout_makes_no_difference(case, dtype):
    x, weight, _ = (array.astype(dtype) for array in case.operands(integers))
    dz = integers(case.naive.z_shape, 4).astype(dtype)
    z, (dX, dK) = case.naive.value(x, weight), case.naive.gradients(x, weight, dz)[:2]
    for name, view in layouts(x).items():
        weight_view = layouts(weight)[name]
        assert_equal(case(view, weight_view), z.astype(dtype))
        X, K = tensors(view, weight_view)
        gradients = tg.grad(case(X, K), (X, K), layouts(dz)[name])
        assert_equal(gradients[0].numpy(), dX.astype(dtype))
        assert_equal(gradients[1].numpy(), dK.astype(dtype))


@by_name(CASES, "plain", "everything", *BORDERS)
def test_one_image_repeated_without_memory(case):
    x, weight, bias = case.operands(integers)
    batch = np.broadcast_to(x[:1], (3, *x.shape[1:]))
    z = case(batch, weight, bias)
    assert_equal(z, np.concatenate([case(x[:1], weight, bias)] * 3))


@by_name(CASES, "plain", "everything", "kernel 1x1", "reflect, no padding", *BORDERS)
def test_operands_and_upstream_gradient_stay_as_they_are(case):
    arrays = [*case.operands(normals), normals(case.naive.z_shape, 4)]
    before = [array.copy() for array in arrays]
    leaves = tensors(*arrays[:3])
    case(*leaves).backward(arrays[3])
    case(*arrays[:3])[...] = 0  # a result is the caller's own
    for array, copy in zip(arrays, before, strict=True):
        assert_equal(array, copy)
    for leaf, copy in zip(leaves, before[:3], strict=True):
        assert_equal(leaf.numpy(), copy)


@pytest.mark.parametrize("convolve", [tg.conv2d, tg.conv_transpose2d])
def test_mixed_dtypes_give_the_largest_and_each_gradient_its_own(convolve):
    dtypes = [np.float32, np.float16, np.float64]
    shapes = [(1, 2, 4, 4), (2, 2, 3, 3), (2,)]
    leaves = tensors(*(normals(shape, 1, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)))
    z = convolve(*leaves)
    assert z.dtype == np.float64
    z.sum().backward()
    assert [leaf.grad.dtype for leaf in leaves] == dtypes


@pytest.mark.parametrize("convolve", [tg.conv2d, tg.conv_transpose2d])
def test_a_bias_of_a_larger_dtype_is_not_cut_down(convolve):
    x, weight = np.zeros((1, 1, 2, 2), np.float32), np.zeros((1, 1, 1, 1), np.float32)
    bias = np.array([1 + 2.0**-40])
    assert_equal(convolve(x, weight, bias), np.full((1, 1, 2, 2), bias[0]))


@pytest.mark.parametrize("convolve", [tg.conv2d, tg.conv_transpose2d])
@pytest.mark.parametrize("wanted", range(3))
def test_only_what_asks_for_a_gradient_gets_one(convolve, wanted):
    operands = [integers(shape, 1) for shape in [(1, 2, 3, 3), (2, 2, 2, 2), (2,)]]
    every = tensors(*operands)
    convolve(*every).sum().backward()
    some = [tg.tensor(array, requires_grad=i == wanted) for i, array in enumerate(operands)]
    convolve(*some).sum().backward()
    assert [tensor.grad is not None for tensor in some] == [i == wanted for i in range(3)]
    assert_equal(some[wanted].grad.numpy(), every[wanted].grad.numpy())


@pytest.mark.parametrize("convolve", [tg.conv2d, tg.conv_transpose2d])
@pytest.mark.parametrize("dtype", [np.float64, object])
def test_no_channels_leave_the_bias_and_no_filters_leave_nothing(convolve, dtype):
    x, weight, bias = tensors(np.zeros((2, 0, 3, 3), dtype), np.zeros((0, 0, 1, 1), dtype), np.zeros(0, dtype))
    z = convolve(x, weight, bias)
    assert z.shape == (2, 0, 3, 3)
    z.sum().backward()
    assert [leaf.grad.shape for leaf in (x, weight, bias)] == [x.shape, weight.shape, bias.shape]

    shape = (2, 0, 1, 1) if convolve is tg.conv2d else (0, 2, 1, 1)
    x, weight, bias = tensors(np.zeros((1, 0, 1, 2), dtype), np.zeros(shape, dtype), np.array([3, 4], dtype))
    z = convolve(x, weight, bias)
    assert z.tolist() == [[[[3, 3]], [[4, 4]]]]
    z.sum().backward()
    assert bias.grad.tolist() == [2, 2]
    assert [leaf.grad.shape for leaf in (x, weight)] == [x.shape, shape]

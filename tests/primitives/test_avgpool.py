"""Average pooling over one, two and three axes against naive loops: values, gradients, what counts, bad input."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import oracles
from tests.finite_differences import check_gradients
from tests.operands import assert_close, assert_equal, assert_exact, fractions, integers, layouts, normals, tensors
from tests.primitives.test_maxpool import BAD_WINDOWS
from tests.refusals import refused
from tests.window_cases import POOLINGS, by_name

both_counts = pytest.mark.parametrize("count_include_pad", [True, False])


@both_counts
@by_name(POOLINGS)
def test_value_and_gradients_are_the_naive_means(case, count_include_pad):
    x, mean = fractions(case.x, 1), oracles.average_pooling(case.x, *case.explicit, count_include_pad)
    dz, u, v = fractions(mean.z_shape, 2), fractions(case.x, 3), fractions(mean.z_shape, 4)
    X, dZ, U, V = tensors(x, dz, u, v)
    Z = case.average(X, count_include_pad)
    assert_exact(Z, mean.value(x))
    (dX,) = tg.grad(Z, X, dZ, create_graph=True)
    assert_exact(dX, mean.gradient(dz))
    (second,) = tg.grad(dX, dZ, U, create_graph=True)
    assert_exact(second, mean.value(u))
    (third,) = tg.grad(second, U, V)
    assert_exact(third, mean.gradient(v))


@both_counts
@by_name(POOLINGS, "overlapping windows, a row left", "padding pairs", "dilation, stride, padding", "1d, everything")
def test_gradients_of_first_and_second_order_are_central_differences(case, count_include_pad):
    check_gradients(lambda x: case.average(x, count_include_pad), normals(case.x, 1))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float16, 2e-3), (np.float32, 3e-7), (np.float64, 1e-15)])
@both_counts
@by_name(POOLINGS)
def test_floats_keep_their_dtype_and_round_near_its_precision(case, count_include_pad, dtype, tolerance):
    mean = oracles.average_pooling(case.x, *case.explicit, count_include_pad)
    (X,) = tensors(integers(case.x, 1, dtype))
    Z = case.average(X, count_include_pad)
    Z.backward(integers(Z.shape, 2))
    assert Z.dtype == X.grad.dtype == dtype
    assert_close(Z.numpy(), mean.value(integers(case.x, 1)), tolerance)
    assert_close(X.grad.numpy(), mean.gradient(integers(Z.shape, 2)), tolerance)


def test_what_counts():
    """One pixel and three zeros: a quarter, or the pixel; what ceil_mode adds is no element at all."""
    x = np.full((1, 1, 1, 1), 8.0)
    assert tg.avg_pool2d(x, 2, 1, ((1, 0), (1, 0))).tolist() == [[[[2.0]]]]
    assert tg.avg_pool2d(x, 2, 1, ((1, 0), (1, 0)), count_include_pad=False).tolist() == [[[[8.0]]]]
    x = np.array([[[1.0, 2.0, 8.0]]])
    assert tg.avg_pool1d(x, 2, ceil_mode=True).tolist() == [[[1.5, 8.0]]]
    for ceil_mode in (False, True):  # windows of zeros alone are windows
        assert tg.avg_pool1d(x, 1, padding=((0, 2),), ceil_mode=ceil_mode).tolist() == [[[1.0, 2.0, 8.0, 0.0, 0.0]]]


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
@pytest.mark.parametrize("count_include_pad", [True, False])
def test_integers_and_truths_have_a_mean_that_does_not_overflow(dtype, count_include_pad):
    x = np.full((1, 1, 17, 17), 255, dtype)  # its sum and its count are more than a uint8 holds
    mean = 255 if dtype is not bool else 1
    z = tg.avg_pool2d(x, 17, 17, ((0, 0), (0, 17)), count_include_pad=True)
    assert z.tolist() == [[[[mean, 0]]]]
    z = tg.avg_pool2d(x, 17, 16, ((0, 0), (0, 16)), count_include_pad=count_include_pad)
    assert z.tolist() == [[[[mean, mean / 17 if count_include_pad else mean]]]]


@pytest.mark.parametrize("dtype", [np.float64, object])
@by_name(POOLINGS, "plain", "overlapping windows", "window of one", "ceil mode, padding", "3d", "batch 0")
def test_memory_layout_makes_no_difference(case, dtype):
    x = integers(case.x, 1).astype(dtype)
    (X,) = tensors(x)
    Z = case.average(X)
    dz = integers(Z.shape, 2).astype(dtype)
    (dX,) = tg.grad(Z, X, dz)
    for name, view in layouts(x).items():
        assert_equal(case.average(view), Z.numpy())
        (X,) = tensors(view)
        (other,) = tg.grad(case.average(X), X, layouts(dz)[name])
        assert_equal(other.numpy(), dX.numpy())


def test_the_operand_stays_as_it_is_and_the_result_is_the_callers_own():
    x = integers((1, 2, 3, 3), 1)
    tg.avg_pool2d(x, 1)[...] = 9
    assert_equal(x, integers((1, 2, 3, 3), 1))


@both_counts
def test_no_channels(count_include_pad):
    for dtype in (np.float64, object):
        (X,) = tensors(np.zeros((2, 0, 4, 4), dtype))
        z = tg.avg_pool2d(X, 2, padding=1, count_include_pad=count_include_pad)
        assert z.shape == (2, 0, 3, 3)
        z.sum().backward()
        assert X.grad.shape == X.shape


def test_nan_and_infinity_stay_in_their_windows():
    x = np.array([[[np.nan, 0.0, 1.0, 3.0, np.inf, 0.0]]])
    assert_equal(tg.avg_pool1d(x, 2), np.array([[[np.nan, 2.0, np.inf]]]))


BAD = BAD_WINDOWS | {
    "a window that counts nothing": (
        {"padding": ((2, 0), (0, 0)), "count_include_pad": False}, ValueError, "without an element", "((2, 0), (0, 0))",
    ),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_input_is_refused_by_name(bad):
    change, error, *texts = bad
    arguments = {"x": (2, 3, 5, 6), "kernel_size": 2} | change
    leaf = tg.tensor(integers(arguments.pop("x"), 1), requires_grad=True)
    (leaf * leaf).sum().backward()
    with refused("avg_pool2d", error, *texts, tensors=[leaf]):
        tg.avg_pool2d(leaf, **arguments)

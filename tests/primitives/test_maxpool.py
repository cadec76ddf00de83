"""Max pooling over one, two and three axes against naive loops: values, winners, ties, NaN and infinity, bad input."""

from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import oracles
from tests.finite_differences import check_gradients
from tests.operands import (
    assert_close,
    assert_equal,
    assert_exact,
    distinct,
    fractions,
    integers,
    layouts,
    specials,
    tensors,
    tied_fractions,
)
from tests.refusals import refused
from tests.window_cases import POOLINGS, by_name

both_ties = pytest.mark.parametrize("ties", ["first", "split"])


@both_ties
@by_name(POOLINGS)
def test_value_and_gradient_are_the_naive_ones(case, ties):
    """Exactly, on values of which most windows hold the largest several times."""
    x = tied_fractions(case.x, 1)
    z, winners = oracles.max_pooling(x, *case.explicit, ties)
    (X,) = tensors(x)
    Z = case.max(X, ties)
    assert_exact(Z, z)
    dz = fractions(z.shape, 2)
    Z.backward(dz)
    assert_exact(X.grad, winners.gradient(dz))


@both_ties
@by_name(POOLINGS)
def test_second_and_third_order_are_the_linear_map_of_the_winners(case, ties):
    """dX is linear in dZ: its gradient takes the winners' values, and that one's gradient gives to them again."""
    x = tied_fractions(case.x, 1)
    z, winners = oracles.max_pooling(x, *case.explicit, ties)
    dz, u, v = fractions(z.shape, 2), fractions(case.x, 3), fractions(z.shape, 4)
    X, dZ, U, V = tensors(x, dz, u, v)
    (dX,) = tg.grad(case.max(X, ties), X, dZ, create_graph=True)
    second, of_x = tg.grad(dX, (dZ, X), U, create_graph=True, allow_unused=True)
    assert_exact(second, winners.value(u))
    assert of_x is None or not of_x.data.any()
    (third,) = tg.grad(second, U, V)
    assert_exact(third, winners.gradient(v))


@both_ties
@by_name(POOLINGS, "overlapping windows, a row left", "padding pairs", "dilation, stride, padding", "1d, everything")
def test_gradients_of_first_and_second_order_are_central_differences(case, ties):
    check_gradients(lambda x: case.max(x, ties), distinct(case.x, 1))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@both_ties
@by_name(POOLINGS)
def test_not_finite_numbers(case, ties, dtype):
    """A NaN wins; among elements of minus infinity one of them wins, never the padding."""
    x = specials(case.x, 1, dtype)
    z, winners = oracles.max_pooling(x, *case.explicit, ties)
    (X,) = tensors(x)
    Z = case.max(X, ties)
    assert Z.dtype == dtype
    assert_equal(Z.numpy(), z.astype(dtype))
    dz = integers(z.shape, 2, dtype)
    Z.backward(dz)
    assert X.grad.dtype == dtype
    assert_close(X.grad.numpy(), winners.gradient(dz), 2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8, bool])
@by_name(POOLINGS)
def test_integers_and_truths_have_a_value(case, dtype):
    info = None if dtype is bool else np.iinfo(dtype)
    values = [False, True] if dtype is bool else [info.min, info.min + 1, 0, info.max]
    x = np.random.default_rng(1).choice(np.array(values, dtype), case.x)
    z = case.max(x)
    assert z.dtype == dtype
    assert_equal(z, oracles.max_pooling(x, *case.explicit)[0].astype(dtype))


@pytest.mark.parametrize("dtype", [np.float64, object])
@by_name(POOLINGS, "plain", "overlapping windows", "window of one", "ceil mode, padding", "3d", "batch 0")
def test_memory_layout_makes_no_difference(case, dtype):
    x = integers(case.x, 1).astype(dtype)
    z, winners = oracles.max_pooling(x, *case.explicit)
    dz = integers(z.shape, 2).astype(dtype)
    for name, view in layouts(x).items():
        assert_equal(case.max(view), z.astype(dtype))
        (X,) = tensors(view)
        (dX,) = tg.grad(case.max(X), X, layouts(dz)[name])
        assert_equal(dX.numpy(), winners.gradient(dz).astype(dtype))


@both_ties
@by_name(POOLINGS, "plain", "window of one", "overlapping windows")
def test_operand_and_upstream_gradient_stay_as_they_are(case, ties):
    x = integers(case.x, 1)
    (X,) = tensors(x)
    Z = case.max(X, ties)
    dz = integers(Z.shape, 2)
    Z.backward(dz)
    case.max(x, ties)[...] = 9  # a result is the caller's own
    assert_equal(x, integers(case.x, 1))
    assert_equal(X.numpy(), x)
    assert_equal(dz, integers(Z.shape, 2))


def test_ties_go_to_the_first_in_row_major_order_or_in_equal_shares():
    X = tg.tensor([[[[1.0, 7.0, 7.0], [7.0, 0.0, 1.0]]]], requires_grad=True)
    (first,) = tg.grad(tg.max_pool2d(X, (2, 3)), X)
    (split,) = tg.grad(tg.max_pool2d(X, (2, 3), ties="split"), X)
    assert first.tolist() == [[[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]]]
    assert_close(split.numpy(), np.array([[[[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]]]) / 3, 1e-7)


def test_a_winner_of_several_windows_gets_all_their_gradients():
    X = tg.tensor([[[0, 5, 0, 0]]], dtype=object, requires_grad=True)
    z = tg.max_pool1d(X, 2, 1)
    z.backward(np.array([[[Fraction(1, 2), Fraction(1, 3), Fraction(1, 7)]]]))
    assert X.grad.tolist() == [[[0, Fraction(5, 6), Fraction(1, 7), 0]]]


def test_an_image_of_minus_infinity_keeps_its_gradient():
    """The padding is minus infinity too, stands before the image, and does not win."""
    for ties in ("first", "split"):
        X = tg.tensor(np.full((1, 1, 2, 2), -np.inf), requires_grad=True)
        tg.max_pool2d(X, 2, padding=1, ties=ties).sum().backward()
        assert_equal(X.grad.numpy(), np.ones((1, 1, 2, 2)))


@both_ties
def test_no_channels(ties):
    for dtype in (np.float64, object):
        (X,) = tensors(np.zeros((2, 0, 4, 4), dtype))
        z = tg.max_pool2d(X, 2, ties=ties)
        assert z.shape == (2, 0, 2, 2)
        z.sum().backward()
        assert X.grad.shape == X.shape


BAD_WINDOWS = {
    "one image": ({"x": (4, 5, 6)}, ValueError, "x must have 4 axes (N, C, H, W) but has shape (4, 5, 6)", "x[None]"),
    "two axes": ({"x": (4, 5)}, ValueError, "4 axes (N, C, H, W)", "(4, 5)"),
    "an image without pixels": ({"x": (1, 1, 0, 4), "padding": 1}, ValueError, "at least one pixel", "(0, 4)"),
    "window 0": ({"kernel_size": 0}, ValueError, "kernel_size must be at least 1 but is 0"),
    "negative window": ({"kernel_size": (2, -1)}, ValueError, "kernel_size must be at least 1 but is (2, -1)"),
    "fractional window": ({"kernel_size": 2.0}, TypeError, "kernel_size must be an integer but is 2.0"),
    "no window": ({"kernel_size": None}, TypeError, "kernel_size must be an integer but is None"),
    "three windows": ({"kernel_size": (2, 2, 2)}, ValueError, "kernel_size expects an integer or 2", "(2, 2, 2)"),
    "window larger than the image": ({"kernel_size": (6, 2)}, ValueError, "(6, 2)", "padded input of (5, 6)"),
    "window larger than the padded image": (
        {"kernel_size": 9, "padding": 1}, ValueError, "(9, 9)", "padded input of (7, 8)", "input (5, 6)",
    ),
    "dilated window larger than the image": ({"dilation": 5}, ValueError, "(6, 6)", "padded input of (5, 6)"),
    "stride 0": ({"stride": 0}, ValueError, "stride must be at least 1 but is 0"),
    "negative stride": ({"stride": (1, -2)}, ValueError, "stride must be at least 1 but is (1, -2)"),
    "fractional stride": ({"stride": 1.5}, TypeError, "stride must be an integer but is 1.5"),
    "dilation 0": ({"dilation": 0}, ValueError, "dilation must be at least 1 but is 0"),
    "negative padding": ({"padding": -1}, ValueError, "padding must be at least 0 but is -1"),
    "an unknown word for a padding": ({"padding": "sane"}, ValueError, "'valid', 'same', 'full'", "'sane'"),
    "one pair of paddings": ({"padding": ((1, 1),)}, ValueError, "padding expects 2 pairs", "((1, 1),)"),
}  # fmt: skip

BAD = BAD_WINDOWS | {
    "ties": ({"ties": "last"}, ValueError, "ties must be 'first' or 'split' but is 'last'"),
    "a window in the padding before": ({"padding": ((2, 0), (0, 0))}, ValueError, "without a pixel", "(2, 0)"),
    "a window in the padding after": ({"padding": ((0, 0), (0, 3))}, ValueError, "without a pixel", "(0, 3)"),
    "a dilated window on both sides of the image": (
        {"x": (1, 1, 1, 1), "padding": 1, "dilation": 2}, ValueError, "without a pixel", "(2, 2)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_input_is_refused_by_name(bad):
    change, error, *texts = bad
    arguments = {"x": (2, 3, 5, 6), "kernel_size": 2} | change
    leaf = tg.tensor(integers(arguments.pop("x"), 1), requires_grad=True)
    (leaf * leaf).sum().backward()
    with refused("max_pool2d", error, *texts, tensors=[leaf]):
        tg.max_pool2d(leaf, **arguments)


@pytest.mark.parametrize(("operation", "layout"), [("max_pool1d", "(N, C, W)"), ("max_pool3d", "(N, C, D, H, W)")])
def test_each_number_of_axes_has_its_own_name_and_layout(operation, layout):
    with refused(operation, ValueError, f"{layout} but has shape (1, 1, 4, 4)"):
        getattr(tg, operation)(np.ones((1, 1, 4, 4)), 2)

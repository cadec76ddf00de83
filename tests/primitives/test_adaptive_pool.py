"""Adaptive, global and fractional pooling against naive loops: values, gradients, ties, indices, bad input."""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import resampling_oracles as oracles
from tests.finite_differences import check_gradients
from tests.kernels.test_arithmetics import gradients, scalars, weighted_sum
from tests.operands import (
    assert_close,
    assert_equal,
    assert_exact,
    distinct,
    fractions,
    integers,
    layouts,
    normals,
    specials,
    tensors,
    tied_fractions,
)
from tests.refusals import refused
from tests.window_cases import by_name

both_ties = pytest.mark.parametrize("ties", ["first", "split"])


@dataclass(frozen=True)
class Adaptive:
    name: str
    x: tuple
    output_size: Any
    out: tuple

    def __str__(self):
        return f"{len(self.out)}d: {self.name}"

    def average(self, x):
        return getattr(tg, f"adaptive_avg_pool{len(self.out)}d")(x, self.output_size)

    def max(self, x, ties="first", return_indices=False):
        return getattr(tg, f"adaptive_max_pool{len(self.out)}d")(x, self.output_size, return_indices, ties)

    @cached_property
    def mean(self):
        weights = [
            lambda p, i, n=n, m=m: oracles.region(p, i, n, m) for n, m in zip(self.x[2:], self.out, strict=True)
        ]
        return oracles.separable(self.x, self.out, weights)

    @cached_property
    def windows(self):
        return oracles.adaptive_windows(self.x, self.out)


CASES = [
    Adaptive("regions of one size", (2, 2, 4, 6), (2, 3), (2, 3)),
    Adaptive("regions that share pixels", (2, 2, 5, 7), (3, 4), (3, 4)),
    Adaptive("regions of two sizes", (1, 2, 7, 8), (2, 3), (2, 3)),
    Adaptive("one region", (2, 3, 3, 4), 1, (1, 1)),
    Adaptive("every pixel", (1, 2, 3, 4), (3, 4), (3, 4)),
    Adaptive("more regions than pixels", (1, 2, 3, 2), (5, 4), (5, 4)),
    Adaptive("from one pixel", (1, 2, 1, 1), (3, 2), (3, 2)),
    Adaptive("one of everything", (1, 1, 1, 1), 1, (1, 1)),
    Adaptive("an axis as it is", (1, 1, 5, 4), (None, 3), (5, 3)),
    Adaptive("both axes as they are", (1, 1, 3, 4), None, (3, 4)),
    Adaptive("a list", (1, 1, 3, 4), [2, 2], (2, 2)),
    Adaptive("batch 0", (0, 2, 4, 5), 3, (3, 3)),
    Adaptive("no channels", (2, 0, 4, 5), 3, (3, 3)),
    Adaptive("plain", (2, 2, 7), 3, (3,)),
    Adaptive("more regions than pixels", (1, 1, 3), (5,), (5,)),
    Adaptive("plain", (1, 2, 3, 4, 3), (2, 3, 1), (2, 3, 1)),
]


# The mean


@by_name(CASES)
def test_mean_and_gradients_are_the_naive_ones(case):
    x = fractions(case.x, 1)
    dz, u, v = fractions(case.mean.z_shape, 2), fractions(case.x, 3), fractions(case.mean.z_shape, 4)
    X, dZ, U, V = tensors(x, dz, u, v)
    Z = case.average(X)
    assert_exact(Z, case.mean.value(x))
    (dX,) = tg.grad(Z, X, dZ, create_graph=True)
    assert_exact(dX, case.mean.gradient(dz))
    (second,) = tg.grad(dX, dZ, U, create_graph=True)
    assert_exact(second, case.mean.value(u))
    (third,) = tg.grad(second, U, V)
    assert_exact(third, case.mean.gradient(v))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float16, 2e-3), (np.float32, 3e-7), (np.float64, 1e-15)])
@by_name(CASES)
def test_means_of_floats_keep_their_dtype_and_round_near_its_precision(case, dtype, tolerance):
    (X,) = tensors(integers(case.x, 1, dtype))
    Z = case.average(X)
    dz = integers(Z.shape, 2)
    Z.backward(dz)
    assert Z.dtype == X.grad.dtype == dtype
    assert_close(Z.numpy(), case.mean.value(integers(case.x, 1)), tolerance)
    assert_close(X.grad.numpy(), case.mean.gradient(dz), tolerance)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_the_mean_of_integers_and_truths_does_not_overflow(dtype):
    x = np.full((1, 1, 17, 17), 255, dtype)
    z = tg.adaptive_avg_pool2d(x, (1, 2))
    assert z.tolist() == [[[[255, 255]]]] if dtype is not bool else [[[[1, 1]]]]
    assert z.dtype == np.float64


def test_a_mean_of_equal_pixels_is_exact():
    assert_equal(tg.adaptive_avg_pool2d(np.full((1, 1, 7, 9), 0.1), (7, 9)), np.full((1, 1, 7, 9), 0.1))
    assert_equal(tg.adaptive_avg_pool2d(np.ones((1, 1, 7, 49), np.float32), 3), np.ones((1, 1, 3, 3), np.float32))


def test_nan_and_infinity_stay_in_their_regions():
    x = np.array([[[np.nan, 0.0, 1.0, 3.0, np.inf]]])
    assert_equal(tg.adaptive_avg_pool1d(x, 3), np.array([[[np.nan, 4 / 3, np.inf]]]))


# The maximum


@both_ties
@by_name(CASES)
def test_maximum_indices_and_gradients_are_the_naive_ones(case, ties):
    """On values of which most regions hold the largest several times."""
    x = tied_fractions(case.x, 1)
    z, winners, first = oracles.largest(x, *case.windows, ties)
    dz, u, v = fractions(z.shape, 2), fractions(case.x, 3), fractions(z.shape, 4)
    X, dZ, U, V = tensors(x, dz, u, v)
    Z, indices = case.max(X, ties, return_indices=True)
    assert_exact(Z, z)
    assert_equal(indices.numpy(), first)
    assert not indices.requires_grad
    (dX,) = tg.grad(Z, X, dZ, create_graph=True)
    assert_exact(dX, winners.gradient(dz))
    (second,) = tg.grad(dX, dZ, U, create_graph=True)
    assert_exact(second, winners.value(u))
    (third,) = tg.grad(second, U, V)
    assert_exact(third, winners.gradient(v))
    assert_exact(case.max(X, ties), z)


@both_ties
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@by_name(CASES)
def test_maximum_of_what_is_not_finite(case, ties, dtype):
    x = specials(case.x, 1, dtype)
    z, winners, first = oracles.largest(x, *case.windows, ties)
    (X,) = tensors(x)
    Z, indices = case.max(X, ties, return_indices=True)
    assert Z.dtype == dtype
    assert_equal(Z.numpy(), z.astype(dtype))
    assert_equal(indices.numpy(), first)
    dz = integers(z.shape, 2, dtype)
    Z.backward(dz)
    assert X.grad.dtype == dtype
    assert_close(X.grad.numpy(), winners.gradient(dz), 2 * np.finfo(dtype).eps)


def test_a_nan_among_objects_wins_wherever_it_stands():
    """Comparisons with a NaN are all false, so the largest of a region is found elsewhere."""
    for values in ([np.nan, 1.0, 2.0], [2.0, 1.0, np.nan], [2.0, np.nan, 2.0], [np.nan, 2.0, np.nan]):
        (X,) = tensors(np.array([[values]], dtype=object))
        with np.errstate(invalid="ignore"):  # which NumPy warns of
            z, indices = tg.adaptive_max_pool1d(X, 1, True, "split")
        z.sum().backward()
        winners = np.isnan(values)
        assert np.isnan(z.item())
        assert indices.item() == winners.argmax()
        assert X.grad.tolist() == [[[Fraction(int(winner), int(winners.sum())) for winner in winners]]]


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8, bool])
@by_name(CASES)
def test_maximum_of_integers_and_truths(case, dtype):
    values = [False, True] if dtype is bool else [np.iinfo(dtype).min, 0, np.iinfo(dtype).max]
    x = np.random.default_rng(1).choice(np.array(values, dtype), case.x)
    z = case.max(x)
    assert z.dtype == dtype
    assert_equal(z, oracles.largest(x, *case.windows)[0].astype(dtype))


@by_name(CASES, "regions that share pixels", "more regions than pixels")
def test_gradients_of_first_and_second_order_are_central_differences(case):
    check_gradients(case.average, normals(case.x, 1))
    check_gradients(lambda x: case.max(x) ** 2, distinct(case.x, 1) / 10)
    check_gradients(lambda x: case.max(x, "split") ** 2, distinct(case.x, 1) / 10)


@pytest.mark.parametrize("dtype", [np.float64, object])
@by_name(CASES, "regions of one size", "every pixel", "regions that share pixels", "plain", "batch 0")
def test_memory_layout_makes_no_difference(case, dtype):
    x = integers(case.x, 1).astype(dtype)
    for pool in (case.average, case.max):
        (X,) = tensors(x)
        Z = pool(X)
        dz = integers(Z.shape, 2).astype(dtype)
        (dX,) = tg.grad(Z, X, dz)
        for name, view in layouts(x).items():
            assert_equal(pool(view), Z.numpy())
            (V,) = tensors(view)
            (other,) = tg.grad(pool(V), V, layouts(dz)[name])
            assert_equal(other.numpy(), dX.numpy())


@by_name(CASES, "every pixel")
def test_the_operand_stays_as_it_is_and_the_result_is_the_callers_own(case):
    x = integers(case.x, 1)
    case.average(x)[...] = 9
    z, indices = case.max(x, return_indices=True)
    z[...] = indices[...] = 9
    assert_equal(x, integers(case.x, 1))
    assert_equal(case.max(x), x)  # what is remembered of the regions is not the caller's


def test_ties_go_to_the_first_in_row_major_order_or_in_equal_shares():
    X = tg.tensor([[[[1.0, 7.0, 7.0], [7.0, 0.0, 1.0]]]], requires_grad=True)
    (first,) = tg.grad(tg.adaptive_max_pool2d(X, 1), X)
    (split,) = tg.grad(tg.adaptive_max_pool2d(X, 1, ties="split"), X)
    assert first.tolist() == [[[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]]]
    assert_close(split.numpy(), np.array([[[[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]]]) / 3, 1e-7)


# Global pooling


@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 4, 5), (1, 2, 2, 3, 4), (0, 2, 3, 3), (2, 1, 1, 1)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_global_pools_are_adaptive_pools_of_one_region(shape, keepdims):
    n = len(shape) - 2
    x, kept = tied_fractions(shape, 1), (*shape[:2], *(1,) * n)
    case = Adaptive("global", shape, 1, (1,) * n)
    dz = fractions(kept, 2)
    out = kept if keepdims else shape[:2]
    (X,) = tensors(x)
    Z = tg.global_avg_pool(X, keepdims)
    assert_exact(Z, case.mean.value(x).reshape(out))
    assert_exact(*tg.grad(Z, X, dz.reshape(out)), case.mean.gradient(dz))
    for ties in ("first", "split"):
        z, winners, _ = oracles.largest(x, *case.windows, ties)
        Z = tg.global_max_pool(X, keepdims, ties)
        assert_exact(Z, z.reshape(out))
        assert_exact(*tg.grad(Z, X, dz.reshape(out)), winners.gradient(dz))


# Fractional pooling

FRACTIONAL = [
    ((2, 2, 7, 9), (2, 2), (3, 4)),
    ((1, 3, 8, 8), (3, 2), (5, 6)),
    ((2, 1, 5, 4), (1, 2), (5, 3)),
    ((1, 2, 6, 5), (2, 3), (1, 1)),
    ((1, 1, 3, 3), (3, 3), (1, 1)),
    ((0, 2, 5, 5), (2, 2), (3, 3)),
]


def samples(shape):
    """Random numbers that no product of theirs with a step rounds over an integer, and a 0."""
    u = np.random.default_rng(3).random((*shape[:2], 2))
    u[..., :1, :] = 0
    return u


@both_ties
@pytest.mark.parametrize(("shape", "kernel", "out"), FRACTIONAL)
def test_fractional_maximum_indices_and_gradients_are_the_naive_ones(shape, kernel, out, ties):
    x, u = tied_fractions(shape, 1), samples(shape)
    z, winners, first = oracles.largest(x, *oracles.fractional_windows(shape, kernel, out, u), ties)
    dz, v = fractions(z.shape, 2), fractions(shape, 3)
    X, dZ, V = tensors(x, dz, v)
    for given in (u, tg.tensor(u)):
        Z, indices = tg.fractional_max_pool2d(X, kernel, out, None, True, given, ties)
        assert_exact(Z, z)
        assert_equal(indices.numpy(), first)
    (dX,) = tg.grad(Z, X, dZ, create_graph=True)
    assert_exact(dX, winners.gradient(dz))
    (second,) = tg.grad(dX, dZ, V)
    assert_exact(second, winners.value(v))


def test_fractional_gradients_of_first_and_second_order_are_central_differences():
    shape = (1, 2, 6, 5)
    check_gradients(
        lambda x: tg.fractional_max_pool2d(x, 2, 4, random_samples=samples(shape)) ** 2, distinct(shape, 1) / 10
    )


def test_the_random_windows_come_from_the_seed():
    x = distinct((4, 3, 20, 20), 1)
    tg.manual_seed(1)
    first, second = (tg.fractional_max_pool2d(x, 2, 13) for _ in range(2))
    tg.manual_seed(1)
    assert_equal(tg.fractional_max_pool2d(x, 2, 13), first)
    assert not np.array_equal(first, second)
    planes = np.broadcast_to(distinct((1, 1, 20, 20), 1), (4, 3, 20, 20))
    z = tg.fractional_max_pool2d(planes, 2, 13)
    assert len({plane.tobytes() for plane in z.reshape(12, 13 * 13)}) > 1  # each plane has windows of its own


@pytest.mark.parametrize(("ratio", "out"), [(0.5, (3, 4)), ((0.7, 0.34), (4, 3)), (Fraction(1, 3), (2, 3))])
def test_a_ratio_gives_the_size(ratio, out):
    assert tg.fractional_max_pool2d(np.ones((1, 1, 7, 9)), 2, output_ratio=ratio).shape == (1, 1, *out)


# Bad input

BAD = {
    "one image": ({"x": (3, 5, 6)}, ValueError, "4 axes (N, C, H, W)", "x[None]"),
    "no pixels": ({"x": (1, 1, 0, 6)}, ValueError, "at least one pixel", "(0, 6)"),
    "size 0": ({"output_size": 0}, ValueError, "output_size must be at least 1", "0"),
    "a negative size": ({"output_size": (2, -1)}, ValueError, "output_size must be at least 1", "(2, -1)"),
    "a fractional size": ({"output_size": 2.0}, TypeError, "output_size must be an integer but is 2.0"),
    "three sizes": ({"output_size": (2, 2, 2)}, ValueError, "output_size expects an integer or 2", "(2, 2, 2)"),
    "a word": ({"output_size": "2"}, TypeError, "output_size must be an integer", "'2'"),
}  # fmt: skip

BAD_MAX = BAD | {"ties": ({"ties": "last"}, ValueError, "ties must be 'first' or 'split' but is 'last'")}

BAD_FRACTIONAL = {
    "one image": ({"x": (3, 5, 6)}, ValueError, "4 axes (N, C, H, W)", "x[None]"),
    "window 0": ({"kernel_size": 0}, ValueError, "kernel_size must be at least 1 but is 0"),
    "a fractional window": ({"kernel_size": 1.5}, TypeError, "kernel_size must be an integer but is 1.5"),
    "no size": ({"output_size": None}, ValueError, "either output_size or output_ratio"),
    "two sizes": ({"output_ratio": 0.5}, ValueError, "either output_size or output_ratio", "0.5"),
    "size 0": ({"output_size": 0}, ValueError, "output_size must be at least 1 but is 0"),
    "too many windows": ({"output_size": (5, 3)}, ValueError, "input of (6, 4)", "(5, 6)"),
    "a ratio of 1": ({"output_size": None, "output_ratio": 1.0}, ValueError, "between 0 and 1", "1.0"),
    "three ratios": ({"output_size": None, "output_ratio": (0.5,) * 3}, ValueError, "between 0 and 1", "(0.5, 0.5,"),
    "a word for a ratio": ({"output_size": None, "output_ratio": "1"}, TypeError, "output_ratio must be a number"),
    "a ratio too small": ({"output_size": None, "output_ratio": 0.1}, ValueError, "leaves no pixel", "0.1", "(5, 6)"),
    "samples of another shape": ({"random_samples": np.zeros((2, 2))}, ValueError, "shape (2, 3, 2)", "(2, 2)"),
    "a sample of 1": ({"random_samples": np.ones((2, 3, 2))}, ValueError, "in [0, 1)", "1.0"),
    "ties": ({"ties": "all"}, ValueError, "ties must be 'first' or 'split' but is 'all'"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "defaults", "bad"),
    [
        *(("adaptive_avg_pool2d", {"output_size": 2}, bad) for bad in BAD.values()),
        *(("adaptive_max_pool2d", {"output_size": 2}, bad) for bad in BAD_MAX.values()),
        *(("fractional_max_pool2d", {"output_size": 2, "kernel_size": 2}, bad) for bad in BAD_FRACTIONAL.values()),
    ],
)
def test_bad_input_is_refused_by_name(operation, defaults, bad):
    change, error, *texts = bad
    arguments = {"x": (2, 3, 5, 6)} | defaults | change
    leaf = tg.tensor(integers(arguments.pop("x"), 1), requires_grad=True)
    (leaf * leaf).sum().backward()
    with refused(operation, error, *texts, tensors=[leaf]):
        getattr(tg, operation)(leaf, **arguments)


@pytest.mark.parametrize("kind", ["avg", "max"])
@pytest.mark.parametrize(("n", "layout"), [(1, "(N, C, W)"), (3, "(N, C, D, H, W)")])
def test_each_number_of_axes_has_its_own_name_and_layout(kind, n, layout):
    operation = f"adaptive_{kind}_pool{n}d"
    with refused(operation, ValueError, f"{layout} but has shape (1, 1, 4, 4)"):
        getattr(tg, operation)(np.ones((1, 1, 4, 4)), 2)


@pytest.mark.parametrize("operation", ["global_avg_pool", "global_max_pool"])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 0, 4)])
def test_global_pools_refuse_what_has_no_pixels(operation, shape):
    leaf = tg.tensor(np.ones(shape), requires_grad=True)
    with refused(operation, ValueError, "at least one pixel", str(shape), tensors=[leaf]):
        getattr(tg, operation)(leaf)
    with refused("global_max_pool", ValueError, "ties"):
        tg.global_max_pool(np.ones((1, 1, 2)), ties="last")


# The scalar graph


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: tg.adaptive_avg_pool2d(x, (2, 3)),
        lambda x: tg.adaptive_max_pool2d(x, (2, 3)),
        lambda x: tg.fractional_max_pool2d(x, 2, 3, random_samples=np.full((1, 2, 2), 0.4)),
        lambda x: tg.max_unpool2d(x, np.zeros(x.shape, int) + np.arange(5), 2),
        lambda x: tg.unfold(x, 2, padding=1),
        lambda x: tg.interpolate(x, (3, 4), mode="bilinear"),
        lambda x: tg.lp_pool2d(x, 1, 2),
        lambda x: tg.lp_pool2d(x, math.inf, 2),
    ],
)
def test_pixels_that_are_tensors_of_their_own_get_the_same_gradients(operation):
    x = tied_fractions((1, 2, 4, 5), 1)
    (X,) = tensors(x)
    Z = operation(X)
    dz = fractions(Z.shape, 2)
    Z.backward(dz)
    pixels = scalars(x)
    z = operation(pixels)
    weighted_sum(z, dz).backward()
    assert [value.item() if isinstance(value, tg.Tensor) else value for value in z.flat] == list(Z.numpy().flat)
    assert_equal(gradients(pixels), X.grad.numpy())

"""Unfold and fold against naive loops: values, gradients of three orders, what they are to a convolution, bad input."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import resampling_oracles as oracles
from tests.finite_differences import check_gradients
from tests.operands import assert_equal, assert_exact, fractions, integers, layouts, normals, tensors
from tests.refusals import refused
from tests.window_cases import by_name, each, pairs


@dataclass(frozen=True)
class Unfolding:
    name: str
    x: tuple
    kernel: Any
    stride: Any = 1
    padding: Any = 0
    dilation: Any = 1
    pads: Any = None

    def __str__(self):
        return self.name

    @cached_property
    def naive(self):
        pads = pairs(self.padding, 2) if self.pads is None else self.pads
        return oracles.unfolding(self.x, each(self.kernel, 2), each(self.stride, 2), pads, each(self.dilation, 2))

    def unfold(self, x):
        return tg.unfold(x, self.kernel, self.dilation, self.padding, self.stride)

    def fold(self, columns):
        return tg.fold(columns, self.x[2:], self.kernel, self.dilation, self.padding, self.stride)


CASES = [
    Unfolding("plain", (2, 3, 4, 5), (2, 3)),
    Unfolding("one of everything", (1, 1, 1, 1), 1),
    Unfolding("kernel 1x1", (2, 3, 2, 3), 1),
    Unfolding("kernel 1x1, stride", (1, 2, 3, 4), 1, 2),
    Unfolding("window as large as the input", (2, 2, 3, 2), (3, 2)),
    Unfolding("stride that leaves rows", (1, 2, 7, 6), (3, 2), (3, 4)),
    Unfolding("stride as large as the window", (1, 2, 6, 4), 2, 2),
    Unfolding("stride larger than the window", (1, 1, 8, 7), 2, 3),
    Unfolding("padding", (2, 1, 3, 4), 3, 1, 1),
    Unfolding("padding pair", (1, 1, 3, 4), 3, 2, (1, 2)),
    Unfolding("padding pairs", (1, 2, 3, 4), (2, 3), 1, ((1, 0), (0, 2))),
    Unfolding("windows in the padding alone", (1, 1, 2, 2), 2, 2, 3),
    Unfolding("same", (1, 1, 5, 6), 3, 2, "same", pads=((1, 1), (0, 1))),
    Unfolding("full", (1, 1, 3, 2), (2, 3), 1, "full", pads=((1, 1), (2, 2))),
    Unfolding("dilation", (1, 2, 5, 6), (2, 3), 1, 0, (3, 2)),
    Unfolding("everything, rows left", (2, 2, 8, 7), (3, 2), (2, 3), ((1, 2), (0, 1)), (2, 3)),
    Unfolding("batch 0", (0, 2, 4, 4), 2),
    Unfolding("no channels", (2, 0, 4, 4), 2),
]


@by_name(CASES)
def test_value_and_gradients_are_the_naive_ones(case):
    x = fractions(case.x, 1)
    dz, u, v = fractions(case.naive.z_shape, 2), fractions(case.x, 3), fractions(case.naive.z_shape, 4)
    X, dZ, U, V = tensors(x, dz, u, v)
    Z = case.unfold(X)
    assert_exact(Z, case.naive.value(x))
    (dX,) = tg.grad(Z, X, dZ, create_graph=True)
    assert_exact(dX, case.naive.gradient(dz))
    (second,) = tg.grad(dX, dZ, U, create_graph=True)
    assert_exact(second, case.naive.value(u))
    (third,) = tg.grad(second, U, V)
    assert_exact(third, case.naive.gradient(v))


@by_name(CASES)
def test_fold_is_the_transpose(case):
    columns, dx, u = fractions(case.naive.z_shape, 1), fractions(case.x, 2), fractions(case.naive.z_shape, 3)
    C, dX, U = tensors(columns, dx, u)
    X = case.fold(C)
    assert_exact(X, case.naive.gradient(columns))
    (dC,) = tg.grad(X, C, dX, create_graph=True)
    assert_exact(dC, case.naive.value(dx))
    (second,) = tg.grad(dC, dX, U)
    assert_exact(second, case.naive.gradient(u))


@by_name(CASES, "padding pairs", "everything, rows left")
def test_gradients_of_first_and_second_order_are_central_differences(case):
    check_gradients(lambda x: case.unfold(x) ** 2, normals(case.x, 1))
    check_gradients(lambda columns: case.fold(columns) ** 2, normals(case.naive.z_shape, 1))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.uint8])
@by_name(CASES)
def test_every_dtype_stays_itself(case, dtype):
    x, columns = (np.abs(integers(shape, 1, int)) for shape in (case.x, case.naive.z_shape))
    z, folded = case.unfold(x.astype(dtype)), case.fold(columns.astype(dtype))
    assert z.dtype == folded.dtype == dtype
    assert_equal(z, case.naive.value(x).astype(dtype))
    assert_equal(folded, case.naive.gradient(columns).astype(dtype))


@pytest.mark.parametrize("dtype", [np.float64, object])
@by_name(CASES, "plain", "kernel 1x1", "stride as large as the window", "everything, rows left", "batch 0")
def test_memory_layout_makes_no_difference(case, dtype):
    x, columns = (integers(shape, 1).astype(dtype) for shape in (case.x, case.naive.z_shape))
    for view in layouts(x).values():
        assert_equal(case.unfold(view), case.naive.value(x).astype(dtype))
    for view in layouts(columns).values():
        assert_equal(case.fold(view), case.naive.gradient(columns).astype(dtype))


@by_name(CASES, "plain", "kernel 1x1", "one of everything")
def test_operands_stay_as_they_are_and_results_are_the_callers_own(case):
    x, columns = integers(case.x, 1), integers(case.naive.z_shape, 1)
    case.unfold(x)[...] = 9
    case.fold(columns)[...] = 9
    assert_equal(x, integers(case.x, 1))
    assert_equal(columns, integers(case.naive.z_shape, 1))


@by_name(CASES, "padding pairs", "everything, rows left")
def test_a_convolution_is_the_kernel_matrix_times_the_columns(case):
    x, weight = fractions(case.x, 1), fractions((3, case.x[1], *each(case.kernel, 2)), 2)
    z = tg.conv2d(x, weight, None, case.stride, case.padding, case.dilation)
    product = tg.matmul(weight.reshape(3, -1), case.unfold(x))
    assert_equal(product.reshape(z.shape), z)


def test_the_fold_of_an_unfold_counts_the_windows_of_each_pixel():
    case = CASES[-3]
    ones = np.ones(case.x)
    x = integers(case.x, 1)
    assert_equal(case.fold(case.unfold(x)), x * case.fold(case.unfold(ones)))


BAD = {
    "one image": ("unfold", {"x": (3, 5, 6)}, ValueError, "4 axes (N, C, H, W)", "x[None]"),
    "no pixels": ("unfold", {"x": (1, 1, 0, 6), "padding": 3}, ValueError, "at least one pixel", "(0, 6)"),
    "a large window": ("unfold", {"kernel_size": 7}, ValueError, "(7, 7)", "padded input of (5, 6)"),
    "window 0": ("unfold", {"kernel_size": 0}, ValueError, "kernel_size must be at least 1 but is 0"),
    "stride 0": ("unfold", {"stride": 0}, ValueError, "stride must be at least 1 but is 0"),
    "dilation 0": ("unfold", {"dilation": (1, 0)}, ValueError, "dilation must be at least 1 but is (1, 0)"),
    "negative padding": ("unfold", {"padding": -1}, ValueError, "padding must be at least 0 but is -1"),
    "a fractional window": ("unfold", {"kernel_size": 2.5}, TypeError, "kernel_size must be an integer but is 2.5"),
    "columns of one image": ("fold", {"x": (12, 20)}, ValueError, "3 axes (N, C kH kW, L)", "(12, 20)"),
    "rows": ("fold", {"x": (2, 10, 20)}, ValueError, "a multiple of 4", "(2, 10, 20)"),
    "columns": ("fold", {"x": (2, 12, 19)}, ValueError, "4 x 5 = 20 windows", "19 columns", "(2, 12, 19)"),
    "three sizes": ("fold", {"output_size": (5, 6, 7)}, ValueError, "output_size expects an integer or 2", "(5, 6, 7)"),
    "size 0": ("fold", {"output_size": 0}, ValueError, "output_size must be at least 1 but is 0"),
    "a large window to fold": ("fold", {"kernel_size": 8}, ValueError, "(8, 8)", "padded input of (5, 6)"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_input_is_refused_by_name(bad):
    operation, change, error, *texts = bad
    defaults = {"x": (2, 3, 5, 6)} if operation == "unfold" else {"x": (2, 12, 20), "output_size": (5, 6)}
    arguments = {"kernel_size": 2} | defaults | change
    leaf = tg.tensor(integers(arguments.pop("x"), 1), requires_grad=True)
    (leaf * leaf).sum().backward()
    with refused(operation, error, *texts, tensors=[leaf]):
        getattr(tg, operation)(leaf, **arguments)


def test_shapes_drawn_by_hypothesis():
    hypothesis = pytest.importorskip("hypothesis")
    st = pytest.importorskip("hypothesis.strategies")
    few, padding = st.integers(1, 3), st.integers(0, 2)
    axis = st.tuples(st.integers(1, 6), few, few, padding, padding, few)

    @hypothesis.settings(max_examples=100, deadline=None, database=None)
    @hypothesis.given(axis, axis)
    def check(height, width):
        for n, k, _, before, after, d in (height, width):
            hypothesis.assume(n + before + after > d * (k - 1))
        sizes, kernel, stride, before, after, dilation = zip(height, width, strict=True)
        case = Unfolding("drawn", (1, 2, *sizes), kernel, stride, tuple(zip(before, after, strict=True)), dilation)
        x, columns = fractions(case.x, 1), fractions(case.naive.z_shape, 2)
        assert_equal(case.unfold(x), case.naive.value(x))
        assert_equal(case.fold(columns), case.naive.gradient(columns))

    check()

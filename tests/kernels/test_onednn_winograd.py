"""Convolutions by Winograd's way with oneDNN, against the definitions in float64."""

import numpy as np
import pytest

from tests.kernels.calls import keep_results
from tests.operands import assert_close, assert_equal, layouts, normals
from tests.window_cases import Convolution, by_name
from tinygrad_cnn.kernels import memory, onednn, reference
from tinygrad_cnn.kernels.onednn import direct, execution, winograd

pytestmark = pytest.mark.skipif(onednn.unavailable() is not None, reason=f"no oneDNN: {onednn.unavailable()}")

ONE, SAME = (1, 1), ((1, 1), (1, 1))

CASES = [
    Convolution("padded", (2, 32, 32, 32), (64, 32, 3, 3), 1, 1),
    Convolution("without border", (3, 48, 31, 29), (48, 48, 3, 3)),
    Convolution("all that is seen", (2, 64, 33, 30), (32, 64, 3, 3), 1, 2),
    Convolution("uneven borders", (2, 33, 34, 35), (65, 33, 3, 3), 1, pads=((2, 0), (0, 3))),
    Convolution("rows below only", (2, 64, 33, 33), (64, 64, 3, 3), 1, pads=((0, 2), (1, 1))),
    Convolution("one image", (1, 40, 46, 47), (56, 40, 3, 3), 1, 1),
    Convolution("three rows", (40, 64, 3, 60), (64, 64, 3, 3), 1, pads=((0, 0), (1, 1))),
    Convolution("one row", (40, 64, 1, 60), (64, 64, 3, 3), 1, 1),
    Convolution("a column", (300, 64, 9, 1), (64, 64, 3, 1), 1, ((1, 1), (0, 0))),
    Convolution("wide kernel", (2, 32, 32, 36), (64, 32, 3, 5), 1, ((1, 1), (2, 2))),
    Convolution("stride and dilation along the width", (2, 32, 34, 67), (64, 32, 3, 3), (1, 2), 1, (1, 2)),
    Convolution("many images", (70, 32, 7, 8), (64, 32, 3, 3), 1, 1),
    Convolution("3d", (2, 32, 12, 10, 11), (64, 32, 3, 3, 3), 1, 1),
]  # fmt: skip


def calls(case, make=normals):
    """Of all kernels, with the explicit options: (name, arguments)."""
    *options, groups = case.explicit
    each_axis = zip(case.x[2:], case.weight[2:], *options, strict=True)
    out = ((m + sum(pair) - d * (k - 1) - 1) // s + 1 for m, k, s, pair, d in each_axis)
    x, weight = make(case.x, 1, np.float32), make(case.weight, 2, np.float32)
    z = make((case.x[0], case.weight[0], *out), 3, np.float32)
    bias, other_bias = make(case.weight[:1], 4, np.float32), make(case.x[1:2], 5, np.float32)
    size, kernel = case.x[2:], case.weight[2:]
    return [
        ("correlate", (x, weight, None, *options, groups)),
        ("correlate", (x, weight, bias, *options, groups)),
        ("conv_transpose", (z, weight, None, size, *options, groups)),
        ("conv_transpose", (z, weight, other_bias, size, *options, groups)),
        ("full_correlate", (z, weight[(..., *(slice(None, None, -1),) * len(size))], size, *options, groups)),
        ("correlate_kernel", (x, z, kernel, *options, groups)),
    ]


def expected(name, arguments):
    """By definition in float64, as float32."""
    wide = (a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in arguments)
    return getattr(reference, name)(*wide).astype(np.float32)


@pytest.fixture
def taken(monkeypatch):
    """What Winograd's way gave in each call, however small: None where it declined."""
    monkeypatch.setattr(winograd, "TRIPLES", 0)
    winograd.forget()
    yield keep_results(monkeypatch, winograd)
    winograd.forget()


def check(taken, name, arguments, tolerance=3e-6):
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    taken.clear()
    z = getattr(onednn, name)(*arguments)
    assert len(taken) == 1
    assert taken[0] is z
    for a, copy in zip(arguments, copies, strict=True):
        if isinstance(a, np.ndarray):
            assert_equal(a, copy)
    assert z.dtype == np.float32
    assert_close(z, expected(name, arguments), tolerance)
    return z


@by_name(CASES)
def test_all_cases(case, taken):
    for name, arguments in calls(case):
        z = check(taken, name, arguments)
        if name != "correlate_kernel" and min(z.shape[2:]) > 1:
            assert memory.is_channels_last(z)


@pytest.mark.parametrize("bytes_at_a_time", [1, 1 << 17, 1 << 19])
@by_name(CASES[:4])
def test_a_part_at_a_time(case, bytes_at_a_time, taken, monkeypatch):
    monkeypatch.setattr(winograd, "CHUNK_BYTES", bytes_at_a_time)
    for name, arguments in calls(case):
        check(taken, name, arguments)


@pytest.mark.parametrize(("n", "channels", "filters", "size"), [(64, 64, 64, 16), (32, 128, 128, 16), (8, 64, 32, 64)])
def test_layers_need_no_reorder(n, channels, filters, size):
    x, weight, z = (n, channels, size, size), (filters, channels, 3, 3), (n, filters, size, size)
    strides = np.empty(weight, np.float32).strides
    for plan in (
        winograd._filtering(x, weight, z, ONE, SAME, ONE, strides, False, True),
        winograd._filtering(x, weight, z, ONE, SAME, ONE, strides, True, False),
        winograd._gradient(x, weight, z, ONE, SAME, ONE),
    ):
        assert all(kernel.reorders == 0 for kernel, _ in plan.steps.steps)


@pytest.mark.parametrize("layout", layouts(np.zeros((1, 1))))
@by_name(CASES[3:4])
def test_layouts(case, layout, taken):
    for name, arguments in calls(case):
        laid = tuple(layouts(a)[layout] if isinstance(a, np.ndarray) and a.ndim > 1 else a for a in arguments)
        z = getattr(onednn, name)(*laid)
        assert_close(z, expected(name, arguments), 3e-6)


def test_what_is_no_case_for_it(taken):
    x, weight = np.ones((2, 64, 33, 33), np.float32), np.ones((64, 64, 3, 3), np.float32)
    for options in (((2, 1), SAME, ONE), (ONE, SAME, (2, 1)), (ONE, ((3, 0), (1, 1)), ONE)):
        assert_equal(onednn.correlate(x, weight, None, *options, 1), reference.correlate(x, weight, None, *options, 1))
        assert taken == [None]
        taken.clear()
    onednn.correlate(x, np.ones((64, 32, 3, 3), np.float32), None, ONE, SAME, ONE, 2)  # groups
    onednn.correlate(x[:, :16], np.ones((16, 16, 3, 3), np.float32), None, ONE, SAME, ONE, 1)  # few channels
    onednn.correlate(x[..., :15, :16], weight, None, ONE, SAME, ONE, 1)  # few pixels
    assert all(z is None for z in taken)
    assert onednn.correlate(x, weight.astype(np.float64), None, ONE, SAME, ONE, 1) is NotImplemented


def test_small_layers_are_left_to_the_library(monkeypatch):
    taken = keep_results(monkeypatch, winograd)
    for n, channels in ((7, 32), (8, 32), (1, 64), (2, 64)):
        x, weight = np.ones((n, channels, 32, 32), np.float32), np.ones((channels, channels, 3, 3), np.float32)
        onednn.correlate(x, weight, None, ONE, SAME, ONE, 1)
    assert [z is None for z in taken] == [True, False, True, False]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("place", [(0, 0, 0, 0), (1, 63, 32, 32), (1, 5, 8, 1), (0, 31, 9, 31), (1, 1, 17, 13)])
def test_a_number_of_an_image_that_is_not_finite(value, place, taken):
    """It spreads over a column of the image: seen, and computed again."""
    x, weight = np.ones((2, 64, 33, 33), np.float32), np.ones((32, 64, 3, 3), np.float32)
    z = np.ones((2, 32, 33, 33), np.float32)
    x[place] = value
    z[place[0], place[1] % 32, *place[2:]] = value
    for name, arguments in (
        ("correlate", (x, weight, None, ONE, SAME, ONE, 1)),
        ("conv_transpose", (z, weight, None, (33, 33), ONE, SAME, ONE, 1)),
        ("correlate_kernel", (x, np.ones_like(z), (3, 3), ONE, SAME, ONE, 1)),
        ("correlate_kernel", (np.ones_like(x), z, (3, 3), ONE, SAME, ONE, 1)),
    ):
        taken.clear()
        actual = getattr(onednn, name)(*arguments)
        assert taken == [None]
        assert_equal(actual, getattr(direct, name)(*arguments))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("place", [(0, 0, 0, 0), (31, 63, 2, 2), (7, 5, 1, 0), (30, 2, 0, 2)])
def test_a_number_of_a_kernel_that_is_not_finite(value, place, taken):
    x, weight = np.ones((2, 64, 33, 33), np.float32), np.ones((32, 64, 3, 3), np.float32)
    z = np.ones((2, 32, 33, 33), np.float32)
    weight[place] = value
    for name, arguments in (
        ("correlate", (x, weight, None, ONE, SAME, ONE, 1)),
        ("conv_transpose", (z, weight, None, (33, 33), ONE, SAME, ONE, 1)),
    ):
        taken.clear()
        actual = getattr(onednn, name)(*arguments)
        assert taken == [None]
        assert_equal(actual, getattr(direct, name)(*arguments))


def test_bfloat16_is_left_to_the_library(taken):
    if not onednn.describe().bfloat16:
        pytest.skip("the processor has no bfloat16")
    (name, arguments), *_ = calls(CASES[0])
    execution.set_precision("bfloat16")
    try:
        getattr(onednn, name)(*arguments)
        assert taken == [None]
    finally:
        execution.set_precision("float32")
    check(taken, name, arguments)


def test_zeros_and_powers_of_two_are_exact(taken):
    """T of zeros is zero, and a power of two scales all that is rounded."""
    name, (x, weight, _, *options) = calls(CASES[0])[0]
    assert not check(taken, name, (np.zeros_like(x), weight, None, *options)).any()
    z = onednn.correlate(x, weight, None, *options)
    assert_equal(onednn.correlate(4 * x, weight / 2, None, *options), 2 * z)

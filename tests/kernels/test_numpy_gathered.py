"""NumPy's convolutions of many channels as one product of all windows: on integers, and so exactly."""

import numpy as np
import pytest

from tests.kernels.calls import assert_fast_is_reference, assert_same_bits_on_any_threads, convolution_calls
from tests.operands import assert_equal, integers, layouts
from tests.window_cases import CONVOLUTIONS, TRANSPOSED_CONVOLUTIONS, by_name
from tinygrad_cnn.kernels import memory, numpy_fast
from tinygrad_cnn.kernels.numpy_fast import gathered, phases, small, winograd

CASES = [case for case in CONVOLUTIONS + TRANSPOSED_CONVOLUTIONS if case.explicit[-1] == 1]


@pytest.fixture(autouse=True)
def wherever_possible(monkeypatch):
    """However little there is to do."""
    monkeypatch.setattr(gathered, "FEW", 0)
    monkeypatch.setattr(small, "PRODUCTS", -1)
    monkeypatch.setattr(winograd, "suits", lambda *arguments: False)


@by_name(CASES)
def test_all_cases(case):
    for name, arguments in convolution_calls(case, integers, np.float32):
        assert_fast_is_reference(name, arguments)


@pytest.mark.parametrize("chunk", [1, 1000])
@by_name(CASES[:12])
def test_parts_of_any_size(case, chunk, monkeypatch):
    monkeypatch.setattr(gathered, "CHUNK_BYTES", chunk)
    monkeypatch.setattr(gathered, "SUMS_BYTES", chunk)
    monkeypatch.setattr(gathered, "PRODUCTS", chunk)
    monkeypatch.setattr(gathered, "MANY", chunk)
    monkeypatch.setattr(phases, "CHUNK_BYTES", chunk)
    for name, arguments in convolution_calls(case, integers, np.float32):
        assert_fast_is_reference(name, arguments)


@pytest.mark.parametrize("layout", layouts(np.zeros((1, 1))))
@by_name(CASES[:12])
def test_layouts(case, layout):
    for name, arguments in convolution_calls(case, integers, np.float32):
        laid = (layouts(a)[layout] if isinstance(a, np.ndarray) and a.ndim > 1 else a for a in arguments)
        assert_fast_is_reference(name, tuple(laid))


def test_any_number_of_threads_gives_the_same_bits():
    rng = np.random.default_rng(0)
    x, weight, dz = (rng.standard_normal(s).astype(np.float32) for s in ((9, 8, 7, 6), (5, 8, 3, 3), (9, 5, 4, 3)))
    options = (2, 2), ((1, 1), (1, 1)), (1, 1), 1
    calls = (
        ("correlate", (x, weight, None, *options)),
        ("full_correlate", (dz, weight, (7, 6), *options)),
        ("correlate_kernel", (x, dz, (3, 3), *options)),
    )
    assert_same_bits_on_any_threads(calls, numpy_fast)


def test_images_stay_channels_last():
    x, weight = integers((3, 4, 6, 5), 1, np.float32), integers((6, 4, 3, 3), 2, np.float32)
    for stride in ((1, 1), (2, 2)):
        options = stride, ((1, 1), (1, 1)), (1, 1), 1
        z = numpy_fast.correlate(x, weight, None, *options)
        dx = numpy_fast.full_correlate(z, weight, x.shape[2:], *options)
        assert memory.is_channels_last(z)
        assert memory.is_channels_last(dx)


def test_few_channels_to_many_filters_are_channels_last_too(monkeypatch):
    monkeypatch.setattr(gathered, "FEW", 6)
    x, weight = integers((3, 4, 6, 5), 1, np.float32), integers((6, 4, 3, 3), 2, np.float32)
    arguments = x, weight, integers((6,), 3, np.float32), (1, 1), ((1, 1), (1, 1)), (1, 1), 1
    assert memory.is_channels_last(numpy_fast.correlate(*arguments))
    assert_fast_is_reference("correlate", arguments)


def test_other_numbers_are_lowered(monkeypatch):
    called = []
    monkeypatch.setattr(gathered, "correlate", lambda *arguments: called.append(arguments))
    x, weight = np.ones((3, 4, 6, 5)), np.ones((6, 4, 3, 3))
    z = numpy_fast.correlate(x, weight, None, (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    assert not called
    assert_equal(z, np.full((3, 6, 4, 3), 36.0))


@pytest.mark.parametrize(
    "padding", [((0, 0), (0, 0)), ((1, 0), (0, 0)), ((0, 0), (1, 0)), ((0, 1), (0, 1)), ((1, 1), (2, 0))]
)
@pytest.mark.parametrize("kernel", [(2, 2), (2, 3), (1, 1), (3, 2), (4, 5)])
def test_tiles_that_begin_anywhere(kernel, padding):
    """A kernel as large as the stride makes tiles side by side, but not all of them need lie on the image."""
    for stride in (kernel, (2, 2)):
        for size in ((7, 9), (8, 9), (6, 12)):
            out = tuple((m + sum(p) - k) // s + 1 for m, p, k, s in zip(size, padding, kernel, stride, strict=True))
            z, weight = integers((5, 4, *out), 1, np.float32), integers((4, 6, *kernel), 2, np.float32)
            for bias in (None, integers((6,), 3, np.float32)):
                arguments = z, weight, bias, size, stride, padding, (1, 1), 1
                assert_fast_is_reference("conv_transpose", arguments)

"""NumPy's convolutions of few channels to many filters as one product of all windows: on integers, and so exactly."""

import numpy as np
import pytest

from tests.kernels.calls import (
    assert_fast_is_reference,
    assert_same_bits_on_any_threads,
    convolution_calls,
    keep_results,
)
from tests.operands import integers, layouts
from tests.window_cases import CONVOLUTIONS, by_name
from tinygrad_cnn.kernels import memory, numpy_fast
from tinygrad_cnn.kernels.numpy_fast import gathered, small, unrolled

CASES = [case for case in CONVOLUTIONS if case.explicit[-1] == 1]
KERNELS = ("correlate", "correlate_kernel")


@pytest.fixture(autouse=True)
def wherever_possible(monkeypatch):
    """However little there is to do, and however many channels."""
    monkeypatch.setattr(unrolled, "suits", lambda *arguments: True)
    monkeypatch.setattr(gathered, "suits", lambda *arguments: False)
    monkeypatch.setattr(small, "PRODUCTS", -1)


@pytest.fixture
def taken(monkeypatch):
    return keep_results(monkeypatch, unrolled, KERNELS)


def last(x):
    y = memory.empty(x.shape, x.dtype, memory.channels_last(x.ndim))
    y[...] = x
    return y


def calls(case):
    """Upstream gradients are channels-last, too, as what follows such a layer leaves them."""
    for name, (x, other, *options) in convolution_calls(case, integers, np.float32):
        if name in KERNELS:
            yield name, (x, other, *options)
        if name == "correlate_kernel":
            yield name, (x, last(other), *options)


@pytest.mark.parametrize("chunk", [1, 500, 1 << 30])
@by_name(CASES)
def test_parts_of_any_size(case, chunk, monkeypatch, taken):
    monkeypatch.setattr(unrolled, "CHUNK_BYTES", chunk)
    for name, arguments in calls(case):
        taken.clear()
        assert_fast_is_reference(name, arguments)
        is_another_case = case.x[0] == 0 or max(case.weight[2:]) == 1  # nothing, or products of images as they are
        assert len(taken) == (not is_another_case)


@pytest.mark.parametrize("layout", layouts(np.zeros((1, 1))))
@by_name(CASES[:12])
def test_layouts(case, layout):
    for name, arguments in calls(case):
        laid = (layouts(a)[layout] if isinstance(a, np.ndarray) and a.ndim > 1 else a for a in arguments)
        assert_fast_is_reference(name, tuple(laid))


def test_any_number_of_threads_gives_the_same_bits(monkeypatch):
    monkeypatch.setattr(unrolled, "CHUNK_BYTES", 5000)
    rng = np.random.default_rng(0)
    x, weight, dz = (rng.standard_normal(s).astype(np.float32) for s in ((9, 3, 7, 6), (5, 3, 3, 3), (9, 5, 4, 3)))
    options = (2, 2), ((1, 1), (1, 1)), (1, 1), 1
    calls = (
        ("correlate", (x, weight, None, *options)),
        ("correlate_kernel", (x, last(dz), (3, 3), *options)),
    )
    assert_same_bits_on_any_threads(calls, numpy_fast)


def test_images_come_out_channels_last():
    x, weight = integers((3, 2, 6, 5), 1, np.float32), integers((6, 2, 3, 3), 2, np.float32)
    z = numpy_fast.correlate(x, weight, None, (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    assert z.transpose(0, 2, 3, 1).flags.c_contiguous

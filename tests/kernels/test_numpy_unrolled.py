"""NumPy's convolutions of few channels to many filters as one product of all windows: on integers, and so exactly."""

import numpy as np
import pytest

from tests.kernels.calls import assert_fast_is_reference, convolution_calls
from tests.operands import assert_equal, integers, layouts
from tests.window_cases import CONVOLUTIONS, by_name
from tinygrad_cnn.kernels import memory, numpy_fast, threads
from tinygrad_cnn.kernels.numpy_fast import shifted, small, unrolled

CASES = [case for case in CONVOLUTIONS if case.explicit[-1] == 1]
KERNELS = ("correlate", "correlate_kernel")


@pytest.fixture(autouse=True)
def wherever_possible(monkeypatch):
    """However little there is to do, and however many channels."""
    monkeypatch.setattr(unrolled, "suits", lambda *arguments: True)
    monkeypatch.setattr(memory, "is_channels_last", lambda x: True)
    monkeypatch.setattr(shifted, "suits", lambda *arguments: False)
    monkeypatch.setattr(small, "PRODUCTS", -1)
    before = threads.get_num_threads()
    yield
    threads.set_num_threads(before)


def calls(case):
    return [call for call in convolution_calls(case, integers, np.float32) if call[0] in KERNELS]


@pytest.mark.parametrize("chunk", [1, 500, 1 << 30])
@by_name(CASES)
def test_parts_of_any_size(case, chunk, monkeypatch):
    monkeypatch.setattr(unrolled, "CHUNK_BYTES", chunk)
    for name, arguments in calls(case):
        assert_fast_is_reference(name, arguments)


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
    for name, arguments in (
        ("correlate", (x, weight, None, *options)),
        ("correlate_kernel", (x, dz, (3, 3), *options)),
    ):
        results = []
        for count in (1, 2, 3):
            threads.set_num_threads(count)
            results.append(getattr(numpy_fast, name)(*arguments))
        for result in results[1:]:
            assert_equal(result, results[0])


def test_images_come_out_channels_last():
    x, weight = integers((3, 2, 6, 5), 1, np.float32), integers((6, 2, 3, 3), 2, np.float32)
    z = numpy_fast.correlate(x, weight, None, (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    assert z.transpose(0, 2, 3, 1).flags.c_contiguous

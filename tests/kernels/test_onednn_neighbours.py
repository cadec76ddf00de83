"""Few filters, those of neighbouring windows side by side: against the definition, on integers and so exactly."""

import numpy as np
import pytest

from tests.kernels.calls import Layer, assert_fast_is_reference, convolution_calls, keep_results
from tests.operands import assert_equal, integers, layouts
from tests.window_cases import by_name
from tinygrad_cnn.kernels import memory, onednn, reference
from tinygrad_cnn.kernels.onednn import convolution, library, neighbours

pytestmark = pytest.mark.skipif(onednn.unavailable() is not None, reason=f"no oneDNN: {onednn.unavailable()}")


LAYERS = [
    Layer("colours", (16, 3, 20, 20), (8, 3, 5, 5)),
    Layer("gray", (30, 1, 28, 28), (8, 1, 5, 5)),
    Layer("four windows", (8, 16, 17, 16), (4, 16, 3, 3), 1, 1),
    Layer("three filters", (8, 16, 17, 18), (3, 16, 3, 3), 1, 1),
    Layer("one filter", (8, 64, 16, 16), (1, 64, 3, 3), 1, 1),
    Layer("few channels, few filters", (20, 8, 16, 12), (8, 8, 3, 3), 1, 1),
    Layer("stride", (16, 16, 33, 32), (8, 16, 3, 4), 2, ((1, 1), (1, 1))),
    Layer("a window less than would fit", (16, 16, 33, 33), (8, 16, 4, 4), 2, ((1, 0), (1, 0))),
    Layer("uneven borders", (16, 16, 20, 15), (7, 16, 3, 3), 1, pads=((2, 0), (0, 3))),
    Layer("rows far apart", (16, 16, 20, 16), (8, 16, 3, 3), 1, ((2, 2), (1, 1)), (2, 1)),
    Layer("1d", (64, 16, 64), (8, 16, 9), 1, 4),
    Layer("3d", (4, 8, 8, 9, 10), (8, 8, 3, 3, 3), 1, 1),
]  # fmt: skip


@pytest.fixture(autouse=True)
def wherever_possible(monkeypatch):
    """As with the widest registers, whatever this processor has, and for little, too."""
    monkeypatch.setattr(library.load(), "lanes", 16)
    monkeypatch.setattr(neighbours, "LEAST", 0)
    monkeypatch.setattr(convolution, "LEAST", 0)


@pytest.fixture
def taken(monkeypatch):
    """What laying filters side by side gave in each call: None where it declined."""
    return keep_results(monkeypatch, neighbours)


def last(x):
    y = memory.empty(x.shape, x.dtype, memory.channels_last(x.ndim))
    y[...] = x
    return y


@pytest.mark.parametrize("prepared", [np.ascontiguousarray, last])
@by_name(LAYERS)
def test_all_kernels(case, prepared, taken):
    for name, arguments in convolution_calls(case, integers, np.float32):
        taken.clear()
        laid = tuple(prepared(a) if isinstance(a, np.ndarray) and a.shape[1:] else a for a in arguments)
        assert_fast_is_reference(name, laid, fast=onednn)
        if name == "correlate" or (name == "correlate_kernel" and prepared is last):
            assert taken
            assert taken[0] is not None
        if name == "correlate":
            z = getattr(onednn, name)(*laid)
            assert z.transpose(memory.channels_last(z.ndim)).flags.c_contiguous


def test_gradients_of_images_of_few_channels(taken):
    """With stride 1 they are a correlation, which few channels gain by, too; colours have a better way."""
    for channels, is_taken in ((8, True), (4, True), (3, False)):
        dz, weight = integers((16, 16, 18, 16), 1, np.float32), integers((16, channels, 3, 3), 2, np.float32)
        for padding in (((0, 0), (0, 0)), ((2, 1), (0, 2))):
            size = tuple(m + 2 - sum(pair) for m, pair in zip((18, 16), padding, strict=True))
            arguments = dz, weight[..., ::-1, ::-1], size, (1, 1), padding, (1, 1), 1
            taken.clear()
            assert_fast_is_reference("full_correlate", arguments, fast=onednn)
            assert (taken[0] is not None) == (is_taken and size[1] % 2 == 0)


@pytest.mark.parametrize("layout", layouts(np.zeros((1, 1))))
def test_layouts(layout):
    for name, arguments in convolution_calls(LAYERS[2], integers, np.float32):
        laid = tuple(layouts(a)[layout] if isinstance(a, np.ndarray) and a.ndim > 1 else a for a in arguments)
        assert_fast_is_reference(name, laid, fast=onednn)


@pytest.mark.parametrize(
    ("weight", "options"),
    [
        ((8, 16, 3, 1), ((1, 1), ((1, 1), (0, 0)), (1, 1))),
        ((8, 16, 3, 3), ((1, 1), ((1, 1), (1, 1)), (1, 2))),
        ((8, 16, 3, 3), ((1, 1), ((1, 1), (0, 1)), (1, 1))),
        ((9, 16, 3, 3), ((1, 1), ((1, 1), (1, 1)), (1, 1))),
    ],
    ids=["one column", "columns apart", "an odd number of windows", "more than half of the lanes"],
)
def test_what_is_no_case_for_it(weight, options, taken):
    x, kernel = integers((32, 16, 16, 16), 1, np.float32), integers(weight, 2, np.float32)
    assert_fast_is_reference("correlate", (x, kernel, None, *options, 1), fast=onednn)
    assert taken == [None]


def test_what_is_not_finite_stays_where_it_is():
    x, weight = np.ones((16, 16, 16, 16), np.float32), np.ones((8, 16, 3, 3), np.float32)
    x[0, 3, 0, 0], x[3, 5, 7, 8], x[5, 0, 15, 15] = np.nan, np.inf, -np.inf
    options = (1, 1), ((1, 1), (1, 1)), (1, 1), 1
    expected = reference.correlate(x, weight, None, *options)
    assert_equal(onednn.correlate(x, weight, None, *options), expected)

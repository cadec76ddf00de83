"""How NumPy's convolutions are cut in parts, shared and laid out makes no difference to their results."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest

from tests.kernels.calls import assert_fast_is_reference, convolution_calls
from tests.operands import assert_equal, integers, layouts, normals
from tests.window_cases import CONVOLUTIONS, TRANSPOSED_CONVOLUTIONS, by_name
from tinygrad_cnn.kernels import numpy_fast, reference, threads
from tinygrad_cnn.kernels.numpy_fast import convolution, depthwise, layout, lowering, pointwise, small

CASES = CONVOLUTIONS + TRANSPOSED_CONVOLUTIONS


class Layer(NamedTuple):
    """Images (N, C, H, W), kernels (F, C / groups, kH, kW) and options, too large for sums in Python."""

    name: str
    x: tuple
    weight: tuple
    stride: tuple = (1, 1)
    padding: tuple = ((0, 0), (0, 0))
    dilation: tuple = (1, 1)
    groups: int = 1

    def __str__(self):
        return self.name

    def calls(self, make, dtype):
        """(name, arguments) of every kernel that takes part in it, and in the transposed one."""
        sizes = zip(self.x[2:], self.weight[2:], self.stride, self.padding, self.dilation, strict=True)
        out = tuple((m + sum(pads) - d * (k - 1) - 1) // s + 1 for m, k, s, pads, d in sizes)
        x, weight, dz = (
            make(shape, i, dtype) for i, shape in enumerate((*self[1:3], (self.x[0], self.weight[0], *out)))
        )
        bias, options = make(self.weight[:1], 4, dtype), self[3:]
        return [
            ("correlate", (x, weight, bias, *options)),
            ("full_correlate", (dz, weight, x.shape[2:], *options)),
            ("correlate_kernel", (x, dz, weight.shape[2:], *options)),
            ("conv_transpose", (dz, weight, make(self.x[1:2], 5, dtype), x.shape[2:], *options)),
        ]


ONE, TWO = ((1, 1), (1, 1)), ((2, 2), (2, 2))
LAYERS = [
    Layer("first layer", (9, 3, 32, 32), (16, 3, 3, 3), padding=ONE),
    Layer("more filters than entries", (9, 2, 14, 15), (24, 2, 3, 3), (2, 1), ONE),
    Layer("one channel", (16, 1, 28, 28), (8, 1, 5, 5)),
    Layer("large stem", (1, 3, 112, 112), (24, 3, 7, 7), (2, 2), ((3, 3), (3, 3))),
    Layer("body", (8, 24, 16, 16), (32, 24, 3, 3), padding=ONE),
    Layer("halving", (8, 24, 17, 16), (32, 24, 3, 3), (2, 2), ONE),
    Layer("halving, one pixel", (8, 24, 16, 16), (32, 24, 1, 1), (2, 2)),
    Layer("one pixel", (8, 24, 16, 16), (48, 24, 1, 1)),
    Layer("depthwise", (16, 32, 16, 16), (32, 1, 3, 3), padding=ONE, groups=32),
    Layer("depthwise, even and at every second row", (17, 9, 15, 16), (9, 1, 2, 3), (2, 1), ((2, 0), (0, 2)), groups=9),
    Layer("depthwise, dilated, two filters a channel", (16, 6, 13, 12), (12, 1, 3, 3), (1, 1), TWO, (2, 2), 6),
    Layer("depthwise, one column", (16, 6, 13, 12), (6, 1, 3, 1), (2, 1), ONE, (1, 2), 6),
    Layer("depthwise, one pixel", (16, 6, 13, 12), (12, 1, 1, 1), (2, 3), groups=6),
    Layer("depthwise, one row of outputs", (32, 8, 3, 9), (8, 1, 3, 3), groups=8),
    Layer("depthwise, one sample", (1, 8, 30, 70), (8, 1, 5, 5), padding=TWO, groups=8),
    Layer("depthwise, beyond the image", (16, 8, 4, 5), (8, 1, 3, 5), (3, 2), ((5, 6), (6, 7)), (1, 2), 8),
    Layer("grouped", (8, 32, 16, 16), (48, 8, 3, 3), padding=ONE, groups=4),
    Layer("dilated", (4, 16, 24, 24), (16, 16, 3, 3), padding=TWO, dilation=(2, 2)),
    Layer("side by side", (8, 16, 16, 16), (24, 16, 2, 2), (2, 2)),
    Layer("side by side, a row left over", (8, 16, 17, 16), (24, 16, 2, 2), (2, 2)),
    Layer("more filters than columns", (2, 16, 9, 9), (80, 16, 3, 3), padding=ONE),
    Layer("one sample", (1, 32, 24, 24), (32, 32, 3, 3), padding=ONE),
    Layer("uneven", (6, 24, 29, 31), (16, 24, 3, 5), (2, 1), ((1, 0), (2, 3))),
]


of_a_network = pytest.mark.parametrize("layer", LAYERS, ids=str)


@pytest.fixture(autouse=True)
def threads_as_before():
    before = threads.get_num_threads()
    yield
    threads.set_num_threads(before)


@pytest.fixture(
    params=[
        # a chunk's bytes, columns, few columns, the least columns of a row, few channels, products at once, threads
        (1, 1, 1, 1, 0, 1, 2),
        (1000, 7, 2, 1, 99, 1000, 3),
        (1 << 40, 1 << 40, 1 << 40, 1, 99, 1 << 40, 1),
        (300, 5, 1, 8, 0, 2000, 2),
        (1 << 40, 64, 40, 1 << 40, 0, 4000, 3),
    ]
)
def cut_up(request, monkeypatch):
    """Nothing is small, and the parts are of another size."""
    chunk, columns, few_columns, narrow, few, products, count = request.param
    monkeypatch.setattr(lowering, "CHUNK_BYTES", chunk)
    monkeypatch.setattr(lowering, "COLUMNS", columns)
    monkeypatch.setattr(lowering, "FEW_COLUMNS", few_columns)
    monkeypatch.setattr(lowering, "NARROW", narrow)
    monkeypatch.setattr(depthwise, "NARROW", narrow)
    monkeypatch.setattr(convolution, "FILTERS_LAST", few)
    monkeypatch.setattr(lowering, "SMALL", products)
    monkeypatch.setattr(lowering, "SHARE", 1)
    monkeypatch.setattr(pointwise, "PIXELS", columns)
    monkeypatch.setattr(convolution, "FEW_CHANNELS", few)
    monkeypatch.setattr(convolution, "PIECES", 2)
    monkeypatch.setattr(convolution, "PIECE", 0)
    monkeypatch.setattr(layout, "SMALL_BYTES", 0)
    monkeypatch.setattr(layout, "PIECE_BYTES", chunk)
    monkeypatch.setattr(layout, "CONFLICT_BYTES", 4 if few else 1 << 10)
    monkeypatch.setattr(small, "PRODUCTS", -1)
    threads.set_num_threads(count)
    lowering.parts.cache_clear()
    yield
    lowering.parts.cache_clear()


@by_name(CASES)
def test_parts_of_any_size(case, cut_up):
    for name, arguments in convolution_calls(case, integers, np.float32):
        assert_fast_is_reference(name, arguments)


@pytest.mark.parametrize("layout", layouts(np.zeros((1, 1))))
@by_name(CASES, "plain", "everything", "groups", "kernel 1x1", "3d, everything")
def test_parts_of_any_layout(case, layout, cut_up):
    for name, arguments in convolution_calls(case, integers, np.float32):
        assert_fast_is_reference(name, tuple(in_layout(a, layout) for a in arguments))


def in_layout(a, layout):
    return layouts(a)[layout] if isinstance(a, np.ndarray) and a.ndim > 1 else a


@pytest.mark.parametrize("layout", layouts(np.zeros((1, 1))))
@of_a_network
def test_the_layers_of_networks(layer, layout):
    for name, arguments in layer.calls(integers, np.float32):
        assert_fast_is_reference(name, tuple(in_layout(a, layout) for a in arguments))


@of_a_network
def test_any_number_of_threads_gives_the_same_bits(layer):
    for name, arguments in layer.calls(normals, np.float32):
        results = []
        for count in (1, 2, 3):
            threads.set_num_threads(count)
            results.append(getattr(numpy_fast, name)(*arguments))
        for result in results[1:]:
            np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-6), (np.float64, 1e-14)])
@of_a_network
def test_rounding_is_that_of_the_dtype(layer, dtype, tolerance):
    for name, arguments in layer.calls(normals, dtype):
        exact = getattr(reference, name)(
            *(a.astype(np.longdouble) if isinstance(a, np.ndarray) else a for a in arguments)
        )
        actual = getattr(numpy_fast, name)(*arguments)
        assert actual.dtype == dtype
        assert np.linalg.norm(actual - exact) <= tolerance * np.linalg.norm(exact)


@of_a_network
def test_results_are_new_and_may_be_written_to(layer):
    for name, arguments in layer.calls(integers, np.float32):
        first, second = (getattr(numpy_fast, name)(*arguments) for _ in range(2))
        arrays = [a for a in arguments if isinstance(a, np.ndarray)]
        assert first.flags.writeable
        assert not any(np.shares_memory(first, other) for other in (second, *arrays))
        first[...] = 7
        assert_equal(second, getattr(reference, name)(*arguments))


def test_calls_from_several_threads_at_once():
    calls = LAYERS[-1].calls(integers, np.float32) * 4
    expected = [getattr(reference, name)(*arguments) for name, arguments in calls]
    with ThreadPoolExecutor(4) as pool:
        actual = list(pool.map(lambda call: getattr(numpy_fast, call[0])(*call[1]), calls))
    for a, e in zip(actual, expected, strict=True):
        assert_equal(a, e)


def test_infinite_and_undefined_pixels_stay_where_their_windows_are():
    """No zero of a padding or of a kernel is multiplied with what lies elsewhere."""
    for layer in LAYERS:
        for name, (x, *rest) in layer.calls(integers, np.float32):
            if name not in ("correlate", "correlate_kernel"):
                continue
            x = x.copy()
            x[0, 0, 2, 3], x[-1, -1, -1, -1] = np.inf, np.nan
            with np.errstate(invalid="ignore"):
                assert_equal(getattr(numpy_fast, name)(x, *rest), getattr(reference, name)(x, *rest))

"""oneDNN's convolutions against the definitions, over all cases, layouts and random shapes."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.kernels.calls import Layer, assert_fast_is_reference, convolution_calls
from tests.operands import assert_close, assert_equal, integers, layouts, normals
from tests.window_cases import CONVOLUTIONS, TRANSPOSED_CONVOLUTIONS, TransposedConvolution, by_name
from tinygrad_cnn.kernels import memory, onednn, reference
from tinygrad_cnn.kernels.onednn import direct, execution

pytestmark = pytest.mark.skipif(onednn.unavailable() is not None, reason=f"no oneDNN: {onednn.unavailable()}")


class TransposedLayer(TransposedConvolution):
    """The same for a transposed convolution."""

    @property
    def naive(self):
        return SimpleNamespace(z_shape=(self.x[0], *self.bias, *self.explicit[0]))


OF_LONG_SUMS = [  # of some 2,300 products, four times as many as the other layers have at most
    Layer("rows of few pixels", (2, 256, 4, 4), (272, 256, 3, 3), 1, 1),
    Layer("rows of few pixels, stride", (1, 257, 7, 6), (256, 257, 3, 3), 2, 1),
]

# In these the library takes its fast kernels: channels and images are not all tiny.
LAYERS = [
    Layer("first layer", (4, 1, 28, 28), (8, 1, 5, 5)),
    Layer("colours, stride", (2, 3, 33, 31), (16, 3, 7, 7), 2, 3),
    Layer("few channels", (4, 8, 14, 14), (16, 8, 5, 5)),
    Layer("channels that fill no vector", (2, 19, 9, 11), (37, 19, 3, 3), 1, 1),
    Layer("many channels", (2, 64, 8, 8), (64, 64, 3, 3), 1, 1),
    Layer("stride", (2, 64, 9, 8), (48, 64, 3, 3), 2, 1),
    Layer("1x1", (3, 48, 7, 5), (64, 48, 1, 1)),
    Layer("1x1, stride", (3, 32, 7, 5), (64, 32, 1, 1), 2),
    Layer("1x1, stride, border", (2, 32, 2, 2), (16, 32, 1, 1), 2, ((0, 1), (0, 1))),
    Layer("1x1, border", (2, 32, 3, 3), (16, 32, 1, 1), 1, ((1, 0), (0, 1))),
    Layer("depthwise", (2, 32, 10, 10), (32, 1, 3, 3), 1, 1, 1, 32),
    Layer("groups", (2, 32, 10, 10), (64, 8, 3, 3), 1, 1, 1, 4),
    Layer("dilation", (2, 32, 14, 14), (32, 32, 3, 3), 1, 2, 2),
    Layer("one image", (1, 32, 16, 16), (32, 32, 3, 3), 1, 1),
    Layer("one pixel", (5, 64, 1, 1), (32, 64, 1, 1)),
    Layer("3d", (2, 16, 5, 6, 7), (32, 16, 3, 3, 3), 1, 1),
    Layer("1d", (4, 16, 50), (32, 16, 5), 1, 2),
    TransposedLayer("doubling", (2, 64, 7, 7), (64, 32, 2, 2), 2),
    TransposedLayer("overlapping", (2, 32, 7, 7), (32, 32, 4, 4), 2, 1),
    TransposedLayer("to colours", (2, 16, 7, 7), (16, 3, 3, 3), 2, 1, 1),
    *OF_LONG_SUMS,
]


def check(name, arguments, tolerance=0):
    assert_fast_is_reference(name, arguments, tolerance, fast=onednn)


@by_name(CONVOLUTIONS + TRANSPOSED_CONVOLUTIONS + LAYERS)
def test_on_integers(case):
    """On small integers every order of summation gives the same, so equality is exact."""
    for name, arguments in convolution_calls(case, integers, np.float32):
        check(name, arguments)


@by_name(LAYERS)
def test_on_normal_numbers(case):
    for name, arguments in convolution_calls(case, normals, np.float32):
        check(name, arguments, tolerance=3e-6 if case in OF_LONG_SUMS else 2e-6)


@by_name(LAYERS)
def test_the_library_takes_them_all(case):
    for name, arguments in convolution_calls(case, integers, np.float32):
        assert getattr(onednn, name)(*arguments) is not NotImplemented


@pytest.mark.parametrize("layout", layouts(np.zeros((1, 1))))
@by_name(LAYERS)
def test_layouts(case, layout):
    for name, arguments in convolution_calls(case, integers, np.float32):
        check(name, tuple(layouts(a)[layout] if isinstance(a, np.ndarray) and a.ndim > 1 else a for a in arguments))


def test_any_strides():
    """Axes of size 1 with strides of their own, repeated rows, and all axes backwards."""
    x, weight = integers((1, 4, 6, 5), 1, np.float32), integers((3, 4, 2, 2), 2, np.float32)
    options = (1, 1), ((0, 0), (0, 0)), (1, 1), 1
    odd = np.lib.stride_tricks.as_strided(x, x.shape, (12344, *x.strides[1:]))
    repeated = np.broadcast_to(x[:, :, :1], x.shape)
    channel = np.lib.stride_tricks.as_strided(x, (4, 1, 6, 5), (x.strides[1], 4, *x.strides[2:]))
    for y, kernel in ((odd, weight), (repeated, weight), (x[::-1, ::-1, ::-1, ::-1], weight), (channel, weight[:, :1])):
        check("correlate", (y, kernel, None, *options))
        check("correlate", (y, kernel, np.ones(1, np.float32).repeat(6)[::2], *options))
        check("correlate_kernel", (y, np.ones((len(y), 2, 5, 4), np.float32), (2, 2), *options))


def test_bytes_that_are_not_aligned():
    x = np.frombuffer(b"." + integers((1, 2, 5, 5), 1, np.float32).tobytes(), np.float32, offset=1)
    x = x.reshape(1, 2, 5, 5)
    check("correlate", (x, integers((3, 2, 2, 2), 2, np.float32), None, (1, 1), ((0, 0), (0, 0)), (1, 1), 1))


def test_other_dtypes_are_declined():
    x, weight = np.ones((1, 1, 4, 4), np.float32), np.ones((1, 1, 2, 2), np.float32)
    options = (1, 1), ((0, 0), (0, 0)), (1, 1), 1
    double = np.float64
    assert onednn.correlate(x, weight.astype(double), None, *options) is NotImplemented
    assert onednn.correlate(x, weight, np.ones(1), *options) is NotImplemented
    assert onednn.full_correlate(x, weight.astype(double), (5, 5), *options) is NotImplemented
    assert onednn.conv_transpose(x, weight, np.ones(1), (5, 5), *options) is NotImplemented
    assert onednn.correlate_kernel(x, np.ones((1, 1, 3, 3)), (2, 2), *options) is NotImplemented


def test_what_is_not_finite_goes_through():
    x, weight = np.ones((1, 16, 6, 6), np.float32), np.ones((16, 16, 3, 3), np.float32)
    x[0, 3, 0, 0], x[0, 5, 5, 5] = np.nan, np.inf
    options = (1, 1), ((0, 0), (0, 0)), (1, 1), 1
    assert_equal(onednn.correlate(x, weight, None, *options), reference.correlate(x, weight, None, *options))


@by_name([case for case in LAYERS if case.n == 2 and case.x[1] > 3 and not case.name.endswith("1x1")])
def test_results_are_channels_last(case):
    for name, arguments in convolution_calls(case, integers, np.float32):
        z = getattr(onednn, name)(*arguments)
        if name != "correlate_kernel" and z.shape[1] > direct.COLOURS:
            assert memory.is_channels_last(z) or z.shape[2:] == (1, 1)


@pytest.mark.parametrize("size", [(5,), (4, 7), (2, 3, 4)])
@pytest.mark.parametrize("axes", ["first", "last", "mixed"])
@pytest.mark.parametrize(("n", "channels", "filters"), [(3, 5, 2), (1, 1, 4), (2, 40, 3), (2, 20, 70)])
def test_kernels_of_one_pixel_are_products(size, axes, n, channels, filters):
    x, dz = integers((n, channels, *size), 1, np.float32), integers((n, filters, *size), 2, np.float32)
    weight = integers((filters, channels, *(1,) * len(size)), 3, np.float32)
    if axes != "first":
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    if axes == "last":
        dz = np.moveaxis(np.ascontiguousarray(np.moveaxis(dz, 1, -1)), -1, 1)
    ones = (1,) * len(size)
    options = ones, ((0, 0),) * len(size), ones, 1
    for kernels in (weight, np.asfortranarray(weight)):
        check("correlate", (x, kernels, None, *options))
        check("correlate", (x, kernels, integers((filters,), 4, np.float32), *options))
        check("full_correlate", (dz, kernels, size, *options))
        check("conv_transpose", (dz, kernels, integers((channels,), 4, np.float32), size, *options))
    check("correlate_kernel", (x, dz, ones, *options))


def test_layers_in_channels_last_need_no_reorder_but_of_the_weights():
    options = (1, 1), ((1, 1), (1, 1)), (1, 1), 1
    for channels, filters in ((8, 16), (16, 16), (32, 64), (64, 64)):
        x = memory.empty((4, channels, 16, 16), np.float32, memory.channels_last(4))
        z = memory.empty((4, filters, 16, 16), np.float32, memory.channels_last(4))
        weight = np.empty((filters, channels, 3, 3), np.float32)
        for plan in (
            direct._correlate(x.shape, x.strides, weight.shape, weight.strides, None, *options),
            direct._scatter(z.shape, z.strides, weight.shape, weight.strides, (16, 16), *options),
            direct._correlate_kernel(x.shape, x.strides, z.shape, z.strides, (3, 3), *options),
        ):
            assert plan.kernel.reorders <= 1


def test_bfloat16_inside():
    x, weight = normals((4, 32, 16, 16), 1, np.float32), normals((32, 32, 3, 3), 2, np.float32)
    options = (1, 1), ((1, 1), (1, 1)), (1, 1), 1
    exact = onednn.correlate(x, weight, None, *options)
    with pytest.raises(ValueError, match=r"^set_precision: expected 'float32' or 'bfloat16' but got 'half'"):
        onednn.set_precision("half")
    if not onednn.describe().bfloat16:
        with pytest.raises(RuntimeError, match="no bfloat16"):
            onednn.set_precision("bfloat16")
        return
    onednn.set_precision("bfloat16")
    try:
        assert onednn.get_precision() == "bfloat16"
        rough = onednn.correlate(x, weight, None, *options)
        for case in LAYERS:
            for name, arguments in convolution_calls(case, integers, np.float32):
                check(name, arguments)  # these integers have less than 8 bits, so that it stays exact
    finally:
        onednn.set_precision("float32")
    assert rough.dtype == np.float32
    assert not np.array_equal(rough, exact)
    assert_close(rough, exact, 2**-7)
    assert_equal(onednn.correlate(x, weight, None, *options), exact)


def test_the_cache_is_bounded_and_what_falls_out_is_destroyed(monkeypatch):
    made = []
    monkeypatch.setattr(execution, "CACHED", 4)

    @execution.cached
    def build(i):
        made.append(i)
        if i == 7:
            raise execution.UnsupportedError
        return object()

    assert build(7) is None
    assert build(7) is None
    assert made == [7]
    for _ in range(2):
        for i in range(5):
            build(i)
    assert build.cache_info().currsize == 4
    assert len(made) == 11

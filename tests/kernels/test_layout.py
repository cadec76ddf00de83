"""Images laid out with the batch, or the filters, innermost: the same numbers at the same places."""

import numpy as np
import pytest

from tests.operands import assert_equal, layouts, normals
from tinygrad_cnn.kernels import blas
from tinygrad_cnn.kernels.numpy_fast import layout
from tinygrad_cnn.kernels.numpy_fast.layout import batch_last, channels_first, filters_last, turnable, turned

SHAPES = [(5, 3, 4, 6), (32, 3, 9, 8), (1, 4, 5, 5), (7, 1, 3, 2), (4, 6, 5), (3, 2, 2, 3, 4)]
REGIONS = [(0, 0), (-1, 1), (-2, 0), (1, -1), (0, 3), (-9, -20)]
"""What is added to where an axis begins and ends."""


@pytest.fixture(params=["OpenBLAS", "NumPy", "OpenBLAS, in pieces"])
def _by(request, monkeypatch):
    if request.param == "NumPy":
        monkeypatch.setattr(blas, "routine", lambda *arguments: None)
    if "pieces" in request.param:
        monkeypatch.setattr(layout, "SMALL_BYTES", 0)
        monkeypatch.setattr(layout, "PIECE_BYTES", 300)
    layout._omatcopy.cache_clear()
    yield
    layout._omatcopy.cache_clear()


def of_all_images(test):
    """The test for all shapes, orders in memory and dtypes, by OpenBLAS and without."""
    for name, values in (("dtype", [np.float32, np.float64]), ("order", layouts(np.zeros((1, 1)))), ("shape", SHAPES)):
        test = pytest.mark.parametrize(name, values, ids=str)(test)
    return pytest.mark.usefixtures("_by")(test)


def images(shape, dtype, order):
    """Images with an infinity, a NaN and a negative zero."""
    x = normals(shape, 0, dtype)
    x.reshape(-1)[:3] = np.inf, np.nan, -0.0
    return layouts(x)[order]


def bits(x):
    return np.ascontiguousarray(x).view(f"u{x.itemsize}")


@of_all_images
def test_a_region_of_images_with_the_batch_innermost(shape, order, dtype):
    x = images(shape, dtype, order)
    for before, after in REGIONS:
        region = tuple((before, max(m + after, before + 1)) for m in shape[2:])
        y = batch_last(x, region)
        seen = (slice(9 + a, 9 + b) for a, b in region)
        expected = np.moveaxis(np.pad(x, ((0, 0), (0, 0), *(((9, 9),) * len(region))))[(..., *seen)], 0, -1)
        assert_equal(bits(y), bits(expected))


@of_all_images
def test_filters_innermost(shape, order, dtype):
    x = images(shape, dtype, order)
    y = filters_last(x)
    assert_equal(bits(y), bits(np.moveaxis(x, 0, -1)))
    assert y.transpose(*range(1, y.ndim), 0).flags.c_contiguous


@of_all_images
def test_some_images_or_some_rows_of_one_with_the_channels_last(shape, order, dtype):
    x = images(shape, dtype, order)
    y = turnable(x)
    for some in (slice(None), slice(1, 3), slice(0, 1)):
        assert_equal(bits(turned(y[some])), bits(np.moveaxis(x[some], 1, -1)))
    assert_equal(bits(turned(y[:1, :, 1:3])), bits(np.moveaxis(x[:1, :, 1:3], 1, -1)))


@of_all_images
def test_channels_first(shape, order, dtype):
    x = images(shape, dtype, order)
    assert_equal(bits(channels_first(x)), bits(x))
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    assert_equal(bits(channels_first(last)), bits(x))

"""oneDNN's elementwise work, sums of rows and copies against NumPy's, and what they leave to others."""

import numpy as np
import pytest

from tests.operands import assert_close, assert_equal, integers, layouts, normals, specials
from tinygrad_cnn.kernels import dispatch, elementary, memory, onednn, sums
from tinygrad_cnn.kernels.onednn import elementwise
from tinygrad_cnn.kernels.onednn.sums import WIDTH

pytestmark = pytest.mark.skipif(onednn.unavailable() is not None, reason=f"no oneDNN: {onednn.unavailable()}")

SHAPES = [(1,), (7,), (16,), (1031,), (3, 5), (2, 3, 5, 7), (4, 16, 9, 1), (1, 3, 33, 31), (70_001,)]


def channels_last(x):
    z = memory.empty(x.shape, x.dtype, memory.channels_last(x.ndim)) if x.ndim > 2 else x.copy()
    z[...] = x
    return z


@pytest.mark.parametrize("make", [normals, specials])
@pytest.mark.parametrize("arranged", [np.copy, channels_last])
@pytest.mark.parametrize("shape", SHAPES)
def test_relu(shape, arranged, make):
    x = arranged(make(shape, 1, np.float32))
    before = x.copy()
    z = onednn.relu(x)
    assert_equal(z, np.where(x <= 0, np.float32(0), x))
    assert z.dtype == np.float32
    assert z.strides == x.strides
    assert not np.signbit(z[z == 0]).any()
    assert_equal(x, before)


@pytest.mark.parametrize("arranged", [np.copy, channels_last])
@pytest.mark.parametrize("shape", [s for s in SHAPES if np.prod(s) >= WIDTH])
def test_gradient_of_relu(shape, arranged):
    x, dz = arranged(specials(shape, 1, np.float32)), normals(shape, 2, np.float32)
    z = elementary.relu(x)
    for upstream in (arranged(dz), dz):
        copy = upstream.copy()
        assert_equal(onednn.relu_gradient(upstream, z), np.where(z <= 0, np.float32(0), dz))
        assert_equal(upstream, copy)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 5_000, 17_402])
@pytest.mark.parametrize("is_offered", [False, True])
def test_what_is_not_finite_passes_relu_where_it_is_positive_only(value, place, is_offered):
    for positive in (0, 1):
        z, dz = np.zeros(17_403, np.float32), normals((17_403,), 1, np.float32)
        dz[place], z[place] = value, positive
        expected = np.zeros_like(dz)
        expected[place] = value if positive else 0
        memory.offer(dz if is_offered else None)
        dx = onednn.relu_gradient(dz, z)
        memory.offer(None)
        assert_equal(dx, expected)


def test_an_offered_gradient_is_written_over():
    dz, z = normals((20_000,), 1, np.float32), elementary.relu(normals((20_000,), 2, np.float32))
    expected = np.where(z > 0, dz, 0)
    memory.offer(dz)
    assert onednn.relu_gradient(dz, z) is dz
    memory.offer(None)
    assert_equal(dz, expected)
    assert onednn.relu_gradient(dz, z) is not dz


@pytest.mark.parametrize("make", [normals, specials])
@pytest.mark.parametrize("shape", SHAPES)
def test_sums_of_two(shape, make):
    x, y = make(shape, 1, np.float32), make(shape, 2, np.float32)
    with np.errstate(invalid="ignore"):
        expected = x + y
    for arranged in (np.copy, channels_last):
        a, b = arranged(x), arranged(y)
        assert_equal(onednn.add(a, b), expected)
        assert onednn.add(a, b, a) is a
        assert_equal(a, expected)
        assert onednn.add(arranged(x), b, b) is b
        assert_equal(b, expected)


@pytest.mark.parametrize("make", [normals, specials])
@pytest.mark.parametrize("shape", SHAPES)
def test_differences_and_products(shape, make):
    x, y, number = make(shape, 1, np.float32), make(shape, 2, np.float32), np.float32(-0.3)
    with np.errstate(invalid="ignore"):
        for arranged in (np.copy, channels_last):
            assert_equal(onednn.subtract(arranged(x), arranged(y)), x - y)
            assert_equal(onednn.multiply(arranged(x), arranged(y)), x * y)
            assert_equal(onednn.multiply(arranged(x), number), x * number)
            assert_equal(onednn.add(arranged(x), number), x + number)


@pytest.mark.parametrize("shape", SHAPES)
def test_scaled_sums(shape):
    x, y = integers(shape, 1, np.float32), integers(shape, 2, np.float32)
    z = y.copy()
    assert onednn.add_scaled(z, x, -0.25) is z
    assert_equal(z, y - np.float32(0.25) * x)


@pytest.mark.parametrize("name", layouts(np.zeros((1, 1))))
def test_other_layouts(name):
    x, y = normals((5, 8, 21, 21), 1, np.float32), normals((5, 8, 21, 21), 2, np.float32)
    other = layouts(x)[name]
    with dispatch.using("onednn"):
        assert_equal(dispatch.relu(other), np.maximum(x, 0))
        assert_equal(dispatch.relu_gradient(other, elementary.relu(y)), np.where(y <= 0, 0, x))
        assert_equal(dispatch.add(other, y), x + y)
        assert_equal(dispatch.copy(other, np.empty_like(x)), x)
        assert_close(dispatch.sum(other, (0, 2, 3)), x.astype(np.float64).sum(axis=(0, 2, 3)), 1e-5)


def test_what_lies_differently_or_is_no_float32_is_declined():
    x = np.ones((4, 5, 6), np.float32)
    for y in (x.transpose(0, 2, 1).copy().transpose(0, 2, 1), x.astype(np.float64), x[:2], 1.0, np.float64(1), x[0]):
        for operation in (onednn.add, onednn.subtract, onednn.multiply):
            assert operation(x, y) is NotImplemented
    assert onednn.add(x, x, np.empty((4, 5, 6))) is NotImplemented
    for gaps in (x[:, ::2], x[::-1], np.broadcast_to(x[:1], x.shape)):
        assert onednn.relu(gaps) is NotImplemented
        assert onednn.add(gaps, gaps) is NotImplemented
        assert onednn.relu_gradient(x[: len(gaps), : gaps.shape[1]], gaps) is NotImplemented
    assert onednn.copy(x, np.empty(x.shape)) is NotImplemented


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (4099, 3), (17, 300), (9, 8, 5, 5), (40, 3, 31, 31), (3, 257, 9, 2)])
def test_sums_of_rows(shape):
    x, axis = channels_last(integers(shape, 1, np.float32)), (0, *range(2, len(shape)))
    total = onednn.sum(x, axis)
    assert_equal(total, x.sum(axis=axis))
    assert total.dtype == np.float32
    assert_equal(onednn.sum(x, axis[::-1], True), x.sum(axis=axis, keepdims=True))
    rows = x.transpose(memory.channels_last(x.ndim)).reshape(-1, shape[1])
    assert_equal(onednn.of_rows(rows), total)
    assert_equal(sums.of_rows(rows), total)


def test_long_sums_are_as_accurate_as_numpys():
    x = normals((200_000, 8), 1, np.float32) + np.float32(1)
    assert_close(onednn.of_rows(x) / 200_000, x.astype(np.float64).mean(axis=0), 1e-6)


def test_sums_that_are_declined():
    x = np.ones((4, 5, 6, 7), np.float32)
    assert onednn.sum(x, (0, 2, 3)) is NotImplemented  # channels-first
    last = channels_last(x)
    for axis in ((1,), (0,), (2, 3), (0, 1, 2, 3)):
        assert onednn.sum(last, axis) is NotImplemented
    assert onednn.sum(x[0, 0, 0], (0,)) is NotImplemented
    assert onednn.of_rows(x[0, 0].T) is NotImplemented
    assert onednn.of_rows(x[0, 0, :0]) is NotImplemented


@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 5, 7), (64, 16, 5, 5), (1, 2, 64, 64)])
def test_copies(shape):
    x = normals(shape, 1, np.float32)
    wide = np.zeros((shape[0], shape[1] + 3, *shape[2:]), np.float32)
    for arranged in (np.copy, channels_last):
        assert_equal(onednn.copy(arranged(x), np.empty_like(x)), x)
        z = channels_last(np.zeros_like(x))
        assert onednn.copy(arranged(x), z) is z
        assert_equal(z, x)
        part = channels_last(wide)
        onednn.copy(arranged(x), part[:, 1:-2])
        assert_equal(part[:, 1:-2], x)
        assert not part[:, 0].any()
        assert not part[:, -2:].any()
        assert_equal(onednn.copy(part[:, 1:-2], np.empty_like(x)), x)


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (64, 96), (1024, 1024), (3, 70_001)])
def test_a_row_is_added_to_every_row(shape):
    matrix, row = integers(shape, 1, np.float32), integers(shape[1:], 2, np.float32)
    expected = matrix + row
    elementwise.add_row(matrix, row)
    assert_equal(matrix, expected)

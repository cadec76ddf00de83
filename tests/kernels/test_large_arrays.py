"""Elementwise functions of large arrays, in blocks and on threads: NumPy's own numbers in every memory order."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import layouts, normals, specials
from tinygrad_cnn.kernels import blocks, elementary

SHAPE = (5, 8, 21, 21)  # 17,640 numbers
floats = pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
layout = pytest.mark.parametrize("layout", ["plain", *layouts(np.zeros((1, 1)))])
UNARY = {"relu": lambda x: np.where(x <= 0, 0, x), "exp": np.exp, "tanh": np.tanh, "sin": np.sin, "floor": np.floor}
BINARY = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply}


@pytest.fixture(autouse=True, params=[1, 2, 3])
def small_blocks(request, monkeypatch):
    """Blocks of a thousand numbers on so many threads."""
    before = tg.get_num_threads()
    tg.set_num_threads(request.param)
    monkeypatch.setattr(blocks, "BLOCK", 1000)
    monkeypatch.setattr(blocks, "SHARED", 0)
    yield
    tg.set_num_threads(before)


def arranged(array, layout):
    return array if layout == "plain" else layouts(array)[layout]


def assert_same(actual, expected):
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected)


def test_the_arrays_are_large():
    assert np.prod(SHAPE) >= blocks.LARGE


@floats
@layout
@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_array(name, layout, dtype):
    for make in (normals, specials):
        x = make(SHAPE, 1, dtype)
        with np.errstate(invalid="ignore"):
            z, expected = getattr(elementary, name)(arranged(x, layout)), UNARY[name](x)
        np.testing.assert_allclose(z, expected, rtol=4 * np.finfo(dtype).eps)  # vector and scalar code may differ
        assert z.dtype == dtype


@layout
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_arrays(name, layout):
    for make in (normals, specials):
        x, y = make(SHAPE, 1, np.float32), make(SHAPE, 2, np.float32)
        with np.errstate(invalid="ignore"):
            expected = BINARY[name](x, y)
            assert_same(getattr(elementary, name)(arranged(x, layout), y), expected)
            assert_same(getattr(elementary, name)(arranged(x, layout), arranged(y, layout)), expected)


@pytest.mark.parametrize("name", BINARY)
def test_what_differs_in_shape_or_dtype_is_numpys(name):
    x = normals(SHAPE, 1, np.float32)
    others = [normals(SHAPE, 2), normals(SHAPE[1:], 2, np.float32), normals((8, 1, 1), 2), 2.0, np.float32(2), 3]
    for other in others:
        assert_same(getattr(elementary, name)(x, other), BINARY[name](x, other))
        assert_same(getattr(elementary, name)(other, x), BINARY[name](other, x))
    counts = np.arange(np.prod(SHAPE))
    assert_same(getattr(elementary, name)(counts, counts), BINARY[name](counts, counts))


def test_sigmoid_is_exact_at_both_ends():
    x = np.linspace(-120, 120, 40_001)
    z = elementary.sigmoid(x.astype(np.float32))
    expected = np.where(x > 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))
    np.testing.assert_allclose(elementary.sigmoid(x), expected, rtol=1e-15)
    np.testing.assert_allclose(z, expected, rtol=1e-5, atol=1e-44)
    special = np.resize(np.array([np.nan, np.inf, -np.inf, 0.0, -0.0]), 20_000)
    assert_same(elementary.sigmoid(special), np.resize(np.array([np.nan, 1.0, 0.0, 0.5, 0.5]), 20_000))


@floats
@layout
def test_the_gradient_of_relu(layout, dtype):
    """It passes where the result is positive or NaN, whatever it is: infinite, NaN, or of either sign."""
    x, dz = specials(SHAPE, 1, dtype), specials(SHAPE, 2, dtype)
    z = elementary.relu(arranged(x, layout))
    expected = np.where(x <= 0, 0, dz)
    assert_same(elementary.relu_gradient(dz, z), expected)
    assert_same(elementary.relu_gradient(arranged(dz, layout), z), expected)
    assert_same(elementary.relu_gradient(np.broadcast_to(dz[:1], SHAPE), z), np.where(x <= 0, 0, dz[:1]))


@floats
@pytest.mark.parametrize("size", [blocks.LARGE - 1, blocks.LARGE, 3 * 8192 + 7])
def test_relu_of_both_signs_of_everything(size, dtype, monkeypatch):
    """In long rows and what is left over: where zeros of either sign came in nothing passes, where NaN did all does."""
    monkeypatch.setattr(blocks, "BLOCK", 1 << 20)
    tiny = np.finfo(dtype).smallest_subnormal
    positive = np.array([0, np.nan, np.inf, 1, tiny], dtype)
    x = np.resize(np.concatenate([positive, np.copysign(positive, dtype(-1))]), size)
    z, dz = elementary.relu(x), np.arange(1, size + 1).astype(dtype)
    assert_same(z, np.where((x > 0) | np.isnan(x), x, 0).astype(dtype))
    assert_same(elementary.relu_gradient(dz, z), np.where((x > 0) | np.isnan(x), dz, 0).astype(dtype))


@layout
def test_a_product_with_a_number(layout):
    x = specials(SHAPE, 1, np.float32)
    for factor in (np.float32(3), np.float64(3), 3, 3.0):
        with np.errstate(invalid="ignore"):
            assert_same(elementary.multiply(arranged(x, layout), factor), x * factor)


@floats
@layout
def test_dropout(layout, dtype):
    x = normals(SHAPE, 1, dtype)
    view = arranged(x, layout)
    z = tg.dropout(view, 0.25, seed=1)
    assert z.dtype == dtype
    kept = z != 0
    assert 0.7 < kept.mean() < 0.8
    precision = max(np.finfo(dtype).eps, np.finfo(float).eps)  # the factor is a Python float
    np.testing.assert_allclose(z, np.where(kept, x / dtype(0.75), 0), rtol=4 * precision)
    planes = tg.dropout2d(view, 0.25, seed=1)
    np.testing.assert_array_equal(planes != 0, np.broadcast_to((planes != 0)[..., :1, :1], SHAPE))


def test_channels_last_memory_stays_so():
    x = layouts(normals(SHAPE, 1, np.float32))["channels last"]
    y = layouts(normals(SHAPE, 2, np.float32))["channels last"]
    for z in (
        elementary.relu(x), elementary.relu_gradient(y, x), elementary.exp(x), elementary.sigmoid(x),
        elementary.add(x, y), elementary.where(x > 0, x, y), elementary.where(x > 0, x, 0),
    ):  # fmt: skip
        assert z.strides == x.strides


def test_the_callers_choice_of_warnings_holds_on_every_thread():
    x = np.full(SHAPE, 1e3, np.float32)
    with np.errstate(over="ignore"):
        assert np.isinf(elementary.exp(x)).all()
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        elementary.exp(x)


def test_a_step_through_large_tensors():
    x, y = (tg.tensor(normals(SHAPE, i), requires_grad=True) for i in (1, 2))
    (tg.relu(x * y - x) + y).sum().backward()
    a, b = normals(SHAPE, 1), normals(SHAPE, 2)
    is_through = a * b - a > 0
    np.testing.assert_array_equal(x.grad.numpy(), np.where(is_through, b - 1, 0))
    np.testing.assert_array_equal(y.grad.numpy(), np.where(is_through, a, 0) + 1)

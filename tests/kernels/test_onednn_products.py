"""oneDNN's matrix products against NumPy's."""

import numpy as np
import pytest

from tests.operands import assert_close, assert_equal, integers, normals
from tinygrad_cnn.kernels import onednn
from tinygrad_cnn.kernels.onednn import products

pytestmark = pytest.mark.skipif(onednn.unavailable() is not None, reason=f"no oneDNN: {onednn.unavailable()}")


@pytest.fixture
def no_small(monkeypatch):
    """Small products, too, are made by the library."""
    monkeypatch.setattr(products, "SMALL", 0)


SHAPES = [(1, 1, 1), (1, 7, 5), (7, 1, 5), (5, 7, 1), (1, 1, 9), (17, 19, 23), (64, 120, 84), (33, 128, 65)]


def views(x):
    """The same matrix in memory orders that a caller may have."""
    room = np.zeros((2 * x.shape[0], 3 * x.shape[1]), x.dtype)
    room[::2, ::3] = x
    gaps = np.zeros((x.shape[0], x.shape[1] + 5), x.dtype)
    gaps[:, 2:-3] = x
    frozen = x.copy()
    frozen.flags.writeable = False
    backwards = x[::-1, ::-1].copy()[::-1, ::-1]
    return [x, x.T.copy().T, room[::2, ::3], gaps[:, 2:-3], gaps.T.copy().T[:, 2:-3], frozen, backwards]


@pytest.mark.usefixtures("no_small")
@pytest.mark.parametrize("shape", SHAPES)
def test_products_in_every_layout(shape):
    m, k, n = shape
    x, y, bias = (integers(s, i, np.float32) for i, s in enumerate([(m, k), (k, n), (n,)]))
    for a in views(x):
        for b in views(y):
            assert_equal(onednn.matmul(a, b), x @ y)
            assert_equal(onednn.linear(a, b.T, bias), x @ y + bias)
            assert_equal(onednn.linear(a, b.T, bias[::-1]), x @ y + bias[::-1])
    assert_equal(onednn.linear(x, y.T, None), x @ y)


@pytest.mark.usefixtures("no_small")
def test_repeated_rows():
    x, y = integers((1, 40), 1, np.float32), integers((40, 30), 2, np.float32)
    repeated = np.broadcast_to(x, (20, 40))
    assert_equal(onednn.matmul(repeated, y), repeated @ y)
    assert_equal(onednn.matmul(y.T, repeated.T), y.T @ repeated.T)


def test_rounding():
    x, y = normals((200, 300), 1, np.float32), normals((300, 100), 2, np.float32)
    assert_close(onednn.matmul(x, y), x.astype(np.float64) @ y.astype(np.float64), 2e-6)


@pytest.mark.usefixtures("no_small")
def test_what_is_declined():
    x = np.ones((3, 4), np.float32)
    assert onednn.matmul(x, np.ones((4, 2))) is NotImplemented
    assert onednn.linear(x, x, np.ones(3)) is NotImplemented
    assert onednn.matmul(x[:0], x.T) is NotImplemented
    assert onednn.matmul(x[:, :0], x[:, :0].T) is NotImplemented


def test_small_products_are_left_to_numpy():
    x = np.ones((8, 8), np.float32)
    assert onednn.matmul(x, x) is NotImplemented

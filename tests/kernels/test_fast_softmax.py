"""The cross entropy of labels in blocks against sums over every class, in double precision."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import layouts, normals
from tinygrad_cnn.kernels import blocks, numpy_fast, softmax


@pytest.fixture(params=[1, 2, 3])
def threads(request, monkeypatch):
    """Blocks of a few samples on so many threads."""
    before = tg.get_num_threads()
    tg.set_num_threads(request.param)
    monkeypatch.setattr(blocks, "BLOCK", 20)
    monkeypatch.setattr(blocks, "SHARED", 0)
    yield request.param
    tg.set_num_threads(before)


def exact(x, labels):
    x = x.astype(np.float64)
    with np.errstate(invalid="ignore"):
        p = np.exp(x - x.max(axis=1, keepdims=True))
        total = p.sum(axis=1)
        p /= total[:, None]
    onehot = np.arange(x.shape[1]) == labels[:, None]
    return np.log(total) + x.max(axis=1) - x[onehot], p - onehot


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("shift", [0, 1000])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (5, 3), (40, 9), (0, 4)])
def test_losses_and_gradients(shape, shift, dtype, tolerance):
    x = normals(shape, 1, dtype) * 5 + dtype(shift)
    labels = np.random.default_rng(2).integers(0, shape[1], shape[0])
    before = x.copy()
    for logits in (x, layouts(x)["read-only"]):
        losses, difference = numpy_fast.cross_entropy_of_labels(logits, labels)
        expected = exact(x, labels)
        np.testing.assert_allclose(losses, expected[0], rtol=tolerance, atol=20 * tolerance)
        np.testing.assert_allclose(difference, expected[1], rtol=0, atol=tolerance)
        assert losses.dtype == difference.dtype == dtype
        for module in (numpy_fast, softmax):
            again, share = module.cross_entropy_of_labels(logits, labels, 7)
            np.testing.assert_allclose(again, losses, rtol=tolerance, atol=20 * tolerance)
            np.testing.assert_allclose(share, expected[1] / 7, rtol=0, atol=tolerance)
            assert share.dtype == dtype
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("gap", [0, 1, 10, 50, 200])
@pytest.mark.parametrize("largest", [-1000, -16.5, -15.5, 0, 15.5, 16.5, 1000])
def test_a_sure_class(largest, gap):
    """One class so far above the others, wherever they lie, with labels of it and of another."""
    x = normals((8, 5), 1, np.float32) - np.float32(3)
    x += np.float32(largest - gap) - x.max(axis=1, keepdims=True)
    x[:, 2] = largest
    labels = np.array([2, 0] * 4)
    losses, difference = numpy_fast.cross_entropy_of_labels(x, labels)
    expected = exact(x, labels)
    np.testing.assert_allclose(losses, expected[0], rtol=3e-6, atol=3e-7)
    np.testing.assert_allclose(difference, expected[1], rtol=1e-5, atol=3e-7)


@pytest.mark.usefixtures("threads")
def test_an_impossible_class():
    x, labels = normals((6, 5), 1), np.array([0, 1, 2, 3, 4, 0])
    x[:, 1] = -np.inf
    with np.errstate(invalid="ignore"):
        losses, difference = numpy_fast.cross_entropy_of_labels(x, labels)
    assert losses[1] == np.inf
    assert np.isfinite(losses[[0, 2, 3, 4, 5]]).all()
    assert (difference[[0, 2, 3, 4, 5], 1] == 0).all()
    assert difference[1, 1] == -1


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_other_floats_are_left_to_the_definition(dtype):
    assert numpy_fast.cross_entropy_of_labels(np.ones((3, 4), dtype), np.zeros(3, int)) is NotImplemented


def test_gaps_are_left_to_the_definition():
    for name in ("Fortran", "every second", "backwards"):
        view = layouts(normals((3, 4), 1))[name]
        assert numpy_fast.cross_entropy_of_labels(view, np.zeros(3, int)) is NotImplemented


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (1, 32), (40, 2), (5, 32), (5, 33)])
@pytest.mark.parametrize("value", [1.0, np.nan, np.inf, -np.inf])
def test_rows_are_shifted_by_their_maxima(shape, value):
    x = normals(shape, 1)
    x[: shape[0] // 2, -1] = value
    for view in layouts(x).values():
        with np.errstate(invalid="ignore"):
            expected = [[element - max(row, key=lambda e: (np.isnan(e), e)) for element in row] for row in view]
            np.testing.assert_array_equal(softmax.shifted(view, 1), np.reshape(expected, shape))

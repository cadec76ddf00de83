"""oneDNN's cross entropy against float64, and what it leaves to others."""

import numpy as np
import pytest

from tests.operands import assert_close, assert_equal, normals
from tinygrad_cnn.kernels.onednn import library, softmax


@pytest.fixture(autouse=True)
def _library():
    try:
        library.load()
    except library.UnusableError as why:
        pytest.skip(f"no oneDNN: {why}")


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (2, 2), (64, 10), (5, 17), (256, 1000)])
@pytest.mark.parametrize("scale", [0.0, 1.0, 8.0])
def test_losses_and_gradients(shape, scale):
    x, labels = (normals(shape, 1) * scale).astype(np.float32), np.random.default_rng(2).integers(0, shape[1], shape[0])
    copy = x.copy()
    losses, difference = softmax.cross_entropy_of_labels(x, labels)
    e = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    each = np.arange(shape[0])
    assert losses.dtype == difference.dtype == np.float32
    assert_close(losses, -np.log(p[each, labels]), 1e-6)
    p[each, labels] -= 1
    assert_close(difference, p, 1e-6)
    for count in (2, 7, shape[0]):
        again, share = softmax.cross_entropy_of_labels(x, labels, count)
        assert_close(again, losses, 1e-6)
        assert_close(share * count, p, 1e-6)
    assert_equal(x, copy)


def test_large_logits_do_not_overflow():
    losses, difference = softmax.cross_entropy_of_labels(np.float32([[1e30, 1e30], [3e38, 3e38]]), np.array([0, 1]))
    assert_close(losses, np.log([2.0, 2.0]), 1e-6)
    assert_equal(difference, np.array([[-0.5, 0.5], [0.5, -0.5]]))


@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf])
@pytest.mark.parametrize("column", [0, 3])
def test_what_is_not_finite_is_left_to_numpy(value, column):
    x = np.zeros((4, 5), np.float32)
    x[2, column] = value
    assert softmax.cross_entropy_of_labels(x, np.array([0, 0, 0, 0])) is NotImplemented


def test_probabilities_that_vanish_are_left_to_numpy():
    x = np.float32([[0, 200], [0, 0]])
    assert softmax.cross_entropy_of_labels(x, np.array([0, 0])) is NotImplemented
    assert softmax.cross_entropy_of_labels(x, np.array([1, 0])) is not NotImplemented
    x[0, 0] = -np.inf
    assert softmax.cross_entropy_of_labels(x, np.array([0, 0])) is NotImplemented
    losses, difference = softmax.cross_entropy_of_labels(x, np.array([1, 0]))
    assert losses[0] == 0
    assert_equal(difference[0], np.zeros(2))


def test_other_layouts_and_no_samples_are_left_to_numpy():
    x = np.zeros((4, 5), np.float32)
    for view in (x.T, x[:, ::2], x[:0]):
        assert softmax.cross_entropy_of_labels(view, np.zeros(len(view), int)) is NotImplemented

"""Padding against PyTorch's in float64: values, and gradients of the first two orders."""

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

import tinygrad_cnn as tg
from tests.operands import assert_close, assert_equal, normals, tensors

pytestmark = pytest.mark.torch

MODES = ["zeros", "reflect", "replicate", "circular"]


def compare(shape, widths, mode, **value):
    """Of the square of a padded image, so that the second order is not zero."""
    x, u = normals(shape, 1), normals(shape, 3)
    (X,) = tensors(x)
    Z = tg.pad(X, ((0, 0), (0, 0), *widths), mode, **value)
    dz = normals(Z.shape, 2)
    (first,) = tg.grad(Z**2, X, dz, create_graph=True)
    (second,) = tg.grad(first, X, u)

    theirs = torch.tensor(x, requires_grad=True)
    flat = [width for pair in reversed(widths) for width in pair]
    padded = torch.nn.functional.pad(theirs, flat, "constant" if mode == "zeros" else mode, **value)
    (torch_first,) = torch.autograd.grad(padded**2, theirs, torch.tensor(dz), create_graph=True)
    (torch_second,) = torch.autograd.grad(torch_first, theirs, torch.tensor(u))
    assert_equal(Z.numpy(), padded.detach().numpy())
    assert_close(first.numpy(), torch_first.detach().numpy(), 1e-14)
    assert_close(second.numpy(), torch_second.numpy(), 1e-14)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(5,), (3, 4), (3, 2, 4)])
def test_every_side_on_its_own_and_all_at_once(mode, size):
    for axis in range(len(size)):
        for side in (0, 1):
            for width in range(size[axis]):
                widths = [[0, 0] for _ in size]
                widths[axis][side] = width
                compare((2, 3, *size), tuple(map(tuple, widths)), mode)
    compare((2, 3, *size), tuple((n - 1, n - 2) for n in size), mode)


@pytest.mark.parametrize("mode", ["zeros", "replicate", "circular"])
def test_widths_that_only_reflection_forbids(mode):
    compare((1, 2, 3, 4), ((3, 3), (4, 4)), mode)
    compare((1, 2, 1, 1), ((1, 0), (1, 1)), mode)


def test_replication_wider_than_the_image():
    compare((1, 2, 2, 1), ((5, 1), (0, 9)), "replicate")


def test_a_value():
    compare((1, 1, 2, 3), ((1, 2), (0, 1)), "zeros", value=-1.5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_gradients_of_other_precisions(mode, dtype):
    x, dz = normals((2, 3, 8, 9), 1, dtype), normals((2, 3, 13, 12), 2, dtype)
    (X,) = tensors(x)
    tg.pad(X, ((0, 0), (0, 0), (2, 3), (3, 0)), mode).backward(dz)
    theirs = torch.tensor(x, requires_grad=True)
    torch.nn.functional.pad(theirs, (3, 0, 2, 3), "constant" if mode == "zeros" else mode).backward(torch.tensor(dz))
    assert X.grad.dtype == dtype
    assert_close(X.grad.numpy(), theirs.grad.numpy(), 2e-3 if dtype is np.float16 else 1e-6)

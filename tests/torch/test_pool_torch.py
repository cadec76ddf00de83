"""Max and average pooling against PyTorch in float64: values, winners among ties, and gradients."""

from math import prod

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

import tinygrad_cnn as tg
from tests.operands import assert_close, assert_equal, integers, normals, specials, tensors
from tests.window_cases import POOLINGS, by_name

pytestmark = pytest.mark.torch


def is_native(case):
    """Whether PyTorch's own pooling has this padding: the same on both sides, and at most half of the window."""
    kernel, _, pads, _, _ = case.explicit
    return all(before == after <= k // 2 for k, (before, after) in zip(kernel, pads, strict=True))


def padded(case, x, value=0.0):
    pads = case.explicit[2]
    return torch.nn.functional.pad(x, tuple(width for pair in reversed(pads) for width in pair), value=value)


def torch_max(case, x):
    kernel, stride, pads, dilation, ceil_mode = case.explicit
    pool = getattr(torch.nn.functional, f"max_pool{case.n}d")
    if is_native(case):
        return pool(x, kernel, stride, [before for before, _ in pads], dilation, ceil_mode)
    return pool(padded(case, x, -torch.inf), kernel, stride, 0, dilation)


NATIVE = [case for case in POOLINGS if is_native(case)]


@by_name(NATIVE)
def test_a_nan_wins_and_the_padding_never_does(case):
    """The gradient of a window without a NaN is PyTorch's too; among several NaNs PyTorch's goes to the last."""
    x = specials(case.x, 1)
    assert_equal(case.max(x), torch_max(case, torch.tensor(x)).numpy())
    assert_same_max_pool(case, np.where(np.isnan(x), 1.0, x))


@pytest.mark.parametrize("make", [normals, integers])
@by_name([case for case in POOLINGS if is_native(case) or not case.ceil_mode])
def test_max_pool(case, make):
    assert_same_max_pool(case, make(case.x, 1))


def assert_same_max_pool(case, x):
    """The same values, and the gradients at the same winners, the first in row-major order."""
    (ours,), theirs = tensors(x), torch.tensor(x, requires_grad=True)
    z, torch_z = case.max(ours), torch_max(case, theirs)
    dz = integers(z.shape, 2)
    z.backward(dz)
    torch_z.backward(torch.tensor(dz))
    assert_equal(z.numpy(), torch_z.detach().numpy())
    assert_equal(ours.grad.numpy(), theirs.grad.numpy())


def has_average(case):
    """Whether PyTorch has this average pooling: its own has no dilation."""
    return is_native(case) and set(case.explicit[3]) == {1}


def torch_average(case, x, count_include_pad):
    """PyTorch's own, or where it has none the sum of each window by a convolution, divided by what counts."""
    kernel, stride, pads, dilation, ceil_mode = case.explicit
    if has_average(case):
        pool = getattr(torch.nn.functional, f"avg_pool{case.n}d")
        return pool(x, kernel, stride, [before for before, _ in pads], ceil_mode, count_include_pad)
    convolve = getattr(torch.nn.functional, f"conv{case.n}d")
    channels = case.x[1]
    ones = torch.ones((channels, 1, *kernel), dtype=x.dtype)
    total = convolve(padded(case, x), ones, None, stride, 0, dilation, channels)
    if count_include_pad:
        return total / prod(kernel)
    return total / convolve(padded(case, torch.ones_like(x)), ones, None, stride, 0, dilation, channels)


@pytest.mark.parametrize("count_include_pad", [True, False])
@by_name([case for case in POOLINGS if has_average(case) or not case.ceil_mode])
def test_average_pool(case, count_include_pad):
    x = normals(case.x, 1)
    (ours,), theirs = tensors(x), torch.tensor(x, requires_grad=True)
    z, torch_z = case.average(ours, count_include_pad), torch_average(case, theirs, count_include_pad)
    dz = normals(z.shape, 2)
    z.backward(dz)
    torch_z.backward(torch.tensor(dz))
    assert_close(z.numpy(), torch_z.detach().numpy(), 1e-15)
    assert_close(ours.grad.numpy(), theirs.grad.numpy(), 1e-15)


def test_a_batch_of_feature_maps():
    x = normals((8, 16, 28, 28), 1, np.float32)
    (ours,), theirs = tensors(x), torch.tensor(x, requires_grad=True)
    z, torch_z = tg.max_pool2d(ours, 2), torch.nn.functional.max_pool2d(theirs, 2)
    z.sum().backward()
    torch_z.sum().backward()
    assert_equal(z.numpy(), torch_z.detach().numpy())
    assert_equal(ours.grad.numpy(), theirs.grad.numpy())

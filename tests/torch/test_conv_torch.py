"""Convolution and transposed convolution against PyTorch in float64: values, and gradients of the first two orders."""

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

import tinygrad_cnn as tg
from tests.operands import assert_close, normals, tensors
from tests.window_cases import (
    CONVOLUTIONS,
    CONVOLUTIONS_WITH_BORDERS,
    TRANSPOSED_CONVOLUTIONS,
    Convolution,
    by_name,
)

pytestmark = pytest.mark.torch


def torch_pads(pads):
    """Pairs an axis as torch.nn.functional.pad takes them: one flat tuple, the last axis first."""
    return tuple(width for pair in reversed(pads) for width in pair)


def torch_convolution(case, x, weight, bias):
    functional = torch.nn.functional
    if isinstance(case, Convolution):
        stride, pads, dilation, groups = case.explicit
        convolve = getattr(functional, f"conv{case.n}d")
        if case.padding_mode != "zeros":
            padded = functional.pad(x, torch_pads(pads), mode=case.padding_mode)
            return convolve(padded, weight, bias, stride, 0, dilation, groups)
        if all(before == after for before, after in pads):
            return convolve(x, weight, bias, stride, [before for before, _ in pads], dilation, groups)
        return convolve(functional.pad(x, torch_pads(pads)), weight, bias, stride, 0, dilation, groups)
    size, stride, pads, dilation, groups = case.explicit
    convolve = getattr(functional, f"conv_transpose{case.n}d")
    whole = convolve(x, weight, None, stride, 0, 0, groups, dilation)
    if all(before == after for before, after in pads):
        added = [m - u + 2 * before for m, u, (before, _) in zip(size, whole.shape[2:], pads, strict=True)]
        return convolve(x, weight, bias, stride, [before for before, _ in pads], added, groups, dilation)
    cuts = [(-before, before + m - u) for (before, _), m, u in zip(pads, size, whole.shape[2:], strict=True)]
    return functional.pad(whole, torch_pads(cuts)) + bias.reshape(-1, *[1] * case.n)


def has_border_of_pytorch(case):
    """PyTorch has no symmetric mode, repeats no pixel twice on one side, and pads no empty batch."""
    widest = {"reflect": -1, "circular": 0, "replicate": 99}.get(case.padding_mode, -99)
    fits = all(max(pair) <= m + widest for pair, m in zip(case.explicit[1], case.x[2:], strict=True))
    return fits and 0 not in case.x


@by_name(CONVOLUTIONS + list(filter(has_border_of_pytorch, CONVOLUTIONS_WITH_BORDERS)) + TRANSPOSED_CONVOLUTIONS)
def test_values_and_gradients(case):
    arrays = case.operands(normals)
    dz = normals(case.naive.z_shape, 4)
    ux, uk = normals(case.x, 5), normals(case.weight, 6)

    ours = tensors(*arrays)
    z = case(*ours)
    first = tg.grad(z, ours, dz, create_graph=True)
    second = tg.grad(first[:2], ours[:2], (ux, uk))

    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    torch_z = torch_convolution(case, *theirs)
    torch_first = torch.autograd.grad(torch_z, theirs, torch.tensor(dz), create_graph=True)
    torch_second = torch.autograd.grad(
        torch_first[:2], theirs[:2], (torch.tensor(ux), torch.tensor(uk)), materialize_grads=True
    )

    for actual, expected in zip((z, *first, *second), (torch_z, *torch_first, *torch_second), strict=True):
        assert_close(actual.numpy(), expected.detach().numpy(), 1e-13)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("kernel", range(1, 6))
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_puts_the_odd_zero_where_pytorch_does(kernel, dilation):
    x, weight = normals((1, 1, 7, 6), 1), normals((1, 1, kernel, kernel), 2)
    expected = torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(weight), padding="same", dilation=dilation)
    assert_close(tg.conv2d(x, weight, padding="same", dilation=dilation), expected.numpy(), 1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_batch_of_pictures(dtype):
    """Sizes as in a network, where PyTorch takes its optimised kernels."""
    arrays = normals((8, 16, 14, 14), 1, dtype), normals((32, 16, 3, 3), 2, dtype), normals((32,), 3, dtype)
    ours = tensors(*arrays)
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    z = tg.conv2d(*ours, padding=1)
    torch_z = torch.nn.functional.conv2d(*theirs, padding=1)
    dz = normals(z.shape, 4, dtype)
    z.backward(dz)
    torch_z.backward(torch.tensor(dz))
    tolerance = 1e-5 if dtype is np.float32 else 1e-13
    assert_close(z.numpy(), torch_z.detach().numpy(), tolerance)
    for tensor, torch_tensor in zip(ours, theirs, strict=True):
        assert_close(tensor.grad.numpy(), torch_tensor.grad.numpy(), tolerance)

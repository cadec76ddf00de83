"""The comparison of a function with PyTorch's: values, gradients, and gradients of gradients."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_close, normals, tensors

torch = pytest.importorskip("torch")


def compare(ours, theirs, *arrays, order=2, tolerance=1e-13):
    """Of both, called with leaves of these arrays: the value, its gradients, and those of their weighted sums."""
    mine, other = tensors(*arrays), [torch.tensor(array, requires_grad=True) for array in arrays]
    z, torch_z = ours(*mine), theirs(*other)
    assert_close(z.numpy(), torch_z.detach().numpy(), tolerance)
    for step in range(order):
        dz = normals(z.shape, step)
        first = tg.grad(z, mine, [dz], create_graph=True, allow_unused=True)
        torch_first = torch.autograd.grad(
            torch_z, other, torch.tensor(dz), create_graph=True, allow_unused=True, materialize_grads=True
        )
        for a, b in zip(first, torch_first, strict=True):
            assert_close(np.zeros(b.shape) if a is None else a.numpy(), b.detach().numpy(), 10 * tolerance)
        weights = [normals(array.shape, 7) for array in arrays]
        z = sum((a * w).sum() for a, w in zip(first, weights, strict=True) if a is not None)
        torch_z = sum((b * torch.tensor(w)).sum() for b, w in zip(torch_first, weights, strict=True))
        if not z.requires_grad or not torch_z.requires_grad:
            return

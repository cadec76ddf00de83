"""Rearrangements and indexing against PyTorch, with gradients of first and second order."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_close, normals

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

REARRANGED = {
    "reshape": (lambda x: x.reshape(4, -1), lambda x: x.reshape(4, -1)),
    "transpose": (lambda x: x.transpose(2, 0, 1), lambda x: x.permute(2, 0, 1)),
    "flip": (lambda x: tg.flip(x, (0, 2)), lambda x: torch.flip(x, (0, 2))),
    "broadcast_to": (lambda x: tg.broadcast_to(x[:, :1], (2, 2, 3, 4)), lambda x: x[:, :1].expand(2, 2, 3, 4)),
    "concatenate": (lambda x: tg.concatenate([x, x[:, :1], x], 1), lambda x: torch.cat([x, x[:, :1], x], 1)),
    "stack": (lambda x: tg.stack([x, 2 * x], -1), lambda x: torch.stack([x, 2 * x], -1)),
}

INDICES = [
    1,
    -1,
    (0, 2),
    (0, 2, 3),
    slice(1, None),
    (slice(None), slice(0, 3, 2), slice(None, 2)),
    (Ellipsis, 1),
    None,
    (slice(None), None, 1),
    [1, 0, 1, 1],
    ([0, 1, 1], [2, 0, 0]),
    (slice(None), [2, 2, 0]),
    ([0, 1], slice(None), [3, 3]),
    (Ellipsis, [3, 0, 3]),
    np.array([[0, 1], [1, 1]]),
    np.array([[True, False, True], [False, False, True]]),
    (slice(None), np.array([True, False, True])),
    np.zeros((2, 3), bool),
]


def compare(function, of_torch):
    array = normals((2, 3, 4), 1)
    x, y = tg.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    z, w = function(x * x), of_torch(y * y)
    assert_close(z.numpy(), w.detach().numpy(), 0)
    weights = normals(z.shape, 2)
    (dx,) = tg.grad(z, x, [weights], create_graph=True)
    (dy,) = torch.autograd.grad(w, y, torch.tensor(weights), create_graph=True)
    assert_close(dx.numpy(), dy.detach().numpy(), 1e-15)
    (ddx,) = tg.grad((dx * dx).sum(), x)
    (ddy,) = torch.autograd.grad((dy * dy).sum(), y)
    assert_close(ddx.numpy(), ddy.numpy(), 1e-15)


@pytest.mark.parametrize("name", REARRANGED)
def test_rearrangements(name):
    compare(*REARRANGED[name])


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_indexing(index):
    parts = index if isinstance(index, tuple) else (index,)
    of_torch = tuple(torch.tensor(part) if isinstance(part, np.ndarray) else part for part in parts)
    compare(lambda x: x[index], lambda x: x[of_torch])

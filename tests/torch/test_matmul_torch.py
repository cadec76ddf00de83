"""Matrix products and linear layers against PyTorch, with gradients of first and second order."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_close, normals

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

SHAPES = [
    ((2, 3), (3, 4)),
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((5, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((1, 2, 3), (5, 3, 4)),
    ((4, 1, 2, 3), (5, 3, 1)),
    ((4, 2, 3), (3,)),
    ((3,), (4, 3, 2)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
]


def compare(function, of_torch, arrays, tolerance):
    ours = [tg.tensor(array, requires_grad=True) for array in arrays]
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    z, w = function(*ours), of_torch(*theirs)
    assert_close(z.numpy(), w.detach().numpy(), tolerance)
    weights = normals(z.shape, 9).astype(z.dtype)
    dz = tg.grad(z, ours, [weights], create_graph=True)
    dw = torch.autograd.grad(w, theirs, torch.tensor(weights), create_graph=True)
    penalty, of_torch = 0, 0
    for x, y in zip(dz, dw, strict=True):
        assert x.dtype == z.dtype
        assert_close(x.numpy(), y.detach().numpy(), tolerance)
        penalty, of_torch = penalty + (x * x).sum(), of_torch + (y * y).sum()
    ddz = tg.grad(penalty, ours, allow_unused=True)
    ddw = torch.autograd.grad(of_torch, theirs, allow_unused=True)
    for x, y in zip(ddz, ddw, strict=True):
        assert (x is None) == (y is None)
        if x is not None:
            assert_close(x.numpy(), y.numpy(), tolerance)


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-6), (np.float64, 1e-14)])
def test_matmul(shapes, dtype, tolerance):
    arrays = [np.asarray(normals(shape, i)).astype(dtype) for i, shape in enumerate(shapes)]
    compare(tg.matmul, torch.matmul, arrays, tolerance)


@pytest.mark.parametrize("shape", [(4, 3), (1, 3), (3,), (2, 4, 3), (2, 1, 2, 3), (0, 3)])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-6), (np.float64, 1e-14)])
def test_linear(shape, with_bias, dtype, tolerance):
    shapes = [shape, (2, 3)] + [(2,)] * with_bias
    arrays = [normals(s, i).astype(dtype) for i, s in enumerate(shapes)]
    compare(tg.linear, torch.nn.functional.linear, arrays, tolerance)


def test_a_network_on_larger_arrays():
    arrays = [normals(s, i).astype(np.float32) for i, s in enumerate([(64, 50), (30, 50), (30,), (10, 30), (10,)])]

    def network(module, linear, x, w1, b1, w2, b2):
        return linear(module.tanh(linear(x, w1, b1)), w2, b2)

    compare(
        lambda *v: network(tg, tg.linear, *v) / 10,
        lambda *v: network(torch, torch.nn.functional.linear, *v) / 10,
        arrays,
        1e-5,
    )

"""sum, mean, max and min against PyTorch, with shared gradients of ties as amax shares them."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_close, normals

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

CASES = [((3, 4), 0), ((3, 4), (0, 1)), ((2, 3, 4), (0, 2)), ((2, 3, 4), (-1,)), ((2, 1, 3), 1), ((5,), 0)]


def gradients(z, w, x, y, tolerance):
    """Both backward with the same upstream gradient; first order, then the gradient of a penalty on it."""
    weights = np.random.default_rng(0).standard_normal(z.shape)
    (dx,) = tg.grad(z, x, [weights], create_graph=True)
    (dy,) = torch.autograd.grad(w, y, torch.tensor(weights), create_graph=True)
    assert_close(dx.numpy(), dy.detach().numpy(), tolerance)
    if dy.requires_grad:
        (ddx,) = tg.grad((dx * dx).sum(), x)
        (ddy,) = torch.autograd.grad((dy * dy).sum(), y)
        assert_close(ddx.numpy(), ddy.numpy(), tolerance)


@pytest.mark.parametrize(("shape", "axis"), CASES)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
def test_reductions(shape, axis, keepdims, name):
    array = normals(shape, 1)
    x, y = tg.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    of_torch = getattr(torch, {"max": "amax", "min": "amin"}.get(name, name))
    z = getattr(tg, name)(x**3, axis, keepdims)
    w = of_torch(y**3, axis, keepdim=keepdims)
    assert_close(z.numpy(), w.detach().numpy(), 1e-14)
    gradients(z, w, x, y, 1e-13)


@pytest.mark.parametrize(("shape", "axis"), CASES)
@pytest.mark.parametrize("name", ["max", "min"])
def test_ties_that_are_split_are_shared_as_amax_shares_them(shape, axis, name):
    array = np.random.default_rng(3).integers(-1, 2, shape).astype(np.float64)
    x, y = tg.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    z, w = getattr(tg, name)(x, axis, ties="split"), getattr(torch, f"a{name}")(y, axis)
    weights = normals(z.shape, 2)
    z.backward(weights)
    w.backward(torch.tensor(weights))
    assert_close(x.grad.numpy(), y.grad.numpy(), 1e-15)


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_the_first_winner_of_an_axis_takes_it_all_as_in_max_with_indices(name, axis):
    array = np.random.default_rng(4).integers(-1, 2, (4, 5)).astype(np.float64)
    x, y = tg.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    z = getattr(tg, name)(x, axis)
    w, indices = getattr(torch, name)(y, axis)
    # PyTorch doesn't promise which of several it takes; where it is the first, the gradients agree.
    first = getattr(np, f"arg{name}")(array, axis)
    assert np.array_equal(indices.numpy(), first)
    weights = normals(z.shape, 2)
    z.backward(weights)
    w.backward(torch.tensor(weights))
    assert_close(x.grad.numpy(), y.grad.numpy(), 1e-15)


@pytest.mark.parametrize("name", ["sum", "mean"])
def test_large_float32_sums(name):
    array = normals((300, 400), 1, np.float32)
    x, y = tg.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    z, w = getattr(tg, name)(x * x), getattr(torch, name)(y * y)
    assert z.item() == pytest.approx(w.item(), rel=1e-5)
    z.backward()
    w.backward()
    assert_close(x.grad.numpy(), y.grad.numpy(), 1e-6)

"""The elementwise operations against PyTorch: values, dtypes, gradients, second order, and the borders."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_close, normals

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

UNARY = ["abs", "exp", "log", "negative", "relu", "sigmoid", "sqrt", "tanh"]
BINARY = {
    "add": "add",
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "power": "pow",
}


def compare(function, of_torch, arrays, tolerance, orders=2):
    """The values and the derivatives of a weighted sum, order after order."""
    ours = [tg.tensor(array, requires_grad=True) for array in arrays]
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    z, w = function(*ours), of_torch(*theirs)
    rng = np.random.default_rng(0)
    for order in range(orders + 1):
        assert str(z.dtype) == str(w.dtype).removeprefix("torch.")
        assert_close(z.numpy(), w.detach().numpy(), tolerance)
        if order == orders or not w.requires_grad:
            return
        if not z.requires_grad:  # nothing is recorded where the derivative is constant, such as a sign
            assert all(not d.any() for d in torch.autograd.grad(w, theirs, allow_unused=True) if d is not None)
            return
        weights = rng.standard_normal(z.shape).astype(z.dtype)
        dz = tg.grad(z, ours, [weights], create_graph=True, allow_unused=True)
        dw = torch.autograd.grad(w, theirs, torch.tensor(weights), create_graph=True, allow_unused=True)
        assert [d is None for d in dz] == [d is None for d in dw]
        z = sum(((d * d).sum() for d in dz[1:] if d is not None), (dz[0] * dz[0]).sum())
        w = sum(((d * d).sum() for d in dw[1:] if d is not None), (dw[0] * dw[0]).sum())


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("shape", [(), (3, 4), (0, 2)])
def test_one_operand(name, shape, dtype, tolerance):
    x = np.asarray(normals(shape, 1, dtype=np.float64)).astype(dtype)
    if name in ("log", "sqrt"):
        x = np.asarray(np.abs(x) + dtype(0.25))
    compare(getattr(tg, name), getattr(torch, name), [x], tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 5e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("shapes", [((), ()), ((3, 1), (1, 4)), ((2, 3, 4), (3, 1)), ((1,), (2, 1)), ((0, 1), (3,))])
def test_two_operands(name, shapes, dtype, tolerance):
    x, y = (np.asarray(np.abs(normals(shape, i)) + 0.5).astype(dtype) for i, shape in enumerate(shapes))
    compare(getattr(tg, name), getattr(torch, BINARY[name]), [x, y], tolerance)


@pytest.mark.parametrize("dtypes", [(np.float32, np.float64), (np.float16, np.float32), (np.float64, np.float32)])
def test_mixed_dtypes(dtypes):
    """Gradients arrive in each operand's own dtype. (Among arrays with axes, both follow the wider dtype.)"""
    arrays = [normals((2, 3), i, dtype) for i, dtype in enumerate(dtypes)]
    ours = [tg.tensor(array, requires_grad=True) for array in arrays]
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    (ours[0] * ours[1]).sum().backward()
    (theirs[0] * theirs[1]).sum().backward()
    for x, w in zip(ours, theirs, strict=True):
        assert str(x.grad.dtype) == str(w.grad.dtype).removeprefix("torch.")
        assert_close(x.grad.numpy(), w.grad.numpy(), 1e-3 if np.float16 in dtypes else 1e-6)


@pytest.mark.parametrize("condition", [[True, False, True], [[True], [False]]])
def test_where(condition):
    mask = np.array(condition)
    compare(
        lambda x, y: tg.where(mask, x * x, y),
        lambda x, y: torch.where(torch.tensor(mask), x * x, y),
        [normals((2, 3), 1), normals((3,), 2)],
        1e-14,
    )


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 0.0, 1.0, 2.0, 0.5, -1, -1.5])
def test_powers_by_a_number_also_at_zero(exponent):
    x = np.array([0.0, 0.5, 2.0])
    with np.errstate(divide="ignore"):
        a, b = tg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        z, w = a**exponent, b**exponent
        z.backward(np.ones(3))
    w.backward(torch.ones(3, dtype=torch.float64))
    np.testing.assert_allclose(z.numpy(), w.detach().numpy(), rtol=1e-14)
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-14)


@pytest.mark.parametrize("name", ["abs", "relu", "sigmoid", "tanh", "exp"])
def test_borders_and_kinks(name):
    x = np.array([0.0, -0.0, 1e4, -1e4, np.inf, -np.inf])
    if name == "exp":
        x = x[[0, 1, 3, 5]]
    a, b = tg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    z, w = getattr(tg, name)(a), getattr(torch, name)(b)
    np.testing.assert_array_equal(z.numpy(), w.detach().numpy())
    z.backward(np.ones(len(x)))
    w.backward(torch.ones(len(x), dtype=torch.float64))
    np.testing.assert_array_equal(a.grad.numpy(), b.grad.numpy())


def test_a_deep_expression_to_third_order():
    def function(m, x, y):
        return (m.tanh(x * y) + m.sigmoid(x - y) * m.exp(-x * x)) / (1 + m.abs(y)) + m.relu(x) ** 3

    arrays = [normals((3,), 1), normals((2, 1), 2)]
    compare(lambda x, y: function(tg, x, y), lambda x, y: function(torch, x, y), arrays, 1e-12, orders=3)

"""Activations as layers: PyTorch's names and arguments, refused when they are made, and shown."""

import math
import pickle

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import normals
from tinygrad_cnn import nn

INF = math.inf

# layer, positional arguments, its repr, function, options
LAYERS = [
    ("LeakyReLU", (), "LeakyReLU()", "leaky_relu", {}),
    ("LeakyReLU", (0.25,), "LeakyReLU(negative_slope=0.25)", "leaky_relu", {"negative_slope": 0.25}),
    ("ELU", (), "ELU()", "elu", {}),
    ("ELU", (0.5,), "ELU(alpha=0.5)", "elu", {"alpha": 0.5}),
    ("SELU", (), "SELU()", "selu", {}),
    ("CELU", (), "CELU()", "celu", {}),
    ("CELU", (0.5,), "CELU(alpha=0.5)", "celu", {"alpha": 0.5}),
    ("GELU", (), "GELU()", "gelu", {}),
    ("GELU", ("tanh",), "GELU(approximate='tanh')", "gelu", {"approximate": "tanh"}),
    ("SiLU", (), "SiLU()", "silu", {}),
    ("Softplus", (), "Softplus()", "softplus", {}),
    ("Softplus", (2.0,), "Softplus(beta=2.0)", "softplus", {"beta": 2.0}),
    ("Mish", (), "Mish()", "mish", {}),
    ("LogSigmoid", (), "LogSigmoid()", "logsigmoid", {}),
    ("Softsign", (), "Softsign()", "softsign", {}),
    ("Tanhshrink", (), "Tanhshrink()", "tanhshrink", {}),
    ("Hardtanh", (), "Hardtanh()", "hardtanh", {}),
    ("Hardtanh", (-0.5, 2), "Hardtanh(min_val=-0.5, max_val=2)", "hardtanh", {"min_val": -0.5, "max_val": 2}),
    ("ReLU6", (), "ReLU6()", "relu6", {}),
    ("Hardsigmoid", (), "Hardsigmoid()", "hardsigmoid", {}),
    ("Hardswish", (), "Hardswish()", "hardswish", {}),
]


@pytest.mark.parametrize(("name", "arguments", "shown", "function", "options"), LAYERS)
def test_a_layer_is_the_function_with_its_options(name, arguments, shown, function, options):
    for layer in (getattr(nn, name)(*arguments), getattr(nn, name)(**options)):
        assert repr(layer) == shown
        assert list(layer.parameters()) == []
        x = tg.tensor(4 * normals((2, 3, 4), 1), requires_grad=True)
        y = tg.tensor(x, requires_grad=True)
        z, expected = layer(x), getattr(tg, function)(y, **options)
        np.testing.assert_array_equal(z.numpy(), expected.numpy())
        dz = normals(z.shape, 2)
        z.backward(dz)
        expected.backward(dz)
        np.testing.assert_array_equal(x.grad.numpy(), y.grad.numpy())
        again = pickle.loads(pickle.dumps(layer))
        np.testing.assert_array_equal(again(x).numpy(), z.numpy())


@pytest.mark.torch
@pytest.mark.parametrize(("name", "arguments", "shown", "function", "options"), LAYERS)
def test_pytorch_takes_the_same_arguments(name, arguments, shown, function, options):
    torch = pytest.importorskip("torch")
    x = 4 * normals((2, 3, 4), 1)
    expected = getattr(torch.nn, name)(*arguments)(torch.tensor(x)).numpy()
    np.testing.assert_allclose(getattr(nn, name)(*arguments)(tg.tensor(x)).numpy(), expected, rtol=1e-12, atol=1e-15)


def test_prelu_learns_its_slopes():
    layer = nn.PReLU(3, 0.5)
    assert repr(layer) == "PReLU(3, init=0.5)  # 3 parameters"
    assert repr(nn.PReLU()) == "PReLU()  # 1 parameter"
    assert layer.weight.tolist() == [0.5] * 3
    assert nn.PReLU(2, dtype="float64").weight.dtype == np.float64
    assert layer.state_dict().keys() == {"weight"}
    x = normals((2, 3, 4), 1).astype(np.float32)
    dz = normals((2, 3, 4), 2).astype(np.float32)
    z = layer(tg.tensor(x))
    np.testing.assert_array_equal(z.numpy(), np.where(x > 0, x, x / 2))
    z.backward(dz)
    expected = np.where(x > 0, 0, dz * x).sum(axis=(0, 2))
    np.testing.assert_allclose(layer.weight.grad.numpy(), expected, rtol=1e-5)
    with pytest.raises(ValueError, match=r"^prelu: .*\(2,\)"):
        layer(tg.tensor(np.ones((1, 2))))


@pytest.mark.parametrize(("name", "arguments", "error", "text"), [
    ("LeakyReLU", ("0.1",), TypeError, "negative_slope must be a number but is '0.1'"),
    ("LeakyReLU", (None,), TypeError, "negative_slope"),
    ("ELU", ([1.0],), TypeError, "alpha"),
    ("CELU", (0,), ValueError, "alpha must not be 0"),
    ("CELU", (True,), TypeError, "alpha"),
    ("GELU", ("fast",), ValueError, "approximate must be one of 'none', 'tanh' but is 'fast'"),
    ("Softplus", (0.0,), ValueError, "beta must not be 0"),
    ("Hardtanh", (2, 1), ValueError, "min_val must not be above max_val but they are 2 and 1"),
    ("Hardtanh", (0, "1"), TypeError, "max_val"),
    ("PReLU", (0,), ValueError, "num_parameters must be at least 1"),
    ("PReLU", (1.5,), TypeError, "num_parameters"),
    ("PReLU", (1, "a"), TypeError, "init"),
])  # fmt: skip
def test_wrong_arguments_are_refused_when_the_layer_is_made(name, arguments, error, text):
    with pytest.raises(error, match=f"^{name}: ") as caught:
        getattr(nn, name)(*arguments)
    assert text in str(caught.value)

"""Layers and a whole network against PyTorch's, with the same names, arguments and weights, in float64."""

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

import tinygrad_cnn as tg
from tests.operands import normals
from tinygrad_cnn import nn, optim

pytestmark = pytest.mark.torch


def both(name, *arguments, torch_options=None, **options):
    """The layer here and in PyTorch, with PyTorch's weights, which fit by name and shape."""
    layer = getattr(nn, name)(*arguments, **options).astype("float64")
    theirs = getattr(torch.nn, name)(*arguments, **(torch_options or options)).double()
    layer.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    return layer, theirs


def compare(layer, theirs, *inputs, rtol=1e-11):
    """Values, and gradients of inputs and parameters along a random direction."""
    x = [tg.tensor(a, requires_grad=a.dtype.kind == "f") for a in inputs]
    y = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in inputs]
    z, wanted = layer(*x), theirs(*y)
    assert z.shape == tuple(wanted.shape)
    np.testing.assert_allclose(z.data, wanted.detach().numpy(), rtol=rtol, atol=1e-12)
    direction = normals(z.shape, 5)
    z.backward(direction)
    wanted.backward(torch.tensor(direction))
    for a, b in zip([*x, *layer.parameters()], [*y, *theirs.parameters()], strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=rtol, atol=1e-11)


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("Conv1d", (4, 6, 3, 2, 1, 2, 2), (2, 4, 11)),
        ("Conv2d", (3, 8, 5), (2, 3, 9, 8)),
        ("Conv2d", (4, 8, (3, 2), (2, 1), (1, 2), (1, 3), 4, False), (2, 4, 9, 8)),
        ("Conv2d", (3, 2, 3, 1, "same"), (2, 3, 5, 6)),
        ("Conv2d", (3, 2, 4, 1, "valid"), (1, 3, 5, 4)),
        ("Conv3d", (2, 3, 2, 1, 1), (1, 2, 4, 3, 5)),
        ("Conv1d", (2, 3, 3, 1, "same", 2, 1, True, "circular"), (2, 2, 7)),
        ("Conv2d", (4, 2, (3, 2), (2, 1), (2, 1), 1, 2, False, "reflect"), (2, 4, 5, 6)),
        ("Conv2d", (3, 2, (4, 3), 1, "same", 1, 1, True, "replicate"), (1, 3, 5, 4)),
        ("Conv3d", (2, 1, 3, 2, 1, 1, 1, True, "replicate"), (1, 2, 3, 4, 3)),
        ("ConvTranspose2d", (3, 2, 3, 2, 1, 1, 1, True, 1, "zeros"), (1, 3, 3, 4)),
        ("ConvTranspose1d", (4, 6, 3, 2, 1, 1, 2), (2, 4, 5)),
        ("ConvTranspose2d", (3, 8, 4, 2, 1), (2, 3, 5, 4)),
        ("ConvTranspose2d", (4, 2, (3, 2), (3, 1), (1, 0), (2, 0), 2, False, (1, 3)), (2, 4, 3, 4)),
        ("ConvTranspose3d", (2, 3, 2, 2), (1, 2, 2, 3, 1)),
        ("MaxPool1d", (3, 2, 1), (2, 3, 9)),
        ("MaxPool2d", (2,), (2, 3, 5, 6)),
        ("MaxPool2d", ((3, 2), (1, 2), (1, 0), 2), (2, 3, 7, 6)),
        ("MaxPool3d", (2, 1), (1, 2, 3, 4, 3)),
        ("AvgPool1d", (3, 2, 1), (2, 3, 9)),
        ("AvgPool2d", (2,), (2, 3, 5, 6)),
        ("AvgPool2d", ((3, 2), (2, 1), (1, 1), True, False), (2, 3, 6, 6)),
        ("AvgPool3d", (2, 1), (1, 2, 3, 4, 3)),
        ("Linear", (5, 3), (2, 5)),
        ("Linear", (5, 3, False), (2, 4, 5)),
        ("ReLU", (), (2, 3)),
        ("Tanh", (), (2, 3)),
        ("Sigmoid", (), (2, 3)),
        ("Softmax", (1,), (2, 3, 4)),
        ("LogSoftmax", (-1,), (2, 3)),
        ("Flatten", (), (2, 3, 4)),
        ("Flatten", (0, -2), (2, 3, 4)),
    ],
)
def test_layers_take_the_same_arguments_and_give_the_same(name, arguments, shape):
    compare(*both(name, *arguments), normals(shape, 1))


def test_options_by_name():
    compare(*both("MaxPool2d", 2, stride=2, ceil_mode=True), normals((1, 2, 5, 5), 1))
    compare(*both("AvgPool2d", 3, padding=1, count_include_pad=False), normals((1, 2, 5, 5), 1))
    compare(*both("Conv2d", in_channels=2, out_channels=3, kernel_size=3, bias=False), normals((1, 2, 5, 5), 1))
    ours, theirs = both("ConvTranspose2d", 2, 3, kernel_size=3, stride=2, padding=1)
    x = normals((1, 2, 4, 4), 1)
    wanted = theirs(torch.tensor(x), output_size=(8, 7)).detach().numpy()
    np.testing.assert_allclose(ours(tg.tensor(x), output_size=(8, 7)).data, wanted, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_loss(reduction):
    labels = np.array([2, 0, 2])
    compare(*both("CrossEntropyLoss", reduction=reduction), normals((3, 4), 1), labels)


def lenet(n):
    """LeNet-5 (LeCun et al. 1998) in the lectures' version: max pooling and ReLU."""
    return n.Sequential(
        n.Conv2d(1, 6, 5, padding=2),
        n.ReLU(),
        n.MaxPool2d(2),
        n.Conv2d(6, 16, 5),
        n.ReLU(),
        n.MaxPool2d(2),
        n.Flatten(),
        n.Linear(64, 32),
        n.Tanh(),
        n.Linear(32, 10),
    )


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_a_lenet_learns_the_same(optimizer):
    """Ten steps on the same batches end at the same weights."""
    ours, theirs = lenet(nn).astype("float64"), lenet(torch.nn).double()
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    options = {"lr": 0.05, "momentum": 0.9} if optimizer == "SGD" else {"lr": 1e-3}
    a = getattr(optim, optimizer)(ours.parameters(), **options)
    b = getattr(torch.optim, optimizer)(theirs.parameters(), **options)
    rng = np.random.default_rng(3)
    for _ in range(10):
        x, labels = rng.standard_normal((8, 1, 16, 16)), rng.integers(0, 10, 8)
        a.zero_grad()
        b.zero_grad()
        loss = tg.cross_entropy(ours(tg.tensor(x)), labels)
        wanted = torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(labels))
        assert loss.item() == pytest.approx(wanted.item(), rel=1e-9)
        loss.backward()
        wanted.backward()
        a.step()
        b.step()
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    for name, value in ours.state_dict().items():
        np.testing.assert_allclose(value.data, state[name].numpy(), rtol=1e-8, atol=1e-9)


def test_initial_values_have_the_variance_of_pytorchs_kaiming_normal():
    tg.manual_seed(0)
    weight = torch.empty(256, 64, 3, 3)
    torch.nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=torch.Generator().manual_seed(0))
    assert nn.Conv2d(64, 256, 3).weight.data.std() == pytest.approx(weight.std().item(), rel=0.02)

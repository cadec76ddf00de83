"""softmax, log_softmax, logsumexp and cross_entropy against PyTorch, with every option of the cross entropy."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_close, normals

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

TOLERANCES = [(np.float32, 2e-6), (np.float64, 1e-14)]


def compare(function, of_torch, array, tolerance, orders=2):
    x, y = tg.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    z, w = function(x), of_torch(y)
    for order in range(orders + 1):
        assert_close(z.numpy(), w.detach().numpy(), tolerance * 10**order)
        if order == orders:
            return
        weights = normals(z.shape, order)
        (dz,) = tg.grad(z, x, [weights], create_graph=True)
        (dw,) = torch.autograd.grad(w, y, torch.tensor(weights).to(w.dtype), create_graph=True)
        z, w = dz * dz, dw * dw


@pytest.mark.parametrize(("shape", "axis"), [((5,), 0), ((3, 4), 1), ((3, 4), 0), ((2, 3, 4), 1), ((3, 1), 1)])
@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_softmax_and_its_logarithm(name, shape, axis, dtype, tolerance):
    array = normals(shape, 1).astype(dtype) * 3
    compare(lambda x: getattr(tg, name)(x, axis), lambda y: getattr(torch, name)(y, axis), array, tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_extremes(name, dtype, tolerance):
    array = np.array([[1e4, 0, -1e4], [-1e4, -1e4, -1e4], [88.8, 88.7, -104], [1e-4, -1e-4, 0]], dtype)
    compare(getattr(tg, name), lambda y: getattr(torch, name)(y, -1), array, tolerance, orders=1)


OPTIONS = [
    {},
    {"weight": [0.5, 2.0, 1.0, 0.25]},
    {"ignore_index": 2},
    {"ignore_index": 2, "weight": [0.5, 2.0, 1.0, 0.25]},
    {"label_smoothing": 0.2},
    {"label_smoothing": 0.2, "weight": [0.5, 2.0, 1.0, 0.25]},
    {"label_smoothing": 0.2, "weight": [0.5, 2.0, 1.0, 0.25], "ignore_index": 0},
]


def of_torch_options(options, dtype):
    return {k: torch.tensor(np.array(v, dtype)) if k == "weight" else v for k, v in options.items()}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(6, 4), (1, 4), (2, 4, 3), (2, 4, 2, 2)])
@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCES)
def test_labels(options, reduction, shape, dtype, tolerance):
    array = normals(shape, 1).astype(dtype)
    labels = np.random.default_rng(0).integers(0, 4, (shape[0], *shape[2:]))
    labels.flat[0] = 1  # so that no mean is one over nothing, which is NaN in PyTorch and 0 here
    named = of_torch_options(options, dtype)
    compare(
        lambda x: tg.cross_entropy(x, labels, reduction=reduction, **options),
        lambda y: torch.nn.functional.cross_entropy(y, torch.tensor(labels), reduction=reduction, **named),
        array,
        tolerance,
    )


@pytest.mark.parametrize("options", [options for options in OPTIONS if "ignore_index" not in options], ids=str)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(6, 4), (4,), (2, 4, 3)])
def test_probabilities(options, reduction, shape):
    axis = 1 if len(shape) > 1 else 0
    target = np.exp(normals(shape, 2))
    target /= target.sum(axis=axis, keepdims=True)
    named = of_torch_options(options, np.float64)
    compare(
        lambda x: tg.cross_entropy(x, target, reduction=reduction, **options),
        lambda y: torch.nn.functional.cross_entropy(y, torch.tensor(target), reduction=reduction, **named),
        normals(shape, 1),
        1e-14,
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_one_sample(reduction):
    compare(
        lambda x: tg.cross_entropy(x, 2, reduction=reduction),
        lambda y: torch.nn.functional.cross_entropy(y, torch.tensor(2), reduction=reduction),
        normals((5,), 1),
        1e-14,
    )

"""Twenty steps of every optimiser beside PyTorch's in float64, on losses whose gradients depend on where one is."""

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

import tinygrad_cnn as tg
from tests.operands import normals
from tinygrad_cnn import optim

pytestmark = pytest.mark.torch

SHAPES = [(3, 4), (5,), (), (2, 1, 3, 3)]
CASES = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.05, "weight_decay": 0.2}),
    ("SGD", {"lr": 0.05, "momentum": 0.7, "weight_decay": 0.2, "nesterov": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.2}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.2}),
]


def loss(tensors, t):
    """A sum of a different quartic for each tensor, tilted anew at every step."""
    return sum(((p - t * 0.01) ** 2 * (p * p + k + 1)).sum() for k, p in enumerate(tensors))


@pytest.mark.parametrize(("name", "options"), CASES)
def test_trajectories(name, options):
    start = [normals(shape, i) for i, shape in enumerate(SHAPES)]
    ours = [tg.tensor(a, requires_grad=True) for a in start]
    theirs = [torch.tensor(a, requires_grad=True, dtype=torch.float64) for a in start]
    # The last tensor has options of its own, and from the tenth step on another learning rate.
    a = getattr(optim, name)([{"params": ours[:3]}, {"params": ours[3:], "lr": 0.02}], **{"lr": 1e-3, **options})
    b = getattr(torch.optim, name)([{"params": theirs[:3]}, {"params": theirs[3:], "lr": 0.02}], **options)
    for t in range(20):
        if t == 10:
            a.param_groups[1]["lr"] = b.param_groups[1]["lr"] = 0.01
        for tensors, optimizer in ((ours, a), (theirs, b)):
            optimizer.zero_grad()
            loss(tensors, t).backward()
            if t % 3 == 1:
                tensors[1].grad = None  # takes no part in this step
            optimizer.step()
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_defaults_and_names_are_pytorchs(name, options):
    p = tg.tensor([1.0], requires_grad=True)
    q = torch.tensor([1.0], requires_grad=True)
    ours = getattr(optim, name)([p], **{"lr": 1e-3, **options}).param_groups[0]
    theirs = getattr(torch.optim, name)([q], **options).param_groups[0]
    for option, value in ours.items():
        if option != "params":
            assert theirs[option] == value, option

"""Every loss against PyTorch in float64, for every option and reduction: values and gradients to the second order."""

from itertools import product

import numpy as np
import pytest

pytest.importorskip("torch")
import torch
from torch.nn import functional

import tinygrad_cnn as tg
from tests.operands import normals, tensors
from tests.torch.comparison import compare

pytestmark = pytest.mark.torch

REDUCTIONS = ["none", "mean", "sum"]
by_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)


# cross_entropy and nll_loss

SHAPES = [(5, 4), (1, 4), (4,), (2, 4, 3), (2, 4, 2, 3)]
WEIGHT = np.array([0.5, 1.0, 2.0, 0.25])


def labels_for(shape):
    return np.random.default_rng(0).integers(0, 4, shape[:1] + shape[2:] if len(shape) > 1 else ())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("ignore", [-100, 2])
@by_reduction
def test_cross_entropy_of_labels(shape, weight, smoothing, ignore, reduction):
    labels = labels_for(shape)
    if np.all(labels == ignore):
        labels = labels * 0
    options = {"ignore_index": ignore, "label_smoothing": smoothing, "reduction": reduction}
    compare(
        lambda x: tg.cross_entropy(x, labels, weight, **options),
        lambda x: functional.cross_entropy(
            x, torch.tensor(labels), None if weight is None else torch.tensor(weight), **options
        ),
        normals(shape, 1),
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@by_reduction
def test_cross_entropy_of_probabilities(shape, weight, smoothing, reduction):
    target = np.exp(normals(shape, 2))
    target /= target.sum(axis=1 if len(shape) > 1 else 0, keepdims=True)
    options = {"label_smoothing": smoothing, "reduction": reduction}
    compare(
        lambda x: tg.cross_entropy(x, target, weight, **options),
        lambda x: functional.cross_entropy(
            x, torch.tensor(target), None if weight is None else torch.tensor(weight), **options
        ),
        normals(shape, 1),
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("ignore", [-100, 2])
@by_reduction
def test_nll_loss(shape, weight, ignore, reduction):
    labels = labels_for(shape)
    if np.all(labels == ignore):
        labels = labels * 0
    compare(
        lambda x: tg.nll_loss(x, labels, weight, ignore, reduction),
        lambda x: functional.nll_loss(
            x,
            torch.tensor(labels),
            None if weight is None else torch.tensor(weight),
            ignore_index=ignore,
            reduction=reduction,
        ),
        normals(shape, 1),
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits(dtype):
    """+-10,000 and -inf, with the label on each."""
    x = np.array([[1e4, -1e4, 0], [-1e4, -1e4, 1e4], [0, -np.inf, 1e4], [-1e4, -np.inf, -1e4]], dtype)
    for labels in ([0, 0, 0, 0], [1, 1, 2, 2], [2, 2, 0, 2]):
        (a,), b = tensors(x), torch.tensor(x, requires_grad=True)
        z = tg.cross_entropy(a, labels, reduction="none")
        torch_z = functional.cross_entropy(b, torch.tensor(labels), reduction="none")
        np.testing.assert_allclose(z.numpy(), torch_z.detach().numpy(), rtol=2 * np.finfo(dtype).eps)
        z.backward(np.ones(4))
        torch_z.sum().backward()
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), atol=2 * np.finfo(dtype).eps)


# Elementwise losses

PAIRS = {
    "mse_loss": [{}],
    "l1_loss": [{}],
    "huber_loss": [{}, {"delta": 0.5}, {"delta": 2.0}],
    "smooth_l1_loss": [{}, {"beta": 0.5}, {"beta": 0.0}],
}


@pytest.mark.parametrize(
    ("name", "options"), [(name, options) for name, all_options in PAIRS.items() for options in all_options]
)
@by_reduction
@pytest.mark.parametrize("shape", [(3, 4), (5,), ()])
def test_errors(name, options, reduction, shape):
    """Also on the kinks, where an error is 0 or the threshold."""
    target = normals(shape, 2)
    x = target + np.random.default_rng(1).choice([0.0, 0.25, -0.5, 1.0, -1.0, 2.0, 3.5], shape)
    compare(
        lambda x, t: getattr(tg, name)(x, t, reduction=reduction, **options),
        lambda x, t: getattr(functional, name)(x, t, reduction=reduction, **options),
        x,
        target,
        order=1,
    )
    x = target + 2 * normals(shape, 3)
    compare(
        lambda x: getattr(tg, name)(x, target, reduction=reduction, **options),
        lambda x: getattr(functional, name)(x, torch.tensor(target), reduction=reduction, **options),
        x,
    )


@pytest.mark.parametrize("weight", [None, normals((4,), 5) ** 2, normals((3, 1), 5) ** 2])
@by_reduction
def test_binary_cross_entropy(weight, reduction):
    rng = np.random.default_rng(0)
    p, t = rng.uniform(0.01, 0.99, (3, 4)), rng.uniform(0, 1, (3, 4)).round(1)

    def ours(x):
        return tg.binary_cross_entropy(x, t, weight, reduction)

    def theirs(x):
        w = None if weight is None else torch.tensor(weight)
        return functional.binary_cross_entropy(x, torch.tensor(t), w, reduction=reduction)

    compare(ours, theirs, p, order=1)
    compare(ours, theirs, p, tolerance=1e-10)  # PyTorch adds 1e-12 to what it divides by in the second order


@pytest.mark.parametrize("weight", [None, normals((4,), 5) ** 2])
@pytest.mark.parametrize("pos_weight", [None, normals((4,), 6) ** 2])
@by_reduction
def test_binary_cross_entropy_with_logits(weight, pos_weight, reduction):
    t = np.random.default_rng(0).uniform(0, 1, (3, 4)).round(1)

    def theirs(x, t):
        options = {"weight": weight, "pos_weight": pos_weight}
        options = {name: None if value is None else torch.tensor(value) for name, value in options.items()}
        return functional.binary_cross_entropy_with_logits(x, t, reduction=reduction, **options)

    compare(
        lambda x, t: tg.binary_cross_entropy_with_logits(x, t, weight, reduction, pos_weight),
        theirs,
        10 * normals((3, 4), 1),
        t,
        tolerance=1e-13,
    )


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss by both")
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
@pytest.mark.parametrize("log_target", [False, True])
def test_kl_div(reduction, log_target):
    x, t = np.log(np.random.default_rng(0).uniform(0.05, 1, (2, 3, 4)))
    t = t if log_target else np.exp(t) * (np.exp(t) > 0.3)
    compare(
        lambda x: tg.kl_div(x, t, reduction, log_target),
        lambda x: functional.kl_div(x, torch.tensor(t), reduction=reduction, log_target=log_target),
        x,
    )


# Margins


@pytest.mark.parametrize("margin", [1.0, 0.5])
@by_reduction
def test_hinge_loss(margin, reduction):
    """PyTorch has no hinge of scores; the one of embeddings is it for targets of -1 and a score turned round."""
    x, t = normals((3, 4), 1), np.sign(normals((3, 4), 2))
    compare(
        lambda x: tg.hinge_loss(x, t, reduction, margin),
        lambda x: functional.hinge_embedding_loss(
            x * torch.tensor(t), -torch.ones(3, 4, dtype=torch.float64), margin=margin, reduction=reduction
        ),
        x,
    )


@pytest.mark.parametrize("shape", [(5, 4), (4,)])
@pytest.mark.parametrize("margin", [1.0, 0.5])
@by_reduction
def test_multi_margin_loss(shape, margin, reduction):
    labels = labels_for(shape)
    compare(
        lambda x: tg.multi_margin_loss(x, labels, margin, reduction),
        lambda x: functional.multi_margin_loss(x, torch.tensor(labels), margin=margin, reduction=reduction),
        normals(shape, 1),
        order=1,
    )


# softmax and logsumexp


@pytest.mark.parametrize(("shape", "axis"), [((4,), 0), ((3, 4), 1), ((3, 4), 0), ((2, 3, 4), 1)])
def test_softmax_and_log_softmax(shape, axis):
    for scale, name in product((1, 30), ("softmax", "log_softmax")):
        compare(
            lambda x, name=name: getattr(tg, name)(x, axis),
            lambda x, name=name: getattr(torch, name)(x, axis),
            scale * normals(shape, 1),
        )


@pytest.mark.parametrize("axes", [0, (0, 1), (2, 0), (0, 1, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_logsumexp(axes, keepdims):
    compare(
        lambda x: tg.logsumexp(x, axes, keepdims),
        lambda x: torch.logsumexp(x, axes, keepdims),
        30 * normals((2, 3, 4), 1),
    )

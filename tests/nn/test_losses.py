"""Losses as modules: the functions with their options, weights that move and are saved with the model, refusals."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import normals
from tinygrad_cnn import nn

X = normals((4, 3), 1)
LABELS = np.array([0, 2, 1, 2])
P = np.exp(X) / np.exp(X).sum(1, keepdims=True)
SIGNS = np.sign(normals((4, 3), 2))
WEIGHT = np.array([0.5, 1.0, 2.0])

# the class, its options, the function, an input and a target
CASES = [
    (nn.CrossEntropyLoss, {}, tg.cross_entropy, X, LABELS),
    (nn.CrossEntropyLoss, {"weight": WEIGHT, "ignore_index": 1}, tg.cross_entropy, X, LABELS),
    (nn.CrossEntropyLoss, {"label_smoothing": 0.25, "reduction": "none"}, tg.cross_entropy, X, P),
    (nn.NLLLoss, {}, tg.nll_loss, np.log(P), LABELS),
    (nn.NLLLoss, {"weight": WEIGHT, "ignore_index": 0, "reduction": "sum"}, tg.nll_loss, np.log(P), LABELS),
    (nn.MSELoss, {"reduction": "sum"}, tg.mse_loss, X, P),
    (nn.L1Loss, {"reduction": "none"}, tg.l1_loss, X, P),
    (nn.HuberLoss, {"delta": 0.5}, tg.huber_loss, X, P),
    (nn.SmoothL1Loss, {"beta": 2.0, "reduction": "sum"}, tg.smooth_l1_loss, X, P),
    (nn.BCELoss, {"weight": WEIGHT}, tg.binary_cross_entropy, P, P[::-1]),
    (nn.BCEWithLogitsLoss, {"weight": WEIGHT, "pos_weight": 2 * WEIGHT}, tg.binary_cross_entropy_with_logits, X, P),
    (nn.BCEWithLogitsLoss, {"reduction": "none"}, tg.binary_cross_entropy_with_logits, X, P),
    (nn.KLDivLoss, {"reduction": "batchmean"}, tg.kl_div, X, P),
    (nn.KLDivLoss, {"log_target": True}, tg.kl_div, X, np.log(P)),
    (nn.HingeLoss, {"margin": 2.0}, tg.hinge_loss, X, SIGNS),
    (nn.MultiMarginLoss, {"margin": 0.5, "reduction": "none"}, tg.multi_margin_loss, X, LABELS),
    (nn.DiceLoss, {"smooth": 0.5, "axis": (0, 1)}, tg.dice_loss, P, P[::-1]),
]
by_case = pytest.mark.parametrize(
    ("module", "options", "function", "x", "target"), CASES, ids=[f"{c.__name__} {list(o)}" for c, o, *_ in CASES]
)


@by_case
def test_a_module_is_its_function_with_options(module, options, function, x, target):
    loss = module(**options)
    a, b = (tg.tensor(x, requires_grad=True) for _ in range(2))
    z, expected = loss(a, target), function(b, target, **options)
    assert (z.dtype, z.tolist()) == (expected.dtype, expected.tolist())
    dz = normals(z.shape, 3)
    assert tg.grad(z, a, [dz])[0].tolist() == tg.grad(expected, b, [dz])[0].tolist()


@by_case
def test_a_module_holds_its_weights_as_buffers_and_nothing_to_learn(module, options, function, x, target):
    loss = module(**options)
    weights = {name: value for name, value in options.items() if name.endswith("weight")}
    assert {name: value.tolist() for name, value in loss.state_dict().items()} == {
        name: value.tolist() for name, value in weights.items()
    }
    assert list(loss.parameters()) == []
    other = module(**options | {name: np.ones(3) for name in weights})
    other.load_state_dict(loss.state_dict())
    np.testing.assert_array_equal(other(x, target), loss(x, target))
    for name in ("weight", "pos_weight"):
        if name in module.__init__.__annotations__ and name not in weights:
            assert getattr(loss, name) is None


def test_the_weights_are_the_losss_own():
    weight = np.array([1.0, 2.0, 3.0])
    leaf = tg.tensor(weight, requires_grad=True)
    for given in (weight, leaf):
        loss = nn.CrossEntropyLoss(weight=given)
        assert not loss.weight.requires_grad
    before = loss(X, LABELS)
    weight[:] = 0
    assert loss(X, LABELS) == before
    assert nn.CrossEntropyLoss(weight=[1.0, 2.0]).astype("float64").weight.dtype == np.float64


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (nn.MSELoss(), "MSELoss()"),
        (nn.MSELoss("sum"), "MSELoss(reduction='sum')"),
        (nn.HuberLoss(delta=0.5), "HuberLoss(delta=0.5)"),
        (nn.HuberLoss(delta=1.0), "HuberLoss()"),
        (nn.CrossEntropyLoss(WEIGHT, 0), "CrossEntropyLoss(ignore_index=0)"),
        (nn.KLDivLoss("batchmean", True), "KLDivLoss(reduction='batchmean', log_target=True)"),
        (nn.DiceLoss(axis=(2, 3)), "DiceLoss(axis=(2, 3))"),
    ],
)
def test_repr(loss, text):
    assert repr(loss) == text


@pytest.mark.parametrize("module", dict.fromkeys(module for module, *_ in CASES))
def test_unknown_reductions_are_refused_when_the_module_is_made(module):
    for reduction in ("avg", None, "batchmean" if module is not nn.KLDivLoss else "Sum"):
        with pytest.raises(ValueError, match=rf"^{module.__name__}: reduction must be one of .* but is {reduction!r}"):
            module(reduction=reduction)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.HuberLoss(delta=0), "HuberLoss: delta must be positive but is 0"),
        (lambda: nn.SmoothL1Loss(beta=-1), "SmoothL1Loss: beta must be at least 0 but is -1"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=1.5), "CrossEntropyLoss: label_smoothing must be 0 to 1"),
    ],
)
def test_bad_options_are_refused_when_the_module_is_made(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()

"""Losses beside the cross entropy: closed forms, exactly where they are rational, options, extremes, refusals."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.dual_numbers import exact_gradients
from tests.finite_differences import check_gradients
from tests.operands import assert_close, assert_equal, assert_exact, fractions, normals, scalars, tensors
from tests.refusals import refused

FLOATS = [np.float16, np.float32, np.float64]
REDUCTIONS = ["none", "sum", "mean"]


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


def epsilon(dtype):
    return float(np.finfo(dtype).eps)


def reduced(losses, reduction):
    """What the losses of a list or array come to, in any arithmetic."""
    losses = np.asarray(losses, dtype=object)
    if reduction == "none":
        return losses
    total = sum(losses.flat, Fraction(0))
    return np.asarray(total / losses.size if reduction == "mean" else total, dtype=object)


def positive_part(x):
    return x if x > 0 else 0 * x


# Rational losses, element by element. At a kink the naive forms have the slope that the docstrings state.


def naive_huber(x, t, delta=1):
    error = abs(x - t)
    return (x - t) * (x - t) / 2 if error <= delta else delta * (error - Fraction(delta) / 2)


ELEMENTWISE = {
    "mse": (tg.mse_loss, lambda x, t: (x - t) * (x - t)),
    "l1": (tg.l1_loss, lambda x, t: abs(x - t)),
    "huber": (tg.huber_loss, naive_huber),
    "huber, delta 1/2": (
        lambda x, t, reduction="mean": tg.huber_loss(x, t, reduction, Fraction(1, 2) if x.dtype == object else 0.5),
        lambda x, t: naive_huber(x, t, Fraction(1, 2)),
    ),
    "huber, delta 3": (
        lambda x, t, reduction="mean": tg.huber_loss(x, t, reduction, 3),
        lambda x, t: naive_huber(x, t, 3),
    ),
    "smooth l1": (tg.smooth_l1_loss, naive_huber),
    "smooth l1, beta 2": (
        lambda x, t, reduction="mean": tg.smooth_l1_loss(x, t, reduction, 2),
        lambda x, t: naive_huber(x, t, 2) / 2,
    ),
    "smooth l1, beta 0": (
        lambda x, t, reduction="mean": tg.smooth_l1_loss(x, t, reduction, 0),
        lambda x, t: abs(x - t),
    ),
    "hinge": (tg.hinge_loss, lambda x, t: positive_part(1 - t * x)),
    "hinge, margin 2": (
        lambda x, t, reduction="mean": tg.hinge_loss(x, t, reduction, 2),
        lambda x, t: positive_part(2 - t * x),
    ),
}
by_name = pytest.mark.parametrize("name", ELEMENTWISE)
by_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)


def operands(name, shape=(4, 3)):
    """Fractions, many of which lie on the kinks of every loss; targets that the loss takes."""
    x = fractions(shape, 1)
    target = fractions(shape, 2)
    if "hinge" in name:
        target = np.where(target > 0, Fraction(1), Fraction(-1))
        x.reshape(-1)[:3] = target.reshape(-1)[:3] * np.array([1, 2, 2])  # on the kinks at 1 and 2
    else:
        x.reshape(-1)[:8] = target.reshape(-1)[:8] + np.array(
            [Fraction(n, 2) for n in (0, 1, -1, 2, -2, 4, -4, 6)], dtype=object
        )
    return x, target


@by_name
@by_reduction
def test_rational_losses_and_gradients_are_exact(name, reduction):
    loss, naive = ELEMENTWISE[name]

    def of_loop(x, target):
        return reduced(
            [[naive(*pair) for pair in zip(*rows, strict=True)] for rows in zip(x, target, strict=True)], reduction
        )

    x, target = operands(name)
    a, t = tensors(x, target)
    z = loss(a, t, reduction=reduction)
    assert_exact(z, of_loop(x, target))
    weights = fractions(z.shape, 3)
    expected = exact_gradients(of_loop, [x, target], np.asarray(weights, dtype=object))
    for create_graph in (False, True):
        for dx, slopes in zip(tg.grad(z, [a, t], [weights], create_graph=create_graph), expected, strict=True):
            assert_exact(dx, slopes)
    plain = loss(x, target, reduction=reduction)
    assert not isinstance(plain, tg.Tensor)
    assert_equal(np.asarray(plain, dtype=object), of_loop(x, target))


@by_name
@by_reduction
@pytest.mark.parametrize("dtype", FLOATS)
def test_losses_of_floats(name, reduction, dtype):
    loss, naive = ELEMENTWISE[name]
    x, target = (array.astype(dtype) for array in operands(name))
    exact = [
        [naive(Fraction(float(u)), Fraction(float(v))) for u, v in zip(*rows, strict=True)]
        for rows in zip(x, target, strict=True)
    ]
    a = leaf(x)
    z = loss(a, target, reduction=reduction)
    assert z.dtype == dtype
    assert_close(z.numpy(), reduced(exact, reduction).astype(np.float64), 8 * epsilon(dtype))
    assert tg.grad(z, a, [np.ones(z.shape)])[0].dtype == dtype


@by_name
def test_gradients_to_second_order(name):
    loss, _ = ELEMENTWISE[name]
    x = normals((2, 3), 1) * 3
    target = np.sign(normals((2, 3), 2)) if "hinge" in name else normals((2, 3), 2)
    check_gradients(lambda x: loss(x, target) ** 2, x, tolerance=1e-6)
    if "hinge" not in name:
        check_gradients(lambda x, t: loss(x, t, reduction="none"), x, target, tolerance=1e-6)


def test_the_second_derivative_of_a_squared_error_is_there_at_zero_too():
    for function in (tg.mse_loss, tg.huber_loss, tg.smooth_l1_loss):
        x = leaf(np.zeros(2))
        (dx,) = tg.grad(function(x, np.zeros(2), reduction="sum"), x, create_graph=True)
        (ddx,) = tg.grad(dx.sum(), x)
        assert ddx.tolist() == [2 if function is tg.mse_loss else 1] * 2


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_large_error_is_not_squared(dtype):
    """The error of a huber loss may be as large as the dtype holds."""
    large = float(np.finfo(dtype).max) / 4
    x = leaf(np.array([large, -large, 0.5], dtype))
    for function in (tg.huber_loss, tg.smooth_l1_loss):
        z = function(x, np.zeros(3), reduction="none")
        assert z.tolist() == [dtype(large - 0.5), dtype(large - 0.5), 0.125]
        assert tg.grad(z, x, [np.ones(3)])[0].tolist() == [1, -1, 0.5]


@by_reduction
def test_single_numbers_and_empty_batches(reduction):
    for name, (loss, naive) in ELEMENTWISE.items():
        for x, t in [(2.0, 1.0), (Fraction(5, 2), 1)]:
            a = leaf(x)
            z = loss(a, t, reduction=reduction)
            assert (z.shape, z.item()) == ((), naive(x, t)), name
            assert tg.grad(z, a)[0].shape == ()
        a = leaf(np.zeros((0, 3)))
        z = loss(a, np.zeros((0, 3)), reduction=reduction)
        assert z.tolist() == ([] if reduction == "none" else 0)
        assert tg.grad(z, a, [np.ones(z.shape)])[0].shape == (0, 3)


@pytest.mark.parametrize(
    "loss", [tg.mse_loss, tg.l1_loss, tg.huber_loss, tg.binary_cross_entropy_with_logits, tg.dice_loss]
)
def test_a_plain_target_takes_the_dtype_of_x(loss):
    x = leaf(np.array([[0.25, 0.5], [0.75, 0.0]], np.float32))
    expected = loss(x, np.array([[0, 1], [1, 0]], np.float32))
    for target in ([[0, 1], [1, 0]], [[0.0, 1.0], [1.0, 0.0]], [[False, True], [True, False]]):
        for kind in (lambda t: t, np.array, tg.tensor):
            z = loss(x, kind(target))
            assert z.dtype == np.float32
            assert z.item() == expected.item()
    assert loss(x, tg.tensor(np.array([[0.0, 1], [1, 0]]))).dtype == np.float64  # a tensor keeps its own
    assert not isinstance(loss([[0.25, 0.5]], [[0, 1]]), tg.Tensor)


# nll_loss


@pytest.mark.parametrize("weight", [None, [Fraction(1, 2), 2, 1], [0, 1, 3]])
@pytest.mark.parametrize("ignore", [-100, 1, 7])
@by_reduction
def test_nll_of_labels(weight, ignore, reduction):
    x = fractions((5, 3), 1)
    labels = np.array([0, 2, ignore, 2, 1])
    each = weight or [1, 1, 1]

    def of_loop(x):
        losses, norm = [], Fraction(0)
        for row, label in zip(x, labels, strict=True):
            losses.append(Fraction(0) if label == ignore else -row[label] * each[label])
            norm += 0 if label == ignore else each[label]
        return np.asarray(
            reduced(losses, "sum")[()] / norm if reduction == "mean" else reduced(losses, reduction), object
        )

    (a,) = tensors(x)
    z = tg.nll_loss(a, labels, None if weight is None else np.array(weight, dtype=object), ignore, reduction)
    assert_exact(z, of_loop(x))
    weights = fractions(z.shape, 3)
    (da,) = tg.grad(z, a, [weights])
    assert_exact(da, exact_gradients(of_loop, [x], np.asarray(weights, dtype=object))[0])


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 4, 3), (2, 4, 2, 3), (1, 4, 0)])
@by_reduction
def test_nll_of_log_softmax_is_the_cross_entropy(shape, reduction):
    x = normals(shape, 1)
    labels = np.random.default_rng(0).integers(0, 4, shape[:1] + shape[2:] if len(shape) > 1 else ())
    weight = np.array([0.5, 1.0, 2.0, 0.25])
    for options in ({}, {"weight": weight}, {"ignore_index": 2}, {"weight": weight, "ignore_index": 0}):
        a, b = leaf(x), leaf(x)
        z = tg.nll_loss(tg.log_softmax(a, 1 if len(shape) > 1 else 0), labels, reduction=reduction, **options)
        expected = tg.cross_entropy(b, labels, reduction=reduction, **options)
        assert_close(z.numpy(), expected.numpy(), 1e-14)
        dz = normals(z.shape, 2)
        assert_close(tg.grad(z, a, [dz])[0].numpy(), tg.grad(expected, b, [dz])[0].numpy(), 1e-14)


def test_nll_of_impossible_classes():
    """-inf for a class that is not the label costs nothing, and gives no NaN."""
    x = leaf([[0.0, -np.inf], [-np.inf, -1.0]])
    z = tg.nll_loss(x, [0, 1])
    assert z.item() == 0.5
    assert tg.grad(z, x)[0].tolist() == [[-0.5, 0], [0, -0.5]]
    assert tg.nll_loss(x, [1, 1], reduction="none").tolist() == [np.inf, 1]


# binary cross entropy


def log(value):
    """The natural logarithm to 50 digits, not below -100."""
    with localcontext() as context:
        context.prec = 60
        value = Decimal(value.numerator) / Decimal(value.denominator) if isinstance(value, Fraction) else Decimal(value)
        return max(value.ln(), Decimal(-100)) if value > 0 else Decimal(-100)


PROBABILITIES = [0.0, 1e-6, 0.25, 0.5, 0.875, 1 - 2**-10, 1.0]
TARGETS = [0.0, 0.25, 0.5, 1.0]


@pytest.mark.parametrize("dtype", FLOATS)
@by_reduction
def test_binary_cross_entropy(dtype, reduction):
    probabilities = [2**-10 if p == 1e-6 and dtype is np.float16 else p for p in PROBABILITIES]
    x, t = (array.astype(dtype) for array in np.meshgrid(probabilities, TARGETS))
    expected = np.vectorize(
        lambda p, t: float(-(Decimal(t) * log(Fraction(p)) + Decimal(1 - t) * log(1 - Fraction(p))))
    )(x.astype(float), t.astype(float))
    a = leaf(x)
    z = tg.binary_cross_entropy(a, t, reduction=reduction)
    assert z.dtype == dtype
    np.testing.assert_allclose(z.numpy(), reduced(expected, reduction).astype(float), rtol=16 * epsilon(dtype))
    (dx,) = tg.grad(z, a, [np.ones(z.shape)])
    share = x.size if reduction == "mean" else 1
    for (i, p), target, slope in zip(np.ndenumerate(x), t.flat, dx.numpy().flat, strict=True):
        # Each logarithm has its derivative, and none where it is cut off.
        expected = (float(1 - target) / (1 - float(p)) if p < 1 else 0) - (float(target) / float(p) if p > 0 else 0)
        assert float(slope) * share == pytest.approx(expected, rel=8 * epsilon(dtype)), i


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("pos_weight", [None, 3.0])
def test_binary_cross_entropy_with_logits_is_exact_to_rounding(dtype, pos_weight):
    """Against 60 digits, from 0 to where the probabilities of every dtype end: relative errors, also of tiny losses."""
    logits = np.array([0.0, 0.5, -1.0, 5.0, -5.0, 20.0, -20.0, 100.0, -100.0, 1e4, -1e4]).astype(dtype)
    x, t = (array.astype(dtype) for array in np.meshgrid(logits, TARGETS))
    losses, slopes = np.empty(x.shape), np.empty(x.shape)
    with localcontext() as context:
        context.prec, context.Emin = 60, -999_999
        for i in np.ndindex(x.shape):
            u, v, w = Decimal(float(x[i])), Decimal(float(t[i])), Decimal(pos_weight or 1)
            plus, minus = 1 + u.exp(), 1 + (-u).exp()
            losses[i] = float(w * v * minus.ln() + (1 - v) * plus.ln())
            slopes[i] = float((1 - v) / minus - w * v / plus)
    tiny = float(np.finfo(dtype).smallest_subnormal)
    a = leaf(x)
    z = tg.binary_cross_entropy_with_logits(a, t, reduction="none", pos_weight=pos_weight)
    np.testing.assert_allclose(z.numpy(), losses, rtol=6 * epsilon(dtype), atol=2 * tiny)
    assert z.dtype == dtype
    for create_graph in (False, True):
        (dx,) = tg.grad(z, a, [np.ones(x.shape)], create_graph=create_graph)
        np.testing.assert_allclose(dx.numpy(), slopes, rtol=8 * epsilon(dtype), atol=max(4 * tiny, epsilon(dtype) / 4))


def test_infinite_logits_of_a_sure_answer_cost_nothing():
    x = leaf([-np.inf, np.inf, -np.inf, 1e4])
    z = tg.binary_cross_entropy_with_logits(x, [0.0, 1.0, 1.0, 1.0], reduction="none")
    assert z.tolist() == [0, 0, np.inf, 0]
    y = leaf([-np.inf, np.inf])
    z = tg.binary_cross_entropy_with_logits(y, [0.0, 1.0])
    assert (z.item(), tg.grad(z, y)[0].tolist()) == (0, [0, 0])


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_the_loss_of_logits_is_that_of_their_probabilities(target):
    x = normals((3, 2), 1)
    t = np.full((3, 2), target)
    weight, positive = np.array([0.5, 2.0]), np.array([[1.0], [3.0], [0.25]])
    for w in (None, weight, list(weight), tg.tensor(weight)):
        a, b = leaf(x), leaf(x)
        z = tg.binary_cross_entropy_with_logits(a, t, w)
        expected = tg.binary_cross_entropy(tg.sigmoid(b), t, w)
        assert z.item() == pytest.approx(expected.item(), rel=1e-13)
        assert_close(tg.grad(z, a)[0].numpy(), tg.grad(expected, b)[0].numpy(), 1e-13)
    z = tg.binary_cross_entropy_with_logits(x, t, weight, "none", positive)
    p = 1 / (1 + np.exp(-x))
    assert_close(z, -weight * (positive * t * np.log(p) + (1 - t) * np.log(1 - p)), 1e-13)


def test_gradients_of_binary_cross_entropies_to_second_order():
    rng = np.random.default_rng(0)
    p, t = rng.uniform(0.1, 0.9, (2, 3)), rng.uniform(0.1, 0.9, (2, 3))
    weight, positive = rng.uniform(0.5, 2, 3), rng.uniform(0.5, 2, (2, 1))
    check_gradients(lambda x, t: tg.binary_cross_entropy(x, t, weight), p, t, tolerance=1e-6)
    check_gradients(
        lambda x, t, w, q: tg.binary_cross_entropy_with_logits(x, t, w, "sum", q), 4 * p - 2, t, weight, positive,
        tolerance=1e-6,
    )  # fmt: skip
    x = normals((2, 3), 1)
    for t in (np.zeros((2, 3)), np.ones((2, 3))):  # the slope by a target on the border too
        a, target = leaf(x), leaf(t)
        z = tg.binary_cross_entropy_with_logits(a, target, reduction="sum")
        assert_close(tg.grad(z, target)[0].numpy(), -x, 1e-14)


def test_what_is_no_probability_is_refused():
    for x in ([np.nan, 0.5], [0.5, 1 + 1e-7], [-1e-9, 0.5]):
        with pytest.raises(ValueError, match=r"^binary_cross_entropy: x must be numbers from 0 to 1"):
            tg.binary_cross_entropy(leaf(x), [0.0, 1.0])


# kl_div


def naive_kl(log_q, p):
    return [
        [
            float(Decimal(float(p)) * (Decimal(float(p)).ln() - Decimal(float(l)))) if p > 0 else 0.0
            for l, p in zip(*rows, strict=True)
        ]
        for rows in zip(log_q, p, strict=True)
    ]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
@pytest.mark.parametrize("log_target", [False, True])
def test_kl_div(dtype, reduction, log_target):
    log_q = np.log([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]]).astype(dtype)
    p = np.array([[0.25, 0.75, 0.0], [0.0, 0.0, 1.0]], dtype)
    losses = np.array(naive_kl(log_q, p))
    expected = losses.sum() / 2 if reduction == "batchmean" else reduced(losses, reduction).astype(float)
    with np.errstate(divide="ignore"):
        target = np.log(p) if log_target else p
    a = leaf(log_q)
    z = tg.kl_div(a, target, reduction, log_target)
    assert z.dtype == dtype
    assert_close(z.numpy(), np.asarray(expected), 4 * epsilon(dtype))
    (dx,) = tg.grad(z, a, [np.ones(z.shape)])
    assert_close(dx.numpy(), -p.astype(float) / {"mean": 6, "batchmean": 2}.get(reduction, 1), 2 * epsilon(dtype))


def test_kl_of_equal_distributions_is_zero_and_impossible_classes_cost_nothing():
    p = np.array([[0.25, 0.75, 0.0]])
    x = leaf(np.array([[math.log(0.25), math.log(0.75), -np.inf]]))
    z = tg.kl_div(x, p, "sum")
    assert z.item() == pytest.approx(0, abs=1e-16)
    assert tg.grad(z, x)[0].tolist() == [[-0.25, -0.75, 0]]
    z = tg.kl_div(x, x.detach(), "sum", log_target=True)
    assert z.item() == 0
    assert_close(tg.grad(z, x)[0].numpy(), -p, 1e-16)
    assert tg.kl_div(x, [[0.0, 0.0, 1.0]], "sum").item() == np.inf


def test_gradients_of_kl_to_second_order():
    rng = np.random.default_rng(0)
    x, p = np.log(rng.uniform(0.1, 0.9, (2, 3))), rng.uniform(0.1, 0.9, (2, 3))
    check_gradients(tg.kl_div, x, p, tolerance=1e-6)
    check_gradients(lambda x, t: tg.kl_div(x, t, "batchmean", log_target=True), x, np.log(p), tolerance=1e-6)


# multi_margin_loss


@pytest.mark.parametrize("margin", [1, Fraction(1, 2), 3])
@pytest.mark.parametrize("shape", [(4, 3), (1, 2), (3, 1), (3,)])
@by_reduction
def test_multi_margin(margin, shape, reduction):
    x = fractions(shape, 1)
    classes = shape[-1]
    labels = np.random.default_rng(0).integers(0, classes, shape[:-1])
    rows = x.reshape(-1, classes)
    rows[0, -1] = rows[0, np.ravel(labels)[0]] - margin if np.ravel(labels)[0] != classes - 1 else rows[0, -1]

    def of_loop(x):
        losses = [
            sum((positive_part(margin - row[y] + v) for c, v in enumerate(row) if c != y), Fraction(0)) / classes
            for row, y in zip(x.reshape(-1, classes), np.ravel(labels), strict=True)
        ]
        return reduced(np.array(losses, dtype=object).reshape(shape[:-1]), reduction)

    (a,) = tensors(x)
    z = tg.multi_margin_loss(a, labels, margin, reduction)
    assert_exact(z, of_loop(x))
    weights = fractions(z.shape, 3)
    (da,) = tg.grad(z, a, [weights])
    assert_exact(da, exact_gradients(of_loop, [x], np.asarray(weights, dtype=object))[0])


# dice_loss


@pytest.mark.parametrize("smooth", [1, 0, Fraction(1, 4)])
@pytest.mark.parametrize(
    ("shape", "axis"), [((2, 3), None), ((2, 3, 2), None), ((2, 3, 2), 2), ((2, 3, 2), (0, 2)), ((4,), 0)]
)
@by_reduction
def test_dice(smooth, shape, axis, reduction):
    x = abs(fractions(shape, 1)) / 9 + Fraction(1, 10)
    target = (fractions(shape, 2) > 0) * Fraction(1)
    axes = tuple(range(1, len(shape))) if axis is None else (axis,) if isinstance(axis, int) else axis
    kept = tuple(i for i in range(len(shape)) if i not in axes)

    def of_loop(x, target):
        losses = np.empty([shape[i] for i in kept], dtype=object)
        for place in np.ndindex(losses.shape):
            inside = [i for i in np.ndindex(shape) if tuple(i[k] for k in kept) == place]
            overlap = sum((x[i] * target[i] for i in inside), Fraction(0))
            total = sum((x[i] + target[i] for i in inside), Fraction(0))
            losses[place] = 1 - (2 * overlap + smooth) / (total + smooth)
        return reduced(losses, reduction)

    a, t = tensors(x, target)
    z = tg.dice_loss(a, t, smooth, axis, reduction)
    assert_exact(z, of_loop(x, target))
    weights = fractions(z.shape, 3)
    expected = exact_gradients(of_loop, [x, target], np.asarray(weights, dtype=object))
    for dx, slopes in zip(tg.grad(z, [a, t], [weights]), expected, strict=True):
        assert_exact(dx, slopes)


def test_dice_at_its_borders():
    for x, t, loss in [([1, 0], [1, 0], 0), ([1, 0], [0, 1], 2 / 3), ([0, 0], [0, 0], 0), ([0.5, 0.5], [1, 1], 0.25)]:
        assert tg.dice_loss(tg.tensor([x], dtype="float64"), [t]).item() == pytest.approx(loss, abs=1e-15)


# Other arithmetics


def test_symbols_and_scalar_tensors():
    sympy = pytest.importorskip("sympy")
    a, b, s, t = sympy.symbols("a b s t")
    x = leaf(np.array([a, b], dtype=object))
    target = np.array([s, t], dtype=object)
    for function, formula in [
        (tg.mse_loss, ((a - s) ** 2 + (b - t) ** 2) / 2),
        (lambda x, t: tg.dice_loss(x, t, axis=0), 1 - (2 * a * s + 2 * b * t + 1) / (a + b + s + t + 1)),
        (lambda x, t: tg.nll_loss(x, 1), -b),
    ]:
        z = function(x, target)
        assert sympy.simplify(z.item() - formula) == 0
        for symbol, slope in zip((a, b), tg.grad(z, x)[0].tolist(), strict=True):
            assert sympy.simplify(slope - sympy.diff(formula, symbol)) == 0
    values, targets = np.array([0.5, 0.75]), np.array([1.0, 0.25])
    for function in (
        tg.mse_loss, tg.l1_loss, tg.huber_loss, tg.smooth_l1_loss, tg.binary_cross_entropy,
        tg.binary_cross_entropy_with_logits, tg.kl_div, lambda x, t: tg.dice_loss(x, t, axis=0),
        lambda x, t: tg.nll_loss(x, 1), lambda x, t: tg.multi_margin_loss(x, 0),
        lambda x, t: tg.hinge_loss(x, [1.0, -1.0]),
    ):  # fmt: skip
        each = scalars(values)
        z = function(each, targets)
        z.backward()
        whole = leaf(values)
        expected = function(whole, targets)
        assert z.item() == pytest.approx(expected.item(), rel=1e-14)
        slopes = [0 if v.grad is None else v.grad.item() for v in each]
        np.testing.assert_allclose(slopes, tg.grad(expected, whole)[0].numpy(), rtol=1e-13)


# Refusals

PAIRS = [
    tg.mse_loss, tg.l1_loss, tg.huber_loss, tg.smooth_l1_loss, tg.binary_cross_entropy,
    tg.binary_cross_entropy_with_logits, tg.kl_div, tg.hinge_loss, tg.dice_loss,
]  # fmt: skip


@pytest.mark.parametrize("loss", PAIRS)
def test_shapes_that_differ_are_refused_and_nothing_changes(loss):
    x = leaf(np.full((2, 3), 0.5))
    x.grad = tg.tensor(np.ones((2, 3)))
    for target in (np.ones(3), np.ones((3, 2)), 1.0, [1.0, 1.0], leaf(np.ones((1, 3)))):
        shape = np.shape(target.numpy() if isinstance(target, tg.Tensor) else target)
        text = f"x of shape (2, 3) and target of shape {shape} must have the same shape"
        with refused(loss.__name__, ValueError, text, tensors=[x]):
            loss(x, target)
    for target in (None, "1", {1: 2}):
        with refused(loss.__name__, TypeError, "the target must be numbers but is", tensors=[x]):
            loss(x, target)


@pytest.mark.parametrize("loss", [*PAIRS, tg.nll_loss, tg.multi_margin_loss])
def test_unknown_reductions_are_refused(loss):
    x = leaf(np.full((2, 3), 0.5))
    for reduction in ("total", None, "batchmean" if loss is not tg.kl_div else "Mean"):
        with refused(loss.__name__, ValueError, f"but is {reduction!r}", "'mean'", "'sum'", "'none'", tensors=[x]):
            loss(x, np.ones((2, 3)), reduction=reduction)


BAD_VALUES = [
    (tg.binary_cross_entropy, [1.5, 0.5], [1.0, 0.0], {}, ValueError, "x must be numbers from 0 to 1"),
    (tg.binary_cross_entropy, [0.5, 0.5], [-1.0, 0.0], {}, ValueError, "target must be numbers from 0 to 1"),
    (tg.binary_cross_entropy_with_logits, [5.0, 5.0], [2.0, 0.0], {}, ValueError, "target must be numbers from 0 to 1"),
    (tg.binary_cross_entropy_with_logits, [5.0, 5.0], [np.nan, 0.0], {}, ValueError, "target must be numbers from 0"),
    (tg.binary_cross_entropy, [0.5, 0.5], [1.0, 0.0], {"weight": [1.0] * 3}, ValueError, "weight of shape (3,)"),
    (tg.binary_cross_entropy, [0.5, 0.5], [1.0, 0.0], {"weight": [[1.0], [2.0]]}, ValueError, "weight of shape (2, 1)"),
    (tg.binary_cross_entropy_with_logits, [5.0, 5.0], [1.0, 0.0], {"pos_weight": [1.0] * 3}, ValueError, "pos_weight"),
    (tg.binary_cross_entropy, [0.5, 0.5], [1.0, 0.0], {"weight": "1"}, TypeError, "the weight must be numbers"),
    (tg.kl_div, [-1.0, -1.0], [-0.5, 1.0], {}, ValueError, "target probabilities must be numbers >= 0"),
    (tg.kl_div, [-1.0, -1.0], [np.nan, 1.0], {}, ValueError, "target probabilities must be numbers >= 0"),
    (tg.hinge_loss, [1.0, 1.0], [0.0, 1.0], {}, ValueError, "targets must be -1 or 1"),
    (tg.hinge_loss, [1.0, 1.0], [2.0, 1.0], {}, ValueError, "targets must be -1 or 1"),
    (tg.dice_loss, [1.0, 1.0], [2.0, 1.0], {}, ValueError, "target must be numbers from 0 to 1"),
    (tg.dice_loss, [1.0, 1.0], [1.0, 1.0], {"axis": 1}, ValueError, "expected an axis of -1 to 0"),
    (tg.huber_loss, [1.0], [1.0], {"delta": 0}, ValueError, "delta must be positive but is 0"),
    (tg.huber_loss, [1.0], [1.0], {"delta": np.nan}, ValueError, "delta must be positive but is nan"),
    (tg.smooth_l1_loss, [1.0], [1.0], {"beta": -1}, ValueError, "beta must be at least 0 but is -1"),
    (tg.smooth_l1_loss, [1.0], [1.0], {"beta": np.nan}, ValueError, "beta must be at least 0 but is nan"),
    (tg.nll_loss, [[-1.0, -2.0]], [2], {}, ValueError, "labels must be 0 to 1 but target[0] is 2"),
    (tg.nll_loss, [[-1.0, -2.0]], [-1], {}, ValueError, "labels must be 0 to 1 but target[0] is -1"),
    (tg.nll_loss, [[-1.0, -2.0]], [[0.5, 0.5]], {}, ValueError, "expected labels of shape (1,) for x of shape (1, 2)"),
    (tg.nll_loss, [-1.0, -2.0], [0, 1], {}, ValueError, "expected labels of shape () for x of shape (2,)"),
    (tg.nll_loss, [[-1.0, -2.0]], [0.0], {}, TypeError, "labels must be integers but are float"),
    (tg.nll_loss, [[-1.0, -2.0]], [0], {"weight": [1.0]}, ValueError, "weight must have shape (2,)"),
    (tg.multi_margin_loss, [[1.0, 2.0]], [2], {}, ValueError, "labels must be 0 to 1 but target[0] is 2"),
    (tg.multi_margin_loss, [[1.0, 2.0]], [-1], {}, ValueError, "labels must be 0 to 1 but target[0] is -1"),
    (tg.multi_margin_loss, [[1.0, 2.0]], [-100], {}, ValueError, "labels must be 0 to 1 but target[0] is -100"),
    (tg.multi_margin_loss, [[1.0, 2.0]], [[0, 1]], {}, ValueError, "expected labels of shape (1,)"),
    (tg.multi_margin_loss, [[[1.0, 2.0]]], [[0, 1]], {}, ValueError, "x must be (N, classes) or (classes,) but"),
    (tg.multi_margin_loss, [[]], [0], {}, ValueError, "x must be (N, classes) or (classes,) but has shape (1, 0)"),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "x", "target", "options", "error", "text"), BAD_VALUES)
def test_bad_values_are_refused_and_nothing_changes(loss, x, target, options, error, text):
    x = leaf(np.array(x))
    logits = (x * 1).retain_grad()
    for kind in (lambda t: t, np.array, tg.tensor):
        with refused(loss.__name__, error, text, tensors=[x, logits]):
            loss(logits, kind(target), **options)

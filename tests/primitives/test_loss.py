"""softmax, log_softmax, logsumexp and cross_entropy: values to many digits, gradients, extremes, options, refusals."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.finite_differences import check_gradients
from tests.operands import assert_close, assert_equal, normals
from tests.reductions import CASES, members
from tests.refusals import refused

FLOATS = [np.float16, np.float32, np.float64]


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


def log_probabilities(row):
    """x - log(sum(exp(x))) of a row of numbers, to 50 digits."""
    with localcontext() as context:
        context.prec, context.Emin = 60, -999_999
        values = [Decimal(float(v)) for v in row]
        norm = sum((v.exp() for v in values), Decimal(0)).ln()
        return [v - norm for v in values]


def of_rows(function, array, axis=-1):
    """The function of each row along the axis."""
    moved = np.moveaxis(array, axis, -1)
    rows = [function(row) for row in moved.reshape(-1, moved.shape[-1])]
    return np.moveaxis(np.array(rows, dtype=np.float64).reshape(moved.shape), -1, axis)


def log_softmax_oracle(x, axis=-1):
    return of_rows(lambda row: [float(v) for v in log_probabilities(row)], x, axis)


def softmax_oracle(x, axis=-1):
    return of_rows(lambda row: [float(v.exp()) for v in log_probabilities(row)], x, axis)


def epsilon(dtype):
    return float(np.finfo(dtype).eps)


SHAPES = [((5,), -1), ((1,), 0), ((2, 3), 1), ((2, 3), 0), ((2, 3), -2), ((3, 1), 1), ((2, 3, 4), 1), ((0, 3), 1)]


# softmax and log_softmax


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_values_are_exact_to_rounding(shape, axis, dtype):
    for scale in (1, 30):
        x = (normals(shape, 1) * scale).astype(dtype)
        z = tg.softmax(leaf(x), axis)
        assert (z.dtype, z.shape) == (dtype, shape)
        # The shift x - max(x) rounds to half a unit of the larger: with it the exponential is off by that much.
        tolerance = 4 * epsilon(dtype) * max(1, np.abs(x).max(initial=0))
        np.testing.assert_allclose(z.numpy(), softmax_oracle(x, axis), rtol=tolerance, atol=np.finfo(dtype).tiny)
        z = tg.log_softmax(leaf(x), axis)
        assert (z.dtype, z.shape) == (dtype, shape)
        expected = log_softmax_oracle(x, axis)
        np.testing.assert_allclose(z.numpy(), expected, rtol=3 * epsilon(dtype), atol=4 * epsilon(dtype))


@pytest.mark.parametrize("dtype", FLOATS)
def test_extreme_logits(dtype):
    """At 10,000 a naive softmax is infinity by infinity; no warning is allowed here, since each is an error."""
    x = np.array([[1e4, 0, -1e4], [-1e4, -1e4, -1e4], [1e4, 1e4, -1e4], [-1e4, 1e4, 0]], dtype)
    p, log_p = tg.softmax(leaf(x)), tg.log_softmax(leaf(x))
    third, half = dtype(1) / dtype(3), dtype(0.5)
    assert p.tolist() == [[1, 0, 0], [third] * 3, [half, half, 0], [0, 1, 0]]
    log3, log2 = float(dtype(math.log(3))), float(dtype(math.log(2)))
    expected = [[0, -1e4, -2e4], [-log3] * 3, [-log2, -log2, -2e4 - log2], [-2e4, 0, -1e4]]
    np.testing.assert_allclose(log_p.numpy(), np.array(expected), rtol=2 * epsilon(dtype))
    for labels, losses in [([0, 0, 1, 1], [0, log3, log2, 0]), ([2, 1, 2, 0], [2e4, log3, 2e4 + log2, 2e4])]:
        loss = tg.cross_entropy(leaf(x), labels, reduction="none")
        np.testing.assert_allclose(loss.numpy(), np.array(losses), rtol=2 * epsilon(dtype))
        onehot = np.eye(3)[labels]
        loss = tg.cross_entropy(leaf(x), onehot, reduction="none")
        np.testing.assert_allclose(loss.numpy(), np.array(losses), rtol=2 * epsilon(dtype))
        y = leaf(x)
        (dy,) = tg.grad(tg.cross_entropy(y, labels, reduction="sum"), y)
        np.testing.assert_allclose(dy.numpy(), p.numpy() - onehot, atol=epsilon(dtype))


def test_infinite_logits():
    x = leaf([[0.0, -np.inf], [-np.inf, 3.0]])
    assert tg.softmax(x).tolist() == [[1, 0], [0, 1]]
    loss = tg.cross_entropy(x, [0, 1])
    assert loss.item() == 0
    assert tg.grad(loss, x)[0].tolist() == [[0, 0], [0, 0]]
    assert tg.cross_entropy(x, [[1.0, 0.0], [0.0, 1.0]]).item() == 0
    assert tg.cross_entropy(x, [1, 1], reduction="sum").item() == np.inf


@pytest.mark.parametrize(("shape", "axis"), [((4,), -1), ((2, 3), 1), ((2, 3), 0), ((2, 2, 2), 1), ((3, 1), 1)])
def test_gradients_to_third_order(shape, axis):
    x = normals(shape, 1)
    check_gradients(lambda x: tg.softmax(x, axis) * x, x, order=3, tolerance=1e-6)
    check_gradients(lambda x: tg.log_softmax(x, axis) * x, x, order=3, tolerance=1e-6)
    check_gradients(lambda x: tg.logsumexp(x, axis) ** 2, x, order=2)


def test_the_jacobian_of_softmax():
    x = leaf(normals((4,), 0))
    p = tg.softmax(x)
    jacobian = [tg.grad(p[i], x)[0].numpy() for i in range(4)]
    q = softmax_oracle(x.numpy())
    assert_close(np.array(jacobian), np.diag(q) - np.outer(q, q), 1e-15)
    assert_close(sum(jacobian), np.zeros(4), 1e-15)


def test_logsumexp():
    for dtype in FLOATS:
        x = np.array([[1e4, 1e4], [-1e4, -1e4], [0, 0]], dtype)
        z = tg.logsumexp(leaf(x))
        np.testing.assert_allclose(z.numpy(), x[:, 0].astype(float) + math.log(2), rtol=epsilon(dtype))
        assert tg.logsumexp(leaf(x), axis=0, keepdims=True).shape == (1, 2)
    with pytest.raises(ValueError, match=r"^logsumexp: axis -1 of shape \(2, 0\) is empty"):
        tg.logsumexp(leaf(np.zeros((2, 0))))


@pytest.mark.parametrize(("shape", "axes"), CASES)
@pytest.mark.parametrize("keepdims", [False, True])
def test_logsumexp_over_every_choice_of_axes(shape, axes, keepdims):
    """Against 60 digits: log(sum(exp(x))) is the x of any element minus its log softmax."""
    x = 100 * normals(shape, 1)
    small, lists = members(shape, axes, keepdims)
    z, slopes = np.empty(small), np.empty(shape)
    weights = normals(small, 2)
    for k, v in lists.items():
        log_p = log_probabilities([x[i] for i in v])
        z[k] = Decimal(float(x[v[0]])) - log_p[0]
        for i, p in zip(v, log_p, strict=True):
            slopes[i] = weights[k] * float(p.exp())
    a = leaf(x)
    found = tg.logsumexp(a, axes, keepdims)
    np.testing.assert_allclose(found.numpy(), z, rtol=4e-16)
    for create_graph in (False, True):
        assert_close(tg.grad(found, a, [weights], create_graph=create_graph)[0].numpy(), slopes, 1e-13)
    assert_close(tg.logsumexp(x, axes[::-1], keepdims), z, 1e-15)


def test_logsumexp_of_all_axes_to_third_order():
    for axis in (None, (0, 2), (1,)):
        check_gradients(lambda x, axis=axis: tg.logsumexp(x, axis), normals((2, 3, 2), 1), order=3, tolerance=1e-6)


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_gradient_of_logsumexp_is_exact_at_extremes(dtype):
    x = leaf(np.array([[1e4, 1e4], [-1e4, -1e4], [1e4, -1e4], [-np.inf, 3], [-np.inf, -np.inf]], dtype))
    z = tg.logsumexp(x, 1)
    (dx,) = tg.grad(z, x, [np.ones(5)], create_graph=True)
    assert dx.tolist() == [[0.5, 0.5], [0.5, 0.5], [1, 0], [0, 1], [0, 0]]
    assert z.tolist()[2:] == [dtype(1e4), 3, -np.inf]
    (ddx,) = tg.grad(dx, x, [np.array([[1.0, 0.0]] * 5)])
    assert ddx.tolist() == [[0.25, -0.25], [0.25, -0.25], [0, 0], [0, 0], [0, 0]]


@pytest.mark.parametrize("function", [tg.softmax, tg.log_softmax])
def test_wrong_axes_are_refused(function):
    name = function.__name__
    for axis in (2, -3):
        with pytest.raises(ValueError, match=rf"^{name}: expected an axis of -2 to 1 for 2 axes but got"):
            function(leaf(np.zeros((2, 3))), axis)
    for axis in (None, (0, 1)):
        with pytest.raises(ValueError, match=rf"^{name}: expected a single axis but got "):
            function(leaf(np.zeros((2, 3))), axis)
    with pytest.raises(TypeError, match=rf"^{name}: axis must be an integer but is 0\.5"):
        function(leaf(np.zeros((2, 3))), 0.5)
    with pytest.raises(ValueError, match=rf"^{name}: "):
        function(leaf(1.0))


def test_wrong_axes_of_logsumexp_are_refused():
    x = leaf(np.zeros((2, 3)))
    for axis, message in [(2, "expected an axis of -2 to 1"), ((0, -2), "each axis may come once")]:
        with pytest.raises(ValueError, match=rf"^logsumexp: {message}"):
            tg.logsumexp(x, axis)
    with pytest.raises(TypeError, match=r"^logsumexp: axis must be an integer but is 0\.5"):
        tg.logsumexp(x, 0.5)


def test_an_empty_axis_is_refused_by_name():
    for function in (tg.softmax, tg.log_softmax):
        with pytest.raises(ValueError, match=rf"^{function.__name__}: "):
            function(leaf(np.zeros((2, 0))))


def test_integers_become_floats():
    assert tg.softmax(tg.tensor([0, 0])).tolist() == [0.5, 0.5]
    assert tg.cross_entropy(tg.tensor([[0, 0]]), [1]).item() == pytest.approx(math.log(2))


# cross_entropy


def losses_of_labels(x, labels):
    return np.array([-float(log_probabilities(row)[label]) for row, label in zip(x, labels, strict=True)])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(5, 4), (1, 4), (3, 1), (12, 3)])
@pytest.mark.parametrize("kind", [list, tuple, np.array, tg.tensor, np.uint8, np.uint64, np.int32])
def test_labels(dtype, shape, kind):
    x = normals(shape, 1).astype(dtype)
    labels = [int(v) for v in np.random.default_rng(0).integers(0, shape[1], shape[0])]
    expected = losses_of_labels(x, labels)
    slopes = softmax_oracle(x) - np.eye(shape[1])[labels]
    for reduction, value, share in [
        ("none", expected, 1),
        ("sum", expected.sum(), 1),
        ("mean", expected.mean(), 1 / shape[0]),
    ]:
        a = leaf(x)
        loss = tg.cross_entropy(a, kind(labels), reduction=reduction)
        assert (loss.dtype, loss.shape) == (dtype, value.shape)
        np.testing.assert_allclose(loss.numpy(), value, rtol=8 * epsilon(dtype), atol=8 * epsilon(dtype))
        for create_graph in (False, True):
            (da,) = tg.grad(loss, a, [np.ones(loss.shape)], create_graph=create_graph)
            assert da.dtype == dtype
            np.testing.assert_allclose(da.numpy(), slopes * share, atol=4 * epsilon(dtype))


def test_one_sample_without_a_batch_axis():
    x = normals((4,), 1)
    for label in (2, np.int64(2), tg.tensor(2), np.array(2)):
        for reduction in ("mean", "sum", "none"):
            a = leaf(x)
            loss = tg.cross_entropy(a, label, reduction=reduction)
            assert loss.shape == ()
            assert loss.item() == pytest.approx(losses_of_labels(x[None], [2])[0], rel=1e-14)
            (da,) = tg.grad(loss, a)
            assert_close(da.numpy(), softmax_oracle(x) - np.eye(4)[2], 1e-15)
    target = np.array([0.1, 0.2, 0.3, 0.4])
    for kind in (list, np.array, tg.tensor):
        loss = tg.cross_entropy(leaf(x), kind(target))
        assert loss.item() == pytest.approx(-(target * log_softmax_oracle(x)).sum(), rel=1e-14)


@pytest.mark.parametrize("kind", [np.ndarray.tolist, np.array, tg.tensor, lambda t: t.astype(np.float32)])
def test_probabilities(kind):
    x = normals((3, 4), 1)
    target = np.array([[0.25, 0.25, 0.5, 0], [1, 0, 0, 0], [0.125, 0.125, 0.25, 0.5]])
    expected = -(target * log_softmax_oracle(x)).sum(axis=1)
    for reduction, value, share in [
        ("none", expected, 1),
        ("sum", expected.sum(), 1),
        ("mean", expected.mean(), 1 / 3),
    ]:
        a = leaf(x)
        loss = tg.cross_entropy(a, kind(target), reduction=reduction)
        assert_close(loss.numpy(), value, 1e-14)
        assert loss.dtype == np.float64
        (da,) = tg.grad(loss, a, [np.ones(loss.shape)])
        assert_close(da.numpy(), (softmax_oracle(x) - target) * share, 1e-15)
    assert tg.cross_entropy(leaf(x.astype(np.float32)), kind(target)).dtype == np.float32


def test_probabilities_in_a_list_keep_every_digit():
    x = normals((2, 2), 1)
    target = [[0.1, 0.9], [0.3, 0.7]]
    loss = tg.cross_entropy(leaf(x), target, reduction="sum")
    assert loss.item() == pytest.approx(-(np.array(target) * log_softmax_oracle(x)).sum(), rel=1e-15)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("target", [[1, 0, 2], [[0.5, 0.5, 0], [0, 0, 1], [0.25, 0.5, 0.25]]])
def test_gradients_of_cross_entropy_to_third_order(reduction, target):
    check_gradients(
        lambda x: tg.cross_entropy(x, target, reduction=reduction) ** 2, normals((3, 3), 1), order=3, tolerance=1e-6
    )


def test_gradients_with_options_to_second_order():
    weight = [0.5, 2.0, 1.0]
    options = [
        ([1, 0, 2], {"weight": weight}),
        ([1, -100, 2], {"weight": weight}),
        ([1, 0, 2], {"label_smoothing": 0.3}),
        ([1, 7, 2], {"ignore_index": 7, "label_smoothing": 0.1, "weight": weight}),
        ([[0.5, 0.5, 0], [0, 0, 1], [0.25, 0.5, 0.25]], {"weight": weight, "label_smoothing": 0.2}),
    ]
    for target, named in options:
        for reduction in ("mean", "sum", "none"):
            check_gradients(
                lambda x, t=target, k=named, r=reduction: tg.cross_entropy(x, t, reduction=r, **k), normals((3, 3), 1)
            )


def weighted_losses(x, labels, weight, ignore, smoothing):
    """The loss and the weight of each sample, class by class."""
    losses, weights = [], []
    classes = len(weight)
    for row, label in zip(x, labels, strict=True):
        log_p = [float(v) for v in log_probabilities(row)]
        target = [(1 - smoothing) * (c == label) + smoothing / classes for c in range(classes)]
        counts = label != ignore
        losses.append(-sum(t * w * v for t, w, v in zip(target, weight, log_p, strict=True)) if counts else 0.0)
        weights.append(weight[label] if counts else 0.0)
    return np.array(losses), np.array(weights)


@pytest.mark.parametrize("weight", [None, [0.5, 2.0, 1.0], [0.0, 1.0, 3.0]])
@pytest.mark.parametrize("ignore", [-100, 1, 7])
@pytest.mark.parametrize("smoothing", [0.0, 0.3, 1.0])
def test_weights_ignored_labels_and_smoothing(weight, ignore, smoothing):
    x = normals((6, 3), 1)
    labels = [0, 1, 2, 2, ignore, 0]
    losses, counts = weighted_losses(x, labels, weight or [1.0] * 3, ignore, smoothing)
    options = {"weight": weight, "ignore_index": ignore, "label_smoothing": smoothing}
    assert_close(tg.cross_entropy(leaf(x), labels, reduction="none", **options).numpy(), losses, 1e-14)
    assert_close(tg.cross_entropy(leaf(x), labels, reduction="sum", **options).numpy(), losses.sum(), 1e-14)
    assert_close(tg.cross_entropy(leaf(x), labels, **options).numpy(), losses.sum() / counts.sum(), 1e-14)


def test_a_mean_over_no_sample_is_zero():
    for x, labels in [(np.zeros((0, 3)), np.zeros(0, int)), (np.ones((2, 3)), [-100, -100])]:
        a = leaf(x)
        loss = tg.cross_entropy(a, labels)
        assert loss.item() == 0
        assert_equal(tg.grad(loss, a)[0].numpy(), np.zeros(x.shape))


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 2, 2), (1, 3, 1)])
def test_every_pixel_has_its_own_label(shape):
    x = normals(shape, 1)
    labels = np.random.default_rng(0).integers(0, 3, (shape[0], *shape[2:]))
    log_p = log_softmax_oracle(x, 1)
    expected = np.empty(labels.shape)
    for n, *pixel in np.ndindex(labels.shape):
        expected[(n, *pixel)] = -log_p[(n, labels[(n, *pixel)], *pixel)]
    a = leaf(x)
    loss = tg.cross_entropy(a, labels, reduction="none")
    assert_close(loss.numpy(), expected, 1e-14)
    assert_close(tg.cross_entropy(a, labels).numpy(), expected.mean(), 1e-14)
    (da,) = tg.grad(loss, a, [np.ones(labels.shape)])
    onehot = np.moveaxis(np.eye(3)[labels], -1, 1)
    assert_close(da.numpy(), softmax_oracle(x, 1) - onehot, 1e-14)
    soft = tg.cross_entropy(a, onehot, reduction="none")
    assert_close(soft.numpy(), expected, 1e-14)


def layouts(array):
    wide = np.zeros((array.shape[0], 2 * array.shape[1]), array.dtype)
    wide[:, ::2] = array
    return [array, np.asfortranarray(array), wide[:, ::2], array[:, ::-1].copy()[:, ::-1]]


@pytest.mark.parametrize("target", [[0, 2, 1, 1], [[0.5, 0.5, 0]] * 4], ids=["labels", "probabilities"])
@pytest.mark.parametrize("samples", [1, 4])
def test_memory_layout_makes_no_difference(target, samples):
    """Logits that were transposed lie in Fortran order: their gradient is the same."""
    x = normals((4, 3), 1)[:samples]
    target = target[:samples]
    onehot = np.array(target) if isinstance(target[0], list) else np.eye(3)[target]
    expected = softmax_oracle(x) - onehot
    for array in layouts(x):
        a = leaf(array)
        for logits in (a, a.T.T, a[::-1][::-1]):
            loss = tg.cross_entropy(logits, target, reduction="sum")
            assert_close(tg.grad(loss, a)[0].numpy(), expected, 1e-15)
    columns = leaf(np.ascontiguousarray(x.T))
    loss = tg.cross_entropy(columns.T, target, reduction="none")
    assert_close(tg.grad(loss.sum(), columns)[0].numpy(), expected.T, 1e-15)
    for function in (tg.softmax, tg.log_softmax):
        assert_close(function(columns.T).numpy(), function(leaf(x)).numpy(), 1e-15)


def test_operands_stay_as_they_are():
    x, labels, target = normals((3, 4), 1), np.array([0, 1, 2]), np.full((3, 4), 0.25)
    before = x.copy()
    for t in (labels, target):
        kept = t.copy()
        loss = tg.cross_entropy(leaf(x), t)
        loss.backward()
        assert_equal(x, before)
        assert_equal(t, kept)
    a = leaf(x)
    loss = tg.cross_entropy(a, labels)
    labels[:] = 3
    (da,) = tg.grad(loss, a, create_graph=True)
    assert_close(da.numpy(), (softmax_oracle(x) - np.eye(4)[[0, 1, 2]]) / 3, 1e-15)


def test_symbols():
    sympy = pytest.importorskip("sympy")
    a, b = sympy.symbols("a b", real=True)
    for shape, label in [((2,), 1), ((1, 2), [1])]:
        x = leaf(np.array([a, b], dtype=object).reshape(shape))
        loss = tg.cross_entropy(x, label)
        assert sympy.simplify(loss.item() - (sympy.log(sympy.exp(a) + sympy.exp(b)) - b)) == 0
        (dx,) = tg.grad(loss, x)
        p = sympy.exp(a) / (sympy.exp(a) + sympy.exp(b))
        assert [sympy.simplify(v - e) for v, e in zip(dx.numpy().flat, [p, -p], strict=True)] == [0, 0]


def test_scalar_tensors():
    """The scalar graph of a softmax: each logit is a node of its own."""
    x = np.empty(3, dtype=object)
    for i, value in enumerate((0.5, -1.0, 2.0)):
        x[i] = leaf(np.float64(value))
    loss = -tg.log_softmax(x)[1]
    loss.backward()
    p = softmax_oracle(np.array([0.5, -1.0, 2.0]))
    np.testing.assert_allclose([v.grad.item() for v in x], p - np.eye(3)[1], atol=1e-15)


# Refusals


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ([0, 3], ValueError, "labels must be 0 to 2 but target[1] is 3"),
        ([-1, 0], ValueError, "labels must be 0 to 2 but target[0] is -1"),
        ([0], ValueError, "(2, 3) but the target has shape (1,)"),
        ([[0], [1]], ValueError, "(2, 3) but the target has shape (2, 1)"),
        (1, ValueError, "(2, 3) but the target has shape ()"),
        ([0.0, 1.0], TypeError, "labels must be integers but are float"),
        ([True, False], TypeError, "labels must be integers but are bool"),
        ([np.nan, 1.0], TypeError, "labels must be integers but are float"),
        ([[np.nan, 0.5, 0.5], [1, 0, 0]], ValueError, "numbers >= 0 but some are negative or NaN"),
        ([[-0.5, 1, 0.5], [1, 0, 0]], ValueError, "numbers >= 0 but some are negative or NaN"),
        ([[0.5, 0.25, 0], [1, 0, 0]], ValueError, "must add up to 1"),
        ([[0, 0, 0], [1, 0, 0]], ValueError, "must add up to 1"),
        ([[np.inf, 0, 0], [1, 0, 0]], ValueError, "must add up to 1"),
    ],
)
@pytest.mark.parametrize("kind", [lambda t: t, np.array, tg.tensor])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_bad_targets_are_refused_and_nothing_changes(target, error, message, kind, reduction):
    x = leaf(normals((2, 3), 1))
    logits = (x * 2).retain_grad()
    x.grad = tg.tensor(np.ones((2, 3)))
    target = kind(target)
    with refused("cross_entropy", error, message, tensors=[x, logits]):
        tg.cross_entropy(logits, target, reduction=reduction)
    tg.cross_entropy(logits, [0, 1]).backward()
    assert logits.grad is not None


def test_other_bad_arguments_are_refused():
    x = leaf(normals((2, 3), 1))
    with pytest.raises(ValueError, match=r"^cross_entropy: reduction must be .*'mean'.*'sum'.*'none'.* but is 'total'"):
        tg.cross_entropy(x, [0, 1], reduction="total")
    for shape in [(), (2, 0), (0,)]:
        with pytest.raises(ValueError, match=r"^cross_entropy: x must be \(N, classes"):
            tg.cross_entropy(leaf(np.zeros(shape)), [0, 1])
    with pytest.raises(ValueError, match=r"^cross_entropy: the target must not require a gradient; detach\(\) it"):
        tg.cross_entropy(x, leaf(np.full((2, 3), 1 / 3)))
    for smoothing in (-0.1, 1.5, np.nan):
        with pytest.raises(ValueError, match=r"^cross_entropy: label_smoothing must be 0 to 1"):
            tg.cross_entropy(x, [0, 1], label_smoothing=smoothing)
    with pytest.raises(ValueError, match=r"^cross_entropy: weight must have shape \(3,\) for 3 classes but has \(2,\)"):
        tg.cross_entropy(x, [0, 1], weight=[1.0, 2.0])
    for weight in ([1.0, -1.0, 1.0], [1.0, np.nan, 1.0]):
        with pytest.raises(ValueError, match=r"^cross_entropy: the weights of the classes must be numbers >= 0"):
            tg.cross_entropy(x, [0, 1], weight=weight)
    labels = np.zeros((2, 4, 5), int)
    labels[1, 2, 3] = 7
    with pytest.raises(ValueError, match=r"^cross_entropy: labels must be 0 to 2 but target\[1, 2, 3\] is 7"):
        tg.cross_entropy(leaf(np.zeros((2, 3, 4, 5))), labels)
    with pytest.raises(ValueError, match=r"^cross_entropy: expected labels"):
        tg.cross_entropy(leaf(np.zeros((2, 3, 4))), np.zeros((2, 3), int))


def test_plain_logits_give_a_plain_loss():
    x = normals((2, 3), 1)
    loss = tg.cross_entropy(x, [0, 1])
    assert not isinstance(loss, tg.Tensor)
    assert loss == pytest.approx(losses_of_labels(x, [0, 1]).mean(), rel=1e-14)
    assert tg.cross_entropy(x.tolist(), [0, 1]) == pytest.approx(loss, rel=1e-6)

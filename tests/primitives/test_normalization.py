"""Batch, layer, group and instance normalisation against loops over single elements: values, gradients, statistics.

A root is rarely rational, so the exact comparisons are made on fractions whose variance + eps has one.
"""

from fractions import Fraction
from math import prod
from weakref import ref

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.dual_numbers import exact_gradients
from tests.finite_differences import check_gradients
from tests.normalization_cases import CASES, EMPTY, EPS, Normalization, batch, by_name, group, instance, layer
from tests.operands import assert_close, assert_equal, assert_exact, fractions, integers, layouts, normals, tensors
from tests.refusals import refused

ONE_OF_EACH = (
    "batch_norm: images", "layer_norm: two axes", "group_norm: two groups", "instance_norm: images",
)  # fmt: skip


def operands(case, dtype=np.float64):
    return [normals(shape, seed, dtype) for seed, shape in enumerate(case.shapes, 1)]


def as_floats(arrays):
    return [array.astype(np.float64) for array in arrays]


# Against the loops


@by_name(CASES)
def test_values_are_exact_on_fractions(case):
    x, weight, bias = case.rational(1), fractions(case.parameter, 2), fractions(case.parameter, 3)
    X, W, B = tensors(x, weight, bias)
    assert_exact(case(X), case.value(x))
    assert_exact(case(X, W), case.value(x, weight))
    assert_exact(case(X, W, B), case.value(x, weight, bias))
    assert_exact(case(X, bias=B), case.value(x, bias=bias))


@by_name(CASES)
def test_gradients_are_exact_on_fractions(case):
    arrays = case.rational(1), fractions(case.parameter, 2), fractions(case.parameter, 3)
    dz = fractions(case.x, 4)
    leaves = tensors(*arrays)
    case(*leaves).backward(dz)
    for leaf, expected in zip(leaves, exact_gradients(case.value, arrays, dz), strict=True):
        assert_exact(leaf.grad, expected)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float16, 2e-3), (np.float32, 1e-6), (np.float64, 1e-14)])
@by_name(CASES)
def test_floats_round_near_the_precision_of_their_dtype(case, dtype, tolerance):
    arrays, dz = operands(case, dtype), normals(case.x, 4, dtype)
    leaves = tensors(*arrays)
    z = case(*leaves)
    z.backward(dz)
    *exact, exact_dz = as_floats([*arrays, dz])
    assert z.dtype == dtype
    assert_close(z.numpy(), case.value(*exact), tolerance)
    for leaf, expected in zip(leaves, case.gradients(*exact[:2], exact_dz), strict=True):
        assert leaf.grad.dtype == dtype
        assert_close(leaf.grad.numpy(), expected, tolerance)


@by_name(CASES)
def test_gradients_without_a_weight_or_a_bias(case):
    x, weight, bias = operands(case)
    dz, ones = normals(case.x, 4), np.ones(case.parameter)
    expected = case.gradients(x, weight, dz)
    X, W, B = tensors(x, weight, bias)
    for actual, wanted in [
        (tg.grad(case(X), X, dz), case.gradients(x, ones, dz)[:1]),
        (tg.grad(case(X, W), (X, W), dz), expected[:2]),
        (tg.grad(case(X, bias=B), (X, B), dz), [case.gradients(x, ones, dz)[i] for i in (0, 2)]),
        (tg.grad(case(x, W, bias), W, dz), expected[1:2]),
        (tg.grad(case(x, weight, B), B, dz), expected[2:]),
    ]:
        for gradient, value in zip(actual, wanted, strict=True):
            assert_close(gradient.numpy(), value, 1e-13)


@by_name(CASES)
def test_gradients_of_first_and_second_order_are_central_differences(case):
    check_gradients(case, *operands(case), tolerance=1e-6)


@by_name(CASES, *ONE_OF_EACH)
def test_gradients_of_third_order_are_central_differences(case):
    argument = {"layer_norm": (2, 2), "group_norm": 1}.get(case.operation)
    small = Normalization(case.operation, "small", (2, 2, 2), argument)
    check_gradients(small, *operands(small), order=3, tolerance=1e-5)


def test_any_shape():
    hypothesis = pytest.importorskip("hypothesis")
    st = pytest.importorskip("hypothesis.strategies")

    @hypothesis.settings(deadline=None, max_examples=60, database=None)
    @hypothesis.given(st.data())
    def check(data):
        operation = data.draw(st.sampled_from(["batch_norm", "layer_norm", "group_norm", "instance_norm"]))
        batch, per_group, groups = (data.draw(st.integers(1, 3)) for _ in range(3))
        size = data.draw(st.lists(st.integers(1, 4), min_size=operation == "instance_norm", max_size=3))
        shape = (batch, groups * per_group, *size)
        last = shape[data.draw(st.integers(0, len(shape) - 1)) :]
        argument = {"group_norm": groups, "layer_norm": last}.get(operation)
        case = Normalization(operation, "any", shape, argument)
        if min(map(len, case.groups.values())) == 1 and operation in ("batch_norm", "instance_norm"):
            return
        dtype = data.draw(st.sampled_from([np.float32, np.float64]))
        arrays = operands(case, dtype)
        layout = data.draw(st.sampled_from(["as it is", *layouts(arrays[0])]))
        x, weight, bias = tensors(*arrays)
        x = tg.tensor(layouts(arrays[0]).get(layout, arrays[0]), requires_grad=True)
        dz = normals(shape, 4, dtype)
        z = case(x, weight, bias)
        tolerance = 1e-5 if dtype == np.float32 else 1e-13
        assert_close(z.numpy(), case.value(*as_floats(arrays)), tolerance)
        expected = case.gradients(*as_floats([*arrays[:2], dz]))
        for actual, wanted in zip(tg.grad(z, (x, weight, bias), dz), expected, strict=True):
            assert_close(actual.numpy(), wanted, tolerance)

    check()


# Hard places


@pytest.mark.parametrize("scale", [1.0, 1e-2])
@by_name(CASES, *ONE_OF_EACH, "batch_norm: no spatial axis")
def test_nothing_cancels_far_from_zero(case, scale):
    """At a mean of 10,000 float32 has steps of 0.001: nothing of what it still says of x is lost."""
    x = (10_000 + scale * normals(case.x, 1)).astype(np.float32)
    _, weight, bias = operands(case, np.float32)
    eps = 1e-5 * scale**2
    leaves = tensors(x, weight, bias)
    z = case(*leaves, eps=eps)
    dz = normals(case.x, 4, np.float32)
    z.backward(dz)
    exact = as_floats([x, weight, bias])
    assert_close(z.numpy(), case.value(*exact, eps), 1e-6)
    expected = case.gradients(*exact[:2], dz.astype(np.float64), eps)
    for leaf, gradient in zip(leaves, expected, strict=True):
        assert_close(leaf.grad.numpy(), gradient, 2e-6)
    for i, alone in enumerate(tensors(weight, bias), 1):  # each finds its own sums
        operands_of = [x, weight, bias]
        operands_of[i] = alone
        assert_close(tg.grad(case(*operands_of, eps=eps), alone, dz)[0].numpy(), expected[i], 2e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e4, -3e4])
@by_name(CASES)
def test_a_constant_has_no_variance_and_becomes_the_bias(case, value):
    x = np.full(case.x, value, np.float32)
    _, weight, bias = operands(case, np.float32)
    leaves = tensors(x, weight, bias)
    z = case(*leaves, eps=1e-5)
    assert_close(z.numpy(), case.value(*as_floats([x, weight, bias]), 1e-5), 1e-6)
    z.backward(integers(case.x, 4, np.float32))
    expected = case.gradients(*as_floats([x, weight]), integers(case.x, 4), 1e-5)
    for leaf, gradient in zip(leaves, expected, strict=True):
        assert_close(leaf.grad.numpy(), gradient, 1e-5)


@pytest.mark.parametrize("operation", ["batch_norm", "group_norm"])
def test_the_sums_of_float16_do_not_overflow(operation):
    case = Normalization(operation, "large", (2, 2, 256), 2)
    x = (1000 + 8 * normals(case.x, 1)).astype(np.float16)  # 512 of them are far more than 65,504
    (X,) = tensors(x)
    z = case(X)
    assert z.dtype == np.float16
    assert_close(z.numpy(), case.value(x.astype(np.float64)), 1e-3)
    (dx,) = tg.grad(z, X, np.full(case.x, 500, np.float16))
    assert dx.dtype == np.float16
    assert_close(dx.numpy(), np.zeros(case.x), 1e-3)


@by_name(EMPTY)
def test_empty_axes(case):
    for dtype in (np.float32, np.float16, object):
        leaves = tensors(*(np.zeros(shape, dtype) for shape in case.shapes))
        z = case(*leaves)
        assert z.shape == case.x
        first = tg.grad(z, leaves, np.zeros(case.x, dtype), create_graph=True)
        first[0].sum().backward()
        for leaf, gradient in zip(leaves, first, strict=True):
            assert_equal(gradient.numpy(), np.zeros(leaf.shape, dtype))


@pytest.mark.parametrize("dtype", [np.float64, object])
@by_name([case for case in CASES if len(case.x) > 2])
def test_memory_layout_makes_no_difference(case, dtype):
    x = case.rational(1) if dtype is object else normals(case.x, 1)
    weight, bias = (fractions(case.parameter, seed).astype(dtype) for seed in (2, 3))
    dz = fractions(case.x, 4).astype(dtype)
    X, W, B = tensors(x, weight, bias)
    Z = case(X, W, B)
    expected = tg.grad(Z, (X, W, B), dz)
    for name, view in layouts(x).items():
        compare(case(view, weight, bias), Z.numpy())
        X, W, B = tensors(view, weight, bias)
        for actual, gradient in zip(tg.grad(case(X, W, B), (X, W, B), layouts(dz)[name]), expected, strict=True):
            compare(actual.numpy(), gradient.numpy())


def compare(actual, expected):
    if expected.dtype == object:
        assert_equal(actual, expected)
    else:
        assert_close(actual, expected, 1e-13)


@by_name(CASES, *ONE_OF_EACH)
def test_operands_and_upstream_gradient_stay_as_they_are(case):
    arrays = [*operands(case), normals(case.x, 4)]
    before = [array.copy() for array in arrays]
    leaves = tensors(*arrays[:3])
    case(*leaves).backward(tg.tensor(arrays[3]))
    case(*arrays[:3])[...] = 0  # a result is the caller's own
    for array, copy in zip(arrays, before, strict=True):
        assert_equal(array, copy)
    for leaf, copy in zip(leaves, before[:3], strict=True):
        assert_equal(leaf.numpy(), copy)


@by_name(CASES, *ONE_OF_EACH)
def test_mixed_dtypes_give_the_largest_and_each_gradient_its_own(case):
    dtypes = np.float16, np.float64, np.float32
    leaves = tensors(*(normals(shape, 1, dtype) for shape, dtype in zip(case.shapes, dtypes, strict=True)))
    z = case(*leaves)
    assert z.dtype == np.float64
    z.backward(normals(case.x, 4))
    assert [leaf.grad.dtype for leaf in leaves] == list(dtypes)
    assert_close(z.numpy(), case.value(*as_floats([leaf.numpy() for leaf in leaves])), 1e-6)


@by_name(CASES, *ONE_OF_EACH)
def test_several_walks_over_one_graph_each_get_their_own_sums(case):
    arrays = operands(case)
    leaves = tensors(*arrays)
    z = case(*leaves)
    for seed in (4, 5, 6):  # an upstream gradient is gone before the next one comes, and may lie where it lay
        dz = normals(case.x, seed)
        for actual, expected in zip(tg.grad(z, leaves, dz), case.gradients(*arrays[:2], dz), strict=True):
            assert_close(actual.numpy(), expected, 1e-13)


def test_a_graph_keeps_no_upstream_gradient():
    case = batch("large", (9, 2, 8, 8))  # of small arrays nodes keep the gradient, to be shown
    X, W, B = tensors(*operands(case))
    z = case(X, W, B)
    dz = tg.tensor(normals(z.shape, 4))
    array = ref(dz._array)
    tg.grad(z, (X, W, B), dz)
    del dz
    assert array() is None


@by_name(CASES, *ONE_OF_EACH)
def test_one_tensor_for_everything_that_fits(case):
    """The gradients that arrive at one tensor from several operands add up."""
    _, weight, _ = operands(case)
    x, dz = normals(case.x, 1), normals(case.x, 4)
    X, W = tensors(x, weight)
    case(X, W, W).backward(dz)
    _, dweight, dbias = case.gradients(x, weight, dz)
    assert_close(W.grad.numpy(), dweight + dbias, 1e-13)


# Other arithmetics


def test_symbols():
    sympy = pytest.importorskip("sympy")
    a, b, w, e = sympy.symbols("a b w e", positive=True)
    z = tg.layer_norm(np.array([[a, b]]), 2, np.array([w, 1]), eps=e)
    sigma = sympy.sqrt(((a - b) / 2) ** 2 + e)
    assert sympy.simplify(z[0, 0] - w * (a - b) / (2 * sigma)) == 0
    assert sympy.simplify(z[0, 1] + (a - b) / (2 * sigma)) == 0
    X = tg.tensor(np.array([[a, b]]), requires_grad=True)
    tg.layer_norm(X, 2, np.array([w, 1]), eps=e)[0, 0].backward()
    assert sympy.simplify(X.grad.tolist()[0][1] - sympy.diff(w * (a - b) / (2 * sigma), b)) == 0


@by_name(CASES, *ONE_OF_EACH)
def test_the_scalar_graph_gives_the_gradients_of_the_tensor_graph(case):
    arrays, dz = operands(case), normals(case.x, 4)
    leaves = tensors(*arrays)
    z = case(*leaves)
    z.backward(dz)
    scalars = [np.frompyfunc(lambda v: tg.tensor(v, np.float64, requires_grad=True), 1, 1)(array) for array in arrays]
    scalar_z = case(*scalars)
    assert_close(np.vectorize(lambda v: v.item(), otypes=[float])(scalar_z), z.numpy(), 1e-13)
    sum(w * v for w, v in zip(dz.flat, scalar_z.flat, strict=True)).backward()
    for leaf, scalar in zip(leaves, scalars, strict=True):
        assert_close(np.vectorize(lambda v: v.grad.item(), otypes=[float])(scalar), leaf.grad.numpy(), 1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_fractions_without_a_rational_root_are_refused(training):
    """Not turned into floats; an eps in Python's floats is the decimal that it is written as."""
    x, running = np.array([[Fraction(0)], [Fraction(1)]]), [np.array([Fraction(2)]), np.array([Fraction(1, 4)])]
    with pytest.raises(TypeError, match=r"^sqrt: the root of variance \+ eps = 25001/100000 is no fraction"):
        tg.batch_norm(x, *((None, None) if training else running), training=training)
    with pytest.raises(ValueError, match=r"^sqrt: variance \+ eps must be positive"):
        tg.layer_norm(np.array([Fraction(1), Fraction(1)]), 2, eps=0)
    for x in (np.array([Fraction(0), Fraction(1)]), np.array([0, 1], dtype=object)):
        assert_exact(tg.tensor(tg.layer_norm(x, 2, eps=0.75)), np.array([Fraction(-1, 2), Fraction(1, 2)]))


# Running statistics


def running(channels, dtype=np.float64):
    """Statistics other than the first ones."""
    return tg.tensor(normals((channels,), 8).astype(dtype)), tg.tensor(1 + normals((channels,), 9).astype(dtype) ** 2)


def fractions_running(channels):
    return tg.tensor(fractions((channels,), 8)), tg.tensor(fractions((channels,), 9))


def moved(case, x, mean, var, momentum):
    """The running statistics after x, by the formulas, one channel at a time."""
    mean, var = mean.copy(), var.copy()
    found = case.statistics(x)
    for c in range(case.x[1]):
        of_channel = [(key, *found[key]) for key in found if c == (key if case.operation == "batch_norm" else key[1])]
        count = len(case.groups[of_channel[0][0]])
        center = sum(m for _, m, _ in of_channel) / len(of_channel)
        spread = sum(v * Fraction(count, count - 1) for *_, v in of_channel) / len(of_channel)
        mean[c] = (1 - momentum) * mean[c] + momentum * center
        var[c] = (1 - momentum) * var[c] + momentum * spread
    return mean, var


RUNNING = [case for case in CASES if case.operation in ("batch_norm", "instance_norm")]


def with_running(case, x, mean, var, weight=None, bias=None, own=True, momentum=0.1, eps=EPS):
    return getattr(tg, case.operation)(x, mean, var, weight, bias, own, momentum, eps)


@pytest.mark.parametrize("momentum", [0, 0.1, Fraction(1, 3), 1])
@by_name(RUNNING)
def test_running_statistics_move_exactly(case, momentum):
    x, (mean, var) = case.rational(1), fractions_running(case.x[1])
    expected = moved(case, x, mean.numpy(), var.numpy(), Fraction(str(momentum)))
    z = with_running(case, *tensors(x), mean, var, momentum=momentum)
    assert_exact(z, case.value(x))
    assert_exact(mean, expected[0])
    assert_exact(var, expected[1])


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float16, 2e-3), (np.float32, 1e-6), (np.float64, 1e-14)])
@by_name(RUNNING)
def test_running_statistics_over_several_steps(case, dtype, tolerance):
    mean, var = running(case.x[1], dtype)
    expected = mean.numpy().astype(float), var.numpy().astype(float)
    for seed in range(4):
        x = (3 + normals(case.x, seed)).astype(dtype)
        with_running(case, x, mean, var, momentum=0.3)
        expected = moved(case, x.astype(float), *expected, 0.3)
        assert mean.dtype == var.dtype == dtype
        assert_close(mean.numpy(), expected[0], tolerance)
        assert_close(var.numpy(), expected[1], tolerance)


def test_running_variance_far_from_zero():
    x = (10_000 + normals((8, 2, 9, 9), 1)).astype(np.float32)
    case = batch("far", x.shape)
    mean, var = running(2, np.float32)
    tg.batch_norm(x, mean, var, training=True, momentum=1.0)
    expected = moved(case, x.astype(float), np.zeros(2), np.zeros(2), 1)
    np.testing.assert_allclose(mean.numpy(), expected[0], rtol=1e-7)
    np.testing.assert_allclose(var.numpy(), expected[1], rtol=1e-6)


def test_no_momentum_and_no_grad_update_as_well():
    x, (mean, var) = normals((4, 2), 1), running(2)
    before = mean.numpy()
    with tg.no_grad():
        tg.batch_norm(tg.tensor(x, requires_grad=True), mean, var, training=True, momentum=0.5)
    assert_close(mean.numpy(), (before + x.mean(axis=0)) / 2, 1e-15)
    assert mean.node is None
    assert not before.flags.writeable  # an array that somebody may hold is replaced, not written to
    assert before is not mean.numpy()


def test_an_empty_batch_moves_nothing():
    for case in EMPTY:
        if case.operation in ("batch_norm", "instance_norm"):
            mean, var = running(case.x[1])
            before = mean.numpy().copy(), var.numpy().copy()
            with_running(case, np.zeros(case.x), mean, var)
            assert_equal(mean.numpy(), before[0])
            assert_equal(var.numpy(), before[1])


# With constant statistics: evaluation


def constant_value(x, mean, var, weight, bias, eps):
    z = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        z[i] = (x[i] - mean[i[1]]) / (var[i[1]] + eps) ** 0.5 * weight[i[1]] + bias[i[1]]
    return z


@pytest.mark.parametrize("operation", ["batch_norm", "instance_norm"])
@pytest.mark.parametrize("shape", [(2, 3, 2, 2), (1, 3, 4), (2, 1, 1), (1, 2, 1, 1)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float16, 2e-3), (np.float32, 1e-6), (np.float64, 1e-14)])
def test_evaluation(operation, shape, dtype, tolerance):
    case = Normalization(operation, "evaluation", shape)
    mean, var = running(shape[1], dtype)
    arrays = operands(case, dtype)
    leaves = tensors(*arrays)
    z = with_running(case, *leaves[:1], mean, var, *leaves[1:], own=False)
    x, weight, bias = as_floats(arrays)
    constants = as_floats([mean.numpy(), var.numpy()])
    assert z.dtype == dtype
    assert_close(z.numpy(), constant_value(x, *constants, weight, bias, float(EPS)), tolerance)
    dz = normals(shape, 4, dtype)
    z.backward(dz)
    dx, dweight, dbias = np.zeros(shape), np.zeros(shape[1]), np.zeros(shape[1])
    for i in np.ndindex(shape):
        c = i[1]
        root = (constants[1][c] + float(EPS)) ** 0.5
        dx[i] = float(dz[i]) * weight[c] / root
        dweight[c] += float(dz[i]) * (x[i] - constants[0][c]) / root
        dbias[c] += float(dz[i])
    for leaf, expected in zip(leaves, (dx, dweight, dbias), strict=True):
        assert leaf.grad.dtype == dtype
        assert_close(leaf.grad.numpy(), expected, tolerance)


def test_evaluation_of_second_order_exactly_and_without_weight_or_bias():
    case = batch("evaluation", (2, 2, 3))
    statistics = np.array([Fraction(1), Fraction(-2, 3)]), np.array([Fraction(2), Fraction(0)])  # roots 3 / 2 and 1 / 2
    x, weight, bias, dz, u = (fractions(shape, i) for i, shape in enumerate((*case.shapes, case.x, case.x)))

    def value(x, weight=(1, 1), bias=(0, 0)):
        z = x.copy()
        for i in np.ndindex(z.shape):
            z[i] = (x[i] - statistics[0][i[1]]) / Fraction(3 - 2 * i[1], 2) * weight[i[1]] + bias[i[1]]
        return z

    X, W, B, dZ, U = tensors(x, weight, bias, dz, u)
    assert_exact(with_running(case, X, *statistics, own=False), value(x))
    assert_exact(with_running(case, X, *statistics, None, B, own=False), value(x, bias=bias))
    assert_exact(with_running(case, X, *statistics, W, own=False), value(x, weight))
    z = with_running(case, X, *statistics, W, B, own=False)
    first = tg.grad(z, (X, W, B), dZ, create_graph=True)
    for actual, expected in zip(first, exact_gradients(value, [x, weight, bias], dz), strict=True):
        assert_exact(actual, expected)
    (second,) = tg.grad(first[0], dZ, U)  # dx is linear in dz, with the same matrix
    assert_exact(second, exact_gradients(value, [x, weight, bias], u)[0])
    check_gradients(
        lambda x, w, b: tg.batch_norm(x, *(s.astype(float) for s in statistics), w, b), *operands(case)
    )


def test_evaluation_does_not_cancel_far_from_zero():
    x = (10_000 + normals((4, 2, 3), 1)).astype(np.float32)
    mean, var = x.mean(axis=(0, 2), dtype=np.float64).astype(np.float32), np.ones(2, np.float32)
    z = tg.batch_norm(x, mean, var)
    assert_close(z, constant_value(x.astype(float), mean.astype(float), var, np.ones(2), np.zeros(2), 1e-5), 1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_the_dtype_of_the_statistics_is_not_the_results(training):
    mean, var = running(3, np.float64)
    assert tg.batch_norm(tg.tensor(normals((4, 3), 1, np.float32)), mean, var, training=training).dtype == np.float32
    assert mean.dtype == np.float64


# Arguments


def test_lists_and_integers():
    assert_close(tg.layer_norm([[1.0, 3.0]], 2, [2.0, 2.0], [1.0, 1.0], eps=0), np.array([[-1.0, 3.0]]), 1e-6)
    assert_close(tg.batch_norm([[1.0], [3.0]], [2.0], [4.0], eps=0.0), np.array([[-0.5], [0.5]]), 1e-6)
    assert_close(tg.group_norm(np.array([[1, 3]]), 1, eps=0), np.array([[-1.0, 1.0]]), 1e-15)


def test_numbers_of_numpy_leave_the_dtype():
    x = normals((2, 3), 1, np.float32)
    z = tg.batch_norm(x, *running(3, np.float32), training=True, momentum=np.float64(0.1), eps=np.float64(1e-5))
    assert z.dtype == np.float32


NOTHING = {"running_mean": None, "running_var": None}
LEARNED = tg.tensor([1.0, 1.0], requires_grad=True)

BAD = {
    "no channels": ("batch_norm", {"x": (3,)}, ValueError, "(N, C, ...)", "(3,)"),
    "no spatial axis": ("instance_norm", {"x": (3, 2)}, ValueError, "spatial", "(3, 2)"),
    "statistics of another length": ("batch_norm", {"running_var": tg.tensor([1.0])}, ValueError, "(2,)", "(1,)"),
    "a weight of another length": ("batch_norm", {"weight": np.ones(3)}, ValueError, "weight", "(2,)", "(3,)"),
    "a bias of another shape": ("group_norm", {"num_groups": 1, "bias": np.ones((2, 1))}, ValueError, "bias", "(2, 1)"),
    "a layer's weight": ("layer_norm", {"normalized_shape": 3, "weight": np.ones(2)}, ValueError, "(3,)", "(2,)"),
    "one value per channel": ("batch_norm", {"x": (1, 2, 1, 1)}, ValueError, "more than one value", "(1, 2, 1, 1)"),
    "one pixel": ("instance_norm", {"x": (3, 2, 1, 1)}, ValueError, "more than one pixel", "(3, 2, 1, 1)"),
    "one of two statistics": ("batch_norm", {"running_var": None}, ValueError, "both"),
    "no statistics": ("batch_norm", NOTHING | {"training": False}, ValueError, "must be given"),
    "no statistics of images": ("instance_norm", NOTHING | {"use_input_stats": False}, ValueError, "must be given"),
    "an array": ("batch_norm", {"running_mean": np.zeros(2)}, TypeError, "running_mean", "tensor", "ndarray"),
    "integers": ("batch_norm", {"running_var": tg.tensor([1, 1])}, TypeError, "running_var", "int64"),
    "a gradient": ("batch_norm", {"running_mean": LEARNED}, ValueError, "running_mean", "detach()"),
    "such": ("batch_norm", {"running_var": LEARNED, "training": False}, ValueError, "running_var", "detach()"),
    "negative eps": ("batch_norm", {"eps": -1e-5}, ValueError, "eps", "-1e-05"),
    "eps not a number": ("layer_norm", {"normalized_shape": 3, "eps": float("nan")}, ValueError, "eps", "nan"),
    "infinite eps": ("group_norm", {"num_groups": 1, "eps": float("inf")}, ValueError, "eps", "inf"),
    "eps no number": ("instance_norm", {"eps": "small"}, TypeError, "eps", "'small'"),
    "eps a bool": ("batch_norm", {"eps": True}, TypeError, "eps", "True"),
    "momentum above 1": ("batch_norm", {"momentum": 1.5}, ValueError, "momentum", "1.5"),
    "no momentum": ("batch_norm", {"momentum": None}, TypeError, "momentum", "None"),
    "training no bool": ("batch_norm", {"training": 1}, TypeError, "training", "1"),
    "use_input_stats no bool": ("instance_norm", {"use_input_stats": None}, TypeError, "use_input_stats", "None"),
    "other last axes": ("layer_norm", {"normalized_shape": (2, 4)}, ValueError, "(2, 4)", "(3, 2, 4, 3)"),
    "too many last axes": ("layer_norm", {"normalized_shape": (1, 3, 2, 4, 3)}, ValueError, "(3, 2, 4, 3)"),
    "no axes": ("layer_norm", {"normalized_shape": ()}, ValueError, "at least one axis", "()"),
    "a negative size": ("layer_norm", {"normalized_shape": -3}, ValueError, "-3"),
    "a size that is no integer": ("layer_norm", {"normalized_shape": 3.0}, TypeError, "integer", "3.0"),
    "groups that do not divide": ("group_norm", {"num_groups": 3}, ValueError, "divide the 2 channels", "3"),
    "no groups": ("group_norm", {"num_groups": 0}, ValueError, "at least 1", "0"),
    "groups that are no integer": ("group_norm", {"num_groups": 1.0}, TypeError, "integer", "1.0"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_input_is_refused_and_changes_nothing(bad):
    operation, change, error, *texts = bad
    arguments = {"x": (3, 2, 4, 3)} | change
    leaf = tg.tensor(normals(arguments.pop("x"), 1), requires_grad=True)
    (leaf * leaf).sum().backward()
    statistics = {"running_mean": tg.tensor([0.5, 0.5]), "running_var": tg.tensor([2.0, 2.0])}
    if operation in ("batch_norm", "instance_norm"):
        own = {"training": True} if operation == "batch_norm" else {}
        arguments = statistics | own | arguments
    with refused(operation, error, *texts, tensors=[leaf]):
        getattr(tg, operation)(leaf, **arguments)
    assert statistics["running_mean"].tolist() == [0.5, 0.5]
    assert statistics["running_var"].tolist() == [2.0, 2.0]


def test_an_error_in_the_computation_updates_neither_statistic():
    mean, var = tg.tensor([0.5]), tg.tensor([2.0])
    with pytest.raises(TypeError):
        tg.batch_norm(fractions((3, 1), 1), mean, var, training=True)
    x = tg.tensor([[3e38], [3e38]], requires_grad=True)
    with np.errstate(all="ignore"), tg.debug(), pytest.raises(FloatingPointError, match="normalization"):
        tg.batch_norm(x, mean, var, training=True)
    assert (mean.tolist(), var.tolist()) == ([0.5], [2.0])


def test_only_what_asks_for_a_gradient_gets_one():
    for case in CASES:
        arrays = operands(case)
        for wanted in range(3):
            some = [tg.tensor(array, requires_grad=i == wanted) for i, array in enumerate(arrays)]
            case(*some).sum().backward()
            assert [tensor.grad is not None for tensor in some] == [i == wanted for i in range(3)]


def test_one_group_is_a_layer_and_c_groups_are_instances():
    x = normals((2, 6, 3, 2), 1)
    assert_close(tg.group_norm(x, 1), tg.layer_norm(x, (6, 3, 2)), 1e-14)
    assert_close(tg.group_norm(x, 6), tg.instance_norm(x), 1e-14)
    assert prod(x.shape) == 72
    assert_close(tg.instance_norm(x[:1]), tg.batch_norm(x[:1], None, None, training=True), 1e-14)
    assert layer("", (2, 3), 3).groups.keys() == {(0,), (1,)}
    assert group("", (1, 4), 2).groups.keys() == {(0, 0), (0, 1)}
    assert instance("", (1, 2, 2)).groups.keys() == {(0, 0), (0, 1)}

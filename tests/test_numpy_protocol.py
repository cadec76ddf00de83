"""NumPy's own functions on tensors: they record, give tensors, and are refused where they would leave the graph."""

import math
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.elementwise_cases import BINARY, UNARY, by_name
from tests.operands import assert_equal, normals, tensors
from tinygrad_cnn import numpy_protocol


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


def columns(case):
    return list(np.reshape(case.points, (-1, len(case.slopes))).T)


# Elementwise


@by_name(UNARY + BINARY)
def test_a_ufunc_is_the_function_of_the_same_name(case):
    """It takes tensors and arrays in any position, records, and gives NumPy's values."""
    arrays = columns(case)
    expected = getattr(np, case.name)(*arrays)
    for position in range(len(arrays)):
        operands = list(arrays)
        operands[position] = x = leaf(arrays[position])
        z = getattr(np, case.name)(*operands)
        assert type(z) is tg.Tensor
        assert z.node.primitive.name in (case.name, "abs")
        np.testing.assert_allclose(z.numpy(), expected, rtol=1e-15)
        rows = zip(*(a.tolist() for a in arrays), strict=True)
        (dx,) = tg.grad(z, x, [np.ones(z.shape)])
        np.testing.assert_allclose(dx.numpy(), [case.slopes[position](*row) for row in rows], rtol=1e-13, atol=1e-14)


OPERATORS = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "power": lambda x, y: x**y,
    "matmul": lambda x, y: x @ y,
    "remainder": lambda x, y: x % y,
    "floor_divide": lambda x, y: x // y,
    "less": lambda x, y: x < y,
    "less_equal": lambda x, y: x <= y,
    "greater": lambda x, y: x > y,
    "greater_equal": lambda x, y: x >= y,
    "equal": lambda x, y: x == y,
    "not_equal": lambda x, y: x != y,
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_with_an_array_on_either_side(name):
    x, y = np.array([1.5, 2.0, 3.0]), np.array([2.0, 2.0, 0.5])
    expected = OPERATORS[name](x, y)
    for left, right in [(leaf(x), y), (x, leaf(y)), (leaf(x), leaf(y)), (x, tg.tensor(y))]:
        for z in (OPERATORS[name](left, right), getattr(np, name)(left, right)):
            assert type(z) is tg.Tensor
            assert z.dtype == expected.dtype
            assert_equal(z.numpy(), expected)
            if expected.dtype == bool or name == "floor_divide":
                assert not z.requires_grad
            else:
                assert z.requires_grad == any(isinstance(a, tg.Tensor) and a.requires_grad for a in (left, right))


@pytest.mark.parametrize("kind", ["bitwise", "logical"])
@pytest.mark.parametrize("logic", ["and", "or", "xor"])
def test_logic_of_masks(kind, logic):
    name = f"{kind}_{logic}"
    x, y = np.array([True, True, False, False]), np.array([True, False, True, False])
    expected = getattr(np, name)(x, y).tolist()
    for left, right in [(tg.tensor(x), y), (x, tg.tensor(y)), (tg.tensor(x), tg.tensor(y))]:
        assert getattr(np, name)(left, right).tolist() == expected
    assert np.invert(tg.tensor(x)).tolist() == np.logical_not(tg.tensor(x)).tolist() == [False, False, True, True]


@pytest.mark.parametrize("scalar", [np.float32(2), np.float64(2), np.int64(2), np.array(2.0)])
def test_numpys_scalars_on_the_left(scalar):
    x = leaf([1.0, 3.0])
    for z, slope in [(scalar * x, 2), (scalar - x, -1), (scalar + x, 1)]:
        assert type(z) is tg.Tensor
        (dx,) = tg.grad(z, x, [np.ones(2)])
        assert (dx.dtype, dx.tolist()) == (np.float32, [slope] * 2)
    assert (scalar < x).tolist() == [False, True]
    assert type(scalar * leaf(3.0)) is tg.Tensor


def test_a_chain_of_numpys_functions_is_one_graph():
    x = leaf(np.array([0.5, -1.0, 2.0]))
    loss = np.sum(np.tanh(np.exp(-np.square(x)) + np.maximum(x, 0)))
    loss.backward()
    values = x.tolist()
    u = [math.exp(-v * v) + max(v, 0) for v in values]
    slopes = [(-2 * v * math.exp(-v * v) + (v >= 0)) / math.cosh(t) ** 2 for v, t in zip(values, u, strict=True)]
    np.testing.assert_allclose(x.grad.numpy(), slopes, rtol=1e-13)


def test_every_ufunc_in_the_table_takes_tensors():
    for ufunc, function in numpy_protocol._UFUNCS.items():
        operands = [np.array([0.25, 0.5]) for _ in range(ufunc.nin)]
        if ufunc in (np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert):
            operands = [x > 0.3 for x in operands]
        if ufunc is np.arccosh:
            operands = [operands[0] + 2]
        expected = ufunc(*operands)
        z = ufunc(*map(tg.tensor, operands))
        assert type(z) is tg.Tensor, function
        np.testing.assert_allclose(z.numpy(), expected, rtol=1e-15)


# Object arrays of scalar tensors


def test_arithmetic_of_object_arrays_stays_elementwise():
    x, w = np.empty(3, dtype=object), leaf(np.float64(2))
    for i in range(3):
        x[i] = leaf(np.float64(i + 1))
    for z in (x * w, w * x, np.multiply(x, w)):
        values = z.data if isinstance(z, tg.Tensor) else z
        assert [v.item() for v in values] == [2, 4, 6]
    total = np.add.reduce(x * x)  # NumPy's own loop over tensors
    assert total.item() == 14
    total.backward()
    assert [v.grad.item() for v in x] == [2, 4, 6]
    y = np.empty((1, 1), dtype=object)
    y[0, 0] = leaf(Fraction(1, 3))
    assert (y + y)[0, 0].item() == Fraction(2, 3)
    assert (y < 1).tolist() == [[True]]
    assert np.sum(x).item() == 6
    assert np.dot(x, x).item() == 14


# Reductions by a ufunc


def test_reduce_is_the_reduction():
    x = np.array([[1.0, 5.0], [4.0, 2.0], [3.0, 3.0]])
    for ufunc, total in [(np.add, x.sum(0)), (np.maximum, x.max(0)), (np.minimum, x.min(0)), (np.multiply, x.prod(0))]:
        a = leaf(x)
        z = ufunc.reduce(a)  # NumPy's default axis here is 0
        assert type(z) is tg.Tensor
        assert_equal(z.numpy(), total)
        assert z.requires_grad
        for axis in (1, None, (0, 1), -1):
            for keepdims in (False, True):
                z = ufunc.reduce(a, axis=axis, keepdims=keepdims)
                assert_equal(z.numpy(), np.asarray(ufunc.reduce(x, axis=axis, keepdims=keepdims)))
    assert np.logical_and.reduce(tg.tensor([[True, False], [True, True]])).tolist() == [True, False]
    a = leaf(x)
    assert tg.grad(np.add.reduce(a, axis=1), a, [[1.0, 2.0, 3.0]])[0].tolist() == [[1, 1], [2, 2], [3, 3]]


# Functions

X, Y, V = normals((2, 3, 4), 1), normals((2, 3, 4), 2), normals((4,), 3)

# NumPy's function, called once with tensors and once with arrays
FUNCTIONS = {
    "concatenate": lambda x, y: np.concatenate([x, y], axis=1),
    "concatenate with an array": lambda x, y: np.concatenate([X, x, y]),
    "stack": lambda x, y: np.stack((x, y), axis=-1),
    "hstack": lambda x, y: np.hstack([x, y]),
    "vstack": lambda x, y: np.vstack([x, y]),
    "sum": lambda x, y: np.sum(x) + np.sum(y, 1) + np.sum(x, axis=(0, 1)).sum(),
    "sum keepdims": lambda x, y: np.sum(x, axis=-1, keepdims=True) * y,
    "mean": lambda x, y: np.mean(x, axis=1) * np.mean(y, 1),
    "var": lambda x, y: np.var(x, axis=0, ddof=1) + np.std(y, 0),
    "max": lambda x, y: np.max(x, 1) + np.min(y, axis=1),
    "amax": lambda x, y: np.amax(x, 1) + np.amin(y, axis=1),
    "prod": lambda x, y: np.prod(x, -1) + np.cumsum(y, 2)[..., 0],
    "reshape": lambda x, y: np.reshape(x, (4, -1)) * np.reshape(y, (4, 6)),
    "ravel": lambda x, y: np.ravel(x) + np.ravel(y),
    "transpose": lambda x, y: np.transpose(x, (1, 0, 2)) @ np.transpose(y, axes=(1, 2, 0)),
    "moveaxis": lambda x, y: np.moveaxis(x, 0, -1) + np.swapaxes(np.moveaxis(y, 0, 1), 1, 2),
    "broadcast_to": lambda x, y: np.broadcast_to(x, (5, 2, 3, 4)) * y,
    "broadcast_arrays": lambda x, y: np.broadcast_arrays(x[:, :1], y)[0] * y,
    "expand_dims": lambda x, y: np.squeeze(np.expand_dims(x, 1), axis=1) + y,
    "flip": lambda x, y: np.flip(x, axis=2) + np.flip(y),
    "roll": lambda x, y: np.roll(x, 1, axis=0) + np.roll(y, 2),
    "repeat": lambda x, y: np.repeat(x, 2, axis=1) + np.tile(y, (1, 2, 1)),
    "take": lambda x, y: np.take(x, [0, 2], axis=1) + np.take_along_axis(y, np.array([[[0]], [[1]]]), axis=1),
    "tril": lambda x, y: np.tril(x) + np.triu(y, 1),
    "where": lambda x, y: np.where(X > 0, x, y),
    "where of a tensor": lambda x, y: np.where(x > 0, x, y),
    "clip": lambda x, y: np.clip(x, -0.5, 0.5) + np.clip(y, a_min=0, a_max=None) + np.clip(x, min=-1, max=1),
    "round": lambda x, y: x * np.round(y, 1) * np.around(x),
    "pad": lambda x, y: np.pad(x, ((0, 0), (1, 2), (0, 0)), constant_values=1.5) + np.pad(y, [(0, 0), (1, 2), (0, 0)]),
    "pad modes": lambda x, y: np.pad(x, 1, mode="edge") + np.pad(y, 1, "reflect") * np.pad(x, 1, mode="wrap"),
    "dot": lambda x, y: np.dot(x, V) + np.dot(3.0, y)[..., 0],
    "inner": lambda x, y: np.inner(x[0, 0], y[0, 0]) + np.vdot(x, y),
    "outer": lambda x, y: np.outer(x[0, 0], y[1, 1]),
    "tensordot": lambda x, y: np.tensordot(x, y, axes=([2], [2])),
    "einsum": lambda x, y: np.einsum("nij,nkj->nik", x, y, optimize=True),
    "trace": lambda x, y: np.trace(x, axis1=1, axis2=2) * np.diagonal(y[0]).sum(),
    "norm": lambda x, y: np.linalg.norm(x, axis=2) + np.linalg.norm(y),
    "split": lambda x, y: np.split(x, 2, axis=2)[1] + np.array_split(y, [2], axis=2)[0],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_tensors_is_numpys_and_records(name):
    function = FUNCTIONS[name]
    expected = function(X, Y)
    a, b = tensors(X, Y)
    z = function(a, b)
    assert type(z) is tg.Tensor
    assert z.dtype == expected.dtype
    np.testing.assert_allclose(z.numpy(), expected, rtol=1e-13, atol=1e-14)
    assert z.shape == expected.shape
    dz = normals(z.shape, 4)
    gradients = tg.grad(z, [a, b], [dz], allow_unused=True)
    for position, dx in enumerate(gradients):  # along a random direction, by a central difference
        direction = normals(X.shape, 5 + position)
        shifted = [
            [array + sign * 1e-6 * direction * (i == position) for i, array in enumerate((X, Y))] for sign in (1, -1)
        ]
        slope = np.sum(dz * (np.asarray(function(*shifted[0])) - np.asarray(function(*shifted[1])))) / 2e-6
        actual = 0 if dx is None else np.sum(dx.numpy() * direction)
        assert actual == pytest.approx(slope, rel=1e-6, abs=1e-7)


def test_functions_of_values_give_what_numpy_gives():
    x, y = leaf(X), leaf(X + 1e-12)
    assert np.shape(x) == (2, 3, 4)
    assert (np.ndim(x), np.size(x)) == (3, 24)
    assert np.allclose(x, y) is True
    assert np.allclose(x, 1.0) is False
    assert np.array_equal(x, x)
    assert not np.array_equal(x, X + 1)
    assert np.result_type(x, np.float32) == np.float64
    assert np.count_nonzero(x > 0) == np.count_nonzero(X > 0)
    assert not np.iscomplexobj(x)
    assert np.array_str(x[0, 0]) == np.array_str(X[0, 0])


def test_indices_and_bools_are_tensors_without_a_graph():
    x = leaf(X)
    for z, expected in [
        (np.argmax(x, axis=1), X.argmax(1)), (np.argmin(x), X.argmin()), (np.argsort(x, axis=0), X.argsort(0)),
        (np.any(x > 1, axis=0), (X > 1).any(0)), (np.all(x > -9), (X > -9).all()), (np.isclose(x, X), X == X),
    ]:  # fmt: skip
        assert type(z) is tg.Tensor
        assert not z.requires_grad
        assert_equal(z.numpy(), np.asarray(expected))


def test_new_tensors_like_others():
    x = leaf(np.ones((2, 3), np.float16))
    for z, value in [(np.zeros_like(x), 0), (np.ones_like(x), 1), (np.full_like(x, 2.5), 2.5)]:
        assert type(z) is tg.Tensor
        assert (z.dtype, z.shape, z.requires_grad, z.is_leaf) == (np.float16, (2, 3), False, True)
        assert (z.numpy() == value).all()
    assert np.empty_like(x).shape == (2, 3)
    assert np.zeros_like(x, dtype=np.int64).dtype == np.int64
    assert type(np.zeros_like(leaf(2.0)).data) is np.float32


def test_tensors_without_gradient_record_nothing():
    x = tg.tensor(X)
    for z in (np.exp(x), np.sum(x), np.concatenate([x, x])):
        assert type(z) is tg.Tensor
        assert z.node is None


# Refusals


@pytest.mark.parametrize(("call", "text"), [
    (np.sort, r"^np\.sort: is not recorded for tensors.*\.detach\(\)\.numpy\(\)"),
    (np.linalg.inv, r"^np\.linalg\.inv: is not recorded"),
    (np.fft.fft, r"^np\.fft\.fft: is not recorded"),
    (np.frexp, r"^np\.frexp: is not recorded"),
    (lambda x: np.divmod(x, 2), r"^np\.divmod: is not recorded"),
    (np.frompyfunc(abs, 1, 1), r"is not recorded"),
    (np.add.accumulate, r"^np\.add\.accumulate: is not recorded"),
    (lambda x: np.add.reduceat(x, [0]), r"^np\.add\.reduceat: is not recorded"),
    (lambda x: np.add.outer(x, x), r"^np\.add\.outer: is not recorded"),
    (np.subtract.reduce, r"^np\.subtract\.reduce: is not recorded"),
    (lambda x: np.add.at(np.zeros((2, 2)), 0, x), r"^np\.add\.at: is not recorded"),
    (lambda x: np.exp(x, out=np.zeros((2, 2))), r"^np\.exp: takes no out=.*in place"),
    (lambda x: np.exp(np.zeros((2, 2)), out=x), r"^np\.exp: takes no out="),
    (lambda x: np.exp(x, where=np.eye(2, dtype=bool)), r"^np\.exp: takes no where=.*tg\.where"),
    (lambda x: np.add(x, 1, dtype=np.float64), r"^np\.add: takes no dtype=.*\.astype"),
    (lambda x: np.add.reduce(x, initial=1), r"^np\.add: takes no initial="),
    (lambda x: np.sum(x, dtype=np.float64), r"^np\.sum: .*\(a, axis, keepdims\).*dtype.*\.astype"),
    (lambda x: np.sum(x, 0, np.float64), r"^np\.sum: .*\(a, axis, keepdims\).*too many positional"),
    (lambda x: np.sum(x, out=np.zeros(())), r"^np\.sum: .*out.*in place"),
    (lambda x: np.mean(x, where=[True, False]), r"^np\.mean: .*where"),
    (lambda x: np.where(x > 0), r"^np\.where: .*\(condition, x, y\).*missing"),
    (lambda x: np.linalg.norm(x, 2), r"^np\.linalg\.norm: a norm of matrices"),
    (lambda x: np.reshape(x, (4,), order="F"), r"^np\.reshape: .*order"),
    (lambda x: np.copyto(np.zeros((2, 2)), x), r"^np\.copyto: is not recorded"),
])  # fmt: skip
@pytest.mark.parametrize("requires_grad", [True, False])
def test_what_would_leave_the_graph_is_refused_with_advice(call, text, requires_grad):
    x = tg.tensor(np.eye(2) + 1, requires_grad=requires_grad)
    with pytest.raises(TypeError, match=text):
        call(x)


def test_defaults_may_be_given():
    x = leaf(X)
    assert np.sum(x, axis=0, dtype=None, out=None).shape == (3, 4)
    assert np.exp(x, where=True, out=None).requires_grad
    assert np.clip(x, 0, None, out=None).requires_grad


def test_an_array_takes_no_tensor_in_place():
    array = np.ones(2)
    with pytest.raises(TypeError, match=r"^np\.add: takes no out="):
        array += leaf([1.0, 2.0])
    assert array.tolist() == [1, 1]


def test_mistakes_are_named_by_the_operation():
    with pytest.raises(ValueError, match=r"^add: .*\(2,\).*\(3,\)"):
        np.add(leaf([1.0, 2.0]), np.ones(3))
    with pytest.raises(ValueError, match=r"^concatenate: "):
        np.concatenate([leaf([1.0]), leaf([[1.0]])])


def test_an_instance_has_no_array_ufunc_for_cupys_operators():
    """CuPy looks at the instance, NumPy at the class."""
    assert tg.tensor(1.0).__array_ufunc__ is None
    assert callable(tg.Tensor.__array_ufunc__)


def test_matplotlib_plots_tensors_without_gradient():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    (line,) = axes.plot(tg.tensor([0.0, 1.0, 2.0]), tg.tensor([1.0, 4.0, 9.0]))
    assert line.get_ydata().tolist() == [1, 4, 9]
    image = axes.imshow(tg.tensor([[0.0, 1.0], [2.0, 3.0]]))
    assert image.get_array().tolist() == [[0, 1], [2, 3]]
    axes.hist(tg.tensor([1.0, 2.0, 2.5]).numpy())

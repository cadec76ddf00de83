"""Tensor: what it is made of, its operators in both orders, and how it prints."""

import copy
import math
import operator
import pickle
import re
import sys
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_exact


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


# Making


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (1.5, np.float32, ()),
        (2, np.int64, ()),
        (True, np.bool_, ()),
        ([1.0, 2], np.float32, (2,)),
        ([[1, 2, 3]], np.int64, (1, 3)),
        ([True, False], np.bool_, (2,)),
        ([], np.float32, (0,)),
        ([[], []], np.float32, (2, 0)),
        ((1.0, (2.0)), np.float32, (2,)),
        (range(3), np.int64, (3,)),
        (np.float64(2), np.float64, ()),
        (np.float16(2), np.float16, ()),
        (np.zeros((2, 1)), np.float64, (2, 1)),
        (np.zeros(3, np.uint8), np.uint8, (3,)),
        (np.array(1.5), np.float64, ()),
        (Fraction(1, 3), object, ()),
        ([Fraction(1, 3), 1], object, (2,)),
        (10**30, object, ()),
    ],
)
def test_data_of_every_kind(data, dtype, shape):
    x = tg.tensor(data)
    assert (x.dtype, x.shape, x.ndim, x.size) == (dtype, shape, len(shape), math.prod(shape))
    assert x.tolist() == np.asarray(data).tolist()
    assert (x.device, x.grad, x.name, x.node, x.is_leaf, x.requires_grad) == ("cpu", None, None, None, True, False)


def test_symbols_are_data():
    sympy = pytest.importorskip("sympy")
    a, b = sympy.symbols("a b")
    x, y = leaf(a), leaf(np.array([a, b], dtype=object))
    assert (x.dtype, x.shape, x.item()) == (object, (), a)
    (x**3 / 2).backward()
    assert x.grad.item() == sympy.Rational(3, 2) * a**2
    (dy,) = tg.grad((tg.exp(y) * y[0]).sum(), y)
    assert sympy.simplify(dy[0].item() - (a * sympy.exp(a) + sympy.exp(a) + sympy.exp(b))) == 0
    assert dy[1].item() == a * sympy.exp(b)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, "float64", float])
def test_dtype_is_taken_without_a_detour(dtype):
    """0.1 in float64 is not 0.1 by way of the default float32."""
    for data in (0.1, [0.1, 0.2], np.array([0.1])):
        x = tg.tensor(data, dtype=dtype)
        assert x.dtype == np.dtype(dtype)
        assert x.tolist() == np.array(data, dtype=dtype).tolist()
    assert tg.tensor([Fraction(1, 4), 2], dtype=dtype).tolist() == [0.25, 2]
    assert tg.tensor([Fraction(1, 4), 2], dtype=dtype).dtype == np.dtype(dtype)


def test_another_tensor_is_data():
    x = leaf([1.0, 2.0], name="x")
    y = tg.tensor(x)
    assert (y.tolist(), y.requires_grad, y.name, y.node) == ([1, 2], False, None, None)
    assert tg.tensor(x * 2, dtype=np.float64).dtype == np.float64


@pytest.mark.parametrize(
    "data",
    ["1", b"1", None, {"a": 1}, {1}, object(), len, (i for i in range(3)), ["a", "b"], [1, None], [1, "a"], [1, {}],
     np.array(["a"]), np.array("2020-01-01", dtype="datetime64[D]"), [object()], [[1], [None]]],
)  # fmt: skip
def test_data_that_is_no_number_is_refused(data):
    with pytest.raises(TypeError, match=r"^tensor: expected numbers"):
        tg.tensor(data)


@pytest.mark.parametrize("data", [[[1.0], [1.0, 2.0]], [1.0, [2.0]], [[Fraction(1)], [Fraction(1), 2]]])
def test_a_ragged_list_is_refused(data):
    with pytest.raises(ValueError, match=r"^tensor: expected a regular nested sequence"):
        tg.tensor(data)


def test_a_list_of_tensors_is_refused_with_advice():
    for data in ([leaf(1.0), 2.0], (tg.tensor(1.0),), [[leaf(1.0)], [leaf(2.0)]]):
        with pytest.raises(TypeError, match=r"tg\.stack or tg\.concatenate"):
            tg.tensor(data)


def test_the_constructor_points_to_tg_tensor():
    with pytest.raises(TypeError, match=r"tg\.tensor\(data"):
        tg.Tensor([1.0])


@pytest.mark.parametrize("data", [1, [1, 2], True, np.zeros(2, np.uint8), 1j, [1j]])
def test_gradients_of_what_is_no_real_number_are_refused(data):
    with pytest.raises(ValueError, match=r"^requires_grad: .*floating-point .* but this is (int|bool|uint|complex)"):
        leaf(data)
    x = tg.tensor(data)
    with pytest.raises(ValueError, match=r"^requires_grad: "):
        x.requires_grad = True
    assert x.node is None


def test_requires_grad_can_be_switched_on_a_leaf():
    x = tg.tensor([1.0, 2.0])
    x.requires_grad = True
    y = x * x
    with pytest.raises(ValueError, match=r"requires_grad: .*op=multiply.*detach\(\)"):
        y.requires_grad = False
    x.requires_grad = False
    assert not (x * x).requires_grad


def test_default_dtype():
    before = tg.get_default_dtype()
    try:
        tg.set_default_dtype(np.float64)
        assert tg.tensor(0.1).item() == 0.1
        assert tg.tensor([1, 2]).dtype == np.int64
        assert tg.tensor(np.float32(1)).dtype == np.float32
    finally:
        tg.set_default_dtype(before)
    assert tg.tensor(0.1).dtype == before


# Operators


OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
OTHERS = [
    2,
    2.0,
    True,
    np.float32(2),
    np.float64(2),
    np.int64(2),
    np.array(2.0),
    np.array([2.0, 3.0], np.float32),
    np.array([[2.0], [3.0]]),
    [2.0, 3.0],
    (2.0, 3.0),
]


@pytest.mark.parametrize("operation", OPERATORS)
@pytest.mark.parametrize("other", OTHERS, ids=repr)
@pytest.mark.parametrize("shape", [(), (2,)])
def test_operators_take_numbers_and_arrays_on_both_sides(operation, other, shape):
    array = np.full(shape, 1.5, np.float32)
    x = leaf(array)
    plain = np.asarray(other, np.float32) if isinstance(other, list | tuple) else other
    for z, expected in [
        (operation(x, other), operation(array, plain)),
        (operation(other, x), operation(plain, array)),
        (operation(tg.tensor(array), other), operation(array, plain)),
    ]:
        assert isinstance(z, tg.Tensor)
        assert (z.shape, z.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(z.numpy(), expected, rtol=1e-6)
    z = operation(other, x)
    z.backward(np.ones(z.shape))
    assert (x.grad.shape, x.grad.dtype) == (shape, np.float32)


def test_numpy_on_the_left_of_matmul_and_comparisons():
    x = leaf([1.0, 2.0])
    z = np.array([[1.0, 2.0], [3.0, 4.0]]) @ x
    assert isinstance(z, tg.Tensor)
    z.backward([1.0, 1.0])
    assert x.grad.tolist() == [4, 6]
    assert ([[1.0, 0.0]] @ x).tolist() == [1]
    for compared in (np.array([1, 3]) < x, np.float64(1) < x, operator.lt(1, x)):
        assert isinstance(compared, tg.Tensor)
        assert compared.tolist() == [False, compared[1].item()]


def test_numpys_own_functions_never_leave_the_graph_unnoticed():
    """They record, or refuse; a plain array is no answer, and none is written to."""
    x = leaf([1.0, 2.0])
    functions = {np.negative: -1, np.add: 1, np.multiply: 3, np.sign: 0}
    for function, slope in functions.items():
        try:
            z = function(x) if function.nin == 1 else function(np.array([3.0, 3.0]), x)
        except TypeError:
            continue
        assert isinstance(z, tg.Tensor)
        assert z.requires_grad == (slope != 0)
        if slope:
            assert tg.grad(z, x, [np.ones(2)])[0].tolist() == [slope, slope]
    array = np.ones(2)
    with pytest.raises(TypeError):
        array += x
    with pytest.raises(TypeError):
        np.add(array, 1, out=x)
    assert array.tolist() == [1, 1]
    assert x.tolist() == [1, 2]


def test_unary_operators():
    x = leaf([1.0, -2.0])
    assert (-x).tolist() == [-1, 2]
    assert (+x).tolist() == [1, -2]
    assert abs(x).tolist() == [1, 2]


@pytest.mark.parametrize("compare", [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge])
def test_comparisons_give_tensors_of_bools(compare):
    array = np.array([1.0, 2.0, 3.0])
    values = [3.0, 2.0, 1.0]
    for other in (2, 2.0, values, np.array(values), tg.tensor(values), leaf(values)):
        z = compare(leaf(array), other)
        assert (type(z), z.dtype, z.requires_grad) == (tg.Tensor, bool, False)
        plain = other.numpy() if isinstance(other, tg.Tensor) else other
        assert z.tolist() == compare(array, np.asarray(plain)).tolist()
    assert bool(compare(leaf(Fraction(1, 2)), Fraction(1, 2))) == compare(1, 1)


def test_a_tensor_is_hashed_by_identity():
    x, y = leaf(1.0), leaf(1.0)
    assert hash(x) != hash(y)
    assert len({x, y, x}) == 2
    assert {x: "x", y: "y"}[y] == "y"
    assert x in [y, x]


# As a number, a sequence, an array


def test_single_elements_become_numbers():
    for x in (tg.tensor(2.5), leaf([2.5]), leaf([[2.5]]) * 1):
        assert (float(x), int(x), x.item(), bool(x), round(float(x))) == (2.5, 2, 2.5, True, 2)
        assert type(x.item()) is float
    assert type(tg.tensor(3).item()) is int
    assert leaf(Fraction(1, 3)).item() == Fraction(1, 3)
    assert not tg.tensor(0.0)
    assert math.sqrt(tg.tensor(4.0)) == 2


@pytest.mark.parametrize("shape", [(2,), (0,), (1, 2)])
def test_several_elements_are_no_number(shape):
    x = leaf(np.ones(shape))
    for convert in (float, int, operator.methodcaller("item")):
        with pytest.raises(ValueError, match=rf"^item: .* the shape is {re.escape(str(shape))}"):
            convert(x)
    with pytest.raises(ValueError, match=rf"^bool: a tensor of shape {re.escape(str(shape))}"):
        bool(x)
    with pytest.raises(ValueError, match=r"^item: "):
        f"{x:.2f}"


def test_length_and_iteration():
    x = leaf([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert len(x) == 3
    assert [row.tolist() for row in x] == [[1, 2], [3, 4], [5, 6]]
    first, _, last = x
    (first * 2 + last[0]).sum().backward()
    assert x.grad.tolist() == [[2, 2], [0, 0], [2, 0]]
    assert list(tg.tensor(np.zeros((0, 2)))) == []
    assert 3.0 in tg.tensor([1.0, 3.0])
    for scalar in (leaf(1.0), leaf(Fraction(1))):
        with pytest.raises(TypeError, match=r"^len: "):
            len(scalar)
        with pytest.raises(TypeError, match=r"^iter: "):
            iter(scalar)


def test_asarray_is_refused_where_it_would_leave_the_graph():
    x = leaf([1.0, 2.0])
    for tensor in (x, x * 2):
        with pytest.raises(TypeError, match=r"np\.asarray .*\.detach\(\) or \.numpy\(\)"):
            np.asarray(tensor)
        with pytest.raises(TypeError, match=r"\.detach\(\)"):
            np.mean([tensor, tensor])
    assert np.asarray(x.detach()).tolist() == [1, 2]
    assert np.asarray(x.detach(), dtype=np.float64).dtype == np.float64
    assert np.array(tg.tensor([1, 2]), copy=True).flags.writeable
    with pytest.raises(ValueError, match=r"without a copy"):
        np.asarray(tg.tensor([1, 2]), dtype=np.float64, copy=False)


def test_a_tensor_without_gradient_shares_no_writable_memory_with_numpy():
    x = tg.tensor([1.0, 2.0])
    y = leaf([1.0, 1.0]) * x
    with pytest.raises(ValueError, match=r"read-only"):
        np.asarray(x)[0] = 5
    assert y.tolist() == [1, 2]


def test_tolist_and_methods():
    x = leaf([[1.0, -2.0]])
    assert x.tolist() == [[1, -2]]
    assert leaf(Fraction(1, 2)).tolist() == Fraction(1, 2)
    for name in ("exp", "tanh", "sigmoid", "relu", "sum", "mean", "max", "min"):
        assert getattr(x, name)().tolist() == getattr(tg, name)(x).tolist()
    positive = x * x
    for name in ("log", "sqrt"):
        assert getattr(positive, name)().tolist() == getattr(tg, name)(positive).tolist()
    assert x.sum(axis=1, keepdims=True).shape == (1, 1)
    assert x.max(0, ties="split").shape == x.min(0, ties="split").shape == (2,)
    assert x.reshape(2, 1).shape == x.reshape((2, 1)).shape == x.reshape(-1)[:, None].shape == (2, 1)
    assert x.transpose().shape == x.transpose(1, 0).shape == x.transpose((1, 0)).shape == x.T.shape == (2, 1)


def test_argmax():
    x = leaf([[1.0, 5.0, 5.0], [7.0, 0.0, 7.0]])
    assert x.argmax().item() == 3
    assert x.argmax(axis=1).tolist() == [1, 0]
    assert x.argmax(axis=-2).tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match=r"^argmax: .*axis"):
        x.argmax(axis=2)


# repr


def test_repr_shows_values_shape_dtype_name_and_operation():
    x = leaf([[1.0, 2.0]], name="x")
    assert repr(x) == "Tensor([[1., 2.]], shape=(1, 2), dtype=float32, name='x', requires_grad=True)"
    y = x * x
    assert repr(y) == "Tensor([[1., 4.]], shape=(1, 2), dtype=float32, op=multiply)"
    y.name = "y"
    assert repr(y) == "Tensor([[1., 4.]], shape=(1, 2), dtype=float32, name='y', op=multiply)"
    assert y.node.name == "y"
    assert repr(tg.tensor(3)) == "Tensor(3, shape=(), dtype=int64)"
    assert repr(leaf(Fraction(1, 2))) == "Tensor(1/2, shape=(), dtype=object, requires_grad=True)"
    assert str(tg.tensor([True])) == "Tensor([ True], shape=(1,), dtype=bool)"
    assert f"{tg.tensor(3)}" == repr(tg.tensor(3))


def test_repr_of_a_large_tensor_is_short():
    assert len(repr(tg.tensor(np.zeros((100, 100))))) < 200


def test_a_name_reaches_the_graph_before_and_after_recording():
    early, late = leaf(1.0, name="early"), leaf(2.0)
    z = early * late
    late.name = "late"
    assert [node.name for node in z.node.parents] == ["early", "late"]


# Copies


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copied_leaf_has_its_own_gradient(duplicate):
    x = leaf([1.0, 2.0], name="x")
    y = duplicate(x)
    assert (y.tolist(), y.dtype, y.requires_grad, y.name, y.is_leaf) == ([1, 2], np.float32, True, "x", True)
    (y * y).sum().backward()
    assert x.grad is None
    assert y.grad.tolist() == [2, 4]
    y.data = [5.0, 5.0]
    assert x.tolist() == [1, 2]
    assert duplicate(tg.tensor(Fraction(1, 3))).item() == Fraction(1, 3)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_computed_tensor_is_not_copied(duplicate):
    with pytest.raises(TypeError, match=r"op=multiply.*detach\(\)"):
        duplicate(leaf(1.0) * 2)
    assert copy.deepcopy((leaf(1.0) * 2).detach()).item() == 2


def test_a_list_of_leaves_is_copied_deeply():
    w, b = leaf([1.0]), leaf([2.0])
    first, second, again = copy.deepcopy([w, b, w])
    assert first is again
    assert first is not w
    (first * second).backward([1.0])
    assert (first.grad.tolist(), second.grad.tolist(), w.grad) == ([2], [1], None)


def test_get_array_module_is_numpy_here():
    if "cupy" not in sys.modules:
        assert tg.get_array_module(tg.tensor([1.0]), np.ones(2), 3.0) is np


# Exact arithmetic, whole


def test_a_rational_expression_stays_exact():
    x = leaf(np.array([Fraction(1, 3), Fraction(-2, 5)]))
    k = tg.tensor(np.array([Fraction(1, 7), Fraction(3)]))
    z = (x * k + 1) / (x**2 + 2) - k / x
    assert_exact(z, (x.numpy() * k.numpy() + 1) / (x.numpy() ** 2 + 2) - k.numpy() / x.numpy())
    z.sum().backward()
    a, b = x.numpy(), k.numpy()
    assert_exact(x.grad, b / (a**2 + 2) - (a * b + 1) * 2 * a / (a**2 + 2) ** 2 + b / a**2)
    assert k.grad is None

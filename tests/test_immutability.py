"""Nothing changes behind a graph's back: copies, read-only views, assignment of a leaf's data, and what is refused."""

import operator
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


def test_tensor_copies():
    array = np.array([1.0, 2.0])
    x = leaf(array)
    y = x * x
    array[:] = 100
    assert x.tolist() == [1, 2]
    assert tg.grad(y, x, [np.ones(2)])[0].tolist() == [2, 4]
    other = tg.tensor(x)
    x.data = [5.0, 5.0]
    assert other.tolist() == [1, 2]


def test_data_is_read_only():
    for x in (leaf([1.0, 2.0]), leaf([1.0, 2.0]) * 2, tg.tensor([1.0, 2.0]), leaf([1.0, 2.0]).detach()):
        for view in (x.data, x.numpy(), x.data[:1], x.data.reshape(2, 1)):
            with pytest.raises(ValueError, match=r"read-only"):
                view[...] = 0
        with pytest.raises(ValueError, match=r"read-only"):
            x.data += 1
        with pytest.raises(ValueError, match=r"read-only"):
            np.add(x.data, 1, out=x.data)
    assert isinstance(leaf(1.0).data, np.float32)


def test_an_array_operand_may_change_after_it_was_used():
    x = leaf([1.0, 2.0])
    factor, index, condition = np.array([3.0, 4.0]), np.array([0, 1]), np.array([True, False])
    y = x * factor
    taken = x[index]
    chosen = tg.where(condition, x, 0)
    factor[:], index[:], condition[:] = 0, 0, True
    assert tg.grad(y, x, [np.ones(2)])[0].tolist() == [3, 4]
    assert tg.grad(taken, x, [[5.0, 7.0]])[0].tolist() == [5, 7]
    assert tg.grad(chosen, x, [[5.0, 7.0]])[0].tolist() == [5, 0]


def test_a_list_in_an_index_may_change_after_it_was_used():
    x = leaf([1.0, 2.0])
    rows = [0, 1]
    y = x[rows]
    z = x[(rows,)]
    rows[:] = [0, 0]
    assert tg.grad(y, x, [[5.0, 7.0]])[0].tolist() == [5, 7]
    assert tg.grad(z, x, [[5.0, 7.0]])[0].tolist() == [5, 7]


def test_setting_elements_is_refused_with_advice():
    for x in (leaf([1.0, 2.0]), leaf([1.0, 2.0]) * 2, tg.tensor([1.0, 2.0])):
        with pytest.raises(TypeError, match=r"elements can't be assigned.*tg\.where.*\.data"):
            x[0] = 5.0
        assert x.data[0] != 5


@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "**", "@"])
def test_in_place_operators_on_a_leaf_are_refused_with_advice(symbol):
    functions = {"+": "iadd", "-": "isub", "*": "imul", "/": "itruediv", "**": "ipow", "@": "imatmul"}
    w = leaf([1.0, 2.0], name="weight")
    change = getattr(operator, functions[symbol])
    with pytest.raises(TypeError) as caught:
        change(w, np.array([1.0, 1.0]))
    assert f"weight.data = weight.data {symbol} ..." in str(caught.value)
    assert w.tolist() == [1, 2]


def test_in_place_operators_make_a_new_tensor_elsewhere():
    w = leaf([1.0, 2.0])
    y = first = w * 1
    y += 1
    y -= [0.5, 0.5]
    y *= 2
    y /= 4
    y **= 2
    assert first.tolist() == [1, 2]
    assert y.tolist() == [0.5625, 1.5625]
    y @= np.array([1.0, 1.0])
    y.backward()
    assert w.grad.tolist() == [0.75, 1.25]  # 2 (2 (w + 0.5) / 4) / 2
    k = before = tg.tensor([1.0])
    k += 1
    assert (before.tolist(), k.tolist()) == ([1], [2])


def test_data_of_a_leaf_is_assigned_by_copy_in_its_own_dtype():
    x = leaf([1.0, 2.0])
    array = np.array([3.0, 4.0])
    x.data = array
    array[:] = 0
    assert (x.tolist(), x.dtype) == ([3, 4], np.float32)
    x.data = tg.tensor([5, 6])
    assert (x.tolist(), x.dtype) == ([5, 6], np.float32)
    x.data = [7, 8]
    assert x.node.value.tolist() == [7, 8]
    y = leaf(0.5, dtype=np.float64)
    y.data = 0.1
    assert y.item() == 0.1
    assert isinstance(y.data, np.float64)
    z = leaf(Fraction(1, 2))
    z.data = 3
    assert (z.item(), z.dtype) == (3, object)


def test_wrong_data_is_refused_and_the_old_kept():
    x = leaf([1.0, 2.0])
    for wrong, shape in [([1.0], r"\(1,\)"), (1.0, r"\(\)"), ([[1.0, 2.0]], r"\(1, 2\)")]:
        with pytest.raises(ValueError, match=rf"^data: expected shape \(2,\) but got {shape}"):
            x.data = wrong
    with pytest.raises(TypeError, match=r"expected numbers"):
        x.data = "12"
    with pytest.raises(ValueError, match=r"^data: only a leaf's data can be assigned.*op=multiply.*detach"):
        (x * 2).data = [1.0, 2.0]
    assert x.tolist() == [1, 2]


def test_grad_is_a_tensor_of_the_same_shape_or_none():
    x = leaf([1.0, 2.0])
    x.grad = tg.tensor([1.0, 1.0])
    with pytest.raises(TypeError, match=r"^grad: expected a tensor or None but got ndarray"):
        x.grad = np.ones(2)
    with pytest.raises(ValueError, match=r"^grad: expected the tensor's shape \(2,\) but got \(1,\)"):
        x.grad = tg.tensor([1.0])
    assert x.grad.tolist() == [1, 1]
    x.grad = None
    assert x.grad is None

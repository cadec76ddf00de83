"""Padding with zeros or another value against naive loops: values, gradients, forms of the width, bad input."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import oracles
from tests.operands import assert_equal, assert_exact, fractions, integers, layouts, tensors
from tests.refusals import refused

# What is padded, how the width is written, and what it means on each axis.
CASES = {
    "a number": ((), 0, ()),
    "nothing": ((2, 3), 0, ((0, 0), (0, 0))),
    "one integer": ((2, 1), 1, ((1, 1), (1, 1))),
    "before and after": ((2, 2, 1), (1, 2), ((1, 2), (1, 2), (1, 2))),
    "one pair": ((2, 3), ((2, 0),), ((2, 0), (2, 0))),
    "a pair for each axis": ((1, 2, 3), ((0, 0), (1, 0), (0, 4)), ((0, 0), (1, 0), (0, 4))),
    "lists": ((2, 3), [[1, 0], [0, 2]], ((1, 0), (0, 2))),
    "an empty axis": ((2, 0), ((0, 1), (2, 1)), ((0, 1), (2, 1))),
    "one axis": ((3,), (2, 1), ((2, 1),)),
}
every_case = pytest.mark.parametrize(("shape", "given", "widths"), CASES.values(), ids=CASES)


@every_case
def test_value_and_gradients_are_the_naive_ones(shape, given, widths):
    naive = oracles.zero_padding(shape, widths)
    x, dz, u, v = (fractions(s, seed) for seed, s in enumerate((shape, naive.z_shape, shape, naive.z_shape)))
    X, dZ, U, V = tensors(x, dz, u, v)
    Z = tg.pad(X, given)
    if shape == ():
        assert Z.item() == x[()]
        return
    assert_exact(Z, naive.value(x))
    (dX,) = tg.grad(Z, X, dZ, create_graph=True)
    assert_exact(dX, naive.gradient(dz))
    (second,) = tg.grad(dX, dZ, U, create_graph=True)
    assert_exact(second, naive.value(u))
    (third,) = tg.grad(second, U, V)
    assert_exact(third, naive.gradient(v))


@pytest.mark.parametrize("value", [7, -np.inf, np.nan])
def test_a_border_of_another_value(value):
    x = integers((2, 3), 1)
    expected = np.full((4, 7), float(value))
    expected[1:3, 0:3] = x
    (X,) = tensors(x)
    Z = tg.pad(X, ((1, 1), (0, 4)), value=value)
    assert_equal(Z.numpy(), expected)
    dz = integers((4, 7), 2)
    Z.backward(dz)
    assert_equal(X.grad.numpy(), dz[1:3, 0:3])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, bool])
def test_the_dtype_is_kept(dtype):
    z = tg.pad(np.ones((1, 2), dtype), 1)
    assert z.dtype == dtype
    assert z.tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]


def test_memory_layout_makes_no_difference():
    x = integers((2, 3, 2, 4), 1)
    for view in layouts(x).values():
        assert_equal(tg.pad(view, (1, 2)), np.pad(x, (1, 2)))


BAD = {
    "an unknown mode": ({"pad_width": 1, "mode": "sane"}, ValueError, "mode", "'zeros'", "'sane'"),
    "a negative width": ({"pad_width": -1}, ValueError, "pad_width must be at least 0", "-1"),
    "a negative width on one side": ({"pad_width": ((0, 0), (1, -2))}, ValueError, "at least 0", "(1, -2)"),
    "too many pairs": ({"pad_width": ((1, 1),) * 3}, ValueError, "each of 2 axes", "((1, 1), (1, 1), (1, 1))"),
    "three numbers": ({"pad_width": (1, 2, 3)}, ValueError, "an integer or 2 of them but got (1, 2, 3)"),
    "a fraction": ({"pad_width": 0.5}, TypeError, "pad_width must be an integer", "0.5"),
    "nothing": ({"pad_width": None}, TypeError, "pad_width must be an integer", "None"),
    "a word": ({"pad_width": "1"}, TypeError, "pad_width must be an integer", "'1'"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_input_is_refused_by_name(bad):
    arguments, error, *texts = bad
    leaf = tg.tensor(integers((2, 3), 1), requires_grad=True)
    (leaf * leaf).sum().backward()
    with refused("pad", error, *texts, tensors=[leaf]):
        tg.pad(leaf, **arguments)

"""argmax, argmin, any and all: the first among ties, NaN, every choice of axes; nothing of them is recorded."""

from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_equal, scalars, specials, tied_fractions
from tests.reductions import CASES, filled, members


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


BEST = {"argmax": (tg.argmax, max), "argmin": (tg.argmin, min)}


@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3), (3, 1), (2, 3, 4)])
@pytest.mark.parametrize("name", BEST)
@pytest.mark.parametrize("keepdims", [False, True])
def test_the_first_of_the_best_is_found(shape, name, keepdims):
    function, best = BEST[name]
    x = tied_fractions(shape, 1)
    for axis in [None, *range(-len(shape), len(shape))]:
        axes = tuple(range(len(shape))) if axis is None else (axis % len(shape),)
        small, lists = members(shape, axes, keepdims)
        expected = filled(small, {k: [x[i] for i in v].index(best(x[i] for i in v)) for k, v in lists.items()})
        for array in (x, x.astype(np.float32)):
            for operand in (leaf(array), tg.tensor(array)):
                z = function(operand, axis, keepdims)
                assert z.node is None or not z.requires_grad
                assert z.dtype.kind == "i"
                assert_equal(np.asarray(z.numpy(), object), expected)
                assert_equal(np.asarray(getattr(operand, name)(axis, keepdims).numpy(), object), expected)
        plain = function(x, axis, keepdims)
        assert not isinstance(plain, tg.Tensor)


def test_a_nan_counts_as_the_best():
    x = np.array([[1.0, np.nan, 3.0, np.nan], [1.0, 2.0, 3.0, 0.0]])
    assert tg.argmax(x, 1).tolist() == [1, 2]
    assert tg.argmin(x, 1).tolist() == [1, 3]


@pytest.mark.parametrize("function", [tg.argmax, tg.argmin])
def test_what_has_no_best_is_refused(function):
    name = function.__name__
    for shape, axis in [((0,), None), ((0,), 0), ((2, 0), None), ((2, 0), 1)]:
        with pytest.raises(ValueError, match=f"^{name}: an empty axis has no largest or smallest element"):
            function(leaf(np.zeros(shape)), axis)
    assert function(leaf(np.zeros((2, 0))), 0).shape == (0,)
    with pytest.raises(ValueError, match=f"^{name}: expected an axis of -1 to 0 for 1 axes but got 1"):
        function(leaf([1.0]), 1)
    with pytest.raises(ValueError, match=f"^{name}: expected a single axis"):
        function(leaf([[1.0]]), (0, 1))
    sympy = pytest.importorskip("sympy")
    with pytest.raises(TypeError, match=f"^{name}: "):
        function(leaf(np.array(sympy.symbols("a b"), dtype=object)))


@pytest.mark.parametrize(("shape", "axes"), CASES)
@pytest.mark.parametrize("keepdims", [False, True])
def test_any_and_all_are_those_of_a_loop(shape, axes, keepdims):
    rng = np.random.default_rng(2)
    x = np.asarray(tied_fractions(shape, 1) * rng.integers(0, 2, shape), dtype=object)
    small, lists = members(shape, axes, keepdims)
    for name, of_python in [("any", any), ("all", all)]:
        expected = filled(small, {k: of_python(x[i] != 0 for i in v) for k, v in lists.items()}).astype(bool)
        for array in (x, x.astype(np.float64), x != 0):
            array = np.asarray(array)
            operand = tg.tensor(array)
            for z in (getattr(tg, name)(operand, axes, keepdims), getattr(operand, name)(axes, keepdims)):
                assert z.dtype == bool
                assert_equal(z.numpy(), expected)
        assert not getattr(tg, name)(leaf(x), axes, keepdims).requires_grad
        assert not isinstance(getattr(tg, name)(x, axes), tg.Tensor)


def test_any_and_all_of_nothing_and_of_single_numbers():
    x = tg.tensor(np.zeros((0, 2)))
    assert (tg.any(x).item(), tg.all(x).item()) == (False, True)
    assert (tg.any(x, 0).tolist(), tg.all(x, 0).tolist()) == ([False] * 2, [True] * 2)
    for value in (2.0, Fraction(1, 3), np.float32(1), -1):
        assert tg.any(tg.tensor(value)).item() is tg.all(tg.tensor(value)).item() is True
    assert tg.all(tg.tensor(Fraction(0))).item() is False
    assert tg.any(tg.tensor([1.0, 0.0]) > 0).item() is True


def test_nan_and_infinity_are_true():
    x = specials((3, 4), 1)
    assert_equal(tg.any(x, 1), (x != 0).any(1))
    assert_equal(tg.all(x, 1), (x != 0).all(1))


def test_scalar_tensors():
    x = scalars(np.array([2.0, 0.0, 3.0]))
    assert (tg.any(x), tg.all(x), tg.argmax(x), tg.argmin(x)) == (True, False, 2, 1)
    assert type(tg.any(x)) is np.bool_


@pytest.mark.parametrize("function", [tg.any, tg.all])
def test_wrong_axes_are_refused(function):
    name = function.__name__
    with pytest.raises(ValueError, match=f"^{name}: expected an axis of -1 to 0 for 1 axes but got 1"):
        function(leaf([1.0]), 1)
    with pytest.raises(ValueError, match=f"^{name}: each axis may come once"):
        function(leaf([[1.0]]), (0, 0))

"""Number: exact arithmetic with everything that a student's code mixes it with."""

import copy
import math
import numbers as abstract
import operator
from fractions import Fraction

import numpy as np
import pytest

from tinygrad_cnn.tensor import tensor
from tinygrad_cnn.verify.tracing import NotExact, NotTraceable, Number, TracedArray, fraction_of, numbers, values

THIRD = Fraction(1, 3)
OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
    operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
]  # fmt: skip
OTHERS = [2, -3, True, 0.5, Fraction(7, 5)]
OTHERS += [np.int8(-3), np.int64(2), np.bool_(True), np.float64(-0.25), np.float32(0.5)]


IRRATIONAL = ["exp", "exp2", "expm1", "log", "log1p", "sin", "cos", "arctan", "tanh", "sinh", "arcsinh", "cbrt"]


def fraction(x):
    return x if isinstance(x, Fraction) else Fraction(x.item() if isinstance(x, np.generic) else x)


@pytest.mark.parametrize("apply", OPERATORS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("other", OTHERS, ids=repr)
def test_mixes_with_every_kind_of_number_on_both_sides(apply, other):
    for x in (THIRD, Fraction(-5, 2), Fraction(2)):
        for result, expected in (
            (apply(Number(x), other), apply(x, fraction(other))),
            (apply(other, Number(x)), apply(fraction(other), x)),
        ):
            if isinstance(expected, bool):
                assert bool(result) is expected
            else:
                assert type(result) is Number
                assert type(result.value) is Fraction
                assert result.value == expected


def test_integers_of_numpy_do_not_overflow():
    big = np.int64(2**62)
    assert (Number(2) * big * big).value == 2**125
    assert (big * Number(big)).value == 2**124


def test_no_float_creeps_in():
    x = Number(1)
    for result in (x / 3, 1 / (3 * x), x * 0.1, 0.1 + x, x - 1e-5, x**-2, x**3.0, abs(-x), +x, round(x / 3, 2), x // 2):
        assert type(result.value) is Fraction
    assert (x / 3).value == THIRD
    assert (0.1 * x).value == Fraction(1, 10)
    assert (x * 1e-5).value == Fraction(1, 100_000)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (0.1, Fraction(1, 10)),
        (1e-12, Fraction(1, 10**12)),
        (2.5e10, 25 * 10**9),
        (-0.3, Fraction(-3, 10)),
        (1e300, 10**300),
        (1 / 3, THIRD),
        (1 - 0.9, Fraction(1, 10)),
        (0.1 + 0.2, Fraction(3, 10)),
        (1 / 999_983, Fraction(1, 999_983)),
        (1 / 9 * 5, Fraction(5, 9)),
        (3.14159, Fraction(314159, 100000)),
        (0.33333333333, Fraction(33333333333, 10**11)),  # written by hand, and meant
        (math.pi, Fraction("3.141592653589793")),
        (0.0, 0),
    ],
)
def test_a_float_stands_for_the_number_that_was_meant(x, expected):
    assert fraction_of(x) == expected
    assert Number(x).value == expected


def test_every_quotient_of_small_sizes_is_recovered():
    for n in range(1, 200):
        for m in range(1, 60):
            assert fraction_of(m / n) == Fraction(m, n)


def test_powers():
    x = Number(Fraction(4, 9))
    assert [(x**p).value for p in (0, 1, 2, -1, 0.5, -0.5, 1.5, np.int64(2), Fraction(1, 2))] == [
        1, Fraction(4, 9), Fraction(16, 81), Fraction(9, 4), Fraction(2, 3), Fraction(3, 2), Fraction(8, 27),
        Fraction(16, 81), Fraction(2, 3),
    ]  # fmt: skip
    assert pow(2, Number(3)).value == 8
    assert (Number(0) ** 0).value == 1
    for base, exponent in ((2, 0.5), (8, Fraction(1, 3)), (Fraction(1, 2), 0.5)):
        with pytest.raises(NotExact, match="is no fraction"):
            Number(base) ** exponent


def test_infinities_and_division_by_zero_are_numpys():
    inf = Number(float("inf"))
    one = Number(1)
    assert -inf < one < inf
    assert not one > np.inf
    assert max(-np.inf, one) is one
    assert (one / 0).value == math.inf
    assert (-one / 0).value == -math.inf
    assert math.isnan((0 * one / 0).value)
    assert math.isnan((inf * 0).value)
    assert math.isnan((inf - inf).value)
    assert (1 / inf).value == 0
    assert type((1 / inf).value) is Fraction
    assert (inf + 1).value == math.inf
    assert (Number(0) ** -1).value == math.inf
    assert (-inf).exp().value == 0
    assert math.isnan((one % 0).value)
    nan = Number(math.nan)
    assert nan != nan
    assert [nan.isnan(), inf.isinf(), inf.isfinite(), one.isfinite()] == [True, True, False, True]


def test_square_roots():
    assert Number(Fraction(9, 4)).sqrt().value == Fraction(3, 2)
    assert Number(0).sqrt().value == 0
    assert math.isnan(Number(-1).sqrt().value)
    for square in (2, Fraction(1, 3), 10**40 + 1):
        with pytest.raises(NotExact) as caught:
            Number(square).sqrt()
        assert caught.value.function == "sqrt"


@pytest.mark.parametrize("name", IRRATIONAL)
def test_what_is_no_fraction_is_refused_by_name(name):
    with pytest.raises(NotExact, match=f"^{name}: ") as caught:
        getattr(np, name)(np.array([Number(Fraction(1, 2))]))
    assert caught.value.function == name


def test_logarithms_of_powers_are_exact():
    assert Number(8).log2().value == 3
    assert Number(Fraction(1, 1000)).log10().value == -3
    with pytest.raises(NotExact):
        Number(9).log2()


def test_rounding():
    x = Number(Fraction(-7, 2))
    assert [math.floor(x), math.ceil(x), math.trunc(x), round(x), int(x)] == [-4, -3, -3, -4, -3]
    assert all(type(n) is int for n in (math.floor(x), math.ceil(x), round(x), int(x)))
    assert round(Number(Fraction(1, 3)), 3).value == Fraction(333, 1000)
    assert divmod(x, 2) == (-2, Number(0.5))
    assert divmod(7, Number(2)) == (3, 1)
    assert [v.value for v in x.modf()] == [Fraction(-1, 2), -3]
    assert x.fmod(2).value == Fraction(-3, 2)


def test_is_equal_and_hashed_as_its_value():
    assert Number(2) == 2 == Number(Fraction(4, 2))
    assert hash(Number(2)) == hash(2)
    assert {Number(0.5): "half"}[Fraction(1, 2)] == "half"
    assert Number(1) != "1"
    assert Number(1) != None  # noqa: E711
    assert [Number(0) or 5, Number(3) and 5] == [5, 5]


def test_looks_like_a_scalar_of_numpy():
    x = Number(0.5)
    assert (x.shape, x.ndim, x.size, x.dtype) == ((), 0, 1, np.dtype(object))
    assert x.item() is x.copy() is x.real is x.conjugate() is copy.deepcopy(x) is x.astype(float) is x
    assert x.sum() == x.mean() == x.max() == x
    assert x.imag == 0
    assert x.astype(bool) is np.True_
    assert Number(2).astype(np.int32) == np.int32(2)
    assert isinstance(x, abstract.Real)
    with pytest.raises(AttributeError, match="'Number' object has no attribute 'grad'"):
        _ = x.grad


def test_is_printed():
    x = Number(Fraction(1, 3))
    assert (str(x), repr(x), f"{x:.3f}", f"{x}") == ("1/3", "Number(1/3)", "0.333", "1/3")
    assert str(numbers([0.5, 2])) == "[Number(1/2) Number(2)]"


def test_refuses_what_is_no_number():
    for thing in ("1", None, [1], np.ones(2), tensor([1.0, 2.0])):
        with pytest.raises(TypeError, match=r"^Number: expected a real number but got"):
            Number(thing)
    with pytest.raises(TypeError, match="unsupported operand"):
        Number(1) + "a"
    with pytest.raises(NotTraceable, match="complex"):
        Number(1) * 1j


def test_arrays_of_numbers():
    x = numbers([[1, 0.5], [np.int8(2), Fraction(1, 3)]])
    assert type(x) is TracedArray
    assert x.dtype == object
    assert values(x).tolist() == [[1, Fraction(1, 2)], [2, THIRD]]
    assert numbers(3).shape == ()
    assert numbers(np.array([0.1])).tolist() == [Number(0.1)]
    assert numbers([]).shape == (0,)
    assert numbers(np.zeros((2, 0))).shape == (2, 0)
    assert numbers(x) is not x
    leaf = tensor(Fraction(1), requires_grad=True)
    assert numbers([leaf])[0].value is leaf
    assert numbers(tensor([1.0, 2.0])).tolist() == [1, 2]


def test_values_take_whatever_a_function_returns():
    inner = np.array([Number(1), 2, 0.5], dtype=object)
    assert values(inner).tolist() == [1, 2, Fraction(1, 2)]
    assert values([inner, (3, True, np.float64(0.1))]).tolist() == [[1, 2, Fraction(1, 2)], [3, 1, Fraction(1, 10)]]
    assert values(x for x in inner).tolist() == [1, 2, Fraction(1, 2)]
    assert values(np.array([True, False])).tolist() == [1, 0]
    assert values(5).shape == ()
    assert values([np.array(1), Number(2)]).tolist() == [1, 2]
    assert {type(v) for v in values([1, True, 0.5, np.int64(2), Number(2)])} == {Fraction}


def test_values_refuse_the_rest():
    with pytest.raises(TypeError, match=r"returned None; is there a `return`\?"):
        values(None)
    for wrong in ("abc", {"a": 1}, [1, None], np.array(["a"]), [1, 1j]):
        with pytest.raises(TypeError, match="expected an array of real numbers but the function returned"):
            values(wrong)
    with pytest.raises(ValueError, match=r"shapes \[\(1,\), \(2,\)\]"):
        values([[1], [1, 2]])


def test_setting_an_element():
    x = numbers(np.zeros((2, 2)))
    x[0, 0] = np.array([[3]])
    x[0] += 1
    x[1, :] = [0.1, np.int64(2)]
    x[:, 1] *= np.array([2, 3])
    assert values(x).tolist() == [[4, 2], [Fraction(1, 10), 6]]
    x.fill(0.2)
    x.flat[0] = 1
    assert values(x).tolist() == [[1, Fraction(1, 5)], [Fraction(1, 5)] * 2]
    for wrong in ([1, 2], np.ones(2), np.ones((2, 2))):
        with pytest.raises(ValueError, match="setting an array element with a sequence"):
            x[0, 0] = wrong
    with pytest.raises(ValueError, match="broadcast"):
        x[0] = [1, 2, 3]

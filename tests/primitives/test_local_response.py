"""Local response normalisation against loops over single elements, exactly where the power is an integer."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.dual_numbers import exact_gradients
from tests.finite_differences import check_gradients
from tests.operands import assert_close, assert_equal, assert_exact, fractions, layouts, normals, tensors
from tests.oracles import indices, zeros
from tests.refusals import refused


@dataclass(frozen=True)
class Case:
    name: str
    x: tuple
    size: int
    before: int
    """How many channels of the window lie before its own; written out by hand."""
    alpha: float = 0.5
    beta: float = 2
    k: float = 1.0

    def __str__(self):
        return self.name

    def __call__(self, x):
        return tg.local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def value(self, x):
        z = zeros(self.x)
        for i in indices(self.x):
            total = Fraction(0)
            for c in range(i[1] - self.before, i[1] - self.before + self.size):
                if 0 <= c < self.x[1]:
                    total = total + x[(i[0], c, *i[2:])] * x[(i[0], c, *i[2:])]
            z[i] = x[i] / (Fraction(str(self.k)) + total * Fraction(str(self.alpha)) / self.size) ** self.beta
        return z


CASES = [
    Case("images", (2, 4, 2, 3), 3, 1),
    Case("an even window", (2, 5, 3), 4, 2),
    Case("a window of two", (1, 3, 2), 2, 1, beta=1),
    Case("a window of one", (2, 3, 2), 1, 0, beta=3),
    Case("a window wider than the channels", (1, 3, 2, 2), 9, 4),
    Case("a single channel", (2, 1, 4), 5, 2),
    Case("no spatial axis", (3, 4), 3, 1, 2, 1, 0.5),
    Case("three spatial axes", (1, 3, 2, 1, 2), 3, 1),
    Case("no power", (1, 3, 2), 3, 1, beta=0),
]

by_case = pytest.mark.parametrize("case", CASES, ids=str)


@by_case
def test_values_and_gradients_are_exact_on_fractions(case):
    x, dz = fractions(case.x, 1), fractions(case.x, 2)
    (X,) = tensors(x)
    z = case(X)
    assert_exact(z, case.value(x))
    z.backward(dz)
    assert_exact(X.grad, exact_gradients(case.value, [x], dz)[0])


@pytest.mark.parametrize("beta", [0.75, 2])
@by_case
def test_gradients_of_first_and_second_order_are_central_differences(case, beta):
    check_gradients(
        lambda x: tg.local_response_norm(x, case.size, case.alpha, beta, case.k), normals(case.x, 1), tolerance=1e-6
    )


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float16, 1e-3), (np.float32, 1e-6), (np.float64, 1e-14)])
@by_case
def test_floats_keep_their_dtype_and_round_near_its_precision(case, dtype, tolerance):
    x, dz = normals(case.x, 1, dtype), normals(case.x, 2, dtype)
    (X,) = tensors(x)
    z = case(X)
    z.backward(dz)
    exact = [Fraction(float(v)) for v in x.flat]
    x = np.array(exact, dtype=object).reshape(case.x)
    assert z.dtype == X.grad.dtype == dtype
    assert_close(z.numpy(), case.value(x), tolerance)
    assert_close(X.grad.numpy(), exact_gradients(case.value, [x], dz.astype(np.float64))[0], tolerance)


def test_the_defaults_are_pytorchs_and_squares_of_float16_do_not_overflow():
    x = np.full((1, 5, 2), 1000.0)
    squares = np.array([3, 4, 5, 4, 3])[:, None] * 1e6
    expected = np.broadcast_to(1000 / (1 + 1e-4 * squares / 5) ** 0.75, x.shape)
    assert_close(tg.local_response_norm(x, 5), expected, 1e-14)
    assert_close(tg.local_response_norm(x.astype(np.float16), 5), expected, 1e-3)


@pytest.mark.parametrize("dtype", [np.float64, object])
def test_memory_layout_makes_no_difference(dtype):
    case = CASES[0]
    x, dz = fractions(case.x, 1).astype(dtype), fractions(case.x, 2).astype(dtype)
    (X,) = tensors(x)
    z = case(X)
    (dx,) = tg.grad(z, X, dz)
    for name, view in layouts(x).items():
        assert_equal(case(view), z.numpy())
        (V,) = tensors(view)
        assert_equal(tg.grad(case(V), V, layouts(dz)[name])[0].numpy(), dx.numpy())


@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 0, 2), (2, 3, 0)])
def test_empty_axes(shape):
    (X,) = tensors(np.zeros(shape, np.float32))
    z = tg.local_response_norm(X, 3)
    assert z.shape == shape
    z.sum().backward()
    assert X.grad.shape == shape


def test_the_operand_stays_as_it_is_and_the_result_is_the_callers_own():
    x = normals((1, 3, 2), 1)
    tg.local_response_norm(x, 1, beta=0)[...] = 9
    assert_equal(x, normals((1, 3, 2), 1))


def test_symbols():
    sympy = pytest.importorskip("sympy")
    a, b, k, power = sympy.symbols("a b k p", positive=True)
    z = tg.local_response_norm(np.array([[a, b]]), 2, 2, power, k)
    assert sympy.simplify(z[0, 0] - a / (k + a**2) ** power) == 0
    assert sympy.simplify(z[0, 1] - b / (k + a**2 + b**2) ** power) == 0


BAD = {
    "no channels": ({"x": (3,)}, ValueError, "(N, C, ...)", "(3,)"),
    "no size": ({"size": 0}, ValueError, "size", "at least 1", "0"),
    "a size that is no integer": ({"size": 2.0}, TypeError, "size", "2.0"),
    "alpha no number": ({"alpha": "1"}, TypeError, "alpha", "'1'"),
    "beta no number": ({"beta": None}, TypeError, "beta", "None"),
    "k no number": ({"k": True}, TypeError, "k", "True"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_input_is_refused_by_name(bad):
    change, error, *texts = bad
    arguments = {"x": (2, 3, 2), "size": 3} | change
    leaf = tg.tensor(normals(arguments.pop("x"), 1), requires_grad=True)
    (leaf * leaf).sum().backward()
    with refused("local_response_norm", error, *texts, tensors=[leaf]):
        tg.local_response_norm(leaf, **arguments)


def test_a_root_of_fractions_is_refused():
    x = tg.tensor(fractions((1, 3), 1), requires_grad=True)
    with refused("local_response_norm", TypeError, "3/4", "integer", tensors=[x]):
        tg.local_response_norm(x, 3)

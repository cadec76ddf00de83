"""What is read and what is refused, polynomials, and that a closed form is stated only if it is right."""

from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_equal, fractions, normals, tensors
from tinygrad_cnn.verify.derivation import derive, forms
from tinygrad_cnn.verify.derivation.notation import Letter
from tinygrad_cnn.verify.derivation.polynomial import (
    NotPolynomialError,
    NoValueError,
    Polynomial,
    Symbol,
    comparisons,
    rational,
    terms_of,
)


def leaf(shape=(1, 1, 3, 3), name="X", seed=1):
    return tg.tensor(fractions(shape, seed), requires_grad=True, name=name)


def refused(error, match, tensor, wrt):
    with pytest.raises(error, match=match) as caught:
        derive(tensor, wrt)
    assert str(caught.value).startswith("derive: ")


# What is refused


def test_not_a_tensor():
    refused(TypeError, "expected a recorded tensor but got ndarray", np.ones(3), "X")
    x = leaf()
    refused(TypeError, "wrt must be a tensor or a name but is int", x * x, 3)


def test_nothing_recorded():
    refused(ValueError, "has no graph behind it", tg.tensor([1.0]), "x")
    x = leaf()
    refused(ValueError, "has no graph behind it", x, x)
    with tg.no_grad():
        y = x * x
    refused(ValueError, r"inside no_grad\(\)", y, x)


def test_wrt_that_is_not_in_the_graph():
    x, other = leaf(), leaf()
    refused(ValueError, "is not in the graph: the result was not computed from it", x * x, other)
    refused(ValueError, "no array behind .* named 'K'; there are: 'X'", x * x, "K")
    refused(ValueError, "several arrays behind .* named 'X'", x * other, "X")
    z = x * x
    refused(ValueError, "wrt is the result itself", z, z)
    refused(ValueError, "there are: none has a name", tg.exp(tg.tensor([1.0], requires_grad=True)), "x")


def test_integers_have_no_derivative():
    x, n = leaf((3,), "x"), tg.tensor([1, 2, 3], name="n")
    refused(ValueError, "wrt holds int64, which has no derivative", x * n, n)


def test_too_large():
    x = tg.tensor(np.ones((1, 1, 40, 40)), requires_grad=True, name="X")
    refused(ValueError, r"X has 1,600 entries .* more than the 1,024", x * x, x)
    y = leaf((1,))
    z = y
    for _ in range(250):
        z = z * y
    refused(ValueError, "the graph has 251 nodes, more than the 200", z, y)


def test_nothing_to_derive():
    x = tg.tensor(np.ones((0, 1, 3, 3)), requires_grad=True)
    refused(ValueError, "has no entries", x * x, x)


def test_too_many_derivatives_for_sympy():
    pytest.importorskip("sympy")
    x = tg.tensor(normals((65, 64), 1)[:16], requires_grad=True)
    refused(ValueError, r"partial derivatives, more than the 4,096 that sympy is asked for", tg.log_softmax(x), x)


def test_what_sympy_can_not():
    pytest.importorskip("sympy")
    x = tg.tensor([-8.0, 8.0], requires_grad=True)
    refused(ValueError, "cbrt on symbols is not what it is on the recorded numbers", tg.cbrt(x), x)
    refused(ValueError, "sympy finds no derivative of Mod", tg.remainder(x, tg.tensor([3.0, 3.0])), x)


def test_upstream_of_another_shape():
    x = leaf()
    derivation = derive(x * x, x)
    with pytest.raises(ValueError, match=r"upstream must have the shape \(1, 1, 3, 3\) of Z but has \(3, 3\)"):
        derivation.at_values(np.ones((3, 3)))
    with pytest.raises(ValueError, match="upstream must have the shape"):
        derivation.at_values()


# What is read


def test_by_tensor_or_name():
    x, k = leaf(), leaf((1, 1, 2, 2), "K", 2)
    z = tg.conv2d(x, k)
    assert str(derive(z, x)) == str(derive(z, "X"))


def test_a_constant_and_an_intermediate_result():
    """wrt need not ask for a gradient, nor be a leaf."""
    x, k = leaf(), tg.tensor(fractions((1, 1, 2, 2), 2), name="K")
    h = tg.conv2d(x, k)
    h.name = "H"
    z = h * h
    assert str(derive(h, k).equation(1)) == "dL/dK = X (*) dL/dH"
    assert derive(z, h).entries["H12"].text() == "dL/dH12 = 2 dL/dz12 H12"


def test_a_freed_graph():
    x = leaf()
    z = (x * x).sum()
    z.backward()
    assert_equal(derive(z, x).at_values(), 2 * x.data)


def test_symbols_as_values():
    """A tensor of sympy's symbols is derived like any other: its entries have their own names here."""
    sympy = pytest.importorskip("sympy")
    values = np.array(sympy.symbols("a:9"), dtype=object).reshape(1, 1, 3, 3)
    (x,) = tensors(values)
    k = leaf((1, 1, 2, 2), "K", 2)
    derivation = derive(tg.conv2d(x, k), x)
    assert derivation.entries["X12"].text() == "dL/dX12 = dL/dz11 K12 + dL/dz12 K11"
    assert derivation.closed_form is not None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_dtypes(dtype):
    x = tg.tensor(np.array([1.5, -2.0], dtype), requires_grad=True, name="x")
    derivation = derive((tg.relu(x) * 0.1).sum(), x)
    assert derivation.entries["x1"].text() == "dL/dx1 = dL/dh1"
    assert derivation.forward["a1"].text() == "a1 = 1/10 h1"
    np.testing.assert_allclose(derivation.at_values().astype(float), [0.1, 0], rtol=1e-3)


def test_a_named_scalar_is_the_loss():
    x = leaf((2,), "x")
    loss = (x * x).sum()
    loss.name = "E"
    assert str(derive(loss, x).closed_form.equation) == "dE/dx = 2 (dE/dh o x)"


def test_an_operand_that_does_not_depend_on_wrt():
    """What was computed beside the way gets a name, and is not taken apart."""
    x, y = leaf((2,), "x"), leaf((2,), "y", 2)
    derivation = derive(x * (y * y), x)
    assert derivation.entries["x1"].text() == "dL/dx1 = dL/dz1 u1"
    assert len(derivation.gradients) == 1


def test_numbers_stand_in_the_formulas():
    x = leaf((2,), "x")
    derivation = derive(x * np.array([2.0, 0.25]) + 1, x)
    assert derivation.forward["h2"].text() == "h2 = 1/4 x2"
    assert derivation.forward["z2"].text() == "z2 = h2 + 1"


def test_no_names_are_left_on_the_graph():
    x, k = tensors(fractions((1, 1, 3, 3), 1), fractions((1, 1, 2, 2), 2))
    z = tg.conv2d(x, k)
    derive(z, x)
    assert x.name is k.name is z.name is None
    z.backward(fractions(z.shape, 3))  # and it is not freed


# A closed form is recognised, not assumed


@pytest.mark.parametrize(
    ("operation", "wrong"),
    [
        ("rotated", lambda x, n: x),
        ("rotated", lambda x, n: x[..., ::-1]),
        ("dilated", lambda x, steps: np.roll(forms_dilated(x, steps), 1, -1)),
        ("padded", lambda x, widths: np.roll(forms_padded(x, widths), 1, -1)),
        ("total", lambda x, axes, keepdims=False: 2 * forms_total(x, axes, keepdims)),
    ],
)
def test_a_wrong_closed_form_is_not_stated(monkeypatch, operation, wrong):
    x, k, b = leaf((1, 1, 5, 5)), leaf((1, 1, 2, 3), "K", 2), leaf((1,), "B", 3)
    z = tg.conv2d(x, k, b, stride=2)
    right = [derive(z, wrt).closed_form for wrt in (x, k, b)]
    monkeypatch.setattr(forms, operation, wrong)
    stated = [derive(z, wrt).closed_form for wrt in (x, k, b)]
    assert None not in right
    assert None in stated
    assert "None recognised" in "".join(str(derive(z, wrt)) for wrt in (x, k, b))


forms_padded, forms_dilated, forms_total = forms.padded, forms.dilated, forms.total


def test_a_wrong_definition_is_seen(monkeypatch):
    """The sums follow the definition that is run, so that the closed form of the right one is refused."""
    from tinygrad_cnn.kernels import reference

    windows = reference.windows
    monkeypatch.setattr(reference, "windows", lambda *a: windows(*a)[..., ::-1])
    x, k = leaf(), leaf((1, 1, 2, 2), "K", 2)
    derivation = derive(tg.conv2d(x, k), x)
    assert derivation.forward["z11"].text() == "z11 = X12 K11 + X11 K12 + X22 K21 + X21 K22"
    assert derivation.closed_form is None


# Polynomials


def symbol(name, order, value=None):
    return Symbol(Letter(name), (order,), None, order, value)


A, B = symbol("a", 0, Fraction(1, 2)), symbol("b", 1, 3.0)
a, b = Polynomial.of(A), Polynomial.of(B)


def test_arithmetic():
    assert str((a + b) * (a - b)) == "a^2 - b^2"
    assert str(2 * a / 4 - b * 0) == "1/2 a"
    assert str((a + 1) ** 3) == "a^3 + 3 a^2 + 3 a + 1"
    assert (a - a).terms == {}
    assert str(a - a) == "0"
    assert str(np.float64(0.1) * a) == "1/10 a"
    assert str(1 - a + np.int64(2)) == "-a + 3"
    assert terms_of(0) == {}
    assert str(b * a) == "a b"


def test_derivatives():
    slopes = (a * a * b + 3 * b).derivatives()
    assert {str(s): str(d) for s, d in slopes.items()} == {"a": "2 a b", "b": "a^2 + 3"}


def test_values():
    assert (a * 2 + b).value() == 4.0
    assert a < b
    assert (a >= Fraction(1, 2)) is True
    assert max(a, b) is b
    assert str(abs(-b)) == "b"
    assert bool(a - a) is False
    with pytest.raises(NoValueError, match="c has no value to compare"):
        assert Polynomial.of(symbol("c", 2)) > 0


def test_comparisons_are_noticed():
    with comparisons() as seen:
        a + b
        assert not seen
        assert a != b
        assert seen


@pytest.mark.parametrize(
    "operation", [lambda: a / b, lambda: 1 / a, lambda: a**-1, lambda: a**0.5, lambda: a * np.inf, lambda: a + np.nan]
)
def test_what_is_no_polynomial(operation):
    with pytest.raises(NotPolynomialError):
        operation()


def test_what_is_no_operand():
    with pytest.raises(TypeError):
        a + "1"
    with pytest.raises(TypeError):
        hash(a)
    with pytest.raises(NotPolynomialError, match="str is no polynomial"):
        terms_of("1")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.5, Fraction(1, 2)),
        (np.float32(0.1), Fraction(1, 10)),
        (3, 3),
        (True, 1),
        (Fraction(4, 2), 2),
        (1 / 3, Fraction(1, 3)),
    ],
)
def test_rational(value, expected):
    assert rational(value) == expected
    assert type(rational(value)) is type(expected)


def test_rational_of_a_long_fraction():
    """A float that stands for no short fraction is what it is."""
    assert rational(np.pi) == Fraction(np.pi)

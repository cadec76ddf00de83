"""Symbols in place of numbers: the traced function gives its formula."""

import numpy as np
import pytest

from tests.verify.tracing.agreement import K, X, copies, slope
from tests.verify.tracing.test_expressions import written
from tinygrad_cnn.verify.tracing import NotTraceable, Number, fraction_of, run, trace, values

sympy = pytest.importorskip("sympy")

SYMBOLS = {
    "X": np.array(sympy.symbols("x:12", real=True), dtype=object).reshape(3, 4),
    "K": np.array(sympy.symbols("k:4", real=True), dtype=object).reshape(2, 2),
}
POINT = {
    symbol: sympy.Rational(*fraction_of(float(value)).as_integer_ratio())
    for name, array in (("X", X), ("K", K))
    for symbol, value in zip(SYMBOLS[name].flat, array.flat, strict=True)
}


def at_the_point(value):
    value = value.item() if hasattr(value, "item") else value
    return float(value.subs(POINT) if isinstance(value, sympy.Basic) else value)


EXPRESSIONS = """
X @ X.T / 3
np.einsum("ij,kj->", X[:, :2], K)
np.mean(X, axis=0) + np.var(X, axis=1, keepdims=True)
X / (1 + X**2) + 0.1 * X - 1 / 9
np.exp(X) / np.sum(np.exp(X), axis=1, keepdims=True)
1 / (1 + np.exp(-X)) + np.tanh(K[0, 0])
np.sqrt(X * X + 1) + np.linalg.norm(X)
X / math.sqrt(2) + np.sqrt(2) * X + math.exp(1)
np.log1p(np.exp(X)) + np.expm1(X) + np.log2(X * X + 1) + np.exp2(X)
np.sin(X) * np.cos(X) + np.arctan(X) + math.sinh(X[0, 0])
np.pad(X, 1)[1:-1, 1:-1] * np.rot90(X, 2)
np.convolve(X[0], K[0])
np.abs(X) + (X * X) ** 0.5
""".strip().splitlines()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_formula_has_numpys_values_and_slopes(expression):
    function = written(expression)
    expected = np.asarray(function(**copies()), dtype=float)
    traced, plain = trace(function, SYMBOLS), run(function, SYMBOLS)
    assert traced.arithmetic == plain.arithmetic == "symbolic"
    for output in (traced.output, plain.output):
        np.testing.assert_allclose([at_the_point(z) for z in output.flat], expected.ravel(), rtol=1e-12)
    assert not any(z.atoms(sympy.Float) for z in plain.output.flat)
    dz = np.arange(1, expected.size + 1).reshape(expected.shape) % 5 - 2
    gradients = traced.gradients(dz)
    for name in "XK":
        actual = [at_the_point(g) for g in gradients[name].flat]
        np.testing.assert_allclose(actual, slope(function, name, dz).ravel(), rtol=1e-5, atol=1e-6)


def test_a_loop_gives_the_lectures_formula():
    def loop(X, K):
        Z = np.zeros((1, 1))
        for u in range(2):
            for v in range(2):
                Z[0, 0] += X[u, v] * K[u, v]
        return Z

    (z,) = run(loop, {"X": SYMBOLS["X"][:2, :2], "K": SYMBOLS["K"]}).output.flat
    assert str(z) == "k0*x0 + k1*x1 + k2*x4 + k3*x5"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("[x for x in X[0] if x > 0]", "x0 > 0: can't be traced: a comparison of symbols is neither true nor false"),
        ("[1 if 0 <= X[0, 0] else 2]", "x0 >= 0: "),
        ("np.maximum(X, 0)", "x0 >= 0: "),
        ("np.max(X)", "np.max: can't be traced: a comparison of symbols"),
        ("X[0, 0] < X[0, 1]", "x0 < x1: "),
        ("np.sign(X)", "sign: can't be traced: x0 has no value yet"),
        ("np.floor(X)", "floor: can't be traced: x0 has no value yet"),
    ],
)
def test_what_symbols_leave_open_is_refused(expression, message):
    for execute in (trace, run):
        with pytest.raises(NotTraceable) as caught:
            execute(written(expression), SYMBOLS)
        assert str(caught.value).startswith(message)


def test_comparisons_that_sympy_can_decide_are_made():
    positive = np.array(sympy.symbols("p:2", positive=True), dtype=object)
    assert run(lambda X: np.maximum(X, 0), {"X": positive}).output.tolist() == positive.tolist()
    assert run(lambda X: (X[0] == X) * X, {"X": positive}).output.tolist() == [positive[0], 0]
    assert run(lambda X: X * (X + 1 > X), {"X": positive}).output.tolist() == positive.tolist()


def test_a_symbol_is_a_number():
    x = sympy.Symbol("x")
    number = Number(x)
    assert (str(number), f"{number:.2f}", repr(number)) == ("x", "x", "Number(x)")
    assert (2 * number / 3 + 0.1).value == sympy.Rational(2, 3) * x + sympy.Rational(1, 10)
    assert (number**0.5).value == sympy.sqrt(x)
    assert values([number, 1]).tolist() == [x, 1]
    assert run(lambda X, c: X * np.exp(c), {"X": np.array([x])}, {"c": x}).output[0] == x * sympy.exp(x)

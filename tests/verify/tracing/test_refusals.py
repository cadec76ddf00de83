"""No value is cut off silently: what would make a float of it is refused, by name, with the student's line."""

import array
import math

import numpy as np
import pytest

from tests.verify.tracing.agreement import K, X, fractions
from tests.verify.tracing.test_expressions import IRRATIONAL, written
from tinygrad_cnn.tensor import tensor
from tinygrad_cnn.verify.tracing import CutOff, NotExact, NotTraceable, TracingError, run, trace

GIVEN = {"X": fractions(X), "K": fractions(K)}

CUT_OFF = {
    "int": """
int(X[0, 0])
int(X.sum())
np.int64(X[0, 0])
X.astype(int)
X.astype("i4")
np.array(X, dtype=int)
np.zeros((2, 2), dtype=int).__setitem__((0, 0), X[0, 0])
np.zeros((2, 2), dtype=np.int32).__setitem__(0, K[0])
np.array([[0, 0], [0, 0]]).__setitem__((0, 0), X[0, 0])
np.full((2, 2), X[0, 0], dtype=int)
np.arange(4).fill(X[0, 0])
np.copyto(np.arange(4), X[0], casting="unsafe")
np.put(np.arange(4), [0], X[0, 0])
""",
    "np.add": """
np.zeros((3, 4), dtype=int).__iadd__(X)
np.add(X, 1, out=np.zeros((3, 4), dtype=int))
""",
    "np.add.at": "np.add.at(np.zeros(4, dtype=int), [0, 1], X[0, :2])",
    "np.multiply": """
(X > 0).__imul__(X)
(X > 0).astype(int).__imul__(X)
np.random.default_rng(0).normal(size=(3, 4)).__imul__(X)
""",
    "float": """
math.erf(X[0, 0])
math.lgamma(X[0, 0])
X[0, 0].__float__()
array.array("d", X[0])
np.random.default_rng(0).normal(size=(3, 4)).__setitem__(0, X[0])
[*map(math.gamma, X[0])]
""",
    "complex": "complex(X[0, 0])",
    "index": """
[1, 2][X[0, 0]]
range(X[0, 0])
[0] * X[0, 0]
"a".center(K[0, 0])
""",
}


@pytest.mark.parametrize(
    ("kind", "expression"), [(kind, line) for kind, lines in CUT_OFF.items() for line in lines.strip().splitlines()]
)
def test_what_would_cut_a_value_off_is_refused(kind, expression):
    function = written(expression)
    function.__globals__["array"] = array
    for given in (GIVEN, {"X": X, "K": K}):
        with pytest.raises(CutOff, match=f"^{kind}: "):
            trace(function, given)


def test_the_message_tells_the_line_and_what_to_do():
    def forward(X):
        Z = np.zeros(2, dtype=int)
        Z[0] = X[0, 0]
        return Z

    with pytest.raises(CutOff) as caught:
        trace(forward, {"X": fractions(X)})
    message = str(caught.value)
    assert message.startswith("int: this would turn the value -231/100 into a plain int and cut it off from the graph")
    assert "np.zeros(shape)" in message
    assert f"{__file__}, line {forward.__code__.co_firstlineno + 2}: Z[0] = X[0, 0]" in message


def test_an_exact_number_without_a_graph_may_become_an_integer_but_no_float():
    assert run(lambda X: int(X[0] * 3), {"X": np.array([1], object)}).output == 3
    assert run(lambda X: np.zeros(3)[: int(X[0])], {"X": np.array([2], object)}).output.shape == (2,)
    with pytest.raises(CutOff, match="lose its exact value"):
        run(lambda X: math.erf(X[0]), {"X": np.array([1], object)})


NOT_TRACEABLE = """
np.fft.fft2(X)
np.fft.irfft(X)
np.linalg.inv(K)
np.linalg.solve(K, K[0])
np.linalg.det(K)
np.linalg.svd(X)
np.linalg.eigvals(K)
np.linalg.pinv(K)
np.interp(X[0, 0], [0, 1], [0, 1])
np.histogram(X)
np.bincount([0, 1], weights=K[0])
np.polyfit([1, 2], K[0], 1)
np.corrcoef(X)
np.nextafter(X, 1)
""".strip().splitlines()


@pytest.mark.parametrize("expression", NOT_TRACEABLE)
def test_what_is_written_for_floats_is_named(expression):
    name = expression.partition("(")[0]
    for given in (GIVEN, {"X": X, "K": K}):
        with pytest.raises(NotTraceable) as caught:
            trace(written(expression), given)
        assert caught.value.function == name
        assert str(caught.value).startswith(f"{name}: can't be traced: it is written for floats alone")


@pytest.mark.parametrize("expression", IRRATIONAL)
def test_what_has_no_fraction_is_refused_in_the_exact_arithmetic(expression):
    if "np.pi * X" in expression:
        expression = "np.exp(X)"
    with pytest.raises(NotExact, match="is no fraction; use float64, or sympy"):
        trace(written(expression), GIVEN)


@pytest.mark.parametrize(
    "expression", ["math.sqrt(2) * X", "np.sqrt(np.arange(3)) * X[:, :3]", "np.exp(1) + X", "np.std([X[0, 0], 1, 2])"]
)
def test_an_irrational_constant_is_no_fraction_either(expression):
    with pytest.raises(NotExact):
        trace(written(expression), GIVEN)


def test_the_slope_of_a_root_at_zero_is_none():
    given = {"X": np.array([0], object), "K": np.array([0], object)}
    with pytest.raises(NotExact, match=r"sqrt\(0\)"):
        trace(written("np.sqrt(X)"), given)
    assert run(written("np.sqrt(X)"), given).output == 0


def test_all_refusals_are_type_errors():
    assert issubclass(TracingError, TypeError)
    assert {CutOff, NotExact, NotTraceable} == set(TracingError.__subclasses__())


def test_a_tensor_in_plain_code_stays_one():
    array = np.empty(1, dtype=object)
    array[0] = leaf = tensor(2.0, dtype=np.float64, requires_grad=True)
    traced = trace(lambda X: X * X, {"X": array})
    assert traced.leaves["X"][0] is leaf
    assert traced.output[0].item() == 4.0


@pytest.mark.parametrize(
    ("expression", "error", "message"),
    [
        ("X[5]", IndexError, "index 5 is out of bounds"),
        ("X.reshape(5)", ValueError, "cannot reshape array of size 12"),
        ("X @ X", ValueError, "mismatch"),
        ("X + X.T", ValueError, "broadcast"),
        ("np.concatenate([X, X[0]])", ValueError, "dimensions"),
        ("np.zeros(2, 2)", TypeError, "data type"),
        ("np.zeros(X[0, 0])", TypeError, "integer"),
        ("X.foo", AttributeError, "'TracedArray' object has no attribute 'foo'"),
        ("np.dot(X)", TypeError, "missing 1 required positional argument"),
        ("np.sum(X, axes=0)", TypeError, "unexpected keyword argument"),
        ("np.pad(X)", TypeError, "missing"),
        ("np.stack()", TypeError, "argument"),
        ("np.einsum('ij,jk', X)", ValueError, "operands"),
        ("np.foo", AttributeError, "no attribute 'foo'"),
        ("nothing", NameError, "nothing"),
        ("X + None", TypeError, "unsupported operand"),
        ("1 // 0", ZeroDivisionError, "division"),
        ('float("abc")', ValueError, "could not convert string"),
        ("X[X[0, 0]]", IndexError, "only integers"),
        ("math.sqrt(-1)", ValueError, "math domain error|nonnegative"),
    ],
)
def test_a_students_own_errors_are_pythons(expression, error, message):
    with pytest.raises(error, match=message) as caught:
        trace(written(expression), GIVEN)
    assert not isinstance(caught.value, TracingError)

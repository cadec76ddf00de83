"""Numbers read back from print: every form that programs and people write, and a clear word for the rest."""

import re
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import fractions, integers, normals
from tinygrad_cnn.verify.printed import read, sections

MATRIX = [[Fraction(1), Fraction(-2)], [Fraction(3), Fraction(40)]]


def values(text):
    return read(text).values.tolist()


@pytest.mark.parametrize(
    "text",
    [
        "[[1, -2], [3, 40]]",
        "[[ 1 -2]\n [ 3 40]]",
        "[[ 1. -2.]\n [ 3. 40.]]",
        "array([[ 1, -2],\n       [ 3, 40]])",
        "np.array([[1, -2], [3, 40]], dtype=np.int64)",
        "tensor([[ 1., -2.],\n        [ 3., 40.]], grad_fn=<MulBackward0>)",
        "Tensor([[ 1., -2.],\n        [ 3., 40.]], shape=(2, 2), dtype=float32, name='dK', op=add)",
        "1 -2\n3 40",
        "  1\t-2  \n\n  3\t40\n",
        "1, -2\n3, 40",
        "[1 -2; 3 40]",
        "1 -2; 3 40",
        "[1, -2]\n[3, 40]",
        "((1, -2), (3, 40))",
        "[(1, -2), (3, 40)]",
        "[array([ 1, -2]), array([ 3, 40])]",
        "[[np.float64(1.0), np.float64(-2.0)], [np.int64(3), 40]]",
        "[[Fraction(1, 1), Fraction(-2, 1)], [Fraction(3), Fraction(80, 2)]]",
        "[[1/1 -4/2] [3 80 / 2]]",
        "[[1e0, -2.0], [0.3e1, 4E1]]",
        "[[1, \N{MINUS SIGN}2], [3, 40]]",
        "[[1, \N{EN DASH}2], [+3, 040]]",
        "dK = [[1, -2], [3, 40]]",
        "dL/dK:\n[[1, -2],\n [3, 40]]",
    ],
)
def test_a_matrix(text):
    printed = read(text)
    assert printed.values.tolist() == MATRIX
    assert all(type(value) is Fraction for value in printed.values.flat)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("7", ()),
        ("array(7)", ()),
        ("np.float64(7.0)", ()),
        ("(7)", ()),
        ("[7]", (1,)),
        ("(7,)", (1,)),
        ("[[7]]", (1, 1)),
        ("7 8 9", (3,)),
        ("7\n8\n9", (3, 1)),
        ("[7]\n[8]", (2, 1)),
        ("[[[7 8]]\n\n [[9 1]]]", (2, 1, 2)),
        ("[]", (0,)),
        ("array([], dtype=float64)", (0,)),
        ("array([], shape=(2, 0), dtype=float64)", (2, 0)),
        ("Tensor([], shape=(0, 3), dtype=float32)", (0, 3)),
        ("[[], []]", (2, 0)),
        ("True", ()),
    ],
)
def test_shapes(text, shape):
    assert read(text).values.shape == shape


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 4), (1, 1), (2, 0), (2, 3, 2), (1, 2, 3, 4)])
@pytest.mark.parametrize("show", [str, repr, lambda array: str(array.tolist()), lambda array: repr(tg.tensor(array))])
def test_what_numpy_and_the_library_print_is_read_back(shape, show):
    size = int(np.prod(shape))
    if show is str and size == 0:
        pytest.skip("str shows no shape of an empty array")
    for array in (integers(shape, 0), integers(shape, 1).astype(np.int32), fractions(shape, 2), np.ones(shape, bool)):
        printed = read(show(array))
        if size or show is repr:
            assert printed.values.shape == shape
        assert printed.values.ravel().tolist() == array.ravel().tolist()
    array = normals(shape, 3)
    printed = read(show(array))
    assert np.all(abs(printed.values - array.ravel().reshape(printed.values.shape)) <= printed.units)
    array = array.astype(np.float32)
    printed = read(show(array)).values
    # As many digits as tell a float32 from its neighbours, but no more than 8 behind the point.
    assert np.all(
        abs(printed.astype(float).ravel() - array.ravel()) <= np.maximum(np.spacing(abs(array)) / 2, 5e-9).ravel()
    )


def test_digits_shown():
    assert read("[0.5, 0.25, 1/3, 3, 2.]").units.tolist()[2:4] == [0, 0]
    assert read("0.5, 0.25, 3, 1.50e-3").units.tolist() == [Fraction(1, 10), Fraction(1, 100), 0, Fraction(1, 10**5)]
    # NumPy leaves zeros away.
    assert read("[0.5  0.25 3.  ]").units.tolist() == [Fraction(1, 100)] * 3
    assert read("[1.e+10 2.5e-09]").units.tolist() == [10**9, Fraction(1, 10**10)]
    assert read("[21. 19.]").units.tolist() == [0, 0]
    assert read("[2 0.25]").units.tolist() == [0, Fraction(1, 100)]


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        ("[1, 2]", None),
        ("[0.25 0.5]", None),
        ("[0.1, 0.30000000000000004]", np.float64),
        ("0.1234567890123", None),
        ("[ 2.040919   -2.555665    0.41809884]", np.float32),
        ("[ 2.04091953 -2.55566488  0.41809884]", None),
        ("[0.418, 2.040919]", None),
        ("2.040919 0.5", None),
        ("[2.041 0.5  ]", None),
        ("[1.e+38 2.040919e+00]", np.float32),
        (str(np.float32([1.2573022e-1, 3e-5])), np.float32),
        (str(np.array([1.2573022e-1, 3.3e-5]) / 3), None),
        ("[1.e+39 2.040919e+00]", None),
        ("array([0.1, 0.2], dtype=float32)", np.float32),
        ("Tensor([0.1], shape=(1,), dtype=float16)", np.float16),
        ("tensor([1, 2], dtype=torch.int32)", None),
        ("tensor([1.5], dtype=torch.float64)", np.float64),
        ("array([Fraction(1, 2)], dtype=object)", None),
    ],
)
def test_dtype(text, dtype):
    assert read(text).dtype == dtype


def test_numbers_that_are_not_finite():
    not_a_number, *others = values("[nan inf -inf]")
    assert not_a_number != not_a_number
    assert others == [np.inf, -np.inf]
    assert read("nan").values.item() != read("nan").values.item()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected numbers but got none"),
        ("\n \t", "expected numbers but got none"),
        ("dX =", "expected numbers but got none"),
        ("hello", "expected numbers but got 'hello'"),
        ("[1 2] is my answer", "expected numbers but got 'is my answer'"),
        ("[1 2 x]", "expected numbers but got 'x]'"),
        ("1.2.3", "expected numbers but got '1.2.3'"),
        ("1 + 2", "expected numbers but got '+ 2'"),
        ("12abc", "expected numbers but got '12abc'"),
        ("1/2/3", "expected numbers but got '1/2/3'"),
        ("<function f at 0x7f>", "expected numbers but got '<function f at 0x7f>'"),
        ("x" * 100, f"expected numbers but got '{'x' * 27}...'"),
        ("[0 1 ... 8 9]", "entries are left out (...); print all of them: np.set_printoptions(threshold=sys.maxsize)"),
        ("[1 2", "a bracket ']' is missing"),
        ("1 2]", "a bracket ']' closes what was never opened"),
        ("[1 2)", "expected a bracket ']' but got ')'"),
        ("[[1, 2], [3]]", "expected rows of one length but row 1 has 2 entries and row 2 1 entry"),
        ("1 2\n3", "expected rows of one length but row 1 has 2 entries and row 2 1 entry"),
        ("[[1, 2], [[3, 4]]]", "expected rows of one length but row 1 has 2 entries and row 2 shape (1, 2)"),
        ("[1, [2]]", "expected rows of one length but row 1 has 1 entry and row 2 1 entry"),
        ("3/0", "3/0 divides by 0"),
        ("1e100000000", "the exponent of 1e100000000 is beyond 999"),
        ("[" * 100000, "more than 32 brackets inside one another"),
    ],
)
def test_what_can_not_be_read(text, message):
    with pytest.raises(ValueError, match=rf"^{re.escape(message)}$"):
        read(text)


def test_long_text():
    text = np.array2string(normals((100, 100), 0), threshold=100**2)
    assert read(text).values.shape == (100, 100)


def test_sections():
    text = "Epoch 1\ndX = [[1 2]\n      [3 4]]\n\ndK: array([1.],\n    dtype=float32)\ndL/dB=3"
    parts = sections(text)
    assert parts == {"dX": "[[1 2]\n      [3 4]]", "dK": "array([1.],\n    dtype=float32)", "dL/dB": "3"}
    assert sections("[1 2]") == sections("") == {}
    assert sections("dX = 1\ndtype=float32") == {"dX": "1\ndtype=float32"}

"""Text, LaTeX and pages: in their width, well-formed, with every name escaped, long listings shown in part."""

import re
from fractions import Fraction
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import fractions, tensors
from tinygrad_cnn.verify.derivation import derive, latex, mathml, text
from tinygrad_cnn.verify.derivation.notation import (
    CORRELATED,
    Call,
    Condition,
    Equation,
    Letter,
    Matrix,
    Number,
    Partial,
    Power,
    Product,
    Quotient,
    Sum,
    Total,
    Word,
    correlated,
    entrywise,
    factored,
    inline,
    negative,
    plus,
    times,
)

X, Y, Z = Letter("x"), Letter("y"), Letter("z")

NAMES = ["X", "my weights", "W1", "θ", '<b>&"\'', "a_b%#{}\\", "$", "naïve", "⊛", "\x07\u202e", "x" * 70]


def conv2d(size=(3, 3), kernel=(2, 2), name="X", **options):
    x = tg.tensor(fractions((1, 1, *size), 1), requires_grad=True, name=name)
    k = tg.tensor(fractions((1, 1, *kernel), 2), requires_grad=True, name="K")
    return tg.conv2d(x, k, **options), x, k


def derivations():
    """One of each kind."""
    z, x, k = conv2d((6, 5), (3, 2), stride=2, padding=1)
    yield derive(z, x)
    yield derive(z, k)
    z, x, k = conv2d((4, 12), (2, 3))
    yield derive(z, x)
    several = tensors(fractions((2, 4, 3, 3), 1), fractions((4, 2, 2, 2), 2), fractions((4,), 3))
    yield derive(tg.conv2d(*several, groups=2), several[0])
    transposed = tensors(fractions((1, 2, 2, 2), 1), fractions((2, 1, 3, 2), 2), fractions((1,), 3))
    yield derive(tg.conv_transpose2d(*transposed, stride=2, padding=1), transposed[1])
    (pooled,) = tensors(fractions((1, 2, 4, 4), 1))
    yield derive(tg.max_pool2d(pooled, 2), pooled)
    yield derive(tg.avg_pool2d(pooled, 3, 1, 1, count_include_pad=False), pooled)
    line = tensors(fractions((3, 2), 1), fractions((4, 2), 2), fractions((4,), 3))
    yield derive(tg.relu(tg.linear(*line)).sum(), line[1])


@pytest.fixture(scope="module", params=range(8))
def derivation(request):
    return list(derivations())[request.param]


def assert_balanced(source):
    """Braces, brackets that stretch, and environments are closed in the order in which they were opened."""
    opened = []
    for token in re.findall(r"\\begin\{[\w*]+\}|\\end\{[\w*]+\}|\\left|\\right|\\[{}\\]|[{}]", source):
        if token.startswith(r"\begin") or token in ("{", r"\left"):
            opened.append(token)
        elif token == "}":
            assert opened.pop() == "{"
        elif token == r"\right":
            assert opened.pop() == r"\left"
        elif token.startswith(r"\end"):
            assert opened.pop() == token.replace("end", "begin")
    assert not opened


def formulas(page):
    return re.findall(r"<math.*?</math>", page, re.DOTALL)


CORE = {
    "math", "mfrac", "mi", "mn", "mo", "mrow", "msqrt", "msub", "msup", "mtable", "mtd", "mtext", "mtr", "munder",
}  # fmt: skip
CHILDREN = {"mfrac": 2, "msub": 2, "msup": 2, "munder": 2}


def assert_mathml(source):
    """Well-formed, of elements of MathML Core, each with the children that it must have."""
    for element in ElementTree.fromstring(source).iter():
        assert element.tag in CORE
        assert len(element) == CHILDREN.get(element.tag, len(element))
        assert bool(len(element)) != bool((element.text or "").strip("\n")) or element.tag == "mrow"


# Every writer, on every kind of derivation


@pytest.mark.parametrize("full", [False, True])
def test_text_fits_a_terminal(derivation, full):
    lines = derivation.text(full).splitlines()
    assert max(map(len, lines)) <= 80
    assert not any(line != line.rstrip() for line in lines)
    assert not any(a == b == "" for a, b in pairwise(lines))
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("full", [False, True])
def test_latex_is_balanced(derivation, full):
    source = derivation.to_latex(full, document=True)
    assert_balanced(source)
    assert source.isascii()
    assert r"\usepackage{amsmath}" in source
    assert source.count(r"\usepackage") == 1
    assert not re.search(r"\\\\\s*\\end\{align\*\}", source)  # no empty last line
    assert source.count("$") % 2 == 0
    assert derivation.to_latex(full) in source


@pytest.mark.parametrize("full", [False, True])
def test_page_is_mathml(derivation, full):
    page = derivation.to_html(full)
    assert len(formulas(page)) > 20
    for formula in formulas(page):
        assert_mathml(formula)
    body = page[page.index("<article") : page.index("</article>") + len("</article>")]
    ElementTree.fromstring(body.replace("&nbsp;", "&#160;"))
    assert "<script" not in page
    assert not re.search(r"https?://|url\(|@import|src=|href=", page)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_notebooks_get_a_fragment(derivation):
    assert derivation._repr_html_().startswith("<style>")
    assert "<html" not in derivation._repr_html_()
    assert derivation._repr_latex_() == derivation.to_latex()


def test_full_leaves_nothing_out(derivation):
    text = " ".join(derivation.text(full=True).split())
    for listing in (derivation.forward, derivation.chain, derivation.partials, derivation.entries):
        for equation in listing.values():
            if equation.rights != (Number(0),):
                assert " ".join(equation.text(10**6).split()) in text
    assert "more in the same way" not in text


# Names


@pytest.mark.parametrize("name", NAMES)
def test_names_are_escaped(name):
    z, x, _ = conv2d(name=name)
    derivation = derive(z, x)
    assert_balanced(derivation.to_latex())
    for formula in formulas(derivation.to_html()):
        assert_mathml(formula)
    assert "<b>" not in derivation.to_html()
    assert max(map(len, str(derivation).splitlines())) <= 80
    assert len(set(derivation.entries)) == 9


@pytest.mark.parametrize(
    ("name", "entry", "formula"),
    [
        ("X", "X12", "X_{12}"),
        ("weight", "weight12", r"\mathrm{weight}_{12}"),
        ("W1", "W1[12]", r"\mathrm{W1}_{12}"),
        ("my weights", "my_weights12", r"\text{my\_weights}_{12}"),
        ("θ", "θ12", r"\theta_{12}"),
        ("Λ", "Λ12", r"\Lambda_{12}"),
        ("Α", "Α12", r"\text{Α}_{12}"),
    ],
)
def test_names_of_entries(name, entry, formula):
    z, x, _ = conv2d(name=name)
    symbol = derive(z, x).gradients[0].variable.symbols[1]
    assert str(symbol) == entry
    assert latex.formula(symbol.shown) == formula


def test_the_same_name_twice():
    x, k = (tg.tensor(fractions((1, 1, n, n), n), requires_grad=True, name="X") for n in (3, 2))
    derivation = derive(tg.conv2d(x, k), k)
    assert derivation.forward["z11"].text() == "z11 = X11 X'11 + X12 X'12 + X21 X'21 + X22 X'22"
    assert latex.formula(derivation.gradients[0].variable.plane()) == "X'"


def test_names_that_are_taken():
    """The result is not called z, nor the scalar L, where something else is."""
    x = tg.tensor(fractions((1, 1, 2, 2), 1), requires_grad=True, name="z")
    k = tg.tensor(fractions((1, 1, 2, 2), 2), requires_grad=True, name="L")
    derivation = derive(tg.conv2d(x, k), x)
    assert derivation.entries["z11"].text() == "dJ/dz11 = dJ/dy11 L11"


def test_lower_case_stays():
    z, x, _ = conv2d(name="x")
    assert str(derive(z, x).closed_form.equation) == "dL/dx = pad(dL/dz) (*) rot180(K)"


# Long listings


def test_long_listings_are_shown_in_part():
    z, x, _ = conv2d((8, 8), (3, 3))
    derivation = derive(z, x)
    text = str(derivation)
    assert "(31 more in the same way)" in text
    assert "dL/dX33 = dL/dz11 K33 + dL/dz12 K32" in text  # the longest
    assert "dL/dX88 = dL/dz66 K33" in text  # the last
    assert "dL/dX45" not in text
    assert "dL/dX45" in derivation.text(full=True)
    assert len(text.splitlines()) < 100


def test_long_sums_are_shown_in_part():
    z, _, k = conv2d((8, 8), (3, 3))
    derivation = derive(z, k)
    assert "dL/dK11 = dL/dz11 X11 + dL/dz12 X12 + dL/dz13 X13 + ... + dL/dz66 X66" in str(derivation)
    assert len(derivation.entries["K11"].right.terms) == 36


def test_formulas_by_name():
    z, x, _ = conv2d()
    forward = derive(z, x).forward
    assert list(forward) == ["z11", "z12", "z21", "z22"]
    assert len(forward) == 4
    with pytest.raises(KeyError, match="no formula for 'z31'; there are z11, z12, z21, z22"):
        forward["z31"]


# Notation


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        (times(X, plus(Y, Z)), "x (y + z)"),
        (plus(X, negative(plus(Y, Z))), "x - (y + z)"),
        (plus(negative(X), Y), "-x + y"),
        (Quotient(plus(X, Y), times(Number(2), Z)), "(x + y)/(2 z)"),
        (times(X, Quotient(Number(1), Y)), "x (1/y)"),
        (Power(plus(X, Y), Number(2)), "(x + y)^2"),
        (Power(Number(-1), Number(2)), "(-1)^2"),
        (times(Number(Fraction(-1, 2)), X), "-1/2 x"),
        (plus(Total(("i",), X), Y), "(sum over i of x) + y"),
        (correlated(Total(("i",), X), Y), "(sum over i of x) (*) y"),
        (correlated(X, correlated(Y, Z)), "x (*) (y (*) z)"),
        (correlated(X, Y, (2, 2)), "x (*)_2 y"),
        (correlated(X, Y, (2, 1)), "x (*)_(2,1) y"),
        (entrywise(X, plus(Number(1), negative(Y))), "x o (1 - y)"),
        (Call("max", (X, Number(0))), "max(x, 0)"),
        (Condition(X, ">", Number(0)), "[x > 0]"),
        (Partial(Letter("L"), Letter("X", ("2", "11"))), "dL/dX2,11"),
        (Letter("X", ("n", "ij")), "X[n,ij]"),
        (Letter("X", ("i+u-1", "j")), "X[i+u-1,j]"),
        (Matrix(((X, Y),)), "[[x, y]]"),
        (factored([times(Number(2), X), times(Number(-2), Y)]), "2 (x - y)"),
        (factored([times(Number(-2), X), times(Number(-2), Y)]), "-2 (x + y)"),
        (factored([times(Number(2), X), Y]), "2 x + y"),
    ],
)
def test_notation(notation, expected):
    assert str(notation) == expected
    assert_balanced(latex.formula(notation))
    assert_mathml(mathml.element(notation))
    assert_mathml(mathml.element(inline(notation)))


def test_formulas_in_latex():
    z, x, _ = conv2d()
    equation = derive(z, x).entries["X12"]
    assert equation.to_latex() == (
        "\\begin{align*}\n\\frac{\\partial L}{\\partial X_{12}} &= \\frac{\\partial L}{\\partial z_{11}} K_{12} "
        "+ \\frac{\\partial L}{\\partial z_{12}} K_{11}\n\\end{align*}"
    )
    assert derive(z, x).equation(3).to_latex().endswith("\\tag{3}\n\\end{align*}")
    assert_mathml(equation.to_mathml())


def test_wide_drawings_are_stacked_or_left_out():
    matrix = Matrix(((Word("a" * 30), Word("b" * 10)),))
    drawn = text.drawing(Equation(X, (Product((matrix, matrix), CORRELATED),)))
    assert drawn[0].startswith("x = [ aaa")
    assert drawn[1] == ""
    assert drawn[2].startswith(" (*) [ aaa")
    assert text.drawing(Equation(X, (Matrix(((Word("a" * 90),),)),))) == []


def test_long_words_are_broken():
    equation = Equation(X, (Sum((Word("a" * 100), Y)),))
    assert max(map(len, equation.text().splitlines())) <= 80


def test_every_writer_refuses_what_it_does_not_know():
    for write in (text.line, latex.formula, mathml.markup):
        with pytest.raises(TypeError, match=r"derivation: no .* for object"):
            write(object())


def test_numbers():
    values = {Fraction(1, 4): "1/4", Fraction(-3, 2): "-3/2", Fraction(1, 3**40): "8.22526e-20", 7: "7"}
    assert [str(Number(value)) for value in values] == list(values.values())
    assert latex.formula(Number(Fraction(1, 3**40))) == r"8.22526 \cdot 10^{-20}"
    assert np.isfinite(float(str(Number(Fraction(1, 3**40)))))

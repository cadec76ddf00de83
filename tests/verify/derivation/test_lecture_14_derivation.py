"""Lecture 14, derived: every sum of the deck and of its homework, for X 3x3, K 2x2 and a scalar B, as it is written."""

import subprocess
import sys

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.verify.derivation import derive

FORWARD = """
z11 = X11 K11 + X12 K12 + X21 K21 + X22 K22 + B
z12 = X12 K11 + X13 K12 + X22 K21 + X23 K22 + B
z21 = X21 K11 + X22 K12 + X31 K21 + X32 K22 + B
z22 = X22 K11 + X23 K12 + X32 K21 + X33 K22 + B
"""
DK = """
dL/dK11 = dL/dz11 X11 + dL/dz12 X12 + dL/dz21 X21 + dL/dz22 X22
dL/dK12 = dL/dz11 X12 + dL/dz12 X13 + dL/dz21 X22 + dL/dz22 X23
dL/dK21 = dL/dz11 X21 + dL/dz12 X22 + dL/dz21 X31 + dL/dz22 X32
dL/dK22 = dL/dz11 X22 + dL/dz12 X23 + dL/dz21 X32 + dL/dz22 X33
"""
DB = """
dL/dB = dL/dz11 + dL/dz12 + dL/dz21 + dL/dz22
"""
DX = """
dL/dX11 = dL/dz11 K11
dL/dX12 = dL/dz11 K12 + dL/dz12 K11
dL/dX13 = dL/dz12 K12
dL/dX21 = dL/dz11 K21 + dL/dz21 K11
dL/dX22 = dL/dz11 K22 + dL/dz12 K21 + dL/dz21 K12 + dL/dz22 K11
dL/dX23 = dL/dz12 K22 + dL/dz22 K12
dL/dX31 = dL/dz21 K21
dL/dX32 = dL/dz21 K22 + dL/dz22 K21
dL/dX33 = dL/dz22 K22
"""
PARTIALS_OF_X = """
dz11/dX11 = K11
dz11/dX12 = K12
dz12/dX12 = K11
dz12/dX13 = K12
dz11/dX21 = K21
dz21/dX21 = K11
dz11/dX22 = K22
dz12/dX22 = K21
dz21/dX22 = K12
dz22/dX22 = K11
dz12/dX23 = K22
dz22/dX23 = K12
dz21/dX31 = K21
dz21/dX32 = K22
dz22/dX32 = K21
dz22/dX33 = K22
"""
PICTURE = """
        [ 0  0        0        0 ]
dL/dX = [ 0  dL/dz11  dL/dz12  0 ] (*) [ K22  K21 ]
        [ 0  dL/dz21  dL/dz22  0 ]     [ K12  K11 ]
        [ 0  0        0        0 ]
"""


@pytest.fixture(scope="module")
def z():
    x = tg.tensor(np.arange(9.0).reshape(1, 1, 3, 3), requires_grad=True, name="X")
    k = tg.tensor(np.arange(4.0).reshape(1, 1, 2, 2), requires_grad=True, name="K")
    return tg.conv2d(x, k, tg.tensor([1.0], requires_grad=True, name="B"))


def lines(text):
    return text.strip("\n").split("\n")


@pytest.mark.parametrize("wrt", ["X", "K", "B"])
def test_forward(z, wrt):
    assert lines(str(derive(z, wrt).forward)) == lines(FORWARD)


@pytest.mark.parametrize(("wrt", "entries"), [("K", DK), ("B", DB), ("X", DX)])
def test_collected(z, wrt, entries):
    assert lines(str(derive(z, wrt).entries)) == lines(entries)


def test_partials(z):
    derivation = derive(z, "X")
    assert lines(str(derivation.partials)) == lines(PARTIALS_OF_X)
    assert derivation.partials["dz21/dX22"].text() == "dz21/dX22 = K12"


def test_chain_rule(z):
    chain = derive(z, "X").chain
    assert chain["X12"].text() == "dL/dX12 = dL/dz11 dz11/dX12 + dL/dz12 dz12/dX12"
    assert chain["X33"].text() == "dL/dX33 = dL/dz22 dz22/dX33"
    assert "dL/dXab = sum over i, j of dL/dzij dzij/dXab" in str(derive(z, "X"))


@pytest.mark.parametrize(
    ("wrt", "number", "equation", "summary"),
    [
        ("K", 1, "dL/dK = X (*) dL/dZ", "X correlated with dL/dZ"),
        ("B", 2, "dL/dB = sum over i, j of dL/dzij", "the sum of dL/dZ"),
        (
            "X",
            3,
            "dL/dX = pad(dL/dZ) (*) rot180(K)",
            "dL/dZ, zero-padded, correlated with K rotated by 180 degrees (a full correlation)",
        ),
    ],
)
def test_closed_forms(z, wrt, number, equation, summary):
    """The three formulas with the lecture's numbers, recognised; nothing else has these numbers."""
    derivation = derive(z, wrt)
    assert str(derivation.equation(number)) == equation
    assert "".join(map(str, derivation.closed_form.summary)) == summary
    for other in {1, 2, 3} - {number}:
        with pytest.raises(KeyError, match=rf"no formula \({other}\); there are \({number}\)"):
            derivation.equation(other)


def test_picture(z):
    """The zero-padded dZ beside the rotated kernel, as on a blackboard."""
    assert lines(derive(z, "X").closed_form.picture.text()) == lines(PICTURE)


def test_sizes(z):
    text = str(derive(z, "X"))
    assert "rows and columns of Z = floor((n + 2 p - k)/s) + 1 = floor((3 - 2)/1) + 1 = 2" in text
    assert "zij = (sum over u, v of X[i+u-1,j+v-1] Kuv) + B" in text


def test_steps(z):
    derivation = derive(z, "X")
    kinds = [step.kind for step in derivation.steps]
    assert kinds == ["given", "forward", "chain rule", "partials", "collected", "closed form"]
    assert derivation.title == "dL/dX of Z = X (*) K + B"
    assert repr(derivation) == "<Derivation of dL/dX of Z = X (*) K + B>"


def test_needs_no_sympy():
    """Sums of products are derived without it, in a process that can't import it."""
    script = """
import sys
sys.modules["sympy"] = None
import numpy as np
import tinygrad_cnn as tg
from tinygrad_cnn.verify.derivation import derive
x, k = (tg.tensor(np.ones((1, 1, n, n)), requires_grad=True) for n in (3, 2))
print(derive(tg.conv2d(x, k), x).equation(3))
try:
    derive(tg.sigmoid(x), x)
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    equation, error = done.stdout.splitlines()
    assert equation == "dL/dX = pad(dL/dZ) (*) rot180(K)"
    assert error.startswith("derive: ")
    assert "pip install 'tinygrad_cnn[verify]'" in error

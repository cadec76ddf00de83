"""Lecture 14 in symbols: the backward formulas of Z = X (*) K + B, X 3x3, K 2x2, B a scalar, as the deck has them.

dL/dK11 = dL/dz11 X11 + dL/dz12 X12 + dL/dz21 X21 + dL/dz22 X22, and so on for every entry; dL/dX is homework. Names
are those of the deck, counted from 1.
"""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_equal, tensors

sympy = pytest.importorskip("sympy")


def matrix(name, rows, columns):
    """Symbols name11, name12, ... as one image or kernel."""
    return np.array(
        [[sympy.Symbol(f"{name}{i}{j}") for j in range(1, columns + 1)] for i in range(1, rows + 1)], dtype=object
    )[None, None]


X, K, DZ, B = matrix("X", 3, 3), matrix("K", 2, 2), matrix("dz", 2, 2), sympy.Symbol("B")

Z_FORMULAS = """
X11*K11 + X12*K12 + X21*K21 + X22*K22 + B
X12*K11 + X13*K12 + X22*K21 + X23*K22 + B
X21*K11 + X22*K12 + X31*K21 + X32*K22 + B
X22*K11 + X23*K12 + X32*K21 + X33*K22 + B
"""
DK_FORMULAS = """
dz11*X11 + dz12*X12 + dz21*X21 + dz22*X22
dz11*X12 + dz12*X13 + dz21*X22 + dz22*X23
dz11*X21 + dz12*X22 + dz21*X31 + dz22*X32
dz11*X22 + dz12*X23 + dz21*X32 + dz22*X33
"""
DB_FORMULA = "dz11 + dz12 + dz21 + dz22"
DX_FORMULAS = """
dz11*K11
dz11*K12 + dz12*K11
dz12*K12
dz11*K21 + dz21*K11
dz11*K22 + dz12*K21 + dz21*K12 + dz22*K11
dz12*K22 + dz22*K12
dz21*K21
dz21*K22 + dz22*K21
dz22*K22
"""


def formulas(text, *shape):
    return np.array([sympy.sympify(line) for line in text.split("\n") if line], dtype=object).reshape(1, 1, *shape)


def expanded(array):
    return np.frompyfunc(sympy.expand, 1, 1)(array)


@pytest.fixture
def graph():
    """Z of X, K and B as tensors of symbols, and those three with the gradients that dZ gives them."""
    leaves = tensors(X, K, np.array([B], dtype=object))
    z = tg.conv2d(*leaves)
    z.backward(DZ)
    return z, leaves


def test_forward(graph):
    assert_equal(expanded(graph[0].numpy()), formulas(Z_FORMULAS, 2, 2))


def test_backward(graph):
    x, k, b = (leaf.grad.numpy() for leaf in graph[1])
    assert_equal(expanded(k), formulas(DK_FORMULAS, 2, 2))
    assert_equal(expanded(b), np.array([sympy.sympify(DB_FORMULA)]))
    assert_equal(expanded(x), formulas(DX_FORMULAS, 3, 3))


def test_backward_is_made_of_correlations():
    """dK = X (*) dZ; dX = (zero-padded dZ) (*) (K rotated by 180 degrees), both by the forward operation itself."""
    assert_equal(expanded(tg.conv2d(X, DZ)), formulas(DK_FORMULAS, 2, 2))
    padded = tg.pad(DZ, ((0, 0), (0, 0), (1, 1), (1, 1)))
    assert_equal(expanded(tg.conv2d(padded, tg.rot180(K))), formulas(DX_FORMULAS, 3, 3))

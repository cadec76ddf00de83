"""create_graph: derivatives of every order in closed form, mixed ones, and graphs that hold gradients."""

from fractions import Fraction
from math import comb, cosh, exp, log, sinh, tanh

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.finite_differences import check_gradients
from tests.operands import assert_close, assert_exact, fractions, normals


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


A = 0.7

DERIVATIVES = {
    "x**5": (lambda x: x**5, [A**5, 5 * A**4, 20 * A**3, 60 * A**2, 120 * A, 120, 0]),
    "product": (lambda x: x * x * x, [A**3, 3 * A**2, 6 * A, 6, 0]),
    "1/x": (lambda x: 1 / x, [1 / A, -1 / A**2, 2 / A**3, -6 / A**4, 24 / A**5]),
    "x**-2": (lambda x: x**-2, [A**-2, -2 * A**-3, 6 * A**-4, -24 * A**-5]),
    "x**0.5": (lambda x: x**0.5, [A**0.5, 0.5 * A**-0.5, -0.25 * A**-1.5, 0.375 * A**-2.5]),
    "sqrt": (tg.sqrt, [A**0.5, 0.5 * A**-0.5, -0.25 * A**-1.5, 0.375 * A**-2.5]),
    "exp": (tg.exp, [exp(A)] * 6),
    "exp(2x)": (lambda x: tg.exp(2 * x), [2**n * exp(2 * A) for n in range(6)]),
    "2**x": (lambda x: 2**x, [2**A * log(2) ** n for n in range(5)]),
    "x**x": (
        lambda x: x**x,
        [
            A**A,
            A**A * (log(A) + 1),
            A**A * ((log(A) + 1) ** 2 + 1 / A),
            A**A * ((log(A) + 1) ** 3 + 3 * (log(A) + 1) / A - 1 / A**2),
        ],
    ),
    "log": (tg.log, [log(A), 1 / A, -1 / A**2, 2 / A**3, -6 / A**4]),
    "tanh": (
        tg.tanh,
        [
            tanh(A),
            1 / cosh(A) ** 2,
            -2 * sinh(A) / cosh(A) ** 3,
            (4 * sinh(A) ** 2 - 2) / cosh(A) ** 4,
        ],
    ),
    "sigmoid": (
        tg.sigmoid,
        [
            1 / (1 + exp(-A)),
            1 / (2 * cosh(A / 2)) ** 2,
            -sinh(A / 2) / (4 * cosh(A / 2) ** 3),
            (cosh(A) - 2) / (8 * cosh(A / 2) ** 4),
        ],
    ),
    "relu(x)**3": (lambda x: tg.relu(x) ** 3, [A**3, 3 * A**2, 6 * A, 6, 0]),
    "abs(x)**3": (lambda x: abs(-x) ** 3, [A**3, 3 * A**2, 6 * A, 6, 0]),
    "max": (lambda x: tg.max(tg.stack([x, x * x])) ** 2, [A**2, 2 * A, 2, 0]),
    "getitem": (lambda x: (tg.stack([x, x**4])[1:] * x).sum(), [A**5, 5 * A**4, 20 * A**3, 60 * A**2, 120 * A, 120]),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_of_every_order_have_their_closed_form(name):
    function, expected = DERIVATIVES[name]
    x = leaf(A, dtype="float64")
    y = function(x)
    actual = [y.item()]
    for _ in expected[1:]:
        (y,) = tg.grad(y, x, create_graph=True) if y.requires_grad else (tg.tensor(0.0),)
        actual.append(y.item())
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


def test_mixed_partials_of_a_polynomial_are_exact():
    x, y = leaf(Fraction(2, 3)), leaf(Fraction(-5, 7))
    z = x**3 * y**2 + x * y**4
    (dx,) = tg.grad(z, x, create_graph=True)
    dxy, dxx = (tg.grad(dx, v, create_graph=True)[0] for v in (y, x))
    (dxyy,) = tg.grad(dxy, y, create_graph=True)
    a, b = x.item(), y.item()
    assert dx.item() == 3 * a**2 * b**2 + b**4
    assert dxx.item() == 6 * a * b**2
    assert dxy.item() == 6 * a**2 * b + 4 * b**3 == tg.grad(tg.grad(z, y, create_graph=True)[0], x)[0].item()
    assert dxyy.item() == 6 * a**2 + 12 * b**2


def test_a_cubic_form_of_matrix_products_to_third_order():
    """f = (u^T A v)(v^T B u), whose directional derivative of order n is a polynomial's coefficient, times n!."""
    n = 3
    matrices = fractions((n, n), 1), fractions((n, n), 2)
    u, v, direction = fractions((n,), 3), fractions((n,), 4), fractions((n,), 5)

    def form(u):
        return (u @ matrices[0] @ v) * (v @ matrices[1] @ u) * (u @ u)

    x = leaf(u)
    f = form(x)
    actual = []
    for _ in range(3):
        (df,) = tg.grad(f, x, create_graph=True)
        f = df @ direction
        actual.append(f.item())
    # f(u + t d) is a polynomial of degree 4 in t: its coefficients from 5 values, by Lagrange.
    values = [form(u + t * direction) for t in range(5)]
    forward_differences = [sum((-1) ** (k - i) * comb(k, i) * values[i] for i in range(k + 1)) for k in range(5)]
    # Stirling numbers of the first kind turn falling factorials into powers.
    stirling = {(1, 1): 1, (2, 1): -1, (2, 2): 1, (3, 1): 2, (3, 2): -3, (3, 3): 1,
                (4, 1): -6, (4, 2): 11, (4, 3): -6}  # fmt: skip
    factorial = [1, 1, 2, 6, 24]
    coefficients = [
        sum(Fraction(stirling.get((k, m), 0), factorial[k]) * forward_differences[k] for k in range(m, 5))
        for m in range(1, 4)
    ]
    assert actual == [factorial[m] * c for m, c in enumerate(coefficients, 1)]


def test_cross_entropy_to_third_order():
    """g = p - t, H_ij = p_i (d_ij - p_j), and the derivative of H."""
    logits = normals((4,), 0)
    p = np.exp(logits) / np.exp(logits).sum()
    d = np.eye(4)
    x = leaf(logits)
    (gradient,) = tg.grad(tg.cross_entropy(x, 2), x, create_graph=True)
    hessian = [tg.grad(gradient[i], x, create_graph=True)[0] for i in range(4)]
    third = [[tg.grad(hessian[i][j], x)[0].tolist() for j in range(4)] for i in range(4)]
    assert_close(gradient.numpy(), p - d[2], 1e-14)
    assert_close(np.array([row.tolist() for row in hessian]), np.diag(p) - np.outer(p, p), 1e-14)
    expected = np.empty((4, 4, 4))
    for i, j, k in np.ndindex(4, 4, 4):
        expected[i, j, k] = p[i] * (d[i, k] - p[k]) * (d[i, j] - p[j]) - p[i] * p[j] * (d[j, k] - p[k])
    assert_close(np.array(third), expected, 1e-14)


def test_backward_with_create_graph_leaves_a_gradient_that_can_be_differentiated():
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    assert x.grad.item() == 12
    assert x.grad.requires_grad
    first = x.grad
    x.grad = None
    first.backward()
    assert x.grad.item() == 12  # d(3x**2)/dx = 6x


def test_a_gradient_penalty_reaches_the_parameters():
    """L = |d(w x**2)/dx|**2 = 4 w**2 x**2, so dL/dw = 8 w x**2."""
    w, x = leaf(fractions((3,), 1)), leaf(fractions((3,), 2))
    (dx,) = tg.grad((w * x**2).sum(), x, create_graph=True)
    (dx * dx).sum().backward()
    assert_exact(w.grad, 8 * w.numpy() * x.numpy() ** 2)
    assert_exact(x.grad, 8 * w.numpy() ** 2 * x.numpy())


def test_grad_outputs_that_require_a_gradient_are_differentiated_too():
    """The derivative of a gradient by its upstream gradient is the Jacobian: forward mode by two backward walks."""
    x, v = leaf(fractions((3,), 1)), leaf(fractions((3,), 2))
    direction = fractions((3,), 3)
    (dx,) = tg.grad(x * x * x, x, v, create_graph=True)
    assert_exact(tg.grad(dx, v, [direction])[0], 3 * x.numpy() ** 2 * direction)
    y = x * x
    y.backward(v, create_graph=True)
    assert_exact(tg.grad(x.grad, v, [direction])[0], 2 * x.numpy() * direction)


def test_a_small_network_to_second_order():
    def network(x, w1, b1, w2):
        hidden = tg.tanh(tg.linear(x, w1, b1))
        return tg.cross_entropy(tg.sigmoid(hidden) @ w2, [0, 2, 1])

    shapes = [(3, 2), (4, 2), (4,), (4, 3)]
    check_gradients(network, *(normals(shape, i) for i, shape in enumerate(shapes)), order=2)

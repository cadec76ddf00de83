"""Linear layers, matrix products, softmax with cross entropy, functions of single entries, and whole graphs of them."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_equal, fractions, normals, tensors
from tinygrad_cnn.verify.derivation import derive


def named(array, name):
    return tg.tensor(array, requires_grad=True, name=name)


def closed(z, wrt):
    form = derive(z, wrt).closed_form
    return None if form is None else str(form.equation)


# Products


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 2, 3), (1, 3)])
def test_linear(shape):
    x, w, b = tensors(fractions(shape, 1), fractions((2, 3), 2), fractions((2,), 3))
    y = tg.linear(x, w, b)
    dy = fractions(y.shape, 4)
    rows, up = x.data.reshape(-1, 3), dy.reshape(-1, 2)
    expected = (up.dot(w.data).reshape(shape), up.T.dot(rows), up.sum(axis=0))
    for leaf, number, gradient in zip((x, w, b), (3, 1, 2), expected, strict=True):
        derivation = derive(y, leaf)
        assert_equal(derivation.at_values(dy), gradient)
        assert derivation.closed_form.equation.number == number


def test_linear_is_written_as_taught():
    x, w, b = tensors(fractions((3,), 1), fractions((2, 3), 2), fractions((2,), 3))
    y = tg.linear(x, w, b)
    assert derive(y, x).title == "dL/dx of y = W x + b"
    assert derive(y, x).forward["y2"].text() == "y2 = W21 x1 + W22 x2 + W23 x3 + b2"
    assert derive(y, w).entries["W21"].text() == "dL/dW21 = dL/dy2 x1"
    assert [closed(y, leaf) for leaf in (x, w, b)] == ["dL/dx = W^T dL/dy", "dL/dW = dL/dy x^T", "dL/db = dL/dy"]
    (x,) = tensors(fractions((4, 3), 1))
    y = tg.linear(x, w, b)
    assert derive(y, x).title == "dL/dX of Y = X W^T + b"
    assert [closed(y, leaf) for leaf in (x, w)] == ["dL/dX = dL/dY W", "dL/dW = dL/dY^T X"]
    assert closed(y, b) == "dL/dbi = sum over n of dL/dyni"


@pytest.mark.parametrize(
    ("left", "right"),
    [((2, 3), (3, 4)), ((3,), (3, 2)), ((2, 3), (3,)), ((3,), (3,)), ((2, 2, 3), (3, 2)), ((1, 2), (3, 2, 1))],
)
def test_matmul(left, right):
    x, y = tensors(fractions(left, 1), fractions(right, 2))
    z = tg.matmul(x, y)
    dz = fractions(z.shape, 3) if z.shape else None
    for leaf in (x, y):
        derivation = derive(z, leaf)
        (expected,) = tg.grad(z, leaf, dz)  # the engine's own tests hold it to loops
        assert_equal(derivation.at_values(dz), expected.data)
        assert derivation.closed_form.compared == leaf.size


def test_matmul_is_written_as_taught():
    x, y = tensors(fractions((2, 3), 1), fractions((3, 2), 2))
    z = tg.matmul(x, y)
    assert [closed(z, leaf) for leaf in (x, y)] == ["dL/dX = dL/dZ Y^T", "dL/dY = X^T dL/dZ"]
    x, y = tensors(fractions((2, 3), 1), fractions((3,), 2))
    assert derive(tg.matmul(x, y), y).forward["z1"].text() == "z1 = X11 y1 + X12 y2 + X13 y3"


def test_matmul_with_a_plain_array():
    """An array without a gradient gets a name in a product; its numbers would tell nothing."""
    (x,) = tensors(fractions((1, 2), 1))
    derivation = derive(tg.matmul(x, np.array([[2.0], [3.0]])), x)
    assert derivation.entries["X12"].text() == "dL/dX12 = dL/dz11 Y21"


# Softmax and cross entropy


@pytest.fixture
def sympy():
    return pytest.importorskip("sympy")


@pytest.mark.usefixtures("sympy")
def test_softmax():
    derivation = derive(tg.softmax(named(normals((3,), 1), "x")), "x")
    assert derivation.forward["p1"].text() == "p1 = exp(x1)/(exp(x1) + exp(x2) + exp(x3))"
    partials = derivation.partials
    assert partials["dp1/dx1"].text() == "dp1/dx1 = (exp(x1) S - exp(x1) exp(x1))/S^2 = p1 (1 - p1)"
    assert partials["dp1/dx2"].text() == "dp1/dx2 = -exp(x1) exp(x2)/S^2 = -p1 p2"
    assert derivation.entries["x2"].text() == "dL/dx2 = -dL/dp1 p1 p2 + dL/dp2 p2 (1 - p2) - dL/dp3 p3 p2"
    assert str(derivation.closed_form.equation) == "dL/dxj = pj (dL/dpj - (sum over k of dL/dpk pk))"


@pytest.mark.usefixtures("sympy")
@pytest.mark.parametrize(("shape", "axis"), [((3,), 0), ((2, 3), 1), ((2, 3), 0), ((2, 3, 2), 1), ((1, 1), -1)])
def test_softmax_on_any_axis(shape, axis):
    x = named(normals(shape, 1), "x")
    p = tg.softmax(x, axis)
    dp = normals(shape, 2)
    derivation = derive(p, x)
    e = np.exp(x.data)
    p = e / e.sum(axis=axis, keepdims=True)
    expected = p * (dp - (dp * p).sum(axis=axis, keepdims=True))
    np.testing.assert_allclose(derivation.at_values(dp).astype(float), expected, rtol=1e-12)
    assert derivation.closed_form.compared == x.size


LOSSES = {
    "mean": ({}, [1, 0], "dL/dx = 1/2 (p - y)"),
    "sum": ({"reduction": "sum"}, [1, 0], "dL/dx = p - y"),
    "none": ({"reduction": "none"}, [1, 0], "dL/dx = dL/dz (p - y)"),
    "probabilities": ({}, [[0.25, 0.5, 0.25], [1.0, 0.0, 0.0]], "dL/dx = 1/2 (p - y)"),
    "ignored": ({"ignore_index": 0}, [1, 0], "dL/dx = s p - y"),
    "weights": ({"weight": [2.0, 1.0, 1.0]}, [1, 0], "dL/dx = 1/3 (s p - y)"),
    "smoothing": ({"label_smoothing": 0.3}, [1, 0], "dL/dx = 1/2 (p - y)"),
}


@pytest.mark.usefixtures("sympy")
@pytest.mark.parametrize("options", LOSSES)
def test_cross_entropy(options):
    """p - y, whatever the targets are, and the numbers of the engine, whose own tests hold it to closed forms."""
    options, target, form = LOSSES[options]
    x = named(normals((2, 3), 1), "x")
    loss = tg.cross_entropy(x, np.array(target), **options)
    dz = normals(loss.shape, 2) if loss.shape else None
    derivation = derive(loss, x)
    np.testing.assert_allclose(derivation.at_values(dz).astype(float), tg.grad(loss, x, dz)[0].numpy(), rtol=1e-9)
    assert str(derivation.closed_form.equation) == form


@pytest.mark.usefixtures("sympy")
def test_cross_entropy_of_one_sample():
    derivation = derive(tg.cross_entropy(named(normals((3,), 1), "x"), 1), "x")
    assert derivation.title == "dL/dx of L = cross_entropy(p), p = softmax(x)"
    assert derivation.forward["L"].text() == "L = -log(p2)"
    assert derivation.entries["x1"].text() == "dL/dx1 = -dL/dp2 p2 p1 = p1"
    assert derivation.entries["x2"].text() == "dL/dx2 = dL/dp2 p2 (1 - p2) = p2 - 1"
    assert str(derivation.equation(1)) == "dL/dp = -y/p"
    assert str(derivation.equation(2)) == "dL/dx = p - y"
    assert "Label, counted from 1: 2." in str(derivation)
    assert "dL/dp1, dL/dp3 = 0: they do not belong to a label." in str(derivation)


@pytest.mark.usefixtures("sympy")
def test_cross_entropy_of_pixels():
    """Logits with places behind the classes are moved into rows, and the gradient back."""
    x = named(normals((1, 2, 2, 1), 1), "x")
    loss = tg.cross_entropy(x, np.array([[[0], [1]]]))
    derivation = derive(loss, x)
    np.testing.assert_allclose(derivation.at_values().astype(float), tg.grad(loss, x)[0].numpy(), rtol=1e-12)
    assert derivation.closed_form is not None


# Functions of single entries

FUNCTIONS = {
    "sigmoid": (tg.sigmoid, "dL/dx = dL/dz o z o (1 - z)"),
    "tanh": (tg.tanh, "dL/dx = dL/dz o (1 - z^2)"),
    "exp": (tg.exp, "dL/dx = dL/dz o z"),
    "log": (tg.log, "dL/dx = dL/dz o 1/x"),
    "sqrt": (tg.sqrt, "dL/dx = dL/dz o 1/(2 z)"),
    "reciprocal": (tg.reciprocal, "dL/dx = -dL/dz o z^2"),
    "sin": (tg.sin, "dL/dx = dL/dz o cos(x)"),
    "power": (lambda x: x**0.5, None),
    "gelu": (tg.gelu, None),
    "softplus": (tg.softplus, "dL/dx = dL/dz o 1/(1 + exp(-x))"),
}


@pytest.mark.usefixtures("sympy")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name):
    """The derivative is written by the result where the rule of the engine does so, after it was proved."""
    function, form = FUNCTIONS[name]
    x = named(abs(normals((2, 2), 1)) + 0.5, "x")
    z = function(x)
    dz = normals((2, 2), 2)
    derivation = derive(z, x)
    np.testing.assert_allclose(derivation.at_values(dz).astype(float), tg.grad(z, x, dz)[0].numpy(), rtol=1e-9)
    assert form in (None, str(derivation.closed_form.equation))
    assert derivation.closed_form.compared == 4


@pytest.mark.usefixtures("sympy")
def test_sigmoid_entry_by_entry():
    derivation = derive(tg.sigmoid(named(normals((2,), 1), "x")), "x")
    assert derivation.forward["z2"].text() == "z2 = 1/(1 + exp(-x2))"
    assert derivation.entries["x2"].text() == "dL/dx2 = dL/dz2 z2 (1 - z2)"


@pytest.mark.usefixtures("sympy")
def test_an_unproved_rule_is_not_used():
    """The derivative is the definition's, whatever the rule of the operation claims."""
    from tinygrad_cnn.engine import primitive
    from tinygrad_cnn.kernels import elementary

    @primitive(x=lambda dz, z: dz * z * (1 + z))
    def wrong(x):
        return elementary.sigmoid(x)

    derivation = derive(wrong(named(normals((2,), 1), "x")), "x")
    assert str(derivation.closed_form.equation) == "dL/dx = dL/dz o exp(-x)/(1 + exp(-x))^2"


def test_relu_at_its_kink():
    x = named(np.array([[2.0, 0.0], [-1.0, 3.0]]), "x")
    derivation = derive(tg.relu(x), x)
    assert derivation.forward["z11"].text() == "z11 = max(x11, 0) = x11"
    assert derivation.forward["z12"].text() == "z12 = max(x12, 0) = 0"
    assert "x12 = 0 is a kink: the derivative there is taken to be 0." in str(derivation)
    assert str(derivation.closed_form.equation) == "dL/dx = dL/dz o [x > 0]"
    assert derivation.at_values([[1, 2], [3, 4]]).tolist() == [[1, 0], [0, 4]]


@pytest.mark.parametrize(
    "function", [tg.abs, tg.relu6, lambda x: tg.maximum(x, 1.0), lambda x: tg.max(x, ties="split")]
)
def test_the_convention_at_a_kink_is_the_engines(function):
    """|x| at 0, relu6 at 0 and 6, the maximum of equals: there is a convention, which the derivation keeps."""
    x = named(np.array([0.0, 6.0, 1.0, 6.0, -2.0]), "x")
    z = function(x)
    dz = np.arange(1.0, 6.0) if z.shape else None
    assert derive(z, x).at_values(dz).tolist() == tg.grad(z, x, dz)[0].tolist()


def test_products_with_broadcasting():
    x, y = named(fractions((2, 3), 1), "x"), named(fractions((3,), 2), "y")
    z = x * y - y
    derivation = derive(z, y)
    assert_equal(derivation.at_values(fractions((2, 3), 3)), tg.grad(z, y, fractions((2, 3), 3))[0].data)
    assert closed(x * y, y) == "dL/dy = total(dL/dz o x)"
    assert "total: the sum over the axes on which y was repeated" in str(derive(x * y, y))


def test_the_same_operand_twice():
    x = named(fractions((2,), 1), "x")
    assert closed(x * x, x) == "dL/dx = 2 (dL/dz o x)"
    assert derive(x * x, x).forward["z1"].text() == "z1 = x1^2"
    assert derive(x * x, x).partials["dz1/dx1"].text() == "dz1/dx1 = 2 x1"


@pytest.mark.parametrize(
    ("function", "form"),
    [
        (tg.sum, "dL/dxab = 1"),
        (lambda x: tg.sum(x, axis=0), "dL/dxab = dL/dzb"),
        (lambda x: tg.sum(x, axis=1, keepdims=True), "dL/dxab = dL/dza1"),
        (tg.mean, "dL/dxab = 1/6"),
        (lambda x: tg.mean(x, axis=-1), "dL/dxab = 1/3 dL/dza"),
        (lambda x: tg.reshape(x, (3, 2)), "dL/dx = dL/dz"),
        (tg.transpose, "dL/dx = dL/dz^T"),
        (tg.flip, "dL/dx = flip(dL/dz)"),
    ],
)
def test_sums_and_moves(function, form):
    x = named(fractions((2, 3), 1), "x")
    z = function(x)
    dz = fractions(z.shape, 2) if z.shape else None
    derivation = derive(z, x)
    assert_equal(derivation.at_values(dz), tg.grad(z, x, dz)[0].data)
    assert str(derivation.closed_form.equation) == form


# Several steps


def test_convolution_relu_sum():
    """Each step gets its own closed form, and what relu cut off is in no sum."""
    x = named(np.array([[[[1.0, 2.0, 0.0], [0.0, -1.0, 3.0]]]]), "X")
    k = named(np.array([[[[1.0, -1.0]]]]), "K")
    derivation = derive(tg.relu(tg.conv2d(x, k)).sum(), k)
    assert derivation.title == "dL/dK of L = sum(A), A = relu(H), H = X (*) K"
    assert [str(derivation.equation(i)) for i in (1, 2, 3)] == [
        "dL/dacd = 1",
        "dL/dH = dL/dA o [H > 0]",
        "dL/dK = X (*) dL/dH",
    ]
    assert derivation.forward["h12"].text() == "h12 = X12 K11 + X13 K12"
    assert derivation.entries["K11"].text() == "dL/dK11 = dL/dh12 X12 + dL/dh21 X21"
    assert "dL/dh11, dL/dh22 = 0: they are not positive." in str(derivation)
    assert derivation.at_values().ravel().tolist() == [2.0, -1.0]


@pytest.mark.usefixtures("sympy")
def test_a_whole_network():
    """Convolution, relu, max-pool, flatten, linear, cross entropy: the numbers of a backward walk for each leaf."""
    rng = np.random.default_rng(0)
    x, k, b = (named(rng.standard_normal(s), n) for s, n in (((2, 1, 6, 6), "X"), ((2, 1, 3, 3), "K"), ((2,), "B")))
    w, c = (named(rng.standard_normal(s), n) for s, n in (((3, 8), "W"), ((3,), "c")))
    features = tg.flatten(tg.max_pool2d(tg.relu(tg.conv2d(x, k, b)), 2), 1)
    loss = tg.cross_entropy(tg.linear(features, w, c), [2, 0])
    for leaf in (x, k, b, w, c):
        derivation = derive(loss, leaf)
        expected = tg.grad(loss, leaf)[0].numpy()
        np.testing.assert_allclose(derivation.at_values().astype(float), expected, rtol=0, atol=1e-14)
        assert all(derivation.equation(i + 1) is not None for i in range(len(derivation.gradients)))
    assert max(map(len, str(derivation).splitlines())) <= 80


def test_contributions_of_two_paths():
    x = named(np.array([3.0, -1.0]), "x")
    derivation = derive(tg.relu(x) + x * 2.5, x)
    assert derivation.at_values([1, 1]).tolist() == [3.5, 2.5]
    assert str(derivation.closed_form.equation) == "dL/dx = dL/dh o [x > 0] + 5/2 dL/da"
    assert "The contributions of all steps add up." in str(derivation)


@pytest.mark.usefixtures("sympy")
def test_without_a_closed_form():
    """What has none is still derived, and that none was recognised is said."""
    x = named(normals((3, 2), 1), "x")
    z = tg.layer_norm(x, (2,), eps=0.25)
    dz = normals((3, 2), 2)
    derivation = derive(z, x)
    np.testing.assert_allclose(derivation.at_values(dz).astype(float), tg.grad(z, x, dz)[0].numpy(), atol=1e-9)
    assert derivation.closed_form is None
    assert "None recognised: the sums of section 5 are the result." in str(derivation)
    with pytest.raises(KeyError, match="no closed form was recognised"):
        derivation.equation(1)


def test_polynomials_without_a_topic():
    """An operation of which nothing is known but its definition."""
    x = named(fractions((3,), 1), "x")
    z = tg.cumsum(x)
    derivation = derive(z, x)
    assert derivation.entries["x2"].text() == "dL/dx2 = dL/dz2 + dL/dz3"
    assert_equal(derivation.at_values([1, 2, 3]), np.array([6, 5, 3], dtype=object))
    assert derivation.closed_form is None


def test_a_users_own_operation():
    from tinygrad_cnn.engine import primitive

    @primitive(x=lambda dz, y: dz * y * y, y=lambda dz, x, y: 2 * dz * x * y)
    def correlation(x, y):  # a name that the library has for another operation
        return x * y * y

    x, y = named(fractions((2,), 1), "x"), named(fractions((2,), 2), "y")
    derivation = derive(correlation(x, y), y)
    assert derivation.entries["y1"].text() == "dL/dy1 = 2 dL/dz1 x1 y1"
    assert str(derivation.closed_form.equation) == "dL/dy = 2 (dL/dz o x o y)"

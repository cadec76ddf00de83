"""Scalar graphs: the same values and gradients as the tensor graph's, in exact arithmetic to the last digit."""

from fractions import Fraction
from numbers import Rational

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_equal, fractions, integers, normals, tensors, tied_fractions
from tests.verify.primitive_table import covered, found, leaves, table
from tests.window_cases import (
    CONVOLUTIONS,
    CONVOLUTIONS_WITH_BORDERS,
    POOLINGS,
    TRANSPOSED_CONVOLUTIONS,
    by_name,
)
from tinygrad_cnn import walk
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.verify.scalars import scalar_graph

TABLE = table()
CONVOLUTION_CASES = CONVOLUTIONS + CONVOLUTIONS_WITH_BORDERS + TRANSPOSED_CONVOLUTIONS


def values(array):
    result = np.empty(array.shape, dtype=object)
    for i in np.ndindex(array.shape):
        result[i] = array[i].item()
    return result


def named(data, name):
    return tg.tensor(data, requires_grad=True, name=name)


def rationals(array):
    return np.frompyfunc(Fraction, 1, 1)(array)


def assert_same_exactly(z, leaves, seed=9):
    """The scalar graph of z has its value, and the gradients of all leaves: equal fractions."""
    dz = fractions(z.shape, seed)
    graph = scalar_graph(z)
    assert_equal(values(graph.output), z.numpy())
    expected = tg.grad(z, leaves, dz, allow_unused=True)
    assert len(graph.leaves) == len(leaves)
    for actual, dx, leaf in zip(graph.gradients(dz).values(), expected, leaves, strict=True):
        assert actual.dtype == object
        assert all(isinstance(value, Rational) for value in actual.flat)
        assert_equal(actual, dx.numpy() if dx is not None else leaf.numpy() * 0)
    return graph, dz


def assert_close_to(z, leaves, tolerance):
    """The scalar graph of z has its dtype, value and gradients but for rounding."""
    for i, leaf in enumerate(leaves):
        leaf.name = f"leaf {i}"
    graph = scalar_graph(z)
    assert {x.dtype for x in graph.output.flat} <= {z.dtype}
    dz = integers(z.shape, 3)
    np.testing.assert_allclose(values(graph.output).astype(float), z.numpy().astype(float), tolerance, tolerance)
    expected = tg.grad(z, leaves, tg.tensor(dz.astype(z.dtype)), allow_unused=True)
    actual = graph.gradients(dz)
    for i, (leaf, dx) in enumerate(zip(leaves, expected, strict=True)):
        if f"leaf {i}" in graph.leaves:  # else nothing depends on it
            dx = np.zeros(leaf.shape) if dx is None else dx.numpy()
            assert actual[f"leaf {i}"].dtype == leaf.dtype
            np.testing.assert_allclose(actual[f"leaf {i}"], dx, tolerance, tolerance)


# Every primitive


@pytest.mark.parametrize(
    ("function", "operands"),
    [row[1:] for row in TABLE],
    ids=[f"{name}-{number}" for number, (name, _, _) in enumerate(TABLE)],
)
def test_every_primitive_and_its_gradient(function, operands):
    xs = leaves(operands)
    checked = [x for x in xs if isinstance(x, tg.Tensor) and x.requires_grad]
    z = function(*xs)
    assert_close_to(z, checked, 1e-9)
    upstream = tg.tensor(normals(z.shape, 1), requires_grad=True)
    for dx in tg.grad(z, checked, upstream, create_graph=True, allow_unused=True):
        if dx is not None and dx.requires_grad:
            assert_close_to(dx, [*checked, upstream], 1e-8)


def test_every_primitive_with_a_gradient_is_in_the_table():
    done = set().union(*(covered(function, operands) for _, function, operands in TABLE))
    assert set(found()) <= done


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_dtypes_are_kept(dtype):
    x, weight, bias = tensors(normals((2, 1, 4, 4), 1, dtype), normals((2, 1, 2, 2), 2, dtype), normals(2, 3, dtype))
    z = tg.avg_pool2d(tg.pad(tg.relu(tg.conv2d(x, weight, bias)), {2: 1, 3: 1}), 2)
    assert_close_to(z, [x, weight, bias], 20 * np.finfo(dtype).eps)
    logits = tg.linear(z.reshape(2, -1), tg.tensor(normals((3, 8), 4, dtype)))
    assert_close_to(tg.cross_entropy(logits, [2, 0]), [x, weight, bias], 50 * np.finfo(dtype).eps)


# Exactly the tensor's gradient


@by_name(CONVOLUTION_CASES)
def test_convolutions(case):
    operands = tensors(*case.operands(fractions))
    graph, _ = assert_same_exactly(case(*operands), operands)
    products = [node for node in graph.nodes if node.primitive and node.primitive.name == "multiply"]
    assert len(products) == len(case.naive.terms), "a border of zeros left products behind"


@by_name(POOLINGS)
@pytest.mark.parametrize("ties", ["first", "split"])
def test_poolings_with_ties(case, ties):
    (x,) = tensors(tied_fractions(case.x, 1))
    assert_same_exactly(case.max(x, ties=ties), [x])
    assert_same_exactly(case.average(x), [x])


@pytest.mark.parametrize("ties", ["first", "split"])
def test_reductions_and_pairs_with_ties(ties):
    x, y = tensors(tied_fractions((3, 4, 2), 1), tied_fractions((4, 1), 2))
    for axis in (None, 0, (0, 2), (1, 2)):
        for extreme in (tg.max, tg.min):
            assert_same_exactly(extreme(x, axis=axis, ties=ties), [x])
    assert_same_exactly(tg.maximum(x, y, ties=ties), [x, y])
    assert_same_exactly(tg.minimum(x, y, ties=ties), [x, y])
    assert_same_exactly(tg.adaptive_max_pool2d(x[None], 2, ties=ties), [x])


KINKS = {
    "relu": tg.relu,
    "abs": tg.abs,
    "leaky_relu": lambda x: tg.leaky_relu(x, Fraction(1, 4)),
    "hardtanh": tg.hardtanh,
    "relu6": tg.relu6,
    "clip": lambda x: tg.clip(x, 0, 1),
    "where": lambda x: tg.where(x > 0, x * x, -x),
    "product with zeros": tg.prod,
    "running product with zeros": lambda x: tg.cumprod(x, 0),
}


@pytest.mark.parametrize("name", KINKS)
def test_at_kinks(name):
    (x,) = tensors(np.array([Fraction(n, 2) for n in (-3, -2, 0, 0, 1, 2, 12)], dtype=object))
    assert_same_exactly(KINKS[name](x), [x])


@pytest.mark.parametrize(
    "function",
    [tg.std, lambda x: tg.norm(x - 2), lambda x: tg.norm(x - 2, 3), lambda x: tg.norm(x - 2, 0.5)],
    ids=["std", "norm", "3", "1/2"],
)
def test_at_the_tip_of_a_cone_the_gradient_is_0(function):
    x = tg.tensor(np.full(3, 2.0), requires_grad=True)
    assert scalar_graph(function(x)).gradients()["x1"].tolist() == [0, 0, 0]


def test_a_zero_element_of_a_norm_below_1():
    x = tg.tensor(np.array([0.0, 4.0]), requires_grad=True)
    assert_close_to(tg.norm(x, 0.5), [x], 1e-12)


def test_a_small_network():
    X, K, B, W = leaves = [
        named(fractions((2, 1, 5, 5), 1), "X"),
        named(fractions((2, 1, 2, 2), 2), "K"),
        named(fractions((2,), 3), "B"),
        named(fractions((3, 8), 4), "W"),
    ]
    hidden = tg.max_pool2d(tg.relu(tg.conv2d(X, K, B)), 2)
    loss = tg.mean((tg.linear(hidden.reshape(2, -1), W) - 1) ** 2)
    graph, dz = assert_same_exactly(loss, leaves)
    for name in ("X1,1,2,2", "K1,1,1,1", "B2", "W12"):
        assert_paths_are_the_gradient(graph, name, dz)


def test_fractions_are_normalised_where_their_root_is_one():
    (x,) = tensors(rationals(np.array([[1], [3], [5], [7], [9]])))
    assert_same_exactly(tg.batch_norm(x, None, None, training=True, eps=1), [x])


def test_symbols():
    sympy = pytest.importorskip("sympy")
    a, b, c = sympy.symbols("a b c")
    x, k = tensors(np.array([[[a, b, c]]]), np.array([[[a, b]]]))
    graph = scalar_graph(tg.conv1d(x, k))
    assert graph.gradients(np.array([[[1, c]]], dtype=object))["x2"].tolist() == [[[a + b * c, b + c * c]]]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_empty_arrays(shape):
    (x,) = tensors(fractions(shape, 1))
    assert_same_exactly(x * 2, [x])
    assert_same_exactly(tg.sum(x, axis=0), [x])


def test_no_axes():
    for data in (2.0, np.float32(2), Fraction(2)):
        x = named(data, "x")
        graph = scalar_graph(x * x / 4)
        assert graph.output.shape == graph.leaves["x"].shape == ()
        assert graph.output[()].item() == graph.gradients()["x"] == 1


def test_dropout_keeps_its_mask_and_the_random_state_its_place():
    (x,) = tensors(fractions((40,), 1))
    tg.manual_seed(5)
    z = tg.dropout(x, Fraction(1, 2))
    graph, _ = assert_same_exactly(z, [x])
    assert 5 < graph.size / 2 < 35
    after = tg.dropout(x, Fraction(1, 2)).tolist()
    tg.manual_seed(5)
    tg.dropout(x, Fraction(1, 2))
    assert tg.dropout(x, Fraction(1, 2)).tolist() == after


def test_nothing_else_changes():
    x = tg.tensor(normals((4, 3, 2), 1), requires_grad=True)
    mean, variance = tg.tensor(np.zeros(3)), tg.tensor(np.ones(3))
    z = tg.batch_norm(x, mean, variance, training=True)
    before = mean.tolist(), variance.tolist()
    found = [len(node.options["found"]) for node in walk.nodes(z) if "found" in node.options]
    graph = scalar_graph(z)
    graph.gradients(np.ones(z.shape))
    graph.backward(np.ones(z.shape))
    assert (mean.tolist(), variance.tolist()) == before
    assert [len(node.options["found"]) for node in walk.nodes(z) if "found" in node.options] == found == [1]
    assert x.grad is None
    assert all(node.gradient is None for node in walk.nodes(z))


def test_a_graph_that_was_freed():
    x = named([1.0, 2.0], "x")
    loss = (x * x).sum()
    loss.backward()
    assert scalar_graph(loss).gradients()["x"].tolist() == [2, 4]


def test_inside_no_grad():
    x = named([1.0, 2.0], "x")
    loss = (x * x).sum()
    with tg.no_grad():
        graph = scalar_graph(loss)
        graph.backward()
        assert [path.product for path in graph.paths("x2")] == [2, 2]
    assert [entry.grad.item() for entry in graph.leaves["x"]] == [2, 4]


def test_backward_adds_to_the_leaves_entries_and_gradients_does_not():
    x = named([1.0, 2.0], "x")
    graph = scalar_graph(x * x)
    graph.gradients([1, 1])
    assert graph.entry("x1").grad is None
    graph.backward([1, 1])
    graph.backward(tg.tensor([1.0, 10.0]))
    assert [entry.grad.item() for entry in graph.leaves["x"]] == [4, 44]
    assert x.grad is None


def test_after_the_expansion_its_tensors_are_as_any():
    x = named([1.0, 2.0], "x")
    graph = scalar_graph(tg.conv1d(x.reshape(1, 1, 2), tg.tensor([[[3.0]]]), padding=1))
    for entry in (graph.output[0, 0, 1], graph.entry("x2")):
        assert type(entry) is tg.Tensor
        product = entry * 0
        assert type(product) is tg.Tensor
        assert product.requires_grad
    assert not graph.output[0, 0, 0].requires_grad  # a border of zeros


def test_a_very_deep_graph():
    x = named(1.0, "x")
    z = x
    for _ in range(20_000):
        z = z + x
    graph = scalar_graph(z)
    assert graph.gradients()["x"] == graph.path_count("x") == 20_001
    assert next(graph.paths("x", limit=None)).product == 1
    assert graph.notation.definition(z.node) != ""
    y = named(np.ones(20_000), "y")
    total = scalar_graph(y.sum())
    assert total.notation.definition(total.output[()].node).endswith("…")


# Names


NAMES = {
    "X": ((1, 1, 3, 3), ["X11", "X12", "X13", "X21", "X22", "X23", "X31", "X32", "X33"]),
    "B": ((1,), ["B"]),
    "s": ((), ["s"]),
    "v": ((2,), ["v1", "v2"]),
    "w": ((2, 1, 1, 2), ["w1,1,1,1", "w1,1,1,2", "w2,1,1,1", "w2,1,1,2"]),
    "c": ((2, 1), ["c11", "c21"]),
    "long": ((1, 11), [f"long{i}" for i in range(1, 12)]),
    "wide": ((2, 10), [f"wide{i},{j}" for i in (1, 2) for j in range(1, 11)]),
    "nine": ((1, 9, 2), [f"nine{i}{j}" for i in range(1, 10) for j in (1, 2)]),
    "x1": ((2,), ["x1_1", "x1_2"]),
    "x2": ((1,), ["x2"]),
    "0.weight": ((2, 2), ["0.weight11", "0.weight12", "0.weight21", "0.weight22"]),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_entries(name):
    shape, expected = NAMES[name]
    graph = scalar_graph(named(np.ones(shape), name) * 2)
    assert [entry.name for entry in graph.leaves[name].flat] == expected
    for entry in expected:
        assert graph.entry(entry).name == entry


def test_results_have_names_too():
    X, K = named(np.ones((1, 1, 3, 3)), "X"), named(np.ones((1, 1, 2, 2)), "K")
    z = tg.conv2d(X, K)
    a = tg.relu(z)
    z.name, a.name = "z", "a"
    loss = a.sum()
    graph = scalar_graph(loss)
    assert [entry.name for entry in graph.tensors["z"].flat] == ["z11", "z12", "z21", "z22"]
    assert graph.entry("a21").node.parents == (graph.entry("z21").node,)
    assert graph.name == graph.loss == "L"
    assert list(graph.tensors) == ["X", "K", "z", "a", "L"]


def test_what_is_only_moved_gets_a_name_of_its_own_where_the_user_gave_one():
    X = named(np.arange(4.0).reshape(2, 2), "X")
    turned = X.T.reshape(4)
    graph = scalar_graph(turned * 2)
    assert [entry.name for entry in graph.tensors["t1"].flat] == ["X11", "X21", "X12", "X22"]
    turned.name = "y"
    graph = scalar_graph(turned * 2)
    assert [entry.name for entry in graph.tensors["y"]] == ["y1", "y2", "y3", "y4"]
    assert graph.formula("X21", output="z2") == "dz2/dX21 = 2"


def test_names_that_are_missing_or_taken():
    x, other = tg.tensor([1.0, 2.0], requires_grad=True), named([3.0, 4.0], "x1")
    again = named([5.0, 6.0], "x1")
    constant = tg.tensor([7.0, 8.0], name="C")
    z = x * other * again * constant * tg.tensor([9.0, 10.0])
    graph = scalar_graph(z)
    assert list(graph.leaves) == ["x2", "x1", "x1_3"]  # x1_2 is an entry of the first x1
    assert graph.leaves["x1_3"][0].name == "x1_3_1"
    assert set(graph.tensors) == {"x2", "x1", "t1", "x1_3", "t2", "C", "t3", "z"}
    assert graph.formula("x2_2") == "dL/dx2_2 = dL/dz2 10 C2 x1_3_2 x1_2"


def test_names_of_parameters_of_a_module():
    model = tg.nn.Sequential(tg.nn.Conv2d(1, 1, 2), tg.nn.ReLU(), tg.nn.Flatten(), tg.nn.Linear(4, 2))
    graph = scalar_graph(model(tg.tensor(normals((1, 1, 3, 3), 1), dtype="float32", name="X")))
    assert set(graph.leaves) == {name for name, _ in model.named_parameters()}
    assert graph.leaves["0.weight"].flat[3].name == "0.weight22"


# The lectures' formulas: lecture 14 with X 3x3, K 2x2 and B a number


def lecture(seed=1):
    X, K = named(fractions((1, 1, 3, 3), seed), "X"), named(fractions((1, 1, 2, 2), seed + 1), "K")
    B = named(fractions((1,), seed + 2), "B")
    return X, K, B, tg.conv2d(X, K, B)


def test_the_formulas_of_lecture_14():
    graph = scalar_graph(lecture()[-1])
    assert graph.notation.definition(graph.entry("z11").node) == "X11 K11 + X12 K12 + X21 K21 + X22 K22 + B"
    places = [(1, 1), (1, 2), (2, 1), (2, 2)]
    for a in (1, 2, 3):
        for b in (1, 2, 3):
            terms = [
                f"dL/dz{i}{j} K{a - i + 1}{b - j + 1}" for i, j in places if 0 <= a - i <= 1 and 0 <= b - j <= 1
            ]
            assert graph.formula(f"X{a}{b}") == f"dL/dX{a}{b} = {' + '.join(terms)}"
            assert graph.path_count(f"X{a}{b}") == len(terms)
    for u, v in places:
        terms = [f"dL/dz{i}{j} X{i + u - 1}{j + v - 1}" for i, j in places]
        assert graph.formula(f"K{u}{v}") == f"dL/dK{u}{v} = {' + '.join(terms)}"
    assert graph.formula("B") == "dL/dB = dL/dz11 + dL/dz12 + dL/dz21 + dL/dz22"
    assert graph.formula("X22", output="z12") == "dz12/dX22 = K21"


def test_a_border_of_zeros_is_in_no_formula():
    X, K, _, _ = lecture()
    graph = scalar_graph(tg.conv2d(X, K, stride=2, padding=1))
    assert graph.formula("K11") == "dL/dK11 = dL/dz22 X22"
    assert graph.notation.definition(graph.entry("z11").node) == "X11 K22"


def assert_paths_are_the_gradient(graph, entry, dz):
    """The sum over the paths of their products, each times dL/dz, is the gradient exactly."""
    name, position = next(
        (name, i) for name, array in graph.leaves.items() for i in np.ndindex(array.shape) if array[i].name == entry
    )
    paths = list(graph.paths(entry, dz=dz))
    assert len(paths) == graph.path_count(entry)
    assert sum(path.product for path in paths) == graph.gradients(dz)[name][position]
    total = 0
    for z, d in zip(graph.output.flat, np.ravel(np.array(dz, dtype=object)), strict=True):
        for path in graph.paths(entry, output=z.name):
            assert (path.entries[0], path.entries[-1]) == (z.name, entry)
            total += d * path.product
    assert total == graph.gradients(dz)[name][position]


def test_the_sum_over_the_paths_is_the_gradient():
    *_, z = lecture(seed=4)
    graph, dz = scalar_graph(z), fractions((1, 1, 2, 2), 8)
    for entry in ("X11", "X22", "X32", "K12", "B"):
        assert_paths_are_the_gradient(graph, entry, dz)
    x = named(fractions((3,), 2), "x")
    graph = scalar_graph(tg.cumprod(x * x - x, 0))
    for entry in ("x1", "x2", "x3"):
        assert_paths_are_the_gradient(graph, entry, fractions((3,), 3))


def test_a_path():
    *_, z = lecture()
    graph, dz = scalar_graph(z), fractions((1, 1, 2, 2), 8)
    first, second = graph.paths("X12", dz=dz)
    assert first.entries == ("L", "z11", "X12")
    assert first.factors == ("dL/dz11", "K12")
    assert second.product == dz[0, 0, 0, 1] * graph.entry("K11").item()
    assert str(first) == f"L <- z11 <- X12: dL/dz11 K12 = {first.product}"
    (path,) = scalar_graph(3 - 2 * named(4.0, "y")).paths("y")
    assert (path.sign, path.formula, path.product) == (-1, "2", -2)


def test_many_paths_are_counted_and_come_one_at_a_time():
    x = named(Fraction(1), "x")
    z = x
    for _ in range(200):
        z = z + z
    graph = scalar_graph(z)
    assert graph.path_count("x") == 2**200
    with pytest.raises(ValueError, match=rf"^paths: {2**200} paths lead to x, more than the limit of 10000; "):
        graph.paths("x")
    with pytest.raises(ValueError, match="more than the limit of 1000"):
        graph.formula("x")
    paths = graph.paths("x", limit=None)
    assert [next(paths).product for _ in range(3)] == [1, 1, 1]


def test_no_path():
    graph = scalar_graph(tg.max(named([1.0, 3.0, 2.0], "x")))
    assert graph.path_count("x1") == 0
    assert graph.formula("x1") == "dL/dx1 = 0"
    assert graph.formula("x2") == "dL/dx2 = 1"
    assert list(graph.paths("x3")) == []


def test_the_maximum_that_a_softmax_takes_off_is_a_constant():
    x = named([1.0, 3.0, 2.0], "x")
    graph = scalar_graph(tg.softmax(x))
    assert graph.notation.definition(graph.named["s2"]) == "exp(x2 - 3)"
    assert graph.formula("x2", output="z2") == "dz2/dx2 = 1/s4 s2 - s2/s4^2 s2"
    assert graph.formula("x2", output="z1") == "dz1/dx2 = -s1/s4^2 s2"
    huge = named([1000.0, 999.0], "y")
    assert_close_to(tg.softmax(huge), [huge], 1e-15)


FORMULAS = {
    "sum": (lambda x, y: x + y, "x + y", "1", "1"),
    "difference": (lambda x, y: x - y, "x - y", "1", "-1"),
    "difference of sums": (lambda x, y: (x + 1) - (y - 2), "t1 - t2", "1", "-1"),
    "negative": (lambda x, y: -(x * y), "-t1", "-y", "-x"),
    "product of sums": (lambda x, y: (x + y) * 4, None, "4", "4"),
    "quotient": (lambda x, y: x / y, "x/y", "1/y", "-x/y^2"),
    "quotient of numbers": (lambda x, y: x / 4 + 1 / y, None, "1/4", "-1/y^2"),
    "power": (lambda x, y: x**3 + y**2, None, "3 x^2", "2 y"),
    "negative power": (lambda x, y: x**-2 + y, None, "-2 x^(-3)", "1"),
    "exponent": (lambda x, y: x**y, "x^y", "y x^(y - 1)", "x^y log(x)"),
    "functions": (lambda x, y: tg.exp(x) * tg.log(y), None, "t2 t1", "t1 1/y"),
    "roots": (lambda x, y: tg.sqrt(x) + tg.tanh(y), None, "1/(2 t1)", "(1 - t2^2)"),
    "angles": (lambda x, y: tg.sin(x) + tg.cos(y), None, "cos(x)", "-sin(y)"),
    "another function": (lambda x, y: tg.arctan(x) + tg.relu(y), None, "arctan'(x)", "relu'(y)"),
    "of two": (tg.hypot, "hypot(x, y)", "dhypot/dx(x, y)", "dhypot/dy(x, y)"),
    "square": (lambda x, y: x * x * y, None, "y x + y x", "t1"),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_notation(name):
    function, definition, dx, dy = FORMULAS[name]
    x, y = named(2.0, "x"), named(3.0, "y")
    z = function(x, y)
    z.name = "z"
    graph = scalar_graph(z)
    assert definition in (None, graph.notation.definition(graph.output[()].node))
    for entry, expected in (("x", dx), ("y", dy)):
        assert graph.formula(entry) == f"dz/d{entry} = {expected}"


# What can't be expanded


def test_what_is_no_graph():
    with pytest.raises(TypeError, match=r"^scalar_graph: expected a tensor but got ndarray"):
        scalar_graph(np.ones(3))
    with pytest.raises(ValueError, match=r"^scalar_graph: .* has no graph behind it"):
        scalar_graph(tg.tensor([1.0]))


def test_a_value_that_was_not_kept():
    x, constant = named(np.ones(1500), "x"), np.arange(1500.0)
    z = x * constant
    with pytest.raises(ValueError, match=r"constant of shape \(1500,\) was not kept, .* inside tg.debug\(\)"):
        scalar_graph(z)
    with tg.debug():
        z = x * constant
    assert_equal(scalar_graph(z).gradients(np.ones(1500))["x"], constant)


def test_a_large_leaf_is_asked_for_its_value():
    x = named(np.arange(1500.0), "x")
    z = x * x
    assert_equal(scalar_graph(z).gradients(np.ones(1500))["x"], 2 * np.arange(1500.0))
    del x
    with pytest.raises(ValueError, match=r"leaf x of shape \(1500,\) was not kept"):
        scalar_graph(z)


def test_a_primitive_that_takes_the_numbers_out_of_the_graph():
    @primitive(x=lambda dz: dz / 2)
    def half(x):
        return x.astype(float) / 2

    z = half(named([1.0, 2.0], "x"))
    with pytest.raises(TypeError, match=r"^scalar_graph: half can't be expanded: .* of float64 of shape \(2,\)"):
        scalar_graph(z)


def test_a_primitive_of_the_users_is_expanded():
    @primitive(x=lambda dz, x: dz * (3 * x * x))
    def cube(x):
        return x * x * x

    (x,) = tensors(fractions((2, 2), 1))
    assert_same_exactly(cube(x), [x])


def test_wrong_dz():
    graph = scalar_graph(lecture()[-1])
    for operation in (graph.gradients, graph.backward):
        with pytest.raises(ValueError, match=rf"^{operation.__name__}: an output of shape \(1, 1, 2, 2\) needs dz"):
            operation()
        with pytest.raises(ValueError, match=rf"^{operation.__name__}: dz must have .* but has \(2, 2\)"):
            operation(np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"^paths: dz must have"):
        graph.paths("X11", dz=[1])


def test_wrong_entries():
    X, K, _, _ = lecture()
    graph = scalar_graph(tg.conv2d(X, tg.tensor(K.numpy(), name="K")))
    with pytest.raises(ValueError, match=r"there is no entry 'X44' \(the leaves are X11 to X33\)"):
        graph.entry("X44")
    with pytest.raises(ValueError, match=r"no entry 'x22' .*; did you mean X22\?"):
        graph.entry("x22")
    for operation in (graph.path_count, graph.paths, graph.between):
        with pytest.raises(ValueError, match=f"^{operation.__name__}: K11 is a constant, to which no gradient goes"):
            operation("K11")


def test_repr():
    assert repr(scalar_graph(lecture()[-1])) == (
        "<ScalarGraph z (1, 1, 2, 2) of X (1, 1, 3, 3), K (1, 1, 2, 2), B (1,): 46 nodes>"
    )

"""The formulas that pictures show are those of the rules: each is evaluated and compared with what the engine does."""

import ast
import pkgutil
import re
from fractions import Fraction
from importlib import import_module

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import normals
from tests.verify.primitive_table import leaves, table
from tests.viz.formula_words import namespace
from tinygrad_cnn import primitives, verify, walk
from tinygrad_cnn.engine import Primitive
from tinygrad_cnn.viz.formulas import formula
from tinygrad_cnn.viz.formulas.expressions import EXPRESSIONS, WORDS
from tinygrad_cnn.viz.formulas.notation import typeset

LONGEST, LONGEST_GENERAL = 90, 110

KINKS = np.array([[-1.0, 0.0, 1.0], [2.0, 0.0, -0.0]])
TIED = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 1.0], [2.0, 3.0, 2.0]])
OTHERS = np.array([[-1.0, 0.0, 2.0], [1.0, -3.0, 5.0]])
GIVEN = [  # beside the table: on kinks, where the conventions are
    ("abs", [KINKS], {}),
    ("relu", [KINKS], {}),
    ("leaky_relu", [KINKS], {"negative_slope": 0.1}),
    ("prelu", [KINKS, np.array([0.1])], {}),
    ("elu", [KINKS], {"alpha": 0.7, "width": 2}),
    ("hardtanh", [KINKS], {"min_val": -1, "max_val": 2}),
    ("hypot", [KINKS, np.zeros((2, 3))], {}),
    ("arctan2", [KINKS, np.zeros((2, 3))], {}),
    ("power", [np.array([0.0, 0.0, 2.0, 2.0]), np.array([0.0, 2.0, 0.0, -1.0])], {}),
    *((name, [KINKS, OTHERS], {"ties": ties}) for name in ("maximum", "minimum") for ties in ("first", "split")),
    *(
        (name, [TIED], {"axis": axis, "keepdims": False, "ties": ties})
        for name in ("max", "min")
        for axis in ((1,), (0, 1))
        for ties in ("first", "split")
    ),
    ("std", [TIED], {"axis": (1,), "keepdims": False, "ddof": 1}),
    ("norm_over", [KINKS * 0], {"axis": (0,), "keepdims": True, "p": 2}),
    ("norm_over", [KINKS], {"axis": (0, 1), "keepdims": False, "p": 3}),
    ("affine", [OTHERS, np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.0, -1.0])], {}),
    ("remainder", [np.array([6.0, -7.0, 7.0]), np.array([3.0, 3.0, -3.0])], {}),
    ("fmod", [np.array([6.0, -7.0, 7.0]), np.array([3.0, 3.0, -3.0])], {}),
    *(
        (f"max_of_{places}{ties}", [TIED[None, None]], options)
        for places, options in (
            ("windows", {"kernel": (2, 2), "stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}),
            ("regions", {"table": np.array([[[[[0, 1, 3, 4], [2, 5, -1, -1]]]]])}),
        )
        for ties in ("", "_split")
    ),
]

WINDOWS = {"kernel": (2, 2), "stride": (1, 2), "padding": ((1, 0), (0, 1)), "dilation": (1, 1)}
WITHOUT_RULES = [
    *((name, [np.array([-1.5, 0.0, np.inf, np.nan])], {}) for name in ("isnan", "isinf", "isfinite")),
    *((name, [np.array([-1.5, -0.0, 0.0, 2.5])], {}) for name in ("sign", "floor", "ceil", "trunc", "logical_not")),
    *((f"logical_{name}", [np.array([0.0, 0, 2, 2]), np.array([0, 1, 0, 1])], {}) for name in ("and", "or", "xor")),
    *((name, [KINKS, OTHERS], {}) for name in ("first_is_larger", "first_is_smaller")),
    ("round", [np.array([2.5, 3.45, -0.125])], {"decimals": 1}),
    ("floor_divide", [np.array([7.0, -7.0]), np.array([2.0, 2.0])], {}),
    *((name, [OTHERS], {"axis": axis, "keepdims": False}) for name in ("argmax", "argmin") for axis in (None, 1)),
    *((name, [TIED - 1], {"axis": (1,), "keepdims": True}) for name in ("any", "all")),
    ("onehot", [np.array([2, 0])], {"classes": 3}),
    ("indices_of_winners", [np.arange(24.0).reshape(1, 2, 3, 4) % 7], WINDOWS),
    ("identity", [OTHERS], {}),
    ("exact_sqrt", [OTHERS**2 + 1], {}),
]


def definitions():
    """Every primitive of the library: {name: [definition, ...]}."""
    found = {}
    for package in (primitives, verify):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for function in vars(import_module(info.name)).values():
                definition = getattr(function, "primitive", None)
                if isinstance(definition, Primitive) and definition not in found.get(definition.name, []):
                    found.setdefault(definition.name, []).append(definition)
    return found


DEFINITIONS = definitions()


def recorded():
    """(primitive, operands, options) of every kind of node in the graphs of the table and of their gradients."""
    found = {}
    for _, function, operands in table():
        xs = leaves(operands)
        with tg.debug():  # in which nodes keep their values
            z = function(*xs)
            checked = [x for x in xs if isinstance(x, tg.Tensor) and x.requires_grad]
            upstream = tg.tensor(np.ones(z.shape), requires_grad=True)
            gradients = tg.grad(z, checked, upstream, create_graph=True, allow_unused=True)
        for node in walk.nodes(z, *(dx for dx in gradients if dx is not None)):
            if node.primitive:
                shapes = tuple(parent.shape for parent in node.parents)
                values = [parent.value for parent in node.parents]
                found.setdefault((node.primitive, shapes, str(node.options)), (node.primitive, values, node.options))
    return list(found.values())


CASES = [
    *recorded(),
    *((definition, *rest) for name, *rest in GIVEN + WITHOUT_RULES for definition in DEFINITIONS[name][-1:]),
]


def operand_names(definition, count):
    return definition.operand_names * count if definition.is_variadic else definition.operand_names[:count]


def evaluated(expression, where, names):
    names = dict(names)
    for letter, meaning in reversed(where.items()):  # the first are made of the last
        if meaning != "upstream()":
            names[letter] = eval(meaning, {}, names)
    with np.errstate(all="ignore"):  # where() computes both sides
        return np.asarray(eval(expression, {}, names))


def summed_to(value, shape):
    """What a broadcast operand gets: the sum over its repetitions."""
    value = value.sum(axis=tuple(range(value.ndim - len(shape))))
    repeated = [-k for k in range(1, value.ndim + 1) if value.shape[-k] != shape[-k] == 1]
    return np.broadcast_to(value.sum(axis=tuple(repeated), keepdims=True), shape)


def assert_same(actual, expected):
    assert actual.shape == expected.shape
    np.testing.assert_allclose(np.asarray(actual, float), np.asarray(expected, float), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("definition", "operands", "options"), CASES, ids=[f"{case[0].name}-{i}" for i, case in enumerate(CASES)]
)
def test_expressions_compute_what_the_operation_and_its_rules_do(definition, operands, options):
    expressions = EXPRESSIONS[definition.name]
    names = operand_names(definition, len(operands))
    arrays = [np.asarray(x) for x in operands]
    asked = [i for i, x in enumerate(arrays) if names[i] in definition.rules and x.dtype.kind == "f"]
    tensors = [tg.tensor(x, requires_grad=True) if i in asked else x for i, x in enumerate(arrays)]
    result = definition.apply(tuple(tensors), options)
    z = result.numpy() if asked else np.asarray(result)
    dz = normals(z.shape, 7)
    at = namespace(names, arrays, options, z, dz, z.shape)
    assert_same(z, np.broadcast_to(evaluated(expressions.forward, expressions.where, at).reshape(z.shape), z.shape))
    if asked:
        with np.errstate(all="ignore"):
            gradients = tg.grad(result, [tensors[i] for i in asked], tg.tensor(dz.astype(z.dtype)))
        for i, gradient in zip(asked, gradients, strict=True):
            at = namespace(names, arrays, {"index": i} | options, z, dz, arrays[i].shape)
            value = evaluated(expressions.backward[names[i]], expressions.where, at)
            assert_same(gradient.numpy(), summed_to(value, arrays[i].shape))


def test_every_primitive_has_a_formula_and_every_formula_a_primitive():
    assert sorted(EXPRESSIONS) == sorted(DEFINITIONS)


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_formula_has_a_line_for_every_rule(name):
    for definition in DEFINITIONS[name]:
        assert list(formula(name).backward) == list(definition.rules)


def test_every_formula_is_evaluated():
    rules = {(definition.name, name) for definition, operands, _ in CASES
             for name, x in zip(operand_names(definition, len(operands)), operands, strict=True)
             if np.asarray(x).dtype.kind == "f"}  # fmt: skip
    assert set(EXPRESSIONS) == {definition.name for definition, _, _ in CASES}
    missing = {(name, operand) for name, made in EXPRESSIONS.items() for operand in made.backward} - rules
    assert not missing


def functions_and_names(expression):
    tree = ast.parse(expression)
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return called, {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - called


@pytest.mark.parametrize("name", sorted(EXPRESSIONS))
def test_formula_names_only_what_its_primitive_has(name):
    made = EXPRESSIONS[name]
    for definition in DEFINITIONS[name]:
        known = {*definition.operand_names, *definition.option_names, *made.where, "pi"}
        upstream = {"g" if "dz" in definition.operand_names else "dz"}
        for expression in (made.forward, *made.where.values()):
            gradient = upstream if expression in made.where.values() else set()
            assert functions_and_names(expression)[1] <= known | gradient
        for rule in made.backward.values():
            assert functions_and_names(rule)[1] <= known | upstream | {"z"}
            assert functions_and_names(rule)[1] & (upstream | set(made.where))


def test_every_word_is_used():
    used = set()
    for made in EXPRESSIONS.values():
        for expression in (made.forward, *made.backward.values(), *made.where.values()):
            used |= functions_and_names(expression)[0]
    assert set(WORDS) <= used


def lines(found):
    return [found.forward, *found.backward.values(), *filter(None, [found.where])]


def test_lines_are_short_and_in_common_characters():
    allowed = re.compile("[ -~²³σπΣΠ√∛⋆·×−≤≥≠⌊⌋⌈⌉ᵀ₀₁₂]+")
    for definition, operands, options in CASES:
        names = operand_names(definition, len(operands))
        given = formula(definition.name, options, names)
        assert given.forward.startswith("z = ")
        assert set(given.backward) <= set(names)
        for line in lines(given):
            assert len(line) < LONGEST, line
        for line in (*lines(given), *lines(formula(definition.name))):
            assert len(line) < LONGEST_GENERAL, line
            assert allowed.fullmatch(line), line
            assert line.count("(") == line.count(")"), line
            assert not re.search(r"\w_\w+\(|\*|==", line), f"{line}: no notation"


@pytest.mark.parametrize(
    ("name", "options", "operands", "expected"),
    [
        ("multiply", None, None, ["z = x y", "dx = dz y", "dy = dz x"]),
        ("relu", None, None, ["z = max(x, 0)", "dx = dz where x > 0, else 0"]),
        ("abs", None, None, ["z = |x|", "dx = dz where x > 0, −dz where x < 0, else 0"]),
        ("linear", None, ["x", "weight"], ["z = x · weightᵀ", "dx = dz · weight", "dweight = dzᵀ · x"]),
        (
            "correlation",
            {"stride": (1, 1)},
            ["x", "weight", "bias"],
            [
                "z = x ⋆ weight + bias",
                "dx = (dz, zero-padded) ⋆ rot180(weight)",
                "dweight = x ⋆ dz",
                "dbias = Σ dz over images and pixels",
            ],
        ),
        (
            "correlation",
            {"stride": (2, 2)},
            ["x", "weight"],
            [
                "z = x ⋆ weight",
                "dx = (dz dilated by 2, zero-padded) ⋆ rot180(weight)",
                "dweight = x ⋆ (dz dilated by 2)",
            ],
        ),
        (
            "elu",
            {"alpha": 0.5, "width": 1},
            None,
            ["z = x where x > 0, else 0.5 (exp(x) − 1)", "dx = dz where x > 0, else 0.5 dz exp(x)"],
        ),
        ("max", {"ties": "split", "axis": (1,)}, None, ["z = max(x)", "dx = dz / count(x = z) where x = z, else 0"]),
        ("norm_over", {"p": 2}, None, ["z = √(Σ |x|²)", "dx = dz sign(x) (|x| / z) where x ≠ 0, else 0"]),
        ("getitem", {"index": (0, slice(1, 3))}, None, ["z = x[0, 1:3]", "dx = dz added at [0, 1:3], into zeros"]),
        ("getitem", {"index": (0, 0)}, None, ["z = x[0, 0]", "dx = dz added at [0, 0], into zeros"]),
        ("pad", {"mode": "zeros", "value": 0}, None, ["z = x in a border of 0", "dx = dz without its border"]),
        (
            "var",
            {"ddof": 0},
            None,
            [
                "z = Σ (x − mean(x))² / n",
                "dx = 2 dz (x − mean(x)) / n",
                "n = the number of elements of x in each z",
            ],
        ),
        (
            "unpad",
            {"mode": "zeros"},
            None,
            ["z = dz without its border", "d(dz) = g in a border of 0", "g = the upstream gradient"],
        ),
    ],
)
def test_lines(name, options, operands, expected):
    assert lines(formula(name, options, operands)) == expected


def test_no_formula_of_an_operation_of_ones_own():
    assert formula("my_activation") is None


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a - (b - c)", "a − (b − c)"),
        ("a - b - c", "a − b − c"),
        ("a / (b * c)", "a / (b c)"),
        ("a / b * c", "(a / b) c"),
        ("a / (b / c)", "a / (b / c)"),
        ("a * (b / c)", "a (b / c)"),
        ("a * (b * c)", "a b c"),
        ("-a * b", "−a b"),
        ("a * -b", "a (−b)"),
        ("a - -b", "a − (−b)"),
        ("-(a + b)", "−(a + b)"),
        ("-a**2", "−a²"),
        ("(-a)**2", "(−a)²"),
        ("(a * b)**3", "(a b)³"),
        ("a**b**2", "a^(b²)"),
        ("2**(a + b)", "2^(a + b)"),
        ("sqrt(a) * sqrt(a * b)", "√a √(a b)"),
        ("sqrt(a)**2", "(√a)²"),
        ("sum(a) * b", "(Σ a) b"),
        ("a * sum(b)", "a Σ b"),
        ("a * (b - sum(c + d))", "a (b − Σ (c + d))"),
        ("sum(a)**2", "(Σ a)²"),
        ("a @ (b + c)", "a · (b + c)"),
        ("(a + b).mT", "(a + b)ᵀ"),
        ("where(a > b, a, b) * c", "(a where a > b, else b) c"),
        ("where((a > 0) & (b != 0), a, where(b == 0, -b, c))", "a where a > 0 and b ≠ 0, −b where b = 0, else c"),
        ("log(abs(a - b))", "ln(|a − b|)"),
        ("0.044715 * a", "0.044715 a"),
    ],
)
def test_notation_means_what_the_expression_does(expression, expected):
    assert typeset(expression) == expected


@pytest.mark.parametrize(
    ("expression", "values", "expected"),
    [
        ("k * a", {"k": 1}, "a"),
        ("k * a", {"k": -0.5}, "−0.5 a"),
        ("a * k", {"k": -0.5}, "a (−0.5)"),
        ("a - k", {"k": 0}, "a"),
        ("a - k", {"k": 2}, "a − 2"),
        ("a / k", {"k": 1}, "a"),
        ("a**(k - 1)", {"k": 2}, "a"),
        ("a**(k - 1)", {"k": 3}, "a²"),
        ("a**(1 / k)", {"k": 2}, "√a"),
        ("a**(1 / k)", {"k": 3}, "a^0.3333"),
        ("j / k * a", {"j": 0.7, "k": 2}, "0.35 a"),
        ("maximum(a, -k)", {"k": 3}, "max(a, −3)"),
        ("a if k == 'b' else c", {"k": "b"}, "a"),
        ("a if k == 'b' else c", {"k": "d"}, "c"),
        ("a if k == 'b' else c", {}, "c; with k = b: a"),
        ("k * a", {"k": True}, "k a"),
        ("k * a", {"k": None}, "k a"),
        ("k * a", {"k": (2, 3)}, "k a"),
        ("k * a", {"k": Fraction(1, 3)}, "1/3 a"),
        ("k * a", {"k": np.float32(0.1)}, "0.1 a"),
        ("a * 1 + 0", {}, "a 1 + 0"),
    ],
)
def test_values_are_put_in(expression, values, expected):
    assert typeset(expression, values=values) == expected


@pytest.mark.parametrize("expression", ["lambda a: a", "[a]", "a if b else c", "a.T", "f(a)(b)"])
def test_no_notation(expression):
    with pytest.raises(ValueError, match="typeset: "):
        typeset(expression)

"""What a program writes out in place of a call is what the call computes, for every primitive, bit by bit."""

import warnings

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.capture.formulas import Name, line
from tinygrad_cnn.engine import Primitive
from tinygrad_cnn.primitives import elementwise

WRITTEN_OUT = {
    "add": ("(x + y)", {"x": "dz", "y": "dz"}),
    "subtract": ("(x - y)", {"x": "dz", "y": "(-dz)"}),
    "multiply": ("(x * y)", {"x": "(dz * y)", "y": "(dz * x)"}),
    "negative": ("(-x)", {"x": "(-dz)"}),
    "square": ("(x * x)", {"x": "(dz * (2 * x))"}),
    "tanh": (None, {"x": "(dz * (1 - (z * z)))"}),
    "sigmoid": (None, {"x": "((dz * z) * (1 - z))"}),
    "exp": (None, {"x": "(dz * z)"}),
    "log": (None, {"x": "(dz / x)"}),
    "relu": (None, {"x": None}),
    "where": (None, {"x": None, "y": None}),
}


def plain(text):
    return None if text is None else text.removeprefix("(").removesuffix(")") if text.startswith("(") else text


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_what_is_written_out(name):
    primitive = getattr(elementwise, name).primitive
    forward, rules = WRITTEN_OUT[name]
    assert line(primitive.forward, [Name(n) for n in primitive.operand_names]) == plain(forward)
    for operand, rule in rules.items():
        names = ["dz", *primitive._rule_arguments[operand]]
        assert line(primitive.rules[operand], [Name(n) for n in names]) == plain(rule)


def primitives():
    found = {}
    for module in vars(tg).values():
        found[getattr(module, "__name__", "")] = getattr(module, "primitive", None)
    plain_ones = {name: p for name, p in found.items() if isinstance(p, Primitive)}
    return {name: p for name, p in plain_ones.items() if not p.option_names and not p.is_variadic}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", primitives())
def test_written_out_or_called_it_is_the_same(name, dtype):
    primitive = primitives()[name]
    rng = np.random.default_rng(0)
    special = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-30, 3e4]
    array = np.array([*special, *rng.standard_normal(8)], dtype)
    operands = {n: rng.permutation(array) for n in primitive.operand_names}
    functions = [(primitive.forward, list(operands))]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = {**operands, "dz": rng.permutation(array), "z": rng.permutation(array)}
        for operand, rule in primitive.rules.items():
            names = ["dz", *primitive._rule_arguments[operand]]
            if set(names) <= set(known):
                functions.append((rule, names))
        for function, names in functions:
            for values in (known, {n: x[-1] for n, x in known.items()}, {n: x[3] for n, x in known.items()}):
                text = line(function, [Name(n) for n in names])
                if text is not None:
                    wanted = function(*[values[n] for n in names])
                    np.testing.assert_array_equal(eval(text, {}, values), wanted, strict=True)


def test_products_of_matrices_are_written_out():
    x, weight, bias, dz = np.ones((2, 3)), np.ones((4, 3)), np.ones(4), np.ones((2, 4))
    known = {"x": x, "weight": weight, "bias": bias, "dz": dz}

    def written(function, *names):
        return line(function, [Name(name, lambda name=name: known[name]) for name in names])

    linear = tg.linear.primitive
    assert written(linear.forward, "x", "weight", "bias") == "(x.dot(weight.T)) + bias"
    assert written(linear.rules["x"], "dz", "weight") == "dz.dot(weight)"
    assert written(linear.rules["weight"], "dz", "x") == "dz.T.dot(x)"
    assert written(lambda x, dz: (x.T + 1).dot(dz * 2).T, "x", "dz") == "((x.T + 1).dot((dz * 2))).T"
    assert written(linear.forward, "dz", "weight", "bias") is None  # the sizes do not fit
    known |= {"x": np.ones((64, 120)), "weight": np.ones((84, 120)), "bias": np.ones(84)}
    assert written(linear.forward, "x", "weight", "bias") is None  # a kernel's business


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x if x > 0 else -x,
        lambda x: x if x else 0,
        lambda x: x[0],
        lambda x: x.max(),
        np.exp,
        lambda x: np.add(x, 1),
        lambda x: np.where(x, x, 0),
        float,
        abs,
        lambda x: getattr(x, "dtype", None) or -x,
        lambda x: 3.0,
        lambda x: x + np.float32(1),
        lambda x: x == x,
        lambda x: len(x) * x,
        sum,
        lambda x: x * True,
        lambda x: x + "v2",
    ],
)
def test_what_looks_closer_is_no_line(function):
    assert line(function, [Name("v1")]) is None


def test_negative_numbers_and_nesting_keep_their_places():
    assert line(lambda x, n: (x**n - n) / -x, [Name("v1"), -2]) == "((v1 ** (-2)) - (-2)) / (-v1)"
    assert line(lambda x: -(x**2) * (3 - x), [Name("v1")]) == "(-(v1 ** 2)) * (3 - v1)"
    assert line(lambda x: x * float("nan"), [Name("v1")]) is None

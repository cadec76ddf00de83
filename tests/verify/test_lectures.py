"""The lectures as a report: exactly the slides' own errors, each example by hand code that shares nothing with it."""

import json
from fractions import Fraction
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import oracles
from tinygrad_cnn.verify import lectures as module
from tinygrad_cnn.verify.lectures import examples, exercises, lectures

WRONG = {
    "strided convolution": [((0, 2), 83, 88), ((1, 2), 127, 117)],
    "vertical edges, lecture 14": [((0, 0), 21, 19), ((0, 2), -21, -19)],
}


def example(name):
    (found,) = [each for each in examples() if each.name == name]
    return found


def test_the_slides_errors_and_nothing_else():
    report = lectures()
    assert not report
    assert {check.name for check in report.failures} == set(WRONG)
    for name, entries in WRONG.items():
        check = report[name]
        assert [tuple(index) for index in np.argwhere(check.wrong).tolist()] == [index for index, _, _ in entries]
        for index, printed, correct in entries:
            assert (check.actual[index], check.expected[index]) == (printed, correct)


def test_every_number_is_exact():
    for check in lectures():
        assert check.tolerance == 0
        assert all(isinstance(value, int | Fraction | np.integer) for value in check.expected.flat), check.name


@pytest.mark.parametrize("each", examples(), ids=lambda each: each.name)
def test_what_is_right_passes_and_any_other_number_fails(each):
    right = np.array(each.answer)
    assert each.check(right)
    for index in np.ndindex(right.shape):
        changed = right.copy()
        changed[index] += 1
        assert not each.check(changed)


@pytest.mark.parametrize("each", [e for e in examples() if set(e.given) == {"image", "kernel"}], ids=lambda e: e.name)
def test_filters_against_loops(each):
    """Stride from the question; a true convolution has its kernel turned."""
    stride = 2 if "stride 2" in each.question else 3 if "stride 3" in each.question else 1
    kernel = each.given["kernel"]
    if "Convolve" in each.question:
        kernel = kernel[::-1, ::-1]
    x, (h, w) = each.given["image"], kernel.shape
    rows, columns = (x.shape[0] - h) // stride + 1, (x.shape[1] - w) // stride + 1
    for i in range(rows):
        for j in range(columns):
            total = sum(x[stride * i + u, stride * j + v] * kernel[u, v] for u in range(h) for v in range(w))
            assert each.answer[i, j] == total
    assert each.answer.shape == (rows, columns)


def test_mistakes_have_names():
    each = example("kernel mirrored on both axes")
    correlated = tg.conv2d(each.given["image"][None, None], each.given["kernel"][None, None])[0, 0]
    (check,) = each.check(correlated)
    assert [relation.explanation for relation in check.relations] == [
        "the kernel was not mirrored: a cross-correlation"
    ]
    each = example("horizontal edges")
    (check,) = each.check(-each.answer)
    assert check.relations[0].explanation.startswith("the kernel was rotated by 180 degrees")
    each = example("max pooling 2x2, s 2")
    (check,) = each.check(example("average pooling 2x2, s 2").answer)
    assert check.relations[0].explanation == "the average of each window, not the largest entry"
    each = example("strided convolution")
    whole = tg.conv2d(each.given["image"][None, None], each.given["kernel"][None, None])[0, 0]
    (check,) = each.check(whole)
    assert [relation.name for relation in check.relations] == ["stride"]


def test_answers_as_text():
    each = example("blur")
    assert each.check("0.56 0.57 0.57 0.56\n0.7 0.82 0.82 0.7\n0.69 0.95 0.95 0.69\n0.64 0.69 0.69 0.64")
    assert each.check(str(each.answer.astype(float)))
    assert not each.check("0.56 0.57 0.57 0.56\n0.7 0.82 0.82 0.7\n0.69 0.95 0.95 0.69\n0.64 0.69 0.69 0.65")


def test_homework_of_lecture_14():
    """Formulas (1) and (3) entry by entry, held against the forward by the naive oracle."""
    (exercise,) = exercises()
    assert exercise.decks == ("004",)
    (case,) = exercise.cases
    rng = np.random.default_rng(0)
    x, k, b = (
        np.array(rng.integers(-9, 10, case[name]) * Fraction(1), dtype=object).reshape(case[name]) for name in "XKB"
    )
    leaves = [tg.tensor(array, requires_grad=True) for array in (x, k, b)]
    z = exercise.forward(*leaves)
    dz = np.array(rng.integers(-9, 10, (2, 2)) * Fraction(1), dtype=object)
    assert z.shape == (2, 2)
    assert z.numpy()[0, 1] == sum(x[u, v + 1] * k[u, v] for u in range(2) for v in range(2)) + b.item()
    z.backward(dz)
    dk, dx = oracles.zeros((2, 2)), oracles.zeros((3, 3))
    for i, j, u, v in np.ndindex(2, 2, 2, 2):
        dk[u, v] += x[i + u, j + v] * dz[i, j]
        dx[i + u, j + v] += k[u, v] * dz[i, j]
    assert (leaves[1].grad.numpy() == dk).all()
    assert (leaves[0].grad.numpy() == dx).all()
    assert dict(exercise.functions) == {"K": "dK(dZ, X)", "X": "dX(dZ, K)"}
    assert "dL/dK11 = dz11 X11 + dz12 X12 + dz21 X21 + dz22 X22" in exercise.question


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("z11", "X11 K11 + X12 K12 + X22 K21 + X21 K22 + B"),
        ("dL/dK11", "dz11 X11 + dz12 X12 + dz21 X21 + dz22 X23"),
        ("dL/dB", "dz11 + dz12 + dz21"),
    ],
)
def test_another_formula_would_fail(monkeypatch, name, formula):
    cases = module._cases()
    monkeypatch.setitem(cases, "backward", cases["backward"] | {name: formula})
    wrong = [each.name for each in module._formulas(cases["backward"]) if not each.check(each.printed)]
    assert wrong == [f"{name}, lecture 14"]


def test_report_in_80_columns():
    lines = str(lectures()).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "the lectures' worked examples: FAILED, 2 of 45 checks"
    assert sum(line.startswith("  passed  ") for line in lines) == 43
    for wrong in ("83 for 88 at [0, 2], 127 for 117 at [1, 2]", "21 for 19 at [0, 0], -21 for -19 at [0, 2]"):
        assert f"          printed {wrong}" in lines


def test_other_formats():
    report = json.loads(lectures().to_json())
    assert not report["passed"]
    assert [check["name"] for check in report["checks"] if not check["passed"]] == list(WRONG)
    suites = ElementTree.fromstring(lectures().to_junit())
    assert (suites.get("tests"), suites.get("failures")) == ("45", "2")
    assert "printed 83 for 88" in lectures().to_html()


def test_nothing_of_the_callers_is_touched():
    tg.manual_seed(0)
    first = tg.backend.generator().random()
    tg.manual_seed(0)
    examples.cache_clear()
    lectures()
    assert tg.backend.generator().random() == first

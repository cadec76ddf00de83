"""How the check of a rule reads: as text in 80 columns, as a page, as JSON and as JUnit XML."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.verify.rules.test_remarks import conv, cubed, dcubed, dX
from tests.verify.rules.test_remarks import dx_of_batch as dx
from tests.verify.test_report import Page
from tinygrad_cnn.verify import check_rule


def transposed(dZ, X, K, stride, padding):
    return dX(dZ, X, K.T[::-1, ::-1], stride, padding)  # K.T in place of the rotated kernel


def exponential(X):
    return np.exp(X)


def fails(dZ, X, K, stride, padding):
    return dZ[len(dZ) + 99]


SQUARE = [{"X": (5, 5), "K": (3, 3)}, {"X": (6, 6), "K": (2, 2), "stride": 2}]


def lines(report):
    text = str(report)
    assert max(map(len, text.splitlines())) <= 80
    assert not any(line != line.rstrip() for line in text.splitlines())
    return text.splitlines()


def test_a_counterexample_stands_as_on_a_blackboard():
    found = lines(check_rule(conv, {"X": transposed}, cases=SQUARE))
    assert found[0] == "backward rules of conv: FAILED, 1 of 1 check"
    assert found[2] == "  FAILED  X  wrong in all 8 cases: kernel-transposed"
    assert found[3].startswith("          Your dX equals the rule with this mistake. The kernel was transposed")
    assert "            (3) dX = zero-padded dZ (dilated by the stride) correlated with K" in found
    case = found.index("          In this case: X (2x2), K (2x2)")
    assert [line[10:] for line in found[case + 1 : case + 9]] == [
        "",
        "X     K     dZ",
        "1 2   1 2   1",
        "3 4   3 4",
        "",
        "right dX   your dX   difference",
        "1 2        *4  2      *3   0",
        "3 4         3 *1       0 *-3",
    ]
    assert found[-1] == "* marks a wrong entry"


def test_a_rule_that_passed_is_one_line():
    report = check_rule(conv, {"X": lambda dZ, X, K, stride, padding: dX(dZ, X, K[:, :], stride, padding)})
    (line,) = lines(report)[2:]
    assert line.startswith("  passed  X  exactly the gradient in all ")
    page = Page(report.to_html())
    assert {"table", "dl", "details"}.isdisjoint(tag for tag, _ in page.tags)


def test_options_stand_there_where_they_are_not_the_default():
    def rule(dZ, X, K, stride, padding):
        right = dX(dZ, X, K, stride, padding)
        return right if stride == 1 else right + 1

    text = "\n".join(lines(check_rule(conv, {"X": rule})))
    assert ", stride 2\n" in text
    assert "padding 0" not in text


def test_an_unexplained_rule_gets_its_remarks_and_the_formula():
    def rule(dZ, X, K, stride, padding):
        right = dX(dZ, X, K, stride, padding)
        return right if stride == 1 else right + np.arange(right.size).reshape(right.shape)

    text = " ".join(" ".join(lines(check_rule(conv, {"X": rule}))).split())
    assert "No mistake in the catalogue explains it. It is right for stride 1, and wrong in every other case." in text
    assert "(3) dX = zero-padded dZ" in text


def test_both_arrays_are_shown_where_shapes_differ():
    cases = [{"X": (4, 5)}, {"X": (5, 4)}]
    found = lines(check_rule(cubed, {"X": lambda dZ, X: np.append(dcubed(dZ, X), 0)}, cases=cases))
    assert found[-2:] == ["          right dX (1x2)   your dX (3)", "           3 12             3 12  0"]


def test_a_rule_that_raised_gets_its_error_its_line_and_the_inputs():
    found = lines(check_rule(conv, {"X": fails}, cases=SQUARE))
    text = " ".join(" ".join(found).split())
    assert "FAILED X failed in all 8 cases: it raised IndexError: " in text
    assert "return dZ[len(dZ) + 99])" in text
    assert "          X     K   dZ" in found
    assert "your dX" not in text


def test_images_of_a_batch_stand_side_by_side():
    def rule(dZ, x, weight):
        return dx(dZ, x, np.swapaxes(weight, 0, 1)[:, :, ::-1, ::-1])

    found = lines(check_rule(tg.conv2d, {"x": rule}, cases=[{"x": (1, 2, 3, 4), "weight": (2, 2, 2, 2)}]))
    text = "\n".join(found)
    assert "x[0, 0]" in text
    assert "weight[1, 1]" in text
    assert "dx[0, 1]\n" in text
    one = lines(
        check_rule(
            tg.conv2d, {"x": lambda dZ, x, weight: -dx(dZ, x, weight)}, [{"x": (1, 1, 4, 4), "weight": (1, 1, 2, 2)}]
        )
    )
    assert any(line.startswith("          x     weight   dZ") for line in one), one


def test_channels_of_single_pixels_are_one_matrix():
    def rule(dZ, x, weight):
        return dx(dZ, x, np.swapaxes(weight, 0, 1))

    found = lines(check_rule(tg.conv2d, {"x": rule}, cases=[{"x": (1, 2, 1, 1), "weight": (2, 2, 1, 1)}]))
    start = next(i for i, line in enumerate(found) if "weight[:, :, 0, 0]" in line)
    assert [line.split() for line in found[start + 1 : start + 3]] == [["1", "2", "1", "2", "1", "1"], ["3", "4"]]


def test_the_tolerance_of_float64_is_shown():
    report = check_rule(exponential, {"X": lambda dZ, X: dZ * np.exp(X) * X}, cases=[{"X": (2, 2)}])
    text = "\n".join(lines(report))
    assert "in float64, within a tolerance, since exp has no exact value" in text
    assert "arithmetic: float64; cases: " in text
    assert "tolerance: " in text


def test_formulas_in_symbols_stay_in_80_columns():
    pytest.importorskip("sympy")

    def rule(dZ, X, K, stride, padding):
        return dX(dZ, X, K[::-1, ::-1], stride, padding)

    text = "\n".join(lines(check_rule(conv, {"X": rule}, arithmetic="symbolic")))
    assert "dZ11 dZ12" in text
    assert "your dX: K21 dZ11 + K22 dZ12\n" in text
    assert "difference: -K11 dZ11 + K22 dZ11" in text


def test_page():
    report = check_rule(conv, {"X": transposed}, cases=SQUARE)
    page = Page(report.to_html())
    assert page.open == []
    text = " ".join("".join(page.texts).split())
    assert "wrong in all 8 cases: kernel-transposed Your dX equals the rule with this mistake." in text
    names = ("X", "K", "dZ", "right dX", "your dX", "difference")
    captions = [text for text in page.texts if text in names]
    assert tuple(captions[:6]) == names  # a derivation may follow
    assert ("span", {"class": "tag"}) in page.tags
    assert ("p", {"class": "formula"}) in page.tags
    assert sum(attributes.get("class") == "wrong" for _, attributes in page.tags) == 4


def test_both_names_of_a_double_mistake_are_tags():
    report = check_rule(conv, {"X": lambda dZ, X, K, stride, padding: -transposed(dZ, X, K, stride, padding)}, SQUARE)
    assert report["X"].tags == ("kernel-transposed", "sign")
    assert Page(report.to_html()).tags.count(("span", {"class": "tag"})) == 2
    assert "kernel-transposed + sign" in str(report)


def test_json():
    report = check_rule(conv, {"X": transposed}, cases=SQUARE)
    (check,) = json.loads(report.to_json())["checks"]
    assert check["diagnosis"]["name"] == "kernel-transposed"
    assert check["diagnosis"]["explanation"].startswith("Your dX equals the rule with this mistake.")
    assert check["remarks"] == check["notes"] == []
    assert check["counterexample"] == {
        "inputs": {"X": [[1, 2], [3, 4]], "K": [[1, 2], [3, 4]]}, "options": {"stride": 1, "padding": 0}, "dz": [[1]],
        "expected": [[1, 2], [3, 4]], "actual": [[4, 2], [3, 1]], "wrong": [[0, 0], [1, 1]], "problem": None,
    }  # fmt: skip
    assert (check["cases"], check["failed"], check["formula"][:8]) == (8, 8, "(3) dX =")


def test_junit():
    ((case,),) = ElementTree.fromstring(check_rule(conv, {"X": transposed}, cases=SQUARE).to_junit())
    failure = case.find("failure")
    assert failure.attrib["message"] == "wrong in all 8 cases: kernel-transposed"
    assert "right dX   your dX   difference" in failure.text
    assert "In this case: X (2x2), K (2x2)" in failure.text

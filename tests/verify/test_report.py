"""Reports: what counts as equal, and that text, page, JSON and JUnit XML say it."""

import json
import re
from fractions import Fraction
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import normals
from tinygrad_cnn.verify import Check, Report

NAN, INF = float("nan"), float("inf")


# Comparison


@pytest.mark.parametrize(
    ("expected", "actual", "tolerance", "wrong"),
    [
        ([1, 2, 3], [1, 2, 3], 0, [False, False, False]),
        ([1, 2, 3], [1, 5, 3], 0, [False, True, False]),
        ([1.0, 2.0], [1.25, 2.5], 0.25, [False, True]),
        ([1.0, NAN], [NAN, NAN], 10, [True, True]),
        ([INF, -INF, INF], [INF, INF, 1.0], 10, [False, True, True]),
        ([Fraction(1, 3)], [1 / 3], 0, [True]),
        ([Fraction(1, 4)], [0.25], 0, [False]),
        ([2**63], [2**63 + 1], 0, [True]),
        ([Fraction(1, 3), Fraction(0)], [Fraction(1, 3), Fraction(1, 10**40)], 0, [False, True]),
        ([True, False], [True, True], 0, [False, True]),
        (np.uint8([3]), np.uint8([5]), 1, [True]),
        (np.float32([1.0]), np.float64([1.0 + 1e-9]), 0, [True]),
        (np.array([NAN, Fraction(1)], dtype=object), np.array([Fraction(1), Fraction(1)]), 10, [True, False]),
    ],
)
def test_comparison(expected, actual, tolerance, wrong):
    check = Check.compare("z", expected, actual, tolerance)
    assert check.wrong.tolist() == wrong
    assert check.passed is not any(wrong)
    assert check.tolerance == tolerance


@pytest.mark.parametrize(
    ("expected", "actual", "error"),
    [
        ([19, -19], [21, -21], 2),
        ([0.5], [0.25], 0.25),
        ([Fraction(1, 3)], [Fraction(1, 2)], Fraction(1, 6)),
        ([INF, 1.0], [INF, 1.0], 0),
        ([0.0], [INF], INF),
        (np.uint8([5]), np.uint8([3]), 2),
        ([], [], 0),
        (np.zeros((0, 3), dtype=object), np.zeros((0, 3), dtype=object), 0),
        (7.0, 7.5, 0.5),
    ],
)
def test_error_is_the_largest_difference(expected, actual, error):
    check = Check.compare("z", expected, actual)
    assert check.error == error
    assert type(check.error) is type(error) or error == 0


def test_difference_is_actual_minus_expected():
    assert Check.compare("z", np.uint8([5]), np.uint8([3])).difference.tolist() == [-2]
    assert np.isnan(Check.compare("z", [1.0], [NAN]).error)


def test_shapes_must_be_equal():
    check = Check.compare("z", [[1.0, 2.0]], [1.0, 2.0])
    assert not check.passed
    assert check.message == "expected shape (1, 2) but got (2,)"
    assert check.difference is check.wrong is check.error is None
    assert "expected shape (1, 2) but got (2,)" in str(Report("r", (check,)))
    assert "expected shape (1, 2) but got (2,)" in Report("r", (check,)).to_html()
    assert not Check.compare("z", 1.0, [1.0]).passed


@pytest.mark.parametrize(
    ("expected", "actual", "message"),
    [
        ([1, 2], [1, 2], "all 2 entries agree"),
        ([1], [1], "1 entry agrees"),
        ([], [], "no entries"),
        ([1], [2], "1 of 1 entry is wrong, by 1"),
        ([1, 2, 3], [1, 4, 3], "1 of 3 entries is wrong, by 2"),
        ([1, 2, 3], [2, 4, 3], "2 of 3 entries are wrong, by up to 2"),
        ([Fraction(1, 2)], [Fraction(1, 3)], "1 of 1 entry is wrong, by 1/6"),
        ([1.0], [NAN], "1 of 1 entry is wrong"),
    ],
)
def test_message(expected, actual, message):
    assert Check.compare("z", expected, actual).message == message


def test_tensors_and_later_changes():
    expected, actual = np.array([1.0, 2.0]), np.array([1.0, 2.0])
    check = Check.compare("z", tg.tensor(expected, requires_grad=True), actual)
    actual[0] = 5
    assert check.passed
    assert check.actual.tolist() == [1, 2]


# Reports


def mixed():
    return Report(
        "homework <1> & more",
        (
            Check.compare("dB", [1, 2], [1, 2]),
            Check.compare("dK", [[1, 2], [3, 4]], [[1, 2], [4, 3]], facts={"formula": "a < b", "step": 1e-6}),
            Check("z", False, "not computed", notes=("the function is <missing>",)),
        ),
        ("student & teacher",),
    )


def test_report_is_as_true_as_its_checks():
    report = mixed()
    assert not report
    assert report.passed is False
    assert [check.name for check in report] == ["dB", "dK", "z"]
    assert len(report) == 3
    assert [check.name for check in report.failures] == ["dK", "z"]
    assert report["dK"].error == 1
    assert "dK" in report
    assert "dX" not in report
    assert repr(report) == "<Report homework <1> & more: failed dK, z>"
    passed = Report("r", (report["dB"],))
    assert passed
    assert passed.passed is True
    assert repr(passed) == "<Report r: passed>"


def test_report_needs_distinct_checks():
    with pytest.raises(ValueError, match="expected at least one check"):
        Report("r", ())
    with pytest.raises(ValueError, match="each check needs a name of its own but they are z, z"):
        Report("r", (Check.compare("z", 1, 1), Check.compare("z", 1, 1)))


def test_text():
    assert str(mixed()).splitlines() == [
        "homework <1> & more: FAILED, 2 of 3 checks",
        "  student & teacher",
        "",
        "  passed  dB  all 2 entries agree",
        "  FAILED  dK  2 of 4 entries are wrong, by up to 1",
        "          formula: a < b; step: 1e-06",
        "",
        "          expected   actual   difference",
        "          1 2         1  2      0   0",
        "          3 4        *4 *3     *1 *-1",
        "",
        "  FAILED  z   not computed",
        "          the function is <missing>",
        "",
        "* marks a wrong entry",
    ]


CASES = {
    "matrix": ([[1, 2], [3, 4]], [[1, 2], [4, 3]]),
    "number": (1.0, 2.0),
    "row": (np.arange(8.0), np.arange(8.0) + 1),
    "channels": (np.zeros((2, 3, 4, 4)), np.eye(4) * np.ones((2, 3, 1, 1))),
    "long": (np.zeros(1000), np.arange(1000.0)),
    "tall": (np.zeros((40, 2)), np.ones((40, 2))),
    "wide": (np.zeros((2, 30)), np.ones((2, 30))),
    "fractions": ([[Fraction(1, 3)] * 3] * 3, [[Fraction(10**12 + 1, 3 * 10**12)] * 3] * 3),
    "large": (np.full((3, 3), 1.23456789e-300), np.full((3, 3), -9.87654321e300)),
    "not finite": ([[NAN, INF], [0.0, 1.0]], [[NAN, -INF], [0.0, 2.0]]),
    "objects": (np.array(["a" * 90], dtype=object).astype(object) != "", [False]),
    "close": ([1.0, 1.0 + 1e-9], [1.0, 1.0]),
    "huge": ([Fraction(10**400)], [Fraction(1)]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["dX", "a name of more than four and twenty characters"])
def test_text_fits_80_columns(case, name):
    report = Report("report " * 15, (Check.compare(name, *CASES[case]),), ("note " * 30,))
    lines = str(report).splitlines()
    assert max(map(len, lines)) <= 80, max(lines, key=len)
    assert sum("*" in line for line in lines) >= 2
    assert not any(line != line.rstrip() for line in lines)


def test_long_arrays_show_the_worst_entries():
    text = str(Report("r", (Check.compare("x", *CASES["long"]),)))
    assert "the worst 10 of 999" in text
    rows = re.findall(r"^ +\*\[(\d+)\]", text, re.MULTILINE)
    assert rows == [str(i) for i in range(999, 989, -1)]


def test_channels_show_the_matrices_that_are_wrong():
    expected = np.zeros((2, 3, 2, 2))
    actual = expected.copy()
    actual[1, 2, 0, 1] = 1
    text = str(Report("r", (Check.compare("dK", expected, actual),)))
    assert "dK[1, 2]" in text
    assert "dK[0, 0]" not in text
    assert "0 *1" in text


def test_close_numbers_are_told_apart():
    text = str(Report("r", (Check.compare("x", *CASES["close"]),)))
    assert "1.000000001" in text


def test_json():
    third = Fraction(1, 3)
    report = Report(
        "r",
        (
            Check.compare("a", [[third, Fraction(2)]], [[third, Fraction(5, 2)]], facts={"step": 0.5}),
            Check.compare("b", [NAN, 1.0], [INF, 1.0], tolerance=0.5, notes=("a note",)),
            Check("c", True, "fine"),
        ),
        ("seed 0",),
    )
    assert json.loads(report.to_json(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON")) == {
        "title": "r",
        "passed": False,
        "notes": ["seed 0"],
        "checks": [
            {
                "name": "a", "passed": False, "message": "1 of 2 entries is wrong, by 1/2", "shape": [1, 2],
                "expected": [["1/3", 2]], "actual": [["1/3", "5/2"]], "difference": [[0, "1/2"]], "wrong": [[0, 1]],
                "tolerance": 0, "error": "1/2", "facts": {"step": 0.5}, "notes": [],
            },
            {
                "name": "b", "passed": False, "message": "1 of 2 entries is wrong", "shape": [2],
                "expected": ["nan", 1.0], "actual": ["inf", 1.0], "difference": ["nan", 0.0], "wrong": [[0]],
                "tolerance": 0.5, "error": "nan", "facts": {}, "notes": ["a note"],
            },
            {
                "name": "c", "passed": True, "message": "fine", "shape": None, "expected": None, "actual": None,
                "difference": None, "wrong": None, "tolerance": 0, "error": None, "facts": {}, "notes": [],
            },
        ],
    }  # fmt: skip
    assert report.to_json(indent=2).startswith('{\n  "title"')


def test_junit():
    root = ElementTree.fromstring(mixed().to_junit())
    (suite,) = root
    assert root.tag == "testsuites"
    assert (suite.attrib["name"], suite.attrib["tests"], suite.attrib["failures"]) == ("homework <1> & more", "3", "2")
    cases = {case.attrib["name"]: case for case in suite}
    assert list(cases) == ["dB", "dK", "z"]
    assert all(case.attrib["classname"] == "homework <1> & more" for case in suite)
    assert cases["dB"].find("failure") is None
    assert cases["dB"].find("system-out").text == "all 2 entries agree"
    failure = cases["dK"].find("failure")
    assert failure.attrib["message"] == "2 of 4 entries are wrong, by up to 1"
    assert "3 4        *4 *3     *1 *-1" in failure.text
    assert "the function is <missing>" in cases["z"].find("failure").text


def test_junit_of_characters_that_xml_has_not():
    report = Report("r\x00", (Check("a\x1b", False, "bell \x07, \ud800 and \N{SNOWMAN}"),))
    (suite,) = ElementTree.fromstring(report.to_junit())
    assert suite.attrib["name"] == "r\N{REPLACEMENT CHARACTER}"
    assert "\N{SNOWMAN}" in suite[0].find("failure").attrib["message"]


class Page(HTMLParser):
    """The tags of a page with their attributes, its text, and whether every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.mark.parametrize("case", CASES)
def test_page_is_one_well_formed_file(case):
    page = Page(Report("r", (Check.compare("<dX>", *CASES[case], notes=("<script>alert(1)</script>",)),)).to_html())
    assert page.open == []
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe"})
    assert not any({"src", "href"} & set(attributes) for _, attributes in page.tags)
    text = "".join(page.texts)
    assert "<script>alert(1)</script>" in text
    assert "<dX>: failed" in text
    assert "url(" not in text
    assert "@import" not in text


def test_page_marks_wrong_entries_and_follows_the_readers_colours():
    html = mixed().to_html()
    page = Page(html)
    assert html.startswith("<!doctype html>")
    wrong = [i for i, (tag, attributes) in enumerate(page.tags) if tag == "td" and attributes.get("class") == "wrong"]
    assert len(wrong) == 4
    assert "prefers-color-scheme: dark" in html
    assert "td.wrong::before" in html  # not by colour alone
    text = " ".join("".join(page.texts).split())
    assert "homework <1> & more: failed, 2 of 3 checks" in text
    assert "student & teacher" in text
    assert "formulaa < b" in text


def test_notebook_shows_the_page_without_its_head():
    fragment = mixed()._repr_html_()
    assert "<html" not in fragment
    assert fragment in mixed().to_html()
    style = fragment[len("<style>") : fragment.index("</style>")]
    selectors = re.findall(r"([^{}]+)\{[^{}]*\}", style)
    assert len(selectors) > 10
    assert all(".tg-report" in selector for selector in selectors)  # a notebook's own style stays as it is


def test_reports_of_large_arrays_stay_short():
    report = Report("r", (Check.compare("x", np.zeros((50, 50)), normals((50, 50), 0)),))
    assert len(str(report).splitlines()) < 30
    assert len(report.to_html()) < 20_000

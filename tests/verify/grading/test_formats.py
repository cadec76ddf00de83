"""A grade as text, page, JSON, JUnit XML and results.json says the same, whatever stands in it."""

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from tinygrad_cnn.verify import Check
from tinygrad_cnn.verify.grading import ExerciseResult, FunctionResult, Grade, Limits, Output
from tinygrad_cnn.verify.grading.rendering import pieces

HOSTILE = "</pre><script>alert(1)</script>\x1b[31m]]>&\x00\ud800"


def function(name, message, passed=False, failure=None, points=1.0):
    return FunctionResult.of(pieces(Check(name, passed, message)), points, failure)


def exercise(name, *functions, **more):
    return ExerciseResult(name, f"the {name}", functions, **more)


WRONG = FunctionResult.of(pieces(Check.compare("dK", [[19, -19], [1, 2]], [[21, -19], [1, 2]])), 1)
GRADE = Grade(
    "hw.py",
    (
        exercise("conv", function("dX", "right", True), WRONG, seconds=0.25, notes=("in float64",)),
        exercise("pool", function("a", "does not end", False, "timeout"), function("b", "right", True, None, 0.5)),
        exercise("load", *(function(n, "the file raises", False, "exception", 2.0) for n in ("f", "g"))),
    ),
    None,
    Limits(3, 100),
)
RIGHT = Grade("hw.py", (exercise("conv", function("dX", "right", True)),), None, Limits())
BROKEN = Grade("hw.py", (), "the file is not there", Limits())
PRINTS = Grade("hw.py", (exercise("e", function("f", "right", True), output=Output("a\nb\n", 2, 4)),), None, Limits())
NASTY = Grade(
    HOSTILE,
    (exercise(HOSTILE, function("f", HOSTILE, False, "exception"), notes=(HOSTILE,), output=Output(HOSTILE, 1, 9)),),
    None,
    Limits(),
)


def test_text():
    assert str(GRADE) == """\
hw.py: FAILED, 0 of 3 exercises right, 1.5 of 7.5 points

conv: FAILED, 1 of 2 points
  in float64
  passed  dX  right
  FAILED  dK  1 of 4 entries is wrong, by 2

          expected   actual    difference
           19 -19    *21 -19   *2  0
            1   2      1   2    0  0

pool: FAILED, 0.5 of 1.5 points
  FAILED  a  does not end
  passed  b  right

load: FAILED, 0 of 4 points
  FAILED  f, g  the file raises

* marks a wrong entry"""
    right = "hw.py: passed, the exercise is right, 1 of 1 point\n\nconv: passed, 1 of 1 point\n  passed  dX  right"
    assert str(RIGHT) == right
    assert str(BROKEN) == "hw.py: FAILED; the file is not there"
    assert str(PRINTS).endswith("\n  it printed 2 lines (4 bytes):\n    | a\n    | b")


def test_a_grade_is_true_where_there_are_exercises_and_all_are_right():
    assert [bool(grade) for grade in (GRADE, RIGHT, BROKEN)] == [False, True, False]
    assert [(grade.score, grade.max_score) for grade in (GRADE, RIGHT, BROKEN)] == [(1.5, 7.5), (1, 1), (0, 0)]


def test_what_is_not_enforced_stands_in_every_report(monkeypatch):
    monkeypatch.setattr(Limits, "unenforced", ("memory is not limited on mars",))
    assert "Note that memory is not limited on mars." in str(GRADE)
    assert "Note that memory is not limited on mars." in GRADE.to_html()
    assert json.loads(GRADE.to_json())["limits"]["unenforced"] == ["memory is not limited on mars"]


def test_json():
    document = json.loads(GRADE.to_json())
    assert document["limits"] == {"timeout": 3, "memory": 100, "unenforced": list(Limits().unenforced)}
    assert (document["file"], document["passed"]) == ("hw.py", False)
    assert (document["score"], document["max_score"]) == (1.5, 7.5)
    assert document["problem"] is None
    conv, pool, load = document["exercises"]
    assert (conv["name"], conv["title"], conv["passed"], conv["score"], conv["max_score"]) == (
        ("conv", "the conv", False, 1, 2)
    )
    assert (conv["seconds"], conv["notes"]) == (0.25, ["in float64"])
    assert conv["output"] == {"head": "", "lines": 0, "size": 0}
    assert conv["functions"][1]["actual"] == [[21, -19], [1, 2]]
    assert conv["functions"][1]["wrong"] == [[0, 0]]
    assert [f["failure"] for f in conv["functions"] + pool["functions"]] == [None, None, "timeout", None]
    assert [(f["score"], f["max_score"]) for f in load["functions"]] == [(0, 2), (0, 2)]
    assert json.loads(BROKEN.to_json())["problem"] == "the file is not there"


def test_junit():
    root = ElementTree.fromstring(GRADE.to_junit())
    assert root.attrib == {"name": "hw.py", "tests": "6", "failures": "1", "errors": "3", "skipped": "0"}
    conv, pool, load = root
    counts = {"name": "conv", "tests": "2", "failures": "1", "errors": "0", "skipped": "0"}
    assert conv.attrib == counts | {"time": "0.250"}
    right, wrong = conv.findall("testcase")
    assert (right.get("classname"), right.get("name"), right.find("system-out").text) == ("conv", "dX", "right")
    assert wrong.find("failure").get("message") == "1 of 4 entries is wrong, by 2"
    assert "*21 -19" in wrong.find("failure").text
    assert pool.find("testcase/error").get("type") == "timeout"
    assert [case.get("name") for case in load] == ["f", "g"]
    broken = ElementTree.fromstring(BROKEN.to_junit())
    assert broken.get("errors") == broken[0].get("errors") == "1"
    assert broken.find("testsuite/testcase/error").get("message") == "the file is not there"


def test_gradescope():
    results = json.loads(GRADE.to_gradescope())
    assert set(results) == {
        *("score", "execution_time", "output", "output_format", "visibility", "stdout_visibility", "tests")
    }
    assert (results["score"], results["execution_time"]) == (1.5, 0.25)
    assert [(t["name"], t["score"], t["max_score"], t["status"]) for t in results["tests"]] == [
        ("conv: dX", 1, 1, "passed"),
        ("conv: dK", 0, 1, "failed"),
        ("pool: a", 0, 1, "failed"),
        ("pool: b", 0.5, 0.5, "passed"),
        ("load: f", 0, 2, "failed"),
        ("load: g", 0, 2, "failed"),
    ]
    assert all((t["visibility"], t["output_format"]) == ("visible", "text") for t in results["tests"])
    assert "*21 -19" in results["tests"][1]["output"]
    assert results["output"].splitlines()[:2] == [
        "hw.py: FAILED, 0 of 3 exercises right, 1.5 of 7.5 points",
        "conv: in float64",
    ]
    broken = json.loads(BROKEN.to_gradescope())
    assert (broken["score"], broken["tests"], broken["output"]) == (0, [], "hw.py: the file is not there")


class Page(HTMLParser):
    """The tags of a page, each of which must be closed, and its text."""

    VOID = ("meta", "link", "br", "img")

    def __init__(self, source):
        super().__init__()
        self.open, self.tags, self.words = [], [], ""
        self.feed(source)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.words += data


def test_html():
    page = Page(GRADE.to_html())
    kinds = [attributes.get("class") for tag, attributes in page.tags if tag in ("section", "article")]
    assert kinds == [
        "tg-report failed",
        *("exercise failed", "passed", "failed"),
        *("exercise failed", "failed", "passed"),
        *("exercise failed", "failed"),  # one reason, once
    ]
    words = " ".join(page.words.split())
    assert "hw.py: failed, 0 of 3 exercises right, 1.5 of 7.5 points" in words
    assert "conv, the conv: failed, 1 of 2 points" in words
    assert "f, g: failed the file raises" in words
    assert [tag for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)] == ["h1", *["h2", "h3", "h3"] * 2, "h2", "h3"]
    assert [tag for tag, _ in page.tags].count("style") == 2
    assert "hw.py: failed; the file is not there" in Page(BROKEN.to_html()).words
    assert ("details", {}) in Page(PRINTS.to_html()).tags
    assert ("details", {}) not in page.tags


def test_a_page_runs_and_loads_nothing():
    tags = Page(GRADE.to_html()).tags
    policies = [of["content"] for _, of in tags if of.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    for tag, attributes in tags:
        assert tag not in ("script", "link", "iframe", "img")
        assert not {"src", "href"} & set(attributes)


def test_a_notebook_shows_the_same():
    assert GRADE._repr_html_() in GRADE.to_html()


@pytest.mark.parametrize("write", [str, Grade.to_html, Grade.to_json, Grade.to_junit, Grade.to_gradescope])
def test_hostile_text_stays_text(write):
    written = write(NASTY)
    assert "\x1b" not in written
    assert "\x00" not in written
    written.encode()  # no lone surrogate
    if write is Grade.to_html:
        assert not {"script"} & {tag for tag, _ in Page(written).tags}
    if write is Grade.to_junit:
        ElementTree.fromstring(written)

"""Scripts and notebooks: what is read, which names they define, and how a notebook's cells run."""

import json

import pytest

from tests.verify.grading.homework import TRIPLE, graded
from tinygrad_cnn.verify.grading.failures import StudentFile
from tinygrad_cnn.verify.grading.notebook import code_cells
from tinygrad_cnn.verify.grading.submission import Submission


def notebook(*sources, **more):
    """A notebook of nbformat 4 with these code cells, each after a cell of text."""
    cells = []
    for source in sources:
        cells.append({"cell_type": "markdown", "metadata": {}, "source": ["# def double(x): return 1\n"]})
        lines = source.splitlines(keepends=True)
        cells.append({"cell_type": "code", "metadata": {}, "source": lines, "outputs": [], "execution_count": None})
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5} | more)


def names(tmp_path, source, name="hw.py"):
    path = tmp_path / name
    path.write_text(source, encoding="utf-8")
    return Submission(StudentFile(path)).names()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(): pass\nasync def g(): pass\nclass C: pass", ["f", "g", "C"]),
        ("f = g = lambda: 0\nh: int = 1\n(a, [b, *c]) = 1, [2]", ["f", "g", "h", "a", "b", "c"]),
        ("from m import f, g as h\nimport a.b, c as d", ["f", "h", "a.b", "d"]),
        ("if True:\n    def f(): pass\nelse:\n    def g(): pass", ["f", "g"]),
        ("try:\n    def f(): pass\nexcept E:\n    f = 1\nfinally:\n    g = 1", ["f", "g"]),
        ("for i in x:\n    def f(): pass\nwith y:\n    g = 1", ["f", "g"]),
        ("def f():\n    def inner(): pass\n    x = 1", ["f"]),
        ("", []),
        ("f()\n# def g(): pass\n'def h(): pass'", []),
    ],
)
def test_the_names_of_a_script(source, expected, tmp_path):
    assert names(tmp_path, source) == expected


def test_the_names_of_a_notebook_are_those_of_its_code_cells(tmp_path):
    source = notebook("def f(): pass", "not python at all", "%time\ng = 1")
    assert names(tmp_path, source, "hw.ipynb") == ["f", "g"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1", "x = 1"),
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("if x:\n    !pip install numpy\n    y = 1", "if x:\n    pass\n    y = 1"),
        ("files = !ls\nhere = %pwd", "pass\npass"),
        ("np.sum?\n?np.sum\nnp.sum??\nx = 1", "pass\npass\npass\nx = 1"),
        ("%%time\nx = 1", "pass\nx = 1"),
        ("\n%%capture out\nx = 1", "\npass\nx = 1"),
        ("%%bash\nls", ""),
        ("%%html\n<b>x = 1</b>", ""),
        ("text = '''\n%not a magic\n'''", "text = '''\n%not a magic\n'''"),  # is Python as it stands
        ("x = (7\n  % 3)", "x = (7\n  % 3)"),
        ("%pylab\nx = (7\n  % 3)", "pass\nx = (7\n  % 3)"),
    ],
)
def test_lines_for_ipython_alone_are_left_out_and_the_others_keep_their_numbers(source, expected):
    ((name, code),) = code_cells(notebook(source), "hw.ipynb")
    assert name == "hw.ipynb, cell 2"
    assert code == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "hw.ipynb is no notebook: it is not JSON"),
        ("[1]", "hw.ipynb is no notebook: it has no cells"),
        ('{"cells": 3}', "hw.ipynb is no notebook: it has no cells"),
        ('{"worksheets": [], "nbformat": 3}', "hw.ipynb is of an old format; save it in the current one (nbformat 4)"),
        (notebook("x", metadata={"kernelspec": {"language": "R"}}), "hw.ipynb is a notebook in R, not in Python"),
        (notebook("x", metadata={"language_info": {"name": "julia"}}), "is a notebook in julia, not in Python"),
        ("[" * 100_000, "hw.ipynb is no notebook: it is not JSON"),
    ],
)
def test_what_is_no_notebook(text, words, tmp_path):
    with pytest.raises(ValueError, match=r"hw\.ipynb") as caught:
        list(code_cells(text, "hw.ipynb"))
    assert words in str(caught.value)
    (exercise,) = graded(tmp_path, text, "hw.ipynb", ["double"]).exercises
    assert words in exercise.functions[0].message
    assert exercise.functions[0].failure == "unreadable"


@pytest.mark.parametrize("metadata", [None, [], {"kernelspec": None}, {"kernelspec": {"language": "python"}}, {}])
def test_metadata_may_be_anything(metadata):
    assert len(list(code_cells(notebook("x", "y", metadata=metadata), "hw.ipynb"))) == 2


def test_a_cells_source_may_be_one_string_and_cells_may_be_odd():
    cells = [{"cell_type": "code", "source": "x = 1\ny"}, {"cell_type": "code"}, 7, {"cell_type": "raw", "source": "z"}]
    text = json.dumps({"cells": cells, "nbformat": 4})
    assert list(code_cells(text, "n")) == [("n, cell 1", "x = 1\ny"), ("n, cell 2", "")]


def test_a_notebook_is_graded_and_places_are_cells(tmp_path):
    first = "%matplotlib inline\nimport numpy as np\ndisplay(np.ones(1))"
    grade = graded(tmp_path, notebook(first, "\ndef double(x):\n    return x[7]", TRIPLE), "hw.ipynb")
    double, triple = grade.exercises
    assert double.functions[0].message.endswith("(hw.ipynb, cell 4, line 3, in double)")
    assert "IndexError" in double.functions[0].message
    assert triple.passed
    assert double.output.head == "[1.]\n"


def test_a_cell_that_fails_is_noted_and_the_next_ones_run(tmp_path):
    """The student's own test at the end of the notebook may well fail."""
    right, fails = "def double(x): return 2 * x", "assert double(1) == 3, 'wrong'"
    grade = graded(tmp_path, notebook(right, fails, "this is no Python", "1 / 0", TRIPLE, "exit()"), "hw.ipynb")
    assert grade.passed
    for exercise in grade.exercises:
        assert exercise.notes == (
            "a cell raises AssertionError: wrong (hw.ipynb, cell 4, line 1)",
            "a cell is not Python: SyntaxError: invalid syntax (hw.ipynb, cell 6, line 1): this is no Python",
            "a cell raises ZeroDivisionError: division by zero (hw.ipynb, cell 8, line 1)",
            "a cell calls sys.exit(None) (hw.ipynb, cell 12, line 1)",
        )
    assert "a cell raises AssertionError: wrong (hw.ipynb, cell 4, line 1)" in " ".join(str(grade).split())


def test_a_script_runs_as_a_module_beside_its_other_files(tmp_path):
    (tmp_path / "helper.py").write_text("def twice(x): return 2 * x\n", encoding="utf-8")
    (tmp_path / "data.txt").write_text("2", encoding="utf-8")
    code = """
import os, pathlib, sys
from helper import twice
assert __name__ == "hw" and sys.modules["hw"].__file__ == __file__ and sys.argv == [__file__]
assert pathlib.Path(__file__).with_name("data.txt").read_text() == "2"
assert not os.listdir(".")  # an empty folder
if __name__ == "__main__":
    raise AssertionError

def double(x):
    return twice(x)
"""
    assert graded(tmp_path, code, exercises=["double"])
    assert {path.name for path in tmp_path.iterdir()} == {"helper.py", "data.txt", "hw.py", "teacher.py"}  # no caches


def test_an_error_in_another_file_of_the_students_names_that_file(tmp_path):
    (tmp_path / "helper.py").write_text("def twice(x):\n    return 1 / 0\n", encoding="utf-8")
    grade = graded(tmp_path, "from helper import twice as double", exercises=["double"])
    message = "raises ZeroDivisionError: division by zero (helper.py, line 2, in twice)"
    assert grade.exercises[0].functions[0].message == message


@pytest.mark.parametrize("name", ["numpy.py", "json.py", "tinygrad_cnn.py", "my homework (1).py", "hausübung.py"])
def test_a_file_may_have_any_name(name, tmp_path):
    grade = graded(tmp_path, "import numpy as np\ndef double(x):\n    return np.add(x, x)" + TRIPLE, name)
    assert grade.passed
    assert str(grade).startswith(f"{name}: passed, all 2 exercises are right")


def test_places_in_a_file_of_a_strange_name(tmp_path):
    grade = graded(tmp_path, "def double(x):\n    while True: pass", "hausübung.py", ["double"])
    assert grade.exercises[0].functions[0].message.endswith("(hausübung.py, line 2, in double)")

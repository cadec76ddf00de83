"""examples/homework: what its README shows comes out, and every file does what it says."""

import doctest
import json
import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from tests.verify.grading.homework import write
from tinygrad_cnn import cli
from tinygrad_cnn.verify.grading import grade

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "homework"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```sh\ntinygrad-cnn ([^\n]+)\n```\n```text\n(.*?)```", README, re.DOTALL)


def test_the_readme_shows_commands():
    assert len(SHOWN) == README.count("```sh") == 8


@pytest.mark.parametrize(("command", "expected"), SHOWN, ids=[command for command, _ in SHOWN])
def test_what_the_readme_shows_comes_out(command, expected, tmp_path, capsys, monkeypatch):
    if "crashes.py" in command and sys.platform != "linux":
        pytest.skip("memory is limited on Linux")
    shutil.copytree(FOLDER, tmp_path / "homework")
    monkeypatch.chdir(tmp_path / "homework")
    status = cli.main(shlex.split(command))
    printed = capsys.readouterr().out
    assert doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS), printed
    assert status == ("FAILED" in expected)


def test_the_readme_names_every_file():
    names = {path.name for path in FOLDER.iterdir()} - {"README.md", "__pycache__"}
    assert {name for name in names if f"[`{name}" not in README} == set()


@pytest.mark.parametrize(
    ("name", "diagnoses"),
    [
        ("kernel_not_rotated", {"dX": "kernel-not-rotated"}),
        ("padding_and_bias", {"dX": "padding-not-taken-off", "linear_dB": "bias-summed-over-too-many-axes"}),
        ("every_tie", {"max_pool_dX": "gradient-to-every-tie"}),
    ],
)
def test_a_wrong_homework_gets_its_mistakes_named(name, diagnoses):
    functions = [f for exercise in grade(FOLDER / "wrong" / f"{name}.py").exercises for f in exercise.functions]
    assert {f.name: f.data["diagnosis"]["name"] for f in functions if not f.passed} == diagnoses


def test_the_notebook_is_a_notebook_and_runs_as_jupyter_runs_it():
    notebook = json.loads((FOLDER / "homework.ipynb").read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    for cell in notebook["cells"]:
        assert set(cell) == {
            *("cell_type", "id", "metadata", "source"),
            *(["outputs", "execution_count"] if cell["cell_type"] == "code" else []),
        }
    found = grade(FOLDER / "homework.ipynb", ["conv2d-backward"])
    assert found.passed, str(found)
    assert found.exercises[0].notes == ()  # assert_rule in its last cell is content


def test_a_notebook_that_is_wrong_is_told_by_its_own_cell(tmp_path):
    source = (FOLDER / "homework.ipynb").read_text(encoding="utf-8").replace("dZ[i, j] * K\\n", "dZ[i, j] * K.T\\n")
    found = grade(write(tmp_path, source, "homework.ipynb"), ["conv2d-backward"])
    assert [function.passed for function in found.exercises[0].functions] == [False, True, True]
    (note,) = found.exercises[0].notes
    assert note.startswith("a cell raises AssertionError: backward rules of conv2d: FAILED, 1 of 3 checks")


def test_the_test_file(capsys):
    """Without pytest around it, as plain functions."""
    tests = runpy.run_path(str(FOLDER / "test_homework.py"))
    for argument in "XKB":
        tests["test_gradient"](argument)
    tests["test_values"]()


def test_the_teachers_exercises(tmp_path):
    right = "def forward(X, W): return X @ W\ndef dX(dZ, X, W): return dZ @ W.T\ndef dW(dZ, X, W): return X.T @ dZ\n"
    file = write(tmp_path, right + "def edges(image): return image[:, :-1] - image[:, 1:]\n")
    found = grade(file, ["own-layer", "edges"], own=FOLDER / "exercises.py")
    assert [(exercise.score, exercise.max_score) for exercise in found.exercises] == [(4, 4), (0, 1)]
    assert "the left minus the right" in " ".join(str(found).split())


# docs/grading.md

GUIDE = (FOLDER.parents[1] / "docs" / "grading.md").read_text(encoding="utf-8")


def test_the_guide_describes_every_key_of_the_json_report():
    table = GUIDE[GUIDE.index("## The JSON report") : GUIDE.index("## Exercises of your own")]
    described = set(re.findall(r"`(\w[\w-]*)`", table))
    document = json.loads(grade(FOLDER / "wrong" / "kernel_not_rotated.py").to_json())
    values = grade(FOLDER / "solution.py", ["conv2d-forward"])
    keys = set(document) | set(document["limits"]) | set(document["exercises"][0])
    for function in document["exercises"][0]["functions"] + json.loads(values.to_json())["exercises"][0]["functions"]:
        keys |= set(function) | set(function.get("diagnosis") or {}) | set(function.get("counterexample") or {})
    assert keys - described == set()


def test_the_guide_knows_every_option_and_format(capsys):
    with pytest.raises(SystemExit):
        cli.main(["verify", "--help"])
    options = set(re.findall(r"--\w+", capsys.readouterr().out)) - {"--help"}
    assert {option for option in options if f"`{option}" not in GUIDE.replace(", `", " `")} == set()
    assert all(f"`{form}`" in GUIDE for form in cli.FORMATS)


def test_the_guides_python_is_python():
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        compile(block, "grading.md", "exec")


def test_the_guides_exercise_is_one(tmp_path):
    (block,) = [block for block in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL) if "EXERCISES" in block]
    from tinygrad_cnn.verify.grading import exercises

    assert exercises(write(tmp_path, block, "teacher.py"))["own-layer"].max_score == 4

"""assert_rule and assert_values: silent or an AssertionError with the whole report, in pytest and in a doctest."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.verify import assert_rule, assert_values, check_rule, check_values

ROOT = Path(__file__).resolve().parents[2]
CASES = [{"X": (2, 3)}, {"X": (3,)}]


def double(X):
    return 2 * X


def right(dZ):
    return 2 * dZ


def wrong(dZ):
    return -2 * dZ


def test_right_rules_and_values_say_nothing():
    assert assert_rule(double, {"X": right}, cases=CASES) is None
    assert assert_values([1, 2], "1 2") is None
    assert assert_values({"a": 1, "b": [2.5]}, {"a": 1, "b": [2.51]}, tolerance=0.1) is None


def test_a_wrong_rule_raises_the_whole_report():
    with pytest.raises(AssertionError) as caught:
        assert_rule(double, {"X": wrong}, CASES, "exact", 3)
    assert str(caught.value) == str(check_rule(double, {"X": wrong}, CASES, "exact", 3))
    assert "backward rules of double: FAILED, 1 of 1 check" in str(caught.value)
    assert caught.value.__cause__ is None


def test_wrong_values_raise_the_whole_report():
    expected, mistakes = [[1, 2], [3, 4]], {"the rows changed places": [[3, 4], [1, 2]]}
    with pytest.raises(AssertionError) as caught:
        assert_values(expected, "3 4; 1 2", name="Z", mistakes=mistakes)
    assert str(caught.value) == str(check_values(expected, "3 4; 1 2", None, "Z", "values", mistakes))
    assert "the rows changed places" in str(caught.value)


def test_the_arguments_are_those_of_the_checks():
    """Whatever check_rule learns, assert_rule takes."""
    for assertion, check, own in ((assert_rule, check_rule, set()), (assert_values, check_values, {"title"})):
        theirs = inspect.signature(check).parameters
        assert [p.name for p in inspect.signature(assertion).parameters.values()] == [n for n in theirs if n not in own]
        for name, parameter in inspect.signature(assertion).parameters.items():
            assert parameter.default == theirs[name].default


def test_a_wrong_call_is_no_failed_assertion():
    with pytest.raises(TypeError):
        assert_rule(double, {"X": 3}, cases=CASES)
    with pytest.raises(ValueError, match="NaN"):
        assert_values(np.nan, 1)


def test_the_names_are_public():
    assert tg.verify.assert_rule is assert_rule
    assert tg.verify.assert_values is assert_values


def test_pytest_shows_the_report_and_no_line_of_this_library(tmp_path):
    test = tmp_path / "test_homework.py"
    test.write_text(
        "import tinygrad_cnn as tg\n"
        "def double(X): return 2 * X\n"
        "def test_dX():\n"
        "    tg.verify.assert_rule(double, {'X': lambda dZ: dZ}, cases=[{'X': (2, 2)}])\n"
        "def test_Z():\n"
        "    tg.verify.assert_values([19, -19], '21 -21')\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, str(test)]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "E       AssertionError: backward rules of double: FAILED, 1 of 1 check" in done.stdout
    assert "E         FAILED  result  2 of 2 entries are wrong, by up to 2" in done.stdout
    assert "::test_Z - AssertionError: values: FAILED, 1 of 1 check" in done.stdout
    assert "tg.verify.assert_values([19, -19], '21 -21')" in done.stdout
    assert "assertions.py" not in done.stdout

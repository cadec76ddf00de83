"""The worker's process: its limits, its environment, and that its own start costs a student nothing."""

import json
import math
import os
import sys
from textwrap import dedent

import pytest

from tests.verify.grading.homework import SHORT, TEACHER, graded, write
from tinygrad_cnn.verify.grading import Limits, exercises, grade
from tinygrad_cnn.verify.grading import process as processes
from tinygrad_cnn.verify.grading.failures import Failure

RIGHT = "def double(x):\n    return 2 * x\n"


@pytest.mark.parametrize(("timeout", "memory"), [(0, 1), (-1, 1), (math.nan, 1), (math.inf, 1), (1, 0), (1, -5)])
def test_limits_are_positive(timeout, memory):
    with pytest.raises(ValueError, match="expected a positive number of"):
        Limits(timeout, memory)


def test_the_start_of_the_checker_is_not_the_students_time_or_memory(tmp_path, monkeypatch):
    """A machine where Python, NumPy and this library need longer than the limit; they need more memory on every one."""
    monkeypatch.setattr(processes, "_START", f"import time; time.sleep(1.5); {processes._START}")
    result = graded(tmp_path, RIGHT, exercises=["double"], limits=Limits(1, 40))
    assert result, str(result)
    assert result.exercises[0].seconds < 1


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")
def test_memory_is_counted_on_top_of_the_checkers(tmp_path):
    code = "import numpy as np\ndef double(x):\n    np.ones({} << 20, dtype=np.uint8)\n    return 2 * x\n"
    assert graded(tmp_path, code.format(150), exercises=["double"], limits=Limits(5, 200))
    (exercise,) = graded(tmp_path, code.format(200), exercises=["double"], limits=Limits(5, 200)).exercises
    assert exercise.functions[0].failure == "memory"


@pytest.mark.skipif(os.name != "posix", reason="needs resource limits")
def test_limits_can_not_be_lifted(tmp_path):
    code = """
        import resource
        for name in ("RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_CORE", "RLIMIT_CPU"):
            which = getattr(resource, name)
            soft, hard = resource.getrlimit(which)
            print(name, soft == hard != resource.RLIM_INFINITY)
        def double(x):
            return 2 * x
    """
    output = graded(tmp_path, dedent(code), exercises=["double"]).exercises[0].output.head
    assert output.count("True") == (4 if sys.platform == "linux" else 3)


def test_what_is_not_enforced_is_said(monkeypatch):
    from tinygrad_cnn.verify.grading import limits

    assert sys.platform != "linux" or Limits().unenforced == ()
    monkeypatch.setattr(limits, "_resource", lambda: None)
    monkeypatch.setattr(sys, "platform", "win32")
    assert Limits().unenforced == (
        "memory is not limited on win32",
        "processes that the code starts are not ended on win32",
    )
    limits.apply(1, 1)  # and nothing happens


def test_the_environment_is_not_the_students_to_read(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    code = """
        import json, os, sys
        print(json.dumps([dict(os.environ), sys.flags.dont_write_bytecode, os.getcwd()]))
        def double(x):
            return 2 * x
    """
    head = graded(tmp_path, dedent(code), exercises=["double"]).exercises[0].output.head
    environment, writes_no_bytecode, folder = json.loads(head)
    assert "hunter2" not in head
    assert os.path.realpath(environment["HOME"]) == os.path.realpath(folder)
    assert environment["MPLBACKEND"] == "Agg"
    assert writes_no_bytecode
    assert not os.path.exists(folder)  # nothing is left


def test_a_checker_that_does_not_start_is_no_fault_of_the_student(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_START", "raise SystemExit(7)")
    outcome = processes.run(write(tmp_path, RIGHT), SHORT, "double", ["double"])
    text = "can't be checked: the checker did not start (exit status 7)"
    assert outcome.failure == Failure("checker", text, "loading")


def test_a_checker_that_hangs_at_its_start_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_START", "import time; time.sleep(60)")
    monkeypatch.setattr(processes, "STARTUP", 0.3)
    assert processes.run(write(tmp_path, RIGHT), SHORT).failure.kind == "checker"


def test_ctrl_c_ends_the_worker(tmp_path, monkeypatch):
    started = []
    start = processes._start
    monkeypatch.setattr(processes, "_start", lambda place: started.append(start(place)) or started[0])

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(processes, "_wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        processes.run(write(tmp_path, "while True: pass"), Limits(60), "double", ["double"])
    assert started[0].poll() is not None


# Which exercises are graded


def test_without_names_those_exercises_are_graded_of_which_the_file_has_a_function(tmp_path):
    own = write(tmp_path, TEACHER, "teacher.py")
    assert [e.name for e in grade(write(tmp_path, RIGHT), (), SHORT, own).exercises] == ["double"]
    both = RIGHT + "from math import sqrt as triple\n"
    assert [e.name for e in grade(write(tmp_path, both), (), SHORT, own).exercises] == ["double", "triple"]


def test_an_exercise_that_is_only_for_those_who_ask_is_graded_only_then(tmp_path):
    teacher = TEACHER.replace("points=2", "points=2, is_automatic=False")
    own, file = write(tmp_path, teacher, "teacher.py"), write(tmp_path, RIGHT + "def triple(x): return 3 * x\n")
    assert [e.name for e in grade(file, (), SHORT, own).exercises] == ["double"]
    assert [e.name for e in grade(file, ["triple", "triple"], SHORT, own).exercises] == ["triple"]


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("def doubel(x): pass", "it defines doubel (did you mean double for doubel?)"),
        ("x = 1", "it defines x"),
        ("", "it defines nothing"),
        ("def f(:", "the file is not Python: SyntaxError: "),
    ],
)
def test_a_file_without_any_exercise(code, problem, tmp_path):
    found = grade(write(tmp_path, code), (), SHORT, write(tmp_path, TEACHER, "teacher.py"))
    assert problem in found.problem
    assert (bool(found), found.exercises, found.max_score) == (False, (), 0)


def test_an_unknown_exercise_is_refused_with_the_nearest_name(tmp_path):
    with pytest.raises(ValueError, match=r"called 'conv2d-backwards' \(did you mean conv2d-backward\?\)"):
        grade(write(tmp_path, RIGHT), ["conv2d-backwards"])


@pytest.mark.parametrize(
    ("teacher", "words"),
    [
        ("x = 1", "defines no tinygrad_cnn.verify.grading.Exercise"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        (TEACHER.replace('"triple"', '"double"'), "two exercises are called 'double'"),
        (TEACHER.replace("double(x)", "double"), 'expected a function with its arguments, "dX(dZ, X)", but got'),
        (TEACHER.replace("points=2", "points=-1"), "expected points of 0 or more but got -1"),
    ],
)
def test_a_teachers_file_that_can_not_be_used(teacher, words, tmp_path):
    with pytest.raises(ValueError, match="exercises: ") as caught:
        exercises(write(tmp_path, teacher, "teacher.py"))
    assert words in str(caught.value)


@pytest.mark.parametrize(("name", "words"), [("gone.py", "there is no file "), ("teacher.txt", " is no Python file")])
def test_a_teachers_file_that_is_none(name, words, tmp_path):
    write(tmp_path, TEACHER, "teacher.txt")
    with pytest.raises(ValueError, match=words):
        exercises(tmp_path / name)


def test_a_teachers_exercise_replaces_a_built_in_one(tmp_path):
    own = write(tmp_path, TEACHER.replace('"double"', '"relu-backward"'), "teacher.py")
    assert exercises(own)["relu-backward"].title == "twice x"
    assert exercises()["relu-backward"].title == "the gradient of a relu"


def test_a_check_that_says_nothing_of_a_function_fails_it(tmp_path):
    teacher = """
        from tinygrad_cnn.verify import Check, Report
        from tinygrad_cnn.verify.grading import Exercise

        EXERCISE = Exercise("e", "", "", {"f": "", "g": ""}, lambda functions: Report("e", [Check("f", True, "right")]))
    """
    own = write(tmp_path, dedent(teacher), "teacher.py")
    (exercise,) = grade(write(tmp_path, "def f(): pass\ndef g(): pass"), (), SHORT, own).exercises
    assert [function.passed for function in exercise.functions] == [True, False]
    assert exercise.functions[1].message == "was not judged: the exercise's check says nothing of it"


def test_a_result_that_can_not_be_shown_is_a_failure(tmp_path):
    teacher = """
        from tinygrad_cnn.verify import Check, Report
        from tinygrad_cnn.verify.grading import Exercise

        class Odd:
            def __str__(self):
                return 1 / 0

        check = Check("f", False, "odd", facts={"what": Odd()})
        EXERCISE = Exercise("e", "", "", {"f": ""}, lambda functions: Report("e", [check]))
    """
    own = write(tmp_path, dedent(teacher), "teacher.py")
    (exercise,) = grade(write(tmp_path, "def f(): pass"), (), SHORT, own).exercises
    assert exercise.functions[0].message == "can't be checked: ZeroDivisionError: division by zero"


def test_an_error_of_the_check_itself_is_not_the_students(tmp_path):
    teacher = """
        from tinygrad_cnn.verify.grading import Exercise

        EXERCISE = Exercise("e", "", "", {"f": ""}, lambda functions: {}["x"])
    """
    own = write(tmp_path, dedent(teacher), "teacher.py")
    (exercise,) = grade(write(tmp_path, "def f(): pass"), (), SHORT, own).exercises
    assert exercise.functions[0].message == "can't be checked: KeyError: 'x'"
    assert exercise.functions[0].failure == "checker"

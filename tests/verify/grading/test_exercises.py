"""The built-in exercises: right answers pass in every one, wrong ones fail in the function that is wrong."""

import pytest

from tests.verify.grading import answers
from tests.verify.grading.homework import write
from tinygrad_cnn.verify.grading import Exercise, Limits, exercises, grade

AUTOMATIC = [name for name, exercise in exercises().items() if exercise.is_automatic]
LIMITS = Limits(60, 1024)


def test_right_answers_pass_in_every_exercise(tmp_path):
    found = grade(write(tmp_path, answers.RIGHT), limits=LIMITS)
    assert [exercise.name for exercise in found.exercises] == AUTOMATIC
    assert found.passed, str(found)
    assert found.score == found.max_score == sum(len(exercises()[name].functions) for name in AUTOMATIC)


@pytest.mark.parametrize(
    ("name", "code"), [("conv2d-layer-backward", answers.LAYER), ("lecture-14", answers.LECTURE_14)]
)
def test_right_answers_to_the_exercises_for_those_who_ask(name, code, tmp_path):
    found = grade(write(tmp_path, code), [name], LIMITS)
    assert found.passed, str(found)
    assert not exercises()[name].is_automatic


def test_every_exercise_has_a_wrong_answer_here():
    assert sorted(answers.WRONG) == sorted(AUTOMATIC)


@pytest.mark.parametrize(
    ("name", "old", "new", "wrong"), [(name, *change) for name, changes in answers.WRONG.items() for change in changes]
)
def test_wrong_answers(name, old, new, wrong, tmp_path):
    assert answers.RIGHT.count(old) == 1
    (exercise,) = grade(write(tmp_path, answers.RIGHT.replace(old, new)), [name], LIMITS).exercises
    assert {function.name for function in exercise.functions if not function.passed} == wrong
    assert all(function.failure is None for function in exercise.functions)  # judged, not crashed


def test_a_mistake_that_the_catalogue_has_is_named(tmp_path):
    rotated = answers.RIGHT.replace("+= dZ[i, j] * K\n", "+= dZ[i, j] * K[::-1, ::-1]\n")
    (exercise,) = grade(write(tmp_path, rotated), ["conv2d-backward"], LIMITS).exercises
    function = exercise.functions[0]
    assert function.data["diagnosis"]["name"] in function.message
    assert function.data["counterexample"]["wrong"]
    assert len(function.data["expected"]) <= 3


def test_a_forward_that_convolves_is_told_so(tmp_path):
    rotated = answers.RIGHT.replace("K.shape[1]] * K) + B", "K.shape[1]] * K[::-1, ::-1]) + B")
    text = str(grade(write(tmp_path, rotated), ["conv2d-forward"], LIMITS))
    assert "the kernel is rotated by 180 degrees" in " ".join(text.split())


def test_a_rule_that_changes_what_it_was_given_fails(tmp_path):
    code = "def relu_dX(dZ, X):\n    dZ *= X > 0\n    return dZ\n"
    (exercise,) = grade(write(tmp_path, code), (), LIMITS).exercises
    (function,) = exercise.functions
    assert not function.passed
    assert "changes what it was given" in function.message
    assert function.data["changed"] == ["dZ"]


def test_a_rule_that_is_not_done_or_raises_says_where(tmp_path):
    code = "def dX(dZ): raise NotImplementedError\n\ndef dK(dZ):\n    return dZ[99]\n\ndef dB(x): return x.nothing\n"
    (exercise,) = grade(write(tmp_path, code), (), LIMITS).exercises
    messages = [function.message for function in exercise.functions]
    assert "not done yet (line 1" in messages[0]
    assert "IndexError" in messages[1]
    assert "(line 4: return dZ[99])" in messages[1]
    assert "AttributeError" in messages[2]


def test_the_students_own_forward(tmp_path):
    """An exercise may take the student's own layer, whose gradient its scalar graph has."""
    teacher = """
from tinygrad_cnn.verify.grading import Exercise

EXERCISE = Exercise.of_rules(
    "layer", "a layer of your own", "", "forward(X, W)", {"X": "dX(dZ, X, W)", "W": "dW(dZ, X, W)"},
    cases=[{"X": (2, 3), "W": (3, 2)}],
)
"""
    own = write(tmp_path, teacher, "teacher.py")
    rules = "def dX(dZ, X, W): return 2 * dZ @ W.T\n\ndef dW(dZ, X, W): return X.T @ dZ\n"
    file = write(tmp_path, "def forward(X, W): return 2 * X @ W\n\n" + rules)
    (exercise,) = grade(file, ["layer"], LIMITS, own).exercises
    assert [function.passed for function in exercise.functions] == [True, False]
    (exercise,) = grade(write(tmp_path, rules), ["layer"], LIMITS, own).exercises
    assert {f.message for f in exercise.functions} == {"can't be checked: forward is missing: define forward(X, W)"}


def test_an_exercise_needs_functions():
    with pytest.raises(ValueError, match="Exercise e: expected at least one function"):
        Exercise("e", "", "", {}, lambda functions: None)


def test_every_exercise_says_what_it_asks_for():
    for exercise in exercises().values():
        assert exercise.title
        assert len(exercise.statement) > 20
        assert all("(" in signature for signature in exercise.signatures)
        assert exercise.max_score == len(exercise.functions)


def test_who_has_handed_in_nothing_is_not_told_the_formula(tmp_path):
    exercise = exercises()["conv2d-backward"]
    empty = "".join(f"def {signature}: raise NotImplementedError\n" for signature in exercise.signatures)
    found = grade(write(tmp_path, empty), [exercise.name], LIMITS)
    for function in found.exercises[0].functions:
        assert function.data["formula"] is function.data["expected"] is function.data["counterexample"] is None
        assert function.details == ()
    for report in (str(found), found.to_html(), found.to_json()):
        assert "rotated" not in report
        assert "correlated" not in report


def test_a_rule_that_gives_nothing_is_shown_the_case_and_no_formula(tmp_path):
    code = "def relu_dX(dZ, X):\n    return dZ[99]\n"
    (function,) = grade(write(tmp_path, code), (), LIMITS).exercises[0].functions
    assert function.message.startswith("it raised IndexError: ")
    assert function.data["counterexample"]["inputs"]["X"]
    assert function.data["formula"] is None

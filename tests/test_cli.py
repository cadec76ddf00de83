"""The command `tinygrad-cnn`, run as a user runs it."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import standin
from tinygrad_cnn import cli, data, demo, training

ROOT = Path(__file__).parent.parent


@pytest.fixture
def few_digits(monkeypatch):
    """A tenth of the digits, so that an epoch takes no time."""
    digits = data.digits()
    few = type(digits)(*(part[:160] for part in digits))
    monkeypatch.setattr(data, "digits", lambda: few)


needs_graphviz = pytest.mark.skipif(find_spec("graphviz") is None, reason="needs graphviz")


@needs_graphviz
def test_the_demo_trains_verifies_and_says_where_each_file_is(few_digits, tmp_path, capsys):
    out = tmp_path / "new" / "folder"
    assert cli.main(["demo", "--epochs", "2", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    for line in ("epoch  1/2   loss ", "epoch  2/2   loss ", "conv2d's backward formulas: passed", "cpu"):
        assert line in printed
    for formula in ("dX", "dK", "dB"):
        assert f"passed  {formula} " in printed
    written = {path.name for path in out.iterdir()}
    assert "graph.dot" in written
    if find_spec("matplotlib"):
        assert written >= {"loss.png", "kernels.png", "feature_maps.png"}
    for name in written:
        assert f"{out / name}: " in printed
        assert (out / name).stat().st_size > 100
    dot = (out / "graph.dot").read_text(encoding="utf-8")
    assert all(name in dot for name in ("conv1.weight", "max_pool2d", "cross_entropy", "digit"))
    assert "not kept" not in dot


@needs_graphviz
def test_the_same_seed_gives_the_same_numbers(few_digits, tmp_path, capsys):
    printed = []
    for seed in ("7", "7", "8"):
        cli.main(["demo", "--epochs", "1", "--seed", seed, "--out", str(tmp_path)])
        printed.append([line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")])
    assert printed[0] == printed[1] != printed[2]


@needs_graphviz
def test_ctrl_c_keeps_what_was_learned(few_digits, tmp_path, capsys, monkeypatch):
    accuracy, calls = training.accuracy, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 4:  # in the evaluation of the second epoch
            raise KeyboardInterrupt
        return accuracy(*arguments)

    monkeypatch.setattr(training, "accuracy", interrupted)
    assert cli.main(["demo", "--epochs", "5", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "interrupted after 1 of 5 epochs" in printed
    assert (tmp_path / "graph.dot").stat().st_size > 100


def test_a_wrong_formula_fails_the_demo(few_digits, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "_verify", lambda *_: False)
    monkeypatch.setattr(demo, "_draw", lambda *_: None)
    assert cli.main(["demo", "--epochs", "1", "--out", str(tmp_path)]) == 1


def run(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tinygrad_cnn", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, **options)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo", "--epochs", "0"], "--epochs: expected an integer of 1 or more but got '0'"),
        (["demo", "--epochs", "many"], "--epochs: expected an integer of 1 or more but got 'many'"),
        (["demo", "--seed", "-1"], "--seed: expected an integer of 0 or more but got '-1'"),
        (["demo", "--device", "tpu"], "device: expected 'cpu', 'gpu' or 'gpu:<index>' but got 'tpu'"),
        (["demo", "--out", "{file}/folder"], "can't write to the folder"),
        (["paint"], "invalid choice: 'paint'"),
        ([], "required: command"),
    ],
)
def test_a_bad_option_gets_one_clear_line_and_a_non_zero_exit(arguments, words, tmp_path):
    (tmp_path / "file").touch()
    done = run(*(argument.format(file=tmp_path / "file") for argument in arguments), cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]  # nothing was left behind


def test_without_a_gpu_the_device_says_what_is_missing(tmp_path):
    if find_spec("cupy"):
        pytest.skip("CuPy is installed")
    done = run("demo", "--device", "gpu", "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "CuPy is not installed" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_version():
    import tinygrad_cnn

    assert run("--version").stdout.strip() == f"tinygrad_cnn {tinygrad_cnn.__version__}"


@needs_graphviz
def test_the_formulas_are_checked_on_a_gpu_where_there_is_one(few_digits, tmp_path, capsys, monkeypatch):
    standin.install(monkeypatch, devices=1)
    assert cli.main(["demo", "--epochs", "1", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "digits, on cpu:" in printed
    assert "digits, on gpu:0:" in printed
    assert printed.count("passed  dX in float32") == 2


# verify


HOMEWORK = "def relu_dX(dZ, X):\n    return dZ * (X > 0)\n"


def homework(folder, code=HOMEWORK, name="hw.py"):
    path = folder / name
    path.write_text(code, encoding="utf-8")
    return str(path)


def test_verify_grades_a_homework(tmp_path, capsys):
    assert cli.main(["verify", homework(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("hw.py: passed, the exercise is right, 1 of 1 point\n\nrelu-backward: passed, ")
    assert "  passed  relu_dX  exactly the gradient in all " in printed
    assert cli.main(["verify", homework(tmp_path, HOMEWORK.replace(">", "<"))]) == 1
    assert capsys.readouterr().out.startswith("hw.py: FAILED, 0 of 1 exercise right, 0 of 1 point\n")


@pytest.mark.parametrize(
    ("code", "status"), [(HOMEWORK, 0), ("", 1), ("def relu_dX(:", 1)], ids=["right", "nothing", "syntax"]
)
@pytest.mark.parametrize("form", cli.FORMATS)
def test_the_exit_status_is_the_same_in_every_format(form, code, status, tmp_path, capsys):
    assert cli.main(["verify", homework(tmp_path, code), "--format", form]) == status
    assert capsys.readouterr().out


def test_the_limits_are_those_that_are_given(tmp_path, capsys):
    code = "def relu_dX(dZ, X):\n    while True: pass\n"
    limits = ["--timeout", "0.5", "--memory", "300"]
    assert cli.main(["verify", homework(tmp_path, code), *limits, "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["limits"]["timeout"], document["limits"]["memory"]) == (0.5, 300)
    assert "stopped after 0.5 s" in document["exercises"][0]["functions"][0]["message"]


def test_a_missing_homework_is_a_failed_one(tmp_path, capsys):
    assert cli.main(["verify", str(tmp_path / "hw.py")]) == 1
    assert capsys.readouterr().out == "hw.py: FAILED; the file is not there\n"
    assert cli.main(["verify", str(tmp_path / "hw.py"), "--exercise", "relu-backward", "--format", "gradescope"]) == 1
    (test,) = json.loads(capsys.readouterr().out)["tests"]
    assert (test["score"], test["max_score"], test["output"]) == (0, 1, "the file is not there")


def test_verify_exercises_that_are_asked_for(tmp_path, capsys):
    names = ["--exercise", "conv2d-forward", "--exercise", "relu-backward"]
    assert cli.main(["verify", homework(tmp_path), *names]) == 1
    printed = capsys.readouterr().out
    assert "conv2d-forward: FAILED, 0 of 1 point\n  FAILED  conv2d  is missing: define conv2d(X, K, B, " in printed
    assert "relu-backward: passed" in printed


def test_verify_exercises_of_a_teachers_own(tmp_path, capsys):
    teacher = """
from tinygrad_cnn.verify.grading import Exercise
EXERCISE = Exercise.of_values("square", "x squared", "Return x squared.", lambda x: x * x, "square(x)", [{"x": (2, 2)}])
"""
    own = homework(tmp_path, teacher, "teacher.py")
    file = homework(tmp_path, "def square(x):\n    return x**2\n")
    assert cli.main(["verify", file, "--exercises", own]) == 0
    assert capsys.readouterr().out.startswith("hw.py: passed")
    assert cli.main(["verify", "--list", "--exercises", own, "--exercise", "square"]) == 0
    assert capsys.readouterr().out == "square: x squared\n\n    Return x squared.\n\n    square(x)\n"


def test_verify_writes_a_report_into_a_file(tmp_path, capsys):
    out = tmp_path / "results.json"
    assert cli.main(["verify", homework(tmp_path), "--format", "gradescope", "--out", str(out)]) == 0
    assert json.loads(out.read_text(encoding="utf-8"))["score"] == 1
    line = "hw.py: passed, the exercise is right, 1 of 1 point"
    assert capsys.readouterr().out == f"{line}\n{out}: the report\n"


def test_verify_lectures(capsys):
    """It fails where the lectures' slides themselves are wrong, and nowhere else."""
    assert cli.main(["verify", "lectures"]) == 1
    lines = capsys.readouterr().out.splitlines()
    failed = [line.split("  ")[2] for line in lines if line.startswith("  FAILED")]
    assert failed == ["strided convolution", "vertical edges, lecture 14"]
    assert max(map(len, lines)) <= 80
    for form in ("json", "html", "junit"):
        assert cli.main(["verify", "lectures", "--format", form]) == 1
        assert capsys.readouterr().out


def test_a_file_may_be_called_lectures(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    homework(tmp_path, name="lectures")
    assert cli.main(["verify", "./lectures"]) == 0
    assert capsys.readouterr().out.startswith("lectures: passed, the exercise is right")


def test_verify_lists_exercises_and_mistakes(capsys):
    assert cli.main(["verify", "--list"]) == 0
    printed = capsys.readouterr().out
    assert "conv2d-backward: the gradients of a convolution\n    dX(dZ, X, K, stride, padding)\n" in printed
    assert cli.main(["verify", "--mistakes"]) == 0
    mistakes = capsys.readouterr().out
    assert "kernel-not-rotated\n    The kernel was not rotated: " in mistakes
    assert max(map(len, (printed + mistakes).splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "expected a student's file, or lectures, --list or --mistakes"),
        (["{file}", "--exercise", "relu"], "no exercise is called 'relu'"),
        (["--list", "--exercise", "relu"], "no exercise is called relu; there are conv2d-backward, "),
        (["{file}", "--timeout", "0"], "--timeout: expected a positive number of seconds but got '0'"),
        (["{file}", "--timeout", "nan"], "--timeout: expected a positive number of seconds but got 'nan'"),
        (["{file}", "--memory", "none"], "--memory: expected an integer of 1 or more but got 'none'"),
        (["{file}", "--format", "pdf"], "invalid choice: 'pdf'"),
        (["{file}", "--out", "{file}/report"], "{file}/report"),
        (["{file}", "--exercises", "{file}"], "defines no tinygrad_cnn.verify.grading.Exercise"),
        (["{file}", "--exercises", "{file}.gone"], "there is no file {file}.gone"),
        (["lectures", "--format", "gradescope"], "gradescope is a format for a student's file, not for the lectures"),
    ],
)
def test_a_wrong_verify_gets_one_clear_line_and_status_2(arguments, words, tmp_path):
    file = homework(tmp_path)
    done = run("verify", *(argument.format(file=file) for argument in arguments), cwd=tmp_path)
    assert done.returncode == 2
    assert words.format(file=file) in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_reader_that_leaves_is_no_error():
    command = f"{sys.executable} -m tinygrad_cnn verify --mistakes"
    with subprocess.Popen(command.split(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141

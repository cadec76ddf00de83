"""The command `tinygrad-cnn` and its demo, run as a user runs them."""

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

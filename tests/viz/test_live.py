"""The live training curve: lines in a terminal, one display that is updated in its place in a notebook."""

import importlib.util
import io
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim, training
from tinygrad_cnn.viz.figures import live
from tinygrad_cnn.viz.figures.live import LiveCurve
from tinygrad_cnn.viz.figures.sparkline import BARS, PLAIN, sparkline

ROOT = Path(__file__).parents[2]
HAS_MATPLOTLIB = importlib.util.find_spec("matplotlib") is not None


class Events:
    """IPython's: callbacks by event, copied before they are called."""

    def __init__(self):
        self.callbacks = []

    def register(self, event, callback):
        assert event == "post_run_cell"
        assert callback not in self.callbacks
        self.callbacks.append(callback)

    def unregister(self, event, callback):
        assert event == "post_run_cell"
        self.callbacks.remove(callback)

    def end_cell(self):
        for callback in list(self.callbacks):
            callback(SimpleNamespace())


class Notebook:
    """What a notebook's page would hold: displays, and how often each was updated."""

    def __init__(self, monkeypatch, kernel=True):
        self.shows, self.updates, self.clock = [], [], 100.0
        self.shell = SimpleNamespace(events=Events(), **({"kernel": object()} if kernel else {}))
        package, module = ModuleType("IPython"), ModuleType("IPython.display")
        package.get_ipython = lambda: self.shell
        module.display = self.display
        package.display = module
        package.version_info = (9, 0, 0)  # matplotlib asks for it
        monkeypatch.setitem(sys.modules, "IPython", package)
        monkeypatch.setitem(sys.modules, "IPython.display", module)
        monkeypatch.setattr(live, "perf_counter", lambda: self.clock)

    def display(self, bundle, *, raw, display_id):
        assert raw is display_id is True
        self.shows.append(bundle)
        return SimpleNamespace(update=self.update)

    def update(self, bundle, *, raw):
        assert raw is True
        self.updates.append(bundle)


@pytest.fixture
def notebook(monkeypatch):
    return Notebook(monkeypatch)


def lines(curve_file):
    return curve_file.getvalue().splitlines()


def test_a_line_for_each_epoch():
    out = io.StringIO()
    curve = LiveCurve(file=out)
    curve.add(loss=2.0, train=0.5)
    curve.add(loss=0.123456, train=0.9876, rate=1e-4)
    curve.add(loss=float("nan"), rate=2e-4)
    curve.add(loss=float("inf"), train=None)
    assert lines(out) == [
        "epoch 1   loss 2 ▁   train 50.0 % ▁",
        "epoch 2   loss 0.1235 █▁   train 98.8 % ▁█   rate 0.0001  ▁",
        "epoch 3   loss - █▁   train - ▁█   rate 0.0002  ▁█",
        "epoch 4   loss inf █▁   train - ▁█   rate -  ▁█",
    ]
    assert curve.history["loss"][:2] == [2.0, 0.123456]
    np.testing.assert_array_equal(curve.history["rate"], [np.nan, 1e-4, 2e-4, np.nan])
    assert repr(curve) == "LiveCurve(4 epochs: loss, train, rate)"
    assert repr(LiveCurve()) == "LiveCurve(0 epochs: empty)"


def test_lines_grow_rarer_and_the_last_one_is_there():
    out = io.StringIO()
    with LiveCurve("step", file=out) as curve:
        for i in range(1, 1234):
            curve.add(loss=i)
    shown = [int(line.split()[1]) for line in lines(out)]
    assert shown == [*range(1, 101), *range(110, 1001, 10), 1100, 1200, 1233]


def test_the_end_shows_nothing_twice():
    out = io.StringIO()
    with LiveCurve(file=out) as curve:
        curve.add(loss=1)
    curve.flush()
    assert len(lines(out)) == 1


def test_the_last_values_after_an_error():
    out = io.StringIO()

    def interrupted():
        with LiveCurve(file=out) as curve:
            for i in range(105):
                curve.add(loss=i)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert lines(out)[-1].startswith("epoch 105 ")


def test_a_terminal_without_blocks():
    raw = io.BytesIO()
    curve = LiveCurve(file=io.TextIOWrapper(raw, encoding="cp1252", newline="\n"))
    curve.add(loss=1)
    curve.add(loss=2)
    assert raw.getvalue() == b"epoch 1   loss 1 _\nepoch 2   loss 2 _#\n"


def test_text_goes_to_the_standard_output_of_the_moment(capsys):
    LiveCurve().add(loss=1.0)
    assert capsys.readouterr().out == "epoch 1   loss 1 ▁\n"


def test_on_a_pipe():
    script = (
        "from tinygrad_cnn.viz.figures.live import LiveCurve\n"
        "curve = LiveCurve()\n"
        "for i in range(3): curve.add(loss=3 - i, test=i / 2)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, cwd=ROOT, check=True, env={"PYTHONIOENCODING": "utf-8"}
    )
    assert done.stderr == b""
    assert done.stdout.decode().splitlines() == [
        "epoch 1   loss 3 ▁   test 0.0 % ▁",
        "epoch 2   loss 2 █▁   test 50.0 % ▁█",
        "epoch 3   loss 1 █▅▁   test 100.0 % ▁▅█",
    ]
    assert b"\x1b" not in done.stdout


def test_epochs_of_the_training_loop():
    tg.manual_seed(0)
    images, labels = np.array([[-1.0], [1.0]] * 8, dtype=np.float32), np.array([0, 1] * 8)
    model = nn.Linear(1, 2)
    out = io.StringIO()
    epochs = []
    with LiveCurve(file=out) as curve:
        for epoch in training.train(
            model, images, labels, optimizer=optim.SGD(model.parameters(), lr=1.0), epochs=3, batch_size=4
        ):
            epochs.append(epoch)
            curve.add(epoch, test=training.accuracy(model, images, labels))
    assert curve.history["loss"] == [epoch.loss for epoch in epochs]
    assert curve.history["train"] == [epoch.accuracy for epoch in epochs]
    assert curve.history["test"][-1] == 1.0
    assert len(lines(out)) == 3


def test_tensors_and_numpy_numbers():
    curve = LiveCurve(file=io.StringIO())
    curve.add(loss=tg.tensor(0.5, requires_grad=True), other=np.float32(0.25), third=2)
    assert curve.history == {"loss": [0.5], "other": [0.25], "third": [2.0]}


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda c: c.add(), ValueError, "^add: expected values by name"),
        (lambda c: c.add(loss="0.5"), TypeError, "^add: loss must be a number but is '0.5'"),
        (lambda c: c.add(loss=[1.0, 2.0]), TypeError, "^add: loss must be a number"),
        (lambda c: c.add(loss=tg.tensor([1.0, 2.0])), TypeError, "^add: loss must be a number"),
        (lambda c: c.add(1), TypeError, "^add: expected an Epoch"),
        (lambda c: LiveCurve(interval=-1), ValueError, "^LiveCurve: interval"),
        (lambda c: LiveCurve(interval=float("nan")), ValueError, "^LiveCurve: interval"),
    ],
)
def test_refusals(call, error, text):
    curve = LiveCurve(file=io.StringIO())
    curve.add(loss=1.0)
    with pytest.raises(error, match=text):
        call(curve)
    assert curve.history == {"loss": [1.0]}


# In a notebook


@pytest.mark.skipif(not HAS_MATPLOTLIB, reason="needs matplotlib")
def test_one_display_is_updated_in_its_place(notebook, capsys):
    curve = LiveCurve()
    curve.add(loss=2.0, test=0.5)
    notebook.clock += 0.6
    curve.add(loss=1.0, test=0.75)
    assert (len(notebook.shows), len(notebook.updates)) == (1, 1)
    for bundle in (*notebook.shows, *notebook.updates):
        assert bundle["image/svg+xml"].startswith("<?xml")
    assert notebook.updates[0]["text/plain"] == "epoch 2\nloss  █▁  1\ntest  ▁█  75.0 %"
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(not HAS_MATPLOTLIB, reason="needs matplotlib")
def test_pictures_keep_to_the_interval_and_the_last_values_come_when_the_cell_ends(notebook):
    curve = LiveCurve(interval=0.5)
    for i in range(30):
        curve.add(loss=i)
        notebook.clock += 0.125
    assert (len(notebook.shows), len(notebook.updates)) == (1, 7)
    assert notebook.updates[-1]["text/plain"].startswith("epoch 29\n")
    notebook.shell.events.end_cell()
    assert notebook.updates[-1]["text/plain"].startswith("epoch 30\n")
    assert not notebook.shell.events.callbacks
    notebook.shell.events.end_cell()
    curve.flush()
    assert len(notebook.updates) == 8
    curve.add(loss=0)  # in a later cell it goes on
    notebook.shell.events.end_cell()
    assert notebook.updates[-1]["text/plain"].startswith("epoch 31\n")
    assert len(notebook.shows) == 1


def test_drawing_keeps_to_a_tenth_of_the_time(notebook, monkeypatch):
    def slow(figure):
        notebook.clock += 2
        return "<svg/>"

    monkeypatch.setattr(live, "to_svg", slow)
    monkeypatch.setattr(live, "history_curve", lambda *_: None)
    monkeypatch.setattr(live, "find_spec", lambda name: True)
    curve = LiveCurve()
    start = notebook.clock
    while notebook.clock < start + 100:
        curve.add(loss=1)
        notebook.clock += 0.1
    assert 4 <= len(notebook.shows) + len(notebook.updates) <= 6


def test_a_notebook_without_matplotlib(notebook, monkeypatch, capsys):
    monkeypatch.setattr(live, "find_spec", lambda name: None)
    with LiveCurve(interval=0) as curve:
        curve.add(loss=2.0)
        curve.add(loss=1.0)
    assert notebook.shows == [{"text/plain": "epoch 1\nloss  ▁  2"}]
    assert notebook.updates == [{"text/plain": "epoch 2\nloss  █▁  1"}]
    assert capsys.readouterr().out == ""


def test_a_picture_that_fails_does_not_end_the_training(notebook, monkeypatch):
    def fails(*_):
        raise RuntimeError("no fonts")

    monkeypatch.setattr(live, "history_curve", fails)
    monkeypatch.setattr(live, "find_spec", lambda name: True)
    curve = LiveCurve(interval=0)
    with pytest.warns(UserWarning, match="no fonts"):
        curve.add(loss=2.0)
    curve.add(loss=1.0)
    assert [list(bundle) for bundle in (*notebook.shows, *notebook.updates)] == [["text/plain"], ["text/plain"]]


def test_ipython_in_a_terminal_is_a_terminal(monkeypatch, capsys):
    terminal = Notebook(monkeypatch, kernel=False)
    LiveCurve().add(loss=1)
    assert capsys.readouterr().out == "epoch 1   loss 1 ▁\n"
    assert not terminal.shows
    terminal.shell = None  # IPython was imported by something else
    LiveCurve().add(loss=1)
    assert capsys.readouterr().out == "epoch 1   loss 1 ▁\n"


def test_a_file_that_was_asked_for_goes_before_the_notebook(notebook):
    out = io.StringIO()
    LiveCurve(file=out).add(loss=1)
    assert out.getvalue() == "epoch 1   loss 1 ▁\n"
    assert not notebook.shows


def test_the_figure_of_a_curve():
    pytest.importorskip("matplotlib")
    curve = LiveCurve("step", file=io.StringIO())
    with pytest.raises(ValueError, match=r"^history_curve: expected a series"):
        curve.figure()
    for i in range(3):
        curve.add(rate=0.1, loss=3 - i, test=i / 2, train=1.0, rmse_test=5)
    axes = curve.figure().axes
    assert [panel.get_title() for panel in axes] == ["Loss", "Accuracy", "Value", "rate"]
    assert [list(line.get_ydata()) for line in axes[1].lines] == [[0, 50, 100], [100, 100, 100]]
    assert {panel.get_xlabel() for panel in axes} == {"step"}
    assert axes[3].get_legend() is None


@pytest.mark.slow
@pytest.mark.notebook
def test_a_picture_in_a_real_notebook(tmp_path):
    """Executed by Jupyter: one output with the picture of all values, however many updates went before."""
    nbformat = pytest.importorskip("nbformat")
    for package in ("matplotlib", "ipykernel", "nbconvert"):
        pytest.importorskip(package)
    source = (
        f"import sys, time; sys.path.insert(0, {str(ROOT)!r})\n"
        "from tinygrad_cnn.viz.figures.live import LiveCurve\n"
        "curve = LiveCurve(interval=0.05)\n"
        "for i in range(12):\n"
        "    time.sleep(0.02)\n"
        "    curve.add(loss=1 / (i + 1), test=i / 12)\n"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    path = tmp_path / "curve.ipynb"
    nbformat.write(notebook, path)
    subprocess.run(
        [sys.executable, "-m", "nbconvert", "--execute", "--to", "notebook", "--inplace", str(path)],
        check=True,
        capture_output=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "JUPYTER_PLATFORM_DIRS": "1"},
    )
    (output,) = nbformat.read(path, as_version=4).cells[0].outputs
    assert output.output_type == "display_data"
    assert output.data["text/plain"].startswith("epoch 12\n")
    assert "<svg" in output.data["image/svg+xml"]


# Sparklines


@pytest.mark.parametrize(
    ("values", "width", "text"),
    [
        ([], 12, ""),
        ([3.0], 12, "▁"),
        ([2.0, 2.0], 12, "▁▁"),
        (range(8), 12, BARS),
        ([7, 0], 12, "█▁"),
        ([float("nan"), 1.0, float("inf"), 2.0, float("-inf")], 12, " ▁ █ "),
        ([float("nan")] * 2, 12, "  "),
        ([0, 2, 10, 12, 20, 22], 3, "▁▅█"),  # the means 1, 11 and 21
        ([0, 0, 0, 8], 3, "▁▁█"),  # shares of 1, 1 and 2: the mean of 0 and 8 is the highest
        (range(100), 1, "▁"),
        ([-1.7e308, 1.7e308], 12, "▁█"),
        ([1.7e308, 1.7e308, 0.0], 2, "█▁"),
    ],
)
def test_sparklines(values, width, text):
    assert sparkline(values, width) == text


def test_a_sparkline_in_plain_characters():
    assert sparkline(range(8), bars=PLAIN) == PLAIN
    assert len(PLAIN) == len(BARS)
    with pytest.raises(ValueError, match=r"^sparkline: width"):
        sparkline([1.0], 0)

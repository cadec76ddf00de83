"""Figures in files: the same bytes each time, and well-formed."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.viz import figures

PICTURE = np.random.default_rng(1).random((24, 20, 3))


def model():
    tg.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.GlobalAvgPool(), nn.Linear(4, 3)
    )


IMAGE = PICTURE[:12, :12, 0]
# Every figure, made with little.
FIGURES = {
    "border_usage": figures.border_usage,
    "class_activation": lambda: figures.class_activation(model(), IMAGE, 0),
    "confusion_matrix": lambda: figures.confusion_matrix([0, 1, 3], [0, 0, 1]),
    "feature_maps": lambda: figures.feature_maps(model(), IMAGE),
    "filtered": lambda: figures.filtered(PICTURE, "sobel"),
    "filters": lambda: figures.filters(model()[2].weight),
    "history_curve": lambda: figures.history_curve({"loss": [2.0, 1.0], "test": [0.5, None], "rate": [0.1]}),
    "histograms": lambda: figures.histograms(model()[5]),
    "kernel_gallery": lambda: figures.kernel_gallery(PICTURE, ["blur", "sobel", "sharpen"]),
    "misclassified": lambda: figures.misclassified(PICTURE[None, ..., 0], [0], [[0.0, 1.0]]),
    "overlap": lambda: figures.overlap([(3, 2), (4, 2)], (3, 3)),
    "padding_modes": lambda: figures.padding_modes(PICTURE, 9),
    "receptive_field": lambda: figures.receptive_field(model(), IMAGE, "2"),
    "saliency": lambda: figures.saliency(model(), IMAGE, 0),
    "training_curve": lambda: figures.training_curve([2.0, 1.0], [0.5, 0.7], step_losses=[[3.0, 1.0], [1.0]]),
    "training_curves": lambda: figures.training_curves({"a": {"losses": [1.0]}, "b": {"losses": [0.5, 0.0]}}),
}


def test_every_figure_is_here():
    assert set(FIGURES) == set(figures.__all__) - {"save", "smoothed"}


@pytest.mark.parametrize("name", FIGURES)
def test_svg_is_the_same_each_time_and_well_formed(name, tmp_path):
    first, second = (figures.save(FIGURES[name](), tmp_path / f"{i}.svg", dpi=60) for i in range(2))
    assert first.read_bytes() == second.read_bytes()
    root = ElementTree.parse(first).getroot()
    assert root.tag.endswith("svg")
    assert b"<dc:date>" not in first.read_bytes()


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_cut_and_nothing_overlaps(name):
    from tests.viz.figures.readable import assert_readable

    assert_readable(FIGURES[name]())


@pytest.mark.parametrize("ending", ["png", "pdf", "PNG"])
def test_other_files_are_the_same_each_time(ending, tmp_path):
    first, second = (figures.save(FIGURES["filters"](), tmp_path / f"{i}.{ending}").read_bytes() for i in range(2))
    assert first == second
    assert first.startswith({"png": b"\x89PNG", "pdf": b"%PDF"}[ending.lower()])


def test_svg_is_the_same_in_another_process(tmp_path):
    script = (
        "import sys; import numpy as np; from tinygrad_cnn.viz import figures;"
        "figures.save(figures.filters(np.eye(3)[None, None]), sys.argv[1])"
    )
    path = tmp_path / "other.svg"
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, cwd=Path(__file__).parents[3])
    own = figures.save(figures.filters(np.eye(3)[None, None]), tmp_path / "own.svg")
    assert own.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", ["figure", "figure.jpg", "svg"])
def test_other_endings_are_refused(name, tmp_path):
    with pytest.raises(ValueError, match=r"^save: expected a file that ends in \.svg, \.png, \.pdf but got "):
        figures.save(FIGURES["filters"](), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        figures.save(FIGURES["filters"](), tmp_path / "missing" / "figure.svg")


def test_no_pyplot_and_no_matplotlib_until_a_figure_is_made():
    script = (
        "import sys; from tinygrad_cnn.viz import figures; assert 'matplotlib' not in sys.modules;"
        "figures.filters([[[[1.0]]]]); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[3])


def test_without_matplotlib():
    script = (
        "import sys; sys.modules['matplotlib'] = None; from tinygrad_cnn.viz import figures\n"
        "try: figures.filters([[[[1.0]]]])\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[3], capture_output=True, text=True
    )
    assert done.stdout == "figures need matplotlib; pip install 'tinygrad_cnn[plot]'\n"

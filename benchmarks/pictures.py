"""What pictures cost: drawing graphs, pages and their size, summaries, and how fast a large page answers.

    python -m benchmarks pictures

Every time is the median of several calls, in seconds, after one that is not timed. The limits are those that the
project has set itself. The last section needs playwright and Chromium.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest import mock

import numpy as np

import tinygrad_cnn as tg
from benchmarks.timing import RESULTS, environment, median_of
from tests.viz.networks import LeNet, ResNet
from tinygrad_cnn.viz.drawing.rendering import UnavailableError, picture
from tinygrad_cnn.viz.graph.description import describe
from tinygrad_cnn.viz.graph.tracing import trace
from tinygrad_cnn.viz.pages.graph import assembly

MODELS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "LeNet-5": (LeNet, (1, 1, 32, 32)),
    "ResNet-50": (partial(ResNet, width=64), (1, 3, 64, 64)),
    "ResNet-101": (partial(ResNet, stages=(3, 4, 23, 3), width=64), (1, 3, 64, 64)),
}
LIMITS = {"LeNet-5": 0.3, "ResNet-50": 3.0, "ResNet-101": 3.0}


def drawings() -> str:
    """`draw` of a model, its forward pass included, and Graphviz's part; together they keep within the limit."""
    rows = ["| model | nodes | drawn | draw | as SVG | together | limit |", "| --- " * 7 + "|"]
    for name, (make, shape) in MODELS.items():
        model = make()
        drawn = tg.viz.draw(model, shape)
        nodes = len(describe(trace(model, shape).outputs).nodes)
        text, image = median_of(partial(tg.viz.draw, model, shape)), _rendering(drawn.source)
        cells = [name, f"{nodes:,}", len(drawn.graph.nodes), f"{text:.3f}", f"{image:.3f}", f"{text + image:.3f}"]
        rows.append(_row(*cells, LIMITS[name]))
    return "## Drawing a model\n\n" + "\n".join(rows)


def _rendering(source: str) -> float:
    try:
        return median_of(partial(picture, source, "svg"))
    except UnavailableError:
        return float("nan")


def pages() -> str:
    """The page of a training step, and of it the layout; the limit is for what is not layout."""
    rows = ["| page | nodes | size | without the layout | limit | layout |", "| --- " * 6 + "|"]
    for name in ("LeNet-5", "ResNet-50"):
        make, shape = MODELS[name]
        with tg.debug():
            loss = tg.cross_entropy(make()(tg.tensor(np.random.default_rng(0).standard_normal(shape), "float32")), [3])
            loss.backward()
        alone, layout, size = _page(loss)
        limit = "0.3 s, 2 MB" if name == "LeNet-5" else ""
        rows.append(_row(name, f"{len(describe(loss).nodes):,}", _size(size), f"{alone:.3f}", limit, f"{layout:.3f}"))
    x, weight = np.arange(144.0).reshape(12, 12), np.ones((3, 3))
    time = median_of(partial(tg.viz.convolution_page, x, weight, padding=1))
    size = len(tg.viz.convolution_page(x, weight, padding=1).html.encode())
    rows.append(_row("convolution, 12x12 with 3x3", "", _size(size), f"{time:.3f}", "", ""))
    return "## Pages\n\n" + "\n".join(rows)


def _page(loss: Any) -> tuple[float, float, int]:
    """The time for a page without its layout, that of the layout, and the bytes."""
    layouts, spent = assembly.layouts, []

    def timed(*arguments: Any) -> Any:
        start = perf_counter()
        found = layouts(*arguments)
        spent[-1] += perf_counter() - start
        return found

    def make() -> Any:
        spent.append(0.0)
        return tg.viz.page(loss, None)

    with mock.patch.object(assembly, "layouts", timed):
        whole = median_of(make)
    layout = float(np.median(spent[1:]))
    return whole - layout, layout, len(make().html.encode())


def summaries() -> str:
    """`summary` of a model, its forward pass included."""
    rows = ["| model | rows | time |", "| --- " * 3 + "|"]
    for name, (make, shape) in MODELS.items():
        model = make()
        time = median_of(lambda model=model, shape=shape: str(tg.viz.summary(model, shape)))  # type: ignore[misc]
        rows.append(_row(name, len(tg.viz.summary(model, shape)), f"{time:.3f}"))
    return "## Summaries\n\n" + "\n".join(rows)


def answers() -> str:
    """How long a page of more than 2,000 visible boxes takes until the next picture is painted. The limit: 1 s."""
    title = "## A page of 2,000 boxes\n\n"
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        program = None
    if program is None:
        return title + "Not measured: playwright or Chromium is missing."
    y = tg.tensor(0.5, requires_grad=True, name="x")
    for i in range(800):
        y = y * 1.01 if i % 2 else tg.tanh(y)
    y.backward()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        written = tg.viz.page(y, Path(folder) / "large.html")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
        start = perf_counter()
        tab.goto(Path(str(written.path)).as_uri())
        opening = perf_counter() - start
        tab.select_option("#depth", "1")
        boxes = tab.evaluate("[...document.querySelectorAll('.box')].filter((b) => b.style.display !== 'none').length")
        times = {name: _seconds(tab, action) for name, action in ACTIONS.items()}
        browser.close()
    rows = [_row(name, f"{time:.3f}", 1) for name, time in times.items()]
    head = ["| action | time | limit |", "| --- " * 3 + "|", _row("open the file", f"{opening:.3f}", "")]
    return f"{title}{boxes:,} boxes are to be seen; the page has {_size(len(written.html.encode()))}.\n\n" + "\n".join(
        [*head, *rows]
    )


ACTIONS = {
    "fold": "document.querySelector('.heading').dispatchEvent(new MouseEvent('click', {bubbles: true}))",
    "unfold": "document.querySelector('.box.container').dispatchEvent(new MouseEvent('click', {bubbles: true}))",
    "step": "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '.', bubbles: true}))",
    "step back": "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: ',', bubbles: true}))",
}


def _seconds(tab: Any, action: str) -> float:
    """Until the next picture is painted."""
    time: float = tab.evaluate(
        f"""() => new Promise((done) => {{
          const start = performance.now();
          {action};
          requestAnimationFrame(() => setTimeout(() => done((performance.now() - start) / 1000))); }})"""
    )
    return time


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _size(count: int) -> str:
    return f"{count / 1000:,.0f} kB"


SECTIONS = (drawings, pages, summaries, answers)


def main() -> None:
    """Measure, print and write `results/pictures.md`."""
    sections = "\n\n".join(section() for section in SECTIONS)
    text = f"# Pictures\n\n`python -m benchmarks pictures`, seconds.\n{environment()}.\n\n{sections}\n"
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "pictures.md").write_text(text)

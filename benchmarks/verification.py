"""What verification costs: scalar graphs of a LeNet layer on an 8x8 digit.

    python -m benchmarks verification

Every time is the median over rounds, in seconds.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from benchmarks.timing import RESULTS, environment
from tinygrad_cnn.verify.scalar_graph import scalar_graph


def median_of(function: Callable[[], Any], rounds: int = 7) -> float:
    """The median time of a call in seconds, after one that is not timed."""
    times = []
    for turn in range(rounds + 1):
        start = perf_counter()
        function()
        if turn:
            times.append(perf_counter() - start)
    return statistics.median(times)


def scalar_graphs() -> str:
    """`scalar_graph` of convolutions of an 8x8 digit, with the gradients and one formula. The aim: 3 s or less."""
    image = np.asarray(tg.data.digits().train_images[:1]).reshape(1, 1, 8, 8)
    rows = [
        "| layer | scalar nodes | scalar_graph | gradients | formula of a pixel |",
        "| --- | --- | --- | --- | --- |",
    ]
    for filters, size in ((6, 5), (16, 3), (16, 5), (32, 5)):
        rng = np.random.default_rng(0)
        X = tg.tensor(image, requires_grad=True, name="X")
        K = tg.tensor(rng.standard_normal((filters, 1, size, size)), image.dtype, requires_grad=True, name="K")
        B = tg.tensor(np.zeros(filters), image.dtype, requires_grad=True, name="B")
        z = tg.conv2d(X, K, B, padding="same")
        graph, dz = scalar_graph(z), np.ones(z.shape)
        calls = partial(scalar_graph, z), partial(graph.gradients, dz), partial(graph.formula, "X44")
        times = " | ".join(f"{median_of(call):.3f}" for call in calls)
        rows.append(f"| {filters} filters {size}x{size}, same | {graph.size:,} | {times} |")
    return "## Scalar graphs\n\n" + "\n".join(rows)


SECTIONS = (scalar_graphs,)


def main() -> None:
    """Measure, print and write `results/verification.md`."""
    sections = "\n\n".join(section() for section in SECTIONS)
    text = f"# Verification\n\n`python -m benchmarks verification`, seconds.\n{environment()}.\n\n{sections}\n"
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "verification.md").write_text(text)

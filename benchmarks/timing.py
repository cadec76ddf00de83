"""Interleaved timing: machines are shared and noisy, so every candidate is timed in every round and compared within it.

A round visits each candidate once, alternating the direction, and times a block of calls; a candidate's ratio is the
median over rounds of (its block's median / the baseline's in the same round), with the quartiles as the spread.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

RESULTS = Path(__file__).parent / "results"


@dataclass
class Timing:
    """Seconds a call (median), and the ratio to the baseline: lower quartile, median, upper quartile."""

    seconds: float
    ratio: tuple[float, float, float]


def interleave(
    candidates: dict[str, Callable[[], object]], baseline: str, rounds: int = 15, block_seconds: float = 0.05
) -> dict[str, Timing]:
    """Time the candidates against the baseline, all in this process."""
    calls = {}
    for name, function in candidates.items():
        function()
        start = perf_counter()
        function()
        calls[name] = max(3, min(2000, int(block_seconds / max(perf_counter() - start, 1e-7))))
    blocks: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(rounds):
        for name in list(candidates)[:: 1 if turn % 2 else -1]:
            function = candidates[name]
            function()
            times = []
            for _ in range(calls[name]):
                start = perf_counter()
                function()
                times.append(perf_counter() - start)
            blocks[name].append(statistics.median(times))
    timings = {}
    for name, mine in blocks.items():
        ratios = [a / b for a, b in zip(mine, blocks[baseline], strict=True)]
        timings[name] = Timing(statistics.median(mine), tuple(statistics.quantiles(ratios, n=4)))  # type: ignore[arg-type]
    return timings


def median_of(function: Callable[[], object], rounds: int = 7) -> float:
    """The median time of a call in seconds, after one that is not timed."""
    times = []
    for turn in range(rounds + 1):
        start = perf_counter()
        function()
        if turn:
            times.append(perf_counter() - start)
    return statistics.median(times)


def environment() -> str:
    """The machine, the versions and the commit, as a line of Markdown."""
    import numpy

    versions = [f"Python {platform.python_version()}", f"NumPy {numpy.__version__}"]
    if "torch" in sys.modules:
        versions.append(f"PyTorch {sys.modules['torch'].__version__}")
    commit = _git("rev-parse", "--short", "HEAD") or "unknown"
    if _git("status", "--porcelain", "--", "tinygrad_cnn"):
        commit += " and changes"
    return f"{_processor()}, {os.cpu_count()} cores; {', '.join(versions)}; commit {commit}"


def _git(*arguments: str) -> str:
    root = Path(__file__).parent.parent
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def table(rows: dict[str, dict[str, Timing]]) -> str:
    """A Markdown table: one row a candidate, grouped by what was measured."""
    lines = ["| measured | candidate | time | ratio (quartiles) |", "| --- | --- | --- | --- |"]
    for measured, timings in rows.items():
        for name, timing in timings.items():
            low, middle, high = timing.ratio
            ratio = f"{middle:.2f} ({low:.2f} to {high:.2f})"
            lines.append(f"| {measured} | {name} | {readable(timing.seconds)} | {ratio} |")
    return "\n".join(lines)


def readable(seconds: float) -> str:
    """A time in the unit that suits it."""
    for unit, scale in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"

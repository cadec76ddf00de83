"""What benchmarks share: a median time, and what they were measured on."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

RESULTS = Path(__file__).parent / "results"


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


def readable(seconds: float) -> str:
    """A time in the unit that suits it."""
    for unit, scale in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"

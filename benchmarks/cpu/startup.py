"""How long a program waits: for the import, and from the start of the process to the end of its first training step."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.cpu.candidates import CANDIDATES, environment, installed

if TYPE_CHECKING:
    from benchmarks.cpu.groups import Group
    from benchmarks.cpu.measure import Pool

IMPORT = "{}import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
FIRST_STEP = (
    "from benchmarks.cpu.candidates import load; from benchmarks.cpu.steps import training_step; "
    "training_step(load({!r}, {}), 'LeNet').call()"
)

LONG = 4.0  # seconds: what takes longer is not repeated


def measure(group: Group, pool: Pool) -> dict[str, Any]:
    """The seconds of imports and of the first training step, each in processes that alternate."""
    names = [name for name in group.candidates if installed(name) and name not in pool.reasons]
    # Candidates of one package differ by no import.
    packages = {CANDIDATES[name].package: name for name in reversed(names)}
    once = list(packages.values())
    after = partial(_import, before="import numpy; ")
    return {
        "import, with NumPy's own": _alternating(group.rounds, pool, once, _import),
        "import after NumPy": _alternating(group.rounds, pool, once, after),
        "first LeNet step": _alternating(group.rounds, pool, names, _first_step),
    }


def _alternating(rounds: int, pool: Pool, names: Any, seconds: Any) -> dict[str, Any]:
    values: dict[str, list[float]] = {name: [] for name in names}
    reasons: dict[str, str] = {}
    for _ in range(rounds):
        for name in names:
            if name not in reasons and max(values[name], default=0) < LONG:
                try:
                    values[name].append(float(f"{seconds(name, pool.threads):.4g}"))
                except subprocess.CalledProcessError as error:
                    reasons[name] = error.stderr.strip().splitlines()[-1]
    return {"candidates": {n: {"reason": reasons[n]} if n in reasons else {"values": values[n]} for n in names}}


def _import(name: str, threads: int, before: str = "") -> float:
    return float(_output(IMPORT.format(before, CANDIDATES[name].package), name, threads))


def _first_step(name: str, threads: int) -> float:
    start = perf_counter()
    _output(FIRST_STEP.format(name, threads), name, threads)
    return perf_counter() - start


def _output(code: str, name: str, threads: int) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment(name, threads), capture_output=True, text=True, check=True).stdout

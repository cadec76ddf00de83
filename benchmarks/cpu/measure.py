"""Measuring a group: every round visits every candidate, and only one of them computes at a time.

A record has for each case and candidate either `values`, one a round (seconds of a call, or bytes), or the `reason` why
there are none. Before anything is timed, results are compared with PyTorch's: a candidate that computes something else
is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.cpu import startup
from benchmarks.cpu.candidates import BASELINE, installed, versions
from benchmarks.cpu.groups import Group
from benchmarks.cpu.libraries import UnavailableError
from benchmarks.cpu.operations import Case
from benchmarks.cpu.worker import Worker
from benchmarks.timing import environment

Record = dict[str, Any]


class Pool:
    """The workers of the candidates that can be used, started when first asked for; why the others can't."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._workers: dict[str, Worker] = {}
        self.reasons: dict[str, str] = {}

    def usable(self, names: Iterable[str]) -> list[str]:
        """Those of the candidates that are there; their workers wait."""
        for name in names:
            if name not in self._workers and name not in self.reasons:
                try:
                    if installed(name) is None:
                        raise UnavailableError("not installed")
                    self._workers[name] = Worker(name, self.threads)
                except UnavailableError as error:
                    self.reasons[name] = str(error)
        return [name for name in names if name in self._workers]

    def ask(self, name: str, command: str, *arguments: Any) -> Any:
        """What the candidate's worker answers; after a process was ended, another one takes its place."""
        try:
            return self._workers[name].ask(command, *arguments)
        except UnavailableError as error:
            if "took more than" in str(error) or "process" in str(error):
                self._workers[name].stop()
                self._workers[name] = Worker(name, self.threads)
            raise

    def stop(self) -> None:
        """End all processes."""
        for worker in self._workers.values():
            worker.stop()


def measure(group: Group, pool: Pool, quick: bool = False) -> Record:
    """Measure all cases of a group; the record with its date, machine, versions and commit."""
    start = perf_counter()
    run = {"time": _times, "memory": _memory, "shares": _shares, "startup": startup.measure}[group.measure]
    if quick:
        group = group._replace(rounds=3, block=group.block / 3, budget=group.budget / 3)
    cases = run(group, pool)
    return {
        "date": f"{datetime.now():%Y-%m-%d %H:%M}",
        "environment": environment(),
        "versions": versions(),
        "seconds": round(perf_counter() - start),
        "absent": {name: pool.reasons[name] for name in group.candidates if name in pool.reasons},
        "cases": cases,
    }


def _times(group: Group, pool: Pool) -> Record:
    names = pool.usable([BASELINE, *(name for name in group.candidates if name != BASELINE)])
    return {case.name: _facts(case) | {"candidates": _case_times(case, names, group, pool)} for case in group.cases()}


def _facts(case: Case) -> Record:
    return {"flops": case.flops, "bytes": case.bytes, "elements": case.elements}


def _case_times(case: Case, names: list[str], group: Group, pool: Pool) -> Record:
    prepared = agreeing(names, lambda name: pool.ask(name, "prepare", case), case.tolerance)
    values: dict[str, list[float]] = {name: [] for name, reason in prepared.items() if reason is None}
    spent = dict.fromkeys(values, 0.0)
    for turn in range(group.rounds):
        for name in list(values)[:: 1 if turn % 2 else -1]:
            if turn < 2 or name == BASELINE or spent[name] < group.budget:
                start = perf_counter()
                try:
                    values[name].append(_rounded(pool.ask(name, "block", group.block)))
                except UnavailableError as error:
                    prepared[name] = str(error)
                    del values[name]
                    continue
                spent[name] += perf_counter() - start
    return {name: {"values": values[name]} if name in values else {"reason": prepared[name]} for name in names}


def agreeing(names: Iterable[str], results_of: Callable[[str], Any], tolerance: float) -> dict[str, str | None]:
    """For each candidate None, or why it can't take part; the first is what the others are compared with."""
    reasons: dict[str, str | None] = {}
    expected = None
    for name in names:
        try:
            results = results_of(name)
        except UnavailableError as error:
            reasons[name] = str(error)
            continue
        expected = results if expected is None else expected
        reasons[name] = difference(expected, results, tolerance)
    return reasons


def difference(expected: Sequence[Any], results: Sequence[Any], tolerance: float) -> str | None:
    """Where arrays differ by more than the tolerance times their norm, or in shape; None where they agree.

    The first is the output or the loss, which a loose tolerance for gradients doesn't loosen.
    """
    if len(expected) != len(results):
        return f"computes something else: {len(results)} results instead of {len(expected)}"
    for i, (a, b) in enumerate(zip(expected, results, strict=True)):
        allowed = min(tolerance, 1e-4) if i == 0 else tolerance
        if a.shape != b.shape:
            return f"computes something else: result {i} has shape {b.shape} instead of {a.shape}"
        distance, norm = (float(np.linalg.norm(v.ravel())) for v in (a - b, a))
        if not distance <= allowed * norm:
            return f"computes something else: result {i} is {distance / max(norm, 1e-300):.1e} of its norm away"
    return None


def _memory(group: Group, pool: Pool) -> Record:
    cases: Record = {}
    for case in group.cases():
        values: dict[str, list[float]] = {}
        reasons: dict[str, str] = {}
        for _ in range(group.rounds):
            for name in group.candidates:
                if name in reasons or name in pool.reasons:
                    continue
                try:
                    worker = Worker(name, pool.threads)
                    values.setdefault(name, []).append(worker.ask("memory", case))
                    worker.stop()
                except UnavailableError as error:
                    reasons[name] = str(error)
        shown: Record = {name: {"values": v} for name, v in values.items() if name not in reasons}
        cases[case.name] = {"candidates": shown | {name: {"reason": reason} for name, reason in reasons.items()}}
    return cases


def _shares(group: Group, pool: Pool) -> Record:
    names = pool.usable(group.candidates)
    cases = {}
    for case in group.cases():
        shares = {name: pool.ask(name, "shares", case) for name in names}
        cases[case.name] = {"candidates": {name: {"values": list(map(_rounded, s))} for name, s in shares.items()}}
    return cases


def _rounded(seconds: float) -> float:
    return float(f"{seconds:.4g}")

"""A process for each candidate: its own thread pool and memory, as a user has it, and never two that compute at once.

A worker waits at a pipe. It prepares a case, then times a block of calls each time it is asked, and answers only when
its threads have come to rest: those of a BLAS or of OpenMP go on spinning for a while after the last call.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.cpu.candidates import environment, load
from benchmarks.cpu.libraries import Prepared, UnavailableError
from benchmarks.cpu.operations import Case

LONGEST = 60.0  # seconds that a candidate may take for one answer, the compilation of a network included


class Worker:
    """A candidate in a process of its own."""

    def __init__(self, name: str, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, name, threads), daemon=True)
        with _variables(environment(name, threads)):
            self._process.start()
        theirs.close()
        self._answer()

    def ask(self, command: str, *arguments: Any) -> Any:
        """What the candidate answers to "prepare", "block" or "memory".

        Raises:
            UnavailableError: it can't, and why; or it took too long, and its process was ended.
        """
        if not self._process.is_alive():
            raise UnavailableError("its process has ended")
        self._connection.send((command, *arguments))
        return self._answer()

    def _answer(self) -> Any:
        if not self._connection.poll(LONGEST):
            self.stop()
            raise UnavailableError(f"it took more than {LONGEST:.0f} s")
        try:
            succeeded, answer = self._connection.recv()
        except EOFError:
            self._process.join()
            raise UnavailableError(f"its process ended with exit status {self._process.exitcode}") from None
        if not succeeded:
            raise UnavailableError(answer)
        return answer

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


@contextmanager
def _variables(wanted: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


# In the worker's process


def _serve(connection: Any, name: str, threads: int) -> None:
    use_cores(threads)
    session: Session | None = None

    def start() -> None:
        nonlocal session
        session = Session(load(name, threads))

    _reply(connection, start)
    while True:
        try:
            command, *arguments = connection.recv()
        except EOFError:
            return
        _reply(connection, getattr(session, command), *arguments)


def _reply(connection: Any, function: Callable[..., Any], *arguments: Any) -> None:
    try:
        answer = True, function(*arguments)
    except UnavailableError as error:
        answer = False, str(error)
    except Exception as error:  # a peer's own error is a reason to leave it out of one case, not to stop
        answer = False, f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
    connection.send(answer)


class Session:
    """A library and the case that it has prepared."""

    def __init__(self, library: Any) -> None:
        self.library = library
        self.prepared = Prepared(lambda: None, list)
        self.duration = 0.0

    def prepare(self, case: Case) -> list[Any]:
        """Build the case and call it until nothing is compiled any more; the results."""
        self.prepared = Prepared(lambda: None, list)
        gc.collect()
        self.prepared = case.prepare(self.library)
        results = self.prepared.results()
        for _ in range(self.library.settles_after):
            self.duration = _seconds(self.prepared.call)
        rest()
        return results

    def block(self, seconds: float) -> float:
        """The median time of a call in a block of calls of about so many seconds altogether."""
        calls = max(1, min(5000, int(seconds / max(self.duration, 1e-7))))
        for _ in range(max(self.duration < 1, calls // 4)):
            self.prepared.call()
        self.duration = statistics.median(_seconds(self.prepared.call) for _ in range(calls))
        rest()
        return self.duration

    def shares(self, case: Case) -> tuple[float, ...]:
        """Where the time of a call goes."""
        prepared = case.prepare(self.library)
        for _ in range(1 + self.library.settles_after):
            prepared.call()
        return tuple(self.library.shares(prepared.call))

    def memory(self, case: Case, calls: int = 3) -> int:
        """The bytes by which the process grew at most during the first calls."""
        prepared = case.prepare(self.library)
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak is the present size from here on
        before = _status("VmRSS")
        for _ in range(calls):
            prepared.call()
        return _status("VmHWM") - before


def _seconds(function: Callable[[], object]) -> float:
    start = perf_counter()
    function()
    return perf_counter() - start


def rest(longest: float = 0.3) -> None:
    """Wait until the threads of this process no longer take time."""
    end = perf_counter() + longest
    while perf_counter() < end:
        before = time.process_time()
        time.sleep(0.001)
        if time.process_time() - before < 2e-4:
            return


def use_cores(count: int) -> None:
    """Let this process run on that many cores, one hardware thread of each, where the system has a way to say so."""
    if not hasattr(os, "sched_setaffinity"):
        return
    cores: dict[str, int] = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.setdefault(siblings.read_text() if siblings.exists() else str(cpu), cpu)
    chosen = list(cores.values())[:count]
    if len(chosen) == count:
        os.sched_setaffinity(0, chosen)


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

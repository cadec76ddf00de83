"""Running the worker: one process for each call, with its answers, its output and the way it ended."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tinygrad_cnn.verify.grading.failures import Failure, StudentFile, printable
from tinygrad_cnn.verify.grading.limits import Limits

STARTUP = 60.0
"""Seconds until the worker must have imported what it needs; the student's time starts after that."""
GRACE = 2.0
"""Seconds beyond the time limit until a process that did not stop itself is killed."""
KEPT_OUTPUT = 10_000
LARGEST_ANSWER = 64_000_000

_START = (
    "import json, sys; request = json.loads(sys.stdin.buffer.read()); sys.path[:] = request['path']; "
    "from tinygrad_cnn.verify.grading.worker import main; main(request)"
)
# What is not in this list (tokens of a CI server, for one) is not the student's to read.
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "WINDIR")


@dataclass(frozen=True)
class Output:
    """What a process printed.

    Attributes:
        head: the beginning of it.
        lines, size: how many lines and bytes it was in all.
    """

    head: str = ""
    lines: int = 0
    size: int = 0


@dataclass(frozen=True)
class Outcome:
    """What a worker said, and how it ended.

    Attributes:
        answers: what it said, by event.
        failure: why there is no result; None where there is one.
        output: what was printed.
        seconds: how long it took, without the start.
    """

    answers: dict[str, dict[str, Any]]
    failure: Failure | None
    output: Output = field(default_factory=Output)
    seconds: float = 0.0


def run(
    file: Path, limits: Limits, exercise: str | None = None, functions: Sequence[str] = (), own: Path | None = None
) -> Outcome:
    """Judge some functions of an exercise in a new process; without an exercise, only list the file's names.

    Args:
        file: the student's.
        limits: of time and memory.
        exercise: its name.
        functions: those to judge.
        own: the teacher's file with exercises.
    """
    own = own and Path(os.path.abspath(own))
    student = StudentFile(Path(os.path.abspath(file)), own)
    with tempfile.TemporaryDirectory(prefix="tinygrad-cnn-", ignore_cleanup_errors=True) as folder:
        answers, dump, place = Path(folder, "answers"), Path(folder, "dump"), Path(folder, "work")
        place.mkdir()
        answers.touch()
        dump.touch()
        token = secrets.token_hex(16)
        request = {
            "path": [os.path.abspath(entry) for entry in sys.path],
            "file": str(student.path),
            "exercise": exercise,
            "exercises": own and str(own),
            "functions": list(functions),
            "timeout": limits.timeout,
            "memory": limits.memory,
            "answers": str(answers),
            "dump": str(dump),
            "token": token,
        }
        process = _start(place)
        reader = _Reader(process.stdout)
        try:
            _tell(process, request)
            _wait(process, answers, limits)
        finally:
            _end(process)
        ended = time.monotonic()
        output = reader.result()
        said = _read_answers(answers, token)
        with open(dump, encoding="utf-8", errors="replace") as stream:
            dumped = stream.read(100_000)
    # Python's monotonic clock is the system's: the worker's and ours are one.
    seconds = ended - said["started"]["at"] if "started" in said else 0.0
    failure = None
    if "report" not in said and "names" not in said:
        failure = _failure(said, dumped, process.returncode, seconds, student, limits, functions)
    return Outcome(said, failure, output, seconds)


def _start(place: Path) -> subprocess.Popen[bytes]:
    """The worker, in an empty folder, with an environment that says no more than Python needs."""
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment |= {name: str(place) for name in ("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR")}
    # A thread pool would take address space for each core, and a window would wait for a hand to close it.
    environment |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")}
    environment["MALLOC_ARENA_MAX"] = "1"  # glibc would reserve 64 MB of address space for each thread
    environment["MPLBACKEND"] = "Agg"
    return subprocess.Popen(
        [sys.executable, "-P", "-B", "-X", "utf8", "-c", _START],
        cwd=place,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # so that it is a group of its own, which ends as one
    )


def _tell(process: subprocess.Popen[bytes], request: dict[str, Any]) -> None:
    """Send the request, after which standard input is at its end."""
    assert process.stdin is not None
    with contextlib.suppress(OSError), process.stdin as stream:  # a process that has ended does not read
        stream.write(json.dumps(request).encode())


def _wait(process: subprocess.Popen[bytes], answers: Path, limits: Limits) -> None:
    """Wait for the end of a process, at most as long as it has: for its start, and then for the student's code."""
    has_started, deadline = False, time.monotonic() + STARTUP
    while time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            return
        if not has_started and answers.stat().st_size:  # it said that it is ready
            has_started, deadline = True, time.monotonic() + limits.timeout + GRACE


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process, if it still runs, and those that it left behind."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


class _Reader:
    """Reads a pipe to its end and keeps the beginning, so that nobody who writes much has to wait."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        assert pipe is not None
        self._pipe = pipe
        self._head = bytearray()
        self._lines = self._size = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError), self._pipe:
            while chunk := os.read(self._pipe.fileno(), 2**16):
                self._head += chunk[: KEPT_OUTPUT - len(self._head)]
                self._lines += chunk.count(b"\n")
                self._size += len(chunk)

    def result(self) -> Output:
        """What was read, once all processes that held the pipe have ended, or soon after the first one has."""
        self._thread.join(1.0)
        head = printable(bytes(self._head).decode("utf-8", "replace").replace("\r\n", "\n"))
        unended = self._size > 0 and not self._head.endswith(b"\n") and self._size <= KEPT_OUTPUT
        return Output(head, self._lines + unended, self._size)


def _read_answers(path: Path, token: str) -> dict[str, dict[str, Any]]:
    """What the worker said; lines without the token are somebody else's."""
    said: dict[str, dict[str, Any]] = {}
    with contextlib.suppress(OSError), open(path, "rb") as stream:
        for line in stream.read(LARGEST_ANSWER).splitlines():
            try:
                answer = json.loads(line)
            except ValueError:
                continue
            if isinstance(answer, dict) and answer.get("token") == token:
                said.setdefault(str(answer.get("event")), answer)
    return said


def _failure(
    said: dict[str, dict[str, Any]],
    dump: str,
    status: int,
    seconds: float,
    file: StudentFile,
    limits: Limits,
    functions: Sequence[str],
) -> Failure:
    """Why a worker ended without a result."""
    if failure := said.get("failure"):
        return Failure(failure["kind"], failure["text"], failure["stage"], failure["function"])
    if "started" not in said:
        return Failure("checker", f"can't be checked: the checker did not start (exit status {status})", "loading")
    stage = "checking" if "loaded" in said else "loading"
    where = file.dumped_place(dump)
    culprit = next((name for name in reversed(file.dumped_functions(dump)) if name in functions), None)
    if leaving := said.get("exit"):
        text = f"ends the process by os._exit({leaving['status']}){leaving['where']}"
        return Failure("exit", text, stage, leaving["function"])
    if dump.startswith("Timeout") or seconds >= limits.timeout:
        return Failure("timeout", f"does not end: stopped after {limits.timeout:g} s{where}", stage, culprit)
    if dump:
        what = dump.partition("\n")[0].removeprefix("Fatal Python error: ").removeprefix("Windows fatal exception: ")
        return Failure("crash", f"crashes Python: {what}{where}", stage, culprit)
    if status < 0:
        return Failure("killed", f"is killed by the signal {_signal(-status)}", stage)
    return Failure("exit", f"ends the process without a result (exit status {status})", stage)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)

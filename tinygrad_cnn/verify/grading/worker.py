"""The process in which a student's code runs: it gets one request, judges one exercise, and ends.

What it says goes line by line into a file that the grader reads, each line with the request's token: what the student's
code prints, or writes by guess, can't pass for a result.
"""

from __future__ import annotations

import difflib
import faulthandler
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import numpy as np

from tinygrad_cnn.verify.grading import limits
from tinygrad_cnn.verify.grading.exercise import Exercise
from tinygrad_cnn.verify.grading.failures import Failure, StudentFile, of_exception
from tinygrad_cnn.verify.grading.registry import exercises
from tinygrad_cnn.verify.grading.rendering import pieces
from tinygrad_cnn.verify.grading.submission import Submission, UnreadableError
from tinygrad_cnn.verify.report import Check

Say = Callable[..., None]


def main(request: Mapping[str, Any]) -> NoReturn:
    """Do what the request says, and end the process without leaving it to the student's threads and exit handlers."""
    say, end = _channel(request["answers"], request["token"]), os._exit
    dump = os.open(request["dump"], os.O_WRONLY | os.O_APPEND)
    faulthandler.enable(dump)
    own = request["exercises"]
    file = StudentFile(Path(request["file"]), own and Path(own))
    exercise = exercises(own)[request["exercise"]] if request["exercise"] else None
    _watch_exits(say, file, request["functions"])
    faulthandler.dump_traceback_later(request["timeout"], exit=True, file=dump)  # a thread of its own
    limits.apply(request["timeout"], request["memory"])
    say("started", at=time.monotonic())
    try:
        submission = Submission(file)
        if exercise is None:
            say("names", names=submission.names())
        else:
            _judge(exercise, request["functions"], submission, request["memory"], say)
    except UnreadableError as error:
        say("failure", **asdict(Failure("unreadable", str(error), "loading")))
    except Exception as error:  # what the student's code gave can't even be shown
        say("failure", **asdict(of_exception(error, file, request["memory"])))
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # the student's code closed or replaced it
            stream.flush()
    end(0)


def _channel(path: str, token: str) -> Say:
    """A function that writes a line of the answer."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    write, dumps, process = os.write, json.dumps, os.getpid()

    def say(event: str, **content: Any) -> None:
        if os.getpid() == process:  # not in a process that the student's code forked
            line = memoryview(dumps({"token": token, "event": event} | content).encode() + b"\n")
            while line:
                line = line[write(descriptor, line) :]

    return say


def _watch_exits(say: Say, file: StudentFile, functions: Sequence[str]) -> None:
    """Let `os._exit`, which leaves no trace, first say where it was called."""
    leave = os._exit

    def exit_after_saying_so(status: int) -> NoReturn:
        frame: FrameType | None = sys._getframe(1)
        frames = []
        while frame is not None:
            if name := file.shown(frame.f_code.co_filename):
                frames.append((name, frame.f_lineno, frame.f_code.co_name))
            frame = frame.f_back
        running = next((function for _, _, function in reversed(frames) if function in functions), None)
        say("exit", status=status, where=file.line(*frames[0]) if frames else "", function=running)
        leave(status)

    os._exit = exit_after_saying_so


def _judge(exercise: Exercise, wanted: Sequence[str], submission: Submission, memory: int, say: Say) -> None:
    """Run the file, check the functions that are wanted, and say what came out."""
    file = submission.file

    def fail(error: BaseException, stage: str) -> None:
        failure = of_exception(error, file, memory, stage, wanted)
        say("failure", **asdict(failure))

    try:
        names, notes = submission.run(lambda error: of_exception(error, file, memory).text)
    except UnreadableError:
        raise
    except BaseException as error:
        fail(error, "loading")
        return
    say("loaded", notes=notes)
    np.seterr(all="warn")  # whatever the file set
    missing = {name: _missing(name, arguments, names) for name, arguments in exercise.uses.items()}
    if any(missing.values()):
        reason = "; ".join(f"{name} {text}" for name, text in missing.items() if text)
        say("report", checks=[pieces(Check(name, False, f"can't be checked: {reason}")) for name in wanted])
        return
    checks = []
    functions = {name: names[name] for name in exercise.uses}
    for name in wanted:
        if text := _missing(name, exercise.functions[name], names):
            checks.append(Check(name, False, text))
        else:
            functions[name] = names[name]
    if any(name in functions for name in wanted):
        try:
            report = exercise.check(functions)
        except BaseException as error:
            fail(error, "checking")
            return
        checks += report
        notes = list(report.notes)
    unjudged = set(wanted) - {check.name for check in checks}
    checks += [Check(name, False, "was not judged: the exercise's check says nothing of it") for name in unjudged]
    say("report", checks=[pieces(check) for check in checks if check.name in wanted], notes=notes)


def _missing(name: str, arguments: str, names: Mapping[str, Any]) -> str | None:
    """Why a function can't be judged: the file has it not, or it is none."""
    if name not in names:
        close = difflib.get_close_matches(name, [n for n in names if callable(names[n])], 1)
        return f"is missing: define {name}({arguments})" + (f"; there is {close[0]}" if close else "")
    return None if callable(names[name]) else f"is a {type(names[name]).__name__}, not a function"

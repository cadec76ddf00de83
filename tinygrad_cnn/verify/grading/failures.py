"""What went wrong in a student's code, in one line: what happened, and where in the student's own file."""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

LONGEST_MESSAGE = 300
_DUMPED_FRAME = re.compile(r'  File "(.*)", line (\d+) in (.*)')


@dataclass(frozen=True)
class Failure:
    """Why there is no result.

    Attributes:
        kind: "timeout", "memory", "recursion", "crash", "exit", "killed", "input", "not-done", "exception",
            "unreadable" or "checker".
        text: goes on from the name of a function or "the file": "raises ZeroDivisionError: ... (hw.py, line 3)".
        stage: "loading" of the file, or "checking" of the functions.
        function: the one that was running, of those that are judged; None where that is not known.
    """

    kind: str
    text: str
    stage: str = "checking"
    function: str | None = None

    @property
    def message(self) -> str:
        """As a sentence of its own, where it was not a function that failed."""
        return f"the file {self.text}" if self.stage == "loading" else self.text


class StudentFile:
    """The file that was handed in; tells the student's frames from all others.

    The other modules in its folder count as the student's too, but not the teacher's file of exercises.
    """

    def __init__(self, path: Path, teachers: Path | None = None) -> None:
        self.path, self._teachers = path, teachers
        self.name = path.name

    def shown(self, filename: str) -> str | None:
        """The name by which a report calls a frame's file; None for one that is not the student's."""
        if filename == str(self.path) or filename == _ascii(str(self.path)):
            return self.name
        if filename.startswith((f"{self.name}, cell ", _ascii(f"{self.name}, cell "))):
            return filename
        other = Path(filename)
        is_theirs = other.suffix == ".py" and other.parent == self.path.parent and other != self._teachers
        return other.name if is_theirs else None

    def frames(self, traceback: TracebackType | None) -> Iterator[tuple[str, int, str]]:
        """The student's frames of a traceback, the outermost first: file, line and function."""
        while traceback is not None:
            code = traceback.tb_frame.f_code
            if name := self.shown(code.co_filename):
                yield name, traceback.tb_lineno, code.co_name
            traceback = traceback.tb_next

    def place(self, error: BaseException) -> str:
        """Where an exception came from: " (homework.py, line 12, in dX)"; empty if from no line of the student's."""
        if isinstance(error, SyntaxError) and error.filename and (name := self.shown(error.filename)):
            return f" ({name}, line {error.lineno})"
        frames = deque(self.frames(error.__traceback__), maxlen=1)
        return self.line(*frames[0]) if frames else ""

    @staticmethod
    def line(name: str, number: int, function: str) -> str:
        """A place, to be put behind a sentence."""
        return f" ({name}, line {number}" + ("" if function == "<module>" else f", in {function}") + ")"

    def dumped_place(self, dump: str) -> str:
        """Where a process was when `faulthandler` dumped its frames, the innermost first."""
        for stanza in dump.split("\n\n"):
            for filename, number, function in _DUMPED_FRAME.findall(stanza):
                if name := self.shown(filename):
                    return self.line(name, int(number), function)
        return ""

    def dumped_functions(self, dump: str) -> list[str]:
        """The names of the student's functions that were running then, the innermost first."""
        return [function for filename, _, function in _DUMPED_FRAME.findall(dump) if self.shown(filename)]


def _ascii(text: str) -> str:
    """As `faulthandler` writes it."""
    return text.encode("ascii", "backslashreplace").decode()


def of_exception(
    error: BaseException, file: StudentFile, memory: int, stage: str = "checking", functions: Sequence[str] = ()
) -> Failure:
    """What an exception out of the student's code means; `memory` is the limit in MB, `functions` are those judged."""
    kind, text = _told(error, file.place(error), memory, stage)
    running = (function for _, _, function in file.frames(error.__traceback__) if function in functions)
    return Failure(kind, text, stage, next(running, None))


def _told(error: BaseException, where: str, memory: int, stage: str) -> tuple[str, str]:
    """The kind of failure that an exception is, and its text."""
    said = message_of(error)
    if isinstance(error, SystemExit):
        advice = '; keep such a call under `if __name__ == "__main__":`' if stage == "loading" else ""
        return "exit", f"calls sys.exit({said}){where}{advice}"
    if isinstance(error, MemoryError):
        return "memory", f"needs more memory than the limit of {memory:,} MB{where}{_after(said)}"
    if isinstance(error, RecursionError):
        return "recursion", f"calls itself without end{where}"
    if isinstance(error, NotImplementedError):
        return "not-done", f"is not done yet: it raises NotImplementedError{where}"
    if isinstance(error, EOFError) and where:
        return "input", f"asks for input, and there is none while it is graded{where}"
    name = type(error).__name__
    if not where:
        return "checker", f"can't be checked: {name}{_after(said)}"
    advice = ""
    if isinstance(error, FileNotFoundError):
        advice = "; it runs in an empty folder: find its own with `pathlib.Path(__file__).parent`"
    return "exception", f"raises {name}{_after(said)}{where}{advice}"


def _after(message: str) -> str:
    return f": {message}" if message else ""


def message_of(error: BaseException) -> str:
    """An exception's message in one line that is not too long."""
    try:
        said = error.msg if isinstance(error, SyntaxError) else str(error)
    except BaseException as inner:  # the student's own __str__
        return f"(its message can't be shown: __str__ raises {type(inner).__name__})"
    return one_line(said)


def one_line(text: str, most: int = LONGEST_MESSAGE) -> str:
    """Without line breaks and control characters, cut where it is too long."""
    line = " ".join(printable(text[: 4 * most]).split())
    return line if len(line) <= most and len(text) <= 4 * most else f"{line[:most].rstrip()} ..."


def printable(text: str) -> str:
    """Without characters that would move a terminal's cursor or are none at all; line breaks and tabs stay."""
    return "".join(c if c in "\n\t" or not _is_control(c) else "\N{REPLACEMENT CHARACTER}" for c in text)


def _is_control(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] == "C" or category in ("Zl", "Zp")

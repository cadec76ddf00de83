"""A student's file, a script or a notebook: its text, the names that it defines, and its functions once it has run."""

from __future__ import annotations

import ast
import io
import linecache
import sys
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from tinygrad_cnn.verify.grading.failures import StudentFile, one_line
from tinygrad_cnn.verify.grading.notebook import code_cells

LARGEST = 10_000_000
"""Bytes; a file of more is no homework."""


class UnreadableError(Exception):
    """The file can't be read as Python; the message goes on from "the file"."""


class Submission:
    """A student's file, read but not run.

    Attributes:
        file: tells its frames from others.
        parts: of a script itself, of a notebook the code cells: the name and the source of each.

    Raises:
        UnreadableError: there is no such file, it is no text, no Python, or no notebook.
    """

    def __init__(self, file: StudentFile) -> None:
        self.file, path = file, file.path
        text = _text(path)
        self.is_notebook = path.suffix.lower() == ".ipynb"
        if self.is_notebook:
            try:
                self.parts = list(code_cells(text, path.name))
            except ValueError as error:
                raise UnreadableError(f"can't be read: {one_line(str(error))}") from None
        else:
            self.parts = [(str(path), text)]

    def names(self) -> list[str]:
        """The names that the file defines at its top level, without running it.

        Raises:
            UnreadableError: a script that is not Python. A notebook's cell that is not is left out.
        """
        found: dict[str, None] = {}
        for name, source in self.parts:
            try:
                tree = ast.parse(source, name)
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                if not self.is_notebook:
                    raise UnreadableError(f"is not Python: {self._syntax(error, source)}") from None
            else:
                found |= dict.fromkeys(_defined(tree.body))
        return list(found)

    def run(self, told: Callable[[BaseException], str]) -> tuple[dict[str, Any], list[str]]:
        """Run the file as an imported module, and return its names and what to note.

        A cell of a notebook that fails is noted in the words of `told`, and the next ones are run: a student's own test
        may well fail.

        Raises:
            UnreadableError: a script that is not Python.
            BaseException: whatever a script raises.
        """
        stem = self.file.path.stem
        module = ModuleType("submission" if stem in sys.modules else stem)  # a homework may be called numpy.py
        module.__file__ = str(self.file.path)
        if self.is_notebook:
            module.__dict__["display"] = print
        sys.modules[module.__name__] = module
        sys.path.append(str(self.file.path.parent))
        sys.argv = [str(self.file.path)]
        notes = []
        for name, source in self.parts:
            # Tracebacks and inspect.getsource find the lines of a cell here, which stand in no file.
            linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
            try:
                exec(self._compiled(name, source), module.__dict__)
            except BaseException as error:
                if not self.is_notebook:
                    raise
                said = str(error) if isinstance(error, UnreadableError) else told(error)
                notes.append(f"{'a cell' if name in said else name} {said}")
        return module.__dict__, notes

    def _compiled(self, name: str, source: str) -> CodeType:
        try:
            return compile(source, name, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise UnreadableError(f"is not Python: {self._syntax(error, source)}") from None

    def _syntax(self, error: BaseException, source: str) -> str:
        said = f"{type(error).__name__}: {one_line(error.msg if isinstance(error, SyntaxError) else str(error))}"
        if isinstance(error, SyntaxError) and error.lineno and self.file.shown(error.filename or ""):
            lines = source.splitlines()
            code = lines[error.lineno - 1].strip() if error.lineno <= len(lines) else ""
            said += self.file.place(error) + (f": {one_line(code, 60)}" if code else "")
        return said


def _text(path: Path) -> str:
    """The file's text, decoded as Python decodes it."""
    try:
        if path.is_dir():
            raise UnreadableError("is a folder")
        with open(path, "rb") as stream:
            content = stream.read(LARGEST + 1)
    except FileNotFoundError:
        raise UnreadableError("is not there") from None
    except OSError as error:
        raise UnreadableError(f"can't be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise UnreadableError(f"is larger than {LARGEST // 10**6} MB")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    except SyntaxError:  # an unknown encoding is declared, or the first lines are not what is declared
        encoding = "utf-8-sig"
    try:
        return io.TextIOWrapper(io.BytesIO(content), encoding).read()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        what = "UTF-8" if encoding.startswith("utf-8") else encoding
        byte = content[error.start]
        raise UnreadableError(f"is not {what} text: byte 0x{byte:02x} in line {line}; save it as UTF-8") from None


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    """The names that statements bind: functions, classes, imports and assignments, also inside `if` and `try`."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in statement.names)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            yield from (node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name))
        else:
            for part in ("body", "orelse", "finalbody"):
                yield from _defined(getattr(statement, part, []))
            for handler in getattr(statement, "handlers", []):
                yield from _defined(handler.body)

"""What `debug()` looks for: the first operation that made a NaN or an infinity, and the line that recorded a node."""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_cnn import backend

_PACKAGE = str(Path(__file__).parent) + os.sep


class Line(NamedTuple):
    """A line of the user's own code."""

    file: str
    number: int

    def __str__(self) -> str:
        source = linecache.getline(self.file, self.number).strip()
        return f"{self.file}, line {self.number}" + (f": {source}" if source else "")


def users_line() -> Line | None:
    """The innermost line on the stack that is not the library's own."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back  # type: ignore[assignment]
    return Line(frame.f_code.co_filename, frame.f_lineno) if frame else None


def check_finite(operation: str, result: Any, operands: Iterable[Any]) -> None:
    """Raise `FloatingPointError` when finite operands gave a result that is not finite.

    An operand that was not finite already is somebody else's doing: only the first operation is to blame.
    """
    if _first_non_finite(result) is None or any(_first_non_finite(x) is not None for x in operands):
        return
    index, value = _first_non_finite(result)  # type: ignore[misc]
    where = f" at index {index} of shape {result.shape}" if index else ""
    raise FloatingPointError(f"{operation}: made {value}{where} from finite operands")


def _first_non_finite(array: Any) -> tuple[tuple[int, ...], Any] | None:
    array = getattr(array, "_array", array)
    if getattr(array, "dtype", None) is None or array.dtype.kind not in "fc":
        return None
    xp = backend.get_array_module(array)
    bad = ~xp.isfinite(array)
    if not bad.any():
        return None
    index = tuple(int(i) for i in xp.unravel_index(xp.argmax(bad), bad.shape)) if array.ndim else ()
    return index, array[index] if index else array

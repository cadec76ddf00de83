"""Whose code it is: the student's, or a library's."""

from __future__ import annotations

import os
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from tinygrad_cnn.diagnostics import Line

_PACKAGE = str(Path(__file__).parents[2]) + os.sep
_STANDARD = tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib")})
_INSTALLED = {"site-packages", "dist-packages"}


@lru_cache(maxsize=1024)
def is_library(file: str) -> bool:
    """Whether a file is this package's, Python's own or an installed one; code without a file is the student's."""
    if file.startswith("<"):
        return file.startswith(("<frozen", "<__array_function__"))
    return file.startswith((_PACKAGE, *_STANDARD)) or not _INSTALLED.isdisjoint(Path(file).parts)


def is_students(module: ModuleType | str) -> bool:
    """Whether a module, or the one of that name, is the student's."""
    if isinstance(module, str):
        name, found = module, sys.modules.get(module)
    else:
        name, found = module.__name__, module
    if name.partition(".")[0] in ("tinygrad_cnn", *sys.stdlib_module_names):
        return False
    file = getattr(found, "__file__", None)
    return name not in sys.builtin_module_names and (file is None or not is_library(file))


def students_line() -> Line | None:
    """The innermost line on the stack that is no library's."""
    frame = sys._getframe(1)
    while frame is not None and is_library(frame.f_code.co_filename):
        frame = frame.f_back  # type: ignore[assignment]
    return Line(frame.f_code.co_filename, frame.f_lineno) if frame else None

"""The OpenBLAS that NumPy brings: its functions, which kernels it chose, and how many threads it may use."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class _OpenBLAS(NamedTuple):
    library: Any  # whose calls keep the interpreter's lock
    unlocked: Any  # whose calls let go of it
    prefix: str
    suffix: str

    def function(
        self, name: str, arguments: list[Any], result: Any, is_long: bool = False
    ) -> Callable[..., Any] | None:
        """One of its functions, by the name it has without the marks of a build; None if it lacks it."""
        found = getattr(self.unlocked if is_long else self.library, f"{self.prefix}{name}{self.suffix}", None)
        if found is not None:
            found.argtypes, found.restype = arguments, result
        return found


@cache
def _openblas() -> _OpenBLAS | None:
    """The library that NumPy brings and has loaded; None where NumPy uses another."""
    folders = (Path(np.__file__).parent.parent / "numpy.libs", Path(np.__file__).parent / ".dylibs")
    for path in (path for folder in folders for path in sorted(folder.glob("*openblas*"))):
        try:
            library = ctypes.PyDLL(str(path))
        except OSError:
            continue
        for prefix, suffix in (("scipy_", "64_"), ("", "64_"), ("scipy_", ""), ("", "")):
            if hasattr(library, f"{prefix}openblas_set_num_threads{suffix}"):
                return _OpenBLAS(library, ctypes.CDLL(str(path), handle=library._handle), prefix, suffix)
    return None


def routine(name: str, *arguments: Any) -> Callable[..., None] | None:
    """One of its routines of `cblas.h`, which gives no result; in its arguments `int` stands for an integer of its own.

    None where NumPy uses another BLAS.
    """
    blas = _openblas()
    if blas is None:
        return None
    integer = ctypes.c_int64 if blas.suffix == "64_" else ctypes.c_int
    return blas.function(f"cblas_{name}", [integer if a is int else a for a in arguments], None, is_long=True)


def core() -> str | None:
    """The processor whose kernels OpenBLAS uses, by its name for it; None without OpenBLAS.

    It chooses them by the processor at hand, or as its variable OPENBLAS_CORETYPE says.
    """
    blas = _openblas()
    name = blas and blas.function("openblas_get_corename", [], ctypes.c_char_p)
    return name().decode() if name else None


_lock = threading.Lock()
_limited = 0
_before = 1


@cache
def _counts() -> tuple[Callable[[int], object], Callable[[], int]] | None:
    """How to set and get the number of its threads."""
    blas = _openblas()
    if blas is None:
        return None
    setter = blas.function("openblas_set_num_threads", [ctypes.c_int], None)
    getter = blas.function("openblas_get_num_threads", [], ctypes.c_int)
    return (setter, getter) if setter and getter else None


class _OneThread:
    """The context that `one_thread` gives; a generator would take twice as long as all that it does."""

    __slots__ = ()

    def __enter__(self) -> None:
        global _limited, _before
        counts = _counts()
        if counts is not None:
            with _lock:
                if _limited == 0:
                    setter, getter = counts
                    _before = getter()
                    setter(1)
                _limited += 1

    def __exit__(self, *error: object) -> None:
        global _limited
        counts = _counts()
        if counts is not None:
            with _lock:
                _limited -= 1
                if _limited == 0:
                    counts[0](_before)


_one_thread = _OneThread()


def one_thread() -> _OneThread:
    """Inside, NumPy's BLAS uses one thread; afterwards as many as before, once nobody else is inside."""
    return _one_thread


def _after_fork() -> None:
    """The threads of a parent process are not there in its child."""
    global _lock, _limited
    _lock, _limited = threading.Lock(), 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

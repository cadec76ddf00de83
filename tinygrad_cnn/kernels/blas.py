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

from tinygrad_cnn.kernels.memory import address_of


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


_ROWS, _AS_IS, _TRANSPOSED = 101, 111, 112  # of cblas.h


@cache
def _products() -> dict[Any, Callable[..., None]]:
    """The routines for products of float32 and of float64; none without OpenBLAS."""
    found = {}
    for letter, number in (("s", ctypes.c_float), ("d", ctypes.c_double)):
        matrix = ctypes.c_void_p, int
        arguments = (*[ctypes.c_int] * 3, *[int] * 3, number, *matrix, *matrix, number, *matrix)
        if product := routine(f"{letter}gemm", *arguments):
            found[np.dtype(number)] = product
    return found


def multiply_into(out: Any, a: Any, b: Any, add: bool = False) -> None:
    """out (m, n) = a (m, k) @ b (k, n), plus what is there if `add` is true, which BLAS does in one go.

    Rows of `out` have no gaps within; a and b may be transposed views of such.

    >>> out = np.ones((2, 2))
    >>> multiply_into(out, np.array([[1.0, 2.0], [3.0, 4.0]]), np.eye(2).T, add=True)
    >>> out
    array([[2., 3.],
           [4., 5.]])
    """
    product = _products().get(out.dtype)
    if product is None:
        if add:
            out += a @ b
        else:
            np.matmul(a, b, out=out)
        return
    size = out.itemsize
    orders, steps = [], []
    for matrix in (a, b):
        # The step along an axis of one element may be anything.
        has_rows = matrix.strides[1] == size and matrix.strides[0] >= matrix.shape[1] * size
        is_as_is = has_rows or matrix.shape[1] == 1
        orders.append(_AS_IS if is_as_is else _TRANSPOSED)
        steps.append(max(matrix.strides[0 if is_as_is else 1] // size, 1))
    product(
        _ROWS, *orders, *out.shape, a.shape[1], 1.0, address_of(a), steps[0], address_of(b), steps[1],
        1.0 if add else 0.0, address_of(out), max(out.strides[0] // size, out.shape[1]),
    )  # fmt: skip


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

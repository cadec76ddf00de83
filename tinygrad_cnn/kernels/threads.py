"""The threads that kernels share: how many, and a function run on all of them.

NumPy lets go of the interpreter inside large operations, so that Python threads that each work on a part of the arrays
run side by side. One pool at a time: inside, the BLAS that NumPy brings is held to one thread, since its own pool would
fight with this one for the cores.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from time import perf_counter
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import blas


def _available() -> int:
    """The cores that this process may use, or fewer where OMP_NUM_THREADS says so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(int(wanted), cores) if wanted.isdecimal() and int(wanted) else cores


AWAKE_SECONDS = 0.01
"""For so long the threads of OpenMP wait for more to do without sleeping; measured with GNU's."""


class _OpenMP:
    """When oneDNN's pool, OpenMP's, was last used; its threads then keep the cores for a while."""

    last_used = -AWAKE_SECONDS


openmp = _OpenMP()
_count = _available()
_explicit = False
_executor: ThreadPoolExecutor | None = None
_lock = threading.Lock()
_local = threading.local()


def get_num_threads() -> int:
    """How many threads a kernel may use."""
    return _count


def set_num_threads(count: int) -> None:
    """Let kernels use up to so many threads; at first it is the number of cores, or OMP_NUM_THREADS.

    Raises:
        TypeError, ValueError: not an integer of 1 or more.

    >>> import tinygrad_cnn as tg
    >>> before = tg.get_num_threads()
    >>> tg.set_num_threads(1)
    >>> tg.get_num_threads()
    1
    >>> tg.set_num_threads(before)
    """
    global _count, _explicit, _executor
    if isinstance(count, bool) or not isinstance(count, int | np.integer):
        raise TypeError(f"set_num_threads: expected an integer but got {count!r}")
    if count < 1:
        raise ValueError(f"set_num_threads: expected 1 or more but got {count}")
    with _lock:
        _count, _explicit, _executor = int(count), True, None
        _members.clear()  # those threads end, and the system may give their numbers to others


def is_explicit() -> bool:
    """Whether `set_num_threads` was called."""
    return _explicit


def run(function: Callable[[Any], object], jobs: Sequence[Any]) -> None:
    """Call the function with each of the jobs, side by side where there are several jobs and threads.

    Every thread takes the next job as soon as it is done with one. Inside a job nothing is run side by side again, nor
    shortly after oneDNN. The first error is raised, after all threads have stopped.
    """
    workers = min(_count, len(jobs))
    if workers < 2 or getattr(_local, "is_inside", False):
        for job in jobs:
            function(job)
        return
    if perf_counter() - openmp.last_used < AWAKE_SECONDS:
        with blas.one_thread():
            for job in jobs:
                function(job)
        return
    todo = iter(jobs)  # `next` on a list's iterator is atomic

    def work() -> None:
        _local.is_inside = True
        try:
            for job in todo:
                function(job)
        finally:
            _local.is_inside = False

    _keep_apart()
    with blas.one_thread():
        # In the caller's context: NumPy keeps there which floating-point errors it warns of.
        others = [_pool().submit(copy_context().run, work) for _ in range(workers - 1)]
        try:
            work()
        finally:
            # A thread that has not begun yet finds nothing left to do.
            errors = [other.exception() for other in others if not other.cancel()]
    for error in errors:
        if error is not None:
            raise error


def _pool() -> ThreadPoolExecutor:
    global _executor
    with _lock:
        if _executor is None:
            _executor = ThreadPoolExecutor(max(_count - 1, 1), "tinygrad_cnn", _join)
        return _executor


_core_here = getattr(ctypes.PyDLL(None), "sched_getcpu", None) if hasattr(os, "sched_setaffinity") else None
_members: list[int] = []  # the pool's threads, by the system's numbers
_avoided = -1  # the core that they keep off


def _join() -> None:
    global _avoided
    _members.append(threading.get_native_id())
    _avoided = -1


def _keep_apart() -> None:
    """Keep the pool's threads off the caller's core, where there are others.

    Linux likes to wake a thread on the core of the one that wakes it, and for milliseconds both then take turns there.
    """
    global _avoided
    if _core_here is None or (core := _core_here()) == _avoided:
        return
    if others := os.sched_getaffinity(0) - {core}:
        _avoided = core
        for thread in tuple(_members):
            with suppress(OSError):  # the process may have been confined to other cores meanwhile
                os.sched_setaffinity(thread, others)


def _after_fork() -> None:
    """The threads of a parent process are not there in its child."""
    global _executor, _lock, _avoided
    _executor, _lock, _avoided = None, threading.Lock(), -1
    _members.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

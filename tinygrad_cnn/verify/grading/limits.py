"""The limits of a process in which a student's code runs, as far as the platform has them."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from math import ceil, isfinite
from pathlib import Path
from typing import Any

MEGABYTE = 2**20
LARGEST_FILE = 64 * MEGABYTE
"""Bytes that the code may write into one file."""


@dataclass(frozen=True)
class Limits:
    """How much an exercise may take.

    Attributes:
        timeout: seconds, by the clock on the wall, from when the checker is ready to when it has judged.
        memory: megabytes (2**20 bytes) of address space, on top of what Python and the checker take when they start.

    Raises:
        ValueError: one that is not a positive number.
    """

    timeout: float = 60
    memory: int = 2048

    def __post_init__(self) -> None:
        if not (isfinite(self.timeout) and self.timeout > 0):
            raise ValueError(f"timeout: expected a positive number of seconds but got {self.timeout}")
        if self.memory <= 0:
            raise ValueError(f"memory: expected a positive number of megabytes but got {self.memory}")

    @property
    def unenforced(self) -> tuple[str, ...]:
        """What this platform can't limit, in sentences."""
        if _resource() is None:
            return (
                f"memory is not limited on {sys.platform}",
                f"processes that the code starts are not ended on {sys.platform}",
            )
        return (f"memory is not limited on {sys.platform}",) if sys.platform == "darwin" else ()


def apply(timeout: float, memory: int) -> None:
    """Limit this process for good: its memory, the files that it writes, and as a last resort its processor time."""
    resource = _resource()
    if resource is None:
        return
    _lower(resource, "RLIMIT_CORE", 0)
    _lower(resource, "RLIMIT_FSIZE", LARGEST_FILE)
    # The clock on the wall is watched by others; this one ends a process whose grader was killed.
    _lower(resource, "RLIMIT_CPU", 4 * ceil(timeout) + 60)
    if sys.platform != "darwin":  # which takes the number and does not look at it
        _lower(resource, "RLIMIT_AS", _address_space() + memory * MEGABYTE)


def _lower(resource: Any, name: str, value: int) -> None:
    """Set a limit that the process can't lift again, unless a lower one stands."""
    which = getattr(resource, name)
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _address_space() -> int:
    """The bytes of address space that this process has taken; 0 where the platform does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _resource() -> Any:
    """The module that limits a process; None on Windows."""
    try:
        return importlib.import_module("resource")
    except ModuleNotFoundError:
        return None

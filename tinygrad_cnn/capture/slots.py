"""Who reads the numbers of a tensor, and who writes them, while a step is being recorded.

Numbers that Python code looks at decide what it does next, which a replay would not see. So while a recorder is at
work the slots `_array` and `_grad` of every tensor are properties that tell it. Other threads pass through them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from tinygrad_cnn.engine import Variable, recorder

_SLOTS = {name: getattr(Variable, name) for name in ("_array", "_grad")}
_lock = Lock()
_watchers = 0


def _watched(name: str) -> property:
    slot = _SLOTS[name]

    def read(self: Variable) -> Any:
        value = slot.__get__(self)
        watcher = recorder()
        if watcher is not None:
            watcher.read(self, name, value, sys._getframe(1))
        return value

    def write(self: Variable, value: Any) -> None:
        watcher = recorder()
        if watcher is not None:
            watcher.write(self, name, value, is_new(self, name), sys._getframe(1))
        slot.__set__(self, value)

    return property(read, write)


def is_new(variable: Variable, name: str) -> bool:
    """Whether the slot was never filled."""
    try:
        _SLOTS[name].__get__(variable)
    except AttributeError:
        return True
    return False


@contextmanager
def watched() -> Iterator[None]:
    """Inside, recorders are told of every read and write."""
    global _watchers
    with _lock:
        _watchers += 1
        if _watchers == 1:
            for name in _SLOTS:
                setattr(Variable, name, _watched(name))
    try:
        yield
    finally:
        with _lock:
            _watchers -= 1
            if not _watchers:
                for name, slot in _SLOTS.items():
                    setattr(Variable, name, slot)

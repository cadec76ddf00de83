"""Who reads the numbers of a tensor, and who writes them, while a step is being recorded.

Numbers that Python code looks at decide what it does next, which a replay would not see. So while a recorder is at
work the slots of tensors and nodes that hold numbers are properties that tell it. Other threads pass through them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from tinygrad_cnn.engine import Node, Variable
from tinygrad_cnn.modes import recorder

_SLOTS = {(kind, name): vars(kind)[name] for kind, name in (
    (Variable, "_array"), (Variable, "_grad"), (Node, "value"), (Node, "gradient"),
)}  # fmt: skip
_lock = Lock()
_watchers = 0


def _watched(slot: Any, name: str) -> property:
    def read(self: Any) -> Any:
        value = slot.__get__(self)
        watcher = recorder()
        if watcher is not None:
            watcher.read(self, name, value, sys._getframe(1))
        return value

    def write(self: Any, value: Any) -> None:
        watcher = recorder()
        if watcher is not None:
            watcher.write(self, name, value, _is_empty(slot, self), sys._getframe(1))
        slot.__set__(self, value)

    return property(read, write)


def _is_empty(slot: Any, owner: Any) -> bool:
    """Whether the slot was never filled."""
    try:
        slot.__get__(owner)
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
            for (kind, name), slot in _SLOTS.items():
                setattr(kind, name, _watched(slot, name))
    try:
        yield
    finally:
        with _lock:
            _watchers -= 1
            if not _watchers:
                for (kind, name), slot in _SLOTS.items():
                    setattr(kind, name, slot)

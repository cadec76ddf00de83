"""What the calling thread is doing: recording or not, looking for trouble, keeping values, being written down."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ContextDecorator
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np

_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Mode(threading.local):
    recording = True
    debug = False
    keeping = False
    recorder: Any = None  # who writes down what is computed, for `capture`
    plain = True  # recording, not debugging, nobody writing it down: what the short paths look at


mode = _Mode()
"""The calling thread's; it changes by the functions below."""

apart: set[int] = set()
"""The threads whose mode is not plain: while there is none, nobody has to look at his own."""


def _set_plain() -> None:
    mode.plain = mode.recording and not mode.debug and mode.recorder is None
    (apart.discard if mode.plain else apart.add)(threading.get_ident())


class no_grad(ContextDecorator):
    """Record nothing inside: for evaluation and for updates. A context manager and a decorator, nestable, per thread.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor(3.0, requires_grad=True)
    >>> with tg.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    _mode_name = "recording"
    _mode_inside = False

    def _recreate_cm(self) -> no_grad:
        return type(self)()  # a decorated function gets an instance a call, so that threads don't share one

    def __enter__(self) -> None:
        # One instance may be entered again inside itself, so what was before is a stack.
        self.__dict__.setdefault("_before", []).append(getattr(mode, self._mode_name))
        self._set(self._mode_inside)

    def __exit__(self, *exception: object) -> None:
        self._set(self.__dict__["_before"].pop())

    def _set(self, value: bool) -> None:
        setattr(mode, self._mode_name, value)
        _set_plain()


class recording(no_grad):
    """Record inside, also within `no_grad()`: a walk with `create_graph` asks for it."""

    _mode_inside = True


class debug(no_grad):
    """Look for trouble inside: every node keeps the line that recorded it, and its value and gradient for pictures.

    The first operation that makes a NaN or an infinity out of finite operands, forward or backward, raises a
    `FloatingPointError` that names it, and NumPy's warnings are silent; an error in a backward rule says which line
    recorded the node.

    >>> import tinygrad_cnn as tg
    >>> with tg.debug():
    ...     y = tg.log(tg.tensor([1.0, 0.0], requires_grad=True))
    Traceback (most recent call last):
    FloatingPointError: log: made -inf at index (1,) of shape (2,) from finite operands
    """

    _mode_name = "debug"
    _mode_inside = True

    def __enter__(self) -> None:
        super().__enter__()
        self.__dict__.setdefault("_warnings", []).append(np.seterr(divide="ignore", over="ignore", invalid="ignore"))

    def __exit__(self, *exception: object) -> None:
        np.seterr(**self.__dict__["_warnings"].pop())
        super().__exit__(*exception)


class keeping(no_grad):
    """Keep every node's value and gradient for pictures, however large."""

    _mode_name = "keeping"
    _mode_inside = True


def set_recorder(recorder: Any) -> Any:
    """Let the recorder see what the calling thread computes, None for nobody; the one before."""
    before, mode.recorder = mode.recorder, recorder
    _set_plain()
    return before


def recorder() -> Any:
    """Who writes down what the calling thread computes, or None."""
    return mode.recorder


def observed(function: _Function) -> _Function:
    """A function that looks at numbers, or changes what is not in the graph: a recorded step calls it each time."""

    @wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        if mode.recorder is None:
            return function(*arguments, **options)
        return mode.recorder.call(function, arguments, options)

    return cast(_Function, call)


def is_debugging() -> bool:
    """Whether the calling thread is inside `debug()`."""
    return mode.debug

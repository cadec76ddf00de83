"""A program: straight lines of Python over arrays, written while a step is recorded, and the function made of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.engine import Node
from tinygrad_cnn.kernels import memory

LARGE_BYTES = 1 << 16
"""What is as large is let go of as soon as it is dead; smaller values live until the end of the program."""

LINE_COUNT = 50_000
"""Longer steps are not captured: the text of a program takes Python long to compile."""

SMALL_FRAME, CHUNK = 256, 2048
"""CPython (3.11 to 3.13) takes the variables of running functions from chunks for 2048 of them. A program that nearly
fills one leaves so little that the calls in it ask the system for a chunk and give it back, each time: 8 microseconds
a call. So one of more than a few variables gets enough of them for a chunk of its own, with room behind it."""

_NAME = re.compile(r"\bv\d+\b")
_NONE = (type(None), type(Ellipsis))
_PLAIN = (int, float, complex, str, bytes, type, slice, range, np.dtype, np.generic, Fraction, *_NONE)


class Line(NamedTuple):
    """One line, whether what it changes can't be undone, and the primitive's forward or rule that it calls."""

    text: str
    is_final: bool = False
    function: Callable[..., Any] | None = None


class Program:
    """The lines of a step, and what their names stand for.

    Attributes:
        lines: what is done, in order. `v<n>` are the values computed; every other name is in `names`.
        names: what a name stands for: functions, tensors, options.
        large: the values that are worth letting go of.
    """

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.names: dict[str, Any] = {}
        self.by_value: set[str] = set()
        self.large: set[str] = set()
        self._ids: dict[int, str] = {}
        self._count = 0

    def value(self, actual: Any) -> str:
        """A new name for a value that is like this one."""
        self._count += 1
        name = f"v{self._count}"
        if not isinstance(actual, np.generic | float | int | Fraction | None) and not (
            isinstance(actual, np.ndarray) and actual.nbytes < LARGE_BYTES
        ):
            self.large.add(name)
        return name

    def another(self, name: str) -> str:
        """A new name for a value of the shape of this one."""
        self._count += 1
        if name in self.large:
            self.large.add(f"v{self._count}")
        return f"v{self._count}"

    def add(self, text: str, is_final: bool = False, function: Callable[..., Any] | None = None) -> None:
        """Append a line."""
        self.lines.append(Line(text, is_final, function))

    def name(self, thing: Any, prefix: str = "f") -> str:
        """The name of a thing that is the same object at every replay."""
        known = self._ids.get(id(thing))
        if known is None:
            known = self._ids[id(thing)] = f"{prefix}{len(self.names)}"
            self.names[known] = thing
        return known

    def constant(self, value: Any) -> str:
        """A plain value as it is written, or the name of it."""
        if value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value)):
            return f"({value!r})" if isinstance(value, int | float) and value < 0 else repr(value)
        if type(value) is tuple and all(type(item) is int for item in value):
            return repr(value)
        name = f"k{len(self.names)}"
        self.names[name] = value
        self.by_value.add(name)
        return name

    def difference(self, other: Program) -> str | None:
        """What a second recording of the same step does differently, in words; None where it is the same."""
        for mine, theirs in zip(self.lines, other.lines, strict=False):
            if mine.text != theirs.text:
                return f"it does not do the same each time ({self._readable(mine)}, then {other._readable(theirs)})"
        if len(self.lines) != len(other.lines):
            return f"it does not do the same each time ({len(self.lines)} operations, then {len(other.lines)})"
        for name, value in self.names.items():
            theirs_ = other.names.get(name)
            if name in self.by_value:
                if not same(value, theirs_):
                    return f"a number or an option differs each time ({value!r}, then {theirs_!r})"
            elif value is not theirs_:
                called, then = getattr(value, "__name__", None), getattr(theirs_, "__name__", None)
                if called != then:
                    return f"it does not do the same each time ({called}, then {then})"
                kind = type(value).__name__
                return f"it uses another {kind} each time, made inside it from what is not followed"
        return None

    def _readable(self, line: Line) -> str:
        def shown(match: re.Match[str]) -> str:
            value = self.names.get(match[0])
            return match[0] if value is None else getattr(value, "__name__", None) or type(value).__name__

        return re.sub(r"\b[a-z]\d+\b", shown, line.text)

    def source(self, checks: Iterable[str], lines: Sequence[Line]) -> str:
        """These lines as the text of a function of the arguments' tensors and arrays."""
        last: dict[str, int] = {}
        for i, line in enumerate(lines):
            for found in _NAME.findall(line.text):
                last[found] = i
        dying: dict[int, list[str]] = {}
        for found, i in last.items():
            if found in self.large:
                dying.setdefault(i, []).append(found)
        final = next((i for i, line in enumerate(lines) if line.is_final), len(lines))
        text = ["def replay(a):", " try:"]
        text += [f"  {check}" for check in checks]
        text.append("  pass")
        for i, line in enumerate(lines):
            indent = "  " if i < final else " "
            if i == final:
                text += [" except Exception as error:", "  raise UndoneError from error"]
            overwrites = getattr(line.function, "overwrites", False)
            if overwrites and (first := _NAME.findall(line.text)[1]) in dying.get(i, ()):
                text.append(f"{indent}if {self.name(memory.is_unshared)}({first}): {self.name(memory.offer)}({first})")
                text += [indent + line.text, f"{indent}{self.name(memory.offer)}(None)"]
            else:
                text.append(indent + line.text)
            if i in dying and i < len(lines) - 1:
                text.append(f"{indent}del {', '.join(dying[i])}")
        if final == len(lines):
            text += [" except Exception as error:", "  raise UndoneError from error"]
        if SMALL_FRAME < self._count < CHUNK:  # behind the return, where it costs nothing but the room
            text.append(f" {' = '.join(f'u{i}' for i in range(CHUNK - self._count))} = None")
        return "\n".join(text) + "\n"

    def function(
        self, checks: Iterable[str], lines: Sequence[Line], name: str
    ) -> tuple[Callable[[list[Any]], Any], str]:
        """The function, and its source."""
        source = self.source(checks, lines)
        namespace = dict(self.names, UndoneError=UndoneError)
        exec(compile(source, f"<replay of {name}>", "exec"), namespace)
        return namespace.pop("replay"), source  # in its own globals it would be a cycle


class RefusedError(Exception):
    """The step, or a part of it, can't be replayed."""


class UndoneError(Exception):
    """A replay that stopped before it changed anything for good."""


def is_plain(value: Any) -> bool:
    """Whether a value is told by what it says, and not by which object it is: numbers, texts, tuples of them."""
    if isinstance(value, tuple | list | set | frozenset):
        return all(map(is_plain, value))
    if isinstance(value, dict):
        return all(map(is_plain, value)) and all(map(is_plain, value.values()))
    return isinstance(value, _PLAIN)


def same(x: Any, y: Any) -> bool:
    """Whether two plain values are of one type and say the same; NaN is NaN, and -0.0 is not 0.0."""
    if type(x) is not type(y):
        return False
    if isinstance(x, tuple | list):
        return len(x) == len(y) and all(map(same, x, y))
    if isinstance(x, np.ndarray | Node):
        return x.shape == y.shape and x.dtype == y.dtype and (isinstance(x, Node) or x.tobytes() == y.tobytes())
    if isinstance(x, float | np.floating):
        return repr(x) == repr(y)
    return bool(x == y)

"""What a step finds around it: modules, and the variables of the functions that it is made of. Guards look at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter, itemgetter
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any

from tinygrad_cnn import modes
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.optim import Optimizer
from tinygrad_cnn.tensor import Tensor

ITEM_COUNT = 1000
"""Longer lists and dicts are not looked through; which object they are still is."""

DEPTH = 8


class Surroundings:
    """What is reachable from a step by name, and what it was when this was made.

    It goes through modules, lists, dicts, tuples, the variables of plain functions (those around them, the globals
    that they name), the methods and attributes of modules and of the objects that methods belong to; not into the
    library's functions, other objects or optimisers.
    """

    def __init__(self, function: Any, arguments: Sequence[Any] = ()) -> None:
        self._seen: dict[int, Any] = {}
        self._containers: list[Any] = []  # lists and dicts as they are, and
        self._contents: list[Any] = []  # what was in them
        self._cells: list[CellType] = []  # the variables around functions, and
        self._values: list[Any] = []  # what they were
        self._globals: list[tuple[Callable[[Any], Any], dict[str, Any], Any]] = []
        self.tensors: list[Any] = []
        self._reach(function, DEPTH)
        for x in arguments:
            self._reach(x, DEPTH)
            self._object(x, DEPTH)

    def is_unchanged(self) -> bool:
        """Whether everything is what it was: the same objects, or equal numbers."""
        mode = modes.mode
        mode.recorder = _INCOMPARABLE
        try:
            for named, space, found in self._globals:
                if named(space) != found:
                    return False
            return self._containers == self._contents and list(map(_content, self._cells)) == self._values
        except Exception:  # another tensor or array than before, or a variable that is gone
            return False
        finally:
            mode.recorder = None

    def _reach(self, x: Any, depth: int) -> None:
        if id(x) in self._seen or depth < 0:
            return
        self._seen[id(x)] = x
        if isinstance(x, Tensor):
            self.tensors.append(x)
        elif isinstance(x, MethodType):
            self._reach(x.__func__, depth - 1)
            self._object(x.__self__, depth)
        elif isinstance(x, FunctionType):
            self._function(x, depth)
        elif isinstance(x, Module):
            self._object(x, depth)
        elif isinstance(x, dict | list) and len(x) <= ITEM_COUNT:
            self._containers.append(x)
            self._contents.append(x.copy())
            for item in list(x.values() if isinstance(x, dict) else x):
                self._reach(item, depth - 1)
        elif isinstance(x, tuple) and len(x) <= ITEM_COUNT:
            for item in x:
                self._reach(item, depth - 1)

    def _object(self, x: Any, depth: int) -> None:
        """The attributes of an object, and what its methods name."""
        if isinstance(x, type | FunctionType | Optimizer) or not hasattr(x, "__dict__"):
            return
        self._reach(vars(x), depth - 1)
        for kind in type(x).__mro__:
            for attribute in vars(kind).values():
                if isinstance(attribute, FunctionType):
                    self._reach(attribute, depth - 1)

    def _function(self, x: FunctionType, depth: int) -> None:
        if x.__module__ is not None and x.__module__.split(".")[0] == "tinygrad_cnn":
            return
        cells, space = x.__closure__ or (), x.__globals__
        names = [name for name in sorted(set(_names(x.__code__))) if name in space]
        try:
            values = [cell.cell_contents for cell in cells]
        except ValueError:  # a variable that is not there yet
            return
        self._cells += cells
        self._values += values
        if names:
            named = itemgetter(*names, names[0])  # one more, for with a single name it gives no tuple to compare
            self._globals.append((named, space, named(space)))
            values += [space[name] for name in names]
        for item in (*values, *(x.__defaults__ or ())):
            self._reach(item, depth - 1)


_content = attrgetter("cell_contents")


class _Incomparable:
    """A recorder under which to compare tensors is an error, so that none but the very same is what it was."""

    def call(self, function: Any, *_: Any) -> Any:
        raise TypeError(f"{function} is called")


_INCOMPARABLE = _Incomparable()


def _names(code: CodeType) -> Iterator[str]:
    """The global names (and attributes) that a function and those inside it mention."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)

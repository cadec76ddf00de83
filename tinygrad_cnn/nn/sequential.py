"""Sequential: modules applied one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from operator import index
from typing import Any, Self, overload

from tinygrad_cnn.backend import shape_of
from tinygrad_cnn.nn.module import Module


class Sequential(Module):
    """Modules applied one after the other, each to the output of the one before it.

    Args:
        modules: the modules, named "0", "1", ...; or a single dict of modules by name, which are then attributes too.

    `model[i]` is a module and `model[i:j]` a `Sequential` of the same modules, under their names; `len` and iteration
    work. An error in a module says which it was and what it was given.

    Raises:
        TypeError: something that is not a module.
        ValueError: a name that is no attribute's, or is taken.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> model
    Sequential(  # 23 parameters
      (0): Linear(4, 3)  # 15 parameters
      (1): ReLU()
      (2): Linear(3, 2)  # 8 parameters
    )
    >>> model[:2](tg.tensor([[1.0, 2.0, 3.0, 4.0]])).shape
    (1, 3)
    >>> nn.Sequential({"hidden": nn.Linear(4, 3), "relu": nn.ReLU()}).hidden
    Linear(4, 3)  # 15 parameters
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        self._names: list[str] = []
        first = modules[0] if len(modules) == 1 else None
        if isinstance(first, Mapping):
            for name, named in first.items():
                if not isinstance(name, str) or not name.isidentifier() or hasattr(self, name):
                    raise ValueError(f"Sequential: {name!r} can't name a module: it is taken or no attribute's name")
                self._add(name, named)
        else:
            for module in modules:
                self.append(module)

    def append(self, module: Any) -> Self:
        """Add a module at the end, named by its position, or the next free number; returns the Sequential."""
        self._add(next(name for name in map(str, count(len(self))) if name not in self._names), module)
        return self

    def _add(self, name: str, module: Any) -> None:
        if not isinstance(module, Module):
            if isinstance(module, type) and issubclass(module, Module):
                raise TypeError(f"Sequential: {name!r} must be a Module but is a class; write {module.__name__}(...)")
            hint = "; a function has its module, as nn.ReLU() for tg.relu" if callable(module) else ""
            raise TypeError(f"Sequential: {name!r} must be a Module but is {module!r}{hint}")
        setattr(self, name, module)
        self._names.append(name)

    def forward(self, x: Any) -> Any:
        """x through every module in turn."""
        for name in self._names:
            module = getattr(self, name)
            try:
                x = module(x)
            except Exception as error:
                layer = f"{type(module).__name__}({module.extra_repr()})"
                error.add_note(f"in Sequential ({name}): {layer}, given shape {shape_of(x)}")
                raise
        return x

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[Module]:
        return (getattr(self, name) for name in self._names)

    @overload
    def __getitem__(self, key: int) -> Module: ...
    @overload
    def __getitem__(self, key: slice) -> Sequential: ...
    def __getitem__(self, key: int | slice) -> Module | Sequential:
        if isinstance(key, slice):
            part = Sequential()
            for name in self._names[key]:
                part._add(name, getattr(self, name))
            return part
        try:
            name = self._names[index(key)]
        except IndexError:
            raise IndexError(f"Sequential: there are {len(self)} modules but the index is {key}") from None
        module: Module = getattr(self, name)
        return module

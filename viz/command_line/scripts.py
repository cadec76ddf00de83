"""A user's script: run, and the tensor or the model found in it that a command is asked to show."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from tinygrad_cnn.modes import keeping
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.tensor import Tensor
from tinygrad_cnn.verify.grading.failures import StudentFile, message_of

_TARGET = re.compile(r"(?P<path>.+):(?P<name>[^\W\d]\w*(\.\w+)*)")

MOST_NAMES = 8
"""An error that lists names stops after so many."""


def split_target(text: str) -> tuple[Path, str | None]:
    """A script and the name behind its colon, or None.

    >>> split_target("lenet.py:model.conv1")[1], split_target("lenet.py")[1]
    ('model.conv1', None)
    """
    found = _TARGET.fullmatch(text)
    if found is None or Path(text).is_file():
        return Path(text), None
    return Path(found["path"]), found["name"]


class Script:
    """A script that has run.

    Attributes:
        path: its file.
        names: what it defined at its top level.
    """

    def __init__(self, path: Path, module: ModuleType, ran_as_main: bool) -> None:
        self.path, self.names = path, vars(module)
        self._module, self._ran_as_main = module.__name__, ran_as_main

    def tensor_or_model(self, name: str | None, prefers_models: bool) -> tuple[str, Any, str]:
        """What to draw: its name, itself, and a few words on why this one where no name was given.

        Without a name it is the tensor that was recorded last; the only model, where there is no such tensor or
        `prefers_models`.

        Raises:
            ValueError: nothing of the name, neither a tensor nor a model, several models.
        """
        if name is not None:
            return name, self.value(name), ""
        tensors = {} if prefers_models else self._tensors()
        if tensors:
            last = max(tensors, key=lambda each: tensors[each].node.number)
            more = f"the last of {len(tensors)} tensors with a graph" if len(tensors) > 1 else "the tensor with a graph"
            return last, tensors[last], more
        return self.model(None, "a model" if prefers_models else "a tensor with a graph or a model")

    def model(self, name: str | None, wanted: str = "a model") -> tuple[str, Any, str]:
        """The model of this name, or the only one, as `tensor_or_model`; `wanted` is what an error says is missing.

        A model that is part of another one doesn't count beside it. Where there is none, a class of models counts whose
        `__init__` needs no argument.

        Raises:
            ValueError: nothing of the name, no model, or several.
        """
        if name is not None:
            return name, self.value(name), ""
        models = {key: value for key, value in self.names.items() if isinstance(value, Module)}
        inner = {each for model in models.values() for each in model.modules() if each is not model}
        models = {key: value for key, value in models.items() if value not in inner}
        found: dict[str, Any] = models or {key: value for key, value in self._own() if _makes_a_model(value)}
        if not found:
            raise ValueError(f"{self.path.name} defines no {wanted.removeprefix('a ')}{self._advice()}")
        if len({id(value) for value in found.values()}) > 1:
            several = f"the {'models' if models else 'classes'} {_listed(found)}"
            raise ValueError(f"{self.path.name} has {several}; say which, as {self.path.name}:{next(iter(found))}")
        key = next(iter(found))
        return key, _made(key, found[key]), "the model" if models else "a new model of this class"

    def value(self, name: str) -> Any:
        """What the script calls so, as `loss` or `model.layers.0`, or what a function or class of the name makes.

        Raises:
            ValueError: there is none.
        """
        first, _, rest = name.partition(".")
        if first not in self.names:
            known = [key for key in self.names if not key.startswith("__")]
            close = get_close_matches(first, known, n=1)
            advice = f"; did you mean {close[0]}?" if close else self._advice()
            raise ValueError(f"{self.path.name} defines no {first!r}{advice}")
        value = self.names[first]
        if rest and isinstance(value, Module) and rest in (inner := dict(value.named_modules())):
            return inner[rest]
        for part in rest.split(".") if rest else ():
            if not hasattr(value, part):
                raise ValueError(f"{self.path.name}: {first} has no {rest!r}")
            value = getattr(value, part)
        return _made(name, value)

    def _tensors(self) -> dict[str, Any]:
        """The tensors that were computed, by name."""
        tensors = {key: value for key, value in self.names.items() if isinstance(value, Tensor)}
        return {key: x for key, x in tensors.items() if x.node is not None and x.node.primitive is not None}

    def _own(self) -> Iterator[tuple[str, Any]]:
        """What the script defines and does not import."""
        return ((k, v) for k, v in self.names.items() if getattr(v, "__module__", None) == self._module)

    def _advice(self) -> str:
        there = {key: value for key, value in self.names.items() if isinstance(value, Module)} | self._tensors()
        there |= {key: value for key, value in self._own() if inspect.isclass(value) and issubclass(value, Module)}
        if there:
            return f"; there are {_listed(there)}"
        if not self._ran_as_main and "__main__" in self.path.read_text(encoding="utf-8", errors="replace"):
            return '; --main also runs what stands under `if __name__ == "__main__":`'
        return ", neither among its variables nor its classes: what a function keeps to itself can't be found"


@contextmanager
def running(path: Path, as_main: bool = False) -> Iterator[Script]:
    """Run a script like an imported module, every value of its graphs kept, and use what it defines inside.

    Until the end its folder can be imported from. An exception from a line of the script, when it runs or when what it
    defines is called, is told in one line.

    Args:
        path: the file.
        as_main: run also what stands under `if __name__ == "__main__":`.

    Raises:
        ValueError: no such file, no Python, or it raised an exception: the message says which and on what line.
    """
    if not path.is_file():
        raise ValueError(f"there is no file {path}" + (", but a folder" if path.is_dir() else ""))
    file = StudentFile(path.resolve())
    name = "__main__" if as_main else path.stem if path.stem not in sys.modules else f"script_{path.stem}"
    module = ModuleType(name)
    module.__file__ = str(file.path)
    before = sys.modules.get(name), sys.path[:], sys.argv
    sys.modules[name], sys.argv = module, [str(path)]
    sys.path.insert(0, str(file.path.parent))
    try:
        with keeping():
            try:
                exec(compile(file.path.read_bytes(), str(file.path), "exec", dont_inherit=True), vars(module))
            except SystemExit as stop:
                if stop.code:
                    raise ValueError(f"{path.name} stopped with sys.exit({stop.code!r}){file.place(stop)}") from None
        yield Script(path, module, as_main)
    except Exception as error:
        if place := file.place(error):
            notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
            raise ValueError(f"{type(error).__name__}: {message_of(error)}{place}{notes}") from error
        raise
    finally:
        sys.path[:], sys.argv = before[1:]
        if before[0] is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = before[0]


def inputs_of(script: Script, given: Sequence[tuple[int, ...] | str]) -> Any:
    """A model's inputs, each by its shape or by the name of the script's variable that holds it.

    Raises:
        ValueError: the script has no variable of the name.
    """
    inputs = [each if isinstance(each, tuple) else script.value(each) for each in given]
    return inputs if len(inputs) > 1 else inputs[0]


def _makes_a_model(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, Module) and _needs_nothing(value)


def _needs_nothing(function: Any) -> bool:
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        return False
    return True


def _made(name: str, value: Any) -> Any:
    """The value, or what it makes, where it is a function or a class."""
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return value
    if not _needs_nothing(value):
        raise ValueError(f"{name} needs arguments; call it in the script and name the result")
    return value()


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = ", ..." if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more

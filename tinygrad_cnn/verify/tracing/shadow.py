"""A student's function once more, on names that keep traced numbers.

The code objects are taken as they are, so that lines and tracebacks stay right; what they see is replaced: NumPy,
`math` and `float`, and the student's own functions, classes and data, which are rebuilt in the same way. Nothing global
is patched and the student's module stays as it is, so that several can run at once.
"""

from __future__ import annotations

import builtins
import functools
from abc import ABC, ABCMeta
from collections.abc import Callable, Iterator
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, ClassVar, Generic

import numpy as np

from tinygrad_cnn.verify.tracing.arrays import TracedArray, numbers
from tinygrad_cnn.verify.tracing.float_types import FLOAT_TYPES
from tinygrad_cnn.verify.tracing.library import is_library, is_students
from tinygrad_cnn.verify.tracing.numpy_shadow import Shadow, replacement

_LRU_CACHE: Any = type(functools.lru_cache(lambda: None))
_BASES = (object, ABC, Generic)

_MOST_COPIED = 10_000
"""Arrays and lists of more elements are only read: a data set as numbers would take minutes."""


def shadowed(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, rebuilt so that its `zeros`, `exp`, `float` and the like keep `Number`s.

    A library's function, which there is nothing to replace in, comes back as it is. The student's data (an array of
    his module that the function reads) is copied when this is called, so that the original stays as it is.

    >>> def average(X):
    ...     Z = np.zeros(X.shape[1])
    ...     for row in X:
    ...         Z += row
    ...     return Z / len(X)
    >>> shadowed(average)(numbers([[1, 2], [2, 2], [2, 2]]))
    TracedArray([Number(5/3), Number(2)], dtype=object)
    """
    result: Callable[..., Any] = _Rebuilding().of(function)
    return result


class _Rebuilding:
    """One rebuilding of everything that a function reaches; what it reaches twice is rebuilt once."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[Any, Any]] = {}  # by identity, with the original, so that no id is used again
        self._globals: dict[int, dict[str, Any]] = {}
        self._builtins = {**vars(builtins), "float": FLOAT_TYPES[float], "__import__": self._import}

    def of(self, value: Any) -> Any:
        """What stands for a value; itself where nothing has to."""
        known = self._done.get(id(value))
        if known is not None:
            return known[1]
        rebuild = self._builder(value)
        if rebuild is None:
            return replacement(value)
        return rebuild(value)

    def _builder(self, value: Any) -> Callable[[Any], Any] | None:
        own = self._builders.get(type(value))
        if own is not None:
            return functools.partial(own, self)
        if isinstance(value, functools.partial):
            return self._partial
        if isinstance(value, type):
            return self._class if _is_students_class(value) else None
        return self._instance if _is_students_class(type(value)) else None

    def _remember(self, value: Any, stands_for_it: Any) -> Any:
        self._done[id(value)] = value, stands_for_it
        return stands_for_it

    # Functions

    def _function(self, function: FunctionType) -> Any:
        if function.__module__ and function.__module__.partition(".")[0] in ("numpy", "scipy"):
            return replacement(function)
        is_students_code = not is_library(function.__code__.co_filename)
        if not is_students_code and not function.__closure__:
            return function
        # A library's wrapper around a student's function keeps its own names.
        names = self._globals_of(function) if is_students_code else function.__globals__
        cells = tuple(self._cell(cell) for cell in function.__closure__ or ())
        new = FunctionType(function.__code__, names, function.__name__, None, cells or None)
        self._remember(function, new)
        new.__qualname__, new.__doc__, new.__module__ = function.__qualname__, function.__doc__, function.__module__
        new.__annotations__ = function.__annotations__
        for old, cell in zip(function.__closure__ or (), cells, strict=True):
            self._fill(old, cell)
        new.__defaults__ = self.of(function.__defaults__)
        new.__kwdefaults__ = self.of(function.__kwdefaults__)
        new.__dict__.update({key: self.of(value) for key, value in function.__dict__.items()})
        if is_students_code:
            for name in _names(function.__code__):
                if name in function.__globals__:
                    names[name] = self.of(function.__globals__[name])
        return new

    def _globals_of(self, function: FunctionType) -> dict[str, Any]:
        """The globals of the functions of one module, which share what they set."""
        original = function.__globals__
        if id(original) not in self._globals:
            self._globals[id(original)] = {**original, "__builtins__": self._builtins}
        return self._globals[id(original)]

    def _cell(self, cell: CellType) -> Any:
        known = self._done.get(id(cell))
        return known[1] if known else self._remember(cell, CellType())

    def _fill(self, old: CellType, new: CellType) -> None:
        try:
            contents = old.cell_contents
        except ValueError:  # a name that isn't bound yet
            return
        new.cell_contents = self.of(contents)

    def _method(self, method: MethodType) -> Any:
        return MethodType(self.of(method.__func__), self.of(method.__self__))

    def _partial(self, given: Any) -> Any:
        arguments = {key: self.of(value) for key, value in given.keywords.items()}
        return functools.partial(self.of(given.func), *map(self.of, given.args), **arguments)

    def _cached(self, given: Any) -> Any:
        return self._remember(given, functools.lru_cache(**given.cache_parameters())(self.of(given.__wrapped__)))

    def _vectorized(self, given: np.vectorize) -> Any:
        options = {"otypes": given.otypes, "excluded": given.excluded, "signature": given.signature}
        return self._remember(given, replacement(np.vectorize)(self.of(given.pyfunc), **options))

    def _decorated(self, given: Any) -> Any:
        return type(given)(self.of(given.__func__))

    def _property(self, given: property) -> Any:
        return property(self.of(given.fget), self.of(given.fset), self.of(given.fdel), given.__doc__)

    # Modules

    def _module(self, module: ModuleType) -> Any:
        if isinstance(module, Shadow) or not is_students(module):
            return replacement(module)
        return self._remember(module, Shadow(module, self.of))

    def _import(self, *args: Any, **kwargs: Any) -> Any:
        return self.of(builtins.__import__(*args, **kwargs))

    # Classes and instances

    def _class(self, given: Any) -> Any:
        new = type(given)(given.__name__, tuple(map(self.of, given.__bases__)), {"__doc__": given.__doc__})
        self._remember(given, new)
        for name, value in vars(given).items():
            if name not in ("__dict__", "__weakref__", "__doc__"):
                setattr(new, name, self.of(value))
        return new

    def _instance(self, given: Any) -> Any:
        new = object.__new__(self.of(type(given)))
        self._remember(given, new)
        new.__dict__.update({name: self.of(value) for name, value in vars(given).items()})
        return new

    # Data, copied: the function may write to it

    def _array(self, array: Any) -> Any:
        if array.size > _MOST_COPIED:  # a data set
            array = array.view()
            array.flags.writeable = False
            return array
        copy = numbers(array) if array.dtype.kind == "f" else array.copy().view(TracedArray)
        return self._remember(array, copy)

    def _list(self, given: Any) -> Any:
        if len(given) > _MOST_COPIED:
            return given
        new = self._remember(given, [])
        new.extend(map(self.of, given))
        return new

    def _tuple(self, given: Any) -> Any:
        new = tuple(map(self.of, given))
        return given if all(x is y for x, y in zip(given, new, strict=True)) else self._remember(given, new)

    def _dict(self, given: Any) -> Any:
        new = self._remember(given, {})
        new.update({key: self.of(value) for key, value in given.items()})
        return new

    def _set(self, given: Any) -> Any:
        return self._remember(given, set(given))

    _builders: ClassVar[dict[type, Callable[..., Any]]] = {
        FunctionType: _function,
        MethodType: _method,
        _LRU_CACHE: _cached,
        staticmethod: _decorated,
        classmethod: _decorated,
        property: _property,
        ModuleType: _module,
        np.vectorize: _vectorized,
        np.ndarray: _array,
        list: _list,
        tuple: _tuple,
        dict: _dict,
        set: _set,
    }


def _names(code: CodeType) -> Iterator[str]:
    """The global names in a piece of code and in the functions inside it, and a few more."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_students_class(kind: type) -> bool:
    """Whether it is a plain class of the student's, which can be rebuilt."""
    return (
        type(kind) in (type, ABCMeta)
        and kind not in _BASES
        and is_students(kind.__module__)
        and not hasattr(kind, "__slots__")
        and all(base in _BASES or is_students(base.__module__) for base in kind.__mro__)
    )

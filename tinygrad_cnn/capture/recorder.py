"""The recorder: it sees what a step computes, walks and changes, and writes the program that does the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import CodeType, FrameType
from typing import Any
from weakref import ref

import numpy as np

from tinygrad_cnn import backend, diagnostics, engine, modes, walk
from tinygrad_cnn.capture.formulas import Name, line
from tinygrad_cnn.capture.program import LARGE_BYTES, LINE_COUNT, Program, RefusedError, is_plain
from tinygrad_cnn.capture.walking import WalkRecorder
from tinygrad_cnn.engine import Node, Variable
from tinygrad_cnn.kernels import dispatch
from tinygrad_cnn.kernels.normalization import Statistics
from tinygrad_cnn.primitives import (
    dropout,
    indexing,
    local_response,
    loss,
    norm,
    normalization,
    products,
    softmax,
)
from tinygrad_cnn.primitives.normalization_arguments import array_of, check_running
from tinygrad_cnn.tensor import Tensor

_GRAD: Any = Tensor.__dict__["grad"]
_ENGINE_FILES = frozenset({engine.__file__, walk.__file__})

# Who reads no more of a tensor than its shape, dtype and device, or hands its array on to where it is followed.
_HARMLESS = frozenset(
    code
    for function in (
        *(Tensor.__dict__[name].fget for name in ("shape", "size", "dtype", "device", "requires_grad")),
        Tensor.__dict__["requires_grad"].fset,
        Tensor.detach,
        Tensor._wrap,
        softmax.cross_entropy,
        softmax.read_target,
        products._products_before,
        indexing.diagonal_of,
        indexing._matrix_indices,
        check_running,
        loss._beside,
        normalization._normalize,
        dropout._drop,
        local_response.local_response_norm,
        norm.check_root,
    )
    for code in (function.__code__, *(c for c in function.__code__.co_consts if isinstance(c, CodeType)))
)
_PICTURES = frozenset({walk._value_of.__code__, walk.contributions.__code__})
_HANDS_ON = frozenset({array_of.__code__, loss._values.__code__})


class ChangedError(Exception):
    """A tensor from outside the step is of another dtype or shape now, or asks for a gradient, or no more."""


class Recorder:
    """Follows one call of a step; `reason` says why it can't be replayed, or is None.

    Values are followed as tensors, and as the arrays in them. What is not known to come from an argument, from a
    tensor outside the step or from an operation is refused, not taken for a constant.
    """

    def __init__(self, arguments: list[Tensor]) -> None:
        self.program = Program()
        self.reason: str | None = None
        self.checks: list[str] = []
        self.updated: dict[int, Any] = {}
        self.draws = False
        self._settings = _settings()
        self._owners = {id(x): f"a[{i}]" for i, x in reversed(list(enumerate(arguments)))}
        self._tensors: dict[int, str] = {}
        self._arrays: dict[int, str] = {}
        self._loaded: dict[int, str] = {}
        self._unknown: set[int] = set()
        self.cleared: set[int] = set()  # leaves whose gradient is None at this point
        self.frames: dict[Node, list[str]] = {}
        self._alive: list[Any] = [arguments]  # what is known by its id, or weak references that forget it when it dies
        self._verified: set[tuple[Any, ...]] = set()
        self.wrap = self.program.name(Tensor._wrap)

    def refuse(self, reason: str) -> None:
        """Stop following, for this reason; the step itself goes on."""
        if self.reason is None:
            self.reason = reason

    @contextmanager
    def following(self) -> Iterator[None]:
        """Inside, a step that can't be replayed is given up, and not stopped."""
        try:
            yield
        except RefusedError as error:
            self.refuse(str(error))
        if len(self.program.lines) > LINE_COUNT:
            self.refuse(f"it has more than {LINE_COUNT} operations")

    @contextmanager
    def looking_away(self) -> Iterator[None]:
        """Inside, nothing is written down."""
        before = modes.set_recorder(None)
        try:
            yield
        finally:
            modes.set_recorder(before)

    def _hold(self, x: Any) -> None:
        """Know a thing by its id as long as it lives, so that a recorded step takes no more memory than any other."""
        if not isinstance(x, Variable | np.ndarray):
            self._alive.append(x)
            return
        known, tables = id(x), (self._tensors, self._arrays, self._unknown)

        def forget(_: Any) -> None:
            tables[0].pop(known, None)
            tables[1].pop(known, None)
            tables[2].discard(known)

        self._alive.append(ref(x, forget))

    # What a name is needed for

    def name_of(self, x: Any) -> str:
        """The name of a tensor's array."""
        known = self._tensors.get(id(x))
        return self._load(x) if known is None else known

    def _load(self, x: Any) -> str:
        """The array of a tensor from outside: looked up when it is used, for it may be another each time."""
        known = self._loaded.get(id(x))
        if known is None:
            with self.looking_away():
                owner, array = self.owner(x), x._array
                known = self._loaded[id(x)] = self.program.value(array)
                self.program.add(f"{known} = {owner}._array")
                self._remember(array, known)
        return known

    def owner(self, x: Any) -> str:
        """A tensor from outside itself. A replay begins by looking whether it still is what it was."""
        owner = self._owners.get(id(x))
        if owner is None:
            if id(x) in self._tensors or id(x) in self._unknown:
                raise RefusedError("a tensor made in it from numbers that are not followed is used")
            with self.looking_away():
                owner = self._owners[id(x)] = self.program.name(x, "t")
                self._alive.append(x)
                self._check(owner, x)
        return owner

    def _check(self, owner: str, x: Any) -> None:
        array, node, name = x._array, x.node, self.program.name
        if node is not None and node.requires_grad:
            wrong = f"{owner}.node is not {name(node)}"
        else:
            wrong = f"({owner}.node is not None and {owner}.node.requires_grad)"
        self.checks.append(f"x = {owner}._array")
        wrong += f" or type(x) is not {name(type(array))}"
        if not isinstance(array, np.generic) and hasattr(array, "dtype"):
            wrong += f" or x.dtype is not {name(array.dtype)} or x.shape != {array.shape}"
        self.checks.append(f"if {wrong}: raise {name(ChangedError)}({owner!r})")

    def _array(self, x: Any) -> str:
        """A plain array: one that is followed, or one from outside, which has to be the same object each time."""
        known = self._arrays.get(id(x))
        return self.program.name(x, "x") if known is None else known

    def _remember(self, array: Any, name: str) -> None:
        # Objects that exist once, as True and small integers, tell nothing about where they come from.
        if isinstance(array, np.ndarray | np.floating):
            self._arrays.setdefault(id(array), name)
            self._hold(array)

    def follow(self, x: Any, name: str) -> None:
        """Know a tensor, and the array in it, by this name."""
        self._tensors[id(x)] = name
        self._hold(x)
        with self.looking_away():
            self._remember(x._array, name)

    def _operand(self, x: Any, array: Any) -> str:
        if isinstance(x, Variable):
            return self.name_of(x)
        if isinstance(x, np.ndarray) or id(x) in self._arrays:
            return self._array(x)
        if isinstance(x, list | tuple):
            if not is_plain(x):
                raise RefusedError("a list that holds more than plain numbers is an operand")
            return self.program.constant(array)
        if is_plain(x):
            return self.program.constant(x)
        raise RefusedError(f"an operand is a {type(x).__name__}")

    def option(self, value: Any) -> str:
        """An option of an operation."""
        if isinstance(value, np.ndarray | np.bool_) and value.dtype == bool:  # as an index: the shape is up to it
            raise RefusedError("a boolean index gives results of any size; take tg.where")
        if id(value) in self._arrays or isinstance(value, np.ndarray):
            return self._array(value)
        if isinstance(value, tuple) and not is_plain(value):
            return f"({''.join(f'{self.option(item)}, ' for item in value)})"
        if isinstance(value, list) and value and all(isinstance(item, Statistics) for item in value):
            name = self.program.value(value)  # a list for the statistics that the operation finds
            self.program.add(f"{name} = []")
            self._arrays[id(value)] = name
            self._alive.append(value)
            return name
        return self.program.constant(value) if is_plain(value) else self.program.name(value)

    def called(self, function: Callable[..., Any], names: list[str], values: list[Any], result: Any) -> str:
        """The call of a function, or, where the result is small, what it does as a line of arithmetic."""
        text = None
        if getattr(result, "nbytes", 0) < LARGE_BYTES:
            # For larger ones the function takes memory that is used again, and all threads.
            text = self._line(function, names, values, result)
        return f"{self.program.name(function)}({', '.join(names)})" if text is None else text

    def _line(self, function: Callable[..., Any], names: list[str], values: list[Any], result: Any) -> str | None:
        given = list(zip(names, values, strict=True))
        text = line(function, [x if type(x) in (int, float) else Name(name, partial(_itself, x)) for name, x in given])
        key = (function, *((type(x), getattr(x, "shape", None), getattr(x, "dtype", None)) for x in values))
        if text is not None and key not in self._verified:
            with np.errstate(all="ignore"):
                again = eval(text, {}, {name: value for name, value in given if name.isidentifier()})
            if not _identical(again, result):
                return None
            self._verified.add(key)
        return text

    def _look_around(self) -> None:
        """Refuse what would have to be switched at every replay."""
        if modes.is_debugging():
            raise RefusedError("tg.debug() is switched on in it")
        if _settings() != self._settings:
            raise RefusedError("the kernels or the random state are switched in it")

    # What the engine tells

    def operation(
        self,
        forward: Callable[..., Any],
        operands: tuple[Any, ...],
        arrays: list[Any],
        auxiliaries: Any,
        options: dict[str, Any],
        result: Any,
    ) -> None:
        """An operation on tensors was computed."""
        if self.reason is not None:
            return
        with self.following():
            self._look_around()
            names = [self._operand(x, array) for x, array in zip(operands, arrays, strict=True)]
            with self.looking_away():
                z = result._array
            if options or auxiliaries:
                given = [*names, *(f"{name}={self.option(value)}" for name, value in options.items())]
                text = f"{self.program.name(forward)}({', '.join(given)})"
            else:
                text = self.called(forward, names, arrays, z)
            others = [self.program.value(value) for value in auxiliaries]
            if text in names:
                name = text  # the operand itself
            else:
                name = self.program.value(z)
                self.program.add(f"{', '.join([name, *others])} = {text}", function=forward)
            self.follow(result, name)
            if result.node is not None:
                self.frames[result.node] = [*names, *others, name]

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Call a function that is to be called at every replay."""
        with self.looking_away():
            before = [(x, x._array) for x in (*arguments, *options.values()) if isinstance(x, Variable)]
            result = function(*arguments, **options)
            changed = [x for x, array in before if x._array is not array]
        if self.reason is None:
            with self.following():
                self._look_around()
                self._add_call(function, arguments, options, result, changed)
        return result

    def _add_call(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        options: dict[str, Any],
        result: Any,
        changed: list[Any],
    ) -> None:
        if any(id(x) in self._tensors or id(x) in self._unknown for x in changed):
            raise RefusedError("the data of a tensor made in it is replaced")
        given = [self._argument(x) for x in arguments]
        given += [f"{name}={self._argument(x)}" for name, x in options.items()]
        optimizers = [x for x in arguments if hasattr(x, "param_groups")]
        text = f"{self.program.name(function)}({', '.join(given)})"
        clears = bool(optimizers) and function.__name__ == "zero_grad"
        if isinstance(result, Variable):
            if result.node is not None:
                raise RefusedError(f"{function.__name__} makes a tensor that requires a gradient")
            name = self.program.value(result)
            self.program.add(f"{name} = {text}._array")
            self.follow(result, name)
        elif isinstance(result, tuple):
            names = [self.program.value(x) for x in result]
            self.program.add(f"{', '.join(names)}, = {text}")
            for x, name in zip(result, names, strict=True):
                self._made(function, x, name)
        elif result is not None:
            name = self.program.value(result)
            self.program.add(f"{name} = {text}")
            self._made(function, result, name)
        else:
            self.program.add(text, is_final=bool(optimizers) and not clears)
            self._loaded.clear()  # an optimiser's parameters have new arrays, and so has what was changed
        self.updated.update((id(x), x) for x in changed)
        self.draws = self.draws or not any(isinstance(x, Variable) for x in arguments)
        if clears:
            self.cleared.update(id(p) for optimizer in optimizers for g in optimizer.param_groups for p in g["params"])

    def _made(self, function: Callable[..., Any], x: Any, name: str) -> None:
        if x is None:
            return
        if not isinstance(x, np.ndarray | np.floating):
            raise RefusedError(f"{function.__name__} gives Python a {type(x).__name__}")
        self._remember(x, name)
        self._arrays[id(x)] = name

    def _argument(self, x: Any) -> str:
        if isinstance(x, Variable):
            known = self._tensors.get(id(x))
            return self.owner(x) if known is None else f"{self.wrap}({known}, None)"
        if isinstance(x, np.ndarray) or id(x) in self._arrays:
            return self._array(x)
        return self.program.constant(x) if is_plain(x) else self.program.name(x)

    # What the slots tell

    def read(self, x: Any, slot: str, value: Any, frame: FrameType) -> None:
        """The array or the gradient of a tensor was read, or the value or the gradient of a node."""
        if self.reason is not None or (frame.f_code.co_filename in _ENGINE_FILES and frame.f_code not in _PICTURES):
            return
        if slot == "_grad":
            known = id(x) in self.cleared or id(x) in self._tensors if value is None else id(value) in self._tensors
            if not known:
                self.refuse(f"a gradient from before it is looked at in it{_where()}")
            return
        code = frame.f_code
        if code in _HANDS_ON and frame.f_back is not None:
            code = frame.f_back.f_code
        if code not in _HARMLESS:
            what = getattr(code, "co_qualname", code.co_name)
            self.refuse(f"the numbers of a tensor are read in it, by {what}{_where()}")

    def write(self, x: Any, slot: str, value: Any, is_new: bool, frame: FrameType) -> None:
        """The array or the gradient of a tensor was replaced, or a new tensor filled."""
        if self.reason is not None or isinstance(x, Node):
            return
        if is_new:
            if slot == "_array":
                self._hold(x)
                caller = frame.f_back
                if caller is not None and caller.f_code is Tensor.detach.__code__:
                    with self.following():
                        self._tensors[id(x)] = self.name_of(caller.f_locals["self"])
                elif id(value) in self._arrays:
                    self._tensors[id(x)] = self._arrays[id(value)]
                else:
                    self._unknown.add(id(x))
        elif slot == "_array":
            self.refuse(f"the data of a tensor is replaced in it{_where()}")
        elif frame.f_code is not _GRAD.fset.__code__:
            if frame.f_code.co_filename not in _ENGINE_FILES:
                self.refuse(f"a gradient is written in it{_where()}")
        elif id(x) not in self._tensors:
            with self.following():
                if value is None:
                    self.program.add(f"{self.owner(x)}._grad = None")
                    self.cleared.add(id(x))
                else:
                    self.program.add(f"{self.owner(x)}._grad = {self._argument(value)}", is_final=True)
                    self.cleared.discard(id(x))

    # The backward walk

    def backward(self, variable: Variable, gradient: Any, retain_graph: bool, create_graph: bool) -> None:
        """Walk, and write down what the walk does."""
        if create_graph:
            self.refuse("backward(create_graph=True) is called in it")
        watcher = WalkRecorder(self)
        if self.reason is None:
            with self.following(), self.looking_away():
                watcher.begin(variable, gradient)
        with self.looking_away():
            walk.backward(variable, gradient, retain_graph, create_graph, watcher)
        if self.reason is None:
            with self.following():
                watcher.accumulate()

    # What the step gives

    def output(self, z: Any) -> None:
        """The end of the step."""
        if self.reason is None:
            with self.following():
                self._look_around()
                self.program.add(f"return {self._output(z)}")

    def _output(self, z: Any) -> str:
        if isinstance(z, Variable):
            return self._argument(z)
        if type(z) in (tuple, list):
            items = "".join(f"{self._output(item)}, " for item in z)
            return f"({items})" if type(z) is tuple else f"[{items}]"
        if type(z) is dict:
            return f"{{{''.join(f'{self.program.constant(k)}: {self._output(v)}, ' for k, v in z.items())}}}"
        if isinstance(z, np.ndarray) or id(z) in self._arrays:
            return self._array(z)
        return self.program.constant(z) if is_plain(z) else self.program.name(z)


def _itself(x: Any) -> Any:
    return x


def _identical(x: Any, y: Any) -> bool:
    """Whether two results are the same bit by bit."""
    if type(x) is not type(y):
        return False
    if isinstance(x, np.ndarray | np.generic):
        return (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())
    return bool(x == y)


def _settings() -> tuple[Any, ...]:
    return dispatch.chosen(), backend.generator("cpu")


def _where() -> str:
    place = diagnostics.users_line()
    return f" ({place})" if place else ""

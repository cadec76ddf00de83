"""Capture: a step that is recorded once and replayed without building a graph. `compile` says what it takes."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from threading import Lock
from types import MethodType
from typing import Any

import numpy as np

from tinygrad_cnn import backend, diagnostics, modes
from tinygrad_cnn.capture.exchange import exchanged
from tinygrad_cnn.capture.program import Program, UndoneError
from tinygrad_cnn.capture.recorder import ChangedError, Recorder
from tinygrad_cnn.capture.slots import watched
from tinygrad_cnn.capture.surroundings import Surroundings
from tinygrad_cnn.engine import Variable
from tinygrad_cnn.tensor import Tensor

ENTRY_COUNT = 8
"""So many kinds of arguments are recorded; further ones run plainly."""

VARIANT_COUNT = 4
"""So many recordings are kept for one kind of arguments: in training, in evaluation, with a layer frozen."""

RENEWAL_COUNT = 16
"""So often something that a recording relies on may change before it was replayed once."""


def compile(function: Callable[..., Any]) -> Step:
    """The same step, faster: recorded at the first two calls, and from then on replayed as a straight program.

    What is left out is the time between the operations: the functions and modules of the step, the nodes, the walk.
    The arithmetic is the same, operation by operation, and so are the numbers, bit by bit. It pays where operations are
    small. Works for training steps (`zero_grad`, forward, `backward`, an optimiser's `step`) and for inference; it
    decorates functions and methods and takes modules.

    A replay reads parameters and buffers, learning rates and other options of optimisers, and draws random numbers,
    as the step itself would. Arguments may be tensors, plain numbers and texts, lists, tuples and dicts of them, and
    any other objects; for other shapes or dtypes, numbers or objects, the step is recorded again, up to 8 times.
    Where a module was switched to evaluation or changed, or a variable that the step names has another value, it is
    recorded anew too.

    What is returned has no graph behind it, recorded or not: call `backward` inside.

    A step runs as it is, with a warning that names the reason, kept in `why`, when it
    - reads numbers: `item()`, `numpy()`, `data`, `float()`, `bool()`, `if` on a tensor, `print`; return the tensor
      and read it outside;
    - takes a NumPy array as an argument, since nobody sees when it is read: pass `tg.tensor(array)`;
    - differs between its first two calls: numbers that count on, NumPy arrays made inside it, another order;
    - calls `tg.grad`, `backward(create_graph=True)`, `retain_grad()`, or goes back into a graph from before it;
    - looks at a gradient from before it, or indexes by bools;
    - sets an attribute of a module, switches `tg.debug()` or kernels, or calls `tg.manual_seed`.
    Under `tg.debug()` it runs as it is, too.

    No recording sees other Python code: a `print` of a text happens while recording only, and so does any other effect
    on what is no tensor. A variable that is neither named by the step nor by a function or module that it names is
    taken to stay what it is, as are the numbers of a NumPy array that Python reads. A replay keeps no values for
    pictures. Where a replay meets what it was not recorded for (a label to ignore, one out of range), everything is
    put back as it was and the step runs as it is.

    Args:
        function: the step, or a module.

    Raises:
        TypeError: not a function.

    >>> import tinygrad_cnn as tg
    >>> w = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = tg.optim.SGD([w], lr=0.25)
    >>> @tg.compile
    ... def step(x):
    ...     optimizer.zero_grad()
    ...     loss = (w * x).sum()
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> [step(tg.tensor([4.0, 8.0])).item() for _ in range(3)]
    [20.0, 0.0, -20.0]
    >>> step
    <compiled step: 1 recording>
    """
    if not callable(function):
        raise TypeError(f"compile: expected a function or a module but got {type(function).__name__} {function!r}")
    return function if isinstance(function, Step) else Step(function)


class _Recording:
    """One recording: a program, what it relies on, and the function made of it once a second call has confirmed it."""

    def __init__(self, recorder: Recorder, surroundings: Surroundings, tensors: list[Any], kept: list[Any]) -> None:
        self.program: Program | None = recorder.program
        self.checks, self.draws = recorder.checks, recorder.draws
        positions = {id(x): i for i, x in enumerate(tensors)}
        self.updated = [positions.get(i, x) for i, x in recorder.updated.items()]
        self.surroundings = surroundings
        self.kept = kept  # the objects that the kind of arguments is told by
        self.replay: Callable[[list[Any]], Any] | None = None
        self.source = ""
        self.count = 0


class _Entry:
    """The recordings for one kind of arguments, or why there is none."""

    def __init__(self) -> None:
        self.recordings: list[_Recording] = []
        self.reason: str | None = None
        self.renewals = 0
        self.lock = Lock()


class Step:
    """A step that `compile` made.

    Attributes:
        function: the step as it was written.
        why: the reasons for which it ran as it is, so far.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.why: list[str] = []
        self._entries: dict[Any, _Entry] = {}
        self._lock = Lock()

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        return self if owner is None else MethodType(self, owner)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """The step, replayed where that is possible."""
        mode = modes.mode
        if mode.debug or mode.keeping or mode.recorder is not None:
            z = self.function(*arguments, **options)
            return z if mode.recorder is not None else detached(z)
        tensors: list[Any] = []
        objects: list[Any] = []
        try:
            key = (mode.recording, *[_kind(x, tensors, objects) for x in arguments])
            if options:
                key += (*options, *[_kind(x, tensors, objects) for x in options.values()])
        except _NotKeyedError as error:
            return self._plainly(arguments, options, str(error))
        if len(tensors) > 1 and len(ids := [id(x) for x in tensors]) > len(set(ids)):
            key += tuple(map(ids.index, ids))
        entry = self._entries.get(key)
        if entry is None:
            entry = self._new_entry(key)
            if entry is None:
                reason = f"it was called with more than {ENTRY_COUNT} kinds of arguments; numbers go in as tensors"
                return self._plainly(arguments, options, reason)
        for recording in entry.recordings:
            if recording.replay is not None and recording.surroundings.is_unchanged():
                try:
                    return _replayed(recording, tensors)
                except UndoneError as error:
                    if not isinstance(error.__cause__, ChangedError):
                        # The step itself will fail with a better message, or go another way.
                        return detached(self.function(*arguments, **options))
                    self._forget(entry, recording)
                    break
        if entry.reason is not None or not entry.lock.acquire(blocking=False):  # or another thread is recording
            return self._plainly(arguments, options, entry.reason)
        try:
            return self._record(entry, tensors, objects, arguments, options)
        finally:
            entry.lock.release()

    def _new_entry(self, key: Any) -> _Entry | None:
        with self._lock:
            if len(self._entries) >= ENTRY_COUNT:
                return None
            return self._entries.setdefault(key, _Entry())

    def _forget(self, entry: _Entry, recording: _Recording) -> None:
        """Drop a recording that no longer fits; give up where this goes on and on."""
        with self._lock:
            if recording in entry.recordings:
                entry.recordings = [other for other in entry.recordings if other is not recording]
                entry.renewals = 0 if recording.count else entry.renewals + 1
                if entry.renewals > RENEWAL_COUNT:
                    entry.reason = "what it uses (a module, a variable) is changed before each call, or by it"

    def _plainly(self, arguments: Any, options: Any, reason: str | None) -> Any:
        if reason is not None:
            self._warn(reason)
        return detached(self.function(*arguments, **options))

    def _warn(self, reason: str) -> None:
        if reason not in self.why:
            self.why.append(reason)
            place = diagnostics.users_line() or diagnostics.Line("<unknown>", 0)
            warnings.warn_explicit(
                f"compile: {self._name} runs as it is: {reason}", RuntimeWarning, place.file, place.number
            )

    @property
    def _name(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)

    def _record(self, entry: _Entry, tensors: list[Any], objects: list[Any], arguments: Any, options: Any) -> Any:
        surroundings = Surroundings(self.function, objects)
        recorder = Recorder(tensors)
        if any(x is y for x in tensors for y in surroundings.tensors):
            recorder.refuse("an argument is also a variable that it uses, and which of them was meant can't be told")
        with watched():
            modes.set_recorder(recorder)
            try:
                z = self.function(*arguments, **options)
            finally:
                modes.set_recorder(None)
        recorder.output(z)
        self._keep(entry, recorder, surroundings, tensors, objects)
        return detached(z)

    def _keep(
        self, entry: _Entry, recorder: Recorder, surroundings: Surroundings, tensors: list[Any], objects: list[Any]
    ) -> None:
        """Keep a first recording; make a function of it where a second one is the same."""
        reason = recorder.reason
        if reason is None:
            kept = [*objects, *(x for x in tensors if x.requires_grad)]
            recording = _Recording(recorder, surroundings, tensors, kept)
            earlier = [other for other in entry.recordings if other.replay is None]
            if not surroundings.is_unchanged():
                entry.renewals += 1
                if entry.renewals > 1:
                    reason = "it changes what it uses: an attribute of a module, a variable"
            elif not earlier or not earlier[0].surroundings.is_unchanged():
                entry.renewals = entry.renewals + 1 if earlier else 0
                if entry.renewals > RENEWAL_COUNT:
                    reason = "what it uses (a module, a variable) is changed before each call"
                entry.recordings = [other for other in entry.recordings if other.replay is not None]
                entry.recordings = [recording, *entry.recordings[: VARIANT_COUNT - 1]]
            else:
                first = earlier[0].program
                assert first is not None
                reason = first.difference(recorder.program)
                if reason is None:
                    recording.replay, recording.source = recorder.program.function(
                        recording.checks, exchanged(recorder.program), self._name
                    )
                    recording.program = None
                    entry.recordings = [recording, *(o for o in entry.recordings if o.replay is not None)]
        if reason is not None:
            entry.reason, entry.recordings = reason, []
            self._warn(reason)

    def __repr__(self) -> str:
        count = sum(r.replay is not None for entry in self._entries.values() for r in entry.recordings)
        why = f"; runs as it is where {'; '.join(self.why)}" if self.why else ""
        return f"<compiled {self._name}: {count} recording{'s' if count != 1 else ''}{why}>"


def _replayed(recording: _Recording, tensors: list[Any]) -> Any:
    """Run the program; where it stops before anything was changed for good, leave everything as it was."""
    recording.count += 1
    replay = recording.replay
    assert replay is not None
    if not recording.updated and not recording.draws:
        return replay(tensors)
    updated = [tensors[x] if isinstance(x, int) else x for x in recording.updated]
    before = [(x, x._array, x.node) for x in updated]
    state = backend.generator("cpu").bit_generator.state if recording.draws else None
    try:
        return replay(tensors)
    except UndoneError:
        for x, array, node in before:
            x._array, x.node = array, node
        if state is not None:
            backend.generator("cpu").bit_generator.state = state
        raise


class _NotKeyedError(Exception):
    """An argument of which nobody can tell when it is read or changed."""


def _kind(x: Any, tensors: list[Any], objects: list[Any]) -> Any:
    """What a recording relies on of an argument: a tensor's shape and dtype, a number itself, which object it is."""
    kind = type(x)
    if kind is Tensor:
        tensors.append(x)
        array, node = x._array, x.node
        wants = id(x) if node is not None and node.requires_grad else None
        if type(array) is np.ndarray:
            return array.dtype, array.shape, wants
        return type(array), backend.shape_of(array), backend.dtype_of(array), backend.device_of(array), wants
    if x is None or kind in (int, float, str, bool, bytes) or isinstance(x, np.generic):
        return kind, repr(x)
    if kind is tuple or kind is list:
        return (kind, *[_kind(item, tensors, objects) for item in x])
    if kind is dict:
        return kind, tuple(x), tuple([_kind(item, tensors, objects) for item in x.values()])
    if isinstance(x, Variable) or hasattr(x, "__array__"):
        raise _NotKeyedError(f"an argument is a {kind.__name__}, and nobody sees when it is read: pass a tg.tensor")
    objects.append(x)
    return id(x)


def detached(z: Any) -> Any:
    """The tensors in what a step returns, without the graph behind them; leaves stay as they are."""
    if isinstance(z, Variable):
        return z if z.node is None or z.node.plan is None else z.detach()  # type: ignore[attr-defined]
    if type(z) is tuple or type(z) is list:
        return type(z)(map(detached, z))
    if type(z) is dict:
        return {key: detached(value) for key, value in z.items()}
    return z

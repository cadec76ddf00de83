"""The backward walk of a step, written down while it is walked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cnn import backend, engine, walk
from tinygrad_cnn.capture.program import RefusedError
from tinygrad_cnn.engine import SCALARS, Node, Primitive, Variable
from tinygrad_cnn.primitives import elementwise

if TYPE_CHECKING:
    from tinygrad_cnn.capture.recorder import Recorder

_ADD: Primitive = elementwise.add.primitive  # type: ignore[attr-defined]
_NOBODY = engine.Constant(np.float32(0))


class WalkRecorder(walk.Watcher):
    """Writes the lines of `walk.backward`, rule by rule, for a recorder."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder, self._program = recorder, recorder.program
        self._arriving: dict[Node, str] = {}  # the names of what has arrived at the nodes
        self._node: Node | None = None  # whose rules are being run,
        self._names: list[str] = []  # and the names of what it keeps for them
        self._last = ""  # the name of the gradient that the last of them gave

    def begin(self, root: Variable, gradient: Any) -> None:
        """The gradient that the walk begins with.

        Raises:
            RefusedError: the walk can't be written down.
        """
        order = walk._operations([root.node])  # type: ignore[list-item]
        if any(node not in self._recorder.frames for node in order):
            raise RefusedError("backward() reaches operations from before it")
        if any(node.target is not None for node in order):
            raise RefusedError("retain_grad() is called in it")
        program, seed = self._program, walk._seed(root, gradient, False, "backward", "gradient")
        if gradient is None:
            name = program.constant(seed) if type(seed) in SCALARS else program.value(seed)
            if type(seed) not in SCALARS:
                program.add(f"{name} = {program.name(backend.ones_like)}({self._recorder.name_of(root)})")
        elif isinstance(gradient, Variable) and seed is gradient._array:
            name = self._recorder.name_of(gradient)
        else:
            raise RefusedError("backward(gradient) is called in it with what is no tensor of the output's dtype")
        self._arriving[root.node] = name  # type: ignore[index]

    def rule(self, node: Node, rule: Any, total: Any, found: Any, fitted: Any) -> None:
        """The lines of a rule."""
        if self._recorder.reason is not None:
            return
        with self._recorder.following():
            if node is not self._node:
                self._node, self._names = node, self._names_kept(node)
            operand, function, positions = rule
            names = [self._arriving[node], *(self._names[i] for i in positions)]
            values = [total, *(node.saved[i] for i in positions)]  # type: ignore[index]
            name = self._found(function, names, values, found)
            self._last = name if fitted is found else self._fitted(name, fitted)
            self._arriving.setdefault(node.parents[operand], self._last)

    def sum(self, parent: Node, earlier: Any, gradient: Any, total: Any) -> None:
        """The line of a sum."""
        if self._recorder.reason is None:
            names = [self._arriving[parent], self._last]
            name = self._arriving[parent] = self._program.value(total)
            self._program.add(f"{name} = {self._recorder.called(_ADD.forward, names, [earlier, gradient], total)}")

    def _names_kept(self, node: Node) -> list[str]:
        plan, saved, names = node.plan, node.saved, list(self._recorder.frames[node])
        assert plan is not None
        assert saved is not None
        names += [self._program.constant(value) for value in saved[len(names) : len(names) + len(plan.shapes)]]
        return names + [self._recorder.option(node.options[option]) for option in plan.options]

    def _found(self, rule: Callable[..., Any], names: list[str], values: list[Any], found: Any) -> str:
        """What a rule gives, by its name."""
        text = self._recorder.called(rule, names, values, found)
        if text in names:
            return text
        name = self._program.value(found)
        self._program.add(f"{name} = {text}", function=rule)
        return name

    def _fitted(self, name: str, fitted: Any) -> str:
        """The gradient in its operand's shape and dtype, for which a constant stands in that has no graph behind it."""
        program, stand_in = self._program, f"n{len(self._program.names)}"
        program.names[stand_in] = engine.Constant(fitted)
        program.by_value.add(stand_in)
        before, name = name, program.value(fitted)
        program.add(f"{name} = {program.name(walk._fit)}({before}, {stand_in}, {program.name(_NOBODY)})")
        return name

    def accumulate(self) -> None:
        """Add what has arrived at leaves to their `.grad`."""
        recorder, add = self._recorder, self._program.add
        for node, name in self._arriving.items():
            leaf: Any = None if node.target is None else node.target()
            if leaf is None:
                continue
            with recorder.looking_away():
                owner, gradient = recorder.owner(leaf), leaf._grad
                total = gradient._array
            if id(leaf) in recorder.cleared:
                add(f"{owner}._grad = {recorder.wrap}({name}, None)", is_final=True)
                recorder.cleared.discard(id(leaf))
            else:
                total_name = self._program.value(total)
                add(f"g = {owner}._grad", is_final=True)
                add(f"{total_name} = {name} if g is None else g._array + {name}")
                add(f"{owner}._grad = {recorder.wrap}({total_name}, None)")
                name = total_name
            recorder.follow(gradient, name)

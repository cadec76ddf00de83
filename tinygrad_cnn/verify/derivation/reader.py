"""A recorded graph as steps that a student would write: each operation's definition, run on named entries.

Every operation between the result and the array in question is run on symbols for its operands' entries, and says by
that what each entry of its result is. What only moves entries (a reshape, a flip, a border) is looked through: the next
operation sees the entries at their new places. Everything else makes a step, whose result gets a name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.engine import Constant, Node
from tinygrad_cnn.engine import Variable as Recorded
from tinygrad_cnn.verify.derivation.polynomial import Polynomial, array_of
from tinygrad_cnn.verify.derivation.running import WITHOUT_EFFECT, flat, is_moved, numbers, run, run_otherwise
from tinygrad_cnn.verify.derivation.stages import Operand, Stage, kind_of
from tinygrad_cnn.verify.derivation.variables import MOST_ENTRIES, Variable, printable, unused, values_of
from tinygrad_cnn.walk import nodes

MOST_NODES = 200
"""A graph may have up to this many operations and operands."""

MOST_MOVED = 64 * MOST_ENTRIES
"""Entries of an array that is looked through, as that of all windows of a pooling."""

IMAGES = ("image", "channel")
_ROLES = {
    "correlation": (IMAGES, (IMAGES, ("filter", "channel"), ("filter",))),
    "transposed_convolution": (IMAGES, (IMAGES, ("channel", "filter"), ("filter",))),
    "max_of_windows": (IMAGES, (IMAGES,)),
    "max_of_windows_split": (IMAGES, (IMAGES,)),
    "mean_of_windows": (IMAGES, (IMAGES,)),
    "unfold_windows": (None, (IMAGES,)),
}
_NAMES = {
    "correlation": ("XUV", "KW", "Bb"),
    "transposed_convolution": ("XUV", "KW", "Bb"),
    "max_of_windows": ("XUV",),
    "max_of_windows_split": ("XUV",),
    "mean_of_windows": ("XUV",),
    "unfold_windows": ("XUV",),
    "linear": ("xuv", "WVU", "bc"),
    "matmul": ("XUV", "YWT"),
}
"""What operands without a name of their own are called, the first that is free."""

_SYMBOLIC_OPERANDS = frozenset({"correlation", "transposed_convolution", "linear", "matmul"})
"""In these operations an array without a name gets one; elsewhere its numbers stand in the formulas."""

_MOVES = frozenset({"reshape", "flip", "pad", "broadcast_to", "transpose"})


@dataclass(eq=False)
class Graph:
    """All steps from `wrt` to the result, in the order in which they were computed."""

    result: Variable
    wrt: Variable
    variables: tuple[Variable, ...]
    stages: tuple[Stage, ...]


Expansion = Callable[["Reader", Node, tuple[Operand, ...]], bool]
"""Writes an operation as several steps; False if it can't."""


def read(result: Any, wrt: Any, expansions: Mapping[str, Expansion]) -> Graph:
    """The steps from `wrt` to the result.

    Raises:
        TypeError, ValueError: as `derive`.
    """
    return Reader(result, wrt, expansions).graph()


class Reader:
    """Reads a graph, operation by operation, and names what it meets."""

    def __init__(self, result: Any, wrt: Any, expansions: Mapping[str, Expansion]) -> None:
        self.expansions = expansions
        if not isinstance(result, Recorded):
            raise TypeError(f"derive: expected a recorded tensor but got {type(result).__name__}")
        if result.node is None or result.node.primitive is None:
            raise ValueError(
                f"derive: {result!r} has no graph behind it: it was not computed from a tensor with "
                "requires_grad=True, or inside no_grad()"
            )
        self.root = result.node
        self.order = nodes(result)
        if len(self.order) > MOST_NODES:
            raise ValueError(
                f"derive: the graph has {len(self.order):,} nodes, more than the {MOST_NODES} that a derivation takes; "
                "derive one layer at a time"
            )
        self.target = self._find(wrt)
        self.leading = {self.target}  # to the result
        for node in self.order:
            if not self.leading.isdisjoint(node.parents):
                self.leading.add(node)
        self.ranks = self._ranks()
        self.names = self._names()
        self.taken = {name for name in self.names.values() if name}
        own = self.names[self.root] if self.root.shape == () else ""
        self.loss = own or unused("LJCE", self.taken)
        self.variables: dict[Node, Variable] = {}
        self.moved: dict[Node, Operand] = {}
        self.stages: list[Stage] = []
        self.roles = self._roles()
        # Matrices are called X, as in the lecture, unless the user calls one x.
        own_names = (self.names[node] for node in self.order if self._is_matrix(node))
        self.has_capitals = not any(name.islower() for name in own_names)

    def _find(self, wrt: Any) -> Node:
        """The node of the array that is differentiated by."""
        if isinstance(wrt, str):
            found = [node for node in self.order if node.name == wrt]
            known = ", ".join(repr(node.name) for node in self.order if node.name) or "none has a name"
            if len(found) != 1:
                several = "several arrays" if found else "no array"
                raise ValueError(f"derive: {several} behind {self.root!r} named {wrt!r}; there are: {known}")
            target = found[0]
        elif isinstance(wrt, Recorded):
            if wrt.node is None or wrt.node not in self.order:
                raise ValueError(f"derive: wrt {wrt!r} is not in the graph: the result was not computed from it")
            target = wrt.node
        else:
            raise TypeError(f"derive: wrt must be a tensor or a name but is {type(wrt).__name__}")
        if target is self.root:
            raise ValueError("derive: wrt is the result itself; its derivative is 1")
        if target.dtype.kind not in "fO":
            raise ValueError(f"derive: wrt holds {target.dtype}, which has no derivative")
        return target

    def _roles(self) -> dict[Node, tuple[str, ...]]:
        """For images and kernels the words for their leading axes."""
        roles: dict[Node, tuple[str, ...]] = {}
        for node in self.order:
            kind = kind_of(node)
            result, operands = _ROLES.get(kind, (None, ()))
            for parent, role in zip(node.parents, operands, strict=False):
                roles.setdefault(parent, role)
            if result:
                roles[node] = result
        for order in (self.order, self.order[::-1], self.order):  # neighbours with as many axes are alike
            for node in order:
                if kind_of(node) not in ("transpose", "matmul", "linear"):
                    family = [n for n in (node, *node.parents) if len(n.shape) == len(node.shape) > 2]
                    known = [roles[n] for n in family if n in roles]
                    for n in family:
                        if known:
                            roles.setdefault(n, known[0])
        return roles

    def _ranks(self) -> dict[Node, int]:
        """The order in which entries stand in a product: that of the operands, but W x of a linear layer."""
        ranks: dict[Node, int] = {}
        stack: list[tuple[Node, bool]] = [(self.root, False)]
        while stack:
            node, is_done = stack.pop()
            if is_done or not node.parents:
                ranks.setdefault(node, len(ranks))
            elif node not in ranks:
                x, *others = node.parents
                parents = [x, *others] if kind_of(node) != "linear" else [others[0], x, *others[1:]]
                stack += [(node, True), *((parent, False) for parent in reversed(parents))]
        return ranks

    def graph(self) -> Graph:
        """Read every operation on the way, the first computed first."""
        wrt = self._variable(self.target, *self._use(self.target))
        for node in self.order:
            if node in self.leading and node is not self.target:
                self._operation(node)
        result = self.variables[self.root]
        used = [result, wrt, *(v for stage in self.stages for operand in stage.operands for v in operand.variables)]
        variables = sorted(dict.fromkeys(used), key=lambda v: (v is result, v.rank))
        return Graph(result, wrt, tuple(variables), tuple(self.stages))

    def _use(self, node: Node) -> tuple[str, int]:
        """The first operation that takes the node, behind any that only moves its entries, and as which operand."""
        while True:
            user = next((user for user in self.order if node in user.parents), None)
            if user is None:
                return "", 0
            if kind_of(user) not in _MOVES:
                return kind_of(user), user.parents.index(node)
            node = user

    # Names

    def _names(self) -> dict[Node, str]:
        """The users' names, the second of two that are the same with a prime."""
        names: dict[Node, str] = {}
        for node in sorted(self.ranks, key=self.ranks.__getitem__):
            name = printable(node.name)
            while name and name in names.values():
                name += "'"
            names[node] = name
        return names

    def _variable(self, node: Node, kind: str = "", position: int = 0) -> Variable:
        """The node under a name: its own, one that its use suggests, or for a result a letter."""
        if node in self.variables:
            return self.variables[node]
        if prod(node.shape) > MOST_ENTRIES:
            raise ValueError(
                f"derive: {node.name or kind_of(node) or 'an operand'} has {prod(node.shape):,} entries (shape "
                f"{node.shape}), more than the {MOST_ENTRIES:,} that a derivation names one by one"
            )
        if not prod(node.shape):
            raise ValueError(f"derive: {node!r} has no entries, so that there is nothing to derive")
        name = self.names[node]
        is_own = bool(name)
        if not is_own:
            name = unused(self._suggested(node, kind, position), self.taken)
            self.taken.add(name)
        leading = self.roles.get(node, ())[: len(node.shape)]
        is_capital = not is_own and self.has_capitals and self._is_matrix(node) and len(name) == 1 and kind != "softmax"
        whole = name.upper() if is_capital else name
        variable = Variable(name, whole, node.shape, leading, values_of(node), self.ranks[node], self.loss)
        self.variables[node] = variable
        return variable

    def _is_matrix(self, node: Node) -> bool:
        """Whether the array has rows and columns."""
        return len([n for n in node.shape if n > 1]) > 1 or len(node.shape) - len(self.roles.get(node, node.shape)) > 1

    def _suggested(self, node: Node, kind: str, position: int) -> Sequence[str]:
        if node is self.root:
            return [self.loss] if not node.shape else {"linear": "yvw", "softmax": "pqs"}.get(kind_of(node), "zyv")
        if node.parents and node in self.leading:
            return "p" if kind_of(node) == "softmax" else "hauvgst"
        known = _NAMES.get(kind, ())
        if position < len(known):
            return known[position].lower() if len(node.shape) == 1 and kind == "matmul" else known[position]
        users = [n for n in self.order if node in n.parents]
        operands = users[0].primitive.operand_names if users and users[0].primitive else ("x",)
        return operands[min(position, len(operands) - 1)], *"xyuvw"

    # Operations

    def _operand(self, node: Node, kind: str, position: int) -> Operand:
        """What the operation is given for the node."""
        if node in self.moved:
            return self.moved[node]
        if node in self.variables or node is self.target:
            return _of(self._variable(node))
        if not node.parents:
            kind, position = self._use(node)
            if _is_number(node) and not (kind in _SYMBOLIC_OPERANDS and node.dtype.kind in "fO"):
                return Operand(numbers(node))
            return _of(self._variable(node, kind, position))
        if not node.name and node not in self.leading and prod(node.shape) <= MOST_MOVED:
            operands = self._operands(node)
            result = run(node, operands)
            if result is not None and is_moved(result):
                return self._moved(node, operands, result)
        return _of(self._variable(node, kind, position))

    def _operands(self, node: Node) -> tuple[Operand, ...]:
        return tuple(self._operand(parent, kind_of(node), i) for i, parent in enumerate(node.parents))

    def _moved(self, node: Node, operands: Sequence[Operand], result: Any) -> Operand:
        """Look through the node."""
        before = next((operand for operand in operands if operand.variables), None)
        is_silent = before is not None and kind_of(node) in WITHOUT_EFFECT
        self.moved[node] = before if is_silent and before else Operand(result, node, before)
        return self.moved[node]

    def _operation(self, node: Node) -> None:
        """Look through the node, or make a step of it."""
        operands = self._operands(node)
        result = run(node, operands)
        is_polynomial = result is not None
        if is_polynomial and is_moved(result):
            if node is self.root:
                if self._relabel(node, operands, result):
                    return
            elif not node.name and prod(node.shape) <= MOST_MOVED:
                self._moved(node, operands, result)
                return
        if (expand := self.expansions.get(kind_of(node))) and expand(self, node, operands):
            return
        at_values, translation = False, None
        if result is None:
            result, at_values, translation = run_otherwise(node, operands)
        output = self.output_of(node)
        kind = kind_of(node)
        self.stages.append(
            Stage(kind, node, operands, output, list(flat(result)), output.upstreams, translation, at_values)
        )

    def output_of(self, node: Node) -> Variable:
        """The result of an operation under its name."""
        return self._variable(node, kind_of(node))

    def between(self, names: Sequence[str], shape: tuple[int, ...], node: Node, values: Any) -> Variable:
        """A result that the graph has no node for, in the middle of an operation."""
        name = unused(names, self.taken)
        self.taken.add(name)
        return Variable(name, name, shape, (), values, self.ranks[node], self.loss)

    def _relabel(self, node: Node, operands: Sequence[Operand], result: Any) -> bool:
        """Let the step before have this layout, where the result only shows that step's result in another."""
        symbols = [value.symbol for value in flat(result) if isinstance(value, Polynomial)]
        last = self.stages[-1] if self.stages else None
        before = None if last is None or last.node.name or last.known is not None else last.output
        places = [symbol.place for symbol in symbols if symbol is not None and symbol.variable is before]
        if last is None or before is None or len(places) != prod(node.shape):
            return False
        if sorted(places) != list(range(before.size)):
            return False
        self.stages.pop()
        self.taken.discard(before.name)
        del self.variables[last.node]
        output = self._variable(node, last.kind)
        at = {place: i for i, place in enumerate(places)}
        upstream = output.upstreams.ravel()
        last.upstream = array_of([upstream[at[value.symbol.place]] for value in np.ravel(last.upstream)], before.shape)
        last.results = [last.results[place] for place in places]
        last.output = output
        self.stages.append(last)
        return True


def _of(variable: Variable) -> Operand:
    return Operand(variable.polynomials if variable.shape else variable.polynomials[()])


def _is_number(node: Node) -> bool:
    """Whether the node stands for its numbers: a constant without a name, labels, a mask."""
    return isinstance(node, Constant) and (not node.name or node.dtype.kind not in "fO")

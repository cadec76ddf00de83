"""A summary is read off the graph that a model recorded when it was run once.

So branches, skips, layers that are called twice and operations between the layers are all there, in the order in which
they were computed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from tinygrad_cnn import nn
from tinygrad_cnn.engine import Node
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.primitives import titles
from tinygrad_cnn.viz.graph import wording
from tinygrad_cnn.viz.graph.groups import Group, groups_of
from tinygrad_cnn.viz.graph.tracing import Trace, trace
from tinygrad_cnn.viz.receptive_field import ReceptiveField, receptive_fields
from tinygrad_cnn.viz.summaries.costs import kept_arrays, memory_of, multiply_adds
from tinygrad_cnn.viz.summaries.summary import Kind, Row, Summary
from tinygrad_cnn.walk import nodes

NONLINEARITIES = frozenset({
    "elu", "erf", "gated", "hardtanh", "leaky_relu", "nearly_normal_cdf", "normal_cdf", "prelu", "relu", "sigmoid",
    "softplus", "softsign", "tanh", "tanhshrink",
})  # fmt: skip
"""The primitives that activation functions are made of; each call of a layer counts as one."""


def summary(model: Module, inputs: Any, depth: int | None = None) -> Summary:
    """The table of a model: activation shape and size, parameters, multiply-adds, memory and receptive field per layer.

    The model runs once in evaluation mode, and nothing about it changes: mode, buffers, gradients and the random state
    are afterwards what they were.

    Args:
        model: a module.
        inputs: the shape of its input, as (1, 3, 32, 32); the input itself; or a list of these.
        depth: put the call of a module that lies in so many others into one row; 1 lists the model's own layers, None
            all. Operations that a module of several layers computes between them have rows of their own.

    Raises:
        TypeError: no module, an input that is neither a shape nor numbers, a depth that is no integer.
        ValueError: a negative depth, or an output without any tensor.

    Multiply-adds are counted as `viz.costs` says, receptive fields as `viz.receptive_field` (Araujo, Norris, Sim 2019).
    The memory for the backward walk is that of the arrays that the recorded graph keeps.

    >>> from tinygrad_cnn import nn
    >>> model = nn.Sequential({"conv": nn.Conv2d(3, 8, 5), "relu": nn.ReLU(), "pool": nn.MaxPool2d(2)})
    >>> found = summary(model, (1, 3, 32, 32))
    >>> print(found)
    Sequential, input (1, 3, 32, 32)
    <BLANKLINE>
    layer            activation   size  parameters  mult-adds  field  stride
    ------------------------------------------------------------------------
    input               3×32×32  3,072           0          0      1       1
    conv  Conv2d        8×28×28  6,272         608    470,400      5       1
    relu  ReLU          8×28×28  6,272           0          0      5       1
    pool  MaxPool2d     8×14×14  1,568           0          0      6       2
    ------------------------------------------------------------------------
    608 parameters, 470,400 multiply-adds, 1 non-linearity
    memory: parameters 2.43 kB, activations 56.4 kB, kept for backward 26.7 kB; a
      training step holds 43.8 kB with gradients; working space and the optimiser's
      state come on top
    >>> found["pool"].field.of(0, 13)  # the first and the last row, the first and the last column of the image
    ((0, 5), (26, 31))
    """
    if depth is not None:
        if not isinstance(depth, int) or isinstance(depth, bool):
            raise TypeError(f"summary: depth must be an integer or None but is {depth!r}")
        if depth < 0:
            raise ValueError(f"summary: depth must be 0 or more but is {depth}")
    return _Reader(model, trace(model, inputs, "summary"), depth).summary()


@dataclass(slots=True)
class _Part:
    """What becomes a row: a call or an operation, with its nodes."""

    kind: Kind
    name: str
    path: str
    layer: str
    arguments: str
    level: int
    turn: int
    nodes: list[Node] = field(default_factory=list)


class _Reader:
    """Reads a summary off what a model recorded."""

    def __init__(self, model: Module, found: Trace, depth: int | None) -> None:
        self.model = model
        self.trace = found
        self.depth = depth
        self.recorded = nodes(*found.outputs)
        groups, self.members = groups_of(self.recorded)
        self.groups = {group.id: group for group in groups}
        self.opened = {group.parent for group in groups} - {None}  # those with calls inside
        self.parameters = {p.node: p for p in model.parameters() if p.node is not None}
        self.uses: dict[Node, set[Node]] = {}
        for node in self.recorded:
            for parent in node.parents:
                self.uses.setdefault(parent, set()).add(node)
        self.outputs = {z.node for z in found.outputs}
        present = set(self.recorded)
        self.inputs = [x.node for x in found.inputs]
        images = [x for x in found.inputs if len(x.shape) > 2 and x.node in present]
        self.source = images[0] if images else None
        self.fields: dict[Node, ReceptiveField | None] = {}
        if self.source is not None and self.source.node is not None:
            self.fields = receptive_fields(self.recorded, self.source.node)
        shape = found.inputs[0].shape
        self.batch = shape[0] if len(shape) > 1 else None
        self.counted: set[Node] = set()  # parameters that a row has counted
        held = [*model.parameters(), *model.buffers(), *found.inputs]
        self.kept = {id(memory_of(x.data)) for x in held}  # memory that is there anyway, or that a row has counted

    # Which rows there are

    def _around(self, node: Node) -> list[Group]:
        """The calls around a node, the outermost first."""
        found: list[Group] = []
        id = self.members.get(node)
        while id is not None:
            found.append(self.groups[id])
            id = self.groups[id].parent
        return found[::-1]

    def parts(self, depth: int | None) -> list[_Part]:
        """Rows in the order of computation; a group holds all nodes of the rows inside of it."""
        parts: list[_Part] = []
        calls: dict[str, _Part] = {}
        for node in self.recorded:
            if node.primitive is None:
                continue
            around = self._around(node)
            for i, group in enumerate(around):
                is_single = self._is_single(group, i, depth)
                if group.id not in calls and (i or is_single):
                    kind: Kind = "module" if is_single else "group"
                    name = group.name or (group.title if i else "")
                    calls[group.id] = _Part(
                        kind, name, group.path, group.title, group.arguments, max(i - 1, 0), group.turn
                    )
                    parts.append(calls[group.id])
                if group.id in calls:
                    calls[group.id].nodes.append(node)
                if is_single:
                    break
            else:
                parts.append(self._operation(node, around))
        return parts

    def _is_single(self, group: Group, level: int, depth: int | None) -> bool:
        """Whether a call is one row: nothing was called inside, or it lies deep enough."""
        if depth is not None and level >= depth:
            return True
        if group.id in self.opened:
            return False
        # A model of the user's own that calls no layer is opened: its operations are what there is to be seen.
        return level > 0 or type(self.model).__module__.startswith("tinygrad_cnn.")

    def _operation(self, node: Node, around: Sequence[Group]) -> _Part:
        primitive: Any = node.primitive
        title = titles.title(primitive.name, node.options)
        remarks = wording.remarks(primitive.name, node.options, [parent.shape for parent in node.parents])
        path = ".".join(filter(None, (around[-1].path if around else "", title)))
        return _Part("operation", f"{title}()", path, "", ", ".join(remarks), max(len(around) - 1, 0), 1, [node])

    # What stands in them

    def summary(self) -> Summary:
        """The table."""
        parts = self.parts(self.depth)
        singles = [part for part in parts if part.kind != "group"]
        fresh = {id(part): self._first_used(part) for part in singles}
        kept = {id(part): self._first_kept(part) for part in singles}
        rows = [self._input(x, i) for i, x in enumerate(self.trace.inputs)]
        for i, part in enumerate(parts):
            inside = [part] if part.kind != "group" else _inside(parts, i)
            own = [parameter for each in inside for parameter in fresh[id(each)]]
            rows.append(self._row(part, own, sum(kept[id(each)] for each in inside)))
        parameters = list(self.model.parameters())
        single_rows = [row for row in rows if row.kind != "group"]
        last: Any = self.trace.outputs[-1].node
        return Summary(
            type(self.model).__name__,
            tuple(x.shape for x in self.trace.inputs),
            last.shape,
            tuple(rows),
            sum(p.size for p in parameters),
            sum(p.size for p in parameters if not p.requires_grad),
            sum(row.multiply_adds or 0 for row in single_rows),
            sum(row.nonlinearities for row in single_rows),
            sum(_bytes(self._results(part)) for part in self.parts(None) if part.kind != "group"),
            sum(kept.values()),
            sum(p.data.nbytes for p in parameters),
            sum(p.data.nbytes for p in parameters if p.requires_grad),
            sum(x.data.nbytes for x in self.trace.inputs),
            self.fields.get(last),
            last in self.fields,
            None if self.source is None else self.source.name,
            tuple(self._notes(parts)),
        )

    def _input(self, x: Any, i: int) -> Row:
        name = x.name or f"input{i + 1}"
        found = self.fields.get(x.node) if x.node is not None else None
        return Row(
            "input", name, name, "", "", 0, 1, (x.shape,), self._size(x.shape), 0, 0, 0, 0, 0, x.data.nbytes, 0, 0,
            found is not None, found,
        )  # fmt: skip

    def _row(self, part: _Part, fresh: Collection[Node], kept: int) -> Row:
        used = {parent for node in part.nodes for parent in node.parents if parent in self.parameters}
        results = self._results(part)
        shapes = tuple(node.shape for node in results)
        counts = [multiply_adds(node) for node in part.nodes]
        tensors = [self.parameters[node] for node in fresh]
        last = results[-1]
        return Row(
            part.kind, part.name, part.path, part.layer, part.arguments, part.level, part.turn, shapes,
            self._size(last.shape),
            sum(p.size for p in tensors),
            sum(p.size for p in tensors if not p.requires_grad),
            sum(self.parameters[node].size for node in used - set(fresh)),
            None if None in counts else sum(n or 0 for n in counts),
            self._nonlinearities(part),
            _bytes(results),
            kept,
            sum(p.data.nbytes for p in tensors),
            last in self.fields,
            self.fields.get(last),
        )  # fmt: skip

    def _results(self, part: _Part) -> list[Node]:
        """What a part hands on, those that depend on an input if any do."""
        inside = set(part.nodes)
        found = [node for node in part.nodes if node in self.outputs or not self.uses.get(node, set()) <= inside]
        return [node for node in found if node in self.fields] or found or part.nodes[-1:]

    def _size(self, shape: tuple[int, ...]) -> int:
        return prod(shape[1:] if self.batch is not None and shape[:1] == (self.batch,) else shape)

    def _first_used(self, part: _Part) -> list[Node]:
        """The parameters of a part that no earlier one has counted."""
        used = dict.fromkeys(parent for node in part.nodes for parent in node.parents if parent in self.parameters)
        fresh = [node for node in used if node not in self.counted]
        self.counted.update(fresh)
        return fresh

    def _first_kept(self, part: _Part) -> int:
        """The bytes that a part's rules need and that no earlier one has counted."""
        total = 0
        for node in part.nodes:
            for memory, size in kept_arrays(node).items():
                if memory not in self.kept:
                    self.kept.add(memory)
                    total += size
        return total

    def _nonlinearities(self, part: _Part) -> int:
        """Activation functions: one for each innermost call of a layer of the library that has any, else operations."""
        found = set()
        for node in part.nodes:
            if node.primitive is not None and node.primitive.name in NONLINEARITIES:
                call = self.members.get(node)
                is_layer = call is not None and call not in self.opened and self._is_of_library(call)
                found.add(call if is_layer else node)
        return len(found)

    def _is_of_library(self, call: str) -> bool:
        return hasattr(nn, self.groups[call].title)

    # What else is to be said

    def _notes(self, parts: Iterable[_Part]) -> Iterator[str]:
        own = {
            node.primitive.name
            for part in parts
            for node in part.nodes
            if node.primitive is not None and multiply_adds(node) is None
        }
        if own:
            yield f"multiply-adds are not known of {', '.join(sorted(own))}"
        paths = {group.path for group in self.groups.values()}
        silent = [
            f"{path} ({type(module).__name__})" if path else type(module).__name__
            for path, module in self.model.named_modules()
            if path not in paths and not any(module.children()) and not self._is_folded(path)
        ]
        if silent:
            yield f"no row, since nothing was computed in evaluation: {_listed(silent)}"
        unused = [name for name, p in self.model.named_parameters() if p.node not in self.counted]
        if unused:
            size = sum(p.size for p in self.model.parameters() if p.node not in self.counted)
            yield f"in no row, since the output does not depend on them: {_listed(unused)} ({size:,} parameters)"

    def _is_folded(self, path: str) -> bool:
        return self.depth is not None and path.count(".") >= self.depth


def _inside(parts: Sequence[_Part], i: int) -> list[_Part]:
    """The rows of a group: those that follow it one level further in or more."""
    found = []
    for part in parts[i + 1 :]:
        if part.level <= parts[i].level:
            break
        if part.kind != "group":
            found.append(part)
    return found


def _bytes(results: Iterable[Node]) -> int:
    return sum(prod(node.shape) * node.dtype.itemsize for node in results)


def _listed(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more

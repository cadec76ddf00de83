"""Which operations belong to which call of a module: the frames of a picture, one inside the other.

A call knows between which creation numbers it recorded, so the frames follow from the numbers alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad_cnn.engine import Call, Node
from tinygrad_cnn.nn.module import Module


@dataclass(frozen=True, slots=True)
class Group:
    """The call of a module, with all that it recorded.

    Attributes:
        id: unique in its graph, and the same for the same graph in every run.
        parent: the id of the group that it lies in, or None.
        title: the module's class, such as "Conv2d".
        name: what the module of the parent calls it, such as "conv1" or "layers.0"; "" for one that lies in none.
        path: the names from the outermost group down, with dots.
        arguments: the module's arguments as its repr shows them, such as "1, 8, kernel_size=3".
        turn: which call of the same module it is within the graph, from 1.
        parameters: the number of the module's parameters that want a gradient, its submodules' too.
        times: how many calls of the same structure it stands for, one after the other.
        last: the name of the last of them.
        feeds: what each of them hands to the next, as the ids of a result and of an operation that takes it.
    """

    id: str
    parent: str | None
    title: str
    name: str
    path: str
    arguments: str
    turn: int
    parameters: int
    times: int = 1
    last: str = ""
    feeds: tuple[tuple[str, str], ...] = ()


def groups_of(recorded: Sequence[Node]) -> tuple[tuple[Group, ...], dict[Node, str]]:
    """The groups of a graph, outer before inner and else in the order of the calls, and the id of each node's group.

    An operation lies in the innermost call that recorded it. A parameter or a buffer lies where all its uses do, if
    that is in its module; what was handed to a call lies outside of it. Nodes outside of all groups have no entry.

    Args:
        recorded: every node of the graph, in the order of creation.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> from tinygrad_cnn.walk import nodes
    >>> model = nn.Sequential(nn.Linear(2, 1), nn.ReLU())
    >>> recorded = nodes(model(tg.tensor([[1.0, 2.0]], name="x")))
    >>> groups, members = groups_of(recorded)
    >>> [(group.path, group.title, group.arguments) for group in groups]
    [('', 'Sequential', ''), ('0', 'Linear', '2, 1'), ('1', 'ReLU', '')]
    >>> [(str(node.name or node.primitive.name), members.get(node)) for node in recorded]
    [('0.weight', 'g1'), ('0.bias', 'g1'), ('x', None), ('linear', 'g1'), ('relu', 'g2')]
    """
    calls = {call for node in recorded for call in node.calls or ()}
    if not calls:
        return (), {}
    order = sorted(calls, key=lambda call: (call.first, -call.last))
    ids = {call: f"g{i}" for i, call in enumerate(order)}
    innermost, parents = _nesting(recorded, order)
    members = {node: call for node, call in innermost.items() if node.primitive is not None}
    owners = _owners(order)
    uses: dict[Node, list[Call | None]] = {}
    for node in recorded:
        for operand in node.parents:
            if operand.primitive is None:
                uses.setdefault(operand, []).append(members.get(node))
    for node in recorded:
        if node.primitive is None:
            call = _common(uses.get(node, [None]), parents)
            if node in owners:
                while call is not None and call not in owners[node]:
                    call = parents[call]
            else:
                call = _common([call, innermost.get(node)], parents)
                while call is not None and node.number in call.inputs:
                    call = parents[call]
            if call is not None:
                members[node] = call
    return _described(order, ids, parents), {node: ids[call] for node, call in members.items()}


def _nesting(recorded: Iterable[Node], order: list[Call]) -> tuple[dict[Node, Call], dict[Call, Call | None]]:
    """The innermost call in which each node was created, and the call around each call."""
    innermost: dict[Node, Call] = {}
    parents: dict[Call, Call | None] = {}
    stack: list[Call] = []
    waiting = iter([*order, None])
    call = next(waiting)
    for node in recorded:
        while call is not None and call.first < node.number:
            # A call in another thread may have begun inside of this one and still run when it had ended.
            while stack and stack[-1].last < call.last:
                stack.pop()
            parents[call] = stack[-1] if stack else None
            stack.append(call)
            call = next(waiting)
        while stack and stack[-1].last < node.number:
            stack.pop()
        if stack:
            innermost[node] = stack[-1]
    return innermost, parents


def _owners(order: list[Call]) -> dict[Node, set[Call]]:
    """For the node of each parameter and buffer the calls of the modules that it is part of."""
    owners: dict[Node, set[Call]] = {}
    held: dict[Any, list[Node]] = {}
    for call in order:
        module = call.callee()
        if isinstance(module, Module):
            if module not in held:
                tensors = (*module.parameters(), *module.buffers())
                held[module] = [tensor.node for tensor in tensors if tensor.node is not None]
            for node in held[module]:
                owners.setdefault(node, set()).add(call)
    return owners


def _common(calls: Sequence[Call | None], parents: Mapping[Call, Call | None]) -> Call | None:
    """The innermost call around all of these."""
    around = _around(calls[0], parents)
    for call in calls[1:]:
        also = set(_around(call, parents))
        around = [each for each in around if each in also]
    return around[0] if around else None


def _around(call: Call | None, parents: Mapping[Call, Call | None]) -> list[Call]:
    found = []
    while call is not None:
        found.append(call)
        call = parents[call]
    return found


def _described(order: list[Call], ids: Mapping[Call, str], parents: Mapping[Call, Call | None]) -> tuple[Group, ...]:
    found: list[Group] = []
    paths: dict[Call, str] = {}
    turns: dict[Any, int] = {}
    names: dict[Any, dict[Any, str]] = {}  # of the modules inside of a module
    for call in order:
        module, parent = call.callee(), parents[call]
        outer = parent.callee() if parent is not None else None
        name = ""
        if isinstance(outer, Module):
            if outer not in names:
                names[outer] = {inner: path for path, inner in outer.named_modules()}
            name = names[outer].get(module, "")
        above = paths[parent] if parent is not None else ""
        paths[call] = ".".join(filter(None, (above, name)))
        turn = 1
        if module is not None:
            turn = turns[module] = turns.get(module, 0) + 1
        arguments, parameters = "", 0
        if isinstance(module, Module):
            arguments, parameters = module.extra_repr(), sum(p.size for p in module.parameters() if p.requires_grad)
        found.append(
            Group(
                ids[call],
                ids[parent] if parent is not None else None,
                call.kind.__name__,
                name,
                paths[call],
                arguments,
                turn,
                parameters,
            )
        )
    return tuple(found)

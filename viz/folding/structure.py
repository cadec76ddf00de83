"""The structure of parts of a graph as codes: equal codes, equal operations, options, shapes, frames and wiring."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad_cnn.viz.graph import wording
from tinygrad_cnn.viz.graph.description import Graph, OperationNode, TensorNode

SAME, OWN, EACH = -1, -2, -3
"""Where a block's given tensor comes from: every block is given the same one; each has a leaf or constant of its own,
used nowhere else; or each is given another one."""


@dataclass(frozen=True, slots=True)
class Item:
    """What lies directly in a group: the call of a module, or a single operation; with the operations in it."""

    group: str | None
    operations: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Operations as one part.

    Attributes:
        operations: their numbers, in the order of recording.
        positions: where each one stands among them.
        code: equal for blocks of the same structure.
        given: the tensors that it does not compute itself, in the order of their first use.
    """

    operations: tuple[int, ...]
    positions: dict[int, int]
    code: tuple[Any, ...]
    given: tuple[str, ...]


class Wiring:
    """A described graph by the numbers of its operations."""

    def __init__(self, graph: Graph, keep: Collection[str] = ()) -> None:
        self.nodes: list[TensorNode | OperationNode] = []
        self.operations: list[OperationNode] = []
        self.tensors: dict[str, TensorNode] = {}
        for node in graph.nodes:
            if isinstance(node, TensorNode):
                self.tensors[node.id] = node
            elif isinstance(node, OperationNode):
                self.operations.append(node)
            else:
                raise TypeError(f"roll_up: expected a graph without folded nodes but {node.id!r} is one")
            self.nodes.append(node)
        self.edges = graph.edges
        self.groups = {group.id: group for group in graph.groups}
        numbers = {operation.id: i for i, operation in enumerate(self.operations)}
        self._operands: list[list[str]] = [[] for _ in self.operations]
        self._users: dict[str, list[int]] = {}
        self._makers: dict[str, int] = {}
        self._roles: dict[tuple[str, int], str] = {}  # what an operation calls the tensor, without its number
        for edge in graph.edges:
            if edge.target in numbers:
                self._operands[numbers[edge.target]].append(edge.source)
                self._users.setdefault(edge.source, []).append(numbers[edge.target])
                self._roles[edge.source, numbers[edge.target]] = _uncounted(edge.label)
            else:
                self._makers[edge.target] = numbers[edge.source]
        made = {i: self.tensors[id] for id, i in self._makers.items()}
        self.results = [made[i] for i in range(len(self.operations))]
        self._known: dict[Hashable, int] = {}
        self._operation_codes = [self._operation_code(i, keep) for i in range(len(self.operations))]
        self._items = self._all_items()

    def items(self, group: str | None) -> list[Item]:
        """What lies directly in a group, or outside of all."""
        return self._items.get(group, [])

    def users(self, tensor: str) -> list[int]:
        """The operations that use a tensor."""
        return self._users.get(tensor, [])

    def _all_items(self) -> dict[str | None, list[Item]]:
        inside: dict[str, list[int]] = {}
        order: dict[str | None, list[str | int]] = {}
        for i, operation in enumerate(self.operations):
            order.setdefault(operation.group, []).append(i)
            id = operation.group
            while id is not None:
                if id not in inside:
                    inside[id] = []
                    entries = order.setdefault(self.groups[id].parent, [])
                    # The operation itself was recorded in the innermost call.
                    entries.append(id)
                inside[id].append(i)
                id = self.groups[id].parent

        def item(entry: str | int) -> Item:
            return Item(entry, tuple(inside[entry])) if isinstance(entry, str) else Item(None, (entry,))

        return {around: list(map(item, entries)) for around, entries in order.items()}

    def _number(self, code: Hashable) -> int:
        return self._known.setdefault(code, len(self._known))

    def _operation_code(self, i: int, keep: Collection[str]) -> int:
        operation, result = self.operations[i], self.results[i]
        if (
            operation.id in keep
            or result.id in keep
            or any(id in keep and len(self._users[id]) == 1 for id in self._operands[i])
        ):
            return self._number(("kept", i))
        options = tuple(
            _uncounted(wording.index_text(value)) if name == "index" else wording.option_text(name, value)
            for name, value in operation.options.items()
        )
        return self._number((operation.primitive, operation.title, options, result.shape, result.dtype))

    def block(self, operations: Sequence[int], around: str | None) -> Block:
        """These operations, which lie in this group or in groups inside of it, as one part."""
        positions = {operation: i for i, operation in enumerate(operations)}
        code: list[Any] = []
        given: dict[str, int] = {}
        frames: dict[str | None, int] = {around: -1}
        for operation in operations:
            group = self.operations[operation].group
            if group not in frames:
                code += self._frames(group, frames)
            code += (self._operation_codes[operation], frames[group])
            for id in self._operands[operation]:
                maker = self._makers.get(id)
                if maker in positions:
                    code.append(positions[maker])
                else:
                    tensor = self.tensors[id]
                    number = str(tensor.value) if tensor.is_number else None
                    code.append((given.setdefault(id, len(given)), tensor.shape, tensor.dtype, number))
        return Block(tuple(operations), positions, tuple(code), tuple(given))

    def _frames(self, group: str | None, frames: dict[str | None, int]) -> list[Any]:
        """Codes for the groups around an operation that are new, the outermost first; they are added to the others."""
        new = []
        while group not in frames:
            new.append(self.groups[group or ""])
            group = new[-1].parent
        code: list[Any] = []
        for each in reversed(new):
            parent = frames[each.parent]
            name = each.name if parent >= 0 else _uncounted(each.name)  # that of the block itself counts the blocks
            code.append((parent, each.title, each.arguments, name))
            frames[each.id] = len(frames) - 1
        return code

    def turns(self, blocks: Sequence[Block], start: int) -> tuple[int, tuple[int, ...]]:
        """How many of these blocks, from this one on, are turns of the same; and where each given tensor comes from.

        What the first one is given may come from anywhere.
        """
        first, end = blocks[start], blocks[-1].operations[-1]
        link: tuple[int, ...] | None = None
        uses: Counter[tuple[int, int, str]] | None = None
        n = 1
        while start + n < len(blocks):
            before, block = blocks[start + n - 1], blocks[start + n]
            found = self._link(before, block, first.operations[0]) if block.code == first.code else None
            if found is None or (link is not None and found != link):
                break
            # The block before is not the last one then: what else uses it must be what uses every other one.
            others = self._uses(before, block, end)
            if others is None or (uses is not None and others != uses):
                break
            link, uses = found, others
            n += 1
        # The last one has at least the uses that every other one has.
        while n > 1 and uses and not uses <= (self._uses(blocks[start + n - 1], None, end) or Counter()):
            n -= 1
        return n, link or ()

    def _link(self, before: Block, block: Block, start: int) -> tuple[int, ...] | None:
        """Where each given tensor comes from: its place in the block before, or `SAME`, `OWN`, `EACH`.

        None for a tensor that an earlier block of the run hands on to one that is not the next.
        """
        link = []
        for one, other in zip(before.given, block.given, strict=True):
            maker = self._makers.get(other)
            if maker in before.positions:
                link.append(before.positions[maker])
            elif maker is not None and maker >= start:
                return None
            elif one == other:
                link.append(SAME)
            else:
                codes = {self._own_code(before, one), self._own_code(block, other)}
                if len(codes) > 1:
                    return None
                link.append(EACH if None in codes else OWN)
        return tuple(link)

    def _own_code(self, block: Block, id: str) -> tuple[Any, ...] | None:
        """What leaves and constants in the same place have in common; None for one that is not the block's own.

        Its own is what nothing outside of it uses. Names that count differ by their numbers alone.
        """
        leaf, users, places = self.tensors[id], self._users[id], block.positions
        is_inside = users[0] in places and users[-1] in places and all(user in places for user in users)
        if id in self._makers or leaf.is_output or not is_inside:
            return None
        return leaf.kind, _uncounted((leaf.name or "").rpartition(".")[2]), leaf.group is None

    def _uses(self, block: Block, after: Block | None, end: int) -> Counter[tuple[int, int, str]] | None:
        """What uses a block's results behind the run: their places, the code of the user, and what it calls them.

        None for a block that is used in the run by another one than the next, or one before the last with an output.
        """
        found: Counter[tuple[int, int, str]] = Counter()
        for operation, place in block.positions.items():
            result = self.results[operation]
            if result.is_output and after is not None:
                return None
            for user in self.users(result.id):
                if user not in block.positions and (after is None or user not in after.positions):
                    if user <= end and after is not None:
                        return None
                    found[place, self._operation_codes[user], self._roles[result.id, user]] += 1
        return found


def _uncounted(text: str) -> str:
    """A text without its numbers, which count layers or the turns of a loop."""
    return re.sub(r"\d+", "#", text)

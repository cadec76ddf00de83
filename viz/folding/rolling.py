"""Repeated blocks rolled up: of blocks of the same structure, one after the other, the first is shown, with "×12".

Blocks are calls of modules, operations outside of calls (a loop that was written in Python), or a period of several of
them. They are the same if they have the same operations with the same options, shapes and wiring inside, and if each
takes from the one before it, or from the same tensors outside, what the next one takes in the same places.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tinygrad_cnn.viz.folding.structure import OWN, Block, Item, Wiring
from tinygrad_cnn.viz.graph.description import Edge, Graph, OperationNode, TensorNode
from tinygrad_cnn.viz.graph.groups import Group

FEWEST_TURNS, FEWEST_HIDDEN = 3, 10
"""A run of operations without any call of a module is rolled up from so many turns, if that hides so many operations;
calls of modules always are."""

MOST_PERIODS = 64
"""So many lengths of a period are looked at, the likeliest first."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Blocks of the same structure.

    Attributes:
        around: the group that they lie in.
        items: those of the first block.
        last: the first item of the last block.
        blocks: all of them.
        link: where each tensor comes from that a block is given.
    """

    around: str | None
    items: list[Item]
    last: Item
    blocks: list[Block]
    link: tuple[int, ...]

    def own(self, block: Block) -> list[str]:
        """The leaves and constants that are a block's own."""
        return [id for id, place in zip(block.given, self.link, strict=True) if place == OWN]

    @property
    def group(self) -> str | None:
        """The call of a module that each block is, if it is one."""
        return self.items[0].group if len(self.items) == 1 else None


def roll_up(graph: Graph, keep: Collection[str] = ()) -> Graph:
    """The graph with repeated blocks rolled up; its groups then say how many `times` they are run.

    The first block is shown. A tensor that leaves the blocks is that of the last block. Edges from every block to the
    same operation are one edge with a count. A period of several calls, or of operations outside of calls, gets a group
    of its own, which has no title.

    Args:
        graph: a description, in which nothing is folded yet.
        keep: the ids of nodes that stay: no block with one of them is the same as another.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> from tinygrad_cnn.viz.graph.description import describe
    >>> model = nn.Sequential(*(layer for _ in range(5) for layer in (nn.Linear(2, 2), nn.ReLU())))
    >>> graph = describe(model(tg.tensor([[1.0, 2.0]], name="x")))
    >>> [(group.title, group.times) for group in roll_up(graph).groups]
    [('Sequential', 1), ('', 5), ('Linear', 1), ('ReLU', 1)]
    """
    wiring = Wiring(graph, keep)
    rolled = _Rolled(wiring)
    waiting: list[tuple[list[Item], str | None, str | None]] = [(wiring.items(None), None, None)]
    while waiting:
        items, around, frame = waiting.pop()
        hidden: set[int] = set()
        for run in _runs(items, around, wiring):
            hidden.update(op for block in run.blocks for op in block.operations)
            inner = rolled.add(run, frame)
            if run.group is None:
                waiting.append((run.items, around, inner))
            else:
                waiting.append((wiring.items(run.group), run.group, run.group))
        shown = (item.group for item in items if item.group is not None and item.operations[0] not in hidden)
        waiting += [(wiring.items(group), group, group) for group in shown]
    return rolled.graph() if rolled.count else graph


def _runs(items: Sequence[Item], around: str | None, wiring: Wiring) -> Iterator[_Run]:
    """Runs that don't overlap, the one that hides most first."""
    if len(items) < 2:
        return
    known: dict[tuple[object, ...], int] = {}
    blocks = [wiring.block(item.operations, around) for item in items]
    codes = np.array([known.setdefault(block.code, len(known)) for block in blocks])
    if len(known) == len(items):
        return
    sizes = np.concatenate([[0], np.cumsum([len(item.operations) for item in items])])
    calls = np.concatenate([[0], np.cumsum([item.group is not None for item in items])])
    is_taken = np.zeros(len(items), dtype=bool)
    found = []
    for period in _periods(codes):
        for start, end in _stretches(codes[:-period] == codes[period:], period):
            turns = (end - start) // period
            found.append((int(sizes[start] - sizes[start + period * (turns - 1)]), period, start, end))
    for _, period, start, end in sorted(found):
        for first, turns, link in _same(items, blocks, around, wiring, period, start, end):
            last = first + period * turns
            hides = sizes[last] - sizes[first + period]
            is_worth_it = calls[last] > calls[first] or (turns >= FEWEST_TURNS and hides >= FEWEST_HIDDEN)
            if is_worth_it and not is_taken[first:last].any():
                is_taken[first:last] = True
                yield _Run(
                    around,
                    list(items[first : first + period]),
                    items[last - period],
                    [_block(items, blocks, around, wiring, i, period) for i in range(first, last, period)],
                    link,
                )


def _periods(codes: np.ndarray) -> list[int]:
    """Lengths that a period may have: how far apart equal words are, of one code, two, four and so on."""
    n = len(codes)
    votes: Counter[int] = Counter()
    length, words = 1, codes
    while len(words) > 1:
        order = np.argsort(words, kind="stable")
        is_equal = words[order][1:] == words[order][:-1]
        if not is_equal.any():
            break
        distances, counts = np.unique(np.diff(order)[is_equal], return_counts=True)
        for distance, count in zip(distances.tolist(), counts.tolist(), strict=True):
            if distance <= n // 2 and count + length - 1 >= distance:
                votes[distance] += count
        # A word of twice the length is a pair of words.
        pairs = words[:-length].astype(np.int64) * n + words[length:]
        words = np.unique(pairs, return_inverse=True)[1].reshape(-1)
        length *= 2
    return sorted(period for period, _ in votes.most_common(MOST_PERIODS))


def _stretches(is_equal: np.ndarray, period: int) -> Iterator[tuple[int, int]]:
    """Where codes repeat with this period, at least once as a whole: the first item, and the one behind the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_equal, [False]]).astype(np.int8)))
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if end - start >= period:
            yield start, end + period


def _same(
    items: Sequence[Item],
    blocks: Sequence[Block],
    around: str | None,
    wiring: Wiring,
    period: int,
    start: int,
    end: int,
) -> list[tuple[int, int, tuple[int, ...]]]:
    """The runs in a stretch of equal codes: of each its first item, the number of turns, and where tensors come from.

    Equal codes don't make equal blocks: what each takes from the others must correspond. Where the blocks begin is not
    known either, so that every place in the first period is tried until there is one.
    """
    found: list[tuple[int, int, tuple[int, ...]]] = []
    for shift in range(min(period, end - start - 2 * period + 1)):
        first = start + shift
        chain = [_block(items, blocks, around, wiring, i, period) for i in range(first, end - period + 1, period)]
        i = 0
        while i < len(chain) - 1:
            turns, link = wiring.turns(chain, i)
            if turns > 1:
                found.append((first + i * period, turns, link))
            i += turns
        if found:
            break
    return found


def _block(
    items: Sequence[Item], blocks: Sequence[Block], around: str | None, wiring: Wiring, first: int, period: int
) -> Block:
    if period == 1:
        return blocks[first]
    return wiring.block([op for item in items[first : first + period] for op in item.operations], around)


class _Rolled:
    """What of a graph is hidden, and the graph that is left."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        self.count = 0
        self._places: dict[str, str] = {}  # of a hidden node: the one in its place in the first block
        self._leaving: dict[str, TensorNode] = {}  # of a tensor in the first block: the one in its place in the last
        self._remarks: dict[str, tuple[str, ...]] = {}
        self._parents: dict[str, str] = {}  # the new group of nodes and groups
        self._times: dict[str, tuple[int, str]] = {}
        self._repetitions: list[tuple[int, Group]] = []

    def add(self, run: _Run, frame: str | None) -> str | None:
        """Hide all blocks but the first. Returns the id of the group around it."""
        wiring, first, last = self.wiring, run.blocks[0], run.blocks[-1]
        self.count += 1
        for block in run.blocks[1:]:
            for shown, hidden in zip(first.operations, block.operations, strict=True):
                self._places[wiring.operations[hidden].id] = wiring.operations[shown].id
                self._places[wiring.results[hidden].id] = wiring.results[shown].id
            self._places.update(zip(run.own(block), run.own(first), strict=True))
        for shown, hidden in zip(first.operations, last.operations, strict=True):
            result = wiring.results[hidden]
            if result.is_output or any(user not in last.positions for user in wiring.users(result.id)):
                self._leaving[wiring.results[shown].id] = result
            one, other = wiring.operations[shown], wiring.operations[hidden]
            if one.remarks != other.remarks:
                pairs = zip(one.remarks, other.remarks, strict=True)
                self._remarks[one.id] = tuple(a if a == b else f"{a} … {b}" for a, b in pairs)
        if run.group is not None:
            last_name = wiring.groups[run.last.group].name if run.last.group is not None else ""
            self._times[run.group] = (len(run.blocks), last_name)
            return run.group
        # Numbered by its place, which no other repetition that isn't inside of it has.
        number = first.operations[0]
        feeds = tuple(
            (wiring.results[first.operations[place]].id, wiring.operations[user].id)
            for given, place in zip(first.given, run.link, strict=True)
            if place >= 0
            for user in dict.fromkeys(wiring.users(given))
            if user in first.positions
        )
        id = f"r{number}" + "i" * sum(number == other for other, _ in self._repetitions)
        self._repetitions.append((number, Group(id, frame, "", "", "", "", 1, 0, len(run.blocks), "", feeds)))
        for item in run.items:
            if item.group is not None:
                self._parents[item.group] = id
            else:
                operation = wiring.operations[item.operations[0]]
                self._parents[operation.id] = self._parents[wiring.results[item.operations[0]].id] = id
        for leaf in run.own(first):
            if wiring.tensors[leaf].group == run.around:
                self._parents[leaf] = id
        return id

    def graph(self) -> Graph:
        """The graph without what is hidden."""
        nodes: list[TensorNode | OperationNode] = []
        for node in self.wiring.nodes:
            if node.id not in self._places:
                group = self._parents.get(node.id, node.group)
                shown = self._leaves_as(node) if isinstance(node, TensorNode) else node
                if isinstance(shown, OperationNode):
                    shown = replace(shown, remarks=self._remarks.get(node.id, shown.remarks))
                nodes.append(replace(shown, group=group))
        return Graph(tuple(nodes), tuple(self._edges()), tuple(self._groups()))

    def _leaves_as(self, node: TensorNode) -> TensorNode:
        while node.id in self._leaving:
            node = self._leaving[node.id]
        return node

    def _shown(self, id: str) -> str:
        while id in self._places:
            id = self._places[id]
        while id in self._leaving:
            id = self._leaving[id].id
        return id

    def _edges(self) -> list[Edge]:
        found: dict[tuple[str, str, int], Edge] = {}
        among: Counter[tuple[str, str]] = Counter()
        for edge in self.wiring.edges:
            if edge.target not in self._places:
                ends = edge.source, edge.target
                # An operand that an operation has twice stays twice; those of different blocks become one.
                key = (self._shown(edge.source), self._shown(edge.target), among[ends])
                among[ends] += 1
                shown = replace(edge, source=key[0], target=key[1])
                if key in found:
                    first = found[key]
                    label = f"{first.label.partition(' … ')[0]} … {edge.label}" if first.label != edge.label else ""
                    has_gradient = first.has_gradient or edge.has_gradient
                    shown = replace(
                        first, label=label or first.label, has_gradient=has_gradient, count=first.count + edge.count
                    )
                found[key] = shown
        return list(found.values())

    def _groups(self) -> list[Group]:
        alive: dict[str, int] = {}  # the first operation of each group that is left
        for i, operation in enumerate(self.wiring.operations):
            if operation.id not in self._places:
                id = operation.group
                while id is not None and id not in alive:
                    alive[id] = i
                    id = self.wiring.groups[id].parent
        left = []
        for i, group in self._repetitions:
            feeds = tuple((self._shown(source), self._shown(target)) for source, target in group.feeds)
            left.append((i, replace(group, feeds=feeds)))
        for group in self.wiring.groups.values():
            if group.id in alive:
                times, last = self._times.get(group.id, (1, ""))
                parent = self._parents.get(group.id, group.parent)
                left.append((alive[group.id], replace(group, parent=parent, times=times, last=last)))
        parents = {group.id: group.parent for _, group in left}
        return [group for _, group in sorted(left, key=lambda each: (each[0], _level(each[1].id, parents)))]


def _level(id: str | None, parents: dict[str, str | None]) -> int:
    level = 0
    while (id := parents.get(id or "")) is not None:
        level += 1
    return level

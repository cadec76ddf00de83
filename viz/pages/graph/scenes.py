"""The insides of modules, each laid out once with all the modules in it folded.

A page puts these scenes into each other: an open module makes room in the scene around it, and edges run on through the
ports on its border. So any modules can be open at once, all layouts together are no larger than the graph, and what the
reader has learnt of the picture stays where it is.

A scene of very many boxes is divided into parts of operations that follow each other in the recording, which fold and
unfold as modules do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tinygrad_cnn.viz.drawing.layout import Frame, Layout, Plan
from tinygrad_cnn.viz.graph.description import Graph, OperationNode, TensorNode
from tinygrad_cnn.viz.pages.graph import boxes
from tinygrad_cnn.viz.pages.graph.boxes import Box

MOST_BOXES, PART = 160, 60
"""A scene of more boxes is divided into parts of so many."""

ROOT = -1

_FRAMES = {"TB": Frame(14, 30, 14, 16), "LR": Frame(22, 32, 22, 14)}
_ROOM = Frame(16, 16, 16, 16)


@dataclass(slots=True)
class Container:
    """The call of a module, or a part of a scene: what folds and unfolds.

    Attributes:
        parent: the item that it lies in, or `ROOT`.
        about: what the page says of it, by name.
        heading: what stands at the top of its frame.
        box: its look while it is folded.
        members: the items that lie directly in it.
        level: how many others it lies in.
    """

    parent: int
    about: dict[str, Any]
    heading: str
    box: Box
    members: list[int] = field(default_factory=list)
    level: int = 0


class Tree:
    """What lies in what. An item is a node of the graph, by its place in it, or a container, numbered after the nodes.

    Args:
        graph: the description.
        sizes: width and height of the nodes' boxes.
    """

    def __init__(self, graph: Graph, sizes: Sequence[tuple[float, float]]) -> None:
        places = {node.id: i for i, node in enumerate(graph.nodes)}
        self.nodes = graph.nodes
        self.edges = [(places[edge.source], places[edge.target]) for edge in graph.edges]
        self.parents = [ROOT] * len(graph.nodes)
        self.containers: list[Container] = []
        self.top: list[int] = []
        self._sizes = list(sizes)
        self._add_calls(graph)
        for item in (ROOT, *range(len(self.nodes), len(self.parents))):
            self._divide(item)
        stack = [(item, 0) for item in self.top]
        while stack:
            item, level = stack.pop()
            if item >= len(self.nodes):
                self.container(item).level = level
                stack += [(member, level + 1) for member in self.container(item).members]

    def container(self, item: int) -> Container:
        """The container of this number."""
        return self.containers[item - len(self.nodes)]

    def members(self, item: int) -> list[int]:
        """What lies directly in a container; with `ROOT`, in none."""
        return self.top if item == ROOT else self.container(item).members

    @property
    def depth(self) -> int:
        """How many containers lie in each other at most."""
        return max((container.level + 1 for container in self.containers), default=0)

    def visible(self, depth: int) -> int:
        """How many boxes there are to see when so many levels are open."""
        return len(self.top) + sum(len(each.members) - 1 for each in self.containers if each.level < depth)

    def plans(self, direction: str) -> list[Plan]:
        """What is to be laid out: the picture with everything folded, then the inside of each container."""
        edges: dict[int, dict[tuple[str, str], None]] = {item: {} for item in (ROOT, *self._container_items())}
        entries: dict[int, dict[str, None]] = {item: {} for item in edges}
        exits: dict[int, dict[str, None]] = {item: {} for item in edges}
        for source, target in self.edges:
            out, into = self._around(source), self._around(target)
            common = next(item for item in out if item in into)
            start, end = str(source), str(target)
            for item in out[: out.index(common)]:
                port = f"out{source}"
                edges[item][start, port] = None
                exits[item][port] = None
                start = str(item)
            for item in into[: into.index(common)]:
                port = f"in{source}"
                edges[item][port, end] = None
                entries[item][port] = None
                end = str(item)
            edges[common][start, end] = None
        plans = []
        for item in edges:
            members = self.members(item)
            plans.append(
                Plan(
                    {str(member): self._sizes[member] for member in sorted(members)},
                    tuple(edges[item]),
                    frozenset(str(i) for i in members if i < len(self.nodes) and self._is_ordered(i)),
                    tuple(entries[item]),
                    tuple(exits[item]),
                    _ROOM if item == ROOT else self._frame(self.container(item), direction),
                )
            )
        return plans

    def _container_items(self) -> range:
        return range(len(self.nodes), len(self.parents))

    def _around(self, item: int) -> list[int]:
        found = []
        while item != ROOT:
            item = self.parents[item]
            found.append(item)
        return found

    def _is_ordered(self, item: int) -> bool:
        return isinstance(self.nodes[item], OperationNode)

    @staticmethod
    def _frame(container: Container, direction: str) -> Frame:
        frame = _FRAMES[direction]
        width = max(container.box.width, boxes.text_width(container.heading, "title") + 44)
        return Frame(frame.left, frame.top, frame.right, frame.bottom, width, container.box.height)

    def _add_calls(self, graph: Graph) -> None:
        """Put every node into the call that recorded it. A call without any is left out."""
        groups = {group.id: group for group in graph.groups}
        operations: dict[str, int] = {}
        for node in graph.nodes:
            id = node.group
            while id is not None:
                operations[id] = operations.get(id, 0) + isinstance(node, OperationNode)
                id = groups[id].parent
        items: dict[str | None, int] = {None: ROOT}
        for group in graph.groups:
            if group.id in operations:
                count = operations[group.id]
                about = {
                    "title": group.title,
                    "name": group.name,
                    "path": group.path,
                    "arguments": group.arguments,
                    "turn": group.turn,
                    "parameters": group.parameters,
                    "operations": count,
                }
                box = boxes.folded(group, count)
                items[group.id] = self._add(items[group.parent], about, boxes.heading(group), box)
        for i, node in enumerate(graph.nodes):
            self.parents[i] = items[node.group]
            self.members(self.parents[i]).append(i)

    def _add(self, parent: int, about: dict[str, Any], heading: str, box: Box) -> int:
        item = len(self.parents)
        self.containers.append(Container(parent, about, heading, box))
        self.parents.append(parent)
        self._sizes.append((box.width, box.height))
        self.members(parent).append(item)
        return item

    def _divide(self, item: int) -> None:
        """Put the members of a container that has too many into parts, and these into parts again."""
        if len(self.members(item)) <= MOST_BOXES:
            return
        times, numbers = self._times(), self._numbers()
        while len(members := self.members(item)) > MOST_BOXES:
            members.sort(key=lambda each: (times[each], each))
            chunks: list[list[int]] = [[]]
            for each in members:
                if len(chunks[-1]) >= PART and times[each] != times[chunks[-1][-1]]:
                    chunks.append([])
                chunks[-1].append(each)
            if len(chunks) == 1:
                return
            members.clear()
            for chunk in chunks:
                inside = [numbers[i] for i in self._inside(chunk) if i in numbers]
                title, count = "tensors", sum(len(stretch) for stretch in inside)
                if inside:
                    low, high = min(stretch.start for stretch in inside), max(stretch.stop - 1 for stretch in inside)
                    title = f"operations {low:,} to {high:,}"
                part = self._add(item, {"title": title, "operations": count}, title, boxes.part(title))
                times.append(times[chunk[0]])
                self.members(part).extend(chunk)
                for each in chunk:
                    self.parents[each] = part
                    if each >= len(self.nodes):
                        self.container(each).parent = part

    def _inside(self, items: Iterable[int]) -> list[int]:
        stack, found = list(items), []
        while stack:
            item = stack.pop()
            if item < len(self.nodes):
                found.append(item)
            else:
                stack += self.container(item).members
        return found

    def _numbers(self) -> dict[int, range]:
        """The operations counted in the order of recording: a folded node stands for several."""
        numbers, reached = {}, 1
        for i, node in enumerate(self.nodes):
            if not isinstance(node, TensorNode):
                count = 1 if isinstance(node, OperationNode) else node.operations
                numbers[i] = range(reached, reached + count)
                reached += count
        return numbers

    def _times(self) -> list[int]:
        """When each item comes: an operand that is given with its first use, a result with its operation."""
        nodes = self.nodes
        times = list(range(len(nodes))) + [len(nodes)] * len(self.containers)
        given = {i for i, node in enumerate(nodes) if isinstance(node, TensorNode) and node.kind != "result"}
        first: dict[int, int] = {}
        for source, target in self.edges:
            if source in given:
                first[source] = min(first.get(source, target), target)
            elif isinstance(nodes[source], OperationNode) and isinstance(nodes[target], TensorNode):
                times[target] = source
        for i, time in first.items():
            times[i] = time
        for i, time in enumerate(times[: len(nodes)]):
            for item in self._around(i)[:-1]:
                times[item] = min(times[item], time)
        return times


def described(item: int, layout: Layout) -> dict[str, Any]:
    """A scene for the page: the item whose inside it is, its size, its boxes, its ports and its edges."""
    ports = {id: place for id, place in layout.centers.items() if not id.isdigit()}
    return {
        "item": item,
        "size": [short(layout.width), short(layout.height)],
        "boxes": [[int(id), *map(short, place)] for id, place in layout.centers.items() if id not in ports],
        "ports": {id: [*map(short, place)] for id, place in ports.items()},
        "edges": [
            [*(int(id) if id not in ports else id for id in edge), [short(x) for point in curve for x in point]]
            for edge, curve in layout.curves.items()
        ],
    }


def short(x: float) -> float | int:
    """To a tenth of a pixel, so that the page stays small."""
    rounded = round(x, 1)
    return int(rounded) if rounded == int(rounded) else rounded

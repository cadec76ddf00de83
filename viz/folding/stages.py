"""A graph of any size in a few nodes: operations that follow each other, summarised as stages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate

from tinygrad_cnn.viz.folding.contraction import contract
from tinygrad_cnn.viz.graph.description import FoldedNode, Graph, TensorNode

LONGEST_EDGES = 4000
"""The edges of a picture with stages lead over so many other nodes at most, all of them together: long ones make it
unreadable, and its layout slow."""

TRIALS = 12
"""So often the number of stages is lowered until the picture is small enough."""


def summarise(graph: Graph, most: int, keep: Collection[str] = ()) -> Graph:
    """The graph with at most so many nodes: stretches of the recording become one node each.

    It is cut where few tensors cross over. A leaf goes into the stage that uses it; one that several use stays, and so
    does a named result, as long as that leaves nodes for the stages.

    Args:
        graph: a description without the boxes of unnamed results.
        most: the number of nodes to reach. More are left where more must be kept, or lie in more groups.
        keep: the ids of nodes that stay.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.viz.folding.chains import without_results
    >>> from tinygrad_cnn.viz.graph.description import describe
    >>> x = tg.tensor(1.0, requires_grad=True, name="x")
    >>> for i in range(100):
    ...     x = tg.sin(x) * x + i
    >>> len(summarise(without_results(describe(x)), 10).nodes)
    10
    """
    trial = None
    recording = _Recording(graph, keep)
    for is_named_kept in (True, False):
        count = most
        for _ in range(TRIALS):
            trial = recording.cut(count, is_named_kept)
            if (trial.nodes <= most and trial.length <= LONGEST_EDGES) or count == 1:
                break
            fewer = count - (trial.nodes - most)
            count = max(1, min(fewer, count * 2 // 3) if trial.length > LONGEST_EDGES else fewer)
        if trial is not None and trial.nodes <= most:
            break
    return graph if trial is None else contract(graph, trial.stages, keep, trial.is_named_kept)


@dataclass(frozen=True, slots=True)
class _Trial:
    """Stages, and how many nodes would be left, and how long their edges would be."""

    stages: list[FoldedNode]
    nodes: int
    length: int
    is_named_kept: bool


class _Recording:
    """The operations and folded nodes of a graph as a row that can be cut."""

    def __init__(self, graph: Graph, keep: Collection[str]) -> None:
        self._keep = keep
        self._units = [node for node in graph.nodes if not isinstance(node, TensorNode)]
        number = {unit.id: i for i, unit in enumerate(self._units)}
        self._tensors = {node.id: node for node in graph.tensors}
        self._made: dict[str, int] = {}
        self._used: dict[str, list[int]] = {}
        self._edges: list[tuple[int, int]] = []
        crossing = [0] * (len(self._units) + 1)  # how many edges lead over each place, at first as differences
        for edge in graph.edges:
            source, target = number.get(edge.source), number.get(edge.target)
            if source is not None and target is not None:
                self._edges.append((source, target))
                crossing[source + 1] += 1
                crossing[target + 1] -= 1
            elif source is not None:
                self._made[edge.target] = source
            elif target is not None:
                self._used.setdefault(edge.source, []).append(target)
        self._crossing = list(accumulate(crossing))
        self._fixed = {i for i in range(1, len(self._units)) if self._units[i].group != self._units[i - 1].group}
        for i, unit in enumerate(self._units):
            if unit.id in keep:
                self._fixed |= {i, i + 1}

    def cut(self, count: int, is_named_kept: bool) -> _Trial:
        """So many stages, or more where something is to be kept."""
        cuts = self._fixed.union(_cuts(self._crossing, count))
        staying = {id for id in self._made if is_named_kept or id in self._keep or self._tensors[id].is_output}
        cuts.update(self._made[id] + 1 for id in staying)
        stage_of = list(accumulate(i in cuts for i in range(len(self._units))))
        inside: dict[int, list[str]] = {}
        groups: dict[int, str | None] = {}
        for unit, stage in zip(self._units, stage_of, strict=True):
            inside.setdefault(stage, []).append(unit.id)
            groups[stage] = unit.group
        for id, i in self._made.items():
            if id not in staying:
                inside[stage_of[i]].append(id)
        alone = {stage_of[i] for i, unit in enumerate(self._units) if unit.id in self._keep}
        nodes, length = len(inside) + len(staying), 0
        for id, users in self._used.items():
            stages = {stage_of[i] for i in users}
            if id in self._made:
                length += sum(stage - stage_of[self._made[id]] for stage in stages)
            elif id not in self._keep and min(stages) not in alone and (len(stages) == 1 or not is_named_kept):
                inside[min(stages)].append(id)
                length += sum(stages) - len(stages) * min(stages)
            else:
                nodes += 1
                length += sum(stages) - len(stages) * min(stages)
        joined = {(stage_of[source], stage_of[target]) for source, target in self._edges}
        length += sum(target - source for source, target in joined)
        folded = [
            FoldedNode(f"s{ids[0]}", "stage", tuple(ids), groups[stage])
            for stage, ids in inside.items()
            if len(ids) > 1
        ]
        return _Trial(folded, nodes, length, is_named_kept)


def _cuts(crossing: Sequence[int], count: int) -> list[int]:
    """Places for so many stages of about one length, each moved a little to where least crosses over."""
    n = len(crossing) - 1
    cuts = []
    for i in range(1, min(count, n)):
        middle, reach = i * n // count, n // (3 * count)
        around = range(max(1, middle - reach), min(n, middle + reach + 1))
        cuts.append(min(around, key=lambda place: (crossing[place], abs(place - middle)), default=middle))
    return cuts

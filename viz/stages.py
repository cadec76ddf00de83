"""A graph of any size in a few nodes: operations that follow each other, summarised as stages."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tinygrad_cnn.viz.folding import contract
from tinygrad_cnn.viz.graph import FoldedNode, Graph, TensorNode

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
    >>> from tinygrad_cnn.viz.chains import without_results
    >>> from tinygrad_cnn.viz.graph import describe
    >>> x = tg.tensor(1.0, requires_grad=True, name="x")
    >>> for i in range(100):
    ...     x = tg.sin(x) * x + i
    >>> len(summarise(without_results(describe(x)), 10).nodes)
    10
    """
    for is_named_kept in (True, False):
        count = most
        for _ in range(TRIALS):
            stages = _stages(graph, count, keep, is_named_kept)
            found = contract(graph, stages, keep, is_named_kept)
            excess, length = len(found.nodes) - most, _length(found)
            if excess <= 0 and length <= LONGEST_EDGES:
                return found
            if count == 1:
                break
            if excess > 0:
                count = max(1, min(count - excess, count * most // len(found.nodes)))
            else:
                count = max(1, count * 2 // 3)
    return found


def _length(graph: Graph) -> int:
    places = {node.id: i for i, node in enumerate(graph.nodes)}
    leaves = {node.id for node in graph.tensors if node.kind != "result"}
    first: dict[str, int] = {}  # where each leaf is first used; it stands before that
    for edge in graph.edges:
        if edge.source in leaves:
            first[edge.source] = min(first.get(edge.source, len(places)), places[edge.target])
    places |= first
    return sum(places[edge.target] - places[edge.source] for edge in graph.edges)


def _stages(graph: Graph, count: int, keep: Collection[str], is_named_kept: bool) -> list[FoldedNode]:
    units = [node for node in graph.nodes if not isinstance(node, TensorNode)]
    number = {unit.id: i for i, unit in enumerate(units)}
    tensors = {node.id: node for node in graph.tensors}
    made: dict[str, int] = {}
    used: dict[str, list[int]] = {}
    crossing = [0] * (len(units) + 1)  # how many edges lead over each place between two units, as differences
    for edge in graph.edges:
        if edge.source in number and edge.target in number:
            crossing[number[edge.source] + 1] += 1
            crossing[number[edge.target] + 1] -= 1
        elif edge.source in number:
            made[edge.target] = number[edge.source]
        elif edge.target in number:
            used.setdefault(edge.source, []).append(number[edge.target])
    for i in range(len(units)):
        crossing[i + 1] += crossing[i]
    cuts = set(_cuts(crossing, count))
    for i, unit in enumerate(units):
        if i and unit.group != units[i - 1].group:
            cuts.add(i)
        if unit.id in keep:
            cuts |= {i, i + 1}
    for id, i in made.items():
        if id in keep or tensors[id].is_output or is_named_kept:
            cuts.add(i + 1)
    stage_of, stage = [], 0
    for i in range(len(units)):
        stage += i in cuts
        stage_of.append(stage)
    inside: dict[int, list[str]] = {}
    for i, unit in enumerate(units):
        inside.setdefault(stage_of[i], []).append(unit.id)
    for id, i in made.items():
        if not is_named_kept and id not in keep:
            inside[stage_of[i]].append(id)
    for id, users in used.items():
        if id not in made and id not in keep and (len({stage_of[i] for i in users}) == 1 or not is_named_kept):
            inside[stage_of[min(users)]].append(id)
    groups = {stage: units[i].group for i, stage in reversed(list(enumerate(stage_of)))}
    return [
        FoldedNode(f"s{ids[0]}", "stage", "", "", "", "", 1, 1, "", (), 0, (), tuple(ids), groups[stage])
        for stage, ids in inside.items()
        if len(ids) > 1
    ]


def _cuts(crossing: Sequence[int], count: int) -> list[int]:
    """Places for so many stages of about one length, each moved a little to where least crosses over."""
    n = len(crossing) - 1
    cuts = []
    for i in range(1, min(count, n)):
        middle, reach = i * n // count, n // (3 * count)
        around = range(max(1, middle - reach), min(n, middle + reach + 1))
        cuts.append(min(around, key=lambda place: (crossing[place], abs(place - middle))) if around else middle)
    return cuts

"""Large graphs made smaller: the call of a module, or any part of a graph, drawn as one node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod

from tinygrad_cnn.viz.graph.description import Edge, FoldedNode, Graph, OperationNode, TensorNode
from tinygrad_cnn.viz.graph.groups import Group

MOST_EDGES = 3
"""Two folded nodes that have more tensors in common are joined by one edge, which counts them."""


def fold(graph: Graph, depth: int | None = None, groups: Iterable[str] = (), keep: Collection[str] = ()) -> Graph:
    """The graph with calls of modules folded into one node each.

    A parameter or constant of the call goes into it. So does a result that nobody named: the edge that leaves the
    folded node carries it. An output of the graph, and a named result that is used elsewhere, stay and stand behind it.

    Args:
        graph: a description.
        depth: fold every group that lies in so many others; 0 folds the outermost ones. None folds none by its depth.
        groups: the ids of groups to fold as well. Of groups that lie in each other the outermost counts.
        keep: the ids of nodes that stay: a group around one is not folded by its depth, but the others in it are.

    Raises:
        ValueError: a negative depth.
        KeyError: no group of this id.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> from tinygrad_cnn.viz.graph.description import describe
    >>> model = nn.Sequential(nn.Linear(2, 1), nn.ReLU())
    >>> graph = describe(model(tg.tensor([[1.0, 2.0]], name="x")))
    >>> [(node.id, node.title) for node in fold(graph, depth=1).nodes if isinstance(node, FoldedNode)]
    [('g1', 'Linear'), ('g2', 'ReLU')]
    >>> [(edge.source, edge.target) for edge in fold(graph, groups=["g0"]).edges]
    [('t2', 'g0'), ('g0', 't4')]
    """
    if depth is not None and depth < 0:
        raise ValueError(f"fold: depth must be 0 or more but is {depth}")
    levels = levels_of(graph.groups)
    chosen = set() if depth is None else _at_depth(graph, depth, levels, keep)
    for id in groups:
        if id not in levels:
            raise KeyError(f"fold: expected the ids of groups of the graph but got {id!r}")
        chosen.add(id)
    if not chosen:
        return graph
    around = _outermost(graph.groups, chosen)
    inside: dict[str, list[str]] = {id: [] for id in around.values()}
    for node in graph.nodes:
        if node.group in around:
            inside[around[node.group]].append(node.id)
    calls = [_call(group, inside[group.id]) for group in graph.groups if inside.get(group.id)]
    kept = tuple(group for group in graph.groups if group.id not in around)
    return replace(contract(graph, calls, keep), groups=kept)


def _call(group: Group, inside: Iterable[str]) -> FoldedNode:
    return FoldedNode(
        group.id,
        "call",
        tuple(inside),
        group.parent,
        group.title,
        group.name,
        group.path,
        group.arguments,
        group.turn,
        group.times,
        group.last,
        group.parameters,
    )


def levels_of(groups: Iterable[Group]) -> dict[str, int]:
    """How many calls of modules each group lies in, by its id; a repetition is none."""
    levels: dict[str, int] = {}
    calls: set[str] = set()
    for group in groups:
        levels[group.id] = 0 if group.parent is None else levels[group.parent] + (group.parent in calls)
        if group.title:
            calls.add(group.id)
    return levels


def _at_depth(graph: Graph, depth: int, levels: Mapping[str, int], keep: Collection[str]) -> set[str]:
    """The calls that lie in so many others, or deeper, where something to keep is in what is around them."""
    holding: set[str] = set()
    parents = {group.id: group.parent for group in graph.groups}
    for node in graph.nodes:
        id = node.group if node.id in keep else None
        while id is not None and id not in holding:
            holding.add(id)
            id = parents[id]
    return {
        group.id
        for group in graph.groups
        if group.title
        and group.id not in holding
        and (levels[group.id] == depth or (levels[group.id] > depth and group.parent in holding))
    }


def _outermost(groups: Iterable[Group], chosen: set[str]) -> dict[str, str]:
    """For each group in a chosen one, and for that itself, the outermost chosen group around it."""
    around: dict[str, str] = {}
    for group in groups:
        if group.parent in around:
            around[group.id] = around[group.parent]
        elif group.id in chosen:
            around[group.id] = group.id
    return around


def contract(
    graph: Graph, parts: Sequence[FoldedNode], keep: Collection[str] = (), is_named_kept: bool = True
) -> Graph:
    """The graph with each of these parts as one node; their contents, outputs and what is inside are filled in.

    No path may leave a part and come back to it, and no node be in two parts. An output of the graph, a tensor to keep
    and, unless `is_named_kept` is False, a named result that is used elsewhere stay outside.
    """
    nodes = {node.id: node for node in graph.nodes}
    part_of = {id: part.id for part in parts for id in part.inside}
    used = {edge.source for edge in graph.edges if part_of.get(edge.source) != part_of.get(edge.target)}
    staying: dict[str, list[TensorNode]] = {part.id: [] for part in parts}
    for part in parts:
        for node in map(nodes.__getitem__, part.inside):
            if isinstance(node, TensorNode):
                is_named = is_named_kept and node.kind == "result" and node.name and node.id in used
                if node.is_output or node.id in keep or is_named:
                    del part_of[node.id]
                    staying[part.id].append(replace(node, group=part.group))
    edges = []
    outputs: dict[str, dict[str, TensorNode]] = {part.id: {} for part in parts}
    for edge in graph.edges:
        source, target = part_of.get(edge.source), part_of.get(edge.target)
        if source is None and target is None:
            edges.append(edge)
        elif source != target:
            behind, ahead = nodes[edge.source], nodes[edge.target]
            tensor = behind if source is not None and isinstance(behind, TensorNode) else edge.tensor
            if source is not None and (output := ahead if isinstance(ahead, TensorNode) else tensor) is not None:
                outputs[source][output.id] = output
            label = edge.label if target is None else ""  # it says what an operation inside calls it
            edges.append(
                replace(edge, source=source or edge.source, target=target or edge.target, label=label, tensor=tensor)
            )
    places: dict[str, int] = {}
    for i, node in enumerate(graph.nodes):
        if node.id in part_of and not (isinstance(node, TensorNode) and part_of[node.id] in places):
            places[part_of[node.id]] = i
    shown: list[TensorNode | OperationNode | FoldedNode] = []
    parts_at = {places[part.id]: part for part in parts if part.id in places}
    later = {tensor.id for tensors in staying.values() for tensor in tensors}
    weights = _repetitions(graph.groups, parts)
    for i, node in enumerate(graph.nodes):
        if i in parts_at:
            part = parts_at[i]
            inside = [nodes[id] for id in part.inside if id in part_of]
            shown.append(_filled(part, inside, tuple(outputs[part.id].values()), weights))
            shown += staying[part.id]
        elif node.id not in part_of and node.id not in later:
            shown.append(node)
    return Graph(tuple(shown), tuple(_joined(edges, set(outputs))), graph.groups)


def _repetitions(groups: Iterable[Group], parts: Sequence[FoldedNode]) -> dict[str | None, int]:
    """How often what lies in each group happens when the part around it happens once."""
    times: dict[str | None, int] = {part.group: 1 for part in parts}
    folded = {part.id for part in parts}
    for group in groups:
        times.setdefault(group.id, 1 if group.id in folded else times.get(group.parent, 1) * group.times)
    return times


def _filled(
    part: FoldedNode,
    inside: Iterable[TensorNode | OperationNode | FoldedNode],
    outputs: tuple[TensorNode, ...],
    times: Mapping[str | None, int],
) -> FoldedNode:
    contents: Counter[str] = Counter()
    ids: list[str] = []
    parameters = 0
    for node in inside:
        ids += node.inside if isinstance(node, FoldedNode) else [node.id]
        if isinstance(node, OperationNode):
            contents[node.title] += times.get(node.group, 1)
        elif isinstance(node, FoldedNode):
            for title, count in node.contents:
                contents[title] += count * node.times * times.get(node.group, 1)
            parameters += node.parameters
        elif node.kind == "leaf":
            parameters += prod(node.shape)
    title = part.title
    if not title:
        n = contents.total()
        title = next(iter(contents)) if n == 1 else f"{n:,} operations"
    return replace(
        part,
        title=title,
        contents=tuple(contents.items()),
        parameters=part.parameters if part.kind == "call" else parameters,
        outputs=outputs,
        inside=tuple(ids),
    )


def _joined(edges: Iterable[Edge], folded: Collection[str]) -> Iterator[Edge]:
    """The edges, with one for those that are the same now, and one for many between the same two folded nodes."""
    different: dict[tuple[str, str, str], Edge] = {}
    for i, edge in enumerate(edges):
        # An operation's operands stay apart, also where it has one twice.
        which = str(i) if edge.target not in folded else edge.tensor.id if edge.tensor is not None else ""
        key = (edge.source, edge.target, which)
        if key in different and different[key].has_gradient:
            edge = replace(edge, has_gradient=True)
        different[key] = edge
    alike: dict[tuple[str, str], list[Edge]] = {}
    for edge in different.values():
        alike.setdefault((edge.source, edge.target), []).append(edge)
    for edge in different.values():
        among = alike[edge.source, edge.target]
        if edge.source not in folded or edge.target not in folded or len(among) <= MOST_EDGES:
            yield edge
        elif edge is among[0]:
            has_gradient = any(each.has_gradient for each in among)
            yield Edge(edge.source, edge.target, "", has_gradient, count=sum(each.count for each in among))

"""Long chains of operations as one node that lists them, and results that nobody named as edges."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from tinygrad_cnn.viz.folding.contraction import contract
from tinygrad_cnn.viz.graph.description import FoldedNode, Graph, OperationNode, TensorNode

SHORTEST = 8
"""A chain of so many operations is collapsed."""


def collapse_chains(graph: Graph, shortest: int = SHORTEST, keep: Collection[str] = ()) -> Graph:
    """The graph with every long chain as one node: operations of one operand, each the only use of the one before.

    A plain number counts as part of its operation. A chain ends at a result that has a name or is an output.

    Args:
        graph: a description, its results still nodes.
        shortest: how many operations make a chain.
        keep: the ids of nodes that stay.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.viz.graph.description import describe
    >>> z = tg.tensor(1.0, requires_grad=True, name="z")
    >>> for _ in range(4):
    ...     z = tg.tanh(z) * 2
    >>> [node.contents for node in collapse_chains(describe(z)).nodes if isinstance(node, FoldedNode)]
    [(('tanh', 4), ('multiply', 4))]
    """
    nodes = {node.id: node for node in graph.nodes}
    sources: dict[str, list[str]] = {}
    targets: dict[str, list[str]] = {}
    for edge in graph.edges:
        sources.setdefault(edge.target, []).append(edge.source)
        targets.setdefault(edge.source, []).append(edge.target)

    def is_own_number(id: str) -> bool:
        node = nodes[id]
        return isinstance(node, TensorNode) and node.is_number and len(targets[id]) == 1 and id not in keep

    operands: dict[str, str] = {}  # of the operations that have one
    for node in graph.nodes:
        if isinstance(node, OperationNode) and node.id not in keep:
            others = [id for id in sources.get(node.id, ()) if not is_own_number(id)]
            if len(others) == 1:
                operands[node.id] = others[0]
    following: dict[str, str] = {}
    for id, operand in operands.items():
        tensor = nodes[operand]
        if isinstance(tensor, TensorNode) and tensor.kind == "result" and operand not in keep:
            (maker,) = sources[operand]
            is_only_use = len(targets[operand]) == 1 and not (tensor.name or tensor.is_output)
            if is_only_use and maker in operands and nodes[maker].group == nodes[id].group:
                following[maker] = id
    chains = []
    followers = set(following.values())
    for start in operands:
        chain = [] if start in followers else [start]
        while chain and chain[-1] in following:
            chain.append(following[chain[-1]])
        if len(chain) >= shortest:
            inside = [id for each in chain for id in (*filter(is_own_number, sources[each]), each, *targets[each])]
            chains.append(FoldedNode(f"c{start}", "chain", tuple(inside), nodes[start].group))
    return contract(graph, chains) if chains else graph


def without_results(graph: Graph, keep: Collection[str] = ()) -> Graph:
    """The graph without the boxes of results that have no name and are no output: edges carry them to their uses.

    Args:
        graph: a description, folded or not.
        keep: the ids of nodes that stay.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.viz.graph.description import describe
    >>> graph = without_results(describe(tg.tanh(tg.tensor(1.0, requires_grad=True, name="x")) * 2))
    >>> [(edge.source, edge.target, edge.tensor and edge.tensor.id) for edge in graph.edges][1:2]
    [('o1', 'o3', 't1')]
    """
    used = {edge.source for edge in graph.edges}
    makers = {edge.target: edge.source for edge in graph.edges}
    dropped = {
        node.id: node
        for node in graph.tensors
        if node.kind == "result"
        and not (node.name or node.is_output or node.id in keep)
        and node.id in used
        and node.id in makers
    }
    edges = [
        replace(edge, source=makers[edge.source], tensor=dropped[edge.source]) if edge.source in dropped else edge
        for edge in graph.edges
        if edge.target not in dropped
    ]
    return replace(graph, nodes=tuple(node for node in graph.nodes if node.id not in dropped), edges=tuple(edges))

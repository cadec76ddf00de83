"""The picture of a scalar graph: a node for each entry of a tensor, with its formula, and the paths to one entry."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from tinygrad_cnn.engine import Node, Variable
from tinygrad_cnn.verify.scalars.notation import joined, product
from tinygrad_cnn.verify.scalars.paths import Path, Ways
from tinygrad_cnn.viz.drawing.dot import digraph, draw
from tinygrad_cnn.viz.drawing.looks import Numbers
from tinygrad_cnn.viz.graph.description import Edge, Graph, TensorNode, gradient_of

if TYPE_CHECKING:
    from graphviz import Digraph

    from tinygrad_cnn.verify.scalars import ScalarGraph

MOST_TERMS = 3
"""An edge that stands for more paths inside of an operation says how many they are."""

_LOSS = "loss"
_SIDES = {"LR": ("e", "w"), "RL": ("w", "e"), "TB": ("s", "n"), "BT": ("n", "s")}  # where edges leave and enter a node


def draw_scalars(
    graph: ScalarGraph,
    highlight: list[str],
    direction: str,
    values: bool,
    gradients: bool,
    fold: bool,
    only: bool,
    name: str,
) -> Digraph:
    """What `ScalarGraph.draw` draws."""
    bold: set[Node] = set().union(*(graph.between(entry) for entry in highlight))
    if not fold:
        outputs = [z for z in graph.output.flat if z.node is not None]
        return draw(
            outputs,
            values=values,
            gradients=gradients,
            roll=False,
            highlight=bold,
            direction=direction,
            name=name,
            budget=None,
        )
    described, ids = describe_entries(graph, bold)
    chosen = {ids[node] for node in bold if node in ids}
    if graph.output.shape and any(z.node in bold for z in graph.output.flat):
        chosen.add(_LOSS)
    if only and chosen:
        described = _part(described, chosen)
    described = replace(described, edges=_with_places(described.edges))
    picture = digraph(described, Numbers(values, gradients), direction, name, chosen)
    behind, ahead = _SIDES[direction]
    picture.graph_attr.update(ranksep="2", nodesep="0.3", splines="line")
    picture.edge_attr.update(tailport=behind, headport=ahead, labeldistance="5", labelangle="0", labelfontsize="11")
    _line_up(picture, graph, ids, described)
    return picture


def describe_entries(graph: ScalarGraph, bold: set[Node]) -> tuple[Graph, dict[Node, str]]:
    """The graph of the entries alone, and the ids of their nodes.

    What lies between an entry and those that it is computed from is its formula. Where the output is no single number,
    a last node is L. Edges between bold nodes have the derivative along them.
    """
    leaves = {x.node for array in graph.leaves.values() for x in array.flat}  # also those that lost against a maximum
    recorded = sorted(leaves.union(graph.nodes), key=lambda node: node.number)
    ids = {node: f"t{i}" for i, node in enumerate(recorded) if node.name is not None}
    has_loss = bool(graph.output.shape)
    outputs = {z.node: z.name for z in graph.output.flat}
    described: list[TensorNode] = []
    edges: list[Edge] = []
    for node, id in ids.items():
        definition = graph.notation.definition(node)
        described.append(
            TensorNode(
                id,
                "result" if node.primitive else "leaf" if node.requires_grad else "constant",
                node in outputs and not has_loss,
                node.name,
                (),
                "",
                node.value,
                gradient_of(node, True),
                remarks=(definition,) if definition else (),
            )
        )
        operands, inside = _behind(node)
        for operand in operands:
            is_bold = node in bold and operand in bold
            label = _derivative(graph, operand, node, inside) if is_bold else ""
            edges.append(Edge(ids[operand], id, label, operand.requires_grad))
    if has_loss:
        described.append(TensorNode(_LOSS, "result", True, graph.loss, (), "", None, None))
        for node, name in outputs.items():
            if node in ids:
                label = f"d{graph.loss}/d{name}" if node in bold else ""
                edges.append(Edge(ids[node], _LOSS, label, node.requires_grad))
    return Graph(tuple(described), tuple(edges)), ids


def _behind(node: Node) -> tuple[list[Node], list[Node]]:
    """The named nodes that a node is computed from, and those without a name in between, in the order of creation."""
    found, stack = set(node.parents), list(set(node.parents))
    while stack:
        each = stack.pop()
        if each.name is None:
            new = set(each.parents) - found
            found |= new
            stack += new
    ordered = sorted(found, key=lambda each: each.number)
    return [each for each in ordered if each.name is not None], [each for each in ordered if each.name is None]


def _derivative(graph: ScalarGraph, operand: Node, node: Node, inside: list[Node]) -> str:
    """The derivative of a node by an operand, as a formula, over the paths between the two alone."""
    ways = Ways([*inside, node], operand, graph.notation)
    count = ways.counts.get(node, 0)
    if count > MOST_TERMS:
        return f"{count} paths"
    terms = Counter((path.sign, path.formula) for path in ways.paths(node, Path((), (), 1, 1)))
    return joined((sign, product([str(n) if n > 1 else "", term])) for (sign, term), n in terms.items())


def _with_places(edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
    """The edges with each label where no other one stands: before the node that it leads to, or behind its own."""
    heads, tails = (Counter(getattr(edge, end) for edge in edges if edge.label) for end in ("target", "source"))
    return tuple(
        replace(edge, label_at="head" if heads[edge.target] == 1 else "tail" if tails[edge.source] == 1 else "middle")
        for edge in edges
    )


def _part(graph: Graph, chosen: set[str]) -> Graph:
    """The graph without what is not chosen."""
    return Graph(
        tuple(node for node in graph.nodes if node.id in chosen),
        tuple(edge for edge in graph.edges if edge.source in chosen and edge.target in chosen),
    )


def _line_up(picture: Digraph, graph: ScalarGraph, ids: dict[Node, str], described: Graph) -> None:
    """Put all that is given in one line, and the entries of a result too, unless one is computed from another."""
    kinds = {node.id: node.kind for node in described.tensors}
    given: list[str] = []
    rows = [given]
    placed: set[str] = set()
    for array in graph.tensors.values():
        found = (ids.get(x.node) for x in array.flat if isinstance(x, Variable) and x.node is not None)
        row = [id for id in dict.fromkeys(found) if id in kinds and id not in placed]
        members = set(row)
        placed |= members
        if row and kinds[row[0]] != "result":
            given += row
        elif not any(edge.source in members and edge.target in members for edge in described.edges):
            rows.append(row)
    for row in rows:
        if len(row) > 1:
            with picture.subgraph() as line:
                line.attr(rank="same")
                for above, below in pairwise(row):
                    line.edge(above, below, style="invis")

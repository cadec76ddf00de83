"""The picture of a graph in the DOT language: tensors as boxes, operations as ellipses, operands from left to right.

Kinds differ by colour and by border, so that they stay apart in grey and for colour-blind eyes:

    leaf      a gradient arrives here: orange, thick border
    constant  no gradient: blue, dashed border, dashed edges
    result    computed: white, thin border
    output    what was drawn: green, double border

Each call of a module is a frame around what it recorded; repeated blocks are one frame with "×12", and what is folded
is a box with a side. Highlighted nodes and edges are thick and dark red, and all the others pale: that too stays apart
in grey.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tinygrad_cnn.engine import Node, Variable
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.viz.drawing import labels, looks
from tinygrad_cnn.viz.drawing.digraph import drawing_class
from tinygrad_cnn.viz.drawing.looks import NO_NUMBERS, Numbers
from tinygrad_cnn.viz.folding.budget import LARGE, fit
from tinygrad_cnn.viz.graph.description import FoldedNode, Graph, TensorNode, describe, roots_of, tensor_ids
from tinygrad_cnn.viz.graph.numbers import shortened
from tinygrad_cnn.viz.graph.tracing import trace

if TYPE_CHECKING:
    from graphviz import Digraph

__doctest_requires__ = {"draw": ["graphviz"], "digraph": ["graphviz"]}

DIRECTIONS = ("LR", "TB", "RL", "BT")

BUDGET = 300
"""So many nodes can be read in a picture."""

_FONT = "Helvetica,Arial,sans-serif"


def draw(
    what: Variable | Iterable[Variable] | Module,
    inputs: Any = None,
    *,
    values: bool = False,
    gradients: bool = False,
    statistics: bool = False,
    depth: int | None = None,
    roll: bool | None = None,
    highlight: Variable | Node | Iterable[Variable | Node] = (),
    direction: str | None = None,
    name: str | None = None,
    budget: int | None = BUDGET,
) -> Digraph:
    """Draw the computation graph behind one or several tensors, or of a model for an input.

    Every tensor shows its name, shape and dtype. With `values` and `gradients`, arrays of up to 5 rows and columns
    are written out and larger ones given as minimum, mean and maximum. A gradient that no backward walk computed is a
    dash, not a 0; a value that was too large to keep says so (`tg.debug()` keeps all). A leaf shows its `.grad`, every
    other tensor its gradient in the last walk. Of tensors nothing is computed; a model is run once in evaluation mode.
    Nothing changes.

    The calls of modules are frames in frames. A large graph is made readable: repeated blocks are rolled up into the
    first one, with "×12"; chains of 8 or more operations are one node that lists them; from 100 nodes on, results
    without a name are an arrow and their shape. Where that is not enough for the budget, a line below the picture says
    what was folded and what shows more.

    Args:
        what: a tensor or several, each with a graph behind it, or a module.
        inputs: for a module, the shape of its input, as (1, 3, 32, 32), the input itself, or a list of several.
        values: show what the tensors hold.
        gradients: show their gradients.
        statistics: show minimum, mean, maximum, standard deviation and share of zeros of every value and gradient.
        depth: fold the calls of modules that lie in so many others into one node each; 0 leaves one node of a model.
        roll: roll up repeated blocks and collapse long chains; None does so where no numbers are shown, or as the
            budget demands.
        highlight: tensors of the graph, or their nodes. They, the operations between them and the edges from one to the
            next are bold and stay visible, and everything else is pale.
        direction: where the computation runs: "LR" to the right, "TB" down, "RL" to the left, "BT" up; None for "LR",
            or for "TB" with more than 100 nodes, which no screen is wide enough for.
        name: the name of the picture; None for "computation" or the class of the model.
        budget: the most nodes in the picture; None for any number.

    Returns:
        A `graphviz.Digraph`; its `source` is the DOT text, and `render` makes a picture of it. The same graph gives the
        same text in every run. Its `graph` is the description that was drawn, and its `note` the line below.

    Raises:
        TypeError: neither tensors nor a module, or an input that is neither a shape nor numbers.
        ValueError: a tensor without a graph, a module without an input, a tensor with one, a tensor to highlight that
            is not in the graph, an unknown direction, a negative depth or a budget below 1.
        ModuleNotFoundError: the package graphviz is missing.

    >>> import tinygrad_cnn as tg
    >>> a, b = tg.tensor(-4.0, requires_grad=True, name="a"), tg.tensor(2.0, requires_grad=True, name="b")
    >>> c = a * b
    >>> d = tg.tanh(c)
    >>> d.backward()
    >>> picture = tg.viz.draw(d, values=True, gradients=True)
    >>> print(picture.source.splitlines()[0])
    digraph computation {
    >>> tg.viz.draw(d, highlight=[a, c, d]).source.count("penwidth=2.8")  # with × and tanh five nodes, and four edges
    9

    A model with two of its three layers alike:

    >>> from tinygrad_cnn import nn
    >>> model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 1))
    >>> [(group.title, group.times) for group in tg.viz.draw(model, (1, 4)).graph.groups]
    [('Sequential', 1), ('Linear', 2), ('Linear', 1)]
    """
    _check(direction, depth, budget)
    if isinstance(what, Module):
        if inputs is None:
            title = type(what).__name__
            raise ValueError(
                f"draw: expected the input of {title}, or its shape as in draw(model, (1, 3, 32, 32)), but got none"
            )
        traced = trace(what, inputs, "draw")
        roots, data = list[Variable](traced.outputs), traced.inputs
    else:
        if inputs is not None:
            raise ValueError(f"draw: expected inputs with a module alone but got them with {type(what).__name__}")
        roots, data = roots_of(what, "draw"), ()
    if isinstance(highlight, Variable | Node) or not isinstance(highlight, Iterable):
        chosen = [highlight]
    else:
        chosen = list(highlight)
    with _no_collection():
        graph = describe(roots, "draw", data)
        bold = _ids_of(chosen, roots)
        bold |= _operations_between(graph, bold)
        fitted = fit(graph, depth, roll, values or gradients or statistics, bold, budget)
    title = name if name is not None else type(what).__name__ if isinstance(what, Module) else "computation"
    return digraph(fitted.graph, Numbers(values, gradients, statistics), direction, title, bold, fitted.note)


@contextmanager
def _no_collection() -> Iterator[None]:
    """No search for reference cycles: none are made here, and each search walks the whole graph once more."""
    is_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_enabled:
            gc.enable()


def _check(direction: str | None, depth: int | None, budget: int | None) -> None:
    if direction is not None and direction not in DIRECTIONS:
        raise ValueError(f"draw: direction must be one of {', '.join(DIRECTIONS)} but is {direction!r}")
    for name, value, least in (("depth", depth, 0), ("budget", budget, 1)):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise TypeError(f"draw: {name} must be an integer or None but is {value!r}")
        if value is not None and value < least:
            raise ValueError(f"draw: {name} must be {least} or more, or None, but is {value}")


def _ids_of(chosen: list[Variable | Node], roots: list[Variable]) -> set[str]:
    """The ids of tensors, or of their nodes, in the graph of these roots."""
    ids = tensor_ids(roots) if chosen else {}
    found = set()
    for x in chosen:
        if not isinstance(x, Variable | Node):
            raise TypeError(f"draw: highlight expects tensors but got {type(x).__name__}")
        node = x if isinstance(x, Node) else x.node
        if node is None or node not in ids:
            raise ValueError(f"draw: {x!r} can't be highlighted, since it is no part of the graph")
        found.add(ids[node])
    return found


def digraph(
    graph: Graph,
    numbers: Numbers = NO_NUMBERS,
    direction: str | None = None,
    name: str = "computation",
    highlight: Collection[str] = (),
    note: str = "",
) -> Digraph:
    """The DOT text of a described graph, whatever its size.

    Args:
        graph: the description; it may be folded.
        numbers: which numbers to show.
        direction: as in `draw`.
        name: as in `draw`.
        highlight: the ids of tensors to highlight.
        note: a line below the picture.

    Raises:
        ValueError: an unknown direction.
        ModuleNotFoundError: the package graphviz is missing.
    """
    _check(direction, None, None)
    try:
        from graphviz import nohtml
    except ImportError as error:
        raise ModuleNotFoundError("draw: the Python package graphviz is not installed; pip install graphviz") from error
    text = {"fontname": _FONT, "fontsize": "10", "fontcolor": labels.INK}
    direction = direction or ("TB" if len(graph.nodes) > LARGE else "LR")
    picture = drawing_class()(
        nohtml(labels.plain(shortened(name.replace("\\", "_"), labels.LONGEST))),
        graph_attr={"rankdir": direction, "bgcolor": "white", "nodesep": "0.22", "ranksep": "0.35", "pad": "0.15"},
        node_attr={**text, "margin": "0.06,0.03", "height": "0", "width": "0"},
        edge_attr={**text, "fontsize": "9", "fontcolor": labels.GREY, "color": "#52606d", "arrowsize": "0.6"},
    )
    picture.graph, picture.note = graph, note
    if graph.groups:
        picture.graph_attr.update(text, newrank="true")
    if note:
        picture.graph_attr.update(text, label=labels.note(note), labelloc="b", labeljust="l")
    bold = {*highlight, *_operations_between(graph, highlight)}
    _add_nodes(picture, graph, numbers, bold)
    _add_edges(picture, graph, bold)
    _add_order(picture, graph)
    shown = {node.id for node in graph.nodes}
    for group in graph.groups:
        for source, target in () if group.title else group.feeds:
            if source in shown and target in shown:
                picture.edge(source, target, **{**looks.feed(group), **(looks.FADED_EDGE if bold else {})})
    return picture


def _add_edges(picture: Digraph, graph: Graph, bold: Collection[str]) -> None:
    nodes = {node.id: node for node in graph.nodes}
    paths = {group.id: group.path for group in graph.groups}
    is_large = len(graph.nodes) > LARGE or bool(picture.note)
    for edge in graph.edges:
        source, operand, is_one_of_many = nodes[edge.source], "", False
        if isinstance(source, FoldedNode):
            is_one_of_many = len(source.outputs) > 1
        elif isinstance(source, TensorNode) and source.group is not None:
            operand = looks.short_name(source, paths[source.group])
        attributes = looks.edge(edge, operand, is_one_of_many, is_large)
        if graph.groups and not (
            isinstance(source, TensorNode) and source.kind != "result" and source.group is not None
        ):
            attributes["weight"] = "4"  # so that what is computed runs straight on
        if bold:
            is_bold = edge.source in bold and edge.target in bold
            attributes = {**attributes, **(looks.BOLD_EDGE if is_bold else looks.FADED_EDGE)}
        picture.edge(edge.source, edge.target, **attributes)


def _add_order(picture: Digraph, graph: Graph) -> None:
    """Invisible edges that keep frames in a row: what lies in a frame stands behind what the frame is given last.

    Without them a parameter stands beside the frame before, and the two frames one above the other, like stairs.
    """
    places = {node.id: i for i, node in enumerate(graph.nodes)}
    nodes = {node.id: node for node in graph.nodes}
    parents = {group.id: group.parent for group in graph.groups}
    given: dict[str, str] = {}
    for edge in graph.edges:
        around = set()
        id = nodes[edge.source].group
        while id is not None:
            around.add(id)
            id = parents[id]
        id = nodes[edge.target].group
        while id is not None and id not in around:
            if id not in given or places[given[id]] < places[edge.source]:
                given[id] = edge.source
            id = parents[id]
    for node in graph.tensors:
        if node.kind != "result" and node.group in given:
            picture.edge(given[node.group], node.id, style="invis", weight="0")


def _add_nodes(picture: Digraph, graph: Graph, numbers: Numbers, bold: Collection[str]) -> None:
    """The nodes, each in the frames around it."""
    results = {edge.source: edge.tensor for edge in graph.edges if edge.tensor is not None}
    groups = {group.id: group for group in graph.groups}
    levels: dict[str | None, int] = {None: -1}
    frames: dict[str | None, Digraph] = {None: picture}
    for group in graph.groups:
        levels[group.id] = levels[group.parent] + 1
        attributes = looks.frame(group, levels[group.id], picture.graph_attr["rankdir"] in ("LR", "RL"))
        frames[group.id] = type(picture)(f"cluster_{group.id}")
        frames[group.id].attr(**(looks.faded_frame(attributes) if bold else attributes))
    for node in graph.nodes:
        if isinstance(node, TensorNode):
            attributes = looks.tensor(node, numbers, groups[node.group].path if node.group is not None else "")
        elif isinstance(node, FoldedNode):
            attributes = looks.folded(node)
        else:
            attributes = looks.operation(node, results.get(node.id))
            if node.group is not None:
                del attributes["ordering"]  # operands whose order counts have labels; where they stand, frames decide
        if bold:
            attributes = {**attributes, **looks.BOLD} if node.id in bold else looks.faded(attributes)
        frames[node.group].node(node.id, **attributes)
    inner: dict[str | None, list[Digraph]] = {}
    for id in (*(group.id for group in reversed(graph.groups)), None):
        for frame in reversed(inner.get(id, ())):
            frames[id].subgraph(frame)  # it is copied, so it must be complete
        if id is not None:
            inner.setdefault(groups[id].parent, []).append(frames[id])


def _operations_between(graph: Graph, highlight: Collection[str]) -> set[str]:
    """The operations that lead from one highlighted tensor to another."""
    behind = {edge.target for edge in graph.edges if edge.source in highlight}
    return {edge.source for edge in graph.edges if edge.target in highlight and edge.source in behind}

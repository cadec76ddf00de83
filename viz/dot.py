"""The picture of a graph in the DOT language: tensors as boxes, operations as ellipses, operands from left to right.

Kinds differ by colour and by border, so that they stay apart in grey and for colour-blind eyes:

    leaf      a gradient arrives here: orange, thick border
    constant  no gradient: blue, dashed border, dashed edges
    result    computed: white, thin border
    output    what was drawn: green, double border

Highlighted nodes and edges are thick and dark red, and all the others pale: that too stays apart in grey.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from tinygrad_cnn.engine import Node, Variable
from tinygrad_cnn.viz import labels, numbers, wording
from tinygrad_cnn.viz.drawing import drawing_class
from tinygrad_cnn.viz.graph import Edge, Graph, OperationNode, TensorNode, describe, roots_of, tensor_ids

if TYPE_CHECKING:
    from graphviz import Digraph

__doctest_requires__ = {"draw": ["graphviz"], "digraph": ["graphviz"]}

DIRECTIONS = ("LR", "TB", "RL", "BT")

LONGEST_NAME, LONGEST_REMARK, LONGEST_FORMULA = 40, 30, 72
"""Longer names, options and formulas are cut in the picture; the tooltip has all of it."""

_FONT = "Helvetica,Arial,sans-serif"

_STYLES = {
    "leaf": {"style": "rounded,filled", "fillcolor": "#ffe3b3", "color": "#b35900", "penwidth": "2.2"},
    "constant": {"style": "rounded,filled,dashed", "fillcolor": "#e3f0fa", "color": "#2f6f9f", "penwidth": "1.2"},
    "result": {"style": "rounded,filled", "fillcolor": "#ffffff", "color": "#7b8794", "penwidth": "1"},
    "operation": {"style": "filled", "fillcolor": "#e8e4f3", "color": "#5b4a8a", "penwidth": "1"},
    "output": {"fillcolor": "#d3f0e0", "color": "#00704a", "penwidth": "1.6", "peripheries": "2"},
}

HIGHLIGHT, PALE = "#a1002f", "#c3ccd5"
_BOLD = {"color": HIGHLIGHT, "penwidth": "2.8"}
_BOLD_EDGE = {**_BOLD, "fontcolor": HIGHLIGHT, "labelfontcolor": HIGHLIGHT, "arrowsize": "0.8"}
_FADED = {"color": PALE, "fontcolor": PALE, "penwidth": "0.7"}
_FADED_EDGE = {**_FADED, "arrowsize": "0.4"}


def draw(
    tensors: Variable | Iterable[Variable],
    values: bool = False,
    gradients: bool = False,
    direction: str = "LR",
    name: str = "computation",
    highlight: Variable | Node | Iterable[Variable | Node] = (),
) -> Digraph:
    """Draw the computation graph behind one or several tensors.

    Every tensor shows its name, shape and dtype. With `values` and `gradients`, arrays of up to 5 rows and columns
    are written out and larger ones given as minimum, mean and maximum. A gradient that no backward walk computed is a
    dash, not a 0; a value that was too large to keep says so (`tg.debug()` keeps all). A leaf shows its `.grad`, every
    other tensor its gradient in the last walk. Nothing is computed and nothing changes.

    Args:
        tensors: a tensor or several, each with a graph behind it.
        values: show what the tensors hold.
        gradients: show their gradients.
        direction: where the computation runs: "LR" to the right, "TB" down, "RL" to the left, "BT" up.
        name: the name of the picture.
        highlight: tensors of the graph, or their nodes. They, the operations between them and the edges from one to the
            next are bold, and everything else is pale.

    Returns:
        A `graphviz.Digraph`; its `source` is the DOT text, and `render` makes a picture of it. The same graph gives the
        same text in every run.

    Raises:
        TypeError: something that is no tensor.
        ValueError: a tensor without a graph, one to highlight that is not in it, or an unknown direction.
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
    """
    roots = roots_of(tensors, "draw")
    chosen = [highlight] if isinstance(highlight, Variable | Node) else list(highlight)
    return digraph(describe(roots, "draw"), values, gradients, direction, name, _ids_of(chosen, roots))


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
    values: bool = False,
    gradients: bool = False,
    direction: str = "LR",
    name: str = "computation",
    highlight: Collection[str] = (),
) -> Digraph:
    """The DOT text of a described graph; arguments as `draw`, with what to highlight by its ids.

    Raises:
        ValueError: an unknown direction.
        ModuleNotFoundError: the package graphviz is missing.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"draw: direction must be one of {', '.join(DIRECTIONS)} but is {direction!r}")
    try:
        from graphviz import nohtml
    except ImportError as error:
        raise ModuleNotFoundError("draw: the Python package graphviz is not installed; pip install graphviz") from error
    text = {"fontname": _FONT, "fontsize": "10", "fontcolor": labels.INK}
    picture = drawing_class()(
        nohtml(labels.plain(name.replace("\\", "_"))),
        graph_attr={"rankdir": direction, "bgcolor": "white", "nodesep": "0.22", "ranksep": "0.35", "pad": "0.15"},
        node_attr={**text, "margin": "0.06,0.03", "height": "0", "width": "0"},
        edge_attr={**text, "fontsize": "9", "fontcolor": labels.GREY, "color": "#52606d", "arrowsize": "0.6"},
    )
    bold = {*highlight, *_operations_between(graph, highlight)}
    for node in graph.nodes:
        attributes = _tensor(node, values, gradients) if isinstance(node, TensorNode) else _operation(node)
        if bold:
            attributes = {**attributes, **_BOLD} if node.id in bold else _faded(attributes)
        picture.node(node.id, **attributes)
    for edge in graph.edges:
        attributes = _edge(edge)
        if bold:
            is_bold = edge.source in bold and edge.target in bold
            attributes = {**attributes, **(_BOLD_EDGE if is_bold else _FADED_EDGE)}
        picture.edge(edge.source, edge.target, **attributes)
    return picture


def _operations_between(graph: Graph, highlight: Collection[str]) -> set[str]:
    """The operations that lead from one highlighted tensor to another."""
    behind = {edge.target for edge in graph.edges if edge.source in highlight}
    return {edge.source for edge in graph.edges if edge.target in highlight and edge.source in behind}


def _faded(attributes: dict[str, str]) -> dict[str, str]:
    """The look of a node that is not highlighted: its own text and border in one pale colour, on white."""
    label = re.sub(r'(?<= color=")#\w+', PALE, attributes["label"])
    return {**attributes, **_FADED, "fillcolor": "#ffffff", "label": label}


def _tensor(node: TensorNode, values: bool, gradients: bool) -> dict[str, str]:
    kind_and_type = f"{node.shape} {node.dtype}" if node.shape else node.dtype
    shown = []
    if not node.shape and node.kind == "constant" and not node.name:  # a plain number in a formula is its own name
        headings = [labels.bold(labels.typeset(numbers.number(node.value)))]
    else:
        name = labels.printable(node.name or "")
        headings = [labels.bold(numbers.shortened(name, LONGEST_NAME))] if name else []
        headings += [labels.colored(kind_and_type)] if kind_and_type else []
        headings += [labels.colored(numbers.shortened(remark, LONGEST_FORMULA)) for remark in node.remarks]
        if values and node.value is not None:
            shown.append(("value", node.value, labels.INK))
    if gradients and node.gradient is not None:
        shown.append(("grad", node.gradient, labels.GRADIENT))
    about = [
        node.name,
        f"{node.kind}, {kind_and_type}" if kind_and_type else node.kind,
        *node.remarks,
        labels.reason("value", node.value),
        labels.reason("gradient", node.gradient),
        node.line and f"recorded at {node.line}",
    ]
    return {
        "label": labels.table(headings, labels.number_rows(shown)),
        "shape": "box",
        "tooltip": labels.tooltip(about),
        "class": f"tensor {node.kind}{' output' if node.is_output else ''}",
        **_STYLES[node.kind],
        **(_STYLES["output"] if node.is_output else {}),
    }


def _operation(node: OperationNode) -> dict[str, str]:
    options = [wording.option_text(name, value) for name, value in node.options.items()]
    common = {
        "tooltip": labels.tooltip([node.title, *options, node.line and f"recorded at {node.line}"]),
        "class": "operation",
        "ordering": "in",
        **_STYLES["operation"],
    }
    if symbol := wording.symbol(node.primitive):
        return {"label": symbol, "shape": "circle", "fontsize": "16", "width": "0.34", "fixedsize": "true", **common}
    remarks = [labels.colored(numbers.shortened(remark, LONGEST_REMARK)) for remark in node.remarks]
    return {"label": labels.table([labels.bold(node.title), *remarks]), "shape": "ellipse", **common}


def _edge(edge: Edge) -> dict[str, str]:
    end = "" if edge.label_at == "middle" else edge.label_at
    attributes = {f"{end}label": labels.edge(edge.label, is_on_line=bool(end))} if edge.label else {}
    return attributes if edge.has_gradient else {**attributes, "style": "dashed"}

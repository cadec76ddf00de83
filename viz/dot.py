"""The picture of a graph in the DOT language: tensors as boxes, operations as ellipses, operands from left to right.

Kinds differ by colour and by border, so that they stay apart in grey and for colour-blind eyes:

    leaf      a gradient arrives here: orange, thick border
    constant  no gradient: blue, dashed border, dashed edges
    result    computed: white, thin border
    output    what was drawn: green, double border
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tinygrad_cnn.engine import Variable
from tinygrad_cnn.viz import labels, numbers, wording
from tinygrad_cnn.viz.graph import Edge, Graph, OperationNode, TensorNode, describe

if TYPE_CHECKING:
    from graphviz import Digraph

__doctest_requires__ = {"draw": ["graphviz"], "digraph": ["graphviz"]}

DIRECTIONS = ("LR", "TB", "RL", "BT")

LONGEST_NAME, LONGEST_REMARK = 40, 30
"""Longer names and options are cut in the picture; the tooltip has all of it."""

_FONT = "Helvetica,Arial,sans-serif"

_STYLES = {
    "leaf": {"style": "rounded,filled", "fillcolor": "#ffe3b3", "color": "#b35900", "penwidth": "2.2"},
    "constant": {"style": "rounded,filled,dashed", "fillcolor": "#e3f0fa", "color": "#2f6f9f", "penwidth": "1.2"},
    "result": {"style": "rounded,filled", "fillcolor": "#ffffff", "color": "#7b8794", "penwidth": "1"},
    "operation": {"style": "filled", "fillcolor": "#e8e4f3", "color": "#5b4a8a", "penwidth": "1"},
    "output": {"fillcolor": "#d3f0e0", "color": "#00704a", "penwidth": "1.6", "peripheries": "2"},
}


def draw(
    tensors: Variable | Iterable[Variable],
    values: bool = False,
    gradients: bool = False,
    direction: str = "LR",
    name: str = "computation",
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

    Returns:
        A `graphviz.Digraph`; its `source` is the DOT text, and `render` makes a picture of it. The same graph gives the
        same text in every run.

    Raises:
        TypeError: something that is no tensor.
        ValueError: a tensor without a graph, or an unknown direction.
        ModuleNotFoundError: the package graphviz is missing.

    >>> import tinygrad_cnn as tg
    >>> a, b = tg.tensor(-4.0, requires_grad=True, name="a"), tg.tensor(2.0, requires_grad=True, name="b")
    >>> c = tg.tanh(a * b)
    >>> c.backward()
    >>> picture = tg.viz.draw(c, values=True, gradients=True)
    >>> print(picture.source.splitlines()[0])
    digraph computation {
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"draw: direction must be one of {', '.join(DIRECTIONS)} but is {direction!r}")
    return digraph(describe(tensors, "draw"), values, gradients, direction, name)


def digraph(
    graph: Graph, values: bool = False, gradients: bool = False, direction: str = "LR", name: str = "computation"
) -> Digraph:
    """The DOT text of a described graph; arguments as `draw`."""
    try:
        from graphviz import Digraph, nohtml
    except ImportError as error:
        raise ModuleNotFoundError("draw: the Python package graphviz is not installed; pip install graphviz") from error
    text = {"fontname": _FONT, "fontsize": "10", "fontcolor": labels.INK}
    picture = Digraph(
        nohtml(labels.plain(name.replace("\\", "_"))),
        graph_attr={"rankdir": direction, "bgcolor": "white", "nodesep": "0.22", "ranksep": "0.35", "pad": "0.15"},
        node_attr={**text, "margin": "0.06,0.03", "height": "0", "width": "0"},
        edge_attr={**text, "fontsize": "9", "fontcolor": labels.GREY, "color": "#52606d", "arrowsize": "0.6"},
    )
    for node in graph.nodes:
        if isinstance(node, TensorNode):
            picture.node(node.id, **_tensor(node, values, gradients))
        else:
            picture.node(node.id, **_operation(node))
    for edge in graph.edges:
        picture.edge(edge.source, edge.target, **_edge(edge))
    return picture


def _tensor(node: TensorNode, values: bool, gradients: bool) -> dict[str, str]:
    kind_and_type = f"{node.shape} {node.dtype}" if node.shape else node.dtype
    shown = []
    if not node.shape and node.kind == "constant" and not node.name:  # a plain number in a formula is its own name
        headings = [labels.bold(labels.typeset(numbers.number(node.value)))]
    else:
        name = labels.printable(node.name or "")
        headings = [labels.bold(numbers.shortened(name, LONGEST_NAME))] if name else []
        headings.append(labels.colored(kind_and_type))
        if values:
            shown.append(("value", node.value, labels.INK))
    if gradients and node.gradient is not None:
        shown.append(("grad", node.gradient, labels.GRADIENT))
    about = [
        node.name,
        f"{node.kind}, {kind_and_type}",
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
    attributes = {"label": labels.edge(edge.label)} if edge.label else {}
    return attributes if edge.has_gradient else {**attributes, "style": "dashed"}

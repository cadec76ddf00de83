"""The page of a graph, put together: description, layouts, numbers and steps as data for its scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cnn import backend
from tinygrad_cnn.engine import Variable
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.viz.drawing import labels
from tinygrad_cnn.viz.drawing.layout import DIRECTIONS, layouts
from tinygrad_cnn.viz.folding.budget import fit
from tinygrad_cnn.viz.graph.description import Graph, Missing, OperationNode, TensorNode, describe, roots_of, tensor_ids
from tinygrad_cnn.viz.graph.tracing import trace
from tinygrad_cnn.viz.pages.document import Page, document
from tinygrad_cnn.viz.pages.graph import boxes, scenes
from tinygrad_cnn.viz.pages.graph.arrays import Arrays
from tinygrad_cnn.viz.pages.graph.steps import options, steps
from tinygrad_cnn.walk import contributions, nodes

if TYPE_CHECKING:
    from os import PathLike

OPEN = 120
"""At first so many levels of modules are open as show up to so many boxes."""

FEW = 200
"""With more tensors than that the maps of their values are smaller."""

_STYLES = ["graph/page.css", "graph/details.css"]
_SUBJECTS = "model composition picture view numbers details steps search table keys main"
_SCRIPTS = [f"graph/{name}.js" for name in _SUBJECTS.split()]


def page(
    what: Variable | Iterable[Variable] | Module,
    path: str | PathLike[str] | None = "graph.html",
    inputs: Any = None,
    depth: int | None = None,
    direction: str = "TB",
    title: str | None = None,
    budget: int = 5000,
) -> Page:
    """The interactive page of a computation graph: one file that needs no network and no server.

    Modules fold and unfold, every tensor and operation shows its shape, values, gradient and formula, and the forward
    and the backward pass can be stepped through in the order in which they ran. A model is run once in evaluation mode.
    For the steps back, call `backward()` before; what is shown then is the last walk. Nothing else changes.

    Args:
        what: a tensor or several with a graph behind them, or a model.
        path: the file to write; None writes none, and `Page.write` does so later.
        inputs: for a model, the shape of its input, as (1, 3, 32, 32), the input itself, or a list of these.
        depth: how many levels of modules are open at first; None opens as many as can be read at a glance.
        direction: where the computation runs: "TB" down, "LR" to the right.
        title: what stands above the page; None takes the model's class or the output's name.
        budget: a graph of more nodes is folded before it comes into the page, which says so; what is folded then stays
            folded, and has no steps.

    Returns:
        The page, which shows itself in a notebook and has `open()`.

    Raises:
        TypeError: something that is no tensor and no model, or an input that is neither a shape nor numbers.
        ValueError: a tensor without a graph, a model without inputs, a negative depth or an unknown direction.
        OSError: the file can't be written.

    >>> import tinygrad_cnn as tg
    >>> a = tg.tensor(2.0, requires_grad=True, name="a")
    >>> y = a * 3
    >>> y.backward()
    >>> page(y, path=None).title
    'multiply'
    """
    if isinstance(what, Module):
        if inputs is None:
            raise ValueError("page: a model needs inputs, the shape of its input as (1, 3, 32, 32) or the input itself")
        traced = trace(what, inputs, "page")
        roots: list[Variable] = list(traced.outputs)
        data, default = traced.inputs, type(what).__name__
    else:
        if inputs is not None:
            raise ValueError("page: inputs are for a model; a tensor has its graph already")
        roots, data, default = roots_of(what, "page"), (), ""
    whole = describe(roots, "page", data)
    fitted = fit(whole, is_rolled=False, has_numbers=True, budget=budget)
    graph = fitted.graph
    walked = {id: node for node, id in tensor_ids(roots).items() if node.gradient is not None}
    sent = {
        node.id: contributions(walked[result])
        for node in graph.operations
        if (result := node.id.replace("o", "t", 1)) in walked
    }
    title = title if title is not None else default or _title(whole)
    notes = [fitted.note, _earlier_walks(roots)]
    made = page_of(graph, title, depth, direction, sent, [note for note in notes if note])
    return made if path is None else made.write(path)


def _earlier_walks(roots: Iterable[Variable]) -> str:
    """A note where the `.grad` of a leaf, which the page shows, is not what the steps of the last walk add up to."""
    names = []
    for node in nodes(*roots):
        leaf: Any = None if node.target is None or node.primitive else node.target()
        if leaf is not None and leaf.grad is not None and isinstance(node.gradient, np.ndarray | np.generic | Fraction):
            whole, last = (np.asarray(backend.to_numpy(x)) for x in (leaf.grad.data, node.gradient))
            if not np.array_equal(whole, last, equal_nan=whole.dtype.kind == "f"):
                names.append(node.name or f"a leaf of shape {node.shape}")
    if not names:
        return ""
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"The gradient of {listed} is the sum of several walks; the steps back are those of the last one."


def page_of(
    graph: Graph,
    title: str = "computation",
    depth: int | None = None,
    direction: str = "TB",
    contributions: Mapping[str, Sequence[Any]] | None = None,
    notes: Sequence[str] = (),
) -> Page:
    """The page of a described graph; arguments as `page`.

    Args:
        graph: the description.
        title: what stands above the page.
        depth: how many levels of modules are open at first.
        direction: where the computation runs.
        contributions: what each operation of the last backward walk sent to its operands, by its id.
        notes: what the reader should know of the description, such as what was folded in it.

    Raises:
        ValueError: a negative depth or an unknown direction.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"page: direction must be one of {', '.join(DIRECTIONS)} but is {direction!r}")
    if depth is not None and depth < 0:
        raise ValueError(f"page: depth must be 0 or more but is {depth}")
    arrays = Arrays(2500 if sum(1 for _ in graph.tensors) <= FEW else 400)
    is_walked = any(
        node.kind == "result" and node.gradient is not None and node.gradient is not Missing.NOT_COMPUTED
        for node in graph.tensors
    )
    named = Counter(edge.target for edge in graph.edges if edge.label)
    used = Counter(edge.source for edge in graph.edges if edge.has_gradient)
    drawn = [_box(node, is_walked, named[node.id], used[node.id] > 1) for node in graph.nodes]
    tree = scenes.Tree(graph, [(box.width, box.height) for box in drawn])
    placed, by = layouts(tree.plans(direction), direction)
    forward, backward = steps(graph, arrays, contributions or {})
    if depth is None:
        fitting = [level for level in range(tree.depth + 1) if tree.visible(level) <= OPEN]
        depth = max(fitting, default=0)
    items = (scenes.ROOT, *range(len(graph.nodes), len(tree.parents)))
    data = {
        "direction": direction,
        "by": by,
        "notes": list(notes),
        "depth": min(depth, tree.depth),
        "depths": [tree.visible(level) for level in range(tree.depth + 1)],
        "nodes": [
            _node(node, box, parent, arrays)
            for node, box, parent in zip(graph.nodes, drawn, tree.parents, strict=False)
        ],
        "containers": [_container(container) for container in tree.containers],
        "edges": [
            [source, target, edge.label, edge.has_gradient]
            for (source, target), edge in zip(tree.edges, graph.edges, strict=True)
        ],
        "scenes": [scenes.described(item, layout) for item, layout in zip(items, placed, strict=True)],
        "forward": forward,
        "backward": backward,
        "arrays": arrays.described,
    }
    body = f'<h1 id="title">{escape(labels.printable(title))}</h1>\n<div id="page"></div>'
    return document(title, body, _STYLES, _SCRIPTS, data, height=720)


def _title(graph: Graph) -> str:
    outputs = [node for node in graph.tensors if node.is_output]
    named = [node.name for node in outputs if node.name]
    operations = list(graph.operations)
    return ", ".join(named) if named else operations[-1].title if operations else "computation"


def _box(node: Any, is_walked: bool, operands: int, is_summed: bool) -> boxes.Box:
    if isinstance(node, TensorNode):
        return boxes.tensor(node, True, is_walked, is_summed)
    if isinstance(node, OperationNode):
        return boxes.operation(node, operands)
    return boxes.folded(node, node.operations)


def _node(node: Any, box: boxes.Box, parent: int, arrays: Arrays) -> dict[str, Any]:
    found: dict[str, Any] = {"id": node.id, "in": parent, "box": [box.width, box.height], "texts": _texts(box)}
    if isinstance(node, TensorNode):
        found |= {
            "kind": node.kind,
            "name": node.name,
            "shape": str(node.shape),
            "dtype": node.dtype,
            "value": arrays.add(node.value),
            "gradient": arrays.add(node.gradient),
            "output": node.is_output,
            "line": node.line,
            "remarks": list(node.remarks),
        }
    elif isinstance(node, OperationNode):
        found |= {
            "kind": "operation",
            "title": node.title,
            "form": "circle" if box.texts[0].style == "symbol" else "",
            "options": options(node),
            "line": node.line,
        }
    else:
        found |= {"kind": "folded", **_about(node)}
    # What is not there is left out; the number 0 is the first array.
    return {name: value for name, value in found.items() if value is not False and value not in (None, "", [])}


def _about(node: Any) -> dict[str, Any]:
    return {
        "title": node.title or boxes.contents(node),
        "name": node.name,
        "path": node.path,
        "arguments": node.arguments,
        "parameters": node.parameters,
        "operations": node.operations,
    }


def _container(container: scenes.Container) -> dict[str, Any]:
    box = container.box
    return {
        **container.about,
        "in": container.parent,
        "level": container.level,
        "heading": [container.heading, round(boxes.text_width(container.heading, "title"))],
        "box": [box.width, box.height],
        "texts": _texts(box),
    }


def _texts(box: boxes.Box) -> list[list[Any]]:
    return [[scenes.short(text.x), scenes.short(text.y), text.anchor, text.style, text.text] for text in box.texts]

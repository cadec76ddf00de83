"""What Jupyter and VS Code show where a tensor or a module is the last value of a cell.

A display hook never raises: where there is no picture to show, it shows the text that Python shows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING, Any

from tinygrad_cnn.engine import Unkept
from tinygrad_cnn.viz.drawing.digraph import SVG, svg, width_of

if TYPE_CHECKING:
    from tinygrad_cnn.engine import Node
    from tinygrad_cnn.nn.module import Module
    from tinygrad_cnn.tensor import Tensor

HTML = "text/html"

BUDGET = 60
"""The most nodes in the picture of a displayed tensor; a larger graph is folded."""

WIDEST = 900
"""A picture that would be wider, in points, runs down in place of to the right."""

LARGEST_GRAPH, LARGEST_TREE = 20_000, 1_000
"""Graphs of more nodes are not read for a display, and models of more modules are shown as text alone."""

_OPEN_LEVELS = 2

_STYLE = """
.tg-module { font: 14px/1.6 system-ui, sans-serif; }
.tg-module .inside { padding-left: .6em; margin-left: .35em; border-left: 1px solid #8886; }
.tg-module summary { cursor: pointer; }
.tg-module .leaf { padding-left: 1em; }
.tg-module code { font-size: 13px; background: none; padding: 0; }
.tg-module .arguments, .tg-module .count { opacity: .75; }
.tg-module .count::before { content: " · "; }
"""


def tensor_bundle(
    x: Tensor, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
) -> dict[str, str]:
    """A tensor as text and, where it was computed, the picture of its graph, folded to a few nodes.

    The picture shows numbers where every tensor of the graph kept them: where none is large.

    Args:
        x: the tensor.
        include, exclude: MIME types that are asked for, or are not, as IPython hands them on.

    Returns:
        What to show, by MIME type; text always.

    >>> import tinygrad_cnn as tg
    >>> tensor_bundle(tg.tensor(1.5, name="x"))
    {'text/plain': "Tensor(1.5, shape=(), dtype=float32, name='x')"}
    """
    return _bundle(x, SVG, _picture, include, exclude)


def module_bundle(
    module: Module, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
) -> dict[str, str]:
    """A module as text, and as a tree of its modules and parameters to open and close. Arguments as `tensor_bundle`.

    >>> from tinygrad_cnn import nn
    >>> bundle = module_bundle(nn.Sequential(nn.Linear(3, 2), nn.ReLU()))
    >>> sorted(bundle)
    ['text/html', 'text/plain']
    >>> bundle["text/html"].count("<details")
    2
    """
    return _bundle(module, HTML, _tree, include, exclude)


def _bundle(
    shown: Any,
    kind: str,
    make: Callable[[Any], str | None],
    include: Iterable[str] | None,
    exclude: Iterable[str] | None,
) -> dict[str, str]:
    try:
        bundle = {"text/plain": repr(shown)}
    except Exception as error:  # a user's extra_repr, or numbers of a user's own class
        bundle = {"text/plain": f"<{type(shown).__name__}, whose repr raises {type(error).__name__}: {error}>"}
    try:
        if _is_wanted(kind, include, exclude) and (made := make(shown)) is not None:
            bundle[kind] = made
    except Exception:  # the picture is a gift: what keeps it away is no concern of who evaluated a cell
        pass
    # A lone surrogate can be in a name, but not in what is sent to a notebook.
    return {kind: text.encode("utf-8", "replace").decode() for kind, text in bundle.items()}


def _is_wanted(kind: str, include: Iterable[str] | None, exclude: Iterable[str] | None) -> bool:
    if (include and kind not in include) or (exclude and kind in exclude):
        return False
    # IPython in a terminal asks like a notebook does, and shows text alone.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is None or kind in shell.display_formatter.active_types


# Tensors


def _picture(x: Tensor) -> str | None:
    from tinygrad_cnn.viz.drawing.dot import draw

    if x.node is None or x.node.primitive is None:
        return None
    recorded = _nodes(x.node, LARGEST_GRAPH)
    if recorded is None:
        return None
    has_values = not any(isinstance(node.value, Unkept) for node in recorded)
    has_gradients = has_values and x.node.gradient is not None

    def drawn(direction: str) -> str:
        return svg(draw(x, values=has_values, gradients=has_gradients, budget=BUDGET, direction=direction).source)

    right = drawn("LR")
    return right if width_of(right) <= WIDEST else drawn("TB")  # a page has more room below than beside


def _nodes(node: Node, limit: int) -> set[Node] | None:
    """The nodes behind this one, itself among them; None where they are more than so many."""
    seen, stack = {node}, [node]
    while stack:
        for parent in stack.pop().parents:
            if parent not in seen:
                if len(seen) == limit:
                    return None
                seen.add(parent)
                stack.append(parent)
    return seen


# Modules


def _tree(module: Module) -> str | None:
    if sum(1 for _ in module.modules()) > LARGEST_TREE:
        return None
    mode = "" if module.training else '<span class="count">evaluation mode</span>'
    lines = "".join(_branch(module, "", mode, ()))
    return f'<style>{_STYLE}</style><div class="tg-module">{lines}</div>'


def _branch(module: Module, name: str, remark: str, around: tuple[Module, ...]) -> Iterator[str]:
    """A module in the modules around it: one line, and what is in it, open where there are modules inside."""
    children = [] if module in around else list(module.named_children())
    rows = [] if module in around else list(_own_tensors(module, [child for child, _ in children]))
    head = f"<code>{escape(name)}</code> " if name else ""
    head += f"<b>{escape(type(module).__name__)}</b>"
    if arguments := module.extra_repr():
        head += f'<span class="arguments">({escape(arguments)})</span>'
    count = sum(parameter.size for parameter in module.parameters())
    if count:
        head += f'<span class="count">{count:,} parameter{"s" if count != 1 else ""}</span>'
    head += remark
    if not children and not rows:
        yield f'<div class="leaf">{head}</div>'
        return
    yield f"<details{' open' if children and len(around) < _OPEN_LEVELS else ''}><summary>{head}</summary>"
    yield '<div class="inside">'
    yield from rows
    for child_name, child in children:
        yield from _branch(child, child_name, "", (*around, module))
    yield "</div></details>"


def _own_tensors(module: Module, children: list[str]) -> Iterator[str]:
    """A line for each parameter and buffer that the module holds itself."""
    inner = tuple(f"{child}." for child in children)
    for what, named in (("", module.named_parameters()), ("buffer", module.named_buffers())):
        for name, x in named:
            if not name.startswith(inner):
                remark = what or ("" if x.requires_grad else "frozen")
                note = f'<span class="count">{remark}</span>' if remark else ""
                yield (
                    f'<div class="leaf"><code>{escape(name)}</code> '
                    f'<span class="arguments">{x.shape} {x.dtype}</span>{note}</div>'
                )

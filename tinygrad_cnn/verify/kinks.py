"""Where a kink comes from: the recorded operations that have one at the values of their operands.

The function is run at a few points of a short line through the kink, and the results of every operation are compared.
A kink belongs to an operation whose result has one while its operands move smoothly, or that has one when they are
moved on in a straight line. No list of functions is needed: relu, a tied maximum, a norm of 0 and whatever a user
defines are found alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn import backend
from tinygrad_cnn.engine import Node, Unkept
from tinygrad_cnn.modes import debug
from tinygrad_cnn.primitives.titles import title
from tinygrad_cnn.tensor import Tensor
from tinygrad_cnn.verify.excerpt import number
from tinygrad_cnn.walk import nodes

STEPS = (0.0, 1.0, -1.0, 0.1, -0.1)
"""The points of the line: at a kink the slopes differ by as much near as far, on a curve by less."""
MOST_VALUES = 3
"""An operation is described by the values of its operands only if there are so few different ones."""

_SELECTING = re.compile(r"(^|_)(max|min|maximum|minimum)(_|$)")
OWN_CONDITION = "a condition in the code that goes another way nearby"


def origins(record: Callable[[float], Sequence[Tensor]]) -> tuple[str, ...]:
    """The operations that have a kink at t = 0, each with the place: "relu at 0", "max_pool2d at a tie of 3".

    Args:
        record: t -> the function's tensors t along the line, recorded; t = 1 is a step in which the kink was seen.

    Returns:
        Each once, in the order of the computation; `OWN_CONDITION` where another graph is recorded on the other side;
        none where the function makes numbers that are not finite, or keeps the kink out of the graph.

    >>> import tinygrad_cnn as tg
    >>> origins(lambda t: [tg.relu(tg.tensor([1e-6 * t, 1.0], requires_grad=True)) * 2])
    ('relu at 0',)
    """
    try:
        with debug():  # in which a node keeps its value, however large
            runs = [(t, nodes(*record(t))) for t in STEPS]
    except FloatingPointError:  # a number that is not finite, which the function may do without
        return ()
    if len({tuple((node.primitive, node.shape) for node in run) for _, run in runs}) > 1:
        return (OWN_CONDITION,)
    lines = {}
    for i, node in enumerate(runs[0][1]):
        values = {t: run[i].value for t, run in runs}
        if not any(isinstance(value, Unkept) for value in values.values()):
            lines[node] = {t: np.asarray(backend.to_numpy(value)) for t, value in values.items()}
    kinked = {node: _has_kink(line) for node, line in lines.items() if line[0.0].dtype.kind == "f"}
    found: dict[str, None] = {}
    for node, mask in kinked.items():
        if node.primitive is None or not mask.any() or not all(parent in lines for parent in node.parents):
            continue
        own = mask
        if any(kinked[parent].any() for parent in node.parents if parent in kinked):
            own = _of_its_own(node, [lines[parent] for parent in node.parents])
        if own.any():
            found[_described(node, own, [lines[parent] for parent in node.parents])] = None
    return tuple(found)


def _has_kink(line: dict[float, Any]) -> Any:
    """Of each element, whether its slopes on both sides differ, and by as much at a tenth of the step."""
    wide, near = (abs(line[t] - 2 * line[0.0] + line[-t]) / t for t in (1.0, 0.1))
    slopes = np.maximum(abs(line[0.1] - line[0.0]), abs(line[0.0] - line[-0.1])) / 0.1
    rounding = 100 * np.finfo(line[0.0].dtype).eps * abs(line[0.0]) / 0.1
    return (near > wide / 3) & (near > 1e-3 * slopes) & (near > rounding)


def _of_its_own(node: Node, operands: list[dict[float, Any]]) -> Any:
    """Where the operation has a kink when its operands move straight on, as they move on either side."""
    assert node.primitive is not None
    found = np.zeros(node.shape, dtype=bool)
    for side in (0.1, -0.1):
        line = {}
        for t in STEPS:
            moved = [_moved(operand, t / side, side) for operand in operands]
            with np.errstate(all="ignore"):
                z = node.primitive.forward(*moved, **node.options)
            line[t] = np.asarray(z[0] if node.primitive.auxiliary else z)
        found |= _has_kink(line)
    return found


def _moved(operand: dict[float, Any], times: float, side: float) -> Any:
    if operand[0.0].dtype.kind != "f":
        return operand[0.0]
    return operand[0.0] + times * (operand[side] - operand[0.0])


def _described(node: Node, own: Any, operands: list[dict[float, Any]]) -> str:
    """The operation and the place of its kink, for people."""
    assert node.primitive is not None
    primitive = node.primitive.name
    name = title(primitive, node.options)
    if primitive == "where":
        return "where at a change of its condition"
    if _SELECTING.search(primitive):
        return f"{name}{_at(backend.to_numpy(node.value), own, 'a tie of ')}"
    values: list[Any] = []
    for operand in operands:
        moves = (operand[0.1] != operand[0.0]) | (operand[-0.1] != operand[0.0])
        if operand[0.0].dtype.kind == "f" and moves.any():
            is_elementwise = operand[0.0].shape == own.shape
            values.append(np.asarray(operand[0.0])[moves & own if is_elementwise else moves])
    return f"{name}{_at(np.concatenate(values), True)}" if values else name


def _at(values: Any, where: Any, word: str = "") -> str:
    """ " at 0", or nothing where there are too many values to say."""
    shown = list(dict.fromkeys(number(float(value), 3) for value in np.asarray(values)[where].ravel()))
    return f" at {word}{' and '.join(shown)}" if 0 < len(shown) <= MOST_VALUES else ""

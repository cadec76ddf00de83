"""What pictures call an operation, and which of its options and operands they name.

The engine records primitives, which are general: one correlation for any number of axes, every option spelled out. A
picture shows the name that the user called, and only what differs from the default or can't be seen from the shapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_SYMBOLS = {"add": "+", "subtract": "−", "multiply": "×", "divide": "÷"}
_COMMUTATIVE = frozenset({"add", "multiply"})

# Options that the shapes of operands and result show already, or that only serve the backward walk.
_IMPLIED = frozenset({"shape", "size", "starts", "source", "found"})
_DEFAULTS = {
    "stride": 1, "dilation": 1, "padding": 0, "groups": 1, "keepdims": False, "ties": "first", "value": 0,
    "mode": "zeros",
}  # fmt: skip
_LAST_AXIS = frozenset({"softmax", "log_softmax"})


def symbol(primitive: str) -> str | None:
    """The sign of an arithmetic operation, None for the others.

    >>> symbol("multiply")
    '×'
    """
    return _SYMBOLS.get(primitive)


def operand_labels(primitive: str, names: Sequence[str], is_variadic: bool, count: int) -> list[str]:
    """What to write at the edges of `count` operands: nothing where there is one, or where their order is all the same.

    >>> operand_labels("matmul", ("x", "y"), False, 2), operand_labels("add", ("x", "y"), False, 2)
    (['x', 'y'], ['', ''])
    """
    if count < 2 or primitive in _COMMUTATIVE:
        return [""] * count
    return [str(i) for i in range(count)] if is_variadic else list(names[:count])


def remarks(primitive: str, options: Mapping[str, Any], operand_shapes: Sequence[tuple[int, ...]]) -> list[str]:
    """The options worth a word: those that differ from the default and that the shapes don't show.

    >>> options = {"stride": (2, 2), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    >>> remarks("correlation", options, [(1, 3, 8, 8), (4, 3, 3, 3)])
    ['stride 2', 'padding 1']
    """
    ndim = len(operand_shapes[0])
    words = ["ties split"] if primitive == "max_of_windows_split" else []
    for name, value in options.items():
        if name == "index":
            words.append(index_text(value))
        elif name == "norm":  # what a weighted mean divides by; 1 for the sum
            words += ["reduction sum"] if value == 1 and operand_shapes[0][0] > 1 else []
        elif not (name in _IMPLIED or _is_array(value) or _is_default(primitive, name, options, ndim)):
            words.append(name if value is True else f"{name} {compact(value)}")
    return words


def _is_array(value: Any) -> bool:
    return bool(getattr(value, "shape", ()))


def _is_default(primitive: str, name: str, options: Mapping[str, Any], ndim: int) -> bool:
    value = options[name]
    if primitive == "kernel_correlation":  # a gradient: its result has the kernel's shape
        if name == "kernel":
            return True
    elif name == "stride" and "kernel" in options:  # a pooling, whose windows by default don't overlap
        return bool(value == options["kernel"])
    if name == "axis":
        return bool(value == (ndim - 1 if primitive in _LAST_AXIS else tuple(range(ndim))))
    if name == "axes":
        return bool(value == tuple(reversed(range(ndim))))
    return name in _DEFAULTS and bool(compact(value) == _DEFAULTS[name])


def compact(value: Any) -> Any:
    """A value for each axis as one value where all are equal; a pair of equal paddings likewise.

    >>> compact((2, 2)), compact(((1, 1), (2, 2))), compact(((0, 1), (0, 1)))
    (2, (1, 2), ((0, 1), (0, 1)))
    """
    if not isinstance(value, tuple):
        return value
    parts = tuple(compact(part) for part in value)
    if parts and not isinstance(parts[0], tuple) and all(part == parts[0] for part in parts):
        return parts[0]
    return parts


def option_text(name: str, value: Any) -> str:
    """An option in full, for a tooltip; of an array only the shape.

    >>> option_text("padding", ((1, 1), (0, 0))), option_text("winners", np.zeros((2, 3)))
    ('padding = ((1, 1), (0, 0))', 'winners = array (2, 3)')
    """
    if name == "index":
        return f"index = {index_text(value)}"
    return f"{name} = {f'array {value.shape}' if _is_array(value) else value}"


def index_text(index: Any) -> str:
    """An index as it is written in Python.

    >>> index_text((0, slice(None), slice(1, 3), Ellipsis))
    '[0, :, 1:3, ...]'
    """
    return f"[{', '.join(map(_index_part, index if isinstance(index, tuple) else (index,)))}]"


def _index_part(part: Any) -> str:
    if isinstance(part, slice):
        ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
        return ":".join(ends if part.step is None else [*ends, str(part.step)])
    if part is Ellipsis:
        return "..."
    if _is_array(part):
        kind = "mask" if part.dtype == np.bool_ else "indices"
        return f"{kind} {part.shape}"
    return str(part)

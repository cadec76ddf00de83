"""Which kernel computes an operation: its definition, or a fast substitute where there is one for the arrays at hand.

The table below has a line for each operation. What is tiny goes to a kernel of its own; else oneDNN is asked first,
where the library is there (`show_config` says so), for float32 arrays of so many numbers or more; then NumPy's fast
kernel, for floating-point arrays of its size or more. A kernel may decline. What is left is the definition, which takes
any arithmetic and any device.

The environment variable `TINYGRAD_CNN_KERNELS` forces one: `reference` takes definitions only, `numpy` leaves oneDNN
out, `onednn` raises an error where the library is missing. So does `with using("numpy"):` for the code inside.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.kernels import (
    copies,
    elementary,
    normalization,
    numpy_fast,
    onednn,
    reference,
    softmax,
    sums,
    vectors,
)
from tinygrad_cnn.kernels.numpy_fast import tiny

CHOICES = ("onednn", "numpy", "reference")


class Line(NamedTuple):
    """Where an operation is defined, and from how many numbers on a fast kernel takes it; None for no such kernel.

    `tiny` is up to how many numbers the kernel for tiny arrays does.
    """

    definition: ModuleType
    numpy: int | None
    onednn: int | None
    tiny: int = -1


# operation            definition  NumPy  oneDNN  tiny
TABLE = {
    "matmul":           Line(reference, 0, 0),
    "linear":           Line(reference, 0, 0),
    "correlate":        Line(reference, 0, 0, 1 << 12),
    "full_correlate":   Line(reference, 0, 0, 1 << 12),
    "correlate_kernel": Line(reference, 0, 0, 1 << 12),
    "conv_transpose":   Line(reference, 0, 0),
    "unfold":           Line(reference, None, None),
    "fold":             Line(reference, None, None),
    "max_pool":         Line(reference, 0, 0),
    "scatter_winners":  Line(reference, 0, 0),
    "gather_winners":   Line(reference, None, None),
    "avg_pool":         Line(reference, 0, 0),
    "scatter_shares":   Line(reference, 0, 0),
    "normalize":        Line(normalization, 1 << 14, 1 << 14),
    "normalize_gradient": Line(normalization, 1 << 14, 1 << 14),
    "affine":           Line(normalization, None, 1 << 14),
    "cross_entropy_of_labels": Line(softmax, 1 << 14, 1 << 12),
    "copy":             Line(copies, None, 1 << 14),
    "relu":             Line(elementary, None, 1 << 14),
    "relu_gradient":    Line(elementary, None, 1 << 14),
    "add":              Line(elementary, None, 1 << 14),
    "subtract":         Line(elementary, None, 1 << 14),
    "multiply":         Line(elementary, None, 1 << 14),
    "add_scaled":       Line(vectors, None, 1 << 14),
    "sum":              Line(sums, None, 1 << 14),
    "of_rows":          Line(sums, None, 1 << 14),
}  # fmt: skip

_choice: ContextVar[str | None] = ContextVar("kernels", default=None)


@contextmanager
def using(choice: str) -> Iterator[None]:
    """Inside, only these kernels are used, and definitions: "onednn" (and NumPy's), "numpy" or "reference"."""
    _check("using", choice)
    token = _choice.set(choice)
    try:
        yield
    finally:
        _choice.reset(token)


def chosen() -> str:
    """The kernels in use: "onednn", "numpy" or "reference".

    Raises:
        ValueError: TINYGRAD_CNN_KERNELS is none of them.
        RuntimeError: it is "onednn", and the library can't be used.
    """
    return _choice.get() or _default()


@cache
def _default() -> str:
    wanted = os.environ.get("TINYGRAD_CNN_KERNELS")
    if wanted is not None:
        _check("TINYGRAD_CNN_KERNELS", wanted)
        return wanted
    return "numpy" if onednn.unavailable() else "onednn"


def _check(name: str, choice: str) -> None:
    if choice not in CHOICES:
        raise ValueError(f"{name}: expected one of {', '.join(CHOICES)} but it is {choice!r}")
    if choice == "onednn" and (why := onednn.unavailable()):
        raise RuntimeError(f"{name}: oneDNN can't be used: {why}")


def _dispatched(operation: str) -> Callable[..., Any]:
    """The operation by its definition's name and arguments, computed by the kernel that suits its first array."""
    module, numpy_from, onednn_from, tiny_to = TABLE[operation]
    definition = getattr(module, operation)

    @wraps(definition)
    def compute(array: Any, *arguments: Any) -> Any:
        if isinstance(array, np.ndarray) and array.dtype.kind == "f":
            choice = chosen()
            if array.size <= tiny_to and choice != "reference":
                z = getattr(tiny, operation)(array, *arguments)
                if z is not NotImplemented:
                    return z
            if choice == "onednn" and onednn_from is not None and array.size >= onednn_from:
                z = getattr(onednn, operation)(array, *arguments) if array.dtype == np.float32 else NotImplemented
                if z is not NotImplemented:
                    return z
            if choice != "reference" and numpy_from is not None and array.size >= numpy_from:
                z = getattr(numpy_fast, operation)(array, *arguments)
                if z is not NotImplemented:
                    return z
        return definition(array, *arguments)

    return compute


matmul = _dispatched("matmul")
linear = _dispatched("linear")
correlate = _dispatched("correlate")
full_correlate = _dispatched("full_correlate")
correlate_kernel = _dispatched("correlate_kernel")
conv_transpose = _dispatched("conv_transpose")
unfold = _dispatched("unfold")
fold = _dispatched("fold")
max_pool = _dispatched("max_pool")
scatter_winners = _dispatched("scatter_winners")
gather_winners = _dispatched("gather_winners")
avg_pool = _dispatched("avg_pool")
scatter_shares = _dispatched("scatter_shares")
normalize = _dispatched("normalize")
normalize_gradient = _dispatched("normalize_gradient")
affine = _dispatched("affine")
cross_entropy_of_labels = _dispatched("cross_entropy_of_labels")
copy = _dispatched("copy")
relu = _dispatched("relu")
relu_gradient = _dispatched("relu_gradient")
add = _dispatched("add")
subtract = _dispatched("subtract")
multiply = _dispatched("multiply")
add_scaled = _dispatched("add_scaled")
sum = _dispatched("sum")
of_rows = _dispatched("of_rows")

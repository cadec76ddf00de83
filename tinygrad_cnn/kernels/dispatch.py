"""Which kernel computes an operation: the definition, or a fast substitute where there is one for the arrays at hand.

| arrays | kernel |
| --- | --- |
| NumPy, float16 to longdouble | `numpy_fast`, where it has the operation |
| CuPy; integers; objects (Fraction, sympy, scalar tensors) | `reference`, the definition |

The environment variable `TINYGRAD_CNN_KERNELS=reference` takes the definition for everything, and so does the code
inside `with definitions():`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import numpy_fast, reference

CHOICES = ("numpy", "reference")


def _choice() -> str:
    choice = os.environ.get("TINYGRAD_CNN_KERNELS", CHOICES[0])
    if choice not in CHOICES:
        raise ValueError(f"TINYGRAD_CNN_KERNELS: expected one of {', '.join(CHOICES)} but it is {choice!r}")
    return choice


_only_definitions = ContextVar("only_definitions", default=False)


@contextmanager
def definitions() -> Iterator[None]:
    """Inside, every operation is computed by its definition: to compare a fast kernel with it."""
    token = _only_definitions.set(True)
    try:
        yield
    finally:
        _only_definitions.reset(token)


def _dispatched(definition: Callable[..., Any]) -> Callable[..., Any]:
    """The operation by its definition's name and arguments, computed by the kernel that suits its first array."""
    fast = getattr(numpy_fast, definition.__name__, None) if _choice() == "numpy" else None

    @wraps(definition)
    def compute(array: Any, *arguments: Any) -> Any:
        is_fit = fast is not None and isinstance(array, np.ndarray) and array.dtype.kind == "f"
        if is_fit and not _only_definitions.get():
            return fast(array, *arguments)  # type: ignore[misc]
        return definition(array, *arguments)

    return compute


correlate = _dispatched(reference.correlate)
full_correlate = _dispatched(reference.full_correlate)
correlate_kernel = _dispatched(reference.correlate_kernel)
conv_transpose = _dispatched(reference.conv_transpose)
unfold = _dispatched(reference.unfold)
fold = _dispatched(reference.fold)
max_pool = _dispatched(reference.max_pool)
scatter_winners = _dispatched(reference.scatter_winners)
gather_winners = _dispatched(reference.gather_winners)

"""`float`, `np.float64` and the like as a traced function sees them: types that let a `Number` be."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.verify.tracing.arrays import numbers
from tinygrad_cnn.verify.tracing.number import Number

_ABSTRACT = (np.floating, np.inexact, np.number)


class FloatType(type):
    """The type of a stand-in for the floating-point type `real`: called, it keeps a `Number`, which is an instance."""

    real: Any

    def __call__(cls, x: Any = 0.0) -> Any:
        """A number kept, or made; of a list, an array of them."""
        if isinstance(x, np.ndarray) and (x.size == 1 if cls.real is float else not x.ndim):
            x = x.item()
        if type(x) is Number:
            return x
        if cls.real is float:
            return float(x)
        if isinstance(x, np.ndarray | list | tuple):
            return numbers(x)
        return Number(float(x) if isinstance(x, str) else x)

    def __instancecheck__(cls, x: Any) -> bool:
        return type(x) is Number or isinstance(x, cls.real)

    def __subclasscheck__(cls, kind: type) -> bool:
        return kind in (Number, np.object_) or isinstance(kind, FloatType) or issubclass(kind, cls.real)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.real, name)

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is cls.real or (other is Number and cls.real is np.float64)

    def __hash__(cls) -> int:
        return hash(cls.real)


def _stand_in(real: Any) -> FloatType:
    body = {"real": real, "__doc__": real.__doc__, "__module__": real.__module__}
    if real not in _ABSTRACT:
        body["dtype"] = np.dtype(real)  # so that NumPy takes it for one
    return FloatType(real.__name__, (), body)


FLOAT_TYPES = {
    real: _stand_in(real) for real in (float, np.float16, np.float32, np.float64, np.longdouble, *_ABSTRACT)
}
"""The stand-ins by the real types."""


def is_float_type(x: Any) -> bool:
    """Whether an argument asks for floats as its dtype."""
    if isinstance(x, np.dtype):
        return x.kind == "f"
    return isinstance(x, type) and (isinstance(x, FloatType) or x in FLOAT_TYPES) and hasattr(x, "__mro__")


def real_type(x: Any) -> Any:
    """The type that a stand-in stands for."""
    return x.real if isinstance(x, FloatType) else x

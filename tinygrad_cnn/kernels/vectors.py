"""Sums of scaled vectors in one pass, by the BLAS; NumPy takes two, and memory for what comes between.

Where NumPy brings no OpenBLAS, or the arrays are none of one BLAS dtype without gaps, it is NumPy's passes.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_double, c_float, c_void_p
from functools import cache
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import blas, memory

_OF_BLAS = {np.dtype(np.float32): ("s", c_float), np.dtype(np.float64): ("d", c_double)}


def add_scaled(y: Any, x: Any, factor: float) -> Any:
    """y += factor x; the arrays have one shape."""
    add = _axpy(y.dtype) if factor and _are_vectors(y, x) else None  # times 0 the BLAS would lose a NaN
    if add is None:
        y += np.multiply(x, factor, out=memory.empty_like(x))
    else:
        add(y.size, factor, memory.address_of(x), 1, memory.address_of(y), 1)
    return y


def mix(y: Any, weight: float, x: Any, factor: float) -> Any:
    """y = weight y + factor x; the arrays have one shape."""
    combine = _axpby(y.dtype) if weight and factor and _are_vectors(y, x) else None
    if combine is None:
        y *= weight
        y += np.multiply(x, factor, out=memory.empty_like(x))
    else:
        combine(y.size, factor, memory.address_of(x), 1, weight, memory.address_of(y), 1)
    return y


def _are_vectors(y: Any, x: Any) -> bool:
    return y.dtype is x.dtype and y.flags.carray and x.flags.c_contiguous


@cache
def _axpy(dtype: np.dtype[Any]) -> Callable[..., None] | None:
    """Called with n, the factor, x and its step, y and its step."""
    if dtype not in _OF_BLAS:
        return None
    letter, number = _OF_BLAS[dtype]
    return blas.routine(f"{letter}axpy", int, number, c_void_p, int, c_void_p, int)


@cache
def _axpby(dtype: np.dtype[Any]) -> Callable[..., None] | None:
    """Called with n, the factor of x, x and its step, the factor of y, y and its step."""
    if dtype not in _OF_BLAS:
        return None
    letter, number = _OF_BLAS[dtype]
    return blas.routine(f"{letter}axpby", int, number, c_void_p, int, number, c_void_p, int)

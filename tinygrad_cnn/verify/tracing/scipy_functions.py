"""SciPy's convolutions of traced numbers: its own are compiled for floats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinygrad_cnn.verify.tracing.arrays import as_numbers

_PADDINGS = {"fill": "constant", "wrap": "wrap", "symm": "symmetric"}


def _correlate(name: str, x: Any, k: Any, mode: str, boundary: str = "fill", fill: Any = 0) -> Any:
    """Z[i, j] = sum over u, v of P[i + u, j + v] K[u, v], with P = X padded by the kernel's size less one."""
    x, k = as_numbers(np.asarray(x)), as_numbers(np.asarray(k))
    if x.ndim != k.ndim:
        raise ValueError(f"{name}: in1 and in2 should have the same dimensionality, but have {x.ndim} and {k.ndim}")
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"{name}: mode must be 'full', 'same' or 'valid' but is {mode!r}")
    differences = [n - m for n, m in zip(x.shape, k.shape, strict=True)]
    if mode == "valid" and min(differences, default=0) < 0 < max(differences, default=0):
        raise ValueError(f"{name}: for 'valid', one must be at least as large as the other: {x.shape}, {k.shape}")
    if mode == "valid":  # nothing of the border: where the kernel is the larger one, the array lies inside it
        boundary, fill = "fill", 0
    options = {"constant_values": fill} if boundary == "fill" else {}
    mode_of_padding: Any = _PADDINGS[boundary]
    padded = np.pad(x, [(m - 1, m - 1) for m in k.shape], mode_of_padding, **options)
    z = np.tensordot(sliding_window_view(padded, k.shape), k, axes=k.ndim)
    if mode == "full":
        return z
    if mode == "valid":
        return z[tuple(slice(min(n, m) - 1, max(n, m)) for n, m in zip(x.shape, k.shape, strict=True))]
    # Of an even kernel there are two middles, and correlate2d takes the other one.
    middles = [m // 2 if name == "correlate2d" else (m - 1) // 2 for m in k.shape]
    return z[tuple(slice(start, start + n) for start, n in zip(middles, x.shape, strict=True))]


def _of_any_rank(name: str, flips: bool) -> Callable[..., Any]:
    def function(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
        return _correlate(name, in1, np.flip(in2) if flips else in2, mode)

    return function


def _of_rank_two(name: str, flips: bool) -> Callable[..., Any]:
    def function(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
        return _correlate(name, in1, np.flip(in2) if flips else in2, mode, boundary, fillvalue)

    return function


SCIPY_FUNCTIONS = {
    "scipy.signal.correlate": _of_any_rank("correlate", flips=False),
    "scipy.signal.convolve": _of_any_rank("convolve", flips=True),
    "scipy.signal.correlate2d": _of_rank_two("correlate2d", flips=False),
    "scipy.signal.convolve2d": _of_rank_two("convolve2d", flips=True),
}
"""By SciPy's names, which needn't be installed."""

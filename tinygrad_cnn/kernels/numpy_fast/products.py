"""Matrix products on NumPy's floating-point arrays, each thread making some rows or columns of the result.

A product that OpenBLAS spreads over threads of its own leaves these awake for a tenth of a second, in which they take
the cores from every other pool. So it is given one thread, and the work is spread here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.kernels import memory, threads

SMALL = 1 << 22
"""Multiplications below which another thread is not worth waking."""


def matmul(x: Any, y: Any) -> Any:
    """Z = X Y with x (M, K) and y (K, N)."""
    rows, columns = x.shape[0], y.shape[1]
    z = memory.empty((rows, columns), np.result_type(x, y))
    parts = 1 if x.size * columns < SMALL else threads.get_num_threads()

    def some_rows(part: slice) -> None:
        np.matmul(x[part], y, out=z[part])

    def some_columns(part: slice) -> None:
        np.matmul(x, y[:, part], out=z[:, part])

    with threads.one_blas_thread():
        if rows >= columns:
            threads.run(some_rows, _cut(rows, parts))
        else:
            threads.run(some_columns, _cut(columns, parts))
    return z


def _cut(count: int, parts: int) -> list[slice]:
    """So many numbers in equal parts, all but the last one multiples of 16, the height of a BLAS's innermost block."""
    step = max(-(-count // (parts * 16)) * 16, 1)
    return [slice(start, min(start + step, count)) for start in range(0, count, step)] or [slice(0, 0)]

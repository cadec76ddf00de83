"""Fast substitutes for the definitions, by the oneDNN library: same names, same arguments, on float32 arrays.

A kernel gives NotImplemented for what the library can't do, or not faster than NumPy.
"""

from __future__ import annotations

from tinygrad_cnn.kernels.onednn.pooling import avg_pool, max_pool, scatter_shares, scatter_winners

__all__ = ["avg_pool", "max_pool", "scatter_shares", "scatter_winners", "unavailable"]


def unavailable() -> str | None:
    """Why the library can't be used, as a clause; None where it can."""
    return "no binding yet"

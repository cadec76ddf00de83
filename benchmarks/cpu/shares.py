"""Where the time of a training step goes: into convolutions, into other kernels, and into all the rest.

Rates are of the multiplications that the definition needs; 3x3 kernels take about half of them.

What is left beside convolutions at the speed of the machine is what a library can still gain.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import wraps
from math import prod
from time import perf_counter
from typing import Any, NamedTuple

STEPS = 15

CONVOLUTIONS = ("correlate", "full_correlate", "correlate_kernel", "conv_transpose")
OTHERS = (
    "max_pool", "scatter_winners", "avg_pool", "scatter_shares", "normalize", "normalize_gradient", "affine",
    "cross_entropy_of_labels",
)  # fmt: skip


class Shares(NamedTuple):
    """Seconds of a step, of its convolutions, and of its pools, normalisations and cross entropy; in GFLOP/s."""

    step: float
    convolutions: float
    others: float
    rate: float


def measure(call: Callable[[], object], modules: list[Any]) -> Shares:
    """The shares of a step of this library, whose kernels are the functions of these modules."""
    spent = {"convolutions": 0.0, "others": 0.0, "flops": 0.0}
    before = [(module, name, getattr(module, name)) for module in modules for name in (*CONVOLUTIONS, *OTHERS)
              if hasattr(module, name)]  # fmt: skip

    def timed(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(kernel)
        def compute(*arguments: Any) -> Any:
            start = perf_counter()
            z = kernel(*arguments)
            kind = "convolutions" if name in CONVOLUTIONS else "others"
            if z is not NotImplemented:
                spent[kind] += perf_counter() - start
                spent["flops"] += _flops(name, z, *arguments) if kind == "convolutions" else 0
            return z

        return compute

    try:
        for module, name, kernel in before:
            setattr(module, name, timed(name, kernel))
        steps = []
        for _ in range(STEPS):
            start = perf_counter()
            call()
            steps.append(perf_counter() - start)
    finally:
        for module, name, kernel in before:
            setattr(module, name, kernel)
    convolutions = spent["convolutions"] / STEPS
    return Shares(statistics.median(steps), convolutions, spent["others"] / STEPS, _rate(spent["flops"], convolutions))


def _flops(name: str, z: Any, first: Any, second: Any, *_: Any) -> float:
    """Of a convolution by its definition: each of x's or dZ's or Z's numbers times those of a window or a filter."""
    if name == "correlate":
        return 2.0 * z.size * prod(second.shape[1:])
    if name == "correlate_kernel":
        return 2.0 * second.size * prod(z.shape[1:])
    return 2.0 * first.size * prod(second.shape[1:])


def _rate(flops: float, seconds: float) -> float:
    return flops / STEPS / seconds / 1e9 if seconds else 0.0

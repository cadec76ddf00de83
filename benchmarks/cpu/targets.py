"""What the library has set itself: ratios to PyTorch eager with 2 threads, and whether they were met."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from benchmarks.cpu.candidates import BASELINE

Records = dict[str, Any]
Ratios = dict[str, float]  # by the name of the case


class Target(NamedTuple):
    """A limit for the fast kernels and one for NumPy's, on a figure made from the ratios of some cases."""

    title: str
    group: str
    fast: float
    numpy: float
    figure: Callable[[Ratios], float]
    cases: str = ""  # the beginning of their names
    growth: bool = False  # the figure is made of the candidate's own costs of an element instead of ratios


class Verdict(NamedTuple):
    """A target's figure for a candidate, the limit, and which case was the worst."""

    title: str
    limit: float
    figure: float
    worst: str

    @property
    def met(self) -> bool:
        return self.figure <= self.limit


def largest(ratios: Ratios) -> float:
    return max(ratios.values())


def geometric_mean(ratios: Ratios) -> float:
    return statistics.geometric_mean(ratios.values())


def spread(costs: Ratios) -> float:
    """The cost of an element in the largest case over the lowest in any."""
    return list(costs.values())[-1] / min(costs.values())


_OPERATIONS = ["max-pool", "ReLU", "batch norm", "softmax cross-entropy", "SGD", "Adam", "conv-transpose"]

TARGETS = [
    Target("LeNet step, batch 64", "lenet", 0.45, 1.4, largest),
    Target("small VGG step, batch 64", "small-vgg", 0.50, 1.3, largest),
    Target("ResNet-18-like step", "resnet", 0.70, 1.6, largest),
    Target("U-Net-like step", "u-net", 0.70, 1.6, largest),
    Target("27 convolution entries, geometric mean", "convolutions", 0.60, 1.2, geometric_mean),
    Target("27 convolution entries, the largest", "convolutions", 1.0, float("inf"), largest),
    *(Target(f"{name}, forward + backward", "operations", 0.8, 1.5, largest, name) for name in _OPERATIONS),
    Target("scalar MLP, 640 operations", "overhead", 0.10, 0.10, largest, "scalar MLP"),
    Target("MLP 64-32-10 on one digit", "overhead", 0.35, 0.35, largest, "MLP"),
    Target("conv (1,1,8,8 / 8,3)", "overhead", 1.0, 1.0, largest, "conv"),
    Target("inference, LeNet, batch 1", "inference", 0.4, 0.8, largest),
    Target("peak memory of a training step", "memory", 1.0, 1.5, largest),
    # Flat to a quarter: what a larger working set costs once it leaves the caches is no growth.
    Target("cost of an image, batch 1 to 1,024: the last over the lowest", "batches", 1.25, 1.25, spread, growth=True),
    Target("cost of an operation, graphs of 10 to 10^6: same", "chains", 1.25, 1.25, spread, growth=True),
]


def quartiles(values: Sequence[float], baseline: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile of the ratios, round by round; a candidate may have fewer rounds."""
    ratios = [a / b for a, b in zip(values, baseline, strict=False)]
    if len(ratios) == 1:
        return ratios[0], ratios[0], ratios[0]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return low, middle, high


def values_of(case: Records, candidate: str) -> Sequence[float]:
    """The values of a candidate in a case; none where it took no part."""
    return case["candidates"].get(candidate, {}).get("values", ())


def ratios_of(cases: Records, candidate: str, growth: bool = False) -> Ratios:
    """The candidate's median ratio in every case that it took part in; with `growth`, its cost of an element."""
    ratios = {}
    for name, case in cases.items():
        mine, theirs = values_of(case, candidate), values_of(case, BASELINE)
        if mine and growth:
            ratios[name] = statistics.median(mine) / case["elements"]
        elif mine and theirs:
            ratios[name] = quartiles(mine, theirs)[1]
    return ratios


def verdict(target: Target, records: Records, candidate: str, fast: bool, threads: str = "2") -> Verdict | None:
    """How a candidate does on a target; None unless it took part in all of the target's cases."""
    cases = records.get(target.group, {}).get(threads, {}).get("cases", {})
    cases = {name: case for name, case in cases.items() if name.startswith(target.cases)}
    ratios = ratios_of(cases, candidate, target.growth)
    if not cases or len(ratios) < len(cases):
        return None
    worst = max(ratios, key=lambda name: ratios[name])
    return Verdict(target.title, target.fast if fast else target.numpy, target.figure(ratios), worst)

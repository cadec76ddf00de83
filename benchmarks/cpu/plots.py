"""The plots: ratios as bars with their quartiles, growth as curves, as SVG; nothing where matplotlib is missing."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from benchmarks.cpu.candidates import BASELINE, CANDIDATES
from benchmarks.cpu.groups import GROUPS
from benchmarks.cpu.targets import Records, quartiles, values_of

BARS = {
    "steps": ["lenet", "small-vgg", "resnet", "u-net", "inference"],
    "convolutions": ["convolutions"],
    "operations": ["operations", "overhead"],
    "memory": ["memory"],
}
CURVES = {"growth": ["chains", "batches"]}
SHOWN = ["oneDNN", "NumPy", "PyTorch, channels-last", "torch.compile", "JAX jit"]  # the others are far to the right
COLOURS = ["#0b6e4f", "#6fb98f", "#c0392b", "#e08e79", "#7f8c8d"]


def draw(records: Records, folder: Path, threads: str = "2") -> None:
    """Write `cpu-steps.svg`, `cpu-convolutions.svg` and so on for the groups that have numbers."""
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "benchmarks", "svg.fonttype": "none", "font.size": 9})
    for name, groups in BARS.items():
        cases = {t: c for g in groups for t, c in records.get(g, {}).get(threads, {}).get("cases", {}).items()}
        if cases:
            _save(_bars(cases, f"Ratio to {BASELINE} eager, {threads} threads"), folder / f"cpu-{name}.svg")
    for name, groups in CURVES.items():
        if all(threads in records.get(group, {}) for group in groups):
            _save(_curves({g: records[g][threads]["cases"] for g in groups}), folder / f"cpu-{name}.svg")


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})


def _bars(cases: Records, title: str) -> Any:
    from matplotlib.figure import Figure

    present = [name for name in SHOWN if any(values_of(case, name) for case in cases.values())]
    height = 0.8 / max(len(present), 1)
    figure = Figure(figsize=(7.5, 0.8 + len(cases) * (0.14 * len(present) + 0.12)))
    axes = figure.add_subplot()
    for k, name in enumerate(present):
        for i, case in enumerate(cases.values()):
            mine, theirs = values_of(case, name), values_of(case, BASELINE)
            if mine and theirs:
                low, middle, high = quartiles(mine, theirs)
                axes.barh(
                    i + (k - (len(present) - 1) / 2) * height,
                    middle - 1,
                    height,
                    left=1,
                    color=COLOURS[SHOWN.index(name)],
                    xerr=[[middle - low], [high - middle]],
                    error_kw={"linewidth": 0.7},
                )
        axes.barh(0, 0, left=1, color=COLOURS[SHOWN.index(name)], label=name)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(cases)), list(cases))
    axes.set_ylim(len(cases) - 0.5, -0.5)
    axes.set_xscale("log")
    ticks = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel(f"{title}; below 1 is faster")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return figure


def _curves(groups: Records) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 3.2), layout="constrained")
    for position, (group, cases) in enumerate(groups.items()):
        axes = figure.add_subplot(1, len(groups), position + 1)
        for name in CANDIDATES:
            points = [(c["elements"], statistics.median(v)) for c in cases.values() if (v := values_of(c, name))]
            if points:
                axes.plot([n for n, _ in points], [1e6 * t / n for n, t in points], marker=".", label=name)
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("operations in the graph" if group == "chains" else "images in the batch")
        axes.set_ylabel("microseconds for each")
        axes.set_title(GROUPS[group].title.partition(":")[0], fontsize=9)
        axes.legend(frameon=False)
    return figure

"""The tables, from the numbers alone: `cpu.md`."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks.cpu.candidates import BASELINE, CANDIDATES
from benchmarks.cpu.groups import GROUPS
from benchmarks.cpu.targets import TARGETS, Records, Target, quartiles, values_of, verdict
from benchmarks.timing import readable

METHOD = """\
`python -m benchmarks cpu`. Every candidate runs in a process of its own, with the same number of threads and
the same weights and data; its results and gradients were compared with PyTorch's before. Every round visits all
candidates in turn, one computes at a time, and times a block of calls. Figures are ratios of time to PyTorch eager in
the same round, median (quartiles): below 1 is faster. `oneDNN`, `NumPy` and `definition` are this library with these
kernels; `channels-last` is given images in that order of memory, `compiled` runs under `tg.compile`; JAX and tinygrad
run jitted. Rates in GFLOP/s count the multiplications of the definition, of which this library's 3x3 kernels take about
half."""


def text(records: Records) -> str:
    """The whole report."""
    parts = ["# Against the peers on a CPU", METHOD, *_targets(records)]
    for name, group in GROUPS.items():
        for threads, record in sorted(records.get(name, {}).items(), reverse=True):
            parts += [f"## {group.title}, {threads} thread{'s' if threads != '1' else ''}", *_record(name, record)]
    return "\n\n".join(parts) + "\n"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


# The summary

VARIANTS = {"fast": ["oneDNN", "oneDNN, channels-last", "oneDNN, compiled"]}
VARIANTS["NumPy"] = [name.replace("oneDNN", "NumPy") for name in VARIANTS["fast"]]


def _targets(records: Records) -> Iterator[str]:
    yield "## Targets, 2 threads"
    for kernels, names in VARIANTS.items():
        rows = [row for target in TARGETS if (row := _target_row(target, records, names, kernels == "fast"))]
        if rows:
            met, other = sum(row[3] == "met" for row in rows), sum(row[3].startswith("met ") for row in rows)
            further = f", {other} more compiled or channels-last" if other else ""
            yield f"With {'oneDNN' if kernels == 'fast' else 'NumPy alone'}: {met} of {len(rows)} met{further}."
            yield table(["target", "limit", "measured", "", *(name.rpartition(", ")[2] for name in names[1:])], rows)


def _target_row(target: Target, records: Records, names: list[str], fast: bool) -> list[str] | None:
    plain, *others = (verdict(target, records, name, fast) for name in names)
    if plain is None or plain.limit == float("inf"):
        return None
    measured = f"{plain.figure:.2f}" + ("" if _has_one_case(target, records) else f" ({plain.worst})")
    shown = ["" if other is None else f"{other.figure:.2f}" for other in others]
    way = next((name.partition(",")[2] for name, v in zip(names, (plain, *others), strict=True) if v and v.met), None)
    return [target.title, f"{plain.limit:.2f}", measured, "**missed**" if way is None else f"met{way}", *shown]


def _has_one_case(target: Target, records: Records) -> bool:
    cases = records[target.group]["2"]["cases"]
    return sum(name.startswith(target.cases) for name in cases) == 1 or target.figure.__name__ != "largest"


# A group


def _record(name: str, record: Records) -> Iterator[str]:
    versions = ", ".join(f"{package} {version}" for package, version in record["versions"].items())
    yield f"{record['date']}, {record['seconds']} s. {record['environment']}; {versions}."
    cases = record["cases"]
    if GROUPS[name].measure == "shares":
        yield table(["", "kernels", "a step", "convolutions", "at GFLOP/s", *_OTHERS], list(_shares(cases)))
        return
    present = [c for c in CANDIDATES if c != BASELINE and any(values_of(case, c) for case in cases.values())]
    unit = _bytes if GROUPS[name].measure == "memory" else readable
    rows = []
    for title, case in cases.items():
        own = values_of(case, BASELINE)
        baseline = unit(statistics.median(own)) if own else ""
        rows.append([title, baseline, *(_entry(values_of(case, c), own, unit) for c in present)])
    yield table(["", BASELINE, *present], rows)
    rates = [row for title, case in cases.items() if (row := _rates(title, case, present))]
    if rates:
        yield "Of what is needed at least, in GFLOP/s and in GB/s between the processor and memory or caches:"
        yield table(["", BASELINE, *present], rates)
    if any(case.get("elements", 1) > 1 for case in cases.values()):
        yield "Time of one element:"
        yield table(["", *(shown := [BASELINE, *present])], [_costs(t, case, shown) for t, case in cases.items()])
    if notes := list(_notes(record)):
        yield "\n".join(f"- {note}" for note in notes)


_OTHERS = ("pooling, normalisation, cross entropy", "the rest: elementwise, sums, products, optimiser, recording")


def _shares(cases: Records) -> Iterator[list[str]]:
    for title, case in cases.items():
        for kernels, entry in case["candidates"].items():
            step, convolutions, others, rate = entry["values"]
            parts = convolutions, others, step - convolutions - others
            first, *further = (f"{readable(part)}, {part / step:.0%}" for part in parts)
            yield [title, kernels, readable(step), first, f"{rate:.0f}", *further]


def _entry(values: Any, baseline: Any, unit: Any) -> str:
    if not values or not baseline:
        return unit(statistics.median(values)) if values else ""
    low, middle, high = quartiles(values, baseline)
    return f"{_short(middle)} ({_short(low)} to {_short(high)})"


def _short(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 9.995 else f"{ratio:.3g}"


def _bytes(count: float) -> str:
    return f"{count / 2**20:.1f} MB"


def _rates(title: str, case: Records, present: list[str]) -> list[str] | None:
    flops, moved = case.get("flops", 0), case.get("bytes", 0)
    if not flops and not moved:
        return None
    row = [title]
    for candidate in (BASELINE, *present):
        values = values_of(case, candidate)
        rates = [amount / statistics.median(values) / 1e9 for amount in (flops, moved) if amount and values]
        row.append(" / ".join(f"{rate:.0f}" if rate >= 9.95 else f"{rate:.1f}" for rate in rates))
    return row


def _costs(title: str, case: Records, shown: list[str]) -> list[str]:
    costs = [values_of(case, c) for c in shown]
    return [title, *(readable(statistics.median(v) / case["elements"]) if v else "" for v in costs)]


def _notes(record: Records) -> Iterator[str]:
    """Who took no part, and why; a reason is given once with all its cases."""
    for candidate, reason in record["absent"].items():
        yield f"{candidate}: {reason}."
    cases: dict[tuple[str, str], list[str]] = {}
    for title, case in record["cases"].items():
        for candidate, entry in case["candidates"].items():
            if "reason" in entry:
                cases.setdefault((candidate, entry["reason"]), []).append(title)
    for (candidate, reason), titles in cases.items():
        named = "; ".join(titles) if len(titles) < 4 else f"{len(titles)} cases"
        yield f"{candidate}, {named}: {reason}."

"""The command line: which groups are measured, with how many threads, and where the numbers are kept."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cpu import plots, report
from benchmarks.cpu.groups import GROUPS
from benchmarks.cpu.measure import Pool, measure
from benchmarks.timing import RESULTS


def main(arguments: Sequence[str] = ()) -> None:
    """Measure, and write `cpu.json`, `cpu.md` and plots."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks cpu")
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1], help="thread counts, one after the other")
    names = list(GROUPS)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="GROUP", help=", ".join(names))
    parser.add_argument("--candidates", nargs="+", help="only these, and PyTorch")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--report-only", action="store_true", help="tables and plots from the numbers that are there")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder to write to")
    options = parser.parse_args(arguments)
    options.results.mkdir(exist_ok=True)
    path = options.results / "cpu.json"
    records = json.loads(path.read_text()) if path.exists() else {}
    if not options.report_only:
        for threads in options.threads:
            pool = Pool(threads)
            for name in options.only:
                group = GROUPS[name]
                if options.candidates:
                    kept = [c for c in group.candidates if c in (*options.candidates, "PyTorch")]
                    group = group._replace(candidates=kept)
                record = measure(group, pool, options.quick)
                records.setdefault(name, {})[str(threads)] = record
                path.write_text(json.dumps(records, indent=1) + "\n")
                print(f"{name}, {threads} threads: {record['seconds']} s", flush=True)
            pool.stop()
    (options.results / "cpu.md").write_text(report.text(records))
    plots.draw(records, options.results)

"""`python -m benchmarks NAME`: run one of the benchmarks."""

from __future__ import annotations

import argparse
import importlib

NAMES = {
    "overhead": "scalar and small-tensor graphs, and the import, against PyTorch and NumPy",
    "pictures": "drawing graphs, writing pages and summaries, and how a page of 2,000 boxes answers",
    "verification": "check_rule over its default family, derive, scalar_graph",
}


def main() -> None:
    """Run the benchmark that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=NAMES, help="; ".join(f"{name}: {text}" for name, text in NAMES.items()))
    importlib.import_module(f"benchmarks.{parser.parse_args().name}").main()


if __name__ == "__main__":
    main()

"""`python -m benchmarks NAME`: run one of the benchmarks."""

from __future__ import annotations

import argparse
import importlib

NAMES = {
    "cpu": "the library against its peers: operations, training steps, overhead, memory; see --help behind the name",
    "pictures": "drawing graphs, writing pages and summaries, and how a page of 2,000 boxes answers",
    "verification": "check_rule over its default family, derive, scalar_graph",
}


def main() -> None:
    """Run the benchmark that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=NAMES, help="; ".join(f"{name}: {text}" for name, text in NAMES.items()))
    parser.add_argument("options", nargs=argparse.REMAINDER, help="of that benchmark")
    options = parser.parse_args()
    if options.name == "cpu":
        from benchmarks.cpu.command import main as compare

        compare(options.options)
    elif options.options:
        parser.error(f"{options.name} takes no options")
    else:
        importlib.import_module(f"benchmarks.{options.name}").main()


if __name__ == "__main__":
    main()

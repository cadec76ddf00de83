"""The command `tinygrad-cnn`, also `python -m tinygrad_cnn`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tinygrad_cnn import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    It is 0, or 1 where a check failed, 2 for a wrong option, device or folder, and 130 for Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        print("\ntinygrad-cnn: interrupted", file=sys.stderr)
        return 130
    except (OSError, RuntimeError, ValueError) as error:
        print(f"tinygrad-cnn: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinygrad-cnn", description="An autograd engine for convolutional networks, to use, to read and to check."
    )
    parser.add_argument("--version", action="version", version=f"tinygrad_cnn {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="command")
    demo = commands.add_parser(
        "demo",
        help="train a CNN on handwritten digits, verify its backward formulas exactly, draw its graph",
        description="Train a small CNN on real handwritten digits, verify dX, dK and dB of its first layer against the "
        "lecture's formulas in exact arithmetic, and draw the graph of a training step, the loss, the kernels "
        "and the feature maps. Needs no network.",
    )
    demo.add_argument("--epochs", type=_positive, default=15, metavar="N", help="rounds over the digits (default 15)")
    demo.add_argument("--device", default="cpu", metavar="D", help="cpu, gpu or gpu:1 (default cpu)")
    demo.add_argument("--seed", type=_seed, default=0, metavar="S", help="the same seed, the same numbers (default 0)")
    demo.add_argument(
        "--out", type=Path, default=Path("tinygrad-cnn-demo"), metavar="DIR", help="default tinygrad-cnn-demo/"
    )
    demo.set_defaults(run=_demo)
    return parser


def _demo(options: argparse.Namespace) -> int:
    from tinygrad_cnn import demo

    return demo.run(options.epochs, options.device, options.seed, options.out)


def _positive(text: str) -> int:
    return _at_least(text, 1)


def _seed(text: str) -> int:
    return _at_least(text, 0)


def _at_least(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"expected an integer of {least} or more but got {text!r}")
    return number

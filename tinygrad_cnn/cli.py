"""The command `tinygrad-cnn`, also `python -m tinygrad_cnn`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from math import inf, nan
from pathlib import Path

from tinygrad_cnn import __version__

FORMATS = ("text", "json", "html", "junit", "gradescope")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    It is 0, or 1 where a check failed, 2 for a wrong option, device, folder or exercise, 130 for Ctrl-C, and 141 where
    the reader of the output left.
    """
    options = _parser().parse_args(arguments)
    try:
        status = int(options.run(options))
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("\ntinygrad-cnn: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # who reads, `head` for one, has seen enough; nor may Python's last flush fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
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
    _add_verify(commands)
    return parser


def _add_verify(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verify = commands.add_parser(
        "verify",
        help="grade a student's backward formulas, or check the lectures' worked examples",
        description="Grade the functions in a student's file, a script or a notebook, exercise by exercise, each in a "
        "process of its own with limits. The exit status is 0 where everything is right, 1 where something is not, "
        "and 2 where the command itself is wrong.",
        epilog="docs/grading.md tells of Gradescope, otter-grader, nbgrader and pytest, and of exercises of your own.",
    )
    verify.add_argument(
        "target",
        nargs="?",
        metavar="FILE | lectures",
        help="the student's .py or .ipynb; the word lectures checks the worked examples of the lecture decks (for a "
        "file of that name write ./lectures)",
    )
    verify.add_argument(
        "--exercise",
        action="append",
        default=[],
        metavar="NAME",
        help="grade this exercise, whether the file has its functions or not; may be repeated (default: the exercises "
        "that the file has functions of)",
    )
    verify.add_argument("--exercises", type=Path, metavar="FILE", help="a Python file with exercises of your own")
    verify.add_argument("--format", choices=FORMATS, default="text", help="of the report (default text)")
    verify.add_argument("--out", type=Path, metavar="FILE", help="write the report into this file, and one line here")
    verify.add_argument(
        "--timeout", type=_seconds, default=60.0, metavar="S", help="seconds for each exercise (default 60)"
    )
    verify.add_argument(
        "--memory", type=_positive, default=2048, metavar="MB", help="megabytes for each exercise (default 2048)"
    )
    verify.add_argument("--list", action="store_true", help="list the exercises, with --exercise what they ask for")
    verify.add_argument("--mistakes", action="store_true", help="list the mistakes that the checker knows by name")
    verify.set_defaults(run=_verify)


def _demo(options: argparse.Namespace) -> int:
    from tinygrad_cnn import demo

    return demo.run(options.epochs, options.device, options.seed, options.out)


def _verify(options: argparse.Namespace) -> int:
    from tinygrad_cnn.verify.grading import command

    return command.run(options)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = nan
    if not 0 < seconds < inf:
        raise argparse.ArgumentTypeError(f"expected a positive number of seconds but got {text!r}")
    return seconds


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

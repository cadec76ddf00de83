"""The command `tinygrad-cnn`, also `python -m tinygrad_cnn`."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from math import inf, nan
from pathlib import Path
from typing import TYPE_CHECKING

from tinygrad_cnn import __version__

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]

FORMATS = ("text", "json", "html", "junit", "gradescope")
TABLE_FORMATS = ("text", "markdown", "html", "json")
DIRECTIONS = ("LR", "TB", "RL", "BT")
PADDING_MODES = ("zeros", "reflect", "replicate", "circular", "symmetric")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    It is 0, or 1 where a check failed, 2 for a wrong option, device, folder, exercise or script and for a package that
    is missing, 130 for Ctrl-C, and 141 where the reader of the output left.
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
    except (ImportError, OSError, RuntimeError, ValueError) as error:
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
    demo.add_argument("--seed", type=_count, default=0, metavar="S", help="the same seed, the same numbers (default 0)")
    demo.add_argument(
        "--out", type=Path, default=Path("tinygrad-cnn-demo"), metavar="DIR", help="default tinygrad-cnn-demo/"
    )
    demo.set_defaults(run=_demo)
    _add_verify(commands)
    _add_draw(commands)
    _add_summary(commands)
    _add_convolution(commands)
    return parser


def _add_verify(commands: _Commands) -> None:
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


def _add_draw(commands: _Commands) -> None:
    draw = commands.add_parser(
        "draw",
        help="draw the graph behind a tensor of a script, or of a model",
        description="Run a script and draw the graph behind one of its tensors, or what one of its models computes.",
    )
    _add_target(draw, "a tensor with a graph, or a model; default: the tensor recorded last, else the only model")
    draw.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="a picture (.svg, .png, .pdf), DOT text (.dot) or an interactive page (.html); default SCRIPT-NAME.svg",
    )
    draw.add_argument(
        "--backward",
        action="store_true",
        help="walk back first, from the sum of the tensor's or the model's output, where the script did not",
    )
    draw.add_argument("--values", action="store_true", help="show what the tensors hold")
    draw.add_argument("--gradients", action="store_true", help="show their gradients")
    draw.add_argument("--statistics", action="store_true", help="show minimum, mean, maximum and more of them")
    draw.add_argument("--depth", type=_count, metavar="N", help="fold modules that lie in N others (0: the model)")
    draw.add_argument(
        "--roll",
        action=argparse.BooleanOptionalAction,
        help="show repeated blocks and long chains once (default: where no numbers are shown)",
    )
    draw.add_argument(
        "--budget", type=_positive, default=300, metavar="N", help="fold a graph of more nodes (default 300)"
    )
    draw.add_argument(
        "--direction", choices=DIRECTIONS, help="right, down, left or up (default LR, TB where it is large or a page)"
    )
    _add_open(draw)
    draw.set_defaults(run=_draw)


def _add_summary(commands: _Commands) -> None:
    summary = commands.add_parser(
        "summary",
        help="list a model's layers: shapes, parameters, multiply-adds, memory, receptive fields",
        description="Run a script and list the layers of one of its models for an input of a given shape.",
    )
    _add_target(summary, "a model; default: the only one")
    summary.add_argument("--format", choices=TABLE_FORMATS, help="of the table (default: as FILE ends, else text)")
    summary.add_argument(
        "--depth", type=_count, metavar="N", help="one row for modules that lie in N others (1: the model's layers)"
    )
    summary.add_argument("--channels-last", action="store_true", help="(28, 28, 8) in place of (8, 28, 28)")
    summary.add_argument("--out", type=Path, metavar="FILE", help="write the table into FILE (.txt, .md, .html, .json)")
    _add_open(summary)
    summary.set_defaults(run=_summary)


def _add_convolution(commands: _Commands) -> None:
    convolution = commands.add_parser(
        "convolution",
        help="run an image kernel over a photograph, as a figure or as a page that shows every product",
        description="Run one of the gallery's kernels over a picture. A .png, .pdf or .svg shows the kernel, the "
        "picture and what became of it; a .html is a page in which the kernel slides over a small picture, forward and "
        "backward.",
    )
    convolution.add_argument("--kernel", default="sobel", metavar="NAME", help="see --list (default sobel)")
    convolution.add_argument("--image", type=Path, metavar="FILE", help="a picture (default: one that is built in)")
    convolution.add_argument("--out", type=Path, metavar="FILE", help=".png, .pdf, .svg or .html; default KERNEL.png")
    convolution.add_argument(
        "--padding-mode", choices=PADDING_MODES, default="replicate", help="at the border (default replicate)"
    )
    convolution.add_argument(
        "--size", type=_positive, metavar="N", help="pixels of the longer side, at most (default 512, in a page 12)"
    )
    convolution.add_argument("--list", action="store_true", help="list the kernels and what each one does")
    _add_open(convolution)
    convolution.set_defaults(run=_convolution)


def _add_target(parser: argparse.ArgumentParser, what: str) -> None:
    """The script and what to take from it."""
    parser.add_argument(
        "target",
        metavar="SCRIPT[:NAME]",
        help=f"a Python file and the name of {what}. A function or a class that needs no argument is called. The "
        'script is run like an imported module, without what stands under `if __name__ == "__main__":`',
    )
    parser.add_argument(
        "--input",
        type=_input,
        action="append",
        default=[],
        metavar="SHAPE",
        help="the shape of the model's input, as 1,3,32,32, or a variable of the script; again for a second input",
    )
    parser.add_argument("--main", action="store_true", help='run also what stands under `if __name__ == "__main__":`')


def _add_open(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--open", action="store_true", help="open the result")


def _demo(options: argparse.Namespace) -> int:
    from tinygrad_cnn import demo

    return demo.run(options.epochs, options.device, options.seed, options.out)


def _verify(options: argparse.Namespace) -> int:
    from tinygrad_cnn.verify.grading import command

    return command.run(options)


def _draw(options: argparse.Namespace) -> int:
    from tinygrad_cnn.viz.command_line import draw

    return draw.run(options)


def _summary(options: argparse.Namespace) -> int:
    from tinygrad_cnn.viz.command_line import summary

    return summary.run(options)


def _convolution(options: argparse.Namespace) -> int:
    from tinygrad_cnn.viz.command_line import convolution

    return convolution.run(options)


def _input(text: str) -> tuple[int, ...] | str:
    """A shape, or a name that the script will have."""
    if re.fullmatch(r"[^\W\d]\w*(\.\w+)*", text):
        return text
    try:
        return tuple(int(size) for size in text.strip("()").rstrip(",").split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected sizes of axes, as 1,3,32,32, but got {text!r}") from None


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


def _count(text: str) -> int:
    return _at_least(text, 0)


def _at_least(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"expected an integer of {least} or more but got {text!r}")
    return number

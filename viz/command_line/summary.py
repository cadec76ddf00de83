"""`tinygrad-cnn summary`: the table of a script's model, printed or written into a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shutil import get_terminal_size
from typing import Protocol

from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.verify.page import document
from tinygrad_cnn.viz.command_line.output import check_ending, finish, let_print_anything
from tinygrad_cnn.viz.command_line.scripts import inputs_of, running, split_target
from tinygrad_cnn.viz.summaries import Summary, summary

ENDINGS = {"txt": "text", "md": "markdown", "html": "html", "json": "json"}
"""The format that a file's ending stands for."""

FILE_WIDTH = 120


class Options(Protocol):
    """The options of the command line."""

    target: str
    input: Sequence[tuple[int, ...] | str]
    format: str | None
    depth: int | None
    channels_last: bool
    out: Path | None
    main: bool
    open: bool


def run(options: Options) -> int:
    """Run the script and list the layers of its model; returns the exit status.

    Raises:
        ValueError: no such script or model, one that raised an exception, no input.
        OSError: the table can't be written.
    """
    let_print_anything()
    path, name = split_target(options.target)
    out = options.out
    if out is not None and options.format is None:
        check_ending("summary", out, tuple(ENDINGS))
    with running(path, options.main) as script:
        name, model, _ = script.model(name)
        if not isinstance(model, Module):
            raise ValueError(f"{name} is a {type(model).__name__} and no model")
        if not options.input:
            raise ValueError(f"{name}: give the shape of its input, as --input 1,3,32,32")
        found = summary(model, inputs_of(script, options.input), options.depth)
    if out is None and options.open:
        out = Path(f"{path.stem}-{name}.html")
    form = options.format or (ENDINGS[out.suffix.lower().removeprefix(".")] if out else "text")
    text = _written(found, form, options.channels_last, FILE_WIDTH if out else get_terminal_size().columns)
    if out is None:
        print(text)
        return 0
    out.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    finish(out, f"{path.name}:{name}, {found.parameters:,} parameters\n{out}: the table", options.open)
    return 0


def _written(found: Summary, form: str, channels_last: bool, width: int) -> str:
    match form:
        case "html":
            return document(found.title, found.to_html(channels_last))
        case "markdown":
            return found.to_markdown(channels_last)
        case "json":
            return found.to_json(indent=1)
        case _:
            return found.to_text(width, channels_last)

"""From DOT text to a picture: by the program `dot`, by pygraphviz, which brings Graphviz along, or by the browser."""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from graphviz import Digraph

__doctest_requires__ = {"render": ["graphviz"]}

PICTURES = ("svg", "png", "pdf")
TEXTS = ("dot", "gv")

# A process of its own: what Graphviz and fontconfig print stays away from the user's terminal, as with `dot`.
_PYGRAPHVIZ = """
import sys
import pygraphviz
picture = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode()).draw(format=sys.argv[1], prog="dot")
sys.stdout.buffer.write(picture)
"""


@dataclass(frozen=True, slots=True)
class Rendering:
    """What `render` did.

    Attributes:
        path: the file that was written: the picture, or the DOT text where it could not be drawn.
        by: "dot" or "pygraphviz", which drew it, "the browser" for an interactive page, or "" for DOT text.
        message: one sentence that says so, and what is missing.
    """

    path: Path
    by: str
    message: str

    def __str__(self) -> str:
        return self.message


def render(digraph: Digraph, path: str | PathLike[str], format: str | None = None) -> Rendering:
    """Write a drawn graph as a picture.

    The program `dot` draws it where there is one, else pygraphviz, which needs no Graphviz on the system. Without
    either, an interactive page is written beside `path` (with the ending .html), which the browser draws, and a warning
    says what to install; for a digraph that `draw` didn't make, it is the DOT text (with the ending .dot).

    Args:
        digraph: what `draw` returned.
        path: the file to write; its folder must exist.
        format: "svg", "png", "pdf", or "dot" or "gv" for the text; None goes by the ending of `path`.

    Raises:
        ValueError: another format, or a path without an ending and no format.
        OSError: the file can't be written.

    >>> import tempfile
    >>> import tinygrad_cnn as tg
    >>> picture = tg.viz.draw(tg.exp(tg.tensor(1.0, requires_grad=True, name="x")))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     render(picture, f"{folder}/graph.dot").path.name
    'graph.dot'
    """
    path = Path(path)
    format = (path.suffix.removeprefix(".") if format is None else format).lower()
    if format not in PICTURES + TEXTS:
        raise ValueError(
            f"render: expected a path that ends in .{', .'.join(PICTURES + TEXTS)}, or one of these as format=, "
            f"but got {str(path)!r}" + (f" and format {format!r}" if format else "")
        )
    if format in TEXTS:
        path.write_text(digraph.source, encoding="utf-8")
        return Rendering(path, "", f"{path}: the DOT text")
    try:
        drawn, by = picture(digraph.source, format)
    except UnavailableError as error:
        reason = str(error)
    else:
        path.write_bytes(drawn)
        return Rendering(path, by, f"{path}: drawn by {by}")
    written, by, what = _without_graphviz(digraph, path)
    message = f"{path} was not drawn: {reason}. {what} was written to {written}"
    warnings.warn(f"render: {message}", RuntimeWarning, stacklevel=2)
    return Rendering(written, by, message)


def _without_graphviz(digraph: Digraph, path: Path) -> tuple[Path, str, str]:
    """A page, or the text, beside the path; by what it is drawn, and what it is."""
    graph = getattr(digraph, "graph", None)
    if graph is None:
        text = path.with_suffix(".dot")
        text.write_text(digraph.source, encoding="utf-8")
        return text, "", "The DOT text"
    from tinygrad_cnn.viz.pages.graph import page_of

    page = path.with_suffix(".html")
    page_of(graph, digraph.name, notes=[digraph.note] if digraph.note else []).write(page)
    return page, "the browser", "An interactive page for the browser"


class UnavailableError(Exception):
    """Why a picture can't be had, or a way to draw it."""


def picture(source: str, format: str) -> tuple[bytes, str]:
    """The picture of DOT text in a format of Graphviz, and what drew it: "dot" or "pygraphviz".

    Raises:
        UnavailableError: neither can; the message says what is missing.
    """
    missing = []
    for by, attempt in (("dot", _by_dot), ("pygraphviz", _by_pygraphviz)):
        try:
            return attempt(source, format), by
        except UnavailableError as reason:
            missing.append(str(reason))
    raise UnavailableError("; ".join(missing))


def _by_dot(source: str, format: str) -> bytes:
    program = which("dot")
    if program is None:
        raise UnavailableError("the program dot was not found (install Graphviz: https://graphviz.org/download)")
    return _run("dot", [program, f"-T{format}"], source)


def _by_pygraphviz(source: str, format: str) -> bytes:
    if find_spec("pygraphviz") is None:
        raise UnavailableError("the package pygraphviz is not installed (pip install 'tinygrad_cnn[render]')")
    return _run("pygraphviz", [sys.executable, "-c", _PYGRAPHVIZ, format], source)


def _run(name: str, command: list[str], source: str) -> bytes:
    """What the command makes of the source."""
    try:
        run = subprocess.run(command, input=source.encode(), capture_output=True, check=False)
    except OSError as error:
        raise UnavailableError(f"{name} could not be started ({error})") from error
    if run.returncode or not run.stdout:
        lines = run.stderr.decode(errors="replace").strip().splitlines()
        raise UnavailableError(f"{name} failed ({lines[-1] if lines else f'exit status {run.returncode}'})")
    return run.stdout

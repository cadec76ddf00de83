"""Where a command's picture goes, and how it is opened."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path


def check_ending(command: str, path: Path, endings: Sequence[str]) -> None:
    """Refuse a file that could not be written, before anything is computed for it.

    Raises:
        ValueError: another ending than these, or no such folder.

    >>> check_ending("draw", Path("graph.bmp"), ["svg", "png"])
    Traceback (most recent call last):
    ValueError: draw: --out must end in .svg or .png but is graph.bmp
    """
    if path.suffix.lower().removeprefix(".") not in endings:
        *others, last = (f".{ending}" for ending in endings)
        raise ValueError(f"{command}: --out must end in {', '.join(others)} or {last} but is {path}")
    if not path.parent.is_dir():
        raise ValueError(f"{command}: --out: there is no folder {path.parent}")


def finish(path: Path, message: str, opens: bool) -> None:
    """Say what was written and, where it is wanted, open it."""
    print(message)
    if opens and not webbrowser.open(path.resolve().as_uri()):
        print(f"no browser was found to open {path}")


def let_print_anything() -> None:
    """Keep a terminal of a small character set from ending the command."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")

"""The code of a Jupyter notebook (nbformat 4) without Jupyter: its code cells, each under a name of its own."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

_KEPT_MAGICS = ("time", "timeit", "capture", "prun", "python", "python3")
"""Cell magics whose body is Python all the same."""

_ESCAPE = re.compile(r"(\s*)(?:%{1,2}[A-Za-z]|[!?]{1,2}\S|[\w.]+\s*=\s*[%!]|[\w.]+\?{1,2}\s*$)")
"""A line that only IPython understands: `%magic`, `!command`, `files = !ls`, `?help`, `help?`."""


def code_cells(text: str, name: str) -> Iterator[tuple[str, str]]:
    """The name ("homework.ipynb, cell 3") and the source of each code cell; cells are counted as they stand, from 1.

    Lines for IPython alone become `pass`, so that all others keep their numbers.

    Raises:
        ValueError: no JSON, no notebook, of another format than 4, or not in Python.
    """
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is no notebook: it is not JSON ({error})") from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        old = isinstance(notebook, dict) and "worksheets" in notebook
        what = "of an old format; save it in the current one (nbformat 4)" if old else "no notebook: it has no cells"
        raise ValueError(f"{name} is {what}")
    language = _language(notebook)
    if language.lower() not in ("python", "ipython"):
        raise ValueError(f"{name} is a notebook in {language}, not in Python")
    for number, cell in enumerate(notebook["cells"], 1):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            source = cell.get("source", "")
            yield f"{name}, cell {number}", _python("".join(source) if isinstance(source, list) else str(source))


def _language(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata")
    for part in ("language_info", "kernelspec"):
        inner = metadata.get(part) if isinstance(metadata, dict) else None
        if isinstance(inner, dict):
            language = inner.get("name" if part == "language_info" else "language")
            if isinstance(language, str):
                return language
    return "python"


def _python(source: str) -> str:
    """The source without what IPython adds to Python; as it is where it is Python already."""
    try:
        ast.parse(source)
        return source
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    lines = source.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    magic = re.match(r"\s*%%(\w+)", lines[first])
    if magic and magic[1] not in _KEPT_MAGICS:
        return ""
    return "\n".join(f"{found[1]}pass" if (found := _ESCAPE.match(line)) else line for line in lines)

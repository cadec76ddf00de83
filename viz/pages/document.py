"""One self-contained HTML document: markup, styles, scripts and data in one file that loads nothing.

A page is put together from files of this package. `theme.css` and `dom.js` are in every one of them: the colours, light
and dark, and the few functions that make elements, which set text and never markup. What a user named or computed goes
into the page as JSON alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from os import PathLike


@dataclass(frozen=True, slots=True)
class Page:
    """A page: it is written into a file, or shown in a notebook as the last value of a cell.

    Attributes:
        title: what stands in the tab.
        html: the whole document.
        path: the file that it was last written to, or None.
        height: of its frame in a notebook, in pixels.
    """

    title: str
    html: str
    path: Path | None = None
    height: int = 640

    def write(self, path: str | PathLike[str]) -> Page:
        """Write the document into a file and return the page that knows of it.

        Raises:
            OSError: the folder doesn't exist or can't be written to.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Page("empty", "<!doctype html>").write(f"{folder}/empty.html").path.name
        'empty.html'
        """
        target = Path(path)
        target.write_text(self.html, encoding="utf-8")
        return Page(self.title, self.html, target, self.height)

    def open(self) -> bool:
        """Show the written page in the browser; False where there is none.

        Raises:
            ValueError: the page was not written yet.
        """
        if self.path is None:
            raise ValueError(f"open: the page {self.title!r} is in no file yet; write(path) first")
        return webbrowser.open(self.path.resolve().as_uri())

    def __repr__(self) -> str:
        where = f"in {self.path}" if self.path else "not written"
        return f"<page {self.title!r}, {len(self.html) / 1000:,.0f} kB, {where}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        # A document of its own in a frame: neither ids nor styles nor scripts meet those of the notebook.
        frame = (
            f'<iframe srcdoc="{escape(self.html)}" title="{escape(self.title)}" '
            f'sandbox="allow-scripts allow-downloads" '
            f'style="width: 100%; height: {self.height}px; border: 0"></iframe>'
        )
        return {"text/plain": repr(self), "text/html": frame}


def document(
    title: str, body: str, styles: Sequence[str] = (), scripts: Sequence[str] = (), data: Any = None, height: int = 640
) -> Page:
    """A page.

    Args:
        title: what stands in the tab.
        body: the markup inside of <body>, without anything of the user's that is not escaped.
        styles, scripts: files of this package, as "graph/page.css"; the scripts share one scope and run in this order,
            after the body was read.
        data: what `readData()` gives the scripts: dicts, lists, strings, numbers. NaN and infinities are no JSON: write
            them as strings.
        height: of its frame in a notebook, in pixels.

    Raises:
        ValueError: a NaN or an infinity in the data.
    """
    title, body = _without_surrogates(title), _without_surrogates(body)
    style = "\n".join(_text(name) for name in ("theme.css", *styles))
    script = "\n".join(["'use strict';", "{", *(_text(name) for name in ("dom.js", *scripts)), "}"])
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    html = "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<link rel="icon" href="data:,">',
            f"<title>{escape(title)}</title>",
            f"<style>{style}</style>\n</head>\n<body>",
            body,
            f'<script type="application/json" id="data">{json_text(data)}</script>',
            f"<script>{script}</script>\n</body>\n</html>\n",
        ]
    )
    return Page(title, html, height=height)


def _without_surrogates(text: str) -> str:
    """A lone surrogate can be in a name but in no file."""
    return text.encode("utf-8", "replace").decode()


def json_text(data: Any) -> str:
    r"""The data as JSON that can stand inside of a <script>, whatever the strings in it.

    >>> json_text({"name": "</script><script>alert(1)", "sum": 0.5})
    '{"name":"\\u003c/script>\\u003cscript>alert(1)","sum":0.5}'
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # JSON has an escape for a lone surrogate.
    return text.replace("<", "\\u003c").encode("utf-8", "backslashreplace").decode()


def _text(name: str) -> str:
    return files(__package__).joinpath(*name.split("/")).read_text(encoding="utf-8")

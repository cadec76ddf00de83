"""Draw every picture of README and docs anew, from the examples: docs/gallery/, and docs/gallery.md that shows them.

    python -m scripts.gallery            write them
    python -m scripts.gallery --check    say which ones the current code draws otherwise, and write nothing

An example's pictures are the files that its `main(folder)` writes. Beside each stands the paragraph of the example that
names the file, under the comment that the paragraph begins with. Needs Graphviz and matplotlib. A page is shown by its
photograph, which is taken where playwright and Chromium are installed and otherwise stays as it is.

Other versions of Graphviz and matplotlib place lines and letters a little differently. So `--check` compares what a
picture says: the texts of an SVG, and everything else as seen from a distance.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import os
import re
import runpy
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES, DOCS = ROOT / "examples", ROOT / "docs"
GALLERY = DOCS / "gallery"

SHOWN = ("first_example", "check_a_rule", "large_graphs", "graph_page", "convolution_page", "figures")
"""The examples that draw, in the order of the gallery."""

PICTURE = re.compile(r'"(\w+\.(?:svg|png|html))"')
_INTRODUCTION = """Every picture is one that the current code draws: `python -m scripts.gallery` runs the examples and
writes them, and tests compare. Of a page it shows a photograph: the code beside it writes the page, a single file."""

SEEN_FROM_AFAR, LIKE = 48, 0.02
"""Two figures are the same if, made this many pixels wide, their pixels differ by less than this on average, where 1 is
from black to white."""


POSES = {"lenet": ("", ",", 11), "convolution": ("dX", "ArrowRight", 13), "max_pool": ("dX", "ArrowRight", 3)}
"""How a page is photographed: the view that is chosen, and the key that is pressed so many times."""


# Drawing


def draw(folder: Path, browser: Any = None, names: Sequence[str] = SHOWN) -> None:
    """Run the examples and leave their pictures in a folder; of pages their photographs, where there is a browser."""
    for name in names:
        with contextlib.redirect_stdout(io.StringIO()):
            runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"](folder)
    # A page tells the lines that recorded its nodes; where this machine has them is nobody's concern.
    here = json.dumps(f"{ROOT}{os.sep}")[1:-1]
    for page in sorted(folder.glob("*.html")):
        page.write_text(page.read_text(encoding="utf-8").replace(here, ""), encoding="utf-8")
        if browser is not None:
            photograph(page, browser)
        page.unlink()


def photograph(page: Path, browser: Any) -> None:
    """Write a PNG beside a page."""
    tab = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
    tab.goto(page.resolve().as_uri())
    view, key, times = POSES.get(page.stem, ("", "", 0))
    if view:
        tab.get_by_role("tab", name=view, exact=True).click()
        tab.evaluate("document.activeElement.blur()")  # the arrows are the tabs' own while one has the focus
    for _ in range(times):
        tab.keyboard.press(key)
    tab.wait_for_timeout(800)
    tab.screenshot(path=page.with_suffix(".png"), animations="disabled")
    tab.close()


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A browser, or None where there is none."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        program = None
    if program is None:
        print("playwright or Chromium is missing: no page is photographed", file=sys.stderr)
        yield None
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


# Showing


def pictures(name: str) -> list[str]:
    """The files that an example writes, in the order of its text."""
    return list(dict.fromkeys(PICTURE.findall((EXAMPLES / f"{name}.py").read_text(encoding="utf-8"))))


def photograph_of(picture: str) -> str:
    """What shows a file: itself, or the photograph of a page."""
    return picture.replace(".html", ".png")


def paragraph(name: str, picture: str) -> tuple[str, str]:
    """The caption and the code of a picture: the example's lines around its name, from one empty line to the next."""
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    (part,) = (part for part in re.split(r"\n\s*\n", text) if f'"{picture}"' in part)
    lines = textwrap.dedent(part.strip("\n")).splitlines()
    code = list(itertools.dropwhile(lambda line: line.startswith("#"), lines))
    caption = " ".join(line.lstrip("# ") for line in lines[: len(lines) - len(code)])
    return caption, "\n".join(code)


def document() -> str:
    """The text of docs/gallery.md."""
    parts = ["# Gallery", _INTRODUCTION]
    for name in SHOWN:
        text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
        headline = text.removeprefix('"""').split("\n\n")[0].replace("\n", " ")
        parts += [f"## `examples/{name}.py`", f"{headline} [The whole script](../examples/{name}.py)."]
        for picture in pictures(name):
            caption, code = paragraph(name, picture)
            parts += [caption, f"```python\n{code}\n```", f"![{caption}](gallery/{photograph_of(picture)})"]
    return "\n\n".join(parts) + "\n"


# Comparing


def differences(drawn: Path, kept: Path) -> Iterator[str]:
    """A line for each picture that is missing, too many, or says something else."""
    new, old = ({path.name for path in folder.iterdir()} for folder in (drawn, kept))
    pages = {photograph_of(picture) for name in SHOWN for picture in pictures(name) if picture.endswith(".html")}
    old -= pages - new  # where no browser has photographed them
    yield from (f"{kept / name} is missing" for name in sorted(new - old))
    yield from (f"{kept / name} is drawn by no example" for name in sorted(old - new))
    for name in sorted(new & old):
        if not are_alike(drawn / name, kept / name):
            yield f"{kept / name} is not what the current code draws"


def are_alike(one: Path, other: Path) -> bool:
    """Whether two pictures say the same."""
    if one.suffix == ".svg":
        return _texts(one) == _texts(other)
    a, b = _from_afar(one), _from_afar(other)
    return a.shape == b.shape and float(np.abs(a - b).mean()) < LIKE


def _texts(path: Path) -> list[str]:
    return [text.strip() for text in ElementTree.parse(path).getroot().itertext() if text.strip()]


def _from_afar(path: Path) -> Any:
    """The picture in grey, its pixels averaged in squares."""
    from matplotlib.image import imread

    grey = imread(path)[..., :3].mean(axis=2)
    side = max(1, grey.shape[1] // SEEN_FROM_AFAR)
    rows, columns = grey.shape[0] // side, grey.shape[1] // side
    return grey[: rows * side, : columns * side].reshape(rows, side, columns, side).mean(axis=(1, 3))


def main() -> None:
    """Write the gallery, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as temporary, chromium() as browser:
        folder = Path(temporary)
        draw(folder, browser)
        if check:
            found = list(differences(folder, GALLERY))
            if (DOCS / "gallery.md").read_text(encoding="utf-8") != document():
                found.append("docs/gallery.md is not what the examples say")
            sys.exit("\n".join(found) or None)
        shown = {photograph_of(picture) for name in SHOWN for picture in pictures(name)}
        GALLERY.mkdir(exist_ok=True)
        for path in GALLERY.iterdir():
            if path.name not in shown:
                path.unlink()
        for path in folder.iterdir():
            shutil.copy(path, GALLERY / path.name)
    (DOCS / "gallery.md").write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()

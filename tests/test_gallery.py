"""Every picture that README and docs show is one that the current code draws."""

import re
import shutil
from importlib.util import find_spec

import numpy as np
import pytest

from scripts import gallery

README = gallery.ROOT / "README.md"
_LINK = re.compile(r"\]\(([^)#:]+\.(?:svg|png|html))\)")


def shown():
    """The picture files that the texts refer to."""
    texts = [README, *gallery.DOCS.glob("*.md")]
    found = ((text.parent, _LINK.findall(text.read_text(encoding="utf-8"))) for text in texts)
    return {(folder / name).resolve() for folder, names in found for name in names}


def test_the_text_is_what_the_examples_say():
    assert (gallery.DOCS / "gallery.md").read_text(encoding="utf-8") == gallery.document()


def test_what_is_shown_is_there_and_what_is_there_is_shown():
    there = {path.resolve() for path in gallery.DOCS.rglob("*") if path.suffix in (".svg", ".png", ".html")}
    assert there == shown()
    assert {path.parent for path in there} == {gallery.GALLERY}
    assert sum(path.stat().st_size for path in there) < 3_000_000


def test_every_picture_of_the_examples_has_a_caption_and_the_code_that_drew_it():
    for name in gallery.SHOWN:
        for picture in gallery.pictures(name):
            caption, code = gallery.paragraph(name, picture)
            assert caption.endswith("."), picture
            assert f'"{picture}"' in code


@pytest.mark.slow
def test_the_current_code_draws_them(tmp_path):
    for module in ("graphviz", "matplotlib", "PIL"):
        pytest.importorskip(module)
    if shutil.which("dot") is None and find_spec("pygraphviz") is None:
        pytest.skip("needs dot or pygraphviz")
    gallery.draw(tmp_path)
    assert list(gallery.differences(tmp_path, gallery.GALLERY)) == []


SVG = '<svg><text x="{x}">{text}</text></svg>'


@pytest.mark.parametrize(
    ("one", "other", "are_alike"),
    [
        (SVG.format(x=1, text="conv2d"), SVG.format(x=2, text="conv2d"), True),
        (SVG.format(x=1, text="conv2d"), SVG.format(x=1, text="conv"), False),
    ],
)
def test_what_counts_as_a_difference(tmp_path, one, other, are_alike):
    for folder, text in (("new", one), ("old", other)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.svg").write_text(text, encoding="utf-8")
    found = list(gallery.differences(tmp_path / "new", tmp_path / "old"))
    assert found == ([] if are_alike else [f"{tmp_path / 'old' / 'a.svg'} is not what the current code draws"])


def test_figures_are_compared_from_a_distance(tmp_path):
    image = pytest.importorskip("PIL.Image")
    pixels = np.zeros((300, 480), np.uint8)
    pixels[100:200, 100:200] = 255
    shifted, other = np.roll(pixels, 1, axis=1), np.roll(pixels, 150, axis=1)
    for name, array in (("a", pixels), ("shifted", shifted), ("other", other), ("wider", pixels[:, :-20])):
        image.fromarray(array).convert("RGB").save(tmp_path / f"{name}.png")
    pytest.importorskip("matplotlib")
    first, *others = (tmp_path / f"{name}.png" for name in ("a", "shifted", "other", "wider"))
    assert [gallery.are_alike(first, other) for other in others] == [True, False, False]


def test_missing_and_needless_pictures_are_told(tmp_path):
    for path in ("new/a.svg", "new/b.svg", "old/a.svg", "old/c.svg", "old/lenet.png"):  # a page, not photographed now
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(SVG.format(x=1, text="conv2d"))
    old = tmp_path / "old"
    found = list(gallery.differences(tmp_path / "new", old))
    assert found == [f"{old / 'b.svg'} is missing", f"{old / 'c.svg'} is drawn by no example"]

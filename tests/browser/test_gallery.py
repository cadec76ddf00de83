"""The photographs of the gallery are of pages that the current code writes."""

import shutil
from importlib.util import find_spec

import pytest

from scripts import gallery


@pytest.mark.parametrize("name", ["graph_page", "convolution_page"])
def test_the_photographs_are_of_the_current_pages(browser, tmp_path, name):
    for module in ("graphviz", "matplotlib"):
        pytest.importorskip(module)
    if shutil.which("dot") is None and find_spec("pygraphviz") is None:
        pytest.skip("needs dot or pygraphviz")
    gallery.draw(tmp_path, browser, [name])
    taken = [gallery.photograph_of(picture) for picture in gallery.pictures(name) if picture.endswith(".html")]
    assert taken
    assert [photo for photo in taken if not gallery.are_alike(tmp_path / photo, gallery.GALLERY / photo)] == []

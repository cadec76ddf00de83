"""Feature maps: what each layer of a model makes of one image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_cnn.viz.analysis.probing import layer_outputs
from tinygrad_cnn.viz.figures.canvas import SMALL, new_figure, numbers, scale, show, show_image

__doctest_requires__ = {"*": ["matplotlib"]}


def feature_maps(
    model: Any, image: Any, layers: Iterable[str] | None = None, columns: int = 8, limit: int = 20
) -> Any:
    """An image, and below it what each layer of a model makes of it: a row for each layer, a picture for each channel.

    All pictures of a row have one scale, beside it: from 0 up, or, where some values are negative, centred at 0, which
    is white. A layer that returns one vector is a single strip.

    Args:
        model: a `Module`. It runs in evaluation mode and is not changed.
        image: (H, W), (C, H, W) or (1, C, H, W), as the model is trained with.
        layers: dotted names of modules; None for every module without submodules, the first `limit` of them, which the
            title then says. A function such as `tg.relu` is no module and can't be shown.
        columns: channels at most in a row; the label says how many there are.
        limit: rows at most where no layers are named.

    Raises:
        ValueError: another shape of image, a name that no module has or that was not called, no layer to show.
        TypeError: not a module, not numbers.
        ImportError: matplotlib is missing.

    >>> from tinygrad_cnn import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten())
    >>> figure = feature_maps(model, np.eye(8))
    >>> [text.get_text() for text in figure.texts[:-1]]
    ['input\\n1×8×8', '0\\n4×6×6', '1\\n4×6×6', '2\\n144']
    """
    if columns < 1 or limit < 1:
        raise ValueError(f"feature_maps: columns and limit must be at least 1 but are {columns} and {limit}")
    found = layer_outputs(model, image, layers)
    drawable = {name: maps for name, maps in found.items() if maps.ndim in (1, 2, 3) and maps.size}
    if not drawable:
        raise ValueError("feature_maps: expected layers that return maps (1, K, h, w) or vectors (1, K) but got none")
    rows = list(drawable.items())[: limit if layers is None else None]
    label, cell, bar, gap = 1.25, 0.95, 0.75, 0.08
    used = max(min(columns, len(maps)) if maps.ndim == 3 else 1 for _, maps in rows)
    used = max(used, min(columns, 4))
    heights = [cell] + [cell if maps.ndim == 3 else 0.4 for _, maps in rows]
    head = 0.4
    width, height = label + used * cell + bar, sum(heights) + gap * (len(heights) + 1) + head
    figure = new_figure(width, height, layout=None)
    top = height - head

    def place(left: float, row_height: float, wide: float) -> Any:
        bottom = top - row_height
        return figure.add_axes((left / width, bottom / height, wide / width, row_height / height))

    def write(row_height: float, name: str, shape: tuple[int, ...]) -> None:
        size = "×".join(map(str, shape))
        text = f"{name}\n{size}" if len(shape) < 3 or shape[0] <= columns else f"{name}\n{columns} of {size}"
        y = (top - row_height / 2) / height
        figure.text((label - 0.1) / width, y, text, ha="right", va="center", fontsize=SMALL)

    pixels = numbers(image, "feature_maps", "an image")
    show_image(place(label, cell - gap, cell - gap), pixels)
    write(cell, "input", (1,) * max(0, 3 - pixels.ndim) + pixels.shape[-3:])
    top -= cell + gap
    for (name, maps), row_height in zip(rows, heights[1:], strict=True):
        colours = scale(maps)
        if maps.ndim == 3:
            for k, plane in enumerate(maps[:columns]):
                drawn = show(place(label + k * cell, row_height - gap, cell - gap), plane, **colours)
        else:
            drawn = show(
                place(label, row_height - gap, used * cell - gap), np.atleast_2d(maps), aspect="auto", **colours
            )
        write(row_height, name, maps.shape)
        bar_axes = place(label + used * cell + 0.02, row_height - gap, 0.09)
        figure.colorbar(drawn, cax=bar_axes).ax.tick_params(labelsize=SMALL - 2)
        bar_axes.locator_params(nbins=3)
        top -= row_height + gap
    rest = "" if len(rows) == len(drawable) else f": the first {len(rows)} of {len(drawable)} layers"
    figure.suptitle(f"Feature maps of {type(model).__name__}{rest}", fontsize=11, y=1 - 0.12 / height, va="top")
    return figure

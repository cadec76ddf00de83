"""Image kernels on a photograph: the whole gallery, or one kernel with its numbers."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Any

import numpy as np

from tinygrad_cnn.viz.figures.canvas import DIVERGING, SMALL, new_figure, show, show_photograph
from tinygrad_cnn.viz.graph.numbers import number
from tinygrad_cnn.viz.images.kernels import KERNELS, ImageKernel, image_kernel
from tinygrad_cnn.viz.images.photographs import apply_kernel, grey, kernel_weights, photograph, portrait

__doctest_requires__ = {"*": ["matplotlib"]}

# The largest answers are few and far above the rest; a scale up to them leaves the picture pale.
_SHARE = 99.5


def kernel_gallery(
    image: Any = None, kernels: Iterable[Any] | None = None, columns: int = 5, padding_mode: str = "replicate"
) -> Any:
    """What each image kernel makes of a photograph, by cross-correlation (`tg.conv2d`), its weights below.

    A kernel whose weights sum to 0 answers to change alone, with both signs: of the picture in grey, drawn in red
    where positive, blue where negative and white at 0, on a scale of its own that half a percent of the pixels exceed.
    The other kernels give a picture, clipped to black and white.

    Args:
        image: what `photograph` takes; None for the face of Grace Hopper, from the portrait in matplotlib.
        kernels: names of the gallery or `ImageKernel`s; None for the whole gallery.
        columns: pictures in a row.
        padding_mode: what stands beyond the border, as in `tg.conv2d`.

    Raises:
        ValueError: an unknown kernel, no kernels, `columns` below 1, and as `photograph`.
        TypeError, OSError: as `photograph`.
        ImportError: matplotlib, or for a file Pillow, is missing.

    >>> figure = kernel_gallery(np.eye(8), ["blur", "sobel"])
    >>> [axes.get_title() for axes in figure.axes]
    ['The picture', 'Blur', 'Sobel x']
    """
    pixels = portrait() if image is None else photograph(image)
    chosen = list(KERNELS.values()) if kernels is None else [_found(kernel) for kernel in kernels]
    if not chosen or columns < 1:
        raise ValueError(f"kernel_gallery: expected kernels and columns but got {len(chosen)} and {columns}")
    count = len(chosen) + 1
    columns = min(columns, count)
    rows = ceil(count / columns)
    lines = max(kernel.shape[0] for kernel in chosen) if kernels is not None else 3
    ratio = min(max(pixels.shape[0] / pixels.shape[1], 0.4), 2.0)
    figure = new_figure(2.1 * columns + 0.2, (2.0 * ratio + 0.35 + 0.14 * lines) * rows + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    show_photograph(grid[0], pixels)
    grid[0].set_title("The picture", fontsize=10)
    for axes, kernel in zip(grid[1:], chosen, strict=False):
        _show_result(axes, pixels, kernel.array, padding_mode, flip=False)
        axes.set_title(kernel.title, fontsize=10)
        axes.set_xlabel(_table(kernel), fontsize=SMALL - 1.5, family="monospace", linespacing=1.1)
    for axes in grid[count:]:
        axes.remove()
    figure.suptitle("Image kernels; where the weights sum to 0: red above 0, blue below", fontsize=11)
    return figure


def filtered(image: Any, kernel: Any, padding_mode: str = "replicate", *, flip: bool = False) -> Any:
    """A picture, one kernel with its numbers, and what `apply_kernel` makes of the picture, with its scale.

    Args:
        image: what `photograph` takes; None for the portrait of Grace Hopper that comes with matplotlib.
        kernel: a name of the gallery, an `ImageKernel`, or weights (kH, kW).
        padding_mode: what stands beyond the border, as in `tg.conv2d`.
        flip: turn the kernel by 180 degrees first, as the textbook's convolution does (`tg.convolve2d`).

    Raises:
        ValueError, TypeError, OSError: as `apply_kernel`.
        ImportError: matplotlib, or for a file Pillow, is missing.

    >>> figure = filtered(np.eye(8), "sobel")
    >>> [axes.get_title() for axes in figure.axes[:3]]
    ['The picture', 'Sobel x', 'Their cross-correlation']
    """
    pixels = photograph(image)
    weights = kernel_weights(kernel, "filtered")
    named = _found(kernel) if isinstance(kernel, str | ImageKernel) else None
    ratio = min(max(pixels.shape[0] / pixels.shape[1], 0.4), 1.6)
    figure = new_figure(10.5, 3.6 * ratio + 0.9)
    left, middle, right = figure.subplots(1, 3, width_ratios=(3, 1.6, 3))
    show_photograph(left, pixels)
    left.set_title("The picture")
    written = np.array(named.weight) if named else weights
    shown = written[::-1, ::-1] if flip else written
    limit = float(np.abs(shown).max()) or 1.0
    show(middle, shown, cmap=DIVERGING, vmin=-limit, vmax=limit)
    for (i, j), value in np.ndenumerate(shown):
        colour = "white" if abs(value) > 0.6 * limit else "black"
        size = max(14 - 1.2 * max(shown.shape), 5)
        middle.text(j, i, number(float(value), 3), ha="center", va="center", color=colour, fontsize=size)
    middle.set_title((named.title if named else "The kernel") + (", turned" if flip else ""))
    if named and named.divisor != 1:
        middle.set_xlabel(f"divided by {number(named.divisor)}", fontsize=SMALL)
    drawn = _show_result(right, pixels, weights, padding_mode, flip)
    right.set_title("Their convolution" if flip else "Their cross-correlation")
    if drawn is None:
        right.set_xlabel("clipped to 0, black, to 1, white", fontsize=SMALL)
    else:
        right.set_xlabel("of the picture in grey", fontsize=SMALL)
        figure.colorbar(drawn, ax=right, extend="both", shrink=0.8)
    return figure


def _show_result(axes: Any, pixels: Any, weights: Any, padding_mode: str, flip: bool) -> Any:
    """Draw a picture, or for weights that sum to 0 the signed answers, which are returned for their scale."""
    if abs(weights.sum()) > 1e-9 * np.abs(weights).sum():
        show_photograph(axes, apply_kernel(pixels, weights, padding_mode, flip=flip))
        return None
    answers = apply_kernel(grey(pixels), weights, padding_mode, flip=flip)
    limit = float(np.percentile(np.abs(answers), _SHARE)) or float(np.abs(answers).max()) or 1.0
    return show(axes, answers, cmap=DIVERGING, vmin=-limit, vmax=limit)


def _found(kernel: Any) -> ImageKernel:
    return kernel if isinstance(kernel, ImageKernel) else image_kernel(kernel)


def _table(kernel: ImageKernel) -> str:
    """The weights in rows, columns flush, and the divisor."""
    texts = [[number(value, 3) for value in row] for row in kernel.weight]
    width = max(len(text) for row in texts for text in row)
    rows = [" ".join(text.rjust(width) for text in row) for row in texts]
    if kernel.divisor != 1:
        middle = len(rows) // 2
        rows = [row + (f" / {number(kernel.divisor)}" if i == middle else "") for i, row in enumerate(rows)]
        rows = [row.ljust(max(map(len, rows))) for row in rows]
    return "\n".join(rows)

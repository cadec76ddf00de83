"""What padding does at the border: how often each pixel is used, and the padding modes side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn.viz.analysis.coverage import pixel_usage
from tinygrad_cnn.viz.figures.canvas import SEQUENTIAL, SMALL, new_figure, show, show_photograph
from tinygrad_cnn.viz.graph.numbers import number
from tinygrad_cnn.viz.images.photographs import apply_kernel, photograph, portrait

__doctest_requires__ = {"*": ["matplotlib"]}

MODES = ("zeros", "replicate", "reflect", "symmetric", "circular")


def border_usage(shape: tuple[int, int] = (7, 7), kernel_size: Any = 3, stride: Any = 1, dilation: Any = 1) -> Any:
    """How many windows of a convolution read each pixel, without padding ("valid"), with "same" and with "full".

    Args:
        shape: (H, W) of the input.
        kernel_size, stride, dilation: as in `tg.conv2d`.

    Raises:
        ValueError, TypeError: as `pixel_usage`.
        ImportError: matplotlib is missing.

    >>> figure = border_usage((4, 5), 3)
    >>> [axes.get_title() for axes in figure.axes[:3]]
    ['valid: 2×3 windows', 'same: 4×5 windows', 'full: 6×7 windows']
    """
    paddings = ("valid", "same", "full")
    maps = [pixel_usage(shape, kernel_size, stride, padding, dilation) for padding in paddings]
    figure = new_figure(9.5, 3.6)
    panels = figure.subplots(1, 3)
    most = max(int(counts.max()) for counts in maps) or 1
    for axes, padding, counts in zip(panels, paddings, maps, strict=True):
        drawn = show_counts(axes, counts, most)
        kernel = np.ones((1, 1, *np.broadcast_to(kernel_size, 2)))
        windows = tg.conv2d(np.ones((1, 1, *counts.shape)), kernel, None, stride, padding, dilation).shape[2:]
        axes.set_title(f"{padding}: {windows[0]}×{windows[1]} windows", fontsize=10)
    count_bar(figure, drawn, panels, "windows that read the pixel")
    figure.suptitle(
        f"How often a convolution uses each pixel: kernel {_pair(kernel_size)}, stride {_pair(stride)}"
        + ("" if _pair(dilation) == "1×1" else f", dilation {_pair(dilation)}"),
        fontsize=11,
    )
    return figure


def padding_modes(image: Any = None, kernel_size: int = 31) -> Any:
    """The five padding modes side by side: the padded picture, the picture blurred with it, and a white one blurred.

    The blur is a box of odd size, so that its padding is as wide as half of it. With zeros the border darkens, in a
    corner of a white picture to about a quarter; the other modes leave white as it is. On the padded pictures a line
    runs around the original.

    Args:
        image: what `photograph` takes; None for the face of Grace Hopper, from the portrait in matplotlib.
        kernel_size: of the blur, odd, and at most twice the picture's smaller side less one.

    Raises:
        ValueError: an even or too large kernel, and as `photograph`.
        TypeError, OSError: as `photograph`.
        ImportError: matplotlib, or for a file Pillow, is missing.

    >>> figure = padding_modes(np.eye(9), 3)
    >>> [axes.get_title() for axes in figure.axes[:5]]
    ['zeros', 'replicate', 'reflect', 'symmetric', 'circular']
    """
    pixels = portrait() if image is None else photograph(image)
    height, width = pixels.shape[:2]
    if isinstance(kernel_size, bool) or not isinstance(kernel_size, int | np.integer) or kernel_size % 2 != 1:
        raise ValueError(f"padding_modes: kernel_size must be an odd integer but is {kernel_size!r}")
    border = int(kernel_size) // 2
    if not 1 <= border < min(height, width):
        raise ValueError(
            f"padding_modes: kernel_size must be from 3 to {2 * min(height, width) - 1} for a picture of "
            f"{height}×{width} but is {kernel_size}"
        )
    white = np.ones((height, width))
    ratio = min(max(height / width, 0.4), 2.0)
    figure = new_figure(11, 6.2 * ratio + 1.2)
    grid = figure.subplots(3, len(MODES))
    from matplotlib.patches import Rectangle

    pad_width = ((border, border), (border, border), (0, 0))[: pixels.ndim]
    for column, mode in enumerate(MODES):
        padded, blurred, even = grid[:, column]
        show_photograph(padded, tg.pad(pixels, pad_width, mode))
        frame: dict[str, Any] = {"fill": False, "edgecolor": "#E69F00", "linewidth": 1.2}
        padded.add_patch(Rectangle((border - 0.5, border - 0.5), width, height, **frame))
        padded.set_title(mode, fontsize=10)
        show_photograph(blurred, _box_blur(pixels, kernel_size, mode))
        result = _box_blur(white, kernel_size, mode)
        show_photograph(even, result)
        corner, edge = (number(round(float(shade), 2)) for shade in (result[0, 0], result[0, width // 2]))
        even.set_xlabel(f"{corner} in the corner,\n{edge} at the edge", fontsize=SMALL)
    for axes, label in zip(grid[:, 0], ("padded", "then blurred", "white, blurred"), strict=True):
        axes.set_ylabel(label, fontsize=10)
    title = f"Padding modes: {border} pixels around the picture, for a {kernel_size}×{kernel_size} blur"
    figure.suptitle(title, fontsize=11)
    return figure


def show_counts(axes: Any, counts: Any, most: int) -> Any:
    """Draw a map of counts from 0 to `most`, with the numbers where there is room for them.

    >>> show_counts(new_figure(1, 1).subplots(), np.eye(2), 1).get_clim()
    (0.0, 1.0)
    """
    drawn = show(axes, counts, cmap=SEQUENTIAL, vmin=0, vmax=most, interpolation="nearest")
    if max(counts.shape) <= 20:
        for (i, j), count in np.ndenumerate(counts):
            colour = "black" if count > 0.55 * most else "white"
            size = 10 if max(counts.shape) <= 9 else 6.5
            axes.text(j, i, str(int(count)), ha="center", va="center", color=colour, fontsize=size)
    return drawn


def count_bar(figure: Any, drawn: Any, panels: Any, label: str) -> None:
    """A scale of whole numbers beside several maps.

    >>> figure = new_figure(2, 1)
    >>> count_bar(figure, show_counts(figure.subplots(), np.eye(2), 1), figure.axes, "ones")
    """
    from matplotlib.ticker import MaxNLocator

    figure.colorbar(drawn, ax=list(panels), label=label, shrink=0.8, ticks=MaxNLocator(integer=True))


def _box_blur(pixels: Any, size: int, mode: str) -> Any:
    """The mean over size x size pixels: first down the columns, then along the rows, which is the same sum."""
    down = apply_kernel(pixels, np.full((size, 1), 1 / size), mode)
    return apply_kernel(down, np.full((1, size), 1 / size), mode)


def _pair(value: Any) -> str:
    return "×".join(str(int(n)) for n in np.broadcast_to(value, 2))

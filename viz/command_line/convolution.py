"""`tinygrad-cnn convolution`: an image kernel run over a photograph, as a figure or as a page that plays it."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn.viz.command_line.output import check_ending, finish, let_print_anything
from tinygrad_cnn.viz.images.kernels import KERNELS, ImageKernel, image_kernel
from tinygrad_cnn.viz.images.photographs import grey, photograph

FIGURE_SIZE, PAGE_SIZE = 512, 12
"""Pixels of the longer side, unless it is said: what a figure shows well, and what a page can write out in numbers."""

WIDTH = 80


class Options(Protocol):
    """The options of the command line."""

    kernel: str
    image: Path | None
    out: Path | None
    padding_mode: str
    size: int | None
    list: bool
    open: bool


def run(options: Options) -> int:
    """List the kernels, or run one over a picture; returns the exit status.

    Raises:
        ValueError: no such kernel, a file that is no picture, a size that no page can show.
        ImportError: matplotlib or Pillow is missing.
        OSError: the picture can't be read, or the result not written.
    """
    let_print_anything()
    if options.list:
        print(listed())
        return 0
    kernel = image_kernel(options.kernel)
    out = options.out or Path(f"{kernel.name}.png")
    check_ending("convolution", out, ("png", "pdf", "svg", "html"))
    if options.image is not None and not options.image.is_file():
        raise ValueError(f"there is no file {options.image}")
    picture = photograph(options.image)
    name = "the built-in photograph" if options.image is None else options.image.name
    if out.suffix.lower() == ".html":
        _page(kernel, picture, name, options, out)
    else:
        _figure(kernel, picture, name, options, out)
    return 0


def listed() -> str:
    """The gallery of kernels: the name of each, its weights, and what it does."""
    parts = []
    for kernel in KERNELS.values():
        cells = [[f"{weight:g}" for weight in row] for row in kernel.weight]
        width = max(len(cell) for row in cells for cell in row)
        rows = ["  ".join(cell.rjust(width) for cell in row) for row in cells]
        divided = f"  / {kernel.divisor:g}" if kernel.divisor != 1 else ""
        text = textwrap.wrap(kernel.explanation, WIDTH, initial_indent="    ", subsequent_indent="    ")
        parts.append("\n".join([kernel.name, *text, "", *(f"    {row}" for row in rows)]) + divided)
    return "\n\n".join(parts)


def shrunk(pixels: Any, size: int) -> Any:
    """A picture whose longer side has at most so many pixels, each the mean of those that it stands for.

    Args:
        pixels: (H, W) or (H, W, 3).
        size: 1 or more.

    >>> shrunk(np.array([[0.0, 1.0, 4.0, 5.0]]), 2)
    array([[0.5, 4.5]])
    >>> shrunk(np.zeros((100, 50, 3)), 8).shape
    (8, 4, 3)
    """
    height, width = pixels.shape[:2]
    scale = size / max(height, width)
    if scale >= 1:
        return pixels
    smaller = max(1, round(height * scale)), max(1, round(width * scale))
    channels = np.ascontiguousarray(np.moveaxis(np.atleast_3d(pixels), 2, 0))
    pooled = np.moveaxis(tg.adaptive_avg_pool2d(channels[None], smaller)[0], 0, 2)
    return pooled[..., 0] if pixels.ndim == 2 else pooled


def _figure(kernel: ImageKernel, picture: Any, name: str, options: Options, out: Path) -> None:
    from tinygrad_cnn.viz.figures.canvas import save
    from tinygrad_cnn.viz.figures.gallery import filtered

    pixels = shrunk(picture, options.size or FIGURE_SIZE)
    save(filtered(pixels, kernel, options.padding_mode), out)
    finish(out, f"{out}: {name}, {_size(pixels)}, and what {kernel.name} makes of it", options.open)


def _page(kernel: ImageKernel, picture: Any, name: str, options: Options, out: Path) -> None:
    from tinygrad_cnn.viz.pages.convolution.page import LIMITS, convolution_page

    size, most = options.size or PAGE_SIZE, LIMITS["side"]
    if size > most:
        raise ValueError(f"convolution: --size: a page shows the numbers of up to {most} pixels a side but got {size}")
    # Whole numbers of 0 to 255: few digits, and the page computes with them exactly.
    pixels = np.rint(255 * shrunk(grey(picture), size)).astype(int)
    title = f"{kernel.title} over {name}"
    convolution_page(pixels, kernel.name, padding="same", padding_mode=options.padding_mode, path=out, title=title)
    finish(out, f"{out}: {kernel.name} over {name}, {_size(pixels)}, step by step", options.open)


def _size(pixels: Any) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]} pixels"

"""What all figures share: a canvas without pyplot, saving, colours, and how images are shown.

Without pyplot there is no window and no global state: a figure is the same on a server as on a desktop.
"""

from __future__ import annotations

from functools import cache
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_cnn.tensor import Tensor
from tinygrad_cnn.viz.drawing.labels import printable
from tinygrad_cnn.viz.graph.numbers import shortened

__doctest_requires__ = {"*": ["matplotlib"]}

DIVERGING = "RdBu_r"
"""Blue below 0, white at 0, red above: told apart with any kind of colour blindness. Always centred at 0."""

SEQUENTIAL = "viridis"
"""Even steps of lightness from 0 up, also in grey."""

# M. Okabe and K. Ito, Color universal design, 2008: told apart with any kind of colour blindness.
BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
PALETTE = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)

SMALL = 8
"""The size of small print, in points."""

LONGEST_NAME = 24
"""Longer names of classes are cut."""

_METADATA: dict[str, dict[str, Any]] = {".svg": {"Date": None}, ".png": {}, ".pdf": {"CreationDate": None}}


def new_figure(width: float, height: float, layout: Any = "constrained") -> Any:
    """An empty `matplotlib.figure.Figure` of so many inches.

    Raises:
        ImportError: matplotlib is missing.

    >>> new_figure(4, 3).get_size_inches()
    array([4., 3.])
    """
    try:
        figure = _figure_class()
    except ImportError as error:
        raise ImportError("figures need matplotlib; pip install 'tinygrad_cnn[plot]'") from error
    return figure(figsize=(width, height), layout=layout)


@cache
def _figure_class() -> type[Any]:
    from matplotlib.figure import Figure

    class Shown(Figure):
        """A figure that a notebook shows: Jupyter itself shows only those that pyplot made."""

        def _repr_png_(self) -> bytes:
            buffer = BytesIO()
            self.savefig(buffer, format="png", dpi=100)
            return buffer.getvalue()

    return Shown


def save(figure: Any, path: str | PathLike[str], dpi: int = 150) -> Path:
    """Write a figure into a file that is the same, byte for byte, each time the same figure is made and saved.

    `figure.savefig` works too, but puts the date and random names into an SVG.

    Args:
        figure: what the functions of `viz.figures` return.
        path: ends in .svg, .png or .pdf.
        dpi: pixels per inch of a PNG, and of the pictures within the others.

    Raises:
        ValueError: another ending.
        OSError: the folder doesn't exist or can't be written to.

    >>> import tempfile
    >>> from tinygrad_cnn.viz.figures import filters
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first, second = (save(filters(np.eye(3)[None, None]), f"{folder}/{i}.svg").read_bytes() for i in range(2))
    >>> first == second
    True
    """
    target = Path(path)
    ending = target.suffix.lower()
    if ending not in _METADATA:
        raise ValueError(f"save: expected a file that ends in {', '.join(_METADATA)} but got {str(path)!r}")
    _write(figure, target, ending, dpi)
    return target


def to_svg(figure: Any) -> str:
    """A figure as the text of an SVG, the same each time.

    >>> to_svg(new_figure(1, 1)).startswith("<?xml")
    True
    """
    buffer = BytesIO()
    _write(figure, buffer, ".svg", 100)
    return buffer.getvalue().decode()


def _write(figure: Any, target: Any, ending: str, dpi: int) -> None:
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "tinygrad_cnn"}):  # of which the SVG's names are made, else of random numbers
        figure.savefig(target, format=ending[1:], dpi=dpi, metadata=_METADATA[ending])


def numbers(values: Any, operation: str, name: str) -> Any:
    """A NumPy array of a tensor, an array or a list, of real numbers.

    Raises:
        TypeError: not numbers.

    >>> numbers([1, 2], "example", "x")
    array([1, 2])
    """
    array = values.numpy() if isinstance(values, Tensor) else np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{operation}: expected {name} of numbers but got dtype {array.dtype}")
    return array


def scale(values: Any) -> dict[str, Any]:
    """The colours for an array: diverging and centred at 0 where some are negative, else from 0 up.

    >>> scale(np.array([-1.0, 3.0]))
    {'cmap': 'RdBu_r', 'vmin': -3.0, 'vmax': 3.0}
    >>> scale(np.array([0.5, 2.0]))
    {'cmap': 'viridis', 'vmin': 0.0, 'vmax': 2.0}
    """
    finite = values[np.isfinite(values)]
    limit = float(np.abs(finite).max()) if finite.size else 0.0
    limit = limit or 1.0
    if finite.size and finite.min() < 0:
        return {"cmap": DIVERGING, "vmin": -limit, "vmax": limit}
    return {"cmap": SEQUENTIAL, "vmin": 0.0, "vmax": limit}


def show(axes: Any, image: Any, **options: Any) -> Any:
    """Draw a picture without ticks; `options` are those of `imshow`.

    >>> show(new_figure(1, 1).subplots(), np.eye(2), cmap="gray").get_array().shape
    (2, 2)
    """
    drawn = axes.imshow(image, **options)
    axes.set(xticks=[], yticks=[])
    return drawn


def show_image(axes: Any, image: Any) -> None:
    """Draw an image as a model takes it, (H, W), (C, H, W) or (1, C, H, W).

    One channel is drawn in grey and three in colour: as they are where all values lie from 0 to 1, else from the
    image's minimum to its maximum. Of another number of channels the mean is drawn.

    >>> show_image(new_figure(1, 1).subplots(), np.zeros((3, 4, 5)))
    """
    pixels = numbers(image, "show_image", "an image").astype(np.float64)
    pixels = pixels.reshape(pixels.shape[-3:]) if pixels.ndim > 2 else pixels[None]
    if len(pixels) not in (1, 3):
        pixels = pixels.mean(axis=0, keepdims=True)
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0 or high > 1:
        pixels = (pixels - low) / ((high - low) or 1.0)
    if len(pixels) == 3:
        show(axes, np.moveaxis(pixels, 0, 2))
    else:
        show(axes, pixels[0], cmap="gray", vmin=0, vmax=1)


def show_photograph(axes: Any, pixels: Any) -> None:
    """Draw brightnesses, (H, W) or (H, W, 3), black at 0 and white at 1; what lies beyond is clipped.

    >>> show_photograph(new_figure(1, 1).subplots(), np.full((2, 2), 1.5))
    """
    clipped = np.clip(pixels, 0, 1)
    show(axes, clipped, **({"cmap": "gray", "vmin": 0, "vmax": 1} if clipped.ndim == 2 else {}))


def class_names(classes: Any, count: int, operation: str) -> list[str]:
    """What the classes are called: their numbers, or the names that were given.

    Raises:
        ValueError: another number of names than there are classes.

    >>> class_names(None, 3, "example"), class_names(["cat", "dog"], 2, "example")
    (['0', '1', '2'], ['cat', 'dog'])
    """
    names = [str(name) for name in (range(count) if classes is None else classes)]
    # matplotlib reads what stands between two dollars as a formula.
    names = [shortened(printable(name), LONGEST_NAME).replace("$", r"\$") for name in names]
    if len(names) != count:
        raise ValueError(f"{operation}: expected the names of {count} classes but got {len(names)}")
    return names

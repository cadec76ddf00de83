"""Figures with matplotlib: training curves, learned kernels, feature maps. Each function returns a `Figure` to save.

The figures are made without pyplot: no window, no global state, the same on a server as on a desktop.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np

from tinygrad_cnn.tensor import Tensor

__doctest_requires__ = {"*": ["matplotlib"]}


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("figures need matplotlib; pip install 'tinygrad_cnn[plot]'") from error
    return Figure(figsize=(width, height), layout="constrained")


def training_curve(losses: Sequence[float], train_accuracy: Sequence[float], test_accuracy: Sequence[float]) -> Any:
    """The mean loss and the accuracies after each epoch, on two axes.

    Args:
        losses: the mean training loss of each epoch.
        train_accuracy, test_accuracy: fractions of 0 to 1, as many as losses.

    Raises:
        ValueError: sequences of different lengths.
        ImportError: matplotlib is missing.

    >>> figure = training_curve([2.3, 0.9], [0.5, 0.9], [0.4, 0.8])
    >>> len(figure.axes)
    2
    """
    if not len(losses) == len(train_accuracy) == len(test_accuracy):
        raise ValueError(
            "training_curve: expected as many accuracies as losses but got "
            f"{len(losses)}, {len(train_accuracy)} and {len(test_accuracy)}"
        )
    figure = _figure(8, 3.2)
    left, right = figure.subplots(1, 2)
    epochs = range(1, len(losses) + 1)
    left.plot(epochs, losses, "o-", color="tab:blue", markersize=3)
    left.set(title="Training loss", xlabel="epoch", ylabel="cross entropy", yscale="log")
    right.plot(epochs, np.multiply(train_accuracy, 100), "o-", color="tab:blue", markersize=3, label="train")
    right.plot(epochs, np.multiply(test_accuracy, 100), "s--", color="tab:orange", markersize=3, label="test")
    right.set(title="Accuracy", xlabel="epoch", ylabel="%")
    right.legend()
    for axes in (left, right):
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    return figure


def filters(weight: Any, columns: int = 8) -> Any:
    """The kernels of a convolution as pictures: blue is negative, white 0, red positive, on one scale for all.

    Args:
        weight: (F, C, kH, kW), a tensor or array. Each of the F * C planes is a picture, filters in rows where C > 1.
        columns: pictures in a row where C is 1.

    Raises:
        ValueError: not four axes.
        ImportError: matplotlib is missing.

    >>> len(filters(np.ones((2, 3, 3, 3))).axes)  # 6 planes and the colour bar
    7
    """
    planes = _array(weight)
    if planes.ndim != 4:
        raise ValueError(f"filters: expected a weight (F, C, kH, kW) but got shape {planes.shape}")
    count, channels = planes.shape[:2]
    if channels > 1:
        columns = channels
    titles = [f"K{f + 1}" if channels == 1 else f"K{f + 1},{c + 1}" for f in range(count) for c in range(channels)]
    limit = float(np.abs(planes).max()) or 1.0
    return _pictures(planes.reshape(-1, *planes.shape[2:]), titles, columns, "RdBu_r", -limit, limit)


def feature_maps(image: Any, maps: Any, columns: int = 8) -> Any:
    """An image, and beside it what each filter of a layer made of it, on one grey scale: bright is high.

    Args:
        image: (H, W), the input.
        maps: (F, H', W'), the layer's output for that image.

    Raises:
        ValueError: other numbers of axes.
        ImportError: matplotlib is missing.

    >>> len(feature_maps(np.ones((8, 8)), np.ones((4, 8, 8))).axes)
    6
    """
    image, maps = _array(image), _array(maps)
    if image.ndim != 2 or maps.ndim != 3:
        raise ValueError(
            f"feature_maps: expected an image (H, W) and maps (F, H', W') but got shapes {image.shape} and {maps.shape}"
        )
    figure = _pictures(maps, [f"map {i + 1}" for i in range(len(maps))], columns, "gray", 0.0, float(maps.max()) or 1.0)
    inset = figure.add_axes((0.005, 0.3, 0.13, 0.5))
    inset.imshow(image, cmap="gray")
    inset.set_title("input", fontsize=9)
    inset.set(xticks=[], yticks=[])
    figure.get_layout_engine().set(rect=(0.14, 0, 0.86, 1))
    return figure


def _pictures(
    planes: Any, titles: list[str], columns: int, colours: str, low: float, high: float
) -> Any:
    """A grid of pictures on one scale, with its colour bar."""
    columns = min(columns, len(planes))
    rows = ceil(len(planes) / columns)
    figure = _figure(1.1 * columns + 1.2, 1.25 * rows + 0.3)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    shown = None
    for axes, plane, title in zip(grid, planes, titles, strict=False):
        shown = axes.imshow(plane, cmap=colours, vmin=low, vmax=high)
        axes.set_title(title, fontsize=9)
        axes.set(xticks=[], yticks=[])
    for axes in grid[len(planes) :]:
        axes.remove()
    figure.colorbar(shown, ax=list(grid[: len(planes)]), shrink=0.8)
    return figure


def _array(values: Any) -> Any:
    return values.numpy() if isinstance(values, Tensor) else np.asarray(values)

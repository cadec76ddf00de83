"""What a layer learned: its kernels as pictures, and how its weights and gradients are distributed."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Any

import numpy as np

from tinygrad_cnn.viz.analysis.probing import check_module
from tinygrad_cnn.viz.figures.canvas import BLUE, DIVERGING, SMALL, VERMILION, new_figure, numbers
from tinygrad_cnn.viz.graph.numbers import number

__doctest_requires__ = {"*": ["matplotlib"]}


def filters(weight: Any, columns: int = 8) -> Any:
    """The kernels of a convolution as pictures: blue is negative, white 0, red positive, on one scale for all.

    Args:
        weight: (F, C, kH, kW), a tensor or array. Each of the F * C planes is a picture: the filters in rows and the
            channels in columns, or, with one channel, so many filters in a row.
        columns: pictures in a row where C is 1.

    Raises:
        ValueError: not four axes, an empty one, `columns` below 1.
        TypeError: not numbers.
        ImportError: matplotlib is missing.

    >>> axes, colours = filters(np.ones((2, 3, 3, 3))).axes
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['K1', 'K2']
    """
    planes = numbers(weight, "filters", "a weight")
    if planes.ndim != 4 or not planes.size:
        raise ValueError(f"filters: expected a weight (F, C, kH, kW) but got shape {planes.shape}")
    if columns < 1:
        raise ValueError(f"filters: columns must be at least 1 but is {columns}")
    count, channels, height, width = planes.shape
    names = [f"K{f + 1}" for f in range(count)]
    is_grid = channels == 1
    if is_grid:
        columns = min(columns, count)
        rows = ceil(count / columns)
        gap = max(1, ceil(0.3 * height))  # room for the name above
    else:
        columns, rows, gap = channels, count, 1
    mosaic = np.full((rows * (height + gap) + 1, columns * (width + 1) + 1), np.nan)
    places = [(f, 0, *divmod(f, columns)) if is_grid else (f, c, f, c) for f in range(count) for c in range(channels)]
    corners = [(f, c, row * (height + gap) + gap, column * (width + 1) + 1) for f, c, row, column in places]
    for f, c, top, left in corners:
        mosaic[top : top + height, left : left + width] = planes[f, c]
    tile = min(0.8, max(14 / max(rows, columns), 0.15))
    step = tile / max(height, width)
    height_drawn = max(step * mosaic.shape[0], 1.2)
    figure = new_figure(max(step * mosaic.shape[1], 2.4) + 1.2, height_drawn + 0.5)
    axes = figure.subplots()
    limit = float(np.abs(planes[np.isfinite(planes)]).max(initial=0)) or 1.0
    drawn = axes.imshow(mosaic, cmap=DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=SMALL)
    axes.set(xticks=[], yticks=[], title=f"{count} filter{'s' * (count > 1)} of {_size(planes.shape[1:])}")
    frame: dict[str, Any] = {"fill": False, "edgecolor": "0.6", "linewidth": 0.5}
    if len(corners) <= 400:
        from matplotlib.patches import Rectangle

        for _, _, top, left in corners:
            axes.add_patch(Rectangle((left - 0.5, top - 0.5), width, height, **frame))
    if is_grid:
        for f, _, top, left in corners:
            axes.text(left + (width - 1) / 2, top - 0.6, names[f], ha="center", va="bottom", fontsize=SMALL)
    else:
        every = max(1, ceil(0.17 / tile)), max(1, ceil(0.45 / tile))
        axes.set_yticks([f * (height + gap) + gap + (height - 1) / 2 for f in range(0, count, every[0])])
        axes.set_yticklabels(names[:: every[0]])
        axes.set_xticks([c * (width + 1) + (width + 1) / 2 for c in range(0, channels, every[1])])
        axes.set_xticklabels(range(1, channels + 1, every[1]))
        axes.set_xlabel("input channel")
    figure.colorbar(drawn, ax=axes, label="weight", aspect=height_drawn / 0.15)
    return figure


def histograms(model: Any, names: Iterable[str] | None = None, bins: int = 50, limit: int = 12) -> Any:
    """How the weights of each parameter, and the gradients that are in its `.grad`, are distributed.

    Beside each histogram stand the mean and the standard deviation; for gradients also how many are exactly 0, which
    the kernels of a unit that died have. A gradient that was not computed is told apart from one of zeros.

    Args:
        model: a `Module`; call `loss.backward()` first for its gradients.
        names: dotted names of parameters, in the order to draw; None for all, the first `limit` of them, which the
            title then says.
        bins: how many bars.
        limit: rows at most where no names are given.

    Raises:
        ValueError: a name that no parameter has, a model without parameters, no bins.
        TypeError: not a module.
        ImportError: matplotlib is missing.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> model = nn.Linear(3, 2)
    >>> model(tg.tensor(np.ones((1, 3)))).sum().backward()
    >>> [axes.get_title(loc="left") for axes in histograms(model).axes][:2]
    ['weight (2, 3)', 'its gradient']
    """
    check_module(model, "histograms")
    parameters = dict(model.named_parameters())
    if bins < 1 or limit < 1:
        raise ValueError(f"histograms: bins and limit must be at least 1 but are {bins} and {limit}")
    if not parameters:
        raise ValueError(f"histograms: expected a model with parameters but {type(model).__name__} has none")
    wanted = list(parameters)[:limit] if names is None else list(names)
    for name in wanted:
        if name not in parameters:
            raise ValueError(f"histograms: expected parameters out of {', '.join(parameters)} but got {name!r}")
    figure = new_figure(8.5, 1.35 * len(wanted) + 0.6)
    grid = figure.subplots(len(wanted), 2, squeeze=False)
    for (left, right), name in zip(grid, wanted, strict=True):
        parameter = parameters[name]
        _histogram(left, parameter.numpy(), bins, BLUE)
        left.set_title(f"{name} {parameter.shape}", loc="left", fontsize=SMALL + 1)
        right.set_title("its gradient", loc="left", fontsize=SMALL + 1)
        if parameter.grad is None:
            right.text(0.5, 0.5, "not computed", ha="center", va="center", transform=right.transAxes, color="0.4")
            right.set(xticks=[], yticks=[])
        else:
            _histogram(right, parameter.grad.numpy(), bins, VERMILION, zeros=True)
    shown = "" if len(wanted) == len(parameters) else f": {len(wanted)} of {len(parameters)} parameters"
    figure.suptitle(f"Weights and gradients of {type(model).__name__}{shown}", fontsize=11)
    return figure


def _histogram(axes: Any, values: Any, bins: int, colour: str, zeros: bool = False) -> None:
    """The bars, 0 marked, and the mean and the standard deviation in words; what isn't finite is counted apart."""
    finite = values[np.isfinite(values)].astype(np.float64)
    notes = []
    if finite.size:
        low, high = float(finite.min()), float(finite.max())
        if low == high:  # all alike: one bar of a width that can be seen
            margin = abs(low) / 10 or 0.1
            low, high = low - margin, high + margin
        axes.hist(finite, bins=bins, range=(low, high), color=colour)
        if low <= 0 <= high:
            axes.axvline(0, color="0.3", linewidth=0.8, linestyle=":")
        notes += [f"mean {number(float(finite.mean()), 3)}", f"std {number(float(finite.std()), 3)}"]
    if zeros and (count := int((values == 0).sum())):
        notes.append(f"{count:,} of {values.size:,} are 0")
    if finite.size < values.size:
        notes.append(f"{values.size - finite.size:,} of {values.size:,} are not finite")
    axes.set_title("   ".join(notes), loc="right", fontsize=SMALL, color="0.3")
    axes.set_ylabel("count", fontsize=SMALL)
    axes.tick_params(labelsize=SMALL - 1)
    axes.locator_params(axis="y", nbins=3, integer=True)
    axes.locator_params(axis="x", nbins=6)


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))

"""What a model heeds in an image: saliency, class activation, and the receptive field of one unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.viz.analysis.attribution import class_activation_map, saliency_map, unit_field
from tinygrad_cnn.viz.analysis.probing import as_batch, check_module, run
from tinygrad_cnn.viz.figures.canvas import (
    ORANGE,
    SEQUENTIAL,
    SMALL,
    new_figure,
    numbers,
    scale,
    show,
    show_image,
)

__doctest_requires__ = {"*": ["matplotlib"]}

_TITLES = {"gradient": "Gradient", "smoothgrad": "SmoothGrad", "input_x_gradient": "Input × gradient"}


def saliency(
    model: Any,
    image: Any,
    target: int | None = None,
    methods: Sequence[str] = ("gradient", "smoothgrad", "input_x_gradient"),
    *,
    classes: Sequence[str] | None = None,
    **options: Any,
) -> Any:
    """An image, and how much each of its pixels moves the score of a class, by one or several methods.

    Each map has its own scale: "gradient" and "smoothgrad" are never negative, and "input_x_gradient" is centred at 0.

    Args:
        model: a `Module` that gives logits (1, classes). It runs in evaluation mode and is not changed.
        image: (H, W), (C, H, W) or (1, C, H, W), as the model is trained with.
        target: the class; None for the one of the largest logit.
        methods: those of `saliency_map`, a panel each.
        classes: what the classes are called; None for their numbers.
        options: `samples`, `noise` and `seed` of `saliency_map`.

    Raises:
        ValueError: no methods, too few names, and as `saliency_map`.
        TypeError: as `saliency_map`.
        ImportError: matplotlib is missing.

    >>> from tinygrad_cnn import nn
    >>> figure = saliency(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), np.eye(4), 2, ["gradient"])
    >>> [axes.get_title() for axes in figure.axes[:2]]
    ['The image', 'Gradient']
    """
    check_module(model, "saliency")
    if isinstance(methods, str) or not methods:
        raise ValueError(f"saliency: expected a list of methods but got {methods!r}")
    chosen = _predicted(model, image) if target is None else target
    maps = [saliency_map(model, image, chosen, method, **options) for method in methods]
    count = len(maps) + 1
    figure = new_figure(2.7 * count, 2.7 * _ratio(image) + 1.1)
    panels, bars = figure.subplots(2, count, height_ratios=(2.6 * _ratio(image), 0.1))
    show_image(panels[0], image)
    panels[0].set_title("The image")
    bars[0].set_axis_off()
    for axes, bar, method, values in zip(panels[1:], bars[1:], methods, maps, strict=True):
        drawn = show(axes, values, **scale(values))
        axes.set_title(_TITLES[method])
        figure.colorbar(drawn, cax=bar, orientation="horizontal")
        bar.tick_params(labelsize=SMALL)
        bar.locator_params(axis="x", nbins=4)
    figure.suptitle(f"What the score of class {_name(chosen, classes, 'saliency')} hangs on", fontsize=11)
    return figure


def class_activation(
    model: Any,
    image: Any,
    target: int | None = None,
    layer: str | None = None,
    method: str = "grad-cam",
    *,
    classes: Sequence[str] | None = None,
) -> Any:
    """Where in an image the evidence for a class lies: the map at the layer's own resolution, and over the image.

    Args:
        model: a `Module` that gives logits (1, classes). It runs in evaluation mode and is not changed.
        image: (H, W), (C, H, W) or (1, C, H, W), as the model is trained with.
        target, layer, method: as in `class_activation_map`.
        classes: what the classes are called; None for their numbers.

    Raises:
        ValueError, TypeError: as `class_activation_map`; too few names.
        ImportError: matplotlib is missing.

    >>> from tinygrad_cnn import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.GlobalAvgPool(), nn.Linear(4, 3))
    >>> figure = class_activation(model, np.eye(6), 2, method="cam")
    >>> [axes.get_title() for axes in figure.axes[:3]]
    ['The image', "CAM of layer '1', 4×4", 'Over the image']
    """
    found = class_activation_map(model, image, target, layer, method)
    height, width = _size(image)
    figure = new_figure(9.6, 3.0 * _ratio(image) + 0.7)
    original, plain, overlay = figure.subplots(1, 3)
    show_image(original, image)
    original.set_title("The image")
    colours = scale(found.values)
    # A cell covers its share of the image: the extent puts it there.
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    drawn = show(plain, found.values, extent=extent, interpolation="nearest", **colours)
    size = "×".join(map(str, found.values.shape))
    plain.set_title(f"{'CAM' if method == 'cam' else 'Grad-CAM'} of layer {found.layer!r}, {size}")
    show_image(overlay, _in_grey(image))
    # No evidence leaves the image as it is, and so does a NaN.
    strength = np.clip(np.nan_to_num(np.abs(found.values)) / colours["vmax"], 0, 1)
    show(overlay, found.values, extent=extent, interpolation="bilinear", alpha=0.75 * strength, **colours)
    overlay.set_title("Over the image")
    figure.colorbar(drawn, ax=[original, plain, overlay], shrink=0.8, label="evidence")
    figure.suptitle(f"Evidence for class {_name(found.target, classes, 'class_activation')}", fontsize=11)
    return figure


def receptive_field(
    model: Any, image: Any, layer: str = "", unit: tuple[int, int] | None = None, channel: int | None = None
) -> Any:
    """The receptive field of one unit over an image, as a frame, and the size of its gradient there, as shading.

    The frame follows from the kernels, strides and paddings; beyond it the gradient is 0. Within it the gradient shows
    what the unit really heeds: |dz/dx|, the largest over the channels.

    Args:
        model: a `Module`. It runs in evaluation mode and is not changed.
        image: (H, W), (C, H, W) or (1, C, H, W).
        layer: the dotted name of a module that returns maps (1, K, h, w); "" for the model itself.
        unit: (row, column) in these maps; None for the middle.
        channel: which map; None for the sum of all.

    Raises:
        ValueError, TypeError: as `unit_field`.
        ImportError: matplotlib is missing.

    >>> from tinygrad_cnn import nn
    >>> figure = receptive_field(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3)), np.eye(9), unit=(0, 4))
    >>> [axes.get_title() for axes in figure.axes[:2]]
    ['Receptive field 5×5: 25 pixels', 'Gradient of the unit: not 0 in 25 pixels']
    """
    found = unit_field(model, image, layer, unit, channel)
    strength = np.abs(found.gradient).max(axis=0)
    figure = new_figure(8.2, 3.6 * _ratio(image) + 0.7)
    left, right = figure.subplots(1, 2)
    show_image(left, image)
    drawn = show(right, strength, cmap=SEQUENTIAL, vmin=0, vmax=float(strength.max()) or 1.0)
    if found.rows and found.columns and found.size:
        (top, bottom), (first, last) = found.rows, found.columns
        height, width = bottom - top + 1, last - first + 1
        for axes in (left, right):
            _frame(axes, top, first, height, width)
        left.set_title(f"Receptive field {found.size[0]}×{found.size[1]}: {height * width:,} pixels", fontsize=10)
    else:
        left.set_title("Receptive field: none in the image, or not known", fontsize=10)
    right.set_title(f"Gradient of the unit: not 0 in {np.count_nonzero(strength):,} pixels", fontsize=10)
    figure.colorbar(drawn, ax=[left, right], shrink=0.8, label="|dz/dx|")
    where = f"layer {layer!r}" if layer else type(model).__name__
    which = "all channels" if channel is None else f"channel {channel}"
    figure.suptitle(f"What the unit {found.unit} of {where}, {which}, sees", fontsize=11)
    return figure


def _frame(axes: Any, top: int, left: int, height: int, width: int) -> None:
    """A frame around pixels: orange on black, to be seen on any picture."""
    from matplotlib.patches import Rectangle

    for colour, line in (("black", 3.2), (ORANGE, 1.6)):
        corner = (left - 0.5, top - 0.5)
        axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=colour, linewidth=line, clip_on=False))


def _predicted(model: Any, image: Any) -> int | None:
    """The class of the largest logit, so that all methods explain the same; None where the output is none."""
    output, _ = run(model, as_batch(model, image, "saliency"), "saliency")
    return int(output.numpy()[0].argmax()) if getattr(output, "ndim", 0) == 2 else None


def _size(image: Any) -> tuple[int, int]:
    height, width = numbers(image, "image", "an image").shape[-2:]
    return height, width


def _ratio(image: Any) -> float:
    height, width = _size(image)
    return min(max(height / width, 0.4), 2.0)


def _in_grey(image: Any) -> Any:
    pixels = numbers(image, "image", "an image").astype(np.float64)
    return pixels if pixels.ndim == 2 else pixels.reshape(pixels.shape[-3:]).mean(axis=0)


def _name(target: Any, classes: Sequence[str] | None, operation: str) -> str:
    if classes is None:
        return str(target)
    if target >= len(classes):
        raise ValueError(f"{operation}: expected a name for class {target} but got {len(classes)} names")
    return str(classes[target])

"""What a classifier gets right and wrong: the confusion matrix, and the images that it takes for something else."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np

from tinygrad_cnn.viz.analysis.classification import confusion_counts, find_mistakes
from tinygrad_cnn.viz.figures.canvas import SMALL, class_names, new_figure, numbers, show_image

__doctest_requires__ = {"*": ["matplotlib"]}


def confusion_matrix(
    labels: Any, predictions: Any, *, classes: Sequence[str] | None = None, normalize: bool = False
) -> Any:
    """How many examples of each class (row) were taken for each class (column).

    The colour is the share of the row, so that rare classes can be read as well as frequent ones. A class without
    examples has an empty row of no share, hatched, and one that is never predicted an empty column; both are named
    below the matrix.

    Args:
        labels: (N,), integers from 0: the true classes.
        predictions: (N,), the classes that were said, or (N, classes), logits or probabilities.
        classes: what the classes are called; None for the numbers of those that occur.
        normalize: write the share of the row, in percent, and not the count.

    Raises:
        ValueError, TypeError: as `confusion_counts`; fewer names than classes.
        ImportError: matplotlib is missing.

    >>> figure = confusion_matrix([0, 0, 1, 2], [0, 1, 1, 1], classes=["cat", "dog", "cow"])
    >>> figure.axes[0].get_title()
    'Confusion matrix: 2 of 4 right (50.0 %)'
    >>> figure.axes[0].get_xlabel()
    'predicted\\nnever predicted: cow'
    """
    counts = confusion_counts(labels, predictions, None if classes is None else len(classes))
    count = len(counts)
    names = class_names(classes, count, "confusion_matrix")
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    side = min(max(0.42 * count + 1.4, 3.4), 14)
    figure = new_figure(side + 1.2, side + 0.5)
    axes = figure.subplots()
    axes.set_facecolor("0.93")
    drawn = axes.imshow(shares * 100, cmap="Blues", vmin=0, vmax=100)
    for i in np.flatnonzero(totals[:, 0] == 0):
        axes.axhspan(i - 0.5, i + 0.5, facecolor="0.93", edgecolor="0.7", hatch="///", linewidth=0)
    if count <= 40:
        size = max(min(9.0, 200 / count), 5)
        for (i, j), value in np.ndenumerate(counts):
            if value:
                text = f"{100 * shares[i, j]:.{1 if count <= 12 else 0}f}" if normalize else f"{value}"
                colour = "white" if shares[i, j] > 0.55 else "black"
                axes.text(j, i, text, ha="center", va="center", fontsize=size, color=colour)
    right, total = int(np.trace(counts)), int(counts.sum())
    axes.set_title(f"Confusion matrix: {right:,} of {total:,} right ({100 * right / total:.1f} %)", fontsize=11)
    steep = max(map(len, names)) > 3
    every = ceil(count / 60)
    slant: dict[str, Any] = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"} if steep else {}
    axes.set_xticks(range(0, count, every), names[::every], **slant)
    axes.set_yticks(range(0, count, every), names[::every])
    axes.tick_params(labelsize=SMALL)
    missing = _note("never predicted", counts.sum(axis=0), names), _note("no examples", totals[:, 0], names)
    axes.set_xlabel("\n".join(["predicted", *filter(None, missing)]))
    axes.set_ylabel("true")
    figure.colorbar(drawn, ax=axes, label="% of the row", shrink=0.8, aspect=4 * side)
    return figure


def misclassified(
    images: Any, labels: Any, logits: Any, *, classes: Sequence[str] | None = None, limit: int = 20, columns: int = 5
) -> Any:
    """The images that a classifier takes for something else, the surest mistake first, each with both probabilities.

    Args:
        images: (N, H, W) or (N, C, H, W).
        labels: (N,), integers from 0: the true classes.
        logits: (N, classes); their softmax gives the probabilities.
        classes: what the classes are called; None for their numbers.
        limit: how many at most; the title says how many there are.
        columns: images in a row.

    Raises:
        ValueError: other shapes, numbers of images and labels that differ, and as `find_mistakes`.
        TypeError: as `find_mistakes`.
        ImportError: matplotlib is missing.

    >>> figure = misclassified(np.zeros((3, 8, 8)), [0, 1, 1], [[2.0, 0.0], [0.0, 0.0], [3.0, 0.0]])
    >>> [axes.get_title() for axes in figure.axes]
    ['taken for 0, 95 %\\nis 1, 5 %', 'taken for 0, 50 %\\nis 1, 50 %']
    """
    pixels = numbers(images, "misclassified", "images")
    if pixels.ndim not in (3, 4) or not pixels.size:
        raise ValueError(f"misclassified: expected images (N, H, W) or (N, C, H, W) but got shape {pixels.shape}")
    if limit < 1 or columns < 1:
        raise ValueError(f"misclassified: limit and columns must be at least 1 but are {limit} and {columns}")
    found = find_mistakes(labels, logits)
    if found.examples != len(pixels):
        raise ValueError(f"misclassified: expected a label for each of {len(pixels)} images but got {found.examples}")
    names = class_names(classes, np.shape(logits)[1], "misclassified")
    count = min(len(found), limit)
    used = max(min(columns, count), 3)
    rows = max(ceil(count / used), 1)
    figure = new_figure(1.6 * used + 0.2, 2.05 * rows + 0.5 if count else 0.6)
    grid = figure.subplots(rows, used, squeeze=False).ravel()
    for axes, i in zip(grid, range(count), strict=False):
        show_image(axes, pixels[found.indices[i]])
        true, said = names[found.labels[i]], names[found.predictions[i]]
        sure, rest = 100 * found.confidences[i], 100 * found.probabilities_of_labels[i]
        axes.set_title(f"taken for {said}, {_percent(sure)} %\nis {true}, {_percent(rest)} %", fontsize=SMALL)
    for axes in grid[count:]:
        axes.remove()
    first = f", the surest {count}" if count < len(found) else ""
    title = f"{len(found):,} of {found.examples:,} images misclassified{first}"
    figure.suptitle(title if len(found) else f"None of {found.examples:,} images misclassified", fontsize=11)
    return figure


def _percent(value: float) -> str:
    """A whole number, but neither 0 nor 100 where it is none."""
    rounded = round(value)
    if rounded == 100 and value < 100:
        return ">99"
    return "<1" if rounded == 0 and value > 0 else str(rounded)


def _note(what: str, totals: Any, names: Sequence[str]) -> str:
    missing = [name for name, total in zip(names, totals, strict=True) if not total]
    more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
    return f"{what}: {', '.join(missing[:8])}{more}" if missing else ""

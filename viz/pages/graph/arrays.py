"""Arrays as a page shows them: written out, or as statistics, a histogram and a small map; each array once.

Every number comes as text, as pictures write it, and exactly, as Python writes it, so that what a page shows can be
read out of it and compared.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from tinygrad_cnn import backend
from tinygrad_cnn.viz.drawing.labels import typeset
from tinygrad_cnn.viz.graph import numbers
from tinygrad_cnn.viz.graph.description import Missing

BINS = 24
"""Of a histogram."""

TILES, TILE = 12, 48
"""A map shows up to so many planes of an array, each of up to so many rows and columns."""

FEW = 9
"""Of so many numbers that are written out nobody needs statistics."""

LONGEST_EXACT = 120
"""An exact number of more characters is cut."""

_NOT_FINITE = 255
_MIDDLE = 127


class Arrays:
    """The arrays of a page, each described once, however often it is shown.

    Args:
        cells: of the maps, at most, for each array.
    """

    def __init__(self, cells: int = 2500) -> None:
        self.cells = cells
        self.described: list[dict[str, Any]] = []
        self._known: dict[Any, int] = {}

    def add(self, array: Any) -> int | str | None:
        """The number of the array's description, or why there is none, or None where there is nothing to show.

        >>> arrays = Arrays()
        >>> arrays.add(np.float32(0.5)), arrays.add(Missing.NOT_COMPUTED), arrays.add(np.float32(0.5))
        (0, 'not computed', 0)
        >>> arrays.described[0]["grid"]
        [[['0.5', '0.5']]]
        """
        if array is None or isinstance(array, Missing):
            return array and array.value
        array = np.asarray(backend.to_numpy(array))
        key = _identity(array)
        if key not in self._known:
            self._known[key] = len(self.described)
            self.described.append(describe(array, self.cells))
        return self._known[key]


def _identity(array: Any) -> Any:
    if array.dtype == object:
        return array.shape, tuple((type(x), str(x)) for x in array.flat)
    return array.shape, array.dtype.str, hash(array.tobytes()), array.size


def describe(array: Any, cells: int = 2500) -> dict[str, Any]:
    """What a page shows of an array.

    Returns:
        "grid" for a small one, rows of pairs of a text and the exact number; for others "statistics", pairs by their
        names, "histogram" and "map" where there can be one, and "excerpt", the first rows of the first plane.

    >>> found = describe(np.arange(6.0))
    >>> found["statistics"]["mean"], found["excerpt"]
    (['2.5', '2.5'], [[['0', '0.0'], ['1', '1.0'], ['2', '2.0'], ['3', '3.0'], ['4', '4.0']]])
    """
    found: dict[str, Any] = {"size": array.size, "shape": list(array.shape)}
    if not array.size:
        return found
    flat = array.reshape(-1)
    if numbers.grid(array) is not None:
        found["grid"] = _pairs(_plane(array))
    else:
        found["excerpt"] = _pairs(_plane(np.squeeze(array))[: numbers.GRID, : numbers.GRID])
    if array.size <= FEW and "grid" in found:
        return found
    if (about := _statistics(flat)) is not None:
        found["statistics"] = about
    if array.dtype.kind in "biuf":
        if (histogram := _histogram(flat)) is not None:
            found["histogram"] = histogram
        if "grid" not in found:
            found["map"] = _map(np.squeeze(array), cells)
    return found


def _pairs(rows: Any) -> list[list[list[str]]]:
    return [[pair(x) for x in row] for row in rows]


def pair(x: Any) -> list[str]:
    """A number as it is shown and as it is.

    >>> pair(-1 / 3), pair(np.float32(0.1))
    (['−0.3333', '-0.3333333333333333'], ['0.1', '0.10000000149011612'])
    """
    exact = repr(float(x)) if isinstance(x, float | np.floating) else str(x)
    return [typeset(numbers.number(x)), numbers.shortened(exact, LONGEST_EXACT)]


def _plane(array: Any) -> Any:
    """The first plane of an array: its last two axes; of a vector or a number one row."""
    return array.reshape(1, -1) if array.ndim < 2 else array.reshape(-1, *array.shape[-2:])[0]


def _statistics(flat: Any) -> dict[str, list[str]] | None:
    found = numbers.statistics(flat)
    if found is None:
        return None
    about = {"min": found.minimum, "mean": found.mean, "max": found.maximum, "std": found.deviation}
    counts = {"zeros": found.zeros, "not finite": found.not_finite}
    return {name: pair(x) for name, x in {**about, **counts}.items() if x is not None}


def _histogram(flat: Any) -> dict[str, Any] | None:
    """How many elements fall into each of `BINS` bins of equal width between the smallest and the largest one."""
    if flat.dtype.kind == "f":
        is_finite = np.isfinite(flat)
        flat = flat if is_finite.all() else flat[is_finite]
    if not flat.size:
        return None
    low, high = float(flat.min()), float(flat.max())
    with np.errstate(over="ignore"):
        if not np.isfinite(high - low) or low == high:
            return None
        # Much faster than np.histogram, which sorts for bins of any width.
        places = ((flat.astype(np.float64) if flat.dtype.kind != "f" else flat) - low) * (BINS / (high - low))
    counts = np.bincount(np.clip(places, 0, BINS - 1).astype(np.intp), minlength=BINS)
    return {"counts": counts.tolist(), "low": pair(low)[0], "high": pair(high)[0]}


def _map(array: Any, cells: int) -> dict[str, Any]:
    """The first planes of an array without axes of size 1, as one byte for each cell.

    127 is 0, 0 and 254 are the largest magnitude, 255 is not finite.
    A plane of more rows or columns is shown by the means of blocks.
    """
    planes = array.reshape(1, 1, -1) if array.ndim < 2 else array.reshape(-1, *array.shape[-2:])
    rows, columns = planes.shape[1:]
    side = min(TILE, max(1, int(cells**0.5)))
    high, wide = (1, min(columns, 2 * side)) if rows == 1 else (min(rows, side), min(columns, side))
    shown = planes[: max(1, min(TILES, cells // (high * wide)))].astype(np.float64)
    tall, broad = -(-rows // high), -(-columns // wide)
    with np.errstate(invalid="ignore", over="ignore"):
        if tall > 1:
            starts = range(0, rows, tall)
            shown = np.add.reduceat(shown, starts, axis=1) / np.diff([*starts, rows])[:, np.newaxis]
        if broad > 1:
            starts = range(0, columns, broad)
            shown = np.add.reduceat(shown, starts, axis=2) / np.diff([*starts, columns])
        is_finite = np.isfinite(shown)
        largest = float(np.abs(shown[is_finite]).max()) if is_finite.any() else 0.0
        scaled = np.where(is_finite, shown, 0.0) / (largest or 1.0)
    codes = np.where(is_finite, np.rint(scaled * _MIDDLE) + _MIDDLE, _NOT_FINITE).astype(np.uint8)
    return {
        "planes": codes.shape[0],
        "of": planes.shape[0],
        "rows": codes.shape[1],
        "columns": codes.shape[2],
        "block": [tall, broad],
        "largest": pair(largest)[0],
        "codes": base64.b64encode(codes.tobytes()).decode(),
    }

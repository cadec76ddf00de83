"""What is seen after units were put into other places: borders, joins, indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_cnn.kernels.borders import SOURCES
from tinygrad_cnn.viz.receptive_field.bounds import Bounds, Seen
from tinygrad_cnn.viz.receptive_field.steps import Step, rearranged, side_by_side, transposed, with_axis
from tinygrad_cnn.viz.receptive_field.windows import NOTHING, repeating, stamped, strided


def padding(step: Step, seen: Seen) -> Seen:
    """A border of a number, or of the pixels that the mode says."""
    for axis, (before, after) in enumerate(step.options["widths"]):
        if before or after:
            size = step.shapes[0][axis]
            windows = strided(1, before)
            at, are_inside = windows.inside(size + before + after, size)
            if step.options["mode"] != "zeros":
                source = SOURCES[step.options["mode"]]
                at = np.array([[source(i - before, size)] for i in range(size + before + after)])
                are_inside = np.ones_like(at, dtype=bool)
            seen = seen.chosen(axis, at, are_inside, windows)
    return seen


def concatenation(step: Step) -> Seen:
    """Tensors side by side, some of which may see nothing."""
    axis = step.options["axis"]
    like = step.dependent[0][0]
    one = np.ones((1,) * len(step.shape), dtype=np.int32)
    nothing = Bounds(one * NOTHING, one * -NOTHING)
    blank = Seen(nothing, like.pattern and replace(like.pattern, bounds=nothing))
    parts = [blank if seen is None else seen for seen in step.operands]
    return side_by_side(parts, axis, [shape[axis] for shape in step.shapes])


def roll(step: Step, seen: Seen) -> Seen:
    """What falls off at the end comes in at the start."""
    for shift, axis in zip(step.options["shift"], step.options["axis"], strict=True):
        size = step.shape[axis]
        at = (np.arange(size)[:, None] - shift) % size
        seen = seen.chosen(axis, at, np.ones_like(at, dtype=bool), strided(1, shift))
    return seen


def flip(step: Step, seen: Seen) -> Seen:
    """The last unit comes first."""
    for axis in step.options["axis"]:
        size = step.shape[axis]
        seen = seen.through(axis, size, size, strided(-1, 1 - size))
    return seen


def index(step: Step, seen: Seen) -> Seen:
    """Slices, integers, new axes and one list of places keep the pattern; other index arrays are exact alone."""
    index, shape = _full_index(step.options["index"], step.shapes[0]), step.shapes[0]
    arrays = [part for part in index if isinstance(part, np.ndarray)]
    if arrays and (len(arrays) > 1 or arrays[0].ndim != 1 or arrays[0].dtype.kind not in "iu" or _has_integers(index)):
        exact = seen.exact.map(lambda array: np.broadcast_to(array, shape)[step.options["index"]]).compact()
        return Seen(exact, None, seen.known_size)
    axis = 0  # of x, and of what is made of it while no axis is dropped or new
    for part in index:
        if part is None:
            continue
        if isinstance(part, slice):
            start, stop, pace = part.indices(shape[axis])
            if (start, pace, len(range(start, stop, pace))) != (0, 1, shape[axis]):
                seen = seen.through(axis, shape[axis], len(range(start, stop, pace)), strided(pace, -start))
        elif isinstance(part, np.ndarray):
            at = np.where(part < 0, part + shape[axis], part)
            seen = seen.through_rows(axis, shape[axis], at, at, repeating(at, at, shape[axis], turns=2))
        else:
            seen = seen.through(axis, shape[axis], 1, strided(1, -(part % shape[axis])))
        axis += 1
    axis = 0
    for part in index:
        if part is None:
            seen = with_axis(seen, axis)
        if part is None or isinstance(part, slice | np.ndarray):
            axis += 1
        else:
            seen = seen.hull([axis], keepdims=False)
    return seen


def _has_integers(index: Sequence[Any]) -> bool:
    return any(isinstance(part, int) for part in index)


def _full_index(index: Any, shape: Sequence[int]) -> list[Any]:
    """An index with a part for every axis: None, an integer, a slice or an array."""
    given = [part if part is None or isinstance(part, slice) else _plain(part) for part in index]
    used = sum(part.ndim if isinstance(part, np.ndarray) and part.dtype == bool else 1
               for part in given if part is not None and part is not Ellipsis)  # fmt: skip
    rest = [slice(None)] * (len(shape) - used)
    place = next((i for i, part in enumerate(given) if part is Ellipsis), None)
    return [*given, *rest] if place is None else [*given[:place], *rest, *given[place + 1 :]]


def _plain(part: Any) -> Any:
    if part is Ellipsis:
        return part
    array = np.asarray(part)
    return int(array) if array.ndim == 0 and array.dtype.kind in "iu" else array


def scatter(step: Step, seen: Seen) -> Seen | None:
    """Into zeros: known for slices with their usual pace."""
    index = _full_index(step.options["index"], step.shape)
    if not all(isinstance(part, slice) for part in index):
        return None
    for axis, part in enumerate(index):
        start, _, pace = part.indices(step.shape[axis])
        if pace < 1:
            return None
        seen = seen.through(axis, step.shapes[0][axis], step.shape[axis], stamped(pace, -start))
    return seen


def pixel_shuffle(step: Step, seen: Seen) -> Seen:
    """r**2 channels become blocks of r x r pixels."""
    r, n = step.options["r"], len(step.shape) - 3
    *lead, channels, height, width = step.shapes[0]
    seen = rearranged(seen, step.shapes[0], (*lead, channels // r**2, r, r, height, width))
    seen = transposed(seen, (*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    return rearranged(seen, (*lead, channels // r**2, height, r, width, r), step.shape)


def pixel_unshuffle(step: Step, seen: Seen) -> Seen:
    """Blocks of r x r pixels become r**2 channels."""
    r, n = step.options["r"], len(step.shape) - 3
    *lead, channels, height, width = step.shape
    seen = rearranged(seen, step.shapes[0], (*lead, channels // r**2, height, r, width, r))
    seen = transposed(seen, (*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    return rearranged(seen, (*lead, channels // r**2, r, r, height, width), step.shape)

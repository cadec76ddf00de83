"""What is seen through windows: convolutions, poolings and their like, and images at another size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.primitives.adaptive_pool import bounds as region_bounds
from tinygrad_cnn.viz.receptive_field.bounds import Bounds, Seen, together
from tinygrad_cnn.viz.receptive_field.steps import Step, rearranged, side_by_side, transposed, with_axis
from tinygrad_cnn.viz.receptive_field.windows import NOTHING, Windows, regions, repeating, stamped, strided


def _spatial(step: Step, names: Sequence[str]) -> list[tuple[Any, ...]]:
    """These options of every spatial axis, with the number of the axis in front."""
    options = [step.options[name] for name in names]
    return [(2 + i, *values) for i, values in enumerate(zip(*options, strict=True))]


def _across_channels(seen: Seen, channels: int, groups: int, results: int) -> Seen:
    """Every result is computed from all channels of its group."""

    def mix(bounds: Bounds) -> Bounds:
        if bounds.low.shape[1] == bounds.high.shape[1] == 1:
            return bounds
        if groups == 1:
            return bounds.hull([1])
        split = bounds.expanded(1, channels).map(
            lambda array: array.reshape(array.shape[0], groups, channels // groups, *array.shape[2:])
        )
        return split.hull([2], keepdims=False).map(lambda array: np.repeat(array, results // groups, axis=1)).compact()

    return seen.map(mix)


def correlation(step: Step, seen: Seen) -> Seen:
    """A convolution: its windows, and all channels of a group."""
    return _convolved(step, seen, strided)


def transposed_convolution(step: Step, seen: Seen) -> Seen:
    """Every unit is computed from those whose stamp it lies in."""
    return _convolved(step, seen, stamped)


def _convolved(step: Step, seen: Seen, make: Callable[[int, int, int, int], Windows]) -> Seen:
    x, kernel = step.shapes[0], step.shapes[1][2:]
    seen = _across_channels(seen, x[1], step.options["groups"], step.shape[1])
    for axis, stride, (before, _), dilation in _spatial(step, ("stride", "padding", "dilation")):
        windows = make(stride, before, dilation, kernel[axis - 2])
        seen = seen.through(axis, x[axis], step.shape[axis], windows)
    return seen


def pooling(step: Step, seen: Seen) -> Seen:
    """Windows of each channel on its own."""
    for axis, kernel, stride, (before, _), dilation in _spatial(step, ("kernel", "stride", "padding", "dilation")):
        windows = strided(stride, before, dilation, kernel)
        seen = seen.through(axis, step.shapes[0][axis], step.shape[axis], windows)
    return seen


def sum_of_neighbours(step: Step, seen: Seen) -> Seen:
    """Windows of channels."""
    before, after = step.options["before"], step.options["after"]
    channels = step.shape[1]
    return seen.through(1, channels, channels, strided(1, before, 1, before + 1 + after))


def unfolded(seen: Seen, size: Sequence[int], out: Sequence[int], windows: Sequence[tuple[int, ...]]) -> Seen:
    """(N, C, *size) to (N, C, *out, *kernel); a window of an axis is (kernel, stride, before, dilation)."""
    n = len(size)
    for i, (kernel, stride, before, dilation) in enumerate(windows):
        entries = [
            with_axis(seen.through(2 + i, size[i], out[i], strided(stride, before - dilation * k)), 2 + n + i)
            for k in range(kernel)
        ]
        seen = side_by_side(entries, 2 + n + i, (1,) * kernel)
    return seen


def folded(seen: Seen, size: Sequence[int], out: Sequence[int], windows: Sequence[tuple[int, ...]]) -> Seen:
    """The transpose, (N, C, *out, *kernel) to (N, C, *size)."""
    n = len(size)
    for i, (kernel, stride, before, dilation) in reversed([*enumerate(windows)]):
        axis = 2 + n + i
        parts = []
        for k in range(kernel):
            entry = seen.through(axis, kernel, 1, strided(1, -k)).hull([axis], keepdims=False)
            parts.append(entry.through(2 + i, out[i], size[i], stamped(stride, before - dilation * k)))
        seen = together(parts)
    return seen


def _window_options(step: Step) -> list[tuple[int, ...]]:
    names = ("kernel", "stride", "padding", "dilation")
    return [(kernel, stride, pad[0], d) for _, kernel, stride, pad, d in _spatial(step, names)]


def windows_unfolded(step: Step, seen: Seen) -> Seen:
    """Every window written out: (N, C, *size) to (N, C, *out, *kernel)."""
    n = len(step.options["kernel"])
    return unfolded(seen, step.shapes[0][2:], step.shape[2 : 2 + n], _window_options(step))


def windows_folded(step: Step, seen: Seen) -> Seen:
    """Windows put back where they came from, and added up."""
    n = len(step.options["kernel"])
    return folded(seen, step.options["size"], step.shapes[0][2 : 2 + n], _window_options(step))


def _window_counts(step: Step) -> tuple[int, ...]:
    """How many windows there are on each axis, which unfold and fold write along one."""
    size = step.options.get("size", step.shapes[0][2:])
    padding = [sum(pair) for pair in step.options["padding"]]
    windows = zip(size, padding, _window_options(step), strict=True)
    return tuple((n + p - d * (k - 1) - 1) // s + 1 for n, p, (k, s, _, d) in windows)


def columns(step: Step, seen: Seen) -> Seen:
    """Windows as the columns of a matrix."""
    size, out, kernel = step.shapes[0][2:], _window_counts(step), step.options["kernel"]
    n = len(size)
    seen = unfolded(seen, size, out, _window_options(step))
    order = (0, 1, *range(2 + n, 2 + 2 * n), *range(2, 2 + n))
    return rearranged(transposed(seen, order), (*step.shapes[0][:2], *kernel, *out), step.shape)


def columns_folded(step: Step, seen: Seen) -> Seen:
    """Columns put back as windows, and added up."""
    size, out, kernel = step.options["size"], _window_counts(step), step.options["kernel"]
    n = len(size)
    seen = rearranged(seen, step.shapes[0], (*step.shape[:2], *kernel, *out))
    seen = transposed(seen, (0, 1, *range(2 + n, 2 + 2 * n), *range(2, 2 + n)))
    return folded(seen, size, out, _window_options(step))


# Images at another size


def linear_maps(step: Step, seen: Seen) -> Seen:
    """A linear map along each of the last axes."""
    maps = step.options["maps"]
    for axis, each in enumerate(maps, len(step.shape) - len(maps)):
        first, last = (np.array([pick(i for i, _ in row) for row in each.rows]) for pick in (min, max))
        seen = seen.through_rows(axis, each.size, first, last, repeating(first, last, each.size))
    return seen


def pooling_of_regions(step: Step, seen: Seen) -> Seen:
    """As `linear_maps`, of equal shares."""
    for axis, each in enumerate(step.options["maps"], 2):
        first, last = np.array(region_bounds(each.size, len(each.rows))).T
        seen = seen.through_rows(axis, each.size, first, last - 1, regions(each.size, len(each.rows)))
    return seen


def pooling_by_table(step: Step, seen: Seen) -> Seen:
    """Regions listed pixel by pixel, as flat indices into a plane: of adaptive or of fractional pooling."""
    table = np.asarray(step.options["table"])
    size, out = step.shapes[0][2:], step.shape[2:]
    n = len(size)
    if table.shape[:2] == (1, 1):
        at = np.array(np.unravel_index(np.maximum(table[0, 0], 0), size))
        are_there = table[0, 0] >= 0
        rows = []
        for i in range(n):
            low = np.where(are_there, at[i], NOTHING).min(axis=-1)
            high = np.where(are_there, at[i], -1).max(axis=-1)
            others = tuple(j for j in range(n) if j != i)
            rows.append((low.min(axis=others), high.max(axis=others)))
        expected = [np.array(region_bounds(m, k)).T - [[0], [1]] for m, k in zip(size, out, strict=True)]
        if all(np.array_equal(row, wanted) for row, wanted in zip(rows, expected, strict=True)):
            for i, (first, last) in enumerate(rows):
                seen = seen.through_rows(2 + i, size[i], first, last, regions(size[i], out[i]))
            return seen
    lead = [max(pair) for pair in zip(table.shape[:2], seen.exact.low.shape, seen.exact.high.shape, strict=False)]

    def pick(array: Any, fill: int) -> Any:
        planes = np.broadcast_to(array, (*lead, *size)).reshape(*lead, 1, prod(size))
        places = np.broadcast_to(table, (*lead, *table.shape[2:]))
        flat = places.reshape(*lead, prod(out), -1)
        taken = np.take_along_axis(planes, np.maximum(flat, 0), axis=-1)
        return np.where(flat >= 0, taken, fill).reshape(*lead, *out, -1)

    exact = Bounds(pick(seen.exact.low, NOTHING).min(axis=-1), pick(seen.exact.high, -NOTHING).max(axis=-1))
    return Seen(exact.compact(), None)

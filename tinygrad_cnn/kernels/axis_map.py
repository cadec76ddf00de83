"""Linear maps along an axis, given by their terms: z[p] = the sum of w x[i] over the terms (i, w) of output p.

Resampling and the sums over regions are such maps, one for each spatial axis. Indices and weights are exact. They are
few against the pixels that they are applied to, so a map is worked out once, in Python's integers and fractions.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import gcd
from numbers import Rational
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.backend import get_array_module, is_object
from tinygrad_cnn.kernels import blocks, memory

Weight = int | Fraction
Terms = tuple[tuple[int, Weight], ...]

LONG = 5
"""So many terms in a run, on average, are taken as a view sooner than by their indices."""


class Run(NamedTuple):
    """Some outputs' terms: where these and their inputs are, and the weight, an array where there are several."""

    outputs: Any
    inputs: Any
    weight: Any


@dataclass(frozen=True, eq=False)
class AxisMap:
    """A linear map from an axis of `size` elements to one of `len(rows)`; row p holds the terms of output p.

    Integers stay integers where every weight is an int, and become float64 where one is a `Fraction`, were it 1.

    >>> half = AxisMap(2, (((0, Fraction(1, 2)), (1, Fraction(1, 2))),))
    >>> half(np.array([[3.0, 5.0]]), axis=1).tolist()
    [[4.0]]
    >>> half.transposed(np.array([[1.0]]), axis=1).tolist()
    [[0.5, 0.5]]
    """

    size: int
    rows: tuple[Terms, ...]

    @cached_property
    def transposed(self) -> AxisMap:
        """The map back, x[i] = the sum of w z[p]: what the gradients of this one go through."""
        rows: list[list[tuple[int, Weight]]] = [[] for _ in range(self.size)]
        for p, row in enumerate(self.rows):
            for i, weight in row:
                rows[i].append((p, weight))
        return AxisMap(len(self.rows), tuple(map(tuple, rows)))

    @cached_property
    def taps(self) -> list[list[Run]]:
        """The k-th terms of all outputs that have as many, in runs.

        A map of n to m elements repeats itself after m / gcd(n, m) outputs: of one and the same weight, these terms are
        evenly spaced, and all are taken and put by views. Where runs would be short, one has all terms.
        """
        common = gcd(self.size, len(self.rows))
        taps = []
        for k in range(max(map(len, self.rows), default=0)):
            terms = [(p, *row[k]) for p, row in enumerate(self.rows) if len(row) > k]
            runs: list[list[tuple[int, int, Weight]]] = []
            ends: dict[tuple[int, int, Weight], list[tuple[int, int, Weight]]] = {}
            for p, i, weight in terms:
                run = ends.pop((p - len(self.rows) // common, i - self.size // common, weight), None)
                if run is None:
                    runs.append(run := [])
                run.append((p, i, weight))
                ends[p, i, weight] = run
            taps.append([_run(run) for run in (runs if len(terms) >= LONG * len(runs) else [terms])])
        return taps

    @cached_property
    def keeps_integers(self) -> bool:
        """Whether no weight is a fraction."""
        return all(isinstance(weight, int) for row in self.rows for _, weight in row)

    def __call__(self, x: Any, axis: int) -> Any:
        """The map along an axis of x. A term that is not there takes no part, so a NaN stays among its neighbours."""
        xp = get_array_module(x)
        if x.dtype.kind in "biu" and not self.keeps_integers:
            x = x.astype(np.float64)
        shape = (*x.shape[:axis], len(self.rows), *x.shape[axis + 1 :])
        if not blocks.are_alike(x):
            z = xp.zeros_like(x, shape=shape)  # laid out as x
            self._put(x, z, axis)
            return z
        z = memory.empty(shape, x.dtype, tuple(sorted(range(x.ndim), key=lambda i: (-abs(x.strides[i]), i))))
        if not all(self.rows):
            z.fill(0)
        if axis:
            passes = 2 * len(self.taps)
            blocks.run(lambda i: self._put(x[i], z[i], axis), len(x), max(x[0].size, z[0].size), passes)
        else:
            self._put(x, z, axis)
        return z

    def _put(self, x: Any, z: Any, axis: int) -> None:
        """Write the map of x to z, which is 0 where an output has no terms."""
        xp = get_array_module(x)
        for k, runs in enumerate(self.taps):
            for outputs, inputs, weight in runs:
                part, place = x[_at(xp, axis, inputs)], _at(xp, axis, outputs)
                if weight is not None:
                    part = _weighted(xp, part, weight, axis)
                if k == 0:
                    z[place] = part
                else:
                    z[place] += part


def _run(terms: list[tuple[int, int, Weight]]) -> Run:
    outputs, inputs, weights = map(list, zip(*terms, strict=True))
    if any(weight != weights[0] for weight in weights):
        return Run(_places(outputs), _places(inputs), np.array(weights, dtype=object))
    return Run(_places(outputs), _places(inputs), None if weights[0] == 1 else weights[0])


def _places(indices: list[int]) -> Any:
    """Indices as a slice where they are evenly spaced, which gives a view and not a copy, else as an array."""
    step = indices[1] - indices[0] if len(indices) > 1 else 1
    if step > 0 and indices == list(range(indices[0], indices[-1] + 1, step)):
        return slice(indices[0], indices[-1] + 1, step)
    return np.array(indices)


def _at(xp: Any, axis: int, places: Any) -> tuple[Any, ...]:
    return (*(slice(None),) * axis, places if isinstance(places, slice) else xp.asarray(places))


def _weighted(xp: Any, part: Any, weight: Any, axis: int) -> Any:
    if isinstance(weight, np.ndarray):
        weight = weight.reshape(-1, *(1,) * (part.ndim - axis - 1))
    if is_object(part):
        return _times(part, weight)
    weight = xp.asarray(weight.astype(part.dtype)) if isinstance(weight, np.ndarray) else part.dtype.type(weight)
    return np.multiply(part, weight, out=memory.empty_like(part)) if xp is np else part * weight


def _product(value: Any, weight: Weight) -> Any:
    """value * weight, by integers where the value is no exact number itself and need not know fractions."""
    if isinstance(value, Rational):
        return value * weight
    if weight.numerator != 1:
        value = value * weight.numerator
    return value if weight.denominator == 1 else value / weight.denominator


_times = np.frompyfunc(_product, 2, 1)


def apply(maps: tuple[AxisMap, ...], x: Any) -> Any:
    """A map along each of the last axes of x, one after another."""
    for axis, axis_map in enumerate(maps, x.ndim - len(maps)):
        x = axis_map(x, axis)
    return x


def transposed(maps: tuple[AxisMap, ...]) -> tuple[AxisMap, ...]:
    """The transposes of the maps; since each has its own axis, together they are the transpose of all."""
    return tuple(axis_map.transposed for axis_map in maps)

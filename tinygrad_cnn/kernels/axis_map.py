"""Linear maps along an axis, given by their terms: z[p] = the sum of w x[i] over the terms (i, w) of output p.

Resampling and the sums over regions are such maps, one for each spatial axis. Indices and weights are exact. They are
few against the pixels that they are applied to, so a map is worked out once, in Python's integers and fractions.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from numbers import Rational
from typing import Any

import numpy as np

from tinygrad_cnn.backend import get_array_module, is_object

Weight = int | Fraction
Terms = tuple[tuple[int, Weight], ...]


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
    def taps(self) -> list[tuple[Any, Any, Any]]:
        """The k-th terms of all outputs that have as many: (outputs, inputs, weights), weights None for ones."""
        taps = []
        for k in range(max(map(len, self.rows), default=0)):
            outputs = [p for p, row in enumerate(self.rows) if len(row) > k]
            inputs, weights = zip(*(self.rows[p][k] for p in outputs), strict=True)
            ones = all(weight == 1 for weight in weights)
            taps.append((_places(outputs), _places(list(inputs)), None if ones else np.array(weights, dtype=object)))
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
        z = xp.zeros_like(x, shape=(*x.shape[:axis], len(self.rows), *x.shape[axis + 1 :]))  # laid out as x
        for k, (outputs, inputs, weights) in enumerate(self.taps):
            part = x[_at(xp, axis, inputs)]
            if weights is not None:
                part = _weighted(xp, part, weights.reshape(-1, *(1,) * (x.ndim - axis - 1)))
            if k == 0:
                z[_at(xp, axis, outputs)] = part
            else:
                z[_at(xp, axis, outputs)] += part
        return z


def _places(indices: list[int]) -> Any:
    """Indices as a slice where they are evenly spaced, which gives a view and not a copy, else as an array."""
    step = indices[1] - indices[0] if len(indices) > 1 else 1
    if step > 0 and indices == list(range(indices[0], indices[-1] + 1, step)):
        return slice(indices[0], indices[-1] + 1, step)
    return np.array(indices)


def _at(xp: Any, axis: int, places: Any) -> tuple[Any, ...]:
    return (*(slice(None),) * axis, places if isinstance(places, slice) else xp.asarray(places))


def _weighted(xp: Any, part: Any, weights: Any) -> Any:
    return _times(part, weights) if is_object(part) else part * xp.asarray(weights.astype(part.dtype))


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

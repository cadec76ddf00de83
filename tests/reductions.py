"""The naive view of a reduction over axes: which elements each element of the result is made of."""

from itertools import combinations

import numpy as np

CASES = [
    (shape, axes)
    for shape in [(), (3,), (1,), (2, 3), (1, 3), (2, 1, 3), (2, 3, 2)]
    for count in range(len(shape) + 1)
    for axes in combinations(range(len(shape)), count)
]


def members(shape, axes, keepdims):
    """The shape of a reduction, and for each of its indices the indices that are reduced to it, in memory order."""
    kept = [1 if i in axes else n for i, n in enumerate(shape)]
    small = tuple(kept) if keepdims else tuple(n for i, n in enumerate(shape) if i not in axes)
    lists = {index: [] for index in np.ndindex(small)}
    for index in np.ndindex(shape):
        if keepdims:
            lists[tuple(0 if i in axes else k for i, k in enumerate(index))].append(index)
        else:
            lists[tuple(k for i, k in enumerate(index) if i not in axes)].append(index)
    return small, lists


def filled(shape, entries):
    array = np.empty(shape, dtype=object)
    for index, value in entries.items():
        array[index] = value
    return array

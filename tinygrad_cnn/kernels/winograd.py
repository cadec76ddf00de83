"""Winograd's minimal filtering along the height of images: kernels of three rows with half of the multiplications.

Four outputs z_i = sum_k g_k d_(i+k) of three taps g and six numbers d take twelve multiplications, or six:

    z = S ((G g) * (T d))      with  G = V_3,  S = V_4^T,  T = V_6^-T

where * is elementwise and V_n (6, n) has a row 1, p, ..., p^(n-1) for each of six points p, infinity's being 0, ..., 0,
1. For the product of the polynomials g and y, of degree 2 and 3, is known from its values at six points: its
coefficients are V_6^-1 ((V_3 g) * (V_4 y)), linear in y; the transpose of that, applied to d, is z. Transposed with
respect to g it is the gradient:

    dg = G^T ((T d) * (S^T dz))

Here d are the rows of an image and g those of a kernel; what is multiplied elementwise are rows of pixels with rows of
kernels, six convolutions along the width, each with all channels and filters. T, G and S cost little beside them.

Rounding: the points are those at which the result in float32 is about as good as a plain sum of all products. But a
number that is not finite spreads over its column of the image, and numbers near the limits of floating point overflow;
who computes with this has to check that the results are finite.

Sources: Winograd, Arithmetic Complexity of Computations (1980); Lavin and Gray, Fast Algorithms for Convolutional
Neural Networks (2016); Barabasz et al., Error Analysis and Improving the Accuracy of Winograd Convolution (2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.kernels.finite import has_finite_sum

TAPS = 3
OUTPUTS = 4  # of a tile
PRODUCTS = TAPS + OUTPUTS - 1
POINTS = (Fraction(0), Fraction(3, 2), Fraction(-3, 2), Fraction(2, 3), Fraction(-2, 3))  # and infinity


def vandermonde(count: int) -> Any:
    """V (6, count), exact: the values at the six points of the powers 0 to count - 1.

    >>> print(vandermonde(3)[1])
    [Fraction(1, 1) Fraction(3, 2) Fraction(9, 4)]
    """
    infinity = [Fraction(0)] * (count - 1) + [Fraction(1)]
    return np.array([[p**power for power in range(count)] for p in POINTS] + [infinity], object)


def _inverse(matrix: Any) -> Any:
    """The exact inverse, by elimination."""
    size = len(matrix)
    rows = np.concatenate([matrix, np.array([[Fraction(i == j) for j in range(size)] for i in range(size)])], axis=1)
    for column in range(size):
        pivot = next(row for row in range(column, size) if rows[row, column])
        rows[[column, pivot]] = rows[[pivot, column]]
        rows[column] /= rows[column, column]
        for row in range(size):
            if row != column:
                rows[row] -= rows[row, column] * rows[column]
    return rows[:, size:]


EXACT_FILTER = vandermonde(TAPS)  # G
EXACT_INVERSE = vandermonde(OUTPUTS).T  # S of a tile
EXACT_DATA = _inverse(vandermonde(PRODUCTS)).T  # T of a tile

FILTER = EXACT_FILTER.astype(np.float32)


def looks_finite(z: Any, rows: int) -> bool:
    """Whether no pixel of results (N, H, ..., F) came from a number that is not finite, by a look at a few of them.

    From such a number of an image come all filters' outputs in all rows of a block, which are so many, and from one of
    a kernel the filter's outputs wherever its column meets a pixel: the first rows have some.
    """
    return has_finite_sum(z[:, ::rows, ..., 0]) and has_finite_sum(z[0, 0])


class Block(NamedTuple):
    """Some rows of outputs, the rows of the image that they see, and the matrices between them, for all their tiles.

    Rows of the images beyond its borders are zero, so that their columns of T are left out.
    """

    outputs: slice
    inputs: slice
    data: Any  # T (6 tiles, inputs), row `tiles` q + t being product q of tile t
    inverse: Any  # S (outputs, 6 tiles)

    @property
    def tiles(self) -> int:
        """In its height."""
        return len(self.data) // PRODUCTS


@lru_cache(256)
def blocks(inputs: int, outputs: int, before: int, height: int) -> Sequence[Block]:
    """Blocks of `height` tiles, for images of so many rows, `before` rows of zeros in front of them; in float32.

    The higher a block, the fewer of the numbers in its matrices are not zero: those near the diagonal.

    >>> for block in blocks(12, 12, 1, 2):
    ...     print(block.outputs, block.inputs, block.data.shape, block.inverse.shape)
    slice(0, 8, None) slice(0, 9, None) (12, 9) (8, 12)
    slice(8, 12, None) slice(7, 12, None) (6, 5) (4, 6)
    """
    found = []
    for first in range(0, outputs, OUTPUTS * height):
        last = min(first + OUTPUTS * height, outputs)
        tiles = -(-(last - first) // OUTPUTS)
        seen = OUTPUTS * tiles + TAPS - 1
        data = np.zeros((PRODUCTS, tiles, seen), np.float32)
        inverse = np.zeros((OUTPUTS * tiles, PRODUCTS, tiles), np.float32)
        for tile in range(tiles):
            start = OUTPUTS * tile
            data[:, tile, start : start + PRODUCTS] = EXACT_DATA
            inverse[start : start + OUTPUTS, :, tile] = EXACT_INVERSE
        begin = first - before
        within = slice(max(0, -begin), min(seen, inputs - begin))
        found.append(
            Block(
                slice(first, last),
                slice(begin + within.start, begin + within.stop),
                np.ascontiguousarray(data.reshape(-1, seen)[:, within]),
                inverse.reshape(len(inverse), -1)[: last - first],
            )
        )
    return tuple(found)

"""Closed forms: operations on whole arrays of polynomials, each of which knows its result and how it is written.

They stand apart from the engine: nothing of its kernels is used, so that a closed form that equals the collected
entries was recognised, not assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from tinygrad_cnn.verify.derivation.notation import Matrix, Notation, Number
from tinygrad_cnn.verify.derivation.polynomial import Polynomial, array_of

Ints = tuple[int, ...]
Pairs = Sequence[tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Form:
    """An array of polynomials (or of sympy's expressions), and how it is written."""

    array: Any
    shown: Notation

    def written(self, shown: Notation) -> Form:
        """The same array, written otherwise."""
        return Form(self.array, shown)


def zeros(shape: Ints) -> Any:
    """An array of zeros for polynomials to be put in."""
    return array_of([0] * int(np.prod(shape)), shape)


# On the spatial axes, which are the last `n` of an array


def padded(x: Any, widths: Pairs) -> Any:
    """x inside zeros."""
    lead = x.ndim - len(widths)
    size = [m + before + after for m, (before, after) in zip(x.shape[lead:], widths, strict=True)]
    y = zeros((*x.shape[:lead], *size))
    y[(..., *(slice(b, b + m) for m, (b, _) in zip(x.shape[lead:], widths, strict=True)))] = x
    return y


def cropped(x: Any, widths: Pairs) -> Any:
    """x without this many entries before and after."""
    lead = x.ndim - len(widths)
    return x[(..., *(slice(b, m - a) for m, (b, a) in zip(x.shape[lead:], widths, strict=True)))]


def dilated(x: Any, steps: Ints) -> Any:
    """x with steps - 1 zeros between neighbours."""
    lead = x.ndim - len(steps)
    y = zeros((*x.shape[:lead], *((m - 1) * s + 1 for m, s in zip(x.shape[lead:], steps, strict=True))))
    y[(..., *(slice(None, None, s) for s in steps))] = x
    return y


def rotated(x: Any, n: int) -> Any:
    """x turned round on each of its last n axes."""
    return x[(..., *(slice(None, None, -1) for _ in range(n)))]


def correlation(image: Any, kernel: Any, steps: Ints) -> Any:
    """z[i] = sum over k of image[steps i + k] kernel[k], of one image with one kernel."""
    size = [(m - k) // s + 1 for m, k, s in zip(image.shape, kernel.shape, steps, strict=True)]
    entries = [(k, value) for k in np.ndindex(kernel.shape) if not is_zero(value := kernel[k])]
    z = zeros(tuple(size))
    for i in product(*map(range, size)):
        total: Any = 0
        for k, value in entries:
            pixel = image[tuple(s * a + b for s, a, b in zip(steps, i, k, strict=True))]
            if not is_zero(pixel):
                total = total + pixel * value
        z[i] = total
    return z


def is_zero(value: Any) -> bool:
    """Whether it is the number 0 or a polynomial without terms, no matter its value."""
    return not value.terms if isinstance(value, Polynomial) else bool(value == 0)


# Any arrays


def mapped(function: Callable[..., Any], *arrays: Any) -> Any:
    """The function of the entries, with broadcasting."""
    arrays = np.broadcast_arrays(*arrays)
    return array_of([function(*values) for values in zip(*(a.flat for a in arrays), strict=True)], arrays[0].shape)


def reduced(x: Any, shape: Ints) -> Any:
    """x summed over the axes on which the shape was broadcast to it."""
    added = x.ndim - len(shape)
    axes = (*range(added), *(added + i for i, n in enumerate(shape) if n == 1 and x.shape[added + i] != 1))
    return total(x, axes, keepdims=True).reshape(shape)


def total(x: Any, axes: Ints, keepdims: bool = False) -> Any:
    """The sums over these axes."""
    if not axes:
        return x
    kept = [i for i in range(x.ndim) if i not in axes]
    y = zeros(tuple(x.shape[i] for i in kept))
    for index in np.ndindex(x.shape):
        at = tuple(index[i] for i in kept)
        y[at] = y[at] + x[index]
    return y.reshape([1 if i in axes else n for i, n in enumerate(x.shape)]) if keepdims else y


def product_of(x: Any, y: Any) -> Any:
    """The matrix product."""
    z = zeros((x.shape[0], y.shape[1]))
    for i, j in np.ndindex(z.shape):
        for k in range(x.shape[1]):
            z[i, j] = z[i, j] + x[i, k] * y[k, j]
    return z


def drawn(array: Any, most: int = 9) -> Matrix | None:
    """A vector or a matrix of polynomials as a matrix to be drawn, None where it is too large."""
    rows = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
    if array.ndim > 2 or not rows.size or max(rows.shape) > most:
        return None
    return Matrix(tuple(tuple(_entry(value) for value in row) for row in rows))


def _entry(value: Any) -> Notation:
    return value.shown() if isinstance(value, Polynomial) else Number(value)

"""The error function, which NumPy lacks: rational approximations to double precision.

W. J. Cody, Rational Chebyshev approximations for the error function, Mathematics of Computation 23 (1969), with the
coefficients of his program CALERF: three intervals, each a quotient of polynomials, relative error about 1e-16.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from math import pi, sqrt
from typing import Any

import numpy as np

from tinygrad_cnn.backend import get_array_module
from tinygrad_cnn.kernels.elementary import where

# |x| <= 0.46875: erf(x) = x P(x^2) / Q(x^2)
_SMALL = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
# up to 4: erfc(x) = exp(-x^2) P(x) / Q(x)
_MIDDLE = (
    (
        2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
        2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
        3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
    ),
)  # fmt: skip
# beyond: erfc(x) = exp(-x^2) / x (1/sqrt(pi) - x^-2 P(x^-2) / Q(x^-2))
_LARGE = (
    (
        1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
        1.60837851487422766e-2, 6.58749161529837803e-4,
    ),
    (
        1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)  # fmt: skip


_FIRST = 0.46875  # the end of the first interval
_END = 30.0  # from here on 1 - erf is 0 in double precision, and no square overflows
_BLOCK = 1 << 14


def _quotient(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Any) -> Any:
    """P(x) / Q(x) by Horner's rule, the highest power's coefficient first."""
    values = []
    for polynomial in coefficients:
        value = polynomial[0]
        for coefficient in polynomial[1:]:
            value = value * x + coefficient
        values.append(value)
    return values[0] / values[1]


def _scaled_complement(size: Any) -> Any:
    """exp(y^2) (1 - erf(y)) of y >= 0.46875."""
    xp = get_array_module(size)
    middle, large = xp.minimum(size, 4), xp.maximum(size, 4)
    inverse = 1 / (large * large)
    beyond = (1 / sqrt(pi) - inverse * _quotient(_LARGE, inverse)) / large
    return where(size <= 4, _quotient(_MIDDLE, middle), beyond)


def _bell(size: Any, share: float) -> Any:
    """exp(-share x^2), in two factors: the square of the first digits is exact, and the exponent of the rest small."""
    xp = get_array_module(size)
    digits = xp.trunc(size * 16) / 16
    return xp.exp(-share * digits * digits) * xp.exp(-share * (size - digits) * (size + digits))


def _in_blocks(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The function, computed in float32 or more, in blocks small enough that dozens of passes stay in the cache."""

    def of_blocks(x: Any) -> Any:
        xp = get_array_module(x)
        x = xp.asarray(x)
        dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
        flat = x.astype(np.promote_types(dtype, np.float32)).reshape(-1)
        size = _BLOCK if xp is np else max(x.size, 1)
        blocks = [function(flat[start : start + size]) for start in range(0, x.size, size)] or [flat]
        return xp.concatenate(blocks).astype(dtype).reshape(x.shape)[()]

    return wraps(function)(of_blocks)


@_in_blocks
def erf(x: Any) -> Any:
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x, of floats of any precision up to double."""
    xp = get_array_module(x)
    size = xp.minimum(xp.abs(x), _END)
    small = xp.minimum(size, _FIRST)
    complement = _bell(size, 1) * _scaled_complement(xp.maximum(size, _FIRST))
    value = where(size <= _FIRST, small * _quotient(_SMALL, small * small), 1 - complement)
    return xp.copysign(value, x)


@_in_blocks
def normal_cdf(x: Any) -> Any:
    """(1 + erf(x / sqrt(2))) / 2, the probability that a standard normal number is below x; exact to rounding where
    it is small, too."""
    xp = get_array_module(x)
    size = xp.minimum(xp.abs(x), sqrt(2) * _END)
    y = size * sqrt(0.5)
    small = xp.minimum(y, _FIRST)
    half_erf = xp.copysign(small * _quotient(_SMALL, small * small), x) / 2
    tail = _bell(size, 0.5) * _scaled_complement(xp.maximum(y, _FIRST)) / 2
    return where(y <= _FIRST, 0.5 + half_erf, where(x < 0, tail, 1 - tail))

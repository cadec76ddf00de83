"""Activations besides relu, tanh and sigmoid, under PyTorch's names. At a kink the derivative is PyTorch's.

Piecewise rational ones (leaky_relu, hardtanh, relu6, hardsigmoid, hardswish, softsign, prelu) are exact on fractions.
"""

from __future__ import annotations

from functools import lru_cache
from math import pi, sqrt
from typing import Any

import numpy as np

from tinygrad_cnn.backend import get_array_module, shape_of
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import elementary
from tinygrad_cnn.kernels import erf as erf_of_numbers
from tinygrad_cnn.primitives.elementwise import divide, exp, sigmoid, square, tanh, where
from tinygrad_cnn.primitives.shape import reshape


@primitive(x=lambda dz: dz)  # beyond the bound nothing depends on x, so what arrives there is 0
def _bounded(x: Any, *, bound: float | None = None) -> Any:
    """x cut off where what it goes into has become constant, so that no square overflows and no infinity meets a 0.

    Without a bound that is where exp(-|x|) has vanished.
    """
    if elementary.are_objects(x):
        return x
    xp = get_array_module(x)
    end = _vanishing(getattr(x, "dtype", np.float64)) if bound is None else bound
    return xp.minimum(xp.maximum(x, -end), end)


@lru_cache
def _vanishing(dtype: Any) -> float:
    """From here on exp(-x) is 0 in the dtype."""
    return 1 - float(np.log(np.finfo(dtype).smallest_subnormal))


@primitive(x=lambda dz, gate: dz * gate, gate=lambda dz, x: dz * _bounded(x))
def _gated(x: Any, gate: Any) -> Any:
    """x times a gate that goes from 0 to 1 with x, at least as fast as exp(x). It is shut at minus infinity: 0."""
    if elementary.are_objects(x):
        return x * gate
    return get_array_module(x).maximum(x, -_vanishing(getattr(gate, "dtype", np.float64))) * gate


@primitive(x=lambda dz, x, negative_slope: where(x > 0, dz, dz * negative_slope))
def _leaky_relu(x: Any, *, negative_slope: Any) -> Any:
    return elementary.where(x > 0, x, x * negative_slope)


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """z = x where x > 0, else negative_slope x; the derivative at 0 is the slope (Maas et al. 2013).

    >>> import tinygrad_cnn as tg
    >>> tg.leaky_relu(tg.tensor([-2.0, 3.0]), 0.5).tolist()
    [-1.0, 3.0]
    """
    return _leaky_relu(x, negative_slope=negative_slope)


@primitive(
    x=lambda dz, x, weight: where(x > 0, dz, dz * weight),
    weight=lambda dz, x: where(x > 0, 0, dz * x),
)
def _prelu(x: Any, weight: Any) -> Any:
    return elementary.where(x > 0, x, x * weight)


def prelu(x: Any, weight: Any) -> Any:
    """leaky_relu with a slope that is learned, one for all channels or one for each (He et al. 2015).

    Args:
        x: (N, C, ...), or any shape for a single slope.
        weight: (1,) or (C,).

    Raises:
        ValueError: another number of slopes.
    """
    shape, slopes = shape_of(x), shape_of(weight)
    channels = shape[1] if len(shape) > 1 else 1
    if slopes not in ((), (1,), (channels,)):
        raise ValueError(f"prelu: weight must have shape (1,) or ({channels},) for x of shape {shape} but has {slopes}")
    if slopes == (channels,) and len(shape) > 1:
        weight = reshape(weight, (channels, *(1,) * (len(shape) - 2)))
    elif slopes == (1,) and not shape:
        weight = reshape(weight, ())
    return _prelu(x, weight)


@primitive(x=lambda dz, x, alpha, width: where(x > 0, dz, dz * (alpha / width) * exp(where(x > 0, 0, x) / width)))
def _elu(x: Any, *, alpha: Any, width: Any) -> Any:
    if elementary.are_objects(x):
        below = elementary.inexact
        return np.frompyfunc(lambda v: v if v > 0 else alpha * elementary.expm1(below("elu", v) / width), 1, 1)(x)
    xp = get_array_module(x)
    return elementary.where(x > 0, x, alpha * xp.expm1(xp.minimum(x, 0) / width))


def elu(x: Any, alpha: float = 1.0) -> Any:
    """z = x where x > 0, else alpha (e**x - 1) (Clevert et al. 2016).

    >>> import tinygrad_cnn as tg
    >>> [round(z, 4) for z in tg.elu(tg.tensor([-1.0, 2.0])).tolist()]
    [-0.6321, 2.0]
    """
    return _elu(x, alpha=alpha, width=1)


SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def selu(x: Any) -> Any:
    """scale elu(x, alpha), with the constants that keep mean 0 and variance 1 (Klambauer et al. 2017)."""
    return elu(x, SELU_ALPHA) * SELU_SCALE


def celu(x: Any, alpha: float = 1.0) -> Any:
    """z = x where x > 0, else alpha (e**(x / alpha) - 1): smooth for every alpha (Barron 2017).

    Raises:
        ValueError: alpha is 0.
    """
    if alpha == 0:
        raise ValueError("celu: alpha must not be 0")
    return _elu(x, alpha=alpha, width=alpha)


@primitive(x=lambda dz, x: dz * (2 / sqrt(pi)) * exp(-square(_bounded(x, bound=100.0))))
def erf(x: Any) -> Any:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x; dz/dx = 2 / sqrt(pi) exp(-x**2).

    >>> import tinygrad_cnn as tg
    >>> round(tg.erf(tg.tensor(0.5)).item(), 4)
    0.5205
    """
    return elementary.of_objects("erf", x) if elementary.are_objects(x) else erf_of_numbers.erf(x)


@primitive(x=lambda dz, x: dz * (1 / sqrt(2 * pi)) * exp(-square(_bounded(x, bound=100.0)) / 2))
def _normal_cdf(x: Any) -> Any:
    """The probability that a standard normal number is below x; the derivative is its density."""
    if elementary.are_objects(x):
        return (1 + elementary.of_objects("erf", elementary.inexact("gelu", x) * sqrt(0.5))) / 2
    return erf_of_numbers.normal_cdf(x)


@primitive(x=lambda dz, x, z: dz * z * (1 - z) * (sqrt(8 / pi) * (1 + 3 * _CUBIC * square(_bounded(x, bound=40.0)))))
def _nearly_normal_cdf(x: Any) -> Any:
    """sigmoid(2 u) with u = sqrt(2 / pi) (x + 0.044715 x**3), which is (1 + tanh(u)) / 2."""
    v = _bounded(elementary.inexact("gelu", x), bound=40.0)
    return elementary.sigmoid(sqrt(8 / pi) * (v + _CUBIC * (v * v * v)))


_CUBIC = 0.044715


def gelu(x: Any, approximate: str = "none") -> Any:
    """x times the probability that a standard normal number is below x (Hendrycks and Gimpel 2016).

    Args:
        x: any shape.
        approximate: "none" for x (1 + erf(x / sqrt(2))) / 2, "tanh" for x (1 + tanh(u)) / 2 = x sigmoid(2 u) with
            u = sqrt(2 / pi) (x + 0.044715 x**3).

    Raises:
        ValueError: another `approximate`.

    >>> import tinygrad_cnn as tg
    >>> round(tg.gelu(tg.tensor(1.0)).item(), 4), round(tg.gelu(tg.tensor(1.0), "tanh").item(), 4)
    (0.8413, 0.8412)
    """
    if approximate == "none":
        return _gated(x, _normal_cdf(x))
    if approximate == "tanh":
        return _gated(x, _nearly_normal_cdf(x))
    raise ValueError(f"gelu: approximate must be 'none' or 'tanh' but is {approximate!r}")


def silu(x: Any) -> Any:
    """z = x sigmoid(x), also called swish (Elfwing et al. 2018).

    >>> import tinygrad_cnn as tg
    >>> round(tg.silu(tg.tensor(1.0)).item(), 4)
    0.7311
    """
    return _gated(x, sigmoid(x))


@primitive(x=lambda dz, x, beta: dz * sigmoid(x * beta))
def _softplus(x: Any, *, beta: Any) -> Any:
    return elementary.softplus(elementary.inexact("softplus", x) * beta) / beta


def softplus(x: Any, beta: float = 1.0) -> Any:
    """z = log(1 + e**(beta x)) / beta, a smooth relu; z' = sigmoid(beta x).

    It is max(x, 0) + log(1 + e**-|beta x|) / beta inside, exact to rounding at any x, so it needs no `threshold`.

    Raises:
        ValueError: beta is 0.

    >>> import tinygrad_cnn as tg
    >>> round(tg.softplus(tg.tensor(0.0)).item(), 4), tg.softplus(tg.tensor(1e4)).item()
    (0.6931, 10000.0)
    """
    if beta == 0:
        raise ValueError("softplus: beta must not be 0")
    return _softplus(x, beta=beta)


def mish(x: Any) -> Any:
    """z = x tanh(softplus(x)) (Misra 2020)."""
    return _gated(x, tanh(softplus(x)))


def logsigmoid(x: Any) -> Any:
    """z = log sigmoid(x) = -softplus(-x), finite at any finite x."""
    return -softplus(-x)


def _softsign_x(dz: Any, x: Any) -> Any:
    size = 1 + abs(x)
    return divide(divide(dz, size), size)


@primitive(x=_softsign_x)
def softsign(x: Any) -> Any:
    """z = x / (1 + |x|); z' = 1 / (1 + |x|)**2."""
    x = elementary.finite(x)
    return elementary.divide(x, 1 + abs(x))


@primitive(x=lambda dz, x: dz * square(tanh(x)))
def tanhshrink(x: Any) -> Any:
    """z = x - tanh(x); z' = tanh(x)**2."""
    return x - elementary.tanh(x)


@primitive(x=lambda dz, x, min_val, max_val: dz * (x > min_val) * (x < max_val))
def _hardtanh(x: Any, *, min_val: Any, max_val: Any) -> Any:
    return elementary.where(x < min_val, min_val, elementary.where(x > max_val, max_val, x))


def hardtanh(x: Any, min_val: float = -1, max_val: float = 1) -> Any:
    """x cut off at min_val and max_val. The derivative is 0 at and beyond both, as in PyTorch; `clip` passes it there.

    Raises:
        ValueError: min_val above max_val.

    >>> import tinygrad_cnn as tg
    >>> tg.hardtanh(tg.tensor([-3.0, 0.5, 3.0])).tolist()
    [-1.0, 0.5, 1.0]
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val must not be above max_val but they are {min_val} and {max_val}")
    return _hardtanh(x, min_val=min_val, max_val=max_val)


def relu6(x: Any) -> Any:
    """x cut off at 0 and 6."""
    return hardtanh(x, 0, 6)


def hardsigmoid(x: Any) -> Any:
    """x / 6 + 1 / 2 cut off at 0 and 1."""
    return divide(hardtanh(x + 3, 0, 6), 6)


def hardswish(x: Any) -> Any:
    """x hardsigmoid(x) (Howard et al. 2019)."""
    return _gated(x, hardsigmoid(x))

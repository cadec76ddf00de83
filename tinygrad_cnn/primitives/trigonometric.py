"""Trigonometric and hyperbolic functions and their inverses, under NumPy's names. Angles are in radians.

1 + x**2 stands in the derivatives as hypot(1, x)**2, divided by twice, so that no square overflows.
"""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import elementary
from tinygrad_cnn.primitives.elementwise import cosine, hypot, nonzero, sqrt


@primitive(x=lambda dz, x: dz * cos(x))
def sin(x: Any) -> Any:
    """z = sin x.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor(0.0, requires_grad=True)
    >>> tg.sin(x).backward()
    >>> x.grad.item()
    1.0
    """
    return elementary.sin(x)


@primitive(x=lambda dz, x: -dz * sin(x))
def cos(x: Any) -> Any:
    """z = cos x; dz/dx = -sin x."""
    return elementary.cos(x)


@primitive(x=lambda dz, z: dz * (1 + z * z))
def tan(x: Any) -> Any:
    """z = tan x; dz/dx = 1 + z**2."""
    return elementary.tan(x)


@primitive(x=lambda dz, x: dz / sqrt((1 - x) * (1 + x)))
def arcsin(x: Any) -> Any:
    """z in [-pi/2, pi/2] with sin z = x; dz/dx = 1 / sqrt(1 - x**2), infinite at -1 and 1. NaN outside of them."""
    return elementary.arcsin(x)


@primitive(x=lambda dz, x: -dz / sqrt((1 - x) * (1 + x)))
def arccos(x: Any) -> Any:
    """z in [0, pi] with cos z = x; dz/dx = -1 / sqrt(1 - x**2), infinite at -1 and 1. NaN outside of them."""
    return elementary.arccos(x)


@primitive(x=lambda dz, x: dz / hypot(1, x) / hypot(1, x))
def arctan(x: Any) -> Any:
    """z in [-pi/2, pi/2] with tan z = x; dz/dx = 1 / (1 + x**2)."""
    return elementary.arctan(x)


def _turn(dz: Any, leg: Any, y: Any, x: Any) -> Any:
    r = hypot(y, x)
    return dz * cosine(leg, r) / nonzero(r)


@primitive(y=lambda dz, y, x: _turn(dz, x, y, x), x=lambda dz, y, x: _turn(-dz, y, y, x))
def arctan2(y: Any, x: Any) -> Any:
    """The angle in [-pi, pi] from the first axis to the point (x, y), whose ordinate comes first as in NumPy.

    dz/dy = x / (x**2 + y**2), dz/dx = -y / (x**2 + y**2); both are 0 at x = y = 0, which has no angle (PyTorch's too).

    >>> import tinygrad_cnn as tg
    >>> round(tg.arctan2(tg.tensor(1.0), tg.tensor(-1.0)).item(), 4)  # 135 degrees
    2.3562
    """
    return elementary.arctan2(y, x)


@primitive(x=lambda dz, x: dz * cosh(x))
def sinh(x: Any) -> Any:
    """z = (e**x - e**-x) / 2; dz/dx = cosh x."""
    return elementary.sinh(x)


@primitive(x=lambda dz, x: dz * sinh(x))
def cosh(x: Any) -> Any:
    """z = (e**x + e**-x) / 2; dz/dx = sinh x."""
    return elementary.cosh(x)


@primitive(x=lambda dz, x: dz / hypot(1, x))
def arcsinh(x: Any) -> Any:
    """z with sinh z = x; dz/dx = 1 / sqrt(1 + x**2)."""
    return elementary.arcsinh(x)


@primitive(x=lambda dz, x: dz / (sqrt(x - 1) * sqrt(x + 1)))
def arccosh(x: Any) -> Any:
    """z >= 0 with cosh z = x; dz/dx = 1 / sqrt(x**2 - 1), infinite at 1. NaN below."""
    return elementary.arccosh(x)


@primitive(x=lambda dz, x: dz / ((1 - x) * (1 + x)))
def arctanh(x: Any) -> Any:
    """z with tanh z = x; dz/dx = 1 / (1 - x**2), infinite at -1 and 1. NaN outside of them."""
    return elementary.arctanh(x)

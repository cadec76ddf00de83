"""Forwards and rules that are a line of arithmetic, as that line: in a program a call costs more than a product.

A definition serves every arithmetic, so it also runs on names: `multiply` of "v1" and "v2" is the text "v1 * v2". A
name knows the shape and the dtype of its array, which are the same at every replay. What looks at its operands in any
other way, or calls NumPy on them, is no such line, and is called.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

from tinygrad_cnn.primitives.matmul import SMALL


class _NoLineError(Exception):
    """The function does more with its operands than arithmetic."""


def _refused(*_: Any, **__: Any) -> Any:
    raise _NoLineError


def _text(x: Any) -> str:
    if isinstance(x, Name):
        return x.text
    if type(x) not in (int, float) or not isfinite(x):
        raise _NoLineError
    return repr(x) if x >= 0 else f"({x!r})"


def _value(x: Any) -> Any:
    return x.value() if isinstance(x, Name) else x


def _binary(symbol: str, operation: Callable[[Any, Any], Any]) -> tuple[Callable[..., Name], Callable[..., Name]]:
    return (
        lambda x, y: Name(f"({_text(x)} {symbol} {_text(y)})", lambda: operation(_value(x), _value(y))),
        lambda x, y: Name(f"({_text(y)} {symbol} {_text(x)})", lambda: operation(_value(y), _value(x))),
    )


def _of_array(name: str) -> property:
    return property(lambda self: getattr(self.value(), name))


class Name:
    """A value by its name, or by the arithmetic that gives it; `value` gives one such as it will be."""

    __slots__ = ("text", "value")
    __array_ufunc__ = None  # NumPy's functions are to refuse it
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, text: str, value: Callable[[], Any] = _refused) -> None:
        self.text = text
        self.value = value

    shape, ndim, size, dtype = map(_of_array, ("shape", "ndim", "size", "dtype"))

    @property
    def T(self) -> Name:
        """With its axes reversed."""
        return Name(f"{self.text}.T", lambda: self.value().T)

    def dot(self, other: Any) -> Name:
        """The product of small matrices; large ones are for kernels."""
        if self.size * other.shape[-1] >= SMALL:
            raise _NoLineError
        return Name(f"({self.text}.dot({_text(other)}))", lambda: self.value().dot(_value(other)))

    __add__, __radd__ = _binary("+", operator.add)
    __sub__, __rsub__ = _binary("-", operator.sub)
    __mul__, __rmul__ = _binary("*", operator.mul)
    __truediv__, __rtruediv__ = _binary("/", operator.truediv)
    __pow__, __rpow__ = _binary("**", operator.pow)

    def __neg__(self) -> Name:
        return Name(f"(-{self.text})", lambda: -self.value())

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refused
    __bool__ = __len__ = __iter__ = __getitem__ = __float__ = __int__ = __index__ = _refused
    __getattr__ = __array__ = _refused


def line(function: Callable[..., Any], arguments: Sequence[Any]) -> str | None:
    """The function of the arguments, names and plain numbers, as a line of arithmetic; None where it is none.

    >>> line(lambda dz, z: dz * (1 - z * z), [Name("v1"), Name("v2")])
    'v1 * (1 - (v2 * v2))'
    >>> line(lambda dz, y: dz if y > 0 else 0, [Name("v1"), Name("v2")])
    """
    try:
        found = function(*arguments)
    except Exception:  # whatever it is that the function does not find in a name
        return None
    if not isinstance(found, Name):
        return None
    text = found.text
    return text[1:-1] if text.startswith("(") and text.endswith(")") else text

"""Checking a layer's arguments when it is made, so that a wrong one is found there and not in the first forward."""

from __future__ import annotations

from operator import index
from typing import Any

from tinygrad_cnn.primitives.arguments import padding_pairs, reach_of


def positive(layer: str, name: str, value: Any) -> int:
    """An integer of at least 1.

    >>> positive("Linear", "in_features", 0)
    Traceback (most recent call last):
    ValueError: Linear: in_features must be at least 1 but is 0
    """
    number = integer(layer, name, value)
    if number < 1:
        raise ValueError(f"{layer}: {name} must be at least 1 but is {value!r}")
    return number


def integer(layer: str, name: str, value: Any) -> int:
    """An integer."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return index(value)
    except TypeError:
        raise TypeError(f"{layer}: {name} must be an integer but is {value!r}") from None


def boolean(layer: str, name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{layer}: {name} must be True or False but is {value!r}")
    return value


def one_of(layer: str, name: str, value: Any, choices: tuple[str, ...]) -> str:
    """One of several strings."""
    if value not in choices:
        raise ValueError(f"{layer}: {name} must be one of {', '.join(map(repr, choices))} but is {value!r}")
    return str(value)


def padding_of(layer: str, padding: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> Any:
    """A padding in one of the forms that `tg.conv2d` takes: a name, or integers, or pairs of them."""
    n = len(kernel)
    pairs = padding_pairs(layer, padding, (1,) * n, reach_of(kernel, dilation), (1,) * n)
    if isinstance(padding, str):
        return padding
    return tuple(before for before, _ in pairs) if all(before == after for before, after in pairs) else pairs


def shown(**options: tuple[Any, Any]) -> str:
    """The options that differ from their default, for a repr; the same number on every axis as that number.

    >>> shown(kernel_size=((3, 3), None), stride=((1, 1), 1), padding=((0, 1), 0))
    'kernel_size=3, padding=(0, 1)'
    """
    short = {name: (_one_number(value), default) for name, (value, default) in options.items()}
    return ", ".join(f"{name}={value!r}" for name, (value, default) in short.items() if value != default)


def _one_number(value: Any) -> Any:
    same = isinstance(value, tuple) and len(set(value)) == 1 and isinstance(value[0], int)
    return value[0] if same else value

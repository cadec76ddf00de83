"""The arguments and operands of normalisations: a wrong one is refused by name; float16 is computed in float32."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from math import inf
from numbers import Real
from typing import Any

import numpy as np

from tinygrad_cnn.backend import device_of, dtype_of, shape_of
from tinygrad_cnn.engine import Variable
from tinygrad_cnn.primitives.arguments import per_axis


def channels_first(operation: str, x: Any, spatial: int = 0) -> tuple[int, ...]:
    """The shape (N, C, ...) of x, with at least so many spatial axes."""
    shape = shape_of(x)
    if len(shape) < 2 + spatial:
        axes = "(N, C, ...)" + (f" with {spatial} or more spatial axes" if spatial else "")
        raise ValueError(f"{operation}: x must be {axes} but has shape {shape}")
    return shape


def number(operation: str, name: str, value: Any) -> Any:
    """A real number, or a symbol in its place. NumPy's become Python's, which leave arrays their dtype."""
    sympy = sys.modules.get("sympy")
    if sympy is not None and isinstance(value, sympy.Basic):
        return value
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{operation}: {name} must be a number but is {value!r}")
    return value.item() if isinstance(value, np.number) else value


def check_eps(operation: str, eps: Any) -> Any:
    """What is added to a variance: a number that is not negative."""
    eps = number(operation, "eps", eps)
    if isinstance(eps, Real) and not 0 <= float(eps) < inf:
        raise ValueError(f"{operation}: eps must not be negative, nor infinite, but is {eps!r}")
    return eps


def check_momentum(operation: str, momentum: Any) -> Any:
    """The share of a batch in running statistics."""
    momentum = number(operation, "momentum", momentum)
    if isinstance(momentum, Real) and not 0 <= float(momentum) <= 1:
        raise ValueError(f"{operation}: momentum must be 0 to 1 but is {momentum!r}")
    return momentum


def check_sizes(operation: str, normalized_shape: Any) -> tuple[int, ...]:
    """The sizes of one or more axes."""
    count = len(normalized_shape) if isinstance(normalized_shape, Sequence) else 1
    if not count:
        raise ValueError(f"{operation}: normalized_shape must have at least one axis but is {normalized_shape!r}")
    return per_axis(operation, "normalized_shape", normalized_shape, count, minimum=0)


def check_bool(operation: str, name: str, value: Any) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{operation}: {name} must be True or False but is {value!r}")


def check_per_channel(operation: str, x: Any, **arrays: Any) -> None:
    """Refuse arrays that are not one number for each channel of x; None is none."""
    shape = shape_of(x)
    for name, array in arrays.items():
        if array is not None and shape_of(array) != shape[1:2]:
            raise ValueError(
                f"{operation}: {name} must have shape {shape[1:2]} for the {shape[1]} channels of x {shape} "
                f"but has {shape_of(array)}"
            )


def check_running(operation: str, x: Any, running_mean: Any, running_var: Any, replaced: bool) -> None:
    """Refuse running statistics that can't be used, or where they are to be replaced, can't be replaced."""
    if (running_mean is None) != (running_var is None):
        raise ValueError(f"{operation}: running_mean and running_var must both be given, or both be None")
    if running_mean is None:
        if not replaced:
            raise ValueError(f"{operation}: without x's own statistics running_mean and running_var must be given")
        return
    for name, running in (("running_mean", running_mean), ("running_var", running_var)):
        if replaced and not isinstance(running, Variable):
            raise TypeError(f"{operation}: {name} must be a tensor, to be updated, but is {type(running).__name__}")
        if isinstance(running, Variable) and running.node is not None and running.node.requires_grad:
            raise ValueError(f"{operation}: {name} must not require a gradient; detach() it")
        array = array_of(running)
        if replaced and dtype_of(array).kind not in "fO":
            raise TypeError(f"{operation}: {name} must be of floats, to be updated, but is of {dtype_of(array)}")
        if device_of(array) != device_of(array_of(x)):
            raise ValueError(f"{operation}: {name} is on {device_of(array)} but x on {device_of(array_of(x))}")


# Operands


def array_of(x: Any) -> Any:
    """The array of a tensor, or the array itself."""
    return x._array if isinstance(x, Variable) else x


def in_single_precision(x: Any) -> Any:
    """float16 as float32, recorded: its sums overflow at 65,504, and keep three digits."""
    return x.astype(np.float32) if dtype_of(x) == np.float16 else x


def narrowed(z: Any, *operands: Any) -> Any:
    """z in float16 again, where all that it was computed from was."""
    halves = all(dtype_of(x) == np.float16 for x in operands if x is not None)
    return z.astype(np.float16) if halves else z

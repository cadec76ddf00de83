"""Initial values of weights: random, scaled by how many numbers an output sums, so that signals keep their size.

Every function returns a new tensor without a gradient; `nn.Parameter(init.he_normal(shape))` makes it a parameter, and
`layer.weight.data = init.glorot_uniform(layer.weight.shape)` puts it in the place of an old one. Random numbers come
from the device's random state, which `tg.manual_seed` starts anew, and are the same in every dtype, up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt
from operator import index
from typing import Any

import numpy as np

from tinygrad_cnn import backend
from tinygrad_cnn.primitives.arguments import per_axis
from tinygrad_cnn.tensor import Tensor

Fans = tuple[float, float]


def fans_of(shape: Sequence[int], groups: int = 1, transposed: bool = False, stride: Any = 1) -> Fans:
    """How many inputs each output sums (fan in), and how many outputs each input reaches (fan out).

    | weight | shape | fan in | fan out |
    | --- | --- | --- | --- |
    | linear | (outputs, features) | features | outputs |
    | convolution | (F, C / groups, *kernel) | C / groups × kernel | F / groups × kernel / stride |
    | transposed convolution | (C, F / groups, *kernel) | C / groups × kernel / stride | F / groups × kernel |

    with the product over the spatial axes. A stride leaves out all but one in `stride` of the sums on its side, so
    there the number is the mean over the pixels. Borders are not counted.

    Args:
        shape: the weight's.
        groups: as the convolution has it.
        transposed: whether the weight is a transposed convolution's.
        stride: as the convolution has it, an integer or one for each spatial axis.

    Raises:
        ValueError: fewer than two axes, an empty axis, groups that do not divide the first.
        TypeError: a size that is no integer.

    >>> fans_of((8, 3, 5, 5))
    (75.0, 200.0)
    >>> fans_of((8, 3, 4, 4), transposed=True, stride=2)
    (32.0, 48.0)
    """
    shape = _checked_shape("fans_of", shape)
    (groups,) = per_axis("fans_of", "groups", groups, 1)
    if len(shape) < 2 or 0 in shape:
        raise ValueError(f"fans_of: expected a weight with two or more axes, none empty, but the shape is {shape}")
    if shape[0] % groups:
        raise ValueError(f"fans_of: groups must divide the first axis of {shape} but is {groups}")
    strides = per_axis("fans_of", "stride", stride, len(shape) - 2) if len(shape) > 2 else ()
    first, second = shape[0] / groups * prod(shape[2:]), float(shape[1] * prod(shape[2:]))
    return (first / prod(strides), second) if transposed else (second, first / prod(strides))


def he_normal(
    shape: Sequence[int], fans: Fans | None = None, dtype: Any = None, device: str | None = None
) -> Tensor:
    """Normal numbers of mean 0 and variance 2 / fan in: behind a ReLU the signal keeps its size from layer to layer.

    A ReLU halves the second moment, which the 2 makes up for (He, Zhang, Ren, Sun 2015, "Delving Deep into Rectifiers",
    eq. 10). The layers of `tinygrad_cnn.nn` start with it.

    Args:
        shape: the weight's.
        fans: (fan in, fan out); None works them out for a linear layer or a plain convolution, see `fans_of`.
        dtype: a floating-point dtype; None is the default dtype.
        device: "cpu", "gpu" or "gpu:1"; None is the default device.

    Raises:
        ValueError: a shape without fans, fans that are not positive, a dtype that is not floating-point.
        TypeError: a size that is no integer.
        RuntimeError: a GPU was asked for and CuPy or the GPU is missing.

    >>> he_normal((8, 3, 5, 5)).shape
    (8, 3, 5, 5)
    """
    fan_in, _ = _checked_fans("he_normal", shape, fans)
    return _normal("he_normal", shape, sqrt(2 / fan_in), dtype, device)


def he_uniform(
    shape: Sequence[int], fans: Fans | None = None, dtype: Any = None, device: str | None = None
) -> Tensor:
    """Uniform numbers in [-b, b) with b = sqrt(6 / fan in), of the same variance 2 / fan in as `he_normal`.

    (He et al. 2015, eq. 10; the variance of the uniform distribution is b² / 3.) Arguments and errors as `he_normal`.
    """
    fan_in, _ = _checked_fans("he_uniform", shape, fans)
    return _uniform("he_uniform", shape, sqrt(6 / fan_in), dtype, device)


def glorot_normal(
    shape: Sequence[int], fans: Fans | None = None, dtype: Any = None, device: str | None = None
) -> Tensor:
    """Normal numbers of mean 0 and variance 2 / (fan in + fan out), for tanh and other units that are linear around 0.

    The compromise between keeping the size of the signal, 1 / fan in, and that of the gradient, 1 / fan out (Glorot and
    Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", eq. 12). Arguments and
    errors as `he_normal`.
    """
    return _normal("glorot_normal", shape, sqrt(2 / sum(_checked_fans("glorot_normal", shape, fans))), dtype, device)


def glorot_uniform(
    shape: Sequence[int], fans: Fans | None = None, dtype: Any = None, device: str | None = None
) -> Tensor:
    """Uniform numbers in [-b, b) with b = sqrt(6 / (fan in + fan out)), of `glorot_normal`'s variance.

    (Glorot and Bengio 2010, eq. 16, the "normalized initialization".) Arguments and errors as `he_normal`.

    >>> bool(abs(glorot_uniform((10, 50)).data).max() <= (6 / 60) ** 0.5)
    True
    """
    return _uniform("glorot_uniform", shape, sqrt(6 / sum(_checked_fans("glorot_uniform", shape, fans))), dtype, device)


def constant(shape: Sequence[int], value: float, dtype: Any = None, device: str | None = None) -> Tensor:
    """The same value everywhere.

    Raises:
        ValueError: a negative size, a dtype that is not floating-point.
        TypeError: a size that is no integer.
        RuntimeError: a GPU was asked for and CuPy or the GPU is missing.

    >>> constant((2,), 0.5).tolist()
    [0.5, 0.5]
    """
    return _filled("constant", shape, value, dtype, device)


def zeros(shape: Sequence[int], dtype: Any = None, device: str | None = None) -> Tensor:
    """Zeros, for biases. Errors as `constant`."""
    return _filled("zeros", shape, 0, dtype, device)


def ones(shape: Sequence[int], dtype: Any = None, device: str | None = None) -> Tensor:
    """Ones, for scales. Errors as `constant`."""
    return _filled("ones", shape, 1, dtype, device)


def _normal(operation: str, shape: Sequence[int], deviation: float, dtype: Any, device: str | None) -> Tensor:
    return _random(operation, "standard_normal", shape, deviation, 0.0, dtype, device)


def _uniform(operation: str, shape: Sequence[int], bound: float, dtype: Any, device: str | None) -> Tensor:
    return _random(operation, "random", shape, 2 * bound, -bound, dtype, device)


def _random(
    operation: str, draw: str, shape: Sequence[int], scale: float, shift: float, dtype: Any, device: str | None
) -> Tensor:
    """scale × what the generator's method draws + shift, in float64 before it is cast."""
    sizes, dtype = _checked_shape(operation, shape), _checked_dtype(operation, dtype)
    device = backend.parse_device(device)
    with backend.on_device(device):
        numbers = getattr(backend.generator(device), draw)(sizes)
        numbers *= scale
        numbers += shift
        return Tensor._wrap(backend.as_array(numbers, dtype, device), None)


def _filled(operation: str, shape: Sequence[int], value: Any, dtype: Any, device: str | None) -> Tensor:
    array = np.full(_checked_shape(operation, shape), value, _checked_dtype(operation, dtype))
    return Tensor._wrap(backend.as_array(array, device=backend.parse_device(device)), None)


def _checked_dtype(operation: str, dtype: Any) -> np.dtype[Any]:
    checked: np.dtype[Any] = backend.get_default_dtype() if dtype is None else np.dtype(dtype)
    if checked.kind != "f":
        raise ValueError(f"{operation}: expected a floating-point dtype but got {checked}")
    return checked


def _checked_shape(operation: str, shape: Sequence[int]) -> tuple[int, ...]:
    if isinstance(shape, str) or not isinstance(shape, Sequence):
        raise TypeError(f"{operation}: expected a shape, a tuple of integers, but got {shape!r}")
    try:
        sizes = tuple(index(n) for n in shape)
    except TypeError:
        raise TypeError(f"{operation}: expected a shape, a tuple of integers, but got {shape!r}") from None
    if any(n < 0 for n in sizes):
        raise ValueError(f"{operation}: expected sizes of 0 or more but got {shape!r}")
    return sizes


def _checked_fans(operation: str, shape: Sequence[int], fans: Fans | None) -> Fans:
    if fans is None:
        try:
            return fans_of(shape)
        except ValueError as error:
            raise ValueError(f"{operation}: this shape needs fans=(fan in, fan out); {error}") from error
    fan_in, fan_out = fans
    if not (fan_in > 0 and fan_out > 0):
        raise ValueError(f"{operation}: expected fans above 0 but got {fans!r}")
    return fans

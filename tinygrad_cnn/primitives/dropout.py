"""Dropout: random elements, or whole channels, left out in training, and the rest scaled up to the same expectation."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from tinygrad_cnn import backend
from tinygrad_cnn.backend import device_of, is_object, shape_of
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import blocks, memory
from tinygrad_cnn.kernels.normalization import in_arithmetic_of
from tinygrad_cnn.modes import observed
from tinygrad_cnn.primitives.arguments import integer, spatial_shape
from tinygrad_cnn.primitives.normalization_arguments import array_of, check_bool, number


@primitive(x=lambda dz, kept, scale: _dropout(dz, kept, scale=scale))
def _dropout(x: Any, kept: Any, *, scale: Any) -> Any:
    """x scale where it is kept, else 0; the gradient likewise."""
    if is_object(x):
        return np.where(kept, x * scale, 0)[()]
    # On random decisions a product is many times faster than `where`.
    if not blocks.are_alike(x):
        return x * kept * scale
    z = np.multiply(x, kept, out=memory.empty_like(x))
    return np.multiply(z, scale, out=z)


def dropout(x: Any, p: float = 0.5, training: bool = True, seed: int | None = None) -> Any:
    """Each element 0 with probability p, or else x / (1 - p), so that its expectation is x.

    (Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov 2014, "Dropout", section 10, with the scale in training.)

    Args:
        x: any shape.
        p: the probability of being left out, 0 to 1; with 1 everything is 0.
        training: False gives x itself.
        seed: an integer >= 0 leaves out the same elements at every call; with None they come from the random state of
            x's device, which `tg.manual_seed` starts anew. They are the same in every dtype.

    Backward: dx = dz / (1 - p) where x was kept, else 0.

    Raises:
        ValueError: a p out of range, a negative seed.
        TypeError: a p that is no number, a `training` that is no bool, a seed that is no integer.

    >>> import tinygrad_cnn as tg
    >>> tg.manual_seed(0)
    >>> x = tg.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    >>> z = tg.dropout(x, 0.5)
    >>> z.sum().backward()
    >>> z.tolist(), x.grad.tolist()
    ([2.0, 4.0, 6.0, 0.0], [2.0, 2.0, 2.0, 0.0])
    """
    return _drop("dropout", x, p, training, seed, shape_of(x))


def dropout2d(x: Any, p: float = 0.5, training: bool = True, seed: int | None = None) -> Any:
    """Whole channels of x (N, C, H, W) left out: neighbouring pixels say almost the same, so one alone is no loss.

    (Tompson, Goroshin, Jain, LeCun, Bregler 2015, "Efficient object localization using convolutional networks":
    SpatialDropout.) Everything else as `dropout`.

    Raises:
        ValueError: also an x that is no batch of images.

    >>> import tinygrad_cnn as tg
    >>> tg.dropout2d(tg.tensor([[[[1.0, 1.0]], [[2.0, 2.0]]]]), 0.5, seed=1).tolist()
    [[[[0.0, 0.0]], [[4.0, 4.0]]]]
    """
    spatial_shape("dropout2d", "x", shape_of(x), 2)
    return _drop("dropout2d", x, p, training, seed, (*shape_of(x)[:2], 1, 1))


def _drop(operation: str, x: Any, p: Any, training: Any, seed: Any, shape: tuple[int, ...]) -> Any:
    """x with one random decision for each element of `shape`, which broadcasts against it."""
    p = check_probability(operation, p)
    check_bool(operation, "training", training)
    seed = _check_seed(operation, seed)
    if not training or p == 0:
        return x
    array = array_of(x)
    is_channels_last = isinstance(array, np.ndarray) and memory.is_channels_last(array)
    kept = _decisions(shape, float(p), seed, device_of(array), is_channels_last)
    return _dropout(x, kept, scale=1 / (1 - in_arithmetic_of(array, p)) if p < 1 else 1)


@observed
def _decisions(shape: tuple[int, ...], p: float, seed: int | None, device: str, is_channels_last: bool) -> Any:
    """True with probability 1 - p; they are the same in both layouts."""
    with backend.on_device(device):
        xp = np if device == "cpu" else backend.gpu_module()
        random = backend.generator(device) if seed is None else xp.random.default_rng(seed)
        numbers = random.random(shape, dtype=np.float32)
        if not is_channels_last:
            return numbers >= p
        return np.greater_equal(numbers, p, out=memory.empty(shape, bool, memory.channels_last(len(shape))))


def check_probability(operation: str, p: Any) -> Any:
    """A number from 0 to 1, no symbol: it is compared with random numbers."""
    if not isinstance(p, Real) or isinstance(p, bool):
        raise TypeError(f"{operation}: p must be a number but is {p!r}")
    if not 0 <= float(p) <= 1:
        raise ValueError(f"{operation}: p must be a probability, 0 to 1, but is {p!r}")
    return number(operation, "p", p)


def _check_seed(operation: str, seed: Any) -> int | None:
    if seed is None:
        return None
    chosen = integer(operation, "seed", seed)
    if chosen < 0:
        raise ValueError(f"{operation}: seed must not be negative but is {seed!r}")
    return chosen

"""Local response normalisation: values that compete with those at the same pixel in neighbouring channels."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import normalization as kernels
from tinygrad_cnn.primitives.arguments import per_axis
from tinygrad_cnn.primitives.elementwise import divide, multiply, power
from tinygrad_cnn.primitives.normalization_arguments import (
    array_of,
    channels_first,
    in_single_precision,
    narrowed,
    number,
)


@primitive(x=lambda dz, before, after: _window_sum(dz, before=after, after=before))
def _window_sum(x: Any, *, before: int, after: int) -> Any:
    """S[n, c] = X[n, c - before] + ... + X[n, c + after], zeros outside; its gradient is the same, mirrored."""
    return kernels.window_sums(x, before, after)


def local_response_norm(x: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """Each value divided by a power of the squares at its pixel in `size` neighbouring channels:

        Z[n, c] = X[n, c] / (k + alpha / size * sum_j X[n, c + j]**2)**beta,   j from -floor(size / 2)

    with zeros outside of the channels (Krizhevsky, Sutskever, Hinton 2012, "ImageNet classification with deep
    convolutional neural networks", section 3.3; alpha is divided by `size` as in PyTorch, not there).

    Args:
        x: (N, C, ...).
        size: the number of channels in a window; of an even number one more lies before the channel than behind it.
        alpha, beta, k: numbers.

    Returns:
        x's shape. float16 is computed in float32.

    Backward, with d = k + alpha / size S(X**2), S the sum over a window and S' that over the mirrored one:
    dX = dZ d**-beta - 2 alpha beta / size X S'(dZ X d**(-beta - 1)).

    Raises:
        ValueError: x without channels, a size below 1.
        TypeError: a size that is no integer; an alpha, beta or k that is no number; fractions and a beta that is no
            integer.

    >>> import tinygrad_cnn as tg
    >>> tg.local_response_norm(tg.tensor([[1.0, 2.0, 4.0]]), 2, alpha=2.0, beta=1.0).tolist()
    [[0.5, 0.3333333432674408, 0.190476194024086]]
    """
    operation = "local_response_norm"
    channels_first(operation, x)
    (size,) = per_axis(operation, "size", size, 1)
    alpha, beta, k = (
        kernels.in_arithmetic_of(array_of(x), number(operation, name, value))
        for name, value in (("alpha", alpha), ("beta", beta), ("k", k))
    )
    if isinstance(beta, Fraction):
        if beta.denominator != 1:
            raise TypeError(f"{operation}: fractions have no exact power of beta = {beta}; use an integer, or float64")
        beta = int(beta)
    wide = in_single_precision(x)
    squares = _window_sum(multiply(wide, wide), before=size // 2, after=(size - 1) // 2)
    return narrowed(divide(wide, power(k + squares * alpha / size, beta)), x)

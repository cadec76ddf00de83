"""Mistakes that can be made in any rule: something done to the right result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_cnn.verify.catalogue.operation import Mistake


def _negated(gradient: Any, inputs: Mapping[str, Any]) -> Any:
    return -gradient


def _transposed(gradient: Any, inputs: Mapping[str, Any]) -> Any:
    return np.swapaxes(gradient, -1, -2) if gradient.ndim > 1 else None


def _averaged_over_batch(gradient: Any, inputs: Mapping[str, Any]) -> Any:
    z = inputs["z"]
    return gradient / z.shape[0] if z.ndim else None


def _averaged_over_outputs(gradient: Any, inputs: Mapping[str, Any]) -> Any:
    return gradient / inputs["z"].size


def _zero(gradient: Any, inputs: Mapping[str, Any]) -> Any:
    return 0 * gradient


SIGN = Mistake("sign", "The sign is wrong: every entry is the negative of what it should be.", then=_negated)
FACTOR = Mistake("factor", "A constant factor is wrong: every entry is the same multiple of what it should be.")

MISTAKES = (
    SIGN,
    Mistake(
        "result-transposed", "The result is transposed: its last two axes changed places.", then=_transposed
    ),
    Mistake(
        "averaged-over-batch",
        "The gradient was divided by the batch size: L is a sum over the images unless the loss itself takes a mean, "
        "and then dZ has the division in it already.",
        then=_averaged_over_batch,
    ),
    Mistake(
        "averaged-over-outputs",
        "The gradient was divided by the number of outputs: every output adds its share, and nothing is averaged.",
        then=_averaged_over_outputs,
    ),
    Mistake("always-zero", "The result is zero everywhere: nothing was written into it, or it was lost.", then=_zero),
)

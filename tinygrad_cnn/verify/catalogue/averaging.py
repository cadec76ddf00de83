"""By what a loss of many samples is divided, and the mistakes in that."""

from __future__ import annotations

from math import prod
from typing import Any

from tinygrad_cnn.verify.catalogue.operation import Mistake


def divisor(x: Any, name: str) -> int:
    """Of an x (N, C): "one", "samples" (N), "classes" (C), "entries" (N C). One sample may lack its axis."""
    shape: tuple[int, ...] = x.shape
    return {
        "one": 1,
        "samples": shape[0] if len(shape) > 1 else 1,
        "classes": shape[-1] if shape else 1,
        "entries": prod(shape),
    }[name]


NOT_AVERAGED = "The division is missing: the loss is a mean, and so is its gradient divided by the number of samples."
AVERAGED = "It was divided by the number of samples, but the loss is their sum and not their mean."


def divisions(right: str, *wrong: str, operands: tuple[str, ...] = ("x",)) -> tuple[Mistake, ...]:
    """Mistakes in the divisor, for a loss that is divided by `right`."""
    mistakes = {
        "one": ("not-averaged-over-batch", NOT_AVERAGED),
        "samples": ("averaged-over-batch", AVERAGED),
        "classes": ("divided-by-classes", "It was divided by the number of classes instead of the number of samples."),
        "entries": ("divided-by-entries", "It was divided by the number of all entries, which the loss is not."),
    }
    if right == "entries":
        mistakes["samples"] = (
            "divided-by-samples",
            "It was divided by the number of samples, but the loss is the mean over all entries.",
        )
    return tuple(Mistake(*mistakes[name], operands, ({"divided": name},)) for name in wrong if name != right)

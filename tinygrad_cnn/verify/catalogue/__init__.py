"""What the checker knows: the operations, their right rules with each step as a keyword, and the students' mistakes."""

from __future__ import annotations

from tinygrad_cnn.verify.catalogue import (
    activations,
    arithmetic,
    batch_norm,
    conv_transpose,
    convolution,
    cross_entropy,
    generic,
    linear,
    losses,
    pooling,
    softmax,
)
from tinygrad_cnn.verify.catalogue.operation import Mistake

OPERATIONS = (
    *convolution.OPERATIONS,
    *conv_transpose.OPERATIONS,
    *pooling.OPERATIONS,
    *linear.OPERATIONS,
    *activations.OPERATIONS,
    *softmax.OPERATIONS,
    *batch_norm.OPERATIONS,
    *cross_entropy.OPERATIONS,
    *losses.OPERATIONS,
    *arithmetic.OPERATIONS,
)


def mistakes() -> tuple[Mistake, ...]:
    """The catalogue: the mistakes that are known by name, those of an operation first and then those of any rule.

    A mistake that can be made in several operations is listed once, as it is explained for the first of them.

    Returns:
        `Mistake`s with `.name` and `.explanation`, no name twice.

    >>> catalogue = {mistake.name: mistake.explanation for mistake in mistakes()}
    >>> catalogue["sign"]
    'The sign is wrong: every entry is the negative of what it should be.'
    """
    found: dict[str, Mistake] = {}
    for mistake in (*(m for operation in OPERATIONS for m in operation.mistakes), *generic.MISTAKES, generic.FACTOR):
        found.setdefault(mistake.name, mistake)
    return tuple(found.values())

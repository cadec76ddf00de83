"""Counting what a classifier gets right: the confusion matrix, and the mistakes with their probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_cnn as tg

__all__ = ["Mistakes", "confusion_counts", "find_mistakes"]


MOST_CLASSES = 10_000
"""The square of it is the size of the matrix."""


def confusion_counts(labels: Any, predictions: Any, classes: int | None = None) -> Any:
    """How many examples of each class were taken for each class.

    Args:
        labels: (N,), integers from 0: the true classes.
        predictions: (N,), the classes that were said, or (N, classes), logits or probabilities, whose largest counts.
        classes: how many there are; None for as many as occur.

    Returns:
        (classes, classes), integers: row i, column j counts the examples of class i that were taken for j.

    Raises:
        ValueError: different lengths, no examples, a class below 0 or not below `classes`, more than 10,000 classes.
        TypeError: labels or predictions that are no integers.

    >>> confusion_counts([0, 0, 1, 2], [0, 1, 1, 1])
    array([[1, 1, 0],
           [0, 1, 0],
           [0, 1, 0]])
    """
    operation = "confusion_counts"
    true = class_numbers(labels, "labels", operation)
    said = _numpy(predictions)
    if said.ndim == 2:
        classes = said.shape[1] if classes is None else classes
        said = said.argmax(axis=1)
    said = class_numbers(said, "predictions", operation)
    if len(true) != len(said):
        raise ValueError(f"{operation}: expected a prediction for each of {len(true)} labels but got {len(said)}")
    if not len(true):
        raise ValueError(f"{operation}: expected examples but got none")
    highest = int(max(true.max(), said.max()))
    count = highest + 1 if classes is None else classes
    if highest >= count:
        raise ValueError(f"{operation}: expected classes from 0 to {count - 1} but got {highest}")
    if count > MOST_CLASSES:
        raise ValueError(f"{operation}: expected at most {MOST_CLASSES:,} classes but there are {count:,}")
    return np.bincount(true * count + said, minlength=count * count).reshape(count, count)


@dataclass(frozen=True, slots=True)
class Mistakes:
    """The examples that were classified wrongly, the surest mistake first.

    Attributes:
        indices: (M,), which examples.
        labels: (M,), what they are.
        predictions: (M,), what they were taken for.
        confidences: (M,), the probability of the prediction.
        probabilities_of_labels: (M,), the probability of what they are.
        examples: how many were looked at.
    """

    indices: Any
    labels: Any
    predictions: Any
    confidences: Any
    probabilities_of_labels: Any
    examples: int

    def __len__(self) -> int:
        return len(self.indices)


def find_mistakes(labels: Any, logits: Any) -> Mistakes:
    """The examples whose largest logit is not at their label; the probabilities are the softmax of the logits.

    Args:
        labels: (N,), integers from 0.
        logits: (N, classes).

    Raises:
        ValueError: logits of another shape or not finite, a label that is none of the classes.
        TypeError: labels that are no integers, logits that are no numbers.

    >>> found = find_mistakes([0, 1, 1], [[2.0, 0.0], [0.0, 0.0], [3.0, 0.0]])
    >>> found.indices, found.predictions, found.confidences.round(3)
    (array([2, 1]), array([0, 0]), array([0.953, 0.5  ]))
    """
    operation = "find_mistakes"
    true = class_numbers(labels, "labels", operation)
    scores = _numpy(logits)
    if scores.dtype.kind not in "biuf":
        raise TypeError(f"{operation}: logits must be numbers but are {scores.dtype}")
    if scores.ndim != 2 or len(scores) != len(true) or not scores.size:
        raise ValueError(f"{operation}: expected logits of shape ({len(true)}, classes) but got {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError(f"{operation}: expected finite logits but got NaN or infinity")
    if true.max() >= scores.shape[1]:
        raise ValueError(f"{operation}: expected labels from 0 to {scores.shape[1] - 1} but got {true.max()}")
    probabilities = tg.softmax(scores.astype(np.float64), axis=1)
    said = scores.argmax(axis=1)
    wrong = np.flatnonzero(said != true)
    confidences = probabilities[wrong, said[wrong]]
    order = np.argsort(-confidences, kind="stable")
    found = wrong[order]
    return Mistakes(
        found, true[found], said[found], confidences[order], probabilities[found, true[found]], len(true)
    )


def class_numbers(values: Any, name: str, operation: str) -> Any:
    """Numbers of classes, (N,), int64, none negative.

    >>> class_numbers([2, 0], "labels", "example")
    array([2, 0])
    """
    array = _numpy(values)
    if array.ndim != 1:
        raise ValueError(f"{operation}: expected {name} of shape (N,) but got {array.shape}")
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{operation}: {name} must be integers but are {array.dtype}")
    if array.size and array.min() < 0:
        raise ValueError(f"{operation}: {name} must be 0 or more but one is {array.min()}")
    return array.astype(np.int64)


def _numpy(values: Any) -> Any:
    return values.numpy() if isinstance(values, tg.Tensor) else np.asarray(values)

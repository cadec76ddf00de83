"""The cross entropy of a softmax, some samples after the other, on all threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.backend import ones
from tinygrad_cnn.kernels import blas, blocks, memory

NEAR = 16.0
"""Logits whose largest lies so near to 0 need no shift: no power overflows, and what vanishes is nothing beside it."""


def cross_entropy_of_labels(x: Any, labels: Any, count: int = 1) -> Any:
    """For logits (N, classes): the losses -log softmax(x)[label], (N,), and (softmax(x) - onehot(label)) / count."""
    samples, classes = x.shape
    if x.dtype not in (np.float32, np.float64) or not x.flags.c_contiguous:
        return NotImplemented
    losses, difference = np.empty(samples, x.dtype), memory.empty_like(x)
    flat, starts = x.reshape(-1), np.arange(0, x.size, classes)

    def rows(i: slice) -> None:
        e, largest = difference[i], flat.take(starts[i] + x[i].argmax(axis=1))
        if (np.abs(largest) <= NEAR).all():
            np.exp(x[i], out=e)
            scale = np.exp(-largest)
        else:
            np.subtract(x[i], largest[:, None], out=e)
            np.exp(e, out=e)
            scale = 1
        with blas.one_thread():
            total = e.dot(ones(classes, x))
        np.multiply(e, (1 / count / total)[:, None], out=e)
        np.subtract(np.log(total * scale), flat.take(starts[i] + labels[i]) - largest, out=losses[i])

    blocks.run(rows, samples, classes)
    difference.reshape(-1)[starts + labels] -= 1 / count
    return losses, difference

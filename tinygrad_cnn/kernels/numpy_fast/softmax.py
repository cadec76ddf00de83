"""The cross entropy of a softmax, some samples after the other, on all threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.backend import ones
from tinygrad_cnn.kernels import blas, blocks, memory


def cross_entropy_of_labels(x: Any, labels: Any) -> Any:
    """For logits (N, classes): the losses -log softmax(x)[label], (N,), and softmax(x) - onehot(label)."""
    samples, classes = x.shape
    if x.dtype not in (np.float32, np.float64) or not x.flags.c_contiguous:
        return NotImplemented
    losses, difference = np.empty(samples, x.dtype), memory.empty_like(x)
    sample = np.arange(samples)

    def rows(i: slice) -> None:
        e, at = difference[i], (sample[: i.stop - i.start], labels[i])
        np.subtract(x[i], x[i][sample[: len(e)], x[i].argmax(axis=1), None], out=e)
        shifted = e[at]
        np.exp(e, out=e)
        with blas.one_thread():
            total = e.dot(ones(classes, x))
        np.subtract(np.log(total), shifted, out=losses[i])
        np.multiply(e, (1 / total)[:, None], out=e)
        e[at] -= 1

    blocks.run(rows, samples, classes)
    return losses, difference

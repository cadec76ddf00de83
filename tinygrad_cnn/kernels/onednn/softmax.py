"""Softmax by oneDNN, of float32 rows that lie one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.onednn import library
from tinygrad_cnn.kernels.onednn.descriptors import INFERENCE, RESULT, SOURCE, Handle, Ints, attributes, ordered
from tinygrad_cnn.kernels.onednn.elementwise import LINEAR
from tinygrad_cnn.kernels.onednn.execution import Kernel, cached, described

ACCURATE = 0x30000  # dnnl_alg_kind_t
SMALLEST = np.float32(1e-30)
"""Of smaller probabilities the logarithm is left to NumPy, which takes it before they round to 0."""


def cross_entropy_of_labels(x: Any, labels: Any, count: int = 1) -> Any:
    """As the definition. Rows with a NaN or infinity, for which oneDNN has other numbers, are NumPy's."""
    samples, classes = x.shape
    run = _softmax(x.shape, 1 / count) if x.flags.c_contiguous and x.size else None
    if run is None or not np.isfinite(x.max()):
        return NotImplemented
    difference = memory.empty(x.shape, np.float32)
    run(x, difference)
    flat, at = difference.reshape(-1), np.arange(0, samples * classes, classes) + labels
    p = flat.take(at) * np.float32(count)
    if not (p >= SMALLEST).all():
        return NotImplemented
    flat[at] = (p - np.float32(1)) / np.float32(count)
    return -np.log(p), difference


@cached
def _softmax(shape: Ints, factor: float) -> Kernel:
    """Called with x and z, which becomes the softmax times the factor."""
    x, functions, options = ordered(shape), library.load().quick, attributes()
    if factor != 1:
        operations = Handle(functions.post_ops_create, functions.post_ops_destroy)
        functions.post_ops_append_eltwise(operations, LINEAR, factor, 0.0)
        functions.primitive_attr_set_post_ops(options, operations)  # copied
    descriptor = described("softmax_forward", INFERENCE, ACCURATE, x, x, 1, options)
    return Kernel(descriptor, (SOURCE, x), (RESULT, x, True))

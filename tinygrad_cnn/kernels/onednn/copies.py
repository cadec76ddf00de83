"""Copies by oneDNN from one order of memory to another, of float32 arrays: blocks are turned in the registers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.kernels.onednn.descriptors import RESULT, SOURCE, Ints, strided
from tinygrad_cnn.kernels.onednn.execution import Kernel, cached, reorder


def copy(x: Any, z: Any) -> Any:
    """As the definition."""
    run = _copy(x.shape, x.strides, z.strides) if x.dtype == z.dtype == np.float32 else None
    if run is None:
        return NotImplemented
    run(x, z)
    return z


@cached
def _copy(shape: Ints, given: Ints, wanted: Ints) -> Kernel:
    x, z = strided(shape, given), strided(shape, wanted)
    return Kernel(reorder(x, z), (SOURCE, x), (RESULT, z, True))

"""Sequences of kernels: what is put together from parts of arrays, against NumPy."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.operands import assert_equal, integers
from tinygrad_cnn.kernels import memory, onednn

pytestmark = pytest.mark.skipif(onednn.unavailable() is not None, reason=f"no oneDNN: {onednn.unavailable()}")

SIZE = 1000
BYTES = 4 * SIZE


def sums_of_parts():
    """Called with x (3, n), y (n) and z (2, n): z = x0 + x2 + constant, twice that and y."""
    from tinygrad_cnn.kernels.onednn.sequences import Sequence
    from tinygrad_cnn.kernels.onednn.winograd import _addition

    constant = integers((SIZE,), 1, np.float32)
    steps, add = Sequence(3, 7, BYTES), _addition(SIZE)  # parts of the room begin at cache lines
    x, y, z = range(3)
    steps.add(add, (x, 0), (x, 2 * BYTES), steps.room(1))
    steps.add(add, steps.room(1), steps.keep(constant), (z, 0))
    steps.add(add, (z, 0), (z, 0), steps.room(1))
    steps.add(add, steps.room(1), (y, 0), (z, BYTES))
    return steps, constant


def check(steps, constant, seed):
    x, y, z = integers((3, SIZE), seed, np.float32), integers((SIZE,), seed + 1, np.float32), np.zeros((2, SIZE), "f4")
    steps(x, y, z)
    once = x[0] + x[2] + constant
    assert_equal(z, np.stack([once, once + once + y]))


def test_parts_of_arrays_wherever_they_lie():
    steps, constant = sums_of_parts()
    for seed in range(20):
        check(steps, constant, seed)
        if seed % 5 == 4:
            memory.release()  # the room lies elsewhere from now on
            memory.scratch("sequence", (memory.SMALL_BYTES * (seed + 1),), np.dtype(np.uint8))


def test_several_threads_at_once():
    steps, constant = sums_of_parts()
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(check, steps, constant, seed) for seed in range(200)]:
            done.result()

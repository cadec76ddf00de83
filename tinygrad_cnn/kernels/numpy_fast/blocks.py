"""Work in blocks that stay in the processor's cache from one pass to the next, on all threads where there is much.

A pass over arrays that lie in main memory takes as long as the memory, whatever is computed; several passes over one
block after the other read main memory once. Blocks are large, since at every call inside them the threads wait for one
another: NumPy lets go of the interpreter only while it computes. To wake a thread takes some 50 microseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_cnn.kernels import threads

BLOCK = 1 << 20
"""The most numbers in a block."""

SHARED = 1 << 18
"""From so many numbers on, several passes over them are shared among the threads."""


def run(function: Callable[[slice], object], count: int, each: int) -> None:
    """Call the function with slices that together are range(count), of entries with so many numbers each.

    The slices are of about the same length, one or several for each thread.
    """
    total = count * each
    blocks = -(-total // BLOCK)
    if total >= SHARED:
        workers = threads.get_num_threads()
        blocks = -(-blocks // workers) * workers
    blocks = min(blocks, count)
    if blocks < 2:
        function(slice(0, count))
        return
    slices = [slice(count * i // blocks, count * (i + 1) // blocks) for i in range(blocks)]
    if total >= SHARED:
        threads.run(function, slices)
    else:
        for block in slices:
            function(block)


def flat(*arrays: Any) -> list[Any] | None:
    """The arrays, which have one shape, as vectors in the order of their memory; None where they lie differently.

    Nothing is copied: gaps in one of them give None as well.
    """
    strides = arrays[0].strides
    steps = tuple(s // arrays[0].itemsize for s in strides)
    vectors = []
    for x in arrays:
        if x.strides != strides and tuple(s // x.itemsize for s in x.strides) != steps:
            return None
        vector = x.ravel("K")
        if vector.base is None:  # a copy
            return None
        vectors.append(vector)
    return vectors

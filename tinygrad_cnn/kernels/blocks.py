"""Work in blocks that stay in the processor's cache from one pass to the next, on all threads where there is much.

A pass over arrays that lie in main memory takes as long as the memory, whatever is computed; several passes over one
block after the other read main memory once. Blocks are large, since at every call inside them the threads wait for one
another: NumPy lets go of the interpreter only while it computes. To wake a thread takes some 50 microseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import memory, threads

BLOCK = 1 << 20
"""The most numbers in a block."""

SHARED = 1 << 20
"""From so many numbers times passes over them on, the work is shared among the threads."""

LARGE = 1 << 14
"""From so many numbers on, a result is worth some microseconds of preparation."""


BUFFER = 1 << 10
"""The numbers that NumPy converts, or repeats along a broadcast axis, at once: they stay in the nearest cache."""


def run(function: Callable[[slice], object], count: int, each: int, passes: int = 4) -> None:
    """Call the function with slices that together are range(count), of entries with so many numbers each.

    The slices are of about the same length, one or several for each thread. `passes` says how much is computed: about
    as many passes over memory.
    """
    total = count * each
    is_shared = total * passes >= SHARED
    blocks = -(-total // BLOCK)
    if is_shared:
        workers = threads.get_num_threads()
        blocks = -(-blocks // workers) * workers
    blocks = max(min(blocks, count), 1)
    slices = [slice(count * i // blocks, count * (i + 1) // blocks) for i in range(blocks)]
    before = np.setbufsize(BUFFER)
    try:
        if is_shared:
            threads.run(function, slices)
        else:
            for block in slices:
                function(block)
    finally:
        np.setbufsize(before)


def total(function: Callable[[slice], Any], count: int, each: int, passes: int = 4) -> Any:
    """The sum of what the function gives for slices, as `run` has them, in the order of the slices."""
    parts: dict[int, Any] = {}

    def collect(piece: slice) -> None:
        parts[piece.start] = function(piece)

    run(collect, count, each, passes)
    return sum(parts[start] for start in sorted(parts))


def over(function: Callable[..., object], *arrays: Any, passes: int = 4) -> None:
    """Call the function with pieces of the arrays, which have one shape, or with the arrays where they lie differently.

    The last is the result, that the function writes.
    """
    vectors = flat(*arrays)
    if vectors is None:
        function(*arrays)
    else:
        run(lambda piece: function(*[vector[piece] for vector in vectors]), vectors[0].size, 1, passes)


def computed(ufunc: Callable[..., object], *arrays: Any, passes: int = 4) -> Any:
    """The ufunc of large arrays of one shape and dtype, which its result has too, in memory that is used again."""
    z = memory.empty_like(arrays[0])
    over(lambda *pieces: ufunc(*pieces[:-1], out=pieces[-1]), *arrays, z, passes=passes)
    return z


def are_alike(*arrays: Any) -> bool:
    """Whether `computed` takes them: large floating-point arrays of one shape and dtype."""
    first = arrays[0]
    if type(first) is not np.ndarray or first.size < LARGE or first.dtype.kind != "f":
        return False
    return all(type(x) is np.ndarray and x.shape == first.shape and x.dtype == first.dtype for x in arrays[1:])


def flat(*arrays: Any) -> list[Any] | None:
    """The arrays, which have one shape, as vectors in the order of their memory; None where they lie differently.

    Nothing is copied: gaps in one of them give None as well.
    """
    first = arrays[0]
    strides = first.strides
    if sum([(n - 1) * s for n, s in zip(first.shape, strides, strict=True)]) + first.itemsize != first.nbytes:
        return None
    steps = tuple(s // first.itemsize for s in strides)
    vectors = []
    for x in arrays:
        if x.strides != strides and tuple(s // x.itemsize for s in x.strides) != steps:
            return None
        vector = x.ravel("K")
        if vector.base is None:  # a copy
            return None
        vectors.append(vector)
    return vectors

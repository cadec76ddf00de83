"""Memory for large results, taken again as soon as nobody holds it.

A new array of some megabytes costs as much time for its pages, which the system hands out one by one and zeroed, as
for its numbers. `empty` therefore keeps the blocks that it made and gives one out again once no array lies in it any
more, which the block's reference count tells: an array in it, and every view of that array, holds the block. A
training loop comes to rest after its first step and then asks the system for nothing.

What is smaller than `SMALL_BYTES` is left to NumPy. Blocks that were not asked for during the last `STALE_REQUESTS`
are given back to the system whenever a new one is needed, and all free ones by `release`.
"""

from __future__ import annotations

import os
import sys
from ctypes import c_void_p
from functools import lru_cache
from math import prod
from threading import Lock, local
from typing import Any
from weakref import WeakSet

import numpy as np

SMALL_BYTES = 1 << 16
ALIGNMENT = 64  # a cache line, and the width of the widest vector registers
STALE_REQUESTS = 4096


class _Block:
    """Memory of ours, and when it was last given out."""

    __slots__ = ("memory", "offset", "request")

    def __init__(self, size: int) -> None:
        self.memory = np.empty(size + ALIGNMENT, dtype=np.uint8)
        self.offset = -self.memory.ctypes.data % ALIGNMENT
        self.request = 0


_first = _Block(0)
_FREE = sys.getrefcount(_first.memory)  # that of memory which nobody but its block holds, counted as below
_blocks: dict[int, list[_Block]] = {}
_requests = 0
_lock = Lock()


def empty(shape: tuple[int, ...], dtype: Any, axes: tuple[int, ...] | None = None) -> Any:
    """A new array whose numbers are anything at all.

    Args:
        shape: its shape.
        dtype: its dtype.
        axes: the axes from the outermost to the innermost in memory; None is their order, as NumPy has it.

    >>> x = empty((2, 3, 4, 4), np.float32, channels_last(4))
    >>> x.shape, x.strides
    ((2, 3, 4, 4), (192, 4, 48, 12))
    """
    global _requests
    dtype = np.dtype(dtype)
    size = prod(shape) * dtype.itemsize
    if size < SMALL_BYTES:
        if axes is None:
            return np.empty(shape, dtype)
        return np.ndarray(shape, dtype, None, 0, _strides(shape, dtype.itemsize, axes))
    step = 1 << (size.bit_length() - 4)  # sizes are rounded up by an eighth at most, so that like ones share blocks
    size = -(-size // step) * step
    with _lock:
        _requests += 1
        for block in _blocks.setdefault(size, []):
            if sys.getrefcount(block.memory) == _FREE:
                break
        else:
            _drop(_requests - STALE_REQUESTS)
            block = _Block(size)
            _blocks.setdefault(size, []).append(block)
        block.request = _requests
        strides = None if axes is None else _strides(shape, dtype.itemsize, axes)
        return np.ndarray(shape, dtype, block.memory, block.offset, strides)


@lru_cache(4096)
def _strides(shape: tuple[int, ...], itemsize: int, axes: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [0] * len(shape), itemsize
    for axis in reversed(axes):
        strides[axis] = step
        step *= shape[axis]
    return tuple(strides)


def empty_like(x: Any, dtype: Any = None, shape: tuple[int, ...] | None = None) -> Any:
    """A new array in x's order of axes, channels-last where x is; of x's dtype and shape if no other is given."""
    dtype, shape = x.dtype if dtype is None else dtype, x.shape if shape is None else shape
    if x.flags.c_contiguous or x.ndim < 2:
        return empty(shape, dtype)
    strides = x.strides
    return empty(shape, dtype, tuple(sorted(range(x.ndim), key=lambda i: (-abs(strides[i]), i))))


def channels_last(ndim: int) -> tuple[int, ...]:
    """The axes of (N, C, ...) with the channels innermost: (N, ..., C)."""
    return (0, *range(2, ndim), 1)


def is_channels_last(x: Any) -> bool:
    """Whether x (N, C, ...) lies in memory as (N, ..., C) without gaps, and not also as (N, C, ...)."""
    return x.ndim > 2 and not x.flags.c_contiguous and x.transpose(channels_last(x.ndim)).flags.c_contiguous


def is_batch_last(x: Any) -> bool:
    """Whether x (N, C, ...) lies in memory as (C, ..., N) without gaps, and not also as (N, C, ...)."""
    return x.ndim > 2 and not x.flags.c_contiguous and x.transpose(*range(1, x.ndim), 0).flags.c_contiguous


class _Worktop:
    """What a thread works in, by its role."""

    def __init__(self) -> None:
        self.blocks: dict[str, Any] = {}


class _OfThread(local):
    def __init__(self) -> None:
        self.worktop = _Worktop()
        self.offered: Any = None
        _worktops.add(self.worktop)


_worktops: WeakSet[_Worktop] = WeakSet()  # of all threads
_here = _OfThread()


def scratch(role: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """An array for this thread to work in until it asks again for this role: it stays in the cache of the core.

    Its rows begin some cache lines after a power of two: rows that are a power of two apart compete for the same places
    in the cache, which costs a product a tenth to a half of its speed.
    """
    rows = (*shape[:-1], -(-shape[-1] // 16) * 16 + 16)
    size = prod(rows) * dtype.itemsize
    blocks = _here.worktop.blocks
    block = blocks.get(role)
    if block is None or block.size < size:
        _forget(blocks.pop(role, None))
        block = blocks[role] = empty((size,), np.uint8)
    return np.ndarray(rows, dtype, block)[..., : shape[-1]]


def release() -> int:
    """Give all memory that nobody uses back to the system; returns the number of bytes.

    >>> import tinygrad_cnn as tg
    >>> tg.release_memory() >= 0
    True
    """
    for worktop in list(_worktops):
        worktop.blocks.clear()
    with _lock:
        return _drop(_requests + 1)


def held() -> int:
    """The bytes of all blocks, in use or not."""
    return sum(size * len(blocks) for size, blocks in _blocks.items())


def _forget(array: Any) -> None:
    """Give the block that an array lies in back to the system, once nobody refers to it."""
    if array is None or array.base is None:
        return
    with _lock:
        size = array.base.size - ALIGNMENT
        _blocks[size] = [block for block in _blocks.get(size, ()) if block.memory is not array.base]


def _drop(before: int) -> int:
    """Forget the free blocks that were last given out before this request."""
    dropped = 0
    for size, blocks in list(_blocks.items()):
        kept = [b for b in blocks if sys.getrefcount(b.memory) > _FREE or b.request >= before]
        dropped += size * (len(blocks) - len(kept))
        if kept:
            _blocks[size] = kept
        else:
            del _blocks[size]
    return dropped


def is_unshared(array: Any, holders: int = 1) -> bool:
    """Whether nobody but `holders` names of the caller refers to an array, nor to its memory: it may be written to.

    Where that can't be told, as for a view of another's array, it is False.
    """
    if type(array) is not np.ndarray or sys.getrefcount(array) != _ALONE + holders or not array.flags.writeable:
        return False
    base = array.base
    return base is None or (base.dtype == np.uint8 and sys.getrefcount(base) == _ALONE_BASE and _is_block(base))


def offer(array: Any) -> None:
    """Let the next kernel that takes this array write its result into it, since nobody will read it again."""
    _here.offered = array


def is_offered(array: Any) -> bool:
    """Whether this thread has offered the array."""
    return array is _here.offered


def _is_block(memory: Any) -> bool:
    return any(b.memory is memory for b in _blocks.get(memory.size - ALIGNMENT, ()))


def _calibrate() -> None:
    """How many references the interpreter itself holds where `is_unshared` counts."""
    global _ALONE, _ALONE_BASE
    counts: list[int] = []

    def count(array: Any, holders: int = 1) -> None:
        base = array.base
        counts.extend((sys.getrefcount(array) - holders, sys.getrefcount(base)))

    array = empty((SMALL_BYTES,), np.uint8)
    count(array)
    _ALONE, _ALONE_BASE = counts


def _after_fork() -> None:
    """In a child, where another thread of its parent may have held the lock."""
    global _lock
    _lock = Lock()


_ALONE = _ALONE_BASE = 0
_calibrate()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


_HEAD = object.__basicsize__
_field = c_void_p.from_address


def address_of(array: Any) -> int:
    """Where an array's first element lies: the first field of NumPy's own after the head of every Python object."""
    address: int = _field(id(array) + _HEAD).value  # type: ignore[assignment]
    return address


_probe = np.empty(1, np.float32)
if sys.implementation.name != "cpython" or address_of(_probe) != _probe.ctypes.data:  # slower by 0.8 us

    def address_of(array: Any) -> int:
        """Where an array's first element lies."""
        address: int = array.ctypes.data
        return address

"""Sequences of kernels on parts of the same few arrays, with nothing but their execution left between them.

To call a kernel from Python with three arrays costs some microseconds, as long as a small primitive takes. Here the
memory objects of all steps are made once, and are told where an array lies only when it lies elsewhere than before.
"""

from __future__ import annotations

from itertools import accumulate
from time import perf_counter
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.memory import address_of
from tinygrad_cnn.kernels.onednn import library
from tinygrad_cnn.kernels.onednn.descriptors import Handle
from tinygrad_cnn.kernels.onednn.execution import ALIGNMENT, Kernel, failed, memory_object
from tinygrad_cnn.kernels.threads import openmp

Part = tuple[int, int]
"""Which of the arrays, and the byte in it where an argument begins."""

_BYTE = np.dtype(np.uint8)


class Sequence:
    """Kernels one after the other, each on parts of the arrays of a call, of the room, or of arrays that are kept.

    The room is memory of the thread, always the same one.

    Args:
        arrays: how many arrays a call has.
        sizes: the bytes of the parts of the room.
    """

    def __init__(self, arrays: int, *sizes: int) -> None:
        self._arrays = arrays
        lines = (-(-size // ALIGNMENT) * ALIGNMENT for size in sizes)
        *self._starts, self._size = accumulate(lines, initial=0)
        self._inside = 0  # bytes behind them for what the kernels themselves need
        self._kept: list[Any] = []
        self._free: list[_Space] = []
        self.steps: list[tuple[Kernel, tuple[Part, ...]]] = []

    def room(self, part: int, start: int = 0) -> Part:
        """From this byte of a part of the room on."""
        return self._arrays, self._starts[part] + start

    def keep(self, array: Any) -> Part:
        """An array that is the same in every call."""
        self._kept.append(array)
        return self._arrays + len(self._kept), 0

    def add(self, kernel: Kernel, *parts: Part) -> None:
        """A further step, on these parts of arrays."""
        self._inside = max(self._inside, kernel.room)
        self.steps.append((kernel, parts))

    def __call__(self, *arrays: Any) -> None:
        """Run all steps.

        Raises:
            RuntimeError: the library could not run one.
        """
        room = memory.scratch("sequence", (self._size + self._inside,), _BYTE)
        try:
            space = self._free.pop()
        except IndexError:
            space = _Space(self.steps, self._arrays, self._size, self._kept)
        space.put((*arrays, room))
        execute, stream = space.execute, space.stream
        for step in space.steps:
            if status := execute(step[0], stream, step[1], step[2]):
                raise failed(status)
        openmp.last_used = perf_counter()
        self._free.append(space)


class _Space:
    """Memory objects of all steps, for one call at a time."""

    def __init__(self, steps: list[tuple[Kernel, tuple[Part, ...]]], room: int, inside: int, kept: list[Any]) -> None:
        functions = library.load()
        self.execute, self.stream = functions.primitive_execute, functions.stream
        self._set = functions.quick.memory_set_data_handle
        self._owned: list[Handle] = []
        self._parts: list[list[tuple[Any, int]]] = [[] for _ in range(room + 1 + len(kept))]
        self.steps: list[tuple[Any, int, Any]] = []
        for kernel, parts in steps:
            places = [*parts, *((room, inside + offset - ALIGNMENT) for offset in kernel.offsets)]
            self.steps += kernel.executions([self._memory(d, p) for d, p in zip(kernel.places, places, strict=True)])
        self._addresses = [0] * (room + 1)
        for pointers_of_kept, array in zip(self._parts[room + 1 :], kept, strict=True):
            self._move(pointers_of_kept, address_of(array))

    def _memory(self, descriptor: Any, part: Part) -> Any:
        made = memory_object(descriptor)
        self._owned.append(made)
        array, offset = part
        self._parts[array].append((made._as_parameter_, offset))
        return made._as_parameter_

    def put(self, arrays: tuple[Any, ...]) -> None:
        """Say where the arrays of a call lie, and the room."""
        for place, array in enumerate(arrays):
            address = address_of(array)
            if address != self._addresses[place]:
                self._move(self._parts[place], address)
                self._addresses[place] = address

    def _move(self, parts: list[tuple[Any, int]], address: int) -> None:
        for pointer, offset in parts:
            self._set(pointer, address + offset)

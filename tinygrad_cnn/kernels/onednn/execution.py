"""Kernels: primitives of oneDNN made once for each layout of their arrays, and called again and again.

How to add an operation
-----------------------
Write a builder that makes the kernel from what the primitive depends on, and decorate it:

    @cached
    def _product_with_ones(rows: int, columns: int) -> Kernel:
        ones, matrix, total = ordered((1, rows)), ordered((rows, columns)), ordered((1, columns))
        primitive = described("matmul", ones, matrix, None, total, attributes())
        return Kernel(primitive, (SOURCE, ones), (WEIGHTS, matrix), (RESULT, total, True))

`described` makes the primitive's descriptor; the function's arguments are declared in `library.py`. `Kernel` takes
that, and for each array of a call which argument it is and how it lies in memory. Where the primitive wants another
layout than the array's (descriptors made by `anyhow` leave it the choice), the kernel reorders before or after it; a
third entry, True, marks a result, which is reordered after. Then

    kernel = _product_with_ones(*x.shape)
    if kernel is None:
        return NotImplemented
    z = memory.empty(x.shape[1:], x.dtype)
    kernel(ones, x, z)

The builder's arguments must be hashable and say all that matters: shapes, strides, options. It is called once for
them, for the number of threads and the precision at the time, and the last `CACHED` kernels of each builder are kept.
What the library has no primitive for (or only its reference implementation, which is slow) gives None, which is kept,
too. A kernel checks nothing: arrays of another layout than it was built for give wrong numbers, or a crash.

A kernel may be called from several Python threads at once: each call takes a set of memory objects of its own. Scratch
memory and reordered arrays live in recycled memory during the call; nothing that was computed is used again.

One whose arrays are small runs on the calling thread alone: to share a primitive among threads takes a microsecond, and
wakes threads that then wait for more and keep the cores.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import byref, c_char_p, c_void_p
from functools import lru_cache, wraps
from time import perf_counter
from typing import Any, ParamSpec, TypeVar

import numpy as np

from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.memory import address_of
from tinygrad_cnn.kernels.onednn import library
from tinygrad_cnn.kernels.onednn.descriptors import BFLOAT16, FLOAT32, RESULT, SCRATCHPAD, SOURCE, Handle, attributes
from tinygrad_cnn.kernels.onednn.library import Execution, UnsupportedError
from tinygrad_cnn.kernels.threads import openmp

CACHED = 512  # kernels of one builder
SMALL = memory.SMALL_BYTES  # bytes of scratch memory that a kernel keeps rather than ask for them in every call
ALONE = 1 << 15  # bytes of a kernel's arrays, below which it runs on one thread
ALIGNMENT = memory.ALIGNMENT
_IMPLEMENTATION, _ARGUMENT, _SCRATCHPAD = 8, 255, 136  # dnnl_query_t

Arguments = ParamSpec("Arguments")
Made = TypeVar("Made")

_in_bfloat16 = False


def set_precision(precision: str) -> None:
    """Multiply float32 numbers as they are ("float32"), or rounded to bfloat16 ("bfloat16"), sums staying float32.

    It concerns oneDNN's convolutions and matrix products, which become up to twice as fast where the processor has
    bfloat16. That has 8 significant bits: a product is off by up to 2**-8.

    Raises:
        ValueError: another name.
        RuntimeError: oneDNN can't be used, or the processor has no bfloat16.

    >>> import tinygrad_cnn as tg
    >>> tg.set_precision("float32")
    >>> tg.get_precision()
    'float32'
    """
    global _in_bfloat16
    if precision not in ("float32", "bfloat16"):
        raise ValueError(f"set_precision: expected 'float32' or 'bfloat16' but got {precision!r}")
    if precision == "bfloat16":
        try:
            has_bfloat16 = library.load().has_bfloat16
        except library.UnusableError as error:
            raise RuntimeError(f"set_precision: bfloat16 needs oneDNN, which can't be used: {error}") from None
        if not has_bfloat16:
            raise RuntimeError("set_precision: the processor has no bfloat16")
    _in_bfloat16 = precision == "bfloat16"


def get_precision() -> str:
    """What float32 numbers are multiplied as: "float32" or "bfloat16"."""
    return "bfloat16" if _in_bfloat16 else "float32"


def cached(build: Callable[Arguments, Made]) -> Callable[Arguments, Made | None]:
    """The builder, called once for its arguments, the number of threads and the precision; None where that fails."""

    @lru_cache(CACHED)
    def made(threads: int, in_bfloat16: bool, *arguments: Any) -> Made | None:
        try:
            found = build(*arguments)  # type: ignore[call-arg]
            kernel = getattr(found, "kernel", found)
            if threads > 1 and isinstance(kernel, Kernel) and kernel.size < ALONE:
                with library.one_thread():
                    found = build(*arguments)  # type: ignore[call-arg]
                getattr(found, "kernel", found).threads = threads  # type: ignore[union-attr]
            return found
        except UnsupportedError:
            return None

    @wraps(build)
    def get(*arguments: Any) -> Made | None:
        return made(library.num_threads(), _in_bfloat16, *arguments)

    get.cache_info = made.cache_info  # type: ignore[attr-defined]
    get.cache_clear = made.cache_clear  # type: ignore[attr-defined]
    return get  # type: ignore[return-value]


def number_of_products() -> int:
    """The dtype of what a primitive multiplies, in the precision that is set."""
    return BFLOAT16 if _in_bfloat16 else FLOAT32


def described(operation: str, *arguments: Any) -> Handle:
    """The primitive descriptor that `dnnl_<operation>_primitive_desc_create` makes of these arguments.

    Raises:
        UnsupportedError: there is no such primitive, or no fast one.
    """
    functions = library.load()
    create = getattr(functions, f"{operation}_primitive_desc_create")
    made = Handle(create, functions.quick.primitive_desc_destroy, functions.engine, *arguments)
    if implementation(made).startswith("ref"):
        raise UnsupportedError(f"{operation}: only the reference implementation")
    return made


def reorder(given: Any, result: Any) -> Handle:
    """The descriptor of a primitive that copies from one layout to another."""
    functions = library.load()
    create, destroy = functions.reorder_primitive_desc_create, functions.quick.primitive_desc_destroy
    return Handle(create, destroy, given, functions.engine, result, functions.engine, attributes())


def wanted(descriptor: Handle, which: int) -> Any:
    """How a primitive wants an argument to lie in memory; the answer lives as long as the primitive's descriptor."""
    return _query(descriptor, _ARGUMENT, which)


def _query(descriptor: Handle, query: int, index: int = 0) -> Any:
    pointer = library.load().quick.primitive_desc_query_md(descriptor, query, index)
    if not pointer:
        raise UnsupportedError("no such argument")
    return c_void_p(pointer)


def implementation(descriptor: Handle) -> str:
    """What oneDNN calls the code that a primitive runs."""
    name = c_char_p()
    library.load().quick.primitive_desc_query(descriptor, _IMPLEMENTATION, 0, byref(name))
    return (name.value or b"").decode()


def failed(status: int) -> RuntimeError:
    """The error for a primitive that says it could not run."""
    return RuntimeError(f"oneDNN could not run a primitive (status {status})")


def memory_object(descriptor: Any) -> Handle:
    """A memory object, which is still to be told where it lies."""
    functions = library.load()
    return Handle(functions.quick.memory_create, functions.quick.memory_destroy, descriptor, functions.engine, None)


class _Space:
    """Memory objects for the arrays of one call at a time, and the argument lists that refer to them."""

    __slots__ = ("_room", "_set", "addresses", "base", "internal", "memories", "owned", "steps")

    def __init__(self, kernel: Kernel) -> None:
        self.owned = made = [memory_object(descriptor) for descriptor in kernel.places]
        pointers = [handle._as_parameter_ for handle in made]
        given = len(pointers) - len(kernel.offsets)
        self.memories, self.addresses = pointers[:given], [0] * given
        self.internal, self.base = list(zip(pointers[given:], kernel.offsets, strict=True)), 0
        self.steps = kernel.executions(pointers)
        self._set = library.load().quick.memory_set_data_handle
        if 0 < kernel.room <= SMALL:
            self._room = np.empty(kernel.room, np.uint8)
            self.put_into(self._room)

    def put_into(self, room: Any) -> None:
        """Lay what is internal to the kernel into this memory."""
        base = address_of(room) // ALIGNMENT * ALIGNMENT  # offsets begin behind the first ALIGNMENT bytes
        if base != self.base:
            for pointer, offset in self.internal:
                self._set(pointer, base + offset)
            self.base = base


class Kernel:
    """A primitive, and the reorders around it, called with arrays.

    Args:
        descriptor: of the primitive.
        arguments: for each array of a call: which argument it is, its descriptor, and True for a result (which
            matters where the primitive lays it out in another way).

    Attributes:
        size: the bytes of the arrays.
        threads: how many threads oneDNN has outside of the kernel, where the kernel itself was made for one; else 0.
    """

    __slots__ = (
        "_execute", "_free", "_limit", "_set", "_stream", "descriptor", "offsets", "owned", "places", "room", "size",
        "steps", "threads",
    )  # fmt: skip

    def __init__(self, descriptor: Handle, *arguments: tuple[Any, ...]) -> None:
        functions = library.load()
        self._execute, self._stream = functions.primitive_execute, functions.stream
        self._set, self._limit = functions.quick.memory_set_data_handle, functions.set_max_threads
        self._free: list[_Space] = []
        self.descriptor = descriptor
        self.owned = [argument[1] for argument in arguments]
        self.size = sum(functions.quick.memory_desc_get_size(given) for given in self.owned)
        self.threads = 0
        self.places: list[Any] = list(self.owned)  # descriptors: of the arrays, then of what the kernel keeps in `room`
        self.offsets: list[int] = []
        self.room = 0
        self.steps: list[tuple[Handle, list[tuple[int, int]]]] = []
        before, main, after = [], [], []
        for place, (which, given, *is_result) in enumerate(arguments):
            argument = wanted(descriptor, which)
            if functions.quick.memory_desc_equal(argument, given):
                main.append((which, place))
                continue
            other = self._keep(argument)
            main.append((which, other))
            if is_result:
                after.append(self._reorder(argument, other, given, place))
            else:
                before.append(self._reorder(given, place, argument, other))
        self.steps = [*before, self._step(descriptor, main), *after]

    def add_operands(self, operands: list[tuple[int, Handle]]) -> None:
        """Further arrays of a call, which the operations after the primitive take as they lie; it has no reorders."""
        for which, given in operands:
            self.steps[0][1].append((which, len(self.places)))
            self.places.append(given)
            self.owned.append(given)

    @property
    def reorders(self) -> int:
        """How many arrays are reordered in each call."""
        return len(self.steps) - 1

    def _keep(self, descriptor: Any) -> int:
        """A place for what has this descriptor in the memory that a call takes."""
        size = library.load().quick.memory_desc_get_size(descriptor)
        self.places.append(descriptor)
        self.offsets.append(self.room or ALIGNMENT)
        self.room = self.offsets[-1] + -(-size // ALIGNMENT) * ALIGNMENT
        return len(self.places) - 1

    def _step(self, descriptor: Handle, arguments: list[tuple[int, int]]) -> tuple[Handle, list[tuple[int, int]]]:
        functions = library.load()
        scratchpad = _query(descriptor, _SCRATCHPAD)
        if functions.quick.memory_desc_get_size(scratchpad):
            arguments = [*arguments, (SCRATCHPAD, self._keep(scratchpad))]
            self.owned.append(descriptor)
        return Handle(functions.primitive_create, functions.quick.primitive_destroy, descriptor), arguments

    def _reorder(self, given: Any, source: int, argument: Any, result: int) -> tuple[Handle, list[tuple[int, int]]]:
        return self._step(reorder(given, argument), [(SOURCE, source), (RESULT, result)])

    def executions(self, memories: list[Any]) -> list[tuple[Any, int, Any]]:
        """Each primitive with the number and the list of its arguments, given the memory objects of all `places`."""
        return [
            (
                primitive._as_parameter_,
                len(arguments),
                (Execution * len(arguments))(*(Execution(which, memories[place]) for which, place in arguments)),
            )
            for primitive, arguments in self.steps
        ]

    def __call__(self, *arrays: Any) -> None:
        """Run on these arrays, results included, that lie in memory as the kernel was told."""
        try:
            space = self._free.pop()
        except IndexError:
            space = _Space(self)
        addresses = [address_of(array) for array in arrays]
        if addresses != space.addresses:
            for place, address in enumerate(addresses):
                if address != space.addresses[place]:
                    self._set(space.memories[place], address)
            space.addresses = addresses
        if self.room > SMALL:
            room = memory.empty((self.room,), np.uint8)
            space.put_into(room)
        if self.threads:
            self._limit(1)
        try:
            for primitive, count, arguments in space.steps:
                status = self._execute(primitive, self._stream, count, arguments)
                if status:
                    raise failed(status)
        finally:
            if self.threads:
                self._limit(self.threads)
            else:
                openmp.last_used = perf_counter()
        self._free.append(space)

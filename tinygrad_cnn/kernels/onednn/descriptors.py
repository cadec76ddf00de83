"""What oneDNN is told about arrays and primitives: memory descriptors, attributes, and the numbers that names have.

A memory descriptor has a shape, a dtype and strides, so that an array of any layout is taken as it lies. What can't be
described (a stride that is zero, negative or no multiple of the itemsize, or elements that overlap) must be copied
first: `as_described` does so. An axis of size 1 may have any stride, which is put right here, since oneDNN knows its
layouts by their strides.

Source: the oneDNN developer guide, "Memory format propagation" and "Memory objects".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ctypes import byref, c_int64, c_void_p
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.kernels.onednn import library
from tinygrad_cnn.kernels.onednn.library import UnsupportedError

Ints = tuple[int, ...]

# dnnl_data_type_t
BFLOAT16, FLOAT32, INT32, UINT8 = 2, 3, 4, 6
# dnnl_format_tag_t
_ANY = 1
# dnnl_prop_kind_t
TRAINING, INFERENCE, BACKWARD, BACKWARD_DATA, BACKWARD_WEIGHTS = 64, 96, 128, 160, 192
# DNNL_ARG_*
SOURCE, SOURCE_1, RESULT, WEIGHTS, BIAS = 1, 2, 17, 33, 41
WORKSPACE, SCRATCHPAD = 64, 80
SCALES = 1 << 12  # DNNL_ARG_ATTR_SCALES, to be joined with the argument that is scaled
SOURCE_GRADIENT, RESULT_GRADIENT, WEIGHTS_GRADIENT, BIAS_GRADIENT = 129, 145, 161, 169
# dnnl_alg_kind_t
DIRECT = 1
# dnnl_scratchpad_mode_t
_SCRATCHPAD_OF_CALLER = 1


class Handle:
    """A pointer to what the library made for us, destroyed with this object; passed to functions as it is."""

    __slots__ = ("_as_parameter_", "_destroy")

    def __init__(self, create: Callable[..., int], destroy: Callable[..., int], *arguments: Any) -> None:
        self._destroy: Any = None
        pointer = c_void_p()
        status = create(byref(pointer), *arguments)
        if status:
            raise UnsupportedError(f"status {status}")
        self._as_parameter_, self._destroy = pointer, destroy

    def __del__(self) -> None:
        if self._destroy is not None:
            self._destroy(self._as_parameter_)


def dims(values: Sequence[int]) -> Any:
    """A `dnnl_dims_t`."""
    return (c_int64 * 12)(*values)


def strided(shape: Ints, strides: Ints, dtype: int = FLOAT32) -> Handle:
    """The descriptor of an array with these strides in bytes; an axis of size 1 gets one that fits its neighbours."""
    itemsize = {BFLOAT16: 2, UINT8: 1}.get(dtype, 4)
    if not is_described(shape, strides, itemsize):
        raise UnsupportedError("strides that can't be described")
    steps = [s // itemsize for s in strides]
    extent = max((step * n for step, n in zip(steps, shape, strict=True) if n > 1), default=1)
    steps = [step if n > 1 else extent for step, n in zip(steps, shape, strict=True)]
    return _described("memory_desc_create_with_strides", len(shape), dims(shape), dtype, dims(steps))


def ordered(shape: Ints, axes: Ints | None = None, dtype: int = FLOAT32) -> Handle:
    """The descriptor of an array without gaps, its axes lying in memory in this order, by default in their own."""
    steps, step = [0] * len(shape), 1
    for axis in reversed(range(len(shape)) if axes is None else axes):
        steps[axis] = step
        step *= shape[axis]
    return _described("memory_desc_create_with_strides", len(shape), dims(shape), dtype, dims(steps))


def c_strides(shape: Ints) -> Ints:
    """The strides in bytes of an array of float32 in C order."""
    return tuple(4 * prod(shape[axis + 1 :]) for axis in range(len(shape)))


def anyhow(shape: Ints, dtype: int = FLOAT32) -> Handle:
    """A descriptor that leaves the layout to the primitive."""
    return _described("memory_desc_create_with_tag", len(shape), dims(shape), dtype, _ANY)


def _described(create: str, *arguments: Any) -> Handle:
    functions = library.load().quick
    return Handle(getattr(functions, create), functions.memory_desc_destroy, *arguments)


def is_same(a: Handle, b: Handle) -> bool:
    """Whether two descriptors say the same."""
    return bool(library.load().quick.memory_desc_equal(a, b))


def attributes() -> Handle:
    """How a primitive runs: its scratch memory is ours."""
    functions = library.load().quick
    made = Handle(functions.primitive_attr_create, functions.primitive_attr_destroy)
    functions.primitive_attr_set_scratchpad_mode(made, _SCRATCHPAD_OF_CALLER)
    return made


def is_described(shape: Ints, strides: Ints, itemsize: int = 4) -> bool:
    """Whether an array with these strides can be described: no element lies in two places, nor backwards."""
    extent = itemsize
    for stride, n in sorted(zip(strides, shape, strict=True)):
        if n > 1:
            if stride < extent or stride % itemsize:
                return False
            extent = stride * n
    return True


def as_described(x: Any) -> Any:
    """x, or a copy in C order if it can't be described."""
    return x if is_described(x.shape, x.strides, x.itemsize) else np.ascontiguousarray(x)

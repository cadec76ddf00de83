"""Elementwise work by oneDNN, one pass over memory on its threads: of float32 arrays that lie alike and without gaps.

A primitive of two operands may be followed by others, which go on with its result, each with an operand of its own.
Where one of two numbers is NaN the processor's maximum is the second of them, and so it is of 0 and -0.
"""

from __future__ import annotations

from functools import cache
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import elementary, memory
from tinygrad_cnn.kernels.onednn import library
from tinygrad_cnn.kernels.onednn.copies import copy
from tinygrad_cnn.kernels.onednn.descriptors import (
    RESULT,
    SCALES,
    SOURCE,
    SOURCE_1,
    Handle,
    Ints,
    attributes,
    is_described,
    ordered,
)
from tinygrad_cnn.kernels.onednn.execution import Kernel, cached, described
from tinygrad_cnn.kernels.onednn.library import UnsupportedError
from tinygrad_cnn.kernels.onednn.sums import is_finite

# dnnl_alg_kind_t
ADD, MULTIPLY, MAXIMUM, SUBTRACT, NOT_EQUAL = 0x1FFF0, 0x1FFF1, 0x1FFF2, 0x1FFF5, 0x1FFFB
LINEAR = 0x26
ITSELF = 1.0, 0.0  # the factor and the summand of a linear function
FOLLOWING = 1 << 15  # DNNL_ARG_ATTR_MULTIPLE_POST_OP_BASE

RELU = MAXIMUM, True, MAXIMUM, ITSELF
RELU_GRADIENT = NOT_EQUAL, True, MULTIPLY

_FLOAT32 = np.dtype(np.float32)
_ZERO = np.zeros(1, _FLOAT32)


def relu(x: Any) -> Any:
    """As the definition: max(max(x, 0), x) + 0. The second maximum brings NaN back, and the sum makes 0 of -0."""
    run = _kernel(x.shape, x.strides, *RELU) if _keeps_nan() else None
    if run is None:
        return NotImplemented
    z = x if memory.is_offered(x) else memory.empty_like(x)
    run(x, _ZERO, z, x)
    return z


def relu_gradient(dz: Any, z: Any) -> Any:
    """As the definition: (z != 0) dz, and once more where a NaN says that a 0 may have met an infinity."""
    run = _kernel(z.shape, z.strides, *RELU_GRADIENT) if z.dtype == _FLOAT32 else None
    upstream = dz if are_alike(z, dz) else copy(dz, memory.empty_like(z))
    if run is None or upstream is NotImplemented:
        return NotImplemented
    dx = memory.empty_like(z) if upstream is dz and not memory.is_offered(dz) else upstream
    run(z, _ZERO, dx, upstream)
    return dx if is_finite(dx) else elementary.relu_gradient(dx, z)


def add(x: Any, y: Any, z: Any = None) -> Any:
    """As the definition."""
    return _of_two(ADD, x, y, z)


def subtract(x: Any, y: Any) -> Any:
    """As the definition."""
    return _of_two(SUBTRACT, x, y)


def multiply(x: Any, y: Any) -> Any:
    """As the definition."""
    return _of_two(MULTIPLY, x, y)


def _of_two(operation: int, x: Any, y: Any, z: Any = None) -> Any:
    """The operation of an array and another, or a number, in the memory of z or in new memory."""
    is_number = type(y) is np.float32
    if not (is_number or are_alike(x, y)) or not (z is None or are_alike(x, z)):
        return NotImplemented
    run = _kernel(x.shape, x.strides, operation, is_number)
    if run is None:
        return NotImplemented
    if z is None:
        z = memory.empty_like(x)
    run(x, np.full(1, y) if is_number else y, z)
    return z


def add_scaled(y: Any, x: Any, factor: float) -> Any:
    """As the definition."""
    run = _scaled_sum(y.shape, y.strides) if are_alike(y, x) else None
    if run is None:
        return NotImplemented
    run(y, x, y, np.full(1, factor, _FLOAT32))
    return y


def add_row(matrix: Any, row: Any) -> None:
    """Add a row to every row of a matrix, both of float32 and without gaps."""
    run = _sum_with_row(matrix.shape)
    if run is None:
        matrix += row
    else:
        run(matrix, row, matrix)


def are_alike(x: Any, y: Any) -> bool:
    """Whether two arrays are of float32 and one shape, and lie in memory in the same way."""
    if type(y) is not np.ndarray or x.dtype != _FLOAT32 or y.dtype != _FLOAT32 or x.shape != y.shape:
        return False
    if x.strides == y.strides:
        return True
    return all(s == t or n == 1 for s, t, n in zip(x.strides, y.strides, x.shape, strict=True))


@cached
def _kernel(shape: Ints, strides: Ints, operation: int, is_of_number: bool, *following: Any) -> Kernel:
    """Called with an array, a second one or a number, the result, and the arrays of the operations that follow.

    Raises:
        UnsupportedError: there are gaps between the numbers.
    """
    functions, vector = library.load().quick, _vector(shape, strides)
    operations, operands = Handle(functions.post_ops_create, functions.post_ops_destroy), []
    for i, one in enumerate(following):
        if isinstance(one, tuple):
            functions.post_ops_append_eltwise(operations, LINEAR, *one)
        else:
            functions.post_ops_append_binary(operations, one, vector)
            operands.append((FOLLOWING * (i + 1) + SOURCE_1, vector))
    options = attributes()
    functions.primitive_attr_set_post_ops(options, operations)  # copied
    second = ordered((1,)) if is_of_number else vector
    kernel = Kernel(
        described("binary", operation, vector, second, vector, options),
        (SOURCE, vector), (SOURCE_1, second), (RESULT, vector, True),
    )  # fmt: skip
    kernel.add_operands(operands)
    return kernel


@cached
def _scaled_sum(shape: Ints, strides: Ints) -> Kernel:
    """Called with two arrays, their sum, and the factor of the second.

    Raises:
        UnsupportedError: there are gaps between the numbers.
    """
    vector, options = _vector(shape, strides), attributes()
    library.load().quick.primitive_attr_set_scales_mask(options, SOURCE_1, 0)  # for any single factor
    descriptor = described("binary", ADD, vector, vector, vector, options)
    kernel = Kernel(descriptor, (SOURCE, vector), (SOURCE_1, vector), (RESULT, vector, True))
    kernel.add_operands([(SCALES | SOURCE_1, ordered((1,)))])
    return kernel


@cached
def _sum_with_row(shape: Ints) -> Kernel:
    """Called with a matrix, a row, and the matrix that is the result."""
    matrix, row = ordered(shape), ordered((1, shape[1]))
    descriptor = described("binary", ADD, matrix, row, matrix, attributes())
    return Kernel(descriptor, (SOURCE, matrix), (SOURCE_1, row), (RESULT, matrix, True))


def _vector(shape: Ints, strides: Ints) -> Handle:
    """The descriptor of all numbers of an array in the order of memory; one with gaps is unsupported."""
    extent = sum([(n - 1) * stride for n, stride in zip(shape, strides, strict=True)], 4)
    if not is_described(shape, strides) or extent != 4 * prod(shape):
        raise UnsupportedError("an array with gaps")
    return ordered((prod(shape),))


@cache
def _keeps_nan() -> bool:
    """Whether this processor's maximum is as said above."""
    x = np.array([np.nan, -np.nan, -0.0, 0.0, -np.inf, np.inf, -1.0, 1.0] * 5, _FLOAT32)
    run, z = _kernel(x.shape, x.strides, *RELU), np.empty_like(x)
    if run is None:
        return False
    run(x, _ZERO, z, x)
    return z.tobytes() == np.where(x > 0, x, np.where(x <= 0, np.float32(0), x)).tobytes()

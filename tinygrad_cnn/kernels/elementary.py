"""exp, log, sin and the like, and what is made of them, in any arithmetic.

NumPy's and CuPy's own functions serve numbers. An object brings its own function as a method (a scalar tensor has
`exp()`), a sympy expression has sympy's, and an exact number has none: the exponential of a `Fraction` is no fraction.
"""

from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from numbers import Rational
from typing import Any

import numpy as np

from tinygrad_cnn.backend import dtype_of, get_array_module, is_object, shape_of
from tinygrad_cnn.kernels import blocks, memory

_SCALAR: Any = np.generic  # whose type has no operators; its subclasses have them
_OF_NUMPY = (np.ndarray, np.generic)

_SYMPY_NAMES = {
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
}

_FORMULAS: dict[str, Callable[..., Any]] = {  # what sympy (or NumPy) has no function for, in terms of the library m
    "exp2": lambda m, x: 2**x,
    "expm1": lambda m, x: m.exp(x) - 1,
    "hypot": lambda m, x, y: m.sqrt(x**2 + y**2),
    "log10": lambda m, x: m.log(x) / m.log(10),
    "log1p": lambda m, x: m.log(1 + x),
    "log2": lambda m, x: m.log(x) / m.log(2),
    "logaddexp": lambda m, x, y: m.log(m.exp(x) + m.exp(y)),
    "sigmoid": lambda m, x: 1 / (1 + m.exp(-x)),
    "ceil": lambda m, x: m.ceiling(x),
    "trunc": lambda m, x: m.sign(x) * m.floor(abs(x)),
    "fmod": lambda m, x, y: m.sign(x) * (abs(x) % abs(y)),
}

_EXACT: dict[str, Callable[..., Any]] = {  # what is rational for rational numbers
    "floor": lambda x: x - x % 1,
    "ceil": lambda x: x + -x % 1,
    "trunc": lambda x: x - x % 1 if x > 0 else x + -x % 1,
    "fmod": lambda x, y: abs(x) % abs(y) if x > 0 else -(abs(x) % abs(y)),
}


def are_objects(*values: Any) -> bool:
    """Whether the arithmetic is that of objects; Python's own numbers go along with any."""
    return any(is_object(value) and not isinstance(value, int | float) for value in values)


def _of_object(name: str, *values: Any) -> Any:
    """The function of single objects."""
    sympy = sys.modules.get("sympy")
    if sympy is not None and any(isinstance(value, sympy.Basic) for value in values):
        formula = _FORMULAS.get(name)
        return formula(sympy, *values) if formula else getattr(sympy, _SYMPY_NAMES.get(name, name))(*values)
    method = getattr(values[0], name, None)
    if callable(method):
        return method(*values[1:])
    # A tensor may be the second operand: NumPy asks it for its own function.
    if any(isinstance(value, float | np.floating) or hasattr(value, "__array_ufunc__") for value in values):
        function = getattr(np, name, None) or getattr(math, name, None)
        values = tuple(float(value) if isinstance(value, Fraction) else value for value in values)
        return function(*values) if function else _FORMULAS[name](np, *values)
    if name in _EXACT and all(isinstance(value, Rational) for value in values):
        return _EXACT[name](*values)
    raise NoExactValueError(name, *values)


def inexact(name: str, x: Any) -> Any:
    """x, unless it holds exact numbers: a formula with an irrational constant would silently make floats of them."""
    if are_objects(x):
        for value in np.ravel(x) if isinstance(x, np.ndarray) else (x,):
            if isinstance(value, Rational):
                raise NoExactValueError(name, value)
    return x


class NoExactValueError(TypeError):
    """A function whose value at exact numbers is no fraction; `function` is its name, `operands` are the numbers."""

    def __init__(self, function: str, *operands: Any) -> None:
        self.function, self.operands = function, operands
        shown = ", ".join(f"{type(value).__name__} {value}" for value in operands)
        super().__init__(f"{function}: has no exact value for {shown}; use float64, or sympy symbols for a formula")


def of_objects(name: str, *values: Any) -> Any:
    """The function, by its name, of each object of arrays or of single ones."""
    if any(isinstance(value, np.ndarray) for value in values):
        return np.frompyfunc(lambda *elements: _of_object(name, *elements), len(values), 1)(*values)
    return _of_object(name, *values)


def _elementary(name: str) -> Callable[[Any], Any]:
    """The function by NumPy's name, of arrays, NumPy scalars and objects."""
    of_numpy = getattr(np, name)

    def function(x: Any) -> Any:
        if is_object(x):
            return of_numpy(x) if isinstance(x, int | float) else of_objects(name, x)
        if type(x) is np.ndarray and x.size >= blocks.LARGE and blocks.are_alike(x):
            return blocks.computed(of_numpy, x)
        return of_numpy(x) if isinstance(x, _OF_NUMPY) else getattr(get_array_module(x), name)(x)

    function.__name__ = function.__qualname__ = name
    return function


def _elementary_of_two(name: str) -> Callable[[Any, Any], Any]:
    """The function of two operands by NumPy's name."""

    def function(x: Any, y: Any) -> Any:
        return of_objects(name, x, y) if are_objects(x, y) else getattr(get_array_module(x, y), name)(x, y)

    function.__name__ = function.__qualname__ = name
    return function


exp = _elementary("exp")
exp2 = _elementary("exp2")
expm1 = _elementary("expm1")
log = _elementary("log")
log2 = _elementary("log2")
log10 = _elementary("log10")
log1p = _elementary("log1p")
sqrt = _elementary("sqrt")
cbrt = _elementary("cbrt")
sin = _elementary("sin")
cos = _elementary("cos")
tan = _elementary("tan")
arcsin = _elementary("arcsin")
arccos = _elementary("arccos")
arctan = _elementary("arctan")
sinh = _elementary("sinh")
cosh = _elementary("cosh")
tanh = _elementary("tanh")
arcsinh = _elementary("arcsinh")
arccosh = _elementary("arccosh")
arctanh = _elementary("arctanh")
arctan2 = _elementary_of_two("arctan2")
hypot = _elementary_of_two("hypot")
floor = _elementary("floor")
ceil = _elementary("ceil")
trunc = _elementary("trunc")
fmod = _elementary_of_two("fmod")


def _exact_quotient(x: Any, y: Any) -> Any:
    return Fraction(x, y) if isinstance(x, int) and isinstance(y, int) else x / y


_exact_quotients = np.frompyfunc(_exact_quotient, 2, 1)


def divide(x: Any, y: Any) -> Any:
    """x / y; of two integers among objects their `Fraction`, where Python's is a float."""
    if not (is_object(x) and is_object(y)):
        return x / y
    return _exact_quotients(x, y) if isinstance(x, np.ndarray) or isinstance(y, np.ndarray) else _exact_quotient(x, y)


def add(x: Any, y: Any, z: Any = None) -> Any:
    """x + y; in the memory of z, which may be one of them, where all three are arrays of one shape and dtype."""
    if z is None:
        if not blocks.are_alike(x, y):
            return x + y
        z = memory.empty_like(x)
    blocks.over(_add, x, y, z, passes=1)
    return z


def _add(x: Any, y: Any, z: Any) -> None:
    np.add(x, y, out=z)


def subtract(x: Any, y: Any) -> Any:
    """x - y."""
    return blocks.computed(np.subtract, x, y, passes=1) if blocks.are_alike(x, y) else x - y


def multiply(x: Any, y: Any) -> Any:
    """x y."""
    if blocks.are_alike(x):
        if type(y) is x.dtype.type:
            return np.multiply(x, y, out=memory.empty_like(x))
        if blocks.are_alike(x, y):
            return blocks.computed(np.multiply, x, y, passes=1)
    return x * y


def logaddexp(x: Any, y: Any) -> Any:
    """log(exp(x) + exp(y)), without overflow."""
    if are_objects(x, y):
        return of_objects("logaddexp", x, y)
    with np.errstate(invalid="ignore"):  # NumPy warns of a NaN although it was there before
        return get_array_module(x, y).logaddexp(x, y)


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), without overflow: exp only of what is not positive."""
    if are_objects(x):
        return of_objects("sigmoid", x)
    if isinstance(x, _SCALAR):
        e = np.exp(-abs(x))
        return (1 if x >= 0 else e) / (1 + e)
    if blocks.are_alike(x):
        z = memory.empty_like(x)
        blocks.over(_sigmoid_of_piece, x, z)
        return z
    xp = get_array_module(x)
    e = xp.exp(-xp.abs(x))
    return where(x >= 0, e.dtype.type(1), e) / (1 + e)


def _sigmoid_of_piece(x: Any, z: Any) -> None:
    np.abs(x, out=z)
    np.negative(z, out=z)
    np.exp(z, out=z)
    numerator = np.maximum(z, x >= 0, out=memory.empty_like(z))  # exp(-|x|) is 1 at most
    np.add(z, 1, out=z)
    np.divide(numerator, z, out=z)


def relu(x: Any) -> Any:
    """x where it is positive, else 0; NaN stays NaN."""
    if is_object(x):
        return np.frompyfunc(lambda value: value if value > 0 else 0 * value, 1, 1)(x)
    if isinstance(x, np.ndarray):
        if x.size >= blocks.LARGE and blocks.are_alike(x):
            z = memory.empty_like(x)
            if (vectors := blocks.flat(x, z)) is not None:
                source, result = vectors
                blocks.run(lambda i: _relu_of_piece(source[i], result[i]), x.size, 1, passes=1)
                return z
        return np.maximum(x, _constant(x.dtype))
    if isinstance(x, _SCALAR):
        return x if x > 0 or x != x else type(x)(0)
    return get_array_module(x).maximum(x, 0)


def _relu_of_piece(x: Any, z: Any) -> None:
    """Against rows of zeros: for a single number `maximum` has no vector instructions."""
    zeros = _zeros(x.dtype)
    end = x.size - x.size % zeros.size
    np.maximum(x[:end].reshape(-1, zeros.size), zeros, out=z[:end].reshape(-1, zeros.size))
    np.maximum(x[end:], zeros[: x.size - end], out=z[end:])


@lru_cache
def _zeros(dtype: np.dtype[Any]) -> Any:
    """Half of the nearest cache, and more than `blocks.BUFFER`, below which NumPy copies them again for each row."""
    return np.zeros((1 << 14) // dtype.itemsize, dtype)


def relu_gradient(dz: Any, z: Any) -> Any:
    """dz where relu gave z > 0 (or NaN), else 0."""
    if isinstance(dz, np.generic):
        return type(dz)(0) if z <= 0 else dz
    if isinstance(dz, np.ndarray) and dz.size < _FEW and not is_object(dz):
        return np.where(z <= _constant(z.dtype), _constant(dz.dtype), dz)
    if type(dz) is np.ndarray and dz.dtype == z.dtype and dz.dtype in (np.float32, np.float64):
        dx = memory.empty_like(z)
        if dz.size >= blocks.LARGE:
            blocks.over(_relu_gradient_of_piece, dz, z, dx, passes=2)
        else:
            bits = dx.view(_UNSIGNED[z.itemsize])
            np.multiply(dz.view(bits.dtype), (z != _constant(z.dtype)).view(np.uint8), out=bits)
        return dx
    return where(z <= 0, 0, dz)


def _relu_gradient_of_piece(dz: Any, z: Any, dx: Any) -> None:
    """In the integers that the numbers' bits are, dz is multiplied by 0 or 1, so that 0 times infinity is 0.

    0 alone has no bit set, since relu gives no -0 (of 4 or 8 bytes).
    """
    bits = np.dtype(_UNSIGNED[z.itemsize])
    chosen = z.view(bits).clip(_constant(bits, 0), _constant(bits, 1), out=dx.view(bits))
    np.multiply(chosen, dz.view(bits), out=chosen)


@lru_cache
def _constant(dtype: np.dtype[Any], value: float = 0) -> Any:
    """A number as an array without axes: with a Python 0 `np.maximum` takes a path that is several times slower."""
    return np.full((), value, dtype=dtype)


def sign(x: Any) -> Any:
    """-1, 0 or 1."""
    if isinstance(x, np.ndarray) and not is_object(x):
        return np.sign(x)
    if isinstance(x, _SCALAR):
        return type(x)(1) if x > 0 else type(x)(-1) if x < 0 else x - x  # 0, or NaN for NaN
    if is_object(x):
        return np.frompyfunc(_sign_of_object, 1, 1)(x)
    return get_array_module(x).sign(x)


def _sign_of_object(value: Any) -> Any:
    sympy = sys.modules.get("sympy")
    if sympy is not None and isinstance(value, sympy.Basic):
        return sympy.sign(value)
    return 1 * (value > 0) - 1 * (value < 0)


def softplus(x: Any) -> Any:
    """log(1 + exp(x)), with exp only of what is not positive."""
    if are_objects(x):
        return logaddexp(x, 0)
    xp = get_array_module(x)
    return relu(x) + xp.log1p(xp.exp(-xp.abs(x)))


def round(x: Any, decimals: int) -> Any:
    """The nearest number with so many decimals; of two equally near, the one whose last digit is even."""
    if is_object(x):
        return np.frompyfunc(
            lambda value: value.round(decimals) if hasattr(value, "round") else builtins.round(value, decimals), 1, 1
        )(x)
    return x.round(decimals)


def isnan(x: Any) -> Any:
    """Whether each element is not a number."""
    return x != x if is_object(x) else get_array_module(x).isnan(x)


def isinf(x: Any) -> Any:
    """Whether each element is infinite; a fraction and a symbol are not."""
    return abs(x) == math.inf if is_object(x) else get_array_module(x).isinf(x)


def isfinite(x: Any) -> Any:
    """Whether each element is a number and not infinite."""
    return (x == x) & (abs(x) != math.inf) if is_object(x) else get_array_module(x).isfinite(x)


def finite(x: Any) -> Any:
    """x with the largest numbers in place of infinities."""
    if dtype_of(x).kind != "f":
        return x
    xp, largest = get_array_module(x), np.finfo(x.dtype).max
    return xp.minimum(xp.maximum(x, -largest), largest)


_UNSIGNED = {2: np.uint16, 4: np.uint32, 8: np.uint64}
_FEW = 1 << 11
_LARGE = 1 << 12


def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y; a scalar stays one."""
    xp = get_array_module(condition, x, y)
    if not shape_of(condition):
        condition = xp.asarray(condition)  # CuPy's condition can't be a bool
    elif xp is np and condition.size >= _LARGE and condition.dtype == bool:
        dtype = np.result_type(x, y)
        if dtype.kind == "f" and dtype.itemsize in _UNSIGNED:
            return _chosen_by_bits(condition, np.asarray(x, dtype), np.asarray(y, dtype))
    return xp.where(condition, x, y)[()]


def _chosen_by_bits(condition: Any, x: Any, y: Any) -> Any:
    """`where` without a jump an element, which the processor guesses wrong for every second one of random signs.

    In the integers that the numbers' bits are, y + (x - y) condition is x or y, whatever the differences wrap to.
    """
    bits = _UNSIGNED[x.itemsize]
    shape = np.broadcast_shapes(condition.shape, x.shape, y.shape)
    like = next((array for array in (x, y) if array.shape == shape), np.broadcast_to(condition, shape))
    z = memory.empty_like(like, x.dtype)
    chosen, other = z.view(bits), y.view(bits)
    np.subtract(x.view(bits), other, out=chosen)
    np.multiply(chosen, condition.view(np.uint8), out=chosen)
    np.add(chosen, other, out=chosen)
    return z

"""Running a student's code: forward as a scalar graph, and rules on exact numbers, floats or symbols."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_cnn.diagnostics import Line
from tinygrad_cnn.engine import Variable
from tinygrad_cnn.modes import recording
from tinygrad_cnn.tensor import tensor
from tinygrad_cnn.verify.tracing import arithmetic
from tinygrad_cnn.verify.tracing.arrays import TracedArray, numbers, values
from tinygrad_cnn.verify.tracing.number import Number
from tinygrad_cnn.verify.tracing.shadow import shadowed
from tinygrad_cnn.walk import grad


@dataclass(frozen=True)
class Run:
    """What a function gave.

    Attributes:
        output: the bare values as an object array, or a float64 array of a float64 run.
        changed: the names of the arguments whose arrays the function changed (copies: the caller's are as they were).
        arithmetic: "exact", "float64" or "symbolic".
    """

    output: Any
    changed: tuple[str, ...]
    arithmetic: str


@dataclass(frozen=True)
class Traced(Run):
    """What a traced function gave: the scalar graph of every element of its output.

    Attributes:
        output: an object array of scalar tensors, and of plain constants where no argument took part.
        leaves: by the argument's name, an object array of its scalar tensors.
        lines: the student's line of each comparison of two equal numbers, one of them traced: of each kink.
    """

    leaves: dict[str, Any]
    lines: tuple[Line | None, ...]

    @property
    def ties(self) -> int:
        """How often two equal numbers were compared, one of them traced."""
        return len(self.lines)

    def gradients(self, dz: Any) -> dict[str, Any]:
        """The gradient of sum(dz * output) for every leaf.

        Args:
            dz: an array or a nested list of plain numbers, of the output's shape.

        Returns:
            By the argument's name an array of plain values, of the argument's shape; 0 where the output doesn't depend.

        Raises:
            ValueError: dz of another shape.

        >>> square = trace(lambda X: X * X, {"X": np.array([Fraction(1), Fraction(1, 3)])})
        >>> square.gradients([1, 2])["X"]
        array([Fraction(2, 1), Fraction(4, 3)], dtype=object)
        """
        upstream = values(dz)
        if upstream.shape != self.output.shape:
            raise ValueError(f"gradients: dz must have the output's shape {self.output.shape} but has {upstream.shape}")
        outputs, weights = [], []
        for z, weight in zip(self.output.flat, upstream.flat, strict=True):
            if isinstance(z, Variable) and z.node is not None and z.node.requires_grad:
                outputs.append(z)
                weights.append(arithmetic.like(weight, arithmetic.plain(z)))
        inputs = [leaf for array in self.leaves.values() for leaf in array.flat]
        found = iter(grad(outputs, inputs, weights, allow_unused=True) if outputs else [None] * len(inputs))
        zero = 0.0 if self.arithmetic == "float64" else Fraction(0)
        result = {}
        for name, array in self.leaves.items():
            gradient = np.empty(array.shape, dtype=object)
            for index in np.ndindex(array.shape):
                dx = next(found)
                gradient[index] = zero if dx is None else dx.item()
            result[name] = gradient.astype(float) if self.arithmetic == "float64" else gradient
        return result


def trace(
    function: Callable[..., Any], arrays: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> Traced:
    """Run a function on scalar tensors in place of its arrays' numbers, so that its result is a scalar graph.

    Args:
        function: plain NumPy code, taken as it is written.
        arrays: by the parameters' names, the arrays to differentiate for: objects (`Fraction`, sympy) or floats, which
            are traced in float64. Integers and bools (labels, indices) are handed on as they are.
        options: by name, whatever else the function takes (a stride), handed on as it is, arrays as copies.

    Of a tuple that begins with an array the rest is left out: it is what a forward keeps for its backward.

    Raises:
        TypeError: names that don't fit the function's signature, or a result that is no array of numbers.
        CutOff: a traced value was about to become a plain number.
        NotExact: a function without a rational value, among exact numbers.
        NotTraceable: a function of NumPy or SciPy that is written for floats alone.

    And whatever the function itself raises, with its own traceback.

    >>> def correlate(X, K):
    ...     Z = np.zeros(len(X) - len(K) + 1)
    ...     for i in range(len(Z)):
    ...         Z[i] = np.sum(X[i : i + len(K)] * K)
    ...     return Z
    >>> traced = trace(correlate, {"X": np.array([1.0, 2.0, 4.0]), "K": np.array([3.0, 5.0])})
    >>> traced.output[0], traced.gradients([1, 10])["K"]
    (Tensor(13., shape=(), dtype=float64, op=add), array([21., 42.]))
    """
    kind = arithmetic_of(arrays.values())
    leaves = {name: _leaves(array, kind) for name, array in arrays.items() if _is_data(array)}
    with recording():
        result, changed, lines = _run(function, {**arrays, **leaves}, options or {}, kind)
    if type(result) is tuple and result and isinstance(result[0], np.ndarray) and result[0].ndim:
        result = result[0]
    return Traced(values(result), changed, kind, leaves, lines)


def run(function: Callable[..., Any], arrays: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> Run:
    """Run a function, a backward rule say, on plain numbers: on fractions or symbols, or in float64 with NumPy itself.

    Args, Raises: as `trace`, without graphs. Floating-point arrays are handed on as copies, to the function as it is.

    >>> run(lambda dZ, X: dZ / 3 * X, {"dZ": np.array([Fraction(1)]), "X": np.array([Fraction(2)])}).output
    array([Fraction(2, 3)], dtype=object)
    """
    kind = arithmetic_of(arrays.values())
    if kind != "float64":
        result, changed, _ = _run(function, arrays, options or {}, kind)
        return Run(values(result), changed, kind)
    copies = {name: np.array(array) for name, array in arrays.items()}
    result = _call(function, copies, options or {})
    changed = tuple(name for name, array in arrays.items() if not np.array_equal(array, copies[name], equal_nan=True))
    if isinstance(result, np.ndarray) and result.dtype.kind in "biuf":
        return Run(result.astype(float), changed, kind)
    return Run(values(result).astype(float), changed, kind)


def arithmetic_of(arrays: Any) -> str:
    """The arithmetic of numbers: "float64" where one is a float, else "symbolic" where one is a symbol, else "exact".

    >>> arithmetic_of([np.array([1, Fraction(1, 2)]), np.array([1])]), arithmetic_of([np.array([0.5])])
    ('exact', 'float64')
    """
    found = "exact"
    for array in map(np.asarray, arrays):
        if array.dtype.kind == "f":
            return "float64"
        for value in array.flat if array.dtype == object else ():
            value = arithmetic.plain(value)
            if isinstance(value, float):
                return "float64"
            if arithmetic.is_symbolic(value):
                found = "symbolic"
    return found


def _is_data(array: Any) -> bool:
    return np.asarray(array).dtype.kind in "fO"


def _leaves(array: Any, kind: str) -> Any:
    given: Any = np.asarray(array)
    result = np.empty(given.shape, dtype=object)
    for index in np.ndindex(given.shape):
        value = given[index]
        if not isinstance(value, Variable):
            value = np.float64(value) if kind == "float64" else arithmetic.bare(value)
            value = tensor(value, requires_grad=True)
        result[index] = value
    return result


def _run(
    function: Callable[..., Any], arrays: Mapping[str, Any], options: Mapping[str, Any], kind: str
) -> tuple[Any, tuple[str, ...], tuple[Line | None, ...]]:
    with arithmetic.running(kind) as lines:
        given = {
            name: numbers(array) if _is_data(array) else np.array(array).view(TracedArray)
            for name, array in arrays.items()
        }
        before = {name: array.copy() for name, array in given.items()}
        constants = {name: _option(value) for name, value in options.items()}
        output = _call(shadowed(function), given, constants, like=function)
    changed = tuple(name for name, array in given.items() if not _is_same(array, before[name]))
    return output, changed, tuple(lines)


def _option(value: Any) -> Any:
    """An option as the function sees it: arrays as copies, and fractions as numbers that have NumPy's functions."""
    if isinstance(value, Fraction) or arithmetic.is_symbolic(value):
        return Number(value)
    if isinstance(value, np.ndarray):
        return numbers(value) if _is_data(value) else value.copy().view(TracedArray)
    return value


def _is_same(array: Any, other: Any) -> bool:
    if array.dtype != object:
        return np.array_equal(array.view(np.ndarray), other.view(np.ndarray))
    return array.shape == other.shape and all(
        x.value is y.value or (type(x.value) is Fraction and x.value == y.value)
        for x, y in zip(array.flat, other.flat, strict=True)
    )


def _call(
    function: Callable[..., Any], arrays: Mapping[str, Any], options: Mapping[str, Any], like: Any = None
) -> Any:
    """Call the function with the arguments by name, or by position where it takes them so."""
    named = {**arrays, **options}
    try:
        parameters = inspect.signature(function if like is None else like).parameters
    except (TypeError, ValueError):  # not Python code
        return function(*arrays.values(), **options)
    only_positional = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_ONLY and p.name in named]
    positional = [named.pop(name) for name in only_positional]
    try:
        inspect.signature(like or function).bind(*positional, **named)
    except TypeError as error:
        raise TypeError(f"{getattr(like or function, '__name__', 'function')}: {error}") from None
    return function(*positional, **named)

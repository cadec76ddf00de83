"""The forward of a rule under check: a function of tensors, or a student's own NumPy code, traced as a scalar graph."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_cnn.engine import Primitive
from tinygrad_cnn.kernels import elementary
from tinygrad_cnn.modes import recording
from tinygrad_cnn.tensor import Tensor, tensor
from tinygrad_cnn.verify import tracing
from tinygrad_cnn.verify.rules.arguments import parameters_of, title_of
from tinygrad_cnn.walk import grad

PACKAGE = __name__.partition(".")[0]
HOME = Path(__file__).parents[2]


@dataclass
class Evaluation:
    """The forward at one point.

    Attributes:
        z: the result, an array of plain numbers.
        gradients: dz -> by operand, the gradient of the sum of dz z.
        ties: how many comparisons of equal numbers were made on the way: the point may lie on a kink.
        changed: the operands that the forward changed.
    """

    z: Any
    gradients: Callable[[Any], dict[str, Any]]
    ties: int = 0
    changed: tuple[str, ...] = ()


class Forward:
    """The forward, and the names of its parameters.

    Attributes:
        title: its name.
        names: of its parameters, in order.
        defaults: of those that have one.
        takes_tensors: whether it is called with tensors; else it is traced.
    """

    def __init__(self, function: Any) -> None:
        if isinstance(function, Primitive):
            self.names = [*function.operand_names, *function.option_names]
            self.defaults: dict[str, Any] = {}
            self.title, self.takes_tensors = function.name, True
            count = len(function.operand_names)
            self._call: Callable[..., Any] = lambda **given: function.apply(
                tuple(given[n] for n in self.names[:count] if n in given),
                {n: given[n] for n in self.names[count:] if n in given},
            )
            return
        if not callable(function):
            raise TypeError(f"check_rule: forward must be a function but is {type(function).__name__}")
        parameters = parameters_of(function)
        self.title = title_of(function)
        self.names = [p.name for p in parameters]
        self.defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        self.takes_tensors = uses_tensors(function)
        self._call = function

    def __call__(self, operands: Mapping[str, Any], constants: Mapping[str, Any]) -> Evaluation:
        """Evaluate at arrays of fractions, floats or symbols; `constants` are handed over as they are."""
        if self.takes_tensors:
            return self._of_tensors(operands, constants)
        try:
            return self._traced(operands, constants)
        except (AttributeError, tracing.NotTraceable) as error:
            try:  # perhaps it is written for tensors, by their methods alone
                evaluation = self._of_tensors(operands, constants)
            except Exception:  # no: what it said of arrays is what to tell
                raise error from None
            self.takes_tensors = True
            return evaluation

    def _traced(self, operands: Mapping[str, Any], constants: Mapping[str, Any]) -> Evaluation:
        traced = tracing.trace(self._call, dict(operands), dict(constants))
        output = _plain_values(traced.output)
        return Evaluation(output, traced.gradients, traced.ties, traced.changed)

    def _of_tensors(self, operands: Mapping[str, Any], constants: Mapping[str, Any]) -> Evaluation:
        leaves = {name: _Watched.of(array, name) for name, array in operands.items()}
        try:
            with recording():
                result: Any = self._call(**leaves, **constants)
        except elementary.NoExactValueError as error:
            raise tracing.NotExact(error.function, *error.operands) from error
        if isinstance(result, tuple) and result and isinstance(result[0], Tensor):
            result = result[0]  # the rest is what a forward keeps for its backward
        if not isinstance(result, Tensor):
            raise TypeError(f"{self.title}: expected a tensor but the forward gave {type(result).__name__}")

        def gradients(dz: Any) -> dict[str, Any]:
            if not result.requires_grad:
                return {name: 0 * leaf._array for name, leaf in leaves.items()}
            found = grad(result, list(leaves.values()), tensor(dz), allow_unused=True)
            return {
                name: 0 * leaf._array if g is None else g._array
                for (name, leaf), g in zip(leaves.items(), found, strict=True)
            }

        return Evaluation(result._array, gradients)


class _Watched(Tensor):
    """A tensor whose values don't leave the graph: what a forward would take out of it would have no gradient."""

    __slots__ = ()

    @staticmethod
    def of(array: Any, name: str) -> _Watched:
        leaf = tensor(array, requires_grad=False)
        result = _Watched._wrap(leaf._array, None)
        result._name = name
        result.requires_grad = True
        return result

    @staticmethod
    def _wrap(array: Any, node: Any) -> _Watched:
        result: _Watched = object.__new__(_Watched)
        result._array, result.node, result._grad, result._name = array, node, None, None
        return result

    def _refuse(self, *arguments: Any, **options: Any) -> Any:
        raise tracing.CutOff(
            "the forward takes a value out of the graph (float(), int(), .item(), .numpy(), an entry of a float "
            "array), and its gradient would be lost: compute with tensors throughout, or with plain NumPy throughout"
        )

    __float__ = __int__ = item = numpy = tolist = detach = _refuse


def _plain_values(output: Any) -> Any:
    values = np.empty(output.shape, dtype=object)
    for index in np.ndindex(output.shape):
        entry = output[index]
        values[index] = entry._array if isinstance(entry, Tensor) else entry
    return values


def uses_tensors(function: Any, seen: frozenset[int] = frozenset()) -> bool:
    """Whether a function is this library's or refers to it, itself or through others, and so is called with tensors."""
    if isinstance(function, partial):
        return uses_tensors(function.func, seen)
    if isinstance(function, types.MethodType):
        return _is_ours(function.__self__) or uses_tensors(function.__func__, seen)
    if _is_ours(function):
        return True
    code = getattr(function, "__code__", None)
    if code is None or id(function) in seen:
        return False
    closure = zip(code.co_freevars, function.__closure__ or (), strict=True)
    scope = {**function.__globals__, **{name: cell.cell_contents for name, cell in closure if _is_filled(cell)}}
    used = [scope[name] for name in _names(code) if name in scope]
    return any(_is_ours(x) for x in used) or any(
        uses_tensors(x, seen | {id(function)}) for x in used if isinstance(x, types.FunctionType)
    )


def _is_filled(cell: Any) -> bool:
    try:
        return bool(cell.cell_contents is not None)
    except ValueError:  # a function that refers to what is defined after it
        return False


def _names(code: types.CodeType) -> set[str]:
    names = {*code.co_names, *code.co_freevars}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return names


def _is_ours(thing: Any) -> bool:
    if isinstance(thing, types.FunctionType):  # by its file, since a docstring's example has the name of its module
        return Path(thing.__code__.co_filename).is_relative_to(HOME)
    name = thing.__name__ if isinstance(thing, types.ModuleType) else getattr(thing, "__module__", None)
    return isinstance(name, str) and name.partition(".")[0] == PACKAGE

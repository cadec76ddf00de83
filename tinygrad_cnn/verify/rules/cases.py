"""In which cases a rule is checked: those that were given, or the family of the operation that the forward is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.verify import tracing
from tinygrad_cnn.verify.catalogue.operation import Case, Layout, Operation
from tinygrad_cnn.verify.rules.forward import Forward

DRAWN = 20
"""So many cases are taken from a function that draws them."""

OPTION_SHAPES = ("stride", "padding", "dilation", "kernel_size", "output_padding", "axis", "output_size")


USUAL = {"kernel_size", "stride", "padding", "axis"}
"""Options that a rule has to heed, whether it asks for them or not."""


@dataclass(frozen=True)
class Known:
    """The operation that a forward is.

    Attributes:
        operation: from the catalogue.
        layout: how the forward arranges its operands.
        names: the operation's names of the forward's parameters.
        stated: the options, by the operation's names, that a case has to state: the forward has no default for them.
    """

    operation: Operation
    layout: Layout
    names: Mapping[str, str]
    stated: frozenset[str] = frozenset()

    def theirs(self, case: Case) -> Case:
        """A case of the operation in the forward's names and layout."""
        theirs = {own: name for name, own in self.names.items()}
        shapes = {theirs[own]: self.layout.shape(own, shape) for own, shape in case.shapes.items() if own in theirs}
        stated = {own: self.operation.defaults[own] for own in self.stated if own not in case.options}
        options = {theirs[own]: value for own, value in {**case.options, **stated}.items() if own in theirs}
        return replace(case, shapes=shapes, options=options)

    def suits(self, case: Case, asked: Collection[str] | None = None) -> bool:
        """Whether the forward can be asked for this case of the operation.

        The library's functions have more options than rules are written for: with `asked`, the names of the rules'
        parameters, only the usual options differ from their defaults, and those that a rule asks for.
        """
        theirs = set(self.names.values())
        if asked is not None:
            theirs = {own for own in theirs if own in USUAL or {own, *self.operation.options.get(own, ())} & set(asked)}
        missing = [n for n in case.options if n not in theirs and case.options[n] != self.operation.defaults.get(n)]
        # A default of None depends on other arguments, as a stride that is the window's size.
        unsaid = [n for n in self.stated if n not in case.options and self.operation.defaults.get(n) is None]
        return not missing and not unsaid and self.layout.fits(case)

    def inputs(self, arrays: Mapping[str, Any], options: Mapping[str, Any], z: Any) -> dict[str, Any]:
        """What a rule of the operation takes, in its own names and layout, from the forward's operands and options."""
        own = {self.names[name]: self.layout.inward(self.names[name], array) for name, array in arrays.items()}
        own |= self.operation.defaults
        for name, value in options.items():
            if (mine := self.names.get(name)) is not None and value is not None:
                own[mine] = self.layout.inward(mine, value) if mine in self.operation.operands else value
        return own | {"z": self.layout.inward("z", z)}

    def result(self, inputs: Mapping[str, Any]) -> Any:
        """The operation's own result, in its layout."""
        operation = self.operation
        operands = [inputs[name] for name in operation.operands if name in inputs]
        return operation.function(*operands, **{name: inputs[name] for name in operation.options if name in inputs})


def candidates(forward: Forward, rules: Iterable[str], operations: Iterable[Operation], function: Any) -> list[Known]:
    """The operations that the forward may be, by its identity or the names of its parameters, in every layout."""
    found: list[Known] = []
    for operation in operations:
        if function is operation.function:
            names = {name: name for name in forward.names if operation.own_name(name) == name}
            stated = frozenset(name for name in names if operation.defaults.get(name, name) is None)
            return [Known(operation, layout, names, stated=stated) for layout in operation.layouts[:1]]
        names_or_none = _names(forward, operation)
        if names_or_none is not None:
            wanted = {names_or_none.get(rule) for rule in rules}
            if wanted <= set(operation.rules):
                needed = set(names_or_none) - set(forward.defaults)
                stated = frozenset(names_or_none[name] for name in needed) & set(operation.options)
                found += [Known(operation, layout, names_or_none, stated=stated) for layout in operation.layouts]
    # The most general arrangement of any operation before a special one of another: a mean before a pool of one image.
    return sorted(found, key=lambda known: known.operation.layouts.index(known.layout))


def _names(forward: Forward, operation: Operation) -> dict[str, str] | None:
    """The operation's names of the forward's parameters; those that say nothing stand for its operands in order."""
    names: dict[str, str] = {}
    unknown = []
    for name in forward.names:
        own = operation.own_name(name)
        if own is not None and own not in names.values():
            names[name] = own
        elif name not in forward.defaults:
            unknown.append(name)
    free = [own for own in operation.operands if own not in names.values()]
    if len(unknown) > len(free):
        return None
    names |= dict(zip(unknown, free, strict=False))
    return names if next(iter(operation.operands)) in names.values() else None


def given_cases(cases: Any, forward: Forward, rules: Iterable[str], rng: np.random.Generator) -> tuple[Case, ...]:
    """The caller's cases: a list of dicts, or a function of a random generator that draws one.

    Raises:
        TypeError, ValueError: no dicts; names that the forward has not; an operand that is missing.
    """
    if callable(cases):
        cases = [cases(rng) for _ in range(DRAWN)]
    elif isinstance(cases, Mapping):
        cases = [cases]
    return tuple(_parsed(case, forward, rules) for case in cases)


def _parsed(case: Any, forward: Forward, rules: Iterable[str]) -> Case:
    if isinstance(case, Case):
        return case
    if not isinstance(case, Mapping):
        raise TypeError(
            'check_rule: a case is a dict of shapes and options, {"X": (5, 5), "K": (2, 2), "stride": 2}, '
            f"but {case!r} came"
        )
    unknown = [name for name in case if forward.names and name not in forward.names]
    if unknown:
        raise ValueError(
            f"check_rule: a case names {', '.join(map(str, unknown))}, but {forward.title} has the parameters "
            f"{', '.join(forward.names)}"
        )
    shapes, options, given = {}, {}, {}
    for name, value in case.items():
        if isinstance(value, np.ndarray) or (isinstance(value, list) and name not in forward.defaults):
            if name in rules:
                given[name] = np.asarray(value)
                shapes[name] = given[name].shape
            else:  # such as labels: an array without a gradient
                options[name] = np.asarray(value)
        elif name in rules or (
            _is_shape(value) and forward.defaults.get(name) is None and name not in OPTION_SHAPES
        ):
            if not _is_shape(value):
                raise TypeError(f"check_rule: a case gives {name} the shape {value!r}; a shape is a tuple of integers")
            shapes[name] = value
        else:
            options[name] = value
    missing = [n for n in forward.names if n not in case and n not in forward.defaults]
    if missing:
        raise ValueError(f"check_rule: a case lacks {', '.join(missing)}, which {forward.title} has no default for")
    return Case(shapes, options, given=given)


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(n, int | np.integer) for n in value)


LARGEST = 9
"""Random integers go up to this magnitude while there are enough of them."""


def drawn(case: Case, known: Known | None, rng: np.random.Generator, arithmetic: str) -> dict[str, Any]:
    """Operands for a case, by the forward's names: arrays of random fractions or float64, or of symbols."""
    arrays: dict[str, Any] = {}
    for name, shape in case.shapes.items():
        own = known.names.get(name, name) if known else name
        if name in case.given:
            array = case.given[name]
        elif known and own in known.operation.draws:
            inner = known.layout.inward(own, np.empty(shape)).shape
            array = known.layout.outward(own, np.asarray(known.operation.draws[own](inner, rng)))
        elif case.data == "ties":
            array = rng.integers(-1, 3, shape)
        elif case.data == "fractions":
            array = halves_and_thirds(distinct(shape, rng), rng)
        else:
            array = distinct(shape, rng, 4 if arithmetic == "float64" else 1)
        if known and own in known.operation.constants:
            arrays[name] = array
        else:
            arrays[name] = symbols(name, shape) if arithmetic == "symbolic" else converted(array, arithmetic)
    return arrays


def distinct(shape: tuple[int, ...], rng: np.random.Generator, parts: int = 1) -> Any:
    """Numbers that are not zero, of both signs, no two of one magnitude.

    With `parts` they are multiples of its inverse, and at most 2, and come again: for exp and the like.
    """
    count = prod(shape)
    signs = rng.permutation(np.resize(rng.permutation([-1, 1]), count))  # half of each: a mask of signs must show
    largest = max(2 * parts, count) if parts > 1 else max(LARGEST, count)
    numbers = signs * rng.permutation(np.arange(1, largest + 1))[:count]
    if parts > 1:
        numbers = np.sign(numbers) * ((abs(numbers) - 1) % (2 * parts) + 1) / parts
    return numbers.reshape(shape)


def halves_and_thirds(integers: Any, rng: np.random.Generator) -> Any:
    """Each number divided by 2 or by 3."""
    return as_fractions(integers) / rng.choice(np.array([2, 3], dtype=object), np.shape(integers))


def upstream(shape: tuple[int, ...], rng: np.random.Generator, arithmetic: str, data: str = "distinct") -> Any:
    """A random integer that is not zero for each output: all ones would hide much, as in a batch norm."""
    if arithmetic == "symbolic":
        return symbols("dZ", shape)
    integers = rng.integers(1, LARGEST + 1, shape) * rng.choice([-1, 1], shape)
    return converted(halves_and_thirds(integers, rng) if data == "fractions" else integers, arithmetic)


def converted(array: Any, arithmetic: str) -> Any:
    """Numbers in the arithmetic."""
    return np.array(array, dtype=np.float64) if arithmetic == "float64" else as_fractions(array)


def symbols(name: str, shape: tuple[int, ...]) -> Any:
    """An array of sympy symbols, X11 for the first entry of a matrix X."""
    import sympy

    result = np.empty(shape, dtype=object)
    between = "" if max(shape, default=0) < 10 else "_"
    for index in np.ndindex(shape):
        place = between.join(str(i + 1) for i in index)
        result[index] = sympy.Symbol(f"{name}{place}", real=True)
    return result


def as_fractions(array: Any) -> Any:
    """An object array of `Fraction`; of a float the number that is meant by it."""
    array = np.asarray(array)
    result = np.empty(array.shape, dtype=object)
    for index in np.ndindex(array.shape):
        value = array[index]
        value = value.item() if isinstance(value, np.generic) else value
        result[index] = tracing.fraction_of(value) if isinstance(value, float) else Fraction(value)
    return result

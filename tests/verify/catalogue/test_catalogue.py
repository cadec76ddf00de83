"""The catalogue holds what the checker takes from it: the rules are right, and each mistake is wrong in its own way.

Everything here goes over whatever operations are listed. The rules are held to the engine's gradients, and to
difference quotients of the forward, which know no rule; where it is made of sums, products and choices, in fractions.
"""

import re
from contextlib import suppress
from fractions import Fraction
from functools import cache
from itertools import combinations
from math import prod

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.verify.catalogue import OPERATIONS, conv_transpose, convolution, generic, mistakes, pooling

STEP = Fraction(1, 64)
MOST_DIFFERENCES = 40
"""Difference quotients are taken in cases with at most so many elements: two forwards each."""

PIECEWISE_LINEAR = {o.name for family in (convolution, conv_transpose, pooling) for o in family.OPERATIONS}
"""In each operand: their difference quotients away from ties are exact."""

NAMES = {operation.name: operation for operation in OPERATIONS}
RULES = [(operation.name, operand) for operation in OPERATIONS for operand in operation.rules]


def numbers(shape, rng, data):
    """Integers as fractions, none zero and no two of one magnitude, or of three values with many ties."""
    count = prod(shape)
    values = rng.permutation(count) + 1 if data == "distinct" else rng.integers(0, 3, count) - 1
    if data == "distinct":
        values = values * rng.choice([-1, 1], count)
    return fractions(values.reshape(shape))


def fractions(array):
    array = np.asarray(array)
    result = np.empty(array.shape, object)
    for index in np.ndindex(array.shape):
        result[index] = Fraction(array[index].item())
    return result


def as_floats(array):
    return array.astype(np.float64) / 8 if array.dtype == object else array


class At:
    """An operation at numbers drawn for a case: in fractions, or in float64 where it has no exact value."""

    def __init__(self, operation, case, seed, exact):
        self.operation, self.case, self.exact = operation, case, exact
        rng = np.random.default_rng(seed)
        self.operands = {}
        for name in operation.operands:
            if name in case.given:
                self.operands[name] = np.asarray(case.given[name])
            elif name in case.shapes and name in operation.draws:
                self.operands[name] = np.asarray(operation.draws[name](case.shapes[name], rng))
            elif name in case.shapes:
                self.operands[name] = numbers(case.shapes[name], rng, case.data)
        for name, array in self.operands.items():
            if name not in operation.constants:
                self.operands[name] = fractions(array) if exact and array.dtype != object else array
        if not exact:
            self.operands = {name: as_floats(a) for name, a in self.operands.items()}
        self.options = {**operation.defaults, **case.options}
        self.variables = [name for name in self.operands if name not in operation.constants]
        self.z = np.asarray(self.forward(self.operands))
        self.dz = numbers(self.z.shape, rng, "distinct")
        self.dz = self.dz if exact else as_floats(self.dz)
        self.inputs = {**self.operands, **self.options, "z": self.z}

    @property
    def rules(self):
        """The operands that the case has and that have a rule."""
        return [operand for operand in self.operation.rules if operand in self.operands]

    def forward(self, operands):
        return self.operation.function(*operands.values(), **self.options)

    def rule(self, operand, /, **changes):
        gradient = self.operation.rules[operand](self.dz, self.inputs, **changes)
        return None if gradient is None else np.asarray(gradient)

    def mistaken(self, operand, mistake, changes):
        """What the rule gives with the mistake; None where that makes no sense."""
        try:
            gradient = self.rule(operand, **changes)
            if gradient is not None and mistake.then:
                gradient = mistake.then(gradient, self.inputs)
        except (ArithmeticError, IndexError, TypeError, ValueError):
            return None
        return None if gradient is None else np.asarray(gradient)

    def engine(self):
        """The engine's gradients, by operand."""
        wanted = [tg.tensor(self.operands[name], requires_grad=True) for name in self.variables]
        leaves = self.operands | dict(zip(self.variables, wanted, strict=True))
        z = self.forward(leaves)
        found = tg.grad(z, wanted, [tg.tensor(self.dz)], allow_unused=True) if z.requires_grad else [None] * len(wanted)
        return {
            name: 0 * self.operands[name] if gradient is None else gradient.numpy()
            for name, gradient in zip(self.variables, found, strict=True)
        }

    def differences(self, operand):
        """The central difference quotients of the sum of dz z."""
        step = STEP if self.exact else float(STEP) / 1024
        array = self.operands[operand]
        result = np.empty(array.shape, array.dtype)
        for index in np.ndindex(array.shape):
            sums = []
            for sign in (1, -1):
                moved = np.array(array)
                moved[index] += sign * step
                sums.append(np.sum(self.dz * self.forward({**self.operands, operand: moved})))
            result[index] = (sums[0] - sums[1]) / (2 * step)
        return result

    def same(self, a, b, tolerance=1e-9):
        if a is None or b is None:
            return a is b
        if a.shape != b.shape:
            return False
        if self.exact:
            return bool(np.all(a == b))
        a, b = a.astype(np.float64), b.astype(np.float64)
        return bool(np.allclose(a, b, rtol=0, atol=tolerance * max(1.0, np.abs(b).max(initial=0))))


@cache
def points(name):
    """The operation at every case of its family, in fractions where it has exact values there."""
    try:
        at = [At(NAMES[name], case, seed, exact=True) for seed, case in enumerate(NAMES[name].cases)]
        for point in at:
            for operand in point.rules:
                point.rule(operand)
        return at
    except (TypeError, AttributeError):  # exp, log, square roots
        return quick_points(name)


@cache
def quick_points(name):
    """As `points`, in float64."""
    return [At(NAMES[name], case, seed, exact=False) for seed, case in enumerate(NAMES[name].cases)]


def right_gradients(point, operand):
    return [point.rule(operand), *(point.rule(operand, **convention) for convention in point.operation.conventions)]


@pytest.mark.parametrize(("name", "operand"), RULES)
def test_rule_is_the_engines_gradient(name, operand):
    for point in points(name):
        if operand in point.operands:
            assert point.same(point.rule(operand), point.engine()[operand]), point.case


@pytest.mark.parametrize(("name", "operand"), RULES)
def test_rule_is_the_difference_quotient(name, operand):
    checked = 0
    for seed, case in enumerate(NAMES[name].cases):
        if operand in case.shapes and case.size <= MOST_DIFFERENCES and case.data == "distinct":
            point = At(NAMES[name], case, seed, name in PIECEWISE_LINEAR)
            assert point.same(point.rule(operand), point.differences(operand), 1e-6), case
            checked += 1
    assert checked


@pytest.mark.parametrize("name", NAMES)
def test_conventions_are_other_gradients_at_ties_only(name):
    for operand in NAMES[name].rules:
        for convention in NAMES[name].conventions:
            differ = {
                point.case.data
                for point in points(name)
                if operand in point.operands and not point.same(point.rule(operand, **convention), point.rule(operand))
            }
            assert differ == {"ties"}


def outcomes(name, operand):
    """By mistake, the results of each of its outcomes at every case: those of the operation, and those of any rule."""
    found = {}
    for mistake in (*NAMES[name].mistakes, *generic.MISTAKES):
        if mistake.concerns(operand):
            for changes in mistake.changes:
                at = [point for point in quick_points(name) if operand in point.operands]
                results = [point.mistaken(operand, mistake, changes) for point in at]
                found.setdefault(mistake.name, []).append(results)
    return found


@pytest.mark.parametrize(("name", "operand"), RULES)
def test_every_mistake_is_wrong_in_its_own_way(name, operand):
    at = [point for point in quick_points(name) if operand in point.operands]
    right = [right_gradients(point, operand) for point in at]
    own = {mistake.name for mistake in NAMES[name].mistakes}
    found = outcomes(name, operand)

    def is_wrong(results):
        return any(
            result is not None and not any(point.same(result, accepted) for accepted in all_right)
            for point, result, all_right in zip(at, results, right, strict=True)
        )

    for mistake, ways in found.items():
        if mistake in own:
            assert any(map(is_wrong, ways)), f"{mistake} is never wrong"
            for results in ways:
                makes_sense = any(result is not None for result in results)
                assert is_wrong(results) == makes_sense, f"{mistake} is right in every case"
    # What is wrong in any rule may coincide, and what cancels is zero: a mistake of the operation is named before them.
    others = own | {mistake.name for mistake in generic.MISTAKES} - {"always-zero"}
    for one, other in combinations((name for name in found if name in others), 2):
        if not {one, other} & own:
            continue
        for first in filter(is_wrong, found[one]):
            for second in found[other]:
                alike = all(point.same(a, b) for point, a, b in zip(at, first, second, strict=True))
                assert not alike, f"{one} and {other} are the same in every case"


@pytest.mark.parametrize("name", NAMES)
def test_mistakes_concern_operands_and_take_the_rules_keywords(name):
    operation = NAMES[name]
    for mistake in operation.mistakes:
        assert set(mistake.operands) <= set(operation.rules), mistake.name
        assert mistake.changes
        for operand in filter(mistake.concerns, operation.rules):
            point = next(point for point in points(name) if operand in point.operands)
            for changes in mistake.changes:
                with suppress(ArithmeticError, IndexError, ValueError):  # but no TypeError for an unknown keyword
                    point.rule(operand, **changes)


@pytest.mark.parametrize("name", NAMES)
def test_cases_fit_the_operation(name):
    operation = NAMES[name]
    operands = set(operation.operands)
    assert set(operation.rules) <= operands - set(operation.constants)
    assert set(operation.formulas) >= set(operation.rules)
    assert set(operation.defaults) <= set(operation.options)
    for case in operation.cases:
        assert set(case.shapes) <= operands
        assert set(case.options) <= set(operation.options)
    for layout in operation.layouts:
        assert any(layout.fits(case) for case in operation.cases), layout.name
        assert set(layout.dropped) <= operands | {"z"}


@pytest.mark.parametrize("name", NAMES)
def test_rules_leave_their_arguments_alone(name):
    for point in quick_points(name):
        before = {n: np.array(a) for n, a in {**point.operands, "dz": point.dz}.items()}
        for operand in point.rules:
            for mistake in filter(lambda m, operand=operand: m.concerns(operand), point.operation.mistakes):
                for changes in mistake.changes:
                    point.mistaken(operand, mistake, changes)
        for n, array in {**point.operands, "dz": point.dz}.items():
            np.testing.assert_array_equal(array, before[n])


def test_mistakes_are_listed_once_with_an_explanation():
    listed = mistakes()
    names = [mistake.name for mistake in listed]
    assert len(set(names)) == len(names)
    used = {m.name for operation in OPERATIONS for m in operation.mistakes} | {m.name for m in generic.MISTAKES}
    assert used | {generic.FACTOR.name} == set(names)
    for mistake in listed:
        assert re.fullmatch("[a-z0-9-]+", mistake.name)
        assert re.fullmatch(r"[A-Z].{20,390}\.\)?", mistake.explanation, re.IGNORECASE), mistake.name


def test_operations_have_distinct_names():
    assert len(NAMES) == len(OPERATIONS)

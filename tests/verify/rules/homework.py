"""What students hand in: a forward with the rules for its backward, and what a checker must say about each rule."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

OPTIONS = {"stride", "padding", "dilation", "groups", "size", "kernel_size", "labels", "eps", "slope", "momentum"}


@dataclass(frozen=True, eq=False)
class Homework:
    """A forward, the rules for its operands, and the cases that show what is wrong with them.

    Attributes:
        name: unique in its suite.
        forward: a function of tensors or the student's own NumPy code.
        rules: operand -> the student's rule.
        oracle: (operands in the forward's order, options) -> the value and the gradients, see `oracles`.
        cases: operand -> shape, and option -> value.
        wrong: wrong operand -> the name of the mistake, of two mistakes joined by " + ", or a set of names none of
            which is truer than the others. Rules that are not in it are right.
    """

    name: str
    forward: Callable
    rules: dict[str, Callable]
    oracle: Callable
    cases: list[dict]
    wrong: dict[str, str | set[str]] = field(default_factory=dict)

    def __str__(self):
        return self.name

    def names(self, operand):
        """The right names of the diagnosis, each a frozenset of one mistake or of two."""
        wrong = self.wrong[operand]
        return {frozenset(name.split(" + ")) for name in ({wrong} if isinstance(wrong, str) else wrong)}


def split_case(case):
    """(the operands' shapes, the options)."""
    return (
        {name: value for name, value in case.items() if name not in OPTIONS},
        {name: value for name, value in case.items() if name in OPTIONS},
    )


def draw(shape, rng, dtype=np.float64):
    """Small integers, none of them zero: a factor of zero would hide what is wrong with it."""
    return np.asarray(rng.integers(1, 6, shape) * rng.choice([-1, 1], shape)).astype(dtype)


def call_rule(rule, forward, operands, options, z, dz):
    """The rule's result when each of its parameters is given what its name asks for; what has no name is dZ."""
    known = {
        name: parameter.default
        for name, parameter in inspect.signature(forward).parameters.items()
        if parameter.default is not parameter.empty
    }
    known |= {name: np.array(array) for name, array in operands.items()} | options
    known |= {f"{name}_shape": array.shape for name, array in operands.items()} | {"Z": np.array(z)}
    given = {}
    for name, parameter in inspect.signature(rule).parameters.items():
        if parameter.kind is not parameter.VAR_KEYWORD and (name in known or parameter.default is parameter.empty):
            given[name] = known[name] if name in known else np.array(dz)
    return np.asarray(rule(**given), dtype=float)

"""Max-pooling before ReLU in a program: the same numbers, with ReLU on a quarter as many, or fewer.

ReLU keeps the order of numbers, so that the largest ReLU of a window is the ReLU of its largest number, and both have
the same winner. Only where that number is not positive may another one win; but then its gradient is 0 whoever has won,
if ReLU's rule is applied before the gradient is given to the winner. Where nobody asks for winners, both are one
operation.
"""

from __future__ import annotations

import re

from tinygrad_cnn.capture.program import Line, Program
from tinygrad_cnn.engine import Primitive
from tinygrad_cnn.kernels.maxima import positive_maxima
from tinygrad_cnn.primitives.elementwise import relu
from tinygrad_cnn.primitives.maxpool import max_of_windows

_RELU: Primitive = relu.primitive  # type: ignore[attr-defined]
_POOL: Primitive = max_of_windows.primitive  # type: ignore[attr-defined]
_VALUE = re.compile(r"\bv\d+\b")


def exchanged(program: Program) -> list[Line]:
    """The lines of the program, with every ReLU that nothing but a max-pool follows behind the pool."""
    lines = program.lines
    used: dict[str, list[int]] = {}
    for i, line in enumerate(lines):
        for name in _parts(line)[1]:
            used.setdefault(name, []).append(i)
    found = [[line] for line in lines]
    for i, line in enumerate(lines):
        if line.function is _RELU.forward:
            _move(program, used, i, found)
    return [line for group in found for line in group]


def _parts(line: Line) -> tuple[list[str], list[str]]:
    """The values that a line gives, and those that it uses, in their order."""
    left, sign, right = line.text.partition(" = ")
    return (_VALUE.findall(left), _VALUE.findall(right)) if sign else ([], _VALUE.findall(left))


def _move(program: Program, used: dict[str, list[int]], relu_at: int, found: list[list[Line]]) -> None:
    """Move a ReLU behind its pool, and its rule before the pool's, where that is possible."""
    relu_line = program.lines[relu_at]
    (z,), (x,) = _parts(relu_line)
    pool_at, *others = used.get(z, [relu_at])
    pool_line = program.lines[pool_at]
    if pool_line.function not in (_POOL.forward, _POOL.alone):
        return
    pooled, *winners = _parts(pool_line)[0]
    if others:
        rules_at = _rules(program, used, others, winners)
        if rules_at is None:
            return
        relu_rule, pool_rule = (program.lines[i] for i in rules_at)
        (dx,), (dz, *_) = _parts(relu_rule)
        upstream, masked = _parts(pool_rule)[1][0], program.another(pooled)
        found[rules_at[0]] = []
        found[rules_at[1]] = [
            _renamed(relu_rule, {dx: masked, dz: upstream, z: pooled}),
            _renamed(pool_rule, {dz: dx, upstream: masked}),
        ]
    found[relu_at] = []
    if pool_line.function is _POOL.alone:
        text = pool_line.text.replace(program.name(_POOL.alone), program.name(positive_maxima))
        found[pool_at] = [_renamed(Line(text), {z: x})]
        return
    above = program.another(pooled)
    found[pool_at] = [_renamed(pool_line, {pooled: above, z: x}), _renamed(relu_line, {z: pooled, x: above})]


def _rules(program: Program, used: dict[str, list[int]], others: list[int], winners: list[str]) -> list[int] | None:
    """Where the rules of ReLU and of its pool stand, if they follow one upon the other and are all that follows."""
    (relu_at, *more), pool_at = others, used.get(winners[0], []) if winners else []
    if more or len(pool_at) != 1:
        return None
    relu_rule, pool_rule = program.lines[relu_at], program.lines[pool_at[0]]
    if relu_rule.function is not _RELU.rules["x"] or pool_rule.function is not _POOL.rules["x"]:
        return None
    (dz,) = _parts(pool_rule)[0]
    return [relu_at, *pool_at] if _parts(relu_rule)[1][0] == dz and used[dz] == [relu_at] else None


def _renamed(line: Line, names: dict[str, str]) -> Line:
    return line._replace(text=_VALUE.sub(lambda match: names.get(match[0], match[0]), line.text))

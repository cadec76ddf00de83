"""Max-pooling before ReLU in a program: the same numbers, with ReLU on a quarter as many, or fewer.

ReLU keeps the order of numbers, so that the largest ReLU of a window is the ReLU of its largest number, and both have
the same winner. Only where that number is not positive may another one win; but then its gradient is 0 whoever has won,
if ReLU's rule is applied before the gradient is given to the winner.
"""

from __future__ import annotations

import re

from tinygrad_cnn.capture.program import Line, Program
from tinygrad_cnn.primitives.elementwise import relu
from tinygrad_cnn.primitives.maxpool import max_of_windows

_RELU, _RELU_RULE = relu.primitive.forward, relu.primitive.rules["x"]
_POOL, _POOL_RULE = max_of_windows.primitive, max_of_windows.primitive.rules["x"]
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
        if line.function is _RELU:
            _move(program, used, i, found)
    return [line for group in found for line in group]


def _parts(line: Line) -> tuple[list[str], list[str]]:
    """The values that a line gives, and those that it uses, in their order."""
    left, sign, right = line.text.partition(" = ")
    return (_VALUE.findall(left), _VALUE.findall(right)) if sign else ([], _VALUE.findall(left))


def _move(program: Program, used: dict[str, list[int]], relu_at: int, found: list[list[Line]]) -> None:
    """Move a ReLU behind its pool, and its rule before the pool's, where that is possible."""
    lines = program.lines
    (z,), (x,) = _parts(lines[relu_at])
    pool_at, *others = used.get(z, [relu_at])
    if lines[pool_at].function not in (_POOL.forward, _POOL.alone) or len(others) > 1:
        return
    pooled, *winners = _parts(lines[pool_at])[0]
    above = program.another(pooled)
    if others:
        (rule_at,), at = others, used.get(winners[0], []) if winners else []
        if lines[rule_at].function is not _RELU_RULE or len(at) != 1 or lines[at[0]].function is not _POOL_RULE:
            return
        (dx,), (dz, *_) = _parts(lines[rule_at])
        (given,), (upstream, *_) = _parts(lines[at[0]])
        if dz != given or used[given] != [rule_at]:
            return
        below = program.another(pooled)
        found[at[0]] = [
            _renamed(lines[rule_at], {dx: below, dz: upstream, z: pooled}),
            _renamed(lines[at[0]], {given: dx, upstream: below}),
        ]
        found[rule_at] = []
    found[relu_at] = []
    found[pool_at] = [
        _renamed(lines[pool_at], {pooled: above, z: x}),
        _renamed(lines[relu_at], {z: pooled, x: above}),
    ]


def _renamed(line: Line, names: dict[str, str]) -> Line:
    return line._replace(text=_VALUE.sub(lambda match: names.get(match[0], match[0]), line.text))

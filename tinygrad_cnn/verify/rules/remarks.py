"""What can be said of a wrong rule that no mistake of the catalogue explains; each sentence holds in every trial."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from tinygrad_cnn.verify.excerpt import dimensions, number
from tinygrad_cnn.verify.rules.axes import PARTS, axis_names, predicates, quantities
from tinygrad_cnn.verify.rules.trials import Rule, Trial, agree

UNEXPLAINED = "No mistake in the catalogue explains it."

MOST = 3
"""So many sentences are told, the most telling first."""

FEWEST = 2
"""In so many trials a condition has to hold before a rule is said to be right there."""

FARTHEST = 3
"""A shift by more rows or columns is not looked for."""


class _Facts:
    """The trials of a rule, sorted by what came."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.trials = rule.trials
        known = rule.known
        self.known = known
        self.operand = self.known.names[rule.name] if self.known else rule.name
        self.failed = [trial for trial in self.trials if not trial.passed]
        self.with_arrays = [trial for trial in self.failed if trial.actual is not None]
        self.shaped = [trial for trial in self.failed if trial.wrong is not None]
        # What is said of entries holds in all failures, so that all need an array of the right shape.
        self.comparable = len(self.shaped) == len(self.failed) and all(_is_finite(t.actual) for t in self.shaped)

    def own(self, trial: Trial, array: Any) -> Any:
        """An array of the gradient's shape in the operation's own arrangement."""
        return self.known.layout.inward(self.operand, array) if self.known else np.asarray(array)


def remarks(rule: Rule) -> list[str]:
    """Sentences on where the rule is right and where it is wrong."""
    facts = _Facts(rule)
    if not facts.failed:
        return []
    found = list(_unsteady(facts))
    if found:  # what it gave means nothing then
        return [UNEXPLAINED, *found]
    for look in (_raised, _shapes, _not_a_number):
        found += look(facts)
    if facts.comparable:
        for look in (_cut_off, _factor, _arrangement):
            found += look(facts)
    found += _conditions(facts)
    if facts.comparable:
        for look in (_parts, _border, _unwritten, _offset, _signs, _sums):
            found += look(facts)
    if not facts.with_arrays:
        return found[:MOST]
    return [UNEXPLAINED, *found[:MOST]]


def _often(count: int, facts: _Facts) -> str:
    return "always" if count == len(facts.trials) else f"in {count} of {len(facts.trials)} cases"


def _is_finite(array: Any) -> bool:
    with np.errstate(invalid="ignore"):
        return not np.any(np.asarray(array - array) != 0)  # NaN and infinity alone differ from 0 then


def _unsteady(facts: _Facts) -> Iterator[str]:
    """The rule is run once more, and gives something else."""
    for trial in facts.with_arrays:
        again = facts.rule.trial(trial.point)
        if again.actual is not None and _is_finite(trial.actual) and not agree(again.actual, trial.actual, 0):
            yield (
                "Called twice with the same arguments, it gives two results: it must not draw random numbers, nor keep "
                "anything from one call to the next."
            )
            return


def _raised(facts: _Facts) -> Iterator[str]:
    without = [trial for trial in facts.failed if trial.problem]
    if without and facts.with_arrays:
        first = min(without, key=lambda trial: trial.point.case.size)
        yield f"In {len(without)} of {len(facts.trials)} cases {first.problem}."


def _shapes(facts: _Facts) -> Iterator[str]:
    wrong = [trial for trial in facts.with_arrays if trial.wrong is None]
    if wrong:
        trial = min(wrong, key=lambda t: t.expected.size)
        came, right = (dimensions(np.shape(array)) for array in (trial.actual, trial.expected))
        often = _often(len(wrong), facts)
        yield f"Its shape is {often} wrong: {came} where {facts.rule.name} is {right}, for instance."


def _not_a_number(facts: _Facts) -> Iterator[str]:
    count = sum(not _is_finite(trial.actual) for trial in facts.with_arrays)
    if count:
        yield f"It holds NaN or infinity {_often(count, facts)}: that comes of a division by zero, or of an overflow."


def _cut_off(facts: _Facts) -> Iterator[str]:
    if any(trial.actual is None or not _are_integers(trial.actual) for trial in facts.trials):
        return
    if all(agree(t.actual, np.frompyfunc(int, 1, 1)(t.expected), 0) for t in facts.failed):
        yield "It is the right gradient with the decimals cut off: an array of integers can't hold them."


def _are_integers(array: Any) -> bool:
    return _is_finite(array) and not any(hasattr(value, "free_symbols") or value != int(value) for value in array.flat)


def _factor(facts: _Facts) -> Iterator[str]:
    factors = []
    for trial in facts.failed:
        at = np.argwhere(trial.expected != 0)
        if not len(at):
            return
        first = tuple(at[0])
        factor = trial.actual[first] / trial.expected[first]
        if factor == 0 or getattr(factor, "free_symbols", None):
            return
        if not agree(trial.actual, np.asarray(factor * trial.expected), trial.tolerance * max(1, abs(factor))):
            return
        factors.append(factor)
    different = list(dict.fromkeys(number(factor) for factor in factors))
    if len(different) == 1:
        yield f"It is right up to a constant factor: every entry is {different[0]} times what it should be."
        return
    for words, quantity in quantities(facts.failed, facts.known):
        for verb, power in (("multiplied by", 1), ("divided by", -1)):
            if all(abs(f - Fraction(quantity(t)) ** power) < 1e-9 for f, t in zip(factors, facts.failed, strict=True)):
                yield f"It is right up to a factor: every entry is {verb} {words}."
                return
    shown = ", ".join(different[:4]) + (", ..." if len(different) > 4 else "")
    yield f"It is right up to a factor, which is not the same in every case: {shown}."


_ARRANGEMENTS: dict[str, Callable[[Any], Any]] = {
    "rotated by 180 degrees": lambda a: a[..., ::-1, ::-1],
    "turned upside down": lambda a: a[..., ::-1, :],
    "flipped left to right": lambda a: a[..., ::-1],
    "transposed": lambda a: np.swapaxes(a, -1, -2),
    "with its first two axes swapped": lambda a: np.swapaxes(a, 0, 1),
}


def _arrangement(facts: _Facts) -> Iterator[str]:
    failed = facts.failed
    if all(trial.expected.ndim > 1 for trial in failed):
        arrangements = {**_ARRANGEMENTS, **{words: _shifted(*by) for words, by in _shifts()}}
        for words, arranged in arrangements.items():
            if all(agree(trial.actual, arranged(trial.expected), trial.tolerance) for trial in failed):
                yield f"It is the right gradient {words}."
                return
    if all(_same_numbers(trial) for trial in failed) and any(trial.expected.size > 1 for trial in failed):
        yield "It has the right numbers, but in other places."


def _shifts() -> Iterator[tuple[str, tuple[int, int]]]:
    steps = range(-FARTHEST, FARTHEST + 1)
    for rows, columns in sorted(product(steps, steps), key=lambda by: abs(by[0]) + abs(by[1])):
        said = [_steps(rows, "row", "down", "up")] if rows else []
        said += [_steps(columns, "column", "to the right", "to the left")] if columns else []
        if said:
            yield f"shifted by {' and '.join(said)}", (rows, columns)


def _steps(by: int, unit: str, forward: str, back: str) -> str:
    return f"{abs(by)} {unit}{'s' * (abs(by) > 1)} {forward if by > 0 else back}"


def _shifted(rows: int, columns: int) -> Callable[[Any], Any]:
    """Moves a matrix; what comes in is zero."""

    def shifted(array: Any) -> Any:
        moved = 0 * array
        height, width = array.shape[-2:]
        if abs(rows) < height and abs(columns) < width:
            into, out = _overlap(rows, height), _overlap(-rows, height)
            into_columns, out_columns = _overlap(columns, width), _overlap(-columns, width)
            moved[..., into, into_columns] = array[..., out, out_columns]
        return moved

    return shifted


def _overlap(by: int, length: int) -> slice:
    return slice(max(by, 0), length + min(by, 0))


def _same_numbers(trial: Trial) -> bool:
    try:
        pairs = zip(sorted(trial.actual.flat), sorted(trial.expected.flat), strict=True)
        return all(abs(a - b) <= trial.tolerance for a, b in pairs)
    except TypeError:  # symbols have no order
        return False


def _conditions(facts: _Facts) -> list[str]:
    """Where the rule is right: what all those trials share; first what none of the others has."""
    exact, partial = [], []
    for words, holds in predicates(facts.trials, facts.known):
        inside = [trial for trial in facts.trials if holds(trial)]
        outside = [trial for trial in facts.trials if not holds(trial)]
        if len(inside) < FEWEST or not outside or not all(trial.passed for trial in inside):
            continue
        wrong = sum(not trial.passed for trial in outside)
        if wrong == len(outside):
            exact.append(f"It is right {words}, and wrong in every other case.")
        else:
            sentence = f"It is right {words}, and wrong in {wrong} of the {len(outside)} other cases."
            partial.append((len(inside), sentence))
    partial.sort(key=lambda found: -found[0])
    return exact[:1] or [sentence for _, sentence in partial[:2]]


def _parts(facts: _Facts) -> Iterator[str]:
    """Right for one image, channel or filter and wrong for others."""
    shape = np.shape(facts.own(facts.failed[0], facts.failed[0].wrong))
    names = axis_names(facts.known, facts.operand, len(shape))
    for axis in range(len(shape)):
        masks = [np.moveaxis(facts.own(trial, trial.wrong), axis, 0) for trial in facts.failed]
        if names[axis] not in PARTS or any(len(mask) < 2 for mask in masks):
            continue
        first, last = ("first", np.s_[:1], np.s_[1:]), ("last", np.s_[-1:], np.s_[:-1])
        for where, _, others in (first, last):
            # Of two parts it is said which one is right.
            if not any(mask[others].any() for mask in masks) and any(len(mask) > 2 for mask in masks):
                yield f"It is wrong for the {where} {names[axis]} only."
                return
        for where, part, others in (first, last):
            if not any(mask[part].any() for mask in masks) and all(mask[others].any() for mask in masks):
                yield f"It is right for the {where} {names[axis]}, and wrong for others."
                return


def _border(facts: _Facts) -> Iterator[str]:
    wrong = [facts.own(trial, trial.wrong) for trial in facts.failed]
    if any(mask.ndim < 2 for mask in wrong):
        return
    inner = [mask[..., 1:-1, 1:-1] for mask in wrong]
    if not any(part.size for part in inner) or any(part.any() for part in inner):
        return
    sides: dict[str, Callable[[Any], Any]] = {
        "top": lambda mask: mask[..., 0, :],
        "bottom": lambda mask: mask[..., -1, :],
        "left": lambda mask: mask[..., 0],
        "right": lambda mask: mask[..., -1],
    }
    alone = [side for side, edge in sides.items() if all(edge(mask).sum() == mask.sum() for mask in wrong)]
    if alone:
        line = {"top": "first row", "bottom": "last row", "left": "first column", "right": "last column"}[alone[0]]
        yield f"It is wrong in the {line} only."
    else:
        yield "It is right in the interior, and wrong only at the border."


def _unwritten(facts: _Facts) -> Iterator[str]:
    wrong = [np.asarray(trial.actual[trial.wrong], dtype=bool) for trial in facts.failed]
    if not any(entries.any() for entries in wrong) and all((t.actual != 0).any() for t in facts.failed):
        yield "Its wrong entries are all 0, as if nothing had been added there."


def _offset(facts: _Facts) -> Iterator[str]:
    if all(trial.expected.size == 1 for trial in facts.failed):
        return
    differences = [(trial.difference, trial.tolerance) for trial in facts.failed]
    if all(agree(d, np.full_like(d, d.flat[0]), tolerance) for d, tolerance in differences):
        yield "In each case every entry is off by the same amount."


def _signs(facts: _Facts) -> Iterator[str]:
    if all(agree(abs(t.actual), abs(t.expected), t.tolerance) for t in facts.failed):
        yield "Its entries have the right size, but some have the wrong sign."


def _sums(facts: _Facts) -> Iterator[str]:
    if any(trial.expected.size > 1 for trial in facts.failed) and all(
        agree(np.asarray(t.actual.sum()), np.asarray(t.expected.sum()), t.tolerance * t.expected.size)
        for t in facts.failed
    ):
        yield "Its entries have the right sum: a checker that compares sums or means would let it pass."

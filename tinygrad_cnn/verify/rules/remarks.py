"""What can be said of a wrong rule that no mistake of the catalogue explains; each sentence holds in every trial."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_cnn.verify.excerpt import number
from tinygrad_cnn.verify.rules.cases import Known
from tinygrad_cnn.verify.rules.trials import Trial, agree

MOST = 3
"""So many sentences are told, the most telling first."""


def remarks(name: str, trials: list[Trial], known: Known | None = None) -> list[str]:
    """Sentences on where the rule is right and where it is wrong."""
    with_arrays = [trial for trial in trials if trial.actual is not None]
    failed = [trial for trial in with_arrays if not trial.passed]
    if not failed:
        return []
    found: list[str] = []
    for look in (_shapes, _not_a_number, _cut_off, _factor, _arrangement, _conditions, _border, _offset, _sums, _signs):
        found += look(name, with_arrays, failed)
    return ["No mistake in the catalogue explains it.", *found[:MOST]]


def _shapes(name: str, trials: list[Trial], failed: list[Trial]) -> Iterator[str]:
    wrong = [trial for trial in failed if trial.wrong is None]
    if wrong:
        trial = min(wrong, key=lambda t: t.expected.size)
        often = "always" if len(wrong) == len(trials) else f"in {len(wrong)} of {len(trials)} cases"
        yield f"Its shape is wrong {often}: {trial.actual.shape} where {name} has {trial.expected.shape}, for instance."


def _of_right_shape(failed: list[Trial]) -> list[Trial]:
    return [trial for trial in failed if trial.wrong is not None]


def _not_a_number(name: str, trials: list[Trial], failed: list[Trial]) -> Iterator[str]:
    if any(bool((trial.actual != trial.actual).any()) for trial in failed):
        yield "It holds NaN, which comes of 0/0 or of an overflow."


def _cut_off(name: str, trials: list[Trial], failed: list[Trial]) -> Iterator[str]:
    shaped = _of_right_shape(failed)
    if shaped and all(t.actual.dtype.kind in "iu" or _are_integers(t.actual) for t in trials):
        if all(agree(t.actual, np.frompyfunc(int, 1, 1)(t.expected), 0) for t in shaped):
            yield "It is the right gradient with the decimals cut off: an array of integers can't hold them."


def _are_integers(array: Any) -> bool:
    return all(value % 1 == 0 for value in array.flat)


def _factor(name: str, trials: list[Trial], failed: list[Trial]) -> Iterator[str]:
    factors = []
    for trial in failed:
        if trial.wrong is None or not (trial.expected != 0).any():
            return
        at = tuple(np.argwhere(trial.expected != 0)[0])
        factor = trial.actual[at] / trial.expected[at]
        if factor == 0 or not agree(trial.actual, factor * trial.expected, trial.tolerance):
            return
        factors.append(factor)
    different = list(dict.fromkeys(number(factor) for factor in factors))
    shown = ", ".join(different[:4]) + (", ..." if len(different) > 4 else "")
    yield f"It is right up to a factor, which is not the same in every case: {shown}."


_ARRANGEMENTS: dict[str, Callable[[Any], Any]] = {
    "rotated by 180 degrees": lambda a: a[..., ::-1, ::-1],
    "upside down": lambda a: a[..., ::-1, :],
    "flipped left to right": lambda a: a[..., ::-1],
    "transposed": lambda a: np.swapaxes(a, -1, -2),
    "with the first two axes swapped": lambda a: np.swapaxes(a, 0, 1),
}


def _arrangement(name: str, trials: list[Trial], failed: list[Trial]) -> Iterator[str]:
    if all(trial.expected.ndim > 1 for trial in failed):
        for words, arranged in _ARRANGEMENTS.items():
            if all(agree(trial.actual, arranged(trial.expected), trial.tolerance) for trial in failed):
                yield f"It is the right gradient {words}."
                return
    shaped = _of_right_shape(failed)
    if shaped and len(shaped) == len(failed) and all(_same_numbers(trial) for trial in shaped):
        yield "It has the right numbers, but in other places."


def _same_numbers(trial: Trial) -> bool:
    try:
        pairs = zip(sorted(trial.actual.flat), sorted(trial.expected.flat), strict=True)
        return all(abs(a - b) <= trial.tolerance for a, b in pairs)
    except TypeError:  # symbols have no order
        return False


def _conditions(name: str, trials: list[Trial], failed: list[Trial]) -> Iterator[str]:
    """Where the rule is right: what all those cases share, and none, or not all, of the others."""
    for words, holds in _predicates(trials):
        inside = [trial for trial in trials if holds(trial)]
        outside = [trial for trial in trials if not holds(trial)]
        if not inside or not outside or not all(trial.passed for trial in inside):
            continue
        wrong = sum(not trial.passed for trial in outside)
        if wrong == len(outside):
            yield f"It is right {words}, and wrong in every other case."
        else:
            yield f"It is right {words}, and wrong in {wrong} of the {len(outside)} other cases."


def _predicates(trials: list[Trial]) -> Iterator[tuple[str, Callable[[Trial], bool]]]:
    for option in dict.fromkeys(name for trial in trials for name in trial.point.case.options):
        values = [_option(trial, option) for trial in trials]
        if any(isinstance(value, np.ndarray) for value in values):  # labels, not an option
            continue
        plain = next((v for v in (0, 1) if v in values), None)
        if plain is not None and any(v != plain for v in values):
            words = f"without {option}" if plain == 0 else f"for {option} {plain}"
            yield words, lambda t, option=option, plain=plain: _option(t, option) == plain
    names = [name for name in trials[0].point.case.shapes if trials[0].point.case.shapes[name]]
    for name in names:
        ndim = len(trials[0].point.case.shapes[name])
        if any(len(trial.point.case.shapes.get(name, ())) != ndim for trial in trials):
            continue
        for axis in range(ndim):
            words = f"where axis {axis} of {name} has one entry"
            yield words, lambda t, name=name, axis=axis: t.point.case.shapes[name][axis] == 1
        if ndim > 1:
            words = f"where {name} is square"
            yield words, lambda t, name=name: t.point.case.shapes[name][-1] == t.point.case.shapes[name][-2]


def _option(trial: Trial, name: str) -> Any:
    return trial.point.constants.get(name)


def _border(name: str, trials: list[Trial], failed: list[Trial]) -> Iterator[str]:
    shaped = [trial for trial in failed if trial.wrong is not None and trial.wrong.ndim > 1]
    inner = [trial.wrong[..., 1:-1, 1:-1] for trial in shaped]
    if not shaped or len(shaped) < len(failed) or not any(part.size for part in inner):
        return
    if not any(part.any() for part in inner):
        sides = {
            "top": lambda w: w[..., 0, :],
            "bottom": lambda w: w[..., -1, :],
            "left": lambda w: w[..., 0],
            "right": lambda w: w[..., -1],
        }
        touched = [side for side, edge in sides.items() if any(edge(trial.wrong).any() for trial in shaped)]
        where = "border" if len(touched) == 4 else f"{' and '.join(touched)} border"
        yield f"It is right in the interior, and wrong only at the {where}."


def _offset(name: str, trials: list[Trial], failed: list[Trial]) -> Iterator[str]:
    shaped = _of_right_shape(failed)
    if len(shaped) < len(failed) or all(trial.expected.size == 1 for trial in shaped):
        return
    differences = [(trial.difference, trial.tolerance) for trial in shaped]
    if all(agree(d, np.full_like(d, d.flat[0]), tolerance) for d, tolerance in differences):
        yield "In each case every entry is off by the same amount."


def _sums(name: str, trials: list[Trial], failed: list[Trial]) -> Iterator[str]:
    if all(trial.actual.size for trial in failed) and any(trial.expected.size > 1 for trial in failed):
        if all(abs(t.actual.sum() - t.expected.sum()) <= t.tolerance * t.expected.size for t in failed):
            yield "Its entries have the right sum: a checker that compares sums or means would let it pass."


def _signs(name: str, trials: list[Trial], failed: list[Trial]) -> Iterator[str]:
    shaped = _of_right_shape(failed)
    if len(shaped) == len(failed) and all(agree(abs(t.actual), abs(t.expected), t.tolerance) for t in shaped):
        yield "Its entries have the right magnitude, and some the wrong sign."

"""The smallest case where a rule fails: smaller shapes and plainer options first, then plainer numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from tinygrad_cnn.verify.catalogue.operation import Case
from tinygrad_cnn.verify.rules.cases import Known, converted
from tinygrad_cnn.verify.rules.trials import Point, Points, Rule, Trial, has_value_of

MOST_ATTEMPTS = 300
"""So many smaller cases are tried."""


def smallest(
    rule: Rule,
    points: Points,
    known: Known | None,
    arithmetic: str,
    failed: list[Trial],
    is_telling: Callable[[Trial], bool],
) -> Trial:
    """The smallest failing trial that is found, starting from the smallest that is known.

    Where one of the failures is telling, it is. Beyond that a case is not made so small that it says less: a gradient
    that is a matrix keeps two entries, and what the rule gives is not empty.
    """
    best = min(
        failed,
        key=lambda t: (
            t.problem is not None,
            not is_telling(t),
            t.wrong is None,
            t.point.on_kink,
            t.point.case.data == "fractions",
            t.point.case.size,
        ),
    )
    search = _Search(rule, points, known, arithmetic, is_telling if is_telling(best) else lambda trial: True)
    return search.plainer(search.smaller(best))


class _Search:
    def __init__(
        self, rule: Rule, points: Points, known: Known | None, arithmetic: str, is_telling: Callable[[Trial], bool]
    ) -> None:
        self._rule, self._points, self._known, self._arithmetic = rule, points, known, arithmetic
        self._is_telling = is_telling
        self._attempts = 0

    def smaller(self, trial: Trial) -> Trial:
        """Cut shapes and options down, one step at a time, while the rule still fails."""
        progress = True
        while progress:
            progress = False
            for case in _smaller_cases(trial.point.case, self._known):
                found = self._failing(partial(self._points.draw, case), like=trial)
                if found is not None:
                    trial, progress = found, True
                    break
        return trial

    def plainer(self, trial: Trial) -> Trial:
        """Replace the numbers by plain ones: 1, 2, 3, ... for the operands; ones for the upstream gradient."""
        case = trial.point.case
        self._attempts = 0
        if self._arithmetic == "symbolic":
            return trial
        fills: list[_Fill] = [_kept]
        if not case.given:
            fills = [_ranked, _kept]
            if case.data == "distinct":
                fills = [_counting, *_LATER, _alternating, *fills]
        for fill in fills:
            for upstream in (_ones, _counting, *_LATER, _ranked):

                def point(fill: _Fill = fill, upstream: _Fill = upstream) -> Point:
                    arrays = {name: self._filled(trial.point, name, fill) for name in case.shapes}
                    return self._points.at(case, arrays, lambda shape: self._converted(upstream(trial.point.dz)))

                found = self._failing(point, like=trial)
                if found is not None:
                    return found
        return trial

    def _filled(self, point: Point, name: str, fill: _Fill) -> Any:
        """An operand's numbers replaced, unless they are drawn in a way of their own or have no gradient."""
        drawn = self._known.operation.draws if self._known else {}
        own = self._known.names.get(name) if self._known else None
        if own in drawn or name not in point.operands:
            return point.arguments[name]
        return self._converted(fill(point.operands[name]))

    def _converted(self, array: Any) -> Any:
        return converted(array, self._arithmetic)

    def _failing(self, make: Callable[[], Point], like: Trial) -> Trial | None:
        """The trial at the point, if the rule fails there in the same way; a case that makes no sense does not."""
        if self._attempts >= MOST_ATTEMPTS:
            return None
        self._attempts += 1
        try:
            trial = self._rule.trial(make())
        except Exception:  # the forward has no such case
            return None
        if self._known and not has_value_of(self._known, trial.point):
            return None
        if trial.passed or (trial.point.on_kink and not like.point.on_kink) or _says_less(trial, like):
            return None
        same_kind = (trial.problem is None) == (like.problem is None) and (trial.wrong is None) == (like.wrong is None)
        return trial if same_kind and self._is_telling(trial) else None


def _says_less(trial: Trial, like: Trial) -> bool:
    """Whether a trial is too small: of a matrix one entry is left, or what came is empty, where it was not before."""
    single = trial.expected.ndim > 1 and trial.expected.size < 2 <= like.expected.size
    empty = trial.actual is not None and like.actual is not None and trial.actual.size == 0 < like.actual.size
    return bool(single or empty)


_Fill = Callable[[Any], Any]


def _ones(array: Any) -> Any:
    return np.ones(array.shape, dtype=int)


def _counting(array: Any, first: int = 1) -> Any:
    return ((np.arange(array.size) + first - 1) % 9 + 1).reshape(array.shape)


_LATER = (partial(_counting, first=2), partial(_counting, first=3))
"""Where a 1 would hide something, and a 2 be taken for the number of something."""


def _alternating(array: Any) -> Any:
    """-1, 2, -3, 4: where the signs matter."""
    numbers = _counting(array)
    return np.where(numbers % 2, -numbers, numbers)


def _ranked(array: Any) -> Any:
    """The smallest integers with the same signs and the same order: where both matter."""
    values = set(array.flat)
    ranks = {value: rank for rank, value in enumerate(sorted(v for v in values if v > 0), 1)}
    ranks |= {value: -rank for rank, value in enumerate(sorted((v for v in values if v < 0), reverse=True), 1)}
    return np.array([ranks.get(value, 0) for value in array.flat], dtype=int).reshape(array.shape)


def _kept(array: Any) -> Any:
    return array


def _smaller_cases(case: Case, known: Known | None) -> Iterator[Case]:
    """Cases one step smaller: the axes of one length cut together, or each alone; an option nearer to its default."""
    if case.given:
        return
    defaults = known.operation.defaults if known else {}
    for name, value in case.options.items():
        own = known.names.get(name, name) if known else name
        for other in _plainer_options(value, defaults.get(own)):
            options = {**case.options, name: other}
            yield replace(case, options=options)
    axes = [(name, i) for name, shape in case.shapes.items() for i, n in enumerate(shape) if n > 1]
    for count in (1, 2, 3):
        for chosen in combinations(axes, count):
            lengths = {case.shapes[name][i] for name, i in chosen}
            if count > 1 and len(lengths) > 1:
                continue
            for length in {1, *(n - 1 for n in lengths)}:
                yield replace(case, shapes=_cut(case.shapes, chosen, length))


def _cut(shapes: Mapping[str, Any], chosen: Any, length: int) -> dict[str, Any]:
    cut = {name: list(shape) for name, shape in shapes.items()}
    for name, i in chosen:
        cut[name][i] = length
    return {name: tuple(shape) for name, shape in cut.items()}


def _plainer_options(value: Any, default: Any) -> Iterator[Any]:
    if isinstance(value, np.ndarray) or value == default:
        return
    if isinstance(default, int):
        yield default
    if isinstance(value, int) and not isinstance(value, bool) and value > 1 and value - 1 != default:
        yield value - 1
    elif isinstance(value, tuple) and value:
        yield value[0]
        yield value[-1]

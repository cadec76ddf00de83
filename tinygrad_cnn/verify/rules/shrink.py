"""The smallest case where a rule fails: smaller shapes and plainer options first, then plainer numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
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
    """The smallest failing trial that is found, and that is telling, starting from the smallest that is known."""
    best = min(
        failed,
        key=lambda t: (t.problem is not None, not is_telling(t), t.wrong is None, t.point.on_kink, t.point.case.size),
    )
    search = _Search(rule, points, known, arithmetic, is_telling)
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
                found = self._failing(lambda case=case: self._points.draw(case), like=trial)
                if found is not None:
                    trial, progress = found, True
                    break
        return trial

    def plainer(self, trial: Trial) -> Trial:
        """Replace the numbers by plain ones: 1, 2, 3, ...; ones for the upstream gradient."""
        case = trial.point.case
        self._attempts = 0
        if self._arithmetic == "symbolic":
            return trial
        for fill in (_ones, _counting):
            for first in (1, 2):
                def point(fill: Any = fill, first: int = first) -> Point:
                    arrays = self._plain_arrays(trial.point, first)
                    return self._points.at(case, arrays, lambda shape: self._converted(fill(shape)))

                if case.data == "distinct" and not case.given:
                    found = self._failing(point, like=trial)
                    if found is not None:
                        return found
        def same_operands() -> Point:
            arrays = {name: trial.point.arguments[name] for name in case.shapes}
            return self._points.at(case, arrays, lambda shape: self._converted(_ones(shape)))

        return self._failing(same_operands, like=trial) or trial

    def _plain_arrays(self, point: Point, first: int) -> dict[str, Any]:
        drawn = self._known.operation.draws if self._known else {}
        arrays = {}
        for name in point.case.shapes:
            own = self._known.names.get(name) if self._known else None
            if own in drawn or name not in point.operands:
                arrays[name] = point.arguments[name]
            else:
                arrays[name] = self._converted(_counting(point.case.shapes[name], first))
        return arrays

    def _converted(self, array: Any) -> Any:
        return converted(array, self._arithmetic)

    def _failing(self, make: Callable[[], Point], like: Trial) -> Trial | None:
        """The trial at the point, if the rule fails there in the same way; a case that makes no sense does not."""
        if self._attempts >= MOST_ATTEMPTS:
            return None
        self._attempts += 1
        try:
            point = make()
        except Exception:  # the forward has no such case
            return None
        if self._known and self._known.is_confirmed and not has_value_of(self._known, point):
            return None
        trial = self._rule.trial(point)
        if trial.passed or (trial.point.on_kink and not like.point.on_kink):
            return None
        same_kind = (trial.problem is None) == (like.problem is None) and (trial.wrong is None) == (like.wrong is None)
        return trial if same_kind and self._is_telling(trial) else None


def _ones(shape: Any) -> Any:
    return np.ones(shape, dtype=int)


def _counting(shape: Any, first: int = 1) -> Any:
    count = int(np.prod(shape))
    return ((np.arange(count) + first - 1) % 9 + 1).reshape(shape)


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

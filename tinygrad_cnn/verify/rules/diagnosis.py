"""Which mistake it is: the right rule is altered as the catalogue says, once or twice, until it gives what came in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from tinygrad_cnn.verify.catalogue import generic
from tinygrad_cnn.verify.catalogue.operation import Mistake
from tinygrad_cnn.verify.excerpt import number
from tinygrad_cnn.verify.report import largest
from tinygrad_cnn.verify.rules.cases import Known, as_fractions
from tinygrad_cnn.verify.rules.result import Diagnosis
from tinygrad_cnn.verify.rules.trials import TOLERANCE, Point, Trial, agree, as_floats


@dataclass(frozen=True)
class _Suspect:
    """The right rule with mistakes in it."""

    mistakes: tuple[Mistake, ...]
    each: tuple[Mapping[str, Any], ...] = ()

    @property
    def changes(self) -> dict[str, Any]:
        """The keywords of all mistakes."""
        return {name: value for changes in self.each for name, value in changes.items()}

    def joined(self, other: _Suspect) -> _Suspect | None:
        """Both at once; None where they are one mistake, or alter the same step."""
        if self.mistakes[0].name == other.mistakes[0].name or set(self.changes) & set(other.changes):
            return None
        return _Suspect(self.mistakes + other.mistakes, self.each + other.each)

    def parts(self) -> list[_Suspect]:
        """Each mistake alone."""
        return [_Suspect((mistake,), (changes,)) for mistake, changes in zip(self.mistakes, self.each, strict=True)]


def _in_floats(trial: Trial, name: str) -> Trial:
    """The trial with float64 in place of fractions; symbols stay."""
    point = trial.point
    try:
        own = None if point.own is None else {key: as_floats(value) for key, value in point.own.items()}
        accepted = {name: [as_floats(gradient) for gradient in point.accepted[name]]}
        point = replace(point, dz=as_floats(point.dz), z=as_floats(point.z), accepted=accepted, own=own)
        actual, expected = as_floats(trial.actual), as_floats(trial.expected)
    except (TypeError, OverflowError):
        return trial
    tolerance = max(trial.tolerance, TOLERANCE * max(1.0, float(largest(expected)), float(largest(actual))))
    return replace(trial, point=point, actual=actual, expected=expected, tolerance=tolerance)


class Detective:
    """Looks for the mistake in the trials of one rule."""

    def __init__(self, name: str, label: str, known: Known | None, trials: list[Trial]) -> None:
        self._name, self._label = name, label
        self._known = known
        self._own = self._known.names[name] if self._known else name
        # Failures first, the small ones before: most suspects are cleared by the first trial.
        self._trials = sorted(
            (t for t in trials if t.actual is not None and not t.point.on_kink),
            key=lambda t: (t.passed, t.point.case.size),
        )
        # Hundreds of suspects are looked at in floats, and the one that is left then in fractions.
        self._in_floats = [_in_floats(trial, name) for trial in self._trials]
        conventions = self._known.operation.conventions if self._known else ()
        self._conventions: tuple[Mapping[str, Any], ...] = ({}, *conventions)
        self._found: _Suspect | None = None
        self._cleared: list[_Suspect] = []

    def is_shown_by(self, trial: Trial) -> bool:
        """Whether a trial shows what was found: no other mistake of the catalogue alone would give what came there."""
        found = self._found
        if found is None or trial.actual is None:
            return True
        if len(found.mistakes) > 1:
            if not self._trials_agree(found, trial):
                return False
            rivals = [*found.parts(), *self._cleared]
        else:
            rivals = [suspect for suspect in self._cleared if suspect.mistakes[0].name != found.mistakes[0].name]
        trial = _in_floats(trial, self._name)
        return not any(self._trials_agree(rival, trial) for rival in rivals)

    def _trials_agree(self, suspect: _Suspect, trial: Trial) -> bool:
        made = (self._made(suspect, trial.point, convention) for convention in self._conventions)
        return any(m is not None and agree(trial.actual, m, trial.tolerance) for m in made)

    def diagnosis(self) -> Diagnosis | None:
        """The simplest explanation that holds in every trial: one mistake before two, exact before partial."""
        if not self._trials or self._trials[0].passed:
            return None
        singles = list(self._singles())
        best: tuple[Any, _Suspect] | None = None
        for suspect in singles:
            found = self._unclear(suspect, self._in_floats)
            if found is None:
                self._cleared.append(suspect)
            else:
                best = self._better(best, suspect, found)
        if best is None and (factor := self._factor(_Suspect(()))):
            return self._told(factor)
        if best is None or best[0][0] or best[0][2]:
            for one, other in combinations(singles, 2):
                if (joined := one.joined(other)) and (found := self._unclear(joined, self._in_floats)):
                    best = self._better(best, joined, found)
        if best is None:
            for suspect in singles:
                if suspect.mistakes[0].name != generic.SIGN.name and (factor := self._factor(suspect)):
                    return self._told(factor)
        return None if best is None or self._unclear(best[1], self._trials) is None else self._told(best[1])

    def _singles(self) -> Iterator[_Suspect]:
        if self._known:
            for mistake in self._known.operation.mistakes:
                if mistake.concerns(self._own):
                    for changes in mistake.changes:
                        yield _Suspect((mistake,), (changes,))
        for mistake in generic.MISTAKES:
            yield _Suspect((mistake,), ({},))

    @staticmethod
    def _better(
        best: tuple[Any, _Suspect] | None, suspect: _Suspect, found: tuple[int, int]
    ) -> tuple[Any, _Suspect] | None:
        unclear, hits = found
        rank = (unclear > hits, len(suspect.mistakes), unclear, len(suspect.changes))
        return (rank, suspect) if best is None or rank < best[0] else best

    def _unclear(self, suspect: _Suspect, trials: list[Trial]) -> tuple[int, int] | None:
        """In how many failures the suspect says nothing of what came, and in how many it gives just that.

        None if one trial clears it, or none accuses it.
        """
        best = None
        for convention in self._conventions:
            found = self._unclear_by(suspect, convention, trials)
            if found is not None and (best is None or found < best):
                best = found
        return best

    def _unclear_by(
        self, suspect: _Suspect, convention: Mapping[str, Any], trials: list[Trial]
    ) -> tuple[int, int] | None:
        unclear = hits = 0
        for trial in trials:
            made = self._made(suspect, trial.point, convention)
            if made is not None and agree(trial.actual, made, trial.tolerance):
                hits += not trial.passed
            elif trial.passed:
                if made is not None:
                    return None
            elif made is None or (trial.wrong is None and made.shape != trial.expected.shape):
                unclear += 1  # a wrong shape either way
            else:
                return None
        return (unclear, hits) if hits else None

    def _made(self, suspect: _Suspect, point: Point, convention: Mapping[str, Any]) -> Any:
        """What the rule with these mistakes gives; None where it gives nothing."""
        known = self._known
        try:
            if known is None:
                if suspect.changes:
                    return None
                made, inputs = point.accepted[self._name][0], {"z": np.asarray(point.z)}
            else:
                assert point.own is not None
                inputs = dict(point.own)
                dz = known.layout.inward("z", np.asarray(point.dz))
                made = known.operation.rules[self._own](dz, inputs, **{**convention, **suspect.changes})
            for mistake in suspect.mistakes:
                if made is not None and mistake.then:
                    made = mistake.then(np.asarray(made), inputs)
            if made is None:
                return None
            made = np.asarray(made)
            if known and made.ndim >= known.layout.dropped.get(self._own, 0):
                made = np.asarray(known.layout.outward(self._own, made))
            is_number = made.size == 1 and not point.accepted[self._name][0].shape
            return made.reshape(()) if is_number else made  # as the rule's own result is read
        except (ArithmeticError, IndexError, TypeError, ValueError):  # the altered rule makes no sense here
            return None

    def _factor(self, suspect: _Suspect) -> _Suspect | None:
        """The suspect with a factor on top that is the same in all trials."""
        factor = None
        for trial in self._trials:
            made = self._made(suspect, trial.point, {})
            if made is None or made.shape != trial.actual.shape:
                return None
            if factor is None:
                where = np.argwhere(made != 0)
                if not len(where):
                    continue
                at = tuple(where[0])
                factor = trial.actual[at] / made[at]
                if hasattr(factor, "simplify"):
                    factor = factor.simplify()
                if factor in (0, 1, -1) or getattr(factor, "free_symbols", None):
                    return None
            tolerance = trial.tolerance * max(1.0, abs(float(factor))) if trial.tolerance else 0
            if not agree(trial.actual, np.asarray(factor * made), tolerance):
                return None
        if factor is None:
            return None
        shown = number(as_fractions(np.round(float(factor), 6))[()] if trial.tolerance else factor)
        exactly = factor
        mistake = replace(
            generic.FACTOR,
            explanation=f"Every entry is {shown} times what it should be.",
            then=lambda gradient, inputs: exactly * gradient,
        )
        return _Suspect((*suspect.mistakes, mistake), (*suspect.each, {}))

    def _told(self, found: _Suspect) -> Diagnosis:
        self._found, mistakes = found, found.mistakes
        formula = self._known.operation.formulas.get(self._own) if self._known else None
        count = "this mistake" if len(mistakes) == 1 else "these two mistakes"
        sentences = [f"Your {self._label} equals the rule with {count}.", *(m.explanation for m in mistakes)]
        if formula and formula.startswith("("):
            sentences.append(f"See formula {formula.partition(' ')[0]}.")
        return Diagnosis(" + ".join(m.name for m in mistakes), " ".join(sentences), mistakes)

"""gradcheck: the engine's gradients of any function against numerical ones, first quickly, then element by element."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from tinygrad_cnn.tensor import Tensor
from tinygrad_cnn.verify.complex_step import STEP
from tinygrad_cnn.verify.excerpt import number
from tinygrad_cnn.verify.kinks import origins
from tinygrad_cnn.verify.report import Check, Report, to_json_types
from tinygrad_cnn.verify.slopes import Slope
from tinygrad_cnn.verify.subject import EPS, Arguments, Subject

ARITHMETICS = ("auto", "complex", "float64")
MOST_ELEMENTS = 2000
"""Of a larger input, that many elements are compared one by one."""
MOST_KINKS = 5
"""So many kinks are described in a report's text."""
MOST_ORIGINS = 100
"""Of so many kinks the operation is looked for, which takes longer than the check itself."""


@dataclass(frozen=True)
class Kink:
    """An element where the function has a kink.

    Attributes:
        index: the element.
        below, above: the one-sided slopes.
        low, high: the interval of valid subgradients. It is wider than from one slope to the other where several
            outputs have kinks of opposite sign.
        gradient: what the engine says.
        origins: the operations that have the kink, each with its place: "relu at 0"; empty where none was found, or
            there are more than 100 kinks before it.
    """

    index: tuple[int, ...]
    below: float
    above: float
    low: float
    high: float
    gradient: float
    origins: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [
            *self.origins,
            f"slope {number(self.below)} below, {number(self.above)} above",
            f"valid subgradients {number(self.low)} to {number(self.high)}",
            f"the gradient is {number(self.gradient)}",
        ]
        return f"kink{f' at {_at(self.index)}' if self.index else ''}: {'; '.join(parts)}"


@dataclass(frozen=True, eq=False)
class GradientCheck(Check):
    """The gradient of one input. After the quick check `expected` and `actual` are slopes along a random direction,
    after the slow one the numerical and the engine's gradient, of the input's shape.

    Attributes:
        kinks: the elements where the function has a kink; `expected` is there the subgradient nearest to `actual`.
    """

    kinks: tuple[Kink, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As `Check.to_dict`, with the kinks."""
        return super().to_dict() | {"kinks": [to_json_types(asdict(kink)) for kink in self.kinks]}


def gradcheck(
    function: Callable[..., Any],
    inputs: Any,
    order: int = 1,
    arithmetic: str = "auto",
    tolerance: float | None = None,
    seed: int = 0,
    dtype: Any = None,
) -> Report:
    """Check the gradient of a function of tensors against its numerical one, at the inputs' values.

    The gradient of sum(w * outputs), with random integers w as the upstream gradient, is compared along one random
    direction for each input. Where that fails, or shows a kink, every element is compared on its own and reported.
    A gradient that is wrong by less than the tolerance, relative to the input's whole gradient, is not seen. Take
    inputs of ordinary size: where a function saturates, its differences show rounding alone.

    At a kink every number between the two one-sided slopes is a subgradient: the report says "the function has a kink
    here: relu at 0", gives both slopes and the interval, and passes a gradient within it. Where equal elements moved
    together make no kink, as the elements tied in a maximum, the gradient must give their common slope. Of a function
    in which several kinks meet on the way to one output, a backward walk may give what is no subgradient at all.

    Args:
        function: of tensors, giving a tensor or several. Outputs of an integer dtype do not count; nor do those without
            a graph, while another has one.
        inputs: a tensor or a sequence. Those with `requires_grad` are checked, on float64 copies; everything else is
            handed to the function as it is. Nothing is changed, no `.grad` is touched.
        order: 2 checks the gradient of the gradient too, in the inputs and in the upstream gradient; and so on.
        arithmetic: "complex" takes the complex step (hardly any rounding error, for functions that continue to complex
            numbers; it computes on objects, slowly), "float64" central differences, "auto" the first where it can.
        tolerance: the largest relative error; None means half of the digits (sqrt eps) for the complex step, a third
            (cube root of eps) for differences. What rounding may have done is added, and the sum is in the report.
        seed: of upstream gradient and directions.
        dtype: a floating-point dtype in which the gradients are computed too, at the inputs' values rounded to it, and
            held against those in float64. They may be off by half of the digits (sqrt eps: float32 3.5e-4, float16
            0.031) of the largest entry, beside what rounding does to the outputs.

    Returns:
        A `Report` with a check for each input, by the name of the function's parameter: "x", for the second order
        "x, order 2" and "dz, order 2", with a dtype "x in float32" after each. Step, method and tolerance are among
        its facts.

    Raises:
        ValueError: no input that requires a gradient; inputs or outputs that are not finite; outputs that change from
            call to call; an order below 1; an unknown arithmetic, or "complex" for a function that has no complex step;
            a dtype that is no floating-point one, or does not hold the inputs.
        TypeError: not a function, or one that gives something other than tensors.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[0.5, -2.0], [1.0, 3.0]], requires_grad=True)
    >>> bool(gradcheck(tg.tanh, x, order=2))
    True
    >>> from tinygrad_cnn.engine import primitive
    >>> @primitive(x=lambda dz, x: dz * x)
    ... def square(x):
    ...     return x * x
    >>> gradcheck(square, x)["x"].message
    '4 of 4 entries are wrong, by up to 12'
    """
    if order < 1:
        raise ValueError(f"gradcheck: order must be at least 1 but is {order}")
    if arithmetic not in ARITHMETICS:
        raise ValueError(f"gradcheck: arithmetic must be one of {', '.join(ARITHMETICS)} but is {arithmetic!r}")
    other = None if dtype is None else np.dtype(dtype)
    if other is not None and other.kind != "f":
        raise ValueError(f"gradcheck: dtype must be a floating-point one but is {other}")
    arguments = Arguments(function, inputs, other or np.float64)
    notes = [f"checked on float64 copies: {', '.join(arguments.casts)}"] if arguments.casts else []
    if arguments.rounded:
        notes.append(f"checked at values rounded to {other}: {', '.join(arguments.rounded)}")
    names, devices = list(arguments.names), list(arguments.devices)
    rng = np.random.default_rng(seed)
    subject = Subject(arguments.title, arguments.call, arguments.arrays, devices, rng)
    checks: list[GradientCheck] = []
    kinked: dict[str, set[tuple[int, ...]]] = {name: set() for name in names}
    for current in range(1, order + 1):
        if current > 1:
            if not subject.has_graph:
                notes.append(f"no order {current}: the gradient of order {current - 1} is a constant")
                break
            names += _upstream_names(names, current, len(subject.upstream))
            devices += subject.upstream_devices
            arrays = [*subject.arrays, *subject.upstream]
            subject = Subject(arguments.title, subject.gradient_function, arrays, devices, rng)
        if other is not None and any(check.notes for check in checks if "dtype" in check.facts):
            notes.append(f"no order {current} in {other}, which crosses a kink")
            other = None
        gradients = None if other is None else subject.gradients_in(other)
        for k, name in enumerate(names):
            label = name if current == 1 else f"{name}, order {current}"
            check = _Input(subject, k, label, arithmetic, tolerance, seed).check(kinked.get(name, set()))
            kinked.setdefault(name, set()).update(kink.index for kink in check.kinks)
            checks.append(check)
            if other is not None and gradients is not None:
                checks.append(_in_dtype(subject, k, f"{label} in {other}", gradients[k], other))
    return Report(f"gradcheck of {arguments.title}", tuple(checks), tuple(notes))


def _in_dtype(subject: Subject, k: int, name: str, gradient: Any, dtype: np.dtype[Any]) -> GradientCheck:
    """The engine's gradient in another dtype against its own in float64, which has a check of its own."""
    facts = {"dtype": str(dtype)}
    expected, x = subject.gradients[k].copy(), subject.arrays[k]
    scale = float(abs(x).max(initial=0)) or 1.0
    eps = max(float(np.finfo(dtype).eps), EPS)
    largest = float(np.max(abs(expected), initial=0, where=np.isfinite(expected)))
    tolerance = eps**0.5 * largest + 10 * eps * subject.rounding() / scale
    crossed = []
    for position in np.argwhere(~(abs(expected - gradient) <= tolerance))[:MOST_ELEMENTS]:
        index, unit = tuple(int(i) for i in position), np.zeros(x.shape)
        unit[index] = each = float(abs(x[index])) or scale
        slope = subject.slope(k, unit, by_complex_step=False, eps=eps)
        if slope.kind == "kink":  # so near that in coarser numbers the other side may be taken
            expected[index] = min(max(float(gradient[index]), slope.low / each), slope.high / each)
            crossed.append(index)
    notes = (f"in {dtype} there is a kink at {_several(crossed)}",) if crossed else ()
    made = GradientCheck.compare(name, expected, gradient, tolerance, None, facts | {"tolerance": tolerance}, notes)
    message = made.message
    if not np.isfinite(gradient).all() and np.isfinite(expected).all():
        message = f"not finite in {dtype}: {message}"
    elif made.passed:
        rounded = f" but for rounding, by up to {number(made.error, 2)}" if made.error else ", exactly"
        message = f"as in float64{rounded}"
    return replace(made, message=message)  # type: ignore[return-value]


def _upstream_names(names: list[str], order: int, count: int) -> list[str]:
    """dz for one output, dz[0] and so on for several; at the third order ddz."""
    letter = "d" * (order - 1) + "z"
    while letter in names:  # the function's own
        letter += "'"
    return [letter] if count == 1 else [f"{letter}[{i}]" for i in range(count)]


class _Input:
    """The check of one input."""

    def __init__(
        self, subject: Subject, k: int, name: str, arithmetic: str, tolerance: float | None, seed: int
    ) -> None:
        self._subject, self._k, self._name = subject, k, name
        self._rng = np.random.default_rng(seed)
        self._x, self._gradient = subject.arrays[k], subject.gradients[k]
        self._finite = np.where(np.isfinite(self._gradient), self._gradient, 0)
        self._scale = float(abs(self._x).max(initial=0)) or 1.0
        self._direction = self._random_direction(self._x.shape)
        self._given = arithmetic, tolerance
        self._choose("" if arithmetic == "float64" else subject.why_no_complex_step(k, self._direction))

    def _choose(self, refused: str | None) -> None:
        """The method, given what speaks against a complex step (None: nothing), and its tolerance."""
        arithmetic, tolerance = self._given
        if arithmetic == "complex" and refused:
            raise ValueError(f"gradcheck: no complex step in {self._name}: {refused}")
        self._by_complex_step = refused is None
        if self._by_complex_step:
            self._facts: dict[str, Any] = {"method": "complex step"}
        else:
            self._facts = {"method": f"central differences{f', since {refused}' if refused else ''}"}
        default = self._subject.eps ** (1 / 2 if self._by_complex_step else 1 / 3)
        self._tolerance = default if tolerance is None else tolerance

    def check(self, kinked: set[tuple[int, ...]]) -> GradientCheck:
        """The quick check, and the slow one where it is needed. At `kinked` elements a lower order has a kink."""
        slope = self._slope(self._direction)
        if self._by_complex_step and not self._agrees(slope):
            sides = self._subject.slope(self._k, self._direction, by_complex_step=False)
            if sides.kind != "smooth":  # the root of a square, at 0: there complex numbers go on as no real ones do
                self._choose("the complex step goes past a kink")
                slope = sides
        expected, actual = slope.middle / self._scale, float((self._finite * self._direction).sum()) / self._scale
        tolerance = self._allowed(self._direction, slope) / self._scale
        agrees = self._agrees(slope)
        # Of one element on its own, rounding may hide less.
        is_drowned = self._finite.any() and slope.uncertainty > 100 * (tolerance * self._scale - slope.uncertainty)
        if agrees and not is_drowned and np.isfinite(self._gradient).all():
            message = f"the slope along a random direction, {number(expected)}, is right"
            return self._compare(expected, actual, tolerance, slope, message)
        return self._elementwise(kinked, slope)

    def _agrees(self, slope: Slope) -> bool:
        """Whether this slope along the random direction is smooth and the gradient's."""
        actual = float((self._finite * self._direction).sum())
        return slope.kind == "smooth" and abs(slope.middle - actual) <= self._allowed(self._direction, slope)

    def _elementwise(self, kinked: set[tuple[int, ...]], along_direction: Slope) -> GradientCheck:
        """Every element moved on its own."""
        expected, uncertainty = self._gradient.copy(), np.zeros(self._x.shape)
        kinks: list[Kink] = []
        unsettled, jumps = [], []
        chosen, slope = self._chosen(), along_direction
        for index in chosen:
            scale = float(abs(self._x[index])) or self._scale
            unit = np.zeros(self._x.shape)
            unit[index] = scale
            slope = self._slope(unit)
            value = float(self._finite[index])
            if slope.kind == "smooth":
                expected[index] = slope.middle / scale
            elif slope.kind == "kink":
                expected[index] = min(max(value, slope.low / scale), slope.high / scale)
                below, above, low, high = (s / scale for s in (slope.below, slope.above, slope.low, slope.high))
                found = origins(partial(self._recorded, slope.step * unit)) if len(kinks) < MOST_ORIGINS else ()
                kinks.append(Kink(index, below, above, low, high, float(self._gradient[index]), found))
            elif index in kinked:
                jumps.append(index)
            else:
                expected[index] = np.nan
                unsettled.append(index)
            uncertainty[index] = slope.uncertainty / scale if slope.kind != "unsettled" else 0
        allowed = self._tolerance * float(abs(self._finite).max(initial=0)) + uncertainty
        check = self._compare(expected, self._gradient, allowed, slope)
        notes = self._notes(kinks, unsettled, jumps)
        message = check.message
        if len(chosen) < self._x.size:
            notes.append(f"{len(chosen)} of {self._x.size} elements, drawn at random, were compared")
            if check.passed and along_direction.kind == "smooth":
                message = "the slope along a random direction is wrong, but none of the elements that were compared"
                check = replace(check, passed=False)
        if kinks and check.passed:
            names = _joined(dict.fromkeys(name for kink in kinks for name in kink.origins))
            message = f"the function has a kink here{f': {names}' if names else ''}"
            if len(chosen) > 1:
                message += f" ({len(kinks)} of {len(chosen)} elements)"
            if common := self._wrong_together():
                check = replace(check, passed=False)
                message += f"; {common}"
            else:
                message += "; the gradient lies between the slopes on both sides"
        if jumps and check.passed and not kinks:
            message = "right where it exists"
        return replace(check, message=message, notes=tuple(notes), kinks=tuple(kinks))

    def _wrong_together(self) -> str | None:
        """What is wrong when equal elements move together. Tied elements stay tied, so that a maximum has no kink."""
        _, group = np.unique(self._x, return_inverse=True)
        group = group.reshape(self._x.shape)
        direction = self._random_direction((self._x.size,))[group]
        slope = self._slope(direction)
        actual = float((self._finite * direction).sum())
        if slope.kind != "smooth" or abs(slope.middle - actual) <= self._allowed(direction, slope):
            return None
        expected, actual = slope.middle / self._scale, actual / self._scale
        return (
            "where equal elements move together it has none: along such a direction the slope is "
            f"{number(expected)} but the gradient gives {number(actual)}; tied elements have one gradient to share"
        )

    def _compare(
        self, expected: Any, actual: Any, tolerance: Any, slope: Slope, message: str | None = None
    ) -> GradientCheck:
        """A check with the largest tolerance and the step among the facts."""
        largest = float(np.max(tolerance, initial=0))
        step = STEP if self._by_complex_step else slope.step
        facts: Mapping[str, Any] = {**self._facts, "relative step": step, "tolerance": largest}
        made = GradientCheck.compare(self._name, expected, actual, tolerance, message, facts)
        return replace(made, tolerance=largest)  # type: ignore[return-value]

    def _notes(self, kinks: list[Kink], unsettled: list[tuple[int, ...]], jumps: list[tuple[int, ...]]) -> list[str]:
        notes = [str(kink) for kink in kinks[:MOST_KINKS]]
        if len(kinks) > MOST_KINKS:
            notes.append(f"and {len(kinks) - MOST_KINKS} more kinks")
        if unsettled:
            why = "a jump, an infinite slope or the end of the domain"
            notes.append(f"the differences do not settle at {_several(unsettled)}: {why}")
        if jumps:
            why = "since the function has a kink there: no derivative to compare"
            notes.append(f"at {_several(jumps)} the gradient jumps, {why}")
        return notes

    def _recorded(self, step: Any, times: float) -> list[Tensor]:
        return self._subject.recorded(self._k, times * step)

    def _slope(self, direction: Any) -> Slope:
        return self._subject.slope(self._k, direction, self._by_complex_step)

    def _allowed(self, direction: Any, slope: Slope) -> float:
        return self._tolerance * float(np.linalg.norm(self._finite * direction)) + slope.uncertainty

    def _random_direction(self, shape: tuple[int, ...]) -> Any:
        """Steps between a half and one and a half of the input's scale: no element is left out, nothing cancels."""
        return self._rng.uniform(0.5, 1.5, shape) * self._rng.choice([-1, 1], shape) * self._scale

    def _chosen(self) -> list[tuple[int, ...]]:
        positions = np.arange(self._x.size)
        if self._x.size > MOST_ELEMENTS:
            positions = np.sort(self._rng.choice(positions, MOST_ELEMENTS, replace=False))
        return [tuple(int(i) for i in np.unravel_index(position, self._x.shape)) for position in positions]


def _at(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]"


def _joined(names: Iterable[str]) -> str:
    first = list(names)
    more = f" and {len(first) - MOST_KINKS} more" if len(first) > MOST_KINKS else ""
    return ", ".join(first[:MOST_KINKS]) + more


def _several(indices: list[tuple[int, ...]]) -> str:
    return _joined(map(_at, indices))

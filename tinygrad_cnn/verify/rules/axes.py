"""The axes and options of trials in words: one image, a kernel of one row, windows that do not overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.verify.rules.cases import Known
from tinygrad_cnn.verify.rules.trials import Trial

Predicate = Callable[[Trial], bool]

SPACE = {1: ("column",), 2: ("row", "column"), 3: ("plane", "row", "column")}
ROWS_OF_SAMPLES = ("linear", "softmax", "log_softmax", "batch_norm", "cross_entropy")
PARTS = ("image", "channel", "filter", "sample")
"""The axes whose entries are things of their own."""

WINDOWED = ("conv", "max_pool", "avg_pool")


def _is(known: Known | None, names: Sequence[str]) -> bool:
    return known is not None and known.operation.name.startswith(tuple(names))


def axis_names(known: Known | None, operand: str, ndim: int) -> tuple[str, ...]:
    """What each axis of an operand counts, in the operation's own arrangement."""
    if _is(known, WINDOWED) and ndim - 2 in SPACE:
        assert known is not None
        space = SPACE[ndim - 2]
        if operand == "x":
            return ("image", "channel", *space)
        if operand == "weight":
            is_transposed = known.operation.name.startswith("conv_transpose")
            return (*(("channel", "filter") if is_transposed else ("filter", "channel")), *space)
    if _is(known, ROWS_OF_SAMPLES) and operand == "x" and ndim == 2:
        return ("sample", "feature")
    return ("row", "column")[2 - ndim :] if 0 < ndim <= 2 else tuple(f"axis {i}" for i in range(ndim))


def _shape(trial: Trial, known: Known | None, operand: str) -> tuple[int, ...]:
    if known is not None and trial.point.own is not None:
        own = known.names.get(operand, operand)
        return np.shape(trial.point.own[own])
    return np.shape(trial.point.arguments[operand])


def predicates(trials: Sequence[Trial], known: Known | None) -> Iterator[tuple[str, Predicate]]:
    """What may hold in some trials, in words that follow "right": "for stride 1", "for a single image"."""
    yield from _of_options(trials, known)
    yield from _of_windows(trials, known)
    for operand in trials[0].point.case.shapes:
        own = known.names.get(operand, operand) if known else operand
        ndims = {len(_shape(trial, known, operand)) for trial in trials}
        if len(ndims) > 1 or not (ndim := ndims.pop()):
            continue
        for axis, name in enumerate(axis_names(known, own, ndim)):
            words = _single(known, operand, own, name)
            yield words, lambda t, operand=operand, axis=axis: _shape(t, known, operand)[axis] == 1  # type: ignore[misc]
        if ndim > 1:
            yield f"where {operand} is square", lambda t, operand=operand: len({*_shape(t, known, operand)[-2:]}) == 1  # type: ignore[misc]


def _single(known: Known | None, operand: str, own: str, name: str) -> str:
    if name in PARTS:
        return f"for a single {name}"
    if name.startswith("axis"):
        return f"where {name} of {operand} has one entry"
    if _is(known, WINDOWED) and own == "weight":
        return f"for a kernel of one {name}"
    return f"where {operand} has one {name}"


def _of_options(trials: Sequence[Trial], known: Known | None) -> Iterator[tuple[str, Predicate]]:
    names = dict.fromkeys(name for trial in trials for name in trial.point.case.options)
    for option in names:
        values = [trial.point.constants.get(option) for trial in trials]
        if any(isinstance(value, np.ndarray) for value in values):  # labels, not an option
            continue
        default = known.operation.defaults.get(known.names.get(option, option)) if known else None
        # The plain values first: with them the option does nothing.
        for value in sorted(dict.fromkeys(map(repr, values)), key=lambda text: (text != repr(default), text)):
            words = f"without {option}" if value == "0" else f"for {option} {value}"
            yield words, lambda t, option=option, value=value: repr(t.point.constants.get(option)) == value  # type: ignore[misc]


def _of_windows(trials: Sequence[Trial], known: Known | None) -> Iterator[tuple[str, Predicate]]:
    if not _is(known, WINDOWED) or any(_windows(trial) is None for trial in trials):
        return
    yield "where the windows do not overlap", lambda t: all(s >= k for _, k, s in _windows(t) or ())
    assert known is not None
    if not known.operation.name.startswith("conv_transpose"):
        yield "where the windows leave no remainder", lambda t: all((n - k) % s == 0 for n, k, s in _windows(t) or ())


def _windows(trial: Trial) -> list[tuple[int, int, int]] | None:
    """Along each spatial axis: the padded length, the window's extent, the stride; None where they are not plain."""
    own = trial.point.own
    assert own is not None
    lengths = np.shape(own["x"])[2:]
    count = len(lengths)
    size = np.shape(own["weight"])[2:] if "weight" in own else own.get("kernel_size")
    given = (size, own.get("stride"), own.get("padding", 0), own.get("dilation", 1))
    each = [_each(value, count) for value in (given[0], given[0] if given[1] is None else given[1], *given[2:])]
    if any(values is None for values in each):
        return None
    sizes, strides, paddings, dilations = (values or () for values in each)
    return [
        (n + 2 * p, d * (k - 1) + 1, s)
        for n, k, s, p, d in zip(lengths, sizes, strides, paddings, dilations, strict=True)
    ]


def _each(value: Any, count: int) -> tuple[int, ...] | None:
    if isinstance(value, int):
        return (value,) * count
    if isinstance(value, tuple) and len(value) == count and all(isinstance(entry, int) for entry in value):
        return value
    return None


def quantities(trials: Sequence[Trial], known: Known | None) -> Iterator[tuple[str, Callable[[Trial], int]]]:
    """Whole numbers of a trial that a factor may be, each with its words."""
    for option in dict.fromkeys(name for trial in trials for name in trial.point.case.options):
        values = [trial.point.constants.get(option) for trial in trials]
        if all(isinstance(value, int) and value for value in values):
            yield f"the {option}", lambda t, option=option: t.point.constants[option]  # type: ignore[misc]
    for operand in trials[0].point.case.shapes:
        own = known.names.get(operand, operand) if known else operand
        ndim = len(_shape(trials[0], known, operand))
        if any(len(_shape(trial, known, operand)) != ndim for trial in trials):
            continue
        for axis, name in enumerate(axis_names(known, own, ndim)):
            of = "" if name in PARTS else f" of {operand}"
            words = f"the length of {name}{of}" if name.startswith("axis") else f"the number of {name}s{of}"
            yield words, lambda t, operand=operand, axis=axis: _shape(t, known, operand)[axis]  # type: ignore[misc]
        yield f"the number of {operand}'s entries", lambda t, operand=operand: int(np.prod(_shape(t, known, operand)))  # type: ignore[misc]
    yield "the number of outputs", lambda t: int(np.size(t.point.z))

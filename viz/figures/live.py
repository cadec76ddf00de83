"""A training curve that grows while the training runs: in a notebook as a picture, elsewhere as lines of text."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.util import find_spec
from math import isfinite, nan
from time import perf_counter
from typing import IO, Any, Self

from tinygrad_cnn.training import Epoch
from tinygrad_cnn.viz.figures.canvas import to_svg
from tinygrad_cnn.viz.figures.curves import history_curve, kind_of
from tinygrad_cnn.viz.figures.sparkline import BARS, PLAIN, sparkline
from tinygrad_cnn.viz.graph.numbers import number

_LINES = 100
"""So many lines are printed one by one; from then on every 10th value is, from ten times as many every 100th, ..."""

_COST = 10
"""Drawing takes at most one part in so many of the time."""


class LiveCurve:
    """The losses and accuracies of a training that runs, shown anew whenever a value is added.

    In a notebook one picture is updated in its place, at most twice a second, and with the last values when the cell
    ends. In a terminal, or where matplotlib is missing, each epoch is a line of text, so that what else is printed
    stays; beyond a hundred epochs the lines grow rarer.

        curve = viz.LiveCurve()
        for epoch in training.train(model, images, labels, ...):
            curve.add(epoch, test=training.accuracy(model, test_images, test_labels))

    Args:
        unit: what each call of `add` stands for, as the axis and the lines call it.
        interval: seconds at least between two pictures. They also keep to a tenth of the time.
        file: where text goes; None for the standard output.

    As a context manager it shows the last values at the end, also after an error or Ctrl-C.

    Attributes:
        history: the values of each series by its name, NaN where one was left out.

    Raises:
        ValueError: an interval that is negative or no number.

    >>> with LiveCurve() as curve:
    ...     for loss, test in [(2.25, 0.25), (1.5, 0.5), (0.5, 0.75)]:
    ...         curve.add(loss=loss, test=test)
    epoch 1   loss 2.25 ▁   test 25.0 % ▁
    epoch 2   loss 1.5 █▁   test 50.0 % ▁█
    epoch 3   loss 0.5 █▅▁   test 75.0 % ▁▅█
    """

    def __init__(self, unit: str = "epoch", *, interval: float = 0.5, file: IO[str] | None = None) -> None:
        if not (interval >= 0 and isfinite(interval)):
            raise ValueError(f"LiveCurve: interval must be 0 seconds or more but is {interval!r}")
        self.unit = unit
        self.history: dict[str, list[float]] = {}
        self._interval = interval
        self._file = file
        self._count = 0
        self._shown = 0
        self._display: Any = None  # IPython's handle of the picture, once there is one
        self._shell: Any = None if file else _notebook()
        self._draws = self._shell is not None and find_spec("matplotlib") is not None
        self._next = 0.0  # when a picture may be drawn again
        self._waits = False  # for the end of the cell

    def add(self, epoch: Epoch | None = None, /, **values: Any) -> None:
        """Take note of the values of an epoch, or of a step, and show them.

        A name with "loss" in it is a loss; train, test, validation and accuracy are shown in percent while they are
        fractions of 0 to 1; anything else has an axis of its own.

        Args:
            epoch: what `training.train` gives: its `loss`, and its accuracy under the name "train".
            values: numbers, or tensors of one element, by name; they go before the epoch's. A name may be new; one
                that is left out, or None, is a gap in its curve.

        Raises:
            ValueError: no values.
            TypeError: something else than a number.
        """
        if epoch is not None and not isinstance(epoch, Epoch):
            raise TypeError(f"add: expected an Epoch of training.train, or values by name, but got {epoch!r}")
        given = values if epoch is None else {"loss": epoch.loss, "train": epoch.accuracy} | values
        if not given:
            raise ValueError("add: expected values by name, as loss=0.5, but got none")
        numbers = {name: _float(name, value) for name, value in given.items()}
        for name in numbers:
            self.history.setdefault(name, [nan] * self._count)
        for name, series in self.history.items():
            series.append(numbers.get(name, nan))
        self._count += 1
        if self._shell is None:
            if self._is_due():
                self._print()
        elif perf_counter() >= self._next:
            self._show()
        elif not self._waits:
            self._wait()

    def flush(self) -> None:
        """Show what was added since it was last shown."""
        if self._shown < self._count:
            if self._shell is None:
                self._print()
            else:
                self._show()

    def figure(self) -> Any:
        """The curve as a `matplotlib.figure.Figure`, to be saved.

        Raises:
            ValueError: nothing was added yet.
            ImportError: matplotlib is missing.
        """
        return history_curve(self.history, self.unit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def __repr__(self) -> str:
        return f"LiveCurve({self._count} {self.unit}{'s' * (self._count != 1)}: {', '.join(self.history) or 'empty'})"

    # In a terminal

    def _is_due(self) -> bool:
        step = 1
        while self._count > _LINES * step:
            step *= 10
        return self._count % step == 0

    def _print(self) -> None:
        stream = self._file or sys.stdout
        bars = BARS if _can_write(BARS, stream) else PLAIN
        parts = [
            f"{name} {_last(name, series)} {sparkline(series, bars=bars)}".rstrip()
            for name, series in self.history.items()
        ]
        print(f"{self.unit} {self._count}", *parts, sep="   ", file=stream, flush=True)
        self._shown = self._count

    # In a notebook

    def _show(self) -> None:
        """Draw the picture and put it in the place of the one before."""
        start = perf_counter()
        bundle = {"text/plain": self._block()}
        if self._draws:
            try:
                bundle["image/svg+xml"] = to_svg(self.figure())
            except Exception as error:  # a picture that fails must not end hours of training
                self._draws = False
                warnings.warn(f"LiveCurve: going on with text, for the picture failed: {error!r}", stacklevel=3)
        if self._display is None:
            self._display = import_module("IPython.display").display(bundle, raw=True, display_id=True)
        else:
            self._display.update(bundle, raw=True)
        end = perf_counter()
        self._next = end + max(self._interval, _COST * (end - start))
        self._shown = self._count

    def _wait(self) -> None:
        """Have the last values shown when the cell ends, whether or not anybody calls `flush`."""

        def end(*_: object) -> None:
            events.unregister("post_run_cell", end)
            self._waits = False
            self.flush()

        events = self._shell.events
        events.register("post_run_cell", end)
        self._waits = True

    def _block(self) -> str:
        """The series below each other, as text."""
        width = max(map(len, self.history))
        lines = [
            f"{name:{width}}  {sparkline(series, 40)}  {_last(name, series)}"
            for name, series in self.history.items()
        ]
        return "\n".join([f"{self.unit} {self._count}", *lines])


def _notebook() -> Any:
    """The shell of the notebook that this runs in, or None: IPython in a terminal has no kernel."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if hasattr(shell, "kernel") else None


def _float(name: str, value: Any) -> float:
    try:
        if isinstance(value, str):  # which float would read
            raise TypeError(f"{value!r} is text")
        return nan if value is None else float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"add: {name} must be a number but is {value!r}") from error


def _last(name: str, series: list[float]) -> str:
    """The last value, an accuracy in percent."""
    value = series[-1]
    if not isfinite(value):
        return "-" if value != value else str(value)
    return f"{100 * value:.1f} %" if kind_of(name, series) == "accuracy" else number(value)


def _can_write(text: str, stream: Any) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeError, LookupError):
        return False
    return True

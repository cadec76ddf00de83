"""Training curves: loss and accuracy over the epochs, of one run or of several, and the loss of every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.viz.figures.canvas import BLUE, PALETTE, VERMILION, new_figure

__doctest_requires__ = {"*_curve*": ["matplotlib"]}

Series = Sequence[float | None]


def training_curve(
    losses: Series | None = None,
    train_accuracy: Series | None = None,
    test_accuracy: Series | None = None,
    *,
    validation_losses: Series | None = None,
    step_losses: Sequence[Any] | None = None,
    smoothing: float = 0.9,
) -> Any:
    """The loss and the accuracies after each epoch, on two axes; an axis without anything to show is left out.

    What isn't known stays a gap: a series may be left out, be shorter than another, as after Ctrl-C, or hold None or
    NaN. The loss is on a logarithmic scale where all of it is positive.

    Args:
        losses: the mean training loss of each epoch.
        train_accuracy, test_accuracy: fractions of 0 to 1, one for each epoch.
        validation_losses: the mean loss on other images, one for each epoch.
        step_losses: the loss of each step: one sequence for each epoch, as `Epoch.losses` of `tg.training.train`, or
            one for all; without `losses` its axis counts steps. Drawn pale, and over it smoothed.
        smoothing: how much of the smoothed loss is kept at each step, from 0, none, to below 1; see `smoothed`.

    Raises:
        ValueError: nothing to draw, accuracies outside of 0 to 1, a smoothing outside of 0 to 1.
        TypeError: something else than numbers.
        ImportError: matplotlib is missing.

    >>> figure = training_curve([2.3, 0.9], [0.5, 0.9], [0.4, 0.8])
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['loss', 'accuracy in %']
    """
    run = {
        "losses": losses,
        "train_accuracy": train_accuracy,
        "test_accuracy": test_accuracy,
        "validation_losses": validation_losses,
        "step_losses": step_losses,
    }
    return _draw({"": run}, smoothing, "training_curve")


def training_curves(runs: Mapping[str, Mapping[str, Any]], *, smoothing: float = 0.9) -> Any:
    """Several runs side by side: a colour for each run, a line for each of its series.

    Args:
        runs: by name, the series of each run under the names that they have in `training_curve`.
        smoothing: as in `training_curve`.

    Raises:
        ValueError: no runs, a series of another name, and as `training_curve`.
        TypeError, ImportError: as `training_curve`.

    >>> figure = training_curves({"SGD": {"losses": [2.0, 1.5]}, "Adam": {"losses": [2.0, 0.7]}})
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['SGD', 'Adam']
    """
    if not isinstance(runs, Mapping) or not all(isinstance(run, Mapping) for run in runs.values()):
        raise TypeError("training_curves: expected a mapping of runs by name, each a mapping of its series")
    for name, run in runs.items():
        for series in run:
            if series not in _SERIES:
                raise ValueError(
                    f"training_curves: expected series out of {', '.join(_SERIES)} but {name!r} has {series!r}"
                )
    return _draw(runs, smoothing, "training_curves")


def history_curve(history: Mapping[str, Series], unit: str = "epoch") -> Any:
    """Any named series, one value each epoch: the losses on one axis, the accuracies on one, the rest on one each.

    What is what is told by the name and the values, as `kind_of` says. What isn't known, None or NaN, stays a gap.

    Args:
        history: the values of each series, from the first epoch on.
        unit: what a value stands for: "epoch", "step".

    Raises:
        ValueError: no series.
        TypeError: something else than numbers.
        ImportError: matplotlib is missing.

    >>> figure = history_curve({"loss": [2.3, 0.9], "test": [0.4, 0.8], "learning rate": [0.1, 0.01]})
    >>> [axes.get_title() for axes in figure.axes]
    ['Loss', 'Accuracy', 'learning rate']
    """
    series = {name: _floats(values, name, "history_curve") for name, values in history.items()}
    if not series:
        raise ValueError("history_curve: expected a series to draw but got none")
    kinds = {name: kind_of(name, values) for name, values in series.items()}
    order = ("loss", "accuracy", "value")
    panels = sorted(dict.fromkeys(kinds.values()), key=lambda kind: order.index(kind) if kind in order else len(order))
    figure = new_figure(4.2 * len(panels) + 0.4, 3.3)
    for kind, axes in zip(panels, figure.subplots(1, len(panels), squeeze=False)[0], strict=True):
        names = [name for name in series if kinds[name] == kind]
        for i, name in enumerate(names):
            values = series[name] * (100 if kind == "accuracy" else 1)
            markers = 3 if len(values) <= 40 else 0
            style = ("o-", "s--", "^:", "v-.")[i % 4]
            places = range(1, len(values) + 1)
            axes.plot(places, values, style, color=PALETTE[i % len(PALETTE)], markersize=markers, label=name)
        axes.set_title(kind.capitalize() if kind in order else kind)
        axes.set(xlabel=unit, ylabel="accuracy in %" if kind == "accuracy" else kind)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        if kind == "loss":
            _log_scale(axes)
        if len(names) > 1 or names != [kind]:
            axes.legend(fontsize=8)
    return figure


def kind_of(name: str, values: Series) -> str:
    """What a series is, by a word in its name: "loss"; "accuracy", where it says train, test, validation or accuracy
    and all values are fractions of 0 to 1, or "value", where they are not; any other is of a kind of its own, its name.

    >>> [kind_of(name, [0.5]) for name in ("loss", "test loss", "accuracy", "train", "val_acc", "learning rate")]
    ['loss', 'loss', 'accuracy', 'accuracy', 'accuracy', 'learning rate']
    >>> kind_of("test", [0.5, 3.0])
    'value'
    """
    words = set(name.lower().replace("_", " ").replace("-", " ").split())
    if any("loss" in word for word in words):
        return "loss"
    if not words & {"accuracy", "acc", "train", "training", "test", "val", "validation"}:
        return name
    known = [value for value in values if value is not None and value == value]
    return "accuracy" if all(0 <= value <= 1 for value in known) else "value"


def smoothed(values: Sequence[float | None], smoothing: float = 0.9) -> Any:
    """The exponential moving average, not drawn towards 0 at its beginning:

        m_t = s m_{t-1} + (1 - s) x_t,    smoothed_t = m_t / (1 - s^t)

    (the bias correction of Kingma and Ba, Adam, 2015, section 3). A gap, None or NaN, stays one and counts for nothing.

    Raises:
        ValueError: a smoothing outside of 0 to 1, or 1 itself.

    >>> smoothed([4.0, 0.0, 2.0], 0.5)
    array([4.        , 1.33333333, 1.71428571])
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothed: smoothing must be at least 0 and below 1 but is {smoothing}")
    result = np.full(len(values), np.nan)
    mean, weight = 0.0, 0.0
    for t, value in enumerate(values):
        if value is not None and value == value:
            mean = smoothing * mean + (1 - smoothing) * value
            weight = smoothing * weight + (1 - smoothing)
            result[t] = mean / weight
    return result


# How each series is drawn: whether it is a loss, its name in the legend, its line and its colour in a single run.
_SERIES: dict[str, tuple[bool, str, str, str]] = {
    "losses": (True, "train", "o-", BLUE),
    "validation_losses": (True, "validation", "s--", VERMILION),
    "step_losses": (True, "step", "-", BLUE),
    "train_accuracy": (False, "train", "o-", BLUE),
    "test_accuracy": (False, "test", "s--", VERMILION),
}


def _draw(runs: Mapping[str, Mapping[str, Any]], smoothing: float, operation: str) -> Any:
    if not 0 <= smoothing < 1:
        raise ValueError(f"{operation}: smoothing must be at least 0 and below 1 but is {smoothing}")
    series = {run: _checked(values, operation) for run, values in runs.items()}
    panels = [is_loss for is_loss in (True, False) if any(_SERIES[n][0] == is_loss for s in series.values() for n in s)]
    if not panels:
        raise ValueError(f"{operation}: expected a series to draw but got none")
    figure = new_figure(4.2 * len(panels) + 0.4, 3.3)
    for is_loss, axes in zip(panels, figure.subplots(1, len(panels), squeeze=False)[0], strict=True):
        kinds = {name for values in series.values() for name in values if _SERIES[name][0] == is_loss}
        for i, (run, values) in enumerate(series.items()):
            for name, ys in values.items():
                if name in kinds:
                    colour = _SERIES[name][3] if len(runs) == 1 else PALETTE[i % len(PALETTE)]
                    _line(axes, name, ys, colour, _label(run, name, kinds), values.get("losses"), smoothing)
        counts_steps = is_loss and kinds == {"step_losses"} and not any(_is_nested(v) for v in _steps_of(series))
        axes.set_xlabel("step" if counts_steps else "epoch")
        axes.set_ylabel("loss" if is_loss else "accuracy in %")
        axes.set_title("Loss" if is_loss else "Accuracy")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        if is_loss:
            _log_scale(axes)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=8)
    return figure


def _line(
    axes: Any, name: str, values: Any, colour: str, label: str, losses: Any, smoothing: float
) -> None:
    _, _, style, _ = _SERIES[name]
    if name == "step_losses":
        xs, ys = _steps(values, None if losses is None else len(losses))
        axes.plot(xs, ys, "-", color=colour, alpha=0.25, linewidth=0.8)
        axes.plot(xs, smoothed(ys, smoothing), "-", color=colour, alpha=0.7, linewidth=1.2, label=label)
        return
    xs = range(1, len(values) + 1)
    ys = values if _SERIES[name][0] else np.multiply(values, 100)
    markers = 3 if len(values) <= 40 else 0
    axes.plot(xs, ys, style, color=colour, markersize=markers, label=label)


def _label(run: str, name: str, kinds: set[str]) -> str:
    """What the legend says: the run where there are several, the series where its panel has several."""
    kind = "each step, smoothed" if name == "step_losses" else _SERIES[name][1]
    return ", ".join(part for part in (run, kind if len(kinds) > 1 or not run else "") if part)


def _steps_of(series: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    return [values["step_losses"] for values in series.values() if "step_losses" in values]


def _is_nested(values: Any) -> bool:
    return bool(len(values)) and isinstance(values[0], list | tuple | np.ndarray)


def _steps(values: Any, epochs: int | None) -> tuple[Any, Any]:
    """Where each step stands, the last one of epoch e at e, or at its number where there are no epochs; its loss."""
    if _is_nested(values):
        within = [epoch + np.arange(1, len(steps) + 1) / len(steps) for epoch, steps in enumerate(values) if len(steps)]
        return np.concatenate(within), np.concatenate([np.asarray(steps, float) for steps in values if len(steps)])
    places = np.arange(1, len(values) + 1)
    return places * (epochs / len(values)) if epochs else places, values


def _checked(run: Mapping[str, Any], operation: str) -> dict[str, Any]:
    """The series that have something in them, as float arrays, gaps as NaN; the steps by epoch stay lists of them."""
    found: dict[str, Any] = {}
    for name in _SERIES:
        values = run.get(name)
        if values is None or not len(values):
            continue
        if name == "step_losses" and _is_nested(values):
            steps = [_floats(part, name, operation) for part in values]
            if any(len(part) for part in steps):
                found[name] = steps
        else:
            found[name] = _floats(values, name, operation)
            if not _SERIES[name][0] and ((found[name] < 0) | (found[name] > 1)).any():
                raise ValueError(f"{operation}: {name} must be fractions from 0 to 1 but has {found[name].tolist()}")
    return found


def _floats(values: Any, name: str, operation: str) -> Any:
    try:
        array = np.array([np.nan if value is None else float(value) for value in values])
    except (TypeError, ValueError) as error:
        raise TypeError(f"{operation}: {name} must be numbers, or None for a gap, but is {values!r}") from error
    return array


def _log_scale(axes: Any) -> None:
    drawn = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines])
    known = drawn[np.isfinite(drawn)]
    if known.size and known.min() > 0:
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        axes.set_yscale("log")
        is_narrow = known.max() < 100 * known.min()
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if is_narrow else (1,)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())

"""What stands in a training curve."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from tinygrad_cnn.viz.figures import history_curve, smoothed, training_curve, training_curves

NAN = float("nan")


def lines(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def points(line):
    return [(float(x), float(y)) for x, y in zip(*line.get_data(), strict=True)]


def test_loss_and_accuracy_by_epoch():
    loss, accuracy = training_curve([2.0, 0.5], [0.25, 0.5], [0.125, 0.75]).axes
    assert points(lines(loss)["train"]) == [(1, 2.0), (2, 0.5)]
    assert points(lines(accuracy)["train"]) == [(1, 25), (2, 50)]
    assert points(lines(accuracy)["test"]) == [(1, 12.5), (2, 75)]
    assert (loss.get_yscale(), accuracy.get_yscale()) == ("log", "linear")


@pytest.mark.parametrize("losses", [[1.0, 0.0], [-1.0, 2.0], [None, None]])
def test_a_logarithm_only_of_positive_losses(losses):
    assert training_curve(losses).axes[0].get_yscale() == "linear"


def test_histories_that_are_partial():
    loss, accuracy = training_curve([2.0, 1.0, 0.5], None, [0.1, None], validation_losses=[NAN, 1.5]).axes
    np.testing.assert_array_equal(lines(loss)["validation"].get_ydata(), [NAN, 1.5])
    np.testing.assert_array_equal(lines(accuracy)["test"].get_ydata(), [10, NAN])
    assert list(lines(accuracy)) == ["test"]
    assert len(training_curve([1.0], []).axes) == 1
    assert training_curve(test_accuracy=[0.5]).axes[0].get_ylabel() == "accuracy in %"


def test_each_step_of_each_epoch_stands_within_its_epoch():
    (axes,) = training_curve([3.0, 2.0], step_losses=[(4.0, 2.0), (2.0, 1.0, 0.0)], smoothing=0).axes
    raw = axes.lines[1]
    expected = [(0.5, 4.0), (1.0, 2.0), (1 + 1 / 3, 2.0), (1 + 2 / 3, 1.0), (2.0, 0.0)]
    np.testing.assert_allclose(points(raw), expected)
    np.testing.assert_allclose(points(lines(axes)["each step, smoothed"]), expected)
    assert axes.get_xlabel() == "epoch"


def test_steps_alone_are_counted():
    (axes,) = training_curve(step_losses=[4.0, 2.0, 1.0]).axes
    assert axes.get_xlabel() == "step"
    assert points(axes.lines[0]) == [(1, 4.0), (2, 2.0), (3, 1.0)]
    (axes,) = training_curve([3.0, 2.0], step_losses=[4.0, 3.0, 2.0, 1.0]).axes
    assert points(axes.lines[1]) == [(0.5, 4.0), (1, 3.0), (1.5, 2.0), (2, 1.0)]


def test_several_runs_have_a_colour_each():
    runs = {
        "one": {"losses": [2.0], "test_accuracy": [0.5], "train_accuracy": [0.5]},
        "two": {"losses": [1.0], "test_accuracy": [0.6]},
    }
    loss, accuracy = training_curves(runs).axes
    assert list(lines(loss)) == ["one", "two"]
    assert list(lines(accuracy)) == ["one, train", "one, test", "two, test"]
    colours = {name: line.get_color() for name, line in lines(accuracy).items()}
    assert colours["one, train"] == colours["one, test"] == lines(loss)["one"].get_color()
    assert colours["two, test"] != colours["one, test"]


def test_any_history_by_the_names_and_values_of_its_series():
    history = {"rate": [0.1, 0.2], "val_acc": [None, 0.5], "rmse test": [3.0, 0.5], "Test-Loss": [1, 2], "loss": [2]}
    axes = history_curve(history, "step").axes
    assert [panel.get_title() for panel in axes] == ["Loss", "Accuracy", "Value", "rate"]
    assert list(lines(axes[0])) == ["Test-Loss", "loss"]
    np.testing.assert_array_equal(lines(axes[1])["val_acc"].get_ydata(), [NAN, 50])
    assert points(lines(axes[2])["rmse test"]) == [(1, 3), (2, 0.5)]
    assert axes[3].get_legend() is None
    assert {panel.get_xlabel() for panel in axes} == {"step"}
    assert [panel.get_yscale() for panel in axes] == ["log", "linear", "linear", "linear"]
    assert len({line.get_color() for line in axes[0].lines}) == 2


def test_smoothing_is_the_weighted_mean_of_what_came_before():
    values, s = [3.0, -1.0, 4.0, 1.0, 5.0], 0.8
    expected = [
        sum(s ** (t - i) * values[i] for i in range(t + 1)) / sum(s ** (t - i) for i in range(t + 1)) for t in range(5)
    ]
    np.testing.assert_allclose(smoothed(values, s), expected, rtol=1e-12)
    assert smoothed(values, 0).tolist() == values
    np.testing.assert_allclose(smoothed([7.0] * 4, 0.99), [7.0] * 4)


def test_smoothing_passes_over_gaps():
    np.testing.assert_allclose(smoothed([2.0, None, NAN, 4.0], 0.5), [2.0, NAN, NAN, (4 + 0.5 * 2) / 1.5])
    assert smoothed([]).shape == (0,)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (training_curve, ValueError, "^training_curve: expected a series"),
        (lambda: training_curve([], step_losses=[[], []]), ValueError, "^training_curve: expected a series"),
        (lambda: training_curve([1.0], [50.0]), ValueError, r"^training_curve: train_accuracy .* \[50.0\]"),
        (lambda: training_curve([1.0], None, [-0.1]), ValueError, "^training_curve: test_accuracy"),
        (lambda: training_curve(["a"]), TypeError, "^training_curve: losses must be numbers"),
        (lambda: training_curve([1.0], smoothing=1), ValueError, "^training_curve: smoothing"),
        (lambda: smoothed([1.0], -0.1), ValueError, "^smoothed: smoothing"),
        (lambda: history_curve({}), ValueError, "^history_curve: expected a series"),
        (lambda: history_curve({"loss": ["a"]}), TypeError, "^history_curve: loss must be numbers"),
        (lambda: training_curves({}), ValueError, "^training_curves: expected a series"),
        (lambda: training_curves({"a": {"loss": [1]}}), ValueError, "^training_curves: .*'a' has 'loss'"),
        (lambda: training_curves([[1.0]]), TypeError, "^training_curves: expected a mapping"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()

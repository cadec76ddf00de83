"""What the report says of a forward itself."""

import numpy as np

import tinygrad_cnn as tg


def test_a_forward_that_changes_its_argument_is_told_and_the_rules_get_what_was_there_before():
    def shifted_square(X):
        X -= 1
        return X * X

    given = []

    def dX(dZ, X):
        given.append(np.array(X))
        return 2 * (X - 1) * dZ

    array = np.array([3, -2])
    report = tg.verify.check_rule(shifted_square, {"X": dX}, cases=[{"X": array}])
    assert report.passed
    assert "shifted_square changes its argument X" in str(report)
    assert [[entry.value for entry in X] for X in given] == [[3, -2]] * len(given)
    assert array.tolist() == [3, -2]


def test_a_forward_that_changes_nothing_is_not_accused():
    report = tg.verify.check_rule(lambda X: X * X, {"X": lambda dZ, X: 2 * X * dZ}, cases=[{"X": (2,)}])
    assert not report.notes

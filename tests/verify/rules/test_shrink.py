"""The smallest counterexample: small shapes, plain options, plain numbers, and that it shows what was found."""

import time

import numpy as np
import pytest

from tests.verify.rules.test_remarks import changed, conv, dX
from tinygrad_cnn.verify import check_rule


def counterexample(forward, rule, cases=None, operand="X", **options):
    report = check_rule(forward, {operand: rule}, cases=cases, **options)
    assert not report
    return report[operand].counterexample


def numbers(array):
    return np.asarray(array).astype(float).tolist()


def squared(X):
    return X * X


def relu(X):
    return np.maximum(X, 0)


def test_shapes_options_and_numbers_are_as_small_as_can_be():
    """Overwriting shows where two windows overlap, which takes two windows in one row."""

    def overwritten(dZ, X, K, stride, padding):
        D = np.zeros((X.shape[0] + 2 * padding, X.shape[1] + 2 * padding))
        kh, kw = K.shape
        for i in range(dZ.shape[0]):
            for j in range(dZ.shape[1]):
                D[i * stride : i * stride + kh, j * stride : j * stride + kw] = dZ[i, j] * K
        return D[padding : padding + X.shape[0], padding : padding + X.shape[1]]

    found = counterexample(conv, overwritten, [{"X": (9, 8), "K": (3, 4), "stride": 2, "padding": 2}])
    assert found.options == {"stride": 1, "padding": 0}
    assert numbers(found.inputs["X"]) == [[1, 2, 3]]
    assert numbers(found.inputs["K"]) == [[1, 2]]
    assert numbers(found.dz) == [[1, 1]]
    assert numbers(found.expected) == [[1, 3, 2]]
    assert numbers(found.actual) == [[1, 1, 2]]
    assert found.wrong.tolist() == [[False, True, False]]


@pytest.mark.parametrize(
    ("turned", "name"),
    [
        (lambda K: K.T[::-1, ::-1], "kernel-transposed"),
        (lambda K: K[:, ::-1], "kernel-flipped-rows"),
        (lambda K: K[::-1], "kernel-flipped-columns"),
    ],
)
def test_no_other_mistake_explains_it(turned, name):
    """A kernel of one row, turned by 180 degrees, is one with its columns reversed."""

    def rule(dZ, X, K, stride, padding):
        return dX(dZ, X, turned(K), stride, padding)

    check = check_rule(conv, {"X": rule}, [{"X": (5, 5), "K": (3, 3)}, {"X": (6, 6), "K": (2, 2), "stride": 2}])["X"]
    assert check.diagnosis.name == name
    found = check.counterexample
    assert found.inputs["K"].shape == found.inputs["X"].shape == (2, 2)
    assert numbers(found.expected) == [[1, 2], [3, 4]]


def test_rotation_is_told_from_both_reflections():
    def rule(dZ, X, K, stride, padding):
        return dX(dZ, X, K[::-1, ::-1], stride, padding)

    found = counterexample(conv, rule)
    assert min(found.inputs["K"].shape) == 2
    assert found.inputs["X"].size <= 9


def test_both_of_two_mistakes_show():
    def with_padding(dZ, X, K, stride, padding):
        D = np.zeros((X.shape[0] + 2 * padding, X.shape[1] + 2 * padding))
        kh, kw = K.shape
        for i in range(dZ.shape[0]):
            for j in range(dZ.shape[1]):
                D[i * stride : i * stride + kh, j * stride : j * stride + kw] += dZ[i, j] * K[::-1, ::-1]
        return D

    report = check_rule(conv, {"X": with_padding})
    assert report["X"].diagnosis.name == "kernel-not-rotated + padding-not-taken-off"
    found = report["X"].counterexample
    assert found.options["padding"] == 1  # else one of them would not show
    assert found.wrong is None
    assert found.inputs["K"].size > 1  # nor the other
    assert found.inputs["X"].size <= 4


def test_a_matrix_keeps_two_entries():
    found = counterexample(conv, lambda dZ, X, K, stride, padding: -dX(dZ, X, K, stride, padding))
    assert found.expected.size == 2
    assert numbers(found.actual) == [[-x for x in row] for row in numbers(found.expected)]


def test_what_came_is_not_empty():
    def valid(dZ, X, K, stride, padding):
        if stride > 1 or padding or min(np.subtract(dZ.shape, K.shape)) < 0:
            return np.zeros((0, 0))
        return conv(dZ, K[::-1, ::-1])

    assert counterexample(conv, valid, [{"X": (7, 7), "K": (2, 2)}]).actual.size


def test_signs_that_matter_stay():
    """The wrong mask shows where X and dZ differ in sign."""
    found = counterexample(relu, lambda dZ, X: dZ * (dZ > 0), [{"X": (3, 5)}])
    X, dz = np.asarray(found.inputs["X"]).ravel(), np.asarray(found.dz).ravel()
    assert X.size <= 5
    assert any((x > 0) != (d > 0) for x, d in zip(X, dz, strict=True))
    assert max(abs(X)) <= X.size
    assert max(abs(dz)) <= dz.size


def test_a_1_that_hides_the_mistake_is_not_taken():
    found = counterexample(squared, lambda dZ, X: 2 * X, [{"X": (3, 3)}])
    assert set(np.asarray(found.dz).ravel()) != {1}
    found = counterexample(squared, lambda dZ, X: 2 * X * X * dZ, [{"X": (3, 3)}])
    assert found.wrong.any()
    assert max(abs(np.asarray(found.inputs["X"]).ravel())) <= 9


def test_a_rule_that_raises_is_shown_where_it_does():
    def rule(dZ, X, K, stride, padding):
        return dX(dZ, X, K, stride, padding)[: 1 if X.shape[0] < 3 else dZ[99]]

    check = check_rule(conv, {"X": rule}, cases=[{"X": (7, 6), "K": (2, 2)}])["X"]
    assert check.counterexample.actual is None
    assert "IndexError" in check.counterexample.problem
    assert check.counterexample.inputs["X"].shape[0] == 3


def test_arrays_that_were_given_are_not_changed():
    X = np.array([[5, -7, 3], [2, 8, -1]])
    found = counterexample(squared, lambda dZ, X: X * dZ, [{"X": X}])
    assert numbers(found.inputs["X"]) == X.tolist()


def test_a_failure_in_one_entry_of_a_large_case_is_found_small_and_fast():
    start = time.perf_counter()
    found = counterexample(squared, lambda dZ, X: changed(2 * X * dZ, (-1, -1)), [{"X": (12, 15)}])
    assert found.inputs["X"].size == 2
    assert found.wrong.sum() == 1
    assert time.perf_counter() - start < 10  # it takes a tenth of a second


def test_it_is_the_same_each_time():
    def rule(dZ, X, K, stride, padding):
        return dX(dZ, X, K.T, stride, padding)

    first, second = (counterexample(conv, rule, [{"X": (6, 6), "K": (3, 3)}]).to_dict() for _ in range(2))
    assert first == second

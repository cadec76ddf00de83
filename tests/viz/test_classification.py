"""Confusion counts and mistakes, against loops over the examples."""

from math import exp

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.viz.analysis.classification import confusion_counts, find_mistakes


def counted(labels, predictions, classes):
    table = [[0] * classes for _ in range(classes)]
    for true, said in zip(labels, predictions, strict=True):
        table[true][said] += 1
    return table


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.int32])
def test_counts(dtype):
    rng = np.random.default_rng(2)
    labels, predictions = rng.integers(0, 6, (2, 200)).astype(dtype)
    assert confusion_counts(labels, predictions, 6).tolist() == counted(labels, predictions, 6)
    assert confusion_counts(tg.tensor(labels), tg.tensor(predictions)).tolist() == counted(labels, predictions, 6)


def test_classes_that_never_occur_keep_their_row_and_column():
    assert confusion_counts([1], [3], 5).tolist() == counted([1], [3], 5)
    assert confusion_counts([1], [3]).shape == (4, 4)
    assert confusion_counts([0], [0]).tolist() == [[1]]


def test_many_classes_in_a_small_dtype_do_not_overflow():
    labels = np.array([255, 200], np.uint8)
    counts = confusion_counts(labels, labels)
    assert counts.shape == (256, 256)
    assert counts[255, 255] == counts[200, 200] == 1
    assert counts.sum() == 2


def test_the_largest_logit_counts_and_the_first_of_a_tie():
    logits = [[0.0, 1.0, 0.5], [2.0, 2.0, 1.0]]
    assert confusion_counts([1, 1], logits).tolist() == counted([1, 1], [1, 0], 3)
    assert confusion_counts([1, 1], tg.tensor(logits)).shape == (3, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (([0, 1], [0]), ValueError, "a prediction for each of 2 labels but got 1"),
        (([], []), ValueError, "examples but got none"),
        (([0, 3], [0, 1], 3), ValueError, "from 0 to 2 but got 3"),
        (([0, 1], [0, 3], 3), ValueError, "from 0 to 2 but got 3"),
        (([0, -1], [0, 1]), ValueError, "labels must be 0 or more but one is -1"),
        (([0.5], [0]), TypeError, "labels must be integers"),
        (([0], [0.5]), TypeError, "predictions must be integers"),
        (([[0]], [0]), ValueError, r"labels of shape \(N,\) but got \(1, 1\)"),
        (([0], np.zeros((1, 2, 3))), ValueError, "predictions of shape"),
    ],
)
def test_counts_refuse(arguments, error, text):
    with pytest.raises(error, match=f"^confusion_counts: .*{text}"):
        confusion_counts(*arguments)


def test_mistakes_the_surest_first():
    rng = np.random.default_rng(3)
    logits, labels = rng.standard_normal((60, 4)) * 3, rng.integers(0, 4, 60)
    expected = []
    for i, (row, label) in enumerate(zip(logits.tolist(), labels.tolist(), strict=True)):
        total = sum(map(exp, row))
        said = row.index(max(row))
        if said != label:
            expected.append((exp(row[said]) / total, i, label, said, exp(row[label]) / total))
    expected.sort(key=lambda mistake: -mistake[0])
    found = find_mistakes(labels, logits)
    assert len(found) == len(expected) > 20
    assert found.examples == 60
    assert list(zip(found.indices, found.labels, found.predictions, strict=True)) == [e[1:4] for e in expected]
    np.testing.assert_allclose(found.confidences, [e[0] for e in expected], rtol=1e-12)
    np.testing.assert_allclose(found.probabilities_of_labels, [e[4] for e in expected], rtol=1e-12)


def test_logits_however_large():
    found = find_mistakes([0], [[1000.0, 1001.0]])
    assert found.confidences == pytest.approx([1 / (1 + exp(-1))])


def test_no_mistakes():
    found = find_mistakes([1, 0], tg.tensor([[0.0, 1.0], [1.0, 0.0]]))
    assert len(found) == 0
    assert found.indices.shape == found.confidences.shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (([0], [[0.0, 1.0], [1.0, 0.0]]), ValueError, r"of shape \(1, classes\) but got \(2, 2\)"),
        (([0], [0]), ValueError, r"\(1,\)"),
        (([], np.zeros((0, 3))), ValueError, r"\(0, 3\)"),
        (([2], [[0.0, 1.0]]), ValueError, "labels from 0 to 1 but got 2"),
        (([0], [[np.nan, 1.0]]), ValueError, "NaN"),
        (([0], [["a"]]), TypeError, "logits must be numbers"),
    ],
)
def test_mistakes_refuse(arguments, error, text):
    with pytest.raises(error, match=f"^find_mistakes: .*{text}"):
        find_mistakes(*arguments)


def test_a_matrix_that_would_fill_the_memory_is_refused():
    with pytest.raises(ValueError, match="expected at most 10,000 classes but there are 1,000,000,001"):
        confusion_counts([10**9], [0])

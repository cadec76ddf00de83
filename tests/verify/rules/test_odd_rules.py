"""Rules that give no array of numbers, or lose digits on the way, are rejected, and the report can be read."""

import sys

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.verify.rules.wrong_conv2d import LECTURE, lecture_conv, lecture_dX


def nothing(dZ, K):
    lecture_dX(dZ, K)


def a_text(dZ):
    return "dX"


def not_a_number(dZ, X):
    return np.full(X.shape, np.nan)


def infinite(dZ, X):
    return np.full(X.shape, -np.inf)


def partly_written(dZ, X, K):
    dX = np.full(X.shape, np.nan)
    dX[0] = lecture_dX(dZ, K)[0]
    return dX


def of_truth_values(dZ, X):
    return X > 0


def nearly(dZ, K):
    return lecture_dX(dZ, K) * (1 + 1e-9)


def random(dZ, K):
    return lecture_dX(dZ, K) * np.random.default_rng().integers(1, 100)


def changing_its_input(dZ, X, K):
    X += lecture_dX(dZ, K)
    return X


def rounded(dZ, K):
    return np.round(lecture_dX(dZ, K))


def summed_as_integers(dZ, X, K):
    dX = np.zeros(X.shape, dtype=int)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i : i + K.shape[0], j : j + K.shape[1]] += (dZ[i, j] * K).astype(int)
    return dX


def endless(dZ):
    return endless(dZ)


def leaving(dZ):
    sys.exit(0)


def with_one_axis_more(dZ, K):
    return lecture_dX(dZ, K)[np.newaxis]


def of_two_results(dZ, X, K):
    return lecture_dX(dZ, K), X


def asking_for_more(dZ, momentum):
    return dZ


def wrong_for_one_shape(dZ, X, K):
    return lecture_dX(dZ, K) * (2 if X.shape == (6, 5) else 1)


@pytest.mark.parametrize(
    "rule",
    [
        nothing,
        a_text,
        not_a_number,
        infinite,
        partly_written,
        of_truth_values,
        nearly,
        random,
        changing_its_input,
        rounded,
        summed_as_integers,
        endless,
        leaving,
        with_one_axis_more,
        of_two_results,
        asking_for_more,
        wrong_for_one_shape,
    ],
)
def test_odd_rules_are_rejected(rule):
    report = tg.verify.check_rule(lecture_conv, {"X": rule}, cases=LECTURE)
    assert not report["X"].passed
    assert report["X"].message
    for text in (str(report), report.to_json(), report.to_html(), report.to_junit()):
        assert report["X"].name in text
    assert max(map(len, str(report).splitlines())) <= 80

"""Wrong rules are rejected, each with a small counterexample that is true and with the mistake's name."""

from functools import cache

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.verify.rules.homework import call_rule
from tests.verify.rules.suites import UNNAMED, WRONG

BY_NAME = {homework.name: homework for homework in WRONG}


@cache
def report_of(name):
    homework = BY_NAME[name]
    return tg.verify.check_rule(homework.forward, homework.rules, cases=homework.cases)


@pytest.mark.parametrize("name", BY_NAME)
def test_exactly_the_wrong_rules_are_rejected(name):
    homework, report = BY_NAME[name], report_of(name)
    assert not report
    assert {operand: report[operand].passed for operand in homework.rules} == {
        operand: operand not in homework.wrong for operand in homework.rules
    }
    for operand in homework.rules:
        if operand not in homework.wrong:
            assert report[operand].diagnosis is None
            assert report[operand].counterexample is None


@pytest.mark.parametrize("name", BY_NAME)
def test_mistake_has_its_name(name):
    homework, report = BY_NAME[name], report_of(name)
    found = {operand: report[operand].diagnosis for operand in homework.wrong}
    if name in UNNAMED:
        # Better none than a wrong one.
        assert set(found.values()) == {None}
        return
    for operand, diagnosis in found.items():
        assert diagnosis is not None, f"{operand}: {homework.wrong[operand]} was not recognised"
        assert frozenset(diagnosis.name.split(" + ")) in homework.names(operand), diagnosis.name
        assert len(diagnosis.mistakes) == len(diagnosis.name.split(" + "))
        assert diagnosis.explanation


def test_at_least_95_in_100_have_their_names():
    assert len(UNNAMED) <= 0.05 * len(WRONG)
    assert set(BY_NAME) >= UNNAMED


@pytest.mark.parametrize("name", BY_NAME)
def test_counterexample_is_true_and_small(name):
    homework, report = BY_NAME[name], report_of(name)
    for operand in homework.wrong:
        found = report[operand].counterexample
        inputs = {key: np.asarray(array).astype(float) for key, array in found.inputs.items()}
        options, dz = dict(found.options), np.asarray(found.dz).astype(float)
        z, gradients = homework.oracle(list(inputs.values()), options)
        assert dz.shape == z.shape
        valid = dict(zip(inputs, gradients(dz), strict=True))[operand]
        expected = np.asarray(found.expected).astype(float)
        assert any(expected.shape == g.shape and np.allclose(expected, g, rtol=1e-6, atol=1e-6) for g in valid)

        try:
            actual = call_rule(homework.rules[operand], homework.forward, inputs, options, z, dz)
        except Exception:
            assert found.actual is None
            assert found.problem
        else:
            np.testing.assert_allclose(np.asarray(found.actual).astype(float), actual, rtol=1e-9, atol=1e-9)
            if actual.shape == expected.shape:
                assert found.wrong.any()
                np.testing.assert_array_equal(found.wrong, ~np.isclose(actual, expected, rtol=1e-9, atol=1e-9))
            else:
                assert found.wrong is None

        assert sum(array.size for array in inputs.values()) <= 40
        for array in (*inputs.values(), dz):
            assert abs(array).max(initial=0) <= 9
            np.testing.assert_array_equal(array * 4, np.round(array * 4))

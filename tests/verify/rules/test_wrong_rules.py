"""Wrong rules are rejected, each with the mistake's name and a small counterexample that is true."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.verify.rules.homework import call_rule
from tests.verify.rules.suites import UNNAMED, WRONG


@pytest.mark.parametrize("homework", WRONG, ids=str)
def test_wrong_rules_are_rejected_named_and_shown(homework):
    report = tg.verify.check_rule(homework.forward, homework.rules, cases=homework.cases)
    assert not report
    assert {operand for operand in homework.rules if not report[operand].passed} == set(homework.wrong)
    for operand in homework.rules:
        if operand in homework.wrong:
            check_name(homework, operand, report[operand].diagnosis)
            check_counterexample(homework, operand, report[operand].counterexample)
        else:
            assert report[operand].diagnosis is None
            assert report[operand].counterexample is None


def check_name(homework, operand, diagnosis):
    if homework.name in UNNAMED:
        assert diagnosis is None  # better no name than a wrong one
        return
    assert diagnosis is not None, f"{operand}: {homework.wrong[operand]} was not recognised"
    assert frozenset(diagnosis.name.split(" + ")) in homework.names(operand), diagnosis.name
    assert [mistake.name for mistake in diagnosis.mistakes] == diagnosis.name.split(" + ")
    assert diagnosis.explanation


def check_counterexample(homework, operand, found):
    """Expected is what the oracle says of these inputs, actual what the student's rule gives for them."""
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

    assert z.size
    assert sum(array.size for array in inputs.values()) <= 40
    for array in (*inputs.values(), dz):
        assert abs(array).max() <= 9
        np.testing.assert_array_equal(array * 4, np.round(array * 4))


def test_at_least_95_in_100_have_their_names():
    assert len(UNNAMED) <= 0.05 * len(WRONG)
    assert {homework.name for homework in WRONG} >= UNNAMED

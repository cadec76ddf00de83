"""Right rules are accepted, in whatever style and for whatever forward, and nothing is said against them."""

import pytest

import tinygrad_cnn as tg
from tests.verify.rules.suites import RIGHT


@pytest.mark.parametrize("homework", RIGHT, ids=str)
def test_right_rules_are_accepted(homework):
    report = tg.verify.check_rule(homework.forward, homework.rules, cases=homework.cases)
    assert report.passed, str(report)
    assert bool(report)
    for operand in homework.rules:
        assert report[operand].passed
        assert report[operand].diagnosis is None
        assert report[operand].counterexample is None

"""Without cases the operation's own family of shapes and options is enough to tell right from wrong, and to name it."""

import pytest

import tinygrad_cnn as tg
from tests.verify.rules.suites import RIGHT, UNNAMED, WRONG

# Their rules are what they are called in the cases that are given with them, not in every case of a family.
GIVEN_CASES_ONLY = {
    "polynomial": "no operation that is known",
    "conv_transpose2d dX transposed kernel": "windows of a transposed kernel are cut off at the border",
    "neuron": "W @ x + b takes a column for each example too, and np.outer takes only one",
    "broadcast": "A + B takes two arrays of one shape as well, and there dB = dZ is right",
    "tg.max_pool2d": "has a dilation and a ceil_mode, of which the rules know nothing",
    "tg.avg_pool2d": "has a ceil_mode and a count_include_pad, of which the rules know nothing",
}


def in_family(suite):
    return [homework for homework in suite if not homework.name.startswith(tuple(GIVEN_CASES_ONLY))]


def mistakes_and_forwards(suite):
    """Every mistake once and every forward once; pairs of mistakes are found in the same way as one."""
    found = {}
    for homework in suite:
        names = frozenset(name for operand in homework.wrong for name in homework.names(operand))
        if all(len(name) == 1 for name in names):
            found.setdefault(names, homework)
            found.setdefault(homework.forward, homework)
    return list(dict.fromkeys(found.values()))


def operands_of_forwards(suite):
    """One rule for every operand of every forward."""
    return list({(homework.forward, *homework.rules): homework for homework in suite}.values())


@pytest.mark.parametrize("homework", mistakes_and_forwards(in_family(WRONG)), ids=str)
def test_mistake_has_its_name(homework):
    report = tg.verify.check_rule(homework.forward, homework.rules)
    assert {name for name in homework.rules if not report[name].passed} == set(homework.wrong)
    for name in homework.wrong:
        diagnosis = report[name].diagnosis
        if homework.name in UNNAMED:
            assert diagnosis is None
            continue
        assert diagnosis is not None, f"{name}: {homework.wrong[name]} was not recognised"
        assert frozenset(diagnosis.name.split(" + ")) in homework.names(name), diagnosis.name


@pytest.mark.parametrize("homework", operands_of_forwards(in_family(RIGHT)), ids=str)
def test_right_rules_are_accepted(homework):
    report = tg.verify.check_rule(homework.forward, homework.rules)
    assert report.passed, str(report)

"""The suites themselves: what they call right is right, what they call wrong is wrong, by oracles of their own."""

from collections import Counter

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.verify.rules.homework import call_rule, draw, split_case
from tests.verify.rules.suites import RIGHT, WRONG


def is_one_of(gradient, valid):
    return any(gradient.shape == g.shape and np.allclose(gradient, g, rtol=1e-7, atol=1e-7) for g in valid)


def points(homework):
    """Two points for each case: numbers without ties or zeros as often as not, and numbers with many."""
    for seed, case in enumerate(homework.cases):
        shapes, options = split_case(case)
        rng = np.random.default_rng(seed)
        for operands in (
            {name: draw(shape, rng) for name, shape in shapes.items()},
            {name: draw(shape, rng) // 3 + 0.0 for name, shape in shapes.items()},
        ):
            with np.errstate(divide="ignore", invalid="ignore"):
                z, gradients = homework.oracle(list(operands.values()), options)
            if np.isfinite(z).all():  # a quotient by zero has no gradient
                dz = draw(z.shape, rng)
                yield operands, options, z, dz, dict(zip(operands, gradients(dz), strict=True))


@pytest.mark.parametrize("homework", [*RIGHT, *WRONG], ids=str)
def test_forward_is_what_it_is_called(homework):
    for operands, options, z, _, _ in points(homework):
        value = homework.forward(**{name: np.array(a) for name, a in operands.items()}, **options)
        value = value[0] if isinstance(value, tuple) else value
        assert np.shape(value) == z.shape
        np.testing.assert_allclose(np.asarray(value, dtype=float), z, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("homework", [*RIGHT, *WRONG], ids=str)
def test_rules_are_right_but_for_those_called_wrong(homework):
    failed = Counter()
    for operands, options, z, dz, expected in points(homework):
        for name, rule in homework.rules.items():
            try:
                gradient = call_rule(rule, homework.forward, operands, options, z, dz)
            except Exception:
                if name not in homework.wrong:
                    raise
                failed["raised"] += 1
            else:
                failed[name] += not is_one_of(gradient, expected[name])
    # A wrong rule gives a wrong array at least once: an error alone would tell nothing of the mistake.
    assert {name for name in homework.rules if failed[name]} == set(homework.wrong)


def test_suites_are_as_large_as_they_are_called():
    wrong = [name for homework in WRONG for name in homework.wrong]
    double = [h for h in WRONG if any(len(names) == 2 for name in h.wrong for names in h.names(name))]
    assert len(wrong) >= 60
    assert len(double) >= 20
    assert len([name for homework in RIGHT for name in homework.rules]) >= 40
    assert not any(homework.wrong for homework in RIGHT)
    for suite in (RIGHT, WRONG):
        assert len({homework.name for homework in suite}) == len(suite)


def test_wrong_rules_cover_the_operations():
    counts = Counter(str(homework).split(" d")[0].removeprefix("tg.").split()[0] for homework in WRONG)
    for operation in ("conv2d", "conv_transpose2d", "max_pool", "avg_pool", "linear", "batch_norm", "softmax", "relu"):
        assert counts[operation] >= 5, operation


def test_forwards_of_the_library_are_among_them():
    for operation in (tg.conv2d, tg.conv_transpose2d, tg.max_pool2d, tg.avg_pool2d, tg.linear, tg.relu):
        assert any(homework.forward is operation for homework in WRONG)

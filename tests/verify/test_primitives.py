"""Every primitive with a gradient by gradcheck, in both orders: one of three oracles, beside loops and PyTorch."""

import pytest

import tinygrad_cnn as tg
from tests.verify.primitive_table import covered, found, leaves, table

TABLE = table()


@pytest.mark.parametrize(
    ("function", "operands"),
    [row[1:] for row in TABLE],
    ids=[f"{name}-{number}" for number, (name, _, _) in enumerate(TABLE)],
)
def test_gradients_of_both_orders(function, operands):
    report = tg.verify.gradcheck(function, leaves(operands), order=2)
    assert report, str(report)
    assert not any(check.kinks for check in report), str(report)


def test_table_runs_every_rule():
    done = set().union(*(covered(function, operands) for _, function, operands in TABLE))
    missing = sorted(name for definition, name in found().items() if definition not in done)
    assert not missing, f"no row of primitive_table.py runs the rules of {', '.join(missing)}"

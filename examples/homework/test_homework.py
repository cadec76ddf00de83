"""The homework as a pytest file: python -m pytest test_homework.py

assert_rule raises an AssertionError whose message is the report, so that any test runner shows it.
"""

from pathlib import Path
from runpy import run_path

import pytest

import tinygrad_cnn as tg

STUDENT = run_path(str(Path(__file__).with_name("solution.py")))
CASES = [
    {"X": (3, 3), "K": (2, 2), "B": (), "stride": 1, "padding": 0},
    {"X": (4, 5), "K": (3, 2), "B": (), "stride": 1, "padding": 1},
    {"X": (5, 6), "K": (2, 3), "B": (), "stride": 2, "padding": 1},
]


@pytest.mark.parametrize("argument", ["X", "K", "B"])
def test_gradient(argument):
    """The gradient of the student's own forward pass."""
    tg.verify.assert_rule(STUDENT["conv2d"], {argument: STUDENT[f"d{argument}"]}, CASES)


def test_values():
    X, K = [[1, 2, 0], [0, 1, 3], [2, 1, 1]], [[1, -1], [0, 2]]
    Z = STUDENT["conv2d"](tg.tensor(X).numpy(), tg.tensor(K).numpy(), 0.5, 1, 0)
    tg.verify.assert_values([["3/2", "17/2"], ["3/2", "1/2"]], Z)

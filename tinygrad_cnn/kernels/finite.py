"""Whether numbers are finite: for kernels that spread what isn't, by multiplying it with zeros."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np


def has_finite_sum(x: Any) -> bool:
    """Whether no number is NaN or infinite; False also where the sum overflows.

    >>> has_finite_sum(np.array([1.0, -2.0])), has_finite_sum(np.array([np.inf, -np.inf]))
    (True, False)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return isfinite(float(x.sum()))

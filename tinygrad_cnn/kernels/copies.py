"""Copies from one order of memory to another."""

from __future__ import annotations

from typing import Any

import numpy as np


def copy(x: Any, z: Any) -> Any:
    """z, whose numbers become those of x; they have one shape and dtype, and share no memory."""
    np.copyto(z, x)
    return z

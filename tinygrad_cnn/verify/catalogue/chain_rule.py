"""Mistakes in the chain rule itself, dL/dx = dL/dz times dz/dx: one of its two factors left out.

Every operation makes them with keywords of its own rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinygrad_cnn.verify.catalogue.operation import Mistake


def upstream_missing(*changes: Mapping[str, Any], operands: tuple[str, ...] = ()) -> Mistake:
    """dz/dx alone."""
    return Mistake(
        "upstream-missing",
        "dZ is missing: this is the derivative of the operation alone, and the chain rule multiplies it with the "
        "gradient dZ that comes from above.",
        operands,
        changes,
    )


def derivative_missing(*changes: Mapping[str, Any], operands: tuple[str, ...] = ()) -> Mistake:
    """dL/dz alone."""
    return Mistake(
        "derivative-missing",
        "The operation's own derivative is missing: dZ was handed on as it came, and the chain rule multiplies it "
        "with dZ/dX.",
        operands,
        changes,
    )


def ones_like(array: Any) -> Any:
    """Ones in the array's arithmetic: what stands in for a dZ that was left out."""
    return 0 * array + 1

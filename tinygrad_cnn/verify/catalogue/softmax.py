"""Softmax and its logarithm, along the last axis: every output depends on every input of its row.

With Z = softmax(X):      dX = Z (dZ - sum(dZ Z))
With Z = log softmax(X):  dX = dZ - softmax(X) sum(dZ)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_cnn.primitives import softmax as softmaxes
from tinygrad_cnn.verify.catalogue.chain_rule import derivative_missing, ones_like, upstream_missing
from tinygrad_cnn.verify.catalogue.operation import Case, Layout, Mistake, Operation

Inputs = Mapping[str, Any]

LOGIT_NAMES = ("X", "logits", "scores", "input", "inputs", "inp", "u", "U", "o", "O", "v", "theta")


def softmax(x: Any) -> Any:
    """exp(x) / sum(exp(x)) along the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _sum(values: Any, axis: str) -> Any:
    """Over "each row", "each column" or "everything"."""
    if axis == "everything":
        return values.sum()
    return values.sum(axis=-1 if axis == "each row" else 0, keepdims=True)


def softmax_gradient(
    dz: Any,
    inputs: Inputs,
    *,
    terms: str = "Z (dZ - sum(dZ Z))",
    axis: str = "each row",
    probabilities: str = "Z",
    upstream: bool = True,
) -> Any:
    """dX of Z = softmax(X).

    Args:
        terms: the formula; with "1" the derivative is left out.
        axis: over which the products are summed: "each row", "each column", "everything".
        probabilities: what Z is: "Z", "exponentials" e^X, "X", "softmax of Z".
        upstream: dZ; else ones, or the Jacobian matrix of each row where the formula has all of it.
    """
    z = {
        "Z": lambda: inputs["z"],
        "exponentials": lambda: np.exp(inputs["x"]),
        "X": lambda: inputs["x"],
        "softmax of Z": lambda: softmax(inputs["z"]),
    }[probabilities]()
    if not upstream and terms == "Z (dZ - sum(dZ Z))":
        return z[..., None] * (np.eye(z.shape[-1]) - z[..., None, :])
    dz = dz if upstream else ones_like(dz)
    return {
        "Z (dZ - sum(dZ Z))": lambda: z * (dz - _sum(dz * z, axis)),
        "Z dZ (1 - Z)": lambda: z * dz * (1 - z),
        "Z (dZ + sum(dZ Z))": lambda: z * (dz + _sum(dz * z, axis)),
        "Z (dZ - sum(dZ))": lambda: z * (dz - _sum(dz, axis)),
        "Z dZ - sum(dZ Z)": lambda: z * dz - _sum(dz * z, axis),
        "dZ - sum(dZ Z)": lambda: dz - _sum(dz * z, axis),
        "Z dZ": lambda: z * dz,
        "1": lambda: dz,
    }[terms]()


CROSS_TERMS = (
    "The cross terms are missing: every output of a softmax depends on every input of its row, since they share the "
    "sum in the denominator."
)

SOFTMAX_MISTAKES = (
    Mistake(
        "cross-terms-missing",
        f"{CROSS_TERMS} Z (1 - Z) is only the diagonal of the Jacobian matrix; beside it stands -Zi Zj.",
        ("x",),
        ({"terms": "Z dZ (1 - Z)"},),
    ),
    Mistake(
        "cross-terms-with-wrong-sign",
        "The cross terms have the wrong sign: the Jacobian matrix is diag(Z) - Z Z^T.",
        ("x",),
        ({"terms": "Z (dZ + sum(dZ Z))"},),
    ),
    Mistake(
        "sum-not-subtracted",
        "The sum was not subtracted: dX = Z (dZ - sum(dZ Z)).",
        ("x",),
        ({"terms": "Z dZ"},),
    ),
    Mistake(
        "probabilities-missing-in-the-sum",
        "In the sum dZ stands alone: each dZ counts as much as its probability, dX = Z (dZ - sum(dZ Z)).",
        ("x",),
        ({"terms": "Z (dZ - sum(dZ))"},),
    ),
    Mistake(
        "probabilities-missing-outside-the-sum",
        "The bracket is not multiplied with Z: dX = Z (dZ - sum(dZ Z)).",
        ("x",),
        ({"terms": "Z dZ - sum(dZ Z)"}, {"terms": "dZ - sum(dZ Z)"}),
    ),
    Mistake(
        "softmax-summed-over-wrong-axis",
        "The products dZ Z were summed over the wrong axis: each row has its own softmax, and its own sum.",
        ("x",),
        ({"axis": "each column"}, {"axis": "everything"}),
    ),
    Mistake(
        "probabilities-not-normalised",
        "The exponentials were not divided by their sum: the formula is written with the probabilities Z.",
        ("x",),
        ({"probabilities": "exponentials"},),
    ),
    Mistake(
        "derivative-of-output-forgotten",
        "The formula is written with the output Z, and X was put into it.",
        ("x",),
        ({"probabilities": "X"},),
    ),
    Mistake(
        "derivative-at-the-output",
        "The softmax was applied to Z once more: the formula is written with the probabilities Z themselves.",
        ("x",),
        ({"probabilities": "softmax of Z"},),
    ),
    derivative_missing({"terms": "1"}, operands=("x",)),
    upstream_missing({"upstream": False}, operands=("x",)),
)


def log_softmax_gradient(
    dz: Any,
    inputs: Inputs,
    *,
    terms: str = "dZ - P sum(dZ)",
    axis: str = "each row",
    probabilities: str = "softmax",
    upstream: bool = True,
) -> Any:
    """dX of Z = log softmax(X), with P = softmax(X) = e^Z.

    Args:
        terms: the formula; with "1" the derivative is left out.
        axis: over which dZ is summed: "each row", "each column", "everything".
        probabilities: what P is: "softmax", "exponentials" e^X, "X", "Z".
        upstream: dZ; else ones.
    """
    dz = dz if upstream else ones_like(dz)
    p = {
        "softmax": lambda: np.exp(inputs["z"]),
        "exponentials": lambda: np.exp(inputs["x"]),
        "X": lambda: inputs["x"],
        "Z": lambda: inputs["z"],
    }[probabilities]()
    return {
        "dZ - P sum(dZ)": lambda: dz - p * _sum(dz, axis),
        "dZ (1 - P)": lambda: dz * (1 - p),
        "dZ + P sum(dZ)": lambda: dz + p * _sum(dz, axis),
        "dZ - P": lambda: dz - p,
        "P (dZ - sum(dZ P))": lambda: p * (dz - _sum(dz * p, axis)),
        "1": lambda: dz,
    }[terms]()


LOG_SOFTMAX_MISTAKES = (
    Mistake(
        "cross-terms-missing",
        f"{CROSS_TERMS} dX = dZ - P sum(dZ), and dZ (1 - P) is only each output's share in its own input.",
        ("x",),
        ({"terms": "dZ (1 - P)"},),
    ),
    Mistake(
        "cross-terms-with-wrong-sign",
        "The cross terms have the wrong sign: dX = dZ - P sum(dZ).",
        ("x",),
        ({"terms": "dZ + P sum(dZ)"},),
    ),
    Mistake(
        "upstream-missing-in-the-sum",
        "The probabilities are subtracted as they are: each counts as much as the sum of dZ in its row.",
        ("x",),
        ({"terms": "dZ - P"},),
    ),
    Mistake(
        "derivative-of-another-function",
        "This is the gradient of a softmax; here its logarithm was taken, dX = dZ - P sum(dZ).",
        ("x",),
        ({"terms": "P (dZ - sum(dZ P))"},),
    ),
    Mistake(
        "softmax-summed-over-wrong-axis",
        "dZ was summed over the wrong axis: each row has its own softmax, and its own sum.",
        ("x",),
        ({"axis": "each column"}, {"axis": "everything"}),
    ),
    Mistake(
        "probabilities-not-normalised",
        "The exponentials were not divided by their sum: P is the softmax.",
        ("x",),
        ({"probabilities": "exponentials"},),
    ),
    Mistake(
        "scores-instead-of-probabilities",
        "The softmax is missing: X or Z stands where the probabilities P = softmax(X) = e^Z belong.",
        ("x",),
        ({"probabilities": "X"}, {"probabilities": "Z"}),
    ),
    derivative_missing({"terms": "1"}, operands=("x",)),
    upstream_missing({"upstream": False}, operands=("x",)),
)

CASES = tuple(Case({"x": shape}) for shape in ((1, 2), (1, 3), (2, 2), (2, 3), (3, 2), (3, 3), (2, 4)))

LAYOUTS = (
    Layout("a sample in each row"),
    Layout("a sample in each column", {}, frozenset({"x", "z"})),
    Layout("one sample", {"x": 1, "z": 1}),
)

SOFTMAX = Operation(
    name="softmax",
    function=softmaxes.softmax,
    operands={"x": LOGIT_NAMES},
    options={},
    defaults={},
    cases=CASES,
    layouts=LAYOUTS,
    rules={"x": softmax_gradient},
    formulas={"x": "dX = Z (dZ - sum(dZ Z)), the sum over the classes"},
    mistakes=SOFTMAX_MISTAKES,
)

LOG_SOFTMAX = Operation(
    name="log_softmax",
    function=softmaxes.log_softmax,
    operands={"x": LOGIT_NAMES},
    options={},
    defaults={},
    cases=CASES,
    layouts=LAYOUTS,
    rules={"x": log_softmax_gradient},
    formulas={"x": "dX = dZ - softmax(X) sum(dZ), the sum over the classes"},
    mistakes=LOG_SOFTMAX_MISTAKES,
)

OPERATIONS = (SOFTMAX, LOG_SOFTMAX)

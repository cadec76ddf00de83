"""An operation's definition, run on named entries: as polynomials, at the recorded values, or by sympy."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np

from tinygrad_cnn.engine import Node
from tinygrad_cnn.verify.derivation import polynomial, symbolic
from tinygrad_cnn.verify.derivation.polynomial import NotPolynomialError, Polynomial, array_of, rational
from tinygrad_cnn.verify.derivation.stages import Operand, kind_of
from tinygrad_cnn.verify.derivation.variables import MOST_ENTRIES, values_of

MOST_DERIVATIVES = 4096
"""Partial derivatives of one step that sympy is asked for."""

MOST_CHECKED = 64
"""Entries whose expression is compared with the recorded value."""

WITHOUT_EFFECT = frozenset({"cast", "transfer"})
_NO_RESULT = (TypeError, ValueError, AttributeError, NotPolynomialError)


def numbers(node: Node) -> Any:
    """The values of a constant, floats as the short fractions that they stand for."""
    values = values_of(node)
    if values is None:
        raise ValueError(
            f"derive: the values of {node!r} were not kept, as they are more than {MOST_ENTRIES:,}; give it a name, or "
            "record the graph inside tg.debug()"
        )
    if not node.shape:
        number = values.item() if isinstance(values, np.generic) else values
        return rational(values) if node.dtype.kind == "f" and isfinite(number) else number
    if node.dtype.kind != "f":
        return values
    return array_of([rational(v) if isfinite(v) else v for v in values.ravel().tolist()], node.shape)


def flat(result: Any) -> Any:
    """The entries of an array, or the single one."""
    return result.flat if isinstance(result, np.ndarray) else (result,)


def _forward(node: Node, arrays: Sequence[Any]) -> Any:
    """The operation's definition on these operands."""
    if kind_of(node) in WITHOUT_EFFECT:
        return arrays[0]
    primitive = node.primitive
    assert primitive is not None
    result = primitive.forward(*arrays, **node.options)
    return result[0] if primitive.auxiliary else result


def run(node: Node, operands: Sequence[Operand]) -> Any:
    """The definition on polynomials whose values nobody asks for; None where that can't be."""
    with polynomial.comparisons() as compared:
        try:
            result = _forward(node, [operand.array for operand in operands])
            values = [polynomial.terms_of(value) for value in flat(result)]
        except _NO_RESULT:
            return None
    return result if values and not compared else None


def run_otherwise(node: Node, operands: Sequence[Operand]) -> tuple[Any, bool, symbolic.Translation | None]:
    """The definition on polynomials at their values, or on sympy's symbols; the result, and which of these it was."""
    arrays = [operand.array for operand in operands]
    try:
        result = _forward(node, arrays)
        for value in flat(result):
            polynomial.terms_of(value)
        return result, True, None
    except _NO_RESULT:
        pass
    name = kind_of(node) or repr(node)
    error: Exception | None = None
    for signed in (False, True):
        translation = symbolic.Translation(signed)
        try:
            result = _forward(node, translation.arrays(arrays))
            entries = [symbolic.exact(value) for value in flat(result)]
        except (TypeError, ValueError, AttributeError) as failed:
            error = failed
            continue
        count = sum(len(entry.free_symbols) for entry in entries)
        if count > MOST_DERIVATIVES:
            raise ValueError(
                f"derive: {name} has {count:,} partial derivatives, more than the {MOST_DERIVATIVES:,} that sympy is "
                "asked for; take smaller arrays"
            )
        values = values_of(node)
        known = [] if values is None else np.ravel(values)[:MOST_CHECKED].tolist()
        if not translation.is_right(entries[: len(known)], known):
            raise ValueError(f"derive: {name} on symbols is not what it is on the recorded numbers")
        return array_of(entries, np.shape(result)), signed, translation
    raise ValueError(f"derive: {name} can't be run on symbols: {error}") from error


def is_moved(result: Any) -> bool:
    """Whether every entry is a symbol as it is, or a number."""
    entries = [value for value in flat(result) if isinstance(value, Polynomial)]
    return bool(entries) and all(entry.symbol is not None or not entry.terms for entry in entries)

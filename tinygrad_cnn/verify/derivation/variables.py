"""The arrays of a derivation and how their entries are called.

Entries count from 1, as in the lecture: X12 is row 1, column 2. A batch, channels and filters stand before, each with a
comma (X2,11 is the entry 11 of channel 2); such an axis of size 1 is left out. Where a size is 10 or more, every index
of the array gets its comma: X10,3.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from numbers import Rational
from typing import Any

import numpy as np

from tinygrad_cnn.backend import to_numpy
from tinygrad_cnn.engine import Unkept
from tinygrad_cnn.verify.derivation.notation import Letter, Matrix, Notation, Number, Partial
from tinygrad_cnn.verify.derivation.polynomial import NotPolynomialError, Polynomial, Symbol, array_of, rational

MOST_ENTRIES = 1024
"""An array in a derivation may have up to this many entries: a node keeps the values of so many, too."""


@dataclass(eq=False)
class Variable:
    """An array with a name: a leaf, a constant, or the result of a step.

    Attributes:
        name: what its entries are called; `whole` is the name of the array.
        leading: the words for the axes before the spatial ones, ("image", "channel"); empty for other arrays.
        values: its numbers, or None.
        rank: where its entries stand in a product.
        loss: the name of the scalar that is differentiated, L; that scalar itself has no upstream gradient.
    """

    name: str
    whole: str
    shape: tuple[int, ...]
    leading: tuple[str, ...]
    values: Any
    rank: int
    loss: str

    @property
    def size(self) -> int:
        """The number of its entries."""
        return prod(self.shape)

    @property
    def is_loss(self) -> bool:
        """Whether it is the scalar L itself."""
        return self.whole == self.loss

    @property
    def rest(self) -> tuple[int, ...]:
        """The sizes behind the leading axes: rows and columns."""
        return self.shape[len(self.leading) :]

    def letter(self, index: Sequence[int]) -> Letter:
        """The entry at an index (from 0), under its name (from 1)."""
        numbers = [str(i + 1) for i in index]
        return self.at(numbers[: len(self.leading)], numbers[len(self.leading) :])

    def at(self, leading: Sequence[str], rest: Sequence[str]) -> Letter:
        """The entry at an index in words; leading axes of size 1 are left out."""
        count = len(self.leading)
        groups = [word for word, n in zip(leading, self.shape[:count], strict=True) if n > 1]
        is_short = max(self.rest, default=1) < 10 and len(rest) <= 3 and all(len(word) == 1 for word in rest)
        return Letter(self.name, (*groups, *(["".join(rest)] if is_short and rest else rest)))

    def plane(self, leading: Sequence[str] = ()) -> Letter:
        """The array as a whole: X; or one image or kernel of it, where there are several: X[n,c]."""
        groups = [word for word, n in zip(leading, self.shape, strict=False) if n > 1]
        return Letter(self.whole, tuple(groups), is_whole=True)

    def upstream(self, notation: Notation) -> Notation:
        """The derivative of L by a part of it, or the 1 that dL/dL is."""
        return Number(1) if self.is_loss else Partial(Letter(self.loss), notation)

    def indices(self) -> Iterator[tuple[int, ...]]:
        """The index of every entry."""
        return np.ndindex(self.shape)

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        """A symbol for every entry, in row-major order."""
        numbers = [None] * self.size if self.values is None else np.ravel(self.values).tolist()
        # Values of another arithmetic, as sympy's symbols, have no order to find a maximum by.
        numbers = [float(n) if isinstance(n, np.floating) else n if isinstance(n, float | Rational) else None
                   for n in numbers]  # fmt: skip
        return tuple(
            Symbol(self.letter(index), (1, self.rank, i), self, i, number)
            for i, (index, number) in enumerate(zip(self.indices(), numbers, strict=True))
        )

    @cached_property
    def upstream_symbols(self) -> tuple[Symbol, ...]:
        """The derivative of L by every entry."""
        return tuple(
            Symbol(self.upstream(symbol.shown), (0, self.rank, i), self, i)
            for i, symbol in enumerate(self.symbols)
        )

    @cached_property
    def polynomials(self) -> Any:
        """The array of its entries as polynomials."""
        return array_of([Polynomial.of(symbol) for symbol in self.symbols], self.shape)

    @cached_property
    def upstreams(self) -> Any:
        """The array of dL/d(entry) as polynomials; of L itself, a 1."""
        entries = [1] if self.is_loss else [Polynomial.of(symbol) for symbol in self.upstream_symbols]
        return array_of(entries, self.shape)

    def matrix(self) -> Matrix | None:
        """The values as a matrix, if it is one image or a vector of a few exact or short numbers."""
        rows = (1, 1, *self.shape)[-2:]
        if self.values is None or prod(rows) != self.size or max(rows) > 9:
            return None
        try:
            numbers = [Number(rational(value)) for value in np.ravel(self.values).tolist()]
        except (TypeError, NotPolynomialError):
            return None
        return Matrix(tuple(tuple(numbers[i : i + rows[1]]) for i in range(0, len(numbers), rows[1])))


def values_of(node: Any) -> Any:
    """The numbers of a node, None where it has not kept them."""
    return None if isinstance(node.value, Unkept) else to_numpy(node.value)


def printable(name: str | None) -> str:
    """A user's name as one word; empty where there is none.

    >>> printable("my weights"), printable(None)
    ('my_weights', '')
    """
    return re.sub(r"[^\x21-\x7e\xa1-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", "_".join((name or "").split()))


def unused(names: Iterable[str], taken: Collection[str]) -> str:
    """The first of the names that is not taken, in capitals neither; where all are, the first with primes.

    >>> unused("zy", {"Z"}), unused("z", {"z", "z'"})
    ('y', "z''")
    """
    first, *others = names
    in_use = {known.lower() for known in taken}
    for name in (first, *others):
        if name.lower() not in in_use:
            return name
    while first.lower() in in_use:
        first += "'"
    return first

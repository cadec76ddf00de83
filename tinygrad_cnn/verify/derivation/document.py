"""A derivation as a document: steps of paragraphs, listings of equations and drawings, for every writer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tinygrad_cnn.verify.derivation.notation import Equation, Notation, Sum, Word

MOST_ROWS = 16
"""A list of more rows than this is shown in part, unless everything is asked for."""

MOST_TERMS = 12
"""A sum of more terms than this is shown by its first ones and its last."""

MOST_BESIDE = 9
DOTS = Word("...")


class Formulas(Mapping[str, Equation]):
    """Equations under the names of what they say something about, each written when it is asked for.

    >>> Formulas(["x1"], lambda i: Equation(Word("x1"), (Word("2"),)))["x1"].text()
    'x1 = 2'
    """

    def __init__(self, names: Iterable[str], write: Callable[[int], Equation]) -> None:
        self._places = {name: i for i, name in enumerate(names)}
        self._write = write

    def __getitem__(self, name: str) -> Equation:
        if name not in self._places:
            known = list(self._places)
            shown = ", ".join(known if len(known) < 12 else [*known[:10], "...", known[-1]])
            raise KeyError(f"no formula for {name!r}; there are {shown}")
        return self._write(self._places[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def at(self, place: int) -> Equation:
        """The equation by its place."""
        return self._write(place)

    def __str__(self) -> str:
        return "\n".join(equation.text() for equation in self.values())


@dataclass(frozen=True)
class Paragraph:
    """Words and formulas."""

    parts: tuple[str | Notation, ...]


@dataclass(frozen=True)
class Bullets:
    """Some paragraphs, one below the other."""

    items: tuple[Paragraph, ...]


@dataclass(frozen=True)
class Display:
    """A formula on its own: a closed form, or a drawing of matrices."""

    equation: Equation


@dataclass(frozen=True)
class Listing:
    """Equations in rows, of which a long listing shows the first, the longest and the last."""

    formulas: Formulas
    rows: Sequence[Sequence[int]]
    longest: int = 0

    def shown(self, full: bool) -> Iterator[list[Equation] | None]:
        """The rows to be shown, None for a gap, sums shortened where not everything is asked for."""
        count = len(self.rows)
        chosen = list(range(count)) if full or count <= MOST_ROWS else sorted({0, 1, 2, 3, self.longest, count - 1})
        last = -1
        for i in chosen:
            if i > last + 1:
                yield None
            last = i
            row = self.rows[i]
            if not full and len(row) > MOST_BESIDE:
                row = [*row[:3], row[-1]]
                equations = [shortened(self.formulas.at(place)) for place in row]
                yield [*equations[:3], Equation(DOTS, ()), equations[3]]
            else:
                yield [self.formulas.at(place) if full else shortened(self.formulas.at(place)) for place in row]

    def left_out(self, full: bool) -> int:
        """How many rows are not shown."""
        count = len(self.rows)
        return 0 if full or count <= MOST_ROWS else count - len({0, 1, 2, 3, self.longest, count - 1})


Block = Paragraph | Bullets | Display | Listing


@dataclass(frozen=True)
class Step:
    """A part of a derivation: "forward", "chain rule", ...; the heading may hold formulas."""

    kind: str
    heading: tuple[str | Notation, ...]
    blocks: tuple[Block, ...]

    @property
    def title(self) -> str:
        """The heading as text."""
        return "".join(map(str, self.heading))


def say(*parts: str | Notation) -> Paragraph:
    """A paragraph."""
    return Paragraph(parts)


def shortened(equation: Equation) -> Equation:
    """The equation with its long sums written by their first terms and the last."""
    rights = tuple(
        Sum((*right.terms[:3], DOTS, right.terms[-1]))
        if isinstance(right, Sum) and len(right.terms) > MOST_TERMS
        else right
        for right in equation.rights
    )
    return equation if rights == equation.rights else replace(equation, rights=rights)

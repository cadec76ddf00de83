"""Sizes, borders and steps on one, two or three axes in words, and the places of windows as formulas."""



from __future__ import annotations

from collections.abc import Sequence

from tinygrad_cnn.verify.derivation.notation import (
    Call,
    Letter,
    Notation,
    Number,
    Quotient,
    Sum,
    Word,
    negative,
    plus,
    times,
)

Ints = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]

AXES = {1: ("entries",), 2: ("rows", "columns"), 3: ("layers", "rows", "columns")}
_SIDES = {
    1: (("before", "behind"),),
    2: (("above", "below"), ("to the left", "to the right")),
    3: (("in front", "behind"), ("above", "below"), ("to the left", "to the right")),
}


def times_said(size: Sequence[int]) -> str:
    """A size, 3 x 4, which no line ends inside."""
    return "\N{NO-BREAK SPACE}x\N{NO-BREAK SPACE}".join(map(str, size))


def each_said(values: Sequence[int]) -> str:
    """One number for all axes, or one for each.

    >>> each_said((2, 2)), each_said((2, 3))
    ('2', '2 and 3')
    """
    return str(values[0]) if len(set(values)) == 1 else " and ".join(map(str, values))


def counted(count: int, axis: str) -> str:
    """So many rows, entries, ...

    >>> counted(1, "rows"), counted(2, "columns"), counted(1, "entries")
    ('1 row', '2 columns', '1 entry')
    """
    one = axis.removesuffix("ies") + "y" if axis == "entries" else axis.removesuffix("s")
    return f"{count} {axis if count != 1 else one}"


def border_said(widths: Pairs) -> str:
    """How wide a border is on each side."""
    if len({width for pair in widths for width in pair}) == 1:
        return f"{widths[0][0]} on every side"
    sides = zip(widths, _SIDES[len(widths)], strict=True)
    said = (f"{width} {side}" for pair, names in sides for width, side in zip(pair, names, strict=True) if width)
    return ", ".join(said)


def zeros_said(widths: Pairs) -> str:
    """Which rows and columns of zeros there are around.

    >>> zeros_said(((1, 1), (1, 1))), zeros_said(((0, 2), (1, 0)))
    ('1 row and 1 column of zeros on every side', 'zeros, 2 rows below, 1 column to the left')
    """
    n = len(widths)
    if n == 1:
        sides = zip(widths[0], _SIDES[1][0], strict=True)
        return " and ".join(f"{counted(width, 'zeros')} {side}" for width, side in sides if width)
    if len({width for pair in widths for width in pair}) == 1 and n == 2:
        return f"{counted(widths[0][0], 'rows')} and {counted(widths[0][0], 'columns')} of zeros on every side"
    said = ["zeros"]
    for pair, names, axis in zip(widths, _SIDES[n], AXES[n], strict=True):
        said += [f"{counted(width, axis)} {side}" for width, side in zip(pair, names, strict=True) if width]
    return ", ".join(said)


def between_said(steps: Ints) -> str:
    """How many zeros there are between neighbours.

    >>> between_said((2, 2)), between_said((3, 1))
    ('1 zero between neighbours', '2 zeros between rows')
    """
    if len(set(steps)) == 1:
        return f"{counted(steps[0] - 1, 'zeros')} between neighbours"
    axes = zip(steps, AXES[len(steps)], strict=True)
    return ", ".join(f"{counted(step - 1, 'zeros')} between {axis}" for step, axis in axes if step > 1)


def last_said(counts: Ints) -> str:
    """The last rows and columns, "" for none.

    >>> last_said((1, 2)), last_said((0, 1)), last_said((0, 0))
    ('the last row and the last 2 columns', 'the last column', '')
    """
    axes = zip(counts, AXES[len(counts)], strict=True)
    said = [f"the last {counted(count, axis)}".replace("last 1 ", "last ") for count, axis in axes if count]
    return " and ".join(said)


def range_said(word: str, first: int, count: int) -> str:
    """Some neighbours, counted from 1.

    >>> range_said("filter", 2, 1), range_said("filter", 2, 2)
    ('filter 3', 'filters 3 to 4')
    """
    return f"{word} {first + 1}" if count == 1 else f"{word}s {first + 1} to {first + count}"


def place(i: str, s: int, u: str, d: int, padding: int) -> str:
    """Where entry u of window i lies, from 1: s (i - 1) + d (u - 1) + 1 - padding.

    >>> place("i", 1, "u", 1, 0), place("i", 2, "u", 1, 1), place("i", 2, "u", 2, -3)
    ('i+u-1', '2i+u-3', '2i+2u')
    """
    constant = 1 - s - d - padding
    return f"{s if s > 1 else ''}{i}+{d if d > 1 else ''}{u}" + (f"{constant:+d}" if constant else "")


def windows_counted(n: int, k: int, s: int, pair: tuple[int, int], d: int, out: int) -> tuple[Notation, ...]:
    """floor((n + 2 p - k) / s) + 1 in letters, with its numbers, and worked out."""
    before, after = pair
    is_even = before == after
    general: list[Notation] = [times(Number(2), Letter("p"))] if is_even else [Letter("p"), Letter("p'")]
    special = [2 * before] if is_even else [before, after]
    reach = Letter("k")
    if d == 1:
        general.append(negative(reach))
        special.append(-k)
    else:
        general += [negative(times(Letter("d"), Sum((reach, Number(-1))))), Number(-1)]
        special += [-d * (k - 1), -1]

    def floor(terms: Sequence[Notation], step: Notation) -> Notation:
        return Sum((Call("floor", (Quotient(plus(*terms), step),)), Number(1)))

    letters = floor([Letter("n"), *general], Letter("s"))
    return letters, floor([Number(n), *map(Number, special)], Number(s)), Number(out)


def stamps_reach(n: int, k: int, s: int, pair: tuple[int, int], d: int, out: int) -> tuple[Notation, ...]:
    """(n - 1) s + d (k - 1) + 1 - 2 p of a transposed convolution, with its numbers, and worked out."""
    before, after = pair
    more = out - ((n - 1) * s + d * (k - 1) + 1 - before - after)
    first = Sum((Letter("n"), Number(-1)))
    general: list[Notation] = [times(first, Letter("s"))]
    special = [(n - 1) * s]
    if d == 1:
        general.append(Letter("k"))
        special.append(k)
    else:
        general += [times(Letter("d"), Sum((Letter("k"), Number(-1)))), Number(1)]
        special += [d * (k - 1), 1]
    if before == after:
        general.append(negative(times(Number(2), Letter("p"))))
        special.append(-2 * before)
    else:
        general += [negative(Letter("p")), negative(Letter("p'"))]
        special += [-before, -after]
    if more:
        general.append(Word("output padding"))
        special.append(more)
    return plus(*general), plus(*map(Number, special)), Number(out)

"""Numbers as they stand in print: what NumPy, PyTorch, Python's lists, MATLAB or a student's own hand write, read back.

A decimal shows its last digit, and no more: 0.56 stands for every number from 0.555 to 0.565. Integers and fractions
(3/4) stand for themselves, and so do 21. and 2e5, in which no digit follows the point.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import inf, nan, prod
from typing import Any, NamedTuple

import numpy as np

MOST_AXES = 32
LARGEST_EXPONENT = 999
"""A power of ten beyond it would be a number of as many digits, in exact arithmetic."""
ALL_DIGITS = 15
"""A number with so many significant digits is a float64 in full: its last digits show rounding."""
MOST_OF_FLOAT32 = 7
"""So many significant digits show a float32 nearly in full."""
LARGEST_FLOAT32 = float(np.finfo(np.float32).max)

_CALL = re.compile(r"(?:\b\w+\.)*\b(array|asarray|tensor|Tensor|matrix|(?:float|int|uint|bool)_?\d*)\(")
_FRACTION = re.compile(r"\bFraction\(\s*([-+]?\d+)\s*(?:,\s*(\d+)\s*)?\)")
_TOKEN = re.compile(
    r"""(?P<number>[-+]?(?:\d+/\d+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf|True|False)(?![\w./]))
    | (?P<ellipsis>\.\.\.|\N{HORIZONTAL ELLIPSIS})
    | (?P<keyword>(?P<key>shape|dtype|device|requires_grad|grad_fn|name|op)=
        (?P<value>\([^()]*\)|'[^']*'|"[^"]*"|<[^<>]*>|[\w.]+))
    | (?P<mark>[][(),;\n])
    | (?P<space>[^\S\n]+)""",
    re.VERBOSE | re.IGNORECASE,
)
_HEADING = re.compile(r"^[ \t]*([^\W\d][^\s=:()\[\]]*)[ \t]*[:=]", re.MULTILINE)
_KEYWORDS = frozenset({"shape", "dtype", "device", "requires_grad", "grad_fn", "name", "op"})


class _Number(NamedTuple):
    """A number as it stands there: `digits` after the point (None without one) times ten to the `exponent`.

    `size` counts the significant digits.
    """

    value: Any
    digits: int | None = None
    exponent: int = 0
    size: int = 0


@dataclass(frozen=True, eq=False)
class Printed:
    """What a text shows.

    Attributes:
        values: an object array of fractions; of floats where there is NaN or an infinity.
        units: of each entry, what one more in its last digit would be; 0 for a number that is exact.
        dtype: the floating-point dtype that the text names; else float64 where numbers have all of its digits, float32
            where NumPy shows each in full as one; else None.
        has_axes: whether brackets say which axes there are; without them a row or a column has none of length 1.
    """

    values: Any
    units: Any
    dtype: np.dtype[Any] | None
    has_axes: bool


def read(text: str) -> Printed:
    """The numbers in a text.

    Takes what `print` shows of an array, a tensor, a list or a number, rows without brackets ("1 2", a line each, or
    "1 2; 3 4"), commas or none, decimals, fractions, `Fraction(3, 4)` and `np.float64(0.5)`, and "dX = " in front.
    NumPy leaves away zeros at the end, so that in a text of its own making every decimal has the digits of the longest.

    Raises:
        ValueError: something that is no number, entries left out by "...", rows of different lengths, brackets that
            don't match, a division by 0.

    >>> printed = read("[[0.5  0.25] [1.   0.75]]")
    >>> printed.values[0].tolist(), printed.units[0].tolist()
    ([Fraction(1, 2), Fraction(1, 4)], [Fraction(1, 100), Fraction(1, 100)])
    >>> read("1/3 2\\n-4 0.5").values.shape
    (2, 2)
    """
    text = text.replace("\N{MINUS SIGN}", "-").replace("\N{EN DASH}", "-").strip()
    if heading := _HEADING.match(text):
        text = text[heading.end() :]
    text = _FRACTION.sub(lambda m: f"{m[1]}/{m[2] or 1}", text)
    text = re.sub(r"(\d)[ \t]*/[ \t]*(\d)", r"\1/\2", text)
    reader = _Reader(_CALL.sub("(", text))
    nested = reader.everything()
    shape = _shape(nested)
    if reader.shape is not None and prod(shape) == prod(reader.shape) == 0:
        shape = reader.shape  # an empty array prints its shape beside it
    entries = _flat(nested)
    has_all_digits = any(entry.digits and entry.size >= ALL_DIGITS for entry in entries)
    is_machine_made = _is_machine_made(text)
    is_common = has_all_digits or is_machine_made
    longest = max((entry.digits or 0 for entry in entries), default=0)
    values, units = np.empty(len(entries), dtype=object), np.empty(len(entries), dtype=object)
    for i, entry in enumerate(entries):
        shown = longest if is_common and entry.digits is not None else entry.digits
        values[i] = entry.value
        units[i] = Fraction(10) ** (entry.exponent - shown) if shown else Fraction(0)
    dtype = reader.dtype
    if dtype is None and has_all_digits:
        dtype = np.dtype(np.float64)
    elif dtype is None and is_machine_made and _are_float32(entries):
        dtype = np.dtype(np.float32)
    return Printed(values.reshape(shape), units.reshape(shape), dtype, "[" in text or "(" in text)


def sections(text: str) -> dict[str, str]:
    """The parts of a text by the names in front of them: "dX = ..." or "dX:", each at the start of a line.

    >>> sections("dX:\\n[[1 2]]\\ndB = 3")
    {'dX': '[[1 2]]', 'dB': '3'}
    """
    found = [match for match in _HEADING.finditer(text) if match[1] not in _KEYWORDS]
    ends = [match.start() for match in found[1:]] + [len(text)]
    return {match[1]: text[match.end() : end].strip() for match, end in zip(found, ends, strict=False)}


def _is_machine_made(text: str) -> bool:
    """Whether NumPy or PyTorch wrote the text: by name, in brackets without commas, or with a point but no digits."""
    if any(call[1] in ("array", "tensor", "Tensor") for call in _CALL.finditer(text)):
        return True
    return ("[" in text and not re.search("[,;]", text)) or re.search(r"\d\.(?!\d)", text) is not None


def _are_float32(entries: list[_Number]) -> bool:
    """Whether each decimal is what NumPy prints of a float32, the shortest that names it or its digits, and some long.

    Of a float64 with as many digits few would be near enough to a float32.
    """
    decimals = [entry for entry in entries if entry.digits is not None]
    if max((entry.size for entry in decimals), default=0) < MOST_OF_FLOAT32:
        return False
    for value, digits, exponent, _ in decimals:
        if not abs(value) <= LARGEST_FLOAT32:
            return False
        single = np.float32(float(value))
        half = Fraction(10) ** (exponent - (digits or 0)) / 2
        if Fraction(str(single)) != value and abs(Fraction(float(single)) - value) > half:
            return False
    return True


class _Reader:
    """Brackets, rows and numbers, one token after the other."""

    def __init__(self, text: str) -> None:
        self.shape: tuple[int, ...] | None = None
        self.dtype: np.dtype[Any] | None = None
        self._tokens = list(self._scan(text))
        self._at = 0

    def _scan(self, text: str) -> Iterator[_Number | str]:
        """Numbers, brackets, commas, semicolons, ends of lines, and "" for a keyword argument."""
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise ValueError(f"expected numbers but got {_line_from(text, at)!r}")
            at = match.end()
            if match["ellipsis"]:
                raise ValueError(
                    "entries are left out (...); print all of them: np.set_printoptions(threshold=sys.maxsize)"
                )
            if match["number"]:
                yield _number(match[0])
            elif match["keyword"]:
                self._keyword(match["key"], match["value"])
                yield ""
            elif match["mark"]:
                yield match[0]

    def _keyword(self, key: str, value: str) -> None:
        if key == "shape" and value.startswith("("):
            self.shape = tuple(int(n) for n in re.findall(r"\d+", value))
        if key == "dtype" and re.fullmatch(r"(?:\w+\.)?float(?:16|32|64)", value):
            self.dtype = np.dtype(value.rpartition(".")[2])

    def everything(self) -> Any:
        """The whole text: what stands in brackets, or rows without any."""
        rows = self._rows("", 0)
        if self._at < len(self._tokens):
            raise ValueError(f"a bracket {self._tokens[self._at]!r} closes what was never opened")
        if not rows:
            raise ValueError("expected numbers but got none")
        is_table = all(isinstance(entry, _Number) for row in rows for entry in row)
        if is_table and len(rows) > 1:
            return rows
        entries = [entry for row in rows for entry in row]  # lines between brackets mean nothing
        return entries[0] if len(entries) == 1 else entries

    def _rows(self, closing: str, depth: int) -> list[list[Any]]:
        """The entries up to the closing bracket, in rows: by lines and semicolons without one, by semicolons in one."""
        if depth > MOST_AXES:
            raise ValueError(f"more than {MOST_AXES} brackets inside one another")
        rows: list[list[Any]] = [[]]
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token == "]" or token == ")":
                if not closing:
                    break
                if token != closing:
                    raise ValueError(f"expected a bracket {closing!r} but got {token!r}")
                return [row for row in rows if row]
            self._at += 1
            if token == "[" or token == "(":
                rows[-1].append(self._bracket(token, depth + 1))
            elif token == ";" or (token == "\n" and not closing):
                rows.append([])
            elif isinstance(token, _Number):
                rows[-1].append(token)
        if closing:
            raise ValueError(f"a bracket {closing!r} is missing")
        return [row for row in rows if row]

    def _bracket(self, opening: str, depth: int) -> Any:
        rows = self._rows("]" if opening == "[" else ")", depth)
        before, self._at = self._tokens[self._at - 1], self._at + 1
        if len(rows) > 1:
            return rows
        entries = rows[0] if rows else []
        # (x) is x in parentheses; (x,) is a tuple.
        return entries[0] if opening == "(" and len(entries) == 1 and before != "," else entries


def _line_from(text: str, at: int) -> str:
    line = text[at:].partition("\n")[0]
    return line if len(line) <= 30 else f"{line[:27]}..."


def _number(text: str) -> _Number:
    words: dict[str, Any] = {"nan": nan, "inf": inf, "true": Fraction(1), "false": Fraction(0)}
    if (word := text.lower().lstrip("+-")) in words:
        return _Number(-words[word] if text.startswith("-") else words[word])
    mantissa, _, power = text.lower().partition("e")
    exponent = int(power or 0)
    if abs(exponent) > LARGEST_EXPONENT:
        raise ValueError(f"the exponent of {text} is beyond {LARGEST_EXPONENT}")
    try:
        value = Fraction(mantissa.removesuffix(".")) * Fraction(10) ** exponent
    except ZeroDivisionError:
        raise ValueError(f"{text} divides by 0") from None
    digits = len(mantissa.partition(".")[2]) if "." in mantissa else None
    return _Number(value, digits, exponent, len(mantissa.lstrip("+-0.").replace(".", "")))


def _shape(nested: Any) -> tuple[int, ...]:
    if isinstance(nested, _Number):
        return ()
    shapes = [_shape(entry) for entry in nested]
    for i, shape in enumerate(shapes):
        if shape != shapes[0]:
            first, other = _extent(shapes[0]), _extent(shape)
            raise ValueError(f"expected rows of one length but row 1 has {first} and row {i + 1} {other}")
    return (len(nested), *(shapes[0] if shapes else ()))


def _extent(shape: tuple[int, ...]) -> str:
    if len(shape) < 2:
        return f"{prod(shape)} entr{'y' if prod(shape) == 1 else 'ies'}"
    return f"shape {shape}"


def _flat(nested: Any) -> list[_Number]:
    return [nested] if isinstance(nested, _Number) else [number for entry in nested for number in _flat(entry)]

"""What is said about an operation beside its sums: what is given, its definition, the closed form of its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tinygrad_cnn.engine import Node
from tinygrad_cnn.verify.derivation.document import Block, Paragraph, say
from tinygrad_cnn.verify.derivation.forms import Form
from tinygrad_cnn.verify.derivation.notation import (
    Call,
    Equation,
    Letter,
    Notation,
    Number,
    Partial,
    Power,
    Product,
    Total,
    Word,
    times,
)
from tinygrad_cnn.verify.derivation.polynomial import Polynomial, Symbol, array_of
from tinygrad_cnn.verify.derivation.stages import Operand, Stage, kind_of
from tinygrad_cnn.verify.derivation.variables import Variable

OUTPUT, INPUT = "ijklmnqr", "abcdefgh"


@dataclass(frozen=True)
class Closed:
    """The gradient by one operand in closed form.

    `form` has the layout of `operand`, and is written for one plane of it at the `leading` indices, where there are
    several, or for one `entry`; `summary` says it in words, `words` explain their parts, and `picture` shows it with
    its matrices.
    """

    operand: Operand
    form: Form
    leading: tuple[str, ...] = ()
    words: tuple[Paragraph, ...] = ()
    picture: Notation | None = None
    number: int = 1
    summary: tuple[str | Notation, ...] = ()
    entry: Letter | None = None


class Topic:
    """An operation of which nothing is known but its definition."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.options = stage.options
        self.output = stage.output

    @property
    def name(self) -> str:
        """What the operation is called."""
        return self.stage.kind or self.stage.primitive.name

    def title(self) -> Equation:
        """The step in one formula."""
        arguments = tuple(seen(operand) for operand in self.stage.operands)
        return Equation(self.output.plane(), (Call(self.name, arguments),))

    def given(self) -> list[Block]:
        """What there is to know before the first sum."""
        return []

    def result(self, place: int) -> Equation:
        """What the entry of the result is."""
        return Equation(self.output.symbols[place].shown, (self.stage.shown(self.stage.results[place]),))

    def notes(self) -> list[Paragraph]:
        """What the forward sums call for."""
        return []

    def chain(self, variable: Variable) -> Equation:
        """The chain rule over all entries of the result."""
        letters = OUTPUT[: len(self.output.shape)]
        count = len(self.output.leading)
        z = self.output.at(letters[:count], letters[count:]) if letters else Letter(self.output.name)
        count = len(variable.leading)
        names = INPUT[: len(variable.shape)]
        x = variable.at(names[:count], names[count:]) if names else Letter(variable.name)
        return chain_rule(variable, x, self.output, z, [a for a in letters if a in "".join(z.index)])

    def partial(self, place: int, symbol: Symbol, expression: Any) -> tuple[Notation, ...]:
        """The partial derivative of an entry of the result by an operand's, by steps if need be."""
        return (self.stage.shown(expression),)

    def on_partials(self) -> list[Paragraph]:
        """What stands before the partial derivatives."""
        return []

    def on_collected(self) -> list[Paragraph]:
        """What stands behind the collected sums."""
        return []

    def contribution(self, path: Any) -> Any:
        """dL/d(result) times the partial derivative along a path, as a polynomial or a sympy expression."""
        return path.product()

    def simplified(self, paths: Sequence[Any]) -> Notation | None:
        """What the sum of these paths becomes with what is known of dL/d(result); None if nothing is."""
        return None

    def zero(self, is_one: bool, variable: Variable) -> str:
        """Why an entry, or some, may have no part in the result."""
        return f"the result does not depend on {'it' if is_one else 'them'}"

    def closed(self, position: int) -> Closed | None:
        """The gradient by an operand in closed form, to be checked; None if there is none to try."""
        return None

    # For topics

    def operand(self, position: int) -> Operand:
        """The operand at a position."""
        return self.stage.operands[position]

    def upstream(self, leading: Sequence[str] = ()) -> Form:
        """dL/dZ, in the operation's own layout."""
        return Form(self.stage.upstream, self.output.upstream(self.output.plane(leading)))


def chain_rule(variable: Variable, x: Letter, output: Variable, z: Letter, indices: Sequence[str]) -> Equation:
    """dL/dx = sum over the indices of dL/dz dz/dx."""
    product = times(output.upstream(z), Partial(z, x))
    return Equation(variable.upstream(x), (Total(tuple(indices), product) if indices else product,))


# Operands that were moved


def seen(operand: Operand, leading: Sequence[str] = ()) -> Notation:
    """The operand as the operation sees it: rot180(K)."""
    if operand.move is None or operand.before is None:
        variable = operand.variable
        if variable is not None:
            return variable.plane(leading)
        return _number(operand.array)
    return moved(operand.move, seen(operand.before, leading), False)


def _number(array: Any) -> Notation:
    if getattr(array, "shape", ()):
        return Word("numbers")
    return Number(array) if isinstance(array, int | Fraction) else Word(str(array))


_MOVES = {
    "pad": ("border", "fold"),
    "broadcast_to": ("repeat", "total"),
    "getitem": ("part", "scatter"),
    "concatenate": ("join", "part"),
    "roll": ("roll", "roll back"),
}
_SAID = {
    "border": "the image with a border of its own pixels, padding mode {mode}, {widths}",
    "fold": "the border's gradient added back to the pixels that it repeats",
    "repeat": "repeated to the shape {shape}",
    "total": "the sum over the repetitions",
    "part": "the part that is taken",
    "scatter": "each gradient at the place that its entry was taken from, zeros elsewhere",
    "rot180": "rotated by 180 degrees",
    "flip": "turned round",
}


def moved(node: Node, notation: Notation, is_back: bool) -> Notation:
    """What a move is written as; back, what undoes it on the gradient."""
    kind = kind_of(node)
    if kind == "reshape":
        return notation
    if kind == "flip":
        name = "rot180" if node.options["axis"] == (2, 3) and len(node.shape) == 4 else "flip"
        is_undone = isinstance(notation, Call) and notation.function == name
        return notation.arguments[0] if is_undone and isinstance(notation, Call) else Call(name, (notation,))
    if kind == "transpose":
        return transposed(notation) if len(node.shape) == 2 else Call("transpose", (notation,))
    if kind == "pad" and node.options["mode"] == "zeros":
        return Call("crop" if is_back else "pad", (notation,))
    forth, back = _MOVES.get(kind, (kind or "move", f"{kind or 'move'} back"))
    return Call(back if is_back else forth, (notation,))


def brought_back(operand: Operand, notation: Notation) -> Notation:
    """The gradient by an operand, written as that of the variable it was moved from."""
    while operand.move is not None and operand.before is not None:
        notation = moved(operand.move, notation, True)
        operand = operand.before
    return notation


def moves_said(operand: Operand, is_back: bool = False) -> list[Paragraph]:
    """What the words for the moves of an operand mean."""
    said: list[Paragraph] = []
    while operand.move is not None and operand.before is not None:
        written = moved(operand.move, Letter("x"), is_back)
        name = written.function if isinstance(written, Call) else ""
        if name in _SAID:
            options = {"mode": "", "widths": "", "shape": ""} | operand.move.options
            widths = options["widths"]
            if widths:
                options["widths"] = ", ".join(f"{before} + {after}" for before, after in widths[2:])
            said.append(say(f"{name}: {_SAID[name].format(**options)}"))
        operand = operand.before
    return said


def back_to(variable: Variable, operand: Operand, gradient: Any) -> Any:
    """The gradient by an operand added up at the entries that the operand shows: an array of the variable's shape."""
    flat: list[Any] = [0] * variable.size
    entries = operand.array.flat if hasattr(operand.array, "flat") else (operand.array,)
    for entry, value in zip(entries, gradient.flat, strict=True):
        symbol = entry.symbol if isinstance(entry, Polynomial) else None
        if symbol is not None and symbol.variable is variable:
            flat[symbol.place] = flat[symbol.place] + value
    return array_of(flat, variable.shape)


def transposed(notation: Notation) -> Notation:
    """The transpose; of a transpose, the matrix itself."""
    is_undone = isinstance(notation, Power) and notation.exponent == Word("T")
    return notation.base if is_undone and isinstance(notation, Power) else Power(notation, Word("T"))


def matrix_product(*factors: Notation) -> Notation:
    """The product of matrices, written side by side."""
    return Product(factors)

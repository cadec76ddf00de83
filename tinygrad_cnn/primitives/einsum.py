"""Einstein's summation. The gradient of a product of two tensors is again one: for "ij,jk->ik", dx is "ik,jk->ij"."""

from __future__ import annotations

from functools import lru_cache
from string import ascii_letters
from typing import Any

import numpy as np

from tinygrad_cnn.backend import shape_of
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels.contraction import contract
from tinygrad_cnn.primitives.indexing import diagonal_of
from tinygrad_cnn.primitives.reduction import sum
from tinygrad_cnn.primitives.shape import permute, reshape


def _exchanged(equation: str, position: int) -> str:
    """The equation "a,b->c" solved for a, "c,b->a", or for b, "a,c->b"."""
    inputs, _, c = equation.partition("->")
    a, b = inputs.split(",")
    return f"{c},{b}->{a}" if position == 0 else f"{a},{c}->{b}"


@primitive(
    x=lambda dz, y, equation: _einsum(dz, y, equation=_exchanged(equation, 0)),
    y=lambda dz, x, equation: _einsum(x, dz, equation=_exchanged(equation, 1)),
)
def _einsum(x: Any, y: Any, *, equation: str) -> Any:
    """Of two operands; every letter stands once in two of the three parts, or in all, with one size."""
    inputs, _, z_axes = equation.partition("->")
    x_axes, y_axes = inputs.split(",")
    return contract(x, y, x_axes, y_axes, z_axes)


def einsum(equation: str, *operands: Any) -> Any:
    """Products of tensors, summed: einsum("ij,jk->ik", x, y) is the matrix product, z_ik = sum over j of x_ij y_jk.

    The equation names the axes of each operand and of the result by letters, as in `numpy.einsum`:

    - A letter that the result lacks is summed over; one that several operands have is multiplied along.
    - A letter twice in one operand takes its diagonal: "ii->i" the diagonal of a matrix, "ii" its trace.
    - Without "->" the result has the letters that stand once, in alphabetical order.
    - "..." stands for all axes that are not named; they broadcast, and so does an axis of size 1.

    Several operands are multiplied two at a time, in the order that `numpy.einsum_path` finds.

    Returns:
        A tensor with one axis for each letter behind "->".

    Raises:
        ValueError: an equation that is none, another number of operands or axes, sizes that differ.
        TypeError: an equation that is no string.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> tg.einsum("ij->ji", x).tolist(), tg.einsum("ii", x).item()
    ([[1.0, 3.0], [2.0, 4.0]], 5.0)
    >>> z = tg.einsum("i,ij,j", tg.tensor([1.0, 10.0]), x, tg.tensor([1.0, 0.0]))
    >>> z.item(), tg.grad(z, x)[0].tolist()
    (31.0, [[1.0, 0.0], [10.0, 0.0]])
    """
    if not isinstance(equation, str):
        raise TypeError(f"einsum: the equation must be a string but is {equation!r}")
    names, output = _parse(equation, tuple(shape_of(x) for x in operands))
    terms = [_on_diagonals(x, axes, equation) for x, axes in zip(operands, names, strict=True)]
    terms = _without_ones(terms, equation)
    for position, (x, axes) in enumerate(terms):
        elsewhere = output + "".join(other for i, (_, other) in enumerate(terms) if i != position)
        alone = tuple(i for i, letter in enumerate(axes) if letter not in elsewhere)
        if alone:
            terms[position] = sum(x, alone), "".join(letter for letter in axes if letter in elsewhere)
    for positions in _path(terms, output):
        chosen = [terms[i] for i in positions]
        terms = [term for i, term in enumerate(terms) if i not in positions]
        (x, axes), *rest = chosen
        while rest:
            (y, other), *rest = rest
            needed = "".join(letters for _, letters in (*terms, *rest)) + output
            union = axes + "".join(letter for letter in other if letter not in axes)
            kept = "".join(letter for letter in union if letter in needed)
            if not rest and not terms:
                kept = output
            x, axes = _einsum(x, y, equation=f"{axes},{other}->{kept}"), kept
        terms.append((x, axes))
    ((x, axes),) = terms
    return permute(x, [axes.index(letter) for letter in output])


@lru_cache(maxsize=256)
def _parse(equation: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[list[str], str]:
    """The letters of each operand's axes and of the result's, with letters of their own for what "..." stands for."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    names = inputs.split(",")
    for part in (*names, output):
        letters = part.replace("...", "", 1)
        if not all(letter in ascii_letters for letter in letters):
            raise ValueError(f"einsum: expected letters, commas, '...' and '->' but the equation is {equation!r}")
    if len(names) != len(shapes):
        raise ValueError(f"einsum: {equation!r} has {len(names)} operands but {len(shapes)} came")
    unnamed = [len(shape) - len(part.replace("...", "")) for part, shape in zip(names, shapes, strict=True)]
    for part, shape, more in zip(names, shapes, unnamed, strict=True):
        if more < 0 or (more and "..." not in part):
            raise ValueError(f"einsum: {part!r} in {equation!r} does not name the axes of an operand of shape {shape}")
    free = [letter for letter in ascii_letters if letter not in equation]
    count = max((more for part, more in zip(names, unnamed, strict=True) if "..." in part), default=0)
    if count > len(free):
        raise ValueError(f"einsum: {equation!r} and shapes {shapes} need more than {len(ascii_letters)} letters")
    ellipsis = "".join(free[:count])
    if not arrow:
        letters = inputs.replace("...", "").replace(",", "")
        output = "..." + "".join(letter for letter in sorted(set(letters)) if letters.count(letter) == 1)
    elif len(set(output)) < len(output.replace("...", ".")) or not set(output) <= {*inputs, "."}:
        raise ValueError(f"einsum: each letter of the result must stand in an operand, and once, but came {equation!r}")
    elif count and "..." not in output:
        raise ValueError(f"einsum: the result of {equation!r} needs '...' for the {count} axes that it stands for")
    names = [part.replace("...", ellipsis[count - more :]) for part, more in zip(names, unnamed, strict=True)]
    return names, output.replace("...", ellipsis)


def _on_diagonals(x: Any, axes: str, equation: str) -> tuple[Any, str]:
    """An operand whose letters differ: of one that stands twice, the diagonal."""
    for letter in axes:
        while axes.count(letter) > 1:
            first = axes.index(letter)
            second = axes.index(letter, first + 1)
            shape = shape_of(x)
            if shape[first] != shape[second]:
                raise ValueError(f"einsum: {letter!r} in {equation!r} has sizes {shape[first]} and {shape[second]}")
            x, axes = diagonal_of("einsum", x, 0, first, second), axes.replace(letter, "", 2) + letter
    return x, axes


def _without_ones(terms: list[tuple[Any, str]], equation: str) -> list[tuple[Any, str]]:
    """The operands without the axes of size 1 that broadcast: along an axis of another size elsewhere."""
    sizes: dict[str, int] = {}
    for x, axes in terms:
        for letter, n in zip(axes, shape_of(x), strict=True):
            if sizes.setdefault(letter, n) == 1:
                sizes[letter] = n
            elif n not in (1, sizes[letter]):
                raise ValueError(f"einsum: {letter!r} in {equation!r} has sizes {sizes[letter]} and {n}")
    result = []
    for x, axes in terms:
        shape = shape_of(x)
        kept = [i for i, letter in enumerate(axes) if shape[i] == sizes[letter]]
        result.append((reshape(x, tuple(shape[i] for i in kept)), "".join(axes[i] for i in kept)))
    return result


def _path(terms: list[tuple[Any, str]], output: str) -> list[tuple[int, ...]]:
    """Which operands to multiply first, second and so on, by their positions among those that are left."""
    if len(terms) < 3:
        return [tuple(range(len(terms)))]
    shapes = [np.broadcast_to(0.0, shape_of(x)) for x, _ in terms]
    equation = ",".join(axes for _, axes in terms) + "->" + output
    return [tuple(positions) for positions in np.einsum_path(equation, *shapes, optimize="greedy")[0][1:]]

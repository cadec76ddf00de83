"""What the entries of a graph's tensors are called: X11, K12, z21, as the lectures write them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from tinygrad_cnn.engine import Leaf, Node


def entry_names(name: str, shape: tuple[int, ...]) -> Any:
    """The name of each entry, an object array of the shape: the tensor's name, then the indices, counted from 1.

    Axes of size 1 in front (one image, one channel) are left out. Up to two axes of at most 9 stand without commas. A
    name that ends in a digit is set off from its indices by an underscore.

    >>> entry_names("X", (1, 1, 2, 2)).tolist(), entry_names("B", (1,)).tolist()
    ([[[['X11', 'X12'], ['X21', 'X22']]]], ['B'])
    >>> entry_names("K", (2, 1, 1, 2)).ravel().tolist(), entry_names("w", (1, 12))[0, -1]
    (['K1,1,1,1', 'K1,1,1,2', 'K2,1,1,1', 'K2,1,1,2'], 'w12')
    >>> entry_names("X", (3, 12))[0, 11], entry_names("x1", (2,)).tolist()
    ('X1,12', ['x1_1', 'x1_2'])
    """
    names = np.empty(shape, dtype=object)
    first = next((axis for axis, n in enumerate(shape) if n != 1), len(shape))
    indexed = shape[first:]
    comma = "," if len(indexed) > 2 or (len(indexed) == 2 and max(indexed) > 9) else ""
    stem = f"{name}_" if indexed and name[-1:].isdecimal() else name
    for index in np.ndindex(*shape):
        names[index] = stem + comma.join(str(i + 1) for i in index[first:])
    return names


@dataclass(frozen=True, slots=True)
class Names:
    """The name of a tensor and those of its entries.

    Attributes:
        tensor: the name.
        entries: an object array of names in the tensor's shape.
        is_made_up: whether it is the name of a result that the user gave none.
    """

    tensor: str
    entries: Any
    is_made_up: bool


def name_entries(nodes: list[Node], output: Node) -> dict[Node, Names]:
    """The names of the graph's tensors and of their entries.

    Tensors have the user's names. Without one, the output is L where it is a single number, else z; leaves are x1, x2
    and so on, and results t1, t2. A name that is taken gets a number. Constants without a name have none.
    """
    named: dict[Node, Names] = {}
    taken: set[str] = set()  # by tensors and by entries, which share one list of names

    def give(node: Node, candidates: Iterator[str], is_made_up: bool = False) -> None:
        for name in candidates:
            entries = entry_names(name, node.shape)
            if taken.isdisjoint([name, *entries.flat]):
                taken.update([name, *entries.flat])
                named[node] = Names(name, entries, is_made_up)
                return

    for node in nodes:
        if node.name:
            give(node, _alternatives(str(node.name)))
    if output not in named:
        give(output, _alternatives("z" if output.shape else "L"))
    leaves, results = _numbered("x", 1), _numbered("t", 1)
    for node in nodes:
        if node not in named and isinstance(node, Leaf):
            give(node, leaves)
        elif node not in named and node.primitive is not None:
            give(node, results, is_made_up=True)
    return {node: named[node] for node in nodes if node in named}


def name_shared(nodes: list[Node], taken: set[str]) -> None:
    """Call the operations without a name whose result is used several times s1, s2 and so on: formulas stay short."""
    uses = Counter(parent for node in nodes for parent in node.parents)
    free = (name for name in _numbered("s", 1) if name not in taken)
    for node in nodes:
        if uses[node] > 1 and node.name is None and node.primitive is not None:
            node.name = next(free)


def _alternatives(name: str) -> Iterator[str]:
    yield name
    yield from _numbered(f"{name}_", 2)


def _numbered(stem: str, first: int) -> Iterator[str]:
    return (f"{stem}{i}" for i in count(first))

"""The scalar graph of a tensor: every number a node, as a student draws it on the blackboard.

Any recorded graph is run again, operation by operation, by its own definitions on scalar tensors. In that graph the
multivariate chain rule can be seen: the derivative of a loss by an entry is the sum over all paths between the two of
the products of the derivatives along each (Griewank and Walther, Evaluating Derivatives, 2008, section 3.2).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cnn.backend import to_numpy
from tinygrad_cnn.engine import Leaf, Node, Variable
from tinygrad_cnn.modes import recording
from tinygrad_cnn.tensor import Tensor, tensor
from tinygrad_cnn.verify.scalars.expansion import expand, objects
from tinygrad_cnn.verify.scalars.names import Names, name_entries, name_shared
from tinygrad_cnn.verify.scalars.notation import Notation, joined
from tinygrad_cnn.verify.scalars.paths import Path, Ways
from tinygrad_cnn.walk import grad, nodes

if TYPE_CHECKING:
    from graphviz import Digraph

__doctest_requires__ = {"ScalarGraph.draw": ["graphviz"]}

MOST_PATHS = 10_000
"""So many paths are enumerated unless the caller asks for more; they can always be counted."""


def scalar_graph(output: Tensor) -> ScalarGraph:
    """Expand the graph behind a tensor into its scalar graph.

    Each operation is run by its definition on arrays of scalar tensors: a convolution becomes products and sums, a
    maximum the winner itself. Operations that work element by element, such as relu, become one node for each element.
    What a definition does with 0 and 1 leaves no node: a border of zeros takes part in no product. Entries have the
    name of their tensor and their indices, X11 or z21 (axes of size 1 in front are left out, X1,12 stands where a size
    has two digits, K1,2,1,1 where there are more than two axes). A tensor without a name is called x1, x2 (leaves),
    z (the output; L where it is a single number) or t1, t2 (what is between them), and a number inside of an operation
    that is used several times s1, s2.

    Args:
        output: a tensor with a graph behind it, on any device. Leaves are taken with the values that they hold now.
            Values that the engine didn't keep (constants, and leaves that are gone, of more than 1,024 elements) are
            kept where the graph was recorded inside `tg.debug()`.

    Raises:
        TypeError: something that is no tensor; a primitive of the user's that takes the numbers out of the graph.
        ValueError: a tensor without a graph, or a value that was not kept.

    >>> import numpy as np
    >>> import tinygrad_cnn as tg
    >>> X = tg.tensor(np.arange(9.0).reshape(1, 1, 3, 3), requires_grad=True, name="X")
    >>> K = tg.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], requires_grad=True, name="K")
    >>> graph = tg.verify.scalar_graph(tg.conv2d(X, K))
    >>> graph
    <ScalarGraph z (1, 1, 2, 2) of X (1, 1, 3, 3), K (1, 1, 2, 2): 41 nodes>
    >>> print(graph.formula("X22"))
    dL/dX22 = dL/dz11 K22 + dL/dz12 K21 + dL/dz21 K12 + dL/dz22 K11
    >>> graph.gradients(np.ones((1, 1, 2, 2)))["X"].tolist()
    [[[[1.0, 3.0, 2.0], [4.0, 10.0, 6.0], [3.0, 7.0, 4.0]]]]
    """
    if not isinstance(output, Variable):
        raise TypeError(f"scalar_graph: expected a tensor but got {type(output).__name__}")
    if output.node is None or not output.node.requires_grad:
        raise ValueError(
            f"scalar_graph: {output!r} has no graph behind it: "
            "no tensor with requires_grad=True took part, or it was computed inside no_grad()"
        )
    recorded = nodes(output)
    names = name_entries(recorded, output.node)
    with recording():
        entries = expand(recorded, names)
    return ScalarGraph(output.node, names, entries)


class ScalarGraph:
    """A graph of scalar tensors; made by `scalar_graph`.

    Attributes:
        output: the output's entries, an object array of scalar tensors in its shape.
        leaves: the entries of each leaf by the leaf's name, likewise.
        tensors: the entries of each tensor that has a name: leaves, constants and results, in the order of creation.
            What an operation only moves, or a definition makes up (a border of zeros), keeps its name or has none.
        entries: every scalar tensor that has a name, by it.
        name: the output's name.
        nodes: every scalar node behind the output, constants too, in the order of creation.
        named: those that have a name, by it; among them s1, s2, which are no entries.
        notation: what writes them as formulas.
    """

    def __init__(self, output: Node, names: dict[Node, Names], entries: dict[Node, Any]) -> None:
        self.name = names[output].tensor
        self.output = entries[output]
        self.leaves: dict[str, Any] = {}
        self.tensors: dict[str, Any] = {}
        self.entries: dict[str, Tensor] = {}
        self._dtypes = {names[node].tensor: node.dtype for node in names if isinstance(node, Leaf)}
        for node, own in names.items():
            if isinstance(node, Leaf):
                self.leaves[own.tensor] = entries[node]
            self.tensors[own.tensor] = entries[node]
            for x in entries[node].flat:
                if isinstance(x, Tensor):
                    x.__class__ = Tensor  # what is done with it from here on is recorded as ever
                    if x.name is not None:
                        self.entries[x.name] = x
        self.nodes = nodes(*self.output.flat)
        name_shared(self.nodes, set(self.entries))
        self.named = {str(node.name): node for node in self.nodes if node.name is not None}
        self.notation = Notation()

    def __repr__(self) -> str:
        leaves = ", ".join(f"{name} {array.shape}" for name, array in self.leaves.items())
        return f"<ScalarGraph {self.name} {self.output.shape} of {leaves}: {self.size} nodes>"

    @property
    def size(self) -> int:
        """The number of scalar nodes."""
        return len(self.nodes)

    @property
    def loss(self) -> str:
        """What the derivatives are of: a single number's own name, else L, which is the sum of dL/dz z."""
        return "L" if self.output.shape else self.name

    def entry(self, name: str) -> Tensor:
        """The scalar tensor of this name.

        Raises:
            ValueError: no entry has the name.
        """
        if name in self.entries:
            return self.entries[name]
        leaves = ", ".join(_first_to_last(array) for array in self.leaves.values() if array.size)
        near = difflib.get_close_matches(str(name), self.entries, n=1)
        other = str(name).swapcase()
        near = [other] if other in self.entries else near
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"scalar graph: there is no entry {name!r} (the leaves are {leaves}){hint}")

    # Gradients

    def gradients(self, dz: Any = None) -> dict[str, Any]:
        """The derivatives of L = sum(dz z) by the entries of each leaf: arrays in its shape, by its name.

        Nothing is changed, neither in this graph nor in the one that it was expanded from.

        Args:
            dz: the upstream gradient dL/dz, of the output's shape; None is 1 for an output of one element.

        Raises:
            ValueError: a dz that is missing or has another shape.
        """
        upstream = self._upstream("gradients", dz)
        live = [(z, d) for z, d in zip(self.output.flat, upstream, strict=True) if z.requires_grad]
        entries = [x for array in self.leaves.values() for x in array.flat]
        found: Iterable[Any] = [None] * len(entries)
        if live and entries:
            outputs, weights = zip(*live, strict=True)
            found = grad(outputs, entries, list(weights), allow_unused=True)
        slopes = iter([_zero(x) if dx is None else dx.data for x, dx in zip(entries, found, strict=True)])
        return {
            name: objects([next(slopes) for _ in array.flat], array.shape).astype(self._dtypes[name])
            for name, array in self.leaves.items()
        }

    def backward(self, dz: Any = None) -> None:
        """Walk back from L = sum(dz z) and add to the `.grad` of every leaf's entries; pictures show the gradients.

        The graph stays usable. Arguments and errors as `gradients`.
        """
        total = None
        for z, d in zip(self.output.flat, self._upstream("backward", dz), strict=True):
            if z.requires_grad:
                with recording():
                    term = z * tensor(d)
                    total = term if total is None else total + term
        if total is not None:
            total.backward(retain_graph=True)

    def _upstream(self, operation: str, dz: Any) -> list[Any]:
        """dz entry by entry, each in the arithmetic of its z."""
        shape = self.output.shape
        if dz is None:
            if self.output.size != 1:
                raise ValueError(f"{operation}: an output of shape {shape} needs dz of the same shape")
            dz = np.ones(shape, dtype=int)
        array = np.asarray(to_numpy(dz.data if isinstance(dz, Tensor) else dz))
        if array.shape != shape:
            raise ValueError(f"{operation}: dz must have the output's shape {shape} but has {array.shape}")
        return [
            z.dtype.type(d) if z.dtype != object else Fraction(int(d)) if isinstance(d, int | np.integer) else d
            for z, d in zip(self.output.flat, array.flat, strict=True)
        ]

    # Paths

    def path_count(self, entry: str, output: str | None = None) -> int:
        """How many paths lead from L, or from one entry of the output, to an entry; counted without walking them.

        Raises:
            ValueError: no entry has the name, or it is a constant.
        """
        counts = self._ways("path_count", entry).counts
        return sum(counts.get(z.node, 0) for z in self._starts(output))

    def paths(
        self, entry: str, output: str | None = None, dz: Any = None, limit: int | None = MOST_PATHS
    ) -> Iterator[Path]:
        """The paths from L = sum(dz z), or from one entry of the output, to an entry: their sum is the derivative.

        Each has the names that it passes, the derivatives along it as formulas, and their product at the present
        values. They come one at a time.

        Args:
            entry: the name of the entry where they end.
            output: the name of the entry where they begin (then L and dz take no part); None begins at L.
            dz: dL/dz in the output's shape, which becomes part of the products; None leaves it out of them.
            limit: the largest number of paths that is enumerated; None for no limit.

        Raises:
            ValueError: no entry has the name, it is a constant, there are too many paths, or dz has another shape.

        >>> import tinygrad_cnn as tg
        >>> x = tg.tensor(3.0, requires_grad=True, name="x")
        >>> for path in tg.verify.scalar_graph(x * x + 2 * x).paths("x"):  # t1 = x x, t2 = 2 x
        ...     print(path)
        L <- t1 <- x: x = 3.0
        L <- t1 <- x: x = 3.0
        L <- t2 <- x: 2 = 2.0
        """
        ways = self._ways("paths", entry)
        count = sum(ways.counts.get(z.node, 0) for z in self._starts(output))
        if limit is not None and count > limit:
            raise ValueError(
                f"paths: {count} paths lead to {entry}, more than the limit of {limit}; path_count counts them, an "
                "output names one entry to begin at, and with limit=None they come one after another"
            )
        upstream = [1] * self.output.size if dz is None else self._upstream("paths", dz)
        if output is not None:
            starts = [(self.entry(output), Path((output,), (), 1, 1))]
        elif self.output.shape:
            starts = [
                (z, Path((self.loss, z.name), (f"d{self.loss}/d{z.name}",), 1, d))
                for z, d in zip(self.output.flat, upstream, strict=True)
            ]
        else:
            starts = [(self.output[()], Path((self.name,), (), 1, upstream[0]))]
        return (path for z, start in starts if z.node is not None for path in ways.paths(z.node, start))

    def formula(self, entry: str, output: str | None = None, limit: int = 1000) -> str:
        """The derivative by an entry as a sum over paths. Arguments and errors as `paths`.

        Factors are in the names of entries and of shared results; one of more than 160 characters is cut.

        >>> import tinygrad_cnn as tg
        >>> w, x = tg.tensor([2.0, 3.0], requires_grad=True, name="w"), tg.tensor([1.0, 4.0], name="x")
        >>> print(tg.verify.scalar_graph((tg.relu(w) * x).sum()).formula("w2"))
        dL/dw2 = x2 relu'(w2)
        """
        of = self.loss if output is None else output
        return f"d{of}/d{entry} = {joined((p.sign, p.formula) for p in self.paths(entry, output, limit=limit))}"

    def between(self, entry: str) -> set[Node]:
        """The nodes on the paths from the output to an entry, both ends among them."""
        return set(self._ways("between", entry).counts)

    def _ways(self, operation: str, entry: str) -> Ways:
        node = self.entry(entry).node
        if node is None or not node.requires_grad:
            raise ValueError(f"{operation}: {entry} is a constant, to which no gradient goes")
        return Ways(self.nodes, node, self.notation)

    def _starts(self, output: str | None) -> list[Any]:
        """Where paths begin: at every entry of the output, or at one."""
        return list(self.output.flat) if output is None else [self.entry(output)]

    # The picture

    def draw(
        self,
        highlight: str | Iterable[str] = (),
        direction: str = "LR",
        values: bool = False,
        gradients: bool = False,
        fold: bool = True,
        only: bool = False,
        name: str = "scalar graph",
    ) -> Digraph:
        """Draw the graph, with the paths from L to an entry highlighted.

        Args:
            highlight: the name of an entry, or several. The paths to it are bold, and each of their edges has the
                derivative along it: the sum over paths of their products is the formula.
            direction, values, gradients, name: as `tg.viz.draw`.
            fold: a node for each entry of a tensor, with its formula, and L. Otherwise every product and every sum
                stands there as well.
            only: leave out what is not on a highlighted path.

        Returns:
            A `graphviz.Digraph`, which `tg.viz.render` makes a picture of.

        Raises:
            ValueError: no entry has the name, or it is a constant; an unknown direction.
            ModuleNotFoundError: the package graphviz is missing.

        >>> import tinygrad_cnn as tg
        >>> K = tg.tensor([[[1.0, 2.0]]], requires_grad=True, name="K")
        >>> graph = tg.verify.scalar_graph(tg.conv1d(tg.tensor([[[3.0, 4.0, 5.0]]], name="X"), K))
        >>> graph.draw(highlight="K2").source.count("penwidth=2.8")  # K2, z1, z2 and L, and the edges between them
        8
        """
        from tinygrad_cnn.viz.drawing.scalars import draw_scalars

        names = [highlight] if isinstance(highlight, str) else list(highlight)
        return draw_scalars(self, names, direction, values, gradients, fold, only, name)


def _first_to_last(array: Any) -> str:
    names = [x.name for x in array.flat]
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _zero(x: Tensor) -> Any:
    return x.dtype.type(0) if x.dtype != object else x.data - x.data

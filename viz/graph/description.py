"""A plain description of a computation graph: what every picture of it is made from.

It is read once from the engine's public traversal and is then independent of it: tensors and operations in the order in
which they were recorded, and the edges between them. Whatever makes a large graph readable turns one description into
another; whatever draws takes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from tinygrad_cnn.engine import Node, Unkept, Variable
from tinygrad_cnn.primitives.titles import title
from tinygrad_cnn.viz.graph import wording
from tinygrad_cnn.viz.graph.groups import Group, groups_of
from tinygrad_cnn.walk import nodes

Kind = Literal["leaf", "constant", "result"]


class Missing(Enum):
    """Why a value or a gradient is not there; never to be mixed up with 0."""

    NOT_COMPUTED = "not computed"
    NOT_KEPT = "not kept, since it is large (tg.debug() keeps all)"


@dataclass(frozen=True, slots=True)
class TensorNode:
    """A tensor of the graph.

    Attributes:
        id: unique in its graph, and the same for the same graph in every run.
        kind: "leaf" (made with requires_grad, where a gradient arrives), "constant" (wants no gradient) or "result".
        is_output: whether the graph was asked for from this tensor.
        name: the user's name, or None.
        shape: the shape of the value.
        dtype: NumPy's name of the dtype; for objects of another arithmetic their type, such as "Fraction"; "" is not
            shown.
        value: the array, number or object, or `Missing.NOT_KEPT` for a large one that the engine let go; None where
            there is none to show.
        gradient: likewise, `Missing.NOT_COMPUTED` where no backward walk came by, None for a constant.
        line: the user's line that made a result, recorded under `tg.debug()`, or None.
        remarks: what else is worth a line, such as the formula of a scalar.
        group: the id of the group that it lies in, or None.
    """

    id: str
    kind: Kind
    is_output: bool
    name: str | None
    shape: tuple[int, ...]
    dtype: str
    value: Any
    gradient: Any
    line: str | None = None
    remarks: tuple[str, ...] = ()
    group: str | None = None

    @property
    def is_number(self) -> bool:
        """Whether it is a plain number in a formula, which is its own name."""
        return not self.shape and self.kind == "constant" and not self.name


@dataclass(frozen=True, slots=True)
class OperationNode:
    """An operation of the graph.

    Attributes:
        id: unique in its graph, and the same for the same graph in every run.
        primitive: the engine's name of the operation, such as "correlation".
        title: what the user called, such as "conv2d".
        module: the module that defines the primitive: a user's own may have the name of one of the library.
        operands: what the primitive calls its operands, in their order.
        options: all options, by name.
        remarks: the options worth showing, such as "stride 2".
        line: the user's line that recorded it under `tg.debug()`, or None.
        group: the id of the group that it lies in, or None.
    """

    id: str
    primitive: str
    title: str
    module: str
    operands: tuple[str, ...]
    options: dict[str, Any]
    remarks: tuple[str, ...]
    line: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class FoldedNode:
    """Several nodes of a graph drawn as one.

    Attributes:
        id: unique in its graph; that of the group, if it is the call of a module.
        kind: "call" of a module, "chain" of operations with one operand and one use each, or "stage", operations
            that follow each other in the recording.
        inside: the ids of the nodes that it stands for.
        group: the id of the group that it lies in, or None.
        title: what it is called, such as "Conv2d" or "12 operations".
        name: as in `Group`.
        path: as in `Group`.
        arguments: as in `Group`.
        turn: as in `Group`.
        times: as in `Group`.
        last: as in `Group`.
        parameters: the number of the parameters in it, as in `Group`.
        contents: the titles of its operations and how often each occurs, in the order of their first occurrence.
        outputs: the tensors computed in it that are used outside of it.
    """

    id: str
    kind: Literal["call", "chain", "stage"]
    inside: tuple[str, ...]
    group: str | None = None
    title: str = ""
    name: str = ""
    path: str = ""
    arguments: str = ""
    turn: int = 1
    times: int = 1
    last: str = ""
    parameters: int = 0
    contents: tuple[tuple[str, int], ...] = ()
    outputs: tuple[TensorNode, ...] = ()

    @property
    def operations(self) -> int:
        """How many operations it stands for, each repetition counted once."""
        return sum(count for _, count in self.contents)


@dataclass(frozen=True, slots=True)
class Edge:
    """From an operand to its operation, or from an operation to its result.

    In a folded graph also from one operation or folded node to another: then it carries the tensor in between.

    Attributes:
        source: the id of the node that it leaves.
        target: the id of the node that it enters.
        label: the operand's name where the operation tells its operands apart, else "".
        has_gradient: whether a gradient flows back along it.
        label_at: where the label stands: in the "middle", or near the "head" or the "tail".
        tensor: the tensor that it carries, where that is no node of the graph any more, else None.
        count: how many edges it stands for, where two folded nodes have many in common.
    """

    source: str
    target: str
    label: str
    has_gradient: bool
    label_at: Literal["middle", "head", "tail"] = "middle"
    tensor: TensorNode | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Graph:
    """Tensors and operations in the order of their recording; an operation's edges in the order of its operands.

    A folded node stands where the last of its operations was recorded, so operands come before what is computed from
    them. The groups are the calls of modules, outer before inner.
    """

    nodes: tuple[TensorNode | OperationNode | FoldedNode, ...]
    edges: tuple[Edge, ...]
    groups: tuple[Group, ...] = ()

    @property
    def tensors(self) -> Iterator[TensorNode]:
        """The tensors among the nodes."""
        return (node for node in self.nodes if isinstance(node, TensorNode))

    @property
    def operations(self) -> Iterator[OperationNode]:
        """The operations among the nodes."""
        return (node for node in self.nodes if isinstance(node, OperationNode))


def describe(
    tensors: Variable | Iterable[Variable], operation: str = "describe", data: Iterable[Variable] = ()
) -> Graph:
    """The graph behind one or several tensors, everything that they were computed from.

    Nothing is computed and nothing changes. The gradient of a leaf is its `.grad`, the sum of all walks, where it has
    one; every other gradient is that of the last backward walk through this graph.

    Args:
        tensors: a tensor or several, each with a graph behind it.
        operation: what errors name.
        data: leaves to show as constants: they ask for a gradient only so that what works on them alone is recorded.

    Raises:
        TypeError: something that is no tensor.
        ValueError: no tensor at all, or one without a graph.

    >>> import tinygrad_cnn as tg
    >>> a = tg.tensor(2.0, requires_grad=True, name="a")
    >>> graph = describe(tg.exp(a) * 3)
    >>> [node.title for node in graph.operations]
    ['exp', 'multiply']
    >>> [(node.id, node.kind, node.name) for node in graph.tensors]
    [('t0', 'leaf', 'a'), ('t1', 'result', None), ('t2', 'constant', None), ('t3', 'result', None)]
    """
    roots = roots_of(tensors, operation)
    ids = tensor_ids(roots)
    recorded = list(ids)
    groups, members = groups_of(recorded)
    given = {x.node for x in data}
    outputs = {root.node: root for root in roots}
    reached = {parent for node in recorded if node.gradient is not None for parent in node.parents}
    described: list[TensorNode | OperationNode | FoldedNode] = []
    edges = []
    for i, node in enumerate(recorded):
        line = getattr(node, "where", None)
        line = None if line is None else str(line)
        if node.primitive is not None:
            primitive, count = node.primitive, len(node.parents)
            name, names = primitive.name, primitive.operand_names
            described.append(
                OperationNode(
                    f"o{i}",
                    name,
                    title(name, node.options),
                    primitive.forward.__module__,
                    names * count if primitive.is_variadic else names[:count],
                    dict(node.options),
                    tuple(wording.remarks(name, node.options, [parent.shape for parent in node.parents])),
                    line,
                    members.get(node),
                )
            )
            labels = wording.operand_labels(name, names, primitive.is_variadic, count)
            for parent, label in zip(node.parents, labels, strict=True):
                edges.append(Edge(ids[parent], f"o{i}", label, parent.requires_grad and parent not in given))
            edges.append(Edge(f"o{i}", f"t{i}", "", True))
        value = _value(node, outputs.get(node))
        described.append(
            TensorNode(
                f"t{i}",
                "result" if node.primitive else "leaf" if node.requires_grad and node not in given else "constant",
                node in outputs,
                None if node.name is None else str(node.name),
                node.shape,
                _dtype(node, value),
                value,
                None if node in given else gradient_of(node, node in outputs or node in reached),
                line,
                group=members.get(node),
            )
        )
    return Graph(tuple(described), tuple(edges), groups)


def tensor_ids(roots: Iterable[Variable]) -> dict[Node, str]:
    """The ids that the description of a graph gives its tensors, in the order of their recording."""
    return {node: f"t{i}" for i, node in enumerate(nodes(*roots))}


def roots_of(tensors: Variable | Iterable[Variable], operation: str) -> list[Variable]:
    """A tensor or several as a list, checked. Arguments and errors as `describe`."""
    roots = [tensors] if isinstance(tensors, Variable) or not isinstance(tensors, Iterable) else list(tensors)
    if not roots:
        raise ValueError(f"{operation}: expected a tensor or several but got none")
    for root in roots:
        if not isinstance(root, Variable):
            raise TypeError(f"{operation}: expected a tensor or several but got {type(root).__name__}")
        if root.node is None:
            raise ValueError(
                f"{operation}: {root!r} has no graph behind it: "
                "no tensor with requires_grad=True took part, or it was computed inside no_grad()"
            )
    return roots


def _value(node: Node, output: Any) -> Any:
    if not isinstance(node.value, Unkept):
        return node.value
    # A tensor that is still there has its values, however large.
    tensor = output if output is not None else _tensor(node)
    return Missing.NOT_KEPT if tensor is None else tensor.data


def gradient_of(node: Node, is_reached: bool) -> Any:
    """The gradient; a leaf may still hold that of a walk through another graph, so the walk must have `reached` it."""
    if not node.requires_grad:
        return None
    tensor = _tensor(node)
    if tensor is not None and tensor.grad is not None:
        return tensor.grad.data
    if node.gradient is None or not is_reached:
        return Missing.NOT_COMPUTED
    return Missing.NOT_KEPT if isinstance(node.gradient, Unkept) else node.gradient


def _tensor(node: Node) -> Any:
    """The tensor of a leaf, or of a result with `retain_grad()`, while the user holds it."""
    return node.target() if node.target is not None else None


def _dtype(node: Node, value: Any) -> str:
    if node.dtype != object or isinstance(value, Missing):
        return str(node.dtype)
    types = {type(x).__name__ for x in value.flat} if node.shape else {type(value).__name__}
    return types.pop() if len(types) == 1 else "object"

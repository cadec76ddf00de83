"""The backward walk: from the outputs, last created node first, each rule run once on the total of what arrived.

Collect what is reachable, sort once by creation number, walk: an operand is always older than its use, so the order of
creation is a topological order and nothing recurses. What every operation would otherwise repeat is done here once:
a gradient is summed over the axes that were broadcast and cast to the dtype of its operand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import nullcontext
from operator import attrgetter
from sys import getrefcount
from typing import Any

from numpy import generic, ndarray

from tinygrad_cnn import backend, diagnostics, modes
from tinygrad_cnn.engine import KEPT_SIZE, SCALARS, Node, Plan, Unkept, Variable, kept
from tinygrad_cnn.kernels import dispatch
from tinygrad_cnn.kernels.memory import SMALL_BYTES, is_unshared, offer
from tinygrad_cnn.modes import is_debugging, recording

_creation = attrgetter("number")
_NOTHING = nullcontext()


def nodes(*variables: Variable) -> list[Node]:
    """Every node that the variables were computed from, constants too, in the order of creation.

    >>> import tinygrad_cnn as tg
    >>> a = tg.tensor(2.0, requires_grad=True, name="a")
    >>> [node.name or node.primitive.name for node in nodes(tg.exp(a) * a)]
    ['a', 'exp', 'multiply']
    """
    seen = {v.node for v in variables if v.node is not None}
    stack = list(seen)
    while stack:
        new = set(stack.pop().parents) - seen
        seen |= new
        stack += new
    return sorted(seen, key=_creation)


def contributions(node: Node) -> tuple[Any, ...]:
    """What the rules of an operation sent to each of its operands in the last walk, for pictures of that walk.

    Where an operand is used several times, its gradient is the sum of what these uses sent. The rules run again, on
    what the node still has; where a walk has freed it, the forward does too, on the operands' values, so ask before a
    leaf's data is replaced.

    Returns:
        For each operand an array in its shape; None where no rule or no gradient is, `Unkept` where a value or the
        gradient was too large to keep. Empty for a leaf or a constant.

    >>> import tinygrad_cnn as tg
    >>> a = tg.tensor(3.0, requires_grad=True)
    >>> y = a * a
    >>> y.backward()
    >>> [gradient.item() for gradient in contributions(y.node)], a.grad.item()
    ([3.0, 3.0], 6.0)
    """
    plan, parents, total = node.plan, node.parents, node.gradient
    found: list[Any] = [None] * len(parents)
    if plan is None or total is None:
        return tuple(found)
    saved = _saved_again(node, plan) if node.saved is None else node.saved
    if isinstance(total, Unkept):
        saved = None
    for operand, rule, positions in plan.rules:
        parent = parents[operand]
        if saved is None:
            found[operand] = Unkept(parent.shape, parent.dtype)
        else:
            found[operand] = _fit(rule(total, *[saved[i] for i in positions]), parent, node)
    return tuple(found)


def _saved_again(node: Node, plan: Plan) -> tuple[Any, ...] | None:
    """What the rules of a freed node name, from the operands' values; None where one of them was not kept."""
    values: list[Any] = [None] * len(plan.keeps)
    if any(plan.keeps):
        operands = [_value_of(parent) for parent in node.parents]
        if any(isinstance(value, Unkept) for value in operands):
            return None
        z = plan.primitive.forward(*operands, **node.options)
        z, *auxiliaries = z if plan.primitive.auxiliary else (z,)
        values = [*operands, *auxiliaries, z]
    shapes = [node.parents[i].shape for i in plan.shapes]
    return (*values, *shapes, *(node.options[name] for name in plan.options))


def _value_of(node: Node) -> Any:
    """A node's value; a leaf has it as long as its tensor is there, however large."""
    target = None if node.target is None else node.target()
    return node.value if target is None else target._array


class Watcher:
    """Who is told what a walk computes."""

    def rule(self, node: Node, rule: Any, total: Any, found: Any, fitted: Any) -> None:
        """A rule of `Plan.rules` was run on what arrived at its node; the result, and as its operand has it."""
        raise NotImplementedError

    def sum(self, parent: Node, earlier: Any, gradient: Any, total: Any) -> None:
        """A gradient was added to what had arrived at the parent earlier."""
        raise NotImplementedError


def backward(
    variable: Variable,
    gradient: Any = None,
    retain_graph: bool = False,
    create_graph: bool = False,
    watcher: Watcher | None = None,
) -> None:
    """Walk back from `variable` and add to the `.grad` of every leaf, and of every tensor with `retain_grad()`."""
    root = _root(variable, "backward")
    if (recorder := modes.recorder()) is not None:
        recorder.backward(variable, gradient, retain_graph, create_graph)
        return
    seed = _seed(variable, gradient, create_graph, "backward", "gradient")
    order = _operations([root])
    wrap = variable._wrap
    free = not (retain_graph or create_graph)
    arrived = _walk(order, {root: seed}, wrap, create_graph, free, watcher=watcher)
    sums, additions = [], []
    for node, total in arrived.items():
        target = None if node.target is None else node.target()
        if target is not None:
            earlier = target._grad
            if earlier is None:
                sums.append((target, total if isinstance(total, Variable) else wrap(total, None)))
            elif (
                _are_large(earlier._array, total)
                and _references(earlier) == _ALONE + 1  # here and as the target's gradient
                and is_unshared(earlier._array)
            ):
                additions.append((earlier._array, total))
            else:
                sums.append((target, earlier + (total if isinstance(total, Variable) else wrap(total, None))))
    for leaf, total in sums:  # only now, so that a walk or a sum that failed has changed no gradient
        leaf._grad = total
    for array, total in additions:
        dispatch.add(array, total, array)


def grad(
    outputs: Any, inputs: Any, grad_outputs: Any = None, create_graph: bool = False, allow_unused: bool = False
) -> tuple[Any, ...]:
    """The gradients of `outputs`, each weighted by its entry of `grad_outputs` and summed, for each of `inputs`.

    No `.grad` is touched, the graph stays usable, and only the paths that lead to an input are walked.

    Args:
        outputs: a tensor or a sequence of tensors; one of more than one element needs its `grad_outputs`.
        inputs: a tensor or a sequence of tensors with `requires_grad`, leaves or not.
        grad_outputs: an upstream gradient of the output's shape, a tensor or an array, for each output; None means 1.
        create_graph: record the walk too, so that the results can be differentiated again.
        allow_unused: give None for an input that the outputs do not depend on, instead of an error.

    Returns:
        A tuple with one tensor (or None) for each input, of its shape and dtype.

    Raises:
        ValueError: an input without `requires_grad`, one that is not used, a wrong number or shape of `grad_outputs`.
        RuntimeError: the graph was freed by `backward()`.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor(3.0, requires_grad=True)
    >>> (dx,) = tg.grad(x * x * x, x, create_graph=True)
    >>> (ddx,) = tg.grad(dx, x)
    >>> dx.item(), ddx.item()
    (27.0, 18.0)
    """
    if (recorder := modes.recorder()) is not None:
        recorder.refuse("tg.grad is called in it")
    outputs, inputs = _sequence(outputs), _sequence(inputs)
    upstream = [None] * len(outputs) if grad_outputs is None else _sequence(grad_outputs)
    if len(upstream) != len(outputs):
        raise ValueError(f"grad: {len(outputs)} outputs need as many grad_outputs but {len(upstream)} came")
    for i, x in enumerate(inputs):
        if not isinstance(x, Variable) or x.node is None or not x.node.requires_grad:
            raise ValueError(f"grad: inputs[{i}] must be a tensor that requires a gradient but is {x!r}")
    pending: dict[Node, Any] = {}
    for i, (output, gradient) in enumerate(zip(outputs, upstream, strict=True)):
        root = _root(output, "grad")
        seed = _seed(output, gradient, create_graph, "grad", f"grad_outputs[{i}]")
        pending[root] = pending[root] + seed if root in pending else seed
    if not inputs:
        return ()
    order = _operations(pending)
    wanted = {x.node for x in inputs}
    leading = set(wanted)
    for node in reversed(order):  # oldest first: a node leads to an input when one of its operands does
        if not leading.isdisjoint(node.parents):
            leading.add(node)
    wrap = inputs[0]._wrap
    order = [node for node in order if node in leading]
    arrived = _walk(order, pending, wrap, create_graph, False, wanted, leading)
    results = []
    for i, x in enumerate(inputs):
        total = arrived.get(x.node)
        if total is None and not allow_unused:
            raise ValueError(f"grad: the outputs do not depend on inputs[{i}], {x!r}; allow_unused=True gives None")
        results.append(total if total is None or isinstance(total, Variable) else wrap(total, None))
    return tuple(results)


def _operations(roots: Iterable[Node]) -> list[Node]:
    """The recorded operations behind the roots, theirs too, last created first."""
    order = [node for node in roots if node.plan is not None]
    seen = set(order)
    add, push = seen.add, order.append
    for node in order:  # which grows meanwhile
        parent = node.first
        if parent.plan is not None and parent not in seen:
            add(parent)
            push(parent)
        parent = node.second
        if parent is not None and parent.plan is not None and parent not in seen:
            add(parent)
            push(parent)
        for parent in node.others:
            if parent.plan is not None and parent not in seen:
                add(parent)
                push(parent)
    order.sort(key=_creation, reverse=True)
    return order


def _walk(
    order: list[Node],
    pending: dict[Node, Any],
    wrap: Callable[[Any, Node | None], Any],
    create_graph: bool,
    free: bool,
    wanted: Collection[Node] = (),
    leading: Collection[Node] | None = None,
    watcher: Watcher | None = None,
) -> dict[Node, Any]:
    """Run the rules of the operations in `order`.

    `pending` holds what has arrived at a node so far, at first the seeds. Returns the totals at the leaves, at the
    `wanted` nodes and at those of tensors with `retain_grad()`. With `leading`, only those nodes' gradients are
    computed. With `free`, a node lets go of what it kept as soon as its rules have run.
    """
    if is_debugging():
        watcher = _FiniteCheck()
    take, arrived = pending.pop, {}
    node, is_offered = None, False
    try:
        with _NOTHING if not create_graph else recording():
            for node in order:
                total = take(node, None)
                if total is None:  # only operands without a rule lead here
                    continue
                if node.target is not None or node in wanted:
                    arrived[node] = total
                if type(total) in SCALARS or (type(total) is ndarray and total.size <= KEPT_SIZE):
                    node.gradient = total
                else:
                    node.gradient = _kept_gradient(total)
                    if node.plan.overwrites and watcher is None:  # type: ignore[union-attr]
                        gradient = found = earlier = None  # each of which may be the total
                        if is_unshared(total):
                            offer(total)
                            is_offered = True
                saved = node.saved
                if saved is None:
                    raise RuntimeError(_freed_message(node))
                if create_graph:
                    saved = _as_variables(node, saved, wrap)
                for operand, rule, positions in node.plan.rules:  # type: ignore[union-attr]
                    parent = node.first if operand == 0 else node.second if operand == 1 else node.others[operand - 2]
                    if leading is not None and parent not in leading:
                        continue
                    if not positions:
                        gradient = rule(total)
                    elif len(positions) == 1:
                        gradient = rule(total, saved[positions[0]])
                    else:
                        gradient = rule(total, *[saved[i] for i in positions])
                    value, kind, found = parent.value, type(gradient), gradient
                    if kind is ndarray:
                        known = type(value) is ndarray or type(value) is Unkept
                        if not known or gradient.shape != value.shape or gradient.dtype is not value.dtype:
                            gradient = _fit(gradient, parent, node)
                    elif kind is not type(value) or kind not in SCALARS:
                        gradient = _fit(gradient, parent, node)
                    if watcher is not None:
                        watcher.rule(node, (operand, rule, positions), total, found, gradient)
                    earlier = pending.get(parent)
                    if earlier is None:
                        pending[parent] = gradient
                    elif watcher is not None:
                        pending[parent] = earlier + gradient
                        watcher.sum(parent, earlier, gradient, pending[parent])
                    elif not _are_large(earlier, gradient):
                        pending[parent] = earlier + gradient
                    elif is_unshared(earlier, 2):  # here and among the pending
                        dispatch.add(earlier, gradient, earlier)
                    else:
                        pending[parent] = dispatch.add(earlier, gradient, gradient if is_unshared(gradient) else None)
                if is_offered:
                    offer(None)
                    is_offered = False
                if free:
                    node.saved = None
    except Exception as error:
        offer(None)
        if where := getattr(node, "where", None):
            error.add_note(f"in the backward walk at {node!r}, recorded at {where}")
        raise
    for leaf, total in pending.items():  # what no rule has taken up
        if type(total) in SCALARS or (type(total) is ndarray and total.size <= KEPT_SIZE):
            leaf.gradient = total
        else:
            leaf.gradient = _kept_gradient(total)
    return arrived | pending if arrived else pending


def _are_large(x: Any, y: Any) -> bool:
    """Whether the sum of two arrays is worth a look at whose memory it may take."""
    return type(x) is ndarray and type(y) is ndarray and x.nbytes >= SMALL_BYTES and x.dtype == y.dtype


def _references(x: Any) -> int:
    return getrefcount(x)


def _held_here() -> int:
    x = object()
    return _references(x)


_ALONE = _held_here()
"""How many references there are to what only a local name holds."""


def _kept_gradient(total: Any) -> Any:
    """What a node keeps of its gradient for pictures, as of its value: None is left to say that none was computed."""
    return kept(total._array if isinstance(total, Variable) else total)


class _FiniteCheck(Watcher):
    """Names the first rule that made a NaN or an infinity, for `debug()`."""

    def rule(self, node: Node, rule: Any, total: Any, found: Any, fitted: Any) -> None:
        assert node.primitive is not None
        assert node.saved is not None
        names = node.primitive.operand_names
        name = f"{node.primitive.name}, backward for {names[min(rule[0], len(names) - 1)]}"
        diagnostics.check_finite(name, fitted, [total, *node.saved])

    def sum(self, parent: Node, earlier: Any, gradient: Any, total: Any) -> None:
        name = f"the sum of the gradients that arrive at {parent!r}"
        diagnostics.check_finite(name, total, [earlier, gradient])


def _as_variables(node: Node, values: tuple[Any, ...], wrap: Any) -> tuple[Any, ...]:
    """What the node kept, with operands and result as recorded variables, so that a rule on them is recorded."""
    saved = list(values)
    for i, parent in enumerate(node.parents):
        if hasattr(saved[i], "dtype") or (saved[i] is not None and parent.requires_grad):  # a plain number stays one
            saved[i] = wrap(saved[i], parent)
    result = len(node.plan.keeps) - 1  # type: ignore[union-attr]
    if saved[result] is not None:
        saved[result] = wrap(saved[result], node)
    return tuple(saved)


def _fit(gradient: Any, parent: Node, node: Node) -> Any:
    """The gradient in the operand's shape, summed over the axes that broadcasting added or stretched, and dtype."""
    shape, wanted = backend.shape_of(gradient), parent.shape
    if shape != wanted:
        added = len(shape) - len(wanted)
        stretched = tuple(added + i for i, n in enumerate(wanted) if n == 1 and added + i < len(shape))
        if added < 0 or any(n not in (1, m) for n, m in zip(wanted, shape[added:], strict=True)):
            name = node.primitive.name if node.primitive else ""
            raise RuntimeError(f"{name}: a backward rule gave shape {shape} for an operand of shape {wanted}")
        gradient = gradient.sum(axis=(*range(added), *stretched), keepdims=True)
        if added:
            gradient = gradient.reshape(wanted)
    dtype, wanted_dtype = backend.dtype_of(gradient), parent.dtype
    if dtype != wanted_dtype and dtype.kind != "O":
        if dtype.kind == "c":
            name = node.primitive.name if node.primitive else ""
            raise TypeError(f"{name}: complex numbers have no gradient here, but a rule gave one of {dtype}")
        gradient = gradient.astype(wanted_dtype)
    if isinstance(parent.value, generic) and dtype.kind != "O" and not isinstance(gradient, generic):
        # A single number on the host, whatever the device that it was used on
        if isinstance(gradient, Variable):
            return gradient.to("cpu")  # type: ignore[attr-defined]
        return backend.to_numpy(gradient)[()]
    return gradient


def _root(variable: Any, operation: str) -> Node:
    if not isinstance(variable, Variable):
        raise TypeError(f"{operation}: expected a tensor but got {type(variable).__name__}")
    if variable.node is None or not variable.node.requires_grad:
        raise ValueError(
            f"{operation}: {variable!r} has no graph behind it: "
            "no tensor with requires_grad=True took part, it was computed inside no_grad(), "
            "or it came out of a compiled step, which calls backward() inside"
        )
    return variable.node


def _seed(variable: Variable, gradient: Any, create_graph: bool, operation: str, argument: str) -> Any:
    """The upstream gradient at an output: the caller's, or 1 for a single element."""
    array = variable._array
    if gradient is None and type(array) in SCALARS and not create_graph:
        return type(array)(1)
    if isinstance(gradient, Variable) and not create_graph:
        seed = gradient._array
        if type(seed) is type(array) is ndarray and seed.shape == array.shape and seed.dtype is array.dtype:
            return seed
    shape = backend.shape_of(array)
    if gradient is None:
        if getattr(array, "size", 1) != 1:
            raise ValueError(
                f"{operation}: an output of shape {shape} needs {argument} of the same shape, or sum() first"
            )
        seed = backend.ones_like(array)
    else:
        seed = gradient._array if isinstance(gradient, Variable) else backend.as_array(gradient, like=array)
        if backend.shape_of(seed) != shape:
            raise ValueError(
                f"{operation}: {argument} must have the output's shape {shape} but has {backend.shape_of(seed)}"
            )
        if backend.device_of(seed) != backend.device_of(array):
            raise ValueError(
                f"{operation}: {argument} is on {backend.device_of(seed)} but the output on {backend.device_of(array)}"
            )
    if create_graph:
        seed = gradient if isinstance(gradient, Variable) else variable._wrap(seed, None)
    dtype = backend.dtype_of(array)
    return seed if backend.dtype_of(seed) in (dtype, object) else seed.astype(dtype)


def _sequence(given: Any) -> list[Any]:
    is_single = isinstance(given, Variable) or hasattr(given, "shape") or not isinstance(given, Iterable)
    return [given] if is_single else list(given)


def _freed_message(node: Node) -> str:
    return (
        f"backward: the graph behind this output was freed by an earlier backward(), at {node!r}. Compute the output "
        "again, call the first backward(retain_graph=True), or add the losses and call backward() once"
    )

"""The engine: records a computation graph. It knows no mathematics; `walk.py` walks the graph backward.

A primitive is a forward function on plain arrays and one backward rule for each of its operands. Calling it on
tensors computes the result and, where a gradient is wanted, records a `Node`. A rule is given the upstream gradient and
whatever it names, and is itself written with primitives:

    @primitive(x=lambda dz, y: dz * y, y=lambda dz, x: dz * x)
    def multiply(x, y):
        return x * y

A rule may name an operand (`y`), its shape (`y_shape`), the result (`z`), an auxiliary result of the forward, or an
option. Only what the requested rules name is kept. On the backward walk a rule runs on plain arrays and records
nothing; with `create_graph` it runs on tensors, so that a gradient is again a graph.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial, wraps
from typing import Any, ClassVar, NamedTuple
from weakref import ref

import numpy as np

from tinygrad_cnn import backend, diagnostics
from tinygrad_cnn.modes import apart, mode

KEPT_SIZE = 1024
"""A node keeps its value and gradient for pictures up to this many elements; under `debug()` it keeps every one."""

PLAN_COUNT = 64
"""A primitive keeps up to this many plans, one for each set of operands that want gradients."""

SCALARS = frozenset({np.float16, np.float32, np.float64, np.longdouble, Fraction})
"""Single numbers, which two of one type need no look at shape and dtype."""

_number = itertools.count(1).__next__
_ndarray = np.ndarray
_new = object.__new__
_NO_OPTIONS: dict[str, Any] = {}
_NEITHER, _NOTHING = (False, False, False), (None, None, None)


class Unkept(NamedTuple):
    """What is known of a value that was not kept: its shape and dtype."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def is_kept(value: Any) -> bool:
    """Whether a node keeps this value for pictures: while it is small, or under `debug()` or `keeping()`."""
    return getattr(value, "size", 1) <= KEPT_SIZE or mode.debug or mode.keeping


def kept(value: Any) -> Any:
    """What a node keeps of a value for pictures: itself while it is small, else its shape and dtype."""
    return value if is_kept(value) else Unkept(value.shape, value.dtype)


class Call:
    """A call of something that is more than an operation, a module for one: what a picture puts into one frame.

    Attributes:
        callee: a weak reference to what was called.
        kind: its class.
        first, last: the creation numbers before and after it. What was recorded inside lies between them.
        inputs: the creation numbers of its inputs, some of which only got their node inside.
    """

    __slots__ = ("callee", "first", "inputs", "kind", "last")
    callee: ref[Any]
    kind: type
    first: int
    last: int
    inputs: tuple[int, ...]


class Node:
    """One recorded operation: its primitive, its operands in order, what the rules need, and a creation number.

    `parents` are the operands' nodes; `value` is the result while small (else an `Unkept` with shape and dtype);
    `gradient` is the gradient of the last walk while small; `saved` is None once a backward walk has freed the node.
    `calls` are those that returned it, the inner ones first. Under `debug()` a node also has `where`, the line that
    recorded it.
    """

    # Python's garbage collector visits each container of a large graph again and again, in vain: so the parents are no
    # tuple, which would be a second one for every node.
    __slots__ = (
        "calls", "first", "gradient", "name", "number", "options", "others", "plan", "saved", "second", "target",
        "value", "where",
    )  # fmt: skip
    requires_grad: ClassVar[bool] = True

    plan: Plan | None
    first: Any  # a node, or None
    second: Any
    others: tuple[Node, ...]
    saved: tuple[Any, ...] | None
    options: dict[str, Any]
    value: Any
    number: int
    gradient: Any
    name: str | None
    target: ref[Variable] | None
    where: Any
    calls: tuple[Call, ...] | None

    @property
    def parents(self) -> tuple[Node, ...]:
        """The operands' nodes, in their order."""
        if self.second is None:
            return () if self.first is None else (self.first,)
        return (self.first, self.second, *self.others)

    @property
    def primitive(self) -> Primitive | None:
        """The operation; None for a leaf or a constant."""
        return self.plan.primitive if self.plan else None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the result."""
        return backend.shape_of(self.value)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the result."""
        return backend.dtype_of(self.value)

    @property
    def is_freed(self) -> bool:
        """Whether a backward walk has released what the rules of this node need."""
        return self.saved is None

    def __repr__(self) -> str:
        operation = self.primitive.name if self.primitive else type(self).__name__.lower()
        return f"<{operation} node {self.number}, shape {self.shape}, {self.dtype}>"


class Source(Node):
    """A node without parents."""

    __slots__ = ()

    def __init__(self, value: Any, name: str | None = None, target: ref[Variable] | None = None) -> None:
        self.plan = self.first = self.second = None
        self.others = self.saved = ()
        self.options = _NO_OPTIONS
        self.value = value if type(value) in SCALARS else kept(value)
        self.number = _number()
        self.gradient = None
        self.name = name
        self.target = target
        self.calls = None


class Leaf(Source):
    """The node of a tensor that was made with `requires_grad=True`: where a gradient arrives."""

    # `target` is a weak reference: the tensor holds its node, and a strong one would be a cycle that outlives both.
    __slots__ = ()


class Constant(Source):
    """The node of an operand that asks for no gradient: it is there to be seen."""

    __slots__ = ()
    requires_grad = False


class Variable:
    """What the engine needs of a tensor: an array, and the node that recorded it (None without one)."""

    __slots__ = ("__weakref__", "_array", "_grad", "_name", "node")
    _array: Any
    _grad: Any
    _name: str | None
    node: Node | None

    @staticmethod
    def _wrap(array: Any, node: Node | None) -> Any:
        """A new variable of the caller's class."""
        raise NotImplementedError


@dataclass(slots=True, frozen=True)
class Plan:
    """What a node keeps and which rules a walk runs, for one primitive and one set of operands that want gradients."""

    primitive: Primitive
    keeps: tuple[bool, ...]  # which of the values (*operands, *auxiliaries, z) a node keeps, with None for the others
    drops: tuple[int, ...]  # the positions of the others
    shapes: tuple[int, ...]  # the operands whose shapes it keeps, behind the values
    options: tuple[str, ...]  # and behind these
    rules: tuple[tuple[int, Callable[..., Any], tuple[int, ...]], ...]  # operand, rule, where its arguments are kept
    overwrites: bool  # whether its rule may write over the dz that it is given, where nobody else will read it


def overwriting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a forward function or a rule that writes over its first array where that was offered (`memory.offer`)."""
    function.overwrites = True  # type: ignore[attr-defined]
    return function


class Primitive:
    """A forward function on plain arrays, and a backward rule for each operand that has a gradient.

    Operands are the forward's positional parameters, options its keyword-only ones. A variadic primitive
    (`def concatenate(*xs, axis)`) has one rule for all its operands, which may name `index`.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        rules: dict[str, Callable[..., Any]],
        auxiliary: Sequence[str] = (),
        alone: Callable[..., Any] | None = None,
    ) -> None:
        self.forward, self.alone = forward, alone
        self.name = forward.__name__.strip("_")
        self.rules = rules
        self.auxiliary = tuple(auxiliary)
        parameters = inspect.signature(forward).parameters.values()
        self.operand_names = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        self.option_names = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        self.is_variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        self._plans: dict[tuple[int, int], Plan | None] = {}
        self._rule_arguments = {name: tuple(inspect.signature(rule).parameters)[1:] for name, rule in rules.items()}
        unknown = set(rules) - set(self.operand_names)
        if unknown:
            raise TypeError(f"{self.name}: rules for {sorted(unknown)}, but the operands are {self.operand_names}")

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join((*self.operand_names, *self.option_names))})>"

    def apply(self, operands: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Compute the result; record it where an operand wants a gradient. Plain arrays in give a plain array out."""
        arrays, nodes = [], []
        wanting, bit = 0, 1  # the operands that want a gradient, as a bit set
        variable = None
        for x in operands:
            node = None
            if isinstance(x, Variable):
                variable, node, x = x, x.node, x._array
                if node is not None and node.requires_grad:
                    wanting += bit
            elif type(x) is list or type(x) is tuple:
                x = backend.as_operand(x, [v._array for v in operands if isinstance(v, Variable)])
            arrays.append(x)
            nodes.append(node)
            bit += bit
        plain, forward = mode.plain, self.forward
        if self.alone is not None and not (wanting and (plain or mode.recording)):
            forward = self.alone
        try:
            z = forward(*arrays, **options)
        except (TypeError, ValueError) as error:
            name_operation(self.name, arrays, error)
            raise
        auxiliaries: Iterable[Any] = ()
        if self.auxiliary and forward is self.forward:
            z, *auxiliaries = z
        if variable is None:
            return z
        if not plain and mode.debug:
            diagnostics.check_finite(self.name, z, arrays)
        plan = self._plan(wanting, len(arrays)) if wanting and (plain or mode.recording) else None
        if plan is None:
            result = variable._wrap(z, None)
            if not plain and mode.recorder is not None:
                mode.recorder.operation(forward, operands, arrays, auxiliaries, options, result)
            return result
        if None in nodes:
            self._add_constants(operands, arrays, nodes)
        saved = [*arrays, *auxiliaries, z]
        for i in plan.drops:
            saved[i] = None
        if plan.shapes:
            saved += [backend.shape_of(arrays[i]) for i in plan.shapes]
        if plan.options:
            saved += [options[name] for name in plan.options]
        second = nodes[1] if len(nodes) > 1 else None
        result = _result(type(variable), z, plan, nodes[0], second, tuple(nodes[2:]), tuple(saved), options)
        if not plain:
            if mode.debug:
                result.node.where = diagnostics.users_line()
            if mode.recorder is not None:
                mode.recorder.operation(forward, operands, arrays, auxiliaries, options, result)
        return result

    @staticmethod
    def _add_constants(operands: tuple[Any, ...], arrays: list[Any], nodes: list[Node | None]) -> None:
        """Give each operand without a node the node of a constant."""
        for i, x in enumerate(operands):
            if nodes[i] is None:
                if isinstance(x, Variable):
                    x.node = Constant(x._array, x._name)
                    nodes[i] = x.node
                else:
                    if hasattr(arrays[i], "__setitem__"):  # an array the caller may still change; the graph may not
                        arrays[i] = arrays[i].copy(order="K")
                    nodes[i] = Constant(arrays[i])

    def _plan(self, wanting: int, count: int) -> Plan | None:
        """The plan for `count` operands, of which the bit set `wanting` wants gradients; None without any rule."""
        try:
            return self._plans[wanting, count]
        except KeyError:
            if len(self._plans) >= PLAN_COUNT:  # only a variadic primitive has so many
                self._plans.clear()
            plan = self._plans[wanting, count] = self._make_plan(wanting, count)
            return plan

    def _make_plan(self, wanting: int, count: int) -> Plan | None:
        operands = self.operand_names * count if self.is_variadic else self.operand_names[:count]
        sources: dict[str, tuple[str, Any]] = {f"{name}_shape": ("shape", i) for i, name in enumerate(operands)}
        sources |= {name: ("value", i) for i, name in enumerate((*operands, *self.auxiliary, "z"))}
        sources |= {name: ("option", name) for name in self.option_names}
        requests: list[tuple[int, Callable[..., Any], list[tuple[str, Any]]]] = []
        for i, operand in enumerate(operands):
            if wanting >> i & 1 and operand in self.rules:
                rule = self.rules[operand]
                names = list(self._rule_arguments[operand])
                if self.is_variadic and "index" in names:
                    rule = partial(_with_index, rule, names.index("index"), i)
                    names.remove("index")
                if unknown := [name for name in names if name not in sources]:
                    raise TypeError(f"{self.name}: the rule for {operand} asks for {unknown}; known: {list(sources)}")
                requests.append((i, rule, [sources[name] for name in names]))
        if not requests:
            return None
        named = {source for _, _, sources in requests for source in sources}
        values = [("value", i) for i in range(len(operands) + len(self.auxiliary) + 1)]
        shapes = [i for i in range(len(operands)) if ("shape", i) in named]
        options = [name for name in self.option_names if ("option", name) in named]
        kept = [*values, *[("shape", i) for i in shapes], *[("option", name) for name in options]]
        place = {source: i for i, source in enumerate(kept)}
        rules = tuple((i, rule, tuple([place[source] for source in sources])) for i, rule, sources in requests)
        keeps = tuple([value in named for value in values])
        keeps = _NEITHER if keeps == _NEITHER else keeps
        drops = tuple([i for i, keep in enumerate(keeps) if not keep])
        overwrites = len(rules) == 1 and getattr(rules[0][1], "overwrites", False)
        return Plan(self, keeps, drops, tuple(shapes), tuple(options), rules, overwrites)


begin_call = _number
"""The creation number at which a call begins, for `end_call`."""


def end_call(callee: Any, first: int, inputs: Iterable[Any], output: Any) -> None:
    """Let what a call recorded, back from its output, say where it belongs; tensors in lists, tuples and dicts too."""
    if isinstance(output, Variable):
        outputs: Iterable[Any] = (output,)
    elif isinstance(output, list | tuple | dict):
        outputs = _variables_in(output)
    else:
        return
    call = None
    for z in outputs:
        node = z.node
        if node is not None and node.number > first:  # not an input that is handed on
            if call is None:
                call = _new(Call)
                call.callee, call.kind, call.first, call.last = ref(callee), type(callee), first, _number()
                call.inputs = tuple([x.node.number for x in inputs if isinstance(x, Variable) and x.node is not None])
            node.calls = (*node.calls, call) if node.calls else (call,)


def _variables_in(output: Any) -> Iterable[Variable]:
    stack = [output]
    while stack:
        z = stack.pop()
        if isinstance(z, Variable):
            yield z
        elif isinstance(z, list | tuple):
            stack += z
        elif isinstance(z, dict):
            stack += z.values()


def _with_index(rule: Callable[..., Any], position: int, index: int, dz: Any, *values: Any) -> Any:
    """The rule of a variadic primitive, with the operand's index put among its arguments where the rule names it."""
    return rule(dz, *values[:position], index, *values[position:])


def primitive(
    auxiliary: Sequence[str] = (), alone: Callable[..., Any] | None = None, **rules: Callable[..., Any]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a primitive of a forward function on plain arrays, given a backward rule by operand name.

    The result is a function with the forward's docstring and signature that takes tensors and plain arrays alike; its
    attribute `primitive` is the `Primitive`. With `auxiliary` the forward returns (z, *auxiliaries), which
    rules may name and which have no gradient of their own (the winners of a max-pool); `alone` is a function that gives
    z without them, for where nothing is recorded.
    """

    def decorate(forward: Callable[..., Any]) -> Callable[..., Any]:
        definition = Primitive(forward, rules, auxiliary, alone)
        call = wraps(forward)(_call_of(definition))
        call.primitive = definition  # type: ignore[attr-defined]
        return call

    return decorate


def _call_of(definition: Primitive) -> Callable[..., Any]:
    """The function that applies a primitive.

    Where graphs are small, time is spent between the arithmetic: `apply` is written out for plain arrays, as backward
    rules have them, and for primitives without options for tensors that all have nodes.
    """
    apply, forward, auxiliary = definition.apply, definition.forward, bool(definition.auxiliary)
    alone = definition.alone or forward
    names, count = definition.operand_names, len(definition.operand_names)
    if definition.is_variadic:
        return lambda *operands, **options: apply(operands, options)

    def call_by_name(*operands: Any, **options: Any) -> Any:
        while len(operands) < count and names[len(operands)] in options:  # an operand given by name
            operands += (options.pop(names[len(operands)]),)
        for x in operands:
            if type(x) is not _ndarray:
                return apply(operands, options)
        try:
            z = alone(*operands, **options)
        except (TypeError, ValueError) as error:
            name_operation(definition.name, [*operands], error)
            raise
        return z[0] if auxiliary and alone is forward else z

    if definition.option_names:
        return call_by_name

    @cache
    def plan(*wanting: bool) -> Plan | None:
        """The plan for operands of which these want gradients, unless it keeps shapes: `apply` sees to those."""
        made = definition._plan(sum(1 << i for i, wants in enumerate(wanting) if wants), len(wanting))
        return None if made is None or made.shapes else made

    def call(*operands: Any, **options: Any) -> Any:
        if options or (apart and not mode.plain):
            return call_by_name(*operands, **options)
        try:
            parents = tuple([x.node for x in operands])
            chosen = plan(*[node.requires_grad for node in parents])
        except AttributeError:  # an operand that is no tensor, or has no node yet
            return apply(operands, _NO_OPTIONS)
        if chosen is None:
            return apply(operands, _NO_OPTIONS)
        arrays = [x._array for x in operands]
        try:
            z = forward(*arrays)
        except (TypeError, ValueError) as error:
            name_operation(definition.name, arrays, error)
            raise
        if auxiliary:
            z, *auxiliaries = z
            arrays += auxiliaries
        arrays.append(z)  # from here on it is what the node keeps
        for i in chosen.drops:
            arrays[i] = None
        second = parents[1] if len(parents) > 1 else None
        return _result(type(operands[0]), z, chosen, parents[0], second, parents[2:], tuple(arrays))

    if auxiliary or count > 2:
        return call

    # One and two operands once more, without the packing: scalar graphs are made of these.
    if count == 1:
        only = plan(True)
        keeps_x, keeps_z = only.keeps if only else (False, False)

        def call_one(x: Any) -> Any:
            if isinstance(x, Variable):
                m = x.node
                if only is not None and m is not None and m.requires_grad and (not apart or mode.plain):
                    a = x._array
                    try:
                        z = forward(a)
                    except (TypeError, ValueError) as error:
                        name_operation(definition.name, [a], error)
                        raise
                    saved = (a if keeps_x else None, z if keeps_z else None)
                    return _result(type(x), z, only, m, None, (), saved)
            elif type(x) is _ndarray or type(x) in SCALARS:
                return forward(x)
            return apply((x,), _NO_OPTIONS)

        return call_one

    both = plan(True, True)
    plans = ((None, plan(False, True)), (plan(True, False), both))

    def call_two(x: Any, y: Any) -> Any:
        if isinstance(x, Variable) and isinstance(y, Variable):
            m, n = x.node, y.node
            if m is not None and n is not None and (not apart or mode.plain):
                if type(m) is not Constant and type(n) is not Constant:
                    chosen = both
                else:
                    chosen = plans[m.requires_grad][n.requires_grad]
                if chosen is not None:
                    a, b = x._array, y._array
                    try:
                        z = forward(a, b)
                    except (TypeError, ValueError) as error:
                        name_operation(definition.name, [a, b], error)
                        raise
                    keeps = chosen.keeps
                    if keeps is _NEITHER:
                        saved = _NOTHING
                    else:
                        keeps_x, keeps_y, keeps_z = keeps
                        saved = (a if keeps_x else None, b if keeps_y else None, z if keeps_z else None)
                    return _result(type(x), z, chosen, m, n, (), saved)
        elif type(x) is _ndarray and type(y) is _ndarray:
            return forward(x, y)
        return apply((x, y), _NO_OPTIONS)

    return call_two


def name_operation(operation: str, arrays: list[Any], error: TypeError | ValueError) -> None:
    """Raise an error that names the operation in place of one that doesn't, as NumPy's own."""
    if devices := backend.mixed_devices(arrays):
        raise ValueError(
            f"{operation}: the operands lie on different devices ({', '.join(devices)}); move them with .to(device)"
        ) from error
    if not re.match(r"\w+: ", str(error)):
        raise (TypeError if isinstance(error, TypeError) else ValueError)(f"{operation}: {error}") from error


def _result(
    kind: Any,
    z: Any,
    plan: Plan,
    first: Any,
    second: Any,
    others: tuple[Any, ...],
    saved: tuple[Any, ...],
    options: Any = _NO_OPTIONS,
) -> Any:
    """A variable of the kind with its node. Slots are filled here: an `__init__` costs as much again."""
    node = Node()
    node.plan = plan
    node.first = first
    node.second = second
    node.others = others
    node.saved = saved
    node.options = options
    node.value = z if type(z) in SCALARS or (type(z) is _ndarray and z.size <= KEPT_SIZE) else kept(z)
    node.number = _number()
    node.gradient = node.name = node.target = node.calls = None
    result = _new(kind)
    result._array = z
    result.node = node
    result._grad = result._name = None
    return result

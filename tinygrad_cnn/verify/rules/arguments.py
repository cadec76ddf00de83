"""What a student's function asks for by its parameters' names, and what it is given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tinygrad_cnn.verify.catalogue.operation import Operation

UPSTREAM_NAMES = (
    "dZ", "dz", "dout", "dOut", "d_out", "dY", "dy", "dA", "dH", "dL",
    "dL_dZ", "dLdZ", "dL_dz", "dLdz", "dL_dY", "dL_dout",
    "grad_output", "grad_out", "grad_z", "grad", "gradient", "upstream", "upstream_gradient", "delta", "G", "g",
)  # fmt: skip
RESULT_NAMES = ("Z", "z", "out", "output", "Y", "y", "result", "P", "p", "A", "a", "H", "h", "S", "s", "L", "loss")


class UnknownArgumentError(TypeError):
    """A rule asks for something that there is not."""


def title_of(function: Callable[..., Any]) -> str:
    """The function's name, for a report."""
    named = getattr(function, "func", function)  # what a partial is of
    return getattr(named, "__name__", None) or getattr(named, "name", None) or type(named).__name__


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that can be given by name or by position."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


class RuleArguments:
    """How a rule is called: each of its parameters with the source of its value.

    A parameter is an argument of the forward by its name there, or by another name that the operation's arguments have;
    the upstream gradient (dZ, dout, ...); the forward's result (Z, out, ...); `<argument>_shape`; or `cache`, the tuple
    of all arguments. One with a default that is none of these keeps it. The first parameter that is nothing else is the
    upstream gradient.

    Raises:
        UnknownArgumentError: another name.
    """

    def __init__(self, rule: Callable[..., Any], names: list[str], operation: Operation | None, title: str) -> None:
        self._sources: list[tuple[inspect.Parameter, tuple[str, str]]] = []
        parameters = parameters_of(rule)
        given = {p.name for p in parameters}
        unsettled = []
        upstream = next((n for n in UPSTREAM_NAMES if n in given and n not in names), None)
        if upstream is None and parameters and parameters[0].name not in names:
            upstream = parameters[0].name
        for p in parameters:
            source = self._source(p, names, given, operation) if p.name != upstream else ("upstream", "")
            if source is None and p.default is p.empty:
                unsettled.append(p)
            if source is not None or p.default is p.empty:
                self._sources.append((p, source or ("", "")))
        if upstream is None and unsettled:
            first = unsettled.pop(0)
            self._sources = [(p, ("upstream", "") if p is first else source) for p, source in self._sources]
        if unsettled:
            known = ", ".join(["dZ", *names, "Z", *(f"{name}_shape" for name in names)])
            asked = ", ".join(p.name for p in unsettled)
            raise UnknownArgumentError(f"the rule for {title} asks for {asked}, but there is only {known}")

    @staticmethod
    def _source(
        p: inspect.Parameter, names: list[str], given: set[str], operation: Operation | None
    ) -> tuple[str, str] | None:
        name = p.name
        if name in names:
            return "argument", name
        if name.endswith("_shape") and name[: -len("_shape")] in names:
            return "shape", name[: -len("_shape")]
        if operation is not None and (own := operation.own_name(name)):
            theirs = [n for n in names if operation.own_name(n) == own]
            if theirs and theirs[0] not in given:
                return "argument", theirs[0]
            if own in operation.options and not theirs and p.default is p.empty:
                return "default", own
        if name in RESULT_NAMES:
            return "result", ""
        return ("cache", "") if name == "cache" else None

    @property
    def takes_upstream(self) -> bool:
        """Whether the rule takes the upstream gradient."""
        return any(kind == "upstream" for _, (kind, _) in self._sources)

    def values(self, dz: Any, arguments: Mapping[str, Any], result: Any, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call, by the rule's parameters."""
        sources: dict[str, Callable[[str], Any]] = {
            "upstream": lambda name: dz,
            "argument": lambda name: arguments[name],
            "shape": lambda name: getattr(arguments[name], "shape", ()),
            "default": lambda name: defaults[name],
            "result": lambda name: result,
            "cache": lambda name: tuple(arguments.values()),
        }
        return {p.name: sources[kind](name) for p, (kind, name) in self._sources}

"""Optimisers: SGD with momentum, Adam and AdamW.

A step gives each parameter a new array, so that no graph changes behind its back; a large one that nobody else holds is
updated in place. In the formulas p is a parameter, g its gradient, lr the learning rate and t the number of the step,
counted from 1 for each parameter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from math import inf, sqrt
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from tinygrad_cnn import backend
from tinygrad_cnn.kernels import blas, blocks, dispatch, memory, threads, vectors
from tinygrad_cnn.modes import observed
from tinygrad_cnn.tensor import Tensor

Group = dict[str, Any]

LARGE = 1 << 14
"""From so many numbers on, a parameter is updated in place where nobody else holds it, piece by piece."""


class Optimizer(ABC):
    """What optimisers share: parameters in groups, each group with its own options, and a state for each parameter.

    `param_groups` is a list of dicts, each with "params" and the options; changing `param_groups[0]["lr"]` takes effect
    at the next step. A subclass names its options and its state, and writes `_update`.

    Args:
        parameters: tensors (`model.parameters()`), or dicts with "params" and the options that differ for them.
        options: the options of every group that does not say otherwise.

    Raises:
        TypeError: anything but leaf tensors, an unordered set of them.
        ValueError: no parameter, none that requires a gradient, one twice, a computed tensor, a wrong option.
    """

    state_names: ClassVar[tuple[str, ...]] = ()
    _piece: ClassVar[int] = 1 << 17  # numbers that stay in the processor's cache while they are gone over several times

    def __init__(self, parameters: Iterable[Any], **options: Any) -> None:
        self.defaults = options
        self.param_groups: list[Group] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        given = self._listed(parameters)
        for group in given if any(isinstance(item, Mapping) for item in given) else [{"params": given}]:
            self.add_param_group(group)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _listed(self, parameters: Any) -> list[Any]:
        if isinstance(parameters, Tensor):
            raise TypeError(f"{self._name}: expected a list of tensors but got one; write [{parameters.name or 'w'}]")
        if hasattr(parameters, "parameters"):
            kind = type(parameters).__name__
            raise TypeError(f"{self._name}: expected a list of tensors but got a {kind}; give its .parameters()")
        if callable(parameters):
            raise TypeError(f"{self._name}: expected a list of tensors but got a function; call it, as .parameters()")
        if isinstance(parameters, set | frozenset | str | Mapping) or not isinstance(parameters, Iterable):
            raise TypeError(f"{self._name}: expected a list or iterator of tensors but got {parameters!r}")
        listed = list(parameters)
        if not listed:
            raise ValueError(f"{self._name}: expected parameters but got none")
        return listed

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Train more parameters, with their own options: a dict with "params" and the options that differ.

        Raises:
            TypeError, ValueError: as the constructor; nothing is added then.
        """
        if not isinstance(group, Mapping) or "params" not in group:
            raise TypeError(f"{self._name}: expected a dict with 'params' for a parameter group but got {group!r}")
        if unknown := sorted(set(group) - {"params", *self.defaults}):
            raise ValueError(f"{self._name}: unknown options {unknown}; there are {', '.join(self.defaults)}")
        parameters = self._listed([group["params"]] if isinstance(group["params"], Tensor) else group["params"])
        seen = {id(p) for other in self.param_groups for p in other["params"]}
        for i, p in enumerate(parameters):
            self._check_parameter(i, p)
            if id(p) in seen:
                raise ValueError(f"{self._name}: each parameter may come once but {_named(p)} comes again")
            seen.add(id(p))
        if not any(p.requires_grad for p in parameters):
            raise ValueError(f"{self._name}: none of the {len(parameters)} parameters requires a gradient")
        complete = {**self.defaults, **group, "params": parameters}
        self._check_options(complete)
        self.param_groups.append(complete)

    def _check_parameter(self, position: int, p: Any) -> None:
        if not isinstance(p, Tensor):
            raise TypeError(f"{self._name}: parameters must be tensors but number {position} is {p!r}")
        if not p.is_leaf:
            raise ValueError(
                f"{self._name}: parameters must be leaves but number {position}, {_named(p)}, was computed; "
                "give what it was computed from"
            )

    @abstractmethod
    def _check_options(self, group: Group) -> None:
        """Raise where an option of the group is out of its range."""

    @abstractmethod
    def _update(self, p: Any, g: Any, state: dict[str, Any], group: Group, out: Any = None) -> Any:
        """The parameter's new array, of p's dtype, which nobody else holds, or `out`; p and g are not written to.

        The arrays in `state` are the optimiser's own and may be updated in place. With `out`, which may be p, the
        arguments are pieces of the arrays, and every array of the state is there.
        """

    @observed
    def step(self) -> None:
        """Update every parameter that has a gradient. A parameter whose `.grad` is None stays as it is.

        Raises:
            ValueError: a gradient on another device than its parameter.
        """
        updates: list[tuple[Any, ...]] = []
        for group in self.param_groups:
            # A NumPy scalar among the options would turn a float32 update into float64.
            options = {k: v.item() if isinstance(v, np.generic) else v for k, v in group.items()}
            for p in group["params"]:
                if p._grad is not None:
                    g, state = p._grad._array, self.state.get(p)
                    if state or type(g) is not type(p._array) or backend.dtype_of(g) is not backend.dtype_of(p._array):
                        g = self._gradient(p, state or {})
                    updates.append((p, g, state, options))
        has_steps = "step" in self.state_names
        pieces: list[tuple[Any, ...]] = []
        for p, g, state, options in updates:
            if state is None:
                state = self.state[p] = {}
            if has_steps:
                state["step"] = state.get("step", 0) + 1
            if getattr(g, "size", 1) < LARGE or not self._cut(p, g, state, options, pieces):
                p._replace(self._update(p._array, g, state, options))
        if not pieces:
            return
        if sum([g.size for _, g, *_ in pieces]) * 4 >= blocks.SHARED:
            threads.run(lambda piece: self._update(*piece), pieces)
        else:
            with blas.one_thread():
                for piece in pieces:
                    self._update(*piece)

    def _cut(self, p: Tensor, g: Any, state: dict[str, Any], options: Group, pieces: list[tuple[Any, ...]]) -> bool:
        """Give a large parameter its new array, and add what `_update` is to be called with, piece by piece.

        False where the arrays can't be cut, since they are no NumPy floats or lie differently in memory.
        """
        if type(g) is not np.ndarray or g.dtype.kind != "f":
            return False
        names = [name for name in self.state_names if name != "step"]
        for name in names:
            if name not in state:
                state[name] = np.zeros_like(p._array)
        new = p._array if memory.is_unshared(p._array) else memory.empty_like(p._array)
        if g.size <= self._piece:
            pieces.append((p._array, g, state, options, new))
        else:
            flat = blocks.flat(new, p._array, g, *[state[name] for name in names])
            if flat is None:
                return False
            for start in range(0, g.size, self._piece):
                out, old, gradient, *values = [vector[start : start + self._piece] for vector in flat]
                own = {**state, **dict(zip(names, values, strict=True))}
                pieces.append((out if new is p._array else old, gradient, own, options, out))
        p._replace(new)
        return True

    def _gradient(self, p: Tensor, state: dict[str, Any]) -> Any:
        """The gradient's array in p's dtype; the state follows a parameter that was cast or moved."""
        array, g = p._array, p._grad._array
        if _differ(g, array):
            if backend.device_of(g) != backend.device_of(array):
                raise ValueError(
                    f"{self._name}: {_named(p)} lies on {backend.device_of(array)} "
                    f"but its gradient on {backend.device_of(g)}"
                )
            g = backend.as_array(g, like=array)
        for name, value in state.items():
            if name != "step" and _differ(value, array):
                state[name] = backend.as_array(value, like=array)
        return g

    @observed
    def zero_grad(self) -> None:
        """Forget every parameter's gradient: `.grad` becomes None."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on later: the groups' options and the state, with parameters as numbers in their order.

        The arrays are copies.
        """
        numbers = self._numbers()
        return {
            "state": {
                numbers[p]: {k: v if k == "step" else backend.as_array(v) for k, v in state.items()}
                for p, state in self.state.items()
            },
            "param_groups": [{**group, "params": [numbers[p] for p in group["params"]]} for group in self.param_groups],
        }

    def _numbers(self) -> dict[Tensor, int]:
        return {p: i for i, p in enumerate(p for group in self.param_groups for p in group["params"])}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a `state_dict()` of an optimiser of this class for the same parameters: all of it, or nothing.

        Raises:
            ValueError: other groups, options, state or shapes than this optimiser's.
            TypeError: not a state dict.
        """
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            raise TypeError(f"{self._name}: load_state_dict expected 'state' and 'param_groups' but got {state_dict!r}")
        groups, numbers = state_dict["param_groups"], self._numbers()
        if not isinstance(groups, list | tuple) or not all(isinstance(group, Mapping) for group in groups):
            raise TypeError(f"{self._name}: load_state_dict expected 'param_groups' to be a list of dicts")
        here = [[numbers[p] for p in group["params"]] for group in self.param_groups]
        if [list(group.get("params", ())) for group in groups] != here:
            raise ValueError(
                f"{self._name}: load_state_dict expected groups of {[len(group) for group in here]} parameters "
                f"but got {[len(group.get('params', ())) for group in groups]}"
            )
        for group in groups:
            if set(group) != {"params", *self.defaults}:
                raise ValueError(
                    f"{self._name}: load_state_dict expected the options {sorted(self.defaults)} "
                    f"but got {sorted(set(group) - {'params'})}"
                )
            self._check_options(group)
        state = {}
        parameters = list(numbers)
        for number, values in state_dict["state"].items():
            if number not in range(len(parameters)):
                raise ValueError(
                    f"{self._name}: load_state_dict expected the state of parameters 0 to {len(parameters) - 1} "
                    f"but got {number!r}"
                )
            state[parameters[number]] = self._loaded(number, parameters[number], values)
        self.state = state
        for group, loaded in zip(self.param_groups, groups, strict=True):
            group.update({name: loaded[name] for name in self.defaults})

    def _loaded(self, number: int, p: Tensor, values: Mapping[str, Any]) -> dict[str, Any]:
        if values and set(values) != set(self.state_names):
            raise ValueError(
                f"{self._name}: load_state_dict expected the state {self.state_names} of parameter {number} "
                f"but got {tuple(values)}"
            )
        state = {}
        for name, value in values.items():
            if name == "step":
                state[name] = int(value)
                if state[name] < 1:
                    raise ValueError(f"{self._name}: load_state_dict expected a step of 1 or more but got {value!r}")
                continue
            state[name] = backend.as_array(value, like=p._array)
            if backend.shape_of(state[name]) != p.shape:
                raise ValueError(
                    f"{self._name}: load_state_dict expected {name} of parameter {number} to have shape {p.shape} "
                    f"but got {backend.shape_of(state[name])}"
                )
        return state

    def __repr__(self) -> str:
        groups = []
        for group in self.param_groups:
            options = ", ".join(f"{name}={group[name]!r}" for name in self.defaults)
            groups.append(f"{len(group['params'])} parameters, {options}")
        return f"{self._name}({'; '.join(groups)})"


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum:

        g <- g + weight_decay p
        v <- momentum v + g                    (v = g at the first step)
        p <- p - lr v,    or with nesterov    p <- p - lr (g + momentum v)

    Without momentum p <- p - lr g. The momentum is Polyak's (1964, "Some methods of speeding up the convergence of
    iteration methods"); Nesterov's is in the form of Sutskever, Martens, Dahl, Hinton 2013, "On the importance of
    initialization and momentum in deep learning", rewritten for the parameters ahead, as PyTorch has it.

    Args:
        parameters: tensors, or dicts with "params" and options of their own.
        lr: the learning rate, 0 or more.
        momentum: from 0 to below 1.
        weight_decay: 0 or more; the gradient of weight_decay / 2 times the sum of p².
        nesterov: whether the momentum looks ahead.

    Raises:
        TypeError, ValueError: parameters as `Optimizer` says; options out of their range.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> w = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = optim.SGD([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5, 1.0]
    """

    state_names = ("velocity",)
    _piece = 1 << 19  # mostly gone over once

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: Any,
        momentum: Any = 0,
        *,
        weight_decay: Any = 0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov)

    def _check_options(self, group: Group) -> None:
        for name in ("lr", "weight_decay"):
            _check_range(self._name, name, group[name])
        _check_range(self._name, "momentum", group["momentum"], below=1)
        if not isinstance(group["nesterov"], bool):
            raise TypeError(f"SGD: nesterov must be True or False but is {group['nesterov']!r}")
        if group["nesterov"] and not group["momentum"]:
            raise ValueError("SGD: nesterov needs a momentum above 0 but it is 0")

    def _cut(self, p: Tensor, g: Any, state: dict[str, Any], options: Group, pieces: list[tuple[Any, ...]]) -> bool:
        is_one_pass = not (options["momentum"] or options["weight_decay"]) and g.dtype == np.float32
        if not is_one_pass or dispatch.chosen() != "onednn" or not memory.is_unshared(p._array):
            return super()._cut(p, g, state, options, pieces)
        dispatch.add_scaled(p._array, g, -options["lr"])  # on oneDNN's own threads
        p._replace(p._array)
        return True

    def _update(self, p: Any, g: Any, state: dict[str, Any], group: Group, out: Any = None) -> Any:
        lr, momentum, weight_decay = group["lr"], group["momentum"], group["weight_decay"]
        if weight_decay:
            decayed = _product(p, weight_decay, out)
            decayed += g
            g = decayed
        if not momentum:
            return _moved(p, g, -lr, out)
        v = state.get("velocity")
        state["velocity"] = v = +g if v is None else _mixed(v, momentum, g, 1, out)
        if not group["nesterov"]:
            return _moved(p, v, -lr, out)
        direction = _product(v, momentum, out)
        direction += g
        return _moved(p, direction, -lr, out)


class Adam(Optimizer):
    """Adam: steps of the gradient's mean over its root mean square, both averages over the past:

        g <- g + weight_decay p
        m <- beta1 m + (1 - beta1) g           v <- beta2 v + (1 - beta2) g²        (both 0 at first)
        p <- p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    (Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1.)

    Args:
        parameters: tensors, or dicts with "params" and options of their own.
        lr: the learning rate, 0 or more.
        betas: (beta1, beta2), each from 0 to below 1.
        eps: 0 or more, so that nothing is divided by 0.
        weight_decay: 0 or more; the gradient of weight_decay / 2 times the sum of p².

    Raises:
        TypeError, ValueError: parameters as `Optimizer` says; options out of their range.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import optim
    >>> w = tg.tensor([1.0, -200.0], requires_grad=True)
    >>> optimizer = optim.Adam([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()  # the first step is lr against the sign of the gradient, however large it is
    >>> w.tolist()
    [0.5, -199.5]
    """

    state_names = ("step", "first_moment", "second_moment")
    _is_decoupled: ClassVar[bool] = False

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: Any = 0,
    ) -> None:
        super().__init__(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def _check_options(self, group: Group) -> None:
        for name in ("lr", "eps", "weight_decay"):
            _check_range(self._name, name, group[name])
        betas = group["betas"]
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise TypeError(f"{self._name}: betas must be a pair of numbers but is {betas!r}")
        for name, beta in zip(("betas[0]", "betas[1]"), betas, strict=True):
            _check_range(self._name, name, beta, below=1)

    def _update(self, p: Any, g: Any, state: dict[str, Any], group: Group, out: Any = None) -> Any:
        lr, eps, weight_decay = group["lr"], group["eps"], group["weight_decay"]
        beta1, beta2 = map(float, group["betas"])
        if weight_decay and not self._is_decoupled:
            decayed = _product(p, weight_decay, out)
            decayed += g
            g = decayed
        t = state["step"]
        xp = backend.get_array_module(p)
        # One new array serves every intermediate result and ends as the parameter; a scalar cannot be written to.
        new = _product(g, g, out)
        writable = new if backend.shape_of(new) else None
        m, v = state.get("first_moment"), state.get("second_moment")
        state["first_moment"] = m = g * (1 - beta1) if m is None else _mixed(m, beta1, g, 1 - beta1, out)
        state["second_moment"] = v = new * (1 - beta2) if v is None else _mixed(v, beta2, new, 1 - beta2, out)
        new = xp.sqrt(v, out=writable)
        new += eps * sqrt(1 - beta2**t)  # the root of the correction of v stands outside: one pass less
        new = xp.divide(m, new, out=writable)
        factor = -lr * sqrt(1 - beta2**t) / (1 - beta1**t)
        if weight_decay and self._is_decoupled:
            new *= factor
            new -= _product(p, lr * weight_decay, out)
            factor = 1
        return _moved(p, new, factor, out)


class AdamW(Adam):
    """Adam with the weight decay taken apart from the gradient's averages:

        p <- p - lr weight_decay p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    with m and v of the gradient alone (Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", algorithm
    2, with PyTorch's lr weight_decay). Arguments and errors as `Adam`.
    """

    _is_decoupled = True

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: Any = 1e-2,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)


def _product(array: Any, factor: Any, out: Any) -> Any:
    """A new array; for a piece in memory that is used again."""
    return array * factor if out is None else np.multiply(array, factor, out=memory.empty_like(array))


def _mixed(average: Any, weight: Any, g: Any, factor: Any, out: Any) -> Any:
    """weight average + factor g in place of the average, which may be a scalar; for a piece in one pass."""
    if out is not None:
        return vectors.mix(average, weight, g, factor)
    average *= weight
    average += g if factor == 1 else g * factor
    return average


def _moved(p: Any, direction: Any, factor: Any, out: Any) -> Any:
    """p + factor direction; in `out` where there is one, in one pass where that is p."""
    if out is p:
        return vectors.add_scaled(p, direction, factor)
    if out is not None:
        return np.add(p, np.multiply(direction, factor, out=out), out=out)
    change = direction * factor
    change += p
    return change


def _named(p: Tensor) -> str:
    return f"{p.name or 'a tensor'} of shape {p.shape}"


def _differ(array: Any, other: Any) -> bool:
    """Whether two arrays, scalars or single objects are of different kinds or dtypes."""
    if type(array) is not type(other):
        return True
    dtype, others = backend.dtype_of(array), backend.dtype_of(other)
    return dtype is not others and dtype != others


def _check_range(optimizer: str, name: str, value: Any, below: float | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{optimizer}: {name} must be a number but is {value!r}")
    if not 0 <= float(value) < (inf if below is None else below):
        wanted = "0 or more" if below is None else f"from 0 to below {below}"
        raise ValueError(f"{optimizer}: {name} must be {wanted} but is {value!r}")

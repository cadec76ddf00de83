"""A function under test at one point: its values, the gradients it is accused of, and slopes measured along lines."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.engine import Variable
from tinygrad_cnn.modes import recording
from tinygrad_cnn.tensor import Tensor, tensor
from tinygrad_cnn.verify import slopes
from tinygrad_cnn.verify.complex_step import STEP, complex_array, complex_values
from tinygrad_cnn.verify.slopes import Slope
from tinygrad_cnn.walk import grad

EPS = float(np.finfo(np.float64).eps)

Outputs = list[Tensor | None]


class Arguments:
    """The caller's function and inputs: which are checked, under which names, and how to call it with others.

    Attributes:
        title: the function's name.
        names: of the checked inputs, the function's parameters.
        arrays: float64 copies of the checked inputs.
        devices: where each belongs.
        casts: the names and dtypes of those that were not float64.
        rounded: the names of those that a coarser dtype can't hold.
    """

    def __init__(self, function: Callable[..., Any], inputs: Any, dtype: Any = np.float64) -> None:
        if not callable(function):
            raise TypeError(f"gradcheck: expected a function but got {type(function).__name__}")
        self._function = function
        self._inputs = (inputs,) if isinstance(inputs, Variable) or not isinstance(inputs, Sequence) else tuple(inputs)
        named = getattr(function, "func", function)  # what a partial is of
        self.title = getattr(named, "__name__", type(named).__name__)
        every = _parameter_names(function, len(self._inputs))
        for name, x in zip(every, self._inputs, strict=True):
            if isinstance(x, list | tuple) and any(isinstance(element, Variable) for element in x):
                kind = type(x).__name__
                raise TypeError(f"gradcheck: {name} is a {kind} of tensors; give each as an input of its own")
        self._checked = [i for i, x in enumerate(self._inputs) if isinstance(x, Tensor) and x.requires_grad]
        if not self._checked:
            raise ValueError(
                f"gradcheck: expected an input that requires a gradient but none of the {len(self._inputs)} does; "
                "make it by tg.tensor(..., requires_grad=True)"
            )
        self.names = [every[i] for i in self._checked]
        checked = dict(zip(self.names, (self._inputs[i] for i in self._checked), strict=True))
        given = [np.array(x.numpy(), dtype=np.float64) for x in checked.values()]
        with np.errstate(over="ignore"):
            self.arrays = [array.astype(dtype).astype(np.float64) for array in given]
        self.devices = [x.device for x in checked.values()]
        self.casts = [f"{name} ({x.dtype})" for name, x in checked.items() if x.dtype != np.float64]
        for name, array, rounded in zip(self.names, given, self.arrays, strict=True):
            if not np.isfinite(array).all():
                raise ValueError(f"gradcheck: {name} holds NaN or infinities, where no gradient can be verified")
            if not np.isfinite(rounded).all():
                raise ValueError(f"gradcheck: {name} holds numbers beyond the range of {np.dtype(dtype)}")
        self.rounded = [
            name for name, array, r in zip(self.names, given, self.arrays, strict=True) if not np.array_equal(array, r)
        ]

    def call(self, tensors: list[Tensor]) -> Outputs:
        """The function's results, with these tensors in the place of the checked inputs."""
        # Constants are handed over without the caller's graph, and in the arithmetic of the others.
        is_complex = tensors[0].dtype == object
        arguments: list[Any] = []
        for x in self._inputs:
            if isinstance(x, Tensor):
                x = tensor(complex_array(x.numpy())) if is_complex and x.dtype.kind == "f" else x.detach()
            arguments.append(x)
        for i, x in zip(self._checked, tensors, strict=True):
            arguments[i] = x
        result = self._function(*arguments)
        outputs = list(result) if isinstance(result, list | tuple) else [result]
        for i, output in enumerate(outputs):
            if not isinstance(output, Tensor):
                which = f"output {i} of " if isinstance(result, list | tuple) else ""
                raise TypeError(f"gradcheck: expected a tensor but {which}{self.title} is {type(output).__name__}")
        return outputs


def _parameter_names(function: Callable[..., Any], count: int) -> list[str]:
    """The names of the first positional parameters, `xs[1]` for those that `*xs` takes."""
    names: list[str] = []
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some built-in functions have none
        parameters = []
    for p in parameters:
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            names.append(p.name)
        elif p.kind is p.VAR_POSITIONAL:
            names += [f"{p.name}[{i}]" for i in range(count - len(names))]
    names += [f"inputs[{i}]" for i in range(len(names), count)]
    return names[:count]


class Subject:
    """A function of tensors at given arrays, with a random upstream gradient.

    Attributes:
        arrays: the point, a float64 array for each input.
        upstream: a random integer for each element of each output that counts.
        gradients: what the engine says, a float64 array for each input: the gradient of sum(upstream * outputs).
        has_graph: whether any output requires a gradient; without one the gradients are zeros.
        eps: the relative precision of the outputs, the coarsest of their dtypes.

    Raises:
        ValueError: no floating-point output, values that are not finite, or that change from call to call.
    """

    def __init__(
        self,
        title: str,
        call: Callable[[list[Tensor]], Outputs],
        arrays: list[Any],
        devices: list[str],
        rng: np.random.Generator,
    ) -> None:
        self._call = call
        self.arrays = arrays
        self._devices = devices
        leaves = self._leaves(arrays)
        with recording(), np.errstate(all="ignore"):
            outputs = call(leaves)
            floats = [i for i, z in enumerate(outputs) if z is not None and z.dtype.kind == "f"]
            # Without any graph every output counts: their gradient of zero has to be right.
            self._counted = [i for i in floats if _requires_grad(outputs[i])] or floats
            counted = self._pick(outputs)
            if not counted:
                raise ValueError(f"gradcheck: {title} has no output of a floating-point dtype")
            self.has_graph = any(z.requires_grad for z in counted)
            self.eps = max(float(np.finfo(z.dtype).eps) for z in counted)
            self.upstream = [_random_integers(z.shape, rng) for z in counted]
            self.upstream_devices = [z.device for z in counted]
            self.gradients = self._gradients(counted, leaves)
        self._weights = _flat(self.upstream)
        self._value = _flat([z.numpy() for z in counted])
        if not np.isfinite(self._value).all():
            raise ValueError(f"gradcheck: {title} gives NaN or infinities here, which have no gradient to verify")
        if not np.allclose(self._evaluate(arrays), self._value, rtol=self.eps**0.5, atol=0):
            raise ValueError(f"gradcheck: {title} gives other values each time; fix its random state inside of it")

    def gradients_in(self, dtype: Any) -> list[Any]:
        """The gradients as the engine computes them in another dtype, which holds the arrays, as float64 arrays."""
        leaves = self._leaves(self.arrays, dtype)
        with recording(), np.errstate(all="ignore"):
            return self._gradients(self._pick(self._call(leaves)), leaves)

    def _gradients(self, counted: list[Tensor], leaves: list[Tensor]) -> list[Any]:
        weights = [tensor(w, z.dtype, z.device) for w, z in zip(self.upstream, counted, strict=True)]
        found = grad(counted, leaves, weights, allow_unused=True) if self.has_graph else [None] * len(leaves)
        return [
            np.zeros(x.shape) if g is None else g.numpy().astype(np.float64) for x, g in zip(leaves, found, strict=True)
        ]

    def gradient_function(self, tensors: list[Tensor]) -> Outputs:
        """The gradients as a function of the inputs and the upstream gradients: what the next order checks."""
        count = len(self.arrays)
        xs, upstream = tensors[:count], tensors[count:]
        outputs = self._pick(self._call(xs))
        return list(grad(outputs, xs, upstream, create_graph=True, allow_unused=True))

    def slope(self, k: int, direction: Any, by_complex_step: bool, eps: float | None = None) -> Slope:
        """The slope of sum(upstream * outputs) where input k moves along a direction of its own shape.

        With another `eps` it is what differences in a coarser arithmetic would see, without its rounding errors.
        """
        eps = self.eps if eps is None else eps
        gradient = np.where(np.isfinite(self.gradients[k]), self.gradients[k], 0)
        if by_complex_step:
            return slopes.by_complex_step(
                lambda h: float(self._weights @ self._complex(k, h * direction).imag), self.rounding(), EPS, STEP
            )

        def move(t: float) -> Any:
            return self._evaluate([x + t * direction if i == k else x for i, x in enumerate(self.arrays)])

        # Rounding in outputs that do not change is no rounding of the slope.
        scale = float(abs(direction).max(initial=0)) or 1.0
        changed = move(eps ** (1 / 3)) != self._value
        if not changed.any():
            changed = move(slopes.largest_step(eps, scale)) != self._value
        rounding = self.rounding(changed)
        rounding += float(abs(gradient * self.arrays[k] * (direction != 0)).sum())  # of the point itself
        magnitude = float(np.linalg.norm(gradient * direction))
        return slopes.by_differences(lambda t: self._weights * (move(t) - self._value), rounding, eps, magnitude, scale)

    def recorded(self, k: int, direction: Any) -> list[Tensor]:
        """The outputs with their graph, where input k is moved along a direction of its own shape."""
        arrays = [x + direction if i == k else x for i, x in enumerate(self.arrays)]
        with recording(), np.errstate(all="ignore"):
            return self._pick(self._call(self._leaves(arrays)))

    def why_no_complex_step(self, k: int, direction: Any) -> str | None:
        """What keeps the function from a complex step in input k; None where it has one."""
        try:
            # A power of two scales rounding errors with the step, so that only a true dependence shows.
            values, finer = self._complex(k, STEP * direction), self._complex(k, STEP / 1024 * direction)
        except Exception as error:  # whatever the function's code does with numbers that it was not written for
            return f"{error}" or type(error).__name__
        if not np.allclose(values.real, self._value, rtol=EPS**0.5, atol=EPS**0.5 * abs(self._value).max(initial=0)):
            return "the complex step gives another value than float64"
        if not np.allclose(values.imag, 1024 * finer.imag, rtol=EPS**0.5, atol=0):
            return "the complex step depends on its size"  # where the derivative is infinite
        return None

    def _complex(self, k: int, imaginary: Any) -> Any:
        points = [complex_array(x, imaginary if i == k else None) for i, x in enumerate(self.arrays)]
        with recording(), np.errstate(all="ignore"):
            outputs = self._pick(self._call([tensor(x, requires_grad=True) for x in points]))
        return np.concatenate([complex_values(z.numpy()).ravel() for z in outputs])

    def _evaluate(self, arrays: list[Any]) -> Any:
        with recording(), np.errstate(all="ignore"):
            return _flat([z.numpy() for z in self._pick(self._call(self._leaves(arrays)))])

    def _leaves(self, arrays: list[Any], dtype: Any = np.float64) -> list[Tensor]:
        pairs = zip(arrays, self._devices, strict=True)
        return [tensor(x, dtype, device, requires_grad=True) for x, device in pairs]

    def _pick(self, outputs: Outputs) -> list[Tensor]:
        return [outputs[i] for i in self._counted]  # type: ignore[misc]

    def rounding(self, where: Any = True) -> float:
        """The sum of |upstream * outputs|: in units of eps, how large its rounding error may be."""
        return float(np.sum(abs(self._weights * self._value), where=where))


def _requires_grad(output: Tensor | None) -> bool:
    return output is not None and output.requires_grad


def _random_integers(shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """Integers from 1 to 9 of either sign: no zeros, and up to nine elements all of different size."""
    count = int(np.prod(shape))
    magnitudes = rng.permutation(np.arange(count) % 9 + 1)
    return (magnitudes * rng.choice([-1.0, 1.0], count)).reshape(shape)


def _flat(arrays: list[Any]) -> Any:
    return np.concatenate([np.ravel(array).astype(np.float64) for array in arrays])

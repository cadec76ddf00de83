"""Activations with options as layers, under PyTorch's names and with its constructor arguments (but `inplace`).

Each is the function of `tg` that its docstring names; ReLU, Tanh and Sigmoid are in `layers`.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar

from tinygrad_cnn.nn.arguments import one_of, positive, shown
from tinygrad_cnn.nn.init import constant
from tinygrad_cnn.nn.module import Module, Parameter
from tinygrad_cnn.primitives import activations


def _number(layer: str, name: str, value: Any) -> Any:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{layer}: {name} must be a number but is {value!r}")
    return value


class _Activation(Module):
    """A function of x and of the layer's options, which are attributes; their defaults are not shown."""

    function: ClassVar[Callable[..., Any]]
    defaults: ClassVar[dict[str, Any]] = {}

    def _take(self, **options: Any) -> None:
        for name, value in options.items():
            setattr(self, name, _number(type(self).__name__, name, value))

    def forward(self, x: Any) -> Any:
        """The function, element by element."""
        return self.function(x, **{name: getattr(self, name) for name in self.defaults})

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        return shown(**{name: (getattr(self, name), default) for name, default in self.defaults.items()})


class LeakyReLU(_Activation):
    """x where x > 0, else negative_slope x: `tg.leaky_relu`.

    Raises:
        TypeError: a slope that is no number.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> nn.LeakyReLU(0.25)(tg.tensor([-4.0, 3.0])).tolist()
    [-1.0, 3.0]
    """

    function = staticmethod(activations.leaky_relu)
    defaults: ClassVar = {"negative_slope": 0.01}

    def __init__(self, negative_slope: float = 0.01) -> None:
        self._take(negative_slope=negative_slope)


class PReLU(Module):
    """LeakyReLU with a slope that is learned, `tg.prelu`.

    Args:
        num_parameters: 1 slope for all channels, or as many as x has channels, its second axis.
        init: the slopes at first.
        device, dtype: of the slopes; None is the default.

    Attributes:
        weight: (num_parameters,).

    Raises:
        TypeError: a number of slopes that is no integer, an `init` that is no number.
        ValueError: no slope; in `forward`, another number of channels.

    >>> from tinygrad_cnn import nn
    >>> nn.PReLU(3)
    PReLU(3)  # 3 parameters
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, *, device: str | None = None, dtype: Any = None
    ) -> None:
        self.num_parameters = positive("PReLU", "num_parameters", num_parameters)
        self.init = _number("PReLU", "init", init)
        self.weight = Parameter(constant((self.num_parameters,), self.init, dtype, device))

    def forward(self, x: Any) -> Any:
        """`tg.prelu`."""
        return activations.prelu(x, self.weight)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        slopes = "" if self.num_parameters == 1 else f"{self.num_parameters}"
        return ", ".join(filter(None, [slopes, shown(init=(self.init, 0.25))]))


class ELU(_Activation):
    """x where x > 0, else alpha (e**x - 1): `tg.elu`.

    Raises:
        TypeError: an alpha that is no number.
    """

    function = staticmethod(activations.elu)
    defaults: ClassVar = {"alpha": 1.0}

    def __init__(self, alpha: float = 1.0) -> None:
        self._take(alpha=alpha)


class SELU(_Activation):
    """The scaled ELU that keeps mean 0 and variance 1, `tg.selu`."""

    function = staticmethod(activations.selu)


class CELU(_Activation):
    """x where x > 0, else alpha (e**(x / alpha) - 1): `tg.celu`.

    Raises:
        TypeError: an alpha that is no number.
        ValueError: alpha is 0.
    """

    function = staticmethod(activations.celu)
    defaults: ClassVar = {"alpha": 1.0}

    def __init__(self, alpha: float = 1.0) -> None:
        self._take(alpha=alpha)
        if alpha == 0:
            raise ValueError("CELU: alpha must not be 0")


class GELU(_Activation):
    """x times the probability that a standard normal number is below x, `tg.gelu`.

    Raises:
        ValueError: an `approximate` that is neither "none" nor "tanh".
    """

    function = staticmethod(activations.gelu)
    defaults: ClassVar = {"approximate": "none"}

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = one_of("GELU", "approximate", approximate, ("none", "tanh"))


class SiLU(_Activation):
    """x sigmoid(x), `tg.silu`."""

    function = staticmethod(activations.silu)


class Softplus(_Activation):
    """log(1 + e**(beta x)) / beta, `tg.softplus`: exact at any x, so that it takes no `threshold`.

    Raises:
        TypeError: a beta that is no number.
        ValueError: beta is 0.
    """

    function = staticmethod(activations.softplus)
    defaults: ClassVar = {"beta": 1.0}

    def __init__(self, beta: float = 1.0) -> None:
        self._take(beta=beta)
        if beta == 0:
            raise ValueError("Softplus: beta must not be 0")


class Mish(_Activation):
    """x tanh(softplus(x)), `tg.mish`."""

    function = staticmethod(activations.mish)


class LogSigmoid(_Activation):
    """log sigmoid(x), `tg.logsigmoid`."""

    function = staticmethod(activations.logsigmoid)


class Softsign(_Activation):
    """x / (1 + |x|), `tg.softsign`."""

    function = staticmethod(activations.softsign)


class Tanhshrink(_Activation):
    """x - tanh(x), `tg.tanhshrink`."""

    function = staticmethod(activations.tanhshrink)


class Hardtanh(_Activation):
    """x cut off at min_val and max_val, `tg.hardtanh`.

    Raises:
        TypeError: a bound that is no number.
        ValueError: min_val above max_val.
    """

    function = staticmethod(activations.hardtanh)
    defaults: ClassVar = {"min_val": -1.0, "max_val": 1.0}

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self._take(min_val=min_val, max_val=max_val)
        if min_val > max_val:
            raise ValueError(f"Hardtanh: min_val must not be above max_val but they are {min_val} and {max_val}")


class ReLU6(_Activation):
    """x cut off at 0 and 6, `tg.relu6`."""

    function = staticmethod(activations.relu6)


class Hardsigmoid(_Activation):
    """x / 6 + 1 / 2 cut off at 0 and 1, `tg.hardsigmoid`."""

    function = staticmethod(activations.hardsigmoid)


class Hardswish(_Activation):
    """x hardsigmoid(x), `tg.hardswish`."""

    function = staticmethod(activations.hardswish)

"""The fully connected layer, activations and flattening."""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.nn import init
from tinygrad_cnn.nn.arguments import boolean, integer, positive, shown
from tinygrad_cnn.nn.module import Module, Parameter
from tinygrad_cnn.primitives import elementwise, softmax
from tinygrad_cnn.primitives.matmul import linear
from tinygrad_cnn.primitives.shape import broadcast_to, flattened


class Linear(Module):
    """A fully connected layer, `tg.linear`: Z = X W^T + b.

    Args:
        in_features: the numbers in a sample.
        out_features: the numbers that come out.
        bias: whether b is added.
        shared_bias: whether the layer has one bias for all its outputs, as in the lectures' smaller table of a network;
            b is then (1,).
        device, dtype: of the parameters; None is the default.

    Attributes:
        weight: (out_features, in_features), at first `init.he_normal`.
        bias: (out_features,), at first zeros, or None.

    Takes (..., in_features), gives (..., out_features); (in_features + 1) out_features parameters, in_features
    out_features + 1 with a shared bias.

    Raises:
        ValueError: a number of features below 1, a shared bias where there is none.
        TypeError: a number of features that is no integer, a bias or `shared_bias` that is no bool.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> layer = nn.Linear(3, 2)
    >>> layer
    Linear(3, 2)  # 8 parameters
    >>> layer(tg.tensor([[0.0, 0.0, 0.0]])).tolist()
    [[0.0, 0.0]]
    >>> nn.Linear(400, 120)
    Linear(400, 120)  # 48,120 parameters
    >>> nn.Linear(400, 120, shared_bias=True)
    Linear(400, 120, shared_bias=True)  # 48,001 parameters
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        shared_bias: bool = False,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.in_features = positive("Linear", "in_features", in_features)
        self.out_features = positive("Linear", "out_features", out_features)
        with_bias = boolean("Linear", "bias", bias)
        self.shared_bias = boolean("Linear", "shared_bias", shared_bias)
        if shared_bias and not with_bias:
            raise ValueError("Linear: shared_bias needs a bias but bias is False")
        self.weight = Parameter(init.he_normal((out_features, in_features), dtype=dtype, device=device))
        shape = (1,) if shared_bias else (out_features,)
        self.bias = Parameter(init.zeros(shape, dtype, device)) if with_bias else None

    def forward(self, x: Any) -> Any:
        """`tg.linear`."""
        bias = broadcast_to(self.bias, (self.out_features,)) if self.shared_bias else self.bias
        return linear(x, self.weight, bias)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        options = shown(bias=(self.bias is not None, True), shared_bias=(self.shared_bias, False))
        return ", ".join(filter(None, (f"{self.in_features}, {self.out_features}", options)))


class Flatten(Module):
    """The axes from `start_axis` to `end_axis` as a single one: (N, C, H, W) to (N, C H W).

    Raises:
        TypeError: an axis that is no integer.
        ValueError: in `forward`, an axis that x does not have, or a start behind the end.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> nn.Flatten()(tg.tensor([[[1.0, 2.0], [3.0, 4.0]]])).tolist()
    [[1.0, 2.0, 3.0, 4.0]]
    """

    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        self.start_axis = integer("Flatten", "start_axis", start_axis)
        self.end_axis = integer("Flatten", "end_axis", end_axis)

    def forward(self, x: Any) -> Any:
        """x in its new shape."""
        return flattened("Flatten", x, self.start_axis, self.end_axis)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        return shown(start_axis=(self.start_axis, 1), end_axis=(self.end_axis, -1))


class ReLU(Module):
    """max(x, 0), `tg.relu`; the derivative at 0 is 0."""

    def forward(self, x: Any) -> Any:
        """`tg.relu`."""
        return elementwise.relu(x)


class Tanh(Module):
    """The hyperbolic tangent, `tg.tanh`."""

    def forward(self, x: Any) -> Any:
        """`tg.tanh`."""
        return elementwise.tanh(x)


class Sigmoid(Module):
    """1 / (1 + e**-x), `tg.sigmoid`."""

    def forward(self, x: Any) -> Any:
        """`tg.sigmoid`."""
        return elementwise.sigmoid(x)


class Softmax(Module):
    """exp(x) / sum(exp(x)) along an axis, `tg.softmax`: logits to probabilities.

    `CrossEntropyLoss` takes the logits themselves, so a network that is trained with it ends without a softmax.

    Raises:
        TypeError: an axis that is no integer.
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = integer("Softmax", "axis", axis)

    def forward(self, x: Any) -> Any:
        """`tg.softmax`."""
        return softmax.softmax(x, self.axis)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        return shown(axis=(self.axis, -1))


class LogSoftmax(Module):
    """x - log(sum(exp(x))) along an axis, `tg.log_softmax`.

    Raises:
        TypeError: an axis that is no integer.
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = integer("LogSoftmax", "axis", axis)

    def forward(self, x: Any) -> Any:
        """`tg.log_softmax`."""
        return softmax.log_softmax(x, self.axis)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        return shown(axis=(self.axis, -1))

"""Dropout layers: they leave out at random in training, and do nothing in evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tinygrad_cnn.nn.arguments import shown
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.primitives.dropout import check_probability, dropout, dropout2d


class _Dropout(Module):
    function: ClassVar[Callable[..., Any]]

    def __init__(self, p: float = 0.5) -> None:
        self.p = check_probability(type(self).__name__, p)

    def forward(self, x: Any) -> Any:
        """`tg.dropout` or `tg.dropout2d` in training, x itself in evaluation."""
        return self.function(x, self.p, self.training)

    def extra_repr(self) -> str:
        """The probability."""
        return shown(p=(self.p, None))


class Dropout(_Dropout):
    """Each element left out with probability p in training, the others divided by 1 - p: `tg.dropout`.

    The random numbers come from the random state of x's device, so after `tg.manual_seed` they repeat.

    Raises:
        ValueError: a p that is not 0 to 1.
        TypeError: a p that is no number.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> tg.manual_seed(0)
    >>> layer = nn.Dropout(0.5)
    >>> x = tg.tensor([1.0, 2.0, 3.0, 4.0])
    >>> layer(x).tolist(), layer.eval()(x).tolist()
    ([2.0, 4.0, 6.0, 0.0], [1.0, 2.0, 3.0, 4.0])
    """

    function = staticmethod(dropout)


class Dropout2d(_Dropout):
    """Each channel of (N, C, H, W) left out with probability p in training: `tg.dropout2d`. Else as `Dropout`.

    Raises:
        ValueError: also in `forward`, an x that is no batch of images.
    """

    function = staticmethod(dropout2d)

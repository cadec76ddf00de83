"""Pooling layers beside maximum and average over windows: adaptive, global, fractional, Lp, and max unpooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tinygrad_cnn.nn.arguments import boolean, one_of, padding_of, shown
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.primitives.adaptive_pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    global_avg_pool,
    global_max_pool,
)
from tinygrad_cnn.primitives.arguments import padding_pairs, per_axis
from tinygrad_cnn.primitives.fractional_pool import fractional_max_pool2d, ratios_of
from tinygrad_cnn.primitives.lp_pool import lp_pool1d, lp_pool2d, lp_pool3d
from tinygrad_cnn.primitives.max_unpool import max_unpool1d, max_unpool2d, max_unpool3d
from tinygrad_cnn.primitives.norm import exponent

TIES = ("first", "split")


class _AdaptiveAvgPool(Module):
    """What adaptive poolings share. `axes` is the number of spatial axes."""

    axes: ClassVar[int]
    function: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any) -> None:
        given = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size,) * self.axes
        per_axis(type(self).__name__, "output_size", tuple(1 if m is None else m for m in given), self.axes)
        self.output_size = given

    def forward(self, x: Any) -> Any:
        """`tg.adaptive_avg_pool1d`, `tg.adaptive_avg_pool2d` or `tg.adaptive_avg_pool3d`."""
        return self.function(x, self.output_size)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        return shown(output_size=(self.output_size, ()))


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The mean of each of H' x W' regions that cover the image, `tg.adaptive_avg_pool2d`.

    Args:
        output_size: (H', W'), or an integer for both; None on an axis keeps its size.

    Takes (N, C, H, W), gives (N, C, H', W').

    Raises:
        ValueError: a size below 1, or another number of sizes.
        TypeError: a size that is no integer.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> nn.AdaptiveAvgPool2d(1)(tg.tensor([[[[1.0, 3.0], [2.0, 6.0]]]])).tolist()
    [[[[3.0]]]]
    """

    axes = 2
    function = staticmethod(adaptive_avg_pool2d)


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The mean of each of W' regions: (N, C, W) to (N, C, W'). Everything else as `AdaptiveAvgPool2d`."""

    axes = 1
    function = staticmethod(adaptive_avg_pool1d)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The mean of each region of (N, C, D, H, W). Everything else as `AdaptiveAvgPool2d`."""

    axes = 3
    function = staticmethod(adaptive_avg_pool3d)


class _AdaptiveMaxPool(_AdaptiveAvgPool):
    def __init__(self, output_size: Any, return_indices: bool = False, *, ties: str = "first") -> None:
        super().__init__(output_size)
        self.return_indices = boolean(type(self).__name__, "return_indices", return_indices)
        self.ties = one_of(type(self).__name__, "ties", ties, TIES)

    def forward(self, x: Any) -> Any:
        """`tg.adaptive_max_pool1d`, `tg.adaptive_max_pool2d` or `tg.adaptive_max_pool3d`."""
        return self.function(x, self.output_size, self.return_indices, self.ties)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        return shown(
            output_size=(self.output_size, ()), return_indices=(self.return_indices, False), ties=(self.ties, "first")
        )


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest pixel of each of H' x W' regions that cover the image, `tg.adaptive_max_pool2d`.

    Args:
        output_size, return_indices, ties: as `tg.adaptive_max_pool2d` takes them.

    Takes (N, C, H, W), gives (N, C, H', W'), or a pair of it and the indices.

    Raises:
        ValueError: a size below 1, another number of sizes, other `ties`.
        TypeError: a size that is no integer, a `return_indices` that is no bool.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> nn.AdaptiveMaxPool2d(1)(tg.tensor([[[[1.0, 3.0], [2.0, 6.0]]]])).tolist()
    [[[[6.0]]]]
    """

    axes = 2
    function = staticmethod(adaptive_max_pool2d)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest of each of W' regions: (N, C, W) to (N, C, W'). Everything else as `AdaptiveMaxPool2d`."""

    axes = 1
    function = staticmethod(adaptive_max_pool1d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest of each region of (N, C, D, H, W). Everything else as `AdaptiveMaxPool2d`."""

    axes = 3
    function = staticmethod(adaptive_max_pool3d)


class GlobalAvgPool(Module):
    """The mean of each channel over all its pixels, `tg.global_avg_pool`: (N, C, *size) to (N, C), or with `keepdims`.

    Raises:
        TypeError: a `keepdims` that is no bool.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> nn.GlobalAvgPool()(tg.tensor([[[[1.0, 3.0], [2.0, 6.0]]]])).tolist()
    [[3.0]]
    """

    def __init__(self, keepdims: bool = False) -> None:
        self.keepdims = boolean(type(self).__name__, "keepdims", keepdims)

    def forward(self, x: Any) -> Any:
        """`tg.global_avg_pool`."""
        return global_avg_pool(x, self.keepdims)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        return shown(keepdims=(self.keepdims, False))


class GlobalMaxPool(GlobalAvgPool):
    """The largest pixel of each channel, `tg.global_max_pool`; `ties` as `MaxPool2d`, all else as `GlobalAvgPool`."""

    def __init__(self, keepdims: bool = False, *, ties: str = "first") -> None:
        super().__init__(keepdims)
        self.ties = one_of("GlobalMaxPool", "ties", ties, TIES)

    def forward(self, x: Any) -> Any:
        """`tg.global_max_pool`."""
        return global_max_pool(x, self.keepdims, self.ties)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        return shown(keepdims=(self.keepdims, False), ties=(self.ties, "first"))


class FractionalMaxPool2d(Module):
    """The largest pixel of each window at random steps of about H / H', `tg.fractional_max_pool2d`.

    Args:
        kernel_size, output_size, output_ratio, return_indices, random_samples, ties: as `tg.fractional_max_pool2d`
            takes them; without `random_samples` every forward draws new windows, also after `eval()`, as in PyTorch.

    Takes (N, C, H, W), gives (N, C, H', W'), or a pair of it and the indices.

    Raises:
        ValueError: no or two output sizes, a number out of range, other `ties`.
        TypeError: a size that is no integer, a ratio that is no number, a `return_indices` that is no bool.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> nn.FractionalMaxPool2d(2, output_ratio=0.7)(tg.tensor([[[[1.0] * 10] * 10]])).shape
    (1, 1, 7, 7)
    """

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        random_samples: Any = None,
        *,
        ties: str = "first",
    ) -> None:
        layer = type(self).__name__
        self.kernel_size = per_axis(layer, "kernel_size", kernel_size, 2)
        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                f"{layer}: expected either output_size or output_ratio but got {output_size!r} and {output_ratio!r}"
            )
        self.output_size = None if output_size is None else per_axis(layer, "output_size", output_size, 2)
        self.output_ratio = None if output_ratio is None else ratios_of(layer, output_ratio)
        self.return_indices = boolean(layer, "return_indices", return_indices)
        self.random_samples = random_samples
        self.ties = one_of(layer, "ties", ties, TIES)

    def forward(self, x: Any) -> Any:
        """`tg.fractional_max_pool2d`."""
        size = self.output_size, self.output_ratio
        return fractional_max_pool2d(
            x, self.kernel_size, *size, self.return_indices, self.random_samples, self.ties
        )

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        return shown(
            kernel_size=(self.kernel_size, None),
            output_size=(self.output_size, None),
            output_ratio=(self.output_ratio, None),
            return_indices=(self.return_indices, False),
            ties=(self.ties, "first"),
        )


class _LPPool(Module):
    """What Lp poolings share. `axes` is the number of spatial axes."""

    axes: ClassVar[int]
    function: ClassVar[Callable[..., Any]]

    def __init__(self, norm_type: Any, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> None:
        layer = type(self).__name__
        self.norm_type = exponent(layer, "norm_type", norm_type)
        self.kernel_size = per_axis(layer, "kernel_size", kernel_size, self.axes)
        self.stride = self.kernel_size if stride is None else per_axis(layer, "stride", stride, self.axes)
        self.ceil_mode = boolean(layer, "ceil_mode", ceil_mode)

    def forward(self, x: Any) -> Any:
        """`tg.lp_pool1d`, `tg.lp_pool2d` or `tg.lp_pool3d`."""
        return self.function(x, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        return shown(
            norm_type=(self.norm_type, None),
            kernel_size=(self.kernel_size, None),
            stride=(None if self.stride == self.kernel_size else self.stride, None),
            ceil_mode=(self.ceil_mode, False),
        )


class LPPool2d(_LPPool):
    """The p-norm of each window of each channel, `tg.lp_pool2d`.

    Args:
        norm_type, kernel_size, stride, ceil_mode: as `tg.lp_pool2d` takes them; a `stride` of None is the window's
            size.

    Takes (N, C, H, W), gives (N, C, H', W').

    Raises:
        ValueError: a p that is not positive, a number below 1.
        TypeError: a p that is no number, a size that is no integer, a `ceil_mode` that is no bool.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> nn.LPPool2d(2, (1, 2))(tg.tensor([[[[3.0, -4.0]]]])).tolist()
    [[[[5.0]]]]
    """

    axes = 2
    function = staticmethod(lp_pool2d)


class LPPool1d(_LPPool):
    """The p-norm of each window: (N, C, W) to (N, C, W'). Everything else as `LPPool2d`."""

    axes = 1
    function = staticmethod(lp_pool1d)


class LPPool3d(_LPPool):
    """The p-norm of each window of (N, C, D, H, W). Everything else as `LPPool2d`."""

    axes = 3
    function = staticmethod(lp_pool3d)


class _MaxUnpool(Module):
    """What unpoolings share. `axes` is the number of spatial axes."""

    axes: ClassVar[int]
    function: ClassVar[Callable[..., Any]]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        layer = type(self).__name__
        self.kernel_size = per_axis(layer, "kernel_size", kernel_size, self.axes)
        self.stride = self.kernel_size if stride is None else per_axis(layer, "stride", stride, self.axes)
        one = (1,) * self.axes
        padding_pairs(layer, padding, one, self.kernel_size, one, names=("valid", "full"))
        self.padding = padding_of(layer, padding, self.kernel_size, one)

    def forward(self, x: Any, indices: Any, output_size: Any = None) -> Any:
        """`tg.max_unpool1d`, `tg.max_unpool2d` or `tg.max_unpool3d`."""
        return self.function(x, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        return shown(
            kernel_size=(self.kernel_size, None),
            stride=(None if self.stride == self.kernel_size else self.stride, None),
            padding=(self.padding, 0),
        )


class MaxUnpool2d(_MaxUnpool):
    """Every value of a max-pool at its index, zeros elsewhere, `tg.max_unpool2d`.

    Args:
        kernel_size, stride, padding: those of the pooling; a `stride` of None is the window's size.

    `forward(x, indices, output_size=None)` takes what `MaxPool2d(..., return_indices=True)` gives, and the size of its
    input where the stride left a remainder of it.

    Raises:
        ValueError: a number below 1, a negative or unknown padding.
        TypeError: an argument that is no integer.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> nn.MaxUnpool2d((1, 2))(tg.tensor([[[[3.0, 2.0]]]]), [[[[1, 2]]]]).tolist()
    [[[[0.0, 3.0, 2.0, 0.0]]]]
    """

    axes = 2
    function = staticmethod(max_unpool2d)


class MaxUnpool1d(_MaxUnpool):
    """Every value of `MaxPool1d` at its index: (N, C, W). Everything else as `MaxUnpool2d`."""

    axes = 1
    function = staticmethod(max_unpool1d)


class MaxUnpool3d(_MaxUnpool):
    """Every value of `MaxPool3d` at its index: (N, C, D, H, W). Everything else as `MaxUnpool2d`."""

    axes = 3
    function = staticmethod(max_unpool3d)

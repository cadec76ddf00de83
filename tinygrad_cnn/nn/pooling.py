"""Pooling layers over one, two and three spatial axes. They have no parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tinygrad_cnn.nn.arguments import boolean, one_of, padding_of, shown
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.primitives.arguments import per_axis
from tinygrad_cnn.primitives.avgpool import avg_pool1d, avg_pool2d, avg_pool3d
from tinygrad_cnn.primitives.maxpool import max_pool1d, max_pool2d, max_pool3d


class _Pool(Module):
    """What poolings share: their windows, checked. `axes` is the number of spatial axes."""

    axes: ClassVar[int]
    function: ClassVar[Callable[..., Any]]

    def __init__(self, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> None:
        layer = type(self).__name__
        self.kernel_size = per_axis(layer, "kernel_size", kernel_size, self.axes)
        self.stride = self.kernel_size if stride is None else per_axis(layer, "stride", stride, self.axes)
        self.dilation = per_axis(layer, "dilation", dilation, self.axes)
        self.padding = padding_of(layer, padding, self.kernel_size, self.dilation)
        self.ceil_mode = boolean(layer, "ceil_mode", ceil_mode)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        return shown(
            kernel_size=(self.kernel_size, None),
            stride=(None if self.stride == self.kernel_size else self.stride, None),
            padding=(self.padding, 0),
            dilation=(self.dilation, 1),
            ceil_mode=(self.ceil_mode, False),
        )


class _MaxPool(_Pool):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
        *,
        ties: str = "first",
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        self.return_indices = boolean(type(self).__name__, "return_indices", return_indices)
        self.ties = one_of(type(self).__name__, "ties", ties, ("first", "split"))

    def forward(self, x: Any) -> Any:
        """`tg.max_pool1d`, `tg.max_pool2d` or `tg.max_pool3d`."""
        windows = self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        return self.function(x, *windows, self.ties, self.return_indices)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        rest = shown(return_indices=(self.return_indices, False), ties=(self.ties, "first"))
        return ", ".join(filter(None, (super().extra_repr(), rest)))


class MaxPool2d(_MaxPool):
    """The largest element of each window of each channel, `tg.max_pool2d`.

    Args:
        kernel_size, stride, padding, dilation, return_indices, ceil_mode, ties: as `tg.max_pool2d` takes them; a
            `stride` of None is the window's size.

    Takes (N, C, H, W), gives (N, C, H', W'), or a pair of it and the indices.

    Raises:
        ValueError: a number below 1, a negative or unknown padding, other `ties`.
        TypeError: an argument that is no integer, a `return_indices` or `ceil_mode` that is no bool.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> nn.MaxPool2d(2)(tg.tensor([[[[1.0, 3.0], [2.0, 9.0]]]])).tolist()
    [[[[9.0]]]]
    """

    axes = 2
    function = staticmethod(max_pool2d)


class MaxPool1d(_MaxPool):
    """The largest element of each window, `tg.max_pool1d`: (N, C, W) to (N, C, W'). Everything else as `MaxPool2d`."""

    axes = 1
    function = staticmethod(max_pool1d)


class MaxPool3d(_MaxPool):
    """The largest element of each window, `tg.max_pool3d`: over (N, C, D, H, W). Everything else as `MaxPool2d`."""

    axes = 3
    function = staticmethod(max_pool3d)


class _AvgPool(_Pool):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        *,
        dilation: Any = 1,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        self.count_include_pad = boolean(type(self).__name__, "count_include_pad", count_include_pad)

    def forward(self, x: Any) -> Any:
        """`tg.avg_pool1d`, `tg.avg_pool2d` or `tg.avg_pool3d`."""
        return self.function(
            x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.count_include_pad
        )

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        return super().extra_repr() + ("" if self.count_include_pad else ", count_include_pad=False")


class AvgPool2d(_AvgPool):
    """The mean of each window of each channel, `tg.avg_pool2d`.

    Args:
        kernel_size, stride, padding, ceil_mode, count_include_pad, dilation: as `tg.avg_pool2d` takes them; a `stride`
            of None is the window's size.

    Takes (N, C, H, W), gives (N, C, H', W').

    Raises:
        ValueError: a number below 1, a negative or unknown padding.
        TypeError: an argument that is no integer, a `ceil_mode` or `count_include_pad` that is no bool.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> nn.AvgPool2d(2)(tg.tensor([[[[1.0, 3.0], [2.0, 9.0]]]])).tolist()
    [[[[3.75]]]]
    """

    axes = 2
    function = staticmethod(avg_pool2d)


class AvgPool1d(_AvgPool):
    """The mean of each window, `tg.avg_pool1d`: (N, C, W) to (N, C, W'). Everything else as `AvgPool2d`."""

    axes = 1
    function = staticmethod(avg_pool1d)


class AvgPool3d(_AvgPool):
    """The mean of each window, `tg.avg_pool3d`: over (N, C, D, H, W). Everything else as `AvgPool2d`."""

    axes = 3
    function = staticmethod(avg_pool3d)

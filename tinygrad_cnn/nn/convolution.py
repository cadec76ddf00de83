"""Convolution layers, plain and transposed, over one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tinygrad_cnn.nn import init
from tinygrad_cnn.nn.arguments import boolean, padding_of, positive, shown
from tinygrad_cnn.nn.module import Module, Parameter
from tinygrad_cnn.primitives.arguments import per_axis
from tinygrad_cnn.primitives.conv2d import conv1d, conv2d, conv3d
from tinygrad_cnn.primitives.conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from tinygrad_cnn.primitives.padding import check_mode
from tinygrad_cnn.primitives.shape import broadcast_to


class _Convolution(Module):
    """What convolutions share: their arguments, checked, weight and bias. `axes` is the number of spatial axes."""

    axes: ClassVar[int]
    function: ClassVar[Callable[..., Any]]
    transposed: ClassVar[bool] = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        shared_kernel: bool = False,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        layer = type(self).__name__
        self.in_channels = positive(layer, "in_channels", in_channels)
        self.out_channels = positive(layer, "out_channels", out_channels)
        self.kernel_size = per_axis(layer, "kernel_size", kernel_size, self.axes)
        self.stride = per_axis(layer, "stride", stride, self.axes)
        self.dilation = per_axis(layer, "dilation", dilation, self.axes)
        self.padding = padding_of(layer, padding, self.kernel_size, self.dilation)
        self.groups = positive(layer, "groups", groups)
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{layer}: groups must divide in_channels {in_channels} and out_channels {out_channels} but is {groups}"
            )
        check_mode(layer, "padding_mode", padding_mode)
        self.padding_mode = padding_mode
        self.shared_kernel = boolean(layer, "shared_kernel", shared_kernel)
        first, second = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        shape = (first, second // groups, *self.kernel_size)
        fans = init.fans_of(shape, groups, self.transposed, self.stride)
        if shared_kernel:  # the fans stay, since an output still sums all channels
            shape = (first, 1, *self.kernel_size)
        with_bias = boolean(layer, "bias", bias)
        self.weight = Parameter(init.he_normal(shape, fans, dtype, device))
        self.bias = Parameter(init.zeros((out_channels,), dtype, device)) if with_bias else None

    def forward(self, x: Any) -> Any:
        """`tg.conv1d`, `tg.conv2d` or `tg.conv3d`."""
        weight = self.weight
        if self.shared_kernel:
            filters, _, *kernel = weight.shape
            weight = broadcast_to(weight, (filters, self.in_channels // self.groups, *kernel))
        return self.function(
            x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups, self.padding_mode
        )

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        options = shown(
            kernel_size=(self.kernel_size, None),
            stride=(self.stride, 1),
            padding=(self.padding, 0),
            dilation=(self.dilation, 1),
            groups=(self.groups, 1),
            bias=(self.bias is not None, True),
            padding_mode=(self.padding_mode, "zeros"),
            shared_kernel=(self.shared_kernel, False),
        )
        return f"{self.in_channels}, {self.out_channels}, {options}"


class Conv2d(_Convolution):
    """Cross-correlation of images with learned kernels, `tg.conv2d`: Z = X (*) K + B.

    Args:
        in_channels: C, the channels of the images.
        out_channels: F, the number of filters.
        kernel_size: (kH, kW), an integer or a pair.
        stride, padding, dilation, groups: as `tg.conv2d` takes them; `padding` may be "valid", "same" or "full".
        bias: whether a number for each filter is added.
        padding_mode: what the border holds, as `tg.conv2d` takes it.
        shared_kernel: whether a filter has one kernel for all its channels, as in the lectures' smaller table of a
            network; the weight is then (F, 1, kH, kW).
        device, dtype: of the parameters; None is the default.

    Attributes:
        weight: (F, C / groups, kH, kW), at first `init.he_normal`.
        bias: (F,), at first zeros, or None.

    Takes (N, C, H, W), gives (N, F, H', W'); (kH kW C / groups + 1) F parameters, (kH kW + 1) F with a shared
    kernel.

    Raises:
        ValueError: a number below 1, groups that do not divide both channels, a negative or unknown padding, an unknown
            padding mode.
        TypeError: an argument that is no integer, a bias or `shared_kernel` that is no bool.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> layer = nn.Conv2d(1, 8, kernel_size=3, padding="same")
    >>> layer
    Conv2d(1, 8, kernel_size=3, padding='same')  # 80 parameters
    >>> layer(tg.tensor([[[[0.0] * 6] * 5]])).shape
    (1, 8, 5, 6)
    >>> nn.Conv2d(3, 8, kernel_size=5)
    Conv2d(3, 8, kernel_size=5)  # 608 parameters
    >>> nn.Conv2d(3, 8, kernel_size=5, shared_kernel=True)
    Conv2d(3, 8, kernel_size=5, shared_kernel=True)  # 208 parameters
    """

    axes = 2
    function = staticmethod(conv2d)


class Conv1d(_Convolution):
    """Cross-correlation over one axis, `tg.conv1d`: (N, C, W) to (N, F, W'). Everything else as `Conv2d`."""

    axes = 1
    function = staticmethod(conv1d)


class Conv3d(_Convolution):
    """Cross-correlation over three axes, `tg.conv3d`: (N, C, D, H, W) to (N, F, D', H', W'). Else as `Conv2d`."""

    axes = 3
    function = staticmethod(conv3d)


class _ConvTranspose(_Convolution):
    """What transposed convolutions share."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        layer = type(self).__name__
        strides = per_axis(layer, "stride", stride, self.axes)
        dilations = per_axis(layer, "dilation", dilation, self.axes)
        self.output_padding = per_axis(layer, "output_padding", output_padding, self.axes, minimum=0)
        if any(p >= max(s, d) for p, s, d in zip(self.output_padding, strides, dilations, strict=True)):
            raise ValueError(
                f"{layer}: output_padding must be smaller than stride {strides} or dilation {dilations} "
                f"but is {output_padding!r}"
            )
        if padding_mode != "zeros":
            raise ValueError(
                f"{layer}: padding_mode must be 'zeros' but is {padding_mode!r}: padding takes pixels off the output, "
                "so no border is filled"
            )
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, device=device, dtype=dtype
        )

    def forward(self, x: Any, output_size: Any = None) -> Any:
        """`tg.conv_transpose1d`, `tg.conv_transpose2d` or `tg.conv_transpose3d`."""
        return self.function(
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.groups,
            self.dilation,
            output_size,
        )

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        options = shown(output_padding=(self.output_padding, 0))
        return super().extra_repr() + (f", {options}" if options else "")


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution with learned kernels, `tg.conv_transpose2d`: brings a resolution back.

    Args:
        in_channels: C, the channels of the images.
        out_channels: F, the channels of the output.
        kernel_size: (kH, kW), an integer or a pair.
        stride, padding, output_padding, groups, dilation: as `tg.conv_transpose2d` takes them.
        bias: whether a number for each output channel is added.
        padding_mode: "zeros" alone, as in PyTorch: padding takes pixels off the output, so no border is filled.
        device, dtype: of the parameters; None is the default.

    Attributes:
        weight: (C, F / groups, kH, kW), at first `init.he_normal`.
        bias: (F,), at first zeros, or None.

    Takes (N, C, H, W), and `output_size` as `tg.conv_transpose2d` does, gives (N, F, H', W').

    Raises:
        ValueError: as `Conv2d`, an `output_padding` that is not below the stride or the dilation, or another
            `padding_mode` than "zeros".
        TypeError: as `Conv2d`.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> up = nn.ConvTranspose2d(2, 1, kernel_size=3, stride=2, padding=1)
    >>> x = tg.tensor([[[[0.0] * 4] * 4] * 2])
    >>> up(x).shape, up(x, output_size=(8, 8)).shape
    ((1, 1, 7, 7), (1, 1, 8, 8))
    """

    axes = 2
    function = staticmethod(conv_transpose2d)


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution over one axis: (N, C, W) to (N, F, W'). Everything else as `ConvTranspose2d`."""

    axes = 1
    function = staticmethod(conv_transpose1d)


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution over three axes: (N, C, D, H, W) to (N, F, D', H', W'). Else as `ConvTranspose2d`."""

    axes = 3
    function = staticmethod(conv_transpose3d)

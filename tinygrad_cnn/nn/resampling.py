"""Layers that resample or rearrange an image: upsampling, pixel shuffle, unfold and fold. They have no parameters."""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.nn.arguments import boolean, one_of, padding_of, positive, shown
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.primitives.arguments import per_axis
from tinygrad_cnn.primitives.resampling import AXES, factors_of, interpolate, pixel_shuffle, pixel_unshuffle
from tinygrad_cnn.primitives.unfold import fold, unfold


class Upsample(Module):
    """Images at another size, `tg.interpolate`.

    Args:
        size, scale_factor, mode, align_corners, recompute_scale_factor: as `tg.interpolate` takes them: either a size
            or a factor.

    Takes (N, C, *size), gives (N, C, *new size).

    Raises:
        ValueError: no or two sizes, a number that is not positive, a mode that is unknown or takes no `align_corners`.
        TypeError: a size that is no integer or a factor that is no number, an option that is no bool.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> nn.Upsample(scale_factor=2)(tg.tensor([[[[1.0, 2.0]]]])).tolist()
    [[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        layer = type(self).__name__
        if (size is None) == (scale_factor is None):
            raise ValueError(f"{layer}: expected either size or scale_factor but got {size!r} and {scale_factor!r}")
        self.mode = one_of(layer, "mode", mode, tuple(AXES))
        if size is not None:
            size = size if isinstance(size, int) else tuple(size) if isinstance(size, tuple | list) else (size,)
            per_axis(layer, "size", size, len(size) if isinstance(size, tuple) else 1)
        else:
            scale_factor = tuple(scale_factor) if isinstance(scale_factor, tuple | list) else scale_factor
            factors_of(layer, scale_factor, len(scale_factor) if isinstance(scale_factor, tuple) else 1)
        if align_corners is not None:
            boolean(layer, "align_corners", align_corners)
            if mode not in ("linear", "bilinear", "bicubic", "trilinear"):
                raise ValueError(f"{layer}: mode {mode!r} takes no align_corners but got {align_corners!r}")
        if recompute_scale_factor is not None:
            boolean(layer, "recompute_scale_factor", recompute_scale_factor)
            if recompute_scale_factor and size is not None:
                raise ValueError(f"{layer}: recompute_scale_factor needs a scale_factor but got size {size!r}")
        self.size, self.scale_factor = size, scale_factor
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, x: Any) -> Any:
        """`tg.interpolate`."""
        return interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        return shown(
            size=(self.size, None),
            scale_factor=(self.scale_factor, None),
            mode=(self.mode, "nearest"),
            align_corners=(self.align_corners, None),
            recompute_scale_factor=(self.recompute_scale_factor, None),
        )


class UpsamplingNearest2d(Upsample):
    """Images at another size by the nearest pixel, `Upsample(size, scale_factor)`: (N, C, H, W) to (N, C, H', W')."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        return shown(size=(self.size, None), scale_factor=(self.scale_factor, None))


class UpsamplingBilinear2d(UpsamplingNearest2d):
    """Images at another size by bilinear weights with `align_corners=True`, as PyTorch's layer of the name."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor)
        self.mode, self.align_corners = "bilinear", True


class PixelShuffle(Module):
    """r**2 channels as blocks of r x r pixels, `tg.pixel_shuffle`: (..., C r**2, H, W) to (..., C, r H, r W).

    Raises:
        ValueError: an `upscale_factor` r below 1; in `forward`, channels that r**2 does not divide.
        TypeError: an r that is no integer.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> nn.PixelShuffle(2)(tg.tensor([[[1.0]], [[2.0]], [[3.0]], [[4.0]]])).tolist()
    [[[1.0, 2.0], [3.0, 4.0]]]
    """

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = positive("PixelShuffle", "upscale_factor", upscale_factor)

    def forward(self, x: Any) -> Any:
        """`tg.pixel_shuffle`."""
        return pixel_shuffle(x, self.upscale_factor)

    def extra_repr(self) -> str:
        """The factor."""
        return str(self.upscale_factor)


class PixelUnshuffle(Module):
    """Blocks of r x r pixels as r**2 channels, `tg.pixel_unshuffle`: (..., C, r H, r W) to (..., C r**2, H, W).

    Raises:
        ValueError: a `downscale_factor` r below 1; in `forward`, a height or width that r does not divide.
        TypeError: an r that is no integer.
    """

    def __init__(self, downscale_factor: int) -> None:
        self.downscale_factor = positive("PixelUnshuffle", "downscale_factor", downscale_factor)

    def forward(self, x: Any) -> Any:
        """`tg.pixel_unshuffle`."""
        return pixel_unshuffle(x, self.downscale_factor)

    def extra_repr(self) -> str:
        """The factor."""
        return str(self.downscale_factor)


class Unfold(Module):
    """Every window of an image as a column, `tg.unfold`: (N, C, H, W) to (N, C kH kW, L).

    Args:
        kernel_size, dilation, padding, stride: as `tg.unfold` takes them.

    Raises:
        ValueError: a number below 1, a negative or unknown padding.
        TypeError: an argument that is no integer.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> nn.Unfold((1, 2))(tg.tensor([[[[1.0, 2.0, 3.0]]]])).tolist()
    [[[1.0, 2.0], [2.0, 3.0]]]
    """

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> None:
        layer = type(self).__name__
        self.kernel_size = per_axis(layer, "kernel_size", kernel_size, 2)
        self.dilation = per_axis(layer, "dilation", dilation, 2)
        self.padding = padding_of(layer, padding, self.kernel_size, self.dilation)
        self.stride = per_axis(layer, "stride", stride, 2)

    def forward(self, x: Any) -> Any:
        """`tg.unfold`."""
        return unfold(x, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        return shown(
            kernel_size=(self.kernel_size, None),
            dilation=(self.dilation, 1),
            padding=(self.padding, 0),
            stride=(self.stride, 1),
        )


class Fold(Unfold):
    """Columns put back as windows, `tg.fold`: (N, C kH kW, L) to (N, C, *output_size), overlapping ones added.

    Args:
        output_size: (H, W), or an integer for both.
        kernel_size, dilation, padding, stride: as `Unfold`, and errors too.
    """

    def __init__(
        self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        self.output_size = per_axis("Fold", "output_size", output_size, 2)
        super().__init__(kernel_size, dilation, padding, stride)

    def forward(self, x: Any) -> Any:
        """`tg.fold`."""
        return fold(x, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        return f"{shown(output_size=(self.output_size, None))}, {super().extra_repr()}"

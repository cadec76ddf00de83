"""Normalisation layers: batch, instance, layer, group and local response normalisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tinygrad_cnn.backend import shape_of
from tinygrad_cnn.nn import init
from tinygrad_cnn.nn.arguments import boolean, positive, shown
from tinygrad_cnn.nn.module import Module, Parameter
from tinygrad_cnn.primitives.local_response import local_response_norm
from tinygrad_cnn.primitives.normalization import batch_norm, group_norm, instance_norm, layer_norm
from tinygrad_cnn.primitives.normalization_arguments import check_eps, check_momentum, check_sizes, number
from tinygrad_cnn.tensor import Tensor, tensor


class _ChannelNorm(Module):
    """What batch and instance normalisation share: a weight, a bias and running statistics for each channel."""

    axes: ClassVar[tuple[int, ...]]
    """The numbers of spatial axes that x may have."""
    affine_by_default: ClassVar[bool] = True
    _normalized: ClassVar[Callable[..., Any]]
    momentum: float | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: str | None,
        dtype: Any,
    ) -> None:
        layer = type(self).__name__
        self.num_features = positive(layer, "num_features", num_features)
        self.eps = check_eps(layer, eps)
        self.momentum = None if momentum is None else check_momentum(layer, momentum)
        self.affine = boolean(layer, "affine", affine)
        self.track_running_stats = boolean(layer, "track_running_stats", track_running_stats)
        self.weight, self.bias = _weight_and_bias((self.num_features,), affine, affine, device, dtype)
        if track_running_stats:
            self.register_buffer("running_mean", init.zeros((self.num_features,), dtype, device))
            self.register_buffer("running_var", init.ones((self.num_features,), dtype, device))
            self.register_buffer("num_batches_tracked", tensor(0, device=device))
        else:
            self.running_mean = self.running_var = self.num_batches_tracked = None

    def forward(self, x: Any) -> Any:
        """The function of the layer, with x's own statistics in training or where no others are kept."""
        self._check(x)
        of_x = self.training or self.running_mean is None
        z = self._normalized(
            x, self.running_mean, self.running_var, self.weight, self.bias, of_x, self._share(), self.eps
        )
        if self.training:
            self._count(x)
        return z

    def _check(self, x: Any) -> None:
        layer, shape = type(self).__name__, shape_of(x)
        if len(shape) - 2 not in self.axes:
            layouts = " or ".join(f"({', '.join(('N', 'C', *'DHW'[3 - n :]))})" for n in self.axes)
            raise ValueError(f"{layer}: x must be {layouts} but has shape {shape}")
        if shape[1] != self.num_features:
            raise ValueError(f"{layer}: x must have {self.num_features} channels (num_features) but has shape {shape}")

    def _share(self) -> float:
        """How much the next batch counts: the momentum, or 1 / n at batch n, which makes all count the same."""
        if self.momentum is None:
            return 1.0 if self.num_batches_tracked is None else 1.0 / (self.num_batches_tracked.item() + 1)
        return self.momentum

    def _count(self, x: Any) -> None:
        """One more batch was seen; an empty one changed nothing."""
        if self.num_batches_tracked is not None and 0 not in shape_of(x):
            self.num_batches_tracked.data = self.num_batches_tracked + 1

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        options = shown(
            eps=(self.eps, 1e-5),
            momentum=(self.momentum, 0.1),
            affine=(self.affine, self.affine_by_default),
            track_running_stats=(self.track_running_stats, self.affine_by_default),
        )
        return f"{self.num_features}" + (f", {options}" if options else "")


class _BatchNorm(_ChannelNorm):
    _normalized = staticmethod(batch_norm)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype)


class BatchNorm2d(_BatchNorm):
    """Each channel brought to mean 0 and variance 1 over the batch, then scaled and shifted: `tg.batch_norm`.

    Args:
        num_features: C, the channels.
        eps: added to the variance.
        momentum: the share of a batch in the running statistics; None gives every batch since the start the same share.
        affine: whether there are a weight and a bias.
        track_running_stats: whether running statistics are kept, for evaluation; without them the batch's own serve.
        device, dtype: of parameters and statistics; None is the default.

    Attributes:
        weight, bias: (C,), at first ones and zeros, or None.
        running_mean, running_var: (C,), at first zeros and ones, or None: buffers, replaced at each batch in training.
        num_batches_tracked: how many batches have been seen, or None.

    Takes and gives (N, C, H, W).

    Raises:
        ValueError: a number of features below 1, an eps or momentum out of range; in `forward`, an x of another layout
            or number of channels, or in training with one value per channel. Nothing is updated then.
        TypeError: a number of features that is no integer, an eps or momentum that is no number, a switch that is no
            bool.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> layer = nn.BatchNorm2d(1)
    >>> layer
    BatchNorm2d(1)  # 2 parameters
    >>> x = tg.tensor([[[[1.0, 3.0]]]])
    >>> round(layer(x).tolist()[0][0][0][1], 3), round(layer.running_mean.item(), 3)
    (1.0, 0.2)
    """

    axes = (2,)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, W). Everything else as `BatchNorm2d`."""

    axes = (0, 1)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (N, C, D, H, W). Everything else as `BatchNorm2d`."""

    axes = (3,)


class _InstanceNorm(_ChannelNorm):
    _normalized = staticmethod(instance_norm)
    affine_by_default = False

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype)


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each image brought to mean 0 and variance 1 over its pixels: `tg.instance_norm`.

    Args:
        num_features, eps, momentum, affine, track_running_stats, device, dtype: as `BatchNorm2d`, but by default there
            are no weight and bias, and no running statistics.

    Takes and gives (N, C, H, W).

    Raises:
        ValueError: as `BatchNorm2d`; in `forward`, images of a single pixel.
        TypeError: as `BatchNorm2d`.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> nn.InstanceNorm2d(1, eps=0.0)(tg.tensor([[[[1.0, 3.0]]]])).tolist()
    [[[[-1.0, 1.0]]]]
    """

    axes = (2,)


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of (N, C, W). Everything else as `InstanceNorm2d`."""

    axes = (1,)


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of (N, C, D, H, W). Everything else as `InstanceNorm2d`."""

    axes = (3,)


class LayerNorm(Module):
    """The last axes of each sample brought to mean 0 and variance 1, then scaled and shifted: `tg.layer_norm`.

    Args:
        normalized_shape: the last axes, an integer for a single one.
        eps: added to the variance.
        elementwise_affine: whether there is a weight.
        bias: whether there is a bias beside the weight.
        device, dtype: of the parameters; None is the default.

    Attributes:
        weight, bias: of `normalized_shape`, at first ones and zeros, or None.

    Takes and gives (..., *normalized_shape).

    Raises:
        ValueError: no axis, a negative size or eps; in `forward`, an x that does not end in `normalized_shape`.
        TypeError: a size that is no integer, an eps that is no number, a switch that is no bool.

    >>> from tinygrad_cnn import nn
    >>> nn.LayerNorm((3, 4))
    LayerNorm((3, 4))  # 24 parameters
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape = check_sizes("LayerNorm", normalized_shape)
        self.eps = check_eps("LayerNorm", eps)
        self.elementwise_affine = boolean("LayerNorm", "elementwise_affine", elementwise_affine)
        with_bias = boolean("LayerNorm", "bias", bias) and elementwise_affine
        self.weight, self.bias = _weight_and_bias(
            self.normalized_shape, elementwise_affine, with_bias, device, dtype
        )

    def forward(self, x: Any) -> Any:
        """`tg.layer_norm`."""
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        options = shown(
            eps=(self.eps, 1e-5),
            elementwise_affine=(self.elementwise_affine, True),
            bias=(self.bias is not None, self.elementwise_affine),
        )
        return f"{self.normalized_shape}" + (f", {options}" if options else "")


class GroupNorm(Module):
    """Each group of channels of each sample brought to mean 0 and variance 1: `tg.group_norm`.

    Args:
        num_groups: a divisor of the number of channels.
        num_channels: C.
        eps: added to the variance.
        affine: whether there are a weight and a bias, for each channel.
        device, dtype: of the parameters; None is the default.

    Attributes:
        weight, bias: (C,), at first ones and zeros, or None.

    Takes and gives (N, C, ...).

    Raises:
        ValueError: a number below 1, groups that do not divide the channels, a negative eps; in `forward`, an x with
            another number of channels.
        TypeError: a number that is no integer, an eps that is no number, an `affine` that is no bool.

    >>> from tinygrad_cnn import nn
    >>> nn.GroupNorm(2, 6, eps=1e-3)
    GroupNorm(2, 6, eps=0.001)  # 12 parameters
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.num_groups = positive("GroupNorm", "num_groups", num_groups)
        self.num_channels = positive("GroupNorm", "num_channels", num_channels)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_groups must divide num_channels {num_channels} but is {num_groups}")
        self.eps = check_eps("GroupNorm", eps)
        self.affine = boolean("GroupNorm", "affine", affine)
        self.weight, self.bias = _weight_and_bias((self.num_channels,), affine, affine, device, dtype)

    def forward(self, x: Any) -> Any:
        """`tg.group_norm`."""
        shape = shape_of(x)
        if shape[1:2] != (self.num_channels,):
            raise ValueError(f"GroupNorm: x must be (N, {self.num_channels}, ...) but has shape {shape}")
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        options = shown(eps=(self.eps, 1e-5), affine=(self.affine, True))
        return f"{self.num_groups}, {self.num_channels}" + (f", {options}" if options else "")


class LocalResponseNorm(Module):
    """Each value divided by a power of the squares in neighbouring channels: `tg.local_response_norm`.

    Args:
        size, alpha, beta, k: as `tg.local_response_norm` takes them.

    Takes and gives (N, C, ...).

    Raises:
        ValueError: a size below 1.
        TypeError: a size that is no integer, an argument that is no number.

    >>> from tinygrad_cnn import nn
    >>> nn.LocalResponseNorm(5, k=2.0)
    LocalResponseNorm(5, k=2.0)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size = positive("LocalResponseNorm", "size", size)
        self.alpha = number("LocalResponseNorm", "alpha", alpha)
        self.beta = number("LocalResponseNorm", "beta", beta)
        self.k = number("LocalResponseNorm", "k", k)

    def forward(self, x: Any) -> Any:
        """`tg.local_response_norm`."""
        return local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        options = shown(alpha=(self.alpha, 1e-4), beta=(self.beta, 0.75), k=(self.k, 1.0))
        return f"{self.size}" + (f", {options}" if options else "")


def _weight_and_bias(
    shape: tuple[int, ...], weight: bool, bias: bool, device: str | None, dtype: Any
) -> tuple[Tensor | None, Tensor | None]:
    """Ones and zeros to be trained, where they are wanted."""
    return (
        Parameter(init.ones(shape, dtype, device)) if weight else None,
        Parameter(init.zeros(shape, dtype, device)) if bias else None,
    )

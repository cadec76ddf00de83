"""The networks of the training steps, each a small table of layers, with parameters and data from one seed.

Libraries with modules (PyTorch, tinygrad_cnn) build theirs from it with `model`; the others run it with `forward`. The
parameters come in the same order in both: those of a layer are weight and bias, those of a block its body's first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np


class Conv(NamedTuple):
    channels: int
    filters: int
    size: int
    stride: int = 1
    padding: int = 0
    bias: bool = True


class UpConv(NamedTuple):
    """A transposed convolution with kernel and stride 2."""

    channels: int
    filters: int


class Linear(NamedTuple):
    inputs: int
    outputs: int


class BatchNorm(NamedTuple):
    channels: int


class MaxPool(NamedTuple):
    size: int


class ReLU(NamedTuple):
    pass


class Flatten(NamedTuple):
    pass


class GlobalAverage(NamedTuple):
    """The mean over all pixels, still with axes for them."""


class Residual(NamedTuple):
    """The body's output plus its input, which the shortcut's layers bring to the same shape."""

    body: Sequence[Any]
    shortcut: Sequence[Any] = ()


class Skip(NamedTuple):
    """The input and the body's output, joined along the channels."""

    body: Sequence[Any]


Layers = Sequence[Any]


class Network(NamedTuple):
    """A table of layers, the shape of a batch, and the shape of its labels (of 0 to `classes` - 1)."""

    layers: Layers
    batch: tuple[int, ...]
    labels: tuple[int, ...]
    classes: int = 10


def _basic_block(channels: int, filters: int) -> list[Any]:
    stride = filters // channels
    body = [
        Conv(channels, filters, 3, stride, 1, bias=False),
        BatchNorm(filters),
        ReLU(),
        Conv(filters, filters, 3, 1, 1, bias=False),
        BatchNorm(filters),
    ]
    shortcut = [Conv(channels, filters, 1, stride, 0, bias=False), BatchNorm(filters)] if stride > 1 else []
    return [Residual(body, shortcut), ReLU()]


def _double_conv(channels: int, filters: int) -> list[Any]:
    return [Conv(channels, filters, 3, 1, 1), ReLU(), Conv(filters, filters, 3, 1, 1), ReLU()]


LENET = [
    *(Conv(3, 8, 5), ReLU(), MaxPool(2)),
    *(Conv(8, 16, 5), ReLU(), MaxPool(2), Flatten()),
    *(Linear(400, 120), ReLU(), Linear(120, 84), ReLU(), Linear(84, 10)),
]
SMALL_VGG = [
    *(*_double_conv(3, 32), MaxPool(2)),
    *(*_double_conv(32, 64), MaxPool(2), Flatten()),
    *(Linear(64 * 8 * 8, 128), ReLU(), Linear(128, 10)),
]
RESNET_18 = [
    *(Conv(3, 64, 3, 1, 1, bias=False), BatchNorm(64), ReLU()),
    *(*_basic_block(64, 64), *_basic_block(64, 64)),
    *(*_basic_block(64, 128), *_basic_block(128, 128)),
    *(*_basic_block(128, 256), *_basic_block(256, 256)),
    *(*_basic_block(256, 512), *_basic_block(512, 512)),
    *(GlobalAverage(), Flatten(), Linear(512, 10)),
]
U_NET = [
    *_double_conv(1, 32),
    Skip(
        [
            *(MaxPool(2), *_double_conv(32, 64)),
            Skip([MaxPool(2), *_double_conv(64, 128), UpConv(128, 64)]),
            *(*_double_conv(128, 64), UpConv(64, 32)),
        ]
    ),
    *(*_double_conv(64, 32), Conv(32, 2, 1)),
]

NETWORKS = {
    "LeNet": Network(LENET, (64, 3, 32, 32), (64,)),
    "small VGG": Network(SMALL_VGG, (64, 3, 32, 32), (64,)),
    "ResNet-18-like": Network(RESNET_18, (32, 3, 32, 32), (32,)),
    "U-Net-like": Network(U_NET, (8, 1, 64, 64), (8, 64, 64), 2),
}


def parameters_of(layers: Layers, rng: np.random.Generator) -> list[np.ndarray]:
    """The parameters in their order: normal with variance 2 / (inputs of a sum), small biases, scales near 1."""
    arrays: list[np.ndarray] = []

    def add(shape: tuple[int, ...], deviation: float, mean: float = 0.0) -> None:
        arrays.append((rng.standard_normal(shape) * deviation + mean).astype(np.float32))

    for layer in layers:
        match layer:
            case Conv(channels, filters, size):
                add((filters, channels, size, size), (2 / (channels * size * size)) ** 0.5)
                if layer.bias:
                    add((filters,), 0.01)
            case UpConv(channels, filters):
                add((channels, filters, 2, 2), (2 / channels) ** 0.5)
                add((filters,), 0.01)
            case Linear(inputs, outputs):
                add((outputs, inputs), (2 / inputs) ** 0.5)
                add((outputs,), 0.01)
            case BatchNorm(channels):
                add((channels,), 0.1, mean=1.0)
                add((channels,), 0.1)
            case Residual(body, shortcut):
                arrays += parameters_of(body, rng) + parameters_of(shortcut, rng)
            case Skip(body):
                arrays += parameters_of(body, rng)
    return arrays


def data_of(network: Network, batch: int | None, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A batch of noise and its labels; `batch` samples, or as many as the network is measured with."""
    samples = batch or network.batch[0]
    x = rng.standard_normal((samples, *network.batch[1:])).astype(np.float32)
    return x, rng.integers(0, network.classes, (samples, *network.labels[1:]))


def model(nn: Any, concatenate: Any, layers: Layers) -> Any:
    """The network as modules of `nn`, PyTorch's or tinygrad_cnn's: they have the same names."""

    class ResidualBlock(nn.Module):  # type: ignore[misc]
        def __init__(self, body: Any, shortcut: Any) -> None:
            super().__init__()
            self.body, self.shortcut = body, shortcut

        def forward(self, x: Any) -> Any:
            return self.body(x) + self.shortcut(x)

    class SkipBlock(nn.Module):  # type: ignore[misc]
        def __init__(self, body: Any) -> None:
            super().__init__()
            self.body = body

        def forward(self, x: Any) -> Any:
            return concatenate([x, self.body(x)])

    def module(layer: Any) -> Any:
        match layer:
            case Conv(channels, filters, size, stride, padding, bias):
                return nn.Conv2d(channels, filters, size, stride=stride, padding=padding, bias=bias)
            case UpConv(channels, filters):
                return nn.ConvTranspose2d(channels, filters, 2, stride=2)
            case Linear(inputs, outputs):
                return nn.Linear(inputs, outputs)
            case BatchNorm(channels):
                return nn.BatchNorm2d(channels)
            case MaxPool(size):
                return nn.MaxPool2d(size)
            case ReLU():
                return nn.ReLU()
            case Flatten():
                return nn.Flatten()
            case GlobalAverage():
                return nn.AdaptiveAvgPool2d(1)
            case Residual(body, shortcut):
                return ResidualBlock(sequence(body), sequence(shortcut))
            case Skip(body):
                return SkipBlock(sequence(body))

    def sequence(layers: Layers) -> Any:
        return nn.Sequential(*map(module, layers))

    return sequence(layers)


def forward(functions: Any, layers: Layers, parameters: Iterator[Any], x: Any) -> Any:
    """The network run by a library's functions (`libraries.Library`) on its own tensors."""
    for layer in layers:
        match layer:
            case Conv(_, _, _, stride, padding, bias):
                weight = next(parameters)
                x = functions.conv2d(x, weight, next(parameters) if bias else None, stride, padding)
            case UpConv():
                x = functions.conv_transpose2d(x, next(parameters), next(parameters), 2)
            case Linear():
                x = functions.linear(x, next(parameters), next(parameters))
            case BatchNorm():
                x = functions.batch_norm(x, next(parameters), next(parameters))
            case MaxPool(size):
                x = functions.max_pool2d(x, size, size)
            case ReLU():
                x = functions.relu(x)
            case Flatten():
                x = functions.flatten(x)
            case GlobalAverage():
                x = functions.global_average(x)
            case Residual(body, shortcut):
                x = forward(functions, body, parameters, x) + forward(functions, shortcut, parameters, x)
            case Skip(body):
                x = functions.concatenate([x, forward(functions, body, parameters, x)])
    return x

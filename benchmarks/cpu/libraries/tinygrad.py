"""tinygrad as a candidate: every call is one function under TinyJit, on its CPU device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tinygrad import Context, Device, Tensor, TinyJit
from tinygrad.nn.optim import SGD, Adam

from benchmarks.cpu.libraries import EPSILON, RATE, Arrays, Library, Prepared, UnavailableError
from benchmarks.cpu.networks import Layers, forward


class Tinygrad(Library):
    settles_after = 3  # TinyJit captures in its second call

    def __init__(self, threads: int) -> None:
        try:
            Device[Device.DEFAULT]
        except RuntimeError as error:
            raise UnavailableError(f"it needs clang or LLVM ({error})") from error

    def tensor(self, array: np.ndarray) -> Any:
        return _tensor(array)

    def value(self, function: Callable[..., Any], arrays: Arrays) -> Prepared:
        return _prepared(lambda *tensors: [function(*tensors)], *map(_tensor, arrays))

    def one_gradient(self, function: Callable[..., Any], arrays: Arrays, wanted: int, upstream: np.ndarray) -> Prepared:
        def gradient(g: Tensor, *tensors: Tensor) -> Any:
            return function(*tensors).gradient(tensors[wanted], gradient=g)

        return _prepared(gradient, _tensor(upstream), *map(_tensor, arrays))

    def value_and_gradients(
        self, function: Callable[..., Any], arrays: Arrays, upstream: np.ndarray | None
    ) -> Prepared:
        def both(g: Tensor, *tensors: Tensor) -> Any:
            z = function(*tensors)
            return [z, *z.gradient(*tensors, gradient=g)]

        g = np.ones((), np.float32) if upstream is None else upstream
        return _prepared(both, _tensor(g), *map(_tensor, arrays))

    def training_step(self, layers: Layers, parameters: Arrays, x: np.ndarray, labels: np.ndarray) -> Prepared:
        weights = [_tensor(p) for p in parameters]
        optimiser, images, classes = SGD(weights, lr=RATE), _tensor(x), _tensor(labels)

        def loss(x: Tensor, labels: Tensor) -> Tensor:
            return self.cross_entropy(forward(self, layers, iter(weights), x), labels)

        @TinyJit
        def step(x: Tensor, labels: Tensor) -> Tensor:
            optimiser.zero_grad()
            value = loss(x, labels).backward()
            optimiser.step()
            return value.realize()

        def call() -> None:
            with Context(TRAINING=1):
                step(images, classes)
            Device[Device.DEFAULT].synchronize()

        def results() -> list[np.ndarray]:
            value = loss(images, classes)
            return [t.numpy() for t in (value, *value.gradient(*weights))]

        return Prepared(call, results)

    def update(self, optimiser: str, parameters: Arrays, gradients: Arrays) -> Prepared:
        weights, given = [_tensor(a) for a in parameters], [_tensor(a) for a in gradients]
        method = {"SGD": SGD, "Adam": Adam}[optimiser](weights, lr=RATE)

        @TinyJit
        def step(*gradients: Tensor) -> None:
            for weight, g in zip(weights, gradients, strict=True):
                weight.grad = g
            method.step()

        def call() -> None:
            with Context(TRAINING=1):
                step(*given)
            Device[Device.DEFAULT].synchronize()

        def results() -> list[np.ndarray]:
            call()
            return [w.numpy() for w in weights]

        return Prepared(call, results)

    def constant(self, array: np.ndarray) -> Any:
        return _tensor(array)

    def conv2d(self, x: Any, weight: Any, bias: Any = None, stride: int = 1, padding: int = 0, groups: int = 1) -> Any:
        return x.conv2d(weight, bias, groups, stride, padding=padding)

    def conv_transpose2d(self, x: Any, weight: Any, bias: Any = None, stride: int = 1, padding: int = 0) -> Any:
        return x.conv_transpose2d(weight, bias, stride=stride, padding=padding)

    def max_pool2d(self, x: Any, size: int, stride: int, padding: int = 0) -> Any:
        return x.max_pool2d((size, size), stride, padding=padding)

    def batch_norm(self, x: Any, weight: Any, bias: Any) -> Any:
        mean = x.mean(axis=(0, 2, 3))
        variance = x.var(axis=(0, 2, 3), correction=0)
        return x.batchnorm(weight, bias, mean, (variance + EPSILON).rsqrt())

    def relu(self, x: Any) -> Any:
        return x.relu()

    def concatenate(self, tensors: Any) -> Any:
        return tensors[0].cat(*tensors[1:], dim=1)

    def flatten(self, x: Any) -> Any:
        return x.flatten(1)

    def cross_entropy(self, logits: Any, labels: Any) -> Any:
        return logits.cross_entropy(labels)


def _tensor(array: np.ndarray) -> Tensor:
    return Tensor(np.array(array)).clone().realize()  # a copy even of a single number, which would be a constant


def _prepared(function: Callable[..., Any], *arguments: Tensor) -> Prepared:
    @TinyJit
    def jitted(*arguments: Tensor) -> tuple[Tensor, ...]:
        results = tuple(function(*arguments))
        Tensor.realize(*results)
        return results

    def call() -> Any:
        results = jitted(*arguments)
        Device[Device.DEFAULT].synchronize()
        return results

    return Prepared(call, lambda: [t.numpy() for t in call()])

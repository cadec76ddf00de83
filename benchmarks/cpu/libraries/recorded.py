"""tinygrad_cnn and PyTorch: operations are recorded, `backward()` fills `.grad`, networks are modules."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.cpu import networks
from benchmarks.cpu.libraries import EPSILON, RATE, Arrays, Library, Prepared
from benchmarks.cpu.networks import Layers


class Recorded(Library):
    """What both have in common, almost everything: the same names and the same habits."""

    library: Any  # with nn, optim and no_grad
    functions: Any  # with conv2d, ...

    def leaf(self, array: np.ndarray, requires_grad: bool = True) -> Any:
        """A tensor with a copy of the array."""
        raise NotImplementedError

    def tensor(self, array: np.ndarray) -> Any:
        return self.leaf(array, requires_grad=False)

    def gradient(self, z: Any, x: Any, upstream: Any) -> Any:
        """The gradient for x, the graph staying as it is."""
        raise NotImplementedError

    def compiled_model(self, network: Any) -> Any:
        """The network, compiled where the candidate says so and compiles models."""
        return network

    def compiled_step(self, step: Any) -> Any:
        """The function, compiled where the candidate says so and compiles whole steps."""
        return step

    def value(self, function: Callable[..., Any], arrays: Arrays) -> Prepared:
        tensors = [self.tensor(a) for a in arrays]
        return self._inference(partial(function, *tensors))

    def _inference(self, function: Callable[[], Any]) -> Prepared:
        def call() -> Any:
            with self.library.no_grad():
                return function()

        return Prepared(call, lambda: [_numbers(call())])

    def one_gradient(self, function: Callable[..., Any], arrays: Arrays, wanted: int, upstream: np.ndarray) -> Prepared:
        tensors = [self.leaf(a, requires_grad=i == wanted) for i, a in enumerate(arrays)]
        z, g = function(*tensors), self.tensor(upstream)
        call = partial(self.gradient, z, tensors[wanted], g)
        return Prepared(call, lambda: [_numbers(call()[0])])

    def value_and_gradients(
        self, function: Callable[..., Any], arrays: Arrays, upstream: np.ndarray | None
    ) -> Prepared:
        tensors = [self.leaf(a) for a in arrays]
        g = None if upstream is None else self.tensor(upstream)

        def call() -> Any:
            for tensor in tensors:
                tensor.grad = None
            z = function(*tensors)
            z.backward(g)
            return z

        call = self.compiled_step(call)
        return Prepared(call, lambda: [_numbers(call()), *(_numbers(t.grad) for t in tensors)])

    def model(self, layers: Layers, parameters: Arrays) -> Any:
        """The network as modules, with these parameters."""
        network = networks.model(self.library.nn, self.concatenate, layers)
        for mine, given in zip(network.parameters(), parameters, strict=True):
            mine.data = self.tensor(given).data
        return network

    def training_step(self, layers: Layers, parameters: Arrays, x: np.ndarray, labels: np.ndarray) -> Prepared:
        network = self.model(layers, parameters)
        weights = list(network.parameters())
        optimiser, loss = self.library.optim.SGD(weights, lr=RATE), self.library.nn.CrossEntropyLoss()
        network = self.compiled_model(network)

        def step(x: Any, labels: Any) -> Any:
            optimiser.zero_grad()
            value = loss(network(x), labels)
            value.backward()
            optimiser.step()
            return value

        call = partial(self.compiled_step(step), self.tensor(x), self.constant(labels))
        return Prepared(call, lambda: [_numbers(call()), *(_numbers(w.grad) for w in weights)])

    def inference(self, layers: Layers, parameters: Arrays, x: np.ndarray) -> Prepared:
        network = self.compiled_step(self.compiled_model(self.model(layers, parameters).eval()))
        return self._inference(partial(network, self.tensor(x)))

    def update(self, optimiser: str, parameters: Arrays, gradients: Arrays) -> Prepared:
        weights = [self.leaf(a) for a in parameters]
        for weight, g in zip(weights, gradients, strict=True):
            weight.grad = self.tensor(g)
        call = getattr(self.library.optim, optimiser)(weights, lr=RATE).step

        def results() -> list[np.ndarray]:
            call()
            return [_numbers(w) for w in weights]

        return Prepared(call, results)

    def conv2d(self, x: Any, weight: Any, bias: Any = None, stride: int = 1, padding: int = 0, groups: int = 1) -> Any:
        return self.functions.conv2d(x, weight, bias, stride, padding, groups=groups)

    def conv_transpose2d(self, x: Any, weight: Any, bias: Any = None, stride: int = 1, padding: int = 0) -> Any:
        return self.functions.conv_transpose2d(x, weight, bias, stride, padding)

    def max_pool2d(self, x: Any, size: int, stride: int, padding: int = 0) -> Any:
        return self.functions.max_pool2d(x, size, stride, padding)

    def batch_norm(self, x: Any, weight: Any, bias: Any) -> Any:
        return self.functions.batch_norm(x, None, None, weight, bias, training=True, eps=EPSILON)

    def relu(self, x: Any) -> Any:
        return self.functions.relu(x)

    def linear(self, x: Any, weight: Any, bias: Any) -> Any:
        return self.functions.linear(x, weight, bias)

    def cross_entropy(self, logits: Any, labels: Any) -> Any:
        return self.functions.cross_entropy(logits, labels)


def _numbers(tensor: Any) -> np.ndarray:
    return np.array(tensor.detach().numpy())


def channels_last(array: np.ndarray) -> np.ndarray:
    """Images (N, C, H, W) in the memory of (N, H, W, C); other arrays as they are."""
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) if array.ndim == 4 else array

"""MyGrad as a candidate: NumPy arrays with `backward()`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mygrad
import numpy as np
from mygrad.nnet import activations, layers, losses

from benchmarks.cpu.libraries import EPSILON, RATE, Arrays, Library, Prepared, UnavailableError
from benchmarks.cpu.networks import Layers, forward


class MyGrad(Library):
    def __init__(self, threads: int) -> None:
        """NumPy's BLAS follows OPENBLAS_NUM_THREADS; nothing else uses threads."""

    def tensor(self, array: np.ndarray) -> Any:
        return mygrad.tensor(array, constant=True)

    def value(self, function: Callable[..., Any], arrays: Arrays) -> Prepared:
        tensors = [mygrad.tensor(a, constant=True) for a in arrays]

        def call() -> Any:
            with mygrad.no_autodiff:
                return function(*tensors)

        return Prepared(call, lambda: [np.array(call())])

    def one_gradient(self, function: Callable[..., Any], arrays: Arrays, wanted: int, upstream: np.ndarray) -> Prepared:
        raise UnavailableError("its graph is gone after a backward pass")

    def value_and_gradients(
        self, function: Callable[..., Any], arrays: Arrays, upstream: np.ndarray | None
    ) -> Prepared:
        tensors = [mygrad.tensor(a) for a in arrays]

        def call() -> Any:
            z = function(*tensors)
            z.backward(upstream)
            return z

        return Prepared(call, lambda: [np.array(call()), *(np.array(t.grad) for t in tensors)])

    def training_step(self, layers: Layers, parameters: Arrays, x: np.ndarray, labels: np.ndarray) -> Prepared:
        weights = [mygrad.tensor(p) for p in parameters]

        def call() -> Any:
            loss = self.cross_entropy(forward(self, layers, iter(weights), mygrad.tensor(x, constant=True)), labels)
            loss.backward()
            for w in weights:
                w.data -= RATE * w.grad
            return loss

        return Prepared(call, lambda: [np.array(call()), *(np.array(w.grad) for w in weights)])

    def conv2d(self, x: Any, weight: Any, bias: Any = None, stride: int = 1, padding: int = 0, groups: int = 1) -> Any:
        if groups > 1:
            raise UnavailableError("its convolution has no groups")
        z = layers.conv_nd(x, weight, stride=stride, padding=padding)
        return z if bias is None else z + bias.reshape(1, -1, 1, 1)

    def max_pool2d(self, x: Any, size: int, stride: int, padding: int = 0) -> Any:
        if padding:
            raise UnavailableError("its max-pooling has no padding")
        return layers.max_pool(x, (size, size), stride)

    def batch_norm(self, x: Any, weight: Any, bias: Any) -> Any:
        return layers.batchnorm(x, gamma=weight, beta=bias, eps=EPSILON)

    def relu(self, x: Any) -> Any:
        return activations.relu(x)

    def concatenate(self, tensors: Any) -> Any:
        return mygrad.concatenate(tensors, axis=1)

    def cross_entropy(self, logits: Any, labels: Any) -> Any:
        return losses.softmax_crossentropy(logits, labels)

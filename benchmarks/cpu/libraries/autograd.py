"""HIPS autograd as a candidate: `autograd.numpy`, and `autograd.scipy.signal.convolve` as in its own example."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
from autograd.scipy.signal import convolve

from benchmarks.cpu.libraries import RATE, Arrays, Library, Prepared, UnavailableError, batch_statistics
from benchmarks.cpu.networks import Layers, forward


class Autograd(Library):
    def __init__(self, threads: int) -> None:
        """NumPy's BLAS follows OPENBLAS_NUM_THREADS; nothing else uses threads."""

    def tensor(self, array: np.ndarray) -> Any:
        return array

    def value(self, function: Callable[..., Any], arrays: Arrays) -> Prepared:
        return Prepared(lambda: function(*arrays), lambda: [np.array(function(*arrays))])

    def one_gradient(self, function: Callable[..., Any], arrays: Arrays, wanted: int, upstream: np.ndarray) -> Prepared:
        pull_back, _ = autograd.make_vjp(lambda x: function(*arrays[:wanted], x, *arrays[wanted + 1 :]))(arrays[wanted])
        return Prepared(lambda: pull_back(upstream), lambda: [pull_back(upstream)])

    def value_and_gradients(
        self, function: Callable[..., Any], arrays: Arrays, upstream: np.ndarray | None
    ) -> Prepared:
        differentiate = autograd.make_vjp(lambda arrays: function(*arrays))
        g = np.float32(1) if upstream is None else upstream

        def call() -> Any:
            pull_back, z = differentiate(tuple(arrays))
            return z, pull_back(g)

        def results() -> list[np.ndarray]:
            z, gradients = call()
            return [np.array(z), *map(np.array, gradients)]

        return Prepared(call, results)

    def training_step(self, layers: Layers, parameters: Arrays, x: np.ndarray, labels: np.ndarray) -> Prepared:
        weights = list(parameters)

        def loss(weights: Any) -> Any:
            return self.cross_entropy(forward(self, layers, iter(weights), x), labels)

        differentiate = autograd.value_and_grad(loss)

        def call() -> Any:
            value, gradients = differentiate(weights)
            weights[:] = [w - np.float32(RATE) * g for w, g in zip(weights, gradients, strict=True)]
            return [np.array(value), *gradients]

        return Prepared(call, call)

    def conv2d(self, x: Any, weight: Any, bias: Any = None, stride: int = 1, padding: int = 0, groups: int = 1) -> Any:
        if stride > 1 or groups > 1:
            raise UnavailableError("its convolution has no strides and no groups")
        if padding:
            x = anp.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), "constant")
        z = convolve(x, weight[:, :, ::-1, ::-1], axes=([2, 3], [2, 3]), dot_axes=([1], [1]), mode="valid")
        return z if bias is None else z + bias.reshape(1, -1, 1, 1)

    def max_pool2d(self, x: Any, size: int, stride: int, padding: int = 0) -> Any:
        n, c, h, w = x.shape
        if size != stride or padding or h % size or w % size:
            raise UnavailableError("it has no max-pooling but the maximum of a reshaped array")
        return x.reshape(n, c, h // size, size, w // size, size).max(axis=(3, 5))

    def batch_norm(self, x: Any, weight: Any, bias: Any) -> Any:
        return batch_statistics(x, weight, bias)

    def relu(self, x: Any) -> Any:
        return anp.maximum(x, np.float32(0))

    def cross_entropy(self, logits: Any, labels: Any) -> Any:
        if logits.ndim > 2:
            raise UnavailableError("it has no cross entropy, and images of classes are not worth writing one")
        shifted = logits - anp.max(logits, axis=1, keepdims=True)
        scores = shifted - anp.log(anp.sum(anp.exp(shifted), axis=1, keepdims=True))
        return -anp.mean(scores[np.arange(len(labels)), labels])

"""JAX as a candidate: every call is one jitted function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cpu.libraries import RATE, Arrays, Library, Prepared, batch_statistics
from benchmarks.cpu.networks import Layers, forward

LAYOUT = ("NCHW", "OIHW", "NCHW")


class Jax(Library):
    def __init__(self, threads: int) -> None:
        """The threads are as many as the cores that the process may use."""

    def tensor(self, array: np.ndarray) -> Any:
        return jnp.asarray(array)

    def value(self, function: Callable[..., Any], arrays: Arrays) -> Prepared:
        return _prepared(jax.jit(function), *map(jnp.asarray, arrays))

    def one_gradient(self, function: Callable[..., Any], arrays: Arrays, wanted: int, upstream: np.ndarray) -> Prepared:
        def gradient(arrays: Any, g: Any) -> Any:
            def of_wanted(x: Any) -> Any:
                return function(*arrays[:wanted], x, *arrays[wanted + 1 :])

            return jax.vjp(of_wanted, arrays[wanted])[1](g)

        return _prepared(jax.jit(gradient), [jnp.asarray(a) for a in arrays], jnp.asarray(upstream))

    def value_and_gradients(
        self, function: Callable[..., Any], arrays: Arrays, upstream: np.ndarray | None
    ) -> Prepared:
        def both(arrays: Any, g: Any) -> Any:
            z, pull_back = jax.vjp(function, *arrays)
            return z, pull_back(g)

        g = jnp.float32(1) if upstream is None else jnp.asarray(upstream)
        return _prepared(jax.jit(both), [jnp.asarray(a) for a in arrays], g)

    def training_step(self, layers: Layers, parameters: Arrays, x: np.ndarray, labels: np.ndarray) -> Prepared:
        def loss(parameters: Any, x: Any, labels: Any) -> Any:
            return self.cross_entropy(forward(self, layers, iter(parameters), x), labels)

        @jax.jit
        def step(parameters: Any, x: Any, labels: Any, rate: float) -> Any:
            value, gradients = jax.value_and_grad(loss)(parameters, x, labels)
            return value, [p - rate * g for p, g in zip(parameters, gradients, strict=True)]

        state, x, labels = [jnp.asarray(p) for p in parameters], jnp.asarray(x), jnp.asarray(labels)

        def call() -> None:
            nonlocal state
            _, state = step(state, x, labels, RATE)
            jax.block_until_ready(state)

        def results() -> list[np.ndarray]:
            value, moved = step(state, x, labels, 1.0)
            return [np.asarray(value), *(np.asarray(p) - np.asarray(q) for p, q in zip(state, moved, strict=True))]

        return Prepared(call, results)

    def update(self, optimiser: str, parameters: Arrays, gradients: Arrays) -> Prepared:
        weights, gradients = [jnp.asarray(a) for a in parameters], [jnp.asarray(a) for a in gradients]

        @jax.jit
        def sgd(state: Any, gradients: Any) -> Any:
            return [[p - RATE * g for p, g in zip(state[0], gradients, strict=True)]]

        @jax.jit
        def adam(state: Any, gradients: Any) -> Any:
            weights, means, squares, count = state
            count = count + 1
            means = [0.9 * m + 0.1 * g for m, g in zip(means, gradients, strict=True)]
            squares = [0.999 * v + 0.001 * g * g for v, g in zip(squares, gradients, strict=True)]
            slow, fast = 1 - 0.9**count, 1 - 0.999**count
            weights = [
                p - RATE * (m / slow) / (jnp.sqrt(v / fast) + 1e-8)
                for p, m, v in zip(weights, means, squares, strict=True)
            ]
            return weights, means, squares, count

        zeros = [jnp.zeros_like(w) for w in weights]
        step, state = (sgd, [weights]) if optimiser == "SGD" else (adam, (weights, zeros, zeros, jnp.float32(0)))

        def call() -> None:
            nonlocal state
            state = jax.block_until_ready(step(state, gradients))

        def results() -> list[np.ndarray]:
            call()
            return [np.asarray(w) for w in state[0]]

        return Prepared(call, results)

    def conv2d(self, x: Any, weight: Any, bias: Any = None, stride: int = 1, padding: int = 0, groups: int = 1) -> Any:
        border = ((padding, padding),) * 2
        z = jax.lax.conv_general_dilated(
            x, weight, (stride, stride), border, dimension_numbers=LAYOUT, feature_group_count=groups
        )
        return z if bias is None else z + bias[:, None, None]

    def conv_transpose2d(self, x: Any, weight: Any, bias: Any = None, stride: int = 1, padding: int = 0) -> Any:
        border = ((weight.shape[-1] - 1 - padding,) * 2,) * 2
        z = jax.lax.conv_general_dilated(
            x,
            jnp.flip(weight, (2, 3)),
            (1, 1),
            border,
            lhs_dilation=(stride, stride),
            dimension_numbers=("NCHW", "IOHW", "NCHW"),
        )
        return z if bias is None else z + bias[:, None, None]

    def max_pool2d(self, x: Any, size: int, stride: int, padding: int = 0) -> Any:
        border = ((0, 0), (0, 0), (padding, padding), (padding, padding))
        windows = (1, 1, size, size), (1, 1, stride, stride)
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, *windows, border)

    def batch_norm(self, x: Any, weight: Any, bias: Any) -> Any:
        return batch_statistics(x, weight, bias)

    def relu(self, x: Any) -> Any:
        return jax.nn.relu(x)

    def concatenate(self, tensors: Any) -> Any:
        return jnp.concatenate(tensors, axis=1)

    def cross_entropy(self, logits: Any, labels: Any) -> Any:
        scores = jax.nn.log_softmax(logits, axis=1)
        return -jnp.take_along_axis(scores, jnp.asarray(labels)[:, None], axis=1).mean()


def _prepared(function: Any, *arguments: Any) -> Prepared:
    def call() -> Any:
        return jax.block_until_ready(function(*arguments))

    return Prepared(call, lambda: [np.asarray(a) for a in jax.tree.leaves(call())])

"""Whole training steps, inference, and tiny graphs, where what is recorded costs more than what is computed."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.cpu.libraries import Library, Prepared
from benchmarks.cpu.networks import LENET, NETWORKS, data_of, parameters_of
from benchmarks.cpu.operations import Case, cross_entropy, normal, operation

__all__ = ["batches", "chains", "inference", "overhead", "training"]

# A sum near 0 may fall on either side of a ReLU in float32, and one such flip moves every gradient before it: on the
# ResNet PyTorch's own channels-last gradients are up to 1.4e-2 of their norms away from those in float64.
FLIPS = 5e-2


def training_step(library: Library, network: str, batch: int | None = None) -> Prepared:
    rng = np.random.default_rng(0)
    parameters = parameters_of(NETWORKS[network].layers, rng)
    return library.training_step(NETWORKS[network].layers, parameters, *data_of(NETWORKS[network], batch, rng))


def training(network: str) -> list[Case]:
    shape = ",".join(map(str, NETWORKS[network].batch))
    return [Case(f"{network}, ({shape}), SGD", partial(training_step, network=network), tolerance=FLIPS)]


def one_image(library: Library) -> Prepared:
    rng = np.random.default_rng(0)
    return library.inference(LENET, parameters_of(LENET, rng), data_of(NETWORKS["LeNet"], 1, rng)[0])


def inference() -> list[Case]:
    return [Case("LeNet inference, (1,3,32,32)", one_image)]


# Overhead


def scalar_mlp(library: Library) -> Prepared:
    """The MLP 2-16-16-1 as micrograd has it: every number is a node, 640 operations."""
    sizes, rng = [2, 16, 16, 1], np.random.default_rng(0)
    weights = [np.float32(w) for n, m in pairwise(sizes) for w in rng.standard_normal((n + 1) * m) * 0.5]

    def network(*parameters: Any) -> Any:
        remaining = iter(parameters)
        values: list[Any] = [0.7, -1.3]
        for outputs in sizes[1:]:
            sums = []
            for _ in range(outputs):
                z = next(remaining)
                for v in values:
                    z = z + next(remaining) * v
                sums.append(z if outputs == 1 else library.relu(z))
            values = sums
        return values[0]

    return library.value_and_gradients(network, [np.asarray(w) for w in weights], None)


def tensor_mlp(library: Library) -> Prepared:
    """The MLP 64-32-10 with cross entropy on one image of 8x8."""
    rng = np.random.default_rng(0)
    (image,) = normal(rng, (1, 64))
    parameters = [0.2 * a for a in normal(rng, (32, 64), (32,), (10, 32), (10,))]
    parameters = [a.astype(np.float32) for a in parameters]
    x, label = library.tensor(image), library.constant(np.array([3]))

    def loss(w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        return library.cross_entropy(library.linear(library.relu(library.linear(x, w1, b1)), w2, b2), label)

    return library.value_and_gradients(loss, parameters, None)


def overhead() -> list[Case]:
    small = partial(operation, name="conv2d", shapes=((1, 1, 8, 8), (8, 1, 3, 3)), result=(1, 8, 6, 6), options={})
    return [
        Case("scalar MLP 2-16-16-1", scalar_mlp),
        Case("MLP 64-32-10 on one digit", tensor_mlp),
        Case("conv (1,1,8,8 / 8,3)", small),
        Case("softmax cross-entropy (1,10)", partial(cross_entropy, shape=(1, 10))),
    ]


# Growth


def chain(library: Library, length: int) -> Prepared:
    """z = x + x + ... + x on a scalar, one node an operation."""

    def total(x: Any) -> Any:
        z = x
        for _ in range(length):
            z = z + x
        return z

    return library.value_and_gradients(total, [np.asarray(np.float32(1))], None)


def chains() -> list[Case]:
    lengths = [10**k for k in range(1, 7)]
    return [Case(f"{n:,} operations", partial(chain, length=n), elements=n) for n in lengths]


def batches() -> list[Case]:
    return [
        Case(f"LeNet step, batch {n}", partial(training_step, network="LeNet", batch=n), elements=n, tolerance=FLIPS)
        for n in (1, 4, 16, 64, 256, 1024)
    ]

"""What a candidate library must be able to do, so that every case is written once for all of them.

A library takes NumPy arrays and gives back a `Prepared` computation. Its functions carry PyTorch's names, take the
library's own tensors and are called with the few arguments below. What a library lacks raises `UnavailableError`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.cpu.networks import Layers, forward

RATE = 1e-4  # of every optimiser: so small that the numbers stay what they are, however many steps are timed
EPSILON = 1e-5  # of every batch normalisation

Arrays = Sequence[np.ndarray]


class UnavailableError(Exception):
    """Why a library takes no part, or not in this case."""


class Prepared(NamedTuple):
    """A computation: what is timed, and the numbers that are compared with PyTorch's before."""

    call: Callable[[], object]
    results: Callable[[], list[np.ndarray]]


class Library(ABC):
    """The verbs that the cases are written in; the functions below them are what they differentiate."""

    settles_after = 1  # so many calls after the first, a call takes what it will always take

    @abstractmethod
    def value(self, function: Callable[..., Any], arrays: Arrays) -> Prepared:
        """The function of the arrays, with nothing recorded."""

    @abstractmethod
    def one_gradient(self, function: Callable[..., Any], arrays: Arrays, wanted: int, upstream: np.ndarray) -> Prepared:
        """The gradient for one of the arrays alone, without the forward pass."""

    @abstractmethod
    def value_and_gradients(
        self, function: Callable[..., Any], arrays: Arrays, upstream: np.ndarray | None
    ) -> Prepared:
        """The function and the gradients for all of the arrays, weighted by the upstream gradient (of a scalar: 1)."""

    def training_step(self, layers: Layers, parameters: Arrays, x: np.ndarray, labels: np.ndarray) -> Prepared:
        """Forward, cross entropy, backward and SGD; the results are the loss and the gradients."""
        raise UnavailableError("it has no optimiser")

    def update(self, optimiser: str, parameters: Arrays, gradients: Arrays) -> Prepared:
        """A step of "SGD" or "Adam"; the results are the new parameters."""
        raise UnavailableError("it has no optimiser")

    def inference(self, layers: Layers, parameters: Arrays, x: np.ndarray) -> Prepared:
        """The network's outputs."""
        return self.value(lambda x, *parameters: forward(self, layers, iter(parameters), x), [x, *parameters])

    def peak(self, name: str, size: int, length: int) -> Callable[[], object]:
        """A "product" of matrices, a "copy" or a "triad" a + 2 b of vectors, at the machine's speed."""
        raise UnavailableError("it is not asked for the machine's own speed")

    @abstractmethod
    def tensor(self, array: np.ndarray) -> Any:
        """An input that needs no gradient."""

    def constant(self, array: np.ndarray) -> Any:
        """Labels as the library's `cross_entropy` takes them."""
        return array

    def conv2d(self, x: Any, weight: Any, bias: Any = None, stride: int = 1, padding: int = 0, groups: int = 1) -> Any:
        raise UnavailableError("it has no convolution")

    def conv_transpose2d(self, x: Any, weight: Any, bias: Any = None, stride: int = 1, padding: int = 0) -> Any:
        raise UnavailableError("it has no transposed convolution")

    def max_pool2d(self, x: Any, size: int, stride: int, padding: int = 0) -> Any:
        raise UnavailableError("it has no max-pooling")

    def batch_norm(self, x: Any, weight: Any, bias: Any) -> Any:
        """In training: by the batch's own mean and variance."""
        raise UnavailableError("it has no batch normalisation")

    def relu(self, x: Any) -> Any:
        raise UnavailableError("it has no ReLU")

    def linear(self, x: Any, weight: Any, bias: Any) -> Any:
        return x @ weight.T + bias

    def global_average(self, x: Any) -> Any:
        """(N, C, H, W) to (N, C)."""
        return x.mean(axis=(2, 3))

    def flatten(self, x: Any) -> Any:
        """(N, ...) to (N, numbers of a sample)."""
        return x.reshape(x.shape[0], -1)

    def concatenate(self, tensors: Sequence[Any]) -> Any:
        """Along the channels."""
        raise UnavailableError("it has no concatenation")

    def cross_entropy(self, logits: Any, labels: Any) -> Any:
        """The mean over samples (and pixels); the classes are axis 1."""
        raise UnavailableError("it has no cross entropy")


def batch_statistics(x: Any, weight: Any, bias: Any) -> Any:
    """`batch_norm` in the array operations of a library that has no such function."""
    centred = x - x.mean(axis=(0, 2, 3), keepdims=True)
    variance = (centred * centred).mean(axis=(0, 2, 3), keepdims=True)
    return centred / (variance + EPSILON) ** 0.5 * weight.reshape(1, -1, 1, 1) + bias.reshape(1, -1, 1, 1)

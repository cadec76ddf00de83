"""Single operations: the convolutions, forward, dX and dK each alone, and the others forward + backward as called.

Every case has the shapes that it is measured with, the floating-point operations it takes, and the bytes of what goes
in and comes out, each counted once: no implementation can move less.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from benchmarks.cpu.libraries import Library, Prepared
from benchmarks.cpu.networks import LENET, parameters_of


class Case(NamedTuple):
    """What is measured: how a library prepares it, and what is needed to judge the time."""

    name: str
    prepare: Callable[[Library], Prepared]
    flops: float = 0
    bytes: float = 0
    elements: int = 1  # samples or operations, where the cost of one is asked for
    tolerance: float = 1e-4  # of an array's distance from PyTorch's, relative to its norm


def normal(rng: np.random.Generator, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


# Convolutions: N, C, H, W / F, kernel, stride, padding, groups
CONVOLUTIONS = [
    ((64, 1, 28, 28), (8, 5, 1, 0, 1)),
    ((64, 8, 14, 14), (16, 5, 1, 0, 1)),
    ((32, 3, 32, 32), (64, 3, 1, 1, 1)),
    ((32, 64, 32, 32), (64, 3, 1, 1, 1)),
    ((16, 128, 16, 16), (256, 3, 1, 1, 1)),
    ((32, 64, 32, 32), (128, 3, 2, 1, 1)),
    ((32, 64, 32, 32), (128, 1, 1, 0, 1)),
    ((1, 3, 224, 224), (64, 7, 2, 3, 1)),
    ((32, 64, 32, 32), (64, 3, 1, 1, 64)),
]


def convolution(library: Library, part: str, image: tuple[int, ...], kernel: tuple[int, ...]) -> Prepared:
    filters, size, stride, padding, groups = kernel
    n, channels, height, width = image
    out = ((n + 2 * padding - size) // stride + 1 for n in (height, width))
    shapes = image, (filters, channels // groups, size, size), (n, filters, *out)
    x, weight, dz = normal(np.random.default_rng(0), *shapes)
    function = partial(library.conv2d, stride=stride, padding=padding, groups=groups)
    if part == "forward":
        return library.value(function, [x, weight])
    return library.one_gradient(function, [x, weight], ("dX", "dK").index(part), dz)


def _convolution_case(part: str, image: tuple[int, ...], kernel: tuple[int, ...]) -> Case:
    filters, size, stride, padding, groups = kernel
    n, channels, height, width = image
    pixels = prod((n + 2 * padding - size) // stride + 1 for n in (height, width))
    weights = filters * channels // groups * size * size
    moved = 4 * (prod(image) + weights + n * filters * pixels)
    shape = ",".join(map(str, image)) + f" / {filters},{size},{stride},{padding}"
    name = f"{shape}{' depthwise' if groups > 1 else ''}, {part}"
    return Case(name, partial(convolution, part=part, image=image, kernel=kernel), 2 * n * pixels * weights, moved)


def convolutions() -> list[Case]:
    return [_convolution_case(part, *shape) for shape in CONVOLUTIONS for part in ("forward", "dX", "dK")]


# The others, forward and backward


def operation(
    library: Library,
    name: str,
    shapes: tuple[tuple[int, ...], ...],
    result: tuple[int, ...],
    options: dict[str, Any],
) -> Prepared:
    """An operation by the name that it has in `Library`, and all its gradients."""
    *arrays, upstream = normal(np.random.default_rng(0), *shapes, result)
    return library.value_and_gradients(partial(getattr(library, name), **options), arrays, upstream)


def cross_entropy(library: Library, shape: tuple[int, int]) -> Prepared:
    rng = np.random.default_rng(0)
    labels = library.constant(rng.integers(0, shape[1], shape[0]))
    return library.value_and_gradients(partial(library.cross_entropy, labels=labels), normal(rng, shape), None)


def update(library: Library, optimiser: str, shapes: list[tuple[int, ...]]) -> Prepared:
    rng = np.random.default_rng(0)
    return library.update(optimiser, normal(rng, *shapes), normal(rng, *shapes))


def _operation_case(
    title: str, name: str, shapes: tuple[tuple[int, ...], ...], result: tuple[int, ...], **options: Any
) -> Case:
    prepare = partial(operation, name=name, shapes=shapes, result=result, options=options)
    # Each argument comes in and its gradient goes out; the result goes out and its gradient comes in.
    return Case(title, prepare, bytes=8 * (sum(map(prod, shapes)) + prod(result)))


LENET_SHAPES = [p.shape for p in parameters_of(LENET, np.random.default_rng(0))]
FOUR_MILLION = [(512, 512, 3, 3), (512,), (1024, 1024), (1024,), (512, 1024), (512,), (64, 512)]


def operations() -> list[Case]:
    small, large = (64, 8, 28, 28), (32, 64, 32, 32)
    halved = (32, 64, 16, 16)
    cases = [
        _operation_case("max-pool 2x2, (64,8,28,28)", "max_pool2d", (small,), (64, 8, 14, 14), size=2, stride=2),
        _operation_case("max-pool 2x2, (32,64,32,32)", "max_pool2d", (large,), halved, size=2, stride=2),
        _operation_case(
            "max-pool 3x3 stride 2, (32,64,32,32)", "max_pool2d", (large,), halved, size=3, stride=2, padding=1
        ),
        _operation_case("ReLU, 0.4M elements", "relu", (small,), small),
        _operation_case("ReLU, 2.1M elements", "relu", (large,), large),
        _operation_case("batch norm, (32,64,32,32)", "batch_norm", (large, (64,), (64,)), large),
        _operation_case(
            "conv-transpose k2 s2, (32,64,16,16) / 32",
            "conv_transpose2d",
            (halved, (64, 32, 2, 2), (32,)),
            (32, 32, 32, 32),
            stride=2,
        ),
        _operation_case(
            "conv-transpose k4 s2, (32,64,16,16) / 32",
            "conv_transpose2d",
            (halved, (64, 32, 4, 4), (32,)),
            (32, 32, 32, 32),
            stride=2,
            padding=1,
        ),
    ]
    for shape in ((64, 10), (256, 1000)):
        name = f"softmax cross-entropy, ({shape[0]},{shape[1]})"
        cases.append(Case(name, partial(cross_entropy, shape=shape), bytes=8 * prod(shape)))
    for optimiser, arrays in (("SGD", 3), ("Adam", 7)):  # p and g come in, p goes out; Adam's two moments both ways
        for title, shapes in (("LeNet's parameters", LENET_SHAPES), ("4M parameters", FOUR_MILLION)):
            prepare = partial(update, optimiser=optimiser, shapes=shapes)
            cases.append(Case(f"{optimiser}, {title}", prepare, bytes=4 * arrays * sum(map(prod, shapes))))
    return cases

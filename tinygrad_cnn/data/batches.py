"""Minibatches."""

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def batches(
    images: ArrayLike,
    labels: ArrayLike,
    batch_size: int,
    *,
    shuffle: bool = True,
    rng: np.random.Generator | int | None = None,
    drop_last: bool = False,
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Iterate once over images (N, ...) and labels (N, ...) in minibatches of `batch_size`.

    Yields pairs of arrays (batch_size, ...). Where `batch_size` does not divide N, the last pair holds the remainder,
    or is left out with `drop_last=True`. With `shuffle=True` the images come in random order, drawn from `rng`: a
    `numpy.random.Generator`, which goes on where the last epoch left it, or a seed, which gives the same order each
    time, or None for a different order on every run.

    Raises ValueError where images and labels differ in length, have no axis to iterate over, or `batch_size` is below
    1; TypeError where `batch_size` is not an integer; and whichever of the two NumPy raises for a bad `rng`.

    >>> x, y = np.arange(5) * 10, np.arange(5)
    >>> for images, labels in batches(x, y, batch_size=2, shuffle=False):
    ...     print(images, labels)
    [ 0 10] [0 1]
    [20 30] [2 3]
    [40] [4]
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim == 0 or labels.ndim == 0 or len(images) != len(labels):
        raise ValueError(
            "batches: images and labels expect the same length on axis 0, "
            f"but images have shape {images.shape} and labels {labels.shape}"
        )
    try:
        size = operator.index(batch_size)
    except TypeError:
        raise TypeError(f"batches: batch_size expects an int, but got {batch_size!r}") from None
    if size < 1:
        raise ValueError(f"batches: batch_size expects at least 1, but got {size}")
    try:
        generator = np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise type(error)(f"batches: rng expects a numpy.random.Generator, a seed or None, but got {rng!r}") from error

    count = len(images)
    order = generator.permutation(count) if shuffle else np.arange(count)
    stop = count - count % size if drop_last else count
    return ((images[order[i : i + size]], labels[order[i : i + size]]) for i in range(0, stop, size))

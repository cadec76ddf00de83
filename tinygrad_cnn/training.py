"""Training a classifier: the loop that every script writes, its accuracy, and an optional progress bar.

The loop is short enough to write yourself, and examples/digits.py does:

    for images, labels in batches(train_images, train_labels, 32):
        optimizer.zero_grad()
        loss = tg.cross_entropy(model(tg.tensor(images)), labels)
        loss.backward()
        optimizer.step()
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import ceil, isfinite
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn import backend
from tinygrad_cnn.data.batches import batches
from tinygrad_cnn.modes import no_grad
from tinygrad_cnn.nn.module import Module, in_mode
from tinygrad_cnn.optim import Optimizer
from tinygrad_cnn.primitives.softmax import cross_entropy
from tinygrad_cnn.tensor import tensor

Progress = Callable[..., Iterable[Any]]


class Epoch(NamedTuple):
    """What one pass over the training images gave."""

    number: int
    """Counted from 1."""
    loss: float
    """The mean over the images, each at the step that trained on it."""
    accuracy: float
    """The share of the images that were classified rightly at that step, 0 to 1."""
    losses: tuple[float, ...]
    """The mean loss of each step: the loss curve."""


def train(
    model: Callable[[Any], Any],
    images: Any,
    labels: Any,
    *,
    optimizer: Optimizer,
    epochs: int,
    batch_size: int,
    loss: Callable[[Any, Any], Any] = cross_entropy,
    seed: int | np.random.Generator | None = None,
    progress: Progress | None = None,
) -> Iterator[Epoch]:
    """Train, and yield an `Epoch` after each pass over the images: a loop over it can print, evaluate, or stop.

    The images are shuffled anew in every epoch. Stopping early, by `break`, Ctrl-C or an error, leaves a model that can
    be used and trained on. Between epochs every module is in the mode, training or not, that it was in before.

    Args:
        model: a `Module`, or any function of a batch of images that gives logits (N, classes).
        images: (N, ...), NumPy; each batch is cast to the dtype of the module's parameters and moved to their device,
            for a function to the default device.
        labels: (N,), integers.
        optimizer: of the model's parameters.
        epochs: the number of passes.
        batch_size: the number of images in a step; the last step of an epoch has what remains.
        loss: a function of logits and labels, both tensors, that gives their mean loss.
        seed: of the order of the images, or a generator; None draws it from the state that `tg.manual_seed` sets.
        progress: what shows a bar, called as `progress(steps, total=..., desc=..., leave=False)`: `progress_bar`, or
            `tqdm.tqdm` itself. None shows nothing.

    Raises:
        ValueError: numbers of images and labels that differ, no images, `epochs` or `batch_size` below 1, a bad seed.
        TypeError: an argument of a wrong type.
        FloatingPointError: a loss that is NaN or infinite; the step that had it is not taken.

    >>> import numpy as np
    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn, optim
    >>> tg.manual_seed(0)
    >>> images = np.array([[-1.0], [1.0]] * 8, dtype=np.float32)
    >>> labels = np.array([0, 1] * 8)
    >>> model = nn.Linear(1, 2)
    >>> sgd = optim.SGD(model.parameters(), lr=1.0)
    >>> for epoch in train(model, images, labels, optimizer=sgd, epochs=3, batch_size=4):
    ...     pass
    >>> epoch.number, epoch.accuracy, len(epoch.losses)
    (3, 1.0, 4)
    """
    images, labels = _checked(model, images, labels, "train")
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"train: optimizer must be an Optimizer, such as tg.optim.SGD, but is {optimizer!r}")
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"train: {name} must be an integer but is {value!r}")
        if value < 1:
            raise ValueError(f"train: {name} must be at least 1 but is {value}")
    try:
        rng = backend.generator("cpu") if seed is None else np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise type(error)(f"train: seed expects an integer >= 0, a generator or None but got {seed!r}") from error
    return _epochs(model, images, labels, optimizer, loss, int(epochs), int(batch_size), rng, progress)


def _epochs(
    model: Callable[[Any], Any],
    images: Any,
    labels: Any,
    optimizer: Optimizer,
    loss: Callable[[Any, Any], Any],
    epochs: int,
    batch_size: int,
    rng: np.random.Generator,
    progress: Progress | None,
) -> Iterator[Epoch]:
    like = _like(model)
    for number in range(1, epochs + 1):
        steps: Iterable[Any] = batches(images, labels, batch_size, rng=rng)
        if progress is not None:
            total = ceil(len(images) / batch_size)
            steps = progress(steps, total=total, desc=f"epoch {number}/{epochs}", leave=False)
        losses: list[float] = []
        summed, right = 0.0, 0
        with in_mode(model, training=True):
            for batch, batch_labels in steps:
                optimizer.zero_grad()
                logits = model(tensor(batch, **like))
                cost = loss(logits, tensor(batch_labels, device=like["device"]))
                losses.append(_finite(cost.item(), number, len(losses) + 1))
                cost.backward()
                optimizer.step()
                summed += losses[-1] * len(batch)
                right += _right("train", logits, batch_labels)
        optimizer.zero_grad()
        yield Epoch(number, summed / len(images), right / len(images), tuple(losses))


def _finite(loss: float, epoch: int, step: int) -> float:
    if not isfinite(loss):
        raise FloatingPointError(
            f"train: the loss became {loss} in epoch {epoch}, step {step}; a smaller learning rate may help, "
            "and tg.debug() around the training names the operation that did it"
        )
    return loss


def accuracy(model: Callable[[Any], Any], images: Any, labels: Any, batch_size: int = 256) -> float:
    """The share of the images whose largest logit is at their label, 0 to 1.

    The model is in evaluation mode meanwhile and nothing is recorded.

    Args:
        model: a `Module`, or any function of a batch of images that gives logits (N, classes).
        images: (N, ...), NumPy.
        labels: (N,), integers.
        batch_size: how many images are computed at once.

    Raises:
        ValueError: numbers of images and labels that differ, no images, a `batch_size` below 1, outputs that are not
            (N, classes).
        TypeError: an argument of a wrong type.

    >>> import numpy as np
    >>> accuracy(lambda x: x, np.eye(4), np.array([0, 1, 2, 0]))
    0.75
    """
    images, labels = _checked(model, images, labels, "accuracy")
    like = _like(model)
    with in_mode(model, training=False), no_grad():
        right = sum(
            _right("accuracy", model(tensor(batch, **like)), batch_labels)
            for batch, batch_labels in batches(images, labels, batch_size, shuffle=False)
        )
    return right / len(images)


def progress_bar(steps: Iterable[Any], **options: Any) -> Iterable[Any]:
    """A bar by tqdm on the standard error, as `progress` of `train`; `options` are tqdm's.

    Raises:
        ModuleNotFoundError: tqdm is not installed.
    """
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ModuleNotFoundError("progress_bar: tqdm is not installed; pip install 'tinygrad_cnn[demo]'") from error
    bar: Iterable[Any] = tqdm(steps, **options)
    return bar


def _checked(model: Any, images: Any, labels: Any, operation: str) -> tuple[Any, Any]:
    if not callable(model):
        raise TypeError(f"{operation}: model must be a Module or a function but is {model!r}")
    images, labels = np.asarray(images), np.asarray(labels)
    if labels.ndim != 1 or images.ndim == 0 or len(images) != len(labels):
        raise ValueError(
            f"{operation}: expected images (N, ...) and labels (N,) but got shapes {images.shape} and {labels.shape}"
        )
    if not len(images):
        raise ValueError(f"{operation}: expected images but got none (shape {images.shape})")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{operation}: labels must be integers but are {labels.dtype}")
    return images, labels


def _like(model: Any) -> dict[str, Any]:
    """The dtype and device of the model's parameters; the default device for a function, or a module without any."""
    first = next(model.parameters(), None) if isinstance(model, Module) else None
    return {"device": backend.get_default_device()} if first is None else {"dtype": first.dtype, "device": first.device}


def _right(operation: str, logits: Any, labels: Any) -> int:
    """How many rows have their largest logit at the label."""
    if logits.ndim != 2 or len(logits) != len(labels):
        raise ValueError(f"{operation}: expected logits of shape ({len(labels)}, classes) but got {logits.shape}")
    return int((backend.to_numpy(logits.argmax(axis=1)._array) == labels).sum())

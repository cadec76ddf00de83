"""`tinygrad-cnn demo`: a CNN learns real digits, its backward formulas are proved on them, and its graph is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn import backend, data, nn, verify, viz
from tinygrad_cnn.optim import Adam
from tinygrad_cnn.viz import figures

BATCH_SIZE = 32


class DigitsCNN(nn.Module):
    """Two convolutions, each with ReLU and max-pool, and a linear classifier: (N, 1, 8, 8) -> (N, 10)."""

    def __init__(self) -> None:
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.classifier = nn.Linear(16 * 2 * 2, 10)

    def forward(self, x: Any) -> Any:
        """Logits of the ten digits."""
        x = tg.max_pool2d(tg.relu(self.conv1(x)), 2)
        x = tg.max_pool2d(tg.relu(self.conv2(x)), 2)
        return self.classifier(x.reshape(len(x), -1))


class History:
    """What happened: the mean loss and the accuracies of each epoch that was finished."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.train: list[float] = []
        self.test: list[float] = []


def run(epochs: int, device: str, seed: int, out: Path) -> int:
    """Do everything and say where each file is; 0 when the formulas were proved, else 1."""
    device = backend.parse_device(device)
    _prepare(out)
    before = backend.get_default_device()
    backend.set_default_device(device)
    try:
        tg.manual_seed(seed)
        digits = data.digits()
        model = DigitsCNN()
        print(f"{model}\n\n{len(digits.train_images)} digits to train with, {len(digits.test_images)} to test with, on {device}")
        history = _train(model, digits, epochs, seed)
        proved = _verify(model, digits)
        _draw(model, digits, history, out)
    finally:
        backend.set_default_device(before)
    return 0 if proved else 1


def _prepare(out: Path) -> None:
    """Make the folder and try to write in it, before a minute is spent on what could not be saved."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OSError(f"can't write to the folder {str(out)!r}: {error.strerror or error}") from error


def _train(model: DigitsCNN, digits: Any, epochs: int, seed: int) -> History:
    """Train until done or until Ctrl-C, which keeps what was learned."""
    history = History()
    optimizer = Adam(model.parameters(), lr=3e-3)
    rng = np.random.default_rng(seed)
    try:
        for epoch in range(1, epochs + 1):
            optimizer.param_groups[0]["lr"] = 3e-3 * (1 - (epoch - 1) / epochs)
            losses = []
            batches = list(data.batches(digits.train_images, digits.train_labels, BATCH_SIZE, rng=rng))
            for images, labels in _progress(batches, f"epoch {epoch:2}/{epochs}"):
                loss = tg.cross_entropy(model(tg.tensor(images)), labels_on_device(labels))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            history.losses.append(float(np.mean(losses)))
            history.train.append(accuracy(model, digits.train_images, digits.train_labels))
            history.test.append(accuracy(model, digits.test_images, digits.test_labels))
            print(
                f"epoch {epoch:2}/{epochs}   loss {history.losses[-1]:.4f}   "
                f"train {history.train[-1]:6.2%}   test {history.test[-1]:6.2%}"
            )
    except KeyboardInterrupt:
        print(f"\ninterrupted after {len(history.losses)} of {epochs} epochs; going on with what was learned")
    return history


def labels_on_device(labels: Any) -> Any:
    """Labels as a tensor on the default device."""
    return tg.tensor(labels, device=backend.get_default_device())


def accuracy(model: DigitsCNN, images: Any, labels: Any) -> float:
    """The fraction of the images whose largest logit is the label's."""
    with tg.no_grad():
        predicted = model(tg.tensor(images)).argmax(axis=1).numpy()
    return float((predicted == labels).mean())


def _progress(steps: list[Any], label: str) -> Iterable[Any]:
    try:
        from tqdm import tqdm
    except ImportError:
        return steps
    return tqdm(steps, desc=label, leave=False, unit="batch")  # type: ignore[no-any-return]


def _verify(model: DigitsCNN, digits: Any) -> bool:
    """Prove dX, dK and dB of the first layer on two test images, with the gradient that the trained network sends back."""
    images = tg.tensor(digits.test_images[:2], requires_grad=True)
    labels = labels_on_device(digits.test_labels[:2])
    z = model.conv1(images)
    pooled = tg.max_pool2d(tg.relu(z), 2)
    logits = model.classifier(tg.max_pool2d(tg.relu(model.conv2(pooled)), 2).reshape(2, -1))
    (dz,) = tg.grad(tg.cross_entropy(logits, labels), z)
    report = verify.conv2d_formulas(images, model.conv1.weight, model.conv1.bias, dz, padding=1)
    print(f"\nThe backward formulas of the trained first layer, on two test digits:\n{report}")
    return bool(report)


def _draw(model: DigitsCNN, digits: Any, history: History, out: Path) -> None:
    """Write the pictures; a missing extra costs its picture, not the others."""
    print("\nWritten:")
    x = tg.tensor(digits.test_images[:1], name="digit")
    loss = tg.cross_entropy(model(x), labels_on_device(digits.test_labels[:1]))
    loss.name = "loss"
    loss.backward()
    graph = viz.draw(loss, values=True, gradients=True)
    (out / "graph.dot").write_text(graph.source, encoding="utf-8")
    _say(out / "graph.dot", "the computation graph of one training step, as DOT text")
    svg = viz.render(graph, out / "graph.svg")
    if svg.by:
        _say(svg.path, f"the same as a picture, drawn by {svg.by}")
    with _optional():
        if history.losses:
            figures.training_curve(history.losses, history.train, history.test).savefig(out / "loss.png", dpi=150)
            _say(out / "loss.png", "the loss and the accuracy of each epoch")
        figures.filters(model.conv1.weight).savefig(out / "kernels.png", dpi=150)
        _say(out / "kernels.png", "the kernels of the first layer")
        with tg.no_grad():
            maps = tg.relu(model.conv1(x))
        figures.feature_maps(x.numpy()[0, 0], maps.numpy()[0]).savefig(out / "feature_maps.png", dpi=150)
        _say(out / "feature_maps.png", f"what each of them makes of a {digits.test_labels[0]}")


@contextmanager
def _optional() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        print(f"  (no figures: {error})")


def _say(path: Path, what: str) -> None:
    print(f"  {path}: {what}")

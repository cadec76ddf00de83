"""`tinygrad-cnn demo`: a CNN learns real digits, its backward formulas are proved on them, and its graph is drawn."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import tinygrad_cnn as tg
from tinygrad_cnn import backend, data, nn, training, verify, viz
from tinygrad_cnn.optim import Adam
from tinygrad_cnn.viz import figures

BATCH_SIZE = 32
LEARNING_RATE = 3e-3


class DigitsCNN(nn.Module):
    """Two convolutions, a max-pool and a linear classifier: (N, 1, 8, 8) -> (N, 10)."""

    def __init__(self) -> None:
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.classifier = nn.Linear(32 * 4 * 4, 10)

    def forward(self, x: Any) -> Any:
        """Logits of the ten digits."""
        return self.after_first(self.conv1(x))

    def after_first(self, z: Any) -> Any:
        """What the network makes of its first convolution's output."""
        x = tg.relu(self.conv2(tg.relu(z)))
        x = tg.max_pool2d(x, 2)
        return self.classifier(x.reshape(len(x), -1))


class Finished(NamedTuple):
    """What an epoch came to."""

    loss: float
    train_accuracy: float
    test_accuracy: float


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
        counts = f"{len(digits.train_images)} digits to train with, {len(digits.test_images)} to test with"
        print(f"{model}\n\n{counts}, on {device}")
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


def _train(model: DigitsCNN, digits: Any, epochs: int, seed: int) -> list[Finished]:
    """Train until done or until Ctrl-C, which keeps what was learned."""
    history: list[Finished] = []
    optimizer = Adam(model.parameters(), lr=LEARNING_RATE)
    images, labels = digits.train_images, digits.train_labels
    progress = training.progress_bar if find_spec("tqdm") else None
    run = training.train(
        model, images, labels, optimizer=optimizer, epochs=epochs, batch_size=BATCH_SIZE, seed=seed, progress=progress
    )
    try:
        for epoch in run:
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - epoch.number / epochs)
            train_accuracy = training.accuracy(model, images, labels)
            test_accuracy = training.accuracy(model, digits.test_images, digits.test_labels)
            history.append(Finished(epoch.loss, train_accuracy, test_accuracy))
            print(
                f"epoch {epoch.number:2}/{epochs}   loss {epoch.loss:.4f}   "
                f"train {train_accuracy:6.2%}   test {test_accuracy:6.2%}"
            )
    except KeyboardInterrupt:
        print(f"\ninterrupted after {len(history)} of {epochs} epochs; going on with what was learned")
    return history


def _verify(model: DigitsCNN, digits: Any) -> bool:
    """Prove dX, dK and dB of the first layer on two test images, with the gradient that the network sends back."""
    images = tg.tensor(digits.test_images[:2])
    z: Any = model.conv1(images).retain_grad()
    tg.cross_entropy(model.after_first(z), digits.test_labels[:2]).backward()
    model.zero_grad()
    passed = True
    for device in dict.fromkeys((images.device, *_gpu())):
        x, weight, bias, dz = (t.detach().to(device) for t in (images, *model.conv1.parameters(), z.grad))
        report = verify.conv2d_formulas(x, weight, bias, dz, padding=1)
        print(f"\nThe backward formulas of the trained first layer, on two test digits, on {device}:\n\n{report}")
        passed = passed and bool(report)
    return passed


def _gpu() -> list[str]:
    """The GPU, where there is one."""
    try:
        return [backend.parse_device("gpu")]
    except RuntimeError:
        return []


def _draw(model: DigitsCNN, digits: Any, history: list[Finished], out: Path) -> None:
    """Write the pictures; a missing extra costs its picture, not the others."""
    print("\nWritten:")
    x = tg.tensor(digits.test_images[:1], name="digit")
    with tg.debug():  # every node keeps its value and its gradient, however large
        loss = tg.cross_entropy(model(x), digits.test_labels[:1])
        loss.name = "loss"
        loss.backward()
    graph = viz.draw(loss, values=True, gradients=True, direction="TB")
    (out / "graph.dot").write_text(graph.source, encoding="utf-8")
    _say(out / "graph.dot", "the computation graph of one training step, as DOT text")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is missing is said below
        picture = viz.render(graph, out / "graph.svg")
    if picture.by:
        _say(picture.path, f"the same as a picture, drawn by {picture.by}")
    else:
        print(f"  (no picture of it: {picture.message})")
    try:
        if history:
            figures.save(figures.training_curve(*zip(*history, strict=True)), out / "loss.png")
            _say(out / "loss.png", "the loss and the accuracy of each epoch")
        figures.save(figures.filters(model.conv1.weight), out / "kernels.png")
        _say(out / "kernels.png", "the kernels of the first layer")
        figures.save(figures.feature_maps(model, x), out / "feature_maps.png")
        _say(out / "feature_maps.png", f"what each layer makes of a {digits.test_labels[0]}")
    except ImportError as error:
        print(f"  (no figures: {error})")


def _say(path: Path, what: str) -> None:
    print(f"  {path}: {what}")

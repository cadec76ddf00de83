"""What recording and walking a graph costs: scalars, a small MLP and the import, against PyTorch and NumPy.

    python -m benchmarks overhead

The scalar MLP 2-16-16-1 is micrograd's: every number a node. The tensor MLP 64-32-10 takes one 8x8 digit through two
linear layers and a cross entropy. A step is forward, backward and an SGD update; forward and backward are also timed
alone. Both sides start from the same weights, and their gradients are compared before anything is timed.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from benchmarks.timing import RESULTS, environment, interleave, table
from tinygrad_cnn.optim import SGD


def scalar_mlp(make: Callable[[float], Any], relu: Callable[[Any], Any]) -> tuple[Callable[[], Any], list[Any]]:
    """A forward and backward of the MLP 2-16-16-1 on scalars, and its weights."""
    rng = np.random.default_rng(0)
    sizes = [2, 16, 16, 1]
    layers = [
        [[make(float(w)) for w in rng.standard_normal(n + 1) * 0.5] for _ in range(m)]
        for n, m in pairwise(sizes)
    ]
    parameters = [w for layer in layers for neuron in layer for w in neuron]
    x = [0.7, -1.3]

    def step() -> Any:
        values: list[Any] = x
        for depth, layer in enumerate(layers):
            outputs = []
            for *weights, bias in layer:
                z = bias
                for w, v in zip(weights, values, strict=True):
                    z = z + w * v
                outputs.append(relu(z) if depth < 2 else z)
            values = outputs
        for p in parameters:
            p.grad = None
        values[0].backward()
        return values[0]

    return step, parameters


def tensor_mlp(library: Any, make: Callable[[Any], Any], image: Any, label: Any) -> tuple[Callable[[], Any], list[Any]]:
    """A forward and backward of the MLP 64-32-10 on one digit, and its weights."""
    rng = np.random.default_rng(1)
    shapes = [(32, 64), (32,), (10, 32), (10,)]
    w1, b1, w2, b2 = parameters = [make((rng.standard_normal(s) * 0.2).astype(np.float32)) for s in shapes]
    linear, relu, cross_entropy = library.linear, library.relu, library.cross_entropy

    def step() -> Any:
        for p in parameters:
            p.grad = None
        loss = cross_entropy(linear(relu(linear(image, w1, b1)), w2, b2), label)
        loss.backward()
        return loss

    return step, parameters


def import_times(rounds: int = 15) -> tuple[float, float, float]:
    """Quartiles of the milliseconds that `import tinygrad_cnn` adds to `import numpy`, in alternating processes."""
    code = (
        "import time; import numpy; start = time.perf_counter(); import tinygrad_cnn; "
        "print((time.perf_counter() - start) * 1e3)"
    )
    times = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(rounds)]
    return tuple(statistics.quantiles(times, n=4))  # type: ignore[return-value]


def same_gradients(mine: list[Any], theirs: list[Any]) -> None:
    """Stop when the two sides do not compute the same thing."""
    for p, q in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-4, atol=1e-6)


def rows_of(name: str, mine: Any, theirs: Any, my_weights: list[Any], their_weights: list[Any]) -> dict[str, Any]:
    """Forward and backward alone, and a whole training step, of both sides."""
    import torch

    mine(), theirs()
    same_gradients(my_weights, their_weights)
    # A rate so small that the numbers stay what they are, however many steps are timed.
    my_sgd, their_sgd = SGD(my_weights, lr=1e-9), torch.optim.SGD(their_weights, lr=1e-9)

    def my_step() -> None:
        mine()
        my_sgd.step()

    def their_step() -> None:
        theirs()
        their_sgd.step()

    return {
        f"{name}, training step": interleave({"PyTorch": their_step, "tinygrad_cnn": my_step}, "PyTorch"),
        f"{name}, forward + backward": interleave({"PyTorch": theirs, "tinygrad_cnn": mine}, "PyTorch"),
    }


def main() -> None:
    """Measure, print and write `results/overhead.md`."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(2)
    mine, my_weights = scalar_mlp(lambda w: tg.tensor(w, requires_grad=True), tg.relu)
    theirs, their_weights = scalar_mlp(lambda w: torch.tensor(w, requires_grad=True), torch.relu)
    rows = rows_of("scalar MLP 2-16-16-1", mine, theirs, my_weights, their_weights)

    digits = tg.data.digits()
    image, label = digits.train_images[:1].reshape(1, 64), digits.train_labels[:1]
    mine, my_weights = tensor_mlp(tg, lambda w: tg.tensor(w, requires_grad=True), tg.tensor(image), tg.tensor(label))
    theirs, their_weights = tensor_mlp(
        functional, lambda w: torch.tensor(w, requires_grad=True), torch.tensor(image), torch.tensor(label)
    )
    rows |= rows_of("MLP 64-32-10 on one digit", mine, theirs, my_weights, their_weights)

    low, middle, high = import_times()
    text = (
        "# Overhead\n\n`python -m benchmarks overhead`: interleaved in one process, ratio to PyTorch eager in the same "
        f"round, below 1 is faster.\n{environment()}, 2 threads.\n\n{table(rows)}\n\n"
        f"`import tinygrad_cnn` after `import numpy`: {middle:.0f} ms ({low:.0f} to {high:.0f}).\n"
    )
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "overhead.md").write_text(text)

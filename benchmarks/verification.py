"""What verification costs: `check_rule` over the default families, `derive`, scalar graphs.

    python -m benchmarks verification

Every time is that of one call: the median of several, in seconds, after one that is not timed. The limits are those
that the project has set itself.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from benchmarks.timing import RESULTS, environment, median_of
from tinygrad_cnn.verify.catalogue.convolution_rules import bias_gradient, input_gradient, kernel_gradient

# check_rule


def conv(X: Any, K: Any, B: Any, stride: int = 1, padding: int = 0) -> Any:
    """A student's convolution of a batch, in loops."""
    P = np.pad(X, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    kh, kw = K.shape[2:]
    rows, columns = (P.shape[2] - kh) // stride + 1, (P.shape[3] - kw) // stride + 1
    Z = np.zeros((X.shape[0], K.shape[0], rows, columns))
    for n, f, i, j in np.ndindex(Z.shape):
        window = P[n, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
        Z[n, f, i, j] = np.sum(window * K[f]) + B[f]
    return Z


def dX(dZ: Any, X: Any, K: Any, stride: int, padding: int) -> Any:
    """The right rule, in loops."""
    H, W = X.shape[2:]
    kh, kw = K.shape[2:]
    P = np.zeros((*X.shape[:2], H + 2 * padding, W + 2 * padding))
    for n, f, i, j in np.ndindex(dZ.shape):
        P[n, :, i * stride : i * stride + kh, j * stride : j * stride + kw] += dZ[n, f, i, j] * K[f]
    return P[:, :, padding : padding + H, padding : padding + W]


def dK(dZ: Any, X: Any, K: Any, stride: int, padding: int) -> Any:
    """The right rule, in loops."""
    P = np.pad(X, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    kh, kw = K.shape[2:]
    gradient = np.zeros(K.shape)
    for n, f, i, j in np.ndindex(dZ.shape):
        gradient[f] += dZ[n, f, i, j] * P[n, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
    return gradient


def dB(dZ: Any) -> Any:
    """The right rule."""
    return dZ.sum(axis=(0, 2, 3))


def with_every_option(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A rule of the catalogue, which knows dilation and groups too, in the form of a student's."""

    def gradient(dZ: Any, x: Any, weight: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
        inputs = {"x": x, "weight": weight, "stride": stride, "padding": padding, "dilation": dilation}
        return rule(dZ, inputs | {"groups": groups, "padding_mode": "zeros"})

    return gradient


RIGHT = {"X": dX, "K": dK, "B": dB}
OF_THE_CATALOGUE = {
    "x": with_every_option(input_gradient),
    "weight": with_every_option(kernel_gradient),
    "bias": lambda dZ: bias_gradient(dZ, {}),
}
WRONG: dict[str, Callable[..., Any]] = {
    "X": lambda dZ, X, K, stride, padding: -dX(dZ, X, np.rot90(K, 2, axes=(2, 3)), stride, padding),
    "K": lambda dZ, X, K, stride, padding: np.rot90(dK(dZ, X, K, stride, padding), 2, axes=(2, 3)) / len(X),
    "B": lambda dZ: dZ.sum(axis=0),
}


def rules() -> str:
    """`check_rule` of three rules over the default family. The limit: 5 s."""
    rows = ["| forward | rules | verdict | time |", "| --- | --- | --- | --- |"]
    for title, forward, three in (
        ("`tg.conv2d`", tg.conv2d, OF_THE_CATALOGUE),
        ("a student's loops", conv, RIGHT),
        ("a student's loops", conv, WRONG),
    ):
        report = tg.verify.check_rule(forward, three)
        found = "; ".join(check.diagnosis.name if check.diagnosis else "passed" for check in report)
        time = median_of(partial(tg.verify.check_rule, forward, three))
        rows.append(f"| {title} | dX, dK, dB | {found} | {time:.3f} |")
    return "## Rules of conv2d\n\n" + "\n".join(rows)


# derive


def derived(size: int, kernel: int) -> str:
    """The derivation of dX for one image of one channel, as text."""
    rng = np.random.default_rng(0)
    shapes = {"X": (1, 1, size, size), "K": (1, 1, kernel, kernel), "B": (1,)}
    x, k, b = (tg.tensor(rng.integers(-9, 10, s).astype(float), requires_grad=True, name=n) for n, s in shapes.items())
    z = tg.conv2d(x, k, b)
    z.name = "Z"
    return tg.verify.derive(z, x).text(full=True)


def in_new_process(size: int, kernel: int) -> None:
    """The same in a process that has to import everything first."""
    code = f"from benchmarks.verification import derived; derived({size}, {kernel})"
    subprocess.run([sys.executable, "-c", code], check=True)


def derivations() -> str:
    """`derive` of a convolution by X. The limits: 1 s for 3x3 with 2x2, 10 s for 8x8 with 3x3."""
    rows = ["| X, K | time | in a new process, with the imports |", "| --- | --- | --- |"]
    for size, kernel in ((3, 2), (8, 3)):
        here, alone = median_of(partial(derived, size, kernel)), median_of(partial(in_new_process, size, kernel))
        rows.append(f"| {size}x{size}, {kernel}x{kernel} | {here:.3f} | {alone:.2f} |")
    return "## Derivations of dX\n\n" + "\n".join(rows)


# scalar_graph


def scalar_graphs() -> str:
    """`scalar_graph` of convolutions of an 8x8 digit, with the gradients and one formula. The limit: 3 s."""
    image = np.asarray(tg.data.digits().train_images[:1]).reshape(1, 1, 8, 8)
    rows = [
        "| layer | scalar nodes | scalar_graph | gradients | formula of a pixel |",
        "| --- | --- | --- | --- | --- |",
    ]
    for filters, size in ((6, 5), (16, 3), (16, 5), (32, 5)):
        rng = np.random.default_rng(0)
        X = tg.tensor(image, requires_grad=True, name="X")
        K = tg.tensor(rng.standard_normal((filters, 1, size, size)), image.dtype, requires_grad=True, name="K")
        B = tg.tensor(np.zeros(filters), image.dtype, requires_grad=True, name="B")
        z = tg.conv2d(X, K, B, padding="same")
        graph, dz = tg.verify.scalar_graph(z), np.ones(z.shape)
        calls = partial(tg.verify.scalar_graph, z), partial(graph.gradients, dz), partial(graph.formula, "X44")
        times = " | ".join(f"{median_of(call):.3f}" for call in calls)
        rows.append(f"| {filters} filters {size}x{size}, same | {graph.size:,} | {times} |")
    return "## Scalar graphs\n\n" + "\n".join(rows)


SECTIONS = (rules, derivations, scalar_graphs)


def main() -> None:
    """Measure, print and write `results/verification.md`."""
    sections = "\n\n".join(section() for section in SECTIONS)
    text = f"# Verification\n\n`python -m benchmarks verification`, seconds.\n{environment()}.\n\n{sections}\n"
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "verification.md").write_text(text)

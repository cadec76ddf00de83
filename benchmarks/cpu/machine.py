"""What the machine itself can do at most: large matrix products, a copy and a triad, by NumPy, PyTorch and oneDNN."""

from __future__ import annotations

from functools import partial

from benchmarks.cpu.libraries import Library, Prepared
from benchmarks.cpu.operations import Case, convolution

SIZE = 2048  # of the matrices
LENGTH = 1 << 24  # numbers in a vector: 64 MB, more than a cache holds


def peak(library: Library, name: str) -> Prepared:
    return Prepared(library.peak(name, SIZE, LENGTH), list)


def peaks() -> list[Case]:
    return [
        Case("product of matrices 2048 x 2048", partial(peak, name="product"), flops=2 * SIZE**3),
        # The same product once more; PyTorch and oneDNN may have a faster one behind their convolutions.
        Case(
            "the product as a 1x1 convolution",
            partial(convolution, part="forward", image=(1, SIZE, 32, SIZE // 32), kernel=(SIZE, 1, 1, 0, 1)),
            flops=2 * SIZE**3,
        ),
        Case("copy of 64 MB", partial(peak, name="copy"), bytes=8 * LENGTH),
        Case("triad a + 2 b of 64 MB each", partial(peak, name="triad"), bytes=12 * LENGTH),
    ]

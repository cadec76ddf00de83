"""The derivation behind a backward formula: the sums of lecture 14, written out and recognised as a correlation.

With Z = X (*) K + B, X 3x3 and K 2x2, `derive` runs the definition of the convolution on named entries, collects
dL/dX entry by entry, and finds that it is the zero-padded dL/dZ correlated with K turned by 180 degrees. The same for a
stride of 2 with padding, where the formula gets two more steps. Run it with

    python examples/derivation.py [folder]

It prints the first derivation; the folder gets each as a page for a browser and as LaTeX.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_cnn as tg


def convolution(size, kernel, **options):
    """Z and its operands, with the names that the formulas shall have."""
    rng = np.random.default_rng(0)
    leaves = []
    for name, shape in {"X": (1, 1, size, size), "K": (1, 1, kernel, kernel), "B": (1,)}.items():
        leaves.append(tg.tensor(rng.integers(-3, 4, shape).astype(float), requires_grad=True, name=name))
    return tg.conv2d(*leaves, **options), leaves


def main(folder=None):
    z, (X, K, B) = convolution(3, 2)
    by_x = tg.verify.derive(z, X)
    print(by_x)

    print("\nThe three formulas of the lecture")
    for wrt, number in ((K, 1), (B, 2), (X, 3)):
        print(tg.verify.derive(z, wrt).equation(number).text())

    print("\nOne entry of it, three ways to write it")
    entry = by_x.entries["X22"]
    print(entry.text(), entry.to_latex(), entry.to_mathml(), sep="\n")

    strided, (X, _, _) = convolution(5, 3, stride=2, padding=1)
    by_strided = tg.verify.derive(strided, X)
    print("\nWith stride 2 and padding 1")
    print(by_strided.closed_form)

    if folder is not None:
        for name, derivation in (("dX", by_x), ("dX_strided", by_strided)):
            Path(folder, f"{name}.html").write_text(derivation.to_html(), encoding="utf-8")
            Path(folder, f"{name}.tex").write_text(derivation.to_latex(document=True), encoding="utf-8")
    return by_x, by_strided


if __name__ == "__main__":
    main(*sys.argv[1:])

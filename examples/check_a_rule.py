"""README's second example: backward rules checked, the mistake named, the right formula derived, its paths drawn.

    python examples/check_a_rule.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_cnn as tg


def conv(X, K):  # your own loops, as you wrote them
    Z = np.zeros((X.shape[0] - K.shape[0] + 1, X.shape[1] - K.shape[1] + 1))
    for i in range(Z.shape[0]):
        for j in range(Z.shape[1]):
            Z[i, j] = np.sum(X[i : i + K.shape[0], j : j + K.shape[1]] * K)
    return Z


def dK(dZ, X):
    return conv(X, dZ)


def dX(dZ, K):
    h, w = K.shape
    return conv(np.pad(dZ, ((h - 1, h - 1), (w - 1, w - 1))), K)


def main(folder="."):
    report = tg.verify.check_rule(conv, {"X": dX, "K": dK})
    print(report)
    print(report["X"].derive())  # how the right formula comes about

    x = tg.tensor(np.arange(9.0).reshape(1, 1, 3, 3), requires_grad=True, name="X")
    k = tg.tensor(np.arange(4.0).reshape(1, 1, 2, 2), requires_grad=True, name="K")
    z = tg.conv2d(x, k)
    z.name = "z"

    # The scalar graph of a convolution, the paths from L to X22 in bold.
    graph = tg.verify.scalar_graph(z)
    print(graph.formula("X22"))  # the sum over all paths from L to X22
    print(tg.viz.render(graph.draw(highlight="X22"), Path(folder) / "scalar_graph.svg"))

    return report


if __name__ == "__main__":
    main(*sys.argv[1:])

"""README's first example: a convolution, its gradients by name, the proof of its formulas, and the picture of it all.

    python examples/first_example.py [FOLDER]
"""

import sys
from pathlib import Path

import tinygrad_cnn as tg


def main(folder="."):
    image = [[[[1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [2.0, 1.0, 1.0]]]]  # (N, C, H, W)
    kernel = [[[[1.0, -1.0], [0.0, 2.0]]]]  # (F, C, kH, kW)
    x = tg.tensor(image, requires_grad=True, name="X")
    k = tg.tensor(kernel, requires_grad=True, name="K")
    b = tg.tensor([0.5], requires_grad=True, name="B")

    z = tg.conv2d(x, k, b).retain_grad()  # Z = X (*) K + B
    z.name = "Z"
    loss = tg.max_pool2d(tg.relu(z), 2).sum()
    loss.name = "loss"
    loss.backward()
    print(k.grad)  # dK = X correlated with dZ

    report = tg.verify.conv2d_formulas(x, k, b, z.grad)  # dX, dK and dB against the lecture's formulas, exactly
    print(report)

    # The graph with every value and every gradient.
    graph = tg.viz.draw(loss, values=True, gradients=True)
    print(tg.viz.render(graph, Path(folder) / "first_example.svg"))

    return report.passed


if __name__ == "__main__":
    main(*sys.argv[1:])

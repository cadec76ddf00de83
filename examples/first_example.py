"""README's first example: a convolution, its gradients by name, the proof of its formulas, and the picture of it all."""

import sys
from pathlib import Path

import tinygrad_cnn as tg

x = tg.tensor([[[[1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [2.0, 1.0, 1.0]]]], requires_grad=True, name="X")  # (N, C, H, W)
k = tg.tensor([[[[1.0, -1.0], [0.0, 2.0]]]], requires_grad=True, name="K")  # (F, C, kH, kW)
b = tg.tensor([0.5], requires_grad=True, name="B")

z = tg.conv2d(x, k, b)  # Z = X (*) K + B
loss = tg.max_pool2d(tg.relu(z), 2).sum()
loss.name = "loss"
loss.backward()
print(k.grad)  # dK = X correlated with dZ

(dz,) = tg.grad(tg.max_pool2d(tg.relu(z := tg.conv2d(x, k, b)), 2).sum(), z)
print(tg.verify.conv2d_formulas(x, k, b, dz))  # dX, dK and dB equal the lecture's formulas, exactly

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
print(tg.viz.render(tg.viz.draw(loss, values=True, gradients=True), folder / "first_example.svg"))

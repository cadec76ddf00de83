"""The graphs whose DOT text is stored in references/. `python -m tests.viz.reference_graphs` stores it anew."""

from fractions import Fraction
from pathlib import Path

import numpy as np

import tinygrad_cnn as tg
from tests.viz.networks import LeNet, ResNet, recurrent

REFERENCES = Path(__file__).parent / "references"


def parameter(data, name=None):
    return tg.tensor(data, requires_grad=True, name=name)


def eighths(shape, step=5):
    """Multiples of 1/8 of both signs: sums and products of them are exact, so the text is the same on every machine."""
    size = int(np.prod(shape))
    return ((np.arange(size) * step % 17 - 8) / 8).reshape(shape).astype(np.float32)


def scalars():
    a, b = parameter(-4.0, "a"), parameter(2.0, "b")
    c, d = a + b, a * b + b**3
    c.name, d.name = "c", "d"
    e = (c - d) / 2 + tg.relu(c * 2)
    e.name = "e"
    e.backward()
    return tg.viz.draw(e, values=True, gradients=True)


def convolution_step():
    x = tg.tensor(eighths((2, 1, 6, 6)), name="x")
    z = tg.conv2d(x, parameter(eighths((3, 1, 3, 3)), "weight"), parameter(eighths((3,)), "bias"), stride=2, padding=1)
    pooled = tg.max_pool2d(tg.relu(z), 3, stride=1).reshape(2, 3)
    pooled.name = "features"
    difference = pooled - tg.tensor(eighths((2, 3), step=3), name="target")
    loss = tg.sum(difference * difference)
    loss.name = "loss"
    loss.backward()
    return tg.viz.draw(loss, values=True, gradients=True, name="one step")


def exact_convolution():
    x = np.array([Fraction(i % 7 - 3, 2) for i in range(16)], dtype=object).reshape(1, 1, 4, 4)
    kernel = np.array([Fraction(1, 2), Fraction(-1), Fraction(0), Fraction(1, 3)], dtype=object).reshape(1, 1, 2, 2)
    z = tg.conv2d(parameter(x, "X"), parameter(kernel, "K"))
    z.name = "Z"
    loss = tg.sum(z * z)
    loss.backward()
    return tg.viz.draw(loss, values=True, gradients=True)


def second_order():
    x = parameter(3.0, "x")
    y = x * x * x
    (dx,) = tg.grad(y, x, create_graph=True)
    (ddx,) = tg.grad(dx, x)
    y.name, dx.name = "y", "dy/dx"
    assert ddx.item() == 18
    return tg.viz.draw([y, dx], values=True, gradients=True)


def without_numbers():
    x = tg.tensor(eighths((2, 3)), name="images")
    logits = tg.matmul(x, parameter(eighths((3, 4)), "weight"))
    loss = tg.cross_entropy(logits, tg.tensor([0, 3], name="labels"))
    loss.name = "loss"
    features = tg.concatenate([logits, tg.max(logits, axis=1, keepdims=True)], axis=1)[0, 1:3]
    return tg.viz.draw([loss, features], direction="TB", name="no numbers")


def highlighted_path():
    a, b = parameter(-4.0, "a"), parameter(2.0, "b")
    c = a * b
    c.name = "c"
    e = tg.tanh(c + a) * 2
    return tg.viz.draw([e, c], values=True, highlight=[a, c, e])


def hostile_names():
    names = ['"quoted" & <b>bold</b>', r"\N \G \\ \l {a|b}", "two\nlines\tand a tab", "Δ中文", "\x00\ud800", "n" * 99]
    return tg.viz.draw(tg.sum(tg.stack([parameter(float(i), name) for i, name in enumerate(names)])), values=True)


def lenet():
    return tg.viz.draw(LeNet(), (1, 1, 32, 32))


def folded_by_depth():
    return tg.viz.draw(LeNet(), (1, 1, 32, 32), depth=1, direction="TB", name="the layers")


def rolled_residual_network():
    return tg.viz.draw(ResNet((3, 2), width=2), (1, 3, 32, 32), depth=3)


def rolled_loop():
    return tg.viz.draw(recurrent(12))


def collapsed_chain():
    x = parameter(eighths((2, 3)), "x")
    z = x
    for operation in (tg.exp, tg.tanh, tg.sin, tg.exp, tg.cos, tg.sigmoid, tg.tanh, tg.relu):
        z = operation(z) * 2
    return tg.viz.draw(z - x, name="a chain")


def within_a_budget():
    seen = [parameter(i / 8, f"p{i}") for i in range(4)]
    for i in range(60):
        seen.append([tg.tanh, tg.cos, tg.sin][i * i % 3 or i % 2](seen[-1]) * seen[-1 - i * i % 7 % len(seen)] + i)
    return tg.viz.draw(seen[-1], budget=12)


def highlighted_weight():
    model = ResNet((3,), width=2)
    return tg.viz.draw(model, (1, 3, 32, 32), depth=1, highlight=model.stages[0][1].conv2.weight)


def statistics():
    x = tg.tensor(eighths((1, 1, 8, 8)), name="x")
    z = tg.relu(tg.conv2d(x, parameter(eighths((1, 1, 3, 3)), "K")))
    tg.sum(z * z).backward()
    return tg.viz.draw(z, values=True, statistics=True)


GRAPHS = {
    draw.__name__: draw
    for draw in (
        scalars,
        convolution_step,
        exact_convolution,
        second_order,
        without_numbers,
        highlighted_path,
        hostile_names,
        lenet,
        folded_by_depth,
        rolled_residual_network,
        rolled_loop,
        collapsed_chain,
        within_a_budget,
        highlighted_weight,
        statistics,
    )
}


if __name__ == "__main__":
    REFERENCES.mkdir(exist_ok=True)
    for name, draw in GRAPHS.items():
        (REFERENCES / f"{name}.dot").write_text(draw().source, encoding="utf-8")

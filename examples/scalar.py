"""The scalar graph: every number is a node. Then the same network on arrays: few nodes, and the same gradients.

    python examples/scalar.py
"""

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn.walk import nodes


def number(value, name=None):
    return tg.tensor(value, dtype="float64", requires_grad=True, name=name)


# 1. One neuron, o = tanh(w1 x1 + w2 x2 + b), and its graph, from the output back to the inputs.


def neuron():
    x1, x2 = number(2.0, "x1"), number(0.0, "x2")
    w1, w2, b = number(-3.0, "w1"), number(1.0, "w2"), number(6.75, "b")
    o = tg.tanh(w1 * x1 + w2 * x2 + b)
    o.backward()

    print("One neuron: what every node holds, and what the output's derivative by it is")
    for node in reversed(nodes(o)):
        print(f"{node.name or node.primitive.name:>10}   value {node.value:7.4f}   gradient {node.gradient:7.4f}")

    # By hand: do/ds = 1 - tanh(s)^2 with s = w1 x1 + w2 x2 + b, and then ds/dw1 = x1.
    by_hand = (1 - o.item() ** 2) * x1.item()
    print(f"do/dw1 by hand {by_hand:.4f}, by backward() {w1.grad.item():.4f}\n")


# 2. A network of neurons, made of lists and loops, that learns XOR: tanh units in the middle, one logit at the end.

INPUTS = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
TARGETS = [0.0, 1.0, 1.0, 0.0]
HIDDEN = 4


def network(seed):
    """The weights and biases of the hidden neurons, and those of the output."""
    rng = np.random.default_rng(seed)
    hidden = [([number(w) for w in rng.normal(size=2)], number(0.0)) for _ in range(HIDDEN)]
    output = ([number(w) for w in rng.normal(size=HIDDEN)], number(0.0))
    return hidden, output


def weighted_sum(xs, weights, bias):
    total = bias
    for x, w in zip(xs, weights, strict=True):
        total = total + x * w
    return total


def scalar_loss(hidden, output):
    """The mean squared distance between the network's answers, sigmoid(logit), and the truth table's."""
    total = 0.0
    for xs, target in zip(INPUTS, TARGETS, strict=True):
        activations = [tg.tanh(weighted_sum(xs, *unit)) for unit in hidden]
        answer = tg.sigmoid(weighted_sum(activations, *output))
        total = total + (answer - target) ** 2
    return total / len(TARGETS)


def learn_xor(steps=300, rate=2.0):
    hidden, output = network(seed=1)
    parameters = [p for weights, bias in (*hidden, output) for p in (*weights, bias)]
    for step in range(1, steps + 1):
        for p in parameters:
            p.grad = None
        loss = scalar_loss(hidden, output)
        loss.backward()
        for p in parameters:
            p.data = p.data - rate * p.grad.data  # w <- w - eta dL/dw
        if step in (1, 10, 100, steps):
            print(f"step {step:3}   loss {loss.item():.4f}")
    return hidden, output


# 3. The same network on arrays. All four inputs go through two matrix products at once.


def tensor_loss(w1, b1, w2, b2):
    activations = tg.tanh(tg.tensor(INPUTS, dtype="float64") @ w1.T + b1)
    answers = tg.sigmoid(activations @ w2 + b2)
    return ((answers - tg.tensor(TARGETS, dtype="float64")) ** 2).mean()


def compare(hidden, output):
    """The scalar network's gradients against those of its array form, with the same weights."""
    parameters = [p for weights, bias in (*hidden, output) for p in (*weights, bias)]
    for p in parameters:
        p.grad = None
    scalar = scalar_loss(hidden, output)
    scalar.backward()

    def gather(read):
        rows = [[read(w) for w in weights] for weights, _ in hidden]
        return rows, [read(bias) for _, bias in hidden], [read(w) for w in output[0]], read(output[1])

    arrays = [tg.tensor(a, dtype="float64", requires_grad=True) for a in gather(lambda p: p.item())]
    tensor = tensor_loss(*arrays)
    tensor.backward()
    largest = max(
        abs(a.grad.data - np.array(wanted)).max()
        for a, wanted in zip(arrays, gather(lambda p: p.grad.item()), strict=True)
    )
    print(f"\nscalar graph: {len(nodes(scalar))} nodes; tensor graph: {len(nodes(tensor))} nodes")
    print(f"the largest difference between their gradients: {largest:.1e}")
    return largest


def main():
    neuron()
    print("A network of scalars learns XOR")
    hidden, output = learn_xor()
    for xs in INPUTS:
        activations = [tg.tanh(weighted_sum(xs, *unit)) for unit in hidden]
        print(f"{xs[0]:.0f} xor {xs[1]:.0f} = {tg.sigmoid(weighted_sum(activations, *output)).item():.3f}")
    return compare(hidden, output)


if __name__ == "__main__":
    main()

"""A CNN learns to read handwritten digits. Everything that happens in training stands in the loop.

    python examples/digits.py
"""

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim
from tinygrad_cnn.data import batches, digits
from tinygrad_cnn.training import accuracy


class DigitsCNN(nn.Module):
    """Two convolutions find strokes and how they meet; the classifier weighs what was found where."""

    def __init__(self):
        self.conv1 = nn.Conv2d(1, 16, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3, padding=1)
        self.classifier = nn.Linear(32 * 4 * 4, 10)

    def forward(self, x):  # (N, 1, 8, 8)
        x = tg.relu(self.conv1(x))  # (N, 16, 8, 8)
        x = tg.relu(self.conv2(x))  # (N, 32, 8, 8)
        x = tg.max_pool2d(x, 2)  # (N, 32, 4, 4)
        return self.classifier(x.reshape(len(x), -1))  # (N, 10), the logits


def main(epochs=20, batch_size=32, rate=3e-3, seed=0):
    tg.manual_seed(seed)
    rng = np.random.default_rng(seed)
    train_images, train_labels, test_images, test_labels = digits()

    model = DigitsCNN()
    print(model)
    optimizer = optim.Adam(model.parameters(), lr=rate)

    for epoch in range(1, epochs + 1):
        optimizer.param_groups[0]["lr"] = rate * (1 - (epoch - 1) / epochs)  # ever smaller steps, down to none
        losses = []
        for images, labels in batches(train_images, train_labels, batch_size, rng=rng):
            logits = model(tg.tensor(images))  # forward: the graph is recorded
            loss = tg.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()  # backward: every parameter gets its gradient
            optimizer.step()  # every parameter takes a step against it
            losses.append(loss.item())
        print(
            f"epoch {epoch:2}   loss {np.mean(losses):.4f}   "
            f"train {accuracy(model, train_images, train_labels):6.2%}   "
            f"test {accuracy(model, test_images, test_labels):6.2%}"
        )

    with tg.no_grad():
        answers = model(tg.tensor(test_images)).argmax(axis=1).numpy()
    for i in np.flatnonzero(answers != test_labels):
        print(f"test image {i} is a {test_labels[i]} and was read as a {answers[i]}")
    return accuracy(model, test_images, test_labels)


if __name__ == "__main__":
    main()

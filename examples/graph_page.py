"""LeNet reads a handwritten digit: its table, its picture, and a page on which forward and backward play.

    python examples/graph_page.py [FOLDER]
"""

import sys
from pathlib import Path

import tinygrad_cnn as tg
from tinygrad_cnn import nn


class LeNet(nn.Module):
    """(N, 1, 32, 32) -> (N, 10)"""

    def __init__(self):
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = tg.max_pool2d(tg.relu(self.conv1(x)), 2)  # (N, 6, 14, 14)
        x = tg.max_pool2d(tg.relu(self.conv2(x)), 2)  # (N, 16, 5, 5)
        x = x.reshape(len(x), -1)
        return self.fc3(tg.relu(self.fc2(tg.relu(self.fc1(x)))))


def main(folder="."):
    folder = Path(folder)
    tg.manual_seed(0)
    model = LeNet()
    print(tg.viz.summary(model, (1, 1, 32, 32)))

    # The layers of the network, each call of a module folded into one box.
    picture = tg.viz.draw(model, (1, 1, 32, 32), depth=1, direction="TB")
    print(tg.viz.render(picture, folder / "lenet.svg"))

    images, labels, *_ = tg.data.digits()
    digit = tg.tensor(tg.upsample_nearest(images[:1], scale_factor=4), name="digit")
    with tg.debug():  # every node keeps its value, its gradient and the line that recorded it
        loss = tg.cross_entropy(model(digit), labels[:1])
        loss.name = "loss"
        loss.backward()

    # The page: fold and unfold modules, point at a box for its numbers, play forward and backward.
    page = tg.viz.page(loss, folder / "lenet.html", title="LeNet reads a digit")
    print(page)


if __name__ == "__main__":
    main(*sys.argv[1:])

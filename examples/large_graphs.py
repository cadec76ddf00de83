"""A network of many blocks, drawn so that it can be read: repeated blocks rolled up, modules folded.

    python examples/large_graphs.py [FOLDER]
"""

import sys
from pathlib import Path

import tinygrad_cnn as tg
from tinygrad_cnn import nn


class Block(nn.Module):
    """A residual block: (N, C, H, W) -> (N, C, H, W)"""

    def __init__(self, channels):
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        z = tg.relu(self.norm1(self.conv1(x)))
        return tg.relu(x + self.norm2(self.conv2(z)))


class ResNet(nn.Module):
    """(N, 3, H, W) -> (N, 10)"""

    def __init__(self, blocks=12, channels=16):
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.blocks = nn.Sequential(*[Block(channels) for _ in range(blocks)])
        self.classifier = nn.Linear(channels, 10)

    def forward(self, x):
        return self.classifier(self.blocks(self.stem(x)).mean(axis=(2, 3)))


def main(folder="."):
    folder = Path(folder)
    model = ResNet()

    # Twelve blocks that are alike are drawn once.
    picture = tg.viz.draw(model, (1, 3, 32, 32), direction="TB")
    print(tg.viz.render(picture, folder / "rolled_up.svg"))

    # One box for each module of the network.
    picture = tg.viz.draw(model, (1, 3, 32, 32), depth=1)
    print(tg.viz.render(picture, folder / "folded.svg"))

    # A budget of nodes: what is deepest is folded until no more are left, and a line below says what was done.
    picture = tg.viz.draw(model, (1, 3, 32, 32), direction="TB", budget=30)
    print(picture.note)
    print(tg.viz.render(picture, folder / "budget.svg"))


if __name__ == "__main__":
    main(*sys.argv[1:])

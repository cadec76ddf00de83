"""The networks that pictures are measured on: LeNet-5 as the lectures draw it, and ResNets."""

from __future__ import annotations

from typing import Any

import tinygrad_cnn as tg
from tinygrad_cnn import nn


class LeNet(nn.Module):
    """Two convolutions with max-pools, three linear layers: (N, 3, 32, 32) -> (N, 10)."""

    def __init__(self, channels: int = 3) -> None:
        self.conv1 = nn.Conv2d(channels, 8, 5)
        self.conv2 = nn.Conv2d(8, 16, 5)
        self.pool = nn.MaxPool2d(2)
        self.fc3 = nn.Linear(400, 120)
        self.fc4 = nn.Linear(120, 84)
        self.fc5 = nn.Linear(84, 10)

    def forward(self, x: Any) -> Any:
        x = self.pool(tg.relu(self.conv1(x)))
        x = self.pool(tg.relu(self.conv2(x)))
        x = x.reshape(len(x), -1)
        return self.fc5(tg.relu(self.fc4(tg.relu(self.fc3(x)))))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with batch norms beside a shortcut (He et al. 2016, figure 5)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        out = 4 * width
        self.conv1, self.norm1 = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv3, self.norm3 = nn.Conv2d(width, out, 1, bias=False), nn.BatchNorm2d(out)
        self.shortcut = None
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Any) -> Any:
        z = tg.relu(self.norm1(self.conv1(x)))
        z = tg.relu(self.norm2(self.conv2(z)))
        z = self.norm3(self.conv3(z))
        return tg.relu(z + (x if self.shortcut is None else self.shortcut(x)))


class ResNet(nn.Module):
    """ResNet-50, or with (3, 4, 23, 3) blocks ResNet-101: (N, 3, H, W) -> (N, 1000) (He et al. 2016, table 1)."""

    def __init__(self, blocks: tuple[int, ...] = (3, 4, 6, 3)) -> None:
        self.conv1, self.norm1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        channels, self.stages = 64, []
        for count, width in zip(blocks, (64, 128, 256, 512), strict=True):
            stage = []
            for i in range(count):
                stage.append(Bottleneck(channels, width, 2 if i == 0 and width > 64 else 1))
                channels = 4 * width
            self.stages.append(nn.Sequential(*stage))
        self.classifier = nn.Linear(channels, 1000)

    def forward(self, x: Any) -> Any:
        x = self.pool(tg.relu(self.norm1(self.conv1(x))))
        for stage in self.stages:
            x = stage(x)
        return self.classifier(x.mean(axis=(2, 3)))

"""Networks to draw: small ones of every kind, and the real architecture of ResNet-50 with few channels."""

import tinygrad_cnn as tg
from tinygrad_cnn import nn


class LeNet(nn.Module):
    """LeNet-5 as in the lectures: (N, 1, 32, 32) -> (N, 10)."""

    def __init__(self):
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.pool = nn.AvgPool2d(2)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(tg.tanh(self.conv1(x)))
        x = self.pool(tg.tanh(self.conv2(x)))
        x = tg.tanh(self.fc1(x.reshape(len(x), -1)))
        return self.fc3(tg.tanh(self.fc2(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolution and a way around; He et al., Deep Residual Learning, 2016, figure 5."""

    def __init__(self, channels, width, stride=1):
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = None
        if stride != 1 or channels != 4 * width:
            convolution = nn.Conv2d(channels, 4 * width, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm2d(4 * width))
        self.relu = nn.ReLU()

    def forward(self, x):
        z = self.relu(self.bn1(self.conv1(x)))
        z = self.relu(self.bn2(self.conv2(z)))
        return self.relu(self.bn3(self.conv3(z)) + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """A residual network of bottlenecks: (N, 3, H, W) -> (N, 10). The default stages are those of ResNet-50."""

    def __init__(self, stages=(3, 4, 6, 3), width=4):
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels, self.stages = width, []
        for i, blocks in enumerate(stages):
            stage = []
            for j in range(blocks):
                stage.append(Bottleneck(channels, width * 2**i, stride=2 if i and not j else 1))
                channels = 4 * width * 2**i
            self.stages.append(nn.Sequential(*stage))
        self.fc = nn.Linear(channels, 10)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in self.stages:
            x = stage(x)
        return self.fc(tg.mean(x, axis=(2, 3)))


class Attention(nn.Module):
    """Scaled dot-product attention with one head: (N, T, C) -> (N, T, C)."""

    def __init__(self, size):
        self.query, self.key, self.value, self.out = (nn.Linear(size, size) for _ in range(4))
        self.scale = size**-0.5

    def forward(self, x):
        scores = self.query(x) @ self.key(x).swapaxes(1, 2) * self.scale
        return self.out(tg.softmax(scores, axis=-1) @ self.value(x))


class Layer(nn.Module):
    """A layer of a transformer: attention and two linear layers, each with a way around."""

    def __init__(self, size):
        self.norm1, self.attention = nn.LayerNorm(size), Attention(size)
        self.norm2 = nn.LayerNorm(size)
        self.feedforward = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.feedforward(self.norm2(x))


class Transformer(nn.Module):
    """Layers of a transformer: (N, T, C) -> (N, T, C)."""

    def __init__(self, layers=12, size=8):
        self.layers = [Layer(size) for _ in range(layers)]
        self.norm = nn.LayerNorm(size)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


def recurrent(steps, size=3, names=False):
    """A recurrent network written as a loop, every state used at the end."""
    x = tg.tensor([[[0.1 * (i + j) for j in range(2)] for i in range(steps)]], name="x")
    into = tg.tensor([[0.1] * size] * 2, requires_grad=True, name="U")
    along = tg.tensor([[0.2] * size] * size, requires_grad=True, name="W")
    bias = tg.tensor([0.0] * size, requires_grad=True, name="b")
    state, states = tg.tensor([[0.0] * size], name="h0"), []
    for t in range(steps):
        state = tg.tanh(x[:, t] @ into + state @ along + bias)
        if names:
            state.name = f"h{t + 1}"
        states.append(state)
    return tg.stack(states)

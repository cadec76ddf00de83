"""What the tests of captured steps share."""

import copy

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim
from tinygrad_cnn.capture import compile

X = tg.tensor([1.0, 2.0], name="x")
W = tg.tensor([3.0, 4.0], requires_grad=True)


def replays(step):
    """How often a step was replayed."""
    return sum(r.count for entry in step._entries.values() for r in entry.recordings)


def source_of(step):
    """The program of a step that has one."""
    (source,) = [r.source for entry in step._entries.values() for r in entry.recordings]
    return source


# Networks, and the same training captured and not


def digits(count, seed=0, size=8):
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((count, 1, size, size)).astype(np.float32)
    return tg.tensor(images), tg.tensor(rng.integers(0, 4, count))


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 4))


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, padding=1), nn.Tanh(), nn.MaxPool2d(3),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 5), nn.Sigmoid(), nn.Linear(5, 4),
    )  # fmt: skip


def normalized():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout2d(0.3), nn.AvgPool2d(2),
        nn.InstanceNorm2d(4, affine=True, track_running_stats=True), nn.Flatten(), nn.Dropout(0.5), nn.Linear(36, 4),
    )  # fmt: skip


class Branched(nn.Module):
    """Down, up, and past both: as a U-Net has it; with a residual sum."""

    def __init__(self):
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.down = nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(4, 4, 2, stride=2)
        self.norm = nn.GroupNorm(2, 4)
        self.last = nn.Linear(8, 4)

    def forward(self, x):
        a = tg.relu(self.first(x))
        b = self.norm(self.down(a))
        b = b + tg.gelu(b) * 0.5
        c = tg.concatenate([a, self.up(b)], axis=1)
        return self.last(c.mean(axis=(2, 3)))


MODELS = {"mlp": mlp, "lenet": lenet, "normalized": normalized, "branched": Branched}
OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "adamw": lambda p: optim.AdamW(p, lr=0.01),
}


def built(make, seed=3):
    tg.manual_seed(seed)
    return make()


def training_step(model, optimizer):
    def step(x, y):
        optimizer.zero_grad()
        loss = tg.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def state_of(model):
    gradients = {name: p.grad for name, p in model.named_parameters()}
    return {name: x.numpy() for name, x in {**model.state_dict(), **gradients}.items() if x is not None} | {
        f"{name}.grad": g.numpy() for name, g in gradients.items() if g is not None
    }


def same_bits(mine, theirs):
    assert mine.keys() == theirs.keys()
    for name in mine:
        np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name, strict=True)


def both(make, model, optimizer=OPTIMIZERS["sgd"]):
    """The same training captured and not: (model, step) twice."""
    mine, theirs = built(model), built(model)
    return (mine, compile(make(mine, optimizer(list(mine.parameters()))))), (
        theirs,
        make(theirs, optimizer(list(theirs.parameters()))),
    )


def run_alike(mine, step, theirs, plain, calls):
    """Both steps on the same arguments from the same random state: equal results, parameters, gradients, buffers."""
    for arguments in calls:
        state = copy.deepcopy(tg.backend.generator("cpu").bit_generator.state)
        wanted = plain(*arguments)
        after = tg.backend.generator("cpu").bit_generator.state
        tg.backend.generator("cpu").bit_generator.state = state
        found = step(*arguments)
        assert tg.backend.generator("cpu").bit_generator.state == after
        np.testing.assert_array_equal(found.numpy(), wanted.numpy(), strict=True)
        same_bits(state_of(mine), state_of(theirs))

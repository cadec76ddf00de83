"""What is measured together, by whom, and how long."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from benchmarks.cpu import machine, operations, steps
from benchmarks.cpu.candidates import BASELINE, CANDIDATES
from benchmarks.cpu.operations import Case

ALL = list(CANDIDATES)
SINGLE = [name for name in ALL if "compile" not in name]
# autograd's convolution takes seconds, and tinygrad compiles each for as long: see them in LeNet.
CONVOLVING = [name for name in SINGLE if name not in ("autograd", "tinygrad")]
WHOLE = [name for name in ALL if name not in ("definition", "oneDNN, channels-last", "NumPy, channels-last")]
SMALL = [name for name in ALL if "channels-last" not in name and name != "torch.compile"]
# tinygrad compiles these for half a minute or more, and autograd takes seconds for a step: see them in LeNet.
DEEP = [name for name in WHOLE if name not in ("autograd", "tinygrad")]
GROWING = ["oneDNN", "NumPy", BASELINE]


class Group(NamedTuple):
    """Cases and candidates, and what a candidate may spend on a case."""

    title: str
    cases: Callable[[], list[Case]]
    candidates: list[str]
    rounds: int = 9
    block: float = 0.03  # seconds of a block of calls
    budget: float = 0.6  # seconds of all blocks, PyTorch's own excepted; never fewer than two blocks
    measure: str = "time"  # or "memory", "startup", "shares"


GROUPS = {
    "machine": Group("The machine's own peak", machine.peaks, ["oneDNN", "NumPy", BASELINE], 7),
    "convolutions": Group("Convolutions", operations.convolutions, CONVOLVING, 7, 0.02, 0.25),
    "operations": Group("Other operations, forward + backward", operations.operations, SINGLE, 9, 0.025, 0.4),
    "lenet": Group("Training step: LeNet", partial(steps.training, "LeNet"), WHOLE, 15, 0.1, 6),
    "small-vgg": Group("Training step: small VGG", partial(steps.training, "small VGG"), DEEP, 11, 0.2, 6),
    "resnet": Group("Training step: ResNet-18-like", partial(steps.training, "ResNet-18-like"), DEEP, 7, 0.3, 6),
    "u-net": Group("Training step: U-Net-like", partial(steps.training, "U-Net-like"), DEEP, 9, 0.2, 6),
    "overhead": Group("Overhead, forward + backward", steps.overhead, SMALL, 15, 0.03, 2),
    "inference": Group("Inference of one image", steps.inference, WHOLE, 15, 0.05, 2),
    "shares": Group(
        "Where the time of a training step goes",
        lambda: [case for name in steps.NETWORKS for case in steps.training(name)],
        ["oneDNN", "NumPy"],
        measure="shares",
    ),
    "memory": Group(
        "Peak memory of training steps",
        lambda: [case for name in steps.NETWORKS for case in steps.training(name)],
        [name for name in WHOLE if name not in ("MyGrad", "autograd", "tinygrad", "torch.compile")],
        rounds=1,
        measure="memory",
    ),
    "startup": Group("Import and cold start", list, WHOLE, rounds=3, measure="startup"),
    "chains": Group("Growth with the graph: time an operation", steps.chains, GROWING, 3, 0.05, 3),
    "batches": Group("Growth with the batch: time an image", steps.batches, GROWING, 5, 0.1, 2),
}

"""PyTorch as a candidate: eager, eager with channels-last memory, or with torch.compile."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import torch

from benchmarks.cpu.libraries import UnavailableError
from benchmarks.cpu.libraries.recorded import Recorded, channels_last


class PyTorch(Recorded):
    library, functions = torch, torch.nn.functional

    def __init__(self, threads: int, channels_last: bool = False, compiled: bool = False) -> None:
        if compiled and not (shutil.which("g++") or shutil.which("clang++")):
            raise UnavailableError("torch.compile needs a C++ compiler")
        torch.set_num_threads(threads)
        self.channels_last, self.is_compiled = channels_last, compiled
        if compiled:
            self.settles_after = 3

    def leaf(self, array: np.ndarray, requires_grad: bool = True) -> Any:
        tensor = torch.from_numpy(np.array(channels_last(array) if self.channels_last else array))
        return tensor.requires_grad_(requires_grad)

    def gradient(self, z: Any, x: Any, upstream: Any) -> Any:
        return torch.autograd.grad(z, x, upstream, retain_graph=True)

    def compiled_model(self, network: Any) -> Any:
        if not self.is_compiled:
            return network
        torch._dynamo.reset()
        return torch.compile(network)

    def concatenate(self, tensors: Any) -> Any:
        return torch.cat(tensors, dim=1)

    def constant(self, array: np.ndarray) -> Any:
        return torch.from_numpy(array)

    def peak(self, name: str, size: int, length: int) -> Any:
        if name == "product":
            a, b, c = (torch.ones(size, size) for _ in range(3))
            return lambda: torch.mm(a, b, out=c)
        x, y, z = (torch.ones(length) for _ in range(3))
        return (lambda: z.copy_(x)) if name == "copy" else (lambda: torch.add(x, y, alpha=2, out=z))

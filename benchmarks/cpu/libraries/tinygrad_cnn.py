"""tinygrad_cnn as a candidate; TINYGRAD_CNN_KERNELS says with which kernels."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from benchmarks.cpu import shares
from benchmarks.cpu.libraries import UnavailableError
from benchmarks.cpu.libraries.recorded import Recorded, channels_last
from tinygrad_cnn.kernels import dispatch, numpy_fast, onednn, threads


class TinygradCNN(Recorded):
    library = functions = tg

    def __init__(self, count: int, channels_last: bool = False, compiled: bool = False) -> None:
        if os.environ["TINYGRAD_CNN_KERNELS"] == "onednn":
            try:
                dispatch.chosen()
            except RuntimeError as error:
                raise UnavailableError(str(error).rpartition("can't be used: ")[2]) from error
        if compiled and not hasattr(tg, "compile"):
            raise UnavailableError("there is no tg.compile")
        tg.set_num_threads(count)
        self.channels_last, self.is_compiled = channels_last, compiled
        if compiled:
            self.settles_after = 3

    def leaf(self, array: np.ndarray, requires_grad: bool = True) -> Any:
        return tg.tensor(channels_last(array) if self.channels_last else array, requires_grad=requires_grad)

    def gradient(self, z: Any, x: Any, upstream: Any) -> Any:
        return tg.grad(z, x, upstream)

    def compiled_step(self, step: Any) -> Any:
        return tg.compile(step) if self.is_compiled else step

    def global_average(self, x: Any) -> Any:
        return x.mean(axis=(2, 3))

    def concatenate(self, tensors: Any) -> Any:
        return tg.concatenate(tensors, axis=1)

    def constant(self, array: np.ndarray) -> Any:
        return tg.tensor(array)

    def shares(self, call: Any) -> shares.Shares:
        return shares.measure(call, [numpy_fast, onednn])

    def peak(self, name: str, size: int, length: int) -> Any:
        """By NumPy: its BLAS on its own threads, vectors in parts of 64 kB on ours."""
        if name == "product":
            a, b, c = (np.ones((size, size), np.float32) for _ in range(3))
            return lambda: np.matmul(a, b, out=c)
        x, y, z = (np.ones((length // 2**14, 2**14), np.float32) for _ in range(3))

        def copy(i: int) -> None:
            np.copyto(z[i], x[i])

        def triad(i: int) -> None:
            np.multiply(y[i], 2, out=z[i])
            np.add(z[i], x[i], out=z[i])

        return lambda: threads.run(copy if name == "copy" else triad, range(len(x)))

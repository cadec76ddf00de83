"""Arrays handed to other libraries and taken from them: DLPack and CUDA's array interface.

What leaves is a copy: a graph may need the values as they are, and PyTorch and CuPy write to memory although DLPack 1.0
marks it as read-only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_cnn.backend import device_of, gpu_module, is_object, on_device, to_numpy
from tinygrad_cnn.engine import Variable

CPU, CUDA = 1, 2  # kinds of device in DLPack's numbering
_HOST_KINDS = (CPU, 3)  # with CUDA's pinned memory
_CUDA_KINDS = (CUDA, 13)  # with CUDA's managed memory


def imported(x: Any) -> Any:
    """The array of an object with DLPack's two methods: NumPy's, or CuPy's where it lies on a GPU. It shares memory.

    Raises:
        TypeError: an object without them.
        ValueError: on another kind of device.
        BufferError: the object refuses, or its dtype has no counterpart in NumPy.
    """
    if not hasattr(x, "__dlpack__") or not hasattr(x, "__dlpack_device__"):
        raise TypeError(f"from_dlpack: expected an object with DLPack's methods but got {type(x).__name__}")
    kind, index = map(int, _taken(x, x.__dlpack_device__))
    if kind in _HOST_KINDS:
        return _taken(x, np.from_dlpack, x)
    if kind in _CUDA_KINDS:
        with on_device(f"gpu:{index}"):
            return _taken(x, gpu_module().from_dlpack, x)
    raise ValueError(f"from_dlpack: expected memory of the CPU or of a CUDA GPU but DLPack's kind of device is {kind}")


def _taken(x: Any, function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function gives; its errors are those of many libraries."""
    try:
        return function(*arguments)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise BufferError(f"from_dlpack: {type(x).__name__} can't be taken over: {error}") from error


class MemoryProtocols(Variable):
    """What other libraries ask a tensor for to take its values over."""

    __slots__ = ()

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A copy of the values, for `np.from_dlpack(tensor)` and the like.

        Args:
            stream: the consumer's CUDA stream, which waits until the copy is made; None on the CPU.
            max_version: of DLPack, that the consumer knows.
            dl_device: (1, 0) brings the values of a GPU to the CPU; any other must be the tensor's own device.
            copy: True or None.

        Raises:
            BufferError: the tensor requires a gradient, holds objects, is asked for its own memory or another device.
        """
        if self.node is not None and self.node.requires_grad:
            raise BufferError("__dlpack__: the values would leave the graph unnoticed; export tensor.detach()")
        if is_object(self._array):
            raise BufferError("__dlpack__: objects (Fraction, sympy, ...) are unknown to DLPack; cast with .astype")
        if copy is False:
            raise BufferError("__dlpack__: tensors share no memory, since a graph may need it; take copy=None")
        own = self.__dlpack_device__()
        target = own if dl_device is None else tuple(map(int, dl_device))
        if target not in (own, (CPU, 0)):
            raise BufferError(f"__dlpack__: expected the device (1, 0) or the tensor's, {own}, but got {target}")
        if target[0] == CPU:
            array = np.array(to_numpy(self._array))
            try:
                return array.__dlpack__(max_version=max_version)
            except TypeError:  # NumPy 2.0 has only the version before 1, which every consumer takes
                return array.__dlpack__()
        with on_device(device_of(self._array)):
            return self._array.copy().__dlpack__(stream=stream)

    def __dlpack_device__(self) -> tuple[int, int]:
        """(1, 0) for the CPU, (2, index) for a GPU."""
        device = device_of(self._array)
        return (CPU, 0) if device == "cpu" else (CUDA, int(device.partition(":")[2]))

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Where the values lie on the GPU, marked as read-only, for Numba, CuPy and PyTorch.

        The memory is the tensor's own, so it must not be written to: this protocol can't hand over a copy.

        Raises:
            AttributeError: on the CPU, or of a tensor that requires a gradient, which has to be detached first.
        """
        if self.node is not None and self.node.requires_grad:
            raise AttributeError("__cuda_array_interface__: the values would leave the graph unnoticed; detach() first")
        if device_of(self._array) == "cpu":
            raise AttributeError("__cuda_array_interface__: the tensor is on the cpu")
        interface = self._array.__cuda_array_interface__
        return {**interface, "data": (interface["data"][0], True)}

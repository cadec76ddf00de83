"""A model's graph: what it records for an input that is given, or made up in a given shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np

from tinygrad_cnn.backend import get_default_device, get_default_dtype, seeded
from tinygrad_cnn.modes import keeping, recording
from tinygrad_cnn.nn.module import Module, in_mode
from tinygrad_cnn.tensor import Tensor, tensor


@dataclass(frozen=True, slots=True)
class Trace:
    """What a model recorded.

    Attributes:
        inputs: the tensors that it was given; they require a gradient, so that also what works on them alone is there.
        output: what it returned.
        outputs: the tensors in what it returned that have a graph behind them.
    """

    inputs: tuple[Tensor, ...]
    output: Any
    outputs: tuple[Tensor, ...]


def trace(model: Module, inputs: Any, operation: str = "trace") -> Trace:
    """Run a model once in evaluation mode and keep its whole graph, every value in it.

    The model's mode, its gradients and the random state are afterwards what they were.

    Args:
        model: a module.
        inputs: the shape of its input, as (1, 3, 32, 32); the input itself, a tensor or an array; or a list of these
            for a model of several inputs. An input by its shape is normally distributed, the same in every run.
        operation: what errors name.

    Raises:
        TypeError: no module, or an input that is neither a shape nor numbers.
        ValueError: no size of an axis, or an output without any tensor.

    >>> from tinygrad_cnn import nn
    >>> trace(nn.Conv2d(3, 8, 5), (1, 3, 32, 32)).outputs[0].shape
    (1, 8, 28, 28)
    """
    if not isinstance(model, Module):
        raise TypeError(f"{operation}: expected a module but got {type(model).__name__}")
    several = isinstance(inputs, list) and (not inputs or not isinstance(inputs[0], int | float | list))
    given = inputs if several else [inputs]
    like = next(model.parameters(), None)
    dtype = get_default_dtype() if like is None else like.dtype
    device = get_default_device() if like is None else like.device
    names = ["input"] if len(given) == 1 else [f"input{i + 1}" for i in range(len(given))]
    with in_mode(model, training=False), recording(), keeping(), seeded(0):
        tensors = [_input(each, dtype, device, name, operation) for each, name in zip(given, names, strict=True)]
        try:
            output = model(*tensors)
        except Exception as error:
            shapes = ", ".join(str(x.shape) for x in tensors)
            error.add_note(f"{operation}: {type(model).__name__} was given an input of shape {shapes}")
            raise
    outputs = tuple(z for z in _tensors(output) if z.requires_grad)
    if not outputs:
        raise ValueError(
            f"{operation}: expected {type(model).__name__} to return tensors computed from its input or its parameters "
            f"but it returned {type(output).__name__}"
        )
    return Trace(tuple(tensors), output, outputs)


def _input(given: Any, dtype: Any, device: str, name: str, operation: str) -> Tensor:
    if isinstance(given, tuple) and all(_is_integer(n) for n in given):
        shape = tuple(map(index, given))
        if any(n < 1 for n in shape):
            raise ValueError(f"{operation}: expected the sizes of an input's axes, each 1 or more, but got {shape}")
        given = np.random.default_rng(0).standard_normal(shape)
    elif isinstance(given, Tensor):
        name, dtype = given.name or name, given.dtype
        given = given.detach()
    else:
        try:
            array = tensor(np.asarray(given)).data
        except (TypeError, ValueError):
            array = np.asarray("")
        if array.dtype.kind not in "biufO":
            raise TypeError(
                f"{operation}: expected the shape of an input, as (1, 3, 32, 32), or the input itself but got {given!r}"
            )
        given = array
    is_whole = np.dtype(given.dtype).kind in "biu"  # labels, indices: they have no gradient
    return tensor(given, None if is_whole else dtype, device, requires_grad=not is_whole, name=name)


def _is_integer(n: Any) -> bool:
    return isinstance(n, int | np.integer) and not isinstance(n, bool)


def _tensors(output: Any) -> Iterator[Tensor]:
    """The tensors in an output, also in tuples, lists and dicts."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Sequence) and not isinstance(output, str):
        for each in output:
            yield from _tensors(each)
    elif isinstance(output, dict):
        for each in output.values():
            yield from _tensors(each)

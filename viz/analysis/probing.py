"""Looking into a model while it computes: what each of its modules was given and returned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn.backend import get_default_device, get_default_dtype
from tinygrad_cnn.nn.module import Module, in_mode


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """One call of a module.

    Attributes:
        name: its dotted name in the model, "" for the model itself.
        turn: which of its calls in this run, from 1.
        module: the module.
        inputs: the positional arguments of the call.
        output: what it returned.
    """

    name: str
    turn: int
    module: Module
    inputs: tuple[Any, ...]
    output: Any

    @property
    def title(self) -> str:
        """Its name, with the turn where it is not the first, "relu (call 2)"; the model is called by its class."""
        name = self.name or type(self.module).__name__
        return name if self.turn == 1 else f"{name} (call {self.turn})"


def layer_outputs(model: Any, image: Any, layers: Iterable[str] | None = None) -> dict[str, Any]:
    """What the layers of a model make of one image, in the order in which they finish.

    The model runs in evaluation mode and records nothing; its modes are afterwards what they were.

    Args:
        model: a `Module`.
        image: (H, W), (C, H, W) or (1, C, H, W), as the model is trained with.
        layers: dotted names as `named_modules` gives them, "" for the model; None for every module without submodules.

    Returns:
        NumPy arrays without the axis of the batch, by the module's name; a module that is called again has
        " (call 2)" behind its name. Modules that return something else than a tensor of one image are left out.

    Raises:
        ValueError: another shape of image, a name that no module has, or one that was not called.
        TypeError: not a module, not numbers.

    >>> from tinygrad_cnn import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
    >>> {name: output.shape for name, output in layer_outputs(model, np.ones((8, 8))).items()}
    {'0': (4, 6, 6), '1': (4, 6, 6), '2': (4, 3, 3)}
    """
    check_module(model, "layer_outputs")
    wanted = check_layers(model, layers, "layer_outputs")
    x = as_batch(model, image, "layer_outputs")
    with tg.no_grad():
        _, calls = run(model, x, "layer_outputs")
    found = {}
    for call in calls:
        if call.name in wanted and isinstance(call.output, tg.Tensor) and call.output.shape[:1] == (1,):
            found[call.title] = call.output.numpy()[0].copy()
    silent = [repr(name) for name in layers or () if not any(call.name == name for call in calls)]
    if silent:
        raise ValueError(f"layer_outputs: expected layers that the model calls but it did not call {', '.join(silent)}")
    return found


def run(model: Module, x: Any, operation: str) -> tuple[Any, list[ModuleCall]]:
    """The model's output for a batch, in evaluation mode, and the calls of its modules in the order they finished.

    >>> from tinygrad_cnn import nn
    >>> output, calls = run(nn.Sequential(nn.ReLU()), tg.tensor([[-1.0, 2.0]]), "example")
    >>> [(call.name, call.output.tolist()) for call in calls]
    [('0', [[0.0, 2.0]]), ('', [[0.0, 2.0]])]
    """
    with in_mode(model, training=False), _noted(model) as calls:
        try:
            output = model(x)
        except Exception as error:
            error.add_note(f"{operation}: {type(model).__name__} was given an image of shape {x.shape}")
            raise
    return output, calls


def as_batch(model: Module, image: Any, operation: str, *, requires_grad: bool = False) -> Any:
    """An image as a batch of one, (1, C, H, W), in the dtype and on the device of the model's parameters.

    >>> from tinygrad_cnn import nn
    >>> as_batch(nn.ReLU(), np.ones((4, 5)), "example").shape
    (1, 1, 4, 5)
    """
    array = image.numpy() if isinstance(image, tg.Tensor) else np.asarray(image)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{operation}: expected an image of numbers but got dtype {array.dtype}")
    if array.ndim == 2:
        array = array[None]
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or len(array) != 1 or not array.size:
        raise ValueError(
            f"{operation}: expected one image (H, W), (C, H, W) or (1, C, H, W) but got shape {np.shape(image)}"
        )
    first = next(model.parameters(), None)
    if first is not None:
        return tg.tensor(array, first.dtype, first.device, requires_grad=requires_grad)
    dtype = array.dtype if array.dtype.kind == "f" else get_default_dtype()
    return tg.tensor(array, dtype, get_default_device(), requires_grad=requires_grad)


def check_module(model: Any, operation: str) -> None:
    """Refuse what is no module.

    >>> check_module(3, "example")
    Traceback (most recent call last):
    TypeError: example: expected a Module but got int
    """
    if not isinstance(model, Module):
        raise TypeError(f"{operation}: expected a Module but got {type(model).__name__}")


def check_layers(model: Module, layers: Iterable[str] | None, operation: str) -> list[str]:
    """The names of modules to look at: those given, if there are such, or every module without submodules.

    >>> from tinygrad_cnn import nn
    >>> check_layers(nn.Sequential(nn.ReLU(), nn.Flatten()), None, "example")
    ['0', '1']
    """
    names = dict(model.named_modules())
    if layers is None:
        return [name for name, module in names.items() if not any(module.children())]
    if isinstance(layers, str):
        raise TypeError(f"{operation}: expected a list of layers but got {layers!r}; write [{layers!r}]")
    wanted = list(layers)
    for name in wanted:
        if name not in names:
            known = ", ".join(map(repr, names))
            raise ValueError(f"{operation}: expected layers out of {known} but got {name!r}")
    return wanted


@contextmanager
def _noted(model: Module) -> Iterator[list[ModuleCall]]:
    """Note the calls of every module inside.

    `forward` is put before the class's in each module's own attributes, and taken away again, past `__setattr__`: the
    module must not take note of it.
    """
    calls: list[ModuleCall] = []
    turns: dict[str, int] = {}

    def noting(name: str, module: Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        def noted_forward(*inputs: Any, **options: Any) -> Any:
            output = forward(*inputs, **options)
            turns[name] = turns.get(name, 0) + 1
            calls.append(ModuleCall(name, turns[name], module, inputs, output))
            return output

        return noted_forward

    modules = list(model.named_modules())
    before = [vars(module).get("forward") for _, module in modules]
    try:
        for name, module in modules:
            vars(module)["forward"] = noting(name, module, module.forward)
        yield calls
    finally:
        for (_, module), own in zip(modules, before, strict=True):
            if own is None:
                vars(module).pop("forward", None)
            else:
                vars(module)["forward"] = own

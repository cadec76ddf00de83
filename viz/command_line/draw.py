"""`tinygrad-cnn draw`: the graph behind a tensor of a script, or of a model, as a picture or a page."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.tensor import Tensor
from tinygrad_cnn.viz.command_line.output import check_ending, finish, let_print_anything
from tinygrad_cnn.viz.command_line.scripts import Script, inputs_of, running, split_target
from tinygrad_cnn.viz.drawing.dot import draw
from tinygrad_cnn.viz.drawing.rendering import PICTURES, TEXTS, render
from tinygrad_cnn.viz.graph.description import roots_of
from tinygrad_cnn.viz.graph.tracing import trace
from tinygrad_cnn.viz.pages.graph import page


class Options(Protocol):
    """The options of the command line."""

    target: str
    input: Sequence[tuple[int, ...] | str]
    out: Path | None
    backward: bool
    values: bool
    gradients: bool
    statistics: bool
    depth: int | None
    roll: bool | None
    budget: int
    direction: str | None
    main: bool
    open: bool


def run(options: Options) -> int:
    """Run the script, draw, and say what was drawn and where it is; returns the exit status.

    Raises:
        ValueError: no such script or name, one that raised an exception, options that don't go together.
        ImportError: an optional package is missing.
        OSError: the picture can't be written.
    """
    let_print_anything()
    path, name = split_target(options.target)
    if options.out is not None:
        check_ending("draw", options.out, (*PICTURES, *TEXTS, "html"))
    with running(path, options.main) as script:
        name, found, why = script.tensor_or_model(name, prefers_models=bool(options.input))
        print(f"{path.name}:{name}" + (f", {why}" if why else ""))
        inputs = _inputs(found, name, script, options)
        if options.backward:
            found, inputs = _walked_back(found, inputs), None
        out = options.out or Path(f"{path.stem}-{name}.svg")
        if out.suffix.lower() == ".html":
            direction = options.direction or "TB"
            written = page(found, out, inputs, depth=options.depth, direction=direction, title=name)
            finish(out, f"{out}: a page of {len(written.html) / 1000:,.0f} kB", options.open)
            return 0
        drawn = draw(
            found,
            inputs,
            values=options.values,
            gradients=options.gradients,
            statistics=options.statistics,
            depth=options.depth,
            roll=options.roll,
            direction=options.direction,
            budget=options.budget,
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is missing stands in the message
        rendering = render(drawn, out)
    if drawn.note:
        print(drawn.note)
    finish(rendering.path, str(rendering), options.open)
    return 0


def _inputs(found: Any, name: str, script: Script, options: Options) -> Any:
    """A model's inputs; None for a tensor, or several."""
    if isinstance(found, Module):
        if not options.input:
            raise ValueError(f"{name} is a model: give the shape of its input, as --input 1,3,32,32")
        return inputs_of(script, options.input)
    if options.input:
        raise ValueError(f"--input is for models, but {name} is a {type(found).__name__}")
    several = found if isinstance(found, list | tuple) else [found]
    if not all(isinstance(x, Tensor) for x in several):
        raise ValueError(f"{name} is a {type(found).__name__}, neither a tensor nor a model")
    return None


def _walked_back(found: Any, inputs: Any) -> list[Any]:
    """The tensor, or what the model computes, after a backward walk from the sum of its elements."""
    outputs: list[Any] = [*trace(found, inputs, "draw").outputs] if inputs is not None else roots_of(found, "draw")
    for z in outputs:
        z.backward(np.ones(z.shape, z.dtype), retain_graph=True)
    return outputs

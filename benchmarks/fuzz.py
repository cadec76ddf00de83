"""A randomised differential run: operations, shapes and options drawn at random, computed three ways and compared.

    python -m benchmarks.fuzz --seconds 60 [--seed 0] [--cases 10000] [--only conv]

Each case is computed by the fast kernels and by their definitions, forward and backward, and by PyTorch where it is
installed and has the operation. Data are small integers in float64, so that most results are exact; fast kernels and
definitions are compared in float32 too, which is what oneDNN takes, also with those kernels that are meant for large
arrays (with oneDNN and without). A failure is drawn again at smaller and smaller
sizes, and the smallest case that still fails is printed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import product
from math import prod
from typing import Any
from unittest.mock import patch

import numpy as np

import tinygrad_cnn as tg
from benchmarks import fuzz_families
from tinygrad_cnn.kernels import dispatch, numpy_fast, onednn

TOLERANCE, SINGLE_TOLERANCE = 1e-9, 1e-4

ALWAYS = (
    (numpy_fast.small, "PRODUCTS", -1),
    (numpy_fast.winograd, "PIXELS", 0),
    (onednn.convolution, "LEAST", 0),
    (onednn.neighbours, "LEAST", 0),
    (onednn.winograd, "PAIRS", 0),
    (onednn.winograd, "PIXELS", 0),
    (onednn.winograd, "PIXELS_OF_GRADIENT", 0),
    (onednn.winograd, "TRIPLES", 0),
)
"""What keeps kernels for large arrays from small ones, and a number with which it doesn't."""

FOR_LARGE = {
    "of many channels": (*ALWAYS, (numpy_fast.gathered, "FEW", 0), (onednn.convolution, "FEW", 0)),
    "of few channels": (*ALWAYS, (numpy_fast.unrolled, "FEW", 0)),
}


@dataclass
class Case:
    """One drawn call: the operation, its operands (arrays) and its options."""

    name: str
    ours: Callable[..., Any]
    theirs: Callable[..., Any] | None
    operands: list[Any]
    options: dict[str, Any] = field(default_factory=dict)
    wanting: tuple[int, ...] | None = None  # the operands that want a gradient; None means all floating-point ones

    @property
    def size(self) -> int:
        """How large the case is, for shrinking."""
        return sum(prod(np.shape(x)) for x in self.operands)

    def __str__(self) -> str:
        shapes = ", ".join(str(np.shape(x)) for x in self.operands)
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"{self.name}({shapes}{options})"

    def wants(self, i: int) -> bool:
        """Whether operand i gets a gradient."""
        is_float = np.asarray(self.operands[i]).dtype.kind == "f"
        return is_float and (self.wanting is None or i in self.wanting)


    def in_single_precision(self) -> Case:
        """The case with float32 for float64."""
        single = [
            x.astype(np.float32) if isinstance(x, np.ndarray | np.generic) and x.dtype == np.float64 else x
            for x in self.operands
        ]
        return replace(self, operands=single)


@contextmanager
def of_any_size(which: str) -> Iterator[None]:
    """Inside, kernels for large arrays take small ones, too."""
    with ExitStack() as stack:
        for module, name, value in FOR_LARGE[which]:
            stack.enter_context(patch.object(module, name, value))
        onednn.winograd.forget()
        try:
            yield
        finally:
            onednn.winograd.forget()


def compute(case: Case, upstream: Any = None) -> list[Any]:
    """The result and the gradients by the library."""
    operands = [tg.tensor(x, requires_grad=True) if case.wants(i) else x for i, x in enumerate(case.operands)]
    z = case.ours(*operands, **case.options)
    leaves = [x for i, x in enumerate(operands) if case.wants(i)]
    if z.requires_grad:
        z.backward(_upstream(z.shape) if upstream is None else upstream)
    return [z.numpy(), *(np.zeros(x.shape) if x.grad is None else x.grad.numpy() for x in leaves)]


def compute_with_torch(case: Case) -> list[Any]:
    """The same by PyTorch."""
    import torch

    operands = [
        torch.tensor(np.asarray(x), requires_grad=case.wants(i)) if isinstance(x, np.ndarray | np.generic) else x
        for i, x in enumerate(case.operands)
    ]
    assert case.theirs is not None
    z = case.theirs(*operands, **case.options)
    leaves = [x for i, x in enumerate(operands) if case.wants(i)]
    if z.requires_grad:
        z.backward(torch.tensor(_upstream(tuple(z.shape))))
    return [z.detach().numpy(), *(np.zeros(tuple(x.shape)) if x.grad is None else x.grad.numpy() for x in leaves)]


def _upstream(shape: tuple[int, ...]) -> Any:
    """Integers that differ from place to place: a gradient of ones would hide what cancels."""
    return np.random.default_rng(prod(shape)).integers(-4, 5, shape).astype(np.float64)


def difference(ours: list[Any], others: list[Any], tolerance: float = TOLERANCE) -> str | None:
    """What differs between two computations, or None."""
    for i, (a, b) in enumerate(zip(ours, others, strict=True)):
        name = "result" if i == 0 else f"gradient {i}"
        if a.shape != b.shape:
            return f"{name}: shape {a.shape} instead of {b.shape}"
        scale = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0.0)))
        if not np.allclose(a, b, rtol=0, atol=tolerance * scale, equal_nan=True):
            return f"{name}: differs by {np.nanmax(np.abs(a - b)):.3g}"
    return None


def failure(case: Case) -> str | None:
    """What is wrong with the case, or None."""
    single = case.in_single_precision()
    try:
        fast, fast_single = compute(case), compute(single)
        with dispatch.using("reference"):
            defined, defined_single = compute(case), compute(single)
        large = {}
        for kernels, which in product({dispatch.chosen(), "numpy"}, FOR_LARGE):
            with dispatch.using(kernels), of_any_size(which):
                large[f"{kernels}'s kernels for large arrays {which}"] = compute(single)
    except Exception as error:  # whatever it is, the case has failed
        return f"{type(error).__name__}: {error}"
    if wrong := difference(fast, defined):
        return f"the fast kernels against the definitions, {wrong}"
    if wrong := difference(fast_single, defined_single, SINGLE_TOLERANCE):
        return f"the fast kernels against the definitions in float32, {wrong}"
    for kernels, results in large.items():
        if wrong := difference(results, defined_single, SINGLE_TOLERANCE):
            return f"{kernels} against the definitions in float32, {wrong}"
    if case.theirs is None or not find_spec("torch"):
        return None
    wrong = difference(fast, compute_with_torch(case))
    return f"against PyTorch, {wrong}" if wrong else None


def smallest(family: Callable[..., Case], case: Case, wrong: str, rng: np.random.Generator) -> tuple[Case, str]:
    """The smallest case of the family that fails, found by drawing at smaller and smaller sizes."""
    for limit in range(6, 0, -1):
        for _ in range(60):
            candidate = family(rng, limit)
            if candidate.size < case.size and (found := failure(candidate)):
                case, wrong = candidate, found
    return case, wrong


def main(arguments: list[str] | None = None) -> int:
    """Draw and compare until the time or the cases are used up; 1 when anything failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--cases", type=int, default=None, help="stop after so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="families whose name has this in it")
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(options.seed)
    families = {name: draw for name, draw in fuzz_families.FAMILIES.items() if options.only in name}
    if not families:
        parser.error(f"no family has {options.only!r} in its name: {', '.join(fuzz_families.FAMILIES)}")
    counts: Counter[str] = Counter()
    failures: dict[str, tuple[Case, str]] = {}
    start = time.perf_counter()
    while time.perf_counter() - start < options.seconds and (options.cases is None or counts.total() < options.cases):
        name = list(families)[counts.total() % len(families)]

        def family(rng: np.random.Generator, limit: int, name: str = name) -> Case:
            return Case(name, *families[name](rng, limit))

        case = family(rng, 7)
        counts[name] += 1
        wrong = failure(case)
        if wrong and name not in failures:
            failures[name] = smallest(family, case, wrong, rng)
    against = "the definitions and PyTorch" if find_spec("torch") else "the definitions (PyTorch is not installed)"
    print(f"{counts.total()} cases of {len(counts)} families against {against}, seed {options.seed}:", end=" ")
    print(f"{len(failures)} families failed" if failures else "0 failures")
    for case, wrong in failures.values():
        print(f"\n{case}\n  {wrong}")
        for i, x in enumerate(case.operands):
            if np.size(x) <= 64:
                print(f"  operand {i}: {np.asarray(x).tolist()}")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())

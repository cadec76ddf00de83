"""The candidates: which library, with which options and surroundings, and whether it is installed."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, NamedTuple

from benchmarks.cpu.libraries import Library


class Candidate(NamedTuple):
    """A class of `benchmarks.cpu.libraries`, its options, and the package that must be installed."""

    library: str
    package: str
    options: Mapping[str, bool] = MappingProxyType({})
    kernels: str | None = None


BASELINE = "PyTorch"
LAST, COMPILED = {"channels_last": True}, {"compiled": True}
_OURS, _TORCH = ("tinygrad_cnn.TinygradCNN", "tinygrad_cnn"), ("pytorch.PyTorch", "torch")

CANDIDATES = {
    "oneDNN": Candidate(*_OURS, kernels="onednn"),
    "oneDNN, channels-last": Candidate(*_OURS, LAST, "onednn"),
    "oneDNN, compiled": Candidate(*_OURS, COMPILED, "onednn"),
    "NumPy": Candidate(*_OURS, kernels="numpy"),
    "NumPy, channels-last": Candidate(*_OURS, LAST, "numpy"),
    "NumPy, compiled": Candidate(*_OURS, COMPILED, "numpy"),
    "definition": Candidate(*_OURS, kernels="reference"),
    BASELINE: Candidate(*_TORCH),
    "PyTorch, channels-last": Candidate(*_TORCH, LAST),
    "torch.compile": Candidate(*_TORCH, COMPILED),
    "JAX jit": Candidate("jax.Jax", "jax"),
    "MyGrad": Candidate("mygrad.MyGrad", "mygrad"),
    "autograd": Candidate("autograd.Autograd", "autograd"),
    "tinygrad": Candidate("tinygrad.Tinygrad", "tinygrad"),
}
OURS = [name for name, candidate in CANDIDATES.items() if candidate.kernels]


TUNING = ("OPENBLAS_", "MKL_", "OMP_", "GOMP_", "KMP_", "ONEDNN_", "DNNL_", "NPY_")
"""Variables that choose kernels and threads begin with these."""


def installed(name: str) -> str | None:
    """The version of a candidate's package, or None where there is none."""
    package = CANDIDATES[name].package
    try:
        return version(package)
    except PackageNotFoundError:
        return "from the source tree" if find_spec(package) else None


def versions() -> dict[str, str]:
    """The packages that take part, and their versions."""
    packages = {candidate.package: installed(name) for name, candidate in CANDIDATES.items()}
    return {package: version for package, version in packages.items() if version}


def environment(name: str, threads: int) -> dict[str, str]:
    """What a process of this candidate has in its environment: this one's, but nothing that tunes the libraries."""
    count = str(threads)
    kernels = CANDIDATES[name].kernels
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(TUNING)},
        **{f"{library}_NUM_THREADS": count for library in ("OMP", "MKL", "OPENBLAS", "VECLIB", "NUMEXPR")},
        "JAX_PLATFORMS": "cpu",
        **({"TINYGRAD_CNN_KERNELS": kernels} if kernels else {}),
    }


def load(name: str, threads: int) -> Library:
    """The candidate's library, in a process with that environment."""
    candidate = CANDIDATES[name]
    module, _, cls = candidate.library.partition(".")
    library: Any = getattr(importlib.import_module(f"benchmarks.cpu.libraries.{module}"), cls)
    return library(threads, **candidate.options)  # type: ignore[no-any-return]

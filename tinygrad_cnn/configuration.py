"""What the library runs on here, for a user who wonders and for a report of trouble."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np

from tinygrad_cnn import backend
from tinygrad_cnn.kernels import blas, dispatch, memory, onednn, threads


def show_config(mode: str = "stdout") -> dict[str, Any] | None:
    """Print which kernels compute here and why, on how many threads, and what else was found.

    Args:
        mode: "stdout" prints; "dict" gives the same as a dict of strings.

    Raises:
        ValueError: another mode.

    >>> import tinygrad_cnn as tg
    >>> tg.show_config("dict")["threads"] == str(tg.get_num_threads())
    True
    """
    if mode not in ("stdout", "dict"):
        raise ValueError(f"show_config: mode must be 'stdout' or 'dict' but is {mode!r}")
    found = {
        "tinygrad_cnn": _version(),
        "Python": platform.python_version(),
        "NumPy": f"{np.__version__}{_products()}",
        "kernels": _kernels(),
        "oneDNN": _onednn(),
        "threads": str(threads.get_num_threads()),
        "GPU": _gpu(),
        "memory": f"{memory.held() / 2**20:.1f} MB of recycled blocks, in use or free",
    }
    if mode == "dict":
        return found
    width = max(map(len, found))
    for name, text in found.items():
        print(f"{name:{width}}  {text}")
    return None


def _version() -> str:
    from tinygrad_cnn import __version__

    return __version__


def _products() -> str:
    found = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    text = f" with {found['name']} {found.get('version', '')}".rstrip() if "name" in found else ""
    return f"{text}, kernels for {core}" if (core := blas.core()) else text


def _kernels() -> str:
    try:
        choice = dispatch.chosen()
    except (RuntimeError, ValueError) as error:  # TINYGRAD_CNN_KERNELS asks for what isn't there
        return f"none: {error}"
    return {
        "onednn": "oneDNN for float32, NumPy for other floats, the definitions for everything else",
        "numpy": "NumPy for floats, the definitions for everything else",
        "reference": "the definitions for everything",
    }[choice]


def _onednn() -> str:
    if why := onednn.unavailable():
        return f"not used: {why}"
    found = onednn.describe()
    precision = "; bfloat16 can be used" if found.bfloat16 else ""
    return f"{found.version} at {found.path}; {found.instructions}{precision}"


def _gpu() -> str:
    try:
        cupy = backend.gpu_module()
    except RuntimeError as error:
        return "none: " + str(error).removeprefix("device 'gpu': ")
    count = cupy.cuda.runtime.getDeviceCount()
    return f"{count} CUDA device(s), CuPy {cupy.__version__}"

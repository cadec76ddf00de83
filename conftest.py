"""How the tests meet the package, and which of them this machine cannot run."""

import importlib
import sys
from fnmatch import fnmatch
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent


def pytest_collect_file(file_path: Path) -> None:
    """Import the package's modules as a user does, before pytest imports them by file for their doctests.

    By file, pytest would load viz/draw.py as `viz.draw`, a second copy of `tinygrad_cnn.viz.draw`.
    """
    parts = file_path.relative_to(ROOT).with_suffix("").parts if file_path.is_relative_to(ROOT) else ()
    if file_path.suffix == ".py" and parts[:1] in (("tinygrad_cnn",), ("viz",)) and parts[-1] != "__main__":
        names = parts[:-1] if parts[-1] == "__init__" else parts
        for end in range(1, len(names) + 1):
            name = ".".join(names[:end])
            sys.modules[name] = importlib.import_module(name if names[0] == "tinygrad_cnn" else f"tinygrad_cnn.{name}")


@cache
def missing_gpu() -> str | None:
    """Say what keeps the tests marked `gpu` from running: CuPy, the device, or nothing (None)."""
    if find_spec("cupy") is None:
        return "needs CuPy"
    try:
        is_available = importlib.import_module("cupy").is_available()
    except RuntimeError:  # CuPy 13, where there is no driver
        is_available = False
    return None if is_available else "needs a CUDA device"


def missing_modules(item: pytest.DoctestItem) -> list[str]:
    """List what a doctest needs and is not installed, as its module's `__doctest_requires__` says.

    The dictionary maps patterns over the names in the module to modules: `{"derive": ["sympy"], "*": ["graphviz"]}`.
    """
    module_name, requires = item.dtest.globs["__name__"], item.dtest.globs.get("__doctest_requires__", {})
    name = item.dtest.name.removeprefix(module_name).removeprefix(".")
    needed = [module for pattern, modules in requires.items() if fnmatch(name, pattern) for module in modules]
    return [module for module in needed if find_spec(module) is None]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("torch") and find_spec("torch") is None:
        pytest.skip("needs PyTorch")
    if item.get_closest_marker("gpu") and (missing := missing_gpu()):
        pytest.skip(missing)
    if isinstance(item, pytest.DoctestItem) and (modules := missing_modules(item)):
        pytest.skip(f"needs {', '.join(modules)}")

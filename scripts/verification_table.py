"""Write docs/verification.md: which operation is held to which oracle, as seen while the tests run.

    python -m scripts.verification_table

Every public operation is wrapped; a test that calls it counts for the operation. What the test compares with is told by
where it stands (tests/torch: PyTorch; tests/primitives: a loop or closed form that shares no code with the library) and
by what it calls (finite differences, gradcheck, exact fractions as operands).
"""

from __future__ import annotations

import functools
import inspect
from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tinygrad_cnn as tg
from tests import dual_numbers, finite_differences
from tinygrad_cnn import verify

ROOT = Path(__file__).parent.parent
ORACLES = {
    "loops": "loop or closed form",
    "fractions": "exact fractions",
    "torch": "PyTorch 2.13",
    "derivatives": "finite differences, dual numbers, gradcheck",
    "gpu": "CuPy (stand-in)",
}
NOT_OPERATIONS = {"debug", "from_dlpack", "get_array_module", "get_default_device", "get_default_dtype", "grad",
                  "manual_seed", "no_grad", "set_default_device", "set_default_dtype", "tensor"}  # fmt: skip


class Recorder:
    """A pytest plugin that notes which operations a test calls, and with what."""

    def __init__(self) -> None:
        self.operations: set[str] = set()
        self.flags: set[str] = set()
        self.table: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    def watch(self) -> None:
        """Wrap the public operations and the helpers that take derivatives in another way."""
        for name in tg.__all__:
            function = getattr(tg, name)
            if inspect.isfunction(function) and name not in NOT_OPERATIONS:
                setattr(tg, name, self._noting(function, self.operations, name))
        for module in (finite_differences, dual_numbers, verify):
            self._watch_module(module)

    def _watch_module(self, module: ModuleType) -> None:
        for name, function in vars(module).items():
            if inspect.isfunction(function) and not name.startswith("_"):
                setattr(module, name, self._noting(function, self.flags, "derivatives"))

    def _noting(self, function: Any, notes: set[str], note: str) -> Any:
        @functools.wraps(function)
        def noting(*arguments: Any, **options: Any) -> Any:
            notes.add(note)
            if any(str(getattr(x, "dtype", "")) == "object" for x in arguments):
                self.flags.add("fractions")
            return function(*arguments, **options)

        return noting

    def pytest_runtest_setup(self) -> None:
        """A test begins."""
        self.operations.clear()
        self.flags.clear()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test has ended; only one that passed counts."""
        if report.when != "call" or not report.passed:
            return
        path = Path(report.nodeid.partition("::")[0])
        flags = set(self.flags)
        if path.parts[:2] == ("tests", "torch"):
            flags.add("torch")
        elif path.parts[:2] in (("tests", "primitives"), ("tests", "kernels"), ("tests", "lecture")):
            flags.add("loops")
        elif path.name == "test_devices.py":
            flags.add("gpu")
        for operation in self.operations:
            for flag in flags:
                self.table[operation][flag] += 1


def main() -> int:
    """Run the tests, write the table, and fail where a test failed."""
    recorder = Recorder()
    recorder.watch()
    options = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    options += ["--ignore", str(ROOT / "tests" / "test_debug.py")]  # which looks at the stack, where the wrappers are
    status = pytest.main([*options, str(ROOT / "tests")], plugins=[recorder])
    lines = [
        "# What each operation is held to",
        "",
        "The number of passing tests that call the operation and compare it with the oracle, written by",
        "`python -m scripts.verification_table` while the tests run. The loops and closed forms share no code with the",
        "library; where PyTorch has no such operation, its column is empty.",
        "",
        f"| operation | {' | '.join(ORACLES.values())} |",
        f"| --- |{' --- |' * len(ORACLES)}",
    ]
    for name in sorted(recorder.table):
        counts = recorder.table[name]
        lines.append(f"| `{name}` | {' | '.join(str(counts[oracle] or '') for oracle in ORACLES)} |")
    (ROOT / "docs").mkdir(exist_ok=True)
    (ROOT / "docs" / "verification.md").write_text("\n".join(lines) + "\n")
    return int(status)


if __name__ == "__main__":
    raise SystemExit(main())

"""The package as it is installed and tested: what an import loads, viz/ under its public name, one version."""

import importlib
import pkgutil
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import tinygrad_cnn

ROOT = Path(__file__).resolve().parents[1]


def distributions_loaded_by(code):
    """Run code in a fresh interpreter in which NumPy is imported; name the installed packages that it adds."""
    listing = (
        "import sys, numpy; before = set(sys.modules); import tinygrad_cnn\n"
        f"{code}\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    run = subprocess.run([sys.executable, "-c", listing], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(run.stdout.split()) & set(packages_distributions()) - {"numpy", "tinygrad_cnn"}


def test_import_needs_numpy_alone():
    assert distributions_loaded_by("") == set()


def test_data_needs_numpy_alone():
    assert distributions_loaded_by("import tinygrad_cnn.data; tinygrad_cnn.data.digits()") == set()


def test_no_module_imports_an_extra_before_it_is_used():
    names = [module.name for module in pkgutil.walk_packages(tinygrad_cnn.__path__[:1], "tinygrad_cnn.")]
    viz = importlib.import_module("tinygrad_cnn.viz")
    names += [module.name for module in pkgutil.walk_packages(viz.__path__, "tinygrad_cnn.viz.")]
    imports = "\n".join(f"import {name}" for name in names if not name.endswith("__main__"))
    assert distributions_loaded_by(imports) <= {"graphviz"}


def test_viz_is_found_beside_the_package():
    assert Path(importlib.import_module("tinygrad_cnn.viz").__file__) == ROOT / "viz" / "__init__.py"


def test_doctests_of_viz_run_in_the_modules_that_users_import():
    copies = [name for name in sys.modules if name.partition(".")[0] == "viz"]
    assert all(sys.modules[name] is sys.modules[f"tinygrad_cnn.{name}"] for name in copies)


def test_version_is_the_same_everywhere():
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited[1] == tinygrad_cnn.__version__

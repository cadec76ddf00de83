"""The floors of the house: no import runs upward, none in a circle, and nothing private is borrowed from below."""

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the ground up. A module may import from its own floor and from those below.
FLOORS = [
    ("backend", "diagnostics"),
    ("kernels",),
    ("modes",),
    ("engine",),
    ("walk",),
    ("primitives", "configuration"),
    ("tensor", "numpy_protocol", "dlpack"),
    ("nn", "data"),
    ("optim",),
    ("capture",),
    ("training",),
    ("verify",),
    ("viz",),
    ("demo",),
    ("cli", "__main__"),
]
LEVEL = {name: level for level, names in enumerate(FLOORS) for name in names}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts if parts[0] == "tinygrad_cnn" else ("tinygrad_cnn", *parts)).removesuffix(".__init__")


PATHS = {module_name(path): path for folder in ("tinygrad_cnn", "viz") for path in (ROOT / folder).rglob("*.py")}


@cache
def imports(name):
    """The package's modules that a module imports when it is imported itself, with the names that it takes."""
    found = []
    tree = ast.parse(PATHS[name].read_text(encoding="utf-8"))
    for node in tree.body:  # imports inside functions and for the type checker run later or never
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tinygrad_cnn"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.append((inner, None) if inner in PATHS else (node.module, alias.name))
        elif isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names if alias.name.startswith("tinygrad_cnn")]
    return found


def floor(name):
    parts = name.split(".")
    return LEVEL[parts[1]] if len(parts) > 1 else None


def test_every_module_has_a_floor():
    assert {name.split(".")[1] for name in PATHS if "." in name} == set(LEVEL)


@pytest.mark.parametrize("name", [name for name in PATHS if "." in name])
def test_no_import_runs_upward(name):
    for imported, _ in imports(name):
        if imported == "tinygrad_cnn":  # the public face stands above the library, below what only uses it
            assert floor(name) >= LEVEL["verify"], f"{name} imports the public face"
        else:
            assert floor(imported) <= floor(name), f"{name} imports {imported}"


def test_no_imports_run_in_a_circle():
    graph = {name: {imported for imported, _ in imports(name) if imported != "tinygrad_cnn"} for name in PATHS}
    graph.pop("tinygrad_cnn")
    packages = {name for name in PATHS if PATHS[name].name == "__init__.py"}
    for name in packages & set(graph):  # a package's face imports its modules, and they not the face
        graph[name] = {imported for imported in graph[name] if not imported.startswith(name)}
    tuple(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("name", [name for name in PATHS if name.split(".")[1:2] in (["verify"], ["viz"], ["nn"])])
def test_nothing_private_is_borrowed(name):
    for imported, taken in imports(name):
        if not imported.startswith(".".join(name.split(".")[:2])):
            assert taken is None or not taken.startswith("_"), f"{name} takes {taken} from {imported}"


def test_the_engine_knows_no_mathematics():
    for name in ("tinygrad_cnn.engine", "tinygrad_cnn.walk"):
        # The last two add up gradients, and say whose memory a sum may take.
        below = {"backend", "diagnostics", "modes", "engine", "kernels.dispatch", "kernels.memory"}
        assert {imported.partition(".")[2] for imported, _ in imports(name)} <= below

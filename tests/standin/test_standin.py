"""The stand-in is as strict as CuPy: what it refuses, and, where CuPy is installed, that CuPy has what it offers."""

import inspect
import operator
import re
from types import FunctionType

import numpy as np
import pytest

from tests import standin
from tests.standin import functions
from tests.standin.arrays import machine, ndarray


@pytest.fixture
def cupy(monkeypatch):
    return standin.install(monkeypatch)


@pytest.fixture
def x(cupy):
    return cupy.asarray(np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize(
    "convert", [np.asarray, operator.index, lambda x: [1, 2][x], lambda x: np.full(2, x), lambda x: [1, 2][x:]]
)
def test_nothing_is_converted_implicitly(x, convert):
    for array in (x, x[0, 0].astype(np.int64)):
        with pytest.raises(TypeError):
            convert(array)


HOST = np.ones(3)


@pytest.mark.parametrize(
    "operation",
    [
        lambda cupy, x: x + HOST,
        lambda cupy, x: HOST + x,
        lambda cupy, x: x @ HOST,
        lambda cupy, x: np.greater(HOST, x),
        lambda cupy, x: x.dot(HOST),
        lambda cupy, x: np.maximum(x, HOST),
        lambda cupy, x: cupy.maximum(x, HOST),
        lambda cupy, x: cupy.where(x > 0, HOST, 0.0),
        lambda cupy, x: cupy.where(HOST > 0, x, 0.0),
        lambda cupy, x: cupy.tensordot(x, HOST, axes=1),
        lambda cupy, x: cupy.concatenate([x, HOST[None]]),
        lambda cupy, x: np.concatenate([HOST[None], x]),
        lambda cupy, x: cupy.add.at(x, 0, HOST),
        lambda cupy, x: cupy.sum(HOST),
        lambda cupy, x: cupy.sum([1.0, 2.0]),
        lambda cupy, x: x.__iadd__(HOST),
    ],
)
def test_host_arrays_are_refused(cupy, x, operation):
    with pytest.raises(TypeError):
        operation(cupy, x)


def test_a_host_array_can_not_be_assigned(x):
    with pytest.raises(ValueError, match="non-scalar"):
        x[0] = HOST


@pytest.mark.parametrize(
    "operation",
    [
        lambda cupy, x, y: x + y,
        lambda cupy, x, y: y + 1,
        lambda cupy, x, y: y.sum(),
        lambda cupy, x, y: cupy.exp(y),
        lambda cupy, x, y: cupy.concatenate([x, y]),
        lambda cupy, x, y: y.astype(np.float32),
        lambda cupy, x, y: y.__setitem__(0, 1.0),
    ],
)
def test_arrays_on_another_device_than_the_current_are_refused(cupy, x, operation):
    with cupy.cuda.Device(1):
        y = cupy.asarray(x)
    assert (x.device.id, y.device.id, cupy.cuda.runtime.getDevice()) == (0, 1, 0)
    with pytest.raises(ValueError, match="different from the current device"):
        operation(cupy, x, y)


def test_reductions_and_elements_are_device_arrays_without_axes(cupy, x):
    for z in (x.sum(), x.max(), x.any(), x[1, 2], cupy.exp(x[0, 0]), x[0, 0] + 1, np.sum(x), cupy.allclose(x, x)):
        assert type(z) is cupy.ndarray
        assert z.shape == ()


def test_views_share_memory_and_results_do_not(x):
    for view in (x[:1], x.T, x.reshape(3, 2), x[:, ::-1]):
        view[...] = 0
        assert not x[0].get().any()
        x[...] = 1
    for copy in (x + 0, x.copy(), x[[0, 1]], x.T.reshape(-1)):
        copy[...] = 0
        assert x.get().all()


def test_every_copy_to_the_host_is_counted(x):
    machine.reads.clear()
    copies = x.get(), x.tolist(), x[0, 0].item(), bool(x.any()), float(x.sum()), int(x.sum()), f"{x.sum()}"
    assert copies[2:] == (0.0, True, 15.0, 15, "15.0")
    assert machine.reads == [6, 6, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("array", [np.array([object()]), np.array(["a"])])
def test_objects_and_strings_are_refused(cupy, array):
    with pytest.raises(ValueError, match="Unsupported dtype"):
        cupy.asarray(array)


def test_there_is_no_writeable_flag_and_no_longdouble(cupy, x):
    assert not hasattr(x.flags, "writeable")
    assert not hasattr(cupy, "longdouble")


@pytest.mark.parametrize("name", ["median", "frompyfunc", "copyto", "einsum", "errstate"])
def test_a_function_that_is_not_listed_is_missing(cupy, name):
    assert not hasattr(cupy, name)


@pytest.mark.parametrize("name", ["normal", "shuffle", "permutation", "choice"])
def test_the_generator_has_cupys_methods_only(cupy, name):
    assert not hasattr(cupy.random.default_rng(0), name)


def test_a_generator_works_on_its_own_device(cupy):
    rng = cupy.random.default_rng(0)
    assert rng.random(3).device.id == 0
    with cupy.cuda.Device(1), pytest.raises(RuntimeError, match="different device"):
        rng.random(3)


def test_a_device_that_is_not_there(cupy):
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="ordinal"), cupy.cuda.Device(2):
        pass


# With CuPy installed, a GPU or not


def parameters(function):
    """The names of a function's parameters; CuPy's compiled ones say theirs on the first line of the docstring."""
    try:
        names = list(inspect.signature(function).parameters)
    except ValueError:
        first = inspect.getdoc(function).partition("\n")[0]
        names = [re.split("[=:]", name)[0].split()[-1] for name in re.search(r"\((.*)\)", first)[1].split(",")]
    return [name.strip("*/ ") for name in names if name.strip("*/ ") not in ("", "self")]


def offers(function, real):
    """Whether `real` takes every argument that `function` takes, in the same order."""
    ours, theirs = parameters(function), parameters(real)
    return [name for name in theirs if name in ours] == ours


def test_cupy_has_every_name():
    real = pytest.importorskip("cupy")
    assert [name for name in functions.PLAIN.split() if not hasattr(real, name)] == []
    assert [name for name in functions.UFUNCS.split() if not isinstance(getattr(real, name, None), real.ufunc)] == []


@pytest.mark.parametrize(
    ("ours", "where"),
    [
        (functions.FUNCTIONS, ""),
        (vars(functions.StrideTricks), "lib.stride_tricks"),
        (vars(functions.Generator), "random.Generator"),
        (vars(ndarray), "ndarray"),
    ],
)
def test_cupy_has_every_function_and_argument(ours, where):
    theirs = pytest.importorskip("cupy")
    for name in where.split("."):
        theirs = getattr(theirs, name) if name else theirs
    ours = {name: value for name, value in ours.items() if not name.startswith("_")}
    assert [name for name in ours if not hasattr(theirs, name)] == []
    called = {name: value for name, value in ours.items() if isinstance(value, FunctionType | staticmethod)}
    assert [name for name, function in called.items() if not offers(function, getattr(theirs, name))] == []


def test_cupys_arrays_are_no_index_and_have_no_hash():
    for kind in (pytest.importorskip("cupy").ndarray, ndarray):
        assert not hasattr(kind, "__index__")
        assert kind.__hash__ is None

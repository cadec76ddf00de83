"""What a traced function reaches is rebuilt on names that keep numbers; the student's module stays as it is."""

import copy
import functools
import importlib.util
import inspect
import math
import operator
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest

from tests.verify.tracing import student
from tests.verify.tracing.agreement import fractions
from tinygrad_cnn.verify.tracing import CutOff, Number, run, shadowed, trace

X = np.array([[1.5, -2.0], [3.0, 0.25]])
EXACT = {"X": fractions(X)}

FUNCTIONS = {
    "a bound method": lambda module: module.LAYER.forward,
    "a static method": lambda module: module.Layer.shifted,
    "a class method": lambda module: module.Scale.biased,
    "a partial of a partial": lambda module: functools.partial(module.half, table=2),
    "a lambda": lambda module: lambda X: module.recursive(X) + module.N.ones(2) / 3,
}
NAMES = ["scaled", "decorated", "with_cached_bias", "counted", "recursive", "even", "generated", "half", "by_table"]
NAMES += ["LAYER", "by_layer", "by_options", "by_submodule", "imported_inside"]
FUNCTIONS |= {name: operator.attrgetter(name) for name in NAMES}


@pytest.fixture
def fresh(monkeypatch):
    """A maker of modules that nobody has used yet."""

    def load():
        spec = importlib.util.spec_from_file_location("homework", student.__file__)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "homework", module)  # where dataclasses look for it
        spec.loader.exec_module(module)
        return module

    return load


def state(module):
    """All that a function of the module could have changed, by identity and by value."""
    names = {name: id(value) for name, value in vars(module).items()}
    data = [repr(getattr(module, name)) for name in ("TABLE", "WEIGHTS", "CACHE", "LOG", "COUNT", "OPTIONS")]
    cells = [cell.cell_contents for cell in module.count.__closure__]
    layer = {name: repr(value) for name, value in vars(module.LAYER).items()}
    return names, data, cells, layer, module.scaled.calls, module.bias.cache_info(), list(vars(np)), id(np.zeros)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_module_stays_as_it_is_and_the_values_are_numpys(name, fresh):
    expected = np.asarray(FUNCTIONS[name](fresh())(X), dtype=float)
    module = fresh()
    function, before = FUNCTIONS[name](module), state(module)
    for _ in range(2):  # nothing is left over from the first time
        traced = trace(function, EXACT)
        assert state(module) == before
        assert all(type(z.item()) is Fraction for z in traced.output.flat)
        np.testing.assert_allclose([float(z.item()) for z in traced.output.flat], expected.ravel(), rtol=1e-13)


def test_the_rebuilt_function_is_like_the_original():
    for original in (student.scaled, student.decorated):
        new = shadowed(original)
        assert new is not original
        assert new.__code__ is original.__code__
        for attribute in ("__name__", "__qualname__", "__doc__", "__module__"):
            assert getattr(new, attribute) == getattr(original, attribute)
        assert inspect.signature(new).parameters.keys() == inspect.signature(original).parameters.keys()
    assert shadowed(student.decorated).__wrapped__ is not student.decorated.__wrapped__


def test_functions_of_libraries_are_left_alone():
    for function in (inspect.cleandoc, copy.deepcopy, functools.reduce, len, print, trace):
        assert shadowed(function) is function
    assert shadowed(np.zeros) is not np.zeros


def test_what_two_functions_share_they_share_afterwards():
    state = {"n": 0}

    def first(X):
        state["n"] += 1
        return X

    def both(X):
        first(X)
        second = lambda: state["n"]  # noqa: E731
        return X * second() * first(X)

    assert run(both, {"X": np.array([1], object)}).output == 1
    assert state == {"n": 0}


def test_names_that_are_not_bound_yet():
    def outer():
        def function(X):
            return later(X)

        early = shadowed(function)

        def later(X):
            return X

        return early, function

    early, function = outer()
    assert run(function, {"X": np.array([1], object)}).output == 1
    with pytest.raises(NameError, match="later"):
        early(1)


def test_errors_come_with_the_students_own_lines():
    with pytest.raises(IndexError, match="index 5 is out of bounds") as caught:
        trace(student.failing, EXACT)
    last = [frame for frame in traceback.extract_tb(caught.tb) if frame.filename == student.__file__][-1]
    assert last.name == "failing"
    assert last.line == "return Z[5, 5] + X"


def test_builtins_and_types():
    def checks(X):
        x = X[0, 0]
        assert float(x) is x
        assert isinstance(x, float)
        assert isinstance(x, int | float)
        assert isinstance(0.5, float)
        assert not isinstance(1, float)
        assert isinstance(x, np.floating)
        assert issubclass(np.float64, float)
        assert not issubclass(int, float)
        assert type(x) == np.float64  # noqa: E721
        assert float("inf") > x
        assert float(len("abc")) == 3
        assert float.fromhex("0x1p0") == 1
        assert np.float32(0.1) == 0.1
        assert np.float64("2.5") == 2.5
        assert np.float64([1, 2]).shape == (2,)
        assert {np.float64: 1}[np.float64] == 1
        assert np.dtype(np.float64) == np.dtype(float) == "f8"
        assert np.dtype(np.float32).itemsize == 4
        match x:
            case float():
                matched = True
        assert matched
        assert __import__("math").pi == math.pi
        assert eval("np.zeros(2)").dtype == object
        assert "zeros" in dir(np)
        assert np.add.nin == 2
        assert repr(np.add) == "<ufunc 'add'>"
        assert np.exp.__name__ == "exp"
        assert np.linalg.norm.__doc__
        assert np.errstate
        return X

    assert trace(checks, EXACT).output.shape == (2, 2)


def test_arrays_of_other_dtypes_stay():
    def checks(X):
        assert np.zeros(2, dtype=int).dtype == int
        assert np.ones(2, bool).dtype == bool
        assert np.array([1, 2]).dtype == int
        assert np.arange(3).dtype == int
        assert np.array(["a"]).dtype.kind == "U"
        assert np.zeros((2, 2), dtype=np.uint8).sum() == 0
        assert (X > 0).dtype == bool
        assert np.argmax(X) == 2
        assert isinstance(np.argmax(X), np.integer)
        assert np.where(X > 0)[0].tolist() == [0, 1, 1]
        return X

    trace(checks, EXACT)


def test_an_element_that_nobody_sets_is_seen():
    def forgets(X):
        Z = np.empty(X.shape)
        Z[0] = X[0]
        W = np.empty_like(X)
        W[1] = X[1]
        return [Z, W]

    z, w = run(forgets, EXACT).output
    assert z[0].tolist() == EXACT["X"][0].tolist()
    assert all(math.isnan(x) for x in (*z[1], *w[0]))


def test_a_data_set_is_only_read():
    data = np.arange(20_000) / 10
    rows = [0.5] * 20_000

    def reads(X):
        return X * data[1] + rows[-1] + data.mean() * X / 3

    def writes(X):
        data[0] = 1
        return X

    given = {"X": np.array([2], object)}
    assert run(reads, given).output == Fraction(2, 10) + Fraction(1, 2) + Fraction(99995, 100) * 2 / 3
    with pytest.raises(ValueError, match="read-only"):
        run(writes, given)
    assert data.flags.writeable
    assert data[0] == 0


def test_threads_do_not_disturb_each_other():
    barrier = threading.Barrier(4)

    def forward(X):
        barrier.wait(10)
        Z = np.zeros(X.shape)
        for i in range(len(X)):
            Z[i] = X[i] / 3 if X[i] > 0 else math.sqrt(4) * X[i]
            barrier.wait(10)
        return Z

    def work(n):
        given = np.array([1.0, 0.0, -1.0]) * (n + 1)
        traced = trace(forward, {"X": given if n % 2 else fractions(given)})
        return traced.arithmetic, traced.ties, [float(z.item()) for z in traced.output]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(4)))
    for n, (arithmetic, ties, output) in enumerate(results):
        assert arithmetic == ("float64" if n % 2 else "exact")
        assert ties == 1
        np.testing.assert_allclose(output, [(n + 1) / 3, 0, -2 * (n + 1)], rtol=1e-15)


def test_vectorize_makes_integers_of_all_if_the_first_is_one():
    def relu(X):
        return np.vectorize(lambda x: x if x > 0 else 0)(X)

    with pytest.raises(CutOff, match=r"the first value, 0, is no float, and so NumPy makes int64 of all.*otypes"):
        trace(relu, {"X": fractions(np.array([-1.0, 2.0]))})
    assert run(relu, {"X": fractions(np.array([-1.0, 2.5]))}).output.tolist() == [0, 2]  # as NumPy cuts it
    assert relu(np.array([-1.0, 2.5])).tolist() == [0, 2]
    assert trace(relu, {"X": fractions(np.array([2.0, -1.0]))}).output[0].item() == 2


def test_shadows_can_be_called_by_hand():
    assert shadowed(lambda x: np.zeros(1) + x)(Number(0.1))[0].value == Fraction(1, 10)

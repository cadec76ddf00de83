"""SciPy's convolutions, traced: SciPy itself is the oracle."""

import itertools

import numpy as np
import pytest

from tests.verify.tracing.agreement import agrees
from tinygrad_cnn.verify.tracing import NotTraceable, run, trace

signal = pytest.importorskip("scipy.signal")
ndimage = pytest.importorskip("scipy.ndimage")

NAMES = ["correlate", "convolve", "correlate2d", "convolve2d"]
SIZES = list(itertools.product([(4, 5), (5, 5), (2, 3)], [(2, 2), (3, 2), (3, 3), (5, 5)]))
BORDERS = [{}, {"boundary": "wrap"}, {"boundary": "symm"}, {"fillvalue": 2}]


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("name", NAMES)
def test_modes_sizes_and_borders(name, mode):
    rng = np.random.default_rng(0)
    function = getattr(signal, name)
    for (size, kernel), border in itertools.product(SIZES, BORDERS if name.endswith("2d") else [{}]):
        x, k = rng.integers(-5, 6, size), rng.integers(-5, 6, kernel)

        def correlated(X, K, mode=mode, border=border):
            return function(X, K, mode, **border)

        given = {"X": x.astype(object), "K": k.astype(object)}
        if mode == "valid" and size == (2, 3) and kernel == (3, 2):
            with pytest.raises(ValueError, match="valid"):
                run(correlated, given)
        else:
            np.testing.assert_array_equal(run(correlated, given).output, correlated(x, k))


def test_gradients():
    agrees(lambda X, K: signal.correlate2d(X, K, mode="valid"))
    agrees(lambda X, K: signal.convolve2d(X, K, boundary="symm", mode="same") + signal.convolve(X, K, "same"))


def test_in_other_ranks():
    correlated = run(lambda X: signal.correlate(X, [1, 2]), {"X": np.array([1, 0, 3], object)}).output
    assert correlated.tolist() == [2, 1, 6, 3]


def test_what_is_compiled_for_floats_is_named():
    with pytest.raises(NotTraceable, match=r"^scipy\.ndimage\.correlate: ") as caught:
        trace(lambda X, K: ndimage.correlate(X, K) + 1, {"X": np.eye(3), "K": np.eye(2)})
    assert caught.value.function == "scipy.ndimage.correlate"


def test_wrong_arguments_are_refused():
    x = {"X": np.eye(2, dtype=object)}
    for wrong in ({"mode": "half"}, {"in2": np.ones(2)}):
        with pytest.raises(ValueError, match="correlate2d: "):
            run(lambda X, wrong=wrong: signal.correlate2d(**{"in1": X, "in2": X, **wrong}), x)

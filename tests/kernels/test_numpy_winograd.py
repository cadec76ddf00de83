"""NumPy's convolutions by minimal filtering against the definition in float64."""

from typing import NamedTuple

import numpy as np
import pytest

from tests.kernels.calls import assert_same_bits_on_any_threads
from tests.operands import assert_equal, layouts, normals
from tinygrad_cnn.kernels import blas, numpy_fast, reference
from tinygrad_cnn.kernels.numpy_fast import gathered, small, winograd

pytestmark = pytest.mark.skipif(blas.routine("sgemm") is None, reason="NumPy brings another BLAS than OpenBLAS")


class Layer(NamedTuple):
    x: tuple
    weight: tuple
    padding: tuple = ((1, 1), (1, 1))
    dilation: tuple = (1, 1)

    def calls(self, lay=lambda a: a, dtype=np.float32):
        """(name, arguments) of the convolution, its gradients and the transposed one."""
        sizes = zip(self.x[2:], self.weight[2:], self.padding, self.dilation, strict=True)
        out = tuple(m + sum(pads) - d * (k - 1) for m, k, pads, d in sizes)
        shapes = self.x, self.weight, (self.x[0], self.weight[0], *out)
        x, weight, dz = (lay(normals(shape, i, dtype)) for i, shape in enumerate(shapes))
        options = (1, 1), self.padding, self.dilation, 1
        return [
            ("correlate", (x, weight, None, *options)),
            ("correlate", (x, weight, normals(self.weight[:1], 3, dtype), *options)),
            ("full_correlate", (dz, weight, x.shape[2:], *options)),
            ("correlate_kernel", (x, dz, weight.shape[2:], *options)),
            ("conv_transpose", (dz, weight, normals(self.x[1:2], 4, dtype), x.shape[2:], *options)),
        ]


LAYERS = [
    Layer((5, 4, 8, 8), (6, 4, 3, 3)),
    Layer((3, 6, 7, 5), (4, 6, 3, 3)),
    Layer((1, 5, 13, 9), (7, 5, 3, 3), ((0, 0), (0, 0))),
    Layer((2, 3, 3, 4), (5, 3, 3, 3)),
    Layer((4, 3, 1, 6), (2, 3, 3, 3)),
    Layer((2, 3, 9, 11), (4, 3, 3, 5), ((2, 0), (1, 3)), (1, 2)),
    Layer((2, 3, 6, 10), (4, 3, 3, 1), ((0, 2), (0, 0))),
    Layer((2, 3, 6, 7), (4, 3, 3, 2), ((2, 1), (0, 1))),
]


@pytest.fixture(autouse=True)
def taken(monkeypatch):
    """Everything is filtered, however little it is; what was, by name."""
    names = []

    def noted(name, function):
        def call(*arguments):
            names.append(name)
            return function(*arguments)

        return call

    for name in ("correlate", "correlate_kernel"):
        monkeypatch.setattr(winograd, name, noted(name, getattr(winograd, name)))
    monkeypatch.setattr(winograd, "PIXELS", 0)
    monkeypatch.setattr(gathered, "FEW", 0)
    monkeypatch.setattr(small, "PRODUCTS", -1)
    return names


def exact(name, arguments):
    return getattr(reference, name)(*(a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in arguments))


def assert_near(actual, expected):
    assert actual.dtype == np.float32
    assert actual.shape == expected.shape
    assert np.linalg.norm(actual - expected) <= 3e-6 * np.linalg.norm(expected)


@pytest.mark.parametrize("chunk", [1, 10000, 1 << 30])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_parts_of_any_size(layer, chunk, monkeypatch, taken):
    monkeypatch.setattr(winograd, "CHUNK_BYTES", chunk)
    for name, arguments in layer.calls():
        assert_near(getattr(numpy_fast, name)(*arguments), exact(name, arguments))
    assert taken == ["correlate", "correlate", "correlate", "correlate_kernel", "correlate"]


@pytest.mark.parametrize("layout", layouts(np.zeros((1, 1))))
@pytest.mark.parametrize("layer", LAYERS[:3], ids=str)
def test_parts_of_any_layout(layer, layout):
    for name, arguments in layer.calls(lambda a: layouts(a)[layout]):
        copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        assert_near(getattr(numpy_fast, name)(*arguments), exact(name, arguments))
        for a, copy in zip(arguments, copies, strict=True):
            if isinstance(a, np.ndarray):
                assert_equal(a, copy)


def test_any_number_of_threads_gives_the_same_bits(monkeypatch):
    monkeypatch.setattr(winograd, "CHUNK_BYTES", 20000)
    assert_same_bits_on_any_threads(Layer((8, 16, 17, 12), (16, 16, 3, 3)).calls(), numpy_fast)


@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan, 3e38])
@pytest.mark.parametrize("layer", LAYERS[:3], ids=str)
def test_what_is_not_finite_stays_where_its_windows_are(layer, number):
    for name, arguments in layer.calls():
        # the definition of a transposed convolution multiplies no zero beyond the image with the kernel
        for place in range(1 if name == "conv_transpose" else 2):
            changed = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
            changed[place].reshape(-1)[changed[place].size // 2] = number
            with np.errstate(over="ignore", invalid="ignore"):
                actual, expected = (getattr(kernels, name)(*changed) for kernels in (numpy_fast, reference))
            assert_equal(np.isfinite(actual), np.isfinite(expected))
            finite = np.isfinite(expected)
            np.testing.assert_allclose(actual[finite], expected[finite], rtol=1e-4, atol=1e-4)


def test_other_convolutions_are_left_to_other_kernels(taken):
    x, weight = normals((2, 3, 8, 8), 0, np.float32), normals((4, 3, 3, 3), 1, np.float32)
    one, none = (1, 1), ((0, 0), (0, 0))
    for changed, kernel, options in (
        (x.astype(np.float64), weight.astype(np.float64), (one, none, one, 1)),
        (x, weight, ((2, 1), none, one, 1)),
        (x, weight, ((1, 2), none, one, 1)),
        (x, weight, (one, none, (2, 1), 1)),
        (x, weight[:, :, :2], (one, none, one, 1)),
        (x[:, :2], normals((4, 1, 3, 3), 2, np.float32), (one, none, one, 2)),
    ):
        expected = reference.correlate(changed, kernel, None, *options)
        np.testing.assert_allclose(
            numpy_fast.correlate(changed, kernel, None, *options), expected, rtol=1e-4, atol=1e-5
        )
    assert not taken

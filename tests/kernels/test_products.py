"""Matrix products in parts, against the product in longer numbers."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_close
from tinygrad_cnn.kernels import dispatch, numpy_fast, threads
from tinygrad_cnn.kernels.numpy_fast import products
from tinygrad_cnn.primitives import matmul as primitives

SHAPES = [(1, 1, 1), (7, 5, 3), (64, 33, 17), (1, 70, 90), (90, 70, 1), (0, 4, 5), (4, 0, 5), (4, 5, 0), (17, 3, 200)]


@pytest.fixture(params=[1, 2, 3], autouse=True)
def count(request, monkeypatch):
    monkeypatch.setattr(products, "SMALL", 1)
    monkeypatch.setattr(primitives, "SMALL", 1)
    before = tg.get_num_threads()
    tg.set_num_threads(request.param)
    yield
    tg.set_num_threads(before)


def operands(m, k, n, dtype):
    rng = np.random.default_rng(m + k + n)
    return rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("shape", SHAPES)
def test_products(shape, dtype):
    x, y = operands(*shape, dtype)
    z = numpy_fast.matmul(x, y)
    assert z.dtype == dtype
    assert_close(z, x.astype(np.longdouble) @ y.astype(np.longdouble), 20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("shape", SHAPES)
def test_layouts_and_the_operands_stay(shape):
    x, y = operands(*shape, np.float64)
    expected = x.astype(np.longdouble) @ y.astype(np.longdouble)
    wide = np.zeros((shape[0], 2 * shape[1]))
    wide[:, ::2] = x
    for a in (x, np.asfortranarray(x), wide[:, ::2], x[::-1][::-1], np.broadcast_to(x, x.shape)):
        for b in (y, np.asfortranarray(y), y[:, ::-1][:, ::-1]):
            before = a.copy(), b.copy()
            assert_close(numpy_fast.matmul(a, b), expected, 1e-14)
            assert (a == before[0]).all()
            assert (b == before[1]).all()


def test_mixed_dtypes_as_numpy_has_them():
    x, y = operands(6, 5, 4, np.float32)
    assert numpy_fast.matmul(x, y.astype(np.float64)).dtype == np.float64
    assert numpy_fast.matmul(x.astype(np.float16), y).dtype == np.float32


def test_no_pool_of_the_blas_is_left_awake():
    blas = threads._blas()
    if blas is None:
        pytest.skip("NumPy brings another BLAS than OpenBLAS")
    seen = []
    x, y = operands(40, 30, 50, np.float32)

    class Watched(np.ndarray):
        def __getitem__(self, key):
            seen.append(blas[1]())
            return np.asarray(self)[key]

    numpy_fast.matmul(x.view(Watched), y.view(Watched))
    assert set(seen) == {1}


@pytest.mark.parametrize("kernels", ["reference", "numpy"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_and_its_gradients(kernels, bias):
    rng = np.random.default_rng(0)
    x, w, b, dz = (rng.standard_normal(s) for s in ((40, 30), (20, 30), (20,), (40, 20)))
    tensors = [tg.tensor(a, requires_grad=True) for a in (x, w, b)][: 3 if bias else 2]
    with dispatch.using(kernels):
        z = tg.linear(*tensors)
        z.backward(dz)
    assert_close(z.numpy(), np.einsum("nc,fc->nf", x, w) + (b if bias else 0), 1e-13)
    for p, expected in zip(tensors, (dz @ w, np.einsum("nf,nc->fc", dz, x), dz.sum(0)), strict=False):
        assert_close(p.grad.numpy(), expected, 1e-13)


def test_the_bias_of_a_wider_dtype_widens():
    x, w = operands(4, 3, 5, np.float32)
    b = np.full(5, 1e-12)
    z = tg.linear(x, w.T, b)
    assert z.dtype == np.float64
    assert_close(z, (x @ w).astype(np.float64) + b, 1e-15)

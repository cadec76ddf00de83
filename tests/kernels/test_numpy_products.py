"""Matrix products cut among the threads."""

import numpy as np
import pytest

from tests.operands import assert_close, assert_equal, integers, layouts, normals
from tinygrad_cnn.kernels import blas, numpy_fast, reference, threads
from tinygrad_cnn.kernels.numpy_fast import lowering, products

SHAPES = [(1, 1, 1), (3, 5, 2), (2, 7, 130), (130, 7, 2), (65, 64, 129), (4, 0, 5), (0, 3, 5), (4, 3, 0)]


@pytest.fixture(autouse=True, params=[1, 2, 3])
def cut_up(request, monkeypatch):
    """Every product is worth several parts."""
    before = threads.get_num_threads()
    threads.set_num_threads(request.param)
    monkeypatch.setattr(lowering, "SHARE", 1)
    monkeypatch.setattr(products, "NARROW", 1)
    yield
    threads.set_num_threads(before)


@pytest.mark.parametrize("layout", layouts(np.zeros((1, 1))))
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_products_of_integers_are_exact(shape, dtype, layout):
    rows, summed, columns = shape
    x, y = (layouts(integers(size, i, dtype))[layout] for i, size in enumerate(((rows, summed), (summed, columns))))
    z = numpy_fast.matmul(x, y)
    assert z.dtype == dtype
    assert_equal(z, reference.matmul(x, y))
    for bias in (None, integers((columns,), 2, dtype)):
        z = numpy_fast.linear(x, y.T, bias)
        assert z.dtype == dtype
        assert_equal(z, x.dot(y) if bias is None else x.dot(y) + bias)
        assert_equal(reference.linear(x, y.T, bias), z)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_products_of_transposed_views(shape):
    rows, summed, columns = shape
    x, y = normals((summed, rows), 0, np.float64).T, normals((columns, summed), 1, np.float64).T
    assert_close(numpy_fast.matmul(x, y), reference.matmul(x, y), 1e-13)


def test_other_dtypes_are_left_to_the_definition():
    x, y = np.ones((2, 3), np.float32), np.ones((3, 2))
    assert numpy_fast.matmul(x, y) is NotImplemented
    assert numpy_fast.linear(x, y.T, None) is NotImplemented


@pytest.mark.skipif(blas.core() is None, reason="NumPy brings another BLAS than OpenBLAS")
def test_no_thread_of_openblas_is_woken(monkeypatch):
    counts = []
    _, get = blas._counts()
    multiply = np.matmul
    monkeypatch.setattr(products.np, "matmul", lambda *args, **kw: counts.append(get()) or multiply(*args, **kw))
    numpy_fast.matmul(np.ones((64, 300)), np.ones((300, 64)))
    assert counts
    assert set(counts) == {1}

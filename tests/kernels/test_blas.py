"""The OpenBLAS that NumPy brings."""

import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest

from tinygrad_cnn.kernels import blas

needs_openblas = pytest.mark.skipif(blas.core() is None, reason="NumPy brings another BLAS than OpenBLAS")


@needs_openblas
def test_held_to_one_thread_and_let_go():
    _, get = blas._counts()
    before = get()
    with blas.one_thread():
        assert get() == 1
        with blas.one_thread():
            assert get() == 1
        assert get() == 1
    assert get() == before
    with pytest.raises(KeyError), blas.one_thread():
        raise KeyError
    assert get() == before


@needs_openblas
def test_it_says_which_kernels_it_chose():
    code = "from tinygrad_cnn.kernels import blas; print(blas.core())"
    environment = os.environ | {"OPENBLAS_CORETYPE": "Nehalem"}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout == "Nehalem\n"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (1, 3, 2), (3, 1, 2), (2, 3, 1), (1, 1, 4), (4, 1, 1), (2, 3, 4)])
def test_products_of_matrices_with_gaps_and_axes_of_one(m, k, n, dtype):
    """The step along an axis of one element says nothing, and may be less than a row."""
    rng = np.random.default_rng(0)
    a, b, start = (rng.integers(-9, 9, shape).astype(dtype) for shape in ((m, k), (k, n), (m, n)))
    for left, right in product(views(a), views(b)):
        for add in (False, True):
            out = start.copy()
            blas.multiply_into(out, left, right, add=add)
            np.testing.assert_array_equal(out, a @ b + add * start)


def views(matrix):
    """The matrix with its rows apart, turned, and with other steps along axes of one element."""
    rows, columns = matrix.shape
    wide, high = np.zeros((rows, columns + 3), matrix.dtype), np.zeros((columns, rows + 3), matrix.dtype)
    wide[:, :columns], high[:, :rows] = matrix, matrix.T
    for view in (matrix, wide[:, :columns], high[:, :rows].T):
        yield view
        for step in (0, 4, 64):
            steps = [step if m == 1 else of_axis for m, of_axis in zip(view.shape, view.strides, strict=True)]
            yield np.lib.stride_tricks.as_strided(view, view.shape, steps)

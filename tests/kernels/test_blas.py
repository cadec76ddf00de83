"""The OpenBLAS that NumPy brings."""

import os
import subprocess
import sys

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

"""Which kernel computes what, and how the definition is asked for."""

from fractions import Fraction

import numpy as np
import pytest

from tinygrad_cnn.kernels import dispatch, numpy_fast


@pytest.fixture
def chosen(monkeypatch):
    """What a dispatched `correlate` calls for an array: "fast" or "definition"."""

    def correlate(*_):
        return "definition"

    monkeypatch.setattr(numpy_fast, "correlate", lambda *_: "fast")
    monkeypatch.delenv("TINYGRAD_CNN_KERNELS", raising=False)
    return lambda array: dispatch._dispatched(correlate)(array, None)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_floats_take_the_fast_kernel(chosen, dtype):
    assert chosen(np.zeros((1, 1, 2, 2), dtype)) == "fast"


@pytest.mark.parametrize("dtype", [object, np.int64, np.uint8, bool, np.complex128])
def test_everything_else_takes_the_definition(chosen, dtype):
    assert chosen(np.zeros((1, 1, 2, 2), dtype)) == "definition"
    assert chosen(np.full((1, 1, 2, 2), Fraction(1, 3))) == "definition"


def test_an_operation_without_a_fast_kernel_takes_the_definition():
    def unfold(*_):
        return "definition"

    assert not hasattr(numpy_fast, "unfold")
    assert dispatch._dispatched(unfold)(np.zeros((1, 1, 2, 2))) == "definition"


def test_the_environment_asks_for_the_definition(chosen, monkeypatch):
    monkeypatch.setenv("TINYGRAD_CNN_KERNELS", "reference")
    assert chosen(np.zeros((1, 1, 2, 2))) == "definition"
    monkeypatch.setenv("TINYGRAD_CNN_KERNELS", "numpy")
    assert chosen(np.zeros((1, 1, 2, 2))) == "fast"
    monkeypatch.setenv("TINYGRAD_CNN_KERNELS", "quick")
    with pytest.raises(ValueError, match=r"^TINYGRAD_CNN_KERNELS: expected one of numpy, reference but it is 'quick'"):
        chosen(np.zeros((1, 1, 2, 2)))

"""Which kernel computes what, and how one is asked for."""

from fractions import Fraction

import numpy as np
import pytest

from tinygrad_cnn.kernels import dispatch, numpy_fast, onednn, reference
from tinygrad_cnn.kernels.numpy_fast import tiny


@pytest.fixture
def chosen(monkeypatch):
    """What a dispatched `correlate` calls for an array, oneDNN being there."""
    for module, name in ((reference, "definition"), (numpy_fast, "numpy"), (onednn, "onednn"), (tiny, "tiny")):
        monkeypatch.setattr(module, "correlate", lambda *_, name=name: name, raising=False)
    monkeypatch.setattr(onednn, "unavailable", lambda: None)
    monkeypatch.delenv("TINYGRAD_CNN_KERNELS", raising=False)
    dispatch._default.cache_clear()
    yield lambda array: dispatch._dispatched("correlate")(array, None)
    dispatch._default.cache_clear()


def image(dtype):
    return np.zeros((1, 1, 64, 65), dtype)


def test_float32_goes_to_onednn(chosen):
    assert chosen(image(np.float32)) == "onednn"


def test_onednn_may_be_missing(chosen, monkeypatch):
    monkeypatch.setattr(onednn, "unavailable", lambda: "it is not installed")
    assert chosen(image(np.float32)) == "numpy"


def test_a_kernel_may_decline(chosen, monkeypatch):
    monkeypatch.setattr(onednn, "correlate", lambda *_: NotImplemented)
    assert chosen(image(np.float32)) == "numpy"
    monkeypatch.setattr(numpy_fast, "correlate", lambda *_: NotImplemented)
    assert chosen(image(np.float32)) == "definition"


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.longdouble])
def test_other_floats_take_numpy(chosen, dtype):
    assert chosen(image(dtype)) == "numpy"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_what_is_tiny_has_a_kernel_of_its_own(chosen, dtype, monkeypatch):
    assert chosen(image(dtype)[..., :64]) == "tiny"
    with dispatch.using("reference"):
        assert chosen(image(dtype)[..., :64]) == "definition"
    monkeypatch.setattr(tiny, "correlate", lambda *_: NotImplemented)
    assert chosen(image(dtype)[..., :64]) == ("onednn" if dtype is np.float32 else "numpy")


@pytest.mark.parametrize("dtype", [object, np.int64, np.uint8, bool, np.complex128])
def test_everything_else_takes_the_definition(chosen, dtype):
    assert chosen(image(dtype)) == "definition"
    assert chosen(np.full((1, 1, 2, 2), Fraction(1, 3))) == "definition"


def test_every_line_of_the_table_has_its_kernels():
    for operation, line in dispatch.TABLE.items():
        assert callable(getattr(line.definition, operation))
        assert line.numpy is None or callable(getattr(numpy_fast, operation))
        assert line.tiny < 0 or callable(getattr(tiny, operation))
        assert callable(getattr(dispatch, operation))


@pytest.mark.parametrize(("choice", "kernel"), [("reference", "definition"), ("numpy", "numpy"), ("onednn", "onednn")])
def test_the_environment_forces_one(chosen, monkeypatch, choice, kernel):
    monkeypatch.setenv("TINYGRAD_CNN_KERNELS", choice)
    assert chosen(image(np.float32)) == kernel
    with dispatch.using("reference"):
        assert chosen(image(np.float32)) == "definition"
    assert chosen(image(np.float32)) == kernel


def test_an_unknown_choice_is_refused(chosen, monkeypatch):
    monkeypatch.setenv("TINYGRAD_CNN_KERNELS", "quick")
    expected = r"^TINYGRAD_CNN_KERNELS: expected one of onednn, numpy, reference but it is 'quick'"
    with pytest.raises(ValueError, match=expected):
        chosen(image(np.float32))
    with pytest.raises(ValueError, match=r"^using: expected one of"), dispatch.using("quick"):
        pass


def test_onednn_asked_for_and_missing_is_an_error(chosen, monkeypatch):
    monkeypatch.setattr(onednn, "unavailable", lambda: "it is not installed")
    monkeypatch.setenv("TINYGRAD_CNN_KERNELS", "onednn")
    with pytest.raises(RuntimeError, match=r"^TINYGRAD_CNN_KERNELS: oneDNN can't be used: it is not installed"):
        chosen(image(np.float32))

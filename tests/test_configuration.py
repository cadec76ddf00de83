"""What `show_config` tells."""

import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.kernels import dispatch, onednn
from tinygrad_cnn.kernels.onednn import library


def test_it_prints_what_it_gives(capsys):
    assert tg.show_config() is None
    printed = capsys.readouterr().out
    for name, text in tg.show_config("dict").items():
        assert any(line.startswith(name) and line.endswith(text) for line in printed.splitlines())


def test_it_says_why_onednn_is_not_used(monkeypatch):
    monkeypatch.setattr(onednn, "unavailable", lambda: "it fell off the shelf")
    monkeypatch.delenv("TINYGRAD_CNN_KERNELS", raising=False)
    dispatch._default.cache_clear()
    try:
        found = tg.show_config("dict")
    finally:
        dispatch._default.cache_clear()
    assert found["oneDNN"] == "not used: it fell off the shelf"
    assert found["kernels"].startswith("NumPy for floats")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [("reference", "the definitions for everything"), ("numpy", "NumPy for floats"), ("no", "none: TINYGRAD_CNN_KERN")],
)
def test_it_follows_the_environment(monkeypatch, choice, expected):
    monkeypatch.setenv("TINYGRAD_CNN_KERNELS", choice)
    dispatch._default.cache_clear()
    try:
        assert tg.show_config("dict")["kernels"].startswith(expected)
    finally:
        dispatch._default.cache_clear()


def test_a_wrong_mode_is_refused():
    with pytest.raises(ValueError, match=r"^show_config: mode must be 'stdout' or 'dict' but is 'json'"):
        tg.show_config("json")


def test_bfloat16_without_onednn_is_refused(monkeypatch):
    def missing():
        raise library.UnusableError("it fell off the shelf")

    monkeypatch.setattr(library, "load", missing)
    expected = r"^set_precision: bfloat16 needs oneDNN, which can't be used: it fell off the shelf$"
    with pytest.raises(RuntimeError, match=expected):
        tg.set_precision("bfloat16")
    assert tg.get_precision() == "float32"

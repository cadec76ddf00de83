"""Fast kernels, definitions and naive sums against one another, on shapes that Hypothesis draws."""

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracles
from tests.kernels.calls import assert_fast_is_reference, convolution_calls, pooling_calls
from tests.operands import assert_equal, integers, specials
from tests.window_cases import Convolution, Pooling, TransposedConvolution

few = settings(max_examples=300, deadline=None, database=None)


@st.composite
def window_axes(draw, sizes_beyond=5, largest_padding=3):
    """(sizes, kernel, stride, padding, dilation) of one to three axes on which at least one window fits."""
    axes = []
    for _ in range(draw(st.sampled_from([2, 2, 1, 3]))):
        kernel, dilation, stride = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
        before, after = draw(st.integers(0, largest_padding)), draw(st.integers(0, largest_padding))
        least = max(dilation * (kernel - 1) + 1 - before - after, 1)
        axes.append((draw(st.integers(least, least + sizes_beyond)), kernel, stride, (before, after), dilation))
    return tuple(zip(*axes, strict=True))


counts = st.integers(1, 2)


@st.composite
def convolutions(draw):
    size, kernel, stride, padding, dilation = draw(window_axes(sizes_beyond=3))
    groups, channels, filters = draw(st.integers(1, 3)), draw(counts), draw(counts)
    x = (draw(st.integers(0, 3)), groups * channels, *size)
    return Convolution("drawn", x, (groups * filters, channels, *kernel), stride, padding, dilation, groups)


@st.composite
def transposed_convolutions(draw):
    size, kernel, stride, _, dilation = draw(window_axes(sizes_beyond=0))
    padding, added = [], []
    for m, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        added.append(draw(st.integers(0, max(s, d) - 1)))
        whole = (m - 1) * s + d * (k - 1) + 1 + added[-1]
        before = draw(st.integers(0, min(whole - 1, 4)))
        padding.append((before, draw(st.integers(0, min(whole - 1 - before, 4)))))
    groups, channels, filters = draw(st.integers(1, 3)), draw(counts), draw(counts)
    x, weight = (draw(st.integers(0, 3)), groups * channels, *size), (groups * channels, filters, *kernel)
    return TransposedConvolution("drawn", x, weight, stride, tuple(padding), tuple(added), groups, dilation)


@st.composite
def poolings(draw):
    size, kernel, stride, padding, dilation = draw(window_axes(largest_padding=1))
    x = (draw(st.integers(0, 2)), draw(counts), *size)
    return Pooling("drawn", x, kernel, stride, padding, dilation, draw(st.booleans()))


@few
@given(st.one_of(convolutions(), transposed_convolutions()))
def test_convolutions(case):
    for name, arguments in convolution_calls(case, integers, np.float64):
        assert_fast_is_reference(name, arguments)
    x, weight, bias = case.operands(integers)
    assert_equal(case(x, weight, bias), case.naive.value(x, weight, bias).astype(float))


@few
@given(poolings(), st.sampled_from([integers, specials]))
def test_poolings(case, make):
    for name, arguments in pooling_calls(case, make, np.float32):
        assert_fast_is_reference(name, arguments)
    x = make(case.x, 1)
    _, windows = oracles.pooling_windows((1, 1, *case.x[2:]), *case.explicit)
    if all(places for _, places, _ in windows):
        assert_equal(case.max(x), oracles.max_pooling(x, *case.explicit)[0].astype(float))
    else:
        with pytest.raises(ValueError, match=f"^max_{case.operation}: padding .* without a pixel"):
            case.max(x)

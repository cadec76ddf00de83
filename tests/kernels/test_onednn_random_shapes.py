"""oneDNN's convolutions against the definitions, on shapes and layouts that Hypothesis draws."""

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.calls import assert_fast_is_reference, convolution_calls
from tests.kernels.test_random_shapes import convolutions, few, transposed_convolutions
from tests.operands import integers, layouts
from tinygrad_cnn.kernels import onednn

pytestmark = pytest.mark.skipif(onednn.unavailable() is not None, reason=f"no oneDNN: {onednn.unavailable()}")


@settings(few, max_examples=100)
@given(st.one_of(convolutions(), transposed_convolutions()), st.sampled_from(["as made", *layouts(np.zeros((1, 1)))]))
def test_convolutions(case, layout):
    for name, arguments in convolution_calls(case, integers, np.float32):
        arrays = (
            layouts(a)[layout] if layout != "as made" and isinstance(a, np.ndarray) and a.ndim > 1 else a
            for a in arguments
        )
        assert_fast_is_reference(name, tuple(arrays), fast=onednn)

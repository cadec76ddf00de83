"""The fast NumPy kernels against the definitions, each called as it is, over all cases and over random shapes."""

import numpy as np
import pytest

from tests.kernels.calls import FAST, assert_fast_is_reference, convolution_calls, pooling_calls
from tests.operands import integers, layouts, normals, specials
from tests.window_cases import CONVOLUTIONS, POOLINGS, TRANSPOSED_CONVOLUTIONS, by_name
from tinygrad_cnn.kernels import numpy_fast
from tinygrad_cnn.kernels.numpy_fast import lowering

every_float = pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])


def test_every_fast_kernel_is_held_to_its_definition():
    # in test_fast_softmax, test_fast_normalization and test_numpy_products
    elsewhere = {"cross_entropy_of_labels", "linear", "matmul", "normalize", "normalize_gradient"}
    assert set(numpy_fast.__all__) == {*FAST, *elsewhere}


@every_float
@by_name(CONVOLUTIONS + TRANSPOSED_CONVOLUTIONS)
def test_convolutions(case, dtype):
    """On small integers every order of summation gives the same, so equality is exact."""
    for name, arguments in convolution_calls(case, integers, dtype):
        assert_fast_is_reference(name, arguments)


@by_name(CONVOLUTIONS + TRANSPOSED_CONVOLUTIONS, "everything", "plain", "batch 0")
def test_convolutions_round_alike(case):
    for name, arguments in convolution_calls(case, normals, np.float64):
        assert_fast_is_reference(name, arguments, tolerance=1e-14)


@every_float
@pytest.mark.parametrize("make", [integers, specials])
@by_name(POOLINGS)
def test_poolings(case, make, dtype):
    for name, arguments in pooling_calls(case, make, dtype):
        assert_fast_is_reference(name, arguments)


@pytest.mark.parametrize("chunk_bytes", [1, 1000, 1 << 40])
@by_name(CONVOLUTIONS + TRANSPOSED_CONVOLUTIONS, "plain", "everything", "groups", "batch 0", "1d, everything")
def test_the_size_of_a_chunk_makes_no_difference(case, chunk_bytes, monkeypatch):
    monkeypatch.setattr(lowering, "CHUNK_BYTES", chunk_bytes)
    for name, arguments in convolution_calls(case, integers, np.float32):
        assert_fast_is_reference(name, arguments)


@pytest.mark.parametrize("layout", layouts(np.zeros((1, 1))))
@by_name(CONVOLUTIONS + TRANSPOSED_CONVOLUTIONS, "plain", "everything", "3d, everything")
def test_memory_layout_makes_no_difference(case, layout):
    for name, arguments in convolution_calls(case, integers, np.float32):
        views = (layouts(a)[layout] if isinstance(a, np.ndarray) and a.ndim > 1 else a for a in arguments)
        assert_fast_is_reference(name, tuple(views))


@pytest.mark.parametrize("dtypes", [(np.float32, np.float64), (np.float64, np.float32), (np.float16, np.float32)])
def test_mixed_dtypes_give_that_of_the_definition(dtypes):
    first, second = dtypes
    case = CONVOLUTIONS[0]
    x, weight, bias = case.operands(integers)
    dz = integers(case.naive.z_shape, 4)
    stride, pads, dilation, groups = case.explicit
    for arguments in (
        (x.astype(first), weight.astype(second), None),
        (x.astype(first), weight.astype(first), bias.astype(second)),
    ):
        assert_fast_is_reference("correlate", (*arguments, stride, pads, dilation, groups))
        assert_fast_is_reference(
            "conv_transpose",
            (dz.astype(arguments[0].dtype), *arguments[1:2], None, case.x[2:], stride, pads, dilation, groups),
        )
    for name, arguments in (
        ("correlate_kernel", (x.astype(first), dz.astype(second), case.weight[2:])),
        ("full_correlate", (dz.astype(first), weight.astype(second), case.x[2:])),
    ):
        assert_fast_is_reference(name, (*arguments, stride, pads, dilation, groups))

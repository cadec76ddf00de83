"""What the convolution page refuses before anything is computed or written, and in which words."""

import numpy as np
import pytest

from tinygrad_cnn.viz.pages.convolution import convolution_page

X = np.arange(16.0).reshape(4, 4)
K = np.ones((2, 2))
POOL = {"operation": "max_pool2d", "kernel_size": 2}


@pytest.mark.parametrize("weight", [3, [1, 2], np.zeros((1, 1, 1, 1, 1))])
def test_a_weight_has_two_to_four_axes(weight):
    with pytest.raises(ValueError, match=r"^convolution_page: weight must be \(kH, kW\), .* but has shape"):
        convolution_page(X, weight)


@pytest.mark.parametrize("option", [{"weight": K}, {"bias": np.ones(1)}, {"groups": 2}, {"padding_mode": "reflect"}])
def test_a_pooling_has_no_kernel_of_its_own(option):
    (name,) = option
    with pytest.raises(ValueError, match=f"^convolution_page: {name} is for conv2d, .* not for max_pool2d"):
        convolution_page(X, **option, **POOL)


@pytest.mark.parametrize(
    "options",
    [
        {"padding": 31},
        {"padding": 10**9},
        {"padding": ((0, 61), (0, 0))},
        {"operation": "conv_transpose2d", "stride": 21},
        {"operation": "conv_transpose2d", "stride": 10**6},
        {"operation": "conv_transpose2d", "stride": 17, "padding": "same"},
        {"operation": "conv_transpose2d", "stride": 10**6, "padding": 3 * 10**6 // 2},
    ],
)
def test_planes_that_are_too_large_are_never_made(options):
    with pytest.raises(ValueError, match=r"^convolution_page: a page shows planes of up to 64 pixels a side"):
        convolution_page(X, K, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"padding": 30},
        {"operation": "conv_transpose2d", "stride": 20},
        {"operation": "conv_transpose2d", "stride": 16, "padding": "same"},
        {"stride": 10**9},
    ],
)
def test_the_largest_that_are_shown(options):
    assert convolution_page(X, K, **options).html

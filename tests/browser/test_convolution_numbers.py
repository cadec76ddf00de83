"""The convolution page: every number that it computes is the library's."""

import numpy as np
import pytest

from tests.browser.convolution_numbers import MODES, Case, assert_numbers, library, shown
from tinygrad_cnn.viz.pages.convolution import convolution_page


def conv(operation, x, weight, **options):
    return Case(operation, x, weight, options, bias=options.pop("with_bias", True))


CASES = [
    conv("conv2d", (1, 1, 3, 3), (1, 1, 2, 2)),
    conv("conv2d", (1, 1, 1, 1), (1, 1, 1, 1), with_bias=False),
    conv("conv2d", (2, 3, 4, 5), (2, 3, 3, 2), stride=2, padding=1),
    conv("conv2d", (1, 1, 7, 6), (1, 1, 2, 4), stride=3, padding=((2, 0), (0, 1)), dilation=(2, 1)),
    conv("conv2d", (1, 4, 4, 3), (6, 2, 2, 2), groups=2, stride=(1, 2), with_bias=False),
    conv("conv2d", (1, 3, 3, 3), (3, 1, 3, 3), groups=3, padding="same"),
    conv("conv2d", (1, 1, 5, 6), (1, 1, 3, 4), padding="same", stride=2),
    conv("conv2d", (1, 1, 3, 4), (1, 1, 3, 2), padding="full", dilation=2),
    conv("conv2d", (1, 1, 6, 1), (1, 1, 3, 1), stride=2),
    conv("conv2d", (1, 1, 3, 3), (1, 1, 2, 2), padding=3),  # windows in the padding alone
    *[conv("conv2d", (1, 2, 4, 3), (2, 2, 3, 3), padding=1, padding_mode=mode) for mode in MODES[1:]],
    *[
        conv("conv2d", (1, 1, 3, 2), (1, 1, 2, 3), padding=((4, 1), (0, 5)), padding_mode=mode, stride=2)
        for mode in MODES
    ],
    *[conv("conv2d", (1, 1, 1, 1), (1, 1, 3, 3), padding=1, padding_mode=mode) for mode in MODES],
    conv("convolve2d", (1, 2, 4, 4), (2, 2, 3, 2), padding=1),
    conv("convolve2d", (2, 1, 5, 4), (1, 1, 2, 3), stride=2, dilation=(1, 2), padding=(0, 2), padding_mode="symmetric"),
    conv("conv_transpose2d", (1, 1, 2, 2), (1, 1, 2, 2)),
    conv("conv_transpose2d", (1, 1, 1, 1), (1, 1, 3, 2), stride=2, with_bias=False),
    conv("conv_transpose2d", (2, 2, 3, 2), (2, 3, 3, 3), stride=2, padding=1, output_padding=1),
    conv("conv_transpose2d", (1, 1, 3, 4), (1, 1, 3, 3), stride=2, padding=((2, 0), (1, 3))),
    conv(
        "conv_transpose2d", (1, 4, 2, 3), (4, 1, 2, 2), groups=2, stride=3, dilation=2, padding=1, output_padding=(0, 2)
    ),
    conv("conv_transpose2d", (1, 1, 3, 2), (1, 2, 1, 2), stride=3, padding="same"),
    conv("conv_transpose2d", (1, 1, 3, 3), (1, 1, 3, 4), stride=2, padding="same"),
    conv("conv_transpose2d", (1, 2, 4, 3), (2, 1, 3, 2), padding="full"),
    conv("conv_transpose2d", (1, 1, 3, 3), (1, 1, 2, 3), stride=1, dilation=(2, 3), output_padding=(1, 2)),
    *[
        Case("max_pool2d", (2, 2, 5, 4), options=options, tied=True)
        for options in [
            {"kernel_size": 2},
            {"kernel_size": 3, "stride": 1, "padding": 1},
            {"kernel_size": 3, "stride": 2, "padding": 1, "ties": "split"},
            {"kernel_size": (1, 2), "stride": (3, 1), "dilation": (1, 2), "ties": "split"},
            {"kernel_size": 2, "stride": 2, "ceil_mode": True},
            {"kernel_size": 3, "stride": 2, "padding": "same"},
        ]
    ],
    *[
        Case("avg_pool2d", (1, 2, 5, 4), options=options)
        for options in [
            {"kernel_size": 2},
            {"kernel_size": 3, "stride": 1, "padding": 1},
            {"kernel_size": 3, "stride": 2, "padding": ((1, 0), (2, 1)), "count_include_pad": False},
            {"kernel_size": 2, "stride": 2, "padding": 1, "ceil_mode": True},
            {"kernel_size": 3, "stride": 3, "ceil_mode": True, "count_include_pad": False},
            {"kernel_size": 2, "stride": 1, "dilation": 2},
        ]
    ],
    Case("max_pool2d", (1, 1, 1, 1), options={"kernel_size": 1}),
    Case("avg_pool2d", (1, 1, 1, 3), options={"kernel_size": (1, 2), "stride": 1}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_number_is_the_librarys(case, open_page):
    x, weight, bias = case.arrays()
    z = case.run(x, weight, bias)
    dz = np.random.default_rng(1).integers(-9, 10, z.shape) / 2
    page = open_page(convolution_page(x, weight, bias, operation=case.operation, dz=dz, **case.options))
    assert_numbers(shown(page, case, x, weight, bias, z.shape), library(case, x, weight, bias, dz))

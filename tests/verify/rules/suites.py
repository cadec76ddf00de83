"""All suites: wrong rules by operation, right ones by operation, and forwards as students write them."""

from tests.verify.rules import (
    right_conv2d,
    right_conv2d_channels,
    right_layers,
    right_pooling,
    student_forwards,
    wrong_avg_pool2d,
    wrong_batch_norm,
    wrong_conv2d,
    wrong_conv2d_channels,
    wrong_conv_transpose2d,
    wrong_elementwise,
    wrong_in_other_styles,
    wrong_linear,
    wrong_max_pool2d,
    wrong_softmax,
)

WRONG = [
    *wrong_conv2d.HOMEWORK,
    *wrong_conv2d_channels.HOMEWORK,
    *wrong_conv_transpose2d.HOMEWORK,
    *wrong_max_pool2d.HOMEWORK,
    *wrong_avg_pool2d.HOMEWORK,
    *wrong_linear.HOMEWORK,
    *wrong_elementwise.HOMEWORK,
    *wrong_softmax.HOMEWORK,
    *wrong_batch_norm.HOMEWORK,
    *wrong_in_other_styles.HOMEWORK,
]
RIGHT = [
    *right_conv2d.HOMEWORK,
    *right_conv2d_channels.HOMEWORK,
    *right_pooling.HOMEWORK,
    *right_layers.HOMEWORK,
    *student_forwards.HOMEWORK,
]

UNNAMED = {
    "conv2d dbias_of_one_pixel",  # dZ summed over the images, at their first pixel alone
}
"""Wrong rules whose mistake the checker has no name for."""

"""Fast substitutes for the definitions, in NumPy alone: same names, same arguments, on floating-point arrays.

A kernel gives NotImplemented for what it has no better way to do than the definition.
"""

from tinygrad_cnn.kernels.numpy_fast.averaging import avg_pool, scatter_shares
from tinygrad_cnn.kernels.numpy_fast.convolution import conv_transpose, correlate, correlate_kernel, full_correlate
from tinygrad_cnn.kernels.numpy_fast.normalization import normalize, normalize_gradient
from tinygrad_cnn.kernels.numpy_fast.pooling import max_pool, scatter_winners
from tinygrad_cnn.kernels.numpy_fast.products import linear, matmul
from tinygrad_cnn.kernels.numpy_fast.softmax import cross_entropy_of_labels

__all__ = [
    "avg_pool", "conv_transpose", "correlate", "correlate_kernel", "cross_entropy_of_labels", "full_correlate",
    "linear", "matmul", "max_pool", "normalize", "normalize_gradient", "scatter_shares", "scatter_winners",
]  # fmt: skip

"""The built-in exercises: backward rules of the layers of a CNN and a few forwards, as lectures set them."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn.verify import lectures
from tinygrad_cnn.verify.grading.exercise import Exercise
from tinygrad_cnn.verify.grading.values import Case

Shape = tuple[int, ...]

_UPSTREAM = "dZ is the gradient of the loss with respect to Z."
_CONVOLUTION = (
    "Z = X (*) K + B is a cross-correlation: X is a matrix, K a smaller one, B a number; X gets `padding` zeros on "
    "each side, and the windows are `stride` apart."
)
_WINDOWS = (
    "each window of size x size of the matrix X; the windows are `stride` apart, may overlap, and are left out where "
    "they do not lie inside X."
)


def _image(X: Any) -> Any:
    """A matrix as one image of one channel."""
    return tg.reshape(X, (1, 1, *X.shape))


def conv2d(X: Any, K: Any, B: Any, stride: int = 1, padding: int = 0) -> Any:
    """Z = X (*) K + B of matrices X and K and a number B."""
    return tg.conv2d(_image(X), _image(K), tg.reshape(B, (1,)), stride, padding)[0, 0]


def convolve2d(X: Any, K: Any, B: Any, stride: int = 1, padding: int = 0) -> Any:
    """As `conv2d` with the kernel rotated: what those get who take the word convolution as mathematics does."""
    return tg.convolve2d(_image(X), _image(K), tg.reshape(B, (1,)), stride, padding)[0, 0]


def conv_transpose(X: Any, K: Any, stride: int = 1) -> Any:
    """Z[i s + a, j s + b] += X[i, j] K[a, b] of matrices X and K."""
    return tg.conv_transpose2d(_image(X), _image(K), stride=stride)[0, 0]


def max_pool(X: Any, size: int, stride: int) -> Any:
    """The largest entry of each window of a matrix."""
    return tg.max_pool2d(_image(X), size, stride)[0, 0]


def average_pool(X: Any, size: int, stride: int) -> Any:
    """The mean of each window of a matrix."""
    return tg.avg_pool2d(_image(X), size, stride)[0, 0]


def linear(X: Any, W: Any, B: Any) -> Any:
    """Z = X W + B: X (N, D), W (D, M), B (M,)."""
    return tg.matmul(X, W) + B


def relu(X: Any) -> Any:
    """max(X, 0)."""
    return tg.relu(X)


def softmax_cross_entropy(X: Any, target: Any) -> Any:
    """The mean of -log softmax(X)[n, target[n]] over the batch."""
    return tg.cross_entropy(X, target)


def batch_norm(X: Any, gamma: Any, beta: Any, epsilon: float = 1e-5) -> Any:
    """Z = gamma (X - mean) / sqrt(variance + epsilon) + beta: X (N, D), gamma and beta (D,)."""
    return tg.batch_norm(X, None, None, gamma, beta, training=True, eps=epsilon)


def _convolved(x: Shape, k: Shape, stride: int, padding: int) -> Case:
    return {"X": x, "K": k, "B": (), "stride": stride, "padding": padding}


def _convolved_layer(x: Shape, k: Shape, stride: int, padding: int) -> Case:
    return {"x": x, "weight": k, "bias": k[:1], "stride": stride, "padding": padding}


_TIES = [[1, 1, 3, 0], [1, 1, 0, 3], [2, 5, 4, 4], [5, 2, 0, 4]]
_POOLED = (
    {"X": (2, 2), "size": 2, "stride": 2},
    {"X": (4, 4), "size": 2, "stride": 2},
    {"X": (5, 3), "size": 2, "stride": 2},
    {"X": (3, 3), "size": 2, "stride": 1},
    {"X": (4, 5), "size": 3, "stride": 1},
    {"X": (7, 8), "size": 2, "stride": 3},
)


def _lecture_14() -> Exercise:
    homework = lectures.exercises()[0]
    return Exercise.of_rules(
        homework.name,
        "the homework of lecture 14: the gradients of a 3x3 image and a 2x2 kernel",
        homework.question,
        homework.forward,
        homework.functions,
        homework.cases,
        is_automatic=False,
    )


EXERCISES = (
    Exercise.of_rules(
        "conv2d-backward",
        "the gradients of a convolution",
        f"{_CONVOLUTION} {_UPSTREAM} Write the gradients with respect to X, K and B, each of its shape.",
        conv2d,
        {"X": "dX(dZ, X, K, stride, padding)", "K": "dK(dZ, X, K, stride, padding)", "B": "dB(dZ)"},
        [
            _convolved((3, 3), (2, 2), 1, 0),
            _convolved((3, 4), (2, 3), 1, 0),
            _convolved((3, 3), (3, 3), 1, 0),
            _convolved((3, 3), (2, 2), 1, 1),
            _convolved((4, 5), (3, 2), 1, 2),
            _convolved((5, 5), (3, 3), 2, 0),
            _convolved((6, 4), (3, 2), 2, 0),  # the last row is in no window
            _convolved((4, 6), (2, 3), 3, 0),
            _convolved((4, 4), (3, 3), 2, 1),
            _convolved((5, 6), (2, 3), 3, 2),
            _convolved((3, 2), (1, 1), 2, 1),
        ],
    ),
    Exercise.of_rules(
        "conv2d-layer-backward",
        "the gradients of a convolution of images with channels",
        "The layer of a CNN: X is (N, C, H, W), K is (F, C, kH, kW), B is (F,), Z = X (*) K + B is (N, F, H', W'), "
        f"with `stride` and zero `padding`. {_UPSTREAM} Write the gradients with respect to X, K and B.",
        tg.conv2d,
        {"x": "dX(dZ, X, K, stride, padding)", "weight": "dK(dZ, X, K, stride, padding)", "bias": "dB(dZ)"},
        [
            _convolved_layer((1, 1, 3, 3), (1, 1, 2, 2), 1, 0),
            _convolved_layer((2, 1, 3, 3), (1, 1, 2, 2), 1, 0),
            _convolved_layer((1, 2, 3, 4), (3, 2, 2, 3), 1, 0),
            _convolved_layer((2, 3, 4, 3), (2, 3, 3, 2), 1, 1),
            _convolved_layer((2, 2, 6, 5), (3, 2, 3, 2), 2, 0),
            _convolved_layer((2, 2, 4, 5), (2, 2, 3, 3), 2, 1),
            _convolved_layer((1, 2, 5, 4), (2, 2, 2, 1), 3, 2),
        ],
        is_automatic=False,
    ),
    _lecture_14(),
    Exercise.of_rules(
        "max-pool-backward",
        "the gradient of a max-pool",
        f"Z has the largest entry of {_WINDOWS} {_UPSTREAM} Write the gradient with respect to X. Where several "
        "entries of a window are largest, one of them takes the gradient, or each an equal share.",
        max_pool,
        {"X": "max_pool_dX(dZ, X, size, stride)"},
        [*_POOLED, {"X": np.array(_TIES), "size": 2, "stride": 2}, {"X": np.array(_TIES), "size": 2, "stride": 1}],
    ),
    Exercise.of_rules(
        "average-pool-backward",
        "the gradient of an average pool",
        f"Z has the mean of {_WINDOWS} {_UPSTREAM} Write the gradient with respect to X.",
        average_pool,
        {"X": "average_pool_dX(dZ, X, size, stride)"},
        _POOLED,
    ),
    Exercise.of_rules(
        "conv-transpose-backward",
        "the gradients of a transposed convolution",
        "Each entry of the matrix X is multiplied by the kernel K, and the products are added up, `stride` apart: "
        f"Z[i s + a, j s + b] += X[i, j] K[a, b]. {_UPSTREAM} Write the gradients with respect to X and K.",
        conv_transpose,
        {"X": "conv_transpose_dX(dZ, X, K, stride)", "K": "conv_transpose_dK(dZ, X, K, stride)"},
        [
            {"X": (2, 2), "K": (2, 2), "stride": 1},
            {"X": (2, 3), "K": (3, 2), "stride": 1},
            {"X": (2, 2), "K": (2, 2), "stride": 2},
            {"X": (3, 2), "K": (3, 3), "stride": 2},
            {"X": (2, 3), "K": (1, 2), "stride": 3},
        ],
    ),
    Exercise.of_rules(
        "linear-backward",
        "the gradients of a fully connected layer",
        f"Z = X W + B with X (N, D), W (D, M), B (M,). {_UPSTREAM} Write the gradients with respect to X, W and B.",
        linear,
        {"X": "linear_dX(dZ, X, W)", "W": "linear_dW(dZ, X, W)", "B": "linear_dB(dZ)"},
        [{"X": (n, d), "W": (d, m), "B": (m,)} for n, d, m in ((1, 2, 2), (2, 2, 2), (3, 2, 4), (2, 3, 1))],
    ),
    Exercise.of_rules(
        "relu-backward",
        "the gradient of a relu",
        f"Z = max(X, 0). {_UPSTREAM} Write the gradient with respect to X. Where X is 0, either side is right.",
        relu,
        {"X": "relu_dX(dZ, X)"},
        [{"X": (2, 2)}, {"X": (3,)}, {"X": (2, 3, 4)}, {"X": np.array([[0, 1, -1], [2, 0, 0]])}],
    ),
    Exercise.of_rules(
        "softmax-cross-entropy-backward",
        "the gradient of a softmax with cross-entropy",
        "L is the mean of -log softmax(X)[n, target[n]] over the N rows of X, (N, C); target has N classes. dL is the "
        "gradient with respect to L, a number. Write the gradient with respect to X.",
        softmax_cross_entropy,
        {"X": "softmax_cross_entropy_dX(dL, X, target)"},
        [{"X": (n, c), "target": np.arange(n) * 2 % c} for n, c in ((1, 2), (2, 3), (4, 3), (3, 5))],
        "float64",
    ),
    Exercise.of_rules(
        "batch-norm-backward",
        "the gradients of a batch normalisation",
        "Z = gamma (X - mean) / sqrt(variance + epsilon) + beta for X (N, D), gamma and beta (D,); mean and variance "
        f"are those of each column of X, the variance with 1/N. {_UPSTREAM} Write the gradients with respect to X, "
        "gamma and beta.",
        batch_norm,
        {
            "X": "batch_norm_dX(dZ, X, gamma, epsilon)",
            "gamma": "batch_norm_dgamma(dZ, X, epsilon)",
            "beta": "batch_norm_dbeta(dZ)",
        },
        [{"X": (n, d), "gamma": (d,), "beta": (d,)} for n, d in ((2, 1), (3, 2), (5, 3))],
        "float64",
    ),
    Exercise.of_values(
        "conv2d-forward",
        "a convolution",
        f"{_CONVOLUTION} Write Z.",
        conv2d,
        "conv2d(X, K, B, stride, padding)",
        [
            _convolved((2, 2), (1, 1), 1, 0),
            _convolved((3, 3), (2, 2), 1, 0),
            _convolved((3, 4), (2, 3), 1, 0),
            _convolved((4, 4), (2, 2), 2, 0),
            _convolved((3, 3), (2, 2), 1, 1),
            _convolved((6, 5), (3, 2), 2, 1),
            _convolved((8, 7), (3, 3), 3, 2),
        ],
        mistakes={"the kernel is rotated by 180 degrees, as in mathematics; a CNN correlates": convolve2d},
    ),
    Exercise.of_values(
        "max-pool-forward",
        "a max-pool",
        f"Write Z with the largest entry of {_WINDOWS}",
        max_pool,
        "max_pool(X, size, stride)",
        _POOLED,
        mistakes={"the mean of each window, not its largest entry": average_pool},
    ),
    Exercise.of_values(
        "average-pool-forward",
        "an average pool",
        f"Write Z with the mean of {_WINDOWS}",
        average_pool,
        "average_pool(X, size, stride)",
        _POOLED,
        mistakes={"the largest entry of each window, not its mean": max_pool},
    ),
)

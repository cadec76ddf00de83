"""Wrong backward rules of average pooling, as students write them."""

from functools import partial

import numpy as np

import tinygrad_cnn as tg
from tests.verify.rules.homework import Homework
from tests.verify.rules.oracles import average_pooling

# One image


def avg_pool(X, size=2, stride=2):
    rows = (X.shape[0] - size) // stride + 1
    columns = (X.shape[1] - size) // stride + 1
    Z = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            Z[i, j] = np.mean(X[i * stride : i * stride + size, j * stride : j * stride + size])
    return Z


def not_divided(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i * stride : i * stride + size, j * stride : j * stride + size] += dZ[i, j]
    return dX


def divided_by_the_image(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i * stride : i * stride + size, j * stride : j * stride + size] += dZ[i, j] / X.size
    return dX


def divided_by_one_side(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i * stride : i * stride + size, j * stride : j * stride + size] += dZ[i, j] / size
    return dX


def to_the_largest(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            window = X[i * stride : i * stride + size, j * stride : j * stride + size]
            a, b = np.unravel_index(np.argmax(window), window.shape)
            dX[i * stride + a, j * stride + b] += dZ[i, j]
    return dX


def to_the_corner(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i * stride, j * stride] += dZ[i, j]
    return dX


def overwritten(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i * stride : i * stride + size, j * stride : j * stride + size] = dZ[i, j] / (size * size)
    return dX


def without_stride(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i : i + size, j : j + size] += dZ[i, j] / size**2
    return dX


def without_remainder(dZ, size, stride):
    dX = np.zeros(((dZ.shape[0] - 1) * stride + size, (dZ.shape[1] - 1) * stride + size))
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i * stride : i * stride + size, j * stride : j * stride + size] += dZ[i, j] / size**2
    return dX


def without_upstream(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i * stride : i * stride + size, j * stride : j * stride + size] += 1 / size**2
    return dX


def negative(dZ, X, size, stride):
    return -1 / size**2 * not_divided(dZ, X, size, stride)


def not_divided_and_overwritten(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i * stride : i * stride + size, j * stride : j * stride + size] = dZ[i, j]
    return dX


def divided_by_the_image_and_negative(dZ, X, size, stride):
    return -not_divided(dZ, X, size, stride) / (X.shape[0] * X.shape[1])


def not_divided_without_stride(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i : i + size, j : j + size] += dZ[i, j]
    return dX


# tg.avg_pool2d, with padding

avg_pool_of_pixels = partial(tg.avg_pool2d, count_include_pad=False)


def shares(dout, x, counts, kernel_size, stride, padding):
    """Each window's gradient to its entries, divided by its count."""
    p = padding
    dxp = np.zeros((*x.shape[:2], x.shape[2] + 2 * p, x.shape[3] + 2 * p))
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            r, s = i * stride, j * stride
            share = dout[:, :, i, j] / counts[i, j]
            dxp[:, :, r : r + kernel_size, s : s + kernel_size] += share[:, :, None, None]
    return dxp


def pixels_of_windows(x, shape, kernel_size, stride, padding):
    """How many pixels of x each window has."""
    ones = np.pad(np.ones(x.shape[2:]), padding)
    counts = np.zeros(shape)
    for i in range(shape[0]):
        for j in range(shape[1]):
            counts[i, j] = ones[i * stride : i * stride + kernel_size, j * stride : j * stride + kernel_size].sum()
    return counts


def taken_off(dxp, x, padding):
    return dxp[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]]


def counts_pixels_only(dout, x, kernel_size, stride, padding):
    counts = pixels_of_windows(x, dout.shape[2:], kernel_size, stride, padding)
    return taken_off(shares(dout, x, counts, kernel_size, stride, padding), x, padding)


def counts_the_padding(dout, x, kernel_size, stride, padding):
    counts = np.full(dout.shape[2:], kernel_size**2)
    return taken_off(shares(dout, x, counts, kernel_size, stride, padding), x, padding)


def with_padding(dout, x, kernel_size, stride, padding):
    return shares(dout, x, np.full(dout.shape[2:], kernel_size**2), kernel_size, stride, padding)


def averaged(dout, x, kernel_size, stride, padding):
    return counts_the_padding(dout, x, kernel_size, stride, padding) / x.shape[0]


ONE = [
    {"X": (5, 4), "size": 2, "stride": 2},
    {"X": (3, 4), "size": 2, "stride": 1},
    {"X": (4, 5), "size": 3, "stride": 1},
    {"X": (5, 6), "size": 3, "stride": 2},
]
BATCH = [
    {"x": (1, 1, 4, 4), "kernel_size": 2, "stride": 2, "padding": 0},
    {"x": (2, 2, 3, 4), "kernel_size": 2, "stride": 2, "padding": 1},
    {"x": (3, 2, 4, 3), "kernel_size": 3, "stride": 1, "padding": 1},
]


def pixels_only(operands, options):
    return average_pooling(operands, options | {"count_include_pad": False})


def one(rule, name):
    return Homework(f"avg_pool {rule.__name__}", avg_pool, {"X": rule}, average_pooling, ONE, {"X": name})


def tensor_form(rule, name):
    return Homework(f"tg.avg_pool2d {rule.__name__}", tg.avg_pool2d, {"x": rule}, average_pooling, BATCH, {"x": name})


HOMEWORK = [
    one(not_divided, "not-divided-by-window"),
    one(divided_by_the_image, "divided-by-input-size"),
    one(divided_by_one_side, "divided-by-one-side"),
    one(to_the_largest, "to-one-entry"),
    one(to_the_corner, "to-one-entry"),
    one(overwritten, "overwritten-instead-of-added"),
    one(without_stride, "window-stride-ignored"),
    one(without_remainder, "remainder-rows-lost"),
    one(without_upstream, "upstream-missing"),
    one(negative, "sign"),
    one(not_divided_and_overwritten, "not-divided-by-window + overwritten-instead-of-added"),
    one(divided_by_the_image_and_negative, "divided-by-input-size + sign"),
    one(not_divided_without_stride, "not-divided-by-window + window-stride-ignored"),
    tensor_form(counts_pixels_only, "wrong-count-at-border"),
    tensor_form(with_padding, "padding-not-taken-off"),
    tensor_form(averaged, "averaged-over-batch"),
    Homework(
        "tg.avg_pool2d of pixels, counts_the_padding",
        avg_pool_of_pixels,
        {"x": counts_the_padding},
        pixels_only,
        BATCH,
        {"x": "wrong-count-at-border"},
    ),
]

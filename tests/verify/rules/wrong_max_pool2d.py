"""Wrong backward rules of max pooling, as students write them."""

import numpy as np

import tinygrad_cnn as tg
from tests.verify.rules.homework import Homework
from tests.verify.rules.oracles import max_pooling

# One image


def max_pool(X, size=2, stride=2):
    rows = (X.shape[0] - size) // stride + 1
    columns = (X.shape[1] - size) // stride + 1
    Z = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            Z[i, j] = np.max(X[i * stride : i * stride + size, j * stride : j * stride + size])
    return Z


def to_every_tie(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            window = X[i * stride : i * stride + size, j * stride : j * stride + size]
            mask = window == np.max(window)
            dX[i * stride : i * stride + size, j * stride : j * stride + size] += mask * dZ[i, j]
    return dX


def to_the_smallest(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            window = X[i * stride : i * stride + size, j * stride : j * stride + size]
            a, b = np.unravel_index(np.argmin(window), window.shape)
            dX[i * stride + a, j * stride + b] += dZ[i, j]
    return dX


def to_the_last_entry(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i * stride + size - 1, j * stride + size - 1] += dZ[i, j]
    return dX


def to_row_and_column_exchanged(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            window = X[i * stride : i * stride + size, j * stride : j * stride + size]
            k = np.argmax(window)
            dX[i * stride + k % size, j * stride + k // size] += dZ[i, j]
    return dX


def as_an_average(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i * stride : i * stride + size, j * stride : j * stride + size] += dZ[i, j] / size**2
    return dX


def to_the_whole_window(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i * stride : i * stride + size, j * stride : j * stride + size] += dZ[i, j]
    return dX


def overwritten(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            window = X[i * stride : i * stride + size, j * stride : j * stride + size]
            a, b = np.unravel_index(np.argmax(window), window.shape)
            dX[i * stride + a, j * stride + b] = dZ[i, j]
    return dX


def overwritten_windows(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            window = X[i * stride : i * stride + size, j * stride : j * stride + size]
            mask = np.zeros(window.shape)
            mask[np.unravel_index(np.argmax(window), window.shape)] = 1
            dX[i * stride : i * stride + size, j * stride : j * stride + size] = mask * dZ[i, j]
    return dX


def without_stride(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            window = X[i : i + size, j : j + size]
            a, b = np.unravel_index(np.argmax(window), window.shape)
            dX[i + a, j + b] += dZ[i, j]
    return dX


def without_remainder(dZ, X, size, stride):
    rows = (dZ.shape[0] - 1) * stride + size
    columns = (dZ.shape[1] - 1) * stride + size
    dX = np.zeros((rows, columns))
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            window = X[i * stride : i * stride + size, j * stride : j * stride + size]
            a, b = np.unravel_index(window.argmax(), window.shape)
            dX[i * stride + a, j * stride + b] += dZ[i, j]
    return dX


def ones_at_the_winners(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            window = X[i * stride : i * stride + size, j * stride : j * stride + size]
            a, b = np.unravel_index(np.argmax(window), window.shape)
            dX[i * stride + a, j * stride + b] += 1
    return dX


def negative(dZ, X, size, stride):
    dX = np.zeros_like(X)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            window = X[i * stride : i * stride + size, j * stride : j * stride + size]
            a, b = divmod(int(np.argmax(window)), size)
            dX[i * stride + a, j * stride + b] -= dZ[i, j]
    return dX


def to_the_smallest_and_overwritten(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            window = X[i * stride : i * stride + size, j * stride : j * stride + size]
            a, b = np.unravel_index(np.argmin(window), window.shape)
            dX[i * stride + a, j * stride + b] = dZ[i, j]
    return dX


def to_every_tie_and_overwritten(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            window = X[i * stride : i * stride + size, j * stride : j * stride + size]
            for a in range(size):
                for b in range(size):
                    if window[a, b] == np.max(window):
                        dX[i * stride + a, j * stride + b] = dZ[i, j]
    return dX


def to_every_tie_and_doubled(dZ, X, size, stride):
    return 2 * to_every_tie(dZ, X, size, stride)


def as_an_average_without_stride(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i : i + size, j : j + size] += dZ[i, j] / size**2
    return dX


# tg.max_pool2d, with padding


def dx(dout, x, kernel_size, stride, padding):
    p = padding
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=-1000)
    dxp = np.zeros_like(xp)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    r, s = i * stride, j * stride
                    window = xp[n, c, r : r + kernel_size, s : s + kernel_size]
                    a, b = np.unravel_index(np.argmax(window), window.shape)
                    dxp[n, c, r + a, s + b] += dout[n, c, i, j]
    return dxp


def with_padding(dout, x, kernel_size, stride, padding):
    return dx(dout, x, kernel_size, stride, padding)


def averaged(dout, x, kernel_size, stride, padding):
    p = padding
    found = dx(dout, x, kernel_size, stride, padding)[:, :, p : p + x.shape[2], p : p + x.shape[3]]
    return found / x.shape[0]


def zeros_win(dout, x, kernel_size, stride, padding):
    p = padding
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    return dx(dout, xp, kernel_size, stride, 0)[:, :, p : p + x.shape[2], p : p + x.shape[3]]


ONE = [
    {"X": (5, 4), "size": 2, "stride": 2},
    {"X": (3, 4), "size": 2, "stride": 1},
    {"X": (4, 5), "size": 3, "stride": 1},
    {"X": (5, 6), "size": 3, "stride": 2},
]
BATCH = [
    {"x": (1, 1, 4, 4), "kernel_size": 2, "stride": 2, "padding": 0},
    {"x": (2, 2, 3, 4), "kernel_size": 2, "stride": 2, "padding": 1},
    {"x": (3, 1, 4, 3), "kernel_size": 3, "stride": 1, "padding": 1},
]


def one(rule, name):
    return Homework(f"max_pool {rule.__name__}", max_pool, {"X": rule}, max_pooling, ONE, {"X": name})


def tensor_form(rule, name):
    return Homework(f"tg.max_pool2d {rule.__name__}", tg.max_pool2d, {"x": rule}, max_pooling, BATCH, {"x": name})


HOMEWORK = [
    one(to_every_tie, "gradient-to-every-tie"),
    one(to_the_smallest, "gradient-to-wrong-winner"),
    one(to_the_last_entry, "gradient-to-wrong-winner"),
    one(to_row_and_column_exchanged, "gradient-to-wrong-winner"),
    one(as_an_average, "spread-like-an-average"),
    one(to_the_whole_window, {"spread-like-an-average + not-divided-by-window", "gradient-to-every-entry"}),
    one(overwritten, "overwritten-instead-of-added"),
    one(overwritten_windows, "overwritten-instead-of-added"),
    one(without_stride, "window-stride-ignored"),
    one(without_remainder, "remainder-rows-lost"),
    one(ones_at_the_winners, "upstream-missing"),
    one(negative, "sign"),
    one(to_the_smallest_and_overwritten, "gradient-to-wrong-winner + overwritten-instead-of-added"),
    one(to_every_tie_and_overwritten, "gradient-to-every-tie + overwritten-instead-of-added"),
    one(to_every_tie_and_doubled, "gradient-to-every-tie + factor"),
    one(as_an_average_without_stride, "spread-like-an-average + window-stride-ignored"),
    tensor_form(with_padding, "padding-not-taken-off"),
    tensor_form(averaged, "averaged-over-batch"),
    tensor_form(zeros_win, "padding-wins"),
]

"""Right backward rules of poolings, in the styles that students have; a tie goes where the student sends it."""
# ruff: noqa: SIM300  (students write as they like)

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import tinygrad_cnn as tg
from tests.verify.rules.homework import Homework
from tests.verify.rules.oracles import average_pooling, max_pooling


def max_pool(X, size=2, stride=2):
    rows, columns = ((n - size) // stride + 1 for n in X.shape)
    return np.array(
        [
            [np.max(X[i * stride : i * stride + size, j * stride : j * stride + size]) for j in range(columns)]
            for i in range(rows)
        ]
    )


def first_by_argmax(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            window = X[i * stride : i * stride + size, j * stride : j * stride + size]
            a, b = np.unravel_index(np.argmax(window), window.shape)
            dX[i * stride + a, j * stride + b] += dZ[i, j]
    return dX


def first_by_comparing(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            best = -float("inf")
            for a in range(i * stride, i * stride + size):
                for b in range(j * stride, j * stride + size):
                    if X[a, b] > best:
                        best = X[a, b]
                        winner = a, b
            dX[winner] += dZ[i, j]
    return dX


def last_by_comparing(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            top, left = i * stride, j * stride
            best, row, column = X[top, left], top, left
            for a in range(top, top + size):
                for b in range(left, left + size):
                    if X[a, b] >= best:
                        best, row, column = X[a, b], a, b
            dX[row, column] = dX[row, column] + dZ[i, j]
    return dX


def split_among_ties(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            window = X[i * stride : i * stride + size, j * stride : j * stride + size]
            mask = window == window.max()
            dX[i * stride : i * stride + size, j * stride : j * stride + size] += dZ[i, j] * mask / mask.sum()
    return dX


def split_by_counting(dZ, Z, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            places = [
                (a, b)
                for a in range(i * stride, i * stride + size)
                for b in range(j * stride, j * stride + size)
                if X[a, b] == Z[i, j]
            ]
            for place in places:
                dX[place] += dZ[i, j] / len(places)
    return dX


def first_that_equals(dZ, Z, X, size, stride):
    dX = np.zeros(X.shape)
    for (i, j), z in np.ndenumerate(Z):
        done = False
        for a in range(size):
            for b in range(size):
                if not done and X[i * stride + a, j * stride + b] == z:
                    dX[i * stride + a, j * stride + b] += dZ[i, j]
                    done = True
    return dX


def windows_added_at(dZ, X, size, stride):
    windows = sliding_window_view(X, (size, size))[::stride, ::stride]
    winners = windows.reshape(*dZ.shape, size * size).argmax(axis=-1)
    i, j = np.indices(dZ.shape)
    dX = np.zeros(X.shape)
    np.add.at(dX, (i * stride + winners // size, j * stride + winners % size), dZ)
    return dX


def selection_matrix(dZ, X, size, stride):
    S = np.zeros((dZ.size, X.size))
    places = np.arange(X.size).reshape(X.shape)
    for row, (i, j) in enumerate(np.ndindex(dZ.shape)):
        inside = places[i * stride : i * stride + size, j * stride : j * stride + size].ravel()
        S[row, inside[np.argmax(X.ravel()[inside])]] = 1
    return (S.T @ dZ.ravel()).reshape(X.shape)


def sorted_winner(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i, j in np.ndindex(dZ.shape):
        window = X[i * stride : i * stride + size, j * stride : j * stride + size]
        order = np.argsort(window.ravel(), kind="stable")
        a, b = divmod(order[-1], size)
        dX[i * stride + a, j * stride + b] += dZ[i, j]
    return dX


def max_of_list(dZ, X, size, stride):
    dX = [[0 for _ in row] for row in X]
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            places = [(i * stride + a, j * stride + b) for a in range(size) for b in range(size)]
            a, b = max(places, key=lambda place: X[place])
            dX[a][b] += dZ[i, j]
    return np.array(dX)


# Windows side by side: rows and columns by reshaping


def side_by_side(X, size=2):
    H, W = X.shape
    return X.reshape(H // size, size, W // size, size).max(axis=(1, 3))


def reshaped_split(dZ, X, size):
    H, W = X.shape
    blocks = X.reshape(H // size, size, W // size, size)
    mask = blocks == blocks.max(axis=(1, 3), keepdims=True)
    shares = mask / mask.sum(axis=(1, 3), keepdims=True)
    return (shares * dZ[:, None, :, None]).reshape(H, W)


def repeated_mask(dZ, Z, X, size):
    big = np.repeat(np.repeat(Z, size, axis=0), size, axis=1)
    mask = (X == big).astype(float)
    counts = mask.reshape(Z.shape[0], size, Z.shape[1], size).sum(axis=(1, 3))
    return np.kron(dZ / counts, np.ones((size, size))) * mask


# tg.max_pool2d: images with channels, padding, dilation


def batch_loops(dout, x, kernel_size, stride, padding, dilation):
    dx = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(*dout.shape):
        best = None
        for u in range(kernel_size):
            for v in range(kernel_size):
                a, b = i * stride + u * dilation - padding, j * stride + v * dilation - padding
                if 0 <= a < x.shape[2] and 0 <= b < x.shape[3] and (best is None or x[n, c, a, b] > x[best]):
                    best = n, c, a, b
        dx[best] += dout[n, c, i, j]
    return dx


def batch_windows(dout, x, kernel_size, stride, padding, dilation):
    p = padding
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=-np.inf)
    reach = dilation * (kernel_size - 1) + 1
    windows = sliding_window_view(xp, (reach, reach), axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride, ::dilation, ::dilation].reshape(*dout.shape, -1)
    winners = np.argmax(windows, axis=-1)
    n, c, i, j = np.indices(dout.shape)
    dxp = np.zeros(xp.shape)
    rows = i * stride + winners // kernel_size * dilation
    columns = j * stride + winners % kernel_size * dilation
    np.add.at(dxp, (n, c, rows, columns), dout)
    return dxp[:, :, p : p + x.shape[2], p : p + x.shape[3]]


# Averages


def avg_pool(X, size=2, stride=2):
    rows, columns = ((n - size) // stride + 1 for n in X.shape)
    Z = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            Z[i, j] = X[i * stride : i * stride + size, j * stride : j * stride + size].sum() / size**2
    return Z


def shares(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i * stride : i * stride + size, j * stride : j * stride + size] += dZ[i, j] / (size * size)
    return dX


def mean_of_ones(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i * stride : i * stride + size, j * stride : j * stride + size] += dZ[i, j] * np.full(
                (size, size), 1 / size**2
            )
    return dX


def averaging_matrix(dZ, X, size, stride):
    def axis_matrix(windows, n):
        A = np.zeros((windows, n))
        for i in range(windows):
            A[i, i * stride : i * stride + size] = 1
        return A

    rows, columns = axis_matrix(dZ.shape[0], X.shape[0]), axis_matrix(dZ.shape[1], X.shape[1])
    return rows.T @ dZ @ columns / size**2


def shifted_sums(dZ, X, size, stride):
    dX = np.zeros_like(X)
    for a in range(size):
        for b in range(size):
            dX[a : a + stride * len(dZ) : stride, b : b + stride * len(dZ[0]) : stride] += dZ
    return dX / size / size


def means(X, size=2):
    H, W = X.shape
    return X.reshape(H // size, size, W // size, size).mean(axis=(1, 3))


def repeated(dZ, size):
    return dZ.repeat(size, axis=0).repeat(size, axis=1) / size**2


def kron_of_means(dZ, size):
    return np.kron(dZ, np.ones((size, size)) / size**2)


def broadcast_blocks(dZ, X, size):
    blocks = np.broadcast_to(dZ[:, None, :, None], (dZ.shape[0], size, dZ.shape[1], size))
    return blocks.reshape(X.shape) / (size * size)


def batch_shares(dout, x, kernel_size, stride, padding):
    p = padding
    dxp = np.zeros((*x.shape[:2], x.shape[2] + 2 * p, x.shape[3] + 2 * p))
    for i, j in np.ndindex(dout.shape[2:]):
        top, left = i * stride, j * stride
        dxp[..., top : top + kernel_size, left : left + kernel_size] += dout[..., i, j, None, None] / kernel_size**2
    return dxp[:, :, p : p + x.shape[2], p : p + x.shape[3]]


WINDOWS = [
    {"X": (2, 3), "size": 2, "stride": 1},
    {"X": (4, 4), "size": 2, "stride": 2},
    {"X": (5, 4), "size": 3, "stride": 2},
    {"X": (4, 3), "size": 1, "stride": 2},
    {"X": (5, 5), "size": 3, "stride": 1},
]
BLOCKS = [{"X": (2, 4), "size": 2}, {"X": (3, 3), "size": 3}, {"X": (4, 6), "size": 2}]
BATCH = [
    {"x": (2, 1, 3, 4), "kernel_size": 2, "stride": 1, "padding": 1},
    {"x": (1, 2, 5, 4), "kernel_size": 2, "stride": 2, "padding": 0, "dilation": 2},
    {"x": (2, 2, 4, 4), "kernel_size": 3, "stride": 2, "padding": 1},
]
PLAIN_BATCH = [case for case in BATCH if "dilation" not in case]


def of(forward, oracle, cases, *rules):
    operand = "x" if "x" in cases[0] else "X"
    title = f"tg.{forward.__name__}" if operand == "x" else forward.__name__
    return [Homework(f"{title} {rule.__name__}", forward, {operand: rule}, oracle, cases) for rule in rules]


HOMEWORK = [
    *of(
        max_pool,
        max_pooling,
        WINDOWS,
        first_by_argmax,
        first_by_comparing,
        last_by_comparing,
        split_among_ties,
        split_by_counting,
        first_that_equals,
        windows_added_at,
        selection_matrix,
        sorted_winner,
        max_of_list,
    ),
    *of(side_by_side, max_pooling, BLOCKS, reshaped_split, repeated_mask),
    *of(tg.max_pool2d, max_pooling, BATCH, batch_loops, batch_windows),
    *of(avg_pool, average_pooling, WINDOWS, shares, mean_of_ones, averaging_matrix, shifted_sums),
    *of(means, average_pooling, BLOCKS, repeated, kron_of_means, broadcast_blocks),
    *of(tg.avg_pool2d, average_pooling, PLAIN_BATCH, batch_shares),
]

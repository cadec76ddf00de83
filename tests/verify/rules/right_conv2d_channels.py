"""Right backward rules of convolutions with channels, and of transposed ones, in the styles that students have."""
# ruff: noqa: B905, RUF059  (students write as they like)

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

import tinygrad_cnn as tg
from tests.verify.rules.homework import Homework
from tests.verify.rules.oracles import convolution, transposed_convolution

# dx of tg.conv2d


def seven_loops(dout, x, weight, stride, padding, dilation, groups):
    N, C, H, W = x.shape
    F, Cg, kh, kw = weight.shape
    dx = np.zeros(x.shape)
    for n in range(N):
        for f in range(F):
            g = f // (F // groups)
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    for c in range(Cg):
                        for u in range(kh):
                            for v in range(kw):
                                a = i * stride + u * dilation - padding
                                b = j * stride + v * dilation - padding
                                if 0 <= a < H and 0 <= b < W:
                                    dx[n, g * Cg + c, a, b] += dout[n, f, i, j] * weight[f, c, u, v]
    return dx


def einsum_for_each_tap(dout, x, weight, stride, padding, dilation, groups):
    N, C, H, W = x.shape
    F, Cg, kh, kw = weight.shape
    rows, columns = dout.shape[2:]
    d = dout.reshape(N, groups, F // groups, rows, columns)
    w = weight.reshape(groups, F // groups, Cg, kh, kw)
    dxp = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    for u in range(kh):
        for v in range(kw):
            part = np.einsum("ngfij,gfc->ngcij", d, w[..., u, v]).reshape(N, C, rows, columns)
            a, b = u * dilation, v * dilation
            dxp[:, :, a : a + stride * rows : stride, b : b + stride * columns : stride] += part
    return dxp[:, :, padding : padding + H, padding : padding + W]


def group_by_group(dout, x, weight, stride, padding, dilation, groups):
    """The rule without groups on each group, side by side again."""
    parts = zip(np.split(dout, groups, axis=1), np.split(x, groups, axis=1), np.split(weight, groups, axis=0))
    return np.concatenate([one_group(d, a, k, stride, padding, dilation) for d, a, k in parts], axis=1)


def one_group(dout, x, weight, stride, padding, dilation):
    dxp = np.pad(np.zeros_like(x), ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    reach = [dilation * (n - 1) + 1 for n in weight.shape[2:]]
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            top, left = i * stride, j * stride
            dxp[:, :, top : top + reach[0] : dilation, left : left + reach[1] : dilation] += np.tensordot(
                dout[:, :, i, j], weight, axes=1
            )
    return dxp[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]]


def rotated_and_windowed(dout, x, weight, stride, padding, dilation, groups):
    N, C, H, W = x.shape
    F, Cg, kh, kw = weight.shape
    big = np.zeros((F, Cg, dilation * (kh - 1) + 1, dilation * (kw - 1) + 1))
    big[:, :, ::dilation, ::dilation] = weight
    rotated = np.flip(big, axis=(2, 3)).reshape(groups, F // groups, Cg, *big.shape[2:])
    h, w = big.shape[2:]
    d = np.zeros((N, F, H + 2 * padding + h - 1, W + 2 * padding + w - 1))
    rows, columns = dout.shape[2:]
    d[:, :, h - 1 :: stride, w - 1 :: stride][:, :, :rows, :columns] = dout
    windows = sliding_window_view(d, (h, w), axis=(2, 3))
    windows = windows.reshape(N, groups, F // groups, *windows.shape[2:])
    dxp = np.einsum("ngfabuv,gfcuv->ngcab", windows, rotated).reshape(N, C, H + 2 * padding, W + 2 * padding)
    return dxp[:, :, padding : padding + H, padding : padding + W]


def columns_added_at(dout, x, weight, stride, padding, dilation, groups):
    """The im2col of a well-known course: index arrays, one matrix product, np.add.at."""
    N, C, H, W = x.shape
    F, Cg, kh, kw = weight.shape
    rows, columns = dout.shape[2:]
    a = (dilation * np.repeat(np.arange(kh), kw))[:, None] + (stride * np.repeat(np.arange(rows), columns))[None, :]
    b = (dilation * np.tile(np.arange(kw), kh))[:, None] + (stride * np.tile(np.arange(columns), rows))[None, :]
    dxp = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    for g in range(groups):
        filters = slice(g * F // groups, (g + 1) * F // groups)
        d = dout[:, filters].reshape(N, F // groups, -1)
        w = weight[filters].transpose(1, 2, 3, 0).reshape(Cg, kh * kw, F // groups)
        cols = np.einsum("ckf,nfp->nckp", w, d)
        for c in range(Cg):
            np.add.at(dxp, (slice(None), g * Cg + c, a, b), cols[:, c])
    return dxp[:, :, padding : padding + H, padding : padding + W]


# dweight


def every_entry(dout, x, weight, stride, padding, dilation, groups):
    xp = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    F, Cg, kh, kw = weight.shape
    rows, columns = dout.shape[2:]
    dw = np.empty(weight.shape)
    for f, c, u, v in np.ndindex(*weight.shape):
        own = f // (F // groups) * Cg + c
        window = xp[:, own, u * dilation :: stride, v * dilation :: stride][:, :rows, :columns]
        dw[f, c, u, v] = np.sum(window * dout[:, f])
    return dw


def strided_windows(dout, x, weight, stride, padding, dilation, groups):
    xp = np.ascontiguousarray(np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding))))
    N, C = x.shape[:2]
    F, Cg, kh, kw = weight.shape
    rows, columns = dout.shape[2:]
    s = xp.strides
    windows = as_strided(
        xp,
        (N, groups, Cg, kh, kw, rows, columns),
        (s[0], Cg * s[1], s[1], dilation * s[2], dilation * s[3], stride * s[2], stride * s[3]),
    )
    d = dout.reshape(N, groups, F // groups, rows, columns)
    return np.einsum("ngcuvij,ngfij->gfcuv", windows, d).reshape(weight.shape)


def matrix_of_columns(dout, x, weight, stride, padding, dilation, groups):
    xp = np.pad(x, [(0, 0), (0, 0)] + [(padding, padding)] * 2)
    F, Cg, kh, kw = weight.shape
    rows, columns = dout.shape[2], dout.shape[3]
    grads = []
    for g in range(groups):
        part = xp[:, g * Cg : (g + 1) * Cg]
        cols = np.stack(
            [
                part[:, :, u * dilation :: stride, v * dilation :: stride][:, :, :rows, :columns]
                for u in range(kh)
                for v in range(kw)
            ],
            axis=2,
        )
        cols = cols.transpose(1, 2, 0, 3, 4).reshape(Cg * kh * kw, -1)
        d = dout[:, g * F // groups : (g + 1) * F // groups].transpose(1, 0, 2, 3).reshape(F // groups, -1)
        grads.append((d @ cols.T).reshape(F // groups, Cg, kh, kw))
    return np.vstack(grads)


def image_by_image(dout, x, weight, stride, padding, dilation, groups):
    total = np.zeros_like(weight)
    for image, d in zip(x, dout):
        total += every_entry(d[None], image[None], weight, stride, padding, dilation, groups)
    return total


# dbias


def bias_einsum(dout):
    return np.einsum("nfij->f", dout)


def bias_reshaped(dout):
    return dout.transpose(1, 0, 2, 3).reshape(dout.shape[1], -1).sum(axis=1)


def bias_listed(dout):
    return [dout[:, f].sum() for f in range(dout.shape[1])]


def bias_of_sums(dout):
    return np.sum(np.sum(dout, axis=(2, 3)), 0)


# The transposed convolution


def collected(dy, x, weight, stride, padding, dilation, groups):
    dx = np.zeros(x.shape)
    C, F, kh, kw = weight.shape
    for n, c, i, j in np.ndindex(*x.shape):
        for f, u, v in np.ndindex(F, kh, kw):
            a, b = i * stride + u * dilation - padding, j * stride + v * dilation - padding
            if 0 <= a < dy.shape[2] and 0 <= b < dy.shape[3]:
                dx[n, c, i, j] += dy[n, c // (C // groups) * F + f, a, b] * weight[c, f, u, v]
    return dx


def collected_by_einsum(dy, x, weight, stride, padding, dilation, groups):
    C, F, kh, kw = weight.shape
    dyp = np.pad(dy, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    reach = (dilation * (kh - 1) + 1, dilation * (kw - 1) + 1)
    windows = sliding_window_view(dyp, reach, axis=(2, 3))[:, :, ::stride, ::stride, ::dilation, ::dilation]
    windows = windows.reshape(len(dy), groups, F, *windows.shape[2:])
    dx = np.einsum("ngfijuv,gcfuv->ngcij", windows, weight.reshape(groups, C // groups, F, kh, kw))
    return dx.reshape(x.shape)


def transposed_kernel(dy, x, weight, stride, padding, dilation, groups):
    p = padding
    dyp = np.pad(dy, ((0, 0), (0, 0), (p, p), (p, p)))
    C, F, kh, kw = weight.shape
    dw = np.zeros(weight.shape)
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            window = dyp[:, :, i * stride :, j * stride :]
            window = window[:, :, : dilation * (kh - 1) + 1 : dilation, : dilation * (kw - 1) + 1 : dilation]
            for c in range(C):
                g = c // (C // groups)
                dw[c] += np.tensordot(x[:, c, i, j], window[:, g * F : (g + 1) * F], axes=(0, 0))
    return dw


def stamp(X, K, stride=1):
    Y = np.zeros(((X.shape[0] - 1) * stride + K.shape[0], (X.shape[1] - 1) * stride + K.shape[1]))
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            Y[i * stride : i * stride + K.shape[0], j * stride : j * stride + K.shape[1]] += X[i, j] * K
    return Y


def stamp_dX(dY, X, K, stride):
    return np.array(
        [
            [
                np.vdot(dY[i * stride : i * stride + K.shape[0], j * stride : j * stride + K.shape[1]], K)
                for j in range(X.shape[1])
            ]
            for i in range(X.shape[0])
        ]
    )


def stamp_matrix_dX(dY, X, K, stride):
    """Y = M x for the matrix whose columns are the stamped kernels."""
    M = np.zeros((dY.size, X.size))
    for column in range(X.size):
        unit = np.zeros(X.size)
        unit[column] = 1
        M[:, column] = stamp(unit.reshape(X.shape), K, stride).ravel()
    return (dY.ravel() @ M).reshape(X.shape)


def stamp_dK(dY, X, K, stride):
    dK = np.zeros_like(K)
    rows, columns = stride * (X.shape[0] - 1) + 1, stride * (X.shape[1] - 1) + 1
    for u in range(K.shape[0]):
        for v in range(K.shape[1]):
            dK[u, v] = np.inner(X.ravel(), dY[u : u + rows : stride, v : v + columns : stride].ravel())
    return dK


CASES = [
    {"x": (2, 1, 3, 3), "weight": (2, 1, 2, 2), "bias": (2,)},
    {"x": (1, 2, 4, 3), "weight": (3, 2, 2, 2), "bias": (3,), "stride": 2, "padding": 1},
    {"x": (2, 4, 3, 3), "weight": (2, 2, 2, 2), "bias": (2,), "groups": 2, "padding": 1},
    {"x": (1, 2, 5, 5), "weight": (2, 1, 2, 2), "bias": (2,), "groups": 2, "stride": 2, "dilation": 2},
]
TRANSPOSED = [
    {"x": (2, 1, 2, 2), "weight": (1, 2, 2, 2)},
    {"x": (1, 2, 3, 2), "weight": (2, 1, 3, 2), "stride": 2, "padding": 1},
    {"x": (2, 4, 2, 2), "weight": (4, 1, 2, 2), "groups": 2},
    {"x": (1, 1, 2, 2), "weight": (1, 2, 2, 2), "dilation": 2},
]
STAMPS = [{"X": (2, 2), "K": (2, 2)}, {"X": (3, 2), "K": (2, 3), "stride": 2}, {"X": (2, 2), "K": (2, 2), "stride": 3}]


def of(operand, *rules):
    return [
        Homework(f"tg.conv2d d{operand} {rule.__name__}", tg.conv2d, {operand: rule}, convolution, CASES)
        for rule in rules
    ]


def transposed(operand, *rules):
    return [
        Homework(
            f"tg.conv_transpose2d d{operand} {rule.__name__}",
            tg.conv_transpose2d,
            {operand: rule},
            transposed_convolution,
            TRANSPOSED,
        )
        for rule in rules
    ]


HOMEWORK = [
    *of("x", seven_loops, einsum_for_each_tap, group_by_group, rotated_and_windowed, columns_added_at),
    *of("weight", every_entry, strided_windows, matrix_of_columns, image_by_image),
    *of("bias", bias_einsum, bias_reshaped, bias_listed, bias_of_sums),
    *transposed("x", collected, collected_by_einsum),
    *transposed("weight", transposed_kernel),
    Homework("stamp", stamp, {"X": stamp_dX, "K": stamp_dK}, transposed_convolution, STAMPS),
    Homework("stamp as a matrix", stamp, {"X": stamp_matrix_dX}, transposed_convolution, STAMPS),
]

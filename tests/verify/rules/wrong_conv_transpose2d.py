"""Wrong backward rules of a transposed convolution, as students write them."""

import numpy as np

import tinygrad_cnn as tg
from tests.verify.rules.homework import Homework
from tests.verify.rules.oracles import transposed_convolution

# One image, one kernel


def stamp(X, K, stride=1, padding=0):
    h, w = K.shape
    Y = np.zeros(((X.shape[0] - 1) * stride + h, (X.shape[1] - 1) * stride + w))
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            Y[i * stride : i * stride + h, j * stride : j * stride + w] += X[i, j] * K
    return Y[padding : Y.shape[0] - padding, padding : Y.shape[1] - padding]


def dX(dY, X, K, stride, padding):
    P = np.pad(dY, padding)
    h, w = K.shape
    dX = np.zeros(X.shape)
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            dX[i, j] = np.sum(P[i * stride : i * stride + h, j * stride : j * stride + w] * K)
    return dX


def dK(dY, X, K, stride, padding):
    P = np.pad(dY, padding)
    h, w = K.shape
    dK = np.zeros(K.shape)
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            dK += X[i, j] * P[i * stride : i * stride + h, j * stride : j * stride + w]
    return dK


def dX_rotated(dY, X, K, stride, padding):
    return dX(dY, X, np.rot90(K, 2), stride, padding)


def dX_transposed_kernel(dY, X, K, stride, padding):
    P = np.pad(dY, padding)
    w, h = K.shape
    dX = np.zeros(X.shape)
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            dX[i, j] = (P[i * stride : i * stride + h, j * stride : j * stride + w] * K.T).sum()
    return dX


def dX_flipped_columns(dY, X, K, stride, padding):
    return dX(dY, X, np.fliplr(K), stride, padding)


def dX_without_stride(dY, X, K, stride, padding):
    P = np.pad(dY, padding)
    h, w = K.shape
    dX = np.zeros(X.shape)
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            dX[i, j] = np.sum(P[i : i + h, j : j + w] * K)
    return dX


def dX_without_padding(dY, K, stride, padding):
    h, w = K.shape
    rows = (dY.shape[0] - h) // stride + 1
    columns = (dY.shape[1] - w) // stride + 1
    dX = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            dX[i, j] = np.sum(dY[i * stride : i * stride + h, j * stride : j * stride + w] * K)
    return dX


def dX_rotated_without_padding(dY, K, stride, padding):
    return dX_without_padding(dY, np.rot90(K, 2), stride, padding)


def dX_sign(dY, X, K, stride, padding):
    return -dX(dY, X, K, stride, padding)


def dK_rotated(dY, X, K, stride, padding):
    return np.rot90(dK(dY, X, K, stride, padding), k=2)


def dK_without_stride(dY, X, K, stride, padding):
    P = np.pad(dY, padding)
    h, w = K.shape
    return sum(X[i, j] * P[i : i + h, j : j + w] for i in range(X.shape[0]) for j in range(X.shape[1]))


def dK_overwritten(dY, X, K, stride, padding):
    P = np.pad(dY, padding)
    h, w = K.shape
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            dK = X[i, j] * P[i * stride : i * stride + h, j * stride : j * stride + w]
    return dK


def dK_rotated_without_stride(dY, X, K, stride, padding):
    return dK_without_stride(dY, X, K, stride, padding)[::-1, ::-1]


# tg.conv_transpose2d: weight is (channels of x, channels of y / groups, kH, kW)


def windows(dy, group, i, j, weight, stride, padding, dilation):
    """What pixel (i, j) stamped, in the channels of a group."""
    P = np.pad(dy, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    _, F, kh, kw = weight.shape
    rows = slice(i * stride, i * stride + dilation * (kh - 1) + 1, dilation)
    columns = slice(j * stride, j * stride + dilation * (kw - 1) + 1, dilation)
    return P[:, group * F : (group + 1) * F, rows, columns]


def dx(dy, x, weight, stride, padding, dilation, groups):
    result = np.zeros(x.shape)
    for c in range(x.shape[1]):
        group = c // (x.shape[1] // groups)
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                window = windows(dy, group, i, j, weight, stride, padding, dilation)
                result[:, c, i, j] = (window * weight[c]).sum(axis=(1, 2, 3))
    return result


def dweight(dy, x, weight, stride, padding, dilation, groups):
    result = np.zeros(weight.shape)
    for c in range(x.shape[1]):
        group = c // (x.shape[1] // groups)
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                window = windows(dy, group, i, j, weight, stride, padding, dilation)
                for n in range(x.shape[0]):
                    result[c] += x[n, c, i, j] * window[n]
    return result


def dbias(dy):
    return dy.sum(axis=(0, 2, 3))


def dx_channels_swapped(dy, x, weight, stride, padding, dilation, groups):
    return dx(dy, x, weight.transpose(1, 0, 2, 3), stride, padding, dilation, groups)


def dx_rotated(dy, x, weight, stride, padding, dilation, groups):
    return dx(dy, x, weight[:, :, ::-1, ::-1], stride, padding, dilation, groups)


def dx_rotated_and_channels_swapped(dy, x, weight, stride, padding, dilation, groups):
    return dx(dy, x, weight.swapaxes(0, 1)[:, :, ::-1, ::-1], stride, padding, dilation, groups)


def dweight_of_first_image(dy, x, weight, stride, padding, dilation, groups):
    return dweight(dy[0:1], x[0:1], weight, stride, padding, dilation, groups)


def dweight_averaged(dy, x, weight, stride, padding, dilation, groups):
    return dweight(dy, x, weight, stride, padding, dilation, groups) / dy.shape[0]


def dweight_rotated_and_averaged(dy, x, weight, stride, padding, dilation, groups):
    return np.flip(dweight(dy, x, weight, stride, padding, dilation, groups), (2, 3)) / dy.shape[0]


def dbias_over_pixels_only(dy):
    return dy.sum((2, 3))


ONE = [
    {"X": (2, 2), "K": (2, 2)},
    {"X": (3, 2), "K": (2, 3)},
    {"X": (2, 3), "K": (2, 2), "stride": 2},
    {"X": (3, 3), "K": (3, 3), "stride": 2, "padding": 1},
    {"X": (4, 3), "K": (3, 2), "stride": 1, "padding": 1},
]
BATCH = [
    {"x": (1, 1, 2, 2), "weight": (1, 1, 2, 2), "bias": (1,)},
    {"x": (2, 2, 2, 3), "weight": (2, 2, 2, 2), "bias": (2,), "stride": 2},
    {"x": (3, 3, 3, 2), "weight": (3, 3, 2, 3), "bias": (3,), "padding": 1},
    {"x": (2, 4, 2, 2), "weight": (4, 2, 2, 2), "bias": (4,), "groups": 2, "stride": 2, "padding": 1},
]
# As BATCH, without groups: what a swap of the channels means in a grouped weight is not clear.
PLAIN = [case for case in BATCH if "groups" not in case]


def one(name, wrong, **rules):
    return Homework(f"conv_transpose2d {name}", stamp, {"X": dX, "K": dK} | rules, transposed_convolution, ONE, wrong)


def tensor_form(name, wrong, cases=BATCH, **rules):
    right = {"x": dx, "weight": dweight, "bias": dbias}
    return Homework(
        f"tg.conv_transpose2d {name}", tg.conv_transpose2d, right | rules, transposed_convolution, cases, wrong
    )


HOMEWORK = [
    one("dX rotated", {"X": "kernel-rotated"}, X=dX_rotated),
    one("dX transposed kernel", {"X": "kernel-transposed"}, X=dX_transposed_kernel),
    one("dX flipped columns", {"X": "kernel-flipped-columns"}, X=dX_flipped_columns),
    one("dX without stride", {"X": "stride-ignored"}, X=dX_without_stride),
    one("dX without padding", {"X": "padding-forgotten"}, X=dX_without_padding),
    one("dX rotated, without padding", {"X": "kernel-rotated + padding-forgotten"}, X=dX_rotated_without_padding),
    one("dX sign", {"X": "sign"}, X=dX_sign),
    one("dK rotated", {"K": "kernel-gradient-rotated"}, K=dK_rotated),
    one("dK without stride", {"K": "stride-ignored"}, K=dK_without_stride),
    one("dK overwritten", {"K": "overwritten-instead-of-added"}, K=dK_overwritten),
    one("dK rotated, without stride", {"K": "kernel-gradient-rotated + stride-ignored"}, K=dK_rotated_without_stride),
    tensor_form("dx channels swapped", {"x": "channel-axes-swapped"}, PLAIN, x=dx_channels_swapped),
    tensor_form("dx rotated", {"x": "kernel-rotated"}, x=dx_rotated),
    tensor_form(
        "dx rotated, channels swapped",
        {"x": "kernel-rotated + channel-axes-swapped"},
        PLAIN,
        x=dx_rotated_and_channels_swapped,
    ),
    tensor_form("dweight of the first image", {"weight": "batch-not-summed"}, weight=dweight_of_first_image),
    tensor_form("dweight averaged", {"weight": "averaged-over-batch"}, weight=dweight_averaged),
    tensor_form(
        "dweight rotated, averaged",
        {"weight": "kernel-gradient-rotated + averaged-over-batch"},
        weight=dweight_rotated_and_averaged,
    ),
    tensor_form("dbias over pixels only", {"bias": "bias-summed-over-too-few-axes"}, bias=dbias_over_pixels_only),
]

"""Wrong backward rules of a convolution of one X (H, W) with one K (kH, kW), as students write them."""

import numpy as np

from tests.verify.rules.homework import Homework
from tests.verify.rules.oracles import convolution

# The lecture's convolution: stride 1, no padding


def lecture_conv(X, K, B):
    Z = np.zeros((X.shape[0] - K.shape[0] + 1, X.shape[1] - K.shape[1] + 1))
    for i in range(Z.shape[0]):
        for j in range(Z.shape[1]):
            for m in range(K.shape[0]):
                for n in range(K.shape[1]):
                    Z[i, j] += X[i + m, j + n] * K[m, n]
    return Z + B


def correlate(A, K):
    out = np.zeros((A.shape[0] - K.shape[0] + 1, A.shape[1] - K.shape[1] + 1))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = np.sum(A[i : i + K.shape[0], j : j + K.shape[1]] * K)
    return out


def full_correlate(A, K):
    rows, columns = K.shape[0] - 1, K.shape[1] - 1
    return correlate(np.pad(A, ((rows, rows), (columns, columns))), K)


def lecture_dX(dZ, K):
    return full_correlate(dZ, np.rot90(K, 2))


def lecture_dK(dZ, X):
    return correlate(X, dZ)


def lecture_dB(dZ):
    return np.sum(dZ)


def dX_not_rotated(dZ, K):
    return full_correlate(dZ, K)


def dX_stamps_rotated_kernel(dZ, X, K):
    # What is stamped must not be rotated: stamping is already the other direction.
    rotated = K[::-1, ::-1]
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i : i + K.shape[0], j : j + K.shape[1]] += dZ[i, j] * rotated
    return dX


def dX_transposed(dZ, K):
    return full_correlate(dZ, K.T)


def dX_flipped_rows(dZ, K):
    return full_correlate(dZ, np.flipud(K))


def dX_flipped_columns(dZ, K):
    return full_correlate(dZ, K[:, ::-1])


def dX_rotated_once(dZ, K):
    return full_correlate(dZ, np.rot90(K))


def dX_valid(dZ, K):
    return correlate(dZ, np.rot90(K, 2))


def dX_transposed_result(dZ, K):
    return full_correlate(dZ, np.rot90(K, 2)).T


def dX_sign(dZ, K):
    return -full_correlate(dZ, np.rot90(K, 2))


def dX_twice(dZ, K):
    return 2 * full_correlate(dZ, np.rot90(K, 2))


def dX_without_kernel(dZ, K):
    return full_correlate(dZ, np.ones(K.shape))


def dX_without_upstream(dZ, K):
    return full_correlate(np.ones_like(dZ), np.rot90(K, 2))


def dX_last_window_only(dZ, X, K):
    dX = np.zeros_like(X)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i : i + K.shape[0], j : j + K.shape[1]] = dZ[i, j] * K
    return dX


def dX_not_rotated_and_negative(dZ, K):
    return -1 * full_correlate(dZ, K)


def dX_flipped_rows_and_halved(dZ, K):
    return 0.5 * full_correlate(dZ, np.flipud(K))


def dX_valid_and_not_rotated(dZ, K):
    return correlate(dZ, K)


def dK_rotated(dZ, X):
    return np.rot90(correlate(X, dZ), 2)


def dK_swapped(dZ, X, K):
    dK = np.zeros(K.shape)
    for m in range(K.shape[0]):
        for n in range(K.shape[1]):
            for i in range(dZ.shape[0] - m):
                for j in range(dZ.shape[1] - n):
                    dK[m, n] += X[i, j] * dZ[i + m, j + n]
    return dK


def dK_without_x(dZ, K):
    return np.full(K.shape, np.sum(dZ))


def dK_without_upstream(dZ, X):
    return correlate(X, np.ones(dZ.shape))


def dK_last_position_only(dZ, X, K):
    h, w = K.shape
    dK = np.zeros((h, w))
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dK = dZ[i, j] * X[i : i + h, j : j + w]
    return dK


def dK_mean(dZ, X):
    return correlate(X, dZ) / dZ.size


def dK_sign(dZ, X):
    return correlate(X, -dZ)


def dK_rotated_and_negative(dZ, X):
    return -np.flip(correlate(X, dZ))


def dK_rotated_and_doubled(dZ, X):
    dK = np.zeros((X.shape[0] - dZ.shape[0] + 1, X.shape[1] - dZ.shape[1] + 1))
    for m in range(dK.shape[0]):
        for n in range(dK.shape[1]):
            dK[-1 - m, -1 - n] = 2 * (X[m : m + dZ.shape[0], n : n + dZ.shape[1]] * dZ).sum()
    return dK


def dK_transposed(dZ, X):
    return correlate(X, dZ).T


def dB_not_summed(dZ):
    return dZ


def dB_by_column(dZ):
    return dZ.sum(axis=0)


def dB_mean(dZ):
    return np.mean(dZ)


def dB_without_upstream(dZ):
    return float(dZ.size)


# Any stride and padding


def conv(X, K, B, stride=1, padding=0):
    h, w = K.shape
    P = np.pad(X, padding)
    rows = (P.shape[0] - h) // stride + 1
    columns = (P.shape[1] - w) // stride + 1
    Z = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            window = P[i * stride : i * stride + h, j * stride : j * stride + w]
            Z[i, j] = np.sum(window * K) + B
    return Z


def dX(dZ, X, K, stride, padding):
    h, w = K.shape
    dP = np.zeros((X.shape[0] + 2 * padding, X.shape[1] + 2 * padding))
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dP[i * stride : i * stride + h, j * stride : j * stride + w] += dZ[i, j] * K
    return dP[padding : padding + X.shape[0], padding : padding + X.shape[1]]


def dK(dZ, X, K, stride, padding):
    h, w = K.shape
    P = np.pad(X, padding)
    dK = np.zeros((h, w))
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dK += dZ[i, j] * P[i * stride : i * stride + h, j * stride : j * stride + w]
    return dK


def dB(dZ):
    return dZ.sum()


def dilated(dZ, stride):
    """Zeros between the entries."""
    D = np.zeros(((dZ.shape[0] - 1) * stride + 1, (dZ.shape[1] - 1) * stride + 1))
    D[::stride, ::stride] = dZ
    return D


def onto(shape, A, padding):
    """The part of the padded A that is X, with zeros in the rows that no window reaches."""
    H, W = shape
    P = np.zeros((H + 2 * padding, W + 2 * padding))
    P[: A.shape[0], : A.shape[1]] = A
    return P[padding : padding + H, padding : padding + W]


def dX_not_rotated_with_stride(dZ, X, K, stride, padding):
    return onto(X.shape, full_correlate(dilated(dZ, stride), K), padding)


def dX_flipped_columns_with_stride(dZ, X, K, stride, padding):
    return onto(X.shape, full_correlate(dilated(dZ, stride), np.fliplr(K)), padding)


def dX_with_padding(dZ, X, K, stride, padding):
    h, w = K.shape
    dP = np.zeros((X.shape[0] + 2 * padding, X.shape[1] + 2 * padding))
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dP[i * stride : i * stride + h, j * stride : j * stride + w] += dZ[i, j] * K
    return dP


def dX_padding_off_one_end(dZ, X, K, stride, padding):
    return dX_with_padding(dZ, X, K, stride, padding)[: X.shape[0], : X.shape[1]]


def dX_windows_side_by_side(dZ, X, K, stride, padding):
    h, w = K.shape
    dP = np.zeros((X.shape[0] + 2 * padding, X.shape[1] + 2 * padding))
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dP[i : i + h, j : j + w] += dZ[i, j] * K
    return dP[padding : padding + X.shape[0], padding : padding + X.shape[1]]


def dX_not_dilated(dZ, K, stride, padding):
    dP = full_correlate(dZ, np.rot90(K, 2))
    return dP[padding : dP.shape[0] - padding, padding : dP.shape[1] - padding]


def dX_without_remainder(dZ, K, stride, padding):
    dP = full_correlate(dilated(dZ, stride), np.rot90(K, 2))
    return dP[padding : dP.shape[0] - padding, padding : dP.shape[1] - padding]


def dX_overwritten(dZ, X, K, stride, padding):
    h, w = K.shape
    dP = np.zeros((X.shape[0] + 2 * padding, X.shape[1] + 2 * padding))
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dP[i * stride : i * stride + h, j * stride : j * stride + w] = dZ[i, j] * K
    return dP[padding : padding + X.shape[0], padding : padding + X.shape[1]]


def dX_not_rotated_with_padding(dZ, X, K, stride, padding):
    H, W = X.shape
    dP = np.zeros((H + 2 * padding, W + 2 * padding))
    A = full_correlate(dilated(dZ, stride), K)
    dP[: A.shape[0], : A.shape[1]] = A
    return dP


def dX_overwritten_side_by_side(dZ, X, K, stride, padding):
    h, w = K.shape
    dP = np.zeros((X.shape[0] + 2 * padding, X.shape[1] + 2 * padding))
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dP[i : i + h, j : j + w] = dZ[i, j] * K
    return dP[padding : padding + X.shape[0], padding : padding + X.shape[1]]


def dK_without_padding(dZ, X, K, stride, padding):
    return correlate(X, dilated(dZ, stride))[: K.shape[0], : K.shape[1]]


def dK_without_padding_where_it_fits(dZ, X, K, stride, padding):
    h, w = K.shape
    dK = np.zeros((h, w))
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            window = X[i * stride : i * stride + h, j * stride : j * stride + w]
            dK[: window.shape[0], : window.shape[1]] += dZ[i, j] * window
    return dK


def dK_windows_side_by_side(dZ, X, K, stride, padding):
    P = np.pad(X, padding)
    dK = np.zeros_like(K)
    for m in range(K.shape[0]):
        for n in range(K.shape[1]):
            dK[m, n] = np.sum(P[m : m + dZ.shape[0], n : n + dZ.shape[1]] * dZ)
    return dK


def dK_not_dilated(dZ, X, padding):
    return correlate(np.pad(X, padding), dZ)


def dK_with_remainder(dZ, X, stride, padding):
    return correlate(np.pad(X, padding), dilated(dZ, stride))


def dK_rotated_side_by_side(dZ, X, K, stride, padding):
    return dK_windows_side_by_side(dZ, X, K, stride, padding)[::-1, ::-1]


# Dilation


def dilated_conv(X, K, dilation=1):
    h, w = K.shape
    H = X.shape[0] - dilation * (h - 1)
    W = X.shape[1] - dilation * (w - 1)
    Z = np.zeros((H, W))
    for m in range(h):
        for n in range(w):
            Z += K[m, n] * X[m * dilation : m * dilation + H, n * dilation : n * dilation + W]
    return Z


def dilated_dX(dZ, X, K, dilation):
    H, W = dZ.shape
    dX = np.zeros(X.shape)
    for m in range(K.shape[0]):
        for n in range(K.shape[1]):
            dX[m * dilation : m * dilation + H, n * dilation : n * dilation + W] += K[m, n] * dZ
    return dX


def dilated_dK(dZ, X, K, dilation):
    H, W = dZ.shape
    dK = np.zeros(K.shape)
    for m in range(K.shape[0]):
        for n in range(K.shape[1]):
            dK[m, n] = (X[m * dilation : m * dilation + H, n * dilation : n * dilation + W] * dZ).sum()
    return dK


def dX_without_dilation(dZ, X, K, dilation):
    H, W = dZ.shape
    dX = np.zeros(X.shape)
    for m in range(K.shape[0]):
        for n in range(K.shape[1]):
            dX[m : m + H, n : n + W] += K[m, n] * dZ
    return dX


def dK_without_dilation(dZ, X, K, dilation):
    H, W = dZ.shape
    return np.array([[(X[m : m + H, n : n + W] * dZ).sum() for n in range(K.shape[1])] for m in range(K.shape[0])])


def dX_not_rotated_with_dilation(dZ, X, K, dilation):
    H, W = dZ.shape
    R = K[::-1, ::-1]
    dX = np.zeros(X.shape)
    for m in range(K.shape[0]):
        for n in range(K.shape[1]):
            dX[m * dilation : m * dilation + H, n * dilation : n * dilation + W] += R[m, n] * dZ
    return dX


LECTURE = [
    {"X": (3, 3), "K": (2, 2), "B": ()},
    {"X": (4, 6), "K": (2, 3), "B": ()},
    {"X": (6, 5), "K": (3, 2), "B": ()},
]
STRIDED = [
    {"X": (4, 6), "K": (2, 3), "B": (), "padding": 1},
    {"X": (4, 5), "K": (2, 2), "B": (), "stride": 2},
    {"X": (6, 5), "K": (3, 2), "B": (), "stride": 2, "padding": 1},
    {"X": (7, 7), "K": (3, 3), "B": (), "stride": 3},
]
DILATED = [
    {"X": (4, 5), "K": (2, 2), "dilation": 2},
    {"X": (6, 5), "K": (3, 2), "dilation": 2},
    {"X": (5, 7), "K": (2, 3), "dilation": 3},
]


def lecture(name, wrong, **rules):
    right = {"X": lecture_dX, "K": lecture_dK, "B": lecture_dB}
    return Homework(f"conv2d {name}", lecture_conv, right | rules, convolution, LECTURE, wrong)


def strided(name, wrong, **rules):
    return Homework(f"strided conv2d {name}", conv, {"X": dX, "K": dK, "B": dB} | rules, convolution, STRIDED, wrong)


def with_dilation(name, wrong, **rules):
    right = {"X": dilated_dX, "K": dilated_dK}
    return Homework(f"dilated conv2d {name}", dilated_conv, right | rules, convolution, DILATED, wrong)


HOMEWORK = [
    lecture("dX not rotated", {"X": "kernel-not-rotated"}, X=dX_not_rotated),
    # Formula (3) with K instead of its rotation, although the student did rotate it.
    lecture("dX stamps the rotated kernel", {"X": "kernel-not-rotated"}, X=dX_stamps_rotated_kernel),
    lecture("dX transposed kernel", {"X": "kernel-transposed"}, X=dX_transposed),
    lecture("dX flipped rows", {"X": "kernel-flipped-rows"}, X=dX_flipped_rows),
    lecture("dX flipped columns", {"X": "kernel-flipped-columns"}, X=dX_flipped_columns),
    lecture("dX rotated by 90 degrees", {"X": "kernel-rotated-by-90-degrees"}, X=dX_rotated_once),
    lecture("dX valid", {"X": "valid-instead-of-full"}, X=dX_valid),
    lecture("dX transposed", {"X": "result-transposed"}, X=dX_transposed_result),
    lecture("dX sign", {"X": "sign"}, X=dX_sign),
    lecture("dX twice", {"X": "factor"}, X=dX_twice),
    lecture("dX without the kernel", {"X": "operand-missing"}, X=dX_without_kernel),
    lecture("dX without dZ", {"X": "upstream-missing"}, X=dX_without_upstream),
    lecture("dX overwritten", {"X": "overwritten-instead-of-added"}, X=dX_last_window_only),
    lecture("dX not rotated, sign", {"X": "kernel-not-rotated + sign"}, X=dX_not_rotated_and_negative),
    lecture("dX flipped rows, half", {"X": "kernel-flipped-rows + factor"}, X=dX_flipped_rows_and_halved),
    lecture("dX valid, not rotated", {"X": "valid-instead-of-full + kernel-not-rotated"}, X=dX_valid_and_not_rotated),
    lecture("dK rotated", {"K": "kernel-gradient-rotated"}, K=dK_rotated),
    lecture("dK swapped", {"K": "x-and-dz-swapped"}, K=dK_swapped),
    lecture("dK without X", {"K": "operand-missing"}, K=dK_without_x),
    lecture("dK without dZ", {"K": "upstream-missing"}, K=dK_without_upstream),
    lecture("dK overwritten", {"K": "overwritten-instead-of-added"}, K=dK_last_position_only),
    lecture("dK averaged", {"K": "averaged-instead-of-summed"}, K=dK_mean),
    lecture("dK sign", {"K": "sign"}, K=dK_sign),
    lecture("dK transposed", {"K": "result-transposed"}, K=dK_transposed),
    lecture("dK rotated, sign", {"K": "kernel-gradient-rotated + sign"}, K=dK_rotated_and_negative),
    lecture("dK rotated, twice", {"K": "kernel-gradient-rotated + factor"}, K=dK_rotated_and_doubled),
    lecture("dB not summed", {"B": "bias-not-summed"}, B=dB_not_summed),
    lecture("dB by column", {"B": "bias-summed-over-too-few-axes"}, B=dB_by_column),
    lecture("dB averaged", {"B": "averaged-instead-of-summed"}, B=dB_mean),
    lecture("dB without dZ", {"B": "upstream-missing"}, B=dB_without_upstream),
    lecture(
        "dX and dK",
        {"X": "kernel-not-rotated", "K": "kernel-gradient-rotated"},
        X=dX_not_rotated,
        K=dK_rotated,
    ),
    strided("dX not rotated", {"X": "kernel-not-rotated"}, X=dX_not_rotated_with_stride),
    strided("dX flipped columns", {"X": "kernel-flipped-columns"}, X=dX_flipped_columns_with_stride),
    strided("dX with padding", {"X": "padding-not-taken-off"}, X=dX_with_padding),
    strided("dX padding off one end", {"X": "padding-taken-off-at-one-end"}, X=dX_padding_off_one_end),
    strided("dX side by side", {"X": "stride-not-dilated"}, X=dX_windows_side_by_side),
    strided("dX not dilated", {"X": "stride-not-dilated"}, X=dX_not_dilated),
    strided("dX without remainder", {"X": "remainder-rows-lost"}, X=dX_without_remainder),
    strided("dX overwritten", {"X": "overwritten-instead-of-added"}, X=dX_overwritten),
    strided(
        "dX not rotated, with padding",
        {"X": "kernel-not-rotated + padding-not-taken-off"},
        X=dX_not_rotated_with_padding,
    ),
    strided(
        "dX overwritten, side by side",
        {"X": "overwritten-instead-of-added + stride-not-dilated"},
        X=dX_overwritten_side_by_side,
    ),
    strided("dK without padding", {"K": "padding-forgotten"}, K=dK_without_padding),
    strided("dK without padding where it fits", {"K": "padding-forgotten"}, K=dK_without_padding_where_it_fits),
    strided("dK side by side", {"K": "stride-not-dilated"}, K=dK_windows_side_by_side),
    strided("dK not dilated", {"K": "stride-not-dilated"}, K=dK_not_dilated),
    # The correlation of P with the dilated dZ has one more row for each row of P that no window reaches.
    strided("dK with remainder", {"K": "remainder-rows-not-dropped"}, K=dK_with_remainder),
    strided(
        "dK rotated, side by side",
        {"K": "kernel-gradient-rotated + stride-not-dilated"},
        K=dK_rotated_side_by_side,
    ),
    with_dilation("dX", {"X": "dilation-ignored"}, X=dX_without_dilation),
    with_dilation("dK", {"K": "dilation-ignored"}, K=dK_without_dilation),
    with_dilation("dX not rotated", {"X": "kernel-not-rotated"}, X=dX_not_rotated_with_dilation),
]

"""Right backward rules of a convolution of one X with one K, in the styles that students have."""

from fractions import Fraction
from functools import partial, reduce
from itertools import product

import numpy as np
from numpy import zeros
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from tests.verify.rules.homework import Homework
from tests.verify.rules.oracles import convolution


def conv(X, K, B=0, stride=1, padding=0, dilation=1):
    P = np.pad(X, padding)
    h, w = K.shape
    rows = (P.shape[0] - dilation * (h - 1) - 1) // stride + 1
    columns = (P.shape[1] - dilation * (w - 1) - 1) // stride + 1
    Z = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            for m in range(h):
                for n in range(w):
                    Z[i, j] += P[i * stride + m * dilation, j * stride + n * dilation] * K[m, n]
    return Z + B


def plain_conv(X, K, padding=0):
    return conv(X, K, padding=padding)


def lecture_conv(X, K):
    return conv(X, K)


# dX


def index_by_index(dZ, X, K, stride, padding, dilation):
    dX = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            for m in range(K.shape[0]):
                for n in range(K.shape[1]):
                    a = i * stride + m * dilation - padding
                    b = j * stride + n * dilation - padding
                    if 0 <= a < X.shape[0] and 0 <= b < X.shape[1]:
                        dX[a, b] += dZ[i, j] * K[m, n]
    return dX


def gathered_for_each_pixel(dZ, X, K, stride, padding, dilation):
    def d(a, b):
        total = 0
        for m, n in product(range(K.shape[0]), range(K.shape[1])):
            i, skipped_row = divmod(a + padding - m * dilation, stride)
            j, skipped_column = divmod(b + padding - n * dilation, stride)
            if skipped_row or skipped_column:
                continue
            if 0 <= i < dZ.shape[0] and 0 <= j < dZ.shape[1]:
                total += dZ[i, j] * K[m, n]
        return total

    return np.array([[d(a, b) for b in range(X.shape[1])] for a in range(X.shape[0])])


def stamped_by_slices(dZ, X, K, stride, padding, dilation):
    P = np.zeros([n + 2 * padding for n in X.shape])
    h, w = K.shape
    for (i, j), dz in np.ndenumerate(dZ):
        rows = slice(i * stride, i * stride + dilation * (h - 1) + 1, dilation)
        columns = slice(j * stride, j * stride + dilation * (w - 1) + 1, dilation)
        P[rows, columns] += dz * K
    return P[padding : padding + X.shape[0], padding : padding + X.shape[1]]


def shifted_by_kernel_entry(dZ, X, K, stride, padding, dilation):
    P = np.pad(np.zeros_like(X), padding)
    for m in range(K.shape[0]):
        for n in range(K.shape[1]):
            top, left = m * dilation, n * dilation
            P[top : top + stride * dZ.shape[0] : stride, left : left + stride * dZ.shape[1] : stride] += K[m, n] * dZ
    return P[padding:-padding, padding:-padding] if padding > 0 else P


def formula_three(dZ, X, K, stride, padding, dilation):
    """Zero-padded, dilated dZ correlated with the rotated (and dilated) kernel."""
    L = np.zeros((dilation * (K.shape[0] - 1) + 1, dilation * (K.shape[1] - 1) + 1))
    L[::dilation, ::dilation] = K
    h, w = L.shape
    D = np.zeros((X.shape[0] + 2 * padding - h + 1, X.shape[1] + 2 * padding - w + 1))
    D[::stride, ::stride][: dZ.shape[0], : dZ.shape[1]] = dZ
    D = np.pad(D, ((h - 1, h - 1), (w - 1, w - 1)), mode="constant", constant_values=0)
    R = np.rot90(L, 2)
    P = np.array(
        [[np.sum(D[a : a + h, b : b + w] * R) for b in range(D.shape[1] - w + 1)] for a in range(D.shape[0] - h + 1)]
    )
    return P[padding : padding + X.shape[0], padding : padding + X.shape[1]]


def window_view(dZ, X, K, stride, padding, dilation):
    big = np.zeros((dilation * (K.shape[0] - 1) + 1, dilation * (K.shape[1] - 1) + 1))
    big[::dilation, ::dilation] = K
    h, w = big.shape
    D = np.zeros((X.shape[0] + 2 * padding + h - 1, X.shape[1] + 2 * padding + w - 1))
    D[h - 1 :: stride, w - 1 :: stride][: dZ.shape[0], : dZ.shape[1]] = dZ
    dP = np.einsum("abuv,uv->ab", sliding_window_view(D, (h, w)), big[::-1, ::-1])
    return dP[padding : padding + X.shape[0], padding : padding + X.shape[1]]


def toeplitz(dZ, X, K, stride, padding, dilation):
    """z = T x, so dx = T^T dz."""
    rows, columns = X.shape
    T = np.zeros((dZ.size, X.size))
    for i, j in np.ndindex(*dZ.shape):
        for m, n in np.ndindex(*K.shape):
            a, b = i * stride + m * dilation - padding, j * stride + n * dilation - padding
            if a in range(rows) and b in range(columns):
                T[i * dZ.shape[1] + j, a * columns + b] = K[m, n]
    return (T.T @ dZ.reshape(-1)).reshape(X.shape)


def column_to_image(dZ, X, K, stride, padding, dilation):
    columns = K.reshape(-1, 1) @ dZ.reshape(1, -1)
    P = np.zeros((X.shape[0] + 2 * padding, X.shape[1] + 2 * padding))
    for position in range(dZ.size):
        i, j = divmod(position, dZ.shape[1])
        for entry in range(K.size):
            m, n = divmod(entry, K.shape[1])
            P[i * stride + m * dilation, j * stride + n * dilation] += columns[entry, position]
    return P[padding : P.shape[0] - padding, padding : P.shape[1] - padding]


def added_at_indices(dZ, X, K, stride, padding, dilation):
    i, j, m, n = np.indices((*dZ.shape, *K.shape))
    P = np.zeros((X.shape[0] + 2 * padding, X.shape[1] + 2 * padding))
    np.add.at(P, (i * stride + m * dilation, j * stride + n * dilation), np.multiply.outer(dZ, K))
    return P[padding : padding + X.shape[0], padding : padding + X.shape[1]]


def tensordot_then_stamps(dZ, X, K, stride, padding, dilation):
    stamps = np.tensordot(dZ, K, axes=0)
    P = np.zeros((X.shape[0] + 2 * padding, X.shape[1] + 2 * padding))
    for i, row in enumerate(stamps):
        for j, stamp in enumerate(row):
            for m, line in enumerate(stamp):
                for n, value in enumerate(line):
                    P[i * stride + m * dilation][j * stride + n * dilation] += value
    return P[padding:, padding:][: X.shape[0], : X.shape[1]]


def recursive(dZ, X, K, stride, padding, dilation):
    def stamp(position):
        if position == dZ.size:
            return np.zeros((X.shape[0] + 2 * padding, X.shape[1] + 2 * padding))
        i, j = position // dZ.shape[1], position % dZ.shape[1]
        P = stamp(position + 1)
        bottom, right = dilation * (K.shape[0] - 1) + 1, dilation * (K.shape[1] - 1) + 1
        P[i * stride :, j * stride :][:bottom:dilation, :right:dilation] += K * dZ[i, j]
        return P

    return stamp(0)[padding : padding + X.shape[0], padding : padding + X.shape[1]]


def with_while(dZ, X, K, stride, padding, dilation):
    dX = zeros(X.shape)
    i = 0
    while i < dZ.shape[0]:
        j = 0
        while j < dZ.shape[1]:
            m = 0
            while m < K.shape[0]:
                n = 0
                while n < K.shape[1]:
                    a = i * stride + m * dilation - padding
                    b = j * stride + n * dilation - padding
                    n += 1
                    if a < 0 or b < 0 or a >= X.shape[0] or b >= X.shape[1]:
                        continue
                    dX[a, b] = dX[a, b] + dZ[i, j] * K[m, n - 1]
                m += 1
            j += 1
        i += 1
    return dX


def padded_copy_in_place(dZ, X, K, stride, padding, dilation):
    P = np.pad(X, padding).copy()
    P[:] = 0
    P *= 2.0
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            for m in range(K.shape[0]):
                for n in range(K.shape[1]):
                    P[i * stride + m * dilation, j * stride + n * dilation] += 0.5 * dZ[i, j] * K[m, n]
    P /= 0.5
    return P[padding : padding + X.shape[0], padding : padding + X.shape[1]]


def other_names(X_shape, padding, K, stride, dilation, upstream):
    top = np.zeros(tuple(n + 2 * padding for n in X_shape), dtype=np.float32)
    for i, row in enumerate(upstream):
        for j, g in enumerate(row):
            for m in range(len(K)):
                for n in range(len(K[0])):
                    top[i * stride + m * dilation, j * stride + n * dilation] += g * K[m, n]
    return top[padding : padding + X_shape[0], padding : padding + X_shape[1]]


def lists_of_lists(dZ, X, K, stride, padding, dilation):
    H, W = X.shape
    P = [[0] * (W + 2 * padding) for _ in range(H + 2 * padding)]
    for i in range(len(dZ)):
        for j in range(len(dZ[i])):
            for m in range(len(K)):
                for n in range(len(K[m])):
                    P[i * stride + m * dilation][j * stride + n * dilation] += dZ[i][j] * K[m][n]
    return [row[padding : padding + W] for row in P[padding : padding + H]]


def of_fractions(dZ, X, K, stride, padding, dilation):
    return Fraction(1, 3) * (2 * stamped_by_slices(dZ, X, K, stride, padding, dilation)) + (
        1 / Fraction(3)
    ) * stamped_by_slices(dZ, X, K, stride, padding, dilation)


class Layer:
    """A rule as the method of a layer."""

    def __init__(self, style):
        self.style = style

    def backward(self, dZ, X, K, stride, padding, dilation):
        return self.style(dZ, X, K, stride, padding, dilation)

    def __call__(self, dout, X, K, stride, padding, dilation):
        return self.backward(dout, X, K, stride, padding, dilation)


def made_by(style):
    def rule(dZ, X, K, stride=1, padding=0, dilation=1):
        return style(dZ, X, K, stride, padding, dilation)

    return rule


# dX at stride 1, without dilation


def by_fft(dZ, X, K, padding):
    h, w = K.shape
    shape = (dZ.shape[0] + h - 1, dZ.shape[1] + w - 1)
    P = np.fft.ifft2(np.fft.fft2(dZ, shape) * np.fft.fft2(K, shape)).real
    return P[padding : padding + X.shape[0], padding : padding + X.shape[1]]


def by_real_fft(dZ, X, K, padding):
    shape = [n + 2 * padding for n in X.shape]
    P = np.fft.irfft2(np.fft.rfft2(dZ, s=shape) * np.fft.rfft2(K, s=shape), s=shape)
    return P[padding : padding + X.shape[0], padding : padding + X.shape[1]]


def rows_by_convolve(dZ, X, K, padding):
    P = np.zeros((X.shape[0] + 2 * padding, X.shape[1] + 2 * padding))
    for i in range(dZ.shape[0]):
        for m in range(K.shape[0]):
            P[i + m] += np.convolve(dZ[i], K[m], mode="full")
    return P[padding : padding + X.shape[0], padding : padding + X.shape[1]]


def rolled(dZ, X, K, padding):
    P = np.zeros((X.shape[0] + 2 * padding, X.shape[1] + 2 * padding))
    P[: dZ.shape[0], : dZ.shape[1]] = dZ
    total = reduce(
        lambda left, right: left + right,
        (K[m, n] * np.roll(P, (m, n), axis=(0, 1)) for m in range(K.shape[0]) for n in range(K.shape[1])),
    )
    return total[padding : padding + X.shape[0], padding : padding + X.shape[1]]


def kronecker(dZ, X, K, padding):
    """The Toeplitz matrix as a sum of Kronecker products of shifts."""
    H, W = (n + 2 * padding for n in X.shape)
    T = sum(
        K[m, n] * np.kron(np.eye(dZ.shape[0], H, m), np.eye(dZ.shape[1], W, n))
        for m in range(K.shape[0])
        for n in range(K.shape[1])
    )
    P = (dZ.ravel() @ T).reshape(H, W)
    return P[padding : padding + X.shape[0], padding : padding + X.shape[1]]


# dK


def kernel_loops(dZ, X, K, stride, padding, dilation):
    P = np.pad(X, padding)
    dK = np.zeros(K.shape)
    for m in range(K.shape[0]):
        for n in range(K.shape[1]):
            for i in range(dZ.shape[0]):
                for j in range(dZ.shape[1]):
                    dK[m, n] += P[i * stride + m * dilation, j * stride + n * dilation] * dZ[i, j]
    return dK


def kernel_slices(dZ, X, K, stride, padding, dilation):
    P = np.pad(X, ((padding, padding), (padding, padding)))
    rows, columns = dZ.shape
    return np.array(
        [
            [(P[m * dilation :: stride, n * dilation :: stride][:rows, :columns] * dZ).sum() for n in range(K.shape[1])]
            for m in range(K.shape[0])
        ]
    )


def kernel_as_strided(dZ, X, K, stride, padding, dilation):
    P = np.ascontiguousarray(np.pad(X, padding))
    s, t = P.strides
    windows = as_strided(
        P,
        shape=(*K.shape, *dZ.shape),
        strides=(s * dilation, t * dilation, s * stride, t * stride),
        writeable=False,
    )
    return np.tensordot(windows, dZ, axes=([2, 3], [0, 1]))


def kernel_from_columns(dZ, X, K, stride, padding, dilation):
    P = np.pad(X, padding)
    columns = []
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            window = P[i * stride :, j * stride :][
                : dilation * (K.shape[0] - 1) + 1 : dilation, : dilation * (K.shape[1] - 1) + 1 : dilation
            ]
            columns.append(window.flatten())
    return np.dot(np.stack(columns, axis=1), dZ.flatten()).reshape(K.shape)


def kernel_windows_einsum(dZ, X, K, stride, padding, dilation):
    reach = [dilation * (n - 1) + 1 for n in K.shape]
    windows = sliding_window_view(np.pad(X, padding), reach)[::stride, ::stride, ::dilation, ::dilation]
    return np.einsum("ijuv,ij->uv", windows, dZ, optimize=True)


def kernel_by_taking(dZ, X, K, stride, padding, dilation):
    P = np.pad(X, padding)
    rows = stride * np.arange(dZ.shape[0])[None, :] + dilation * np.arange(K.shape[0])[:, None]
    columns = stride * np.arange(dZ.shape[1])[None, :] + dilation * np.arange(K.shape[1])[:, None]
    windows = P[rows[:, None, :, None], columns[None, :, None, :]]
    return (windows * dZ).sum(axis=(-2, -1))


def kernel_recursive(dZ, X, K, stride, padding, dilation):
    P = np.pad(X, padding)

    def total(numbers):
        if len(numbers) == 1:
            return numbers[0]
        half = len(numbers) // 2
        return total(numbers[:half]) + total(numbers[half:])

    def entry(m, n):
        return total(
            [
                P[i * stride + m * dilation, j * stride + n * dilation] * dZ[i, j]
                for i in range(dZ.shape[0])
                for j in range(dZ.shape[1])
            ]
        )

    return np.vectorize(entry, otypes=[object])(*np.indices(K.shape))


def kernel_by_fft(dZ, X, padding):
    P = np.pad(X, padding)
    product_ = np.fft.rfft2(P) * np.conj(np.fft.rfft2(dZ, P.shape))
    dK = np.fft.irfft2(product_, P.shape)
    return dK[: P.shape[0] - dZ.shape[0] + 1, : P.shape[1] - dZ.shape[1] + 1]


def kernel_by_convolve(dZ, X, K, padding):
    P = np.pad(X, padding)
    dK = np.zeros_like(K)
    for m in range(K.shape[0]):
        for i in range(dZ.shape[0]):
            dK[m] += np.correlate(P[i + m], dZ[i], mode="valid")
    return dK


# dB


def bias_loop(dZ):
    total = 0.0
    for row in dZ:
        for dz in row:
            total += dz
    return total


def bias_builtin_sum(dZ):
    return sum(sum(dZ))


def bias_as_mean(dZ):
    return np.mean(dZ) * dZ.size


def bias_product(dZ):
    return np.ones(dZ.shape[0]) @ dZ @ np.ones(dZ.shape[1])


CASES = [
    {"X": (2, 3), "K": (2, 2)},
    {"X": (4, 3), "K": (2, 2), "padding": 1},
    {"X": (5, 4), "K": (2, 3), "stride": 2, "padding": 1},
    {"X": (6, 5), "K": (2, 2), "stride": 2, "dilation": 2},
    {"X": (4, 4), "K": (3, 2), "dilation": 2, "padding": 2},
    {"X": (3, 3), "K": (3, 3), "stride": 3},
]
PLAIN = [
    {"X": (2, 2), "K": (2, 2)},
    {"X": (3, 5), "K": (2, 3), "padding": 1},
    {"X": (5, 4), "K": (3, 2), "padding": 2},
    {"X": (1, 3), "K": (1, 1)},
]
LECTURE = [case for case in PLAIN if "padding" not in case]
WITH_BIAS = [case | {"B": ()} for case in CASES[:4]]


def of(operand, *rules, forward=conv, cases=CASES):
    return [
        Homework(f"{forward.__name__} d{operand} {rule.__name__}", forward, {operand: rule}, convolution, cases)
        for rule in rules
    ]


HOMEWORK = [
    *of(
        "X",
        index_by_index,
        gathered_for_each_pixel,
        stamped_by_slices,
        shifted_by_kernel_entry,
        formula_three,
        window_view,
        toeplitz,
        column_to_image,
        added_at_indices,
        tensordot_then_stamps,
        recursive,
        with_while,
        padded_copy_in_place,
        other_names,
        lists_of_lists,
        of_fractions,
    ),
    *of("X", by_fft, by_real_fft, rows_by_convolve, rolled, kronecker, forward=plain_conv, cases=PLAIN),
    *of(
        "K",
        kernel_loops,
        kernel_slices,
        kernel_as_strided,
        kernel_from_columns,
        kernel_windows_einsum,
        kernel_by_taking,
        kernel_recursive,
    ),
    *of("K", kernel_by_fft, kernel_by_convolve, forward=plain_conv, cases=PLAIN),
    *of("B", bias_loop, bias_builtin_sum, bias_as_mean, bias_product, cases=WITH_BIAS),
    Homework("conv dX method", conv, {"X": Layer(stamped_by_slices).backward}, convolution, CASES),
    Homework("conv dX callable", conv, {"X": Layer(formula_three)}, convolution, CASES),
    Homework("conv dX closure", conv, {"X": made_by(index_by_index)}, convolution, CASES),
    Homework("conv dX lambda", lecture_conv, {"X": lambda d, X, K, **_: rolled(d, X, K, 0)}, convolution, LECTURE),
    Homework("conv dX partial", lecture_conv, {"X": partial(rows_by_convolve, padding=0)}, convolution, LECTURE),
]

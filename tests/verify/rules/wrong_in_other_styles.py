"""The same kinds of mistakes in other hands: einsum, matrices, FFT, other names, and other pairs of mistakes."""

# ruff: noqa: B905  (students write as they like)

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

import tinygrad_cnn as tg
from tests.verify.rules import oracles
from tests.verify.rules.homework import Homework

# An image and a filter by other names


def filtered(image, kernel, bias, stride=1, padding=0):
    image = np.pad(image, padding)
    windows = sliding_window_view(image, kernel.shape)[::stride, ::stride]
    return np.einsum("ijuv,uv->ij", windows, kernel) + bias


def spread(dout, stride):
    """Zeros between the entries, by a Kronecker product."""
    corner = np.zeros((stride, stride))
    corner[0, 0] = 1
    big = np.kron(dout, corner)
    return big[: big.shape[0] - stride + 1, : big.shape[1] - stride + 1]


def full(dout, kernel):
    h, w = kernel.shape
    D = np.pad(dout, [(h - 1, h - 1), (w - 1, w - 1)])
    return np.tensordot(sliding_window_view(D, (h, w)), kernel, axes=2)


def placed(part, image, padding):
    result = np.zeros(tuple(n + 2 * padding for n in image.shape))
    result[: part.shape[0], : part.shape[1]] += part
    return result


def cut(result, image, padding):
    return result[padding : padding + image.shape[0], padding : padding + image.shape[1]]


def d_image(dout, image, kernel, stride, padding):
    return cut(placed(full(spread(dout, stride), kernel[::-1, ::-1]), image, padding), image, padding)


def d_kernel(dout, image, kernel, stride, padding):
    image = np.pad(image, padding)
    windows = sliding_window_view(image, kernel.shape)[::stride, ::stride]
    return np.einsum("ijuv,ij->uv", windows, dout)


def d_bias(dout):
    return np.einsum("ij->", dout)


def image_flipped_rows_with_padding(dout, image, kernel, stride, padding):
    return placed(full(spread(dout, stride), kernel[::-1]), image, padding)


def image_not_spread_not_rotated(dout, image, kernel, stride, padding):
    return cut(placed(full(dout, kernel), image, padding), image, padding)


def image_flipped_columns_negative(dout, image, kernel, stride, padding):
    return cut(placed(full(spread(-dout, stride), np.flip(kernel, 1)), image, padding), image, padding)


def image_not_rotated_third(dout, image, kernel, stride, padding):
    return cut(placed(full(spread(dout, stride), kernel), image, padding), image, padding) / 3


def image_without_kernel(dout, image, kernel, stride, padding):
    return cut(placed(full(spread(dout, stride), np.ones_like(kernel)), image, padding), image, padding)


def image_of_ones(dout, image, kernel, stride, padding):
    return d_image(np.ones(dout.shape), image, kernel, stride, padding)


def image_not_spread_negative(dout, image, kernel, stride, padding):
    return -cut(placed(full(dout, np.rot90(kernel, 2)), image, padding), image, padding)


def kernel_by_matrix_rotated(dout, image, kernel, stride, padding):
    image = np.ascontiguousarray(np.pad(image, padding))
    s, t = image.strides
    shape = dout.shape + kernel.shape
    windows = as_strided(image, shape, (s * stride, t * stride, s, t))
    return (dout.reshape(1, -1) @ windows.reshape(dout.size, -1)).reshape(kernel.shape)[::-1, ::-1]


def kernel_without_stride_negative(dout, image, kernel, stride, padding):
    image = np.pad(image, padding)
    windows = sliding_window_view(image, kernel.shape)[: dout.shape[0], : dout.shape[1]]
    return -np.einsum("ijuv,ij->uv", windows, dout)


def kernel_averaged(dout, image, kernel, stride, padding):
    image = np.pad(image, padding)
    windows = sliding_window_view(image, kernel.shape)[::stride, ::stride]
    return (windows * dout[:, :, None, None]).mean(axis=(0, 1))


def kernel_halved(dout, image, kernel, stride, padding):
    return 0.5 * d_kernel(dout, image, kernel, stride, padding)


def bias_by_row(dout):
    return dout.sum(axis=1)


def bias_negative(dout):
    return -dout.sum()


def by_fft_not_rotated(dout, image, kernel, stride, padding):
    """A product of transforms is a convolution: with the rotated kernel it is a correlation."""
    D = spread(dout, stride)
    shape = [a + b - 1 for a, b in zip(D.shape, kernel.shape)]
    product = np.fft.rfft2(D, shape) * np.fft.rfft2(np.rot90(kernel, 2), shape)
    return cut(placed(np.fft.irfft2(product, shape), image, padding), image, padding)


# A batch with channels: tg.conv2d


def patches(x, weight, out, stride, padding, dilation):
    """(N, C, H', W', kH, kW)"""
    xp = np.pad(x, ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))
    reach = [dilation * (n - 1) + 1 for n in weight.shape[2:]]
    return sliding_window_view(xp, reach, axis=(2, 3))[:, :, ::stride, ::stride, ::dilation, ::dilation]


def dweight(dy, x, weight, stride, padding, dilation, groups):
    found = []
    for x_part, dy_part in zip(np.split(x, groups, 1), np.split(dy, groups, 1)):
        windows = patches(x_part, weight, dy.shape, stride, padding, dilation)
        found.append(np.einsum("ncijuv,nfij->fcuv", windows, dy_part))
    return np.concatenate(found)


def dweight_without_dilation_negative(dy, x, weight, stride, padding, dilation, groups):
    found = []
    for x_part, dy_part in zip(np.split(x, groups, 1), np.split(dy, groups, 1)):
        windows = patches(x_part, weight, dy.shape, stride, padding, 1)[:, :, : dy.shape[2], : dy.shape[3]]
        found.append(np.einsum("ncijuv,nfij->fcuv", windows, dy_part))
    return -np.concatenate(found)


def dweight_rotated_doubled(dy, x, weight, stride, padding, dilation, groups):
    return 2 * np.flip(dweight(dy, x, weight, stride, padding, dilation, groups), axis=(-1, -2))


def dweight_averaged_negative(dy, x, weight, stride, padding, dilation, groups):
    return dweight(-dy, x, weight, stride, padding, dilation, groups) / dy.shape[0]


def dbias_doubled(dy):
    return 2 * dy.sum(axis=(0, 2, 3))


def dbias_of_one_pixel(dy):
    return dy[:, :, 0, 0].sum(axis=0)


# Dense layers with column vectors: z = W x + b for one example


def neuron(W, x, b):
    return W @ x + b


def dW_outer(dz, x):
    return np.outer(dz, x)


def dx_product(dz, W):
    return W.T @ dz


def db_passed(dz):
    return dz


def dW_outer_exchanged(dz, x):
    return np.outer(x, dz)


def dx_not_transposed(dz, W):
    return W @ dz


def dx_negative_half(dz, W):
    return -0.5 * (W.T @ dz)


def db_summed(dz):
    return dz.sum()


# Poolings with rectangular data


def maxima(X, size=2, stride=2):
    windows = sliding_window_view(X, (size, size))[::stride, ::stride]
    return windows.max(axis=(2, 3))


def winners(X, size, stride):
    windows = sliding_window_view(X, (size, size))[::stride, ::stride]
    return windows.reshape(*windows.shape[:2], -1).argmax(axis=2)


def scattered_without_stride(dZ, X, size, stride):
    won = winners(X, size, stride)
    i, j = np.indices(dZ.shape)
    dX = np.zeros(X.shape)
    np.add.at(dX, (i + won // size, j + won % size), dZ)
    return dX


def scattered_overwritten(dZ, X, size, stride):
    won = winners(X, size, stride)
    i, j = np.indices(dZ.shape)
    dX = np.zeros(X.shape)
    dX[i * stride + won // size, j * stride + won % size] += dZ
    return dX


def scattered_negative_ties(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i, j in np.ndindex(dZ.shape):
        part = np.s_[i * stride : i * stride + size, j * stride : j * stride + size]
        dX[part] -= np.where(X[part] == X[part].max(), dZ[i, j], 0)
    return dX


def scattered_value(dZ, Z, X, size, stride):
    won = winners(X, size, stride)
    i, j = np.indices(dZ.shape)
    dX = np.zeros(X.shape)
    np.add.at(dX, (i * stride + won // size, j * stride + won % size), dZ * Z)
    return dX


def spread_and_overwritten(dZ, X, size, stride):
    dX = np.zeros(X.shape)
    for i, j in np.ndindex(dZ.shape):
        dX[i * stride : i * stride + size, j * stride : j * stride + size] = dZ[i, j] / size**2
    return dX


def means(X, size=2, stride=2):
    windows = sliding_window_view(X, (size, size))[::stride, ::stride]
    return windows.mean(axis=(-1, -2))


def share(dZ, X, size, stride, divisor):
    dX = np.zeros(X.shape)
    for a, b in np.ndindex(size, size):
        dX[a : a + stride * dZ.shape[0] : stride, b : b + stride * dZ.shape[1] : stride] += dZ / divisor
    return dX


def share_negative_whole(dZ, X, size, stride):
    return share(-dZ, X, size, stride, 1)


def share_of_output(dZ, X, size, stride):
    return share(dZ, X, size, stride, dZ.size)


def share_twice(dZ, X, size, stride):
    return 2 * share(dZ, X, size, stride, size**2)


def share_of_ones(dZ, X, size, stride):
    return share(np.ones_like(dZ), X, size, stride, size**2)


# Activations on vectors, softmax, normalisation


def activation(X):
    return 1 / (1 + np.exp(-X))


def activation_without_z(dZ, Z):
    return dZ * (1 - Z)


def activation_of_tanh(dZ, Z):
    return dZ * (1 - Z**2)


def activation_negative(dZ, Z):
    return dZ * Z * (Z - 1)


def positive_part(X):
    return np.where(X > 0, X, 0)


def positive_inverted_negative(dZ, X):
    return -dZ * (X < 0)


def positive_of_dz_sign(dZ, X):
    return np.where(dZ > 0, dZ, 0)


def attention(X):
    E = np.exp(X - X.max(axis=-1, keepdims=True))
    return E / E.sum(axis=-1, keepdims=True)


def attention_negative_diagonal(dZ, Z):
    return Z * (Z - 1) * dZ


def attention_doubled(dZ, Z):
    return 2 * Z * (dZ - np.einsum("ni,ni->n", dZ, Z)[:, None])


def standardized(X, gamma, beta, eps=0.5):
    mean, var = X.mean(axis=0), X.var(axis=0)
    return gamma * (X - mean) / np.sqrt(var + eps) + beta


def standardized_dX(dZ, X, gamma, eps):
    s = np.sqrt(X.var(axis=0) + eps)
    xhat, g = (X - X.mean(axis=0)) / s, dZ * gamma
    return (g - g.mean(axis=0) - xhat * (g * xhat).mean(axis=0)) / s


def variance_constant_negative(dZ, X, gamma, eps):
    g = dZ * gamma
    return -(g - g.mean(axis=0)) / np.sqrt(X.var(axis=0) + eps)


def mean_constant_doubled(dZ, X, gamma, eps):
    s = np.sqrt(X.var(axis=0) + eps)
    xhat, g = (X - X.mean(axis=0)) / s, dZ * gamma
    return 2 * (g - xhat * (g * xhat).mean(axis=0)) / s


def without_gamma_negative(dZ, X, gamma, eps):
    return -standardized_dX(dZ, X, np.ones_like(gamma), eps)


def variance_constant_without_gamma(dZ, X, gamma, eps):
    return (dZ - dZ.mean(axis=0)) / np.sqrt(X.var(axis=0) + eps)


IMAGES = [
    {"image": (3, 4), "kernel": (2, 2), "bias": ()},
    {"image": (4, 4), "kernel": (2, 3), "bias": (), "padding": 1},
    {"image": (6, 5), "kernel": (2, 2), "bias": (), "stride": 2},
    {"image": (5, 7), "kernel": (3, 3), "bias": (), "stride": 2, "padding": 1},
]
BATCH = [
    {"x": (2, 2, 3, 3), "weight": (3, 2, 2, 2), "bias": (3,)},
    {"x": (3, 2, 4, 5), "weight": (2, 1, 2, 2), "bias": (2,), "groups": 2, "dilation": 2},
    {"x": (2, 1, 5, 4), "weight": (2, 1, 3, 2), "bias": (2,), "stride": 2, "padding": 1},
]
NEURONS = [
    {"W": (2, 2), "x": (2,), "b": (2,)},
    {"W": (3, 2), "x": (2,), "b": (3,)},
    {"W": (3, 3), "x": (3,), "b": (3,)},
]
WINDOWS = [
    {"X": (4, 5), "size": 2, "stride": 2},
    {"X": (3, 4), "size": 2, "stride": 1},
    {"X": (5, 6), "size": 3, "stride": 2},
]
GRID = [{"X": (3,)}, {"X": (2, 3)}]
ROWS = [{"X": (2, 3)}, {"X": (3, 4)}]
NORM = [{"X": (3, 2), "gamma": (2,), "beta": (2,)}, {"X": (4, 3), "gamma": (3,), "beta": (3,), "eps": 0.25}]


def of(forward, oracle, cases, right, operand, *wrong):
    return [
        Homework(
            f"{forward.__name__} {rule.__name__}", forward, right | {operand: rule}, oracle, cases, {operand: name}
        )
        for rule, name in wrong
    ]


def one(forward, cases, *wrong, oracle=None):
    return of(forward, oracle or oracles.differences(forward), cases, {}, "X", *wrong)


IMAGE_RULES = {"image": d_image, "kernel": d_kernel, "bias": d_bias}
NEURON_RULES = {"W": dW_outer, "x": dx_product, "b": db_passed}
NEURON = oracles.differences(neuron)

HOMEWORK = [
    *of(
        filtered,
        oracles.convolution,
        IMAGES,
        IMAGE_RULES,
        "image",
        (image_flipped_rows_with_padding, "kernel-flipped-rows + padding-not-taken-off"),
        (image_not_spread_not_rotated, "stride-not-dilated + kernel-not-rotated"),
        (image_flipped_columns_negative, "kernel-flipped-columns + sign"),
        (image_not_rotated_third, "kernel-not-rotated + factor"),
        (image_without_kernel, "operand-missing"),
        (image_of_ones, "upstream-missing"),
        (image_not_spread_negative, "stride-not-dilated + sign"),
        (by_fft_not_rotated, "kernel-not-rotated"),
    ),
    *of(
        filtered,
        oracles.convolution,
        IMAGES,
        IMAGE_RULES,
        "kernel",
        (kernel_by_matrix_rotated, "kernel-gradient-rotated"),
        (kernel_without_stride_negative, "stride-not-dilated + sign"),
        (kernel_averaged, "averaged-instead-of-summed"),
        (kernel_halved, "factor"),
    ),
    *of(
        filtered,
        oracles.convolution,
        IMAGES,
        IMAGE_RULES,
        "bias",
        (bias_by_row, "bias-summed-over-too-few-axes"),
        (bias_negative, "sign"),
    ),
    *of(
        tg.conv2d,
        oracles.convolution,
        BATCH,
        {},
        "weight",
        (dweight_without_dilation_negative, "dilation-ignored + sign"),
        (dweight_rotated_doubled, "kernel-gradient-rotated + factor"),
        (dweight_averaged_negative, "averaged-over-batch + sign"),
    ),
    *of(
        tg.conv2d,
        oracles.convolution,
        BATCH,
        {},
        "bias",
        (dbias_doubled, "factor"),
        (dbias_of_one_pixel, "pixels-not-summed"),
    ),
    *of(neuron, NEURON, NEURONS, NEURON_RULES, "W", (dW_outer_exchanged, {"result-transposed", "x-and-dz-swapped"})),
    *of(
        neuron,
        NEURON,
        NEURONS,
        NEURON_RULES,
        "x",
        (dx_not_transposed, "transposed-matmul"),
        (dx_negative_half, {"factor", "factor + sign"}),
    ),
    *of(neuron, NEURON, NEURONS, NEURON_RULES, "b", (db_summed, "bias-summed-over-too-many-axes")),
    *one(
        maxima,
        WINDOWS,
        (scattered_without_stride, "window-stride-ignored"),
        (scattered_overwritten, "overwritten-instead-of-added"),
        (scattered_negative_ties, "gradient-to-every-tie + sign"),
        (scattered_value, {"value-instead-of-derivative", "gradient-times-value"}),
        (spread_and_overwritten, "spread-like-an-average + overwritten-instead-of-added"),
        oracle=oracles.max_pooling,
    ),
    *one(
        means,
        WINDOWS,
        (share_negative_whole, "not-divided-by-window + sign"),
        (share_of_output, "divided-by-output-size"),
        (share_twice, "factor"),
        (share_of_ones, "upstream-missing"),
        oracle=oracles.average_pooling,
    ),
    *one(
        activation,
        GRID,
        (activation_without_z, "operand-missing"),
        (activation_of_tanh, "derivative-of-another-function"),
        (activation_negative, "sign"),
    ),
    *one(
        positive_part,
        GRID,
        (positive_inverted_negative, "relu-mask-inverted + sign"),
        (positive_of_dz_sign, "relu-mask-from-dz"),
        oracle=oracles.relu,
    ),
    *one(
        attention,
        ROWS,
        (attention_negative_diagonal, "cross-terms-missing + sign"),
        (attention_doubled, "factor"),
    ),
    *of(
        standardized,
        oracles.differences(standardized),
        NORM,
        {},
        "X",
        (variance_constant_negative, "variance-treated-as-constant + sign"),
        (mean_constant_doubled, "mean-treated-as-constant + factor"),
        (without_gamma_negative, "gamma-missing + sign"),
        (variance_constant_without_gamma, "variance-treated-as-constant + gamma-missing"),
    ),
]

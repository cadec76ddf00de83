"""Wrong backward rules of a convolution of images with channels, as students write them."""
# ruff: noqa: B905, RUF059  (students write as they like)

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import tinygrad_cnn as tg
from tests.verify.rules.homework import Homework
from tests.verify.rules.oracles import convolution

# The student's own convolution of a batch, stride 1


def conv_batch(X, K, B):
    N, C, H, W = X.shape
    F, _, h, w = K.shape
    Z = np.zeros((N, F, H - h + 1, W - w + 1))
    for n in range(N):
        for f in range(F):
            for i in range(H - h + 1):
                for j in range(W - w + 1):
                    Z[n, f, i, j] = np.sum(X[n, :, i : i + h, j : j + w] * K[f]) + B[f]
    return Z


def batch_dX(dZ, X, K):
    h, w = K.shape[2:]
    dX = np.zeros(X.shape)
    for n in range(dZ.shape[0]):
        for f in range(dZ.shape[1]):
            for i in range(dZ.shape[2]):
                for j in range(dZ.shape[3]):
                    dX[n, :, i : i + h, j : j + w] += dZ[n, f, i, j] * K[f]
    return dX


def batch_dK(dZ, X, K):
    h, w = K.shape[2:]
    dK = np.zeros(K.shape)
    for n in range(dZ.shape[0]):
        for f in range(dZ.shape[1]):
            for i in range(dZ.shape[2]):
                for j in range(dZ.shape[3]):
                    dK[f] += dZ[n, f, i, j] * X[n, :, i : i + h, j : j + w]
    return dK


def batch_dB(dZ):
    return dZ.sum(axis=(0, 2, 3))


def padded_windows(dZ, h, w):
    P = np.pad(dZ, ((0, 0), (0, 0), (h - 1, h - 1), (w - 1, w - 1)))
    return sliding_window_view(P, (h, w), axis=(2, 3))


def dX_not_rotated(dZ, K):
    return np.einsum("nfijuv,fcuv->ncij", padded_windows(dZ, *K.shape[2:]), K)


def dX_channels_swapped(dZ, K):
    return np.einsum("nfijuv,cfuv->ncij", padded_windows(dZ, *K.shape[2:]), K[:, :, ::-1, ::-1])


def dX_not_rotated_and_channels_swapped(dZ, K):
    return np.einsum("nfijuv,cfuv->ncij", padded_windows(dZ, *K.shape[2:]), K)


def dX_rotated_on_every_axis(dZ, K):
    # np.flip without axes turns the order of the filters and of the channels too.
    return np.einsum("nfijuv,fcuv->ncij", padded_windows(dZ, *K.shape[2:]), np.flip(K))


def dX_averaged(dZ, X, K):
    return batch_dX(dZ, X, K) / len(X)


def dK_of_first_image(dZ, X, K):
    dK = np.zeros(K.shape)
    for f in range(K.shape[0]):
        for c in range(K.shape[1]):
            for u in range(K.shape[2]):
                for v in range(K.shape[3]):
                    window = X[0, c, u : u + dZ.shape[2], v : v + dZ.shape[3]]
                    dK[f, c, u, v] = np.sum(window * dZ[0, f])
    return dK


def dK_of_last_image(dZ, X, K):
    for x, dz in zip(X, dZ):
        windows = sliding_window_view(x, dz.shape[1:], axis=(1, 2))
        dK = np.einsum("cuvij,fij->fcuv", windows, dz)
    return dK


def dK_averaged(dZ, X, K):
    windows = sliding_window_view(X, dZ.shape[2:], axis=(2, 3))
    return np.einsum("ncuvij,nfij->fcuv", windows, dZ) / X.shape[0]


def dK_channels_swapped(dZ, X, K):
    windows = sliding_window_view(X, dZ.shape[2:], axis=(2, 3))
    return np.einsum("ncuvij,nfij->cfuv", windows, dZ)


def dK_rotated_and_averaged(dZ, X, K):
    windows = sliding_window_view(X, dZ.shape[2:], axis=(2, 3))
    return np.einsum("ncuvij,nfij->fcuv", windows, dZ)[..., ::-1, ::-1] / len(X)


def dK_of_first_image_and_negative(dZ, X, K):
    return -dK_of_first_image(dZ, X, K)


def dK_channels_summed(dZ, X, K):
    windows = sliding_window_view(X.sum(axis=1), dZ.shape[2:], axis=(1, 2))
    dK = np.einsum("nuvij,nfij->fuv", windows, dZ)
    return np.repeat(dK[:, None], K.shape[1], axis=1)


def dB_over_everything(dZ):
    return np.sum(dZ)


def dB_over_the_batch_only(dZ):
    return dZ.sum(axis=0)


def dB_over_pixels_only(dZ):
    return dZ.sum(axis=(2, 3))


def dB_averaged(dZ):
    return dZ.sum(axis=(2, 3)).mean(axis=0)


def dB_of_first_image(dZ):
    return dZ[0].sum(axis=(1, 2))


def dB_averaged_and_negative(dZ):
    return -dZ.sum(axis=(0, 2, 3)) / dZ.shape[0]


def dB_mean(dZ):
    return dZ.mean(axis=(0, 2, 3))


# tg.conv2d with every option


def dx(dout, x, weight, stride, padding, dilation, groups):
    N, C, H, W = x.shape
    F, Cg, kh, kw = weight.shape
    Fg = F // groups
    dxp = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            for u in range(kh):
                for v in range(kw):
                    for g in range(groups):
                        filters = slice(g * Fg, (g + 1) * Fg)
                        channels = slice(g * Cg, (g + 1) * Cg)
                        dxp[:, channels, i * stride + u * dilation, j * stride + v * dilation] += (
                            dout[:, filters, i, j] @ weight[filters, :, u, v]
                        )
    return dxp[:, :, padding : padding + H, padding : padding + W]


def dweight(dout, x, weight, stride, padding, dilation, groups):
    xp = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    F, Cg, kh, kw = weight.shape
    Fg = F // groups
    dw = np.zeros(weight.shape)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            for u in range(kh):
                for v in range(kw):
                    pixel = xp[:, :, i * stride + u * dilation, j * stride + v * dilation]
                    for g in range(groups):
                        filters = slice(g * Fg, (g + 1) * Fg)
                        dw[filters, :, u, v] += dout[:, filters, i, j].T @ pixel[:, g * Cg : (g + 1) * Cg]
    return dw


def dbias(dout):
    return dout.sum((0, 2, 3))


def dx_of_all_filters(dout, x, weight, stride, padding, dilation, groups):
    N, C, H, W = x.shape
    dxp = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    everything = np.tile(weight, (1, groups, 1, 1))
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            for u in range(weight.shape[2]):
                for v in range(weight.shape[3]):
                    dxp[:, :, i * stride + u * dilation, j * stride + v * dilation] += (
                        dout[:, :, i, j] @ everything[:, :, u, v]
                    )
    return dxp[:, :, padding : padding + H, padding : padding + W]


def dweight_of_all_channels(dout, x, weight, stride, padding, dilation, groups):
    # One kernel for each channel of x, as if the filter saw all of them.
    xp = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    dw = np.zeros((weight.shape[0], x.shape[1], *weight.shape[2:]))
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            for u in range(weight.shape[2]):
                for v in range(weight.shape[3]):
                    pixel = xp[:, :, i * stride + u * dilation, j * stride + v * dilation]
                    dw[:, :, u, v] += dout[:, :, i, j].T @ pixel
    return dw


def dweight_of_first_group(dout, x, weight, stride, padding, dilation, groups):
    xp = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    dw = np.zeros(weight.shape)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            for u in range(weight.shape[2]):
                for v in range(weight.shape[3]):
                    pixel = xp[:, :, i * stride + u * dilation, j * stride + v * dilation]
                    for c in range(weight.shape[1]):
                        dw[:, c, u, v] += dout[:, :, i, j].T @ pixel[:, c]
    return dw


def dx_without_dilation(dout, x, weight, stride, padding, dilation, groups):
    return dx(dout, x, weight, stride, padding, 1, groups)


def dx_without_stride(dout, x, weight, stride, padding, dilation, groups):
    return dx(dout, x, weight, 1, padding, dilation, groups)


def dx_not_rotated(dout, x, weight, stride, padding, dilation, groups):
    return dx(dout, x, np.rot90(weight, 2, axes=(2, 3)), stride, padding, dilation, groups)


def dx_not_rotated_without_dilation(dout, x, weight, stride, padding, dilation, groups):
    return dx(dout, x, weight[:, :, ::-1, ::-1], stride, padding, 1, groups)


def dx_not_rotated_of_all_filters(dout, x, weight, stride, padding, dilation, groups):
    return dx_of_all_filters(dout, x, weight[:, :, ::-1, ::-1], stride, padding, dilation, groups)


def dx_flipped_rows(dout, x, weight, stride, padding, dilation, groups):
    # Stamping the kernel mirrored left to right is correlating with the kernel turned upside down only.
    return dx(dout, x, weight[..., ::-1], stride, padding, dilation, groups)


def dx_with_padding(dout, x, weight, stride, padding, dilation, groups):
    shape = (*x.shape[:2], x.shape[2] + 2 * padding, x.shape[3] + 2 * padding)
    return dx(dout, np.zeros(shape), weight, stride, 0, dilation, groups)


def dweight_without_dilation(dout, x, weight, stride, padding, dilation, groups):
    return dweight(dout, x, weight, stride, padding, 1, groups)


def dweight_without_stride(dout, x, weight, stride, padding, dilation, groups):
    return dweight(dout, x, weight, 1, padding, dilation, groups)


def dweight_rotated(dout, x, weight, stride, padding, dilation, groups):
    return np.rot90(dweight(dout, x, weight, stride, padding, dilation, groups), 2, axes=(2, 3))


def dweight_rotated_of_first_image(dout, x, weight, stride, padding, dilation, groups):
    return dweight(dout[:1], x[:1], weight, stride, padding, dilation, groups)[:, :, ::-1, ::-1]


def dweight_without_dilation_averaged(dout, x, weight, stride, padding, dilation, groups):
    return dweight(dout, x, weight, stride, padding, 1, groups) / x.shape[0]


def dweight_sign(dout, x, weight, stride, padding, dilation, groups):
    return dweight(-dout, x, weight, stride, padding, dilation, groups)


BATCH = [
    {"X": (2, 2, 3, 4), "K": (2, 2, 2, 2), "B": (2,)},
    {"X": (2, 3, 4, 3), "K": (3, 3, 2, 3), "B": (3,)},
    {"X": (3, 2, 3, 3), "K": (1, 2, 2, 2), "B": (1,)},
]
OPTIONS = [
    {"x": (1, 2, 5, 4), "weight": (1, 2, 2, 2), "bias": (1,), "stride": 2},
    {"x": (2, 2, 4, 5), "weight": (2, 2, 2, 3), "bias": (2,), "dilation": 2, "padding": 1},
    {"x": (2, 4, 3, 3), "weight": (4, 2, 2, 2), "bias": (4,), "groups": 2},
    {"x": (1, 4, 5, 5), "weight": (4, 2, 2, 3), "bias": (4,), "groups": 2, "stride": 2, "padding": 1},
    {"x": (3, 2, 4, 5), "weight": (2, 1, 2, 2), "bias": (2,), "groups": 2, "dilation": 2},
]


def batch(name, wrong, **rules):
    right = {"X": batch_dX, "K": batch_dK, "B": batch_dB}
    return Homework(f"batch conv2d {name}", conv_batch, right | rules, convolution, BATCH, wrong)


def tensor_form(name, wrong, **rules):
    right = {"x": dx, "weight": dweight, "bias": dbias}
    return Homework(f"tg.conv2d {name}", tg.conv2d, right | rules, convolution, OPTIONS, wrong)


HOMEWORK = [
    batch("dX not rotated", {"X": "kernel-not-rotated"}, X=dX_not_rotated),
    batch("dX channels swapped", {"X": "channel-axes-swapped"}, X=dX_channels_swapped),
    batch(
        "dX not rotated, channels swapped",
        {"X": "kernel-not-rotated + channel-axes-swapped"},
        X=dX_not_rotated_and_channels_swapped,
    ),
    batch("dX rotated on every axis", {"X": "kernel-flipped-on-every-axis"}, X=dX_rotated_on_every_axis),
    batch("dX averaged", {"X": "averaged-over-batch"}, X=dX_averaged),
    batch("dK of the first image", {"K": "batch-not-summed"}, K=dK_of_first_image),
    batch("dK of the last image", {"K": {"overwritten-instead-of-added", "batch-not-summed"}}, K=dK_of_last_image),
    batch("dK averaged", {"K": "averaged-over-batch"}, K=dK_averaged),
    batch("dK channels swapped", {"K": "channel-axes-swapped"}, K=dK_channels_swapped),
    batch("dK rotated, averaged", {"K": "kernel-gradient-rotated + averaged-over-batch"}, K=dK_rotated_and_averaged),
    batch("dK of the first image, sign", {"K": "batch-not-summed + sign"}, K=dK_of_first_image_and_negative),
    batch("dK channels summed", {"K": "channels-summed"}, K=dK_channels_summed),
    batch("dB over everything", {"B": "bias-summed-over-too-many-axes"}, B=dB_over_everything),
    batch("dB over the batch only", {"B": "bias-summed-over-too-few-axes"}, B=dB_over_the_batch_only),
    batch("dB over pixels only", {"B": "bias-summed-over-too-few-axes"}, B=dB_over_pixels_only),
    batch("dB averaged", {"B": "averaged-over-batch"}, B=dB_averaged),
    batch("dB of the first image", {"B": "batch-not-summed"}, B=dB_of_first_image),
    batch("dB averaged, sign", {"B": "averaged-over-batch + sign"}, B=dB_averaged_and_negative),
    batch("dB mean", {"B": "averaged-instead-of-summed"}, B=dB_mean),
    tensor_form("dx of all filters", {"x": "groups-mixed"}, x=dx_of_all_filters),
    tensor_form("dweight of all channels", {"weight": "groups-mixed"}, weight=dweight_of_all_channels),
    tensor_form("dweight of the first group", {"weight": "groups-mixed"}, weight=dweight_of_first_group),
    tensor_form("dx without dilation", {"x": "dilation-ignored"}, x=dx_without_dilation),
    tensor_form("dx without stride", {"x": "stride-not-dilated"}, x=dx_without_stride),
    tensor_form("dx not rotated", {"x": "kernel-not-rotated"}, x=dx_not_rotated),
    tensor_form("dx flipped rows", {"x": "kernel-flipped-rows"}, x=dx_flipped_rows),
    tensor_form("dx with padding", {"x": "padding-not-taken-off"}, x=dx_with_padding),
    tensor_form(
        "dx not rotated, without dilation",
        {"x": "kernel-not-rotated + dilation-ignored"},
        x=dx_not_rotated_without_dilation,
    ),
    tensor_form(
        "dx not rotated, of all filters", {"x": "kernel-not-rotated + groups-mixed"}, x=dx_not_rotated_of_all_filters
    ),
    tensor_form("dweight without dilation", {"weight": "dilation-ignored"}, weight=dweight_without_dilation),
    tensor_form("dweight without stride", {"weight": "stride-not-dilated"}, weight=dweight_without_stride),
    tensor_form("dweight rotated", {"weight": "kernel-gradient-rotated"}, weight=dweight_rotated),
    tensor_form(
        "dweight rotated, of the first image",
        {"weight": "kernel-gradient-rotated + batch-not-summed"},
        weight=dweight_rotated_of_first_image,
    ),
    tensor_form(
        "dweight without dilation, averaged",
        {"weight": "dilation-ignored + averaged-over-batch"},
        weight=dweight_without_dilation_averaged,
    ),
    tensor_form("dweight sign", {"weight": "sign"}, weight=dweight_sign),
]

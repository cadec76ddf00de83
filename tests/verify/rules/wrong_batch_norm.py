"""Wrong backward rules of batch normalisation, as students write them."""

import numpy as np

from tests.verify.rules.homework import Homework
from tests.verify.rules.oracles import differences

# One example a row


def batch_norm(X, gamma, beta, eps=0.5):
    mean = np.mean(X, axis=0)
    var = np.var(X, axis=0)
    return gamma * (X - mean) / np.sqrt(var + eps) + beta


def normalized(X, eps):
    return (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + eps)


def dX(dZ, X, gamma, eps):
    N = X.shape[0]
    std = np.sqrt(X.var(axis=0) + eps)
    xhat = (X - X.mean(axis=0)) / std
    dxhat = dZ * gamma
    return (N * dxhat - dxhat.sum(axis=0) - xhat * (dxhat * xhat).sum(axis=0)) / (N * std)


def dgamma(dZ, X, eps):
    return np.sum(dZ * normalized(X, eps), axis=0)


def dbeta(dZ):
    return np.sum(dZ, axis=0)


def dX_mean_constant(dZ, X, gamma, eps):
    std = np.sqrt(X.var(axis=0) + eps)
    xhat = (X - X.mean(axis=0)) / std
    dxhat = dZ * gamma
    return (dxhat - xhat * np.mean(dxhat * xhat, axis=0)) / std


def dX_variance_constant(dZ, X, gamma, eps):
    dxhat = dZ * gamma
    return (dxhat - dxhat.mean(axis=0)) / np.sqrt(X.var(axis=0) + eps)


def dX_both_constant(dZ, X, gamma, eps):
    return dZ * gamma / np.sqrt(X.var(axis=0) + eps)


def dX_unbiased(dZ, X, gamma, eps):
    std = np.sqrt(X.var(axis=0, ddof=1) + eps)
    xhat = (X - X.mean(axis=0)) / std
    dxhat = dZ * gamma
    return (dxhat - dxhat.mean(axis=0) - xhat * np.mean(dxhat * xhat, axis=0)) / std


def dX_without_gamma(dZ, X, gamma, eps):
    return dX(dZ, X, 1, eps)


def dX_sign(dZ, X, gamma, eps):
    return -dX(dZ, X, gamma, eps)


def dX_mean_constant_without_gamma(dZ, X, gamma, eps):
    return dX_mean_constant(dZ, X, np.ones(gamma.shape), eps)


def dX_averaged(dZ, X, gamma, eps):
    return dX(dZ, X, gamma, eps) / len(X)


def dgamma_of_x(dZ, X):
    return np.sum(dZ * X, axis=0)


def dgamma_averaged(dZ, X, eps):
    return np.mean(dZ * normalized(X, eps), axis=0)


def dgamma_not_summed(dZ, X, eps):
    return dZ * normalized(X, eps)


def dgamma_over_everything(dZ, X, eps):
    return np.sum(dZ * normalized(X, eps))


def dgamma_of_first_example(dZ, X, eps):
    return (dZ * normalized(X, eps))[0]


def dgamma_without_x(dZ, X):
    return dZ.sum(axis=0)


def dgamma_averaged_and_negative(dZ, X, eps):
    return -np.mean(dZ * normalized(X, eps), axis=0)


def dbeta_over_everything(dZ):
    return dZ.sum()


def dbeta_averaged(dZ):
    return dZ.mean(axis=0)


# Images: one mean for each channel


def batch_norm_images(X, gamma, beta, eps=0.5):
    mean = X.mean(axis=(0, 2, 3), keepdims=True)
    var = ((X - mean) ** 2).mean(axis=(0, 2, 3), keepdims=True)
    return gamma[:, None, None] * (X - mean) / np.sqrt(var + eps) + beta[:, None, None]


def images_dX(dZ, X, gamma, eps):
    axes = (0, 2, 3)
    std = np.sqrt(X.var(axis=axes, keepdims=True) + eps)
    xhat = (X - X.mean(axis=axes, keepdims=True)) / std
    d = dZ * gamma.reshape(1, -1, 1, 1)
    return (d - d.mean(axis=axes, keepdims=True) - xhat * (d * xhat).mean(axis=axes, keepdims=True)) / std


def images_dgamma(dZ, X, eps):
    axes = (0, 2, 3)
    xhat = (X - X.mean(axis=axes, keepdims=True)) / np.sqrt(X.var(axis=axes, keepdims=True) + eps)
    return (dZ * xhat).sum(axis=axes)


def images_dbeta(dZ):
    return dZ.sum(axis=(0, 2, 3))


def images_dX_both_constant(dZ, X, gamma, eps):
    return dZ * gamma.reshape(1, -1, 1, 1) / np.sqrt(X.var(axis=(0, 2, 3), keepdims=True) + eps)


def images_dX_per_pixel(dZ, X, gamma, eps):
    # The statistics of each pixel over the batch, not of each channel.
    std = np.sqrt(X.var(axis=0) + eps)
    xhat = (X - X.mean(axis=0)) / std
    d = dZ * gamma.reshape(1, -1, 1, 1)
    return (d - d.mean(axis=0) - xhat * (d * xhat).mean(axis=0)) / std


def images_dbeta_over_the_batch_only(dZ):
    return dZ.sum(axis=0)


ROWS = [
    {"X": (2, 1), "gamma": (1,), "beta": (1,)},
    {"X": (3, 2), "gamma": (2,), "beta": (2,)},
    {"X": (4, 3), "gamma": (3,), "beta": (3,)},
    {"X": (5, 2), "gamma": (2,), "beta": (2,), "eps": 0.125},
]
IMAGES = [
    {"X": (2, 1, 1, 2), "gamma": (1,), "beta": (1,)},
    {"X": (2, 2, 2, 2), "gamma": (2,), "beta": (2,)},
    {"X": (3, 2, 1, 2), "gamma": (2,), "beta": (2,)},
]


# Two mistakes, or one of which they are the parts.
BOTH = {"statistics-treated-as-constants", "mean-treated-as-constant + variance-treated-as-constant"}


def rows(name, wrong, **rules):
    right = {"X": dX, "gamma": dgamma, "beta": dbeta}
    return Homework(f"batch_norm {name}", batch_norm, right | rules, differences(batch_norm), ROWS, wrong)


def images(name, wrong, **rules):
    right = {"X": images_dX, "gamma": images_dgamma, "beta": images_dbeta}
    oracle = differences(batch_norm_images)
    return Homework(f"batch_norm of images {name}", batch_norm_images, right | rules, oracle, IMAGES, wrong)


HOMEWORK = [
    rows("dX mean constant", {"X": "mean-treated-as-constant"}, X=dX_mean_constant),
    rows("dX variance constant", {"X": "variance-treated-as-constant"}, X=dX_variance_constant),
    rows("dX both constant", {"X": BOTH}, X=dX_both_constant),
    rows("dX unbiased variance", {"X": "unbiased-variance"}, X=dX_unbiased),
    rows("dX without gamma", {"X": "gamma-missing"}, X=dX_without_gamma),
    rows("dX sign", {"X": "sign"}, X=dX_sign),
    rows(
        "dX mean constant, without gamma",
        {"X": "mean-treated-as-constant + gamma-missing"},
        X=dX_mean_constant_without_gamma,
    ),
    rows("dX averaged", {"X": "averaged-over-batch"}, X=dX_averaged),
    rows("dgamma of X", {"gamma": "x-instead-of-normalized"}, gamma=dgamma_of_x),
    rows("dgamma averaged", {"gamma": "averaged-over-batch"}, gamma=dgamma_averaged),
    rows("dgamma not summed", {"gamma": {"bias-not-summed", "bias-summed-over-too-few-axes"}}, gamma=dgamma_not_summed),
    rows("dgamma over everything", {"gamma": "bias-summed-over-too-many-axes"}, gamma=dgamma_over_everything),
    rows("dgamma of the first example", {"gamma": "batch-not-summed"}, gamma=dgamma_of_first_example),
    rows("dgamma without X", {"gamma": "operand-missing"}, gamma=dgamma_without_x),
    rows("dgamma averaged, sign", {"gamma": "averaged-over-batch + sign"}, gamma=dgamma_averaged_and_negative),
    rows("dbeta over everything", {"beta": "bias-summed-over-too-many-axes"}, beta=dbeta_over_everything),
    rows("dbeta averaged", {"beta": "averaged-over-batch"}, beta=dbeta_averaged),
    images(
        "dX both constant",
        {"X": BOTH},
        X=images_dX_both_constant,
    ),
    images("dX per pixel", {"X": "statistics-over-too-few-axes"}, X=images_dX_per_pixel),
    images(
        "dbeta over the batch only", {"beta": "bias-summed-over-too-few-axes"}, beta=images_dbeta_over_the_batch_only
    ),
]

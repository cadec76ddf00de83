"""dX keeps the padding, so that it is too large, and linear_dB sums over too many axes."""

import numpy as np


def dX(dZ, X, K, stride, padding):
    gradient = np.zeros((X.shape[0] + 2 * padding, X.shape[1] + 2 * padding))
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            gradient[i * stride : i * stride + K.shape[0], j * stride : j * stride + K.shape[1]] += dZ[i, j] * K
    return gradient  # of the padded X


def dK(dZ, X, K, stride, padding):
    padded = np.pad(X, padding)
    gradient = np.zeros(K.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            gradient += dZ[i, j] * padded[i * stride : i * stride + K.shape[0], j * stride : j * stride + K.shape[1]]
    return gradient


def dB(dZ):
    return np.sum(dZ)


def linear_dX(dZ, X, W):
    return dZ @ W.T


def linear_dW(dZ, X, W):
    return X.T @ dZ


def linear_dB(dZ):
    return dZ.sum()

"""dX forgets to rotate the kernel by 180 degrees; dK and dB are right."""

import numpy as np


def correlate(A, K):
    height, width = K.shape
    Z = np.zeros((A.shape[0] - height + 1, A.shape[1] - width + 1))
    for i in range(Z.shape[0]):
        for j in range(Z.shape[1]):
            Z[i, j] = np.sum(A[i : i + height, j : j + width] * K)
    return Z


def spread(dZ, stride):
    D = np.zeros((stride * (dZ.shape[0] - 1) + 1, stride * (dZ.shape[1] - 1) + 1))
    D[::stride, ::stride] = dZ
    return D


def dX(dZ, X, K, stride, padding):
    full = correlate(np.pad(spread(dZ, stride), [(n - 1, n - 1) for n in K.shape]), K)
    padded = np.zeros((X.shape[0] + 2 * padding, X.shape[1] + 2 * padding))
    padded[: full.shape[0], : full.shape[1]] = full
    return padded[padding : padding + X.shape[0], padding : padding + X.shape[1]]


def dK(dZ, X, K, stride, padding):
    return correlate(np.pad(X, padding), spread(dZ, stride))[: K.shape[0], : K.shape[1]]


def dB(dZ):
    return np.sum(dZ)

"""Homework: the backward pass of a convolutional network, by hand.

Every function gets plain NumPy arrays and returns the gradient of the loss L as an array. dZ is dL/dZ, of the shape of
Z. Fill in the functions; check them with

    tinygrad-cnn verify homework.py
"""

import numpy as np  # noqa: F401


def conv2d(X, K, B, stride, padding):
    """Z = X (*) K + B, a cross-correlation.

    X is a matrix, K a smaller one, B a number; X gets `padding` zeros on each side, and the windows are `stride` apart:

        Z[i, j] = sum over a, b of X[i stride + a - padding, j stride + b - padding] K[a, b]  +  B
    """
    raise NotImplementedError


def dX(dZ, X, K, stride, padding):
    """dL/dX of Z = X (*) K + B, of the shape of X."""
    raise NotImplementedError


def dK(dZ, X, K, stride, padding):
    """dL/dK of Z = X (*) K + B, of the shape of K."""
    raise NotImplementedError


def dB(dZ):
    """dL/dB of Z = X (*) K + B, a number."""
    raise NotImplementedError


def max_pool_dX(dZ, X, size, stride):
    """dL/dX where Z has the largest entry of each size x size window of X; the windows are `stride` apart.

    Where several entries of a window are largest, one of them gets the gradient, or each an equal share.
    """
    raise NotImplementedError


def relu_dX(dZ, X):
    """dL/dX of Z = max(X, 0)."""
    raise NotImplementedError


def linear_dX(dZ, X, W):
    """dL/dX of Z = X W + B; X is (N, D), W is (D, M), B is (M,)."""
    raise NotImplementedError


def linear_dW(dZ, X, W):
    """dL/dW of Z = X W + B."""
    raise NotImplementedError


def linear_dB(dZ):
    """dL/dB of Z = X W + B."""
    raise NotImplementedError

"""What else may happen: each function ends in another way, and the others are graded all the same."""

import ctypes
import os
import sys

import numpy as np


def dX(dZ, X, K, stride, padding):
    ctypes.string_at(0)  # reads where there is nothing: a segmentation fault


def dK(dZ, X, K, stride, padding):
    return np.zeros((40_000, 40_000)) + 1  # 12 GB


def dB(dZ):
    os._exit(0)


def max_pool_dX(dZ, X, size, stride):
    sys.exit()


def relu_dX(dZ, X):
    dZ *= X > 0  # changes what it was given
    return dZ


def linear_dX(dZ, X, W):
    return linear_dX(dZ, X, W)


def linear_dW(dZ, X, W):
    return X @ dZ  # the shapes don't fit


def linear_dB(dZ):
    print("How did I get here?\n" * 100_000)
    return dZ.sum(axis=0)

"""max_pool_dX gives the gradient to every largest entry of a window, where there are several."""

import numpy as np


def max_pool_dX(dZ, X, size, stride):
    gradient = np.zeros(X.shape)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            rows, columns = slice(i * stride, i * stride + size), slice(j * stride, j * stride + size)
            window = X[rows, columns]
            gradient[rows, columns] += dZ[i, j] * (window == np.max(window))
    return gradient

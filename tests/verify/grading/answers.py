"""Right answers to every built-in exercise, entry by entry, and a wrong one to each function."""

RIGHT = '''
import numpy as np


def windows(height, width, rows, columns, stride):
    """Where each window begins, and the entry of Z that it makes."""
    for i in range((height - rows) // stride + 1):
        for j in range((width - columns) // stride + 1):
            yield i, j, i * stride, j * stride


def conv2d(X, K, B, stride, padding):
    X = np.pad(X, padding)
    Z = np.zeros(((X.shape[0] - K.shape[0]) // stride + 1, (X.shape[1] - K.shape[1]) // stride + 1))
    for i, j, r, c in windows(*X.shape, *K.shape, stride):
        Z[i, j] = np.sum(X[r : r + K.shape[0], c : c + K.shape[1]] * K) + B
    return Z


def dX(dZ, X, K, stride, padding):
    gradient = np.zeros((X.shape[0] + 2 * padding, X.shape[1] + 2 * padding))
    for i, j, r, c in windows(*gradient.shape, *K.shape, stride):
        gradient[r : r + K.shape[0], c : c + K.shape[1]] += dZ[i, j] * K
    return gradient[padding : padding + X.shape[0], padding : padding + X.shape[1]]


def dK(dZ, X, K, stride, padding):
    padded = np.pad(X, padding)
    gradient = np.zeros(K.shape)
    for i, j, r, c in windows(*padded.shape, *K.shape, stride):
        gradient += dZ[i, j] * padded[r : r + K.shape[0], c : c + K.shape[1]]
    return gradient


def dB(dZ):
    return np.sum(dZ)


def max_pool(X, size, stride):
    Z = np.zeros(((X.shape[0] - size) // stride + 1, (X.shape[1] - size) // stride + 1))
    for i, j, r, c in windows(*X.shape, size, size, stride):
        Z[i, j] = np.max(X[r : r + size, c : c + size])
    return Z


def max_pool_dX(dZ, X, size, stride):
    gradient = np.zeros(X.shape)
    for i, j, r, c in windows(*X.shape, size, size, stride):
        best = r, c
        for a in range(r, r + size):
            for b in range(c, c + size):
                if X[a, b] > X[best]:
                    best = a, b
        gradient[best] += dZ[i, j]
    return gradient


def average_pool(X, size, stride):
    Z = np.zeros(((X.shape[0] - size) // stride + 1, (X.shape[1] - size) // stride + 1))
    for i, j, r, c in windows(*X.shape, size, size, stride):
        Z[i, j] = np.mean(X[r : r + size, c : c + size])
    return Z


def average_pool_dX(dZ, X, size, stride):
    gradient = np.zeros(X.shape)
    for i, j, r, c in windows(*X.shape, size, size, stride):
        gradient[r : r + size, c : c + size] += dZ[i, j] / size**2
    return gradient


def conv_transpose_dX(dZ, X, K, stride):
    gradient = np.zeros(X.shape)
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            r, c = i * stride, j * stride
            gradient[i, j] = np.sum(dZ[r : r + K.shape[0], c : c + K.shape[1]] * K)
    return gradient


def conv_transpose_dK(dZ, X, K, stride):
    gradient = np.zeros(K.shape)
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            r, c = i * stride, j * stride
            gradient += dZ[r : r + K.shape[0], c : c + K.shape[1]] * X[i, j]
    return gradient


def linear_dX(dZ, X, W):
    return dZ @ W.T


def linear_dW(dZ, X, W):
    return X.T @ dZ


def linear_dB(dZ):
    return dZ.sum(axis=0)


def relu_dX(dZ, X):
    return np.where(X > 0, dZ, 0)


def softmax_cross_entropy_dX(dL, X, target):
    e = np.exp(X)
    gradient = e / e.sum(axis=1, keepdims=True)
    for n in range(len(X)):
        gradient[n, target[n]] -= 1
    return dL * gradient / len(X)


def normalised(X, epsilon):
    centred = X - X.mean(axis=0)
    deviation = np.sqrt((centred**2).mean(axis=0) + epsilon)
    return centred / deviation, deviation


def batch_norm_dX(dZ, X, gamma, epsilon):
    xhat, deviation = normalised(X, epsilon)
    d = dZ * gamma
    return (d - d.mean(axis=0) - xhat * (d * xhat).mean(axis=0)) / deviation


def batch_norm_dgamma(dZ, X, epsilon):
    return (dZ * normalised(X, epsilon)[0]).sum(axis=0)


def batch_norm_dbeta(dZ):
    return dZ.sum(axis=0)
'''

LAYER = '''
import numpy as np


def each(X, dZ, K, stride, padding):
    """The padded X, and for each image, filter and entry of dZ its window."""
    padded = np.pad(X, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    places = []
    for n, f, i, j in np.ndindex(dZ.shape):
        r, c = i * stride, j * stride
        places.append((n, f, i, j, slice(r, r + K.shape[2]), slice(c, c + K.shape[3])))
    return padded, places


def dX(dZ, X, K, stride, padding):
    padded, places = each(X, dZ, K, stride, padding)
    gradient = np.zeros(padded.shape)
    for n, f, i, j, rows, columns in places:
        gradient[n, :, rows, columns] += dZ[n, f, i, j] * K[f]
    return gradient[:, :, padding : padding + X.shape[2], padding : padding + X.shape[3]]


def dK(dZ, X, K, stride, padding):
    padded, places = each(X, dZ, K, stride, padding)
    gradient = np.zeros(K.shape)
    for n, f, i, j, rows, columns in places:
        gradient[f] += dZ[n, f, i, j] * padded[n, :, rows, columns]
    return gradient


def dB(dZ):
    return dZ.sum(axis=(0, 2, 3))
'''

LECTURE_14 = '''
import numpy as np


def dK(dZ, X):
    """dL/dK11 = dL/dz11 X11 + dL/dz12 X12 + dL/dz21 X21 + dL/dz22 X22, and so on."""
    return [
        [sum(dZ[i, j] * X[i + a, j + b] for i in range(2) for j in range(2)) for b in range(2)] for a in range(2)
    ]


def dX(dZ, K):
    return [
        [dZ[0, 0] * K[0, 0], dZ[0, 0] * K[0, 1] + dZ[0, 1] * K[0, 0], dZ[0, 1] * K[0, 1]],
        [
            dZ[0, 0] * K[1, 0] + dZ[1, 0] * K[0, 0],
            dZ[0, 0] * K[1, 1] + dZ[0, 1] * K[1, 0] + dZ[1, 0] * K[0, 1] + dZ[1, 1] * K[0, 0],
            dZ[0, 1] * K[1, 1] + dZ[1, 1] * K[0, 1],
        ],
        [dZ[1, 0] * K[1, 0], dZ[1, 0] * K[1, 1] + dZ[1, 1] * K[1, 0], dZ[1, 1] * K[1, 1]],
    ]
'''

# By exercise, the part of RIGHT that is replaced, by what, and the functions that this makes wrong.
WRONG = {
    "conv2d-backward": [
        ("+= dZ[i, j] * K\n", "= dZ[i, j] * K\n", {"dX"}),
        ("padded[r : r + K.shape[0], c", "padded[-r : K.shape[0] - r or None, c", {"dK"}),
        ("return np.sum(dZ)\n", "return np.mean(dZ)\n", {"dB"}),
    ],
    "max-pool-backward": [
        ("gradient[best] += dZ[i, j]", "gradient += dZ[i, j] * (X == X[best])", {"max_pool_dX"}),
        ("gradient[best] += dZ", "gradient[best] = dZ", {"max_pool_dX"}),
    ],
    "average-pool-backward": [("/ size**2", "", {"average_pool_dX"})],
    "conv-transpose-backward": [
        ("gradient[i, j] = np.sum(", "gradient[i, j] = np.mean(", {"conv_transpose_dX"}),
        ("* X[i, j]\n", "* X[-i, -j]\n", {"conv_transpose_dK"}),
    ],
    "linear-backward": [
        ("dZ @ W.T", "dZ @ W", {"linear_dX"}),
        ("X.T @ dZ", "(dZ.T @ X)", {"linear_dW"}),
        ("linear_dB(dZ):\n    return dZ.sum(axis=0)", "linear_dB(dZ):\n    return dZ.mean(axis=0)", {"linear_dB"}),
    ],
    "relu-backward": [
        ("np.where(X > 0, dZ", "np.where(X > 0, 1", {"relu_dX"}),
        ("np.where(X > 0", "np.where(dZ > 0", {"relu_dX"}),
    ],
    "softmax-cross-entropy-backward": [
        ("dL * gradient / len(X)", "dL * gradient", {"softmax_cross_entropy_dX"}),
        ("return dL * gradient", "return gradient", {"softmax_cross_entropy_dX"}),
        ("gradient[n, target[n]] -= 1", "gradient[n, target[n]] += 1", {"softmax_cross_entropy_dX"}),
    ],
    "batch-norm-backward": [
        ("- xhat * (d * xhat).mean(axis=0)", "", {"batch_norm_dX"}),
        ("(dZ * normalised(X, epsilon)[0])", "(dZ * X)", {"batch_norm_dgamma"}),
        ("dbeta(dZ):\n    return dZ.sum(axis=0)", "dbeta(dZ):\n    return dZ", {"batch_norm_dbeta"}),
    ],
    "conv2d-forward": [("K.shape[1]] * K) + B", "K.shape[1]] * K[::-1, ::-1]) + B", {"conv2d"})],
    "max-pool-forward": [("np.max(X[", "np.mean(X[", {"max_pool"})],
    "average-pool-forward": [("np.mean(X[", "np.sum(X[", {"average_pool"})],
}

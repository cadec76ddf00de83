"""What students write, as functions: traced, they give NumPy's values and the slopes of those, in fractions."""

import functools
import itertools
import math
import operator
from copy import deepcopy

import numpy as np
import pytest
from numpy import zeros as make_zeros
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from tests.verify.tracing.agreement import agrees

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


# Loops


@case
def loops(X, K):
    h, w = X.shape[0] - 1, X.shape[1] - 1
    Z = np.zeros((h, w))
    for i in range(h):
        for j in range(w):
            for u in range(2):
                for v in range(2):
                    Z[i, j] += X[i + u, j + v] * K[u, v]
    return Z


@case
def loops_with_windows(X, K):
    Z = np.zeros((2, 3), dtype=X.dtype)
    for i, j in np.ndindex(Z.shape):
        Z[i, j] = np.sum(X[i : i + 2, j : j + 2] * K)
    return Z


@case
def loops_over_lists(X, K):
    return [[sum(X[i + u][j + v] * K[u][v] for u in range(2) for v in range(2)) for j in range(3)] for i in range(2)]


@case
def padding_by_hand(X, K):
    P = np.zeros((X.shape[0] + 2, X.shape[1] + 2))
    P[1:-1, 1:-1] = X
    Z = np.empty((4, 5))
    for i in range(4):
        for j in range(5):
            Z[i, j] = (P[i : i + 2, j : j + 2] * K).sum()
    return Z


@case
def accumulated_slices(X, K):
    Z = np.zeros_like(X[:2, :3])
    for u in range(2):
        for v in range(2):
            Z += K[u, v] * X[u : u + 2, v : v + 3]
    return Z


@case
def overlapping_windows(X, K):
    Z = np.zeros((4, 5))
    for i in range(3):
        for j in range(4):
            Z[i : i + 2, j : j + 2] += X[i, j] * K
    return Z


# Constructors


@case
def constructors(X, K):
    a = np.zeros_like(X) + np.ones((3, 4)) + np.full((3, 4), 0.1) + np.full_like(X, 0.2) + np.ones_like(X)
    b = np.empty_like(X)
    b[...] = np.eye(3, 4) + np.tri(3, 4) + np.identity(4)[:3] + np.arange(4) / 3 + np.linspace(0, 1, 4)
    return a * X + b * X * X


@case
def dtypes(X, K):
    Z = np.zeros(X.shape, dtype=np.float64)
    Z += np.zeros(X.shape, float) + np.zeros(X.shape, "f8") + np.zeros(shape=X.shape, dtype=X.dtype)
    Z = Z.astype(np.float32) + X.astype(float) * X.astype("float64")
    return np.asarray(np.array(Z, dtype=float), dtype=np.float64) + np.ascontiguousarray(X.T).T


@case
def arrays_of_lists(X, K):
    row = np.array([X[0, 0], 0.5, X[0, 1] * 2, 1])
    return np.stack([row, X[1], np.array([1.0, 2, 3, 4]) * X[2]]) + np.array([[1, 2, 3, 4]] * 3) / 7


@case
def float_calls(X, K):
    return [[float(x) * np.float64(2.5) + np.float32(0.25) * 0.5 for x in row] for row in X]


@case
def quotients_of_sizes(X, K):
    n = X.size
    return X / n + X * (1 / n) + X * (1.0 / (3 * 7)) + X * float(2) / len(X) + X / np.prod(X.shape) * (1 - 0.9)


# Reductions


@case
def sums(X, K):
    total = np.sum(X) + X.sum() + sum(X[0]) + np.add.reduce(X[1]) + sum(x for row in X for x in row)
    return X.sum(axis=0) * total + np.sum(X, axis=0, keepdims=True)[0] + np.sum([X[0], X[1]], axis=0)


@case
def means(X, K):
    return X.mean() * np.mean(X, axis=0) + np.average(X, axis=0, weights=[1, 2, 4]) + X.mean(axis=0, dtype=float)


@case
def variances(X, K):
    return np.var(X, axis=1) + X.var() + np.var(X, axis=1, ddof=1) * np.mean((X - X.mean()) ** 2)


@case
def maxima(X, K):
    return [np.max(X) * X.min(), max(X[0]), min(X[1, 1:]), np.amax(X, axis=1)[2], X.max(axis=0)[1], max(0, X[0, 0])]


@case
def maxima_from_infinity(X, K):
    best = -np.inf
    worst = float("inf")
    for x in X.flat:
        if x > best:
            best = x
        worst = min(worst, x)
    return [best, worst, np.max(X, initial=-np.inf), np.max(np.pad(X, 1, constant_values=-np.inf))]


@case
def winners(X, K):
    dX = np.zeros_like(X)
    i, j = np.unravel_index(np.argmax(X), X.shape)
    dX[i, j] += X[i, j] ** 2
    dX[X.min() == X] = K[0, 0]
    return dX + (np.max(X) == X) * X


@case
def products(X, K):
    return [np.prod(X[0]), X[1].prod(), np.cumprod(X[2])[2], np.cumsum(X)[5], math.prod(X[0]), K.trace()]


@case
def norms(X, K):
    return np.linalg.norm(np.array([3 * X[0, 0], 4 * X[0, 0]])) + np.sqrt(X**2) * np.square(K[0, 0])


# Branches


@case
def branches(X, K):
    Z = np.zeros(X.shape)
    for i in range(3):
        for j in range(4):
            if X[i, j] > 0:
                Z[i, j] = X[i, j]
            else:
                Z[i, j] = 0.01 * X[i, j]
    return Z


@case
def masks(X, K):
    dX = X.copy()
    dX[X <= 0] = 0
    dX[(X > 1) & (X < 3)] *= 2
    return dX + (X > 0) * X + (X > 0).astype(float) * X / 3 + np.where(X > 0, X, 0.1 * X) * (X != 0)


@case
def clipped(X, K):
    return np.maximum(X, 0) + np.minimum(0, X) * 3 + np.clip(X, -1, 1) + X.clip(min=0) + np.fmax(X, K[0, 0])


@case
def signs(X, K):
    return np.sign(X) * X + np.abs(X) + abs(X) * np.heaviside(X, 0.5) + np.copysign(X, 1) + np.absolute(X)


@case
def selected(X, K):
    return np.select([X > 1, X < -1], [X * X, -X], default=0) + np.piecewise(X, [X < 0, X >= 0], [lambda x: -x, 0])


@case
def rounded(X, K):
    return X * np.round(X) + X * np.floor(X) + X * np.ceil(X) + X % 1 + X // 1 + np.round(X, 1) + X.round(1)


@case
def checks(X, K):
    passed = [np.isfinite(X).all(), not np.isnan(X).any(), not np.isinf(X[0, 0]), np.array_equal(X, X)]
    passed += [np.isclose(X, X).all(), np.allclose(X, X + 1e-9), not np.array_equal(X, X + 1)]
    passed += [np.isscalar(X[0, 0]), isinstance(X[0, 0], float), isinstance(X[0, 0], np.floating)]
    passed += [isinstance(X, np.ndarray), np.issubdtype(X.dtype, np.floating), issubclass(X.dtype.type, np.number)]
    assert passed == [True] * 13
    return np.nan_to_num(X) * (X + np.finfo(float).eps - np.finfo(X.dtype).eps)


# Products of matrices


@case
def matrix_products(X, K):
    return X[:2, :2] @ K + np.dot(K, X[:2, :2]) + np.matmul(K, K.T) + K.dot(K) + np.inner(X[0], X[1]) + K @ X[:2, 0]


@case
def tensor_products(X, K):
    a = np.tensordot(X[:2], K, axes=([0], [0]))[:2] + np.outer(X[0, :2], K[0]) + np.vdot(K, K)
    return np.kron(K, K) * np.einsum("ij,kj->", X[:, :2], K) + np.pad(a, 1)


@case
def einsums(X, K):
    windows = sliding_window_view(X, (2, 2))
    return np.einsum("ijuv,uv->ij", windows, K) + np.einsum("ijuv,uv->ij", windows, K * K, optimize=True)


@case
def convolutions(X, K):
    return np.convolve(X[0], K[0], mode="full") + np.correlate(X[1], K[1], "full")


@case
def strided_windows(X, K):
    s, t = X.strides
    windows = as_strided(X, shape=(2, 3, 2, 2), strides=(s, t, s, t))
    return np.tensordot(windows, K, axes=2) + np.lib.stride_tricks.as_strided(X, (2, 3), (s, t))


# Shapes


@case
def rearranged(X, K):
    R = np.rot90(K, 2) + K[::-1, ::-1] + np.flip(K) + np.flipud(K) + np.fliplr(K).T + np.transpose(K)
    Y = np.concatenate([X, X[:1]], axis=0).reshape(2, -1)[:, :2] + np.hstack([K, K])[:, 1:3] + np.vstack((K, K))[1:3]
    return R * Y + np.roll(K, 1, axis=0) + np.swapaxes(K, 0, 1) + K.ravel()[[0, 3]] + K.flatten()[::2]


@case
def repeated(X, K):
    Y = np.repeat(np.repeat(K, 2, axis=0), 2, axis=1) + np.tile(K, (2, 2)) + np.kron(K, np.ones((2, 2)))
    return np.broadcast_to(X[0], (4, 4)) * Y + np.expand_dims(X[0], 0) + X[1][:, None] + np.diag(X[2])


@case
def triangles(X, K):
    return np.triu(X) + np.tril(X) * X + np.diagonal(X)[:, np.newaxis] + np.insert(X[:, :3], 1, 0.5, axis=1)


@case
def scattered(X, K):
    Z = np.zeros(4)
    np.add.at(Z, [0, 1, 1, 3], X[0])
    np.add.at(Z, np.array([2, 2]), X[1, 0] * K[0])
    np.put(Z, [0], X[2, 0])
    W = np.zeros((2, 3, 4))
    np.add.at(W, (slice(None), np.array([[0], [2]]), [1, 1]), X[0, :2])
    np.subtract.at(W[0], (1, 2), X[0, 0])
    Z += W.sum(axis=(0, 1)) * X[1]
    D = np.zeros((4, 4))
    np.fill_diagonal(D, Z)
    D[::2, ::2] += K
    return D


@case
def im2col(X, K):
    columns = np.array([X[i : i + 2, j : j + 2].ravel() for i in range(2) for j in range(3)])
    return (columns @ K.reshape(-1, 1)).reshape(2, 3)


# Python


@case
def imports_inside(X, K):
    import math as m

    import numpy
    import numpy as mine
    import numpy.linalg as la
    from numpy import sum as total
    from numpy.lib.stride_tricks import sliding_window_view as windows

    Z = mine.zeros((2, 3)) + windows(X, (2, 2)).sum(axis=(2, 3)) * total(K)
    return Z + la.norm(numpy.array([X[0, 0] * 0.6, X[0, 0] * 0.8])) + m.sqrt(X[0, 0] * X[0, 0]) + m.fabs(K[0, 0])


def helper(x, scale=0.1):
    Z = make_zeros(x.shape)
    Z[...] = scale * x
    return Z


SCALE = np.array([0.1, 0.2, 0.3, 0.4])


@case
def helpers_and_globals(X, K):
    return functools.reduce(operator.add, [helper(x) + helper(x * x, scale=0.5) * SCALE for x in X])


@case
def nested_functions(X, K):
    def window(i, j, size=2):
        return X[i : i + size, j : j + size]

    square = lambda x: x * x  # noqa: E731
    return [[np.sum(square(window(i, j)) * K) for j in range(3)] for i in range(2)]


@case
def iterators(X, K):
    Z = np.zeros(X.shape)
    for (i, j), x in np.ndenumerate(X):
        Z[i, j] = x * x
    for x, k in itertools.product(X[0], K[0]):
        Z[0, 0] += x * k
    it = np.nditer(X, flags=["multi_index"])
    while not it.finished:
        Z[it.multi_index] += X[it.multi_index] * 2
        it.iternext()
    return Z + sum(map(float, X[0])) + next(reversed(X[1])) + sorted(X[2])[0]


@case
def vectorized(X, K):
    relu = np.vectorize(lambda x: x if x > 0 else 0, otypes=[float])
    product = np.vectorize(lambda x, y: x * y)
    return relu(X) * X + product(X, X[0]) + np.apply_along_axis(lambda row: row / 2 * row[0], 1, X)


@case
def in_place_on_a_copy(X, K):
    Y = X.copy()
    Y -= Y.mean()
    Y /= 2
    Y *= Y
    Z = deepcopy(Y)
    Z[0] = 0.25
    np.multiply(Z, 2, out=Z)
    np.copyto(Y[0], X[2])
    return Y + Z


@case
def powers(X, K):
    return X**2 + X**3.0 + np.power(X, 2) + pow(X[0, 0], 2) + X**-1 + 1 / X + np.reciprocal(X) + (X * X) ** 0.5 + X**0


@case
def scalars(X, K):
    x = X[0, 0]
    y = x.item() + x.sum() + x.astype(float) + x.copy() + x.real + np.float64(x) + x.reshape(1)[0] + x.mean()
    return y * y + divmod(y, 7)[1] + math.fabs(x) + round(x, 1) * x


@case
def random_constants(X, K):
    rng = np.random.default_rng(0)
    old = np.random.RandomState(1)
    return X * rng.normal(size=X.shape) + X * old.rand(3, 4) + (rng.random((3, 4)) > 0.5) * X / 0.5


MODES = ["constant", "edge", "reflect", "symmetric", "wrap", "mean", "median", "maximum", "minimum", "linear_ramp"]


@pytest.mark.parametrize("mode", MODES)
def test_pads_in_every_mode(mode):
    def padded(X, K):
        return np.pad(X, ((1, 2), (2, 1)), mode=mode) * 2 + np.pad(X, [(1, 2), (2, 1)], mode=mode)

    agrees(padded)


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_numpy(name):
    agrees(CASES[name])

"""One expression of X (3x4) and K (2x2) a line: traced, each gives NumPy's values and the slopes of those."""

import math

import numpy as np
import pytest

from tests.verify.tracing.agreement import agrees

RATIONAL = """
X.tolist()
np.array(X.tolist())
[*X]
[list(r) for r in zip(*X)]
X[None][:, ::-1]
X[np.ix_([0,1],[1,2])]
(X == X.max()).astype(int) * X
[np.argwhere(X == X.max())[0][0] * X[0,0], X[np.where(X == X.max())][0], X[np.nonzero(X > 1)][0]]
(lambda m: m / m.sum() * X)(X > 0)
(lambda m: m / m.sum() * X)(np.array(X > 0, dtype=float))
np.float64(X > 0) * X
np.int32(X > 0) * X
(X > 0) * 1.0 * X / 3
1 * (X > 0) / 3 * X
np.where(X > 0, 1, 0) / 3 * X
np.where(X > 0, 1.0, 0.0) / 3 * X
np.greater(X, 0) * X
np.logical_and(X > 0, X < 1) * X
~(X > 0) * X
np.any(X > 0) * X + (X > 0).mean() * X + (X > 0).sum() / 7 * X + np.count_nonzero(X > 0) / 7
np.logical_not(X) + X
np.add([1, 2], X[0, :2])
sum(X)
sum(sum(X))
[max(X.flatten()), max(map(max, X)), min(X.tolist()[0])]
np.sum([x * y for x, y in zip(X[0], X[1])])
np.dot(list(X[0]), list(X[1]))
np.dot([1, 2, 3, 4], X[0])
[np.trace(K @ K.T), np.linalg.matrix_power(K, 2)[0, 0], np.linalg.multi_dot([K, K, K])[0, 1]]
np.multiply.outer(X[0], K[0])
np.subtract.outer(X[0], X[1])
np.add.accumulate(X[0])
np.add.reduceat(X[0], [0, 2])
np.meshgrid(X[0], X[1])[0]
np.indices((3, 4))[0] / 3 * X
np.mgrid[0:3, 0:4][0] / 3 * X
np.r_[X[0], 0, 0.5] * 2
np.c_[X[0], X[1]]
np.block([[K, K], [K, np.zeros((2, 2))]])
np.split(X, 2, axis=1)[1]
np.array_split(X, 2)[0]
np.delete(X, 0, axis=1)
np.append(X, 0.5)
np.take(X, [0, 1], axis=1)
np.take_along_axis(X, np.argmax(X, axis=1)[:, None], axis=1)
np.compress([True, False, True], X, axis=0)
np.extract(X > 0, X)
np.diff(X, axis=1)
np.gradient(X[0])
np.cross(X[0, :3], X[1, :3])
np.polyval([1, 2, 0.5], X)
np.polyval(X[0], K)
[np.median(X), np.median(X[0, :3]), np.ptp(X)]
np.percentile(X, 50)
np.quantile(X, 0.25)
[np.nansum(X), np.nanmax(X), np.nanmean(X)]
np.unique(X)
np.sort(X, axis=None)
X.ravel()[np.argsort(X.ravel())]
np.partition(X.ravel(), 3)[3]
np.trapezoid(X[0])
np.moveaxis(X, 0, 1)
np.atleast_2d(X[0]) + np.squeeze(X[:1])
np.dstack([K, K])
np.column_stack([X[0], X[1]])
np.fromfunction(lambda i, j: (i + j) / 3, (3, 4)) * X
np.fromfunction(lambda i, j: X[i, j], (3, 4), dtype=int)
np.fromiter((x * x for x in X.flat), dtype=float)
np.fromiter((x * x for x in X.flat), float)
X.squeeze().swapaxes(0, 1).take([0, 1])
X.repeat(2)
[X.argmax() * X[0, 0], X.argmin(axis=0)[0] * X[0, 0], X.trace(), X.cumsum()[3], X[0].prod(), X.ravel().dot(X.ravel())]
X.conj() + X.conjugate() + X.real + np.real(X)
X.diagonal()
X.nonzero()[0] * X[0, 0]
np.pad(X, 1) + np.pad(X, ((1, 1), (1, 1)), "constant", constant_values=((1, 2), (3, 4)))
np.full((2, 2), X[0, 0])
np.full(3, X.mean())
np.array([[X[0, 0], 0], [0, 1]]) @ K
np.array([X[0], [1, 2, 3, 4], X[1]])
np.zeros((2, 2)) @ K
np.eye(2) @ K
np.ones((2, 2)).dot(K) / 3
np.identity(2) / 3 + K
np.diag([1, 2]) @ K / 3
np.diag(np.ones(2)) * K
np.arange(4).reshape(2, 2) / 3 * K
np.arange(0, 1, 0.25) * X[0]
np.arange(4.0) / 3 * X[0]
np.random.default_rng(0).integers(0, 5, (3, 4)) / 3 * X
np.mean([X[0, 0], X[0, 1], 1])
np.mean([1, 2, 4]) * X
np.mean(np.arange(4)) * X
np.var([1, 2, 4]) * X
np.average([1, 2, 4]) * X
np.sum(np.arange(4) / 3) * X
np.sum(X, axis=(0, 1), dtype=np.float64, keepdims=True)
np.sum(X, where=X > 0)
X.mean(1, keepdims=True)
X.sum(0) + X.sum(-1)[0]
X.max(1) - X.min(1)
np.asarray(X, float) + np.asarray(list(X))
np.copy(X)
np.where(np.isnan(X), 0, X)
np.where(np.isinf(X / 1), 0, X)
np.errstate(divide="ignore") and X
np.power(X, [1, 2, 3, 1])
np.power(2, 3) * X
2 ** np.arange(4) * X
2.0 ** np.arange(4) * X
X @ X.T
np.einsum("ij,ij", X, X)
np.einsum("ij->j", X)
np.einsum("ij->", X)
np.einsum("ii", K)
np.einsum("ii->i", K)
np.einsum("ij,jk,kl->il", K, K, K, optimize="greedy")
np.tensordot(X, X, axes=([0, 1], [0, 1]))
np.tensordot(X, X)
np.vdot(X, X)
np.kron(X, K)
np.convolve(X[0], K[0], "same")
np.convolve(X[0], [1, 0.5])
np.apply_over_axes(np.sum, X, [0, 1])
np.roll(np.flip(X, 1), (1, 2), axis=(0, 1))
np.rot90(X, k=-1)
np.broadcast_arrays(X, K[0, 0])[1]
np.stack((X, X), axis=-1).sum(-1)
np.stack([[1, 2], X[0, :2]])
np.concatenate((X, np.zeros((3, 1))), axis=1)
np.concatenate([[0.5], X[0], [1]])
np.hstack((X, np.ones((3, 1)) / 3))
np.insert(X, 1, 0, axis=1)
np.nan_to_num(X / X)
np.interp(0.5, [0, 1], [1, 2]) * X
X - X.mean(axis=0) / 2
(X - X.mean()) / (X.var() + 1e-5)
X / (1 + np.abs(X))
X / np.sum(np.abs(X), axis=1, keepdims=True)
X.__len__() * X
np.size(X) * X + X.size + np.ndim(X) + np.shape(X)[0] + X.itemsize * 0
int(np.ceil(X.shape[0] / 2)) * X + int(np.floor(5 / 2)) + int(5 / 2) + math.floor(2.5) + math.ceil(5 / 2) + round(2.6)
np.ceil(5 / 2).astype(int) * X
int(np.sqrt(9)) * X + int(math.sqrt(16)) + math.log2(8) + int(np.log2(8))
X[int(np.ceil(1 / 2))]
X[:, np.arange(0, 4, 2)]
X[[0, 2], [1, 3]]
X[..., 0]
X[X > 0]
X[(X > 0) & (X < 1)] * 2
X[np.argsort(X[:, 0])]
math.hypot(3 * X[0, 0], 4 * X[0, 0])
math.pow(X[0, 0], 2)
math.fsum(X[0]) + math.prod(X[0]) + math.dist([0], [3]) + math.comb(4, 2)
math.isclose(X[0, 0], X[0, 0]) * X
math.isnan(X[0, 0]) + X
math.inf > X[0, 0] and X
min(math.inf, X[0, 0])
abs(-X[0, 0]) + (+X[0, 0]) + -X[0, 0] ** 2
X[0, 0] if X[0, 0] else X
X[0, 0] // 1 + X[0, 0] % 1 + 3 % X[1, 0] + divmod(X[1, 0], 1)[1]
bool(X[0, 0]) * X
str(X[0, 0]) and repr(X) and f"{X[0, 0]:.3f} {X[0, 0]} {X}" and X
np.array2string(X) and np.array_str(X) and X
hash(X[0, 0]) and X
{x: 1 for x in X.flat} and X
sorted(X.ravel(), reverse=True)
sorted(X.ravel(), key=abs)
np.float64(0.5) * X[0, 0] + np.int64(3) * X[0, 0] + np.bool_(True) * X[0, 0]
np.float64(3) / 7 * X
np.int64(3) / 7 * X
np.int64(3) / np.int64(7) * X
X[0, 0] * np.array([1, 2]) / 3
np.array([1, 2]) * X[0, 0] / 3
X[0, 0] - np.array([0.1, 0.2])
X[0, 0].ndim + X[0, 0].size + X
X.T.T.flatten("F")
X.ravel(order="C")
X.reshape(-1, 2) @ K
X.reshape((2, 6))
X.view().copy(order="F")
np.asfortranarray(X) + np.ascontiguousarray(X)
np.lib.stride_tricks.sliding_window_view(X[0], 2) @ K[0]
np.lib.stride_tricks.sliding_window_view(X, K.shape).reshape(-1, 4) @ K.ravel()
np.vectorize(lambda a: a * 2.0)(X)
np.vectorize(lambda a, b: (a + b, a - b))(X, X[0])[1]
np.frompyfunc(lambda a: a * a, 1, 1)(X)
list(map(lambda r: r.sum() / 3, X))
[x for row in X for x in row if x > 0]
np.array([x for row in X for x in row if x > 0]).sum()
np.triu(X, 1) / 3 + np.tril(np.ones((3, 4))) * X
np.searchsorted([0, 1, 2], 1) * X
np.isin([1, 2], [2]) [1] * X
np.floor_divide(X, 1) * X
np.mod(X, 1) + np.remainder(X, 1) + np.fmod(X, 1)
np.modf(X)[0]
np.divmod(X, 1)[1]
np.array([np.vectorize(lambda x: 2 * x)(x) for x in X[1]])
(type(X[0, 0]) == np.float64) * X
np.array(X, "float64") + np.full(4, 1, "f8")
np.testing.assert_allclose(X, X) or X
np.concatenate([np.array([]), X[0]])
np.linalg.norm(X[0], 1) + np.linalg.norm(X[0], np.inf)
X.sum().reshape(1, 1) * K
np.asarray(X.sum()).reshape(1) + X[0]
X[0:1, 0:1].item() * X + float(X[0:1, 0:1].sum())
sum([X[0], X[1]], np.zeros(4)) + sum(X[2], 0.0)
np.nanvar(X)
np.nextafter(1, 2) * X + np.spacing(1) + np.ldexp(1, 2)
np.trunc(X) * X + np.rint(X) * X
np.float_power(X, 2)
np.true_divide(X, 3) + np.divide(X, 3) + np.divide(1, 3)
np.divide(X, X, out=np.zeros_like(X), where=X > 0)
np.add(X, 1, out=np.empty_like(X))
np.negative(X) + np.positive(X) + np.conjugate(X)
np.array_equal(X, X) * X
np.hypot(3 * X, 4 * X)
np.clip(X[0, 0], 0, 1) + np.clip(5, 0, 1)
np.array(X[0, 0]) + np.asarray(X[0, 0]) * 2
np.array([X[0, 0]]).item()
np.prod(X.shape) / 7 * X
np.prod([X[0, 0], 2]) / 7
np.sum(X[0, 0]) + np.sum(3) / 7
np.linspace(0, 1, 4) * X
np.linspace(X[0, 0], X[0, 1], 3)
np.logspace(0, 2, 3) * X[:, :3]
np.tile([1, 2], 2) / 3 * X
np.bincount([0, 1, 1]) / 3 * X[0, :2]
np.arange(1, stop=3, step=0.5) * X
np.arange(np.floor(9 / 2)) / 3 * X
np.histogram([1, 2, 3], bins=2)[0] / 3 * K
np.cumsum([1, 2, 3, 4]) / 3 * X
np.choose([0, 1, 0, 1], [X[0], X[1]])
np.place(Z := X.copy(), X > 1, [0.5]) or Z / 3
np.put_along_axis(Z := X.copy(), np.array([[0], [1], [2]]), 1, axis=1) or Z / 3
(Z := X.copy()).fill(1) or Z / 3 * X
(Z := X.copy()).put([0], 1) or Z / 3
(Z := X.copy()).sort(axis=0) or Z
(Z := X.copy()).flat.__setitem__(0, 1) or Z / 3
np.zeros(3).tolist()[0] + X
np.nditer(X).__next__() * 2
np.array([x * 2 for x in np.nditer(X)])
np.sum((X, X), axis=0)
np.array((X, X)).mean(axis=0)
np.unravel_index(np.argmax(X), X.shape)[0] * X
np.ravel_multi_index((1, 2), X.shape) * X
np.ones(X.shape[1:]) * X
np.einsum("ij,kl->ijkl", X, K)
np.zeros((0, 3)).sum() + X
np.dot(X[0], 2) + np.dot(3, 4)
np.inner(K, K) + np.inner(2, 3)
(K @ K)[0] @ K[0]
K[0] @ K[1]
np.correlate(X[0], K[0])
np.array([1, 2, 3]).mean() * X
np.array([1, 2, 3]).std(ddof=1) * X
np.array([1, 2, 4]).var() * X
np.arange(3).sum() / 7 * X
np.array([True, False]).mean() * X
np.array([0.1, 0.2]).sum() * X
np.array([0.1, 0.2, 0.3]).mean() * X
(0.1 + 0.2) * X
1 / 3 * X + 1 / 7
(1 / 3) ** 2 * X
2 / 3 / 5 * X
""".strip().splitlines()

# Only in float64: in fractions each raises NotExact (test_refusals.py).
IRRATIONAL = """
np.exp(X)
np.exp(X) / np.sum(np.exp(X), axis=1, keepdims=True)
np.log(np.abs(X))
-np.log(np.exp(X[:, 0]) / np.exp(X).sum(1))
1 / (1 + np.exp(-X))
np.tanh(X) + np.sin(X) * np.cos(X) + np.arctan(X) + np.sinh(X) + np.cosh(X)
np.sqrt(X * X + 1) + np.std(X) + X.std(axis=0) + np.linalg.norm(X) + np.linalg.norm(X, axis=0)
(X * X) ** 0.5 + (X * X + 1) ** -0.5 + 2 ** X + np.power(2.0, X) + (X * X) ** X
math.exp(X[0, 0]) + math.tanh(X[0, 0]) + math.sqrt(X[1, 0]) + math.log(X[1, 0]) + math.log(X[1, 0], 2)
math.exp(1) + math.sin(2) * X + math.sqrt(2) * K[0, 0] + math.atan2(X[0, 0], 2) + math.pow(X[1, 0], 0.3)
np.log1p(np.exp(X)) + np.expm1(X) + np.log2(X * X) + np.log10(X * X) + np.exp2(X)
np.logaddexp(X, 0) + np.hypot(X, 1) + np.arctan2(X, 2) + np.cbrt(X * X + 1)
X / math.sqrt(2) + X * np.sqrt(3) + np.exp(1) * X + np.pi * X + np.e
(X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + 1e-5)
0.5 * X * (1 + np.tanh(math.sqrt(2 / math.pi) * (X + 0.044715 * X**3)))
np.maximum(X, 0.1 * X) + np.where(X > 0, X, np.exp(np.minimum(X, 0)) - 1)
np.exp(X - X.max()) / np.exp(X - X.max()).sum()
np.sqrt(np.arange(1, 5)) * X + np.exp(np.zeros(4)) * X + np.cos(0.3) * X
""".strip().splitlines()


def written(expression):
    names = {"np": np, "math": math}
    exec(compile(f"def function(X, K):\n    return {expression}\n", "<homework>", "exec"), names)
    return names["function"]


@pytest.mark.parametrize("expression", RATIONAL)
def test_is_exact(expression):
    agrees(written(expression))


@pytest.mark.parametrize("expression", IRRATIONAL)
def test_agrees_in_float64(expression):
    agrees(written(expression), exact=False)

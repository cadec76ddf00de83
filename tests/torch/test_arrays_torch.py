"""Reductions, products, einsum, rearrangements and picking against PyTorch in float64, to the second order."""

import math

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

import tinygrad_cnn as tg
from tests.operands import normals
from tests.torch.comparison import compare

pytestmark = pytest.mark.torch

X = normals((3, 4, 2), 1)
ZEROS = X * (np.random.default_rng(0).integers(0, 3, X.shape) > 0)
AXES = [0, -1, (0, 2), (2, 1), (0, 1, 2)]


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions(axes, keepdims):
    options, torch_options = {"axis": axes, "keepdims": keepdims}, {"dim": axes, "keepdim": keepdims}
    for name in ("sum", "mean"):
        compare(
            lambda x, n=name: getattr(tg, n)(x, **options) ** 2,
            lambda x, n=name: getattr(torch, n)(x, **torch_options) ** 2,
            X,
        )
    for name in ("var", "std"):
        for ddof in (0, 1):
            compare(
                lambda x, n=name, d=ddof: getattr(tg, n)(x, ddof=d, **options),
                lambda x, n=name, d=ddof: getattr(torch, n)(x, correction=d, **torch_options),
                X,
                tolerance=1e-12,
            )
    for name, torch_name in [("max", "amax"), ("min", "amin")]:  # PyTorch's split the gradient among ties
        compare(
            lambda x, n=name: getattr(tg, n)(x, ties="split", **options) ** 2,
            lambda x, n=torch_name: getattr(torch, n)(x, **torch_options) ** 2,
            ZEROS.round(),
            order=1,
        )
    for p in (1, 1.5, 2, 3, math.inf):
        compare(
            lambda x, p=p: tg.norm(x, p, **options),
            lambda x, p=p: torch.linalg.vector_norm(x, p, **torch_options),
            X,
            tolerance=1e-12,
        )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_products_with_zeros_and_running_sums(axis):
    for x in (X, ZEROS, np.zeros_like(X)):
        compare(lambda x: tg.prod(x, axis), lambda x: torch.prod(x, axis), x)
        compare(lambda x: tg.cumprod(x, axis), lambda x: torch.cumprod(x, axis), x)
        compare(lambda x: tg.cumsum(x, axis) ** 2, lambda x: torch.cumsum(x, axis) ** 2, x)
    compare(tg.prod, torch.prod, ZEROS)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, math.inf])
def test_zeros_at_the_tip_of_a_norm_and_equal_elements_at_that_of_std(p):
    x = X.copy()
    x[0] = 0
    compare(lambda x: tg.norm(x, p, (1, 2)), lambda x: torch.linalg.vector_norm(x, p, (1, 2)), x, order=1)
    x[1, :, 0] = 0.5
    compare(lambda x: tg.std(x, 1), lambda x: torch.std(x, 1, correction=0), x, order=1)


EQUATIONS = [
    ("ii->i", [(3, 3)]),
    ("ii", [(3, 3)]),
    ("ij->ji", [(2, 3)]),
    ("...ij->...i", [(2, 2, 3)]),
    ("ij,jk", [(2, 3), (3, 4)]),
    ("bij,bjk->bik", [(2, 2, 3), (2, 3, 2)]),
    ("bij,bij->b", [(2, 2, 3), (2, 2, 3)]),
    ("i,j->ij", [(2,), (3,)]),
    ("...i,...i", [(2, 1, 3), (1, 2, 3)]),
    ("ij,ij->i", [(2, 1), (2, 3)]),
    ("i,ij,j", [(2,), (2, 3), (3,)]),
    ("nhwc,hwcf->nf", [(2, 2, 1, 3), (2, 1, 3, 2)]),
    ("ab,bc,cd,de->ea", [(2, 2), (2, 3), (3, 2), (2, 2)]),
]


@pytest.mark.parametrize(("equation", "shapes"), EQUATIONS)
def test_einsum(equation, shapes):
    arrays = [normals(shape, i) for i, shape in enumerate(shapes)]
    compare(lambda *xs: tg.einsum(equation, *xs), lambda *xs: torch.einsum(equation, *xs), *arrays)


def test_products():
    x, y = normals((3, 4), 1), normals((4, 3), 2)
    compare(
        lambda x, y: tg.tensordot(x, y, ([0, 1], [1, 0])), lambda x, y: torch.tensordot(x, y, ([0, 1], [1, 0])), x, y
    )
    compare(lambda x, y: tg.tensordot(x, y, 1), lambda x, y: torch.tensordot(x, y, 1), x, y)
    compare(lambda x, y: tg.outer(x[0], y[:, 0]), lambda x, y: torch.outer(x[0], y[:, 0]), x, y)
    compare(lambda x, y: tg.inner(x, y.T), lambda x, y: torch.inner(x, y.T), x, y)
    compare(lambda x, y: tg.vdot(x[0], y[:, 1]), lambda x, y: torch.vdot(x[0], y[:, 1]), x, y)
    compare(lambda x: tg.trace(x) ** 2, lambda x: torch.trace(x) ** 2, x)


INDEX = np.array([[[0, 1], [1, 1]], [[1, 0], [0, 0]]])

REARRANGEMENTS = {
    "permute": (lambda x: tg.permute(x, (2, 0, 1)), lambda x: x.permute(2, 0, 1)),
    "swapaxes": (lambda x: tg.swapaxes(x, 0, -1), lambda x: torch.swapaxes(x, 0, -1)),
    "moveaxis": (lambda x: tg.moveaxis(x, (0, 1), (-1, 0)), lambda x: torch.movedim(x, (0, 1), (-1, 0))),
    "flatten": (lambda x: tg.flatten(x, 1), lambda x: torch.flatten(x, 1)),
    "squeeze": (lambda x: tg.squeeze(x[:, :1], 1), lambda x: torch.squeeze(x[:, :1], 1)),
    "expand_dims": (lambda x: tg.expand_dims(x, -2), lambda x: torch.unsqueeze(x, -2)),
    "split": (lambda x: tg.split(x, [1, 3], 1)[1], lambda x: torch.split(x, [1, 2, 1], 1)[1]),
    "array_split": (lambda x: tg.array_split(x, 3, 1)[0], lambda x: torch.tensor_split(x, 3, 1)[0]),
    "chunk": (lambda x: tg.chunk(x, 3, 1)[1], lambda x: torch.chunk(x, 3, 1)[1]),
    "hstack": (lambda x: tg.hstack([x, x]), lambda x: torch.hstack([x, x])),
    "vstack": (lambda x: tg.vstack([x, x]), lambda x: torch.vstack([x, x])),
    "roll": (lambda x: tg.roll(x, (1, -2), (0, 1)), lambda x: torch.roll(x, (1, -2), (0, 1))),
    "roll, flattened": (lambda x: tg.roll(x, 5), lambda x: torch.roll(x, 5)),
    "repeat": (lambda x: tg.repeat(x, 3, 1), lambda x: torch.repeat_interleave(x, 3, 1)),
    "repeat, counts": (
        lambda x: tg.repeat(x, [2, 0, 1], 0),
        lambda x: torch.repeat_interleave(x, torch.tensor([2, 0, 1]), 0),
    ),
    "tile": (lambda x: tg.tile(x, (2, 3)), lambda x: torch.tile(x, (2, 3))),
    "take": (lambda x: tg.take(x, [3, 0, 3], 1), lambda x: torch.index_select(x, 1, torch.tensor([3, 0, 3]))),
    "take, flattened": (
        lambda x: tg.take(x, [[5, 5], [0, 2]]),
        lambda x: torch.take(x, torch.tensor([[5, 5], [0, 2]])),
    ),
    "take_along_axis": (
        lambda x: tg.take_along_axis(x, INDEX[:1, :1], 1),
        lambda x: torch.take_along_dim(x, torch.tensor(INDEX[:1, :1]), 1),
    ),
    "gather": (lambda x: tg.gather(x, 1, INDEX), lambda x: torch.gather(x, 1, torch.tensor(INDEX))),
    "scatter_add": (
        lambda x: tg.scatter_add(x, 2, INDEX, x[:2, :2] ** 2),
        lambda x: torch.scatter_add(x, 2, torch.tensor(INDEX), x[:2, :2] ** 2),
    ),
    "diagonal": (lambda x: tg.diagonal(x, 1, 1, 0), lambda x: torch.diagonal(x, 1, 1, 0)),
    "tril": (lambda x: tg.tril(x, -1), lambda x: torch.tril(x, -1)),
    "triu": (lambda x: tg.triu(x, 1), lambda x: torch.triu(x, 1)),
    "flip": (lambda x: tg.flip(x, (0, 2)), lambda x: torch.flip(x, (0, 2))),
}


@pytest.mark.parametrize("name", REARRANGEMENTS)
def test_rearrangements(name):
    ours, theirs = REARRANGEMENTS[name]
    compare(lambda x: ours(x) ** 3, lambda x: theirs(x) ** 3, X)


def test_searching():
    x, y = tg.tensor(ZEROS), torch.tensor(ZEROS)
    for axis in (0, 1, 2):
        assert tg.argmax(x, axis).tolist() == y.argmax(axis).tolist()
        assert tg.argmin(x, axis).tolist() == y.argmin(axis).tolist()
        assert tg.any(x, axis).tolist() == y.any(axis).tolist()
        assert tg.all(x, (axis, 0) if axis else axis).tolist() == y.all((axis, 0) if axis else axis).tolist()

"""Resampling, unfolding, adaptive, Lp and fractional pooling and unpooling against PyTorch in float64, both ways."""

import math

import numpy as np
import pytest

pytest.importorskip("torch")
import torch
from torch.nn import functional

import tinygrad_cnn as tg
from tests.operands import assert_close, assert_equal, distinct, integers, normals, tensors
from tests.primitives.test_adaptive_pool import CASES as ADAPTIVE
from tests.primitives.test_adaptive_pool import FRACTIONAL, samples
from tests.primitives.test_resampling import CASES as INTERPOLATIONS
from tests.primitives.test_unfold import CASES as UNFOLDINGS
from tests.window_cases import POOLINGS, by_name, each
from tinygrad_cnn import nn

pytestmark = pytest.mark.torch


def assert_same(ours, theirs, *arrays, tolerance=1e-13):
    """The same values, gradients, and gradients of the gradients' weighted sum."""
    mine, other = tensors(*arrays), [torch.tensor(array, requires_grad=True) for array in arrays]
    z, torch_z = ours(*mine), theirs(*other)
    assert_close(z.numpy(), torch_z.detach().numpy(), tolerance)
    dz = normals(z.shape, 5)
    first = tg.grad((z * z * dz).sum(), mine, create_graph=True)
    torch_first = torch.autograd.grad((torch_z * torch_z * torch.tensor(dz)).sum(), other, create_graph=True)
    u = [normals(array.shape, 6) for array in arrays]
    mine_sum, torch_sum = 0, 0
    for a, b, weights in zip(first, torch_first, u, strict=True):
        assert_close(a.numpy(), b.detach().numpy(), tolerance)
        mine_sum, torch_sum = mine_sum + (a * weights).sum(), torch_sum + (b * torch.tensor(weights)).sum()
    for a, b in zip(tg.grad(mine_sum, mine), torch.autograd.grad(torch_sum, other), strict=True):
        assert_close(a.numpy(), b.numpy(), 10 * tolerance)


# Interpolation


@by_name([case for case in INTERPOLATIONS if 0 not in case.x])
def test_interpolate(case):
    """The float factor 1/3 of PyTorch is our fraction 1/3, and each rounds 5/6 in its own way."""
    factor = tuple(map(float, case.scale_factor)) if isinstance(case.scale_factor, tuple) else case.scale_factor
    arguments = (case.size, factor, case.mode, case.align_corners, case.recompute, case.antialias)
    assert_same(case, lambda x: functional.interpolate(x, *arguments), normals(case.x, 1), tolerance=1e-12)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear"])
def test_many_sizes_and_factors(mode):
    """Every pair of sizes up to 24, and factors whose product with the size is no integer."""
    for n in range(1, 25):
        x = normals((1, 1, n), n)
        options = [{"size": m} for m in range(1, 25)]
        options += [{"scale_factor": factor} for factor in (0.3, 0.7, 1.2, 1.5, 2.2, 3.7) if math.floor(n * factor)]
        for option in options:
            theirs = functional.interpolate(torch.tensor(x), mode=mode, **option)
            assert_close(tg.interpolate(x, mode=mode, **option), theirs.numpy(), 1e-13)


def test_the_gradient_of_nearest_differs_from_pytorchs_where_that_is_none():
    """4 pixels times 1.2 are 4: the value takes pixels 0, 0, 1, 2, but PyTorch's backward gives to 0, 1, 2, 3."""
    x = torch.arange(4.0).reshape(1, 1, 4).requires_grad_()
    z = functional.interpolate(x, scale_factor=1.2)
    z.sum().backward()
    (X,) = tensors(np.arange(4.0).reshape(1, 1, 4))
    Z = tg.interpolate(X, scale_factor=1.2)
    Z.sum().backward()
    assert Z.tolist() == z.tolist() == [[[0, 0, 1, 2]]]
    assert x.grad.tolist() == [[[1, 1, 1, 1]]]
    assert X.grad.tolist() == [[[2, 1, 1, 0]]]


@pytest.mark.parametrize("r", [1, 2, 3])
def test_pixel_shuffle_and_unshuffle(r):
    x = normals((2, 2 * r * r, 3, 4), 1)
    assert_same(lambda x: tg.pixel_shuffle(x, r), lambda x: functional.pixel_shuffle(x, r), x)
    y = normals((2, 2, 3 * r, 4 * r), 1)
    assert_same(lambda x: tg.pixel_unshuffle(x, r), lambda x: functional.pixel_unshuffle(x, r), y)


# Unfold and fold


@by_name([case for case in UNFOLDINGS if 0 not in case.x])
def test_unfold_and_fold(case):
    pads = case.pads or (each(case.padding, 2) if not isinstance(case.padding, str) else case.padding)
    pairs = [pair if isinstance(pair, tuple) else (pair, pair) for pair in pads]
    arguments = (case.kernel, case.dilation, 0, case.stride)
    widths = (*pairs[1], *pairs[0])
    padded = tuple(m + a + b for m, (a, b) in zip(case.x[2:], pairs, strict=True))
    (top, _), (left, _) = pairs
    height, width = case.x[2:]
    assert_same(case.unfold, lambda x: functional.unfold(functional.pad(x, widths), *arguments), normals(case.x, 1))
    assert_same(
        case.fold,
        lambda columns: functional.fold(columns, padded, *arguments)[..., top : top + height, left : left + width],
        normals(case.naive.z_shape, 1),
    )


# Adaptive and fractional pooling


@by_name([case for case in ADAPTIVE if 0 not in case.x])
def test_adaptive_pools(case):
    n = len(case.out)
    average, maximum = getattr(functional, f"adaptive_avg_pool{n}d"), getattr(functional, f"adaptive_max_pool{n}d")
    assert_same(case.average, lambda x: average(x, case.out), normals(case.x, 1))
    for x in (normals(case.x, 1), integers(case.x, 1)):
        assert_same(case.max, lambda x: maximum(x, case.out), x)
        _, indices = case.max(x, return_indices=True)
        assert_equal(indices, maximum(torch.tensor(x), case.out, return_indices=True)[1].numpy())


@pytest.mark.parametrize(("shape", "kernel", "out"), [case for case in FRACTIONAL if 0 not in case[0]])
def test_fractional_max_pool(shape, kernel, out):
    u = samples(shape)
    for x in (normals(shape, 1), integers(shape, 1)):
        assert_same(
            lambda x: tg.fractional_max_pool2d(x, kernel, out, random_samples=u),
            lambda x: functional.fractional_max_pool2d(x, kernel, out, _random_samples=torch.tensor(u)),
            x,
        )
        _, indices = tg.fractional_max_pool2d(x, kernel, out, None, True, u)
        theirs = functional.fractional_max_pool2d(torch.tensor(x), kernel, out, None, True, torch.tensor(u))[1]
        assert_equal(indices, theirs.numpy())


# Lp pooling


@pytest.mark.parametrize("p", [1, 1.5, 2, 2.5, 3, 4])
@by_name(POOLINGS, "plain", "window pair", "a row and a column left", "overlapping windows, a row left", "1d", "3d")
def test_lp_pool(case, p):
    """On positive pixels; PyTorch takes no absolute values. On all for p = 2 and 4."""
    name = f"lp_pool{case.n}d"
    x = normals(case.x, 1)
    assert_same(
        lambda x: getattr(tg, name)(x, p, case.kernel, case.stride),
        lambda x: getattr(functional, name)(x, p, case.kernel, case.stride),
        x if p in (2, 4) else abs(x) + 0.1,
        tolerance=1e-11,
    )


# Max unpooling

# Shape, window, stride, padding, and whether no rest is left, so that the size need not be given
UNPOOLINGS = [
    ((2, 3, 6, 8), 2, None, 0, True),
    ((1, 2, 7, 9), 3, 2, 1, True),
    ((1, 2, 7, 5), (2, 3), (2, 1), 0, False),
    ((2, 2, 9), 3, 2, 1, True),
    ((1, 2, 4, 5, 6), 2, 2, 0, False),
]


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding", "is_whole"), UNPOOLINGS)
def test_max_pool_indices_and_max_unpool(shape, kernel, stride, padding, is_whole):
    n = len(shape) - 2
    pool, unpool = f"max_pool{n}d", f"max_unpool{n}d"
    for x in (distinct(shape, 1), integers(shape, 1)):
        z, indices = getattr(tg, pool)(x, kernel, stride, padding, return_indices=True)
        theirs = getattr(functional, pool)(torch.tensor(x), kernel, stride, padding, return_indices=True)
        assert_equal(indices, theirs[1].numpy())
        for size in (shape[2:], shape, *[None] * is_whole):
            image = getattr(functional, unpool)(*theirs, kernel, stride, padding, size)
            assert_equal(getattr(tg, unpool)(z, indices, kernel, stride, padding, size), image.numpy())


def test_the_gradient_of_max_unpool():
    shape = (2, 3, 6, 8)
    _, indices = tg.max_pool2d(distinct(shape, 1), 2, return_indices=True)
    assert_same(
        lambda x: tg.max_unpool2d(x, indices, 2),
        lambda x: functional.max_unpool2d(x, torch.tensor(indices), 2),
        normals(indices.shape, 2),
    )


# Layers


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("Upsample", (None, 2), (2, 3, 4)),
        ("Upsample", ((5, 7), None, "bilinear", True), (2, 3, 4, 3)),
        ("Upsample", (None, (1.5, 2.0, 0.6), "trilinear", False, True), (1, 2, 3, 2, 5)),
        ("UpsamplingNearest2d", (None, 2), (2, 3, 4, 3)),
        ("UpsamplingBilinear2d", (7,), (2, 3, 4, 3)),
        ("PixelShuffle", (2,), (2, 8, 3, 4)),
        ("PixelUnshuffle", (2,), (2, 3, 4, 6)),
        ("Unfold", ((3, 2), 2, 1, (1, 2)), (2, 3, 6, 5)),
        ("Fold", ((4, 5), 2, 1, 1, (2, 1)), (2, 8, 18)),
        ("AdaptiveAvgPool1d", (3,), (2, 3, 7)),
        ("AdaptiveAvgPool2d", ((None, 2),), (2, 3, 5, 3)),
        ("AdaptiveAvgPool3d", (2,), (1, 2, 3, 4, 3)),
        ("AdaptiveMaxPool1d", (3,), (2, 3, 7)),
        ("AdaptiveMaxPool2d", ((2, 3),), (2, 3, 5, 4)),
        ("AdaptiveMaxPool3d", (2,), (1, 2, 3, 4, 3)),
        ("LPPool1d", (2, 3, 2), (2, 3, 7)),
        ("LPPool2d", (2, (2, 3)), (2, 3, 5, 6)),
        ("LPPool3d", (4, 2, 1), (1, 2, 3, 4, 3)),
        ("FractionalMaxPool2d", (2, (3, 4), None, False, samples((2, 3))), (2, 3, 6, 7)),
        ("MaxPool2d", (3, 2, 1, 1, False, True), (2, 3, 6, 7)),
    ],
)
def test_layers_take_the_same_arguments_and_give_the_same(name, arguments, shape):
    torch_arguments = [torch.tensor(a) if isinstance(a, np.ndarray) else a for a in arguments]
    ours, theirs = getattr(nn, name)(*arguments), getattr(torch.nn, name)(*torch_arguments)
    assert_same(ours, theirs, normals(shape, 1), tolerance=1e-12)


def test_unpooling_layers_take_the_same_arguments_and_give_the_same():
    x = distinct((2, 3, 7, 9), 1)
    pool, unpool = nn.MaxPool2d(3, 2, 1, 1, True), nn.MaxUnpool2d(3, 2, 1)
    torch_pool, torch_unpool = torch.nn.MaxPool2d(3, 2, 1, 1, True), torch.nn.MaxUnpool2d(3, 2, 1)
    assert_equal(unpool(*pool(x)), torch_unpool(*torch_pool(torch.tensor(x))).numpy())
    assert_equal(unpool(*pool(x), (8, 9)), torch_unpool(*torch_pool(torch.tensor(x)), (8, 9)).numpy())

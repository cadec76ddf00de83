"""Tiny convolutions are the textbook's sums, in every size and layout; larger ones are another kernel's business."""

from math import prod

import numpy as np
import pytest

from tests import oracles
from tinygrad_cnn.kernels import dispatch
from tinygrad_cnn.kernels.numpy_fast import tiny


def random_case(rng, axes):
    """(x shape, weight shape, stride, padding, dilation) of a convolution that has a window."""
    while True:
        size, kernel, stride, dilation = (tuple(map(int, rng.integers(1, n, axes))) for n in (7, 4, 4, 3))
        padding = tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (axes, 2)))
        channels, filters = map(int, rng.integers(1, 4, 2))
        spans = zip(size, kernel, padding, dilation, strict=True)
        if all(m + sum(p) >= d * (k - 1) + 1 for m, k, p, d in spans):
            return (1, channels, *size), (filters, channels, *kernel), stride, padding, dilation


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_random_shapes(axes):
    rng = np.random.default_rng(axes)
    for _ in range(40):
        shape, kernel, stride, padding, dilation = random_case(rng, axes)
        expected = oracles.convolution(shape, kernel, stride, padding, dilation, 1)
        shapes = shape, kernel, kernel[:1], expected.z_shape
        x, weight, bias, dz = (rng.integers(-5, 6, s).astype(np.float32) for s in shapes)
        z = expected.value(x, weight).astype(float)
        dx, dk, _ = (array.astype(float) for array in expected.gradients(x, weight, dz))
        options = stride, padding, dilation, 1
        flipped = weight[(..., *(slice(None, None, -1),) * axes)]
        for given in (x, np.asfortranarray(x), np.repeat(x, 2, axis=-1)[..., ::2]):
            given.flags.writeable = False
            np.testing.assert_array_equal(tiny.correlate(given, weight, None, *options), z)
            np.testing.assert_array_equal(
                tiny.correlate(given, weight, bias, *options), z + bias.reshape(-1, *(1,) * axes)
            )
            np.testing.assert_array_equal(tiny.correlate_kernel(given, dz, kernel[2:], *options), dk)
        for upstream in (dz, np.asfortranarray(dz)):
            upstream.flags.writeable = False
            np.testing.assert_array_equal(tiny.full_correlate(upstream, flipped, shape[2:], *options), dx)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_stays(dtype):
    x, weight = np.ones((1, 2, 4, 4), dtype), np.ones((3, 2, 2, 2), dtype)
    options = (1, 1), ((1, 0), (0, 1)), (1, 1), 1
    z = tiny.correlate(x, weight, np.ones(3, dtype), *options)
    dk = tiny.correlate_kernel(x, z, (2, 2), *options)
    dx = tiny.full_correlate(z, weight, (4, 4), *options)
    assert {z.dtype, dk.dtype, dx.dtype} == {np.dtype(dtype)}


def test_nan_and_infinities_stay_in_their_windows():
    x, weight = np.zeros((1, 1, 4, 4), np.float32), np.ones((1, 1, 2, 2), np.float32)
    x[0, 0, 0, 0], x[0, 0, 3, 3] = np.nan, np.inf
    z = tiny.correlate(x, weight, None, (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    assert np.isnan(z).sum() == 1
    assert np.isinf(z).sum() == 1
    dx = tiny.full_correlate(z, weight, (4, 4), (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    assert np.isnan(dx[..., :2, :2]).all()
    assert np.isinf(dx[..., 2:, 2:]).all()
    assert np.isfinite(dx).sum() == 8


@pytest.mark.parametrize(
    ("shape", "kernel", "groups"),
    [
        ((2, 1, 4, 4), (1, 1, 2, 2), 1),
        ((1, 2, 4, 4), (2, 1, 2, 2), 2),
        ((1, 1, 80, 80), (1, 1, 3, 3), 1),
        ((1, 8, 8, 8), (128, 8, 3, 3), 1),
        ((1, 1, 4, 4), (0, 1, 2, 2), 1),
        ((1, 0, 4, 4), (2, 0, 2, 2), 1),
    ],
)
def test_what_is_declined(shape, kernel, groups):
    x, weight = np.ones(shape, np.float32), np.ones(kernel, np.float32)
    arguments = x, weight, None, (1, 1), ((0, 0), (0, 0)), (1, 1), groups
    assert tiny.correlate(*arguments) is NotImplemented
    z = dispatch.correlate(*arguments)
    assert z.shape[:2] == (shape[0], kernel[0])
    if prod(kernel):
        np.testing.assert_array_equal(z, prod(kernel[1:]))


@pytest.mark.parametrize(("choice", "asked"), [("reference", 0), ("numpy", 3)])
def test_it_is_asked_first_but_where_definitions_are_wanted(choice, asked, monkeypatch):
    seen = []
    for name in ("correlate", "correlate_kernel", "full_correlate"):
        monkeypatch.setattr(tiny, name, lambda *_, name=name: seen.append(name) or NotImplemented)
    x, weight = np.ones((1, 1, 4, 4), np.float32), np.ones((1, 1, 2, 2), np.float32)
    options = (1, 1), ((0, 0), (0, 0)), (1, 1), 1
    with dispatch.using(choice):
        z = dispatch.correlate(x, weight, None, *options)
        dispatch.correlate_kernel(x, z, (2, 2), *options)
        dispatch.full_correlate(z, weight, (4, 4), *options)
    assert len(set(seen)) == asked

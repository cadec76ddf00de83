"""Winograd's minimal filtering: its identities in exact arithmetic, and its blocks on borders and odd heights."""

from fractions import Fraction

import numpy as np
import pytest

from tests.operands import fractions
from tinygrad_cnn.kernels import winograd


def filtered(x, taps):
    """sum_k taps[k] x[i + k], one output after the other."""
    return [sum(t * x[i + k] for k, t in enumerate(taps)) for i in range(len(x) - len(taps) + 1)]


@pytest.mark.parametrize("seed", range(5))
def test_four_outputs_take_six_products(seed):
    x, taps = fractions((6,), seed), fractions((3,), seed + 100)
    products = (winograd.EXACT_FILTER @ taps) * (winograd.EXACT_DATA @ x)
    assert products.shape == (6,)
    assert list(winograd.EXACT_INVERSE @ products) == filtered(x, taps)


@pytest.mark.parametrize("seed", range(5))
def test_the_gradient_takes_the_same_six(seed):
    x, dz = fractions((6,), seed), fractions((4,), seed + 100)
    products = (winograd.EXACT_DATA @ x) * (winograd.EXACT_INVERSE.T @ dz)
    assert list(winograd.EXACT_FILTER.T @ products) == filtered(x, dz)


def test_points_and_their_powers():
    a, b = Fraction(3, 2), Fraction(2, 3)
    expected = [[1, 0, 0], [1, a, a**2], [1, -a, a**2], [1, b, b**2], [1, -b, b**2], [0, 0, 1]]
    assert winograd.EXACT_FILTER.tolist() == expected


@pytest.mark.parametrize("height", [1, 2, 3])
@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 7, 8, 9, 18])
def test_blocks_make_the_whole(rows, before, after, height):
    outputs = rows + before + after - 2
    if outputs < 1:
        return
    rng = np.random.default_rng(rows)
    x, taps = rng.standard_normal((rows, 5)), rng.standard_normal(3)
    padded = np.concatenate([np.zeros((before, 5)), x, np.zeros((after, 5))])
    expected = np.array([filtered(column, taps) for column in padded.T]).T
    z = np.full((outputs, 5), np.nan)
    seen = []
    for block in winograd.blocks(rows, outputs, before, height):
        data = (block.data @ x[block.inputs]).reshape(6, block.tiles, 5)
        products = data * (winograd.EXACT_FILTER.astype(float) @ taps)[:, None, None]
        z[block.outputs] = block.inverse @ products.reshape(-1, 5)
        seen += range(outputs)[block.outputs]
        assert block.data.flags.c_contiguous
        assert block.inverse.flags.c_contiguous
        assert block.data.dtype == block.inverse.dtype == np.float32
        assert block.tiles <= height
    assert seen == list(range(outputs))
    np.testing.assert_allclose(z, expected, rtol=0, atol=2e-6)


def test_rounding_is_about_that_of_a_plain_sum():
    """Root mean squares of the errors in float32, of 64 channels and three columns, relative to the results."""
    rng = np.random.default_rng(0)
    x, taps = (rng.standard_normal((500, 192, n)).astype(np.float32) for n in (6, 3))
    exact = np.stack([(x[..., i : i + 3].astype(float) * taps).sum(axis=(1, 2)) for i in range(4)], axis=-1)
    data = x @ winograd.EXACT_DATA.T.astype(np.float32)
    filters = taps @ winograd.FILTER.T
    products, plain = np.zeros((500, 6), np.float32), np.zeros((500, 4), np.float32)
    for channel in range(192):
        products += data[:, channel] * filters[:, channel]
        for k in range(3):
            plain += x[:, channel, k : k + 4] * taps[:, channel, k, None]
    errors = [
        np.sqrt(((z - exact) ** 2).mean() / (exact**2).mean())
        for z in (products @ winograd.EXACT_INVERSE.T.astype(np.float32), plain)
    ]
    assert errors[0] < 1.5 * errors[1] < 1e-6

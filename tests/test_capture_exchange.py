"""Max-pooling before ReLU in a captured step: the same bits."""

import re

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.capture_cases import replays
from tinygrad_cnn.capture import compile


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("windows", [(2,), (3, 2), (3, 1, 1), (2, 2, 0, 1, True)])
def test_relu_behind_a_max_pool_gives_the_same_bits(windows, recorded):
    rng = np.random.default_rng(0)
    w = tg.tensor(np.ones((1, 3, 1, 1), np.float32), requires_grad=recorded)

    def step(x):
        w.grad = None
        z = tg.max_pool2d(tg.relu(tg.max_pool2d(tg.relu(x * w), *windows) - 1), 2)
        if recorded:
            (z * z).sum().backward()
        return z, w.grad

    fast = compile(step)
    for size in (9, 64):
        for _ in range(4):
            x = rng.integers(-4, 3, (2, 3, size, size)).astype(np.float32)  # with ties, and windows below 0
            x[rng.random(x.shape) < 0.001] = np.nan
            x[rng.random(x.shape) < 0.001] = np.inf
            with np.errstate(invalid="ignore"):
                for found, wanted in zip(fast(tg.tensor(x)), step(tg.tensor(x)), strict=True):
                    if wanted is not None:
                        np.testing.assert_array_equal(found.numpy(), wanted.numpy(), strict=True)
    assert fast.why == []
    for recording in (r for entry in fast._entries.values() for r in entry.recordings):
        called = [recording.replay.__globals__[f].__name__ for f in re.findall(r" = (f\d+)[(]v", recording.source)]
        pools = [name for name in called if name in ("relu", "max_of_windows", "_maxima", "positive_maxima")]
        assert pools == (["max_of_windows", "relu"] if recorded else ["positive_maxima"]) * 2


def test_a_relu_that_more_than_a_pool_follows_stays():
    w = tg.tensor(np.linspace(-1, 1, 16, dtype=np.float32).reshape(1, 1, 4, 4), requires_grad=True)

    def step(x):
        w.grad = None
        z = tg.relu(x * w)
        (tg.max_pool2d(z, 2).sum() * z.mean()).backward()
        return w.grad

    fast = compile(step)
    for seed in range(4):
        x = tg.tensor(np.random.default_rng(seed).standard_normal((1, 1, 4, 4)).astype(np.float32))
        np.testing.assert_array_equal(fast(x).numpy(), step(x).numpy(), strict=True)
    assert replays(fast) == 2

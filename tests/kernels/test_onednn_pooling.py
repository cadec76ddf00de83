"""oneDNN's pooling against the definitions, on all cases and on random shapes, in both layouts."""

import numpy as np
import pytest

from tests.kernels.calls import pooling_calls
from tests.operands import assert_equal, integers, layouts, specials
from tests.window_cases import POOLINGS, Pooling, by_name
from tinygrad_cnn.kernels import memory, reference
from tinygrad_cnn.kernels.onednn import library, pooling


@pytest.fixture(autouse=True)
def _library():
    try:
        library.load()
    except library.UnusableError as why:
        pytest.skip(f"no oneDNN: {why}")


def channels_last(x):
    """A copy of x (N, C, *size) that lies in memory as (N, *size, C)."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def as_it_is(x):
    return x


def run(name, arguments, layout):
    """Whether the kernel takes it; then it gives what the definition does and writes to no argument."""
    arguments = tuple(layout(a) if isinstance(a, np.ndarray) else a for a in arguments)
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    actual = getattr(pooling, name)(*arguments)
    for a, copy in zip(arguments, copies, strict=True):
        if isinstance(a, np.ndarray):
            assert_equal(a, copy)
    if actual is NotImplemented:
        return False
    with np.errstate(invalid="ignore"):
        expected = getattr(reference, name)(*arguments)
    if name != "max_pool":
        actual, expected = (actual,), (expected,)
    for a, e in zip(actual, expected, strict=True):
        assert a.dtype == e.dtype
        if name in ("avg_pool", "scatter_shares"):
            np.testing.assert_allclose(a, e, rtol=1e-6, atol=1e-6)  # of small numbers, some of them infinite
        else:
            assert_equal(a, e)
        assert a.flags.c_contiguous or memory.is_channels_last(a)
        assert layout is as_it_is or a.flags.c_contiguous or memory.is_channels_last(a)
    return True


@pytest.mark.parametrize("layout", [as_it_is, channels_last])
@pytest.mark.parametrize("make", [integers, specials])
@by_name(POOLINGS)
def test_poolings(case, make, layout):
    for name, arguments in pooling_calls(case, make, np.float32):
        run(name, arguments, layout)


def test_random_shapes():
    """Most are taken, exact on small integers: values, winners (the first of equal ones) and gradients."""
    rng = np.random.default_rng(0)
    taken = tried = 0
    for _ in range(400):
        n = rng.integers(1, 4)
        kernel, stride = (tuple(map(int, rng.integers(1, 4, n))) for _ in range(2))
        size = tuple(map(int, rng.integers(1, 9, n) + kernel))
        pads = tuple((int(rng.integers(0, (k + 1) // 2)), int(rng.integers(0, (k + 1) // 2))) for k in kernel)
        shape = (int(rng.integers(1, 4)), int(rng.choice([1, 2, 3, 7, 8, 16, 17, 32, 33])), *size)
        layout = channels_last if rng.integers(2) else as_it_is
        for name, arguments in pooling_calls(Pooling("drawn", shape, kernel, stride, pads), integers, np.float32):
            taken += run(name, arguments, layout)
            tried += 1
    assert taken > 0.8 * tried


X = np.arange(2 * 16 * 4 * 4, dtype=np.float32).reshape(2, 16, 4, 4)
PLAIN = (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)


@pytest.mark.parametrize("large", [1, 1 << 20])
@pytest.mark.parametrize("layout", [as_it_is, channels_last])
@pytest.mark.parametrize(
    "place", [(0, 0, 0, 0), (1, 15, 3, 3), (0, 7, slice(None), slice(None)), (slice(None), slice(None), 1)]
)
def test_nan_and_minus_infinity_are_left_to_others(place, layout, large, monkeypatch):
    monkeypatch.setattr(pooling, "LARGE", large)
    for value in (np.nan, -np.nan, -np.inf):
        x = layout(X).copy(order="K")
        x[place] = value
        assert not run("max_pool", (x, *PLAIN), as_it_is) or np.isinf(value)
    x[place] = np.inf
    assert run("max_pool", (x, *PLAIN), as_it_is)


@pytest.mark.parametrize("layout", [as_it_is, channels_last])
def test_first_of_equal_ones_wins(layout):
    z, winners = pooling.max_pool(layout(np.zeros_like(X)), *PLAIN)
    assert not z.any()
    assert not winners.any()
    assert winners.dtype == np.uint8
    x = np.zeros_like(X)
    x[:, :, 1::2, ::2] = 1  # the third and ...
    x[:, :, 1::2, 1::2] = 1  # ... the fourth of each window
    assert (pooling.max_pool(layout(x), *PLAIN)[1] == 2).all()


@by_name(POOLINGS, "plain", "overlapping windows", "window of one", "1d", "3d")
def test_memory_layout_makes_no_difference(case):
    for name, arguments in pooling_calls(case, integers, np.float32):
        for layout in layouts(np.zeros((1, 1))):
            run(name, arguments, lambda a, layout=layout: layouts(a)[layout])


def test_gradients_in_another_layout_than_the_winners():
    z, winners = pooling.max_pool(channels_last(X), *PLAIN)
    dz = integers(z.shape, 2, np.float32)
    dx = pooling.scatter_winners(dz, winners, PLAIN[0], (4, 4), *PLAIN[1:])
    assert memory.is_channels_last(dx)
    assert_equal(dx, reference.scatter_winners(dz, winners, PLAIN[0], (4, 4), *PLAIN[1:]))
    spread = np.broadcast_to(np.float32(3), z.shape)  # as the gradient of a sum
    dx = pooling.scatter_winners(spread, winners, PLAIN[0], (4, 4), *PLAIN[1:])
    assert_equal(dx, reference.scatter_winners(spread, winners, PLAIN[0], (4, 4), *PLAIN[1:]))


def test_a_single_pixel_left_keeps_the_layout():
    """Then both layouts are one, but the gradient of the image has to have the image's."""
    x = channels_last(X)
    whole = (4, 4), (4, 4), *PLAIN[2:]
    _, winners = pooling.max_pool(x, *whole)
    dx = pooling.scatter_winners(np.ones((2, 16, 1, 1), np.float32), winners, (4, 4), (4, 4), *whole[1:])
    assert memory.is_channels_last(dx)

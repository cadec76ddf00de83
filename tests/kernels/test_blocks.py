"""Large arrays in blocks on several threads: every number once, whatever the sizes, and nothing else changes."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.kernels.calls import assert_fast_is_reference, pooling_calls
from tests.operands import integers, layouts, specials
from tests.window_cases import POOLINGS, by_name
from tinygrad_cnn.kernels import blocks


@pytest.fixture(params=[1, 2, 3])
def small_blocks(request, monkeypatch):
    """Blocks of single entries, on so many threads."""
    before = tg.get_num_threads()
    tg.set_num_threads(request.param)
    monkeypatch.setattr(blocks, "BLOCK", 1)
    monkeypatch.setattr(blocks, "SHARED", 0)
    yield request.param
    tg.set_num_threads(before)


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
@pytest.mark.parametrize("shared", [0, 50, 1 << 30])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 101])
def test_the_blocks_are_the_whole_once(count, block, shared, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", block)
    monkeypatch.setattr(blocks, "SHARED", shared)
    seen = np.zeros(count, int)

    def visit(entries):
        seen[entries] += 1

    blocks.run(visit, count, each=5)
    assert (seen == 1).all()


def test_a_block_has_no_more_numbers_than_fit(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 20)
    sizes = []
    blocks.run(lambda entries: sizes.append(entries.stop - entries.start), 100, each=5)
    assert max(sizes) <= 4
    assert sum(sizes) == 100


def test_flat_follows_the_memory():
    x = np.arange(24).reshape(2, 3, 4)
    y = np.arange(24.0).reshape(2, 3, 4)
    for axes in ((0, 1, 2), (0, 2, 1), (2, 1, 0)):
        a, b = blocks.flat(x.transpose(axes), y.transpose(axes))
        assert np.shares_memory(a, x)
        assert a.tolist() == b.tolist() == list(range(24))


def test_flat_refuses_gaps_and_other_orders():
    x = np.zeros((2, 3, 4))
    assert blocks.flat(x[..., ::2]) is None
    assert blocks.flat(x, np.zeros((4, 3, 2)).T) is None
    assert blocks.flat(x, np.broadcast_to(0.0, x.shape)) is None
    assert blocks.flat(np.broadcast_to(0.0, x.shape)) is None


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("make", [integers, specials])
@by_name(POOLINGS)
def test_poolings(case, make):
    for name, arguments in pooling_calls(case, make, np.float32):
        assert_fast_is_reference(name, arguments)


@pytest.mark.parametrize("layout", layouts(np.zeros((1, 1))))
@by_name(POOLINGS, "plain", "padding", "overlapping windows", "dilation, stride, padding", "3d, overlapping windows")
def test_poolings_of_any_layout(case, layout):
    for name, arguments in pooling_calls(case, integers, np.float32):
        views = (layouts(a)[layout] if isinstance(a, np.ndarray) else a for a in arguments)
        assert_fast_is_reference(name, tuple(views))


def test_a_gradient_that_is_infinite_or_nan_reaches_its_winner_alone():
    x = tg.tensor([[[[1.0, 3.0, 2.0, 1.0], [2.0, 9.0, 1.0, 1.0]]]], requires_grad=True)
    tg.max_pool2d(x, 2).backward(tg.tensor([[[[np.inf, np.nan]]]]))
    assert str(x.grad.tolist()) == "[[[[0.0, 0.0, nan, 0.0], [0.0, inf, 0.0, 0.0]]]]"

"""Memory that is given out again once nobody holds it, and never before."""

import gc
import multiprocessing
import sys
import threading

import numpy as np
import pytest

from tinygrad_cnn.kernels import memory

SHAPE = (4, 8, 33, 31)


@pytest.fixture(autouse=True)
def nothing_free():
    memory.release()
    yield
    memory.release()


def address(x):
    return x.__array_interface__["data"][0]


def test_freed_memory_is_given_out_again():
    x = memory.empty(SHAPE, np.float32)
    first = address(x)
    del x
    assert address(memory.empty(SHAPE, np.float32)) == first
    assert address(memory.empty(SHAPE[::-1], np.int32)) == first


@pytest.mark.parametrize(
    "hold",
    [
        lambda x: x,
        lambda x: x[1:, ::-2],
        lambda x: x.reshape(-1)[5:6],
        lambda x: x.view(np.uint8),
        lambda x: x.T,
        lambda x: np.broadcast_to(x[0], SHAPE),
        memoryview,
        lambda x: np.asarray(memoryview(x)),
        lambda x: np.lib.stride_tricks.as_strided(x, (2,), (4,)),
        lambda x: x.view(np.matrix) if x.ndim == 2 else x.view(type("Sub", (np.ndarray,), {}))[1:],
        lambda x: x.flat,
        iter,
        np.from_dlpack,
        lambda x: x.__array_interface__ | {"x": x},
        lambda x: [{"held": (x,)}],
    ],
)
def test_memory_that_anything_refers_to_is_not(hold):
    x = memory.empty(SHAPE, np.float32)
    first = address(x)
    held = hold(x)
    del x
    gc.collect()
    others = [memory.empty(SHAPE, np.float32) for _ in range(3)]
    assert first not in map(address, others)
    assert len(set(map(address, others))) == 3
    del held


@pytest.mark.parametrize("shape", [(), (0,), (3,), (0, 5, 1000, 1000), SHAPE, (1, 1, 300, 300), (70001,)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, np.uint8])
def test_what_comes_is_a_plain_writable_array(shape, dtype):
    x = memory.empty(shape, dtype)
    assert type(x) is np.ndarray
    assert x.shape == shape
    assert x.dtype == dtype
    assert x.flags.c_contiguous
    assert x.flags.writeable
    assert x.flags.aligned
    x[...] = 1
    if x.nbytes >= memory.SMALL_BYTES:
        assert address(x) % memory.ALIGNMENT == 0


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (8, 16, 40, 41), (1, 1, 2, 2), (2, 300, 200), (2, 0, 3, 4)])
def test_an_order_of_axes(shape):
    x = memory.empty(shape, np.float32, memory.channels_last(len(shape)))
    assert x.shape == shape
    assert np.moveaxis(x, 1, -1).flags.c_contiguous
    like = memory.empty_like(x, np.uint8)
    assert like.shape == shape
    assert like.dtype == np.uint8
    assert np.moveaxis(like, 1, -1).flags.c_contiguous
    assert memory.empty_like(np.zeros(shape)).flags.c_contiguous


def test_the_layout_is_told():
    x = np.zeros((2, 3, 4, 5))
    last = np.moveaxis(np.zeros((2, 4, 5, 3)), -1, 1)
    assert memory.is_channels_last(last)
    assert not memory.is_channels_last(x)
    assert not memory.is_channels_last(last[:, :, ::2])
    assert not memory.is_channels_last(np.zeros((2, 3)))
    assert not memory.is_channels_last(np.zeros((2, 1, 4, 5)))  # one channel lies both ways
    batch = np.moveaxis(np.zeros((3, 4, 5, 2)), -1, 0)
    assert memory.is_batch_last(batch)
    assert memory.is_batch_last(np.zeros((3, 2)).T[:, :, None, None])
    assert not memory.is_batch_last(batch[:, ::2])
    assert not any(map(memory.is_batch_last, (x, last, np.zeros((3, 2)).T, np.zeros((1, 3, 4, 5)))))


def test_what_was_long_not_asked_for_is_given_back(monkeypatch):
    monkeypatch.setattr(memory, "STALE_REQUESTS", 10)
    held = memory.held()
    memory.empty((1 << 20,), np.float32)
    kept = memory.empty((1 << 20,), np.float32)
    kept[...] = 7
    assert memory.held() > held
    for size in range(20):
        memory.empty((100_000 + 20_000 * size,), np.float32)
    assert not [b for b in memory._blocks.get(0, ()) if b.request < memory._requests - 11]
    assert (kept == 7).all()
    del kept
    assert memory.release() > 0
    assert memory.held() == held


def test_sizes_are_rounded_up_by_an_eighth_at_most():
    for size in [memory.SMALL_BYTES, 70_000, 100_001, 1_000_003, 2**20 + 1, 2**24 - 1]:
        memory.release()
        before = memory.held()
        x = memory.empty((size,), np.uint8)
        assert size <= memory.held() - before <= size * 9 / 8 + 1
        del x


def test_threads_never_share_a_block():
    errors = []

    def work(number):
        for _ in range(300):
            x = memory.empty(SHAPE, np.float32)
            x.fill(number)
            y = memory.empty_like(x)
            y.fill(-number)
            if (x != number).any() or (y != -number).any():
                errors.append(number)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(i,)) for i in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not errors


class TestIsUnshared:
    def test_of_recycled_memory_and_of_numpys(self):
        for x in (memory.empty(SHAPE, np.float32), np.ones(5), np.ones(100_000)):
            assert memory.is_unshared(x, 2)  # the loop's tuple holds it too
        x = np.ones(5)
        assert memory.is_unshared(x)

    @pytest.mark.parametrize("make", [lambda: memory.empty(SHAPE, np.float32), lambda: np.ones(SHAPE)])
    def test_another_name_or_view_shares_it(self, make):
        x = make()
        other = x
        assert not memory.is_unshared(x)
        assert memory.is_unshared(x, 2)
        del other
        view = x[1:]
        if x.base is not None:
            assert not memory.is_unshared(x)
        assert not memory.is_unshared(view)
        del view
        assert memory.is_unshared(x)

    def test_what_it_cannot_tell(self):
        text = np.frombuffer(b"12345678")
        assert not memory.is_unshared(text)
        frozen = np.ones(3)
        frozen.flags.writeable = False
        assert not memory.is_unshared(frozen)
        assert not memory.is_unshared(np.float32(1))
        assert not memory.is_unshared(None)
        owner = np.zeros(1000, np.uint8)
        assert not memory.is_unshared(owner[8:].view(np.float64))


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_process_goes_on():
    x = memory.empty(SHAPE, np.float32)
    x.fill(3)
    context = multiprocessing.get_context("fork")
    with memory._lock, context.Pool(1) as pool:
        assert pool.apply(_in_child) == 5.0
    assert (x == 3).all()


def _in_child():
    x = memory.empty(SHAPE, np.float32)
    x.fill(5)
    return float(x.mean())


def test_what_a_thread_works_in_is_given_back_too():
    gc.collect()
    memory.release()
    before, shape, double = memory.held(), (3, 50_000), np.dtype(np.float64)
    mine = memory.scratch("columns", shape, double)
    assert mine.shape == shape
    assert mine.dtype == double
    assert np.shares_memory(memory.scratch("columns", (2, 1000), np.dtype(np.float32)), mine)  # there is room enough
    assert not np.shares_memory(memory.scratch("rows", shape, double), mine)
    has_asked, may_end = threading.Event(), threading.Event()

    def work():
        memory.scratch("columns", shape, double)
        has_asked.set()
        may_end.wait(timeout=20)

    thread, held = threading.Thread(target=work), memory.held()
    thread.start()
    assert has_asked.wait(timeout=20)
    assert memory.held() > held  # another thread's is another
    memory.release()
    assert before < memory.held() < held  # `mine` is in use
    del mine
    memory.release()
    assert memory.held() == before
    may_end.set()
    thread.join()


def test_what_became_too_small_to_work_in_is_given_back():
    gc.collect()
    memory.release()
    before, byte = memory.held(), np.dtype(np.uint8)
    small = memory.scratch("columns", (memory.SMALL_BYTES // 2,), byte)  # is NumPy's
    first = memory.scratch("columns", (200_000,), byte)
    small[:], first[:] = 1, 2
    held = memory.held()
    assert held >= before + 200_000
    larger = memory.scratch("columns", (1_000_000,), byte)
    larger[:] = 3
    assert memory.held() < before + 1_000_000 + 200_000
    assert (small == 1).all()
    assert (first == 2).all()  # who still works in it, may
    memory.release()

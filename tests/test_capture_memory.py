"""What a captured step holds: no more than the step itself, and nothing that outlives it."""

import gc
import weakref

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.capture_cases import X, both, digits, lenet, normalized, replays, source_of, training_step
from tinygrad_cnn.capture import compile
from tinygrad_cnn.kernels import dispatch, memory


def test_a_compiled_step_takes_no_more_memory():
    def pool_after(step, batch):
        memory.release()
        before = memory.held()
        for _ in range(4):
            step(*batch)
        return memory.held() - before

    (_, step), (_, plain) = both(training_step, lenet)
    batch, threads = digits(256, size=32), tg.get_num_threads()
    tg.set_num_threads(1)  # how many of several make themselves room to work in is left to chance
    try:
        with dispatch.using("numpy"):
            assert pool_after(step, batch) <= 1.1 * pool_after(plain, batch)
    finally:
        tg.set_num_threads(threads)
    assert replays(step) == 2


def test_arrays_stay_what_they_are():
    (mine, step), _ = both(training_step, normalized)
    x, y = digits(6)
    for _ in range(3):
        step(x, y)
    before = {name: (p.data, p.data.copy()) for name, p in mine.state_dict().items()}
    images, labels = x.numpy().copy(), y.numpy().copy()
    losses = [step(x, y) for _ in range(3)]
    kept = [loss.item() for loss in losses]
    step(x, y)
    assert [loss.item() for loss in losses] == kept
    for array, copied in before.values():
        np.testing.assert_array_equal(array, copied)
    np.testing.assert_array_equal(x.numpy(), images)
    np.testing.assert_array_equal(y.numpy(), labels)
    with pytest.raises(ValueError, match="read-only"):
        next(iter(mine.parameters())).grad.data[...] = 0


def test_relu_writes_over_nothing_that_is_still_read():
    w = tg.tensor(np.random.default_rng(0).standard_normal((4, 8, 32, 32)).astype(np.float32), requires_grad=True)

    def step(x):
        w.grad = None
        y = w * x
        kept, seen = tg.relu(y - 1), tg.relu(x)
        z = tg.relu(tg.relu(y * 2) - kept)
        (z * z).sum().backward()
        return y, kept, seen, z

    fast = compile(step)
    for seed in range(5):
        array = np.random.default_rng(seed).standard_normal(w.shape).astype(np.float32)
        x = tg.tensor(array.copy())
        found, mine = fast(x), w.grad.numpy()
        np.testing.assert_array_equal(x.numpy(), array)
        for z, expected in zip((*found, mine), (*step(x), w.grad), strict=True):
            np.testing.assert_array_equal(z.numpy() if z is not mine else z, expected.numpy())
    assert replays(fast) == 3


def test_nothing_is_left_behind():
    gc.collect()
    gc.disable()
    try:
        (mine, step), (theirs, plain) = both(training_step, lenet)
        for seed in range(4):
            x, y = digits(3, seed)
            loss = step(x, y)
            inside = [weakref.ref(x), weakref.ref(loss)]
            del x, y, loss
            assert [r() for r in inside] == [None, None]
        parameter = weakref.ref(next(iter(mine.parameters())))
        del mine, step, theirs, plain
        assert parameter() is None
    finally:
        gc.enable()


def test_a_long_program_leaves_room_for_what_it_calls():
    def chain(count):
        def step(x):
            for _ in range(count):
                x = tg.relu(x) - 1
            return x

        return compile(step)

    for count, least, most in ((10, 20, 100), (300, 2048, 2100)):
        step = chain(count)
        for _ in range(3):
            step(X)
        (code,) = [r.replay.__code__ for entry in step._entries.values() for r in entry.recordings]
        assert least <= code.co_nlocals < most


def test_large_values_die_when_they_are_last_used():
    step = compile(lambda x: ((x * 2).exp() + 1).sum())
    x = tg.tensor(np.zeros(20_000))
    for _ in range(3):
        step(x)
    assert source_of(step).count("del ") >= 3

"""The thread pool that kernels share."""

import multiprocessing
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.kernels import blas, threads


@pytest.fixture(params=[1, 2, 3])
def count(request):
    before = tg.get_num_threads()
    tg.set_num_threads(request.param)
    yield request.param
    tg.set_num_threads(before)


@pytest.mark.parametrize("jobs", [0, 1, 2, 7, 100])
def test_every_job_is_done_once(count, jobs):
    done = []
    threads.run(done.append, range(jobs))
    assert sorted(done) == list(range(jobs))


def test_several_threads_take_part():
    tg.set_num_threads(2)
    meeting = threading.Barrier(2, timeout=10)
    threads.run(lambda _: meeting.wait(), [0, 1])  # one thread alone would wait for ever


def test_inside_a_job_nothing_is_run_side_by_side(count):
    names = []

    def inner(_):
        names.append((threading.current_thread().name, threading.get_ident()))

    def outer(_):
        here = threading.get_ident()
        before = len(names)
        threads.run(inner, range(5))
        assert len(names) >= before + 5
        assert [ident for _, ident in names].count(here) >= 5

    threads.run(outer, range(3))


def test_shortly_after_onednn_the_caller_does_all_and_so_does_its_blas(count, monkeypatch):
    monkeypatch.setattr(threads.openmp, "last_used", perf_counter() + 60)
    _, blas_threads = blas._counts() or (None, lambda: 1)
    seen = []
    threads.run(lambda job: seen.append((job, threading.get_ident(), blas_threads())), range(3))
    assert [job for job, _, _ in seen] == [0, 1, 2]
    assert {thread for _, thread, _ in seen} == {threading.get_ident()}
    assert count == 1 or {used for _, _, used in seen} == {1}


def test_an_error_is_raised_and_the_pool_goes_on(count):
    def fail(job):
        if job == 3:
            raise ZeroDivisionError(f"in job {job}")

    with pytest.raises(ZeroDivisionError, match="in job 3"):
        threads.run(fail, range(6))
    done = []
    threads.run(done.append, range(6))
    assert len(done) == 6


def test_user_threads_share_it(count):
    results = [[] for _ in range(4)]

    def work(i):
        for _ in range(50):
            threads.run(results[i].append, range(4))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert [sorted(r) for r in results] == [sorted([0, 1, 2, 3] * 50)] * 4


def test_nobody_waits_for_a_thread_that_is_busy():
    tg.set_num_threads(2)
    begun, end = threading.Barrier(3, timeout=10), threading.Event()

    def wait(_):
        begun.wait()
        end.wait(10)

    other = threading.Thread(target=threads.run, args=(wait, range(2)))  # on itself and on the only thread of the pool
    other.start()
    begun.wait()
    done = []
    threads.run(done.append, range(5))
    assert done == [0, 1, 2, 3, 4]
    assert other.is_alive()
    end.set()
    other.join()


@pytest.mark.parametrize("wrong", [0, -1])
def test_a_wrong_number_of_threads(wrong):
    with pytest.raises(ValueError, match=f"^set_num_threads: expected 1 or more but got {wrong}$"):
        tg.set_num_threads(wrong)


@pytest.mark.parametrize("wrong", [1.0, "2", None, True])
def test_no_number_of_threads(wrong):
    with pytest.raises(TypeError, match=r"^set_num_threads: expected an integer but got"):
        tg.set_num_threads(wrong)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_the_threads_keep_off_the_callers_core():
    cores = os.sched_getaffinity(0)
    tg.set_num_threads(2)
    try:
        for core in sorted(cores)[:2]:
            os.sched_setaffinity(0, {core})  # the caller alone: with nowhere else to go the others stay where they are
            threads.run(lambda _: None, range(4))
            os.sched_setaffinity(0, cores)
            meeting, allowed = threading.Barrier(2, timeout=10), {}

            def meet(_, meeting=meeting, allowed=allowed):
                allowed[threading.get_ident()] = os.sched_getaffinity(0)
                meeting.wait()

            threads.run(meet, [0, 1])
            (other,) = (those for thread, those in allowed.items() if thread != threading.get_ident())
            assert other < cores
    finally:
        os.sched_setaffinity(0, cores)
    assert os.sched_getaffinity(0) == cores


def test_threads_of_a_former_pool_are_forgotten():
    """Their numbers may be those of somebody else's threads by now."""
    tg.set_num_threads(2)
    threads.run(lambda _: time.sleep(0.001), range(8))
    assert len(threads._members) == 1
    tg.set_num_threads(3)
    assert threads._members == []
    threads.run(lambda _: time.sleep(0.001), range(8))
    assert len(threads._members) <= 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_process_has_threads_of_its_own():
    tg.set_num_threads(2)
    threads.run(lambda _: None, range(4))
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_in_child).get(timeout=20) == [0, 1, 2, 3]


def _in_child():
    done = []
    threads.run(done.append, range(4))
    a = np.ones((600, 600))
    assert (a @ a == 600).all()
    return sorted(done)

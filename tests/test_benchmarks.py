"""The benchmark's own arithmetic, on numbers that are made up, and one tiny real run."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.cpu import report, shares
from benchmarks.cpu.candidates import BASELINE
from benchmarks.cpu.groups import Group
from benchmarks.cpu.libraries import UnavailableError
from benchmarks.cpu.measure import Pool, agreeing, difference, measure
from benchmarks.cpu.networks import NETWORKS, data_of, forward, parameters_of
from benchmarks.cpu.operations import Case, convolutions, operations
from benchmarks.cpu.steps import chain
from benchmarks.cpu.targets import TARGETS, Target, geometric_mean, largest, quartiles, ratios_of, spread, verdict


def case(elements=1, **values):
    names = {"torch": BASELINE, "fast": "oneDNN", "plain": "NumPy"}
    return {"elements": elements, "candidates": {names[name]: {"values": v} for name, v in values.items()}}


def record(cases, absent=None):
    facts = {"date": "2020-01-01 00:00", "seconds": 1, "environment": "a machine", "versions": {"numpy": "2.0"}}
    return {**facts, "absent": absent or {}, "cases": cases}


def test_ratios_are_taken_within_rounds():
    # The machine is twice as slow in every other round: the ratio is not.
    assert quartiles([1.0, 2.0, 1.0, 2.0], [2.0, 4.0, 2.0, 4.0]) == (0.5, 0.5, 0.5)
    assert quartiles([1.0, 2.0, 3.0, 4.0, 5.0], [1.0] * 5) == (2.0, 3.0, 4.0)


def test_a_slow_candidate_may_have_fewer_rounds():
    assert quartiles([3.0], [1.0, 9.0]) == (3.0, 3.0, 3.0)


def test_figures():
    assert largest({"a": 0.5, "b": 0.7}) == 0.7
    assert geometric_mean({"a": 0.5, "b": 2.0}) == pytest.approx(1)
    assert spread({"1": 5.0, "10": 2.0, "100": 3.0}) == 1.5


def test_a_target_is_judged_by_its_own_cases():
    cases = {"ReLU, small": case(torch=[2.0] * 3, fast=[1.0] * 3), "SGD": case(torch=[1.0] * 3, fast=[9.0] * 3)}
    target = Target("ReLU", "operations", 0.8, 1.5, largest, "ReLU")
    found = verdict(target, {"operations": {"2": record(cases)}}, "oneDNN", fast=True)
    assert (found.figure, found.limit, found.worst, found.met) == (0.5, 0.8, "ReLU, small", True)


def test_a_target_is_open_where_a_case_is_missing():
    cases = {"ReLU, small": case(torch=[2.0] * 3, fast=[1.0] * 3), "ReLU, large": case(torch=[1.0] * 3)}
    target = Target("ReLU", "operations", 0.8, 1.5, largest, "ReLU")
    assert verdict(target, {"operations": {"2": record(cases)}}, "oneDNN", fast=True) is None
    assert verdict(target, {}, "oneDNN", fast=True) is None


def test_growth_is_the_candidates_own():
    cases = {"10": case(10, torch=[1.0] * 3, fast=[10.0] * 3), "100": case(100, torch=[1.0] * 3, fast=[130.0] * 3)}
    assert ratios_of(cases, "oneDNN", growth=True) == {"10": 1.0, "100": 1.3}
    target = Target("growth", "chains", 1.25, 1.25, spread, growth=True)
    assert not verdict(target, {"chains": {"2": record(cases)}}, "oneDNN", fast=True).met


def test_every_target_has_cases():
    names = [c.name for c in convolutions() + operations()]
    for target in TARGETS:
        if target.group in ("convolutions", "operations"):
            assert any(name.startswith(target.cases) for name in names), target.title
    assert len(convolutions()) == 27


def test_results_are_compared():
    expected = [np.arange(6.0).reshape(2, 3)]
    assert difference(expected, [expected[0] + 1e-7], 1e-4) is None
    assert "result 0 is" in difference(expected, [expected[0] + 1], 1e-4)
    assert "has shape (3, 2)" in difference(expected, [expected[0].T], 1e-4)
    assert "2 results instead of 1" in difference(expected, expected * 2, 1e-4)
    assert "away" in difference(expected, [expected[0] * np.nan], 1e-4)


def test_who_computes_something_else_takes_no_part():
    def results_of(name):
        if name == "lacks it":
            raise UnavailableError("it has no such thing")
        return [np.ones(3) * (2 if name == "wrong" else 1)]

    reasons = agreeing(["first", "same", "wrong", "lacks it"], results_of, 1e-4)
    assert reasons["first"] is None
    assert reasons["same"] is None
    assert reasons["wrong"].startswith("computes something else")
    assert reasons["lacks it"] == "it has no such thing"


def test_report_says_how_a_target_is_met():
    scalars = case(torch=[1e-3] * 3, fast=[2e-4] * 3, plain=[2e-4] * 3)
    scalars["candidates"]["oneDNN, compiled"] = {"values": [5e-5] * 3}
    text = report.text({"overhead": {"2": record({"scalar MLP": scalars})}})
    assert "| scalar MLP, 640 operations | 0.10 | 0.20 | met compiled |  | 0.05 |" in text
    assert "| scalar MLP, 640 operations | 0.10 | 0.20 | **missed** |  |  |" in text
    assert "With oneDNN: 0 of 1 met, 1 more compiled or channels-last." in text


def test_report_of_shares():
    shares = {"candidates": {"NumPy": {"values": [4e-3, 1e-3, 1e-3, 123.4]}}}
    text = report.text({"shares": {"2": record({"LeNet": shares})}})
    assert "| LeNet | NumPy | 4 ms | 1 ms, 25% | 123 | 1 ms, 25% | 2 ms, 50% |" in text


def test_shares_count_what_convolutions_compute():
    def correlate(x, weight):
        return np.zeros((2, 3, 4, 4))

    def max_pool(x):
        return NotImplemented

    module = SimpleNamespace(correlate=correlate, max_pool=max_pool)

    def step():
        module.correlate(np.zeros((2, 5, 6, 6)), np.zeros((3, 5, 3, 3)))
        module.max_pool(np.zeros(3))

    found = shares.measure(step, [module])
    assert found.rate * found.convolutions * 1e9 == pytest.approx(2 * (2 * 3 * 4 * 4) * (5 * 3 * 3))
    assert 0 < found.convolutions < found.step
    assert found.others == 0
    assert (module.correlate, module.max_pool) == (correlate, max_pool)


def test_report():
    relu = case(torch=[2e-3] * 3, fast=[1e-3] * 3, plain=[4e-3] * 3) | {"bytes": 4e6, "flops": 0}
    relu["candidates"]["autograd"] = {"reason": "it is elsewhere"}
    scalars = case(torch=[1e-3] * 3, fast=[1e-4] * 3, plain=[1e-4] * 3)
    text = report.text(
        {
            "operations": {"2": record({"ReLU, 1M": relu}, {"tinygrad": "not installed"})},
            "overhead": {"2": record({"scalar MLP": scalars})},
        }
    )
    assert "| ReLU, forward + backward | 0.80 | 0.50 | met |" in text
    assert "| ReLU, forward + backward | 1.50 | 2.00 | **missed** |" in text
    assert "With oneDNN: 2 of 2 met." in text
    assert "| ReLU, 1M | 2 ms | 0.50 (0.50 to 0.50) | 2.00 (2.00 to 2.00) |" in text
    assert "| ReLU, 1M | 2.0 | 4.0 | 1.0 |" in text
    assert "- tinygrad: not installed." in text
    assert "- autograd, ReLU, 1M: it is elsewhere." in text


def test_networks_run_as_modules_and_by_functions(monkeypatch):
    monkeypatch.setenv("TINYGRAD_CNN_KERNELS", "numpy")
    from benchmarks.cpu.libraries.tinygrad_cnn import TinygradCNN
    from tinygrad_cnn import get_num_threads

    library = TinygradCNN(get_num_threads())
    rng = np.random.default_rng(0)
    for network in NETWORKS.values():
        parameters = parameters_of(network.layers, rng)
        x, _ = data_of(network, 1, rng)
        by_modules = library.model(network.layers, parameters)(library.tensor(x))
        tensors = [library.tensor(p) for p in parameters]
        by_functions = forward(library, network.layers, iter(tensors), library.tensor(x))
        np.testing.assert_allclose(by_modules.numpy(), by_functions.numpy(), rtol=1e-3, atol=1e-3)


def test_a_worker_measures():
    cases = [Case("10 operations", partial(chain, length=10), elements=10)]
    pool = Pool(1)
    try:
        found = measure(Group("a chain", lambda: cases, ["NumPy"], 2, 1e-3), pool)
    finally:
        pool.stop()
    assert len(found["cases"]["10 operations"]["candidates"]["NumPy"]["values"]) == 2

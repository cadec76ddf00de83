"""Kinks by name: which recorded operation has it, and at which values."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import standin
from tests.operands import normals, tensors
from tinygrad_cnn import backend
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.verify.kinks import OWN_CONDITION, origins

EDGE = np.array([[[[1.0, -1.0]]]])


def of_check(function, array, order=1, **options):
    """The origins of each kink that gradcheck finds, by element."""
    report = tg.verify.gradcheck(function, tensors(np.array(array, dtype=np.float64)), order=order, **options)
    check = report["x" if order == 1 else f"x, order {order}"]
    return {kink.index: kink.origins for kink in check.kinks}


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (tg.relu, [-1.0, 0.0, 2.0], {(1,): "relu at 0"}),
        (tg.abs, [0.0, 1.0], {(0,): "abs at 0"}),
        (tg.leaky_relu, [0.0, 1.0], {(0,): "leaky_relu at 0"}),
        (lambda x: tg.prelu(x, 0.25), [0.0, 1.0], {(0,): "prelu at 0"}),
        (tg.hardtanh, [-1.0, 0.0, 1.0], {(0,): "hardtanh at -1", (2,): "hardtanh at 1"}),
        (lambda x: tg.clip(x, -2, 3), [-2.0, 3.0], {(0,): "maximum at a tie of -2", (1,): "minimum at a tie of 3"}),
        (lambda x: tg.elu(x, 2.0), [0.0, 1.0], {(0,): "elu at 0"}),
        (lambda x: tg.maximum(x, 1 - x), [0.5, 2.0], {(0,): "maximum at a tie of 0.5"}),
        (tg.max, [2.0, 3.0, 3.0], {(1,): "max at a tie of 3", (2,): "max at a tie of 3"}),
        (
            lambda x: tg.min(x, axis=0),
            [[1.0, 2.0], [1.0, 3.0]],
            {(0, 0): "min at a tie of 1", (1, 0): "min at a tie of 1"},
        ),
        (lambda x: tg.where(x > 0, x, 0), [0.0, 1.0], {(0,): "where at a change of its condition"}),
        (lambda x: tg.norm(x, ord=1), [0.0, 3.0], {(0,): "abs at 0"}),
        (tg.norm, [0.0], {(0,): "norm at 0"}),
        (lambda x: tg.hypot(x, 0.0), [0.0, 1.0], {(0,): "hypot at 0"}),
        (lambda x: tg.l1_loss(x, np.ones(2)), [1.0, 3.0], {(0,): "abs at 0"}),
    ],
)
def test_operations(function, x, expected):
    assert of_check(function, x) == {index: (name,) for index, name in expected.items()}


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("ties", ["first", "split"])
def test_pools_have_the_names_that_were_called(axes, ties):
    pool = getattr(tg, f"max_pool{axes}d")
    found = of_check(lambda x: pool(x, 2, ties=ties), np.full((1, 1, *(2,) * axes), 3.0))
    assert len(found) == 2**axes
    assert set(found.values()) == {(f"max_pool{axes}d at a tie of 3",)}
    adaptive = getattr(tg, f"adaptive_max_pool{axes}d")
    found = of_check(lambda x: adaptive(x, 1, ties=ties), np.full((1, 1, *(2,) * axes), -2.0))
    assert set(found.values()) == {(f"adaptive_max_pool{axes}d at a tie of -2",)}


def test_operation_of_a_user():
    @primitive(x=lambda dz, x: dz * (x > 2))
    def hinge(x):
        return np.maximum(x - 2, 0)

    assert of_check(hinge, [2.0, 3.0]) == {(0,): ("hinge at 2",)}


def test_operation_of_a_user_with_an_auxiliary():
    @primitive(x=lambda dz, mask: dz * mask, auxiliary=["mask"])
    def hinge(x):
        return np.maximum(x - 2, 0), x > 2

    assert of_check(lambda x: hinge(tg.abs(x - 2) + x), [2.0, 3.0]) == {(0,): ("abs at 0", "hinge at 2")}


def test_kink_inside_of_a_network():
    found = of_check(lambda x: tg.relu(tg.conv2d(x[None, None], EDGE)).sum() ** 2, [[1.0, 1.0, 0.0]])
    assert found == {(0, 0): ("relu at 0",), (0, 1): ("relu at 0",)}


def test_what_only_carries_a_kink_on_is_not_named():
    """Each of these operations has a result with a kink; only relu has one of its own."""
    found = of_check(lambda x: tg.exp(tg.relu(x) * 3 + tg.relu(x + 1)) @ np.ones((1, 1)), [[0.0]])
    assert found == {(0, 0): ("relu at 0",)}


def test_second_kink_on_top_of_the_first():
    assert of_check(lambda x: tg.abs(tg.relu(x)), [0.0, 1.0]) == {(0,): ("relu at 0", "abs at 0")}
    assert of_check(lambda x: tg.relu(2 + tg.abs(x)), [0.0, 1.0]) == {(0,): ("abs at 0",)}


def test_two_operations_side_by_side():
    found = of_check(lambda x: tg.relu(x) + tg.abs(x - 1), [0.0, 1.0, 2.0])
    assert found == {(0,): ("relu at 0",), (1,): ("abs at 0",)}


def test_smooth_place_of_a_function_with_a_turning_point_is_no_kink():
    """At 0 the square's slope is 0 on both sides, and so its differences vanish; cos turns there too."""
    assert of_check(lambda x: x * x + tg.abs(x) + tg.cos(x), [0.0, 1.0]) == {(0,): ("abs at 0",)}
    assert of_check(lambda x: tg.square(x) + tg.relu(x), [0.0, 1.0]) == {(0,): ("relu at 0",)}


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1e6])
def test_scales(scale):
    found = of_check(lambda x: tg.abs(x - scale) / scale, [scale, 3 * scale])
    assert found == {(0,): ("abs at 0",)}


@pytest.mark.parametrize("offset", [1.0, 1e4])
def test_beside_large_numbers(offset):
    assert of_check(lambda x: tg.relu(x) + offset, [0.0, 1.0]) == {(0,): ("relu at 0",)}


def test_kink_at_a_rounding_error():
    (found,) = of_check(lambda x: tg.relu(x - 0.3), [0.1 + 0.2, 5.0]).values()
    assert found == (f"relu at {0.1 + 0.2 - 0.3:.3g}",)


def test_kink_of_a_gradient():
    assert of_check(lambda x: tg.relu(x) ** 2, [0.0, 1.0, -1.0], order=2) == {(0,): ("relu at 0",)}


def test_condition_in_the_functions_own_code():
    found = of_check(lambda x: x * 2 if x.sum() > 0 else x * x, [0.0])
    assert found == {(0,): (OWN_CONDITION,)}
    found = of_check(lambda x: x * 2 if x.sum() > 0 else -x, [0.0])
    assert found == {(0,): (OWN_CONDITION,)}


def test_many_values_are_not_listed():
    """The maximum of each of four columns is tied, at values of its own."""
    columns = np.array([[1.0, 2.0, 3.0, 4.0]])
    found = of_check(lambda x: tg.max(tg.concatenate([x + columns, columns]), axis=0), 0.0)
    assert found == {(): ("max",)}
    found = of_check(lambda x: tg.max(tg.concatenate([x + columns, columns])[:, :3], axis=0), 0.0)
    assert found == {(): ("max at a tie of 1 and 2 and 3",)}


def test_numbers_that_are_not_finite_on_the_way_leave_it_unnamed():
    """The function takes log 0 and hides it: under debug() that is an error, so that no name is found."""
    report = tg.verify.gradcheck(
        lambda x: tg.relu(x) + tg.where(x >= 5, tg.log(0 * x.detach()), 0), tensors(np.array([0.0, 1.0]))
    )
    assert report, str(report)
    assert report["x"].kinks[0].origins == ()
    assert report["x"].message.startswith("the function has a kink here (1 of 2 elements); ")


def test_large_arrays_are_seen_whole():
    """Nodes keep no more than 1,024 elements, unless they are asked to."""
    x = normals((40, 40), 0)
    x[17, 3] = 0
    leaf = tg.tensor(x, requires_grad=True)

    def record(t):
        moved = leaf.data.copy()
        moved[17, 3] += 1e-6 * t
        return [tg.relu(tg.tensor(moved, requires_grad=True)) * 2]

    assert origins(record) == ("relu at 0",)


def test_what_was_recorded_before_is_a_constant():
    weights = tg.tensor(normals((40, 40), 0), requires_grad=True) * 2
    assert of_check(lambda x: (tg.relu(x) @ weights).sum(), np.zeros((1, 40))[:, :40])[0, 0] == ("relu at 0",)


def test_on_a_gpu(monkeypatch):
    monkeypatch.setattr(backend, "_default_device", "cpu")
    monkeypatch.setattr(backend, "_generators", {})
    standin.install(monkeypatch, devices=1)
    x = tg.tensor(np.array([0.0, 1.0]), device="gpu", requires_grad=True)
    report = tg.verify.gradcheck(lambda x: tg.abs(tg.relu(x)), x)
    assert [kink.origins for kink in report["x"].kinks] == [("relu at 0", "abs at 0")]


def test_nothing_is_changed():
    x = tg.tensor(np.array([0.0, 1.0]), requires_grad=True)
    (x * x).sum().backward()
    before = x.grad.data.copy()
    tg.verify.gradcheck(tg.relu, x)
    assert not tg.modes.is_debugging()
    assert np.array_equal(x.grad.data, before)


def test_of_very_many_kinks_the_first_are_named():
    report = tg.verify.gradcheck(tg.relu, tensors(np.zeros(120)))
    named = [kink.origins for kink in report["x"].kinks]
    assert named == [("relu at 0",)] * 100 + [()] * 20
    assert report["x"].message.startswith("the function has a kink here: relu at 0 (120 of 120 elements)")

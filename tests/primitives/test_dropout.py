"""Dropout: what is left is scaled, the gradient goes the same way, and the random decisions repeat."""

from fractions import Fraction
from math import sqrt

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.finite_differences import check_gradients
from tests.operands import assert_close, assert_equal, assert_exact, fractions, layouts, normals, tensors
from tests.refusals import refused

both = pytest.mark.parametrize("drop", [tg.dropout, tg.dropout2d])


def kept(shape, p, seed, drop=tg.dropout):
    """Which elements stay: those of ones that do not become 0."""
    return drop(np.ones(shape), p, seed=seed) != 0


@both
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_each_element_is_left_out_with_probability_p_or_scaled(drop, p):
    x = 1 + np.abs(normals((60, 50, 2, 3), 1))
    z = drop(x, p, seed=2)
    stays = z != 0
    assert_close(z, np.where(stays, x / (1 - p), 0), 1e-15)
    if drop is tg.dropout2d:
        assert_equal(stays, np.broadcast_to(stays[:, :, :1, :1], x.shape))
        stays = stays[:, :, 0, 0]
    count = stays.size  # a binomial distribution; five standard deviations
    assert abs(stays.sum() - (1 - p) * count) < 5 * sqrt(p * (1 - p) * count)
    rows = stays.reshape(len(stays), -1)
    assert not (rows[0] == rows[1]).all()


@both
@pytest.mark.parametrize("p", [0.25, 1 / 3])
def test_the_gradients_go_the_same_way(drop, p):
    x, dz, u = (normals((3, 4, 2, 2), seed) for seed in (1, 2, 3))
    X, dZ = tensors(x, dz)
    z = drop(X, p, seed=4)
    stays = kept(x.shape, p, 4, drop)
    assert 0 < stays.sum() < stays.size
    (dx,) = tg.grad(z, X, dZ, create_graph=True)
    assert_close(dx.numpy(), np.where(stays, dz / (1 - p), 0), 1e-15)
    (second,) = tg.grad(dx, dZ, u)
    assert_close(second.numpy(), np.where(stays, u / (1 - p), 0), 1e-15)
    check_gradients(lambda x: drop(x, p, seed=4) ** 2, x)


def test_fractions_stay_exact():
    x, dz = fractions((4, 5), 1), fractions((4, 5), 2)
    stays = kept(x.shape, 0.2, 3)
    (X,) = tensors(x)
    z = tg.dropout(X, 0.2, seed=3)
    z.backward(dz)
    assert_exact(z, np.where(stays, x * Fraction(5, 4), Fraction(0)))
    assert_exact(X.grad, np.where(stays, dz * Fraction(5, 4), Fraction(0)))
    assert_exact(tg.dropout(X, Fraction(1, 5), seed=3), z.numpy())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_the_same_elements_in_every_dtype(dtype):
    (X,) = tensors(np.ones((7, 9), dtype))
    z = tg.dropout(X, 0.5, seed=1)
    z.sum().backward()
    assert z.dtype == X.grad.dtype == dtype
    assert_equal(z.numpy() != 0, kept((7, 9), 0.5, 1))
    assert_equal(X.grad.numpy(), z.numpy())
    assert tg.dropout(X, np.float64(0.5)).dtype == tg.dropout(X, Fraction(1, 2)).dtype == dtype


def test_memory_layout_makes_no_difference():
    x = normals((2, 3, 4, 5), 1)
    for view in layouts(x).values():
        assert_equal(tg.dropout(view, seed=1), tg.dropout(x, seed=1))
        assert_equal(tg.dropout2d(view, seed=1), tg.dropout2d(x, seed=1))


@both
def test_nothing_is_left_out(drop):
    x = normals((2, 3, 2, 2), 1)
    (X,) = tensors(x)
    assert drop(X, 0.5, False) is X
    assert drop(X, 0) is X
    assert drop(x, 0.0) is x


@both
def test_everything_is_left_out(drop):
    (X,) = tensors(np.full((2, 3, 2, 2), 1e300))
    z = drop(X, 1)
    z.sum().backward()
    assert_equal(z.numpy(), np.zeros(z.shape))
    assert_equal(X.grad.numpy(), np.zeros(z.shape))


def test_other_shapes():
    assert tg.dropout(np.zeros((2, 0, 3))).shape == (2, 0, 3)
    assert tg.dropout2d(np.zeros((0, 3, 2, 2))).shape == (0, 3, 2, 2)
    x = tg.tensor(3.0, requires_grad=True)
    found = {tg.dropout(x, 0.5, seed=seed).item() for seed in range(20)}
    assert found == {0.0, 6.0}


# Random state


@both
def test_manual_seed_repeats(drop):
    x = np.ones((3, 4, 2, 2))
    tg.manual_seed(5)
    first = [drop(x) for _ in range(3)]
    assert not (first[0] == first[1]).all()
    tg.manual_seed(5)
    for earlier in first:
        assert_equal(drop(x), earlier)
    tg.manual_seed(6)
    assert not (drop(x) == first[0]).all()


@both
def test_a_seed_repeats_and_leaves_the_random_state_alone(drop):
    x = np.ones((3, 4, 2, 2))
    tg.manual_seed(5)
    expected = drop(x), drop(x)
    tg.manual_seed(5)
    actual = drop(x), drop(x, seed=1), drop(x)
    assert_equal(actual[0], expected[0])
    assert_equal(actual[2], expected[1])
    assert_equal(drop(x, seed=1), actual[1])
    assert_equal(drop(x, seed=np.int64(1)), actual[1])
    assert not (drop(x, seed=2) == actual[1]).all()


def test_evaluation_leaves_the_random_state_alone():
    tg.manual_seed(5)
    expected = tg.dropout(np.ones(20))
    tg.manual_seed(5)
    tg.dropout(np.ones(20), training=False)
    assert_equal(tg.dropout(np.ones(20)), expected)


BAD = {
    "p below 0": ({"p": -0.1}, ValueError, "0 to 1", "-0.1"),
    "p above 1": ({"p": 1.1}, ValueError, "0 to 1", "1.1"),
    "p not a number": ({"p": float("nan")}, ValueError, "nan"),
    "p no number": ({"p": "half"}, TypeError, "'half'"),
    "p a bool": ({"p": True}, TypeError, "True"),
    "training no bool": ({"training": 42}, TypeError, "training", "42"),
    "a negative seed": ({"seed": -1}, ValueError, "seed", "-1"),
    "a seed that is no integer": ({"seed": 1.0}, TypeError, "seed", "1.0"),
    "a bad seed in evaluation": ({"seed": True, "training": False}, TypeError, "seed", "True"),
}


@both
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_input_is_refused_by_name(drop, bad):
    arguments, error, *texts = bad
    leaf = tg.tensor(normals((2, 3, 2, 2), 1), requires_grad=True)
    (leaf * leaf).sum().backward()
    with refused(drop.__name__, error, *texts, tensors=[leaf]):
        drop(leaf, **arguments)


def test_channels_need_a_batch_of_images():
    x = tg.tensor(normals((3, 4, 4), 1), requires_grad=True)
    with refused("dropout2d", ValueError, "(N, C, H, W)", "(3, 4, 4)", tensors=[x]):
        tg.dropout2d(x)

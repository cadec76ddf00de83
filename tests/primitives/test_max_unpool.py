"""The indices of a max-pool and max unpooling against naive loops: where winners lie, overlaps, sizes, bad input."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import resampling_oracles as oracles
from tests.finite_differences import check_gradients
from tests.operands import (
    assert_equal,
    assert_exact,
    distinct,
    fractions,
    integers,
    layouts,
    normals,
    specials,
    tensors,
    tied_fractions,
)
from tests.refusals import refused
from tests.window_cases import POOLINGS, by_name


def pool(case, x, ties="first"):
    return getattr(tg, f"max_{case.operation}")(x, *case.arguments, ties=ties, return_indices=True)


def unpool(x, indices, *arguments, **options):
    return getattr(tg, f"max_unpool{len(x.shape) - 2}d")(x, indices, *arguments, **options)


# Indices


@pytest.mark.parametrize("ties", ["first", "split"])
@by_name(POOLINGS)
def test_indices_are_those_of_the_first_winners(case, ties):
    x = tied_fractions(case.x, 1)
    z, winners, first = oracles.largest(x, *oracles.max_pooling_windows(case.x, *case.explicit), ties)
    (X,) = tensors(x)
    Z, indices = pool(case, X, ties)
    assert isinstance(indices, tg.Tensor)
    assert indices.dtype == np.int64
    assert not indices.requires_grad
    assert_equal(indices.numpy(), first)
    assert_exact(Z, z)
    dz = fractions(z.shape, 2)
    Z.backward(dz)
    assert_exact(X.grad, winners.gradient(dz))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@by_name(POOLINGS)
def test_indices_of_what_is_not_finite(case, dtype):
    x = specials(case.x, 1, dtype)
    wanted, _, first = oracles.largest(x, *oracles.max_pooling_windows(case.x, *case.explicit))
    for view in layouts(x).values():
        z, indices = pool(case, view)
        assert type(indices) is np.ndarray
        assert_equal(indices, first)
        assert_equal(z, wanted.astype(dtype))


# Unpooling


@by_name(POOLINGS)
def test_value_and_gradients_are_the_naive_ones(case):
    """At the indices of a pooling; where its windows overlap several have the same, and then the last stands."""
    z_shape, windows = oracles.max_pooling_windows(case.x, *case.explicit)
    _, _, flat = oracles.largest(tied_fractions(case.x, 1), z_shape, windows)
    x, linear = fractions(z_shape, 2), oracles.unpooling(z_shape, flat, case.x[2:])
    dz, u, v = fractions(case.x, 3), fractions(z_shape, 4), fractions(case.x, 5)
    X, dZ, U, V = tensors(x, dz, u, v)
    Z = unpool_to(case, X, flat)
    assert_exact(Z, linear.value(x))
    (dX,) = tg.grad(Z, X, dZ, create_graph=True)
    assert_exact(dX, linear.gradient(dz))
    (second,) = tg.grad(dX, dZ, U, create_graph=True)
    assert_exact(second, linear.value(u))
    (third,) = tg.grad(second, U, V)
    assert_exact(third, linear.gradient(v))


def unpool_to(case, x, indices):
    """Unpooled to the pooling's input."""
    kernel, stride, padding, dilation, _ = case.explicit
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    return unpool(x, indices, reach, stride, padding, case.x[2:])


@by_name(POOLINGS, "plain", "overlapping windows", "1d, everything", "3d")
def test_gradients_of_first_and_second_order_are_central_differences(case):
    _, indices = pool(case, distinct(case.x, 1))
    check_gradients(lambda x: unpool_to(case, x, indices) ** 2, normals(indices.shape, 2))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.uint8])
@by_name(POOLINGS, "plain", "a row and a column left", "overlapping windows", "batch 0")
def test_a_pooling_of_an_unpooling_gives_the_pooling_again(case, dtype):
    x = 1 + distinct(case.x, 1) % 100
    z, indices = pool(case, x.astype(dtype))
    again = unpool_to(case, z, indices)
    assert again.dtype == dtype
    assert_equal(np.unique(again[again != 0]), np.unique(z))
    assert_equal(pool(case, again)[0], z)


def test_the_last_of_several_values_stands_and_alone_has_a_gradient():
    X = tg.tensor([[[1.0, 2.0, 3.0, 4.0]]], requires_grad=True)
    z = tg.max_unpool1d(X, [[[5, 1, 5, 1]]], 2)
    assert z.tolist() == [[[0, 4, 0, 0, 0, 3, 0, 0]]]
    z.backward(np.arange(8.0).reshape(1, 1, 8))
    assert X.grad.tolist() == [[[0, 0, 5, 1]]]


def test_an_overwritten_infinity_leaves_no_nan():
    z = tg.max_unpool1d(np.array([[[np.inf, 3.0]]]), [[[1, 1]]], 1)
    assert z.tolist() == [[[0, 3]]]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "expected"),
    [
        ((3, 4), 2, None, 0, (6, 8)),
        ((3, 4), (3, 2), (1, 2), 0, (5, 8)),
        ((3, 4), 3, 2, 1, (5, 7)),
        ((3, 4), 3, 2, ((1, 0), (0, 1)), (6, 8)),
        ((3, 4), (3, 2), 2, "full", (3, 6)),
        ((1, 1), 1, None, "valid", (1, 1)),
    ],
)
def test_the_size_is_that_of_the_smallest_input_without_a_rest(size, kernel, stride, padding, expected):
    x = np.ones((1, 2, *size))
    assert tg.max_unpool2d(x, np.zeros(x.shape, int), kernel, stride, padding).shape == (1, 2, *expected)


def test_output_sizes():
    x, indices = np.ones((2, 3, 2, 2)), np.zeros((2, 3, 2, 2), int)
    for output_size in [(5, 3), [5, 3], (2, 3, 5, 3)]:
        assert tg.max_unpool2d(x, indices, 2, output_size=output_size).shape == (2, 3, 5, 3)
    assert tg.max_unpool2d(x, indices, 2, output_size=5).shape == (2, 3, 5, 5)
    pooled, where = tg.max_pool2d(np.ones((1, 1, 7, 9)), 3, 2, 1, return_indices=True)
    assert tg.max_unpool2d(pooled, where, 3, 2, 1, (1, 1, 7, 9)).shape == (1, 1, 7, 9)


def test_operand_and_indices_stay_as_they_are_and_the_graph_has_its_own():
    x, indices = integers((1, 1, 2, 2), 1), np.array([[[[0, 3], [8, 11]]]])
    (X,) = tensors(x)
    z = tg.max_unpool2d(X, indices, 2)
    tg.max_unpool2d(x, indices, 2)[...] = 9
    assert indices.tolist() == [[[[0, 3], [8, 11]]]]
    indices[...] = 0
    z.backward(np.arange(16.0).reshape(1, 1, 4, 4))
    assert X.grad.tolist() == [[[[0, 3], [8, 11]]]]
    assert_equal(x, integers((1, 1, 2, 2), 1))


@pytest.mark.parametrize("dtype", [np.float64, object])
def test_memory_layout_makes_no_difference(dtype):
    x, indices = integers((2, 3, 2, 4), 1).astype(dtype), distinct((2, 3, 2, 4), 2, int) % 32
    linear = oracles.unpooling(x.shape, indices, (4, 8))
    dz = integers((2, 3, 4, 8), 3).astype(dtype)
    for name, view in layouts(x).items():
        (X,) = tensors(view)
        Z = tg.max_unpool2d(X, layouts(indices)[name], 2)
        assert_equal(Z.numpy(), linear.value(x).astype(dtype))
        (dX,) = tg.grad(Z, X, layouts(dz)[name])
        assert_equal(dX.numpy(), linear.gradient(dz).astype(dtype))


BAD = {
    "one image": ({"x": (3, 2, 2)}, ValueError, "4 axes (N, C, H, W)", "(3, 2, 2)"),
    "indices of another shape": ({"indices": np.zeros((1, 3, 2, 2), int)}, ValueError, "x's shape", "(1, 3, 2, 2)"),
    "fractional indices": ({"indices": np.zeros((1, 3, 2, 3))}, TypeError, "indices must be integers", "float64"),
    "truths for indices": ({"indices": np.zeros((1, 3, 2, 3), bool)}, TypeError, "must be integers", "bool"),
    "a negative index": ({"indices": np.full((1, 3, 2, 3), -1)}, ValueError, "0 to 23", "(4, 6)", "-1 to -1"),
    "an index outside": ({"indices": np.full((1, 3, 2, 3), 24)}, ValueError, "0 to 23", "24 to 24"),
    "window 0": ({"kernel_size": 0}, ValueError, "kernel_size must be at least 1 but is 0"),
    "stride 0": ({"stride": 0}, ValueError, "stride must be at least 1 but is 0"),
    "a fractional stride": ({"stride": 1.5}, TypeError, "stride must be an integer but is 1.5"),
    "negative padding": ({"padding": -1}, ValueError, "padding must be at least 0 but is -1"),
    "padding of unknown width": ({"padding": "same"}, ValueError, "'valid', 'full'", "'same'"),
    "too much padding": ({"padding": 2}, ValueError, "output_size must be in", "1 to 1", "(0, 2)"),
    "a size too large": ({"output_size": (6, 6)}, ValueError, "3 to 5, 5 to 7", "(6, 6)"),
    "a size too small": ({"output_size": (4, 4)}, ValueError, "3 to 5, 5 to 7", "(4, 4)"),
    "three sizes": ({"output_size": (4, 4, 4)}, ValueError, "output_size expects an integer or 2", "(4, 4, 4)"),
    "the size of another batch": ({"output_size": (2, 3, 4, 6)}, ValueError, "output_size expects", "(2, 3, 4, 6)"),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_input_is_refused_by_name(bad):
    change, error, *texts = bad
    arguments = {"x": (1, 3, 2, 3), "indices": np.zeros((1, 3, 2, 3), int), "kernel_size": 2} | change
    leaf = tg.tensor(integers(arguments.pop("x"), 1), requires_grad=True)
    (leaf * leaf).sum().backward()
    with refused("max_unpool2d", error, *texts, tensors=[leaf]):
        tg.max_unpool2d(leaf, **arguments)


@pytest.mark.parametrize(("operation", "layout"), [("max_unpool1d", "(N, C, W)"), ("max_unpool3d", "(N, C, D, H, W)")])
def test_each_number_of_axes_has_its_own_name_and_layout(operation, layout):
    with refused(operation, ValueError, f"{layout} but has shape (1, 1, 4, 4)"):
        getattr(tg, operation)(np.ones((1, 1, 4, 4)), np.zeros((1, 1, 4, 4), int), 2)

"""Indices of every kind: each element of the result gives its gradient back to the element it was; refusals."""

from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.finite_differences import check_gradients
from tests.operands import assert_equal, fractions, normals
from tests.rearrangements import check_rearrangement


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


MASK = np.array([[True, False, True], [False, False, True]])
INDICES = {
    "integer": 1,
    "negative": -1,
    "numpy integer": np.int64(1),
    "two integers": (1, 2),
    "all integers": (0, 1, 3),
    "slice": slice(1, None),
    "empty slice": slice(1, 1),
    "step": (slice(None), slice(None, None, 2)),
    "negative step": (slice(None), slice(None, None, -1)),
    "negative step and bounds": (slice(None), slice(2, 0, -1), slice(None, None, -2)),
    "beyond the end": (slice(None), slice(-10, 10)),
    "ellipsis": (Ellipsis, 0),
    "ellipsis in the middle": (0, Ellipsis, slice(1, 3)),
    "only an ellipsis": Ellipsis,
    "empty tuple": (),
    "new axis": None,
    "new axes": (None, 0, None, Ellipsis, None),
    "list": [1, 0],
    "list with duplicates": [0, 1, 1, 0, 0],
    "negative duplicates": (slice(None), [-1, 2, -1]),
    "empty list": [],
    "nested list": [[0, 1], [1, 1]],
    "array": np.array([1, 1, 0]),
    "array of another integer": np.array([1, 0], np.uint8),
    "two arrays": ([0, 1, 1], [2, 0, 0]),
    "arrays that broadcast": (np.array([[0], [1]]), np.array([2, 0, 2])),
    "array and integer": ([0, 0, 1], 1),
    "array, slice, array": ([0, 1], slice(None), [3, 3]),
    "slice, array, slice": (slice(None), [2, 2, 0], slice(1, None)),
    "array and new axis": ([1, 1], None, slice(None, None, -1)),
    "array and ellipsis": (Ellipsis, [0, 3, 0]),
    "mask": MASK,
    "mask of one axis": np.array([False, True]),
    "mask as a list": [True, False],
    "mask behind a slice": (slice(None), np.array([True, False, True])),
    "mask and integers": (np.array([True, True]), [0, 2]),
    "empty mask": np.zeros((2, 3), bool),
    "whole mask": np.ones((2, 3, 4), bool),
    "True": True,
    "False": False,
    "a bool and a slice": (True, slice(1, None)),
    "array without axes": np.array(1),
    "tuple in a tuple": ((0, 1, 0), 2),
}


@pytest.mark.parametrize("name", INDICES)
def test_indexing(name):
    check_rearrangement(lambda x: x[INDICES[name]], fractions((2, 3, 4), 1))


@pytest.mark.parametrize("name", INDICES)
def test_indexing_floats(name):
    """Floats have their own scatter-add; repeated elements add up in float too."""
    x = leaf(np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    z = x[INDICES[name]]
    origin = np.arange(24).reshape(2, 3, 4)[INDICES[name]]
    assert_equal(z.numpy(), np.asarray(origin, np.float32))
    assert z.dtype == np.float32
    weights = np.arange(1, origin.size + 1, dtype=np.float32).reshape(origin.shape)
    (dx,) = tg.grad(z, x, [weights])
    expected = np.zeros(24)
    for source, weight in zip(origin.flat, weights.flat, strict=True):
        expected[source] += weight
    assert (dx.dtype, dx.tolist()) == (np.float32, expected.reshape(2, 3, 4).tolist())


@pytest.mark.parametrize("index", [tg.tensor([1, 0, 1]), tg.tensor(1), tg.tensor([True, False])])
def test_a_tensor_as_an_index(index):
    plain = index.numpy()[()]
    check_rearrangement(lambda x: x[index], fractions((2, 3), 1), lambda x: x[plain])
    check_rearrangement(lambda x: x[index, 1:], fractions((2, 3), 1), lambda x: x[plain, 1:])


def test_a_comparison_as_an_index():
    x = leaf([[1.0, -2.0], [-3.0, 4.0]])
    z = x[x > 0]
    assert z.tolist() == [1, 4]
    assert tg.grad(z.sum(), x)[0].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("data", [2.0, Fraction(2)])
def test_indexing_a_tensor_without_axes(data):
    x = leaf(data)
    for index, shape in [(None, (1,)), (Ellipsis, ()), ((), ()), ((None, Ellipsis, None), (1, 1))]:
        z = x[index]
        assert z.shape == shape
        (dx,) = tg.grad(z.sum() * 3, x)
        assert (dx.shape, dx.item()) == ((), 3)
    for index in (0, -1, slice(None), [0], np.array([True])):
        with pytest.raises(IndexError, match=r"^index: a tensor without axes can't be indexed by"):
            x[index]


@pytest.mark.parametrize(
    "index", [2, -3, (0, 3), [0, 2], (0, 0, 0), 1.0, "a", (slice(None), 1.5), np.array([True, False, True]), [[0, 5]]]
)
def test_wrong_indices_are_refused(index):
    x = leaf(np.zeros((2, 3)))
    with pytest.raises(IndexError):
        x[index]
    assert x.tolist() == np.zeros((2, 3)).tolist()


def test_indexing_to_third_order():
    check_gradients(lambda x: (x[[0, 1, 0], ::-1] ** 3 * x[1]).sum(axis=0), normals((2, 3), 1), order=3)
    check_gradients(lambda x: x[0] * x[1, ::2, None] * x[..., 1:2], normals((2, 3, 2)[:2], 1), order=2)


def test_random_indices():
    hypothesis = pytest.importorskip("hypothesis")
    from hypothesis.extra.numpy import array_shapes, basic_indices, integer_array_indices
    from hypothesis.strategies import data, one_of

    @hypothesis.settings(max_examples=80, deadline=None, database=None)
    @hypothesis.given(data())
    def check(drawn):
        shape = drawn.draw(array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=3))
        kinds = one_of(basic_indices(shape, allow_newaxis=True, allow_ellipsis=True), integer_array_indices(shape))
        index = drawn.draw(kinds)
        check_rearrangement(lambda x: x[index], fractions(shape, 1))

    check()

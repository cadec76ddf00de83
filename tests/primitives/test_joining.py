"""hstack, vstack, split, array_split, chunk, roll, repeat and tile: NumPy's results, exact gradients, refusals."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.finite_differences import check_gradients
from tests.operands import assert_exact, fractions, normals, tensors
from tests.rearrangements import check_rearrangement

# hstack and vstack


@pytest.mark.parametrize(
    "shapes", [[(2,)], [(2,), (3,)], [(), (2,), ()], [(2, 1), (2, 3)], [(2, 1, 2), (2, 2, 2)], [(0,), (1,)]]
)
def test_hstack(shapes):
    check_joined(tg.hstack, np.hstack, shapes)


@pytest.mark.parametrize(
    "shapes", [[(2,)], [(2,), (2,)], [(), (1,), ()], [(2,), (3, 2)], [(1, 2, 2), (2, 2, 2)], [(0,), (2, 0)]]
)
def test_vstack(shapes):
    check_joined(tg.vstack, np.vstack, shapes)


def check_joined(function, of_numpy, shapes):
    """The gradient of each operand holds the weights of the places where NumPy puts its elements."""
    arrays = [fractions(shape, i) for i, shape in enumerate(shapes)]
    operands = tensors(*[array[()] for array in arrays])
    z = function(operands)
    assert_exact(z, of_numpy(arrays))
    weights = fractions(z.shape, 9)
    gradients = tg.grad(z, operands, [weights])
    starts = np.cumsum([0, *(x.size for x in arrays)])
    origin = of_numpy(
        [start + np.arange(x.size).reshape(x.shape) for start, x in zip(starts[:-1], arrays, strict=True)]
    )
    by_origin = dict(zip(origin.flat, weights.flat, strict=True))
    for start, dx in zip(starts[:-1], gradients, strict=True):
        assert [by_origin[start + i] for i in range(dx.size)] == list(np.ravel(dx.numpy()))


# split, array_split, chunk

SPLITS = [
    ((6,), 3, 0),
    ((6,), 1, 0),
    ((6, 2), 6, 0),
    ((2, 6), 2, 1),
    ((2, 6), 2, -1),
    ((6,), [2, 3], 0),
    ((6,), (0, 2, 2, 6), 0),
    ((6,), [4, 2], 0),
    ((6,), [2, 100], 0),
    ((6,), [-2], 0),
    ((6,), [], 0),
    ((6,), np.array([1, 4]), 0),
    ((0, 2), 2, 0),
]


def check_parts(parts_of, of_numpy, shape):
    """Every part is the rearrangement that NumPy's part is."""
    x = fractions(shape, 1)
    count = len(of_numpy(x))
    assert isinstance(parts_of(x), list)
    assert len(parts_of(tensors(x)[0])) == count
    for i in range(count):
        check_rearrangement(lambda x, i=i: parts_of(x)[i], x, lambda x, i=i: of_numpy(x)[i])


@pytest.mark.parametrize(("shape", "cuts", "axis"), SPLITS)
def test_split(shape, cuts, axis):
    check_parts(lambda x: tg.split(x, cuts, axis), lambda x: np.split(x, cuts, axis), shape)


@pytest.mark.parametrize(("shape", "cuts", "axis"), [*SPLITS, ((7,), 3, 0), ((2, 5), 4, 1), ((2,), 5, 0), ((0,), 2, 0)])
def test_array_split(shape, cuts, axis):
    check_parts(lambda x: tg.array_split(x, cuts, axis), lambda x: np.array_split(x, cuts, axis), shape)


@pytest.mark.parametrize(
    ("n", "chunks", "sizes"),
    [
        (6, 3, [2, 2, 2]),
        (7, 3, [3, 3, 1]),
        (5, 4, [2, 2, 1]),
        (2, 5, [1, 1]),
        (4, 1, [4]),
        (0, 3, [0]),
        (9, 4, [3, 3, 3]),
    ],
)
def test_chunk(n, chunks, sizes):
    cuts = np.cumsum(sizes)[:-1]
    check_parts(lambda x: tg.chunk(x, chunks, 1), lambda x: np.split(x, cuts, 1), (2, n))


def test_parts_are_joined_again():
    (x,) = tensors(fractions((5, 3), 1))
    for parts in (tg.split(x, [1, 2]), tg.array_split(x, 2), tg.chunk(x, 4)):
        z = tg.concatenate(parts)
        assert_exact(z, x.numpy())
        weights = fractions((5, 3), 2)
        assert_exact(tg.grad(z, x, [weights])[0], weights)


def test_an_unused_part_gets_a_gradient_of_zero():
    (x,) = tensors(np.arange(4.0))
    first, _ = tg.split(x, 2)
    assert tg.grad(first.sum(), x)[0].tolist() == [1, 1, 0, 0]


# roll

ROLLS = [
    ((5,), 2, None),
    ((5,), -7, 0),
    ((2, 3), 1, None),
    ((2, 3), 1, 0),
    ((2, 3), -1, 1),
    ((2, 3), (1, 2), (0, 1)),
    ((2, 3), 2, (1, 0)),
    ((2, 3, 2), (1, -1), (-1, 0)),
    ((2, 3), 0, 1),
    ((0, 2), 1, 0),
    ((), 1, None),
    ((2, 3), 1, ()),
]


@pytest.mark.parametrize(("shape", "shift", "axis"), ROLLS)
def test_roll(shape, shift, axis):
    check_rearrangement(lambda x: tg.roll(x, shift, axis), fractions(shape, 1), lambda x: np.roll(x, shift, axis))


# repeat and tile


@pytest.mark.parametrize(
    ("shape", "repeats", "axis"),
    [
        ((3,), 2, None),
        ((3,), 2, 0),
        ((3,), 1, 0),
        ((3,), 0, 0),
        ((2, 3), 2, None),
        ((2, 3), 3, 0),
        ((2, 3), 2, -1),
        ((2, 3), [2], 1),
        ((2, 3), [1, 0, 3], 1),
        ((2, 3), (0, 0), 0),
        ((2, 3), np.array([1, 2, 3, 0, 1, 2]), None),
        ((2, 1), [3], 1),
        ((0, 2), 2, 0),
        ((), 3, None),
    ],
)
def test_repeat(shape, repeats, axis):
    check_rearrangement(
        lambda x: tg.repeat(x, repeats, axis), fractions(shape, 1), lambda x: np.repeat(x, repeats, axis)
    )


@pytest.mark.parametrize(
    ("shape", "reps"),
    [
        ((3,), 2),
        ((3,), (2,)),
        ((3,), (2, 2)),
        ((3,), (2, 1, 3)),
        ((2, 3), 2),
        ((2, 3), (2, 1)),
        ((2, 3), [1, 3]),
        ((2, 3), (2, 1, 2)),
        ((2, 3), ()),
        ((2, 3), (0, 2)),
        ((2, 1, 2), (3, 2)),
        ((0, 2), (2, 2)),
        ((), 3),
        ((), ()),
    ],
)
def test_tile(shape, reps):
    check_rearrangement(lambda x: tg.tile(x, reps), fractions(shape, 1), lambda x: np.tile(x, reps))


def test_methods():
    (x,) = tensors(np.arange(4.0).reshape(2, 2))
    assert x.repeat(2).tolist() == tg.repeat(x, 2).tolist()
    assert x.repeat([1, 2], 0).tolist() == tg.repeat(x, [1, 2], axis=0).tolist()


# Together


def test_dtypes_stay():
    for dtype in (np.float16, np.float32, np.float64):
        (x,) = tensors(np.arange(6, dtype=dtype).reshape(2, 3))
        for z in (tg.hstack([x, x]), tg.split(x, 3, 1)[0], tg.roll(x, 1), tg.repeat(x, [1, 2], 0), tg.tile(x, 2)):
            assert z.dtype == dtype
            assert tg.grad(z, x, [np.ones(z.shape)])[0].dtype == dtype


def test_gradients_to_second_order():
    def function(x, y):
        z = tg.vstack([tg.roll(x, 1, 1) * x, tg.tile(y, 3) ** 2])
        first, rest = tg.split(z, [1])
        return tg.repeat(first, [2, 0, 1], axis=1) * tg.chunk(rest, 2)[1] ** 2

    check_gradients(function, normals((2, 3), 1), normals((1,), 2), order=2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: tg.hstack([]), ValueError, "hstack: expected at least one tensor"),
        (lambda x: tg.hstack([x, x[:1]]), ValueError, "hstack: shapes may differ on axis 1 only"),
        (lambda x: tg.vstack([]), ValueError, "vstack: expected at least one tensor"),
        (lambda x: tg.vstack([x, x[0, :1]]), ValueError, "vstack: shapes may differ on axis 0 only"),
        (lambda x: tg.split(x, 4, 1), ValueError, "split: 3 elements on axis 1 can't be split into 4 equal parts"),
        (lambda x: tg.split(x, 0), ValueError, "split: indices_or_sections must be at least 1 but is 0"),
        (lambda x: tg.split(x, -1), ValueError, "split: indices_or_sections must be at least 1"),
        (lambda x: tg.split(x, 1.5), TypeError, "split: indices_or_sections must be an integer but is 1.5"),
        (lambda x: tg.split(x, [1.5]), TypeError, "split: indices_or_sections must be an integer but is 1.5"),
        (lambda x: tg.split(x, "2"), TypeError, "split: indices_or_sections must be an integer but is '2'"),
        (lambda x: tg.split(x, 1, 2), ValueError, "split: expected an axis of -2 to 1"),
        (lambda x: tg.split(x, 1, None), ValueError, "split: expected a single axis but got None"),
        (lambda x: tg.array_split(x, 0), ValueError, "array_split: indices_or_sections must be at least 1"),
        (lambda x: tg.chunk(x, 0), ValueError, "chunk: chunks must be at least 1 but is 0"),
        (lambda x: tg.chunk(x, [1]), TypeError, "chunk: chunks must be an integer"),
        (lambda x: tg.roll(x, (1, 2), 0), ValueError, r"roll: expected one shift or 1 for axis 0 but got \(1, 2\)"),
        (lambda x: tg.roll(x, 1, 2), ValueError, "roll: expected an axis of -2 to 1"),
        (lambda x: tg.roll(x, 1, (0, 0)), ValueError, "roll: each axis may come once"),
        (lambda x: tg.roll(x, 0.5, 0), TypeError, "roll: shift must be an integer but is 0.5"),
        (lambda x: tg.roll(x, (1, 1)), TypeError, "roll: shift must be an integer"),
        (
            lambda x: tg.repeat(x, -1, 0),
            ValueError,
            "repeat: expected a number >= 0 or 2 of them for axis 0 but got -1",
        ),
        (lambda x: tg.repeat(x, [1, 2, 3], 0), ValueError, "repeat: expected a number >= 0 or 2 of them"),
        (lambda x: tg.repeat(x, [1, -2], 0), ValueError, "repeat: expected a number >= 0"),
        (lambda x: tg.repeat(x, 1.0, 0), TypeError, "repeat: repeats must be an integer"),
        (lambda x: tg.repeat(x, 1, 5), ValueError, "repeat: expected an axis"),
        (lambda x: tg.tile(x, (1, -1)), ValueError, r"tile: expected numbers >= 0 but got \(1, -1\)"),
        (lambda x: tg.tile(x, 0.5), TypeError, "tile: reps must be an integer but is 0.5"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=f"^{message}"):
        call(tensors(np.zeros((2, 3)))[0])

"""permute, swapaxes, moveaxis, expand_dims, squeeze, ravel and flatten: NumPy's results, exact gradients, refusals."""

from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import fractions, tensors
from tests.rearrangements import check_rearrangement


def check(function, of_numpy, shape):
    check_rearrangement(function, fractions(shape, 1), of_numpy)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((), ()), ((3,), (0,)), ((2, 3), (1, 0)), ((2, 3), (0, -1)), ((2, 3, 4), [2, 0, 1]), ((1, 0, 2), (-1, 1, -3))],
)
def test_permute(shape, axes):
    check(lambda x: tg.permute(x, axes), lambda x: np.transpose(x, tuple(axes)), shape)


SWAPS = [((3,), 0, 0), ((2, 3), 0, 1), ((2, 3), 0, -1), ((2, 3), 1, 1), ((2, 3, 4), -3, -1), ((2, 0, 3), 1, 2)]


@pytest.mark.parametrize(("shape", "first", "second"), SWAPS)
def test_swapaxes(shape, first, second):
    check(lambda x: tg.swapaxes(x, first, second), lambda x: np.swapaxes(x, first, second), shape)


@pytest.mark.parametrize(
    ("shape", "source", "destination"),
    [
        ((3,), 0, 0),
        ((2, 3, 4), 0, -1),
        ((2, 3, 4), -1, 0),
        ((2, 3, 4), 1, 1),
        ((2, 3, 4), (0, 1), (1, 0)),
        ((2, 3, 4), [2, 0], [0, 1]),
        ((2, 3, 4), (0, -1), (-1, 0)),
        ((2, 3, 4, 1), (3, 1), (0, 2)),
        ((2, 3, 4), (), ()),
    ],
)
def test_moveaxis(shape, source, destination):
    check(lambda x: tg.moveaxis(x, source, destination), lambda x: np.moveaxis(x, source, destination), shape)


NEW_AXES = [
    ((), 0),
    ((), (0, 1)),
    ((2,), 0),
    ((2,), -1),
    ((2, 3), 1),
    ((2, 3), (0, 2)),
    ((2, 3), (-1, 0, 2)),
    ((2,), ()),
]


@pytest.mark.parametrize(("shape", "axis"), NEW_AXES)
def test_expand_dims(shape, axis):
    check(lambda x: tg.expand_dims(x, axis), lambda x: np.expand_dims(x, axis), shape)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((), None),
        ((1,), None),
        ((2, 1, 3, 1), None),
        ((2, 1, 3, 1), 1),
        ((2, 1, 3, 1), -1),
        ((2, 1, 3, 1), (3, 1)),
        ((1, 0), 0),
        ((2, 3), None),
        ((2, 1), ()),
    ],
)
def test_squeeze(shape, axis):
    check(lambda x: tg.squeeze(x, axis), lambda x: np.squeeze(x, axis), shape)


@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (2, 0, 3), (2, 1, 3, 1)])
def test_ravel(shape):
    check(tg.ravel, np.ravel, shape)


@pytest.mark.parametrize(
    ("shape", "axes", "flat"),
    [
        ((), (), (1,)),
        ((3,), (), (3,)),
        ((2, 3, 4), (), (24,)),
        ((2, 3, 4), (1,), (2, 12)),
        ((2, 3, 4), (0, 1), (6, 4)),
        ((2, 3, 4), (-2, -1), (2, 12)),
        ((2, 3, 4), (1, 1), (2, 3, 4)),
        ((2, 0, 4), (1,), (2, 0)),
    ],
)
def test_flatten(shape, axes, flat):
    check(lambda x: tg.flatten(x, *axes), lambda x: np.reshape(x, flat), shape)


def test_the_methods_are_the_functions():
    (x,) = tensors(np.arange(24.0).reshape(2, 3, 4, 1))
    for method, function in [
        (x.permute(3, 1, 0, 2), tg.permute(x, (3, 1, 0, 2))),
        (x.permute((3, 1, 0, 2)), tg.permute(x, (3, 1, 0, 2))),
        (x.swapaxes(0, 2), tg.swapaxes(x, 0, 2)),
        (x.squeeze(), tg.squeeze(x)),
        (x.squeeze(3), tg.squeeze(x, 3)),
        (x.ravel(), tg.ravel(x)),
        (x.flatten(1, 2), tg.flatten(x, 1, 2)),
    ]:
        assert method.shape == function.shape
        assert method.tolist() == function.tolist()
    assert tg.permute(x, (0, 1, 2, 3)) is tg.moveaxis(x, (), ()) is x


def test_a_single_fraction():
    x = tg.tensor(Fraction(1, 3), requires_grad=True)
    for function in (tg.ravel, tg.flatten, lambda x: tg.expand_dims(x, 0)):
        z = function(x)
        assert (z.shape, z.tolist()) == ((1,), [Fraction(1, 3)])
        assert tg.grad(z.sum() * 2, x)[0].item() == 2
    assert tg.squeeze(x) is x


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: tg.permute(x, (0, 1)), r"permute: expected an order of all 3 axes but got \(0, 1\)"),
        (lambda x: tg.permute(x, None), "permute: expected an order of all 3 axes but got None"),
        (lambda x: tg.permute(x, (0, 1, 1)), "permute: each axis may come once"),
        (lambda x: tg.permute(x, (0, 1, 3)), "permute: expected an axis of -3 to 2 for 3 axes but got 3"),
        (lambda x: tg.swapaxes(x, 0, 3), "swapaxes: expected an axis of -3 to 2"),
        (lambda x: tg.moveaxis(x, 3, 0), "moveaxis: expected an axis of -3 to 2"),
        (
            lambda x: tg.moveaxis(x, (0, 1), 0),
            r"moveaxis: expected a destination for each source but got \(0, 1\) and 0",
        ),
        (lambda x: tg.moveaxis(x, (0, 0), (1, 2)), "moveaxis: each axis may come once"),
        (lambda x: tg.expand_dims(x, 4), "expand_dims: expected an axis of -4 to 3 for 4 axes but got 4"),
        (lambda x: tg.expand_dims(x, (0, 0)), "expand_dims: each axis may come once"),
        (lambda x: tg.expand_dims(x, None), "expand_dims: expected an axis or several but got None"),
        (
            lambda x: tg.squeeze(x, 0),
            r"squeeze: only an axis of size 1 can be left out, not axis 0 of shape \(2, 3, 1\)",
        ),
        (lambda x: tg.squeeze(x, (2, 1)), "squeeze: only an axis of size 1"),
        (lambda x: tg.squeeze(x, 3), "squeeze: expected an axis of -3 to 2"),
        (lambda x: tg.flatten(x, 2, 1), "flatten: start_axis 2 lies behind end_axis 1"),
        (lambda x: tg.flatten(x, 3), "flatten: expected an axis of -3 to 2"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call(tg.tensor(np.zeros((2, 3, 1)), requires_grad=True))


@pytest.mark.parametrize("function", [tg.permute, tg.squeeze, tg.expand_dims, tg.flatten])
def test_axes_that_are_no_integers_are_refused(function):
    with pytest.raises(TypeError, match=rf"^{function.__name__}: axis must be an integer but is 1\.5"):
        function(tg.tensor(np.zeros((2, 3, 1))), 1.5)

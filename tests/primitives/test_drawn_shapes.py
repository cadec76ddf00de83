"""Reductions, products and rearrangements on shapes, axes and options that Hypothesis draws, empty axes among them."""

import math
from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tests.dual_numbers import exact_gradients
from tests.operands import assert_equal, fractions, tensors
from tests.rearrangements import check_rearrangement
from tests.reductions import filled, members

drawn = settings(max_examples=60, deadline=None, database=None)
shapes = st.lists(st.integers(0, 3), max_size=4).map(tuple)
filled_shapes = st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple)


def variance(values):
    mean = sum(values, Fraction(0)) / len(values)
    return sum(((value - mean) ** 2 for value in values), Fraction(0)) / len(values)


REDUCTIONS = {
    "sum": (tg.sum, lambda values: sum(values, Fraction(0)), 0),
    "mean": (tg.mean, lambda values: sum(values, Fraction(0)) / len(values), 1),
    "var": (tg.var, variance, 1),
    "prod": (tg.prod, lambda values: math.prod(values, start=Fraction(1)), 0),
    "max": (tg.max, max, 1),
    "min": (tg.min, min, 1),
    "norm": (
        lambda x, axis, keepdims: tg.norm(x, 1, axis, keepdims),
        lambda values: sum(map(abs, values), Fraction(0)),
        0,
    ),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name):
    function, of_python, fewest = REDUCTIONS[name]

    @drawn
    @given(st.data())
    def check(data):
        shape = data.draw(shapes)
        axes = tuple(data.draw(st.permutations(range(len(shape)))))[: data.draw(st.integers(0, len(shape)))]
        keepdims = data.draw(st.booleans())
        small, lists = members(shape, axes, keepdims)
        assume(all(len(v) >= fewest for v in lists.values()))
        assume(fewest == 0 or all(shape[i] for i in axes))
        x, weights = fractions(shape, 1), fractions(small, 2)

        def of_loop(x):
            return filled(small, {k: of_python([x[i] for i in v]) for k, v in lists.items()})

        (a,) = tensors(x)
        z = function(a, axis=axes, keepdims=keepdims)
        assert_equal(np.asarray(z.numpy(), dtype=object), of_loop(x))
        (dx,) = tg.grad(z, a, [weights])
        if name in ("max", "min"):  # of the naive maximum the first winner's slope is kept too
            assert sum(dx.numpy().flat) == sum(weights.flat)
        else:
            assert_equal(np.asarray(dx.numpy(), dtype=object), exact_gradients(of_loop, [x], weights)[0])

    check()


@drawn
@given(st.data())
def test_rearrangements(data):
    shape = data.draw(filled_shapes)
    ndim = len(shape)
    axis = data.draw(st.integers(-ndim, ndim - 1))
    n = shape[axis]
    order = data.draw(st.permutations(range(ndim)))
    shift = data.draw(st.integers(-5, 5))
    counts = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    reps = data.draw(st.lists(st.integers(0, 2), max_size=4))
    cut = data.draw(st.integers(-n, n))
    indices = data.draw(st.lists(st.integers(-n, n - 1), max_size=4))
    along = np.random.default_rng(0).integers(-n, n, shape)
    for function, of_numpy in [
        (lambda x: tg.permute(x, order), lambda x: np.transpose(x, order)),
        (lambda x: tg.moveaxis(x, axis, order[0]), lambda x: np.moveaxis(x, axis, order[0])),
        (lambda x: tg.roll(x, shift, axis), lambda x: np.roll(x, shift, axis)),
        (lambda x: tg.repeat(x, counts, axis), lambda x: np.repeat(x, counts, axis)),
        (lambda x: tg.tile(x, reps), lambda x: np.tile(x, reps)),
        (lambda x: tg.split(x, [cut], axis)[1], lambda x: np.split(x, [cut], axis)[1]),
        (lambda x: tg.take(x, indices, axis), lambda x: np.take(x, np.array(indices, int), axis)),
        (lambda x: tg.take_along_axis(x, along, axis), lambda x: np.take_along_axis(x, along, axis)),
        (lambda x: tg.expand_dims(x, axis), lambda x: np.expand_dims(x, axis)),
    ]:
        check_rearrangement(function, fractions(shape, 1), of_numpy)

"""An oracle for whatever picks elements: NumPy, applied to the elements' numbers, tells where each came from."""

from fractions import Fraction

import numpy as np

import tinygrad_cnn as tg
from tests.operands import assert_equal, fractions, tensors


def check_rearrangement(function, x, of_numpy=None):
    """The function picks elements as NumPy does, and the gradient is added up where each was picked from.

    NumPy's function is applied to the elements' numbers, which tells where each element of the result comes from.
    """
    of_numpy = of_numpy or function
    origin = np.asarray(of_numpy(np.arange(x.size).reshape(x.shape)))
    (a,) = tensors(x)
    z = function(a)
    expected = np.empty(origin.shape, dtype=object)
    weights = fractions(origin.shape, 7)
    slopes = np.full(x.size, Fraction(0), dtype=object)
    for index in np.ndindex(origin.shape):
        expected[index] = x.reshape(-1)[origin[index]]
        slopes[origin[index]] += weights[index]
    assert z.shape == origin.shape
    for create_graph in (False, True):
        (dx,) = tg.grad(z, a, [weights], create_graph=create_graph)
        assert dx.shape == x.shape
        assert_equal(as_objects(dx), slopes.reshape(x.shape))
    assert_equal(as_objects(z), expected)
    assert a.grad is None
    if x.shape:
        plain = function(x)  # plain in, plain out
        assert not isinstance(plain, tg.Tensor)
        assert_equal(np.asarray(plain, dtype=object), expected)


def as_objects(tensor):
    array = np.empty(tensor.shape, dtype=object)
    array[...] = tensor.numpy()
    return array

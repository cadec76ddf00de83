"""Lecture 14 in numbers: the tensor graph, the scalar graph and the update by gradient descent agree exactly."""

from fractions import Fraction

import numpy as np

import tinygrad_cnn as tg
from tests.operands import assert_exact, fractions, tensors


def test_the_scalar_graph_gives_the_same_gradients_as_the_tensor_graph():
    """Every pixel a tensor of its own, multiplied and added one by one: micrograd's view of the same definition."""
    x, k, dz = fractions((1, 1, 3, 3), 1), fractions((1, 1, 2, 2), 2), fractions((1, 1, 2, 2), 3)
    bias = Fraction(5, 7)

    def leaf_of_each(array):
        return np.frompyfunc(lambda value: tg.tensor(value, requires_grad=True), 1, 1)(array)

    def gradients(array):
        return np.frompyfunc(lambda leaf: leaf.grad.item(), 1, 1)(array)

    leaves = tensors(x, k, np.array([bias]))
    z = tg.conv2d(*leaves)
    z.backward(dz)

    scalar_x, scalar_k, scalar_b = leaf_of_each(x), leaf_of_each(k), leaf_of_each(np.array([bias]))
    scalar_z = tg.conv2d(scalar_x, scalar_k, scalar_b)
    assert all(isinstance(entry, tg.Tensor) and entry.shape == () for entry in scalar_z.flat)
    loss = sum(z * d for z, d in zip(scalar_z.flat, dz.flat, strict=True))
    loss.backward()
    for scalars, tensor in zip((scalar_x, scalar_k, scalar_b), leaves, strict=True):
        assert_exact(tensor.grad, gradients(scalars))


def test_the_update():
    """K <- K - eta dL/dK, B <- B - eta dL/dB, entry by entry."""
    x, dz, eta = fractions((1, 1, 3, 3), 1), fractions((1, 1, 2, 2), 3), Fraction(1, 10)
    _, k, b = leaves = tensors(x, fractions((1, 1, 2, 2), 2), np.array([Fraction(5, 7)]))
    before = k.data.copy(), b.data.copy()
    tg.conv2d(*leaves).backward(dz)
    k.data = k.data - eta * k.grad.data
    b.data = b.data - eta * b.grad.data
    for i in range(2):
        for j in range(2):
            slope = sum(dz[0, 0, u, v] * x[0, 0, u + i, v + j] for u in range(2) for v in range(2))
            assert k.data[0, 0, i, j] == before[0][0, 0, i, j] - eta * slope
    assert b.data[0] == before[1][0] - eta * dz.sum()

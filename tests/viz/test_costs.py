"""Multiply-adds, against multiplications that are counted one by one; and what the backward walk keeps."""

from itertools import product
from math import prod

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.kernels import reference
from tinygrad_cnn.viz.summaries.costs import kept_arrays, multiply_adds
from tinygrad_cnn.walk import nodes


class Counting:
    """A number that counts the products it takes part in."""

    products = 0

    def __init__(self, value=1):
        self.value = value

    def __mul__(self, other):
        Counting.products += 1
        return Counting(self.value * getattr(other, "value", other))

    __rmul__ = __mul__

    def __add__(self, other):
        return Counting(self.value + getattr(other, "value", other))

    __radd__ = __add__

    def __eq__(self, other):
        return self.value == getattr(other, "value", other)

    __hash__ = None


def named(case):
    """The name of a case, the same in every process."""
    function, *rest = case
    return f"{function.__name__}-{rest}"


def counting(shape):
    array = np.empty(shape, dtype=object)
    for i in np.ndindex(*shape):
        array[i] = Counting()
    return array


def counted(function, *shapes):
    """The products that a function of arrays computes."""
    Counting.products = 0
    function(*map(counting, shapes))
    return Counting.products


def recorded(function, *shapes):
    """The multiply-adds of all that a function of tensors records."""
    operands = [tg.tensor(np.ones(shape), requires_grad=True) for shape in shapes]
    return sum(multiply_adds(node) for node in nodes(function(*operands)))


PRODUCTS = [
    (tg.linear, (3, 4), (5, 4)),
    (tg.linear, (2, 3, 4), (5, 4), (5,)),
    (tg.matmul, (3, 4), (4, 5)),
    (tg.matmul, (2, 3, 4), (4, 5)),
    (tg.matmul, (4,), (4, 5)),
    (tg.dot, (4,), (4,)),
    (tg.outer, (3,), (4,)),
    (lambda x, y: tg.tensordot(x, y, 2), (2, 3, 4), (3, 4, 5)),
    (lambda x, y: tg.einsum("nij,njk->nik", x, y), (2, 3, 4), (2, 4, 5)),
    (lambda x, y: tg.einsum("ij,ij->i", x, y), (3, 4), (3, 4)),
]


@pytest.mark.parametrize("case", PRODUCTS, ids=named)
def test_products(case):
    function, *shapes = case
    assert recorded(function, *shapes) == counted(function, *shapes) > 0


CONVOLUTIONS = [
    # operation, x, weight, options
    (tg.conv1d, (2, 3, 9), (4, 3, 3), {}),
    (tg.conv2d, (1, 3, 8, 7), (2, 3, 3, 2), {"stride": (2, 1)}),
    (tg.conv2d, (2, 4, 9, 9), (6, 2, 3, 3), {"groups": 2, "dilation": 2}),
    (tg.conv2d, (1, 4, 6, 6), (4, 1, 3, 3), {"groups": 4}),
    (tg.conv2d, (1, 2, 5, 5), (3, 2, 3, 3), {"padding": 1}),
    (tg.conv2d, (1, 2, 5, 5), (3, 2, 4, 4), {"padding": "same", "padding_mode": "reflect"}),
    (tg.conv3d, (1, 2, 4, 5, 6), (3, 2, 2, 3, 1), {}),
    (tg.convolve2d, (1, 1, 5, 5), (1, 1, 2, 2), {}),
]


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=named)
def test_convolutions(case):
    """One product for every output, input channel of its group and kernel entry, in loops over all of them."""
    operation, x, weight, options = case
    z = operation(np.ones(x), np.ones(weight), **options)
    products = 0
    for _ in np.ndindex(*z.shape):
        for _ in product(range(weight[1]), *map(range, weight[2:])):
            products += 1
    assert recorded(lambda x, w: operation(x, w, **options), x, weight) == products


def test_the_definition_of_a_convolution_does_as_many_products():
    x, weight = (1, 4, 7, 6), (6, 2, 3, 2)
    options = {"stride": (2, 1), "dilation": (1, 2), "groups": 2}
    windows = {"stride": (2, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 2), "groups": 2}
    products = counted(lambda x, w: reference.correlate(x, w, None, **windows), x, weight)
    assert recorded(lambda x, w: tg.conv2d(x, w, **options), x, weight) == products


@pytest.mark.parametrize(
    ("x", "weight", "options"),
    [
        ((1, 2, 3, 4), (2, 3, 2, 2), {"stride": 2}),
        ((2, 4, 3, 3), (4, 1, 3, 3), {"stride": 2, "padding": 1, "groups": 2}),
        ((1, 1, 4), (1, 2, 3), {}),
    ],
)
def test_transposed_convolutions(x, weight, options):
    """Every pixel of x is multiplied with a whole kernel, whatever is cut off the border."""
    operation = tg.conv_transpose1d if len(x) == 3 else tg.conv_transpose2d
    products = sum(weight[1] * prod(weight[2:]) for _ in np.ndindex(*x))
    assert recorded(lambda x, w: operation(x, w, **options), x, weight) == products


def test_the_gradients_of_a_convolution_cost_as_much_as_it_does():
    x = tg.tensor(np.ones((2, 3, 6, 6)), requires_grad=True)
    weight = tg.tensor(np.ones((4, 3, 3, 3)), requires_grad=True)
    z = tg.conv2d(x, weight)
    forward = multiply_adds(z.node)
    for gradient in tg.grad(tg.sum(z * z), [x, weight], create_graph=True):
        walk = {node for node in nodes(gradient) if node.primitive and node.primitive.name != "correlation"}
        assert sum(multiply_adds(node) for node in walk) == forward


def test_what_has_no_products_to_add_up_counts_none():
    x = tg.tensor(np.ones((1, 2, 6, 6)), requires_grad=True)
    for z in (tg.relu(x * x), tg.max_pool2d(x, 2), tg.avg_pool2d(x, 2), tg.layer_norm(x, 6), tg.interpolate(x, 3)):
        assert sum(multiply_adds(node) for node in nodes(z)) == 0


def test_nothing_is_known_of_a_primitive_of_the_users_own():
    @primitive(x=lambda dz: dz)
    def linear(x):
        return x + 1

    assert multiply_adds(linear(tg.tensor(1.0, requires_grad=True)).node) is None


def test_kept_arrays_are_named_by_their_memory():
    x = tg.tensor(np.ones((2, 3)), requires_grad=True)
    y = tg.exp(x)  # keeps its result
    z = tg.reshape(y, (3, 2))
    square = tg.square(z)  # keeps its operand, a view of the same memory
    assert kept_arrays(y.node) == kept_arrays(square.node)
    assert list(kept_arrays(y.node).values()) == [48]
    assert kept_arrays(z.node) == {}
    tg.sum(square).backward()
    assert kept_arrays(square.node) == {}  # freed


def test_statistics_are_kept_too():
    x = tg.tensor(np.ones((4, 3)), requires_grad=True)
    z = tg.layer_norm(x, 3)
    sizes = sorted(kept_arrays(z.node).values())
    assert sizes[-1] == x.data.nbytes
    assert len(sizes) > 1

"""Convolutions, transposed convolutions and poolings of every option: the sums are right, the closed form recognised.

Right are the sums whose values, with numbers put in, equal those of the naive loops, exactly, in fractions.
"""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import oracles
from tests.operands import assert_equal, fractions, tensors, tied_fractions
from tests.window_cases import (
    CONVOLUTIONS,
    CONVOLUTIONS_WITH_BORDERS,
    POOLINGS,
    TRANSPOSED_CONVOLUTIONS,
    TransposedConvolution,
)
from tinygrad_cnn.verify.derivation import derive

BILINEAR = [
    case for case in (*CONVOLUTIONS, *CONVOLUTIONS_WITH_BORDERS, *TRANSPOSED_CONVOLUTIONS) if 0 not in case.x
]
POOLED = [case for case in POOLINGS if 0 not in case.x]


def leaves(case):
    operands = tensors(*case.operands(fractions))
    for leaf, name in zip(operands, "XKB", strict=True):
        leaf.name = name
    return operands


@pytest.mark.parametrize("case", BILINEAR, ids=str)
def test_bilinear(case):
    x, k, b = leaves(case)
    z = case(x, k, b)
    dz = fractions(z.shape, 9)
    expected = case.naive.gradients(x.data, k.data, dz)
    for leaf, number, gradient in zip((x, k, b), (3, 1, 2), expected, strict=True):
        derivation = derive(z, leaf)
        assert_equal(derivation.at_values(dz), gradient)
        assert derivation.closed_form.compared == leaf.size
        assert derivation.closed_form.equation.number == number


@pytest.mark.parametrize("case", [case for case in BILINEAR if case.n == 2][::3], ids=str)
def test_forward(case):
    """The forward sums have the values of the naive loops."""
    x, k, b = leaves(case)
    z = case(x, k, b)
    (stage,) = derive(z, k)._graph.stages
    values = [result.value() for result in stage.results]
    assert_equal(np.array(values, dtype=object).reshape(z.shape), case.naive.value(x.data, k.data, b.data))


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("size", [(5, 7), (6, 6)])
def test_words_of_every_option(stride, padding, dilation, size):
    """The closed form says what is done to dZ, K and X, and what is not done it does not say."""
    x, k = tensors(fractions((1, 1, *size), 1), fractions((1, 1, 3, 2), 2))
    z = tg.conv2d(x, k, stride=stride, padding=padding, dilation=dilation)
    shown = str(derive(z, x).closed_form)
    assert "pad(" in shown
    assert ("dilate(dL/dZ)" in shown) == (stride > 1 and max(z.shape) > 1)
    assert ("(rot180(K))" in shown) == (dilation > 1)
    assert shown.startswith("dL/dX = crop(") == (padding > 0)
    left = [(n + 2 * padding - dilation * (m - 1) - 1) % stride for n, m in zip(size, (3, 2), strict=True)]
    unreached = any(rows > padding for rows in left)
    text = str(derive(z, k))
    assert ("cut(X)" in text) == unreached
    assert ("No window reaches the last" in text) == unreached
    assert ("The border around X is zeros" in text) == (padding > 0)


def test_remainder_is_zero_and_said_so():
    x, k = tensors(fractions((1, 1, 4, 3), 1), fractions((1, 1, 2, 2), 2))
    derivation = derive(tg.conv2d(x, k, stride=2), x)
    text = str(derivation)
    assert "No window reaches the last column of X." in text
    assert "dL/dX13, dL/dX23, dL/dX33, dL/dX43 = 0: no window reached them." in text
    assert derivation.entries["X13"].text() == "dL/dX13 = 0"
    assert "dL/dX13" not in "".join(str(block) for block in derivation.steps[2].blocks)


def test_every_window_in_the_padding():
    """Nothing of X is in Z, and K meets zeros only."""
    x, k = tensors(fractions((1, 1, 1, 1), 1), fractions((1, 1, 1, 1), 2))
    z = tg.conv2d(x, k, stride=3, padding=1)
    for leaf in (x, k):
        derivation = derive(z, leaf)
        assert_equal(derivation.at_values(fractions(z.shape, 3)), np.zeros((1, 1, 1, 1), dtype=object))
        assert derivation.closed_form is not None
        assert len(derivation.partials) == 0
    assert "dL/dK11 = 0: only zeros of the border meet it." in str(derivation)


def test_indices_of_several_images_channels_and_filters():
    x, k, b = tensors(fractions((2, 2, 3, 3), 1), fractions((2, 2, 2, 2), 2), fractions((2,), 3))
    derivation = derive(tg.conv2d(x, k, b), x)
    assert derivation.forward["z2,1,11"].text(200) == (
        "z2,1,11 = X2,1,11 K1,1,11 + X2,1,12 K1,1,12 + X2,1,21 K1,1,21 + X2,1,22 K1,1,22"
        " + X2,2,11 K1,2,11 + X2,2,12 K1,2,12 + X2,2,21 K1,2,21 + X2,2,22 K1,2,22 + B1"
    )
    assert str(derivation.closed_form.equation) == "dL/dX[n,c] = sum over f of pad(dL/dZ[n,f]) (*) rot180(K[f,c])"
    assert "X2,2,12 is image 2, channel 2, row 1, column 2." in str(derivation)


def test_indices_from_10_on_have_commas():
    """X1,11 of two digits run together would be X111, which X11,1 would be as well."""
    x, k = tensors(fractions((1, 1, 1, 12), 1), fractions((1, 1, 1, 2), 2))
    derivation = derive(tg.conv2d(x, k), x)
    assert derivation.forward["z1,11"].text() == "z1,11 = X1,11 K11 + X1,12 K12"
    assert len(set(derivation.entries)) == 12


def test_groups_are_said():
    x, k = tensors(fractions((1, 4, 2, 2), 1), fractions((2, 2, 2, 2), 2))
    text = str(derive(tg.conv2d(x, k, groups=2), k))
    assert "- filter 1 sees channels 1 to 2 alone" in text
    assert "- filter 2 sees channels 3 to 4 alone" in text


def test_textbook_convolution():
    """The kernel is flipped forward, so that it is not on the way back."""
    x, k = tensors(fractions((1, 1, 3, 3), 1), fractions((1, 1, 2, 2), 2))
    z = tg.convolve2d(x, k)
    assert derive(z, x).forward["z11"].text() == "z11 = X11 K22 + X12 K21 + X21 K12 + X22 K11"
    assert str(derive(z, x).closed_form.equation) == "dL/dX = pad(dL/dZ) (*) K"
    assert str(derive(z, k).closed_form.equation) == "dL/dK = rot180(X (*) dL/dZ)"
    assert "zij = sum over u, v of X[i+u-1,j+v-1] K[3-u,3-v]" in str(derive(z, x))


def test_border_of_the_images_own_pixels():
    x, k = tensors(fractions((1, 1, 2, 2), 1), fractions((1, 1, 2, 2), 2))
    z = tg.conv2d(x, k, padding=((0, 1), (0, 0)), padding_mode="symmetric")
    assert derive(z, x).forward["z21"].text() == "z21 = X21 K11 + X22 K12 + X21 K21 + X22 K22"
    assert derive(z, x).entries["X21"].text() == "dL/dX21 = dL/dz11 K21 + dL/dz21 (K11 + K21)"
    assert str(derive(z, x).closed_form.equation) == "dL/dX = fold(pad(dL/dZ) (*) rot180(K))"
    assert "fold: the border's gradient added back to the pixels that it repeats" in str(derive(z, x))


def test_shared_kernel():
    """One kernel for all channels gets the sum of what each of them would give it."""
    x, k = tensors(fractions((1, 2, 2, 2), 1), fractions((1, 1, 2, 2), 2))
    derivation = derive(tg.conv2d(x, tg.broadcast_to(k, (1, 2, 2, 2))), k)
    assert derivation.entries["K12"].text() == "dL/dK12 = dL/dz11 (X1,12 + X2,12)"
    assert derivation.closed_form is not None
    assert "total: the sum over the repetitions" in str(derivation)


def test_one_array_as_image_and_kernel():
    """Both of its formulas add up."""
    (x,) = tensors(fractions((1, 1, 2, 2), 1))
    derivation = derive(tg.conv2d(x, x), x)
    assert derivation.forward["z11"].text() == "z11 = X11^2 + X12^2 + X21^2 + X22^2"
    assert derivation.entries["X11"].text() == "dL/dX11 = 2 dL/dz11 X11"
    assert derivation.closed_form.compared == 4


def test_stamps():
    case = TransposedConvolution("", (1, 1, 2, 2), (1, 1, 2, 2), stride=1)
    x, k, b = leaves(case)
    derivation = derive(case(x, k, b), x)
    assert derivation.forward["z22"].text() == "z22 = X22 K11 + X21 K12 + X12 K21 + X11 K22 + B"
    assert str(derivation.closed_form.equation) == "dL/dX = dL/dZ (*) K"
    assert "z[i+u-1,j+v-1] gets Xij Kuv for all i, j, u, v; and then everywhere B." in str(derivation)


# Pooling


@pytest.mark.parametrize("case", POOLED, ids=str)
@pytest.mark.parametrize("make", [fractions, tied_fractions])
@pytest.mark.parametrize("ties", ["first", "split"])
def test_max_pool(case, make, ties):
    x = tg.tensor(make(case.x, 3), requires_grad=True, name="X")
    z = case.max(x, ties)
    dz = fractions(z.shape, 9)
    derivation = derive(z, x)
    _, winners = oracles.max_pooling(x.data, *case.explicit, ties)
    assert_equal(derivation.at_values(dz), winners.gradient(dz))
    assert derivation.closed_form.compared == x.size


@pytest.mark.parametrize("case", POOLED, ids=str)
@pytest.mark.parametrize("count_include_pad", [True, False])
def test_avg_pool(case, count_include_pad):
    x = tg.tensor(fractions(case.x, 3), requires_grad=True, name="X")
    z = case.average(x, count_include_pad)
    dz = fractions(z.shape, 9)
    derivation = derive(z, x)
    mean = oracles.average_pooling(case.x, *case.explicit, count_include_pad)
    assert_equal(derivation.at_values(dz), mean.gradient(dz))
    assert derivation.closed_form.compared == x.size


def test_winners_are_named():
    x = tg.tensor([[[[1.0, 3.0, 2.0], [0.0, 3.0, 1.0]]]], requires_grad=True, name="X")
    derivation = derive(tg.max_pool2d(x, 2, 1), x)
    assert derivation.forward["z11"].text() == "z11 = max(X11, X12, X21, X22) = X12 = X22 = 3"
    assert derivation.entries["X12"].text() == "dL/dX12 = dL/dz11 + dL/dz12"  # it wins two windows
    assert 'Ties in z11, z12: the gradient is given to the first winner in row-major order (ties="first").' in " ".join(
        str(derivation).split()
    )
    assert "dL/dX11, dL/dX13, dL/dX21, dL/dX22, dL/dX23 = 0: they win no window." in str(derivation)


def test_shared_ties():
    x = tg.tensor([[[[1.0, 3.0], [0.0, 3.0]]]], requires_grad=True, name="X")
    derivation = derive(tg.max_pool2d(x, 2, ties="split"), x)
    assert derivation.partials["dz11/dX12"].text() == "dz11/dX12 = 1/2"
    assert derivation.entries["X22"].text() == "dL/dX22 = 1/2 dL/dz11"
    assert "shared equally by all winners" in str(derivation)


def test_average():
    x = tg.tensor(fractions((1, 1, 2, 3), 1), requires_grad=True, name="X")
    derivation = derive(tg.avg_pool2d(x, 2, 1), x)
    assert derivation.forward["z11"].text() == "z11 = 1/4 (X11 + X12 + X21 + X22)"
    assert derivation.entries["X12"].text() == "dL/dX12 = 1/4 (dL/dz11 + dL/dz12)"
    assert str(derivation.closed_form.equation) == "dL/dX = 1/4 (pad(dL/dZ) (*) ones(2 x 2))"


def test_average_without_the_padding():
    x = tg.tensor(fractions((1, 1, 2, 2), 1), requires_grad=True, name="X")
    derivation = derive(tg.avg_pool2d(x, 2, 1, padding=1, count_include_pad=False), x)
    assert derivation.forward["z12"].text() == "z12 = 1/2 (X11 + X12)"
    assert derivation.entries["X11"].text() == "dL/dX11 = dL/dz11 + 1/2 dL/dz12 + 1/2 dL/dz21 + 1/4 dL/dz22"
    assert str(derivation.closed_form.equation) == "dL/dX = crop(pad(dL/dZ/m) (*) ones(2 x 2))"

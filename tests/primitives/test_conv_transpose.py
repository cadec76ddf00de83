"""What is particular to transposed convolution: it is the transpose, the sizes it can return to, bad input."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_equal, assert_exact, fractions, integers, tensors
from tests.refusals import refused
from tests.window_cases import CONVOLUTIONS, by_name


@by_name(CONVOLUTIONS)
def test_it_is_the_transpose_of_the_convolution(case):
    """<conv(X), Y> = <X, conv_transpose(Y)> with the same kernel, padding, stride, dilation and groups."""
    x, weight, _ = case.operands(fractions)
    stride, pads, dilation, groups = case.explicit
    y = fractions(case.naive.z_shape, 4)
    transposed = getattr(tg, f"conv_transpose{case.n}d")
    back = transposed(y, weight, None, stride, pads, groups=groups, dilation=dilation, output_size=case.x[2:])
    assert (case(x, weight) * y).sum() == (x * back).sum()


def test_output_size_formula():
    for n in range(1, 6):
        for k in range(1, 5):
            for s in range(1, 4):
                for p in range(((n - 1) * s + k + 1) // 2):
                    z = tg.conv_transpose1d(np.ones((1, 1, n)), np.ones((1, 1, k)), stride=s, padding=p)
                    assert z.shape == (1, 1, (n - 1) * s + k - 2 * p)


def test_same_gives_size_times_stride_the_middle_of_the_whole():
    for n in range(1, 6):
        for k in range(1, 6):
            for s in range(1, 5):
                for d in range(1, 3):
                    x, weight = fractions((1, 1, n), 1), fractions((1, 1, k), 2)
                    whole = tg.conv_transpose1d(x, weight, stride=s, dilation=d)[0, 0]
                    same = tg.conv_transpose1d(x, weight, stride=s, dilation=d, padding="same")[0, 0]
                    assert same.shape == (n * s,)
                    start = max(len(whole) - n * s, 0) // 2
                    middle = whole[start : start + n * s]
                    assert_equal(same[: len(middle)], middle)
                    assert not same[len(middle) :].any()


def test_every_legal_output_size_convolves_back_to_the_input_size_and_no_other_is_taken():
    for n in range(1, 5):
        for k in range(1, 4):
            for s in range(1, 4):
                x, weight = tensors(fractions((1, 1, n), 1), fractions((1, 1, k), 2))
                least = (n - 1) * s + k
                for size in range(least, least + s):
                    z = tg.conv_transpose1d(x, weight, stride=s, output_size=size)
                    assert z.shape == (1, 1, size)
                    assert_exact(z, tg.conv_transpose1d(x, weight, stride=s, output_padding=size - least).data)
                    assert tg.conv1d(z, weight, stride=s).shape == x.shape
                legal = f"{least}..{least + s - 1}" if s > 1 else f"{least}"
                for size in (least - 1, least + s):
                    if size > 0:
                        with refused("conv_transpose1d", ValueError, f"({size},)", f"legal sizes {legal}"):
                            tg.conv_transpose1d(x.data, weight.data, stride=s, output_size=size)


def test_its_gradient_is_the_plain_convolution_of_the_upstream_gradient():
    X, K, B = tensors(fractions((1, 2, 3, 2), 1), fractions((2, 3, 2, 3), 2), fractions((3,), 3))
    z = tg.conv_transpose2d(X, K, B, stride=2, padding=1)
    dz = fractions(z.shape, 4)
    z.backward(dz)
    assert_exact(X.grad, tg.conv2d(dz, K.data, stride=2, padding=1))
    assert_exact(B.grad, dz.sum(axis=(0, 2, 3)))


IMAGES, KERNELS = (2, 4, 3, 2), (4, 3, 3, 2)  # two groups, six filters

BAD = {
    "one image": ({"x": (4, 3, 2)}, ValueError, "x must have 4 axes (N, C, H, W) but has shape (4, 3, 2)", "x[None]"),
    "kernel of three axes": ({"weight": (4, 3, 2)}, ValueError, "weight must have 4 axes", "(4, 3, 2)"),
    "kernel without entries": ({"weight": (4, 3, 0, 3)}, ValueError, "at least one entry", "(0, 3)"),
    "an image without pixels": ({"x": (2, 4, 0, 2)}, ValueError, "at least one pixel", "(2, 4, 0, 2)"),
    "channels": ({"x": (2, 6, 3, 2)}, ValueError, "expects 4 input channels", "(4, 3, 3, 2)", "x has 6"),
    "groups that do not divide": ({"groups": 3}, ValueError, "groups must divide the 4 channels", "is 3"),
    "no groups": ({"groups": 0}, ValueError, "groups must be at least 1 but is 0"),
    "half a group": ({"groups": 0.5}, TypeError, "groups must be an integer but is 0.5"),
    "bias": ({"bias": (3,)}, ValueError, "bias must have shape (6,) for 6 filters", "(3,)"),
    "stride 0": ({"stride": (0, 1)}, ValueError, "stride must be at least 1 but is (0, 1)"),
    "negative stride": ({"stride": -2}, ValueError, "stride must be at least 1 but is -2"),
    "fractional stride": ({"stride": 2.0}, TypeError, "stride must be an integer but is 2.0"),
    "dilation 0": ({"dilation": 0}, ValueError, "dilation must be at least 1 but is 0"),
    "negative padding": ({"padding": (0, -1)}, ValueError, "padding must be at least 0 but is (0, -1)"),
    "an unknown word for a padding": ({"padding": "sane"}, ValueError, "'valid', 'same', 'full'", "'sane'"),
    "an array for a padding": ({"padding": np.array([1, 1])}, TypeError, "padding must be an integer", "array([1, 1])"),
    "padding that takes everything off": ({"padding": 2}, ValueError, "takes everything off", "(5, 3)", "(1, -1)"),
    "full padding that takes everything off": ({"x": (2, 4, 2, 1), "padding": "full"}, ValueError, "off", "(0, 0)"),
    "output padding of the stride": (
        {"stride": 2, "output_padding": (1, 2)}, ValueError, "must be smaller than stride (2, 2)", "is (1, 2)",
    ),
    "output padding without a stride": ({"output_padding": 1}, ValueError, "smaller than stride (1, 1)", "is (1, 1)"),
    "negative output padding": ({"output_padding": -1}, ValueError, "output_padding must be at least 0 but is -1"),
    "fractional output padding": ({"output_padding": 0.5}, TypeError, "output_padding must be an integer but is 0.5"),
    "output padding and size": (
        {"stride": 2, "output_padding": 1, "output_size": (8, 5)}, ValueError, "must be 0", "(1, 1)", "(8, 5)",
    ),
    "output padding and same": (
        {"stride": 2, "output_padding": 1, "padding": "same"}, ValueError, "must be 0", "(1, 1)", "'same'",
    ),
    "output size too small": ({"stride": 2, "output_size": (6, 4)}, ValueError, "(6, 4)", "legal sizes 7..8 x 4..5"),
    "output size too large": ({"stride": (2, 1), "output_size": (7, 4)}, ValueError, "(7, 4)", "legal sizes 7..8 x 3"),
    "output size where the padding takes more than all": (
        {"x": (2, 4, 1, 1), "stride": 8, "padding": ((2, 2), (1, 1)), "output_size": (8, 8)},
        ValueError, "(8, 8)", "legal sizes 1..6 x 1..7",
    ),
    "output size, and padding that leaves none": (
        {"padding": 3, "output_size": (1, 1)}, ValueError, "takes everything off", "(5, 3)", "(-1, -3)",
    ),
    "output size 0": ({"output_size": 0}, ValueError, "output_size must be at least 1 but is 0"),
    "three output sizes": ({"output_size": (5, 3, 1)}, ValueError, "output_size expects an integer or 2", "(5, 3, 1)"),
    "fractional output size": ({"output_size": 5.0}, TypeError, "output_size must be an integer but is 5.0"),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_input_is_refused_by_name(bad):
    change, error, *texts = bad
    arguments = {"x": IMAGES, "weight": KERNELS, "bias": (6,), "groups": 2} | change
    leaves = [tg.tensor(integers(arguments.pop(name), 1), requires_grad=True) for name in ("x", "weight", "bias")]
    for leaf in leaves:
        (leaf * leaf).sum().backward()
    with refused("conv_transpose2d", error, *texts, tensors=leaves):
        tg.conv_transpose2d(*leaves, **arguments)


@pytest.mark.parametrize(
    ("operation", "layout"), [("conv_transpose1d", "(N, C, W)"), ("conv_transpose3d", "(N, C, D, H, W)")]
)
def test_each_number_of_axes_has_its_own_name_and_layout(operation, layout):
    with refused(operation, ValueError, f"{layout} but has shape (1, 1, 4, 4)"):
        getattr(tg, operation)(np.ones((1, 1, 4, 4)), np.ones((1, 1, 2, 2)))

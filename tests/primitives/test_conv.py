"""What is particular to convolution: sizes, paddings, the textbook's kind, borders, shared kernels, bad input."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import oracles
from tests.finite_differences import check_gradients
from tests.operands import assert_equal, assert_exact, fractions, integers, normals, tensors
from tests.refusals import refused
from tests.window_cases import CONVOLUTIONS, CONVOLUTIONS_WITH_BORDERS, OTHER_MODES, by_name


def test_output_size_formula():
    for n in range(1, 9):
        for p in range(3):
            for f in range(1, n + 2 * p + 1):
                for s in range(1, 5):
                    z = tg.conv1d(np.ones((1, 1, n)), np.ones((1, 1, f)), stride=s, padding=p)
                    assert z.shape == (1, 1, (n + 2 * p - f) // s + 1)


def test_same_gives_size_over_stride_rounded_up_and_full_every_window_that_touches():
    for n in range(1, 9):
        x = np.ones((1, 1, n))
        for f in range(1, 6):
            for s in range(1, 5):
                for d in range(1, 3):
                    options = {"stride": s, "dilation": d}
                    assert tg.conv1d(x, np.ones((1, 1, f)), padding="same", **options).shape[2] == -(-n // s)
                    full = tg.conv1d(x, np.ones((1, 1, f)), padding="full", **options)
                    assert full.shape[2] == -(-(n + d * (f - 1)) // s)


@pytest.mark.parametrize("padding", [np.int64(1), (1, 1), [1, 1], ((1, 1), (1, 1)), [[1, 1], (1, 1)], "same"])
def test_every_way_to_write_the_same_padding(padding):
    x, weight = integers((1, 1, 5, 5), 1), integers((1, 1, 3, 3), 2)
    assert_equal(tg.conv2d(x, weight, padding=padding), tg.conv2d(x, weight, padding=1))


@by_name(CONVOLUTIONS + CONVOLUTIONS_WITH_BORDERS)
def test_textbook_convolution_flips_the_kernel_on_all_spatial_axes(case):
    x, weight, bias = case.operands(fractions)

    def flipped(i):
        return (*i[:2], *(-1 - u for u in i[2:]))

    flip = np.empty_like(weight)
    for i in oracles.indices(weight.shape):
        flip[i] = weight[flipped(i)]
    X, K, B = tensors(x, weight, bias)
    z = getattr(tg, f"convolve{case.n}d")(X, K, B, **case.options)
    assert_exact(z, case.naive.value(x, flip, bias))
    dz = fractions(z.shape, 4)
    z.backward(dz)
    dX, d_flip, dB = case.naive.gradients(x, flip, dz)
    assert_exact(X.grad, dX)
    assert_exact(B.grad, dB)
    for i in oracles.indices(weight.shape):
        assert K.grad.data[i] == d_flip[flipped(i)]


def test_textbook_convolution_of_one_axis_is_numpys():
    for n in range(1, 6):
        for k in range(1, 6):
            x, weight = integers((n,), 1), integers((k,), 2)
            for padding in ("full", "valid"):
                if k <= n or padding == "full":  # for "valid" NumPy would swap them
                    z = tg.convolve1d(x[None, None], weight[None, None], padding=padding)
                    assert_equal(z[0, 0], np.convolve(x, weight, padding))


def test_textbook_convolution_is_associative_and_correlation_is_not():
    image, a, b = fractions((1, 1, 4, 4), 1), fractions((1, 1, 2, 3), 2), fractions((1, 1, 3, 2), 3)

    def both_ways(convolve):
        left = convolve(convolve(image, a, padding="full"), b, padding="full")
        return left, convolve(image, convolve(a, b, padding="full"), padding="full")

    assert_equal(*both_ways(tg.convolve2d))
    assert not np.array_equal(*both_ways(tg.conv2d))


def test_the_three_backward_formulas():
    """dK = X (*) dZ, dB = sum of dZ, dX = (zero-padded dZ) (*) (K rotated by 180 degrees), lecture 14."""
    x, weight, dz = fractions((1, 1, 5, 4), 1), fractions((1, 1, 3, 2), 2), fractions((1, 1, 3, 3), 3)
    X, K, B = tensors(x, weight, fractions((1,), 4))
    tg.conv2d(X, K, B).backward(dz)
    assert_exact(K.grad, tg.conv2d(x, dz))
    assert_exact(B.grad, np.array([dz.sum()]))
    border = ((0, 0), (0, 0), (2, 2), (1, 1))
    assert_exact(X.grad, tg.conv2d(tg.pad(dz, border), tg.rot180(weight)))
    assert_exact(X.grad, tg.conv2d(dz, tg.rot180(weight), padding="full"))


def test_integer_images_are_constants_of_a_float_kernel():
    weight = tg.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], requires_grad=True)
    z = tg.conv2d(np.arange(9).reshape(1, 1, 3, 3), weight)
    assert z.tolist() == [[[[27.0, 37.0], [57.0, 67.0]]]]
    z.sum().backward()
    assert weight.grad.tolist() == [[[[8.0, 12.0], [20.0, 24.0]]]]


def test_nan_and_infinity_stay_in_their_windows():
    x = np.array([[[np.nan, 0.0, 0.0, 0.0, np.inf]]])
    assert_equal(tg.conv1d(x, np.ones((1, 1, 2))), np.array([[[np.nan, 0.0, 0.0, np.inf]]]))


# Borders of the image's own pixels


@pytest.mark.parametrize("mode", OTHER_MODES)
def test_an_even_image_stays_even_to_its_border(mode):
    """A kernel that averages darkens the border pixels next to zeros, and no other border."""
    x, box = np.full((1, 1, 4, 5), 9), np.ones((1, 1, 3, 3), int)
    assert_equal(tg.conv2d(x, box, padding="same", padding_mode=mode), np.full((1, 1, 4, 5), 81))
    assert tg.conv2d(x, box, padding="same")[0, 0, 0].tolist() == [36, 54, 54, 54, 36]


def test_a_circular_convolution_moves_with_the_image():
    """Translation equivariance, which every other border breaks."""
    x, weight = fractions((1, 2, 4, 5), 1), fractions((2, 2, 3, 3), 2)
    options = {"padding": "same", "padding_mode": "circular"}
    z = tg.conv2d(x, weight, **options)
    moved = np.roll(x, (1, 2), axis=(2, 3))
    assert_equal(tg.conv2d(moved, weight, **options), np.roll(z, (1, 2), axis=(2, 3)))


def test_a_mirrored_convolution_mirrors_with_the_image():
    x, weight = fractions((1, 1, 4, 5), 1), fractions((1, 1, 3, 3), 2)
    for mode in OTHER_MODES:
        options = {"padding": 1, "padding_mode": mode}
        turned = tg.conv2d(tg.rot180(x), tg.rot180(weight), **options)
        assert_equal(turned, tg.rot180(tg.conv2d(x, weight, **options)))


@pytest.mark.parametrize("mode", OTHER_MODES)
def test_a_border_of_zeros_alone_is_the_kernels_own(mode):
    """Padding with zeros records no node of its own; where there is nothing to pad, neither does another mode."""
    X, K = tensors(integers((1, 1, 3, 3), 1), integers((1, 1, 2, 2), 2))
    assert tg.conv2d(X, K, padding=1).node.parents == (X.node, K.node)
    assert tg.conv2d(X, K, padding_mode=mode).node.parents == (X.node, K.node)
    padded, kernel = tg.conv2d(X, K, padding=1, padding_mode=mode).node.parents
    assert (padded.primitive.name, padded.parents, kernel) == ("pad", (X.node,), K.node)


# One kernel for all channels of a filter: a kernel that is broadcast


SHARED = [
    ((2, 3, 5, 4), (4, 1, 3, 2), {"stride": 2, "padding": 1}, 1),
    ((1, 4, 4, 4), (6, 1, 2, 3), {"dilation": 2, "padding": "full"}, 2),
    ((1, 3, 3, 3), (2, 1, 3, 3), {"padding": 1, "padding_mode": "symmetric"}, 1),
    ((2, 1, 3, 3), (2, 1, 1, 1), {}, 1),
]


@pytest.mark.parametrize(("images", "kernels", "options", "groups"), SHARED)
def test_a_kernel_shared_by_the_channels_is_one_repeated_and_gets_the_sum_of_the_gradients(
    images, kernels, options, groups
):
    full = (kernels[0], images[1] // groups, *kernels[2:])
    x, weight = fractions(images, 1), fractions(kernels, 2)
    repeated = np.empty(full, dtype=object)
    for f, c, u, v in oracles.indices(full):
        repeated[f, c, u, v] = weight[f, 0, u, v]
    shared, separate = tensors(weight, repeated)
    X, Y = tensors(x, x)
    z = tg.conv2d(X, tg.broadcast_to(shared, full), groups=groups, **options)
    wanted = tg.conv2d(Y, separate, groups=groups, **options)
    assert_exact(z, wanted.data)
    dz = fractions(z.shape, 3)
    z.backward(dz)
    wanted.backward(dz)
    assert_exact(X.grad, Y.grad.data)
    total = oracles.zeros(kernels)
    for f, c, u, v in oracles.indices(full):
        total[f, 0, u, v] += separate.grad.data[f, c, u, v]
    assert_exact(shared.grad, total)

    # The same as one channel that is the sum of all, where they are in one group.
    if groups == 1:
        summed = tg.conv2d(x.sum(axis=1, keepdims=True), weight, **options)
        assert_exact(z, summed)


def test_gradients_of_a_shared_kernel_are_central_differences():
    def convolve(x, weight):
        return tg.conv2d(x, tg.broadcast_to(weight, (2, 3, 2, 2)), stride=2, padding=1) ** 2

    check_gradients(convolve, normals((1, 3, 3, 4), 1), normals((2, 1, 2, 2), 2), order=2)


IMAGES, KERNELS = (2, 4, 5, 6), (6, 2, 3, 2)  # two groups

BAD = {
    "one image": ({"x": (4, 5, 6)}, ValueError, "x must have 4 axes (N, C, H, W) but has shape (4, 5, 6)", "x[None]"),
    "five axes": ({"x": (1, 2, 4, 5, 6)}, ValueError, "4 axes (N, C, H, W)", "(1, 2, 4, 5, 6)"),
    "a number": ({"x": ()}, ValueError, "4 axes (N, C, H, W)", "shape ()"),
    "kernel of three axes": ({"weight": (6, 2, 3)}, ValueError, "weight must have 4 axes", "(6, 2, 3)"),
    "kernel without entries": ({"weight": (6, 2, 0, 3)}, ValueError, "at least one entry", "(0, 3)"),
    "channels": ({"x": (2, 3, 5, 6)}, ValueError, "weight expects 4 input channels", "x has 3 (shape (2, 3, 5, 6))"),
    "channels a group": ({"groups": 1}, ValueError, "expects 2 input channels", "(6, 2, 3, 2)", "groups 1", "x has 4"),
    "groups that do not divide": ({"groups": 4}, ValueError, "groups must divide the 6 filters", "is 4"),
    "no groups": ({"groups": 0}, ValueError, "groups must be at least 1", "0"),
    "half a group": ({"groups": 0.5}, TypeError, "groups must be an integer", "0.5"),
    "a truth for groups": ({"groups": True}, TypeError, "groups must be an integer", "True"),
    "bias": ({"bias": (4,)}, ValueError, "bias must have shape (6,) for 6 filters", "(4,)"),
    "bias with axes": ({"bias": (1, 6, 1, 1)}, ValueError, "bias must have shape (6,)", "(1, 6, 1, 1)"),
    "an image without pixels": ({"x": (2, 4, 0, 6), "padding": 1}, ValueError, "at least one pixel", "(0, 6)"),
    "kernel larger than the image": ({"weight": (6, 2, 6, 2)}, ValueError, "(6, 2)", "padded input of (5, 6)"),
    "kernel larger than the padded image": (
        {"weight": (6, 2, 3, 9), "padding": 1}, ValueError, "(3, 9)", "padded input of (7, 8)", "input (5, 6)",
    ),
    "dilated kernel larger than the image": ({"dilation": 3}, ValueError, "(7, 4)", "padded input of (5, 6)"),
    "stride 0": ({"stride": 0}, ValueError, "stride must be at least 1 but is 0"),
    "stride 0 on one axis": ({"stride": (2, 0)}, ValueError, "stride must be at least 1 but is (2, 0)"),
    "negative stride": ({"stride": -1}, ValueError, "stride must be at least 1 but is -1"),
    "fractional stride": ({"stride": 1.0}, TypeError, "stride must be an integer but is 1.0"),
    "three strides": ({"stride": (1, 1, 1)}, ValueError, "stride expects an integer or 2 of them", "(1, 1, 1)"),
    "a word for a stride": ({"stride": "2"}, TypeError, "stride must be an integer but is '2'"),
    "no stride": ({"stride": None}, TypeError, "stride must be an integer but is None"),
    "dilation 0": ({"dilation": (0, 1)}, ValueError, "dilation must be at least 1 but is (0, 1)"),
    "negative padding": ({"padding": -1}, ValueError, "padding must be at least 0 but is -1"),
    "negative padding on one side": ({"padding": ((0, -1), (0, 0))}, ValueError, "at least 0 but is (0, -1)"),
    "fractional padding": ({"padding": 0.5}, TypeError, "padding must be an integer but is 0.5"),
    "an unknown word for a padding": ({"padding": "sane"}, ValueError, "'valid', 'same', 'full'", "'sane'"),
    "three paddings": ({"padding": (1, 1, 1)}, ValueError, "padding expects an integer or 2 of them", "(1, 1, 1)"),
    "one pair of paddings": ({"padding": ((1, 1),)}, ValueError, "padding expects 2 pairs", "((1, 1),)"),
    "pairs of three": ({"padding": ((1, 1, 1), (1, 1, 1))}, ValueError, "padding", "2 of them", "(1, 1, 1)"),
    "an array for a padding": ({"padding": np.array([1, 1])}, TypeError, "padding must be an integer", "array([1, 1])"),
    "an unknown mode": (
        {"padding_mode": "mirror"}, ValueError,
        "padding_mode must be one of 'zeros', 'reflect', 'replicate', 'circular', 'symmetric' but is 'mirror'",
    ),
    "NumPy's mode": ({"padding_mode": "edge", "padding": 1}, ValueError, "is 'edge', which is 'replicate' here"),
    "no mode": ({"padding_mode": None}, ValueError, "padding_mode must be one of", "None"),
    "a mode and a kernel larger than the padded image": (
        {"padding_mode": "reflect", "padding": 1, "weight": (6, 2, 3, 9)}, ValueError, "padded input of (7, 8)",
    ),
    "a mode and an image without pixels": (
        {"padding_mode": "circular", "padding": 3, "x": (2, 4, 0, 6)}, ValueError, "at least one pixel", "(0, 6)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("operation", ["conv2d", "convolve2d"])
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_input_is_refused_by_name(operation, bad):
    change, error, *texts = bad
    arguments = {"x": IMAGES, "weight": KERNELS, "bias": (6,), "groups": 2} | change
    leaves = [tg.tensor(integers(arguments.pop(name), 1), requires_grad=True) for name in ("x", "weight", "bias")]
    for leaf in leaves:
        (leaf * leaf).sum().backward()
    with refused(operation, error, *texts, tensors=leaves):
        getattr(tg, operation)(*leaves, **arguments)


@pytest.mark.parametrize(
    ("operation", "layout"),
    [
        ("conv1d", "(N, C, W)"),
        ("conv3d", "(N, C, D, H, W)"),
        ("convolve1d", "(N, C, W)"),
        ("convolve3d", "(N, C, D, H, W)"),
    ],
)
def test_each_number_of_axes_has_its_own_name_and_layout(operation, layout):
    with refused(operation, ValueError, f"{layout} but has shape (1, 1, 4, 4)"):
        getattr(tg, operation)(np.ones((1, 1, 4, 4)), np.ones((1, 1, 2, 2)))


def test_integers_have_no_gradient():
    with refused("requires_grad", ValueError, "floating-point", "int64"):
        tg.tensor([[[[1, 2]]]], requires_grad=True)


@pytest.mark.parametrize("wrong", [(1.0, 1), (True, 1), [1, 1.0], 1.0, True])
def test_what_equals_a_right_argument_is_refused_after_it_too(wrong):
    x, k = np.ones((1, 1, 5, 5)), np.ones((1, 1, 3, 3))
    for right in (1, (1, 1), [1, 1], np.int64(1)):
        assert tg.conv2d(x, k, stride=right).shape == (1, 1, 3, 3)
        assert tg.max_pool2d(x, 3, stride=right).shape == (1, 1, 3, 3)
        for operation in (lambda: tg.conv2d(x, k, stride=wrong), lambda: tg.max_pool2d(x, 3, stride=wrong)):
            with pytest.raises(TypeError, match=r"stride must be an integer but is"):
                operation()


def test_an_integer_of_another_class_is_a_stride():
    class Two:
        def __index__(self):
            return 2

    x, k = np.arange(25.0).reshape(1, 1, 5, 5), np.ones((1, 1, 3, 3))
    assert tg.conv2d(x, k, stride=Two()).tolist() == tg.conv2d(x, k, stride=2).tolist()

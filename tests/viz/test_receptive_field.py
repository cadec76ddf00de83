"""Receptive fields, against what the units do depend on.

Two oracles, which know nothing of windows: the support of the gradient of a unit, in networks of positive numbers in
which nothing cancels; and a row of the input made NaN, which makes every unit NaN that is computed from it, also
through a maximum.
"""

from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.verify.primitive_table import MODULES
from tinygrad_cnn import nn
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.primitives.shape import scatter
from tinygrad_cnn.viz.receptive_field import receptive_fields
from tinygrad_cnn.viz.receptive_field.rules import RULES
from tinygrad_cnn.walk import nodes


def positive(shape, seed=0):
    return np.random.default_rng(seed).uniform(0.5, 1.5, shape)


def image(*shape):
    return tg.tensor(positive(shape), requires_grad=True, name="x")


def field_of(function, x):
    """The receptive field of a function's result, or None; and the result."""
    z = function(x)
    return receptive_fields(nodes(z), x.node)[z.node], z


def places_of(z, axes):
    return np.ndindex(z.shape[z.ndim - axes :])


def ends(numbers):
    return (int(min(numbers)), int(max(numbers))) if len(numbers) else None


def by_gradient(z, x, place):
    """The first and last pixel on each axis where the gradient of the units at a place is not zero."""
    (gradient,) = tg.grad(z[(..., *place)].sum(), x)
    support = np.nonzero(gradient.numpy())
    return tuple(ends(axis) for axis in support[2:])


def by_poison(function, x, axes):
    """For every place, the first and last pixel on each axis whose NaN arrives there."""
    arrived = []
    for axis in range(2, x.ndim):
        per_pixel = []
        for i in range(x.shape[axis]):
            poisoned = x.numpy().copy()
            poisoned[(*(slice(None),) * axis, i)] = np.nan
            z = np.isnan(np.asarray(function(tg.tensor(poisoned, requires_grad=True)).numpy()))
            per_pixel.append(z.reshape(-1, *z.shape[z.ndim - axes :]).any(axis=0))
        arrived.append(np.array(per_pixel))
    shape = arrived[0].shape[1:]
    return {place: tuple(ends(np.nonzero(each[(slice(None), *place)])[0]) for each in arrived)
            for place in np.ndindex(shape)}  # fmt: skip


def check(function, x, axes=None, gradient=True, poison=True):
    """The field of every unit is what the oracles say; returns what is said of the axes."""
    field, z = field_of(function, x)
    axes = x.ndim - 2 if axes is None else axes
    poisoned = by_poison(function, x, axes) if poison else {}
    for place in places_of(z, axes):
        if gradient:
            assert field.of(*place) == by_gradient(z, x, place), place
        if poison:
            assert field.of(*place) == poisoned[place], place
    return field.axes


def kernel(*shape):
    return tg.tensor(positive(shape, 1))


def conv(size, channels=2, filters=2, **options):
    sizes = size if isinstance(size, tuple) else (size, size)
    weight = kernel(filters, channels // options.get("groups", 1), *sizes)
    return lambda x: tg.conv2d(x, weight, **options)


def up(size, channels=2, filters=2, **options):
    weight = kernel(channels, filters // options.get("groups", 1), size, size)
    return lambda x: tg.conv_transpose2d(x, weight, **options)


def chain(*functions):
    def run(x):
        for function in functions:
            x = function(x)
        return x

    return run


def skip(inner, outer=lambda x: x):
    return lambda x: inner(x) + outer(x)


def unet(x):
    """Down, up again by a transposed convolution, and the skip joined on."""
    first = conv(3, padding=1)(x)
    below = conv(3, padding=1)(tg.max_pool2d(first, 2))
    return conv(3, 4, padding=1)(tg.concatenate([up(2, stride=2)(below), first], axis=1))


def dense(x):
    """Branches with different fields in different channels."""
    y = tg.concatenate([x, conv(3, padding=1)(x), conv(5, padding=2)(x)], axis=1)
    return conv(3, 6, 4, padding=1, groups=2)(y)


def shuffled(x):
    """Halves of the channels go different ways and are mixed, as in ShuffleNet."""
    y = tg.concatenate([x[:, :1], conv(3, 1, 1, padding=1)(x[:, 1:])], axis=1)
    n, _, h, w = y.shape
    return tg.reshape(tg.transpose(tg.reshape(y, (n, 1, 2, h, w)), (0, 2, 1, 3, 4)), (n, 2, h, w))[:, :1]


def squeezed(x):
    """A gate for each channel from the whole image."""
    return conv(3)(x) * tg.mean(x, axis=(2, 3), keepdims=True)


# (function, shape of x, size, stride, start of the first unit's field on each axis; the numbers worked out by hand)
REGULAR = {
    "two 3x3": (chain(conv(3), conv(3)), (8, 8), 5, 1, 0),
    "one 5x5": (conv(5), (8, 8), 5, 1, 0),
    "strides and paddings": (chain(conv(3, stride=2, padding=1), conv(3, padding=1)), (11, 12), 7, 2, -3),
    "an even kernel": (chain(conv(4, padding=((1, 2), (2, 1))), conv(2, stride=2)), (9, 9), 5, 2, (-1, -2)),
    "other axes": (conv((1, 3), stride=(1, 2), dilation=(1, 2)), (5, 9), (1, 5), (1, 2), 0),
    "dilation": (chain(conv(3, dilation=2), conv(3, dilation=3, padding=3)), (14, 14), 11, 1, -3),
    "windows of padding alone": (chain(conv(1, padding=2), conv(2)), (4, 4), 2, 1, -2),
    "pooling": (chain(conv(3), lambda x: tg.avg_pool2d(x, 2), conv(3)), (13, 12), 8, 2, 0),
    "pooling that overlaps": (lambda x: tg.avg_pool2d(x, 3, 2, padding=1), (9, 8), 3, 2, -1),
    "ceil_mode": (lambda x: tg.avg_pool2d(x, 3, 2, ceil_mode=True), (8, 8), 3, 2, 0),
    "skip": (skip(chain(conv(3, padding=1), conv(3, padding=1)), conv(1)), (9, 7), 5, 1, -2),
    "skip with a stride": (skip(conv(3, stride=2, padding=1), conv(1, stride=2)), (9, 9), 3, 2, -1),
    "skip of a cut": (skip(conv(3), lambda x: x[:, :, 1:-1, 1:-1]), (7, 7), 3, 1, 0),
    "slices with a pace": (lambda x: conv(3)(x[:, :, ::2, 1::3]), (13, 17), (5, 7), (2, 3), (0, 1)),
    "slices from behind": (lambda x: conv(2)(x[:, :, ::-1, 7:0:-2]), (6, 8), (2, 3), (1, 2), (4, 5)),
    "a flip": (chain(lambda x: tg.flip(x, 2), conv(3)), (6, 6), 3, 1, (3, 0)),
    "upsampling by zeros": (up(2, stride=2), (4, 4), 1, Fraction(1, 2), 0),
    "a kernel that overlaps": (up(3, stride=2, padding=1), (4, 5), 2, Fraction(1, 2), 0),
    "a kernel with holes": (up(2, stride=3), (4, 4), 1, Fraction(1, 3), 0),
    "up and down": (chain(up(3, stride=2, padding=1), conv(3, stride=2, padding=1)), (6, 6), 3, 1, -1),
    "down and up": (chain(conv(3, stride=2, padding=1), up(4, stride=2, padding=1)), (8, 8), 5, 1, -3),
    "a dilated stamp": (up(3, stride=2, dilation=3), (4, 4), 4, Fraction(1, 2), -3),
    "nearest": (chain(lambda x: tg.interpolate(x, scale_factor=2), conv(3, padding=1)), (4, 4), 2, Fraction(1, 2), -1),
    "an odd nearest": (lambda x: tg.interpolate(x, size=(10, 7)), (7, 10), 1, (Fraction(7, 10), Fraction(10, 7)), 0),
    "bilinear": (lambda x: tg.interpolate(x, scale_factor=2, mode="bilinear"), (5, 6), 2, Fraction(1, 2), -1),
    "corners": (lambda x: tg.interpolate(x, size=(7, 7), mode="bilinear", align_corners=True), (4, 4), 2, 0.5, 0),
    "smaller": (lambda x: tg.interpolate(x, size=(4, 5), mode="bilinear", antialias=True), (8, 10), 4, 2, -1),
    "area": (lambda x: tg.interpolate(x, size=(4, 2), mode="area"), (10, 6), (3, 3), (2.5, 3), 0),
    "adaptive": (lambda x: tg.adaptive_avg_pool2d(x, (3, 4)), (7, 8), (3, 2), (Fraction(7, 3), 2), 0),
    "repeat": (lambda x: conv(2)(tg.repeat(tg.repeat(x, 2, axis=2), 3, axis=3)), (4, 4), 2, (0.5, Fraction(1, 3)), 0),
    "sub-pixel": (chain(conv(3, 2, 8, padding=1), lambda x: tg.pixel_shuffle(x, 2), conv(3)), (5, 5), 4, 0.5, -1),
    "space to depth": (chain(lambda x: tg.pixel_unshuffle(x, 2), conv(2, 8)), (8, 6), 4, 2, 0),
    "branches": (dense, (9, 8), 7, 1, -3),
    "half of the channels": (shuffled, (5, 5), 1, 1, 0),
    "local response": (lambda x: tg.local_response_norm(conv(3)(x), 3), (6, 6), 3, 1, 0),
    "batch norm": (chain(conv(3), nn.BatchNorm2d(2).astype("float64").eval()), (6, 6), 3, 1, 0),
    "channels last": (
        lambda x: tg.layer_norm(x.transpose((0, 2, 3, 1)), 2).transpose((0, 3, 1, 2))[:, :, 1:], (5, 5), 1, 1, (1, 0)
    ),
    "grouped and depthwise": (chain(conv(3, groups=2), conv(1)), (6, 6), 3, 1, 0),
}  # fmt: skip
CANCELLING = {"channels last", "batch norm", "local response"}  # derivatives of either sign, which may be tiny


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


@pytest.mark.parametrize("name", REGULAR)
def test_regular_fields(name):
    function, size, *expected = REGULAR[name]
    axes = check(function, image(1, 2, *size), gradient=name not in CANCELLING)
    found = [(axis.size, axis.stride, axis.start, axis.is_whole) for axis in axes]
    assert found == [(*wanted, False) for wanted in zip(*map(pair, expected), strict=True)]


WHOLE = (None, None, True)

# (function, shape of x, (size, stride, start, is_whole) on each axis): fields that don't follow each other at one pace
OTHER = {
    "flatten keeps the size": (chain(conv(3), nn.Flatten()), (5, 6), [(3, None, None, False)] * 2),
    "a linear layer sees all": (
        chain(conv(3), nn.Flatten(), nn.Linear(24, 2, dtype="float64")), (5, 6), [(5, *WHOLE), (6, *WHOLE)]
    ),
    "global pooling": (chain(conv(3, padding=1), tg.global_avg_pool), (5, 6), [(5, *WHOLE), (6, *WHOLE)]),
    "adaptive to one": (lambda x: tg.adaptive_avg_pool2d(x, 1), (5, 6), [(5, *WHOLE), (6, *WHOLE)]),
    "the mean of a row": (lambda x: tg.mean(conv((1, 3))(x), axis=3), (5, 6), [(1, 1, 0, False), (6, *WHOLE)]),
    "the mean of a part": (lambda x: tg.mean(x[:, :, 1:4], axis=2), (6, 3), [(3, None, None, False), (1, 1, 0, False)]),
    "a gate from everywhere": (squeezed, (6, 6), [(6, *WHOLE)] * 2),
    "instance norm": (lambda x: tg.instance_norm(conv(3)(x)), (6, 7), [(6, *WHOLE), (7, *WHOLE)]),
    "softmax over a row": (lambda x: tg.softmax(x, 3), (4, 5), [(1, 1, 0, False), (5, *WHOLE)]),
    "a picked unit": (lambda x: conv(3)(x)[:, :, 2, 1:3], (6, 6), [(3, None, None, False), (3, 1, 1, False)]),
    "cumulative": (lambda x: tg.cumsum(x, axis=2), (4, 4), [(4, None, None, False), (1, 1, 0, False)]),
    "different paces": (
        lambda x: x[:, :, :3, ::2] + x[:, :, 3:, :4], (6, 7), [(4, 1, 0, False), (4, None, None, False)]
    ),
    "side by side": (lambda x: tg.concatenate([x, conv(3, padding=1)(x)], axis=2), (4, 5),
                     [(3, None, None, False), (3, 1, -1, False)]),
    "windows as columns": (lambda x: tg.unfold(x, 3, padding=1).sum(axis=1).reshape((1, 1, 5, 5)), (5, 5),
                           [(3, 1, -1, False), (3, None, None, False)]),
    "attention": (
        lambda x: tg.matmul(tg.softmax(tg.matmul(x.reshape((1, 2, 12)).transpose((0, 2, 1)), x.reshape((1, 2, 12)))),
                            x.reshape((1, 2, 12)).transpose((0, 2, 1))), (3, 4), [(3, *WHOLE), (4, *WHOLE)]),
    "an index": (lambda x: x[:, :, [3, 0, 0, 2]], (5, 5), [(1, None, None, False), (1, 1, 0, False)]),
    "a mask": (lambda x: conv(3, padding=1)(x)[:, :, np.arange(12).reshape(3, 4) % 5 == 0], (3, 4),
               [(3, None, None, False)] * 2),
    "adaptive, not even": (lambda x: tg.adaptive_max_pool2d(x, (3, 2)), (5, 5),
                           [(3, Fraction(5, 3), 0, False), (3, 2.5, 0, False)]),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER)
def test_other_fields(name):
    function, size, expected = OTHER[name]
    gradient = name not in {"instance norm", "softmax over a row", "attention", "adaptive, not even"}
    last = len(function(image(1, 2, *size)).shape) - 2 if name not in {"flatten keeps the size", "a mask"} else 1
    axes = check(function, image(1, 2, *size), max(last, 0), gradient)
    assert [(axis.size, axis.stride, axis.start, axis.is_whole) for axis in axes] == expected


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular", "symmetric"])
def test_a_border_of_pixels_is_seen_where_they_come_from(mode):
    """The interior is as with zeros; at the border the exact field is that of the pixels that stand there."""
    axes = check(conv(5, padding=2, padding_mode=mode), image(1, 2, 6, 5))
    assert [(axis.size, axis.stride, axis.start) for axis in axes] == [(5, 1, -2)] * 2
    field, _ = field_of(conv(5, padding=2, padding_mode=mode), image(1, 2, 7, 7))
    assert field.of(0, 3) == ((0, 6) if mode == "circular" else (0, 2), (1, 5))


def test_a_roll_comes_in_at_the_other_end():
    axes = check(chain(lambda x: tg.roll(x, (2, -1), (2, 3)), conv(3)), image(1, 2, 6, 6))
    assert [(axis.size, axis.stride, axis.start) for axis in axes] == [(3, 1, -2), (3, 1, 1)]


def test_a_max_pool_and_a_unet():
    axes = check(unet, image(1, 2, 8, 12), gradient=False)
    # by hand: 3 (+1 each side), pool 2 (4), 3 at stride 2 (8), up again, 3 at stride 1: 8 of one more phase
    assert [(axis.size, axis.stride) for axis in axes] == [(10, 1)] * 2
    assert [axis.start for axis in axes] == [-5, -5]


@pytest.mark.parametrize("pool", [tg.max_pool2d, lambda x, k, s, p: tg.max_pool2d(x, k, s, p, ties="split")])
def test_max_pools(pool):
    axes = check(lambda x: conv(2)(pool(x, 3, 2, 1)), image(1, 2, 9, 8), gradient=False)
    assert [(axis.size, axis.stride, axis.start) for axis in axes] == [(5, 2, -1)] * 2


def test_fractional_pools_are_known_exactly_and_have_no_stride():
    samples = np.random.default_rng(0).random((1, 2, 2))
    function = lambda x: tg.fractional_max_pool2d(x, 2, (4, 3), random_samples=samples)  # noqa: E731
    axes = check(function, image(1, 2, 9, 7), gradient=False)
    assert [(axis.stride, axis.is_whole) for axis in axes] == [(None, False)] * 2


def test_one_and_three_axes():
    wave = check(lambda x: tg.conv1d(x, kernel(1, 2, 3), stride=2, dilation=2, padding=1), image(1, 2, 12))
    assert [(axis.size, axis.stride, axis.start) for axis in wave] == [(5, 2, -1)]
    block = check(lambda x: tg.avg_pool3d(tg.conv3d(x, kernel(1, 2, 1, 2, 3)), (1, 2, 1)), image(1, 2, 2, 5, 4))
    assert [(axis.size, axis.stride) for axis in block] == [(1, 1), (3, 2), (3, 1)]


def test_a_batch_and_channels_change_nothing():
    field, _ = field_of(chain(conv(3), conv(3)), image(4, 2, 8, 8))
    single, _ = field_of(chain(conv(3), conv(3)), image(1, 2, 8, 8))
    assert field.axes == single.axes
    assert field.of(3, 3) == single.of(3, 3)


def test_the_field_of_units_of_one_channel():
    """After a join the channels differ; a place may begin with the channel."""
    field, _ = field_of(lambda x: tg.concatenate([x, conv(3, padding=1)(x)], axis=1), image(1, 2, 5, 5))
    assert field.of(0, 2, 2) == ((2, 2), (2, 2))
    assert field.of(2, 2, 2) == field.of(2, 2) == ((1, 3), (1, 3))
    assert field.of() == ((0, 4), (0, 4))
    for place in [(5, 0), (-1, 0), (0, 0, 0, 0, 0)]:
        with pytest.raises(IndexError, match=r"of: expected a place on the last axes of shape \(1, 4, 5, 5\)"):
            field.of(*place)


def test_what_is_not_known_is_not_guessed():
    x = image(1, 1, 4, 4)
    pooled, indices = tg.max_pool2d(x, 2, return_indices=True)
    assert field_of(lambda _: conv(3, 1, padding=1)(tg.max_unpool2d(pooled, indices, 2)), x)[0] is None
    assert field_of(lambda x: tg.conv2d(x, x), x)[0] is None  # a kernel that is the image

    @primitive(x=lambda dz: dz)
    def relu(x):  # a name of the library's own says nothing
        return x[..., ::-1].copy()

    assert field_of(relu, x)[0] is None


UNKNOWN = {
    "argmax", "argmin", "onehot", "indices_of_winners",  # no gradient, so they are never recorded
    "put_pixels", "take_pixels", "give_to_winners", "take_winners",  # the places are values
    "full_correlation", "kernel_correlation", "share_among_regions", "share_among_windows", "unpad",  # gradients
}  # fmt: skip


def test_every_primitive_of_the_library_is_known_or_known_not_to_be():
    names = {
        function.primitive.name
        for module in MODULES
        for function in vars(module).values()
        if hasattr(function, "primitive") and hasattr(function.primitive, "forward")
    }
    assert names == set(RULES) | UNKNOWN
    assert not set(RULES) & UNKNOWN


def test_what_does_not_depend_on_the_input_has_no_field():
    x, other = image(1, 2, 5, 5), tg.tensor(positive((1, 2, 5, 5)), requires_grad=True)
    y = conv(3)(other)
    z = conv(3)(x) + y
    fields = receptive_fields(nodes(z), x.node)
    assert y.node not in fields
    assert other.node not in fields
    assert fields[z.node].axes[0].size == 3
    joined = tg.concatenate([other, x], axis=1)
    field = receptive_fields(nodes(joined), x.node)[joined.node]
    assert field.of(0, 1, 1) == (None, None)
    assert field.of(2, 1, 1) == field.of(1, 1) == ((1, 1), (1, 1))


def test_a_field_may_be_larger_than_the_image():
    """The textbook number counts pixels beyond the border: 3x3 convolutions and poolings as in VGG."""
    layers = []
    for _ in range(4):
        layers += [conv(3, padding=1), conv(3, padding=1), lambda x: tg.max_pool2d(x, 2)]
    field, _ = field_of(chain(*layers), image(1, 2, 32, 32))
    size, stride = 1, 1
    for _ in range(4):
        size += 2 * stride + 2 * stride + stride
        stride *= 2
    assert [(axis.size, axis.stride) for axis in field.axes] == [(size, stride)] * 2
    assert field.of(0, 0) == ((0, 31), (0, 31))


@pytest.mark.parametrize("seed", range(20))
def test_random_networks(seed):
    """Any layers one after the other, with skips; the last unit, the first and all between."""
    rng = np.random.default_rng(seed)
    size = tuple(int(n) for n in rng.integers(7, 12, 2))
    x = image(1, 2, *size)
    layers = []
    z = x
    for _ in range(int(rng.integers(2, 5))):
        layer = random_layer(rng)
        try:
            wanted = layer(z)
        except ValueError:  # the image has become too small for it
            continue
        if max(wanted.shape[2:]) <= 24:
            layers.append(layer)
            z = wanted
    axes = check(chain(*layers), x, poison=seed % 4 == 0)
    assert all(axis.size >= 1 for axis in axes)


def random_layer(rng):
    kernel, stride, dilation = (int(rng.integers(1, n)) for n in (5, 4, 3))
    padding = tuple(tuple(int(n) for n in rng.integers(0, 3, 2)) for _ in range(2))
    groups = int(rng.integers(1, 3))
    mode = str(rng.choice(["zeros", "zeros", "reflect", "symmetric", "circular"]))
    choices = [
        conv(kernel, stride=stride, dilation=dilation, padding=padding, groups=groups, padding_mode=mode),
        conv((kernel, 3), stride=(1, stride), padding=padding),
        up(kernel, stride=stride, dilation=dilation, groups=groups),
        lambda x: tg.avg_pool2d(x, kernel, stride),
        lambda x: tg.interpolate(x, scale_factor=2, mode="bilinear"),
        lambda x: tg.interpolate(x, size=(9, 10)),
        lambda x: x[:, :, 1:, ::2],
        lambda x: tg.flip(x, 3),
        lambda x: tg.roll(x, 1, 2),
        skip(conv(3, padding=1), conv(1)),
        skip(conv(3, padding=1, dilation=1), lambda x: tg.flip(x, 2)),
        lambda x: tg.concatenate([x[:, :1], conv(3, 2, 1, padding="same")(x)], axis=1),
    ]
    return choices[int(rng.integers(len(choices)))]


LABELS = np.array([1])

# What the tests above don't run: (function, axes of a place in the result)
MORE = {
    "einsum": (lambda x: tg.einsum("nchw,dc->dhnw", conv(3)(x), kernel(3, 2)), 0),
    "einsum of two": (
        lambda x: tg.einsum("nchw,ncwk->nchk", x, conv((1, 3), padding=(0, 1))(x).transpose((0, 1, 3, 2))), 2
    ),
    "einsum of an axis that one lacks": (lambda x: tg.einsum("nchw,nch->nhw", conv(3, padding=1)(x), x[:, :, :, 2]), 2),
    "linear on columns": (lambda x: tg.linear(conv(3)(x), kernel(5, 4)), 2),
    "fold": (lambda x: tg.fold(tg.unfold(x, 3, 2, 1, 2), (5, 6), 3, 2, 1, 2), 2),
    "fold into other windows": (lambda x: tg.fold(tg.unfold(x, 2, stride=2), (4, 6), 2, stride=2), 2),
    "lp pool": (lambda x: tg.lp_pool2d(x, 2, 2), 2),
    "scatter": (lambda x: scatter(conv(2)(x), shape=(1, 2, 8, 11), index=(slice(None), slice(None), slice(0, 4),
                                                                            slice(1, 11, 2))), 2),
    "cumprod": (lambda x: tg.cumprod(conv(3, padding=1)(x), axis=3), 2),
    "std and logsumexp": (lambda x: tg.std(x, axis=2, keepdims=True) + tg.logsumexp(conv((1, 3), padding=(0, 1))(x), 2)[
        :, :, None], 2),
    "group norm": (lambda x: tg.group_norm(conv(3)(x), 2), 2),
    "the gradient of a norm": (lambda x: tg.grad(tg.sum(tg.instance_norm(x) ** 2), x, create_graph=True)[0], 2),
    "cross entropy": (lambda x: tg.cross_entropy(x[:, :, 1, 2], LABELS), 0),
    "cross entropy of pixels": (lambda x: tg.cross_entropy(conv(3)(x), np.ones((1, 3, 4), int), reduction="none"), 2),
    "broadcast": (lambda x: conv(3)(tg.broadcast_to(x[:, :, :, 1:2], (1, 2, 5, 6))), 2),
    "a row for a row": (lambda x: conv(3, padding=1)(x) * x[:, :, 1:2], 2),
    "new axes": (lambda x: x[:, None, 1, ..., -1, None], 2),
    "pad with ones": (lambda x: tg.pad(x, ((0, 0), (0, 0), (1, 0), (0, 2)), value=1.0)[:, :, ::3], 2),
    "pixel shuffle of branches": (
        lambda x: tg.pixel_shuffle(tg.concatenate([x, conv(3, padding=1)(x)], axis=1), 2), 2
    ),
    "patches": (lambda x: tg.mean(x[:, :, :4].reshape((1, 2, 2, 2, 3, 2)), axis=(3, 5)), 2),
    "merged and split": (lambda x: tg.repeat(x, 6, axis=2)[:, :, :24].reshape((1, 2, 6, 4, 6)).sum(axis=3), 2),
}  # fmt: skip


@pytest.mark.parametrize("name", MORE)
def test_more_fields(name):
    function, axes = MORE[name]
    check(function, image(1, 2, 5, 6), axes, gradient=False)


def test_tokens_have_a_size_and_no_stride():
    """Rows and columns along one axis, as a transformer takes them; cut into an image again they have their pace."""
    tokens = chain(conv(2, stride=2), lambda x: x.reshape((1, 2, 6)).transpose((0, 2, 1)))
    axes = check(chain(tokens, lambda x: tg.layer_norm(x, 2)), image(1, 2, 4, 6), axes=1, gradient=False)
    assert [(axis.size, axis.stride, axis.start, axis.is_whole) for axis in axes] == [(2, None, None, False)] * 2


def test_fields_of_very_many_different_units_are_given_up(monkeypatch):
    monkeypatch.setattr("tinygrad_cnn.viz.receptive_field.fields.MOST_BOUNDS", 20)
    pairs = lambda x: x.reshape((1, 2, 9, 1)) * x.reshape((1, 2, 1, 9))  # noqa: E731
    assert field_of(pairs, image(1, 2, 3, 3))[0] is None


def test_patches_have_a_stride():
    axes = check(MORE["patches"][0], image(1, 2, 4, 6), 2)
    assert [(axis.size, axis.stride, axis.start) for axis in axes] == [(2, 2, 0)] * 2

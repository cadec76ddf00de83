"""Layers: every argument reaches the sums of the naive oracles, is checked when the layer is made, and is shown."""

import math
from functools import partial

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import oracles
from tinygrad_cnn import nn

F8 = {"dtype": "float64"}


def random(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def agrees(layer, x, expected):
    """The layer's output, and the gradients of its parameters and of x along a random direction, against the oracle's.

    `expected(x, dz)` gives z and the gradients (dx, *parameters).
    """
    x = tg.tensor(x, requires_grad=True)
    z = layer(x)
    dz = random(z.shape, 9)
    z.backward(dz)
    value, gradients = expected(x.data, dz)
    np.testing.assert_allclose(z.data, np.asarray(value, dtype=float), rtol=1e-12, atol=1e-12)
    tensors = [x, *layer.parameters()]
    for tensor, gradient in zip(tensors, gradients, strict=True):
        np.testing.assert_allclose(tensor.grad.data, np.asarray(gradient, dtype=float), rtol=1e-12, atol=1e-12)


def pairs(values):
    return tuple((n, n) for n in values)


CONVOLUTIONS = [
    (nn.Conv1d, (4, 6, 3, 2, 1, 2, 2), (2, 4, 9)),
    (nn.Conv2d, (2, 3, 3), (2, 2, 5, 4)),
    (nn.Conv2d, (4, 2, (3, 2), (1, 2), (2, 0), (2, 1), 2), (1, 4, 6, 5)),
    (nn.Conv2d, (1, 1, (4, 3)), (1, 1, 4, 3)),
    (nn.Conv3d, (2, 2, (2, 1, 2), (2, 1, 1), (0, 1, 0)), (1, 2, 4, 2, 3)),
    *(
        (partial(layer, padding_mode=mode), arguments, shape)
        for mode in ("reflect", "replicate", "circular", "symmetric")
        for layer, arguments, shape in [
            (nn.Conv1d, (2, 2, 3, 2, 2), (1, 2, 5)),
            (nn.Conv2d, (2, 4, (3, 2), (1, 2), (2, 1), (2, 1), 2), (2, 2, 4, 3)),
            (nn.Conv3d, (1, 1, 2, 1, (1, 0, 1)), (1, 1, 2, 2, 3)),
        ]
    ),
]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("layer", "arguments", "shape"), CONVOLUTIONS)
def test_convolutions_against_the_naive_sum(layer, arguments, shape, bias):
    layer = layer(*arguments, bias=bias, **F8)
    padding = pairs(layer.padding)
    oracle = oracles.convolution(
        shape, layer.weight.shape, layer.stride, padding, layer.dilation, layer.groups, layer.padding_mode
    )
    if bias:
        layer.bias.data = random(layer.bias.shape, 1)

    def expected(x, dz):
        gradients = oracle.gradients(x, layer.weight.data, dz)
        return oracle.value(x, layer.weight.data, layer.bias.data if bias else None), gradients[: 2 + bias]

    agrees(layer, random(shape), expected)


SHARED = [
    (nn.Conv1d, (4, 6, 3, 2, 1, 2, 2), (2, 4, 9)),
    (nn.Conv2d, (3, 2, 3), (2, 3, 5, 4)),
    (partial(nn.Conv2d, padding_mode="circular"), (4, 2, (3, 2), (1, 2), (2, 0), (2, 1), 2), (1, 4, 6, 5)),
    (nn.Conv3d, (2, 2, (2, 1, 2)), (1, 2, 3, 2, 3)),
]


@pytest.mark.parametrize(("layer", "arguments", "shape"), SHARED)
def test_a_shared_kernel_is_that_of_every_channel_and_gets_the_sum_of_their_gradients(layer, arguments, shape):
    layer = layer(*arguments, shared_kernel=True, **F8)
    filters, _, *kernel = layer.weight.shape
    assert layer.weight.shape == (layer.out_channels, 1, *layer.kernel_size)
    full = (filters, shape[1] // layer.groups, *kernel)
    oracle = oracles.convolution(
        shape, full, layer.stride, pairs(layer.padding), layer.dilation, layer.groups, layer.padding_mode
    )
    layer.bias.data = random(layer.bias.shape, 1)

    def expected(x, dz):
        weight = oracles.zeros(full)
        for i in oracles.indices(full):
            weight[i] = layer.weight.data[i[0], 0, *i[2:]]
        dx, separate, db = oracle.gradients(x, weight, dz)
        shared = oracles.zeros(layer.weight.shape)
        for i in oracles.indices(full):
            shared[i[0], 0, *i[2:]] += separate[i]
        return oracle.value(x, weight, layer.bias.data), (dx, shared, db)

    agrees(layer, random(shape), expected)


def test_the_lectures_counts_of_parameters_with_and_without_shared_kernels():
    """Both versions of the table of a network like LeNet-5: 608 and 3216 parameters, or 208 and 416."""
    for channels, filters, separate, shared in [(3, 8, 608, 208), (8, 16, 3216, 416)]:
        for expected, share in [(separate, False), (shared, True)]:
            layer = nn.Conv2d(channels, filters, 5, shared_kernel=share)
            assert sum(p.size for p in layer.parameters()) == expected


def test_a_shared_kernel_starts_with_the_variance_of_separate_ones():
    """An output sums as many numbers either way, so signals keep their size."""
    tg.manual_seed(0)
    shared, separate = (nn.Conv2d(16, 64, 5, shared_kernel=share).weight.data.std() for share in (True, False))
    assert shared == pytest.approx(separate, rel=0.1)


def test_a_shared_kernel_needs_the_channels_it_was_made_for():
    layer = nn.Conv2d(3, 2, 1, shared_kernel=True)
    with pytest.raises(ValueError, match=r"conv2d: weight expects 3 input channels .* but x has 4"):
        layer(tg.tensor(random((1, 4, 2, 2))))


TRANSPOSED = [
    (nn.ConvTranspose1d, (4, 6, 3, 2, 1, 1, 2), (2, 4, 5)),
    (nn.ConvTranspose2d, (2, 3, 3), (2, 2, 3, 4)),
    (nn.ConvTranspose2d, (4, 2, (3, 2), (3, 2), (1, 0), (2, 1), 2, True, (1, 2)), (1, 4, 3, 2)),
    (nn.ConvTranspose3d, (2, 2, 2, (2, 1, 2), 0, (1, 0, 0)), (1, 2, 2, 3, 1)),
]


@pytest.mark.parametrize(("layer", "arguments", "shape"), TRANSPOSED)
def test_transposed_convolutions_against_the_naive_sum(layer, arguments, shape):
    layer = layer(*arguments, **F8)
    layer.bias.data = random(layer.bias.shape, 1)
    size = tuple(
        (m - 1) * s - 2 * p + d * (k - 1) + 1 + more
        for m, s, p, d, k, more in zip(
            shape[2:], layer.stride, layer.padding, layer.dilation, layer.kernel_size, layer.output_padding, strict=True
        )
    )
    padding = pairs(layer.padding)
    oracle = oracles.transposed_convolution(
        shape, layer.weight.shape, size, layer.stride, padding, layer.dilation, layer.groups
    )

    def expected(x, dz):
        z = oracle.value(x, layer.weight.data, layer.bias.data)
        return z, oracle.gradients(x, layer.weight.data, dz)

    agrees(layer, random(shape), expected)


def test_a_transposed_convolution_is_given_its_output_size():
    layer = nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1)
    x = tg.tensor(random((1, 1, 4, 4)))
    assert layer(x, output_size=(7, 8)).shape == layer(x, (7, 8)).shape == (1, 1, 7, 8)


@pytest.mark.parametrize("padding", ["valid", "same", "full", ((0, 1), (2, 0))])
def test_a_padding_by_name_or_side_means_what_the_function_means(padding):
    layer = nn.Conv2d(1, 1, (3, 2), padding=padding)
    x = tg.tensor(random((1, 1, 5, 4)).astype(np.float32))
    shape = {"valid": (3, 3), "same": (5, 4), "full": (7, 5), ((0, 1), (2, 0)): (4, 5)}[padding]
    assert layer(x).shape == (1, 1, *shape)
    np.testing.assert_array_equal(layer(x).data, tg.conv2d(x, layer.weight, padding=padding).data)


POOLS = [
    (nn.MaxPool1d, (3, 2, 1), {}, (2, 3, 8)),
    (nn.MaxPool2d, (2,), {}, (2, 2, 5, 4)),
    (nn.MaxPool2d, ((3, 2), (2, 1), (1, 0), (1, 2)), {"ceil_mode": True}, (1, 2, 6, 5)),
    (nn.MaxPool3d, (2, 1), {}, (1, 1, 3, 2, 3)),
    (nn.AvgPool1d, (3, 2, 1), {}, (2, 3, 8)),
    (nn.AvgPool2d, (2,), {}, (2, 2, 5, 4)),
    (nn.AvgPool2d, ((3, 2), (2, 1), (1, 0), True, False), {}, (1, 2, 6, 5)),
    (nn.AvgPool2d, (2, 2, 1), {"ceil_mode": True, "dilation": 2}, (1, 1, 6, 6)),
    (nn.AvgPool3d, (2, 1), {}, (1, 1, 3, 2, 3)),
]


@pytest.mark.parametrize(("layer", "arguments", "options", "shape"), POOLS)
def test_poolings_against_a_loop_over_the_windows(layer, arguments, options, shape):
    layer = layer(*arguments, **options)
    x = random(shape)
    z = layer(tg.tensor(x)).data
    starts = [
        oracles.window_starts(m, d * (k - 1) + 1, s, p, p, layer.ceil_mode)
        for m, k, s, p, d in zip(
            shape[2:], layer.kernel_size, layer.stride, layer.padding, layer.dilation, strict=True
        )
    ]
    assert z.shape == (*shape[:2], *map(len, starts))
    for index in np.ndindex(z.shape):
        inside, counted = [], 0
        for offset in np.ndindex(layer.kernel_size):
            place = [
                axis[i] + d * o for axis, i, d, o in zip(starts, index[2:], layer.dilation, offset, strict=True)
            ]
            if oracles.is_inside(place, shape[2:]):
                inside.append(x[(*index[:2], *place)])
            counted += all(-p <= i < m + p for i, m, p in zip(place, shape[2:], layer.padding, strict=True))
        if isinstance(layer, nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d):
            wanted = max(inside)
        else:
            wanted = sum(inside) / (counted if layer.count_include_pad else len(inside))
        assert z[index] == pytest.approx(wanted, rel=1e-12)


def test_max_pool_splits_ties_when_asked():
    x = tg.tensor(np.ones((1, 1, 2, 2)), requires_grad=True)
    for ties, wanted in (("first", [[1, 0], [0, 0]]), ("split", [[0.25, 0.25], [0.25, 0.25]])):
        x.grad = None
        nn.MaxPool2d(2, ties=ties)(x).sum().backward()
        assert x.grad.tolist() == [[wanted]]


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 4, 3), (0, 3)])
def test_linear_against_a_loop(shape):
    layer = nn.Linear(3, 2, **F8)
    layer.bias.data = [0.5, -1.5]
    x, w = random(shape), layer.weight.data
    z = layer(tg.tensor(x)).data
    assert z.shape == (*shape[:-1], 2)
    for index in np.ndindex(z.shape):
        row = x[index[:-1]]
        wanted = sum(row[j] * w[index[-1], j] for j in range(3)) + layer.bias.data[index[-1]]
        assert z[index] == pytest.approx(wanted, rel=1e-12)


def test_linear_without_bias():
    layer = nn.Linear(2, 1, bias=False)
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert layer.bias is None
    assert layer(tg.tensor([[0.0, 0.0]])).tolist() == [[0.0]]


@pytest.mark.parametrize("shape", [(4, 3), (3,), (2, 4, 3)])
def test_a_shared_bias_is_added_to_every_output_and_gets_the_sum_of_their_gradients(shape):
    layer = nn.Linear(3, 2, shared_bias=True, **F8)
    assert layer.bias.shape == (1,)
    layer.bias.data = np.array([2.5])

    def expected(x, dz):
        weight = layer.weight.data
        z, dx, dw, db = np.zeros(dz.shape), np.zeros(x.shape), np.zeros((2, 3)), np.zeros(1)
        for *sample, i in np.ndindex(*dz.shape):
            z[*sample, i] = 2.5
            db[0] += dz[*sample, i]
            for j in range(3):
                z[*sample, i] += x[*sample, j] * weight[i, j]
                dx[*sample, j] += dz[*sample, i] * weight[i, j]
                dw[i, j] += dz[*sample, i] * x[*sample, j]
        return z, (dx, dw, db)

    agrees(layer, random(shape), expected)


def test_the_lectures_counts_of_parameters_with_and_without_a_shared_bias():
    """The last layers of the same table: 48120, 10164 and 850 parameters, or 48001, 10081 and 841."""
    for inputs, outputs, separate, shared in [(400, 120, 48120, 48001), (120, 84, 10164, 10081), (84, 10, 850, 841)]:
        for expected, share in [(separate, False), (shared, True)]:
            layer = nn.Linear(inputs, outputs, shared_bias=share)
            assert sum(p.size for p in layer.parameters()) == expected


def test_a_shared_bias_is_saved_and_loaded():
    layer, other = nn.Linear(2, 3, shared_bias=True), nn.Linear(2, 3, shared_bias=True)
    layer.bias.data = np.array([4.0], np.float32)
    assert {name: value.shape for name, value in layer.state_dict().items()} == {"weight": (3, 2), "bias": (1,)}
    other.load_state_dict(layer.state_dict())
    x = tg.tensor(random((2, 2)), dtype="float32")
    assert np.array_equal(layer(x).data, other(x).data)
    with pytest.raises(ValueError, match=r"'bias': expected shape \(3,\) but got \(1,\)"):
        nn.Linear(2, 3).load_state_dict(layer.state_dict())


@pytest.mark.parametrize(
    ("arguments", "shape", "wanted"),
    [
        ((), (2, 3, 4, 5), (2, 60)),
        ((), (2, 3), (2, 3)),
        ((), (0, 3, 4), (0, 12)),
        ((0,), (2, 3, 4), (24,)),
        ((0, 1), (2, 3, 4), (6, 4)),
        ((-2,), (2, 3, 4), (2, 12)),
        ((1, 1), (2, 3, 4), (2, 3, 4)),
    ],
)
def test_flatten(arguments, shape, wanted):
    x = tg.tensor(random(shape), requires_grad=True)
    z = nn.Flatten(*arguments)(x)
    assert z.shape == wanted
    np.testing.assert_array_equal(z.data.ravel(), x.data.ravel())
    z.sum().backward()
    assert x.grad.shape == shape


def test_activations_element_by_element():
    x = np.array([[-2.0, -0.5, 0.0], [0.5, 1.0, 30.0]])
    for layer, function in [
        (nn.ReLU(), lambda v: v if v > 0 else 0.0),
        (nn.Tanh(), math.tanh),
        (nn.Sigmoid(), lambda v: 1 / (1 + math.exp(-v))),
    ]:
        np.testing.assert_allclose(layer(tg.tensor(x)).data, [[function(v) for v in row] for row in x], rtol=1e-14)


@pytest.mark.parametrize("axis", [None, 0, 1, -2])
def test_softmax_and_log_softmax(axis):
    x = random((3, 4))
    arguments = () if axis is None else (axis,)
    e = np.exp(x)
    p = e / e.sum(axis=-1 if axis is None else axis, keepdims=True)
    np.testing.assert_allclose(nn.Softmax(*arguments)(tg.tensor(x)).data, p, rtol=1e-13)
    np.testing.assert_allclose(nn.LogSoftmax(*arguments)(tg.tensor(x)).data, np.log(p), rtol=1e-13)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_loss(reduction):
    x, labels = random((3, 4)), [2, 0, 2]
    losses = [math.log(sum(math.exp(v) for v in row)) - row[label] for row, label in zip(x, labels, strict=True)]
    wanted = {"mean": sum(losses) / 3, "sum": sum(losses), "none": losses}[reduction]
    np.testing.assert_allclose(nn.CrossEntropyLoss(reduction=reduction)(tg.tensor(x), labels).data, wanted, rtol=1e-13)


# Wrong arguments

REFUSED = [
    (lambda: nn.Linear(0, 2), ValueError, "Linear: in_features must be at least 1 but is 0"),
    (lambda: nn.Linear(2, -1), ValueError, "Linear: out_features must be at least 1 but is -1"),
    (lambda: nn.Linear(2.0, 1), TypeError, "Linear: in_features must be an integer but is 2.0"),
    (lambda: nn.Linear(True, 1), TypeError, "Linear: in_features must be an integer but is True"),
    (lambda: nn.Linear(2, 1, bias=1), TypeError, "Linear: bias must be True or False but is 1"),
    (lambda: nn.Linear(2, 1, dtype="int32"), ValueError, "expected a floating-point dtype but got int32"),
    (lambda: nn.Conv2d(0, 1, 3), ValueError, "Conv2d: in_channels must be at least 1 but is 0"),
    (lambda: nn.Conv2d(1, "8", 3), TypeError, "Conv2d: out_channels must be an integer but is '8'"),
    (lambda: nn.Conv2d(1, 1, 0), ValueError, "Conv2d: kernel_size must be at least 1 but is 0"),
    (lambda: nn.Conv2d(1, 1, (3, 3, 3)), ValueError, "Conv2d: kernel_size expects an integer or 2 of them"),
    (lambda: nn.Conv2d(1, 1, 3, stride=0), ValueError, "Conv2d: stride must be at least 1 but is 0"),
    (lambda: nn.Conv2d(1, 1, 3, stride=(1, -2)), ValueError, r"Conv2d: stride must be at least 1 but is \(1, -2\)"),
    (lambda: nn.Conv2d(1, 1, 3, dilation=1.5), TypeError, "Conv2d: dilation must be an integer but is 1.5"),
    (lambda: nn.Conv2d(1, 1, 3, padding=-1), ValueError, "Conv2d: padding must be at least 0 but is -1"),
    (lambda: nn.Conv2d(1, 1, 3, padding="half"), ValueError, "'valid', 'same', 'full' but is 'half'"),
    (lambda: nn.Conv2d(1, 1, 3, padding=((1, 1),)), ValueError, "Conv2d: padding expects 2 pairs"),
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "groups must divide in_channels 3 and out_channels 4 but is 2"),
    (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "groups must divide in_channels 4 and out_channels 3 but is 2"),
    (lambda: nn.Conv2d(4, 4, 3, groups=0), ValueError, "Conv2d: groups must be at least 1 but is 0"),
    (lambda: nn.Conv2d(1, 1, 3, bias=None), TypeError, "Conv2d: bias must be True or False but is None"),
    (lambda: nn.Conv2d(1, 1, 3, padding_mode="wrap"), ValueError, "Conv2d: padding_mode .*'wrap', which is 'circular'"),
    (lambda: nn.Conv2d(1, 1, 3, padding_mode=1), ValueError, "Conv2d: padding_mode must be one of 'zeros', .* is 1"),
    (lambda: nn.Linear(2, 1, shared_bias=1), TypeError, "Linear: shared_bias must be True or False but is 1"),
    (lambda: nn.Linear(2, 1, False, shared_bias=True), ValueError, "Linear: shared_bias needs a bias but"),
    (lambda: nn.Conv2d(1, 1, 3, shared_kernel=1), TypeError, "Conv2d: shared_kernel must be True or False but is 1"),
    (
        lambda: nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect"),
        ValueError,
        "ConvTranspose2d: padding_mode must be 'zeros' but is 'reflect': padding takes pixels off the output",
    ),
    (lambda: nn.Conv1d(1, 1, (3, 3)), ValueError, "Conv1d: kernel_size expects an integer or 1 of them"),
    (lambda: nn.Conv3d(1, 1, (3, 3)), ValueError, "Conv3d: kernel_size expects an integer or 3 of them"),
    (
        lambda: nn.ConvTranspose2d(1, 1, 3, stride=2, output_padding=2),
        ValueError,
        r"ConvTranspose2d: output_padding must be smaller than stride \(2, 2\) or dilation \(1, 1\) but is 2",
    ),
    (lambda: nn.ConvTranspose2d(1, 1, 3, output_padding=-1), ValueError, "output_padding must be at least 0"),
    (lambda: nn.ConvTranspose2d(3, 2, 3, groups=2), ValueError, "ConvTranspose2d: groups must divide in_channels 3"),
    (lambda: nn.MaxPool2d(0), ValueError, "MaxPool2d: kernel_size must be at least 1 but is 0"),
    (lambda: nn.MaxPool2d(2, stride=0), ValueError, "MaxPool2d: stride must be at least 1 but is 0"),
    (lambda: nn.MaxPool2d(2, ceil_mode=1), TypeError, "MaxPool2d: ceil_mode must be True or False but is 1"),
    (lambda: nn.MaxPool2d(2, ties="all"), ValueError, "MaxPool2d: ties must be one of 'first', 'split' but is 'all'"),
    (lambda: nn.AvgPool2d(2, padding="x"), ValueError, "AvgPool2d: padding must be an integer"),
    (lambda: nn.AvgPool2d(2, count_include_pad=0), TypeError, "AvgPool2d: count_include_pad must be True or False"),
    (lambda: nn.Flatten("1"), TypeError, "Flatten: start_axis must be an integer but is '1'"),
    (lambda: nn.Softmax(axis=1.0), TypeError, "Softmax: axis must be an integer but is 1.0"),
    (lambda: nn.LogSoftmax(None), TypeError, "LogSoftmax: axis must be an integer but is None"),
    (lambda: nn.CrossEntropyLoss(reduction="avg"), ValueError, "'mean', 'sum', 'none' but is 'avg'"),
]


@pytest.mark.parametrize(("make", "error", "text"), REFUSED)
def test_wrong_arguments_are_refused_when_the_layer_is_made(make, error, text):
    with pytest.raises(error, match=text):
        make()


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Conv2d(2, 4, 3), r"conv2d: weight expects 2 input channels .* but x has 3"),
        (nn.Linear(4, 2), r"linear: weight .* \(2, 4\), which does not fit x .* \(2, 3, 5, 5\)"),
        (nn.MaxPool2d(6), r"max_pool2d: the window reaches over \(6, 6\)"),
        (nn.Flatten(4), "Flatten: expected an axis of -4 to 3"),
        (nn.Flatten(2, 1), r"Flatten: start_axis 2 lies behind end_axis 1 for x of shape \(2, 3, 5, 5\)"),
    ],
)
def test_a_wrong_input_is_refused(layer, text):
    with pytest.raises(ValueError, match=text):
        layer(tg.tensor(random((2, 3, 5, 5)).astype(np.float32)))


# Showing


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Conv2d(1, 8, 3), "Conv2d(1, 8, kernel_size=3)  # 80 parameters"),
        (
            nn.Conv2d(4, 8, (3, 1), 2, "same", (1, 2), 4, False),
            (
                "Conv2d(4, 8, kernel_size=(3, 1), stride=2, padding='same', dilation=(1, 2), groups=4, bias=False)"
                "  # 24 parameters"
            ),
        ),
        (
            nn.Conv2d(3, 8, 5, padding=2, padding_mode="symmetric", shared_kernel=True),
            "Conv2d(3, 8, kernel_size=5, padding=2, padding_mode='symmetric', shared_kernel=True)  # 208 parameters",
        ),
        (nn.Conv1d(1, 1, [3], padding=[2]), "Conv1d(1, 1, kernel_size=3, padding=2)  # 4 parameters"),
        (
            nn.Conv2d(1, 1, 1, padding=((1, 2), (0, 0)), bias=False),
            "Conv2d(1, 1, kernel_size=1, padding=((1, 2), (0, 0)), bias=False)  # 1 parameter",
        ),
        (
            nn.ConvTranspose2d(1, 1, 2, 2, output_padding=1),
            "ConvTranspose2d(1, 1, kernel_size=2, stride=2, output_padding=1)  # 5 parameters",
        ),
        (nn.Linear(4, 2, False), "Linear(4, 2, bias=False)  # 8 parameters"),
        (nn.Linear(4, 2, shared_bias=True), "Linear(4, 2, shared_bias=True)  # 9 parameters"),
        (nn.MaxPool2d(2), "MaxPool2d(kernel_size=2)"),
        (nn.MaxPool2d(3, 2, ties="split"), "MaxPool2d(kernel_size=3, stride=2, ties='split')"),
        (
            nn.AvgPool2d((2, 3), padding=(1, 0), ceil_mode=True, count_include_pad=False),
            "AvgPool2d(kernel_size=(2, 3), padding=(1, 0), ceil_mode=True, count_include_pad=False)",
        ),
        (nn.Flatten(), "Flatten()"),
        (nn.Flatten(0, 1), "Flatten(start_axis=0, end_axis=1)"),
        (nn.Softmax(0), "Softmax(axis=0)"),
        (nn.CrossEntropyLoss(reduction="sum"), "CrossEntropyLoss(reduction='sum')"),
    ],
)
def test_repr_shows_the_arguments_and_makes_the_layer_again(layer, text):
    assert repr(layer) == text
    assert repr(eval(text, vars(nn))) == text


def test_a_given_list_may_change_later():
    kernel_size = [3, 3]
    layer = nn.MaxPool2d(kernel_size)
    kernel_size[0] = 99
    assert layer.kernel_size == (3, 3)

"""Normalisation and dropout layers: what they hold, when statistics move, what is refused, what is shown."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import standin
from tests.normalization_cases import EPS, Normalization
from tests.operands import assert_close, assert_equal, normals
from tests.refusals import refused
from tinygrad_cnn import backend, nn

F8 = {"dtype": "float64"}

SHAPES = {
    nn.BatchNorm1d: [(4, 3), (2, 3, 5)],
    nn.BatchNorm2d: [(2, 3, 2, 4)],
    nn.BatchNorm3d: [(2, 3, 2, 1, 2)],
    nn.InstanceNorm1d: [(2, 3, 5)],
    nn.InstanceNorm2d: [(2, 3, 2, 4)],
    nn.InstanceNorm3d: [(1, 3, 2, 1, 2)],
}
PER_CHANNEL = [(layer, shape) for layer, shapes in SHAPES.items() for shape in shapes]
per_channel = pytest.mark.parametrize(("layer", "shape"), PER_CHANNEL)


def case_of(layer, shape):
    return Normalization("batch_norm" if "Batch" in layer.__name__ else "instance_norm", layer.__name__, shape)


def randomized(layer):
    """The layer with other parameters and statistics than the first ones."""
    state = layer.state_dict()
    layer.load_state_dict({key: 1 + normals(value.shape, i) ** 2 for i, (key, value) in enumerate(state.items())})
    return layer


def value(layer, x):
    return layer(tg.tensor(x)).numpy()


def agrees(layer, case, x, eps):
    """The layer's output and gradients against the loops over single elements."""
    layer.zero_grad()
    X, dz = tg.tensor(x, requires_grad=True), normals(case.x, 9)
    z = layer(X)
    z.backward(dz)
    ones, zeros = np.ones(case.parameter), np.zeros(case.parameter)
    weight = ones if layer.weight is None else layer.weight.numpy()
    bias = zeros if layer.bias is None else layer.bias.numpy()
    assert_close(z.numpy(), case.value(x, weight, bias, eps), 1e-13)
    dx, dweight, dbias = case.gradients(x, weight, dz, eps)
    assert_close(X.grad.numpy(), dx, 1e-12)
    for parameter, expected in ((layer.weight, dweight), (layer.bias, dbias)):
        if parameter is not None:
            assert_close(parameter.grad.numpy(), expected, 1e-12)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("track", [True, False])
@per_channel
def test_training_against_the_loops(layer, shape, affine, track):
    made = randomized(layer(3, 1e-3, 0.2, affine, track, **F8))
    agrees(made, case_of(layer, shape), normals(shape, 1), 1e-3)


@pytest.mark.parametrize(
    ("layer", "case"),
    [
        (nn.LayerNorm(4, float(EPS), **F8), Normalization("layer_norm", "", (2, 3, 4), 4)),
        (nn.LayerNorm((3, 4), float(EPS), bias=False, **F8), Normalization("layer_norm", "", (2, 3, 4), (3, 4))),
        (nn.LayerNorm([3, 4], float(EPS), False, **F8), Normalization("layer_norm", "", (2, 3, 4), (3, 4))),
        (nn.GroupNorm(2, 4, float(EPS), **F8), Normalization("group_norm", "", (2, 4, 3), 2)),
        (nn.GroupNorm(4, 4, float(EPS), False, **F8), Normalization("group_norm", "", (2, 4, 3, 1), 4)),
    ],
)
def test_layers_without_statistics_against_the_loops(layer, case):
    agrees(randomized(layer), case, normals(case.x, 1), EPS)
    agrees(layer.eval(), case, normals(case.x, 2), EPS)


def test_local_response_norm_passes_its_arguments_on():
    x = normals((2, 5, 3), 1)
    assert_equal(nn.LocalResponseNorm(3, 0.5, 2, 1.5)(x), tg.local_response_norm(x, 3, 0.5, 2, 1.5))


def test_first_values():
    layer = nn.BatchNorm2d(3)
    assert {name: value.tolist() for name, value in layer.state_dict().items()} == {
        "weight": [1.0] * 3,
        "bias": [0.0] * 3,
        "running_mean": [0.0] * 3,
        "running_var": [1.0] * 3,
        "num_batches_tracked": 0,
    }
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    assert layer.num_batches_tracked.dtype == np.int64
    assert list(nn.InstanceNorm2d(3).state_dict()) == []
    assert list(nn.BatchNorm2d(3, affine=False, track_running_stats=False).state_dict()) == []
    assert list(nn.LayerNorm((2, 3), bias=False).state_dict()) == ["weight"]
    assert nn.LayerNorm((2, 3)).bias.shape == (2, 3)
    assert nn.GroupNorm(2, 4, dtype="float64").weight.dtype == np.float64


# Statistics


@pytest.mark.parametrize("momentum", [0.3, None])
@per_channel
def test_statistics_move_in_training_only(layer, shape, momentum):
    made = layer(3, momentum=momentum, track_running_stats=True, **F8)
    case, mean, var = case_of(layer, shape), np.zeros(3), np.ones(3)
    for step in range(1, 4):
        x = 2 + normals(shape, step)
        made(x)
        centers, spreads = np.zeros(3), np.zeros(3)
        for key, (center, variance) in case.statistics(x).items():
            channel, images = (key, 1) if case.operation == "batch_norm" else (key[1], shape[0])
            count = len(case.groups[key])
            centers[channel] += center / images
            spreads[channel] += variance * count / (count - 1) / images
        share = 1 / step if momentum is None else momentum  # with None the mean of all so far
        mean, var = (1 - share) * mean + share * centers, (1 - share) * var + share * spreads
        assert_close(made.running_mean.numpy(), mean, 1e-14)
        assert_close(made.running_var.numpy(), var, 1e-14)
        assert made.num_batches_tracked.item() == step
    made.eval()
    x = normals(shape, 5)
    for _ in range(2):
        column = (3, *(1,) * (len(shape) - 2))
        expected = (x - mean.reshape(column)) / np.sqrt(var + 1e-5).reshape(column)
        assert_close(value(made, x), expected, 1e-13)
    assert_close(made.running_mean.numpy(), mean, 1e-14)
    assert made.num_batches_tracked.item() == 3
    assert made.train().training


@per_channel
def test_without_statistics_evaluation_takes_the_batchs_own(layer, shape):
    made = layer(3, track_running_stats=False, **F8)
    x = normals(shape, 1)
    assert_equal(value(made.eval(), x), value(made.train(), x))


def test_the_buffers_stay_the_same_tensors_and_old_snapshots_as_they_were():
    layer = nn.BatchNorm1d(2)
    mean, count = layer.running_mean, layer.num_batches_tracked
    before = layer.state_dict()
    layer(normals((4, 2), 1, np.float32))
    assert layer.running_mean is mean
    assert layer.num_batches_tracked is count
    assert before["running_mean"].tolist() == [0.0, 0.0]
    assert before["num_batches_tracked"].item() == 0
    layer.load_state_dict(before)
    assert layer.running_mean.tolist() == [0.0, 0.0]


def test_a_graph_is_not_changed_by_later_batches():
    layer = nn.BatchNorm1d(2, **F8)
    x = tg.tensor(normals((4, 2), 1), requires_grad=True)
    layer.eval()
    z = layer(x)
    expected = tg.grad(z, x, np.ones((4, 2)))[0].numpy()
    layer.train()(normals((4, 2), 2))
    assert_equal(tg.grad(z, x, np.ones((4, 2)))[0].numpy(), expected)


def test_an_error_or_an_empty_batch_changes_nothing():
    layer = nn.BatchNorm2d(2, momentum=None)
    layer(normals((3, 2, 1, 2), 1, np.float32))
    state = {name: value.tolist() for name, value in layer.state_dict().items()}
    for x in (np.zeros((1, 2, 1, 1)), np.zeros((2, 3, 2, 2)), np.zeros((2, 2))):
        with pytest.raises(ValueError, match=r"^(BatchNorm2d|batch_norm): "):
            layer(x)
    assert layer(np.zeros((0, 2, 3, 3), np.float32)).shape == (0, 2, 3, 3)
    assert {name: value.tolist() for name, value in layer.state_dict().items()} == state


def test_a_network_in_another_dtype():
    for dtype in (np.float16, np.float64):
        model = nn.Sequential(nn.BatchNorm2d(2), nn.GroupNorm(2, 2), nn.LayerNorm(3)).astype(dtype)
        x = tg.tensor(normals((2, 2, 2, 3), 1, dtype), requires_grad=True)
        for _ in range(2):
            z = model(x)
            z.sum().backward()
            assert z.dtype == x.grad.dtype == model[0].running_mean.dtype == dtype
            assert {parameter.grad.dtype for parameter in model.parameters()} == {np.dtype(dtype)}
            model.eval()
        assert model[0].num_batches_tracked.dtype == np.int64


def test_on_a_gpu(monkeypatch):
    monkeypatch.setattr(backend, "_generators", {})
    standin.install(monkeypatch)
    x = 3 + normals((3, 2, 4, 4), 1, np.float32)
    results = []
    for device in ("cpu", "gpu:0"):
        model = nn.Sequential(nn.BatchNorm2d(2), nn.InstanceNorm2d(2, track_running_stats=True)).to(device)
        on_device = tg.tensor(x, device=device, requires_grad=True)
        z = model(on_device)
        (z * z * z).sum().backward()
        tensors = [z, on_device.grad, model.eval()(on_device), *model.state_dict().values()]
        assert {tensor.device for tensor in tensors} == {device}
        results.append([tensor.numpy() for tensor in tensors])
    for actual, expected in zip(*results, strict=True):
        assert_close(actual, expected, 1e-5)
    with refused("batch_norm", ValueError, "running_mean is on gpu:0 but x on cpu", modules=2):
        model.train()(tg.tensor(x))
    for layer in (nn.Dropout(), nn.Dropout2d()):
        found = []
        for seed in (1, 1, 2):
            tg.manual_seed(seed)
            z = layer(on_device)
            z.sum().backward()
            assert z.device == "gpu:0"
            found.append(z.numpy())
        assert_equal(found[0], found[1])
        assert (found[0] != found[2]).any()


# Dropout


@pytest.mark.parametrize("layer", [nn.Dropout, nn.Dropout2d])
def test_dropout_in_training_only_and_repeatable(layer):
    model = nn.Sequential(layer(0.3), nn.ReLU())
    x = tg.tensor(1 + normals((3, 4, 2, 2), 1) ** 2, requires_grad=True)
    tg.manual_seed(7)
    first, second = model(x), model(x)
    tg.manual_seed(7)
    assert_equal(model(x).numpy(), first.numpy())
    assert not np.array_equal(first.numpy(), second.numpy())
    tg.manual_seed(7)
    function = tg.dropout if layer is nn.Dropout else tg.dropout2d
    assert_equal(function(x, 0.3).numpy(), first.numpy())
    assert model.eval()[0](x) is x
    assert not (model.train()(x).numpy() == x.numpy()).any()


# Arguments


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.BatchNorm2d(64), "BatchNorm2d(64)  # 128 parameters"),
        (
            nn.BatchNorm1d(2, 1e-3, None, False, False),
            "BatchNorm1d(2, eps=0.001, momentum=None, affine=False, track_running_stats=False)",
        ),
        (nn.InstanceNorm3d(2, affine=True), "InstanceNorm3d(2, affine=True)  # 4 parameters"),
        (nn.InstanceNorm1d(2, track_running_stats=True), "InstanceNorm1d(2, track_running_stats=True)"),
        (nn.LayerNorm(5), "LayerNorm((5,))  # 10 parameters"),
        (nn.LayerNorm((5, 2), 0.1, bias=False), "LayerNorm((5, 2), eps=0.1, bias=False)  # 10 parameters"),
        (nn.LayerNorm((5, 2), elementwise_affine=False), "LayerNorm((5, 2), elementwise_affine=False)"),
        (nn.GroupNorm(1, 3, affine=False), "GroupNorm(1, 3, affine=False)"),
        (nn.LocalResponseNorm(5), "LocalResponseNorm(5)"),
        (nn.LocalResponseNorm(5, 1e-3, 0.5, 2.0), "LocalResponseNorm(5, alpha=0.001, beta=0.5, k=2.0)"),
        (nn.Dropout(), "Dropout(p=0.5)"),
        (nn.Dropout2d(0), "Dropout2d(p=0)"),
    ],
)
def test_repr(layer, text):
    assert repr(layer) == text


BAD = [
    (nn.BatchNorm2d, {"num_features": 0}, ValueError, "num_features", "0"),
    (nn.BatchNorm1d, {"num_features": 2.0}, TypeError, "num_features", "2.0"),
    (nn.BatchNorm3d, {"num_features": 2, "eps": -1.0}, ValueError, "eps", "-1.0"),
    (nn.BatchNorm2d, {"num_features": 2, "eps": None}, TypeError, "eps", "None"),
    (nn.BatchNorm2d, {"num_features": 2, "momentum": 2}, ValueError, "momentum", "2"),
    (nn.InstanceNorm2d, {"num_features": 2, "momentum": "0.1"}, TypeError, "momentum", "'0.1'"),
    (nn.InstanceNorm1d, {"num_features": 2, "affine": 1}, TypeError, "affine", "1"),
    (nn.InstanceNorm3d, {"num_features": 2, "track_running_stats": None}, TypeError, "track_running_stats", "None"),
    (nn.LayerNorm, {"normalized_shape": ()}, ValueError, "normalized_shape", "()"),
    (nn.LayerNorm, {"normalized_shape": (2, 1.5)}, TypeError, "normalized_shape", "1.5"),
    (nn.LayerNorm, {"normalized_shape": 2, "elementwise_affine": 0}, TypeError, "elementwise_affine", "0"),
    (nn.LayerNorm, {"normalized_shape": 2, "bias": "no"}, TypeError, "bias", "'no'"),
    (nn.GroupNorm, {"num_groups": 3, "num_channels": 4}, ValueError, "divide num_channels 4", "3"),
    (nn.GroupNorm, {"num_groups": 0, "num_channels": 4}, ValueError, "num_groups", "0"),
    (nn.GroupNorm, {"num_groups": 1, "num_channels": 4, "affine": "yes"}, TypeError, "affine", "'yes'"),
    (nn.LocalResponseNorm, {"size": 0}, ValueError, "size", "0"),
    (nn.LocalResponseNorm, {"size": 2, "beta": "1"}, TypeError, "beta", "'1'"),
    (nn.Dropout, {"p": 2}, ValueError, "0 to 1", "2"),
    (nn.Dropout2d, {"p": None}, TypeError, "p", "None"),
]


@pytest.mark.parametrize(("layer", "arguments", "error", "texts"), [(a, b, c, d) for a, b, c, *d in BAD])
def test_bad_arguments_are_refused_when_the_layer_is_made(layer, arguments, error, texts):
    with refused(layer.__name__, error, *texts):
        layer(**arguments)


@pytest.mark.parametrize(
    ("layer", "shape", "texts"),
    [
        (nn.BatchNorm1d(3), (2, 3, 2, 2), ("(N, C) or (N, C, W)", "(2, 3, 2, 2)")),
        (nn.BatchNorm2d(3), (2, 3), ("(N, C, H, W)", "(2, 3)")),
        (nn.BatchNorm2d(3, affine=False, track_running_stats=False), (2, 4, 2, 2), ("3 channels", "(2, 4, 2, 2)")),
        (nn.BatchNorm3d(3), (3, 2, 2, 2), ("(N, C, D, H, W)", "(3, 2, 2, 2)")),
        (nn.InstanceNorm2d(3), (3, 2, 2), ("(N, C, H, W)", "(3, 2, 2)")),
        (nn.InstanceNorm1d(3), (2, 2, 4), ("3 channels", "(2, 2, 4)")),
        (nn.GroupNorm(1, 3), (2, 4, 2), ("(N, 3, ...)", "(2, 4, 2)")),
        (nn.GroupNorm(1, 3), (3,), ("(N, 3, ...)", "(3,)")),
    ],
)
def test_bad_inputs_are_refused_by_the_layers_name(layer, shape, texts):
    x = tg.tensor(normals(shape, 1), requires_grad=True)
    with refused(type(layer).__name__, ValueError, *texts, tensors=[x], modules=1):
        layer(x)

"""Initial values: moments and bounds against the papers' closed forms, fans against counting, and the random state."""

import itertools
import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import standin
from tinygrad_cnn import backend, nn
from tinygrad_cnn.nn import init

SHAPE = (64, 16, 7, 9)
COUNT, FAN_IN, FAN_OUT = math.prod(SHAPE), 16 * 7 * 9, 64 * 7 * 9
VARIANCES = {
    init.he_normal: 2 / FAN_IN,
    init.he_uniform: 2 / FAN_IN,
    init.glorot_normal: 2 / (FAN_IN + FAN_OUT),
    init.glorot_uniform: 2 / (FAN_IN + FAN_OUT),
}
FUNCTIONS = list(VARIANCES)


@pytest.fixture(autouse=True)
def _seed(monkeypatch):
    """A seeded random state, which leaves with the test."""
    monkeypatch.setattr(backend, "_seed", None)
    monkeypatch.setattr(backend, "_generators", {})
    tg.manual_seed(1)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_mean_and_variance(function):
    values = function(SHAPE).data.astype(np.float64)
    deviation = VARIANCES[function] ** 0.5
    fourth = 9 / 5 if "uniform" in function.__name__ else 3  # the standardised fourth moment
    assert values.shape == SHAPE
    # five standard errors: 1 / sqrt(n) of the mean, sqrt((fourth - 1) / n) of the variance
    assert abs(values.mean()) < 5 * deviation / COUNT**0.5
    assert abs(values.var() / deviation**2 - 1) < 5 * ((fourth - 1) / COUNT) ** 0.5
    assert abs((values**4).mean() / deviation**4 - fourth) < 0.1


@pytest.mark.parametrize("function", [init.he_uniform, init.glorot_uniform])
def test_uniform_fills_its_interval_evenly(function):
    values = function(SHAPE).data.astype(np.float64)
    bound = (3 * VARIANCES[function]) ** 0.5
    assert 0.999 * bound < values.max() <= bound * (1 + 1e-6)
    assert 0.999 * bound < -values.min() <= bound * (1 + 1e-6)
    counts, _ = np.histogram(values, bins=10, range=(-bound, bound))
    np.testing.assert_allclose(counts, COUNT / 10, rtol=5 * (0.9 / (COUNT / 10)) ** 0.5)


@pytest.mark.parametrize("function", [init.he_normal, init.glorot_normal])
def test_normal_has_the_normal_quantiles(function):
    values = abs(function(SHAPE).data) / VARIANCES[function] ** 0.5
    for z, share in ((0.6744898, 0.5), (1.959964, 0.95), (2.5758293, 0.99)):
        assert abs((values < z).mean() - share) < 5 * (share * (1 - share) / COUNT) ** 0.5


# Fans


@pytest.mark.parametrize(
    ("shape", "options", "fans"),
    [
        ((5, 7), {}, (7, 5)),
        ((8, 3, 5), {}, (15, 40)),
        ((8, 3, 5, 5), {}, (75, 200)),
        ((8, 3, 5, 4, 2), {}, (120, 320)),
        ((8, 1, 3, 3), {"groups": 4}, (9, 18)),
        ((8, 3, 5, 5), {"stride": 2}, (75, 50)),
        ((3, 8, 4, 4), {"transposed": True}, (48, 128)),
        ((3, 8, 4, 4), {"transposed": True, "stride": (2, 4)}, (6, 128)),
        ((4, 2, 3), {"transposed": True, "groups": 2}, (6, 6)),
        ((1, 1), {}, (1, 1)),
    ],
)
def test_fans(shape, options, fans):
    assert init.fans_of(shape, **options) == fans


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 3, 4])
@pytest.mark.parametrize("transposed", [False, True])
def test_fans_count_the_connections(transposed, kernel, stride, groups):
    """On a circle there is no border: the connections of all outputs, divided by their number, are the fan in."""
    channels, filters, small = 4, 6, 12
    large = small * stride  # the side that the stride steps over
    x, z = (small, large) if transposed else (large, small)
    connections = {
        ((c, i * stride + u), (f, i))
        for c, f, i, u in itertools.product(range(channels), range(filters), range(small), range(kernel))
        if c // (channels // groups) == f // (filters // groups)
    }
    shape = (channels, filters // groups, kernel) if transposed else (filters, channels // groups, kernel)
    fan_in, fan_out = init.fans_of(shape, groups, transposed, stride)
    assert fan_in == pytest.approx(len(connections) / (filters * z))
    assert fan_out == pytest.approx(len(connections) / (channels * x))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (((3,),), ValueError, r"fans_of: expected a weight with two or more axes, none empty, but the shape is \(3,\)"),
        (((),), ValueError, r"the shape is \(\)"),
        (((3, 0),), ValueError, r"none empty, but the shape is \(3, 0\)"),
        (((3, -1),), ValueError, r"fans_of: expected sizes of 0 or more but got \(3, -1\)"),
        (((3, 2.0),), TypeError, r"fans_of: expected a shape, a tuple of integers, but got \(3, 2.0\)"),
        ((3,), TypeError, "fans_of: expected a shape, a tuple of integers, but got 3"),
        (("34",), TypeError, "fans_of: expected a shape"),
        (((6, 2, 3), 4), ValueError, r"fans_of: groups must divide the first axis of \(6, 2, 3\) but is 4"),
        (((6, 2, 3), 0), ValueError, "fans_of: groups must be at least 1 but is 0"),
        (((6, 2, 3), 1, False, (1, 2)), ValueError, "fans_of: stride expects an integer or 1 of them"),
    ],
)
def test_fans_refuse(arguments, error, text):
    with pytest.raises(error, match=text):
        init.fans_of(*arguments)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.Linear(300, 400), (200, 300)),
        (lambda: nn.Conv1d(64, 256, 5), (8, 64, 40)),
        (lambda: nn.Conv2d(64, 128, 3, stride=2, groups=2), (8, 64, 21, 21)),
        (lambda: nn.ConvTranspose2d(64, 128, 4, stride=2), (8, 64, 12, 12)),
        (lambda: nn.ConvTranspose1d(128, 256, 3, groups=4), (8, 128, 40)),
    ],
)
def test_the_signal_behind_a_relu_keeps_its_size_through_a_layer(layer, shape):
    """E[relu(x)²] = 1/2 for a standard normal x, and with He's weights the layer's outputs have E[z²] = 1 again."""
    x = np.maximum(np.random.default_rng(2).standard_normal(shape), 0).astype(np.float32)
    z = layer()(tg.tensor(x)).data
    inner = (slice(None), slice(None), *(slice(3, -3) for _ in z.shape[2:]))  # away from the borders
    assert abs((z[inner] ** 2).mean() - 1) < 0.15


# Arguments and the random state


@pytest.mark.parametrize("function", FUNCTIONS)
def test_given_fans_count(function):
    values = function(SHAPE, fans=(50, 150)).data
    wanted = 2 / 50 if function.__name__.startswith("he") else 2 / 200
    assert abs(values.var() / wanted - 1) < 0.05
    assert function((10_000,), fans=(50, 150)).shape == (10_000,)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_seed_repeats_the_values_in_every_dtype(function):
    tg.manual_seed(3)
    first, second = function((4, 5)), function((4, 5))
    tg.manual_seed(3)
    again = function((4, 5), dtype="float64")
    assert (first.data != second.data).all()
    assert (first.dtype, again.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(first.data, again.data.astype(np.float32))
    assert not first.requires_grad


def test_default_dtype_and_device(monkeypatch):
    standin.install(monkeypatch)
    try:
        tg.set_default_dtype("float64")
        tg.set_default_device("gpu")
        layer = nn.Conv2d(1, 2, 3)
    finally:
        tg.set_default_dtype("float32")
        tg.set_default_device("cpu")
    assert {p.dtype for p in layer.parameters()} == {np.dtype(np.float64)}
    assert {p.device for p in layer.parameters()} == {"gpu:0"}
    assert {p.device for p in nn.Linear(2, 3, device="gpu:1", dtype="float16").parameters()} == {"gpu:1"}
    assert {p.dtype for p in nn.Linear(2, 3, device="gpu:1", dtype="float16").parameters()} == {np.dtype(np.float16)}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_random_values_on_a_device_come_from_its_own_state(monkeypatch, function):
    standin.install(monkeypatch)
    tg.manual_seed(4)
    first = function((30, 40), device="gpu")
    tg.manual_seed(4)
    function((3, 3))
    again = function((30, 40), device="gpu")
    assert first.device == "gpu:0"
    np.testing.assert_array_equal(first.numpy(), again.numpy())


def test_constants():
    assert init.constant((2, 2), 0.25).tolist() == [[0.25, 0.25], [0.25, 0.25]]
    assert init.zeros((2,)).tolist() == [0.0, 0.0]
    assert init.ones((1, 2), dtype="float64").tolist() == [[1.0, 1.0]]
    assert init.zeros((0, 3)).shape == (0, 3)
    assert init.ones(()).item() == 1.0
    assert {init.zeros((2,)).dtype, init.constant((2,), 1).dtype} == {np.dtype(np.float32)}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_bad_arguments_are_refused_before_the_random_state_moves(function):
    tg.manual_seed(5)
    wanted = function((2, 3)).tolist()
    tg.manual_seed(5)
    name = function.__name__
    for arguments, error, text in [
        ({"shape": (3,)}, ValueError, rf"{name}: this shape needs fans=\(fan in, fan out\)"),
        ({"shape": (2, 3), "fans": (0, 1)}, ValueError, rf"{name}: expected fans above 0 but got \(0, 1\)"),
        ({"shape": (2, 3), "fans": (math.nan, 1)}, ValueError, f"{name}: expected fans above 0"),
        ({"shape": (2, 3), "dtype": int}, ValueError, f"{name}: expected a floating-point dtype but got int64"),
        ({"shape": (2, 3), "device": "tpu"}, ValueError, "device: expected"),
        ({"shape": (2, 3.5)}, TypeError, "expected a shape, a tuple of integers"),
        ({"shape": (2, -3), "fans": (1, 1)}, ValueError, f"{name}: expected sizes of 0 or more"),
    ]:
        with pytest.raises(error, match=text):
            function(**arguments)
    assert function((2, 3)).tolist() == wanted

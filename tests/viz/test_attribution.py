"""Saliency, class activation and the gradient of a unit, against finite differences and closed forms."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.finite_differences import central_differences
from tinygrad_cnn import nn
from tinygrad_cnn.viz.analysis.attribution import class_activation_map, saliency_map, unit_field

RNG = np.random.default_rng(11)
IMAGE = RNG.standard_normal((2, 6, 5))


def network():
    """Smooth, so that finite differences hold everywhere."""
    tg.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Tanh(), nn.Dropout(0.5), nn.AvgPool2d(2, 1), nn.Flatten(),
        nn.Linear(3 * 3 * 2, 4),
    ).astype(np.float64)  # fmt: skip


def pooled(bias=True):
    """Global average pooling and a linear layer after ReLU."""
    tg.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 4, 2), nn.ReLU(), nn.GlobalAvgPool(),
        nn.Linear(4, 3, bias=bias),
    ).astype(np.float64)  # fmt: skip


def score(model, image, target):
    model.eval()
    try:
        return model(tg.tensor(image[None])).numpy()[0, target]
    finally:
        model.train()


def differences(model, image, target):
    return central_differences(lambda x: score(model, x, target), [image])[0]


@pytest.mark.parametrize("target", [0, 3])
def test_saliency_is_the_greatest_difference_over_the_channels(target):
    model = network()
    expected = np.abs(differences(model, IMAGE, target)).max(axis=0)
    np.testing.assert_allclose(saliency_map(model, IMAGE, target), expected, rtol=1e-6, atol=1e-9)


def test_input_times_gradient():
    model = network()
    expected = (IMAGE * differences(model, IMAGE, 1)).sum(axis=0)
    actual = saliency_map(model, IMAGE, 1, "input_x_gradient")
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-9)
    assert actual.min() < 0 < actual.max()


def test_input_times_gradient_adds_up_to_the_score_without_biases():
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2, 1), nn.Flatten(), nn.Linear(24, 3, bias=False)
    ).astype(np.float64)
    total = saliency_map(model, IMAGE, 2, "input_x_gradient").sum()
    assert total == pytest.approx(score(model, IMAGE, 2), abs=1e-12)


def test_smoothgrad_is_the_mean_over_noisy_copies():
    """The copies drawn again here, each with its own finite differences."""
    model = network()
    noise = np.random.default_rng(5).standard_normal((3, 2, 6, 5)) * 0.2 * (IMAGE.max() - IMAGE.min())
    gradients = [differences(model, IMAGE + n, 2) for n in noise]
    expected = np.abs(np.mean(gradients, axis=0)).max(axis=0)
    actual = saliency_map(model, IMAGE, 2, "smoothgrad", samples=3, noise=0.2, seed=5)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-9)


def test_smoothgrad_without_noise_is_the_gradient():
    model = network()
    for target in (None, 2):
        smooth = saliency_map(model, IMAGE, target, "smoothgrad", samples=4, noise=0)
        np.testing.assert_allclose(smooth, saliency_map(model, IMAGE, target), rtol=1e-12)
    constant = saliency_map(model, np.ones((2, 6, 5)), 0, "smoothgrad")  # an image without a range has no noise
    np.testing.assert_allclose(constant, saliency_map(model, np.ones((2, 6, 5)), 0), rtol=1e-12)


def test_the_class_of_the_largest_logit_is_the_default():
    model = network()
    best = int(np.argmax([score(model, IMAGE, k) for k in range(4)]))
    for method in ("gradient", "smoothgrad", "input_x_gradient"):
        assert np.array_equal(saliency_map(model, IMAGE, None, method), saliency_map(model, IMAGE, best, method))
    assert class_activation_map(model, IMAGE, layer="2").target == best


@pytest.mark.parametrize("target", [0, 1, 2])
def test_cam_averages_to_the_logit_less_its_bias(target):
    model = pooled()
    found = class_activation_map(model, IMAGE, target, method="cam")
    assert found.layer == "4"
    assert found.values.shape == (2, 1)
    np.testing.assert_array_equal(found.weights, model[6].weight.numpy()[target])
    expected = score(model, IMAGE, target) - model[6].bias.numpy()[target]
    assert found.values.mean() == pytest.approx(expected, abs=1e-12)


def test_cam_weighs_each_map():
    model = pooled()
    maps = np.maximum(run_until(model, 5), 0)
    weights = model[6].weight.numpy()[1]
    expected = [[sum(weights[k] * maps[k, i, j] for k in range(4)) for j in range(1)] for i in range(2)]
    np.testing.assert_allclose(class_activation_map(model, IMAGE, 1, method="cam").values, expected, atol=1e-12)


def run_until(model, count):
    return model.eval()[:count](tg.tensor(IMAGE[None])).numpy()[0]


@pytest.mark.parametrize("target", [0, 1, 2])
def test_grad_cam_is_the_positive_part_of_cam_divided_by_the_pixels(target):
    model = pooled()
    cam = class_activation_map(model, IMAGE, target, method="cam")
    grad_cam = class_activation_map(model, IMAGE, target, layer="4")
    np.testing.assert_allclose(grad_cam.values, np.maximum(cam.values, 0) / 2, atol=1e-12)


@pytest.mark.parametrize("layer", ["0", "2", "4"])
def test_grad_cam_by_finite_differences_in_the_maps(layer):
    model = network().eval()
    before, after = model[: int(layer) + 1], model[int(layer) + 1 :]
    maps = before(tg.tensor(IMAGE[None])).numpy()
    (gradient,) = central_differences(lambda a: after(tg.tensor(a)).numpy()[0, 1], [maps])
    alpha = gradient[0].mean(axis=(1, 2))
    expected = np.maximum((alpha[:, None, None] * maps[0]).sum(axis=0), 0)
    found = class_activation_map(model, IMAGE, 1, layer)
    np.testing.assert_allclose(found.weights, alpha, rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(found.values, expected, rtol=1e-6, atol=1e-9)


def test_the_last_maps_of_more_than_a_pixel_are_taken():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    for method in ("cam", "grad-cam"):
        assert class_activation_map(model, IMAGE, 0, method=method).layer == "0"


def test_a_layer_that_the_score_does_not_hang_on():
    class Aside(nn.Module):
        def __init__(self):
            self.aside, self.last = nn.Conv2d(2, 3, 1), nn.Linear(60, 2)

        def forward(self, x):
            self.aside(x)
            return self.last(x.flatten(1))

    found = class_activation_map(Aside(), IMAGE, 0, "aside")
    assert not found.values.any()


@pytest.mark.parametrize("unit", [None, (0, 0), (3, 2)])
@pytest.mark.parametrize("channel", [None, 1])
def test_the_gradient_of_a_unit(unit, channel):
    model = network()

    def value(x):
        maps = model[:2].eval()(tg.tensor(x[None])).numpy()[0]
        row, column = unit or (2, 1)  # the middle of (4, 3)
        return maps[:, row, column].sum() if channel is None else maps[channel, row, column]

    (expected,) = central_differences(value, [IMAGE])
    np.testing.assert_allclose(unit_field(model, IMAGE, "1", unit, channel).gradient, expected, rtol=1e-6, atol=1e-9)


def test_the_field_of_a_unit_holds_its_gradient_and_is_no_larger():
    """Weights that are all 1, without a ReLU: every pixel of the field has a gradient."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.AvgPool2d(2), nn.Conv2d(2, 1, 3, padding=1))
    for parameter in model.parameters():
        parameter.data = np.ones(parameter.shape)
    for unit in [(0, 0), (2, 3), (5, 4), None]:
        found = unit_field(model, np.zeros((12, 10)), unit=unit)
        rows, columns = np.nonzero(found.gradient[0])
        assert found.rows == (rows.min(), rows.max())
        assert found.columns == (columns.min(), columns.max())
        assert len(rows) == (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
        assert found.size == (8, 8)  # 3 + (2 - 1) + 2 * (3 - 1)
        assert found.unit == (unit or (3, 2))


def test_a_unit_that_does_not_hang_on_the_image():
    class Constant(nn.Module):
        def __init__(self):
            self.values = nn.Parameter(np.ones((1, 2, 3, 3)))

        def forward(self, x):
            return self.values + 1

    found = unit_field(Constant(), IMAGE)
    assert not found.gradient.any()
    assert found.rows is found.columns is found.size is None


def test_nothing_changes_in_the_model():
    model = pooled().train()
    model[0].requires_grad_(False)
    tg.cross_entropy(model(tg.tensor(IMAGE[None])), np.array([1])).backward()
    gradients = {name: None if p.grad is None else p.grad.numpy().copy() for name, p in model.named_parameters()}
    with tg.no_grad():  # gradients are taken all the same
        saliency_map(model, IMAGE)
        class_activation_map(model, IMAGE)
        class_activation_map(model, IMAGE, method="cam")
        assert unit_field(model, IMAGE, "4").gradient.any()
    assert all(module.training for module in model.modules())
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == (gradients[name] is None) == name.startswith("0.")
        assert parameter.grad is None or np.array_equal(parameter.grad.numpy(), gradients[name])


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"method": "lrp"}, ValueError, "one of gradient, smoothgrad, input_x_gradient but is 'lrp'"),
        ({"target": 4}, ValueError, "a class from 0 to 3 but is 4"),
        ({"target": -1}, ValueError, "a class from 0 to 3 but is -1"),
        ({"target": True}, TypeError, "target must be"),
        ({"samples": 0}, ValueError, "samples"),
        ({"noise": -0.1}, ValueError, "noise"),
        ({"noise": float("nan")}, ValueError, "noise"),
        ({"model": None}, TypeError, "expected a Module"),
        ({"model": nn.Conv2d(2, 1, 1)}, ValueError, r"logits of shape \(1, classes\) but got shape \(1, 1, 6, 5\)"),
    ],
)
def test_what_saliency_refuses(options, error, text):
    arguments = {"model": network(), "image": IMAGE} | options
    with pytest.raises(error, match=f"^saliency_map: .*{text}"):
        saliency_map(**arguments)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"method": "gradcam"}, ValueError, "one of grad-cam, cam"),
        ({"layer": "9"}, ValueError, "expected layers out of"),
        ({"layer": "6"}, ValueError, r"returns maps \(1, K, h, w\) but '6' gave \(1, 4\)"),
        ({"method": "cam"}, ValueError, "global average pooling"),
        ({"model": pooled(), "method": "cam", "layer": "1"}, ValueError, "'1' doesn't give the maps"),
        ({"model": nn.Sequential(nn.Flatten(), nn.Linear(60, 2))}, ValueError, "returns maps"),
        ({"target": 1.0}, TypeError, "target"),
    ],
)
def test_what_class_activation_refuses(options, error, text):
    arguments = {"model": network(), "image": IMAGE} | options
    with pytest.raises(error, match=f"^class_activation_map: .*{text}"):
        class_activation_map(**arguments)


def test_cam_wants_the_maps_from_a_module():
    class Functional(nn.Module):
        def __init__(self):
            self.conv, self.last = nn.Conv2d(2, 3, 3), nn.Linear(3, 2)

        def forward(self, x):
            return self.last(tg.relu(self.conv(x)).mean(axis=(2, 3)))

    with pytest.raises(ValueError, match=r"nn\.ReLU\(\) and not tg\.relu"):
        class_activation_map(Functional(), IMAGE, method="cam")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"layer": "5"}, r"\(1, K, h, w\)"),
        ({"layer": "x"}, "expected layers out of"),
        ({"layer": "0", "unit": (4, 0)}, r"within maps of \(4, 3\) but got \(4, 0\)"),
        ({"layer": "0", "unit": (-1, 0)}, "within maps"),
        ({"layer": "0", "channel": 3}, "a channel from 0 to 2 but got 3"),
    ],
)
def test_what_the_gradient_of_a_unit_refuses(options, text):
    with pytest.raises(ValueError, match=f"^unit_field: .*{text}"):
        unit_field(network(), IMAGE, **options)

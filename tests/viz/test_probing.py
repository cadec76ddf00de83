"""What the layers of a model make of an image, noted without leaving a trace in the model."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.viz.analysis.probing import layer_outputs, run

IMAGE = np.random.default_rng(4).standard_normal((2, 6, 5)).astype(np.float32)


class Shared(nn.Module):
    """One activation called twice, a module that is never called, and one that returns a pair."""

    def __init__(self):
        self.first = nn.Conv2d(2, 3, 3)
        self.second = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU()
        self.unused = nn.Conv2d(1, 1, 1)
        self.both = Both()

    def forward(self, x):
        x = self.relu(self.first(x))
        x = self.relu(self.norm(self.second(x)))
        return self.both(x)[0]


class Both(nn.Module):
    def forward(self, x):
        return x, x


def test_every_layer_in_the_order_of_the_calls():
    model = Shared()
    outputs = layer_outputs(model, IMAGE)
    assert list(outputs) == ["first", "relu", "second", "norm", "relu (call 2)"]
    x = tg.tensor(IMAGE[None])
    z = model.first(x)
    np.testing.assert_array_equal(outputs["first"], z.numpy()[0])
    np.testing.assert_array_equal(outputs["relu"], np.maximum(z.numpy()[0], 0))
    z = model.second(tg.relu(z))
    np.testing.assert_array_equal(outputs["second"], z.numpy()[0])
    # In evaluation mode, with the fresh running mean 0 and variance 1.
    expected = z.numpy()[0] / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(outputs["norm"], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(outputs["relu (call 2)"], np.maximum(outputs["norm"], 0))


def test_layers_by_name():
    model = nn.Sequential(nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU()), nn.Flatten(), nn.Dropout(0.5))
    assert list(layer_outputs(model, IMAGE, ["0"])) == ["0"]
    assert list(layer_outputs(model, IMAGE, ["1", "0.1"])) == ["0.1", "1"]
    (whole,) = layer_outputs(model, IMAGE, [""]).items()
    assert whole[0] == "Sequential"
    np.testing.assert_array_equal(whole[1], layer_outputs(model, IMAGE)["1"])  # no dropout


def test_the_model_is_as_it_was():
    model = Shared()
    model.norm.eval()
    own = [dict(vars(module)) for module in model.modules()]
    modes = [module.training for module in model.modules()]
    state = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    tg.manual_seed(3)
    before = tg.dropout(tg.tensor(np.ones(50)), 0.5).numpy()
    tg.manual_seed(3)
    layer_outputs(model, IMAGE)
    np.testing.assert_array_equal(tg.dropout(tg.tensor(np.ones(50)), 0.5).numpy(), before)
    assert [dict(vars(module)) for module in model.modules()] == own
    assert [module.training for module in model.modules()] == modes == [True, True, True, False, True, True, True]
    assert all(np.array_equal(value.numpy(), state[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_model_is_as_it_was_after_an_error():
    model = nn.Sequential(nn.Conv2d(3, 1, 1))
    with pytest.raises(ValueError, match="3 input channels") as caught:
        layer_outputs(model, IMAGE)
    assert "layer_outputs: Sequential was given an image of shape (1, 2, 6, 5)" in caught.value.__notes__
    assert all("forward" not in vars(module) for module in model.modules())
    assert model.training
    assert model[0].training


def test_a_forward_of_the_instance_stays():
    layer = nn.ReLU()
    layer.forward = own = lambda x: x + 1
    _, calls = run(layer, tg.tensor([1.0]), "test")
    assert [call.output.tolist() for call in calls] == [[2.0]]
    assert vars(layer)["forward"] is own


@pytest.mark.parametrize("image", [IMAGE[0], IMAGE[:1], IMAGE[None, :1], tg.tensor(IMAGE[:1])])
def test_shapes_of_an_image(image):
    assert layer_outputs(nn.ReLU(), image)["ReLU"].shape == (1, 6, 5)


def test_an_image_takes_the_dtype_of_the_parameters():
    assert layer_outputs(nn.Conv2d(2, 1, 1).astype(np.float64), IMAGE)["Conv2d"].dtype == np.float64
    assert layer_outputs(nn.Conv2d(1, 1, 1), np.ones((3, 3), np.uint8))["Conv2d"].dtype == np.float32
    assert layer_outputs(nn.ReLU(), np.ones((3, 3), np.uint8))["ReLU"].dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((lambda x: x, IMAGE), TypeError, "expected a Module but got function"),
        ((Shared(), IMAGE[None].repeat(2, 0)), ValueError, r"one image .* got shape \(2, 2, 6, 5\)"),
        ((Shared(), np.zeros(3)), ValueError, r"\(3,\)"),
        ((Shared(), np.zeros((2, 0, 3))), ValueError, r"\(2, 0, 3\)"),
        ((Shared(), [["a"]]), TypeError, "numbers"),
        ((Shared(), IMAGE, ["third"]), ValueError, "out of '', 'first', .* but got 'third'"),
        ((Shared(), IMAGE, ["unused"]), ValueError, "did not call 'unused'"),
        ((Shared(), IMAGE, "first"), TypeError, r"write \['first'\]"),
    ],
)
def test_refusals(arguments, error, text):
    with pytest.raises(error, match=f"^layer_outputs: .*{text}"):
        layer_outputs(*arguments)

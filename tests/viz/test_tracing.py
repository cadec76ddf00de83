"""A model is run once for its picture, and nothing about it changes."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.engine import Unkept
from tinygrad_cnn.viz.graph.tracing import trace
from tinygrad_cnn.walk import nodes


def test_the_model_stays_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5))
    model[1].eval()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    tg.manual_seed(7)
    expected = tg.dropout(tg.tensor(np.ones(50))).numpy()
    tg.manual_seed(7)
    with tg.no_grad():
        found = trace(model, (2, 1, 5, 5))
    assert found.outputs[0].requires_grad
    assert [module.training for module in model.modules()] == modes
    assert all(p.grad is None for p in model.parameters())
    assert all(np.array_equal(before[name], value.numpy()) for name, value in model.state_dict().items())
    assert np.array_equal(tg.dropout(tg.tensor(np.ones(50))).numpy(), expected)


def test_random_numbers_in_evaluation_mode_leave_the_random_state():
    class MonteCarlo(nn.Module):
        def forward(self, x):
            return tg.dropout(x, 0.5, training=True)

    tg.manual_seed(7)
    expected = tg.dropout(tg.tensor(np.ones(50))).numpy()
    tg.manual_seed(7)
    first, second = (trace(MonteCarlo(), (1, 50)).output.numpy() for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(tg.dropout(tg.tensor(np.ones(50))).numpy(), expected)


def test_a_model_without_inputs():
    class Constant(nn.Module):
        def __init__(self):
            self.value = nn.Parameter(2.0)

        def forward(self):
            return self.value * 3

    found = trace(Constant(), [])
    assert found.inputs == ()
    assert found.output.item() == 6


def test_everything_is_recorded_and_kept():
    model = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(1, 4, 3)).requires_grad_(False)
    (output,) = trace(model, (1, 1, 64, 64)).outputs
    recorded = nodes(output)
    assert [n.primitive.name for n in recorded if n.primitive] == ["max_of_windows", "correlation"]
    assert not any(isinstance(n.value, Unkept) for n in recorded)
    assert output.size > 1024
    assert isinstance((output * 2).node.value, Unkept)


def test_the_made_up_input_is_the_same_every_time():
    model = nn.Linear(3, 2)
    assert np.array_equal(trace(model, (1, 3)).inputs[0].numpy(), trace(model, (1, 3)).inputs[0].numpy())
    assert trace(model.astype(np.float64), (1, 3)).inputs[0].dtype == np.float64


def test_inputs_by_value_and_several():
    class Gated(nn.Module):
        def __init__(self):
            self.scale = nn.Parameter(2.0)

        def forward(self, x, labels):
            return {"loss": tg.cross_entropy(x * self.scale, labels), "same": x}

    found = trace(Gated(), [(2, 3), np.array([0, 2])])
    assert [x.name for x in found.inputs] == ["input1", "input2"]
    assert [x.requires_grad for x in found.inputs] == [True, False]
    assert [z.shape for z in found.outputs] == [(), (2, 3)]
    x = tg.tensor([[1.0, 2.0, 3.0]], name="x")
    assert trace(nn.Linear(3, 2), x).inputs[0].name == "x"
    assert not x.requires_grad
    assert trace(nn.Linear(3, 2), [[1.0, 2.0, 3.0]]).inputs[0].tolist() == [[1.0, 2.0, 3.0]]


@pytest.mark.parametrize(
    ("model", "inputs", "error", "message"),
    [
        (tg.relu, (1,), TypeError, "draw: expected a module but got function"),
        (nn.ReLU(), (0, 3), ValueError, r"draw: expected the sizes of an input's axes, .*got \(0, 3\)"),
        (nn.ReLU(), "image", TypeError, "draw: expected the shape of an input, .* but got 'image'"),
        (nn.ReLU(), None, TypeError, "draw: expected the shape of an input, .* but got None"),
        (nn.ReLU(), {"x": (1, 2)}, TypeError, "draw: expected the shape of an input, .* but got {"),
        (nn.ReLU(), [[1.0], [2.0, 3.0]], TypeError, "draw: expected the shape of an input"),
    ],
)
def test_what_is_no_model_and_no_input(model, inputs, error, message):
    with pytest.raises(error, match=message):
        trace(model, inputs, "draw")


def test_an_output_without_tensors():
    class Says(nn.Module):
        def forward(self, x):
            return "done"

    with pytest.raises(ValueError, match=r"trace: expected Says to return tensors .* but it returned str"):
        trace(Says(), (1,))


def test_an_error_in_the_model_says_what_it_was_given():
    with pytest.raises(ValueError, match="conv2d: weight expects 3 input channels") as caught:
        trace(nn.Conv2d(3, 8, 5), (1, 1, 8, 8), "summary")
    assert "summary: Conv2d was given an input of shape (1, 1, 8, 8)" in caught.value.__notes__

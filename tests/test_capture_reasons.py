"""What is not captured: for every case its reason, and the numbers of the step itself."""

import warnings

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.capture_cases import W, X, replays
from tinygrad_cnn import nn
from tinygrad_cnn.capture import compile
from tinygrad_cnn.kernels import dispatch


def reason(function, *arguments, calls=2):
    """Why a step runs as it is; its results are those of the step itself."""
    step = compile(function)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(calls + 2):
            step(*arguments)
    assert replays(step) == 0
    assert [str(w.message) for w in caught] == [f"compile: {step._name} runs as it is: {why}" for why in step.why]
    assert all(w.filename == __file__ for w in caught)
    (why,) = step.why
    assert why in repr(step)
    return why


@pytest.mark.parametrize(
    "read",
    [
        lambda z: z.sum().item(),
        lambda z: float(z.sum()),
        lambda z: z.numpy(),
        lambda z: z.tolist(),
        lambda z: z.data,
        lambda z: bool(z.sum() > 0),
        lambda z: np.asarray(z.detach()),
        lambda z: f"{z}",
        lambda z: tg.tensor(z.numpy() * 2),
        lambda z: np.max(z.data),
        lambda z: ~(z > 0),
        np.zeros_like,
        lambda z: (z * W).node.value,
        lambda z: tg.walk.contributions((z * W).node),
        lambda z: z.detach().__dlpack__(),
    ],
)
def test_numbers_that_are_read(read):
    assert "the numbers of a tensor are read in it, by " in reason(lambda x: read(x * W) is None, X)
    assert "test_capture_reasons.py, line" in reason(lambda x: read(x) is None, X)


def test_control_flow():
    def step(x):
        return x * 2 if x.sum() > 0 else x

    assert "by Tensor.item" in reason(step, X) or "by item" in reason(step, X)


def test_numpy_arguments():
    assert "an argument is a ndarray, and nobody sees when it is read: pass a tg.tensor" in reason(
        lambda x: tg.relu(tg.tensor(x)), np.ones(3)
    )


def test_more_kinds_of_arguments_than_are_kept():
    step = compile(lambda x, n: x * n)
    for n in range(8):
        for _ in range(3):
            assert step(X, n).tolist() == [n, 2 * n]
    with pytest.warns(RuntimeWarning, match="more than 8 kinds of arguments"):
        step(X, 8)
    assert step(X, 8).tolist() == [8, 16]
    assert replays(step) == 8


def test_a_number_that_counts_on():
    count = [0]

    def counting(x):
        count[0] += 1
        return x * count[0]

    assert reason(counting, X) == "it changes what it uses: an attribute of a module, a variable"
    numbers = iter(range(10))
    why = reason(lambda x: x * next(numbers), X)
    assert why == "it does not do the same each time (v2 = v1 * 0, then v2 = v1 * 1)"
    generator = np.random.default_rng(0)
    why = reason(lambda x: x * generator.standard_normal(2), X)
    assert why == "it uses another ndarray each time, made inside it from what is not followed"
    values = iter(np.linspace(0, 1, 10))
    assert "a number or an option differs each time" in reason(lambda x: x * next(values), X)


def test_a_step_that_alternates():
    turns = iter([True, False] * 5)
    why = reason(lambda x: tg.relu(x) if next(turns) else tg.sin(x), X)
    assert why == "it does not do the same each time (relu, then sin)"
    turns = iter([True, False] * 5)
    why = reason(lambda x: tg.relu(x) if next(turns) else tg.relu(tg.sin(x)), X)
    assert why.startswith("it does not do the same each time (return ")


def test_walks_that_are_not_captured():
    assert reason(lambda x: tg.grad((x * W).sum(), W)[0], X) == "tg.grad is called in it"
    why = reason(lambda x: (x * W * W).sum().backward(create_graph=True), X)
    assert why == "backward(create_graph=True) is called in it"
    assert reason(lambda x: (x * W).retain_grad().sum().backward(), X) == "retain_grad() is called in it"
    assert "what is no tensor of the output's dtype" in reason(lambda x: (x * W).backward([1.0, 2.0]), X)
    outside = W * 2

    def beyond(x):
        (outside * x).sum().backward(retain_graph=True)

    assert reason(beyond, X) == "backward() reaches operations from before it"


def test_gradients_from_before():
    W.grad = None
    assert reason(lambda x: W.grad is None, X).startswith("a gradient from before it is looked at in it")
    W.grad = tg.tensor([1.0, 1.0])
    assert reason(lambda x: x * W.grad, X).startswith("a gradient from before it is looked at in it")
    W.grad = None


def test_what_is_switched_inside():
    def debugging(x):
        with tg.debug():
            return x * 2

    assert reason(debugging, X) == "tg.debug() is switched on in it"

    def seeding(x):
        tg.manual_seed(0)
        return tg.dropout(x, 0.5)

    assert reason(seeding, X) == "the kernels or the random state are switched in it"

    def choosing(x):
        with dispatch.using("reference"):
            return x * 2

    with dispatch.using("numpy"):
        assert reason(choosing, X) == "the kernels or the random state are switched in it"


def test_data_replaced_of_a_tensor_made_inside():
    def step(x):
        z = tg.tensor([0.0, 0.0])
        z.data = x * 2
        return z

    assert reason(step, X) == "the data of a tensor made in it is replaced"


@pytest.mark.parametrize("mask", [lambda x: x > 1, lambda x: [True, False], lambda x: np.array([True, False])])
def test_a_boolean_index(mask):
    why = reason(lambda x: (x * W)[mask(x)].mean().backward(), X)
    assert why == "a boolean index gives results of any size; take tg.where"


def test_a_leaf_made_inside():
    why = reason(lambda x: (tg.tensor([1.0, 1.0], requires_grad=True) * x).sum().backward(), X)
    assert why == "tensor makes a tensor that requires a gradient"


def test_tensors_from_numbers_that_are_not_followed():
    why = reason(lambda x: x + nn.init.zeros((2,), np.float32, "cpu"), X)
    assert why == "a tensor made in it from numbers that are not followed is used"


def test_an_argument_that_is_a_variable_too():
    why = reason(lambda x: x * X, X)
    assert why == "an argument is also a variable that it uses, and which of them was meant can't be told"


def test_a_module_that_changes_itself():
    class Counting(nn.Module):
        def __init__(self):
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return x * 2

    assert reason(Counting(), X) == "it changes what it uses: an attribute of a module, a variable"


def test_what_is_changed_before_each_call():
    model = nn.Sequential(nn.ReLU())
    step = compile(model)

    def often():
        for i in range(40):
            model.number = i
            assert step(X).tolist() == [1.0, 2.0]

    with pytest.warns(RuntimeWarning, match="is changed before each call"):
        often()

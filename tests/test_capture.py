"""Captured steps give the numbers of the steps themselves, bit by bit, whatever they do."""

import copy
import threading
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.capture_cases import (
    MODELS,
    OPTIMIZERS,
    W,
    X,
    both,
    built,
    digits,
    lenet,
    mlp,
    normalized,
    replays,
    run_alike,
    same_bits,
    source_of,
    state_of,
    training_step,
)
from tinygrad_cnn import nn
from tinygrad_cnn.capture import compile

STEPS = 5


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_a_training_step_gives_the_same_bits(model, optimizer):
    (mine, step), (theirs, plain) = both(training_step, MODELS[model], OPTIMIZERS[optimizer])
    run_alike(mine, step, theirs, plain, [digits(6, seed) for seed in range(STEPS)])
    assert replays(step) == STEPS - 2
    assert step.why == []


def test_a_scalar_network_gives_the_same_bits():
    def make():
        rng = np.random.default_rng(1)
        weights = [[tg.tensor(float(w), requires_grad=True) for w in rng.standard_normal(3)] for _ in range(4)]
        flat = [w for row in weights for w in row]

        def step(x, y):
            for w in flat:
                w.grad = None
            hidden = [tg.relu(a * x + b * y + c) for a, b, c in weights[:2]]
            last, other = weights[2:]
            z = tg.tanh(last[0] * hidden[0] + last[1] * hidden[1] - last[2])
            z = z / (other[0] * other[0] + 1) + other[1] ** 2 * 3 - abs(other[2])
            z.backward()
            return z

        return step, flat

    (step, mine), (plain, theirs) = make(), make()
    step = compile(step)
    for i in range(6):
        x = tg.tensor(0.5 * i), tg.tensor(1.0 - i)
        assert step(*x).item() == plain(*x).item()
        assert [w.grad.item() for w in mine] == [w.grad.item() for w in theirs]
    assert replays(step) == 4
    assert " * v" in source_of(step)  # arithmetic is written out, not called


def test_gradients_accumulate_over_batches_and_over_two_walks():
    def accumulating(model, optimizer):
        def step(x, y):
            tg.cross_entropy(model(x), y).backward()
            loss = (model(x) ** 2).mean()
            loss.backward()
            return loss

        return step

    (mine, step), (theirs, plain) = both(accumulating, mlp)
    run_alike(mine, step, theirs, plain, [digits(6, seed) for seed in range(STEPS)])
    assert replays(step) == STEPS - 2


def test_a_graph_kept_for_a_second_walk():
    def twice(model, optimizer):
        def step(x, y):
            optimizer.zero_grad()
            loss = tg.cross_entropy(model(x), y)
            loss.backward(retain_graph=True)
            (loss * 2).backward()
            optimizer.step()
            return loss

        return step

    (mine, step), (theirs, plain) = both(twice, lenet)
    run_alike(mine, step, theirs, plain, [digits(3, seed) for seed in range(STEPS)])
    assert replays(step) == STEPS - 2


def test_gradients_are_clipped_between_walk_and_step():
    def clipping(model, optimizer):
        def step(x, y):
            optimizer.zero_grad()
            loss = tg.cross_entropy(model(x), y)
            loss.backward()
            with tg.no_grad():
                gradients = [p.grad for p in parameters if p.grad is not None]
                norm = tg.sqrt(sum((g * g).sum() for g in gradients))
                scale = tg.minimum(1.0, 0.1 / (norm + 1e-6))
                for p in parameters:
                    p.grad = p.grad * scale
            optimizer.step()
            return norm

        parameters = list(model.parameters())
        return step

    (mine, step), (theirs, plain) = both(clipping, mlp, OPTIMIZERS["adam"])
    run_alike(mine, step, theirs, plain, [digits(6, seed) for seed in range(STEPS)])
    assert replays(step) == STEPS - 2


def test_a_hand_written_update():
    def by_hand(model, optimizer):
        parameters = list(model.parameters())

        def step(x, y):
            model.zero_grad()
            loss = tg.cross_entropy(model(x), y)
            loss.backward()
            with tg.no_grad():
                for p in parameters:
                    p.data = p - 0.1 * p.grad
            return loss

        return step

    (mine, step), (theirs, plain) = both(by_hand, mlp)
    run_alike(mine, step, theirs, plain, [digits(6, seed) for seed in range(STEPS)])
    assert replays(step) == STEPS - 2


def test_training_and_evaluation_take_turns():
    def make(model, optimizer):
        train = training_step(model, optimizer)

        def step(x, y):
            return train(x, y) if model.training else model(x)

        return step

    (mine, step), (theirs, plain) = both(make, normalized)
    for turn in range(4):
        mine.train(turn % 2 == 0), theirs.train(turn % 2 == 0)
        run_alike(mine, step, theirs, plain, [digits(6, seed) for seed in range(4)])
    assert step.why == []
    assert replays(step) == 2 + 2 + 4 + 4  # two calls record in each mode, and never again


def test_inference_by_a_module_and_inside_no_grad():
    model = built(normalized).eval()
    model(digits(3)[0])
    fast = compile(model)
    for seed in range(4):
        x, _ = digits(3, seed)
        with tg.no_grad():
            np.testing.assert_array_equal(fast(x).numpy(), model(x).numpy())
        np.testing.assert_array_equal(fast(x).numpy(), model(x).numpy())
    assert replays(fast) == 4
    assert not fast(x).requires_grad


def test_what_is_replaced_outside_is_seen():
    (mine, step), (theirs, plain) = both(training_step, mlp, OPTIMIZERS["momentum"])
    names = plain.__code__.co_freevars
    optimizers = [f.__closure__[names.index("optimizer")].cell_contents for f in (step.function, plain)]
    calls = [digits(6, seed) for seed in range(3)]
    run_alike(mine, step, theirs, plain, calls)
    saved = mine.state_dict()
    run_alike(mine, step, theirs, plain, calls)
    for model in (mine, theirs):
        model.load_state_dict(saved)
    run_alike(mine, step, theirs, plain, calls)
    for optimizer in optimizers:
        optimizer.param_groups[0]["lr"] = 0.5
    run_alike(mine, step, theirs, plain, calls)
    for model in (mine, theirs):
        next(iter(model.parameters())).data = np.ones((16, 64), np.float32)
    run_alike(mine, step, theirs, plain, calls)
    assert replays(step) == 13
    for model in (mine, theirs):  # a frozen layer: another recording
        next(iter(model.parameters())).requires_grad = False
    run_alike(mine, step, theirs, plain, calls)
    for model in (mine, theirs):
        next(iter(model.parameters())).requires_grad = True
        model.astype(np.float64)
    double = [(x.astype(np.float64), y) for x, y in calls]
    run_alike(mine, step, theirs, plain, double)
    run_alike(mine, step, theirs, plain, calls)  # float32 images into float64 weights
    assert mine.state_dict()["1.weight"].dtype == np.float64
    assert step.why == []


def test_a_layer_exchanged_and_an_attribute_changed_are_seen():
    class Scaled(nn.Module):
        def __init__(self):
            self.layer, self.scale = nn.Linear(64, 4), 2.0

        def forward(self, x):
            return self.layer(x.reshape(len(x), -1)) * self.scale

    model = built(Scaled)
    step = compile(model)
    x, _ = digits(2)
    for _ in range(3):
        step(x)
    model.scale = 3.0
    np.testing.assert_array_equal(step(x).numpy(), model(x).numpy())
    for _ in range(3):
        step(x)
    model.layer = nn.Linear(64, 4)
    np.testing.assert_array_equal(step(x).numpy(), model(x).numpy())
    assert step.why == []


def test_variables_that_the_step_names_are_seen():
    scale, layers = 2.0, [tg.relu, tg.tanh]
    w = tg.tensor([1.0, -2.0])

    def inner(x):
        for layer in layers:
            x = layer(x)
        return x * scale

    @compile
    def step(x):
        return inner(x * w)

    x = tg.tensor([0.5, -0.25])
    for _ in range(3):
        assert step(x).tolist() == step.function(x).tolist()
    scale = 5.0
    for _ in range(3):
        assert step(x).tolist() == step.function(x).tolist()
    layers.append(tg.sin)
    for _ in range(3):
        assert step(x).tolist() == step.function(x).tolist()
    w = tg.tensor([3.0, 4.0])
    for _ in range(3):
        assert step(x).tolist() == step.function(x).tolist()
    assert step.why == []


def test_an_equal_tensor_is_another():
    w = first = tg.tensor(2.0, requires_grad=True)

    @compile
    def step(x):
        w.grad = None
        (w * x).backward()

    for _ in range(3):
        step(tg.tensor(3.0))
    first.grad, w = None, tg.tensor(2.0, requires_grad=True)
    step(tg.tensor(3.0))
    assert (first.grad, w.grad.item()) == (None, 3.0)
    assert step.why == []


def test_kinds_of_arguments():
    @compile
    def step(batch, factor, *, names=("a",), bias=None):
        z = batch["x"] * factor + sum(batch["rest"])
        return {"z": z if bias is None else z + bias, "names": names, "both": [z, (z * 2,)]}

    for count in (2, 3):
        for factor in (2, 2.5):
            for bias in (None, tg.tensor(1.0)):
                for seed in range(3):
                    x = tg.tensor(np.random.default_rng(seed).standard_normal(count))
                    rest = [tg.tensor(float(seed)), tg.tensor(2.0)]
                    arguments = {"x": x, "rest": rest}, factor
                    found, wanted = step(*arguments, bias=bias), step.function(*arguments, bias=bias)
                    assert found["z"].tolist() == wanted["z"].tolist()
                    assert found["both"][1][0].tolist() == wanted["both"][1][0].tolist()
                    assert found["names"] == ("a",)
    assert replays(step) == 8
    assert step.why == []


def test_one_tensor_given_twice_is_not_two():
    @compile
    def step(x, y):
        return x * 2 + y

    one, two = tg.tensor([1.0]), tg.tensor([10.0])
    for _ in range(3):
        assert step(one, one).item() == 3
    for _ in range(3):
        assert step(one, two).item() == 12


def test_gradients_of_an_argument():
    @compile
    def step(x):
        x.grad = None
        (x * x).sum().backward()

    leaves = [tg.tensor([float(i), 2.0], requires_grad=True) for i in range(2)]
    for _ in range(3):
        for i, x in enumerate(leaves):
            assert step(x) is None
            assert x.grad.tolist() == [2.0 * i, 4.0]
    assert replays(step) == 2


def test_random_numbers_are_drawn_anew():
    @compile
    def step(x):
        return tg.dropout(x, 0.5)

    x = tg.tensor(np.ones(200))
    tg.manual_seed(1)
    found = [step(x).tolist() for _ in range(4)]
    assert len({tuple(z) for z in found}) == 4
    tg.manual_seed(1)
    assert [step.function(x).tolist() for _ in range(4)] == found
    assert replays(step) == 2


def test_comparisons_and_tensors_made_inside():
    @compile
    def step(x):
        mask = x > 0
        return tg.where(mask, x.detach(), tg.tensor(0.5)) + tg.tensor([1.0, 2.0]), x.argmax(), (x == x.max()).sum()

    for seed in range(4):
        x = tg.tensor(np.random.default_rng(seed).standard_normal(2))
        for found, wanted in zip(step(x), step.function(x), strict=True):
            np.testing.assert_array_equal(found.numpy(), wanted.numpy(), strict=True)
    assert replays(step) == 2


def test_targets_for_every_pixel_weights_and_indices():
    weight = tg.tensor([1.0, 2.0, 0.5])

    @compile
    def step(x, y, index):
        x = x[:, :, index]
        y = y[:, index]
        W.grad = None
        loss = tg.cross_entropy(x * W.sum(), y, weight, ignore_index=2, label_smoothing=0.1)
        loss = loss + tg.interpolate(x * W[0], size=(7, 3), mode="bilinear").mean() * tg.norm(x[:, [0, 2]])
        loss = loss + tg.binary_cross_entropy_with_logits(x * W[1], (x > 0).astype(np.float32))
        loss.backward()
        return loss, W.grad

    for seed in range(5):
        rng = np.random.default_rng(seed)
        x, y = tg.tensor(rng.standard_normal((2, 3, 4, 5))), tg.tensor(rng.integers(0, 3, (2, 4, 5)))
        index = tg.tensor(rng.integers(0, 4, 3))
        for found, wanted in zip(step(x, y, index), step.function(x, y, index), strict=True):
            np.testing.assert_array_equal(found.numpy(), wanted.numpy(), strict=True)
    assert step.why == []
    assert replays(step) == 3


def test_arithmetic_beside_floats():
    step = compile(lambda x, y: (x * x - y / x) ** 2)
    for n in range(1, 5):
        x, y = (tg.tensor(Fraction(n, d)) for d in (3, 7))
        assert step(x, y).item() == (Fraction(n * n, 9) - Fraction(3, 7)) ** 2
    assert replays(step) == 2


# What stops before it changed anything


def test_labels_out_of_range_are_refused_and_leave_everything_as_it_was():
    (mine, step), (theirs, plain) = both(training_step, normalized)
    calls = [digits(6, seed) for seed in range(4)]
    run_alike(mine, step, theirs, plain, calls)
    state = copy.deepcopy(tg.backend.generator("cpu").bit_generator.state)
    for each in (step, plain):
        tg.backend.generator("cpu").bit_generator.state = copy.deepcopy(state)
        with pytest.raises(ValueError, match=r"cross_entropy: labels must be 0 to 3 but target\[1\] is 4"):
            each(calls[0][0], tg.tensor([0, 4, 0, 0, 0, 0]))
    same_bits(state_of(mine), state_of(theirs))
    run_alike(mine, step, theirs, plain, calls)


def test_a_batch_that_goes_another_way_is_computed_plainly():
    (mine, step), (theirs, plain) = both(training_step, normalized)
    calls = [digits(6, seed) for seed in range(3)]
    ignoring = calls[0][0], tg.tensor([0, -100, 1, 2, 3, -100])
    run_alike(mine, step, theirs, plain, [*calls, ignoring, *calls, ignoring])
    assert step.why == []


# Where it runs as it is, without a word


def test_nothing_is_recorded_in_debug():
    step = compile(lambda x: tg.log(x * W))
    with tg.debug(), pytest.raises(FloatingPointError):
        step(tg.tensor([0.0, 1.0]))
    assert step._entries == {}


def test_a_compiled_step_inside_another():
    inner = compile(lambda x: x * W)

    @compile
    def outer(x):
        W.grad = None
        loss = inner(x).sum()
        loss.backward()
        return loss

    for _ in range(4):
        assert outer(X).item() == 11
        assert W.grad.tolist() == [1.0, 2.0]
    assert (replays(outer), replays(inner)) == (2, 0)


def test_what_is_returned_has_no_graph():
    step = compile(lambda x: (x * W, W, x))
    for _ in range(4):
        z, w, x = step(X)
        assert w is W
        assert x is X
        with pytest.raises(ValueError, match=r"backward: .* has no graph behind it: .* came out of a compiled step"):
            z.sum().backward()


def test_errors_of_the_step_itself():
    @compile
    def step(x, fail):
        if fail:
            raise KeyError("mine")
        return x @ W

    for _ in range(3):
        with pytest.raises(KeyError, match="mine"):
            step(X, True)
    with pytest.raises(ValueError, match="matmul: the inner sizes differ"):
        step(tg.tensor([1.0, 2.0, 3.0]), False)
    assert tg.modes.recorder() is None
    for _ in range(3):
        assert step(X, False).item() == 11
    with pytest.raises(TypeError, match="compile: expected a function or a module but got int 3"):
        compile(3)


def test_methods():
    class Trainer:
        def __init__(self, factor):
            self.factor = factor

        @compile
        def step(self, x):
            return x * self.factor

    two, three = Trainer(2), Trainer(3)
    for _ in range(3):
        assert two.step(X).tolist() == [2.0, 4.0]
        assert three.step(X).tolist() == [3.0, 6.0]
    two.factor = 5
    assert two.step(X).tolist() == [5.0, 10.0]
    assert Trainer.step.why == []


def test_threads():
    step = compile(lambda x: tg.tanh(x * 2) + x)
    wanted = {i: step.function(tg.tensor([float(i)])).item() for i in range(8)}
    wrong = []

    def work(i):
        found = [step(tg.tensor([float(i)])).item() for _ in range(50)]
        wrong.extend(z for z in found if z != wanted[i])

    workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []
    assert step.why == []

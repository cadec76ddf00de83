"""The training loop and the accuracy: what they compute, record, restore, and refuse."""

import sys

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import standin
from tinygrad_cnn import nn, optim
from tinygrad_cnn.data import batches, digits
from tinygrad_cnn.training import accuracy, progress_bar, train


def data(n=50, seed=0):
    """Three classes of noisy points in the plane."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    centres = np.array([[2, 0], [-1, 2], [-1, -2]])
    return (centres[labels] + 0.5 * rng.standard_normal((n, 2))).astype(np.float32), labels


def small_model():
    tg.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))


class Recording(nn.Module):
    """Notes each call: the batch, and the mode in which it came."""

    def __init__(self):
        self.layer = nn.Linear(2, 3)
        self.calls = []

    def forward(self, x):
        self.calls.append((x.numpy(), self.training, self.layer.training))
        return self.layer(x)


def test_training_is_the_loop_written_out():
    images, labels = data()
    model = small_model()
    records = list(
        train(model, images, labels, optimizer=optim.Adam(model.parameters(), 0.01), epochs=3, batch_size=16, seed=7)
    )
    twin = small_model()
    optimizer = optim.Adam(twin.parameters(), 0.01)
    rng = np.random.default_rng(7)
    for number, record in enumerate(records, 1):
        losses, right = [], 0
        for x, y in batches(images, labels, 16, rng=rng):
            optimizer.zero_grad()
            logits = twin(tg.tensor(x))
            loss = tg.cross_entropy(logits, y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            right += sum(int(row.argmax()) == label for row, label in zip(logits.data, y, strict=True))
        assert record.number == number
        assert record.losses == tuple(losses)
        assert record.accuracy == right / 50
        assert record.loss == pytest.approx(np.average(losses, weights=[16, 16, 16, 2]), rel=1e-12)
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)
        assert p.grad is None


def test_it_learns():
    images, labels = data(200)
    model = small_model()
    optimizer = optim.SGD(model.parameters(), 0.1, 0.9)
    records = list(train(model, images, labels, optimizer=optimizer, epochs=10, batch_size=20, seed=0))
    assert records[-1].loss < 0.1 * records[0].losses[0]
    assert accuracy(model, *data(100, seed=1)) > 0.97


def test_the_seed_decides_the_order():
    def run(seed):
        images, labels = data()
        model = small_model()
        optimizer = optim.SGD(model.parameters(), 0.1)
        return [e.losses for e in train(model, images, labels, optimizer=optimizer, epochs=2, batch_size=8, seed=seed)]

    assert run(3) == run(3) == run(np.random.default_rng(3))
    assert run(3) != run(4)
    assert run(None) == run(None)  # from tg.manual_seed, which small_model calls
    assert run(3)[0] != run(3)[1]


def test_another_loss():
    images, labels = data()
    model = small_model()
    optimizer = optim.SGD(model.parameters(), 0.05)
    one_hot = np.eye(3, dtype=np.float32)

    def squared(logits, y):
        return ((logits - one_hot[y.numpy()]) ** 2).mean()

    records = list(
        train(model, images, labels, optimizer=optimizer, epochs=5, batch_size=10, loss=squared, seed=0)
    )
    assert records[-1].loss < records[0].loss


def test_modes_are_set_and_put_back():
    images, labels = data()
    model = Recording()
    model.eval()
    model.training = True  # each module has its own mode back
    optimizer = optim.SGD(model.parameters(), 0.1)
    for _ in train(model, images, labels, optimizer=optimizer, epochs=2, batch_size=25, seed=0):
        assert (model.training, model.layer.training) == (True, False)
        accuracy(model, images, labels, batch_size=50)
        assert (model.training, model.layer.training) == (True, False)
    epoch = [(True, True), (True, True), (False, False)]  # two steps, one batch of the evaluation
    assert [modes for _, *modes in model.calls] == [[*modes] for modes in epoch * 2]


def test_accuracy_counts_in_batches_and_records_nothing():
    images, labels = data(10)
    model = Recording()
    seen = []
    value = accuracy(lambda x: seen.append(model(x)) or seen[-1], images, labels, batch_size=4)
    assert [len(x) for x, *_ in model.calls] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([x for x, *_ in model.calls]), images)
    assert all(z.node is None for z in seen)
    w, b = model.layer.weight.data, model.layer.bias.data
    predictions = [max(range(3), key=lambda k: float(x @ w[k] + b[k])) for x in images]
    assert value == sum(p == y for p, y in zip(predictions, labels, strict=True)) / 10


def test_among_equal_logits_the_first_counts():
    assert accuracy(lambda x: x * 0, np.ones((3, 2)), np.array([0, 1, 0])) == pytest.approx(2 / 3)


def test_batches_have_the_models_dtype_and_device(monkeypatch):
    standin.install(monkeypatch)
    images, labels = data()
    model = small_model().astype("float64").to("gpu")
    seen = []

    class Noting(nn.Module):
        def __init__(self):
            self.model = model

        def forward(self, x):
            seen.append((x.dtype, x.device))
            return self.model(x)

    net = Noting()
    cpu = small_model().astype("float64")
    options = {"epochs": 1, "batch_size": 10, "seed": 0}
    (there,) = train(net, images, labels, optimizer=optim.SGD(net.parameters(), 0.1), **options)
    (here,) = train(cpu, images, labels, optimizer=optim.SGD(cpu.parameters(), 0.1), **options)
    assert set(seen) == {(np.dtype(np.float64), "gpu:0")}
    assert there == here
    assert accuracy(net, images, labels) == accuracy(cpu, images, labels)
    assert model.training


def test_a_cnn_trains_on_a_device_as_on_the_cpu(monkeypatch):
    standin.install(monkeypatch)
    images, labels, _, _ = digits()

    def losses(device):
        tg.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.ConvTranspose2d(4, 3, 2, stride=2),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(48, 10),
        ).to(device)
        records = train(
            model, images[:64], labels[:64], optimizer=optim.Adam(model.parameters()), epochs=2, batch_size=24, seed=1
        )
        return [record.losses for record in records]

    np.testing.assert_allclose(losses("gpu"), losses("cpu"), rtol=1e-4)


def test_stopping_early_leaves_a_model_that_goes_on():
    images, labels = data()
    for stop in (KeyboardInterrupt, ValueError):
        model = small_model()
        optimizer = optim.Adam(model.parameters(), 0.01)
        steps = []

        def interrupting(logits, y, stop=stop, steps=steps):
            steps.append(1)
            if len(steps) == 7:
                raise stop
            return tg.cross_entropy(logits, y)

        model.eval()
        with pytest.raises(stop):
            list(train(model, images, labels, optimizer=optimizer, epochs=9, batch_size=10, loss=interrupting, seed=0))
        assert not any(module.training for module in model.modules())
        assert 0 <= accuracy(model, images, labels) <= 1
        (record,) = train(model, images, labels, optimizer=optimizer, epochs=1, batch_size=10, seed=0)
        assert record.loss < record.losses[0] * 1.5


def test_breaking_out_of_the_loop():
    images, labels = data()
    model = small_model()
    for record in train(
        model, images, labels, optimizer=optim.SGD(model.parameters(), 0.1), epochs=99, batch_size=10, seed=0
    ):
        if record.number == 2:
            break
    assert record.number == 2
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_stops_before_the_step(bad):
    images, labels = data()
    model = small_model()
    steps = []

    def loss(logits, y):
        steps.append([p.numpy() for p in model.parameters()])
        return tg.cross_entropy(logits, y) * (bad if len(steps) == 8 else 1)

    with pytest.raises(FloatingPointError, match=rf"train: the loss became {bad} in epoch 2, step 3; .*tg.debug\(\)"):
        list(
            train(
                model, images, labels, optimizer=optim.SGD(model.parameters(), 0.1), epochs=3, batch_size=10, loss=loss
            )
        )
    for p, before in zip(model.parameters(), steps[-1], strict=True):
        np.testing.assert_array_equal(p.data, before)


# Progress


def test_progress_wraps_the_steps_of_each_epoch():
    images, labels = data()
    model = small_model()
    bars = []

    def progress(steps, **options):
        bars.append([options, 0])
        for step in steps:
            bars[-1][1] += 1
            yield step

    optimizer = optim.SGD(model.parameters(), 0.1)
    list(train(model, images, labels, optimizer=optimizer, epochs=2, batch_size=16, progress=progress, seed=0))
    assert bars == [
        [{"total": 4, "desc": "epoch 1/2", "leave": False}, 4],
        [{"total": 4, "desc": "epoch 2/2", "leave": False}, 4],
    ]


def test_progress_bar_is_tqdms(capsys):
    pytest.importorskip("tqdm")
    assert list(progress_bar(iter("abc"), total=3, desc="letters")) == ["a", "b", "c"]
    assert "letters: 100%" in capsys.readouterr().err


def test_progress_bar_without_tqdm_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ModuleNotFoundError, match=r"progress_bar: tqdm is not installed; pip install .*\[demo\]"):
        progress_bar([])


# Wrong arguments

X, Y = data(6)
MODEL = nn.Linear(2, 3)
OPTIMIZER = optim.SGD(MODEL.parameters(), 0.1)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"model": 3}, TypeError, "train: model must be a Module or a function but is 3"),
        ({"images": X[:5]}, ValueError, r"train: expected images .* but got shapes \(5, 2\) and \(6,\)"),
        ({"labels": Y[:, None]}, ValueError, r"train: expected .* but got shapes \(6, 2\) and \(6, 1\)"),
        ({"images": X[:0], "labels": Y[:0]}, ValueError, r"train: expected images but got none \(shape \(0, 2\)\)"),
        ({"labels": Y * 1.0}, TypeError, "train: labels must be integers but are float64"),
        ({"optimizer": 0.1}, TypeError, "train: optimizer must be an Optimizer, such as tg.optim.SGD, but is 0.1"),
        ({"epochs": 0}, ValueError, "train: epochs must be at least 1 but is 0"),
        ({"epochs": 1.0}, TypeError, "train: epochs must be an integer but is 1.0"),
        ({"batch_size": 0}, ValueError, "train: batch_size must be at least 1 but is 0"),
        ({"batch_size": True}, TypeError, "train: batch_size must be an integer but is True"),
        ({"seed": -1}, ValueError, "train: seed expects an integer >= 0, a generator or None but got -1"),
        ({"seed": "x"}, TypeError, "train: seed expects an integer >= 0, a generator or None but got 'x'"),
    ],
)
def test_train_refuses_at_the_call(changes, error, text):
    arguments = {
        "model": MODEL, "images": X, "labels": Y, "optimizer": OPTIMIZER, "epochs": 1, "batch_size": 2, **changes,
    }  # fmt: skip
    with pytest.raises(error, match=text):
        train(arguments.pop("model"), arguments.pop("images"), arguments.pop("labels"), **arguments)


def test_labels_out_of_range_are_refused_before_anything_is_trained():
    before = MODEL.weight.numpy()
    with pytest.raises(ValueError, match="cross_entropy: labels must be 0 to 2"):
        list(train(MODEL, X, Y + 3, optimizer=OPTIMIZER, epochs=1, batch_size=6))
    np.testing.assert_array_equal(MODEL.weight.data, before)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((MODEL, X, Y[:5]), ValueError, "accuracy: expected images"),
        ((MODEL, X[:0], Y[:0]), ValueError, "accuracy: expected images but got none"),
        ((lambda x: x.sum(axis=1), X, Y), ValueError, r"accuracy: .* logits of shape \(6, classes\) but got \(6,\)"),
        ((lambda x: x[:1], X, Y), ValueError, r"accuracy: .* logits of shape \(6, classes\) but got \(1, 2\)"),
        ((MODEL, X, Y, 0), ValueError, "batches: batch_size expects at least 1"),
    ],
)
def test_accuracy_refuses(arguments, error, text):
    with pytest.raises(error, match=text):
        accuracy(*arguments)

"""Sequential: order, names, indexing, and which module an error came from."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn

X = tg.tensor(np.arange(8, dtype=np.float32).reshape(2, 4))


def model():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


def test_each_module_sees_the_output_of_the_one_before():
    net = model()
    first, _, last = net
    np.testing.assert_array_equal(net(X).data, last(tg.relu(first(X))).data)
    assert nn.Sequential()(X) is X


def test_names_by_position_and_by_dict():
    assert [name for name, _ in model().named_parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    net = nn.Sequential({"hidden": nn.Linear(4, 3), "relu": nn.ReLU(), "out": nn.Linear(3, 2)})
    assert [name for name, _ in net.named_children()] == ["hidden", "relu", "out"]
    assert net.hidden is net[0]
    assert net.out.weight.name == "out.weight"
    assert net(X).shape == (2, 2)


def test_indexing_and_iteration():
    net = model()
    modules = list(net)
    assert len(net) == 3
    assert net[0] is modules[0]
    assert net[-1] is net[np.int64(2)] is modules[2]
    with pytest.raises(IndexError, match="Sequential: there are 3 modules but the index is 3"):
        net[3]
    with pytest.raises(TypeError):
        net["0"]


def test_a_slice_shares_its_modules_under_their_names():
    net = model()
    tail = net[1:]
    assert [name for name, _ in tail.named_children()] == ["1", "2"]
    assert list(tail) == list(net)[1:]
    assert [p.name for p in tail.parameters()] == ["2.weight", "2.bias"]
    assert list(net[::-2]) == [net[2], net[0]]
    assert list(net[5:]) == []


def test_append_grows_and_gives_the_model():
    net = nn.Sequential()
    assert net.append(nn.Linear(4, 1)).append(nn.Tanh()) is net
    assert [name for name, _ in net.named_modules()] == ["", "0", "1"]
    # behind a slice, whose names begin later, an appended module still gets a name of its own
    tail = model()[1:].append(nn.ReLU())
    assert [name for name, _ in tail.named_children()] == ["1", "2", "3"]


def test_the_same_module_may_come_twice():
    layer = nn.Linear(4, 4)
    net = nn.Sequential(layer, nn.ReLU(), layer)
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias"]
    assert len(net) == 3
    np.testing.assert_array_equal(net(X).data, layer(tg.relu(layer(X))).data)
    assert repr(net).count("Linear(4, 4)") == 2
    assert repr(net).startswith("Sequential(  # 20 parameters\n")


def test_a_replaced_module_is_the_one_that_computes():
    net = model()
    setattr(net, "1", nn.Tanh())
    assert isinstance(net[1], nn.Tanh)
    np.testing.assert_array_equal(net(X).data, net[2](tg.tanh(net[0](X))).data)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: nn.Sequential(nn.ReLU(), tg.relu), TypeError, "Sequential: '1' must be a Module but is .*nn.ReLU()"),
        (lambda: nn.Sequential([nn.ReLU()]), TypeError, r"Sequential: '0' must be a Module but is \[ReLU\(\)\]"),
        (lambda: nn.Sequential(nn.ReLU), TypeError, r"Sequential: '0' must be .* is a class; write ReLU\(...\)"),
        (lambda: nn.Sequential().append(3), TypeError, "Sequential: '0' must be a Module but is 3$"),
        (lambda: nn.Sequential({"a.b": nn.ReLU()}), ValueError, "Sequential: 'a.b' can't name a module"),
        (lambda: nn.Sequential({"": nn.ReLU()}), ValueError, "Sequential: '' can't name a module"),
        (lambda: nn.Sequential({1: nn.ReLU()}), ValueError, "Sequential: 1 can't name a module"),
        (lambda: nn.Sequential({"forward": nn.ReLU()}), ValueError, "Sequential: 'forward' can't name a module"),
        (lambda: nn.Sequential({"training": nn.ReLU()}), ValueError, "Sequential: 'training' can't name a module"),
    ],
)
def test_what_is_no_module_or_no_name_is_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_an_error_says_which_module_it_came_from():
    net = nn.Sequential(nn.Linear(4, 3), nn.Sequential({"inner": nn.Linear(4, 2)}))
    with pytest.raises(ValueError, match="linear: weight") as caught:
        net(X)
    assert caught.value.__notes__ == [
        "in Sequential (inner): Linear(4, 2), given shape (2, 3)",
        "in Sequential (1): Sequential(), given shape (2, 3)",
    ]

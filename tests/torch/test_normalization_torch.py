"""Normalisation and dropout against PyTorch: values, gradients of both orders, running statistics over steps."""

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

import tinygrad_cnn as tg
from tests.normalization_cases import CASES, EMPTY, by_name
from tests.operands import assert_close, normals, tensors
from tinygrad_cnn import nn

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    """On arrays this small PyTorch's threads wait for one another, many times longer than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


dtypes = pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-6), (np.float64, 1e-13)])


def has_torch(case):
    """PyTorch refuses a single group of a single value, which here becomes the bias as any other."""
    return not (case.operation == "group_norm" and len(case.groups) == 1 and case.x[1:] == (1,) * (len(case.x) - 1))


def both(arrays):
    return tensors(*arrays), [torch.tensor(array, requires_grad=True) for array in arrays]


def assert_same(function, torch_function, arrays, tolerance):
    """The values, the gradients along a random direction, and the gradients of a random weighting of those."""
    ours, theirs = both(arrays)
    z, torch_z = function(*ours), torch_function(*theirs)
    assert_close(z.numpy(), torch_z.detach().numpy(), tolerance)
    dz = normals(z.shape, 7).astype(arrays[0].dtype)
    dZ, torch_dz = tg.tensor(dz, requires_grad=True), torch.tensor(dz, requires_grad=True)
    first = tg.grad(z, ours, dZ, create_graph=True)
    torch_first = torch.autograd.grad(torch_z, theirs, torch_dz, create_graph=True)
    for actual, expected in zip(first, torch_first, strict=True):
        assert_close(actual.numpy(), expected.detach().numpy(), tolerance)
    u = [normals(array.shape, 8 + i).astype(array.dtype) for i, array in enumerate(arrays)]
    second = tg.grad(first, (*ours, dZ), u, allow_unused=True)
    torch_second = torch.autograd.grad(torch_first, (*theirs, torch_dz), [*map(torch.tensor, u)], allow_unused=True)
    for actual, expected in zip(second, torch_second, strict=True):
        if expected is None:
            assert actual is None or not actual.numpy().any()
        else:
            values = np.zeros(expected.shape) if actual is None else actual.numpy()
            assert_close(values, expected.numpy(), 20 * tolerance)


@dtypes
@pytest.mark.parametrize("parameters", [0, 1, 2])
@by_name([case for case in CASES if has_torch(case)])
def test_normalization(case, parameters, dtype, tolerance):
    arrays = [normals(shape, seed, dtype) for seed, shape in enumerate(case.shapes[: 1 + parameters], 1)]

    def call(functional):
        def function(x, weight=None, bias=None):
            return case.call(functional, x, weight, bias, 1e-3)

        return function

    assert_same(call(tg), call(torch.nn.functional), arrays, tolerance)


@by_name(EMPTY)
def test_empty_axes_where_pytorch_has_them(case):
    arrays = [np.zeros(shape) for shape in case.shapes]
    (x, *_), (torch_x, *others) = both(arrays)
    try:
        expected = case.call(torch.nn.functional, torch_x, *others, 1e-5)
    except (IndexError, RuntimeError, ValueError):
        return
    assert case(x).shape == expected.shape


@dtypes
@pytest.mark.parametrize("shape", [(4, 3), (3, 2, 4), (2, 3, 3, 2), (2, 2, 2, 3, 2), (1, 2, 3, 1), (5, 3, 1, 1)])
@pytest.mark.parametrize("momentum", [0.0, 0.1, 1.0])
def test_running_statistics_over_several_steps(shape, momentum, dtype, tolerance):
    names = ["batch_norm"] + ["instance_norm"] * (shape[2:] not in ((), (1, 1)))
    for name in names:
        start = normals((shape[1],), 1, dtype), 1 + normals((shape[1],), 2, dtype) ** 2
        ours, theirs = [tg.tensor(array) for array in start], [torch.tensor(array) for array in start]
        training = {"training" if name == "batch_norm" else "use_input_stats": True}
        for seed in range(3, 8):
            x = 2 + 3 * normals(shape, seed, dtype)
            options = training | {"momentum": momentum}
            z = getattr(tg, name)(x, *ours, **options)
            expected = getattr(torch.nn.functional, name)(torch.tensor(x), *theirs, **options)
            assert_close(z, expected.numpy(), tolerance)
            for actual, wanted in zip(ours, theirs, strict=True):
                assert_close(actual.numpy(), wanted.numpy(), tolerance)
        (key,) = training
        z = getattr(tg, name)(x, *ours, **{key: False})
        assert_close(z, getattr(torch.nn.functional, name)(torch.tensor(x), *theirs, **{key: False}).numpy(), tolerance)


@dtypes
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 3, 2), (1, 2, 1, 1)])
def test_evaluation(shape, dtype, tolerance):
    mean, var = normals((shape[1],), 1, dtype), 1 + normals((shape[1],), 2, dtype) ** 2
    arrays = [normals(s, seed, dtype) for seed, s in enumerate((shape, shape[1:2], shape[1:2]), 3)]

    def function(functional, statistics):
        return lambda x, w, b: functional.batch_norm(x, *statistics, w, b, eps=1e-3)

    constants = torch.tensor(mean), torch.tensor(var)
    assert_same(function(tg, (mean, var)), function(torch.nn.functional, constants), arrays, tolerance)


@dtypes
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("shape", [(2, 5, 3), (1, 4, 2, 3), (2, 1, 2, 2), (1, 3, 2, 1, 2)])
def test_local_response_norm(shape, size, dtype, tolerance):
    for options in ({}, {"alpha": 0.5, "beta": 1.5, "k": 2.0}):
        assert_same(
            lambda x, o=options: tg.local_response_norm(x, size, **o),
            lambda x, o=options: torch.nn.functional.local_response_norm(x, size, **o),
            [normals(shape, 1, dtype)],
            tolerance,
        )


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", ["dropout", "dropout2d"])
def test_dropout_takes_the_same_arguments_and_has_the_same_distribution(name, p):
    """The random numbers differ; what is left is the same number, its share is near 1 - p."""
    x = np.ones((40, 50, 2, 2))
    z = getattr(tg, name)(x, p, True, seed=1)
    torch.manual_seed(1)
    expected = getattr(torch.nn.functional, name)(torch.tensor(x), p, True).numpy()
    np.testing.assert_allclose(np.unique(z), np.unique(expected), rtol=1e-7)
    assert abs((z != 0).mean() - (expected != 0).mean()) < 0.1


# Layers


LAYERS = [
    ("BatchNorm1d", (3,), (5, 3)),
    ("BatchNorm1d", (3, 1e-3, 0.3), (2, 3, 4)),
    ("BatchNorm2d", (3,), (2, 3, 3, 2)),
    ("BatchNorm2d", (2, 1e-5, None), (3, 2, 2, 2)),
    ("BatchNorm2d", (2, 1e-5, 0.1, False), (3, 2, 2, 2)),
    ("BatchNorm2d", (2, 1e-5, 0.1, True, False), (3, 2, 2, 2)),
    ("BatchNorm3d", (2,), (2, 2, 2, 1, 3)),
    ("InstanceNorm1d", (3,), (2, 3, 4)),
    ("InstanceNorm2d", (3, 1e-3, 0.3, True, True), (2, 3, 3, 2)),
    ("InstanceNorm2d", (3, 1e-3, 0.0, False, True), (2, 3, 3, 2)),
    ("InstanceNorm3d", (2, 1e-5, 0.1, True), (1, 2, 2, 1, 3)),
    ("LayerNorm", (4,), (2, 3, 4)),
    ("LayerNorm", ((3, 4), 1e-3, True, False), (2, 3, 4)),
    ("LayerNorm", ((3, 4), 1e-3, False), (2, 3, 4)),
    ("GroupNorm", (2, 4), (2, 4, 3)),
    ("GroupNorm", (4, 4, 1e-3, False), (2, 4, 3, 2)),
    ("LocalResponseNorm", (3,), (2, 4, 3, 2)),
    ("LocalResponseNorm", (2, 0.5, 1.5, 2.0), (2, 4, 3)),
]


@pytest.mark.parametrize(("name", "arguments", "shape"), LAYERS)
def test_layers_over_several_steps_and_in_evaluation(name, arguments, shape):
    ours, theirs = getattr(nn, name)(*arguments), getattr(torch.nn, name)(*arguments).double()
    if name != "LocalResponseNorm":
        ours.astype("float64")
    for i, (key, value) in enumerate(theirs.state_dict().items()):
        if value.is_floating_point():  # other values than the first ones, which both must begin with
            assert_close(ours.state_dict()[key].numpy(), value.numpy(), 0)
            value.copy_(torch.tensor(1 + normals(tuple(value.shape), i) ** 2))
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for seed in (1, 2, 3, None):
        if seed is None:
            ours.eval()
            theirs.eval()
        (x,), (torch_x,) = both([1 + 2 * normals(shape, seed or 4)])
        z, torch_z = ours(x), theirs(torch_x)
        assert_close(z.numpy(), torch_z.detach().numpy(), 1e-13)
        dz = normals(shape, 9)
        ours.zero_grad()
        theirs.zero_grad()
        z.backward(dz)
        torch_z.backward(torch.tensor(dz))
        assert_close(x.grad.numpy(), torch_x.grad.numpy(), 1e-12)
        for actual, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert_close(actual.grad.numpy(), expected.grad.numpy(), 1e-12)
        for key, value in theirs.state_dict().items():
            if key == "num_batches_tracked" and name.startswith("Instance"):
                continue  # PyTorch has this number too, but does not count
            assert_close(ours.state_dict()[key].numpy(), value.numpy(), 1e-13)

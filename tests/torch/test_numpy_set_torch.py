"""The differentiable NumPy set and the activations against PyTorch: values, gradients, second order, conventions."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import activation_cases
from tests.elementwise_cases import BINARY, UNARY, by_name
from tests.operands import normals, tied_fractions

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def compare(function, of_torch, arrays, tolerance, second_order=True):
    """Values, and derivatives of a randomly weighted sum and of the sum of their squares."""
    ours = [tg.tensor(array, requires_grad=True) for array in arrays]
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    z, w = function(*ours), of_torch(*theirs)
    assert str(z.dtype) == str(w.dtype).removeprefix("torch.")
    assert_near(z, w, tolerance)
    weights = normals(z.shape, 3).astype(z.dtype)
    dz = tg.grad(z, ours, [weights], create_graph=True)
    dw = torch.autograd.grad(w, theirs, torch.tensor(weights), create_graph=True)
    for actual, expected in zip(dz, dw, strict=True):
        assert_near(actual, expected, tolerance)
    if second_order:
        total, wanted = sum((d * d).sum() for d in dz), sum((d * d).sum() for d in dw)
        if not total.requires_grad:
            assert not wanted.requires_grad or all(not d.any() for d in torch.autograd.grad(wanted, theirs))
            return
        actual = tg.grad(total, ours, allow_unused=True)
        expected = torch.autograd.grad(wanted, theirs, allow_unused=True)
        for a, b in zip(actual, expected, strict=True):
            if a is None or b is None:
                assert all(d is None or not d.detach().numpy().any() for d in (a, b))
            else:
                assert_near(a, b, 10 * tolerance)


def assert_near(actual, expected, tolerance):
    expected = expected.detach().numpy()
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual.numpy(), expected, rtol=tolerance, atol=tolerance)


DTYPES = [(np.float32, 1e-5), (np.float64, 1e-12)]
IN_TORCH = [case for case in UNARY + BINARY if case.of_torch]


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@by_name(IN_TORCH)
def test_the_numpy_set(case, dtype, tolerance):
    points = [point if isinstance(point, tuple) else (point,) for point in case.points]
    arrays = [np.array(column, dtype) for column in zip(*points, strict=True)]
    if case.name == "arccos":  # the square of a derivative of 4 and its derivatives
        tolerance *= 10
    compare(case, getattr(torch, case.of_torch), arrays, tolerance)


@by_name([case for case in BINARY if case.of_torch])
@pytest.mark.parametrize("shapes", [((), ()), ((3, 1), (4,)), ((2, 1, 3), (2, 1)), ((0, 1), (3,)), ((1,), (2, 2))])
def test_broadcasting(case, shapes):
    x, y = (np.abs(normals(shape, i)) + 0.25 for i, shape in enumerate(shapes))
    compare(case, getattr(torch, case.of_torch), [np.asarray(x), np.asarray(y)], 1e-12)


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_pytorch_splits_ties(name):
    x, y = (np.array(tied_fractions((4, 5), i), dtype=np.float64) for i in (1, 2))
    x[0, 0], y[0, 1] = np.inf, -np.inf
    compare(lambda a, b: getattr(tg, name)(a, b, ties="split"), getattr(torch, name), [x, y], 0)


def test_pytorch_too_turns_nowhere_at_the_origin():
    zero = np.zeros(3)
    compare(tg.arctan2, torch.arctan2, [zero, zero], 0, second_order=False)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 0.5), (None, 0.5), (-1.0, None), (0.5, -0.5), (0.0, 0.0)])
def test_clip_is_clamp(low, high):
    x = np.concatenate([tied_fractions((30,), 1).astype(np.float64), [-np.inf, np.inf]])
    if low is not None and high is not None and low > high:
        x = x[x > low]  # between the two PyTorch's mask is none of ours
    compare(lambda v: tg.clip(v, low, high), lambda v: torch.clamp(v, low, high), [x], 0)


@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "round", "isnan", "isinf", "isfinite", "logical_not"])
def test_steps(name):
    x = np.array([-2.5, -1.5, -0.5, -0.0, 0.5, 1.5, 2.5, np.inf, -np.inf, np.nan])
    expected = getattr(torch, name)(torch.tensor(x)).numpy()
    np.testing.assert_array_equal(getattr(tg, name)(tg.tensor(x)).numpy(), expected)


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@activation_cases.by_case
def test_activations(case, dtype, tolerance):
    """At both ends and on kinks; second order between them, where PyTorch's is right, or is one at all."""
    of_torch = getattr(torch.nn.functional, case.name, None) or getattr(torch, case.name)
    if case.name == "hardsigmoid":
        tolerance = max(tolerance, 1e-7)  # PyTorch's slope is 1 / 6 in float32
    ends = [-1e4, -60.0, -15.0, 15.0, 60.0, 1e4]
    points = [*activation_cases.POINTS, *case.kinks, *(ends if case.name != "softplus" else ends[:-2])]
    options = {"threshold": 50.0} if case.name == "softplus" else {}
    for x, order in (points, 1), ([x for x in activation_cases.POINTS if x not in case.kinks], 2):
        compare(
            case,
            lambda v: of_torch(v, **case.options, **options),
            [np.array(x, dtype)],
            tolerance,
            second_order=order == 2 and case.name != "hardsigmoid",
        )


@pytest.mark.parametrize("shapes", [((2, 3, 4), (1,)), ((2, 3, 4), (3,)), ((3,), (1,)), ((2, 3), (3,))])
def test_prelu(shapes):
    x, weight = normals(shapes[0], 1), normals(shapes[1], 2)
    compare(tg.prelu, torch.nn.functional.prelu, [x, weight], 1e-13)
    x.flat[0] = 0
    compare(tg.prelu, torch.nn.functional.prelu, [x, weight], 1e-13, second_order=False)

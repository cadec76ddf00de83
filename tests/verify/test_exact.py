"""The exact proof of conv2d's three backward formulas; that it notices a wrong engine, wrong numbers and bad input."""

import time
from fractions import Fraction
from importlib import import_module
from math import prod

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import fractions, integers, normals
from tinygrad_cnn.engine import primitive
from tinygrad_cnn.primitives import conv2d
from tinygrad_cnn.verify.exact import bias_gradient, exact, input_gradient, kernel_gradient

exact_module = import_module("tinygrad_cnn.verify.exact")  # `verify.exact` is its function

SETTINGS = [
    {"stride": 1},
    {"stride": 2},
    {"stride": (2, 3)},
    {"stride": (3, 2), "padding": 2},
    {"padding": 1},
    {"padding": (2, 0)},
    {"padding": ((1, 0), (0, 3))},
    {"padding": "same"},
    {"padding": "same", "stride": 2},
    {"padding": "full"},
    {"padding": "valid"},
    {"dilation": 2},
    {"dilation": (1, 3), "padding": 1},
    {"stride": 2, "padding": 1, "dilation": 2},
    {"groups": 2},
    {"groups": 4, "stride": 2, "padding": ((0, 1), (2, 0))},
]
SHAPES = [
    ((2, 4, 5, 6), (4, 3, 2)),
    ((1, 4, 5, 7), (4, 3, 3)),
    ((1, 4, 5, 5), (4, 1, 1)),
]


def operands(shape, kernel, options, make=integers):
    filters, *size = kernel
    weight_shape = (filters, shape[1] // options.get("groups", 1), *size)
    x, weight, bias = make(shape, 0), make(weight_shape, 1), make((filters,), 2)
    return x, weight, bias, make(tg.conv2d(x, weight, bias, **options).shape, 3)


@pytest.mark.parametrize("options", SETTINGS, ids=str)
@pytest.mark.parametrize(("shape", "kernel"), SHAPES, ids=str)
def test_engine_equals_the_formulas(shape, kernel, options):
    report = tg.verify.conv2d_formulas(*operands(shape, kernel, options, fractions), **options)
    assert report, str(report)
    assert [check.name for check in report] == ["dX", "dK", "dB"]
    assert all(check.tolerance == check.error == 0 for check in report)
    assert all(isinstance(value, Fraction) for check in report for value in check.expected.flat if value)


@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_formulas_are_the_derivatives_of_the_forward(options):
    """L = sum(dZ * conv2d(X)) is linear in X, K and B: each derivative is a difference of two values, exactly."""
    x, weight, bias, dz = map(exact, operands((1, 4, 7, 7), (4, 2, 3), options))
    report = tg.verify.conv2d_formulas(x, weight, bias, dz, **options)
    rng = np.random.default_rng(0)
    for position, check in enumerate(report):
        given = (x, weight, bias)[position]
        base = (tg.conv2d(x, weight, bias, **options) * dz).sum()
        for flat in rng.choice(given.size, 4, replace=False):
            moved = [x.copy(), weight.copy(), bias.copy()]
            moved[position].flat[flat] += 1
            assert (tg.conv2d(*moved, **options) * dz).sum() - base == check.expected.flat[flat]


def test_worked_example():
    """X = 1..9, K = [[1, 2], [3, 4]], dZ = [[1, 0], [0, 2]], by hand."""
    x, weight = np.arange(1, 10).reshape(1, 1, 3, 3), np.array([[[[1, 2], [3, 4]]]])
    report = tg.verify.conv2d_formulas(x, weight, [0], [[[[1, 0], [0, 2]]]])
    assert report["dK"].expected.tolist() == [[[[1 + 10, 2 + 12], [4 + 16, 5 + 18]]]]
    assert report["dX"].expected.tolist() == [[[[1, 2, 0], [3, 4 + 2, 4], [0, 6, 8]]]]
    assert report["dB"].expected.tolist() == [3]


def test_floats_are_proved_exactly_and_their_rounding_is_measured():
    x, weight, bias, dz = operands((2, 4, 6, 5), (4, 3, 3), {}, lambda *args: normals(*args, np.float32))
    report = tg.verify.conv2d_formulas(x, weight, bias, dz)
    assert report
    assert [check.name for check in report] == ["dX", "dK", "dB", "dX in float32", "dK in float32", "dB in float32"]
    for name in ("dX", "dK", "dB"):
        check = report[f"{name} in float32"]
        assert 0 < check.error < check.tolerance
        assert check.facts["device"] == "cpu"
    (dk,) = tg.grad(tg.conv2d(x, w := tg.tensor(weight, requires_grad=True)), w, [dz])
    worst = max(abs(exact(dk) - report["dK"].expected).flat)
    assert report["dK in float32"].error == worst
    assert f"largest rounding error {float(worst):.2g}" in report["dK in float32"].message


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.longdouble])
def test_rounding_is_that_of_the_dtype(dtype):
    report = tg.verify.conv2d_formulas(*operands((1, 2, 4, 4), (2, 2, 2), {}, lambda *args: normals(*args, dtype)))
    assert report
    check = report[f"dK in {np.dtype(dtype)}"]
    assert 0 < float(check.error) / np.finfo(dtype).eps < 20


def test_integers_have_no_rounding():
    report = tg.verify.conv2d_formulas(*operands((1, 2, 4, 4), (2, 2, 2), {}, lambda *args: integers(*args, np.int64)))
    assert [check.name for check in report] == ["dX", "dK", "dB"]
    report = tg.verify.conv2d_formulas(*operands((1, 2, 4, 4), (2, 2, 2), {}))
    assert report["dX in float64"].error == 0


def test_operands_of_several_dtypes():
    x, weight, bias, dz = operands((1, 2, 4, 4), (2, 2, 2), {}, normals)
    report = tg.verify.conv2d_formulas(x.astype(np.float32), weight, bias, dz)
    assert report
    assert [check.name for check in report] == ["dX", "dK", "dB"]
    assert report.notes == ("not compared in float32, the dtype of X, which can't hold the entries of K and B and dZ",)
    assert "dK in float32" in tg.verify.conv2d_formulas(x.astype(np.float32), [[[[2]], [[1]]]], None, [[[[1] * 4] * 4]])


def test_without_bias():
    x, weight, _, dz = operands((1, 2, 4, 4), (2, 2, 2), {})
    assert [check.name for check in tg.verify.conv2d_formulas(tg.tensor(x), weight, None, dz)] == [
        "dX", "dK", "dX in float64", "dK in float64",
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [(0, 2, 3, 3), (1, 1, 1, 1), (3, 1, 1, 4)])
def test_small_and_empty(shape):
    weight = integers((2, shape[1], 1, 1), 0)
    report = tg.verify.conv2d_formulas(integers(shape, 1), weight, [1.0, 2.0], integers((shape[0], 2, *shape[2:]), 2))
    assert report, str(report)
    assert report["dX"].expected.size == prod(shape)


def test_operands_are_left_alone():
    arrays = operands((1, 2, 4, 4), (2, 2, 2), {}, lambda *args: normals(*args, np.float32))
    tensors = [tg.tensor(array, requires_grad=True) for array in arrays]
    nodes = [tensor.node for tensor in tensors]
    with tg.no_grad():
        assert tg.verify.conv2d_formulas(*tensors)
    for tensor, node, array in zip(tensors, nodes, arrays, strict=True):
        assert tensor.grad is None
        assert tensor.node is node
        assert np.array_equal(tensor.data, array)


def test_two_digits_take_less_than_two_seconds():
    x = tg.data.digits().test_images[:2]
    weight, bias = normals((8, 1, 3, 3), 0, np.float32), normals((8,), 1, np.float32)
    dz = normals((2, 8, 8, 8), 2, np.float32)
    start = time.perf_counter()
    assert tg.verify.conv2d_formulas(x, weight, bias, dz, padding=1)
    assert time.perf_counter() - start < 2


# Wrong engines


def test_kernel_that_is_not_rotated_is_caught(monkeypatch):
    monkeypatch.setattr(conv2d, "rot180", lambda weight: weight)
    report = tg.verify.conv2d_formulas(*operands((1, 2, 4, 4), (2, 2, 3), {}))
    assert {check.name for check in report.failures} == {"dX", "dX in float64"}
    assert report["dX"].wrong.any()
    assert "zero-padded dZ correlated with K rotated by 180 degrees" in " ".join(str(report).split())


def test_rotation_does_not_show_on_a_symmetric_kernel(monkeypatch):
    monkeypatch.setattr(conv2d, "rot180", lambda weight: weight)
    x, _, bias, dz = operands((1, 2, 4, 4), (2, 2, 2), {})
    assert tg.verify.conv2d_formulas(x, np.ones((2, 2, 2, 2)), bias, dz)


def with_rule(operand, rule):
    """conv2d with another backward rule for an operand."""
    right = conv2d.correlation.primitive
    correlation = primitive(**(right.rules | {operand: rule}))(right.forward)

    def function(x, weight, bias, **options):
        assert options == {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
        return correlation(x, weight, bias, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1)

    return function


def rotated_dk(dZ, x, weight_shape, stride, padding, dilation, groups):
    return conv2d.rot180(conv2d.dK(dZ, x, weight_shape, stride, padding, dilation, groups))


@pytest.mark.parametrize(
    ("operand", "rule", "wrong"),
    [
        ("weight", rotated_dk, "dK"),
        ("bias", lambda dz: dz[:1].sum(axis=(0, 2, 3)), "dB"),
        ("bias", lambda dz: dz.sum(axis=(0, 2, 3)) / 2, "dB"),
    ],
)
def test_wrong_rule_is_caught(monkeypatch, operand, rule, wrong):
    monkeypatch.setattr(exact_module, "conv2d", with_rule(operand, rule))
    report = tg.verify.conv2d_formulas(*operands((2, 2, 4, 4), (2, 2, 2), {}))
    assert {check.name for check in report.failures} == {wrong, f"{wrong} in float64"}


def test_engine_that_leaves_exact_arithmetic_is_caught(monkeypatch):
    monkeypatch.setattr(exact_module, "conv2d", with_rule("bias", lambda dz: dz.sum(axis=(0, 2, 3)).astype(float)))
    report = tg.verify.conv2d_formulas(*operands((1, 2, 4, 4), (2, 2, 2), {}, fractions))
    assert {check.name for check in report.failures} == {"dB"}
    assert "the engine left exact arithmetic: float" in report["dB"].message


def test_rounding_beyond_the_bound_is_caught(monkeypatch):
    def coarse(dz):
        return dz.sum(axis=(0, 2, 3)) * (1 if dz.dtype == object else 1 + 1e-12)

    monkeypatch.setattr(exact_module, "conv2d", with_rule("bias", coarse))
    x, weight, bias, _ = operands((1, 2, 4, 4), (2, 2, 2), {}, normals)
    report = tg.verify.conv2d_formulas(x, weight, bias, np.ones((1, 2, 3, 3)))
    assert {check.name for check in report.failures} == {"dB in float64"}


# The formulas share nothing with the kernels


def test_formulas_run_on_plain_numbers():
    X, K = np.arange(1.0, 10).reshape(1, 1, 3, 3), np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    dZ = np.array([[[[1.0, 0.0], [0.0, 2.0]]]])
    plain = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    assert input_gradient(dZ, K, X.shape, **plain).tolist() == [[[[1, 2, 0], [3, 6, 4], [0, 6, 8]]]]
    assert kernel_gradient(X, dZ, K.shape, **plain).tolist() == [[[[11, 14], [20, 23]]]]
    assert bias_gradient(dZ).tolist() == [3]


# exact()


def test_exact_values():
    assert exact(0.1).item() == Fraction(3602879701896397, 36028797018963968)
    assert exact(np.float32(0.1)).item() == Fraction(13421773, 134217728)
    assert exact(np.float16(0.1)).item() == Fraction(1638, 16384)
    assert exact(np.longdouble(1) + np.finfo(np.longdouble).eps).item() > 1
    assert exact([True, False]).tolist() == [1, 0]
    assert exact([2**70, -1]).tolist() == [2**70, -1]
    assert exact(np.uint8([200])).tolist() == [200]
    assert exact(tg.tensor([[0.5, 2.0]], requires_grad=True)).tolist() == [[Fraction(1, 2), 2]]
    assert exact(tg.tensor(Fraction(1, 3))).item() == Fraction(1, 3)
    assert exact([Fraction(1, 3), 1, 0.5]).tolist() == [Fraction(1, 3), 1, Fraction(1, 2)]
    values = (0.1, np.float32(1), np.longdouble(1) / 3, 3, np.int64(3), np.uint8(3), True, np.True_, Fraction(1, 2))
    for value in values:
        fraction = exact(value).item()
        assert type(fraction) is Fraction
        assert type(fraction.numerator) is type(fraction.denominator) is int  # of any size


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1, 1)])
def test_exact_keeps_the_shape(shape):
    result = exact(np.zeros(shape))
    assert result.shape == shape
    assert result.dtype == object


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, np.float32("nan"), np.longdouble("inf")])
def test_exact_of_what_no_fraction_equals(value):
    with pytest.raises(ValueError, match=r"exact: no fraction equals -?(nan|inf) at index \(1,\)"):
        exact(np.array([1.0, value], dtype=np.result_type(value)))


@pytest.mark.parametrize("value", ["1", 1j, None, b"1"])
def test_exact_of_what_is_no_real_number(value):
    with pytest.raises(TypeError, match="exact: expected real numbers but got"):
        exact([value])


# Refusals


def test_upstream_gradient_of_another_shape():
    x, weight, bias, dz = operands((1, 2, 4, 4), (2, 2, 2), {})
    message = r"^conv2d_formulas: dz must have the result's shape \(1, 2, 3, 3\) but has \(1, 2, 3, 2\)$"
    with pytest.raises(ValueError, match=message):
        tg.verify.conv2d_formulas(x, weight, bias, dz[..., :2])


def test_errors_of_conv2d_come_through():
    x, weight, bias, dz = operands((1, 2, 4, 4), (2, 2, 2), {})
    with pytest.raises(ValueError, match="conv2d: stride must be at least 1"):
        tg.verify.conv2d_formulas(x, weight, bias, dz, stride=0)
    with pytest.raises(ValueError, match="no fraction equals nan"):
        tg.verify.conv2d_formulas(x * np.nan, weight, bias, dz)

"""What gradcheck takes, which method it chooses, what it leaves alone, and what it refuses."""

import json
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import distinct, fractions, normals, tensors
from tinygrad_cnn.engine import primitive


def methods(report):
    return [check.facts["method"] for check in report]


# Methods


@pytest.mark.parametrize(
    "function",
    [tg.exp, tg.tanh, tg.sigmoid, tg.softmax, tg.log_softmax, lambda x: x**3 / (1 + x * x), lambda x: (x @ x.T).sum()],
)
def test_complex_step_where_the_function_continues_to_complex_numbers(function):
    report = tg.verify.gradcheck(function, tensors(normals((3, 4), 0)), order=2)
    assert report
    assert methods(report) == ["complex step"] * 3
    assert all(check.error < 1e-11 for check in report)


def test_complex_step_of_conv2d():
    operands = tensors(normals((2, 3, 5, 4), 0), normals((4, 3, 2, 3), 1), normals(4, 2))
    report = tg.verify.gradcheck(tg.conv2d, operands, order=2)
    assert report
    assert methods(report) == ["complex step"] * 7
    assert all(check.facts["relative step"] == 1e-100 for check in report)
    assert all(check.error < 1e-10 for check in report)


@pytest.mark.parametrize(
    "function", [tg.relu, tg.abs, tg.max, lambda x: tg.max_pool2d(x, 2), lambda x: tg.where(x > 0, x, 0)]
)
def test_central_differences_where_the_function_compares(function):
    report = tg.verify.gradcheck(function, tensors(distinct((2, 1, 4, 4), 0) - 7.5))
    assert report
    (method,) = methods(report)
    assert method.startswith("central differences, since ")
    assert method.endswith(" no complex step")


def test_each_input_and_order_has_its_method():
    report = tg.verify.gradcheck(lambda x, y: tg.tanh(x) * tg.relu(y), tensors(normals(3, 0), normals(3, 1)))
    assert methods(report) == ["central differences, since relu: a comparison has no complex step"] * 2
    report = tg.verify.gradcheck(lambda x, y: x**y, tensors(np.array([1.5, 2.0]), np.array([0.5, -2.0])), order=2)
    assert report
    assert methods(report)[:2] == ["complex step"] * 2


def test_function_that_leaves_the_numbers_gets_differences():
    """A forward of NumPy functions that objects have no answer to."""

    @primitive(x=lambda dz, x: dz * np.cosh(x))
    def sinh(x):
        return np.sinh(np.asarray(x, dtype=np.float64))

    report = tg.verify.gradcheck(sinh, tensors(normals((3,), 0)))
    assert report
    assert methods(report)[0].startswith("central differences, since sinh: ")


def test_complex_value_must_be_the_real_one():
    """The logarithm of a negative number is complex: NaN in float64, and no derivative of a real function."""
    operands = tensors(np.array([2.0, 3.0]))
    report = tg.verify.gradcheck(lambda x: (x - 5) ** 2.0, operands)
    assert report
    report = tg.verify.gradcheck(lambda x: tg.exp(2 * tg.log(tg.sqrt((x - 5) ** 2))), operands)
    assert report, str(report)


@pytest.mark.parametrize("arithmetic", ["complex", "float64"])
def test_chosen_arithmetic(arithmetic):
    report = tg.verify.gradcheck(tg.tanh, tensors(normals((2, 3), 0)), order=2, arithmetic=arithmetic)
    assert report
    assert methods(report) == ["complex step" if arithmetic == "complex" else "central differences"] * 3


def test_complex_step_that_was_asked_for_and_is_none():
    with pytest.raises(ValueError, match="gradcheck: no complex step in x: relu: a comparison"):
        tg.verify.gradcheck(tg.relu, tensors(normals((2,), 0)), arithmetic="complex")


# Inputs


def test_names_of_the_checks():
    x, y = tensors(normals(2, 0), normals(2, 1))
    bias = tg.tensor(1.0, requires_grad=True)
    assert [check.name for check in tg.verify.gradcheck(lambda x, weight: x * weight, [x, y])] == ["x", "weight"]
    assert [check.name for check in tg.verify.gradcheck(lambda *xs: xs[0] * xs[1], (x, y))] == ["xs[0]", "xs[1]"]
    report = tg.verify.gradcheck(lambda a, *b: a * b[0] + b[1], (x, y, bias))
    assert [check.name for check in report] == ["a", "b[0]", "b[1]"]
    report = tg.verify.gradcheck(lambda x, dz: x * dz, (x, y), order=2)
    assert [check.name for check in report] == ["x", "dz", "x, order 2", "dz, order 2", "dz', order 2"]
    assert tg.verify.gradcheck(tg.tanh, x).title == "gradcheck of tanh"
    with pytest.raises(KeyError, match="no check named 'y'; there are x"):
        tg.verify.gradcheck(tg.tanh, x)["y"]


def test_other_inputs_are_passed_through():
    seen = []

    def function(x, labels, weights, reduction, nothing):
        seen.append((labels, weights, reduction, nothing))
        return tg.cross_entropy(x, labels, reduction=reduction) * weights.sum()

    labels, weights = np.array([0, 2]), normals(2, 0)
    x = tg.tensor(normals((2, 3), 1), requires_grad=True)
    report = tg.verify.gradcheck(function, (x, labels, weights, "sum", None))
    assert report
    assert [check.name for check in report] == ["x"]
    for passed in seen:
        assert passed[0] is labels
        assert passed[1] is weights
        assert passed[2:] == ("sum", None)


def test_tensors_without_gradient_are_constants():
    x = tg.tensor(normals((2, 2), 0), requires_grad=True)
    constant, index = tg.tensor(normals((2, 2), 1)), tg.tensor([1, 0])
    report = tg.verify.gradcheck(lambda x, y, i: (x @ y)[i], (x, constant, index), order=2)
    assert report
    assert [check.name for check in report] == ["x", "x, order 2", "dz, order 2"]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble, object])
def test_other_dtypes_are_checked_on_copies(dtype):
    array = fractions((2, 3), 0) if dtype is object else normals((2, 3), 0, dtype)
    seen = []

    def function(x):
        seen.append(x.dtype)
        return x * x * x

    report = tg.verify.gradcheck(function, tg.tensor(array, requires_grad=True), arithmetic="float64")
    assert report
    assert set(seen) == {np.dtype(np.float64)}
    assert report.notes == (f"checked on float64 copies: x ({np.dtype(dtype)})",)
    assert tg.verify.gradcheck(tg.tanh, tensors(normals((2, 3), 0))).notes == ()


def test_coarser_output_has_a_coarser_tolerance():
    x = tensors(normals((3, 3), 0))
    fine, coarse = (
        tg.verify.gradcheck(lambda x, dtype=dtype: (tg.tanh(x) @ x).astype(dtype), x, arithmetic="float64")
        for dtype in (np.float64, np.float32)
    )
    assert fine
    assert coarse, str(coarse)
    assert coarse["x"].tolerance > 100 * fine["x"].tolerance
    assert coarse["x"].facts["relative step"] > 100 * fine["x"].facts["relative step"]


@pytest.mark.parametrize("shape", [(), (1,), (0,), (0, 3), (1, 1, 1), (2, 0, 1)])
def test_single_and_empty_axes(shape):
    for function in (tg.tanh, tg.relu, lambda x: (x * x).sum(), lambda x: x.reshape(-1)):
        report = tg.verify.gradcheck(function, tensors(normals(shape, 0)), order=2)
        assert report, str(report)


def test_unused_input():
    report = tg.verify.gradcheck(lambda x, y: x * x, tensors(normals(2, 0), normals(2, 1)), order=2)
    assert report
    assert report["y"].actual == report["y"].expected == 0
    report = tg.verify.gradcheck(lambda x, y: x * x + tg.tensor(y.data), tensors(normals(2, 0), normals(2, 1)))
    assert {check.name for check in report.failures} == {"y"}


def test_constant_function_has_no_second_order():
    report = tg.verify.gradcheck(lambda x: tg.tensor(np.ones(3)), tensors(normals(2, 0)), order=2)
    assert report
    assert [check.name for check in report] == ["x"]
    assert report.notes == ("no order 2: the gradient of order 1 is a constant",)


def test_third_order():
    report = tg.verify.gradcheck(lambda x: tg.exp(x) * x, tensors(normals((2,), 0)), order=3)
    assert report
    names = ["x", "x, order 2", "dz, order 2", "x, order 3", "dz, order 3", "ddz, order 3"]
    assert [check.name for check in report] == names


# Another dtype


@pytest.mark.parametrize("dtype", ["float16", "float32", np.float32, np.longdouble])
def test_gradient_in_another_dtype(dtype):
    seen = []

    def function(x, y):
        seen.append(x.dtype)
        return tg.tanh(x @ y)

    report = tg.verify.gradcheck(function, tensors(normals((3, 4), 0), normals((4, 2), 1)), order=2, dtype=dtype)
    assert report, str(report)
    name = str(np.dtype(dtype))
    labels = ["x", "y", "x, order 2", "y, order 2", "dz, order 2"]
    assert [check.name for check in report] == [each for label in labels for each in (label, f"{label} in {name}")]
    assert seen.count(np.dtype(dtype)) == 2
    eps = max(float(np.finfo(dtype).eps), 2.0**-52)
    for label in labels:
        check = report[f"{label} in {name}"]
        assert check.facts["dtype"] == name
        largest = abs(check.expected).max()
        assert eps**0.5 * largest <= check.tolerance < 2 * eps**0.5 * largest + 1e-3 * (eps > 1e-4)
        assert check.error < 0.1 * check.tolerance
        assert check.error > 0
        assert check.expected.shape == check.actual.shape


def test_point_is_rounded_to_the_dtype():
    exactly, rounded = tensors(np.array([0.5, 3.0]), np.array([0.1, 3.0]))
    notes = tg.verify.gradcheck(lambda x, y: x * y, (exactly, rounded), dtype=np.float16).notes
    assert notes == ("checked at values rounded to float16: y",)
    single = tg.tensor(np.float32([0.1]), requires_grad=True)
    notes = tg.verify.gradcheck(lambda x: x * x, single, dtype=np.float32).notes
    assert notes == ("checked on float64 copies: x (float32)",)


def test_rule_that_is_right_in_float64_only():
    """log(1 + exp(x)) as it stands: beyond 11 exp overflows in float16, beyond 88 in float32."""

    @primitive(x=lambda dz, x: dz * tg.exp(x) / (1 + tg.exp(x)))
    def softplus(x):
        return np.log1p(np.exp(-abs(x))) + np.maximum(x, 0)

    x = tensors(np.array([1.0, 100.0]))
    with np.errstate(over="ignore", invalid="ignore"):
        assert tg.verify.gradcheck(softplus, x)
        report = tg.verify.gradcheck(softplus, x, dtype=np.float32)
    assert [check.name for check in report.failures] == ["x in float32"]
    assert report["x in float32"].wrong.tolist() == [False, True]
    assert report["x in float32"].message.startswith("not finite in float32: 1 of 2 entries is wrong")


def test_digits_that_cancel_in_float32():
    """(1 - cos x) / x**2 has no digits left at 1e-3; as 2 sin(x / 2)**2 / x**2 it keeps them."""
    x = tensors(np.array([1e-3, 1.0]))
    kept = tg.verify.gradcheck(lambda x: 2 * tg.sin(x / 2) ** 2 / x**2, x, dtype=np.float32)
    lost = tg.verify.gradcheck(lambda x: (1 - tg.cos(x)) / x**2, x, dtype=np.float32)
    assert kept, str(kept)
    assert [check.name for check in lost.failures] == ["x in float32"]


def test_kink_in_another_dtype():
    """In float32 0.1 + 0.2 - 0.3 is 0, in float64 of the rounded numbers 1.5e-9: both sides of the kink are right."""

    def function(x, y):
        return tg.relu(x + 0.2 - 0.3 + y)

    report = tg.verify.gradcheck(function, tensors(np.array([0.1, 2.0]), np.zeros(2)), order=2, dtype=np.float32)
    assert report, str(report)
    assert report["x in float32"].notes == ("in float32 there is a kink at [0]",)
    assert "no order 2 in float32, which crosses a kink" in report.notes
    assert "x, order 2" in report
    assert "x, order 2 in float32" not in report


def test_wrong_gradient_beside_a_kink_in_another_dtype():
    @primitive(x=lambda dz, x: dz * (x > 0) * (1 if x.dtype == np.float64 else 1.5))
    def relu(x):
        return np.maximum(x, 0)

    report = tg.verify.gradcheck(relu, tensors(np.array([0.0, 1.0])), dtype=np.float32)
    assert [check.name for check in report.failures] == ["x in float32"]
    assert report["x in float32"].wrong.tolist() == [False, True]


def test_gradient_of_nothing_in_another_dtype():
    report = tg.verify.gradcheck(lambda x, y: x * x, tensors(normals(3, 0), normals((0, 2), 1)), dtype=np.float16)
    assert report
    assert report["y in float16"].message == "as in float64, exactly"


# Outputs


def test_several_outputs():
    def function(x, y):
        return [x * y, tg.tanh(x).sum(), x.argmax()]

    report = tg.verify.gradcheck(function, tensors(normals((2, 3), 0), normals((2, 3), 1)), order=2)
    assert report, str(report)
    assert [check.name for check in report][4:] == ["dz[0], order 2", "dz[1], order 2"]


def test_output_without_graph_does_not_count_beside_one_that_has_one():
    assert tg.verify.gradcheck(lambda x: (x * x, (3 * x).detach()), tensors(normals(2, 0)))


# Nothing is changed


def test_inputs_are_left_alone():
    x = tg.tensor(normals((2, 2), 0, np.float32), requires_grad=True, name="x")
    y = tg.tensor(normals((2, 2), 1))
    z = tg.tanh(x * 2).retain_grad()
    (z * z).sum().backward()
    before = [(t.data.copy(), t.node, None if t.grad is None else t.grad.data.copy(), t.name) for t in (x, y, z)]
    for function in (lambda x, y, z: x @ y + z, lambda x, y, z: tg.relu(x * y) * z):
        assert tg.verify.gradcheck(function, (x, y, z), order=2)
    for t, (data, node, gradient, name) in zip((x, y, z), before, strict=True):
        assert np.array_equal(t.data, data)
        assert t.node is node
        assert np.array_equal(t.grad.data, gradient) if gradient is not None else t.grad is None
        assert t.name == name


def test_inside_no_grad():
    with tg.no_grad():
        assert tg.verify.gradcheck(tg.tanh, tensors(normals((2,), 0)), order=2)
        assert not (tg.tensor(1.0, requires_grad=True) * 2).requires_grad


def test_same_seed_same_report():
    x = tensors(normals((3, 3), 0))
    one, two, other = (tg.verify.gradcheck(tg.relu, x, seed=seed).to_json() for seed in (0, 0, 1))
    assert one == two != other


def test_global_random_state_is_left_alone():
    tg.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    first = tg.backend.generator().random(), np.random.random()  # noqa: NPY002
    tg.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    tg.verify.gradcheck(tg.tanh, tensors(normals((3, 3), 0)))
    assert (tg.backend.generator().random(), np.random.random()) == first  # noqa: NPY002


# Many elements


def test_large_input_is_sampled_when_it_fails():
    @primitive(x=lambda dz, x: dz * 3 * x)
    def square(x):
        return x * x

    report = tg.verify.gradcheck(square, tensors(normals((60, 50), 0)), arithmetic="float64")
    assert not report
    assert report["x"].wrong.sum() == 2000
    assert "2000 of 3000 elements, drawn at random, were compared" in report["x"].notes


def test_wrong_element_that_the_sample_misses_is_still_a_failure():
    def wrong_at(position):
        @primitive(x=lambda dz, x: dz * 2 * x * (1 + (np.arange(3000).reshape(60, 50) == position)))
        def square(x):
            return x * x

        return square

    messages = []
    for position in (0, 500):
        report = tg.verify.gradcheck(wrong_at(position), tensors(normals((60, 50), 0)), arithmetic="float64")
        assert not report
        messages.append(report["x"].message)
        assert report["x"].wrong.sum() == ("1 of 3000" in messages[-1])
    assert {message[:9] for message in messages} == {"1 of 3000", "the slope"}


# Reports


def test_kinks_are_in_the_json():
    report = tg.verify.gradcheck(tg.relu, tensors(np.array([[0.0, 1.0]])))
    (check,) = json.loads(report.to_json())["checks"]
    (kink,) = check["kinks"]
    slope = report["x"].kinks[0].above
    sides = {"below": 0.0, "above": slope, "low": min(slope, 0), "high": max(slope, 0)}
    assert kink == {"index": [0, 0], "gradient": 0.0, "origins": ["relu at 0"]} | sides


# Refusals


def test_no_input_that_requires_a_gradient():
    with pytest.raises(ValueError, match=r"^gradcheck: expected an input that requires a gradient but none of"):
        tg.verify.gradcheck(lambda x, y: x, (tg.tensor(1.0), 2.0))


@pytest.mark.parametrize(("output", "kind"), [(3.0, "float"), (np.ones(2), "ndarray"), (None, "NoneType")])
def test_function_that_gives_no_tensor(output, kind):
    with pytest.raises(TypeError, match=f"gradcheck: expected a tensor but <lambda> is {kind}"):
        tg.verify.gradcheck(lambda x: output, tensors(normals(2, 0)))
    with pytest.raises(TypeError, match=f"gradcheck: expected a tensor but output 1 of <lambda> is {kind}"):
        tg.verify.gradcheck(lambda x: (x, output), tensors(normals(2, 0)))


def test_function_without_a_floating_point_output():
    with pytest.raises(ValueError, match="gradcheck: <lambda> has no output of a floating-point dtype"):
        tg.verify.gradcheck(lambda x: x.argmax(), tensors(normals(2, 0)))


def test_values_that_are_not_finite():
    with pytest.raises(ValueError, match="gradcheck: x holds NaN or infinities"):
        tg.verify.gradcheck(tg.tanh, tensors(np.array([1.0, np.nan])))
    with pytest.raises(ValueError, match="gradcheck: log gives NaN or infinities here"):
        tg.verify.gradcheck(tg.log, tensors(np.array([1.0, 0.0])))


def test_function_that_changes_from_call_to_call():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="gradcheck: <lambda> gives other values each time"):
        tg.verify.gradcheck(lambda x: x * rng.random(2), tensors(normals(2, 0)))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"order": 0}, ValueError, "order must be at least 1 but is 0"),
        ({"dtype": np.int32}, ValueError, "dtype must be a floating-point one but is int32"),
        (
            {"inputs": tensors(np.array([1e5])), "dtype": "float16"},
            ValueError,
            "x holds numbers beyond the range of flo",
        ),
        ({"arithmetic": "exact"}, ValueError, "arithmetic must be one of auto, complex, float64 but is 'exact'"),
        ({"function": 3}, TypeError, "expected a function but got int"),
        ({"inputs": [[tg.tensor(1.0, requires_grad=True)]]}, TypeError, "x is a list of tensors"),
    ],
)
def test_bad_arguments(arguments, error, message):
    given = {"function": lambda x: x, "inputs": tensors(normals(2, 0))} | arguments
    with pytest.raises(error, match=f"^gradcheck: {message}"):
        tg.verify.gradcheck(**given)


def test_errors_of_the_function_come_through():
    with pytest.raises(ValueError, match="conv2d: weight expects"):
        tg.verify.gradcheck(tg.conv2d, tensors(normals((1, 2, 3, 3), 0), normals((1, 3, 2, 2), 0)))


def test_fraction_input_is_cast():
    x = tg.tensor(Fraction(1, 3), requires_grad=True)
    assert tg.verify.gradcheck(lambda x: x * x, x)
    assert x.data == Fraction(1, 3)

"""Kinks: reported with their one-sided slopes, no false alarm for a subgradient, and no excuse for a wrong gradient."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import integers, tensors
from tinygrad_cnn.engine import primitive


def relu_with_slope_at_0(slope):
    @primitive(x=lambda dz, x: dz * ((x > 0) + slope * (x == 0)))
    def relu(x):
        return np.maximum(x, 0)

    return relu


def check_of(function, array, **options):
    report = tg.verify.gradcheck(function, tensors(np.array(array, dtype=np.float64)), **options)
    return report, report["x"]


def test_relu_at_0():
    report, check = check_of(tg.relu, [-1.0, 0.0, 2.0, 0.0])
    assert report
    assert [kink.index for kink in check.kinks] == [(1,), (3,)]
    for kink in check.kinks:
        assert kink.gradient == 0
        slopes = sorted([kink.below, kink.above], key=abs)
        assert slopes[0] == 0
        assert abs(slopes[1]) == pytest.approx(round(abs(slopes[1])), abs=1e-9)  # the upstream gradient, an integer
        assert 1 <= abs(slopes[1]) <= 9
        assert kink.below == 0
    text = " ".join(str(report).split())
    assert "the function has a kink here: relu at 0 (2 of 4 elements)" in text
    above = check.kinks[0].above
    interval = f"{min(above, 0):g} to {max(above, 0):g}"
    assert f"kink at [1]: relu at 0; slope 0 below, {above:g} above; valid subgradients {interval}; the grad" in text
    np.testing.assert_allclose(check.expected, check.actual, atol=1e-6)


@pytest.mark.parametrize("slope", [0.0, 0.25, 1.0])
def test_every_subgradient_passes(slope):
    report, check = check_of(relu_with_slope_at_0(slope), [-1.0, 0.0, 2.0])
    assert report
    assert len(check.kinks) == 1
    assert check.kinks[0].gradient == pytest.approx(slope * check.kinks[0].above)


@pytest.mark.parametrize("slope", [-0.01, 1.01, 3.0])
def test_what_is_no_subgradient_fails(slope):
    report, check = check_of(relu_with_slope_at_0(slope), [-1.0, 0.0, 2.0])
    assert not report
    assert check.wrong.tolist() == [False, True, False]
    assert "kink at [1]" in str(report)
    nearest = check.kinks[0].above * min(max(slope, 0), 1)
    assert check.expected[1] == pytest.approx(nearest)


def test_wrong_element_beside_a_kink():
    @primitive(x=lambda dz, x: dz * (x >= -1))
    def relu(x):
        return np.maximum(x, 0)

    report, check = check_of(relu, [-0.5, 0.0, 2.0, -3.0])
    assert not report
    assert check.wrong.tolist() == [True, False, False, False]


@pytest.mark.parametrize("x", [0.0, -0.0])
def test_abs_at_0(x):
    report, check = check_of(tg.abs, x)
    assert report
    (kink,) = check.kinks
    assert kink.index == ()
    assert kink.below == -kink.above != 0
    assert kink.gradient == 0
    assert "the function has a kink here: abs at 0; the gradient lies between the slopes" in " ".join(
        str(report).split()
    )


def test_concave_kink():
    report, check = check_of(lambda x: -tg.abs(x), [0.0, 1.0])
    assert report
    assert check.kinks[0].below == -check.kinks[0].above


# Ties


@primitive(x=lambda dz, x: dz * (x == x.max()))
def max_to_every_tie(x):
    return x.max()


@primitive(x=lambda dz, x: dz * (np.arange(x.size) == x.size - 1 - x[::-1].argmax()))
def max_to_the_last(x):
    return x.max()


@primitive(x=lambda dz, x: dz * np.eye(x.size)[x.argmin()])
def max_to_the_smallest(x):
    return x.max()


@pytest.mark.parametrize("function", [tg.max, lambda x: tg.max(x, ties="split"), max_to_the_last])
def test_tied_maximum_that_shares_one_gradient(function):
    report, check = check_of(function, [2.0, 3.0, 1.0, 3.0, 3.0])
    assert report, str(report)
    assert [kink.index for kink in check.kinks] == [(1,), (3,), (4,)]
    assert all({kink.below, kink.above} == {0, kink.below + kink.above} for kink in check.kinks)


@pytest.mark.parametrize("function", [max_to_every_tie, max_to_the_smallest])
def test_tied_maximum_that_does_not(function):
    report, _ = check_of(function, [2.0, 3.0, 1.0, 3.0, 3.0])
    assert not report


def test_full_gradient_to_every_tie_says_what_is_wrong():
    report, _ = check_of(max_to_every_tie, [3.0, 3.0])
    text = " ".join(str(report).split())
    assert "the function has a kink here: max_to_every_tie at a tie of 3 (2 of 2 elements); where equal" in text
    assert "where equal elements move together it has none" in text


@pytest.mark.parametrize("ties", ["first", "split"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("order", [1, 2])
def test_max_pool_of_ties(ties, stride, order):
    x = np.array([[[[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 2.0, 2.0], [3.0, 3.0, 2.0, 5.0]]]])
    report, check = check_of(lambda x: tg.max_pool2d(x, 2, stride, ties=ties), x, order=order)
    assert report, str(report)
    assert (0, 0, 0, 0) in [kink.index for kink in check.kinks]
    assert (0, 0, 1, 1) not in [kink.index for kink in check.kinks]


@pytest.mark.parametrize("ties", ["first", "split"])
def test_max_pool_of_equal_elements(ties):
    report, check = check_of(lambda x: tg.max_pool2d(x, 2, ties=ties), np.ones((2, 1, 4, 2)))
    assert report
    assert len(check.kinks) == 16
    assert "and 11 more kinks" in str(report)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(
    "function",
    [
        lambda x: tg.max_pool2d(x, 2, 1),
        lambda x: tg.max_pool2d(x, 2, 1, ties="split"),
        lambda x: tg.relu(tg.conv2d(x, np.array([[[[1.0, -1.0], [-2.0, 2.0]]], [[[1.0, 0.0], [0.0, -1.0]]]]))),
        lambda x: tg.abs(x @ np.array([[1.0, -1.0], [2.0, 0.0], [0.0, 1.0]])),
    ],
)
def test_several_kinks_in_one_element(function, seed):
    """Each output has its kink; with upstream gradients of both signs the interval is wider than the two slopes."""
    x = integers((1, 1, 4, 3), seed).clip(-1, 1)
    x[0, 0, :2] = 0
    report, check = check_of(function, x, order=2, seed=seed)
    assert report, str(report)
    assert check.kinks
    for kink in check.kinks:
        assert kink.low - 1e-3 <= min(kink.below, kink.above, kink.gradient)
        assert kink.high + 1e-3 >= max(kink.below, kink.above, kink.gradient)


def test_interval_of_subgradients_is_in_the_text():
    """It is wider than from one slope to the other where the two outputs' kinks are of opposite sign."""
    wider = 0
    for seed in range(8):
        report, check = check_of(lambda x: (tg.relu(x), -2 * tg.relu(x)), [0.0, 1.0], seed=seed)
        assert report
        (kink,) = check.kinks
        assert f"subgradients {round(kink.low)} to {round(kink.high)}; the gradient is 0" in " ".join(
            str(report).split()
        )
        wider += kink.high - kink.low > abs(kink.above - kink.below) + 0.5
    assert 0 < wider < 8


@pytest.mark.parametrize("seed", range(30))
def test_kinks_that_cancel_in_the_sum(seed):
    """With opposite upstream gradients the sum of relu(x) and relu(-x) is smooth; each output on its own is not."""
    report, _ = check_of(lambda x: (tg.relu(x), tg.relu(-x)), [0.0, 1.0, 0.0], seed=seed)
    assert report, str(report)


# Near a kink, and other places without a derivative


@pytest.mark.parametrize("distance", [1e-2, 1e-5, 1e-7, -1e-7, 1e-9])
def test_near_a_kink_there_is_none(distance):
    for function in (tg.relu, tg.abs):
        report, check = check_of(function, [distance, 1.0])
        assert report, str(report)
        assert not check.kinks


@pytest.mark.parametrize("distance", [0.0, 1e-17, 1e-15, 1e-12, 1e-10, -1e-10, -1e-16])
def test_kink_too_near_to_tell_is_no_false_alarm(distance):
    """0.1 + 0.2 - 0.3 is not 0: what is tied but for rounding."""
    report, _ = check_of(lambda x: tg.relu(x - 0.3), [0.3 + distance, 0.1 + 0.2, 5.0])
    assert report, str(report)


@pytest.mark.parametrize("distance", [1e-2, 1e-5, 1e-7])
def test_near_a_kink_a_wrong_gradient_fails(distance):
    report, check = check_of(lambda x: tg.relu(x).detach() + 0.5 * x, [distance, 1.0])
    assert not report
    assert check.wrong.all()


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: (x > 0).astype(np.float64) + 0 * x, [0.0, 1.0]),  # a jump
        (tg.sqrt, [0.0, 1.0]),  # an infinite slope, and the end of the domain
        (lambda x: tg.sqrt(tg.abs(x)), [0.0, 1.0]),  # an infinite slope on both sides
    ],
)
@pytest.mark.parametrize("arithmetic", ["auto", "float64"])
def test_no_derivative(function, x, arithmetic):
    report, check = check_of(function, x, arithmetic=arithmetic)
    assert not report
    assert check.wrong.tolist() == [True, False]
    assert "the differences do not settle at [0]" in " ".join(str(report).split())


def test_smooth_function_of_two_kinks_has_one_gradient():
    """relu(x) - relu(-x) is x: its derivative at 0 is 1, automatic differentiation gives 0 (Kakade and Lee 2018)."""
    report, check = check_of(lambda x: tg.relu(x) - tg.relu(-x), [0.0, 1.0])
    assert not report
    assert check.wrong.tolist() == [True, False]
    assert not check.kinks


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: tg.sqrt((x * x).sum()), [0.0, 0.0]),
        (tg.norm, [0.0, 0.0, 0.0]),
        (tg.std, [2.0, 2.0]),
    ],
)
def test_complex_step_is_not_fooled_by_the_root_of_a_square(function, x):
    """Along i the root of a square goes on smoothly; on the real axis it is |x|, with a kink at 0."""
    report, check = check_of(function, x)
    assert {kink.index for kink in check.kinks} == {(i,) for i in range(len(x))}
    assert all(kink.below == pytest.approx(-kink.above) != 0 for kink in check.kinks)
    assert check.facts["method"] == "central differences, since the complex step goes past a kink"
    if function in (tg.norm, tg.std):  # whose gradient at 0 is 0; sqrt's is 0 / 0
        assert report, str(report)
    with pytest.raises(ValueError, match="no complex step in x: the complex step goes past a kink"):
        check_of(function, x, arithmetic="complex")


def test_gradient_at_a_kink_that_is_no_number():
    report, check = check_of(lambda x: tg.sqrt(x * x), [0.0, 1.0])
    assert not report
    assert check.wrong.tolist() == [True, False]
    assert np.isnan(check.kinks[0].gradient)
    assert '"gradient": "nan"' in report.to_json()
    assert "the gradient is nan" in str(report)


@pytest.mark.parametrize("power", [2, 3])
def test_kink_of_a_derivative_only(power):
    report, check = check_of(lambda x: tg.relu(x) ** power, [0.0, 1.0, -1.0], order=2)
    assert report, str(report)
    assert not check.kinks
    assert [kink.index for kink in report["x, order 2"].kinks] == ([(0,)] if power == 2 else [])


def test_second_order_at_a_kink():
    report, _ = check_of(tg.relu, [-1.0, 0.0, 2.0], order=2)
    assert report
    assert report["x, order 2"].message == "right where it exists"
    assert "at [1] the gradient jumps, since the function has a kink there" in " ".join(str(report).split())


def test_second_order_beside_a_kink_is_still_checked():
    @primitive(x=lambda dz, x: dz * 2 * (x.detach() if isinstance(x, tg.Tensor) else x) * (x > 0))
    def half_parabola(x):
        return x * x * (x > 0)

    report, _ = check_of(lambda x: half_parabola(x) + tg.relu(x), [-1.0, 0.0, 2.0], order=2)
    assert {check.name for check in report.failures} == {"x, order 2"}
    assert report["x, order 2"].wrong.tolist() == [False, False, True]

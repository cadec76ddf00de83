"""check_values: what counts as right, in which words wrong numbers are described, and that no answer breaks it."""

import json
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import fractions, integers, normals
from tinygrad_cnn.verify.values import check_values

E = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 10]])
NAN, INF = float("nan"), float("inf")


def only(expected, actual, **options):
    report = check_values(expected, actual, **options)
    (check,) = report
    assert report.passed is check.passed
    return check


# What counts as right


@pytest.mark.parametrize(
    "actual",
    [
        E,
        E.astype(np.float32),
        E.astype(np.uint8),
        E.tolist(),
        tuple(map(tuple, E.tolist())),
        tg.tensor(E),
        tg.tensor(E, dtype=np.float64, requires_grad=True) * 1,
        np.frompyfunc(Fraction, 1, 1)(E),
        [[Fraction(1), 2.0, "3"], ["8/2", 5, "6."], [np.float32(7), np.int8(8), "10.0"]],
        str(E),
        repr(E),
        str(E.astype(np.float32)),
        repr(tg.tensor(E)),
        str(E.tolist()),
        "1 2 3\n4 5 6\n7 8 10",
        "dX = [[1 2 3] [4 5 6] [7 8 10]]",
    ],
    ids=repr,
)
def test_the_same_numbers_in_any_form(actual):
    assert only(E, actual).passed
    assert only(tg.tensor(E), actual).passed
    assert only(E.tolist(), actual).message == "all 9 entries agree"
    wrong = only(E + np.eye(3, dtype=int), actual)
    assert wrong.wrong.tolist() == np.eye(3, dtype=bool).tolist()
    assert wrong.message == "3 of 9 entries are wrong, by up to 1"


@pytest.mark.parametrize(
    ("expected", "actual", "passed"),
    [
        (Fraction(1, 3), "1/3", True),
        (Fraction(1, 3), "0.3333", True),
        (Fraction(1, 3), "0.3334", False),
        (Fraction(1, 3), 1 / 3, True),
        (Fraction(1, 3), "0.3333333333333333", True),
        (Fraction(3, 10), "0.30000000000000004", True),
        (Fraction(3, 10), "0.3000000000001", False),
        (Fraction(1, 3), Fraction(333333333333, 1000000000000), False),
        (Fraction(9, 16), "0.56", True),
        (Fraction(9, 16), "0.563", True),
        (Fraction(9, 16), "0.562", True),
        (Fraction(9, 16), "0.57", False),
        (Fraction(9, 16), "0.6", True),
        (Fraction(9, 16), "1", False),
        (Fraction(9, 16), "1.", False),
        (Fraction(9, 16), "5.6e-1", True),
        (Fraction(9, 16), "6e-1", False),
        (Fraction(1, 8), "0.12", True),
        (Fraction(1, 8), "0.13", True),
        (Fraction(1, 8), "0.14", False),
        (-7, "-7.0", True),
        (-7, "-7.04", False),
        (10**20, 10**20 + 1, False),
        (10**20, str(10**20 + 1), False),
        (10**20, 1e20, True),
        (True, "True", True),
        (INF, "inf", True),
        (-INF, "inf", False),
        (1, "nan", False),
        (1, "1e500", False),
        ("0.56", Fraction(9, 16), True),
        ("0.56", "0.563", True),
        ("0.56", "0.57", False),
    ],
)
def test_numbers(expected, actual, passed):
    check = only(expected, actual)
    assert check.passed is passed, check.message
    str(check)


def test_digits_that_numpy_leaves_away():
    """In [0.5 0.25] NumPy has left a zero away, so that 0.5 is 0.50; a student who writes 0.5 has rounded to it."""
    expected = [Fraction(54, 100), Fraction(1, 4)]
    assert not only(expected, "[0.5  0.25]").passed
    assert only(expected, "[0.5, 0.25]").passed
    assert only(expected, "0.5, 0.25").passed


def test_rounding_is_said():
    check = only([[Fraction(9, 16), Fraction(1, 3)], [2, Fraction(1, 4)]], "0.56 0.33\n2 0.25")
    assert check.passed
    assert check.message == "all 4 entries agree"
    assert check.notes == ("compared at the digits shown: 2 of them are rounded, by up to 0.0033",)
    assert check.tolerance == 0.005
    assert only(Fraction(9, 16), "0.56").notes == ("compared at the digits shown: it is rounded, by 0.0025",)
    assert only(Fraction(1, 4), "0.25").notes == ()
    text = " ".join(str(check_values(Fraction(9, 16), "0.56")).split())
    assert "compared at the digits shown: it is rounded, by 0.0025" in text


# Floats


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 9.03e-14), (np.float32, 1.7e-6), (np.float16, 3.11e-3)])
def test_floats_may_be_off_by_their_rounding(dtype, tolerance):
    expected = normals((3, 4), 0)
    largest = abs(expected).max()
    actual = expected.astype(dtype)
    check = only(expected, actual)
    assert check.passed
    assert check.facts == {"dtype": np.dtype(dtype).name, "tolerance": pytest.approx(tolerance * largest, rel=1e-2)}
    worse = actual.copy()
    worse[1, 1] += dtype(3 * tolerance * largest)
    assert only(expected, worse).wrong.sum() == 1
    assert f"tolerance: {check.facts['tolerance']:.3g}" in str(check_values(expected, actual))


def test_the_coarser_dtype_counts():
    x = np.float32(normals(5, 0))
    assert only(x, x.astype(np.float64)).facts["dtype"] == "float32"
    assert only([Fraction(1, 3), 2], [1 / 3, 2]).facts["dtype"] == "float64"
    assert only(np.arange(3), [0, 1, 2]).facts == {}


@pytest.mark.parametrize("show", [str, repr, lambda x: repr(tg.tensor(x)), lambda x: f"dX: {x}"])
@pytest.mark.parametrize("terms", [9, 75, 576])
def test_a_right_result_in_float32_passes_as_it_is_printed(show, terms):
    x, k = normals((4, terms), 0, np.float32), normals((terms, 3), 1, np.float32)
    total = np.zeros((4, 3), np.float32)
    for i in range(terms):  # one by one, as a student's loop
        total += x[:, i, None] * k[i]
    expected = x.astype(np.float64) @ k.astype(np.float64)
    assert only(expected, show(total)).passed
    assert only(expected, total).passed
    assert not only(expected * (1 + 1e-5), show(total)).passed


def test_a_tolerance_of_ones_own():
    assert only(1, 1.25, tolerance=0.25).passed
    assert not only(1, 1.25, tolerance=0.2).passed
    assert not only(1, 1 + 1e-15, tolerance=0).passed
    assert only(1, "0.9", tolerance=0.01).passed is False
    assert only(Fraction(9, 16), "0.6", tolerance=0.01).passed  # right at the digits shown
    assert only(7, "8", tolerance=1).passed
    assert only(7, 8, tolerance=1).facts == {"tolerance": 1.0}


# Shapes


@pytest.mark.parametrize("actual", ["1 2 3", "[1 2 3]", "[[1, 2, 3]]", "1\n2\n3", "[1]\n[2]\n[3]"])
def test_axes_of_length_1_without_brackets(actual):
    shapes = {"[": {"[1 2 3]": (3,), "[[1, 2, 3]]": (1, 3), "[1]\n[2]\n[3]": (3, 1)}}
    for shape in [(3,), (1, 3), (3, 1), (1, 1, 3)]:
        passed = "[" not in actual or shapes["["][actual] == shape
        assert only(np.array([1, 2, 3]).reshape(shape), actual).passed is passed


def test_wrong_shapes():
    check = only(E, E.ravel())
    assert check.message == "expected shape (3, 3) but got (9,)"
    assert check.notes == ("these are the right numbers in the right order, in another shape",)
    assert check.difference is check.wrong is None
    assert only(E, 5).message == "expected shape (3, 3) but got ()"
    assert only(np.zeros((0, 3)), np.zeros((0, 2))).message == "expected shape (0, 3) but got (0, 2)"
    assert only(np.zeros((0, 3)), np.zeros((0, 3))).message == "no entries"
    assert only(E, np.zeros((10**4, 10**4), np.uint8)).message == "expected shape (3, 3) but got (10000, 10000)"


# What is said


@pytest.mark.parametrize(
    ("actual", "name"),
    [
        (E.T, "transposed"),
        (-E, "sign"),
        (2 * E, "factor"),
        (E[::-1, ::-1], "rotated-180"),
        (np.roll(E, 1, 0), "shifted"),
        (E + 1, "offset"),
        (str(E.T), "transposed"),
        (repr(E / 2), "factor"),
        (np.float32(E[::-1]), "flipped-rows"),
        (E[None], "axes"),
        (np.pad(E, 1), "larger"),
    ],
)
def test_relations(actual, name):
    check = only(E, actual)
    assert not check.passed
    assert [relation.name for relation in check.relations] == [name]
    assert check.notes == (check.relations[0].explanation,)


def test_decimals_that_are_cut_off():
    check = only([Fraction(2, 3), Fraction(1, 3)], "0.66 0.33")
    assert [relation.name for relation in check.relations] == ["truncated"]
    assert only([Fraction(2, 3), Fraction(1, 3)], [0.66, 0.33]).relations[0].name == "truncated"
    assert only([Fraction(2, 3), Fraction(1, 3)], [0.67, 0.33]).relations[0].name == "rounded"
    assert only([Fraction(2, 3), Fraction(7, 3)], [1, 2]).relations[0].name == "rounded"
    assert only([Fraction(2, 3), Fraction(-7, 3)], "0 -2").relations[0].name == "truncated"


def test_mistakes_that_the_caller_knows():
    x, k = (np.array(integers(shape, 1), dtype=int) for shape in ((4, 4), (2, 2)))
    k[0, 0] = 3
    right, rotated = (f(x[None, None], k[None, None])[0, 0] for f in (tg.conv2d, tg.convolve2d))
    words = "the kernel was rotated"
    check = only(right, str(rotated), mistakes={"something else": right + 1, words: rotated})
    assert check.relations == (("mistake", words),)
    assert not only(right, str(rotated)).relations
    report = check_values({"Z": right}, {"Z": rotated}, mistakes={"Z": {words: rotated}})
    assert report["Z"].notes == (words,)


def test_nothing_is_said_of_numbers_that_are_not_finite():
    check = only(E, np.where(E == 5, NAN, -E))
    assert check.relations == ()
    assert check.wrong.all()
    assert only([INF, 1], [INF, 1]).passed
    assert only([INF, 1], [-INF, 1]).wrong.tolist() == [True, False]


# Several results


def test_results_by_name():
    expected = {"dX": E, "dK": [Fraction(1, 2), 3], "dB": 7}
    text = f"training...\ndX =\n{E}\n\ndK: [0.5, 3.0]\ndB=7.0"
    for actual in (expected, text, {"dB": "7", "dX": str(E), "dK": np.array([0.5, 3])}):
        report = check_values(expected, actual)
        assert report, str(report)
        assert [check.name for check in report] == ["dX", "dK", "dB"]
    report = check_values(expected, text.replace("3.0", "3.5"))
    assert [check.name for check in report.failures] == ["dK"]


def test_results_that_are_missing_or_too_many():
    report = check_values({"dX": E, "dK": 3}, {"dK": 3, "dZ": 4, "loss": 5})
    assert [check.name for check in report.failures] == ["dX"]
    assert report["dX"].message == "no result of this name, only dK, dZ, loss"
    assert report["dX"].expected.tolist() == E.tolist()
    assert report.notes == ("not asked for: dZ, loss",)
    assert check_values({"dX": E}, "[1 2 3]")["dX"].message == 'no result has a name, write "dX = ..."'
    assert check_values({"dX": E}, {})["dX"].message == "no result has a name"
    message = check_values({"dX": E}, E)["dX"].message
    assert message == "expected results by name, in a mapping or a text, but got ndarray"


def test_results_under_each_others_names():
    report = check_values({"dX": E, "dK": E.T, "dB": 3}, {"dX": E.T, "dK": E, "dB": 4})
    assert report["dX"].relations == (("exchanged", "this is what dK should be"),)
    assert report["dK"].notes == ("this is what dX should be",)
    assert report["dB"].notes == ()


# What students hand in


@pytest.mark.parametrize(
    ("actual", "message"),
    [
        (None, "expected real numbers but got None"),
        ("see above", "expected numbers but got 'see above'"),
        ("", "expected numbers but got none"),
        ([[1, 2], [3]], "expected rows of one length"),
        ("1 2\n3", "expected rows of one length but row 1 has 2 entries and row 2 1 entry"),
        (lambda: E, "expected real numbers but got function"),
        ({"dX": E}, "expected real numbers but got dict"),
        ([1j], "expected real numbers but got complex"),
        (np.array([1 + 2j]), "expected real numbers but got complex"),
        (["1 2"], "expected a number but got '1 2'"),
        (["one"], "expected numbers but got 'one'"),
        ([None, 1], "expected real numbers but got None"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), "expected real numbers but got date"),
        ("[0 1 ... 8 9]", "entries are left out"),
        ("[" * 10**5, "more than 32 brackets inside one another"),
    ],
)
def test_what_is_no_answer_fails_and_says_why(actual, message):
    check = only(E, actual)
    assert not check.passed
    assert check.message.startswith(message)
    assert check.expected.tolist() == E.tolist()
    report = check_values(E, actual)
    assert message.split()[0] in str(report)
    json.loads(report.to_json())
    report.to_junit()
    report.to_html()


# Refusals


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (({}, {}), ValueError, "expected at least one result but got an empty mapping"),
        (([1, NAN], [1, 2]), ValueError, "result holds NaN, which equals nothing"),
        (({"dX": [1, NAN]}, {}), ValueError, "dX holds NaN, which equals nothing"),
        ((None, [1, 2]), TypeError, "result: expected real numbers but got None"),
        (("hello", [1, 2]), ValueError, "result: expected numbers but got 'hello'"),
        (([[1], [1, 2]], [1, 2]), ValueError, "result: expected rows of one length"),
        ((1, 1, -1), ValueError, "tolerance must be at least 0 but is -1"),
        ((1, 1, NAN), ValueError, "tolerance must be at least 0 but is nan"),
    ],
)
def test_wrong_calls(arguments, error, message):
    with pytest.raises(error, match=f"^check_values: {message}"):
        check_values(*arguments)


def test_wrong_mistakes():
    with pytest.raises(TypeError, match=r"^check_values: mistake 'no array': expected real numbers but got None"):
        check_values(1, 2, mistakes={"no array": None})


# Reports


def test_names():
    report = check_values(E, E, name="dX", title="exercise 3")
    assert (report.title, report["dX"].name) == ("exercise 3", "dX")


def test_json():
    report = check_values([[Fraction(1, 3), 2]], "0.33 4")
    (check,) = json.loads(report.to_json())["checks"]
    assert check["relations"] == []
    assert check["actual"] == [[0.33, 4.0]]
    assert check["wrong"] == [[0, 1]]
    (check,) = json.loads(check_values(E, -E).to_json())["checks"]
    assert check["relations"] == [{"name": "sign", "explanation": "every entry has the wrong sign"}]
    assert check["expected"] == E.tolist()


def test_fractions_stay_fractions_in_the_report():
    text = str(check_values([Fraction(1, 3), Fraction(2, 3)], ["1/3", "1/2"]))
    assert "1/3 2/3     1/3 *1/2       0 *-1/6" in text
    text = str(check_values([Fraction(1, 3), Fraction(2, 3)], "0.33, 0.5"))
    assert "0.333333 0.666667   0.33 *0.5      -0.0033 *-0.166667" in text


@pytest.mark.parametrize("seed", range(20))
def test_lines_of_80_columns(seed):
    expected, actual = fractions((3, 6), seed), fractions((3, 6), seed + 100)
    for shown in (actual, str(actual.astype(float)), actual.astype(np.float32)):
        lines = str(
            check_values({"dL/dX of the first layer": expected}, {"dL/dX of the first layer": shown})
        ).splitlines()
        assert max(map(len, lines)) <= 80


def test_nothing_is_changed():
    x, y = tg.tensor(E, requires_grad=False), E.copy()
    check = only(x, y)
    check.actual[0, 0] = 100
    assert np.array_equal(y, E)
    assert np.array_equal(x.data, E)

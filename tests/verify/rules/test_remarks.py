"""What is said of a wrong rule that the catalogue does not explain; and that it is not said where it does not hold."""

import re

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.verify import check_rule

UNEXPLAINED = "No mistake in the catalogue explains it."


def conv(X, K, stride=1, padding=0):
    Xp = np.pad(X, padding)
    kh, kw = K.shape
    Z = np.zeros(((Xp.shape[0] - kh) // stride + 1, (Xp.shape[1] - kw) // stride + 1))
    for i in range(Z.shape[0]):
        for j in range(Z.shape[1]):
            Z[i, j] = np.sum(Xp[i * stride : i * stride + kh, j * stride : j * stride + kw] * K)
    return Z


def dX(dZ, X, K, stride, padding):
    D = np.zeros((X.shape[0] + 2 * padding, X.shape[1] + 2 * padding))
    kh, kw = K.shape
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            D[i * stride : i * stride + kh, j * stride : j * stride + kw] += dZ[i, j] * K
    return D[padding : padding + X.shape[0], padding : padding + X.shape[1]]


def cubed(X):
    return X * X * X


def dcubed(dZ, X):
    return 3 * X * X * dZ


def said(forward, rule, cases, operand="X", **options):
    """The remarks but the first sentence."""
    check = check_rule(forward, {operand: rule}, cases=cases, **options)[operand]
    assert not check.passed
    assert check.diagnosis is None, check.diagnosis.name
    assert len(check.remarks) <= 4
    if check.counterexample.actual is None:
        return list(check.remarks)
    assert check.remarks[0] == UNEXPLAINED
    return list(check.remarks[1:])


MATRICES = [{"X": (4, 5)}, {"X": (5, 4)}, {"X": (3, 6)}]
IMAGES = [{"X": (6, 7), "K": (2, 3), "stride": s, "padding": p} for s in (1, 2) for p in (0, 1)]
BATCH = [{"x": (n, 3, 4, 5), "weight": (2, 3, 2, 2)} for n in (1, 2, 3)]


def changed(array, index, by=1):
    array = np.array(array)
    array[index] = array[index] + by
    return array


def shifted(array, rows, columns):
    out = np.zeros_like(array)
    for i in range(array.shape[0]):
        for j in range(array.shape[1]):
            if 0 <= i - rows < array.shape[0] and 0 <= j - columns < array.shape[1]:
                out[i, j] = array[i - rows, j - columns]
    return out


def edge(array):
    array = np.array(array)
    array[0] = 7 * array[0]
    array[-1] = 7 * array[-1]
    array[:, 0] = 7 * array[:, 0]
    array[:, -1] = 7 * array[:, -1]
    return array


def absolute(array):
    return np.where(array < 0, -array, array)


ENTRIES = {
    "rotated": (lambda g: g[::-1, ::-1], "It is the right gradient rotated by 180 degrees."),
    "upside down": (lambda g: g[::-1], "It is the right gradient turned upside down."),
    "left to right": (lambda g: g[:, ::-1], "It is the right gradient flipped left to right."),
    "down": (lambda g: shifted(g, 1, 0), "It is the right gradient shifted by 1 row down."),
    "up, right": (
        lambda g: shifted(g, -1, 2),
        "It is the right gradient shifted by 1 row up and 2 columns to the right.",
    ),
    "rolled": (lambda g: np.roll(g, 1, axis=1), "It has the right numbers, but in other places."),
    "border": (edge, "It is right in the interior, and wrong only at the border."),
    "last row": (lambda g: changed(g, -1, 5), "It is wrong in the last row only."),
    "first column": (lambda g: changed(g, (slice(None), 0), 5), "It is wrong in the first column only."),
    "interior zero": (
        lambda g: np.concatenate([g[:1], 0 * g[1:-1], g[-1:]]),
        "Its wrong entries are all 0, as if nothing had been added there.",
    ),
    "offset": (lambda g: g + np.sum(g), "In each case every entry is off by the same amount."),
    "magnitudes": (absolute, "Its entries have the right size, but some have the wrong sign."),
    "sum": (
        lambda g: g * 0 + np.sum(g) / g.size,
        "Its entries have the right sum: a checker that compares sums or means would let it pass.",
    ),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_entries(name):
    wrong, sentence = ENTRIES[name]
    assert sentence in said(cubed, lambda dZ, X: wrong(dcubed(dZ, X)), MATRICES)


@pytest.mark.parametrize("name", ENTRIES)
def test_nothing_is_said_that_holds_in_some_cases_only(name):
    """One of the three shapes gets another mistake."""
    wrong, sentence = ENTRIES[name]

    def rule(dZ, X):
        right = dcubed(dZ, X)
        return changed(right, (1, 1), 1000) * 2 if X.shape == (3, 6) else wrong(right)

    assert sentence not in said(cubed, rule, MATRICES)


def test_constant_factor_is_a_diagnosis_and_a_factor_of_its_own_in_each_case_a_remark():
    check = check_rule(cubed, {"X": lambda dZ, X: 5 * dcubed(dZ, X)}, cases=MATRICES)["X"]
    assert check.diagnosis.name == "factor"
    assert said(cubed, lambda dZ, X: (X.shape[0] ** 2 + 1) * dcubed(dZ, X), MATRICES)[0] == (
        "It is right up to a factor, which is not the same in every case: 17, 26, 10."
    )


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (lambda X, K, s: s, "multiplied by the stride"),
        (lambda X, K, s: 1 / X.shape[1], "divided by the number of columns of X"),
        (lambda X, K, s: X.size, "multiplied by the number of X's entries"),
    ],
)
def test_factor_that_is_a_number_of_the_case(factor, words):
    cases = [{"X": x, "K": (2, 2), "stride": s} for x, s in (((4, 5), 2), ((6, 7), 3), ((5, 4), 2))]

    def rule(dZ, X, K, stride, padding):
        return dX(dZ, X, K, stride, padding) * factor(X, K, stride)

    assert said(conv, rule, cases)[0] == f"It is right up to a factor: every entry is {words}."


def only_where(holds):
    """The right rule where it holds, else one that is off at two entries."""

    def rule(dZ, X, K, stride, padding):
        right = dX(dZ, X, K, stride, padding)
        return right if holds(X, K, stride, padding) else changed(changed(right, (0, 0), 5), (1, 1), 7)

    return rule


GEOMETRIES = [
    {"X": x, "K": k, "stride": s, "padding": p}
    for x, k, s, p in (
        ((5, 5), (2, 2), 1, 0), ((4, 6), (2, 3), 1, 0), ((5, 5), (2, 2), 2, 0), ((7, 5), (3, 3), 2, 0),
        ((6, 6), (2, 2), 2, 1), ((5, 6), (1, 2), 1, 1), ((6, 5), (1, 2), 2, 0), ((5, 6), (3, 2), 3, 1),
    )
]  # fmt: skip


@pytest.mark.parametrize(
    ("holds", "words"),
    [
        (lambda X, K, s, p: s == 1, "for stride 1"),
        (lambda X, K, s, p: s == 2, "for stride 2"),
        (lambda X, K, s, p: p == 0, "without padding"),
        (lambda X, K, s, p: K.shape[0] == 1, "for a kernel of one row"),
        (lambda X, K, s, p: X.shape[0] == X.shape[1], "where X is square"),
        (lambda X, K, s, p: s >= max(K.shape), "where the windows do not overlap"),
        (
            lambda X, K, s, p: all((n + 2 * p - k) % s == 0 for n, k in zip(X.shape, K.shape, strict=True)),
            "where the windows leave no remainder",
        ),
    ],
)
def test_conditions(holds, words):
    assert f"It is right {words}, and wrong in every other case." in said(conv, only_where(holds), GEOMETRIES)


def test_two_conditions_that_each_suffice():
    found = said(conv, only_where(lambda X, K, s, p: s == 1 or p == 0), GEOMETRIES)
    assert "It is right without padding, and wrong in 4 of the 8 other cases." not in found
    assert any(sentence.startswith("It is right without padding, and wrong in ") for sentence in found)
    assert any(sentence.startswith("It is right for stride 1, and wrong in ") for sentence in found)
    assert not any("every other case" in sentence for sentence in found)


def dx_of_batch(dZ, x, weight):
    out = np.zeros(x.shape)
    for i in range(dZ.shape[2]):
        for j in range(dZ.shape[3]):
            for f in range(weight.shape[0]):
                upstream = dZ[:, f, i, j][:, None, None, None]
                out[:, :, i : i + weight.shape[2], j : j + weight.shape[3]] += upstream * weight[f]
    return out


def dweight_of_batch(dZ, x, weight):
    out = np.zeros(weight.shape)
    for f in range(weight.shape[0]):
        for i in range(dZ.shape[2]):
            for j in range(dZ.shape[3]):
                window = x[:, :, i : i + weight.shape[2], j : j + weight.shape[3]]
                out[f] += np.sum(window * dZ[:, f, i, j][:, None, None, None], axis=0)
    return out


def spoiled(array, index):
    """Other numbers there, without a pattern."""
    array = np.array(array)
    part = array[index]
    array[index] = part * part + 1
    return array


@pytest.mark.parametrize(
    ("operand", "rule", "sentence"),
    [
        ("x", lambda dZ, x, weight: spoiled(dx_of_batch(dZ, x, weight), np.s_[1:]),
         "It is right for a single image, and wrong in every other case."),
        ("x", lambda dZ, x, weight: spoiled(dx_of_batch(dZ, x, weight), np.s_[:, 1:]),
         "It is right for the first channel, and wrong for others."),
        ("x", lambda dZ, x, weight: spoiled(dx_of_batch(dZ, x, weight), np.s_[:, -1]),
         "It is wrong for the last channel only."),
        ("weight", lambda dZ, x, weight: spoiled(dweight_of_batch(dZ, x, weight), np.s_[1:]),
         "It is right for the first filter, and wrong for others."),
    ],
)  # fmt: skip
def test_one_image_channel_or_filter(operand, rule, sentence):
    assert sentence in said(tg.conv2d, rule, BATCH, operand)


def test_what_gives_no_array_of_numbers():
    def raises_sometimes(dZ, X):
        if X.shape[0] == 3:
            raise KeyError("missing")
        return changed(dcubed(dZ, X), (0, 0))

    found = said(cubed, raises_sometimes, MATRICES)
    line = r"In 2 of \d cases it raised KeyError: 'missing' \(line \d+: raise KeyError\(.missing.\)\)\."
    assert re.fullmatch(line, found[0])

    def halves(dZ, X):
        return dcubed(dZ, X)[:, : X.shape[1] // 2] if X.shape[0] > 3 else changed(dcubed(dZ, X), (0, 0))

    shape = r"Its shape is in \d of \d cases wrong: 4x2 where X is 4x5, for instance\."
    assert re.fullmatch(shape, said(cubed, halves, MATRICES)[0])

    for value in (np.nan, np.inf):

        def not_a_number(dZ, X, value=value):
            return changed(np.array(dcubed(dZ, X), dtype=float), (0, 0), value)

        found = said(cubed, not_a_number, MATRICES, arithmetic="float64")
        assert found == ["It holds NaN or infinity always: that comes of a division by zero, or of an overflow."]


def test_a_rule_that_raises_always_says_where_it_does_not():
    def rule(dZ, X, K, stride, padding):
        if stride != 1:
            raise NotImplementedError("strides")
        return dX(dZ, X, K, stride, padding)

    assert said(conv, rule, GEOMETRIES) == ["It is right for stride 1, and wrong in every other case."]


def test_random_numbers():
    rng = np.random.default_rng(0)
    (sentence,) = said(cubed, lambda dZ, X: dcubed(dZ, X) * rng.integers(2, 10**9), MATRICES)
    assert sentence.startswith("Called twice with the same arguments, it gives two results")


def test_an_array_of_integers():
    def halved(X):
        return X / 2

    def rule(dZ):
        out = np.zeros(dZ.shape, dtype=int)
        for index in np.ndindex(dZ.shape):
            out[index] = int(dZ[index] / 2)
        return out

    found = said(halved, rule, MATRICES)
    assert found[0] == "It is the right gradient with the decimals cut off: an array of integers can't hold them."

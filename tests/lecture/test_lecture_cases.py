"""Every worked number of the lectures, from the package's lectures.json, in exact arithmetic and in float32."""

import json
from fractions import Fraction
from math import prod
from operator import itemgetter
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_close, assert_equal

CASES = json.loads(
    (Path(tg.__file__).parent / "verify" / "lectures.json").read_text(encoding="utf-8"), parse_float=Fraction
)


def exact(numbers):
    """A matrix of fractions; a decimal of the lecture is the fraction that it shows, and "1/9" a ninth."""
    return np.array([[Fraction(number) for number in row] for row in numbers], dtype=object)


def image(numbers):
    """(H, W) as one image of one channel."""
    return exact(numbers)[None, None]


def correct(case):
    """What is right: what the decks print, unless the file corrects it."""
    return exact(case.get("correct", case["printed"]))


def in_both_arithmetics(function, *matrices):
    """The result in fractions, a matrix, after float32 gave the same but for rounding."""
    result = function(*map(image, matrices))[0, 0]
    floats = function(*(image(matrix).astype(np.float32) for matrix in matrices))[0, 0]
    assert floats.dtype == np.float32
    assert_close(floats, result, 1e-6)
    return result


def test_the_file_has_what_is_tested_here():
    assert {key: len(cases) for key, cases in CASES.items() if isinstance(cases, list | dict)} == {
        "decks": 5,
        "cross_correlation": 10,
        "true_convolution": 1,
        "padding": 2,
        "pooling": 2,
        "transposed": 3,
        "shapes": 4,
        "parameters": 2,
        "lenet_table": 8,
        "kernels": 15,
        "backward": 6,
    }


def correlated(case):
    return in_both_arithmetics(lambda x, k: tg.conv2d(x, k, stride=case["stride"]), case["image"], case["kernel"])


@pytest.mark.parametrize("case", CASES["cross_correlation"], ids=itemgetter("name"))
def test_cross_correlation(case):
    assert_equal(correlated(case), correct(case))


def test_the_printed_results_are_wrong_at_four_entries_and_no_other():
    wrong = [
        (case["name"], (i, j), printed, int(ours))
        for case in CASES["cross_correlation"]
        for i, row in enumerate(case["printed"])
        for j, (printed, ours) in enumerate(zip(row, correlated(case)[i], strict=True))
        if printed != ours
    ]
    assert wrong == [
        ("strided convolution", (0, 2), 83, 88),
        ("strided convolution", (1, 2), 127, 117),
        ("vertical edges, lecture 14", (0, 0), 21, 19),
        ("vertical edges, lecture 14", (0, 2), -21, -19),
    ]


@pytest.mark.parametrize("case", CASES["true_convolution"], ids=itemgetter("name"))
def test_true_convolution(case):
    assert_equal(in_both_arithmetics(tg.convolve2d, case["image"], case["kernel"]), correct(case))
    assert_equal(in_both_arithmetics(tg.conv2d, case["image"], case["mirrored"]), correct(case))
    assert_equal(tg.rot180(image(case["kernel"]))[0, 0], exact(case["mirrored"]))


def test_zero_padding():
    case = next(case for case in CASES["padding"] if case["mode"] == "zeros")
    x, width = exact(case["image"]), case["width"]
    padded = tg.pad(x, width)
    assert_equal(padded[width:-width, width:-width], x)
    border = [*padded[0], *padded[-1], *padded[:, 0], *padded[:, -1]]
    assert border == [0] * len(border)
    for f in (1, 3):  # a convolution's own padding is the same
        kernel = np.full((1, 1, f, f), Fraction(1))
        assert_equal(tg.conv2d(x[None, None], kernel, padding=width), tg.conv2d(padded[None, None], kernel))


def test_mirror_padding():
    """The edge pixel is repeated; the gradient of a pixel is the sum over its mirror images."""
    case = next(case for case in CASES["padding"] if case["mode"] == "symmetric")
    x = tg.tensor(exact(case["image"]), requires_grad=True)
    n, width = len(case["image"]), case["width"]
    padded = tg.pad(x, width, mode="symmetric")
    assert_equal(padded.numpy(), correct(case))
    padded.sum().backward()
    mirrored = [*reversed(range(width)), *range(n), *reversed(range(n - width, n))]
    times = np.array([mirrored.count(i) for i in range(n)])
    assert_equal(x.grad.numpy(), np.outer(times, times))
    kernel = np.full((1, 1, 3, 3), Fraction(1))
    mirrored_convolution = tg.conv2d(x.data[None, None], kernel, padding=width, padding_mode="symmetric")
    assert_equal(mirrored_convolution, tg.conv2d(padded.data[None, None], kernel))


@pytest.mark.parametrize("case", CASES["pooling"], ids=itemgetter("name"))
def test_pooling(case):
    window = case["window"], case["stride"]
    assert_equal(in_both_arithmetics(lambda x: tg.max_pool2d(x, *window), case["image"]), exact(case["max"]))
    if "average" in case:
        average = in_both_arithmetics(lambda x: tg.avg_pool2d(x, *window), case["image"])
        assert_equal(average, exact(case["average"]))


@pytest.mark.parametrize("case", CASES["transposed"], ids=itemgetter("name"))
def test_transposed_convolution(case):
    options = {"stride": case["stride"], "padding": case["padding"]}
    result = in_both_arithmetics(lambda x, k: tg.conv_transpose2d(x, k, **options), case["input"], case["kernel"])
    assert_equal(result, correct(case))


@pytest.mark.parametrize("case", CASES["shapes"], ids=str)
def test_output_size(case):
    kernel = np.ones((1, 1, case["f"], case["f"]))
    z = tg.conv2d(np.ones((1, 1, case["n"], case["n"])), kernel, padding=case["p"], stride=case["s"])
    assert z.shape[2:] == (case["out"], case["out"])


@pytest.mark.parametrize("case", CASES["parameters"], ids=str)
def test_number_of_parameters(case):
    weight, bias = layer(case["channels"], case["filters"], case["f"])
    assert weight.size + bias.size == case["count"]


# The two tables of a network like LeNet-5: deck 002's, and deck 001's, which shares parameters.


def layer(channels, filters, f):
    """Kernels and biases of a convolution, as conv2d takes them (checked by using them)."""
    weight, bias = np.zeros((filters, channels, f, f)), np.zeros(filters)
    assert tg.conv2d(np.zeros((1, channels, f, f)), weight, bias).shape == (1, filters, 1, 1)
    return weight, bias


def lenet(shared):
    """(layer, shape of one image's activation in H, W, C, parameters) for every layer."""
    rng = np.random.default_rng(1)

    def parameter(*shape):
        parameters.append(rng.standard_normal(shape).astype(np.float32))
        return parameters[-1]

    def convolve(x, filters):
        channels = x.shape[1]
        weight = parameter(filters, 1 if shared else channels, 5, 5)
        return tg.relu(tg.conv2d(x, tg.broadcast_to(weight, (filters, channels, 5, 5)), parameter(filters)))

    def connect(x, n):
        return tg.linear(x, parameter(n, x.shape[1]), tg.broadcast_to(parameter(1 if shared else n), (n,)))

    x = rng.standard_normal((2, 3, 32, 32)).astype(np.float32)
    rows = []
    for step in (
        lambda x: x,
        lambda x: convolve(x, 8),
        lambda x: tg.max_pool2d(x, 2),
        lambda x: convolve(x, 16),
        lambda x: tg.max_pool2d(x, 2),
        lambda x: tg.relu(connect(tg.reshape(x, (2, -1)), 120)),
        lambda x: tg.relu(connect(x, 84)),
        lambda x: tg.softmax(connect(x, 10)),
    ):
        parameters = []
        x = step(x)
        shape = [*x.shape[2:], x.shape[1]]
        rows.append((shape, prod(shape), sum(p.size for p in parameters)))
    assert_close(x.sum(axis=1), np.ones(2), 1e-6)
    return rows


@pytest.mark.parametrize(("column", "shared"), [("params", False), ("params_shared", True)])
def test_the_table_of_lenet(column, shared):
    table = [(row["shape"], row["size"], row[column]) for row in CASES["lenet_table"]]
    assert lenet(shared) == table


# The kernels that the decks show as pictures

KERNELS = {name: exact(kernel) for name, kernel in CASES["kernels"].items()}
PICTURE = exact(np.random.default_rng(3).integers(0, 256, (7, 6)).tolist())


def filtered(name, picture=PICTURE):
    return tg.conv2d(picture[None, None], KERNELS[name][None, None])[0, 0]


def inner(picture):
    return picture[1:-1, 1:-1]


def test_kernels_that_scale_each_pixel():
    assert_equal(filtered("identity"), inner(PICTURE))
    assert_equal(filtered("brighten"), inner(PICTURE) * Fraction(3, 2))
    assert_equal(filtered("darken"), inner(PICTURE) / 2)


def test_kernels_that_average():
    assert_equal(filtered("box_blur"), tg.avg_pool2d(PICTURE[None, None], 3, 1)[0, 0])
    assert KERNELS["blur"].sum() == Fraction("1.01")


@pytest.mark.parametrize(
    "name",
    ["vertical", "horizontal", "sobel_vertical", "sobel_horizontal", "scharr_vertical", "laplacian", "outline",
     "horizontal_edge_enhancement"],
)  # fmt: skip
def test_kernels_that_see_edges_alone(name):
    flat = np.full((5, 5), Fraction(200))
    assert not filtered(name, flat).any()
    edge = flat.copy()
    edge[:, 3:] = 0
    if "horizontal" in name:
        edge = edge.T
    assert filtered(name, edge).any()


def test_kernels_that_are_made_of_others():
    assert_equal(filtered("sharpen"), filtered("identity") + filtered("laplacian"))
    assert_equal(filtered("outline"), 9 * filtered("identity") - 9 * filtered("box_blur"))
    assert_equal(filtered("horizontal_edge_enhancement"), -filtered("sobel_horizontal"))
    assert_equal(filtered("sobel_vertical", PICTURE.T), filtered("sobel_horizontal").T)
    assert_equal(filtered("vertical", PICTURE.T), filtered("horizontal").T)


def test_emboss_brightens_towards_one_corner():
    """Its entries sum to 1, so a flat picture stays; turned by 180 degrees, its shadows are lights."""
    flat = np.full((5, 5), Fraction(200))
    assert_equal(filtered("emboss", flat), inner(flat))
    relief = filtered("emboss") - filtered("identity")
    turned = tg.convolve2d(PICTURE[None, None], KERNELS["emboss"][None, None])[0, 0] - filtered("identity")
    assert_equal(relief, -turned)

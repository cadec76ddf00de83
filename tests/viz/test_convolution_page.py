"""What Python writes into the convolution page: the arguments in all their forms, each number exactly, and refusals."""

import json
import re
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.viz.images.kernels import KERNELS
from tinygrad_cnn.viz.pages.convolution import convolution_page
from tinygrad_cnn.viz.pages.convolution.page import LIMITS

X = [[1, 2, 0], [0, 1, 3], [4, 0, 1]]
K = [[1, 0], [2, -1]]


def data(page):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page.html, re.DOTALL)
    return json.loads(text)


# The forms of arguments


@pytest.mark.parametrize(
    "x",
    [X, tuple(map(tuple, X)), np.array(X), np.array(X, np.float16), [X], [[X]], tg.tensor(X),
     tg.tensor([X], dtype=float, requires_grad=True)],
    ids=lambda x: type(x).__name__,
)  # fmt: skip
def test_an_image_in_any_form(x):
    assert data(convolution_page(x, K))["x"] == [[X]]


@pytest.mark.parametrize(
    ("operation", "weight", "expected"),
    [
        ("conv2d", K, [[K, K]]),
        ("conv2d", [K, X], ValueError),
        ("conv2d", [K, [[0, 0], [0, 1]]], [[K, [[0, 0], [0, 1]]]]),
        ("conv2d", [[K, K], [K, K], [K, K]], [[K, K], [K, K], [K, K]]),
        ("conv_transpose2d", K, [[K], [K]]),
        ("conv_transpose2d", [K, [[5]] * 2], ValueError),
        ("conv_transpose2d", [[K, K, K], [K, K, K]], [[K, K, K], [K, K, K]]),
    ],
)
def test_a_weight_in_any_form(operation, weight, expected):
    x = [X, X]
    if expected is ValueError:
        with pytest.raises(ValueError, match=r"^convolution_page: weight must be a regular nested sequence of numbers"):
            convolution_page(x, weight, operation=operation)
    else:
        assert data(convolution_page(x, weight, operation=operation))["weight"] == expected


@pytest.mark.parametrize(("bias", "expected"), [(None, None), (2, [2]), ([2], [2]), (np.float32(0.1), [0.1])])
def test_a_bias_in_any_form(bias, expected):
    assert data(convolution_page(X, K, bias))["bias"] == expected


@pytest.mark.parametrize(
    ("padding", "expected"),
    [(0, [[0, 0], [0, 0]]), ((1, 2), [[1, 1], [2, 2]]), (((1, 0), (2, 3)), [[1, 0], [2, 3]]), ("same", "same")],
)
def test_a_padding_in_any_form(padding, expected):
    assert data(convolution_page(X, K, padding=padding))["padding"] == expected


def test_the_stride_is_1_or_a_poolings_window():
    assert data(convolution_page(X, K))["stride"] == [1, 1]
    assert data(convolution_page(X, operation="max_pool2d", kernel_size=(1, 2)))["stride"] == [1, 2]
    assert data(convolution_page(X, operation="avg_pool2d", kernel_size=2, stride=1))["stride"] == [1, 1]


def test_a_gradient_is_ones_unless_it_is_given():
    assert data(convolution_page(X, K))["dz"] is None
    assert data(convolution_page(X, K, dz=K))["dz"] == [[K]]
    with pytest.raises(ValueError, match=r"dz must have the output's shape \(1, 1, 2, 2\) but has \(3, 3\)"):
        convolution_page(X, K, dz=X)


# Numbers


def test_numbers_are_exact():
    x = np.array([[Fraction(1, 3), Fraction(4, 2), 2**70, 0.1, True, -0.0, 1e300]], dtype=object)
    (((row,),),) = data(convolution_page(x, [[1]]))["x"]
    assert row == ["1/3", 2, str(2**70), 0.1, 1, 0, 1e300]


def test_a_number_of_low_precision_is_written_as_short_as_it_reads():
    assert data(convolution_page(np.array([[0.1]], np.float32), [[1]]))["x"] == [[[[0.1]]]]
    assert data(convolution_page(np.array([[0.1]], np.float16), [[1]]))["x"] == [[[[0.1]]]]


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_of_the_gallery_by_name(name):
    (((*rows,),),) = data(convolution_page(np.ones((5, 5)), name))["weight"]
    exact = [[Fraction(str(value)) for value in row] for row in rows]
    np.testing.assert_array_equal(np.array(exact, float), KERNELS[name].array)
    listed = {kernel["name"]: kernel for kernel in data(convolution_page(X, K))["kernels"]}
    assert [*listed] == [*KERNELS]
    assert listed[name]["weight"] == rows
    assert listed[name]["title"] == KERNELS[name].title


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["x", "weight", "bias", "dz"])
def test_only_finite_numbers(name, value):
    given = {"x": [[1.0, 2.0]], "weight": [[1.0, 2.0]], "bias": [1.0], "dz": [[1.0]]}
    bad = np.array(given[name])
    bad.flat[-1] = value
    with pytest.raises(ValueError, match=f"^convolution_page: {name} must hold finite numbers but has {value} at"):
        convolution_page(**{**given, name: bad})


@pytest.mark.parametrize("value", [1j, "a", None, object()])
def test_only_real_numbers(value):
    with pytest.raises(TypeError, match=r"^convolution_page: x must hold real numbers but has .* at \(0, 0\)"):
        convolution_page(np.array([[value]], dtype=object), [[1]])


# Refusals


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((X,), {}, "convolution_page: conv2d needs a weight"),
        ((X,), {"operation": "max_pool2d"}, "convolution_page: max_pool2d needs a kernel_size but got None"),
        ((X, K), {"operation": "conv3d"}, "convolution_page: operation must be one of conv2d, .* but is 'conv3d'"),
        ((X, K), {"operation": "conv_transpose2d", "padding_mode": "reflect"}, "padding_mode is for conv2d"),
        ((X, K), {"output_padding": 1}, "output_padding is for conv_transpose2d, not for conv2d, but is 1"),
        ((X, K), {"ties": "split"}, "ties is for max_pool2d"),
        ((X,), {"operation": "max_pool2d", "kernel_size": 2, "ties": "all"}, "ties must be 'first' or 'split'"),
        ((X, K), {"kernel_size": 2}, "kernel_size is for max_pool2d, avg_pool2d"),
        (([1, 2], K), {}, r"x must be \(H, W\), \(C, H, W\) or \(N, C, H, W\) but has shape \(2,\)"),
        (([[1], [2, 3]], K), {}, "x must be a regular nested sequence of numbers"),
        ((np.ones((33, 3)), K), {}, r"inputs of 1 x 1 to 32 x 32 pixels .* cut out a part, as x\[..., :32, :32\]"),
        ((np.ones((0, 3)), K), {}, "inputs of 1 x 1 to 32 x 32"),
        ((np.ones((9, 1, 2, 2)), K), {}, "expected 1 to 8 images but got 9"),
        ((np.ones((9, 2, 2)), K), {}, "expected 1 to 8 channels but got 9"),
        ((X, np.ones((9, 1, 1, 1))), {}, "expected 1 to 8 filters but got 9"),
        ((np.ones((20, 20)), np.ones((12, 1))), {}, "kernels of up to 11 entries a side"),
        ((np.ones((30, 30)), np.ones((2, 2))), {"dilation": 24}, "reach over up to 24 pixels"),
        ((X, "no such"), {}, "image_kernel: expected one of"),
        # What the operation itself refuses comes in its own words.
        ((X, np.ones((4, 4))), {}, "conv2d: the window reaches over"),
        ((X, np.ones((1, 2, 2, 2))), {}, "conv2d: weight expects 2 input channels"),
        ((X, K, [1, 2]), {}, "conv2d: bias must have shape"),
        ((X, K), {"stride": 0}, "conv2d: stride must be at least 1 but is 0"),
        ((X, K), {"padding": "most"}, "conv2d: padding must be an integer"),
        ((X, K), {"padding_mode": "wrap"}, "conv2d: padding_mode must be one of .* which is 'circular' here"),
    ],
)  # fmt: skip
def test_refusals(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        convolution_page(*arguments, **options)


def test_nothing_is_written_after_a_refusal(tmp_path):
    with pytest.raises(ValueError, match="dz"):
        convolution_page(X, K, dz=[[1]], path=tmp_path / "page.html")
    assert not [*tmp_path.iterdir()]


# The document


def test_it_is_written_where_it_is_asked_to_be(tmp_path):
    page = convolution_page(X, K, path=tmp_path / "page.html", title="A window")
    assert page.path == tmp_path / "page.html"
    assert page.path.read_text(encoding="utf-8") == page.html
    assert "<title>A window</title>" in page.html
    assert convolution_page(X, K).path is None


def test_a_title_is_escaped():
    html = convolution_page(X, K, title="</title><script>alert(1)</script>").html
    assert "<script>alert" not in html


def test_a_page_is_small_and_refers_to_nothing():
    """At the limits of what it takes, with numbers of full length, it stays below a megabyte."""
    x = np.random.default_rng(0).standard_normal((LIMITS["planes"], 1, 32, 32))
    html = convolution_page(x, "sobel", padding="same").html
    assert len(html) < 1_000_000
    assert len(convolution_page(X, K).html) < 150_000
    assert not re.search(r"""(src|href)=["'](?!data:)|@import|url\((?!data:)|fetch\(|XMLHttpRequest""", html)


def test_the_same_arguments_make_the_same_page():
    assert convolution_page(X, K, padding=1).html == convolution_page(np.array(X), np.array(K), padding=(1, 1)).html

"""The gallery of image kernels: equal to the lectures', and each does what its sentence says."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.viz.images.kernels import KERNELS, ImageKernel, image_kernel

LECTURE = json.loads((Path(tg.__file__).parent / "verify" / "lectures.json").read_text(encoding="utf-8"))["kernels"]
# Our name for each of theirs; "vertical" is found as the first words of ours.
NAMES = {"sobel_vertical": "sobel_x", "sobel_horizontal": "sobel_y", "scharr_vertical": "scharr_x"}


@pytest.mark.parametrize("theirs", [name for name in LECTURE if name != "horizontal_edge_enhancement"])
def test_the_lectures_kernels(theirs):
    printed = np.array([[float(Fraction(value)) for value in row] for row in LECTURE[theirs]])
    ours = image_kernel(NAMES.get(theirs, theirs)).array
    # The blur is printed with two decimals: 0.06, 0.13 and 0.25 are 1/16, 2/16 and 4/16.
    np.testing.assert_allclose(ours, printed, rtol=0, atol=0.00501 if theirs == "blur" else 1e-15)


def test_the_edge_enhancement_of_the_lecture_is_sobel_y_with_its_sign_changed():
    assert LECTURE["horizontal_edge_enhancement"] == (-KERNELS["sobel_y"].array).tolist()


def test_what_an_even_area_is_multiplied_by():
    one = {"identity", "blur", "box_blur", "gaussian_blur", "sharpen", "emboss"}
    gains = {name: kernel.array.sum() for name, kernel in KERNELS.items()}
    expected = {name: 1.0 if name in one else {"brighten": 1.5, "darken": 0.5}.get(name, 0.0) for name in KERNELS}
    assert gains == pytest.approx(expected, abs=1e-12)


def test_kernels_made_of_others():
    arrays = {name: kernel.array for name, kernel in KERNELS.items()}
    assert np.array_equal(arrays["sharpen"], arrays["identity"] + arrays["laplacian"])
    binomial, smooth = np.array([1, 4, 6, 4, 1]) / 16, np.array([1, 2, 1]) / 4
    assert np.array_equal(arrays["gaussian_blur"], np.outer(binomial, binomial))
    assert np.array_equal(arrays["blur"], np.outer(smooth, smooth))
    assert np.array_equal(arrays["sobel_x"], np.outer([1, 2, 1], [1, 0, -1]))
    assert np.array_equal(arrays["scharr_x"], np.outer([3, 10, 3], [1, 0, -1]))
    for name in ("sobel", "scharr"):
        assert np.array_equal(arrays[f"{name}_x"], arrays[f"{name}_y"].T)
    assert np.array_equal(arrays["vertical_edges"], arrays["horizontal_edges"].T)
    assert np.array_equal(arrays["edges_135"], np.fliplr(arrays["edges_45"]))
    assert np.array_equal(arrays["outline"], 9 * (arrays["identity"] - arrays["box_blur"]))


@pytest.mark.parametrize(
    ("name", "brighter"),
    [
        ("vertical_edges", lambda i, j: j < 3),
        ("sobel_x", lambda i, j: j < 3),
        ("scharr_x", lambda i, j: j < 3),
        ("horizontal_edges", lambda i, j: i < 3),
        ("sobel_y", lambda i, j: i < 3),
        ("scharr_y", lambda i, j: i < 3),
        ("edges_45", lambda i, j: i + j < 6),
        ("edges_135", lambda i, j: i < j),
    ],
)
def test_an_edge_kernel_answers_its_own_edge_most(name, brighter):
    """Its answer, by loops over a 7x7 picture that is 10 on one side; the edges across it leave it at 0."""
    kernel = KERNELS[name].weight

    def answers(side):
        picture = [[10 if side(i, j) else 0 for j in range(7)] for i in range(7)]
        return [
            sum(kernel[u][v] * picture[i + u][j + v] for u in range(3) for v in range(3))
            for i in range(5)
            for j in range(5)
        ]

    own = answers(brighter)
    assert max(own) == 10 * sum(value for row in kernel for value in row if value > 0)
    assert min(own) == 0
    across = answers(lambda i, j: brighter(i, 6 - j) if "edges_" in name else brighter(j, i))
    assert max(map(abs, across)) < max(own) if "edges_" in name else set(across) == {0}


def test_every_kernel_says_what_it_is():
    for name, kernel in KERNELS.items():
        assert name == kernel.name
        assert name.isidentifier()
        assert kernel.explanation.endswith(".")
        assert kernel.shape[0] % 2 == kernel.shape[1] % 2 == 1
    assert len({kernel.title for kernel in KERNELS.values()}) == len(KERNELS)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("sobel_y", "sobel_y"),
        ("Sobel-Y", "sobel_y"),
        (" scharr ", "scharr_x"),
        ("vertical", "vertical_edges"),
        ("edges at 135°", "edges_135"),
        ("BLUR", "blur"),
        ("edges", "edges_45"),
    ],
)
def test_names(name, found):
    assert image_kernel(name) is KERNELS[found]


@pytest.mark.parametrize("name", ["", "sobe", "s", "_", "x"])
def test_a_name_that_is_none(name):
    with pytest.raises(ValueError, match=r"^image_kernel: expected one of identity, blur, .* but got "):
        image_kernel(name)


def test_a_slip_is_answered_with_the_name():
    with pytest.raises(ValueError, match=r"did you mean 'laplacian'"):
        image_kernel("laplacean")
    with pytest.raises(TypeError, match=r"^image_kernel: expected a name"):
        image_kernel(3)


@pytest.mark.parametrize(
    ("weight", "divisor", "text"),
    [
        ((), 1, "rows of one length"),
        (((),), 1, "rows of one length"),
        (((1, 2), (3,)), 1, r"\[2, 1\]"),
        (((float("nan"),),), 1, "finite"),
        (((1,),), 0, "divisor"),
        (((1,),), float("inf"), "divisor"),
    ],
)
def test_a_kernel_that_is_none(weight, divisor, text):
    with pytest.raises(ValueError, match=f"^ImageKernel: expected .*{text}"):
        ImageKernel("bad", "Bad", weight, "None.", divisor)

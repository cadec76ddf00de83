"""The numbers behind the pictures: filters, feature maps, kernels, padding, overlap, heat maps, classes."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import tinygrad_cnn as tg
from tests.viz.figures.readable import assert_readable, picture
from tinygrad_cnn import nn
from tinygrad_cnn.viz import figures
from tinygrad_cnn.viz.analysis.attribution import class_activation_map, saliency_map, unit_field
from tinygrad_cnn.viz.images.kernels import KERNELS
from tinygrad_cnn.viz.images.photographs import apply_kernel, grey

RNG = np.random.default_rng(6)
PICTURE = RNG.random((14, 12, 3))
IMAGE = RNG.random((10, 9))


def model():
    tg.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 10, 3), nn.ReLU(), nn.Conv2d(10, 4, 3), nn.ReLU(), nn.GlobalAvgPool(), nn.Linear(4, 3)
    )


def centred(axes, i=0):
    low, high = axes.images[i].get_clim()
    return low == -high < 0


def test_a_network_that_diverged_can_be_looked_at():
    diverged = model()
    broken = diverged[0].weight.numpy().copy()
    broken[3] = np.nan
    diverged[0].weight.data = broken
    for figure in (
        figures.filters(diverged[0].weight),
        figures.filters(np.full((2, 3, 3, 3), np.nan)),
        figures.filters(np.array([[[[np.inf, 1.0, -2.0]]]])),
        figures.feature_maps(diverged, IMAGE),
        figures.histograms(diverged),
        figures.saliency(diverged, IMAGE),
        figures.class_activation(diverged, IMAGE),
    ):
        figure.canvas.draw()
    assert figures.filters(np.array([[[[np.inf, 1.0, -2.0]]]])).axes[0].images[0].get_clim() == (-2, 2)


@pytest.mark.parametrize(
    "name", ["$\\frac$", "$x$ and $y$", "\ud800", "two\nlines", "long " * 2000, "_^{}%\\"], ids=range(6)
)
def test_classes_of_any_name(name):
    figure = figures.confusion_matrix([0, 1], [1, 1], classes=[name, "other"])
    figure.canvas.draw()
    assert_readable(figure)


# Weights


@pytest.mark.parametrize("shape", [(10, 1, 3, 3), (3, 4, 2, 5), (1, 1, 1, 1), (9, 1, 11, 11), (30, 30, 3, 3)])
def test_every_plane_is_in_the_mosaic(shape):
    weight = RNG.standard_normal(shape)
    figure = figures.filters(tg.tensor(weight))
    mosaic = np.ma.filled(picture(figure.axes[0]), np.nan)
    assert np.isfinite(mosaic).sum() == weight.size
    kh, kw = shape[2:]
    rows, columns = (-(-shape[0] // 8), min(8, shape[0])) if shape[1] == 1 else shape[:2]
    filled = np.isfinite(mosaic)
    tops = [i for i in range(len(mosaic)) if filled[i].any() and not filled[i - 1].any()]
    lefts = [j for j in range(mosaic.shape[1]) if filled[:, j].any() and not filled[:, j - 1].any()]
    assert (len(tops), len(lefts)) == (rows, columns)
    for f in range(shape[0]):
        for c in range(shape[1]):
            row, column = divmod(f, 8) if shape[1] == 1 else (f, c)
            tile = mosaic[tops[row] : tops[row] + kh, lefts[column] : lefts[column] + kw]
            np.testing.assert_array_equal(tile, weight[f, c])
    assert centred(figure.axes[0])
    assert_readable(figure)


def test_filters_of_zeros_have_a_scale():
    assert figures.filters(np.zeros((1, 1, 2, 2))).axes[0].images[0].get_clim() == (-1, 1)


def test_histograms_count_every_weight():
    layer = nn.Linear(40, 30)
    layer(tg.tensor(np.ones((1, 40)))).sum().backward()
    layer.bias.grad = None
    weight, gradient, bias, none = figures.histograms(layer, bins=13).axes
    assert sum(bar.get_height() for bar in weight.patches) == 1200
    assert len(weight.patches) == 13
    assert sum(bar.get_height() for bar in gradient.patches) == 1200
    assert sum(bar.get_height() for bar in bias.patches) == 30
    assert [text.get_text() for text in none.texts] == ["not computed"]
    assert gradient.get_title(loc="right") == "mean 1   std 0"


def test_histograms_tell_zeros_and_what_is_not_finite():
    layer = nn.Linear(4, 1, bias=False)
    layer.weight.grad = tg.tensor(np.array([[0.0, 0.0, np.nan, 2.0]], np.float32))
    (_, gradient) = figures.histograms(layer).axes
    assert gradient.get_title(loc="right") == "mean 0.667   std 0.943   2 of 4 are 0   1 of 4 are not finite"
    layer.weight.grad = tg.tensor(np.full((1, 4), np.nan, np.float32))
    assert figures.histograms(layer).axes[1].get_title(loc="right") == "4 of 4 are not finite"


def test_histograms_of_many_parameters_say_what_they_show():
    many = nn.Sequential(*(nn.Linear(1, 1) for _ in range(10)))
    assert figures.histograms(many, limit=3).get_suptitle().endswith(": 3 of 20 parameters")
    names = ["9.bias", "0.weight"]
    titles = [axes.get_title(loc="left") for axes in figures.histograms(many, names).axes[::2]]
    assert titles == ["9.bias (1,)", "0.weight (1, 1)"]


# Maps


def test_feature_maps_are_the_layers_outputs():
    network = model()
    figure = figures.feature_maps(network, IMAGE, columns=6)
    panels = [axes for axes in figure.axes if axes.images and axes.get_label() != "<colorbar>"]
    x = tg.tensor(IMAGE[None, None].astype(np.float32))
    first = network[0](x).numpy()[0]
    np.testing.assert_array_equal(picture(panels[0]), IMAGE)
    for k in range(6):
        np.testing.assert_array_equal(picture(panels[1 + k]), first[k])
        np.testing.assert_array_equal(picture(panels[7 + k]), np.maximum(first[k], 0))
    assert centred(panels[1])
    assert {axes.images[0].get_clim() for axes in panels[1:7]} == {panels[1].images[0].get_clim()}
    assert panels[7].images[0].get_clim() == (0, pytest.approx(first.max()))
    np.testing.assert_array_equal(picture(panels[-1]), network(x).numpy())
    assert "0\n6 of 10×8×7" in [text.get_text() for text in figure.texts]
    assert_readable(figure)


def test_a_deep_model_shows_its_first_layers_and_says_so():
    deep = nn.Sequential(*(nn.ReLU() for _ in range(9)))
    assert figures.feature_maps(deep, IMAGE, limit=4).get_suptitle().endswith(": the first 4 of 9 layers")
    assert len(figures.feature_maps(deep, IMAGE, [f"{i}" for i in range(9)], limit=4).texts) == 11


@pytest.mark.parametrize("shape", [(9, 9), (1, 9, 9), (3, 9, 9), (1, 3, 9, 9), (5, 9, 9)])
def test_images_with_any_number_of_channels(shape):
    figure = figures.feature_maps(nn.ReLU(), RNG.standard_normal(shape))
    shown = picture(figure.axes[0])
    assert shown.shape == ((9, 9, 3) if 3 in shape else (9, 9))
    if 5 not in shape:
        assert (shown.min(), shown.max()) == (0, 1)
    assert_readable(figure)


# Kernels, borders, overlap


def test_the_gallery_shows_what_the_kernels_make():
    figure = figures.kernel_gallery(PICTURE, columns=4, padding_mode="zeros")
    assert [axes.get_title() for axes in figure.axes] == ["The picture", *(k.title for k in KERNELS.values())]
    panels = dict(zip(KERNELS, figure.axes[1:], strict=True))
    np.testing.assert_allclose(picture(panels["blur"]), apply_kernel(PICTURE, "blur", "zeros"))
    np.testing.assert_allclose(picture(panels["brighten"]), np.minimum(1.5 * PICTURE, 1))
    np.testing.assert_allclose(picture(panels["sobel_x"]), apply_kernel(grey(PICTURE), "sobel_x", "zeros"))
    for name, axes in panels.items():
        assert centred(axes) == (abs(KERNELS[name].array.sum()) < 1e-12)
    assert panels["box_blur"].get_xlabel() == "1 1 1    \n1 1 1 / 9\n1 1 1    "
    assert_readable(figure)


def test_one_kernel_turned():
    figure = figures.filtered(PICTURE, "emboss", flip=True)
    _, kernel, result = figure.axes[:3]
    assert [text.get_text() for text in kernel.texts] == ["2", "1", "0", "1", "1", "-1", "0", "-1", "-2"]
    np.testing.assert_allclose(picture(result), np.clip(apply_kernel(PICTURE, "emboss", flip=True), 0, 1))
    assert kernel.get_title() == "Emboss, turned"
    assert figures.filtered(PICTURE, "blur").axes[1].get_xlabel() == "divided by 16"


def test_a_kernel_of_ones_own_and_an_even_picture():
    result = figures.filtered(np.ones((5, 5)), [[1.0, -1.0]]).axes[2]
    assert not picture(result).any()
    assert centred(result)


def test_border_usage():
    figure = figures.border_usage((5, 6), (3, 2), dilation=2)
    valid, same, full = figure.axes[:3]
    assert valid.get_title() == "valid: 1×4 windows"
    assert picture(valid).tolist() == [[1, 1, 2, 2, 1, 1], [0] * 6, [1, 1, 2, 2, 1, 1], [0] * 6, [1, 1, 2, 2, 1, 1]]
    assert set(picture(full).ravel().tolist()) == {6}
    assert {axes.images[0].get_clim() for axes in (valid, same, full)} == {(0, 6)}
    assert "dilation 2×2" in figure.get_suptitle()


def test_padding_modes():
    figure = figures.padding_modes(PICTURE, 5)
    grid = np.array(figure.axes).reshape(3, 5)
    numpy_modes = {"zeros": "constant", "replicate": "edge", "circular": "wrap"}
    for axes in grid[0]:
        mode = axes.get_title()
        expected = np.pad(PICTURE, ((2, 2), (2, 2), (0, 0)), mode=numpy_modes.get(mode, mode))
        np.testing.assert_array_equal(picture(axes), expected)
        blurred = grid[1, list(grid[0]).index(axes)]
        windows = np.lib.stride_tricks.sliding_window_view(expected, (5, 5), axis=(0, 1))
        np.testing.assert_allclose(picture(blurred), windows.mean(axis=(3, 4)), atol=1e-12)
    assert grid[2, 0].get_xlabel() == "0.36 in the corner,\n0.6 at the edge"  # 9 of 25, and 15 of 25
    assert {axes.get_xlabel() for axes in grid[2, 1:]} == {"1 in the corner,\n1 at the edge"}


def test_overlap():
    figure = figures.overlap([(3, 2), (2, 3)], (2, 2))
    left, right = figure.axes[:2]
    line = np.array([1, 1, 2, 1, 1])
    assert picture(left).tolist() == np.outer(line, line).tolist()
    assert right.get_title() == "kernel 2, stride 3\nuneven: 0 or 1"
    gap = np.array([1, 1, 0, 1, 1])
    assert picture(right).tolist() == np.outer(gap, gap).tolist()


# Heat maps


def test_saliency_maps():
    network = model()
    figure = figures.saliency(network, IMAGE, samples=3, classes=["a", "b", "c"])
    best = int(network(tg.tensor(IMAGE[None, None].astype(np.float32))).numpy().argmax())
    panels = [axes for axes in figure.axes if axes.get_title()]
    for axes, method in zip(panels[1:], ("gradient", "smoothgrad", "input_x_gradient"), strict=True):
        np.testing.assert_array_equal(picture(axes), saliency_map(network, IMAGE, best, method, samples=3))
        assert centred(axes) == (method == "input_x_gradient")
    assert figure.get_suptitle() == f"What the score of class {'abc'[best]} hangs on"


def test_class_activation_covers_the_image():
    figure = figures.class_activation(model(), IMAGE, 1, method="cam")
    _, plain, overlay = figure.axes[:3]
    values = class_activation_map(model(), IMAGE, 1, method="cam").values
    for axes in (plain, overlay):
        np.testing.assert_array_equal(picture(axes, -1), values)
        assert axes.images[-1].get_extent() == [-0.5, 8.5, 9.5, -0.5]
    assert centred(plain) == bool(values.min() < 0)


def test_the_frame_of_a_receptive_field():
    convolutions = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1))
    figure = figures.receptive_field(convolutions, IMAGE, unit=(0, 8), channel=1)
    left, right = figure.axes[:2]
    for axes in (left, right):
        for frame in axes.patches:
            assert frame.get_bbox().bounds == (5.5, -0.5, 3, 3)
    field = unit_field(convolutions, IMAGE, unit=(0, 8), channel=1)
    np.testing.assert_array_equal(picture(right), np.abs(field.gradient[0]))
    assert left.get_title() == "Receptive field 5×5: 9 pixels"


def test_a_unit_without_a_field():
    class Constant(nn.Module):
        def __init__(self):
            self.values = nn.Parameter(np.ones((1, 1, 2, 2)))

        def forward(self, x):
            return self.values + 0

    figure = figures.receptive_field(Constant(), IMAGE)
    assert not figure.axes[0].patches
    assert not picture(figure.axes[1]).any()


# Classes


def test_the_confusion_matrix_in_counts_and_in_shares():
    labels, predictions = [0, 0, 0, 1, 3], [0, 0, 1, 1, 1]
    names = ["ant", "bee", "cat", "dog"]
    axes = figures.confusion_matrix(labels, predictions, classes=names).axes[0]
    assert [text.get_text() for text in axes.texts] == ["2", "1", "1", "1"]
    shares = np.ma.filled(picture(axes), np.nan)
    np.testing.assert_allclose(shares[0], [200 / 3, 100 / 3, 0, 0])
    assert np.isnan(shares[2]).all()
    assert axes.get_xlabel() == "predicted\nnever predicted: cat, dog\nno examples: cat"
    assert axes.images[0].get_clim() == (0, 100)
    axes = figures.confusion_matrix(labels, predictions, normalize=True).axes[0]
    assert [text.get_text() for text in axes.texts] == ["66.7", "33.3", "100.0", "100.0"]


@pytest.mark.parametrize("count", [1, 2, 10, 45, 100])
@pytest.mark.parametrize("length", [1, 12])
def test_confusion_matrices_of_all_sizes_can_be_read(count, length):
    labels = np.arange(count).repeat(2)
    names = [f"{'class'[: length - 3]}{i:03}"[-length:] for i in range(count)]
    assert_readable(figures.confusion_matrix(labels, np.roll(labels, 1), classes=names))


def test_misclassified_images():
    images = RNG.random((5, 1, 4, 4))
    logits = np.log([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.9, 0.05, 0.05], [0.2, 0.2, 0.6], [0.001, 0.001, 0.998]])
    figure = figures.misclassified(images, [0, 0, 0, 1, 1], logits, classes=["ox", "pig", "rat"], limit=2)
    assert [axes.get_title() for axes in figure.axes] == [
        "taken for rat, >99 %\nis pig, <1 %",
        "taken for rat, 70 %\nis ox, 10 %",
    ]
    np.testing.assert_array_equal(picture(figure.axes[0]), images[4, 0])
    assert figure.get_suptitle() == "3 of 5 images misclassified, the surest 2"


def test_no_image_misclassified():
    figure = figures.misclassified(np.ones((2, 3, 3)), [0, 1], np.eye(2))
    assert not figure.axes
    assert figure.get_suptitle() == "None of 2 images misclassified"


# Refusals


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: figures.filters(np.ones((3, 3))), ValueError, r"^filters: .*\(3, 3\)"),
        (lambda: figures.filters(np.ones((0, 1, 3, 3))), ValueError, "^filters: "),
        (lambda: figures.filters(np.ones((1, 1, 1, 1)), columns=0), ValueError, "^filters: columns"),
        (lambda: figures.filters([[[["a"]]]]), TypeError, "^filters: "),
        (lambda: figures.histograms(3), TypeError, "^histograms: expected a Module"),
        (lambda: figures.histograms(nn.ReLU()), ValueError, "^histograms: .*ReLU has none"),
        (lambda: figures.histograms(nn.Linear(1, 1), ["w"]), ValueError, "^histograms: .*weight, bias but got 'w'"),
        (lambda: figures.histograms(nn.Linear(1, 1), bins=0), ValueError, "^histograms: bins"),
        (lambda: figures.feature_maps(nn.ReLU(), IMAGE, columns=0), ValueError, "^feature_maps: columns"),
        (lambda: figures.feature_maps(nn.ReLU(), IMAGE, []), ValueError, "^feature_maps: expected layers"),
        (lambda: figures.kernel_gallery(PICTURE, []), ValueError, "^kernel_gallery: "),
        (lambda: figures.kernel_gallery(PICTURE, ["sobbel"]), ValueError, "^image_kernel: .*did you mean"),
        (lambda: figures.filtered(PICTURE, [1.0]), ValueError, "^filtered: "),
        (lambda: figures.padding_modes(PICTURE, 4), ValueError, "^padding_modes: .*odd integer but is 4"),
        (lambda: figures.padding_modes(PICTURE, 25), ValueError, "^padding_modes: .*from 3 to 23 .* but is 25"),
        (lambda: figures.padding_modes(PICTURE, 1), ValueError, "^padding_modes: "),
        (lambda: figures.overlap([]), ValueError, "^overlap: "),
        (lambda: figures.overlap([3]), ValueError, "^overlap: "),
        (lambda: figures.overlap([(3, 0)]), ValueError, "stride"),
        (lambda: figures.saliency(model(), IMAGE, methods="gradient"), ValueError, "^saliency: expected a list"),
        (lambda: figures.saliency(model(), IMAGE, 2, classes=["a"]), ValueError, "^saliency: .*class 2 .* 1 names"),
        (lambda: figures.confusion_matrix([0, 2], [0, 1], classes=["a"]), ValueError, "^confusion_counts: "),
        (lambda: figures.misclassified(np.ones((1, 2)), [0], [[1.0]]), ValueError, "^misclassified: "),
        (lambda: figures.misclassified(np.ones((2, 2, 2)), [0], [[1.0]]), ValueError, "^misclassified: .*2 images"),
        (lambda: figures.misclassified(np.ones((1, 2, 2)), [0], [[1.0]], limit=0), ValueError, "^misclassified: limit"),
        (
            lambda: figures.misclassified(np.ones((1, 2, 2)), [0], [[1.0, 2.0]], classes=["a"]),
            ValueError,
            "^misclassified: expected the names of 2 classes but got 1",
        ),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()

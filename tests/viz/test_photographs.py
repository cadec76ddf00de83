"""Pictures read as brightnesses, and kernels run over them."""

import builtins

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.oracles import indices
from tinygrad_cnn.viz.images.kernels import KERNELS, ImageKernel
from tinygrad_cnn.viz.images.photographs import apply_kernel, grey, photograph

RNG = np.random.default_rng(8)


def without(monkeypatch, package):
    real = builtins.__import__

    def fails(name, *arguments, **options):
        if name.split(".")[0] == package:
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", fails)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[0, 255]], np.uint8), [[0.0, 1.0]]),
        (np.array([[0, 65535]], np.uint16), [[0.0, 1.0]]),
        (np.array([[False, True]]), [[0.0, 1.0]]),
        (np.array([[-1.5, 2.0]], np.float32), [[-1.5, 2.0]]),
        (np.full((1, 2, 1), 0.5), [[0.5, 0.5]]),
        (np.full((1, 1, 2), 0.5), [[0.5, 0.5]]),
        # Opacity on white: a quarter of black is three quarters of white.
        (np.array([[[0.0, 0.0, 1.0, 0.25]]]), [[[0.75, 0.75, 1.0]]]),
    ],
)
def test_arrays(array, expected):
    assert photograph(array).dtype == np.float64
    assert photograph(array).tolist() == expected
    assert photograph(tg.tensor(array)).tolist() == expected


def test_channels_first_and_last_are_the_same_picture():
    picture = RNG.random((5, 6, 3))
    assert np.array_equal(photograph(picture.transpose(2, 0, 1)), picture)
    ambiguous = RNG.random((3, 7, 3))
    assert np.array_equal(photograph(ambiguous), ambiguous)


def test_the_array_stays_as_it_is():
    array = RNG.random((2, 2))
    photograph(array)[:] = 7
    assert array.max() < 1


@pytest.mark.parametrize(
    ("array", "error", "text"),
    [
        (np.zeros((2, 2), np.int64), TypeError, "int64"),
        (np.array([["a"]]), TypeError, "<U1"),
        (np.zeros(3), ValueError, r"\(3,\)"),
        (np.zeros((5, 4, 2)), ValueError, r"\(5, 4, 2\)"),
        (np.zeros((1, 3, 4, 4)), ValueError, r"\(1, 3, 4, 4\)"),
        (np.zeros((0, 4)), ValueError, r"\(0, 4\)"),
        (np.array([[np.nan]]), ValueError, "NaN"),
    ],
)
def test_what_is_no_picture(array, error, text):
    with pytest.raises(error, match=f"^photograph: .*{text}"):
        photograph(array)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA", "LA", "1", "CMYK", "I;16"])
def test_files_of_every_kind(mode, tmp_path):
    image = pytest.importorskip("PIL.Image")
    black, white = image.new("RGB", (4, 6)), image.new("RGB", (2, 6), "white")
    black.paste(white, (2, 0))
    picture = black.convert("L").convert(mode) if mode != "I;16" else image.fromarray(
        np.asarray(black.convert("L")).astype(np.uint16) * 257
    )
    file = tmp_path / ("picture.tiff" if mode in ("CMYK", "I;16") else "picture.png")
    picture.save(file)
    pixels = photograph(file)
    assert pixels.shape[:2] == (6, 4)
    assert np.allclose(grey(str(file)), np.repeat([[0.0, 0.0, 1.0, 1.0]], 6, axis=0))


def test_a_camera_held_upright(tmp_path):
    image = pytest.importorskip("PIL.Image")
    picture = image.fromarray(np.array([[0, 255]], np.uint8))
    exif = picture.getexif()
    exif[0x0112] = 6  # the first row is on the right
    picture.save(tmp_path / "turned.png", exif=exif)
    assert photograph(tmp_path / "turned.png").tolist() == [[0.0], [1.0]]


def test_files_that_are_none(tmp_path):
    pytest.importorskip("PIL")
    with pytest.raises(FileNotFoundError):
        photograph(tmp_path / "missing.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"^photograph: .*text\.png"):
        photograph(tmp_path / "text.png")


def test_the_portrait_that_comes_with_matplotlib():
    pytest.importorskip("matplotlib")
    pytest.importorskip("PIL")
    pixels = photograph()
    assert pixels.shape == (600, 512, 3)
    assert pixels.min() >= 0
    assert pixels.max() <= 1
    assert pixels.std() > 0.2


@pytest.mark.parametrize(("package", "source"), [("PIL", "picture.png"), ("matplotlib", None)])
def test_packages_that_are_missing(package, source, monkeypatch):
    without(monkeypatch, package)
    with pytest.raises(ImportError, match=r"^photograph: .*pip install"):
        photograph(source)


def test_grey_weighs_the_colours():
    colour = RNG.random((3, 4, 3))
    expected = [[0.299 * r + 0.587 * g + 0.114 * b for r, g, b in row] for row in colour]
    np.testing.assert_allclose(grey(colour), expected, rtol=1e-14)
    assert np.array_equal(grey(colour[:, :, 0]), colour[:, :, 0])


# Where a pixel beyond the border is read, or None for a zero.
SOURCES = {
    "zeros": lambda i, n: i if 0 <= i < n else None,
    "replicate": lambda i, n: min(max(i, 0), n - 1),
    "circular": lambda i, n: i % n,
    "symmetric": lambda i, n: -1 - i if i < 0 else 2 * n - 1 - i if i >= n else i,
    "reflect": lambda i, n: -i if i < 0 else 2 * n - 2 - i if i >= n else i,
}


def filtered(channel, weight, mode, flip):
    """The sum of products at each pixel, by loops; an even kernel has its middle at the first of its two."""
    kh, kw = weight.shape
    rows, columns = channel.shape
    source = SOURCES[mode]
    result = np.zeros(channel.shape)
    for i, j, u, v in indices((rows, columns, kh, kw)):
        a, b = source(i + u - (kh - 1) // 2, rows), source(j + v - (kw - 1) // 2, columns)
        if a is not None and b is not None:
            k = weight[kh - 1 - u, kw - 1 - v] if flip else weight[u, v]
            result[i, j] += channel[a, b] * k
    return result


@pytest.mark.parametrize("mode", SOURCES)
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("name", ["emboss", "gaussian_blur"])
def test_a_kernel_over_grey_and_colour(mode, flip, name):
    weight = np.array(KERNELS[name].weight) / KERNELS[name].divisor
    colour = RNG.random((6, 5, 3))
    expected = np.stack([filtered(colour[:, :, c], weight, mode, flip) for c in range(3)], axis=2)
    np.testing.assert_allclose(apply_kernel(colour, name, mode, flip=flip), expected, atol=1e-12)
    actual = apply_kernel(colour[:, :, 1], KERNELS[name], mode, flip=flip)
    np.testing.assert_allclose(actual, expected[:, :, 1], atol=1e-12)


def test_kernels_of_ones_own():
    picture = RNG.random((4, 6))
    weight = RNG.standard_normal((2, 3))
    expected = filtered(picture, weight, "replicate", False)
    for kernel in (weight, weight.tolist(), tg.tensor(weight), ImageKernel("own", "Own", tuple(weight), "Own.")):
        np.testing.assert_allclose(apply_kernel(picture, kernel), expected, atol=1e-12)
    assert apply_kernel(picture, weight, padding="valid").shape == (3, 4)


@pytest.mark.parametrize(
    ("kernel", "error", "text"),
    [
        ("sobble", ValueError, "^image_kernel: "),
        ([1, 2], ValueError, r"^apply_kernel: .*\(2,\)"),
        (np.zeros((0, 3)), ValueError, r"^apply_kernel: .*\(0, 3\)"),
        ([[np.inf]], ValueError, "^apply_kernel: .*finite"),
        ([["a"]], TypeError, "^apply_kernel: "),
        (None, TypeError, "^apply_kernel: "),
    ],
)
def test_kernels_that_are_none(kernel, error, text):
    with pytest.raises(error, match=text):
        apply_kernel(np.ones((3, 3)), kernel)


def test_arguments_that_conv2d_refuses():
    with pytest.raises(ValueError, match=r"^apply_kernel: conv2d: padding_mode must be one of"):
        apply_kernel(np.ones((3, 3)), "blur", "mirror")
    with pytest.raises(ValueError, match=r"^apply_kernel: conv2d: the window reaches over"):
        apply_kernel(np.ones((2, 2)), "blur", padding="valid")

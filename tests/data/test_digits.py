import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cnn.data import Digits, digits
from tinygrad_cnn.data.digits import FILE

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "make_digits.py"

# Images per digit, as the repository's description of its test set lists them (optdigits.names).
CLASS_COUNTS = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def counts(labels):
    return np.bincount(labels, minlength=10)


def test_shapes_dtypes_and_ranges():
    data = digits()
    assert isinstance(data, Digits)
    for images, labels in (data[:2], data[2:]):
        assert images.shape == (len(labels), 1, 8, 8)
        assert images.dtype == np.float32
        assert labels.dtype == np.int64
        assert (images.min(), images.max()) == (0, 1)
        assert set(labels) == set(range(10))
    assert len(data.train_labels) + len(data.test_labels) == 1797


def test_pixels_are_exact_sixteenths():
    for images in (digits().train_images, digits().test_images):
        np.testing.assert_array_equal(images * 16, np.rint(images * 16))


def test_class_counts_and_proportions():
    data = digits()
    np.testing.assert_array_equal(counts(data.train_labels) + counts(data.test_labels), CLASS_COUNTS)
    np.testing.assert_array_equal(counts(data.test_labels), [count // 5 for count in CLASS_COUNTS])


def test_parts_share_no_image_and_every_pixel_comes_from_scikit_learn():
    source = pytest.importorskip("sklearn.datasets", reason="needs scikit-learn").load_digits()
    # No two of the 1,797 images are equal, so an image's pixels tell where in the source it stands.
    place = {image.astype(np.uint8).tobytes(): index for index, image in enumerate(source.images)}
    assert len(place) == 1797
    data = digits()
    places = []
    for images, labels in (data[:2], data[2:]):
        part = [place[(image * 16).astype(np.uint8).tobytes()] for image in images]
        np.testing.assert_array_equal(labels, source.target[part])
        assert part == sorted(part)
        places += part
    assert sorted(places) == list(range(1797))


def test_every_fifth_image_of_a_digit_is_a_test_image():
    source = pytest.importorskip("sklearn.datasets", reason="needs scikit-learn").load_digits()
    seen = [0] * 10
    expected = []
    for image, label in zip(source.images, source.target, strict=True):
        seen[label] += 1
        if seen[label] % 5 == 0:
            expected.append(image)
    np.testing.assert_array_equal(digits().test_images[:, 0] * 16, expected)


def test_file_is_data_only():
    with zipfile.ZipFile(FILE) as archive:
        assert archive.namelist() == ["images.npy", "labels.npy"]
    with np.load(FILE, allow_pickle=False) as file:
        assert file["images"].dtype == file["labels"].dtype == np.uint8


def test_reads_without_network_and_without_pickle(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("digits() opened a socket")

    allowed = []
    load = np.load

    def recording_load(*args, **kwargs):
        allowed.append(kwargs.get("allow_pickle"))
        return load(*args, **kwargs)

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(np, "load", recording_load)
    digits()
    assert allowed == [False]


def test_result_belongs_to_the_caller():
    first = digits()
    first.train_images[:] = -1
    first.test_labels[:] = -1
    second = digits()
    assert second.train_images.min() == 0
    assert second.test_labels.min() == 0


def test_script_writes_the_packaged_arrays_and_the_same_bytes_each_time(tmp_path):
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    written = []
    for name in ("first.npz", "second.npz"):
        subprocess.run([sys.executable, SCRIPT, "--out", tmp_path / name], check=True)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    with np.load(FILE, allow_pickle=False) as packaged, np.load(tmp_path / "first.npz", allow_pickle=False) as made:
        for name in ("images", "labels"):
            np.testing.assert_array_equal(made[name], packaged[name])

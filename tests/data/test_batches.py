import numpy as np
import pytest

from tinygrad_cnn.data import batches

IMAGES = np.arange(7 * 4, dtype=np.float32).reshape(7, 1, 2, 2)
LABELS = np.arange(7)


def epoch(**kwargs):
    return [labels.tolist() for _, labels in batches(IMAGES, LABELS, **kwargs)]


@pytest.mark.parametrize(
    ("batch_size", "drop_last", "sizes"),
    [
        (1, False, [1] * 7),
        (3, False, [3, 3, 1]),
        (3, True, [3, 3]),
        (7, False, [7]),
        (7, True, [7]),
        (8, False, [7]),
        (8, True, []),
        (np.int32(6), False, [6, 1]),
    ],
)
@pytest.mark.parametrize("shuffle", [False, True])
def test_sizes(batch_size, drop_last, shuffle, sizes):
    parts = list(batches(IMAGES, LABELS, batch_size, shuffle=shuffle, drop_last=drop_last))
    assert [images.shape for images, _ in parts] == [(size, 1, 2, 2) for size in sizes]
    assert [labels.shape for _, labels in parts] == [(size,) for size in sizes]


def test_keeps_the_order_without_shuffle():
    assert epoch(batch_size=3, shuffle=False) == [[0, 1, 2], [3, 4, 5], [6]]


def test_shuffles_every_image_once_with_its_label():
    parts = list(batches(IMAGES, LABELS, 2, rng=5))
    images = np.concatenate([images for images, _ in parts])
    labels = np.concatenate([labels for _, labels in parts])
    assert labels.tolist() != LABELS.tolist()
    assert sorted(labels) == LABELS.tolist()
    np.testing.assert_array_equal(images, IMAGES[labels])
    assert images.dtype == np.float32


def test_a_seed_gives_the_same_order_every_time():
    assert epoch(batch_size=3, rng=5) == epoch(batch_size=3, rng=5)
    assert epoch(batch_size=3, rng=5) != epoch(batch_size=3, rng=6)


def test_a_generator_goes_on_from_epoch_to_epoch():
    rng, again = np.random.default_rng(5), np.random.default_rng(5)
    epochs = [epoch(batch_size=3, rng=rng) for _ in range(2)]
    assert epochs[0] != epochs[1]
    assert epochs == [epoch(batch_size=3, rng=again) for _ in range(2)]


def test_leaves_the_global_random_state_alone():
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    epoch(batch_size=3)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_batch_is_not_a_view(shuffle):
    source = IMAGES.copy()
    for images, _ in batches(source, LABELS, 3, shuffle=shuffle):
        images[:] = -1
    np.testing.assert_array_equal(source, IMAGES)


def test_no_images_give_no_batches():
    assert list(batches(IMAGES[:0], LABELS[:0], 3)) == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((IMAGES, LABELS[:6], 3), ValueError, r"the same length .*shape \(7, 1, 2, 2\) .*labels \(6,\)"),
        ((1.5, LABELS, 3), ValueError, r"the same length .*shape \(\)"),
        ((IMAGES, 3, 3), ValueError, r"the same length .*labels \(\)"),
        ((IMAGES, LABELS, 0), ValueError, "batches: batch_size expects at least 1, but got 0"),
        ((IMAGES, LABELS, -2), ValueError, "batches: batch_size expects at least 1, but got -2"),
        ((IMAGES, LABELS, 2.0), TypeError, "batches: batch_size expects an int, but got 2.0"),
        ((IMAGES, LABELS, "2"), TypeError, "batches: batch_size expects an int, but got '2'"),
    ],
)
def test_wrong_arguments_are_refused_at_the_call(arguments, error, message):
    with pytest.raises(error, match=message):
        batches(*arguments)


@pytest.mark.parametrize(("rng", "error"), [(-1, ValueError), ("seed", TypeError), (0.5, TypeError)])
def test_a_bad_rng_is_refused(rng, error):
    with pytest.raises(error, match=r"batches: rng expects .* but got"):
        batches(IMAGES, LABELS, 3, rng=rng)

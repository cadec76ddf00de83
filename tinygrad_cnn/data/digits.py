"""The handwritten digits of the UCI Machine Learning Repository."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).with_name("digits.npz")


class Digits(NamedTuple):
    """Images float32 (N, 1, 8, 8) with values from 0 to 1, labels int64 (N,) from 0 to 9."""

    train_images: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.float32]
    test_labels: NDArray[np.int64]


def digits() -> Digits:
    """Return the handwritten digits: 1,797 real images of 8x8 pixels, split into training and test images.

    Every fifth image of each digit, in the file's order, is a test image, so both parts hold the ten digits in the
    same proportions and the split is always the same one. The same 13 people wrote both parts: test accuracy speaks
    of new digits by these people, not of new people.

    A pixel of the source counts the dark pixels, 0 to 16, in a 4x4 block of a 32x32 scan; here it is divided by 16,
    which is exact.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    https://doi.org/10.24432/C50P49, CC BY 4.0, the copy in scikit-learn (which is the repository's test set).

    >>> train_images, train_labels, test_images, test_labels = digits()
    >>> train_images.shape, test_images.shape
    ((1442, 1, 8, 8), (355, 1, 8, 8))
    >>> train_labels[:5]
    array([0, 1, 2, 3, 4])
    >>> for row in train_images[0, 0] * 16:
    ...     print(" ".join(f"{int(value):2}" if value else " ." for value in row))
     .  .  5 13  9  1  .  .
     .  . 13 15 10 15  5  .
     .  3 15  2  . 11  8  .
     .  4 12  .  .  8  8  .
     .  5  8  .  .  9  8  .
     .  4 11  .  1 12  7  .
     .  2 14  5 10 12  .  .
     .  .  6 13 10  .  .  .
    """
    with np.load(FILE, allow_pickle=False) as file:
        images = file["images"][:, np.newaxis].astype(np.float32) / np.float32(16)
        labels = file["labels"].astype(np.int64)
    is_test = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        is_test[np.flatnonzero(labels == digit)[4::5]] = True
    return Digits(images[~is_test], labels[~is_test], images[is_test], labels[is_test])

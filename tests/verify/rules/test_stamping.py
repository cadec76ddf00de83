"""dX as stamps, dZ[i, j] K added to the windows: there K stays as it is, and what is done to it has its name."""

import numpy as np
import pytest

import tinygrad_cnn as tg


def conv(X, K):
    Z = np.zeros((X.shape[0] - K.shape[0] + 1, X.shape[1] - K.shape[1] + 1))
    for i, j in np.ndindex(Z.shape):
        Z[i, j] = np.sum(X[i : i + K.shape[0], j : j + K.shape[1]] * K)
    return Z


def stamped(altered):
    def dX(dZ, X, K):
        gradient = np.zeros(X.shape)
        stamp = altered(K)
        for i, j in np.ndindex(dZ.shape):
            gradient[i : i + stamp.shape[0], j : j + stamp.shape[1]] += dZ[i, j] * stamp
        return gradient

    return dX


@pytest.mark.parametrize(
    ("altered", "name"),
    [
        (lambda K: K.T, "kernel-transposed"),
        (lambda K: K[::-1, ::-1], "kernel-not-rotated"),
        (lambda K: K[::-1], "kernel-flipped-columns"),
        (lambda K: K[:, ::-1], "kernel-flipped-rows"),
    ],
)
def test_what_is_done_to_the_stamp_has_its_name(altered, name):
    square = [{"X": (n, m), "K": (k, k)} for n, m, k in ((2, 2, 2), (3, 4, 2), (4, 4, 3), (5, 3, 3))]
    report = tg.verify.check_rule(conv, {"X": stamped(altered)}, cases=square)
    assert report["X"].diagnosis.name == name


def test_the_stamp_as_it_is_passes():
    assert tg.verify.check_rule(conv, {"X": stamped(lambda K: K)})

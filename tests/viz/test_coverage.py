"""How often windows touch pixels, against loops that put every window down and count."""

from itertools import product

import numpy as np
import pytest

from tinygrad_cnn.viz.analysis.coverage import overlap_counts, pixel_usage, residue_counts


def starts(size, reach, stride, pad):
    return range(-pad, size + pad - reach + 1, stride)


def uses(n, k, stride, pad, dilation, source):
    """How often each pixel of one axis is read."""
    counts = [0] * n
    for start in starts(n, dilation * (k - 1) + 1, stride, pad):
        for u in range(k):
            place = source(start + dilation * u, n)
            if place is not None:
                counts[place] += 1
    return counts


INSIDE = {
    "zeros": lambda i, n: i if 0 <= i < n else None,
    "replicate": lambda i, n: min(max(i, 0), n - 1),
    "circular": lambda i, n: i % n,
    "symmetric": lambda i, n: -1 - i if i < 0 else 2 * n - 1 - i if i >= n else i,
    "reflect": lambda i, n: -i if i < 0 else 2 * n - 2 - i if i >= n else i,
}


@pytest.mark.parametrize("mode", INSIDE)
@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "pad", "dilation"),
    [
        ((7, 5), (3, 3), (1, 1), (0, 0), (1, 1)),
        ((7, 5), (3, 3), (1, 1), (1, 1), (1, 1)),
        ((6, 8), (2, 4), (2, 3), (1, 2), (1, 1)),
        ((9, 9), (3, 2), (2, 1), (2, 1), (2, 3)),
        ((1, 6), (1, 5), (1, 1), (0, 4), (1, 1)),
    ],
)
def test_pixels_that_a_convolution_reads(mode, shape, kernel, stride, pad, dilation):
    axes = [uses(*numbers, INSIDE[mode]) for numbers in zip(shape, kernel, stride, pad, dilation, strict=True)]
    expected = [[a * b for b in axes[1]] for a in axes[0]]
    actual = pixel_usage(shape, kernel, stride, pad, dilation, mode)
    assert actual.dtype.kind == "i"
    assert actual.tolist() == expected


def test_padding_evens_out_the_border_and_full_padding_wholly():
    assert pixel_usage((5, 5), 3)[0, 0] == 1
    assert pixel_usage((5, 5), 3, padding="same")[0].tolist() == [4, 6, 6, 6, 4]
    assert np.unique(pixel_usage((5, 5), 3, padding="full")).tolist() == [9]


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_pixels_that_a_transposed_convolution_writes(kernel, stride, dilation):
    height, width = 4, 3
    counts = {}
    for i, j, u, v in product(range(height), range(width), range(kernel), range(kernel)):
        place = (i * stride + u * dilation, j * stride + v * dilation)
        counts[place] = counts.get(place, 0) + 1
    reach = dilation * (kernel - 1) + 1
    shape = (height - 1) * stride + reach, (width - 1) * stride + reach
    expected = [[counts.get((a, b), 0) for b in range(shape[1])] for a in range(shape[0])]
    actual = overlap_counts((height, width), kernel, stride, dilation=dilation)
    assert actual.tolist() == expected
    assert actual.sum() == height * width * kernel**2
    cut = overlap_counts((height, width), kernel, stride, padding=min(1, (reach - 1) // 2), dilation=dilation)
    border = min(1, (reach - 1) // 2)
    assert cut.tolist() == [row[border : len(row) - border] for row in expected[border : len(expected) - border]]


@pytest.mark.parametrize("kernel", range(1, 8))
@pytest.mark.parametrize("stride", range(1, 5))
@pytest.mark.parametrize("dilation", range(1, 4))
def test_counts_far_from_the_borders(kernel, stride, dilation):
    """The middle of a long line repeats what `residue_counts` says, and is even as its docstring says."""
    line = overlap_counts((1, 60), (1, kernel), (1, stride), dilation=(1, dilation))[0]
    counts = residue_counts(kernel, stride, dilation)
    middle = stride * 30
    assert line[middle : middle + stride].tolist() == counts.tolist()
    assert (len(set(counts)) == 1) == (kernel % stride == 0 and np.gcd(stride, dilation) == 1)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: pixel_usage((0, 3), 3), ValueError, "^pixel_usage: shape must be at least 1"),
        (lambda: pixel_usage((4, 4), 5), ValueError, "the window reaches over"),
        (lambda: pixel_usage((4, 4, 4), 3), ValueError, "^pixel_usage: shape expects"),
        (lambda: pixel_usage((4, 4), "3"), TypeError, "^pixel_usage: kernel_size"),
        (lambda: overlap_counts((4, 4), 0), ValueError, "^overlap_counts: kernel_size must be at least 1"),
        (lambda: overlap_counts((4, 4), 2, stride=0), ValueError, "stride must be at least 1"),
        (lambda: residue_counts(0, 1), ValueError, "^residue_counts: kernel_size must be at least 1"),
        (lambda: residue_counts(3, 2.0), TypeError, "^residue_counts: stride must be an integer"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()

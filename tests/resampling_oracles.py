"""Naive oracles for resampling, adaptive, fractional and Lp pooling, unfolding and unpooling.

As in `oracles.py`: loops over indices, in any arithmetic, nothing shared with the library. A linear map is listed as
its terms; what a pixel weighs is asked of a formula for every pair of an output and an input pixel, also where it is 0.
"""

from fractions import Fraction
from itertools import product
from math import ceil, floor

from tests.oracles import Linear, indices, is_nan, pooling_windows, zeros

HALF = Fraction(1, 2)


# Interpolation: the weight of input pixel i in output pixel p, on an axis of n pixels in and m out


def coordinate(p, n, m, step, align_corners):
    if align_corners:
        return Fraction(p * (n - 1), m - 1) if m > 1 else Fraction(0)
    return step * (p + HALF) - HALF


def tent(t):
    return max(0, 1 - abs(t))


def keys(t, a):
    """The cubic convolution kernel, as Keys (1981) prints it, eq. 8, for any a."""
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    if t < 2:
        return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a
    return 0


def nearest(p, i, n, m, step, offset):
    c = (p + offset) * step
    return int(i <= c < i + 1 or (i == n - 1 and c >= n))


def linear(p, i, n, m, step, align_corners):
    c = min(max(coordinate(p, n, m, step, align_corners), 0), n - 1)
    return tent(c - i)


def cubic(p, i, n, m, step, align_corners):
    """Pixels beyond the border are copies of the one at the border."""
    c = coordinate(p, n, m, step, align_corners)
    copies = [i]
    if i == 0:
        copies += range(-1, floor(c) - 4, -1)
    if i == n - 1:
        copies += range(n, ceil(c) + 4)
    return sum(keys(c - k, Fraction(-3, 4)) for k in copies)


def smooth(kernel):
    """The kernel stretched where the image shrinks; the weights inside the image are normalised."""

    def weight(p, i, n, m, step):
        stretch = max(step, 1)
        weights = [kernel(((p + HALF) * step - (k + HALF)) / stretch) for k in range(n)]
        return Fraction(weights[i]) / sum(weights)

    return weight


smooth_linear = smooth(tent)
smooth_cubic = smooth(lambda t: keys(t, -HALF))


def region(p, i, n, m):
    """The share of input pixel i in the mean of region p."""
    inside = [k for k in range(n) if k + 1 > Fraction(p * n, m) and k < Fraction((p + 1) * n, m)]
    return Fraction(int(i in inside), len(inside))


def separable(x_shape, out, weight_of_axes):
    """The map whose weights are products of one for each axis: weight_of_axes[a](p, i)."""
    batch, channels, *size = x_shape
    terms = []
    for p in indices(out):
        for i in indices(size):
            share = 1
            for weight, a, b in zip(weight_of_axes, p, i, strict=True):
                share = share * weight(a, b)
            if share:
                terms += [((n, c, *p), (n, c, *i), share) for n, c in indices((batch, channels))]
    return Linear(x_shape, (batch, channels, *out), terms)


# Poolings


def largest(x, z_shape, windows, ties="first"):
    """(Z, the linear map with the winners' shares, the flat index of the first): of (index of Z, indices of X)."""
    z, first, terms = zeros(z_shape), zeros(z_shape), []
    size = x.shape[2:]
    for i, places in windows:
        best = x[places[0]]
        for j in places:
            if x[j] > best or (is_nan(x[j]) and not is_nan(best)):
                best = x[j]
        winners = [j for j in places if x[j] == best or (is_nan(x[j]) and is_nan(best))]
        z[i] = best
        first[i] = list(indices(size)).index(winners[0][2:])
        winners = winners[:1] if ties == "first" else winners
        terms += [(i, j, Fraction(1, len(winners))) for j in winners]
    return z, Linear(x.shape, z_shape, terms), first.astype(int)


def max_pooling_windows(x_shape, *explicit):
    z_shape, windows = pooling_windows(x_shape, *explicit)
    return z_shape, [(i, places) for i, places, _ in windows]


def adaptive_windows(x_shape, out):
    batch, channels, *size = x_shape
    windows = []
    for n, c in indices((batch, channels)):
        for p in indices(out):
            axes = [[i for i in range(m) if region(a, i, m, k)] for a, m, k in zip(p, size, out, strict=True)]
            windows.append(((n, c, *p), [(n, c, *place) for place in product(*axes)]))
    return (batch, channels, *out), windows


def fractional_windows(x_shape, kernel, out, samples):
    """Graham's pseudorandom sequence; a sample (width, height) for each plane."""
    batch, channels, *size = x_shape
    windows = []
    for n, c in indices((batch, channels)):
        starts = []
        for u, m, k, r in zip(reversed(samples[n, c]), size, kernel, out, strict=True):
            u, step = Fraction(u), Fraction(m - k, max(r - 1, 1))
            starts.append([floor((p + u) * step) - floor(u * step) for p in range(r - 1)] + [m - k])
        for p in indices(out):
            corner = [axis[a] for axis, a in zip(starts, p, strict=True)]
            places = [tuple(a + b for a, b in zip(corner, k, strict=True)) for k in indices(kernel)]
            windows.append(((n, c, *p), [(n, c, *place) for place in places]))
    return (batch, channels, *out), windows


def unfolding(x_shape, kernel, stride, padding, dilation):
    """Z[n, (c, k), p] = X[n, c, s p + d k - before], zero outside."""
    batch, channels, *size = x_shape
    counts = [
        len([a for a in range(0, m + before + after, s) if a + d * (k - 1) < m + before + after])
        for m, k, s, d, (before, after) in zip(size, kernel, stride, dilation, padding, strict=True)
    ]
    terms, rows = [], list(product(range(channels), *map(range, kernel)))
    for row, (c, *k) in enumerate(rows):
        for column, p in enumerate(indices(counts)):
            place = tuple(
                s * a + d * b - before
                for s, a, d, b, (before, _) in zip(stride, p, dilation, k, padding, strict=True)
            )
            if all(0 <= i < m for i, m in zip(place, size, strict=True)):
                terms += [((n, row, column), (n, c, *place), 1) for n in range(batch)]
    return Linear(x_shape, (batch, len(rows), len(list(indices(counts)))), terms)


def unpooling(x_shape, flat, size):
    """Every value at its index; among several at one index the last stands."""
    batch, channels, *_ = x_shape
    places, writer = list(indices(size)), {}
    for i in indices(x_shape):
        writer[*i[:2], *places[flat[i]]] = i
    return Linear(x_shape, (batch, channels, *size), [(z, i, 1) for z, i in writer.items()])

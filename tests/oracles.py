"""Naive oracles for convolution, transposed convolution, pooling and padding: the textbook sums, one index at a time.

Nothing here is shared with the library: no window view, no matrix product, no slice, only loops over indices. Arrays
are containers of single elements, so every oracle runs in any arithmetic: floats, `Fraction`, sympy symbols.

A convolution is bilinear and a pooling, once its winners are known, linear. Both are therefore listed as their terms,
from which the value and the derivatives of every order are read off by the product rule, term by term.

Formulas: Goodfellow, Bengio, Courville, Deep Learning (2016), eq. 9.6 and section 9.3; Dumoulin and Visin, A guide to
convolution arithmetic for deep learning (2016), chapters 2 to 4.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np


def indices(shape):
    """Every index of an array of this shape."""
    return product(*(range(n) for n in shape))


def zeros(shape):
    result = np.empty(shape, dtype=object)
    for i in indices(shape):
        result[i] = 0
    return result


def window_starts(size, reach, stride, before, after, ceil_mode=False):
    """Where the windows of one axis begin, counted from the first pixel of x, found by moving the window along.

    A window is taken while it ends inside the padded axis. With `ceil_mode` one more is, that hangs over the end, if it
    begins inside x or the padding before it.
    """
    starts, start, end = [], -before, size + after
    while start + reach <= end:
        starts.append(start)
        start += stride
    if ceil_mode and start - stride + reach < end and start < size:
        starts.append(start)
    return starts


def is_inside(place, size):
    return all(0 <= i < n for i, n in zip(place, size, strict=True))


def shown(mode, i, n):
    """The element that place i of a padded axis of n elements shows, None for none.

    Found by walking from element 0 to place i step by step: at an end of the axis the mode says how it goes on.
    """
    if n == 0:
        return None
    element, step = 0, 1 if i > 0 else -1
    for _ in range(abs(i)):
        if 0 <= element + step < n:
            element += step
        elif mode == "zeros":
            return None
        elif mode == "circular":
            element = 0 if step > 0 else n - 1
        elif mode == "symmetric":  # the last element stands before the mirror: next comes itself, then back
            step = -step
        elif mode == "reflect":  # the last element is the mirror: next comes its neighbour
            step = -step
            element += step if n > 1 else 0
        else:
            assert mode == "replicate"
    return element


def place_shown(mode, place, size):
    """The pixel that a place shows, or None."""
    pixel = tuple(shown(mode, i, n) for i, n in zip(place, size, strict=True))
    return None if None in pixel else pixel


@dataclass(frozen=True)
class Bilinear:
    """Z[z] = sum of X[x] K[k] over the terms (z, x, k), + B on the second axis of Z."""

    x_shape: tuple
    k_shape: tuple
    z_shape: tuple
    terms: list

    def value(self, x, k, b=None):
        z = zeros(self.z_shape)
        for i, j, l in self.terms:
            z[i] += x[j] * k[l]
        if b is not None:
            for i in indices(self.z_shape):
                z[i] += b[i[1]]
        return z

    def gradients(self, x, k, dz):
        """dX, dK and dB of the scalar <dZ, Z>."""
        dx, dk, db = zeros(self.x_shape), zeros(self.k_shape), zeros(self.z_shape[1:2])
        for i, j, l in self.terms:
            dx[j] += dz[i] * k[l]
            dk[l] += dz[i] * x[j]
        for i in indices(self.z_shape):
            db[i[1]] += dz[i]
        return dx, dk, db

    def second_gradients(self, x, k, dz, ux, uk, ub):
        """Of S = <uX, dX> + <uK, dK> + <uB, dB>: dS/dX, dS/dK and dS/d(dZ)."""
        sx, sk, sz = zeros(self.x_shape), zeros(self.k_shape), zeros(self.z_shape)
        for i, j, l in self.terms:
            sx[j] += uk[l] * dz[i]
            sk[l] += ux[j] * dz[i]
            sz[i] += ux[j] * k[l] + uk[l] * x[j]
        for i in indices(self.z_shape):
            sz[i] += ub[i[1]]
        return sx, sk, sz

    def third_gradients(self, x, k, dz, ux, uk, vx, vk, vz):
        """Of T = <vX, dS/dX> + <vK, dS/dK> + <vZ, dS/d(dZ)>: dT/dX, dT/dK, dT/d(dZ), dT/d(uX) and dT/d(uK)."""
        tx, tk, tz = zeros(self.x_shape), zeros(self.k_shape), zeros(self.z_shape)
        tux, tuk = zeros(self.x_shape), zeros(self.k_shape)
        for i, j, l in self.terms:
            tx[j] += vz[i] * uk[l]
            tk[l] += vz[i] * ux[j]
            tz[i] += vx[j] * uk[l] + vk[l] * ux[j]
            tux[j] += vk[l] * dz[i] + vz[i] * k[l]
            tuk[l] += vx[j] * dz[i] + vz[i] * x[j]
        return tx, tk, tz, tux, tuk


def convolution(x_shape, k_shape, stride, padding, dilation, groups, padding_mode="zeros"):
    """Z[n, f, p] = sum_{c, u} X[n, c, s p + d u - before] K[f, c, u], X outside as the mode says; padding in pairs."""
    batch, _, *size = x_shape
    filters, channels, *kernel = k_shape
    starts = [
        window_starts(m, d * (k - 1) + 1, s, *pair)
        for m, k, s, d, pair in zip(size, kernel, stride, dilation, padding, strict=True)
    ]
    out = [len(axis) for axis in starts]
    terms = []
    for n, f in indices((batch, filters)):
        group = f // (filters // groups)
        for p in indices(out):
            corner = [axis[i] for axis, i in zip(starts, p, strict=True)]
            for c in range(channels):
                for u in indices(kernel):
                    place = tuple(a + d * i for a, d, i in zip(corner, dilation, u, strict=True))
                    pixel = place_shown(padding_mode, place, size)
                    if pixel is not None:
                        terms.append(((n, f, *p), (n, group * channels + c, *pixel), (f, c, *u)))
    return Bilinear(x_shape, k_shape, (batch, filters, *out), terms)


def transposed_convolution(x_shape, k_shape, size, stride, padding, dilation, groups):
    """Y[n, f, s i + d u - before] += sum_c X[n, c, i] K[c, f, u]; what falls outside of `size` is dropped."""
    batch, channels, *small = x_shape
    _, filters, *kernel = k_shape
    terms = []
    for n, c in indices((batch, channels)):
        group = c // (channels // groups)
        for i in indices(small):
            for f in range(filters):
                for u in indices(kernel):
                    place = tuple(
                        s * a + d * b - before
                        for s, a, d, b, (before, _) in zip(stride, i, dilation, u, padding, strict=True)
                    )
                    if is_inside(place, size):
                        terms.append(((n, group * filters + f, *place), (n, c, *i), (c, f, *u)))
    return Bilinear(x_shape, k_shape, (batch, filters * groups, *size), terms)


@dataclass(frozen=True)
class Linear:
    """Z[z] = sum of share X[x] over the terms (z, x, share)."""

    x_shape: tuple
    z_shape: tuple
    terms: list

    def value(self, x):
        z = zeros(self.z_shape)
        for i, j, share in self.terms:
            z[i] += share * x[j]
        return z

    def gradient(self, dz):
        """dX of the scalar <dZ, Z>."""
        dx = zeros(self.x_shape)
        for i, j, share in self.terms:
            dx[j] += share * dz[i]
        return dx


def pooling_windows(x_shape, kernel, stride, padding, dilation, ceil_mode=False):
    """(shape of Z, [(index of Z, indices of X inside the window, number of entries on X or its padding)])."""
    batch, channels, *size = x_shape
    starts = [
        window_starts(m, d * (k - 1) + 1, s, *pair, ceil_mode)
        for m, k, s, d, pair in zip(size, kernel, stride, dilation, padding, strict=True)
    ]
    windows = []
    for p in indices([len(axis) for axis in starts]):
        corner = [axis[i] for axis, i in zip(starts, p, strict=True)]
        places = [tuple(a + d * i for a, d, i in zip(corner, dilation, u, strict=True)) for u in indices(kernel)]
        inside = [place for place in places if is_inside(place, size)]
        counted = [
            place
            for place in places
            if all(-before <= i < m + after for i, m, (before, after) in zip(place, size, padding, strict=True))
        ]
        for n, c in indices((batch, channels)):
            windows.append(((n, c, *p), [(n, c, *place) for place in inside], len(counted)))
    return (batch, channels, *(len(axis) for axis in starts)), windows


def is_nan(value):
    return value != value


def max_pooling(x, kernel, stride, padding, dilation, ceil_mode=False, ties="first"):
    """(Z, the linear map with the winners' shares): the largest pixel of each window, a NaN above all."""
    z_shape, windows = pooling_windows(x.shape, kernel, stride, padding, dilation, ceil_mode)
    z, terms = zeros(z_shape), []
    for i, places, _ in windows:
        best = x[places[0]]
        for j in places:
            if x[j] > best or (is_nan(x[j]) and not is_nan(best)):
                best = x[j]
        winners = [j for j in places if x[j] == best or (is_nan(x[j]) and is_nan(best))]
        if ties == "first":
            winners = winners[:1]
        z[i] = best
        terms += [(i, j, Fraction(1, len(winners))) for j in winners]
    return z, Linear(x.shape, z_shape, terms)


def average_pooling(x_shape, kernel, stride, padding, dilation, ceil_mode=False, count_include_pad=True):
    """The mean of each window; the padding counts as zeros or not at all, what `ceil_mode` adds never counts."""
    z_shape, windows = pooling_windows(x_shape, kernel, stride, padding, dilation, ceil_mode)
    terms = []
    for i, places, counted in windows:
        share = Fraction(1, counted if count_include_pad else len(places))
        terms += [(i, j, share) for j in places]
    return Linear(x_shape, z_shape, terms)


def padding(x_shape, widths, mode="zeros"):
    """Z[i] is the element of X that place i - before shows, or zero."""
    z_shape = tuple(before + n + after for n, (before, after) in zip(x_shape, widths, strict=True))
    terms = []
    for i in indices(z_shape):
        j = place_shown(mode, [a - before for a, (before, _) in zip(i, widths, strict=True)], x_shape)
        if j is not None:
            terms.append((i, j, 1))
    return Linear(x_shape, z_shape, terms)

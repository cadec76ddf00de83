"""Convolutions with kernels of three rows and stride 1 by Winograd's minimal filtering, on images with the batch last.

`kernels/winograd.py` has the matrices T, S and G, and why this is right. T and S are multiplied with rows of images,
the pixels and samples of a row side by side. Between them are six convolutions along the width, each a sum of products
of matrices, one for each column of the kernel, which BLAS adds up; the columns of a product are the pixels of several
rows of tiles, and some between them that belong to no window. A part of the image is done at a time, and what lies
between T and S stays in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_float, c_int, c_void_p
from functools import cache
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad_cnn.kernels import blas, memory
from tinygrad_cnn.kernels.finite import has_finite_sum
from tinygrad_cnn.kernels.numpy_fast.layout import batch_last
from tinygrad_cnn.kernels.numpy_fast.lowering import SUMS, Windows, cut, share, sum_of_parts
from tinygrad_cnn.kernels.reference import Ints
from tinygrad_cnn.kernels.winograd import EXACT_DATA, EXACT_INVERSE, FILTER, OUTPUTS, PRODUCTS, TAPS

CHANNELS, PAIRS = 32, 2048
"""Channels, and filters, and pairs of both: with fewer, T and S take longer than they save."""

COLUMNS = 128
"""Pixels of a row in all images: with fewer, the products are slow."""

PIXELS = 2048
"""With fewer in all images, what is done with the kernels takes longer than what is saved."""

CHUNK_BYTES = 3 << 20
"""About so many bytes lie between T and S at a time."""

PARTS = 4
"""Into so many parts or more an image is cut, for the threads to share."""

DATA, INVERSE = EXACT_DATA.astype(np.float32), EXACT_INVERSE.astype(np.float32)  # T (6, 6) and S (4, 6)


class _Part(NamedTuple):
    """Some rows of tiles, all of the same height, and some columns of outputs."""

    tiles: slice
    height: int  # of a tile in outputs
    columns: slice

    @property
    def rows(self) -> slice:
        """The rows of outputs."""
        count = self.tiles.stop - self.tiles.start
        return slice(OUTPUTS * self.tiles.start, OUTPUTS * self.tiles.start + count * self.height)

    def of(self, z: Any) -> Any:
        """Outputs (F, H, W, N) as (F, tiles, rows of a tile, columns N), a view."""
        place = z[:, self.rows, self.columns]
        return place.reshape(len(z), -1, self.height, place.shape[2] * place.shape[3])


def suits(x: Any, filters: int, windows: Windows) -> bool:
    """Whether images x (N, C, H, W) are filtered faster here."""
    is_plain = x.ndim == 4 and windows.kernel[0] == TAPS and max(windows.stride) == 1 == windows.dilation[0]
    has_many = min(x.shape[1], filters) >= CHANNELS and x.shape[1] * filters >= PAIRS
    is_wide = len(x) * windows.out[-1] >= COLUMNS and len(x) * prod(windows.out) >= PIXELS
    return is_plain and has_many and is_wide and x.dtype == np.float32 and _gemm() is not None


def correlate(x: Any, weight: Any, bias: Any, windows: Windows, start: Ints) -> Any:
    """Z[f,p,n] = sum_{c,k} X[n, c, p + d k + start] K[f, c, k] + B[f]; None if that is not finite."""
    filters, channels, _, taps = weight.shape
    image, apart = _image(x, windows, start), windows.dilation[1] * len(x)
    z = memory.empty((filters, *windows.out, len(x)), x.dtype)
    kernels = FILTER @ weight.transpose(2, 3, 0, 1).reshape(TAPS, -1)
    kernels = kernels.reshape(PRODUCTS, taps, filters, channels)
    are_finite: list[bool] = []
    gemm = _gemm()
    assert gemm is not None

    def filter_part(part: _Part) -> None:
        data, place = _data(image, part, windows), part.of(z)
        rows = memory.scratch("rows", (PRODUCTS, filters, data.shape[2]), z.dtype)
        count = data.shape[2] - apart * (taps - 1)
        for entry, tap in product(range(PRODUCTS), range(taps)):
            pixels, sums = data[entry, :, apart * tap :], rows[entry]
            gemm(
                _ROW_MAJOR, _AS_IT_IS, _AS_IT_IS, filters, count, channels,
                1.0, memory.address_of(kernels[entry, tap]), channels, memory.address_of(pixels), _step(pixels),
                1.0 if tap else 0.0, memory.address_of(sums), _step(sums),
            )  # fmt: skip
        np.matmul(INVERSE[: part.height], _tiles(rows, part)[..., : place.shape[3]], out=place)
        if bias is not None:
            place += bias[:, None, None, None]
        are_finite.append(has_finite_sum(place))

    with np.errstate(over="ignore", invalid="ignore"):
        share(filter_part, _parts(image, filters, windows))
    return z if all(are_finite) else None


def correlate_kernel(x: Any, dz: Any, windows: Windows, start: Ints) -> Any:
    """dK[f,c,k] = sum_{n,p} X[n, c, p + d k + start] dZ[n,f,p]; None if that is not finite."""
    filters, channels, taps = dz.shape[1], x.shape[1], windows.kernel[1]
    image, apart = _image(x, windows, start), windows.dilation[1] * len(x)
    upstream = batch_last(dz, tuple((0, m) for m in windows.out))
    todo = _parts(image, filters, windows)
    totals: dict[int, Any] = {}
    gemm = _gemm()
    assert gemm is not None

    def filter_parts(some: slice) -> None:
        total = memory.empty((PRODUCTS, taps, filters, channels), x.dtype)
        for number, part in enumerate(todo[some]):
            data, place = _data(image, part, windows), part.of(upstream)
            rows = memory.scratch("rows", (PRODUCTS, filters, data.shape[2]), x.dtype)
            tiles = _tiles(rows, part)
            np.matmul(INVERSE[: part.height].T, place, out=tiles[..., : place.shape[3]])
            tiles[..., place.shape[3] :] = 0  # the pixels that belong to no window
            count = data.shape[2] - apart * (taps - 1)
            for entry, tap in product(range(PRODUCTS), range(taps)):
                pixels, given = data[entry, :, apart * tap :], rows[entry]
                gemm(
                    _ROW_MAJOR, _AS_IT_IS, _TRANSPOSED, filters, channels, count,
                    1.0, memory.address_of(given), _step(given), memory.address_of(pixels), _step(pixels),
                    1.0 if number else 0.0, memory.address_of(total[entry, tap]), channels,
                )  # fmt: skip
        totals[some.start] = total

    with np.errstate(over="ignore", invalid="ignore"):
        share(filter_parts, cut(len(todo), -(-len(todo) // SUMS)))
    total = sum_of_parts(totals)
    dk = (FILTER.T @ total.reshape(PRODUCTS, -1)).reshape(TAPS, taps, filters, channels)
    return np.ascontiguousarray(dk.transpose(2, 3, 0, 1)) if has_finite_sum(dk) else None


def _image(x: Any, windows: Windows, start: Ints) -> Any:
    """What the windows of whole tiles see of x, (C, H, W, N), with zeros beyond it."""
    above, beside = windows.region(start)
    tiles = -(-windows.out[0] // OUTPUTS)
    image = batch_last(x, ((above[0], above[0] + OUTPUTS * tiles + TAPS - 1), beside))
    are_rows_whole = image.strides[2] == image.shape[3] * image.itemsize
    return image if are_rows_whole else np.ascontiguousarray(image)


def _parts(image: Any, filters: int, windows: Windows) -> list[_Part]:
    """All outputs in parts, the same ones for any number of threads."""
    (rows, width), (channels, _, seen, batch) = windows.out, image.shape
    of_tiles = PRODUCTS * (channels + filters) * seen * batch * image.itemsize
    tiles = max(1, min(CHUNK_BYTES // of_tiles, rows // OUTPUTS // PARTS))
    columns = cut(width, max(1, min(width * CHUNK_BYTES // of_tiles, width)))
    whole = rows // OUTPUTS
    parts = [_Part(some, OUTPUTS, few) for some in cut(whole, tiles) for few in columns]
    return parts + [_Part(slice(whole, whole + 1), rows % OUTPUTS, few) for few in columns if rows % OUTPUTS]


def _data(image: Any, part: _Part, windows: Windows) -> Any:
    """T times the image's tiles, (6, C, pixels): for each row of tiles a row of pixels, one after the other."""
    reach = windows.dilation[1] * (windows.kernel[1] - 1)
    pixels = image[:, OUTPUTS * part.tiles.start :, part.columns.start : part.columns.stop + reach]
    count, length = part.tiles.stop - part.tiles.start, pixels.shape[2] * pixels.shape[3]
    of_channel, of_row, _, of_sample = pixels.strides
    tiles = (len(pixels), count, PRODUCTS, length), (of_channel, OUTPUTS * of_row, of_row, of_sample)
    data = memory.scratch("data", (PRODUCTS, len(pixels), count * length), pixels.dtype)
    np.matmul(DATA, as_strided(pixels, *tiles), out=_tiles(data, part))
    return data


def _tiles(rows: Any, part: _Part) -> Any:
    """(6, C, tiles pixels) as (C, tiles, 6, pixels), a view."""
    return rows.reshape(*rows.shape[:2], part.tiles.stop - part.tiles.start, -1).transpose(1, 2, 0, 3)


def _step(matrix: Any) -> int:
    return int(matrix.strides[0]) // int(matrix.itemsize)


_ROW_MAJOR, _AS_IT_IS, _TRANSPOSED = 101, 111, 112


@cache
def _gemm() -> Callable[..., None] | None:
    """Called with the order, two transpositions, m, n, k, a factor, the matrices and their steps, and the sum's."""
    matrix = (c_void_p, int)
    return blas.routine("sgemm", *[c_int] * 3, *[int] * 3, c_float, *matrix, *matrix, c_float, *matrix)

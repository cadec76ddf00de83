"""Linear maps along an axis against products with their matrices, in every memory order."""

from fractions import Fraction

import numpy as np
import pytest

from tests.operands import integers, layouts, normals
from tinygrad_cnn.kernels import axis_map, blocks
from tinygrad_cnn.kernels.axis_map import AxisMap

layout = pytest.mark.parametrize("layout", ["plain", *layouts(np.zeros((1, 1)))])


def doubled(n):
    """Each element twice."""
    return AxisMap(n, tuple(((p // 2, 1),) for p in range(2 * n)))


def between(n, m):
    """The weights of the nearest two of n elements for m."""
    rows = []
    for p in range(m):
        i, t = divmod(min(max(Fraction((2 * p + 1) * n, 2 * m) - Fraction(1, 2), 0), n - 1), 1)
        rows.append(((int(i), 1 - t), (int(i) + 1, t)) if t else ((int(i), 1 - t),))
    return AxisMap(n, tuple(rows))


def scattered(n, m):
    """Up to four terms for each output, none for some, in no order."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(m):
        places = rng.choice(n, min(rng.integers(0, 5), n), replace=False)
        rows.append(tuple((int(i), Fraction(int(rng.integers(-3, 4)), 4)) for i in places))
    return AxisMap(n, tuple(rows))


def shifted(n):
    """Each element's neighbour, none for the last."""
    return AxisMap(n, (*(((p + 1, 1),) for p in range(n - 1)), ()))


MAPS = {
    "doubled": doubled(12),
    "times two": between(12, 24),
    "times 3 / 2": between(12, 18),
    "halved": between(12, 6),
    "to one": between(12, 1),
    "scattered": scattered(12, 9),
    "shifted": shifted(12),
    "nothing": AxisMap(12, ((), (), ())),
    "backward": AxisMap(12, tuple(((11 - p, 1),) for p in range(12))),
}
MAPS |= {f"{name}, transposed": each.transposed for name, each in MAPS.items()}


def matrix_of(each):
    matrix = np.zeros((len(each.rows), each.size))
    for p, row in enumerate(each.rows):
        for i, weight in row:
            matrix[p, i] += float(weight)
    return matrix


@pytest.fixture(autouse=True, params=["small", "large"])
def _size(request, monkeypatch):
    if request.param == "large":
        monkeypatch.setattr(blocks, "LARGE", 1)
        monkeypatch.setattr(blocks, "BLOCK", 100)
        monkeypatch.setattr(blocks, "SHARED", 1)


@layout
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("name", MAPS)
def test_it_is_the_product_with_its_matrix(name, dtype, layout):
    each = MAPS[name]
    for axis in range(4):
        shape = [3, 4, 5, 2]
        shape[axis] = each.size
        x = integers(tuple(shape), 1, dtype)
        x = x if layout == "plain" else layouts(x)[layout]
        before = x.copy()
        z = each(x, axis)
        expected = np.moveaxis(np.tensordot(matrix_of(each), x.astype(np.float64), (1, axis)), 0, axis)
        assert z.dtype == (dtype if dtype is not np.int64 or each.keeps_integers else np.float64)
        np.testing.assert_allclose(z, expected, rtol=0, atol=64 * np.finfo(np.float32).eps)
        np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("name", MAPS)
def test_a_nan_stays_where_it_has_a_term(name):
    each = MAPS[name]
    for place in range(each.size):
        x = normals((2, each.size, 3), 1, np.float32)
        x[0, place, 1] = np.nan
        reached = [any(i == place for i, _ in row) for row in each.rows]
        expected = np.zeros((2, len(each.rows), 3), bool)
        expected[0, :, 1] = reached
        np.testing.assert_array_equal(np.isnan(each(x, 1)), expected)


def test_several_axes_one_after_another():
    maps = between(12, 24), doubled(5)
    x = normals((2, 3, 12, 5), 1, np.float64)
    expected = np.einsum("ncij,pi,qj->ncpq", x, *map(matrix_of, maps))
    np.testing.assert_allclose(axis_map.apply(maps, x), expected, rtol=0, atol=1e-14)
    upstream = normals(expected.shape, 2, np.float64)
    back = axis_map.apply(axis_map.transposed(maps), upstream)
    np.testing.assert_allclose((back * x).sum(), (upstream * expected).sum(), rtol=1e-12)

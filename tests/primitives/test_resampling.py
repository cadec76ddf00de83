"""Interpolation, pixel shuffle and unshuffle against naive loops: values, gradients of three orders, bad input."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from math import floor
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import resampling_oracles as oracles
from tests.finite_differences import check_gradients
from tests.kernels.test_arithmetics import gradients, scalars, values
from tests.operands import (
    assert_close,
    assert_equal,
    assert_exact,
    fractions,
    integers,
    layouts,
    normals,
    tensors,
)
from tests.refusals import refused
from tests.window_cases import by_name, each


@dataclass(frozen=True)
class Interpolation:
    """The arguments of `interpolate`, and the output's size and the steps between its pixels, by hand."""

    name: str
    x: tuple
    mode: str
    size: Any = None
    scale_factor: Any = None
    align_corners: Any = None
    recompute: Any = None
    antialias: bool = False
    out: Any = None
    steps: Any = None

    def __str__(self):
        return f"{self.mode}: {self.name}"

    def __call__(self, x):
        return tg.interpolate(
            x, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute, self.antialias
        )

    @cached_property
    def naive(self):
        sizes = self.x[2:]
        out = self.out or each(self.size, len(sizes))
        steps = self.steps or [Fraction(n, m) for n, m in zip(sizes, out, strict=True)]
        options = {
            "nearest": (oracles.nearest, 0),
            "nearest-exact": (oracles.nearest, Fraction(1, 2)),
            "bicubic": (oracles.cubic, self.align_corners),
        }.get(self.mode, (oracles.linear, self.align_corners))
        if self.antialias:
            options = (oracles.smooth_linear if self.mode == "bilinear" else oracles.smooth_cubic,)
        weight, *rest = options

        def of_axis(n, m, step):
            if self.mode == "area":
                return lambda p, i: oracles.region(p, i, n, m)
            return lambda p, i: weight(p, i, n, m, step, *rest)

        return oracles.separable(self.x, out, list(map(of_axis, sizes, out, steps)))


SIZES = [
    ("twice", (2, 2, 3, 4), (6, 8)),
    ("half", (1, 2, 6, 4), (3, 2)),
    ("up by no integer", (1, 2, 3, 5), (7, 8)),
    ("down by no integer", (1, 2, 7, 8), (3, 5)),
    ("down far", (1, 1, 9, 10), (2, 3)),
    ("one axis up, one down", (1, 1, 5, 4), (3, 7)),
    ("the same size", (2, 1, 3, 4), (3, 4)),
    ("one output pixel", (1, 2, 4, 5), 1),
    ("one input pixel", (1, 2, 1, 1), (3, 2)),
    ("one of everything", (1, 1, 1, 1), 1),
    ("a row", (1, 1, 1, 5), (4, 3)),
    ("batch 0", (0, 2, 3, 4), (5, 2)),
    ("no channels", (1, 0, 3, 4), (5, 2)),
]

# The factor, the output's size and the steps of its pixels in the input
FACTORS = [
    ("factor 2", (1, 1, 3, 2), 2, (6, 4), (Fraction(1, 2),) * 2),
    ("factor 1.5 of an odd size", (1, 1, 5, 3), 1.5, (7, 4), (Fraction(2, 3),) * 2),
    ("factors", (1, 1, 4, 7), (2.25, Fraction(1, 3)), (9, 2), (Fraction(4, 9), Fraction(3))),
    ("a tenth", (1, 1, 21, 10), 0.1, (2, 1), (Fraction(10),) * 2),
    ("five sixths", (1, 1, 7, 6), 5 / 6, (5, 5), (Fraction(6, 5),) * 2),
]

CASES = [
    *(Interpolation(name, x, mode, size) for mode in ("nearest", "nearest-exact", "area") for name, x, size in SIZES),
    *(
        Interpolation(f"{name}, {'corners' if corners else 'edges'}", x, mode, size, None, corners)
        for mode in ("bilinear", "bicubic")
        for corners in (None, True)
        for name, x, size in SIZES
    ),
    *(
        Interpolation(f"{name}, antialias", x, mode, size, antialias=True)
        for mode in ("bilinear", "bicubic")
        for name, x, size in SIZES
    ),
    *(
        Interpolation(f"{name}, {mode}", x, mode, size, None, corners)
        for name, x, size in [("1d", (2, 2, 5), (7,)), ("1d down", (1, 1, 7), 3)]
        for mode, corners in [("nearest", None), ("area", None), ("linear", False), ("linear", True)]
    ),
    *(
        Interpolation(f"3d, {mode}", (1, 2, 3, 2, 4), mode, (2, 4, 5), None, corners)
        for mode, corners in [("nearest-exact", None), ("area", None), ("trilinear", False), ("trilinear", True)]
    ),
    *(
        Interpolation(
            f"{name}, {'corners' if corners else 'edges'}, {'recomputed' if recompute else 'given'}",
            x, mode, None, factor, corners, recompute, False, out, None if recompute else steps,
        )
        for mode in ("nearest", "nearest-exact", "bilinear", "bicubic")
        for corners in ((None,) if "nearest" in mode else (False, True))
        for recompute in (False, True)
        for name, x, factor, out, steps in FACTORS
    ),
]  # fmt: skip


def orders(function, linear, x):
    """The value and the gradients of the first three orders of a linear function are those of its terms, exactly."""
    dz, u, v = fractions(linear.z_shape, 2), fractions(linear.x_shape, 3), fractions(linear.z_shape, 4)
    X, dZ, U, V = tensors(x, dz, u, v)
    Z = function(X)
    assert_exact(Z, linear.value(x))
    (dX,) = tg.grad(Z, X, dZ, create_graph=True)
    assert_exact(dX, linear.gradient(dz))
    (second,) = tg.grad(dX, dZ, U, create_graph=True)
    assert_exact(second, linear.value(u))
    (third,) = tg.grad(second, U, V)
    assert_exact(third, linear.gradient(v))


@by_name(CASES)
def test_value_and_gradients_are_the_naive_ones(case):
    orders(case, case.naive, fractions(case.x, 1))


@by_name([case for case in CASES if "down by no integer" in case.name or "3d" in case.name or "a tenth" in case.name])
def test_gradients_of_first_and_second_order_are_central_differences(case):
    check_gradients(case, normals(case.x, 1))


@by_name(CASES)
def test_floats_keep_their_dtype_and_round_near_its_precision(case):
    x, dz = integers(case.x, 1), integers(case.naive.z_shape, 2)
    z, dx = case.naive.value(x), case.naive.gradient(dz)
    for dtype, tolerance in ((np.float16, 4e-3), (np.float32, 1e-6), (np.float64, 1e-14)):
        (X,) = tensors(x.astype(dtype))
        Z = case(X)
        Z.backward(dz)
        assert Z.dtype == X.grad.dtype == dtype
        assert_close(Z.numpy(), z, tolerance)
        assert_close(X.grad.numpy(), dx, tolerance)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool])
@by_name([case for case in CASES if case.align_corners is None and not case.recompute])
def test_integers_stay_integers_in_the_nearest_modes_only(case, dtype):
    x = (integers(case.x, 1) > 0).astype(dtype) * np.array(200 if dtype is not bool else 1, dtype)
    z = case(x)
    assert z.dtype == (dtype if "nearest" in case.mode else np.float64)
    assert_close(z, case.naive.value(x.astype(int)), 1e-14)


@pytest.mark.parametrize("number", [np.float32, Fraction])
def test_scalar_tensors_keep_their_numbers(number):
    """The scalar graph, every pixel a tensor of its own: a float32 times a fraction would be no float32."""
    pixels = scalars(np.array([[[number(1), number(4)]]], dtype=object))
    z = tg.interpolate(pixels, size=3, mode="linear")
    assert values(z).tolist() == [[[1, Fraction(5, 2), 4]]]
    assert {value.dtype for value in z.flat} == {pixels[0, 0, 0].dtype}
    z[0, 0, 1].backward()
    assert gradients(pixels).tolist() == [[[Fraction(1, 2), Fraction(1, 2)]]]


def test_symbols_are_weighted_exactly():
    sympy = pytest.importorskip("sympy")
    a, b = sympy.symbols("a b")
    z = tg.interpolate(np.array([[[a, b]]], dtype=object), size=4, mode="linear", align_corners=True)
    thirds = [a, 2 * a / 3 + b / 3, a / 3 + 2 * b / 3, b]
    assert [sympy.simplify(value - wanted) for value, wanted in zip(z[0, 0], thirds, strict=True)] == [0] * 4


@pytest.mark.parametrize("dtype", [np.float64, object])
@by_name([case for case in CASES if case.name.startswith(("one axis up", "the same size", "batch 0"))])
def test_memory_layout_makes_no_difference(case, dtype):
    x = integers(case.x, 1).astype(dtype)
    (X,) = tensors(x)
    Z = case(X)
    dz = integers(Z.shape, 2).astype(dtype)
    (dX,) = tg.grad(Z, X, dz)
    for name, view in layouts(x).items():
        assert_equal(case(view), Z.numpy())
        (V,) = tensors(view)
        (other,) = tg.grad(case(V), V, layouts(dz)[name])
        assert_equal(other.numpy(), dX.numpy())


@by_name([case for case in CASES if case.name.startswith("the same size")])
def test_the_operand_stays_as_it_is_and_the_result_is_the_callers_own(case):
    x = integers(case.x, 1)
    case(x)[...] = 9
    assert_equal(x, integers(case.x, 1))


def test_both_corner_conventions():
    row = np.array([[[0.0, 4.0]]])
    assert tg.interpolate(row, 4, mode="linear").tolist() == [[[0, 1, 3, 4]]]
    assert_close(tg.interpolate(row, 4, mode="linear", align_corners=True), np.array([[[0, 4, 8, 12]]]) / 3, 1e-15)


def test_one_output_pixel_with_corners_is_the_first_and_without_the_middle():
    row = np.array([[[1.0, 2.0, 5.0]]])
    assert tg.interpolate(row, 1, mode="linear", align_corners=True).tolist() == [[[1]]]
    assert tg.interpolate(row, 1, mode="linear").tolist() == [[[2]]]


def test_nearest_takes_the_floor_and_nearest_exact_the_centre():
    row = np.array([[[0, 1, 2, 3, 4]]])
    assert tg.interpolate(row, 3).tolist() == [[[0, 1, 3]]]
    assert tg.interpolate(row, 3, mode="nearest-exact").tolist() == [[[0, 2, 4]]]


def test_an_exact_coordinate_is_not_lost_to_rounding():
    """floor(41 * 2 / 82) is 1; in float32, 41 times 2 / 82 is below."""
    for n in range(1, 60):
        for m in (1, 7, 41, 82, 100):
            row = np.arange(n, dtype=np.float32).reshape(1, 1, n)
            assert tg.interpolate(row, m)[0, 0].tolist() == [p * n // m for p in range(m)]


def test_a_float_factor_stands_for_the_fraction_that_it_rounds():
    row = np.arange(70.0).reshape(1, 1, 70)
    assert tg.interpolate(row, scale_factor=0.1)[0, 0].tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert tg.interpolate(row, scale_factor=np.float32(0.5))[0, 0, 1] == 2
    tiny = tg.interpolate(np.ones((1, 1, 3)), scale_factor=1 + 1e-9)
    assert tiny.shape == (1, 1, 3)


def test_without_recomputing_the_given_factor_places_the_pixels():
    """Five pixels times 1.3 are six, and the last lies at 5.5 / 1.3 - 0.5, not at the centre of the last."""
    row = np.arange(5.0).reshape(1, 1, 5)
    given = tg.interpolate(row, scale_factor=1.3, mode="linear")
    recomputed = tg.interpolate(row, scale_factor=1.3, mode="linear", recompute_scale_factor=True)
    assert given.shape == recomputed.shape == (1, 1, 6)
    assert given[0, 0, 5] == pytest.approx(5.5 / 1.3 - 0.5, abs=1e-14)
    assert recomputed[0, 0, 5] == 4
    assert_equal(recomputed, tg.interpolate(row, 6, mode="linear"))


def test_an_image_whose_size_stays_stays_in_linear_modes_whatever_the_factor():
    row = normals((1, 1, 4), 1)
    assert_equal(tg.interpolate(row, scale_factor=1.2, mode="linear"), row)
    assert_equal(tg.interpolate(row, scale_factor=1.2), row[..., [0, 0, 1, 2]])


@pytest.mark.parametrize("factor", [1.2, 2.2])
def test_the_gradient_of_nearest_is_the_transpose_of_its_value(factor):
    """At these factors of 4 pixels the output has 4 and 8, where PyTorch's backward takes another index."""
    x = np.arange(4.0).reshape(1, 1, 4)
    check_gradients(lambda x: tg.interpolate(x, scale_factor=factor) ** 2, x)


def test_nan_and_infinity_stay_among_their_neighbours():
    row = np.array([[[1.0, np.inf, 2.0, 3.0, np.nan]]])
    assert_equal(tg.interpolate(row, 5, mode="linear"), row)
    up = tg.interpolate(row, 9, mode="linear", align_corners=True)
    assert_equal(up, np.array([[[1, np.inf, np.inf, np.inf, 2, 2.5, 3, np.nan, np.nan]]]))


def test_upsample_helpers():
    x = normals((1, 2, 3, 4), 1)
    assert_equal(tg.upsample(x, (5, 6)), tg.interpolate(x, (5, 6)))
    assert_equal(tg.upsample(x, None, 2, "bilinear", True), tg.interpolate(x, None, 2, "bilinear", True))
    assert_equal(tg.upsample_nearest(x, scale_factor=2), np.repeat(np.repeat(x, 2, 2), 2, 3))
    assert_equal(tg.upsample_bilinear(x, 7), tg.interpolate(x, 7, mode="bilinear", align_corners=True))


# Pixel shuffle

SHUFFLES = [
    ((4, 1, 1), 2),
    ((2, 12, 3, 2), 2),
    ((2, 3, 9, 2, 1), 3),
    ((1, 2, 3, 4), 1),
    ((0, 4, 2, 2), 2),
    ((2, 4, 0, 3), 2),
]


def naive_shuffle(shape, r):
    """The terms Z[c, r i + a, r j + b] = X[c r r + a r + b, i, j]."""
    *lead, channels, height, width = shape
    z_shape = (*lead, channels // r**2, height * r, width * r)
    terms = [
        ((*i[:-3], c, r * i[-2] + a, r * i[-1] + b), (*i[:-3], c * r * r + a * r + b, *i[-2:]), 1)
        for i in oracles.indices((*lead, 1, height, width))
        for c in range(channels // r**2)
        for a in range(r)
        for b in range(r)
    ]
    return oracles.Linear(shape, z_shape, terms)


@pytest.mark.parametrize(("shape", "r"), SHUFFLES)
def test_pixel_shuffle_and_unshuffle(shape, r):
    forth = naive_shuffle(shape, r)
    orders(partial(tg.pixel_shuffle, upscale_factor=r), forth, fractions(shape, 1))
    back = oracles.Linear(forth.z_shape, forth.x_shape, [(i, j, 1) for j, i, _ in forth.terms])
    orders(partial(tg.pixel_unshuffle, downscale_factor=r), back, fractions(forth.z_shape, 1))
    x = integers(shape, 1, np.uint8)
    assert_equal(tg.pixel_unshuffle(tg.pixel_shuffle(x, r), r), x)
    for view in layouts(integers(shape, 1)).values():
        assert_equal(tg.pixel_shuffle(view, r), forth.value(view).astype(float))
    tg.pixel_shuffle(x, r)[...] = 9
    tg.pixel_unshuffle(x, 1)[...] = 9
    assert_equal(x, integers(shape, 1, np.uint8))


def test_pixel_shuffle_has_the_gradients_of_central_differences():
    check_gradients(lambda x: tg.pixel_shuffle(x, 2) ** 2, normals((1, 4, 2, 3), 1))
    check_gradients(lambda x: tg.pixel_unshuffle(x, 2) ** 2, normals((1, 1, 4, 2), 1))


# Bad input

BAD = {
    "a number of axes": ({"x": (3, 4)}, ValueError, "(N, C, W) or (N, C, H, W)", "(3, 4)"),
    "a mode for other axes": ({"mode": "linear"}, ValueError, "'linear' is for x of (N, C, W)", "(2, 3, 5, 6)"),
    "trilinear": ({"mode": "trilinear"}, ValueError, "(N, C, D, H, W)", "(2, 3, 5, 6)"),
    "an unknown mode": ({"mode": "cubic"}, ValueError, "mode must be one of", "'bilinear'", "'cubic'"),
    "no size": ({"size": None}, ValueError, "either size or scale_factor"),
    "two sizes": ({"scale_factor": 2}, ValueError, "either size or scale_factor", "2"),
    "size 0": ({"size": 0}, ValueError, "size must be at least 1 but is 0"),
    "a fractional size": ({"size": 2.5}, TypeError, "size must be an integer but is 2.5"),
    "three sizes": ({"size": (2, 2, 2)}, ValueError, "size expects an integer or 2 of them", "(2, 2, 2)"),
    "no pixels": ({"x": (1, 1, 0, 3)}, ValueError, "at least one pixel", "(0, 3)"),
    "a factor of 0": ({"size": None, "scale_factor": 0}, ValueError, "scale_factor must be positive", "0"),
    "a negative factor": ({"size": None, "scale_factor": (1, -2.0)}, ValueError, "positive", "(1, -2.0)"),
    "an infinite factor": ({"size": None, "scale_factor": float("inf")}, ValueError, "finite", "inf"),
    "a factor of no number": ({"size": None, "scale_factor": float("nan")}, ValueError, "finite", "nan"),
    "a word for a factor": ({"size": None, "scale_factor": "2"}, TypeError, "a number", "'2'"),
    "a bool for a factor": ({"size": None, "scale_factor": True}, TypeError, "a number", "True"),
    "three factors": ({"size": None, "scale_factor": (2, 2, 2)}, ValueError, "a number or 2 of them", "(2, 2, 2)"),
    "a factor too small": ({"size": None, "scale_factor": 0.1}, ValueError, "leaves no pixel", "0.1", "(5, 6)"),
    "corners of nearest": ({"align_corners": True}, ValueError, "'nearest' takes no align_corners but got True"),
    "corners of area": ({"mode": "area", "align_corners": False}, ValueError, "'area' takes no align_corners"),
    "recomputing a size": ({"recompute_scale_factor": True}, ValueError, "needs a scale_factor", "(3, 4)"),
    "antialias of nearest": ({"antialias": True}, ValueError, "'bilinear' and 'bicubic'", "'nearest'"),
    "antialias with corners": (
        {"antialias": True, "mode": "bilinear", "align_corners": True}, ValueError, "without align_corners", "True",
    ),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_input_is_refused_by_name(bad):
    change, error, *texts = bad
    arguments = {"x": (2, 3, 5, 6), "size": (3, 4)} | change
    leaf = tg.tensor(integers(arguments.pop("x"), 1), requires_grad=True)
    (leaf * leaf).sum().backward()
    with refused("interpolate", error, *texts, tensors=[leaf]):
        tg.interpolate(leaf, **arguments)


BAD_SHUFFLES = [
    ("pixel_shuffle", (3, 2, 2), 2, ValueError, "a multiple of 4 channels", "(3, 2, 2)"),
    ("pixel_shuffle", (4, 2), 2, ValueError, "at least 3 axes (..., C, H, W)", "(4, 2)"),
    ("pixel_shuffle", (4, 2, 2), 0, ValueError, "upscale_factor must be at least 1 but is 0"),
    ("pixel_shuffle", (4, 2, 2), 2.0, TypeError, "upscale_factor must be an integer but is 2.0"),
    ("pixel_unshuffle", (1, 3, 2), 2, ValueError, "must divide height and width", "(1, 3, 2)"),
    ("pixel_unshuffle", (1, 2, 3), 2, ValueError, "must divide height and width", "(1, 2, 3)"),
    ("pixel_unshuffle", (2, 3), 2, ValueError, "at least 3 axes", "(2, 3)"),
    ("pixel_unshuffle", (1, 2, 2), -1, ValueError, "downscale_factor must be at least 1 but is -1"),
]


@pytest.mark.parametrize(("operation", "shape", "r", "error", "text", "came"), [(*bad, "")[:6] for bad in BAD_SHUFFLES])
def test_bad_shuffles_are_refused_by_name(operation, shape, r, error, text, came):
    leaf = tg.tensor(integers(shape, 1), requires_grad=True)
    with refused(operation, error, text, came, tensors=[leaf]):
        getattr(tg, operation)(leaf, r)


@pytest.mark.parametrize("operation", ["upsample", "upsample_nearest", "upsample_bilinear"])
def test_helpers_name_themselves(operation):
    with refused(operation, ValueError, "either size or scale_factor"):
        getattr(tg, operation)(np.ones((1, 1, 2, 2)))


def test_shapes_drawn_by_hypothesis():
    hypothesis = pytest.importorskip("hypothesis")
    st = pytest.importorskip("hypothesis.strategies")
    lengths, modes = st.integers(1, 9), st.sampled_from(["linear", "nearest"])
    factors = st.one_of(st.none(), st.fractions(Fraction(1, 4), 4, max_denominator=7))

    @hypothesis.settings(max_examples=150, deadline=None, database=None)
    @hypothesis.given(lengths, lengths, factors, st.booleans(), modes)
    def check(n, m, factor, corners, mode):
        out = m if factor is None else floor(n * factor)
        hypothesis.assume(out > 0)
        step = Fraction(n, out) if factor is None or (mode == "linear" and n == out) else 1 / factor
        case = Interpolation(
            "drawn", (1, 1, n), mode, m if factor is None else None, factor, corners if mode == "linear" else None,
            out=(out,), steps=(step,),
        )  # fmt: skip
        orders(case, case.naive, fractions(case.x, 1))

    check()

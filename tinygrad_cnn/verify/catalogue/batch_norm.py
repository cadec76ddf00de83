"""Batch normalisation in training, where mean and variance are the batch's and depend on X.

With x_hat = (X - mean) / s, s = sqrt(variance + eps), Z = gamma x_hat + beta, G = dZ gamma, and means over the values
of a channel (Ioffe and Szegedy 2015, "Batch normalization", section 3):

    dX = (G - mean(G) - x_hat mean(G x_hat)) / s      dgamma = sum(dZ x_hat)      dbeta = sum(dZ)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.backend import shape_of
from tinygrad_cnn.primitives import normalization
from tinygrad_cnn.primitives.shape import reshape
from tinygrad_cnn.verify.catalogue.chain_rule import derivative_missing, ones_like, upstream_missing
from tinygrad_cnn.verify.catalogue.operation import Case, Layout, Mistake, Operation, Shape

Inputs = Mapping[str, Any]

INPUT_NAMES = ("X", "input", "inputs", "inp", "u", "U")
SCALE_NAMES = ("gamma", "Gamma", "scale", "w", "W")
SHIFT_NAMES = ("beta", "Beta", "shift", "b", "B")
EPS_NAMES = ("epsilon", "e")

EPSILONS = (1e-5, 1e-8, 1e-3, 0.0)
"""What a forward without the argument has inside."""


def batch_norm(
    x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, of_images: bool = False, kept: bool = False
) -> Any:
    """In training, of rows (N, C) or of images (N, C, ...), with gamma and beta (C,), or (1, C, 1, ...) if `kept`.

    Raises:
        ValueError: other shapes, so that nothing else is taken for it.
    """
    if (len(shape_of(x)) > 2) is not of_images or any(
        a is not None and (len(shape_of(a)) > 1) is not kept for a in (weight, bias)
    ):
        raise ValueError("batch_norm: another arrangement of axes")
    weight, bias = (None if a is None else reshape(a, (prod(shape_of(a)),)) for a in (weight, bias))
    return normalization.batch_norm(x, None, None, weight, bias, training=True, eps=eps)


class _Normalized:
    """x_hat and what it is made of; the axes are those of one channel's values, or as they are given."""

    def __init__(
        self, inputs: Inputs, axes: Any = None, count: str = "n", deviation: str = "s", eps: bool = True
    ) -> None:
        x = inputs["x"]
        self.axes = (0, *range(2, x.ndim)) if axes is None else axes
        self.n = prod(x.shape[i] for i in self.axes)
        self.centred = x - self.mean(x)
        variance = (self.centred**2).sum(axis=self.axes, keepdims=True) / (self.n - (count == "n - 1"))
        variance = variance + (inputs["eps"] if eps else 0)
        s = np.sqrt(variance)
        self.inverse = {"s": 1 / s, "s^2": 1 / variance, "none": 1 / s**0, "multiplied": s}[deviation]
        self.x_hat = self.centred / s

    def mean(self, values: Any) -> Any:
        """Over the axes, which are kept."""
        return values.sum(axis=self.axes, keepdims=True) / self.n


def _per_channel(array: Any, x: Any) -> Any:
    """One value a channel beside x (N, C, ...)."""
    return array.reshape(-1, *(1,) * (x.ndim - 2))


def input_gradient(
    dz: Any,
    inputs: Inputs,
    *,
    mean: str = "followed",
    variance: str = "followed",
    gamma: bool = True,
    count: str = "n",
    deviation: str = "s",
    eps: bool = True,
    axes: str = "all",
    derivative: bool = True,
) -> Any:
    """dX.

    Args:
        mean, variance: "followed" back to X, or "constant".
        gamma: whether dZ is multiplied with it.
        count: what the sum of squares is divided by: "n"; "n - 1"; "n - 1 backward" only in the derivative.
        deviation: what is divided by: "s"; "s^2"; "none"; "multiplied" by s.
        eps: whether it is in s.
        axes: of the statistics: "all" of a channel; "images" or "pixels" only.
        derivative: else dZ as it is.
    """
    x = inputs["x"]
    if not derivative:
        return dz
    if axes != "all" and x.ndim == 2:
        return None
    which = {"all": None, "images": (0,), "pixels": tuple(range(2, x.ndim))}[axes]
    with np.errstate(all="ignore"):
        own = _Normalized(inputs, which, count, deviation, eps)
        weight = inputs.get("weight")
        g = dz if weight is None or not gamma else dz * _per_channel(weight, x)
        result = g
        if mean == "followed":
            result = result - own.mean(g)
        if variance == "followed":
            share = own.n / (own.n - 1) if count == "n - 1 backward" else 1
            result = result - own.x_hat * own.mean(g * own.x_hat) * share
        return result * own.inverse


SUMS: Mapping[str, Callable[[Any], Any]] = {
    "images and pixels": lambda v: v.sum(axis=(0, *range(2, v.ndim))),
    "images": lambda v: v.sum(axis=0),
    "pixels": lambda v: v.sum(axis=tuple(range(2, v.ndim))),
    "rows": lambda v: v.sum(axis=(0, *range(2, v.ndim - 1))),
    "columns": lambda v: v.sum(axis=(0, *range(3, v.ndim))),
    "channels": lambda v: v.sum(axis=1),
    "all but the first": lambda v: v.sum(axis=tuple(range(1, v.ndim))),
    "images and pixels, kept": lambda v: v.sum(axis=(0, *range(2, v.ndim)), keepdims=True),
    "images and pixels, flat": lambda v: v.sum(axis=(0, *range(2, v.ndim))),
    "all": lambda v: np.asarray(v.sum()),
    "none": lambda v: v,
}


def _collected(values: Any, shape: Shape, axes: str, images: str, divided: bool) -> Any:
    """The values summed over the axes, to a gradient of one value a channel."""
    if images != "all":
        values = values[:1] if images == "the first" else values[-1:]
    if axes == "all, repeated":
        return np.broadcast_to(values.sum(), shape)
    if axes == "images and pixels":
        total = SUMS[axes](values).reshape(shape)
        return total / (values.size // max(prod(shape), 1)) if divided else total
    return SUMS[axes](values)


def scale_gradient(
    dz: Any,
    inputs: Inputs,
    *,
    normalized: str = "x_hat",
    axes: str = "images and pixels",
    images: str = "all",
    count: str = "n",
    eps: bool = True,
    gamma: bool = False,
    divided: bool = False,
    upstream: bool = True,
) -> Any:
    """dgamma.

    Args:
        normalized: what dZ is multiplied with: "x_hat", "x", "centred", "z", "1".
        axes: one of `SUMS`, or "all, repeated".
        images: "all", "the first", "the last".
        count, eps: as for dX.
        gamma: whether dZ is multiplied with it.
        divided: by the number of values, as a mean.
        upstream: dZ; else ones.
    """
    x, weight = inputs["x"], inputs["weight"]
    if count == "n - 1 backward":
        return None
    with np.errstate(all="ignore"):
        own = _Normalized(inputs, count=count, eps=eps)
    other = {"x_hat": own.x_hat, "x": x, "centred": own.centred, "z": inputs["z"], "1": ones_like(x)}[normalized]
    dz = dz if upstream else ones_like(dz)
    return _collected(dz * other * (_per_channel(weight, x) if gamma else 1), weight.shape, axes, images, divided)


def shift_gradient(
    dz: Any,
    inputs: Inputs,
    *,
    axes: str = "images and pixels",
    images: str = "all",
    gamma: bool = False,
    divided: bool = False,
    upstream: bool = True,
) -> Any:
    """dbeta; the keywords as for dgamma."""
    x, dz = inputs["x"], dz if upstream else ones_like(dz)
    factor = _per_channel(inputs["weight"], x) if gamma and "weight" in inputs else 1
    return _collected(dz * factor, inputs["bias"].shape, axes, images, divided)


MISTAKES = (
    Mistake(
        "mean-treated-as-constant",
        "The mean was treated as a constant: it depends on every value of the batch, and its share -mean(G) is "
        "missing.",
        ("x",),
        ({"mean": "constant"},),
    ),
    Mistake(
        "variance-treated-as-constant",
        "The variance was treated as a constant: it depends on every value of the batch, and its share "
        "-x_hat mean(G x_hat) is missing.",
        ("x",),
        ({"variance": "constant"},),
    ),
    Mistake(
        "statistics-treated-as-constants",
        "Mean and variance were treated as constants: both depend on every value of the batch, and without their "
        "shares dX is only G / s.",
        ("x",),
        ({"mean": "constant", "variance": "constant"},),
    ),
    Mistake(
        "gamma-missing",
        "gamma is missing: the gradient of x_hat is G = dZ gamma.",
        ("x",),
        ({"gamma": False},),
    ),
    Mistake(
        "unbiased-variance",
        "The sum of squares was divided by n - 1: batch normalisation takes the variance of the batch itself, with n.",
        ("x", "weight"),
        ({"count": "n - 1"}, {"count": "n - 1 backward"}),
    ),
    Mistake(
        "inverse-deviation-missing",
        "The division by s = sqrt(variance + eps) is missing: dX = (G - mean(G) - x_hat mean(G x_hat)) / s.",
        ("x",),
        ({"deviation": "none"},),
    ),
    Mistake(
        "root-missing",
        "The root is missing: dX is divided by s = sqrt(variance + eps), not by the variance.",
        ("x",),
        ({"deviation": "s^2"},),
    ),
    Mistake(
        "multiplied-instead-of-divided",
        "It was multiplied with s = sqrt(variance + eps): dX is divided by s, as X - mean was.",
        ("x",),
        ({"deviation": "multiplied"},),
    ),
    Mistake(
        "eps-forgotten",
        "eps was forgotten: the forward divides by sqrt(variance + eps), and so does the backward.",
        ("x", "weight"),
        ({"eps": False},),
    ),
    derivative_missing({"derivative": False}, operands=("x",)),
    Mistake(
        "x-instead-of-normalized",
        "dZ was multiplied with something else than the normalised x_hat: gamma scales x_hat, so dgamma is the sum of "
        "dZ x_hat.",
        ("weight",),
        ({"normalized": "x"}, {"normalized": "centred"}, {"normalized": "z"}),
    ),
    Mistake(
        "operand-missing",
        "x_hat is missing: gamma scales x_hat, so dgamma = sum(dZ x_hat); the sum of dZ is dbeta.",
        ("weight",),
        ({"normalized": "1"},),
    ),
    Mistake(
        "gamma-included",
        "dZ was multiplied with gamma: that is the gradient of x_hat, and dgamma and dbeta take dZ as it comes.",
        ("weight", "bias"),
        ({"gamma": True},),
    ),
    Mistake(
        "bias-not-summed",
        "Nothing was summed: all values of a channel share one gamma and one beta, so their gradients add.",
        ("weight", "bias"),
        ({"axes": "none"},),
    ),
    Mistake(
        "bias-summed-over-too-many-axes",
        "It was summed over the channels too: each channel has a gamma and a beta of its own.",
        ("weight", "bias"),
        ({"axes": "all"}, {"axes": "all, repeated"}),
    ),
    Mistake(
        "batch-not-summed",
        "Only one sample of the batch was used: all samples are scaled and shifted by the same gamma and beta, so "
        "their gradients add.",
        ("weight", "bias"),
        ({"images": "the first"}, {"images": "the last"}),
    ),
    upstream_missing({"upstream": False, "axes": "none"}, operands=("weight",)),
    upstream_missing({"upstream": False}, {"upstream": False, "axes": "none"}, operands=("bias",)),
)

AXIS_KEPT = Mistake(
    "axis-kept",
    "The sum kept its axes: the gradient needs the shape of gamma and beta, (C,).",
    ("weight", "bias"),
    ({"axes": "images and pixels, kept"},),
)

AXES_LOST = Mistake(
    "axes-lost",
    "The sum lost its axes: the gradient needs the shape of gamma and beta, (1, C, 1, 1).",
    ("weight", "bias"),
    ({"axes": "images and pixels, flat"},),
)

OF_ROWS = (
    *MISTAKES,
    Mistake(
        "bias-summed-over-wrong-axes",
        "It was summed over the features and not over the samples: each feature has a gamma and a beta of its own.",
        ("weight", "bias"),
        ({"axes": "channels"},),
    ),
)

OF_IMAGES = (
    *MISTAKES,
    Mistake(
        "statistics-over-too-few-axes",
        "Mean and variance were taken over too few axes: a channel's statistics run over all images and all pixels.",
        ("x",),
        ({"axes": "images"}, {"axes": "pixels"}),
    ),
    Mistake(
        "bias-summed-over-too-few-axes",
        "It was summed over too few axes: all images and all pixels of a channel share one gamma and one beta.",
        ("weight", "bias"),
        tuple({"axes": axes} for axes in ("images", "pixels", "rows", "columns")),
    ),
    Mistake(
        "bias-summed-over-wrong-axes",
        "It was summed over the channels: each channel has a gamma and a beta of its own, which all images share.",
        ("weight", "bias"),
        ({"axes": "channels"}, {"axes": "all but the first"}),
    ),
    Mistake(
        "averaged-over-images-and-pixels",
        "A mean was taken over images and pixels: they share one gamma and one beta, so their gradients add.",
        ("weight", "bias"),
        ({"divided": True},),
    ),
)

FORMULAS = {
    "x": "dX = (G - mean(G) - x_hat mean(G x_hat)) / sqrt(variance + eps), with G = dZ gamma and means over a channel",
    "weight": "dgamma = the sum of dZ x_hat over a channel",
    "bias": "dbeta = the sum of dZ over a channel",
}


def _cases(shapes: tuple[Shape, ...], kept: bool) -> tuple[Case, ...]:
    """The shapes, and the last but one once more with a large eps; gamma and beta are (1, C, 1, ...) or (C,)."""
    cases = []
    for shape, options in [*((s, {}) for s in shapes), (shapes[-2], {"eps": 0.25})]:
        of_channel = (1, shape[1], *(1,) * (len(shape) - 2)) if kept else (shape[1],)
        cases.append(Case({"x": shape, "weight": of_channel, "bias": of_channel}, options))
    return tuple(cases)


ROWS = ((3, 1), (4, 1), (3, 2), (4, 3), (3, 3))
IMAGES = ((2, 1, 1, 2), (2, 2, 1, 2), (1, 2, 2, 2), (3, 2, 2, 1), (2, 2, 2, 2))

ROW_LAYOUTS = (
    Layout("a sample in each row"),
    Layout("a sample in each column", {"weight": -1, "bias": -1}, frozenset({"x", "z"})),
    Layout("one feature", {"x": 1, "weight": 1, "bias": 1, "z": 1}, frozenset({"x", "z"})),
)
IMAGE_LAYOUTS = (Layout("images"),)


def _operation(
    name: str, of_images: bool, kept: bool, layouts: tuple[Layout, ...], mistakes: tuple[Mistake, ...], eps: float
) -> Operation:
    if eps != EPSILONS[0]:
        name = f"{name}, eps {eps:g}"
    return Operation(
        name=name,
        function=partial(batch_norm, of_images=of_images, kept=kept),
        operands={"x": INPUT_NAMES, "weight": SCALE_NAMES, "bias": SHIFT_NAMES},
        options={"eps": EPS_NAMES},
        defaults={"eps": eps},
        cases=_cases(IMAGES if of_images else ROWS, kept),
        layouts=layouts,
        rules={"x": input_gradient, "weight": scale_gradient, "bias": shift_gradient},
        formulas=FORMULAS,
        mistakes=mistakes,
        is_derived=False,
    )


OPERATIONS = tuple(
    operation
    for eps in EPSILONS
    for operation in (
        _operation("batch_norm", False, False, ROW_LAYOUTS, (*OF_ROWS, AXIS_KEPT), eps),
        _operation("batch_norm of images", True, False, IMAGE_LAYOUTS, (*OF_IMAGES, AXIS_KEPT), eps),
        _operation("batch_norm of images, gamma (1, C, 1, 1)", True, True, IMAGE_LAYOUTS, (*OF_IMAGES, AXES_LOST), eps),
    )
)

"""The matrix product and the fully connected layer.

For Z = A B:  dA = dZ B^T,  dB = A^T dZ. So for Z = X W^T + b with a sample in each row, dX = dZ W, dW = dZ^T X, and
db is the sum of dZ over the samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_cnn.primitives import matmul as products
from tinygrad_cnn.verify.catalogue.chain_rule import ones_like, upstream_missing
from tinygrad_cnn.verify.catalogue.operation import Case, Layout, Mistake, Operation

Inputs = Mapping[str, Any]

FEATURE_NAMES = ("X", "input", "inputs", "inp", "A_prev", "a_prev", "features", "data")
WEIGHT_NAMES = ("W", "w", "weights", "theta", "Theta")
BIAS_NAMES = ("b", "B", "biases", "b0")

# What is made of dZ (n, m) and the other factor, for the left factor X (n, k) and for the right factor Y (k, m). The
# first of each is right.

LEFT: Mapping[str, Callable[[Any, Any], Any]] = {
    "dZ Y^T": lambda dz, y: dz @ y.T,
    "dZ Y": lambda dz, y: dz @ y,
    "dZ^T Y^T": lambda dz, y: dz.T @ y.T,
    "dZ^T Y": lambda dz, y: dz.T @ y,
    "Y dZ": lambda dz, y: y @ dz,
    "Y^T dZ": lambda dz, y: y.T @ dz,
    "Y^T dZ^T": lambda dz, y: y.T @ dz.T,
    "dZ 1": lambda dz, y: dz @ ones_like(y).T,
    "dZ": lambda dz, y: dz,
    "1 Y^T": lambda dz, y: ones_like(dz) @ y.T,
    "Y": lambda dz, y: y,
    "Y^T": lambda dz, y: y.T,
    "dZ * Y": lambda dz, y: dz * y,
    "dZ * Y^T": lambda dz, y: dz * y.T,
}

RIGHT: Mapping[str, Callable[[Any, Any], Any]] = {
    "X^T dZ": lambda dz, x: x.T @ dz,
    "X dZ": lambda dz, x: x @ dz,
    "X dZ^T": lambda dz, x: x @ dz.T,
    "X^T dZ^T": lambda dz, x: x.T @ dz.T,
    "dZ X": lambda dz, x: dz @ x,
    "dZ X^T": lambda dz, x: dz @ x.T,
    "dZ^T X^T": lambda dz, x: dz.T @ x.T,
    "1 dZ": lambda dz, x: ones_like(x).T @ dz,
    "dZ": lambda dz, x: dz,
    "dZ^T": lambda dz, x: dz.T,
    "sum of dZ": lambda dz, x: dz.sum(axis=0),
    "X^T 1": lambda dz, x: x.T @ ones_like(dz),
    "X": lambda dz, x: x,
    "X^T": lambda dz, x: x.T,
    "X * dZ": lambda dz, x: x * dz,
    "(X * dZ)^T": lambda dz, x: (x * dz).T,
    "first row of X * dZ": lambda dz, x: (x * dz)[0],
}


def left_gradient(dz: Any, inputs: Inputs, *, product: str = "dZ Y^T", outputs: str = "all") -> Any:
    """dX of Z = X Y.

    Args:
        product: one of `LEFT`.
        outputs: which of them X gets a share from: "all"; "the last" overwrites the others.
    """
    _, y, dz = _matrices(inputs["x"], inputs["y"], dz)
    if outputs == "the last":
        dz, y = dz[:, -1:], y[:, -1:]
    return _like(inputs["x"], LEFT[product](dz, y)) if product in LEFT else None


def right_gradient(dz: Any, inputs: Inputs, *, product: str = "X^T dZ", samples: str = "all") -> Any:
    """dY of Z = X Y.

    Args:
        product: one of `RIGHT`.
        samples: which rows of X are summed over: "all", "the first", "the last"; "kept apart" sums none.
    """
    x, _, dz = _matrices(inputs["x"], inputs["y"], dz)
    if samples == "kept apart":
        return x[:, :, None] * dz[:, None, :]
    if samples != "all":
        only = slice(0, 1) if samples == "the first" else slice(-1, None)
        x, dz = x[only], dz[only]
    return _like(inputs["y"], RIGHT[product](dz, x)) if product in RIGHT else None


def _matrices(x: Any, y: Any, dz: Any) -> tuple[Any, Any, Any]:
    """With the axes of size 1 that vectors lack, all samples of a layer as rows."""
    x = x[None] if x.ndim == 1 else x.reshape(-1, x.shape[-1])
    y = y[:, None] if y.ndim == 1 else y
    return x, y, dz.reshape(len(x), y.shape[1])


def _like(operand: Any, gradient: Any) -> Any:
    """The gradient of a vector, or of samples along several axes, in its shape."""
    return gradient if operand.ndim == 2 or gradient.size != operand.size else gradient.reshape(operand.shape)


def input_gradient(dz: Any, inputs: Inputs, **changes: Any) -> Any:
    """dX of Z = X W^T + b."""
    return left_gradient(dz, {"x": inputs["x"], "y": inputs["weight"].T}, **changes)


def weight_gradient(dz: Any, inputs: Inputs, **changes: Any) -> Any:
    """dW of Z = X W^T + b: W^T is the right factor."""
    gradient = right_gradient(dz, {"x": inputs["x"], "y": inputs["weight"].T}, **changes)
    return np.swapaxes(gradient, -1, -2) if gradient is not None and gradient.ndim > 1 else gradient


def bias_gradient(
    dz: Any, inputs: Inputs, *, axes: str = "samples", samples: str = "all", upstream: bool = True
) -> Any:
    """db of Z = X W^T + b.

    Args:
        axes: over which dZ is summed: "samples"; "samples, kept" with an axis of size 1; "outputs"; "all" (one number),
            "all, kept" with an axis, "all, repeated" for each output; "none".
        samples: "all", "the first", "the last".
        upstream: dZ; else ones.
    """
    dz = dz.reshape(-1, dz.shape[-1])
    dz = dz if upstream else ones_like(dz)
    if samples != "all":
        return dz[0] if samples == "the first" else dz[-1]
    if axes == "none":
        return dz
    if axes == "all, repeated":
        return np.broadcast_to(dz.sum(), inputs["bias"].shape)
    if axes == "samples, kept":
        return dz.sum(axis=0, keepdims=True)
    if axes == "all, kept":
        return np.array([dz.sum()])
    return np.asarray(dz.sum(axis={"samples": 0, "outputs": 1, "all": None}[axes]))


def _products(*names: str) -> tuple[Mapping[str, Any], ...]:
    return tuple({"product": name} for name in names)


def product_mistakes(left: str, right: str, formulas: str) -> tuple[Mistake, ...]:
    """Mistakes in the gradients of both factors, by their operands' names; `formulas` are the right ones."""
    return (
        Mistake(
            "transposed-matmul",
            "In the matrix product a factor is transposed that should not be, or the other way round, or the factors "
            f"stand in the wrong order: {formulas}.",
            (left, right),
            _products(
                "dZ Y", "dZ^T Y^T", "dZ^T Y", "Y dZ", "Y^T dZ", "Y^T dZ^T",
                "X dZ", "X dZ^T", "X^T dZ^T", "dZ X", "dZ X^T", "dZ^T X^T",
            ),
        ),
        Mistake(
            "operand-missing",
            "The other factor is missing: dZ alone was summed or handed on, but each share of the gradient is dZ times "
            f"the number that it met in the forward: {formulas}.",
            (left, right),
            _products("dZ 1", "1 dZ", "dZ", "dZ^T", "sum of dZ"),
        ),
        upstream_missing(*_products("1 Y^T", "Y", "Y^T", "X^T 1", "X", "X^T"), operands=(left, right)),
        Mistake(
            "elementwise-product",
            "dZ was multiplied entry by entry; it takes a matrix product (for one sample, the outer product): "
            f"{formulas}.",
            (left, right),
            _products("dZ * Y", "dZ * Y^T", "X * dZ", "(X * dZ)^T", "first row of X * dZ"),
        ),
        Mistake(
            "overwritten-instead-of-added",
            "The shares of the outputs overwrote each other: an input that several outputs saw sums their shares, += "
            "and not =.",
            (left,),
            ({"outputs": "the last"},),
        ),
        Mistake(
            "batch-not-summed",
            "The samples were not summed: every sample passes through the same parameters, so their gradients add.",
            (right,),
            ({"samples": "the first"}, {"samples": "the last"}, {"samples": "kept apart"}),
        ),
    )  # fmt: skip


BIAS_MISTAKES = (
    Mistake(
        "bias-not-summed",
        "dZ was not summed: one bias is added to every sample, so the gradients of all samples add.",
        ("bias",),
        ({"axes": "none"},),
    ),
    Mistake(
        "bias-summed-over-too-many-axes",
        "dZ was summed over the outputs too: each output has a bias of its own.",
        ("bias",),
        ({"axes": "all"}, {"axes": "all, kept"}, {"axes": "all, repeated"}),
    ),
    Mistake(
        "bias-summed-over-wrong-axes",
        "dZ was summed over the outputs and not over the samples: each output has a bias of its own, and all samples "
        "share it.",
        ("bias",),
        ({"axes": "outputs"},),
    ),
    Mistake(
        "axis-kept",
        "The sum kept its axis: the gradient needs the bias's own shape, one number for each output.",
        ("bias",),
        ({"axes": "samples, kept"},),
    ),
    Mistake(
        "batch-not-summed",
        "Only one sample of the batch was used: every sample passes through the same bias, so their gradients add.",
        ("bias",),
        ({"samples": "the first"}, {"samples": "the last"}),
    ),
    upstream_missing({"upstream": False}, {"upstream": False, "samples": "the first"}, operands=("bias",)),
)

OF_PRODUCT = "for Z = A B, dA = dZ B^T and dB = A^T dZ"
OF_LINEAR = (
    "for Z = X W^T + b, dX = dZ W and dW = dZ^T X (for Z = X W + b, dX = dZ W^T and dW = X^T dZ; for Z = W X + b, "
    "dX = W^T dZ and dW = dZ X^T)"
)

# (samples, features, outputs): one sample and one output for the layouts without their axes; square ones, where a wrong
# transpose is not noticed by its shape; and others.
SIZES = (
    (1, 2, 1), (1, 1, 2), (1, 2, 2), (1, 2, 3), (1, 3, 2), (2, 1, 2), (2, 2, 1), (2, 3, 1), (2, 2, 2), (4, 2, 1),
    (2, 3, 2), (3, 2, 3), (3, 2, 4), (3, 3, 3),
)  # fmt: skip


def _layout(name: str, swapped: str = "", **dropped: int) -> Layout:
    return Layout(name, dropped, frozenset(swapped.split()))


MATMUL = Operation(
    name="matmul",
    function=products.matmul,
    operands={"x": (), "y": ()},
    options={},
    defaults={},
    cases=tuple(Case({"x": (n, k), "y": (k, m)}) for n, k, m in SIZES),
    layouts=(
        _layout("A B"),
        _layout("A B^T", "y"),
        _layout("A^T B", "x"),
        _layout("B A", "x y z"),
        _layout("B^T A", "x z"),
        _layout("a row times a matrix", x=1, z=1),
        _layout("a row times a transposed matrix, or a matrix times a column", "y", x=1, z=1),
        _layout("a matrix times a column", "y z", y=1, z=1),
        _layout("a transposed matrix times a column", "x y z", y=1, z=1),
        _layout("two vectors", "y", x=1, y=1, z=2),
        _layout("the outer product of two vectors", "x", x=1, y=1),
    ),
    rules={"x": left_gradient, "y": right_gradient},
    formulas={"x": OF_PRODUCT, "y": OF_PRODUCT},
    mistakes=product_mistakes("x", "y", OF_PRODUCT),
)

LINEAR = Operation(
    name="linear",
    function=products.linear,
    operands={"x": FEATURE_NAMES, "weight": WEIGHT_NAMES, "bias": BIAS_NAMES},
    options={},
    defaults={},
    cases=tuple(Case({"x": (n, i), "weight": (o, i), "bias": (o,)}) for n, i, o in SIZES),
    layouts=(
        _layout("samples as rows, W (outputs, features)"),
        _layout("samples as rows, W (features, outputs)", "weight"),
        _layout("samples as columns, b (outputs, 1)", "x z", bias=-1),
        _layout("samples as columns, b (outputs,)", "x z"),
        _layout("samples as columns, W (features, outputs), b (outputs, 1)", "x weight z", bias=-1),
        _layout("one sample, W (outputs, features)", x=1, z=1),
        _layout("one sample, W (features, outputs)", "weight", x=1, z=1),
        _layout("samples as rows, one output", "z", weight=1, bias=1, z=1),
        _layout("samples as columns, one output", "x z", weight=1, bias=1, z=1),
        _layout("one sample, one output", x=1, weight=1, bias=1, z=2),
    ),
    rules={"x": input_gradient, "weight": weight_gradient, "bias": bias_gradient},
    formulas={"x": OF_LINEAR, "weight": OF_LINEAR, "bias": "db = the sum of dZ over the samples"},
    mistakes=product_mistakes("x", "weight", OF_LINEAR) + BIAS_MISTAKES,
)

OPERATIONS = (MATMUL, LINEAR)

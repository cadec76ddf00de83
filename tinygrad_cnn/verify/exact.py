"""Proofs in exact arithmetic: the engine's gradients of a convolution against the lecture's formulas, as fractions.

A float is a fraction, so a gradient computed from fractions has no rounding error and equality needs no tolerance. The
engine runs its own rules on them; the formulas (lecture 14) stand below as loops over indices, which share nothing with
the kernels. With Z = X (*) K + B, stride s and dilation d (on the second axis t and e), and the upstream gradient dZ:

    (1)  dK = X (*) dZ, the padded X correlated with dZ
    (2)  dB = the sum of dZ
    (3)  dX = dZ, dilated by the stride and zero-padded, correlated with K rotated by 180 degrees
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod
from numbers import Rational
from typing import Any

import numpy as np

from tinygrad_cnn import backend
from tinygrad_cnn.modes import recording
from tinygrad_cnn.primitives.arguments import Pairs, padding_pairs, per_axis, reach_of
from tinygrad_cnn.primitives.conv2d import conv2d
from tinygrad_cnn.tensor import Tensor, tensor
from tinygrad_cnn.verify.excerpt import number
from tinygrad_cnn.verify.report import Check, Report, plain
from tinygrad_cnn.walk import grad

Ints = tuple[int, ...]

_TITLE = "conv2d's backward formulas"
_FORMULAS = {
    "dX": "dilated and zero-padded dZ correlated with K rotated by 180 degrees",
    "dK": "padded X correlated with dZ",
    "dB": "sum of dZ over images and pixels",
}


def exact(array: Any) -> Any:
    """The numbers as an object array of `Fraction`, each the exact value of its float or integer.

    Raises:
        TypeError: an element that is no real number.
        ValueError: NaN or an infinity, which no fraction equals.

    >>> exact([0.5, 0.1])
    array([Fraction(1, 2), Fraction(3602879701896397, 36028797018963968)], dtype=object)
    """
    given = plain(array)
    result = np.empty(given.shape, dtype=object)
    for index in np.ndindex(given.shape):
        result[index] = _fraction(given[index], index)
    return result


def _fraction(value: Any, index: tuple[int, ...]) -> Fraction:
    if isinstance(value, np.generic):
        value = value.item()  # Python's numbers: a fraction of NumPy's integers would overflow
    try:
        # What is still NumPy's own is a longdouble.
        return Fraction(value) if isinstance(value, Rational | float) else Fraction(*value.as_integer_ratio())
    except (ValueError, OverflowError):
        raise ValueError(f"exact: no fraction equals {value} at index {index}") from None
    except (AttributeError, TypeError):
        raise TypeError(f"exact: expected real numbers but got {type(value).__name__} at index {index}") from None


def conv2d_formulas(
    x: Any,
    weight: Any,
    bias: Any,
    dz: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Report:
    """Prove that the gradients of `tg.conv2d` equal the lecture's three formulas, on these numbers, exactly.

    The rules of the engine run on fractions; the formulas are computed by loops; every entry must be equal. Then, when
    x is of a floating-point dtype, the engine's gradients in x's dtype and on x's device (a GPU where x is there)
    are held against the exact ones: the largest rounding error must be within n eps max(sum |a b|), which bounds a sum
    of n products in any order (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1).

    Args:
        x, weight, bias: the operands of `conv2d` as tensors or arrays, bias None if there is none. They stay unchanged.
        dz: the upstream gradient, of the result's shape.
        stride, padding, dilation, groups: as `conv2d`.

    Returns:
        A report with the checks "dX", "dK", "dB" and, for floats, "dX in float32" and so on. dB only with a bias.

    Raises:
        ValueError, TypeError: as `conv2d`; a dz of another shape than the result; NaN or infinities.

    >>> import tinygrad_cnn as tg
    >>> x, k = tg.tensor([[[[1, 2, 0], [0, 1, 3], [2, 1, 1]]]]), tg.tensor([[[[1, -1], [0, 2]]]])
    >>> report = tg.verify.conv2d_formulas(x, k, None, [[[[1, 0], [2, -1]]]])
    >>> report.passed, report["dK"].actual.tolist()
    (True, [[[[Fraction(0, 1), Fraction(1, 1)], [Fraction(3, 1), Fraction(2, 1)]]]])
    """
    given = {"X": x, "K": weight} if bias is None else {"X": x, "K": weight, "B": bias}
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    operands, upstream = {name: exact(array) for name, array in given.items()}, exact(dz)
    actual = _engine_gradients({name: tensor(array) for name, array in operands.items()}, tensor(upstream), options)
    expected = _formulas(operands, upstream, options)
    checks = [_proof(name, expected[name], actual[name]) for name in expected]
    dtype, device = (x.dtype, x.device) if isinstance(x, Tensor) else (backend.dtype_of(x), backend.device_of(x))
    if dtype.kind != "f":
        return Report(_TITLE, tuple(checks))
    named = operands | {"dZ": upstream}
    rounded_first = [name for name, array in named.items() if _is_rounded_in(dtype, array)]
    if rounded_first:
        note = f"not compared in {dtype}, the dtype of X, which can't hold the entries of {' and '.join(rounded_first)}"
        return Report(_TITLE, tuple(checks), (note,))

    def floats(array: Any) -> Tensor:
        return tensor(array.astype(dtype), device=device)

    rounded = _engine_gradients({name: floats(array) for name, array in operands.items()}, floats(upstream), options)
    sizes = {name: abs(array).astype(float) for name, array in operands.items()}
    magnitudes = _formulas(sizes, abs(upstream).astype(float), options)
    filters, _, *kernel = operands["K"].shape
    products = {"dX": filters // groups * prod(kernel), "dK": upstream.size // filters, "dB": upstream.size // filters}
    for name in expected:
        # The largest sum of |a b|, and a hair for the rounding of that sum itself.
        bound = products[name] * float(np.finfo(dtype).eps) * float(magnitudes[name].max(initial=0)) * (1 + 1e-6)
        checks.append(_rounding(f"{name} in {dtype}", expected[name], rounded[name], bound, dtype, device))
    return Report(_TITLE, tuple(checks))


def _is_rounded_in(dtype: Any, array: Any) -> bool:
    """Whether the dtype can't hold every fraction of the array."""
    with np.errstate(over="ignore"):
        floats = array.astype(dtype)
    return not np.isfinite(floats).all() or bool((exact(floats) != array).any())


def _engine_gradients(operands: dict[str, Tensor], dz: Tensor, options: dict[str, Any]) -> dict[str, Any]:
    """dX, dK and dB as the engine's own rules compute them, in the arithmetic and on the device of the operands."""
    for operand in operands.values():
        operand.requires_grad = True
    with recording():
        z = conv2d(operands["X"], operands["K"], operands.get("B"), **options)
        if dz.shape != z.shape:
            raise ValueError(f"conv2d_formulas: dz must have the result's shape {z.shape} but has {dz.shape}")
        gradients = grad(z, list(operands.values()), dz)
    return {f"d{name}": plain(gradient) for name, gradient in zip(operands, gradients, strict=True)}


def _proof(name: str, expected: Any, actual: Any) -> Check:
    facts = {"formula": _FORMULAS[name]}
    inexact = [value for value in actual.flat if not isinstance(value, Rational)]
    if inexact:
        message = f"the engine left exact arithmetic: {type(inexact[0]).__name__} {inexact[0]}"
        return Check(name, False, message, expected, actual, facts=facts)
    check = Check.compare(name, expected, actual, facts=facts)
    if not check.passed:
        return check
    size = expected.size
    return replace(check, message="exactly equal" if size < 2 else f"all {size} entries are exactly equal")


def _rounding(name: str, expected: Any, rounded: Any, bound: float, dtype: Any, device: str) -> Check:
    facts = {"device": device, "bound": bound}
    if not np.isfinite(rounded).all():
        message = f"not finite: {dtype} overflows"
        return Check(name, False, message, expected, rounded, tolerance=bound, facts=facts)
    check = Check.compare(name, expected, exact(rounded), bound, facts=facts)
    return replace(check, message=f"largest rounding error {number(float(check.error), 2)}") if check.passed else check


# The formulas, entry by entry


def _formulas(operands: dict[str, Any], dZ: Any, options: dict[str, Any]) -> dict[str, Any]:
    """dX, dK and dB by the formulas, on numbers of any kind."""
    X, K = operands["X"], operands["K"]
    stride, dilation = (per_axis("conv2d", name, options[name], 2) for name in ("stride", "dilation"))
    groups = options["groups"]
    padding = padding_pairs("conv2d", options["padding"], X.shape[2:], reach_of(K.shape[2:], dilation), stride)
    gradients = {
        "dX": input_gradient(dZ, K, X.shape, stride, padding, dilation, groups),
        "dK": kernel_gradient(X, dZ, K.shape, stride, padding, dilation, groups),
    }
    return gradients | {"dB": bias_gradient(dZ)} if "B" in operands else gradients


def kernel_gradient(X: Any, dZ: Any, shape: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int) -> Any:
    """Formula (1): dK[f, c, u, v] = sum over n, i, j of P[n, c, s i + d u, t j + e v] dZ[n, f, i, j].

    P is X inside its zero padding; with groups, c counts the channels of the filter's own group.
    """
    (s, t), (d, e) = stride, dilation
    N, channels, H, W = X.shape
    (top, bottom), (left, right) = padding
    P = np.zeros((N, channels, top + H + bottom, left + W + right), dtype=X.dtype)
    P[:, :, top : top + H, left : left + W] = X
    filters, C, _, _ = shape
    dK = np.zeros(shape, dtype=X.dtype)
    for f, c, u, v in np.ndindex(shape):
        own = f // (filters // groups) * C + c
        for n, i, j in np.ndindex(N, *dZ.shape[2:]):
            dK[f, c, u, v] += P[n, own, s * i + d * u, t * j + e * v] * dZ[n, f, i, j]
    return dK


def bias_gradient(dZ: Any) -> Any:
    """Formula (2): dB[f] = sum over n, i, j of dZ[n, f, i, j]."""
    dB = np.zeros(dZ.shape[1], dtype=dZ.dtype)
    for n, f, i, j in np.ndindex(dZ.shape):
        dB[f] += dZ[n, f, i, j]
    return dB


def input_gradient(dZ: Any, K: Any, shape: Ints, stride: Ints, padding: Pairs, dilation: Ints, groups: int) -> Any:
    """Formula (3): dX[n, c, a, b] = sum over f, u, v of D[n, f, a + d u, b + e v] R[f, c, u, v].

    R[f, c, u, v] = K[f, c, kH - 1 - u, kW - 1 - v] is the kernel rotated by 180 degrees. D is dZ dilated by the stride,
    with d (kH - 1) zeros above and e (kW - 1) to the left, of which the padding of X is taken off again.
    """
    (s, t), (d, e) = stride, dilation
    (top, _), (left, _) = padding
    filters, C, kH, kW = K.shape
    N, _, H, W = shape
    each = filters // groups
    above, before = d * (kH - 1), e * (kW - 1)
    _, _, rows, columns = dZ.shape
    D = np.zeros((N, filters, above + top + H + s * rows, before + left + W + t * columns), dtype=dZ.dtype)
    for i, j in np.ndindex(rows, columns):
        D[:, :, above + s * i, before + t * j] = dZ[:, :, i, j]
    D = D[:, :, top : top + above + H, left : left + before + W]
    dX = np.zeros(shape, dtype=dZ.dtype)
    for n, c, a, b in np.ndindex(shape):
        group = c // C
        for f, u, v in np.ndindex(each, kH, kW):
            f += group * each
            if dz := D[n, f, a + d * u, b + e * v]:  # most of a dilated or padded D is zeros
                dX[n, c, a, b] += dz * K[f, c % C, kH - 1 - u, kW - 1 - v]
    return dX

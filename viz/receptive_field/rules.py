"""How each primitive looks at its operands: what its result's units see, given what the operands' units see.

A rule is given a `Step` and returns what is seen of one axis of the input, or None where that can't be known. Operands
that don't depend on the input are None in the step.
"""

from __future__ import annotations

import numpy as np

from tinygrad_cnn.viz.receptive_field import place_rules, window_rules
from tinygrad_cnn.viz.receptive_field.bounds import Bounds, Seen, together
from tinygrad_cnn.viz.receptive_field.steps import (
    Rule,
    Step,
    broadcast,
    on_first_operand,
    rearranged,
    transposed,
    with_axis,
)

# At the same place


def _elementwise(step: Step) -> Seen:
    return together([broadcast(seen, shape, step.shape) for seen, shape in step.dependent])


# Over axes


def _axes(step: Step) -> tuple[int, ...]:
    axis, n = step.options["axis"], len(step.shapes[0])
    if axis is None:
        return tuple(range(n))
    return tuple(i % n for i in (axis if isinstance(axis, tuple) else (axis,)))


def _reduced(step: Step, seen: Seen) -> Seen:
    return seen.hull(_axes(step), keepdims=len(step.shape) == len(step.shapes[0]))


def _normalized(step: Step, seen: Seen) -> Seen:
    """Every unit is computed from all along the axes."""
    return seen.hull(_axes(step))


def _accumulated(step: Step, seen: Seen) -> Seen:
    """Every unit is computed from those before it along an axis."""
    (axis,) = _axes(step)

    def accumulate(bounds: Bounds) -> Bounds:
        bounds = bounds.expanded(axis, step.shape[axis])
        low, high = np.minimum.accumulate(bounds.low, axis), np.maximum.accumulate(bounds.high, axis)
        return Bounds(low, high).compact()

    if seen.pattern is None or seen.pattern.axis == axis:
        return Seen(accumulate(seen.exact), None)
    return Seen(accumulate(seen.exact), seen.pattern.map(accumulate))


# Products


def _linear(step: Step, seen: Seen) -> Seen:
    return seen.hull([len(step.shapes[0]) - 1])


def _multiplied(step: Step) -> Seen:
    parts = []
    for seen, shape, axis in zip(step.operands, step.shapes, (-1, -2), strict=True):
        if seen is not None:
            summed = len(shape) + axis
            kept = (*shape[:summed], 1, *shape[summed + 1 :])
            parts.append(broadcast(seen.hull([summed]), kept, step.shape))
    return together(parts)


def _summed_over_letters(step: Step) -> Seen:
    inputs, _, result = step.options["equation"].partition("->")
    parts = []
    for seen, letters, shape in zip(step.operands, inputs.split(","), step.shapes, strict=True):
        if seen is not None:
            seen = seen.hull([i for i, letter in enumerate(letters) if letter not in result], keepdims=False)
            sizes = dict(zip(letters, shape, strict=True))
            letters = "".join(letter for letter in letters if letter in result)
            order = sorted(range(len(letters)), key=lambda i, letters=letters: result.index(letters[i]))  # type: ignore[misc]
            seen = transposed(seen, order)
            for i, letter in enumerate(result):
                if letter not in letters:
                    seen = with_axis(seen, i)
            parts.append(broadcast(seen, [sizes.get(letter, 1) for letter in result], step.shape))
    return together(parts)


ELEMENTWISE = frozenset({
    "abs", "add", "affine", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh",
    "bce_with_logits", "bounded", "broadcast_to", "cast", "cbrt", "ceil", "cos", "cosh", "divide", "dropout", "elu",
    "erf", "exp", "exp2", "expm1", "first_is_larger", "first_is_smaller", "floor", "floor_divide", "fmod", "gated",
    "hardtanh", "hypot", "isfinite", "isinf", "isnan", "leaky_relu", "log", "log10", "log1p", "log2", "logaddexp",
    "logical_and", "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "multiply", "nearly_normal_cdf",
    "negative", "normal_cdf", "power", "prelu", "reciprocal", "relu", "remainder", "round", "sigmoid", "sign", "sin",
    "sinh", "softplus", "softsign", "sqrt", "square", "subtract", "tan", "tanh", "tanhshrink", "transfer", "trunc",
    "where",
})  # fmt: skip

REDUCTIONS = ("all", "any", "logsumexp", "max", "mean", "min", "norm_over", "prod", "std", "sum", "var")

NORMALIZATIONS = (
    "deviations", "inverse_deviation", "log_softmax", "normalization", "scaled_normalization", "softmax",
)  # fmt: skip

RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(REDUCTIONS, on_first_operand(_reduced)),
    **dict.fromkeys(NORMALIZATIONS, on_first_operand(_normalized)),
    "sum_of_rows": on_first_operand(lambda _, seen: seen.hull([0], keepdims=False)),
    "cross_entropy": on_first_operand(lambda step, seen: seen.hull([len(step.shapes[0]) - 1], keepdims=False)),
    **dict.fromkeys(
        ["mean_cross_entropy", "total_cross_entropy"],
        on_first_operand(lambda step, seen: seen.hull(range(len(step.shapes[0])), keepdims=False)),
    ),
    **dict.fromkeys(["cumsum", "cumprod"], on_first_operand(_accumulated)),
    "correlation": on_first_operand(window_rules.correlation),
    "transposed_convolution": on_first_operand(window_rules.transposed_convolution),
    **dict.fromkeys(
        ["max_of_windows", "max_of_windows_split", "mean_of_windows"], on_first_operand(window_rules.pooling)
    ),
    "unfold_windows": on_first_operand(window_rules.windows_unfolded),
    "fold_windows": on_first_operand(window_rules.windows_folded),
    "unfold": on_first_operand(window_rules.columns),
    "fold": on_first_operand(window_rules.columns_folded),
    "window_sum": on_first_operand(window_rules.sum_of_neighbours),
    "resample": on_first_operand(window_rules.linear_maps),
    "mean_of_regions": on_first_operand(window_rules.pooling_of_regions),
    **dict.fromkeys(["max_of_regions", "max_of_regions_split"], on_first_operand(window_rules.pooling_by_table)),
    "pad": on_first_operand(place_rules.padding),
    "linear": on_first_operand(_linear),
    "matmul": _multiplied,
    "einsum": _summed_over_letters,
    "reshape": on_first_operand(lambda step, seen: rearranged(seen, step.shapes[0], step.shape)),
    "transpose": on_first_operand(lambda step, seen: transposed(seen, step.options["axes"])),
    "concatenate": place_rules.concatenation,
    "roll": on_first_operand(place_rules.roll),
    "flip": on_first_operand(place_rules.flip),
    "getitem": on_first_operand(place_rules.index),
    "scatter": on_first_operand(place_rules.scatter),
    "pixel_shuffle": on_first_operand(place_rules.pixel_shuffle),
    "pixel_unshuffle": on_first_operand(place_rules.pixel_unshuffle),
}
"""By the primitive's name. What is not here is not known: pixels put where the values say, gradients, and primitives
of the user's own."""

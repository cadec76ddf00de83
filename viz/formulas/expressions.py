"""The formulas as expressions of Python: from them the lines are made, and they are what the tests evaluate.

z is the result and dz the upstream gradient (g where an operand is called dz). What has no sign in mathematics is a
function that is told in words, `WORDS`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Expressions:
    """What an operation computes, each operand's gradient, and what other letters in these stand for."""

    forward: str
    backward: dict[str, str]
    where: dict[str, str]


def _rules(forward: str, /, where: dict[str, str] | None = None, **backward: str) -> Expressions:
    return Expressions(forward, backward, where or {})


OPTIONAL = frozenset({"bias", "shift"})
"""Operands that may be left out, and their terms with them."""

_UPSTREAM = {"g": "upstream()"}

EXPRESSIONS: dict[str, Expressions] = {
    # elementwise
    "add": _rules("x + y", x="dz", y="dz"),
    "subtract": _rules("x - y", x="dz", y="-dz"),
    "multiply": _rules("x * y", x="dz * y", y="dz * x"),
    "divide": _rules("x / y", x="dz / y", y="-dz * x / y**2"),
    "power": _rules(
        "x**y",
        x="where(y != 0, dz * y * x**(y - 1), 0)",
        y="where((x == 0) & (y > 0), 0, dz * z * log(x))",
    ),
    "negative": _rules("-x", x="-dz"),
    "abs": _rules("abs(x)", x="where(x > 0, dz, where(x < 0, -dz, 0))"),
    "square": _rules("x**2", x="2 * dz * x"),
    "reciprocal": _rules("1 / x", x="-dz / x**2"),
    "exp": _rules("exp(x)", x="dz * z"),
    "exp2": _rules("2**x", x="dz * z * log(2)"),
    "expm1": _rules("exp(x) - 1", x="dz * exp(x)"),
    "log": _rules("log(x)", x="dz / x"),
    "log2": _rules("log2(x)", x="dz / (x * log(2))"),
    "log10": _rules("log10(x)", x="dz / (x * log(10))"),
    "log1p": _rules("log(1 + x)", x="dz / (1 + x)"),
    "logaddexp": _rules("log(exp(x) + exp(y))", x="dz * sigmoid(x - y)", y="dz * sigmoid(y - x)"),
    "sqrt": _rules("sqrt(x)", x="dz / (2 * z)"),
    "cbrt": _rules("cbrt(x)", x="dz / (3 * z**2)"),
    "hypot": _rules(
        "sqrt(x**2 + y**2)", x="where(z != 0, dz * x / z, 0)", y="where(z != 0, dz * y / z, 0)"
    ),
    "tanh": _rules("tanh(x)", x="dz * (1 - z**2)"),
    "sigmoid": _rules("1 / (1 + exp(-x))", x="dz * z * (1 - z)"),
    "sign": _rules("where(x > 0, 1, where(x < 0, -1, 0))"),
    "relu": _rules("maximum(x, 0)", x="where(x > 0, dz, 0)"),
    "where": _rules("where(condition, x, y)", x="where(condition, dz, 0)", y="where(condition, 0, dz)"),
    # trigonometric
    "sin": _rules("sin(x)", x="dz * cos(x)"),
    "cos": _rules("cos(x)", x="-dz * sin(x)"),
    "tan": _rules("tan(x)", x="dz * (1 + z**2)"),
    "arcsin": _rules("arcsin(x)", x="dz / sqrt(1 - x**2)"),
    "arccos": _rules("arccos(x)", x="-dz / sqrt(1 - x**2)"),
    "arctan": _rules("arctan(x)", x="dz / (1 + x**2)"),
    "arctan2": _rules(
        "angle(x, y)",
        y="where((x == 0) & (y == 0), 0, dz * x / (x**2 + y**2))",
        x="where((x == 0) & (y == 0), 0, -dz * y / (x**2 + y**2))",
    ),
    "sinh": _rules("(exp(x) - exp(-x)) / 2", x="dz * cosh(x)"),
    "cosh": _rules("(exp(x) + exp(-x)) / 2", x="dz * sinh(x)"),
    "arcsinh": _rules("arcsinh(x)", x="dz / sqrt(1 + x**2)"),
    "arccosh": _rules("arccosh(x)", x="dz / sqrt(x**2 - 1)"),
    "arctanh": _rules("arctanh(x)", x="dz / (1 - x**2)"),
    # piecewise
    "maximum": _rules(
        "maximum(x, y)",
        x="where(x > y, dz, where(x == y, dz / 2, 0)) if ties == 'split' else where(x >= y, dz, 0)",
        y="where(x < y, dz, where(x == y, dz / 2, 0)) if ties == 'split' else where(x < y, dz, 0)",
    ),
    "minimum": _rules(
        "minimum(x, y)",
        x="where(x < y, dz, where(x == y, dz / 2, 0)) if ties == 'split' else where(x <= y, dz, 0)",
        y="where(x > y, dz, where(x == y, dz / 2, 0)) if ties == 'split' else where(x > y, dz, 0)",
    ),
    "first_is_larger": _rules("whether(x >= y)"),
    "first_is_smaller": _rules("whether(x <= y)"),
    "floor": _rules("floor(x)"),
    "ceil": _rules("ceil(x)"),
    "trunc": _rules("trunc(x)"),
    "round": _rules("round(x, decimals)"),
    "floor_divide": _rules("floor(x / y)"),
    "remainder": _rules("x - y * floor(x / y)", x="dz", y="-dz * floor(x / y)"),
    "fmod": _rules("x - y * trunc(x / y)", x="dz", y="-dz * trunc(x / y)"),
    # logic and searching
    "isnan": _rules("whether(isnan(x))"),
    "isinf": _rules("whether(isinf(x))"),
    "isfinite": _rules("whether(isfinite(x))"),
    "logical_and": _rules("whether((x != 0) & (y != 0))"),
    "logical_or": _rules("whether((x != 0) | (y != 0))"),
    "logical_xor": _rules("whether(exactly_one(x != 0, y != 0))"),
    "logical_not": _rules("whether(x == 0)"),
    "argmax": _rules("argmax(x)"),
    "argmin": _rules("argmin(x)"),
    "any": _rules("whether(any_of(x != 0))"),
    "all": _rules("whether(all_of(x != 0))"),
    # activations
    "bounded": _rules("maximum(minimum(x, bound), -bound)", x="dz"),
    "gated": _rules("x * gate", x="dz * gate", gate="dz * x"),
    "leaky_relu": _rules("where(x > 0, x, negative_slope * x)", x="where(x > 0, dz, negative_slope * dz)"),
    "prelu": _rules(
        "where(x > 0, x, weight * x)",
        x="where(x > 0, dz, weight * dz)",
        weight="sum_shared(where(x > 0, 0, dz * x))",
    ),
    "elu": _rules(
        "where(x > 0, x, alpha * (exp(x / width) - 1))", x="where(x > 0, dz, alpha / width * dz * exp(x / width))"
    ),
    "erf": _rules("erf(x)", x="2 * dz * exp(-x**2) / sqrt(pi)"),
    "normal_cdf": _rules("(1 + erf(x / sqrt(2))) / 2", x="dz * exp(-x**2 / 2) / sqrt(2 * pi)"),
    "nearly_normal_cdf": _rules(
        "sigmoid(2 * u)",
        x="2 * dz * z * (1 - z) * sqrt(2 / pi) * (1 + 0.134145 * x**2)",
        where={"u": "sqrt(2 / pi) * (x + 0.044715 * x**3)"},
    ),
    "softplus": _rules("log(1 + exp(beta * x)) / beta", x="dz * sigmoid(beta * x)"),
    "softsign": _rules("x / (1 + abs(x))", x="dz / (1 + abs(x))**2"),
    "tanhshrink": _rules("x - tanh(x)", x="dz * tanh(x)**2"),
    "hardtanh": _rules(
        "minimum(maximum(x, min_val), max_val)", x="where((x > min_val) & (x < max_val), dz, 0)"
    ),
    "dropout": _rules("where(kept, scale * x, 0)", x="where(kept, scale * dz, 0)"),
    # reduction, norm and products
    "sum": _rules("sum(x)", x="dz"),
    "mean": _rules("sum(x) / n", x="dz / n", where={"n": "terms(x)"}),
    "deviations": _rules("x - mean(x)", x="dz - mean(dz)"),
    "var": _rules(
        "sum((x - mean(x))**2) / (n - ddof)", x="2 * dz * (x - mean(x)) / (n - ddof)", where={"n": "terms(x)"}
    ),
    "std": _rules(
        "sqrt(sum((x - mean(x))**2) / (n - ddof))",
        x="where(z != 0, dz * (x - mean(x)) / ((n - ddof) * z), 0)",
        where={"n": "terms(x)"},
    ),
    "max": _rules(
        "max(x)",
        x="where(x == z, dz / count(x == z), 0) if ties == 'split' else at_first(x == z, dz)",
    ),
    "min": _rules(
        "min(x)",
        x="where(x == z, dz / count(x == z), 0) if ties == 'split' else at_first(x == z, dz)",
    ),
    "norm_over": _rules(
        "sum(abs(x)**p)**(1 / p)", x="where(x != 0, dz * sign(x) * (abs(x) / z)**(p - 1), 0)"
    ),
    "prod": _rules("prod(x)", x="dz * product_of_others(x)"),
    "cumsum": _rules("running_sum(x)", x="running_sum_from_end(dz)"),
    "cumprod": _rules("running_product(x)", x="sum_from_here(dz, x)"),
    # matmul and einsum
    "matmul": _rules("x @ y", x="dz @ y.mT", y="x.mT @ dz"),
    "linear": _rules(
        "x @ weight.mT + bias", x="dz @ weight", weight="dz.mT @ x", bias="sum_of_samples(dz)"
    ),
    "sum_of_rows": _rules("sum_of_samples(x)", x="dz"),
    "einsum": _rules("contracted(x * y, 'z')", x="contracted(dz * y, 'x')", y="contracted(x * dz, 'y')"),
    # conv2d and conv_transpose
    "correlation": _rules(
        "correlate(x, weight) + bias",
        x="correlate_filters(padded(dilated(dz, stride)), rot180(weight))",
        weight="correlate_images(x, dilated(dz, stride))",
        bias="sum_of_pixels(dz)",
    ),
    "full_correlation": _rules(
        "correlate_filters(padded(dilated(dz, stride)), rotated)",
        dz="correlate(g, rot180(rotated))",
        rotated="rot180(correlate_images(g, dilated(dz, stride)))",
        where=_UPSTREAM,
    ),
    "kernel_correlation": _rules(
        "correlate_images(x, dilated(dz, stride))",
        x="correlate_filters(padded(dilated(dz, stride)), rot180(g))",
        dz="correlate(x, g)",
        where=_UPSTREAM,
    ),
    "transposed_convolution": _rules(
        "stamped(x, weight, stride) + bias",
        x="correlate(dz, weight)",
        weight="correlate_images(dz, dilated(x, stride))",
        bias="sum_of_pixels(dz)",
    ),
    # maxpool, adaptive_pool, unfold and pixels
    "max_of_windows": _rules("largest(x, 'window')", x="to_first_winners(dz, 'window')"),
    "max_of_windows_split": _rules("largest(x, 'window')", x="to_all_winners(dz, 'window')"),
    "indices_of_winners": _rules("indices_of_winners(x, 'window')"),
    "give_to_winners": _rules("to_first_winners(dz, 'window')", dz="at_first_winners(g, 'window')", where=_UPSTREAM),
    "take_winners": _rules("at_first_winners(x, 'window')", x="to_first_winners(dz, 'window')"),
    "mean_of_windows": _rules("mean_of_windows(x)", x="shared_in_windows(dz)"),
    "share_among_windows": _rules("shared_in_windows(dz)", dz="mean_of_windows(g)", where=_UPSTREAM),
    "unfold_windows": _rules("windows(x)", x="put_back(dz)"),
    "fold_windows": _rules("put_back(v)", v="windows(dz)"),
    "unfold": _rules("columns_of_windows(x)", x="put_back(dz)"),
    "fold": _rules("put_back(columns)", columns="columns_of_windows(dz)"),
    "mean_of_regions": _rules("mean_of_regions(x)", x="shared_in_regions(dz)"),
    "share_among_regions": _rules("shared_in_regions(dz)", dz="mean_of_regions(g)", where=_UPSTREAM),
    "max_of_regions": _rules("largest(x, 'region')", x="to_first_winners(dz, 'region')"),
    "max_of_regions_split": _rules("largest(x, 'region')", x="to_all_winners(dz, 'region')"),
    "take_pixels": _rules("at_indices(x)", x="added_at_indices(dz)"),
    "put_pixels": _rules("added_at_indices(dz)", dz="at_indices(g)", where=_UPSTREAM),
    "resample": _rules("weighted(x)", x="shared_by_weight(dz)"),
    "pixel_shuffle": _rules("shuffled(x, r)", x="unshuffled(dz, r)"),
    "pixel_unshuffle": _rules("unshuffled(x, r)", x="shuffled(dz, r)"),
    # normalization
    "normalization": _rules(
        "(x - mean(x)) / σ", x="(dz - mean(dz) - z * mean(dz * z)) / σ", where={"σ": "sqrt(var(x) + eps)"}
    ),
    "scaled_normalization": _rules(
        "weight * u + bias",
        x="(g - mean(g) - u * mean(g * u)) / σ",
        weight="sum_shared(dz * u)",
        bias="sum_shared(dz)",
        where={"u": "(x - mean(x)) / σ", "g": "weight * dz", "σ": "sqrt(var(x) + eps)"},
    ),
    "inverse_deviation": _rules(
        "1 / sqrt(var(x) + eps)", x="-dz * z**3 * (x - mean(x)) / n", where={"n": "terms(x)"}
    ),
    "affine": _rules(
        "scale * (x - mean) + shift",
        x="scale * dz",
        scale="sum_shared(dz * (x - mean))",
        shift="sum_shared(dz)",
    ),
    "window_sum": _rules("sum_of_channels(x, before, after)", x="sum_of_channels(dz, after, before)"),
    # softmax and loss
    "softmax": _rules("exp(x) / sum(exp(x))", x="z * (dz - sum(dz * z))"),
    "log_softmax": _rules("x - log(sum(exp(x)))", x="dz - exp(z) * sum(dz)"),
    "logsumexp": _rules("log(sum(exp(x)))", x="dz * softmax(x)"),
    "onehot": _rules("onehot(labels)"),
    "cross_entropy": _rules(
        "-sum(t * log(softmax(x)))", x="dz * (sum(t) * softmax(x) - t)", where={"t": "one_hot(target)"}
    ),
    "total_cross_entropy": _rules(
        "-total(t * log(softmax(x))) / norm",
        x="dz * (sum(t) * softmax(x) - t) / norm",
        where={"t": "one_hot(target)"},
    ),
    "mean_cross_entropy": _rules(
        "-total(t * log(softmax(x))) / n",
        x="dz * (softmax(x) - t) / n",
        where={"t": "one_hot(target)", "n": "samples(target)"},
    ),
    "bce_with_logits": _rules(
        "pos_weight * target * softplus(-x) + (1 - target) * softplus(x)",
        x="dz * ((1 - target) * sigmoid(x) - pos_weight * target * sigmoid(-x))",
        target="dz * (pos_weight * softplus(-x) - softplus(x))",
        pos_weight="dz * target * softplus(-x)",
    ),
    # shape, joining and padding
    "reshape": _rules("reshaped(x)", x="in_shape_of(dz, x)"),
    "transpose": _rules("with_axes_moved(x)", x="with_axes_back(dz)"),
    "broadcast_to": _rules("repeated(x)", x="sum_of_repetitions(dz)"),
    "getitem": _rules("x[index]", x="added_at(dz, index)"),
    "scatter": _rules("added_at(dz, index)", dz="g[index]", where=_UPSTREAM),
    "concatenate": _rules("joined(xs)", xs="own_part(dz)"),
    "flip": _rules("reversed(x)", x="reversed(dz)"),
    "roll": _rules("rolled(x, shift)", x="rolled(dz, -shift)"),
    "pad": _rules(
        "bordered(x, value) if mode == 'zeros' else continued(x)",
        x="inside(dz) if mode == 'zeros' else folded_back(dz)",
    ),
    "unpad": _rules(
        "inside(dz) if mode == 'zeros' else folded_back(dz)",
        dz="bordered(g, 0) if mode == 'zeros' else continued(g)",
        where=_UPSTREAM,
    ),
    "cast": _rules("of_dtype(x)", x="of_dtype_of(dz, x)"),
    "transfer": _rules("on_device(x)", x="on_device_of(dz, x)"),
    # the expansion into scalars
    "identity": _rules("x", x="dz"),
    "exact_sqrt": _rules("sqrt(x)", x="dz / (2 * z)"),
}
"""The expressions of every operation, by the engine's name of it, family by family as in `tinygrad_cnn.primitives`."""

WORDS = {
    "upstream": "the upstream gradient",
    "whether": "whether {}",
    "isnan": "{} is NaN",
    "isinf": "{} is infinite",
    "isfinite": "{} is finite",
    "exactly_one": "exactly one of {} and {}",
    "any_of": "any {}",
    "all_of": "all {}",
    "angle": "the angle of the point ({}, {})",
    "terms": "the number of elements of x in each z",
    "samples": "the number of samples",
    "at_first": "{1} at the first {0}, else 0",
    "product_of_others": "Π of the other elements",
    "running_sum": "running sum of {} along the axis",
    "running_sum_from_end": "running sum of {} along the axis, from its end",
    "running_product": "running product of {} along the axis",
    "sum_from_here": "Σ {} (Π of the other {} in z) from here to the end of the axis",
    "sum_of_samples": "Σ {} over the samples",
    "contracted": "Σ {} over the letters that {} lacks",
    "correlate": "{} ⋆ {}",
    "correlate_filters": "{} ⋆ {}",
    "correlate_images": "{} ⋆ {}",
    "padded": "{}, zero-padded",
    "dilated": "{} dilated by {}",
    "sum_of_pixels": "Σ {} over images and pixels",
    "stamped": "Σ of stamps {}[i] {}, {} apart",
    "largest": "the largest {} of each {}",
    "to_first_winners": "each {} to the first maximum of its {}, added up",
    "to_all_winners": "each {} in equal shares to all maxima of its {}, added up",
    "at_first_winners": "{} at the first maximum of each {}",
    "indices_of_winners": "the index of the first maximum {} of each {}",
    "windows": "every window of {}",
    "columns_of_windows": "every window of {} as a column",
    "put_back": "{}, every entry added where its window took it",
    "mean_of_windows": "the mean of {} over each window",
    "shared_in_windows": "each {} in equal shares to all elements of its window, added up",
    "mean_of_regions": "the mean of {} over each region",
    "shared_in_regions": "each {} in equal shares to all elements of its region, added up",
    "at_indices": "{} at the indices of its plane",
    "added_at_indices": "each {} added at its index, into zeros",
    "weighted": "weighted sums of {} along each axis",
    "shared_by_weight": "each {} times its weights to the elements it was made from, added up",
    "shuffled": "{0} with every {1}² channels as blocks of {1} × {1} pixels",
    "unshuffled": "{0} with every block of {1} × {1} pixels as channels",
    "sum_of_channels": "Σ {0} over channels c − {1} to c + {2}",
    "one_hot": "{}, one-hot where it holds labels",
    "reshaped": "{} in another shape",
    "in_shape_of": "{} in the shape of {}",
    "with_axes_moved": "{} with its axes in another order",
    "with_axes_back": "{} with its axes in the old order",
    "repeated": "{} repeated to the shape",
    "sum_of_repetitions": "Σ {} over the repetitions",
    "added_at": "{} added at [{}], into zeros",
    "joined": "{} joined along the axis",
    "own_part": "the part of {} that each became",
    "reversed": "{} in reverse along the axis",
    "rolled": "{} moved on by {} along the axis",
    "bordered": "{} in a border of {}",
    "continued": "{} continued into a border",
    "inside": "{} without its border",
    "folded_back": "{} with the border added to the elements it repeats",
    "of_dtype": "{} in another dtype",
    "of_dtype_of": "{} in the dtype of {}",
    "on_device": "{} on another device",
    "on_device_of": "{} on the device of {}",
}
"""The functions that have no sign, as templates of what they are called."""

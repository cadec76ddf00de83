"""What the randomised run draws.

For each family a function of (rng, limit) gives an operation, the same in PyTorch (or None), operands and options;
`limit` bounds every size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_cnn as tg

Drawn = tuple[Any, ...]  # ours, theirs, operands, options
FAMILIES: dict[str, Callable[[Any, int], Drawn]] = {}


def family(name: str) -> Callable[[Callable[..., Drawn]], Callable[..., Drawn]]:
    """Register a family under its name."""

    def register(draw: Callable[..., Drawn]) -> Callable[..., Drawn]:
        FAMILIES[name] = draw
        return draw

    return register


def torch_function(name: str) -> Any:
    """torch.nn.functional's function, looked up when it is called, since PyTorch may not be there."""

    def call(*operands: Any, **options: Any) -> Any:
        from torch.nn import functional

        return getattr(functional, name)(*operands, **options)

    return call


def integers(rng: Any, *shape: int) -> Any:
    """Small integers in float64, tied often."""
    return rng.integers(-4, 5, shape).astype(np.float64)


def distinct(rng: Any, *shape: int) -> Any:
    """Numbers of which no two are equal."""
    return (rng.permutation(int(np.prod(shape))).reshape(shape) - np.prod(shape) / 2 + 0.25).astype(np.float64)


def sizes(rng: Any, n: int, limit: int, least: int = 1) -> tuple[int, ...]:
    """n sizes up to the limit."""
    return tuple(int(i) for i in rng.integers(least, max(limit, least) + 1, n))


def pick(rng: Any, *choices: Any) -> Any:
    """One of the choices."""
    return choices[rng.integers(len(choices))]


# Convolutions


def _convolution(n: int) -> Callable[[Any, int], Drawn]:
    def draw(rng: Any, limit: int) -> Drawn:
        batch, groups = sizes(rng, 2, min(limit, 3))
        channels, filters = (groups * s for s in sizes(rng, 2, min(limit, 3)))
        size = sizes(rng, n, limit)
        stride, dilation = sizes(rng, n, 3), sizes(rng, n, 2)
        padding = tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (n, 2)))
        kernel = tuple(
            int(rng.integers(1, (m + a + b - 1) // d + 2))
            for m, (a, b), d in zip(size, padding, dilation, strict=True)
        )
        kernel = tuple(min(k, 4) for k in kernel)
        operands = [
            integers(rng, batch, channels, *size),
            integers(rng, filters, channels // groups, *kernel),
            integers(rng, filters),
        ]
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return getattr(tg, f"conv{n}d"), _padded_torch(f"conv{n}d"), operands, options

    return draw


def _padded_torch(name: str) -> Any:
    def call(x: Any, weight: Any, bias: Any, padding: Any, padding_mode: str = "zeros", **options: Any) -> Any:
        flat = [p for pair in reversed(padding) for p in pair]
        mode = "constant" if padding_mode == "zeros" else padding_mode
        return torch_function(name)(torch_function("pad")(x, flat, mode=mode), weight, bias, **options)

    return call


def _padding_mode(n: int) -> Callable[[Any, int], Drawn]:
    def draw(rng: Any, limit: int) -> Drawn:
        mode = pick(rng, "reflect", "replicate", "circular", "symmetric")
        size = sizes(rng, n, limit + 1, 2)
        padding = tuple(tuple(int(p) for p in rng.integers(0, m, 2)) for m in size)
        kernel = tuple(int(rng.integers(1, min(3, m) + 1)) for m in size)
        operands = [integers(rng, 2, 2, *size), integers(rng, 2, 2, *kernel), integers(rng, 2)]
        theirs = None if mode == "symmetric" else _padded_torch(f"conv{n}d")
        return getattr(tg, f"conv{n}d"), theirs, operands, {"padding": padding, "padding_mode": mode}

    return draw


def _conv_transpose(n: int) -> Callable[[Any, int], Drawn]:
    def draw(rng: Any, limit: int) -> Drawn:
        batch, groups = sizes(rng, 2, min(limit, 3))
        channels, per_group = groups * sizes(rng, 1, 3)[0], sizes(rng, 1, 3)[0]
        size, kernel = sizes(rng, n, min(limit, 5)), sizes(rng, n, min(limit, 4))
        stride, dilation = sizes(rng, n, 3), sizes(rng, n, 2)
        reach = [(m - 1) * s + d * (k - 1) + 1 for m, s, d, k in zip(size, stride, dilation, kernel, strict=True)]
        padding = tuple(int(rng.integers(0, (r - 1) // 2 + 1)) for r in reach)
        extra = tuple(int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True))
        operands = [
            integers(rng, batch, channels, *size),
            integers(rng, channels, per_group, *kernel),
            integers(rng, per_group * groups),
        ]
        options = {
            "stride": stride, "padding": padding, "output_padding": extra, "groups": groups, "dilation": dilation,
        }  # fmt: skip
        return getattr(tg, f"conv_transpose{n}d"), torch_function(f"conv_transpose{n}d"), operands, options

    return draw


for _n in (1, 2, 3):
    FAMILIES[f"conv{_n}d"] = _convolution(_n)
    FAMILIES[f"conv{_n}d padding_mode"] = _padding_mode(_n)
    FAMILIES[f"conv_transpose{_n}d"] = _conv_transpose(_n)


# Pooling


def _windows(rng: Any, n: int, limit: int) -> tuple[tuple[int, ...], dict[str, Any]]:
    """A size, and windows on it that PyTorch takes too."""
    kernel = sizes(rng, n, min(limit, 3))
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
    size = tuple(max(m, k) for m, k in zip(sizes(rng, n, limit), kernel, strict=True))
    stride, ceil_mode = sizes(rng, n, 3), bool(rng.integers(2))
    return size, {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}


def _max_pool(n: int) -> Callable[[Any, int], Drawn]:
    def draw(rng: Any, limit: int) -> Drawn:
        size, options = _windows(rng, n, limit)
        data = pick(rng, integers, distinct)
        operands = [data(rng, *sizes(rng, 2, min(limit, 3)), *size)]
        return getattr(tg, f"max_pool{n}d"), torch_function(f"max_pool{n}d"), operands, options

    return draw


def _max_pool_split(rng: Any, limit: int) -> Drawn:
    size, options = _windows(rng, 2, limit)
    return tg.max_pool2d, None, [integers(rng, 2, 2, *size)], {**options, "ties": "split"}


def _avg_pool(n: int) -> Callable[[Any, int], Drawn]:
    def draw(rng: Any, limit: int) -> Drawn:
        size, options = _windows(rng, n, limit)
        options["count_include_pad"] = bool(rng.integers(2))
        operands = [integers(rng, *sizes(rng, 2, min(limit, 3)), *size)]
        return getattr(tg, f"avg_pool{n}d"), torch_function(f"avg_pool{n}d"), operands, options

    return draw


def _adaptive(kind: str, n: int) -> Callable[[Any, int], Drawn]:
    def draw(rng: Any, limit: int) -> Drawn:
        operands = [distinct(rng, *sizes(rng, 2, 3), *sizes(rng, n, limit))]
        name = f"adaptive_{kind}_pool{n}d"
        return getattr(tg, name), torch_function(name), operands, {"output_size": sizes(rng, n, min(limit, 5))}

    return draw


for _n in (1, 2, 3):
    FAMILIES[f"max_pool{_n}d"] = _max_pool(_n)
    FAMILIES[f"avg_pool{_n}d"] = _avg_pool(_n)
    FAMILIES[f"adaptive_avg_pool{_n}d"] = _adaptive("avg", _n)
    FAMILIES[f"adaptive_max_pool{_n}d"] = _adaptive("max", _n)
FAMILIES["max_pool2d ties=split"] = _max_pool_split


@family("lp_pool2d")
def _lp_pool(rng: Any, limit: int) -> Drawn:
    size, options = _windows(rng, 2, limit)
    del options["padding"], options["ceil_mode"]  # PyTorch scales a window that hangs over by what it lacks
    options["norm_type"] = pick(rng, 1.0, 2.0, 3.0)
    operands = [abs(distinct(rng, *sizes(rng, 2, 3), *size)) + 0.5]
    return tg.lp_pool2d, torch_function("lp_pool2d"), operands, options


@family("unfold")
def _unfold(rng: Any, limit: int) -> Drawn:
    kernel, dilation = sizes(rng, 2, 3), sizes(rng, 2, 2)
    padding = tuple(int(p) for p in rng.integers(0, 3, 2))
    size = tuple(d * (k - 1) + 1 + int(rng.integers(0, limit)) for k, d in zip(kernel, dilation, strict=True))
    options = {"kernel_size": kernel, "dilation": dilation, "padding": padding, "stride": sizes(rng, 2, 3)}
    return tg.unfold, torch_function("unfold"), [integers(rng, *sizes(rng, 2, 3), *size)], options


@family("fold")
def _fold(rng: Any, limit: int) -> Drawn:
    kernel, dilation, stride = sizes(rng, 2, 3), sizes(rng, 2, 2), sizes(rng, 2, 3)
    padding = tuple(int(p) for p in rng.integers(0, 2, 2))
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = tuple(r + int(rng.integers(0, limit)) for r in reach)
    columns = 1
    for m, r, p, s in zip(size, reach, padding, stride, strict=True):
        columns *= (m + 2 * p - r) // s + 1
    batch, channels = sizes(rng, 2, 3)
    options = {
        "output_size": size, "kernel_size": kernel, "dilation": dilation, "padding": padding, "stride": stride,
    }  # fmt: skip
    operands = [integers(rng, batch, channels * kernel[0] * kernel[1], columns)]
    return tg.fold, torch_function("fold"), operands, options


@family("interpolate")
def _interpolate(rng: Any, limit: int) -> Drawn:
    mode = pick(rng, "nearest", "linear", "bilinear", "trilinear")
    n = {"linear": 1, "bilinear": 2, "trilinear": 3}.get(mode) or int(rng.integers(1, 4))
    options: dict[str, Any] = {"size": sizes(rng, n, limit + 2), "mode": mode}
    if mode != "nearest":
        options["align_corners"] = bool(rng.integers(2))
    return tg.interpolate, torch_function("interpolate"), [integers(rng, 2, 2, *sizes(rng, n, limit))], options


@family("pixel_shuffle")
def _pixel_shuffle(rng: Any, limit: int) -> Drawn:
    r, channels, *size = sizes(rng, 4, min(limit, 3))
    operands = [integers(rng, 2, channels * r * r, *size)]
    return tg.pixel_shuffle, torch_function("pixel_shuffle"), operands, {"upscale_factor": r}


# Elementwise, reductions, matrices


def _torch(name: str) -> Any:
    def call(*operands: Any, **options: Any) -> Any:
        import torch

        if "axis" in options:
            options["dim"] = options.pop("axis")
        if "keepdims" in options:
            options["keepdim"] = options.pop("keepdims")
        return getattr(torch, name)(*operands, **options)

    return call


@family("elementwise")
def _elementwise(rng: Any, limit: int) -> Drawn:
    name = pick(rng, "exp", "tanh", "sigmoid", "relu", "abs", "negative", "sin", "cos", "square", "erf")
    return getattr(tg, name), _torch(name), [integers(rng, *sizes(rng, int(rng.integers(0, 4)), limit, 0)) / 2], {}


@family("activation")
def _activation(rng: Any, limit: int) -> Drawn:
    # Without hardsigmoid, whose derivative of 1/6 PyTorch holds in float32.
    name = pick(
        rng, "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "softplus", "mish", "logsigmoid", "softsign",
        "hardtanh", "relu6", "hardswish", "tanhshrink",
    )  # fmt: skip
    # Not on the kinks, where the conventions have tests of their own.
    return getattr(tg, name), torch_function(name), [integers(rng, *sizes(rng, 2, limit)) + 0.25], {}


@family("broadcast")
def _broadcast(rng: Any, limit: int) -> Drawn:
    name = pick(rng, "add", "subtract", "multiply", "divide")
    shape = sizes(rng, int(rng.integers(0, 4)), limit)
    other = tuple(1 if rng.integers(3) == 0 else m for m in shape)[int(rng.integers(0, len(shape) + 1)) :]
    x, y = (shape, other) if rng.integers(2) else (other, shape)
    return getattr(tg, name), _torch(name), [integers(rng, *x), integers(rng, *y) + 0.5], {}


@family("reduction")
def _reduction(rng: Any, limit: int) -> Drawn:
    name = pick(rng, "sum", "mean")
    shape = sizes(rng, int(rng.integers(1, 5)), limit)
    axes = tuple(int(i) for i in rng.permutation(len(shape))[: rng.integers(1, len(shape) + 1)])
    options = {"axis": axes, "keepdims": bool(rng.integers(2))}
    return getattr(tg, name), _torch(name), [integers(rng, *shape)], options


@family("max and min, ties=split")
def _extremum(rng: Any, limit: int) -> Drawn:
    name = pick(rng, "max", "min")
    shape = sizes(rng, int(rng.integers(1, 4)), limit)
    axes = tuple(int(i) for i in rng.permutation(len(shape))[: rng.integers(1, len(shape) + 1)])

    def ours(x: Any, **options: Any) -> Any:
        return getattr(tg, name)(x, ties="split", **options)

    return ours, _torch(f"a{name}"), [integers(rng, *shape)], {"axis": axes, "keepdims": bool(rng.integers(2))}


@family("matmul")
def _matmul(rng: Any, limit: int) -> Drawn:
    n, k, m = sizes(rng, 3, limit)
    batch = sizes(rng, int(rng.integers(0, 3)), 3)
    x, y = pick(rng, (*batch, n, k), (k,)), pick(rng, (*batch, k, m), (k, m), (k,))
    return tg.matmul, _torch("matmul"), [integers(rng, *x), integers(rng, *y)], {}


@family("linear")
def _linear(rng: Any, limit: int) -> Drawn:
    features, outputs = sizes(rng, 2, limit)
    leading = sizes(rng, int(rng.integers(0, 3)), limit)
    operands = [integers(rng, *leading, features), integers(rng, outputs, features), integers(rng, outputs)]
    return tg.linear, torch_function("linear"), operands, {}


@family("getitem")
def _getitem(rng: Any, limit: int) -> Drawn:
    shape = sizes(rng, 3, limit)
    index: list[Any] = []
    for m in shape:
        start, stop = sorted(int(i) for i in rng.integers(-m, m, 2))
        index.append(pick(rng, int(rng.integers(-m, m)), slice(start, stop, int(rng.integers(1, 3))), slice(None)))
    if not any(isinstance(part, int) for part in index):  # beside an array, NumPy and PyTorch place them differently
        i = int(rng.integers(3))
        index[i] = rng.integers(0, shape[i], int(rng.integers(1, 5)))  # an element may be taken twice

    def take(x: Any) -> Any:
        return x[tuple(index)]

    return take, take, [integers(rng, *shape)], {}


# Normalisation and losses


@family("batch_norm")
def _batch_norm(rng: Any, limit: int) -> Drawn:
    batch, channels, *size = sizes(rng, 2 + int(rng.integers(0, 3)), limit, 2)
    operands = [distinct(rng, batch, channels, *size), integers(rng, channels), integers(rng, channels)]

    def ours(x: Any, weight: Any, bias: Any) -> Any:
        return tg.batch_norm(x, None, None, weight, bias, training=True)

    def theirs(x: Any, weight: Any, bias: Any) -> Any:
        return torch_function("batch_norm")(x, None, None, weight, bias, training=True)

    return ours, theirs, operands, {}


@family("group_norm")
def _group_norm(rng: Any, limit: int) -> Drawn:
    groups, per_group = sizes(rng, 2, 3)
    channels = groups * per_group
    operands = [
        distinct(rng, 2, channels, *sizes(rng, int(rng.integers(1, 3)), limit, 2)),
        integers(rng, channels),
        integers(rng, channels),
    ]

    def ours(x: Any, weight: Any, bias: Any) -> Any:
        return tg.group_norm(x, groups, weight, bias)

    def theirs(x: Any, weight: Any, bias: Any) -> Any:
        return torch_function("group_norm")(x, groups, weight, bias)

    return ours, theirs, operands, {}


@family("layer_norm")
def _layer_norm(rng: Any, limit: int) -> Drawn:
    shape = sizes(rng, 3, limit, 2)
    normalized = shape[int(rng.integers(0, 3)) :]
    operands = [distinct(rng, *shape), integers(rng, *normalized), integers(rng, *normalized)]

    def ours(x: Any, weight: Any, bias: Any) -> Any:
        return tg.layer_norm(x, normalized, weight, bias)

    def theirs(x: Any, weight: Any, bias: Any) -> Any:
        return torch_function("layer_norm")(x, normalized, weight, bias)

    return ours, theirs, operands, {}


@family("softmax")
def _softmax(rng: Any, limit: int) -> Drawn:
    name = pick(rng, "softmax", "log_softmax")
    shape = sizes(rng, int(rng.integers(1, 4)), limit)
    axis = int(rng.integers(-len(shape), len(shape)))
    return getattr(tg, name), _torch(name), [integers(rng, *shape)], {"axis": axis}


@family("cross_entropy")
def _cross_entropy(rng: Any, limit: int) -> Drawn:
    batch, classes = sizes(rng, 2, limit)
    pixels = sizes(rng, int(rng.integers(0, 3)), min(limit, 3))
    labels = rng.integers(0, classes, (batch, *pixels))
    if rng.integers(3) == 0 and labels.size > 1:
        labels.flat[1:][rng.integers(0, 2, labels.size - 1) == 1] = -100
    weight = rng.integers(1, 4, classes).astype(np.float64) if rng.integers(2) else None
    options = {
        "reduction": pick(rng, "mean", "sum", "none"),
        "label_smoothing": pick(rng, 0.0, 0.25),
    }

    def ours(x: Any, **options: Any) -> Any:
        return tg.cross_entropy(x, labels, weight=weight, **options)

    def theirs(x: Any, **options: Any) -> Any:
        import torch

        weights = None if weight is None else torch.tensor(weight)
        return torch_function("cross_entropy")(x, torch.tensor(labels), weight=weights, **options)

    return ours, theirs, [integers(rng, batch, classes, *pixels)], options


@family("losses")
def _losses(rng: Any, limit: int) -> Drawn:
    name = pick(rng, "mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "binary_cross_entropy_with_logits")
    shape = sizes(rng, 2, limit)
    target = rng.integers(0, 2, shape).astype(np.float64)

    def ours(x: Any, **options: Any) -> Any:
        return getattr(tg, name)(x, target, **options)

    def theirs(x: Any, **options: Any) -> Any:
        import torch

        return torch_function(name)(x, torch.tensor(target), **options)

    options = {"reduction": pick(rng, "mean", "sum", "none")}
    return ours, theirs, [integers(rng, *shape) + 0.25], options

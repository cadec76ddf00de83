"""Functions and float64 operands that between them run every primitive with a gradient; some are written out, and
the elementwise primitives make their own rows. Operands lie away from kinks, which have their own tests.
"""

import pkgutil
from contextlib import suppress
from functools import partial
from importlib import import_module

import numpy as np

import tinygrad_cnn as tg
from tests.operands import distinct, normals
from tinygrad_cnn import primitives, walk

ELEMENTWISE = [
    np.array([[-1.7, -0.6, 0.4], [0.9, 1.3, 2.2]]),  # both signs
    np.array([[0.1, 0.25, 0.4], [0.55, 0.7, 0.85]]),  # log, sqrt, arcsin
    np.array([[1.1, 1.5, 2.0], [2.3, 3.1, 4.2]]),  # arccosh
]


def _modules():
    return [import_module(f"{primitives.__name__}.{info.name}") for info in pkgutil.iter_modules(primitives.__path__)]


MODULES = _modules()


def found():
    """Every primitive with a gradient, and its module.name."""
    names = {}
    for module in MODULES:
        for function in vars(module).values():
            definition = getattr(function, "primitive", None)
            if definition is not None and definition.rules and function.__module__ == module.__name__:
                names[definition] = f"{module.__name__.rpartition('.')[2]}.{definition.name}"
    return names


def row(name, *operands, **options):
    """A function of the primitives' modules, by name, with its operands and options."""
    for module in MODULES:
        function = getattr(module, name, None)
        if getattr(function, "__module__", None) == module.__name__:
            return name, partial(function, **options) if options else function, operands
    raise LookupError(f"no function {name} in {primitives.__name__}")


def leaves(operands):
    """Floating-point arrays as tensors that require a gradient, everything else as it is."""
    return [
        tg.tensor(x, requires_grad=True) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in operands
    ]


def covered(function, operands):
    """The primitives whose rules a check of both orders runs: those of the function and of its gradients."""
    xs = leaves(operands)
    checked = [x for x in xs if isinstance(x, tg.Tensor) and x.requires_grad]
    z = function(*xs)
    upstream = tg.tensor(np.ones(z.shape), requires_grad=True)
    gradients = tg.grad(z, checked, upstream, create_graph=True, allow_unused=True)
    nodes = walk.nodes(z, *(dx for dx in gradients if dx is not None))
    return {node.primitive for node in nodes if node.primitive}


def elementwise_row(definition):
    """The primitive at the first operands where what it makes is finite; None for what is not elementwise."""
    if definition.option_names or definition.is_variadic or definition.auxiliary:
        return None
    for x in ELEMENTWISE:
        operands = [x, np.flip(x, 0).copy() + 0.05, np.abs(x) + 0.3, x / 2][: len(definition.operand_names)]
        with np.errstate(all="ignore"):
            if np.isfinite(definition.forward(*operands)).all():
                named = zip(definition.operand_names, operands, strict=True)
                operands = [x if name in definition.rules else tg.tensor(x) for name, x in named]
                return definition.name, lambda *xs: definition.apply(xs, {}), operands
    return None


def _rows():
    images, kernels = normals((2, 4, 5, 6), 0), normals((6, 2, 3, 2), 1)
    small, pooled = normals((2, 4, 2, 3), 2), distinct((2, 2, 5, 6), 3)
    logits, labels = normals((3, 4), 4), np.array([0, 3, 3])
    channels = normals((4, 3, 2), 5)
    options = {"stride": (2, 1), "padding": ((1, 0), (0, 2)), "dilation": (1, 2), "groups": 2}
    windows = {"kernel_size": (3, 2), "stride": 2, "padding": (1, 0), "dilation": (1, 2)}
    places = {"kernel": (3, 2), "stride": (2, 2), "padding": ((1, 1), (0, 0)), "dilation": (1, 2)}
    modes = ("zeros", "reflect", "replicate", "circular", "symmetric")
    twice = np.array([[[[5, 0], [11, 5]]]])
    return [
        row("conv2d", images, kernels, normals(6, 6), **options),
        row("conv2d", images, kernels, padding=3, groups=2),
        row("conv2d", normals((1, 1, 1, 1), 7), normals((1, 1, 1, 1), 8)),
        row("conv2d", normals((0, 1, 3, 3), 9), normals((2, 1, 2, 2), 10), normals(2, 11)),
        row("conv1d", normals((2, 3, 8), 12), normals((2, 3, 3), 13), normals(2, 14), stride=3, padding=((2, 1),)),
        row("conv3d", normals((1, 2, 2, 4, 5), 15), normals((2, 2, 2, 3, 2), 16), stride=(1, 2, 1), dilation=(1, 1, 2)),
        row("convolve2d", images, normals((2, 4, 2, 2), 17)),
        row("conv_transpose2d", small, normals((4, 3, 3, 2), 18), normals(6, 19), output_padding=(1, 0), **options),
        row("conv_transpose2d", normals((1, 1, 1, 1), 20), normals((1, 1, 1, 1), 21)),
        row("conv_transpose1d", normals((1, 2, 3), 22), normals((2, 3, 3), 23), stride=3, padding=((2, 1),)),
        row("conv_transpose3d", normals((1, 2, 2, 1, 2), 24), normals((2, 1, 2, 2, 2), 25), stride=2),
        row("max_pool2d", pooled, **windows),
        row("max_pool2d", pooled, kernel_size=2, stride=1, ties="split"),
        row("max_pool1d", pooled[0], kernel_size=2),
        row("max_pool3d", pooled[None], kernel_size=2, ceil_mode=True),
        row("take_winners", pooled, winners=np.tile([2, 3], (2, 2, 3, 1)), **places),
        row("avg_pool2d", pooled, **windows),
        row("avg_pool2d", pooled, kernel_size=3, padding=1, count_include_pad=False, ceil_mode=True),
        row("adaptive_avg_pool2d", pooled, output_size=(3, 4)),
        row("adaptive_max_pool2d", pooled, output_size=(3, 4)),
        row("adaptive_max_pool2d", pooled, output_size=(3, 4), ties="split"),
        row("fractional_max_pool2d", pooled, kernel_size=2, output_size=3, random_samples=np.full((2, 2, 2), 0.4)),
        row("lp_pool2d", pooled + 1, norm_type=1, kernel_size=2),
        row("lp_pool2d", pooled + 1, norm_type=2, kernel_size=(3, 2), stride=1),
        row("lp_pool2d", pooled + 1, norm_type=2.5, kernel_size=2),
        row("unfold", pooled, **windows),
        row("fold", normals((2, 12, 6), 26), output_size=(5, 6), **windows),
        row("take_pixels", normals((2, 3, 3, 4), 27), indices=twice),
        row("put_pixels", normals((2, 3, 2, 2), 28), indices=twice, size=(3, 4)),
        row("interpolate", normals((2, 1, 3, 4), 29), size=(5, 3), mode="bilinear"),
        row("interpolate", normals((2, 1, 3, 4), 30), scale_factor=2, mode="bicubic"),
        row("pixel_shuffle", normals((2, 4, 2, 3), 31), upscale_factor=2),
        row("pixel_unshuffle", normals((2, 1, 4, 6), 32), downscale_factor=2),
        *(row("pad", normals((2, 3), 33), pad_width=((1, 2), (0, 4)), mode=mode) for mode in modes),
        *(row(name, logits, axis=axis) for name in ("softmax", "log_softmax", "logsumexp") for axis in (0, 1)),
        row("cross_entropy", logits, target=labels),
        row("cross_entropy", logits[:1], target=np.array([2])),
        row("cross_entropy", logits, target=labels, reduction="none"),
        row("cross_entropy", logits, target=labels, weight=np.array([1.0, 2.0, 0.0, 0.5]), label_smoothing=0.1),
        row("cross_entropy", logits, target=np.full((3, 4), 0.25), reduction="sum"),
        row("matmul", normals((2, 1, 3, 2), 34), normals((4, 2, 5), 35)),
        row("matmul", normals((1, 1), 36), normals(1, 37)),
        row("matmul", normals((2, 0), 38), normals((0, 3), 39)),
        row("einsum", "nij,njk->nik", normals((2, 3, 2), 60), normals((1, 2, 4), 61)),
        row("einsum", "ii,ij->j", normals((3, 3), 62), normals((3, 2), 63)),
        row("linear", normals((2, 3, 4), 40), normals((5, 4), 41), normals(5, 42)),
        row("linear", normals((3, 4), 43), normals((5, 4), 44)),
        row("batch_norm", channels, None, None, normals(3, 45), normals(3, 46), training=True, eps=0.1),
        row("batch_norm", channels, None, None, training=True, eps=0.1),
        row("batch_norm", channels, tg.tensor(normals(3, 47)), tg.tensor(np.array([1.0, 0.5, 2.0])), normals(3, 48)),
        row("layer_norm", channels, normalized_shape=(3, 2), eps=0.1),
        row("group_norm", channels, num_groups=3, eps=0.1),
        row("local_response_norm", normals((2, 5, 3), 49), size=4, alpha=0.5, k=2.0),
        row("dropout", channels, seed=0),
        row("sum", channels, axis=(0, 2)),
        row("sum", channels, axis=1, keepdims=True),
        row("mean", channels),
        *(row("max", distinct((2, 3, 4), 50), axis=(0, 2), ties=ties) for ties in ("first", "split")),
        *(row("min", distinct((2, 3, 4), 51), axis=1, keepdims=True, ties=ties) for ties in ("first", "split")),
        *(row("maximum", ELEMENTWISE[0], ELEMENTWISE[1] + 0.03, ties=ties) for ties in ("first", "split")),
        *(row("minimum", ELEMENTWISE[0], ELEMENTWISE[1] + 0.03, ties=ties) for ties in ("first", "split")),
        row("var", channels, axis=(0, 2), ddof=1),
        row("std", channels, axis=(0, 2), keepdims=True),
        row("norm", channels, axis=(1, 2)),
        row("norm", channels, ord=3, axis=0),
        row("prod", channels, axis=(0, 2)),
        row("prod", np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 3.0]]), axis=1),
        row("cumsum", channels, axis=1),
        row("cumprod", channels, axis=0),
        row("cumprod", np.array([2.0, 0.0, 3.0, 0.0, -1.0]), axis=0),
        row("roll", channels, shift=(1, -2), axis=(0, 1)),
        row("reshape", channels, shape=(2, 1, 12)),
        row("transpose", channels, axes=(1, 2, 0)),
        row("broadcast_to", normals((3, 1), 52), shape=(2, 3, 4)),
        row("getitem", channels, index=(slice(None, None, -2), 1)),
        row("getitem", channels, index=(np.array([0, 0, 3]), np.array([1, 1, -1]))),
        row("getitem", channels, index=(slice(0, 0),)),
        row("flip", channels, axis=(0, 1)),
        row("transfer", channels, device="cpu", source="cpu"),
        row("cast", channels, dtype=np.longdouble),
        row("leaky_relu", ELEMENTWISE[0], negative_slope=0.1),
        row("elu", ELEMENTWISE[0], alpha=0.7),
        row("softplus", ELEMENTWISE[0], beta=2.0),
        row("hardtanh", ELEMENTWISE[0], min_val=-1.0, max_val=1.0),
        row("prelu", channels, np.array([0.1, 0.2, 0.3])),
        row("gelu", ELEMENTWISE[0]),
        row("where", np.array([True, False, True]), *ELEMENTWISE[1:]),
        row("power", ELEMENTWISE[2], ELEMENTWISE[0]),
        ("cube", lambda x: x**3, (ELEMENTWISE[0],)),
        ("broadcasting", lambda x, y: x * y - y / x + x, (normals((2, 1, 3), 53) + 3, normals((4, 1), 54))),
        ("concatenate", lambda *xs: tg.concatenate(xs, 1), [normals((2, n), 55 + n) for n in (1, 3, 0)]),
        ("stack", lambda *xs: tg.stack(xs), (normals((2, 1), 58), normals((2, 1), 59))),
    ]


def table():
    """All rows: (name, function, operands)."""
    rows = _rows()
    done = set()
    for _, function, operands in rows:
        with suppress(Exception):  # a row that fails has its own test to say so
            done |= covered(function, operands)
    return rows + [made for definition in found() if definition not in done and (made := elementwise_row(definition))]

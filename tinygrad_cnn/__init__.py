"""tinygrad_cnn: an imperative autograd engine that grows from the scalar graph to the tensor graph.

The public face: names only. `import tinygrad_cnn as tg`; the packages `tg.nn`, `tg.optim`, `tg.data`, `tg.training`,
`tg.verify` and `tg.viz` are imported when they are first used.
"""

from importlib import import_module as _import_module
from pathlib import Path as _Path
from typing import Any as _Any

from tinygrad_cnn.backend import (
    get_default_device,
    get_default_dtype,
    manual_seed,
    set_default_device,
    set_default_dtype,
)
from tinygrad_cnn.capture import compile
from tinygrad_cnn.configuration import show_config
from tinygrad_cnn.kernels.memory import release as release_memory
from tinygrad_cnn.kernels.onednn import get_precision, set_precision
from tinygrad_cnn.kernels.threads import get_num_threads, set_num_threads
from tinygrad_cnn.modes import debug, no_grad
from tinygrad_cnn.primitives.activations import (
    celu,
    elu,
    erf,
    gelu,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    logsigmoid,
    mish,
    prelu,
    relu6,
    selu,
    silu,
    softplus,
    softsign,
    tanhshrink,
)
from tinygrad_cnn.primitives.adaptive_pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    global_avg_pool,
    global_max_pool,
)
from tinygrad_cnn.primitives.avgpool import avg_pool1d, avg_pool2d, avg_pool3d
from tinygrad_cnn.primitives.conv2d import conv1d, conv2d, conv3d, convolve1d, convolve2d, convolve3d
from tinygrad_cnn.primitives.conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from tinygrad_cnn.primitives.dropout import dropout, dropout2d
from tinygrad_cnn.primitives.einsum import einsum
from tinygrad_cnn.primitives.elementwise import (
    abs,
    absolute,
    add,
    cbrt,
    divide,
    exp,
    exp2,
    expm1,
    hypot,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    multiply,
    negative,
    power,
    reciprocal,
    relu,
    sigmoid,
    sign,
    sqrt,
    square,
    subtract,
    tanh,
    where,
)
from tinygrad_cnn.primitives.fractional_pool import fractional_max_pool2d
from tinygrad_cnn.primitives.indexing import diagonal, gather, scatter_add, take, take_along_axis, tril, triu
from tinygrad_cnn.primitives.joining import array_split, chunk, hstack, repeat, roll, split, tile, vstack
from tinygrad_cnn.primitives.linear_algebra import dot, inner, outer, tensordot, trace, vdot
from tinygrad_cnn.primitives.local_response import local_response_norm
from tinygrad_cnn.primitives.logic import isfinite, isinf, isnan, logical_and, logical_not, logical_or, logical_xor
from tinygrad_cnn.primitives.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    dice_loss,
    hinge_loss,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    multi_margin_loss,
    nll_loss,
    smooth_l1_loss,
)
from tinygrad_cnn.primitives.lp_pool import lp_pool1d, lp_pool2d, lp_pool3d
from tinygrad_cnn.primitives.matmul import linear, matmul
from tinygrad_cnn.primitives.max_unpool import max_unpool1d, max_unpool2d, max_unpool3d
from tinygrad_cnn.primitives.maxpool import max_pool1d, max_pool2d, max_pool3d
from tinygrad_cnn.primitives.norm import norm
from tinygrad_cnn.primitives.normalization import batch_norm, group_norm, instance_norm, layer_norm
from tinygrad_cnn.primitives.padding import pad
from tinygrad_cnn.primitives.piecewise import (
    ceil,
    clip,
    floor,
    floor_divide,
    fmod,
    maximum,
    minimum,
    remainder,
    round,
    trunc,
)
from tinygrad_cnn.primitives.products import cumprod, cumsum, prod
from tinygrad_cnn.primitives.reduction import max, mean, min, std, sum, var
from tinygrad_cnn.primitives.resampling import (
    interpolate,
    pixel_shuffle,
    pixel_unshuffle,
    upsample,
    upsample_bilinear,
    upsample_nearest,
)
from tinygrad_cnn.primitives.searching import all, any, argmax, argmin
from tinygrad_cnn.primitives.shape import (
    broadcast_to,
    concatenate,
    expand_dims,
    flatten,
    flip,
    moveaxis,
    permute,
    ravel,
    reshape,
    rot180,
    squeeze,
    stack,
    swapaxes,
    transpose,
)
from tinygrad_cnn.primitives.softmax import cross_entropy, log_softmax, logsumexp, softmax
from tinygrad_cnn.primitives.trigonometric import (
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    cos,
    cosh,
    sin,
    sinh,
    tan,
)
from tinygrad_cnn.primitives.unfold import fold, unfold
from tinygrad_cnn.tensor import Tensor, from_dlpack, get_array_module, tensor
from tinygrad_cnn.walk import grad

__version__ = "0.1.0"

_SUBMODULES = ("data", "nn", "optim", "training", "verify", "viz")

__all__ = [
    "Tensor",
    "abs",
    "absolute",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "add",
    "all",
    "any",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "argmax",
    "argmin",
    "array_split",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "broadcast_to",
    "cbrt",
    "ceil",
    "celu",
    "chunk",
    "clip",
    "compile",
    "concatenate",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convolve1d",
    "convolve2d",
    "convolve3d",
    "cos",
    "cosh",
    "cross_entropy",
    "cumprod",
    "cumsum",
    "debug",
    "diagonal",
    "dice_loss",
    "divide",
    "dot",
    "dropout",
    "dropout2d",
    "einsum",
    "elu",
    "erf",
    "exp",
    "exp2",
    "expand_dims",
    "expm1",
    "flatten",
    "flip",
    "floor",
    "floor_divide",
    "fmod",
    "fold",
    "fractional_max_pool2d",
    "from_dlpack",
    "gather",
    "gelu",
    "get_array_module",
    "get_default_device",
    "get_default_dtype",
    "get_num_threads",
    "get_precision",
    "global_avg_pool",
    "global_max_pool",
    "grad",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hinge_loss",
    "hstack",
    "huber_loss",
    "hypot",
    "inner",
    "instance_norm",
    "interpolate",
    "isfinite",
    "isinf",
    "isnan",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_softmax",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsigmoid",
    "logsumexp",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "manual_seed",
    "matmul",
    "max",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "maximum",
    "mean",
    "min",
    "minimum",
    "mish",
    "moveaxis",
    "mse_loss",
    "multi_margin_loss",
    "multiply",
    "negative",
    "nll_loss",
    "no_grad",
    "norm",
    "outer",
    "pad",
    "permute",
    "pixel_shuffle",
    "pixel_unshuffle",
    "power",
    "prelu",
    "prod",
    "ravel",
    "reciprocal",
    "release_memory",
    "relu",
    "relu6",
    "remainder",
    "repeat",
    "reshape",
    "roll",
    "rot180",
    "round",
    "scatter_add",
    "selu",
    "set_default_device",
    "set_default_dtype",
    "set_num_threads",
    "set_precision",
    "show_config",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinh",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "softsign",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "subtract",
    "sum",
    "swapaxes",
    "take",
    "take_along_axis",
    "tan",
    "tanh",
    "tanhshrink",
    "tensor",
    "tensordot",
    "tile",
    "trace",
    "transpose",
    "tril",
    "triu",
    "trunc",
    "unfold",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
    "var",
    "vdot",
    "vstack",
    "where",
]

# In the source tree viz/ lies beside this package, in an installation inside it.
if not _Path(__file__).with_name("viz").is_dir():
    __path__.append(str(_Path(__file__).parents[1]))


def __getattr__(name: str) -> _Any:
    if name in _SUBMODULES:
        return _import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted((*globals(), *_SUBMODULES))

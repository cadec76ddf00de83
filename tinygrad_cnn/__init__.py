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
from tinygrad_cnn.engine import debug, no_grad
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
from tinygrad_cnn.primitives.avgpool import avg_pool1d, avg_pool2d, avg_pool3d
from tinygrad_cnn.primitives.conv2d import conv1d, conv2d, conv3d, convolve2d
from tinygrad_cnn.primitives.conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from tinygrad_cnn.primitives.elementwise import (
    abs,
    add,
    divide,
    exp,
    log,
    multiply,
    negative,
    power,
    relu,
    sigmoid,
    sign,
    sqrt,
    subtract,
    tanh,
    where,
)
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
from tinygrad_cnn.primitives.matmul import linear, matmul
from tinygrad_cnn.primitives.maxpool import max_pool1d, max_pool2d, max_pool3d
from tinygrad_cnn.primitives.padding import pad
from tinygrad_cnn.primitives.reduction import max, mean, min, sum
from tinygrad_cnn.primitives.shape import broadcast_to, concatenate, flip, reshape, rot180, stack, transpose
from tinygrad_cnn.primitives.softmax import cross_entropy, log_softmax, logsumexp, softmax
from tinygrad_cnn.tensor import Tensor, get_array_module, tensor
from tinygrad_cnn.walk import grad

__version__ = "0.1.0"

_SUBMODULES = ("data", "nn", "optim", "training", "verify", "viz")

__all__ = [
    "Tensor",
    "abs",
    "add",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "broadcast_to",
    "celu",
    "concatenate",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convolve2d",
    "cross_entropy",
    "debug",
    "dice_loss",
    "divide",
    "elu",
    "erf",
    "exp",
    "flip",
    "gelu",
    "get_array_module",
    "get_default_device",
    "get_default_dtype",
    "grad",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hinge_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "leaky_relu",
    "linear",
    "log",
    "log_softmax",
    "logsigmoid",
    "logsumexp",
    "manual_seed",
    "matmul",
    "max",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mean",
    "min",
    "mish",
    "mse_loss",
    "multi_margin_loss",
    "multiply",
    "negative",
    "nll_loss",
    "no_grad",
    "pad",
    "power",
    "prelu",
    "relu",
    "relu6",
    "reshape",
    "rot180",
    "selu",
    "set_default_device",
    "set_default_dtype",
    "sigmoid",
    "sign",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "softsign",
    "sqrt",
    "stack",
    "subtract",
    "sum",
    "tanh",
    "tanhshrink",
    "tensor",
    "transpose",
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

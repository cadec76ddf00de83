"""tinygrad_cnn: an imperative autograd engine that grows from the scalar graph to the tensor graph.

The public face: names only. `import tinygrad_cnn as tg`; the packages `tg.nn`, `tg.optim`, `tg.data`, `tg.training`,
`tg.verify` and `tg.viz` are imported when they are first used.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from tinygrad_cnn.backend import get_default_device, get_default_dtype, manual_seed, set_default_device, set_default_dtype
from tinygrad_cnn.engine import debug, no_grad
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
    sqrt,
    subtract,
    tanh,
    where,
)
from tinygrad_cnn.primitives.loss import cross_entropy, log_softmax, softmax
from tinygrad_cnn.primitives.matmul import linear, matmul
from tinygrad_cnn.primitives.maxpool import max_pool1d, max_pool2d, max_pool3d
from tinygrad_cnn.primitives.padding import pad
from tinygrad_cnn.primitives.reduction import max, mean, min, sum
from tinygrad_cnn.primitives.shape import broadcast_to, concatenate, flip, reshape, rot180, stack, transpose
from tinygrad_cnn.tensor import Tensor, get_array_module, tensor
from tinygrad_cnn.walk import grad

__version__ = "0.1.0"

_SUBMODULES = ("data", "nn", "optim", "training", "verify", "viz")

# In the source tree viz/ lies beside this package; an installation has it inside.
if (_tree := Path(__file__).parent.parent).joinpath("viz", "__init__.py").is_file() and "viz" not in {
    path.name for path in Path(__file__).parent.iterdir()
}:
    __path__.append(str(_tree))


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted((*globals(), *_SUBMODULES))

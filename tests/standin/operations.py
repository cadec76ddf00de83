"""Every operation once or more, for the tests that run each of them on a device and on the CPU and compare.

`test_devices.py` runs them on the stand-in, `gpu/test_cupy.py` on a GPU.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.elementwise_cases import BINARY, UNARY
from tests.operands import integers, normals
from tinygrad_cnn.primitives import activations, shape


class Operation(NamedTuple):
    name: str
    call: Callable[..., Any]
    operands: tuple[Any, ...]
    """Arrays that become tensors with a gradient."""
    flags: int = 0
    """How many single numbers the checks of the arguments read from the device."""


def run(operation, device):
    """The operation on a device: tensors of its value, its gradients, and the gradients of those."""
    x = [tg.tensor(array, device=device, requires_grad=True) for array in operation.operands]
    value = operation.call(*x)
    first = tg.grad(value, x, weights(value, 1, device), create_graph=True)
    upstream = [weights(gradient, 2, device) for gradient in first]
    second = tg.grad(first, x, upstream, create_graph=True, allow_unused=True)
    return value, *first, *(gradient for gradient in second if gradient is not None)


def weights(tensor, seed, device):
    """An upstream gradient with a gradient of its own, so that what is linear in it is recorded too."""
    return tg.tensor(normals(tensor.shape, seed), dtype=tensor.dtype, device=device, requires_grad=True)


def positive(shape, seed):
    return np.random.default_rng(seed).uniform(0.5, 2.0, shape)


def by_name(operations):
    return pytest.mark.parametrize("operation", operations, ids=[operation.name for operation in operations])


def _on(device_of, array):
    """An array that is no operand, on the device of one."""
    return tg.tensor(array, device=device_of.device)


A, B, ROW = normals((3, 4), 1), normals((3, 4), 2), normals((4,), 3)
TIED = integers((3, 4, 2), 4) % 2
MASK = normals((3, 4), 5) > 0
INDEX = np.array([[0, 2], [2, 2]])
LABELS = [1, 0, 3]
P = positive((3, 4), 6) / positive((3, 4), 6).sum(axis=1, keepdims=True)

ELEMENTWISE = [
    Operation("add", lambda x, y: x + y, (A, B)),
    Operation("add_broadcast", lambda x, y: x + y, (A[:, :1], ROW)),
    Operation("add_numbers", lambda x: 1 + x + np.float64(2) + np.float32(3), (A,)),
    Operation("subtract", lambda x, y: x - y, (A, ROW)),
    Operation("subtract_from_number", lambda x: 1.5 - x, (A,)),
    Operation("multiply", lambda x, y: x * y, (A, ROW)),
    Operation("multiply_numbers", lambda x: 2 * x * np.float64(0.5), (A,)),
    Operation("multiply_without_axes", lambda x, y: x * y, (A, normals((), 7))),
    Operation("divide", lambda x, y: x / y, (A, positive((4,), 8))),
    Operation("divide_number", lambda x: 1 / x, (positive((3, 4), 8),)),
    Operation("power", lambda x, y: x**y, (positive((3, 4), 9), B)),
    Operation("power_of_zero", lambda x, y: x**y, (np.zeros(2), np.array([2.0, 3.0]))),
    Operation("power_numbers", lambda x: x**3 + x**-1 + x**0 + x**0.5 + 2**x, (positive((3, 4), 9),)),
    Operation("negative", lambda x: -x, (A,)),
    Operation("abs", abs, (np.array([-1.5, 0.0, 2.0]),)),
    Operation("exp", tg.exp, (A,)),
    Operation("log", tg.log, (positive((3, 4), 10),)),
    Operation("sqrt", tg.sqrt, (positive((3, 4), 10),)),
    Operation("tanh", tg.tanh, (A,)),
    Operation("sigmoid", tg.sigmoid, (1000 * A,)),
    Operation("relu", tg.relu, (np.array([-1.0, 0.0, 2.0]),)),
    Operation("where", lambda x, y: tg.where(_on(x, MASK), x, y), (A, ROW)),
    Operation("where_number", lambda x: tg.where(x > 0, x, 0.0), (A,)),
    Operation("without_axes", lambda x, y: (x * y + y**3).tanh() + (x + y).relu(), (normals((), 1), normals((), 2))),
]

NUMPY_SET = [
    *(
        Operation(case.name, case, tuple(np.reshape(case.points, (-1, n)).T))
        for n, cases in ((1, UNARY), (2, BINARY))
        for case in cases
    ),
    Operation("hypot_number", lambda x: tg.hypot(x, 2.0), (A,)),
    Operation("hypot_of_zero", lambda x, y: tg.hypot(x, y) + tg.arctan2(x, y), (np.zeros(3), np.zeros(3))),
    Operation("maximum_of_ties", tg.maximum, (TIED, TIED[0])),
    Operation("minimum_split", lambda x, y: tg.minimum(x, y, "split"), (TIED, TIED[0])),
    Operation("clip", lambda x: tg.clip(x, -0.5, 1) ** 2, (A,)),
    Operation("rounded", lambda x: x * (tg.floor(x) + tg.ceil(x) + tg.trunc(x) + tg.round(x, 1)), (A,)),
    Operation("floor_divide", lambda x: x * (x // 2), (A,)),
    Operation("masked", lambda x: tg.where((x > 0) & tg.isfinite(x) & ~tg.logical_not(x), x, 0), (A,)),
]

# Below, at and above every kink
KINKS = np.array([-9.0, -3.0, -1.5, -1.0, -0.25, 0.0, 0.25, 1.0, 1.5, 3.0, 6.0, 9.0])

ACTIVATION = [
    *(
        Operation(function.__name__, function, (KINKS,))
        for function in (
            activations.leaky_relu,
            activations.elu,
            activations.selu,
            activations.erf,
            activations.gelu,
            activations.silu,
            activations.softplus,
            activations.logsigmoid,
            activations.mish,
            activations.softsign,
            activations.tanhshrink,
            activations.hardtanh,
            activations.relu6,
            activations.hardsigmoid,
            activations.hardswish,
        )
    ),
    Operation("celu", lambda x: activations.celu(x, 0.5), (KINKS,)),
    Operation("gelu_tanh", lambda x: activations.gelu(x, "tanh"), (KINKS,)),
    Operation("prelu", activations.prelu, (A, np.array([0.5]))),
    Operation("prelu_channels", activations.prelu, (normals((2, 3, 4), 11), np.array([0.5, 0.0, -1.0]))),
]

REDUCTION = [
    Operation("sum", tg.sum, (A,)),
    Operation("sum_axis", lambda x: tg.sum(x, axis=-1), (A,)),
    Operation("sum_axes", lambda x: tg.sum(x, axis=(0, 2), keepdims=True), (normals((3, 4, 2), 11),)),
    Operation("sum_no_axis", lambda x: tg.sum(x, axis=()), (A,)),
    Operation("mean", lambda x: tg.mean(x, axis=0) ** 2, (A,)),
    *(
        Operation(f"{reduce.__name__}_{ties}_{axis}", lambda x, f=reduce, a=axis, t=ties: f(x, a, ties=t) ** 2, (TIED,))
        for reduce in (tg.max, tg.min)
        for ties in ("first", "split")
        for axis in (None, 0, (0, 2))
    ),
    Operation("max_of_nan", lambda x: tg.max(x, axis=1), (np.array([[1.0, np.nan, 3.0], [1.0, 2.0, 2.0]]),)),
    Operation("var", tg.var, (A,)),
    Operation("var_axes", lambda x: tg.var(x, (0, 2), ddof=1, keepdims=True), (TIED,)),
    Operation("std", lambda x: tg.std(x, axis=0), (np.concatenate([A, np.ones((3, 1))], axis=1),)),
    Operation("prod", lambda x: tg.prod(x, axis=(2, 0)), (TIED,)),
    Operation("prod_all", tg.prod, (A,)),
    Operation("cumsum", lambda x: tg.cumsum(x, axis=1) * tg.cumsum(x).reshape(3, 4), (A,)),
    Operation("cumprod", lambda x: tg.cumprod(x, axis=0), (TIED,)),
    *(Operation(f"norm_{p}", lambda x, p=p: tg.norm(x, p, axis=1), (A,)) for p in (1, 1.5, 2, 3, np.inf)),
    Operation("norm_of_zeros", lambda x: tg.norm(x, axis=(0, 1)), (0 * A,)),
    Operation("argmax", lambda x: tg.take_along_axis(x, tg.argmax(x, 1, keepdims=True), 1) ** 2, (A,)),
    Operation("argmin", lambda x: tg.take(x, tg.argmin(x)) ** 2, (A,)),
    Operation("any_all", lambda x: x * x * tg.any(x > 1, axis=1, keepdims=True) + tg.where(tg.all(x), x, 0), (A,)),
]

SHAPE = [
    Operation("reshape", lambda x: x.reshape(2, -1), (A,)),
    Operation("transpose", lambda x: tg.transpose(x, (2, 0, 1)), (normals((3, 4, 2), 12),)),
    Operation("broadcast_to", lambda x: tg.broadcast_to(x, (2, 3, 4)), (A[:, :1],)),
    Operation("slices", lambda x: x[1:, None, ..., ::-2], (A,)),
    Operation("element", lambda x: x[-1, 2] * x[0], (A,)),
    Operation("index_list", lambda x: x[[2, 0, 2]], (A,)),
    Operation("index_array", lambda x: x[1:, INDEX], (A,)),
    Operation("index_tensor", lambda x: x[_on(x, INDEX), _on(x, INDEX)], (A,)),
    Operation("index_mask", lambda x: x[_on(x, MASK)], (A,)),
    Operation("index_host_mask", lambda x: x[MASK], (A,)),
    Operation("concatenate", lambda x, y: tg.concatenate([x, y, x], axis=1), (A, B[:, :1])),
    Operation("stack", lambda x, y: tg.stack([x, y], axis=1), (A, B)),
    Operation("stack_without_axes", lambda x, y: tg.stack([x, y]), (normals((), 1), normals((), 2))),
    Operation("flip", lambda x: tg.flip(x, axis=0), (A,)),
    Operation("rot180", tg.rot180, (normals((2, 1, 3, 2), 13),)),
    Operation("permute", lambda x: tg.permute(x, (2, 0, 1)) * tg.moveaxis(x, 0, 1), (normals((3, 3, 3), 12),)),
    Operation("swapaxes", lambda x: tg.swapaxes(x, 0, 1).flatten(), (A,)),
    Operation("squeeze", lambda x: tg.expand_dims(tg.squeeze(x), (0, 2)), (A[:, :1],)),
    Operation("joined", lambda x, y: tg.hstack([x, tg.vstack([y, y, y])]), (A, ROW)),
    Operation("split", lambda x: tg.split(x, [1, 3], 1)[1] * tg.array_split(x, 3, 1)[0] * tg.chunk(x, 2, 1)[1], (A,)),
    Operation("roll", lambda x: tg.roll(x, (1, -1), (0, 1)) + tg.roll(x, 2), (A,)),
    Operation("repeat", lambda x: tg.repeat(x, 2, axis=0) * tg.repeat(x, [1, 3, 2], axis=0), (A,)),
    Operation("tile", lambda x: tg.tile(x, (2, 1, 2)), (A,)),
    Operation("take", lambda x: tg.take(x, [-1, 0, 0], axis=1) * tg.take(x, [[7], [0], [7]]), (A,)),
    Operation("gather", lambda x: tg.gather(x, 1, _on(x, INDEX)), (A,)),
    Operation("scatter_add", lambda x, y: tg.scatter_add(x, 0, INDEX, y), (A, B)),
    Operation("diagonal", lambda x: tg.diagonal(x, 1) * tg.trace(x), (A,)),
    Operation("triangles", lambda x: tg.tril(x) * tg.triu(x, -1), (A,)),
    Operation("astype", lambda x: (x.astype(np.float32) * x.astype(np.float32)).astype(np.float64), (A,)),
    Operation("pad", lambda x: tg.pad(x, ((1, 0), (2, 3)), value=1.5), (A,)),
    *(
        Operation(f"pad_{mode}", lambda x, m=mode: tg.pad(x, ((4, 1), (2, 3)), m) ** 2, (A,))
        for mode in ("zeros", "reflect", "replicate", "circular", "symmetric")
    ),
    Operation("pad_nothing", lambda x: tg.pad(x, 0, "reflect") ** 2, (A,)),
    Operation("transfer", lambda x: shape.transfer(x, device=x.device, source=x.device), (A,)),
]

MATRIX = [
    Operation("matmul", lambda x, y: x @ y, (A, normals((4, 2), 14))),
    Operation("matmul_batch", lambda x, y: x @ y, (normals((2, 1, 3, 4), 15), normals((5, 4, 2), 16))),
    Operation("matmul_vectors", lambda x, y: x @ y, (ROW, normals((4,), 17))),
    Operation("matmul_row", lambda x, y: x @ y, (normals((3,), 18), A)),
    Operation("einsum", lambda x, y: tg.einsum("ij,kj->ki", x, y), (A, B)),
    Operation("einsum_batch", lambda x, y: tg.einsum("bij,b...j->b...i", x, y), (TIED, normals((3, 5, 2), 15))),
    Operation("einsum_elements", lambda x, y: tg.einsum("ij,j->ji", x, y), (A, ROW)),
    Operation("einsum_of_three", lambda x, y: tg.einsum("ij,kj,j->", x, y, y[0]), (A, B)),
    Operation("einsum_diagonal", lambda x: tg.einsum("iij->j", x) ** 2, (normals((3, 3, 2), 16),)),
    Operation("einsum_without_axes", lambda x, y: tg.einsum(",i->", x, y), (normals((), 1), ROW)),
    Operation("tensordot", lambda x, y: tg.tensordot(x, y, ([0, 1], [0, 1])), (A, B)),
    Operation("outer_inner", lambda x, y: tg.outer(x, y[0]) + tg.inner(x, y).sum(), (A, B)),
    Operation("vdot_dot", lambda x, y: tg.vdot(x, y) * x.dot(y.T), (A, B)),
    Operation("linear", tg.linear, (A, normals((2, 4), 19), normals((2,), 20))),
    Operation("linear_without_bias", tg.linear, (normals((2, 3, 4), 21), normals((2, 4), 19))),
]

BCE = tg.binary_cross_entropy_with_logits

LOSS = [
    Operation("softmax", lambda x: tg.softmax(x, axis=0), (100 * A,)),
    Operation("log_softmax", tg.log_softmax, (100 * A,)),
    Operation("logsumexp", lambda x: tg.logsumexp(x, axis=0), (100 * A,)),
    Operation("cross_entropy", lambda x: tg.cross_entropy(x, LABELS), (A,), flags=2),
    Operation("cross_entropy_each", lambda x: tg.cross_entropy(x, _on(x, LABELS), reduction="none"), (A,), flags=2),
    Operation("cross_entropy_of_one", lambda x: tg.cross_entropy(x, 2), (ROW,), flags=2),
    Operation("cross_entropy_probabilities", lambda x: tg.cross_entropy(x, _on(x, P), reduction="sum"), (A,), flags=2),
    Operation("logsumexp_axes", lambda x: tg.logsumexp(x, (0, 2)), (100 * TIED,)),
    Operation("mse_loss", tg.mse_loss, (A, B)),
    Operation("l1_loss", lambda x: tg.l1_loss(x, B, "sum"), (A,)),
    Operation("huber_loss", lambda x: tg.huber_loss(x, B.tolist(), delta=0.5), (A,)),
    Operation("smooth_l1_loss", lambda x: tg.smooth_l1_loss(x, _on(x, B), "none"), (A,)),
    Operation("nll_loss", lambda x: tg.nll_loss(x, LABELS, [1.0, 2.0, 0.5, 1.0], 0), (A,), flags=3),
    Operation("bce", lambda x: tg.binary_cross_entropy(x, _on(x, P), ROW), (P,), flags=2),
    Operation("bce_with_logits", lambda x, y: BCE(x, y, ROW, pos_weight=[2.0]), (A, P), flags=1),
    Operation("kl_div", lambda x, y: tg.kl_div(x, y, "batchmean"), (A, P), flags=1),
    Operation("kl_div_of_logarithms", lambda x, y: tg.kl_div(x, y, "sum", True), (A, B), flags=1),
    Operation("hinge_loss", lambda x: tg.hinge_loss(x, np.sign(B)), (A,), flags=1),
    Operation("multi_margin_loss", lambda x: tg.multi_margin_loss(x, LABELS), (A,), flags=2),
    Operation("dice_loss", tg.dice_loss, (P, P[::-1]), flags=1),
]

X = normals((2, 4, 7, 6), 22)


def _filters(*shape, seed=23):
    return normals(shape, seed), normals(shape[:1], seed + 1)


def _stamps(*shape, groups=1, seed=25):
    return normals(shape, seed), normals((shape[1] * groups,), seed + 1)


CONVOLUTION = [
    Operation("conv2d", tg.conv2d, (X, *_filters(3, 4, 3, 2))),
    Operation("conv2d_without_bias", lambda x, k: tg.conv2d(x, k, padding="same"), (X, _filters(3, 4, 3, 2)[0])),
    Operation(
        "conv2d_options",
        lambda x, k, b: tg.conv2d(x, k, b, stride=(2, 3), padding=((2, 1), (0, 3)), dilation=(1, 2), groups=2),
        (X, *_filters(6, 2, 3, 2)),
    ),
    Operation("conv2d_whole_image", tg.conv2d, (X, *_filters(3, 4, 7, 6))),
    Operation("conv2d_one_by_one", lambda x, k: tg.conv2d(x, k, stride=2), (X[:1, :1], _filters(1, 1, 1, 1)[0])),
    Operation("conv1d", lambda x, k, b: tg.conv1d(x, k, b, padding="full"), (X[..., 0], *_filters(3, 4, 3))),
    Operation("conv3d", tg.conv3d, (normals((2, 2, 3, 4, 3), 27), *_filters(2, 2, 2, 2, 2))),
    Operation("convolve2d", lambda x, k: tg.convolve2d(x, k, padding=1), (X, _filters(3, 4, 3, 2)[0])),
    *(
        Operation(
            f"conv2d_{mode}",
            lambda x, k, b, m=mode: tg.conv2d(x, k, b, stride=2, padding=((2, 1), (0, 3)), padding_mode=m),
            (X, *_filters(3, 4, 3, 2)),
        )
        for mode in ("reflect", "replicate", "circular", "symmetric")
    ),
    Operation("convolve1d", lambda x, k: tg.convolve1d(x, k, padding="full"), (X[..., 0], _filters(3, 4, 3)[0])),
    Operation(
        "convolve3d",
        lambda x, k: tg.convolve3d(x, k, padding=1, padding_mode="replicate"),
        (normals((2, 2, 3, 4, 3), 27), _filters(2, 2, 2, 2, 2)[0]),
    ),
    Operation(
        "conv2d_shared_kernel",
        lambda x, k: tg.conv2d(x, tg.broadcast_to(k, (3, 4, 3, 2))),
        (X, _filters(3, 1, 3, 2)[0]),
    ),
    Operation("conv_transpose2d", tg.conv_transpose2d, (X, *_stamps(4, 3, 3, 2))),
    Operation(
        "conv_transpose2d_options",
        lambda x, k, b: tg.conv_transpose2d(x, k, b, stride=(2, 3), padding=1, output_padding=1, groups=2, dilation=2),
        (X, *_stamps(4, 3, 3, 2, groups=2)),
    ),
    Operation("conv_transpose1d", tg.conv_transpose1d, (X[..., 0], *_stamps(4, 3, 3))),
    Operation("conv_transpose3d", tg.conv_transpose3d, (normals((1, 2, 2, 3, 2), 28), *_stamps(2, 2, 2, 2, 1))),
]

# Most windows have several largest elements.
Y = integers((2, 3, 7, 6), 29) % 2

POOLING = [
    *(
        Operation(f"max_pool{name}_{ties}", lambda x, f=pool, o=options, t=ties: f(x, **o, ties=t) ** 2, (y,))
        for ties in ("first", "split")
        for name, pool, y, options in [
            ("2d", tg.max_pool2d, Y, {"kernel_size": 2}),
            ("2d_overlap", tg.max_pool2d, Y, {"kernel_size": 3, "stride": 2, "padding": 1}),
            ("2d_dilated", tg.max_pool2d, Y, {"kernel_size": (2, 3), "stride": 1, "dilation": 2, "ceil_mode": True}),
            ("1d", tg.max_pool1d, Y[..., 0], {"kernel_size": 3, "stride": 2}),
            ("3d", tg.max_pool3d, Y[:, None], {"kernel_size": 2, "stride": (1, 2, 2)}),
        ]
    ),
    Operation("avg_pool2d", lambda x: tg.avg_pool2d(x, 2) ** 2, (X,)),
    Operation(
        "avg_pool2d_counts",
        lambda x: tg.avg_pool2d(x, 3, 2, padding=1, ceil_mode=True, count_include_pad=False) ** 2,
        (X,),
    ),
    Operation("avg_pool1d", lambda x: tg.avg_pool1d(x, 3, 1), (X[..., 0],)),
    Operation("avg_pool3d", lambda x: tg.avg_pool3d(x, 2, 1), (X[:, None],)),
]

Z = normals((2, 4, 4, 4), 31)

RESAMPLING = [
    *(
        Operation(
            f"interpolate_{'_'.join((mode, *options))}",
            lambda x, o=options, m=mode: tg.interpolate(x, mode=m, **o) ** 2,
            (X,),
        )
        for mode, options in [
            ("nearest", {"size": (3, 11)}),
            ("nearest-exact", {"scale_factor": 1.3}),
            ("area", {"size": (3, 4)}),
            ("bilinear", {"size": (11, 4)}),
            ("bilinear", {"size": (4, 9), "align_corners": True}),
            ("bilinear", {"size": 3, "antialias": True}),
            ("bicubic", {"scale_factor": (2, 0.5)}),
        ]
    ),
    Operation("interpolate_linear", lambda x: tg.interpolate(x, 4, mode="linear"), (X[..., 0],)),
    Operation("interpolate_trilinear", lambda x: tg.interpolate(x, 4, mode="trilinear"), (X[:, None],)),
    Operation("pixel_shuffle", lambda x: tg.pixel_shuffle(x, 2) ** 2, (Z,)),
    Operation("pixel_unshuffle", lambda x: tg.pixel_unshuffle(x, 2) ** 2, (Z,)),
    Operation("unfold", lambda x: tg.unfold(x, (3, 2), 2, 1, (1, 2)) ** 2, (X,)),
    Operation("fold", lambda x: tg.fold(x, (4, 5), 2, padding=1, stride=(2, 1)) ** 2, (normals((2, 8, 18), 32),)),
]

POOLING += [
    Operation("adaptive_avg_pool2d", lambda x: tg.adaptive_avg_pool2d(x, (3, 4)) ** 2, (X,)),
    Operation("global_avg_pool", lambda x: tg.global_avg_pool(x) ** 2, (X,)),
    *(
        Operation(f"{name}_{ties}", lambda x, f=name, o=options, t=ties: getattr(tg, f)(x, **o, ties=t) ** 2, (Y,))
        for ties in ("first", "split")
        for name, options in [
            ("adaptive_max_pool2d", {"output_size": (3, 4)}),
            ("fractional_max_pool2d", {"kernel_size": 2, "output_size": 4, "random_samples": np.full((2, 3, 2), 0.4)}),
            ("global_max_pool", {}),
        ]
    ),
    *(
        Operation(f"lp_pool2d_{p}", lambda x, p=p: tg.lp_pool2d(x, p, 2), (np.where(np.abs(X) < 0.3, 0, X),))
        for p in (1, 2, 2.5, np.inf)
    ),
    *(
        Operation(
            f"max_unpool2d_of_{name}",
            lambda x, f=name: tg.max_unpool2d(*getattr(tg, f)(x, 2, return_indices=True), 2),
            (Z,),
            flags=3,
        )
        for name in ("max_pool2d", "adaptive_max_pool2d")
    ),
    Operation("max_unpool1d", lambda x: tg.max_unpool1d(x, [[[0, 3, 0]]], 2) ** 2, (normals((1, 1, 3), 33),), flags=3),
]

PER_CHANNEL = normals((4,), 41), normals((4,), 42)
CONSTANTS = normals((4,), 43), positive((4,), 44)

NORMALIZATION = [
    Operation("batch_norm", lambda x, w, b: tg.batch_norm(x, None, None, w, b, training=True), (X, *PER_CHANNEL)),
    Operation("batch_norm_without_weight", lambda x: tg.batch_norm(x, None, None, training=True), (X[..., 0, 0],)),
    Operation(
        "batch_norm_in_evaluation",
        lambda x, w, b: tg.batch_norm(x, *(_on(x, array) for array in CONSTANTS), w, b),
        (X, *PER_CHANNEL),
    ),
    Operation("layer_norm", lambda x, w, b: tg.layer_norm(x, (7, 6), w, b), (X, X[0, 0], X[0, 1])),
    Operation("group_norm", lambda x, w, b: tg.group_norm(x, 2, w, b), (X, *PER_CHANNEL)),
    Operation("instance_norm", lambda x, w: tg.instance_norm(x, None, None, w), (X, PER_CHANNEL[0])),
    Operation("local_response_norm", lambda x: tg.local_response_norm(x, 4, 0.5), (X,)),
    Operation("dropout", lambda x: tg.dropout(x, 1.0), (X,)),  # the random numbers of devices differ
]

OPERATIONS = [
    *ELEMENTWISE, *NUMPY_SET, *ACTIVATION, *REDUCTION, *SHAPE, *MATRIX, *LOSS, *CONVOLUTION, *POOLING, *RESAMPLING,
    *NORMALIZATION,
]  # fmt: skip

# Operations of two square matrices, by the name in the error where these lie on different devices
MIXED = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "power": lambda x, y: x**y,
    "matmul": lambda x, y: x @ y,
    "where": lambda x, y: tg.where(tg.tensor(True), x, y),
    "concatenate": lambda x, y: tg.concatenate([x, y]),
    "linear": tg.linear,
    "correlation": lambda x, y: tg.conv2d(x[None, None], y[None, None]),
    "transposed_convolution": lambda x, y: tg.conv_transpose2d(x[None, None], y[None, None]),
    "==": lambda x, y: x == y,
    "!=": lambda x, y: x != y,
    "<": lambda x, y: x < y,
    ">=": lambda x, y: x >= y,
}

# NumPy warns before it passes on CuPy's refusal of an implicit copy.
ignore_numpys_warning = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def model_on(device):
    tg.manual_seed(0)
    model = tg.nn.Sequential(
        tg.nn.Conv2d(1, 4, 3, padding=1),
        tg.nn.ReLU(),
        tg.nn.MaxPool2d(2),
        tg.nn.ConvTranspose2d(4, 2, 2, stride=2),
        tg.nn.Flatten(),
        tg.nn.Linear(2 * 8 * 8, 10),
    )
    return model.astype("float64").to(device)

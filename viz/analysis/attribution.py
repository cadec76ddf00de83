"""What in an image a model's output hangs on: saliency, class activation maps, and the field of one unit.

All are made of gradients that `tg.grad` gives, so no parameter's `.grad` changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn.modes import recording
from tinygrad_cnn.nn.layers import Linear
from tinygrad_cnn.viz.analysis.probing import ModuleCall, as_batch, check_layers, check_module, run
from tinygrad_cnn.viz.receptive_field import receptive_fields
from tinygrad_cnn.walk import nodes

__all__ = ["ClassActivation", "UnitField", "class_activation_map", "saliency_map", "unit_field"]

SALIENCIES = ("gradient", "smoothgrad", "input_x_gradient")
ACTIVATIONS = ("grad-cam", "cam")


def saliency_map(
    model: Any,
    image: Any,
    target: int | None = None,
    method: str = "gradient",
    *,
    samples: int = 32,
    noise: float = 0.15,
    seed: int = 0,
) -> Any:
    """How much each pixel of an image moves the score of a class, the logit S.

    - "gradient": max over the channels c of |dS/dx_c| (Simonyan, Vedaldi, Zisserman, Deep inside convolutional
      networks, 2013, section 3.1). Never negative.
    - "smoothgrad": the same of the mean of dS/dx over copies of the image with Gaussian noise (Smilkov et al.,
      SmoothGrad, 2017), which takes out what changes from one copy to the next.
    - "input_x_gradient": the sum over the channels of x_c dS/dx_c, signed: in a network without biases, of linear
      layers, ReLU and max-pool, the pixels add up to S itself.

    Args:
        model: a `Module` that gives logits (1, classes). It runs in evaluation mode.
        image: (H, W), (C, H, W) or (1, C, H, W), as the model is trained with.
        target: the class; None for the one of the largest logit.
        method: one of the three above.
        samples: how many noisy copies "smoothgrad" takes, as one batch.
        noise: their standard deviation, in parts of the image's range, maximum minus minimum.
        seed: of the noise.

    Returns:
        (H, W), NumPy.

    Raises:
        ValueError: an unknown method or class, outputs that are not (1, classes), no samples, negative noise.
        TypeError: not a module, not numbers.

    >>> from tinygrad_cnn import nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    >>> model[1].weight.data = np.array([[1.0, -2.0, 0.0, 4.0], [0.0, 0.0, 0.0, 0.0]])
    >>> saliency_map(model, np.array([[1.0, 1.0], [1.0, 0.5]]), target=0)
    array([[1., 2.],
           [0., 4.]], dtype=float32)
    >>> saliency_map(model, np.array([[1.0, 1.0], [1.0, 0.5]]), target=0, method="input_x_gradient")
    array([[ 1., -2.],
           [ 0.,  2.]], dtype=float32)
    """
    operation = "saliency_map"
    check_module(model, operation)
    if method not in SALIENCIES:
        raise ValueError(f"{operation}: method must be one of {', '.join(SALIENCIES)} but is {method!r}")
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise ValueError(f"{operation}: samples must be an integer, 1 or more, but is {samples!r}")
    if not 0 <= noise < np.inf:
        raise ValueError(f"{operation}: noise must be 0 or more but is {noise!r}")
    x = as_batch(model, image, operation)
    if target is None or method != "smoothgrad":
        target, gradient = _score_gradient(model, x, target, operation)
    if method == "smoothgrad":
        pixels = x.numpy()
        deviation = noise * float(pixels.max() - pixels.min())
        drawn = np.random.default_rng(seed).standard_normal((samples, *pixels.shape[1:]))
        copies = tg.tensor((pixels + deviation * drawn).astype(pixels.dtype), device=x.device)
        _, gradient = _score_gradient(model, copies, target, operation)
    if method == "input_x_gradient":
        return (x.numpy() * gradient)[0].sum(axis=0)
    return np.abs(gradient.mean(axis=0)).max(axis=0)


@dataclass(frozen=True, slots=True)
class ClassActivation:
    """Where the evidence for a class lies.

    Attributes:
        values: (h, w), at the layer's own resolution: a cell stands for an equal share of the image.
        target: the class.
        layer: the name of the module whose maps were weighted.
        weights: (K,), one for each map.
    """

    values: Any
    target: int
    layer: str
    weights: Any


def class_activation_map(
    model: Any, image: Any, target: int | None = None, layer: str | None = None, method: str = "grad-cam"
) -> ClassActivation:
    """Where in an image the evidence for a class lies: the maps A_k of a layer, each times its weight for the class.

    - "cam": sum over k of w_k A_k, for a network that ends in global average pooling and a linear layer, whose weights
      of the class the w_k are (Zhou et al., Learning deep features for discriminative localization, 2016, eq. 2). The
      mean over the map, plus the bias, is the logit. Signed.
    - "grad-cam": relu(sum over k of a_k A_k), where a_k is the mean over the pixels of dS/dA_k, S being the logit, for
      any network (Selvaraju et al., Grad-CAM, 2017, eq. 1 and 2). Where "cam" works, it is its positive part, divided
      by the number of pixels.

    Args:
        model: a `Module` that gives logits (1, classes). It runs in evaluation mode.
        image: (H, W), (C, H, W) or (1, C, H, W), as the model is trained with.
        target: the class; None for the one of the largest logit.
        layer: the dotted name of a module that returns maps (1, K, h, w); None for the last one with more than one
            pixel, for "cam" for the one that the global average pooling was given.
        method: "grad-cam" or "cam".

    Raises:
        ValueError: an unknown method, class or layer, a layer without maps, a network that "cam" isn't for.
        TypeError: not a module, not numbers.

    >>> from tinygrad_cnn import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.GlobalAvgPool(), nn.Linear(2, 2))
    >>> model[0].weight.data = np.array([[[[1.0]]], [[[-1.0]]]])
    >>> model[2].weight.data = np.array([[3.0, 1.0], [0.0, 0.0]])
    >>> found = class_activation_map(model, np.array([[0.0, 1.0], [2.0, 3.0]]), target=0, method="cam")
    >>> found.layer, found.values.tolist()  # 3 A_1 + 1 A_2, where A_1 = x and A_2 = -x
    ('0', [[0.0, 2.0], [4.0, 6.0]])
    """
    operation = "class_activation_map"
    check_module(model, operation)
    if method not in ACTIVATIONS:
        raise ValueError(f"{operation}: method must be one of {', '.join(ACTIVATIONS)} but is {method!r}")
    if layer is not None:
        check_layers(model, [layer], operation)
    x = as_batch(model, image, operation, requires_grad=True)
    with recording():
        output, calls = run(model, x, operation)
        logits = _logits(output, 1, operation)
        chosen = _target(logits, target, operation)
        if method == "cam":
            call, weights = _pooled_maps(calls, output, layer, chosen)
        else:
            call = _maps(calls, layer)
            (gradient,) = tg.grad(output[0, chosen], call.output, allow_unused=True)
            count = call.output.shape[1]
            weights = np.zeros(count) if gradient is None else gradient.numpy()[0].mean(axis=(1, 2))
    values = np.tensordot(weights, call.output.numpy()[0], axes=1)
    return ClassActivation(np.maximum(values, 0) if method == "grad-cam" else values, chosen, call.title, weights)


@dataclass(frozen=True, slots=True)
class UnitField:
    """What one output pixel sees of an image.

    Attributes:
        gradient: (C, H, W), the gradient of the unit with respect to the image.
        unit: (row, column) in the layer's maps.
        rows, columns: the first and the last pixel of the receptive field that lie in the image, from the layers'
            kernels, strides and paddings alone; None where it has none there, or an operation is not known.
        size: of the receptive field, (height, width), also where it reaches beyond the image; None as before.
    """

    gradient: Any
    unit: tuple[int, int]
    rows: tuple[int, int] | None
    columns: tuple[int, int] | None
    size: tuple[int, int] | None


def unit_field(
    model: Any, image: Any, layer: str = "", unit: tuple[int, int] | None = None, channel: int | None = None
) -> UnitField:
    """What one output pixel sees, and how much it heeds it: its receptive field, and its gradient in the image.

    Outside of the field the gradient is 0 for sure; inside, mostly towards the border, it is often small: the effective
    receptive field (Luo et al., Understanding the effective receptive field, 2016).

    Args:
        model: a `Module`. It runs in evaluation mode.
        image: (H, W), (C, H, W) or (1, C, H, W).
        layer: the dotted name of a module that returns maps (1, K, h, w); "" for the model itself.
        unit: (row, column) in these maps; None for the middle, the later one of two.
        channel: which map; None for the sum of all.

    Raises:
        ValueError: an unknown layer, one without maps, a unit or a channel that isn't there.
        TypeError: not a module, not numbers.

    >>> from tinygrad_cnn import nn
    >>> conv = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    >>> conv.weight.data = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    >>> found = unit_field(conv, np.zeros((3, 4)), unit=(0, 0))
    >>> found.gradient[0]
    array([[5., 6., 0., 0.],
           [8., 9., 0., 0.],
           [0., 0., 0., 0.]], dtype=float32)
    >>> found.rows, found.columns, found.size
    ((0, 1), (0, 1), (3, 3))
    """
    operation = "unit_field"
    check_module(model, operation)
    check_layers(model, [layer], operation)
    x = as_batch(model, image, operation, requires_grad=True)
    with recording():
        _, calls = run(model, x, operation)
        maps = _maps_of(calls, layer, operation).output
        _, count, height, width = maps.shape
        row, column = (height // 2, width // 2) if unit is None else unit
        if not (0 <= row < height and 0 <= column < width):
            raise ValueError(f"{operation}: expected a unit within maps of {(height, width)} but got {unit}")
        if channel is not None and not 0 <= channel < count:
            raise ValueError(f"{operation}: expected a channel from 0 to {count - 1} but got {channel}")
        field = receptive_fields(nodes(maps), x.node).get(maps.node)
        value = maps[0, :, row, column].sum() if channel is None else maps[0, channel, row, column]
        (gradient,) = tg.grad(value, x, allow_unused=True)
    found = np.zeros(x.shape[1:], x.dtype) if gradient is None else gradient.numpy()[0].copy()
    if field is None:
        return UnitField(found, (row, column), None, None, None)
    rows, columns = field.of(row, column)
    down, across = field.axes
    return UnitField(found, (row, column), rows, columns, (down.size, across.size))


def _score_gradient(model: Any, images: Any, target: int | None, operation: str) -> tuple[int, Any]:
    """The class, and (N, C, H, W): the gradient of each image's own logit of that class."""
    with recording():
        x = tg.tensor(images.data, device=images.device, requires_grad=True)
        output, _ = run(model, x, operation)
        chosen = _target(_logits(output, len(images), operation), target, operation)
        (gradient,) = tg.grad(output[:, chosen].sum(), x, allow_unused=True)
    return chosen, np.zeros(x.shape, x.dtype) if gradient is None else gradient.numpy()


def _logits(output: Any, count: int, operation: str) -> Any:
    shape = getattr(output, "shape", None)
    if not isinstance(output, tg.Tensor) or output.ndim != 2 or len(output) != count or not output.size:
        got = type(output).__name__ if shape is None else f"shape {shape}"
        raise ValueError(f"{operation}: expected a model that gives logits of shape ({count}, classes) but got {got}")
    return output.numpy()


def _target(logits: Any, target: int | None, operation: str) -> int:
    classes = logits.shape[1]
    if target is None:
        return int(logits[0].argmax())
    if isinstance(target, bool) or not isinstance(target, int | np.integer):
        raise TypeError(f"{operation}: target must be the number of a class or None but is {target!r}")
    if not 0 <= target < classes:
        raise ValueError(f"{operation}: target must be a class from 0 to {classes - 1} but is {target}")
    return int(target)


def _maps_of(calls: list[ModuleCall], layer: str, operation: str) -> ModuleCall:
    """The last call of a layer, which must have returned maps."""
    call = next((call for call in reversed(calls) if call.name == layer), None)
    if call is None:
        raise ValueError(f"{operation}: expected a layer that the model calls but it did not call {layer!r}")
    if not _has_maps(call):
        got = getattr(call.output, "shape", type(call.output).__name__)
        others = ", ".join(dict.fromkeys(repr(each.name) for each in calls if _has_maps(each))) or "none"
        raise ValueError(
            f"{operation}: expected a layer that returns maps (1, K, h, w) but {call.title!r} gave {got}; "
            f"layers with maps are {others}"
        )
    return call


def _maps(calls: list[ModuleCall], layer: str | None) -> ModuleCall:
    if layer is not None:
        return _maps_of(calls, layer, "class_activation_map")
    for call in reversed(calls):
        if _has_maps(call) and _is_wide(call):
            return _innermost(calls, call)
    raise ValueError("class_activation_map: expected a model with a module that returns maps (1, K, h, w) but got none")


def _has_maps(call: ModuleCall) -> bool:
    return isinstance(call.output, tg.Tensor) and call.output.ndim == 4 and len(call.output) == 1


def _pooled_maps(calls: list[ModuleCall], output: Any, layer: str | None, target: int) -> tuple[ModuleCall, Any]:
    """The maps whose means the last linear layer was given, and its weights for the class."""
    refusal = (
        "class_activation_map: 'cam' expects a network that ends in global average pooling and one linear layer, "
        "with a module that returns the maps that are pooled (nn.ReLU() and not tg.relu); 'grad-cam' works for any"
    )
    linear = next((call for call in reversed(calls) if isinstance(call.module, Linear)), None)
    if linear is None or not np.array_equal(linear.output.numpy(), output.numpy()):
        raise ValueError(refusal)
    last: Any = linear.module
    means, weights = linear.inputs[0].numpy(), last.weight.numpy()[target]
    for call in reversed(calls[: calls.index(linear)]):
        if layer is not None and call.name != layer:
            continue
        if _has_maps(call) and call.output.shape[:2] == means.shape and (layer or _is_wide(call)):
            pooled = call.output.numpy().mean(axis=(2, 3))
            if np.allclose(pooled, means, rtol=1e-4, atol=1e-6 * float(np.abs(means).max())):
                return call if layer else _innermost(calls, call), weights
    raise ValueError(refusal if layer is None else f"{refusal}; {layer!r} doesn't give the maps that are pooled")


def _innermost(calls: list[ModuleCall], call: ModuleCall) -> ModuleCall:
    """The call that made an output which others only handed on, as `Sequential` hands on its last module's."""
    return next(inner for inner in calls if inner.output is call.output)


def _is_wide(call: ModuleCall) -> bool:
    return bool(call.output.shape[2] * call.output.shape[3] > 1)

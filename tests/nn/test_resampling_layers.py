"""Layers that resample, unfold, pool adaptively and unpool: every argument reaches its function, checked and shown."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_equal, distinct, normals
from tinygrad_cnn import nn

SAMPLES = np.random.default_rng(1).random((1, 4, 2))

LAYERS = [
    (nn.Upsample(5), (1, 4, 6, 6), lambda x: tg.interpolate(x, 5), "Upsample(size=5)"),
    (
        nn.Upsample(scale_factor=(2, 1.5), mode="bilinear", align_corners=True),
        (1, 4, 6, 6),
        lambda x: tg.interpolate(x, None, (2, 1.5), "bilinear", True),
        "Upsample(scale_factor=(2, 1.5), mode='bilinear', align_corners=True)",
    ),
    (
        nn.Upsample(None, 1.3, "linear", False, True),
        (1, 4, 5),
        lambda x: tg.interpolate(x, None, 1.3, "linear", False, True),
        "Upsample(scale_factor=1.3, mode='linear', align_corners=False, recompute_scale_factor=True)",
    ),
    (nn.Upsample([2, 3, 4]), (1, 1, 3, 3, 3), lambda x: tg.interpolate(x, (2, 3, 4)), "Upsample(size=(2, 3, 4))"),
    (
        nn.UpsamplingNearest2d(scale_factor=2),
        (1, 4, 3, 2),
        lambda x: tg.interpolate(x, scale_factor=2),
        "UpsamplingNearest2d(scale_factor=2)",
    ),
    (
        nn.UpsamplingBilinear2d((5, 4)),
        (1, 4, 3, 2),
        lambda x: tg.interpolate(x, (5, 4), mode="bilinear", align_corners=True),
        "UpsamplingBilinear2d(size=(5, 4))",
    ),
    (nn.PixelShuffle(2), (1, 4, 3, 2), lambda x: tg.pixel_shuffle(x, 2), "PixelShuffle(2)"),
    (nn.PixelUnshuffle(3), (1, 4, 3, 6), lambda x: tg.pixel_unshuffle(x, 3), "PixelUnshuffle(3)"),
    (
        nn.Unfold((3, 2), 2, 1, (1, 2)),
        (1, 4, 6, 5),
        lambda x: tg.unfold(x, (3, 2), 2, 1, (1, 2)),
        "Unfold(kernel_size=(3, 2), dilation=2, padding=1, stride=(1, 2))",
    ),
    (
        nn.Fold((4, 5), 2, padding=1, stride=(2, 1)),
        (1, 8, 18),
        lambda x: tg.fold(x, (4, 5), 2, 1, 1, (2, 1)),
        "Fold(output_size=(4, 5), kernel_size=2, padding=1, stride=(2, 1))",
    ),
    (nn.AdaptiveAvgPool1d(3), (1, 4, 7), lambda x: tg.adaptive_avg_pool1d(x, 3), "AdaptiveAvgPool1d(output_size=3)"),
    (
        nn.AdaptiveAvgPool2d((None, 2)),
        (1, 4, 5, 3),
        lambda x: tg.adaptive_avg_pool2d(x, (None, 2)),
        "AdaptiveAvgPool2d(output_size=(None, 2))",
    ),
    (
        nn.AdaptiveAvgPool3d([1, 2, 2]),
        (1, 1, 3, 3, 3),
        lambda x: tg.adaptive_avg_pool3d(x, (1, 2, 2)),
        "AdaptiveAvgPool3d(output_size=(1, 2, 2))",
    ),
    (nn.AdaptiveMaxPool1d(3), (1, 4, 7), lambda x: tg.adaptive_max_pool1d(x, 3), "AdaptiveMaxPool1d(output_size=3)"),
    (
        nn.AdaptiveMaxPool2d(2, True, ties="split"),
        (1, 4, 5, 3),
        lambda x: tg.adaptive_max_pool2d(x, 2, True, "split"),
        "AdaptiveMaxPool2d(output_size=2, return_indices=True, ties='split')",
    ),
    (
        nn.AdaptiveMaxPool3d(2),
        (1, 1, 3, 3, 3),
        lambda x: tg.adaptive_max_pool3d(x, 2),
        "AdaptiveMaxPool3d(output_size=2)",
    ),
    (nn.GlobalAvgPool(), (1, 4, 3, 2), tg.global_avg_pool, "GlobalAvgPool()"),
    (
        nn.GlobalMaxPool(True, ties="split"),
        (1, 4, 3, 2),
        lambda x: tg.global_max_pool(x, True, "split"),
        "GlobalMaxPool(keepdims=True, ties='split')",
    ),
    (
        nn.FractionalMaxPool2d(2, (3, 4), return_indices=True, random_samples=SAMPLES),
        (1, 4, 6, 7),
        lambda x: tg.fractional_max_pool2d(x, 2, (3, 4), None, True, SAMPLES),
        "FractionalMaxPool2d(kernel_size=2, output_size=(3, 4), return_indices=True)",
    ),
    (
        nn.FractionalMaxPool2d(2, output_ratio=0.7, random_samples=SAMPLES, ties="split"),
        (1, 4, 6, 7),
        lambda x: tg.fractional_max_pool2d(x, 2, None, 0.7, False, SAMPLES, "split"),
        "FractionalMaxPool2d(kernel_size=2, output_ratio=(0.7, 0.7), ties='split')",
    ),
    (
        nn.LPPool1d(1.5, 2, ceil_mode=True),
        (1, 4, 7),
        lambda x: tg.lp_pool1d(x, 1.5, 2, None, True),
        "LPPool1d(norm_type=1.5, kernel_size=2, ceil_mode=True)",
    ),
    (
        nn.LPPool2d(2, 3, (1, 2)),
        (1, 4, 5, 6),
        lambda x: tg.lp_pool2d(x, 2, 3, (1, 2)),
        "LPPool2d(norm_type=2, kernel_size=3, stride=(1, 2))",
    ),
    (nn.LPPool3d(3, 2), (1, 1, 3, 3, 3), lambda x: tg.lp_pool3d(x, 3, 2), "LPPool3d(norm_type=3, kernel_size=2)"),
    (
        nn.MaxPool2d(3, 2, 1, 1, True, True, ties="split"),
        (1, 4, 6, 7),
        lambda x: tg.max_pool2d(x, 3, 2, 1, 1, True, "split", True),
        "MaxPool2d(kernel_size=3, stride=2, padding=1, ceil_mode=True, return_indices=True, ties='split')",
    ),
]


@pytest.mark.parametrize(("layer", "shape", "function", "text"), LAYERS, ids=[text for *_, text in LAYERS])
def test_layers_are_their_functions(layer, shape, function, text):
    """And their representation makes the layer again."""
    results = []
    for operation in (layer, function):
        x = tg.tensor(distinct(shape, 1) / 8, requires_grad=True)
        z = operation(x)
        z, *indices = z if isinstance(z, tuple) else (z,)
        z.backward(normals(z.shape, 2))
        results.append([z.numpy(), x.grad.numpy(), *(each.numpy() for each in indices)])
    for actual, wanted in zip(*results, strict=True):
        assert_equal(actual, wanted)
    assert list(layer.parameters()) == []
    assert repr(layer) == text
    assert repr(eval(text, vars(nn))) == text


@pytest.mark.parametrize(
    ("pool", "unpool", "shape"),
    [
        (nn.MaxPool1d(2, return_indices=True), nn.MaxUnpool1d(2), (2, 3, 6)),
        (nn.MaxPool2d(3, 2, 1, return_indices=True), nn.MaxUnpool2d(3, 2, 1), (2, 3, 7, 9)),
        (nn.MaxPool2d(2, 2, (1, 0), return_indices=True), nn.MaxUnpool2d(2, 2, (1, 0)), (2, 3, 7, 9)),
        (nn.MaxPool3d(2, return_indices=True), nn.MaxUnpool3d(2), (1, 2, 4, 5, 3)),
    ],
)
def test_unpooling_puts_every_winner_back(pool, unpool, shape):
    x = distinct(shape, 1) + 1
    z = unpool(*pool(tg.tensor(x)), output_size=shape)
    assert z.shape == shape
    assert_equal(z.numpy(), np.where(np.isin(x, pool(tg.tensor(x))[0].numpy()), x, 0))
    assert repr(eval(repr(unpool), vars(nn))) == repr(unpool)


def test_an_encoder_and_decoder_train_end_to_end():
    tg.manual_seed(0)
    down, up = nn.Conv2d(1, 4, 3, padding="same"), nn.Conv2d(4, 1, 3, padding="same")
    x = tg.tensor(normals((2, 1, 7, 8), 1).astype(np.float32))
    z, indices = nn.MaxPool2d(2, return_indices=True)(down(x))
    y = up(nn.MaxUnpool2d(2)(z, indices, (7, 8)) + nn.Upsample((7, 8), mode="bilinear")(z))
    (y * y).sum().backward()
    assert all(np.isfinite(p.grad.numpy()).all() and p.grad.numpy().any() for p in down.parameters())


REFUSED = [
    (nn.Upsample, ValueError, "Upsample: expected either size or scale_factor but got None and None"),
    (lambda: nn.Upsample(2, 2), ValueError, "Upsample: expected either size or scale_factor but got 2 and 2"),
    (lambda: nn.Upsample(0), ValueError, "Upsample: size must be at least 1 but is 0"),
    (lambda: nn.Upsample((2, 1.5)), TypeError, "Upsample: size must be an integer but is 1.5"),
    (lambda: nn.Upsample(2.5), TypeError, "Upsample: size must be an integer but is 2.5"),
    (lambda: nn.Upsample(scale_factor=(1, 0)), ValueError, r"scale_factor must be positive and finite but is \(1, 0\)"),
    (lambda: nn.Upsample(scale_factor="2"), TypeError, "Upsample: scale_factor must be a number but is '2'"),
    (lambda: nn.Upsample(2, mode="best"), ValueError, "Upsample: mode must be one of 'nearest'.* but is 'best'"),
    (lambda: nn.Upsample(2, align_corners=True), ValueError, "mode 'nearest' takes no align_corners but got True"),
    (lambda: nn.Upsample(2, mode="bilinear", align_corners=1), TypeError, "align_corners must be True or False"),
    (lambda: nn.Upsample(2, recompute_scale_factor=True), ValueError, "needs a scale_factor but got size 2"),
    (nn.UpsamplingBilinear2d, ValueError, "UpsamplingBilinear2d: expected either size"),
    (lambda: nn.PixelShuffle(0), ValueError, "PixelShuffle: upscale_factor must be at least 1 but is 0"),
    (lambda: nn.PixelUnshuffle(1.0), TypeError, "PixelUnshuffle: downscale_factor must be an integer but is 1.0"),
    (lambda: nn.Unfold(0), ValueError, "Unfold: kernel_size must be at least 1 but is 0"),
    (lambda: nn.Unfold(2, stride=0), ValueError, "Unfold: stride must be at least 1 but is 0"),
    (lambda: nn.Fold(0, 2), ValueError, "Fold: output_size must be at least 1 but is 0"),
    (lambda: nn.Fold(4, 2, padding="half"), ValueError, "Fold: padding must be"),
    (lambda: nn.AdaptiveAvgPool2d(0), ValueError, "AdaptiveAvgPool2d: output_size must be at least 1"),
    (lambda: nn.AdaptiveAvgPool2d((1, 2, 3)), ValueError, "AdaptiveAvgPool2d: output_size expects an integer or 2"),
    (lambda: nn.AdaptiveMaxPool1d(2.0), TypeError, "AdaptiveMaxPool1d: output_size must be an integer but is 2.0"),
    (lambda: nn.AdaptiveMaxPool2d(2, 1), TypeError, "AdaptiveMaxPool2d: return_indices must be True or False but is 1"),
    (lambda: nn.AdaptiveMaxPool2d(2, ties="all"), ValueError, "AdaptiveMaxPool2d: ties must be one of"),
    (lambda: nn.GlobalAvgPool(2), TypeError, "GlobalAvgPool: keepdims must be True or False but is 2"),
    (lambda: nn.GlobalMaxPool(ties="all"), ValueError, "GlobalMaxPool: ties must be one of"),
    (lambda: nn.FractionalMaxPool2d(2), ValueError, "FractionalMaxPool2d: expected either output_size or output_ratio"),
    (lambda: nn.FractionalMaxPool2d(2, output_ratio=1.5), ValueError, "between 0 and 1 but is 1.5"),
    (lambda: nn.FractionalMaxPool2d(0, 2), ValueError, "FractionalMaxPool2d: kernel_size must be at least 1 but is 0"),
    (lambda: nn.LPPool2d(0, 2), ValueError, "LPPool2d: norm_type must be positive but is 0"),
    (lambda: nn.LPPool2d("2", 2), TypeError, "LPPool2d: norm_type must be a number but is '2'"),
    (lambda: nn.LPPool2d(2, 2, ceil_mode=1), TypeError, "LPPool2d: ceil_mode must be True or False but is 1"),
    (lambda: nn.MaxUnpool2d(2, padding="same"), ValueError, "padding must be .* 'valid', 'full' but is 'same'"),
    (lambda: nn.MaxUnpool2d(2, 0), ValueError, "MaxUnpool2d: stride must be at least 1 but is 0"),
    (lambda: nn.MaxPool2d(2, return_indices=1), TypeError, "MaxPool2d: return_indices must be True or False but is 1"),
]


@pytest.mark.parametrize(("make", "error", "text"), REFUSED)
def test_wrong_arguments_are_refused_when_the_layer_is_made(make, error, text):
    with pytest.raises(error, match=text):
        make()

"""The cases of everything that moves a window over an image; all oracles go through the same tables.

A case has the arguments as a user writes them, and knows what they must mean on each axis. What a padding word means is
written out by hand in `pads` (and `size`), not computed.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest

import tinygrad_cnn as tg
from tests import oracles


def each(value, n):
    return value if isinstance(value, tuple) else (value,) * n


def pairs(padding, n):
    """An integer, one for each axis, or a pair (before, after) for each axis, as pairs."""
    return tuple(pair if isinstance(pair, tuple) else (pair, pair) for pair in each(padding, n))


class Case:
    """A name, operands' shapes and options; `operation` is the public function that it is for."""

    operation_prefix: str

    @property
    def n(self):
        """The number of spatial axes."""
        return len(self.x) - 2

    @property
    def operation(self):
        return f"{self.operation_prefix}{self.n}d"

    def __str__(self):
        return f"{self.operation}: {self.name}"


class Bilinear(Case):
    """A case with x, weight and bias."""

    def operands(self, make, **options):
        """Arrays for x, weight and bias."""
        return tuple(make(shape, seed, **options) for seed, shape in enumerate((self.x, self.weight, self.bias), 1))

    def __call__(self, x, weight, bias=None):
        return getattr(tg, self.operation)(x, weight, bias, **self.options)


@dataclass(frozen=True)
class Convolution(Bilinear):
    """x (N, C, *size) with weight (F, C / groups, *kernel)."""

    operation_prefix = "conv"

    name: str
    x: tuple
    weight: tuple
    stride: Any = 1
    padding: Any = 0
    dilation: Any = 1
    groups: int = 1
    pads: Any = None
    padding_mode: str = "zeros"

    @property
    def bias(self):
        return self.weight[:1]

    @property
    def options(self):
        names = ("stride", "padding", "dilation", "groups", "padding_mode")
        return {name: getattr(self, name) for name in names}

    @property
    def explicit(self):
        """Stride, padding, dilation and groups as kernels and oracles take them."""
        pads = pairs(self.padding, self.n) if self.pads is None else self.pads
        return each(self.stride, self.n), pads, each(self.dilation, self.n), self.groups

    @cached_property
    def naive(self):
        return oracles.convolution(self.x, self.weight, *self.explicit, self.padding_mode)


CONVOLUTIONS = [
    Convolution("plain", (2, 2, 5, 5), (3, 2, 3, 3)),
    Convolution("one of everything", (1, 1, 1, 1), (1, 1, 1, 1)),
    Convolution("kernel 1x1", (2, 3, 2, 3), (2, 3, 1, 1)),
    Convolution("kernel as large as the input", (2, 2, 4, 3), (3, 2, 4, 3)),
    Convolution("kernel as large as the padded input", (1, 2, 3, 2), (2, 2, 5, 4), padding=1),
    Convolution("odd sizes, even kernel", (1, 1, 7, 5), (2, 1, 2, 4)),
    Convolution("stride that leaves a row", (2, 2, 6, 6), (2, 2, 3, 3), stride=2),
    Convolution("stride that leaves two rows", (1, 1, 8, 7), (1, 1, 3, 2), stride=3),
    Convolution("stride larger than the kernel", (1, 2, 8, 7), (2, 2, 2, 1), stride=3),
    Convolution("stride larger than the input", (1, 1, 3, 4), (2, 1, 2, 2), stride=5),
    Convolution("stride pair", (1, 1, 5, 6), (2, 1, 2, 3), stride=(2, 1)),
    Convolution("padding", (2, 1, 4, 3), (2, 1, 3, 3), padding=1),
    Convolution("padding pair", (1, 1, 3, 4), (1, 1, 3, 3), padding=(2, 1)),
    Convolution("padding pairs", (1, 2, 4, 4), (2, 2, 3, 3), padding=((1, 0), (2, 3))),
    Convolution("windows in the padding alone", (1, 1, 3, 3), (2, 1, 2, 2), padding=3),
    Convolution("padding before the one, after the other", (1, 1, 3, 3), (1, 1, 2, 2), 2, ((4, 0), (0, 3))),
    Convolution("every window in the padding", (1, 1, 2, 1), (2, 1, 2, 1), 7, ((3, 3), (2, 1))),
    Convolution("valid", (1, 1, 5, 4), (1, 1, 2, 3), padding="valid", pads=((0, 0), (0, 0))),
    Convolution("same", (1, 1, 5, 6), (1, 1, 3, 5), padding="same", pads=((1, 1), (2, 2))),
    Convolution("same, even kernel", (1, 1, 5, 6), (1, 1, 2, 4), padding="same", pads=((0, 1), (1, 2))),
    Convolution("same, stride", (1, 1, 5, 6), (1, 1, 3, 3), stride=2, padding="same", pads=((1, 1), (0, 1))),
    Convolution("same, stride larger than the kernel", (1, 1, 8, 7), (1, 1, 1, 2), 3, "same", pads=((0, 0), (0, 1))),
    Convolution("same, stride, dilation", (1, 1, 7, 8), (1, 1, 3, 2), 3, "same", 2, pads=((2, 2), (0, 1))),
    Convolution("full", (1, 2, 3, 3), (2, 2, 3, 2), padding="full", pads=((2, 2), (1, 1))),
    Convolution("full, stride, dilation", (1, 1, 4, 3), (1, 1, 3, 2), 2, "full", 2, pads=((4, 4), (2, 2))),
    Convolution("dilation", (1, 2, 6, 7), (2, 2, 3, 3), dilation=2),
    Convolution("dilation pair", (1, 1, 5, 7), (1, 1, 2, 3), dilation=(4, 2)),
    Convolution("dilation, stride, padding, a row left", (2, 1, 7, 6), (2, 1, 3, 2), 2, 1, 2),
    Convolution("groups", (2, 4, 4, 4), (6, 2, 2, 3), groups=2),
    Convolution("depthwise", (2, 3, 4, 4), (3, 1, 3, 3), groups=3),
    Convolution("depthwise, two filters a channel", (1, 3, 4, 3), (6, 1, 2, 2), stride=2, padding=1, groups=3),
    Convolution("everything", (2, 4, 7, 6), (6, 2, 3, 2), (2, 3), ((1, 2), (0, 1)), (2, 1), 2),
    Convolution("batch 0", (0, 2, 4, 4), (3, 2, 3, 3)),
    Convolution("batch 0, groups, stride, padding", (0, 4, 5, 5), (2, 2, 2, 2), 2, 1, 1, 2),
    Convolution("1d", (2, 2, 6), (3, 2, 3)),
    Convolution("1d, everything", (2, 4, 9), (2, 2, 3), 2, ((1, 2),), 2, 2),
    Convolution("1d, same", (1, 1, 5), (2, 1, 2), padding="same", pads=((0, 1),)),
    Convolution("3d", (1, 2, 3, 4, 3), (2, 2, 2, 2, 3)),
    Convolution("3d, everything", (1, 2, 5, 3, 4), (2, 1, 2, 2, 3), (2, 1, 2), ((1, 0), (0, 1), (1, 1)), (2, 1, 1), 2),
]

OTHER_MODES = ("reflect", "replicate", "circular", "symmetric")

# Borders of the image's own pixels: narrow, as wide as the image and wider, around a single pixel.
CONVOLUTIONS_WITH_BORDERS = [
    Convolution(f"{mode}, {name}", *arguments, **options, padding_mode=mode)
    for mode in OTHER_MODES
    for name, arguments, options in [
        ("no padding", ((1, 1, 3, 3), (2, 1, 2, 2)), {}),
        ("padding", ((2, 1, 4, 3), (2, 1, 3, 3)), {"padding": 1}),
        ("padding as wide as the image less one", ((1, 1, 3, 4), (1, 1, 4, 5)), {"padding": (2, 3)}),
        ("padding as wide as the image", ((1, 1, 3, 2), (1, 1, 2, 3)), {"padding": (3, 2)}),
        ("padding wider than the image", ((1, 1, 2, 3), (1, 1, 3, 3)), {"stride": 3, "padding": ((5, 2), (1, 7))}),
        ("a single pixel", ((1, 2, 1, 1), (2, 2, 3, 3)), {"padding": 1}),
        ("padding on one side of one axis", ((1, 2, 3, 3), (1, 2, 2, 1)), {"padding": ((0, 2), (0, 0))}),
        ("same, even kernel", ((1, 1, 5, 4), (1, 1, 2, 4)), {"padding": "same", "pads": ((0, 1), (1, 2))}),
        ("same, stride, dilation", ((1, 1, 7, 8), (1, 1, 3, 2), 3, "same", 2), {"pads": ((2, 2), (0, 1))}),
        ("full", ((1, 2, 3, 3), (2, 2, 3, 2)), {"padding": "full", "pads": ((2, 2), (1, 1))}),
        ("depthwise", ((1, 3, 3, 4), (3, 1, 3, 3)), {"padding": 1, "groups": 3}),
        ("everything", ((2, 4, 7, 6), (6, 2, 3, 2), (2, 3), ((1, 2), (0, 1)), (2, 1), 2), {}),
        ("batch 0", ((0, 2, 4, 4), (3, 2, 3, 3)), {"padding": 1}),
        ("1d, everything", ((2, 4, 9), (2, 2, 3), 2, ((1, 2),), 2, 2), {}),
        ("3d", ((1, 1, 2, 3, 2), (1, 1, 2, 2, 3)), {"padding": ((1, 1), (0, 2), (1, 0))}),
    ]
]


@dataclass(frozen=True)
class TransposedConvolution(Bilinear):
    """x (N, C, *size) with weight (C, F / groups, *kernel)."""

    operation_prefix = "conv_transpose"

    name: str
    x: tuple
    weight: tuple
    stride: Any = 1
    padding: Any = 0
    output_padding: Any = 0
    groups: int = 1
    dilation: Any = 1
    output_size: Any = None
    pads: Any = None
    same_size: Any = None

    @property
    def bias(self):
        return (self.weight[1] * self.groups,)

    @property
    def options(self):
        names = ("stride", "padding", "output_padding", "groups", "dilation", "output_size")
        return {name: getattr(self, name) for name in names}

    @property
    def explicit(self):
        """Size, stride, padding, dilation and groups as kernels and oracles take them."""
        n = self.n
        stride, dilation, extra = each(self.stride, n), each(self.dilation, n), each(self.output_padding, n)
        pads = pairs(self.padding, n) if self.pads is None else self.pads
        size = tuple(
            (m - 1) * s - before - after + d * (k - 1) + 1 + more
            for m, s, (before, after), d, k, more in zip(
                self.x[2:], stride, pads, dilation, self.weight[2:], extra, strict=True
            )
        )
        size = self.same_size or (each(self.output_size, n) if self.output_size else size)
        return size, stride, pads, dilation, self.groups

    @cached_property
    def naive(self):
        return oracles.transposed_convolution(self.x, self.weight, *self.explicit)


TRANSPOSED_CONVOLUTIONS = [
    TransposedConvolution("plain", (2, 2, 3, 4), (2, 3, 2, 3)),
    TransposedConvolution("one of everything", (1, 1, 1, 1), (1, 1, 1, 1)),
    TransposedConvolution("a single pixel", (2, 2, 1, 1), (2, 1, 3, 2), stride=2),
    TransposedConvolution("overlapping stamps", (1, 2, 3, 2), (2, 2, 3, 3), stride=2),
    TransposedConvolution("gaps between the stamps", (1, 2, 3, 2), (2, 1, 2, 1), stride=3),
    TransposedConvolution("stride pair, odd sizes", (1, 1, 3, 5), (1, 2, 2, 4), stride=(2, 1)),
    TransposedConvolution("padding", (2, 1, 3, 3), (1, 2, 3, 2), padding=1),
    TransposedConvolution("padding pair", (1, 1, 4, 3), (1, 1, 3, 3), stride=2, padding=(2, 1)),
    TransposedConvolution("padding pairs", (1, 1, 3, 4), (1, 1, 3, 3), stride=2, padding=((2, 0), (1, 3))),
    TransposedConvolution("padding that takes whole stamps off", (1, 1, 4, 5), (1, 1, 2, 1), padding=2),
    TransposedConvolution("padding down to one pixel", (1, 1, 2, 2), (1, 1, 2, 2), padding=1),
    TransposedConvolution("valid", (1, 1, 3, 2), (1, 1, 2, 2), 2, "valid", pads=((0, 0), (0, 0))),
    TransposedConvolution(
        "same", (1, 1, 3, 4), (1, 1, 3, 4), padding="same", pads=((1, 1), (1, 2)), same_size=(3, 4)
    ),
    TransposedConvolution(
        "same, stride", (1, 1, 3, 3), (1, 1, 3, 4), stride=2, padding="same", pads=((0, 1), (1, 1)), same_size=(6, 6)
    ),
    TransposedConvolution(
        "same, kernel smaller than the stride", (1, 1, 3, 2), (1, 2, 1, 2), stride=3, padding="same",
        pads=((0, 0), (0, 0)), same_size=(9, 6),
    ),
    TransposedConvolution("full", (1, 2, 4, 3), (2, 1, 3, 2), padding="full", pads=((2, 2), (1, 1))),
    TransposedConvolution("output padding", (2, 1, 3, 2), (1, 2, 3, 3), 2, 1, 1),
    TransposedConvolution("output padding pair", (1, 1, 2, 3), (1, 1, 2, 1), (2, 3), 0, (1, 2)),
    TransposedConvolution("output padding up to the dilation", (1, 2, 3, 3), (2, 1, 2, 3), 1, 0, (1, 2), 1, (2, 3)),
    TransposedConvolution("output padding of stride and dilation", (1, 1, 3, 2), (1, 1, 3, 2), 2, 1, 2, 1, 3),
    TransposedConvolution("output size", (1, 1, 3, 3), (1, 1, 3, 3), 2, 1, output_size=(6, 5)),
    TransposedConvolution("output size an integer", (1, 1, 3, 3), (1, 1, 2, 2), 3, output_size=10),
    TransposedConvolution("dilation", (1, 1, 3, 4), (1, 2, 3, 2), dilation=2),
    TransposedConvolution("dilation, stride, padding", (2, 1, 3, 2), (1, 1, 2, 3), 2, 1, 0, 1, (3, 2)),
    TransposedConvolution("groups", (2, 4, 2, 3), (4, 3, 2, 2), groups=2),
    TransposedConvolution("depthwise", (1, 3, 3, 2), (3, 1, 2, 3), stride=2, groups=3),
    TransposedConvolution("everything", (2, 4, 3, 2), (4, 2, 3, 2), (2, 3), ((1, 2), (0, 1)), (1, 2), 2, (2, 1)),
    TransposedConvolution("batch 0", (0, 2, 3, 3), (2, 3, 2, 2), 2),
    TransposedConvolution("1d", (2, 2, 4), (2, 3, 3)),
    TransposedConvolution("1d, everything", (2, 4, 4), (4, 1, 3), 2, ((1, 2),), 1, 2, 2),
    TransposedConvolution("3d", (1, 2, 2, 2, 3), (2, 1, 2, 1, 2)),
    TransposedConvolution(
        "3d, everything", (1, 2, 2, 3, 2), (2, 1, 2, 2, 3), (2, 1, 2), ((1, 0), (0, 1), (1, 1)), (1, 0, 1), 2
    ),
]


@dataclass(frozen=True)
class Pooling(Case):
    """x (N, C, *size), each channel on its own."""

    operation_prefix = "pool"

    name: str
    x: tuple
    kernel: Any
    stride: Any = None
    padding: Any = 0
    dilation: Any = 1
    ceil_mode: bool = False
    pads: Any = None

    @property
    def arguments(self):
        return self.kernel, self.stride, self.padding, self.dilation, self.ceil_mode

    @property
    def explicit(self):
        """Kernel, stride, padding, dilation and ceil_mode as oracles take them."""
        kernel = each(self.kernel, self.n)
        stride = kernel if self.stride is None else each(self.stride, self.n)
        pads = pairs(self.padding, self.n) if self.pads is None else self.pads
        return kernel, stride, pads, each(self.dilation, self.n), self.ceil_mode

    def max(self, x, ties="first"):
        return getattr(tg, f"max_{self.operation}")(x, *self.arguments, ties=ties)

    def average(self, x, count_include_pad=True):
        return getattr(tg, f"avg_{self.operation}")(x, *self.arguments, count_include_pad=count_include_pad)


POOLINGS = [
    Pooling("plain", (2, 2, 4, 6), 2),
    Pooling("one of everything", (1, 1, 1, 1), 1),
    Pooling("window of one", (1, 2, 3, 2), 1),
    Pooling("window pair", (1, 1, 6, 6), (2, 3)),
    Pooling("window as large as the input", (2, 3, 4, 3), (4, 3)),
    Pooling("window as large as the padded input", (1, 2, 2, 3), (4, 5), padding=1),
    Pooling("a row and a column left", (1, 2, 5, 7), 2),
    Pooling("overlapping windows", (2, 2, 5, 5), 3, 1),
    Pooling("overlapping windows, a row left", (1, 1, 6, 7), 3, 2),
    Pooling("stride larger than the window", (1, 2, 8, 7), 2, 3),
    Pooling("stride larger than the input", (1, 1, 3, 4), 2, 6),
    Pooling("stride pair", (1, 1, 5, 6), (3, 2), (1, 2)),
    Pooling("padding", (2, 1, 5, 4), 3, 2, 1),
    Pooling("padding pair", (1, 1, 3, 4), (3, 2), 1, (1, 0)),
    Pooling("padding pairs", (1, 2, 4, 4), 3, 2, ((2, 0), (0, 1))),
    Pooling("valid", (1, 1, 5, 4), 2, 1, "valid", pads=((0, 0), (0, 0))),
    Pooling("same", (1, 1, 5, 6), 3, 2, "same", pads=((1, 1), (0, 1))),
    Pooling("same, even window", (1, 1, 3, 4), (2, 4), 1, "same", pads=((0, 1), (1, 2))),
    Pooling("full", (1, 1, 3, 3), (2, 3), 1, "full", pads=((1, 1), (2, 2))),
    Pooling("dilation", (1, 2, 5, 6), 2, 1, 0, (2, 3)),
    Pooling("dilation, stride, padding", (1, 1, 7, 6), 3, 2, 1, 2),
    Pooling("ceil mode", (2, 1, 5, 4), 2, ceil_mode=True),
    Pooling("ceil mode, overlapping windows", (1, 1, 6, 8), 3, 2, ceil_mode=True),
    Pooling("ceil mode, padding", (1, 1, 6, 5), 3, 2, 1, ceil_mode=True),
    Pooling("ceil mode, last window would begin behind the image", (1, 1, 4, 3), 2, 3, 1, ceil_mode=True),
    Pooling("ceil mode, last window would begin just behind the image", (1, 1, 5, 2), 2, 3, 1, ceil_mode=True),
    Pooling("ceil mode, dilation", (1, 1, 6, 7), 2, 2, 1, 2, ceil_mode=True),
    Pooling("ceil mode, window larger than the input", (1, 1, 2, 3), 3, 2, ceil_mode=True),
    Pooling("batch 0", (0, 2, 4, 4), 2),
    Pooling("batch 0, overlapping windows", (0, 2, 4, 4), 3, 1, 1),
    Pooling("window of more than 256 entries", (1, 1, 18, 17), 17, 1),
    Pooling("1d", (2, 2, 7), 2),
    Pooling("1d, everything", (1, 2, 9), 3, 2, ((1, 0),), 2, ceil_mode=True),
    Pooling("3d", (1, 2, 4, 3, 4), 2),
    Pooling("3d, overlapping windows", (1, 1, 3, 4, 3), (2, 3, 2), 1, (1, 1, 0)),
]


def by_name(cases, *names):
    """A decorator that runs a test for each case, or for those with one of the names."""
    chosen = [case for case in cases if not names or case.name in names]
    assert set(names) <= {case.name for case in chosen}
    return pytest.mark.parametrize("case", chosen, ids=str)

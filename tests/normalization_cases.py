"""The cases of batch, layer, group and instance normalisation, and their oracle: loops over single elements.

What differs between the four is which elements are normalised together and which share a weight. A case says both of a
single index; the rest is the same, and runs in floats, fractions and dual numbers. The gradients in floats come from
the Jacobian (Ioffe and Szegedy 2015, "Batch normalization", section 3): with z_i = (x_i - mean) / sigma of n elements,

    dz_j / dx_i = ((1 if i = j else 0) - 1 / n - z_i z_j / n) / sigma
"""

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt, sqrt
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.dual_numbers import Dual
from tests.oracles import indices, zeros

EPS = Fraction(1, 4)


def root(value):
    """The square root of a float, of a fraction that has one, or of a dual number."""
    if isinstance(value, Dual):
        result = root(value.value)
        return Dual(result, value.slope / (2 * result))
    if isinstance(value, float):
        return sqrt(value)
    assert is_square(value)
    return Fraction(isqrt(value.numerator), isqrt(value.denominator))


def is_square(value):
    """Whether a fraction is the square of one."""
    return all(isqrt(number) ** 2 == number for number in (value.numerator, value.denominator))


@dataclass(frozen=True)
class Normalization:
    """x (N, C, ...); `argument` is the normalized_shape of a layer normalisation, or num_groups of a group one."""

    operation: str
    name: str
    x: tuple
    argument: Any = None

    def __str__(self):
        return f"{self.operation}: {self.name}"

    @property
    def normalized_shape(self):
        return self.argument if isinstance(self.argument, tuple) else (self.argument,)

    @property
    def parameter(self):
        """The shape of weight and bias."""
        return self.normalized_shape if self.operation == "layer_norm" else self.x[1:2]

    @property
    def shapes(self):
        return self.x, self.parameter, self.parameter

    def group_of(self, i):
        """What an index has in common with those that it is normalised with."""
        match self.operation:
            case "batch_norm":
                return i[1]
            case "instance_norm":
                return i[:2]
            case "layer_norm":
                return i[: len(self.x) - len(self.normalized_shape)]
            case "group_norm":
                return i[0], i[1] // (self.x[1] // self.argument)

    def parameter_of(self, i):
        """The index of the weight and the bias of an element."""
        return i[len(self.x) - len(self.normalized_shape) :] if self.operation == "layer_norm" else i[1:2]

    @property
    def groups(self):
        groups = {}
        for i in indices(self.x):
            groups.setdefault(self.group_of(i), []).append(i)
        return groups

    def call(self, functional, x, weight, bias, eps):
        """The function of the library, or of `torch.nn.functional`."""
        function = getattr(functional, self.operation)
        match self.operation:
            case "batch_norm":
                return function(x, None, None, weight, bias, training=True, eps=eps)
            case "instance_norm":
                return function(x, weight=weight, bias=bias, eps=eps)
            case "layer_norm":
                return function(x, self.normalized_shape, weight, bias, eps)
            case "group_norm":
                return function(x, self.argument, weight, bias, eps)

    def __call__(self, x, weight=None, bias=None, eps=float(EPS)):
        return self.call(tg, x, weight, bias, eps)

    def statistics(self, x):
        """The mean and the (biased) variance of each group."""
        found = {}
        for key, group in self.groups.items():
            mean = sum((x[i] for i in group), start=Fraction(0)) / len(group)
            found[key] = mean, sum(((x[i] - mean) ** 2 for i in group), start=Fraction(0)) / len(group)
        return found

    def standardized(self, x, eps):
        """z without weight and bias, and the root of variance + eps of each group."""
        z, roots = zeros(self.x), {}
        for key, (mean, variance) in self.statistics(x).items():
            roots[key] = root(variance + eps)
            for i in self.groups[key]:
                z[i] = (x[i] - mean) / roots[key]
        return z, roots

    def value(self, x, weight=None, bias=None, eps=EPS):
        z = self.standardized(x, eps)[0]
        for i in indices(self.x):
            if weight is not None:
                z[i] = z[i] * weight[self.parameter_of(i)]
            if bias is not None:
                z[i] = z[i] + bias[self.parameter_of(i)]
        return z

    def gradients(self, x, weight, dz, eps=EPS):
        """dx, dweight and dbias of the scalar <dz, z>."""
        z, roots = self.standardized(x, eps)
        dx, dweight, dbias = (zeros(shape) for shape in self.shapes)
        for key, group in self.groups.items():
            for i in group:
                for j in group:
                    slope = (i == j) - Fraction(1, len(group)) - z[i] * z[j] / len(group)
                    dx[i] += dz[j] * weight[self.parameter_of(j)] * slope / roots[key]
        for i in indices(self.x):
            dweight[self.parameter_of(i)] += dz[i] * z[i]
            dbias[self.parameter_of(i)] += dz[i]
        return dx, dweight, dbias

    def rational(self, seed):
        """Fractions for x such that variance + EPS has a rational root in each group."""
        rng = np.random.default_rng(seed)
        x = zeros(self.x)
        for key, group in self.groups.items():
            while True:
                for i in group:
                    x[i] = Fraction(int(rng.integers(-4, 5)))
                if is_square(self.statistics(x)[key][1] + EPS):
                    break
        return x


def _case(operation):
    return lambda name, x, argument=None: Normalization(operation, name, x, argument)


batch, layer, group, instance = (_case(f"{name}_norm") for name in ("batch", "layer", "group", "instance"))

CASES = [
    batch("images", (3, 2, 2, 3)),
    batch("no spatial axis", (5, 3)),
    batch("one spatial axis", (3, 2, 4)),
    batch("three spatial axes", (2, 2, 2, 1, 3)),
    batch("a single image", (1, 3, 2, 3)),
    batch("a single pixel", (4, 3, 1, 1)),
    batch("a single channel", (3, 1, 2, 2)),
    batch("two values", (2, 3)),
    layer("last axis", (3, 5), 5),
    layer("last of three axes", (2, 3, 4), 4),
    layer("two axes", (2, 3, 2), (3, 2)),
    layer("all axes", (3, 4), (3, 4)),
    layer("of a vector", (5,), 5),
    layer("a single value", (4, 1), 1),
    layer("a single sample", (1, 6), 6),
    layer("a size-1 axis among the normalised", (2, 1, 3), (1, 3)),
    group("one group", (2, 4, 2, 1), 1),
    group("two groups", (2, 4, 3), 2),
    group("three groups", (1, 6, 1, 2), 3),
    group("as many groups as channels", (2, 3, 2, 2), 3),
    group("no spatial axis", (3, 6), 2),
    group("groups of a single value", (2, 3), 3),
    group("a single channel", (2, 1, 4), 1),
    group("three spatial axes", (1, 4, 1, 2, 2), 2),
    instance("one spatial axis", (2, 3, 4)),
    instance("images", (2, 2, 3, 2)),
    instance("three spatial axes", (1, 2, 2, 1, 3)),
    instance("a single image of a single channel", (1, 1, 3, 2)),
    instance("a size-1 spatial axis", (2, 2, 1, 3)),
]

EMPTY = [
    batch("no images", (0, 3, 2, 2)),
    batch("no channels", (2, 0, 3)),
    batch("no pixels", (2, 3, 0)),
    layer("no samples", (0, 4), 4),
    layer("no values", (3, 0), 0),
    group("no images", (0, 4, 2), 2),
    group("no channels", (2, 0, 3), 2),
    group("no pixels", (2, 4, 0), 2),
    instance("no images", (0, 3, 2)),
    instance("no channels", (2, 0, 3)),
    instance("no pixels", (2, 3, 2, 0)),
]


def by_name(cases, *names):
    """A decorator that runs a test for each case, or for those whose `str` is one of the names."""
    chosen = [case for case in cases if not names or str(case) in names]
    assert set(names) <= {str(case) for case in chosen}
    return pytest.mark.parametrize("case", chosen, ids=str)

"""A student's module, with everything that a function may refer to; tracing it must leave it as it is."""

import functools
import math
from dataclasses import dataclass, field
from functools import lru_cache, partial, wraps

import numpy
import numpy as N  # noqa: N812 - under any name
from numpy import exp, float64, zeros
from numpy.lib import stride_tricks

TABLE = N.array([[0.1, 0.2], [0.3, 0.4]])
WEIGHTS = [0.5, N.array([1.0, 2.0])]
CACHE = {}
LOG = []
COUNT = 0


def scaled(X, table=TABLE, *, factor=0.1):
    global COUNT
    COUNT += 1
    Z = zeros(X.shape)
    Z += X * table * factor
    CACHE["X"] = X
    LOG.append(X.sum())
    TABLE[0, 0] = 5.0
    WEIGHTS[1][0] = 7.0
    scaled.calls = scaled.calls + 1
    return Z


scaled.calls = 0


def logged(function):
    @wraps(function)
    def wrapper(*arguments, **options):
        return function(*arguments, **options) * N.ones(())

    return wrapper


@logged
def decorated(X):
    return N.zeros(X.shape) + X / 3


@lru_cache(maxsize=8)
def bias(n):
    return N.zeros(n) + 0.5


def with_cached_bias(X):
    return X * bias(2)


def counter(n):
    def count(X):
        nonlocal n
        n += 1
        return N.zeros(X.shape) + X * n

    def read(X):
        return X * n

    return count, read


count, read = counter(2)


def counted(X):
    return count(X) + count(X) + read(X)


def recursive(X, n=3):
    return X if n == 0 else recursive(N.zeros(X.shape) + X / 2, n - 1)


def even(X, n=2):
    return X if n == 0 else odd(X, n - 1)


def odd(X, n):
    return even(N.zeros(X.shape) + X * float64(1.5), n - 1)


def rows(X):
    for row in X:
        yield N.zeros(2) + row / 3


def generated(X):
    return list(rows(X))


half = partial(scaled, factor=0.5)
double = N.vectorize(lambda x: x * math.sqrt(4))
OPERATIONS = {"half": half, "chain": [recursive, lambda X: N.zeros(X.shape) + X, double], "pair": (decorated, 0.5)}


def by_table(X):
    result = OPERATIONS["half"](X) * OPERATIONS["pair"][1] + OPERATIONS["pair"][0](X)
    for function in OPERATIONS["chain"]:
        result = result + function(X)
    return result


class Layer:
    bias = N.array([0.5, 0.25])

    def forward(self, X):
        return N.zeros(X.shape) + X

    @staticmethod
    def shifted(X):
        return N.zeros(X.shape) + X

    @classmethod
    def biased(cls, X):
        return N.ones(X.shape) * X * cls.bias


class Scale(Layer):
    def __init__(self, weight):
        self.weight = N.array(weight)
        self.cache = None

    @property
    def half(self):
        return N.zeros(2) + self.weight / 2

    def forward(self, X):
        self.cache = X
        return super().forward(X) * self.weight

    def __call__(self, X):
        return self.forward(X) + self.shifted(X) + self.biased(X) + self.half


LAYER = Scale([[1.0, 2.0], [3.0, 4.0]])


def by_layer(X):
    return LAYER(X) + Scale([1.0, 0.1]).forward(X) + isinstance(LAYER, Layer)


@dataclass
class Options:
    factor: float = 0.1
    weights: list = field(default_factory=lambda: [0.2, 0.3])


OPTIONS = Options()


def by_options(X, options=OPTIONS):
    OPTIONS.factor = 3
    return numpy.zeros(X.shape) + X * options.weights[0] + X * Options(0.5).factor


def by_submodule(X):
    return stride_tricks.sliding_window_view(X, (1, 2)).sum(axis=(2, 3)) + functools.reduce(N.add, X)


def imported_inside(X):
    import math as m
    from functools import partial as bound

    from tests.verify.tracing import student
    from tests.verify.tracing.student import decorated as divided

    return divided(X) + student.N.zeros(()) + m.fsum([X[0, 0], X[0, 1]]) + bound(student.recursive, n=1)(X)


def failing(X):
    Z = N.zeros((2, 2))
    return Z[5, 5] + X


def exponential(X):
    return exp(X)

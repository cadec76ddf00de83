"""What the rules are held to: values and gradients from textbook sums and from differences, never from the library.

An oracle takes the operands in the forward's order and the options, and returns the value and a function of dZ, which
gives for each operand the list of its valid gradients: several at a kink, one elsewhere.
"""

import inspect

import numpy as np

from tests import oracles

STEP = 1e-3


def _pair(value):
    return tuple(value) if isinstance(value, tuple | list) else (value, value)


def _images(x):
    """Without axes for batch and channels these are one image of one channel."""
    return x if x.ndim == 4 else x[None, None]


def convolution(operands, options):
    """Z = X (*) K + B on arrays of two axes or four."""
    stride, dilation = _pair(options.get("stride", 1)), _pair(options.get("dilation", 1))
    pads = tuple((p, p) for p in _pair(options.get("padding", 0)))
    x, k = (_images(a) for a in operands[:2])
    return _bilinear(
        oracles.convolution(x.shape, k.shape, stride, pads, dilation, options.get("groups", 1)), operands, x, k
    )


def transposed_convolution(operands, options):
    """Y[s i + d u - p] += X[i] K[u] on arrays of two axes or four."""
    stride, dilation = _pair(options.get("stride", 1)), _pair(options.get("dilation", 1))
    pads = _pair(options.get("padding", 0))
    x, k = (_images(a) for a in operands[:2])
    size = tuple(
        (m - 1) * s + d * (n - 1) + 1 - 2 * p
        for m, n, s, d, p in zip(x.shape[2:], k.shape[2:], stride, dilation, pads, strict=True)
    )
    groups, pads = options.get("groups", 1), tuple((p, p) for p in pads)
    terms = oracles.transposed_convolution(x.shape, k.shape, size, stride, pads, dilation, groups)
    return _bilinear(terms, operands, x, k)


def _bilinear(terms, operands, x, k):
    bias = operands[2].reshape(-1) if len(operands) > 2 else None
    flat = operands[0].ndim == 2
    z = terms.value(x, k, bias)

    def gradients(dz):
        found = terms.gradients(x, k, _images(dz) if flat else dz)
        return [[np.asarray(g).reshape(a.shape).astype(float)] for g, a in zip(found, operands, strict=False)]

    return (z[0, 0] if flat else z).astype(float), gradients


def _windows(x, options):
    size = _pair(options.get("size", options.get("kernel_size")))
    stride = options.get("stride")
    stride = size if stride is None else _pair(stride)
    pads = tuple((p, p) for p in _pair(options.get("padding", 0)))
    return size, stride, pads, _pair(options.get("dilation", 1))


def max_pooling(operands, options):
    """The largest of each window; of several the first, the last or all in equal shares get the gradient."""
    (given,) = operands
    x = _images(given)
    windows = size, stride, pads, dilation = _windows(x, options)
    z, first = oracles.max_pooling(x, *windows)
    _, split = oracles.max_pooling(x, *windows, ties="split")
    # The last winner is the first one of what the windows reach, seen backwards.
    rest = [
        (m + 2 * p - d * (k - 1) - 1) % s
        for m, k, s, (p, _), d in zip(x.shape[2:], size, stride, pads, dilation, strict=True)
    ]
    is_reached = all(not r or p == (0, 0) for r, p in zip(rest, pads, strict=True))
    rows, columns = (m - r for m, r in zip(x.shape[2:], rest, strict=True))
    if is_reached:
        _, last = oracles.max_pooling(x[:, :, :rows, :columns][:, :, ::-1, ::-1], *windows)

    def gradients(dz):
        dz = _images(dz)
        found = [first.gradient(dz), split.gradient(dz)]
        if is_reached:
            backwards = last.gradient(dz[:, :, ::-1, ::-1])[:, :, ::-1, ::-1]
            found.append(np.pad(backwards, ((0, 0), (0, 0), (0, rest[0]), (0, rest[1]))))
        return [[g.reshape(given.shape).astype(float) for g in found]]

    return (z[0, 0] if given.ndim == 2 else z).astype(float), gradients


def average_pooling(operands, options):
    """The mean of each window."""
    (given,) = operands
    x = _images(given)
    terms = oracles.average_pooling(
        x.shape, *_windows(x, options), count_include_pad=options.get("count_include_pad", True)
    )
    z = terms.value(x).astype(float)

    def gradients(dz):
        return [[terms.gradient(_images(dz)).reshape(given.shape).astype(float)]]

    return (z[0, 0] if given.ndim == 2 else z), gradients


def relu(operands, options):
    """max(x, 0), or x times the slope where x is negative; at 0 everything between the two slopes is a slope."""
    (x,), slope = operands, options.get("slope", 0)
    z = np.array([value if value > 0 else slope * value for value in x.flat]).reshape(x.shape)
    slopes = np.array([1.0 if value > 0 else slope for value in x.flat]).reshape(x.shape)
    return z, lambda dz: [[dz * np.where(x == 0, at, slopes) for at in (slope, (1 + slope) / 2, 1)]]


def differences(function):
    """The oracle of a smooth function: central differences in float64, with an error of h**4 f'''''/30.

    f'(x) = (8 (f(x + h) - f(x - h)) - (f(x + 2h) - f(x - 2h))) / 12h; Abramowitz and Stegun, Handbook of Mathematical
    Functions (1964), 25.3.6.
    """

    names = inspect.signature(function).parameters

    def oracle(operands, options):
        operands = [np.array(a, dtype=float) for a in operands]
        options = {name: value for name, value in options.items() if name in names}

        def gradients(dz):
            return [[_gradient(function, operands, options, position, dz)] for position in range(len(operands))]

        return np.asarray(function(*operands, **options), dtype=float), gradients

    return oracle


def _gradient(function, operands, options, position, dz):
    gradient = np.zeros(operands[position].shape)
    for index in np.ndindex(gradient.shape):

        def shifted(steps, index=index):
            moved = [np.array(a) for a in operands]
            moved[position][index] += steps * STEP
            return np.sum(dz * np.asarray(function(*moved, **options)))

        gradient[index] = (8 * (shifted(1) - shifted(-1)) - (shifted(2) - shifted(-2))) / (12 * STEP)
    return gradient

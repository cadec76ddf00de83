"""The three backward formulas of a convolution, by hand against the engine, in exact fractions.

With Z = X (*) K + B and an upstream gradient dZ (lecture 14; Goodfellow et al., Deep Learning, section 9.5):

    dK = X (*) dZ                                   X correlated with dZ
    dB = sum of dZ
    dX = dZ, zero-padded, (*) K turned by 180°      a full correlation

All of them are one function, the correlation `correlate`, applied to different things. Run it with

    python examples/backward_formulas.py
"""

from fractions import Fraction

import numpy as np

import tinygrad_cnn as tg


def correlate(image, kernel, stride=1):
    """Z[i, j] = sum over u, v of image[stride i + u, stride j + v] kernel[u, v], entry by entry."""
    (h, w), (kh, kw) = image.shape, kernel.shape
    z = np.empty(((h - kh) // stride + 1, (w - kw) // stride + 1), dtype=object)
    for i, j in np.ndindex(z.shape):
        z[i, j] = sum(image[stride * i + u, stride * j + v] * kernel[u, v] for u, v in np.ndindex(kernel.shape))
    return z


def turn(kernel):
    """The kernel turned by 180 degrees."""
    return kernel[::-1, ::-1]


def spread(dZ, stride, shape, kernel):
    """dZ with stride - 1 zeros between its entries, and zeros around it, so that turn(K) slides over all of X.

    Above and on the left that is one row less than the kernel has; below and on the right also the rows of X that no
    window reached.
    """
    (h, w), (kh, kw) = shape, kernel
    wide = np.full((h + kh - 1, w + kw - 1), Fraction(0), dtype=object)
    for i, j in np.ndindex(dZ.shape):
        wide[kh - 1 + stride * i, kw - 1 + stride * j] = dZ[i, j]
    return wide


def by_hand(X, K, dZ, stride):
    """dX, dK and dB by the formulas."""
    dX = correlate(spread(dZ, stride, X.shape, K.shape), turn(K))
    # With a stride, X meets dZ at every stride-th entry: dZ is spread in the same way, without a border. Rows and
    # columns of X that no window reached would give dK entries that K does not have.
    reach = tuple(stride * (n - 1) + 1 for n in dZ.shape)
    dK = correlate(X, spread(dZ, stride, reach, (1, 1)))[: K.shape[0], : K.shape[1]]
    return dX, dK, dZ.sum()


def by_engine(X, K, B, dZ, stride):
    """The same three from backward()."""
    x = tg.tensor(X[None, None], requires_grad=True, name="X")  # (N, C, H, W)
    k = tg.tensor(K[None, None], requires_grad=True, name="K")  # (F, C, kH, kW)
    b = tg.tensor(np.array([B], dtype=object), requires_grad=True, name="B")
    z = tg.conv2d(x, k, b, stride=stride)
    assert (z.data[0, 0] == correlate(X, K, stride) + B).all()
    z.backward(dZ[None, None])
    return x.grad.data[0, 0], k.grad.data[0, 0], b.grad.data[0]


def fractions(rows):
    return np.array([[Fraction(x) for x in row] for row in rows], dtype=object)


def show(name, array):
    rows = ["  ".join(f"{entry!s:>5}" for entry in row) for row in np.atleast_2d(array)]
    print(f"{name} =", ("\n" + " " * (len(name) + 3)).join(rows))


def main():
    X = fractions([["1", "2", "0", "1"], ["0", "1/3", "3", "-1"], ["2", "1", "1/2", "0"], ["1", "0", "2", "5"]])
    K = fractions([["1", "-1"], ["1/2", "2"]])
    B = Fraction(1, 7)
    upstream = {1: [["1", "0", "-1"], ["2", "1/3", "0"], ["-1", "1", "1/5"]], 2: [["1", "-2"], ["1/3", "3"]]}
    agree = True
    for stride, rows in upstream.items():
        dZ = fractions(rows)
        print(f"\nstride {stride}")
        for name, array in (("X", X), ("K", K), ("dZ", dZ)):
            show(name, array)
        for name, hand, engine in zip(
            ("dX", "dK", "dB"), by_hand(X, K, dZ, stride), by_engine(X, K, B, dZ, stride), strict=True
        ):
            same = bool(np.all(hand == engine))  # equal, not close: these are fractions
            show(name, hand)
            print(f"{' ' * len(name)}   the engine's is {'exactly the same' if same else f'another: {engine}'}")
            agree &= same
    return agree


if __name__ == "__main__":
    main()

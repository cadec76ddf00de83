"""The arguments that a case gives to each kernel, and the comparison of a fast kernel with its definition."""

from types import SimpleNamespace

import numpy as np

from tests.operands import assert_close, assert_equal
from tests.oracles import window_starts
from tests.window_cases import Convolution
from tinygrad_cnn.kernels import numpy_fast, reference, threads

FAST = (
    "correlate", "full_correlate", "correlate_kernel", "conv_transpose",
    "max_pool", "scatter_winners", "avg_pool", "scatter_shares",
)  # fmt: skip


class Layer(Convolution):
    """A case of a network's size: too large for naive sums, of which only the shape is needed."""

    @property
    def naive(self):
        stride, pads, dilation, _ = self.explicit
        each_axis = zip(self.x[2:], self.weight[2:], stride, pads, dilation, strict=True)
        out = ((m + sum(pair) - d * (k - 1) - 1) // s + 1 for m, k, s, pair, d in each_axis)
        return SimpleNamespace(z_shape=(self.x[0], self.weight[0], *out))


def keep_results(monkeypatch, module, names=("correlate", "conv_transpose", "correlate_kernel")):
    """A list that grows by what these functions of the module give, call by call."""
    results = []

    def keeping(kernel):
        def kept(*arguments):
            results.append(kernel(*arguments))
            return results[-1]

        return kept

    for name in names:
        monkeypatch.setattr(module, name, keeping(getattr(module, name)))
    return results


def assert_same_bits_on_any_threads(calls, kernels):
    """What these calls (name, arguments) give does not depend on the number of threads."""
    before = threads.get_num_threads()
    try:
        for name, arguments in calls:
            results = []
            for count in (1, 2, 3):
                threads.set_num_threads(count)
                results.append(getattr(kernels, name)(*arguments))
            for result in results[1:]:
                assert_equal(result, results[0])
    finally:
        threads.set_num_threads(before)


def convolution_calls(case, make, dtype):
    """(name, arguments) of every kernel that takes part in a convolution, transposed or not, and in its gradients.

    `large` is the image whose windows are taken, `small` the one that has a pixel for each window.
    """
    stride, pads, dilation, groups = case.explicit[-4:]
    shapes = (case.x, case.naive.z_shape) if isinstance(case, Convolution) else (case.naive.z_shape, case.x)
    large, small = make(shapes[0], 1, dtype), make(shapes[1], 2, dtype)
    weight, small_bias, large_bias = (
        make(shape, 3, dtype) for shape in (case.weight, shapes[1][1:2], shapes[0][1:2])
    )
    options = stride, pads, dilation, groups
    size, kernel = large.shape[2:], weight.shape[2:]
    return [
        ("correlate", (large, weight, None, *options)),
        ("correlate", (large, weight, small_bias, *options)),
        ("full_correlate", (small, weight, size, *options)),
        ("correlate_kernel", (large, small, kernel, *options)),
        ("conv_transpose", (small, weight, None, size, *options)),
        ("conv_transpose", (small, weight, large_bias, size, *options)),
    ]


def pooling_calls(case, make, dtype):
    """(name, arguments) of the kernels of pooling; `ceil_mode` is more padding after by then."""
    kernel, stride, pads, dilation, ceil_mode = case.explicit
    wide = []
    for m, k, s, (before, after), d in zip(case.x[2:], kernel, stride, pads, dilation, strict=True):
        reach = d * (k - 1) + 1
        last = window_starts(m, reach, s, before, after, ceil_mode)[-1]
        wide.append((before, max(after, last + reach - m)))
    x, wide = make(case.x, 1, dtype), tuple(wide)
    z, winners = reference.max_pool(x, kernel, stride, wide, dilation)
    dz = np.arange(z.size, dtype=dtype).reshape(z.shape)
    return [
        ("max_pool", (x, kernel, stride, wide, dilation)),
        ("scatter_winners", (dz, winners, kernel, case.x[2:], stride, wide, dilation)),
        *(("avg_pool", (x, kernel, stride, wide, dilation, counted)) for counted in (wide, pads)),
        *(
            ("scatter_shares", (dz, case.x[2:], kernel, stride, wide, dilation, counted)) for counted in (wide, pads)
        ),
    ]


def assert_fast_is_reference(name, arguments, tolerance=0, fast=numpy_fast):
    """The same shapes, dtypes and numbers, unless the kernel declines; and no argument was written to."""
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    with np.errstate(invalid="ignore"):  # infinity minus infinity, in a sum
        actual, expected = (getattr(kernels, name)(*arguments) for kernels in (fast, reference))
    if actual is NotImplemented:
        return
    for a, copy in zip(arguments, copies, strict=True):
        if isinstance(a, np.ndarray):
            assert_equal(a, copy)
    if name != "max_pool":
        actual, expected = (actual,), (expected,)
    for a, e in zip(actual, expected, strict=True):
        assert a.dtype == e.dtype
        if name == "scatter_shares":  # thirds are added in another order; all are positive
            np.testing.assert_allclose(a, e, rtol=8 * np.finfo(a.dtype).eps)
        elif tolerance:
            assert_close(a, e, tolerance)
        else:
            assert_equal(a, e)

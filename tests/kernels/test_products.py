"""Matrix products of any size, whoever computes them."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_close
from tinygrad_cnn.kernels import dispatch
from tinygrad_cnn.primitives import matmul as primitives


@pytest.fixture(autouse=True)
def no_product_is_small(monkeypatch):
    monkeypatch.setattr(primitives, "SMALL", 1)


@pytest.mark.parametrize("kernels", ["reference", "numpy"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_and_its_gradients(kernels, bias):
    rng = np.random.default_rng(0)
    x, w, b, dz = (rng.standard_normal(s) for s in ((40, 30), (20, 30), (20,), (40, 20)))
    tensors = [tg.tensor(a, requires_grad=True) for a in (x, w, b)][: 3 if bias else 2]
    with dispatch.using(kernels):
        z = tg.linear(*tensors)
        z.backward(dz)
    assert_close(z.numpy(), np.einsum("nc,fc->nf", x, w) + (b if bias else 0), 1e-13)
    for p, expected in zip(tensors, (dz @ w, np.einsum("nf,nc->fc", dz, x), dz.sum(0)), strict=False):
        assert_close(p.grad.numpy(), expected, 1e-13)


def test_the_bias_of_a_wider_dtype_widens():
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(shape).astype(np.float32) for shape in ((4, 3), (3, 5)))
    b = np.full(5, 1e-12)
    z = tg.linear(x, w.T, b)
    assert z.dtype == np.float64
    assert_close(z, (x @ w).astype(np.float64) + b, 1e-15)

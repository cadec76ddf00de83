"""tg.grad: several outputs and inputs, unused ones, upstream gradients, and what it leaves untouched."""

import numpy as np
import pytest

import tinygrad_cnn as tg


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


def test_grad_of_several_outputs_is_the_gradient_of_their_weighted_sum():
    x, y = leaf([1.0, 2.0]), leaf(3.0)
    first, second = x * y, y * y
    dx, dy = tg.grad([first, second], [x, y], [np.array([1.0, 10.0]), None])
    assert dx.tolist() == [3, 30]
    assert dy.item() == 1 + 20 + 6
    assert tg.grad([second, second], y)[0].item() == 12
    assert tg.grad((second, second), (y,), (2.0, 3.0))[0].item() == 30


def test_grad_with_respect_to_what_was_computed():
    x = leaf(2.0)
    y = x * x
    z = y * y + x
    dy, dx = tg.grad(z, [y, x])
    assert (dy.item(), dx.item()) == (8, 33)
    assert tg.grad(z, z)[0].item() == 1
    assert tg.grad(x, x)[0].item() == 1
    assert tg.grad([z, y], [y])[0].item() == 9
    assert [d.item() for d in tg.grad(z, [x, y, x])] == [33, 8, 33]


def test_grad_takes_any_iterable_of_inputs():
    x, y = leaf(2.0), leaf(3.0)
    assert [d.item() for d in tg.grad(x * y, (v for v in (x, y)))] == [3, 2]
    assert tg.grad(x * y, []) == ()


def test_grad_refuses_or_reports_an_unused_input():
    x, y, k = leaf(2.0), leaf(3.0), tg.tensor(1.0, name="k")
    later = x * y
    with pytest.raises(ValueError, match=r"grad: .* do not depend on inputs\[1\].*allow_unused=True"):
        tg.grad(x * x, [x, y])
    dx, dy = tg.grad(x * x, [x, y], allow_unused=True)
    assert (dx.item(), dy) == (4, None)
    assert tg.grad(x * x, later, allow_unused=True) == (None,)
    with pytest.raises(ValueError, match=r"grad: inputs\[1\] must be a tensor that requires a gradient.*name='k'"):
        tg.grad(x * k, [x, k])
    with pytest.raises(ValueError, match=r"grad: inputs\[0\] must be a tensor.*2\.0"):
        tg.grad(x * k, 2.0)


def test_grad_outputs_have_the_outputs_shapes():
    x = leaf([1.0, 2.0])
    z = x * x
    with pytest.raises(ValueError, match=r"grad: an output of shape \(2,\) needs grad_outputs\[0\]"):
        tg.grad(z, x)
    with pytest.raises(ValueError, match=r"grad: grad_outputs\[0\] must have the output's shape \(2,\) but has \(3,\)"):
        tg.grad(z, x, [np.ones(3)])
    with pytest.raises(ValueError, match=r"grad: 2 outputs need as many grad_outputs but 1 came"):
        tg.grad([z, z], x, [np.ones(2)])
    for gradient in ([np.array([1.0, 10.0])], np.array([1.0, 10.0]), tg.tensor([1.0, 10.0]), [[1.0, 10.0]]):
        assert tg.grad(z, x, gradient)[0].tolist() == [2, 40]
    with pytest.raises(TypeError, match=r"grad: expected a tensor but got ndarray"):
        tg.grad(np.ones(2), x)


def test_grad_touches_no_grad_attribute_and_leaves_the_graph_usable():
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    x.grad = tg.tensor([7.0, 7.0])
    z = (x * y).sum()
    for _ in range(3):
        assert tg.grad(z, y)[0].tolist() == [1, 2]
    assert x.grad.tolist() == [7, 7]
    assert y.grad is None
    assert not z.node.is_freed
    z.backward()
    assert x.grad.tolist() == [10, 11]


def test_a_tensor_of_one_element_needs_no_upstream_gradient():
    for shape in [(), (1,), (1, 1, 1)]:
        x = leaf(np.full(shape, 3.0))
        (x * x).backward()
        assert (x.grad.shape, x.grad.tolist()) == (shape, np.full(shape, 6.0).tolist())

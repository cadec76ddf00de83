"""Pictures and reports call an operation by the name that the user called."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import distinct
from tinygrad_cnn.primitives.titles import title


def images(axes, shape=(2, 3)):
    return tg.tensor(distinct((*shape, *(5,) * axes), axes), requires_grad=True)


def kernels(axes):
    return tg.tensor(np.ones((3, 3, *(2,) * axes)))


CALLS = [
    *((f"conv{n}d", lambda f, n: f(images(n), kernels(n)), n) for n in (1, 2, 3)),
    *((f"conv_transpose{n}d", lambda f, n: f(images(n), kernels(n)), n) for n in (1, 2, 3)),
    *((f"max_pool{n}d", lambda f, n: f(images(n), 2), n) for n in (1, 2, 3)),
    *((f"max_pool{n}d", lambda f, n: f(images(n), 2, ties="split"), n) for n in (1, 2, 3)),
    *((f"avg_pool{n}d", lambda f, n: f(images(n), 2), n) for n in (1, 2, 3)),
    *((f"adaptive_max_pool{n}d", lambda f, n: f(images(n), 2), n) for n in (1, 2, 3)),
    *((f"adaptive_max_pool{n}d", lambda f, n: f(images(n, (1, 1)), 2, ties="split"), n) for n in (1, 2, 3)),
    ("fractional_max_pool2d", lambda f, n: f(images(n), 2, 3), 2),
    ("fractional_max_pool2d", lambda f, n: f(images(n), 2, 3, ties="split"), 2),
    ("norm", lambda f, n: f(images(n)), 1),
    ("cross_entropy", lambda f, n: f(images(0), [0, 1]), 0),
    ("cross_entropy", lambda f, n: f(images(0), [0, 1], label_smoothing=0.1), 0),
    ("cross_entropy", lambda f, n: f(images(0), [0, 1], reduction="none"), 0),
    ("tanh", lambda f, n: f(images(n)), 1),
]


@pytest.mark.parametrize(("name", "call", "axes"), CALLS, ids=[f"{name}-{i}" for i, (name, *_) in enumerate(CALLS)])
def test_title_is_what_was_called(name, call, axes):
    node = call(getattr(tg, name), axes).node
    assert title(node.primitive.name, node.options) == name

"""What bad input must meet: an error that names the operation, and a graph and gradients that are as they were."""

from contextlib import contextmanager

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import walk


@contextmanager
def refused(operation, error, *texts, tensors=(), modules=0):
    """The block must raise exactly `error`, its message must begin with the operation and hold every text.

    Afterwards no node was created, and the graph behind the tensors and their gradients are the same. A call of a
    module takes a creation number for itself; `modules` says how many there are.
    """

    def state():
        return [(tensor.node, tensor.grad, tensor.data.copy()) for tensor in tensors], walk.nodes(*tensors)

    before, nodes = state()
    gradients = [None if grad is None else grad.data.copy() for _, grad, _ in before]
    created = _creation_number()
    with pytest.raises(error) as caught:
        yield
    assert _creation_number() == created + modules + 1, "a node was recorded"
    after, nodes_after = state()
    assert nodes_after == nodes
    for (node, grad, data), (node_after, grad_after, data_after), values in zip(before, after, gradients, strict=True):
        assert node is node_after
        assert grad is grad_after
        assert grad is None or np.array_equal(grad.data, values)
        assert np.array_equal(data, data_after)
    message = str(caught.value)
    assert caught.type is error
    assert message.startswith(f"{operation}: "), message
    for text in texts:
        assert text in message


def _creation_number():
    """The number of a node that is created now."""
    return tg.tensor(0.0, requires_grad=True).node.number

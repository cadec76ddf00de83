"""What is said about each kind of operation: sizes, definitions, closed forms of the gradients."""

from __future__ import annotations

from collections.abc import Mapping

from tinygrad_cnn.verify.derivation.reader import Expansion
from tinygrad_cnn.verify.derivation.stages import Stage
from tinygrad_cnn.verify.derivation.topics.base import Closed, Topic, back_to, brought_back, moves_said, seen
from tinygrad_cnn.verify.derivation.topics.convolution import Convolution
from tinygrad_cnn.verify.derivation.topics.elementwise import Elementwise, Relu, is_elementwise
from tinygrad_cnn.verify.derivation.topics.pooling import AveragePooling, MaxPooling
from tinygrad_cnn.verify.derivation.topics.products import Linear, Matmul
from tinygrad_cnn.verify.derivation.topics.rearrangements import Rearrangement
from tinygrad_cnn.verify.derivation.topics.reductions import Reduction
from tinygrad_cnn.verify.derivation.topics.softmax import CrossEntropy, Softmax, expand_cross_entropy, expand_softmax
from tinygrad_cnn.verify.derivation.topics.transposed import TransposedConvolution

__all__ = ["EXPANSIONS", "Closed", "Topic", "back_to", "brought_back", "moves_said", "seen", "topic_of"]

_TOPICS: dict[str, type[Topic]] = {
    "correlation": Convolution,
    "transposed_convolution": TransposedConvolution,
    "max_of_windows": MaxPooling,
    "max_of_windows_split": MaxPooling,
    "mean_of_windows": AveragePooling,
    "matmul": Matmul,
    "linear": Linear,
    "sum": Reduction,
    "mean": Reduction,
    "reshape": Rearrangement,
    "transpose": Rearrangement,
    "flip": Rearrangement,
    "relu": Relu,
    "cross_entropy": CrossEntropy,
}

EXPANSIONS: Mapping[str, Expansion] = {
    "softmax": expand_softmax,
    "mean_cross_entropy": expand_cross_entropy,
    "total_cross_entropy": expand_cross_entropy,
    "cross_entropy": expand_cross_entropy,
}


def topic_of(stage: Stage) -> Topic:
    """What is known about the operation of a step."""
    if stage.kind == "softmax" and stage.known is not None:
        return Softmax(stage)
    if stage.kind == "cross_entropy" and stage.detail is None:
        return Topic(stage)
    if stage.kind in _TOPICS:
        return _TOPICS[stage.kind](stage)
    return Elementwise(stage) if is_elementwise(stage) else Topic(stage)

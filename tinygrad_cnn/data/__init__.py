"""Data sets as NumPy arrays, and minibatches of them."""

from tinygrad_cnn.data.batches import batches
from tinygrad_cnn.data.digits import Digits, digits

__all__ = ["Digits", "batches", "digits"]

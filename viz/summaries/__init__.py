"""The table of a model, layer by layer, and two models side by side."""

from tinygrad_cnn.viz.summaries.comparison import Comparison, compare
from tinygrad_cnn.viz.summaries.reader import summary
from tinygrad_cnn.viz.summaries.summary import Row, Summary

__all__ = ["Comparison", "Row", "Summary", "compare", "summary"]

"""The interactive page of a graph: pan, zoom, search, fold, and step through the forward and the backward pass."""

from tinygrad_cnn.viz.pages.graph.assembly import page, page_of

__all__ = ["page", "page_of"]

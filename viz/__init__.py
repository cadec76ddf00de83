"""Pictures: the computation graph of a tensor. Used as `tg.viz`."""

from tinygrad_cnn.viz.dot import draw
from tinygrad_cnn.viz.rendering import Rendering, render

__all__ = ["Rendering", "draw", "render"]

"""Pictures: graphs, pages, figures and tables of what a tensor or a model computes. Used as `tg.viz`."""

from tinygrad_cnn.viz import figures
from tinygrad_cnn.viz.dot import draw
from tinygrad_cnn.viz.live import LiveCurve
from tinygrad_cnn.viz.pages.convolution import convolution_page
from tinygrad_cnn.viz.pages.document import Page
from tinygrad_cnn.viz.pages.graph import page
from tinygrad_cnn.viz.rendering import Rendering, render
from tinygrad_cnn.viz.summaries import Comparison, Summary, compare, summary

__all__ = [
    "Comparison",
    "LiveCurve",
    "Page",
    "Rendering",
    "Summary",
    "compare",
    "convolution_page",
    "draw",
    "figures",
    "page",
    "render",
    "summary",
]

"""Pictures: graphs, pages, figures and tables of what a tensor or a model computes. Used as `tg.viz`."""

from tinygrad_cnn.viz import figures
from tinygrad_cnn.viz.analysis.attribution import class_activation_map, saliency_map
from tinygrad_cnn.viz.analysis.probing import layer_outputs
from tinygrad_cnn.viz.drawing.dot import draw
from tinygrad_cnn.viz.drawing.rendering import Rendering, render
from tinygrad_cnn.viz.figures.live import LiveCurve
from tinygrad_cnn.viz.images.kernels import KERNELS, ImageKernel
from tinygrad_cnn.viz.images.photographs import apply_kernel, photograph
from tinygrad_cnn.viz.pages.convolution import convolution_page
from tinygrad_cnn.viz.pages.document import Page
from tinygrad_cnn.viz.pages.graph import page
from tinygrad_cnn.viz.summaries import Comparison, Summary, compare, summary

__all__ = [
    "KERNELS",
    "Comparison",
    "ImageKernel",
    "LiveCurve",
    "Page",
    "Rendering",
    "Summary",
    "apply_kernel",
    "class_activation_map",
    "compare",
    "convolution_page",
    "draw",
    "figures",
    "layer_outputs",
    "page",
    "photograph",
    "render",
    "saliency_map",
    "summary",
]

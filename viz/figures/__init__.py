"""Figures with matplotlib, to be shown in a lecture: filters, feature maps, image kernels, training curves and more.

Each function returns a `matplotlib.figure.Figure`, made without pyplot. `save` writes it, `figure.savefig` does too.
"""

from tinygrad_cnn.viz.figures.borders import border_usage, padding_modes
from tinygrad_cnn.viz.figures.canvas import save
from tinygrad_cnn.viz.figures.checkerboard import overlap
from tinygrad_cnn.viz.figures.classes import confusion_matrix, misclassified
from tinygrad_cnn.viz.figures.curves import history_curve, smoothed, training_curve, training_curves
from tinygrad_cnn.viz.figures.gallery import filtered, kernel_gallery
from tinygrad_cnn.viz.figures.heatmaps import class_activation, receptive_field, saliency
from tinygrad_cnn.viz.figures.maps import feature_maps
from tinygrad_cnn.viz.figures.weights import filters, histograms

__all__ = [
    "border_usage",
    "class_activation",
    "confusion_matrix",
    "feature_maps",
    "filtered",
    "filters",
    "histograms",
    "history_curve",
    "kernel_gallery",
    "misclassified",
    "overlap",
    "padding_modes",
    "receptive_field",
    "saliency",
    "save",
    "smoothed",
    "training_curve",
    "training_curves",
]

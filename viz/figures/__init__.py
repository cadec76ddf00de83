"""Figures with matplotlib, to be shown in a lecture: filters, feature maps, training curves and more.

Each function returns a `matplotlib.figure.Figure`, made without pyplot. `save` writes it, `figure.savefig` does too.
"""

from tinygrad_cnn.viz.figures.canvas import save
from tinygrad_cnn.viz.figures.curves import smoothed, training_curve, training_curves
from tinygrad_cnn.viz.figures.maps import feature_maps
from tinygrad_cnn.viz.figures.weights import filters, histograms

__all__ = [
    "feature_maps",
    "filters",
    "histograms",
    "save",
    "smoothed",
    "training_curve",
    "training_curves",
]

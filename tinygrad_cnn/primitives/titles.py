"""What users call the operations whose primitives have other names: one correlation serves any number of axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TITLES = {
    "correlation": "conv{n}d",
    "transposed_convolution": "conv_transpose{n}d",
    "max_of_windows": "max_pool{n}d",
    "max_of_windows_split": "max_pool{n}d",
    "mean_of_windows": "avg_pool{n}d",
    "max_of_regions": "{kind}_max_pool{n}d",
    "max_of_regions_split": "{kind}_max_pool{n}d",
    "mean_cross_entropy": "cross_entropy",
    "total_cross_entropy": "cross_entropy",
    "norm_over": "norm",
}


def title(primitive: str, options: Mapping[str, Any]) -> str:
    """The name of an operation, as the user called it.

    A composition is recorded as its parts, which have their own names; lp_pool2d of p = 3 is unfold_windows and norm.

    >>> title("correlation", {"stride": (1, 1)}), title("tanh", {})
    ('conv2d', 'tanh')
    """
    if primitive not in _TITLES:
        return primitive
    if "table" in options:  # the regions' pixels, (N or 1, C or 1, *out, entries)
        images, channels, *out, _ = options["table"].shape
        # In a fractional pooling every plane has regions of its own; of a single plane nothing tells.
        kind = "adaptive" if images == channels == 1 else "fractional"
        return _TITLES[primitive].format(kind=kind, n=len(out))
    return _TITLES[primitive].format(n=len(options.get("stride", ())))

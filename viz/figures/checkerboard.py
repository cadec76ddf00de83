"""The checkerboard of a transposed convolution: how many input pixels write each pixel of its output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.viz.analysis.coverage import overlap_counts, residue_counts
from tinygrad_cnn.viz.figures.borders import count_bar, show_counts
from tinygrad_cnn.viz.figures.canvas import new_figure

__doctest_requires__ = {"*": ["matplotlib"]}


def overlap(
    cases: Sequence[tuple[int, int]] = ((3, 2), (4, 2), (5, 3), (6, 3)), shape: tuple[int, int] = (5, 5)
) -> Any:
    """How many input pixels write each output pixel of a transposed convolution, for several kernels and strides.

    Far from the border the counts are even if and only if the kernel is a multiple of the stride. Where they are not,
    a smooth input comes out as a checkerboard unless the weights make up for it (Odena, Dumoulin and Olah,
    Deconvolution and checkerboard artifacts, Distill 2016).

    Args:
        cases: (kernel, stride) pairs, the same along both axes; a panel each.
        shape: (H, W) of the input.

    Raises:
        ValueError: no cases, a case that is no pair of positive integers, a shape that is none.
        TypeError: not integers.
        ImportError: matplotlib is missing.

    >>> figure = overlap([(3, 2), (4, 2)])
    >>> [axes.get_title() for axes in figure.axes[:2]]
    ['kernel 3, stride 2\\nuneven: 1, 2 or 4', 'kernel 4, stride 2\\neven: 4']
    """
    pairs = [tuple(np.atleast_1d(case).tolist()) for case in cases]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"overlap: expected pairs (kernel, stride) but got {cases!r}")
    maps = [overlap_counts(shape, kernel, stride) for kernel, stride in pairs]
    figure = new_figure(3.1 * len(maps) + 0.9, 3.9)
    panels = figure.subplots(1, len(maps), squeeze=False)[0]
    most = max(int(counts.max()) for counts in maps)
    for axes, (kernel, stride), counts in zip(panels, pairs, maps, strict=True):
        drawn = show_counts(axes, counts, most)
        along = residue_counts(kernel, stride)
        inside = sorted({int(a * b) for a in along for b in along})
        verdict = f"even: {inside[0]}" if len(inside) == 1 else f"uneven: {_listed(inside)}"
        axes.set_title(f"kernel {kernel}, stride {stride}\n{verdict}", fontsize=10)
    count_bar(figure, drawn, panels, "input pixels that write the pixel")
    figure.suptitle(f"Overlap of a transposed convolution of {shape[0]}×{shape[1]} pixels", fontsize=11)
    return figure


def _listed(counts: Sequence[int]) -> str:
    return f"{', '.join(map(str, counts[:-1]))} or {counts[-1]}"

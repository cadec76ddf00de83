"""The gallery of image kernels that a lecture on convolution shows: small fixed kernels, each with what it does.

The weights stand as they slide over the picture in a *cross-correlation*, `tg.conv2d`, which is what a convolutional
network computes (Goodfellow et al. 2016, eq. 9.6): `vertical_edges` answers 30 where 10s stand left of 0s.
`tg.convolve2d` flips the kernel first (eq. 9.5): symmetric kernels give the same, derivatives change their sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from typing import Any

import numpy as np

__all__ = ["KERNELS", "ImageKernel", "image_kernel"]


@dataclass(frozen=True)
class ImageKernel:
    """A kernel to run over a picture.

    Args:
        name: how code and the command line call it: `"box_blur"`.
        title: how a picture calls it: `"Box blur"`.
        weight: (kH, kW), in rows from the top, each from the left; whole numbers where there is a `divisor`.
        explanation: one sentence, what it does to a picture.
        divisor: what the sum of products is divided by.

    Raises:
        ValueError: no weights, rows of different lengths, a weight that isn't finite, a divisor of 0.

    >>> ImageKernel("mean", "Mean of two", ((1, 1),), "Averages neighbours.", divisor=2).array
    array([[0.5, 0.5]])
    """

    name: str
    title: str
    weight: tuple[tuple[float, ...], ...]
    explanation: str
    divisor: float = 1

    def __post_init__(self) -> None:
        lengths = [len(row) for row in self.weight]
        if not lengths or not lengths[0] or len(set(lengths)) > 1:
            raise ValueError(f"ImageKernel: expected a weight in rows of one length but {self.name!r} has {lengths}")
        if not all(isfinite(value) for row in self.weight for value in row):
            raise ValueError(f"ImageKernel: expected finite weights but {self.name!r} has {self.weight}")
        if not (isfinite(self.divisor) and self.divisor):
            raise ValueError(f"ImageKernel: expected a divisor other than 0 but {self.name!r} has {self.divisor}")

    @property
    def array(self) -> Any:
        """The weights divided by the divisor, (kH, kW) in float64.

        >>> KERNELS["box_blur"].array.sum().item()
        1.0
        """
        return np.array(self.weight, dtype=np.float64) / self.divisor

    @property
    def shape(self) -> tuple[int, int]:
        """(kH, kW)."""
        return len(self.weight), len(self.weight[0])


_GALLERY = (
    ImageKernel(
        "identity",
        "Identity",
        ((0, 0, 0), (0, 1, 0), (0, 0, 0)),
        "Copies the picture: only the pixel under the centre counts.",
    ),
    ImageKernel(
        "blur",
        "Blur",
        ((1, 2, 1), (2, 4, 2), (1, 2, 1)),
        "Averages each pixel with its neighbours, the near ones most, as a small Gaussian does.",
        divisor=16,
    ),
    ImageKernel(
        "box_blur",
        "Box blur",
        ((1, 1, 1), (1, 1, 1), (1, 1, 1)),
        "Averages each pixel with its eight neighbours, all alike.",
        divisor=9,
    ),
    ImageKernel(
        "gaussian_blur",
        "Gaussian blur 5×5",
        ((1, 4, 6, 4, 1), (4, 16, 24, 16, 4), (6, 24, 36, 24, 6), (4, 16, 24, 16, 4), (1, 4, 6, 4, 1)),
        "Smooths more than the 3×3 blur: the binomial weights 1 4 6 4 1 along rows and columns.",
        divisor=256,
    ),
    ImageKernel(
        "sharpen",
        "Sharpen",
        ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
        "Adds to each pixel what sets it off from its four neighbours: the identity plus the Laplacian.",
    ),
    ImageKernel(
        "brighten",
        "Brighten",
        ((0, 0, 0), (0, 1.5, 0), (0, 0, 0)),
        "Makes every pixel one and a half times as bright.",
    ),
    ImageKernel(
        "darken",
        "Darken",
        ((0, 0, 0), (0, 0.5, 0), (0, 0, 0)),
        "Makes every pixel half as bright.",
    ),
    ImageKernel(
        "outline",
        "Outline",
        ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
        "Compares each pixel with its eight neighbours: 0 in an even area, large at lines and edges of all directions.",
    ),
    ImageKernel(
        "emboss",
        "Emboss",
        ((-2, -1, 0), (-1, 1, 1), (0, 1, 2)),
        "Adds the slope towards the lower right, so that the picture looks raised and lit from there.",
    ),
    ImageKernel(
        "vertical_edges",
        "Vertical edges",
        ((1, 0, -1), (1, 0, -1), (1, 0, -1)),
        "Takes the right column from the left one: positive where bright turns dark from left to right (Prewitt).",
    ),
    ImageKernel(
        "horizontal_edges",
        "Horizontal edges",
        ((1, 1, 1), (0, 0, 0), (-1, -1, -1)),
        "Takes the lower row from the upper one: positive where bright turns dark from top to bottom (Prewitt).",
    ),
    ImageKernel(
        "sobel_x",
        "Sobel x",
        ((1, 0, -1), (2, 0, -2), (1, 0, -1)),
        "Finds vertical edges like the Prewitt kernel, the middle row counted twice, so that noise disturbs it less.",
    ),
    ImageKernel(
        "sobel_y",
        "Sobel y",
        ((1, 2, 1), (0, 0, 0), (-1, -2, -1)),
        "Finds horizontal edges like the Prewitt kernel, the middle column counted twice.",
    ),
    ImageKernel(
        "scharr_x",
        "Scharr x",
        ((3, 0, -3), (10, 0, -10), (3, 0, -3)),
        "Finds vertical edges with weights chosen to measure the direction of slanting edges more truly than Sobel.",
    ),
    ImageKernel(
        "scharr_y",
        "Scharr y",
        ((3, 10, 3), (0, 0, 0), (-3, -10, -3)),
        "Finds horizontal edges with weights chosen to measure the direction of slanting edges more truly than Sobel.",
    ),
    ImageKernel(
        "laplacian",
        "Laplacian",
        ((0, -1, 0), (-1, 4, -1), (0, -1, 0)),
        "Compares each pixel with its four neighbours: the negative sum of the second differences along x and y.",
    ),
    ImageKernel(
        "edges_45",
        "Edges at 45°",
        ((1, 1, 0), (1, 0, -1), (0, -1, -1)),
        "Finds edges that rise from left to right: positive where it is brighter on the upper left.",
    ),
    ImageKernel(
        "edges_135",
        "Edges at 135°",
        ((0, 1, 1), (-1, 0, 1), (-1, -1, 0)),
        "Finds edges that fall from left to right: positive where it is brighter on the upper right.",
    ),
)

KERNELS: dict[str, ImageKernel] = {kernel.name: kernel for kernel in _GALLERY}
"""The gallery by name, in the order in which it is shown."""


def image_kernel(name: str) -> ImageKernel:
    """Find a kernel of the gallery by its name or its title, or by the first words of them: `"sobel"` is `"sobel_x"`.

    Args:
        name: in any case, its words joined by spaces, hyphens or underscores.

    Raises:
        ValueError: no kernel is called that; the message lists those there are.
        TypeError: not a string.

    >>> image_kernel("Box blur").name, image_kernel("sobel").name, image_kernel("horizontal").name
    ('box_blur', 'sobel_x', 'horizontal_edges')
    """
    if not isinstance(name, str):
        raise TypeError(f"image_kernel: expected a name such as 'sobel_x' but got {name!r}")
    wanted = _key(name)
    for kernel in KERNELS.values():
        if wanted in (kernel.name, _key(kernel.title)):
            return kernel
    for kernel in KERNELS.values():
        if kernel.name.startswith(f"{wanted}_"):
            return kernel
    close = get_close_matches(wanted, KERNELS, n=1)
    advice = f"; did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"image_kernel: expected one of {', '.join(KERNELS)} but got {name!r}{advice}")


def _key(name: str) -> str:
    return "_".join(name.lower().replace("-", " ").replace("_", " ").split())

"""Photographs as arrays, and an image kernel run over one."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn.viz.images.kernels import ImageKernel, image_kernel

__doctest_requires__ = {"portrait": ["matplotlib", "PIL"]}

# The luma of Rec. ITU-R BT.601, which also Pillow's convert("L") takes.
_LUMA = np.array([0.299, 0.587, 0.114])


def photograph(source: Any = None) -> Any:
    """Read a picture: brightnesses from 0, black, to 1, white, float64, (H, W) in grey or (H, W, 3) in colour.

    Args:
        source: a file that Pillow reads; an array or a tensor, (H, W), (H, W, 1), (H, W, 3), (H, W, 4) or with the
            channels first, where the last axis can't be theirs, (1, H, W), (3, H, W); or None for the portrait of Grace
            Hopper that comes with matplotlib, in the public domain. Unsigned integers are divided by the greatest that
            their dtype has, floats stay as they are. Opacity is laid on white.

    Raises:
        ValueError: an array of another shape, an empty one, one with NaN or infinity, a file that is no picture.
        TypeError: not numbers, or signed integers, whose white nobody knows.
        OSError: the file can't be read.
        ImportError: Pillow, or for None matplotlib, is missing.

    >>> photograph(np.array([[0, 51, 255]], dtype=np.uint8))
    array([[0. , 0.2, 1. ]])
    >>> photograph(np.ones((3, 5, 6))).shape
    (5, 6, 3)
    """
    if source is None:
        source = _grace_hopper()
    if isinstance(source, str | PathLike):
        return _floats(_read(Path(fspath(source))))
    array = source.numpy() if isinstance(source, tg.Tensor) else np.asarray(source)
    return _floats(array)


def portrait() -> Any:
    """The face in the portrait of Grace Hopper, (260, 260, 3): so small that a 3x3 kernel's work is seen.

    Raises:
        ImportError: Pillow or matplotlib is missing.

    >>> portrait().shape
    (260, 260, 3)
    """
    return photograph()[60:320, 130:390]


def grey(picture: Any) -> Any:
    """The brightness of each pixel, (H, W): 0.299 red + 0.587 green + 0.114 blue (Rec. ITU-R BT.601).

    Args:
        picture: what `photograph` takes.

    Raises:
        ValueError, TypeError, OSError, ImportError: as `photograph`.

    >>> grey(np.array([[[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]]))
    array([[0.299, 1.   ]])
    """
    pixels = photograph(picture)
    return pixels if pixels.ndim == 2 else pixels @ _LUMA


def apply_kernel(
    image: Any, kernel: Any, padding_mode: str = "replicate", *, padding: Any = "same", flip: bool = False
) -> Any:
    """Run one kernel over every channel of a picture by `tg.conv2d`: a cross-correlation, as the gallery is written.

    The channels stand as a batch of grey images, each under the same kernel (1, 1, kH, kW), so colours don't mix. The
    result is not clipped: it may be negative, or brighter than white.

    Args:
        image: what `photograph` takes.
        kernel: the name of a kernel of the gallery, an `ImageKernel`, or the weights (kH, kW) themselves.
        padding_mode: what stands beyond the border: zeros (black), replicate, reflect, symmetric or circular.
        padding: as in `tg.conv2d`; "same" keeps the size of the picture.
        flip: turn the kernel by 180 degrees first, the textbook's convolution, by `tg.convolve2d`.

    Returns:
        (H, W) or (H, W, 3), float64.

    Raises:
        ValueError: a kernel that is none, an unknown mode, a kernel larger than the picture, and as `photograph`.
        TypeError: a kernel that is not numbers, and as `photograph`.

    >>> apply_kernel(np.array([[0.0, 0.0, 1.0, 1.0]]), "vertical_edges")
    array([[ 0., -3., -3.,  0.]])
    >>> apply_kernel(np.array([[0.0, 0.0, 1.0, 1.0]]), "vertical_edges", flip=True)
    array([[0., 3., 3., 0.]])
    """
    pixels = photograph(image)
    weight = kernel_weights(kernel, "apply_kernel")[None, None]
    channels = np.moveaxis(np.atleast_3d(pixels), 2, 0)[:, None]
    operation = tg.convolve2d if flip else tg.conv2d
    try:
        result = operation(np.ascontiguousarray(channels), weight, padding=padding, padding_mode=padding_mode)
    except ValueError as error:
        raise ValueError(f"apply_kernel: {error}") from error
    return result[0, 0] if pixels.ndim == 2 else np.moveaxis(result[:, 0], 0, 2)


def kernel_weights(kernel: Any, operation: str) -> Any:
    """The weights of a kernel, (kH, kW), float64: of one of the gallery by its name, of an `ImageKernel`, of an array.

    Raises:
        ValueError: an unknown name, not two axes, no weights, a weight that isn't finite.
        TypeError: not numbers.

    >>> kernel_weights("box blur", "example").sum().item()
    1.0
    """
    if isinstance(kernel, str):
        kernel = image_kernel(kernel)
    if isinstance(kernel, ImageKernel):
        return kernel.array
    array = kernel.numpy() if isinstance(kernel, tg.Tensor) else np.asarray(kernel)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{operation}: expected a kernel's name or its weights (kH, kW) but got {kernel!r}")
    if array.ndim != 2 or not array.size:
        raise ValueError(f"{operation}: expected the weights of a kernel (kH, kW) but got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{operation}: expected a kernel of finite weights but got {array.tolist()}")
    return array.astype(np.float64)


def _floats(array: Any) -> Any:
    if array.dtype.kind not in "buf":
        raise TypeError(
            "photograph: expected floats from 0 to 1 or unsigned integers, as uint8 from 0 to 255, "
            f"but got dtype {array.dtype}"
        )
    shape = array.shape
    if array.ndim == 3 and shape[2] not in (1, 3, 4) and shape[0] in (1, 3, 4):
        array = np.moveaxis(array, 0, 2)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ValueError(f"photograph: expected a picture (H, W), (H, W, 3) or (3, H, W) but got shape {shape}")
    if not array.size:
        raise ValueError(f"photograph: expected a picture with pixels but got shape {shape}")
    pixels = array.astype(np.float64)
    if array.dtype.kind == "u":
        pixels /= np.iinfo(array.dtype).max
    if not np.isfinite(pixels).all():
        raise ValueError("photograph: expected finite brightnesses but got NaN or infinity")
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] == 1:
        return pixels[:, :, 0]
    if pixels.shape[2] == 4:
        opacity = pixels[:, :, 3:]
        return pixels[:, :, :3] * opacity + (1 - opacity)
    return pixels


def _grace_hopper() -> Path:
    try:
        from matplotlib.cbook import get_sample_data
    except ImportError as error:
        raise ImportError(
            "photograph: the portrait comes with matplotlib; pip install 'tinygrad_cnn[plot]', or give a picture"
        ) from error
    return Path(get_sample_data("grace_hopper.jpg", asfileobj=False))


def _read(path: Path) -> Any:
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise ImportError(
            "photograph: reading picture files needs Pillow; pip install pillow, or give the picture as an array"
        ) from error
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)  # a camera writes how it was held, and not the turned pixels
            return np.asarray(upright.convert(_mode(upright)))
    except UnidentifiedImageError as error:
        raise ValueError(f"photograph: expected a picture but {str(path)!r} is none that Pillow can read") from error


def _mode(image: Any) -> str:
    """What to convert a picture to: its channels, with opacity only where it has some."""
    has_opacity = "A" in image.getbands() or "transparency" in image.info
    if has_opacity:
        return "RGBA"
    return "L" if image.mode in ("1", "L") else image.mode if image.mode == "I;16" else "RGB"

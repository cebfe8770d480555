"""Pictures as arrays: mixed by a mask with a blurred background, and put before the model again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.uint8]  # [H, W, 3]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]  # [H, W]


@dataclass(frozen=True, eq=False)
class ArrayImage:
    """A picture that is in memory."""

    pixels: Pixels

    def load(self) -> Image.Image:
        """RGB."""
        return Image.fromarray(self.pixels)


def blurred(picture: Pixels, share: float) -> Pixels:
    """Without detail: the Gaussian's standard deviation is a share of the shorter side."""
    radius = share * min(picture.shape[:2])
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))


def mixed(picture: Pixels, background: Pixels, mask: NDArray[np.floating]) -> Pixels:
    """The picture where the mask [H, W] is 1, the background where it is 0."""
    share = mask[..., None]
    pixels: Pixels = np.rint(picture * share + background * (1 - share)).astype(np.uint8)
    return pixels


def kept(picture: Pixels, mask: Mask) -> Pixels:
    """The picture where the mask is True, its mean colour elsewhere."""
    colour = np.rint(picture.mean(axis=(0, 1))).astype(np.uint8)
    return np.where(mask[..., None], picture, colour)


def resized(values: NDArray[np.number], size: tuple[int, int]) -> Floats:
    """Values [h, w] at another size (H, W), smoothly."""
    image = Image.fromarray(values.astype(np.float32))
    return np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR), dtype=np.float64)

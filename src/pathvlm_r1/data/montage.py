"""Several pictures as one, for people to look at."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image


def montage(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures in rows from the left, nearly as many rows as columns, on white; one alone is left as it is.

    Args:
        pictures: RGB, at least one.
    """
    if len(pictures) == 1:
        return pictures[0]
    columns = math.ceil(math.sqrt(len(pictures)))
    width, height = (max(picture.size[axis] for picture in pictures) for axis in (0, 1))
    whole = Image.new("RGB", (width * columns, height * math.ceil(len(pictures) / columns)), "white")
    for place, picture in enumerate(pictures):
        row, column = divmod(place, columns)
        whole.paste(picture, (column * width, row * height))
    return whole

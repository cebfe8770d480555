"""Other pictures for a question: its own in pieces that are shuffled, and the one that looks the most like it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pathvlm_r1.evaluation.explain.pictures import Floats, Pixels

BINS = 8  # of a colour's histogram


def patch_shuffled(picture: Pixels, pieces: int, random: np.random.Generator) -> Pixels:
    """The picture cut into pieces x pieces, which change places at random; what does not divide stays at the edges.

    Raises:
        ValueError: fewer than one piece, or more than there are pixels.
    """
    if not 1 <= pieces <= min(picture.shape[:2]):
        raise ValueError(f"pieces is {pieces}: from 1 to the {min(picture.shape[:2])} pixels of the shorter side")
    height, width = (side // pieces for side in picture.shape[:2])
    cut = picture[: height * pieces, : width * pieces].reshape(pieces, height, pieces, width, 3)
    tiles = cut.swapaxes(1, 2).reshape(pieces * pieces, height, width, 3)
    moved = tiles[random.permutation(len(tiles))].reshape(pieces, pieces, height, width, 3).swapaxes(1, 2)
    shuffled = picture.copy()
    shuffled[: height * pieces, : width * pieces] = moved.reshape(height * pieces, width * pieces, 3)
    return shuffled


def appearance(picture: Pixels) -> Floats:
    """What a picture looks like as a whole: its colours' means, deviations and histograms, and its sides.

    Returns:
        [7 + 3 * BINS], each part from about 0 to 1.
    """
    values = picture.reshape(-1, 3) / 255
    histograms = [np.histogram(values[:, colour], bins=BINS, range=(0, 1))[0] / len(values) for colour in range(3)]
    aspect = np.log(picture.shape[1] / picture.shape[0])
    return np.concatenate([values.mean(axis=0), values.std(axis=0), [aspect], *histograms])


def most_similar(appearances: Floats, place: int, allowed: Sequence[int]) -> int | None:
    """The picture among the allowed ones that looks the most like one; None where none is allowed.

    Args:
        appearances: [N, F].
        place: of the one.
        allowed: places of the others.
    """
    if not allowed:
        return None
    distances = np.linalg.norm(appearances[list(allowed)] - appearances[place], axis=1)
    return allowed[int(distances.argmin())]

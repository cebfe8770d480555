"""RISE: what a score follows, found by hiding random parts of the picture; a map for every option of a question.

Source: Petsiuk, Das and Saenko 2018, RISE: Randomized Input Sampling for Explanation of Black-box Models,
arXiv:1806.07421, sections 3.1 and 3.2; masks here come in pairs that complement each other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathvlm_r1.evaluation.explain.pictures import Floats, resized

Masks = NDArray[np.float32]  # [N, H, W], from 0, hidden, to 1, seen


def soft_masks(random: np.random.Generator, *, count: int, grid: int, size: tuple[int, int]) -> Masks:
    """Smooth random masks, each followed by its complement, so that every pixel is seen half of the time.

    Args:
        random: source of the draws.
        count: N, even.
        grid: cells along each side, each seen or hidden with probability 1/2; then enlarged and shifted at random.
        size: (H, W) in pixels.

    Raises:
        ValueError: an odd count, or a grid finer than the picture.
    """
    if count < 2 or count % 2:
        raise ValueError(f"count is {count}: masks come in pairs, so an even number of at least 2")
    if not 1 <= grid <= min(size):
        raise ValueError(f"grid is {grid}: from 1 to the {min(size)} pixels of the picture's shorter side")
    cells = tuple(-(-side // grid) for side in size)  # rounded up
    whole = (cells[0] * (grid + 2), cells[1] * (grid + 2))
    masks = np.empty((count, *size), dtype=np.float32)
    for pair in range(count // 2):
        enlarged = resized(random.integers(0, 2, (grid + 2, grid + 2)).astype(np.float32), whole)
        # the outer half cells are not smooth, and left out: places at the edges would get stronger masks than others
        top, left = (cell // 2 + int(random.integers(0, cell)) for cell in cells)
        masks[2 * pair] = enlarged[top : top + size[0], left : left + size[1]]
        masks[2 * pair + 1] = 1 - masks[2 * pair]
    return masks


def rise_maps(masks: Masks, scores: Floats) -> Floats:
    """How much more each option has where a pixel is seen.

        map[k, x] = sum over i of (s[i, k] - mean s[:, k]) m[i, x] / sum over i of m[i, x]

    Args:
        masks: [N, H, W].
        scores: [N, K], those of K options under each mask.

    Returns:
        [K, H, W] in the scores' unit; 0 everywhere where nothing is followed.
    """
    shifted = scores - scores[:1]  # equal scores: exactly 0, which their float mean is not
    centred = shifted - shifted.mean(axis=0)
    seen = masks.sum(axis=0, dtype=np.float64)
    maps: Floats = np.tensordot(centred.T, masks.astype(np.float64), axes=1) / seen
    return maps

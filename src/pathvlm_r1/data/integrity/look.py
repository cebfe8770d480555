"""How a picture looks, in 256 bits, and pictures that look alike, mirrored and turned ones included.

The hash keeps the signs, against their median, of the 16 x 16 lowest frequencies of the grey picture at 32 x 32.
Mirroring and turning only flip signs and transpose the frequencies, so all eight orientations cost one transform.

Source: Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash Functions (pHash), with more bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

BITS = 256
ORIENTATIONS = 8
_SIDE = 32  # of the small grey picture
_KEPT = 16  # lowest frequencies in each direction
_LOWEST = 8  # of them in the first word
_WORDS = BITS // 64
_LEVELS = 2  # decimals of a frequency: below lies rounding, whose sign means nothing
_BLOCK = 32  # pictures compared at once with all others: what fits the cache

Look = NDArray[np.uint64]  # [8, 4]: the hash of every orientation, the picture as it stands first
Looks = NDArray[np.uint64]  # [N, 8, 4]


@dataclass(frozen=True, order=True)
class NearPair:
    """Two pictures, by their places, and how many of the `BITS` bits differ in the best orientation."""

    left: int
    right: int
    distance: int


def look_of(picture: Image.Image) -> Look:
    """The hashes of a picture in its eight orientations."""
    grey = picture.convert("L").convert("F")  # whole numbers would round a picture and its mirror image differently
    small = np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BOX))
    frequencies = dctn(small, norm="ortho")[:_KEPT, :_KEPT].round(_LEVELS)
    return np.stack([_packed(turned) for turned in _orientations(frequencies)])


def stacked(looks: list[bytes]) -> Looks:
    """Hashes that were kept as bytes, [N, 8, 4]."""
    return np.frombuffer(b"".join(looks), dtype=np.uint64).reshape(-1, ORIENTATIONS, _WORDS)


def near_pairs(looks: Looks, threshold: int) -> list[NearPair]:
    """Pictures of one set that look alike, in order; equal hashes are paired with the first picture that has them.

    Args:
        looks: [N, 8, 4], as `stacked` gives them.
        threshold: bits that may differ. Of the 64 bits of the lowest frequencies half as many may: they are the ones
            that compressing, scaling and staining leave alone.
    """
    _, first, inverse = np.unique(looks[:, 0], axis=0, return_index=True, return_inverse=True)
    owner = first[inverse.ravel()]
    pairs = [NearPair(int(owner[i]), i, 0) for i in range(len(looks)) if owner[i] != i]
    kept = np.sort(first)
    distinct = looks[kept]
    for start in range(0, len(kept), _BLOCK):
        for near in _near(distinct[start : start + _BLOCK], distinct[start:], threshold):
            if near.left < near.right:
                pairs.append(NearPair(int(kept[start + near.left]), int(kept[start + near.right]), near.distance))
    return sorted(pairs)


def near_between(left: Looks, right: Looks, threshold: int) -> list[NearPair]:
    """Pictures of two sets that look alike, every pair of them, in order; arguments as in `near_pairs`."""
    pairs = []
    for start in range(0, len(left), _BLOCK):
        block = _near(left[start : start + _BLOCK], right, threshold)
        pairs += [NearPair(start + near.left, near.right, near.distance) for near in block]
    return sorted(pairs)


def _near(left: Looks, right: Looks, threshold: int) -> Iterator[NearPair]:
    """Pairs within the threshold, each once with its smallest distance."""
    best: dict[tuple[int, int], int] = {}
    for orientation in range(ORIENTATIONS):
        turned = right[:, orientation]
        low = np.bitwise_count(left[:, None, 0, 0] ^ turned[None, :, 0])  # [left, right]
        rows, columns = np.nonzero(low <= threshold // 2)
        distances = np.bitwise_count(left[rows, 0] ^ turned[columns]).sum(axis=-1, dtype=np.int64)
        for row, column, distance in zip(rows, columns, distances, strict=True):
            if distance <= threshold:
                pair = (int(row), int(column))
                best[pair] = min(int(distance), best.get(pair, BITS))
    return (NearPair(row, column, distance) for (row, column), distance in best.items())


def _orientations(frequencies: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Of a picture as it stands, mirrored, upside down, turned by half; then of its transpose likewise."""
    odd = np.where(np.arange(_KEPT) % 2 == 1, -1.0, 1.0)
    for base in (frequencies, frequencies.T):
        for rows in (1.0, odd[:, None]):
            for columns in (1.0, odd[None, :]):
                yield base * rows * columns


def _packed(frequencies: NDArray[np.float64]) -> NDArray[np.uint64]:
    """256 bits in four words, those of the lowest frequencies in the first."""
    bits = frequencies > np.median(frequencies)
    low = bits[:_LOWEST, :_LOWEST]
    rest = (bits[:_LOWEST, _LOWEST:], bits[_LOWEST:, :_LOWEST], bits[_LOWEST:, _LOWEST:])
    return np.packbits(np.concatenate([part.ravel() for part in (low, *rest)])).view(np.uint64)

"""Whether a map tells the truth: its places taken out, or left alone, against the same shape moved elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pathvlm_r1.evaluation.explain.pictures import Floats, Mask, Pixels, kept

Score = Callable[[Sequence[Pixels]], Floats]  # pictures -> [N] of the option that a map is of


@dataclass(frozen=True)
class Curve:
    """The score along growing parts of a picture, of the map's own places and of the same shape elsewhere."""

    own: tuple[float, ...]  # by share
    shifted: tuple[float, ...]  # likewise, the mean over the shifts


@dataclass(frozen=True)
class MapCheck:
    """Deletion and retention of one map; an advantage above 0 speaks for it."""

    deletion: Curve  # the score where these places have the picture's mean colour
    retention: Curve  # where all others have

    @property
    def deletion_advantage(self) -> float:
        """How much more is lost without the map's places than without others; mean over the shares."""
        return float(np.mean(self.deletion.shifted) - np.mean(self.deletion.own))

    @property
    def retention_advantage(self) -> float:
        """How much more the map's places keep than others; mean over the shares."""
        return float(np.mean(self.retention.own) - np.mean(self.retention.shifted))


def check_map(
    values: Floats, picture: Pixels, score: Score, *, shares: Sequence[float], shifts: Sequence[tuple[int, int]]
) -> MapCheck:  # fmt: skip
    """Delete and retain the highest places of a map, and the same shapes moved around the picture's edges.

    A shifted shape has the same area and outline, so that what is left is where it lies.

    Args:
        values: [H, W], the map.
        picture: [H, W, 3].
        score: of pictures.
        shares: parts of the picture's area, each between 0 and 1.
        shifts: (down, right) in pixels.
    """
    masks = [np.roll(highest(values, share), by, axis=(0, 1)) for share in shares for by in [(0, 0), *shifts]]
    scores = score([kept(picture, ~mask) for mask in masks] + [kept(picture, mask) for mask in masks])
    deletion, retention = scores.reshape(2, len(shares), 1 + len(shifts))
    return MapCheck(_curve(deletion), _curve(retention))


def highest(values: Floats, share: float) -> Mask:
    """The pixels [H, W] with the highest values, a share of all; of equal ones the first."""
    count = max(1, round(share * values.size))
    mask = np.zeros(values.size, dtype=np.bool_)
    mask[np.argsort(-values, axis=None, kind="stable")[:count]] = True
    return mask.reshape(values.shape)


def drawn_shifts(random: np.random.Generator, count: int, size: tuple[int, int]) -> list[tuple[int, int]]:
    """Moves (down, right) by a quarter to three quarters of each side, so that a shape lies elsewhere."""
    height, width = (
        random.integers(-(-side // 4), side - side // 4, count, endpoint=True).tolist() for side in size
    )  # fmt: skip
    return list(zip(height, width, strict=True))


def _curve(scores: Floats) -> Curve:
    """[shares, 1 + shifts], the map's own places first."""
    return Curve(tuple(scores[:, 0].tolist()), tuple(scores[:, 1:].mean(axis=1).tolist()))

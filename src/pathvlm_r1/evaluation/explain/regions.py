"""A map held against the region that is known to decide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pathvlm_r1.evaluation.explain.pictures import Floats, Mask


@dataclass(frozen=True)
class Placement:
    """Where a map lies."""

    area: float  # the region's share of the picture: what chance is worth
    pointing: float  # 1 where the highest pixel lies in the region, else 0
    energy: float  # share of the map's positive values in the region


def placement(values: Floats, region: Mask) -> Placement:
    """Both measures of a map [H, W] against a region [H, W]."""
    return Placement(float(region.mean()), pointing(values, region), energy(values, region))


def pointing(values: Floats, region: Mask) -> float:
    """The pointing game: whether the map's highest pixel lies in the region; the share that does, of equal ones.

    A map that is flat points everywhere: it has the region's share of the area, which is chance.

    Args:
        values: [H, W], the map.
        region: [H, W].

    Source: Zhang et al. 2016, Top-down Neural Attention by Excitation Backprop, arXiv:1608.00507, section 4.2; without
    its tolerance of 15 pixels.
    """
    return float(region[values == values.max()].mean())


def energy(values: Floats, region: Mask) -> float:
    """The share of the map's positive values that lies in the region; of a map without any, the region's area.

    Args:
        values: [H, W], the map.
        region: [H, W].

    Source: Wang et al. 2020, Score-CAM, arXiv:1910.01279, section 4.3.
    """
    positive = np.clip(values, 0, None)
    total = float(positive.sum())
    return float(positive[region].sum()) / total if total > 0 else float(region.mean())

"""Drawn blood smears, no two of which are the same picture, as a dataset that entry points are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from drawn_bccd import draw_bccd
from PIL import Image


def draw_distinct_smears(root: Path) -> Path:
    """The folder of `draw_bccd` with structure of its own in every picture."""
    draw_bccd(root)
    for number, path in enumerate(sorted((root / "JPEGImages").iterdir())):
        picture = Image.open(path).convert("RGB")
        noise = np.random.default_rng(number).integers(0, 256, (16, 20, 3), dtype=np.uint8)
        texture = Image.fromarray(noise).resize(picture.size, Image.Resampling.BICUBIC)
        Image.blend(picture, texture, 0.5).save(path, "JPEG", quality=92)
    return root


def typed(root: Path) -> tuple[str, ...]:
    """What is typed for it."""
    return ("dataset=bccd", f"dataset.root={root}", "dataset.rl_share=0.5")

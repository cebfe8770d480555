"""Retinal OCT phantoms: a B-scan whose layers are curves over its columns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathvlm_r1.data.phantom.canvas import (
    Canvas,
    Pixels,
    Pose,
    blend,
    ellipse,
    gaussian_noise,
    smooth_field,
    to_uint8,
)
from pathvlm_r1.data.phantom.regions import Regions

Curve = NDArray[np.float32]  # [size], a depth over every column, in picture heights

_PIT_DEPTH = {"foveal pit": 0.15, "filled fovea": -0.02}
_PIT_HALF_WIDTH = 0.16  # where it has a sixth of its depth, about
_LOWEST_MOUND = 0.01  # of a deposit that is seen
_THICKNESS = 0.27  # of the neural retina, away from the fovea
_CUTS = (0.0, 0.17, 0.42, 0.56, 0.66, 0.9)  # tops of the neural layers, as shares of its thickness
_GREYS = (14, 196, 128, 84, 148, 72, 200)  # vitreous, then nerve fibres down to photoreceptors
_FLUID, _DEPOSIT, _EPITHELIUM, _CHOROID = 10, 170, 255, 112


@dataclass(frozen=True)
class _Anatomy:
    """The surfaces of one scan from top to bottom."""

    top: Curve
    photoreceptors: Curve  # where the neural retina ends
    epithelium: Curve  # below the photoreceptors wherever the layers are detached
    floor: Curve  # below the epithelium wherever deposits lift it
    fovea: float


def render(
    findings: Mapping[str, str], random: np.random.Generator, size: int, regions: Regions
) -> NDArray[np.uint8]:  # fmt: skip
    """A B-scan with the findings.

    Args:
        findings: "layers", "cysts", "deposits" and "fovea" with their phrases.
        random: decides everything that is not a finding.
        size: pixels a side.
        regions: records where the findings are.

    Returns:
        [size, size, 3], grey in three equal channels.
    """
    anatomy = _anatomy(findings, random, size)
    pixels = _layered(anatomy, size)
    _record(anatomy, size, regions)
    if findings["cysts"] == "cystic spaces":
        cysts = _cyst_coverage(anatomy, random, size)
        regions.add(lambda: cysts, "cysts")
        pixels = blend(pixels, 8, cysts)
    speckle = 1 + random.uniform(0.12, 0.24) * random.standard_normal(pixels.shape, dtype=np.float32)
    gain = random.uniform(0.75, 1.1) * (1 + 0.06 * smooth_field(random, size, 4))
    noisy = gaussian_noise(random, pixels * speckle * gain, random.uniform(4, 10))
    return to_uint8(noisy)


def _anatomy(findings: Mapping[str, str], random: np.random.Generator, size: int) -> _Anatomy:
    x = np.linspace(0, 1, size, dtype=np.float32)
    fovea = random.uniform(0.42, 0.58)
    bend, tilt = random.uniform(-0.12, 0.25), random.uniform(-0.12, 0.12)
    floor = random.uniform(0.66, 0.8) + tilt * (x - 0.5) + bend * (x - 0.5) ** 2
    deposits = _deposits(x, random) if findings["deposits"] == "epithelial deposits" else np.zeros_like(x)
    detachment = _detachment(x, fovea, random) if findings["layers"] == "detached layers" else np.zeros_like(x)
    photoreceptors = floor - np.maximum(deposits, detachment)
    pit = _PIT_DEPTH[findings["fovea"]] * _bump(x, fovea, random.uniform(0.075, 0.095))
    lift = np.maximum(0.35 * deposits, detachment)  # the inner layers follow a deposit only in part
    top = floor - lift - _THICKNESS * random.uniform(0.93, 1.15) + pit
    return _Anatomy(top, photoreceptors, floor - deposits, floor, fovea)


def _bump(x: Curve, centre: float, width: float) -> Curve:
    bump: Curve = np.exp(-0.5 * ((x - np.float32(centre)) / np.float32(width)) ** 2)
    return bump


def _deposits(x: Curve, random: np.random.Generator) -> Curve:
    """Mounds of unlike size all along the epithelium."""
    centres = np.arange(5) * 0.19 + random.uniform(0.08, 0.16) + random.uniform(-0.03, 0.03, 5)
    mounds = [random.uniform(0.06, 0.09) * _bump(x, centre, random.uniform(0.026, 0.042)) for centre in centres]
    height: Curve = np.sum(mounds, axis=0, dtype=np.float32)
    return height


def _detachment(x: Curve, fovea: float, random: np.random.Generator) -> Curve:
    """One wide dome with steep ends."""
    centre, half_width = fovea + random.uniform(-0.1, 0.1), random.uniform(0.24, 0.3)
    dome = np.clip(1 - ((x - np.float32(centre)) / np.float32(half_width)) ** 2, 0, 1)
    lifted: Curve = np.float32(random.uniform(0.14, 0.18)) * np.sqrt(dome)
    return lifted


def _layered(anatomy: _Anatomy, size: int) -> Pixels:
    """Every pixel with the grey of its layer; the choroid darkens with depth."""
    neural = anatomy.photoreceptors - anatomy.top
    tops = [anatomy.top + cut * neural for cut in _CUTS]
    surfaces = [*tops, anatomy.photoreceptors, anatomy.epithelium, anatomy.epithelium + 0.028, anatomy.floor + 0.03]
    greys = np.array([*_GREYS, _FLUID, _EPITHELIUM, _DEPOSIT, _CHOROID], dtype=np.float32)
    y = np.linspace(0, 1, size, dtype=np.float32)[:, None]
    layer = np.zeros((size, size), dtype=np.int8)
    for surface in surfaces:
        layer += y >= surface
    depth = np.clip(y - anatomy.floor - 0.03, 0, None)
    pixels: Pixels = (greys[layer] * np.exp(-4 * depth))[..., None]
    return pixels


def _record(anatomy: _Anatomy, size: int, regions: Regions) -> None:
    """Fluid below detached layers, mounds below the epithelium, and the retina that has a pit or has none."""
    x, y = np.linspace(0, 1, size), np.linspace(0, 1, size)[:, None]
    is_retina = (y >= anatomy.top) & (y < anatomy.photoreceptors)
    regions.add(lambda: (y >= anatomy.photoreceptors) & (y < anatomy.epithelium), "layers")
    has_mound = anatomy.floor - anatomy.epithelium > _LOWEST_MOUND
    regions.add(lambda: has_mound & (y >= anatomy.epithelium) & (y < anatomy.floor + 0.03), "deposits")
    above = np.maximum(anatomy.top - _PIT_DEPTH["foveal pit"], 0)  # a pit is seen by what is missing there, too
    is_fovea = np.abs(x - anatomy.fovea) < _PIT_HALF_WIDTH
    regions.add(lambda: is_fovea & (is_retina | ((y >= above) & (y < anatomy.top))), "fovea")


def _cyst_coverage(anatomy: _Anatomy, random: np.random.Generator, size: int) -> Pixels:
    """Bubbles in the middle of the neural retina, on both sides of the fovea."""
    mask = Canvas(size, Pose())
    for side in (-1, 1):
        for reach in (0.15, 0.24, 0.33)[: int(random.integers(2, 4))]:
            x = anatomy.fovea + side * (reach + random.uniform(-0.012, 0.012))
            column = math.floor(np.clip(x, 0, 0.99) * size)
            y = float(anatomy.top[column] + random.uniform(0.48, 0.56) * _THICKNESS)
            mask.polygon(ellipse((x, y), (random.uniform(0.03, 0.04), random.uniform(0.045, 0.065)), count=20), 255)
    return mask.coverage()

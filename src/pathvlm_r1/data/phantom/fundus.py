"""Colour fundus phantoms: the optic disc, the vessels that leave it, the macula and the spots around it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathvlm_r1.data.phantom.canvas import (
    Canvas,
    Colour,
    Pixels,
    Pose,
    blend,
    ellipse,
    gaussian_noise,
    random_pose,
    random_ripple,
    smooth_field,
    to_uint8,
)
from pathvlm_r1.data.phantom.regions import Regions


@dataclass(frozen=True)
class _Spot:
    ink: Colour
    radius: float


_SPOTS = {"microaneurysms": _Spot((88, 0, 8), 0.019), "drusen": _Spot((255, 236, 140), 0.023)}
_CUP_SHARE = {"small cup": 0.3, "large cup": 0.8}  # cup to disc diameter
_RETINA, _VESSEL, _DISC, _CUP = np.array([204, 92, 40]), (122, 22, 18), (246, 176, 84), (255, 252, 226)
_DISC_CENTRE, _MACULA_CENTRE = (0.27, 0.5), (0.6, 0.52)
_DISC_RADIUS = 0.098


def render(
    findings: Mapping[str, str], random: np.random.Generator, size: int, regions: Regions
) -> NDArray[np.uint8]:  # fmt: skip
    """A fundus photograph with the findings.

    Args:
        findings: "lesion", "vessels", "macula" and "disc" with their phrases.
        random: decides everything that is not a finding.
        size: pixels a side.
        regions: records where the findings are.

    Returns:
        [size, size, 3].
    """
    pose = random_pose(random, angle=0.25, zoom=(0.92, 1.05), shift=0.025)
    hue = _RETINA + random.uniform(-16, 16, 3)
    canvas = Canvas(size, pose, (int(hue[0]), int(hue[1]), int(hue[2])))
    _draw_vessels(canvas, random)
    with regions.drawn(canvas.pixels, "lesion"):
        _draw_spots(canvas, random, _SPOTS[findings["lesion"]])
    if findings["vessels"] == "new vessels":
        with regions.drawn(canvas.pixels, "vessels"):
            _draw_new_vessels(canvas, random)
    regions.add(lambda: 2 * _fovea_coverage(size, pose), "macula")  # dark at least half as much as in its middle
    if findings["macula"] == "macular scar":
        with regions.drawn(canvas.pixels, "macula"):
            _draw_scar(canvas, random)
    with regions.drawn(canvas.pixels, "disc"):
        _draw_disc(canvas, random, cup_share=_CUP_SHARE[findings["disc"]])
    pixels = blend(canvas.pixels(), (90, 26, 10), 0.4 * _fovea_coverage(size, pose))
    return to_uint8(_photographed(pixels + 7 * smooth_field(random, size, 5), pose, random))


def _draw_vessels(canvas: Canvas, random: np.random.Generator) -> None:
    """Four arcades with a side branch each; those towards the macula bend around it."""
    t = np.linspace(0, 1, 12)
    for upward in (-1, 1):
        for reach, height in ((0.62, 0.3), (-0.22, 0.3)):
            rise = height + random.uniform(-0.03, 0.03)
            x = _DISC_CENTRE[0] + reach * t + 0.012 * np.sin(9 * t + random.uniform(0, 6))
            y = _DISC_CENTRE[1] + upward * rise * np.sin(1.9 * t**0.7)
            arcade = np.stack([x, y], axis=1)
            canvas.line(arcade[:7], _VESSEL, 0.022)
            canvas.line(arcade[6:], _VESSEL, 0.014)
            branch = np.stack([x[5] + 0.3 * reach * t, y[5] + upward * 0.2 * t**1.5], axis=1)
            canvas.line(branch, _VESSEL, 0.01)


def _draw_spots(canvas: Canvas, random: np.random.Generator, spot: _Spot) -> None:
    """Small round spots around, never on, the macula."""
    count = int(random.integers(15, 21))
    for turn in np.arange(count) * 2.4 + random.uniform(0, 6):  # 2.4: the golden angle spreads them evenly
        reach = random.uniform(0.14, 0.23)
        centre = (_MACULA_CENTRE[0] + reach * math.cos(turn), _MACULA_CENTRE[1] + reach * math.sin(turn))
        canvas.disc(centre, spot.radius * random.uniform(0.8, 1.25), spot.ink)


def _draw_new_vessels(canvas: Canvas, random: np.random.Generator) -> None:
    """A tangle of curls beside the disc, above or below it."""
    root = (_DISC_CENTRE[0] + random.uniform(-0.01, 0.07), 0.5 + random.choice([-1, 1]) * random.uniform(0.2, 0.24))
    for _ in range(13):
        turns = random.uniform(0, 6) + np.linspace(0, random.uniform(4, 7), 12)
        radius = random.uniform(0.02, 0.05)
        offset = random.uniform(-0.075, 0.075, 2)
        curl = np.stack([root[0] + offset[0] + radius * np.cos(turns), root[1] + offset[1] + radius * np.sin(turns)], 1)
        canvas.line(curl, (160, 0, 24), 0.01)


def _draw_scar(canvas: Canvas, random: np.random.Generator) -> None:
    """A pale patch with a rim of dark pigment in place of the macula."""
    radius, ripple = random.uniform(0.085, 0.105), random_ripple(random, [0.0, 0.1, 0.1, 0.06])
    canvas.polygon(ellipse(_MACULA_CENTRE, (radius, radius * 0.85), ripple), (58, 34, 26))
    canvas.polygon(ellipse(_MACULA_CENTRE, (radius * 0.72, radius * 0.58), ripple), (214, 214, 190))


def _draw_disc(canvas: Canvas, random: np.random.Generator, *, cup_share: float) -> None:
    """The disc, its cup, and the roots of the vessels on it."""
    radius = _DISC_RADIUS * random.uniform(0.94, 1.08)
    canvas.polygon(ellipse(_DISC_CENTRE, (radius * 0.94, radius)), _DISC)
    canvas.disc(_DISC_CENTRE, radius * (cup_share + random.uniform(-0.05, 0.03)), _CUP)
    for upward in (-1, 1):
        root = [_DISC_CENTRE, (_DISC_CENTRE[0] + 0.01, _DISC_CENTRE[1] + upward * radius)]
        canvas.line(root, _VESSEL, 0.012)


def _fovea_coverage(size: int, pose: Pose) -> Pixels:
    mask = Canvas(size, pose)
    mask.disc(_MACULA_CENTRE, 0.05, 255)
    return mask.coverage(0.025)


def _photographed(pixels: Pixels, pose: Pose, random: np.random.Generator) -> Pixels:
    """The picture inside the camera's round aperture, with its light falling off to one side."""
    aperture = Canvas(pixels.shape[0], Pose(shift=pose.shift))
    aperture.disc((0.5, 0.5), random.uniform(0.465, 0.485), 255)
    across = np.linspace(-1, 1, pixels.shape[0], dtype=np.float32)
    falloff = 1 + np.float32(random.uniform(-0.12, 0.12)) * across[:, None, None]
    falloff = falloff + np.float32(random.uniform(-0.12, 0.12)) * across[None, :, None]
    lit = pixels * falloff * np.float32(random.uniform(0.82, 1.1))
    return gaussian_noise(random, lit * aperture.coverage(), random.uniform(2, 6))

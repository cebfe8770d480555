"""Dermoscopy phantoms: a pigmented lesion with its pattern, outline, border and surface."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from pathvlm_r1.data.phantom.canvas import (
    Canvas,
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

_PALE_SKIN, _TANNED_SKIN = np.array([238, 200, 182]), np.array([208, 158, 122])
_LIGHT_LESION, _DARK_LESION = np.array([176, 118, 78]), np.array([148, 90, 58])
_PIGMENT = np.array([52, 26, 16])
_VEIL = np.array([112, 142, 214])
_BORDER_BLUR = {"fading border": 0.055, "sharp border": 0.0}
_RADIUS = 0.29


def render(
    findings: Mapping[str, str], random: np.random.Generator, size: int, regions: Regions
) -> NDArray[np.uint8]:  # fmt: skip
    """A skin lesion with the findings.

    Args:
        findings: "pattern", "symmetry", "veil" and "border" with their phrases.
        random: decides everything that is not a finding.
        size: pixels a side.
        regions: records where the findings are.

    Returns:
        [size, size, 3].
    """
    pose = random_pose(random, angle=math.pi, zoom=(0.9, 1.15), shift=0.05)
    skin = _between(_PALE_SKIN, _TANNED_SKIN, random) + 5 * smooth_field(random, size, 6)
    lesion = _OUTLINES[findings["symmetry"]](size, pose, random)
    coverage = lesion.coverage(_BORDER_BLUR[findings["border"]])
    pixels = blend(skin, _between(_LIGHT_LESION, _DARK_LESION, random) + 8 * smooth_field(random, size, 5), coverage)
    regions.add(lambda: coverage, "symmetry")
    regions.add(lambda: _edge(coverage, lesion), "border", covers=False)
    pigment = 0.85 * coverage * _PATTERNS[findings["pattern"]](size, pose, random)
    regions.add(lambda: pigment, "pattern", covers=False)
    if findings["border"] == "sharp border":
        pigment = np.maximum(pigment, 0.8 * _rim(coverage, lesion))
    pixels = blend(pixels, _PIGMENT, np.maximum(pigment, 0.7 * _hair_coverage(size, random)))
    if findings["veil"] == "blue veil":
        veil = 0.8 * coverage * _veil_coverage(size, pose, random)
        regions.add(lambda: veil, "veil", covers=False)
        pixels = blend(pixels, _VEIL, veil)
    return to_uint8(gaussian_noise(random, _lit(pixels, random), random.uniform(2, 7)))


def _between(first: NDArray[np.int64], second: NDArray[np.int64], random: np.random.Generator) -> Pixels:
    return (first + (second - first) * random.random()).astype(np.float32).reshape(1, 1, 3)


def _symmetric(size: int, pose: Pose, random: np.random.Generator) -> Canvas:
    """A plain ellipse."""
    mask = Canvas(size, pose)
    mask.polygon(ellipse((0.5, 0.5), (_RADIUS, _RADIUS * random.uniform(0.82, 1.0))), 255)
    return mask


def _asymmetric(size: int, pose: Pose, random: np.random.Generator) -> Canvas:
    """A small ellipse with a deep notch and two lobes of unlike size."""
    mask = Canvas(size, pose)
    ripple = random_ripple(random, [0.0, 0.0, 0.05, 0.03])
    mask.polygon(ellipse((0.44, 0.54), (0.22, 0.18), ripple), 255)
    mask.polygon(ellipse((0.64, 0.36 + random.uniform(-0.03, 0.03)), (0.15, 0.1), -ripple), 255)
    mask.polygon(ellipse((0.4 + random.uniform(-0.03, 0.03), 0.74), (0.09, 0.15), ripple), 255)
    return mask


def _rim(coverage: Pixels, lesion: Canvas) -> Pixels:
    """The band just inside the outline."""
    return coverage * (1 - np.clip(2 * lesion.coverage(0.02) - 1, 0, 1))


def _edge(coverage: Pixels, lesion: Canvas) -> Pixels:
    """The band on both sides of the outline in which a soft edge fades."""
    wide = lesion.coverage(_BORDER_BLUR["fading border"])
    return ((wide > 0.1) & (wide < 0.9) | (_rim(coverage, lesion) >= 0.5)).astype(np.float32)


def _globules(size: int, pose: Pose, random: np.random.Generator) -> Pixels:
    """Separate round balls of pigment, spread over the whole lesion on a jittered spiral."""
    mask = Canvas(size, pose)
    count = int(random.integers(20, 27))
    start = random.uniform(0, 2 * math.pi)
    for index in range(count):
        reach, turn = 0.33 * math.sqrt((index + 0.5) / count), start + 2.4 * index  # 2.4: the golden angle
        x, y = 0.5 + reach * math.cos(turn), 0.5 + reach * math.sin(turn)
        jitter = random.uniform(-0.015, 0.015, 2)
        mask.disc((x + jitter[0], y + jitter[1]), random.uniform(0.022, 0.034), 255)
    return mask.coverage()


def _network(size: int, pose: Pose, random: np.random.Generator) -> Pixels:
    """Two crossing families of wavy pigment lines: a mesh with pale holes."""
    mask = Canvas(size, pose)
    along = np.linspace(0.08, 0.92, 11)
    width, spacing = random.uniform(0.016, 0.022), random.uniform(0.085, 0.105)
    for across in np.arange(0.1, 0.92, spacing):
        wave = across + 0.014 * np.sin(2 * math.pi * along * 3 + random.uniform(0, 6))
        mask.line(np.stack([along, wave], axis=1), 255, width)
        mask.line(np.stack([wave + 0.3 * (along - 0.5), along], axis=1), 255, width)
    return mask.coverage()


def _veil_coverage(size: int, pose: Pose, random: np.random.Generator) -> Pixels:
    mask = Canvas(size, pose)
    turn = random.uniform(0, 2 * math.pi)
    centre = (0.48 + 0.05 * math.cos(turn), 0.52 + 0.05 * math.sin(turn))
    mask.polygon(ellipse(centre, (0.15, 0.13), random_ripple(random, [0.0, 0.1, 0.1])), 255)
    return mask.coverage(0.02)


def _hair_coverage(size: int, random: np.random.Generator) -> Pixels:
    mask = Canvas(size, Pose())
    for _ in range(int(random.integers(0, 4))):
        ends, bend = random.uniform(-0.1, 1.1, (2, 2)), random.uniform(-0.15, 0.15, 2)
        t = np.linspace(0, 1, 9)[:, None]
        mask.line(ends[0] + (ends[1] - ends[0]) * t + bend * t * (1 - t) * 2, 255, 0.007)
    return mask.coverage()


def _lit(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Uneven light of a slightly tinted lamp, darker towards the corners."""
    offset = np.linspace(-1, 1, pixels.shape[0], dtype=np.float32) ** 2
    vignette = 1 - np.float32(random.uniform(0.02, 0.2)) * (offset[:, None, None] + offset[None, :, None])
    tint = random.uniform(0.94, 1.06, 3) * random.uniform(0.85, 1.08)
    return pixels * (vignette * tint.astype(np.float32))


_OUTLINES: Mapping[str, Callable[[int, Pose, np.random.Generator], Canvas]] = {
    "symmetric lesion": _symmetric,
    "asymmetric lesion": _asymmetric,
}
_PATTERNS: Mapping[str, Callable[[int, Pose, np.random.Generator], Pixels]] = {
    "globules": _globules,
    "network": _network,
}

"""Axial chest CT phantoms: a lung nodule, the pleural space below it, and the nodes between the lungs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pathvlm_r1.data.phantom.canvas import (
    Canvas,
    Pixels,
    Point,
    Points,
    blend,
    ellipse,
    gaussian_noise,
    random_pose,
    random_ripple,
    smooth_field,
    to_uint8,
)
from pathvlm_r1.data.phantom.regions import Regions

_FAT, _TISSUE, _FLUID, _VESSEL, _BONE, _LUNG = 62, 112, 172, 200, 245, 20
_NODULE_GREY = {"solid nodule": 225, "ground glass": 105}
_SPICULES = {"smooth margin": 0, "spiculated margin": 9}
_LUNG_CENTRES: tuple[Point, Point] = ((0.285, 0.48), (0.715, 0.48))
_LUNG_RADII = (0.145, 0.235)


def render(
    findings: Mapping[str, str], random: np.random.Generator, size: int, regions: Regions
) -> NDArray[np.uint8]:  # fmt: skip
    """A chest slice with the findings.

    Args:
        findings: "density", "margin", "pleura" and "mediastinum" with their phrases.
        random: decides everything that is not a finding.
        size: pixels a side.
        regions: records where the findings are.

    Returns:
        [size, size, 3], grey in three equal channels.
    """
    canvas = Canvas(size, random_pose(random, angle=0.12, zoom=(0.94, 1.14), shift=0.03))
    _draw_body(canvas, random)
    _draw_lungs(canvas, random, regions, has_effusion=findings["pleura"] == "pleural effusion")
    _draw_mediastinum(canvas, random)
    if findings["mediastinum"] == "enlarged nodes":
        with regions.drawn(canvas.pixels, "mediastinum"):
            _draw_nodes(canvas, random)
    pixels = canvas.pixels() + 5 * smooth_field(random, size, 5)
    nodule = _nodule_coverage(canvas, random, spicules=_SPICULES[findings["margin"]])
    regions.add(lambda: nodule, "density", "margin")
    pixels = blend(pixels, _NODULE_GREY[findings["density"]] + 6 * smooth_field(random, size, size // 4), nodule)
    windowed = pixels * random.uniform(0.85, 1.12) + random.uniform(-4, 14)
    return to_uint8(gaussian_noise(random, windowed, random.uniform(3, 11)))


def _draw_body(canvas: Canvas, random: np.random.Generator) -> None:
    """Skin, fat, muscle, the ring of ribs and the spine."""
    width, height = random.uniform(0.44, 0.47), random.uniform(0.36, 0.4)
    canvas.polygon(ellipse((0.5, 0.5), (width, height)), _TISSUE)
    canvas.polygon(ellipse((0.5, 0.5), (width - 0.012, height - 0.012)), _FAT)
    canvas.polygon(ellipse((0.5, 0.5), (width - 0.04, height - 0.035)), _TISSUE)
    ring = ellipse((0.5, 0.49), (width - 0.05, height - 0.06), count=96)
    start = int(random.integers(8))
    for first in range(start, start + 96, 12):
        canvas.line(ring.take(range(first, first + 6), axis=0, mode="wrap"), _BONE, 0.018)
    canvas.polygon(ellipse((0.5, 0.745), (0.07, 0.055)), _BONE)
    canvas.disc((0.5, 0.805), 0.022, _LUNG * 4)
    canvas.line([(0.5, 0.83), (0.5, 0.87)], _BONE, 0.022)


def _draw_lungs(canvas: Canvas, random: np.random.Generator, regions: Regions, *, has_effusion: bool) -> None:
    """Air and thin vessels; an effusion fills the lowest part of one lung up to a curved surface."""
    filled = int(random.integers(2)) if has_effusion else None
    for side, centre in enumerate(_LUNG_CENTRES):
        outline = _lung_outline(random, centre)
        canvas.polygon(outline, _FLUID)
        air = _above_fluid(outline, centre, random.uniform(0.54, 0.58)) if side == filled else outline
        canvas.polygon(air, _LUNG)
        regions.add(partial(_between, canvas, outline, air), "pleura")
        for angle in random.uniform(-1.1, 1.1, 7):
            _draw_lung_vessel(canvas, centre, angle if side else math.pi - angle)


def _between(canvas: Canvas, outer: Points, inner: Points) -> Pixels:
    """Coverage of what lies within one outline and not within the other."""
    mask = Canvas(canvas.size, canvas.pose)
    mask.polygon(outer, 255)
    mask.polygon(inner, 0)
    return mask.coverage()


def _lung_outline(random: np.random.Generator, centre: Point) -> Points:
    return ellipse(centre, _LUNG_RADII, random_ripple(random, [0.0, 0.03, 0.04]))


def _above_fluid(outline: Points, centre: Point, level: float) -> Points:
    """The part of a lung that is left above the fluid, whose surface rises towards the chest wall."""
    surface = level - 6.0 * (outline[:, 0] - centre[0]) ** 2
    return np.stack([outline[:, 0], np.minimum(outline[:, 1], surface)], axis=1)


def _draw_lung_vessel(canvas: Canvas, centre: Point, angle: float) -> None:
    hilum = 0.5 + 0.55 * (centre[0] - 0.5)
    reach = np.linspace(0.0, 0.13, 4)[:, None]
    canvas.line(np.array([hilum, 0.45]) + reach * np.array([math.cos(angle), math.sin(angle)]), 75, 0.007)


def _draw_mediastinum(canvas: Canvas, random: np.random.Generator) -> None:
    """Great vessels in dark fat."""
    canvas.polygon(ellipse((0.5, 0.48), (0.1, 0.2), random_ripple(random, [0.0, 0.03, 0.04])), _FAT)
    canvas.polygon(ellipse((0.5 + random.uniform(-0.01, 0.02), 0.55), (0.075, 0.06)), _VESSEL)
    canvas.disc((0.555, 0.66), 0.033, _VESSEL)
    canvas.disc((0.5, 0.475), 0.018, 5)


def _draw_nodes(canvas: Canvas, random: np.random.Generator) -> None:
    """Enlarged nodes: a cluster of pale balls in front of the great vessels."""
    for x, y in ((0.43, 0.31), (0.565, 0.32), (0.495, 0.385), (0.41, 0.41), (0.59, 0.425)):
        centre = (x + random.uniform(-0.012, 0.012), y + random.uniform(-0.012, 0.012))
        radius = random.uniform(0.042, 0.052)
        canvas.disc(centre, radius + 0.012, 30)
        canvas.disc(centre, radius, 185)


def _nodule_coverage(canvas: Canvas, random: np.random.Generator, *, spicules: int) -> Pixels:
    """Where the nodule is; always in the upper half of a lung, where no fluid can hide it."""
    mask = Canvas(canvas.size, canvas.pose)
    x, y = _LUNG_CENTRES[int(random.integers(2))]
    centre = (x + random.uniform(-0.035, 0.035), y + random.uniform(-0.09, 0.0))
    radius = random.uniform(0.05, 0.075)
    mask.polygon(ellipse(centre, (radius, radius), random_ripple(random, [0.0, 0.05])), 255)
    turns = np.arange(spicules) * 2 * math.pi / max(spicules, 1) + random.uniform(0, 6)
    for turn in turns + random.uniform(-0.15, 0.15, spicules):
        tip = radius * random.uniform(1.75, 2.1)
        sides = [(radius * 0.8, turn - 0.25), (tip, turn), (radius * 0.8, turn + 0.25)]
        mask.polygon([(centre[0] + r * math.cos(a), centre[1] + r * math.sin(a)) for r, a in sides], 255)
    return mask.coverage()

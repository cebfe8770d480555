"""Phantom haematoxylin-and-eosin sections: densities of two dyes, turned into light by Beer and Lambert's law.

Stain vectors: Ruifrok and Johnston 2001, Quantification of histochemical staining by color deconvolution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pathvlm_r1.data.phantom.canvas import gaussian_noise, smooth_field, to_uint8
from pathvlm_r1.data.phantom.regions import Regions

_HAEMATOXYLIN = np.array([0.65, 0.70, 0.29], dtype=np.float32)
_EOSIN = np.array([0.07, 0.99, 0.11], dtype=np.float32)
_SCALE = 2  # supersampling
_FRAME = 112  # lengths below are in pixels of a picture of this size

Point = tuple[float, float]


@dataclass
class _Slide:
    """Two dye densities under construction, 0 to 255 each."""

    haematoxylin: ImageDraw.ImageDraw
    eosin: ImageDraw.ImageDraw
    unit: float  # canvas pixels per length unit
    random: np.random.Generator

    def disc(self, centre: Point, radius: float, *, nuclear: int | None = None, pink: int | None = None) -> None:
        """A slightly elliptical disc; a dye that is None stays as it was."""
        rx, ry = radius * self.unit * self.random.uniform(0.85, 1.15, 2)
        x, y = centre[0] * self.unit, centre[1] * self.unit
        box = (x - rx, y - ry, x + rx, y + ry)
        if nuclear is not None:
            self.haematoxylin.ellipse(box, fill=nuclear)
        if pink is not None:
            self.eosin.ellipse(box, fill=pink)


def render(
    findings: Mapping[str, str], random: np.random.Generator, size: int, regions: Regions
) -> NDArray[np.uint8]:  # fmt: skip
    """A section that shows the given findings: [size, size, 3]; their places are recorded in `regions`."""
    canvas = size * _SCALE
    planes = [Image.new("L", (canvas, canvas), shade) for shade in (8, 40)]
    slide = _Slide(ImageDraw.Draw(planes[0]), ImageDraw.Draw(planes[1]), canvas / _FRAME, random)

    def dyes() -> NDArray[np.uint8]:
        return np.stack([np.asarray(plane.resize((size, size), Image.Resampling.BOX)) for plane in planes], axis=-1)

    if findings["stroma"] == "fibrous stroma":
        with regions.drawn(dyes, "stroma"):
            _fibres(slide)
    necrosis = _place(random, 1, margin=24)[0] if findings["necrosis"] == "necrotic debris" else None
    with regions.drawn(dyes, "architecture"):
        nuclei = _arranged(slide, findings["architecture"])
    with regions.drawn(dyes, "architecture", "nuclei"):
        _cells(slide, nuclei, necrosis, is_pleomorphic=findings["nuclei"] == "pleomorphic nuclei")
    is_dense = findings["lymphocytes"] == "dense lymphocytes"
    with regions.drawn(dyes, *(["lymphocytes"] if is_dense else [])):
        _lymphocytes(slide, clouds=3 if is_dense else 0)
    if necrosis:
        with regions.drawn(dyes, "necrosis"):
            _necrosis(slide, necrosis)
    if findings["keratin"] == "keratin pearls":
        with regions.drawn(dyes, "keratin"):
            _pearls(slide)
    is_frequent = findings["mitoses"] == "frequent mitoses"
    with regions.drawn(dyes, *(["mitoses"] if is_frequent else [])):
        _mitoses(slide, *((7, 11) if is_frequent else (0, 2)))
    haematoxylin, eosin = (
        np.asarray(plane.resize((size, size), Image.Resampling.BOX), dtype=np.float32) / np.float32(255)
        for plane in planes
    )
    return _transmitted(haematoxylin, eosin, random)


def _transmitted(
    haematoxylin: NDArray[np.float32], eosin: NDArray[np.float32], random: np.random.Generator
) -> NDArray[np.uint8]:
    size = haematoxylin.shape[0]
    strength = random.uniform(0.8, 1.25, 2).astype(np.float32)
    thickness = 1 + 0.15 * smooth_field(random, size, 4)
    density = haematoxylin[..., None] * (strength[0] * 1.7 * _HAEMATOXYLIN)
    density += eosin[..., None] * (strength[1] * 0.95 * _EOSIN)
    light = 255 * np.exp(-density * thickness) * random.uniform(0.93, 1.0)
    return to_uint8(gaussian_noise(random, light, 5.0))


def _place(random: np.random.Generator, count: int, *, margin: float = 8) -> list[Point]:
    """Points spread over the frame: cells of a jittered grid, so that structures seldom overlap."""
    side = max(1, int(np.ceil(np.sqrt(count))))
    cells = random.permutation(side * side)[:count]
    step = (_FRAME - 2 * margin) / side
    jitter = random.uniform(0.2, 0.8, (count, 2))
    return [
        (margin + (cell % side + dx) * step, margin + (cell // side + dy) * step)
        for cell, (dx, dy) in zip(cells, jitter, strict=True)
    ]


def _fibres(slide: _Slide) -> None:
    angle, phase = slide.random.uniform(0, np.pi), slide.random.uniform(0, 6)
    along = np.linspace(-80, 80, 24)
    for offset in np.arange(-80, 80, 11):
        across = offset + 4 * np.sin(along / 11 + phase + offset)
        x = (_FRAME / 2 + along * np.cos(angle) - across * np.sin(angle)) * slide.unit
        y = (_FRAME / 2 + along * np.sin(angle) + across * np.cos(angle)) * slide.unit
        slide.eosin.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=165, width=int(5 * slide.unit))


def _arranged(slide: _Slide, architecture: str) -> list[Point]:
    """The places of the tumour's nuclei, after its glands or nests are drawn."""
    return {"glands": _glands, "nests": _nests, "sheets": _sheets}[architecture](slide)


def _cells(slide: _Slide, nuclei: Sequence[Point], necrosis: Point | None, *, is_pleomorphic: bool) -> None:
    """The tumour's nuclei, which are uniform or pleomorphic."""
    random = slide.random
    for x, y in nuclei:
        if necrosis and (x - necrosis[0]) ** 2 + (y - necrosis[1]) ** 2 < 24**2:
            continue
        radius = random.uniform(1.2, 4.6) if is_pleomorphic else 2.3
        shade = int(random.uniform(90, 235)) if is_pleomorphic else 150
        slide.disc((x, y), radius, nuclear=shade)


def _glands(slide: _Slide) -> list[Point]:
    nuclei: list[Point] = []
    for centre in _place(slide.random, 6, margin=4):
        radius = slide.random.uniform(13, 17)
        slide.disc(centre, radius, pink=110)
        slide.disc(centre, radius * 0.55, nuclear=0, pink=4)
        angles = np.arange(0, 2 * np.pi, 4.6 / radius) + slide.random.uniform(0, 1)
        nuclei += [(centre[0] + 0.82 * radius * np.cos(a), centre[1] + 0.82 * radius * np.sin(a)) for a in angles]
    return nuclei


def _nests(slide: _Slide) -> list[Point]:
    nuclei: list[Point] = []
    for centre in _place(slide.random, 6, margin=4):
        radius = slide.random.uniform(12, 16)
        slide.disc(centre, radius, pink=120, nuclear=30)
        count = int(radius * 1.4)
        distance = 0.85 * radius * np.sqrt(slide.random.uniform(0, 1, count))
        angles = slide.random.uniform(0, 2 * np.pi, count)
        nuclei += [
            (centre[0] + d * np.cos(a), centre[1] + d * np.sin(a)) for d, a in zip(distance, angles, strict=True)
        ]
    return nuclei


def _sheets(slide: _Slide) -> list[Point]:
    return _place(slide.random, 169, margin=0)


def _lymphocytes(slide: _Slide, clouds: int) -> None:
    for point in _place(slide.random, 4, margin=0):
        slide.disc(point, 1.5, nuclear=245)
    for x, y in _place(slide.random, clouds, margin=12):
        for dx, dy in slide.random.normal(0, 6, (26, 2)):
            slide.disc((x + dx, y + dy), 1.5, nuclear=245)


def _necrosis(slide: _Slide, centre: Point) -> None:
    slide.disc(centre, slide.random.uniform(20, 25), nuclear=4, pink=85)
    for dx, dy in slide.random.normal(0, 8, (14, 2)):
        slide.disc((centre[0] + dx, centre[1] + dy), 0.8, nuclear=110)


def _pearls(slide: _Slide) -> None:
    for centre in _place(slide.random, int(slide.random.integers(2, 4)), margin=16):
        for radius, pink in ((10.5, 250), (8.0, 130), (5.5, 250), (3.0, 130)):
            slide.disc(centre, radius, nuclear=10, pink=pink)


def _mitoses(slide: _Slide, fewest: int, below: int) -> None:
    """Dark plates of chromosomes in a clear halo."""
    for x, y in _place(slide.random, int(slide.random.integers(fewest, below)), margin=8):
        slide.disc((x, y), 5.2, nuclear=4, pink=20)
        angle = slide.random.uniform(0, np.pi)
        dx, dy = 3.4 * np.cos(angle), 3.4 * np.sin(angle)
        ends = [(x - dx) * slide.unit, (y - dy) * slide.unit, (x + dx) * slide.unit, (y + dy) * slide.unit]
        slide.haematoxylin.line(ends, fill=255, width=int(2.6 * slide.unit))

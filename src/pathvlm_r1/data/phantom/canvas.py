"""The drawing surface of all phantoms: shapes in coordinates of the unit square, and the noise that pictures have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFilter

Pixels = NDArray[np.float32]  # [size, size, 1] or [size, size, 3], 0 to 255, unless called a coverage: 0 to 1
Points = NDArray[np.float64]  # [N, 2], x to the right and y down, the picture spans 0 to 1
Point = tuple[float, float]
Colour = tuple[int, int, int]

_SUPERSAMPLING = 2


@dataclass(frozen=True)
class Pose:
    """Where the drawn object lies in the picture: mirrored, turned and scaled about the middle, then moved."""

    angle: float = 0.0  # radians, clockwise in the picture
    scale: float = 1.0
    shift: Point = (0.0, 0.0)
    is_mirrored: bool = False

    def __call__(self, points: ArrayLike) -> Points:
        """The points [N, 2] of the object as points of the picture."""
        centred = (np.asarray(points, dtype=np.float64) - 0.5) * self.scale
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        x = -centred[:, 0] if self.is_mirrored else centred[:, 0]
        y = centred[:, 1]
        placed: Points = np.stack([cos * x - sin * y, sin * x + cos * y], axis=1) + 0.5 + np.asarray(self.shift)
        return placed


def random_pose(random: np.random.Generator, *, angle: float, zoom: tuple[float, float], shift: float) -> Pose:
    """A pose turned by up to `angle` radians, scaled within `zoom`, moved by up to `shift`, mirrored half the time."""
    moved = random.uniform(-shift, shift, 2)
    return Pose(
        angle=random.uniform(-angle, angle),
        scale=random.uniform(*zoom),
        shift=(float(moved[0]), float(moved[1])),
        is_mirrored=bool(random.integers(2)),
    )


class Canvas:
    """A supersampled surface; shapes are given in the object's coordinates and placed by the pose.

    A colour background makes a colour canvas, a grey level a grey one; inks are of the same kind.
    """

    def __init__(self, size: int, pose: Pose, background: Colour | int = 0) -> None:
        self.size = size
        self.pose = pose
        self._scale = size * _SUPERSAMPLING
        mode = "L" if isinstance(background, int) else "RGB"
        self._image = Image.new(mode, (self._scale, self._scale), background)
        self._draw = ImageDraw.Draw(self._image)

    def polygon(self, points: ArrayLike, ink: Colour | int) -> None:
        """Fill the outline through the points [N, 2]."""
        self._draw.polygon(self._placed(points), fill=ink)

    def line(self, points: ArrayLike, ink: Colour | int, width: float) -> None:
        """Draw a line through the points [N, 2]; `width` in object units, never thinner than a drawn pixel."""
        drawn = max(1, round(width * self.pose.scale * self._scale))
        self._draw.line(self._placed(points), fill=ink, width=drawn)

    def disc(self, centre: Point, radius: float, ink: Colour | int) -> None:
        """Fill a circle."""
        (x, y), drawn = self._placed([centre])[0], radius * self.pose.scale * self._scale
        self._draw.ellipse((x - drawn, y - drawn, x + drawn, y + drawn), fill=ink)

    def pixels(self, blur: float = 0.0) -> Pixels:
        """The picture at its final size; `blur` is the standard deviation in picture widths."""
        image = self._image.reduce(_SUPERSAMPLING)
        if blur > 0:
            image = image.filter(ImageFilter.GaussianBlur(blur * self.size))
        return np.asarray(image, dtype=np.float32).reshape(self.size, self.size, -1)

    def coverage(self, blur: float = 0.0) -> Pixels:
        """`pixels` as a share of full brightness, for a grey canvas that is used as a mask."""
        return self.pixels(blur) / np.float32(255)

    def _placed(self, points: ArrayLike) -> list[tuple[float, float]]:
        return [(x, y) for x, y in (self.pose(points) * self._scale).tolist()]


def ellipse(centre: Point, radii: Point, ripple: ArrayLike = 0.0, count: int = 48) -> Points:
    """The outline [count, 2] of an ellipse whose radius at every vertex is 1 + `ripple` times its own."""
    turn = np.linspace(0, 2 * math.pi, count, endpoint=False)
    reach = 1 + np.broadcast_to(np.asarray(ripple, dtype=np.float64), (count,))
    return np.stack([centre[0] + radii[0] * reach * np.cos(turn), centre[1] + radii[1] * reach * np.sin(turn)], axis=1)


def random_ripple(random: np.random.Generator, amplitudes: Sequence[float], count: int = 48) -> NDArray[np.float64]:
    """A periodic curve [count]: amplitude k of the sequence belongs to k + 1 waves round the outline."""
    turn = np.linspace(0, 2 * math.pi, count, endpoint=False)
    waves = np.arange(1, len(amplitudes) + 1)[:, None]
    phases = random.uniform(0, 2 * math.pi, (len(amplitudes), 1))
    ripple: NDArray[np.float64] = (np.asarray(amplitudes)[:, None] * np.cos(waves * turn + phases)).sum(axis=0)
    return ripple


def blend(pixels: Pixels, ink: ArrayLike, coverage: Pixels) -> Pixels:
    """The pixels painted over with the ink (a colour, a grey level or other pixels) where the coverage says so."""
    return pixels + (np.asarray(ink, dtype=np.float32) - pixels) * coverage


def smooth_field(random: np.random.Generator, size: int, cells: int) -> Pixels:
    """Low-frequency noise [size, size, 1], about standard normal, that varies over `cells` patches a side."""
    grid = Image.fromarray(random.standard_normal((cells, cells), dtype=np.float32))
    return np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32)[..., None]


def gaussian_noise(random: np.random.Generator, pixels: Pixels, deviation: float) -> Pixels:
    """The pixels with independent noise of this standard deviation, in grey levels."""
    return pixels + random.standard_normal(pixels.shape, dtype=np.float32) * np.float32(deviation)


def to_uint8(pixels: Pixels) -> NDArray[np.uint8]:
    """The finished picture [size, size, 3], clipped to 0 to 255; grey becomes three equal channels."""
    clipped = np.clip(pixels, 0, 255).astype(np.uint8)
    return np.array(np.broadcast_to(clipped, (*clipped.shape[:2], 3)), order="C")  # a broadcast is read-only

"""Who is asked in these tests: scorers whose maps are known, and questions about pictures with a known region."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pathvlm_r1.data import Sample
from pathvlm_r1.evaluation.explain.pictures import ArrayImage

SIZE = (56, 84)  # height and width
SIDE = 14  # of the square that decides


@dataclass(frozen=True)
class KnownRegion:
    """A mask that is in memory."""

    mask: np.ndarray

    def load(self):
        return self.mask


def square(top, left, size=SIZE):
    """[H, W], True in a square."""
    mask = np.zeros(size, dtype=bool)
    mask[top : top + SIDE, left : left + SIDE] = True
    return mask


def questions(count):
    """Each on a picture of its own: grey noise with one bright square, which is its region."""
    random = np.random.default_rng(0)
    made = []
    for place in range(count):
        region = square(int(random.integers(0, SIZE[0] - SIDE)), int(random.integers(0, SIZE[1] - SIDE)))
        pixels = random.integers(40, 60, (*SIZE, 3))
        pixels[region] += 180
        made.append(
            Sample(
                sample_id=f"q{place}", image_id=f"i{place}", dataset="squares", question_type="square",
                question="Where?", options=(f"right {place}", "wrong", "other"), answer="ABC"[place % 3], rationale="",
                images=(ArrayImage(pixels.astype(np.uint8)),), region=KnownRegion(region),
            )
        )  # fmt: skip
    return made


@dataclass
class BrightnessSubject:
    """Its right option has the mean brightness of the true region: a map that is right must find that region."""

    asked: list = field(default_factory=list)

    def as_seen(self, sample):
        return np.asarray(sample.images[0].load())

    def log_probs(self, sample, pictures):
        self.asked.append(len(pictures))
        region = sample.region.load()
        found = np.zeros((len(pictures), len(sample.options)))
        found[:, sample.letters.index(sample.answer)] = [picture[region].mean() / 50 for picture in pictures]
        return found

    def attention(self, sample, picture):  # noqa: ARG002  the same wherever it is asked
        return {"attention": np.ones((2, 3)), "rollout": np.arange(6.0).reshape(2, 3)}


@dataclass
class BlindSubject(BrightnessSubject):
    """It sees no picture: its scores are the same for all, or drawn at random."""

    noise: float = 0.0
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(3))

    def log_probs(self, sample, pictures):
        return self.noise * self.random.standard_normal((len(pictures), len(sample.options)))

"""One question after the other: its maps, their checks, their regions, and what other pictures do to its margin."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pathvlm_r1.data import Sample
from pathvlm_r1.evaluation.explain.asking import Subject
from pathvlm_r1.evaluation.explain.checks import MapCheck, check_map, drawn_shifts
from pathvlm_r1.evaluation.explain.controls import appearance, most_similar, patch_shuffled
from pathvlm_r1.evaluation.explain.pictures import Floats, Mask, Pixels, blurred, mixed, resized
from pathvlm_r1.evaluation.explain.regions import Placement, placement
from pathvlm_r1.evaluation.explain.rise import rise_maps, soft_masks

ATTENTION_METHODS = ("attention", "rollout")
METHODS = ("rise", *ATTENTION_METHODS, "random")
RANDOM_GRID = 5  # cells a side of the map that knows nothing


@dataclass(frozen=True, kw_only=True)
class ExplainSettings:
    """How maps are made and checked."""

    methods: tuple[str, ...]  # of METHODS
    masks: int  # of RISE, an even number
    grid: int  # cells of a mask along each side
    blur: float  # of the background: the Gaussian's standard deviation, as a share of the shorter side
    shares: tuple[float, ...]  # of the area, that deletion and retention take
    shifts: int  # of each shape, for comparison
    pieces: tuple[int, ...]  # a side, into which shuffled pictures are cut
    max_region: float  # share of the area above which a region says nothing
    seed: int


@dataclass(frozen=True, kw_only=True)
class MapMeasures:
    """What one map of one question is worth."""

    check: MapCheck
    placement: Placement | None  # None: the region is not known, nowhere, or too large to say anything


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a control showed, and the right option's margin there in nats."""

    picture: str  # image_id, or how it was changed
    margin: float
    is_right: bool


@dataclass(frozen=True, kw_only=True)
class Explained:
    """One question; margins are those of the right option, in nats."""

    sample_id: str
    image_id: str
    question_type: str
    answer: str  # letter
    as_asked: Shown
    maps: Mapping[str, MapMeasures]  # by method
    controls: Mapping[str, Shown]  # by name


@dataclass(frozen=True, eq=False)
class Drawing:
    """What an overlay shows of a question."""

    sample: Sample
    picture: Pixels
    region: Mask | None
    maps: Mapping[str, Floats]  # by method, of the right option
    by_option: Floats | None  # [K, H, W] of RISE


@dataclass(frozen=True)
class Explainer:
    """Explains questions of one picture and several options."""

    subject: Subject
    settings: ExplainSettings

    def __call__(self, samples: Sequence[Sample]) -> Iterator[tuple[Explained, Drawing]]:
        """In order; each is drawn by its own generator, so that it does not depend on the others."""
        pictures = [self.subject.as_seen(sample) for sample in samples]
        appearances = np.stack([appearance(picture) for picture in pictures])
        for place, (sample, picture) in enumerate(zip(samples, pictures, strict=True)):
            random = np.random.default_rng([self.settings.seed, zlib.crc32(sample.sample_id.encode())])
            substitute = most_similar(appearances, place, substitutes(samples, place))
            drawing = self._drawing(sample, picture, random)
            measures = self._measures(drawing, random)
            others = {
                f"shuffled {n} x {n}": (f"{sample.image_id}#{n}", patch_shuffled(picture, n, random))
                for n in self.settings.pieces
            }
            if substitute is not None:
                size = picture.shape[:2]
                others["another picture"] = (samples[substitute].image_id, _fitted(pictures[substitute], size))
            as_asked, *controls = self._shown(sample, [(sample.image_id, picture), *others.values()])
            yield (
                Explained(
                    sample_id=sample.sample_id, image_id=sample.image_id, question_type=sample.question_type,
                    answer=sample.answer, as_asked=as_asked, maps=measures,
                    controls=dict(zip(others, controls, strict=True)),
                ),
                drawing,
            )  # fmt: skip

    def _drawing(self, sample: Sample, picture: Pixels, random: np.random.Generator) -> Drawing:
        size, answer = (picture.shape[0], picture.shape[1]), sample.letters.index(sample.answer)
        maps: dict[str, Floats] = {}
        by_option = None
        if "rise" in self.settings.methods:
            by_option = self._rise(sample, picture, random)
            maps["rise"] = by_option[answer]
        if set(ATTENTION_METHODS) & set(self.settings.methods):
            attention = self.subject.attention(sample, picture)
            maps |= {name: resized(attention[name], size) for name in ATTENTION_METHODS}
        maps["random"] = resized(random.standard_normal((RANDOM_GRID, RANDOM_GRID)), size)
        asked = {name: maps[name] for name in self.settings.methods}
        return Drawing(sample, picture, self._region(sample, size), asked, by_option)

    def _rise(self, sample: Sample, picture: Pixels, random: np.random.Generator) -> Floats:
        size, background = (picture.shape[0], picture.shape[1]), blurred(picture, self.settings.blur)
        masks = soft_masks(random, count=self.settings.masks, grid=self.settings.grid, size=size)
        log_probs = self.subject.log_probs(sample, [mixed(picture, background, mask) for mask in masks])
        return rise_maps(masks, margins(log_probs))

    def _region(self, sample: Sample, size: tuple[int, int]) -> Mask | None:
        """Where the picture shows what decides; None where that is unknown, nowhere, or nearly everywhere."""
        if sample.region is None:
            return None
        region = resized(sample.region.load().astype(np.float32), size) >= 0.5
        return region if 0 < region.mean() <= self.settings.max_region else None

    def _measures(self, drawing: Drawing, random: np.random.Generator) -> dict[str, MapMeasures]:
        sample, region = drawing.sample, drawing.region
        answer = sample.letters.index(sample.answer)
        shifts = drawn_shifts(random, self.settings.shifts, (drawing.picture.shape[0], drawing.picture.shape[1]))

        def score(pictures: Sequence[Pixels]) -> Floats:
            return margins(self.subject.log_probs(sample, pictures))[:, answer]

        return {
            name: MapMeasures(
                check=check_map(values, drawing.picture, score, shares=self.settings.shares, shifts=shifts),
                placement=None if region is None else placement(values, region),
            )
            for name, values in drawing.maps.items()
        }

    def _shown(self, sample: Sample, pictures: Sequence[tuple[str, Pixels]]) -> list[Shown]:
        answer = sample.letters.index(sample.answer)
        log_probs = self.subject.log_probs(sample, [picture for _, picture in pictures])
        return [
            Shown(picture=name, margin=float(of_right), is_right=bool(row.argmax() == answer))
            for (name, _), row, of_right in zip(pictures, log_probs, margins(log_probs)[:, answer], strict=True)
        ]


def margins(log_probs: Floats) -> Floats:
    """[N, K] of every option against the others together, in nats: `forced_choice.margin` of all at once."""
    own = np.eye(log_probs.shape[1], dtype=np.bool_)
    others: Floats = np.logaddexp.reduce(np.where(own, -np.inf, log_probs[:, None, :]), axis=-1)
    return log_probs - others


def substitutes(samples: Sequence[Sample], place: int) -> list[int]:
    """Whose pictures may stand in for a question's: others with another right option, under its letter if possible."""
    sample = samples[place]
    answer = sample.option(sample.answer)
    others = [
        other
        for other, one in enumerate(samples)
        if one.image_id != sample.image_id and one.option(one.answer) != answer
    ]
    return [other for other in others if samples[other].answer == sample.answer] or others


def _fitted(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """At another size, (H, W)."""
    channels = [resized(picture[..., channel], size) for channel in range(3)]
    return np.clip(np.rint(np.stack(channels, axis=-1)), 0, 255).astype(np.uint8)

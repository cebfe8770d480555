"""The phantom datasets: endless questions on rendered pictures, each fixed by (seed, split, index)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pathvlm_r1.data.phantom import ct, dermoscopy, fundus, histology
from pathvlm_r1.data.phantom import oct as retinal_oct
from pathvlm_r1.data.phantom.ontology import ONTOLOGIES
from pathvlm_r1.data.phantom.questions import Question, draw_question, question_types
from pathvlm_r1.data.phantom.regions import Region, Regions
from pathvlm_r1.data.rationale import Style, write
from pathvlm_r1.data.sample import LETTERS, Sample

_RENDERERS = {
    "histology": histology.render,
    "ct": ct.render,
    "dermoscopy": dermoscopy.render,
    "fundus": fundus.render,
    "oct": retinal_oct.render,
}


@dataclass(frozen=True)
class PhantomImage:
    """A phantom, rendered when it is asked for."""

    modality: str
    findings: Mapping[str, str]
    key: tuple[int, ...]  # entropy of its generator
    size: int  # pixels a side

    def load(self) -> Image.Image:
        """The RGB picture, the same at every call."""
        return Image.fromarray(self._drawn(Regions()))

    def region(self, attributes: Sequence[str]) -> Region:
        """Where any of these attributes is seen [size, size]; drawn anew."""
        regions = Regions(self.size)
        self._drawn(regions)
        return regions.of(*attributes)

    def _drawn(self, regions: Regions) -> NDArray[np.uint8]:
        random = np.random.default_rng(self.key)
        return _RENDERERS[self.modality](self.findings, random, self.size, regions)


@dataclass(frozen=True)
class PhantomRegion:
    """Where a phantom shows what decides its question."""

    image: PhantomImage
    attributes: tuple[str, ...]

    def load(self) -> Region:
        """[size, size], the same at every call."""
        return self.image.region(self.attributes)


@dataclass(frozen=True)
class PhantomSource:
    """One modality's questions; `sample` is a pure function of (seed, split, index)."""

    dataset: str
    modality: str
    seed: int
    image_size: int
    style_shares: Mapping[str, float]  # style -> share of the reference rationales

    def sample(self, split: str, index: int) -> Sample:
        """The question at an index of a split. Splits never share a picture: their generators differ."""
        question, random = self._question(split, index)
        style = Style(str(random.choice(list(self.style_shares), p=list(self.style_shares.values()))))
        name = f"{self.dataset}/{split}/{index:05d}"
        image = self._image(split, index, question)
        return Sample(
            sample_id=name,
            image_id=name,
            dataset=self.dataset,
            question_type=question.question_type,
            question=question.text,
            options=question.options,
            answer=LETTERS[question.answer],
            rationale=write(question.argument, style),
            images=(image,),
            findings=question.table,
            region=PhantomRegion(image, question.deciding),
        )

    def picture(self, split: str, index: int) -> PhantomImage:
        """The picture of the question at an index."""
        return self._image(split, index, self._question(split, index)[0])

    def _key(self, split: str, index: int) -> tuple[int, int, int]:
        return (self.seed, zlib.crc32(f"{self.dataset}/{split}".encode()), index)

    def _question(self, split: str, index: int) -> tuple[Question, np.random.Generator]:
        ontology = ONTOLOGIES[self.modality]
        random = np.random.default_rng((*self._key(split, index), 0))
        types = question_types(ontology)
        return draw_question(ontology, types[index % len(types)], random), random

    def _image(self, split: str, index: int, question: Question) -> PhantomImage:
        return PhantomImage(self.modality, question.findings, (*self._key(split, index), 1), self.image_size)

    def samples(self, split: str, count: int) -> list[Sample]:
        """The first `count` questions of a split."""
        return [self.sample(split, index) for index in range(count)]

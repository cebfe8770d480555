"""A sample: one question with its images, options, answer and, where it is known, the truth behind the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pathvlm_r1.data.errors import DatasetError

LETTERS = "ABCDEFGHI"


class ImageSource(Protocol):
    """A picture that is decoded or rendered only when asked for; picklable."""

    def load(self) -> Image.Image:
        """An RGB picture, the same at every call."""
        ...


class RegionSource(Protocol):
    """Where a picture shows what decides a question, read or drawn only when asked for; picklable."""

    def load(self) -> NDArray[np.bool_]:
        """[H, W] of the picture at its own size, the same at every call; nowhere True where nothing is to be seen."""
        ...


@dataclass(frozen=True)
class OptionFacts:
    """What is known of one option: the facts that support it and the findings that rule it out."""

    subjects: tuple[str, ...]  # keys of `FindingsTable.knowledge` that a reader must cite to support this option
    excluded_by: frozenset[str]  # finding phrases, any of which rules this option out


@dataclass(frozen=True)
class FindingsTable:
    """The ground truth behind a question, in the phrases of its rationales.

    `shown` and `absent` are disjoint; a phrase in neither says nothing that can be checked.
    """

    shown: frozenset[str]  # phrases that the image truly shows
    absent: frozenset[str]  # phrases that it does not show
    relevant: frozenset[str]  # phrases, true or false, that bear on the question
    knowledge: Mapping[str, str]  # subject -> its definition; every fact that a rationale may cite
    options: tuple[OptionFacts, ...]  # in the order of `Sample.options`
    exclusive: tuple[frozenset[str], ...]  # groups of phrases of which an image shows exactly one


@dataclass(frozen=True)
class Sample:
    """One question about some images: of several options, or an open one, whose only option is the reference answer."""

    sample_id: str  # unique within its dataset
    image_id: str  # questions on the same pictures share it: the unit of splitting and resampling
    dataset: str
    question_type: str
    question: str
    options: tuple[str, ...]  # texts without letters; a single one is never shown
    answer: str  # a letter of LETTERS
    rationale: str  # reference reasoning without tags; empty when the dataset has none
    images: tuple[ImageSource, ...]  # at least one; a question that speaks of "the second image" means this order
    findings: FindingsTable | None = None  # None: only a judge that needs no table can score the reasoning
    region: RegionSource | None = None  # of a single picture; None: not known
    source: str = ""  # of a mixture: the dataset that it comes from

    def __post_init__(self) -> None:
        if not self.images:
            raise DatasetError(f"{self.dataset} {self.sample_id}: no image; mend the record or leave it out.")
        if len(self.answer) != 1 or self.answer not in self.letters:
            raise DatasetError(
                f"{self.dataset} {self.sample_id}: the answer is {self.answer!r}, and the {len(self.options)} options "
                f"have the letters {', '.join(self.letters)}; mend the record or leave it out."
            )

    @property
    def letters(self) -> str:
        """The letters of the options, in order."""
        return LETTERS[: len(self.options)]

    @property
    def is_open(self) -> bool:
        """Whether there is nothing to choose from."""
        return len(self.options) == 1

    def option(self, letter: str) -> str:
        """The text of the option under a letter."""
        return self.options[self.letters.index(letter)]

"""How well the findings that a reasoning states fit the picture, by an encoder of texts and pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

from pathvlm_r1.contract import MAX_SCORED_CHARACTERS
from pathvlm_r1.data.rationale import read
from pathvlm_r1.reward.completion import Completion, Score
from pathvlm_r1.reward.judges.oracle import reasoning

MAX_FINDINGS = 32  # of one reasoning that are looked at
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n")


class PairEncoder(Protocol):
    """Puts texts and pictures into one space, as CLIP does; `conf/reward` names one by `_target_`."""

    def texts(self, texts: Sequence[str]) -> Tensor:
        """[N, D] unit vectors."""
        ...

    def images(self, images: Sequence[Image.Image]) -> Tensor:
        """[N, D] unit vectors of RGB pictures."""
        ...


def stated_findings(text: str) -> tuple[str, ...]:
    """What a reasoning says of the picture, each finding once, at most `MAX_FINDINGS`; linear in the text.

    The phrases behind "The image shows" where there are any, else its sentences: prose of any form is looked at as a
    whole. A denied finding ("no necrosis") is left out, as such encoders do not understand negation.
    """
    phrases = read(text).seen or tuple(dict.fromkeys(" ".join(s.split()) for s in _SENTENCE_END.split(text)))
    return tuple(phrase for phrase in phrases if phrase and not phrase.startswith("no "))[:MAX_FINDINGS]


@dataclass(frozen=True)
class ImageTextAlignment:
    """The mean similarity of the stated findings to the picture; 0 where none is stated.

        mean over findings f of max(0, max over pictures i of <text(f), image(i)>)

    A finding is compared with the picture that it fits best: of several, one shows it. Pictures are encoded
    once, under the dataset and image that their sample names; a text once in a batch.

    Source: CLIPScore, Hessel et al. 2021, arXiv:2104.08718, section 3, without its factor.
    """

    encoder: PairEncoder
    name: str = "image_text_alignment"
    _pictures: dict[tuple[str, str], Tensor] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, completion: Completion) -> Score:
        """In [0, 1]."""
        return self.score_all([completion])[0]

    def score_all(self, completions: Sequence[Completion]) -> list[Score]:
        """The same for each, in order; the encoder is asked once for all of them."""
        stated = [
            stated_findings(reasoning(c.text)) if len(c.text) <= MAX_SCORED_CHARACTERS else () for c in completions
        ]
        self._encode_pictures([c for c, findings in zip(completions, stated, strict=True) if findings])
        texts = list(dict.fromkeys(finding for findings in stated for finding in findings))
        vectors = dict(zip(texts, self.encoder.texts(texts) if texts else [], strict=True))
        return [
            self._score(completion, [vectors[finding] for finding in findings])
            for completion, findings in zip(completions, stated, strict=True)
        ]

    def _encode_pictures(self, completions: Sequence[Completion]) -> None:
        new = {_key(c): c.sample.images for c in completions if _key(c) not in self._pictures}
        if new:
            vectors = self.encoder.images([image.load() for images in new.values() for image in images])
            self._pictures.update(zip(new, torch.split(vectors, [len(images) for images in new.values()]), strict=True))

    def _score(self, completion: Completion, vectors: Sequence[Tensor]) -> Score:
        if not vectors:
            return Score(0.0, "no finding is stated, or the text is too long to score")
        pictures = self._pictures[_key(completion)]  # [pictures, D]
        similarities = [min(max(float((pictures @ vector).max()), 0.0), 1.0) for vector in vectors]
        mean = sum(similarities) / len(similarities)
        return Score(mean, f"{len(vectors)} findings, similarity to the picture {mean:.3f}")


def _key(completion: Completion) -> tuple[str, str]:
    return completion.sample.dataset, completion.sample.image_id

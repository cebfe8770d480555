"""A policy asked for the options of a question under other pictures, and for its attention."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from pathvlm_r1.data import Sample
from pathvlm_r1.evaluation.choosing import group_log_probs
from pathvlm_r1.evaluation.explain.pictures import ArrayImage, Floats, Pixels
from pathvlm_r1.model import (
    EncodedPrompt,
    Policy,
    PromptGroup,
    SampleEncoder,
    attention_to_picture,
    in_evaluation_mode,
)


class Subject(Protocol):
    """Who is asked: sees pictures and compares options."""

    def as_seen(self, sample: Sample) -> Pixels:
        """The question's picture [H, W, 3] at the size at which it is looked at."""
        ...

    def log_probs(self, sample: Sample, pictures: Sequence[Pixels]) -> Floats:
        """[N, K] of the K options under each of N pictures of that size."""
        ...

    def attention(self, sample: Sample, picture: Pixels) -> Mapping[str, Floats]:
        """Maps [h, w] of where it attends to, by name."""
        ...


@dataclass(frozen=True)
class PolicySubject:
    """A policy whose probabilities of the options' answers are compared.

    Args:
        policy: who is asked.
        encoder: of questions, under a contract whose options have letters.
        answer: how it would answer; {letter} and {option} stand for an option's letter and text.
        rows_per_batch: answers that pass the model together.
    """

    policy: Policy
    encoder: SampleEncoder
    answer: str
    rows_per_batch: int

    def as_seen(self, sample: Sample) -> Pixels:
        """At the size that the model reads."""
        return np.asarray(self.encoder.encoder.as_read(sample.images[0].load()))

    def log_probs(self, sample: Sample, pictures: Sequence[Pixels]) -> Floats:
        """Of every option's answer, to its end; nothing of these pictures is kept."""
        tokenizer = self.encoder.encoder.tokenizer
        answers = tuple(
            tokenizer(self.answer.replace("{letter}", letter).replace("{option}", option))["input_ids"]
            for letter, option in zip(sample.letters, sample.options, strict=True)
        )
        with in_evaluation_mode(self.policy):
            groups = [PromptGroup(self._prompt(sample, picture), answers) for picture in pictures]
            return np.array(group_log_probs(self.policy, groups, self.rows_per_batch))

    def attention(self, sample: Sample, picture: Pixels) -> Mapping[str, Floats]:
        """Of the place that predicts where answers begin to differ: the last layer's, and the rollout of all."""
        encoder = self.encoder.encoder
        shared = re.split(r"\{letter\}|\{option\}", self.answer)[0]
        begun = encoder.tokenizer(shared)["input_ids"] if shared else []
        maps = attention_to_picture(self.policy, encoder, self._prompt(sample, picture), begun).numpy()
        return {"attention": maps[-2], "rollout": maps[-1]}

    def _prompt(self, sample: Sample, picture: Pixels) -> EncodedPrompt:
        encoded = self.encoder.encoder.picture(ArrayImage(picture))
        return replace(self.encoder.prompt(sample), pictures=(encoded,))

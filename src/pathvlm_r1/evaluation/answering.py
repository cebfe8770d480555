"""Answering questions: generation under the contract, and scoring by the terms that training uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image

from pathvlm_r1.contract import Contract
from pathvlm_r1.data import ImageSource, Sample
from pathvlm_r1.evaluation.predictions import Prediction, predict
from pathvlm_r1.model import Encoder, Policy, PromptGroup, SampleEncoder, token_log_probs
from pathvlm_r1.reward import Completion, FinishReason, Score, WeightedTerm, score_all
from pathvlm_r1.rollout import Decoding, Engine, SampledCompletion

BATCHES_AT_ONCE = 4  # of which the engine makes batches of questions of like length; answers come in such portions


def as_completion(sampled: SampledCompletion, sample: Sample, encoder: Encoder) -> Completion:
    """Sampled tokens as a text, with the sample that it answers."""
    return Completion(
        sample=sample,
        text=encoder.decode(sampled.token_ids),
        finish_reason=FinishReason.STOP if sampled.is_ended else FinishReason.LENGTH,
        token_count=len(sampled.token_ids),
    )


@dataclass(frozen=True)
class Answerer:
    """Generates and scores answers with one decoding."""

    encoder: SampleEncoder
    engine: Engine
    decoding: Decoding
    terms: Sequence[WeightedTerm]
    decodes: int = 1  # completions per question

    @property
    def contract(self) -> Contract:
        return self.encoder.contract

    def __call__(
        self, policy: Policy, samples: Sequence[Sample], *, seed: int, with_letters: bool = False
    ) -> Iterator[list[Prediction]]:
        """The predictions of each sample, in order; generated some of the engine's batches at a time.

        Args:
            policy: who answers.
            samples: the questions.
            seed: of sampled decoding.
            with_letters: also compare the log-probabilities of the bare option letters.
        """
        generator = torch.Generator(device=policy.device).manual_seed(seed)
        size = max(1, self.engine.rows_per_batch // self.decodes)
        for start in range(0, len(samples), BATCHES_AT_ONCE * size):
            asked = samples[start : start + BATCHES_AT_ONCE * size]
            letters: list[str | None] = [None] * len(asked)
            if with_letters:
                letters = [
                    letter
                    for first in range(0, len(asked), size)
                    for letter in self.likeliest_letters(policy, asked[first : first + size])
                ]
            yield from self._answer(policy, asked, letters, generator)

    def _answer(
        self, policy: Policy, samples: Sequence[Sample], letters: Sequence[str | None], generator: torch.Generator
    ) -> list[list[Prediction]]:
        prompts = [self.encoder.prompt(sample) for sample in samples]
        groups = self.engine.sample(policy, prompts, self.decodes, self.decoding, generator)
        texts = [
            [as_completion(sampled, sample, self.encoder.encoder) for sampled in group]
            for sample, group in zip(samples, groups, strict=True)
        ]
        scores = self._scores([text for group in texts for text in group])
        return [
            [
                predict(text, decode, contract=self.contract, scores=next(scores), likeliest_letter=letter)
                for decode, text in enumerate(group)
            ]
            for group, letter in zip(texts, letters, strict=True)
        ]

    def _scores(self, completions: Sequence[Completion]) -> Iterator[dict[str, Score]]:
        """Of each completion, by term; a term sees all of them at once."""
        by_term = {weighted.term.name: score_all(weighted.term, completions) for weighted in self.terms}
        return ({name: scores[place] for name, scores in by_term.items()} for place in range(len(completions)))

    @torch.no_grad()
    def likeliest_letters(self, policy: Policy, samples: Sequence[Sample]) -> list[str]:
        """The option letter that is the most probable first token of each answer."""
        policy.eval()
        tokenizer = self.encoder.encoder.tokenizer
        groups = [
            PromptGroup(self.encoder.prompt(sample), tuple(tokenizer(letter)["input_ids"] for letter in sample.letters))
            for sample in samples
        ]
        first = iter(token_log_probs(policy, groups).log_probs[:, 0].tolist())
        likeliest = ({letter: next(first) for letter in sample.letters} for sample in samples)
        return [max(log_probs, key=lambda letter: log_probs[letter]) for log_probs in likeliest]


@dataclass(frozen=True)
class BlankImage:
    """A grey picture of another one's size."""

    of: ImageSource

    def load(self) -> Image.Image:
        """Mid-grey RGB."""
        return Image.new("RGB", self.of.load().size, (128, 128, 128))


def blank_images(samples: Sequence[Sample]) -> list[Sample]:
    """The same questions, every picture replaced by a grey one: what the text alone gives."""
    return [
        replace(sample, images=tuple(map(BlankImage, sample.images)), image_id=f"{sample.image_id}#blank")
        for sample in samples
    ]


def shuffled_images(samples: Sequence[Sample]) -> list[Sample]:
    """The same questions, each with the pictures of the next one."""
    following = [*samples[1:], samples[0]]
    return [
        replace(sample, images=other.images, image_id=f"{other.image_id}#shuffled")
        for sample, other in zip(samples, following, strict=True)
    ]

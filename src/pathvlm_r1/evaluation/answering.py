"""Answering questions: a policy's completions, read under a contract and scored by the terms that training uses."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image

from pathvlm_r1.contract import EvaluationContract
from pathvlm_r1.data import ImageSource, Sample
from pathvlm_r1.evaluation.generations import Generated, Group
from pathvlm_r1.evaluation.predictions import Prediction, predict
from pathvlm_r1.model import EncodedPrompt, Encoder, Policy, PromptGroup, SampleEncoder, token_log_probs
from pathvlm_r1.reward import Completion, FinishReason, Score, WeightedTerm, score_all
from pathvlm_r1.rollout import Decoding, Engine, SampledCompletion

BATCHES_AT_ONCE = 4  # of which the engine makes batches of questions of like length; answers come in such portions
HITS_ALLOWED = 0.01  # share of completions at the cap, from which on it is raised


def as_completion(sampled: SampledCompletion, sample: Sample, encoder: Encoder) -> Completion:
    """Sampled tokens as a text, with the sample that it answers."""
    return Completion(
        sample=sample,
        text=encoder.decode(sampled.token_ids),
        finish_reason=FinishReason.STOP if sampled.is_ended else FinishReason.LENGTH,
        token_count=len(sampled.token_ids),
    )


@dataclass(frozen=True)
class Asker:
    """Generates answers with one decoding.

    The cap of a greedy answer is doubled, up to `longest`, while `HITS_ALLOWED` of a portion or more are cut; those
    alone are asked again. Drawn answers have the longest cap at once: to draw again would choose among draws.
    """

    encoder: SampleEncoder
    engine: Engine
    decoding: Decoding
    decodes: int = 1  # completions per question
    longest: int = 0  # tokens; no more than the decoding's own: it is never raised

    @property
    def portion(self) -> int:
        """Questions that are answered together."""
        return portion_of(self.engine.rows_per_batch, self.decodes)

    @property
    def _size(self) -> int:
        return self.portion // BATCHES_AT_ONCE

    def __call__(
        self, policy: Policy, samples: Sequence[Sample], *, seed: int, with_letters: bool = False, start: int = 0
    ) -> Iterator[list[Group]]:
        """The decodes of each sample, in order, a portion at a time; a portion does not depend on those before it.

        Args:
            policy: who answers.
            samples: the questions.
            seed: of sampled decoding.
            with_letters: also compare the log-probabilities of the bare option letters.
            start: the first question to answer, at the beginning of a portion.
        """
        for first in range(start, len(samples), self.portion):
            asked = samples[first : first + self.portion]
            letters: list[str | None] = [None] * len(asked)
            if with_letters:
                letters = [
                    letter
                    for place in range(0, len(asked), self._size)
                    for letter in self.likeliest_letters(policy, asked[place : place + self._size])
                ]
            generator = torch.Generator(device=policy.device).manual_seed(portion_seed(seed, first))
            yield self._answered(policy, asked, letters, generator)

    def _answered(
        self, policy: Policy, samples: Sequence[Sample], letters: Sequence[str | None], generator: torch.Generator
    ) -> list[Group]:
        prompts = [self.encoder.prompt(sample) for sample in samples]
        groups, caps = self._uncut(policy, prompts, generator)
        return [
            [
                Generated(
                    sample_id=sample.sample_id, decode=decode, text=self.encoder.encoder.decode(sampled.token_ids),
                    tokens=len(sampled.token_ids), is_capped=not sampled.is_ended, cap=cap, likeliest_letter=letter,
                )
                for decode, sampled in enumerate(group)
            ]
            for sample, group, cap, letter in zip(samples, groups, caps, letters, strict=True)
        ]  # fmt: skip

    def _uncut(
        self, policy: Policy, prompts: Sequence[EncodedPrompt], generator: torch.Generator
    ) -> tuple[list[list[SampledCompletion]], list[int]]:
        """Groups of completions and their caps, after the cap has been raised."""
        cap = self.decoding.max_completion_tokens
        if self.decoding.temperature > 0:
            cap = max(cap, self.longest)
        groups = self._sampled(policy, prompts, cap, generator)
        caps = [cap] * len(groups)
        while cap < self.longest and _cut_share(groups) >= HITS_ALLOWED:
            cap = min(2 * cap, self.longest)
            places = [place for place, group in enumerate(groups) if _cut_share([group]) > 0]
            again = self._sampled(policy, [prompts[place] for place in places], cap, generator)
            for place, group in zip(places, again, strict=True):
                groups[place], caps[place] = group, cap
        return groups, caps

    def _sampled(
        self, policy: Policy, prompts: Sequence[EncodedPrompt], cap: int, generator: torch.Generator
    ) -> list[list[SampledCompletion]]:
        decoding = replace(self.decoding, max_completion_tokens=cap)
        return self.engine.sample(policy, prompts, self.decodes, decoding, generator)

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
class Answerer:
    """Generates answers and scores them under the contract that they were asked under."""

    encoder: SampleEncoder
    engine: Engine
    decoding: Decoding
    terms: Sequence[WeightedTerm]
    decodes: int = 1  # completions per question

    def __call__(
        self, policy: Policy, samples: Sequence[Sample], *, seed: int, with_letters: bool = False
    ) -> Iterator[list[Prediction]]:
        """The predictions of each sample, in order; the arguments are those of `Asker`."""
        ask = Asker(self.encoder, self.engine, self.decoding, self.decodes)
        answered = 0
        for portion in ask(policy, samples, seed=seed, with_letters=with_letters):
            of_portion = samples[answered : answered + len(portion)]
            yield from predictions_of(of_portion, portion, self.encoder.contract, self.terms)
            answered += len(portion)


def predictions_of(
    samples: Sequence[Sample], groups: Sequence[Group], contract: EvaluationContract, terms: Sequence[WeightedTerm]
) -> list[list[Prediction]]:
    """Completions of samples, read under a contract and scored by terms, each of which sees all at once."""
    texts = [[completion_of(one, sample) for one in group] for sample, group in zip(samples, groups, strict=True)]
    scores = _scores([text for group in texts for text in group], terms)
    return [
        [
            predict(
                text, one.decode, contract=contract, scores=next(scores), likeliest_letter=one.likeliest_letter,
                cap=one.cap,
            )
            for text, one in zip(of_sample, group, strict=True)
        ]
        for of_sample, group in zip(texts, groups, strict=True)
    ]  # fmt: skip


def portion_of(rows_per_batch: int, decodes: int) -> int:
    """Questions that are answered together, where so many completions are decoded together."""
    return BATCHES_AT_ONCE * max(1, rows_per_batch // decodes)


def portion_seed(seed: int, first: int) -> int:
    """The seed of the draws of the portion that begins with a question of this number, from 0."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{first}".encode()).digest()[:7], "big")


def completion_of(generated: Generated, sample: Sample) -> Completion:
    """A kept completion with the sample that it answers."""
    return Completion(
        sample=sample,
        text=generated.text,
        finish_reason=FinishReason.LENGTH if generated.is_capped else FinishReason.STOP,
        token_count=generated.tokens,
    )


def _scores(completions: Sequence[Completion], terms: Sequence[WeightedTerm]) -> Iterator[dict[str, Score]]:
    """Of each completion, by term."""
    by_term = {weighted.term.name: score_all(weighted.term, completions) for weighted in terms}
    return ({name: scores[place] for name, scores in by_term.items()} for place in range(len(completions)))


def _cut_share(groups: Sequence[Sequence[SampledCompletion]]) -> float:
    cut = [not sampled.is_ended for group in groups for sampled in group]
    return sum(cut) / len(cut)


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
    """The same questions, each with the pictures of the next one that shows others, around the end.

    Raises:
        ValueError: all show the same.
    """
    if len({sample.image_id for sample in samples}) < 2:
        raise ValueError(f"{len(samples)} questions about one picture: there is none to exchange it for")
    twice = [*samples, *samples]
    others = [
        next(twice[after] for after in range(place + 1, len(twice)) if twice[after].image_id != sample.image_id)
        for place, sample in enumerate(samples)
    ]
    return [
        replace(sample, images=other.images, image_id=f"{other.image_id}#shuffled")
        for sample, other in zip(samples, others, strict=True)
    ]

"""Asking a policy for the probabilities of option letters: with every picture, and in every cyclic order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from pathvlm_r1.data import Sample
from pathvlm_r1.evaluation.answering import blank_images, shuffled_images
from pathvlm_r1.evaluation.forced_choice import Choice
from pathvlm_r1.model import Policy, PromptGroup, SampleEncoder, in_evaluation_mode, token_log_probs


@dataclass(frozen=True)
class Chooser:
    """Compares the option letters of questions as beginnings of the answer.

    Args:
        encoder: of questions, under a contract whose options have letters.
        prefix: that every letter stands behind, such as the tags before an answer; empty: nothing.
        rows_per_batch: letters that pass the model together.
    """

    encoder: SampleEncoder
    prefix: str
    rows_per_batch: int

    def __call__(self, policy: Policy, samples: Sequence[Sample]) -> Iterator[Choice]:
        """A choice for each sample, all of which have options, in order.

        Raises:
            ValueError: all samples show one picture, so that none can be shuffled.
        """
        blank, shuffled = blank_images(samples), shuffled_images(samples)
        for sample, without, other in zip(samples, blank, shuffled, strict=True):
            rotations = [rotated(sample, by) for by in range(len(sample.options))]
            *orders, grey, another = self.log_probs(policy, [*rotations, without, other])
            yield Choice(
                sample_id=sample.sample_id, image_id=sample.image_id, dataset=sample.dataset,
                reference=sample.letters.index(sample.answer), orders=tuple(orders), blank=grey, shuffled=another,
                prefix=self.prefix,
            )  # fmt: skip

    def log_probs(self, policy: Policy, samples: Sequence[Sample]) -> list[tuple[float, ...]]:
        """Of each sample's letters behind the prefix, in their order."""
        tokenizer = self.encoder.encoder.tokenizer
        groups = [
            PromptGroup(
                self.encoder.prompt(sample),
                tuple(tokenizer(self.prefix + letter)["input_ids"] for letter in sample.letters),
            )
            for sample in samples
        ]
        with in_evaluation_mode(policy):
            return group_log_probs(policy, groups, self.rows_per_batch)


@torch.no_grad()
def group_log_probs(policy: Policy, groups: Sequence[PromptGroup], rows_per_batch: int) -> list[tuple[float, ...]]:
    """Of each group's completions as a whole, in their order."""
    size = max(1, rows_per_batch // max(len(group.completions) for group in groups))
    passes = [token_log_probs(policy, groups[at : at + size]) for at in range(0, len(groups), size)]
    sums = iter([value for one in passes for value in one.log_probs.sum(dim=-1).tolist()])
    return [tuple(next(sums) for _ in group.completions) for group in groups]


def rotated(sample: Sample, by: int) -> Sample:
    """The same question, place p holding the option of place p + by; its id is another, as its prompt is."""
    if by == 0:
        return sample
    options = (*sample.options[by:], *sample.options[:by])
    place = (sample.letters.index(sample.answer) - by) % len(options)
    return replace(
        sample,
        options=options,
        answer=sample.letters[place],
        sample_id=f"{sample.sample_id}#rotated{by}",
        findings=None,
    )

"""The nano model's vision tower learns to see findings before any language, as real towers do.

Every visual token votes for every finding, an attribute's values compete by their strongest votes, and the probe that
counts the votes is thrown away afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import torch
from torch import Tensor, nn

from pathvlm_r1.model import EncodedPrompt, Policy
from pathvlm_r1.stages.optimisation import warmup_cosine

Picture = tuple[EncodedPrompt, Mapping[str, str]]  # its patches, and attribute -> the phrase that it shows


class FindingProbe(nn.Module):
    """A linear vote of each visual token for each finding phrase.

    Args:
        attributes: of all modalities: name -> its phrases; names are unique.
        width: D, of a visual token.
    """

    def __init__(self, attributes: Mapping[str, Sequence[str]], width: int) -> None:
        super().__init__()
        self.attributes = {name: tuple(phrases) for name, phrases in attributes.items()}
        self.columns = {
            phrase: column for column, phrase in enumerate(p for phrases in self.attributes.values() for p in phrases)
        }
        self.vote = nn.Linear(width, len(self.columns))

    def loss(self, tokens: Tensor, findings: Mapping[str, str]) -> tuple[Tensor, float]:
        """Cross-entropy of one picture's findings, and the share of them that the votes get right.

            logit[phrase] = log mean over tokens of exp vote[token, phrase]

        Args:
            tokens: [visual tokens, D].
            findings: attribute -> the phrase that the picture shows.
        """
        votes = self.vote(tokens)
        logits = votes.logsumexp(dim=0) - torch.log(votes.new_tensor(float(len(tokens))))
        losses, right = [], 0
        for attribute, phrase in findings.items():
            phrases = self.attributes[attribute]
            values = logits[[self.columns[p] for p in phrases]]
            target = phrases.index(phrase)
            losses.append(torch.logsumexp(values, dim=0) - values[target])
            right += int(values.argmax() == target)
        return torch.stack(losses).mean(), right / len(losses)


def vision_parameters(policy: Policy, probe: FindingProbe) -> Iterator[nn.Parameter]:
    """What the vision phase trains: the tower with its merger, and the probe."""
    yield from policy.core.model.visual.parameters()
    yield from probe.parameters()


def train_vision(
    policy: Policy, probe: FindingProbe, pictures: Iterator[Sequence[Picture]], *, steps: int, learning_rate: float,
    weight_decay: float, warmup_share: float, gradient_clip: float,
) -> Iterator[float]:  # fmt: skip
    """Train the tower and the probe, one optimiser step per batch of pictures; yields the share of right findings."""
    parameters = list(vision_parameters(policy, probe))
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_cosine(warmup_share=warmup_share, total_steps=steps))
    for batch in islice(pictures, steps):
        loss, right = vision_loss(policy, probe, [prompt for prompt, _ in batch], [shown for _, shown in batch])
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, gradient_clip)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        yield right


def vision_loss(
    policy: Policy, probe: FindingProbe, prompts: Sequence[EncodedPrompt], findings: Sequence[Mapping[str, str]]
) -> tuple[Tensor, float]:
    """Mean loss and share of right findings over a batch of pictures."""
    results = [
        probe.loss(tokens, shown) for tokens, shown in zip(policy.image_features(prompts), findings, strict=True)
    ]
    return torch.stack([loss for loss, _ in results]).mean(), sum(share for _, share in results) / len(results)

"""The nano model's vision tower learns to see findings before any language, as real towers do.

Every visual token votes for every finding, and an attribute's values compete. The votes of a picture are judged twice:
together, where the strongest decide, and each token's alone, so that a language model finds them wherever it looks. The
probe that counts the votes is thrown away afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pathvlm_r1.model import Policy
from pathvlm_r1.stages.optimisation import warmup_cosine


@dataclass(frozen=True)
class PictureBatch:
    """Pictures of one size as the tower reads them, with their truth."""

    pixels: Tensor  # [patches, values]
    grids: Tensor  # [N, 3]
    findings: tuple[Mapping[str, str], ...]  # N times attribute -> the phrase that the picture shows


class FindingProbe(nn.Module):
    """A linear vote of each visual token for each finding phrase.

    Args:
        attributes: of all modalities: name -> its phrases; names are unique.
        width: D, of a visual token.
    """

    def __init__(self, attributes: Mapping[str, Sequence[str]], width: int) -> None:
        super().__init__()
        self.attributes = {name: tuple(phrases) for name, phrases in attributes.items()}
        self.vote = nn.Linear(width, sum(map(len, self.attributes.values())))

    def loss(self, tokens: Tensor, findings: Sequence[Mapping[str, str]]) -> tuple[Tensor, float]:
        """Cross-entropy of the pictures' findings, and the share of them that the pooled votes get right.

            pooled[n, phrase] = log mean over tokens of exp vote[n, token, phrase]
            loss = mean over findings of (CE(pooled) + mean over tokens of CE(vote)) / 2

        Args:
            tokens: [N, visual tokens, D].
            findings: N times attribute -> the phrase that the picture shows.
        """
        votes = self.vote(tokens)  # [N, tokens, phrases]
        count = votes.shape[1]
        pooled = votes.logsumexp(dim=1) - torch.log(votes.new_tensor(float(count)))
        losses, right, start = [], 0, 0
        for attribute, phrases in self.attributes.items():
            columns = slice(start, start + len(phrases))
            start += len(phrases)
            rows = [row for row, shown in enumerate(findings) if attribute in shown]
            if not rows:
                continue  # no picture of that modality
            target = torch.tensor([phrases.index(findings[row][attribute]) for row in rows], device=votes.device)
            together = pooled[rows, columns]
            alone = votes[rows][..., columns].flatten(0, 1)
            losses.append(cross_entropy(together, target, reduction="sum"))
            losses.append(cross_entropy(alone, target.repeat_interleave(count), reduction="sum") / count)
            right += int((together.argmax(dim=-1) == target).sum())
        found = sum(map(len, findings))
        return torch.stack(losses).sum() / (2 * found), right / found


def train_vision(
    policy: Policy, probe: FindingProbe, batches: Iterable[PictureBatch], *, steps: int, learning_rate: float,
    weight_decay: float, warmup_share: float, gradient_clip: float,
) -> Iterator[float]:  # fmt: skip
    """Train the tower with its merger and the probe, a step per batch; yields the share of right findings."""
    parameters = [*policy.core.model.visual.parameters(), *probe.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_cosine(warmup_share=warmup_share, total_steps=steps))
    for batch in batches:
        tokens = torch.stack(policy.encode_pictures(batch.pixels, batch.grids))
        loss, right = probe.loss(tokens, batch.findings)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, gradient_clip)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        yield right

"""What a rollout leaves for training: groups of sampled completions, cut into minibatches and micro-batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pathvlm_r1.model import EncodedPrompt, PromptGroup
from pathvlm_r1.rollout.engine import SampledCompletion


@dataclass(frozen=True)
class Rollout:
    """B prompts with G sampled completions each."""

    prompts: tuple[EncodedPrompt, ...]
    groups: tuple[tuple[SampledCompletion, ...], ...]

    @property
    def completions(self) -> list[SampledCompletion]:
        """All B * G of them, group by group."""
        return [completion for group in self.groups for completion in group]

    def minibatches(self, advantages: Tensor, is_counted: Tensor, count: int) -> list[Minibatch]:
        """Divide the groups over `count` optimiser steps; no group is split, none is left out.

        Args:
            advantages: [B, G].
            is_counted: [B, G], False for completions that leave the loss.
            count: of minibatches; divides B.
        """
        rows = [
            Row(prompt, completion, advantages[b, g].item(), bool(is_counted[b, g]))
            for b, (prompt, group) in enumerate(zip(self.prompts, self.groups, strict=True))
            for g, completion in enumerate(group)
        ]
        size = len(rows) // count
        return [Minibatch(tuple(rows[start : start + size])) for start in range(0, len(rows), size)]


@dataclass(frozen=True)
class Row:
    """One completion with what its gradient needs."""

    prompt: EncodedPrompt
    completion: SampledCompletion
    advantage: float
    is_counted: bool


@dataclass(frozen=True, eq=False)
class MicroBatch:
    """What one forward pass takes: [N, C] tensors for the completions of its groups, in their order."""

    groups: tuple[PromptGroup, ...]
    old_log_probs: Tensor  # [N, C]
    advantages: Tensor  # [N]
    is_counted: Tensor  # [N]


@dataclass(frozen=True)
class Minibatch:
    """The completions of one optimiser step."""

    rows: tuple[Row, ...]

    @property
    def counted_tokens(self) -> int:
        """Tokens that bear loss."""
        return sum(len(row.completion.token_ids) for row in self.rows if row.is_counted)

    def micro_batches(self, rows_per_forward: int) -> Iterator[MicroBatch]:
        """At most so many completions a pass; those of one prompt stay together where they fit."""
        for start in range(0, len(self.rows), rows_per_forward):
            yield _micro_batch(self.rows[start : start + rows_per_forward])


def _micro_batch(rows: Sequence[Row]) -> MicroBatch:
    groups: list[tuple[EncodedPrompt, list[list[int]]]] = []
    for row in rows:
        if not groups or groups[-1][0] is not row.prompt:
            groups.append((row.prompt, []))
        groups[-1][1].append(row.completion.token_ids)
    longest = max(len(row.completion.token_ids) for row in rows)
    old = rows[0].completion.log_probs.new_zeros(len(rows), longest)
    for index, row in enumerate(rows):
        old[index, : len(row.completion.token_ids)] = row.completion.log_probs
    return MicroBatch(
        tuple(PromptGroup(prompt, tuple(completions)) for prompt, completions in groups),
        old,
        torch.tensor([row.advantage for row in rows], dtype=old.dtype),
        torch.tensor([row.is_counted for row in rows]),
    )

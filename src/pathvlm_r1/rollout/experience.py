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
        return [completion for _, completion in self._with_prompts]

    @property
    def pairs(self) -> list[tuple[EncodedPrompt, list[int]]]:
        """Every completion's tokens with its prompt, group by group."""
        return [(prompt, completion.token_ids) for prompt, completion in self._with_prompts]

    @property
    def _with_prompts(self) -> list[tuple[EncodedPrompt, SampledCompletion]]:
        groups = zip(self.prompts, self.groups, strict=True)
        return [(prompt, completion) for prompt, group in groups for completion in group]

    def minibatches(
        self, advantages: Tensor, is_counted: Tensor, count: int, *, old: Sequence[Tensor] | None = None,
        reference: Sequence[Tensor] | None = None,
    ) -> list[Minibatch]:  # fmt: skip
        """Divide the groups over `count` optimiser steps; no group is split, none is left out.

        Args:
            advantages: [B, G].
            is_counted: [B, G], False for completions that leave the loss.
            count: of minibatches; divides B.
            old: B * G tensors [C] of the trainer's log-probs; None where the engine's own are these.
            reference: likewise under the reference; None without one.
        """
        flat = list(zip(advantages.flatten().tolist(), is_counted.flatten().tolist(), strict=True))
        rows = [
            Row(
                prompt, completion, *flat[place], old=None if old is None else old[place],
                reference=None if reference is None else reference[place],
            )
            for place, (prompt, completion) in enumerate(self._with_prompts)
        ]  # fmt: skip
        size = len(rows) // count
        return [Minibatch(tuple(rows[start : start + size])) for start in range(0, len(rows), size)]


@dataclass(frozen=True)
class Row:
    """One completion with what its gradient needs."""

    prompt: EncodedPrompt
    completion: SampledCompletion
    advantage: float
    is_counted: bool
    old: Tensor | None = None  # [C] by the trainer, where the engine's log-probs are another model's
    reference: Tensor | None = None  # [C]


@dataclass(frozen=True, eq=False)
class MicroBatch:
    """What one forward pass takes: [N, C] tensors for the completions of its groups, in their order."""

    groups: tuple[PromptGroup, ...]
    old_log_probs: Tensor  # [N, C]
    reference_log_probs: Tensor | None  # [N, C]
    sampler_log_probs: Tensor | None  # [N, C]; None where they are the old ones
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

    def micro_batches(self, tokens_per_forward: int) -> Iterator[MicroBatch]:
        """Passes of at most so many tokens, padding included; every row is in exactly one of them."""
        pairs = [(row.prompt, row.completion.token_ids) for row in self.rows]
        for places in passes(pairs, tokens_per_forward):
            yield _micro_batch([self.rows[place] for place in places])


def passes(pairs: Sequence[tuple[EncodedPrompt, list[int]]], tokens_per_forward: int) -> list[list[int]]:
    """Divide completions into passes, by their places.

    Completions of one prompt stay together, and share it, where they fit; a single completion with its prompt goes
    alone however long it is. Groups of like length go together, so that little is padding.
    """
    shares = [share for group in _by_prompt(pairs) for share in _fitting(pairs, group, tokens_per_forward)]
    shares.sort(key=lambda share: -_length(pairs, share))  # stable: equal lengths stay in order
    found: list[list[int]] = []
    rows, width = 0, 0
    for share in shares:
        length = _length(pairs, share)
        if not found or (rows + 1) * width > tokens_per_forward:
            found.append([])
            rows, width = 0, length
        found[-1] += share
        rows += 1
    return found


def prompt_groups(pairs: Sequence[tuple[EncodedPrompt, list[int]]]) -> tuple[PromptGroup, ...]:
    """Neighbours with one prompt as a group each."""
    return tuple(
        PromptGroup(pairs[group[0]][0], tuple(pairs[place][1] for place in group)) for group in _by_prompt(pairs)
    )


def padded(rows: Sequence[Tensor]) -> Tensor:
    """Tensors [C] of several lengths as one [N, C], 0 behind the shorter ones."""
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)


def _by_prompt(pairs: Sequence[tuple[EncodedPrompt, list[int]]]) -> list[list[int]]:
    groups: list[list[int]] = []
    for place, (prompt, _) in enumerate(pairs):
        if not groups or pairs[groups[-1][0]][0] is not prompt:
            groups.append([])
        groups[-1].append(place)
    return groups


def _fitting(
    pairs: Sequence[tuple[EncodedPrompt, list[int]]], group: Sequence[int], tokens_per_forward: int
) -> Iterator[list[int]]:
    """A group in shares that each fit into a pass with the prompt."""
    share: list[int] = []
    for place in group:
        if share and _length(pairs, [*share, place]) > tokens_per_forward:
            yield share
            share = []
        share.append(place)
    yield share


def _length(pairs: Sequence[tuple[EncodedPrompt, list[int]]], places: Sequence[int]) -> int:
    """Tokens of a packed sequence: the prompt once."""
    return len(pairs[places[0]][0].token_ids) + sum(len(pairs[place][1]) for place in places)


def _micro_batch(rows: Sequence[Row]) -> MicroBatch:
    sampled = padded([row.completion.log_probs for row in rows])
    own = [row.old for row in rows if row.old is not None]
    references = [row.reference for row in rows if row.reference is not None]
    return MicroBatch(
        groups=prompt_groups([(row.prompt, row.completion.token_ids) for row in rows]),
        old_log_probs=padded(own) if own else sampled,
        reference_log_probs=padded(references) if references else None,
        sampler_log_probs=sampled if own else None,
        advantages=torch.tensor([row.advantage for row in rows], dtype=sampled.dtype),
        is_counted=torch.tensor([row.is_counted for row in rows]),
    )

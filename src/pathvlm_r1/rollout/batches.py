"""What the engines that run the policy themselves share: batches of prompts of like length, padded on the left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from pathvlm_r1.config import CAPABILITIES, Capability
from pathvlm_r1.model import EncodedPrompt

Result = TypeVar("Result")


class LocalEngine:
    """An engine that runs the policy itself, in the trainer's own process.

    Args:
        end_ids: a completion stops at the first of these.
        rows_per_batch: completions decoded together; changes speed and memory, and with sampling the draws.
    """

    name: ClassVar[str]  # as `rollout=` has it

    def __init__(self, *, end_ids: Sequence[int], rows_per_batch: int) -> None:
        self.end_ids = list(end_ids)
        self.rows_per_batch = rows_per_batch

    @property
    def capabilities(self) -> frozenset[Capability]:
        """It samples from the trainer's own model."""
        return CAPABILITIES[self.name]

    def in_batches(
        self, prompts: Sequence[EncodedPrompt], group_size: int,
        decode: Callable[[Sequence[EncodedPrompt]], list[Result]],
    ) -> list[Result]:  # fmt: skip
        """What `decode` makes of every prompt, in batches of no more rows than are decoded together."""
        return by_length(prompts, max(1, self.rows_per_batch // group_size), decode)


def by_length(
    prompts: Sequence[EncodedPrompt], size: int, decode: Callable[[Sequence[EncodedPrompt]], list[Result]]
) -> list[Result]:
    """What `decode` makes of every prompt, in the order of the prompts.

    Several batches are formed of prompts of like length, so that little is padding; the longest are decoded first, as
    they need the most memory. What fits one batch stays as it is.
    """
    places = list(range(len(prompts)))
    if len(places) > size:
        places.sort(key=lambda place: len(prompts[place].token_ids), reverse=True)
    results: dict[int, Result] = {}
    for start in range(0, len(places), size):
        batch = places[start : start + size]
        results.update(zip(batch, decode([prompts[place] for place in batch]), strict=True))
    return [results[place] for place in range(len(prompts))]


def left_padded(prompts: Sequence[EncodedPrompt], device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids [B, S] that end together, 0 before them; and whether there is a token [B, S]."""
    width = max(len(prompt.token_ids) for prompt in prompts)
    input_ids = torch.zeros(len(prompts), width, dtype=torch.long, device=device)
    is_token = torch.zeros(len(prompts), width, dtype=torch.bool, device=device)
    for row, prompt in enumerate(prompts):
        start = width - len(prompt.token_ids)
        input_ids[row, start:] = torch.tensor(prompt.token_ids)
        is_token[row, start:] = True
    return input_ids, is_token


def grouped(rows: list[Result], group_size: int) -> list[list[Result]]:
    """Rows that stand group by group, as groups."""
    return [rows[start : start + group_size] for start in range(0, len(rows), group_size)]

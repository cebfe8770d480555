"""What the engines that run the policy themselves share: batches of prompts of like length, padded on the left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

from pathvlm_r1.model import EncodedPrompt, Policy

Result = TypeVar("Result")


@contextmanager
def in_evaluation_mode(policy: Policy) -> Iterator[None]:
    """Without dropout, which would sample from another network than the one that is trained."""
    was_training = policy.training
    policy.eval()
    try:
        yield
    finally:
        policy.train(was_training)


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

"""How a rollout takes one token more in every row, behind prompts that have passed the model."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from transformers.cache_utils import Cache

from pathvlm_r1.model import PlainStep, Policy
from pathvlm_r1.rollout.cache import select_rows

_FULL_TYPES = (torch.float32, torch.float64)


class TokenStep(Protocol):
    """The language model with the keys and values of all rows so far."""

    def __call__(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """The last layer's states [N, D] of one new token [N] a row; positions [N] are alike in all dimensions."""
        ...

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows alone, in their order."""
        ...


def token_step(policy: Policy, prompts: Cache, mask: Tensor | None, *, group_size: int, capacity: int) -> TokenStep:
    """The fastest way for this policy, at first with `group_size` rows behind each prompt.

    Args:
        policy: as it is now.
        prompts: keys and values of B prompts of P places, with room for `capacity` more.
        mask: additive [B, 1, 1, P]; None: all places are seen.
        group_size: G; rows stand group by group.
        capacity: tokens that a row may get.
    """
    is_full = policy.core.dtype in _FULL_TYPES and not torch.is_autocast_enabled("cpu")
    if policy.device.type == "cpu" and is_full:
        return PlainStep(policy, prompts, mask, group_size=group_size, capacity=capacity)
    return ModuleStep(policy, prompts, mask, group_size=group_size, capacity=capacity)


class ModuleStep:
    """Through the model's own modules, with the prompt's keys and values repeated for every row."""

    def __init__(
        self, policy: Policy, prompts: Cache, mask: Tensor | None, *, group_size: int, capacity: int
    ) -> None:  # fmt: skip
        self.policy, self.cache = policy, prompts
        rows = torch.arange(len(prompts.layers[0].keys), device=policy.device).repeat_interleave(group_size)
        select_rows(self.cache, rows)
        self.mask = None if mask is None else torch.nn.functional.pad(mask, (0, capacity))[rows]

    def __call__(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """As the protocol has it."""
        length = self.cache.get_seq_length() + 1
        states: Tensor = self.policy.core.model.language_model(
            inputs_embeds=self.policy.core.get_input_embeddings()(tokens[:, None]),
            attention_mask={"full_attention": None if self.mask is None else self.mask[..., :length]},
            position_ids=positions[None, :, None].expand(3, -1, -1),
            past_key_values=self.cache, use_cache=True,
        ).last_hidden_state[:, 0]  # fmt: skip
        return states

    def keep(self, rows: Tensor) -> None:
        """As the protocol has it."""
        self.mask = None if self.mask is None else self.mask[rows]
        select_rows(self.cache, rows)

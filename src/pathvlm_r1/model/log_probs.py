"""Log-probabilities of sampled completions, with the prompt of a group computed once.

A group becomes one sequence [prompt | completion 1 | ... | completion G]: every completion sees the prompt and itself,
and its positions start after the prompt's largest, as if it stood there alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pathvlm_r1.model.attention import Visibility
from pathvlm_r1.model.encoding import EncodedPrompt
from pathvlm_r1.model.policy import Policy


@dataclass(frozen=True)
class PromptGroup:
    """A prompt with some of the completions that were sampled from it."""

    prompt: EncodedPrompt
    completions: tuple[list[int], ...]  # token ids, each at least one

    @property
    def length(self) -> int:
        """Tokens of the packed sequence."""
        return len(self.prompt.token_ids) + sum(map(len, self.completions))


@dataclass(frozen=True, eq=False)
class TokenLogProbs:
    """N completions of at most C tokens: those of the first group, then the second, and so on."""

    log_probs: Tensor  # [N, C], 0 beyond a completion
    entropy: Tensor  # [N, C] in nats
    mask: Tensor  # [N, C], True at tokens


@dataclass(frozen=True)
class _Packed:
    """Groups as padded rows; S = longest packed sequence, N = completions of all groups, C = longest completion."""

    input_ids: Tensor  # [B, S]
    visibility: Visibility
    offsets: Tensor  # [B, S]: place within its segment
    predictors: Tensor  # [N, C]: flat index into [B * S] of the state that predicts each token
    targets: Tensor  # [N, C]
    mask: Tensor  # [N, C], True at tokens


def token_log_probs(
    policy: Policy, groups: Sequence[PromptGroup], *, with_entropy_gradient: bool = False
) -> TokenLogProbs:
    """Log-probs of every completion's tokens under the policy's distribution, and its entropy there.

    Args:
        policy: whose distribution.
        groups: prompts with their completions.
        with_entropy_gradient: of a loss that the entropy is part of; otherwise it is a measurement.
    """
    packed = _pack(groups, policy.device)
    prompts = [group.prompt for group in groups]
    embeddings = policy.embed(packed.input_ids, prompts)
    mask = packed.visibility.for_attention(embeddings.dtype, is_flex=policy.is_flex)
    hidden = policy.core.model.language_model(
        inputs_embeds=embeddings,
        attention_mask={"full_attention": mask},
        position_ids=_positions(policy, packed, prompts),
        use_cache=False,
    ).last_hidden_state
    states = hidden.flatten(0, 1)[packed.predictors[packed.mask]]  # [tokens, D]
    scores = policy.scores(states, packed.targets[packed.mask])
    entropy = scores.entropy if with_entropy_gradient else scores.entropy.detach()
    zeros = scores.log_probs.new_zeros(packed.mask.shape)
    return TokenLogProbs(
        zeros.masked_scatter(packed.mask, scores.log_probs), zeros.masked_scatter(packed.mask, entropy), packed.mask
    )


def _pack(groups: Sequence[PromptGroup], device: torch.device) -> _Packed:
    width = max(group.length for group in groups)
    completions = [ids for group in groups for ids in group.completions]
    longest = max(map(len, completions))
    input_ids = torch.zeros(len(groups), width, dtype=torch.long)
    segments = torch.full((len(groups), width), -1)
    offsets = torch.zeros(len(groups), width, dtype=torch.long)
    predictors = torch.zeros(len(completions), longest, dtype=torch.long)
    tokens = torch.zeros(len(completions), longest, dtype=torch.long)
    targets = torch.zeros(len(completions), longest, dtype=torch.long)
    mask = torch.zeros(len(completions), longest, dtype=torch.bool)
    row = 0
    for index, group in enumerate(groups):
        prompt_length = len(group.prompt.token_ids)
        start = 0
        for segment, ids in enumerate((group.prompt.token_ids, *group.completions)):
            here = slice(start, start + len(ids))
            input_ids[index, here] = torch.tensor(ids)
            segments[index, here] = segment
            offsets[index, here] = torch.arange(len(ids))
            if segment > 0:
                tokens[row, : len(ids)] = index * width + torch.arange(start, start + len(ids))
                predictors[row, : len(ids)] = tokens[row, : len(ids)] - 1
                predictors[row, 0] = index * width + prompt_length - 1  # the prompt's last token predicts the first
                targets[row, : len(ids)] = torch.tensor(ids)
                mask[row, : len(ids)] = True
                row += 1
            start += len(ids)
    lengths = [(len(group.prompt.token_ids), group.length - len(group.prompt.token_ids)) for group in groups]
    mask = mask.to(device)
    visibility = Visibility(segments.to(device), tokens.to(device), mask, lengths)
    return _Packed(
        input_ids.to(device), visibility, offsets.to(device), predictors.to(device), targets.to(device), mask
    )


def _positions(policy: Policy, packed: _Packed, prompts: Sequence[EncodedPrompt]) -> Tensor:
    """Rotary positions [3, B, S]: the prompt's own, then each completion from its largest on."""
    is_prompt = packed.visibility.segments == 0
    positions = policy.positions(packed.input_ids, is_prompt.long(), prompts)
    largest = positions.masked_fill(~is_prompt, 0).amax(dim=(0, 2))  # [B]
    return torch.where(is_prompt, positions, largest[None, :, None] + 1 + packed.offsets)

"""The native engine: each prompt and its picture pass the model once, then a plain loop decodes its completions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pathvlm_r1.model import EncodedPrompt, Policy, in_evaluation_mode
from pathvlm_r1.rollout.batches import LocalEngine, grouped, left_padded
from pathvlm_r1.rollout.cache import preallocated_cache
from pathvlm_r1.rollout.engine import SampledCompletion
from pathvlm_r1.rollout.sampling import Decoding, draw
from pathvlm_r1.rollout.steps import token_step


class NativeEngine(LocalEngine):
    """Samples groups of completions from the policy itself."""

    name = "native"

    @torch.no_grad()
    def sample(self, policy: Policy, prompts: Sequence[EncodedPrompt], group_size: int, decoding: Decoding,
               generator: torch.Generator) -> list[list[SampledCompletion]]:  # fmt: skip
        """`group_size` completions for each prompt, in the order of the prompts."""

        def decode(batch: Sequence[EncodedPrompt]) -> list[list[SampledCompletion]]:
            return grouped(_Decoder(policy, batch, group_size, decoding, self.end_ids).run(generator), group_size)

        with in_evaluation_mode(policy):
            return self.in_batches(prompts, group_size, decode)


class _Decoder:
    """The state of one decoding loop; rows leave it as they end."""

    def __init__(self, policy: Policy, prompts: Sequence[EncodedPrompt], group_size: int, decoding: Decoding,
                 end_ids: Sequence[int]) -> None:  # fmt: skip
        self.policy, self.decoding = policy, decoding
        self.end_ids = torch.tensor(end_ids, device=policy.device)
        rows = len(prompts) * group_size
        self.tokens = torch.zeros(rows, decoding.max_completion_tokens, dtype=torch.long, device=policy.device)
        self.lengths = torch.full((rows,), decoding.max_completion_tokens, device=policy.device)
        self.is_ended = torch.zeros(rows, dtype=torch.bool, device=policy.device)
        self.active = torch.arange(rows, device=policy.device)  # rows still decoded, by their place in the output
        self._prefill(prompts, group_size)
        self.log_probs = self.logits.new_zeros(rows, decoding.max_completion_tokens)

    def _prefill(self, prompts: Sequence[EncodedPrompt], group_size: int) -> None:
        """Run every prompt once; prompts are padded on the left."""
        device = self.policy.device
        input_ids, is_token = left_padded(prompts, device)
        width = input_ids.shape[1]
        capacity = width + self.decoding.max_completion_tokens
        cache = preallocated_cache(self.policy.core.config.text_config.num_hidden_layers, capacity)
        positions = self.policy.positions(input_ids, is_token.long(), prompts)
        hidden = self.policy.core.model.language_model(
            inputs_embeds=self.policy.embed(input_ids, prompts), attention_mask=is_token.long(),
            position_ids=positions, past_key_values=cache, use_cache=True,
        ).last_hidden_state[:, -1]  # fmt: skip
        spread = torch.arange(len(prompts), device=device).repeat_interleave(group_size)
        self.logits = self.policy.raw_logits(hidden)[spread]
        self.next_position = (positions.amax(dim=(0, 2)) + 1)[spread]
        mask = None
        if not is_token.all():
            mask = torch.zeros(is_token.shape, dtype=hidden.dtype, device=device)
            mask = mask.masked_fill_(~is_token, torch.finfo(hidden.dtype).min)[:, None, None]
        self.step = token_step(
            self.policy, cache, mask, group_size=group_size, capacity=self.decoding.max_completion_tokens
        )

    def run(self, generator: torch.Generator) -> list[SampledCompletion]:
        """Decode until every row has ended or reached the cap."""
        for step in range(self.decoding.max_completion_tokens):
            tokens, log_probs = draw(self.logits, self.decoding, generator)
            self.tokens[self.active, step] = tokens
            self.log_probs[self.active, step] = log_probs
            tokens = self._retire(tokens, torch.isin(tokens, self.end_ids), step)
            if len(self.active) == 0:
                break
            if step + 1 < self.decoding.max_completion_tokens:
                self._advance(tokens)
        token_ids, lengths = self.tokens.tolist(), self.lengths.tolist()
        return [
            SampledCompletion(token_ids[row][:length], self.log_probs[row, :length].cpu(), bool(self.is_ended[row]))
            for row, length in enumerate(lengths)
        ]

    def _retire(self, tokens: Tensor, has_ended: Tensor, step: int) -> Tensor:
        """Take ended rows out of the batch; returns the tokens of the others."""
        if not has_ended.any():
            return tokens
        ended = self.active[has_ended]
        self.lengths[ended] = step + 1
        self.is_ended[ended] = True
        kept = (~has_ended).nonzero()[:, 0]
        self.active, self.next_position = self.active[kept], self.next_position[kept]
        if len(kept) > 0:
            self.step.keep(kept)
        return tokens[kept]

    def _advance(self, tokens: Tensor) -> None:
        """One step of the model for the rows still decoded."""
        self.logits = self.policy.raw_logits(self.step(tokens, self.next_position))
        self.next_position = self.next_position + 1

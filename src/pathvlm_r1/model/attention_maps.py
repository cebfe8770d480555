"""Where the place that predicts an answer attends to in the picture: one layer's weights, or all of them joined."""

from __future__ import annotations

import torch
from torch import Tensor

from pathvlm_r1.model.attention import GROUP_ATTENTION
from pathvlm_r1.model.encoding import EncodedPrompt, EncodedRow, Encoder
from pathvlm_r1.model.policy import Policy, in_evaluation_mode


@torch.no_grad()
def attention_to_picture(policy: Policy, encoder: Encoder, prompt: EncodedPrompt, begun: list[int]) -> Tensor:
    """Attention of the last place to the tokens of the prompt's only picture, by layer and in rollout.

        rollout = product over layers, the last first, of (mean over heads of A[layer] + I) / 2

    Args:
        policy: whose attention.
        encoder: of the prompt.
        prompt: with one picture.
        begun: tokens of the answer so far, whose last place predicts what is asked about; none: that of the prompt.

    Returns:
        [layers + 1, h, w] over the picture's tokens, the mean over heads of every layer and then the rollout; what
        goes to the text is left out.

    Raises:
        ValueError: no picture, or several.

    Source: Abnar and Zuidema 2020, Quantifying Attention Flow in Transformers, arXiv:2005.00928, section 3.
    """
    if len(prompt.pictures) != 1:
        raise ValueError(f"the prompt has {len(prompt.pictures)} pictures: a map needs exactly one")
    with in_evaluation_mode(policy):
        weights = _weights(policy, encoder, EncodedRow(prompt, begun))
    joined = torch.eye(weights.shape[-1], dtype=weights.dtype, device=weights.device)
    for layer in weights:
        joined = (layer + torch.eye(len(layer), dtype=layer.dtype, device=layer.device)) / 2 @ joined
    last = torch.stack([*weights[:, -1], joined[-1]])  # [layers + 1, S]
    is_image = torch.tensor(prompt.token_ids + begun) == encoder.processor.image_token_id
    merge = encoder.processor.image_processor.merge_size
    _, height, width = (prompt.pictures[0].grid_thw // torch.tensor([1, merge, merge])).tolist()
    return last[:, is_image.to(last.device)].reshape(-1, height, width).cpu()


def _weights(policy: Policy, encoder: Encoder, row: EncodedRow) -> Tensor:
    """[layers, S, S] in float64, the mean over heads; the library's plain attention is the one that has them."""
    batch = encoder.batch([row]).to(policy.device)
    language_model = policy.core.model.language_model
    language_model.set_attn_implementation("eager")
    try:
        found = language_model(
            inputs_embeds=policy.embed(batch.input_ids, batch.prompts),
            attention_mask=batch.attention_mask,
            position_ids=policy.positions(batch.input_ids, batch.attention_mask, batch.prompts),
            use_cache=False,
            output_attentions=True,
        ).attentions
    finally:
        language_model.set_attn_implementation(GROUP_ATTENTION)
    return torch.stack([layer[0].double().mean(dim=0) for layer in found])

"""The policy: a Qwen2.5-VL model with what training and sampling ask of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pathvlm_r1.model.attention import GROUP_ATTENTION
from pathvlm_r1.model.encoding import EncodedPicture, EncodedPrompt, TokenBatch, picture_grids
from pathvlm_r1.model.features import FeatureCache, FeatureFolder
from pathvlm_r1.model.head import HeadScores, head_log_probs
from pathvlm_r1.model.layers import Linear, use_fast_layers


class Policy(nn.Module):
    """A vision-language model seen as a distribution over completions.

    The distribution is softmax(logits / temperature) with the suppressed token ids at -inf, in sampling and training.
    """

    suppressed_ids: Tensor

    def __init__(
        self, model: nn.Module, *, suppressed_ids: Sequence[int], temperature: float, cached_pictures: int
    ) -> None:
        super().__init__()
        self.model = model
        self.temperature = temperature
        self.register_buffer("suppressed_ids", torch.tensor(list(suppressed_ids), dtype=torch.long), persistent=False)
        self._cache = FeatureCache(cached_pictures)
        self.feature_folder: FeatureFolder | None = None  # for a vision tower that does not train
        self.is_flex = False  # how packed groups attend: see model/attention.py
        self.core.model.language_model.set_attn_implementation(GROUP_ATTENTION)
        use_fast_layers(self.model)

    @property
    def core(self) -> Any:
        """The Qwen2_5_VLForConditionalGeneration under an adapter, if there is one."""
        model: Any = self.model
        return model.get_base_model() if self.has_adapter else model

    @property
    def has_adapter(self) -> bool:
        return hasattr(self.model, "disable_adapter")

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def frozen_copy(self) -> Policy:
        """The same policy with weights that stay; what is frozen already, and the features of pictures, is shared."""
        shared: dict[int, Any] = {id(p): p for p in self.parameters() if not p.requires_grad}
        if self.is_vision_frozen:
            shared[id(self._cache)] = self._cache
        return copy.deepcopy(self, shared).requires_grad_(requires_grad=False).eval()

    @property
    def is_vision_frozen(self) -> bool:
        return not any(parameter.requires_grad for parameter in self.core.model.visual.parameters())

    def image_features(self, pictures: Sequence[EncodedPicture]) -> list[Tensor]:
        """Features [tokens, D] of each picture; a frozen tower encodes each that is not cached, once."""
        if not self.is_vision_frozen:
            return self._tower(*_parts(pictures))
        named = {picture.key or id(picture): picture for picture in pictures}
        known = {name: kept for name, it in named.items() if (kept := self._cache.get(it.key)) is not None}
        missing = {name: picture for name, picture in named.items() if name not in known}
        known |= zip(missing, self._frozen_features(list(missing.values())), strict=True)
        for name, picture in missing.items():
            self._cache.put(picture.key, known[name])
        return [known[picture.key or id(picture)] for picture in pictures]

    @torch.no_grad()
    def _frozen_features(self, pictures: Sequence[EncodedPicture]) -> list[Tensor]:
        if self.feature_folder is None:
            return self._tower(*_parts(pictures))
        features = self.feature_folder.features(*_parts(pictures), encode=self._tower)
        return [tensor.to(self.device) for tensor in features]

    def _tower(self, patches: Sequence[Tensor], grids: Sequence[Tensor]) -> list[Tensor]:
        return self.encode_pictures(torch.cat(list(patches)), torch.stack(list(grids))) if patches else []

    def encode_pictures(self, pixels: Tensor, grids: Tensor) -> list[Tensor]:
        """Features [tokens, D] of each picture, from its patches [patches, values] and grid [pictures, 3]."""
        encoded = self.core.model.get_image_features(pixels.to(self.device), grids.to(self.device))
        return list(encoded.pooler_output)

    def embed(self, input_ids: Tensor, prompts: Sequence[EncodedPrompt]) -> Tensor:
        """Token embeddings [N, S, D] with the image tokens replaced by the features of the rows' pictures."""
        embeddings: Tensor = self.core.get_input_embeddings()(input_ids)
        features = self.image_features([picture for prompt in prompts for picture in prompt.pictures])
        if not features:
            return embeddings
        is_image = (input_ids == self.core.config.image_token_id)[..., None]
        return embeddings.masked_scatter(is_image, torch.cat(features).to(embeddings.dtype))

    def positions(self, input_ids: Tensor, attention_mask: Tensor, prompts: Sequence[EncodedPrompt]) -> Tensor:
        """Multimodal rotary positions [3, N, S]."""
        image_tokens = (input_ids == self.core.config.image_token_id).long()
        positions: Tensor = self.core.model.get_rope_index(
            input_ids, image_tokens, image_grid_thw=picture_grids(prompts), attention_mask=attention_mask
        )[0]
        return positions

    def hidden_states(self, batch: TokenBatch) -> Tensor:
        """The last layer's states [N, S, D]."""
        states: Tensor = self.core.model.language_model(
            inputs_embeds=self.embed(batch.input_ids, batch.prompts),
            attention_mask=batch.attention_mask,
            position_ids=self.positions(batch.input_ids, batch.attention_mask, batch.prompts),
            use_cache=False,
        ).last_hidden_state
        return states

    def raw_logits(self, hidden_states: Tensor) -> Tensor:
        """Logits [..., V] at temperature 1, at least float32, suppressed ids at -inf."""
        logits: Tensor = self.core.lm_head(hidden_states)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # bfloat16 is too coarse for log-probs
        return logits.index_fill_(-1, self.suppressed_ids.to(logits.device), -torch.inf)

    def scores(self, hidden_states: Tensor, targets: Tensor) -> HeadScores:
        """Tokens [T] as the policy's distribution at the states [T, D] has them."""
        return head_log_probs(
            hidden_states, self.head_weight, targets, temperature=self.temperature, suppressed_ids=self.suppressed_ids
        )

    @property
    def head_weight(self) -> Tensor:
        """[V, D], from states to logits.

        Raises:
            TypeError: the head is more than a matrix.
        """
        head = self.core.lm_head
        if type(head) not in (nn.Linear, Linear) or head.bias is not None:
            raise TypeError(f"the head is {head}: a linear layer without bias and without an adapter is needed")
        weight: Tensor = head.weight
        return weight


def _parts(pictures: Sequence[EncodedPicture]) -> tuple[list[Tensor], list[Tensor]]:
    """Patches and grids."""
    return [picture.pixels.take() for picture in pictures], [picture.grid_thw for picture in pictures]


@contextmanager
def in_evaluation_mode(policy: Policy) -> Iterator[None]:
    """Without dropout, which would ask another network than the one that is trained."""
    was_training = policy.training
    policy.eval()
    try:
        yield
    finally:
        policy.train(was_training)

"""A CLIP checkpoint as an encoder of texts and pictures into one space, loaded when it is first asked.

Source: Radford et al. 2021, arXiv:2103.00020.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoTokenizer, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from pathvlm_r1.config import ConfigError
from pathvlm_r1.model.memory import readable_size

_log = logging.getLogger(__name__)


class HFClip:
    """Unit vectors of a CLIP's projections, in float32 on the CPU.

    Args:
        checkpoint: a folder with weights, tokenizer and image processor, or a hub id.
        batch_size: texts or pictures of one pass.
        device: that it runs on, as torch names it.
    """

    def __init__(self, *, checkpoint: str, batch_size: int, device: str) -> None:
        self.checkpoint = checkpoint
        self.batch_size = batch_size
        self.device = device

    def texts(self, texts: Sequence[str]) -> Tensor:
        """[N, D]; what is longer than the model's limit of tokens is cut off."""
        return self._encoded(texts, self._text_vectors)

    def images(self, images: Sequence[Image.Image]) -> Tensor:
        """[N, D] of RGB pictures."""
        return self._encoded(images, self._image_vectors)

    @cached_property
    def _parts(self) -> tuple[CLIPModel, Any, CLIPImageProcessorPil]:
        """Model, tokenizer and image processor.

        Raises:
            ConfigError: the checkpoint cannot be loaded.
        """
        try:
            model = CLIPModel.from_pretrained(self.checkpoint)
            tokenizer = AutoTokenizer.from_pretrained(self.checkpoint)
            processor = CLIPImageProcessorPil.from_pretrained(self.checkpoint)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"reward.image_text_alignment.encoder.checkpoint={self.checkpoint}: no CLIP can be loaded from it "
                f"({str(error).splitlines()[0]}); give a folder of model, tokenizer and image processor, or a hub id"
            ) from error
        size = readable_size(model.get_memory_footprint())
        _log.info("image_text_alignment: %s of %s on %s, for the whole run", size, self.checkpoint, self.device)
        return model.to(self.device).eval(), tokenizer, processor

    def _text_vectors(self, texts: Sequence[str]) -> Tensor:
        model, tokenizer, _ = self._parts
        limit = model.config.text_config.max_position_embeddings
        tokens = tokenizer(list(texts), padding=True, truncation=True, max_length=limit, return_tensors="pt")
        hidden = model.text_model(tokens["input_ids"].to(self.device), tokens["attention_mask"].to(self.device))
        return model.text_projection(hidden.pooler_output)  # type: ignore[no-any-return]

    def _image_vectors(self, images: Sequence[Image.Image]) -> Tensor:
        model, _, processor = self._parts
        pixels = processor(list(images), return_tensors="pt")["pixel_values"].to(self.device)
        return model.visual_projection(model.vision_model(pixels).pooler_output)  # type: ignore[no-any-return]

    @torch.no_grad()
    def _encoded(self, items: Sequence[Any], encode: Callable[[Sequence[Any]], Tensor]) -> Tensor:
        batches = [items[start : start + self.batch_size] for start in range(0, len(items), self.batch_size)]
        vectors = torch.cat([encode(batch) for batch in batches]).float().cpu()
        unit: Tensor = vectors / vectors.norm(dim=-1, keepdim=True)
        return unit

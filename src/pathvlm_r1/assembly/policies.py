"""From a model's and an adapter's configuration to a policy."""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from safetensors import SafetensorError
from torch import nn
from transformers import GenerationConfig, Qwen2_5_VLForConditionalGeneration

from pathvlm_r1.config import EMBEDDED, RANDOM_6M, AdapterConfig, ConfigError, LoRAConfig, ModelConfig
from pathvlm_r1.model import Encoder, FeatureFolder, Policy
from pathvlm_r1.model.nano import NANO_6M, random_model
from pathvlm_r1.model.processor import load_processor
from pathvlm_r1.stages import AUTOCASTS
from pathvlm_r1.tracking import write_atomically

EMBEDDED_FOLDER = Path(__file__).resolve().parents[1] / "model" / "nano_base"
CACHED_PICTURES = 4096  # of whose features a frozen vision tower keeps; nano: 8 kB each, 3B: 340 kB
_NEVER_SAMPLED = ("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>")
_DTYPES = {"bf16-true": torch.bfloat16, "16-true": torch.float16, "64-true": torch.float64}
_FROZEN_DTYPES = _DTYPES | AUTOCASTS

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedPolicy:
    """A policy with what reads for it and writes of it."""

    policy: Policy
    encoder: Encoder
    checkpoint: str  # folder or hub id that the weights came from


def load_policy(model: ModelConfig, adapter: AdapterConfig, *, precision: str, temperature: float,
                is_dropout_on: bool) -> LoadedPolicy:  # fmt: skip
    """Load weights and processor, freeze the vision tower, and attach a new adapter if one is asked for.

    Args:
        model: whose weights, and how much it reads.
        adapter: what trains.
        precision: Lightning's word for it. Mixed holds what trains in float32, where a step of 1e-6 is not rounded
            away, and the frozen weights under an adapter in the reduced type.
        temperature: of the policy's distribution.
        is_dropout_on: False in GRPO, where sampling and training must see the same network.

    Raises:
        ConfigError: the checkpoint is missing, or of another model.
    """
    folder = found_checkpoint(model.checkpoint)
    try:
        encoder = encoder_of(model)
        weights = _weights(folder, encoder, _dtype(precision, adapter))
    except (OSError, SafetensorError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ConfigError(f"model.checkpoint={model.checkpoint}: cannot be loaded: {reason}") from error
    weights.generation_config = neutral_generation_config(encoder)
    if model.gradient_checkpointing:
        weights.activation_checkpointing_enable({"use_reentrant": False})
    trained = _attach(weights, adapter, is_dropout_on=is_dropout_on)
    policy = Policy(
        trained,
        suppressed_ids=suppressed_ids(encoder, weights.config.text_config.vocab_size),
        temperature=temperature,
        cached_pictures=CACHED_PICTURES,
    )
    if model.feature_folder is not None:
        tower = policy.core.model.visual
        policy.feature_folder = FeatureFolder(Path(model.feature_folder).expanduser(), tower, write_atomically)
    return LoadedPolicy(policy, encoder, folder)


def encoder_of(model: ModelConfig, *, min_pixels: int | None = None) -> Encoder:
    """What reads for a model: its tokenizer, its chat template and, within limits of pixels, its pictures."""
    folder = found_checkpoint(model.checkpoint)
    reader = EMBEDDED_FOLDER if folder == RANDOM_6M else folder
    return Encoder(load_processor(reader, min_pixels=min_pixels, max_pixels=model.max_pixels))


def found_checkpoint(checkpoint: str) -> str:
    """The absolute path of a folder of weights; a hub id, which its own loading checks, and `random_6m` as they are.

    Raises:
        ConfigError: no such folder, or one that does not hold a Qwen2.5-VL.
    """
    if checkpoint == RANDOM_6M:
        return checkpoint
    folder = EMBEDDED_FOLDER if checkpoint == EMBEDDED else Path(checkpoint).expanduser()
    if not folder.exists() and not checkpoint.startswith((".", "/", "~")) and checkpoint.count("/") == 1:
        return checkpoint
    if not folder.is_dir():
        raise ConfigError(f"model.checkpoint={checkpoint}: no such folder; give a run's export folder or a hub id")
    config = folder / "config.json"
    if not config.is_file():
        raise ConfigError(
            f"model.checkpoint={checkpoint}: holds no config.json; a run's weights are in its export folder"
        )
    found = _model_type(config)
    if found != "qwen2_5_vl":
        raise ConfigError(
            f"model.checkpoint={checkpoint}: holds a {found}, not a qwen2_5_vl; only Qwen2.5-VL is supported"
        )
    return str(folder.resolve())


def suppressed_ids(encoder: Encoder, vocabulary_rows: int) -> list[int]:
    """Ids that no completion may hold: vision tokens, and rows of the embedding beyond the tokenizer."""
    vision = [encoder.tokenizer.convert_tokens_to_ids(name) for name in _NEVER_SAMPLED]
    return [*vision, *range(len(encoder.tokenizer), vocabulary_rows)]


def neutral_generation_config(encoder: Encoder) -> GenerationConfig:
    """End and padding tokens, and nothing that would change what is sampled."""
    return GenerationConfig(do_sample=False, eos_token_id=encoder.end_ids, pad_token_id=encoder.pad_id)


def trainability(policy: Policy) -> str:
    """One line per block of the model: how many of its parameters train."""
    total: Counter[str] = Counter()
    trained: Counter[str] = Counter()
    for name, parameter in policy.named_parameters():
        block = "vision" if "visual" in name else "adapter" if "lora_" in name else "language model"
        total[block] += parameter.numel()
        trained[block] += parameter.numel() if parameter.requires_grad else 0
    return "\n".join(f"  {block}: {trained[block]:,} of {total[block]:,} parameters train" for block in total)


def _weights(checkpoint: str, encoder: Encoder, dtype: torch.dtype) -> Any:
    if checkpoint == RANDOM_6M:
        _log.warning("model.checkpoint=%s: the weights are random; they measure speed and answer nothing", checkpoint)
        return random_model(encoder.tokenizer, **NANO_6M).to(dtype)
    return Qwen2_5_VLForConditionalGeneration.from_pretrained(checkpoint, dtype=dtype, attn_implementation="sdpa")


def _dtype(precision: str, adapter: AdapterConfig) -> torch.dtype:
    """Of the weights as loaded; peft makes an adapter's own float32."""
    dtypes = _FROZEN_DTYPES if isinstance(adapter, LoRAConfig) else _DTYPES
    return dtypes.get(precision, torch.float32)


def _attach(weights: Any, adapter: AdapterConfig, *, is_dropout_on: bool) -> nn.Module:
    if isinstance(adapter, LoRAConfig):
        with_adapter: nn.Module = get_peft_model(
            weights,
            LoraConfig(
                r=adapter.r, lora_alpha=adapter.alpha, lora_dropout=adapter.dropout if is_dropout_on else 0.0,
                target_modules=adapter.target, task_type="CAUSAL_LM",
            ),
        )  # fmt: skip
        return with_adapter
    weights.model.visual.requires_grad_(adapter.train_vision)
    full: nn.Module = weights
    return full


def _model_type(config: Path) -> str:
    try:
        return str(json.loads(config.read_text(encoding="utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError):
        return "config.json without a model_type"

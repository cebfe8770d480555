"""What the model and its adapter may be asked."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Literal

from pathvlm_r1.config.rules import require, require_positive, require_text, require_text_if_any

# Values of `model.checkpoint` that stand for the weights inside the package, and for random ones of a larger model.
EMBEDDED = "embedded"
RANDOM_6M = "random_6m"


@dataclass(frozen=True, kw_only=True)
class SFTRecipe:
    """What the SFT stage takes from the model by default; the values stand in `conf/model/*.yaml`."""

    learning_rate: float
    max_steps: int
    rows_per_step: int
    rows_per_forward: int
    validation_every: int

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            require_positive(value, f"model.recipe.sft.{name}")


@dataclass(frozen=True, kw_only=True)
class GRPORecipe:
    """What the GRPO stage takes from the model by default; the values stand in `conf/model/*.yaml`."""

    learning_rate: float
    max_steps: int
    prompts_per_step: int
    tokens_per_forward: int | None
    validation_every: int

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None:
                require_positive(value, f"model.recipe.grpo.{name}")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Rates, steps and batches that suit a model; the values stand in `conf/model/*.yaml`."""

    sft: SFTRecipe
    grpo: GRPORecipe


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which weights and how much they read and write; the values stand in `conf/model/*.yaml`."""

    name: str
    checkpoint: str
    max_pixels: int
    max_completion_tokens: int
    gradient_checkpointing: bool
    feature_folder: str | None
    recipe: Recipe

    def __post_init__(self) -> None:
        require_text(self.name, "model.name")
        require_text(self.checkpoint, "model.checkpoint")
        require_text_if_any(self.feature_folder, "model.feature_folder")
        require(self.max_pixels >= 784, "model.max_pixels", self.max_pixels, "at least 784: 28 x 28 is one token")
        require(
            self.max_completion_tokens >= 8,
            "model.max_completion_tokens",
            self.max_completion_tokens,
            "at least 8: a shorter completion cannot hold an answer",
        )


@dataclass(frozen=True, kw_only=True)
class FullConfig:
    """Every weight of the language model trains; the values stand in `conf/adapter/full.yaml`."""

    name: Literal["full"]
    train_vision: bool


@dataclass(frozen=True, kw_only=True)
class LoRAConfig:
    """Low-rank adapters train; the values stand in `conf/adapter/lora.yaml`."""

    name: Literal["lora"]
    r: int
    alpha: int
    dropout: float
    target: str

    def __post_init__(self) -> None:
        require(self.r >= 1, "adapter.r", self.r, "at least 1, the rank of an adapter")
        require(self.alpha >= 1, "adapter.alpha", self.alpha, "at least 1: alpha / r scales what an adapter adds")
        require(0 <= self.dropout < 1, "adapter.dropout", self.dropout, "from 0 to below 1")
        require(_is_regex(self.target), "adapter.target", self.target, "a regular expression over names of layers")
        require(
            "language_model" in self.target,
            "adapter.target",
            self.target,
            "must name language_model: a bare suffix would match the vision tower's layers too",
        )


AdapterConfig = FullConfig | LoRAConfig


def _is_regex(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True
